//! A sweep reaches a record: what erased sources said goes, and its nodes and links follow the rules of now.
//!
//! Each record is brought under the present configuration in one commit. Links lead to records that the sweep has not reached;
//! they are judged by what both ends are at that time, and judged again when it gets there. So the last record to be reached
//! leaves all as if the configuration had always been this one.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::command::Decide;
use super::directive::kept;
use super::link::nodes_of;
use super::{Act, Outcome};
use crate::cluster::{Above, Cluster, End, Evidence, HoldReason, Link, LinkState, Node, Role, Tally};
use crate::config::Config;
use crate::id::NodeId;
use crate::normalise::normalise;
use crate::time::Timestamp;
use crate::working::{Lack, Need, Working};

/// A link of a record that is swept.
struct Swept {
    before: Link,
    /// What is left of it.
    after: Option<Link>,
    /// Whether it stands in the record itself.
    is_inside: bool,
}

/// That the record of a cluster comes under the sweeps that it has not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep(
    /// The cluster.
    pub NodeId,
);

impl Decide for Sweep {
    fn first_needs(&self) -> Vec<Need> {
        vec![Need::Cluster(self.0)]
    }

    fn second_needs(&self, _: &Working) -> Vec<Need> {
        Vec::new()
    }

    fn decide(&self, act: &mut Act<'_>) -> Result<Outcome, Lack> {
        act.sweep(self.0)
    }
}

