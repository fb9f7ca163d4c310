//! What rules need of timelines: the states that a node's events come to, and its newest events, with what the group has done to them.

use std::sync::Arc;

use hashbrown::HashSet;

use super::{Lack, Need, NodeStates, Working};
use crate::id::{EventId, NodeId};
use crate::rules::{Event, TIMELINE_STEPS_MAX, add_event};

/// Which side of the command at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    After,
}

/// What the commands of a group did to timelines. The store has none of it yet.
#[derive(Debug, Default)]
pub(super) struct Timelines {
    added: Vec<(NodeId, Arc<Event>)>,
    removed: HashSet<(NodeId, EventId)>,
}

impl Timelines {
    pub(super) fn clear(&mut self) {
        self.added.clear();
        self.removed.clear();
    }

    /// What was added to a node's timeline, and has not been removed.
    fn added(&self, node: NodeId) -> impl Iterator<Item = &Arc<Event>> {
        let own =
            self.added.iter().filter(move |(own, event)| *own == node && !self.removed.contains(&(node, event.id)));
        own.map(|(_, event)| event)
    }
}

impl Working {
    /// Takes in what the stored timeline of a node comes to, without this event of it and those that [`Self::has_removed`] tells.
    pub fn load_states(&mut self, node: NodeId, without: Option<EventId>, states: NodeStates) {
        let mut states = states;
        let rules = self.config.rules().clone();
        let mut steps = TIMELINE_STEPS_MAX;
        for event in self.timelines.added(node).filter(|event| Some(event.id) != without) {
            add_event(&mut states, event, &rules, &mut steps);
        }
        self.base.states.insert((node, without), states);
    }

    /// How many events of timelines it holds.
    #[must_use]
    pub fn events(&self) -> usize {
        self.base.newest.values().map(Vec::len).sum()
    }

    /// Whether a command of the group has taken this event off the timeline of its node, where the store still has it.
    #[must_use]
    pub fn has_removed(&self, node: NodeId, event: EventId) -> bool {
        self.timelines.removed.contains(&(node, event))
    }

    /// Takes in the newest events of the stored timeline of a node, in any order.
    pub fn load_newest(&mut self, node: NodeId, events: Vec<Arc<Event>>) {
        let mut events = events;
        events.retain(|event| !self.timelines.removed.contains(&(node, event.id)));
        events.extend(self.timelines.added(node).cloned());
        self.base.newest.entry(node).or_insert(events);
    }

    /// What a node's timeline comes to before the command at hand, without this event of it.
    pub(crate) fn states(&self, node: NodeId, without: Option<EventId>) -> Result<NodeStates, Need> {
        self.base.states.get(&(node, without)).cloned().ok_or(Need::States(node, without))
    }

    /// What a node's timeline comes to with what the command at hand has added. Nothing was taken from it by this command.
    pub(crate) fn states_by_now(&self, node: NodeId) -> Result<NodeStates, Need> {
        let mut states = self.states(node, None)?;
        let mut steps = TIMELINE_STEPS_MAX;
        for event in self.scratch_timelines.added(node) {
            add_event(&mut states, event, self.config.rules(), &mut steps);
        }
        Ok(states)
    }

    /// The newest events of these nodes before the command at hand, or after it, oldest first.
    pub(crate) fn newest(&self, nodes: impl Iterator<Item = NodeId>, at: Side) -> Result<Vec<Arc<Event>>, Lack> {
        let (mut events, mut needs) = (Vec::new(), Vec::new());
        for node in nodes {
            let Some(own) = self.base.newest.get(&node) else {
                needs.push(Need::Newest(node));
                continue;
            };
            let is_removed =
                |event: &Arc<Event>| at == Side::After && self.scratch_timelines.removed.contains(&(node, event.id));
            events.extend(own.iter().filter(|event| !is_removed(event)).cloned());
            if at == Side::After {
                events.extend(self.scratch_timelines.added(node).cloned());
            }
        }
        if !needs.is_empty() {
            return Err(Lack::Needs(needs));
        }
        events.sort_unstable_by_key(|event| event.moment());
        Ok(events)
    }

    /// An event is on a timeline from now on.
    pub(crate) fn add_event(&mut self, node: NodeId, event: Arc<Event>) {
        self.scratch_timelines.added.push((node, event));
    }

    /// An event is on its timeline no more.
    pub(crate) fn remove_event(&mut self, node: NodeId, event: EventId) {
        self.scratch_timelines.removed.insert((node, event));
    }

    pub(super) fn keep_timelines(&mut self) {
        // What a timeline comes to was read for one command.
        self.base.states.clear();
        for (node, event) in self.scratch_timelines.added.drain(..) {
            if let Some(newest) = self.base.newest.get_mut(&node) {
                newest.push(event.clone());
            }
            self.timelines.added.push((node, event));
        }
        for (node, event) in self.scratch_timelines.removed.drain() {
            if let Some(newest) = self.base.newest.get_mut(&node) {
                newest.retain(|own| own.id != event);
            }
            self.timelines.removed.insert((node, event));
        }
    }
}
