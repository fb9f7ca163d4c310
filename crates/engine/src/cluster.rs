//! What is kept: nodes with their facts, and the links between them.
//!
//! The stored root record is a **cluster**: a stage-1 cluster of law 2, with the profiles inside it as **pieces**. All rules
//! beyond the exclusive one and hubs look only inside one cluster, so one record is all that a read or an ordinary write needs.

use std::sync::Arc;

use crate::aggregate::{State, Tail};
use crate::config::{Config, Kind, NamespaceId, Sweeps};
use crate::fact::{Class, Identity, Strength};
use crate::id::{DirectiveId, NodeId};
use crate::rules::{AggregateId, SegmentStates};
use crate::time::Timestamp;
use crate::value::Path;

mod fragment;
mod heap;
mod link;
mod tally;
mod unclaimed;

pub use fragment::{Cell, Fragment, SAYERS_MAX, Whole};
pub use link::{End, Evidence, HoldReason, Link, LinkState, Neighbour, Order, Severer};
pub use tally::{Source, Tally};

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

/// How many neighbours a node has in namespaces of higher priority than its own, by who said so: one that a private key links counts there
/// alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Above {
    /// Those that private keys link.
    pub private: u32,
    /// Those that public keys alone link.
    pub public: u32,
}

impl Above {
    /// Those that keys of this class link.
    pub fn of(&mut self, class: Class) -> &mut u32 {
        match class {
            Class::Private => &mut self.private,
            Class::Public => &mut self.public,
        }
    }

    /// What so many neighbours make of a value, with this bound for each class.
    #[must_use]
    pub const fn hub(self, hub_links_max: u32) -> Hub {
        if self.private > hub_links_max {
            Hub::ForAll
        } else if self.public > hub_links_max {
            Hub::ForPublic
        } else {
            Hub::No
        }
    }
}

/// Whether a value has more neighbours above than one may have that says who somebody is. What public keys say never costs it the links
/// that a private key made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Hub {
    /// It has not.
    #[default]
    No,
    /// By links of public keys alone: they are held.
    ForPublic,
    /// By links of private keys: all are held.
    ForAll,
}

impl Hub {
    /// Whether a link that such keys make to a neighbour above is held.
    #[must_use]
    pub const fn bars(self, class: Class) -> bool {
        match (self, class) {
            (Self::No, _) | (Self::ForPublic, Class::Private) => false,
            (Self::ForPublic, Class::Public) | (Self::ForAll, _) => true,
        }
    }
}

/// What the rules make of a node. It is kept, not computed: when the rules change, records are brought under the new ones one
/// by one, and between two records of different rules every link is still judged by what both ends are at that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Role {
    /// It is a value of the exclusive namespace.
    pub exclusive: bool,
    /// Whether it is a hub, and for whom.
    pub hub: Hub,
    /// Its value identifies nobody.
    pub blocked: bool,
}

impl Role {
    /// That of a new node of this namespace.
    #[must_use]
    pub fn new(namespace: NamespaceId, config: &Config) -> Self {
        Self { exclusive: config.exclusive() == Some(namespace), hub: Hub::No, blocked: false }
    }
}

/// That a node may not share a profile with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Separation {
    /// The directive that says so.
    pub directive: DirectiveId,
    /// The other node; there it stands as well.
    pub other: NodeId,
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
    /// Its attributes, one fragment for each dataset and whoever said so.
    pub fragments: Vec<Fragment>,
    /// The accounts it belongs to.
    pub relations: Vec<Relation>,
    /// Distinct neighbours in namespaces of higher priority than its own, whatever the state of the link; joined and severed
    /// ones aside. More than `hub_links_max` of them make it a hub.
    pub above: Above,
    /// What the rules make of it.
    pub role: Role,
    /// Whom it may not share a profile with; sorted.
    pub separated: Vec<Separation>,
    /// What it keeps of its events for the aggregates of rules, by aggregate.
    pub states: Vec<(AggregateId, Arc<State>)>,
    /// What the newest of its events bring to aggregates of windows; none where that is not known, and the timeline alone tells.
    pub tail: Option<Arc<Tail>>,
    /// How its profile stands to the segments, where it is the smallest node of one.
    pub segment_states: Option<Box<SegmentStates>>,
}

impl Node {
    /// A node that owns nothing yet.
    #[must_use]
    pub fn new(id: NodeId, identity: Identity, created_at: Timestamp, role: Role) -> Self {
        Self {
            id,
            identity,
            created_at,
            owned: Vec::new(),
            fragments: Vec::new(),
            relations: Vec::new(),
            above: Above::default(),
            role,
            separated: Vec::new(),
            states: Vec::new(),
            tail: None,
            segment_states: None,
        }
    }

