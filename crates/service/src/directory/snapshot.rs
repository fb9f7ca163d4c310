//! All organizations, workspaces and keys at one instant.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tessera_engine::time::Timestamp;
use tessera_store::Version;

use super::{
    Caller, Class, Key, KeyId, Organization, OrganizationId, Slug, Workspace, WorkspaceId, WorkspaceScope, key,
};
use crate::base::error::{Error, ErrorKind};

/// The longest secret that is looked at.
const SECRET_BYTES_MAX: usize = 1_024;

/// All organizations, workspaces and keys at one instant. Immutable: a change makes another.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    pub(super) root: Root,
    /// The version of the stored root, which every change asserts; none while nothing is stored.
    pub(super) root_version: Option<Version>,
    organizations: BTreeMap<OrganizationId, Arc<Organization>>,
    organization_names: HashMap<Slug, OrganizationId>,
    workspaces: BTreeMap<WorkspaceId, Arc<Workspace>>,
    workspace_names: HashMap<OrganizationId, BTreeMap<Slug, WorkspaceId>>,
    keys: BTreeMap<KeyId, Arc<KeyEntry>>,
    by_hash: HashMap<[u8; 32], KeyId>,
}

/// What every change of the directory asserts and rewrites, so that changes are in one order on every store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Root {
    /// The number of the next organization; numbers are never used again.
    pub(super) next_organization: u32,
    /// The number of the next workspace; numbers are never used again, being part of stored keys.
    pub(super) next_workspace: u32,
    /// Drawn for each change: after an ambiguous commit it tells whether that one happened.
    pub(super) change: [u8; 16],
}

impl Default for Root {
    fn default() -> Self {
        Self { next_organization: 1, next_workspace: 1, change: [0; 16] }
    }
}

/// A key and the hash of its secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct KeyEntry {
    pub(super) key: Key,
    pub(super) hash: [u8; 32],
}

impl std::fmt::Debug for KeyEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.key.fmt(f)
    }
}

impl Directory {
    /// Who holds this secret. No I/O, and one SHA-256.
    ///
    /// The look-up compares hashes, not secrets, and so needs no constant time: what its time tells about a hash says
    /// nothing about a secret that has it, and a guesser cannot choose the hash of his guess.
    ///
    /// # Errors
    /// `Unauthenticated` with `key_missing` (an empty secret), `key_unknown`, `key_revoked` or `key_expired`.
    pub fn authenticate(self: &Arc<Self>, secret: &str, now: Timestamp) -> Result<Caller, Error> {
        if secret.is_empty() {
            return Err(unauthenticated("key_missing", "a key is needed"));
        }
        if secret.len() > SECRET_BYTES_MAX {
            return Err(key_unknown());
        }
        let id = self.by_hash.get(&key::hash(secret)).ok_or_else(key_unknown)?;
        self.caller(*id, now)
    }

    /// The caller that this key is, if it works at this instant.
    pub(super) fn caller(self: &Arc<Self>, id: KeyId, now: Timestamp) -> Result<Caller, Error> {
        let entry = self.keys.get(&id).ok_or_else(key_unknown)?;
        if entry.key.revoked_at.is_some() {
            return Err(unauthenticated("key_revoked", "this key was revoked"));
        }
        if entry.key.expires_at.is_some_and(|at| at <= now) {
            return Err(unauthenticated("key_expired", "this key has expired"));
        }
        Ok(Caller::new(Arc::clone(self), Arc::clone(entry)))
    }

    /// The organization of this number.
    #[must_use]
    pub fn organization(&self, id: OrganizationId) -> Option<&Arc<Organization>> {
        self.organizations.get(&id)
    }

    /// The organization of this name.
    #[must_use]
    pub fn organization_by_name(&self, name: &str) -> Option<&Arc<Organization>> {
        self.organizations.get(self.organization_names.get(name)?)
    }

    /// The workspace of this number.
    #[must_use]
    pub fn workspace(&self, id: WorkspaceId) -> Option<&Arc<Workspace>> {
        self.workspaces.get(&id)
    }

    /// The workspace of this name in this organization.
    #[must_use]
    pub fn workspace_by_name(&self, organization: OrganizationId, name: &str) -> Option<&Arc<Workspace>> {
        self.workspaces.get(self.workspace_names.get(&organization)?.get(name)?)
    }

    /// All organizations, by number.
    pub fn organizations(&self) -> impl DoubleEndedIterator<Item = &Arc<Organization>> {
        self.organizations.values()
    }

    /// All workspaces, by number.
    pub fn workspaces(&self) -> impl DoubleEndedIterator<Item = &Arc<Workspace>> {
        self.workspaces.values()
    }

    /// The workspace that a request means which names none, for a key of this organization and scope.
    pub(super) fn default_workspace(
        &self,
        organization: OrganizationId,
        scope: &WorkspaceScope,
    ) -> Option<WorkspaceId> {
        match scope {
            WorkspaceScope::Listed(workspaces) => workspaces.first().copied(),
            WorkspaceScope::All { default: Some(default) } => Some(*default),
            WorkspaceScope::All { default: None } => self.first_workspace(organization),
        }
    }

    /// The oldest workspace of an organization.
    pub(super) fn first_workspace(&self, organization: OrganizationId) -> Option<WorkspaceId> {
        self.workspace_names.get(&organization)?.values().min().copied()
    }

    /// The workspaces of an organization.
    pub(super) fn workspaces_of(&self, organization: OrganizationId) -> impl Iterator<Item = &Arc<Workspace>> {
        self.workspaces().filter(move |workspace| workspace.organization == organization)
    }

    /// The class of a key.
    #[must_use]
    pub fn class_of(&self, id: KeyId) -> Option<Class> {
        self.keys.get(&id).map(|entry| entry.key.class)
    }

    pub(super) fn key(&self, id: KeyId) -> Option<&Arc<KeyEntry>> {
        self.keys.get(&id)
    }

    pub(super) fn key_by_hash(&self, hash: &[u8; 32]) -> Option<&Arc<KeyEntry>> {
        self.keys.get(self.by_hash.get(hash)?)
    }

    /// All keys, by id.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Arc<KeyEntry>> {
        self.keys.values()
    }

    pub(super) fn insert_organization(&mut self, organization: Organization) {
        self.organization_names.insert(organization.name.clone(), organization.id);
        self.organizations.insert(organization.id, Arc::new(organization));
    }

    pub(super) fn insert_workspace(&mut self, workspace: Workspace) {
        let names = self.workspace_names.entry(workspace.organization).or_default();
        names.insert(workspace.name.clone(), workspace.id);
        self.workspaces.insert(workspace.id, Arc::new(workspace));
    }

    pub(super) fn insert_key(&mut self, entry: KeyEntry) {
        self.by_hash.insert(entry.hash, entry.key.id);
        self.keys.insert(entry.key.id, Arc::new(entry));
    }

    pub(super) fn remove_key(&mut self, id: KeyId) {
        if let Some(entry) = self.keys.remove(&id)
            && self.by_hash.get(&entry.hash) == Some(&id)
        {
            self.by_hash.remove(&entry.hash);
        }
    }
}

fn unauthenticated(code: &'static str, message: &'static str) -> Error {
    Error::new(ErrorKind::Unauthenticated, code, message)
}

fn key_unknown() -> Error {
    unauthenticated("key_unknown", "this key is not known here")
}
