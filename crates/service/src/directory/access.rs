//! Who may administer what.

use std::sync::Arc;

use tessera_engine::time::Timestamp;

use super::{Caller, Datasets, Directory, Key, OrganizationId, Permission, Permissions, WorkspaceId, WorkspaceScope};
use crate::base::error::{Error, ErrorKind};

/// Someone who changes the directory: checked against the very snapshot that the change is decided over, since the key may
/// have been revoked while the change waited.
pub(super) struct Actor<'a> {
    pub(super) directory: &'a Arc<Directory>,
    pub(super) caller: &'a Caller,
    pub(super) now: Timestamp,
}

/// Whether the caller administers anything at all.
pub(super) fn any_administration(caller: &Caller) -> Result<(), Error> {
    if caller.permissions().contains(Permission::Operate) { Ok(()) } else { caller.require(Permission::Administer) }
}

/// Whether the caller administers this organization.
pub(super) fn administers(caller: &Caller, organization: OrganizationId) -> Result<(), Error> {
    any_administration(caller)?;
    let own = caller.organization() == organization;
    let exists = || caller.directory().organization(organization).is_some();
    if own || (caller.permissions().contains(Permission::Operate) && exists()) {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::NotFound, "organization_not_found", "no organization of this name"))
    }
}

/// Whether what the caller administers of this organization are all its workspaces.
pub(super) fn holds_all(caller: &Caller, organization: OrganizationId) -> bool {
    caller.permissions().contains(Permission::Operate) || (caller.organization() == organization && caller.holds_all())
}

/// Whether the caller administers this workspace of this organization.
pub(super) fn holds(caller: &Caller, organization: OrganizationId, workspace: WorkspaceId) -> bool {
    holds_all(caller, organization) || caller.holds(workspace)
}

/// Whether the caller sees and manages this key: its organization and all that it holds are the caller's to administer.
pub(super) fn manages(caller: &Caller, key: &Key) -> bool {
    administers(caller, key.organization).is_ok()
        && match &key.scope {
            WorkspaceScope::All { .. } => holds_all(caller, key.organization),
            WorkspaceScope::Listed(listed) => listed.iter().all(|id| holds(caller, key.organization, *id)),
        }
}

/// What a key is to be able to do.
pub(super) struct Grant<'a> {
    pub(super) organization: OrganizationId,
    pub(super) permissions: Permissions,
    pub(super) datasets: &'a Datasets,
    pub(super) scope: &'a WorkspaceScope,
    pub(super) expires_at: Option<Timestamp>,
}

/// Whether the caller may make a key that can do this, or have a secret of one: it can do it itself. An operator of this host runs the
/// organizations of others and has no part in their data: it may give one that has never had a key its first, whatever that is to do, and
/// afterwards only what is about no data.
pub(super) fn may_grant(actor: &Actor<'_>, grant: &Grant<'_>) -> Result<(), Error> {
    let Grant { organization, permissions, datasets, scope, expires_at } = *grant;
    let caller = actor.caller;
    if caller.expires_at().is_some_and(|own| expires_at.is_none_or(|at| at > own)) {
        let message = "this key expires, so a key that it makes expires too, and no later: say expires_at";
        return Err(Error::new(ErrorKind::Forbidden, "expiry_exceeded", message));
    }
    caller.datasets().cover(datasets)?;
    if caller.organization() != organization {
        let is_first = !actor.directory.keys().any(|entry| entry.key.organization == organization);
        return match permissions.iter().find(|permission| permission.is_about_data()) {
            Some(permission) if !is_first => {
                let message = format!(
                    "the organization has keys, so who runs this host gives none of it this permission={}: have one of its own keys that may \
                     administer make it",
                    permission.name()
                );
                Err(Error::new(ErrorKind::Forbidden, "organization_has_keys", message))
            }
            Some(_) | None => Ok(()),
        };
    }
    if let Some(missing) = permissions.iter().find(|permission| !caller.permissions().allow(*permission)) {
        let message = format!("this key cannot give what it lacks permission={}", missing.name());
        return Err(Error::new(ErrorKind::Forbidden, "permission_exceeded", message));
    }
    let is_held = match scope {
        WorkspaceScope::All { .. } => caller.holds_all(),
        WorkspaceScope::Listed(listed) => listed.iter().all(|id| caller.holds(*id)),
    };
    if !is_held && permissions.iter().any(Permission::is_about_data) {
        let message = "this key cannot give workspaces that it does not hold itself";
        return Err(Error::new(ErrorKind::Forbidden, "scope_exceeded", message));
    }
    Ok(())
}
