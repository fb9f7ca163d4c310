//! Changes and lists of the directory, on behalf of a caller.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tessera_engine::time::Timestamp;
use tessera_store::{Commit, CommitError, Expect, Store, Version};
use tokio::sync::Mutex;

use super::access::{self, Actor};
use super::caller::workspace_forbidden;
use super::change::{self, Change, Drawn};
use super::key::not_found;
use super::snapshot::Root;
use super::{
    Caller, Dataset, Directory, IssuedKey, Key, KeyId, LIST_MAX, ListPage, ListQuery, NewKey, Organization,
    OrganizationId, RateLimit, Slug, Workspace, WorkspaceId, records,
};
use crate::base::error::{Error, ErrorKind};
use crate::base::store_error::{commit_failed, read_failed};
use crate::stored::audit::{self, Written};
use crate::stored::idempotency::{self, Given, Known, Once};

type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// How often a change is decided again because another process was faster.
const ATTEMPTS_MAX: usize = 16;

/// The directory of a running service: its present snapshot, and the one way to change it.
pub struct DirectoryHandle {
    snapshot: ArcSwap<Directory>,
    /// Held over a whole change, so that changes are decided one at a time.
    changing: Mutex<()>,
    store: Arc<dyn Store>,
    clock: Clock,
    random: Random,
}

impl DirectoryHandle {
    /// Reads the directory from the store.
    ///
    /// # Errors
    /// What the store answers, or `Corrupt` for records that cannot be read.
    pub async fn open(store: Arc<dyn Store>, clock: Clock, random: Random) -> Result<Self, Error> {
        let snapshot = ArcSwap::from_pointee(records::load(&*store).await?);
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
        let caller = self.snapshot().authenticate(secret, (self.clock)())?;
        audit::note_actor(caller.organization(), caller.key(), caller.key_name());
        Ok(caller)
    }

    /// Reads the directory again if another process changed it. Started by a timer; one point read when nothing changed.
    ///
    /// # Errors
    /// What the store answers, or `Corrupt`.
    pub async fn refresh(&self) -> Result<(), Error> {
        let _changing = self.changing.lock().await;
        let root = self.store.get(&[records::root_key()]).await.map_err(|error| read_failed(&error))?;
        let version = root.value.first().and_then(Option::as_ref).map(|root| root.version);
        if version != self.snapshot().root_version {
            self.reload().await?;
        }
        Ok(())
    }

    /// Makes the operator's own key work: the organization `default` with the workspace `default`, and a private key with
    /// every permission on them. A changed secret replaces the former one; a key that was revoked stays so.
    ///
    /// # Errors
    /// `Invalid` with `bootstrap_key_invalid` unless the secret has 8 to 200 characters; what the store answers.
    pub async fn ensure_bootstrap(&self, secret: &str) -> Result<KeyId, Error> {
        if !(8..=200).contains(&secret.chars().count()) {
            let message = "the bootstrap key has 8 to 200 characters";
            return Err(Error::new(ErrorKind::Invalid, "bootstrap_key_invalid", message));
        }
        let drawn = self.draw();
        let decide = |directory: &Arc<Directory>, now| Ok(change::ensure_bootstrap(directory, now, secret, &drawn));
        let before = self.snapshot();
        let id = self.change(None, decide).await?.now()?;
        tell_bootstrap(&before, id);
        if self.snapshot().caller(id, (self.clock)()).is_err() {
            tracing::warn!(key = %id, "the bootstrap key was revoked or rotated, so it does not work; give another");
        }
        Ok(id)
    }

