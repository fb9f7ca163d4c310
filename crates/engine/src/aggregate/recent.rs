//! Events in a window, which moves with the clock: each is kept, and leaves at an instant of its own.
//!
//! A window never moves backwards. So events come into it in the order of their times, and leave it in the same order; in the list,
//! which has that order, those that count stand together.

use std::collections::VecDeque;

use tessera_expr::ast::Which;
use tessera_expr::calendar::Zone;
use tessera_expr::plan::{Aggregate, Contribution, Measure, Window};

use super::{Bounds, OutOfRange, Summary};
use crate::id::{EventId, NodeId};
use crate::time::Timestamp;
use crate::value::Value;

/// When an event happened, and which one it is: the order of the events of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// When it happened.
    pub time: Timestamp,
    /// Which one it is.
    pub id: EventId,
}

impl Moment {
    pub(super) const SIZE_BYTES: usize = 22;
}

/// An event that counts in a window, or may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place among the events.
    pub moment: Moment,
    /// What it brings.
    pub contribution: Contribution,
}

impl Entry {
    fn size_bytes(&self) -> usize {
        let Contribution { values, rank, group } = &self.contribution;
        Moment::SIZE_BYTES + 5 + values.iter().chain([rank, group]).map(Value::size_bytes).sum::<usize>()
    }
}

/// The newest events of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recent {
    entries: VecDeque<Entry>,
    lost: Option<Lost>,
    bytes: usize,
}

/// What is not kept. While none of it can count in the window, nothing is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// Of what happened at this place or before, nothing is kept.
    pub up_to: Moment,
    /// Whether reading again may find some of it that there is room for: something was removed since, or it was let go of for
    /// another reason than room.
    pub has_room: bool,
}

/// How many events a state of this aggregate keeps.
pub(super) fn entries_max(aggregate: &Aggregate, bounds: &Bounds) -> usize {
    /// The newest one decides. Others stand by for when it is removed, or lies in the future.
    const DECIDING: usize = 8;
    let newest_decides = match aggregate.measure {
        Measure::Exists | Measure::Last(_) => true,
        Measure::Count
        | Measure::Sum(_)
        | Measure::Average(_)
        | Measure::Min(_)
        | Measure::Max(_)
        | Measure::First(_)
        | Measure::MostFrequent(_)
        | Measure::DistinctCount(_)
        | Measure::UniqueList(_)
        | Measure::Top { .. }
        | Measure::Grouped { .. } => false,
    };
    let ends_now = match aggregate.window {
        Window::Sliding { .. } | Window::Calendar(Which::This, _) => true,
        Window::Lifetime | Window::Calendar(Which::Last | Which::Next, _) => false,
    };
    if newest_decides && ends_now { bounds.window_entries_max.min(DECIDING) } else { bounds.window_entries_max }
}

impl Recent {
    /// These entries, in any order, and what is not kept.
    #[must_use]
    pub fn from_entries(mut entries: Vec<Entry>, lost: Option<Lost>) -> Self {
        entries.sort_unstable_by_key(|entry| entry.moment);
        let bytes = entries.iter().map(Entry::size_bytes).sum();
        Self { entries: entries.into(), lost, bytes }
    }

    /// The entries, oldest first.
    #[must_use]
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// What is not kept, if anything.
    #[must_use]
    pub const fn lost(&self) -> Option<Lost> {
        self.lost
    }

    pub(super) fn clone_with_room(&self) -> Self {
        let mut entries = VecDeque::with_capacity(self.entries.len() + 1);
        entries.extend(self.entries.iter().cloned());
        Self { entries, lost: self.lost, bytes: self.bytes }
    }

    pub(super) fn add(&mut self, entry: Entry) {
        if self.lost.is_some_and(|lost| entry.moment <= lost.up_to) {
            return;
        }
        self.bytes += entry.size_bytes();
        let at = self.entries.partition_point(|own| own.moment < entry.moment);
        self.entries.insert(at, entry);
    }

    pub(super) fn remove(&mut self, moment: Moment) {
        if let Ok(at) = self.entries.binary_search_by_key(&moment, |own| own.moment) {
            self.bytes -= self.entries.remove(at).map_or(0, |entry| entry.size_bytes());
        }
        if let Some(lost) = &mut self.lost {
            lost.has_room = true;
        }
    }

    /// Lets the oldest go until it is within the bounds.
    pub(super) fn keep_newest(&mut self, entries_max: usize, bytes_max: usize) {
        while self.entries.len() > entries_max || self.bytes > bytes_max {
            self.drop_oldest(self.lost.is_some_and(|lost| lost.has_room));
        }
    }

    /// Lets go of what the window has left behind.
    pub(super) fn drop_past(&mut self, window: Window, now: Timestamp, zone: &Zone) {
        let past = self.entries.partition_point(|entry| Side::of(window, entry.moment, now, zone) == Side::Past);
        for _ in 0..past {
            self.drop_oldest(true);
        }
    }

