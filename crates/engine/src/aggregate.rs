//! What a node keeps of its own events for an aggregate of a rule, so that nobody has to look at all of them again.
//!
//! A [`State`] is what one node keeps for one [`Aggregate`]. It is changed by what single events bring
//! ([`Aggregate::contribution`]), in any order, and by nothing else: the value for a profile is the [`fold`] of the states of
//! its nodes, so a merge and an unmerge change no state. What a state comes to is a function of the events that it stands for, not of
//! the order in which they came and went. Start reading at [`State`], then [`fold`].
//!
//! **Within the bounds of law 3.** A fold is the naive evaluation over *all* events of the profile. Where it cannot be that it says
//! what it [lacks](Lack), and never estimates. The evaluator itself sees no more than the newest
//! [`SCAN_EVENTS_MAX`](tessera_expr::limits::SCAN_EVENTS_MAX) events. So both are the same for profiles of at most that many events;
//! of others the fold is the better answer, that of an evaluator without the bound. [`Lack::Scan`] hands such a profile back to
//! the evaluator: who then scans fewer events than there are has to say so.
//!
//! Several bounds hold at a time ([`Bounds`]); a fold is bounded by those of its nodes together.

mod best;
mod groups;
mod recent;
mod summary;
mod totals;
mod values;

use tessera_expr::calendar::Zone;
use tessera_expr::facts::Kept;
use tessera_expr::plan::{Aggregate, Contribution, Window};

pub use best::{Best, Ranked};
pub use groups::{Group, Groups};
pub use recent::{Entry, Lost, Moment, Recent};
pub use summary::Summary;
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
    /// Events that count in a window or may still come into it. Default 1,000.
    pub window_entries_max: usize,
    /// Bytes of values, as [`State::size_bytes`] counts them. Default 64 KiB.
    pub bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { values_max: 1_000, window_entries_max: 1_000, bytes_max: 64 << 10 }
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
    /// Of events in a window, one by one: each leaves it at an instant of its own.
    Recent(Recent),
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
    /// What the states hold is too little, and reading them again would not help. The events of the profile are asked instead.
    Scan,
}

impl State {
    /// That of a node without events.
    #[must_use]
    pub fn new(aggregate: &Aggregate) -> Self {
        match aggregate.window {
            Window::Lifetime => Self::Ever(Summary::new(&aggregate.measure)),
            Window::Sliding { .. } | Window::Calendar(..) => Self::Recent(Recent::default()),
        }
    }

    /// The same anew, from everything on the node's timeline that contributes, in any order.
    #[must_use]
    pub fn rebuilt(
        aggregate: &Aggregate,
        bounds: &Bounds,
        events: impl IntoIterator<Item = (Moment, Contribution)>,
    ) -> Self {
        let mut state = Self::new(aggregate);
        let is_ranking = matches!(state, Self::Ever(Summary::Best(_)));
        // A ranking that takes too much may take less before all is said.
        let bytes_max = if is_ranking { usize::MAX } else { bounds.bytes_max };
        for (moment, contribution) in events {
            if matches!(state, Self::Overflowed | Self::OutOfRange) {
                break;
            }
            state.add(aggregate, &Bounds { bytes_max, ..*bounds }, moment, &contribution);
        }
        if matches!(&state, Self::Ever(summary) if !summary.is_within(&aggregate.measure, bounds)) {
            return Self::Overflowed;
        }
        state
    }

    /// An event of the node that the aggregate's filter takes. No event is added twice.
    pub fn add(&mut self, aggregate: &Aggregate, bounds: &Bounds, moment: Moment, contribution: &Contribution) {
        let measure = &aggregate.measure;
        match self {
            Self::Ever(summary) if summary.is_of(measure) => match summary.add(measure, moment, contribution) {
                Err(OutOfRange) => *self = Self::OutOfRange,
                Ok(()) if !summary.is_within(measure, bounds) => {
                    *self = Self::Overflowed;
                }
                Ok(()) => {}
            },
            Self::Recent(recent) if aggregate.window != Window::Lifetime => {
                recent.add(Entry { moment, contribution: contribution.clone() });
                recent.keep_newest(recent::entries_max(aggregate, bounds), bounds.bytes_max);
            }
            Self::Ever(_) | Self::Recent(_) => *self = Self::Unread,
            Self::Overflowed if Best::may_shrink(measure, bounds.values_max) => *self = Self::Unread,
            Self::Unread | Self::Overflowed | Self::OutOfRange => {}
        }
    }

    /// The same, with room for one event more.
    pub(crate) fn clone_with_room(&self) -> Self {
        match self {
            Self::Recent(recent) => Self::Recent(recent.clone_with_room()),
            own => own.clone(),
        }
    }

    /// An event that was added is there no more: erased, deleted, or at the end of its retention. It brings what it brought when
    /// it was added.
    pub fn remove(&mut self, aggregate: &Aggregate, moment: Moment, contribution: &Contribution) {
        let measure = &aggregate.measure;
        match self {
            Self::Ever(summary) if summary.is_of(measure) => {
                if summary.remove(measure, moment, contribution) == Err(Gone) {
                    *self = Self::Unread;
                }
            }
            Self::Recent(recent) if aggregate.window != Window::Lifetime => recent.remove(moment),
            Self::Ever(_) | Self::Recent(_) | Self::Unread | Self::Overflowed | Self::OutOfRange => {
                *self = Self::Unread;
            }
        }
    }

    /// Lets go of what can count no more at `now`. It changes no value: who stores the state calls it first, to store less.
    pub fn drop_past(&mut self, aggregate: &Aggregate, now: Timestamp, zone: &Zone) {
        if let Self::Recent(recent) = self {
            recent.drop_past(aggregate.window, now, zone);
        }
    }

    /// An estimate of its stored bytes, rather high.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        const KIND: usize = 2;
        KIND + match self {
            Self::Ever(summary) => summary.size_bytes(),
            Self::Recent(recent) => recent.size_bytes(),
            Self::Unread | Self::Overflowed | Self::OutOfRange => 0,
        }
    }
}

/// The value of an aggregate for a profile, from the states of its nodes. A node without a state counts as one without events.
///
/// The value holds until `changes_at` unless an event comes or goes. `now` may be any instant, and the zone another than before: what
/// was let go of for an earlier one and counts now is missed, not left out.
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
    let mut summary = Summary::new(measure);
    let mut view = recent::View::new(aggregate, now, zone);
    let (mut unread, mut overflowed, mut is_beyond) = (Vec::new(), Vec::new(), false);
    for (node, state) in states {
        match state {
            State::Ever(own) if aggregate.window == Window::Lifetime && own.is_of(measure) => {
                is_beyond |= summary.absorb(measure, own).is_err();
            }
            State::Recent(own) if aggregate.window != Window::Lifetime => view.take(node, own),
            State::Ever(_) | State::Recent(_) | State::Unread => unread.push(node),
            State::Overflowed => overflowed.push(node),
            State::OutOfRange => is_beyond = true,
        }
    }
    if !overflowed.is_empty() {
        return Err(Lack::Overflowed(overflowed));
    }
    unread.extend(view.unread());
    if !unread.is_empty() {
        return Err(Lack::Unread(unread));
    }
    is_beyond |= view.sum(&mut summary).is_err();
    if is_beyond || view.is_short() {
        return Err(Lack::Scan);
    }
    let changes_at = view.changes_at(&summary);
    Ok(Kept { value: summary.value(measure), changes_at })
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
