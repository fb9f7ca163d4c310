//! What the readers and the committer share: the open trees, and how far the commits have got.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use tessera_store::{Limits, ReadError, Version};

use crate::tree::{Tree, TreeError, contained};

/// The limits that this store declares.
pub(crate) const LIMITS: Limits = Limits::EMBEDDED;

/// Trees that are kept open from outside the slot. While one is held, the folder cannot be opened again.
pub(crate) struct Opened {
    pub(crate) tree: Tree,
    generation: u64,
}

/// The trees, when they are open. Readers hold the lock for one read, never across an await.
pub(crate) struct Shared {
    slot: RwLock<Slot>,
    published: AtomicU64,
}

enum Slot {
    Open { tree: Tree, generation: u64 },
    Shut { reason: TreeError, generation: u64 },
}

impl Shared {
    pub(crate) fn new(tree: Tree, version: Version) -> Self {
        Self { slot: RwLock::new(Slot::Open { tree, generation: 0 }), published: AtomicU64::new(version.0) }
    }

    /// A version that every read which starts now sees.
    pub(crate) fn published(&self) -> Version {
        Version(self.published.load(Ordering::Acquire))
    }

    /// Called when everything up to this version is readable.
    pub(crate) fn publish(&self, version: Version) {
        self.published.store(version.0, Ordering::Release);
    }

    /// Reads inline. `read` also gets the generation of the trees, which moves when they are opened again.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Tree, u64) -> Result<T, ReadError>) -> Result<T, ReadError> {
        match &*self.slot.read().unwrap_or_else(PoisonError::into_inner) {
            Slot::Open { tree, generation } => contained(|| read(tree, *generation)),
            Slot::Shut { reason, .. } => Err(match reason {
                TreeError::Corrupt(reason) => ReadError::Corrupt(reason.clone()),
                TreeError::Refused(reason) => ReadError::Unavailable(reason.clone()),
            }),
        }
    }

    /// The trees for the committer, which alone may shut them, or why there are none.
    pub(crate) fn with_tree<T>(&self, work: impl FnOnce(Result<&Tree, &TreeError>) -> T) -> T {
        match &*self.slot.read().unwrap_or_else(PoisonError::into_inner) {
            Slot::Open { tree, .. } => work(Ok(tree)),
            Slot::Shut { reason, .. } => work(Err(reason)),
        }
    }

    /// The trees, for work that lasts longer than a read may.
    pub(crate) fn clone_tree(&self) -> Result<Opened, TreeError> {
        match &*self.slot.read().unwrap_or_else(PoisonError::into_inner) {
            Slot::Open { tree, generation } => Ok(Opened { tree: tree.clone(), generation: *generation }),
            Slot::Shut { reason, .. } => Err(TreeError::Refused(reason.to_string())),
        }
    }

    /// Whether these are still the trees that are open.
    pub(crate) fn is_open(&self, opened: &Opened) -> bool {
        match &*self.slot.read().unwrap_or_else(PoisonError::into_inner) {
            Slot::Open { generation, .. } => *generation == opened.generation,
            Slot::Shut { .. } => false,
        }
    }

    /// Takes the trees away. Waits for the reads that are under way, and returns when the files are closed.
    pub(crate) fn shut(&self, reason: TreeError) {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        let generation = match &*slot {
            Slot::Open { generation, .. } => generation + 1,
            Slot::Shut { generation, .. } => *generation,
        };
        let old = std::mem::replace(&mut *slot, Slot::Shut { reason, generation });
        drop(slot);
        drop(old);
    }

    /// Puts freshly opened trees in the place of those that were shut.
    pub(crate) fn reopen(&self, tree: Tree, version: Version) {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        let generation = match &*slot {
            Slot::Open { generation, .. } | Slot::Shut { generation, .. } => *generation,
        };
        self.publish(version);
        *slot = Slot::Open { tree, generation };
    }
}
