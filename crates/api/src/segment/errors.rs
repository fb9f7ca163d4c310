//! How this door says no: to one event by a rejection, to a whole call in the shape that SDKs read.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use tessera_seam::answer::{ErrorMembers, to_json};
use tessera_seam::bounds::{EVENT_BYTES_MAX, EVENT_DEPTH_MAX, GROUP_ID_CHARS_MAX, ID_CHARS_MAX, PROPERTIES_MAX};
use tessera_seam::door::{Refusal, Refused};
use tessera_service::error::{Error, ErrorKind};
use tessera_service::verdict::Rejection;

/// Seconds until a throttled caller may try again: what `Retry-After` says, under the name that Segment documents.
pub(crate) const RATE_LIMIT_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// An error of a whole call, as this door answers it.
pub(super) fn refuse(refusal: &Refusal<'_>) -> Refused {
    let mut headers = HeaderMap::new();
    if refusal.error.kind == ErrorKind::Throttled {
        headers.insert(RATE_LIMIT_RESET, HeaderValue::from(refusal.retry_after_secs.unwrap_or(1)));
    }
    Refused { status: refusal.status, body: body(refusal.error, refusal.request_id), headers }
}

/// Segment's Python client reads `code` and `message` at the top; ours stand below `error`, as everywhere.
fn body(error: &Error, request_id: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        success: bool,
        code: &'a str,
        message: &'a str,
        error: ErrorMembers<'a>,
    }
    to_json(&Body {
        success: false,
        code: error.code,
        message: &error.message,
        error: ErrorMembers::of(error, request_id),
    })
}

fn rejection(code: &'static str, message: impl Into<Cow<'static, str>>) -> Rejection {
    Rejection { code, message: message.into() }
}

pub(super) fn event_too_large(bytes: usize) -> Rejection {
    rejection("event_too_large", format!("the event has {bytes} bytes, more than {EVENT_BYTES_MAX}"))
}

pub(super) fn event_too_deep() -> Rejection {
    rejection("event_too_deep", format!("the event is nested more than {EVENT_DEPTH_MAX} deep"))
}

pub(super) fn event_invalid(message: impl Into<Cow<'static, str>>) -> Rejection {
    rejection("event_invalid", message)
}

pub(super) fn message_id_too_long() -> Rejection {
    rejection("message_id_too_long", format!("messageId has more than {ID_CHARS_MAX} characters"))
}

pub(super) fn properties_too_many(name: &str) -> Rejection {
    rejection("properties_too_many", format!("{name} has more than {PROPERTIES_MAX} members"))
}

pub(super) fn timestamp_invalid() -> Rejection {
    rejection("timestamp_invalid", "timestamp must be in iso 8601")
}

pub(super) fn type_unknown() -> Rejection {
    rejection("type_unknown", "type must be identify, track, page, screen, group or alias")
}

pub(super) fn no_user_anon_id() -> Rejection {
    rejection("no_user_anon_id", "the event has neither userId nor anonymousId")
}

pub(super) fn event_missing() -> Rejection {
    rejection("event_missing", "a track call needs an event name")
}

pub(super) fn previous_id_missing() -> Rejection {
    rejection("previous_id_missing", "an alias call needs previousId")
}

pub(super) fn user_id_missing() -> Rejection {
    rejection("user_id_missing", "an alias call needs userId")
}

pub(super) fn group_id_missing() -> Rejection {
    rejection("group_id_missing", "a group call needs groupId")
}

pub(super) fn group_id_too_long() -> Rejection {
    rejection("group_id_too_long", format!("groupId has more than {GROUP_ID_CHARS_MAX} characters"))
}
