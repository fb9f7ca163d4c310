//! The rows of what was seen, one for each thing. Version 1.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::model::Kind;
use tessera_store::Key;

use super::{Seen, Subject};
use crate::base::codec::{self, corrupt, instant};
use crate::base::error::Error;
use crate::stored::keys::KeyBuilder;

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    subject: SubjectRecord<'a>,
    /// A bit for each kind, by its place in [`Kind::ALL`].
    kinds: u16,
    #[serde(borrow)]
    datasets: Vec<&'a str>,
    more_datasets: bool,
    count: u64,
    first: i64,
    last: i64,
}

#[derive(Serialize, Deserialize)]
enum SubjectRecord<'a> {
    Attribute(&'a str),
    Event(&'a str),
    Property(&'a str, &'a str),
}

/// Writes a row.
pub(crate) fn encode(subject: &Subject, seen: &Seen) -> Bytes {
    let bits = Kind::ALL.iter().enumerate().filter(|(_, kind)| seen.kinds.contains(kind));
    let record = Record {
        subject: match subject {
            Subject::Attribute(path) => SubjectRecord::Attribute(path),
            Subject::Event(name) => SubjectRecord::Event(name),
            Subject::Property(name, path) => SubjectRecord::Property(name, path),
        },
        kinds: bits.fold(0, |bits, (place, _)| bits | 1 << place),
        datasets: seen.datasets.iter().map(|name| &**name).collect(),
        more_datasets: seen.more_datasets,
        count: seen.count,
        first: seen.first.micros(),
        last: seen.last.micros(),
    };
    codec::encode(VERSION, &record)
}

/// Reads a row.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Subject, Seen), Error> {
    let record: Record<'_> = codec::decode(VERSION, bytes)?;
    if record.kinds >> Kind::ALL.len() != 0 {
        return Err(corrupt("kinds of what was seen"));
    }
    let subject = match record.subject {
        SubjectRecord::Attribute(path) => Subject::Attribute(path.into()),
        SubjectRecord::Event(name) => Subject::Event(name.into()),
        SubjectRecord::Property(name, path) => Subject::Property(name.into(), path.into()),
    };
    let kinds = Kind::ALL.into_iter().enumerate().filter(|(place, _)| record.kinds >> place & 1 == 1);
    let seen = Seen {
        kinds: kinds.map(|(_, kind)| kind).collect(),
        datasets: record.datasets.into_iter().map(Arc::from).collect(),
        more_datasets: record.more_datasets,
        count: record.count,
        first: instant(record.first)?,
        last: instant(record.last)?,
    };
    Ok((subject, seen))
}

/// The number that a row has in its key.
pub(crate) fn read_key(key: &Key) -> Option<u32> {
    let number = key.as_bytes().get(KeyBuilder::HEAD_BYTES..)?;
    Some(u32::from_be_bytes(number.try_into().ok()?))
}
