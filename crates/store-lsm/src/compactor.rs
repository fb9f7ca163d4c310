//! The compactor: one thread that makes deletions physical when it is asked to.
//!
//! It works beside the committer on clones of the trees and knows nothing of rows. What it asks of the engine is in
//! `tree/physical.rs`. A process that dies meanwhile leaves what any other death leaves: each step is one of the engine's own,
//! and none touches a journal that is still needed.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tessera_store::CommitError;
use tokio::sync::oneshot;

use crate::committer::Reply;
use crate::disk::Disk;
use crate::settings::Settings;
use crate::shared::{Opened, Shared};
use crate::tree::{Tree, TreeError, contained};

/// Between two looks at whether the engine's workers are done.
const PAUSE: Duration = Duration::from_millis(10);
/// Looks before giving up on tables that have to be written out: ten minutes.
const LOOKS_MAX: usize = 60_000;
/// Looks before a snapshot is said to be in the way: reads last for milliseconds, a backup for minutes.
const SNAPSHOT_LOOKS_MAX: usize = 200;
/// After so many looks in vain the memtables are written out once more.
const LOOKS_PER_FLUSH: usize = 500;

/// Where compactions are asked for.
pub(crate) struct Handle {
    requests: Mutex<Option<Sender<Reply<()>>>>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Handle {
    /// Starts the thread. It gives way to others as much as the thread does that starts it.
    pub(crate) fn start(settings: Settings, shared: Arc<Shared>, disk: Arc<dyn Disk>) -> std::io::Result<Self> {
        let (sender, requests) = channel();
        let (ending, ended) = oneshot::channel();
        let path = settings.path.clone();
        let free_bytes_min = settings.free_bytes_min;
        let compactor = Compactor { path, free_bytes_min, shared, disk, requests, waiting: Vec::new() };
        let thread = thread::Builder::new().name("store-compactor".into()).spawn(move || {
            compactor.run();
            drop(ending);
        })?;
        Ok(Self {
            requests: Mutex::new(Some(sender)),
            ended: Mutex::new(Some(ended)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Asks for a compaction that begins after this call, and waits for it. Those who ask while one runs share the next.
    pub(crate) async fn compact(&self) -> Result<(), CommitError> {
        let (reply, answer) = oneshot::channel();
        let closed = || CommitError::Unavailable("store is closed".into());
        lock(&self.requests).as_ref().ok_or_else(closed)?.send(reply).map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Stops after the step that runs now: one tree's rewriting at most.
    pub(crate) async fn close(&self) {
        drop(lock(&self.requests).take());
        let ended = lock(&self.ended).take();
        if let Some(ended) = ended {
            let _ = ended.await;
        }
        self.join();
    }

    /// As [`Self::close`], for who cannot wait otherwise.
    pub(crate) fn join(&self) {
        drop(lock(&self.requests).take());
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the compactor panicked");
        }
    }
}

struct Compactor {
    path: PathBuf,
    free_bytes_min: u64,
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    requests: Receiver<Reply<()>>,
    /// Who asked, and is not served yet.
    waiting: Vec<Reply<()>>,
}

impl Compactor {
    fn run(mut self) {
        loop {
            if self.waiting.is_empty() {
                let Ok(first) = self.requests.recv() else { return };
                self.waiting.push(first);
            }
            self.waiting.extend(self.requests.try_iter());
            let replies = std::mem::take(&mut self.waiting);
            let outcome = contained(|| self.compact()).map_err(CommitError::from);
            if let Err(error) = &outcome {
                tracing::warn!(%error, "the store was not compacted");
            }
            for reply in replies {
                let _ = reply.send(outcome.clone());
            }
        }
    }

    fn compact(&mut self) -> Result<(), TreeError> {
        let opened = self.shared.clone_tree()?;
        let tree = &opened.tree;
        let before = check_room(tree, &*self.disk, &self.path, self.free_bytes_min)?;
        let end = tree.end();
        // First the journal: its rows move into tables, and it goes when the last of them has.
        let journal = tree.newest_journal()?;
        for _ in 0..Tree::PADS_MAX {
            if tree.newest_journal()? != journal {
                break;
            }
            self.check(&opened)?;
            tree.pad()?;
        }
        self.until(LOOKS_MAX, "the journal does not turn", &opened, |tree| Ok(tree.newest_journal()? != journal))?;
        tree.write_out()?;
        self.until(LOOKS_MAX, "a journal is still needed", &opened, |tree| Ok(tree.oldest_journal()? > journal))?;
        // Then the tables: rows that no snapshot can see are left out when they are merged.
        let held = "a snapshot from before is still held";
        self.until(SNAPSHOT_LOOKS_MAX, held, &opened, |tree| tree.knows_no_reader_before(end))?;
        let old = tree.table_files()?;
        for name in Tree::NAMES {
            self.check(&opened)?;
            tree.rewrite(name)?;
        }
        self.until(SNAPSHOT_LOOKS_MAX, held, &opened, |tree| Ok(tree.table_files()?.is_disjoint(&old)))?;
        tracing::info!(bytes_before = before, bytes = tree.disk_bytes()?, "the store was compacted");
        Ok(())
    }

    /// Whether it may go on: the store is not closing, and these are still its trees.
    fn check(&mut self, opened: &Opened) -> Result<(), TreeError> {
        self.pause(Duration::ZERO)?;
        if self.shared.is_open(opened) { Ok(()) } else { Err(TreeError::Refused("store was opened again".into())) }
    }

    /// Waits for what the engine's workers do. They tell nobody, so it looks; each look also moves what they act on.
    fn until(
        &mut self,
        looks_max: usize,
        reason: &str,
        opened: &Opened,
        is_done: impl Fn(&Tree) -> Result<bool, TreeError>,
    ) -> Result<(), TreeError> {
        let tree = &opened.tree;
        for look in 1..=looks_max {
            if is_done(tree)? {
                return Ok(());
            }
            self.check(opened)?;
            if look % LOOKS_PER_FLUSH == 0 {
                tree.write_out()?;
            }
            tree.ring()?;
            self.pause(PAUSE)?;
        }
        Err(TreeError::Refused(reason.into()))
    }

    /// Waits, or hears that the store closes.
    fn pause(&mut self, pause: Duration) -> Result<(), TreeError> {
        match self.requests.recv_timeout(pause) {
            Ok(reply) => {
                self.waiting.push(reply);
                Ok(())
            }
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(TreeError::Refused("store is closed".into())),
        }
    }
}

/// There has to be room for a second copy of everything, and for what the journal is filled up with. Answers the bytes of the first.
pub(crate) fn check_room(tree: &Tree, disk: &dyn Disk, path: &Path, free_bytes_min: u64) -> Result<u64, TreeError> {
    let bytes = tree.disk_bytes()?;
    let needed_bytes = bytes + Tree::PADS_MAX as u64 * Tree::PAD_BYTES + free_bytes_min;
    let free_bytes = disk.free_bytes(path).map_err(|error| TreeError::Refused(error.to_string()))?;
    if free_bytes < needed_bytes {
        return Err(TreeError::Full { free_bytes, needed_bytes });
    }
    Ok(bytes)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
