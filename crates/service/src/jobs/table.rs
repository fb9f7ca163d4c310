//! The rows of jobs: read, listed, changed and swept.
//!
//! Every change is decided on the row as it stands and asserts the version that was read. That is the fence: of two writers who
//! decided on the same row one conflicts and decides again, and then sees in the row who took the job meanwhile.

use std::sync::Arc;

use tessera_engine::time::Timestamp;
use tessera_store::{Commit, CommitError, Direction, Key, ScanLimit, Store, Version};

use super::job::{Job, JobId, JobStatus, not_found};
use super::records;
use crate::base::components::Clock;
use crate::base::error::Error;
use crate::base::ids::WorkspaceId;
use crate::base::names;
use crate::base::store_error::{commit_failed, read_failed};
use crate::stored::audit::{self, Object, Written};
use crate::stored::row;
use crate::stored::row::rows_at_once;

/// Times that a change is decided again after a conflict, or an answer that leaves it open.
const TRIES_MAX: usize = 16;
/// Jobs that one page looks at while it filters: a page may be short, or even empty, and still not be the last.
const LOOKED_AT_MAX: usize = 1_000;
/// Bytes of rows after which a page ends: a record may have a checkpoint or a result of some size.
const PAGE_BYTES: usize = 2 << 20;
/// Rows that one scan brings.
const ROWS_AT_ONCE: usize = 200;

/// The rows of jobs of all workspaces.
pub(crate) struct Table {
    store: Arc<dyn Store>,
    clock: Clock,
}

/// One of a page of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// A job.
    Job(Box<Job>),
    /// A job whose record cannot be read, and that rests for it.
    Damaged(JobId),
}

impl Listed {
    /// The job, if its record can be read.
    #[must_use]
    pub fn job(&self) -> Option<&Job> {
        match self {
            Self::Job(job) => Some(job),
            Self::Damaged(_) => None,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> JobId {
        match self {
            Self::Job(job) => job.id,
            Self::Damaged(id) => *id,
        }
    }
}

/// Which jobs to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those that stand so.
    pub status: Option<JobStatus>,
    /// Only those of this kind.
    pub kind: Option<String>,
}

impl Filter {
    fn includes(&self, listed: &Listed) -> bool {
        match listed {
            Listed::Job(job) => {
                self.status.is_none_or(|status| status == job.status())
                    && self.kind.as_ref().is_none_or(|kind| *kind == job.kind)
            }
            // Nobody can say what it is of.
            Listed::Damaged(_) => self.status.is_none() && self.kind.is_none(),
        }
    }
}

impl Table {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Clock) -> Self {
        Self { store, clock }
    }

    /// The newest job of a kind.
    pub(crate) async fn last_of(&self, workspace: WorkspaceId, kind: &str) -> Result<Option<Job>, Error> {
        let filter = Filter { kind: Some(kind.to_owned()), ..Filter::default() };
        let mut after = None;
        loop {
            // A page looks at a bounded number of jobs, and may end before it has found one.
            let (found, next) = self.list(workspace, &filter, after, 1).await?;
            if let Some(job) = found.iter().find_map(Listed::job) {
                return Ok(Some(job.clone()));
            }
            match next {
                Some(_) => after = next,
                None => return Ok(None),
            }
        }
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// A job.
    pub(crate) async fn read(&self, workspace: WorkspaceId, id: JobId) -> Result<Option<Job>, Error> {
        Ok(self.versioned(workspace, id).await?.map(|(job, _)| job))
    }

    async fn versioned(&self, workspace: WorkspaceId, id: JobId) -> Result<Option<(Job, Version)>, Error> {
        let row = row::read(self.store(), records::key(workspace, id)).await?;
        row.map(|row| Ok((records::decode(id, &row.value)?, row.version))).transpose()
    }

    /// Changes a job as is decided on its present row, and answers what it is then. Decides again when somebody else was faster;
    /// nothing decided changes nothing.
    ///
    /// # Errors
    /// `NotFound` with `job_not_found`; what was decided; what the store answers.
    pub(crate) async fn change<E: From<Error>>(
        &self,
        workspace: WorkspaceId,
        id: JobId,
        decide: impl Fn(&Job, Timestamp) -> Result<Option<Job>, E>,
    ) -> Result<Job, E> {
        let mut in_doubt: Option<Job> = None;
        for _ in 0..TRIES_MAX {
            let found = self.versioned(workspace, id).await;
            let found = found.map_err(|error| if in_doubt.is_some() { ambiguous() } else { error })?;
            let (job, version) = found.ok_or_else(not_found)?;
            if in_doubt.as_ref() == Some(&job) {
                report_end(workspace, &job);
                return Ok(job);
            }
            let Some(next) = decide(&job, self.now())? else { return Ok(job) };
            let written = Written::now(vec![Object::new("job", &id.to_string())]);
            let commit = audit::with_row(replacement(workspace, version, &next), written.as_ref());
            match self.store.commit(commit).await {
                Ok(_) => {
                    written.into_iter().for_each(Written::has_happened);
                    report_end(workspace, &next);
                    return Ok(next);
                }
                Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Ambiguous) => in_doubt = Some(next),
                Err(error) => return Err(commit_failed(&error).into()),
            }
        }
        Err(if in_doubt.is_some() { ambiguous() } else { commit_failed(&CommitError::Conflict(Key::MIN)) }.into())
    }

