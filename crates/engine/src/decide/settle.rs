//! Clusters walked anew, where links came or went: which nodes hold together now, and what has to be written for it.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::link::nodes_of;
use super::{Act, Notice};
use crate::cluster::{Cluster, Link, LinkState, Node, Rule};
use crate::config::Config;
use crate::id::NodeId;
use crate::walk::{Edge, StageOne, stage_one, stage_two};
use crate::working::{IdentityRow, Lack};

/// Clusters taken apart.
pub(super) struct Parts {
    pub(super) nodes: Vec<Node>,
    pub(super) links: Vec<Link>,
    /// The clusters they came from, by id, and whether each held an exclusive value.
    from: Vec<(NodeId, bool)>,
    /// For each node: which of those clusters it came from, and its profile's id there.
    before: HashMap<NodeId, (usize, NodeId)>,
}

impl Parts {
    /// Brings nodes and links into the order of the walk.
    fn walk(&mut self, config: &Config) -> StageOne {
        self.nodes.sort_by_key(|node| node.id);
        self.links.sort_by(|one, other| one.order().cmp(&other.order()));
        let exclusive: Vec<bool> = self.nodes.iter().map(|node| is_exclusive(node, config)).collect();
        stage_one(&exclusive, &edges(&self.nodes, &self.links))
    }
}

