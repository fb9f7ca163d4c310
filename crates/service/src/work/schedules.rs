//! Sources and activations that are due run; what is kept of those that are no more goes.
//!
//! One task looks at the workspaces that have some, when it is told of something and when the next is due. One is due by its schedule,
//! counted from when its last run began; one whose run goes on is not, so no two of one run at one time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tessera_engine::time::Timestamp;
use tessera_store::{Commit, Direction, KeyRange, ScanLimit, Store};

use crate::base::codec::corrupt;
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::store_error::{commit_failed, read_failed};
use crate::config::activations::{self, Activation};
use crate::config::sources::{self, Schedule, Source};
use crate::config::workspace::{Part, StoredConfig, decode_objects};
use crate::jobs::{Job, JobId, JobStatus, Jobs, NewJob};
use crate::stored::audit::{self, Object, Written};
use crate::stored::keys::Scope;
use crate::stored::row;
use crate::stored::sources::{Run, RunStatus, read_source_number};
use crate::work::changes::{Followers, Wanted, slots};
use crate::work::kinds::activate::{ACTIVATE, Activating};
use crate::work::kinds::refresh::{Asked, REFRESH};
use crate::work::refresh::Refreshes;
use crate::work::refresh::turns::SourceKey;
use crate::work::runs;
use crate::work::service::Service;

/// Rows that go in one commit.
const TRIMMED_AT_ONCE: usize = 1_000;
/// How long the look rests when nothing is due.
const REST: Duration = Duration::from_secs(60);

/// Has run what is due, until it is stopped.
pub(crate) async fn keep_sources(refreshes: Arc<Refreshes>, service: Weak<Service>) {
    let mut followers = Followers::default();
    while !refreshes.keeper.is_stopped() {
        let Some(service) = service.upgrade() else { break };
        let mut wanted = BTreeMap::new();
        let now = service.now();
        refreshes.let_go(now);
        service.exports().let_go(now);
        service.activations().let_go(now);
        let mut next: Option<Timestamp> = None;
        let workspaces: Vec<WorkspaceId> =
            service.directory.snapshot().workspaces().map(|workspace| workspace.id).collect();
        for workspace in workspaces {
            if refreshes.keeper.is_stopped() {
                break;
            }
            match look(&service, workspace, now, &mut wanted).await {
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
        followers.bring(&service, wanted);
        drop(service);
        let until =
            next.map(|next| Duration::from_micros(next.micros().saturating_sub(now.micros()).max(0).unsigned_abs()));
        refreshes.keeper.rest(until.map(|until| until.clamp(Duration::from_millis(50), REST))).await;
    }
    followers.end().await;
}

/// Has the sources and activations of a workspace run that are due, and says whose changes are followed. Answers when the next is.
async fn look(
    service: &Service,
    workspace: WorkspaceId,
    now: Timestamp,
    wanted: &mut BTreeMap<SourceKey, Wanted>,
) -> Result<Option<Timestamp>, Error> {
    let (store, scope) = (&**service.store(), Scope::new(workspace));
    let objects = row::read(store, scope.config(Part::Objects)).await?;
    let objects = objects.map(|row| decode_objects(&row.value)).transpose()?.unwrap_or_default();
    let (sources, activations) = (sources::sources_among(&objects)?, activations::activations_among(&objects)?);
    let numbers = sources.iter().map(|(_, own)| own.number).chain(activations.iter().map(|(_, own)| own.number));
    let left = trim(store, scope, &numbers.collect()).await?;
    wanted.extend(left.into_iter().map(|number| ((workspace, number), Wanted::default())));
    for (name, own) in &sources {
        if own.content.changes.is_some() || slots::read(store, scope, own.number).await?.is_some() {
            let connection = sources::connection_among(&objects, &own.content.connection)?;
            let source = Some((name.clone(), own.clone(), connection));
            wanted.insert((workspace, own.number), Wanted { source });
        }
    }
    let sources = sources.iter().map(|(name, own)| (&**name, Recurring::from(own)));
    let sources = ask_due::<Asked>(service, workspace, sources.collect(), now).await?;
    let activations = activations.iter().map(|(name, own)| (&**name, Recurring::from(own)));
    let activations = ask_due::<Activating>(service, workspace, activations.collect(), now).await?;
    Ok([sources, activations].into_iter().flatten().min())
}

/// Has those run that are due. Answers when the next is.
async fn ask_due<A: Asks>(
    service: &Service,
    workspace: WorkspaceId,
    all: Vec<(&str, Recurring<'_>)>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    if all.iter().all(|(_, own)| own.schedule.is_none()) {
        return Ok(None);
    }
    let (store, scope) = (&**service.store(), Scope::new(workspace));
    let open = open_runs::<A>(service.jobs(), workspace).await?;
    let mut next = None;
    for (name, own) in all {
        if open.contains_key(name) {
            continue;
        }
        let Some(due) = next_run(store, scope, own).await? else { continue };
        if due > now {
            next = [next, Some(due)].into_iter().flatten().min();
            continue;
        }
        match service.make_run(workspace, &A::by_schedule(name), None).await {
            Ok(_) => {}
            Err(error) if error.code == A::BUSY => {}
            Err(error) => return Err(error),
        }
    }
    Ok(next)
}

/// What runs again and again, and has a history: a source, or an activation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recurring<'a> {
    /// What its history is kept under.
    pub(crate) number: u32,
    /// When it runs by itself.
    pub(crate) schedule: Option<&'a Schedule>,
    /// When it was set last, in microseconds.
    pub(crate) updated_at: i64,
}

impl<'a> From<&'a Source> for Recurring<'a> {
    fn from(own: &'a Source) -> Self {
        Self { number: own.number, schedule: own.content.schedule.as_ref(), updated_at: own.updated_at }
    }
}

