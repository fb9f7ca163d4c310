//! The mini-transaction: what it holds, when it is well formed, how it is answered.

use std::collections::HashSet;
use std::fmt;

use bytes::Bytes;

use crate::types::{Epoch, FenceName, Key, Seq, Shard, Token, Version};

/// What a commit expects of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The key still has this version.
    Version(Version),
    /// The key is not there. Only for keys that the same commit puts: an absent key that is merely read cannot be
    /// protected by every engine.
    Absent,
}

/// A fence that the commit must still hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// Which fence.
    pub name: FenceName,
    /// The epoch that [`Store::raise`](crate::Store::raise) answered to this writer.
    pub epoch: Epoch,
}

/// Down to where a commit may use the room that is left on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Room {
    /// Down to the floor, as writes in general.
    #[default]
    Ordinary,
    /// Into the reserve below it: for what takes away, which must go on when nothing else does.
    Reserve,
}

/// A mini-transaction. Build it with the methods or fill the fields; [`Commit::check`] says whether it is well formed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// What must still hold. A key may be named once.
    pub expect: Vec<(Key, Expect)>,
    /// Keys to write. A key may be named once, and not in `del`.
    pub put: Vec<(Key, Bytes)>,
    /// Keys to delete; one that is absent is no error.
    pub del: Vec<Key>,
    /// Rows appended to the feed, in this order.
    pub feed: Vec<(Shard, Bytes)>,
    /// A row that must be absent and is written with the rest. It is looked at before anything else, so that a commit
    /// sent again after an ambiguous answer hears `Conflict` with this key exactly when it had happened.
    pub idempotency: Option<(Key, Bytes)>,
    /// A fence that this writer must still hold.
    pub fence: Option<Fence>,
    /// A hint that spares reads: the caller promises that every expectation was seen at this instant or later.
    pub as_of: Option<Version>,
    /// How full a disk may be for it.
    pub room: Room,
}

impl Commit {
    /// An empty commit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Expects a key to have this version.
    #[must_use]
    pub fn expect_version(mut self, key: impl Into<Key>, version: Version) -> Self {
        self.expect.push((key.into(), Expect::Version(version)));
        self
    }

    /// Expects a key, which this commit also puts, to be absent.
    #[must_use]
    pub fn expect_absent(mut self, key: impl Into<Key>) -> Self {
        self.expect.push((key.into(), Expect::Absent));
        self
    }

    /// Puts a key.
    #[must_use]
    pub fn put(mut self, key: impl Into<Key>, value: impl Into<Bytes>) -> Self {
        self.put.push((key.into(), value.into()));
        self
    }

    /// Puts a key that must be absent.
    #[must_use]
    pub fn create(self, key: impl Into<Key>, value: impl Into<Bytes>) -> Self {
        let key = key.into();
        self.expect_absent(key.clone()).put(key, value)
    }

    /// Puts a key that must still have this version.
    #[must_use]
    pub fn replace(self, key: impl Into<Key>, version: Version, value: impl Into<Bytes>) -> Self {
        let key = key.into();
        self.expect_version(key.clone(), version).put(key, value)
    }

    /// Deletes a key.
    #[must_use]
    pub fn delete(mut self, key: impl Into<Key>) -> Self {
        self.del.push(key.into());
        self
    }

    /// Appends a row to the first shard of the feed.
    #[must_use]
    pub fn feed(mut self, payload: impl Into<Bytes>) -> Self {
        self.feed.push((Shard::ZERO, payload.into()));
        self
    }

    /// Sets the idempotency row.
    #[must_use]
    pub fn idempotency(mut self, key: impl Into<Key>, value: impl Into<Bytes>) -> Self {
        self.idempotency = Some((key.into(), value.into()));
        self
    }

    /// Sets the fence.
    #[must_use]
    pub fn fenced(mut self, name: FenceName, epoch: Epoch) -> Self {
        self.fence = Some(Fence { name, epoch });
        self
    }

    /// Sets the hint.
    #[must_use]
    pub fn as_of(mut self, as_of: Version) -> Self {
        self.as_of = Some(as_of);
        self
    }

    /// Lets it into the reserve.
    #[must_use]
    pub fn with_reserve(mut self) -> Self {
        self.room = Room::Reserve;
        self
    }

    /// How many operations count towards [`Limits::ops`]: expectations, puts, deletes, feed rows, the idempotency row.
    #[must_use]
    pub fn ops(&self) -> usize {
        self.expect.len() + self.put.len() + self.del.len() + self.feed.len() + usize::from(self.idempotency.is_some())
    }

