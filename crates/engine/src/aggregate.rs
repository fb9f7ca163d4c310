//! What a node keeps of its own events for an aggregate of a rule, so that nobody has to look at all of them again.
//!
//! A [`State`] is what one node keeps for one [`Aggregate`]. It is changed by what single events bring
//! ([`Aggregate::contribution`]), in any order, and by nothing else: the value for a profile is the [`fold`] of the states of
//! its nodes, so a merge and an unmerge change no state. What a state comes to is a function of the events that it stands for, not of
//! the order in which they came and went. Start reading at [`State`], then [`fold`].
//!
//! **Windows.** What counts in a window is kept as what it comes to at one instant ([`Run`]), which goes on with the clock: the cost of an event
//! is its own, however many there are. What the newest events bring stands beside it, once for all windows ([`Tail`]).
//!
//! **Within the bounds of law 3.** A fold is the naive evaluation over *all* events of the profile. Where it cannot be that it says
//! what it [lacks](Lack), and never estimates. The evaluator itself sees no more than the newest
//! [`SCAN_EVENTS_MAX`](tessera_expr::limits::SCAN_EVENTS_MAX) events. So both are the same for profiles of at most that many events;
//! of others the fold is the better answer, that of an evaluator without the bound. [`Lack::Scan`] hands such a profile back to
//! the evaluator, which says so where it sees fewer events than there are.
//!
//! Several bounds hold at a time ([`Bounds`]); a fold is bounded by those of its nodes together.

mod best;
mod groups;
mod heap;
mod moment;
mod run;
mod summary;
mod tail;
mod totals;
mod values;

use tessera_expr::calendar::Zone;
use tessera_expr::facts::Kept;
use tessera_expr::plan::{Aggregate, Contribution, Window};

pub use best::{Best, Ranked};
pub use groups::{Group, Groups};
pub use moment::Moment;
pub use run::{Beyond, Placed, Run, Source, Stretch, Unread};
pub use summary::Summary;
pub use tail::{Brings, Column, Tail};
pub use totals::Totals;
pub use values::Values;

use crate::id::NodeId;
use crate::time::Timestamp;
use crate::value::Value;

/// How much one state may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Distinct values, groups and the values in them, or places of a ranking. Default 1,000.
    pub values_max: usize,
    /// Bytes of values, as [`State::size_bytes`] counts them. Default 64 KiB.
    pub bytes_max: usize,
    /// Events that the [tail](Tail) of a node holds. Default 64.
    pub tail_events_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { values_max: 1_000, bytes_max: 64 << 10, tail_events_max: 64 }
    }
}

/// What one node keeps of its own events for one aggregate.
///
/// It does not remember which aggregate it is of: whoever stores it does, and gives the same one each time.
///
/// What an event brings may depend on the time zone, where a rule reads days. Under another zone than the one that its events were
/// added under, a state is to be made [`State::Unread`] by whoever changes the zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Of events whenever they happened, their sum, so to speak.
    Ever(Summary),
    /// Of events in a window, at one instant.
    Window(Run),
    /// What decided is gone, and what decides now is on the timeline alone. It is [rebuilt](State::rebuilt) from there.
    Unread,
    /// It holds more than [`Bounds::values_max`] or [`Bounds::bytes_max`]. When something is removed, or
    /// comes and may take the place of something larger, it has to be read again.
    Overflowed,
    /// Numbers of one sign come to more than a decimal holds; the evaluator says what that is. When something is removed it
    /// has to be read again.
    OutOfRange,
}

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// These nodes hold more values than a state may. The aggregate is shown as overflowed.
    Overflowed(Vec<NodeId>),
    /// The states of these nodes are to be [rebuilt](State::rebuilt) from their timelines first.
    Unread(Vec<NodeId>),
    /// Those of these nodes are to be [advanced](Run::advance) first.
    Behind(Vec<NodeId>),
    /// What the states hold is too little, and reading them again would not help. The events of the profile are asked instead.
    Scan,
}

impl State {
    /// That of a node without events; of a window at an instant.
    #[must_use]
    pub fn new(aggregate: &Aggregate, at: Timestamp) -> Self {
        match aggregate.window {
            Window::Lifetime => Self::Ever(Summary::new(&aggregate.measure)),
            Window::Sliding { .. } | Window::Calendar(..) => Self::Window(Run::new(aggregate, at)),
        }
    }

    /// The same anew, from everything on the node's timeline that contributes, in any order.
    #[must_use]
    pub fn rebuilt(
        aggregate: &Aggregate,
        bounds: &Bounds,
        (at, zone): (Timestamp, &Zone),
        events: impl IntoIterator<Item = (Moment, Contribution)>,
    ) -> Self {
        let mut state = Self::new(aggregate, at);
        let is_ranking = matches!(state, Self::Ever(Summary::Best(_)));
        // A ranking that takes too much may take less before all is said.
        let bytes_max = if is_ranking { usize::MAX } else { bounds.bytes_max };
        for (moment, contribution) in events {
            if matches!(state, Self::Overflowed | Self::OutOfRange) {
                break;
            }
            state.add(aggregate, &Bounds { bytes_max, ..*bounds }, zone, (moment, &contribution));
        }
        if matches!(&state, Self::Ever(summary) if !summary.is_within(&aggregate.measure, bounds)) {
            return Self::Overflowed;
        }
        state
    }

