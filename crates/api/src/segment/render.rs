//! The answers of this door that are no reports.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::answer::json;

/// A transparent picture of one pixel.
const PIXEL: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\
\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// The picture that a pixel call is answered with, whatever became of it.
pub(super) fn pixel() -> Response {
    ([(CONTENT_TYPE, "image/gif"), (CACHE_CONTROL, "no-store")], PIXEL).into_response()
}

/// The answer that every SDK takes as "done".
pub(super) fn success() -> Response {
    json(&json!({ "success": true }))
}

/// What Segment's browser and mobile SDKs fetch when they start: send events here, to no other destination.
pub(super) fn settings(write_key: &str, protocol: &str, host: &str) -> Response {
    json(&json!({
        "integrations": {
            "Segment.io": { "apiKey": write_key, "apiHost": format!("{host}/v1"), "protocol": protocol }
        },
        "plan": { "track": {}, "identify": {}, "group": {} },
        "edgeFunction": {},
        "remotePlugins": []
    }))
}

/// What RudderStack's browser SDK fetches when it starts: an enabled source without further destinations.
pub(super) fn source_config(write_key: &str) -> Response {
    json(&json!({
        "source": {
            "id": "tessera",
            "name": "tessera",
            "writeKey": write_key,
            "enabled": true,
            "workspaceId": "tessera",
            "destinations": [],
            "connections": [],
            "dataplanes": {},
            "config": { "statsCollection": { "errors": { "enabled": false }, "metrics": { "enabled": false } } }
        }
    }))
}