    /// What it keeps for an aggregate.
    #[must_use]
    pub fn state(&self, aggregate: AggregateId) -> Option<&State> {
        let at = self.states.binary_search_by_key(&aggregate, |(own, _)| *own).ok()?;
        Some(&self.states[at].1)
    }

    /// The fragment of a dataset by its own facts, or by those of another node, made when it is missing.
    pub fn fragment(&mut self, dataset: &Arc<str>, by: Option<NodeId>) -> &mut Fragment {
        let at = match self.fragments.iter().position(|own| own.dataset == *dataset && own.by == by) {
            Some(at) => at,
            None => {
                self.fragments.push(Fragment::new(dataset.clone(), by));
                self.fragments.len() - 1
            }
        };
        &mut self.fragments[at]
    }

    /// Keeps of each path what the [`SAYERS_MAX`] others said last of it, in this dataset: however they came, the newest stay.
    pub fn bound_sayers(&mut self, dataset: &str) {
        let of_others = |own: &&Fragment| own.by.is_some() && *own.dataset == *dataset;
        if self.fragments.iter().filter(of_others).count() <= SAYERS_MAX {
            return;
        }
        let mut said: Vec<(Path, Timestamp, Timestamp, NodeId)> = Vec::new();
        for own in self.fragments.iter().filter(of_others) {
            let by = own.by.unwrap_or(self.id);
            said.extend(own.cells.iter().map(|cell| (cell.path.clone(), cell.time, cell.received_at, by)));
        }
        said.sort_by(|one, other| one.0.cmp(&other.0).then_with(|| (other.1, other.2).cmp(&(one.1, one.2))));
        let mut late: Vec<(Path, NodeId)> = Vec::new();
        for of_path in said.chunk_by(|one, other| one.0 == other.0) {
            late.extend(of_path.iter().skip(SAYERS_MAX).map(|(path, _, _, by)| (path.clone(), *by)));
        }
        for own in self.fragments.iter_mut().filter(|own| *own.dataset == *dataset) {
            let Some(by) = own.by else { continue };
            own.cells.retain(|cell| !late.iter().any(|(path, of)| *of == by && *path == cell.path));
        }
        self.fragments.retain(|own| !own.is_empty());
    }

    /// Takes out what the facts of these other nodes said. Answers how many cells that were.
    pub fn unsay(&mut self, is_gone: impl Fn(NodeId) -> bool) -> u64 {
        let is_of = |own: &Fragment| own.by.is_some_and(&is_gone);
        let cells = self.fragments.iter().filter(|own| is_of(own)).map(|own| own.cells.len() as u64).sum();
        self.fragments.retain(|own| !is_of(own));
        cells
    }

    /// Drops the cells that are gone by now, as [`Fragment::drop_gone`] does.
    pub fn drop_gone(&mut self, config: &Config, now: Timestamp) -> Option<Timestamp> {
        let last = self.fragments.iter_mut().filter_map(|fragment| fragment.drop_gone(config, now)).max();
        self.fragments.retain(|fragment| !fragment.is_empty());
        last
    }

    /// How many facts it owns.
    #[must_use]
    pub fn facts(&self) -> u64 {
        self.owned.iter().map(|tally| tally.count).sum()
    }

    /// How many of them stand on its timeline.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.owned.iter().map(|tally| tally.events).sum()
    }

    /// An estimate of the stored bytes of what the rules keep here, rather high.
    #[must_use]
    pub fn rules_bytes(&self) -> usize {
        self.states.iter().map(|(_, state)| 6 + state.size_bytes()).sum::<usize>()
            + self.tail.as_ref().map_or(0, |tail| tail.size_bytes())
            + self.segment_states.as_ref().map_or(0, |segment_states| segment_states.size_bytes())
    }

    /// An estimate of the stored bytes of its facts, rather high.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let tallies = |list: &[Tally]| list.iter().map(Tally::size_bytes).sum::<usize>();
        let cells = |fragment: &Fragment| {
            fragment.cells.iter().map(|c| 32 + c.path.as_str().len() + c.value.size_bytes()).sum::<usize>()
        };
        48 + self.identity.value.len()
            + 24 * self.separated.len()
            + tallies(&self.owned)
            + self.fragments.iter().map(|f| f.dataset.len() + 48 + cells(f)).sum::<usize>()
            + self.relations.iter().map(|r| 24 + r.account.value.len() + tallies(&r.evidence)).sum::<usize>()
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
    /// The last of the workspace's sweeps that has been here.
    pub swept: u64,
    /// When anything in it last changed.
    pub updated_at: Timestamp,
    /// Its stored bytes, and an estimate of what was added since.
    pub bytes: usize,
}

