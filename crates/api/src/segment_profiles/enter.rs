//! The way in: which workspace a space is, and which profile a path names.

use std::sync::Arc;

use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use tessera_seam::app::{App, Entered, named_workspace};
use tessera_seam::extract::Query;
use tessera_seam::transport::IdIn;
use tessera_service::Lookup;
use tessera_service::directory::{Caller, Permission, WorkspaceId};
use tessera_service::error::Error;
use tessera_service::workspace_config::StoredConfig;

use super::DOOR;
use super::errors::{REQUEST_ID, space_not_found};
use super::parse::{self, Collection};

/// The parts of a path that names a profile: space, collection, and `type:value`.
pub(super) type Path = (String, String, String);

/// A request about a profile that was let in.
pub(super) struct Asked {
    pub(super) entered: Entered,
    pub(super) config: Arc<StoredConfig>,
    pub(super) collection: Collection,
    /// The look-up that finds the profile, or the only one that there is.
    pub(super) lookup: Lookup,
    /// The path, as cursors show it.
    pub(super) url: String,
}

/// Lets a request in to the space that it names, and reads which profile it means. The value of an id is looked up as it came, then in lower
/// case (spec/segment.md section 3).
///
/// # Errors
/// As [`space`]; `collection_unknown`, `profile_reference_invalid`, `external_id_type_unknown`, `profile_not_found`.
pub(super) async fn profile(
    app: &App,
    (name, collection, profile): &Path,
    (uri, headers, query): (&Uri, &HeaderMap, &Query),
    permission: Permission,
) -> Result<Asked, Error> {
    let entered = space(app, name, headers, query, permission)?;
    let config = app.service.configuration(entered.workspace).await?;
    let collection = Collection::parse(collection)?;
    let mut lookups = parse::lookups(&config, collection, profile)?;
    let at = match &lookups[..] {
        [_] => 0,
        several => app.service.first_found(entered.workspace, several).await?,
    };
    let lookup = lookups.swap_remove(at);
    Ok(Asked { entered, config, collection, lookup, url: uri.path().to_owned() })
}

/// Lets a request of a server in to the workspace that a space is, by its name or its id.
///
/// # Errors
/// `key_missing`, `key_invalid`, `permission_missing`, `private_key_needed`, `space_not_found`, `workspace_forbidden`, `rate_limited`, …
fn space(app: &App, name: &str, headers: &HeaderMap, query: &Query, permission: Permission) -> Result<Entered, Error> {
    let secret = DOOR.secret(headers, query)?.ok_or_else(|| DOOR.missing())?;
    let caller = app.service.directory().authenticate(&secret)?;
    let named = named_workspace(headers)?;
    app.admit_to(caller, headers, permission, |caller| {
        caller.require_private()?;
        let found = workspace_of(caller, name)?;
        // The header of ours says the same or nothing.
        match named.map(|named| caller.workspace(Some(named))).transpose()? {
            Some(other) if other != found => Err(space_not_found()),
            Some(_) | None => Ok(found),
        }
    })
}

/// Linear in the workspaces of the service, where the space is not named by its name.
fn workspace_of(caller: &Caller, name: &str) -> Result<WorkspaceId, Error> {
    let directory = caller.directory();
    let by_name = directory.workspace_by_name(caller.organization(), name).map(|own| own.id);
    let by_id = || directory.workspaces().map(|own| own.id).find(|id| caller.holds(*id) && id.stable_id() == name);
    by_name.filter(|id| caller.holds(*id)).or_else(by_id).ok_or_else(space_not_found)
}

/// An answer of this door, which tells the id of the request in its own header too.
pub(super) fn told(mut response: Response) -> Response {
    response.extensions_mut().insert(IdIn(REQUEST_ID));
    response
}
