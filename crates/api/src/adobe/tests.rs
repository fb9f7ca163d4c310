//! This door against the specification: golden exchanges, and what they cannot show.

mod gateway;
mod golden;
mod system_jobs;
