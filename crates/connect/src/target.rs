//! Where files are written: a folder, or a bucket. A file is there whole or not at all.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tokio::task::spawn_blocking;

use crate::Error;

mod bucket;

pub(crate) use bucket::Bucket;

/// Bytes of a path below a connection.
pub const PATH_BYTES_MAX: usize = 512;

/// A place that files are written to.
#[async_trait]
pub trait Target: Send + Sync {
    /// Whether a file of this name is there.
    ///
    /// # Errors
    /// Why that cannot be told.
    async fn exists(&self, name: &str) -> Result<bool, Error>;

    /// Begins a file, which takes the place of another of this name once it is closed. `mark` tells what is unfinished of one writer from
    /// what is of others.
    ///
    /// # Errors
    /// Why it cannot be written.
    async fn begin(&self, name: &str, mark: &str) -> Result<Box<dyn Part>, Error>;

    /// Takes a file away, if it is there.
    ///
    /// # Errors
    /// Why it cannot.
    async fn remove(&self, name: &str) -> Result<(), Error>;

    /// The names of the folders in it.
    ///
    /// # Errors
    /// Why that cannot be told.
    async fn folders(&self) -> Result<Vec<String>, Error>;

    /// Takes a folder away with all that is in it, this file first. It need not be there.
    ///
    /// # Errors
    /// Why it cannot; part of it may be gone then.
    async fn remove_folder(&self, folder: &str, first: &str) -> Result<(), Error>;
}

/// A file while it is written. Whoever drops it gives it up.
#[async_trait]
pub trait Part: Send {
    /// Writes on.
    ///
    /// # Errors
    /// Why it cannot; the file is given up then.
    async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Error>;

    /// Ends the file. From here on it is there, whatever happens to the machine.
    ///
    /// # Errors
    /// Why it cannot.
    async fn close(self: Box<Self>) -> Result<(), Error>;
}

/// A path below a connection, as those who write to it name it.
///
/// # Errors
/// `Invalid` with `export_path_invalid`.
pub fn check_path(path: &str) -> Result<(), Error> {
    let is_name = |part: &str| !part.is_empty() && part != "." && part != "..";
    let is_fine = path.len() <= PATH_BYTES_MAX
        && !path.chars().any(|letter| letter.is_control() || letter == '\\')
        && path.split('/').all(is_name);
    if is_fine {
        return Ok(());
    }
    let message = format!(
        "path: a path below the connection is expected, of names with one / between them, without `.` and `..`, at most {PATH_BYTES_MAX} bytes"
    );
    Err(Error::invalid("export_path_invalid", message))
}

/// A folder of this machine.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The folder at a path below that of a connection, which has to be there.
    ///
    /// # Errors
    /// `Invalid` with `export_path_invalid`, `connection_folder_missing`.
    pub(crate) fn new(home: &Path, path: &str) -> Result<Self, Error> {
        check_path(path)?;
        if !home.is_dir() {
            return Err(Error::invalid("connection_folder_missing", "the url names no folder; one is expected"));
        }
        Ok(Self(home.join(path)))
    }

    fn make(home: &Path) -> Result<(), Error> {
        std::fs::create_dir_all(home).map_err(|error| refused(home, &error))
    }
}

#[async_trait]
impl Target for Folder {
    async fn exists(&self, name: &str) -> Result<bool, Error> {
        let path = self.0.join(name);
        blocking(move || path.try_exists().map_err(|error| refused(&path, &error))).await
    }

    async fn begin(&self, name: &str, mark: &str) -> Result<Box<dyn Part>, Error> {
        let (folder, name, mark) = (self.0.clone(), name.to_owned(), mark.to_owned());
        blocking(move || {
            Self::make(&folder)?;
            let unfinished = folder.join(format!(".{name}.{mark}.unfinished"));
            let file = File::create(&unfinished).map_err(|error| refused(&unfinished, &error))?;
            let path = folder.join(name);
            let part: Box<dyn Part> =
                Box::new(FolderPart { file: Some(file), unfinished: Unfinished(unfinished), path });
            Ok(part)
        })
        .await
    }

