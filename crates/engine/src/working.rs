//! The working set of a group of commands: what was read, and what changed.
//!
//! Reading something that is not there answers [`Need`]; the caller fetches it and decides again. A command's changes stand
//! apart until it has succeeded whole, so a command that lacks something leaves nothing behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::aggregate::State;
use crate::cluster::{Cluster, Link, Source};
use crate::config::Config;
use crate::fact::{Content, FactKey, Identity};
use crate::id::{EventId, NodeId};
use crate::rules::{AggregateId, Built, Chunk, Event, RuleWork};
use crate::time::Timestamp;

mod changes;
mod timelines;

pub use changes::{Changes, Pending};
use timelines::Timelines;
pub(crate) use timelines::{ByNow, Side};

/// Something that has to be read before a command can be decided.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Need {
    /// The identity row of an identity.
    Identity(Identity),
    /// The cluster of this id.
    Cluster(NodeId),
    /// The id of the cluster that holds this node.
    Home(NodeId),
    /// The row of a fact.
    Fact(FactKey),
    /// The link between two nodes, if it is one that does not hold.
    Held(NodeId, NodeId),
    /// All links that do not hold at this node.
    HeldOf(NodeId),
    /// How many links do not hold at this node: all of them as well, if they are few ([`Working::links_at_once`]).
    HeldCount(NodeId),
    /// Whether this identity is suppressed: erased for good.
    Suppression(Identity),
    /// What a node's timeline comes to at an instant for each aggregate that is kept, read anew, without this event of it.
    States(NodeId, Option<EventId>, Timestamp),
    /// A stretch of a node's timeline, from one instant to another.
    Stretch(NodeId, Timestamp, Timestamp),
    /// The newest events of a node's timeline, as many as rules look at.
    Newest(NodeId),
}

/// Why a command cannot be decided yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// These have to be read first.
    Needs(Vec<Need>),
    /// What was read belongs to different instants; read all of it again.
    Torn,
    /// The fact names these, beside its owner, and they were erased for good. It is decided without them
    /// ([`crate::prepare::Prepared::without`]), and without whatever else it holds of them.
    Suppressed(Vec<Identity>),
}

impl From<Need> for Lack {
    fn from(need: Need) -> Self {
        Self::Needs(vec![need])
    }
}

/// Where an identity lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentityRow {
    /// Its node.
    pub node: NodeId,
    /// The cluster that holds the node.
    pub cluster: NodeId,
}

/// That a fact was accepted, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactRow {
    /// Its owner.
    pub node: NodeId,
    /// Its time.
    pub time: Timestamp,
    /// Its event, if it stands on the timeline.
    pub event: Option<EventId>,
    /// Where it came from; none in rows from before that was kept.
    pub source: Option<Source>,
    /// What it says; none in rows from before that was kept.
    pub content: Option<Content>,
}

#[derive(Debug, Default)]
struct Tables {
    identities: HashMap<Identity, Option<IdentityRow>>,
    clusters: HashMap<NodeId, Option<Arc<Cluster>>>,
    homes: HashMap<NodeId, Option<NodeId>>,
    facts: HashMap<FactKey, Option<FactRow>>,
    held: HashMap<NodeId, BTreeMap<NodeId, Option<Arc<Link>>>>,
    suppressed: HashMap<Identity, bool>,
    states: HashMap<(NodeId, Option<EventId>, Timestamp), Arc<Built>>,
    stretches: HashMap<(NodeId, Timestamp, Timestamp), Option<Arc<Chunk>>>,
    /// Nodes that had no timeline before the command at hand.
    fresh: HashSet<NodeId>,
    newest: HashMap<NodeId, Vec<Arc<Event>>>,
}

/// What a node keeps for the aggregates of rules, by aggregate.
pub type NodeStates = Vec<(AggregateId, Arc<State>)>;

