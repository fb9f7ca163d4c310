//! A job as a value: what was asked, where it stands, and every change that its state may make. Pure.

use std::fmt;

use bytes::Bytes;
use tessera_engine::id::EventId;
use tessera_engine::time::Timestamp;

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::KeyId;

/// Times that one step may fail, or end with its process, before the job fails.
pub const ATTEMPTS_MAX: u32 = 10;

/// The id of a job: 96 bits, shown as 24 hexadecimal digits. Later jobs have greater ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId([u8; 12]);

impl JobId {
    /// The id with these twelve bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }

    /// Its twelve bytes; they sort as the id does.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }

    /// Reads 24 hexadecimal digits, of either case.
    ///
    /// # Errors
    /// `NotFound` with `job_not_found`: a text that is no id names no job.
    pub fn parse(text: &str) -> Result<Self, Error> {
        EventId::parse(text).map(|id| Self(*id.as_bytes())).map_err(|_| not_found())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The answer for a job that is not there.
pub(crate) fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "job_not_found", "no job of this id; ended ones are kept for a while only")
}

/// Long work of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// The name of its kind.
    pub kind: String,
    /// What was asked, as JSON of the kind. Whoever may read the workspace may see it, so it holds no value of a person.
    pub parameters: String,
    /// The key it was asked with; none when the service asked itself.
    pub asked_by: Option<KeyId>,
    /// When it was asked.
    pub created_at: Timestamp,
    /// When it was first taken up.
    pub started_at: Option<Timestamp>,
    /// When anything of it changed last.
    pub updated_at: Timestamp,
    /// Where it stands.
    pub state: State,
    /// How far it has come.
    pub progress: Progress,
    /// Tries of the present step that failed or were cut off. Back to 0 with each step that succeeds.
    pub attempts: u32,
    /// Why the last of them failed.
    pub trouble: Option<Failure>,
    /// Counts the changes of this job; the greater of two readings is the later.
    pub revision: u64,
    /// Counts the workers that took it up. Only the last one may write.
    pub(crate) epoch: u64,
    /// Where the next step begins, in the kind's own bytes.
    pub(crate) checkpoint: Option<Bytes>,
}

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It waits for its turn.
    Queued,
    /// A worker does its steps.
    Running,
    /// It is to be paused: the step under way ends first.
    Pausing,
    /// It rests until somebody resumes it.
    Paused,
    /// It is to be cancelled: the step under way ends first.
    Cancelling,
    /// It ended because somebody wanted it to. What its steps did stays done.
    Cancelled {
        /// When.
        at: Timestamp,
    },
    /// It ended because it could not go on.
    Failed {
        /// When.
        at: Timestamp,
        /// Why.
        error: Failure,
    },
    /// It ended with all work done.
    Done {
        /// When.
        at: Timestamp,
        /// What came of it, as JSON of the kind; no value of a person.
        result: String,
    },
}

/// Where a job stands, without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobStatus {
    /// As [`State::Queued`].
    Queued,
    /// As [`State::Running`].
    Running,
    /// As [`State::Pausing`].
    Pausing,
    /// As [`State::Paused`].
    Paused,
    /// As [`State::Cancelling`].
    Cancelling,
    /// As [`State::Cancelled`].
    Cancelled,
    /// As [`State::Failed`].
    Failed,
    /// As [`State::Done`].
    Done,
}

impl JobStatus {
    /// All of them, in the order of a job's life.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Running,
        Self::Pausing,
        Self::Paused,
        Self::Cancelling,
        Self::Cancelled,
        Self::Failed,
        Self::Done,
    ];

    /// Its name in requests and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Pausing => "pausing",
            Self::Paused => "paused",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Done => "done",
        }
    }

    /// Reads a name.
    ///
    /// # Errors
    /// `Invalid` with `job_state_unknown`.
    pub fn parse(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|status| status.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::new(ErrorKind::Invalid, "job_state_unknown", format!("the state of a job is one of {names}"))
        })
    }

    /// Whether a worker holds it, or did until its process ended.
    #[must_use]
    pub(crate) const fn is_held(self) -> bool {
        match self {
            Self::Running | Self::Pausing | Self::Cancelling => true,
            Self::Queued | Self::Paused | Self::Cancelled | Self::Failed | Self::Done => false,
        }
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Running | Self::Pausing | Self::Paused | Self::Cancelling => false,
            Self::Cancelled | Self::Failed | Self::Done => true,
        }
    }
}

