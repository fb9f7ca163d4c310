//! The committer: one thread that owns all writing.
//!
//! It takes what is waiting, decides it in order as one group, writes and syncs the group once, publishes it, and
//! answers. While it syncs, the next group gathers in its queue: that is the whole of group commit.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use tessera_store::{Commit, CommitError, Committed, Epoch, FenceName, Floor, Room, Seq, Version};
use tokio::sync::{mpsc, oneshot};

use crate::disk::Disk;
use crate::folder::Folder;
use crate::group::{CommitterState, Group};
use crate::journal::{self, Scan};
use crate::recent::Recent;
use crate::settings::Settings;
use crate::shared::{LIMITS, Shared};
use crate::tree::{Tree, TreeError};

/// Free room is looked at again after so many bytes, in parts of the room that must stay free.
const FREE_CHECKS: u64 = 16;

/// Requests that one group takes at most.
const GROUP_REQUESTS_MAX: usize = 4_096;

/// What the committer can be asked for.
pub(crate) enum Request {
    Commit(Box<Commit>, Reply<Committed>),
    Raise(FenceName, Reply<Epoch>),
    /// Answers whether all of it is done.
    Trim(Seq, Reply<bool>),
    BeginAt(Floor, Reply<()>),
    /// Tries again to open a store that could not be opened after a failed write.
    OpenAgain,
    Close(oneshot::Sender<()>),
}

/// Where an answer goes. Whoever waited may have given up, so nobody looks at whether it arrives.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, CommitError>>;

type Answer = Box<dyn FnOnce(Result<(), CommitError>) + Send>;

/// The thread's own state.
pub(crate) struct Committer {
    settings: Settings,
    folder: Folder,
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    state: CommitterState,
    /// A group whose write failed, until the store is open again.
    in_doubt: Option<InDoubt>,
    /// Bytes written since the last look at the free room on the disk.
    unchecked_bytes: u64,
    /// How often the store could not be opened in a row.
    failures: u32,
    /// Where that is told to the watch.
    watch: Sender<u32>,
}

struct InDoubt {
    group: Group,
    /// It stood whole in the journal that failed.
    was_found: bool,
}

impl Committer {
    pub(crate) fn new(
        settings: Settings,
        folder: Folder,
        shared: Arc<Shared>,
        disk: Arc<dyn Disk>,
        state: CommitterState,
        watch: Sender<u32>,
    ) -> Self {
        Self { settings, folder, shared, disk, state, in_doubt: None, unchecked_bytes: 0, failures: 0, watch }
    }