impl Act<'_> {
    fn sweep(&mut self, id: NodeId) -> Result<Outcome, Lack> {
        let Some(cluster) = self.working.find_cluster(id)? else { return Ok(Outcome::NotFound) };
        let config = self.working.config().clone();
        let number = config.sweeps().number;
        if cluster.swept >= number {
            self.let_go(&cluster, &config);
            return Ok(Outcome::Swept(cluster.swept));
        }
        let links = self.swept_links(&cluster, &config)?;
        let loose = self.loose_links(&cluster)?;
        let mut nodes = swept_nodes(&cluster, (&links, &loose), &config, self.now);
        for node in nodes.values_mut() {
            self.states_after_sweep(&cluster, node)?;
        }
        let (moves, is_part) = self.at_once(self.moves(&links, &nodes, &config)?, &links);
        for link in links.iter().filter(|link| !link.is_inside && moves.contains(&nodes_of(&link.before))) {
            let [one, other] = nodes_of(&link.before);
            self.working.drop_held(one, other);
        }
        self.detach(id, |parts| {
            parts.swept = if is_part { parts.swept } else { number };
            for node in &mut parts.nodes {
                node.clone_from(&nodes[&node.id]);
            }
            parts.links.retain(|link| !moves.contains(&nodes_of(link)));
        })?;
        let mut replaced: Vec<&Swept> = links.iter().filter(|link| moves.contains(&nodes_of(&link.before))).collect();
        replaced.sort_by(|one, other| one.before.order().cmp(&other.before.order()));
        for link in replaced {
            self.put_swept(link, &nodes, &config)?;
        }
        let done: Vec<&Swept> = links.iter().filter(|link| moves.contains(&nodes_of(&link.before))).collect();
        self.drop_orphans(&cluster, &done)?;
        if !is_part {
            self.respell(&cluster, &config)?;
        }
        let changed = nodes.values().filter(|node| cluster.node(node.id) != Some(node)).map(|node| node.id);
        for node in changed.collect::<Vec<_>>() {
            for profile in self.profiles_of(&[node])? {
                self.notices.insert(super::Notice::ProfileChanged(profile));
            }
        }
        Ok(if is_part { Outcome::SweptInPart } else { Outcome::Swept(number) })
    }

    /// Those of the moves that one command makes, the first in the order of links, and whether they are only a part. Links of the record
    /// itself are all among them.
    fn at_once(&self, mut moves: HashSet<[NodeId; 2]>, links: &[Swept]) -> (HashSet<[NodeId; 2]>, bool) {
        let outside = links.iter().filter(|link| !link.is_inside && moves.contains(&nodes_of(&link.before)));
        let mut outside: Vec<&Link> = outside.map(|link| &link.before).collect();
        if outside.len() <= self.working.links_at_once() {
            return (moves, false);
        }
        outside.sort_by(|one, other| one.order().cmp(&other.order()));
        for later in &outside[self.working.links_at_once()..] {
            moves.remove(&nodes_of(later));
        }
        (moves, true)
    }

    /// The links of a record to nodes that were erased, which nobody has removed yet. They count until somebody does.
    fn loose_links(&self, cluster: &Cluster) -> Result<Vec<Link>, Lack> {
        let mut links = Vec::new();
        for node in &cluster.nodes {
            links.extend(self.working.loose_of(node.id)?.into_iter().map(Arc::unwrap_or_clone));
        }
        Ok(links)
    }

    /// Takes what has ended out of a record that the sweeps have reached. Nobody has seen it since it ended, so nothing is told.
    fn let_go(&mut self, cluster: &Cluster, config: &Config) {
        let mut next = cluster.clone();
        let mut ended_at = None;
        for node in &mut next.nodes {
            ended_at = ended_at.max(node.drop_gone(config, self.now));
        }
        if next != *cluster {
            next.updated_at = next.updated_at.max(ended_at.unwrap_or(Timestamp::MIN));
            next.bytes = next.measure();
            self.working.put_cluster(next);
        }
    }

    /// All links at the nodes of a cluster, with what erased sources leave of them.
    fn swept_links(&self, cluster: &Cluster, config: &Config) -> Result<Vec<Swept>, Lack> {
        self.working.require_held_of(cluster.nodes.iter().map(|node| node.id))?;
        let mut links: Vec<(Link, bool)> = cluster.links.iter().map(|link| (link.clone(), true)).collect();
        let mut seen: HashSet<[NodeId; 2]> = HashSet::new();
        for node in &cluster.nodes {
            for link in self.working.held_of(node.id)? {
                if seen.insert(nodes_of(&link)) {
                    links.push((Arc::unwrap_or_clone(link), false));
                }
            }
        }
        let swept = |(before, is_inside): (Link, bool)| {
            let mut after = before.clone();
            after.evidence.retain(|evidence| !config.sweeps().erases(&evidence.tally.source));
            Swept { after: kept(after), before, is_inside }
        };
        Ok(links.into_iter().map(swept).collect())
    }

    /// The links that have to be placed anew: those of which something is gone, those that a rule of their ends now keeps out,
    /// and those that it no longer does.
    fn moves(
        &self,
        links: &[Swept],
        nodes: &HashMap<NodeId, Node>,
        config: &Config,
    ) -> Result<HashSet<[NodeId; 2]>, Lack> {
        let mut moves = HashSet::new();
        let mut lack = Vec::new();
        for link in links {
            let is_less = link.after.as_ref() != Some(&link.before);
            let is_moved = is_less
                || match (&link.before.state, self.barred_anew(&link.before, nodes, config)) {
                    (LinkState::Severed(_), _) => false,
                    (LinkState::Held(rule @ (HoldReason::Hub | HoldReason::Blocked)), Ok(bar)) => bar != Some(*rule),
                    (_, Ok(bar)) => bar.is_some(),
                    (_, Err(Lack::Needs(needs))) => {
                        lack.extend(needs);
                        false
                    }
                    (_, Err(lack @ (Lack::Torn | Lack::Suppressed(_)))) => return Err(lack),
                };
            if is_moved {
                moves.insert(nodes_of(&link.before));
            }
        }
        if lack.is_empty() { Ok(moves) } else { Err(Lack::Needs(lack)) }
    }

    /// The rule that keeps a link out, by what the nodes of the record are now, and those of others as they stand.
    fn barred_anew(
        &self,
        link: &Link,
        nodes: &HashMap<NodeId, Node>,
        config: &Config,
    ) -> Result<Option<HoldReason>, Lack> {
        let low = link.hub_end(config).map(|end| end.node);
        let mut roles = Vec::with_capacity(2);
        for end in &link.ends {
            let own = nodes.get(&end.node).map(|node| node.role);
            if own.is_some_and(|role| role.blocked) {
                return Ok(Some(HoldReason::Blocked));
            }
            roles.push((end, own));
        }
        let is_held = matches!(link.state, LinkState::Held(HoldReason::Hub | HoldReason::Blocked));
        let mut is_hub = false;
        for (end, own) in roles {
            let role = match own {
                Some(role) => role,
                // What the other end bars, it bars already.
                None if !is_held && link.state != LinkState::Active => Role::default(),
                None => {
                    self.working.require_clusters([&end.identity])?;
                    let cluster = self.working.cluster(self.working.known(&end.identity)?.cluster)?;
                    cluster.node(end.node).ok_or(Lack::Torn)?.role
                }
            };
            if role.blocked {
                return Ok(Some(HoldReason::Blocked));
            }
            is_hub |= role.hub.bars(link.class()) && low == Some(end.node);
        }
        Ok(is_hub.then_some(HoldReason::Hub))
    }

    /// Puts what is left of a link where it belongs, and tells the count of a neighbour in another record.
    fn put_swept(&mut self, link: &Swept, nodes: &HashMap<NodeId, Node>, config: &Config) -> Result<(), Lack> {
        let outside = |link: &Link| link.neighbour(config).filter(|own| !nodes.contains_key(&own.low.node));
        let (counted, counts) = (outside(&link.before), link.after.as_ref().and_then(outside));
        let (lost, gained) = if counted == counts { (None, None) } else { (counted, counts) };
        if let Some(neighbour) = gained {
            self.gain_neighbour(&neighbour)?;
        }
        match link.after.clone() {
            None => {}
            Some(after) if after.state.is_severed() => self.working.put_held(after),
            Some(after) => self.place(after)?,
        }
        lost.iter().try_for_each(|neighbour| self.lose_neighbour(neighbour))
    }

    /// Drops those that nothing mentions any more.
    fn drop_orphans(&mut self, cluster: &Cluster, links: &[&Swept]) -> Result<(), Lack> {
        let gone = links.iter().filter(|link| link.after.is_none()).flat_map(|link| link.before.ends.clone());
        let own = cluster.nodes.iter().map(|node| End { node: node.id, identity: node.identity.clone() });
        for end in own.chain(gone).collect::<Vec<_>>() {
            self.working.require_clusters_if_known([&end.identity])?;
            self.drop_orphan(&end)?;
        }
        Ok(())
    }

    /// Where a namespace spells values another way than when they came, the old spelling and the new one are one identity: they
    /// are joined, so that whoever asks by the new one finds what came under the old.
    fn respell(&mut self, cluster: &Cluster, config: &Config) -> Result<(), Lack> {
        for node in &cluster.nodes {
            let Some(namespace) = config.find(node.identity.namespace) else { continue };
            let Ok(value) = normalise(namespace, &node.identity.value) else { continue };
            if value == node.identity.value || self.working.identity(&node.identity)?.is_none() {
                continue;
            }
            let spelled = crate::fact::Identity { value, ..node.identity.clone() };
            let known = self.node_of(&spelled)?;
            let source = crate::cluster::Source::of_ours(SPELLING_DATASET, None);
            let is_said = |link: Link| link.evidence.iter().any(|evidence| evidence.tally.source == source);
            if self.link_of([node.id, known.node])?.is_some_and(is_said) {
                continue;
            }
            let tally = Tally::one(source, node.created_at);
            let evidence = Evidence::new(crate::fact::Strength::Joined, tally, self.now);
            self.see_together(&node.identity, &spelled, evidence, false)?;
        }
        Ok(())
    }
}

