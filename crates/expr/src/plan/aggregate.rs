//! Aggregates over events that may be kept.

use smallvec::{SmallVec, smallvec};

use super::{EventTypes, Kind};
use crate::ast::{Expr, Name, Unit, Which};
use crate::calendar::{Zone, micros, months};
use crate::eval::{Evaluator, Frame, OverBudget, counts, key_text, reach};
use crate::facts::Facts;
use crate::pql;
use crate::time::Timestamp;
use crate::value::Value;

/// An aggregate over the events that a filter chooses by looking at each alone.
#[derive(Debug, Clone)]
pub struct Aggregate {
    /// What an event must be, time aside; none if all count.
    pub filter: Option<Expr>,
    /// When it must have happened.
    pub window: Window,
    /// What is computed of those that count.
    pub measure: Measure,
    /// The types of events that can count.
    pub events: EventTypes,
    key: String,
    /// How many bytes of the key say all but the window.
    base_bytes: usize,
}

/// Two aggregates are one if they say the same.
impl PartialEq for Aggregate {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Aggregate {}

/// When an event must have happened to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// Ever.
    Lifetime,
    /// At most so many units before the instant of the evaluation, and not after it.
    Sliding {
        /// How many.
        amount: i64,
        /// Of what.
        unit: Unit,
        /// Whether an event exactly so long ago counts.
        is_inclusive: bool,
    },
    /// In a unit of the calendar, as the instant of the evaluation sees it.
    Calendar(Which, Unit),
}

/// What is computed of the events that count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// Whether there are any.
    Exists,
    /// How many there are.
    Count,
    /// The sum of the numbers.
    Sum(Argument),
    /// The mean of the numbers.
    Average(Argument),
    /// The least number or instant.
    Min(Argument),
    /// The greatest number or instant.
    Max(Argument),
    /// The value of the first event, in the order of times.
    First(Argument),
    /// The value of the last event.
    Last(Argument),
    /// The value that comes most often.
    MostFrequent(Argument),
    /// How many distinct values there are.
    DistinctCount(Argument),
    /// The distinct values.
    UniqueList(Argument),
    /// The values of the events that rank highest or lowest.
    Top {
        /// The values.
        argument: Argument,
        /// What they are ranked by; speaks of the event.
        by: Expr,
        /// How many.
        amount: usize,
        /// Whether the highest are asked for.
        is_highest: bool,
    },
    /// Another measure for each group of events.
    Grouped {
        /// What they are grouped by; speaks of the event.
        by: Expr,
        /// What is computed of each group.
        measure: Box<Measure>,
    },
}

/// What an event brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// The value; speaks of the event.
    pub value: Expr,
    /// Whether a list brings its items, each for itself, and nothing brings nothing.
    pub spreads: bool,
}

/// What one event brings to an aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contribution {
    /// The values of the argument: one, or those that it spreads to.
    pub values: SmallVec<[Value; 1]>,
    /// What it is ranked by, for [`Measure::Top`].
    pub rank: Value,
    /// Its group, for [`Measure::Grouped`].
    pub group: Value,
}

/// The name that a group has in the value of [`Measure::Grouped`]. Groups of one name (`1` and `"1"`) are one group there.
#[must_use]
pub fn group_name(group: &Value) -> Name {
    key_text(group)
}

impl Window {
    /// Whether what happened at this time counts at `now`, and the earliest instant after `now` at which that may be otherwise.
    #[must_use]
    pub fn counts(self, at: Timestamp, now: Timestamp, zone: &Zone) -> (bool, Option<Timestamp>) {
        counts(self, at, now, zone)
    }

    /// The first and the last instant at which what happened counts at `now`; where the first comes after the last there are none.
    #[must_use]
    pub fn reach(self, now: Timestamp, zone: &Zone) -> (Timestamp, Timestamp) {
        reach(self, now, zone)
    }

    /// The window in one spelling: lengths in the smallest unit of their kind.
    pub(super) fn canonical(self) -> Self {
        let Self::Sliding { amount, unit, is_inclusive } = self else { return self };
        let in_units = |length: Option<i64>, base: Option<i64>, unit| {
            let amount = amount.checked_mul(length?.checked_div(base?)?)?;
            Some(Self::Sliding { amount, unit, is_inclusive })
        };
        in_units(micros(unit), micros(Unit::Millisecond), Unit::Millisecond)
            .or_else(|| in_units(months(unit), months(Unit::Month), Unit::Month))
            .unwrap_or(self)
    }

    fn key(self) -> String {
        match self {
            Self::Lifetime => String::new(),
            Self::Sliding { amount, unit, is_inclusive } => {
                format!(" within {} {amount} {}", if is_inclusive { "<=" } else { "<" }, unit.names().1)
            }
            Self::Calendar(which, unit) => format!(" within {} {}", which.name(), unit.names().0),
        }
    }
}

