//! What is known of sources: of each row that its refreshes have brought a hash, and the node that it is of; of each refresh what it came to; of
//! the source the columns that it had last, and its replication slot. Version 1 of each.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::id::NodeId;
use tessera_engine::time::Timestamp;
use tessera_store::{Key, KeyRange};

use crate::base::codec::{self, corrupt};
use crate::base::error::Error;
use crate::stored::keys::{Family, KeyBuilder, Scope};

const VERSION: u8 = 1;
/// Kinds of rows.
const KNOWN: u8 = 0;
const RUN: u8 = 1;
const ROW: u8 = 2;
const SLOT: u8 = 3;
/// Bytes of the keyed hash of a row's primary identity.
pub(crate) const HASH_BYTES: usize = 16;

impl Scope {
    /// What is known of a source.
    pub(crate) fn source(self, number: u32) -> Key {
        self.family(Family::Source).u32(number).bytes(&[KNOWN]).key()
    }

    /// A refresh of a source, by the id of its job.
    pub(crate) fn source_run(self, number: u32, run: &[u8; 12]) -> Key {
        self.family(Family::Source).u32(number).bytes(&[RUN]).bytes(run).key()
    }

    /// All refreshes of a source, the oldest first.
    pub(crate) fn source_runs(self, number: u32) -> KeyRange {
        self.family(Family::Source).u32(number).bytes(&[RUN]).range()
    }

    /// What is known of the replication slot of a source.
    pub(crate) fn source_slot(self, number: u32) -> Key {
        self.family(Family::Source).u32(number).bytes(&[SLOT]).key()
    }

    /// A row of a source.
    pub(crate) fn source_row(self, number: u32, hash: &[u8; HASH_BYTES]) -> Key {
        self.family(Family::Source).u32(number).bytes(&[ROW]).bytes(hash).key()
    }

    /// All rows of a source, in the order of their hashes.
    pub(crate) fn source_rows(self, number: u32) -> KeyRange {
        self.family(Family::Source).u32(number).bytes(&[ROW]).range()
    }

    /// All that is kept of a source.
    pub(crate) fn all_of_source(self, number: u32) -> KeyRange {
        self.family(Family::Source).u32(number).range()
    }

    /// All that is kept of sources from this number on.
    pub(crate) fn sources_from(self, number: u32) -> KeyRange {
        let end = self.family(Family::Source).range().end;
        KeyRange { start: self.family(Family::Source).u32(number).key(), end }
    }
}

/// The number of the source that a key is of.
pub(crate) fn read_source_number(key: &Key) -> Option<u32> {
    let rest = key.as_bytes().get(KeyBuilder::HEAD_BYTES..)?;
    Some(u32::from_be_bytes(*rest.first_chunk::<4>()?))
}

/// The keyed hash that the key of a row ends in.
pub(crate) fn read_row_hash(key: &Key) -> Option<[u8; HASH_BYTES]> {
    let rest = key.as_bytes().get(KeyBuilder::HEAD_BYTES + 5..)?;
    rest.try_into().ok()
}

/// The id of the job that the key of a refresh ends in.
pub(crate) fn read_run_id(key: &Key) -> Option<[u8; 12]> {
    let rest = key.as_bytes().get(KeyBuilder::HEAD_BYTES + 5..)?;
    rest.try_into().ok()
}

#[derive(Serialize, Deserialize)]
struct RowRecord<'a> {
    hash: u64,
    node: [u8; 12],
    event: Option<&'a str>,
}

/// What a row of a source says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowSaid {
    /// What it says, hashed.
    pub(crate) hash: u64,
    /// Whose node it is of.
    pub(crate) node: NodeId,
    /// The id of the event that it is, where it is one.
    pub(crate) event: Option<Arc<str>>,
}

/// Writes a row.
pub(crate) fn encode_row(row: &RowSaid) -> Bytes {
    codec::encode(VERSION, &RowRecord { hash: row.hash, node: *row.node.as_bytes(), event: row.event.as_deref() })
}

/// Reads it.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn decode_row(bytes: &[u8]) -> Result<RowSaid, Error> {
    let RowRecord { hash, node, event } = codec::decode(VERSION, bytes)?;
    Ok(RowSaid { hash, node: NodeId::from_bytes(node), event: event.map(Into::into) })
}

/// What is known of a source from its last refresh that came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Known {
    /// How often the source had been set then.
    pub(crate) set: u64,
    /// Its columns, by name, with the names of their kinds.
    pub(crate) columns: Vec<(String, String)>,
}

/// Writes it.
pub(crate) fn encode_known(known: &Known) -> Bytes {
    codec::encode(VERSION, known)
}

