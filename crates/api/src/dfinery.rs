//! The doors of DFINERY's Open API: one that takes events, identities and user properties, and one that exports them as CSV.
//!
//! They are two, for they say no in different shapes. A unified profile of this API is a document of ours, found by the identifiers that it
//! names; an event is a call on its timeline. Start reading at `routes`; `parse` says what a member is in our words. `README.md` has a table
//! of the operations.

mod call;
mod columns;
mod errors;
mod export;
mod import;
mod parse;
mod read;
mod routes;
mod wire;

use axum::http::{HeaderMap, HeaderValue};
use tessera_seam::door::{Credential, Door};
use tessera_seam::quota::{Quota, Spent, Window};

/// The name of the door that takes, and the dataset of what servers send by it.
const NAME: &str = "dfinery";

const EVENTS: &str = "/api/v1/events";
const IDENTITIES: &str = "/api/v1/identities";
const DELETE: &str = "/api/v1/identities/delete";
const USER_PROFILE: &str = "/api/v1/user-profile";
const EXPORT_EVENT: &str = "/api/v1/export/event";
const EXPORT_PROFILE: &str = "/api/v1/export/userprofile";

/// The door that takes.
pub(crate) static IMPORT: Door = Door {
    name: NAME,
    base: &[EVENTS, IDENTITIES, USER_PROFILE],
    ignores_case: false,
    credentials: &[Credential::Header("access_token"), Credential::Authorization],
    quotas: &QUOTAS,
    routes: routes::import,
    refuse: errors::refuse_import,
    replay: Some(|kept| parse::replay(kept.raw)),
    errors: Some(("Dfinery", errors::import_schema)),
};

/// The door that exports.
pub(crate) static EXPORT: Door = Door {
    name: "dfinery_export",
    base: &["/api/v1/export"],
    ignores_case: false,
    credentials: &[Credential::Authorization, Credential::Header("access_token")],
    quotas: &QUOTAS,
    routes: routes::export,
    refuse: errors::refuse_export,
    replay: None,
    errors: Some(("DfineryExport", errors::export_schema)),
};

/// The limits of section 9.
static QUOTAS: [Quota; 4] = [
    quota("dfinery_event", &[EVENTS], Window::Minute, 1_000_000, None),
    quota("dfinery_identity", &[IDENTITIES, DELETE], Window::Minute, 10_000, None),
    quota("dfinery_profile", &[USER_PROFILE], Window::Minute, 10_000, None),
    quota("dfinery_export", &[EXPORT_EVENT, EXPORT_PROFILE], Window::Hour, 100, Some(5)),
];

const fn quota(
    name: &'static str,
    paths: &'static [&'static str],
    window: Window,
    calls: u32,
    at_once: Option<u32>,
) -> Quota {
    Quota { name, paths, window, calls, at_once, tell }
}

/// The headers of section 9, in both spellings of the guide: the window, what is left of it, and when it ends in milliseconds.
fn tell(spent: &Spent) -> HeaderMap {
    let window = match spent.window {
        Window::Minute => HeaderValue::from_static("1m"),
        Window::Hour => HeaderValue::from_static("1H"),
    };
    let (remaining, reset) = (HeaderValue::from(spent.remaining), HeaderValue::from(spent.reset.micros() / 1_000));
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-ratelimit-limit", &window),
        ("x-rate-limit-limit", &window),
        ("x-ratelimit-remaining", &remaining),
        ("x-rate-limit-remaining", &remaining),
        ("x-ratelimit-reset", &reset),
        ("x-rate-limit-reset", &reset),
    ] {
        headers.insert(name, value.clone());
    }
    headers
}

#[cfg(test)]
mod tests;