    /// The organization that a request means: the one it names, or else the caller's own.
    ///
    /// # Errors
    /// `Forbidden` with `permission_missing`; `NotFound` with `organization_not_found`, the same whether it exists or not
    /// for a caller that may not operate this host.
    pub fn organization(&self, caller: &Caller, name: Option<&str>) -> Result<Organization, Error> {
        access::any_administration(caller)?;
        let directory = self.snapshot();
        let found = match name {
            None => directory.organization(caller.organization()),
            Some(name) => directory
                .organization_by_name(name)
                .filter(|organization| access::administers(caller, organization.id).is_ok()),
        };
        let not_found = || Error::new(ErrorKind::NotFound, "organization_not_found", "no organization of this name");
        found.map(|organization| Organization::clone(organization)).ok_or_else(not_found)
    }

    /// The organizations: all for `operate`, otherwise the caller's own for `administer`.
    ///
    /// # Errors
    /// `Forbidden` with `permission_missing`; `Invalid` with `cursor_invalid`, `limit_invalid`.
    pub fn organizations(&self, caller: &Caller, query: &ListQuery) -> Result<ListPage<Organization>, Error> {
        access::any_administration(caller)?;
        let directory = self.snapshot();
        let seen =
            directory.organizations().filter(|organization| access::administers(caller, organization.id).is_ok());
        list(seen.map(AsRef::as_ref), query, |organization: &Organization| format!("{:08x}", organization.id.number()))
    }

    /// Makes an organization. Needs `operate`.
    ///
    /// # Errors
    /// `Forbidden` with `permission_missing`; `Conflict` with `organization_exists`; `LimitExceeded` with
    /// `organizations_full`; what the store answers.
    pub async fn create_organization(&self, caller: &Caller, name: &Slug) -> Result<Organization, Error> {
        self.create_organization_once(caller, name, None).await?.now()
    }

    /// As [`Self::create_organization`], for a request that may be sent again: the answer is kept by the commit that makes it.
    ///
    /// # Errors
    /// As [`Self::create_organization`]; `Conflict` with `idempotency_key_reused`.
    pub async fn create_organization_once(
        &self,
        caller: &Caller,
        name: &Slug,
        once: Option<&Once<Organization>>,
    ) -> Result<Given<Organization>, Error> {
        self.act_once(caller, once, |actor| change::create_organization(actor, name).map(changed)).await
    }

    /// The workspaces of an organization that the caller holds. Needs `administer` (or `operate`).
    ///
    /// # Errors
    /// As [`Self::organization`]; `Invalid` with `cursor_invalid`, `limit_invalid`.
    pub fn workspaces(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        query: &ListQuery,
    ) -> Result<ListPage<Workspace>, Error> {
        access::administers(caller, organization)?;
        let directory = self.snapshot();
        let seen =
            directory.workspaces_of(organization).filter(|workspace| access::holds(caller, organization, workspace.id));
        list(seen.map(AsRef::as_ref), query, |workspace: &Workspace| format!("{:08x}", workspace.id.number()))
    }

    /// A workspace of an organization. Needs `administer` (or `operate`).
    ///
    /// # Errors
    /// As [`Self::organization`]; `Forbidden` with `workspace_forbidden`.
    pub fn workspace(&self, caller: &Caller, organization: OrganizationId, name: &str) -> Result<Workspace, Error> {
        access::administers(caller, organization)?;
        let directory = self.snapshot();
        let found = directory.workspace_by_name(organization, name);
        let seen = found.filter(|workspace| access::holds(caller, organization, workspace.id));
        seen.map(|workspace| Workspace::clone(workspace)).ok_or_else(workspace_forbidden)
    }

    /// Makes a workspace. Needs `administer` on all workspaces of the organization (or `operate`).
    ///
    /// # Errors
    /// As [`Self::organization`]; `Forbidden` with `scope_exceeded`; `Conflict` with `workspace_exists`; `LimitExceeded`
    /// with `workspaces_full`; what the store answers.
    pub async fn create_workspace(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        name: &Slug,
    ) -> Result<Workspace, Error> {
        self.create_workspace_once(caller, organization, name, None).await?.now()
    }

