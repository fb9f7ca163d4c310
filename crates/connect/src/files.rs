//! Rows of files, in a folder or in a bucket: CSV with a header and JSON lines, each also packed, and Parquet.
//!
//! Files that are text are read twice: first for their columns and what these hold, then for the rows. So a column is a number only if all of it is, and no row
//! that comes late is read another way than one that came early.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use flate2::read::MultiGzDecoder;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::beneath::{self, Unopened};
use crate::objects::Place;
use crate::objects::reading::{Object, Reader};
use crate::{
    BYTES_AT_ONCE, Column, ColumnKind, Error, FILES_MAX, Query, Question, ROWS_AT_ONCE, Row, Rows, TABLES_MAX,
    check_columns,
};

mod delimited;
mod lines;
mod look;
mod packed;
mod parquet;

use packed::{Packing, Zstd};

/// Batches that wait to be taken.
const WAITING_MAX: usize = 2;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    JsonLines,
    Parquet,
}

/// A file that is read.
#[derive(Clone)]
struct Source {
    at: At,
    /// What it is called, in what is told of it.
    name: String,
    format: Format,
    packing: Packing,
}

/// Where a file is.
#[derive(Clone)]
enum At {
    /// At a path below a folder.
    Folder(PathBuf, String),
    Bucket(Object),
}

/// Rows of files, read by a thread of their own.
struct FileRows {
    columns: Vec<Column>,
    batches: mpsc::Receiver<Result<Vec<Row>, Error>>,
}

#[async_trait]
impl Rows for FileRows {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    async fn next(&mut self) -> Result<Option<Vec<Row>>, Error> {
        self.batches.recv().await.transpose()
    }
}

/// Opens the files that a question names.
pub(crate) async fn open(place: &Place, question: &Question) -> Result<Box<dyn Rows>, Error> {
    let Query::Table(pattern) = &question.query else {
        let message = "a bucket is asked by `table`, a path or a pattern below its path; `sql` is asked of a folder";
        return Err(Error::invalid("source_sql_unsupported", message));
    };
    let (place, pattern, types) = (Files::of(place)?, pattern.clone(), question.types.clone());
    let (sources, columns) = blocking(move || {
        let sources = place.named(&pattern)?;
        let columns = look_at(&sources, &types)?;
        check_columns(&columns)?;
        Ok((sources, columns))
    })
    .await?;
    let (sender, batches) = mpsc::channel(WAITING_MAX);
    let read = columns.clone();
    spawn_blocking(move || {
        let mut batching = Batching { sender: &sender, rows: Vec::new(), bytes: 0 };
        if let Err(Stop::Failed(error)) = read_all(&sources, &read, &mut batching) {
            drop(sender.blocking_send(Err(error)));
        }
    });
    Ok(Box::new(FileRows { columns, batches }))
}

/// The files that can be read.
pub(crate) async fn tables(place: &Place) -> Result<Vec<String>, Error> {
    let place = Files::of(place)?;
    blocking(move || {
        let mut names = place.all()?;
        names.sort();
        names.truncate(TABLES_MAX);
        Ok(names)
    })
    .await
}

/// Where files are looked for.
enum Files {
    Folder(PathBuf),
    Bucket(Reader),
}

impl Files {
    fn of(place: &Place) -> Result<Self, Error> {
        Ok(match place {
            Place::Folder(folder) => Self::Folder(folder.clone()),
            Place::Bucket(bucket) => Self::Bucket(Reader::new(place.open()?, bucket.name())),
        })
    }

    /// The files that a path or a pattern names, in the order of their names.
    fn named(&self, pattern: &str) -> Result<Vec<Source>, Error> {
        if Path::new(pattern).is_absolute() || pattern.split(['/', '\\']).any(|part| part == "..") {
            let message =
                "`table` leads out of the folder of the connection; a path below it is expected, without `..`";
            return Err(Error::invalid("source_table_invalid", message));
        }
        let found = match self {
            Self::Folder(folder) => named(folder, pattern)?,
            Self::Bucket(bucket) => {
                let source = |object: Object| Source::new(&object.name.clone(), At::Bucket(object));
                bucket.named(pattern)?.into_iter().map(source).collect::<Result<_, Error>>()?
            }
        };
        if found.is_empty() {
            let message = format!("no file is called {pattern} below the url of the connection");
            return Err(Error::invalid("source_table_unknown", message));
        }
        Ok(found)
    }

