//! The native door: profiles by id and by identifier, their timelines and graphs, erasure, and records.
//!
//! Its reads are DinMo's Profiles API, so that its clients can be pointed here.

mod parse;
mod profiles;
mod records;
mod render;
mod wire;

pub(crate) use records::replay;

/// The door's name in the quarantine.
pub(crate) const DOOR: &str = "native";

/// All routes of this door.
pub(crate) fn routes() -> Vec<crate::route::Route> {
    profiles::routes().into_iter().chain(records::routes()).collect()
}

#[cfg(test)]
mod tests;
