//! Changes and lists of the directory, on behalf of a caller.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tessera_engine::time::Timestamp;
use tessera_store::Store;
use tokio::sync::Mutex;

use super::{
    Caller, Directory, IssuedKey, Key, KeyId, NewKey, Organization, OrganizationId, RateLimit, Slug, Workspace, WorkspaceId,
};
use crate::error::Error;

/// The directory of a running service: its present snapshot, and the one way to change it.
pub struct DirectoryHandle {
    snapshot: ArcSwap<Directory>,
    /// Held over a whole change, so that changes are decided one at a time.
    changing: Mutex<()>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    random: Arc<dyn Fn(&mut [u8]) + Send + Sync>,
}

/// Which part of a list to answer.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// How many items: 1 to [`super::LIST_MAX`].
    pub limit: usize,
    /// Where an earlier page ended.
    pub cursor: Option<String>,
}

/// A part of a list.
#[derive(Debug, Clone)]
pub struct ListPage<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; none on the last.
    pub next_cursor: Option<String>,
}

impl DirectoryHandle {
    /// Reads the directory from the store.
    ///
    /// # Errors
    /// What the store answers, or `Corrupt` for records that cannot be read.
    pub async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
        random: Arc<dyn Fn(&mut [u8]) + Send + Sync>,
    ) -> Result<Self, Error> {
        let snapshot = ArcSwap::from_pointee(Directory::default());
        Ok(Self { snapshot, changing: Mutex::new(()), store, clock, random })
    }

    /// The directory as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Directory> {
        self.snapshot.load_full()
    }

    /// Who holds this secret now. No I/O.
    ///
    /// # Errors
    /// As [`Directory::authenticate`].
    pub fn authenticate(&self, secret: &str) -> Result<Caller, Error> {
        self.snapshot().authenticate(secret, (self.clock)())
    }

    /// Reads the directory again if another process changed it. Started by a timer; one point read when nothing changed.
    ///
    /// # Errors
    /// What the store answers, or `Corrupt`.
    pub async fn refresh(&self) -> Result<(), Error> {
        todo!()
    }

    /// Makes the operator's own key work: the organization `default` with the workspace `default`, and a private key with
    /// every permission on them. A changed secret replaces the former one; a key that was revoked stays so.
    ///
    /// # Errors
    /// `Invalid` with `bootstrap_key_invalid` unless the secret has 8 to 200 characters; what the store answers.
    pub async fn ensure_bootstrap(&self, _secret: &str) -> Result<KeyId, Error> {
        todo!()
    }

    /// The organization that a request means: the one it names, or else the caller's own.
    ///
    /// # Errors
    /// `Forbidden` with `permission_missing`; `NotFound` with `organization_not_found`, the same whether it exists or not
    /// for a caller that may not operate this host.
    pub fn organization(&self, _caller: &Caller, _name: Option<&str>) -> Result<Organization, Error> {
        todo!()
    }

    /// The organizations: all for `operate`, otherwise the caller's own for `administer`.
    ///
    /// # Errors
    /// `Forbidden` with `permission_missing`; `Invalid` with `cursor_invalid`, `limit_invalid`.
    pub fn organizations(&self, _caller: &Caller, _query: &ListQuery) -> Result<ListPage<Organization>, Error> {
        todo!()
    }

    /// Makes an organization. Needs `operate`.
    ///
    /// # Errors
    /// `Forbidden` with `permission_missing`; `Conflict` with `organization_exists`; `LimitExceeded` with
    /// `organizations_full`; what the store answers.
    pub async fn create_organization(&self, _caller: &Caller, _name: &Slug) -> Result<Organization, Error> {
        todo!()
    }

    /// The workspaces of an organization that the caller holds. Needs `administer` (or `operate`).
    ///
    /// # Errors
    /// As [`Self::organization`]; `Invalid` with `cursor_invalid`, `limit_invalid`.
    pub fn workspaces(
        &self,
        _caller: &Caller,
        _organization: OrganizationId,
        _query: &ListQuery,
    ) -> Result<ListPage<Workspace>, Error> {
        todo!()
    }

    /// A workspace of an organization. Needs `administer` (or `operate`).
    ///
    /// # Errors
    /// As [`Self::organization`]; `Forbidden` with `workspace_forbidden`.
    pub fn workspace(&self, _caller: &Caller, _organization: OrganizationId, _name: &str) -> Result<Workspace, Error> {
        todo!()
    }

    /// Makes a workspace. Needs `administer` on all workspaces of the organization (or `operate`).
    ///
    /// # Errors
    /// As [`Self::organization`]; `Forbidden` with `scope_exceeded`; `Conflict` with `workspace_exists`; `LimitExceeded`
    /// with `workspaces_full`; what the store answers.
    pub async fn create_workspace(
        &self,
        _caller: &Caller,
        _organization: OrganizationId,
        _name: &Slug,
    ) -> Result<Workspace, Error> {
        todo!()
    }

    /// Bounds what all keys together may ask of a workspace, or lifts the bound. Needs `operate`: the bound protects the
    /// others on this host.
    ///
    /// # Errors
    /// `Forbidden` with `permission_missing`, `workspace_forbidden`; what the store answers.
    pub async fn set_workspace_rate_limit(
        &self,
        _caller: &Caller,
        _workspace: WorkspaceId,
        _rate_limit: Option<RateLimit>,
    ) -> Result<Workspace, Error> {
        todo!()
    }

    /// The keys of an organization that the caller may manage, by id. Needs `administer` (or `operate`).
    ///
    /// # Errors
    /// As [`Self::organization`]; `Invalid` with `cursor_invalid`, `limit_invalid`.
    pub fn keys(&self, _caller: &Caller, _organization: OrganizationId, _query: &ListQuery) -> Result<ListPage<Key>, Error> {
        todo!()
    }

    /// A key. Needs `administer` (or `operate`).
    ///
    /// # Errors
    /// `Forbidden` with `permission_missing`; `NotFound` with `key_not_found`, the same whether it exists or not.
    pub fn key(&self, _caller: &Caller, _id: KeyId) -> Result<Key, Error> {
        todo!()
    }

    /// Makes a key; its secret is in the answer and nowhere else. Needs `administer` (or `operate`), and the key may do no
    /// more than the caller.
    ///
    /// # Errors
    /// As [`Self::organization`]; `Invalid` with `permissions_empty`, `public_key_permission`, `workspaces_empty`;
    /// `Forbidden` with `permission_exceeded`, `scope_exceeded`, `workspace_forbidden`; `LimitExceeded` with `keys_full`;
    /// what the store answers.
    pub async fn create_key(
        &self,
        _caller: &Caller,
        _organization: OrganizationId,
        _new: &NewKey,
    ) -> Result<IssuedKey, Error> {
        todo!()
    }

    /// Gives a key a successor that may do the same, with a new secret; the old one goes on working for `grace_secs`.
    ///
    /// # Errors
    /// As [`Self::key`]; `Invalid` with `grace_invalid`; `Conflict` with `key_retired`; `Forbidden` with
    /// `permission_exceeded`; `LimitExceeded` with `keys_full`; what the store answers.
    pub async fn rotate_key(&self, _caller: &Caller, _id: KeyId, _grace_secs: u32) -> Result<IssuedKey, Error> {
        todo!()
    }

    /// Revokes a key at once. Revoking it again changes nothing.
    ///
    /// # Errors
    /// As [`Self::key`]; what the store answers.
    pub async fn revoke_key(&self, _caller: &Caller, _id: KeyId) -> Result<Key, Error> {
        todo!()
    }

    /// Bounds what a key may ask of the service, or lifts the bound.
    ///
    /// # Errors
    /// As [`Self::key`]; what the store answers.
    pub async fn set_key_rate_limit(&self, _caller: &Caller, _id: KeyId, _rate_limit: Option<RateLimit>) -> Result<Key, Error> {
        todo!()
    }
}
