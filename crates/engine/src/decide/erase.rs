//! Erasing: afterwards all is as if what the victims owned, and their mention in other facts, had never been received.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::command::{Decide, record_of};
use super::{Act, Erased, Loose, Notice, Outcome};
use crate::cluster::{Cell, Cluster, End, Fragment, Link, Neighbour, Node, Relation, Source};
use crate::fact::{FactKey, Identity};
use crate::id::NodeId;
use crate::normalise::normalise;
use crate::time::Timestamp;
use crate::value::Value;
use crate::working::{FactRow, Lack, Need, Working};

/// What is to be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// The profile that holds this node now: all its identities.
    Profile(NodeId),
    /// This node alone, with what it owns. What hung together only by it falls apart.
    Node(NodeId),
}

impl Victim {
    /// The node that names it.
    #[must_use]
    pub const fn node(self) -> NodeId {
        match self {
            Self::Profile(node) | Self::Node(node) => node,
        }
    }
}

/// An erasure of a profile or an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure {
    /// What is erased.
    pub victim: Victim,
    /// Whether facts that name one of its identities are refused from now on.
    pub suppresses: bool,
}

/// An erasure of one fact. It holds for everything but links, and for when an identity was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventErasure {
    /// The id that it was sent with.
    pub fact: Arc<str>,
    /// Its owner.
    pub node: NodeId,
    /// Where it came from, as its row says.
    pub source: Source,
    /// When it was received; no other fact of the workspace was received at that instant.
    pub received_at: Timestamp,
}

impl EventErasure {
    /// What makes the fact one.
    fn key(&self) -> FactKey {
        FactKey { dataset: self.source.dataset.clone(), id: self.fact.clone() }
    }
}

/// That an event whose window has ended goes off its timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventExpiry(
    /// The event.
    pub EventErasure,
);

/// That the link which did not hold between an erased node and another one goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkRemoval {
    /// The node that is no more.
    pub gone: NodeId,
    /// The other end.
    pub other: NodeId,
}

/// That what the facts of an erased node said of an account is taken out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retraction {
    /// The node that is no more.
    pub gone: NodeId,
    /// The account's node.
    pub account: NodeId,
}

impl Decide for Erasure {
    fn first_needs(&self) -> Vec<Need> {
        vec![Need::Home(self.victim.node())]
    }

    fn second_needs(&self, working: &Working) -> Vec<Need> {
        record_of(working, self.victim.node()).into_iter().collect()
    }

    fn decide(&self, act: &mut Act<'_>) -> Result<Outcome, Lack> {
        act.erase(self)
    }
}

impl Decide for EventErasure {
    fn first_needs(&self) -> Vec<Need> {
        vec![Need::Fact(self.key()), Need::Home(self.node)]
    }

    fn second_needs(&self, working: &Working) -> Vec<Need> {
        record_of(working, self.node).into_iter().collect()
    }

    fn decide(&self, act: &mut Act<'_>) -> Result<Outcome, Lack> {
        act.erase_event(self)
    }
}

impl Decide for EventExpiry {
    fn first_needs(&self) -> Vec<Need> {
        self.0.first_needs()
    }

    fn second_needs(&self, working: &Working) -> Vec<Need> {
        self.0.second_needs(working)
    }

    fn decide(&self, act: &mut Act<'_>) -> Result<Outcome, Lack> {
        act.end_event(&self.0)
    }
}

impl Decide for LinkRemoval {
    fn first_needs(&self) -> Vec<Need> {
        vec![Need::Held(self.gone, self.other)]
    }

    fn second_needs(&self, _: &Working) -> Vec<Need> {
        Vec::new()
    }

    fn decide(&self, act: &mut Act<'_>) -> Result<Outcome, Lack> {
        act.unlink(self.gone, self.other)
    }
}

impl Decide for Retraction {
    fn first_needs(&self) -> Vec<Need> {
        vec![Need::Home(self.account)]
    }

    fn second_needs(&self, working: &Working) -> Vec<Need> {
        record_of(working, self.account).into_iter().collect()
    }

    fn decide(&self, act: &mut Act<'_>) -> Result<Outcome, Lack> {
        act.unsay_of(self.account, &|by| by == self.gone).map(|_| Outcome::Unlinked)
    }
}

