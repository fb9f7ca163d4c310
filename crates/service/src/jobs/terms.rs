//! What is the same for all jobs of a kind: its name, who makes them, how many may run, and whether they may be cancelled.

use crate::base::error::{Error, ErrorKind};

/// Bytes of JSON that the parameters of a job may come to.
pub const PARAMETERS_BYTES_MAX: usize = 16 << 10;
/// Bytes that a checkpoint may come to.
pub const CHECKPOINT_BYTES_MAX: usize = 256 << 10;
/// Bytes of JSON that the result of a job may come to.
pub const RESULT_BYTES_MAX: usize = 64 << 10;

/// Who makes jobs of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MadeBy {
    /// Whoever asks at the path of jobs.
    JobsPath,
    /// What this says alone, such as `DELETE /v1/datasets/{dataset}`.
    Only(&'static str),
}

/// What becomes of the wish to cancel a job of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancelling {
    /// It ends between two steps, and what they did stays done.
    Ends,
    /// It is refused: the job brings about what has been committed already, such as an erasure, so half of it would be a lie.
    Refused,
}

/// The terms of a kind, whatever its steps do.
pub(crate) trait Terms: Send + Sync {
    /// Its name in requests, answers and stored records.
    fn name(&self) -> &'static str;
    /// What its progress counts, as a plural noun.
    fn unit(&self) -> &'static str;
    /// Who makes jobs of it.
    fn made_by(&self) -> MadeBy;
    /// Jobs of it that may run at one time in one workspace.
    fn at_once(&self) -> usize;
    /// What becomes of the wish to cancel one.
    fn cancelling(&self) -> Cancelling;

    /// The parameters in their one spelling.
    ///
    /// # Errors
    /// `Invalid` with `job_parameters_invalid`; `LimitExceeded` with `job_too_large`.
    fn parameters(&self, json: &str) -> Result<String, Error>;
}

/// Refuses what is larger than a job holds of it.
///
/// # Errors
/// `LimitExceeded` with `job_too_large`.
pub(crate) fn bounded(what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), Error> {
    if bytes > bytes_max {
        let message = format!("more than a job may hold what={what} bytes={bytes} limit={bytes_max}");
        return Err(Error::new(ErrorKind::LimitExceeded, "job_too_large", message));
    }
    Ok(())
}