    /// The names of all files that can be read.
    fn all(&self) -> Result<Vec<String>, Error> {
        match self {
            Self::Folder(folder) => listed(folder),
            Self::Bucket(bucket) => bucket.names(|name| format_of(name).is_some()),
        }
    }
}

fn listed(folder: &Path) -> Result<Vec<String>, Error> {
    let metadata = std::fs::metadata(folder).map_err(|error| unreadable(folder, &error))?;
    if !metadata.is_dir() {
        return Err(Error::invalid("connection_folder_missing", "the url names no folder; one is expected"));
    }
    let mut found = Vec::new();
    walk(folder, &mut found, 0)?;
    Ok(found.iter().filter_map(|path| path.strip_prefix(folder).ok()?.to_str().map(str::to_owned)).collect())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let stopped = |_| Error::unreachable("source_lost", "the files could not be read to their end");
    spawn_blocking(work).await.map_err(stopped)?
}

/// Folders inside each other that are listed.
const DEPTH_MAX: usize = 8;

fn walk(folder: &Path, found: &mut Vec<PathBuf>, depth: usize) -> Result<(), Error> {
    if depth > DEPTH_MAX || found.len() >= FILES_MAX {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            // One that may not be read has nothing for us.
            drop(walk(&path, found, depth + 1));
        } else if kind.is_file() && path.file_name().and_then(|own| own.to_str()).and_then(format_of).is_some() {
            found.push(path);
        }
        if found.len() >= FILES_MAX {
            break;
        }
    }
    Ok(())
}

fn named(folder: &Path, pattern: &str) -> Result<Vec<Source>, Error> {
    let below = glob::Pattern::escape(&folder.to_string_lossy());
    let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::default() };
    let invalid = |_| Error::invalid("source_table_invalid", "`table` is no path and no pattern of paths");
    let found = glob::glob_with(&format!("{below}/{pattern}"), options).map_err(invalid)?;
    let home = folder.canonicalize().map_err(|error| unreadable(folder, &error))?;
    let mut sources = Vec::new();
    for path in found.flatten().filter(|path| path.is_file()) {
        // A link must not lead out either. Whoever puts one in the place of what it led to finds that it is not followed.
        let real = path.canonicalize().ok();
        let below = real.as_ref().and_then(|real| real.strip_prefix(&home).ok()?.to_str());
        let below = below.ok_or_else(|| {
            Error::invalid("source_table_invalid", "a file lies outside of the folder of the connection")
        })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        sources.push(Source::new(&name, At::Folder(home.clone(), below.to_owned()))?);
        if sources.len() > FILES_MAX {
            let message = format!("`table` names more files than may be read at once files_max={FILES_MAX}");
            return Err(Error::invalid("source_too_many_files", message));
        }
    }
    Ok(sources)
}

/// What the name of a file, or its path, says of it.
fn format_of(name: &str) -> Option<(Format, Packing)> {
    let name = name.rsplit('/').next()?.to_ascii_lowercase();
    let packings = [(".gz", Packing::Gzip), (".zst", Packing::Zstd)];
    let packed = packings.into_iter().find_map(|(ending, packing)| Some((name.strip_suffix(ending)?, packing)));
    let (name, packing) = packed.unwrap_or((&name, Packing::None));
    let format = match name.rsplit_once('.')?.1 {
        "csv" | "tsv" => Format::Csv,
        "jsonl" | "ndjson" => Format::JsonLines,
        "parquet" if packing == Packing::None => Format::Parquet,
        _ => return None,
    };
    Some((format, packing))
}

/// Opens a file below a folder.
fn opened(home: &Path, path: &str) -> Result<File, Error> {
    beneath::file(home, path).map_err(|error| match error {
        Unopened::Failed(_, error) => unreadable(Path::new(path), &error),
        Unopened::Link(name) => {
            Error::invalid("source_table_invalid", format!("{name} has become a symbolic link, which is not followed"))
        }
    })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::invalid("connection_folder_missing", format!("{name} is not there; the url names a folder that is"))
        }
        std::io::ErrorKind::PermissionDenied => {
            let message = format!("{name} may not be read by the server; give it the right to");
            Error::invalid("connection_unauthorized", message)
        }
        kind => Error::unreachable("source_lost", format!("{name} could not be read: {kind}")),
    }
}

/// Why a file could not be read further.
fn broken(name: &str, error: &std::io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(told) => told.clone(),
        None => Error::unreachable("source_lost", format!("{name} could not be read: {}", error.kind())),
    }
}

