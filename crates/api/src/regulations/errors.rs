//! How this door says no: `{"errors":[{"type","message","reason"}]}`, and 422 for what is wrong with a request.

use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tessera_seam::answer::{invalid, to_json};
use tessera_seam::door::{Refusal, Refused};
use tessera_service::error::{Error, ErrorKind};

/// An error as this door answers it. The API has one status for what cannot be taken, 422.
pub(super) fn refuse(refusal: &Refusal<'_>) -> Refused {
    let error = refusal.error;
    let status = match refusal.status {
        StatusCode::BAD_REQUEST | StatusCode::CONFLICT => StatusCode::UNPROCESSABLE_ENTITY,
        status => status,
    };
    let own = json!({ "type": kind(error), "message": error.message, "reason": error.code });
    Refused { status, body: to_json(&json!({ "errors": [own] })), headers: HeaderMap::new() }
}

/// What an error is called on this wire.
fn kind(error: &Error) -> &'static str {
    match error.kind {
        ErrorKind::Unauthenticated => "unauthorized",
        ErrorKind::Forbidden => "forbidden",
        ErrorKind::NotFound => "not-found",
        ErrorKind::Throttled => "too-many-requests",
        ErrorKind::Invalid | ErrorKind::Conflict | ErrorKind::LimitExceeded => "validation-failure",
        ErrorKind::Unavailable | ErrorKind::Unknown | ErrorKind::Corrupt | ErrorKind::Internal => "internal-error",
    }
}

/// The schema of an error.
pub(super) fn schema() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "required": ["errors"],
        "description": "Why a call about regulations failed.",
        "properties": { "errors": { "type": "array", "items": {
            "type": "object",
            "required": ["type", "message", "reason"],
            "properties": {
                "type": text("`validation-failure`, `not-found`, `unauthorized`, `forbidden`, `too-many-requests`, `internal-error`."),
                "message": text("What was expected and where."),
                "reason": text("Stable; the codes stand with the statuses.")
            }
        } } }
    })
}

/// A member that cannot be taken as it came.
pub(super) fn invalid_member(member: &str, expected: &str) -> Error {
    invalid("regulation_invalid", format!("{member}: {expected}; nothing was done"))
}

/// The answer for a regulation that is not there.
pub(super) fn not_found() -> Error {
    let message = "no regulation of this id; ended ones are kept for 30 days";
    Error::new(ErrorKind::NotFound, "regulation_not_found", message)
}

/// The answer where a regulation can be taken back no more.
pub(super) fn begun() -> Error {
    let message = "a regulation is deleted only before it begins: its overallStatus is expected to be INITIALIZED";
    Error::new(ErrorKind::Conflict, "regulation_begun", message)
}
