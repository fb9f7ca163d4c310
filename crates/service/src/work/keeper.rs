//! Background work of the service: reconcilers, each bounded per run, started by a timer and by a nudge. The next run is the
//! retry.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tessera_engine::time::Timestamp;

use crate::base::components::Components;
use crate::base::error::Error;
use crate::base::ids::WorkspaceId;
use crate::base::keeper::Keeper;
use crate::base::store_error::commit_failed;
use crate::config::workspace::planned::begin_planned;
use crate::config::workspace::{StoredConfig, without_ended_keys};
use crate::jobs::NewJob;
use crate::jobs::sweeps::EXPIRE;
use crate::stored::idempotency;
use crate::stored::keys::Scope;
use crate::work::leaps::has_passed;
use crate::work::service::{Idle, Service, Workspaces};
use crate::work::sweeping::Stalled;
use crate::work::timers;
use crate::write::erasure::purge::{Purge, RECEIPTS_AT_ONCE};
use crate::write::feed::trim::{Trimmed, Trimmer};
use crate::write::lane::{Answer, Configuring, Handle, Shared, Sweeps, Work};
use crate::write::membership_changes;

/// Keeps one workspace: purges what was erased, begins erasures that were ordered for now, removes signing keys that have ended, keeps the quarantine and ended jobs within their bounds, asks again for sweeps whose
/// job has failed, forgets old answers, writes what was seen of attributes and events, also at the end. Ends the workspace when nobody uses
/// it.
pub(crate) async fn keep_workspace(keeper: Arc<Keeper>, parts: Arc<Parts>, lane: Handle, shared: Arc<Shared>) {
    let workspace = shared.workspace;
    let mut stalled = Stalled::default();
    let mut is_brought = false;
    while !keeper.is_stopped() {
        report("purge", purge(&keeper, &parts, &lane, &shared).await);
        report("quarantine", sweep_quarantine(&keeper, &parts, &shared).await);
        report("expiry", expire(&parts, &shared).await);
        report("ordered erasures", begin_erasures(&keeper, &parts, &lane, &shared).await);
        report("signing keys", end_signing_keys(&parts, &lane, &shared).await);
        report("jobs", parts.jobs.keep(workspace).await);
        parts.backups.let_go((parts.components.clock)()).await;
        report("sweeps", go_on_sweeping(&mut stalled, &parts, &shared).await);
        if !is_brought {
            let outcome = bring_along(&keeper, &parts, workspace).await;
            is_brought = outcome.is_ok();
            report("from before", outcome);
        }
        report("membership changes", trim_membership_changes(&keeper, &parts, &shared).await);
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
    let signed = configured.stored.signing_keys().next_end();
    let planned = configured.stored.planned().next_due();
    let ruled = match shared.settings.without_rules {
        true => None,
        false => timers::first_due(shared).await?,
    };
    Ok(Some([purged, expired, signed, planned, ruled].into_iter().flatten().min().unwrap_or(Timestamp::MAX)))
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
        report("audit log", service.keep_audit_log(&keeper).await);
    }
}

/// Keeps the feed within its bounds.
pub(crate) async fn keep_feed(keeper: Arc<Keeper>, mut trimmer: Trimmer) {
    while !keeper.is_stopped() {
        report("feed", trim_feed(&keeper, &mut trimmer).await);
        keeper.rest(None).await;
    }
}

async fn trim_feed(keeper: &Keeper, trimmer: &mut Trimmer) -> Result<(), Error> {
    while !keeper.is_stopped() && trimmer.step().await? == Trimmed::Some {}
    Ok(())
}

