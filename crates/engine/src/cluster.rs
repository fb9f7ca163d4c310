//! What is kept: nodes with their facts, and the links between them.
//!
//! The stored root record is a **cluster**: a stage-1 cluster of law 2, with the profiles inside it as **pieces**. All rules
//! beyond the exclusive one and hubs look only inside one cluster, so one record is all that a read or an ordinary write needs.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::config::{Config, NamespaceId};
use crate::fact::{Identity, Strength};
use crate::id::NodeId;
use crate::time::Timestamp;
use crate::value::{Path, Value};

/// How many facts of one dataset and named batch said something, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The dataset.
    pub dataset: Arc<str>,
    /// The named delivery, if any.
    pub batch: Option<Arc<str>>,
    /// How many facts.
    pub count: u64,
    /// The earliest event time among them.
    pub first: Timestamp,
    /// The latest.
    pub last: Timestamp,
}

impl Tally {
    /// The tally of one fact.
    #[must_use]
    pub fn one(dataset: Arc<str>, batch: Option<Arc<str>>, time: Timestamp) -> Self {
        Self { dataset, batch, count: 1, first: time, last: time }
    }

    fn is_of(&self, other: &Self) -> bool {
        self.dataset == other.dataset && self.batch == other.batch
    }

    fn absorb(&mut self, other: &Self) {
        self.count += other.count;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }

    /// Adds a tally to a list that holds one entry for each dataset and batch.
    pub fn add_to(list: &mut Vec<Self>, tally: Self) {
        match list.iter_mut().find(|own| own.is_of(&tally)) {
            Some(own) => own.absorb(&tally),
            None => list.push(tally),
        }
    }
}

/// One value of an attribute: the newest of its node and dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Which attribute.
    pub path: Path,
    /// What it says; null removes.
    pub value: Value,
    /// When it became true.
    pub time: Timestamp,
    /// When it was received; at equal times the later one wins.
    pub received_at: Timestamp,
    /// The named delivery it came in.
    pub batch: Option<Arc<str>>,
}

/// What one dataset says about one node: cells in the order of their paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// The dataset.
    pub dataset: Arc<str>,
    /// Its cells, sorted by path.
    pub cells: Vec<Cell>,
}

impl Fragment {
    /// Puts a cell in its place, unless a newer one stands there.
    pub fn set(&mut self, cell: Cell) {
        match self.cells.binary_search_by(|own| own.path.cmp(&cell.path)) {
            Err(at) => self.cells.insert(at, cell),
            Ok(at) => {
                let own = &mut self.cells[at];
                let newer = (cell.time, cell.received_at) > (own.time, own.received_at)
                    || (cell.time, cell.received_at) == (own.time, own.received_at) && cell.value > own.value;
                if newer {
                    *own = cell;
                }
            }
        }
    }
}

/// That a person belongs to an account. It is no link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The account's identity.
    pub account: Identity,
    /// The account's node; a relation to a node that is gone counts no more.
    pub node: NodeId,
    /// What said so.
    pub evidence: Vec<Tally>,
}

/// An identity that the workspace has seen, with the facts that arrived under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// Its identity.
    pub identity: Identity,
    /// When it was first stored.
    pub created_at: Timestamp,
    /// The facts it owns. A node without any, and without links, is not kept.
    pub owned: Vec<Tally>,
    /// How many of them stand on its timeline.
    pub events: u64,
    /// Its attributes, one fragment for each dataset.
    pub fragments: Vec<Fragment>,
    /// The accounts it belongs to.
    pub relations: Vec<Relation>,
    /// Distinct neighbours in namespaces of higher priority than its own, whatever the state of the link; joined and severed
    /// ones aside. More than `hub_links_max` of them make it a hub.
    pub neighbours_above: u32,
}

impl Node {
    /// A node that owns nothing yet.
    #[must_use]
    pub fn new(id: NodeId, identity: Identity, created_at: Timestamp) -> Self {
        Self {
            id,
            identity,
            created_at,
            owned: Vec::new(),
            events: 0,
            fragments: Vec::new(),
            relations: Vec::new(),
            neighbours_above: 0,
        }
    }

    /// The fragment of a dataset, made when it is missing.
    pub fn fragment(&mut self, dataset: &Arc<str>) -> &mut Fragment {
        let at = match self.fragments.iter().position(|fragment| fragment.dataset == *dataset) {
            Some(at) => at,
            None => {
                self.fragments.push(Fragment { dataset: dataset.clone(), cells: Vec::new() });
                self.fragments.len() - 1
            }
        };
        &mut self.fragments[at]
    }

    /// How many facts it owns.
    #[must_use]
    pub fn facts(&self) -> u64 {
        self.owned.iter().map(|tally| tally.count).sum()
    }

