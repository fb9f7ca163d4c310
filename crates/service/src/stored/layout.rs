//! Where each row of a workspace stands: typed keys over [`Scope`].

use tessera_engine::fact::{FactKey, Identity};
use tessera_engine::id::{DirectiveId, EventId, NodeId};
use tessera_engine::rules::SegmentId;
use tessera_engine::time::Timestamp;
use tessera_store::{Key, KeyRange, Seq, Shard};

use crate::stored::keys::{Family, KeyBuilder, Scope};

/// Kinds of rows that keepers go by.
const ANSWER: u8 = 0;
const MARK: u8 = 1;
const TURNS: u8 = 2;
const BROUGHT: u8 = 255;

impl Scope {
    pub(crate) fn config(self, part: Part) -> Key {
        self.family(Family::Config).bytes(part.suffix()).key()
    }

    pub(crate) fn lane(self) -> Key {
        self.family(Family::Lane).key()
    }

    pub(crate) fn identity(self, identity: &Identity) -> Key {
        self.family(Family::Identity).u16(identity.namespace.number()).bytes(identity.value.as_bytes()).key()
    }

    pub(crate) fn cluster(self, id: NodeId) -> Key {
        self.family(Family::Cluster).node(id).key()
    }

    pub(crate) fn home(self, node: NodeId) -> Key {
        self.family(Family::Home).node(node).key()
    }

    pub(crate) fn fact(self, key: &FactKey) -> Key {
        self.of_fact_id(&key.id).bytes(key.dataset.as_bytes()).key()
    }

    /// The facts of an id, in whatever dataset.
    pub(crate) fn facts_of(self, id: &str) -> KeyRange {
        self.of_fact_id(id).range()
    }

    /// # Panics
    /// For an id of 64 KiB or more, which no store takes as part of a key.
    fn of_fact_id(self, id: &str) -> KeyBuilder {
        let length = u16::try_from(id.len()).expect("an id is part of a key");
        self.family(Family::Fact).u16(length).bytes(id.as_bytes())
    }

    /// The row of a fact from before each dataset had ids of its own.
    pub(crate) fn fact_by_id(self, id: &str) -> Key {
        self.family(Family::FactById).bytes(id.as_bytes()).key()
    }

    pub(crate) fn held(self, node: NodeId, other: NodeId) -> Key {
        self.family(Family::HeldLink).node(node).node(other).key()
    }

    /// All links of a node that do not hold.
    pub(crate) fn held_of(self, node: NodeId) -> KeyRange {
        self.family(Family::HeldLink).node(node).range()
    }

    pub(crate) fn event(self, node: NodeId, time: Timestamp, id: EventId) -> Key {
        self.family(Family::Event).node(node).time(time).event(id).key()
    }

    pub(crate) fn events_of(self, node: NodeId) -> KeyRange {
        self.family(Family::Event).node(node).range()
    }

    pub(crate) fn purge(self, node: NodeId) -> Key {
        self.family(Family::Purge).node(node).key()
    }

    pub(crate) fn directive(self, id: DirectiveId) -> Key {
        self.family(Family::Directive).directive(id).key()
    }

    pub(crate) fn directive_of(self, node: NodeId, id: DirectiveId) -> Key {
        self.family(Family::DirectiveOf).node(node).directive(id).key()
    }

    pub(crate) fn directives_of(self, node: NodeId) -> KeyRange {
        self.family(Family::DirectiveOf).node(node).range()
    }

    pub(crate) fn member(self, segment: SegmentId, profile: NodeId) -> Key {
        self.family(Family::Member).u32(segment.0).node(profile).key()
    }

    pub(crate) fn members_of(self, segment: SegmentId) -> KeyRange {
        self.family(Family::Member).u32(segment.0).range()
    }

    pub(crate) fn member_count(self, segment: SegmentId) -> Key {
        self.family(Family::MemberCount).u32(segment.0).key()
    }

    pub(crate) fn timer(self, due: Timestamp, profile: NodeId) -> Key {
        self.family(Family::Timer).time(due).node(profile).key()
    }

    /// The timers that are due at an instant or later, and before another.
    pub(crate) fn timers_between(self, from: Timestamp, to: Option<Timestamp>) -> KeyRange {
        let at = |at| self.family(Family::Timer).time(at).key();
        let end = to.map(at).or_else(|| self.all_of(Family::Timer).end);
        KeyRange { start: at(from), end }
    }

    pub(crate) fn membership_change(self, profile: NodeId, at: Timestamp, segment: SegmentId) -> Key {
        self.family(Family::MembershipChange).node(profile).time(at).u32(segment.0).key()
    }

    pub(crate) fn membership_changes_of(self, profile: NodeId) -> KeyRange {
        self.family(Family::MembershipChange).node(profile).range()
    }

