//! What all objects of configuration have in this API: a schema, epochs, ids, and how their members are refused.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tessera_engine::time::Timestamp;
use tessera_seam::answer::invalid;
use tessera_seam::app::App;
use tessera_seam::route::Route;
use tessera_service::error::Error;
use tessera_service::workspace_config::{RuleKind, RuleName};
use utoipa::ToSchema;

use super::enter::Asked;

/// The class of people.
pub(super) const PROFILE: &str = "_xdm.context.profile";
/// The class of accounts.
pub(super) const ACCOUNT: &str = "_xdm.context.account";

/// The class of events.
pub(super) const EVENT: &str = "_xdm.context.experienceevent";

/// A class of schemas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AdobeSchema)]
pub(super) struct Schema {
    /// Its name, as in `_xdm.context.profile`.
    pub(super) name: String,
}

/// An instant in seconds.
pub(super) fn seconds(at: Timestamp) -> i64 {
    at.micros().div_euclid(1_000_000)
}

/// An instant in milliseconds.
pub(super) fn millis(at: Timestamp) -> i64 {
    at.micros().div_euclid(1_000)
}

/// A UUID that nobody has: of version 4.
pub(super) fn fresh_uuid(app: &App) -> String {
    let mut bytes = [0; 16];
    app.service.random(&mut bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// A member of a body that does not say what it may.
pub(super) fn expected(member: &str, what: impl std::fmt::Display) -> Error {
    invalid("member_invalid", format!("{member}: {what} is expected"))
}

/// A member of a body that is absent.
pub(super) fn missing(member: &str) -> Error {
    expected(member, "this member")
}

/// A value in a query, with what has a meaning there spelled out.
pub(super) fn encoded(value: &str) -> String {
    value.bytes().fold(String::new(), |text, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            text + char::from(byte).encode_utf8(&mut [0; 4])
        }
        byte => format!("{text}%{byte:02X}"),
    })
}

/// Documents that a call is well formed and cannot be done to an object as it is.
pub(super) fn unprocessable(route: Route, description: &'static str) -> Route {
    let error =
        json!({ "code": "422", "message": "others depend on it: segment 4afe34ae-8c98-4513-8a1d-67ccaa54bc05" });
    route.answer_free(
        422,
        description,
        json!({ "requestId": "d63137a5fb6d248013c4-1f2", "errors": { "422": [error] } }),
    )
}

/// A sandbox in examples.
pub(super) fn example_sandbox() -> Json {
    json!({ "sandboxId": "0b7d2f50-91aa-8f0c-9c21-5f4c3b1d8e77", "sandboxName": "prod", "type": "production", "default": true })
}

/// Waits until a rule is brought to everybody, or for so long; what takes longer goes on after the answer.
///
/// # Errors
/// What the store answers.
pub(super) async fn brought(
    app: &App,
    asked: &Asked,
    kind: RuleKind,
    name: &RuleName,
    patience: Duration,
) -> Result<(), Error> {
    let brought = app.service.rule_once_brought(asked.workspace(), kind, name.as_str(), asked.entered.visibility());
    match tokio::time::timeout(patience, brought).await {
        Ok(brought) => brought.map(drop),
        Err(_) => {
            tracing::debug!(target: "tessera_api::adobe::objects", "a rule is still being brought to everybody");
            Ok(())
        }
    }
}
