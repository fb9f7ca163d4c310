//! Changes of the directory: pure, over a snapshot, on behalf of a caller.

use std::sync::Arc;

use tessera_engine::time::Timestamp;
use tessera_store::Version;

use super::access::{self, Actor, Grant};
use super::caller::workspace_forbidden;
use super::key::{hash, not_found};
use super::snapshot::{KeyEntry, Root};
use super::{
    Class, DATASETS_MAX, Dataset, Datasets, Directory, DisplayName, GRACE_SECS_MAX, IssuedKey, KEYS_MAX, Key, KeyId,
    ORGANIZATIONS_MAX, ORIGINS_MAX, Organization, OrganizationId, Origin, Permission, Permissions, RETIRED_KEY_SECS,
    RateLimit, SERVERS, Secret, Slug, WORKSPACES_MAX, Workspace, WorkspaceId, WorkspaceScope,
};
use crate::base::error::{Error, ErrorKind};
use crate::stored::audit::Object;

/// What a new key shall be.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What people call it.
    pub name: DisplayName,
    /// Where it may be seen.
    pub class: Class,
    /// What it may do.
    pub permissions: Permissions,
    /// The workspaces that it holds, the default one first; all of the organization if none is said.
    pub workspaces: Option<Vec<Slug>>,
    /// Where what it sends stands: if none is said, the first that it is confined to, or `segment` for a private key and one of its
    /// own for a public one.
    pub dataset: Option<Dataset>,
    /// The datasets that it is confined to; any if none is said.
    pub datasets: Option<Vec<Dataset>>,
    /// The origins of the pages that it may be used from; any if none is said.
    pub origins: Option<Vec<Origin>>,
    /// When it stops working; never if none is said.
    pub expires_at: Option<Timestamp>,
    /// How much it may ask of the service.
    pub rate_limit: Option<RateLimit>,
}

/// Rows to write, and what they make of the directory.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) root: Root,
    pub(super) organizations: Vec<Organization>,
    pub(super) workspaces: Vec<Workspace>,
    pub(super) keys: Vec<KeyEntry>,
    pub(super) removed: Vec<KeyId>,
}

/// Random bits, drawn before the decision, for a new key.
#[derive(Clone, Copy)]
pub(super) struct Drawn {
    pub(super) id: [u8; 6],
    pub(super) secret: [u8; 32],
}

impl Change {
    fn of(directory: &Directory) -> Self {
        let root = directory.root.clone();
        Self { root, organizations: Vec::new(), workspaces: Vec::new(), keys: Vec::new(), removed: Vec::new() }
    }

    fn key(directory: &Directory, entry: KeyEntry) -> Self {
        Self { keys: vec![entry], ..Self::of(directory) }
    }

    /// The directory after this change, which was committed at this version.
    pub(super) fn applied(self, before: &Directory, version: Version) -> Directory {
        let mut after = before.clone();
        after.root = self.root;
        after.root_version = Some(version);
        self.organizations.into_iter().for_each(|organization| after.insert_organization(organization));
        self.workspaces.into_iter().for_each(|workspace| after.insert_workspace(workspace));
        self.removed.into_iter().for_each(|id| after.remove_key(id));
        self.keys.into_iter().for_each(|entry| after.insert_key(entry));
        after
    }

    /// What is made or changed, as the audit log names it.
    pub(super) fn things(&self) -> Vec<Object> {
        let organizations = self.organizations.iter().map(|own| Object::new("organization", own.name.as_str()));
        let workspaces = self.workspaces.iter().map(|own| Object::new("workspace", own.name.as_str()));
        let keys = self.keys.iter().map(|entry| Object::new("key", &entry.key.id.to_string()));
        organizations.chain(workspaces).chain(keys).collect()
    }

    fn add_organization(&mut self, name: &Slug, now: Timestamp) -> Organization {
        let id = OrganizationId::new(self.root.next_organization);
        self.root.next_organization += 1;
        let organization = Organization { id, name: name.clone(), created_at: now };
        self.organizations.push(organization.clone());
        organization
    }

    fn add_workspace(&mut self, organization: OrganizationId, name: &Slug, now: Timestamp) -> Workspace {
        let id = WorkspaceId::new(self.root.next_workspace);
        self.root.next_workspace += 1;
        let workspace = Workspace { id, organization, name: name.clone(), created_at: now, rate_limit: None };
        self.workspaces.push(workspace.clone());
        workspace
    }
}