impl State {
    /// Where it stands, without its data.
    #[must_use]
    pub const fn status(&self) -> JobStatus {
        match self {
            Self::Queued => JobStatus::Queued,
            Self::Running => JobStatus::Running,
            Self::Pausing => JobStatus::Pausing,
            Self::Paused => JobStatus::Paused,
            Self::Cancelling => JobStatus::Cancelling,
            Self::Cancelled { .. } => JobStatus::Cancelled,
            Self::Failed { .. } => JobStatus::Failed,
            Self::Done { .. } => JobStatus::Done,
        }
    }

    /// What becomes of it between two steps: whatever was wished meanwhile happens.
    fn between_steps(&self, at: Timestamp) -> Self {
        match self {
            Self::Pausing => Self::Paused,
            Self::Cancelling => Self::Cancelled { at },
            other => other.clone(),
        }
    }
}

/// Why a job, or a try of one of its steps, failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A code of the one table.
    pub code: String,
    /// What was expected and where; no value of a person.
    pub message: String,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { code: error.code.to_owned(), message: error.message.into_owned() }
    }
}

/// How far a job has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units in all, as estimated; none while nobody can say.
    pub total: Option<u64>,
    /// What is counted, as a plural noun.
    pub unit: String,
    /// Microseconds that steps took; waits and pauses are not among them.
    pub worked_micros: u64,
}

impl Progress {
    /// Seconds of work left at the rate seen so far, rounded up; none before anything is done or while the total is not known.
    #[must_use]
    pub fn remaining_secs(&self) -> Option<u64> {
        let left = self.total?.saturating_sub(self.done);
        let micros = (u128::from(left) * u128::from(self.worked_micros)).checked_div(self.done.into())?;
        u64::try_from(micros.div_ceil(1_000_000)).ok()
    }
}

/// What somebody wants of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Rest after the step under way.
    Pause,
    /// Go on.
    Resume,
    /// End after the step under way.
    Cancel,
}

impl Wish {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pause, Self::Resume, Self::Cancel];

    /// Its name in paths.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
        }
    }
}

/// What the worker of a job writes.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// A step was done, and there is more to do.
    Keep { checkpoint: Bytes, done: u64, total: Option<u64>, worked_micros: u64 },
    /// The last step was done.
    Finish { result: String, done: u64, worked_micros: u64 },
    /// A step failed and may be tried again.
    Stumble(Failure),
    /// A step failed for good.
    Fail(Failure),
    /// No step was done: only what was wished meanwhile happens.
    Rest,
    /// The service stops, or others wait for their turn: another worker goes on.
    HandBack,
}

/// The writer is not the job's worker any more, if it ever was. It must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Replaced;

