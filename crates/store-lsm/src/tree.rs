//! The fjall trees below a store and how our rows lie in them.
//!
//! `main`: key -> version (8 bytes, big endian) and value. `feed`: shard (2 bytes) and position (8 bytes), both big
//! endian -> payload. `meta`: the head row, the mark and one row per fence. `filler`: zeros, which nobody reads.

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fjall::AbstractTree as _;
use fjall::config::{BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _};
use tessera_store::{
    CommitError, Direction, Epoch, FeedHead, FeedRow, FenceName, Key, KeyRange, Limits, Page, ReadError, Row,
    ScanLimit, Seq, Shard, Version, Versioned, page,
};

use crate::journal::{HEAD, MARK, Mark, ScanError};
use crate::settings::Settings;
use crate::store::{Files, Held, TreeFiles};

mod physical;

const FENCE: &[u8] = b"fence/";
const HEADER: usize = 8;

/// Where a store stands: its commit sequence and the ends of its feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) version: Version,
    /// The oldest row of the feed that is kept.
    pub(crate) first: Seq,
    pub(crate) last: Seq,
}

impl Head {
    /// The head of a store that was never written to.
    pub(crate) const EMPTY: Head = Head { version: Version(0), first: Seq(1), last: Seq(0) };

    pub(crate) fn feed(self) -> FeedHead {
        FeedHead { shard: Shard::ZERO, first: self.first, last: self.last }
    }
}

/// What goes wrong below us.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum TreeError {
    #[error("stored bytes are damaged: {0}")]
    Corrupt(String),
    #[error("storage refuses: {0}")]
    Refused(String),
    #[error("the disk is full free_bytes={free_bytes} needed_bytes={needed_bytes}")]
    Full { free_bytes: u64, needed_bytes: u64 },
}

impl From<fjall::Error> for TreeError {
    fn from(error: fjall::Error) -> Self {
        use fjall::{Error, LsmError};
        match &error {
            Error::Io(_) | Error::Poisoned | Error::Locked | Error::KeyspaceDeleted => Self::Refused(error.to_string()),
            Error::Storage(LsmError::Io(source)) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
                Self::Refused(error.to_string())
            }
            _ => Self::Corrupt(error.to_string()),
        }
    }
}

impl From<TreeError> for ReadError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Corrupt(reason) => Self::Corrupt(reason),
            TreeError::Refused(reason) => Self::Unavailable(reason),
            TreeError::Full { .. } => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<TreeError> for CommitError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Corrupt(reason) => Self::Corrupt(reason),
            TreeError::Refused(reason) => Self::Unavailable(reason),
            TreeError::Full { free_bytes, needed_bytes } => Self::Full { free_bytes, needed_bytes },
        }
    }
}

impl From<ScanError> for TreeError {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Damaged(_) => Self::Corrupt(error.to_string()),
            ScanError::Io { .. } => Self::Refused(error.to_string()),
        }
    }
}

/// Runs engine code that may meet damaged bytes. The engine answers most of them with an error and some with a panic.
pub(crate) fn contained<T, E: From<TreeError>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(TreeError::Corrupt("the storage engine panicked".into()).into()))
}

/// Newest writes of a tree that are written out as a table, whatever memory there is. It is kept in the folder, from when a tree was made.
const MEMTABLE_BYTES: u64 = 64 << 20;

/// The open trees. A clone keeps them open.
#[derive(Clone)]
pub(crate) struct Tree {
    path: PathBuf,
    db: Database,
    main: Keyspace,
    feed: Keyspace,
    meta: Keyspace,
    filler: Keyspace,
}