pub(super) fn create_organization(actor: &Actor<'_>, name: &Slug) -> Result<(Change, Organization), Error> {
    actor.caller.require(Permission::Operate)?;
    let directory = actor.directory;
    if directory.organization_by_name(name.as_str()).is_some() {
        return Err(Error::new(ErrorKind::Conflict, "organization_exists", "an organization of this name exists"));
    }
    if directory.organizations().count() >= ORGANIZATIONS_MAX {
        return Err(full("organizations_full", "organizations of one host", ORGANIZATIONS_MAX));
    }
    let mut change = Change::of(directory);
    let organization = change.add_organization(name, actor.now);
    Ok((change, organization))
}

pub(super) fn create_workspace(
    actor: &Actor<'_>,
    organization: OrganizationId,
    name: &Slug,
) -> Result<(Change, Workspace), Error> {
    access::administers(actor.caller, organization)?;
    if !access::holds_all(actor.caller, organization) {
        let message = "only a key of all workspaces of the organization makes another";
        return Err(Error::new(ErrorKind::Forbidden, "scope_exceeded", message));
    }
    let directory = actor.directory;
    if directory.workspace_by_name(organization, name.as_str()).is_some() {
        return Err(Error::new(ErrorKind::Conflict, "workspace_exists", "a workspace of this name exists"));
    }
    if directory.workspaces_of(organization).count() >= WORKSPACES_MAX {
        return Err(full("workspaces_full", "workspaces of one organization", WORKSPACES_MAX));
    }
    let mut change = Change::of(directory);
    let workspace = change.add_workspace(organization, name, actor.now);
    Ok((change, workspace))
}

pub(super) fn set_workspace_rate_limit(
    actor: &Actor<'_>,
    workspace: WorkspaceId,
    rate_limit: Option<RateLimit>,
) -> Result<(Change, Workspace), Error> {
    actor.caller.require(Permission::Operate)?;
    let found = actor.directory.workspace(workspace).ok_or_else(workspace_forbidden)?;
    let workspace = Workspace { rate_limit, ..Workspace::clone(found) };
    let change = Change { workspaces: vec![workspace.clone()], ..Change::of(actor.directory) };
    Ok((change, workspace))
}

pub(super) fn create_key(
    actor: &Actor<'_>,
    organization: OrganizationId,
    new: &NewKey,
    drawn: &Drawn,
) -> Result<(Change, IssuedKey), Error> {
    access::administers(actor.caller, organization)?;
    check_permissions(new)?;
    let id = key_id(actor.now, drawn);
    let datasets = datasets(actor, organization, new, id)?;
    let scope = scope(actor, organization, new.workspaces.as_deref())?;
    let (permissions, expires_at) = (new.permissions, new.expires_at);
    if expires_at.is_some_and(|at| at <= actor.now) {
        return Err(Error::new(ErrorKind::Invalid, "expiry_past", "expires_at is expected to be in the future"));
    }
    let grant = Grant { organization, permissions, datasets: &datasets, scope: &scope, expires_at };
    access::may_grant(actor, &grant)?;
    let secret = Secret::from_bits(new.class, &drawn.secret);
    let key = Key {
        id,
        organization,
        name: new.name.clone(),
        class: new.class,
        permissions: new.permissions,
        scope,
        datasets,
        origins: new.origins.clone(),
        created_at: actor.now,
        expires_at,
        revoked_at: None,
        replaced_by: None,
        last_four: last_four(secret.reveal()),
        bootstrap: false,
        rate_limit: new.rate_limit,
    };
    let change = with_new_key(actor, KeyEntry { key: key.clone(), hash: hash(secret.reveal()) })?;
    Ok((change, IssuedKey { key, secret }))
}

