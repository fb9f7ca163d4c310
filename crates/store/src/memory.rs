//! The in-memory reference: the contract in its shortest form.
//!
//! A snapshot is a shared pointer; the first write while one is held copies the maps, not the values. Fine for tests
//! and for some hundred thousand keys.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;

use crate::commit::{Commit, CommitError, Committed, Expect, Limits};
use crate::contract::{FeedHead, Floor, Health, ReadError, Snapshot, Store};
use crate::page;
use crate::types::{
    Direction, Epoch, FeedRow, FenceName, Key, KeyRange, Page, Row, ScanLimit, Seq, Shard, Snapshotted, Version,
    Versioned,
};

/// A store in memory. Clones share their content, which lives as long as the last of them.
#[derive(Clone)]
pub struct MemoryStore {
    limits: Limits,
    state: Arc<RwLock<Arc<State>>>,
}

#[derive(Clone, Default)]
struct State {
    rows: BTreeMap<Key, Versioned>,
    version: Version,
    feed: BTreeMap<Seq, Bytes>,
    trimmed: Seq,
    last: Seq,
    fences: BTreeMap<FenceName, Epoch>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store with the limits of the embedded ones.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(Limits::EMBEDDED)
    }

    /// An empty store with these limits. It has one feed shard, whatever they say.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        Self { limits: Limits { shards: 1, ..limits }, state: Arc::default() }
    }

    // A panic while the lock is held could only come from the allocator, between two whole states.
    fn now(&self) -> Arc<State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write<T>(&self, change: impl FnOnce(&mut State) -> Result<T, CommitError>) -> Result<T, CommitError> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut state))
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn health(&self) -> Health {
        Health::Open
    }

    async fn get(&self, keys: &[Key]) -> Result<Snapshotted<Vec<Option<Versioned>>>, ReadError> {
        let state = self.now();
        Ok(Snapshotted { value: state.get(keys, &self.limits)?, as_of: state.version })
    }

    async fn scan(&self, range: &KeyRange, limit: ScanLimit, direction: Direction) -> Result<Page, ReadError> {
        self.now().scan(range, limit, direction, &self.limits)
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        commit.check(&self.limits)?;
        let state = self.now();
        // A refused commit must not copy the maps, so it is looked at before the write lock, and again below it.
        state.check(&commit)?;
        if commit.is_read_only() {
            return Ok(Committed { version: state.version, feed: Vec::new() });
        }
        drop(state);
        self.write(|state| {
            state.check(&commit)?;
            Ok(state.apply(commit))
        })
    }

    async fn heads(&self) -> Result<Vec<FeedHead>, ReadError> {
        Ok(vec![self.now().head()])
    }

    async fn log(&self, shard: Shard, after: Seq, max: usize) -> Result<Vec<FeedRow>, ReadError> {
        self.now().log(shard, after, max, &self.limits)
    }

    async fn trim(&self, shard: Shard, before: Seq) -> Result<(), CommitError> {
        if shard != Shard::ZERO {
            return Err(CommitError::Invalid("unknown feed shard"));
        }
        self.write(|state| {
            let trimmed = Seq(before.0.saturating_sub(1)).min(state.last);
            if trimmed > state.trimmed {
                state.trimmed = trimmed;
                state.feed = state.feed.split_off(&Seq(trimmed.0 + 1));
            }
            Ok(())
        })
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, ReadError> {
        Ok(Box::new(MemorySnapshot { limits: self.limits, state: self.now() }))
    }

    async fn raise(&self, name: &FenceName) -> Result<Epoch, CommitError> {
        Commit::new().fenced(name.clone(), Epoch(0)).check(&self.limits)?;
        self.write(|state| {
            let epoch = state.fences.entry(name.clone()).or_default();
            epoch.0 += 1;
            Ok(*epoch)
        })
    }

    /// Nothing to do: what is deleted is gone, but for what a snapshot keeps, and that is in no file.
    async fn check_compaction(&self) -> Result<(), CommitError> {
        Ok(())
    }

    async fn compact(&self) -> Result<(), CommitError> {
        Ok(())
    }

    async fn begin_at(&self, floor: &Floor) -> Result<(), CommitError> {
        if floor.feed.iter().any(|head| head.shard != Shard::ZERO || head.first.0 == 0) {
            return Err(CommitError::Invalid("feed floor of no shard or before the first row"));
        }
        self.write(|state| {
            if state.version != Version(0) || !state.fences.is_empty() {
                return Err(CommitError::Invalid("store was written to"));
            }
            state.version = floor.version;
            for head in &floor.feed {
                state.trimmed = Seq(head.first.0 - 1);
                state.last = state.trimmed;
            }
            state.fences = floor.fences.iter().cloned().collect();
            Ok(())
        })
    }
}

