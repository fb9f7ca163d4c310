//! Timers: profiles whose memberships may change by themselves are settled when the instant comes.
//!
//! A profile has at most one timer, at the first such instant or before. It may fire early, and then finds the next one. A read settles a copy,
//! so it is exact however late this runs; lists, counts and the feed wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use tessera_engine::decide::Settling;
use tessera_engine::id::NodeId;
use tessera_engine::time::Timestamp;
use tessera_store::{Direction, KeyRange, ScanLimit, Store};
use tokio::sync::Notify;

use crate::codec::corrupt;
use crate::directory::{Class, KeyId};
use crate::error::Error;
use crate::jobs::Jobs;
use crate::keys::Scope;
use crate::lane::{Handle, Item, Origin, Shared, Work};
use crate::layout::read_timer_key;
use crate::names;
use crate::store_error::read_failed;
use crate::sweeping::bring_turn;

/// Timers taken up in one go.
const AT_ONCE: usize = 500;
/// How long nobody looks when no timer is known to be due.
const REST_MICROS: i64 = 60_000_000;
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

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// A timer may have been set that nobody was told of.
    pub(crate) fn forget(&self) {
        self.set(Timestamp::MIN);
    }

    /// Takes the first instant down: whoever sets an earlier timer from here on is heard.
    fn take(&self) -> Timestamp {
        let first = self.first.swap(Timestamp::MAX.micros(), Ordering::SeqCst);
        Timestamp::from_micros(first).unwrap_or(Timestamp::MIN)
    }

    /// Waits until an instant, or until the first timer is due if that comes before, whenever it is set. Instants are in microseconds.
    async fn sleep(&self, now: i64, until: i64) {
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
    async fn pause(&self) {
        drop(tokio::time::timeout(PAUSE, self.earlier.notified()).await);
    }
}

/// Settles the profiles of a workspace when they are due, until it is stopped.
pub(crate) async fn keep_timers(shared: Arc<Shared>, lane: Handle, jobs: Arc<Jobs>) {
    let (alarm, clock) = (&shared.timers, &shared.components.clock);
    while !alarm.is_stopped() {
        match look(&shared, &lane, &jobs).await {
            Ok(turn) => {
                let now = clock().micros();
                let rest = now.saturating_add(REST_MICROS).min(turn.map_or(i64::MAX, Timestamp::micros));
                alarm.sleep(now, rest).await;
            }
            Err(error @ Error { .. }) => {
                tracing::warn!(code = error.code, "timers could not be looked at; the next look tries again");
                alarm.pause().await;
            }
        }
    }
}

/// Settles who is due, and has the calendar turn. Answers when it turns next.
async fn look(shared: &Shared, lane: &Handle, jobs: &Jobs) -> Result<Option<Timestamp>, Error> {
    let alarm = &shared.timers;
    let ran = match alarm.first.load(Ordering::SeqCst) <= (shared.components.clock)().micros() {
        true => run_due(shared, lane, alarm.take()).await,
        false => Ok(()),
    };
    // Whichever fails, the other is done.
    let turn = turn(shared, jobs).await;
    ran.and(turn)
}

/// Settles every profile whose timer is due by now. No timer is due before `from`.
pub(crate) async fn run_due(shared: &Shared, lane: &Handle, from: Timestamp) -> Result<(), Error> {
    let (mut from, mut before) = (from, Vec::new());
    loop {
        match settle_some(shared, lane, from, &mut before).await {
            Ok(Some(last)) if !shared.timers.is_stopped() => from = last,
            Ok(None) => return Ok(()),
            unfinished => {
                shared.timers.set(from);
                return unfinished.map(drop);
            }
        }
    }
}

/// Settles some of those that are due by now, none of which is due before `from`. Answers the instant before which none is left; none when
/// nothing is due, and then the alarm knows the next one.
async fn settle_some(
    shared: &Shared,
    lane: &Handle,
    from: Timestamp,
    before: &mut Vec<(Timestamp, NodeId)>,
) -> Result<Option<Timestamp>, Error> {
    let (store, scope) = (&*shared.components.store, Scope::new(shared.workspace));
    let now = (shared.components.clock)();
    let due = match from <= now {
        true => timers(store, scope.timers_between(from, Some(now.next())), AT_ONCE).await?,
        false => Vec::new(),
    };
    let [(oldest, _), ..] = &due[..] else {
        let next = timers(store, scope.timers_between(from.max(now.next()), None), 1).await?;
        if let Some((next, _)) = next.first() {
            shared.timers.set(*next);
        }
        return Ok(None);
    };
    if due == *before {
        return Err(corrupt("timer that nobody has"));
    }
    let lag = now.micros().saturating_sub(oldest.micros());
    metrics::gauge!(names::TIMERS_LAG_SECONDS).set(lag as f64 / 1_000_000.0);
    metrics::counter!(names::TIMERS).increment(due.len() as u64);
    settle(lane, due.iter().map(|(_, profile)| *profile), Settling::Due).await?;
    metrics::gauge!(names::TIMERS_LAG_SECONDS).set(0.0);
    let last = due.last().map(|(at, _)| *at);
    *before = due;
    Ok(last)
}

/// The first timers of a range, so many of them.
async fn timers(store: &dyn Store, range: KeyRange, max: usize) -> Result<Vec<(Timestamp, NodeId)>, Error> {
    let page = store.scan(&range, ScanLimit::rows(max), Direction::Forward).await;
    let page = page.map_err(|error| read_failed(&error))?;
    page.rows.iter().map(|row| read_timer_key(&row.key).ok_or_else(|| corrupt("key of a timer"))).collect()
}

/// Where the calendar has turned, a job brings the turn to everybody. Answers when it turns next.
pub(crate) async fn turn(shared: &Shared, jobs: &Jobs) -> Result<Option<Timestamp>, Error> {
    let configured = shared.configured().await?;
    let rules = configured.config.rules();
    let Some(turned_at) = rules.turning().turned_at.filter(|_| rules.turns()) else { return Ok(None) };
    let now = (shared.components.clock)();
    let Some(due) = rules.next_turn(turned_at) else { return Ok(None) };
    if due > now {
        return Ok(Some(due));
    }
    let generation = configured.stored.rules().generation();
    let again = bring_turn(jobs, shared.workspace, generation, due, now).await?;
    Ok(again.into_iter().chain(rules.next_turn(now)).min())
}

/// Has the lane settle the records of these nodes.
pub(crate) async fn settle(
    lane: &Handle,
    nodes: impl Iterator<Item = NodeId>,
    settling: Settling,
) -> Result<(), Error> {
    let items: Vec<Item> = nodes.map(|node| Item::Settle(node, settling)).collect();
    if items.is_empty() {
        return Ok(());
    }
    let origin = Origin { door: "timers", key: KeyId::from_bytes([0; 12]), class: Class::Private, again: None };
    lane.submit(Work::Items { items, origin }).await.map(drop)
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
