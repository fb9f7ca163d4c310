//! The world of these tests: a clock and random bits of their own, and a kind whose steps the test lets happen one by one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tessera_engine::time::Timestamp;
use tessera_store::{MemoryStore, Store};
use tokio::sync::Semaphore;

use super::super::*;
use crate::base::settings::Settings;
use crate::work::kind::{AnyKind, Context, Kind, Step};
use crate::work::service::Service;

pub(super) const WORKSPACE: WorkspaceId = WorkspaceId::new(1);
pub(super) const OTHER: WorkspaceId = WorkspaceId::new(2);
/// Every service of a test goes on where the one before it was.
static CLOCK: AtomicI64 = AtomicI64::new(1_700_000_000_000_000);
static RANDOM: AtomicU64 = AtomicU64::new(7);

/// Lets time pass.
pub(super) fn pass(micros: i64) {
    CLOCK.fetch_add(micros, Ordering::Relaxed);
}

pub(super) fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

pub(super) fn components(store: &Arc<dyn Store>) -> Components {
    Components {
        tasks: tokio::runtime::Handle::current(),
        store: store.clone(),
        clock: Arc::new(move || {
            Timestamp::from_micros(CLOCK.fetch_add(1_000, Ordering::Relaxed)).expect("the test clock is in bounds")
        }),
        random: Arc::new(move |bytes| {
            let seed = RANDOM.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            bytes.iter_mut().zip(seed.to_le_bytes().iter().cycle()).for_each(|(byte, own)| *byte = *own);
        }),
    }
}

/// Opens a service whose directory knows both workspaces, so that a start looks for their jobs.
pub(super) async fn open(store: &Arc<dyn Store>, kinds: Vec<Arc<dyn AnyKind>>) -> Arc<Service> {
    let calm = Service::open(components(store), Settings::default()).await.expect("the service opens");
    let key = calm.directory().ensure_bootstrap("operator-secret").await.expect("a key");
    let caller = calm.directory().authenticate("operator-secret").expect("the key works");
    assert_eq!(caller.key(), key);
    let name = crate::directory::Slug::parse("other").expect("a name");
    let made = calm.directory().create_workspace(&caller, caller.organization(), &name).await;
    assert!(made.is_ok() || calm.directory().snapshot().workspace(OTHER).is_some());
    calm.close().await;
    Service::open_with(components(store), Settings::default(), kinds).await.expect("the service opens")
}

/// What a step does instead of its work.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    Error(ErrorKind, &'static str),
    Panic,
    LargeCheckpoint,
    Result { bytes: usize },
}

/// A kind whose steps the test lets happen. Clones share everything.
#[derive(Clone)]
pub(super) struct Stepper {
    /// A step takes one permit.
    pub(super) gate: Arc<Semaphore>,
    /// The checkpoints at which steps began, over all jobs.
    pub(super) begun: Arc<watch::Sender<Vec<u64>>>,
    /// What becomes of the steps that begin at a checkpoint, one after the other.
    pub(super) troubles: Arc<Mutex<HashMap<u64, Vec<Trouble>>>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Steps {
    pub(super) steps: u64,
}

impl Stepper {
    /// Steps wait for permits.
    pub(super) fn gated() -> Self {
        let gate = Arc::new(Semaphore::new(0));
        Self { gate, begun: Arc::new(watch::Sender::new(Vec::new())), troubles: Arc::default() }
    }

    /// Steps wait for nothing.
    pub(super) fn free() -> Self {
        let stepper = Self::gated();
        stepper.gate.add_permits(Semaphore::MAX_PERMITS);
        stepper
    }

    pub(super) fn trouble(self, at: u64, troubles: &[Trouble]) -> Self {
        lock(&self.troubles).insert(at, troubles.iter().rev().cloned().collect());
        self
    }

    pub(super) fn kinds(&self) -> Vec<Arc<dyn AnyKind>> {
        vec![Arc::new(self.clone()), Arc::new(Inner(self.clone()))]
    }

    /// Waits until so many steps have begun.
    pub(super) async fn begun(&self, steps: usize) {
        let mut begun = self.begun.subscribe();
        begun.wait_for(|begun| begun.len() >= steps).await.expect("the sender is here");
    }

    pub(super) fn log(&self) -> Vec<u64> {
        self.begun.borrow().clone()
    }

