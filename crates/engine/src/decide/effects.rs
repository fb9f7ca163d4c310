//! What a command tells of profiles: found once, at its end, so that no step on the way is told.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use super::link::nodes_of;
use super::{Act, Notice};
use crate::cluster::{Cluster, LinkState};
use crate::fact::Identity;
use crate::id::NodeId;
use crate::working::Lack;

/// What commands told, besides what they came to.
#[derive(Debug, Default)]
pub struct Effects {
    /// For whoever follows the feed.
    pub notices: Vec<Notice>,
    /// Every node that is in another profile than before.
    pub moved: Vec<Moved>,
    /// Profiles that became one, and by which links.
    pub merges: Vec<Merge>,
}

/// A node that is in another profile than before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moved {
    /// The node.
    pub node: NodeId,
    /// Its identity.
    pub identity: Identity,
    /// The profile that it was in.
    pub from: NodeId,
    /// The profile that it is in now.
    pub into: NodeId,
}

/// Two sides that a link made one profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// The ends of the link that joined them.
    pub link: [NodeId; 2],
    /// What stood on the side of each end: nodes that were there before.
    pub sides: [Vec<NodeId>; 2],
    /// The profile that holds both.
    pub into: NodeId,
}

/// Which clusters a command has walked anew, and in which profiles their nodes were before it.
#[derive(Debug, Default)]
pub(super) struct Walked {
    clusters: BTreeSet<NodeId>,
    before: HashMap<NodeId, NodeId>,
}

/// What a walk came to.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) moved: Vec<Moved>,
    pub(super) merges: Vec<Merge>,
}

impl Walked {
    /// Whether any cluster was walked anew.
    pub(super) fn has_walked(&self) -> bool {
        !self.clusters.is_empty()
    }

    /// Notes where a node was before a walk. The first time counts.
    pub(super) fn was(&mut self, node: NodeId, profile: NodeId) {
        self.before.entry(node).or_insert(profile);
    }

    /// Notes that a walk made this cluster.
    pub(super) fn made(&mut self, cluster: NodeId) {
        self.clusters.insert(cluster);
    }
}

impl Act<'_> {
    /// Tells the profiles of all clusters that were walked, and what moved between profiles.
    pub(super) fn tell_walked(&mut self) -> Result<Walk, Lack> {
        let Walked { clusters, before } = std::mem::take(&mut self.walked);
        let mut after: HashMap<NodeId, NodeId> = HashMap::new();
        let mut walk = Walk::default();
        for id in clusters {
            let Some(cluster) = self.working.find_cluster(id)? else { continue };
            self.notices.extend(cluster.profile_ids().map(Notice::ProfileChanged));
            after.extend(profiles(&cluster));
            let is_old = |node: &&crate::cluster::Node| node.created_at < self.now;
            for node in cluster.nodes.iter().filter(|node| before.contains_key(&node.id)).filter(is_old) {
                let (from, into) = (before[&node.id], after[&node.id]);
                if from != into {
                    walk.moved.push(Moved { node: node.id, identity: node.identity.clone(), from, into });
                    if from == node.id {
                        self.notices.insert(Notice::ProfileMerged { from, into });
                    }
                }
            }
            let was = |node: NodeId| {
                let is_old = cluster.node(node).is_some_and(|node| node.created_at < self.now);
                before.get(&node).copied().filter(|_| is_old)
            };
            walk.merges.extend(merges(&cluster, was));
        }
        for (node, from) in before {
            // Where the eldest goes, the profile goes: who goes with it has not moved.
            let (into, heir) = (after.get(&node).copied(), after.get(&from).copied());
            if let Some(into) = into
                && from != node
                && heir != Some(into)
            {
                self.notices.insert(Notice::IdentityMoved { node, from, into });
            }
        }
        Ok(walk)
    }
}

/// Which links made one profile of several, in the order of the walk. What came with the command itself stands on no side.
fn merges(cluster: &Cluster, was: impl Fn(NodeId) -> Option<NodeId>) -> Vec<Merge> {
    // Each node's side: what was one profile before, and what the links looked at so far have added to it.
    let mut side: HashMap<NodeId, NodeId> = HashMap::new();
    let mut sides: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
    for node in &cluster.nodes {
        let label = was(node.id).unwrap_or(node.id);
        side.insert(node.id, label);
        let own = sides.entry(label).or_default();
        own.extend(was(node.id).map(|_| node.id));
    }
    if sides.values().filter(|nodes| !nodes.is_empty()).count() < 2 {
        return Vec::new();
    }
    let mut merges = Vec::new();
    for link in cluster.links.iter().filter(|link| link.state == LinkState::Active) {
        let [one, other] = nodes_of(link);
        let (first, second) = (side[&one], side[&other]);
        if first == second {
            continue;
        }
        let moved = sides.remove(&second).unwrap_or_default();
        side.values_mut().filter(|own| **own == second).for_each(|own| *own = first);
        let stays = sides.entry(first).or_default();
        if !stays.is_empty() && !moved.is_empty() {
            let into = cluster.profile_id(one).unwrap_or(one);
            merges.push(Merge { link: [one, other], sides: [stays.clone(), moved.clone()], into });
        }
        stays.extend(moved);
    }
    merges
}

/// Each node of a cluster, with its profile.
pub(super) fn profiles(cluster: &Cluster) -> impl Iterator<Item = (NodeId, NodeId)> {
    cluster.nodes.iter().zip(&cluster.pieces).map(|(node, piece)| (node.id, cluster.nodes[usize::from(*piece)].id))
}
