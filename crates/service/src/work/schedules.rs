//! Sources that are due are refreshed; what is kept of sources that are no more goes.
//!
//! One task looks at the workspaces that have sources, when it is told of something and when the next is due. A source is due by its schedule,
//! counted from when its last refresh began; one whose refresh goes on is not, so no two of one source run at one time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tessera_engine::time::Timestamp;
use tessera_store::{Commit, Direction, ScanLimit, Store};

use crate::base::codec::corrupt;
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::store_error::{commit_failed, read_failed};
use crate::config::sources::{self, Source};
use crate::config::workspace::{Part, decode_objects};
use crate::jobs::{Job, JobStatus, Jobs, NewJob};
use crate::stored::audit::{self, Object, Written};
use crate::stored::keys::Scope;
use crate::stored::row;
use crate::stored::sources::{RunStatus, read_source_number};
use crate::work::kinds::refresh::{Asked, REFRESH};
use crate::work::refresh::{Refreshes, runs};
use crate::work::service::Service;

/// Rows that go in one commit.
const TRIMMED_AT_ONCE: usize = 1_000;
/// How long the look rests when nothing is due.
const REST: Duration = Duration::from_secs(60);

/// Refreshes what is due, until it is stopped.
pub(crate) async fn keep_sources(refreshes: Arc<Refreshes>, service: Weak<Service>) {
    while !refreshes.keeper.is_stopped() {
        let Some(service) = service.upgrade() else { return };
        let now = service.now();
        refreshes.let_go(now);
        service.exports().let_go(now);
        let mut next: Option<Timestamp> = None;
        let workspaces: Vec<WorkspaceId> =
            service.directory.snapshot().workspaces().map(|workspace| workspace.id).collect();
        for workspace in workspaces {
            if refreshes.keeper.is_stopped() {
                return;
            }
            match look(&service, workspace, now).await {
                Ok(due) => next = next.into_iter().chain(due).min(),
                Err(error) => {
                    tracing::warn!(
                        workspace = workspace.number(),
                        code = error.code,
                        "sources could not be looked at; the next look tries again"
                    );
                }
            }
        }
        drop(service);
        let until =
            next.map(|next| Duration::from_micros(next.micros().saturating_sub(now.micros()).max(0).unsigned_abs()));
        refreshes.keeper.rest(until.map(|until| until.clamp(Duration::from_millis(50), REST))).await;
    }
}

/// Refreshes the sources of a workspace that are due. Answers when the next is.
async fn look(service: &Service, workspace: WorkspaceId, now: Timestamp) -> Result<Option<Timestamp>, Error> {
    let (store, scope) = (&**service.store(), Scope::new(workspace));
    let objects = row::read(store, scope.config(Part::Objects)).await?;
    let sources = match objects {
        None => Vec::new(),
        Some(row) => sources::sources_among(&decode_objects(&row.value)?)?,
    };
    trim(store, scope, &sources).await?;
    if sources.iter().all(|(_, source)| source.content.schedule.is_none()) {
        return Ok(None);
    }
    let open = open_refreshes(service.jobs(), workspace).await?;
    let mut next = None;
    for (name, source) in sources {
        if open.contains_key(&name) {
            continue;
        }
        let Some(due) = next_run(store, scope, &source).await? else { continue };
        if due > now {
            next = [next, Some(due)].into_iter().flatten().min();
            continue;
        }
        let asked = Asked { source: name, evict_max_share: None, full: false };
        match service.make_refresh(workspace, &asked, None).await {
            Ok(_) => {}
            Err(error) if error.code == "source_refreshing" => {}
            Err(error) => return Err(error),
        }
    }
    Ok(next)
}

