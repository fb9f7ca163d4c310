//! What rules need of timelines: the states that a node's events come to, and its newest events, with what the group has done to them.

use std::sync::Arc;

use hashbrown::HashSet;

use super::{Lack, Need, Working};
use crate::id::{EventId, NodeId};
use crate::rules::{Built, Chunk, Event, TIMELINE_STEPS_MAX, Timelines as Known, Wanted};
use crate::time::Timestamp;

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

    /// What was added to a node's timeline, and has not been removed since.
    fn added(&self, node: NodeId) -> impl Iterator<Item = &Arc<Event>> {
        self.added.iter().filter(move |(own, _)| *own == node).map(|(_, event)| event)
    }

    /// An event goes, wherever it stands: another one of its id may be added afterwards.
    fn remove(&mut self, node: NodeId, event: EventId) {
        self.added.retain(|(own, added)| *own != node || added.id != event);
        self.removed.insert((node, event));
    }
}

impl Working {
    /// Takes in what the stored timeline of a node comes to, without this event of it and those that [`Self::has_removed`] tells.
    pub fn load_states(&mut self, node: NodeId, without: Option<EventId>, built: Built) {
        let mut built = built;
        let rules = self.config.rules().clone();
        let mut steps = TIMELINE_STEPS_MAX;
        for event in self.timelines.added(node).filter(|event| Some(event.id) != without) {
            built.add(event, &rules, &mut steps);
        }
        self.base.states.insert((node, without, built.at), Arc::new(built));
    }

    /// Takes in a stretch of the stored timeline of a node, in any order, without those that [`Self::has_removed`] tells: its events, and when
    /// the next one behind them happened; none where they are too many.
    pub fn load_stretch(
        &mut self,
        (node, from, to): (NodeId, Timestamp, Timestamp),
        found: Option<(Vec<Event>, Option<Timestamp>)>,
    ) {
        let chunk = found.map(|(events, rest)| {
            let is_here = |event: &&Arc<Event>| event.time >= from && rest.is_none_or(|rest| event.time < rest);
            let added = self.timelines.added(node).filter(is_here).map(|event| &**event);
            Arc::new(Chunk::new(events.iter().chain(added), rest, self.config.rules()))
        });
        self.base.stretches.insert((node, from, to), chunk);
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

    /// What a node's timeline comes to at an instant before the command at hand, without this event of it.
    pub(crate) fn states(&self, node: NodeId, without: Option<EventId>, at: Timestamp) -> Result<Arc<Built>, Need> {
        if self.base.fresh.contains(&node) {
            return Ok(Arc::new(Built::new(self.config.rules(), at)));
        }
        self.base.states.get(&(node, without, at)).cloned().ok_or(Need::States(node, without, at))
    }

    /// What a node's timeline comes to with what the command at hand has added. Nothing was taken from it by this command.
    pub(crate) fn states_by_now(&self, node: NodeId, at: Timestamp) -> Result<Arc<Built>, Need> {
        let mut built = self.states(node, None, at)?;
        let mut steps = TIMELINE_STEPS_MAX;
        for event in self.scratch_timelines.added(node) {
            Arc::make_mut(&mut built).add(event, self.config.rules(), &mut steps);
        }
        Ok(built)
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
        self.scratch_timelines.remove(node, event);
    }

    pub(super) fn keep_timelines(&mut self) {
        // What a timeline comes to was read for one command.
        self.base.states.clear();
        self.base.stretches.clear();
        self.base.fresh.clear();
        for (node, event) in self.scratch_timelines.removed.drain() {
            if let Some(newest) = self.base.newest.get_mut(&node) {
                newest.retain(|own| own.id != event);
            }
            self.timelines.remove(node, event);
        }
        for (node, event) in self.scratch_timelines.added.drain(..) {
            if let Some(newest) = self.base.newest.get_mut(&node) {
                newest.push(event.clone());
            }
            self.timelines.added.push((node, event));
        }
    }
}

impl From<Wanted> for Need {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Stretch { node, from, to } => Self::Stretch(node, from, to),
            Wanted::States { node, at } => Self::States(node, None, at),
        }
    }
}

/// Timelines with the events that the command at hand has added. States that hold such an event go on with these: the timeline as it was before
/// would not tell that it has left a window. An event that the command removes is still here, for the states of its node are read anew.
pub(crate) struct ByNow<'a>(pub(crate) &'a Working);

impl Known for ByNow<'_> {
    fn stretch(&self, node: NodeId, from: Timestamp, to: Timestamp) -> Option<Option<Arc<Chunk>>> {
        let Self(working) = self;
        let before = working.stretch(node, from, to)?;
        let added = working.scratch_timelines.added(node).filter(|event| event.time >= from).map(|event| &**event);
        let mut added = added.peekable();
        if added.peek().is_none() {
            return Some(before);
        }
        Some(before.map(|chunk| Arc::new(chunk.with(added, working.config.rules()))))
    }

    fn states(&self, node: NodeId, at: Timestamp) -> Option<Arc<Built>> {
        self.0.states_by_now(node, at).ok()
    }
}

/// Timelines as they were before the command at hand.
impl Known for Working {
    fn stretch(&self, node: NodeId, from: Timestamp, to: Timestamp) -> Option<Option<Arc<Chunk>>> {
        if self.base.fresh.contains(&node) {
            return Some(Some(Arc::default()));
        }
        self.base.stretches.get(&(node, from, to)).cloned()
    }

    fn states(&self, node: NodeId, at: Timestamp) -> Option<Arc<Built>> {
        Self::states(self, node, None, at).ok()
    }
}
