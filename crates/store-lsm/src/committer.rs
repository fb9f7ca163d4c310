//! The committer: one thread that owns all writing.
//!
//! It takes what is waiting, decides it in order as one group, writes and syncs the group once, publishes it, and
//! answers. While it syncs, the next group gathers in its queue: that is the whole of group commit.

use std::path::Path;
use std::sync::Arc;

use tessera_store::{Commit, CommitError, Committed, Epoch, FenceName, Floor, Seq, Version};
use tokio::sync::{mpsc, oneshot};

use crate::disk::Disk;
use crate::folder::Folder;
use crate::group::{Group, Standing};
use crate::recent::Recent;
use crate::settings::Settings;
use crate::shared::{LIMITS, Shared};
use crate::tree::{Tree, TreeError};

/// Free room is looked at again after so many bytes, in parts of the room that must stay free.
const FREE_CHECKS: u64 = 16;

/// What the committer can be asked for.
pub(crate) enum Request {
    Commit(Box<Commit>, Reply<Committed>),
    Raise(FenceName, Reply<Epoch>),
    /// Answers whether all of it is done.
    Trim(Seq, Reply<bool>),
    BeginAt(Floor, Reply<()>),
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
    standing: Standing,
    /// A group whose write failed, until the store is open again.
    in_doubt: Option<Group>,
    room: Room,
}

/// What is known of the free room on the disk.
struct Room {
    is_low: bool,
    unchecked_bytes: u64,
}

impl Committer {
    pub(crate) fn new(
        settings: Settings,
        folder: Folder,
        shared: Arc<Shared>,
        disk: Arc<dyn Disk>,
        standing: Standing,
    ) -> Self {
        Self {
            settings,
            folder,
            shared,
            disk,
            standing,
            in_doubt: None,
            room: Room { is_low: true, unchecked_bytes: 0 },
        }
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
        let mut group = Group::new(self.standing.head);
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
        self.ensure_open();
        self.check_room();
        let mut group = Group::new(self.standing.head);
        let mut answers = Vec::new();
        let mut closing = None;
        self.shared.with_tree(|tree| {
            let mut next = Some(first);
            while let Some(request) = next.take() {
                if let Request::Close(done) = request {
                    closing = Some(done);
                    break;
                }
                answers.extend(self.decide(request, &mut group, tree));
                // While the store is shut, each request is a try of its own to open it.
                if tree.is_ok() && !group.is_full() {
                    next = requests.try_recv().ok();
                }
            }
        });
        let outcome = if group.is_empty() { Ok(()) } else { self.write(group) };
        for answer in answers {
            answer(outcome.clone());
        }
        closing
    }

    /// Decides one request. What is refused is answered at once, what is accepted once the group is written.
    fn decide(&self, request: Request, group: &mut Group, tree: Result<&Tree, &TreeError>) -> Option<Answer> {
        match request {
            Request::Commit(commit, reply) => {
                let needs_room = !commit.is_read_only();
                let decided =
                    self.usable(tree, needs_room).and_then(|tree| group.commit(*commit, &self.standing, tree));
                accept(decided, reply)
            }
            Request::Raise(name, reply) => {
                accept(self.usable(tree, true).map(|_| group.raise(name, &self.standing)), reply)
            }
            // A trim is the way out of a full disk.
            Request::Trim(before, reply) => accept(self.usable(tree, false).map(|_| group.trim(before)), reply),
            Request::BeginAt(floor, reply) => {
                accept(self.usable(tree, true).and_then(|_| group.begin_at(&floor, &self.standing)), reply)
            }
            Request::Close(_) => None,
        }
    }

    fn usable<'a>(&self, tree: Result<&'a Tree, &TreeError>, needs_room: bool) -> Result<&'a Tree, CommitError> {
        let tree = tree.map_err(|reason| match reason {
            TreeError::Corrupt(reason) => CommitError::Corrupt(reason.clone()),
            TreeError::Refused(reason) => CommitError::Unavailable(reason.clone()),
        })?;
        if needs_room && self.room.is_low {
            return Err(CommitError::Unavailable(format!(
                "the disk has too little free room free_bytes_min={}",
                self.settings.free_bytes_min
            )));
        }
        Ok(tree)
    }

    fn write(&mut self, group: Group) -> Result<(), CommitError> {
        self.room.unchecked_bytes += group.bytes() as u64;
        let written = self.shared.with_tree(|tree| {
            let tree = tree.map_err(|reason| TreeError::Refused(reason.to_string()))?;
            let refused = |error: std::io::Error| TreeError::Refused(error.to_string());
            self.disk.before_write().map_err(refused)?;
            group.write(tree)?;
            self.disk.after_write().map_err(refused)
        });
        match written {
            Ok(()) => {
                self.shared.publish(group.head.version);
                group.settle(&mut self.standing);
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "a write failed, opening the store again");
                self.room.is_low = true;
                self.shared.shut(TreeError::Refused("store is being opened again after a failed write".into()));
                self.in_doubt = Some(group);
                self.open_again();
                Err(CommitError::Ambiguous)
            }
        }
    }

    /// Tries again to open a store that could not be opened after a failed write.
    fn ensure_open(&mut self) {
        if self.shared.with_tree(|tree| tree.is_err()) {
            self.open_again();
        }
    }

    /// Opens the trees. What is found of a group in doubt may have come from memory that the failed sync never
    /// brought to disk, so it is written and synced once more before anyone reads it.
    fn open_again(&mut self) {
        let opened = open(&self.folder.tree(), &self.settings, self.disk.as_ref()).and_then(|(tree, standing)| {
            match &self.in_doubt {
                Some(group) if standing.head == group.head => group.write(&tree)?,
                Some(_) | None => {}
            }
            Ok((tree, standing))
        });
        match opened {
            Ok((tree, standing)) => {
                tracing::warn!(version = standing.head.version.0, "store is open again");
                self.shared.reopen(tree, standing.head.version);
                self.standing = standing;
                self.in_doubt = None;
            }
            Err(error) => {
                tracing::error!(%error, "store cannot be opened again");
                self.shared.shut(error);
            }
        }
    }

    fn check_room(&mut self) {
        let is_due = self.room.unchecked_bytes >= self.settings.free_bytes_min / FREE_CHECKS;
        if !self.room.is_low && !is_due {
            return;
        }
        self.room.unchecked_bytes = 0;
        self.room.is_low = match self.disk.free_bytes(self.folder.path()) {
            Ok(free) => free < self.settings.free_bytes_min,
            Err(error) => {
                tracing::warn!(%error, "free room on the disk is unknown");
                false
            }
        };
    }
}

/// Opens the trees and reads what the committer must know.
pub(crate) fn open_trees(path: &Path, settings: &Settings) -> Result<(Tree, Standing), TreeError> {
    let tree = Tree::open(path, settings)?;
    let standing = crate::tree::contained(|| {
        let at = tree.instant();
        let head = tree.head(&at)?;
        let fences = tree.fences(&at)?.into_iter().collect();
        Ok::<_, TreeError>(Standing { head, fences, recent: Recent::new(settings.recent_writes, head.version) })
    })?;
    Ok((tree, standing))
}

fn open(path: &Path, settings: &Settings, disk: &dyn Disk) -> Result<(Tree, Standing), TreeError> {
    disk.before_reopen().map_err(|error| TreeError::Refused(error.to_string()))?;
    open_trees(path, settings)
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
