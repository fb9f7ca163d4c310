//! The door of Segment's Profile API: a profile is read by one of its external ids, its traits, external ids, events, metadata and links each
//! by a path of their own, and external ids are deleted.
//!
//! Start reading at `routes`; `parse` says what a path and its parameters mean in our words, `place` how lists go on. `README.md` has a table
//! of the operations. What is sent to Segment's other API comes in by the door `segment`; this one knows nothing of it.

mod deletion;
mod enter;
mod errors;
mod parse;
mod place;
mod reads;
mod render;
mod routes;
mod wire;

use tessera_seam::door::{Credential, Door};

/// The door's name, and what receipts of erasures name.
const NAME: &str = "segment_profiles";

/// This door.
pub(crate) static DOOR: Door = Door {
    name: NAME,
    base: &["/v1/spaces"],
    ignores_case: false,
    quotas: &[],
    credentials: &[Credential::Authorization],
    routes: routes::routes,
    refuse: errors::refuse,
    replay: None,
    errors: Some(("SegmentProfiles", errors::schema)),
};

#[cfg(test)]
mod tests;
