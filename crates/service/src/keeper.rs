//! Background work of the service: reconcilers, each bounded per run, started by a timer and by a nudge. The next run is the
//! retry.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tessera_engine::time::Timestamp;
use tokio::sync::Notify;

use crate::directory::WorkspaceId;
use crate::erasure::purge::{Purge, RECEIPTS_AT_ONCE};
use crate::error::Error;
use crate::idempotency;
use crate::jobs::NewJob;
use crate::keys::Scope;
use crate::lane::{Answer, Handle, Shared, Work};
use crate::service::{Components, Idle, Service, Workspaces};
use crate::store_error::commit_failed;
use crate::sweeping::{EXPIRE, Stalled};
use crate::timers;

/// How long a keeper rests when nothing nudges it.
const REST: Duration = Duration::from_secs(60);

/// When background work runs, and when it ends.
#[derive(Default)]
pub(crate) struct Keeper {
    nudge: Notify,
    stopped: AtomicBool,
    /// Told once, when it is stopped.
    ending: Notify,
    /// Somebody asked for the purge before its time.
    purges_now: AtomicBool,
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
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
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

/// Keeps one workspace: purges what was erased, keeps the quarantine and ended jobs within their bounds, asks again for sweeps whose
/// job has failed, forgets old answers, writes what was seen of attributes and events, also at the end. Ends the workspace when nobody uses
/// it.
pub(crate) async fn keep_workspace(keeper: Arc<Keeper>, parts: Arc<Parts>, lane: Handle, shared: Arc<Shared>) {
    let workspace = shared.workspace;
    let mut stalled = Stalled::default();
    while !keeper.is_stopped() {
        report("purge", purge(&keeper, &parts, &lane, &shared).await);
        report("quarantine", sweep_quarantine(&keeper, &parts, workspace).await);
        report("expiry", expire(&parts, &shared).await);
        report("jobs", parts.jobs.keep(workspace).await);
        parts.backups.let_go((parts.components.clock)()).await;
        report("sweeps", go_on_sweeping(&mut stalled, &parts, &shared).await);
        report("idempotency", sweep_answers(&keeper, &parts, workspace).await);
        let due = async || first_due(&keeper, &parts, &shared).await;
        let (store, scope) = (&*parts.components.store, Scope::new(workspace));
        shared.weigh();
        parts.workspaces.press(&shared);
        let rest = match parts.workspaces.end_idle(workspace, &shared, due).await {
            Ok(Idle::Ended) => {
                report("learned", shared.learned.write(store, scope).await);
                return;
            }
            Ok(Idle::Not(rest)) => rest,
            Err(error) => {
                report("end of an idle workspace", Err(error));
                None
            }
        };
        keeper.rest(rest).await;
        report("learned", shared.learned.write(store, scope).await);
    }
}

/// When something of a workspace is due that nobody asks for; the last instant of all where nothing is, and none where there is something to
/// be done now, so that it cannot end.
async fn first_due(keeper: &Keeper, parts: &Parts, shared: &Shared) -> Result<Option<Timestamp>, Error> {
    let (store, scope) = (&*parts.components.store, Scope::new(shared.workspace));
    let configured = shared.configured().await?;
    if keeper.purges_now.load(Ordering::Acquire) || configured.stored.is_being_swept() {
        return Ok(None);
    }
    shared.learned.write(store, scope).await?;
    if shared.learned.is_dirty() {
        return Ok(None);
    }
    let after = |at: Timestamp| at.plus_micros(i64::from(parts.purge_interval_secs) * 1_000_000);
    let purge =
        Purge { store, workspace: shared.workspace, config: configured.config.clone(), learned: &shared.learned };
    let purged = purge.since(&purge.waiting().await?).await?.map(after);
    let expired = last_expiry(parts, shared).await?.map(after);
    let ruled = match shared.settings.without_rules {
        true => None,
        false => timers::first_due(shared).await?,
    };
    Ok(Some([purged, expired, ruled].into_iter().flatten().min().unwrap_or(Timestamp::MAX)))
}

/// When what has ended was last taken away, where anything ever ends.
async fn last_expiry(parts: &Parts, shared: &Shared) -> Result<Option<Timestamp>, Error> {
    let configured = shared.configured().await?;
    let keeping = configured.config.keeping();
    if keeping.keeps_values() && keeping.keeps_events() {
        return Ok(None);
    }
    let last = parts.jobs.last_of(shared.workspace, EXPIRE).await?;
    Ok(Some(last.map_or(Timestamp::MIN, |job| job.created_at)))
}

/// Keeps the directory fresh where another process may change it, and forgets old answers to changes of it.
pub(crate) async fn keep_directory(keeper: Arc<Keeper>, service: std::sync::Weak<Service>) {
    while !keeper.is_stopped() {
        keeper.rest(None).await;
        let Some(service) = service.upgrade() else { return };
        report("directory", service.directory().refresh().await);
        report("directory answers", sweep_answers(&keeper, service.parts(), WorkspaceId::SYSTEM).await);
    }
}

/// What keeping a workspace takes.
pub(crate) struct Parts {
    pub(crate) quarantine: crate::quarantine::Quarantine,
    pub(crate) jobs: Arc<crate::jobs::Jobs>,
    pub(crate) backups: crate::backups::Backups,
    pub(crate) components: Components,
    pub(crate) purge_interval_secs: u32,
    pub(crate) workspaces: Arc<Workspaces>,
}

/// Removes what was erased: the events at once; the rest, and the bytes of all, when the oldest has waited long enough.
async fn purge(keeper: &Keeper, parts: &Parts, lane: &Handle, shared: &Shared) -> Result<(), Error> {
    while !keeper.is_stopped() {
        // Taken before the look at what waits: whoever asks later is seen by the next run.
        let is_asked = keeper.purges_now.swap(false, Ordering::AcqRel);
        let outcome = purge_once(keeper, parts, lane, shared, is_asked).await;
        if outcome.is_err() && is_asked {
            keeper.purges_now.store(true, Ordering::Release);
        }
        if outcome? == Purged::All {
            return Ok(());
        }
    }
    Ok(())
}

#[derive(PartialEq, Eq)]
enum Purged {
    /// All that is due.
    All,
    /// There is more.
    Some,
}

async fn purge_once(
    keeper: &Keeper,
    parts: &Parts,
    lane: &Handle,
    shared: &Shared,
    is_asked: bool,
) -> Result<Purged, Error> {
    let Components { store, clock, .. } = &parts.components;
    let config = shared.configured().await?.config.clone();
    let purge = Purge { store: &**store, workspace: shared.workspace, config, learned: &shared.learned };
    let waiting = purge.waiting().await?;
    remove_events(keeper, lane).await?;
    let Some(since) = purge.since(&waiting).await? else { return Ok(Purged::All) };
    let due = since.plus_micros(i64::from(parts.purge_interval_secs) * 1_000_000);
    if due > clock() && !is_asked {
        return Ok(Purged::All);
    }
    if keeper.unless_stopped(purge.sweep(&waiting)).await.transpose()?.is_none() {
        return Ok(Purged::All);
    }
    let Some(compacted) = keeper.unless_stopped(store.compact()).await else { return Ok(Purged::All) };
    compacted.map_err(|error| commit_failed(&error))?;
    purge.settle(&waiting, clock()).await?;
    tracing::info!(workspace = shared.workspace.number(), erasures = waiting.len(), "what was erased was purged");
    Ok(if waiting.len() < RECEIPTS_AT_ONCE { Purged::All } else { Purged::Some })
}

/// Has what has ended taken away, once in an interval, where anything ever ends.
async fn expire(parts: &Parts, shared: &Shared) -> Result<(), Error> {
    let Some(last) = last_expiry(parts, shared).await? else { return Ok(()) };
    if last.plus_micros(i64::from(parts.purge_interval_secs) * 1_000_000) > (parts.components.clock)() {
        return Ok(());
    }
    let new = NewJob { kind: EXPIRE.to_owned(), parameters: "{}".to_owned(), asked_by: None };
    parts.jobs.make(shared.workspace, &new, None).await?;
    Ok(())
}

async fn remove_events(keeper: &Keeper, lane: &Handle) -> Result<(), Error> {
    while !keeper.is_stopped() {
        match lane.submit_own(Work::Purge).await? {
            Answer::Purged { more: true } => {}
            Answer::Purged { more: false }
            | Answer::Items(_)
            | Answer::Before(_)
            | Answer::Previewed(_)
            | Answer::Configured(_)
            | Answer::LetIn(_) => {
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn sweep_quarantine(keeper: &Keeper, parts: &Parts, workspace: WorkspaceId) -> Result<(), Error> {
    while !keeper.is_stopped() && parts.quarantine.sweep(workspace).await?.more {}
    Ok(())
}

/// A sweep without a job that brings it gets another one after a while.
async fn go_on_sweeping(stalled: &mut Stalled, parts: &Parts, shared: &Shared) -> Result<(), Error> {
    let configured = shared.configured().await?;
    let now = (parts.components.clock)();
    stalled.ask_again(&parts.jobs, shared.workspace, &configured.stored, now).await
}

async fn sweep_answers(keeper: &Keeper, parts: &Parts, workspace: WorkspaceId) -> Result<(), Error> {
    let mut rest = None;
    while !keeper.is_stopped() {
        let now = (parts.components.clock)();
        rest = idempotency::sweep(&*parts.components.store, workspace, now, rest).await?.rest;
        if rest.is_none() {
            break;
        }
    }
    Ok(())
}

fn report(work: &'static str, outcome: Result<(), Error>) {
    if let Err(error) = outcome {
        tracing::warn!(work, code = error.code, "background work failed; its next run tries again");
    }
}