    /// As [`Self::create_workspace`], for a request that may be sent again.
    ///
    /// # Errors
    /// As [`Self::create_workspace`]; `Conflict` with `idempotency_key_reused`.
    pub async fn create_workspace_once(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        name: &Slug,
        once: Option<&Once<Workspace>>,
    ) -> Result<Given<Workspace>, Error> {
        self.act_once(caller, once, |actor| change::create_workspace(actor, organization, name).map(changed)).await
    }

    /// Bounds what all keys together may ask of a workspace, or lifts the bound. Needs `operate`: the bound protects the
    /// others on this host.
    ///
    /// # Errors
    /// `Forbidden` with `permission_missing`, `workspace_forbidden`; what the store answers.
    pub async fn set_workspace_rate_limit(
        &self,
        caller: &Caller,
        workspace: WorkspaceId,
        rate_limit: Option<RateLimit>,
    ) -> Result<Workspace, Error> {
        self.act(caller, |actor| change::set_workspace_rate_limit(actor, workspace, rate_limit).map(changed)).await
    }

    /// The keys of an organization that the caller may manage, by id. Needs `administer` (or `operate`).
    ///
    /// # Errors
    /// As [`Self::organization`]; `Invalid` with `cursor_invalid`, `limit_invalid`.
    pub fn keys(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        query: &ListQuery,
    ) -> Result<ListPage<Key>, Error> {
        access::administers(caller, organization)?;
        let directory = self.snapshot();
        let seen = directory.keys().map(|entry| &entry.key).filter(|key| key.organization == organization);
        let seen = seen.filter(|key| access::manages(caller, key));
        list(seen, query, |key: &Key| key.id.to_string())
    }

    /// A key. Needs `administer` (or `operate`).
    ///
    /// # Errors
    /// `Forbidden` with `permission_missing`; `NotFound` with `key_not_found`, the same whether it exists or not.
    pub fn key(&self, caller: &Caller, id: KeyId) -> Result<Key, Error> {
        access::any_administration(caller)?;
        let directory = self.snapshot();
        let seen = directory.key(id).filter(|entry| access::manages(caller, &entry.key));
        seen.map(|entry| entry.key.clone()).ok_or_else(not_found)
    }

    /// Makes a key; its secret is in the answer and nowhere else. Needs `administer` (or `operate`), and the key may do no
    /// more than the caller.
    ///
    /// # Errors
    /// As [`Self::organization`]; `Invalid` with `permissions_empty`, `public_key_permission`, `workspaces_empty`,
    /// `datasets_empty`, `dataset_not_listed`; `Forbidden` with `permission_exceeded`, `scope_exceeded`, `workspace_forbidden`,
    /// `dataset_forbidden`; `Conflict` with `dataset_taken`; `LimitExceeded` with `keys_full`, `datasets_full`; what the store
    /// answers.
    pub async fn create_key(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        new: &NewKey,
    ) -> Result<IssuedKey, Error> {
        self.create_key_once(caller, organization, new, None).await?.now()
    }

    /// As [`Self::create_key`], for a request that may be sent again. The answer holds the secret, so it is to be sealed before it is kept.
    ///
    /// # Errors
    /// As [`Self::create_key`]; `Conflict` with `idempotency_key_reused`.
    pub async fn create_key_once(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        new: &NewKey,
        once: Option<&Once<IssuedKey>>,
    ) -> Result<Given<IssuedKey>, Error> {
        let drawn = self.draw();
        self.act_once(caller, once, |actor| change::create_key(actor, organization, new, &drawn).map(changed)).await
    }

    /// Gives a key a successor that may do the same, with a new secret; the old one goes on working for `grace_secs`. The successor
    /// sends to the dataset of the old one unless another is named.
    ///
    /// # Errors
    /// As [`Self::key`]; `Invalid` with `grace_invalid`, `dataset_not_listed`; `Conflict` with `key_retired`, `dataset_taken`;
    /// `Forbidden` with `permission_exceeded`, `dataset_forbidden`; `LimitExceeded` with `keys_full`; what the store answers.
    pub async fn rotate_key(
        &self,
        caller: &Caller,
        id: KeyId,
        how: (u32, Option<&Dataset>),
    ) -> Result<IssuedKey, Error> {
        self.rotate_key_once(caller, id, how, None).await?.now()
    }

