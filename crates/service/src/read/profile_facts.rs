//! A profile as rules see it.

use std::cell::Cell;

use tessera_engine::rules::Event;
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Tree, Value};
use tessera_expr::ast::Name;
use tessera_expr::facts::{Facts, Kept, Membership};
use tessera_expr::plan::Aggregate;

use crate::base::opened::open_payload;
use crate::read::pool::Patience;
use crate::read::query::StoredCall;

/// The facts of a profile, loaded whole.
pub(crate) struct ProfileFacts {
    attributes: Tree,
    /// In the order of their times.
    events: Vec<Event>,
    /// By name.
    audiences: Vec<(Name, Membership)>,
    /// Whether there are more events than are looked through.
    is_cut: bool,
    /// The latest instant of a call that was not read.
    unseen: Option<Timestamp>,
    has_asked: Cell<bool>,
    patience: Option<Patience>,
}

impl ProfileFacts {
    /// Calls come as a timeline is read: the newest first. Rules see those of them that are events.
    pub(crate) fn new(attributes: Tree, newest_first: Vec<StoredCall>, audiences: Vec<(Name, Membership)>) -> Self {
        let events = newest_first.into_iter().rev().filter(|call| call.kind.is_event()).map(Event::from).collect();
        Self { attributes, events, audiences, is_cut: false, unseen: None, has_asked: Cell::new(false), patience: None }
    }

    /// The same, whose newest events are more bytes than are looked through if it `is_cut`, for whoever waits so long.
    pub(crate) fn within(self, is_cut: bool, patience: Patience) -> Self {
        Self { is_cut, patience: Some(patience), ..self }
    }

    /// The same, without some of what was called at this instant or before.
    pub(crate) fn without(self, unseen: Option<Timestamp>) -> Self {
        Self { unseen, ..self }
    }

    /// Whether something asked for events that were not all read.
    pub(crate) fn lacks_events(&self) -> bool {
        self.is_cut && self.has_asked.get()
    }

    /// How many events there are.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }
}

impl Facts for ProfileFacts {
    fn attributes(&self) -> &Tree {
        &self.attributes
    }

    fn event_count(&self) -> usize {
        self.has_asked.set(true);
        self.events.len()
    }

    fn unseen(&self) -> Option<Timestamp> {
        self.unseen
    }

    fn is_given_up(&self) -> bool {
        self.patience.as_ref().is_some_and(Patience::is_over)
    }

    fn event_time(&self, event: usize) -> Timestamp {
        self.events[event].time
    }

    fn event_name(&self, event: usize) -> Name {
        self.events[event].event_type()
    }

    fn event_value(&self, event: usize, names: &[Name]) -> (Value, usize) {
        self.events[event].at(names, open_payload)
    }

    fn event_bytes(&self, event: usize) -> usize {
        self.events[event].call.payload.len()
    }

    fn membership(&self, segment: &str) -> Membership {
        // Nobody is a member of a segment that is not there.
        let own = self.audiences.binary_search_by(|(name, _)| (**name).cmp(segment));
        own.map_or(Membership::Outside { left: None }, |at| self.audiences[at].1)
    }

    fn kept(&self, _aggregate: &Aggregate) -> Option<Kept> {
        None
    }
}