    async fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.0.join(name);
        blocking(move || match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(refused(&path, &error)),
            _ => Ok(()),
        })
        .await
    }

    async fn folders(&self) -> Result<Vec<String>, Error> {
        let home = self.0.clone();
        blocking(move || folders_in(&home)).await
    }

    async fn remove_folder(&self, folder: &str, first: &str) -> Result<(), Error> {
        check_path(folder)?;
        let path = self.0.join(folder);
        let first = path.join(first);
        blocking(move || {
            let gone = |outcome: std::io::Result<()>| match outcome {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(refused(&path, &error)),
                _ => Ok(()),
            };
            gone(std::fs::remove_file(&first))?;
            gone(std::fs::remove_dir_all(&path))
        })
        .await
    }
}

/// The names of the folders in one; none where it is not there.
fn folders_in(home: &Path) -> Result<Vec<String>, Error> {
    let entries = match std::fs::read_dir(home) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(refused(home, &error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| refused(home, &error))?;
        // What is only linked to stands elsewhere, and stays.
        if entry.file_type().map_err(|error| refused(home, &error))?.is_dir() {
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(names)
}

struct FolderPart {
    file: Option<File>,
    unfinished: Unfinished,
    path: PathBuf,
}

/// A file that goes unless it has got its name.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

#[async_trait]
impl Part for FolderPart {
    async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        let gone = || Error::unreachable("export_unwritten", "the file was given up");
        let mut file = self.file.take().ok_or_else(gone)?;
        let path = self.path.clone();
        let written = blocking(move || {
            file.write_all(&bytes).map_err(|error| refused(&path, &error))?;
            Ok(file)
        });
        self.file = Some(written.await?);
        Ok(())
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        let Self { file, unfinished, path } = *self;
        blocking(move || {
            let gone = || Error::unreachable("export_unwritten", "the file was given up");
            file.ok_or_else(gone)?.sync_all().map_err(|error| refused(&path, &error))?;
            std::fs::rename(&unfinished.0, &path).map_err(|error| refused(&path, &error))?;
            let folder = path.parent().ok_or_else(gone)?;
            File::open(folder).and_then(|own| own.sync_all()).map_err(|error| refused(&path, &error))
        })
        .await
    }
}

fn refused(path: &Path, error: &std::io::Error) -> Error {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match error.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            let message = format!("{name} may not be written by the server; give it the right to");
            Error::invalid("connection_unauthorized", message)
        }
        std::io::ErrorKind::NotADirectory | std::io::ErrorKind::AlreadyExists => {
            let message = format!("path: {name} cannot be made a folder; a file of that name is in the way");
            Error::invalid("export_path_invalid", message)
        }
        kind => Error::unreachable("export_unwritten", format!("{name} could not be written: {kind}")),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let stopped = |_| Error::unreachable("export_unwritten", "the file could not be written to its end");
    spawn_blocking(work).await.map_err(stopped)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_there_whole_or_not_at_all() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = Folder::new(home.path(), "a/b").expect("a path");
        assert!(!folder.exists("x").await.expect("an answer"));
        let mut part = folder.begin("x", "1").await.expect("a file");
        part.write(b"one".to_vec()).await.expect("written");
        assert!(!folder.exists("x").await.expect("an answer"));
        drop(part);
        assert_eq!(std::fs::read_dir(home.path().join("a/b")).expect("the folder").count(), 0, "what is given up goes");
        let mut part = folder.begin("x", "2").await.expect("a file");
        part.write(b"two".to_vec()).await.expect("written");
        part.close().await.expect("closed");
        assert_eq!(std::fs::read(home.path().join("a/b/x")).expect("the file"), b"two");
        folder.remove("x").await.expect("removed");
        folder.remove("x").await.expect("it may be gone");
        std::fs::write(home.path().join("file"), "").expect("a file");
        let below = Folder::new(home.path(), "file/c").expect("a path");
        assert_eq!(below.begin("x", "1").await.err().expect("a file is in the way").code, "export_path_invalid");
        assert!(Folder::new(&home.path().join("none"), "a").is_err());
    }

    #[test]
    fn paths_stay_below_their_connection() {
        for path in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\\b", "a\nb", &"a".repeat(513)] {
            assert_eq!(check_path(path).expect_err(path).code, "export_path_invalid");
        }
        for path in ["a", "exports/2026", "day=2026-01-31/..x", "é"] {
            check_path(path).expect(path);
        }
    }
}
