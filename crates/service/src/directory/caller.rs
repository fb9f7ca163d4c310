//! Whoever sent a request, as its key says.

use std::sync::Arc;

use tessera_engine::time::Timestamp;

use super::snapshot::KeyEntry;
use super::{
    Class, Datasets, Directory, KeyId, OrganizationId, Permission, Permissions, RateLimit, WorkspaceId, WorkspaceScope,
};
use crate::base::error::{Error, ErrorKind};

/// Whoever sent a request: the key, and the directory as it was when the key was checked.
#[derive(Clone)]
pub struct Caller {
    directory: Arc<Directory>,
    entry: Arc<KeyEntry>,
}

impl Caller {
    pub(super) fn new(directory: Arc<Directory>, entry: Arc<KeyEntry>) -> Self {
        Self { directory, entry }
    }

    /// The key's id.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.entry.key.id
    }

    /// What people call the key.
    #[must_use]
    pub fn key_name(&self) -> &str {
        self.entry.key.name.as_str()
    }

    /// When the key stops working, if that is known.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.entry.key.expires_at
    }

    /// Where the key may be seen: what a public key says is less certain.
    #[must_use]
    pub fn class(&self) -> Class {
        self.entry.key.class
    }

    /// Where what the key sends stands, and which datasets it may name.
    #[must_use]
    pub fn datasets(&self) -> &Datasets {
        &self.entry.key.datasets
    }

    /// Refuses a page of another origin than the key may be used from.
    ///
    /// # Errors
    /// `Forbidden` with `origin_forbidden`.
    pub fn require_origin(&self, sent: Option<&str>) -> Result<(), Error> {
        match (&self.entry.key.origins, sent) {
            (None, _) | (_, None) => Ok(()),
            (Some(origins), Some(sent)) if origins.iter().any(|own| own.is(sent)) => Ok(()),
            (Some(_), Some(_)) => {
                let message = "this key may not be used from pages of this origin";
                Err(Error::new(ErrorKind::Forbidden, "origin_forbidden", message))
            }
        }
    }

    /// Refuses a key that everyone may have.
    ///
    /// # Errors
    /// `Forbidden` with `private_key_needed`.
    pub fn require_private(&self) -> Result<(), Error> {
        match self.class() {
            Class::Private => Ok(()),
            Class::Public => {
                let message = "this is taken from servers alone: a private key is needed";
                Err(Error::new(ErrorKind::Forbidden, "private_key_needed", message))
            }
        }
    }

    /// Whose key it is.
    #[must_use]
    pub fn organization(&self) -> OrganizationId {
        self.entry.key.organization
    }

    /// What the key may do.
    #[must_use]
    pub fn permissions(&self) -> Permissions {
        self.entry.key.permissions
    }

    /// Refuses what the key may not do.
    ///
    /// # Errors
    /// `Forbidden` with `permission_missing`, naming the permission.
    pub fn require(&self, permission: Permission) -> Result<(), Error> {
        if self.permissions().allow(permission) {
            Ok(())
        } else {
            let message = format!("this key lacks the permission {}", permission.name());
            Err(Error::new(ErrorKind::Forbidden, "permission_missing", message))
        }
    }

    /// The workspace that a request means: the one it names, or else the key's default.
    ///
    /// # Errors
    /// `Forbidden` with `workspace_forbidden`, the same whether the workspace exists or not; `Invalid` with
    /// `workspace_missing` when none is named and the organization has none yet.
    pub fn workspace(&self, name: Option<&str>) -> Result<WorkspaceId, Error> {
        match name {
            None => self.default_workspace().ok_or_else(|| {
                Error::new(ErrorKind::Invalid, "workspace_missing", "the organization of this key has no workspace yet")
            }),
            Some(name) => {
                let found = self.directory.workspace_by_name(self.organization(), name);
                found.map(|workspace| workspace.id).filter(|id| self.holds(*id)).ok_or_else(workspace_forbidden)
            }
        }
    }

    /// The workspace of this name, or of this stable id.
    ///
    /// # Errors
    /// `Forbidden` with `workspace_forbidden`, the same whether the workspace exists or not.
    pub fn workspace_called(&self, name: &str) -> Result<WorkspaceId, Error> {
        let named = self.directory.workspace_by_name(self.organization(), name);
        let is_id = name.len() == 24 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_called = |own: &WorkspaceId| self.holds(*own) && own.stable_id() == name;
        let by_id = || self.directory.workspaces().map(|own| own.id).filter(|_| is_id).find(is_called);
        let found = named.map(|own| own.id).filter(|id| self.holds(*id)).or_else(by_id);
        found.ok_or_else(workspace_forbidden)
    }

    /// The workspace of requests that name none.
    #[must_use]
    pub fn default_workspace(&self) -> Option<WorkspaceId> {
        self.directory.default_workspace(self.organization(), &self.entry.key.scope)
    }

    /// Whether the key holds this workspace.
    #[must_use]
    pub fn holds(&self, workspace: WorkspaceId) -> bool {
        match &self.entry.key.scope {
            WorkspaceScope::Listed(listed) => listed.contains(&workspace),
            WorkspaceScope::All { .. } => {
                self.directory.workspace(workspace).is_some_and(|found| found.organization == self.organization())
            }
        }
    }

    /// Whether the key holds all workspaces of its organization, those made later included.
    #[must_use]
    pub fn holds_all(&self) -> bool {
        matches!(self.entry.key.scope, WorkspaceScope::All { .. })
    }

    /// How much the key may ask of the service.
    #[must_use]
    pub fn rate_limit(&self) -> Option<RateLimit> {
        self.entry.key.rate_limit
    }

    /// How much all keys together may ask of this workspace.
    #[must_use]
    pub fn workspace_rate_limit(&self, workspace: WorkspaceId) -> Option<RateLimit> {
        self.directory.workspace(workspace).and_then(|workspace| workspace.rate_limit)
    }

    /// The directory as it was when the key was checked, for the names of what an answer shows.
    #[must_use]
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }
}

/// The answer for a workspace that the key does not hold, whether or not it exists.
pub(super) fn workspace_forbidden() -> Error {
    Error::new(ErrorKind::Forbidden, "workspace_forbidden", "this key does not hold a workspace of this name")
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller")
            .field("key", &self.key())
            .field("class", &self.class())
            .field("organization", &self.organization())
            .field("permissions", &self.permissions())
            .finish_non_exhaustive()
    }
}
