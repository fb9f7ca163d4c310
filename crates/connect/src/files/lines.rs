//! JSON lines: an object on each line; its members are the columns.

use std::io::{BufRead, Read as _};

use serde_json::{Map, Value as Json};

use super::look::Seen;
use super::{Batching, Source, Stop, broken};
use crate::{COLUMNS_MAX, Column, ColumnKind, Error, ROW_BYTES_MAX, Row, Unfit, Value};

/// The lines of one file.
struct Lines<'a> {
    source: &'a Source,
    reader: Box<dyn BufRead>,
    line: Vec<u8>,
    number: u64,
}

impl<'a> Lines<'a> {
    fn open(source: &'a Source) -> Result<Self, Error> {
        Ok(Self { source, reader: source.open()?, line: Vec::new(), number: 0 })
    }

    /// The next object that stands on a line.
    fn next(&mut self) -> Result<Option<Map<String, Json>>, Error> {
        loop {
            self.line.clear();
            self.number += 1;
            let mut bounded = (&mut self.reader).take(ROW_BYTES_MAX as u64 + 1);
            let read = bounded.read_until(b'\n', &mut self.line);
            let name = || self.source.name();
            let read = read.map_err(|error| broken(name(), &error))?;
            if read == 0 {
                return Ok(None);
            }
            if self.line.len() > ROW_BYTES_MAX {
                let message =
                    format!("line {} of {} is larger than a row may be bytes_max={ROW_BYTES_MAX}", self.number, name());
                return Err(Error::invalid("source_row_too_large", message));
            }
            if self.line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            return match serde_json::from_slice(&self.line) {
                Ok(Json::Object(object)) => Ok(Some(object)),
                _ => {
                    let message = format!("line {} of {} is no JSON object", self.number, name());
                    Err(Error::invalid("source_file_invalid", message))
                }
            };
        }
    }
}

pub(super) fn look(source: &Source, seen: &mut Seen) -> Result<(), Error> {
    if seen.header.is_some() {
        let message = format!("{} is of another format than the files before it", source.name());
        return Err(Error::invalid("source_columns_differ", message));
    }
    let mut lines = Lines::open(source)?;
    while let Some(object) = lines.next()? {
        for (guess, (name, value)) in object.iter().enumerate() {
            let at = seen.place(name, guess);
            seen.note(at, kind_of(value), ColumnKind::Json);
        }
        if seen.len() > COLUMNS_MAX {
            let message = format!(
                "the objects of {} have more members than a row may have columns columns_max={COLUMNS_MAX}",
                source.name()
            );
            return Err(Error::invalid("source_too_many_columns", message));
        }
    }
    Ok(())
}

pub(super) fn read(source: &Source, columns: &[Column], batching: &mut Batching<'_>) -> Result<(), Stop> {
    let mut lines = Lines::open(source)?;
    while let Some(mut object) = lines.next()? {
        let take = |column: &Column| object.remove(&column.name).map_or(Value::Null, |value| value_of(value, column));
        let row: Row = columns.iter().map(take).collect();
        let bytes = lines.line.len() + 32 * columns.len();
        batching.push(row, bytes)?;
    }
    Ok(())
}

fn kind_of(value: &Json) -> ColumnKind {
    match value {
        Json::Null => ColumnKind::Empty,
        Json::Bool(_) => ColumnKind::Boolean,
        Json::Number(_) => ColumnKind::Number,
        Json::String(_) => ColumnKind::Text,
        Json::Array(_) | Json::Object(_) => ColumnKind::Json,
    }
}

fn value_of(value: Json, column: &Column) -> Value {
    match (column.kind, value) {
        (_, Json::Null) => Value::Null,
        (ColumnKind::Json, value) => Value::Json(value),
        (ColumnKind::Boolean, Json::Bool(truth)) => Value::Boolean(truth),
        (ColumnKind::Number, Json::Number(number)) => Value::Number(number.to_string()),
        (ColumnKind::Text, Json::String(text)) => Value::Text(text),
        (ColumnKind::Text, Json::Number(number)) => Value::Text(number.to_string()),
        (ColumnKind::Timestamp, Json::String(text)) => match text.parse::<jiff::Timestamp>() {
            Ok(at) => Value::Timestamp(at.to_string()),
            Err(_) => Value::Unfit(Unfit::NotOfKind),
        },
        (
            ColumnKind::Boolean
            | ColumnKind::Number
            | ColumnKind::Text
            | ColumnKind::Timestamp
            | ColumnKind::Empty
            | ColumnKind::Binary,
            _,
        ) => Value::Unfit(Unfit::NotOfKind),
    }
}