impl Job {
    /// A job that was asked now.
    pub(crate) fn new(
        id: JobId,
        kind: &str,
        unit: &str,
        parameters: String,
        by: Option<KeyId>,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            kind: kind.to_owned(),
            parameters,
            asked_by: by,
            created_at: now,
            started_at: None,
            updated_at: now,
            state: State::Queued,
            progress: Progress { done: 0, total: None, unit: unit.to_owned(), worked_micros: 0 },
            attempts: 0,
            trouble: None,
            revision: 1,
            epoch: 0,
            checkpoint: None,
        }
    }

    /// Where it stands, without its data.
    #[must_use]
    pub fn status(&self) -> JobStatus {
        self.state.status()
    }

    /// Whether a worker has ever taken it up.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.started_at.is_some()
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.status().is_final()
    }

    /// When it ended.
    #[must_use]
    pub fn ended_at(&self) -> Option<Timestamp> {
        match &self.state {
            State::Queued | State::Running | State::Pausing | State::Paused | State::Cancelling => None,
            State::Cancelled { at } | State::Failed { at, .. } | State::Done { at, .. } => Some(*at),
        }
    }

    /// What becomes of it by somebody's wish; none when that is so already.
    ///
    /// # Errors
    /// `Conflict` with `job_ended`, or with `job_cancelling` for whatever is wished of a job that is about to end.
    pub(crate) fn steer(&self, wish: Wish, now: Timestamp) -> Result<Option<Self>, Error> {
        let state = match (wish, &self.state) {
            (Wish::Pause, State::Queued) => State::Paused,
            (Wish::Pause, State::Running) => State::Pausing,
            (Wish::Resume, State::Pausing) => State::Running,
            (Wish::Resume, State::Paused) => State::Queued,
            (Wish::Cancel, State::Queued | State::Paused) => State::Cancelled { at: now },
            (Wish::Cancel, State::Running | State::Pausing) => State::Cancelling,
            (Wish::Pause, State::Pausing | State::Paused)
            | (Wish::Resume, State::Queued | State::Running)
            | (Wish::Cancel, State::Cancelling | State::Cancelled { .. }) => return Ok(None),
            (Wish::Pause | Wish::Resume, State::Cancelling) => {
                let message = format!("the job is being cancelled; it cannot {} any more", wish.name());
                return Err(Error::new(ErrorKind::Conflict, "job_cancelling", message));
            }
            (Wish::Pause | Wish::Resume, State::Cancelled { .. })
            | (Wish::Pause | Wish::Resume | Wish::Cancel, State::Failed { .. } | State::Done { .. }) => {
                let message = format!("the job has ended state={}; ask for another", self.status().name());
                return Err(Error::new(ErrorKind::Conflict, "job_ended", message));
            }
        };
        let mut job = self.changed(state, now);
        if (wish, &self.state) == (Wish::Resume, &State::Paused) {
            (job.attempts, job.trouble) = (0, None);
        }
        Ok(Some(job))
    }

    /// What becomes of it when a worker takes it up; none when there is nothing to take up. One that still counts as running was
    /// left by a worker that is gone.
    pub(crate) fn take(&self, now: Timestamp) -> Option<Self> {
        let mut job = match &self.state {
            State::Queued => self.changed(State::Running, now),
            State::Running => {
                let message = format!("a step was begun {ATTEMPTS_MAX} times and never ended");
                let stuck = Failure { code: "job_stuck".to_owned(), message };
                self.stumbled(stuck, now)
            }
            State::Pausing | State::Cancelling => self.changed(self.state.between_steps(now), now),
            State::Paused | State::Cancelled { .. } | State::Failed { .. } | State::Done { .. } => return None,
        };
        if job.state == State::Running {
            job.epoch += 1;
            job.started_at.get_or_insert(now);
        }
        Some(job)
    }

    /// What becomes of it by the worker that took it up as this epoch.
    pub(crate) fn advance(&self, epoch: u64, act: Act, now: Timestamp) -> Result<Self, Replaced> {
        if !self.status().is_held() || self.epoch != epoch {
            return Err(Replaced);
        }
        let between = self.state.between_steps(now);
        Ok(match act {
            Act::Keep { checkpoint, done, total, worked_micros } => {
                let mut job = self.changed(between, now);
                if !job.has_ended() {
                    job.checkpoint = Some(checkpoint);
                }
                (job.progress.done, job.progress.total) = (done, total);
                job.succeeded(worked_micros)
            }
            // A wish that came during the last step came too late.
            Act::Finish { result, done, worked_micros } => {
                let mut job = self.changed(State::Done { at: now, result }, now);
                (job.progress.done, job.progress.total) = (done, Some(done));
                job.succeeded(worked_micros)
            }
            Act::Stumble(failure) => self.stumbled(failure, now),
            Act::Fail(error) => self.changed(State::Failed { at: now, error }, now),
            Act::Rest => self.changed(between, now),
            Act::HandBack if between == State::Running => self.changed(State::Queued, now),
            Act::HandBack => self.changed(between, now),
        })
    }

    fn succeeded(mut self, worked_micros: u64) -> Self {
        self.progress.worked_micros += worked_micros;
        (self.attempts, self.trouble) = (0, None);
        self
    }

    /// One more try has failed: with the last one the job fails, unless somebody wanted it to stop anyway.
    fn stumbled(&self, failure: Failure, now: Timestamp) -> Self {
        let attempts = self.attempts + 1;
        let state = match self.state.between_steps(now) {
            State::Running if attempts >= ATTEMPTS_MAX => State::Failed { at: now, error: failure.clone() },
            between => between,
        };
        Self { attempts, trouble: Some(failure), ..self.changed(state, now) }
    }

    fn changed(&self, state: State, now: Timestamp) -> Self {
        let checkpoint = if state.status().is_final() { None } else { self.checkpoint.clone() };
        // The clock of the machine may go back; that of a job does not.
        let updated_at = self.updated_at.max(now);
        Self { state, checkpoint, updated_at, revision: self.revision + 1, ..self.clone() }
    }
}

#[cfg(test)]
mod tests;