impl Service {
    /// Makes the job of a refresh, unless one of the source goes on. One that has not begun yet, and was asked for the same, reads whatever there is to
    /// read now: whoever asks is answered that one. So is who asks while a schedule that was just set reads the source for the first time.
    ///
    /// # Errors
    /// `Conflict` with `source_refreshing`; as [`Jobs::ask`].
    pub(crate) async fn make_refresh(
        &self,
        workspace: WorkspaceId,
        asked: &Asked,
        by: Option<crate::base::ids::KeyId>,
    ) -> Result<Job, Error> {
        let making = self.jobs().making().await;
        let open = self.jobs().open(workspace).await?;
        if let Some(job) =
            open.iter().find(|job| job.kind == REFRESH && source_of(job).as_deref() == Some(&*asked.source))
        {
            let same = serde_json::from_str::<Asked>(&job.parameters).is_ok_and(|own| own == *asked);
            let is_waiting = job.status() == JobStatus::Queued;
            if same && by.is_some() && (is_waiting || self.is_first_by_schedule(workspace, asked, job).await?) {
                return Ok(job.clone());
            }
            let message =
                format!("a refresh of the source goes on already, and ends before the next may begin job={}", job.id);
            return Err(Error::new(ErrorKind::Conflict, "source_refreshing", message));
        }
        let parameters = serde_json::to_string(asked).map_err(|_| corrupt("parameters of a refresh"))?;
        let new = NewJob { kind: REFRESH.to_owned(), parameters, asked_by: by };
        let draft = self.jobs().draft(workspace, &new, &open, 0).await?;
        let written = Written::now(vec![Object::new("job", &draft.job().id.to_string())]);
        let commit = audit::with_row(draft.write(Commit::new()), written.as_ref());
        self.store().commit(commit).await.map_err(|error| commit_failed(&error))?;
        written.into_iter().for_each(Written::has_happened);
        let job = self.jobs().begin(draft);
        drop(making);
        Ok(job)
    }

    /// Whether a refresh is the first of its source, begun by the schedule.
    async fn is_first_by_schedule(&self, workspace: WorkspaceId, asked: &Asked, job: &Job) -> Result<bool, Error> {
        if job.asked_by.is_some() {
            return Ok(false);
        }
        let configuration = self.configuration(workspace).await?;
        let own = sources::source(&configuration, &asked.source)?;
        let runs = runs::newest(&**self.store(), Scope::new(workspace), own.number, 2).await?;
        Ok(runs.iter().all(|run| run.status == RunStatus::Running))
    }
}

/// The source that the job of a refresh is about.
pub(crate) fn source_of(job: &Job) -> Option<String> {
    serde_json::from_str::<Asked>(&job.parameters).ok().map(|asked| asked.source)
}

/// The refreshes of a workspace that have not ended, by source.
pub(crate) async fn open_refreshes(jobs: &Jobs, workspace: WorkspaceId) -> Result<BTreeMap<String, Job>, Error> {
    let open = jobs.open_of(workspace, REFRESH).await?;
    Ok(open.into_iter().filter_map(|job| Some((source_of(&job)?, job))).collect())
}

/// When a source is refreshed next by itself.
///
/// # Errors
/// What the store answers; `Corrupt`.
pub(crate) async fn next_run(store: &dyn Store, scope: Scope, source: &Source) -> Result<Option<Timestamp>, Error> {
    let Some(schedule) = &source.content.schedule else { return Ok(None) };
    let last = runs::newest(store, scope, source.number, 1).await?.first().map(|run| run.started_at);
    let set_at = Timestamp::from_micros(source.updated_at).ok_or_else(|| corrupt("instant of a source"))?;
    Ok(match (last, schedule) {
        // One that says how often is due at once where there was none.
        (None, sources::Schedule::Every(_)) => Some(set_at),
        (None, sources::Schedule::Cron { .. }) => schedule.next(set_at),
        (Some(last), sources::Schedule::Every(_)) => schedule.next(last),
        (Some(last), sources::Schedule::Cron { .. }) => schedule.next(last.max(set_at)),
    })
}

/// Takes away what is kept of sources that are no more.
async fn trim(store: &dyn Store, scope: Scope, sources: &[(String, Source)]) -> Result<(), Error> {
    let present: BTreeSet<u32> = sources.iter().map(|(_, source)| source.number).collect();
    let mut from = 0;
    loop {
        let page = store.scan(&scope.sources_from(from), ScanLimit::rows(1), Direction::Forward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        let Some(first) = page.rows.first() else { return Ok(()) };
        let number = read_source_number(&first.key).ok_or_else(|| corrupt("key of a source"))?;
        if !present.contains(&number) {
            forget(store, scope, number).await?;
        }
        let Some(next) = number.checked_add(1) else { return Ok(()) };
        from = next;
    }
}

async fn forget(store: &dyn Store, scope: Scope, number: u32) -> Result<(), Error> {
    let at_once = row::rows_at_once(store, TRIMMED_AT_ONCE, 1);
    loop {
        let page = store.scan(&scope.all_of_source(number), ScanLimit::rows(at_once), Direction::Forward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        if page.rows.is_empty() {
            return Ok(());
        }
        let commit = page.rows.into_iter().fold(Commit::new(), |commit, row| commit.delete(row.key));
        store.commit(commit).await.map_err(|error| commit_failed(&error))?;
        tokio::task::yield_now().await;
    }
}
