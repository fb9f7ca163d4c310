//! Numbers that an event adds to, and that it is taken from again.

use super::{Gone, OutOfRange};
use crate::value::{Decimal, Value};

/// How many events there are, and what their numbers come to. Gains and losses stand apart: while both are in range, so is every
/// sum of some of them, in whatever order it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// The events.
    pub events: u64,
    /// The numbers that they brought.
    pub numbers: u64,
    /// The sum of those that are not negative.
    pub gains: Decimal,
    /// The sum of those that are.
    pub losses: Decimal,
}

impl Default for Totals {
    fn default() -> Self {
        Self { events: 0, numbers: 0, gains: Decimal::ZERO, losses: Decimal::ZERO }
    }
}

impl Totals {
    pub(super) const SIZE_BYTES: usize = 58;

    pub(super) fn add(&mut self, values: &[Value]) -> Result<(), OutOfRange> {
        let mut sum = Self { events: 1, ..Self::default() };
        for number in numbers(values) {
            sum.numbers += 1;
            let side = if number < Decimal::ZERO { &mut sum.losses } else { &mut sum.gains };
            *side = side.checked_add(number).ok_or(OutOfRange)?;
        }
        self.absorb(&sum)
    }

    pub(super) fn remove(&mut self, values: &[Value]) -> Result<(), Gone> {
        let mut rest = *self;
        rest.events = rest.events.checked_sub(1).ok_or(Gone)?;
        for number in numbers(values) {
            rest.numbers = rest.numbers.checked_sub(1).ok_or(Gone)?;
            let side = if number < Decimal::ZERO { &mut rest.losses } else { &mut rest.gains };
            *side = side.checked_sub(number).ok_or(Gone)?;
        }
        *self = rest;
        Ok(())
    }

    pub(super) fn absorb(&mut self, other: &Self) -> Result<(), OutOfRange> {
        self.events += other.events;
        self.numbers += other.numbers;
        self.gains = self.gains.checked_add(other.gains).ok_or(OutOfRange)?;
        self.losses = self.losses.checked_add(other.losses).ok_or(OutOfRange)?;
        Ok(())
    }

    /// Both are in range and of different signs, so their sum is.
    pub(super) fn sum(&self) -> Option<Decimal> {
        self.gains.checked_add(self.losses)
    }

    pub(super) fn average(&self) -> Option<Decimal> {
        self.sum()?.checked_div(Decimal::from_u64(self.numbers))
    }
}

fn numbers(values: &[Value]) -> impl Iterator<Item = Decimal> {
    values.iter().filter_map(|value| if let Value::Number(number) = value { Some(*number) } else { None })
}
