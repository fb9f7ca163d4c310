//! Stored records of the directory, version 1 of each but for keys, which have datasets since version 2, and for what has a limit with a peak. Numbers and ids
//! stand in the keys.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::time::Timestamp;
use tessera_store::{Direction, Key as StoreKey, KeyRange, ScanLimit, Snapshot, Store};

use super::change::Change;
use super::snapshot::{KeyEntry, Root};
use super::{
    Class, Dataset, Datasets, Directory, DisplayName, Key, KeyId, Organization, OrganizationId, Origin, Permissions,
    RateLimit, Slug, Workspace, WorkspaceId, WorkspaceScope,
};
use crate::base::codec;
use crate::base::error::Error;
use crate::base::store_error::read_failed;
use crate::stored::keys::{Family, KeyBuilder, Scope};

const VERSION: u8 = 1;
const KEY_VERSION: u8 = 2;
const KEY_VERSION_WITH_ORIGINS: u8 = 3;
const KEY_VERSION_WITH_PEAK: u8 = 4;
const WORKSPACE_VERSION_WITH_PEAK: u8 = 2;

#[derive(Serialize, Deserialize)]
struct RootRecord {
    next_organization: u32,
    next_workspace: u32,
    change: [u8; 16],
}

#[derive(Serialize, Deserialize)]
struct OrganizationRecord<'a> {
    name: &'a str,
    created_at: i64,
}

#[derive(Serialize, Deserialize)]
struct WorkspaceRecord<'a> {
    organization: u32,
    name: &'a str,
    created_at: i64,
    rate_limit: Option<RateRecord>,
}

/// A workspace whose limit has a peak, since version 2. Others stay of version 1.
#[derive(Serialize, Deserialize)]
struct WorkspaceRecord2<'a> {
    #[serde(borrow)]
    workspace: WorkspaceRecord<'a>,
    peak: u32,
}

#[derive(Serialize, Deserialize)]
struct RateRecord {
    per_second: u32,
    burst: u32,
    concurrency: u32,
}

#[derive(Serialize, Deserialize)]
struct KeyRecord<'a> {
    hash: [u8; 32],
    organization: u32,
    name: &'a str,
    class: ClassRecord,
    permissions: u16,
    scope: ScopeRecord,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    replaced_by: Option<[u8; 12]>,
    last_four: &'a str,
    bootstrap: bool,
    rate_limit: Option<RateRecord>,
}

/// A key, and behind it what keys have since version 2.
#[derive(Serialize, Deserialize)]
struct KeyRecord2<'a> {
    #[serde(borrow)]
    key: KeyRecord<'a>,
    dataset: &'a str,
    #[serde(borrow)]
    datasets: Option<Vec<&'a str>>,
}

/// The same of a key that is confined to origins, since version 3. Others stay of version 2.
#[derive(Serialize, Deserialize)]
struct KeyRecord3<'a> {
    #[serde(borrow)]
    key: KeyRecord2<'a>,
    #[serde(borrow)]
    origins: Vec<&'a str>,
}

/// The same of a key whose limit has a peak, since version 4. Others stay as they are.
#[derive(Serialize, Deserialize)]
struct KeyRecord4<'a> {
    #[serde(borrow)]
    key: KeyRecord2<'a>,
    #[serde(borrow)]
    origins: Option<Vec<&'a str>>,
    peak: u32,
}

#[derive(Serialize, Deserialize)]
enum ClassRecord {
    Public,
    Private,
}

#[derive(Serialize, Deserialize)]
enum ScopeRecord {
    All { default: Option<u32> },
    Listed(Vec<u32>),
}

/// Where the root stands.
pub(super) fn root_key() -> StoreKey {
    Scope::system().family(Family::DirectoryRoot).key()
}

