//! The versions of recently written keys, so that most expectations are checked without reading.
//!
//! Keys are remembered by hash. Whoever asks promises to have seen what it expects at or after the horizon, so two
//! keys of one hash cannot mislead: no entry means that neither was written since, and an entry with the expected
//! version means that nothing was written after that commit, which the promise says wrote the key. Every other answer
//! sends the asker to the disk.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use tessera_store::{Expect, Key, Version};

/// What the table knows of an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It holds.
    Holds,
    /// The table cannot tell.
    Unknown,
}

/// A bounded table of the latest writes.
#[derive(Debug)]
pub(crate) struct Recent {
    capacity: usize,
    horizon: Version,
    latest: HashMap<u64, Version, BuildHasherDefault<Identity>>,
    order: VecDeque<(u64, Version)>,
}

impl Recent {
    /// An empty table of a store whose last commit is `head`.
    pub(crate) fn new(capacity: usize, head: Version) -> Self {
        Self { capacity, horizon: head, latest: HashMap::default(), order: VecDeque::new() }
    }

    /// Writes that it remembers.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Notes that the commit of this version wrote or deleted the key. Versions come in order.
    pub(crate) fn note(&mut self, key: &Key, version: Version) {
        let hash = hash_of(key);
        self.latest.insert(hash, version);
        self.order.push_back((hash, version));
        while self.order.len() > self.capacity {
            let Some((hash, version)) = self.order.pop_front() else { break };
            self.horizon = self.horizon.max(version);
            if self.latest.get(&hash) == Some(&version) {
                self.latest.remove(&hash);
            }
        }
    }

    /// Whether the expectation, seen at `as_of` or later, is known to hold.
    pub(crate) fn check(&self, key: &Key, expect: Expect, as_of: Version) -> Known {
        if as_of < self.horizon {
            return Known::Unknown;
        }
        match (self.latest.get(&hash_of(key)), expect) {
            (None, Expect::Absent | Expect::Version(_)) => Known::Holds,
            (Some(written), Expect::Version(expected)) if *written == expected => Known::Holds,
            (Some(written), Expect::Absent | Expect::Version(_)) if *written <= as_of => Known::Holds,
            (Some(_), Expect::Absent | Expect::Version(_)) => Known::Unknown,
        }
    }
}

fn hash_of(key: &Key) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// The keys of the table are hashes already.
#[derive(Debug, Default)]
pub(crate) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[cfg(test)]
mod tests;
