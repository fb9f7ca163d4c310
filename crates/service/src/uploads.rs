//! Files that callers hand over, whole or part by part, and the rows of them: JSON, one entity for each.
//!
//! Nothing of a file is held in memory but the rows at hand, whatever its size.

use std::io::{BufRead, BufReader, Read as _};
use std::sync::Arc;

use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};
use tessera_connect::{Column, Connection, Place, Query, Question, Rows, Value};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::work::refresh::source_error;
use crate::work::service::Service;
use crate::work::uploads::Upload;

pub use crate::work::uploads::{UPLOAD_BYTES_MAX, UPLOADS_BYTES_MAX, UPLOADS_MAX};

#[cfg(test)]
mod tests;

/// Rows that are given at once.
pub const ROWS_AT_ONCE: usize = 500;
/// Bytes of one row.
pub const ROW_BYTES_MAX: usize = 1 << 20;
/// Rows given at once that wait to be taken.
const WAITING_MAX: usize = 2;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadFormat {
    /// JSON, one value on each line.
    Lines,
    /// JSON, one value, or a list of them.
    Json,
    /// Parquet.
    Parquet,
}

impl UploadFormat {
    const fn ending(self) -> &'static str {
        match self {
            Self::Lines | Self::Json => ".jsonl",
            Self::Parquet => ".parquet",
        }
    }
}

/// A row: JSON, or what is wrong with it.
pub type UploadRow = Result<String, String>;

/// The rows of a file, some at a time.
pub struct UploadRows(Source);

enum Source {
    Text(mpsc::Receiver<Result<Vec<UploadRow>, Error>>),
    Table {
        rows: Box<dyn Rows>,
        /// Keeps the file while it is read.
        _file: Arc<Upload>,
    },
}

impl UploadRows {
    /// The next rows; none behind the last.
    ///
    /// # Errors
    /// `Invalid` with `upload_unreadable`, or the code of a file that is no Parquet; `Unavailable` with `upload_failed`.
    pub async fn next(&mut self) -> Result<Option<Vec<UploadRow>>, Error> {
        match &mut self.0 {
            Source::Text(rows) => rows.recv().await.transpose(),
            Source::Table { rows, .. } => {
                let found = rows.next().await.map_err(source_error)?;
                let columns = rows.columns();
                Ok(found.map(|found| found.into_iter().map(|row| entity(columns, row)).collect()))
            }
        }
    }
}

impl Service {
    /// Begins to take a file, in place of one of the same name.
    ///
    /// # Errors
    /// `LimitExceeded` with `uploads_full`; `Unavailable` with `upload_failed`.
    pub fn begin_upload(&self, workspace: WorkspaceId, name: &str, format: UploadFormat) -> Result<(), Error> {
        self.uploads().begin(&(workspace, name.to_owned()), format.ending(), self.now())
    }

    /// Takes a part of a file, from this byte on: one that is there already is taken once more.
    ///
    /// # Errors
    /// `Conflict` with `upload_not_begun`, `upload_gap`; `LimitExceeded` with `upload_too_large`; `Unavailable` with `upload_failed`.
    pub async fn write_upload(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        name: &str,
        start: u64,
        part: bytes::Bytes,
    ) -> Result<(), Error> {
        let (service, name) = (self.clone(), (workspace, name.to_owned()));
        let file = service.uploads().find(&name, service.now())?;
        let written = spawn_blocking(move || service.uploads().write(&file, start, &part)).await;
        written.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "internal", "a part of a file was lost")))
    }

    /// The rows of a file that was taken whole. It stays until it is let go of.
    ///
    /// # Errors
    /// `Conflict` with `upload_not_begun`; `Invalid` with the code of a file that is no Parquet; `Unavailable` with `upload_failed`.
    pub async fn read_upload(
        &self,
        workspace: WorkspaceId,
        name: &str,
        format: UploadFormat,
    ) -> Result<UploadRows, Error> {
        let upload = self.uploads().find(&(workspace, name.to_owned()), self.now())?;
        if format == UploadFormat::Parquet {
            let connection = Connection::Files(Place::Folder(upload.folder().to_owned()));
            let question =
                Question { query: Query::Table(upload.name().to_owned()), types: std::collections::BTreeMap::new() };
            let connectors = self.settings().sources.connectors.clone();
            let rows = connectors.open(&connection, &question).await.map_err(source_error)?;
            return Ok(UploadRows(Source::Table { rows, _file: upload }));
        }
        let (sender, rows) = mpsc::channel(WAITING_MAX);
        spawn_blocking(move || {
            let mut batching = Batching { sender, rows: Vec::new() };
            let read = match format {
                UploadFormat::Json => values(&upload, &mut batching),
                UploadFormat::Lines | UploadFormat::Parquet => lines(&upload, &mut batching),
            };
            match read {
                Ok(()) => drop(batching.flush()),
                Err(Stop::Left) => {}
                Err(Stop::Failed(error)) => drop(batching.sender.blocking_send(Err(error))),
            }
        });
        Ok(UploadRows(Source::Text(rows)))
    }

    /// Lets go of the files whose names these are.
    pub fn let_go_of_uploads(&self, workspace: WorkspaceId, is_named: impl Fn(&str) -> bool) {
        self.uploads().let_go(workspace, is_named);
    }
}

/// Why reading ends early.
enum Stop {
    /// Nobody takes the rows any more.
    Left,
    Failed(Error),
}

struct Batching {
    sender: mpsc::Sender<Result<Vec<UploadRow>, Error>>,
    rows: Vec<UploadRow>,
}