/// The rows of a change, without what it expects.
pub(super) fn rows(change: &Change) -> Vec<(StoreKey, Bytes)> {
    let of = |family| Scope::system().family(family);
    let mut rows = vec![(root_key(), encode_root(&change.root))];
    rows.extend(change.organizations.iter().map(|organization| {
        (of(Family::Organization).u32(organization.id.number()).key(), encode_organization(organization))
    }));
    rows.extend(
        change
            .workspaces
            .iter()
            .map(|workspace| (of(Family::Workspace).u32(workspace.id.number()).key(), encode_workspace(workspace))),
    );
    rows.extend(change.keys.iter().map(|entry| (key_key(entry.key.id), encode_key(entry))));
    rows
}

/// Where a key stands.
pub(super) fn key_key(id: KeyId) -> StoreKey {
    Scope::system().family(Family::Key).bytes(id.as_bytes()).key()
}

/// Reads the whole directory at one instant.
pub(super) async fn load(store: &dyn Store) -> Result<Directory, Error> {
    let snapshot = store.snapshot().await.map_err(|error| read_failed(&error))?;
    let mut directory = Directory::default();
    let root = snapshot.get(&[root_key()]).await.map_err(|error| read_failed(&error))?;
    if let Some(Some(root)) = root.first() {
        directory.root = decode_root(&root.value)?;
        directory.root_version = Some(root.version);
    }
    for (suffix, value) in scan(&*snapshot, Family::Organization).await? {
        directory.insert_organization(decode_organization(&suffix, &value)?);
    }
    for (suffix, value) in scan(&*snapshot, Family::Workspace).await? {
        let workspace = decode_workspace(&suffix, &value)?;
        if directory.organization(workspace.organization).is_none() {
            return Err(codec::corrupt("workspace of an unknown organization"));
        }
        directory.insert_workspace(workspace);
    }
    for (suffix, value) in scan(&*snapshot, Family::Key).await? {
        let entry = decode_key(&suffix, &value)?;
        if directory.organization(entry.key.organization).is_none() {
            return Err(codec::corrupt("key of an unknown organization"));
        }
        directory.insert_key(entry);
    }
    Ok(directory)
}

