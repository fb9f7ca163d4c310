//! Stored records of the quarantine, version 1, but for entries, which say since version 2 what class their key was of. The id stands
//! in the key.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::id::EventId;
use tessera_store::Key;

use super::{Entry, Refused, entry_key, raw_key};
use crate::base::codec;
use crate::base::error::Error;
use crate::base::ids::{KeyId, WorkspaceId};
use crate::directory::Class;

const VERSION: u8 = 1;
const ENTRY_VERSION: u8 = 2;

#[derive(Serialize, Deserialize)]
struct EntryRecord<'a> {
    at: i64,
    door: &'a str,
    code: &'a str,
    message: &'a str,
    key: [u8; 12],
    kept_bytes: u32,
    whole: bool,
}

/// An entry, and behind it what entries have since version 2.
#[derive(Serialize, Deserialize)]
struct EntryRecord2<'a> {
    #[serde(borrow)]
    entry: EntryRecord<'a>,
    class: ClassRecord,
}

#[derive(Serialize, Deserialize)]
enum ClassRecord {
    Public,
    Private,
}

#[derive(Serialize, Deserialize)]
struct RawRecord<'a> {
    #[serde(borrow)]
    bytes: &'a [u8],
}

/// The rows of a refused fact, to be put by the commit that answers for it.
#[must_use]
pub fn rows(workspace: WorkspaceId, refused: &Refused) -> [(Key, Bytes); 2] {
    let record = EntryRecord {
        at: refused.at.micros(),
        door: refused.door,
        code: refused.code,
        message: &refused.message,
        key: *refused.key.as_bytes(),
        kept_bytes: u32::try_from(refused.raw.bytes.len()).expect("what is kept is bounded"),
        whole: refused.raw.whole,
    };
    let class = match refused.class {
        Class::Public => ClassRecord::Public,
        Class::Private => ClassRecord::Private,
    };
    let raw = RawRecord { bytes: &refused.raw.bytes };
    [
        (entry_key(workspace, refused.id), codec::encode(ENTRY_VERSION, &EntryRecord2 { entry: record, class })),
        (raw_key(workspace, refused.id), codec::encode(VERSION, &raw)),
    ]
}

/// Reads an entry. One of version 1 does not say which class its key was of, and counts as one of a private key: it is pushed out by
/// newer ones of its age, never by what public keys sent.
pub(super) fn decode(id: EventId, value: &[u8]) -> Result<Entry, Error> {
    let (record, class): (EntryRecord<'_>, _) = if value.first() == Some(&VERSION) {
        (codec::decode(VERSION, value)?, Class::Private)
    } else {
        let EntryRecord2 { entry, class } = codec::decode(ENTRY_VERSION, value)?;
        match class {
            ClassRecord::Public => (entry, Class::Public),
            ClassRecord::Private => (entry, Class::Private),
        }
    };
    Ok(Entry {
        id,
        at: codec::instant(record.at)?,
        door: record.door.to_owned(),
        code: record.code.to_owned(),
        message: record.message.to_owned(),
        key: KeyId::from_bytes(record.key),
        class,
        kept_bytes: record.kept_bytes,
        whole: record.whole,
    })
}

pub(super) fn decode_raw(value: &Bytes) -> Result<Bytes, Error> {
    let record: RawRecord<'_> = codec::decode(VERSION, value)?;
    Ok(value.slice_ref(record.bytes))
}