impl Source {
    fn new(name: &str, at: At) -> Result<Self, Error> {
        let Some((format, packing)) = format_of(name) else {
            let message = format!(
                "the format of {name} is not known; .csv, .tsv, .jsonl, .ndjson (each also with .gz or .zst) or .parquet is expected"
            );
            return Err(Error::invalid("source_format_unsupported", message));
        };
        Ok(Self { at, name: name.to_owned(), format, packing })
    }

    /// What it says, unpacked. Errors of its place are told by [`broken`].
    fn open(&self) -> Result<Box<dyn BufRead>, Error> {
        let reader: Box<dyn Read> = match &self.at {
            At::Folder(home, path) => Box::new(opened(home, path)?),
            At::Bucket(object) => Box::new(object.from(0)),
        };
        let reader: Box<dyn Read> = match self.packing {
            Packing::None => reader,
            Packing::Gzip => Box::new(MultiGzDecoder::new(reader)),
            Packing::Zstd => Box::new(Zstd::new(BufReader::with_capacity(1 << 16, reader))),
        };
        Ok(Box::new(BufReader::with_capacity(1 << 16, reader)))
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// The columns of files, and what these hold.
fn look_at(sources: &[Source], types: &BTreeMap<String, ColumnKind>) -> Result<Vec<Column>, Error> {
    if sources.iter().any(|source| source.format == Format::Parquet) {
        return look_at_parquet(sources, types);
    }
    let mut seen = look::Seen::default();
    for source in sources {
        match source.format {
            Format::Csv => delimited::look(source, &mut seen)?,
            Format::JsonLines => lines::look(source, &mut seen)?,
            Format::Parquet => {}
        }
    }
    seen.columns(types)
}

/// Parquet says itself what its columns are.
fn look_at_parquet(sources: &[Source], types: &BTreeMap<String, ColumnKind>) -> Result<Vec<Column>, Error> {
    if let Some(name) = types.keys().next() {
        let message = format!("`types` names {name}, and files of Parquet have types of their own");
        return Err(Error::invalid("source_column_unfit", message));
    }
    let mut columns: Option<Vec<Column>> = None;
    for source in sources {
        let is_same_format = source.format == Format::Parquet;
        let own = if is_same_format { parquet::columns(source)? } else { Vec::new() };
        if !is_same_format || columns.as_ref().is_some_and(|first| places(first, &own).is_none()) {
            return Err(differing(source));
        }
        columns.get_or_insert(own);
    }
    Ok(columns.unwrap_or_default())
}

/// Where each of these columns stands in a file that has them in another order, or in the same; none where it has others. Names that come twice
/// have one order alone.
fn places<T: PartialEq>(columns: &[T], own: &[T]) -> Option<Vec<usize>> {
    if columns == own {
        return Some((0..own.len()).collect());
    }
    let place = |column: &T| {
        let mut places = own.iter().enumerate().filter(|(_, name)| *name == column).map(|(at, _)| at);
        places.next().filter(|_| places.next().is_none())
    };
    let places: Vec<usize> = columns.iter().map(place).collect::<Option<_>>()?;
    let is_each = (0..own.len()).all(|at| places.contains(&at));
    (places.len() == own.len() && is_each).then_some(places)
}

fn differing(source: &Source) -> Error {
    let message = format!("the columns of {} are others than those of the files before it", source.name());
    Error::invalid("source_columns_differ", message)
}

/// Why reading ends early.
enum Stop {
    /// Nobody takes the rows any more.
    Left,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Puts rows together and hands them on.
struct Batching<'a> {
    sender: &'a mpsc::Sender<Result<Vec<Row>, Error>>,
    rows: Vec<Row>,
    bytes: usize,
}

impl Batching<'_> {
    fn push(&mut self, row: Row, bytes: usize) -> Result<(), Stop> {
        self.rows.push(row);
        self.bytes += bytes;
        if self.rows.len() >= ROWS_AT_ONCE || self.bytes >= BYTES_AT_ONCE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Stop> {
        self.bytes = 0;
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(());
        }
        self.sender.blocking_send(Ok(rows)).map_err(|_| Stop::Left)
    }
}

fn read_all(sources: &[Source], columns: &[Column], batching: &mut Batching<'_>) -> Result<(), Stop> {
    for source in sources {
        match source.format {
            Format::Csv => delimited::rows(source, columns, batching)?,
            Format::JsonLines => lines::read(source, columns, batching)?,
            Format::Parquet => parquet::read(source, columns, batching)?,
        }
    }
    batching.flush()
}
