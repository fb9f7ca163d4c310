//! What is stored: the families of keys, the layout of rows, and their records in all versions.

pub(crate) mod audit;
pub(crate) mod brought;
pub mod content;
pub mod cursor;
pub mod idempotency;
pub mod keys;
pub(crate) mod layout;
pub(crate) mod loose;
pub(crate) mod pseudonym;
pub mod records;
pub(crate) mod resting;
pub(crate) mod row;
pub(crate) mod sources;
pub(crate) mod unclaimed;
