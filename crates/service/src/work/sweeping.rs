//! What changes for all records of a workspace: erasures of sources, and the jobs that bring such a change to them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tessera_engine::time::Timestamp;
use tessera_store::{Direction, ScanLimit};

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::{KeyId, WorkspaceId};
use crate::base::store_error::read_failed;
use crate::config::workspace::{self as workspace_config, Part, StoredConfig, erase_source};
use crate::jobs::sweeps::{BACKFILL, ERASE_SOURCE, Sweep, unbrought, wanted};
use crate::jobs::{Job, Jobs, NewJob};
use crate::stored::idempotency::{Given, Once};
use crate::stored::keys::{Family, Scope};
use crate::work::leaps::has_passed;
use crate::work::service::Service;
use crate::write::lane::{Changed, Configuring, Sweeps};

/// Bytes of the name of a dataset or batch.
const NAME_BYTES_MAX: usize = 200;

impl Service {
    /// Erases all that a dataset, or one named delivery of it, has said so far. It counts nowhere from when this answers; a job takes
    /// it out of every profile and off the store.
    ///
    /// # Errors
    /// `Invalid` with `dataset_invalid`, `dataset_reserved`; `LimitExceeded` with `erasures_full`; `Throttled` with `jobs_full`.
    pub async fn erase_source(
        &self,
        workspace: WorkspaceId,
        dataset: &str,
        batch: Option<&str>,
        once: Option<Once<Job>>,
        key: KeyId,
    ) -> Result<Given<Job>, Error> {
        let fits = |name: &str| !name.is_empty() && name.len() <= NAME_BYTES_MAX;
        if !fits(dataset) || batch.is_some_and(|batch| !fits(batch)) {
            let message = format!("the name of a dataset or batch has 1 to {NAME_BYTES_MAX} bytes");
            return Err(Error::new(ErrorKind::Invalid, "dataset_invalid", message));
        }
        let (named, of) = (dataset.to_owned(), batch.map(str::to_owned));
        let change = move |config: &StoredConfig, at| erase_source(config, &named, of.as_deref(), at);
        let once = once.map(|Once { request, render }| {
            let render = move |changed: &Changed| render(ordered(changed)?);
            Once { request, render: Arc::new(render) }
        });
        let configuring = Configuring { change: Box::new(change), sweeps: Sweeps::Ordered { by: Some(key) }, once };
        match self.submit_change(workspace, configuring).await? {
            Given::Now(changed) => Ok(Given::Now(ordered(&changed)?.clone())),
            Given::Before(reply) => Ok(Given::Before(reply)),
        }
    }

    /// Sees to it that what has not reached all records has a job that brings it, at once.
    pub(crate) async fn go_on_sweeping(&self, workspace: WorkspaceId, config: &StoredConfig) -> Result<(), Error> {
        let open = self.jobs().open(workspace).await?;
        for new in wanted(&open, config, self.is_without_rules(), None) {
            self.jobs().make(workspace, &new, None).await?;
        }
        Ok(())
    }

    /// What an earlier process has ordered, and had no time to make a job of.
    pub(crate) async fn go_on_sweeping_all(&self) -> Result<(), Error> {
        let directory = self.directory().snapshot();
        for workspace in directory.workspaces() {
            let parts = [Part::Sweeps, Part::Rules, Part::Spelling];
            let keys = parts.map(|part| Scope::new(workspace.id).config(part));
            let found = self.store().get(&keys).await.map_err(|error| read_failed(&error))?;
            let rows =
                parts.into_iter().zip(&found.value).filter_map(|(part, row)| Some((part, &*row.as_ref()?.value)));
            let mut stored = workspace_config::read(rows)?;
            if workspace_config::is_outdated(&stored) && self.has_records(workspace.id).await? {
                let change = |config: &StoredConfig, _| workspace_config::respelled(config);
                stored = StoredConfig::clone(&*self.configure_at(workspace.id, change).await?);
            }
            if stored.is_being_swept() {
                self.go_on_sweeping(workspace.id, &stored).await?;
            }
        }
        Ok(())
    }