/// Reads it.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn decode_known(bytes: &[u8]) -> Result<Known, Error> {
    codec::decode(VERSION, bytes)
}

/// The replication slot that a source is followed by, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Slot {
    /// The connection over which it was made.
    pub(crate) connection: String,
    /// Its name.
    pub(crate) name: String,
    /// Counts the slots that were made for the source.
    pub(crate) made: u64,
    /// The server's number of the table.
    pub(crate) table: u32,
    /// All that was committed before this place stands in profiles; none while the slot is being made, or where it is lost.
    pub(crate) position: Option<u64>,
    /// Whether a refresh that began behind the slot's beginning has come to its end, and nothing has been missed since.
    pub(crate) is_whole: bool,
    /// Rows that changes have written or taken back.
    pub(crate) applied: u64,
    /// Rows that changes told of and that were refused.
    pub(crate) refused: u64,
    /// When changes were last written, in microseconds.
    pub(crate) last_change_at: Option<i64>,
    /// What was held back, or missed: a code, and what to do.
    pub(crate) trouble: Option<(String, String)>,
    /// Since when it is to be taken away, in microseconds.
    pub(crate) unwanted_since: Option<i64>,
}

/// Writes it.
pub(crate) fn encode_slot(slot: &Slot) -> Bytes {
    codec::encode(VERSION, slot)
}

/// Reads it.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn decode_slot(bytes: &[u8]) -> Result<Slot, Error> {
    codec::decode(VERSION, bytes)
}

/// How a refresh stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunStatus {
    /// It goes on.
    Running,
    /// It came to its end.
    Done,
    /// It did not; what it had written stays.
    Failed,
    /// Somebody wanted it to end.
    Cancelled,
}

impl RunStatus {
    /// Its name in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What rows of a refresh came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunCounts {
    /// Rows that were read.
    pub read: u64,
    /// Of these, rows that are new or say something else, and were written.
    pub changed: u64,
    /// Of these, rows that say what they said before.
    pub unchanged: u64,
    /// Rows of before that are no more, and were taken back.
    pub evicted: u64,
    /// Rows that were read and refused.
    pub refused: u64,
}

/// What was said of several rows: that they were refused, or that something of them was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunVerdict {
    /// A stable code.
    pub code: String,
    /// The column that it is about, if it is about one.
    pub column: Option<String>,
    /// Whether the rows were refused.
    pub is_refusal: bool,
    /// How many rows.
    pub rows: u64,
}

/// A refresh of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The id of its job.
    pub id: [u8; 12],
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended, if it has.
    pub ended_at: Option<Timestamp>,
    /// How it stands.
    pub status: RunStatus,
    /// What its rows came to.
    pub counts: RunCounts,
    /// Why it did not come to its end: a code, and what to do.
    pub error: Option<(String, String)>,
    /// What was said of its rows.
    pub verdicts: Vec<RunVerdict>,
}

#[derive(Serialize, Deserialize)]
struct RunRecord {
    started_at: i64,
    ended_at: Option<i64>,
    status: RunStatus,
    counts: RunCounts,
    error: Option<(String, String)>,
    verdicts: Vec<RunVerdict>,
}

/// Writes a refresh.
pub(crate) fn encode_run(run: &Run) -> Bytes {
    let record = RunRecord {
        started_at: run.started_at.micros(),
        ended_at: run.ended_at.map(Timestamp::micros),
        status: run.status,
        counts: run.counts,
        error: run.error.clone(),
        verdicts: run.verdicts.clone(),
    };
    codec::encode(VERSION, &record)
}

/// Reads it.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn decode_run(key: &Key, bytes: &[u8]) -> Result<Run, Error> {
    let id = read_run_id(key).ok_or_else(|| corrupt("key of a refresh"))?;
    let record: RunRecord = codec::decode(VERSION, bytes)?;
    Ok(Run {
        id,
        started_at: codec::instant(record.started_at)?,
        ended_at: record.ended_at.map(codec::instant).transpose()?,
        status: record.status,
        counts: record.counts,
        error: record.error,
        verdicts: record.verdicts,
    })
}

/// Whether a row of the family can be read.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn examine(key: &Key, value: &[u8]) -> Result<(), Error> {
    match key.as_bytes().get(KeyBuilder::HEAD_BYTES + 4) {
        Some(&KNOWN) => decode_known(value).map(drop),
        Some(&RUN) => decode_run(key, value).map(drop),
        Some(&SLOT) => decode_slot(value).map(drop),
        Some(&ROW) if read_row_hash(key).is_some() => decode_row(value).map(drop),
        _ => Err(corrupt("key of a source")),
    }
}

#[cfg(test)]
mod tests;
