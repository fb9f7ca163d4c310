//! Rows of a file, one after the other, never the whole file at once.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{BufRead, BufReader, Chain, Cursor, Read};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use serde_json::value::RawValue;
use tessera_service::members::Members;

use super::mapping::{Format, Mapping};

/// Longest line that is read: far above what a server takes for one event, far below what memory holds.
const LINE_BYTES_MAX: u64 = 4 << 20;

/// Why a row was not read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It is not written as its format says; those after it can be read.
    Row { number: u64, reason: String },
    /// The file cannot be read any further.
    File(anyhow::Error),
}

/// One row.
pub(crate) struct Row {
    /// Its number in the file, from 1; a header does not count.
    pub(crate) number: u64,
    /// What it holds.
    pub(crate) cells: Cells,
}

/// What a row holds.
pub(crate) enum Cells {
    /// Text under the names of the header.
    Named(Arc<Vec<String>>, Vec<String>),
    /// The members of a JSON object.
    Json(BTreeMap<String, Box<RawValue>>),
}

/// One value of a row, not empty and not null.
#[derive(Debug, Clone)]
pub(crate) enum Cell<'a> {
    /// Text of a CSV or blank-separated file.
    Text(&'a str),
    /// JSON, exactly as it stands in the file.
    Json(Cow<'a, RawValue>),
}

impl<'a> Cell<'a> {
    /// The text: of a JSON string what it says, of other JSON how it is written.
    pub(crate) fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Json(raw) => Some(match serde_json::from_str::<String>(raw.get()) {
                Ok(text) => Cow::Owned(text),
                Err(_) => Cow::Owned(raw.get().to_owned()),
            }),
        }
        .filter(|text| !text.is_empty())
    }
}

impl Row {
    /// The value of a column; in JSON, dots go down into objects. None when it is missing, empty or null.
    pub(crate) fn cell(&self, column: &str) -> Option<Cell<'_>> {
        match &self.cells {
            Cells::Named(header, values) => {
                let at = header.iter().position(|name| name == column)?;
                values.get(at).map(|text| text.as_str()).filter(|text| !text.is_empty()).map(Cell::Text)
            }
            Cells::Json(members) => {
                let raw = match members.get(column) {
                    Some(raw) => Cow::Borrowed(&**raw),
                    None => Cow::Owned(descend(members, column)?),
                };
                (raw.get() != "null").then_some(Cell::Json(raw))
            }
        }
    }

    /// The names of its columns.
    pub(crate) fn columns(&self) -> Vec<&str> {
        match &self.cells {
            Cells::Named(header, _) => header.iter().map(String::as_str).collect(),
            Cells::Json(members) => members.keys().map(String::as_str).collect(),
        }
    }
}

fn descend(members: &BTreeMap<String, Box<RawValue>>, path: &str) -> Option<Box<RawValue>> {
    let (first, rest) = path.split_once('.')?;
    let inner: BTreeMap<String, Box<RawValue>> = serde_json::from_str(members.get(first)?.get()).ok()?;
    match inner.get(rest) {
        Some(raw) => Some(raw.clone()),
        None => descend(&inner, rest),
    }
}

/// What is read: the input without the mark that some programs begin a file with.
type Input<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

/// Reads rows in the format that the mapping names.
pub(crate) struct Rows<R: Read> {
    reader: Reader<R>,
    number: u64,
    told: Vec<String>,
}

enum Reader<R: Read> {
    Csv(Box<csv::Reader<Input<R>>>, Arc<Vec<String>>),
    Blank(Input<R>, Arc<Vec<String>>),
    Json(Input<R>),
}

impl<R: Read> Rows<R> {
    /// Starts; reads the header where there is one.
    pub(crate) fn new(mapping: &Mapping, input: R) -> Result<Self> {
        let input = without_mark(input)?;
        let columns = mapping.columns().to_vec();
        let mut told = Vec::new();
        let reader = match mapping.format() {
            Format::Csv => {
                let mut reader = csv::ReaderBuilder::new()
                    .delimiter(mapping.delimiter())
                    .has_headers(columns.is_empty())
                    .flexible(true)
                    .from_reader(input);
                let header = if columns.is_empty() {
                    reader.headers().context("cannot read the header")?.iter().map(str::to_owned).collect()
                } else {
                    columns
                };
                told = mapping.check_columns(&header)?;
                Reader::Csv(Box::new(reader), Arc::new(header))
            }
            Format::Blank if columns.is_empty() => {
                bail!("blank-separated rows have no header: name their columns with --columns")
            }
            Format::Blank => {
                told = mapping.check_columns(&columns)?;
                Reader::Blank(input, Arc::new(columns))
            }
            Format::Jsonl => Reader::Json(input),
        };
        Ok(Self { reader, number: 0, told })
    }

