//! A group: the mini-transactions that go to disk together. Deciding reads, but writes nothing.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use tessera_store::{Commit, CommitError, Committed, Epoch, Expect, FenceName, Floor, Key, Seq, Version};

use crate::recent::{Known, Recent};
use crate::tree::{Head, Tree, TreeError};

/// Rows of the feed that one batch drops at most; a longer trim goes on in the next group.
const TRIM_ROWS_MAX: u64 = 2_000;

/// What the committer knows between groups.
#[derive(Debug)]
pub(crate) struct CommitterState {
    pub(crate) head: Head,
    /// The number of the last group.
    pub(crate) group: u64,
    pub(crate) fences: BTreeMap<FenceName, Epoch>,
    pub(crate) recent: Recent,
}

/// Writes decided but not yet written.
#[derive(Debug)]
pub(crate) struct Group {
    number: u64,
    before: Head,
    pub(crate) head: Head,
    rows: HashMap<Key, Pending>,
    order: Vec<(Key, Version)>,
    feed: Vec<(Seq, Bytes)>,
    dropped: std::ops::Range<u64>,
    fences: BTreeMap<FenceName, Epoch>,
    bytes: usize,
}

#[derive(Debug)]
struct Pending {
    version: Version,
    /// `None` deletes.
    value: Option<Bytes>,
}

impl Group {
    /// The group that comes next.
    pub(crate) fn after(state: &CommitterState) -> Self {
        let head = state.head;
        Self {
            number: state.group + 1,
            before: head,
            head,
            rows: HashMap::new(),
            order: Vec::new(),
            feed: Vec::new(),
            dropped: 0..0,
            fences: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty() && self.dropped.is_empty() && self.fences.is_empty() && self.head == self.before
    }

    /// Whether another commit should wait for the next group.
    pub(crate) fn is_full(&self) -> bool {
        self.order.len() + self.feed.len() >= crate::shared::LIMITS.ops || self.bytes >= crate::shared::LIMITS.bytes
    }

    /// Roughly how many bytes the group writes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Decides one mini-transaction, which was found well formed, on top of those before it in the group.
    pub(crate) fn commit(
        &mut self,
        commit: Commit,
        state: &CommitterState,
        tree: &Tree,
    ) -> Result<Committed, CommitError> {
        self.check(&commit, state, tree)?;
        if commit.is_read_only() {
            return Ok(Committed { version: self.head.version, feed: Vec::new() });
        }
        self.bytes += commit.bytes() + 32 * commit.ops();
        self.head.version.0 += 1;
        let version = self.head.version;
        for (key, value) in commit.put.into_iter().chain(commit.idempotency) {
            self.order.push((key.clone(), version));
            self.rows.insert(key, Pending { version, value: Some(value) });
        }
        for key in commit.del {
            self.order.push((key.clone(), version));
            self.rows.insert(key, Pending { version, value: None });
        }
        let mut feed = Vec::with_capacity(commit.feed.len());
        for (_, payload) in commit.feed {
            self.head.last.0 += 1;
            feed.push(self.head.last);
            self.feed.push((self.head.last, payload));
        }
        Ok(Committed { version, feed })
    }

    fn check(&self, commit: &Commit, state: &CommitterState, tree: &Tree) -> Result<(), CommitError> {
        if let Some((key, _)) = &commit.idempotency
            && self.version(key, tree)?.is_some()
        {
            return Err(CommitError::Conflict(key.clone()));
        }
        if let Some(fence) = &commit.fence {
            let epoch = self.fences.get(&fence.name).or_else(|| state.fences.get(&fence.name));
            if epoch != Some(&fence.epoch) {
                return Err(CommitError::Fenced);
            }
        }
        // A hint from beyond our head comes from another history and promises nothing.
        let as_of = commit.as_of.filter(|as_of| *as_of <= self.before.version);
        for (key, expect) in &commit.expect {
            if !self.rows.contains_key(key)
                && as_of.is_some_and(|as_of| state.recent.check(key, *expect, as_of) == Known::Holds)
            {
                continue;
            }
            let holds = match (expect, self.version(key, tree)?) {
                (Expect::Version(expected), Some(version)) => version == *expected,
                (Expect::Absent, None) => true,
                (Expect::Version(_), None) | (Expect::Absent, Some(_)) => false,
            };
            if !holds {
                return Err(CommitError::Conflict(key.clone()));
            }
        }
        Ok(())
    }

    fn version(&self, key: &Key, tree: &Tree) -> Result<Option<Version>, CommitError> {
        match self.rows.get(key) {
            Some(pending) => Ok(pending.value.as_ref().map(|_| pending.version)),
            None => Ok(tree.version(key)?),
        }
    }

    /// Raises a fence.
    pub(crate) fn raise(&mut self, name: FenceName, state: &CommitterState) -> Epoch {
        let last = self.fences.get(&name).or_else(|| state.fences.get(&name));
        let epoch = Epoch(last.map_or(0, |epoch| epoch.0) + 1);
        self.fences.insert(name, epoch);
        epoch
    }

    /// Drops rows of the feed below `before`, as many as fit in one batch; answers whether none are left. Reaches
    /// only rows that were there before the group.
    pub(crate) fn trim(&mut self, before: Seq) -> bool {
        let end = before.0.min(self.before.last.0 + 1);
        let until = end.min(self.before.first.0 + TRIM_ROWS_MAX);
        if until > self.head.first.0 {
            self.head.first = Seq(until);
            self.dropped = self.before.first.0..until;
        }
        before.0.min(self.head.last.0 + 1) <= self.head.first.0
    }

    /// Begins the sequences of a store that was never written to.
    pub(crate) fn begin_at(&mut self, floor: &Floor, state: &CommitterState) -> Result<(), CommitError> {
        if self.head != Head::EMPTY || !state.fences.is_empty() || !self.fences.is_empty() {
            return Err(CommitError::Invalid("store was written to"));
        }
        self.head.version = floor.version;
        for feed in &floor.feed {
            self.head.first = feed.first;
            self.head.last = Seq(feed.first.0 - 1);
        }
        self.fences = floor.fences.iter().cloned().collect();
        Ok(())
    }

    /// Writes and syncs the group. Doing it twice does no more than doing it once.
    pub(crate) fn write(&self, tree: &Tree) -> Result<(), TreeError> {
        let dropped = usize::try_from(self.dropped.end - self.dropped.start).unwrap_or(0);
        let mut batch = tree.batch(self.rows.len() + self.feed.len() + self.fences.len() + dropped + 1);
        for (key, pending) in &self.rows {
            match &pending.value {
                Some(value) => batch.put(key, pending.version, value),
                None => batch.delete(key),
            }
        }
        for (seq, payload) in &self.feed {
            batch.append(*seq, payload);
        }
        for seq in self.dropped.clone() {
            batch.drop_feed_row(Seq(seq));
        }
        for (name, epoch) in &self.fences {
            batch.fence(name, *epoch);
        }
        batch.end(self.head, self.number);
        batch.commit()
    }

    /// Notes the group as written.
    pub(crate) fn note(&self, state: &mut CommitterState) {
        state.head = self.head;
        state.group = self.number;
        state.fences.extend(self.fences.iter().map(|(name, epoch)| (name.clone(), *epoch)));
        for (key, version) in &self.order {
            state.recent.note(key, *version);
        }
    }
}
