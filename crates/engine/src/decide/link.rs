//! What evidence does to a link: it is counted, ordered anew, and placed where the rules let it stand.

use std::sync::Arc;

use super::{Act, HeldNote};
use crate::cluster::{Cluster, End, Evidence, HoldReason, Hub, Link, LinkState, Neighbour, Severer};
use crate::fact::Identity;
use crate::id::NodeId;
use crate::working::Lack;

impl Act<'_> {
    /// Takes in evidence that two identities belong together.
    pub(super) fn see_together(
        &mut self,
        owner: &Identity,
        other: &Identity,
        evidence: Evidence,
        by_document: bool,
    ) -> Result<(), Lack> {
        let (one, two) = (self.end(owner)?, self.end(other)?);
        if let Some((cluster, at)) = self.inside(&one, &two)? {
            return self.strengthen(cluster, at, evidence);
        }
        if by_document && self.is_released(&one, two.node)? {
            self.lift(&one, &two)?;
            if let Some((cluster, at)) = self.inside(&one, &two)? {
                return self.strengthen(cluster, at, evidence);
            }
        }
        match self.working.held(one.node, two.node)? {
            Some(link) => self.strengthen_held(link, evidence),
            None => self.add_link(Link::new(one, two, evidence)),
        }
    }

    /// The link between two nodes, if it is one of a record: the record's id, and the link's place.
    fn inside(&self, one: &End, other: &End) -> Result<Option<(NodeId, usize)>, Lack> {
        let home = self.working.known(&one.identity)?.cluster;
        if self.working.known(&other.identity)?.cluster != home {
            return Ok(None);
        }
        let cluster = self.working.cluster(home)?;
        Ok(cluster.link_between(one.node, other.node).map(|at| (home, at)))
    }

    /// A link that was not known: it may make its lower end a hub, then it is placed.
    fn add_link(&mut self, link: Link) -> Result<(), Lack> {
        if let Some(neighbour) = link.neighbour(self.working.config()) {
            self.gain_neighbour(&neighbour)?;
        }
        self.place(link)
    }

    /// One counted neighbour more: it may be one too many.
    pub(super) fn gain_neighbour(&mut self, neighbour: &Neighbour) -> Result<(), Lack> {
        self.working.require_clusters([&neighbour.low.identity])?;
        match self.count_neighbour(neighbour, |count| count + 1)? {
            (before, hub) if hub > before => self.become_hub(&neighbour.low, hub),
            _ => Ok(()),
        }
    }

    /// What a link counted for, and what it counts for now that its evidence is another.
    fn recount(&mut self, counted: Option<Neighbour>, counts: Option<Neighbour>) -> Result<(), Lack> {
        if counted == counts {
            return Ok(());
        }
        counted.iter().try_for_each(|neighbour| self.lose_neighbour(neighbour))?;
        counts.iter().try_for_each(|neighbour| self.gain_neighbour(neighbour))
    }

    /// Puts another link in the place of one, or none: its evidence has become less. Whoever was there only by it goes.
    pub(super) fn replace_link(&mut self, before: &Link, after: Option<Link>) -> Result<(), Lack> {
        let config = self.working.config().clone();
        let [one, other] = nodes_of(before);
        self.working.require_clusters(before.ends.iter().map(|end| &end.identity))?;
        let home = self.working.known(&before.ends[0].identity)?.cluster;
        if self.working.cluster(home)?.link_between(one, other).is_some() {
            self.detach(home, |parts| parts.links.retain(|link| nodes_of(link) != [one, other]))?;
        } else {
            self.working.drop_held(one, other);
        }
        let counted = before.neighbour(&config);
        let is_counted = counted.is_some() && after.as_ref().and_then(|after| after.neighbour(&config)) == counted;
        match after {
            None => {}
            Some(after) if after.state.is_severed() => self.working.put_held(after),
            Some(after) if is_counted => self.place(after)?,
            Some(after) => self.add_link(after)?,
        }
        match counted {
            Some(neighbour) if !is_counted => self.lose_neighbour(&neighbour),
            _ => Ok(()),
        }
    }

    /// More evidence for a link of a record. Its cluster stays; only the walk inside may change.
    fn strengthen(&mut self, cluster: NodeId, at: usize, evidence: Evidence) -> Result<(), Lack> {
        let config = self.working.config().clone();
        let mut cluster = self.working.edit(cluster)?;
        let link = &mut cluster.links[at];
        let (before, counted) = ((link.strength(), link.since()), link.neighbour(&config));
        let bytes_before = link.size_bytes();
        link.add(evidence);
        let is_reordered = (link.strength(), link.since()) != before;
        let counts = link.neighbour(&config);
        cluster.bytes += link.size_bytes() - bytes_before;
        if is_reordered {
            self.put_restaged(cluster);
        } else {
            self.working.put_cluster(cluster);
        }
        self.recount(counted, counts)
    }

    /// More evidence for a link that does not hold. It is placed anew where that may change the answer.
    fn strengthen_held(&mut self, link: Arc<Link>, evidence: Evidence) -> Result<(), Lack> {
        let config = self.working.config().clone();
        let mut link = Arc::unwrap_or_clone(link);
        let (before, counted) = ((link.strength(), link.since()), link.neighbour(&config));
        link.add(evidence);
        let is_reordered = (link.strength(), link.since()) != before;
        if link.state.is_severed() || !is_reordered && link.state != LinkState::Held(HoldReason::Full) {
            self.working.put_held(link);
            return Ok(());
        }
        self.working.drop_held(link.ends[0].node, link.ends[1].node);
        self.recount(counted, link.neighbour(&config))?;
        self.place(link)
    }

    /// Puts a link that stands nowhere where the rules let it stand.
    pub(super) fn place(&mut self, mut link: Link) -> Result<(), Lack> {
        self.working.require_clusters(link.ends.iter().map(|end| &end.identity))?;
        if let Some(rule) = self.barred(&link)? {
            link.state = LinkState::Held(rule);
            self.working.put_held(link);
            return Ok(());
        }
        link.state = LinkState::Active;
        let one = self.working.known(&link.ends[0].identity)?.cluster;
        let other = self.working.known(&link.ends[1].identity)?.cluster;
        if one == other {
            let mut cluster = self.working.edit(one)?;
            cluster.bytes += link.size_bytes();
            cluster.links.push(link);
            self.put_restaged(cluster);
            return Ok(());
        }
        let (first, second) = (self.working.cluster(one)?, self.working.cluster(other)?);
        let excluded = !link.is_joined() && first.holds_exclusive() && second.holds_exclusive();
        let is_last = || first.links.iter().chain(&second.links).all(|own| own.order() < link.order());
        if excluded && is_last() {
            link.state = LinkState::Held(HoldReason::Exclusive);
            self.working.put_held(link);
            return Ok(());
        }
        self.bridge(one, other, link)
    }

    /// The rule that keeps a link out of the walks, by what its ends are.
    pub(super) fn barred(&self, link: &Link) -> Result<Option<HoldReason>, Lack> {
        let low = link.hub_end(self.working.config()).map(|end| end.node);
        let mut is_hub = false;
        for end in &link.ends {
            let cluster = self.working.cluster(self.working.known(&end.identity)?.cluster)?;
            let role = cluster.node(end.node).ok_or(Lack::Torn)?.role;
            if role.blocked {
                return Ok(Some(HoldReason::Blocked));
            }
            is_hub |= role.hub.bars(link.class()) && low == Some(end.node);
        }
        Ok(is_hub.then_some(HoldReason::Hub))
    }

    /// Counts, and answers what the low end was a hub for and is one for now.
    fn count_neighbour(&mut self, neighbour: &Neighbour, change: impl Fn(u32) -> u32) -> Result<(Hub, Hub), Lack> {
        let row = self.working.known(&neighbour.low.identity)?;
        let mut cluster = self.working.edit(row.cluster)?;
        let node = cluster.node_mut(neighbour.low.node).ok_or(Lack::Torn)?;
        let count = node.above.of(neighbour.class);
        *count = change(*count);
        let hub = node.above.hub(self.working.config().limits().hub_links_max);
        let before = std::mem::replace(&mut node.role.hub, hub);
        self.working.put_cluster(cluster);
        Ok((before, hub))
    }

    /// One counted neighbour less: a hub may be none any more, and its links get their chance.
    pub(super) fn lose_neighbour(&mut self, neighbour: &Neighbour) -> Result<(), Lack> {
        let end = &neighbour.low;
        self.working.require_clusters([&end.identity])?;
        let (before, hub) = self.count_neighbour(neighbour, |count| count.saturating_sub(1))?;
        if hub >= before {
            return Ok(());
        }
        let config = self.working.config().clone();
        let mut links = self.working.held_of(end.node)?;
        links.retain(|link| {
            let is_low = || link.hub_end(&config).is_some_and(|low| low.node == end.node);
            link.state == LinkState::Held(HoldReason::Hub) && !hub.bars(link.class()) && is_low()
        });
        links.sort_by(|one, other| one.order().cmp(&other.order()));
        self.working.require_clusters(links.iter().map(|link| &link.other(end.node).identity))?;
        for link in links {
            self.working.drop_held(link.ends[0].node, link.ends[1].node);
            self.place(Arc::unwrap_or_clone(link))?;
        }
        Ok(())
    }

    /// One neighbour too many: the links of this value to identities of higher priority are held, or those of public keys alone.
    fn become_hub(&mut self, end: &End, hub: Hub) -> Result<(), Lack> {
        let config = self.working.config().clone();
        let is_low = |link: &Link| link.hub_end(&config).is_some_and(|low| low.node == end.node);
        let makes_hub = |link: &Link| hub.bars(link.class()) && is_low(link);
        for link in self.working.held_of(end.node)? {
            if matches!(link.state, LinkState::Held(HoldReason::Exclusive | HoldReason::Full)) && makes_hub(&link) {
                let mut link = Arc::unwrap_or_clone(link);
                link.state = LinkState::Held(HoldReason::Hub);
                self.working.put_held(link);
            }
        }
        let row = self.working.known(&end.identity)?;
        let cluster = self.working.cluster(row.cluster)?;
        if cluster.links.iter().any(makes_hub) {
            for link in cluster.links.iter().filter(|link| makes_hub(link)) {
                self.working.put_held(Link { state: LinkState::Held(HoldReason::Hub), ..link.clone() });
            }
            self.detach(row.cluster, |parts| parts.links.retain(|link| !makes_hub(link)))?;
        }
        Ok(())
    }

    /// Whether a document has released this node and not named it since.
    fn is_released(&self, document: &End, node: NodeId) -> Result<bool, Lack> {
        let by = Severer::Document(document.node);
        Ok(self.working.held(document.node, node)?.is_some_and(|link| link.state.is_severed_by(by)))
    }

    /// Lifts what a document's release of this node severed. Links to others that it has released as well stay severed.
    pub(super) fn lift(&mut self, document: &End, released: &End) -> Result<(), Lack> {
        let by = Severer::Document(document.node);
        let mut lifted = Vec::new();
        for link in self.working.held_of(released.node)? {
            let other = link.other(released.node).node;
            if link.state.is_severed_by(by) && (other == document.node || !self.is_released(document, other)?) {
                lifted.push(link);
            }
        }
        self.lift_all(lifted, by)
    }

    /// Takes an act from the severings of these links; those that no other act severs take part again.
    pub(super) fn lift_all(&mut self, links: Vec<Arc<Link>>, by: Severer) -> Result<(), Lack> {
        self.working.require_clusters(links.iter().flat_map(|link| &link.ends).map(|end| &end.identity))?;
        for link in links {
            self.working.drop_held(link.ends[0].node, link.ends[1].node);
            let mut link = Arc::unwrap_or_clone(link);
            link.state = link.state.lifted_by(by);
            if link.state.is_severed() {
                self.working.put_held(link);
                continue;
            }
            link.evidence.retain(|evidence| evidence.tally.count > 0);
            if !link.evidence.is_empty() {
                self.add_link(link)?;
            }
        }
        Ok(())
    }

    /// What to say of the link between two identities, if a rule holds it.
    pub(super) fn note(&self, one: &Identity, other: &Identity) -> Result<Option<HeldNote>, Lack> {
        let (one, other) = (self.end(one)?, self.end(other)?);
        let cluster = self.working.cluster(self.working.known(&one.identity)?.cluster)?;
        let inside = cluster.link_between(one.node, other.node).map(|at| &cluster.links[at]);
        let row;
        let (link, second) = match inside {
            Some(link) => (link, cluster.clone()),
            None => {
                let Some(held) = self.working.held(one.node, other.node)? else { return Ok(None) };
                row = held;
                (&*row, self.working.cluster(self.working.known(&other.identity)?.cluster)?)
            }
        };
        let LinkState::Held(rule) = link.state else { return Ok(None) };
        let between = [link.ends[0].identity.clone(), link.ends[1].identity.clone()];
        let won = winner(&cluster, &second, link, self.working.config());
        Ok(Some(HeldNote { rule, strength: link.strength(), between, won }))
    }
}

/// The link that won against one that is held, given the clusters of its two ends.
#[must_use]
pub fn winner(first: &Cluster, second: &Cluster, link: &Link, config: &crate::config::Config) -> Option<[Identity; 2]> {
    let won = match link.state {
        LinkState::Held(HoldReason::Limit) => first.limit_winner(link, config)?,
        LinkState::Held(HoldReason::Exclusive) => super::recluster::exclusive_winner(first, second, link)?,
        LinkState::Active
        | LinkState::Severed(_)
        | LinkState::Held(HoldReason::Hub | HoldReason::Blocked | HoldReason::Separated | HoldReason::Full) => {
            return None;
        }
    };
    Some([won.ends[0].identity.clone(), won.ends[1].identity.clone()])
}

/// The node ids of both ends.
pub(super) fn nodes_of(link: &Link) -> [NodeId; 2] {
    [link.ends[0].node, link.ends[1].node]
}
