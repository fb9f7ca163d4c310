//! The store as others see it.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use async_trait::async_trait;
use tessera_store::{
    Commit, CommitError, Committed, Direction, Epoch, FeedHead, FeedRow, FenceName, Floor, Health, Key, KeyRange,
    Limits, Page, ReadError, ScanLimit, Seq, Shard, Snapshot, Snapshotted, Store, Versioned, page,
};
use tokio::sync::{mpsc, oneshot};

use crate::committer::{self, Committer, Reply, Request};
use crate::compactor;
use crate::disk::{Disk, RealDisk};
use crate::folder::{Folder, OpenError};
use crate::settings::Settings;
use crate::shared::{LIMITS, Shared};
use crate::snapshot::LsmSnapshot;
use crate::tree::TreeError;
use crate::watch::Watch;

/// Requests that may wait for the committer; more wait in their own tasks.
const QUEUE: usize = 1024;

/// The embedded store. Dropping it closes it: what was asked before is still done.
pub struct LsmStore {
    shared: Arc<Shared>,
    requests: Option<mpsc::Sender<Request>>,
    committer: Mutex<Option<JoinHandle<()>>>,
    compactor: compactor::Handle,
    disk: Arc<dyn Disk>,
    settings: Settings,
}

/// Bytes that the store holds in memory, part by part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Blocks that were read from disk, at most [`Settings::cache_bytes`].
    pub blocks: u64,
    /// The newest writes, about [`Settings::write_buffer_bytes`] at most.
    pub write_buffers: u64,
    /// Filters and indexes of tables that are always in memory.
    pub pinned: u64,
    /// What is remembered of [`Settings::recent_writes`].
    pub recent_writes: u64,
}

/// What the store has on disk, and what it does with it.
#[derive(Debug, Clone)]
pub struct Files {
    /// The trees.
    pub trees: Vec<TreeFiles>,
    /// Journals.
    pub journals: usize,
    /// Bytes of all of them.
    pub journal_bytes: u64,
    /// Compactions under way.
    pub compacting: usize,
    /// Compactions that were done since the store was opened.
    pub compactions: usize,
    /// How long they took, of all threads together.
    pub compacting_time: std::time::Duration,
}

/// A tree on disk.
#[derive(Debug, Clone)]
pub struct TreeFiles {
    /// Its name.
    pub name: &'static str,
    /// Bytes of its files.
    pub bytes: u64,
    /// How many tables there are in each level, from 0.
    pub tables: Vec<usize>,
}

impl LsmStore {
    /// Opens the folder, creating it if need be. Blocks while the journal is read: half a second after a crash is
    /// usual.
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        Self::open_on(settings, Arc::new(RealDisk))
    }

    /// As [`LsmStore::open`], on a disk that a test may fill or break.
    pub fn open_on(settings: Settings, disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        let folder = Folder::claim(&settings.path)?;
        let (tree, state) = committer::open_trees(&folder.tree(), &settings).map_err(|error| match error {
            TreeError::Corrupt(reason) => folder.damaged(reason),
            TreeError::Refused(_) | TreeError::Full { .. } => {
                OpenError::Io { path: folder.path().to_path_buf(), source: std::io::Error::other(error) }
            }
        })?;
        let is_empty = tree.is_empty().map_err(|error| folder.damaged(error.to_string()))?;
        folder.seal(is_empty)?;
        let shared = Arc::new(Shared::new(tree, state.head.version, &settings));
        let path = folder.path().to_path_buf();
        shared.look_at_room(&*disk, &path);
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (failed, failures) = std::sync::mpsc::channel();
        let watch = Watch {
            path: path.clone(),
            tree: folder.tree(),
            shared: Arc::clone(&shared),
            disk: Arc::clone(&disk),
            committer: sender.downgrade(),
            failures,
        };
        // It ends when the committer does, which is joined.
        thread::Builder::new()
            .name("store-watch".into())
            .spawn(move || watch.run())
            .map_err(|source| OpenError::Io { path: path.clone(), source })?;
        let compactor = compactor::Handle::start(settings.clone(), Arc::clone(&shared), Arc::clone(&disk))
            .map_err(|source| OpenError::Io { path: path.clone(), source })?;
        let committer = Committer::new(settings.clone(), folder, Arc::clone(&shared), Arc::clone(&disk), state, failed);
        let thread = thread::Builder::new()
            .name("store-committer".into())
            .spawn(move || committer.run(receiver))
            .map_err(|source| OpenError::Io { path, source })?;
        Ok(Self { shared, requests: Some(sender), committer: Mutex::new(Some(thread)), compactor, disk, settings })
    }

    /// Does what was asked before, closes the files and lets go of the folder. Later calls answer `Unavailable`.
    pub async fn close(&self) {
        // Before the committer, which can only close what nobody else holds.
        self.compactor.close().await;
        let (done, closed) = oneshot::channel();
        if let Some(requests) = &self.requests
            && requests.send(Request::Close(done)).await.is_ok()
        {
            let _ = closed.await;
        }
        self.join();
    }

    /// Free bytes on the disk where the folder lies, some seconds old; `None` if that cannot be found out.
    #[must_use]
    pub fn free_bytes(&self) -> Option<u64> {
        self.shared.free_bytes()
    }

    /// What it holds in memory now.
    #[must_use]
    pub fn held(&self) -> Held {
        self.shared.held()
    }

    /// What it has on disk now; none while it is shut.
    #[must_use]
    pub fn files(&self) -> Option<Files> {
        self.shared.files()
    }

    /// Asks the committer. A question it never took was not done; one it took and left unanswered is in doubt.
    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, CommitError> {
        let (reply, answer) = oneshot::channel();
        let closed = || CommitError::Unavailable("store is closed".into());
        let requests = self.requests.as_ref().ok_or_else(closed)?;
        requests.send(request(reply)).await.map_err(|_| closed())?;
        answer.await.unwrap_or(Err(CommitError::Ambiguous))
    }

    fn join(&self) {
        let thread = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the committer panicked");
        }
    }
}