impl Tables {
    fn clear(&mut self) {
        self.identities.clear();
        self.clusters.clear();
        self.homes.clear();
        self.facts.clear();
        self.held.clear();
        self.suppressed.clear();
    }
}

/// What was read and what changed, for one group of commands.
#[derive(Debug)]
pub struct Working {
    config: Arc<Config>,
    base: Tables,
    scratch: Tables,
    timelines: Timelines,
    scratch_timelines: Timelines,
    held_complete: HashSet<NodeId>,
    held_counts: HashMap<NodeId, u64>,
    links_at_once: usize,
    dirty_identities: HashSet<Identity>,
    dirty_clusters: HashSet<NodeId>,
    dirty_homes: HashSet<NodeId>,
    dirty_facts: Vec<FactKey>,
    dirty_held: HashSet<(NodeId, NodeId)>,
    dirty_suppressed: HashSet<Identity>,
    pending: Pending,
    work_each: RuleWork,
    work_left: RuleWork,
}

/// Reads from the scratch first, then from what was loaded.
fn look<K: Eq + std::hash::Hash, V>(scratch: &HashMap<K, V>, base: &HashMap<K, V>, key: &K) -> Option<V>
where
    V: Clone,
{
    if !scratch.is_empty()
        && let Some(value) = scratch.get(key)
    {
        return Some(value.clone());
    }
    base.get(key).cloned()
}