impl Cluster {
    /// A cluster of one node.
    #[must_use]
    pub fn of_one(node: Node, now: Timestamp, swept: u64) -> Self {
        let bytes = node.size_bytes() + node.rules_bytes();
        Self { nodes: vec![node], links: Vec::new(), pieces: vec![0], swept, updated_at: now, bytes }
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

    /// Of what kind the profile of a node is: all identities of one are of one kind. None where it is nobody's: an identity that others
    /// named, alone and without a fact of its own. A rule holds its links, or a document has let go of it. An account is there as soon as
    /// somebody belongs to it.
    #[must_use]
    pub fn kind_of(&self, node: NodeId, config: &Config) -> Option<Kind> {
        let namespace = self.node(node).and_then(|node| config.find(node.identity.namespace));
        let kind = namespace.map_or(Kind::Person, |namespace| namespace.kind);
        let is_somebody = || self.piece(node).nth(1).is_some() || self.piece(node).any(|own| own.facts() > 0);
        (kind == Kind::Account || is_somebody()).then_some(kind)
    }

    /// How many of its profiles are somebody's, in one pass: a record may have as many profiles as nodes.
    #[must_use]
    pub fn count_profiles(&self, config: &Config) -> usize {
        let mut is_somebody = vec![false; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate() {
            let piece = usize::from(self.pieces[at]);
            let is_account = || config.find(node.identity.namespace).is_some_and(|own| own.kind == Kind::Account);
            is_somebody[piece] = is_somebody[piece] || piece != at || node.facts() > 0 || is_account();
        }
        is_somebody.into_iter().filter(|own| *own).count()
    }

    /// The ids of its profiles, those that are nobody's among them.
    pub fn profile_ids(&self) -> impl Iterator<Item = NodeId> {
        let firsts = self.pieces.iter().enumerate().filter(|(at, piece)| usize::from(**piece) == *at);
        firsts.map(|(at, _)| self.nodes[at].id)
    }

    /// The link between two nodes, if it is one of this record.
    #[must_use]
    pub fn link_between(&self, one: NodeId, other: NodeId) -> Option<usize> {
        self.links.iter().position(|link| link.touches(one) && link.touches(other))
    }

    /// Whether it holds a value of the exclusive namespace.
    #[must_use]
    pub fn holds_exclusive(&self) -> bool {
        self.nodes.iter().any(|node| node.role.exclusive)
    }

    /// The pairs of its nodes that may not share a profile, by their places.
    #[must_use]
    pub fn separated(&self) -> Vec<(usize, usize)> {
        let pair = |at: usize, other: NodeId| self.position(other).filter(|other| at < *other).map(|other| (at, other));
        let nodes = self.nodes.iter().enumerate();
        nodes.flat_map(|(at, node)| node.separated.iter().filter_map(move |own| pair(at, own.other))).collect()
    }

    /// The newest event time of a fact that carried this node and is not erased, as far as the record knows. What was joined on purpose was
    /// not seen by that: an alias names an id that is no longer used.
    #[must_use]
    pub fn last_seen(&self, node: &Node, sweeps: &Sweeps) -> Option<Timestamp> {
        self.last_seen_by(Class::Public, node, sweeps)
    }

    /// The same, of what keys of this class or a higher one link.
    pub(crate) fn last_seen_by(&self, class: Class, node: &Node, sweeps: &Sweeps) -> Option<Timestamp> {
        let counts = |tally: &&Tally| !sweeps.erases(&tally.source);
        let owned = node.owned.iter().filter(counts).map(|tally| tally.last).max();
        let seen = |evidence: &&Evidence| evidence.strength != Strength::Joined && evidence.strength.class() >= class;
        let linked = self.links.iter().filter(|link| link.touches(node.id)).flat_map(|link| &link.evidence);
        owned.max(linked.filter(seen).map(|evidence| &evidence.tally).filter(counts).map(|tally| tally.last).max())
    }

    /// Whether a private key links this node to another of its profile.
    #[must_use]
    pub fn is_vouched_for(&self, node: &Node, sweeps: &Sweeps) -> bool {
        let vouches = |own: &Evidence| own.strength.class() == Class::Private && !sweeps.erases(&own.tally.source);
        let links = self.links.iter().filter(|link| link.state == LinkState::Active && link.touches(node.id));
        links.flat_map(|link| &link.evidence).any(vouches)
    }

    /// An estimate of its stored bytes, from scratch.
    #[must_use]
    pub fn measure(&self) -> usize {
        self.measure_facts() + self.nodes.iter().map(Node::rules_bytes).sum::<usize>()
    }

    /// An estimate of the stored bytes of facts and links alone. Rules never take room from them.
    #[must_use]
    pub fn measure_facts(&self) -> usize {
        self.nodes.iter().map(Node::size_bytes).sum::<usize>() + self.links.iter().map(Link::size_bytes).sum::<usize>()
    }
}
