//! How these doors say no: by an envelope with a code of five digits where something is taken (section 8.1), by a name where something is
//! exported (section 8.2).

use std::borrow::Cow;

use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use tessera_seam::answer::{Failure, invalid, to_json};
use tessera_seam::door::{Refusal, Refused};
use tessera_service::error::{Error, ErrorKind};

use super::wire::Envelope;

/// Faults of one request that are told.
pub(super) const FAULTS_MAX: usize = 20;

/// What is wrong with a member of a request, and where.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Fault {
    /// Its place: `events[0].event_datetime`.
    pub(super) field: String,
    /// `required`, `unknown`, `type`, `format`, `empty`, `too_many`, `too_large`, or a stable code of the service.
    pub(super) reason: &'static str,
    /// What is expected there.
    pub(super) expected: Cow<'static, str>,
}

/// The faults of a request, the first ones.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// Keeps a fault, unless there are many.
    pub(super) fn add(&mut self, field: &str, reason: &'static str, expected: impl Into<Cow<'static, str>>) {
        if self.0.len() < FAULTS_MAX {
            self.0.push(Fault { field: field.to_owned(), reason, expected: expected.into() });
        }
    }

    /// Refuses the request if there are any.
    ///
    /// # Errors
    /// `validation_failed`, with what is wrong.
    pub(super) fn check(self) -> Result<(), Failure> {
        let Some(first) = self.0.first() else { return Ok(()) };
        let error = invalid("validation_failed", format!("{}: {}", first.field, first.expected));
        Err(with_faults(error, &self.0))
    }
}

fn with_faults(error: Error, faults: &[Fault]) -> Failure {
    Failure::from(error).with_member("data", json!(faults))
}

/// The answer to a request with more than 100 events.
pub(super) fn too_many_events(max: usize) -> Failure {
    invalid("events_too_many", format!("events: at most {max} events are expected")).into()
}

/// The answer to a request with several user profiles.
pub(super) fn too_many_profiles() -> Failure {
    invalid("user_profiles_too_many", "one user profile is expected, an object and no list").into()
}

/// What the data model of a strict dataset refuses an event with: the event is dropped and its sender not told (section 4.2).
const TAXONOMY: [&str; 7] = [
    "event_type_unregistered",
    "event_type_inactive",
    "property_missing",
    "property_unregistered",
    "property_type_mismatch",
    "property_not_allowed",
    "property_invalid",
];

/// Whether an event was dropped for what the data model says.
pub(super) fn is_of_taxonomy(code: &str) -> bool {
    TAXONOMY.contains(&code)
}

/// What cannot be read as a request at all: HTTP 400. Everything else that is invalid is told under HTTP 200 (section 8.1).
const UNREADABLE: [&str; 11] = [
    "json_invalid",
    "utf8_invalid",
    "body_missing",
    "body_broken",
    "body_too_large",
    "content_encoding_invalid",
    "query_invalid",
    "path_invalid",
    "header_invalid",
    "service_id_missing",
    "not_found",
];

/// The status, the code and its name that an error has in the envelope (section 8.1).
fn in_envelope(error: &Error, status: StatusCode) -> (StatusCode, &'static str, &'static str) {
    let bad_request = |status| (status, "40000", "BAD_REQUEST");
    match (error.code, error.kind) {
        ("workspace_forbidden" | "workspace_missing", _) => (StatusCode::OK, "40101", "INVALID_SERVICE_ID"),
        ("events_too_many", _) => (StatusCode::OK, "40402", "TOO_MANY_EVENTS"),
        ("user_profiles_too_many", _) => (StatusCode::OK, "40403", "TOO_MANY_USER_PROFILES"),
        ("not_found" | "method_not_allowed", _) => bad_request(status),
        (code, _) if UNREADABLE.contains(&code) => bad_request(StatusCode::BAD_REQUEST),
        (_, ErrorKind::Unauthenticated | ErrorKind::Forbidden) => (StatusCode::OK, "40201", "INVALID_TOKEN"),
        (_, ErrorKind::Throttled) => (StatusCode::TOO_MANY_REQUESTS, "40401", "TOO_MANY_REQUEST"),
        (_, ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Conflict | ErrorKind::LimitExceeded) => {
            (StatusCode::OK, "40001", "VALIDATION_FAILURE")
        }
        (_, ErrorKind::Unavailable | ErrorKind::Unknown | ErrorKind::Corrupt | ErrorKind::Internal) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "50000", "INTERNAL_SERVER_ERROR")
        }
    }
}