    async fn step_from(&self, from: u64, steps: u64) -> Result<Step<(u64, String), String>, Error> {
        self.begun.send_modify(|begun| begun.push(from));
        self.gate.acquire().await.expect("the gate is never closed").forget();
        let trouble = lock(&self.troubles).get_mut(&from).and_then(Vec::pop);
        let large = || "x".repeat(CHECKPOINT_BYTES_MAX);
        match trouble {
            Some(Trouble::Error(kind, code)) => return Err(Error::new(kind, code, "as the test wants it")),
            Some(Trouble::Panic) => panic!("as the test wants it"),
            Some(Trouble::LargeCheckpoint) => {
                return Ok(Step::More { checkpoint: (from, large()), done: from, total: None });
            }
            Some(Trouble::Result { bytes }) => return Ok(Step::Done { outcome: "x".repeat(bytes), done: from }),
            None => {}
        }
        let done = from + 1;
        Ok(if done < steps {
            Step::More { checkpoint: (done, String::new()), done, total: Some(steps) }
        } else {
            Step::Done { outcome: format!("{done} steps"), done }
        })
    }
}

#[async_trait]
impl Kind for Stepper {
    const NAME: &'static str = "stepper";
    const UNIT: &'static str = "steps";
    const CHECKPOINT_VERSION: u8 = 1;
    type Parameters = Steps;
    type Checkpoint = (u64, String);
    type Outcome = String;

    async fn step(
        &self,
        ctx: &Context,
        parameters: &Steps,
        checkpoint: Option<(u64, String)>,
    ) -> Result<Step<(u64, String), String>, Error> {
        assert_eq!(ctx.job().kind, Self::NAME);
        self.step_from(checkpoint.map_or(0, |(from, _)| from), parameters.steps).await
    }
}

/// The same, but made by another path alone, two at a time, and with the lane in its steps.
pub(super) struct Inner(Stepper);

#[async_trait]
impl Kind for Inner {
    const NAME: &'static str = "inner";
    const UNIT: &'static str = "steps";
    const MADE_BY: MadeBy = MadeBy::Only("DELETE /v1/things");
    const AT_ONCE: usize = 2;
    const CANCELLING: Cancelling = Cancelling::Refused;
    const CHECKPOINT_VERSION: u8 = 2;
    type Parameters = Steps;
    type Checkpoint = (u64, String);
    type Outcome = String;

    async fn step(
        &self,
        ctx: &Context,
        parameters: &Steps,
        checkpoint: Option<(u64, String)>,
    ) -> Result<Step<(u64, String), String>, Error> {
        let step = self.0.step_from(checkpoint.map_or(0, |(from, _)| from), parameters.steps).await?;
        match ctx.submit(crate::write::lane::Work::Purge).await? {
            crate::write::lane::Answer::Purged { more: false } => Ok(step),
            _ => Err(Error::new(ErrorKind::Internal, "internal", "there was nothing to purge")),
        }
    }
}

pub(super) fn new(kind: &str, steps: u64) -> NewJob {
    NewJob { kind: kind.to_owned(), parameters: format!(r#"{{"steps":{steps}}}"#), asked_by: None }
}

/// Makes a job of any kind.
pub(super) async fn make(service: &Service, workspace: WorkspaceId, new: &NewJob) -> JobId {
    match service.jobs().make(workspace, new, None).await.expect("the job is made") {
        Given::Now(job) => job.id,
        Given::Before(_) => panic!("nothing was asked before"),
    }
}

/// Waits until a job stands so, and lets nobody rest until then.
pub(super) async fn until(service: &Service, workspace: WorkspaceId, id: JobId, is: impl Fn(&Job) -> bool) -> Arc<Job> {
    let mut watch = loop {
        // A store that fails now and then may fail this read.
        if let Ok(watch) = service.jobs().watch(workspace, id).await {
            break watch;
        }
    };
    loop {
        tokio::select! {
            biased;
            job = watch.next() => match job {
                Some(job) if is(&job) => return job,
                Some(job) => assert!(!job.has_ended(), "it ended otherwise: {job:?}"),
                None => panic!("the watch ended before that"),
            },
            () = tokio::task::yield_now() => service.jobs().nudge(),
        }
    }
}

pub(super) async fn ended(service: &Service, id: JobId) -> Arc<Job> {
    until(service, WORKSPACE, id, Job::has_ended).await
}

pub(super) async fn status(service: &Service, id: JobId, status: JobStatus) -> Arc<Job> {
    until(service, WORKSPACE, id, |job| job.status() == status).await
}

/// What failed, by its code.
pub(super) fn code(job: &Job) -> &str {
    match &job.state {
        State::Failed { error, .. } => &error.code,
        other => panic!("it did not fail: {other:?}"),
    }
}