impl<'a> From<&'a Activation> for Recurring<'a> {
    fn from(own: &'a Activation) -> Self {
        Self { number: own.number, schedule: own.content.schedule.as_ref(), updated_at: own.updated_at }
    }
}

/// What the job of a run is asked: the parameters of its kind.
pub(crate) trait Asks: Serialize + DeserializeOwned + PartialEq + Sync {
    /// The kind.
    const KIND: &'static str;
    /// The code that a run is refused with while another goes on.
    const BUSY: &'static str;

    /// What a schedule asks.
    fn by_schedule(name: &str) -> Self;

    /// What it is about, by name.
    fn name(&self) -> &str;

    /// What the history of that is kept under.
    ///
    /// # Errors
    /// `NotFound`, where it is not there; `Corrupt`.
    fn number(&self, config: &StoredConfig) -> Result<u32, Error>;
}

impl Asks for Asked {
    const KIND: &'static str = REFRESH;
    const BUSY: &'static str = "source_refreshing";

    fn by_schedule(name: &str) -> Self {
        Self { source: name.to_owned(), evict_max_share: None, full: false }
    }

    fn name(&self) -> &str {
        &self.source
    }

    fn number(&self, config: &StoredConfig) -> Result<u32, Error> {
        Ok(sources::source(config, &self.source)?.number)
    }
}

impl Asks for Activating {
    const KIND: &'static str = ACTIVATE;
    const BUSY: &'static str = "activation_running";

    fn by_schedule(name: &str) -> Self {
        Self { activation: name.to_owned() }
    }

    fn name(&self) -> &str {
        &self.activation
    }

    fn number(&self, config: &StoredConfig) -> Result<u32, Error> {
        Ok(activations::activation(config, &self.activation)?.number)
    }
}

