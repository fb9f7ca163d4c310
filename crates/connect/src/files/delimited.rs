//! CSV: a header, then a row in each record, with as many values as the header has names. Commas stand between them, or what the header has instead.

use std::io::BufRead;

use csv::StringRecord;

use super::look::{Seen, kind_of, value_of};
use super::{Batching, Source, Stop, broken, differing, places};
use crate::quoted::{Broken, Fault, Quoted};
use crate::{COLUMNS_MAX, Column, ColumnKind, Error, ROW_BYTES_MAX, Row};

/// The records of one file.
struct Records<'a> {
    source: &'a Source,
    rows: Quoted<Box<dyn BufRead>>,
    header: Vec<String>,
    record: StringRecord,
    row: u64,
}

impl<'a> Records<'a> {
    fn open(source: &'a Source) -> Result<Self, Error> {
        let mut input = source.open()?;
        let head = input.fill_buf().map_err(|error| broken(source.name(), &error))?;
        let delimiter = delimiter_of(head);
        let mut rows = Quoted::new(input, delimiter, ROW_BYTES_MAX);
        let record = read(source, &mut rows, 1)?;
        let is_there = record.is_some();
        let record = record.unwrap_or_default();
        if record.len() > COLUMNS_MAX {
            let message = format!(
                "{} has more columns than a row may have columns={} columns_max={COLUMNS_MAX}",
                source.name(),
                record.len()
            );
            return Err(Error::invalid("source_too_many_columns", message));
        }
        let name = |text: &str| text.trim().to_owned();
        if !is_there {
            let message = format!(
                "{} is empty; a header is expected in its first line, with the names of its columns",
                source.name()
            );
            return Err(Error::invalid("source_file_invalid", message));
        }
        let header = record.iter().map(name).collect();
        Ok(Self { source, rows, header, record, row: 1 })
    }

    /// Reads the next record. Answers its bytes.
    fn next(&mut self) -> Result<Option<usize>, Error> {
        self.row += 1;
        let Some(record) = read(self.source, &mut self.rows, self.row)? else { return Ok(None) };
        if record.len() != self.header.len() {
            return Err(self.unequal(record.len()));
        }
        self.record = record;
        Ok(Some(self.record.as_slice().len()))
    }

    fn unequal(&self, values: usize) -> Error {
        let (row, name, names) = (self.row, self.source.name(), self.header.len());
        let message = format!("record {row} of {name} has {values} values, and the header has {names}");
        Error::invalid("source_file_invalid", message)
    }
}

/// What stands between the values of a file that begins so: a comma where its first line has one outside of quotes, otherwise that of a semicolon, a
/// tab and a bar which it has most of.
fn delimiter_of(head: &[u8]) -> u8 {
    const OTHERS: [u8; 3] = [b';', b'\t', b'|'];
    let (mut counts, mut is_quoted) = ([0_usize; OTHERS.len()], false);
    for byte in head {
        match byte {
            b'"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            b',' => return b',',
            b'\n' | b'\r' => break,
            other => {
                if let Some(at) = OTHERS.iter().position(|own| own == other) {
                    counts[at] += 1;
                }
            }
        }
    }
    // Of equal counts the first.
    let most = OTHERS.iter().zip(counts).rev().max_by_key(|(_, count)| *count);
    most.filter(|(_, count)| *count > 0).map_or(b',', |(own, _)| *own)
}

pub(super) fn look(source: &Source, seen: &mut Seen) -> Result<(), Error> {
    let mut records = Records::open(source)?;
    if seen.header.is_none() && seen.is_empty() {
        seen.set_header(&records.header);
    }
    // Where each value of a record belongs.
    let places = seen.header.as_ref().and_then(|header| places(&records.header, header));
    let places = places.ok_or_else(|| differing(source))?;
    while records.next()?.is_some() {
        for (at, text) in places.iter().zip(records.record.iter()) {
            seen.note(*at, kind_of(text), ColumnKind::Text);
        }
    }
    Ok(())
}

pub(super) fn rows(source: &Source, columns: &[Column], batching: &mut Batching<'_>) -> Result<(), Stop> {
    let mut records = Records::open(source)?;
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let Some(places) = places(&names, &records.header) else {
        let message = format!("{} has become another file while it was read", source.name());
        return Err(Error::unreachable("source_lost", message).into());
    };
    while let Some(bytes) = records.next()? {
        let value =
            |(at, column): (&usize, &Column)| value_of(records.record.get(*at).unwrap_or_default(), column.kind);
        let row: Row = places.iter().zip(columns).map(value).collect();
        batching.push(row, bytes + 32 * columns.len())?;
    }
    Ok(())
}

fn read(source: &Source, rows: &mut Quoted<Box<dyn BufRead>>, row: u64) -> Result<Option<StringRecord>, Error> {
    let name = source.name();
    let found = match rows.read() {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(None),
        Err(Broken::Input(error)) => return Err(broken(name, &error)),
        Err(Broken::TooLarge) => return Err(too_large(source, row)),
    };
    let what = match found.fault {
        None => None,
        Some(Fault::Endless) => return Err(too_large(source, row)),
        Some(Fault::Open) => Some("a value begins with a quote, and none ends it".to_owned()),
        Some(Fault::Astray(end)) => Some(format!(
            "a value in quotes ends in line {end}, and something else stands behind it; a quote within a value is written twice, and the value in quotes"
        )),
    };
    if let Some(what) = what {
        let message = format!("record {row} of {name}, in line {}: {what}", found.line);
        return Err(Error::invalid("source_file_invalid", message));
    }
    let record = StringRecord::from_byte_record(found.values);
    record
        .map(Some)
        .map_err(|_| Error::invalid("source_file_invalid", format!("record {row} of {name} is no UTF-8 text")))
}

fn too_large(source: &Source, row: u64) -> Error {
    let message = format!(
        "record {row} of {} is larger than a row may be bytes_max={ROW_BYTES_MAX}; look for a quote that is not closed",
        source.name()
    );
    Error::invalid("source_row_too_large", message)
}
