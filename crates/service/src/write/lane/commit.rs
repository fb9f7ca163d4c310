//! Turns what a group changed into one mini-transaction, and what came of it into what the lane remembers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use hashbrown::HashSet;
use tessera_engine::cluster::Cluster;
use tessera_engine::config::Config;
use tessera_engine::decide::Notice;
use tessera_engine::id::NodeId;
use tessera_engine::time::Timestamp;
use tessera_engine::working::{Changes, Working};
use tessera_store::{Commit, CommitError, Expect, Key, Limit, Limits, Shard, Version};

use super::Done;
use super::decide::PartError;
use super::gather::Read;
use super::memberships;
use super::pack::Pack;
use super::state::State;
use crate::base::codec::corrupt;
use crate::base::names;
use crate::base::store_error::commit_failed;
use crate::stored::audit::{self, Written};
use crate::stored::records::rows::{Counts, LaneRow};
use crate::stored::records::{cluster, link, rows};
use crate::write::feed;
use crate::write::suppression;

/// Times that a commit is tried again after an answer that leaves it open and a look that says it did not happen.
const AMBIGUOUS_MAX: usize = 3;

impl State {
    pub(super) async fn commit_part(
        &mut self,
        working: &mut Working,
        read: Read,
        mut pack: Pack,
        notices: &[Notice],
        (last, done): (Timestamp, Vec<Done>),
    ) -> Result<(), PartError> {
        let is_changed = !pack.is_empty() || working.is_changed();
        let mut changes = working.take_changes();
        let before = self.row_at(last);
        if !is_changed {
            self.keep_memory(read.memory);
            self.keep_done(done);
            return Ok(());
        }
        let (waiting, suppressed) =
            (before.waiting + pack.waiting, before.suppressed + changes.suppressed.len() as u64);
        let row = LaneRow { counts: self.counts_after(&changes, &read)?, waiting, suppressed, ..before };
        let noted = self.noted_with(changes.clusters.iter().filter_map(|(_, own)| own.as_ref()));
        let mut commit = self.add_noted(self.add_row(Commit::new(), &row), &noted);
        let had_secret = self.secret().is_some();
        if !changes.suppressed.is_empty() {
            let secret = self.secret_for(&mut commit).await?;
            let keys = changes.suppressed.iter().map(|identity| secret.key(self.scope(), identity));
            commit.put.extend(keys.map(|key| (key, Bytes::from_static(suppression::ROW))));
        }
        let expected = write_changes(&mut commit, &mut changes, &read, self);
        expect_unchanged(&mut commit, working, &read, &expected, self);
        let ruled = memberships::write(&mut commit, &changes, &read, notices, self);
        let audited = pack.take_audited();
        commit = audited.iter().fold(commit, |commit, own| audit::with_row(commit, Some(own)));
        commit.room = pack.room;
        let loose = pack.loose;
        commit.expect.extend(pack.expect);
        commit.put.extend(pack.put);
        commit.del.extend(pack.del);
        add_feed(&mut commit, notices, last, self);
        commit.as_of = read.as_of;
        metrics::histogram!(names::COMMIT_OPERATIONS).record(commit.ops() as f64);
        if let Some(too_large) = too_large(&commit, &self.limits()) {
            self.keep_memory(read.memory);
            if !had_secret {
                self.forget_secret();
            }
            return Err(PartError::TooLarge { decided: done.len(), error: commit_failed(&too_large) });
        }
        let number = working.config().sweeps().number;
        if changes.clusters.iter().any(|(_, own)| own.as_ref().is_some_and(|own| own.swept < number)) {
            // Before the commit: what may have happened counts as well.
            self.shared().stale_writes.fetch_add(1, Ordering::SeqCst);
        }
        self.sends(row, done);
        let version = self.commit_surely(commit, &row).await?;
        audited.into_iter().for_each(Written::has_happened);
        self.keep_row(row, version);
        self.keep_noted(noted);
        self.keep_loose(&loose);
        self.keep_ruled(ruled);
        pack.quarantined.iter().for_each(|(class, bytes)| self.shared().quarantined.take(*class, *bytes));
        let records: Vec<Arc<Cluster>> = changes.clusters.iter().filter_map(|(_, cluster)| cluster.clone()).collect();
        self.remember(changes, read, version);
        // Behind the epochs: whoever changes one of these records afterwards moves them again.
        self.tell_left(&records, version);
        Ok(())
    }