pub(super) fn rotate_key(
    actor: &Actor<'_>,
    id: KeyId,
    (grace_secs, dataset): (u32, Option<&Dataset>),
    drawn: &Drawn,
) -> Result<(Change, IssuedKey), Error> {
    if grace_secs > GRACE_SECS_MAX {
        let message = format!("grace_secs is 0 to {GRACE_SECS_MAX}");
        return Err(Error::new(ErrorKind::Invalid, "grace_invalid", message));
    }
    let old = actor.managed(id)?;
    let datasets = match dataset {
        Some(dataset) => moved(actor, &old.key, dataset)?,
        None => old.key.datasets.clone(),
    };
    let Key { organization, permissions, scope, .. } = &old.key;
    let expires_at = old.key.expires_at;
    let grant =
        Grant { organization: *organization, permissions: *permissions, datasets: &datasets, scope, expires_at };
    access::may_grant(actor, &grant)?;
    if !old.key.is_active(actor.now) || old.key.replaced_by.is_some() {
        let message = "this key was revoked, has expired, or was rotated already";
        return Err(Error::new(ErrorKind::Conflict, "key_retired", message));
    }
    let secret = Secret::from_bits(old.key.class, &drawn.secret);
    let key = Key {
        id: key_id(actor.now, drawn),
        datasets,
        created_at: actor.now,
        last_four: last_four(secret.reveal()),
        bootstrap: false,
        ..old.key.clone()
    };
    let mut change = with_new_key(actor, KeyEntry { key: key.clone(), hash: hash(secret.reveal()) })?;
    // The grace is no longer life than the key had.
    let grace = actor.now.plus_micros(i64::from(grace_secs) * 1_000_000);
    let expires = expires_at.map_or(grace, |at| at.min(grace));
    let retired = match grace_secs {
        0 => Key { revoked_at: Some(actor.now), replaced_by: Some(key.id), ..old.key.clone() },
        _ => Key { expires_at: Some(expires), replaced_by: Some(key.id), ..old.key.clone() },
    };
    change.keys.push(KeyEntry { key: retired, hash: old.hash });
    Ok((change, IssuedKey { key, secret }))
}

pub(super) fn revoke_key(actor: &Actor<'_>, id: KeyId) -> Result<(Option<Change>, Key), Error> {
    let old = actor.managed(id)?;
    if old.key.revoked_at.is_some() {
        return Ok((None, old.key.clone()));
    }
    let key = Key { revoked_at: Some(actor.now), ..old.key.clone() };
    let change = Change::key(actor.directory, KeyEntry { key: key.clone(), hash: old.hash });
    Ok((Some(change), key))
}

pub(super) fn set_key_rate_limit(
    actor: &Actor<'_>,
    id: KeyId,
    rate_limit: Option<RateLimit>,
) -> Result<(Change, Key), Error> {
    let old = actor.managed(id)?;
    let key = Key { rate_limit, ..old.key.clone() };
    let change = Change::key(actor.directory, KeyEntry { key: key.clone(), hash: old.hash });
    Ok((change, key))
}

/// What makes the operator's secret a key of everything; nothing where it is one.
pub(super) fn ensure_bootstrap(
    directory: &Arc<Directory>,
    now: Timestamp,
    secret: &str,
    drawn: &Drawn,
) -> (Option<Change>, KeyId) {
    let mut change = Change::of(directory);
    let name = Slug::parse("default").expect("a slug");
    let organization = match directory.organization_by_name(name.as_str()) {
        Some(found) => found.id,
        None => change.add_organization(&name, now).id,
    };
    let workspace = match directory.workspace_by_name(organization, name.as_str()) {
        Some(found) => found.id,
        None => change.add_workspace(organization, &name, now).id,
    };
    let hash = hash(secret);
    let found = directory.key_by_hash(&hash);
    let replaced = |by: KeyId| directory.key(by).is_some_and(|entry| entry.key.bootstrap);
    let id = match found {
        // The operator went back to a secret that another one of his had replaced: it is given out anew.
        Some(entry) if entry.key.bootstrap && entry.key.replaced_by.is_some_and(replaced) => {
            change.removed.push(entry.key.id);
            key_id(now, drawn)
        }
        Some(entry) => entry.key.id,
        None => key_id(now, drawn),
    };
    if found.is_none_or(|entry| entry.key.id != id) {
        let key = Key {
            id,
            organization,
            name: DisplayName::parse("bootstrap").expect("a display name"),
            class: Class::Private,
            permissions: Permissions::ALL,
            scope: WorkspaceScope::All { default: Some(workspace) },
            datasets: Datasets { own: Dataset::of_servers(), allowed: None },
            origins: None,
            created_at: now,
            expires_at: None,
            revoked_at: None,
            replaced_by: None,
            last_four: last_four(secret),
            bootstrap: true,
            rate_limit: None,
        };
        change.keys.push(KeyEntry { key, hash });
    } else if let Some(entry) = found.filter(|entry| entry.key.bootstrap && entry.key.permissions != Permissions::ALL) {
        // It was made before there was a permission that it lacks: the operator's own key may do everything.
        change.keys.push(KeyEntry { key: Key { permissions: Permissions::ALL, ..entry.key.clone() }, hash });
    }
    let former = directory.keys().filter(|entry| {
        entry.key.bootstrap && entry.key.id != id && entry.key.is_active(now) && !change.removed.contains(&entry.key.id)
    });
    let former: Vec<_> = former
        .map(|entry| {
            let key = Key { revoked_at: Some(now), replaced_by: Some(id), ..entry.key.clone() };
            KeyEntry { key, hash: entry.hash }
        })
        .collect();
    change.keys.extend(former);
    let nothing = change.organizations.is_empty() && change.workspaces.is_empty() && change.keys.is_empty();
    ((!nothing).then_some(change), id)
}

