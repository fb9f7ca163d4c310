//! A look at the files of a store that nobody has open: what is damaged, and where. Nothing is written.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use crate::folder::{Folder, OpenError};
use crate::journal::{self, ScanError};
use crate::settings::Settings;
use crate::store::LsmStore;
use crate::tables;

/// What the files of a store hold, and what is wrong with them.
#[derive(Debug, Default)]
pub struct Inspection {
    /// Journals that were verified.
    pub journals: usize,
    /// Groups of commits in them.
    pub groups: usize,
    /// Tables that were verified.
    pub tables: usize,
    /// Batches that were never finished, which the next start cuts off: which file, where, how many bytes. No damage.
    pub torn: Vec<String>,
    /// What is damaged: which file, where, and what is lost.
    pub damage: Vec<String>,
}

/// Verifies every batch of the journals and every table, and changes nothing.
///
/// # Errors
/// As [`LsmStore::open`], of which `Damaged` only for a folder that is no store any more. What can be told of damaged files is in
/// the answer.
pub fn inspect(path: &Path) -> Result<Inspection, OpenError> {
    let folder = Folder::claim_existing(path)?;
    let mut inspection = Inspection::default();
    match journal::scan(&folder.tree()) {
        Ok(scan) => {
            inspection.journals = scan.journals.len();
            inspection.groups = scan.journals.iter().map(journal::Journal::groups).sum();
            let torn = scan.journals.iter().filter(|journal| journal.torn_bytes > 0);
            inspection.torn.extend(torn.map(|journal| {
                format!("file={} offset={} bytes={}", journal.path.display(), journal.end, journal.torn_bytes)
            }));
        }
        Err(error @ ScanError::Damaged(_)) => inspection.damage.push(error.to_string()),
        Err(ScanError::Io { path, source }) => return Err(OpenError::Io { path, source }),
    }
    let verified = tables::verify(&folder.tree());
    inspection.tables = verified.tables;
    let damaged = verified
        .faults
        .iter()
        .map(|fault| format!("a table is damaged: {} file={}", fault.found, fault.file.display()));
    inspection.damage.extend(damaged);
    Ok(inspection)
}

/// A store opened beside its folder: its tables are read where they are, its journals are copied. Whatever is written to it is
/// gone with it, and the folder stays as it is.
pub struct Aside {
    store: LsmStore,
    /// Goes after the store.
    _copy: TempDir,
    /// Held, so that nobody writes to the folder meanwhile.
    _folder: Folder,
}

impl Aside {
    /// Opens it. Takes room for the journals where temporary files lie: at most half a gigabyte.
    ///
    /// # Errors
    /// As [`LsmStore::open`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let folder = Folder::claim_existing(path)?;
        let copied = TempDir::with_prefix("tessera-check-").and_then(|copy| {
            fs::copy(path.join("FORMAT"), copy.path().join("FORMAT"))?;
            fs::create_dir(copy.path().join("tree"))?;
            mirror(&folder.tree(), &copy.path().join("tree"))?;
            Ok(copy)
        });
        let copy = copied.map_err(|source| OpenError::Io { path: path.to_path_buf(), source })?;
        let mut settings = Settings::new(copy.path());
        (settings.free_bytes_min, settings.free_bytes_reserve) = (0, 0);
        Ok(Self { store: LsmStore::open(settings)?, _copy: copy, _folder: folder })
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &LsmStore {
        &self.store
    }
}

/// Tables are linked to, for they are never written to; all else is copied.
fn mirror(from: &Path, to: &Path) -> io::Result<()> {
    let is_tables = from.file_name().is_some_and(|name| name == "tables");
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let Some(name) = path.file_name() else { continue };
        let target = to.join(name);
        if path.is_dir() {
            fs::create_dir(&target)?;
            mirror(&path, &target)?;
        } else if is_tables {
            symlink(fs::canonicalize(&path)?, &target)?;
        } else {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
