//! The configuration of a workspace: namespaces, data model, merge policies, rules, as they are stored and as they are compiled.

pub(crate) mod activations;
pub(crate) mod admission;
pub(crate) mod configured;
pub(crate) mod controls;
pub mod identity_tokens;
pub mod learned;
pub(crate) mod policies;
pub(crate) mod sources;
pub mod tokens;
pub(crate) mod visibility;
pub mod workspace;
