//! Where each row of a workspace stands: typed keys over [`Scope`].

use tessera_engine::fact::Identity;
use tessera_engine::id::{DirectiveId, EventId, NodeId};
use tessera_engine::time::Timestamp;
use tessera_store::{Key, KeyRange};

use crate::keys::{Family, KeyBuilder, Scope};
use crate::workspace_config::Part;

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

    pub(crate) fn fact(self, id: &str) -> Key {
        self.family(Family::Fact).bytes(id.as_bytes()).key()
    }

    pub(crate) fn held(self, node: NodeId, other: NodeId) -> Key {
        self.family(Family::HeldLink).node(node).node(other).key()
    }

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

    pub(crate) fn all_of(self, family: Family) -> KeyRange {
        self.family(family).range()
    }
}

/// Which row of the configuration a key is of.
pub(crate) fn read_config_key(key: &Key) -> Option<Part> {
    Part::of_suffix(key.as_bytes().get(KeyBuilder::HEAD_BYTES..)?)
}

/// What an event's key says besides its owner: its time and id.
pub(crate) fn read_event_key(key: &Key) -> Option<(NodeId, Timestamp, EventId)> {
    let rest = key.as_bytes().get(KeyBuilder::HEAD_BYTES..)?;
    let (node, rest) = rest.split_first_chunk::<12>()?;
    let (time, rest) = rest.split_first_chunk::<8>()?;
    let id: [u8; 12] = rest.try_into().ok()?;
    let micros = (u64::from_be_bytes(*time) ^ (1 << 63)).cast_signed();
    Some((NodeId::from_bytes(*node), Timestamp::from_micros(micros)?, EventId::from_bytes(id)))
}

/// The node that a key of one node ends with.
pub(crate) fn read_node_key(key: &Key) -> Option<NodeId> {
    let rest = key.as_bytes().get(KeyBuilder::HEAD_BYTES..)?;
    Some(NodeId::from_bytes(rest.try_into().ok()?))
}
