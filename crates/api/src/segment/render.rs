//! The answers of this door that are no reports.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tessera_seam::answer::json;
use tessera_seam::public_url::PublicUrl;

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

/// What holds for whoever asked, and for nobody after them.
fn not_kept(value: &Value) -> Response {
    ([(CACHE_CONTROL, "no-store")], json(value)).into_response()
}

/// What Segment's browser and mobile SDKs fetch when they start: send events here, to no other destination.
pub(super) fn settings(write_key: &str, protocol: &str, host: &str) -> Response {
    not_kept(&json!({
        "integrations": {
            "Segment.io": { "apiKey": write_key, "apiHost": format!("{host}/v1"), "protocol": protocol }
        },
        "plan": { "track": {}, "identify": {}, "group": {} },
        // Otherwise the client counts what it does and tells Segment, wherever its events go.
        "metrics": { "sampleRate": 0 },
        "edgeFunction": {},
        "remotePlugins": []
    }))
}

/// What RudderStack's browser SDK fetches when it starts: an enabled source without further destinations.
/// Where an address is configured, that SDK sends there whatever the page says.
pub(super) fn source_config(write_key: &str, url: Option<&PublicUrl>) -> Response {
    let planes = url.map_or_else(|| json!({}), |url| json!({ "US": [{ "url": url.to_string(), "default": true }] }));
    not_kept(&json!({
        "source": {
            "id": "tessera",
            "name": "tessera",
            "writeKey": write_key,
            "enabled": true,
            "workspaceId": "tessera",
            "destinations": [],
            "connections": [],
            "dataplanes": planes,
            "config": { "statsCollection": { "errors": { "enabled": false }, "metrics": { "enabled": false } } }
        }
    }))
}