    /// As [`Self::rotate_key`], for a request that may be sent again. The answer holds the secret, so it is to be sealed before it is kept.
    ///
    /// # Errors
    /// As [`Self::rotate_key`]; `Conflict` with `idempotency_key_reused`.
    pub async fn rotate_key_once(
        &self,
        caller: &Caller,
        id: KeyId,
        (grace_secs, dataset): (u32, Option<&Dataset>),
        once: Option<&Once<IssuedKey>>,
    ) -> Result<Given<IssuedKey>, Error> {
        let drawn = self.draw();
        self.act_once(caller, once, |actor| change::rotate_key(actor, id, (grace_secs, dataset), &drawn).map(changed))
            .await
    }

    /// Revokes a key at once. Revoking it again changes nothing.
    ///
    /// # Errors
    /// As [`Self::key`]; what the store answers.
    pub async fn revoke_key(&self, caller: &Caller, id: KeyId) -> Result<Key, Error> {
        self.act(caller, |actor| change::revoke_key(actor, id)).await
    }

    /// Bounds what a key may ask of the service, or lifts the bound.
    ///
    /// # Errors
    /// As [`Self::key`]; what the store answers.
    pub async fn set_key_rate_limit(
        &self,
        caller: &Caller,
        id: KeyId,
        rate_limit: Option<RateLimit>,
    ) -> Result<Key, Error> {
        self.act(caller, |actor| change::set_key_rate_limit(actor, id, rate_limit).map(changed)).await
    }

