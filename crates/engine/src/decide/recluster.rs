//! Clusters walked anew, where links came or went: which nodes hold together now, and what has to be written for it.

use std::cmp::Reverse;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::Act;
use super::effects::profiles;
use super::link::nodes_of;
use crate::cluster::{Cluster, HoldReason, Link, LinkState, Node};
use crate::config::Config;
use crate::fact::{Class, Identity, Strength};
use crate::id::NodeId;
use crate::time::Timestamp;
use crate::walk::{Edge, Refusal, StageOne, StageTwo, Tie, stage_one, stage_two, ties};
use crate::working::{IdentityRow, Lack};

/// Clusters taken apart.
pub(super) struct Parts {
    pub(super) nodes: Vec<Node>,
    pub(super) links: Vec<Link>,
    /// The clusters they came from, by id, and whether each held an exclusive value.
    from: Vec<(NodeId, bool)>,
    /// For each node: which of those clusters it came from, and its profile's id there.
    before: HashMap<NodeId, (usize, NodeId)>,
    /// The last sweep that has been at all of them.
    pub(super) swept: u64,
}

/// The place of a link in the walk, kept when the link is gone.
type Place = (Reverse<Strength>, Timestamp, Identity, Identity);

fn place_of(link: &Link) -> Place {
    let (strength, first_seen, one, other) = link.order();
    (strength, first_seen, one.clone(), other.clone())
}

impl Parts {
    /// What ties each node to an exclusive value.
    fn ties(&mut self) -> HashMap<NodeId, Tie<Place>> {
        self.sort();
        let exclusive: Vec<bool> = self.nodes.iter().map(|node| node.role.exclusive).collect();
        let place = |tie: Tie<usize>| match tie {
            Tie::Itself => Tie::Itself,
            Tie::By(at) => Tie::By(place_of(&self.links[at])),
            Tie::Loose => Tie::Loose,
        };
        let ties = ties(&exclusive, &edges(&self.nodes, &self.links)).into_iter().map(place);
        self.nodes.iter().map(|node| node.id).zip(ties).collect()
    }

    fn sort(&mut self) {
        self.nodes.sort_by_key(|node| node.id);
        self.links.sort_by(|one, other| one.order().cmp(&other.order()));
    }

    /// Brings nodes and links into the order of the walk.
    fn walk(&mut self) -> StageOne {
        self.sort();
        let exclusive: Vec<bool> = self.nodes.iter().map(|node| node.role.exclusive).collect();
        stage_one(&exclusive, &edges(&self.nodes, &self.links))
    }
}

fn position(nodes: &[Node], id: NodeId) -> usize {
    nodes.binary_search_by_key(&id, |node| node.id).expect("a link of a record ends at its nodes")
}

/// Links, sorted by their order, as edges between positions of nodes, sorted by id.
fn edges(nodes: &[Node], links: &[Link]) -> Vec<Edge> {
    let edge = |link: &Link| {
        let [one, other] = nodes_of(link);
        Edge { one: position(nodes, one), other: position(nodes, other), joined: link.is_joined() }
    };
    links.iter().map(edge).collect()
}

