//! Releasing an identity from a document: it goes, with what it owns; the document keeps the rest.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::command::{Decide, row};
use super::recluster::Parts;
use super::{Act, Outcome};
use crate::cluster::{Cluster, End, Evidence, Link, LinkState, Neighbour, Severer, Source, Tally};
use crate::fact::{Identity, Strength};
use crate::id::NodeId;
use crate::working::{Lack, Need, Working};

/// The dataset that a release names in the evidence of the links it makes; no fact is of a dataset that begins so.
pub const RELEASE_DATASET: &str = "$release";

/// That an identity is let go of by a document: its links to the rest of the profile are severed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The document's identity.
    pub document: Identity,
    /// The identity to let go.
    pub identity: Identity,
}

impl Decide for Release {
    fn first_needs(&self) -> Vec<Need> {
        [&self.document, &self.identity].into_iter().cloned().map(Need::Identity).collect()
    }

    fn second_needs(&self, working: &Working) -> Vec<Need> {
        let rows = [&self.document, &self.identity].into_iter().filter_map(|identity| row(working, identity));
        rows.map(|row| Need::Cluster(row.cluster)).collect()
    }

    fn decide(&self, act: &mut Act<'_>) -> Result<Outcome, Lack> {
        act.release(&self.document, &self.identity)
    }
}

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
        let by = Severer::Document(keeper.node);
        let is_cut = |link: &Link| link.touches(gone.node) && piece.contains(&link.other(gone.node).node);
        let mut cut: Vec<Link> = cluster.links.iter().filter(|link| is_cut(link)).cloned().collect();
        for link in self.working.held_of(gone.node)? {
            if is_cut(&link) && !link.state.is_severed_by(by) {
                cut.push(Arc::unwrap_or_clone(link));
            }
        }
        let mut uncounted: Vec<Neighbour> = Vec::new();
        let severed = cut.iter().filter(|link| !link.state.is_severed()).count();
        if !cut.iter().any(|link| link.touches(keeper.node)) {
            cut.push(self.mark(document, keeper.node, identity, gone.node)?);
        }
        for mut link in cut {
            uncounted.extend(link.neighbour(&config));
            link.state = link.state.severed_by(by);
            self.working.put_held(link);
        }
        let keeper_end = End { node: keeper.node, identity: document.clone() };
        let mut taken_back = Vec::new();
        let joins = self.joins(&cluster, &keeper_end, gone.node, &mut uncounted, &mut taken_back)?;
        self.detach(keeper.cluster, |parts| {
            parts.links.retain(|link| !is_cut(link));
            add_joins(parts, joins);
        })?;
        for neighbour in uncounted {
            self.lose_neighbour(&neighbour)?;
        }
        for end in taken_back {
            self.lift(&keeper_end, &end)?;
        }
        Ok(Outcome::Released { severed })
    }

    /// The link between the two by which the release is known, where no link between them was cut.
    fn mark(&self, document: &Identity, keeper: NodeId, identity: &Identity, gone: NodeId) -> Result<Link, Lack> {
        if let Some(link) = self.working.held(keeper, gone)? {
            return Ok(Arc::unwrap_or_clone(link));
        }
        let one = End { node: keeper, identity: document.clone() };
        let other = End { node: gone, identity: identity.clone() };
        let state = LinkState::Severed(vec![Severer::Document(keeper)]);
        Ok(Link { state, ..Link::new(one, other, mark_evidence(self.now)) })
    }

    /// The links that keep with the document what hung to it only through the released node: one for each such part, from its
    /// node of the highest priority. What the document had released before is taken back by it.
    fn joins(
        &mut self,
        cluster: &Cluster,
        document: &End,
        gone: NodeId,
        uncounted: &mut Vec<Neighbour>,
        taken_back: &mut Vec<End>,
    ) -> Result<Vec<Link>, Lack> {
        let config = self.working.config().clone();
        let by = Severer::Document(document.node);
        let mut joins = Vec::new();
        for part in parts_of(cluster, cluster.piece(document.node).map(|node| node.id).filter(|node| *node != gone)) {
            if part.contains(&document.node) {
                continue;
            }
            let tally = Tally::one(Source::of_ours(RELEASE_DATASET, None), self.now);
            let evidence = Evidence::new(Strength::Joined, tally, self.now);
            for end in ranked(cluster, part, &config) {
                let mut link = match self.link_to(cluster, document, &end)? {
                    None => Link::new(document.clone(), end, evidence),
                    Some(link) if is_separated(&link) => continue,
                    Some(mut link) => {
                        uncounted.extend(link.neighbour(&config));
                        if link.state.is_severed_by(by) {
                            taken_back.push(end.clone());
                        }
                        self.working.drop_held(document.node, end.node);
                        link.evidence.retain(|evidence| evidence.tally.count > 0);
                        link.add(evidence);
                        link
                    }
                };
                link.state = LinkState::Active;
                joins.push(link);
                break;
            }
        }
        Ok(joins)
    }

    /// The link between a node of a cluster and another of it, wherever it stands.
    pub(super) fn link_to(&self, cluster: &Cluster, one: &End, other: &End) -> Result<Option<Link>, Lack> {
        match cluster.link_between(one.node, other.node) {
            Some(at) => Ok(Some(cluster.links[at].clone())),
            None => Ok(self.working.held(one.node, other.node)?.map(Arc::unwrap_or_clone)),
        }
    }
}

/// Whether a directive keeps its ends apart.
fn is_separated(link: &Link) -> bool {
    matches!(&link.state, LinkState::Severed(by) if by.iter().any(|by| matches!(by, Severer::Directive(_))))
}

/// What a severed link is kept by that no fact says.
pub(super) fn mark_evidence(now: crate::time::Timestamp) -> Evidence {
    let tally = Tally { count: 0, ..Tally::one(Source::of_ours(RELEASE_DATASET, None), now) };
    Evidence::new(Strength::Claimed, tally, now)
}

/// The nodes of a part, the one of the highest priority first; ties by bytes.
pub(super) fn ranked(cluster: &Cluster, part: Vec<NodeId>, config: &crate::config::Config) -> Vec<End> {
    let end = |node: NodeId| {
        let identity = cluster.node(node).expect("a part holds nodes of its cluster").identity.clone();
        End { node, identity }
    };
    let mut ends: Vec<End> = part.into_iter().map(end).collect();
    ends.sort_by_key(|end| (std::cmp::Reverse(config.priority(end.identity.namespace)), end.identity.clone()));
    ends
}

pub(super) fn add_joins(parts: &mut Parts, joins: Vec<Link>) {
    for join in joins {
        parts.links.retain(|link| link.ends != join.ends);
        parts.links.push(join);
    }
}

/// The parts that active links hold together among these nodes of a cluster.
pub(super) fn parts_of(cluster: &Cluster, nodes: impl Iterator<Item = NodeId>) -> Vec<Vec<NodeId>> {
    let mut part: HashMap<NodeId, NodeId> = nodes.map(|node| (node, node)).collect();
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
