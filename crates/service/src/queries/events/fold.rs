//! Events brought down to groups: how many there are, sums, averages, extremes, how many distinct values. Exact or refused, never of a part.

use std::collections::{BTreeMap, BTreeSet};

use tessera_engine::model::Flags;
use tessera_engine::value::{Decimal, Value};
use tessera_expr::eval::ranks;

use super::EventRule;
use crate::base::error::{Error, ErrorKind};

/// Groups of one folding.
pub const GROUPS_MAX: usize = 10_000;
/// Bytes of what a folding holds: what is grouped by, extremes, and distinct values. Of a page of events, bytes of what is computed of them.
pub const GROUP_BYTES_MAX: usize = 16 << 20;

/// Which events a [`Folding`] takes in, and what of them.
#[derive(Debug, Clone)]
pub struct FoldQuery {
    /// The condition that has to hold of them; without one it is all.
    pub filter: Option<EventRule>,
    /// What is computed of each: what they are grouped by, then one value for each measure that takes one.
    pub values: Vec<EventRule>,
    /// What the reader may see.
    pub visibility: Flags,
}

/// What is computed of the events of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// How many there are. Takes no value.
    Count,
    /// For how many the value is true.
    CountIf,
    /// The sum of the values that are numbers; 0 without any.
    Sum,
    /// The mean of the values that are numbers; nothing without any.
    Average,
    /// The least of the values that are numbers or instants.
    Min,
    /// The greatest of the values that are numbers or instants.
    Max,
    /// How many distinct values there are, nothing not counted.
    DistinctCount,
}

impl Measure {
    /// Whether it looks at a value.
    #[must_use]
    pub const fn takes_value(self) -> bool {
        !matches!(self, Self::Count)
    }
}

/// What a measure has come to.
#[derive(Debug, Clone)]
enum State {
    Count(u64),
    /// The sum, and how many numbers it is of.
    Numbers(Decimal, u64),
    Extreme(Option<Value>),
    Distinct(BTreeSet<Value>),
}

/// Groups of rows, and what measures come to in each. Several walks may go into one, one after the other.
#[derive(Debug, Clone)]
pub struct Folding {
    keys: usize,
    measures: Vec<Measure>,
    groups: BTreeMap<Vec<Value>, Vec<State>>,
    bytes: usize,
}

impl Folding {
    /// By so many values, with these measures. Without values to group by there is one group, even of nothing.
    #[must_use]
    pub fn new(keys: usize, measures: Vec<Measure>) -> Self {
        let mut groups = BTreeMap::new();
        if keys == 0 {
            groups.insert(Vec::new(), measures.iter().map(|measure| State::new(*measure)).collect());
        }
        Self { keys, measures, groups, bytes: 0 }
    }

    /// Takes a row in: what it is grouped by, then one value for each measure that takes one.
    ///
    /// # Errors
    /// `LimitExceeded` with `groups_too_many`, `sum_too_large`.
    pub fn take(&mut self, mut row: Vec<Value>) -> Result<(), Error> {
        let mut values = row.split_off(self.keys.min(row.len())).into_iter();
        let states = match self.groups.get_mut(&row) {
            Some(states) => states,
            None => {
                self.bytes += row.iter().map(Value::size_bytes).sum::<usize>();
                if self.groups.len() >= GROUPS_MAX {
                    return Err(too_many());
                }
                let fresh = self.measures.iter().map(|measure| State::new(*measure)).collect();
                self.groups.entry(row).or_insert(fresh)
            }
        };
        for (measure, state) in self.measures.iter().zip(states) {
            let value = if measure.takes_value() { values.next().unwrap_or(Value::Null) } else { Value::Null };
            self.bytes += state.take(*measure, value)?;
        }
        if self.bytes > GROUP_BYTES_MAX { Err(too_many()) } else { Ok(()) }
    }

    /// The groups in the order of what they are by: those values, then what each measure came to.
    #[must_use]
    pub fn rows(self) -> Vec<Vec<Value>> {
        let measures = self.measures;
        let row = |(mut row, states): (Vec<Value>, Vec<State>)| {
            row.extend(states.into_iter().zip(&measures).map(|(state, measure)| state.value(*measure)));
            row
        };
        self.groups.into_iter().map(row).collect()
    }
}

impl State {
    fn new(measure: Measure) -> Self {
        match measure {
            Measure::Count | Measure::CountIf => Self::Count(0),
            Measure::Sum | Measure::Average => Self::Numbers(Decimal::ZERO, 0),
            Measure::Min | Measure::Max => Self::Extreme(None),
            Measure::DistinctCount => Self::Distinct(BTreeSet::new()),
        }
    }

