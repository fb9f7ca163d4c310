//! What a change of identity rules would do, before it is made: who would become one profile, and who would be parted.
//!
//! The records of the workspace are copied into a store in memory, and the change is made there, by the same lane and the same job that would
//! make it. So nothing is estimated. What is copied is bounded; of a workspace that has more, the answer is about the records that were copied,
//! and says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashSet;
use tessera_engine::cluster::Cluster;
use tessera_engine::config::Config;
use tessera_engine::id::NodeId;
use tessera_store::{Commit, Direction, Key, KeyRange, MemoryStore, ScanLimit, Snapshot, Store};

use crate::base::codec::corrupt;
use crate::base::components::Components;
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::settings::Settings;
use crate::base::store_error::{commit_failed, read_failed};
use crate::config::workspace::{Part, StoredConfig};
use crate::jobs::JobStatus;
use crate::jobs::sweeps::RECLUSTER;
use crate::stored::keys::{Family, Scope};
use crate::stored::layout::read_held_key;
use crate::stored::records::cluster;
use crate::work::service::Service;
use crate::write::suppression::secret_key;

/// Records that a dry run looks at.
pub const RECORDS_MAX: usize = 20_000;
/// Bytes of rows that it copies.
pub const BYTES_MAX: usize = 64 << 20;
/// Examples that it gives of profiles that would become one, and as many of such that would be parted.
pub const EXAMPLES_MAX: usize = 10;
/// Profiles that an example names on each side.
pub const EXAMPLE_PROFILES_MAX: usize = 20;
/// How long it may take.
pub const SECONDS_MAX: u64 = 30;
/// Rows read in one go.
const ROWS_AT_ONCE: usize = 100;
/// Bytes of rows that are written in one go, and what one takes beside its key and value.
const COMMIT_BYTES: usize = 64 << 10;
const ROW_BYTES: usize = 100;

/// What a change of identity rules would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DryRun {
    /// Profiles that were looked at.
    pub profiles_before: u64,
    /// What they would be.
    pub profiles_after: u64,
    /// Profiles that would become one with others, whole or in part.
    pub merged: u64,
    /// Profiles that would be parted.
    pub split: u64,
    /// Some that would become one.
    pub merges: Vec<Example>,
    /// Some that would be parted.
    pub splits: Vec<Example>,
    /// Records that were looked at.
    pub records: u64,
    /// Whether the workspace has more than were looked at. Then the counts are of these alone.
    pub is_truncated: bool,
}

/// Profiles as they are, and what would become of them, by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// As they are.
    pub before: Vec<NodeId>,
    /// As they would be.
    pub after: Vec<NodeId>,
}

/// Who is who.
#[derive(Default)]
struct Partition {
    /// Of each node its profile.
    profiles: BTreeMap<NodeId, NodeId>,
    /// Profiles that are somebody's.
    somebody: u64,
}

impl Service {
    /// What a change of identity rules would do, by so many records as are looked at most; no more than [`RECORDS_MAX`]. Nothing is kept of it.
    ///
    /// # Errors
    /// What the change answers; `Throttled` with `query_busy`; `Unavailable` with `dry_run_timeout`; what the store answers.
    pub async fn dry_run(
        &self,
        workspace: WorkspaceId,
        records_max: usize,
        change: impl FnOnce(&StoredConfig) -> Result<StoredConfig, Error> + Send + 'static,
    ) -> Result<DryRun, Error> {
        let _turn = self.scans().wait(workspace).await?;
        let configured = self.configured(workspace).await?;
        let copying = Copying::new(workspace, &configured.config, records_max.min(RECORDS_MAX));
        let snapshot = self.store().snapshot().await.map_err(|error| read_failed(&error))?;
        let copied = copying.copy(&*snapshot).await?;
        drop(snapshot);
        let tried = self.tried(&copied, workspace, change);
        let after = tokio::time::timeout(Duration::from_secs(SECONDS_MAX), tried).await.map_err(|_| late())??;
        Ok(compared(&copied, &after))
    }