    /// Commits, and where the answer leaves it open, looks whether it has happened.
    pub(super) async fn commit_surely(&mut self, commit: Commit, row: &LaneRow) -> Result<Version, PartError> {
        for _ in 0..AMBIGUOUS_MAX {
            match self.store().commit(commit.clone()).await {
                Ok(committed) => return Ok(committed.version),
                Err(CommitError::Conflict(_)) => return Err(PartError::Conflict),
                Err(CommitError::Ambiguous) => {
                    metrics::counter!(names::COMMITS_AMBIGUOUS).increment(1);
                    // Without a look it stays open; whoever waits has to hear just that.
                    let open = |_| PartError::Failed(commit_failed(&CommitError::Ambiguous));
                    if let Some(version) = self.has_happened(row).await.map_err(open)? {
                        return Ok(version);
                    }
                }
                // A fault of ours, found before anything was written: whose it is shows when the commands are decided in smaller parts.
                Err(error @ CommitError::Invalid(_)) => {
                    tracing::error!(workspace = self.shared().workspace.number(), %error, "a commit was put together wrongly");
                    return Err(PartError::Broken { at: None });
                }
                Err(error) => return Err(PartError::Failed(commit_failed(&error))),
            }
        }
        Err(PartError::Failed(commit_failed(&CommitError::Ambiguous)))
    }

    fn counts_after(&self, changes: &Changes, read: &Read) -> Result<Counts, PartError> {
        let mut counts = self.counts();
        let config = self.config();
        for (id, cluster) in &changes.clusters {
            if let Some(before) = read.before.get(id) {
                let rest = counts.without(counts_of(before, config));
                counts = rest.ok_or_else(|| PartError::Failed(corrupt("counts of a workspace")))?;
            }
            if let Some(after) = cluster {
                counts = counts.with(counts_of(after, config));
            }
        }
        Ok(counts)
    }

    fn remember(&mut self, changes: Changes, read: Read, version: Version) {
        let mut memory = read.memory;
        let epochs = &self.shared().epochs;
        for (id, cluster) in changes.clusters {
            epochs.touch(id);
            match cluster {
                Some(cluster) => memory.keep_cluster(id, cluster, version),
                None => memory.drop_cluster(id),
            }
        }
        for (identity, row) in changes.identities {
            match row {
                Some(row) => memory.keep_identity(identity, row, version),
                None => memory.drop_identity(&identity),
            }
        }
        self.keep_memory(memory);
    }
}

/// Adds what others may want to know, in as many rows as it takes.
fn add_feed(commit: &mut Commit, notices: &[Notice], at: Timestamp, state: &State) {
    let at_once = (state.limits().value / feed::NOTICE_BYTES).max(1);
    for notices in notices.chunks(at_once) {
        commit.feed.push((Shard::ZERO, feed::encode(state.shared().workspace, at, notices)));
    }
}

/// The limit of the store that a commit is over, if it is over one.
fn too_large(commit: &Commit, limits: &Limits) -> Option<CommitError> {
    let values = commit.put.iter().map(|(_, value)| value).chain(commit.feed.iter().map(|(_, row)| row));
    let all = [
        (Limit::Ops, commit.ops(), limits.ops),
        (Limit::Bytes, commit.bytes(), limits.bytes),
        (Limit::Value, values.map(Bytes::len).max().unwrap_or(0), limits.value),
    ];
    let (what, _, limit) = all.into_iter().find(|(_, size, limit)| size > limit)?;
    Some(CommitError::TooLarge { what, limit })
}

