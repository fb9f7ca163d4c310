//! Erasing a profile: afterwards all is as if what it owned, and its mention in other facts, had never been received.

use std::sync::Arc;

use hashbrown::HashSet;

use super::{Act, Erased, Notice, Outcome};
use crate::cluster::{Cluster, End, Link};
use crate::id::NodeId;
use crate::working::Lack;

impl Act<'_> {
    pub(super) fn erase(&mut self, node: NodeId) -> Result<Outcome, Lack> {
        let Some(cluster_id) = self.working.home(node)? else { return Ok(Outcome::NotFound) };
        let cluster = self.working.cluster(cluster_id)?;
        let profile = cluster.profile_id(node).ok_or(Lack::Torn)?;
        let victims: HashSet<NodeId> = cluster.piece(node).map(|node| node.id).collect();
        let erased = tell_erased(&cluster, profile, node);
        let cut = self.cut_links(&cluster, &victims)?;
        self.working.require_clusters(cut.iter().map(|(end, _)| &end.identity))?;
        self.working.require_held_of(cut.iter().map(|(end, _)| end.node))?;
        for node in cluster.nodes.iter().filter(|node| victims.contains(&node.id)) {
            self.working.drop_identity(node.identity.clone(), node.id);
        }
        self.detach(cluster_id, |parts| {
            parts.nodes.retain(|node| !victims.contains(&node.id));
            parts.links.retain(|link| !link.ends.iter().any(|end| victims.contains(&end.node)));
        })?;
        for (end, counted) in &cut {
            if self.drop_orphan(end)? {
                continue;
            }
            if *counted {
                self.lose_neighbour(end)?;
            }
        }
        self.notices.insert(Notice::ProfileErased(profile));
        Ok(Outcome::Erased(erased))
    }

    /// Drops every link between the victims and others. Answers the others' ends, each with whether its link was counted
    /// towards a hub there.
    fn cut_links(&mut self, cluster: &Cluster, victims: &HashSet<NodeId>) -> Result<Vec<(End, bool)>, Lack> {
        let config = self.working.config().clone();
        self.working.require_held_of(victims.iter().copied())?;
        let mut cut = Vec::new();
        let mut note = |link: &Link| {
            let Some(end) = link.ends.iter().find(|end| !victims.contains(&end.node)) else { return };
            let counted = link.hub_end(&config).is_some_and(|low| low.node == end.node);
            cut.push((end.clone(), counted));
        };
        cluster.links.iter().filter(|link| link.ends.iter().any(|end| victims.contains(&end.node))).for_each(&mut note);
        let mut rows = Vec::new();
        for victim in victims {
            rows.extend(self.working.held_of(*victim)?);
        }
        rows.sort_by(|one, other| one.order().cmp(&other.order()));
        rows.dedup_by(|one, other| one.ends == other.ends);
        for link in rows {
            note(&link);
            self.working.drop_held(link.ends[0].node, link.ends[1].node);
        }
        Ok(cut)
    }

    /// A node that owns nothing and that no fact links any more was only ever mentioned by what is erased.
    fn drop_orphan(&mut self, end: &End) -> Result<bool, Lack> {
        let Some(row) = self.working.identity(&end.identity)? else { return Ok(true) };
        let cluster = self.working.cluster(row.cluster)?;
        let node = cluster.node(end.node).ok_or(Lack::Torn)?;
        let is_linked = cluster.links.iter().any(|link| link.touches(end.node));
        let held = self.working.held_of(end.node)?;
        if !node.owned.is_empty() || is_linked || held.iter().any(|link| !link.is_mark()) {
            return Ok(false);
        }
        for mark in held {
            self.working.drop_held(mark.ends[0].node, mark.ends[1].node);
        }
        let mut cluster = Arc::unwrap_or_clone(cluster);
        self.working.drop_identity(end.identity.clone(), end.node);
        cluster.nodes.retain(|node| node.id != end.node);
        assert!(cluster.nodes.is_empty(), "a node without links is alone in its cluster");
        self.working.drop_cluster(row.cluster);
        self.notices.insert(Notice::ProfileErased(end.node));
        Ok(true)
    }
}

fn tell_erased(cluster: &Cluster, profile: NodeId, node: NodeId) -> Erased {
    let mut erased = Erased { profile, nodes: Vec::new(), cells: 0, events: 0 };
    for node in cluster.piece(node) {
        erased.nodes.push(node.id);
        erased.cells += node.fragments.iter().map(|fragment| fragment.cells.len() as u64).sum::<u64>();
        erased.events += node.events;
    }
    erased
}
