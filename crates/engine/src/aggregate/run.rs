//! What the events in a window come to, at one instant, and how it goes on from there.
//!
//! A window never moves backwards: events come into it in the order of their times, and leave it in the same order. So what they come to
//! is kept, and changed by those that come and go; how many there are in between costs nothing.
//!
//! What is added comes with its event. What leaves is asked for ([`Source`]), and so is what comes in later than it came. Where the events that
//! rank first are all that counts, they tell themselves when they leave, and nothing is asked for until too few of them are left.

use tessera_expr::ast::Which;
use tessera_expr::calendar::Zone;
use tessera_expr::plan::{Aggregate, Contribution, Measure, Window};

use super::{Best, Bounds, Gone, Moment, OutOfRange, Summary, Tail};
use crate::rules::AggregateId;
use crate::time::Timestamp;
use crate::value::Decimal;

/// How long what holds too much stays so before it is looked at again: an hour.
const BEYOND_MICROS: i64 = 3_600_000_000;

/// What the events of a node in a window come to at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The instant.
    pub at: Timestamp,
    /// What they come to, or why that is not kept.
    pub summary: Result<Summary, Beyond>,
    /// When the first of them leaves; early perhaps, never late.
    pub leaves: Option<Timestamp>,
    /// When the first of those comes in that are ahead; early perhaps, never late.
    pub enters: Option<Timestamp>,
}

/// Why what events come to is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// It holds more than [`Bounds::values_max`] or [`Bounds::bytes_max`].
    Overflowed,
    /// Numbers of one sign come to more than a decimal holds.
    OutOfRange,
}

/// What an event of a node brings, at its place.
pub type Placed = (Moment, Contribution);

/// Some of a node's events that an aggregate takes, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Stretch {
    /// All of those that were asked for.
    pub asked: Vec<Placed>,
    /// Some of those that come after them, without a gap.
    pub then: Vec<Placed>,
    /// Behind these nothing is known: at the earliest, the next one happened then. None where there is no other.
    pub rest: Option<Timestamp>,
}

impl Stretch {
    /// When the first of those happened that come after what was asked for, at the earliest.
    fn next(&self) -> Option<Timestamp> {
        self.then.first().map(|(moment, _)| moment.time).or(self.rest)
    }
}

/// Who knows the events of a node.
pub trait Source {
    /// Those from one instant to another, both included; none if they are too many, or not known.
    fn stretch(&self, from: Timestamp, to: Timestamp) -> Option<Stretch>;
}

/// Whether the newest alone decides, in a window that nothing newer than the clock is in: then what is behind those that are kept leaves before
/// them.
fn newest_decides(aggregate: &Aggregate) -> bool {
    let ends_now = match aggregate.window {
        Window::Sliding { .. } | Window::Calendar(Which::This, _) => true,
        Window::Lifetime | Window::Calendar(Which::Last | Which::Next, _) => false,
    };
    ends_now && matches!(aggregate.measure, Measure::Exists | Measure::Last(_))
}

