//! The form of a call's payload on the timeline: what the doors that accept calls and those that show them agree on.
//!
//! Its members are kept as they came, byte for byte.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A call's payload. A new member may be added; none is ever renamed, for payloads are stored.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Payload<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) properties: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) traits: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) integrations: Option<&'a RawValue>,
}