    /// The ids of the jobs that have not ended, oldest first.
    pub(crate) async fn open_ids(&self, workspace: WorkspaceId) -> Result<Vec<JobId>, Error> {
        let mut ids = Vec::new();
        let mut rest = Some(records::marks(workspace));
        while let Some(range) = rest {
            let page = self.store.scan(&range, ScanLimit::rows(1_000), Direction::Forward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            ids.extend(page.rows.iter().map(|row| records::id_of(&row.key)).collect::<Result<Vec<_>, _>>()?);
            rest = page.next;
        }
        Ok(ids)
    }

    /// The jobs that have not ended, oldest first. One whose record is damaged is logged and left out, so that it keeps no other
    /// from going on.
    pub(crate) async fn open(&self, workspace: WorkspaceId) -> Result<Vec<Job>, Error> {
        let ids = self.open_ids(workspace).await?;
        let mut jobs = Vec::with_capacity(ids.len());
        for ids in ids.chunks(ROWS_AT_ONCE) {
            let keys: Vec<Key> = ids.iter().map(|id| records::key(workspace, *id)).collect();
            let rows = self.store.get(&keys).await.map_err(|error| read_failed(&error))?.value;
            for (id, row) in ids.iter().zip(rows) {
                match row.map(|row| records::decode(*id, &row.value)) {
                    Some(Ok(job)) => jobs.push(job),
                    Some(Err(error)) => {
                        let workspace = workspace.number();
                        tracing::error!(workspace, job = %id, code = error.code, "a job cannot be read, and rests");
                    }
                    // It ended between the two reads, and was swept.
                    None => {}
                }
            }
        }
        Ok(jobs)
    }

    /// A page of jobs, newest first, from behind this one on; and the last one looked at, when there may be more. One whose record
    /// is damaged hides no other.
    pub(crate) async fn list(
        &self,
        workspace: WorkspaceId,
        filter: &Filter,
        after: Option<JobId>,
        limit: usize,
    ) -> Result<(Vec<Listed>, Option<JobId>), Error> {
        let all = records::all(workspace);
        let from = after.map(|id| all.after(&records::key(workspace, id), Direction::Backward));
        let mut rest = Some(from.unwrap_or(all));
        let (mut jobs, mut looked_at, mut bytes, mut last) = (Vec::new(), 0, 0, None);
        while let Some(range) = rest.take() {
            let page = self.store.scan(&range, ScanLimit::rows(ROWS_AT_ONCE), Direction::Backward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            let rows = page.rows.len();
            for (index, row) in page.rows.into_iter().enumerate() {
                let id = records::id_of(&row.key)?;
                let job = records::decode(id, &row.value).map_or(Listed::Damaged(id), |job| Listed::Job(Box::new(job)));
                looked_at += 1;
                let more = index + 1 < rows || page.next.is_some();
                last = more.then_some(id);
                if filter.includes(&job) {
                    bytes += row.value.len();
                    jobs.push(job);
                }
                if jobs.len() == limit || bytes >= PAGE_BYTES {
                    return Ok((jobs, last));
                }
            }
            rest = page.next.filter(|_| looked_at < LOOKED_AT_MAX);
        }
        Ok((jobs, last))
    }

    /// Drops ended jobs beyond the newest `kept_max`, and those that ended before an instant. One whose record is damaged stays.
    pub(crate) async fn sweep(&self, workspace: WorkspaceId, kept_max: usize, before: Timestamp) -> Result<(), Error> {
        let (mut kept, mut rest) = (0, Some(records::all(workspace)));
        while let Some(range) = rest.take() {
            let page = self
                .store
                .scan(&range, ScanLimit::rows(rows_at_once(&*self.store, ROWS_AT_ONCE, 2)), Direction::Backward)
                .await;
            let page = page.map_err(|error| read_failed(&error))?;
            let mut commit = Commit::new().with_reserve();
            for row in page.rows {
                let Ok(job) = records::decode(records::id_of(&row.key)?, &row.value) else { continue };
                let Some(ended_at) = job.ended_at() else { continue };
                kept += 1;
                if kept > kept_max || ended_at < before {
                    commit = commit.delete(row.key);
                }
            }
            // Nothing writes to a job that has ended, so nothing has to be asserted.
            if !commit.is_read_only() {
                self.store.commit(commit).await.map_err(|error| commit_failed(&error))?;
            }
            rest = page.next;
        }
        Ok(())
    }
}

/// Adds the rows of a new job to a commit. Rows of jobs are few and bounded, and erasures need theirs also where other writes find no
/// room.
pub(crate) fn creation(commit: Commit, workspace: WorkspaceId, job: &Job) -> Commit {
    commit
        .with_reserve()
        .create(records::key(workspace, job.id), records::encode(job))
        .put(records::mark(workspace, job.id), bytes::Bytes::new())
}

fn replacement(workspace: WorkspaceId, version: Version, job: &Job) -> Commit {
    let commit = Commit::new().with_reserve().replace(records::key(workspace, job.id), version, records::encode(job));
    if job.has_ended() { commit.delete(records::mark(workspace, job.id)) } else { commit }
}

/// Counts a job that has ended by this very change.
fn report_end(workspace: WorkspaceId, job: &Job) {
    if let Some(at) = job.ended_at() {
        let (workspace, kind, outcome) = (workspace.number(), job.kind.clone(), job.status().name());
        tracing::info!(workspace, job = %job.id, kind, outcome, "a job has ended");
        let labels = [("kind", kind), ("outcome", outcome.to_owned())];
        metrics::counter!(names::JOBS_ENDED, &labels).increment(1);
        metrics::gauge!(names::JOB_LAST_END_SECONDS, &labels).set(at.micros() as f64 / 1e6);
    }
}

/// Nobody knows whether it happened.
pub(crate) fn ambiguous() -> Error {
    commit_failed(&CommitError::Ambiguous)
}