impl Drop for LsmStore {
    fn drop(&mut self) {
        self.compactor.join();
        self.requests = None;
        self.join();
    }
}

#[async_trait]
impl Store for LsmStore {
    fn limits(&self) -> Limits {
        LIMITS
    }

    fn health(&self) -> Health {
        self.shared.health()
    }

    async fn get(&self, keys: &[Key]) -> Result<Snapshotted<Vec<Option<Versioned>>>, ReadError> {
        page::check_get(keys, &LIMITS)?;
        self.shared.read(|tree, _| {
            // Taken before the instant, so that the instant is at least as late.
            let mut as_of = self.shared.published();
            let at = tree.instant();
            let mut value = Vec::with_capacity(keys.len());
            for key in keys {
                let found = tree.get(&at, key)?;
                as_of = as_of.max(found.as_ref().map_or(as_of, |found| found.version));
                value.push(found);
            }
            Ok(Snapshotted { value, as_of })
        })
    }

    async fn scan(&self, range: &KeyRange, limit: ScanLimit, direction: Direction) -> Result<Page, ReadError> {
        self.shared.read(|tree, _| {
            let as_of = self.shared.published();
            let mut page = tree.scan(&tree.instant(), range, limit, direction, &LIMITS, as_of)?;
            page.as_of = page.rows.iter().fold(as_of, |as_of, row| as_of.max(row.version));
            Ok(page)
        })
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        commit.check(&LIMITS)?;
        self.ask(|reply| Request::Commit(Box::new(commit), reply)).await
    }

    async fn heads(&self) -> Result<Vec<FeedHead>, ReadError> {
        self.shared.read(|tree, _| Ok(vec![tree.head(&tree.instant())?.feed()]))
    }

    async fn log(&self, shard: Shard, after: Seq, max: usize) -> Result<Vec<FeedRow>, ReadError> {
        if shard != Shard::ZERO {
            return Err(ReadError::Invalid("unknown feed shard"));
        }
        self.shared.read(|tree, _| tree.log(&tree.instant(), after, max, &LIMITS))
    }

    async fn trim(&self, shard: Shard, before: Seq) -> Result<(), CommitError> {
        if shard != Shard::ZERO {
            return Err(CommitError::Invalid("unknown feed shard"));
        }
        // Rows that come meanwhile are not chased.
        let end = self.shared.read(|tree, _| Ok(tree.head(&tree.instant())?.last.0 + 1));
        let end = end.map_err(|error| match error {
            ReadError::Corrupt(reason) => CommitError::Corrupt(reason),
            other => CommitError::Unavailable(other.to_string()),
        })?;
        let before = before.min(Seq(end));
        while !self.ask(|reply| Request::Trim(before, reply)).await? {}
        Ok(())
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, ReadError> {
        Ok(Box::new(LsmSnapshot::take(&self.shared)?))
    }

    async fn raise(&self, name: &FenceName) -> Result<Epoch, CommitError> {
        Commit::new().fenced(name.clone(), Epoch(0)).check(&LIMITS)?;
        self.ask(|reply| Request::Raise(name.clone(), reply)).await
    }

    async fn compact(&self) -> Result<(), CommitError> {
        self.compactor.compact().await
    }

    async fn check_compaction(&self) -> Result<(), CommitError> {
        let opened = self.shared.clone_tree()?;
        let Settings { path, free_bytes_min, .. } = &self.settings;
        compactor::check_room(&opened.tree, &*self.disk, path, *free_bytes_min)?;
        Ok(())
    }

    async fn begin_at(&self, floor: &Floor) -> Result<(), CommitError> {
        committer::check_floor(floor)?;
        self.ask(|reply| Request::BeginAt(floor.clone(), reply)).await
    }
}