    /// What whoever loads should know of the header.
    pub(crate) fn told(&self) -> &[String] {
        &self.told
    }

    fn read(&mut self) -> Result<Option<Result<Cells, String>>> {
        match &mut self.reader {
            Reader::Csv(reader, header) => {
                let mut record = csv::StringRecord::new();
                match reader.read_record(&mut record) {
                    Ok(false) => Ok(None),
                    Ok(true) => Ok(Some(named(header, record.iter().map(str::to_owned).collect()))),
                    Err(error) => broken_record(error).map(|reason| Some(Err(reason))),
                }
            }
            Reader::Blank(input, header) => Ok(line(input)?.map(|text| {
                let columns = |text: String| text.split_ascii_whitespace().map(str::to_owned).collect();
                text.and_then(|text| named(header, columns(text)))
            })),
            Reader::Json(input) => Ok(line(input)?.map(|text| text.and_then(|text| members(&text)))),
        }
    }
}

/// The values of a row under the names of its columns: as many as there are names, so that none is dropped.
fn named(header: &Arc<Vec<String>>, values: Vec<String>) -> Result<Cells, String> {
    if values.len() != header.len() {
        return Err(format!("the row has {} columns, not {}", values.len(), header.len()));
    }
    Ok(Cells::Named(Arc::clone(header), values))
}

/// The members of a JSON object, of which no two have one name.
fn members(text: &str) -> Result<Cells, String> {
    let Members(members) = Members::parse(text).map_err(|_| "this is no JSON object".to_owned())?;
    let mut cells = BTreeMap::new();
    for (at, (name, raw)) in members.into_iter().enumerate() {
        // The name is a column's, as in a header, and no value.
        match cells.entry(name) {
            Entry::Vacant(free) => free.insert(raw.to_owned()),
            Entry::Occupied(taken) => {
                return Err(format!("member {} is named {:?}, as one before it", at + 1, taken.key()));
            }
        };
    }
    Ok(Cells::Json(cells))
}

/// The input from behind the byte order mark, if it begins with one.
fn without_mark<R: Read>(mut input: R) -> Result<Input<R>> {
    const UTF8: &[u8] = b"\xef\xbb\xbf";
    let mut head = Vec::with_capacity(UTF8.len());
    input.by_ref().take(UTF8.len() as u64).read_to_end(&mut head).context("cannot read the first row")?;
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        bail!("the file is UTF-16: save it as UTF-8");
    }
    if head == UTF8 {
        head.clear();
    }
    Ok(BufReader::new(Cursor::new(head).chain(input)))
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<Row, Unread>;

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.number + 1;
        let read = self.read().with_context(|| format!("cannot read row {number}")).transpose()?;
        self.number = number;
        Some(match read {
            Ok(Ok(cells)) => Ok(Row { number, cells }),
            Ok(Err(reason)) => Err(Unread::Row { number, reason }),
            Err(error) => Err(Unread::File(error)),
        })
    }
}

/// What is wrong with one record of a CSV file, without its values.
fn broken_record(error: csv::Error) -> Result<String> {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => Ok(NOT_UTF8.to_owned()),
        _ => Err(error.into()),
    }
}

const NOT_UTF8: &str = "the row is not UTF-8";

/// The next line that is not blank.
fn line(input: &mut impl BufRead) -> Result<Option<Result<String, String>>> {
    loop {
        let mut bytes = Vec::new();
        let read = Read::take(&mut *input, LINE_BYTES_MAX).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            return Ok(None);
        }
        if read as u64 == LINE_BYTES_MAX {
            bail!("the line is longer than {LINE_BYTES_MAX} bytes");
        }
        if !bytes.trim_ascii().is_empty() {
            return Ok(Some(String::from_utf8(bytes).map_err(|_| NOT_UTF8.to_owned())));
        }
    }
}
