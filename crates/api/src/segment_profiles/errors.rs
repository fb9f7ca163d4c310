//! How this door says no: `{"error":{"code","message","reason"}}`. `code` is one of the API's own (spec/segment.md section 3); `reason`, an
//! addition of ours, is the stable code of the one table.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use tessera_seam::answer::{invalid, to_json};
use tessera_seam::door::{Refusal, Refused};
use tessera_service::error::{Error, ErrorKind};

/// The header in which the API tells the id of a request.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// An error as this door answers it. The API has no statuses for conflicts and for what is too large: they are bad requests here.
pub(super) fn refuse(refusal: &Refusal<'_>) -> Refused {
    let error = refusal.error;
    let status = match refusal.status {
        StatusCode::CONFLICT | StatusCode::PAYLOAD_TOO_LARGE => StatusCode::BAD_REQUEST,
        status => status,
    };
    let message = match error.code {
        "profile_not_found" => "Profile was not found.",
        _ => &error.message,
    };
    let body = json!({ "error": { "code": code(error), "message": message, "reason": error.code } });
    let mut headers = HeaderMap::new();
    if let Ok(id) = HeaderValue::from_str(refusal.request_id) {
        headers.insert(REQUEST_ID, id);
    }
    Refused { status, body: to_json(&body), headers }
}

/// What an error is called on this wire (section 3). What is wrong inside has no name there: it keeps ours.
fn code(error: &Error) -> &'static str {
    match (error.code, error.kind) {
        ("unsupported_eid_type", _) => "unsupported_eid_type",
        // What is wrong with a body: only the deletion of external ids takes one.
        (
            "batch_empty"
            | "batch_too_many"
            | "body_broken"
            | "body_invalid"
            | "body_missing"
            | "body_too_large"
            | "content_encoding_invalid"
            | "deletion_target_invalid"
            | "json_invalid",
            _,
        ) => "bad_request",
        // What is no question of this API at all.
        (
            "collection_unknown"
            | "header_invalid"
            | "method_not_allowed"
            | "path_invalid"
            | "profile_reference_invalid",
            _,
        ) => "invalid_request_error",
        (_, ErrorKind::Unauthenticated | ErrorKind::Forbidden) => "authentication_error",
        (_, ErrorKind::NotFound) => "not_found",
        (_, ErrorKind::Throttled) => "rate_limit_error",
        (_, ErrorKind::Invalid | ErrorKind::Conflict | ErrorKind::LimitExceeded) => "validation_error",
        (own, ErrorKind::Unavailable | ErrorKind::Unknown | ErrorKind::Corrupt | ErrorKind::Internal) => own,
    }
}

/// The schema of an error.
pub(super) fn schema() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "required": ["error"],
        "description": "Why a call of the Segment Profile API failed. The header `Request-Id` finds it in the log.",
        "properties": { "error": {
            "type": "object",
            "required": ["code", "message", "reason"],
            "properties": {
                "code": text(
                    "`authentication_error`, `invalid_request_error`, `rate_limit_error`, `validation_error`, `not_found`; of a deletion \
                     `bad_request`, `unsupported_eid_type` too. With a status of 500 or above it is `reason`."
                ),
                "message": text("What was expected and where."),
                "reason": text("Stable; the codes stand with the statuses.")
            }
        } }
    })
}

/// The answer for a space that the key does not hold, whether or not there is one.
pub(super) fn space_not_found() -> Error {
    let message = "the access token holds no space of this name or id";
    Error::new(ErrorKind::NotFound, "space_not_found", message)
}

/// The answer where a parameter has a value that it does not take.
pub(super) fn invalid_parameter(name: &str, expected: impl std::fmt::Display) -> Error {
    invalid("query_invalid", format!("{name}: {expected}"))
}