/// An error as the door that takes answers it.
pub(super) fn refuse_import(refusal: &Refusal<'_>) -> Refused {
    let (status, code, message) = in_envelope(refusal.error, refusal.status);
    let fault = Fault { field: String::new(), reason: refusal.error.code, expected: refusal.error.message.clone() };
    let body = Envelope { status: false, code: code.into(), message: message.into(), data: json!([fault]) };
    Refused { status, body: to_json(&body), headers: HeaderMap::new() }
}

/// The status and the name that an error has where something is exported (section 8.2).
fn in_export(error: &Error, status: StatusCode) -> (StatusCode, &'static str) {
    match (error.code, error.kind) {
        ("export_range_exceeded", _) => (StatusCode::BAD_REQUEST, "exceed_date_range_limit"),
        ("workspace_forbidden" | "workspace_missing", _) => (StatusCode::BAD_REQUEST, "invalid_parameter"),
        ("not_found" | "method_not_allowed", _) => (status, "invalid_parameter"),
        (_, ErrorKind::Unauthenticated | ErrorKind::Forbidden) => (StatusCode::UNAUTHORIZED, "unauthorized_token"),
        (_, ErrorKind::Throttled) => (StatusCode::TOO_MANY_REQUESTS, "too_many_api_requests"),
        (_, ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Conflict | ErrorKind::LimitExceeded) => {
            (StatusCode::BAD_REQUEST, "invalid_parameter")
        }
        (_, ErrorKind::Unavailable | ErrorKind::Unknown | ErrorKind::Corrupt) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "query_error")
        }
        (_, ErrorKind::Internal) => (StatusCode::INTERNAL_SERVER_ERROR, "unknown_error"),
    }
}

/// An error as the door that exports answers it. What is expected stands beside the two members of the guide.
pub(super) fn refuse_export(refusal: &Refusal<'_>) -> Refused {
    let (status, message) = in_export(refusal.error, refusal.status);
    let (reason, expected) = (refusal.error.code, &refusal.error.message);
    let body = json!({ "result": "fail", "message": message, "reason": reason, "expected": expected });
    Refused { status, body: to_json(&body), headers: HeaderMap::new() }
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

/// The schema of an envelope that says no.
pub(super) fn import_schema() -> Value {
    json!({
        "type": "object",
        "required": ["status", "code", "message", "data"],
        "description": "Why a call that brings something to DFINERY's Open API failed. It may come with HTTP 200.",
        "properties": {
            "status": { "type": "boolean", "const": false },
            "code": text("40000, 40001, 40101, 40201, 40401, 40402, 40403 or 50000."),
            "message": text("The name of the code."),
            "data": {
                "type": "array",
                "description": "What is wrong, and where; the first 20.",
                "items": {
                    "type": "object",
                    "required": ["field", "reason", "expected"],
                    "properties": {
                        "field": text("The member, as in events[0].event_datetime; empty for the call as a whole."),
                        "reason": text("required, unknown, type, format, empty, too_many, too_large, or a stable code."),
                        "expected": text("What is expected.")
                    }
                }
            }
        }
    })
}

/// The schema of a failed export.
pub(super) fn export_schema() -> Value {
    json!({
        "type": "object",
        "required": ["result", "message", "reason", "expected"],
        "description": "Why an export failed.",
        "properties": {
            "result": { "type": "string", "const": "fail" },
            "message": text(
                "invalid_parameter, exceed_date_range_limit, unauthorized_token, too_many_api_requests, query_error or unknown_error."
            ),
            "reason": text("A stable code."),
            "expected": text("What is expected.")
        }
    })
}
