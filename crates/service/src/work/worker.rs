//! The worker of one job: takes it up, does step after step, writes down after each how far it came.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tessera_engine::time::Timestamp;
use tokio::task::JoinSet;

use super::kind::{AnyKind, Context, Step};
use crate::base::error::{Error, ErrorKind};
use crate::base::names;
use crate::jobs::job::{Act, Replaced};
use crate::jobs::{Failure, Job, JobStatus, Jobs, Live, Place};
use crate::work::service::Service;

/// The wait after the first failure; it doubles with each further one.
const WAIT_MIN: Duration = Duration::from_millis(100);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Microseconds after which a job gives its turn to another one that waits: work of hours must not keep everybody else from theirs.
pub(crate) const TURN_MICROS: i64 = 10_000_000;

/// The worker of one job.
pub(super) struct Worker {
    jobs: Arc<Jobs>,
    kinds: Arc<[Arc<dyn AnyKind>]>,
    service: Weak<Service>,
    place: Place,
    live: Arc<Live>,
}

/// Why a worker cannot write.
enum Refusal {
    Replaced,
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Replaced> for Refusal {
    fn from(_: Replaced) -> Self {
        Self::Replaced
    }
}

impl Worker {
    pub(super) fn new(
        jobs: Arc<Jobs>,
        kinds: Arc<[Arc<dyn AnyKind>]>,
        service: Weak<Service>,
        (place, live): (Place, Arc<Live>),
    ) -> Self {
        Self { jobs, kinds, service, place, live }
    }

    /// Works until the job ends, pauses or is somebody else's, or the service stops.
    pub(super) async fn work(self) {
        let Some(mut job) = self.write(|job, now| Ok(job.take(now))).await else { return };
        let (epoch, began) = (job.epoch, self.jobs.table.now());
        loop {
            // What was wished since the last write was said to all who listen.
            let heard = self.live.job();
            if heard.revision > job.revision {
                job = heard;
            }
            let act = match job.status() {
                JobStatus::Running if self.jobs.is_stopping() || self.turn_is_over(&job, began) => Act::HandBack,
                JobStatus::Running => self.step(job).await,
                JobStatus::Pausing | JobStatus::Cancelling => Act::Rest,
                JobStatus::Queued | JobStatus::Paused | JobStatus::Cancelled | JobStatus::Failed | JobStatus::Done => {
                    return;
                }
            };
            let write = |job: &Job, now: Timestamp| Ok(Some(job.advance(epoch, act.clone(), now)?));
            let Some(written) = self.write(write).await else { return };
            job = written;
            if matches!(act, Act::Stumble(_)) && !job.has_ended() {
                self.rest(job.attempts).await;
            }
        }
    }

    fn turn_is_over(&self, job: &Job, began: Timestamp) -> bool {
        self.jobs.table.now().micros() - began.micros() >= TURN_MICROS && self.jobs.is_awaited(self.place, &job.kind)
    }

    /// Does the next step, apart: a fault in it fails the job and nothing else.
    async fn step(&self, job: Arc<Job>) -> Act {
        let Some(service) = self.service.upgrade() else { return Act::HandBack };
        if let Err(error) = self.jobs.kind(&job.kind) {
            return Act::Fail(error.into());
        }
        let Some(kind) = self.kinds.iter().find(|kind| kind.name() == job.kind).cloned() else {
            return Act::Fail(Error::new(ErrorKind::Internal, "internal", "a kind of jobs has no steps").into());
        };
        let (began, workspace, name) = (service.now(), self.place.0, kind.name());
        let mut apart = JoinSet::new();
        apart.spawn(async move { kind.run_step(&Context::new(service, workspace, job)).await });
        let outcome = apart.join_next().await.expect("a task was spawned");
        let took = self.jobs.table.now().micros().saturating_sub(began.micros());
        let worked_micros = u64::try_from(took).unwrap_or(0);
        metrics::histogram!(names::JOB_STEP_SECONDS, "kind" => name).record(worked_micros as f64 / 1e6);
        match outcome {
            Ok(Ok(Step::More { checkpoint, done, total })) => Act::Keep { checkpoint, done, total, worked_micros },
            Ok(Ok(Step::Done { outcome, done })) => Act::Finish { result: outcome, done, worked_micros },
            Ok(Err(error)) if is_temporary(&error) => Act::Stumble(error.into()),
            Ok(Err(error)) => Act::Fail(error.into()),
            Err(fault) if fault.is_panic() => {
                tracing::error!(workspace = workspace.number(), job = %self.place.1, kind = name, "a step panicked");
                let message = "a step met a fault of ours; the operator has been told".to_owned();
                Act::Fail(Failure { code: "job_fault".to_owned(), message })
            }
            // Its runtime is going.
            Err(_) => Act::HandBack,
        }
    }

    /// Changes the job's row, however long the store takes to answer; none when the job is not this worker's any more.
    async fn write(&self, decide: impl Fn(&Job, Timestamp) -> Result<Option<Job>, Refusal>) -> Option<Arc<Job>> {
        let (workspace, id) = self.place;
        let mut tries = 0;
        loop {
            match self.jobs.table.change(workspace, id, &decide).await {
                Ok(job) => {
                    self.jobs.learn(workspace, job.clone());
                    return Some(Arc::new(job));
                }
                Err(Refusal::Replaced) => {
                    self.leave().await;
                    return None;
                }
                Err(Refusal::Failed(error)) if is_temporary(&error) && !self.jobs.is_stopping() => {
                    tries += 1;
                    self.rest(tries).await;
                }
                Err(Refusal::Failed(error)) => {
                    tracing::error!(workspace = workspace.number(), job = %id, code = error.code, "a job rests");
                    self.jobs.forget(self.place);
                    return None;
                }
            }
        }
    }

    /// Somebody else wrote what this worker could not. Watchers hear of it if it is the end, or if the job waits for a worker.
    async fn leave(&self) {
        let (workspace, id) = self.place;
        tracing::warn!(workspace = workspace.number(), job = %id, "another worker has taken the job");
        match self.jobs.table.read(workspace, id).await {
            Ok(Some(job)) if !job.status().is_held() => self.jobs.learn(workspace, job),
            Ok(_) | Err(_) => self.jobs.forget(self.place),
        }
    }

    /// Waits for the next try; whoever nudges ends the wait.
    async fn rest(&self, failures: u32) {
        let wait = WAIT_MIN.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(WAIT_MAX);
        drop(tokio::time::timeout(wait, self.live.nudge.notified()).await);
    }
}

/// Whether another try makes sense. What may have happened may be done again: steps and writes are made for that.
fn is_temporary(error: &Error) -> bool {
    match error.kind {
        ErrorKind::Unavailable | ErrorKind::Unknown | ErrorKind::Throttled => true,
        ErrorKind::Invalid
        | ErrorKind::Unauthenticated
        | ErrorKind::Forbidden
        | ErrorKind::NotFound
        | ErrorKind::Conflict
        | ErrorKind::LimitExceeded
        | ErrorKind::Corrupt
        | ErrorKind::Internal => false,
    }
}