/// What keeping a workspace takes.
pub(crate) struct Parts {
    pub(crate) quarantine: crate::write::quarantine::Quarantine,
    pub(crate) jobs: Arc<crate::jobs::Jobs>,
    pub(crate) backups: crate::work::backups::Backups,
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
    if !has_passed(since, i64::from(parts.purge_interval_secs) * 1_000_000, clock()) && !is_asked {
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
    if !has_passed(last, i64::from(parts.purge_interval_secs) * 1_000_000, (parts.components.clock)()) {
        return Ok(());
    }
    let new = NewJob { kind: EXPIRE.to_owned(), parameters: "{}".to_owned(), asked_by: None };
    parts.jobs.make(shared.workspace, &new, None).await?;
    Ok(())
}

/// Begins the erasures that were ordered for now, one after the other, each as its orderer's.
async fn begin_erasures(keeper: &Keeper, parts: &Parts, lane: &Handle, shared: &Shared) -> Result<(), Error> {
    while !keeper.is_stopped() {
        let now = (parts.components.clock)();
        let configured = shared.configured().await?;
        let before = configured.stored.planned();
        let Some(by) = before.first_due(now).map(|own| own.by) else { return Ok(()) };
        let change = Box::new(move |config: &StoredConfig, _| begin_planned(config, now));
        let sweeps = Sweeps::Ordered { by: Some(by) };
        lane.submit_own(Work::Configure(Configuring { change, sweeps, once: None })).await?;
        // Where as many are under way as may, it waits for the next run.
        if shared.configured().await?.stored.planned() == before {
            return Ok(());
        }
    }
    Ok(())
}

/// Removes signing keys that have ended, private halves and all.
async fn end_signing_keys(parts: &Parts, lane: &Handle, shared: &Shared) -> Result<(), Error> {
    let now = (parts.components.clock)();
    if shared.configured().await?.stored.signing_keys().next_end().is_none_or(|end| end > now) {
        return Ok(());
    }
    let change = Box::new(move |config: &StoredConfig, _| without_ended_keys(config, now));
    lane.submit_own(Work::Configure(Configuring { change, sweeps: Sweeps::Left, once: None })).await?;
    Ok(())
}

async fn remove_events(keeper: &Keeper, lane: &Handle) -> Result<(), Error> {
    while !keeper.is_stopped() {
        let Answer::Purged { more: true } = lane.submit_own(Work::Purge).await? else { return Ok(()) };
    }
    Ok(())
}

async fn sweep_quarantine(keeper: &Keeper, parts: &Parts, shared: &Shared) -> Result<(), Error> {
    while !keeper.is_stopped() && shared.quarantined.is_over() {
        parts.quarantine.sweep(shared.workspace, &shared.quarantined).await?;
    }
    // Whoever was asked for something above puts away what it has in hand, before anybody looks whether it is idle.
    tokio::task::yield_now().await;
    Ok(())
}

/// A sweep without a job that brings it gets another one after a while.
async fn go_on_sweeping(stalled: &mut Stalled, parts: &Parts, shared: &Shared) -> Result<(), Error> {
    let configured = shared.configured().await?;
    let now = (parts.components.clock)();
    stalled.ask_again(&parts.jobs, shared.workspace, &configured.stored, now).await
}

/// What keepers find by rows of theirs is given these where it is from before.
async fn bring_along(keeper: &Keeper, parts: &Parts, workspace: WorkspaceId) -> Result<(), Error> {
    let store = &*parts.components.store;
    while !keeper.is_stopped() && idempotency::bring_along(store, workspace).await? {}
    while !keeper.is_stopped() && membership_changes::bring_along(store, Scope::new(workspace)).await? {}
    Ok(())
}

async fn trim_membership_changes(keeper: &Keeper, parts: &Parts, shared: &Shared) -> Result<(), Error> {
    let (Components { store, clock, .. }, scope) = (&parts.components, Scope::new(shared.workspace));
    let days_max = shared.settings.turns_days_max;
    while !keeper.is_stopped() && membership_changes::keep(&**store, scope, clock(), days_max).await? {}
    Ok(())
}

async fn sweep_answers(keeper: &Keeper, parts: &Parts, workspace: WorkspaceId) -> Result<(), Error> {
    let Components { store, clock, .. } = &parts.components;
    while !keeper.is_stopped() && idempotency::sweep(&**store, workspace, clock()).await?.more {}
    Ok(())
}

fn report(work: &'static str, outcome: Result<(), Error>) {
    if let Err(error) = outcome {
        tracing::warn!(work, code = error.code, "background work failed; its next run tries again");
    }
}
