//! Releasing an identity from a document: it goes, with what it owns; the document keeps the rest.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::settle::Parts;
use super::{Act, Outcome};
use crate::cluster::{Cluster, End, Evidence, Link, LinkState, Tally};
use crate::fact::{Identity, Strength};
use crate::id::NodeId;
use crate::working::Lack;

/// The dataset that a release names in the evidence of the links it makes.
pub const RELEASE_DATASET: &str = "release";

impl Act<'_> {
    pub(super) fn release(&mut self, document: &Identity, identity: &Identity) -> Result<Outcome, Lack> {
        let (Some(keeper), Some(gone)) = (self.working.identity(document)?, self.working.identity(identity)?) else {
            return Ok(Outcome::NotFound);
        };
        let config = self.working.config().clone();
        let cluster = self.working.cluster(keeper.cluster)?;
        let piece: HashSet<NodeId> = cluster.piece(keeper.node).map(|node| node.id).collect();
        if keeper.node == gone.node || !piece.contains(&gone.node) {
            return Ok(Outcome::Released { severed: 0 });
        }
        let is_cut = |link: &Link| link.touches(gone.node) && piece.contains(&link.other(gone.node).node);
        let mut cut: Vec<Link> = cluster.links.iter().filter(|link| is_cut(link)).cloned().collect();
        for link in self.working.held_of(gone.node)? {
            if is_cut(&link) && !matches!(link.state, LinkState::Severed { .. }) {
                cut.push(Arc::unwrap_or_clone(link));
            }
        }
        let mut uncounted: Vec<End> = Vec::new();
        let severed = cut.len();
        if !cut.iter().any(|link| link.touches(keeper.node)) {
            cut.push(self.mark(document, keeper.node, identity, gone.node)?);
        }
        for mut link in cut {
            uncounted.extend(link.hub_end(&config).cloned());
            link.state = LinkState::Severed { by: keeper.node };
            self.working.put_held(link);
        }
        let keeper_end = End { node: keeper.node, identity: document.clone() };
        let mut taken_back = Vec::new();
        let joins = self.joins(&cluster, &keeper_end, gone.node, &mut uncounted, &mut taken_back)?;
        self.detach(keeper.cluster, |parts| {
            parts.links.retain(|link| !is_cut(link));
            add_joins(parts, joins);
        })?;
        for end in uncounted {
            self.lose_neighbour(&end)?;
        }
        for end in taken_back {
            self.lift(&keeper_end, &end)?;
        }
        Ok(Outcome::Released { severed })
    }

    /// The severed link between the two by which the release is known, where no link between them was cut.
    fn mark(&self, document: &Identity, keeper: NodeId, identity: &Identity, gone: NodeId) -> Result<Link, Lack> {
        if let Some(link) = self.working.held(keeper, gone)? {
            return Ok(Arc::unwrap_or_clone(link));
        }
        let tally = Tally { count: 0, ..Tally::one(RELEASE_DATASET.into(), None, self.now) };
        let one = End { node: keeper, identity: document.clone() };
        let other = End { node: gone, identity: identity.clone() };
        let mut mark = Link::new(one, other, Evidence { strength: Strength::Derived, tally });
        mark.state = LinkState::Severed { by: keeper };
        Ok(mark)
    }

    /// The links that keep with the document what hung to it only through the released node: one for each such part, from its
    /// node of the highest priority. What the document had released before is taken back by it.
    fn joins(
        &mut self,
        cluster: &Cluster,
        document: &End,
        gone: NodeId,
        uncounted: &mut Vec<End>,
        taken_back: &mut Vec<End>,
    ) -> Result<Vec<Link>, Lack> {
        let config = self.working.config().clone();
        let mut joins = Vec::new();
        for part in parts_without(cluster, document.node, gone) {
            let rank = |node: &NodeId| {
                let identity = &cluster.node(*node).expect("a part holds nodes of its cluster").identity;
                (std::cmp::Reverse(config.priority(identity.namespace)), identity.clone())
            };
            let Some(best) = part.iter().copied().min_by_key(rank) else { continue };
            if part.contains(&document.node) {
                continue;
            }
            let end = End { node: best, identity: rank(&best).1 };
            let tally = Tally::one(RELEASE_DATASET.into(), None, self.now);
            let evidence = Evidence { strength: Strength::Joined, tally };
            let known = cluster.link_between(document.node, best).map(|at| cluster.links[at].clone());
            let known = match known {
                Some(link) => Some(link),
                None => self.working.held(document.node, best)?.map(Arc::unwrap_or_clone),
            };
            let link = match known {
                None => Link::new(document.clone(), end, evidence),
                Some(mut link) => {
                    uncounted.extend(link.hub_end(&config).cloned());
                    if link.state == (LinkState::Severed { by: document.node }) {
                        taken_back.push(end);
                    }
                    self.working.drop_held(document.node, best);
                    link.evidence.retain(|evidence| evidence.tally.count > 0);
                    link.state = LinkState::Active;
                    link.add(evidence);
                    link
                }
            };
            joins.push(link);
        }
        Ok(joins)
    }
}

fn add_joins(parts: &mut Parts, joins: Vec<Link>) {
    for join in joins {
        parts.links.retain(|link| link.ends != join.ends);
        parts.links.push(join);
    }
}

/// The parts of a document's profile that active links hold together once a node is gone.
fn parts_without(cluster: &Cluster, document: NodeId, gone: NodeId) -> Vec<Vec<NodeId>> {
    let mut part: HashMap<NodeId, NodeId> =
        cluster.piece(document).filter(|node| node.id != gone).map(|node| (node.id, node.id)).collect();
    for link in cluster.links.iter().filter(|link| link.state == LinkState::Active) {
        let ends = [link.ends[0].node, link.ends[1].node].map(|node| part.get(&node).copied());
        if let [Some(one), Some(other)] = ends
            && one != other
        {
            let (low, high) = (one.min(other), one.max(other));
            part.values_mut().filter(|own| **own == high).for_each(|own| *own = low);
        }
    }
    let mut parts: std::collections::BTreeMap<NodeId, Vec<NodeId>> = std::collections::BTreeMap::new();
    for (node, label) in part {
        parts.entry(label).or_default().push(node);
    }
    parts.into_values().collect()
}
