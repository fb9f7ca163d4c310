//! What the readers and the committer share: the open trees, and how far the commits have got.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use tessera_store::{Health, Limits, ReadError, Room, Version};

use crate::disk::Disk;
use crate::settings::Settings;
use crate::store::{Files, Held};
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
    /// Free room on the disk as it was last looked at; all ones while it is not known.
    free_bytes: AtomicU64,
    free_bytes_min: u64,
    free_bytes_reserve: u64,
    /// Somebody has read what is damaged.
    met_damage: AtomicBool,
    /// Recent writes that the committer remembers.
    recent_writes: AtomicU64,
}

enum Slot {
    Open { tree: Tree, generation: u64 },
    Shut { reason: TreeError, generation: u64 },
}

impl Shared {
    pub(crate) fn new(tree: Tree, version: Version, settings: &Settings) -> Self {
        Self {
            slot: RwLock::new(Slot::Open { tree, generation: 0 }),
            published: AtomicU64::new(version.0),
            free_bytes: AtomicU64::new(u64::MAX),
            free_bytes_min: settings.free_bytes_min,
            free_bytes_reserve: settings.free_bytes_reserve.min(settings.free_bytes_min),
            met_damage: AtomicBool::new(false),
            recent_writes: AtomicU64::new(0),
        }
    }

    /// Looks at the free room on the disk. What cannot be found out does not hold up writes.
    pub(crate) fn look_at_room(&self, disk: &dyn Disk, path: &Path) {
        let free_bytes = disk.free_bytes(path).unwrap_or_else(|error| {
            tracing::warn!(%error, "free room on the disk is unknown");
            u64::MAX
        });
        self.free_bytes.store(free_bytes, Ordering::Release);
    }

    /// Whether a read has met damage since this was asked before.
    pub(crate) fn take_damage(&self) -> bool {
        self.met_damage.swap(false, Ordering::AcqRel)
    }

    /// Free room on the disk as it was last looked at, if it is known.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        Some(self.free_bytes.load(Ordering::Acquire)).filter(|free_bytes| *free_bytes != u64::MAX)
    }

    /// The committer remembers so many recent writes.
    pub(crate) fn remembers(&self, recent_writes: usize) {
        self.recent_writes.store(recent_writes as u64, Ordering::Relaxed);
    }

    /// What the store holds in memory; of trees that are not open, nothing.
    pub(crate) fn held(&self) -> Held {
        let recent_writes = self.recent_writes.load(Ordering::Relaxed) * Settings::RECENT_WRITE_BYTES;
        let of_trees = self.with_tree(|tree| tree.map(Tree::held).unwrap_or_default());
        Held { recent_writes, ..of_trees }
    }

    /// What the store has on disk; none while the trees are not open.
    pub(crate) fn files(&self) -> Option<Files> {
        self.with_tree(|tree| tree.map(Tree::files).ok())
    }

    /// Refuses what finds too little room on the disk.
    pub(crate) fn check_room(&self, room: Room) -> Result<(), TreeError> {
        let needed_bytes = match room {
            Room::Ordinary => self.free_bytes_min,
            Room::Reserve => self.free_bytes_reserve,
        };
        match self.free_bytes() {
            Some(free_bytes) if free_bytes < needed_bytes => Err(TreeError::Full { free_bytes, needed_bytes }),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether it takes work.
    pub(crate) fn health(&self) -> Health {
        match &*self.slot.read().unwrap_or_else(PoisonError::into_inner) {
            Slot::Shut { .. } => Health::Shut,
            Slot::Open { .. } if self.check_room(Room::Ordinary).is_err() => Health::Full,
            Slot::Open { .. } => Health::Open,
        }
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
            Slot::Open { tree, generation } => {
                let found = contained(|| read(tree, *generation));
                if let Err(ReadError::Corrupt(_)) = found {
                    self.met_damage.store(true, Ordering::Release);
                }
                found
            }
            Slot::Shut { reason, .. } => Err(reason.clone().into()),
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
