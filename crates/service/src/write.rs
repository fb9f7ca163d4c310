//! Writes: the lane of a workspace gathers, decides and commits, and what its commits leave beside records.

pub(crate) mod alarm;
pub mod erasure;
pub mod feed;
pub(crate) mod history;
pub(crate) mod lane;
pub mod membership_changes;
pub mod quarantine;
pub(crate) mod redaction;
pub(crate) mod suppression;
