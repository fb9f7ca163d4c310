//! What a command does to the states of nodes: events are added to them, taken from them, and what is missing is built from timelines.

use std::cell::RefCell;
use std::sync::Arc;

use super::Act;
use super::rule::EVENTS_READ_MAX;
use crate::aggregate::{Moment, State, Tail};
use crate::cluster::{Cluster, Node};
use crate::id::{EventId, NodeId};
use crate::rules::{
    AggregateId, Brought, Built, Event, KeptDef, OfNode, RuleSet, TIMELINE_STEPS_MAX, add, contributions, trim,
};
use crate::working::{Lack, Need, NodeStates};

impl Act<'_> {
    /// Gives each node of a record the states that it lacks.
    pub(super) fn build_states(&mut self, cluster: &Cluster) -> Result<(), Lack> {
        let rules = self.working.config().rules().clone();
        let mut built = Vec::new();
        let mut needs = Vec::new();
        for node in lacking(cluster, &rules) {
            match self.working.states_by_now(node.id, self.now) {
                Ok(own) => built.push((node.id, own)),
                Err(need) => needs.push(need),
            }
        }
        if !needs.is_empty() {
            return Err(Lack::Needs(needs));
        }
        let is_another = |(node, built): &(NodeId, Arc<Built>)| {
            let ids = |states: &NodeStates| states.iter().map(|(id, _)| *id).collect::<Vec<_>>();
            cluster.node(*node).is_some_and(|node| ids(&node.states) != ids(&built.states) || has_unread(node))
        };
        if built.iter().any(is_another) {
            let mut next = self.working.edit(cluster.id())?;
            for (node, built) in built {
                put_built(next.node_mut(node).ok_or(Lack::Torn)?, &built);
            }
            next.bytes = next.measure();
            self.working.put_cluster(next);
        }
        Ok(())
    }

    /// The same for a record that a walk has changed: a walk may bring nodes to where a backfill has passed. Where their events are more than
    /// a command may read, the states are only marked, and the timers have them built.
    pub(super) fn build_walked(&mut self, cluster: &Cluster) -> Result<(), Lack> {
        let rules = self.working.config().rules().clone();
        let events = lacking(cluster, &rules).map(Node::events).sum::<u64>();
        if events <= EVENTS_READ_MAX && self.rules_left.is_left() {
            return self.build_states(cluster);
        }
        let nodes: Vec<NodeId> =
            lacking(cluster, &rules).filter(|node| lacks_states(node, &rules)).map(|node| node.id).collect();
        if nodes.is_empty() {
            return Ok(());
        }
        let mut next = self.working.edit(cluster.id())?;
        for node in nodes {
            self.seen.unread.extend(cluster.profile_id(node));
            let own = next.node_mut(node).ok_or(Lack::Torn)?;
            let is_missing = |kept: &&KeptDef| !kept.is_built && own.state(kept.id).is_none();
            let missing: Vec<_> = rules.all_kept().iter().filter(is_missing).map(|kept| kept.id).collect();
            missing.into_iter().for_each(|id| mark_unread(&mut own.states, id));
        }
        next.bytes = next.measure();
        self.working.put_cluster(next);
        Ok(())
    }

    /// Adds an event to the states of its owner, which was put in its place already.
    pub(super) fn add_to_states(&mut self, node: NodeId, cluster: NodeId, event: Event) -> Result<(), Lack> {
        let config = self.working.config().clone();
        let rules = config.rules();
        if rules.is_empty() {
            return Ok(());
        }
        let mut steps = self.rules_left.steps;
        let brought = contributions(&event, rules, &mut steps);
        self.rules_left.steps = steps;
        if !brought.is_empty() {
            let mut next = self.working.edit(cluster)?;
            let (head, nodes) = (next.profile_id(node).ok_or(Lack::Torn)?, next.nodes.len());
            let own = next.node_mut(node).ok_or(Lack::Torn)?;
            let before = own.rules_bytes();
            let sharing: Vec<&KeptDef> = brought.iter().flat_map(|(kept, _)| rules.sharing(kept)).collect();
            self.go_on(own, &sharing, head)?;
            self.begin_tail(own);
            for (kept, brings) in &brought {
                if *brings == Brought::Unasked {
                    rules.sharing(kept).for_each(|kept| mark_unread(&mut own.states, kept.id));
                    self.seen.unread.insert(head);
                    continue;
                }
                add(&mut own.states, rules.sharing(kept), &event, brings, rules, self.now);
            }
            self.note_in_tail(own, &event, brought, nodes);
            let after = own.rules_bytes();
            next.bytes = (next.bytes + after).saturating_sub(before);
            self.working.put_cluster(next);
        }
        self.working.add_event(node, Arc::new(event));
        Ok(())
    }

    /// Brings the states of a node that an event is added to to now, and reads those anew that are not known. Where its events are more than a
    /// command may read, they are only marked.
    fn go_on(&mut self, own: &mut Node, affected: &[&KeptDef], head: NodeId) -> Result<(), Lack> {
        let config = self.working.config().clone();
        let rules = config.rules();
        let wanted = RefCell::default();
        let mut unknown: Vec<AggregateId> = Vec::new();
        let tail = own.tail.clone();
        for kept in affected {
            if is_unknown(own, kept.id, kept.is_built) {
                unknown.push(kept.id);
                continue;
            }
            let Ok(at) = own.states.binary_search_by_key(&kept.id, |(id, _)| *id) else { continue };
            let State::Window(run) = &*own.states[at].1 else { continue };
            let column = rules.column(kept).unwrap_or(kept.id);
            let newest = tail.as_deref().map(|tail| (tail, column, rules.bounds().tail_events_max));
            if newest.is_some_and(|newest| run.may_stay(&kept.aggregate, (self.now, &kept.zone), newest)) {
                continue;
            }
            let source =
                OfNode { node: own.id, tail: tail.as_deref(), column, timelines: &*self.working, wanted: &wanted };
            let state = Arc::make_mut(&mut own.states[at].1);
            let asked = wanted.borrow().len();
            if state.advance(&kept.aggregate, rules.bounds(), (self.now, &kept.zone), &source).is_err()
                && wanted.borrow().len() == asked
            {
                unknown.push(kept.id);
            }
        }
        if !unknown.is_empty() && own.events() <= EVENTS_READ_MAX {
            // What the node had before this command is on its timeline alone.
            let built = self.working.states(own.id, None, self.now)?;
            put_built(own, &built);
            return Ok(());
        }
        let wanted = wanted.into_inner();
        if !wanted.is_empty() {
            return Err(Lack::Needs(wanted.into_iter().map(Need::from).collect()));
        }
        if !unknown.is_empty() {
            unknown.into_iter().for_each(|id| mark_unread(&mut own.states, id));
            self.seen.unread.insert(head);
        }
        Ok(())
    }

    /// Gives a node a tail that has none. Where events of before may be missing in it, it begins when all of them have happened.
    fn begin_tail(&self, own: &mut Node) {
        /// No event is further ahead of the clock than that.
        const AHEAD_MICROS: i64 = 7_200_000_000;
        let rules = self.working.config().rules();
        if rules.columns().is_empty() {
            own.tail = None;
            return;
        }
        let has_none = |id: &AggregateId| {
            let kept = rules.kept_of(*id);
            kept.is_some_and(|kept| rules.sharing(kept).all(|kept| kept.is_built && own.state(kept.id).is_none()))
        };
        if let Some(tail) = own.tail.as_deref() {
            // Of an aggregate that came later it knows all while there is nothing.
            if !tail.is_of(rules.columns()) {
                let known = rules.columns().iter().filter(|id| tail.knows(**id) || has_none(id)).copied();
                own.tail = Some(Arc::new(tail.of(known)));
            }
            return;
        }
        let mut windows = rules.all_kept().iter().filter(|kept| rules.column(kept).is_some());
        let is_whole = own.events() <= 1 || windows.all(|kept| kept.is_built && own.state(kept.id).is_none());
        let before = Moment { time: self.now.plus_micros(AHEAD_MICROS), id: EventId::from_bytes([0xff; 12]) };
        own.tail = Some(Arc::new(Tail::new(rules.columns().iter().copied()).without((!is_whole).then_some(before))));
    }

    /// Notes what an event brings to windows among the newest of its node.
    fn note_in_tail(&self, own: &mut Node, event: &Event, brought: Vec<(&KeptDef, Brought)>, nodes: usize) {
        let rules = self.working.config().rules();
        let mut noted = Vec::new();
        let mut unasked = Vec::new();
        for (kept, brings) in brought {
            match brings {
                Brought::Contribution(brings) if rules.column(kept) == Some(kept.id) => noted.push((kept.id, brings)),
                Brought::Unasked => unasked.push(kept.id),
                Brought::Contribution(_) | Brought::TooMuch => {}
            }
        }
        if noted.is_empty() && unasked.is_empty() {
            return;
        }
        let Some(tail) = &mut own.tail else { return };
        let tail = Arc::make_mut(tail);
        unasked.into_iter().for_each(|id| tail.forget(id));
        tail.add(event.moment(), noted);
        trim(tail, nodes, rules);
    }

    /// Takes an event from the states of its owner: they are read anew without it.
    pub(super) fn take_from_states(&mut self, node: NodeId, cluster: &mut Cluster, event: EventId) -> Result<(), Lack> {
        self.working.remove_event(node, event);
        let own = cluster.node_mut(node).ok_or(Lack::Torn)?;
        if !own.states.is_empty() {
            let built = self.working.states(node, Some(event), self.now)?;
            put_built(own, &built);
        }
        Ok(())
    }

    /// An event of a node comes in the place of another one of its id. What nodes keep is read anew only where the two bring something else.
    pub(super) fn replace_in_states(
        &mut self,
        (node, home): (NodeId, NodeId),
        before: &Event,
        after: Event,
    ) -> Result<(), Lack> {
        let config = self.working.config().clone();
        let brought = |event: &Event| -> Vec<(AggregateId, Brought)> {
            let brought = contributions(event, config.rules(), &mut { TIMELINE_STEPS_MAX });
            brought.into_iter().map(|(kept, brings)| (kept.id, brings)).collect()
        };
        if brought(before) == brought(&after) {
            self.working.remove_event(node, before.id);
            self.working.add_event(node, Arc::new(after));
            return Ok(());
        }
        let mut cluster = self.working.edit(home)?;
        self.take_from_states(node, &mut cluster, before.id)?;
        cluster.updated_at = self.now;
        cluster.bytes = cluster.measure();
        self.working.put_cluster(cluster);
        self.add_to_states(node, home, after)
    }

    /// What an erased source said is not in the states of these nodes any more: they are read anew.
    pub(super) fn states_after_sweep(&self, before: &Cluster, node: &mut Node) -> Result<(), Lack> {
        let own = before.node(node.id);
        if own.is_some_and(|own| own.owned != node.owned && !own.states.is_empty()) {
            if node.events() == 0 {
                (node.states, node.tail) = (Vec::new(), None);
            } else {
                let built = self.working.states(node.id, None, self.now)?;
                put_built(node, &built);
            }
        }
        Ok(())
    }
}

