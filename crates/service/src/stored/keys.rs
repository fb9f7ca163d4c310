//! The layout of stored keys: four bytes of workspace, one of family, then what the family says. All integers big-endian, so
//! that bytes sort as the things do.

use tessera_engine::id::{DirectiveId, EventId, NodeId};
use tessera_engine::time::Timestamp;
use tessera_store::{Key, KeyRange};

use crate::base::ids::WorkspaceId;

/// A family of keys. The bytes are a permanent contract: a retired family stays here and keeps its byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Family {
    /// The workspace's configuration: no suffix for its main row, one byte for each part that has its own.
    Config = 0x01,
    /// Identity row: namespace number (2), value.
    Identity = 0x02,
    /// Cluster record, the root of everything of its nodes: cluster id (12).
    Cluster = 0x03,
    /// Part of a cluster record in a row of its own; reserved.
    ClusterPart = 0x04,
    /// Redirect from a node that does not name its cluster: node id (12).
    Home = 0x05,
    /// Event: owner node (12), time (8, sign flipped), event id (12).
    Event = 0x06,
    /// Fact, for duplicates, from before each dataset had ids of its own: the id's bytes.
    FactById = 0x07,
    /// A link that does not hold, stored at both ends: node id (12), other node id (12).
    HeldLink = 0x08,
    /// Activity of a node on a day; reserved.
    Activity = 0x09,
    /// Member of a segment: number of the segment (4), profile id (12).
    Member = 0x0a,
    /// Timer of a profile: when it is due (8, sign flipped), profile id (12).
    Timer = 0x0b,
    /// Ledger of datasets and batches; reserved.
    Ledger = 0x0c,
    /// Job: 1 and its id (12) for its record, 0 and its id for the mark of one that has not ended.
    Job = 0x0d,
    /// Directive of a person, or a merge: its id (12), which begins with the time.
    Directive = 0x0e,
    /// That an identity is suppressed: its keyed hash (32).
    Suppression = 0x0f,
    /// Erasure: 0 and its id (12) for its receipt, 1 and its id while it waits for the purge, 2, its id and a node id (12) for what
    /// the purge looks for.
    Receipt = 0x10,
    /// Quarantined fact, without what was sent: its id (12), which begins with the time.
    Quarantine = 0x11,
    /// Idempotency key of a request: id of the caller's key (12), its bytes.
    Idempotency = 0x12,
    /// Node whose events are still to be purged: node id (12).
    Purge = 0x13,
    /// The lane's own row: its clock and exact counts; no suffix.
    Lane = 0x14,
    /// What was sent for a quarantined fact: its id (12).
    QuarantineRaw = 0x15,
    /// What was seen of an attribute, an event type or a property: a number (4).
    Learned = 0x16,
    /// That an entry of the history names a node: node id (12), directive id (12).
    DirectiveOf = 0x17,
    /// How many members a segment has: its number (4).
    MemberCount = 0x18,
    /// That a profile came into a segment or left it: profile id (12), when (8, sign flipped), number of the segment (4). With the first
    /// instant and 0: that older ones were let go.
    MembershipChange = 0x19,
    /// Fact, for duplicates: length of its id (2), its id, its dataset.
    Fact = 0x1a,
    /// Erased node of which links that did not hold, or its word on accounts, are still to be removed: node id (12).
    Loose = 0x1b,
    /// What keepers go by, so that they look at nothing else. 0, when (8, sign flipped), id of the caller's key (12), its bytes: that a kept
    /// answer ends then. 1, shard (2), position (8), in workspace 0: how far the feed was counted. 2, days since 1970 (4, sign flipped),
    /// profile id (12): that membership changes of a profile are looked at from then on. 255, one byte: how far rows from before were brought along.
    Keeping = 0x1f,
    /// What a source said last: its number (4), then 0 for what is known of it, 1 and the id of a job (12) for a refresh, 2 and a keyed hash (16)
    /// for a row of it.
    Source = 0x25,
    /// Note: length of the name of its kind (1), that name, then 0 and its own name; without the last two the row of its kind.
    Note = 0x26,
    /// What is written into events and rests on what other nodes said: 0, node (12), owner of events (12), that there are such; 1, node (12),
    /// erasure (12), that what the node said was erased, and is still to be taken out of them.
    Resting = 0x28,
    /// Under the names of which namespaces attributes stand that nobody claimed as identities; no suffix.
    Unclaimed = 0x29,
    /// Organization, in workspace 0: number (4).
    Organization = 0x20,
    /// Workspace, in workspace 0: number (4).
    Workspace = 0x21,
    /// Key, in workspace 0: id (12).
    Key = 0x22,
    /// What every change of the directory asserts and rewrites, in workspace 0; no suffix.
    DirectoryRoot = 0x23,
    /// Entry of the audit log, in workspace 0: number of its organization (4), when (8, sign flipped), random bits (8).
    Audit = 0x27,
    /// Random bits that the service keeps for itself, in workspace 0: their name.
    Secret = 0x24,
}

/// The keys of one workspace: the only way to make a key, so that none can name another workspace's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope(WorkspaceId);

impl Scope {
    /// The keys of this workspace.
    #[must_use]
    pub const fn new(workspace: WorkspaceId) -> Self {
        Self(workspace)
    }

    /// The keys of the system itself: the directory.
    #[must_use]
    pub const fn system() -> Self {
        Self(WorkspaceId::SYSTEM)
    }

    /// Begins a key of this family.
    #[must_use]
    pub fn family(self, family: Family) -> KeyBuilder {
        let mut bytes = Vec::with_capacity(48);
        bytes.extend_from_slice(&self.0.number().to_be_bytes());
        bytes.push(family as u8);
        KeyBuilder(bytes)
    }
}

/// A key while it is put together.
#[derive(Clone)]
pub struct KeyBuilder(Vec<u8>);

impl KeyBuilder {
    /// Bytes before which every key of a family stands: workspace and family.
    pub const HEAD_BYTES: usize = 5;

    /// Appends bytes.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Appends a number of two bytes.
    #[must_use]
    pub fn u16(self, number: u16) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    /// Appends a number of four bytes.
    #[must_use]
    pub fn u32(self, number: u32) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    /// Appends a node id.
    #[must_use]
    pub fn node(self, node: NodeId) -> Self {
        self.bytes(node.as_bytes())
    }

    /// Appends the id of a directive.
    #[must_use]
    pub fn directive(self, id: DirectiveId) -> Self {
        self.bytes(id.as_bytes())
    }

    /// Appends an event id.
    #[must_use]
    pub fn event(self, event: EventId) -> Self {
        self.bytes(event.as_bytes())
    }

    /// Appends an instant; earlier ones sort first.
    #[must_use]
    pub fn time(self, time: Timestamp) -> Self {
        self.bytes(&(time.micros().cast_unsigned() ^ (1 << 63)).to_be_bytes())
    }

    /// The key.
    #[must_use]
    pub fn key(self) -> Key {
        Key::new(self.0)
    }

    /// All keys that begin so.
    #[must_use]
    pub fn range(self) -> KeyRange {
        KeyRange::prefix(self.0)
    }
}

#[cfg(test)]
mod tests;