    /// Makes the change to what was copied, and answers who is who then.
    async fn tried(
        &self,
        copied: &Copied,
        workspace: WorkspaceId,
        change: impl FnOnce(&StoredConfig) -> Result<StoredConfig, Error> + Send + 'static,
    ) -> Result<Partition, Error> {
        let store: Arc<dyn Store> = copied.store.clone();
        let components = Components { store: store.clone(), ..self.components.clone() };
        let settings = Settings { view_cache_bytes: 0, backup_folder: None, ..self.settings().clone() };
        let service = Self::open(components, settings).await?;
        let outcome = brought(&service, workspace, change).await;
        service.close().await;
        let config = outcome?;
        let (mut after, mut rest) = (Partition::default(), Some(Scope::new(workspace).all_of(Family::Cluster)));
        while let Some(range) = rest {
            let page = store.scan(&range, ScanLimit::rows(ROWS_AT_ONCE), Direction::Forward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            for row in &page.rows {
                after.take(&cluster::decode(&row.value, &config)?, &config);
            }
            rest = page.next;
            tokio::task::yield_now().await;
        }
        Ok(after)
    }
}

/// Makes a change, and waits until it is brought to all records.
async fn brought(
    service: &Arc<Service>,
    workspace: WorkspaceId,
    change: impl FnOnce(&StoredConfig) -> Result<StoredConfig, Error> + Send + 'static,
) -> Result<Arc<Config>, Error> {
    service.configure(workspace, change).await?;
    for job in service.jobs().open_of(workspace, RECLUSTER).await? {
        let mut watch = service.jobs().watch(workspace, job.id).await?;
        let mut last = job;
        while let Some(job) = watch.next().await {
            last = (*job).clone();
        }
        if last.status() != JobStatus::Done {
            return Err(Error::new(ErrorKind::Internal, "internal", "a dry run was not brought to all records"));
        }
    }
    Ok(service.configured(workspace).await?.config.clone())
}

fn late() -> Error {
    let message = format!("a dry run may take {SECONDS_MAX} seconds; try it when the server has less to do");
    Error::new(ErrorKind::Unavailable, "dry_run_timeout", message)
}

impl Partition {
    /// Takes in who is who in a record.
    fn take(&mut self, cluster: &Cluster, config: &Config) {
        for head in cluster.profile_ids() {
            self.profiles.extend(cluster.piece(head).map(|node| (node.id, head)));
        }
        self.somebody += cluster.count_profiles(config) as u64;
    }
}

/// What was copied.
struct Copied {
    store: Arc<MemoryStore>,
    before: Partition,
    records: u64,
    is_truncated: bool,
}

/// Copies what says who is who.
struct Copying<'a> {
    workspace: WorkspaceId,
    scope: Scope,
    config: &'a Config,
    store: Arc<MemoryStore>,
    records_max: usize,
    commit: Commit,
    bytes: usize,
    /// Of the commit that is made.
    pending: usize,
}

impl<'a> Copying<'a> {
    fn new(workspace: WorkspaceId, config: &'a Config, records_max: usize) -> Self {
        let scope = Scope::new(workspace);
        Self {
            workspace,
            scope,
            config,
            store: Arc::new(MemoryStore::new()),
            records_max,
            commit: Commit::new(),
            bytes: 0,
            pending: 0,
        }
    }