/// All rows of a family of the system: what follows the head of the key, and the value.
async fn scan(snapshot: &dyn Snapshot, family: Family) -> Result<Vec<(Vec<u8>, Bytes)>, Error> {
    let mut rows = Vec::new();
    let mut rest: Option<KeyRange> = Some(Scope::system().family(family).range());
    while let Some(range) = rest {
        let page = snapshot.scan(&range, ScanLimit::rows(1_000), Direction::Forward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        rows.extend(
            page.rows.into_iter().map(|row| (row.key.as_bytes()[KeyBuilder::HEAD_BYTES..].to_vec(), row.value)),
        );
        rest = page.next;
    }
    Ok(rows)
}

fn encode_root(root: &Root) -> Bytes {
    let Root { next_organization, next_workspace, change } = *root;
    codec::encode(VERSION, &RootRecord { next_organization, next_workspace, change })
}

fn decode_root(value: &[u8]) -> Result<Root, Error> {
    let RootRecord { next_organization, next_workspace, change } = codec::decode(VERSION, value)?;
    Ok(Root { next_organization, next_workspace, change })
}

fn encode_organization(organization: &Organization) -> Bytes {
    let record = OrganizationRecord { name: organization.name.as_str(), created_at: organization.created_at.micros() };
    codec::encode(VERSION, &record)
}

fn decode_organization(suffix: &[u8], value: &[u8]) -> Result<Organization, Error> {
    let record: OrganizationRecord<'_> = codec::decode(VERSION, value)?;
    Ok(Organization {
        id: organization_id(number(suffix)?)?,
        name: slug(record.name)?,
        created_at: codec::instant(record.created_at)?,
    })
}

fn encode_workspace(workspace: &Workspace) -> Bytes {
    let record = WorkspaceRecord {
        organization: workspace.organization.number(),
        name: workspace.name.as_str(),
        created_at: workspace.created_at.micros(),
        rate_limit: workspace.rate_limit.map(RateRecord::from),
    };
    match workspace.rate_limit.and_then(|limit| limit.peak()) {
        None => codec::encode(VERSION, &record),
        Some(peak) => codec::encode(WORKSPACE_VERSION_WITH_PEAK, &WorkspaceRecord2 { workspace: record, peak }),
    }
}

fn decode_workspace(suffix: &[u8], value: &[u8]) -> Result<Workspace, Error> {
    let (record, peak) = match value.first() {
        Some(&WORKSPACE_VERSION_WITH_PEAK) => {
            let WorkspaceRecord2 { workspace, peak } = codec::decode(WORKSPACE_VERSION_WITH_PEAK, value)?;
            (workspace, Some(peak))
        }
        _ => (codec::decode::<WorkspaceRecord<'_>>(VERSION, value)?, None),
    };
    Ok(Workspace {
        id: workspace_id(number(suffix)?)?,
        organization: organization_id(record.organization)?,
        name: slug(record.name)?,
        created_at: codec::instant(record.created_at)?,
        rate_limit: limit(record.rate_limit, peak)?,
    })
}

pub(super) fn encode_key(entry: &KeyEntry) -> Bytes {
    let key = &entry.key;
    let record = KeyRecord {
        hash: entry.hash,
        organization: key.organization.number(),
        name: key.name.as_str(),
        class: match key.class {
            Class::Public => ClassRecord::Public,
            Class::Private => ClassRecord::Private,
        },
        permissions: key.permissions.bits(),
        scope: match &key.scope {
            WorkspaceScope::All { default } => ScopeRecord::All { default: default.map(WorkspaceId::number) },
            WorkspaceScope::Listed(listed) => {
                ScopeRecord::Listed(listed.iter().copied().map(WorkspaceId::number).collect())
            }
        },
        created_at: key.created_at.micros(),
        expires_at: key.expires_at.map(Timestamp::micros),
        revoked_at: key.revoked_at.map(Timestamp::micros),
        replaced_by: key.replaced_by.map(|id| *id.as_bytes()),
        last_four: &key.last_four,
        bootstrap: key.bootstrap,
        rate_limit: key.rate_limit.map(RateRecord::from),
    };
    let allowed = key.datasets.allowed.as_ref();
    let record = KeyRecord2 {
        key: record,
        dataset: key.datasets.own.as_str(),
        datasets: allowed.map(|allowed| allowed.iter().map(Dataset::as_str).collect()),
    };
    let origins = key.origins.as_ref().map(|origins| origins.iter().map(Origin::as_str).collect());
    match (origins, key.rate_limit.and_then(|limit| limit.peak())) {
        (None, None) => codec::encode(KEY_VERSION, &record),
        (Some(origins), None) => codec::encode(KEY_VERSION_WITH_ORIGINS, &KeyRecord3 { key: record, origins }),
        (origins, Some(peak)) => codec::encode(KEY_VERSION_WITH_PEAK, &KeyRecord4 { key: record, origins, peak }),
    }
}

/// Reads a key. One of version 1 sent to `segment`, and goes on doing so, whatever its class.
fn decode_key(suffix: &[u8], value: &[u8]) -> Result<KeyEntry, Error> {
    let of_version_2 = |KeyRecord2 { key, dataset: own, datasets }| {
        let allowed = datasets.map(|names: Vec<_>| names.into_iter().map(dataset).collect::<Result<_, _>>());
        Ok::<_, Error>((key, Datasets { own: dataset(own)?, allowed: allowed.transpose()? }))
    };
    let parsed = |origins: Vec<&str>| {
        let origin = |text| Origin::parse(text).map_err(|_| codec::corrupt("origin of a key"));
        origins.into_iter().map(origin).collect::<Result<_, _>>()
    };
    let ((record, datasets), origins, peak): ((KeyRecord<'_>, _), _, _) = match value.first() {
        Some(&VERSION) => {
            ((codec::decode(VERSION, value)?, Datasets { own: Dataset::of_servers(), allowed: None }), None, None)
        }
        Some(&KEY_VERSION_WITH_ORIGINS) => {
            let KeyRecord3 { key, origins } = codec::decode(KEY_VERSION_WITH_ORIGINS, value)?;
            (of_version_2(key)?, Some(parsed(origins)?), None)
        }
        Some(&KEY_VERSION_WITH_PEAK) => {
            let KeyRecord4 { key, origins, peak } = codec::decode(KEY_VERSION_WITH_PEAK, value)?;
            (of_version_2(key)?, origins.map(parsed).transpose()?, Some(peak))
        }
        _ => (of_version_2(codec::decode(KEY_VERSION, value)?)?, None, None),
    };
    let id = suffix.try_into().map_err(|_| codec::corrupt("id of a key"))?;
    let key = Key {
        id: KeyId::from_bytes(id),
        organization: organization_id(record.organization)?,
        name: DisplayName::parse(record.name).map_err(|_| codec::corrupt("name of a key"))?,
        class: match record.class {
            ClassRecord::Public => Class::Public,
            ClassRecord::Private => Class::Private,
        },
        permissions: Permissions::from_bits(record.permissions).ok_or_else(|| codec::corrupt("permissions"))?,
        scope: match record.scope {
            ScopeRecord::All { default } => WorkspaceScope::All { default: default.map(workspace_id).transpose()? },
            ScopeRecord::Listed(listed) => {
                WorkspaceScope::Listed(listed.into_iter().map(workspace_id).collect::<Result<_, _>>()?)
            }
        },
        datasets,
        origins,
        created_at: codec::instant(record.created_at)?,
        expires_at: record.expires_at.map(codec::instant).transpose()?,
        revoked_at: record.revoked_at.map(codec::instant).transpose()?,
        replaced_by: record.replaced_by.map(KeyId::from_bytes),
        last_four: record.last_four.to_owned(),
        bootstrap: record.bootstrap,
        rate_limit: limit(record.rate_limit, peak)?,
    };
    Ok(KeyEntry { key, hash: record.hash })
}

impl From<RateLimit> for RateRecord {
    fn from(limit: RateLimit) -> Self {
        Self { per_second: limit.per_second(), burst: limit.burst(), concurrency: limit.concurrency() }
    }
}

/// A limit, with the peak that stands apart from it. One without the other is damage.
fn limit(record: Option<RateRecord>, peak: Option<u32>) -> Result<Option<RateLimit>, Error> {
    let limit = record.map(RateLimit::try_from).transpose()?;
    match (limit, peak) {
        (limit, None) => Ok(limit),
        (Some(limit), Some(peak)) => limit.with_peak(peak).map(Some).map_err(|_| codec::corrupt("rate limit")),
        (None, Some(_)) => Err(codec::corrupt("rate limit")),
    }
}

impl TryFrom<RateRecord> for RateLimit {
    type Error = Error;

    fn try_from(record: RateRecord) -> Result<Self, Error> {
        Self::new(record.per_second, record.burst, record.concurrency).map_err(|_| codec::corrupt("rate limit"))
    }
}

fn number(suffix: &[u8]) -> Result<u32, Error> {
    suffix.try_into().map(u32::from_be_bytes).map_err(|_| codec::corrupt("number in a key"))
}

fn organization_id(number: u32) -> Result<OrganizationId, Error> {
    if number == 0 { Err(codec::corrupt("number of an organization")) } else { Ok(OrganizationId::new(number)) }
}

fn workspace_id(number: u32) -> Result<WorkspaceId, Error> {
    if number == 0 { Err(codec::corrupt("number of a workspace")) } else { Ok(WorkspaceId::new(number)) }
}

fn dataset(text: &str) -> Result<Dataset, Error> {
    Dataset::parse(text).map_err(|_| codec::corrupt("dataset of a key"))
}

fn slug(text: &str) -> Result<Slug, Error> {
    Slug::parse(text).map_err(|_| codec::corrupt("name"))
}

#[cfg(test)]
mod tests;