impl State {
    fn get(&self, keys: &[Key], limits: &Limits) -> Result<Vec<Option<Versioned>>, ReadError> {
        page::check_get(keys, limits)?;
        Ok(keys.iter().map(|key| self.rows.get(key).cloned()).collect())
    }

    fn scan(
        &self,
        range: &KeyRange,
        limit: ScanLimit,
        direction: Direction,
        limits: &Limits,
    ) -> Result<Page, ReadError> {
        let to_row =
            |(key, at): (&Key, &Versioned)| Ok(Row { key: key.clone(), value: at.value.clone(), version: at.version });
        let range = if range.is_empty() { &KeyRange::between(Key::MIN, Key::MIN) } else { range };
        let end = range.end.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.rows.range((Bound::Included(&range.start), end));
        match direction {
            Direction::Forward => page::fill(rows.map(to_row), range, limit, direction, limits, self.version),
            Direction::Backward => page::fill(rows.rev().map(to_row), range, limit, direction, limits, self.version),
        }
    }

    fn head(&self) -> FeedHead {
        FeedHead { shard: Shard::ZERO, first: Seq(self.trimmed.0 + 1), last: self.last }
    }

    fn log(&self, shard: Shard, after: Seq, max: usize, limits: &Limits) -> Result<Vec<FeedRow>, ReadError> {
        if shard != Shard::ZERO {
            return Err(ReadError::Invalid("unknown feed shard"));
        }
        page::check_log(&self.head(), after, max)?;
        let rows = self.feed.range((Bound::Excluded(after), Bound::Unbounded));
        page::fill_log(rows.map(|(seq, payload)| Ok(FeedRow { seq: *seq, payload: payload.clone() })), max, limits)
    }

    fn check(&self, commit: &Commit) -> Result<(), CommitError> {
        if let Some((key, _)) = &commit.idempotency
            && self.rows.contains_key(key)
        {
            return Err(CommitError::Conflict(key.clone()));
        }
        if let Some(fence) = &commit.fence
            && self.fences.get(&fence.name) != Some(&fence.epoch)
        {
            return Err(CommitError::Fenced);
        }
        for (key, expect) in &commit.expect {
            let holds = match (expect, self.rows.get(key)) {
                (Expect::Version(version), Some(at)) => at.version == *version,
                (Expect::Absent, None) => true,
                (Expect::Version(_), None) | (Expect::Absent, Some(_)) => false,
            };
            if !holds {
                return Err(CommitError::Conflict(key.clone()));
            }
        }
        Ok(())
    }

    fn apply(&mut self, commit: Commit) -> Committed {
        self.version.0 += 1;
        let version = self.version;
        for (key, value) in commit.put.into_iter().chain(commit.idempotency) {
            self.rows.insert(key, Versioned { value, version });
        }
        for key in &commit.del {
            self.rows.remove(key);
        }
        let mut feed = Vec::with_capacity(commit.feed.len());
        for (_, payload) in commit.feed {
            self.last.0 += 1;
            self.feed.insert(self.last, payload);
            feed.push(self.last);
        }
        Committed { version, feed }
    }
}

struct MemorySnapshot {
    limits: Limits,
    state: Arc<State>,
}

#[async_trait]
impl Snapshot for MemorySnapshot {
    fn as_of(&self) -> Version {
        self.state.version
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, ReadError> {
        self.state.get(keys, &self.limits)
    }

    async fn scan(&self, range: &KeyRange, limit: ScanLimit, direction: Direction) -> Result<Page, ReadError> {
        self.state.scan(range, limit, direction, &self.limits)
    }

    async fn heads(&self) -> Result<Vec<FeedHead>, ReadError> {
        Ok(vec![self.state.head()])
    }

    async fn log(&self, shard: Shard, after: Seq, max: usize) -> Result<Vec<FeedRow>, ReadError> {
        self.state.log(shard, after, max, &self.limits)
    }

    async fn fences(&self) -> Result<Vec<(FenceName, Epoch)>, ReadError> {
        Ok(self.state.fences.iter().map(|(name, epoch)| (name.clone(), *epoch)).collect())
    }
}
