//! The form of requests and answers about jobs.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// What is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewJob)]
pub(super) struct NewJob<'a> {
    /// The kind of job.
    pub(super) kind: String,
    /// What the kind takes; nothing where it is left out.
    #[serde(borrow, default)]
    #[schema(value_type = Option<Object>)]
    pub(super) parameters: Option<&'a RawValue>,
}

/// A page of jobs, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Jobs {
    /// The jobs.
    pub(super) items: Vec<Listed>,
    /// Where the next page begins; null on the last.
    pub(super) next_cursor: Option<String>,
}

/// One of a page of jobs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = ListedJob)]
pub(super) enum Listed {
    /// A job.
    Job(Box<Job>),
    /// What is left of one whose record cannot be read.
    Damaged(Damaged),
}

/// A job whose record cannot be read. It rests; the operator's log and the offline check name it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DamagedJob)]
pub(super) struct Damaged {
    /// Its id.
    pub(super) id: String,
    /// `damaged`.
    pub(super) state: DamagedState,
}

/// The one state of a job whose record cannot be read, so that no other job is of this form.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum DamagedState {
    /// It cannot be read.
    Damaged,
}

/// Long work of a workspace.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Job {
    /// Its id; later jobs have greater ones.
    pub(super) id: String,
    /// Its kind.
    pub(super) kind: String,
    /// What was asked.
    #[schema(value_type = Object)]
    pub(super) parameters: Box<RawValue>,
    /// `queued`, `running`, `pausing`, `paused`, `cancelling`, and at the end `cancelled`, `failed` or `done`.
    pub(super) state: &'static str,
    /// The id of the key it was asked with; null when the server asked itself.
    pub(super) asked_by: Option<String>,
    /// When it was asked.
    pub(super) created_at: String,
    /// When it first began.
    pub(super) started_at: Option<String>,
    /// When anything of it changed last.
    pub(super) updated_at: String,
    /// When it ended.
    pub(super) ended_at: Option<String>,
    /// How far it has come.
    pub(super) progress: Progress,
    /// Tries of the present step that failed; the tenth fails the job.
    pub(super) attempts: u32,
    /// What came of it, in the form of its kind; null until it is done.
    #[schema(value_type = Option<Object>)]
    pub(super) result: Option<Box<RawValue>>,
    /// Why it failed; while a step is tried again, why the last try failed.
    pub(super) error: Option<JobError>,
}

/// How far a job has come.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobProgress)]
pub(super) struct Progress {
    /// Units done.
    pub(super) done: u64,
    /// Units in all, as far as can be said; it may move.
    pub(super) total: Option<u64>,
    /// What is counted.
    pub(super) unit: String,
    /// Whole seconds of work left at the rate so far; null while nobody can say, and at the end.
    pub(super) remaining_secs: Option<u64>,
}

/// Why a job failed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JobError {
    /// A code that calls are answered with too, or `job_fault` (a step met a fault of the server) or `job_stuck` (a step was begun
    /// again and again, and the server always ended first).
    pub(super) code: String,
    /// What was expected and where.
    pub(super) message: String,
}
