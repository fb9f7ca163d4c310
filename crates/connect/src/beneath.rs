//! Files and folders of this machine below the folder of a connection. They are opened name by name, each in the folder before it, and no symbolic link is
//! followed on the way: so nothing that stands there leads out of it, whoever puts a link in its place meanwhile. The folder of the connection itself may
//! be reached by links, for whoever operates the server names it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, mkdirat, open, openat, statat, unlinkat};
use rustix::io::Errno;

/// Folders inside each other that are removed.
const DEPTH_MAX: usize = 8;
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// What becomes of a folder on the way that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It is made.
    Made,
    /// It is told.
    Told,
}

/// Why something was not opened.
#[derive(Debug)]
pub(crate) enum Unopened {
    /// It, or a folder on the way, is a symbolic link.
    Link(String),
    /// What the system says of this name.
    Failed(String, io::Error),
}

/// Opens the folder at a path below another one.
pub(crate) fn folder(home: &Path, path: &str, missing: Missing) -> Result<OwnedFd, Unopened> {
    let home_name = || home.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut at = open(home, FOLDER, Mode::empty()).map_err(|error| Unopened::Failed(home_name(), error.into()))?;
    for name in path.split('/') {
        let failed = |error: Errno| Unopened::Failed(name.to_owned(), error.into());
        if missing == Missing::Made {
            match mkdirat(&at, name, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        at = openat(&at, name, FOLDER | OFlags::NOFOLLOW, Mode::empty()).map_err(|error| unopened(&at, name, error))?;
    }
    Ok(at)
}

/// Opens a file at a path below a folder, to read it.
pub(crate) fn file(home: &Path, path: &str) -> Result<File, Unopened> {
    let (folders, name) = path.rsplit_once('/').map_or((None, path), |(folders, name)| (Some(folders), name));
    let at = match folders {
        Some(folders) => folder(home, folders, Missing::Told)?,
        None => open(home, FOLDER, Mode::empty()).map_err(|error| Unopened::Failed(name.to_owned(), error.into()))?,
    };
    file_in(&at, name, OFlags::RDONLY)
}

/// Opens a file of a folder.
pub(crate) fn file_in(folder: &OwnedFd, name: &str, flags: OFlags) -> Result<File, Unopened> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(folder, name, flags, Mode::from_raw_mode(0o666));
    opened.map(File::from).map_err(|error| unopened(folder, name, error))
}

/// Whether something of this name stands in a folder, a link included.
pub(crate) fn exists(folder: &OwnedFd, name: &str) -> io::Result<bool> {
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Takes a file away, or a link; it need not be there.
pub(crate) fn remove(folder: &OwnedFd, name: &str) -> io::Result<()> {
    gone(unlinkat(folder, name, AtFlags::empty()))
}

/// Takes a folder within another one away, with all that is in it; it need not be there.
pub(crate) fn remove_folder(folder: &OwnedFd, name: &str) -> io::Result<()> {
    remove_all(folder, name, 0)
}

fn remove_all(folder: &OwnedFd, name: impl rustix::path::Arg + Copy, depth: usize) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(io::Error::other("folders are deeper inside each other than is looked"));
    }
    let own = match openat(folder, name, FOLDER | OFlags::NOFOLLOW, Mode::empty()) {
        Ok(own) => own,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for entry in Dir::read_from(&own)? {
        let entry = entry?;
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        match unlinkat(&own, entry.file_name(), AtFlags::empty()) {
            // That is what systems say of folders.
            Err(Errno::ISDIR | Errno::PERM) => remove_all(&own, entry.file_name(), depth + 1)?,
            other => gone(other)?,
        }
    }
    gone(unlinkat(folder, name, AtFlags::REMOVEDIR))
}

fn gone(outcome: Result<(), Errno>) -> io::Result<()> {
    match outcome {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The names of the folders in one. What is only linked to stands elsewhere, and is none.
pub(crate) fn folders(folder: &OwnedFd) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_owned();
        let Ok(name) = name.into_string() else { continue };
        let is_folder = || statat(folder, &*name, AtFlags::SYMLINK_NOFOLLOW).map(|own| is_folder(own.st_mode));
        if !matches!(&*name, "." | "..") && is_folder()? {
            names.push(name);
        }
    }
    Ok(names)
}

fn is_folder(mode: u32) -> bool {
    FileType::from_raw_mode(mode) == FileType::Directory
}

/// Why a name of a folder was not opened: systems say of a link several things.
fn unopened(folder: &OwnedFd, name: &str, error: Errno) -> Unopened {
    let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    if stat.is_ok_and(|own| FileType::from_raw_mode(own.st_mode) == FileType::Symlink) {
        return Unopened::Link(name.to_owned());
    }
    Unopened::Failed(name.to_owned(), error.into())
}

/// Whether a link stands in a folder or below it that leads out of it. Linear in what stands there.
pub(crate) fn leads_out(home: &Path) -> io::Result<bool> {
    let home = home.canonicalize()?;
    let mut open = vec![home.clone()];
    while let Some(folder) = open.pop() {
        // One that may not be read has nothing for us, and one that is gone has nothing at all.
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_symlink() && entry.path().canonicalize().is_ok_and(|real| !real.starts_with(&home)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_is_read_through_a_link() {
        let (home, outside) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        std::fs::create_dir(home.path().join("a")).expect("a folder");
        std::fs::write(home.path().join("a/x.csv"), "own").expect("a file");
        std::fs::write(outside.path().join("x.csv"), "other").expect("a file");
        assert!(!leads_out(home.path()).expect("it is looked through"));
        symlink(home.path().join("a"), home.path().join("inner")).expect("a link");
        assert!(!leads_out(home.path()).expect("it is looked through"), "it leads within");
        symlink(outside.path(), home.path().join("a/outer")).expect("a link");
        assert!(leads_out(home.path()).expect("it is looked through"));
        symlink(outside.path().join("x.csv"), home.path().join("a/y.csv")).expect("a link");
        let check = |path: &str, expected: Result<&str, &str>| {
            let found = match file(home.path(), path) {
                Ok(file) => Ok(io::read_to_string(file).expect("text")),
                Err(Unopened::Link(name)) => Err(name),
                Err(error) => panic!("{path}: {error:?}"),
            };
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{path}");
        };
        check("a/x.csv", Ok("own"));
        check("a/y.csv", Err("y.csv"));
        check("a/outer/x.csv", Err("outer"));
        check("inner/x.csv", Err("inner"));
    }
}