impl Service {
    /// Makes the job of a run, unless one of the same source or activation goes on. One that has not begun yet, and was asked for the same, takes
    /// whatever there is now: whoever asks is answered that one. So is who asks while a schedule that was just set has it run for the first time.
    ///
    /// # Errors
    /// `Conflict` with [`Asks::BUSY`]; as [`Jobs::ask`].
    pub(crate) async fn make_run<A: Asks>(
        &self,
        workspace: WorkspaceId,
        asked: &A,
        by: Option<crate::base::ids::KeyId>,
    ) -> Result<Job, Error> {
        let making = self.jobs().making().await;
        let open = self.jobs().open(workspace).await?;
        let mut going_on =
            open.iter().filter(|job| job.kind == A::KIND).filter_map(|job| Some((job, asked_of::<A>(job)?)));
        if let Some((job, other)) = going_on.find(|(_, other)| other.name() == asked.name()) {
            let is_waiting = job.status() == JobStatus::Queued;
            if other == *asked
                && by.is_some()
                && (is_waiting || self.is_first_by_schedule(workspace, asked, job).await?)
            {
                return Ok(job.clone());
            }
            let message = format!("a run of it goes on already, and ends before the next may begin job={}", job.id);
            return Err(Error::new(ErrorKind::Conflict, A::BUSY, message));
        }
        let parameters = serde_json::to_string(asked).map_err(|_| corrupt("parameters of a run"))?;
        let new = NewJob { kind: A::KIND.to_owned(), parameters, asked_by: by };
        let draft = self.jobs().draft(workspace, &new, &open, 0).await?;
        let written = Written::now(vec![Object::new("job", &draft.job().id.to_string())]);
        let commit = audit::with_row(draft.write(Commit::new()), written.as_ref());
        self.store().commit(commit).await.map_err(|error| commit_failed(&error))?;
        written.into_iter().for_each(Written::has_happened);
        let job = self.jobs().begin(draft);
        drop(making);
        Ok(job)
    }

    /// Whether a run is the first of its kind of thing, begun by the schedule.
    async fn is_first_by_schedule<A: Asks>(&self, workspace: WorkspaceId, asked: &A, job: &Job) -> Result<bool, Error> {
        if job.asked_by.is_some() {
            return Ok(false);
        }
        let number = asked.number(&*self.configuration(workspace).await?)?;
        let runs = runs::newest(&**self.store(), Scope::new(workspace), number, 2).await?;
        Ok(runs.iter().all(|run| run.status == RunStatus::Running))
    }