/// A node keeps what its timeline comes to.
fn put_built(node: &mut Node, built: &Built) {
    (node.states, node.tail) = (built.states.clone(), built.tail.clone());
}

/// The nodes of a record that lack states, or have some that no rule asks for.
fn lacking<'a>(cluster: &'a Cluster, rules: &RuleSet) -> impl Iterator<Item = &'a Node> {
    let lacks = |node: &&Node| (node.events() > 0 && lacks_states(node, rules)) || has_others(node, rules);
    cluster.nodes.iter().filter(lacks)
}

/// A state that is to be read from the timeline.
fn mark_unread(states: &mut NodeStates, id: AggregateId) {
    let unread = Arc::new(State::Unread);
    match states.binary_search_by_key(&id, |(own, _)| *own) {
        Ok(at) => states[at].1 = unread,
        Err(at) => states.insert(at, (id, unread)),
    }
}

fn is_unknown(node: &Node, id: AggregateId, is_built: bool) -> bool {
    match node.state(id) {
        Some(state) => *state == State::Unread,
        // The event at hand is among its events already.
        None => !is_built && node.events() > 1,
    }
}

pub(super) fn has_unread(node: &Node) -> bool {
    node.states.iter().any(|(_, state)| **state == State::Unread)
}

/// Whether it keeps something that no rule asks for any more.
fn has_others(node: &Node, rules: &RuleSet) -> bool {
    node.states.iter().any(|(id, _)| rules.kept_of(*id).is_none())
}

fn lacks_states(node: &Node, rules: &RuleSet) -> bool {
    has_unread(node) || rules.all_kept().iter().any(|kept| !kept.is_built && node.state(kept.id).is_none())
}
