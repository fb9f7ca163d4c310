//! The small rows: where an identity lives, where a fact stands, what a lane remembers. Version 1 of each, but for facts, whose rows say since version 2 where they came from and since version 3 what they hold, hashed, and for lanes.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::cluster::Source;
use tessera_engine::fact::Content;
use tessera_engine::id::{EventId, NodeId};
use tessera_engine::time::Timestamp;
use tessera_engine::working::{FactRow, IdentityRow};

use super::value::time;
use crate::base::codec;
use crate::base::error::Error;

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
    /// Facts whose rows stand under their id alone.
    pub facts_by_id: FactsById,
}

/// What there is of rows of facts from before each dataset had ids of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FactsById {
    /// Nothing: nobody has to look for them.
    None,
    /// Some, which are being brought to where facts stand now.
    Some,
    /// Some, of which it is not known from which dataset they came. They stay, and count for each.
    Unplaced,
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
const LANE_VERSION: u8 = 4;

#[derive(Deserialize)]
struct LaneRecord1 {
    clock: i64,
    counts: Counts,
}

#[derive(Deserialize)]
struct LaneRecord2 {
    clock: i64,
    counts: Counts,
    waiting: u64,
    suppressed: u64,
}

#[derive(Serialize, Deserialize)]
struct LaneRecord {
    clock: i64,
    counts: Counts,
    waiting: u64,
    suppressed: u64,
    facts_by_id: FactsById,
}

/// Writes a lane's row.
#[must_use]
pub fn encode_lane(row: &LaneRow) -> Bytes {
    let LaneRow { clock, counts, waiting, suppressed, facts_by_id } = *row;
    codec::encode(LANE_VERSION, &LaneRecord { clock: clock.micros(), counts, waiting, suppressed, facts_by_id })
}

/// Whether a lane's row is from before identities that are nobody's were told apart: they are among its profiles.
#[must_use]
pub fn counts_nobodies(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|version| *version < 4)
}

/// Reads a lane's row. One of version 1 is from before anybody was suppressed, or counted while they waited; one of version 2 from
/// before each dataset had ids of its own.
///
/// # Errors
/// `Corrupt`.
pub fn decode_lane(bytes: &[u8]) -> Result<LaneRow, Error> {
    if bytes.first() == Some(&1) {
        let LaneRecord1 { clock, counts } = codec::decode(1, bytes)?;
        let facts_by_id = FactsById::Some;
        return Ok(LaneRow { clock: time(clock)?, counts, waiting: 0, suppressed: 0, facts_by_id });
    }
    if bytes.first() == Some(&2) {
        let LaneRecord2 { clock, counts, waiting, suppressed } = codec::decode(2, bytes)?;
        return Ok(LaneRow { clock: time(clock)?, counts, waiting, suppressed, facts_by_id: FactsById::Some });
    }
    let version = if bytes.first() == Some(&3) { 3 } else { LANE_VERSION };
    let LaneRecord { clock, counts, waiting, suppressed, facts_by_id } = codec::decode(version, bytes)?;
    Ok(LaneRow { clock: time(clock)?, counts, waiting, suppressed, facts_by_id })
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

const FACT_VERSION: u8 = 3;

#[derive(Deserialize)]
struct FactRecord1 {
    node: [u8; 12],
    time: i64,
    event: Option<[u8; 12]>,
}

#[derive(Deserialize)]
struct FactRecord2<'a> {
    node: [u8; 12],
    time: i64,
    event: Option<[u8; 12]>,
    #[serde(borrow)]
    source: Option<SourceRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
struct FactRecord<'a> {
    node: [u8; 12],
    time: i64,
    event: Option<[u8; 12]>,
    #[serde(borrow)]
    source: Option<SourceRecord<'a>>,
    content: Option<[u8; 8]>,
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
        content: row.content.map(|content| content.hash().to_be_bytes()),
    };
    codec::encode(FACT_VERSION, &record)
}

/// Reads where a fact stands.
///
/// # Errors
/// `Corrupt`.
pub fn decode_fact(bytes: &[u8]) -> Result<FactRow, Error> {
    let record = match bytes.first() {
        Some(1) => {
            let FactRecord1 { node, time, event } = codec::decode(1, bytes)?;
            FactRecord { node, time, event, source: None, content: None }
        }
        Some(2) => {
            let FactRecord2 { node, time, event, source } = codec::decode(2, bytes)?;
            FactRecord { node, time, event, source, content: None }
        }
        _ => codec::decode(FACT_VERSION, bytes)?,
    };
    let source = record.source.map(|source| Source {
        dataset: source.dataset.into(),
        batch: source.batch.map(Into::into),
        generation: source.generation,
    });
    let event = record.event.map(EventId::from_bytes);
    let content = record.content.map(|hash| Content::of_hash(u64::from_be_bytes(hash)));
    Ok(FactRow { node: NodeId::from_bytes(record.node), time: time(record.time)?, event, source, content })
}
