//! What running workspaces hold beside the caches: configurations, compiled, and what was seen of attributes and events. Each says how much
//! it is, about; together they have a bound, beyond which those that were not used for longest end before their time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Tasks, channels and an empty configuration.
const AROUND: u64 = 64 << 10;
/// What a stored byte of a configuration becomes: trees of rules, plans, indexes, names.
const OF_STORED: u64 = 16;
/// One thing that was seen, with its name and datasets.
const OF_SEEN: u64 = 512;

/// What all of them hold.
pub(crate) struct Weights {
    held: AtomicU64,
    max: u64,
}

impl Weights {
    /// So many bytes in all.
    pub(crate) fn new(max: u64) -> Arc<Self> {
        Arc::new(Self { held: AtomicU64::new(0), max })
    }

    /// A workspace that has just begun.
    pub(crate) fn weight(self: &Arc<Self>) -> Weight {
        self.held.fetch_add(AROUND, Ordering::AcqRel);
        Weight { all: Arc::clone(self), own: AtomicU64::new(AROUND) }
    }

    /// Bytes that they hold now.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Ordering::Acquire)
    }

    /// Whether they hold more than they may.
    pub(crate) fn is_over(&self) -> bool {
        self.held.load(Ordering::Acquire) > self.max
    }
}

/// What one workspace holds, until this is dropped.
pub(crate) struct Weight {
    all: Arc<Weights>,
    own: AtomicU64,
}

impl Weight {
    /// It has a configuration of so many stored bytes, and has seen so many things.
    pub(super) fn set(&self, stored_bytes: usize, seen: usize) {
        let weight = AROUND + OF_STORED * stored_bytes as u64 + OF_SEEN * seen as u64;
        let before = self.own.swap(weight, Ordering::AcqRel);
        self.all.held.fetch_add(weight.wrapping_sub(before), Ordering::AcqRel);
    }

    /// Whether all together hold more than they may.
    pub(crate) fn is_over(&self) -> bool {
        self.all.is_over()
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.all.held.fetch_sub(self.own.load(Ordering::Acquire), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_given_back() {
        let all = Weights::new(AROUND * 2);
        let (one, other) = (all.weight(), all.weight());
        assert!(!one.is_over());
        one.set(1_000, 0);
        assert!(other.is_over(), "a configuration is part of it");
        one.set(0, 1);
        assert!(other.is_over(), "and so is what was seen");
        one.set(0, 0);
        assert!(!other.is_over());
        drop((one, other));
        assert_eq!(all.held.load(Ordering::Acquire), 0);
    }
}
