//! The events that rank first, and how many there are behind them.

use std::cmp::Ordering;

use tessera_expr::eval::ranks;
use tessera_expr::plan::{Contribution, Measure};

use super::{Gone, Moment};
use crate::value::Value;

/// More are kept than are asked for, so that when some go the timeline need not be read.
const SPARE: usize = 3;

/// An event that ranks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranked {
    /// What it is ranked by before its moment; null where the moment alone decides.
    pub rank: Value,
    /// When it happened, and which one it is.
    pub moment: Moment,
    /// What it brings; null where that is the rank.
    pub value: Value,
}

/// The first of the events that rank.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Best {
    /// The best first. At least as many as the measure asks for, unless there are no more.
    pub first: Vec<Ranked>,
    /// How many rank behind them.
    pub behind: u64,
}

/// How many of which end of the order of ranks and moments a measure asks for.
#[derive(Debug, Clone, Copy)]
struct Places {
    amount: usize,
    is_highest: bool,
}

impl Places {
    fn of(measure: &Measure) -> Self {
        match measure {
            Measure::Min(_) | Measure::First(_) => Self { amount: 1, is_highest: false },
            // That something happened is told by the newest that did.
            Measure::Max(_) | Measure::Last(_) | Measure::Exists => Self { amount: 1, is_highest: true },
            Measure::Top { amount, is_highest, .. } => Self { amount: *amount, is_highest: *is_highest },
            Measure::Count
            | Measure::Sum(_)
            | Measure::Average(_)
            | Measure::MostFrequent(_)
            | Measure::DistinctCount(_)
            | Measure::UniqueList(_)
            | Measure::Grouped { .. } => Self { amount: 0, is_highest: false },
        }
    }

    fn kept(self) -> usize {
        self.amount.saturating_add(SPARE)
    }

    /// Less is better.
    fn compare(self, one: &Ranked, other: &Ranked) -> Ordering {
        let order = (&one.rank, one.moment).cmp(&(&other.rank, other.moment));
        if self.is_highest { order.reverse() } else { order }
    }
}

/// What an event ranks by under a measure, if it does.
fn ranked(measure: &Measure, moment: Moment, contribution: &Contribution) -> Option<Ranked> {
    let value = contribution.values.first().cloned().unwrap_or(Value::Null);
    match measure {
        Measure::Min(_) | Measure::Max(_) => {
            ranks(&value).then_some(Ranked { rank: value, moment, value: Value::Null })
        }
        Measure::First(_) | Measure::Last(_) => Some(Ranked { rank: Value::Null, moment, value }),
        Measure::Exists => Some(Ranked { rank: Value::Null, moment, value: Value::Null }),
        Measure::Top { .. } => {
            let rank = contribution.rank.clone();
            ranks(&rank).then_some(Ranked { rank, moment, value })
        }
        Measure::Count
        | Measure::Sum(_)
        | Measure::Average(_)
        | Measure::MostFrequent(_)
        | Measure::DistinctCount(_)
        | Measure::UniqueList(_)
        | Measure::Grouped { .. } => None,
    }
}

impl Best {
    pub(super) fn add(&mut self, measure: &Measure, moment: Moment, contribution: &Contribution) {
        let Some(event) = ranked(measure, moment, contribution) else { return };
        let places = Places::of(measure);
        let at = self.first.partition_point(|own| places.compare(own, &event).is_lt());
        // Behind the last that is kept there may be better ones than this.
        if at == self.first.len() && self.behind > 0 {
            self.behind += 1;
            return;
        }
        self.first.insert(at, event);
        self.keep(places);
    }

    pub(super) fn remove(
        &mut self,
        measure: &Measure,
        moment: Moment,
        contribution: &Contribution,
    ) -> Result<(), Gone> {
        let Some(event) = ranked(measure, moment, contribution) else { return Ok(()) };
        let places = Places::of(measure);
        match self.first.binary_search_by(|own| places.compare(own, &event)) {
            Ok(at) => drop(self.first.remove(at)),
            Err(_) => self.behind = self.behind.checked_sub(1).ok_or(Gone)?,
        }
        if self.is_enough(measure) { Ok(()) } else { Err(Gone) }
    }

    /// Whether those that are asked for are among those that are kept.
    pub(super) fn is_enough(&self, measure: &Measure) -> bool {
        self.behind == 0 || self.first.len() >= Places::of(measure).amount
    }

    pub(super) fn absorb(&mut self, measure: &Measure, other: &Self) {
        let places = Places::of(measure);
        self.first.extend(other.first.iter().cloned());
        self.first.sort_by(|one, other| places.compare(one, other));
        self.behind += other.behind;
        self.keep(places);
    }

    fn keep(&mut self, places: Places) {
        let behind = self.first.len().saturating_sub(places.kept());
        self.first.truncate(places.kept());
        self.behind += u64::try_from(behind).unwrap_or(u64::MAX);
    }

    /// Whether a ranking that takes too much may take less when an event comes: a better one that takes less may be in its place.
    pub(super) fn may_shrink(measure: &Measure, values_max: usize) -> bool {
        let amount = Places::of(measure).amount;
        amount > 0 && amount <= values_max
    }

    /// Those that are asked for.
    pub(super) fn placed(&self, measure: &Measure) -> &[Ranked] {
        &self.first[..self.first.len().min(Places::of(measure).amount)]
    }

    pub(super) fn size_bytes(&self) -> usize {
        const BEHIND: usize = 10;
        BEHIND + self.first.iter().map(Ranked::size_bytes).sum::<usize>()
    }
}

impl Ranked {
    pub(super) fn size_bytes(&self) -> usize {
        self.rank.size_bytes() + Moment::SIZE_BYTES + self.value.size_bytes()
    }
}