fn is_exclusive(node: &Node, config: &Config) -> bool {
    Some(node.identity.namespace) == config.exclusive()
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
        let mut parts = Parts { nodes: Vec::new(), links: Vec::new(), from: Vec::new(), before: HashMap::new() };
        for (at, id) in ids.iter().enumerate() {
            let cluster = self.working.cluster(*id)?;
            parts.from.push((*id, cluster.holds(self.working.config().exclusive())));
            for (node, piece) in cluster.nodes.iter().zip(&cluster.pieces) {
                parts.before.insert(node.id, (at, cluster.nodes[usize::from(*piece)].id));
            }
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
        let stage = parts.walk(&config);
        let at = parts.links.iter().position(|own| nodes_of(own) == ends).ok_or(Lack::Torn)?;
        let rule = if stage.refused[at] {
            Some(Rule::Exclusive)
        } else {
            is_too_large(&parts, &stage, &config).then_some(Rule::Full)
        };
        if let Some(rule) = rule {
            link.state = LinkState::Held(rule);
            self.working.put_held(link);
            return Ok(());
        }
        self.put_together(parts, &stage)?;
        Ok(())
    }

    /// Takes links or nodes out of clusters and lets the rest settle: what is cut off from every exclusive value takes the
    /// best of its held links in place of the one that went.
    pub(super) fn detach(&mut self, ids: &[NodeId], remove: impl FnOnce(&mut Parts)) -> Result<(), Lack> {
        let config = self.working.config().clone();
        let mut parts = self.take_apart(ids)?;
        let had_exclusive = parts.from.iter().any(|(_, holds)| *holds);
        remove(&mut parts);
        let stage = parts.walk(&config);
        let clusters = self.put_together(parts, &stage)?;
        if had_exclusive {
            for cluster in clusters {
                self.replace_lost(cluster)?;
            }
        }
        Ok(())
    }

    /// Places the held links of a part without an exclusive value anew. Best first, until it holds one again; from there on
    /// only those that come before a link within the part can change anything, and those that now lie inside.
    fn replace_lost(&mut self, part: NodeId) -> Result<(), Lack> {
        let config = self.working.config().clone();
        let part = self.working.cluster(part)?;
        if part.holds(config.exclusive()) {
            return Ok(());
        }
        self.working.require_held_of(part.nodes.iter().map(|node| node.id))?;
        let mut links = Vec::new();
        for node in &part.nodes {
            let mut held = self.working.held_of(node.id)?;
            held.retain(|link| matches!(link.state, LinkState::Held(Rule::Exclusive | Rule::Full)));
            links.append(&mut held);
        }
        links.sort_by(|one, other| one.order().cmp(&other.order()));
        let last = part.links.last().map(Link::order);
        let changes_nothing = |link: &Link| {
            link.state == LinkState::Held(Rule::Exclusive) && last.as_ref().is_none_or(|last| *last < link.order())
        };
        let first = links.iter().take(1).chain(links.iter().skip(1).filter(|link| !changes_nothing(link)));
        self.working.require_clusters(first.flat_map(|link| &link.ends).map(|end| &end.identity))?;
        for link in links {
            let [one, other] = nodes_of(&link);
            if self.working.held(one, other)?.as_deref() != Some(&*link) {
                continue;
            }
            let own = link.ends.iter().find(|end| part.position(end.node).is_some()).ok_or(Lack::Torn)?;
            let home = self.working.cluster(self.working.known(&own.identity)?.cluster)?;
            let is_inside = home.position(link.other(own.node).node).is_some();
            if !is_inside && home.holds(config.exclusive()) && changes_nothing(&link) {
                continue;
            }
            self.working.require_clusters(link.ends.iter().map(|end| &end.identity))?;
            self.working.drop_held(one, other);
            self.place(Arc::unwrap_or_clone(link))?;
        }
        Ok(())
    }

    /// Writes a cluster whose links changed, but not what they hold together: only its profiles may.
    pub(super) fn put_restaged(&mut self, mut cluster: Cluster) -> Result<(), Lack> {
        let config = self.working.config().clone();
        let (id, pieces) = (cluster.id(), cluster.pieces.clone());
        cluster.restage(&config);
        let first = |pieces: &[u16], at: usize| cluster.nodes[usize::from(pieces[at])].id;
        let before: HashMap<NodeId, (usize, NodeId)> =
            cluster.nodes.iter().enumerate().map(|(at, node)| (node.id, (0, first(&pieces, at)))).collect();
        let is_moved = cluster.pieces != pieces;
        self.working.put_cluster(cluster);
        if is_moved { self.notice_moves(&[id], &before) } else { Ok(()) }
    }

    /// Writes the clusters that a walk found, and everything that names them. Answers their ids.
    fn put_together(&mut self, parts: Parts, stage: &StageOne) -> Result<Vec<NodeId>, Lack> {
        let config = self.working.config().clone();
        let Parts { nodes, links, from, before } = parts;
        let label: HashMap<NodeId, usize> =
            nodes.iter().map(|node| node.id).zip(stage.cluster.iter().copied()).collect();
        let mut pulled = self.pull_held(&nodes, &label, &from, &before)?;
        let mut clusters: HashMap<usize, Cluster> = HashMap::new();
        for (node, label) in nodes.into_iter().zip(&stage.cluster) {
            let empty =
                || Cluster { nodes: Vec::new(), links: Vec::new(), pieces: Vec::new(), updated_at: self.now, bytes: 0 };
            clusters.entry(*label).or_insert_with(empty).nodes.push(node);
        }
        for mut link in links.into_iter().chain(pulled.drain(..)) {
            let [one, other] = nodes_of(&link).map(|node| label[&node]);
            if one == other {
                clusters.get_mut(&one).ok_or(Lack::Torn)?.links.push(link);
            } else {
                link.state = LinkState::Held(Rule::Exclusive);
                self.working.put_held(link);
            }
        }
        for (id, _) in &from {
            self.working.drop_cluster(*id);
        }
        let mut ids = Vec::with_capacity(clusters.len());
        for cluster in clusters.into_values() {
            ids.push(self.put_settled(cluster, &config, |node| before.get(&node).map(|(origin, _)| from[*origin].0)));
        }
        ids.sort_unstable();
        self.notice_moves(&ids, &before)?;
        Ok(ids)
    }

    /// Writes a cluster, and where those of its nodes live that come from elsewhere. It answers the cluster's id.
    fn put_settled(
        &mut self,
        mut cluster: Cluster,
        config: &Config,
        origin: impl Fn(NodeId) -> Option<NodeId>,
    ) -> NodeId {
        cluster.restage(config);
        cluster.bytes = cluster.measure();
        let id = cluster.id();
        for node in cluster.nodes.iter().filter(|node| origin(node.id) != Some(id)) {
            self.working.put_identity(node.identity.clone(), IdentityRow { node: node.id, cluster: id });
        }
        self.working.put_cluster(cluster);
        id
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
                let takes_part = matches!(link.state, LinkState::Held(Rule::Exclusive | Rule::Full));
                if is_inside && takes_part && seen.insert((one, other)) {
                    self.working.drop_held(one, other);
                    pulled.push(Arc::unwrap_or_clone(link));
                }
            }
        }
        Ok(pulled)
    }

    fn notice_moves(&mut self, ids: &[NodeId], before: &HashMap<NodeId, (usize, NodeId)>) -> Result<(), Lack> {
        let mut after: HashMap<NodeId, NodeId> = HashMap::new();
        let mut fresh: HashSet<NodeId> = HashSet::new();
        for id in ids {
            let cluster = self.working.cluster(*id)?;
            for (node, piece) in cluster.nodes.iter().zip(&cluster.pieces) {
                after.insert(node.id, cluster.nodes[usize::from(*piece)].id);
                if node.created_at == self.now {
                    fresh.insert(node.id);
                }
            }
        }
        for (node, into) in &after {
            let Some((_, from)) = before.get(node) else { continue };
            if from == into || fresh.contains(node) {
                continue;
            }
            self.notices.push(Notice::ProfileChanged(*into));
            let heir = after.get(from).copied();
            if from == node {
                self.notices.push(Notice::ProfileMerged { from: *from, into: *into });
            } else if heir != Some(*into) {
                self.notices.push(Notice::IdentityMoved { node: *node, from: *from, into: *into });
            }
            if heir == Some(*from) {
                self.notices.push(Notice::ProfileChanged(*from));
            }
        }
        Ok(())
    }
}

