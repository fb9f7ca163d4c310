//! A kind of job: what one step of it does. Everything else is the same for all kinds.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tessera_store::Store;

use crate::base::codec;
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::config::configured::Configured;
use crate::jobs::Job;
use crate::jobs::terms::{
    CHECKPOINT_BYTES_MAX, Cancelling, MadeBy, PARAMETERS_BYTES_MAX, RESULT_BYTES_MAX, Terms, bounded,
};
use crate::stored::keys::Scope;
use crate::work::service::Service;
use crate::write::lane::{Answer, Work};

/// A kind of job. How to add one stands in [`crate::jobs`].
#[async_trait]
pub(crate) trait Kind: Send + Sync + 'static {
    /// Its name in requests, answers and stored records: a permanent contract.
    const NAME: &'static str;
    /// What its progress counts, as a plural noun.
    const UNIT: &'static str;
    /// Who makes jobs of it.
    const MADE_BY: MadeBy = MadeBy::JobsPath;
    /// Jobs of it that may run at one time in one workspace.
    const AT_ONCE: usize = 1;
    /// What becomes of the wish to cancel one.
    const CANCELLING: Cancelling = Cancelling::Ends;
    /// The version of its checkpoints. A job that finds one of another version begins again.
    const CHECKPOINT_VERSION: u8;

    /// What is asked, read from JSON. Derive it with `deny_unknown_fields`; it must hold no value of a person, since it is shown.
    type Parameters: Serialize + DeserializeOwned + Send + Sync;
    /// Where a step begins, kept in bytes of postcard.
    type Checkpoint: Serialize + DeserializeOwned + Send + Sync;
    /// What comes of it, shown as JSON.
    type Outcome: Serialize + Send;

    /// Does the next piece of work: bounded (some ten milliseconds are a good size), and without harm when done again, because a
    /// worker that ends between the work and its checkpoint has its successor do it again. There is no checkpoint before the first.
    ///
    /// # Errors
    /// `Unavailable`, `Unknown` and `Throttled` have the step tried again a while later; anything else fails the job.
    async fn step(
        &self,
        ctx: &Context,
        parameters: &Self::Parameters,
        checkpoint: Option<Self::Checkpoint>,
    ) -> Result<Step<Self::Checkpoint, Self::Outcome>, Error>;
}

/// What a step came to. `done` counts from the beginning of the job.
#[derive(Debug)]
pub(crate) enum Step<C, O> {
    /// There is more to do, from this checkpoint on. The total may be an estimate, and may move.
    More { checkpoint: C, done: u64, total: Option<u64> },
    /// That was the last.
    Done { outcome: O, done: u64 },
}

/// What a step is given: its workspace, and all that the service can do with one.
pub(crate) struct Context {
    service: Arc<Service>,
    workspace: WorkspaceId,
    job: Arc<Job>,
}

impl Context {
    pub(super) fn new(service: Arc<Service>, workspace: WorkspaceId, job: Arc<Job>) -> Self {
        Self { service, workspace, job }
    }

    /// The job, as it was before this step.
    pub(crate) fn job(&self) -> &Job {
        &self.job
    }

    /// Where everything is kept: for reads. What a lane owns is written through [`Self::submit`].
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        self.service.store()
    }

    /// The keys of the workspace.
    pub(crate) fn scope(&self) -> Scope {
        Scope::new(self.workspace)
    }

    /// Has the lane of the workspace do something, in order with all writes.
    ///
    /// # Errors
    /// As the lane answers.
    pub(crate) async fn submit(&self, work: Work) -> Result<Answer, Error> {
        self.service.running(self.workspace).lane.submit_own(work).await
    }

    /// The configuration in force.
    pub(crate) async fn configured(&self) -> Result<Arc<Configured>, Error> {
        self.service.configured(self.workspace).await
    }

    /// The service: for counts and whatever else it answers.
    pub(crate) fn service(&self) -> &Service {
        &self.service
    }

    /// The same, to be kept.
    pub(crate) fn shared(&self) -> &Arc<Service> {
        &self.service
    }

    /// The workspace.
    pub(crate) fn workspace(&self) -> WorkspaceId {
        self.workspace
    }
}

/// A kind whose types are not known: what the runner holds.
#[async_trait]
pub(crate) trait AnyKind: Terms {
    /// Does the next step of a job.
    async fn run_step(&self, ctx: &Context) -> Result<Step<Bytes, String>, Error>;
}

impl<K: Kind> Terms for K {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn unit(&self) -> &'static str {
        K::UNIT
    }

    fn made_by(&self) -> MadeBy {
        K::MADE_BY
    }

    fn at_once(&self) -> usize {
        K::AT_ONCE
    }

    fn cancelling(&self) -> Cancelling {
        K::CANCELLING
    }

    fn parameters(&self, json: &str) -> Result<String, Error> {
        bounded("parameters", json.len(), PARAMETERS_BYTES_MAX)?;
        let refused = |place: String| {
            let message = format!("the parameters of a job {} are not of the form that it takes{place}", K::NAME);
            Error::new(ErrorKind::Invalid, "job_parameters_invalid", message)
        };
        // A list of the values of its members is no object, though serde would take it.
        if !json.trim_start().starts_with('{') {
            return Err(refused(": an object is expected".to_owned()));
        }
        // What serde says itself may quote what was sent.
        let place = |error: serde_json::Error| format!(" at line {} column {}", error.line(), error.column());
        let parameters: K::Parameters = serde_json::from_str(json).map_err(|error| refused(place(error)))?;
        to_json("parameters", &parameters, PARAMETERS_BYTES_MAX)
    }
}

#[async_trait]
impl<K: Kind> AnyKind for K {
    async fn run_step(&self, ctx: &Context) -> Result<Step<Bytes, String>, Error> {
        let parameters =
            serde_json::from_str(&ctx.job.parameters).map_err(|_| codec::corrupt("parameters of a job"))?;
        let version = K::CHECKPOINT_VERSION;
        let checkpoint = ctx.job.checkpoint.as_deref().filter(|bytes| bytes.first() == Some(&version));
        let checkpoint = checkpoint.map(|bytes| codec::decode(version, bytes)).transpose()?;
        Ok(match self.step(ctx, &parameters, checkpoint).await? {
            Step::More { checkpoint, done, total } => {
                let checkpoint = codec::encode(version, &checkpoint);
                bounded("checkpoint", checkpoint.len(), CHECKPOINT_BYTES_MAX)?;
                Step::More { checkpoint, done, total }
            }
            Step::Done { outcome, done } => {
                Step::Done { outcome: to_json("result", &outcome, RESULT_BYTES_MAX)?, done }
            }
        })
    }
}

fn to_json<T: Serialize>(what: &'static str, value: &T, bytes_max: usize) -> Result<String, Error> {
    let json = serde_json::to_string(value).map_err(|_| {
        let message = format!("the {what} of a job cannot be written as json");
        Error::new(ErrorKind::Internal, "internal", message)
    })?;
    bounded(what, json.len(), bytes_max)?;
    Ok(json)
}