impl Tree {
    /// Opens or creates the trees. fjall syncs its journal while it recovers, so all that it finds is durable.
    pub(crate) fn open(path: &Path, settings: &Settings) -> Result<Self, TreeError> {
        contained(|| {
            let db = Database::builder(path)
                .cache_size(settings.cache_bytes)
                .max_journaling_size(settings.journal_bytes.max(64 << 20))
                .max_cached_files(Some(settings.open_tables_max.max(16)))
                .worker_threads(settings.workers.max(1))
                .manual_journal_persist(true)
                .open()?;
            let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
            // Bloom filters serve `main`, where most idempotency and event id look-ups miss. The feed is only scanned.
            let main = db.keyspace("main", options)?;
            let no_filter = FilterPolicy::new([FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(1.0))]);
            let feed = db.keyspace("feed", || options().filter_policy(no_filter).max_memtable_size(16 << 20))?;
            let meta = db.keyspace("meta", || options().max_memtable_size(1 << 20))?;
            let filler = db.keyspace("filler", || options().max_memtable_size(4 << 20))?;
            Ok(Self { path: path.to_path_buf(), db, main, feed, meta, filler })
        })
    }

    /// Has the newest writes written out as tables once those of a tree fill half of so many bytes, unless that is under way.
    pub(crate) fn bound_write_buffers(&self, bytes_max: u64) -> Result<(), TreeError> {
        for tree in [&self.main, &self.feed] {
            if tree.tree.active_memtable().size() > bytes_max / 2 && tree.sealed_memtable_count() == 0 {
                tree.rotate_memtable()?;
            }
        }
        Ok(())
    }

    /// What is in memory.
    pub(crate) fn held(&self) -> Held {
        let trees = [&self.main, &self.feed, &self.meta, &self.filler];
        let pinned = trees.map(|own| own.tree.pinned_filter_size() + own.tree.pinned_block_index_size());
        Held {
            blocks: self.db.cache_size(),
            write_buffers: self.db.write_buffer_size(),
            pinned: pinned.iter().sum::<usize>() as u64,
            recent_writes: 0,
        }
    }

    /// What is on disk.
    pub(crate) fn files(&self) -> Files {
        let trees = [("main", &self.main), ("feed", &self.feed), ("meta", &self.meta), ("filler", &self.filler)];
        let of_tree = |(name, own): (&'static str, &Keyspace)| {
            let tables = (0..).map_while(|level| own.tree.level_table_count(level)).collect();
            TreeFiles { name, bytes: own.disk_space(), tables }
        };
        Files {
            trees: trees.map(of_tree).into(),
            journals: self.db.journal_count(),
            journal_bytes: self.db.journal_disk_space().unwrap_or(0),
            compacting: self.db.active_compactions(),
            compactions: self.db.compactions_completed(),
            compacting_time: self.db.time_compacting(),
        }
    }

    /// One instant of all trees.
    pub(crate) fn instant(&self) -> fjall::Snapshot {
        self.db.snapshot()
    }

    /// The newest version of a key, for the committer, which has no one writing beside it.
    pub(crate) fn version(&self, key: &Key) -> Result<Option<Version>, TreeError> {
        contained(|| match self.main.get(key.as_bytes())? {
            Some(stored) => Ok(Some(split(&stored)?.0)),
            None => Ok(None),
        })
    }

    pub(crate) fn get(&self, at: &fjall::Snapshot, key: &Key) -> Result<Option<Versioned>, TreeError> {
        match at.get(&self.main, key.as_bytes())? {
            Some(stored) => {
                let (version, value) = split(&stored)?;
                Ok(Some(Versioned { value: Bytes::copy_from_slice(value), version }))
            }
            None => Ok(None),
        }
    }

    pub(crate) fn scan(
        &self,
        at: &fjall::Snapshot,
        range: &KeyRange,
        limit: ScanLimit,
        direction: Direction,
        limits: &Limits,
        as_of: Version,
    ) -> Result<Page, ReadError> {
        if range.is_empty() {
            return page::fill([], range, limit, direction, limits, as_of);
        }
        let end = range.end.as_ref().map_or(Bound::Unbounded, |end| Bound::Excluded(end.as_bytes()));
        let rows = at.range::<&[u8], _>(&self.main, (Bound::Included(range.start.as_bytes()), end));
        match direction {
            Direction::Forward => page::fill(rows.map(to_row), range, limit, direction, limits, as_of),
            Direction::Backward => page::fill(rows.rev().map(to_row), range, limit, direction, limits, as_of),
        }
    }

    pub(crate) fn log(
        &self,
        at: &fjall::Snapshot,
        after: Seq,
        max: usize,
        limits: &Limits,
    ) -> Result<Vec<FeedRow>, ReadError> {
        page::check_log(&self.head(at)?.feed(), after, max)?;
        let rows = at.range(&self.feed, feed_key(Seq(after.0 + 1)).as_slice()..=feed_key(Seq(u64::MAX)).as_slice());
        let mut expected = after;
        let rows = rows.map(|row| {
            let (key, payload) = row.into_inner().map_err(TreeError::from)?;
            expected.0 += 1;
            if key[..] != feed_key(expected) {
                return Err(ReadError::Corrupt(format!("feed row is missing seq={}", expected.0)));
            }
            Ok(FeedRow { seq: expected, payload: Bytes::copy_from_slice(&payload) })
        });
        page::fill_log(rows, max, limits)
    }

    pub(crate) fn head(&self, at: &fjall::Snapshot) -> Result<Head, TreeError> {
        let Some(row) = at.get(&self.meta, HEAD)? else { return Ok(Head::EMPTY) };
        let number = |index: usize| -> Option<u64> {
            row.get(index * 8..index * 8 + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes)
        };
        match (number(0), number(1), number(2)) {
            (Some(version), Some(first), Some(last)) if row.len() == 24 => {
                Ok(Head { version: Version(version), first: Seq(first), last: Seq(last) })
            }
            _ => Err(TreeError::Corrupt("head row is malformed".into())),
        }
    }

    /// The number of the last group; 0 if there was none, or if an older version wrote it.
    pub(crate) fn group(&self, at: &fjall::Snapshot) -> Result<u64, TreeError> {
        let Some(row) = at.get(&self.meta, MARK)? else { return Ok(0) };
        let mark = Mark::decode(&row).ok_or_else(|| TreeError::Corrupt("mark row is malformed".into()))?;
        Ok(mark.group)
    }

    pub(crate) fn fences(&self, at: &fjall::Snapshot) -> Result<Vec<(FenceName, Epoch)>, TreeError> {
        at.prefix(&self.meta, FENCE)
            .map(|row| {
                let (key, value) = row.into_inner()?;
                let epoch = value.as_ref().try_into().map(u64::from_be_bytes);
                let epoch = epoch.map_err(|_| TreeError::Corrupt("fence row is malformed".into()))?;
                Ok((FenceName::new(key[FENCE.len()..].to_vec()), Epoch(epoch)))
            })
            .collect()
    }

    /// Whether nothing was ever written.
    pub(crate) fn is_empty(&self) -> Result<bool, TreeError> {
        contained(|| {
            let at = self.instant();
            Ok(at.is_empty(&self.meta)? && at.is_empty(&self.main)? && at.is_empty(&self.feed)?)
        })
    }

    /// A batch that is synced before it becomes readable.
    pub(crate) fn batch(&self, capacity: usize) -> Batch<'_> {
        let batch = fjall::OwnedWriteBatch::with_capacity(self.db.clone(), capacity);
        Batch { tree: self, batch: batch.durability(Some(PersistMode::SyncData)) }
    }
}

