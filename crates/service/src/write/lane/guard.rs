//! A fault of ours ends nothing but what caused it.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use super::state::State;
use crate::base::error::{Error, ErrorKind};

/// That something panicked.
#[derive(Debug)]
pub(super) struct Fault;

/// Runs something to its end or to its panic. What it borrowed is then to be forgotten or read again.
pub(super) async fn guarded<F: Future>(future: F) -> Result<F::Output, Fault> {
    let mut future = pin!(future);
    poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(_) => Poll::Ready(Err(Fault)),
    })
    .await
}

/// Runs something to its end or to its panic, without waiting.
pub(super) fn guarded_now<T>(act: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|_| Fault)
}

/// What is told of a command that a fault of ours has failed.
pub(super) fn internal() -> Error {
    Error::new(ErrorKind::Internal, "internal", "a fault of ours; the operator has been told")
}

impl State {
    /// Forgets everything after a fault, and says what came of the work: nothing, unless its commit was under way.
    pub(super) fn failed_by(&mut self, _: &Fault) -> Error {
        tracing::error!(workspace = self.shared().workspace.number(), "a command failed by a fault");
        let was_sent = self.take_sent().is_some();
        self.forget();
        if was_sent {
            Error::new(ErrorKind::Unknown, "outcome_unknown", "a fault of ours; whether this happened is not known")
        } else {
            internal()
        }
    }
}

/// Faults that tests have happen.
#[cfg(test)]
pub(crate) mod test_faults {
    use std::cell::RefCell;

    thread_local! {
        static FAULTS: RefCell<Vec<(Place, String)>> = const { RefCell::new(Vec::new()) };
    }

    /// Where a fault happens.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Place {
        Prepare,
        Decide,
        Pack,
        AfterCommit,
    }

    /// From now on a fact of this id panics there, on this thread.
    pub(crate) fn set(place: Place, fact: &str) {
        FAULTS.with_borrow_mut(|faults| faults.push((place, fact.to_owned())));
    }

    /// Panics if a test wants it.
    pub(crate) fn at(place: Place, fact: &str) {
        let is_wanted = FAULTS.with_borrow(|faults| faults.iter().any(|own| *own == (place, fact.to_owned())));
        assert!(!is_wanted, "a fault that a test has happen");
    }
}
