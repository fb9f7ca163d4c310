//! Administration: organizations, workspaces, keys, namespaces, the quarantine. What each may do is decided by the directory and
//! the service; here it is read and shown.

mod directory;
mod namespaces;
mod parse;
mod quarantine;
mod render;
mod wire;

/// All routes of this door.
pub(crate) fn routes() -> Vec<crate::route::Route> {
    directory::routes().into_iter().chain(namespaces::routes()).chain(quarantine::routes()).collect()
}
