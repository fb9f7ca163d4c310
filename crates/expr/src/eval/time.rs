//! Instants, pieces of the calendar, and until when an answer about them holds.

use super::{Evaluator, Item, Result};
use crate::ast::{Comparison, Expr, Moment, Node, Side, Unit, When, Which, Word};
use crate::calendar::{Edge, Interval, Zone, first_to_reach, is_shared, shifted, shifted_in};
use crate::plan::Window;
use crate::time::Timestamp;
use crate::value::Value;

/// How a moment goes on with the clock. It never goes back.
#[derive(Clone, Copy)]
enum Motion {
    /// It stays.
    Still,
    /// It is the clock.
    Moving,
    /// It stays until this instant and then is another, later one: a new unit of the calendar begins.
    Until(Timestamp, Unit),
}

/// When something is otherwise by itself.
#[derive(Clone, Copy)]
pub(super) struct Change {
    at: Timestamp,
    /// The unit of the calendar that rolls over then, if one does.
    unit: Option<Unit>,
}

#[derive(Clone, Copy)]
struct Anchor {
    interval: Interval,
    motion: Motion,
}

/// An end of a range: a moment, so many units away.
#[derive(Clone, Copy)]
struct Bound {
    at: Timestamp,
    is_inclusive: bool,
    amount: i64,
    unit: Unit,
    motion: Motion,
}

/// What an instant must lie between.
struct Range {
    lower: Option<Bound>,
    upper: Option<Bound>,
}

impl<'f> Evaluator<'f> {
    /// The value of a word. The clock itself is another at once; what compares with it looks closer.
    pub(super) fn word(&mut self, word: Word) -> Item<'f> {
        if word == Word::Now {
            self.until(self.now.next());
            return Item::Value(Value::Timestamp(self.now));
        }
        let anchor = self.word_anchor(word);
        if let Motion::Until(at, unit) = anchor.motion {
            self.changes(Change { at, unit: Some(unit) });
        }
        Item::Day(anchor.interval)
    }

    pub(super) fn occurs(&mut self, subject: &'f Expr, when: &'f When) -> Result<bool> {
        let subject = self.expr(subject)?;
        self.lies(&subject, when)
    }

    /// Whether an instant lies within a time. A day counts as its first instant.
    pub(super) fn lies(&mut self, subject: &Item<'f>, when: &'f When) -> Result<bool> {
        self.spend(1)?;
        let Some(at) = self.time(subject).map(|interval| interval.start) else { return Ok(false) };
        let (range, is_inverted) = match when {
            When::Distance { comparison, amount, unit, side, moment } => {
                let amount = self.expr(amount)?;
                let Some(amount) = whole(&amount) else { return Ok(false) };
                let Some(anchor) = self.anchor(moment)? else { return Ok(false) };
                (distance(*comparison, amount, *unit, *side, (anchor, self.zone)), *comparison == Comparison::NotEqual)
            }
            When::Side(Side::Before, moment) => {
                let Some(anchor) = self.anchor(moment)? else { return Ok(false) };
                (Range { lower: None, upper: Some(start(anchor, false)) }, false)
            }
            When::Side(Side::After, moment) => {
                let Some(anchor) = self.anchor(moment)? else { return Ok(false) };
                (Range { lower: Some(end(anchor, false)), upper: None }, false)
            }
            When::On(moment) => {
                let Some(anchor) = self.anchor(moment)? else { return Ok(false) };
                (Range { lower: Some(start(anchor, true)), upper: Some(end(anchor, true)) }, false)
            }
            When::Between(first, last) => {
                let (first, last) = (self.anchor(first)?, self.anchor(last)?);
                let (Some(first), Some(last)) = (first, last) else { return Ok(false) };
                (Range { lower: Some(start(first, true)), upper: Some(end(last, true)) }, false)
            }
        };
        let (is_within, change) = within(at, &range, self.now);
        if let Some(change) = change {
            self.changes(change);
        }
        Ok(is_within != is_inverted)
    }

    fn anchor(&mut self, moment: &'f Moment) -> Result<Option<Anchor>> {
        let expr = match moment {
            Moment::Calendar(which, unit) => {
                return Ok(Some(calendar(*which, *unit, self.now, self.zone)));
            }
            Moment::At(expr) => expr,
        };
        if self.is_clock(expr) {
            return Ok(Some(clock(self.now)));
        }
        if let Node::Word(word) = expr.node {
            return Ok(Some(self.word_anchor(word)));
        }
        let item = self.expr(expr)?;
        Ok(self.time(&item).map(|interval| Anchor { interval, motion: Motion::Still }))
    }

    fn word_anchor(&self, word: Word) -> Anchor {
        let which = match word {
            Word::Now => return clock(self.now),
            Word::Yesterday => Which::Last,
            Word::Today => Which::This,
            Word::Tomorrow => Which::Next,
        };
        calendar(which, Unit::Day, self.now, self.zone)
    }

    /// A number of the calendar of the evaluation, which stays until the unit is over.
    pub(super) fn current(&mut self, unit: Unit) -> Item<'f> {
        let (_, change) = Interval::calendar(Which::This, unit, self.now, self.zone);
        if let Some(at) = change {
            self.changes(Change { at, unit: Some(unit) });
        }
        self.part(self.now, unit)
    }

    /// Whole days from one instant to another. To the clock there are more of them only when one more is over.
    pub(super) fn days_until(&mut self, from: &Item<'f>, rest: &'f [Expr]) -> Result<Item<'f>> {
        const DAY: i64 = 86_400_000_000;
        let Some(from) = self.time(from).map(|interval| interval.start) else { return Ok(Item::NULL) };
        let days = |until: Timestamp| until.micros().saturating_sub(from.micros()).div_euclid(DAY);
        let Some(until) = rest.first() else { return Ok(Item::NULL) };
        if self.is_clock(until) {
            let days = days(self.now);
            self.until(from.plus_micros((days + 1).saturating_mul(DAY)));
            return Ok(Item::number(Some(days.into())));
        }
        let until = self.expr(until)?;
        Ok(self.time(&until).map_or(Item::NULL, |until| Item::number(Some(days(until.start).into()))))
    }

    /// How many groups instants make, of which no neighbours are further apart than so many minutes.
    pub(super) fn visits(&mut self, list: &Item<'f>, minutes: &Item<'f>) -> Result<Item<'f>> {
        const MINUTE: i64 = 60_000_000;
        if list.is_null() {
            return Ok(Item::NULL);
        }
        let (Some(items), Some(minutes)) = (self.items(list)?, whole(minutes)) else { return Ok(Item::NULL) };
        self.spend(items.len())?;
        let time = |item: &Item<'f>| match item {
            Item::Event(event) => Some(self.facts.event_time(*event)),
            item => self.time(item).map(|interval| interval.start),
        };
        let mut times: Vec<Timestamp> = items.iter().filter_map(time).collect();
        times.sort_unstable();
        let gap = minutes.saturating_mul(MINUTE);
        let is_new = |pair: &[Timestamp]| pair[1].micros().saturating_sub(pair[0].micros()) > gap;
        let visits = times.windows(2).filter(|pair| is_new(pair)).count() + usize::from(!times.is_empty());
        Ok(Item::number(i64::try_from(visits).ok().map(Into::into)))
    }

    /// The answer may be another from this instant on: for everybody, where a day or something longer begins.
    fn changes(&mut self, Change { at, unit }: Change) {
        if unit.is_some_and(is_shared) { self.until_rollover(at) } else { self.until(at) }
    }

    /// A number of the calendar of an instant.
    pub(super) fn part(&self, at: Timestamp, unit: Unit) -> Item<'f> {
        let day = self.zone.day(at);
        let number = match unit {
            Unit::Year => i64::from(day.year()),
            Unit::Month => i64::from(day.month()),
            _ => i64::from(day.day()),
        };
        Item::number(Some(number.into()))
    }
}

