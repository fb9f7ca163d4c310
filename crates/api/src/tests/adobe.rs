//! This door against the specification: golden exchanges, and what they cannot show.

mod batches;
mod collection;
mod entities;
mod gateway;
mod golden;
mod isolation;
mod merge_policies;
mod previews;
mod sandboxes;
mod system_jobs;
