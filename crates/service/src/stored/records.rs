//! Stored records of people: how domain values are written and read again.
//!
//! A record is a version byte and the postcard encoding of a mirror that lives here, beside its conversion. A new shape is a
//! new version; golden files freeze each.

pub mod cluster;
pub mod event;
mod evidence;
pub mod link;
pub mod rows;
pub(crate) mod ruled;
mod state;
pub(crate) mod value;

#[cfg(test)]
mod tests;