fn first(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

impl Run {
    /// That of no events.
    #[must_use]
    pub fn new(aggregate: &Aggregate, at: Timestamp) -> Self {
        let summary = match aggregate.measure {
            // One is enough, and the newest leaves last.
            Measure::Exists => Summary::Best(Best::default()),
            _ => Summary::new(&aggregate.measure),
        };
        Self { at, summary: Ok(summary), leaves: None, enters: None }
    }

    /// Whether it is of this measure.
    pub(super) fn is_of(&self, measure: &Measure) -> bool {
        match (&self.summary, measure) {
            (Err(_), _) | (Ok(Summary::Best(_)), Measure::Exists) => true,
            (Ok(Summary::Totals(_)), Measure::Exists) => false,
            (Ok(own), measure) => own.is_of(measure),
        }
    }

    /// The first instant after its own at which it may be another by itself. What holds too much stays so for an hour.
    #[must_use]
    pub fn changes_at(&self) -> Option<Timestamp> {
        if self.summary.is_err() {
            return Some(self.at.plus_micros(BEYOND_MICROS));
        }
        first(self.leaves, self.enters)
    }

    /// Whether it says what holds at an instant.
    #[must_use]
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.at <= now && self.changes_at().is_none_or(|at| at > now)
    }

    /// Whether what it comes to becomes nothing but less while events leave: a count, or a sum of what is not negative.
    pub(crate) fn only_falls(&self, measure: &Measure) -> bool {
        match (&self.summary, measure) {
            (Ok(Summary::Totals(_)), Measure::Count) => true,
            (Ok(Summary::Totals(own)), Measure::Sum(_)) => own.losses == Decimal::ZERO,
            _ => false,
        }
    }

    /// How many its events are, or what they come to in sum, none of which is negative.
    pub(crate) fn total(&self, is_count: bool) -> Option<Decimal> {
        match &self.summary {
            Ok(Summary::Totals(own)) if is_count => Some(Decimal::from_u64(own.events)),
            Ok(Summary::Totals(own)) => Some(own.gains),
            _ => None,
        }
    }

    /// Whether it may stay of an earlier instant although an event comes in now: what has left since would have to be read from the timeline,
    /// and what came since is all among the newest events, with room for as many again. Whoever asks for it brings it on.
    pub(crate) fn may_stay(
        &self,
        aggregate: &Aggregate,
        (now, zone): (Timestamp, &Zone),
        (tail, column, tail_events_max): (&Tail, AggregateId, usize),
    ) -> bool {
        if self.holds_at(now) || self.at > now || !matches!(&self.summary, Ok(own) if !matches!(own, Summary::Best(_)))
        {
            return false;
        }
        let (from, to) = (aggregate.window.reach(self.at, zone), aggregate.window.reach(now, zone));
        from.0 <= to.0
            && from.1 <= to.1
            && tail.covers(column, from.1.plus_micros(1))
            && !tail.covers(column, from.0)
            && tail.since(from.1) < tail_events_max / 2
    }

    /// An event of the node. No event is added twice.
    pub(super) fn add(
        &mut self,
        aggregate: &Aggregate,
        bounds: &Bounds,
        zone: &Zone,
        (moment, contribution): (Moment, &Contribution),
    ) {
        match aggregate.window.counts(moment.time, self.at, zone) {
            (true, leaves) => {
                self.put(aggregate, bounds, moment, contribution);
                self.leaves = first(self.leaves, leaves);
            }
            (false, enters) => self.enters = first(self.enters, enters),
        }
    }

    /// Adds one that counts.
    fn put(&mut self, aggregate: &Aggregate, bounds: &Bounds, moment: Moment, contribution: &Contribution) {
        let Ok(summary) = &mut self.summary else { return };
        let measure = &aggregate.measure;
        match summary.add(measure, moment, contribution) {
            Err(OutOfRange) => self.summary = Err(Beyond::OutOfRange),
            Ok(()) if !summary.is_within(measure, bounds) => self.summary = Err(Beyond::Overflowed),
            Ok(()) => {}
        }
    }

    /// An event that was added is there no more.
    pub(super) fn remove(
        &mut self,
        aggregate: &Aggregate,
        zone: &Zone,
        (moment, contribution): (Moment, &Contribution),
    ) -> Result<(), Gone> {
        if !aggregate.window.counts(moment.time, self.at, zone).0 {
            return Ok(());
        }
        match &mut self.summary {
            Ok(summary) => summary.remove(&aggregate.measure, moment, contribution),
            Err(_) => Err(Gone),
        }
    }

    /// Goes on to a later instant, or back to one before.
    ///
    /// # Errors
    /// [`Unread`] when it has to be read again: what decides is not among what is kept, or the source does not say.
    /// Then it says nothing any more.
    pub fn advance(
        &mut self,
        aggregate: &Aggregate,
        bounds: &Bounds,
        (now, zone): (Timestamp, &Zone),
        source: &dyn Source,
    ) -> Result<(), Unread> {
        if self.holds_at(now) {
            // What holds too much stays of the instant that it was read at: the hour is counted from there.
            self.at = if self.summary.is_ok() { now } else { self.at };
            return Ok(());
        }
        if self.summary.is_err() {
            return Err(Unread);
        }
        let (from, to) = (aggregate.window.reach(self.at, zone), aggregate.window.reach(now, zone));
        let going = Going { aggregate, bounds, now, zone, from, to, source };
        if self.at > now {
            return self.go_back(&going);
        }
        if to.0 < from.0 || to.1 < from.1 {
            return Err(Unread);
        }
        self.at = now;
        if self.leaves.is_some_and(|at| at <= now) {
            self.let_go(&going)?;
        }
        if self.enters.is_some_and(|at| at <= now) {
            self.let_in(&going)?;
        }
        self.refill(&going)
    }

    /// To an instant before its own: those that have left since count again, and those that came in since are ahead.
    fn go_back(&mut self, going: &Going<'_>) -> Result<(), Unread> {
        let Going { from, to, .. } = *going;
        if from.0 < to.0 || from.1 < to.1 {
            return Err(Unread);
        }
        let ahead = going.stretch(to.1.plus_micros(1), from.1)?;
        for (moment, contribution) in ahead.asked.iter().filter(|(moment, _)| moment.time >= from.0) {
            let Ok(summary) = &mut self.summary else { return Err(Unread) };
            summary.remove(&going.aggregate.measure, *moment, contribution).map_err(|Gone| Unread)?;
        }
        self.enters = first(self.enters, ahead.asked.first().and_then(|(moment, _)| going.passes(moment.time)));
        let left = going.stretch(to.0, from.0.plus_micros(-1))?;
        let counted = || left.asked.iter().filter(|(moment, _)| moment.time <= to.1);
        self.at = going.now;
        counted().for_each(|(moment, own)| self.put(going.aggregate, going.bounds, *moment, own));
        self.leaves = first(self.leaves, counted().next().and_then(|(moment, _)| going.passes(moment.time)));
        match &self.summary {
            Ok(Summary::Best(best)) => self.leaves = going.leaves_of(best),
            Ok(_) => {}
            Err(_) => return Err(Unread),
        }
        Ok(())
    }

    /// Those that counted and have left.
    fn let_go(&mut self, going: &Going<'_>) -> Result<(), Unread> {
        let Going { aggregate, from, to, .. } = *going;
        let Ok(summary) = &mut self.summary else { return Err(Unread) };
        if let Summary::Best(best) = summary {
            let all = best.first.len();
            best.first.retain(|ranked| ranked.moment.time >= to.0);
            if best.first.len() < all && newest_decides(aggregate) {
                best.behind = 0;
            }
            // Until too few are left, it is those alone that say when it is another.
            self.leaves = going.leaves_of(best);
            return Ok(());
        }
        let stretch = going.stretch(from.0, to.0.plus_micros(-1))?;
        for (moment, contribution) in stretch.asked.iter().filter(|(moment, _)| moment.time <= from.1) {
            summary.remove(&aggregate.measure, *moment, contribution).map_err(|Gone| Unread)?;
        }
        let next = stretch.next().filter(|at| *at <= from.1);
        self.leaves = next.and_then(|at| going.passes(at.max(to.0)));
        Ok(())
    }

    /// Those that were ahead and count now.
    fn let_in(&mut self, going: &Going<'_>) -> Result<(), Unread> {
        let Going { aggregate, bounds, from, to, .. } = *going;
        let stretch = going.stretch(from.1.plus_micros(1), to.1)?;
        for (moment, contribution) in stretch.asked.iter().filter(|(moment, _)| moment.time >= to.0) {
            self.put(aggregate, bounds, *moment, contribution);
            self.leaves = first(self.leaves, going.passes(moment.time));
        }
        self.enters = stretch.next().and_then(|at| going.passes(at.max(to.1.plus_micros(1))));
        Ok(())
    }

    /// Where the events that rank first have left, and others stand behind them.
    fn refill(&mut self, going: &Going<'_>) -> Result<(), Unread> {
        let Going { aggregate, to, .. } = *going;
        let Ok(Summary::Best(best)) = &mut self.summary else { return Ok(()) };
        if best.is_enough(&aggregate.measure) {
            return Ok(());
        }
        let Measure::First(_) = aggregate.measure else { return Err(Unread) };
        // The first of all that are left stand where the window begins.
        let stretch = going.stretch(to.0, to.0)?;
        let all = stretch.asked.iter().chain(&stretch.then).filter(|(moment, _)| moment.time <= to.1);
        let (known, is_whole) = (all.clone().count(), stretch.rest.is_none_or(|rest| rest > to.1));
        if known == 0 && !is_whole {
            return Err(Unread);
        }
        *best = Best::default();
        all.for_each(|(moment, contribution)| best.add(&aggregate.measure, *moment, contribution));
        best.behind += u64::from(!is_whole);
        self.leaves = going.leaves_of(best);
        Ok(())
    }

    pub(super) fn size_bytes(&self) -> usize {
        const INSTANTS: usize = 30;
        INSTANTS + self.summary.as_ref().map_or(1, Summary::size_bytes)
    }
}