/// A change that adds this key, and forgets those of its organization that stopped working long ago.
fn with_new_key(actor: &Actor<'_>, entry: KeyEntry) -> Result<Change, Error> {
    let mut active = 0;
    let mut removed = Vec::new();
    let long_ago = actor.now.plus_micros(-i64::from(RETIRED_KEY_SECS) * 1_000_000);
    for other in actor.directory.keys().filter(|other| other.key.organization == entry.key.organization) {
        active += usize::from(other.key.is_active(actor.now));
        if other.key.retired_at().is_some_and(|at| at <= long_ago) && !other.key.bootstrap {
            removed.push(other.key.id);
        }
    }
    if active >= KEYS_MAX {
        return Err(full("keys_full", "keys of one organization", KEYS_MAX));
    }
    Ok(Change { removed, ..Change::key(actor.directory, entry) })
}

fn check_permissions(new: &NewKey) -> Result<(), Error> {
    if new.permissions.is_empty() {
        return Err(Error::new(ErrorKind::Invalid, "permissions_empty", "a key needs at least one permission"));
    }
    let public = Permissions::NONE.with(Permission::Ingest).with(Permission::ReadPublic);
    if new.class == Class::Public && !public.covers(new.permissions) {
        let message = "a public key may be seen by everyone, so it may only ingest and read_public";
        return Err(Error::new(ErrorKind::Invalid, "public_key_permission", message));
    }
    match new.origins.as_deref() {
        Some([]) => {
            let message = "list at least one origin, or leave the list out for any";
            Err(Error::new(ErrorKind::Invalid, "origins_empty", message))
        }
        Some(origins) if origins.len() > ORIGINS_MAX => Err(full("origins_full", "origins of one key", ORIGINS_MAX)),
        Some(_) | None => Ok(()),
    }
}

/// The datasets of a new key: its own, and those that it is confined to, its own among them.
fn datasets(actor: &Actor<'_>, organization: OrganizationId, new: &NewKey, id: KeyId) -> Result<Datasets, Error> {
    let mut allowed: Option<Vec<Dataset>> = None;
    for dataset in new.datasets.iter().flatten() {
        let allowed = allowed.get_or_insert_default();
        if !allowed.contains(dataset) {
            allowed.push(dataset.clone());
        }
    }
    if new.datasets.is_some() && allowed.is_none() {
        let message = "list at least one dataset, or leave the list out for any";
        return Err(Error::new(ErrorKind::Invalid, "datasets_empty", message));
    }
    if allowed.as_ref().is_some_and(|allowed| allowed.len() > DATASETS_MAX) {
        return Err(full("datasets_full", "datasets of one key", DATASETS_MAX));
    }
    let first = allowed.as_ref().and_then(|allowed| allowed.first());
    let own = match (new.dataset.as_ref().or(first), new.class) {
        (Some(dataset), _) => dataset.clone(),
        (None, Class::Private) => Dataset::of_servers(),
        (None, Class::Public) => Dataset::parse(&format!("public-{id}"))?,
    };
    let datasets = Datasets { own, allowed };
    datasets_agree(&datasets)?;
    not_shared(actor, organization, new.class, &datasets.own)?;
    Ok(datasets)
}

