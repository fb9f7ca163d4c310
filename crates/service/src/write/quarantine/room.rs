//! How much more may come into the quarantine of a workspace before it has to be counted again: so nobody counts it while nothing is refused.

use std::sync::atomic::{AtomicI64, Ordering};

use super::shares::Amount;
use crate::directory::Class;

/// One part in so many of its bounds is what a quarantine may hold beyond them until it is swept. Less would count it more often.
const SLACK: u64 = 16;

/// The room that is left. Nothing is known at first, so the first one that is refused has it counted.
#[derive(Debug, Default)]
pub(crate) struct Room {
    private: Left,
    public: Left,
}

/// What is left of one bound.
#[derive(Debug, Default)]
struct Left {
    entries: AtomicI64,
    bytes: AtomicI64,
}

/// The room as it was at an instant, in the same order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen([[i64; 2]; 2]);

impl Room {
    /// A fact was refused, of which so many bytes are kept.
    pub(crate) fn take(&self, class: Class, bytes: u64) {
        let left = match class {
            Class::Private => &self.private,
            Class::Public => &self.public,
        };
        left.entries.fetch_sub(1, Ordering::Relaxed);
        left.bytes.fetch_sub(signed(bytes), Ordering::Relaxed);
    }

    /// Whether the bounds may be crossed.
    pub(crate) fn is_over(&self) -> bool {
        self.seen().0.iter().flatten().any(|left| *left < 0)
    }

    pub(super) fn seen(&self) -> Seen {
        Seen(
            [&self.private, &self.public]
                .map(|own| [&own.entries, &own.bytes].map(|left| left.load(Ordering::Relaxed))),
        )
    }

    /// What is held was counted after `seen`, and fits. What came since counts twice at most.
    pub(super) fn counted(&self, seen: Seen, held: [Amount; 2], bounds: [Amount; 2]) {
        for (((own, seen), held), bound) in [&self.private, &self.public].into_iter().zip(seen.0).zip(held).zip(bounds)
        {
            let left = |held: u64, bound: u64| signed(bound.saturating_add(bound / SLACK)).saturating_sub(signed(held));
            own.entries.fetch_add(left(held.entries, bound.entries) - seen[0], Ordering::Relaxed);
            own.bytes.fetch_add(left(held.bytes, bound.bytes) - seen[1], Ordering::Relaxed);
        }
    }
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_while_it_was_counted_is_not_forgotten() {
        let room = Room::default();
        assert!(!room.is_over());
        room.take(Class::Public, 5);
        assert!(room.is_over());
        let seen = room.seen();
        (0..30).for_each(|_| room.take(Class::Public, 1));
        let held = [Amount::default(), Amount { entries: 10, bytes: 100 }];
        let bounds = [Amount { entries: 16, bytes: 1_600 }; 2];
        room.counted(seen, held, bounds);
        assert!(room.is_over(), "seven more and thirty came");
        room.counted(room.seen(), held, bounds);
        (0..7).for_each(|_| room.take(Class::Public, 1));
        assert!(!room.is_over());
        room.take(Class::Private, 1_700);
        assert!(!room.is_over());
        room.take(Class::Private, 1);
        assert!(room.is_over());
    }
}
