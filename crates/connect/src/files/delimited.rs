//! CSV: a header, then a row in each record, with as many values as the header has names.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};

use super::look::{Seen, kind_of, value_of};
use super::{Batching, Source, Stop, broken};
use crate::{COLUMNS_MAX, Column, ColumnKind, Error, ROW_BYTES_MAX, Row};

/// What the reader may read ahead of a record.
const AHEAD: usize = 1 << 17;

/// Ends a record that does not end: a quote that nobody closes takes the rest of the file for one value.
struct Bounded {
    inner: Box<dyn BufRead>,
    left: Rc<Cell<usize>>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.get().checked_sub(read) {
            Some(left) => {
                self.left.set(left);
                Ok(read)
            }
            None => Err(io::Error::new(io::ErrorKind::FileTooLarge, "a record does not end")),
        }
    }
}

/// The records of one file.
struct Records<'a> {
    source: &'a Source,
    reader: Reader<Bounded>,
    left: Rc<Cell<usize>>,
    header: Vec<String>,
    record: StringRecord,
    row: u64,
}

impl<'a> Records<'a> {
    fn open(source: &'a Source) -> Result<Self, Error> {
        let left = Rc::new(Cell::new(ROW_BYTES_MAX + AHEAD));
        let bounded = Bounded { inner: source.open()?, left: left.clone() };
        let mut reader = ReaderBuilder::new().has_headers(false).buffer_capacity(AHEAD / 2).from_reader(bounded);
        let mut record = StringRecord::new();
        let is_there = reader.read_record(&mut record).map_err(|error| invalid(source, 1, &error))?;
        if record.len() > COLUMNS_MAX {
            let message = format!(
                "{} has more columns than a row may have columns={} columns_max={COLUMNS_MAX}",
                source.name(),
                record.len()
            );
            return Err(Error::invalid("source_too_many_columns", message));
        }
        let name = |text: &str| text.trim_start_matches('\u{feff}').trim().to_owned();
        let header = if is_there { record.iter().map(name).collect() } else { Vec::new() };
        Ok(Self { source, reader, left, header, record, row: 1 })
    }

    /// Reads the next record. Answers its bytes.
    fn next(&mut self) -> Result<Option<usize>, Error> {
        self.left.set(ROW_BYTES_MAX + AHEAD);
        self.row += 1;
        let read = self.reader.read_record(&mut self.record);
        if !read.map_err(|error| invalid(self.source, self.row, &error))? {
            return Ok(None);
        }
        let bytes = self.record.as_slice().len();
        if bytes > ROW_BYTES_MAX {
            return Err(too_large(self.source, self.row));
        }
        Ok(Some(bytes))
    }
}

pub(super) fn look(source: &Source, seen: &mut Seen) -> Result<(), Error> {
    let mut records = Records::open(source)?;
    match &seen.header {
        None if seen.is_empty() => seen.set_header(&records.header),
        Some(header) if *header == records.header => {}
        None | Some(_) => {
            let message = format!("the columns of {} are others than those of the files before it", source.name());
            return Err(Error::invalid("source_columns_differ", message));
        }
    }
    while records.next()?.is_some() {
        for (at, text) in records.record.iter().enumerate() {
            seen.note(at, kind_of(text), ColumnKind::Text);
        }
    }
    Ok(())
}

pub(super) fn read(source: &Source, columns: &[Column], batching: &mut Batching<'_>) -> Result<(), Stop> {
    let mut records = Records::open(source)?;
    if !records.header.iter().eq(columns.iter().map(|column| &column.name)) {
        let message = format!("{} has become another file while it was read", source.name());
        return Err(Error::unreachable("source_lost", message).into());
    }
    while let Some(bytes) = records.next()? {
        let row: Row = records.record.iter().zip(columns).map(|(text, column)| value_of(text, column.kind)).collect();
        batching.push(row, bytes + 32 * columns.len())?;
    }
    Ok(())
}

fn too_large(source: &Source, row: u64) -> Error {
    let message = format!(
        "record {row} of {} is larger than a row may be bytes_max={ROW_BYTES_MAX}; look for a quote that is not closed",
        source.name()
    );
    Error::invalid("source_row_too_large", message)
}

fn invalid(source: &Source, row: u64, error: &csv::Error) -> Error {
    let name = source.name();
    match error.kind() {
        ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => too_large(source, row),
        ErrorKind::Io(error) => broken(name, error),
        ErrorKind::Utf8 { .. } => {
            Error::invalid("source_file_invalid", format!("record {row} of {name} is no UTF-8 text"))
        }
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let message = format!("record {row} of {name} has {len} values, and the header has {expected_len}");
            Error::invalid("source_file_invalid", message)
        }
        _ => Error::invalid("source_file_invalid", format!("record {row} of {name} is no CSV")),
    }
}
