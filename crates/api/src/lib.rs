//! The doors: HTTP in, service calls, HTTP out.
//!
//! It knows wire formats, credentials, rate limits and the transport; it owns no behaviour of the product and sees neither
//! stores nor record formats. Start reading at [`router`], then `route` (what a path is), then a door: `native`, `segment`,
//! `admin`. Dialects never import each other.
//!
//! Invariants:
//! - no input reaches a door before it is bounded, and none makes a handler panic;
//! - one table of codes ([`codes`]), one file from kind to status (`kinds`), one shape of errors;
//! - every path is in the OpenAPI document, since both are made of the same routes;
//! - personal values reach neither logs nor metrics nor errors.

mod admin;
mod adobe;
mod answer;
mod app;
mod attributes;
mod audited;
mod body;
mod bounds;
mod budget;
mod caller;
pub mod codes;
mod counted;
pub mod declared;
mod dfinery;
mod door;
mod extract;
mod guesses;
mod jobs;
mod kept;
mod kinds;
mod limiter;
mod measure;
mod mend;
pub mod names;
mod native;
mod number;
mod once;
mod openapi;
mod operation;
mod optimizely;
mod public_url;
mod quota;
mod regulations;
mod report;
mod route;
mod router;
mod segment;
mod segment_profiles;
mod serve;
mod settings;
mod site;
mod spans;
mod stream;
mod table;
mod transport;
mod wyng;

pub use axum::Router;
pub use openapi::document as openapi_document;
pub use public_url::{PublicUrl, PublicUrlError};
pub use router::{Routers, router, routers};
pub use serve::{Look, Tls, TlsError, serve};
pub use settings::{ApiSettings, Readiness};
pub use spans::Span;

#[cfg(test)]
mod tests;
