//! Reads: find a profile, fold it under a merge policy, render it; its timeline, its identities, why it is so.

pub(crate) mod asking;
pub(crate) mod columns;
pub(crate) mod document;
pub(crate) mod explain;
pub mod export;
pub(crate) mod facts;
pub(crate) mod find;
pub(crate) mod gaps;
pub(crate) mod graph;
pub(crate) mod named;
pub(crate) mod pool;
pub(crate) mod profile_facts;
pub(crate) mod query;
pub(crate) mod render;
pub(crate) mod rule_model;
pub(crate) mod ruled;
pub(crate) mod scans;
pub(crate) mod sorted;
pub(crate) mod summary;
pub(crate) mod timeline;
pub(crate) mod unit;
pub(crate) mod views;
pub(crate) mod whole;