impl Working {
    /// An empty working set under a configuration.
    #[must_use]
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            base: Tables::default(),
            scratch: Tables::default(),
            timelines: Timelines::default(),
            scratch_timelines: Timelines::default(),
            held_complete: HashSet::new(),
            held_counts: HashMap::new(),
            links_at_once: usize::MAX,
            dirty_identities: HashSet::new(),
            dirty_clusters: HashSet::new(),
            dirty_homes: HashSet::new(),
            dirty_facts: Vec::new(),
            dirty_held: HashSet::new(),
            dirty_suppressed: HashSet::new(),
            pending: Pending::default(),
            work_each: RuleWork::COMMAND,
            work_left: RuleWork::ENDLESS,
        }
    }

    /// The configuration that it decides under.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Bounds what rules may take: that of the group and of each of its commands. What is over it is put off.
    pub fn allow_rules(&mut self, each: RuleWork, all: RuleWork) {
        (self.work_each, self.work_left) = (each, all);
    }

    /// Bounds how many links that do not hold one command changes because of what becomes of a node of theirs. An erasure of more leaves
    /// them to [`crate::decide::LinkRemoval`], a sweep does its record in parts. Endless unless it is set; never none.
    pub fn allow_links(&mut self, at_once: usize) {
        self.links_at_once = at_once.max(1);
    }

    /// That bound.
    #[must_use]
    pub fn links_at_once(&self) -> usize {
        self.links_at_once
    }

    /// What rules may still take in this group.
    #[must_use]
    pub fn rules_left(&self) -> RuleWork {
        self.work_left
    }

    /// What rules may take for the next command.
    pub(crate) fn rules_allowed(&self) -> RuleWork {
        self.work_each.min(self.work_left)
    }

    /// Rules have taken so much for a command.
    pub(crate) fn spend_rules(&mut self, spent: RuleWork) {
        self.work_left = self.work_left.without(spent);
    }

    /// Decides under another configuration from here on.
    pub fn set_config(&mut self, config: Arc<Config>) {
        self.config = config;
    }

    // What was read comes in. It never replaces what a command of this group has changed.

    /// Takes in an identity row.
    pub fn load_identity(&mut self, identity: Identity, row: Option<IdentityRow>) {
        self.base.identities.entry(identity).or_insert(row);
    }

    /// Takes in a cluster record.
    pub fn load_cluster(&mut self, id: NodeId, cluster: Option<Arc<Cluster>>) {
        self.base.clusters.entry(id).or_insert(cluster);
    }

    /// Takes in where a node lives.
    pub fn load_home(&mut self, node: NodeId, cluster: Option<NodeId>) {
        self.base.homes.entry(node).or_insert(cluster);
    }

    /// Takes in a fact row.
    pub fn load_fact(&mut self, key: FactKey, row: Option<FactRow>) {
        self.base.facts.entry(key).or_insert(row);
    }

    /// Takes in the link between two nodes, if it does not hold.
    pub fn load_held(&mut self, node: NodeId, other: NodeId, link: Option<Arc<Link>>) {
        for (node, other) in [(node, other), (other, node)] {
            self.base.held.entry(node).or_default().entry(other).or_insert_with(|| link.clone());
        }
    }

    /// Takes in all links that do not hold at a node.
    pub fn load_held_of(&mut self, node: NodeId, links: Vec<Arc<Link>>) {
        for link in links {
            self.load_held(node, link.other(node).node, Some(link));
        }
        self.held_complete.insert(node);
    }

    /// Takes in how many links do not hold at a node, where they are too many to be looked at together.
    pub fn load_held_count(&mut self, node: NodeId, count: u64) {
        self.held_counts.insert(node, count);
    }

    /// Takes in whether an identity is suppressed.
    pub fn load_suppression(&mut self, identity: Identity, is_suppressed: bool) {
        self.base.suppressed.entry(identity).or_insert(is_suppressed);
    }

    /// Whether this is known already, so that it need not be read.
    #[must_use]
    pub fn knows(&self, need: &Need) -> bool {
        match need {
            Need::Identity(identity) => self.base.identities.contains_key(identity),
            Need::Cluster(id) => self.base.clusters.contains_key(id),
            Need::Home(node) => self.base.homes.contains_key(node),
            Need::Fact(key) => self.base.facts.contains_key(key),
            Need::Held(node, other) => {
                self.held_complete.contains(node)
                    || self.base.held.get(node).is_some_and(|rows| rows.contains_key(other))
            }
            Need::HeldOf(node) => self.held_complete.contains(node),
            Need::HeldCount(node) => self.held_complete.contains(node) || self.held_counts.contains_key(node),
            Need::Suppression(identity) => self.base.suppressed.contains_key(identity),
            Need::States(node, without, at) => self.base.states.contains_key(&(*node, *without, *at)),
            Need::Stretch(node, from, to) => self.base.stretches.contains_key(&(*node, *from, *to)),
            Need::Newest(node) => self.base.newest.contains_key(node),
        }
    }

    // Commands read and change.

    pub(crate) fn identity(&self, identity: &Identity) -> Result<Option<IdentityRow>, Need> {
        look(&self.scratch.identities, &self.base.identities, identity).ok_or_else(|| Need::Identity(identity.clone()))
    }

    /// The cluster of this id, if there is one.
    pub(crate) fn find_cluster(&self, id: NodeId) -> Result<Option<Arc<Cluster>>, Need> {
        look(&self.scratch.clusters, &self.base.clusters, &id).ok_or(Need::Cluster(id))
    }

    /// The cluster of this id, which an identity row names.
    pub(crate) fn cluster(&self, id: NodeId) -> Result<Arc<Cluster>, Lack> {
        self.find_cluster(id)?.ok_or(Lack::Torn)
    }

    /// The cluster of this id, to be changed and put back. It is copied once for a command: what was read stays as it was.
    pub(crate) fn edit(&mut self, id: NodeId) -> Result<Cluster, Lack> {
        match self.scratch.clusters.remove(&id) {
            Some(cluster) => cluster.map(Arc::unwrap_or_clone).ok_or(Lack::Torn),
            None => self.cluster(id).map(Arc::unwrap_or_clone),
        }
    }

    /// Where an identity lives that a kept record names.
    pub(crate) fn known(&self, identity: &Identity) -> Result<IdentityRow, Lack> {
        self.identity(identity)?.ok_or(Lack::Torn)
    }

    pub(crate) fn home(&self, node: NodeId) -> Result<Option<NodeId>, Need> {
        look(&self.scratch.homes, &self.base.homes, &node).ok_or(Need::Home(node))
    }

    pub(crate) fn fact(&self, key: &FactKey) -> Result<Option<FactRow>, Need> {
        look(&self.scratch.facts, &self.base.facts, key).ok_or_else(|| Need::Fact(key.clone()))
    }

    pub(crate) fn is_suppressed(&self, identity: &Identity) -> Result<bool, Need> {
        look(&self.scratch.suppressed, &self.base.suppressed, identity)
            .ok_or_else(|| Need::Suppression(identity.clone()))
    }

    pub(crate) fn suppress(&mut self, identity: Identity) {
        self.scratch.suppressed.insert(identity, true);
    }

    pub(crate) fn held(&self, node: NodeId, other: NodeId) -> Result<Option<Arc<Link>>, Need> {
        let find = |tables: &Tables| tables.held.get(&node).and_then(|rows| rows.get(&other)).cloned();
        match find(&self.scratch).or_else(|| find(&self.base)) {
            Some(link) => Ok(link),
            None if self.held_complete.contains(&node) || self.held_complete.contains(&other) => Ok(None),
            None => Err(Need::Held(node, other)),
        }
    }

    /// Says which of these nodes' links have to be read before [`Self::held_of`] can answer.
    pub(crate) fn require_held_of(&self, nodes: impl IntoIterator<Item = NodeId>) -> Result<(), Lack> {
        let unknown = nodes.into_iter().filter(|node| !self.held_complete.contains(node));
        let needs: Vec<Need> = unknown.map(Need::HeldOf).collect();
        if needs.is_empty() { Ok(()) } else { Err(Lack::Needs(needs)) }
    }

    /// Says which of these identities' clusters have to be read before they can be changed.
    pub(crate) fn require_clusters<'a>(&self, of: impl IntoIterator<Item = &'a Identity>) -> Result<(), Lack> {
        let mut needs = Vec::new();
        for identity in of {
            match self.identity(identity) {
                Err(need) => needs.push(need),
                Ok(None) => return Err(Lack::Torn),
                Ok(Some(row)) => needs.extend(self.find_cluster(row.cluster).err()),
            }
        }
        if needs.is_empty() { Ok(()) } else { Err(Lack::Needs(needs)) }
    }

    /// Says which of these identities' clusters have to be read before they can be looked at, if the identities are known.
    pub(crate) fn require_clusters_if_known<'a>(&self, of: impl IntoIterator<Item = &'a Identity>) -> Result<(), Lack> {
        for identity in of {
            if let Some(row) = self.identity(identity)? {
                self.find_cluster(row.cluster)?;
            }
        }
        Ok(())
    }

    /// All links that do not hold at a node, those aside whose other end was erased and that are still to be removed.
    pub(crate) fn held_of(&self, node: NodeId) -> Result<Vec<Arc<Link>>, Lack> {
        let mut links = self.all_held_of(node)?;
        links.retain(|link| !self.is_erased(link.other(node).node));
        Ok(links)
    }

    /// The links of a node whose other end was erased and that are still to be removed.
    pub(crate) fn loose_of(&self, node: NodeId) -> Result<Vec<Arc<Link>>, Lack> {
        let mut links = self.all_held_of(node)?;
        links.retain(|link| self.is_erased(link.other(node).node));
        Ok(links)
    }

    fn all_held_of(&self, node: NodeId) -> Result<Vec<Arc<Link>>, Lack> {
        self.require_held_of([node])?;
        let mut rows: BTreeMap<NodeId, Option<Arc<Link>>> = self.base.held.get(&node).cloned().unwrap_or_default();
        if let Some(changed) = self.scratch.held.get(&node) {
            rows.extend(changed.iter().map(|(other, link)| (*other, link.clone())));
        }
        Ok(rows.into_values().flatten().collect())
    }

    /// Whether a node is known to be no more: one that this group erased, or whose links are still to be removed.
    fn is_erased(&self, node: NodeId) -> bool {
        look(&self.scratch.homes, &self.base.homes, &node) == Some(None)
    }

    /// How many links do not hold at these nodes; none where they are few enough to be changed together, and known then.
    pub(crate) fn many_held(&self, nodes: impl IntoIterator<Item = NodeId> + Clone) -> Result<Option<u64>, Lack> {
        let needs: Vec<Need> =
            nodes.clone().into_iter().map(Need::HeldCount).filter(|need| !self.knows(need)).collect();
        if !needs.is_empty() {
            return Err(Lack::Needs(needs));
        }
        let mut sum = 0;
        for node in nodes {
            sum += match self.held_counts.get(&node).filter(|_| !self.held_complete.contains(&node)) {
                Some(count) => *count,
                None => self.held_of(node)?.iter().filter(|link| !link.is_mark()).count() as u64,
            };
        }
        Ok((sum > self.links_at_once as u64).then_some(sum))
    }

    /// A node that did not exist has neither links nor events to be read.
    pub(crate) fn put_new_node(&mut self, node: NodeId) {
        self.held_complete.insert(node);
        self.base.newest.entry(node).or_default();
        self.base.fresh.insert(node);
    }

    pub(crate) fn put_identity(&mut self, identity: Identity, row: IdentityRow) {
        self.scratch.homes.insert(row.node, Some(row.cluster));
        self.scratch.identities.insert(identity, Some(row));
    }

    pub(crate) fn drop_identity(&mut self, identity: Identity, node: NodeId) {
        self.scratch.homes.insert(node, None);
        self.scratch.identities.insert(identity, None);
    }

    pub(crate) fn put_cluster(&mut self, cluster: Cluster) {
        self.scratch.clusters.insert(cluster.id(), Some(Arc::new(cluster)));
    }

    pub(crate) fn drop_cluster(&mut self, id: NodeId) {
        self.scratch.clusters.insert(id, None);
    }

    pub(crate) fn put_fact(&mut self, key: FactKey, row: FactRow) {
        self.scratch.facts.insert(key, Some(row));
    }

    pub(crate) fn drop_fact(&mut self, key: FactKey) {
        self.scratch.facts.insert(key, None);
    }

    pub(crate) fn put_held(&mut self, link: Link) {
        let [one, other] = [link.ends[0].node, link.ends[1].node];
        self.set_held(one, other, Some(Arc::new(link)));
    }

    pub(crate) fn drop_held(&mut self, one: NodeId, other: NodeId) {
        self.set_held(one, other, None);
    }

    fn set_held(&mut self, one: NodeId, other: NodeId, link: Option<Arc<Link>>) {
        self.scratch.held.entry(one).or_default().insert(other, link.clone());
        self.scratch.held.entry(other).or_default().insert(one, link);
    }

    /// The clusters that the command at hand has changed, with what they are now; those that are no more have none.
    pub(crate) fn touched(&self) -> Vec<(NodeId, Option<Arc<Cluster>>)> {
        let mut touched: Vec<_> = self.scratch.clusters.iter().map(|(id, own)| (*id, own.clone())).collect();
        touched.sort_unstable_by_key(|(id, _)| *id);
        touched
    }

    /// A cluster as it was before the command at hand.
    pub(crate) fn before(&self, id: NodeId) -> Option<&Arc<Cluster>> {
        self.base.clusters.get(&id)?.as_ref()
    }

    /// Forgets what the command at hand has changed so far.
    pub(crate) fn abandon(&mut self) {
        self.scratch.clear();
        self.scratch_timelines.clear();
    }

    /// The clusters that were read, changed or not, with what they are now.
    pub fn clusters(&self) -> impl Iterator<Item = (NodeId, Option<&Arc<Cluster>>)> {
        self.base.clusters.iter().map(|(id, cluster)| (*id, cluster.as_ref()))
    }
}
