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
use crate::id::NodeId;
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

/// What values that are written into an event rest on besides the event: the profile of its owner as that stood. It is kept with them, so that they
/// go when any of it is erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    /// The values that rest on it; others are of the event alone.
    pub values: Vec<Name>,
    /// The nodes of the profile but the event's owner, and those who said something of them; sorted.
    pub nodes: Vec<NodeId>,
    /// The datasets, and named deliveries of them, that had said anything of the profile, but the event's own; sorted.
    pub sources: Vec<(Arc<str>, Option<Arc<str>>)>,
}

/// Nodes, or sources, that are named with an event. Where there are more it says that it rests on any.
pub const BASIS_NAMED_MAX: usize = 32;
/// Nodes of a profile whose values are written into events; of a larger one they come to nothing. A commit writes a row for each.
pub const BASIS_NODES_MAX: usize = 500;

/// A payload with what was computed of its event, and what that rests on. The engine does not know its form.
pub type WriteInto = fn(&Bytes, &[Written], Option<&Basis>) -> Bytes;

/// All of them, ready to be asked.
#[derive(Debug)]
pub(crate) struct EventAttributes {
    all: Vec<OfEvents>,
    /// The names of attributes that they read, themselves and through what they ask for.
    names: Names,
    /// Whether one of them depends on memberships.
    pub(crate) asks_segments: bool,
    pub(crate) write: WriteInto,
}

/// One of them.
#[derive(Debug)]
struct OfEvents {
    name: Name,
    rule: AdHocRule,
    /// Whether it reads anything of the profile.
    is_of_profile: bool,
}

impl EventAttributes {
    /// None of them has an answer.
    pub(crate) fn unanswered(&self) -> Vec<Written> {
        self.all.iter().map(|own| (own.name.clone(), Err(Trouble::OverBudget))).collect()
    }

    /// The names of values that rest on the profile.
    pub(crate) fn of_profile(&self, written: &[Written]) -> Vec<Name> {
        let is_of_profile = |name: &Name| self.all.iter().any(|own| own.name == *name && own.is_of_profile);
        let values = written.iter().filter(|(name, came)| came.is_ok() && is_of_profile(name));
        values.map(|(name, _)| name.clone()).collect()
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
        let all: Vec<_> = defs.into_iter().map(|def| set.of_events(def)).collect();
        let asked = || all.iter().map(|own| &own.rule.0);
        let needed = || asked().flat_map(|entry| &entry.closure).map(|at| &set.entries[*at]);
        let names = names_read(asked().chain(needed()).map(|entry: &Entry| &entry.def), &set.by_name);
        let asks_segments = asked().chain(needed()).any(|entry| !entry.plan().segments.is_empty());
        set.event_attributes = Some(EventAttributes { all, names, asks_segments, write });
        set
    }

    /// Whether anything is written into events.
    #[must_use]
    pub fn writes_into_events(&self) -> bool {
        self.event_attributes.is_some()
    }

    fn of_events(&self, def: EventAttributeDef) -> OfEvents {
        let rule = self.beside(def.rule, def.zone);
        let entry = &rule.0;
        let names = names_read(std::iter::once(&entry.def), &self.by_name);
        let reads_attributes = !matches!(&names, Names::Some(names) if names.is_empty());
        let is_of_profile = reads_attributes || !entry.closure.is_empty() || !entry.plan().segments.is_empty();
        OfEvents { name: def.name, rule, is_of_profile }
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
        for OfEvents { name, rule, .. } in &own.all {
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