/// Writes that happen together.
pub(crate) struct Batch<'a> {
    tree: &'a Tree,
    batch: fjall::OwnedWriteBatch,
}

impl Batch<'_> {
    pub(crate) fn put(&mut self, key: &Key, version: Version, value: &[u8]) {
        let mut stored = Vec::with_capacity(HEADER + value.len());
        stored.extend_from_slice(&version.0.to_be_bytes());
        stored.extend_from_slice(value);
        self.batch.insert(&self.tree.main, key.as_bytes(), stored);
    }

    pub(crate) fn delete(&mut self, key: &Key) {
        self.batch.remove(&self.tree.main, key.as_bytes());
    }

    pub(crate) fn append(&mut self, seq: Seq, payload: &[u8]) {
        self.batch.insert(&self.tree.feed, feed_key(seq), payload);
    }

    pub(crate) fn drop_feed_row(&mut self, seq: Seq) {
        self.batch.remove(&self.tree.feed, feed_key(seq));
    }

    /// The head, and the mark of the group that ends with it: the last rows of each group.
    pub(crate) fn end(&mut self, head: Head, group: u64) {
        let row = [head.version.0, head.first.0, head.last.0].map(u64::to_be_bytes).concat();
        self.batch.insert(&self.tree.meta, HEAD, row);
        let mark = Mark { group, seen: self.tree.end() };
        self.batch.insert(&self.tree.meta, MARK, mark.encode());
    }

    pub(crate) fn fence(&mut self, name: &FenceName, epoch: Epoch) {
        self.batch.insert(&self.tree.meta, [FENCE, name.as_bytes()].concat(), epoch.0.to_be_bytes());
    }

    /// Writes, syncs, and only then makes readable.
    pub(crate) fn commit(self) -> Result<(), TreeError> {
        contained(|| Ok(self.batch.commit()?))
    }
}

fn split(stored: &[u8]) -> Result<(Version, &[u8]), TreeError> {
    match stored.split_first_chunk::<HEADER>() {
        Some((version, value)) => Ok((Version(u64::from_be_bytes(*version)), value)),
        None => Err(TreeError::Corrupt("value is shorter than its header".into())),
    }
}

fn to_row(row: fjall::Guard) -> Result<Row, ReadError> {
    let (key, stored) = row.into_inner().map_err(TreeError::from)?;
    let (version, value) = split(&stored)?;
    Ok(Row { key: Key::new(Bytes::copy_from_slice(&key)), value: Bytes::copy_from_slice(value), version })
}

fn feed_key(seq: Seq) -> [u8; 10] {
    let mut key = [0; 10];
    key[..2].copy_from_slice(&Shard::ZERO.0.to_be_bytes());
    key[2..].copy_from_slice(&seq.0.to_be_bytes());
    key
}
