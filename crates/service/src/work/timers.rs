//! Timers: profiles whose memberships may change by themselves are settled when the instant comes.
//!
//! A profile has at most one timer, at the first such instant or before. It may fire early, and then finds the next one. A read settles a copy,
//! so it is exact however late this runs; lists, counts and the feed wait for it.

use std::sync::Arc;

use tessera_engine::decide::{Settlement, Settling};
use tessera_engine::id::NodeId;
use tessera_engine::time::Timestamp;
use tessera_store::{Direction, KeyRange, ScanLimit, Store};

use crate::base::codec::corrupt;
use crate::base::error::Error;
use crate::base::ids::KeyId;
use crate::base::names;
use crate::base::store_error::read_failed;
use crate::directory::Class;
use crate::jobs::Jobs;
use crate::stored::keys::Scope;
use crate::stored::layout::read_timer_key;
use crate::work::sweeping::bring_rollover;
use crate::write::lane::{Done, Handle, Item, Origin, Shared, Work};

/// Timers taken up in one go.
const AT_ONCE: usize = 500;
/// Profiles that the lane is given in one go, so that writes of others come in between.
const SETTLED_AT_ONCE: usize = 50;
/// Times that one run goes on with those who are settled in part, before the calendar is looked at again.
const PARTS_MAX: usize = 1_000;
/// How long nobody looks when no timer is known to be due.
const REST_MICROS: i64 = 60_000_000;

/// Settles the profiles of a workspace when they are due, until it is stopped.
pub(crate) async fn keep_timers(shared: Arc<Shared>, lane: Handle, jobs: Arc<Jobs>) {
    let (alarm, clock) = (&shared.timers, &shared.components.clock);
    while !alarm.is_stopped() {
        // Where the workspace has ended, whoever begins it again looks.
        let Some(inside) = lane.gate().enter() else { return };
        let looked = look(&shared, &lane, &jobs).await;
        drop(inside);
        match looked {
            Ok(rollover) => {
                let now = clock().micros();
                let rest = now.saturating_add(REST_MICROS).min(rollover.map_or(i64::MAX, Timestamp::micros));
                alarm.sleep(now, rest).await;
            }
            Err(error @ Error { .. }) => {
                tracing::warn!(code = error.code, "timers could not be looked at; the next look tries again");
                alarm.pause().await;
            }
        }
    }
}

/// Settles who is due, and rolls the calendar over. Answers when it rolls over next.
async fn look(shared: &Shared, lane: &Handle, jobs: &Jobs) -> Result<Option<Timestamp>, Error> {
    let alarm = &shared.timers;
    let ran = match alarm.is_due((shared.components.clock)()) {
        true => run_due(shared, lane, alarm.take()).await,
        false => Ok(()),
    };
    // Whichever fails, the other is done.
    let rollover = roll_over(shared, jobs).await;
    ran.and(rollover)
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

/// Where the calendar has rolled over, a job brings that to everybody. Answers when it rolls over next.
pub(crate) async fn roll_over(shared: &Shared, jobs: &Jobs) -> Result<Option<Timestamp>, Error> {
    let configured = shared.configured().await?;
    let rules = configured.config.rules();
    let Some(rolled_over_at) = rules.progress().rolled_over_at.filter(|_| rules.rolls_over()) else { return Ok(None) };
    let now = (shared.components.clock)();
    let Some(due) = rules.next_rollover(rolled_over_at) else { return Ok(None) };
    if due > now {
        return Ok(Some(due));
    }
    let generation = configured.stored.rules().generation();
    let again = bring_rollover(jobs, shared.workspace, generation, due, now).await?;
    Ok(again.into_iter().chain(rules.next_rollover(now)).min())
}

/// When the first timer is due, or the calendar rolls over, whichever comes first.
pub(crate) async fn first_due(shared: &Shared) -> Result<Option<Timestamp>, Error> {
    let (store, scope) = (&*shared.components.store, Scope::new(shared.workspace));
    let first = timers(store, scope.timers_between(Timestamp::MIN, None), 1).await?.first().map(|(at, _)| *at);
    let configured = shared.configured().await?;
    let rules = configured.config.rules();
    let rolled_over_at = rules.progress().rolled_over_at.filter(|_| rules.rolls_over());
    Ok(first.into_iter().chain(rolled_over_at.and_then(|rolled_over_at| rules.next_rollover(rolled_over_at))).min())
}

/// Has the lane settle the records of these profiles.
async fn settle(lane: &Handle, due: &[(Timestamp, NodeId)]) -> Result<Vec<Done>, Error> {
    let items =
        due.iter().map(|(_, profile)| Item::command(Settlement { node: *profile, settling: Settling::Due })).collect();
    let origin = Origin { door: "timers", key: KeyId::from_bytes([0; 12]), class: Class::Private, again: None };
    lane.submit_own(Work::Items { items, origin, once: None }).await?.into_items()?.now()
}
