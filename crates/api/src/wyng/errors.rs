//! How this door says no: `{"error":{"code","message","request_id"}}`, under the statuses of the sister API (spec/wyng.md section 10).

use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tessera_seam::answer::{invalid, to_json};
use tessera_seam::door::{Refusal, Refused};
use tessera_service::error::{Error, ErrorKind};

/// An error as this door answers it. What is there already is a bad request here: the API has no status of its own for it.
pub(super) fn refuse(refusal: &Refusal<'_>) -> Refused {
    let Error { code, message, .. } = refusal.error;
    let status = if refusal.status == StatusCode::CONFLICT { StatusCode::BAD_REQUEST } else { refusal.status };
    let body = json!({ "error": { "code": code, "message": message, "request_id": refusal.request_id } });
    Refused { status, body: to_json(&body), headers: HeaderMap::new() }
}

/// The schema of an error.
pub(super) fn schema() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "required": ["error"],
        "description": "Why a call of the Wyng API failed.",
        "properties": { "error": {
            "type": "object",
            "required": ["code", "message", "request_id"],
            "properties": {
                "code": text("Stable; the codes stand with the statuses."),
                "message": text("What was expected and where."),
                "request_id": text("Finds the request in the log; also in the header `x-request-id`.")
            }
        } }
    })
}

/// A field that cannot be taken as it came.
pub(super) fn invalid_field(field: &str, expected: impl std::fmt::Display) -> Error {
    invalid("field_invalid", format!("{field}: {expected}"))
}

/// An operator or operand that cannot be taken as it came, with where it stands.
pub(super) fn invalid_expression(place: &str, expected: impl std::fmt::Display) -> Error {
    invalid("expression_invalid", format!("{place}: {expected}"))
}

/// The answer for a data model that is none of the key's.
pub(super) fn model_not_found() -> Error {
    Error::new(ErrorKind::NotFound, "tdm_not_found", "this token belongs to no data model of this id")
}

/// The answer for a field that a profile has no relevant value of.
pub(super) fn field_not_found() -> Error {
    Error::new(ErrorKind::NotFound, "field_not_found", "the profile has no relevant value of this field")
}

/// The answer for a segment that is not there.
pub(super) fn segment_not_found() -> Error {
    Error::new(ErrorKind::NotFound, "segment_not_found", "no segment of this data model has this id")
}
