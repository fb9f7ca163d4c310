//! The seam: what every door is built from, and nothing that names one.
//!
//! It bounds and reads what comes in, lets callers in, writes what goes out, and listens. It speaks no dialect and has no path: a door is a value
//! ([`door::Door`]) that a crate above makes, and the list of them ([`door::Doors`]) is given to [`app::App`]. Start reading at [`door`], then
//! [`route`] (what a path is), then [`app`] (the way in) and [`transport`] (what happens around every request).
//!
//! Invariants:
//! - no input reaches a door before it is bounded, and none makes a handler panic;
//! - one table of codes ([`codes`]), one file from kind to status ([`kinds`]), one shape of errors;
//! - personal values reach neither logs nor metrics nor errors.

pub mod answer;
pub mod app;
pub mod attributes;
pub mod audited;
pub mod body;
pub mod bounds;
pub mod budget;
pub mod caller;
pub mod codes;
pub mod counted;
pub mod door;
pub mod extract;
pub mod guesses;
pub mod kept;
pub mod kinds;
pub mod limiter;
pub mod measure;
pub mod mend;
pub mod names;
pub mod number;
pub mod once;
pub mod public_url;
pub mod quota;
pub mod report;
pub mod route;
pub mod serve;
pub mod settings;
pub mod spans;
pub mod stream;
pub mod table;
pub mod transport;
