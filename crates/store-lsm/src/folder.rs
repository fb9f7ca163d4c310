//! The folder of a store: who owns it, which format it has.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The format this code writes and the only one it reads.
const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "FORMAT";
const FORMAT_NAME: &str = "tessera-lsm";
const LOCK_FILE: &str = "LOCK";
const TREE_FOLDER: &str = "tree";

/// Why a folder cannot be opened as a store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another part of this one, has it open.
    #[error("data folder is in use by another server or command; end that one first path={}", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A newer version of this program wrote it.
    #[error("data folder has a newer format path={} found={found} known={FORMAT}", path.display())]
    Newer {
        /// The folder.
        path: PathBuf,
        /// The format it has.
        found: u32,
    },
    /// It, or what should be a folder above it, is a file.
    #[error("{} is a file, and a folder is expected; one that is missing is made path={}", file.display(), path.display())]
    NotAFolder {
        /// The folder that was asked for.
        path: PathBuf,
        /// The file that stands there.
        file: PathBuf,
    },
    /// It holds other files, but is no store. Nothing was touched.
    #[error("folder is not a data folder and not empty: name an empty one or one that is not there yet path={}", path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
    },
    /// Part of it is missing or unreadable.
    #[error(
        "data folder is damaged and was left as it is: restore a backup with `tessera restore` into another folder; \
         `tessera check` tells all that is wrong path={} reason={reason}",
        path.display()
    )]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The disk refused.
    #[error("data folder cannot be used path={}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
}

/// A folder that is locked for this store as long as the value lives.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Locks the folder, creating it if need be, and checks its format.
    pub(crate) fn claim(path: &Path) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { path: path.to_path_buf(), source };
        let file = path.ancestors().find(|path| path.exists()).filter(|there| !there.is_dir());
        if let Some(file) = file {
            return Err(OpenError::NotAFolder { path: path.to_path_buf(), file: file.to_path_buf() });
        }
        make(path).map_err(io)?;
        let claimed = Self::lock(path)?;
        let mode = fs::metadata(path).map_err(io)?.permissions().mode();
        if mode & 0o077 != 0 {
            let folder = path.display();
            tracing::warn!(%folder, mode = format!("{:o}", mode & 0o777), "others may read the data folder: take it from them with chmod 700");
        }
        Ok(claimed)
    }

    /// As [`Self::claim`], of a store that is there.
    pub(crate) fn claim_existing(path: &Path) -> Result<Self, OpenError> {
        if read_format(path)?.is_none() {
            return Err(OpenError::NotAStore { path: path.to_path_buf() });
        }
        Self::lock(path)
    }

    fn lock(path: &Path) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { path: path.to_path_buf(), source };
        let format = read_format(path)?;
        if format.is_none() && has_foreign_files(path).map_err(io)? {
            return Err(OpenError::NotAStore { path: path.to_path_buf() });
        }
        let lock = File::options().create(true).truncate(false).write(true).open(path.join(LOCK_FILE)).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path: path.to_path_buf() }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        // Looked at again below the lock: the owner before us may have been creating the folder.
        if read_format(path)?.is_some() && !path.join(TREE_FOLDER).try_exists().map_err(io)? {
            return Err(OpenError::Damaged { path: path.to_path_buf(), reason: "tree folder is missing".into() });
        }
        Ok(Self { path: path.to_path_buf(), _lock: lock })
    }

    /// Writes the format file if there is none. Comes after the tree was opened, so that a folder whose creation was
    /// interrupted is taken up again; `is_empty` guards against a lost format file.
    pub(crate) fn seal(&self, is_empty: bool) -> Result<(), OpenError> {
        if read_format(&self.path)?.is_some() {
            return Ok(());
        }
        if !is_empty {
            return Err(self.damaged("format file is missing"));
        }
        write_format(&self.path).map_err(|source| OpenError::Io { path: self.path.clone(), source })
    }

    /// Where fjall keeps its files.
    pub(crate) fn tree(&self) -> PathBuf {
        self.path.join(TREE_FOLDER)
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The error for a folder in which something is wrong.
    pub(crate) fn damaged(&self, reason: impl Into<String>) -> OpenError {
        OpenError::Damaged { path: self.path.clone(), reason: reason.into() }
    }
}

/// Makes a folder for its owner alone, with those above it that are missing, and makes their names durable.
fn make(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    for made in missing {
        let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

fn read_format(path: &Path) -> Result<Option<u32>, OpenError> {
    let text = match fs::read_to_string(path.join(FORMAT_FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
        Err(source) => return Err(OpenError::Io { path: path.to_path_buf(), source }),
    };
    let number = text.trim_end().strip_prefix(FORMAT_NAME).and_then(|rest| rest.trim_start().parse::<u32>().ok());
    match number {
        Some(FORMAT) => Ok(Some(FORMAT)),
        Some(found) if found > FORMAT => Err(OpenError::Newer { path: path.to_path_buf(), found }),
        Some(_) | None => {
            Err(OpenError::Damaged { path: path.to_path_buf(), reason: "format file is unreadable".into() })
        }
    }
}

fn write_format(path: &Path) -> io::Result<()> {
    let draft = path.join("FORMAT.new");
    let mut file = File::create(&draft)?;
    writeln!(file, "{FORMAT_NAME} {FORMAT}")?;
    file.sync_all()?;
    fs::rename(&draft, path.join(FORMAT_FILE))?;
    File::open(path)?.sync_all()
}

fn has_foreign_files(path: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if ![LOCK_FILE, TREE_FOLDER, "FORMAT.new"].iter().any(|ours| name == **ours) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
