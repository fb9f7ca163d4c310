//! The store contract: ordered byte keys with a version each, and one way to write, the mini-transaction.
//!
//! What it is: the trait [`Store`], the types it speaks, an in-memory reference ([`memory`]), a fault-injecting
//! wrapper ([`faulty`]), backup and restore over the contract ([`backup`]), and the suite that every implementation
//! passes ([`conformance`]).
//!
//! What it is not: it knows no records, no workspaces and no key families. It sees bytes in order, nothing more.
//!
//! Start reading at [`contract`], then [`commit`], then [`memory`], which is the contract in its shortest form.
//!
//! Invariants:
//! - One `get` call, one `scan` call and one `log` call each see one instant. Between calls anything may happen.
//! - A commit is applied whole or not at all, and nothing is readable before it is durable.
//! - The commit sequence only grows; the version of a key is the sequence of the commit that wrote it, so a key that
//!   was deleted and created again never returns to an earlier version.
//! - The rows of a feed shard are numbered 1, 2, 3 ... in commit order, without gaps.

pub mod backup;
pub mod commit;
pub mod conformance;
pub mod contract;
pub mod faulty;
pub mod memory;
pub mod page;
pub mod types;

pub use commit::{Commit, CommitError, Committed, Expect, Fence, Limit, Limits, Room};
pub use contract::{FeedHead, Floor, Health, ReadError, Snapshot, Store};
pub use memory::MemoryStore;
pub use types::{
    Direction, Epoch, FeedRow, FenceName, Key, KeyRange, Page, Row, ScanLimit, Seq, Shard, Snapshotted, Token, Version,
    Versioned,
};
