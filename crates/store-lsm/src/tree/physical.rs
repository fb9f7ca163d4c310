//! How fjall lets go of bytes: what a compaction asks of it, step by step.
//!
//! fjall drops a journal once it was turned and every row in it stands in a table, turns it when it is longer than 64 MB, and
//! leaves deleted rows out of a table when no snapshot can see them. None of this can be asked for directly, so a journal is
//! filled up with rows of zeros in a keyspace of their own, and that keyspace's memtable is turned to make fjall look at its
//! snapshots and old versions again. Parts of fjall that are not in its documentation are used here and nowhere else.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use fjall::{Keyspace, SeqNo};

use super::{Tree, TreeError};

/// Below the size from which the journal compresses values, so that zeros take room.
const ZEROS: [u8; 4_095] = [0; 4_095];
/// Rows of zeros in one batch.
const PAD_ROWS: u16 = 1_024;

impl Tree {
    /// Bytes by which one pad makes the journal longer.
    pub(crate) const PAD_BYTES: u64 = PAD_ROWS as u64 * ZEROS.len() as u64;
    /// Pads that make any journal long enough to be turned, with some to spare.
    pub(crate) const PADS_MAX: usize = 18;
    /// The keyspaces that a compaction rewrites.
    pub(crate) const NAMES: [Name; 4] = [Name::Main, Name::Feed, Name::Meta, Name::Filler];

    /// The end of all that can be read now, in fjall's own counting.
    pub(crate) fn end(&self) -> SeqNo {
        self.db.visible_seqno()
    }

    /// Bytes of tables and journals.
    pub(crate) fn disk_bytes(&self) -> Result<u64, TreeError> {
        Ok(self.db.disk_space()?)
    }

    /// The number of the journal that is written to.
    pub(crate) fn newest_journal(&self) -> Result<u64, TreeError> {
        self.journals()?.last().copied().ok_or_else(|| TreeError::Corrupt("journal is missing".into()))
    }

    /// The number of the oldest journal that is still needed.
    pub(crate) fn oldest_journal(&self) -> Result<u64, TreeError> {
        self.journals()?.first().copied().ok_or_else(|| TreeError::Corrupt("journal is missing".into()))
    }

    fn journals(&self) -> Result<BTreeSet<u64>, TreeError> {
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(&self.path).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".jnl"));
            found.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        Ok(found)
    }

    /// Makes the journal longer. Synced each time, so that no writer's sync has to bring all of it to disk.
    pub(crate) fn pad(&self) -> Result<(), TreeError> {
        let mut batch = self.batch(usize::from(PAD_ROWS));
        for row in 0..PAD_ROWS {
            batch.batch.insert(&self.filler, row.to_be_bytes(), ZEROS);
        }
        batch.commit()
    }

    /// Has all rows that are in memory written out as tables.
    pub(crate) fn write_out(&self) -> Result<(), TreeError> {
        for name in Self::NAMES {
            self.named(name).rotate_memtable()?;
        }
        Ok(())
    }

    /// Makes fjall look again at which snapshots are held, which versions of its trees are old, and which journals.
    pub(crate) fn ring(&self) -> Result<(), TreeError> {
        self.filler.insert("bell", "")?;
        self.filler.rotate_memtable()?;
        Ok(())
    }

    /// Whether every reader sees all that could be read at this end, so that what was deleted before it may go.
    pub(crate) fn knows_no_reader_before(&self, end: SeqNo) -> Result<bool, TreeError> {
        Ok(self.db.supervisor.snapshot_tracker.get_seqno_safe_to_gc() >= end)
    }

    /// The files of all tables.
    pub(crate) fn table_files(&self) -> Result<BTreeSet<PathBuf>, TreeError> {
        let mut found = BTreeSet::new();
        for name in Self::NAMES {
            for entry in fs::read_dir(self.named(name).path().join("tables")).map_err(unreadable)? {
                found.insert(entry.map_err(unreadable)?.path());
            }
        }
        Ok(found)
    }

    /// Merges all tables of a keyspace into new ones.
    pub(crate) fn rewrite(&self, name: Name) -> Result<(), TreeError> {
        Ok(self.named(name).major_compact()?)
    }

    fn named(&self, name: Name) -> &Keyspace {
        match name {
            Name::Main => &self.main,
            Name::Feed => &self.feed,
            Name::Meta => &self.meta,
            Name::Filler => &self.filler,
        }
    }
}

/// One of the keyspaces.
#[derive(Clone, Copy)]
pub(crate) enum Name {
    Main,
    Feed,
    Meta,
    Filler,
}

fn unreadable(error: std::io::Error) -> TreeError {
    TreeError::Refused(error.to_string())
}
