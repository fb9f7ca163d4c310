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
use tessera_store::{Direction, ScanLimit, Store};
use tokio::sync::Notify;

use crate::codec::corrupt;
use crate::directory::KeyId;
use crate::error::Error;
use crate::jobs::{Jobs, NewJob};
use crate::keys::{Family, Scope};
use crate::lane::{Handle, Item, Origin, Shared, Work};
use crate::layout::read_timer_key;
use crate::names;
use crate::store_error::read_failed;
use crate::sweeping::BACKFILL;

/// Timers taken up in one go.
const AT_ONCE: usize = 500;
/// How long nobody looks when no timer is known to be due.
const REST: Duration = Duration::from_secs(60);
/// How long after a failure the next look is taken.
const PAUSE: Duration = Duration::from_secs(1);

/// The first instant at which a timer is due, and who waits for it.
pub(crate) struct Alarm {
    /// In microseconds.
    first: AtomicI64,
    earlier: Notify,
    stopped: AtomicBool,
}

impl Default for Alarm {
    fn default() -> Self {
        Self { first: AtomicI64::new(i64::MAX), earlier: Notify::new(), stopped: AtomicBool::new(false) }
    }
}

impl Alarm {
    /// A timer was set.
    pub(crate) fn set(&self, due: Timestamp) {
        if self.first.fetch_min(due.micros(), Ordering::AcqRel) > due.micros() {
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
}

/// Settles the profiles of a workspace when they are due, until it is stopped.
pub(crate) async fn keep_timers(shared: Arc<Shared>, lane: Handle, jobs: Arc<Jobs>) {
    while !shared.timers.is_stopped() {
        let next = async {
            let turn = turn(&shared, &jobs).await?;
            Ok(run_due(&shared, &lane).await?.into_iter().chain(turn).min())
        };
        let rest = match next.await {
            Ok(Some(next)) => {
                let now = (shared.components.clock)();
                let micros = next.micros().saturating_sub(now.micros()).max(0);
                Duration::from_micros(micros.unsigned_abs()).min(REST)
            }
            Ok(None) => REST,
            Err(error @ Error { .. }) => {
                tracing::warn!(code = error.code, "timers could not be looked at; the next look tries again");
                PAUSE
            }
        };
        drop(tokio::time::timeout(rest, shared.timers.earlier.notified()).await);
    }
}

/// Settles every profile whose timer is due by now. Answers when the next one is.
pub(crate) async fn run_due(shared: &Shared, lane: &Handle) -> Result<Option<Timestamp>, Error> {
    let store = &*shared.components.store;
    let mut before = Vec::new();
    loop {
        // Whoever sets an earlier one from here on is heard.
        shared.timers.first.store(i64::MAX, Ordering::Release);
        let now = (shared.components.clock)();
        let (due, next) = due_by(store, Scope::new(shared.workspace), now).await?;
        if let Some(next) = next {
            shared.timers.first.fetch_min(next.micros(), Ordering::AcqRel);
        }
        if due.is_empty() || shared.timers.is_stopped() {
            return Ok(next);
        }
        if due == before {
            return Err(corrupt("timer that nobody has"));
        }
        let oldest = due.iter().map(|(at, _)| *at).min().unwrap_or(now);
        let lag = now.micros().saturating_sub(oldest.micros());
        metrics::gauge!(names::TIMERS_LAG_SECONDS).set(lag as f64 / 1_000_000.0);
        metrics::counter!(names::TIMERS).increment(due.len() as u64);
        settle(lane, due.iter().map(|(_, profile)| *profile), Settling::Due).await?;
        before = due;
        metrics::gauge!(names::TIMERS_LAG_SECONDS).set(0.0);
    }
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
    // One that is under way began before it turned, or brings it along; whichever it is, the next look finds out.
    if jobs.open_of(shared.workspace, BACKFILL).await?.is_empty() {
        let parameters =
            format!("{{\"generation\":{},\"turn\":{}}}", configured.stored.rules().generation(), due.micros());
        let new = NewJob { kind: BACKFILL.to_owned(), parameters, asked_by: None };
        jobs.make(shared.workspace, &new, None).await?;
    }
    Ok(rules.next_turn(now))
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
    let origin = Origin { door: "timers", key: KeyId::from_bytes([0; 12]), again: None };
    lane.submit(Work::Items { items, origin }).await.map(drop)
}

/// The timers that are due by an instant, some of them, and when the first of the others is.
async fn due_by(
    store: &dyn Store,
    scope: Scope,
    now: Timestamp,
) -> Result<(Vec<(Timestamp, NodeId)>, Option<Timestamp>), Error> {
    let page = store.scan(&scope.all_of(Family::Timer), ScanLimit::rows(AT_ONCE), Direction::Forward).await;
    let page = page.map_err(|error| read_failed(&error))?;
    let mut due = Vec::new();
    for row in &page.rows {
        let (at, profile) = read_timer_key(&row.key).ok_or_else(|| corrupt("key of a timer"))?;
        if at > now {
            return Ok((due, Some(at)));
        }
        due.push((at, profile));
    }
    Ok((due, None))
}