    /// That the answer of a row ends at an instant.
    pub(crate) fn answer_ends(self, at: Timestamp, row: &Key) -> Key {
        let own = row.as_bytes().get(KeyBuilder::HEAD_BYTES..).unwrap_or_default();
        self.family(Family::Keeping).bytes(&[ANSWER]).time(at).bytes(own).key()
    }

    /// The answers that end from one instant on and before another.
    pub(crate) fn answers_ending(self, from: Timestamp, to: Option<Timestamp>) -> KeyRange {
        let all = self.family(Family::Keeping).bytes(&[ANSWER]);
        let end = to.map_or_else(|| all.clone().range().end, |to| Some(all.clone().time(to).key()));
        KeyRange { start: all.time(from).key(), end }
    }

    /// The row of the answer whose end such a key tells.
    pub(crate) fn answer_that_ends(self, key: &Key) -> Option<Key> {
        let own = key.as_bytes().get(KeyBuilder::HEAD_BYTES + 9..)?;
        Some(self.family(Family::Idempotency).bytes(own).key())
    }

    /// That the changes of a profile are to be looked at, once those of a period are too old, or at once.
    pub(crate) fn look_at_changes(self, period: Option<i32>, profile: NodeId) -> Key {
        self.looks(period.unwrap_or(i32::MIN)).node(profile).key()
    }

    /// Whoever is to be looked at at once, and then those of periods before one.
    pub(crate) fn looks_at_changes(self, before: i32) -> KeyRange {
        KeyRange { start: self.looks(i32::MIN).key(), end: Some(self.looks(before).key()) }
    }

    fn looks(self, period: i32) -> KeyBuilder {
        self.family(Family::Keeping).bytes(&[TURNS]).u32(period.cast_unsigned() ^ (1 << 31))
    }

    /// That older changes of a profile were let go.
    pub(crate) fn changes_let_go(self, profile: NodeId) -> Key {
        self.membership_change(profile, Timestamp::MIN, SegmentId(0))
    }

    /// How far rows from before were brought along.
    pub(crate) fn brought(self, before: u8) -> Key {
        self.family(Family::Keeping).bytes(&[BROUGHT, before]).key()
    }

    /// How far a shard of the feed was counted.
    pub(crate) fn mark(self, shard: Shard, until: Seq) -> Key {
        self.marks(shard).bytes(&until.0.to_be_bytes()).key()
    }

    pub(crate) fn marks_of(self, shard: Shard) -> KeyRange {
        self.marks(shard).range()
    }

    fn marks(self, shard: Shard) -> KeyBuilder {
        self.family(Family::Keeping).bytes(&[MARK]).u16(shard.0)
    }

    pub(crate) fn all_of(self, family: Family) -> KeyRange {
        self.family(family).range()
    }
}

/// What the key of a fact says: its dataset and id.
pub(crate) fn read_fact_key(key: &Key) -> Option<FactKey> {
    let rest = key.as_bytes().get(KeyBuilder::HEAD_BYTES..)?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (id, dataset) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    let text = |bytes| std::str::from_utf8(bytes).ok().map(Into::into);
    Some(FactKey { dataset: text(dataset)?, id: text(id)? })
}

/// The id of a fact from before each dataset had ids of its own.
pub(crate) fn read_fact_id(key: &Key) -> Option<&str> {
    std::str::from_utf8(key.as_bytes().get(KeyBuilder::HEAD_BYTES..)?).ok()
}

/// Which row of the configuration a key is of.
pub(crate) fn read_config_key(key: &Key) -> Option<Part> {
    Part::of_suffix(key.as_bytes().get(KeyBuilder::HEAD_BYTES..)?)
}

/// The nodes that the key of a link which does not hold names: whose it is, and the other end.
pub(crate) fn read_held_key(key: &Key) -> Option<(NodeId, NodeId)> {
    let rest = key.as_bytes().get(KeyBuilder::HEAD_BYTES..)?;
    let (node, rest) = rest.split_first_chunk::<12>()?;
    Some((NodeId::from_bytes(*node), NodeId::from_bytes(rest.try_into().ok()?)))
}

/// What an event's key says besides its owner: its time and id.
pub(crate) fn read_event_key(key: &Key) -> Option<(NodeId, Timestamp, EventId)> {
    let rest = key.as_bytes().get(KeyBuilder::HEAD_BYTES..)?;
    let (node, rest) = rest.split_first_chunk::<12>()?;
    let (time, rest) = rest.split_first_chunk::<8>()?;
    let id: [u8; 12] = rest.try_into().ok()?;
    Some((NodeId::from_bytes(*node), read_time(*time)?, EventId::from_bytes(id)))
}

/// What the key of a timer says: when it is due, and whose it is.
pub(crate) fn read_timer_key(key: &Key) -> Option<(Timestamp, NodeId)> {
    let rest = key.as_bytes().get(KeyBuilder::HEAD_BYTES..)?;
    let (time, rest) = rest.split_first_chunk::<8>()?;
    Some((read_time(*time)?, NodeId::from_bytes(rest.try_into().ok()?)))
}

