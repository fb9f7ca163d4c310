//! Where files are written: a folder, or a bucket. A file is there whole or not at all.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rustix::fs::{OFlags, fsync, renameat};
use tokio::task::spawn_blocking;

use crate::Error;
use crate::beneath::{self, Missing, Unopened};

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

/// A folder of this machine, below that of a connection.
#[derive(Clone)]
pub(crate) struct Folder {
    home: PathBuf,
    path: String,
}

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
        Ok(Self { home: home.to_owned(), path: path.to_owned() })
    }

    /// Itself, if it is there.
    fn open(&self) -> Result<Option<OwnedFd>, Error> {
        match beneath::folder(&self.home, &self.path, Missing::Told) {
            Ok(own) => Ok(Some(own)),
            Err(Unopened::Failed(_, error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unopened(error)),
        }
    }

    /// Does something in it, if it is there.
    async fn within<T: Default + Send + 'static>(
        &self,
        work: impl FnOnce(&OwnedFd) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let own = self.clone();
        blocking(move || own.open()?.map_or_else(|| Ok(T::default()), |folder| work(&folder))).await
    }
}

#[async_trait]
impl Target for Folder {
    async fn exists(&self, name: &str) -> Result<bool, Error> {
        let name = name.to_owned();
        self.within(move |folder| beneath::exists(folder, &name).map_err(|error| refused(&name, &error))).await
    }

    async fn begin(&self, name: &str, mark: &str) -> Result<Box<dyn Part>, Error> {
        let (own, name, unfinished) = (self.clone(), name.to_owned(), format!(".{name}.{mark}.unfinished"));
        blocking(move || {
            let folder = beneath::folder(&own.home, &own.path, Missing::Made).map_err(unopened)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
            let file = beneath::file_in(&folder, &unfinished, flags).map_err(unopened)?;
            let unfinished = Unfinished { folder, name: unfinished };
            let part: Box<dyn Part> = Box::new(FolderPart { file: Some(file), unfinished, name });
            Ok(part)
        })
        .await
    }

    async fn remove(&self, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        self.within(move |folder| beneath::remove(folder, &name).map_err(|error| refused(&name, &error))).await
    }

    async fn folders(&self) -> Result<Vec<String>, Error> {
        let name = self.path.clone();
        self.within(move |folder| beneath::folders(folder).map_err(|error| refused(&name, &error))).await
    }

    async fn remove_folder(&self, folder: &str, first: &str) -> Result<(), Error> {
        check_path(folder)?;
        let (name, first) = (folder.to_owned(), first.to_owned());
        let inner = Self { path: format!("{}/{folder}", self.path), ..self.clone() };
        self.within(move |folder| {
            if let Some(own) = inner.open()? {
                beneath::remove(&own, &first).map_err(|error| refused(&first, &error))?;
            }
            beneath::remove_folder(folder, &name).map_err(|error| refused(&name, &error))
        })
        .await
    }
}

struct FolderPart {
    file: Option<File>,
    unfinished: Unfinished,
    name: String,
}

/// A file that goes unless it has got its name.
struct Unfinished {
    folder: OwnedFd,
    name: String,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        drop(beneath::remove(&self.folder, &self.name));
    }
}

#[async_trait]
impl Part for FolderPart {
    async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        let gone = || Error::unreachable("export_unwritten", "the file was given up");
        let mut file = self.file.take().ok_or_else(gone)?;
        let name = self.name.clone();
        let written = blocking(move || {
            file.write_all(&bytes).map_err(|error| refused(&name, &error))?;
            Ok(file)
        });
        self.file = Some(written.await?);
        Ok(())
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        let Self { file, unfinished, name } = *self;
        blocking(move || {
            let gone = || Error::unreachable("export_unwritten", "the file was given up");
            file.ok_or_else(gone)?.sync_all().map_err(|error| refused(&name, &error))?;
            let folder = &unfinished.folder;
            renameat(folder, &unfinished.name, folder, &name).map_err(|error| refused(&name, &error.into()))?;
            fsync(folder).map_err(|error| refused(&name, &error.into()))
        })
        .await
    }
}

fn unopened(error: Unopened) -> Error {
    match error {
        Unopened::Failed(name, error) => refused(&name, &error),
        Unopened::Link(name) => {
            let message = format!(
                "path: {name} is a symbolic link, which may lead out of the folder of the connection; a folder or a file of its own is expected"
            );
            Error::invalid("export_path_invalid", message)
        }
    }
}

fn refused(name: &str, error: &std::io::Error) -> Error {
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

    #[tokio::test]
    async fn no_link_is_followed_out_of_the_folder() {
        let (home, outside) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let link = |at: &str| std::os::unix::fs::symlink(outside.path(), home.path().join(at)).expect("a link");
        std::fs::create_dir_all(home.path().join("a/run=1")).expect("a folder");
        link("link");
        link("a/link");
        link("a/run=1/link");
        std::fs::write(outside.path().join("kept"), "kept").expect("a file");
        for path in ["link", "link/b", "a/link", "a/link/b"] {
            let folder = Folder::new(home.path(), path).expect("a path");
            let found = [
                folder.begin("x", "1").await.err(),
                folder.exists("kept").await.err(),
                folder.remove("kept").await.err(),
                folder.folders().await.err(),
                folder.remove_folder("b", "kept").await.err(),
            ];
            for error in found {
                let error = error.expect(path);
                assert_eq!(error.code, "export_path_invalid", "{path}");
                assert!(error.message.contains("link is a symbolic link"), "{}", error.message);
            }
        }
        // A link of the name of a file is replaced and not written through; one within a folder goes with it.
        let folder = Folder::new(home.path(), "a").expect("a path");
        assert_eq!(folder.folders().await.expect("folders"), ["run=1"]);
        std::os::unix::fs::symlink(outside.path().join("kept"), home.path().join("a/x")).expect("a link");
        let mut part = folder.begin("x", "1").await.expect("a file");
        part.write(b"one".to_vec()).await.expect("written");
        part.close().await.expect("closed");
        assert_eq!(std::fs::read(home.path().join("a/x")).expect("the file"), b"one");
        folder.remove_folder("run=1", "manifest.json").await.expect("removed");
        assert!(!home.path().join("a/run=1").exists());
        assert_eq!(std::fs::read(outside.path().join("kept")).expect("the file"), b"kept");
        assert_eq!(std::fs::read_dir(outside.path()).expect("the folder").count(), 1);
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
