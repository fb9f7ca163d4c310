//! How this door says no: `{"code","message","details","requestId"}`, under the statuses of spec/optimizely.md section 16.

use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tessera_seam::answer::{invalid, to_json};
use tessera_seam::door::{Refusal, Refused};
use tessera_service::error::{Error, ErrorKind};

/// What is too large has a status of its own; whatever else is bounded is a bad request.
const TOO_LARGE: [&str; 3] = ["body_too_large", "profile_too_large", "track_event_too_large"];

/// An error as this door answers it.
pub(super) fn refuse(refusal: &Refusal<'_>) -> Refused {
    let Error { code, message, .. } = refusal.error;
    let is_bound = refusal.status == StatusCode::PAYLOAD_TOO_LARGE && !TOO_LARGE.contains(code);
    let status = if is_bound { StatusCode::BAD_REQUEST } else { refusal.status };
    let details: Vec<Value> =
        target(message).map(|(target, message)| json!({ "target": target, "message": message })).into_iter().collect();
    let body = json!({ "code": code, "message": message, "details": details, "requestId": refusal.request_id });
    Refused { status, body: to_json(&body), headers: HeaderMap::new() }
}

/// The member that a message is about, and the rest of it.
fn target(message: &str) -> Option<(&str, &str)> {
    let (target, rest) = message.split_once(": ")?;
    let is_name = target.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"$._[]-".contains(&byte));
    (is_name && !target.is_empty()).then_some((target, rest))
}

/// The schema of an error.
pub(super) fn schema() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "required": ["code", "message", "details", "requestId"],
        "description": "Why a call of the Profile Store API failed.",
        "properties": {
            "code": text("Stable; the codes stand with the statuses."),
            "message": text("What was expected and where."),
            "details": { "type": "array", "description": "The member that it is about, where it is about one.", "items": {
                "type": "object", "required": ["target", "message"],
                "properties": { "target": text("As in `Info.Email`."), "message": text("What is expected of it.") }
            } },
            "requestId": text("Finds the request in the log; also in the header `x-request-id`.")
        }
    })
}

/// A member that cannot be taken as it came.
pub(super) fn invalid_member(target: &str, expected: impl std::fmt::Display) -> Error {
    invalid("member_invalid", format!("{target}: {expected}"))
}

/// An option of a list that cannot be read.
pub(super) fn invalid_option(name: &str, expected: impl std::fmt::Display) -> Error {
    invalid("option_invalid", format!("{name}: {expected}"))
}

/// A filter that says what cannot be asked.
pub(super) fn invalid_filter(target: &str, expected: impl std::fmt::Display) -> Error {
    invalid("filter_invalid", format!("{target}: {expected}"))
}

/// A filter that gives no answer for some within the bounds of rules: a list without them would not be the one that was asked for.
pub(super) fn undecided() -> Error {
    let message = "$filter: for some it gives no answer, since they have more events than one look goes through; leave Visits, FirstSeen and LastSeen out";
    invalid("filter_undecided", message)
}

/// The answer for a scope that is not there, or that the key does not hold.
pub(super) fn scope_not_found() -> Error {
    Error::new(ErrorKind::NotFound, "scope_not_found", "Scope: no scope of this name is there for this key")
}

/// The same, where it is named in a body.
pub(super) fn scope_unknown() -> Error {
    invalid("scope_unknown", "Scope: no scope of this name is there for this key, and it may not make one")
}

/// The answer for a profile that is not there.
pub(super) fn profile_not_found() -> Error {
    Error::new(ErrorKind::NotFound, "profile_not_found", "no profile of this scope has this id")
}

/// The answer for a segment that is not there.
pub(super) fn segment_not_found() -> Error {
    Error::new(ErrorKind::NotFound, "segment_not_found", "no segment has this id")
}