    /// Decides on behalf of a caller, whose key must still work.
    async fn act<T>(
        &self,
        caller: &Caller,
        decide: impl Fn(&Actor<'_>) -> Result<(Option<Change>, T), Error>,
    ) -> Result<T, Error> {
        self.act_once(caller, None, decide).await?.now()
    }

    /// As [`Self::act`]; the commit that makes the change keeps the answer to its request.
    async fn act_once<T>(
        &self,
        caller: &Caller,
        once: Option<&Once<T>>,
        decide: impl Fn(&Actor<'_>) -> Result<(Option<Change>, T), Error>,
    ) -> Result<Given<T>, Error> {
        let decide = |directory: &Arc<Directory>, now| {
            let caller = &directory.caller(caller.key(), now)?;
            decide(&Actor { directory, caller, now })
        };
        self.change(once, decide).await
    }

    /// Decides, commits, and shows the directory that results. The root row, which every change asserts and rewrites, puts
    /// changes of all processes in one order, and holds a random mark by which a commit of unknown outcome is found again.
    async fn change<T>(
        &self,
        once: Option<&Once<T>>,
        decide: impl Fn(&Arc<Directory>, Timestamp) -> Result<(Option<Change>, T), Error>,
    ) -> Result<Given<T>, Error> {
        let _changing = self.changing.lock().await;
        let mut mark = [0; 16];
        (self.random)(&mut mark);
        let now = (self.clock)();
        let mut in_doubt = false;
        for _ in 0..ATTEMPTS_MAX {
            let claim = match once {
                None => None,
                Some(once) => match idempotency::look_up(&*self.store, &once.request, now).await {
                    Ok(Known::Answered(reply)) => return Ok(Given::Before(reply)),
                    Ok(Known::New(claim)) => Some((claim, once)),
                    Err(_) if in_doubt => return Err(commit_failed(&CommitError::Ambiguous)),
                    Err(error) => return Err(error),
                },
            };
            let before = self.snapshot();
            let (change, reply) = match decide(&before, now) {
                Ok((Some(change), reply)) => (change, reply),
                Ok((None, reply)) => return Ok(Given::Now(reply)),
                Err(error) => return Err(error),
            };
            let change = Change { root: Root { change: mark, ..change.root }, ..change };
            let mut commit = commit(&change, before.root_version);
            if let Some((claim, once)) = claim {
                commit = claim.answer(commit, &(once.render)(&reply)?, now);
            }
            let written = Written::now(change.things());
            match self.store.commit(audit::with_row(commit, written.as_ref())).await {
                Ok(committed) => {
                    written.into_iter().for_each(Written::has_happened);
                    self.snapshot.store(Arc::new(change.applied(&before, committed.version)));
                    return Ok(Given::Now(reply));
                }
                Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Ambiguous) => in_doubt = true,
                Err(error) => return Err(commit_failed(&error)),
            }
            let after = match self.reload().await {
                Ok(after) => after,
                Err(_) if in_doubt => return Err(commit_failed(&CommitError::Ambiguous)),
                Err(error) => return Err(error),
            };
            if after.root.change == mark {
                return Ok(Given::Now(reply));
            }
            if in_doubt && after.root_version != before.root_version {
                return Err(commit_failed(&CommitError::Ambiguous));
            }
        }
        let error = if in_doubt { CommitError::Ambiguous } else { CommitError::Conflict(records::root_key()) };
        Err(commit_failed(&error))
    }

    async fn reload(&self) -> Result<Arc<Directory>, Error> {
        let directory = Arc::new(records::load(&*self.store).await?);
        self.snapshot.store(Arc::clone(&directory));
        Ok(directory)
    }

    fn draw(&self) -> Drawn {
        let mut drawn = Drawn { id: [0; 6], secret: [0; 32] };
        (self.random)(&mut drawn.id);
        (self.random)(&mut drawn.secret);
        drawn
    }
}

/// Says in the log that the operator's key is another one than before.
fn tell_bootstrap(before: &Directory, id: KeyId) {
    let former = before.keys().map(|entry| &entry.key).filter(|key| key.bootstrap && key.revoked_at.is_none());
    let former: Vec<String> = former.filter(|key| key.id != id).map(|key| key.id.to_string()).collect();
    if !former.is_empty() {
        let former = former.join(" ");
        tracing::warn!(key = %id, former, "the bootstrap key is another one than before; the former one is revoked");
    } else if before.key(id).is_none() {
        tracing::info!(key = %id, "the bootstrap key works from now on");
    }
}

fn changed<T>((change, reply): (Change, T)) -> (Option<Change>, T) {
    (Some(change), reply)
}

fn commit(change: &Change, root: Option<Version>) -> Commit {
    let expect = root.map_or(Expect::Absent, Expect::Version);
    Commit {
        expect: vec![(records::root_key(), expect)],
        put: records::rows(change),
        del: change.removed.iter().map(|id| records::key_key(*id)).collect(),
        ..Commit::default()
    }
}

/// A page of items that come in the order of their marks. A mark is no secret, and whoever makes one up only sees another
/// part of what he may see, so cursors of these lists are the marks themselves.
fn list<'a, T: Clone + 'a>(
    items: impl Iterator<Item = &'a T>,
    query: &ListQuery,
    mark: impl Fn(&T) -> String,
) -> Result<ListPage<T>, Error> {
    if !(1..=LIST_MAX).contains(&query.limit) {
        return Err(Error::new(ErrorKind::Invalid, "limit_invalid", format!("limit is 1 to {LIST_MAX}")));
    }
    let after = query.cursor.as_deref().unwrap_or_default();
    if after.len() > 24 || !after.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Error::new(ErrorKind::Invalid, "cursor_invalid", "this cursor is of no page of this list"));
    }
    let mut rest = items.filter(|item| *mark(item) > *after);
    let items: Vec<T> = rest.by_ref().take(query.limit).cloned().collect();
    let next_cursor = rest.next().and_then(|_| items.last().map(&mark));
    Ok(ListPage { items, next_cursor })
}
