//! What many events come to, whatever the order in which they are said.

use tessera_expr::plan::{Contribution, Measure};

use super::{Best, Bounds, Gone, Groups, Moment, OutOfRange, Ranked, Totals, Values, is_scalar};
use crate::value::{Decimal, Value};

/// What events come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Summary {
    /// Of [`Measure::Exists`], [`Measure::Count`], [`Measure::Sum`] and [`Measure::Average`].
    Totals(Totals),
    /// Of [`Measure::Min`], [`Measure::Max`], [`Measure::First`], [`Measure::Last`] and [`Measure::Top`].
    Best(Best),
    /// Of [`Measure::MostFrequent`], [`Measure::DistinctCount`] and [`Measure::UniqueList`].
    Values(Values),
    /// Of [`Measure::Grouped`].
    Groups(Groups),
}

/// Which of them a measure needs.
#[derive(PartialEq, Eq)]
enum Shape {
    Totals,
    Best,
    Values,
    Groups,
}

impl Shape {
    fn of(measure: &Measure) -> Self {
        match measure {
            Measure::Exists | Measure::Count | Measure::Sum(_) | Measure::Average(_) => Self::Totals,
            Measure::Min(_) | Measure::Max(_) | Measure::First(_) | Measure::Last(_) | Measure::Top { .. } => {
                Self::Best
            }
            Measure::MostFrequent(_) | Measure::DistinctCount(_) | Measure::UniqueList(_) => Self::Values,
            Measure::Grouped { .. } => Self::Groups,
        }
    }
}

impl Summary {
    /// Of no events.
    #[must_use]
    pub fn new(measure: &Measure) -> Self {
        match Shape::of(measure) {
            Shape::Totals => Self::Totals(Totals::default()),
            Shape::Best => Self::Best(Best::default()),
            Shape::Values => Self::Values(Values::default()),
            Shape::Groups => Self::Groups(Groups::default()),
        }
    }

    /// Whether it has the shape that a measure needs.
    pub(super) fn is_of(&self, measure: &Measure) -> bool {
        let shape = match self {
            Self::Totals(_) => Shape::Totals,
            Self::Best(_) => Shape::Best,
            Self::Values(_) => Shape::Values,
            Self::Groups(_) => Shape::Groups,
        };
        shape == Shape::of(measure)
    }

    pub(super) fn add(
        &mut self,
        measure: &Measure,
        moment: Moment,
        contribution: &Contribution,
    ) -> Result<(), OutOfRange> {
        match self {
            Self::Totals(totals) => totals.add(&contribution.values)?,
            Self::Best(best) => best.add(measure, moment, contribution),
            Self::Values(values) => counted(measure, contribution).for_each(|value| values.add(value, 1)),
            Self::Groups(groups) => groups.add(within(measure), moment, contribution)?,
        }
        Ok(())
    }

    pub(super) fn remove(
        &mut self,
        measure: &Measure,
        moment: Moment,
        contribution: &Contribution,
    ) -> Result<(), Gone> {
        match self {
            Self::Totals(totals) => totals.remove(&contribution.values),
            Self::Best(best) => best.remove(measure, moment, contribution),
            Self::Values(values) => counted(measure, contribution).try_for_each(|value| values.remove(value)),
            Self::Groups(groups) => groups.remove(within(measure), moment, contribution),
        }
    }

    /// Adds the events of another one. Both are of this measure; of two shapes nothing is added.
    pub(super) fn absorb(&mut self, measure: &Measure, other: &Self) -> Result<(), OutOfRange> {
        match (self, other) {
            (Self::Totals(own), Self::Totals(other)) => own.absorb(other)?,
            (Self::Best(own), Self::Best(other)) => own.absorb(measure, other),
            (Self::Values(own), Self::Values(other)) => own.absorb(other),
            (Self::Groups(own), Self::Groups(other)) => own.absorb(within(measure), other)?,
            (Self::Totals(_) | Self::Best(_) | Self::Values(_) | Self::Groups(_), _) => {}
        }
        Ok(())
    }

    pub(super) fn value(&self, measure: &Measure) -> Result<Value, OutOfRange> {
        let count = |count: usize| u64::try_from(count).map_or(Value::Null, number);
        Ok(match self {
            Self::Totals(totals) => match measure {
                Measure::Exists => Value::Bool(totals.events > 0),
                Measure::Sum(_) => totals.sum().map_or(Value::Null, Value::Number),
                Measure::Average(_) => totals.average().map_or(Value::Null, Value::Number),
                _ => number(totals.events),
            },
            Self::Best(best) => {
                let placed = best.placed(measure);
                let first = |of: fn(&Ranked) -> &Value| placed.first().map_or(Value::Null, |ranked| of(ranked).clone());
                match measure {
                    Measure::Top { .. } => Value::List(placed.iter().map(|ranked| ranked.value.clone()).collect()),
                    Measure::Exists => Value::Bool(!placed.is_empty()),
                    Measure::Min(_) | Measure::Max(_) => first(|ranked| &ranked.rank),
                    _ => first(|ranked| &ranked.value),
                }
            }
            Self::Values(values) => match measure {
                Measure::DistinctCount(_) => count(values.counts().len()),
                Measure::UniqueList(_) => Value::set(values.counts().keys().cloned().collect()),
                _ => values.most_frequent().cloned().unwrap_or(Value::Null),
            },
            Self::Groups(groups) => groups.value(within(measure))?,
        })
    }

    /// Whether what its events come to is within the bounds.
    pub(super) fn is_within(&self, measure: &Measure, bounds: &Bounds) -> bool {
        let (values, bytes) = match self {
            Self::Totals(_) => return true,
            Self::Best(best) => {
                let placed = best.placed(measure);
                (placed.len(), placed.iter().map(Ranked::size_bytes).sum())
            }
            Self::Values(values) => (values.counts().len(), values.size_bytes()),
            Self::Groups(groups) => (groups.values_held(), groups.bytes_held()),
        };
        values <= bounds.values_max && bytes <= bounds.bytes_max
    }

    pub(super) fn size_bytes(&self) -> usize {
        match self {
            Self::Totals(_) => Totals::SIZE_BYTES,
            Self::Best(best) => best.size_bytes(),
            Self::Values(values) => values.size_bytes(),
            Self::Groups(groups) => groups.size_bytes(),
        }
    }
}

fn number(count: u64) -> Value {
    Value::Number(Decimal::from_u64(count))
}

/// The values of an event that a measure counts.
fn counted<'a>(measure: &'a Measure, contribution: &'a Contribution) -> impl Iterator<Item = &'a Value> {
    let is_of_scalars = matches!(measure, Measure::MostFrequent(_));
    contribution.values.iter().filter(move |value| !is_of_scalars || is_scalar(value))
}

/// The measure of each group.
fn within(measure: &Measure) -> &Measure {
    match measure {
        Measure::Grouped { measure, .. } => measure,
        own => own,
    }
}
