//! Background work of the service: reconcilers, each bounded per run, started by a timer and by a nudge. The next run is the
//! retry.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::directory::WorkspaceId;
use crate::error::Error;
use crate::idempotency;
use crate::lane::{Answer, Handle, Work};
use crate::service::Service;

/// How long a keeper rests when nothing nudges it.
const REST: Duration = Duration::from_secs(60);

/// When background work runs, and when it ends.
#[derive(Default)]
pub(crate) struct Keeper {
    nudge: Notify,
    stopped: AtomicBool,
}

impl Keeper {
    /// There is something to do.
    pub(crate) fn nudge(&self) {
        self.nudge.notify_one();
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.nudge.notify_one();
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    async fn rest(&self) {
        drop(tokio::time::timeout(REST, self.nudge.notified()).await);
    }
}

/// Keeps one workspace: purges what was erased, keeps the quarantine and ended jobs within their bounds, forgets old answers.
pub(crate) async fn keep_workspace(keeper: Arc<Keeper>, service: Arc<Parts>, lane: Handle, workspace: WorkspaceId) {
    while !keeper.is_stopped() {
        report("purge", purge(&keeper, &lane).await);
        report("quarantine", sweep_quarantine(&keeper, &service, workspace).await);
        report("jobs", service.jobs.keep(workspace).await);
        report("idempotency", sweep_answers(&keeper, &service, workspace).await);
        keeper.rest().await;
    }
}

/// Keeps the directory fresh where another process may change it.
pub(crate) async fn keep_directory(keeper: Arc<Keeper>, service: std::sync::Weak<Service>) {
    while !keeper.is_stopped() {
        keeper.rest().await;
        let Some(service) = service.upgrade() else { return };
        report("directory", service.directory().refresh().await);
    }
}

/// What keeping a workspace takes.
pub(crate) struct Parts {
    pub(crate) quarantine: crate::quarantine::Quarantine,
    pub(crate) jobs: Arc<crate::jobs::Jobs>,
    pub(crate) components: crate::service::Components,
}

async fn purge(keeper: &Keeper, lane: &Handle) -> Result<(), Error> {
    while !keeper.is_stopped() {
        match lane.submit(Work::Purge).await? {
            Answer::Purged { more: true } => {}
            Answer::Purged { more: false } | Answer::Items(_) | Answer::Previewed(_) | Answer::Configured(_) => {
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
