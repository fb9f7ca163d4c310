//! Computed attributes that are written into events: each is computed once, when an event is taken in, of the event and of the profile of its
//! owner as that stood right before. What it came to is kept with the event; nothing that is said later changes it.
//!
//! Its rule speaks of a list of one event, as `head(map(events, …))`, and of the profile around it. Events of before are known to it through
//! computed attributes of the profile.

use std::sync::Arc;

use bytes::Bytes;
use tessera_expr::ast::{Comparison, Name};
use tessera_expr::calendar::Zone;
use tessera_expr::facts::{Facts, Kept, Membership};
use tessera_expr::plan::Aggregate;
use tessera_expr::rule::Rule;

use super::event::Event;
use super::look::{Asking, Look};
use super::order::names_read;
use super::segment_state::Trouble;
use super::set::{AdHocRule, Entry, RuleSet};
use crate::time::Timestamp;
use crate::value::{Decimal, Tree, Value};
use crate::view::Names;

/// Bytes of the values that are written into one event, as [`Value::size_bytes`] counts them. One that would be beyond is left out.
pub const WRITTEN_BYTES_MAX: usize = 4096;

/// A computed attribute that is written into events.
#[derive(Debug, Clone)]
pub struct EventAttributeDef {
    /// Its name.
    pub name: Name,
    /// What it says, of a list of one event.
    pub rule: Arc<Rule>,
    /// Where its days begin.
    pub zone: Zone,
}

/// What one came to for an event, or why it came to nothing.
pub type Written = (Name, Result<Value, Trouble>);

/// A payload with what was computed of its event. The engine does not know its form.
pub type WriteInto = fn(&Bytes, &[Written]) -> Bytes;

/// All of them, ready to be asked.
#[derive(Debug)]
pub(crate) struct EventAttributes {
    all: Vec<(Name, AdHocRule)>,
    /// The names of attributes that they read, themselves and through what they ask for.
    names: Names,
    /// Whether one of them depends on memberships.
    pub(crate) asks_segments: bool,
    pub(crate) write: WriteInto,
}

impl EventAttributes {
    /// None of them has an answer.
    pub(crate) fn unanswered(&self) -> Vec<Written> {
        self.all.iter().map(|(name, _)| (name.clone(), Err(Trouble::OverBudget))).collect()
    }
}

impl RuleSet {
    /// The same with these attributes of events.
    #[must_use]
    pub fn with_event_attributes(self, defs: Vec<EventAttributeDef>, write: WriteInto) -> Self {
        let mut set = self;
        if defs.is_empty() {
            return set;
        }
        let all: Vec<_> = defs.into_iter().map(|def| (def.name, set.beside(def.rule, def.zone))).collect();
        let asked = || all.iter().map(|(_, rule)| &rule.0);
        let needed = || asked().flat_map(|entry| &entry.closure).map(|at| &set.entries[*at]);
        let names = names_read(asked().chain(needed()).map(|entry: &Entry| &entry.def), &set.by_name);
        let asks_segments = asked().chain(needed()).any(|entry| !entry.plan().segments.is_empty());
        set.event_attributes = Some(EventAttributes { all, names, asks_segments, write });
        set
    }
}

impl Look<'_> {
    /// What attributes of an event come to for it and the profile that is looked at, those without a value left out. `is_settled` says whether
    /// the profile's memberships are those of this instant: what asks for them has no answer otherwise.
    pub(crate) fn written(&mut self, event: &Event, is_settled: bool) -> Vec<Written> {
        let Some(own) = &self.sources.rules.event_attributes else { return Vec::new() };
        self.names = Some(own.names.clone());
        let mut bytes = 0;
        let mut written = Vec::new();
        for (name, rule) in &own.all {
            let came = self.of_event(&rule.0, event, is_settled);
            let size = came.as_ref().map_or(0, Value::size_bytes) + name.len();
            match came {
                Ok(Value::Null) => {}
                Ok(_) if bytes + size > WRITTEN_BYTES_MAX => written.push((name.clone(), Err(Trouble::Overflowed))),
                came => {
                    bytes += size;
                    written.push((name.clone(), came));
                }
            }
        }
        written
    }

    fn of_event(&mut self, entry: &Entry, event: &Event, is_settled: bool) -> Result<Value, Trouble> {
        let rules = self.sources.rules;
        let asks = |entry: &Entry| !entry.plan().segments.is_empty();
        let asks_segments = asks(entry) || entry.closure.iter().any(|at| asks(&rules.entries[*at]));
        if (asks_segments && !is_settled) || !self.left().is_left() {
            return Err(Trouble::OverBudget);
        }
        self.make_ready(entry, 0);
        let came = self.ask(entry, 0, |rule, asking, frame| {
            let answer = rule.evaluate(&OfEvent { asking, event }, frame)?;
            Ok(((answer.value, answer.steps), answer.is_truncated))
        });
        self.spend_on(came.as_ref().ok().map(|(_, steps)| *steps));
        came.map(|(value, _)| value)
    }
}

/// One event, and the profile that it comes to, as an attribute of the event sees them.
struct OfEvent<'f, 'l, 'a> {
    asking: &'f Asking<'l, 'a>,
    event: &'f Event,
}

impl Facts for OfEvent<'_, '_, '_> {
    fn attributes(&self) -> &Tree {
        self.asking.attributes()
    }

    fn event_count(&self) -> usize {
        1
    }

    fn event_time(&self, _: usize) -> Timestamp {
        self.event.time
    }

    fn event_name(&self, _: usize) -> Name {
        self.event.event_type()
    }

    fn event_value(&self, _: usize, names: &[Name]) -> (Value, usize) {
        self.event.at(names, self.asking.open())
    }

    fn event_bytes(&self, _: usize) -> usize {
        self.event.call.payload.len()
    }

    fn membership(&self, segment: &str) -> Membership {
        self.asking.membership(segment)
    }

    /// What nodes keep is of all events of the profile, and the rule speaks of one.
    fn kept(&self, _: &Aggregate) -> Option<Kept> {
        None
    }

    fn kept_against(&self, _: &Aggregate, _: Comparison, _: Decimal) -> Option<Kept> {
        None
    }
}