impl Act<'_> {
    fn take_apart(&self, ids: &[NodeId]) -> Result<Parts, Lack> {
        let mut parts =
            Parts { nodes: Vec::new(), links: Vec::new(), from: Vec::new(), before: HashMap::new(), swept: u64::MAX };
        for (at, id) in ids.iter().enumerate() {
            let cluster = self.working.cluster(*id)?;
            parts.from.push((*id, cluster.holds_exclusive()));
            parts.swept = parts.swept.min(cluster.swept);
            parts.before.extend(profiles(&cluster).map(|(node, profile)| (node, (at, profile))));
            parts.nodes.extend(cluster.nodes.iter().cloned());
            parts.links.extend(cluster.links.iter().cloned());
        }
        Ok(parts)
    }

    /// A link between two clusters: it joins them, replaces a later link, or is held.
    pub(super) fn bridge(&mut self, one: NodeId, other: NodeId, mut link: Link) -> Result<(), Lack> {
        let config = self.working.config().clone();
        let mut parts = self.take_apart(&[one, other])?;
        let ends = nodes_of(&link);
        parts.links.push(link.clone());
        let stage = parts.walk();
        let at = parts.links.iter().position(|own| nodes_of(own) == ends).ok_or(Lack::Torn)?;
        let rule = if stage.refused[at] {
            Some(HoldReason::Exclusive)
        } else {
            is_too_large(&parts, &stage, &link, &config).then_some(HoldReason::Full)
        };
        if let Some(rule) = rule {
            link.state = LinkState::Held(rule);
            self.working.put_held(link);
            return Ok(());
        }
        self.put_together(parts, &stage)?;
        Ok(())
    }

    /// Takes links or nodes out of a cluster and lets the rest settle. What hung to its exclusive value by what went, and
    /// hangs looser now or not at all, may have a held link that takes its place.
    pub(super) fn detach(&mut self, id: NodeId, remove: impl FnOnce(&mut Parts)) -> Result<(), Lack> {
        let mut parts = self.take_apart(&[id])?;
        let before = parts.ties();
        remove(&mut parts);
        let after = parts.ties();
        let loosened: HashMap<NodeId, Tie<Place>> =
            after.into_iter().filter(|(node, tie)| *tie > before[node]).collect();
        let stage = parts.walk();
        self.put_together(parts, &stage)?;
        self.replace_lost(&loosened)
    }

    /// Places anew the held links of nodes that hang looser than before: those that come before what ties the node now. Where
    /// nothing does, best first until the part holds an exclusive value again; then only those that come before a link of the
    /// part, and those that now lie inside.
    fn replace_lost(&mut self, loosened: &HashMap<NodeId, Tie<Place>>) -> Result<(), Lack> {
        self.working.require_held_of(loosened.keys().copied())?;
        let mut links = Vec::new();
        for node in loosened.keys() {
            let mut held = self.working.held_of(*node)?;
            held.retain(|link| matches!(link.state, LinkState::Held(HoldReason::Exclusive | HoldReason::Full)));
            links.append(&mut held);
        }
        links.sort_by(|one, other| one.order().cmp(&other.order()));
        links.dedup_by(|one, other| one.ends == other.ends);
        let own_end = |link: &Link| link.ends.iter().find(|end| loosened.contains_key(&end.node)).cloned();
        let mut wanted: Vec<Identity> = Vec::new();
        for (at, link) in links.iter().enumerate() {
            let own = own_end(link).ok_or(Lack::Torn)?;
            let part = self.working.cluster(self.working.known(&own.identity)?.cluster)?;
            if at == 0 || !changes_nothing(link, &loosened[&own.node], &part) {
                wanted.extend(link.ends.iter().map(|end| end.identity.clone()));
            }
        }
        self.working.require_clusters(&wanted)?;
        for link in links {
            let [one, other] = nodes_of(&link);
            if self.working.held(one, other)?.as_deref() != Some(&*link) {
                continue;
            }
            let own = own_end(&link).ok_or(Lack::Torn)?;
            let part = self.working.cluster(self.working.known(&own.identity)?.cluster)?;
            let is_inside = part.position(link.other(own.node).node).is_some();
            if !is_inside && part.holds_exclusive() && changes_nothing(&link, &loosened[&own.node], &part) {
                continue;
            }
            self.working.require_clusters(link.ends.iter().map(|end| &end.identity))?;
            self.working.drop_held(one, other);
            self.place(Arc::unwrap_or_clone(link))?;
        }
        Ok(())
    }

    /// Writes a cluster whose links changed, but not what they hold together: only its profiles may.
    pub(super) fn put_restaged(&mut self, mut cluster: Cluster) {
        let config = self.working.config().clone();
        profiles(&cluster).for_each(|(node, profile)| self.walked.was(node, profile));
        cluster.restage(&config);
        self.walked.made(cluster.id());
        self.working.put_cluster(cluster);
    }

    /// Writes the clusters that a walk found, and everything that names them.
    fn put_together(&mut self, parts: Parts, stage: &StageOne) -> Result<(), Lack> {
        let config = self.working.config().clone();
        let Parts { nodes, links, from, before, swept } = parts;
        let label: HashMap<NodeId, usize> =
            nodes.iter().map(|node| node.id).zip(stage.cluster.iter().copied()).collect();
        let mut pulled = self.pull_held(&nodes, &label, &from, &before)?;
        let mut clusters: HashMap<usize, Cluster> = HashMap::new();
        for (node, label) in nodes.into_iter().zip(&stage.cluster) {
            let empty = Cluster::empty(self.now, swept);
            clusters.entry(*label).or_insert(empty).nodes.push(node);
        }
        for mut link in links.into_iter().chain(pulled.drain(..)) {
            let [one, other] = nodes_of(&link).map(|node| label[&node]);
            if one == other {
                clusters.get_mut(&one).ok_or(Lack::Torn)?.links.push(link);
            } else {
                link.state = LinkState::Held(HoldReason::Exclusive);
                self.working.put_held(link);
            }
        }
        for (id, _) in &from {
            self.working.drop_cluster(*id);
        }
        for cluster in clusters.into_values() {
            self.put_settled(cluster, &config, |node| before.get(&node).map(|(origin, _)| from[*origin].0));
        }
        before.iter().for_each(|(node, (_, profile))| self.walked.was(*node, *profile));
        Ok(())
    }

    /// Writes a cluster, and where those of its nodes live that come from elsewhere.
    fn put_settled(&mut self, mut cluster: Cluster, config: &Config, origin: impl Fn(NodeId) -> Option<NodeId>) {
        cluster.restage(config);
        cluster.bytes = cluster.measure();
        let id = cluster.id();
        for node in cluster.nodes.iter().filter(|node| origin(node.id) != Some(id)) {
            self.working.put_identity(node.identity.clone(), IdentityRow { node: node.id, cluster: id });
        }
        self.walked.made(id);
        self.working.put_cluster(cluster);
    }

    /// Links that were held between clusters and now lie inside one: they take part in its walks again. Only parts of
    /// clusters that held an exclusive value can have them; all parts of a cluster but the largest are looked through.
    fn pull_held(
        &mut self,
        nodes: &[Node],
        label: &HashMap<NodeId, usize>,
        from: &[(NodeId, bool)],
        before: &HashMap<NodeId, (usize, NodeId)>,
    ) -> Result<Vec<Link>, Lack> {
        let mut parts: HashMap<usize, HashMap<usize, Vec<NodeId>>> = HashMap::new();
        for node in nodes {
            let origin = before.get(&node.id).map_or(0, |(origin, _)| *origin);
            parts.entry(label[&node.id]).or_default().entry(origin).or_default().push(node.id);
        }
        let mut moved: Vec<NodeId> = Vec::new();
        for origins in parts.into_values().filter(|origins| origins.len() > 1) {
            let largest = origins.iter().max_by_key(|(origin, part)| (part.len(), **origin)).map(|(origin, _)| *origin);
            if from.iter().filter(|(_, holds)| *holds).count() > 1 {
                moved.extend(
                    origins.into_iter().filter(|(origin, _)| Some(*origin) != largest).flat_map(|(_, part)| part),
                );
            }
        }
        self.working.require_held_of(moved.iter().copied())?;
        let mut pulled = Vec::new();
        let mut seen = HashSet::new();
        for node in moved {
            for link in self.working.held_of(node)? {
                let [one, other] = nodes_of(&link);
                let is_inside = label.get(&one).is_some_and(|own| label.get(&other) == Some(own));
                let takes_part = matches!(link.state, LinkState::Held(HoldReason::Exclusive | HoldReason::Full));
                if is_inside && takes_part && seen.insert((one, other)) {
                    self.working.drop_held(one, other);
                    pulled.push(Arc::unwrap_or_clone(link));
                }
            }
        }
        Ok(pulled)
    }
}