impl Measure {
    fn kind(&self) -> Kind {
        match self {
            Self::Exists
            | Self::Count
            | Self::Sum(_)
            | Self::Average(_)
            | Self::Min(_)
            | Self::Max(_)
            | Self::First(_)
            | Self::Last(_) => Kind::Constant,
            Self::MostFrequent(_)
            | Self::DistinctCount(_)
            | Self::UniqueList(_)
            | Self::Top { .. }
            | Self::Grouped { .. } => Kind::Bounded,
        }
    }

    /// What is computed of each event, if anything is.
    #[must_use]
    pub fn argument(&self) -> Option<&Argument> {
        match self {
            Self::Exists | Self::Count => None,
            Self::Sum(argument)
            | Self::Average(argument)
            | Self::Min(argument)
            | Self::Max(argument)
            | Self::First(argument)
            | Self::Last(argument)
            | Self::MostFrequent(argument)
            | Self::DistinctCount(argument)
            | Self::UniqueList(argument)
            | Self::Top { argument, .. } => Some(argument),
            Self::Grouped { measure, .. } => measure.argument(),
        }
    }

    fn key(&self) -> String {
        let name = match self {
            Self::Exists => "exists",
            Self::Count => "count",
            Self::Sum(_) => "sum",
            Self::Average(_) => "average",
            Self::Min(_) => "min",
            Self::Max(_) => "max",
            Self::First(_) => "first",
            Self::Last(_) => "last",
            Self::MostFrequent(_) => "mostFrequent",
            Self::DistinctCount(_) => "distinctCount",
            Self::UniqueList(_) => "uniqueList",
            Self::Top { by, amount, is_highest, .. } => {
                let name = if *is_highest { "topN" } else { "bottomN" };
                return format!("{name}({}, {amount}, {})", pql::print(by), self.argument_key());
            }
            Self::Grouped { by, measure } => return format!("groupBy({}, {})", pql::print(by), measure.key()),
        };
        format!("{name}({})", self.argument_key())
    }

    fn argument_key(&self) -> String {
        match self.argument() {
            None => String::new(),
            Some(Argument { value, spreads }) => format!("{}{}", pql::print(value), if *spreads { "…" } else { "" }),
        }
    }
}

impl Aggregate {
    pub(super) fn new(filter: Option<Expr>, window: Window, measure: Measure, events: EventTypes) -> Self {
        let window = window.canonical();
        let of = filter.as_ref().map_or(String::new(), |filter| format!(" of {}", pql::print(filter)));
        let base = format!("{}{of}", measure.key());
        let (base_bytes, key) = (base.len(), base + &window.key());
        Self { filter, window, measure, events, key, base_bytes }
    }

    /// The one text of what it says. Aggregates of different rules are the same if their keys are. It may hold constants of
    /// the rule, none of a person's values.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The same of what it says besides its window: aggregates that are the same but for their windows share what events bring to them.
    #[must_use]
    pub fn base_key(&self) -> &str {
        &self.key[..self.base_bytes]
    }

    /// What it costs to keep it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.measure.kind()
    }

    /// Whether its value is a truth.
    pub(crate) fn is_truth(&self) -> bool {
        self.measure == Measure::Exists
    }

    /// What an event brings; none if the filter leaves it out. The window is not looked at: it moves, what an event brings does
    /// not.
    ///
    /// # Errors
    /// [`OverBudget`] when that takes more steps than the frame allows.
    pub fn contribution(
        &self,
        facts: &dyn Facts,
        event: usize,
        frame: &Frame<'_>,
    ) -> Result<Option<Contribution>, OverBudget> {
        self.priced_contribution(facts, event, frame).0
    }

    /// The same, and how many steps it took.
    pub fn priced_contribution(
        &self,
        facts: &dyn Facts,
        event: usize,
        frame: &Frame<'_>,
    ) -> (Result<Option<Contribution>, OverBudget>, u64) {
        let mut evaluator = Evaluator::new(&[], facts, frame);
        let contribution = self.contribute(&mut evaluator, event);
        (contribution, evaluator.steps())
    }

    fn contribute<'a>(
        &'a self,
        evaluator: &mut Evaluator<'a>,
        event: usize,
    ) -> Result<Option<Contribution>, OverBudget> {
        if let Some(filter) = &self.filter
            && !evaluator.holds_of_event(filter, event)?
        {
            return Ok(None);
        }
        let (rank, group) = match &self.measure {
            Measure::Top { by, .. } => (evaluator.value_of_event(by, event)?, Value::Null),
            Measure::Grouped { by, .. } => (Value::Null, evaluator.value_of_event(by, event)?),
            _ => (Value::Null, Value::Null),
        };
        let values = match self.measure.argument() {
            None => SmallVec::new(),
            Some(Argument { value, spreads }) => match evaluator.value_of_event(value, event)? {
                Value::Null if *spreads => SmallVec::new(),
                Value::List(items) | Value::Set(items) if *spreads => items.iter().cloned().collect(),
                value => smallvec![value],
            },
        };
        Ok(Some(Contribution { values, rank, group }))
    }
}