fn is_too_large(parts: &Parts, stage: &StageOne, config: &Config) -> bool {
    let mut sizes: HashMap<usize, (usize, usize)> = HashMap::new();
    for (node, label) in parts.nodes.iter().zip(&stage.cluster) {
        let (count, bytes) = sizes.entry(*label).or_default();
        *count += 1;
        *bytes += node.size_bytes();
    }
    let limits = config.limits();
    sizes.values().any(|(count, bytes)| *count > limits.cluster_identities_max || *bytes > limits.record_bytes_max)
}

/// The link that won against one held by the exclusive rule between two clusters.
pub(super) fn exclusive_winner(first: &Cluster, second: &Cluster, link: &Link, config: &Config) -> Option<Link> {
    let mut nodes: Vec<Node> = Vec::with_capacity(first.nodes.len() + second.nodes.len());
    let bare = |node: &Node| Node::new(node.id, node.identity.clone(), node.created_at);
    nodes.extend(first.nodes.iter().chain(&second.nodes).map(bare));
    nodes.sort_by_key(|node| node.id);
    nodes.dedup_by_key(|node| node.id);
    let mut links: Vec<Link> = first.links.iter().chain(&second.links).chain([link]).cloned().collect();
    links.sort_by(|one, other| one.order().cmp(&other.order()));
    let at = links.iter().position(|own| nodes_of(own) == nodes_of(link))?;
    let exclusive: Vec<bool> = nodes.iter().map(|node| is_exclusive(node, config)).collect();
    let won = crate::walk::exclusive_winner(&exclusive, &edges(&nodes, &links), at)?;
    Some(links.swap_remove(won))
}

impl Cluster {
    /// Walks stage 2: says which links hold, and which nodes are one profile.
    pub fn restage(&mut self, config: &Config) {
        self.links.sort_by(|one, other| one.order().cmp(&other.order()));
        if self.is_within_limits(config) {
            self.pieces = vec![0; self.nodes.len()];
            self.links.iter_mut().for_each(|link| link.state = LinkState::Active);
            return;
        }
        let namespaces: Vec<_> = self.nodes.iter().map(|node| node.identity.namespace).collect();
        let stage = stage_two(&namespaces, &edges(&self.nodes, &self.links), config);
        let small = |at: usize| u16::try_from(at).expect("a cluster is bounded far below 65,536 nodes");
        self.pieces = stage.piece.into_iter().map(small).collect();
        for (link, refused) in self.links.iter_mut().zip(stage.refused) {
            link.state = if refused.is_some() { LinkState::Held(Rule::Limit) } else { LinkState::Active };
        }
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
        let namespaces: Vec<_> = self.nodes.iter().map(|node| node.identity.namespace).collect();
        let at = self.links.iter().position(|own| nodes_of(own) == nodes_of(link))?;
        let stage = stage_two(&namespaces, &edges(&self.nodes, &self.links), config);
        self.links.get(stage.refused[at]?.won?).cloned()
    }
}
