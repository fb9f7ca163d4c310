//! What is known of timelines beside what records keep: stretches of them, and what whole ones come to at an instant.

use std::cell::RefCell;
use std::sync::Arc;

use hashbrown::HashMap;
use tessera_expr::plan::Contribution;

use super::event::Event;
use super::set::{AggregateId, RuleSet};
use super::states::{Brought, Built, contributions};
use crate::aggregate::{Moment, Source, Stretch, Tail};
use crate::id::NodeId;
use crate::time::Timestamp;

/// Events of a stretch that are looked through, at most: of more, the timeline is read as a whole.
pub const STRETCH_EVENTS_MAX: usize = 1_000;
/// Events read behind a stretch, to tell when the next one leaves a window.
pub const STRETCH_BEYOND: usize = 16;

/// Something of a node's timeline that a rule needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// Its events from one instant to another, both included, and [`STRETCH_BEYOND`] of those behind them.
    Stretch {
        /// The node.
        node: NodeId,
        /// The first instant.
        from: Timestamp,
        /// The last one.
        to: Timestamp,
    },
    /// What all of it comes to at an instant.
    States {
        /// The node.
        node: NodeId,
        /// The instant.
        at: Timestamp,
    },
}

/// A part of a node's timeline: what its events bring, by the aggregates that windows share.
#[derive(Debug, Default)]
pub struct Chunk {
    events: Vec<(Moment, Vec<(AggregateId, Contribution)>)>,
    rest: Option<Timestamp>,
}

impl Chunk {
    /// Of these events, whatever their order; behind them the next one happened at `rest`, at the earliest, if there is another.
    #[must_use]
    pub fn new<'a>(events: impl IntoIterator<Item = &'a Event>, rest: Option<Timestamp>, rules: &RuleSet) -> Self {
        let brought = |event: &Event| {
            let all = contributions(event, rules, &mut { u64::MAX });
            let known = all.into_iter().filter_map(|(kept, own)| match own {
                Brought::Contribution(own) if rules.column(kept) == Some(kept.id) => Some((kept.id, own)),
                Brought::Contribution(_) | Brought::TooMuch | Brought::Unasked => None,
            });
            (event.moment(), known.collect::<Vec<_>>())
        };
        let mut events: Vec<_> = events.into_iter().map(brought).filter(|(_, own)| !own.is_empty()).collect();
        events.sort_unstable_by_key(|(moment, _)| *moment);
        Self { events, rest }
    }

    /// The same with more events. Those from `rest` on are left out: of what happened then, the stretch does not know all.
    pub(crate) fn with<'a>(&self, more: impl Iterator<Item = &'a Event>, rules: &RuleSet) -> Self {
        let more = Self::new(more.filter(|event| self.rest.is_none_or(|rest| event.time < rest)), None, rules);
        let mut events = self.events.clone();
        events.extend(more.events);
        events.sort_unstable_by_key(|(moment, _)| *moment);
        Self { events, rest: self.rest }
    }

    fn stretch(&self, id: AggregateId, from: Timestamp, to: Timestamp) -> Stretch {
        let own = self.events.iter().filter_map(|(moment, all)| {
            let (_, own) = all.iter().find(|(own, _)| *own == id)?;
            Some((*moment, own.clone()))
        });
        let own = own.filter(|(moment, _)| moment.time >= from);
        let (asked, then) = own.partition(|(moment, _): &(Moment, _)| moment.time <= to);
        Stretch { asked, then, rest: self.rest }
    }
}

/// Who knows timelines.
pub trait Timelines {
    /// A stretch; within that, none where it has too many events. None if it is not known.
    fn stretch(&self, node: NodeId, from: Timestamp, to: Timestamp) -> Option<Option<Arc<Chunk>>>;

    /// What a whole timeline comes to at an instant, if that is known.
    fn states(&self, node: NodeId, at: Timestamp) -> Option<Arc<Built>>;
}

/// Of a profile that is read: what was read of its timelines.
#[derive(Debug, Default)]
pub struct Known {
    stretches: HashMap<(NodeId, Timestamp, Timestamp), Option<Arc<Chunk>>>,
    states: HashMap<(NodeId, Timestamp), Arc<Built>>,
}

impl Known {
    /// Takes in a stretch, or that it has too many events.
    pub fn take_stretch(&mut self, (node, from, to): (NodeId, Timestamp, Timestamp), chunk: Option<Chunk>) {
        self.stretches.insert((node, from, to), chunk.map(Arc::new));
    }

    /// Takes in what a timeline comes to at an instant.
    pub fn take_states(&mut self, node: NodeId, at: Timestamp, built: Built) {
        self.states.insert((node, at), Arc::new(built));
    }

    /// Forgets all of it.
    pub fn clear(&mut self) {
        self.stretches.clear();
        self.states.clear();
    }

    /// Whether this is known.
    #[must_use]
    pub fn knows(&self, wanted: Wanted) -> bool {
        match wanted {
            Wanted::Stretch { node, from, to } => self.stretches.contains_key(&(node, from, to)),
            Wanted::States { node, at } => self.states.contains_key(&(node, at)),
        }
    }
}

impl Timelines for Known {
    fn stretch(&self, node: NodeId, from: Timestamp, to: Timestamp) -> Option<Option<Arc<Chunk>>> {
        self.stretches.get(&(node, from, to)).cloned()
    }

    fn states(&self, node: NodeId, at: Timestamp) -> Option<Arc<Built>> {
        self.states.get(&(node, at)).cloned()
    }
}

/// What is known of one node's events for one aggregate: the newest by its tail, others by its timeline. What would have to be read is noted.
pub(crate) struct OfNode<'a> {
    pub(crate) node: NodeId,
    pub(crate) tail: Option<&'a Tail>,
    /// The aggregate that windows share.
    pub(crate) column: AggregateId,
    pub(crate) timelines: &'a dyn Timelines,
    pub(crate) wanted: &'a RefCell<Vec<Wanted>>,
}

impl Source for OfNode<'_> {
    fn stretch(&self, from: Timestamp, to: Timestamp) -> Option<Stretch> {
        if let Some(own) = self.tail.and_then(|tail| tail.stretch(self.column, from, to)) {
            return Some(own);
        }
        let Some(chunk) = self.timelines.stretch(self.node, from, to) else {
            self.wanted.borrow_mut().push(Wanted::Stretch { node: self.node, from, to });
            return None;
        };
        Some(chunk?.stretch(self.column, from, to))
    }
}
