//! What can go wrong, in the terms of whoever called. The kinds are few and fixed; the code says more.

use std::borrow::Cow;

/// What a caller should do about an error. One file of the doors maps it to a status, retry advice and a log level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is wrong and will be wrong again.
    Invalid,
    /// No key, or one that is not known.
    Unauthenticated,
    /// The key may not do this.
    Forbidden,
    /// What was named does not exist.
    NotFound,
    /// It contradicts what is there.
    Conflict,
    /// It is larger than a stated bound.
    LimitExceeded,
    /// Too many requests; later it will do.
    Throttled,
    /// Not now; later it will do. Nothing happened.
    Unavailable,
    /// It may have happened: look before trying again.
    Unknown,
    /// Stored data is damaged.
    Corrupt,
    /// A fault of ours.
    Internal,
}

/// An error with a stable code (`snake_case`, from the one table of codes in [`codes`]) and a message for the client that carries no
/// value of a person.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Error {
    /// What to do about it.
    pub kind: ErrorKind,
    /// The stable code.
    pub code: &'static str,
    /// What was expected and where, for the client.
    pub message: Cow<'static, str>,
    /// Seconds after which another try makes sense, if known.
    pub retry_after_secs: Option<u32>,
}

impl Error {
    /// An error of this kind and code.
    pub fn new(kind: ErrorKind, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, code, message: message.into(), retry_after_secs: None }
    }
}