/// What the key of a member says: the segment, and the profile.
pub(crate) fn read_member_key(key: &Key) -> Option<(SegmentId, NodeId)> {
    let rest = key.as_bytes().get(KeyBuilder::HEAD_BYTES..)?;
    let (segment, rest) = rest.split_first_chunk::<4>()?;
    Some((SegmentId(u32::from_be_bytes(*segment)), NodeId::from_bytes(rest.try_into().ok()?)))
}

/// The segment that the key of its count names.
pub(crate) fn read_segment_key(key: &Key) -> Option<SegmentId> {
    let rest = key.as_bytes().get(KeyBuilder::HEAD_BYTES..)?;
    Some(SegmentId(u32::from_be_bytes(rest.try_into().ok()?)))
}

/// What the key of a change says: whose it was, when, and in which segment.
pub(crate) fn read_change_key(key: &Key) -> Option<(NodeId, Timestamp, SegmentId)> {
    let rest = key.as_bytes().get(KeyBuilder::HEAD_BYTES..)?;
    let (profile, rest) = rest.split_first_chunk::<12>()?;
    let (time, rest) = rest.split_first_chunk::<8>()?;
    let segment = SegmentId(u32::from_be_bytes(rest.try_into().ok()?));
    Some((NodeId::from_bytes(*profile), read_time(*time)?, segment))
}

/// Whose changes are to be looked at, and from the end of which period on; of none it is at once.
pub(crate) fn read_changes_look_key(key: &Key) -> Option<(Option<i32>, NodeId)> {
    let rest = key.as_bytes().get(KeyBuilder::HEAD_BYTES + 1..)?;
    let (period, profile) = rest.split_first_chunk::<4>()?;
    let period = (u32::from_be_bytes(*period) ^ (1 << 31)).cast_signed();
    Some(((period != i32::MIN).then_some(period), NodeId::from_bytes(profile.try_into().ok()?)))
}

/// What the key of a mark of the feed says.
pub(crate) fn read_mark_key(key: &Key) -> Option<(Shard, Seq)> {
    let rest = key.as_bytes().get(KeyBuilder::HEAD_BYTES + 1..)?;
    let (shard, until) = rest.split_first_chunk::<2>()?;
    Some((Shard(u16::from_be_bytes(*shard)), Seq(u64::from_be_bytes(until.try_into().ok()?))))
}

fn read_time(bytes: [u8; 8]) -> Option<Timestamp> {
    Timestamp::from_micros((u64::from_be_bytes(bytes) ^ (1 << 63)).cast_signed())
}

/// The node that a key of one node ends with.
pub(crate) fn read_node_key(key: &Key) -> Option<NodeId> {
    let rest = key.as_bytes().get(KeyBuilder::HEAD_BYTES..)?;
    Some(NodeId::from_bytes(rest.try_into().ok()?))
}

/// A row of the configuration: the main one, whose version moves with every change, or a part of it that has a row of its own.
/// The bytes are part of stored keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The version, the namespaces, the primary one, the limits.
    Main,
    /// The merge policies.
    Policies,
    /// The data model.
    Model,
    /// What is being brought to the records one by one.
    Sweeps,
    /// The rules of erasures.
    Erasure,
    /// The computed attributes and segments.
    Rules,
    /// The version of the spellings of identities that the records follow, or are being brought under.
    Spelling,
    /// What is asked of the user ids that public keys send.
    Tokens,
    /// The keys that the workspace signs tokens with, private halves and all.
    SigningKeys,
    /// The issuers whose tokens the workspace takes.
    Issuers,
    /// Which fields of documents identify.
    Documents,
    /// What dialects keep.
    Objects,
    /// Erasures that are ordered for later.
    Planned,
}

impl Part {
    const ALL: [Self; 13] = [
        Self::Main,
        Self::Policies,
        Self::Model,
        Self::Sweeps,
        Self::Erasure,
        Self::Rules,
        Self::Spelling,
        Self::Tokens,
        Self::SigningKeys,
        Self::Issuers,
        Self::Documents,
        Self::Objects,
        Self::Planned,
    ];

    /// What its key ends with, after the family.
    #[must_use]
    pub const fn suffix(self) -> &'static [u8] {
        match self {
            Self::Main => &[],
            Self::Policies => &[1],
            Self::Model => &[2],
            Self::Sweeps => &[3],
            Self::Erasure => &[4],
            Self::Rules => &[5],
            Self::Spelling => &[6],
            Self::Tokens => &[7],
            Self::SigningKeys => &[8],
            Self::Issuers => &[9],
            Self::Documents => &[10],
            Self::Objects => &[11],
            Self::Planned => &[12],
        }
    }

    /// The part whose key ends so.
    #[must_use]
    pub fn of_suffix(suffix: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.suffix() == suffix)
    }
}
