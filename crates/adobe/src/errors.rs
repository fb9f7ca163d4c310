//! How this door says no: as the gateway before a service is reached (spec/adobe.md section 1.3), otherwise in one of five shapes, by the family
//! of the path (section 1.4). The stable code of the one table stands in the header `x-tessera-code`, for most shapes have no place for it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use tessera_seam::answer::{invalid, to_json};
use tessera_seam::door::{Refusal, Refused};
use tessera_service::error::{Error, ErrorKind};

mod shapes;

/// The header that tells the stable code of an error.
pub(crate) const CODE: HeaderName = HeaderName::from_static("x-tessera-code");

/// Which shape the errors of a path have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// Entities: E1.
    Access,
    /// Configuration and jobs: E2.
    Config,
    /// Segmentation: E3.
    Segmentation,
    /// What is none of these: E4.
    Simple,
    /// Problems as of RFC 7807: E5.
    Problem,
}

/// The families, by what their paths begin with; the first that fits.
const FAMILIES: &[(&str, Family)] = &[
    ("/data/core/ups/access", Family::Access),
    ("/data/core/ups/config/destinations", Family::Problem),
    ("/data/core/ups/config/projections", Family::Problem),
    ("/data/core/ups/config", Family::Config),
    ("/data/core/ups/system", Family::Config),
    ("/data/core/ups/export", Family::Config),
    ("/data/core/ups/segment", Family::Segmentation),
    ("/data/core/ups/preview", Family::Segmentation),
    ("/data/core/ups/estimate", Family::Segmentation),
    ("/data/core/ups/audiences", Family::Segmentation),
    ("/data/core/ca", Family::Config),
    ("/data/core/idnamespace", Family::Problem),
    ("/data/foundation", Family::Problem),
    ("/collection", Family::Problem),
];

fn family(path: &str) -> Family {
    let below = |base: &str| path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    FAMILIES.iter().find(|(base, _)| below(base)).map_or(Family::Simple, |(_, family)| *family)
}

/// An error as this door answers it.
pub(super) fn refuse(refusal: &Refusal<'_>) -> Refused {
    let mut refused = match gateway(refusal.error) {
        Some((status, body)) => Refused { status, body: to_json(&body), headers: HeaderMap::new() },
        None => {
            let refusal = Refusal { status: status_of(refusal), ..*refusal };
            match family(refusal.path) {
                Family::Access => shapes::access(&refusal),
                Family::Config => shapes::config(&refusal),
                Family::Segmentation => shapes::segmentation(&refusal),
                Family::Simple => shapes::simple(&refusal),
                Family::Problem => shapes::problem(&refusal),
            }
        }
    };
    refused.headers.insert(CODE, HeaderValue::from_static(refusal.error.code));
    refused
}

/// What the gateway says, with its status (section 1.3); none where the service says it.
fn gateway(error: &Error) -> Option<(StatusCode, Value)> {
    let (code, message) = match (error.code, error.kind) {
        ("key_missing", _) => ("403010", "Oauth token is missing."),
        (_, ErrorKind::Unauthenticated) => ("401013", "Oauth token is not valid"),
        ("api_key_missing", _) => ("403000", "Api Key is required"),
        ("org_missing" | "sandbox_missing", _) => ("400003", "Missing header"),
        ("org_forbidden", _) => ("403025", "Profile is not valid"),
        ("content_type_invalid", _) => {
            let body = json!({
                "type": "/placeholder/type/uri", "status": 400, "title": "BadRequestError",
                "detail": "A valid content-type must be specified"
            });
            return Some((StatusCode::BAD_REQUEST, body));
        }
        _ => return None,
    };
    let status = code[..3].parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
    Some((status.unwrap_or(StatusCode::FORBIDDEN), json!({ "error_code": code, "message": message })))
}

/// The status of what the service says: what is well formed and cannot be done has one of its own here (section 4.2).
fn status_of(refusal: &Refusal<'_>) -> StatusCode {
    status_by_code(refusal.error, refusal.status)
}

fn status_by_code(error: &Error, own: StatusCode) -> StatusCode {
    match error.code {
        "erasure_ordered" | "identities_too_many" | "merge_policy_unknown" | "profile_too_large" | "xid_unknown" => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        // What cannot be done to an object as it is (sections 5.7, 6.5).
        "merge_policy_built_in" | "merge_policy_on_edge" | "merge_policy_in_use" => StatusCode::BAD_REQUEST,
        "computed_attribute_exists" | "computed_attribute_published" | "name_taken" => StatusCode::BAD_REQUEST,
        "rule_in_use" | "segment_definition_exists" => StatusCode::UNPROCESSABLE_ENTITY,
        _ => own,
    }
}

/// An error of one of several, as the shape of entities tells it (section 1.4, `ErrorResponseById`).
pub(super) fn one_of_many(error: &Error) -> Value {
    let status = status_by_code(error, tessera_seam::kinds::rule(error.kind).status);
    Value::Object(shapes::context(error, status.as_str()))
}

/// The schema of an error.
pub(super) fn schema() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let entry = json!({ "type": "object", "properties": { "code": text("The status."), "message": text("What was expected and where.") } });
    let access = json!({
        "type": "object", "required": ["statusCode"],
        "properties": {
            "statusCode": text("The status."), "message": text("What was expected and where."), "cause": text("The stable code."),
            "retryAfterMs": text("After how many milliseconds another try makes sense.")
        }
    });
    json!({
        "description": "Why a call of the Adobe API failed. The header `x-tessera-code` has the stable code, `x-request-id` finds it in the log.",
        "anyOf": [
            { "type": "object", "required": ["error_code", "message"], "properties": {
                "error_code": text("The gateway's code: status and three digits."), "message": text("What is missing or not taken.") } },
            access.clone(),
            { "type": "array", "items": access },
            { "type": "object", "required": ["requestId", "errors"], "properties": {
                "requestId": text("Finds the request in the log."),
                "errors": { "type": "object", "additionalProperties": { "type": "array", "items": entry } },
                "type": text("What kind of problem it is."), "title": text("The first message."), "status": { "type": "integer" } } },
            { "type": "object", "required": ["code", "message"], "properties": {
                "code": text("The status."), "message": text("What was expected and where.") } },
            { "type": "object", "required": ["status", "title", "type"], "properties": {
                "status": { "type": "integer" }, "title": text("What was expected and where."), "type": text("What kind of problem it is."),
                "detail": text("More of it.") } }
        ]
    })
}

/// The answer where a parameter, or a member of a body, has a value that it does not take.
pub(super) fn invalid_parameter(name: &str, expected: impl std::fmt::Display) -> Error {
    invalid("query_invalid", format!("{name}: {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_the_shape_of_its_family() {
        for (path, expected) in [
            ("/data/core/ups/access/entities", Family::Access),
            ("/data/core/ups/access", Family::Access),
            ("/data/core/ups/accessories", Family::Simple),
            ("/data/core/ups/config/mergePolicies/x", Family::Config),
            ("/data/core/ups/config/projections/x", Family::Problem),
            ("/data/core/ups/segment/definitions", Family::Segmentation),
            ("/data/core/ups/system/jobs", Family::Config),
            ("/data/core/ca/attributes", Family::Config),
            ("/data/core/nothing", Family::Simple),
            ("/collection/x", Family::Problem),
        ] {
            assert_eq!(family(path), expected, "{path}");
        }
    }
}
