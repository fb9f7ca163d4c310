//! Stored records of the quarantine, version 1. The id stands in the key.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::id::EventId;
use tessera_store::Key;

use super::{Entry, Refused, entry_key, raw_key};
use crate::codec;
use crate::directory::{KeyId, WorkspaceId};
use crate::error::Error;

const VERSION: u8 = 1;

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
    let raw = RawRecord { bytes: &refused.raw.bytes };
    [
        (entry_key(workspace, refused.id), codec::encode(VERSION, &record)),
        (raw_key(workspace, refused.id), codec::encode(VERSION, &raw)),
    ]
}

pub(super) fn decode(id: EventId, value: &[u8]) -> Result<Entry, Error> {
    let record: EntryRecord<'_> = codec::decode(VERSION, value)?;
    Ok(Entry {
        id,
        at: codec::instant(record.at)?,
        door: record.door.to_owned(),
        code: record.code.to_owned(),
        message: record.message.to_owned(),
        key: KeyId::from_bytes(record.key),
        kept_bytes: record.kept_bytes,
        whole: record.whole,
    })
}

pub(super) fn decode_raw(value: &Bytes) -> Result<Bytes, Error> {
    let record: RawRecord<'_> = codec::decode(VERSION, value)?;
    Ok(value.slice_ref(record.bytes))
}