    /// An estimate of its stored bytes, rather high.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let tallies = |list: &[Tally]| {
            list.iter().map(|t| 32 + t.dataset.len() + t.batch.as_ref().map_or(0, |b| b.len())).sum::<usize>()
        };
        let cells = |fragment: &Fragment| {
            fragment.cells.iter().map(|c| 32 + c.path.as_str().len() + c.value.size_bytes()).sum::<usize>()
        };
        48 + self.identity.value.len()
            + tallies(&self.owned)
            + self.fragments.iter().map(|f| f.dataset.len() + 8 + cells(f)).sum::<usize>()
            + self.relations.iter().map(|r| 24 + r.account.value.len() + tallies(&r.evidence)).sum::<usize>()
    }
}

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The node.
    pub node: NodeId,
    /// Its identity.
    pub identity: Identity,
}

/// What said that two identities belong together, with one strength.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// How sure it was.
    pub strength: Strength,
    /// Who said so, how often, when.
    pub tally: Tally,
}

/// Which rule refuses a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// Both sides hold a value of the exclusive namespace.
    Exclusive,
    /// One end is a hub.
    Hub,
    /// A namespace's limit, or the identities per profile.
    Limit,
    /// Someone separated the two sides.
    Separated,
    /// The cluster is at its bound.
    Full,
}

impl Rule {
    /// Its name, as answers and metrics show it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exclusive => "exclusive",
            Self::Hub => "hub",
            Self::Limit => "limit",
            Self::Separated => "separated",
            Self::Full => "full",
        }
    }
}

/// Whether a link holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// It holds its profile together.
    Active,
    /// A rule refuses it; it becomes active by itself when the reason goes.
    Held(Rule),
    /// Undone on purpose, by the release that this document gave.
    Severed {
        /// The document's node.
        by: NodeId,
    },
}

/// That two identities were seen together. Between two nodes there is one link, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its ends, in the order of their identities.
    pub ends: [End; 2],
    /// What said so; never empty.
    pub evidence: Vec<Evidence>,
    /// Whether it holds.
    pub state: LinkState,
}

/// The place of a link in the walk: stronger first, then first seen, then the bytes of both identities.
pub type Order<'a> = (Reverse<Strength>, Timestamp, &'a Identity, &'a Identity);

impl Link {
    /// A link with one piece of evidence, active until it is placed.
    #[must_use]
    pub fn new(one: End, other: End, evidence: Evidence) -> Self {
        let ends = if one.identity <= other.identity { [one, other] } else { [other, one] };
        Self { ends, evidence: vec![evidence], state: LinkState::Active }
    }

    /// Adds evidence.
    pub fn add(&mut self, evidence: Evidence) {
        let own =
            self.evidence.iter_mut().find(|own| own.strength == evidence.strength && own.tally.is_of(&evidence.tally));
        match own {
            Some(own) => own.tally.absorb(&evidence.tally),
            None => self.evidence.push(evidence),
        }
    }

    /// The strongest of its evidence.
    #[must_use]
    pub fn strength(&self) -> Strength {
        self.evidence.iter().map(|evidence| evidence.strength).max().unwrap_or(Strength::Derived)
    }

    /// The smallest event time in its evidence.
    #[must_use]
    pub fn first_seen(&self) -> Timestamp {
        self.evidence.iter().map(|evidence| evidence.tally.first).min().unwrap_or(Timestamp::MAX)
    }

    /// The greatest event time in its evidence.
    #[must_use]
    pub fn last_seen(&self) -> Timestamp {
        self.evidence.iter().map(|evidence| evidence.tally.last).max().unwrap_or(Timestamp::MIN)
    }

    /// How many facts said so.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.evidence.iter().map(|evidence| evidence.tally.count).sum()
    }

    /// Whether no fact said so: such a link only keeps, severed, that a document has released an identity.
    #[must_use]
    pub fn is_mark(&self) -> bool {
        self.count() == 0
    }

    /// Its place in the walk.
    #[must_use]
    pub fn order(&self) -> Order<'_> {
        (Reverse(self.strength()), self.first_seen(), &self.ends[0].identity, &self.ends[1].identity)
    }

    /// Whether it was said on purpose; such a link passes every rule but the bound.
    #[must_use]
    pub fn is_joined(&self) -> bool {
        self.strength() == Strength::Joined
    }

    /// Whether it ends at this node.
    #[must_use]
    pub fn touches(&self, node: NodeId) -> bool {
        self.ends.iter().any(|end| end.node == node)
    }

    /// The end that is not this node.
    #[must_use]
    pub fn other(&self, node: NodeId) -> &End {
        if self.ends[0].node == node { &self.ends[1] } else { &self.ends[0] }
    }

    /// The end that this link may make a hub: the one of lower priority, unless its namespace is the exclusive one. Joined
    /// and severed links make no hub, nor do ends of equal priority.
    #[must_use]
    pub fn hub_end(&self, config: &Config) -> Option<&End> {
        if self.is_joined() || matches!(self.state, LinkState::Severed { .. }) {
            return None;
        }
        let [first, second] = &self.ends;
        let (low, high) = (config.priority(first.identity.namespace), config.priority(second.identity.namespace));
        let lower = match low.cmp(&high) {
            std::cmp::Ordering::Less => first,
            std::cmp::Ordering::Greater => second,
            std::cmp::Ordering::Equal => return None,
        };
        (Some(lower.identity.namespace) != config.exclusive()).then_some(lower)
    }

    /// An estimate of its stored bytes, rather high.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        16 + self
            .evidence
            .iter()
            .map(|e| 32 + e.tally.dataset.len() + e.tally.batch.as_ref().map_or(0, |b| b.len()))
            .sum::<usize>()
    }
}

