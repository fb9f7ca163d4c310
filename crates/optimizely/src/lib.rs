//! The door of Optimizely's Profile Store and Tracking API 1.0 and 2.0: profiles, track events, segments, filter
//! definitions, blacklists and scopes.
//!
//! A scope is a workspace, a profile of it a document of ours, and a track event a call on the timeline. Start reading at `routes`; `words` says
//! what each member is in our words, `filter` what a filter of theirs asks of ours. `README.md` has a table of the operations.

mod asked;
mod blacklists;
mod bound;
mod definitions;
mod errors;
mod events;
mod export;
mod filter;
mod kql;
mod matching;
mod parse;
mod profiles;
mod render;
mod routes;
mod scopes;
mod segments;
mod track;
mod wire;
mod words;

use tessera_seam::door::{Credential, Door};

/// The door's name, and the dataset of what servers write by it.
const NAME: &str = "optimizely";

/// This door.
pub static DOOR: Door = Door {
    name: NAME,
    base: &["/api/v1.0", "/api/v2.0"],
    ignores_case: true,
    quotas: &[],
    credentials: &[Credential::Scheme("epi-single"), Credential::Header("ocp-apim-subscription-key")],
    routes: routes::routes,
    refuse: errors::refuse,
    replay: Some(track::replay),
    errors: Some(("Optimizely", errors::schema)),
};