/// The dataset that a new spelling names in the evidence of the links it makes; no fact is of a dataset that begins so.
const SPELLING_DATASET: &str = "$spelling";

/// Whether a sweep would find something to do at this record.
#[must_use]
pub fn lags(cluster: &Cluster, config: &Config, now: Timestamp) -> bool {
    let keeping = config.keeping();
    let has_ended = || {
        let cells = cluster.nodes.iter().flat_map(|node| &node.fragments).flat_map(|fragment| &fragment.cells);
        cells.into_iter().any(|cell| keeping.is_gone(&cell.path, cell.time, cell.received_at, now))
    };
    cluster.swept < config.sweeps().number || (!keeping.keeps_values() && has_ended())
}

/// The nodes of a cluster without what erased sources said and what has ended, and as the rules make them.
fn swept_nodes(
    cluster: &Cluster,
    (links, loose): (&[Swept], &[Link]),
    config: &Config,
    now: Timestamp,
) -> HashMap<NodeId, Node> {
    let mut above: HashMap<NodeId, Above> = HashMap::new();
    for link in links.iter().filter_map(|link| link.after.as_ref()).chain(loose) {
        if let Some(low) = link.hub_end(config) {
            *above.entry(low.node).or_default().of(link.class()) += 1;
        }
    }
    let swept = |node: &Node| {
        let mut node = node.clone();
        let sweeps = config.sweeps();
        let is_erased = |tally: &Tally| sweeps.erases(&tally.source);
        node.owned.retain(|tally| !is_erased(tally));
        node.drop_gone(config, now);
        for relation in &mut node.relations {
            relation.evidence.retain(|tally| !is_erased(tally));
        }
        node.relations.retain(|relation| !relation.evidence.is_empty());
        node.above = above.get(&node.id).copied().unwrap_or_default();
        let namespace = config.find(node.identity.namespace);
        node.role = Role {
            hub: node.above.hub(config.limits().hub_links_max),
            blocked: namespace.is_some_and(|namespace| normalise(namespace, &node.identity.value).is_err()),
            ..Role::new(node.identity.namespace, config)
        };
        (node.id, node)
    };
    cluster.nodes.iter().map(swept).collect()
}
