//! Jobs: long work of a workspace that can be watched, paused, resumed and cancelled, and that outlives its process.
//!
//! A job is a row. Its kind says what one *step* does: a bounded piece of work from a checkpoint to the next. A worker takes the
//! job up, does step after step, and writes the checkpoint after each. What people wish of a job is written into the same row
//! and happens between two steps. When a process ends, the next one takes up what it left, from the last checkpoint.
//!
//! Invariants:
//! - one worker per job: taking it up counts the job's epoch on, and only the worker of the last epoch may write. Every change
//!   asserts the version of the row that it was decided on (decision 0009 says why the store's fences are not used);
//! - a step may be done twice, never left out;
//! - all changes of a job's state stand in [`Job::steer`](job::Job), `take` and `advance`, which are pure.
//!
//! # To add a kind
//!
//! 1. A file in `work/kinds/` with a type that implements [`Kind`](crate::work::kind::Kind): its name, its parameters, its checkpoint, its step. A step
//!    reads the store by `Context::store` and writes what a lane owns through `Context::submit`; `check.rs` is an
//!    example. It has to be without harm when it is done again.
//! 2. A line in `work/kinds.rs`.
//! 3. If a path of its own makes its jobs: `MADE_BY`, and in the service a call of [`Jobs::make`], or [`Jobs::draft`] where the job
//!    has to begin with a commit that does something else too, as the lane's `configure` does.
//! 4. A line in the table of `crates/server/tests/jobs.rs`: killed in the middle, it must end right.
//! 5. Golden files for its checkpoint; its codes in `crates/seam/src/codes.rs`; a sentence in `changes/`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tessera_engine::id::Ids;
use tessera_engine::time::Timestamp;
use tessera_store::{Commit, CommitError};
use tokio::sync::{Notify, watch};

use crate::base::components::Components;
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::{KeyId, WorkspaceId};
use crate::base::lock::lock;
use crate::base::store_error::commit_failed;
use crate::stored::audit::{self, Object, Written};
use crate::stored::cursor::{self, Cursors, Purpose};
use crate::stored::idempotency::{self, Given, Known, Once};

pub(crate) mod job;
pub(crate) mod records;
pub(crate) mod sweeps;
mod table;
pub(crate) mod terms;

pub use job::{ATTEMPTS_MAX, Failure, Job, JobId, JobStatus, Progress, State, Wish};
pub use table::{Filter, Listed};
pub use terms::{CHECKPOINT_BYTES_MAX, PARAMETERS_BYTES_MAX, RESULT_BYTES_MAX};

use table::Table;
use terms::{Cancelling, MadeBy, Terms};

/// Jobs of one workspace that somebody has asked for and that have not ended.
pub const OPEN_MAX: usize = 100;
/// Jobs of one workspace that have not ended and bring about what is committed already, such as the erasure of a dataset: beside the others.
pub const ORDERED_MAX: usize = 100;
/// Ended jobs that one workspace keeps; the newest stay.
pub const ENDED_MAX: usize = 1_000;
/// How long an ended job is kept: 30 days, in seconds.
pub const ENDED_KEPT_SECS: u32 = 30 * 86_400;
/// Jobs of one page.
pub const PAGE_MAX: usize = 1_000;
/// Failed jobs that are counted where only "often" matters.
const FAILED_COUNTED_MAX: usize = 20;
/// Tries to write a new job after an answer that leaves it open.
const TRIES_MAX: usize = 3;

/// Where a job is.
pub(crate) type Place = (WorkspaceId, JobId);

/// The jobs of all workspaces.
pub struct Jobs {
    pub(crate) table: Table,
    cursors: Arc<Cursors>,
    kinds: Vec<Arc<dyn Terms>>,
    ids: Mutex<Ids>,
    /// Held while a job is made, so that the bound on open ones is exact.
    making: tokio::sync::Mutex<()>,
    /// The jobs that have not ended, as this process knows them.
    pub(crate) live: Mutex<BTreeMap<Place, Arc<Live>>>,
    /// There may be something to start.
    pub(crate) nudge: Notify,
    is_stopping: AtomicBool,
}

