//! The domain of Tessera: who is who, what is known, and how it folds into a profile.
//!
//! It is pure: facts, configuration and `now` go in, changes, notices and verdicts come out. It is not a store, knows no
//! wire format, and asks neither the clock nor a random source. Start reading at [`fact`] (what comes in), then
//! [`cluster`] (what is kept), [`walk`] (how links become profiles) and [`decide`] (what a command does). What rules ask of events
//! is kept by [`aggregate`], computed attributes and segments are [`rules`].
//!
//! Invariants:
//! - a fact is owned by exactly one node and never moves;
//! - the profiles are a function of facts, directives and configuration, never of the order of arrival;
//! - `decide` either names what it still has to read, or has applied one command whole.

pub mod aggregate;
pub mod cluster;
pub mod config;
pub mod decide;
pub mod document;
pub mod fact;
pub mod id;
pub mod model;
pub mod normalise;
pub mod policy;
pub mod prepare;
pub mod rules;
pub mod view;
pub mod walk;
pub mod working;

pub use tessera_expr::{heap, time, value};
