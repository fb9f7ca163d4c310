//! What lanes remember of the records that they wrote or read last, decoded, with their versions: each its own, all within one budget of the
//! process.
//!
//! A lane may use what others do not. When all together are over the budget, the one that remembers most forgets first, so that a workspace
//! that is flooded takes room from itself and not from those that remember little.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use quick_cache::Weighter;
use quick_cache::unsync::Cache;
use tessera_engine::cluster::Cluster;
use tessera_engine::fact::Identity;
use tessera_engine::heap::Heap as _;
use tessera_engine::id::NodeId;
use tessera_engine::working::IdentityRow;
use tessera_store::Version;

use crate::base::held::place;
use crate::base::lock::lock;

/// Entries that a cache expects: it remembers of half as many, by their hashes, that they were there.
const ITEMS: usize = 1 << 16;
/// Of the budget, so much is made free at once.
const FREED: u64 = 64;
/// A lane that remembers less forgets all of it.
const LEAST: u64 = 64 << 10;

#[derive(Clone)]
struct ByBytes;

/// A record that is remembered.
struct Remembered {
    cluster: Arc<Cluster>,
    version: Version,
    /// What it holds. It is counted once: a cache asks for it again and again.
    bytes: u64,
}

impl Weighter<NodeId, Remembered> for ByBytes {
    fn weight(&self, _: &NodeId, remembered: &Remembered) -> u64 {
        remembered.bytes
    }
}

impl Weighter<Identity, (IdentityRow, Version)> for ByBytes {
    fn weight(&self, identity: &Identity, _: &(IdentityRow, Version)) -> u64 {
        (PLACE_OF_IDENTITY + identity.heap_bytes()) as u64
    }
}

const PLACE_OF_RECORD: usize = place(size_of::<(NodeId, Remembered)>());
const PLACE_OF_IDENTITY: usize = place(size_of::<(Identity, IdentityRow, Version)>());

/// The memories of all lanes. Finding the largest is linear in lanes, once in a [`FREED`]th of the budget.
pub(crate) struct Memories {
    bytes_max: u64,
    used: AtomicU64,
    next: AtomicU64,
    lanes: Mutex<HashMap<u64, Arc<Slot>>>,
}

struct Slot {
    /// What the budget counts of it.
    weight: AtomicU64,
    kept: Mutex<Kept>,
}

struct Kept {
    clusters: Cache<NodeId, Remembered, ByBytes>,
    identities: Cache<Identity, (IdentityRow, Version), ByBytes>,
}

impl Memories {
    /// So many bytes for all lanes together.
    pub(crate) fn new(bytes_max: u64) -> Arc<Self> {
        Arc::new(Self { bytes_max, used: AtomicU64::new(0), next: AtomicU64::new(0), lanes: Mutex::default() })
    }

    /// A memory that is empty.
    pub(super) fn memory(self: &Arc<Self>) -> Memory {
        let slot = Arc::new(Slot { weight: AtomicU64::new(0), kept: Mutex::new(Kept::new(self.bytes_max)) });
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.lanes).insert(number, slot.clone());
        Memory { all: Arc::clone(self), number, slot }
    }

    /// The weight of a slot has become this one.
    fn weigh(&self, slot: &Slot, weight: u64) {
        let before = slot.weight.swap(weight, Ordering::AcqRel);
        self.used.fetch_add(weight.wrapping_sub(before), Ordering::AcqRel);
    }

    /// Has those forget that remember most, until all are within the budget.
    fn make_room(&self) {
        let lanes = lock(&self.lanes);
        while self.used.load(Ordering::Acquire) > self.bytes_max {
            let largest = lanes.values().max_by_key(|slot| slot.weight.load(Ordering::Acquire));
            let Some(slot) = largest.filter(|slot| slot.weight.load(Ordering::Acquire) > 0) else { return };
            let excess = self.used.load(Ordering::Acquire).saturating_sub(self.bytes_max);
            let mut kept = lock(&slot.kept);
            kept.forget(excess.max(self.bytes_max / FREED), self.bytes_max);
            self.weigh(slot, kept.weight());
        }
    }

    /// Bytes that are remembered now.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }
}

impl Kept {
    /// An eighth of the bytes for identity rows.
    fn new(bytes: u64) -> Self {
        Self {
            clusters: Cache::with_weighter(ITEMS, bytes - bytes / 8, ByBytes),
            identities: Cache::with_weighter(ITEMS, bytes / 8, ByBytes),
        }
    }

    fn weight(&self) -> u64 {
        self.clusters.weight() + self.identities.weight()
    }

    /// Forgets at least so many bytes, if there are as many, of both in proportion.
    fn forget(&mut self, bytes: u64, bytes_max: u64) {
        let whole = self.weight();
        let Some(rest) = whole.checked_sub(bytes).filter(|rest| *rest >= LEAST) else {
            *self = Self::new(bytes_max);
            return;
        };
        let part = |own: u64| u64::try_from(u128::from(own) * u128::from(rest) / u128::from(whole)).unwrap_or(0);
        self.clusters.set_capacity(part(self.clusters.weight()));
        self.clusters.set_capacity(bytes_max - bytes_max / 8);
        self.identities.set_capacity(part(self.identities.weight()));
        self.identities.set_capacity(bytes_max / 8);
    }
}

/// What one lane remembers.
pub(super) struct Memory {
    all: Arc<Memories>,
    number: u64,
    slot: Arc<Slot>,
}

impl Memory {
    pub(super) fn cluster(&self, id: NodeId) -> Option<(Arc<Cluster>, Version)> {
        lock(&self.slot.kept).clusters.get(&id).map(|own| (own.cluster.clone(), own.version))
    }

    pub(super) fn identity(&self, identity: &Identity) -> Option<(IdentityRow, Version)> {
        lock(&self.slot.kept).identities.get(identity).cloned()
    }

    pub(super) fn keep_cluster(&mut self, id: NodeId, cluster: Arc<Cluster>, version: Version) {
        let bytes = (PLACE_OF_RECORD + cluster.heap_bytes()) as u64;
        self.change(|kept| kept.clusters.insert(id, Remembered { cluster, version, bytes }));
    }

    pub(super) fn keep_identity(&mut self, identity: Identity, row: IdentityRow, version: Version) {
        self.change(|kept| kept.identities.insert(identity, (row, version)));
    }

    pub(super) fn drop_cluster(&mut self, id: NodeId) {
        self.change(|kept| drop(kept.clusters.remove(&id)));
    }

    pub(super) fn drop_identity(&mut self, identity: &Identity) {
        self.change(|kept| drop(kept.identities.remove(identity)));
    }

    fn change(&mut self, change: impl FnOnce(&mut Kept)) {
        let mut kept = lock(&self.slot.kept);
        change(&mut kept);
        self.all.weigh(&self.slot, kept.weight());
        drop(kept);
        if self.all.used.load(Ordering::Acquire) > self.all.bytes_max {
            self.all.make_room();
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // Whoever makes room holds this lock, so nothing is weighed afterwards.
        lock(&self.all.lanes).remove(&self.number);
        self.all.weigh(&self.slot, 0);
    }
}

#[cfg(test)]
mod tests;
