//! When the next timer of a workspace is due, for whoever waits for it.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use tessera_engine::time::Timestamp;
use tokio::sync::Notify;

/// How long after a failure the next look is taken.
const PAUSE: Duration = Duration::from_secs(1);

/// The first instant at which a timer may be due, and who waits for it.
pub(crate) struct Alarm {
    /// In microseconds: of the timers that the last look has not settled, none is due before. While one looks, it tells of those alone that
    /// were set meanwhile. The first instant of all where nobody knows, the last where there is none.
    first: AtomicI64,
    /// Until when the waiting one sleeps, in microseconds; `i64::MIN` while it is awake and looks at `first` itself.
    sleeps_until: AtomicI64,
    earlier: Notify,
    stopped: AtomicBool,
}

impl Default for Alarm {
    fn default() -> Self {
        let (first, sleeps_until) = (AtomicI64::new(Timestamp::MIN.micros()), AtomicI64::new(i64::MIN));
        Self { first, sleeps_until, earlier: Notify::new(), stopped: AtomicBool::new(false) }
    }
}

impl Alarm {
    /// Whether a timer may be due at this instant.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.first.load(Ordering::SeqCst) <= now.micros()
    }

    /// A timer was set.
    pub(crate) fn set(&self, due: Timestamp) {
        self.first.fetch_min(due.micros(), Ordering::SeqCst);
        if due.micros() < self.sleeps_until.load(Ordering::SeqCst) {
            self.earlier.notify_one();
        }
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.earlier.notify_one();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// The clock may be another: it is looked at again at once.
    pub(crate) fn wake(&self) {
        self.earlier.notify_one();
    }

    /// A timer may have been set that nobody was told of.
    pub(crate) fn forget(&self) {
        self.set(Timestamp::MIN);
    }

    /// Takes the first instant down: whoever sets an earlier timer from here on is heard.
    pub(crate) fn take(&self) -> Timestamp {
        let first = self.first.swap(Timestamp::MAX.micros(), Ordering::SeqCst);
        Timestamp::from_micros(first).unwrap_or(Timestamp::MIN)
    }

    /// Waits until an instant, or until the first timer is due if that comes before, whenever it is set. Instants are in microseconds.
    pub(crate) async fn sleep(&self, now: i64, until: i64) {
        let until = until.min(self.first.load(Ordering::SeqCst));
        self.sleeps_until.store(until, Ordering::SeqCst);
        // One that was set before this was said has woken nobody.
        if self.first.load(Ordering::SeqCst) >= until {
            let rest = Duration::from_micros(until.saturating_sub(now).max(0).unsigned_abs());
            drop(tokio::time::timeout(rest, self.earlier.notified()).await);
        }
        self.sleeps_until.store(i64::MIN, Ordering::SeqCst);
    }

    /// Waits a while, whatever is due, unless it is stopped.
    pub(crate) async fn pause(&self) {
        drop(tokio::time::timeout(PAUSE, self.earlier.notified()).await);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll(future: Pin<&mut impl Future<Output = ()>>) -> Poll<()> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn an_alarm_is_heard_for_what_is_earlier_and_after_a_failure_for_nothing() {
        let at = |micros| Timestamp::from_micros(micros).expect("an instant");
        let alarm = Alarm::default();
        alarm.take();
        let mut sleep = pin!(alarm.sleep(0, 60_000_000));
        assert!(poll(sleep.as_mut()).is_pending());
        alarm.set(at(70_000_000));
        assert!(poll(sleep.as_mut()).is_pending(), "what is due later wakes nobody");
        alarm.set(at(30_000_000));
        assert!(poll(sleep.as_mut()).is_ready());
        // One that was set while nobody slept is due at once.
        alarm.set(at(10));
        alarm.sleep(20, 60_000_000).await;
        // However much is due, a failure is followed by a pause; only the end cuts it short.
        let mut pause = pin!(alarm.pause());
        assert!(poll(pause.as_mut()).is_pending());
        alarm.forget();
        assert!(poll(pause.as_mut()).is_pending());
        alarm.stop();
        assert!(poll(pause.as_mut()).is_ready());
    }
}
