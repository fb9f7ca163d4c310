//! What an answer of the store means to a caller. What it means to the operator goes to the log.

use tessera_store::{CommitError, Health, ReadError};

use crate::base::error::{Error, ErrorKind};

/// What a store of this health does not do now.
pub(crate) fn readiness(health: Health) -> Readiness {
    match health {
        Health::Open => Readiness { reads: Ok(()), writes: Ok(()) },
        Health::Full => Readiness { reads: Ok(()), writes: Err(disk_full()) },
        Health::Shut => Readiness { reads: Err(shut()), writes: Err(shut()) },
    }
}

/// Whether requests of these kinds can be answered now, or what they would hear.
#[derive(Debug, Clone)]
pub struct Readiness {
    /// `Unavailable` with `store_unavailable` while the store is shut.
    pub reads: Result<(), Error>,
    /// As reads, and with `disk_full` while the disk has too little room.
    pub writes: Result<(), Error>,
}

/// A read that has no answer.
pub(crate) fn read_failed(error: &ReadError) -> Error {
    match error {
        ReadError::Unavailable(_) => unavailable(error),
        ReadError::Corrupt(_) => corrupt(error),
        ReadError::Trimmed { first, .. } => trimmed(first.0),
        ReadError::Invalid(_) => internal(error),
    }
}

fn trimmed(first: u64) -> Error {
    let before = first.saturating_sub(1);
    let message = format!(
        "what came behind this position of the feed is no longer kept, or never was here; export what there is now and follow the feed from there, or begin with the oldest change that is kept: position={before}"
    );
    Error::new(ErrorKind::NotFound, "feed_trimmed", message)
}

/// A commit that has not happened, or may not have. Conflicts are decided again where they arise; one that comes here has
/// been decided again too often.
pub(crate) fn commit_failed(error: &CommitError) -> Error {
    match error {
        CommitError::Conflict(_) => {
            let message = "others change the same thing all the time; nothing happened, try again";
            Error { retry_after_secs: Some(1), ..Error::new(ErrorKind::Unavailable, "contended", message) }
        }
        CommitError::Ambiguous => {
            let message = "whether this happened is not known; look before trying again";
            Error::new(ErrorKind::Unknown, "outcome_unknown", message)
        }
        CommitError::Fenced => {
            let message = "another process has taken over; nothing happened, try again";
            Error { retry_after_secs: Some(1), ..Error::new(ErrorKind::Unavailable, "fenced", message) }
        }
        CommitError::TooLarge { what, limit } => {
            let message = format!("more than the store takes at once what={what} limit={limit}");
            Error::new(ErrorKind::LimitExceeded, "commit_too_large", message)
        }
        CommitError::Full { .. } => disk_full(),
        CommitError::Unavailable(_) => unavailable(error),
        CommitError::Corrupt(_) => corrupt(error),
        CommitError::Invalid(_) => internal(error),
    }
}

/// The store itself says in the log that the disk is full, once a minute: a line for each request would fill it further.
fn disk_full() -> Error {
    let message =
        "the disk of the server has too little free room for writes; nothing happened, reads and erasures go on";
    Error { retry_after_secs: Some(10), ..Error::new(ErrorKind::Unavailable, "disk_full", message) }
}

/// A store that is shut says in the log why, with each try to open it.
fn unavailable(error: &dyn std::error::Error) -> Error {
    tracing::debug!(%error, "the store does not answer");
    shut()
}

fn shut() -> Error {
    let message = "the store does not answer now; nothing happened, try again";
    Error { retry_after_secs: Some(1), ..Error::new(ErrorKind::Unavailable, "store_unavailable", message) }
}

fn corrupt(error: &dyn std::error::Error) -> Error {
    tracing::error!(
        %error,
        "stored data is damaged: stop the server, see what `tessera check` tells of its folder, and restore a backup with `tessera restore`"
    );
    Error::new(ErrorKind::Corrupt, "store_corrupt", "stored data is damaged; the operator has been told")
}

fn internal(error: &dyn std::error::Error) -> Error {
    tracing::error!(%error, "the store was asked for what it does not do");
    Error::new(ErrorKind::Internal, "internal", "a fault of ours; the operator has been told")
}
