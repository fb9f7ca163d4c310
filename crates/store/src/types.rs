//! The nouns of the contract: keys, versions, ranges, pages.

use std::fmt;

use bytes::Bytes;

/// An ordered byte key. Prints without its bytes, because keys carry identity values of people.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key(Bytes);

impl Key {
    /// The smallest key, good as the start of a range; it is never stored.
    pub const MIN: Key = Key(Bytes::new());

    /// A key of these bytes. The store refuses to write the empty key; as a bound of a range it is welcome.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The bytes in order.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, shared.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether this is the empty key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next key in order: nothing sorts between a key and its successor.
    #[must_use]
    pub fn successor(&self) -> Key {
        let mut bytes = Vec::with_capacity(self.0.len() + 1);
        bytes.extend_from_slice(&self.0);
        bytes.push(0);
        Key(bytes.into())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(***, len={})", self.0.len())
    }
}

impl From<&'static str> for Key {
    fn from(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }
}

impl From<Vec<u8>> for Key {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<Bytes> for Key {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

/// A position in the sequence of commits, and the version of every key that the commit wrote. The first commit is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version(pub u64);

/// A position in one shard of the change feed. The first row is 1; 0 stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

/// A shard of the change feed. Each store declares how many it has; the embedded ones have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Shard(pub u16);

impl Shard {
    /// The first shard, which every store has.
    pub const ZERO: Shard = Shard(0);
}

/// The generation of a fence. A fence that was never raised has none; the first raise answers 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u64);

/// What a fence protects: the name of a single-writer activity, such as a job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FenceName(Bytes);

impl FenceName {
    /// A fence of this name. Names obey the limit on keys.
    #[must_use]
    pub fn new(name: impl Into<Bytes>) -> Self {
        Self(name.into())
    }

    /// The bytes of the name.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A commit to be seen by a later read, on whichever node serves it (read your writes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(Version);

impl Token {
    /// The token of everything up to this version.
    #[must_use]
    pub fn new(version: Version) -> Self {
        Self(version)
    }

    /// The version that a read with this token must have reached.
    #[must_use]
    pub fn version(self) -> Version {
        self.0
    }
}

/// A value and the version of the commit that wrote it.
#[derive(Clone, PartialEq, Eq)]
pub struct Versioned {
    /// The value as it was put.
    pub value: Bytes,
    /// To be asserted by a later commit.
    pub version: Version,
}

impl fmt::Debug for Versioned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Versioned(***, len={}, version={})", self.value.len(), self.version.0)
    }
}

/// An answer together with the instant it describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshotted<T> {
    /// The answer.
    pub value: T,
    /// The last commit that the answer has seen; fit for [`Commit::as_of`](crate::Commit::as_of).
    pub as_of: Version,
}

/// One row of a scan.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub key: Key,
    /// The value as it was put.
    pub value: Bytes,
    /// The version of the commit that wrote it.
    pub version: Version,
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row(***, key_len={}, len={}, version={})", self.key.len(), self.value.len(), self.version.0)
    }
}

/// One row of the change feed.
#[derive(Clone, PartialEq, Eq)]
pub struct FeedRow {
    /// Its position in the shard.
    pub seq: Seq,
    /// What the commit appended.
    pub payload: Bytes,
}

impl fmt::Debug for FeedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FeedRow(***, seq={}, len={})", self.seq.0, self.payload.len())
    }
}

/// Keys from `start` (included) to `end` (excluded; `None` is the end of everything). An end at or before the start
/// is an empty range, not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key of the range.
    pub start: Key,
    /// The first key behind the range.
    pub end: Option<Key>,
}

impl KeyRange {
    /// Every key.
    #[must_use]
    pub fn all() -> Self {
        Self { start: Key::MIN, end: None }
    }

    /// From `start`, included, to `end`, excluded.
    #[must_use]
    pub fn between(start: impl Into<Key>, end: impl Into<Key>) -> Self {
        Self { start: start.into(), end: Some(end.into()) }
    }

    /// From `start`, included, to the end of everything.
    #[must_use]
    pub fn from(start: impl Into<Key>) -> Self {
        Self { start: start.into(), end: None }
    }

    /// Every key that begins with these bytes.
    #[must_use]
    pub fn prefix(prefix: impl Into<Key>) -> Self {
        let start = prefix.into();
        let mut end = start.as_bytes().to_vec();
        while end.last() == Some(&0xff) {
            end.pop();
        }
        let end = end.last_mut().map(|last| *last += 1).is_some().then(|| Key::new(end));
        Self { start, end }
    }

    /// Whether the range can hold no key at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }

    /// Whether the key lies in the range.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        *key >= self.start && self.end.as_ref().is_none_or(|end| key < end)
    }

    /// What a scan in this direction has left once it has returned `last`.
    #[must_use]
    pub fn after(&self, last: &Key, direction: Direction) -> Self {
        match direction {
            Direction::Forward => Self { start: last.successor(), end: self.end.clone() },
            Direction::Backward => Self { start: self.start.clone(), end: Some(last.clone()) },
        }
    }
}

/// The order in which a scan answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest key first.
    Forward,
    /// Largest key first.
    Backward,
}

/// How much one page may hold. Each store lowers it to its own [`Limits`](crate::Limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLimit {
    /// At most so many rows; 0 is refused.
    pub rows: usize,
    /// At most so many bytes of keys and values, except that the first row is always given.
    pub bytes: usize,
}

impl ScanLimit {
    /// So many rows, and as many bytes as the store allows in a page.
    #[must_use]
    pub fn rows(rows: usize) -> Self {
        Self { rows, bytes: usize::MAX }
    }
}

/// One page of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The rows in the direction asked for.
    pub rows: Vec<Row>,
    /// What is left to scan in the same direction; `Some` only when at least one more row was there.
    pub next: Option<KeyRange>,
    /// The last commit that the page has seen.
    pub as_of: Version,
}

impl Page {
    /// Whether at least one more row was there.
    #[must_use]
    pub fn more(&self) -> bool {
        self.next.is_some()
    }
}