/// A job that has not ended.
pub(crate) struct Live {
    pub(crate) present: watch::Sender<Arc<Job>>,
    /// For its worker: look at the job again, or do not wait any longer.
    pub(crate) nudge: Notify,
}

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// The name of the kind.
    pub kind: String,
    /// JSON of the kind.
    pub parameters: String,
    /// The key it is asked with.
    pub asked_by: Option<KeyId>,
}

/// A job that is not written yet.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    workspace: WorkspaceId,
    job: Job,
}

impl Draft {
    /// The job as it will begin.
    pub(crate) fn job(&self) -> &Job {
        &self.job
    }

    /// Adds its rows to the commit that it begins with. When that has happened, [`Jobs::begin`] starts it.
    pub(crate) fn write(&self, commit: Commit) -> Commit {
        table::creation(commit, self.workspace, &self.job)
    }
}

/// The right to make jobs: while one has it nobody else makes any, so that the bounds on open ones are exact.
pub(crate) struct Making<'a> {
    _turn: tokio::sync::MutexGuard<'a, ()>,
}

/// Which part of the jobs to list.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Which ones.
    pub filter: Filter,
    /// How many: 1 to [`PAGE_MAX`].
    pub limit: usize,
    /// Where an earlier page ended.
    pub cursor: Option<String>,
}

/// A part of the jobs.
#[derive(Debug, Clone)]
pub struct Page {
    /// The jobs, newest first.
    pub jobs: Vec<Listed>,
    /// Where the next page begins; none on the last. A filtered page may be short and not the last.
    pub next_cursor: Option<String>,
}

impl Jobs {
    pub(crate) fn new(components: &Components, cursors: Arc<Cursors>, kinds: Vec<Arc<dyn Terms>>) -> Self {
        let mut random = [0u8; 8];
        (components.random)(&mut random);
        let ids = Ids::new((components.clock)().millis(), u64::from_be_bytes(random));
        Self {
            table: Table::new(components.store.clone(), components.clock.clone()),
            cursors,
            kinds,
            ids: Mutex::new(ids),
            making: tokio::sync::Mutex::new(()),
            live: Mutex::new(BTreeMap::new()),
            nudge: Notify::new(),
            is_stopping: AtomicBool::new(false),
        }
    }

    /// Makes a job of a kind that anyone may ask for. It starts by itself when its turn comes.
    ///
    /// # Errors
    /// `Invalid` with `job_kind_unknown`, `job_kind_elsewhere`, `job_parameters_invalid`; `LimitExceeded` with `job_too_large`;
    /// `Conflict` with `idempotency_key_reused`; `Throttled` with `jobs_full`; what the store answers.
    pub async fn ask(
        &self,
        workspace: WorkspaceId,
        new: &NewJob,
        once: Option<&Once<Job>>,
    ) -> Result<Given<Job>, Error> {
        if let MadeBy::Only(path) = self.kind(&new.kind)?.made_by() {
            let message = format!("jobs of this kind are made by {path} alone");
            return Err(Error::new(ErrorKind::Invalid, "job_kind_elsewhere", message));
        }
        self.make(workspace, new, once).await
    }

    /// Makes a job of any kind.
    ///
    /// # Errors
    /// As [`Self::ask`], but for `job_kind_elsewhere`.
    pub(crate) async fn make(
        &self,
        workspace: WorkspaceId,
        new: &NewJob,
        once: Option<&Once<Job>>,
    ) -> Result<Given<Job>, Error> {
        self.make_from(workspace, new, None, once).await
    }