    /// How a source or an activation stands: whether a run goes on, when the next is, what the last came to.
    ///
    /// # Errors
    /// What the store answers; `Corrupt`.
    pub(crate) async fn runs_state<A: Asks>(
        &self,
        workspace: WorkspaceId,
        name: &str,
        own: Recurring<'_>,
    ) -> Result<RunsState, Error> {
        let (store, scope) = (&**self.store(), Scope::new(workspace));
        let running = open_runs::<A>(self.jobs(), workspace).await?.remove(name).map(|job| job.id);
        let mut runs = runs::newest(store, scope, own.number, RUNS_SHOWN).await?;
        for run in runs.iter_mut().filter(|run| run.status == RunStatus::Running) {
            let id = JobId::from_bytes(run.id);
            if running != Some(id) {
                self.settle_run(workspace, id, run).await?;
            }
        }
        Ok(RunsState { running, next_run: next_run(store, scope, own).await?, runs })
    }
    /// A run whose job has ended without its word ended as the job did.
    async fn settle_run(&self, workspace: WorkspaceId, id: JobId, run: &mut Run) -> Result<(), Error> {
        match self.jobs().get(workspace, id).await {
            Ok(job) => {
                run.status = match job.status() {
                    JobStatus::Cancelled => RunStatus::Cancelled,
                    JobStatus::Done => RunStatus::Done,
                    JobStatus::Failed => RunStatus::Failed,
                    JobStatus::Queued
                    | JobStatus::Running
                    | JobStatus::Pausing
                    | JobStatus::Paused
                    | JobStatus::Cancelling => RunStatus::Running,
                };
                run.ended_at = job.ended_at();
                let trouble = job.trouble.as_ref().filter(|_| run.status == RunStatus::Failed);
                run.error = run.error.take().or_else(|| trouble.map(|own| (own.code.clone(), own.message.clone())));
                Ok(())
            }
            Err(error) if error.kind == ErrorKind::NotFound => {
                run.status = RunStatus::Failed;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// Runs that the state of a source or an activation shows: the newest.
pub const RUNS_SHOWN: usize = 50;

/// How a source or an activation stands.
#[derive(Debug)]
pub struct RunsState {
    /// The run that goes on.
    pub running: Option<JobId>,
    /// When it runs next by itself.
    pub next_run: Option<Timestamp>,
    /// Its last runs, the newest first.
    pub runs: Vec<Run>,
}

/// What the job of a run is asked.
fn asked_of<A: Asks>(job: &Job) -> Option<A> {
    serde_json::from_str(&job.parameters).ok()
}

/// The runs of a kind that have not ended, by what they are about.
async fn open_runs<A: Asks>(jobs: &Jobs, workspace: WorkspaceId) -> Result<BTreeMap<String, Job>, Error> {
    let open = jobs.open_of(workspace, A::KIND).await?;
    Ok(open.into_iter().filter_map(|job| Some((asked_of::<A>(&job)?.name().to_owned(), job))).collect())
}

/// When one runs next by itself.
///
/// # Errors
/// What the store answers; `Corrupt`.
async fn next_run(store: &dyn Store, scope: Scope, own: Recurring<'_>) -> Result<Option<Timestamp>, Error> {
    let Some(schedule) = own.schedule else { return Ok(None) };
    let last = runs::newest(store, scope, own.number, 1).await?.first().map(|run| run.started_at);
    let set_at = Timestamp::from_micros(own.updated_at).ok_or_else(|| corrupt("instant of a source"))?;
    Ok(match (last, schedule) {
        // One that says how often is due at once where there was none.
        (None, Schedule::Every(_)) => Some(set_at),
        (None, Schedule::Cron { .. }) => schedule.next(set_at),
        (Some(last), Schedule::Every(_)) => schedule.next(last),
        (Some(last), Schedule::Cron { .. }) => schedule.next(last.max(set_at)),
    })
}

/// Takes away what is kept of sources and activations that are no more. Answers those of them whose replication slot is still to be taken away.
async fn trim(store: &dyn Store, scope: Scope, present: &BTreeSet<u32>) -> Result<Vec<u32>, Error> {
    let (mut from, mut left) = (0, Vec::new());
    loop {
        let page = store.scan(&scope.sources_from(from), ScanLimit::rows(1), Direction::Forward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        let Some(first) = page.rows.first() else { return Ok(left) };
        let number = read_source_number(&first.key).ok_or_else(|| corrupt("key of a source"))?;
        if !present.contains(&number) {
            forget(store, scope, number).await?;
            if slots::read(store, scope, number).await?.is_some() {
                left.push(number);
            }
        }
        let Some(next) = number.checked_add(1) else { return Ok(left) };
        from = next;
    }
}

/// All but what is kept of its slot, which is the last row of all.
async fn forget(store: &dyn Store, scope: Scope, number: u32) -> Result<(), Error> {
    let at_once = row::rows_at_once(store, TRIMMED_AT_ONCE, 1);
    let range = KeyRange { end: Some(scope.source_slot(number)), ..scope.all_of_source(number) };
    loop {
        let page = store.scan(&range, ScanLimit::rows(at_once), Direction::Forward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        if page.rows.is_empty() {
            return Ok(());
        }
        let commit = page.rows.into_iter().fold(Commit::new(), |commit, row| commit.delete(row.key));
        store.commit(commit).await.map_err(|error| commit_failed(&error))?;
        tokio::task::yield_now().await;
    }
}
