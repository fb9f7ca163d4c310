//! Who uses what may end when nobody does. One word in memory decides both: so nobody comes in while it ends, and it does not end while
//! somebody is inside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// No more is let in.
const CLOSED: u64 = 1 << 63;
/// One more has come in, ever.
const ENTRY: u64 = 1 << 32;
/// How many are inside.
const INSIDE: u64 = ENTRY - 1;

/// The way in. Below: how many are inside. Above: how many ever came in, without the last bit, which says that it is closed.
#[derive(Debug, Default)]
pub(crate) struct Gate(AtomicU64);

/// A gate behind which nobody was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Empty(u64);

impl Gate {
    /// Goes in, unless it is closed.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Inside> {
        let one_more = |state: u64| (state & CLOSED == 0).then(|| (state + ENTRY) & !CLOSED).map(|state| state + 1);
        let entered = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        entered.is_ok().then(|| Inside(Arc::clone(self)))
    }

    /// That nobody is inside, to close it later if nobody comes.
    pub(crate) fn empty(&self) -> Option<Empty> {
        let state = self.0.load(Ordering::Acquire);
        (state & (CLOSED | INSIDE) == 0).then_some(Empty(state))
    }

    /// Closes it, if nobody has come in since it was seen to be empty.
    pub(crate) fn close(&self, Empty(state): Empty) -> bool {
        self.0.compare_exchange(state, state | CLOSED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    #[cfg(test)]
    pub(crate) fn is_closed(&self) -> bool {
        self.0.load(Ordering::Acquire) & CLOSED != 0
    }
}

/// That somebody is inside, until this is dropped.
#[derive(Debug)]
pub(crate) struct Inside(Arc<Gate>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use super::*;

    #[test]
    fn it_closes_only_while_nobody_is_inside_and_nobody_came_meanwhile() {
        let gate: Arc<Gate> = Arc::default();
        let first = gate.enter().expect("it is open");
        assert_eq!(gate.empty(), None);
        drop(first);
        let seen = gate.empty().expect("nobody is inside");
        drop(gate.enter());
        assert!(!gate.close(seen), "somebody came and went");
        let seen = gate.empty().expect("nobody is inside");
        assert!(gate.close(seen));
        assert!(gate.enter().is_none() && gate.is_closed() && gate.empty().is_none());
        // However often somebody came in, it stays open.
        let gate = Arc::new(Gate(AtomicU64::new(CLOSED - ENTRY)));
        let inside = gate.enter().expect("it is open");
        assert!(!gate.is_closed());
        drop(inside);
        assert!(gate.empty().is_some());
    }

    #[test]
    fn whoever_is_inside_is_inside_of_what_has_not_ended() {
        for _ in 0..200 {
            let (gate, inside): (Arc<Gate>, AtomicUsize) = (Arc::default(), AtomicUsize::new(0));
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        while let Some(own) = gate.enter() {
                            inside.fetch_add(1, Ordering::SeqCst);
                            assert!(!gate.is_closed());
                            inside.fetch_sub(1, Ordering::SeqCst);
                            drop(own);
                        }
                    });
                }
                scope.spawn(|| {
                    while !gate.empty().is_some_and(|seen| gate.close(seen)) {
                        thread::yield_now();
                    }
                    assert_eq!(inside.load(Ordering::SeqCst), 0);
                });
            });
        }
    }
}
