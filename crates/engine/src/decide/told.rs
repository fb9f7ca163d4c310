//! What a command tells of profiles: found once, at its end, so that no step on the way is told.

use std::collections::BTreeSet;

use hashbrown::HashMap;

use super::{Act, Notice};
use crate::cluster::Cluster;
use crate::id::NodeId;
use crate::working::Lack;

/// Which clusters a command has walked anew, and in which profiles their nodes were before it.
#[derive(Debug, Default)]
pub(super) struct Walked {
    clusters: BTreeSet<NodeId>,
    before: HashMap<NodeId, NodeId>,
}

impl Walked {
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
    pub(super) fn tell_walked(&mut self) -> Result<(), Lack> {
        let Walked { clusters, before } = std::mem::take(&mut self.walked);
        let mut after: HashMap<NodeId, NodeId> = HashMap::new();
        for id in clusters {
            let Some(cluster) = self.working.find_cluster(id)? else { continue };
            self.notices.extend(cluster.profile_ids().map(Notice::ProfileChanged));
            after.extend(profiles(&cluster));
            for node in cluster.nodes.iter().filter(|node| before.contains_key(&node.id) && node.created_at < self.now)
            {
                let (from, into) = (before[&node.id], after[&node.id]);
                if from != into && from == node.id {
                    self.notices.insert(Notice::ProfileMerged { from, into });
                }
            }
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
        Ok(())
    }
}

/// Each node of a cluster, with its profile.
pub(super) fn profiles(cluster: &Cluster) -> impl Iterator<Item = (NodeId, NodeId)> {
    cluster.nodes.iter().zip(&cluster.pieces).map(|(node, piece)| (node.id, cluster.nodes[usize::from(*piece)].id))
}
