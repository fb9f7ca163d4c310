//! When background work runs: by itself after a while, and at once when it is nudged.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// How long a keeper rests when nothing nudges it.
pub(crate) const REST: Duration = Duration::from_secs(60);

/// When background work runs, and when it ends.
#[derive(Default)]
pub(crate) struct Keeper {
    pub(crate) nudge: Notify,
    stopped: AtomicBool,
    /// Told once, when it is stopped.
    ending: Notify,
    /// Somebody asked for the purge before its time.
    pub(crate) purges_now: AtomicBool,
}

impl Keeper {
    /// There is something to do.
    pub(crate) fn nudge(&self) {
        self.nudge.notify_one();
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.ending.notify_one();
        self.nudge.notify_one();
    }

    /// What was erased is to be purged now.
    pub(crate) fn purge_soon(&self) {
        self.purges_now.store(true, Ordering::Release);
        self.nudge();
    }

    /// Waits for work that may be long, unless it is stopped first.
    pub(crate) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.ending.notified() => None,
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Rests until it is nudged, and no longer than this.
    pub(crate) async fn rest(&self, most: Option<Duration>) {
        let rest = most.map_or(REST, |most| most.min(REST));
        drop(tokio::time::timeout(rest, self.nudge.notified()).await);
    }
}
