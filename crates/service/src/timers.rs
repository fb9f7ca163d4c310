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
use crate::lane::{Answer, Done, Handle, Item, Origin, Shared, Work};
use crate::layout::read_timer_key;
use crate::names;
use crate::store_error::read_failed;
use crate::sweeping::bring_turn;

/// Timers taken up in one go.
const AT_ONCE: usize = 500;
/// Profiles that the lane is given in one go, so that writes of others come in between.
const SETTLED_AT_ONCE: usize = 50;
/// Times that one run goes on with those who are settled in part, before the calendar is looked at again.
const PARTS_MAX: usize = 1_000;
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
        // Where the workspace has ended, whoever begins it again looks.
        let Some(inside) = lane.gate().enter() else { return };
        let looked = look(&shared, &lane, &jobs).await;
        drop(inside);
        match looked {
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

/// Settles every profile whose timer is due by now. No timer is due before `from`. One that fails holds up no other.
pub(crate) async fn run_due(shared: &Shared, lane: &Handle, from: Timestamp) -> Result<(), Error> {
    let (mut run, mut parts) = (Run::new(from), 0);
    loop {
        let is_over = match settle_some(shared, lane, &mut run).await {
            Ok(more) => !more,
            Err(error) => {
                run.failed.get_or_insert(error);
                true
            }
        };
        let is_stopped = shared.timers.is_stopped();
        if !is_over && !is_stopped {
            continue;
        }
        let again = run.in_part.filter(|_| run.failed.is_none() && !is_stopped && parts < PARTS_MAX);
        if let Some(from) = again {
            // Some took more than a commit holds: they go on, but not for ever while the calendar waits.
            (run, parts) = (Run::new(from), parts + 1);
            continue;
        }
        if let Some(first) = run.unfinished(is_over) {
            shared.timers.set(first);
        }
        return run.failed.map_or(Ok(()), Err);
    }
}

/// A run through all timers that are due.
struct Run {
    began_at: Timestamp,
    /// No timer that it has not looked at is due before.
    from: Timestamp,
    /// Those that it looked at last.
    before: Vec<(Timestamp, NodeId)>,
    /// The first timer of somebody who is settled in part.
    in_part: Option<Timestamp>,
    /// Why somebody could not be settled.
    failed: Option<Error>,
}

impl Run {
    fn new(from: Timestamp) -> Self {
        Self { began_at: from, from, before: Vec::new(), in_part: None, failed: None }
    }

    /// The first instant at which a timer may be due that it leaves.
    fn unfinished(&self, is_over: bool) -> Option<Timestamp> {
        match self.failed {
            Some(_) => Some(self.began_at),
            None => self.in_part.into_iter().chain((!is_over).then_some(self.from)).min(),
        }
    }
}

/// Settles some of those that are due by now. Answers whether there may be more; if not, the alarm knows the next one.
async fn settle_some(shared: &Shared, lane: &Handle, run: &mut Run) -> Result<bool, Error> {
    let (store, scope) = (&*shared.components.store, Scope::new(shared.workspace));
    let now = (shared.components.clock)();
    let due = match run.from <= now {
        true => timers(store, scope.timers_between(run.from, Some(now.next())), AT_ONCE).await?,
        false => Vec::new(),
    };
    let is_again = due == run.before;
    // Of those that were looked at, whoever is settled in part still stands there.
    let [(oldest, _), ..] = &due[..] else { return none_due(store, scope, shared, run.from.max(now.next())).await };
    if is_again {
        if run.in_part.is_none() && run.failed.is_none() {
            return Err(corrupt("timer that nobody has"));
        }
        let last = due.last().map_or(run.from, |(at, _)| *at);
        run.from = last.next();
        return Ok(true);
    }
    let lag = now.micros().saturating_sub(oldest.micros());
    metrics::gauge!(names::TIMERS_LAG_SECONDS).set(lag as f64 / 1_000_000.0);
    metrics::counter!(names::TIMERS).increment(due.len() as u64);
    for some in due.chunks(SETTLED_AT_ONCE) {
        for (done, (at, _)) in settle(lane, some).await?.into_iter().zip(some) {
            match done {
                Done::InPart => run.in_part = run.in_part.into_iter().chain([*at]).min(),
                Done::Failed(error) => drop(run.failed.get_or_insert(error)),
                _ => {}
            }
        }
    }
    metrics::gauge!(names::TIMERS_LAG_SECONDS).set(0.0);
    run.from = due.last().map_or(run.from, |(at, _)| *at);
    run.before = due;
    Ok(true)
}

/// Tells the alarm of the first timer that is due from an instant on.
async fn none_due(store: &dyn Store, scope: Scope, shared: &Shared, from: Timestamp) -> Result<bool, Error> {
    if let Some((next, _)) = timers(store, scope.timers_between(from, None), 1).await?.first() {
        shared.timers.set(*next);
    }
    Ok(false)
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

/// When the first timer is due, or the calendar turns, whichever comes first.
pub(crate) async fn first_due(shared: &Shared) -> Result<Option<Timestamp>, Error> {
    let (store, scope) = (&*shared.components.store, Scope::new(shared.workspace));
    let first = timers(store, scope.timers_between(Timestamp::MIN, None), 1).await?.first().map(|(at, _)| *at);
    let configured = shared.configured().await?;
    let rules = configured.config.rules();
    let turned_at = rules.turning().turned_at.filter(|_| rules.turns());
    Ok(first.into_iter().chain(turned_at.and_then(|turned_at| rules.next_turn(turned_at))).min())
}

/// Has the lane settle the records of these profiles.
async fn settle(lane: &Handle, due: &[(Timestamp, NodeId)]) -> Result<Vec<Done>, Error> {
    let items = due.iter().map(|(_, profile)| Item::Settle(*profile, Settling::Due)).collect();
    let origin = Origin { door: "timers", key: KeyId::from_bytes([0; 12]), class: Class::Private, again: None };
    match lane.submit_own(Work::Items { items, origin, once: None }).await? {
        Answer::Items(done) => Ok(done),
        Answer::Before(_) | Answer::Configured(_) | Answer::Previewed(_) | Answer::Purged { .. } | Answer::LetIn(_) => {
            Ok(Vec::new())
        }
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
