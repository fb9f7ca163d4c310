//! This door against the specification: golden exchanges, and what they cannot show.

mod batches;
mod collection;
mod entities;
mod gateway;
pub(in crate::adobe) mod golden;
mod isolation;
mod sandboxes;
mod system_jobs;
