//! The embedded store: the contract of `tessera-store` on one folder, with fjall's LSM trees below.
//!
//! What it is: one committer thread that checks versions itself and writes whole groups of mini-transactions with one
//! sync, and reads that run inline on consistent fjall snapshots.
//!
//! What it is not: it knows no keys beyond their bytes, and it is not shared between processes: one folder, one owner.
//!
//! Start reading at `store`, then `committer`, then `tree`.
//!
//! Invariants:
//! - Nothing is readable before its sync: fjall applies a batch to its trees only after the journal was synced.
//! - The head row (commit sequence, ends of the feed) is written in the same batch as what it counts.
//! - After a failed write the store is closed, and nothing is written any more to the journal that failed: it is cut behind the
//!   last group that is known to be on disk, and a new one is begun. If a whole group stood behind the cut, it is written and synced
//!   once more before anyone reads it; only then do its writers hear `Ambiguous`.
//! - Nothing is opened before all journals were verified, batch by batch.

mod committer;
mod compactor;
mod disk;
mod folder;
mod group;
mod inspect;
mod journal;
mod recent;
mod settings;
mod shared;
mod snapshot;
mod store;
mod tables;
mod tree;
mod watch;

pub use disk::{Disk, RealDisk};
pub use folder::OpenError;
pub use inspect::{Aside, Inspection, inspect};
pub use settings::Settings;
pub use store::{Files, Held, LsmStore, TreeFiles};
