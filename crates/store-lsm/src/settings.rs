//! What an operator may turn.

use std::path::PathBuf;

/// Settings of one store. Start from [`Settings::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The folder. It is created if it is missing and belongs to this store alone.
    pub path: PathBuf,
    /// Memory for blocks read from disk. The one knob most machines need: a fifth to a quarter of their memory.
    pub cache_bytes: u64,
    /// Memory of the newest writes. They are written out as a table once they fill half of it, or 64 MiB.
    pub write_buffer_bytes: u64,
    /// Room for the journal before the oldest writes are forced into tables. At least 64 MiB.
    pub journal_bytes: u64,
    /// How many recent writes are remembered in memory, so that the expectations of a commit with a hint need no
    /// reading. About 50 bytes each ([`Settings::RECENT_WRITE_BYTES`]).
    pub recent_writes: usize,
    /// Ordinary writes are refused, and reads go on, while the disk has less free room than this. It is what keeps
    /// compaction and recovery able to work on a full disk.
    pub free_bytes_min: u64,
    /// Tables that are kept open, so that reading them costs no opening. They are files of the process.
    pub open_tables_max: usize,
    /// What takes away is refused only while the disk has less free room than this: the reserve lies between the two.
    pub free_bytes_reserve: u64,
    /// Threads that flush and compact.
    pub workers: usize,
}

impl Settings {
    /// What one of the recent writes takes in memory, about.
    pub const RECENT_WRITE_BYTES: u64 = 50;

    /// The defaults, fit for a machine with a gigabyte to spare.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            cache_bytes: 256 << 20,
            write_buffer_bytes: 256 << 20,
            journal_bytes: 512 << 20,
            recent_writes: 500_000,
            free_bytes_min: 256 << 20,
            open_tables_max: 900,
            free_bytes_reserve: 64 << 20,
            workers: 2,
        }
    }
}
