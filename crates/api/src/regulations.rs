//! The door of Segment's regulations: users are suppressed, deleted, or let in again by their user ids.
//!
//! What suppresses is done when the call answers; what deletes is a job, and the regulation is that job. `README.md` has a table of the
//! operations.

mod errors;
mod handlers;
mod routes;
mod wire;

use tessera_seam::door::{Credential, Door};

/// This door.
pub(crate) static DOOR: Door = Door {
    name: "regulations",
    base: &["/regulations"],
    ignores_case: false,
    quotas: &[],
    credentials: &[Credential::Authorization],
    routes: routes::routes,
    refuse: errors::refuse,
    replay: None,
    errors: Some(("Regulations", errors::schema)),
};

#[cfg(test)]
mod tests;