    /// How many bytes count towards [`Limits::bytes`]: the keys and values of all operations.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let pair = |(key, value): &(Key, Bytes)| key.len() + value.len();
        self.expect.iter().map(|(key, _)| key.len()).sum::<usize>()
            + self.put.iter().map(pair).sum::<usize>()
            + self.del.iter().map(Key::len).sum::<usize>()
            + self.feed.iter().map(|(_, payload)| payload.len()).sum::<usize>()
            + self.idempotency.as_ref().map_or(0, pair)
    }

    /// Whether the commit writes nothing.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.put.is_empty() && self.del.is_empty() && self.feed.is_empty() && self.idempotency.is_none()
    }

    /// Whether the commit is well formed and within the limits: the part of its answer that needs no store.
    /// Limits are looked at before form, and the cheap ones first.
    pub fn check(&self, limits: &Limits) -> Result<(), CommitError> {
        self.check_limits(limits)?;
        self.check_form(limits.shards)
    }

    fn check_limits(&self, limits: &Limits) -> Result<(), CommitError> {
        let too_large = |size: usize, what: Limit, limit: usize| {
            if size > limit { Err(CommitError::TooLarge { what, limit }) } else { Ok(()) }
        };
        too_large(self.ops(), Limit::Ops, limits.ops)?;
        for key in self.keys() {
            too_large(key.len(), Limit::Key, limits.key)?;
        }
        if let Some(fence) = &self.fence {
            too_large(fence.name.as_bytes().len(), Limit::Key, limits.key)?;
        }
        let values = self.put.iter().chain(&self.idempotency).map(|(_, value)| value);
        for value in values.chain(self.feed.iter().map(|(_, payload)| payload)) {
            too_large(value.len(), Limit::Value, limits.value)?;
        }
        too_large(self.bytes(), Limit::Bytes, limits.bytes)
    }

    fn check_form(&self, shards: u16) -> Result<(), CommitError> {
        if self.keys().any(Key::is_empty) {
            return Err(CommitError::Invalid("empty key"));
        }
        if self.fence.as_ref().is_some_and(|fence| fence.name.as_bytes().is_empty()) {
            return Err(CommitError::Invalid("empty fence name"));
        }
        if self.feed.iter().any(|(shard, _)| shard.0 >= shards) {
            return Err(CommitError::Invalid("unknown feed shard"));
        }
        let mut written = HashSet::with_capacity(self.put.len() + self.del.len() + 1);
        let all_written = self.put.iter().chain(&self.idempotency).map(|(key, _)| key).chain(&self.del);
        for key in all_written {
            if !written.insert(key) {
                return Err(CommitError::Invalid("key written twice"));
            }
        }
        let idempotency = self.idempotency.as_ref().map(|(key, _)| key);
        let put: HashSet<&Key> = self.put.iter().map(|(key, _)| key).collect();
        let mut expected = HashSet::with_capacity(self.expect.len());
        for (key, expect) in &self.expect {
            if !expected.insert(key) {
                return Err(CommitError::Invalid("key expected twice"));
            }
            if Some(key) == idempotency {
                return Err(CommitError::Invalid("idempotency key also expected"));
            }
            if *expect == Expect::Absent && !put.contains(key) {
                return Err(CommitError::Invalid("absent expected of a key that is not put"));
            }
        }
        Ok(())
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        let expected = self.expect.iter().map(|(key, _)| key);
        expected.chain(self.put.iter().chain(&self.idempotency).map(|(key, _)| key)).chain(&self.del)
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commit")
            .field("expect", &self.expect.len())
            .field("put", &self.put.len())
            .field("del", &self.del.len())
            .field("feed", &self.feed.len())
            .field("idempotency", &self.idempotency.is_some())
            .field("fence", &self.fence)
            .field("as_of", &self.as_of)
            .field("room", &self.room)
            .finish()
    }
}

/// A commit that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The version of every key it wrote. For a commit that wrote nothing: the present version.
    pub version: Version,
    /// The positions of its feed rows, in the order of [`Commit::feed`].
    pub feed: Vec<Seq>,
}

impl Committed {
    /// What a later read needs in order to see this commit.
    #[must_use]
    pub fn token(&self) -> Token {
        Token::new(self.version)
    }
}

/// Why a commit has not happened, or may not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// This key is not as expected. Nothing was written. Read it again before trying again.
    #[error("commit conflict")]
    Conflict(Key),
    /// It may have happened. Only the commit's own idempotency row, or reading again, can tell.
    #[error("commit outcome unknown")]
    Ambiguous,
    /// The fence was raised by someone else. Nothing was written, and this writer must stop.
    #[error("commit fenced")]
    Fenced,
    /// The commit is over a limit of this store. Nothing was written.
    #[error("commit too large what={what} limit={limit}")]
    TooLarge {
        /// Which limit.
        what: Limit,
        /// Its value.
        limit: usize,
    },
    /// The disk has too little free room. Nothing was written; reads go on.
    #[error("disk full free_bytes={free_bytes} needed_bytes={needed_bytes}")]
    Full {
        /// What is free.
        free_bytes: u64,
        /// What would have to be.
        needed_bytes: u64,
    },
    /// The store cannot write now. Nothing was written; later it may work.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// Stored bytes are damaged. Nothing was written. An operator must act.
    #[error("store corrupt: {0}")]
    Corrupt(String),
    /// The commit itself is malformed: a bug of the caller. Nothing was written.
    #[error("invalid commit: {0}")]
    Invalid(&'static str),
}

/// The limits that a commit can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Bytes of one key.
    Key,
    /// Bytes of one value or feed row.
    Value,
    /// Operations of one commit.
    Ops,
    /// Bytes of one commit.
    Bytes,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Limit::Key => "key",
            Limit::Value => "value",
            Limit::Ops => "ops",
            Limit::Bytes => "bytes",
        })
    }
}

/// What a store accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one key.
    pub key: usize,
    /// Bytes of one value or feed row.
    pub value: usize,
    /// Operations of one commit, counted as [`Commit::ops`] does.
    pub ops: usize,
    /// Bytes of one commit, counted as [`Commit::bytes`] does.
    pub bytes: usize,
    /// Keys of one `get`.
    pub get_keys: usize,
    /// Rows of one page of a scan or of the log; a larger request is lowered to it.
    pub page_rows: usize,
    /// Bytes of one page of a scan or of the log; a larger request is lowered to it.
    pub page_bytes: usize,
    /// Shards of the change feed.
    pub shards: u16,
}

impl Limits {
    /// The limits of the embedded stores.
    pub const EMBEDDED: Limits = Limits {
        key: 1024,
        value: 1 << 20,
        ops: 20_000,
        bytes: 16 << 20,
        get_keys: 20_000,
        page_rows: 10_000,
        page_bytes: 16 << 20,
        shards: 1,
    };
}
