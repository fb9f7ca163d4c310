//! The rule language of Tessera, and the values that it speaks of.
//!
//! A rule asks about one profile: its attributes, its events, its segments, and the time. Whatever a rule is written in, it
//! becomes one tree ([`ast`]); whatever asks, one evaluator answers ([`eval`]). It is pure: it knows no store, no wire format
//! and no vendor, and asks neither the clock nor a random source. Start reading at [`ast`], then [`rule`], [`facts`] and
//! [`eval`]; of the front ends, at [`pql`]. [`rename`] puts the names of one in place of those of another.
//!
//! Invariants:
//! - no input makes it panic: what is read is bounded by [`limits`], what is evaluated by a [`rule::Budget`];
//! - an answer holds until its `changes_at`, unless something else is said of the profile;
//! - numbers are exact decimals, binary floats stand nowhere;
//! - answering from kept aggregates equals answering from the events.

pub mod ast;
pub mod calendar;
pub mod check;
pub mod eval;
pub mod explain;
pub mod facts;
pub mod filter;
pub mod heap;
pub mod limits;
pub mod pattern;
pub mod plan;
pub mod pql;
pub mod pql_json;
pub mod problem;
pub mod rename;
pub mod rule;
pub mod time;
pub mod tree;
pub mod value;
