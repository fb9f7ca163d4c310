//! The doors: HTTP in, service calls, HTTP out.
//!
//! Here are all doors but Adobe's and Optimizely's, which are crates of their own, the one list of them (`doors`), the router, and the documents. What
//! every door is built from is the crate `tessera-seam`. It owns no behaviour of the product and sees neither stores nor record formats. Start
//! reading at [`router`], then a door: `native`, `segment`, `admin`. Dialects never import each other.
//!
//! Invariants:
//! - every path is in the OpenAPI document, since both are made of the same routes;
//! - nothing but `doors` names all doors, and what goes through them is given the list.

mod admin;
pub mod declared;
mod dfinery;
mod doors;
mod jobs;
mod native;
mod openapi;
mod operation;
mod regulations;
mod router;
mod segment;
mod segment_profiles;
mod site;
mod wyng;

pub use axum::Router;
pub use openapi::document as openapi_document;
pub use router::{Routers, router, routers};
pub use tessera_seam::names;
pub use tessera_seam::public_url::{PublicUrl, PublicUrlError};
pub use tessera_seam::serve::{Look, Tls, TlsError, serve};
pub use tessera_seam::settings::{ApiSettings, Readiness};
pub use tessera_seam::spans::Span;

#[cfg(test)]
mod tests;
