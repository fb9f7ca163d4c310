//! Administration: organizations, workspaces, keys, namespaces, tokens, the quarantine. What each may do is decided by the directory and
//! the service; here it is read and shown.

mod audit;
mod directory;
mod identity_rules;
mod identity_tokens;
mod namespaces;
mod parse;
mod quarantine;
mod render;
mod tokens;
mod wire;

pub(crate) use directory::declared_rate_limit;
pub(crate) use namespaces::{declared_limits, declared_namespace, declared_primary};
pub(crate) use tokens::declared_token_issuer;

/// All routes of this door.
pub(crate) fn routes() -> Vec<tessera_seam::route::Route> {
    let identities = namespaces::routes().into_iter().chain([identity_rules::route()]);
    let configuration = identities.chain(identity_tokens::routes()).chain(tokens::routes());
    let rest = configuration.chain(quarantine::routes()).chain(audit::routes());
    directory::routes().into_iter().chain(rest).collect()
}
