//! The ingest door of Segment's HTTP Tracking API and of RudderStack's gateway: any of their SDKs can be pointed here.
//!
//! Start reading at `parse`, which turns a delivery into facts; a bad event becomes a rejection and never fails its
//! neighbours. `fact` says which field of an event is which identity and attribute of ours.

mod errors;
mod fact;
mod parse;
mod pixel;
mod render;
mod routes;
pub(crate) mod token;
mod wire;

use tessera_seam::door::{Credential, Door};

pub(crate) use errors::RATE_LIMIT_RESET;

/// The door's name in the quarantine.
const NAME: &str = "segment";

/// This door. Its paths stand among those of the native one, where SDKs look for them.
pub(crate) static DOOR: Door = Door {
    name: NAME,
    base: &[],
    ignores_case: false,
    quotas: &[],
    credentials: &[Credential::Authorization, Credential::Query("writeKey")],
    routes: routes::routes,
    refuse: errors::refuse,
    replay: Some(|kept| parse::replay(kept.raw, kept.received_at, kept.tokens, kept.fresh_id)),
    errors: None,
};

#[cfg(test)]
mod tests;
