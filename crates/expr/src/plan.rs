//! What a rule depends on, and what of it may be kept instead of computed anew.
//!
//! A rule over events need not look at all of them each time. What of it is an aggregate over events that a filter chooses by looking
//! at the event alone becomes an [`Aggregate`], which whoever keeps facts may keep too, event by event. Two rules that say the same in
//! other words share one: [`Aggregate::key`].

mod aggregate;
mod depends;
mod extract;
mod looks;

use std::collections::BTreeSet;

pub use aggregate::{Aggregate, Argument, Contribution, Measure, Window, group_name};
pub(crate) use depends::types_of;
pub use looks::{Look, looks, spans};

use crate::ast::{Expr, Name, Unit};
use crate::rule::Purpose;

/// What a rule depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The attributes that it reads.
    pub attributes: Attributes,
    /// The events that can change its answer.
    pub events: EventTypes,
    /// The segments that it asks about.
    pub segments: BTreeSet<Name>,
    /// Whether its answer may change by time alone.
    pub reads_clock: bool,
    /// What of it may be kept.
    pub aggregates: Vec<Aggregate>,
    /// The units of the calendar, days or longer, of which a new one may change its answer: see
    /// [`next_rollover`](crate::calendar::next_rollover).
    pub calendar: BTreeSet<Unit>,
    /// Whether it takes the clock itself for a value, so that its answer never holds for longer than an instant. What compares with the
    /// clock does not.
    pub moves_always: bool,
    /// Whether it looks at events even when all its aggregates are kept.
    pub scans_events: bool,
}

/// The attributes that a rule reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attributes {
    /// Any: it takes the profile as a whole.
    All,
    /// What stands at these names or below, and the values above them.
    At(BTreeSet<Vec<Name>>),
}

/// Types of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventTypes {
    /// Any.
    All,
    /// These.
    Some(BTreeSet<EventType>),
}

/// A type of events as a rule names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventType {
    /// Its name; in lower case where case does not matter.
    pub name: Name,
    /// Whether case matters.
    pub minds_case: bool,
}

impl EventTypes {
    /// Whether events of this name are among them.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(types) => types
                .iter()
                .any(|known| if known.minds_case { *known.name == *name } else { *known.name == *name.to_lowercase() }),
        }
    }

    fn add(&mut self, other: Self) {
        match (self, other) {
            (Self::All, _) => {}
            (this, Self::All) => *this = Self::All,
            (Self::Some(types), Self::Some(more)) => types.extend(more),
        }
    }
}

/// What it costs to keep the answer of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A few numbers for each identity, whatever the history.
    Constant,
    /// A bounded number of values for each identity.
    Bounded,
    /// A scan of the newest events.
    Sequence,
}

impl Plan {
    /// What it costs to keep the answer.
    #[must_use]
    pub fn kind(&self) -> Kind {
        if self.scans_events {
            return Kind::Sequence;
        }
        self.aggregates.iter().map(Aggregate::kind).max().unwrap_or(Kind::Constant)
    }
}

/// The expression with its aggregates in place, and what it depends on.
pub(crate) fn derive(source: &Expr, purpose: Purpose) -> (Expr, Plan) {
    let mut root = source.clone();
    let aggregates = extract::extract(&mut root, purpose);
    let mut plan = Plan {
        attributes: Attributes::At(BTreeSet::new()),
        events: EventTypes::Some(BTreeSet::new()),
        segments: BTreeSet::new(),
        reads_clock: false,
        aggregates,
        calendar: BTreeSet::new(),
        moves_always: depends::takes_clock(source, &mut Vec::new()),
        scans_events: false,
    };
    depends::add(&root, &mut plan);
    // In the expression as it was given, so that aggregates which are not kept roll over as well.
    depends::add_calendar(source, &mut plan.calendar);
    (root, plan)
}
