//! The native door: profiles by id and by identifier, their timelines, graphs and explanations, erasure, merge policies, and
//! records.
//!
//! Its reads are DinMo's Profiles API, so that its clients can be pointed here.

mod explain;
mod parse;
mod policies;
mod profiles;
mod records;
mod render;
mod wire;

pub(crate) use records::replay;

/// The door's name in the quarantine.
pub(crate) const DOOR: &str = "native";

/// All routes of this door.
pub(crate) fn routes() -> Vec<crate::route::Route> {
    profiles::routes().into_iter().chain(policies::routes()).chain(records::routes()).collect()
}

#[cfg(test)]
mod tests;
