//! The door of Adobe's Real-Time Customer Profile API: entities, merge policies, computed attributes, system jobs, segment definitions, and the
//! calls by which its clients send what these are made of.
//!
//! An organization of this API is one of ours, a sandbox a workspace. Start reading at the groups of routes below; `enter` is the way in and
//! its headers, `errors` the five shapes in which it says no, `namespaces` which code is which namespace of ours, `xid` how an identity is
//! written as one word. `README.md` has a table of the operations.

mod batches;
mod bulk;
mod collection;
mod computed_attributes;
mod config_computed;
mod enter;
mod entities;
mod errors;
mod identity_namespaces;
mod merge_policies;
mod namespaces;
mod objects;
mod pql;
mod previews;
mod registry;
mod segment_definitions;
mod system_jobs;
mod xdm;
mod xid;

use axum::http::Method;
use axum::routing::MethodRouter;
use tessera_seam::app::App;
use tessera_seam::door::{Credential, Door};
use tessera_seam::route::{Access, Route, Tag};

/// The door's name, and the dataset of what it is sent that names none.
const NAME: &str = "adobe";

/// This door.
pub static DOOR: Door = Door {
    name: NAME,
    base: &["/data/core", "/data/foundation", "/collection"],
    ignores_case: false,
    quotas: &[],
    credentials: &[Credential::Authorization],
    routes,
    refuse: errors::refuse,
    replay: Some(collection::replay),
    errors: Some(("Adobe", errors::schema)),
};

/// The groups of its routes, each in a file of its own.
const GROUPS: &[fn() -> Vec<Route>] = &[
    entities::routes,
    registry::routes,
    collection::routes,
    identity_namespaces::routes,
    system_jobs::routes,
    merge_policies::routes,
    computed_attributes::routes,
    config_computed::routes,
    segment_definitions::routes,
    previews::routes,
    batches::routes,
];

fn routes() -> Vec<Route> {
    GROUPS.iter().flat_map(|group| group()).collect()
}

/// A route of this door, with the headers that each of its requests has.
fn route(
    method: Method,
    path: &'static str,
    access: Access,
    handler: MethodRouter<std::sync::Arc<App>>,
    summary: &'static str,
) -> Route {
    Route::new(method, path, access, handler, Tag::Adobe, summary)
        .header("x-api-key", "The id of the client; any.")
        .header("x-gw-ims-org-id", "The organization, by its name or as `name@AdobeOrg`.")
        .header(
            "x-sandbox-name",
            "The sandbox: the name of a workspace. `prod` is `default` unless there is one of that name.",
        )
}