/// The datasets of a key that takes the place of another and sends to this dataset from now on.
fn moved(actor: &Actor<'_>, old: &Key, dataset: &Dataset) -> Result<Datasets, Error> {
    let datasets = Datasets { own: dataset.clone(), ..old.datasets.clone() };
    datasets_agree(&datasets)?;
    not_shared(actor, old.organization, old.class, dataset)?;
    Ok(datasets)
}

fn datasets_agree(datasets: &Datasets) -> Result<(), Error> {
    datasets.check(datasets.own.as_str()).map_err(|_| {
        let message = "the dataset of the key must be one of those that it is confined to";
        Error::new(ErrorKind::Invalid, "dataset_not_listed", message)
    })
}

/// A dataset that servers send to is none that pages send to: they could use up the ids of what servers send, and no merge policy
/// could tell them apart. Keys of before are in one dataset whatever their class, and are let be.
fn not_shared(actor: &Actor<'_>, organization: OrganizationId, class: Class, dataset: &Dataset) -> Result<(), Error> {
    let others = actor.directory.keys().map(|entry| &entry.key).filter(|key| {
        key.organization == organization
            && key.is_active(actor.now)
            && key.datasets.own == *dataset
            && key.class != class
    });
    let is_of_servers = dataset.as_str() == SERVERS;
    let is_shared = match class {
        Class::Public => is_of_servers || others.count() > 0,
        Class::Private => !is_of_servers && others.count() > 0,
    };
    if is_shared {
        let message = "keys of the other class send to this dataset: public and private keys share none";
        return Err(Error::new(ErrorKind::Conflict, "dataset_taken", message));
    }
    Ok(())
}

/// The scope of a new key: no wider than the caller's.
fn scope(actor: &Actor<'_>, organization: OrganizationId, names: Option<&[Slug]>) -> Result<WorkspaceScope, Error> {
    let Some(names) = names else {
        if access::holds_all(actor.caller, organization) {
            return Ok(WorkspaceScope::All { default: actor.directory.first_workspace(organization) });
        }
        let message = "this key does not hold all workspaces of the organization: list those of the new key";
        return Err(Error::new(ErrorKind::Forbidden, "scope_exceeded", message));
    };
    if names.is_empty() {
        let message = "list at least one workspace, or leave the list out for all";
        return Err(Error::new(ErrorKind::Invalid, "workspaces_empty", message));
    }
    let mut listed = Vec::with_capacity(names.len().min(WORKSPACES_MAX));
    for name in names {
        let found = actor.directory.workspace_by_name(organization, name.as_str());
        let id = found.map(|workspace| workspace.id).filter(|id| access::holds(actor.caller, organization, *id));
        let id = id.ok_or_else(workspace_forbidden)?;
        if !listed.contains(&id) {
            listed.push(id);
        }
    }
    Ok(WorkspaceScope::Listed(listed))
}

/// Ids of keys sort by the time of their making; they need no more to be unlike: two of one instant differ in 48 random bits.
fn key_id(now: Timestamp, drawn: &Drawn) -> KeyId {
    let mut bytes = [0; 12];
    bytes[..6].copy_from_slice(&now.millis().to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&drawn.id);
    KeyId::from_bytes(bytes)
}

/// The end of a secret, where that leaves enough of it unsaid.
fn last_four(secret: &str) -> String {
    let mut characters: Vec<char> = secret.chars().collect();
    if characters.len() < 24 {
        return "****".to_owned();
    }
    characters.split_off(characters.len() - 4).into_iter().collect()
}

fn full(code: &'static str, what: &str, limit: usize) -> Error {
    Error::new(ErrorKind::LimitExceeded, code, format!("there are as many {what} as there may be limit={limit}"))
}

impl<'a> Actor<'a> {
    /// A key that the caller manages; one that it does not see is answered as one that is not.
    fn managed(&self, id: KeyId) -> Result<&'a KeyEntry, Error> {
        let directory: &'a Arc<Directory> = self.directory;
        access::any_administration(self.caller)?;
        let entry = directory.key(id).filter(|entry| access::manages(self.caller, &entry.key));
        entry.map(AsRef::as_ref).ok_or_else(not_found)
    }
}