    fn drop_oldest(&mut self, has_room: bool) {
        let Some(oldest) = self.entries.pop_front() else { return };
        self.bytes -= oldest.size_bytes();
        self.lost = Some(Lost { up_to: oldest.moment, has_room });
    }

    pub(super) fn size_bytes(&self) -> usize {
        const LOST: usize = Moment::SIZE_BYTES + 2;
        LOST + self.bytes
    }
}

/// Where an event stands as a window sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// It counts no more.
    Past,
    /// It counts.
    Inside,
    /// It may come to count.
    Ahead,
}

impl Side {
    fn of(window: Window, moment: Moment, now: Timestamp, zone: &Zone) -> Self {
        match window.counts(moment.time, now, zone) {
            (true, _) => Self::Inside,
            (false, Some(_)) => Self::Ahead,
            (false, None) => Self::Past,
        }
    }
}

/// The entries of a profile's nodes, as a window sees them at one instant.
pub(super) struct View<'a> {
    aggregate: &'a Aggregate,
    now: Timestamp,
    zone: &'a Zone,
    inside: Vec<&'a Entry>,
    /// The earliest that may come to count.
    ahead: Option<Moment>,
    /// What is not kept and counts, or may.
    missing: Vec<(NodeId, Lost)>,
}

impl<'a> View<'a> {
    pub(super) const fn new(aggregate: &'a Aggregate, now: Timestamp, zone: &'a Zone) -> Self {
        Self { aggregate, now, zone, inside: Vec::new(), ahead: None, missing: Vec::new() }
    }

    pub(super) fn take(&mut self, node: NodeId, recent: &'a Recent) {
        let side = |moment| Side::of(self.aggregate.window, moment, self.now, self.zone);
        let start = recent.entries.partition_point(|entry| side(entry.moment) == Side::Past);
        let end = recent.entries.partition_point(|entry| side(entry.moment) != Side::Ahead);
        // `lost.up_to` is the newest of what is not kept: when that is past, all of it is.
        let missing = recent.lost.filter(|lost| side(lost.up_to) != Side::Past);
        let ahead = recent.entries.get(end).map(|entry| entry.moment);
        self.ahead = self.ahead.into_iter().chain(ahead).min();
        self.inside.extend(recent.entries.range(start..end));
        self.missing.extend(missing.map(|lost| (node, lost)));
    }

    /// The nodes that miss something which reading again may find.
    pub(super) fn unread(&self) -> impl Iterator<Item = NodeId> {
        let missing = if self.is_short() { &self.missing[..] } else { &[] };
        missing.iter().filter(|(_, lost)| lost.has_room).map(|(node, _)| *node)
    }

    /// Whether the value may depend on what is not kept.
    pub(super) fn is_short(&self) -> bool {
        match &self.aggregate.measure {
            Measure::Exists => !self.missing.is_empty() && self.inside.is_empty(),
            Measure::Last(_) => self.missing.iter().any(|(_, lost)| self.newest().is_none_or(|own| own <= lost.up_to)),
            Measure::Count
            | Measure::Sum(_)
            | Measure::Average(_)
            | Measure::Min(_)
            | Measure::Max(_)
            | Measure::First(_)
            | Measure::MostFrequent(_)
            | Measure::DistinctCount(_)
            | Measure::UniqueList(_)
            | Measure::Top { .. }
            | Measure::Grouped { .. } => !self.missing.is_empty(),
        }
    }

    /// Adds what counts to what it comes to.
    pub(super) fn sum(&self, summary: &mut Summary) -> Result<(), OutOfRange> {
        let mut entries = self.inside.iter();
        entries.try_for_each(|entry| summary.add(&self.aggregate.measure, entry.moment, &entry.contribution))
    }

    /// When what counts comes to something else by itself, at the earliest: when one of those leaves that decide, or one comes in.
    pub(super) fn changes_at(&self, summary: &Summary) -> Option<Timestamp> {
        let measure = &self.aggregate.measure;
        let leaves = match (measure, summary) {
            // Whatever leaves before the newest, and whatever comes in, there are some.
            (Measure::Exists, _) if !self.inside.is_empty() => return self.turns(self.newest()),
            // Others may leave as they like. Of those that decide the oldest is the first to go.
            (_, Summary::Best(best)) => best.placed(measure).iter().map(|ranked| ranked.moment).min(),
            (_, Summary::Totals(_) | Summary::Values(_) | Summary::Groups(_)) => {
                self.inside.iter().map(|entry| entry.moment).min()
            }
        };
        self.turns(leaves).into_iter().chain(self.turns(self.ahead)).min()
    }

    fn newest(&self) -> Option<Moment> {
        self.inside.iter().map(|entry| entry.moment).max()
    }

    fn turns(&self, moment: Option<Moment>) -> Option<Timestamp> {
        self.aggregate.window.counts(moment?.time, self.now, self.zone).1
    }
}
