//! The ingest door of Segment's HTTP Tracking API and of RudderStack's gateway: any of their SDKs can be pointed here.
//!
//! Start reading at `parse`, which turns a delivery into facts; a bad event becomes a rejection and never fails its
//! neighbours. `fact` says which field of an event is which identity and attribute of ours.

mod errors;
mod fact;
mod parse;
mod pixel;
mod render;
pub(crate) mod routes;
pub(crate) mod token;
mod wire;

pub(crate) use errors::RATE_LIMIT_RESET;
pub(crate) use parse::replay;

/// The door's name in the quarantine.
pub(crate) const DOOR: &str = "segment";

#[cfg(test)]
mod tests;