/// Whether an instant lies in a window at `now`, and the earliest instant after it at which that may be otherwise.
pub(crate) fn counts(window: Window, at: Timestamp, now: Timestamp, zone: &Zone) -> (bool, Option<Timestamp>) {
    let (counts, change) = match window {
        Window::Lifetime => (true, None),
        Window::Sliding { amount, unit, is_inclusive } => {
            let comparison = if is_inclusive { Comparison::LessEqual } else { Comparison::Less };
            within(at, &distance(comparison, amount, unit, Side::Before, (clock(now), zone)), now)
        }
        Window::Calendar(which, unit) => {
            let anchor = calendar(which, unit, now, zone);
            within(at, &Range { lower: Some(start(anchor, true)), upper: Some(end(anchor, true)) }, now)
        }
    };
    (counts, change.map(|change| change.at))
}

/// The first and the last instant that lie in a window at `now`; where the first comes after the last there are none.
pub(crate) fn reach(window: Window, now: Timestamp, zone: &Zone) -> (Timestamp, Timestamp) {
    let range = match window {
        Window::Lifetime => Range { lower: None, upper: None },
        Window::Sliding { amount, unit, is_inclusive } => {
            let comparison = if is_inclusive { Comparison::LessEqual } else { Comparison::Less };
            distance(comparison, amount, unit, Side::Before, (clock(now), zone))
        }
        Window::Calendar(which, unit) => {
            let anchor = calendar(which, unit, now, zone);
            Range { lower: Some(start(anchor, true)), upper: Some(end(anchor, true)) }
        }
    };
    let first = |bound: Bound| if bound.is_inclusive { bound.at } else { bound.at.plus_micros(1) };
    let last = |bound: Bound| if bound.is_inclusive { bound.at } else { bound.at.plus_micros(-1) };
    (range.lower.map_or(Timestamp::MIN, first), range.upper.map_or(Timestamp::MAX, last))
}