/// Whether a held link comes after all that may tie its end, in a part that holds an exclusive value.
fn changes_nothing(link: &Link, tie: &Tie<Place>, part: &Cluster) -> bool {
    let is_tied_before = matches!(tie, Tie::By(place) if *place < place_of(link));
    let is_last = part.links.last().is_none_or(|last| last.order() < link.order());
    link.state == LinkState::Held(HoldReason::Exclusive) && (is_tied_before || is_last)
}

/// Whether a cluster would pass its bound, or the one that the link joins the share of it that such a link may fill.
fn is_too_large(parts: &Parts, stage: &StageOne, link: &Link, config: &Config) -> bool {
    let mut sizes: HashMap<usize, (usize, usize)> = HashMap::new();
    for (node, label) in parts.nodes.iter().zip(&stage.cluster) {
        let (count, bytes) = sizes.entry(*label).or_default();
        *count += 1;
        *bytes += node.size_bytes();
    }
    let limits = config.limits();
    let joined = stage.cluster[position(&parts.nodes, link.ends[0].node)];
    sizes.iter().any(|(label, (count, bytes))| {
        let class = if *label == joined { link.class() } else { Class::Private };
        *count > limits.cluster_identities_for(class) || *bytes > limits.record_bytes_for(class)
    })
}