    async fn has_records(&self, workspace: WorkspaceId) -> Result<bool, Error> {
        let records = Scope::new(workspace).all_of(Family::Cluster);
        let page = self.store().scan(&records, ScanLimit::rows(1), Direction::Forward).await;
        Ok(!page.map_err(|error| read_failed(&error))?.rows.is_empty())
    }

    /// Commits that wrote a record which the sweeps have not reached.
    pub(crate) fn stale_writes(&self, workspace: WorkspaceId) -> u64 {
        self.running(workspace).shared.stale_writes.load(Ordering::SeqCst)
    }
}

impl Sweep {
    async fn ask(self, jobs: &Jobs, workspace: WorkspaceId) -> Result<(), Error> {
        let new = NewJob { kind: self.kind.to_owned(), parameters: self.parameters, asked_by: None };
        jobs.make(workspace, &new, None).await?;
        Ok(())
    }
}

/// The job of the erasure that was ordered last.
fn ordered(changed: &Changed) -> Result<&Job, Error> {
    let job = changed.made.iter().rfind(|job| job.kind == ERASE_SOURCE);
    job.ok_or_else(|| Error::new(ErrorKind::Internal, "internal", "an erasure began without its job"))
}

/// The sweeps whose job has failed, or was never made, and since when a keeper knows that. They are asked for again after a pause,
/// so that a damaged record costs little and a cause that went away by itself needs nobody.
#[derive(Default)]
pub(crate) struct Stalled {
    since: BTreeMap<Sweep, Timestamp>,
}

/// The pause before the first job that is made again.
const PAUSE_SECS: i64 = 60;
/// The longest pause: a few failed jobs a day among those that are kept.
const PAUSE_SECS_MAX: i64 = 6 * 3_600;

impl Stalled {
    /// Asks again for whatever has waited long enough.
    ///
    /// # Errors
    /// What the store answers; `Throttled` with `jobs_full`. Then the next call tries again.
    pub(crate) async fn ask_again(
        &mut self,
        jobs: &Jobs,
        workspace: WorkspaceId,
        config: &StoredConfig,
        now: Timestamp,
    ) -> Result<(), Error> {
        let unbrought = unbrought(&jobs.open(workspace).await?, config);
        self.since.retain(|sweep, _| unbrought.contains(sweep));
        for sweep in unbrought {
            let since = *self.since.entry(sweep.clone()).or_insert(now);
            let (failed, _) = jobs.failed_of(workspace, sweep.kind, &sweep.parameters).await?;
            if !has_passed(since, pause_micros(failed), now) {
                continue;
            }
            tracing::warn!(workspace = workspace.number(), kind = sweep.kind, failed, "a sweep is asked for again");
            sweep.clone().ask(jobs, workspace).await?;
            self.since.remove(&sweep);
        }
        Ok(())
    }
}

/// How long a job that failed so many times is not asked for again: it doubles with each time.
fn pause_micros(failed: usize) -> i64 {
    let doublings = failed.saturating_sub(1).min(16);
    (PAUSE_SECS << doublings).min(PAUSE_SECS_MAX) * 1_000_000
}

/// Asks for a backfill because the calendar has rolled over, unless one is under way that brings that along, or one has failed lately.
/// Answers when to look again, if before it rolls over next.
pub(crate) async fn bring_rollover(
    jobs: &Jobs,
    workspace: WorkspaceId,
    generation: u64,
    rollover: Timestamp,
    now: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    if !jobs.open_of(workspace, BACKFILL).await?.is_empty() {
        // It began before the calendar rolled over, or brings it along; whichever it is, the next look finds out.
        return Ok(None);
    }
    let parameters = format!("{{\"generation\":{generation},\"turn\":{}}}", rollover.micros());
    let (failed, last) = jobs.failed_of(workspace, BACKFILL, &parameters).await?;
    let pause = pause_micros(failed);
    if let Some(last) = last.filter(|last| !has_passed(*last, pause, now)) {
        return Ok(Some(last.plus_micros(pause)));
    }
    Sweep { kind: BACKFILL, parameters, number: generation }.ask(jobs, workspace).await?;
    Ok(None)
}
