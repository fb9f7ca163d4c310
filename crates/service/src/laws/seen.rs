//! How often what was seen: a law that compared nothing proves nothing.

use std::cell::Cell;

/// How often what was seen, over all cases. A law that compared nothing proves nothing.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) reads: Cell<u32>,
    pub(super) insides: Cell<u32>,
    pub(super) changed_by_time: Cell<u32>,
    pub(super) members: Cell<u32>,
    pub(super) edited: Cell<u32>,
    pub(super) slow: Cell<u32>,
    pub(super) refused: Cell<u32>,
    pub(super) erased_events: Cell<u32>,
    pub(super) joined: Cell<u32>,
    pub(super) separated: Cell<u32>,
    pub(super) calendar: Cell<u32>,
    /// Accounts that were inside of a segment.
    pub(super) accounts: Cell<u32>,
    pub(super) nobodies: Cell<u32>,
    /// Profiles that were looked at while something of them was put off.
    pub(super) put_off: Cell<u32>,
}

pub(super) fn one_more(cell: &Cell<u32>) {
    cell.set(cell.get().saturating_add(1));
}

impl Seen {
    /// Each was seen, and often enough for so many cases.
    pub(super) fn check(&self, cases: u32) {
        let Self {
            reads,
            insides,
            changed_by_time,
            members,
            edited,
            slow,
            refused,
            erased_events,
            joined,
            separated,
            calendar,
            accounts,
            nobodies,
            put_off: _,
        } = self;
        let all = [
            ("reads", reads),
            ("reads inside of a segment", insides),
            ("memberships that time alone changed", changed_by_time),
            ("members listed", members),
            ("rules edited", edited),
            ("rules built while others wrote", slow),
            ("rules refused", refused),
            ("events erased", erased_events),
            ("profiles joined", joined),
            ("profiles separated", separated),
            ("rollovers of the calendar", calendar),
            ("accounts inside of a segment", accounts),
            ("identities that are nobody's", nobodies),
        ];
        for (what, count) in all {
            assert!(cases < 100 || count.get() >= cases / 20, "{what}: {} in {cases} cases", count.get());
        }
    }
}