    /// Takes a value in; answers how many bytes more it holds.
    fn take(&mut self, measure: Measure, value: Value) -> Result<usize, Error> {
        match self {
            Self::Count(count) => {
                *count += u64::from(measure == Measure::Count || value == Value::Bool(true));
                Ok(0)
            }
            Self::Numbers(sum, count) => {
                if let Value::Number(number) = value {
                    *sum = sum.checked_add(number).ok_or_else(too_large)?;
                    *count += 1;
                }
                Ok(0)
            }
            Self::Extreme(own) => {
                let is_further = |own: &Value| if measure == Measure::Min { value < *own } else { value > *own };
                if ranks(&value) && own.as_ref().is_none_or(is_further) {
                    *own = Some(value);
                }
                Ok(0)
            }
            Self::Distinct(own) => {
                let bytes = value.size_bytes();
                let is_new = value != Value::Null && own.insert(value);
                Ok(if is_new { bytes } else { 0 })
            }
        }
    }

    fn value(self, measure: Measure) -> Value {
        let count = |count: u64| Value::Number(Decimal::from_u64(count));
        match self {
            Self::Count(own) => count(own),
            Self::Numbers(sum, _) if measure == Measure::Sum => Value::Number(sum),
            Self::Numbers(sum, of) => sum.checked_div(Decimal::from_u64(of)).map_or(Value::Null, Value::Number),
            Self::Extreme(own) => own.unwrap_or(Value::Null),
            Self::Distinct(own) => count(own.len() as u64),
        }
    }
}

/// The answer where there are more groups, or more in them, than may be held.
pub(super) fn too_many() -> Error {
    let message = format!(
        "the events come to more groups or values than may be held groups_max={GROUPS_MAX} bytes_max={GROUP_BYTES_MAX}; narrow the \
         condition, or group by less"
    );
    Error::new(ErrorKind::LimitExceeded, "groups_too_many", message)
}

fn too_large() -> Error {
    Error::new(ErrorKind::LimitExceeded, "sum_too_large", "a sum is beyond about 1.7e20; narrow the condition")
}

/// The answer where an event gave no answer within the bounds of one.
pub(super) fn undecided() -> Error {
    let message = "what is asked takes more steps for one event than it may; ask for less of it";
    Error::new(ErrorKind::LimitExceeded, "fold_undecided", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: i64) -> Value {
        Value::Number(Decimal::from_i64(number))
    }

    #[test]
    fn measures_come_to_what_they_say() {
        let measures = vec![
            Measure::Count,
            Measure::CountIf,
            Measure::Sum,
            Measure::Average,
            Measure::Min,
            Measure::Max,
            Measure::DistinctCount,
        ];
        let mut folding = Folding::new(1, measures);
        for (of, amount) in [("a", number(4)), ("a", number(2)), ("a", Value::Null), ("b", Value::text("x"))] {
            let mut row = vec![Value::text(of), Value::Bool(of == "a")];
            row.extend(std::iter::repeat_n(amount, 5));
            folding.take(row).expect("there is room");
        }
        let rows = folding.rows();
        let a = [number(3), number(3), number(6), number(3), number(2), number(4), number(2)];
        let b = [number(1), number(0), number(0), Value::Null, Value::Null, Value::Null, number(1)];
        assert_eq!(rows.len(), 2);
        assert!(rows[0][1..] == a, "the first group");
        assert!(rows[1][1..] == b, "what is no number is counted and in no sum");
    }

    #[test]
    fn nothing_is_one_group_where_nothing_is_grouped_by() {
        assert!(Folding::new(0, vec![Measure::Count, Measure::Average]).rows() == [vec![number(0), Value::Null]]);
        assert!(Folding::new(1, vec![Measure::Count]).rows().is_empty());
    }

    #[test]
    fn more_than_may_be_held_is_refused() {
        let mut folding = Folding::new(1, Vec::new());
        for at in 0..GROUPS_MAX {
            folding.take(vec![number(i64::try_from(at).expect("small"))]).expect("there is room");
        }
        folding.take(vec![number(0)]).expect("it is there already");
        assert_eq!(folding.take(vec![number(-1)]).expect_err("no room").code, "groups_too_many");
        let mut folding = Folding::new(0, vec![Measure::DistinctCount]);
        let long = "x".repeat(1 << 20);
        let taken = (0..20).map(|at| folding.take(vec![Value::text(&format!("{at}{long}"))])).take_while(Result::is_ok);
        assert_eq!(taken.count(), 15, "16 MiB are the bound");
        let most = Value::Number(Decimal::from_units(i128::MAX));
        let mut folding = Folding::new(0, vec![Measure::Sum]);
        folding.take(vec![most.clone()]).expect("a sum");
        assert_eq!(folding.take(vec![most]).expect_err("too large").code, "sum_too_large");
    }
}
