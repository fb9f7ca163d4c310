//! The traits that every store implements.

use async_trait::async_trait;

use crate::commit::{Commit, CommitError, Committed, Limits};
use crate::types::{
    Direction, Epoch, FeedRow, FenceName, Key, KeyRange, Page, ScanLimit, Seq, Shard, Snapshotted, Version, Versioned,
};

/// Why a read has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The position asked for is not in the log: rows behind it were trimmed, or it lies beyond the head because it
    /// comes from another history. Start again from a snapshot.
    #[error("feed position is not in the log first={} last={}", first.0, last.0)]
    Trimmed {
        /// The oldest row that is kept, or would be next if none is.
        first: Seq,
        /// The newest row.
        last: Seq,
    },
    /// The call itself is malformed.
    #[error("invalid read: {0}")]
    Invalid(&'static str),
    /// The store cannot answer now; later it may.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// Stored bytes are damaged. An operator must act.
    #[error("store corrupt: {0}")]
    Corrupt(String),
}

/// Whether a store takes work now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Reads and writes.
    Open,
    /// Reads. Writes answer [`CommitError::Full`] until the disk has room again.
    Full,
    /// Nothing: reads and writes answer `Unavailable` or `Corrupt`. A store tries by itself to open again.
    Shut,
}

/// Where the kept rows of a shard begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedHead {
    /// The shard.
    pub shard: Shard,
    /// The oldest row that is kept; one above `last` when none is.
    pub first: Seq,
    /// The newest row ever appended, 0 when there was none.
    pub last: Seq,
}

/// Where a restored store takes up the sequences of the one that was backed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Floor {
    /// The next commit is above this version.
    pub version: Version,
    /// The next row of each shard gets `first`; what lies below counts as trimmed. `last` is not used.
    pub feed: Vec<FeedHead>,
    /// Fences as they stood; the next raise goes above.
    pub fences: Vec<(FenceName, Epoch)>,
}

/// An ordered key-value store whose only write is a mini-transaction.
///
/// Dropping the future of a write before it answers leaves the write in doubt, like [`CommitError::Ambiguous`].
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// What this store accepts. Constant for the life of the store.
    fn limits(&self) -> Limits;

    /// Whether it takes work now. Costs nothing; what it says may be some seconds old.
    fn health(&self) -> Health;

    /// The values of these keys at one instant, in the order asked for. A key may be named twice.
    async fn get(&self, keys: &[Key]) -> Result<Snapshotted<Vec<Option<Versioned>>>, ReadError>;

    /// One page of the range at one instant.
    async fn scan(&self, range: &KeyRange, limit: ScanLimit, direction: Direction) -> Result<Page, ReadError>;

    /// Applies the mini-transaction, whole or not at all. Once it answers `Ok` the commit is durable and readable.
    /// A commit that would write nothing checks what it expects and answers with the present version.
    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError>;

    /// Where each shard of the feed stands.
    async fn heads(&self) -> Result<Vec<FeedHead>, ReadError>;

    /// Rows of a shard behind `after`, in order, at most `max` and at most a page of bytes, but at least one if there
    /// is one: an empty answer means that the reader has caught up.
    async fn log(&self, shard: Shard, after: Seq, max: usize) -> Result<Vec<FeedRow>, ReadError>;

    /// Drops the rows of a shard below `before`. Goes at most to the head; never moves backwards.
    async fn trim(&self, shard: Shard, before: Seq) -> Result<(), CommitError>;

    /// Everything as of now, untouched by later writes and trims for as long as it is held.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, ReadError>;

    /// Raises a fence and answers its new epoch: every commit that carries an older one is refused from now on.
    async fn raise(&self, name: &FenceName) -> Result<Epoch, CommitError>;

    /// Makes deletions physical: what was deleted, overwritten or trimmed before the call is in none of the store's own
    /// files once this answers `Ok`. Reads and writes go on meanwhile and see nothing of it.
    ///
    /// It may rewrite everything, so it is for a schedule, not for a request. A store that cannot do it now (a snapshot from
    /// before is still held) answers `Unavailable`, and `Full` with what it needs where the disk has no room for the
    /// rewriting; what was done up to then stays done. Doing it again is always safe, so `Ambiguous` says no more than that it has to be asked for again.
    async fn compact(&self) -> Result<(), CommitError>;

    /// Whether the disk has the room that [`Self::compact`] takes at present: `Full` with what it needs if not.
    async fn check_compaction(&self) -> Result<(), CommitError>;

    /// Lets a store that was never written to begin at these positions; any other store answers `Invalid`.
    /// This is what keeps a restored store from handing out versions and feed positions a second time.
    async fn begin_at(&self, floor: &Floor) -> Result<(), CommitError>;
}

/// One instant of a store.
#[async_trait]
pub trait Snapshot: Send + Sync {
    /// The last commit that the snapshot has seen.
    fn as_of(&self) -> Version;

    /// As [`Store::get`], at this instant.
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, ReadError>;

    /// As [`Store::scan`], at this instant.
    async fn scan(&self, range: &KeyRange, limit: ScanLimit, direction: Direction) -> Result<Page, ReadError>;

    /// As [`Store::heads`], at this instant.
    async fn heads(&self) -> Result<Vec<FeedHead>, ReadError>;

    /// As [`Store::log`], at this instant.
    async fn log(&self, shard: Shard, after: Seq, max: usize) -> Result<Vec<FeedRow>, ReadError>;

    /// Every fence that was ever raised, with its epoch, in order of name.
    async fn fences(&self) -> Result<Vec<(FenceName, Epoch)>, ReadError>;
}