/// How many events an erasure would take off timelines.
///
/// # Errors
/// What has to be read to tell.
pub fn events_of(victim: Victim, working: &Working) -> Result<u64, Lack> {
    let node = victim.node();
    let Some(home) = working.home(node)? else { return Ok(0) };
    let cluster = working.cluster(home)?;
    Ok(match victim {
        Victim::Profile(_) => cluster.piece(node).map(Node::events).sum(),
        Victim::Node(_) => cluster.node(node).map_or(0, Node::events),
    })
}

impl Act<'_> {
    fn erase(&mut self, erasure: &Erasure) -> Result<Outcome, Lack> {
        let node = erasure.victim.node();
        let Some(cluster_id) = self.working.home(node)? else { return Ok(Outcome::NotFound) };
        let cluster = self.working.cluster(cluster_id)?;
        let profile = cluster.profile_id(node).ok_or(Lack::Torn)?;
        let victims: HashSet<NodeId> = match erasure.victim {
            Victim::Profile(_) => cluster.piece(node).map(|node| node.id).collect(),
            Victim::Node(_) => HashSet::from_iter([node]),
        };
        let is_whole = cluster.piece(node).all(|node| victims.contains(&node.id));
        let Cut { ends: cut, links, is_loose } = self.cut_links(&cluster, &victims)?;
        let staying = cluster.piece(node).map(|node| node.id).filter(|node| !victims.contains(node)).collect();
        let mut erased = Erased { links, staying, ..tell_erased(&cluster, profile, &victims) };
        let accounts = self.unsay(&cluster, &victims, &mut erased)?;
        if is_loose || accounts.is_some() {
            let of = |node: NodeId| accounts.as_ref().and_then(|all| all.get(&node)).cloned().unwrap_or_default();
            erased.loose = victims.iter().map(|node| Loose { node: *node, accounts: of(*node) }).collect();
            erased.loose.sort_unstable_by_key(|loose| loose.node);
        }
        self.working.require_clusters(cut.iter().map(|own| &own.stays.identity))?;
        self.working.require_held_of(cut.iter().map(|own| own.stays.node))?;
        self.end_separations(&cluster, &victims)?;
        for node in cluster.nodes.iter().filter(|node| victims.contains(&node.id)) {
            self.working.drop_identity(node.identity.clone(), node.id);
            if erasure.suppresses {
                self.working.suppress(node.identity.clone());
            }
        }
        self.detach(cluster_id, |parts| {
            parts.nodes.retain(|node| !victims.contains(&node.id));
            parts.links.retain(|link| !link.ends.iter().any(|end| victims.contains(&end.node)));
        })?;
        for CutEnd { stays, gone, counted } in &cut {
            if self.drop_orphan(stays)? {
                continue;
            }
            erased.cells += self.forget_stated(stays, gone)?;
            if let Some(neighbour) = counted {
                self.lose_neighbour(neighbour)?;
            }
        }
        if is_whole || victims.contains(&profile) {
            self.notices.insert(Notice::ProfileErased(profile));
        }
        Ok(Outcome::Erased(erased))
    }

    /// Takes one fact from its owner.
    pub(super) fn erase_event(&mut self, erasure: &EventErasure) -> Result<Outcome, Lack> {
        // One whose event has ended meanwhile has none to erase.
        let key = erasure.key();
        let row = self.working.fact(&key)?.filter(|row| row.node == erasure.node);
        let time = row.as_ref().map_or(Timestamp::MIN, |row| row.time);
        let event = row.and_then(|row| row.event);
        let is_known = event.is_some() && self.known_fact(&key)?.is_some();
        let home = self.working.home(erasure.node)?.filter(|_| is_known);
        let (Some(event), Some(home)) = (event, home) else { return Ok(Outcome::NotFound) };
        let mut cluster = self.working.edit(home)?;
        self.take_from_states(erasure.node, &mut cluster, event)?;
        let profile = cluster.profile_id(erasure.node).ok_or(Lack::Torn)?;
        let node = cluster.node_mut(erasure.node).ok_or(Lack::Torn)?;
        let identity = node.identity.clone();
        if let Some(own) = node.owned.iter_mut().find(|own| own.source == erasure.source) {
            own.count = own.count.saturating_sub(1);
            own.events = own.events.saturating_sub(1);
        }
        node.owned.retain(|own| own.count > 0);
        let cells = |node: &crate::cluster::Node| node.fragments.iter().map(|own| own.cells.len() as u64).sum::<u64>();
        let before = cells(node);
        for fragment in node.fragments.iter_mut().filter(|own| own.dataset == erasure.source.dataset) {
            fragment.whole.take_if(|whole| whole.received_at == erasure.received_at);
            fragment.cells.retain(|cell| cell.received_at != erasure.received_at);
        }
        node.fragments.retain(|fragment| !fragment.is_empty());
        let cells = before - cells(node);
        let owner = node.clone();
        cluster.updated_at = self.now;
        self.working.put_cluster(cluster);
        let cells = cells + self.unsay_event(erasure, &owner, time)?;
        self.working.drop_fact(key);
        self.notices.insert(Notice::ProfileChanged(profile));
        self.working.require_held_of([erasure.node])?;
        self.drop_orphan(&End { node: erasure.node, identity })?;
        let (nodes, loose, staying) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Outcome::Erased(Erased { profile, nodes, links: 0, loose, cells, events: 1, staying }))
    }

    /// Takes an event whose window has ended from its owner. What it said of attributes has windows of its own: while any of it
    /// stands, so does the fact; otherwise all but its links goes.
    fn end_event(&mut self, ended: &EventErasure) -> Result<Outcome, Lack> {
        let key = ended.key();
        let row = self.working.fact(&key)?.filter(|row| row.node == ended.node && row.event.is_some());
        let is_known = row.is_some() && self.known_fact(&key)?.is_some();
        let home = self.working.home(ended.node)?.filter(|_| is_known);
        let (Some(row), Some(home)) = (row, home) else { return Ok(Outcome::NotFound) };
        let config = self.working.config().clone();
        if let Some(event) = row.event {
            self.working.remove_event(ended.node, event);
        }
        let mut cluster = self.working.edit(home)?;
        let node = cluster.node_mut(ended.node).ok_or(Lack::Torn)?;
        let identity = node.identity.clone();
        let ended_at = node.drop_gone(&config, self.now);
        let mut cells = node.fragments.iter().flat_map(|own| &own.cells);
        let still_says = cells.any(|cell| cell.received_at == ended.received_at);
        if let Some(own) = node.owned.iter_mut().find(|own| own.source == ended.source) {
            own.events = own.events.saturating_sub(1);
            own.count = own.count.saturating_sub(u64::from(!still_says));
        }
        node.owned.retain(|own| own.count > 0);
        cluster.updated_at = cluster.updated_at.max(ended_at.unwrap_or(Timestamp::MIN));
        self.working.put_cluster(cluster);
        if still_says {
            self.working.put_fact(key, FactRow { event: None, ..row });
        } else {
            self.working.drop_fact(key);
        }
        self.working.require_held_of([ended.node])?;
        self.drop_orphan(&End { node: ended.node, identity })?;
        Ok(Outcome::EventEnded)
    }

    /// Removes the link that did not hold between a node that was erased and another one. Whoever was only mentioned with it goes as well.
    fn unlink(&mut self, gone: NodeId, other: NodeId) -> Result<Outcome, Lack> {
        let Some(link) = self.working.held(gone, other)? else { return Ok(Outcome::Unlinked) };
        self.working.drop_held(gone, other);
        let end = link.other(gone).clone();
        if self.drop_orphan(&end)? {
            return Ok(Outcome::Unlinked);
        }
        self.forget_stated(&end, &link.other(other).identity.clone())?;
        let config = self.working.config().clone();
        if let Some(neighbour) = link.neighbour(&config).filter(|own| own.low.node == other) {
            self.lose_neighbour(&neighbour)?;
        }
        Ok(Outcome::Unlinked)
    }

    /// Drops every link between the victims and others. Those that do not hold are left where they are too many.
    fn cut_links(&mut self, cluster: &Cluster, victims: &HashSet<NodeId>) -> Result<Cut, Lack> {
        let config = self.working.config().clone();
        let many = self.working.many_held(victims.iter().copied())?;
        let mut cut = Cut { ends: Vec::new(), links: many.unwrap_or(0), is_loose: many.is_some() };
        let mut note = |link: &Link| {
            cut.links += u64::from(!link.is_mark());
            let Some(stays) = link.ends.iter().find(|end| !victims.contains(&end.node)) else { return };
            let counted = link.neighbour(&config).filter(|own| own.low.node == stays.node);
            let gone = link.other(stays.node).identity.clone();
            cut.ends.push(CutEnd { stays: stays.clone(), gone, counted });
        };
        cluster.links.iter().filter(|link| link.ends.iter().any(|end| victims.contains(&end.node))).for_each(&mut note);
        if cut.is_loose {
            return Ok(cut);
        }
        self.working.require_held_of(victims.iter().copied())?;
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

    /// Takes out of accounts what the facts of the victims said of them. Where these are too many, answers them instead.
    fn unsay(
        &mut self,
        cluster: &Cluster,
        victims: &HashSet<NodeId>,
        erased: &mut Erased,
    ) -> Result<Option<HashMap<NodeId, Vec<NodeId>>>, Lack> {
        let nodes = cluster.nodes.iter().filter(|node| victims.contains(&node.id));
        let related = nodes.flat_map(|node| node.relations.iter().map(|own| (node.id, own.node)));
        let related: Vec<_> = related.filter(|(_, account)| !victims.contains(account)).collect();
        if related.len() > self.working.links_at_once() {
            let mut accounts: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
            related.into_iter().for_each(|(node, account)| accounts.entry(node).or_default().push(account));
            return Ok(Some(accounts));
        }
        let accounts: BTreeSet<NodeId> = related.into_iter().map(|(_, account)| account).collect();
        self.require_homes(&accounts)?;
        for account in accounts {
            erased.cells += self.unsay_of(account, &|by| victims.contains(&by))?;
        }
        Ok(None)
    }

    /// Takes out of an account what the facts of these nodes said of it. Answers how many cells that were.
    pub(super) fn unsay_of(&mut self, account: NodeId, is_gone: &dyn Fn(NodeId) -> bool) -> Result<u64, Lack> {
        self.change_node(account, &|node| node.unsay(is_gone))
    }

    /// Changes what is said of a node, if it is still there. Answers how many cells went.
    fn change_node(&mut self, node: NodeId, change: &dyn Fn(&mut Node) -> u64) -> Result<u64, Lack> {
        let Some(home) = self.working.home(node)? else { return Ok(0) };
        let cluster = self.working.cluster(home)?;
        let profile = cluster.profile_id(node).ok_or(Lack::Torn)?;
        let mut changed = cluster.node(node).ok_or(Lack::Torn)?.clone();
        let cells = change(&mut changed);
        if cells > 0 {
            let mut cluster = Cluster::clone(&cluster);
            *cluster.node_mut(node).ok_or(Lack::Torn)? = changed;
            cluster.updated_at = self.now;
            self.working.put_cluster(cluster);
            self.notices.insert(Notice::ProfileChanged(profile));
        }
        Ok(cells)
    }

    /// Says what has to be read before the records of these nodes can be looked at.
    fn require_homes(&self, nodes: &BTreeSet<NodeId>) -> Result<(), Lack> {
        let need = |node: &NodeId| match self.working.home(*node) {
            Err(need) => Some(need),
            Ok(None) => None,
            Ok(Some(home)) => self.working.find_cluster(home).err(),
        };
        let needs: Vec<Need> = nodes.iter().filter_map(need).collect();
        if needs.is_empty() { Ok(()) } else { Err(Lack::Needs(needs)) }
    }

    /// Takes out of accounts what one fact of a node said of them.
    fn unsay_event(&mut self, erasure: &EventErasure, owner: &Node, time: Timestamp) -> Result<u64, Lack> {
        let says = |relation: &&Relation| {
            let mut evidence = relation.evidence.iter().filter(|own| own.source == erasure.source);
            evidence.any(|own| (own.first..=own.last).contains(&time))
        };
        let accounts: BTreeSet<NodeId> = owner.relations.iter().filter(says).map(|own| own.node).collect();
        self.require_homes(&accounts)?;
        let mut cells = 0;
        for account in accounts {
            cells += self.change_node(account, &|node| {
                let of = |own: &&mut Fragment| own.by == Some(erasure.node) && own.dataset == erasure.source.dataset;
                let mut cells = 0;
                for own in node.fragments.iter_mut().filter(of) {
                    let before = own.cells.len();
                    own.cells.retain(|cell| cell.received_at != erasure.received_at);
                    cells += (before - own.cells.len()) as u64;
                }
                node.fragments.retain(|own| !own.is_empty());
                cells
            })?;
        }
        Ok(cells)
    }

    /// A separation ends with either of its two.
    fn end_separations(&mut self, cluster: &Cluster, victims: &HashSet<NodeId>) -> Result<(), Lack> {
        let nodes = cluster.nodes.iter().filter(|node| victims.contains(&node.id));
        let others: Vec<NodeId> = nodes
            .flat_map(|node| node.separated.iter().map(|own| own.other))
            .filter(|other| !victims.contains(other))
            .collect();
        let needs: Vec<Need> = others.iter().filter_map(|other| self.working.home(*other).err()).collect();
        if !needs.is_empty() {
            return Err(Lack::Needs(needs));
        }
        for other in others {
            let home = self.working.home(other)?.ok_or(Lack::Torn)?;
            let mut cluster = self.working.edit(home)?;
            let node = cluster.node_mut(other).ok_or(Lack::Torn)?;
            node.separated.retain(|own| !victims.contains(&own.other));
            self.put_restaged(cluster);
        }
        Ok(())
    }

    /// Takes from a node the values by which its facts stated an identity that is erased. Answers how many cells that were.
    fn forget_stated(&mut self, end: &End, gone: &Identity) -> Result<u64, Lack> {
        let config = self.working.config().clone();
        let Some(namespace) = config.find(gone.namespace) else { return Ok(0) };
        let states = |cell: &Cell| {
            let Value::Text(said) = &cell.value else { return false };
            let is_of = cell.claimed.is_some() && cell.path.as_str() == namespace.name.as_str();
            is_of && normalise(namespace, said).is_ok_and(|value| value == gone.value)
        };
        self.change_node(end.node, &|node| {
            let mut cells = 0;
            for own in &mut node.fragments {
                let before = own.cells.len();
                own.cells.retain(|cell| !states(cell));
                cells += (before - own.cells.len()) as u64;
            }
            node.fragments.retain(|own| !own.is_empty());
            cells
        })
    }

    /// A node that owns nothing and that no fact links any more was only ever mentioned by what is erased.
    pub(super) fn drop_orphan(&mut self, end: &End) -> Result<bool, Lack> {
        let row = self.working.identity(&end.identity)?.filter(|row| row.node == end.node);
        let Some(row) = row else { return Ok(true) };
        let cluster = self.working.cluster(row.cluster)?;
        let node = cluster.node(end.node).ok_or(Lack::Torn)?;
        let is_linked = cluster.links.iter().any(|link| link.touches(end.node));
        if !node.owned.is_empty() || is_linked {
            return Ok(false);
        }
        let held = self.working.held_of(end.node)?;
        if held.iter().any(|link| !link.is_mark()) {
            return Ok(false);
        }
        for mark in held {
            self.working.drop_held(mark.ends[0].node, mark.ends[1].node);
        }
        self.end_separations(&cluster, &HashSet::from_iter([end.node]))?;
        let mut cluster = self.working.edit(row.cluster)?;
        self.working.drop_identity(end.identity.clone(), end.node);
        cluster.nodes.retain(|node| node.id != end.node);
        assert!(cluster.nodes.is_empty(), "a node without links is alone in its cluster");
        self.working.drop_cluster(row.cluster);
        self.notices.insert(Notice::ProfileErased(end.node));
        Ok(true)
    }
}

/// A link that erasing cut.
struct CutEnd {
    /// The end that stays behind.
    stays: End,
    /// The identity of the other.
    gone: Identity,
    /// What the link counted for at the end that stays.
    counted: Option<Neighbour>,
}

/// What erasing cut.
struct Cut {
    ends: Vec<CutEnd>,
    /// Links that somebody said.
    links: u64,
    /// Whether links of the victims that did not hold are still to be removed.
    is_loose: bool,
}

fn tell_erased(cluster: &Cluster, profile: NodeId, victims: &HashSet<NodeId>) -> Erased {
    let nodes = Vec::<(NodeId, Identity)>::new();
    let (loose, staying) = (Vec::new(), Vec::new());
    let mut erased = Erased { profile, nodes, links: 0, loose, cells: 0, events: 0, staying };
    for node in cluster.nodes.iter().filter(|node| victims.contains(&node.id)) {
        erased.nodes.push((node.id, node.identity.clone()));
        erased.cells += node.fragments.iter().map(|fragment| fragment.cells.len() as u64).sum::<u64>();
        erased.events += node.events();
    }
    erased
}