    /// An event of the node that the aggregate's filter takes. No event is added twice.
    pub fn add(
        &mut self,
        aggregate: &Aggregate,
        bounds: &Bounds,
        zone: &Zone,
        (moment, contribution): (Moment, &Contribution),
    ) {
        let measure = &aggregate.measure;
        match self {
            Self::Ever(summary) if summary.is_of(measure) => match summary.add(measure, moment, contribution) {
                Err(OutOfRange) => *self = Self::OutOfRange,
                Ok(()) if !summary.is_within(measure, bounds) => {
                    *self = Self::Overflowed;
                }
                Ok(()) => {}
            },
            Self::Window(run) if aggregate.window != Window::Lifetime && run.is_of(measure) => {
                run.add(aggregate, bounds, zone, (moment, contribution));
            }
            Self::Ever(_) | Self::Window(_) => *self = Self::Unread,
            Self::Overflowed if Best::may_shrink(measure, bounds.values_max) => *self = Self::Unread,
            Self::Unread | Self::Overflowed | Self::OutOfRange => {}
        }
    }

    /// An event that was added is there no more: erased, deleted, or at the end of its retention. It brings what it brought when
    /// it was added.
    pub fn remove(&mut self, aggregate: &Aggregate, zone: &Zone, (moment, contribution): (Moment, &Contribution)) {
        let measure = &aggregate.measure;
        let is_done = match self {
            Self::Ever(summary) if summary.is_of(measure) => summary.remove(measure, moment, contribution).is_ok(),
            Self::Window(run) if aggregate.window != Window::Lifetime && run.is_of(measure) => {
                run.remove(aggregate, zone, (moment, contribution)).is_ok()
            }
            Self::Ever(_) | Self::Window(_) | Self::Unread | Self::Overflowed | Self::OutOfRange => false,
        };
        if !is_done {
            *self = Self::Unread;
        }
    }

    /// Goes on to an instant; what is not of a window holds at any.
    ///
    /// # Errors
    /// [`Unread`] when it has to be read again. Then it is [`State::Unread`].
    pub fn advance(
        &mut self,
        aggregate: &Aggregate,
        bounds: &Bounds,
        at: (Timestamp, &Zone),
        source: &dyn Source,
    ) -> Result<(), Unread> {
        let Self::Window(run) = self else { return Ok(()) };
        let result = run.advance(aggregate, bounds, at, source);
        if result.is_err() {
            *self = Self::Unread;
        }
        result
    }

    /// Whether it says what holds at an instant.
    #[must_use]
    pub fn holds_at(&self, now: Timestamp) -> bool {
        match self {
            Self::Window(run) => run.holds_at(now),
            Self::Ever(_) | Self::Unread | Self::Overflowed | Self::OutOfRange => true,
        }
    }

    /// An estimate of its stored bytes, rather high.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        const KIND: usize = 2;
        KIND + match self {
            Self::Ever(summary) => summary.size_bytes(),
            Self::Window(run) => run.size_bytes(),
            Self::Unread | Self::Overflowed | Self::OutOfRange => 0,
        }
    }
}

/// The value of an aggregate for a profile, from the states of its nodes. A node without a state counts as one without events.
///
/// The value holds until `changes_at` unless an event comes or goes. `now` may be any instant at which all states of windows hold.
///
/// # Errors
/// [`Lack`] when the states do not say.
pub fn fold<'a>(
    states: impl IntoIterator<Item = (NodeId, &'a State)>,
    aggregate: &Aggregate,
    now: Timestamp,
    zone: &Zone,
) -> Result<Kept, Lack> {
    let measure = &aggregate.measure;
    let is_window = aggregate.window != Window::Lifetime;
    let none = if is_window { Run::new(aggregate, now).summary } else { Ok(Summary::new(measure)) };
    let mut summary = none.unwrap_or_else(|_| Summary::new(measure));
    let (mut unread, mut behind, mut overflowed) = (Vec::new(), Vec::new(), Vec::new());
    let (mut runs, mut is_beyond) = (Vec::new(), false);
    for (node, state) in states {
        match state {
            State::Ever(own) if !is_window && own.is_of(measure) => {
                is_beyond |= summary.absorb(measure, own).is_err();
            }
            State::Window(run) if is_window && run.is_of(measure) => match &run.summary {
                _ if !run.holds_at(now) => behind.push(node),
                Ok(own) => {
                    is_beyond |= summary.absorb(measure, own).is_err();
                    runs.push(run);
                }
                Err(Beyond::Overflowed) => overflowed.push(node),
                Err(Beyond::OutOfRange) => is_beyond = true,
            },
            State::Ever(_) | State::Window(_) | State::Unread => unread.push(node),
            State::Overflowed => overflowed.push(node),
            State::OutOfRange => is_beyond = true,
        }
    }
    if !overflowed.is_empty() {
        return Err(Lack::Overflowed(overflowed));
    }
    if !unread.is_empty() {
        return Err(Lack::Unread(unread));
    }
    if !behind.is_empty() {
        return Err(Lack::Behind(behind));
    }
    if is_beyond {
        return Err(Lack::Scan);
    }
    let changes_at = if is_window { run::changes_at(&runs, &summary, aggregate, (now, zone)) } else { None };
    Ok(Kept { value: summary.value(measure).map_err(|OutOfRange| Lack::Scan)?, changes_at })
}

/// The sum of numbers of one sign is beyond what a decimal holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OutOfRange;

/// What decides is not among what is kept, or what was to be removed was never added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gone;

/// What is counted by its value, ordered by it, or names a group.
fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Timestamp(_))
}
