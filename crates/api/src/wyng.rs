//! The door of Wyng's Profiles API 1.0: data models, profiles that are upserted and looked up by the keys of their model, segments as trees
//! of operators, and identity tokens of profiles.
//!
//! A profile of this API is a document of ours, its data model the workspace's document model beside its data model. Start reading at
//! `routes`; `parse` says what a field is in our words, `expression` what an operator is. `README.md` has a table of the operations.

mod errors;
mod expression;
mod model;
mod parse;
mod profiles;
mod render;
mod routes;
mod segments;
mod tokens;
mod wire;

use tessera_seam::door::{Credential, Door};

/// The door's name, and the dataset of what servers write by it.
const NAME: &str = "wyng";

/// This door.
pub(crate) static DOOR: Door = Door {
    name: NAME,
    base: &["/api/v1/consumer"],
    ignores_case: false,
    quotas: &[],
    credentials: &[Credential::Header("x-access-token"), Credential::Query("access_token")],
    routes: routes::routes,
    refuse: errors::refuse,
    replay: None,
    errors: Some(("Wyng", errors::schema)),
};

#[cfg(test)]
mod tests;
