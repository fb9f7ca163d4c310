//! Who may administer what.

use std::sync::Arc;

use tessera_engine::time::Timestamp;

use super::{Caller, Datasets, Directory, Key, OrganizationId, Permission, Permissions, WorkspaceId, WorkspaceScope};
use crate::error::{Error, ErrorKind};

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

/// Whether the caller may make a key of these permissions and datasets: they are its own too. An operator of this host may give
/// another organization any, since somebody must make that organization's first key.
pub(super) fn may_grant(
    caller: &Caller,
    organization: OrganizationId,
    permissions: Permissions,
    datasets: &Datasets,
) -> Result<(), Error> {
    caller.datasets().cover(datasets)?;
    let operates_other = caller.organization() != organization && caller.permissions().contains(Permission::Operate);
    match permissions.iter().find(|permission| !caller.permissions().contains(*permission)) {
        Some(missing) if !operates_other => {
            let message = format!("this key cannot give what it lacks permission={}", missing.name());
            Err(Error::new(ErrorKind::Forbidden, "permission_exceeded", message))
        }
        _ => Ok(()),
    }
}
