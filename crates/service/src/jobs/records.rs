//! The stored record of a job, version 1, and where it stands. The id stands in the key.
//!
//! A job that has not ended has a mark beside its record, so that a start finds the open ones without reading the others.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_store::{Key, KeyRange};

use super::job::{Failure, Job, JobId, Progress, State};
use crate::base::codec;
use crate::base::error::Error;
use crate::base::ids::{KeyId, WorkspaceId};
use crate::stored::keys::{Family, KeyBuilder, Scope};

const VERSION: u8 = 1;
/// What the key of a mark has between family and id.
const MARK: u8 = 0;
/// What the key of a record has there.
const RECORD: u8 = 1;

/// The row of a job.
pub(crate) fn key(workspace: WorkspaceId, id: JobId) -> Key {
    part(workspace, RECORD).bytes(id.as_bytes()).key()
}

/// The mark of a job that has not ended; its value is empty.
pub(crate) fn mark(workspace: WorkspaceId, id: JobId) -> Key {
    part(workspace, MARK).bytes(id.as_bytes()).key()
}

/// The rows of all jobs, by id.
pub(crate) fn all(workspace: WorkspaceId) -> KeyRange {
    part(workspace, RECORD).range()
}

/// All marks, by id.
pub(crate) fn marks(workspace: WorkspaceId) -> KeyRange {
    part(workspace, MARK).range()
}

fn part(workspace: WorkspaceId, part: u8) -> KeyBuilder {
    Scope::new(workspace).family(Family::Job).bytes(&[part])
}

/// What a key of the family is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    /// The mark of a job that has not ended.
    Mark(JobId),
    /// The record of a job.
    Record(JobId),
}

/// What a key of the family is of; none when it is neither.
pub(crate) fn read_key(key: &Key) -> Option<Row> {
    let (part, id) = key.as_bytes().get(KeyBuilder::HEAD_BYTES..)?.split_first()?;
    let id = JobId::from_bytes(id.try_into().ok()?);
    match *part {
        MARK => Some(Row::Mark(id)),
        RECORD => Some(Row::Record(id)),
        _ => None,
    }
}

/// The job that a key is of, of either part.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn id_of(key: &Key) -> Result<JobId, Error> {
    match read_key(key) {
        Some(Row::Mark(id) | Row::Record(id)) => Ok(id),
        None => Err(codec::corrupt("id of a job")),
    }
}

#[derive(Serialize, Deserialize)]
struct JobRecord<'a> {
    kind: &'a str,
    parameters: &'a str,
    asked_by: Option<[u8; 12]>,
    created_at: i64,
    started_at: Option<i64>,
    updated_at: i64,
    #[serde(borrow)]
    state: StateRecord<'a>,
    progress: ProgressRecord<'a>,
    attempts: u32,
    trouble: Option<FailureRecord<'a>>,
    revision: u64,
    epoch: u64,
    checkpoint: Option<&'a [u8]>,
}

#[derive(Serialize, Deserialize)]
enum StateRecord<'a> {
    Queued,
    Running,
    Pausing,
    Paused,
    Cancelling,
    Cancelled {
        at: i64,
    },
    Failed {
        at: i64,
        #[serde(borrow)]
        error: FailureRecord<'a>,
    },
    Done {
        at: i64,
        result: &'a str,
    },
}

#[derive(Serialize, Deserialize)]
struct FailureRecord<'a> {
    code: &'a str,
    message: &'a str,
}

#[derive(Serialize, Deserialize)]
struct ProgressRecord<'a> {
    done: u64,
    total: Option<u64>,
    unit: &'a str,
    worked_micros: u64,
}

/// Writes the record of a job.
pub(crate) fn encode(job: &Job) -> Bytes {
    let Progress { done, total, unit, worked_micros } = &job.progress;
    let record = JobRecord {
        kind: &job.kind,
        parameters: &job.parameters,
        asked_by: job.asked_by.map(|key| *key.as_bytes()),
        created_at: job.created_at.micros(),
        started_at: job.started_at.map(|at| at.micros()),
        updated_at: job.updated_at.micros(),
        state: StateRecord::from(&job.state),
        progress: ProgressRecord { done: *done, total: *total, unit, worked_micros: *worked_micros },
        attempts: job.attempts,
        trouble: job.trouble.as_ref().map(FailureRecord::from),
        revision: job.revision,
        epoch: job.epoch,
        checkpoint: job.checkpoint.as_deref(),
    };
    codec::encode(VERSION, &record)
}

/// Reads the record of a job.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn decode(id: JobId, value: &[u8]) -> Result<Job, Error> {
    let record: JobRecord<'_> = codec::decode(VERSION, value)?;
    let ProgressRecord { done, total, unit, worked_micros } = record.progress;
    Ok(Job {
        id,
        kind: record.kind.to_owned(),
        parameters: record.parameters.to_owned(),
        asked_by: record.asked_by.map(KeyId::from_bytes),
        created_at: codec::instant(record.created_at)?,
        started_at: record.started_at.map(codec::instant).transpose()?,
        updated_at: codec::instant(record.updated_at)?,
        state: State::try_from(record.state)?,
        progress: Progress { done, total, unit: unit.to_owned(), worked_micros },
        attempts: record.attempts,
        trouble: record.trouble.map(Failure::from),
        revision: record.revision,
        epoch: record.epoch,
        checkpoint: record.checkpoint.map(Bytes::copy_from_slice),
    })
}

impl<'a> From<&'a State> for StateRecord<'a> {
    fn from(state: &'a State) -> Self {
        match state {
            State::Queued => Self::Queued,
            State::Running => Self::Running,
            State::Pausing => Self::Pausing,
            State::Paused => Self::Paused,
            State::Cancelling => Self::Cancelling,
            State::Cancelled { at } => Self::Cancelled { at: at.micros() },
            State::Failed { at, error } => Self::Failed { at: at.micros(), error: FailureRecord::from(error) },
            State::Done { at, result } => Self::Done { at: at.micros(), result },
        }
    }
}

impl TryFrom<StateRecord<'_>> for State {
    type Error = Error;

    fn try_from(record: StateRecord<'_>) -> Result<Self, Error> {
        Ok(match record {
            StateRecord::Queued => Self::Queued,
            StateRecord::Running => Self::Running,
            StateRecord::Pausing => Self::Pausing,
            StateRecord::Paused => Self::Paused,
            StateRecord::Cancelling => Self::Cancelling,
            StateRecord::Cancelled { at } => Self::Cancelled { at: codec::instant(at)? },
            StateRecord::Failed { at, error } => Self::Failed { at: codec::instant(at)?, error: Failure::from(error) },
            StateRecord::Done { at, result } => Self::Done { at: codec::instant(at)?, result: result.to_owned() },
        })
    }
}

impl<'a> From<&'a Failure> for FailureRecord<'a> {
    fn from(failure: &'a Failure) -> Self {
        Self { code: &failure.code, message: &failure.message }
    }
}

impl From<FailureRecord<'_>> for Failure {
    fn from(record: FailureRecord<'_>) -> Self {
        Self { code: record.code.to_owned(), message: record.message.to_owned() }
    }
}

#[cfg(test)]
mod tests;