    /// Works until told to close or until no one is left who could ask, then closes the trees and lets go of the
    /// folder.
    pub(crate) fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let closed = loop {
            let Some(first) = requests.blocking_recv() else { break None };
            if let Some(closed) = self.serve(first, &mut requests) {
                break Some(closed);
            }
        };
        let reason = TreeError::Refused("store is closed".into());
        requests.close();
        let mut group = Group::after(&self.state);
        while let Some(late) = requests.blocking_recv() {
            // Closes again, or hears that it was not done.
            let _ = self.decide(late, &mut group, Err(&reason));
        }
        self.shared.shut(reason);
        drop(self);
        if let Some(closed) = closed {
            let _ = closed.send(());
        }
    }

    fn serve(&mut self, first: Request, requests: &mut mpsc::Receiver<Request>) -> Option<oneshot::Sender<()>> {
        self.look_at_room();
        let mut group = Group::after(&self.state);
        let mut answers = Vec::new();
        let mut closing = None;
        let mut is_due = false;
        // What is refused is answered at once, and whoever asked may be here again: a disk without room is looked at anew for each
        // request, and no group goes on for ever.
        let many = self.shared.check_room(Room::Ordinary).map_or(1, |()| GROUP_REQUESTS_MAX);
        self.shared.with_tree(|tree| {
            let mut next = Some(first);
            for more in (0..many).rev() {
                let Some(request) = next.take() else { break };
                match request {
                    Request::Close(done) => {
                        closing = Some(done);
                        break;
                    }
                    Request::OpenAgain => {
                        is_due = true;
                        break;
                    }
                    request => answers.extend(self.decide(request, &mut group, tree)),
                }
                if more > 0 && !group.is_full() {
                    next = requests.try_recv().ok();
                }
            }
        });
        let outcome = if group.is_empty() { Ok(()) } else { self.write(group) };
        for answer in answers {
            answer(outcome.clone());
        }
        if is_due && self.shared.with_tree(|tree| tree.is_err()) {
            self.open_again();
        }
        closing
    }

    /// Decides one request. What is refused is answered at once, what is accepted once the group is written.
    fn decide(&self, request: Request, group: &mut Group, tree: Result<&Tree, &TreeError>) -> Option<Answer> {
        match request {
            Request::Commit(commit, reply) => {
                let room = (!commit.is_read_only()).then_some(commit.room);
                let decided = self.usable(tree, room).and_then(|tree| group.commit(*commit, &self.state, tree));
                accept(decided, reply)
            }
            Request::Raise(name, reply) => {
                let decided = self.usable(tree, Some(Room::Ordinary)).map(|_| group.raise(name, &self.state));
                accept(decided, reply)
            }
            // A trim is the way out of a full disk.
            Request::Trim(before, reply) => accept(self.usable(tree, None).map(|_| group.trim(before)), reply),
            Request::BeginAt(floor, reply) => {
                let usable = self.usable(tree, Some(Room::Ordinary));
                accept(usable.and_then(|_| group.begin_at(&floor, &self.state)), reply)
            }
            Request::OpenAgain | Request::Close(_) => None,
        }
    }

    /// The trees, if they are open and the disk has the room, if any is needed.
    fn usable<'a>(&self, tree: Result<&'a Tree, &TreeError>, room: Option<Room>) -> Result<&'a Tree, CommitError> {
        let tree = tree.map_err(TreeError::clone)?;
        room.map_or(Ok(()), |room| self.shared.check_room(room))?;
        Ok(tree)
    }

    fn write(&mut self, group: Group) -> Result<(), CommitError> {
        self.unchecked_bytes += group.bytes() as u64;
        let written = self.shared.with_tree(|tree| {
            let tree = tree.map_err(|reason| TreeError::Refused(reason.to_string()))?;
            let refused = |error: std::io::Error| TreeError::Refused(error.to_string());
            self.disk.before_write().map_err(refused)?;
            group.write(tree)?;
            self.disk.after_write().map_err(refused)?;
            Ok::<_, TreeError>(tree.bound_write_buffers(self.settings.write_buffer_bytes))
        });
        match written {
            Ok(bounded) => {
                self.shared.publish(group.head.version);
                group.note(&mut self.state);
                self.shared.remembers(self.state.recent.len());
                if let Err(error) = bounded {
                    tracing::warn!(%error, "the newest writes stay in memory for now");
                }
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "a write failed, opening the store again");
                self.shared.look_at_room(&*self.disk, self.folder.path());
                self.shared.shut(TreeError::Refused("store is being opened again after a failed write".into()));
                self.in_doubt = Some(InDoubt { group, was_found: false });
                self.open_again();
                Err(CommitError::Ambiguous)
            }
        }
    }

    /// Opens the trees, or has the watch ask for it again.
    fn open_again(&mut self) {
        match self.opened() {
            Ok((tree, state)) => {
                tracing::warn!(version = state.head.version.0, "store is open again");
                self.shared.reopen(tree, state.head.version);
                self.state = state;
                self.in_doubt = None;
                self.failures = 0;
            }
            Err(error) => {
                tracing::error!(%error, "store cannot be opened again; it is tried again after a pause");
                self.shared.shut(error);
                self.failures = self.failures.saturating_add(1);
                // The watch lives as long as this thread.
                let _ = self.watch.send(self.failures);
            }
        }
    }

    /// Begins a journal and opens the trees. After a failed sync the kernel may have dropped what was to be synced, and say of
    /// the next sync that it went well: so the journal that failed is never written to again, and what is found in it of the
    /// group in doubt is written and synced once more before anyone reads it.
    fn opened(&mut self) -> Result<(Tree, CommitterState), TreeError> {
        self.disk.before_reopen().map_err(|error| TreeError::Refused(error.to_string()))?;
        let was_found = journal::begin_next(&self.folder.tree(), self.state.group)?;
        let (tree, mut state) = open_trees(&self.folder.tree(), &self.settings)?;
        if state.head != self.state.head || state.group != self.state.group {
            let (found, version) = (state.head.version.0, self.state.head.version.0);
            return Err(TreeError::Corrupt(format!(
                "acknowledged commits are gone found={found} acknowledged={version}"
            )));
        }
        if let Some(InDoubt { group, was_found: was_found_before }) = &mut self.in_doubt {
            *was_found_before |= was_found;
            if *was_found_before {
                group.write(&tree)?;
                group.note(&mut state);
            }
        }
        Ok((tree, state))
    }

    /// Looks at the free room when it was too small, and after so much was written.
    fn look_at_room(&mut self) {
        let is_due = self.unchecked_bytes >= self.settings.free_bytes_min / FREE_CHECKS;
        if is_due || self.shared.check_room(Room::Ordinary).is_err() {
            self.unchecked_bytes = 0;
            self.shared.look_at_room(&*self.disk, self.folder.path());
        }
    }
}

