//! Objects of a bucket as files that threads read: a piece at a time, each asked for by itself, so that a reader that waits holds no connection.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use glob::{MatchOptions, Pattern};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore};
use tokio::runtime::Handle;

use super::{Opened, told};
use crate::{Error, FILES_MAX};

/// Bytes of one piece.
const PIECE_BYTES: u64 = 4 << 20;
/// How long a piece, or a page of a list, may take, with all tries.
const PIECE: Duration = Duration::from_secs(300);
/// Objects that are looked at for one pattern, or for one list.
pub(crate) const LISTED_MAX: usize = 100_000;

/// A store, and the runtime that waits for it while a thread does.
#[derive(Clone)]
pub(crate) struct Reader {
    opened: Opened,
    handle: Handle,
    bucket: String,
}

/// One object, as it was when it was found: what it becomes later is another one.
#[derive(Clone)]
pub(crate) struct Object {
    store: Arc<dyn ObjectStore>,
    handle: Handle,
    meta: ObjectMeta,
    /// Its path below that of the connection.
    pub(crate) name: String,
}

impl Reader {
    /// Has to be called on a runtime; what it answers is for threads that may wait.
    pub(crate) fn new(opened: Opened, bucket: &str) -> Self {
        Self { opened, handle: Handle::current(), bucket: bucket.to_owned() }
    }

    /// The objects that a path or a pattern names, in the order of their names.
    pub(crate) fn named(&self, pattern: &str) -> Result<Vec<Object>, Error> {
        let invalid = || Error::invalid("source_table_invalid", "`table` is no path and no pattern of paths");
        let literal = pattern.split('/').take_while(|part| !part.contains(['*', '?', '['])).collect::<Vec<_>>();
        if literal.len() == pattern.split('/').count() {
            let path = self.path(pattern).map_err(|_| invalid())?;
            let options = GetOptions { head: true, ..GetOptions::default() };
            let found = self.wait(self.opened.store.get_opts(&path, options))?;
            return match found {
                Ok(found) => Ok(vec![self.object(found.meta)]),
                Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
                Err(error) => Err(told(&error, pattern)),
            };
        }
        let compiled = Pattern::new(pattern).map_err(|_| invalid())?;
        let options = MatchOptions { require_literal_separator: true, ..MatchOptions::default() };
        let below = self.path(&literal.join("/")).map_err(|_| invalid())?;
        let mut found = self.list(&below, |name| compiled.matches_with(name, options))?;
        if found.len() > FILES_MAX {
            let message = format!("`table` names more files than may be read at once files_max={FILES_MAX}");
            return Err(Error::invalid("source_too_many_files", message));
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// The names of all objects that are wanted, at most [`FILES_MAX`] of the first [`LISTED_MAX`].
    pub(crate) fn names(&self, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        self.each(&self.opened.prefix, |object| {
            if names.len() < FILES_MAX && is_wanted(&object.name) {
                names.push(object.name);
            }
            Ok(())
        })?;
        Ok(names)
    }

    fn list(&self, below: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<Object>, Error> {
        let mut found = Vec::new();
        let whole = self.each(below, |object| {
            if is_wanted(&object.name) && found.len() <= FILES_MAX {
                found.push(object);
            }
            Ok(())
        })?;
        if !whole {
            let message = format!(
                "there are more objects below {} than are looked at for one pattern objects_max={LISTED_MAX}; name a path further down",
                below.as_ref()
            );
            return Err(Error::invalid("source_too_many_files", message));
        }
        Ok(found)
    }

    /// Shows objects below a path. Answers whether there are no more than were shown.
    fn each(&self, below: &Path, mut show: impl FnMut(Object) -> Result<(), Error>) -> Result<bool, Error> {
        let mut listed = self.opened.store.list(Some(below));
        for _ in 0..LISTED_MAX {
            match self.wait(listed.next())? {
                None => return Ok(true),
                Some(Ok(meta)) => show(self.object(meta))?,
                Some(Err(error)) => return Err(self.unlisted(&error)?),
            }
        }
        Ok(false)
    }

    /// Why objects cannot be listed. What a store answers to a list is not handed on by its library, and what it answers to a look at one object is:
    /// where that is not there, the bucket is not.
    fn unlisted(&self, error: &object_store::Error) -> Result<Error, Error> {
        let told_of_list = told(error, &self.bucket);
        if told_of_list.code != "connection_unreachable" && !matches!(error, object_store::Error::NotFound { .. }) {
            return Ok(told_of_list);
        }
        let Ok(path) = self.path("tessera") else { return Ok(told_of_list) };
        let options = GetOptions { head: true, ..GetOptions::default() };
        Ok(match self.wait(self.opened.store.get_opts(&path, options))? {
            Ok(_) => told_of_list,
            Err(object_store::Error::NotFound { .. }) => {
                let message = format!("the object store has no bucket {}", self.bucket);
                Error::invalid("connection_folder_missing", message)
            }
            Err(error) => told(&error, &self.bucket),
        })
    }

    fn path(&self, below: &str) -> Result<Path, object_store::path::Error> {
        let prefix = self.opened.prefix.as_ref();
        Path::parse(format!("{prefix}/{below}"))
    }

    fn object(&self, meta: ObjectMeta) -> Object {
        let path = meta.location.as_ref();
        let name = path.strip_prefix(self.opened.prefix.as_ref()).unwrap_or(path).trim_start_matches('/').to_owned();
        Object { store: self.opened.store.clone(), handle: self.handle.clone(), meta, name }
    }

    fn wait<T>(&self, answer: impl Future<Output = T>) -> Result<T, Error> {
        wait(&self.handle, answer)
    }
}

fn wait<T>(handle: &Handle, answer: impl Future<Output = T>) -> Result<T, Error> {
    let late = |_| {
        let message = format!("the object store took longer than {} s for its next piece", PIECE.as_secs());
        Error::unreachable("source_timeout", message)
    };
    handle.block_on(async { tokio::time::timeout(PIECE, answer).await }).map_err(late)
}

impl Object {
    /// Its bytes.
    pub(crate) fn size(&self) -> u64 {
        self.meta.size
    }

    /// These bytes of it.
    ///
    /// # Errors
    /// `source_lost` where it has become another one; what the store answers.
    pub(crate) fn range(&self, from: u64, to: u64) -> Result<Bytes, Error> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(from..to)),
            if_match: self.meta.e_tag.clone(),
            ..GetOptions::default()
        };
        let asked = async { self.store.get_opts(&self.meta.location, options).await?.bytes().await };
        let bytes = wait(&self.handle, asked)?.map_err(|error| match error {
            object_store::Error::NotFound { .. } => {
                Error::unreachable("source_lost", format!("{} has gone while it was read", self.name))
            }
            error => told(&error, &self.name),
        })?;
        if bytes.len() as u64 != to - from {
            let message = format!("{} has become another file while it was read", self.name);
            return Err(Error::unreachable("source_lost", message));
        }
        Ok(bytes)
    }

    /// Reads it from a place to its end.
    pub(crate) fn from(&self, at: u64) -> Pieces {
        Pieces { object: self.clone(), at, piece: Bytes::new() }
    }
}

/// What reads an object from one end to the other. Its errors hold an [`Error`].
pub(crate) struct Pieces {
    object: Object,
    at: u64,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            let to = (self.at + PIECE_BYTES).min(self.object.size());
            if to <= self.at {
                return Ok(0);
            }
            self.piece = self.object.range(self.at, to).map_err(io::Error::other)?;
            self.at = to;
        }
        let count = buffer.len().min(self.piece.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}
