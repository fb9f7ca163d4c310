//! What a kind of error means on the wire: its status, what the client should do, and how loudly we log it.

use axum::http::StatusCode;
use tessera_service::error::ErrorKind;
use tracing::Level;

/// What a client should do after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Sending the same again gives the same answer.
    Never,
    /// Send it again after so many seconds, unless the error knows better.
    After(u32),
    /// It may have happened: look first, or send it again with the same ids.
    LookFirst,
}

impl Retry {
    /// Its name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::After(_) => "later",
            Self::LookFirst => "look_first",
        }
    }
}

/// How a kind of error is answered.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The status.
    pub status: StatusCode,
    /// What the client should do.
    pub retry: Retry,
    /// How loudly it is logged.
    pub level: Level,
}

/// The rule of a kind.
pub const fn rule(kind: ErrorKind) -> Rule {
    let (status, retry, level) = match kind {
        ErrorKind::Invalid => (StatusCode::BAD_REQUEST, Retry::Never, Level::DEBUG),
        ErrorKind::Unauthenticated => (StatusCode::UNAUTHORIZED, Retry::Never, Level::DEBUG),
        ErrorKind::Forbidden => (StatusCode::FORBIDDEN, Retry::Never, Level::DEBUG),
        ErrorKind::NotFound => (StatusCode::NOT_FOUND, Retry::Never, Level::DEBUG),
        ErrorKind::Conflict => (StatusCode::CONFLICT, Retry::Never, Level::DEBUG),
        ErrorKind::LimitExceeded => (StatusCode::PAYLOAD_TOO_LARGE, Retry::Never, Level::DEBUG),
        ErrorKind::Throttled => (StatusCode::TOO_MANY_REQUESTS, Retry::After(1), Level::DEBUG),
        ErrorKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, Retry::After(1), Level::WARN),
        ErrorKind::Unknown => (StatusCode::SERVICE_UNAVAILABLE, Retry::LookFirst, Level::WARN),
        ErrorKind::Corrupt => (StatusCode::INTERNAL_SERVER_ERROR, Retry::Never, Level::ERROR),
        ErrorKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, Retry::Never, Level::ERROR),
    };
    Rule { status, retry, level }
}