/// A stage-1 cluster: the root record of its nodes, and the profiles inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Its nodes, sorted by id. Never empty while it is kept.
    pub nodes: Vec<Node>,
    /// The links with both ends inside that take part in the walk: active, or held by a rule of stage 2.
    pub links: Vec<Link>,
    /// For each node, the index of the first node of its piece. A piece is a profile.
    pub pieces: Vec<u16>,
    /// When anything in it last changed.
    pub updated_at: Timestamp,
    /// Its stored bytes, and an estimate of what was added since.
    pub bytes: usize,
}

impl Cluster {
    /// A cluster of one node.
    #[must_use]
    pub fn of_one(node: Node, now: Timestamp) -> Self {
        let bytes = node.size_bytes();
        Self { nodes: vec![node], links: Vec::new(), pieces: vec![0], updated_at: now, bytes }
    }

    /// Its id: the smallest among its nodes.
    ///
    /// # Panics
    /// When it has no nodes; such a cluster is never kept.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.nodes[0].id
    }

    /// Where this node stands.
    #[must_use]
    pub fn position(&self, node: NodeId) -> Option<usize> {
        self.nodes.binary_search_by_key(&node, |own| own.id).ok()
    }

    /// The node of this id.
    #[must_use]
    pub fn node(&self, node: NodeId) -> Option<&Node> {
        self.position(node).map(|at| &self.nodes[at])
    }

    /// The node of this id, to change it.
    pub fn node_mut(&mut self, node: NodeId) -> Option<&mut Node> {
        self.position(node).map(|at| &mut self.nodes[at])
    }

    /// The nodes of the piece that this node belongs to.
    pub fn piece(&self, node: NodeId) -> impl Iterator<Item = &Node> {
        let piece = self.position(node).map(|at| self.pieces[at]);
        self.nodes.iter().zip(&self.pieces).filter(move |(_, own)| Some(**own) == piece).map(|(node, _)| node)
    }

    /// The id of the profile that this node belongs to: the smallest id of its piece.
    #[must_use]
    pub fn profile_id(&self, node: NodeId) -> Option<NodeId> {
        self.position(node).map(|at| self.nodes[usize::from(self.pieces[at])].id)
    }

    /// The ids of its profiles.
    pub fn profile_ids(&self) -> impl Iterator<Item = NodeId> {
        let firsts = self.pieces.iter().enumerate().filter(|(at, piece)| usize::from(**piece) == *at);
        firsts.map(|(at, _)| self.nodes[at].id)
    }

    /// The link between two nodes, if it is one of this record.
    #[must_use]
    pub fn link_between(&self, one: NodeId, other: NodeId) -> Option<usize> {
        self.links.iter().position(|link| link.touches(one) && link.touches(other))
    }

    /// Whether it holds a value of this namespace.
    #[must_use]
    pub fn holds(&self, namespace: Option<NamespaceId>) -> bool {
        namespace.is_some_and(|namespace| self.nodes.iter().any(|node| node.identity.namespace == namespace))
    }

    /// The newest event time of a fact that carried this node, as far as the record knows. What was joined on purpose was
    /// not seen by that: an alias names an id that is no longer used.
    #[must_use]
    pub fn last_seen(&self, node: &Node) -> Option<Timestamp> {
        let owned = node.owned.iter().map(|tally| tally.last).max();
        let seen = |evidence: &&Evidence| evidence.strength != Strength::Joined;
        let linked = self.links.iter().filter(|link| link.touches(node.id)).flat_map(|link| &link.evidence);
        owned.max(linked.filter(seen).map(|evidence| evidence.tally.last).max())
    }

    /// An estimate of its stored bytes, from scratch.
    #[must_use]
    pub fn measure(&self) -> usize {
        self.nodes.iter().map(Node::size_bytes).sum::<usize>() + self.links.iter().map(Link::size_bytes).sum::<usize>()
    }
}
