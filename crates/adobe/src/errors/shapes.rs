//! The five shapes of errors of services (spec/adobe.md section 1.4), one writer each.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use tessera_seam::answer::to_json;
use tessera_seam::door::{Refusal, Refused};
use tessera_service::error::{Error, ErrorKind};

fn refused(refusal: &Refusal<'_>, body: &Value) -> Refused {
    Refused { status: refusal.status, body: to_json(body), headers: HeaderMap::new() }
}

/// E1: `statusCode` is a text; not found says nothing else, and too many requests are told in a list.
pub(super) fn access(refusal: &Refusal<'_>) -> Refused {
    let status = refusal.status.as_str();
    let body = match refusal.status {
        StatusCode::NOT_FOUND => json!({ "statusCode": status }),
        StatusCode::FORBIDDEN => json!({ "message": refusal.error.message, "statusCode": status }),
        StatusCode::TOO_MANY_REQUESTS => {
            let mut error = context(refusal.error, status);
            let wait_ms = u64::from(refusal.retry_after_secs.unwrap_or(1)) * 1_000;
            error.insert("retryAfterMs".to_owned(), wait_ms.to_string().into());
            json!([error])
        }
        _ => Value::Object(context(refusal.error, status)),
    };
    refused(refusal, &body)
}

/// What stands for one error of several in E1.
pub(super) fn context(error: &Error, status: &str) -> Map<String, Value> {
    let members = [("message", &*error.message), ("cause", error.code), ("statusCode", status)];
    members.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect()
}

/// E2: messages by status.
pub(super) fn config(refusal: &Refusal<'_>) -> Refused {
    refused(refusal, &by_status(refusal))
}

fn by_status(refusal: &Refusal<'_>) -> Value {
    let status = refusal.status.as_str();
    let errors = json!({ status: [{ "code": inner_code(refusal), "message": refusal.error.message }] });
    json!({ "requestId": refusal.request_id, "errors": errors })
}

/// The code beside a message: the status, but where documents show another (section 9.1).
fn inner_code<'a>(refusal: &'a Refusal<'_>) -> &'a str {
    if refusal.error.code == "batch_of_records" { "500" } else { refusal.status.as_str() }
}

/// E3: E2 with the members of a problem.
pub(super) fn segmentation(refusal: &Refusal<'_>) -> Refused {
    let mut body = by_status(refusal);
    let known = match (refusal.error.code, refusal.error.kind) {
        ("body_invalid" | "json_invalid", _) => Some("UPLIB-101206-500"),
        ("bulk_ids_invalid", _) => Some("UPAPI-113015-400"),
        ("bulk_ids_not_found", _) => Some("UPAPI-113000-404"),
        (_, ErrorKind::NotFound) => Some("UPAPI-113430-404"),
        (_, ErrorKind::Invalid) => Some("UPAPI-113434-400"),
        (_, ErrorKind::Forbidden) => Some("UPAPI-113752-403"),
        _ => None,
    };
    let kind = known.map_or("about:blank".to_owned(), |code| format!("https://ns.adobe.com/aep/errors/{code}"));
    body["type"] = kind.into();
    body["title"] = refusal.error.message.as_ref().into();
    body["status"] = refusal.status.as_u16().into();
    refused(refusal, &body)
}

/// E4: a code and a message.
pub(super) fn simple(refusal: &Refusal<'_>) -> Refused {
    refused(refusal, &json!({ "code": refusal.status.as_str(), "message": refusal.error.message }))
}

/// E5: a problem as of RFC 7807.
pub(super) fn problem(refusal: &Refusal<'_>) -> Refused {
    let kind = match refusal.status {
        StatusCode::NOT_FOUND => "http://ns.adobe.com/adobecloud/problem/missing-entity",
        _ => "about:blank",
    };
    let body = json!({ "status": refusal.status.as_u16(), "title": refusal.error.message, "type": kind });
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))];
    Refused { headers: headers.into_iter().collect(), ..refused(refusal, &body) }
}