    /// As [`Self::make`], for a job whose first step begins at a checkpoint: what it is to do, where that is nothing to be shown.
    ///
    /// # Errors
    /// As [`Self::make`]; `LimitExceeded` with `job_too_large` for the checkpoint.
    pub(crate) async fn make_from(
        &self,
        workspace: WorkspaceId,
        new: &NewJob,
        checkpoint: Option<Bytes>,
        once: Option<&Once<Job>>,
    ) -> Result<Given<Job>, Error> {
        if let Some(checkpoint) = &checkpoint {
            terms::bounded("checkpoint", checkpoint.len(), CHECKPOINT_BYTES_MAX)?;
        }
        let _making = self.making().await;
        let mut drafted = None;
        for _ in 0..TRIES_MAX {
            let claim = match once {
                None => None,
                Some(once) => match idempotency::look_up(self.table.store(), &once.request, self.table.now()).await? {
                    Known::Answered(reply) => return Ok(Given::Before(reply)),
                    Known::New(claim) => Some((claim, once)),
                },
            };
            let draft: Draft = match drafted.take() {
                Some(draft) => draft,
                None => {
                    let mut draft = self.draft(workspace, new, &self.table.open(workspace).await?, 0).await?;
                    draft.job.checkpoint.clone_from(&checkpoint);
                    draft
                }
            };
            let mut commit = draft.write(Commit::new());
            if let Some((claim, once)) = claim {
                commit = claim.answer(commit, &(once.render)(&draft.job)?, self.table.now());
            }
            let written = Written::now(vec![Object::new("job", &draft.job.id.to_string())]);
            match self.table.store().commit(audit::with_row(commit, written.as_ref())).await {
                Ok(_) => {
                    written.into_iter().for_each(Written::has_happened);
                    return Ok(Given::Now(self.begin(draft)));
                }
                Err(CommitError::Ambiguous) => {
                    let written = self.table.read(workspace, draft.job.id).await.map_err(|_| table::ambiguous())?;
                    if written.is_some() {
                        return Ok(Given::Now(self.begin(draft)));
                    }
                }
                // The same request was answered at this moment.
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(commit_failed(&error)),
            }
            drafted = Some(draft);
        }
        Err(commit_failed(&CommitError::Conflict(tessera_store::Key::MIN)))
    }