/// A window on its way to another instant.
#[derive(Clone, Copy)]
struct Going<'a> {
    aggregate: &'a Aggregate,
    bounds: &'a Bounds,
    /// The instant that it goes to.
    now: Timestamp,
    zone: &'a Zone,
    /// The first and the last instant that lie in it where it comes from.
    from: (Timestamp, Timestamp),
    /// The same where it goes to.
    to: (Timestamp, Timestamp),
    source: &'a dyn Source,
}

impl Going<'_> {
    fn stretch(&self, from: Timestamp, to: Timestamp) -> Result<Stretch, Unread> {
        self.source.stretch(from, to).ok_or(Unread)
    }

    /// When what happened at an instant leaves, or comes in.
    fn passes(&self, at: Timestamp) -> Option<Timestamp> {
        self.aggregate.window.counts(at, self.now, self.zone).1
    }

    /// When the first of those that are kept leaves.
    fn leaves_of(&self, best: &Best) -> Option<Timestamp> {
        best.first.iter().filter_map(|ranked| self.passes(ranked.moment.time)).min()
    }
}

/// What is kept cannot go on by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread;

/// When what some runs come to together is another by itself, at the earliest: when one of those leaves that decide, or one comes in.
pub(super) fn changes_at(
    runs: &[&Run],
    summary: &Summary,
    aggregate: &Aggregate,
    (now, zone): (Timestamp, &Zone),
) -> Option<Timestamp> {
    let leaves_at = |moment: Moment| aggregate.window.counts(moment.time, now, zone).1;
    let enters = runs.iter().filter_map(|run| run.enters).min();
    let leaves = match summary {
        // Whatever leaves before the newest, and whatever comes in, there are some.
        Summary::Best(best) if aggregate.measure == Measure::Exists => {
            return match best.placed(&aggregate.measure).first() {
                Some(newest) => leaves_at(newest.moment),
                None => enters,
            };
        }
        // Others may leave as they like. Of those that decide the oldest is the first to go.
        Summary::Best(best) => {
            best.placed(&aggregate.measure).iter().filter_map(|ranked| leaves_at(ranked.moment)).min()
        }
        _ => runs.iter().filter_map(|run| run.leaves).min(),
    };
    first(leaves, enters)
}