/// What a cluster adds to the counts of its workspace.
pub(crate) fn counts_of(cluster: &Cluster, config: &Config) -> Counts {
    Counts {
        profiles: cluster.count_profiles(config) as u64,
        identities: cluster.nodes.len() as u64,
        events: cluster.nodes.iter().map(tessera_engine::cluster::Node::events).sum(),
        facts: cluster.nodes.iter().map(tessera_engine::cluster::Node::facts).sum(),
    }
}

/// Writes the rows that changed. Answers the clusters among them.
fn write_changes(commit: &mut Commit, changes: &mut Changes, read: &Read, state: &State) -> HashSet<NodeId> {
    let scope = state.scope();
    let mut writer = Writer { commit, read };
    for (id, cluster) in &mut changes.clusters {
        let row = cluster.as_mut().map(|cluster| {
            let row = cluster::encode(cluster);
            if cluster.bytes != row.len() {
                Arc::make_mut(cluster).bytes = row.len();
            }
            row
        });
        writer.write(scope.cluster(*id), row, Guard::Version);
    }
    for (identity, row) in &changes.identities {
        writer.write(scope.identity(identity), row.as_ref().map(rows::encode_identity), Guard::Version);
    }
    for (node, home) in &changes.homes {
        let home = home.filter(|home| home != node).map(rows::encode_home);
        if home.is_some() || !changes_made_only(changes, *node, read) {
            writer.write(scope.home(*node), home, Guard::None);
        }
    }
    // A row under an id alone may be that of several facts, where nobody knows of which dataset it is.
    let mut moved = HashSet::new();
    for (fact, row) in &changes.facts {
        writer.write(scope.fact(fact), row.as_ref().map(rows::encode_fact), Guard::Version);
        if let Some(version) = read.by_id.get(fact)
            && moved.insert(fact.id.clone())
        {
            let by_id = scope.fact_by_id(&fact.id);
            writer.commit.expect.push((by_id.clone(), Expect::Version(*version)));
            writer.commit.del.push(by_id);
        }
    }
    for (node, other, held) in &changes.held {
        writer.write(scope.held(*node, *other), held.as_deref().map(link::encode), Guard::None);
    }
    changes.clusters.iter().map(|(id, _)| *id).collect()
}

/// Whether a node that lives in its own cluster was there before: only then a redirect of it may have to go.
fn changes_made_only(changes: &Changes, node: NodeId, read: &Read) -> bool {
    !read.before.values().any(|cluster| cluster.node(node).is_some())
        && changes.clusters.iter().any(|(id, cluster)| *id == node && cluster.is_some())
}

/// What protects a row against a writer who saw something else.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// Its own version.
    Version,
    /// The version of the cluster that it belongs to.
    None,
}

struct Writer<'a> {
    commit: &'a mut Commit,
    read: &'a Read,
}

impl Writer<'_> {
    fn write(&mut self, key: Key, row: Option<Bytes>, guard: Guard) {
        let seen = if guard == Guard::Version { self.read.versions.get(&key) } else { None };
        match (seen, &row) {
            (Some(Some(version)), _) => self.commit.expect.push((key.clone(), Expect::Version(*version))),
            (Some(None), Some(_)) => self.commit.expect.push((key.clone(), Expect::Absent)),
            // What was absent and still is needs no write.
            (Some(None), None) => return,
            (None, _) => {}
        }
        match row {
            Some(row) => self.commit.put.push((key, row)),
            None => self.commit.del.push(key),
        }
    }
}

/// A cluster that was read and not written has to be as it was read: it may have decided an answer.
fn expect_unchanged(commit: &mut Commit, working: &Working, read: &Read, written: &HashSet<NodeId>, state: &State) {
    for (id, _) in working.clusters().filter(|(id, cluster)| cluster.is_some() && !written.contains(id)) {
        let key = state.scope().cluster(id);
        if let Some(Some(version)) = read.versions.get(&key) {
            let version = *version;
            commit.expect.push((key, Expect::Version(version)));
        }
    }
}
