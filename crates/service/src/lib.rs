//! Runs commands and queries over a store: gather, decide, commit.
//!
//! It knows the key layout and the record formats, the lanes that order writes, the directory of organizations, workspaces
//! and keys, the quarantine, jobs, and the cache of rendered views. It knows no HTTP, no dialect and no concrete store. Start
//! reading at [`Service`], then `lane`.
//!
//! Invariants:
//! - an answer to a write leaves after its commit is durable and visible;
//! - per workspace, one lane decides all writes in sequence;
//! - no request reaches a workspace that its caller does not hold.

mod admission;
pub mod backups;
mod brought;
pub mod check;
pub mod clock;
pub mod codec;
pub mod content;
pub mod contradictions;
pub mod cursor;
mod data_model;
pub mod directives;
pub mod directory;
pub mod erasure;
pub mod error;
mod explain;
pub mod export;
mod facts;
pub mod feed;
mod find;
mod gaps;
mod graph;
mod held;
pub mod idempotency;
pub mod identity_tokens;
pub mod jobs;
pub mod json;
mod keeper;
pub mod keys;
mod lane;
#[cfg(test)]
mod laws;
mod layout;
mod leaps;
pub mod learned;
mod loose;
pub mod members;
pub mod names;
pub mod payload;
mod policies;
mod pool;
pub mod quarantine;
mod query;
pub mod records;
mod redaction;
mod render;
mod row;
mod ruled;
pub mod rules;
pub mod segments;
mod service;
mod store_error;
mod suppression;
mod sweeping;
mod timeline;
mod timers;
pub mod turns;
pub mod verdict;
mod views;
pub mod wellknown;
pub mod workspace_config;

pub use data_model::{Contradicting, ModelChanged, ModelOutcome, contradicted};
pub use held::Held;
pub use lane::Changed;
pub use query::{
    EventPage, EventQuery, Explained, ExplainedAttribute, ExplainedContender, Fields, Graph, GraphHeld, GraphLink,
    GraphNode, Lookup, Rendered, StoredCall,
};
pub use service::{Clock, Components, ErasureState, Extent, PAGE_BYTES, Random, Return, Service, Settings};
pub use store_error::Readiness;

/// Counts what tests allocate.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);
