//! Rows of files: CSV with a header and JSON lines, gzipped or not, and Parquet.
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

use crate::{
    BYTES_AT_ONCE, Column, ColumnKind, Error, FILES_MAX, Query, Question, ROWS_AT_ONCE, Row, Rows, TABLES_MAX,
    check_columns,
};

mod delimited;
mod lines;
mod look;
mod parquet;

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
#[derive(Debug, Clone)]
struct Source {
    path: PathBuf,
    format: Format,
    is_gzipped: bool,
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
pub(crate) async fn open(folder: &Path, question: &Question) -> Result<Box<dyn Rows>, Error> {
    let Query::Table(pattern) = &question.query else {
        let message =
            "files are asked by `table`, a path or a pattern below the folder; there is no engine for `sql` over files";
        return Err(Error::invalid("source_sql_unsupported", message));
    };
    let (folder, pattern, types) = (folder.to_owned(), pattern.clone(), question.types.clone());
    let (sources, columns) = blocking(move || {
        let sources = named(&folder, &pattern)?;
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

/// The files below a folder that can be read.
pub(crate) async fn tables(folder: &Path) -> Result<Vec<String>, Error> {
    let folder = folder.to_owned();
    blocking(move || {
        let metadata = std::fs::metadata(&folder).map_err(|error| unreadable(&folder, &error))?;
        if !metadata.is_dir() {
            return Err(Error::invalid("connection_folder_missing", "the url names no folder; one is expected"));
        }
        let mut found = Vec::new();
        walk(&folder, &mut found, 0)?;
        let mut names: Vec<String> =
            found.iter().filter_map(|path| path.strip_prefix(&folder).ok()?.to_str().map(str::to_owned)).collect();
        names.sort();
        names.truncate(TABLES_MAX);
        Ok(names)
    })
    .await
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
        } else if kind.is_file() && format_of(&path).is_some() {
            found.push(path);
        }
        if found.len() >= FILES_MAX {
            break;
        }
    }
    Ok(())
}

/// The files that a path or a pattern names, in the order of their names.
fn named(folder: &Path, pattern: &str) -> Result<Vec<Source>, Error> {
    if Path::new(pattern).is_absolute() || pattern.split(['/', '\\']).any(|part| part == "..") {
        let message = "`table` leads out of the folder of the connection; a path below it is expected, without `..`";
        return Err(Error::invalid("source_table_invalid", message));
    }
    let below = glob::Pattern::escape(&folder.to_string_lossy());
    let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::default() };
    let invalid = |_| Error::invalid("source_table_invalid", "`table` is no path and no pattern of paths");
    let found = glob::glob_with(&format!("{below}/{pattern}"), options).map_err(invalid)?;
    let home = folder.canonicalize().map_err(|error| unreadable(folder, &error))?;
    let mut sources = Vec::new();
    for path in found.flatten().filter(|path| path.is_file()) {
        // A link must not lead out either.
        if !path.canonicalize().is_ok_and(|real| real.starts_with(&home)) {
            return Err(Error::invalid("source_table_invalid", "a file lies outside of the folder of the connection"));
        }
        let Some((format, is_gzipped)) = format_of(&path) else {
            let message = format!(
                "the format of {} is not known; .csv, .jsonl, .ndjson (each also with .gz) or .parquet is expected",
                path.file_name().unwrap_or_default().to_string_lossy()
            );
            return Err(Error::invalid("source_format_unsupported", message));
        };
        sources.push(Source { path, format, is_gzipped });
        if sources.len() > FILES_MAX {
            let message = format!("`table` names more files than may be read at once files_max={FILES_MAX}");
            return Err(Error::invalid("source_too_many_files", message));
        }
    }
    if sources.is_empty() {
        let message = format!("no file is called {pattern} below the folder of the connection");
        return Err(Error::invalid("source_table_unknown", message));
    }
    Ok(sources)
}

fn format_of(path: &Path) -> Option<(Format, bool)> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let (name, is_gzipped) = name.strip_suffix(".gz").map_or((&*name, false), |name| (name, true));
    let format = match name.rsplit_once('.')?.1 {
        "csv" => Format::Csv,
        "jsonl" | "ndjson" => Format::JsonLines,
        "parquet" if !is_gzipped => Format::Parquet,
        _ => return None,
    };
    Some((format, is_gzipped))
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

impl Source {
    fn open(&self) -> Result<Box<dyn BufRead>, Error> {
        let file = File::open(&self.path).map_err(|error| unreadable(&self.path, &error))?;
        let reader: Box<dyn Read> = if self.is_gzipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        Ok(Box::new(BufReader::with_capacity(1 << 16, reader)))
    }

    fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
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
        if !is_same_format || columns.as_ref().is_some_and(|first| *first != own) {
            let message = format!("the columns of {} are others than those of the files before it", source.name());
            return Err(Error::invalid("source_columns_differ", message));
        }
        columns = Some(own);
    }
    Ok(columns.unwrap_or_default())
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
            Format::Csv => delimited::read(source, columns, batching)?,
            Format::JsonLines => lines::read(source, columns, batching)?,
            Format::Parquet => parquet::read(source, columns, batching)?,
        }
    }
    batching.flush()
}