    /// Has nobody else make jobs while this is held.
    pub(crate) async fn making(&self) -> Making<'_> {
        Making { _turn: self.making.lock().await }
    }

    /// The jobs that have not ended, oldest first.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn open(&self, workspace: WorkspaceId) -> Result<Vec<Job>, Error> {
        self.table.open(workspace).await
    }

    /// A job that begins with a commit of the caller's, beside these that have not ended and so many that begin with the same commit. Kinds
    /// that bring about what is committed have places of their own: nobody's jobs are in the way of what must be.
    ///
    /// # Errors
    /// `Invalid` with `job_kind_unknown`, `job_parameters_invalid`; `LimitExceeded` with `job_too_large`; `Throttled` with
    /// `jobs_full`; what the store answers.
    pub(crate) async fn draft(
        &self,
        workspace: WorkspaceId,
        new: &NewJob,
        open: &[Job],
        beside: usize,
    ) -> Result<Draft, Error> {
        let kind = self.kind(&new.kind)?;
        let parameters = kind.parameters(&new.parameters)?;
        let ordered = open.iter().filter(|job| self.must_end(&job.kind)).count();
        let (taken, limit) = match kind.cancelling() {
            Cancelling::Refused => (ordered + beside, ORDERED_MAX),
            // One whose record is damaged counts.
            Cancelling::Ends => (self.table.open_ids(workspace).await?.len().saturating_sub(ordered), OPEN_MAX),
        };
        if taken >= limit {
            let message = format!("as many jobs of the workspace have not ended as may be limit={limit}");
            return Err(Error::new(ErrorKind::Throttled, "jobs_full", message));
        }
        let now = self.table.now();
        let id = {
            let mut ids = lock(&self.ids);
            ids.at(now.millis());
            JobId::from_bytes(*ids.event().as_bytes())
        };
        let job = Job::new(id, kind.name(), kind.unit(), parameters, new.asked_by, now);
        Ok(Draft { workspace, job })
    }

    /// Has a drafted job start when its turn comes, now that its rows are written.
    pub(crate) fn begin(&self, draft: Draft) -> Job {
        self.learn(draft.workspace, draft.job.clone());
        draft.job
    }

    /// A job.
    ///
    /// # Errors
    /// `NotFound` with `job_not_found`; what the store answers; `Corrupt`.
    pub async fn get(&self, workspace: WorkspaceId, id: JobId) -> Result<Job, Error> {
        self.table.read(workspace, id).await?.ok_or_else(job::not_found)
    }

    /// The jobs of a kind that have not ended, oldest first.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn open_of(&self, workspace: WorkspaceId, kind: &str) -> Result<Vec<Job>, Error> {
        let open = self.table.open(workspace).await?;
        Ok(open.into_iter().filter(|job| job.kind == kind && !job.has_ended()).collect())
    }

    /// How many of the last jobs of a kind with these parameters have failed, up to [`FAILED_COUNTED_MAX`], and when the last of them did.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn failed_of(
        &self,
        workspace: WorkspaceId,
        kind: &str,
        parameters: &str,
    ) -> Result<(usize, Option<Timestamp>), Error> {
        let filter = Filter { status: Some(JobStatus::Failed), kind: Some(kind.to_owned()) };
        let (failed, _) = self.table.list(workspace, &filter, None, FAILED_COUNTED_MAX).await?;
        let same = failed.iter().filter_map(Listed::job).filter(|job| job.parameters == parameters);
        Ok((same.clone().count(), same.map(|job| job.updated_at).max()))
    }

    /// The newest job of a kind.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn last_of(&self, workspace: WorkspaceId, kind: &str) -> Result<Option<Job>, Error> {
        self.table.last_of(workspace, kind).await
    }

    /// A page of the jobs of a workspace, newest first.
    ///
    /// # Errors
    /// `Invalid` with `limit_invalid`, `cursor_invalid`; what the store answers.
    pub async fn list(&self, workspace: WorkspaceId, query: &Query) -> Result<Page, Error> {
        if !(1..=PAGE_MAX).contains(&query.limit) {
            return Err(Error::new(ErrorKind::Invalid, "limit_invalid", format!("limit is 1 to {PAGE_MAX}")));
        }
        let after = query.cursor.as_deref().map(|cursor| {
            let id = self.cursors.open_sealed(workspace, Purpose::Jobs, cursor)?;
            <[u8; 12]>::try_from(&*id).map(JobId::from_bytes).map_err(|_| cursor::invalid())
        });
        let (jobs, last) = self.table.list(workspace, &query.filter, after.transpose()?, query.limit).await?;
        let next_cursor = last.map(|id| self.cursors.seal(workspace, Purpose::Jobs, id.as_bytes()));
        Ok(Page { jobs, next_cursor })
    }

    /// Has a job pause, go on or end, and answers what it is then. What was wished before changes nothing.
    ///
    /// # Errors
    /// `NotFound` with `job_not_found`; `Conflict` with `job_ended`, `job_cancelling`, `job_not_cancellable`; what the store answers;
    /// `Corrupt`.
    pub async fn steer(&self, workspace: WorkspaceId, id: JobId, wish: Wish) -> Result<Job, Error> {
        let decide = |job: &Job, now| {
            if wish == Wish::Cancel && !job.has_ended() && self.must_end(&job.kind) {
                let message = "the job brings about what has been ordered already; pause it to have it rest";
                return Err(Error::new(ErrorKind::Conflict, "job_not_cancellable", message));
            }
            job.steer(wish, now)
        };
        let job = self.table.change(workspace, id, decide).await?;
        self.learn(workspace, job.clone());
        if let Some(live) = self.live((workspace, id)) {
            live.nudge.notify_one();
        }
        Ok(job)
    }

    /// Watches a job: as it is now, and then each change.
    ///
    /// # Errors
    /// `NotFound` with `job_not_found`; what the store answers; `Corrupt`.
    pub async fn watch(&self, workspace: WorkspaceId, id: JobId) -> Result<Watch, Error> {
        // Listening begins before reading, so no change falls in between.
        let changes = self.live((workspace, id)).map(|live| live.present.subscribe());
        let present = self.get(workspace, id).await?;
        let changes = changes.or_else(|| {
            self.learn(workspace, present.clone());
            Some(self.live((workspace, id))?.present.subscribe())
        });
        Ok(Watch { next: Some(Arc::new(present)), seen: 0, changes })
    }

    /// Takes up whatever has not ended, as a process begins.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn take_up(&self, workspace: WorkspaceId) -> Result<(), Error> {
        let open = self.table.open(workspace).await?;
        let mut live = lock(&self.live);
        live.extend(open.into_iter().map(|job| ((workspace, job.id), Arc::new(Live::of(job)))));
        self.nudge.notify_one();
        Ok(())
    }

    /// Keeps a workspace: learns of what was written while nobody listened, and drops what has been kept long enough.
    ///
    /// # Errors
    /// What the store answers; `Corrupt`.
    pub(crate) async fn keep(&self, workspace: WorkspaceId) -> Result<(), Error> {
        let open = self.table.open(workspace).await?;
        let known: Vec<JobId> = {
            let live = lock(&self.live);
            live.keys().filter(|place| place.0 == workspace).map(|place| place.1).collect()
        };
        for id in known.into_iter().filter(|id| open.iter().all(|job| job.id != *id)) {
            match self.table.read(workspace, id).await? {
                Some(job) => self.learn(workspace, job),
                None => self.forget((workspace, id)),
            }
        }
        open.into_iter().for_each(|job| self.learn(workspace, job));
        let before = self.table.now().plus_micros(-i64::from(ENDED_KEPT_SECS) * 1_000_000);
        self.table.sweep(workspace, ENDED_MAX, before).await
    }

    /// No job is taken up from now on, and those under way end after their steps.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.nudge();
    }

    /// Has the runner look for work, and workers look at their jobs without waiting any longer.
    pub(crate) fn nudge(&self) {
        self.nudge.notify_one();
        lock(&self.live).values().for_each(|live| live.nudge.notify_one());
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    pub(crate) fn kind(&self, name: &str) -> Result<&Arc<dyn Terms>, Error> {
        self.kinds.iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let names: Vec<_> = self.kinds.iter().map(|kind| kind.name()).collect();
            let message = format!("no job is of this kind; there are {}", names.join(", "));
            Error::new(ErrorKind::Invalid, "job_kind_unknown", message)
        })
    }

    /// Whether jobs of a kind cannot be cancelled.
    pub(crate) fn must_end(&self, kind: &str) -> bool {
        match self.kind(kind).map(|kind| kind.cancelling()) {
            Ok(Cancelling::Refused) => true,
            // Of a kind that is gone nobody else could ever end one.
            Ok(Cancelling::Ends) | Err(_) => false,
        }
    }

    pub(crate) fn live(&self, place: Place) -> Option<Arc<Live>> {
        lock(&self.live).get(&place).cloned()
    }

    /// Tells everybody who waits what a row says. One that waits for its turn is started when that comes; one that ended is live no
    /// more. A held one that this process does not know is somebody else's.
    pub(crate) fn learn(&self, workspace: WorkspaceId, job: Job) {
        let (place, status) = ((workspace, job.id), job.status());
        let mut live = lock(&self.live);
        match live.get(&place) {
            Some(known) => {
                known.present.send_if_modified(|present| {
                    let is_later = job.revision > present.revision;
                    if is_later {
                        *present = Arc::new(job);
                    }
                    is_later
                });
            }
            None if status.is_final() || status.is_held() => return,
            None => {
                live.insert(place, Arc::new(Live::of(job)));
            }
        }
        if status.is_final() {
            live.remove(&place);
        }
        self.nudge.notify_one();
    }

    /// Lets go of a job that this process cannot go on with.
    pub(crate) fn forget(&self, place: Place) {
        lock(&self.live).remove(&place);
    }
}

impl Live {
    pub(crate) fn of(job: Job) -> Self {
        Self { present: watch::Sender::new(Arc::new(job)), nudge: Notify::new() }
    }

    pub(crate) fn job(&self) -> Arc<Job> {
        self.present.borrow().clone()
    }
}

/// A look at one job that lasts. Changes in quick succession may come as one.
pub struct Watch {
    next: Option<Arc<Job>>,
    /// The revision that was shown last.
    seen: u64,
    changes: Option<watch::Receiver<Arc<Job>>>,
}

impl Watch {
    /// The job as it is, the first time; then as it is after a change. None after it has ended, or when this process stops.
    pub async fn next(&mut self) -> Option<Arc<Job>> {
        let job = match self.next.take() {
            Some(first) => first,
            None => loop {
                let changes = self.changes.as_mut()?;
                changes.changed().await.ok()?;
                let job = changes.borrow_and_update().clone();
                if job.revision > self.seen {
                    break job;
                }
            },
        };
        self.seen = job.revision;
        if job.has_ended() {
            self.changes = None;
        }
        Some(job)
    }
}

#[cfg(test)]
mod tests;
