//! This door against the specification: golden exchanges, and what they cannot show.

mod entities;
mod gateway;
mod golden;
mod sandboxes;
mod system_jobs;