fn clock(now: Timestamp) -> Anchor {
    Anchor { interval: Interval::point(now), motion: Motion::Moving }
}

fn calendar(which: Which, unit: Unit, now: Timestamp, zone: &Zone) -> Anchor {
    let (interval, change) = Interval::calendar(which, unit, now, zone);
    Anchor { interval, motion: change.map_or(Motion::Still, |at| Motion::Until(at, unit)) }
}

/// Whether an instant lies in a range, and until when. Bounds only move forward: an instant comes in when the upper one
/// reaches it, goes out when the lower one has passed it, and never returns.
fn within(at: Timestamp, range: &Range, now: Timestamp) -> (bool, Option<Change>) {
    let is_below = range.lower.is_some_and(|lower| if lower.is_inclusive { at < lower.at } else { at <= lower.at });
    if is_below {
        return (false, None);
    }
    let is_above = range.upper.is_some_and(|upper| if upper.is_inclusive { at > upper.at } else { at >= upper.at });
    let change = if is_above {
        // It comes in when the bound is at it, or behind it.
        range.upper.and_then(|upper| reaches(upper, if upper.is_inclusive { at } else { at.next() }, now))
    } else {
        range.lower.and_then(|lower| reaches(lower, if lower.is_inclusive { at.next() } else { at }, now))
    };
    (!is_above, change)
}

/// When a bound is at an instant, or behind it.
fn reaches(bound: Bound, target: Timestamp, now: Timestamp) -> Option<Change> {
    match bound.motion {
        Motion::Still => None,
        Motion::Until(at, unit) => Some(Change { at, unit: Some(unit) }),
        Motion::Moving => {
            let at = first_to_reach(target, bound.amount, bound.unit, now)?;
            Some(Change { at, unit: None })
        }
    }
}

fn whole(item: &Item<'_>) -> Option<i64> {
    match item {
        Item::Value(Value::Number(number)) => number.to_i64().filter(|number| *number >= 0),
        _ => None,
    }
}

/// Where a moment begins.
fn start(anchor: Anchor, is_inclusive: bool) -> Bound {
    away(anchor.interval.start, 0, Unit::Millisecond, anchor.motion, is_inclusive)
}

/// Where a moment ends.
fn end(anchor: Anchor, is_inclusive: bool) -> Bound {
    away(anchor.interval.last, 0, Unit::Millisecond, anchor.motion, is_inclusive)
}

fn away(from: Timestamp, amount: i64, unit: Unit, motion: Motion, is_inclusive: bool) -> Bound {
    Bound { at: shifted(from, amount, unit), is_inclusive, amount, unit, motion }
}

/// The instants at such a distance before the start of a moment, or after its end. The instant of the evaluation itself is
/// on both sides of `now`: what happens this very moment has happened. From a day, or another piece of the calendar, days and longer units
/// are counted on the calendar of the zone; from an instant in UTC.
fn distance(comparison: Comparison, amount: i64, unit: Unit, side: Side, (anchor, zone): (Anchor, &Zone)) -> Range {
    let is_moving = matches!(anchor.motion, Motion::Moving);
    let (near, sign) = match side {
        Side::Before => (start(anchor, is_moving), -1),
        Side::After => (end(anchor, is_moving), 1),
    };
    let edge = if side == Side::Before { Edge::Start } else { Edge::Last };
    let far = |amount: i64, is_inclusive| {
        let amount = amount.saturating_mul(sign);
        if anchor.interval.is_point() {
            return Some(away(near.at, amount, unit, anchor.motion, is_inclusive));
        }
        let at = shifted_in(zone, near.at, edge, amount, unit);
        Some(Bound { at, is_inclusive, amount, unit, motion: anchor.motion })
    };
    let (near, far) = match comparison {
        Comparison::LessEqual => (Some(near), far(amount, true)),
        Comparison::Less => (Some(near), far(amount, false)),
        // The slot of one unit that begins so far away.
        Comparison::Equal | Comparison::NotEqual => (far(amount.saturating_sub(1), false), far(amount, true)),
        Comparison::Greater => (far(amount, false), None),
        Comparison::GreaterEqual => (far(amount, true), None),
    };
    match side {
        Side::Before => Range { lower: far, upper: near },
        Side::After => Range { lower: near, upper: far },
    }
}