impl Batching {
    fn push(&mut self, row: UploadRow) -> Result<(), Stop> {
        self.rows.push(row);
        if self.rows.len() >= ROWS_AT_ONCE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Stop> {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(());
        }
        self.sender.blocking_send(Ok(rows)).map_err(|_| Stop::Left)
    }
}

fn open(upload: &Upload) -> Result<BufReader<std::fs::File>, Stop> {
    let file = std::fs::File::open(upload.path()).map_err(|error| lost(&error))?;
    Ok(BufReader::with_capacity(1 << 16, file))
}

fn lost(error: &std::io::Error) -> Stop {
    let message = format!("the file could not be read: {}", error.kind());
    Stop::Failed(Error::new(ErrorKind::Unavailable, "upload_failed", message))
}

/// Every line is a row; empty ones are none.
fn lines(upload: &Upload, batching: &mut Batching) -> Result<(), Stop> {
    let mut reader = open(upload)?;
    loop {
        let mut line = Vec::new();
        let read = reader.by_ref().take(ROW_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line);
        if read.map_err(|error| lost(&error))? == 0 {
            return Ok(());
        }
        if line.len() > ROW_BYTES_MAX && line.last() != Some(&b'\n') {
            skip_line(&mut reader)?;
            batching.push(Err(format!("the row is larger than may be bytes_max={ROW_BYTES_MAX}")))?;
            continue;
        }
        match std::str::from_utf8(&line).map(str::trim) {
            Ok("") => {}
            // A line may be a list of rows as well.
            Ok(text) if text.starts_with('[') => match serde_json::from_str::<Vec<&RawValue>>(text) {
                Ok(items) => items.into_iter().try_for_each(|item| batching.push(Ok(item.get().to_owned())))?,
                Err(_) => batching.push(Err("the row is no json".to_owned()))?,
            },
            Ok(text) => match serde_json::from_str::<&RawValue>(text) {
                Ok(_) => batching.push(Ok(text.to_owned()))?,
                Err(_) => batching.push(Err("the row is no json".to_owned()))?,
            },
            Err(_) => batching.push(Err("the row is no UTF-8".to_owned()))?,
        }
    }
}

fn skip_line(reader: &mut impl BufRead) -> Result<(), Stop> {
    loop {
        let buffer = reader.fill_buf().map_err(|error| lost(&error))?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

/// The one value of a file is a row, or each item where it is a list.
fn values(upload: &Upload, batching: &mut Batching) -> Result<(), Stop> {
    let mut reader = open(upload)?;
    let first = loop {
        let byte = reader.fill_buf().map_err(|error| lost(&error))?.first().copied();
        match byte {
            Some(byte) if byte.is_ascii_whitespace() => reader.consume(1),
            byte => break byte,
        }
    };
    let mut stop = None;
    let mut json = serde_json::Deserializer::from_reader(reader);
    let read = match first {
        None => return Ok(()),
        Some(b'[') => json.deserialize_seq(Items { batching, stop: &mut stop }),
        Some(_) => {
            let value = serde::Deserialize::deserialize(&mut json);
            value.map(|value: Box<RawValue>| stop = batching.push(Ok(value.get().to_owned())).err())
        }
    };
    if let Some(stop) = stop {
        return Err(stop);
    }
    if let Err(error) = read.and_then(|()| json.end()) {
        let message = format!("the file is no json line={} column={}", error.line(), error.column());
        return Err(Stop::Failed(Error::new(ErrorKind::Invalid, "upload_unreadable", message)));
    }
    Ok(())
}

/// The items of a list, one by one.
struct Items<'a> {
    batching: &'a mut Batching,
    stop: &'a mut Option<Stop>,
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<Box<RawValue>>()? {
            // What is pushed when nobody takes it any more is read to its end, and goes nowhere.
            if self.stop.is_none() {
                *self.stop = self.batching.push(Ok(item.get().to_owned())).err();
            }
        }
        Ok(())
    }
}

/// A row of a table as an entity, its numbers in the digits that they came in. What has no value is not there.
fn entity(columns: &[Column], row: Vec<Value>) -> UploadRow {
    let mut members: Vec<(&str, Box<RawValue>)> = Vec::with_capacity(columns.len());
    for (column, value) in columns.iter().zip(row) {
        let json = match value {
            Value::Null => continue,
            Value::Boolean(own) => Json::Bool(own).to_string(),
            Value::Number(digits) => digits,
            Value::Text(text) | Value::Timestamp(text) => Json::String(text).to_string(),
            Value::Json(json) => match said(json) {
                Some(json) => json.to_string(),
                None => continue,
            },
            Value::Unfit(unfit) => return Err(format!("{}: {}", column.name, unfit.code())),
        };
        let json = RawValue::from_string(json).map_err(|_| format!("{}: no json", column.name))?;
        members.push((&column.name, json));
    }
    let text = members.iter().map(|(name, json)| format!("{}:{}", Json::String((*name).to_owned()), json.get()));
    Ok(format!("{{{}}}", text.collect::<Vec<_>>().join(",")))
}

/// What of a value says something: a table has a place for what is not there.
fn said(json: Json) -> Option<Json> {
    match json {
        Json::Null => None,
        Json::Object(members) => {
            let members: Map<String, Json> =
                members.into_iter().filter_map(|(name, json)| Some((name, said(json)?))).collect();
            (!members.is_empty()).then_some(Json::Object(members))
        }
        Json::Array(items) => Some(Json::Array(items.into_iter().filter_map(said).collect())),
        Json::Bool(_) | Json::Number(_) | Json::String(_) => Some(json),
    }
}