/// The link that won against one held by the exclusive rule between two clusters.
pub(super) fn exclusive_winner(first: &Cluster, second: &Cluster, link: &Link) -> Option<Link> {
    let mut nodes: Vec<Node> = Vec::with_capacity(first.nodes.len() + second.nodes.len());
    let bare = |node: &Node| Node::new(node.id, node.identity.clone(), node.created_at, node.role);
    nodes.extend(first.nodes.iter().chain(&second.nodes).map(bare));
    nodes.sort_by_key(|node| node.id);
    nodes.dedup_by_key(|node| node.id);
    let mut links: Vec<Link> = first.links.iter().chain(&second.links).chain([link]).cloned().collect();
    links.sort_by(|one, other| one.order().cmp(&other.order()));
    let at = links.iter().position(|own| nodes_of(own) == nodes_of(link))?;
    let exclusive: Vec<bool> = nodes.iter().map(|node| node.role.exclusive).collect();
    let won = crate::walk::exclusive_winner(&exclusive, &edges(&nodes, &links), at)?;
    Some(links.swap_remove(won))
}

impl Cluster {
    /// Walks stage 2: says which links hold, and which nodes are one profile.
    pub fn restage(&mut self, config: &Config) {
        self.links.sort_by(|one, other| one.order().cmp(&other.order()));
        let separated = self.separated();
        if separated.is_empty() && self.is_within_limits(config) {
            self.pieces = vec![0; self.nodes.len()];
            self.links.iter_mut().for_each(|link| link.state = LinkState::Active);
            return;
        }
        let stage = self.stage_two(&separated, config);
        let small = |at: usize| u16::try_from(at).expect("a cluster is bounded far below 65,536 nodes");
        self.pieces = stage.piece.into_iter().map(small).collect();
        for (link, refused) in self.links.iter_mut().zip(stage.refused) {
            link.state = match refused {
                None => LinkState::Active,
                Some(Refusal::Limit { .. }) => LinkState::Held(HoldReason::Limit),
                Some(Refusal::Separated) => LinkState::Held(HoldReason::Separated),
            };
        }
    }

    fn stage_two(&self, separated: &[(usize, usize)], config: &Config) -> StageTwo {
        let namespaces: Vec<_> = self.nodes.iter().map(|node| node.identity.namespace).collect();
        stage_two(&namespaces, &edges(&self.nodes, &self.links), separated, config)
    }

    /// Whether all its nodes together keep every limit, so that they are one profile without a walk.
    fn is_within_limits(&self, config: &Config) -> bool {
        let count = |id| self.nodes.iter().filter(|node| node.identity.namespace == id).count();
        self.nodes.len() <= config.limits().profile_identities_max
            && config.namespaces().iter().all(|namespace| {
                namespace
                    .limit
                    .is_none_or(|limit| self.nodes.len() <= limit as usize || count(namespace.id) <= limit as usize)
            })
    }

    /// The link that won against one of its links that a limit holds.
    pub(crate) fn limit_winner(&self, link: &Link, config: &Config) -> Option<Link> {
        let at = self.links.iter().position(|own| nodes_of(own) == nodes_of(link))?;
        let stage = self.stage_two(&self.separated(), config);
        match stage.refused[at]? {
            Refusal::Limit { won } => self.links.get(won?).cloned(),
            Refusal::Separated => None,
        }
    }

    fn empty(now: Timestamp, swept: u64) -> Self {
        Self { nodes: Vec::new(), links: Vec::new(), pieces: Vec::new(), swept, updated_at: now, bytes: 0 }
    }
}
