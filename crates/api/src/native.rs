//! The native door: profiles by id and by identifier, their timelines, graphs and explanations, erasure, merge policies,
//! records, and the data model.
//!
//! Its reads are DinMo's Profiles API, so that its clients can be pointed here.

mod activations;
mod connections;
mod data_model;
mod directives;
mod documents;
mod erasures;
mod events;
mod explain;
mod export;
mod exports;
mod members;
mod parse;
mod policies;
mod profiles;
mod queries;
mod records;
mod render;
mod rules;
mod segments;
mod sources;
mod stored_rules;
pub(crate) mod wire;

use tessera_seam::door::{self, Door};

use crate::doors::native_routes;

pub(crate) use activations::{
    declared as declared_activation, declared_over as declared_activation_over, is_one_declared_target,
};
pub(crate) use connections::declared as declared_connection;
pub(crate) use data_model::declared as declared_data_model;
pub(crate) use erasures::declared_rules as declared_erasure_rules;
pub(crate) use policies::{declared as declared_merge_policy, declared_default as declared_default_policy};
pub(crate) use sources::declared as declared_source;
pub(crate) use stored_rules::declared as declared_stored_rule;

/// The door's name in the quarantine.
const NAME: &str = "native";

/// This door.
pub(crate) static DOOR: Door = Door {
    name: NAME,
    base: &[],
    ignores_case: false,
    quotas: &[],
    credentials: door::NATIVE,
    routes: native_routes,
    refuse: tessera_seam::answer::refuse,
    replay: Some(|kept| records::replay(kept.raw, kept.fresh_id)),
    errors: None,
};

/// All routes of this door.
pub(crate) fn routes() -> Vec<tessera_seam::route::Route> {
    let routes = [
        profiles::routes(),
        queries::routes(),
        events::routes(),
        exports::routes(),
        erasures::routes(),
        policies::routes(),
        directives::routes(),
        records::routes().into(),
        documents::routes(),
        data_model::routes(),
        rules::routes(),
        stored_rules::routes(),
        segments::routes(),
        members::routes(),
        connections::routes(),
        sources::routes(),
        activations::routes(),
    ];
    routes.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