    async fn copy(mut self, snapshot: &dyn Snapshot) -> Result<Copied, Error> {
        for family in [Family::Config, Family::Lane, Family::Unclaimed] {
            self.all(snapshot, self.scope.all_of(family)).await?;
        }
        // Where the lane's row says that somebody is suppressed, it asks for the secret of that.
        self.rows_of(snapshot, &[secret_key(self.workspace)]).await?;
        let (mut before, mut records, mut identities) = (Partition::default(), 0_usize, Vec::new());
        let mut rest = Some(self.scope.all_of(Family::Cluster));
        while let Some(range) = rest.take() {
            let page = snapshot.scan(&range, ScanLimit::rows(ROWS_AT_ONCE), Direction::Forward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            rest = page.next;
            for row in page.rows {
                if records >= self.records_max || self.bytes >= BYTES_MAX {
                    rest = Some(KeyRange { start: row.key, end: self.scope.all_of(Family::Cluster).end });
                    break;
                }
                let cluster = cluster::decode(&row.value, self.config)?;
                before.take(&cluster, self.config);
                identities.extend(cluster.nodes.iter().map(|node| self.scope.identity(&node.identity)));
                records += 1;
                self.put(row.key, row.value).await?;
            }
            if records >= self.records_max || self.bytes >= BYTES_MAX {
                break;
            }
            tokio::task::yield_now().await;
        }
        let homes = before.profiles.keys().map(|node| self.scope.home(*node));
        let keys: Vec<Key> = identities.into_iter().chain(homes).collect();
        for keys in keys.chunks(ROWS_AT_ONCE) {
            self.rows_of(snapshot, keys).await?;
        }
        let nodes: HashSet<NodeId> = before.profiles.keys().copied().collect();
        let is_cut = self.held(snapshot, &nodes).await?;
        self.flush().await?;
        let is_truncated = rest.is_some() || is_cut;
        Ok(Copied { store: self.store, before, records: records as u64, is_truncated })
    }

    async fn rows_of(&mut self, snapshot: &dyn Snapshot, keys: &[Key]) -> Result<(), Error> {
        let found = snapshot.get(keys).await.map_err(|error| read_failed(&error))?;
        for (key, row) in keys.iter().zip(found) {
            if let Some(row) = row {
                self.put(key.clone(), row.value).await?;
            }
        }
        Ok(())
    }

    /// Links that do not hold, between nodes that were copied. Answers whether there are more of them.
    async fn held(&mut self, snapshot: &dyn Snapshot, nodes: &HashSet<NodeId>) -> Result<bool, Error> {
        let mut rest = Some(self.scope.all_of(Family::HeldLink));
        while let Some(range) = rest {
            let page = snapshot.scan(&range, ScanLimit::rows(ROWS_AT_ONCE), Direction::Forward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            for row in page.rows {
                let (node, other) = read_held_key(&row.key).ok_or_else(|| corrupt("key of a link"))?;
                if nodes.contains(&node) && nodes.contains(&other) {
                    if self.bytes >= 2 * BYTES_MAX {
                        return Ok(true);
                    }
                    self.put(row.key, row.value).await?;
                }
            }
            rest = page.next;
            tokio::task::yield_now().await;
        }
        Ok(false)
    }

    async fn all(&mut self, snapshot: &dyn Snapshot, range: KeyRange) -> Result<(), Error> {
        // Rules say nothing about who is who, and what is ordered for later is not to happen here.
        let left_out = [Part::Rules, Part::Planned].map(|part| self.scope.config(part));
        let mut rest = Some(range);
        while let Some(range) = rest {
            let page = snapshot.scan(&range, ScanLimit::rows(ROWS_AT_ONCE), Direction::Forward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            for row in page.rows {
                if !left_out.contains(&row.key) {
                    self.put(row.key, row.value).await?;
                }
            }
            rest = page.next;
        }
        Ok(())
    }

    async fn put(&mut self, key: Key, value: bytes::Bytes) -> Result<(), Error> {
        let own = ROW_BYTES + key.len() + value.len();
        (self.bytes, self.pending) = (self.bytes + own, self.pending + own);
        self.commit = std::mem::take(&mut self.commit).put(key, value);
        if self.pending >= COMMIT_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Error> {
        self.pending = 0;
        let commit = std::mem::take(&mut self.commit);
        self.store.commit(commit).await.map(drop).map_err(|error| commit_failed(&error))
    }
}

/// Compares who is who.
fn compared(copied: &Copied, after: &Partition) -> DryRun {
    // Of each profile the profiles that it shares nodes with, from before to after and back.
    let (mut forth, mut back) = (BTreeMap::new(), BTreeMap::new());
    for (node, before) in &copied.before.profiles {
        let Some(after) = after.profiles.get(node) else { continue };
        forth.entry(*before).or_insert_with(BTreeSet::new).insert(*after);
        back.entry(*after).or_insert_with(BTreeSet::new).insert(*before);
    }
    let some = |own: &BTreeSet<NodeId>| own.iter().copied().take(EXAMPLE_PROFILES_MAX).collect::<Vec<_>>();
    let merges = back.iter().filter(|(_, before)| before.len() > 1);
    let splits = forth.iter().filter(|(_, after)| after.len() > 1);
    let merged: BTreeSet<NodeId> = merges.clone().flat_map(|(_, before)| before.iter().copied()).collect();
    let example_of_merge =
        |(after, before): (&NodeId, &BTreeSet<NodeId>)| Example { before: some(before), after: vec![*after] };
    let example_of_split =
        |(before, after): (&NodeId, &BTreeSet<NodeId>)| Example { before: vec![*before], after: some(after) };
    DryRun {
        profiles_before: copied.before.somebody,
        profiles_after: after.somebody,
        merged: merged.len() as u64,
        split: splits.clone().count() as u64,
        merges: merges.take(EXAMPLES_MAX).map(example_of_merge).collect(),
        splits: splits.take(EXAMPLES_MAX).map(example_of_split).collect(),
        records: copied.records,
        is_truncated: copied.is_truncated,
    }
}
