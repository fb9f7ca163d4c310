//! Files that callers hand over part by part, before they are read. They lie in a folder of the process's own and go with it: whoever was handing one
//! over when it ended begins anew.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use tempfile::TempDir;
use tessera_engine::time::Timestamp;

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;

/// Bytes of one file.
pub const UPLOAD_BYTES_MAX: u64 = 1 << 30;
/// Bytes of all files of the process.
pub const UPLOADS_BYTES_MAX: u64 = 8 << 30;
/// Files that one workspace is handing over.
pub const UPLOADS_MAX: usize = 50;
/// How long a file waits for its next part: a day. Then it goes when another one begins.
const WAITS_MICROS: i64 = 86_400_000_000;

/// Whose file, and which.
type Name = (WorkspaceId, String);

/// All files that are being handed over.
pub(crate) struct Uploads {
    /// Where their folder is made; the system's own place for such where there is none.
    parent: Option<PathBuf>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    folder: Option<Arc<TempDir>>,
    files: HashMap<Name, Entry>,
    last: u64,
}

struct Entry {
    file: Arc<Upload>,
    touched_at: Timestamp,
}

/// A file that is being handed over.
pub(crate) struct Upload {
    /// Keeps the folder while it is used.
    folder: Arc<TempDir>,
    name: String,
    file: File,
    bytes: Mutex<u64>,
}

impl Drop for Upload {
    fn drop(&mut self) {
        // A file that stays goes with the folder.
        drop(std::fs::remove_file(self.path()));
    }
}

impl Upload {
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its name in the folder.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    fn bytes(&self) -> u64 {
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Uploads {
    /// In this folder, which holds nothing else: what a process that ended left there goes.
    pub(crate) fn new(parent: Option<PathBuf>) -> Self {
        if let Some(parent) = &parent {
            for left in std::fs::read_dir(parent).into_iter().flatten().flatten() {
                drop(std::fs::remove_dir_all(left.path()));
            }
        }
        Self { parent, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a file, in place of one of the same name. Its name in the folder ends so.
    pub(crate) fn begin(&self, name: &Name, ending: &str, now: Timestamp) -> Result<(), Error> {
        let mut held = self.held();
        held.files.remove(name);
        held.files.retain(|_, own| now.micros() - own.touched_at.micros() < WAITS_MICROS);
        if held.files.keys().filter(|(workspace, _)| *workspace == name.0).count() >= UPLOADS_MAX {
            let message =
                format!("as many files are being handed over as may be files_max={UPLOADS_MAX}; complete one first");
            return Err(Error::new(ErrorKind::LimitExceeded, "uploads_full", message));
        }
        let folder = match &held.folder {
            Some(folder) => folder.clone(),
            None => {
                let folder = Arc::new(self.make_folder().map_err(|error| failed(&error))?);
                held.folder = Some(folder.clone());
                folder
            }
        };
        held.last += 1;
        let own = format!("{}{ending}", held.last);
        let options = || File::options().read(true).write(true).create_new(true).open(folder.path().join(&own));
        let file = options().map_err(|error| failed(&error))?;
        let upload = Upload { folder, name: own, file, bytes: Mutex::new(0) };
        held.files.insert(name.clone(), Entry { file: Arc::new(upload), touched_at: now });
        Ok(())
    }

    fn make_folder(&self) -> std::io::Result<TempDir> {
        let mut builder = tempfile::Builder::new();
        match builder.prefix("tessera-uploads-") {
            builder if self.parent.is_none() => builder.tempdir(),
            builder => {
                let parent = self.parent.clone().unwrap_or_default();
                std::fs::create_dir_all(&parent)?;
                builder.tempdir_in(parent)
            }
        }
    }

    /// The file of this name.
    pub(crate) fn find(&self, name: &Name, now: Timestamp) -> Result<Arc<Upload>, Error> {
        let mut held = self.held();
        let own = held.files.get_mut(name).ok_or_else(|| {
            let message = "no file of this name is being handed over: it was completed, or the server was started anew; begin again";
            Error::new(ErrorKind::Conflict, "upload_not_begun", message)
        })?;
        own.touched_at = now;
        Ok(own.file.clone())
    }

    /// Writes a part of a file, which begins at a byte that is there or right behind the last one.
    pub(crate) fn write(&self, file: &Upload, start: u64, part: &[u8]) -> Result<(), Error> {
        let all = self.held().files.values().map(|own| own.file.bytes()).sum::<u64>();
        let mut bytes = file.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if start > *bytes {
            let message = format!("the part begins behind what is there bytes={} start={start}", *bytes);
            return Err(Error::new(ErrorKind::Conflict, "upload_gap", message));
        }
        let end = start.saturating_add(part.len() as u64);
        let more = end.saturating_sub(*bytes);
        if end > UPLOAD_BYTES_MAX || all.saturating_add(more) > UPLOADS_BYTES_MAX {
            let message = format!(
                "the file, or all files that are being handed over, would be larger than may be file_bytes_max={UPLOAD_BYTES_MAX} bytes_max={UPLOADS_BYTES_MAX}"
            );
            return Err(Error::new(ErrorKind::LimitExceeded, "upload_too_large", message));
        }
        file.file.write_all_at(part, start).map_err(|error| failed(&error))?;
        *bytes = (*bytes).max(end);
        Ok(())
    }

    /// Lets go of the files whose names these are.
    pub(crate) fn let_go(&self, workspace: WorkspaceId, is_named: impl Fn(&str) -> bool) {
        self.held().files.retain(|(own, name), _| *own != workspace || !is_named(name));
    }
}

fn failed(error: &std::io::Error) -> Error {
    let message = format!("the server could not keep the file: {}", error.kind());
    Error::new(ErrorKind::Unavailable, "upload_failed", message)
}
