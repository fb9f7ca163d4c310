//! This door against the specification: golden exchanges, and what they cannot show.

mod gateway;
pub(in crate::adobe) mod golden;
mod isolation;
mod system_jobs;