/// Verifies the journals, opens the trees and reads what the committer must know.
pub(crate) fn open_trees(path: &Path, settings: &Settings) -> Result<(Tree, CommitterState), TreeError> {
    let scan = journal::scan(path)?;
    journal::cut_torn(&scan).map_err(|error| TreeError::Refused(error.to_string()))?;
    let tree = Tree::open(path, settings)?;
    let state = crate::tree::contained(|| {
        let at = tree.instant();
        let (head, group) = (tree.head(&at)?, tree.group(&at)?);
        let fences = tree.fences(&at)?.into_iter().collect();
        Ok::<_, TreeError>(CommitterState {
            head,
            group,
            fences,
            recent: Recent::new(settings.recent_writes, head.version),
        })
    })?;
    check_read(&scan, &state)?;
    Ok((tree, state))
}

/// Whether the storage engine has read the journals to their end.
fn check_read(scan: &Scan, state: &CommitterState) -> Result<(), TreeError> {
    let is_behind = scan.version.is_some_and(|version| state.head.version.0 < version)
        || scan.mark.is_some_and(|mark| state.group != mark.group);
    if is_behind {
        let (found, group) = (state.head.version.0, state.group);
        return Err(TreeError::Corrupt(format!(
            "the journals were not read to their end version={found} group={group}"
        )));
    }
    Ok(())
}

fn accept<T: Send + 'static>(decided: Result<T, CommitError>, reply: Reply<T>) -> Option<Answer> {
    match decided {
        Ok(value) => Some(Box::new(move |outcome| {
            let _ = reply.send(outcome.map(|()| value));
        })),
        Err(error) => {
            let _ = reply.send(Err(error));
            None
        }
    }
}

/// The limits, and the form of a floor, which is checked before it reaches the committer.
pub(crate) fn check_floor(floor: &Floor) -> Result<(), CommitError> {
    if floor.feed.iter().any(|head| head.shard.0 >= LIMITS.shards || head.first == Seq(0)) {
        return Err(CommitError::Invalid("feed floor of no shard or before the first row"));
    }
    if floor.version == Version(0) && floor.feed.iter().any(|head| head.first != Seq(1)) {
        return Err(CommitError::Invalid("feed floor without a version"));
    }
    Ok(())
}
