//! Whole exchanges: requests into the router, over the real service on the store in memory.

mod bad_input;
mod bounds;
mod data_model;
mod directives;
mod documents;
mod erasures;
mod exchanges;
mod export;
pub(crate) mod golden;
mod idempotency;
mod identity_tokens;
mod jobs;
mod keys;
mod limits;
pub(crate) mod matrix;
mod patch;
mod policies;
mod price;
mod queries;
mod rules;
mod segments;
mod stated;
mod store_health;
mod tokens;
mod truncated;
mod values;
pub(crate) mod world;
