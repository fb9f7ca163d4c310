//! Separating a profile: links across are severed, each side is kept whole, and the two may not be one profile again.

use hashbrown::HashSet;

use super::directive::{Acted, Directed, Named, Refusal, SEPARATIONS_MAX, said_by};
use super::link::nodes_of;
use super::release::{add_joins, parts_of, ranked};
use super::{Act, Outcome};
use crate::cluster::{Cluster, End, Evidence, Link, LinkState, Neighbour, Separation, Severer, Tally};
use crate::fact::Strength;
use crate::id::{DirectiveId, NodeId};
use crate::working::Lack;

/// The two sides of a separation, as they are while it is made.
struct Sides {
    /// All nodes of each side: the side given, and the rest.
    nodes: [HashSet<NodeId>; 2],
    /// The node of the highest priority on each.
    tops: [End; 2],
}

impl Sides {
    fn is_across(&self, link: &Link) -> bool {
        let on = |side: usize, node: NodeId| self.nodes[side].contains(&node);
        let [one, other] = nodes_of(link);
        on(0, one) && on(1, other) || on(1, one) && on(0, other)
    }
}

impl Act<'_> {
    pub(super) fn separate(
        &mut self,
        id: DirectiveId,
        side: &[Named],
        rest: Option<&[NodeId]>,
    ) -> Result<Outcome, Lack> {
        let mut named = Vec::new();
        let mut home = None;
        for one in side {
            let Some((_, row)) = self.row_of(one)? else {
                if matches!(one, Named::Node(_)) {
                    // A node of a past merge may be gone; the others of its side are meant as well.
                    continue;
                }
                return Ok(Refusal::UnknownIdentity.into());
            };
            if *home.get_or_insert(row.cluster) != row.cluster {
                return Ok(Refusal::NotOneProfile.into());
            }
            named.push(row.node);
        }
        let Some(home) = home else { return Ok(Refusal::UnknownIdentity.into()) };
        let cluster = self.working.cluster(home)?;
        let profile: Vec<NodeId> = cluster.piece(named[0]).map(|node| node.id).collect();
        if rest.is_none() && named.iter().any(|node| !profile.contains(node)) {
            return Ok(Refusal::NotOneProfile.into());
        }
        named.retain(|node| profile.contains(node));
        let one = match rest {
            None => named.iter().copied().collect(),
            Some(rest) => with_dependents(&cluster, &profile, &named, rest),
        };
        let other: HashSet<NodeId> = profile.iter().copied().filter(|node| !one.contains(node)).collect();
        if other.is_empty() {
            let nodes = cluster.nodes.iter().filter(|node| one.contains(&node.id));
            let separations = nodes.flat_map(|node| node.separated.iter().map(|own| own.directive)).collect();
            return Ok(Refusal::WholeProfile { separations }.into());
        }
        let config = self.working.config().clone();
        let top = |side: &HashSet<NodeId>| ranked(&cluster, side.iter().copied().collect(), &config).swap_remove(0);
        let tops = [top(&one), top(&other)];
        let is_full = |top: &End| cluster.node(top.node).is_some_and(|node| node.separated.len() >= SEPARATIONS_MAX);
        if tops.iter().any(is_full) {
            return Ok(Refusal::TooManySeparations.into());
        }
        let sides = Sides { nodes: [one, other], tops };
        self.part(id, &cluster, &sides)?;
        let apart = [sides.tops[0].node, sides.tops[1].node];
        let mut side: Vec<NodeId> = sides.nodes[0].iter().copied().collect();
        side.sort_unstable();
        let profiles = self.profiles_of(&apart)?;
        Ok(Outcome::Directed(Directed { acted: Acted::Separated { apart, side }, profiles }))
    }

    fn part(&mut self, id: DirectiveId, cluster: &Cluster, sides: &Sides) -> Result<(), Lack> {
        let config = self.working.config().clone();
        let by = Severer::Directive(id);
        let smaller = if sides.nodes[0].len() <= sides.nodes[1].len() { 0 } else { 1 };
        self.working.require_held_of(sides.nodes[smaller].iter().copied())?;
        let mut cut: Vec<Link> = cluster.links.iter().filter(|link| sides.is_across(link)).cloned().collect();
        for node in &sides.nodes[smaller] {
            let rows = self.working.held_of(*node)?.into_iter().filter(|link| sides.is_across(link));
            cut.extend(rows.map(std::sync::Arc::unwrap_or_clone));
        }
        let mut uncounted: Vec<Neighbour> = Vec::new();
        for mut link in cut {
            uncounted.extend(link.neighbour(&config));
            link.state = link.state.severed_by(by);
            self.working.put_held(link);
        }
        let mut joins = Vec::new();
        for (nodes, top) in sides.nodes.iter().zip(&sides.tops) {
            for part in parts_of(cluster, nodes.iter().copied()) {
                if !part.contains(&top.node) {
                    joins.extend(self.keep_with(id, cluster, top, part, &mut uncounted)?);
                }
            }
        }
        let [one, other] = [sides.tops[0].node, sides.tops[1].node];
        self.detach(cluster.id(), |parts| {
            parts.links.retain(|link| !sides.is_across(link));
            add_joins(parts, joins);
            for node in &mut parts.nodes {
                let from = if node.id == one { other } else { one };
                if node.id == one || node.id == other {
                    node.separated.push(Separation { directive: id, other: from });
                    node.separated.sort_unstable();
                }
            }
        })?;
        for neighbour in uncounted {
            self.lose_neighbour(&neighbour)?;
        }
        Ok(())
    }

    /// The link that keeps a part of a side with its first node: to the highest of the part that nothing has severed from it.
    fn keep_with(
        &mut self,
        id: DirectiveId,
        cluster: &Cluster,
        top: &End,
        part: Vec<NodeId>,
        uncounted: &mut Vec<Neighbour>,
    ) -> Result<Option<Link>, Lack> {
        let config = self.working.config().clone();
        let evidence = Evidence::new(Strength::Joined, Tally::one(said_by(id), self.now), self.now);
        for end in ranked(cluster, part, &config) {
            let known = self.link_to(cluster, top, &end)?;
            let Some(mut link) = known else { return Ok(Some(Link::new(top.clone(), end, evidence))) };
            if link.state.is_severed() {
                continue;
            }
            uncounted.extend(link.neighbour(&config));
            self.working.drop_held(top.node, end.node);
            link.state = LinkState::Active;
            link.add(evidence);
            return Ok(Some(link));
        }
        Ok(None)
    }
}

/// A side of a past merge with what came later and hangs only to it: what active links reach from there, once the other side
/// is gone, and cannot reach from the other side without this one.
fn with_dependents(cluster: &Cluster, profile: &[NodeId], side: &[NodeId], rest: &[NodeId]) -> HashSet<NodeId> {
    let reached = |from: &[NodeId], without: &[NodeId]| {
        let parts = parts_of(cluster, profile.iter().copied().filter(|node| !without.contains(node)));
        let touched = parts.into_iter().filter(|part| part.iter().any(|node| from.contains(node)));
        touched.flatten().collect::<HashSet<NodeId>>()
    };
    let from_rest = reached(rest, side);
    let mut whole: HashSet<NodeId> = reached(side, rest).into_iter().filter(|node| !from_rest.contains(node)).collect();
    whole.extend(side);
    whole
}
