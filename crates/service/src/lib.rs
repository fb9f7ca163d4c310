//! Runs commands and queries over a store: gather, decide, commit.
//!
//! It knows the key layout and the record formats, the lanes that order writes, the directory of organizations, workspaces
//! and keys, the quarantine, jobs, and the cache of rendered views. It knows no HTTP, no dialect and no concrete store. Start
//! reading at `ingest` and `profiles`, then `write::lane`. Its folders are rooms that stand on each other: `base`, `stored`, `directory`, `config`,
//! `jobs`, `read`, `write`, `work`.
//!
//! Invariants:
//! - an answer to a write leaves after its commit is durable and visible;
//! - per workspace, one lane decides all writes in sequence;
//! - no request reaches a workspace that its caller does not hold.

pub mod activations;
pub mod audit;
mod base;
mod config;
mod configuration;
mod data_model;
pub mod directives;
pub mod directory;
mod documents;
pub mod dry_run;
mod erasure_orders;
mod erasures;
pub mod exports;
mod figures;
mod ingest;
pub mod jobs;
#[cfg(test)]
mod laws;
pub mod notes;
mod parts;
mod profiles;
pub mod queries;
mod read;
pub mod rules;
pub mod segments;
pub mod sources;
mod stored;
mod tokens;
mod units;
pub mod uploads;
mod work;
mod write;

pub use base::components::{Clock, Components, Random};
pub use base::held::Held;
pub use base::secrets::{ENVIRONMENT_PREFIX, Environment, Secret, Secrets};
pub use base::settings::{AuditBounds, Settings, SourceSettings};
pub use base::store_error::Readiness;
pub use base::{clock, codec, error, json, members, names, payload, verdict, wellknown};
pub use config::workspace as workspace_config;
pub use config::{identity_tokens, learned, tokens as workspace_tokens};
pub use data_model::{Contradicting, ModelChanged, ModelOutcome, contradicted};
pub use documents::DocumentOutcome;
pub use erasures::{ErasureState, Extent, IDENTITIES_MAX, PROFILES_MAX as ERASED_PROFILES_MAX, Return};
pub use figures::WorkspaceFigures;
pub use parts::{ACCOUNTS_MAX, AccountPage, ProfilePlace, USERS_MAX, UserPage};
pub use profiles::{EVENT_NAMES_MAX, PAGE_BYTES};
pub use read::document::{DocumentFieldValue, DocumentIdentity, DocumentProfile, DocumentQuery};
pub use read::export;
pub use read::query::{
    EventOrder, EventPage, EventQuery, Explained, ExplainedAttribute, ExplainedContender, Fields, Graph, GraphHeld,
    GraphLink, GraphNode, Lookup, Rendered, StoredCall,
};
pub use read::summary::{KnownIdentity, Summary};
pub use read::unit::{UnitIdentity, UnitProfile, UnitQuery};
pub use stored::{content, cursor, idempotency, keys, records};
pub use tokens::Tokens;
pub use work::service::Service;
pub use work::{backups, check, contradictions, walks};
pub use write::lane::Changed;
pub use write::{erasure, feed, membership_changes, quarantine};

/// Counts what tests allocate.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);
