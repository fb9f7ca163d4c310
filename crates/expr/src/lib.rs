//! The rule language of Tessera, and the values that it speaks of.
//!
//! It is pure: it knows no store, no wire format, no vendor, and asks neither the clock nor a random source.

pub mod time;
pub mod value;
