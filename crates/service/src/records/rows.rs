//! The small rows: where an identity lives, where a fact stands, what a lane remembers. Version 1 of each, but for facts, whose rows of version 2 say where they came from.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::cluster::Source;
use tessera_engine::id::{EventId, NodeId};
use tessera_engine::time::Timestamp;
use tessera_engine::working::{FactRow, IdentityRow};

use super::value::time;
use crate::codec;
use crate::error::Error;

const VERSION: u8 = 1;

/// What a lane remembers of its workspace: its clock, and counts that are exact because they change with what they count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneRow {
    /// The last instant that was given out.
    pub clock: Timestamp,
    /// What the workspace holds.
    pub counts: Counts,
    /// Events that were erased and whose rows are still to be purged.
    pub waiting: u64,
    /// Identities that are suppressed.
    pub suppressed: u64,
}

/// What a workspace holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Profiles of persons and accounts.
    pub profiles: u64,
    /// Identities.
    pub identities: u64,
    /// Events on timelines.
    pub events: u64,
    /// Facts accepted and not erased, records of attributes included.
    pub facts: u64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub fn with(self, more: Self) -> Self {
        Self {
            profiles: self.profiles + more.profiles,
            identities: self.identities + more.identities,
            events: self.events + more.events,
            facts: self.facts + more.facts,
        }
    }

    /// What is left without a part; none where it holds less than the part, so one of them is wrong.
    #[must_use]
    pub fn without(self, part: Self) -> Option<Self> {
        Some(Self {
            profiles: self.profiles.checked_sub(part.profiles)?,
            identities: self.identities.checked_sub(part.identities)?,
            events: self.events.checked_sub(part.events)?,
            facts: self.facts.checked_sub(part.facts)?,
        })
    }
}

/// The version of a lane's row.
const LANE_VERSION: u8 = 2;

#[derive(Deserialize)]
struct LaneRecord1 {
    clock: i64,
    counts: Counts,
}

#[derive(Serialize, Deserialize)]
struct LaneRecord {
    clock: i64,
    counts: Counts,
    waiting: u64,
    suppressed: u64,
}

/// Writes a lane's row.
#[must_use]
pub fn encode_lane(row: &LaneRow) -> Bytes {
    let LaneRow { clock, counts, waiting, suppressed } = *row;
    codec::encode(LANE_VERSION, &LaneRecord { clock: clock.micros(), counts, waiting, suppressed })
}

/// Reads a lane's row. One of version 1 is from before anybody was suppressed, or counted while they waited.
///
/// # Errors
/// `Corrupt`.
pub fn decode_lane(bytes: &[u8]) -> Result<LaneRow, Error> {
    if bytes.first() == Some(&1) {
        let LaneRecord1 { clock, counts } = codec::decode(1, bytes)?;
        return Ok(LaneRow { clock: time(clock)?, counts, waiting: 0, suppressed: 0 });
    }
    let LaneRecord { clock, counts, waiting, suppressed } = codec::decode(LANE_VERSION, bytes)?;
    Ok(LaneRow { clock: time(clock)?, counts, waiting, suppressed })
}

#[derive(Serialize, Deserialize)]
struct IdentityRecord {
    node: [u8; 12],
    /// None where the node itself names its cluster.
    cluster: Option<[u8; 12]>,
}

/// Writes an identity row.
#[must_use]
pub fn encode_identity(row: &IdentityRow) -> Bytes {
    let cluster = (row.cluster != row.node).then(|| *row.cluster.as_bytes());
    codec::encode(VERSION, &IdentityRecord { node: *row.node.as_bytes(), cluster })
}

/// Reads an identity row.
///
/// # Errors
/// `Corrupt`.
pub fn decode_identity(bytes: &[u8]) -> Result<IdentityRow, Error> {
    let record: IdentityRecord = codec::decode(VERSION, bytes)?;
    let node = NodeId::from_bytes(record.node);
    Ok(IdentityRow { node, cluster: record.cluster.map_or(node, NodeId::from_bytes) })
}

/// Writes where a node lives.
#[must_use]
pub fn encode_home(cluster: NodeId) -> Bytes {
    codec::encode(VERSION, cluster.as_bytes())
}

/// Reads where a node lives.
///
/// # Errors
/// `Corrupt`.
pub fn decode_home(bytes: &[u8]) -> Result<NodeId, Error> {
    Ok(NodeId::from_bytes(codec::decode(VERSION, bytes)?))
}

const FACT_VERSION: u8 = 2;

#[derive(Serialize, Deserialize)]
struct OldFactRecord {
    node: [u8; 12],
    time: i64,
    event: Option<[u8; 12]>,
}

#[derive(Serialize, Deserialize)]
struct FactRecord<'a> {
    node: [u8; 12],
    time: i64,
    event: Option<[u8; 12]>,
    #[serde(borrow)]
    source: Option<SourceRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
struct SourceRecord<'a> {
    dataset: &'a str,
    batch: Option<&'a str>,
    generation: u32,
}

/// Writes where a fact stands.
#[must_use]
pub fn encode_fact(row: &FactRow) -> Bytes {
    let record = FactRecord {
        node: *row.node.as_bytes(),
        time: row.time.micros(),
        event: row.event.map(|event| *event.as_bytes()),
        source: row.source.as_ref().map(|source| SourceRecord {
            dataset: &source.dataset,
            batch: source.batch.as_deref(),
            generation: source.generation,
        }),
    };
    codec::encode(FACT_VERSION, &record)
}

/// Reads where a fact stands.
///
/// # Errors
/// `Corrupt`.
pub fn decode_fact(bytes: &[u8]) -> Result<FactRow, Error> {
    if bytes.first() == Some(&VERSION) {
        let OldFactRecord { node, time: at, event } = codec::decode(VERSION, bytes)?;
        let event = event.map(EventId::from_bytes);
        return Ok(FactRow { node: NodeId::from_bytes(node), time: time(at)?, event, source: None });
    }
    let record: FactRecord<'_> = codec::decode(FACT_VERSION, bytes)?;
    let source = record.source.map(|source| Source {
        dataset: source.dataset.into(),
        batch: source.batch.map(Into::into),
        generation: source.generation,
    });
    let event = record.event.map(EventId::from_bytes);
    Ok(FactRow { node: NodeId::from_bytes(record.node), time: time(record.time)?, event, source })
}
