//! Rows of a file, one after the other, never the whole file at once.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::value::RawValue;
use tessera_connect::quoted::{self, Broken, Fault, Quoted};
use tessera_engine::normalise::spelled_number;
use tessera_service::members::Members;

use super::input::Text;
use super::layer::Format;
use super::mapping::Mapping;
use super::parquet::Parquet;
use super::rejects;

/// Longest line that is read: far above what a server takes for one event, far below what memory holds.
const LINE_BYTES_MAX: u64 = 4 << 20;

/// Why a row was not read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It is not written as its format says; those after it can be read.
    Row { place: Place, raw: Raw, reason: String },
    /// The file cannot be read any further.
    File(anyhow::Error),
}

/// Where a row stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// Its number, from 1; a header does not count.
    pub(crate) row: u64,
    /// The line that it begins in, from 1; every line counts.
    pub(crate) line: u64,
}

/// A row as it came, for the file of refused ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Raw {
    /// The values of a row with columns.
    Columns(csv::ByteRecord),
    /// A line of JSON.
    Line(Vec<u8>),
}

impl Raw {
    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Columns(record) => record.as_slice().len() + record.len() * size_of::<usize>(),
            Self::Line(line) => line.len(),
        }
    }
}

/// One row.
pub(crate) struct Row {
    /// Where it stands.
    pub(crate) place: Place,
    /// What it holds.
    pub(crate) cells: Cells,
    /// What columns hold where they are empty.
    pub(crate) defaults: Arc<BTreeMap<String, String>>,
    /// The row as it came.
    pub(crate) raw: Raw,
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
    /// Whether it holds other values.
    pub(crate) fn is_container(&self) -> bool {
        match self {
            Self::Text(_) => false,
            Self::Json(raw) => raw.get().starts_with(['{', '[']),
        }
    }

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

    /// The text where something is named: of a number of JSON its one spelling, as every door takes it.
    pub(crate) fn into_name(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Json(raw) if raw.get().starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
                Some(Cow::Owned(spelled_number(raw.get()).into_owned()))
            }
            own => own.into_text(),
        }
    }
}

impl Row {
    /// The value of a column; in JSON, dots go down into objects. Its default when it is missing, empty or null.
    pub(crate) fn cell(&self, column: &str) -> Option<Cell<'_>> {
        self.own_cell(column).or_else(|| self.defaults.get(column).map(|text| Cell::Text(text)))
    }

    fn own_cell(&self, column: &str) -> Option<Cell<'_>> {
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
                (!matches!(raw.get(), "null" | "\"\"")).then_some(Cell::Json(raw))
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

/// Reads rows in the format that the mapping names.
pub(crate) struct Rows<'a> {
    reader: Reader<'a>,
    defaults: Arc<BTreeMap<String, String>>,
    number: u64,
    told: Vec<String>,
    is_transcoded: bool,
}

type Lines<'a> = BufReader<Box<dyn Read + 'a>>;

enum Reader<'a> {
    Csv(Box<Csv<'a>>),
    Blank {
        input: Lines<'a>,
        line: u64,
        header: Arc<Vec<String>>,
    },
    Json {
        input: Lines<'a>,
        line: u64,
    },
    /// With the columns that are asked for.
    Parquet {
        rows: Box<Parquet>,
        taken: BTreeSet<String>,
    },
}

/// A row as its format has it: where it begins, as it came, and what it holds or why nothing.
struct Found {
    line: u64,
    raw: Raw,
    cells: Result<Cells, String>,
}

impl<'a> Rows<'a> {
    /// Starts; reads the header where there is one.
    pub(crate) fn new(mapping: &Mapping, text: Text<'a>) -> Result<Self> {
        let Text { reader, is_transcoded } = text;
        let columns = mapping.columns().to_vec();
        let mut told = Vec::new();
        let reader = match mapping.format() {
            Format::Csv => {
                let csv = Csv::new(mapping.delimiter(), columns, reader)?;
                told = mapping.check_columns(&csv.header)?;
                Reader::Csv(Box::new(csv))
            }
            Format::Blank if columns.is_empty() => {
                bail!("blank-separated rows have no header: name their columns with --columns")
            }
            Format::Blank => {
                told = mapping.check_columns(&columns)?;
                Reader::Blank { input: BufReader::new(reader), line: 0, header: Arc::new(columns) }
            }
            Format::Jsonl => Reader::Json { input: BufReader::new(reader), line: 0 },
            Format::Parquet => bail!("a file of Parquet is read as a whole, and not as a text"),
        };
        Ok(Self { reader, defaults: Arc::clone(mapping.defaults()), number: 0, told, is_transcoded })
    }

    /// Starts with a file of Parquet.
    pub(crate) fn of_parquet(mapping: &Mapping, rows: Parquet) -> Result<Self> {
        let told = mapping.check_columns(rows.names())?;
        let taken = rows.names().iter().filter(|name| mapping.takes(name)).cloned().collect();
        let reader = Reader::Parquet { rows: Box::new(rows), taken };
        Ok(Self { reader, defaults: Arc::clone(mapping.defaults()), number: 0, told, is_transcoded: false })
    }

    /// What whoever loads should know of the header.
    pub(crate) fn told(&self) -> &[String] {
        &self.told
    }

    /// The names of the columns, where rows have no names of their own.
    pub(crate) fn header(&self) -> Option<&[String]> {
        match &self.reader {
            Reader::Csv(csv) => Some(&csv.header),
            Reader::Blank { header, .. } => Some(header),
            Reader::Json { .. } | Reader::Parquet { .. } => None,
        }
    }

    fn read(&mut self) -> Result<Option<Found>> {
        match &mut self.reader {
            Reader::Csv(csv) => csv.read(),
            Reader::Blank { input, line, header } => Ok(next_line(input, line)?.map(|bytes| {
                let words = bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
                let record: csv::ByteRecord = words.collect();
                Found { line: *line, cells: named(header, &record), raw: Raw::Columns(record) }
            })),
            Reader::Json { input, line } => Ok(next_line(input, line)?.map(|bytes| {
                let cells = std::str::from_utf8(&bytes).map_err(|_| NOT_UTF8.to_owned()).and_then(members);
                Found { line: *line, cells, raw: Raw::Line(bytes) }
            })),
            Reader::Parquet { rows, taken } => Ok(rows.read(|column| taken.contains(column))?.map(|line| {
                // It has no lines; where a row stands is its number.
                Found { line: line.number, cells: line.members.map(Cells::Json), raw: Raw::Line(line.json) }
            })),
        }
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, Unread>;

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.number + 1;
        let read = self.read().with_context(|| format!("cannot read row {number}")).transpose()?;
        self.number = number;
        let Found { line, raw, mut cells } = match read {
            Ok(found) => found,
            Err(error) => return Some(Err(Unread::File(error))),
        };
        if self.is_transcoded && raw.has_replacement() {
            cells = Err("the row has characters that its encoding does not have: see --encoding".to_owned());
        }
        let place = Place { row: number, line };
        Some(match cells {
            Ok(cells) => Ok(Row { place, cells, defaults: Arc::clone(&self.defaults), raw }),
            Err(reason) => Err(Unread::Row { place, raw, reason }),
        })
    }
}

impl Raw {
    /// Whether a character stands for one that was none.
    fn has_replacement(&self) -> bool {
        let bytes = match self {
            Self::Columns(record) => record.as_slice(),
            Self::Line(line) => line,
        };
        bytes.windows(3).any(|three| three == "\u{fffd}".as_bytes())
    }
}

/// A CSV file.
struct Csv<'a> {
    rows: Quoted<Box<dyn Read + 'a>>,
    header: Arc<Vec<String>>,
    /// The first row, where it had to be read to tell that it is no header.
    first: Option<quoted::Found>,
    /// Columns at the beginning of each row that say why it was refused before.
    reasons: usize,
}

impl<'a> Csv<'a> {
    fn new(delimiter: u8, columns: Vec<String>, input: Box<dyn Read + 'a>) -> Result<Self> {
        let mut rows = Quoted::new(input, delimiter, LINE_BYTES_MAX as usize);
        let first = rows.read().map_err(broken).context("cannot read the header")?;
        // A file of refused rows has a header, though the file that they are from has none.
        let begins = first.iter().flat_map(|first| first.values.iter()).take(rejects::COLUMNS.len());
        let has_reasons = begins.eq(rejects::COLUMNS.map(str::as_bytes));
        if !columns.is_empty() && !has_reasons {
            return Ok(Self { rows, header: Arc::new(columns), first, reasons: 0 });
        }
        let fault = first.as_ref().and_then(|first| first.fault).map(told);
        let names = first.map(|first| texts(&first.values)).transpose();
        let names = fault.map_or(names, |told| Err(told.to_owned()));
        let mut header = names.map_err(|reason| anyhow!("the header: {reason}"))?.unwrap_or_default();
        let reasons = if has_reasons { rejects::COLUMNS.len() } else { 0 };
        header.drain(..reasons);
        Ok(Self { rows, header: Arc::new(header), first: None, reasons })
    }

    fn read(&mut self) -> Result<Option<Found>> {
        let found = match self.first.take() {
            Some(first) => Some(first),
            None => self.rows.read().map_err(broken)?,
        };
        let Some(quoted::Found { line, mut values, fault }) = found else { return Ok(None) };
        if self.reasons > 0 {
            values = values.iter().skip(self.reasons).collect();
        }
        let cells = match fault {
            Some(fault) => Err(told(fault).to_owned()),
            None => named(&self.header, &values),
        };
        Ok(Some(Found { line, cells, raw: Raw::Columns(values) }))
    }
}

fn broken(broken: Broken) -> anyhow::Error {
    match broken {
        Broken::Input(error) => error.into(),
        Broken::TooLarge => anyhow!("the row is longer than {LINE_BYTES_MAX} bytes"),
    }
}

/// What is said of a quote that is no pair: the same of all, so that they are counted together.
fn told(fault: Fault) -> &'static str {
    match fault {
        Fault::Astray(_) => {
            "a quote begins a value, and something else stands behind the next one: quotes within a value are written twice, and the value in quotes"
        }
        Fault::Open | Fault::Endless => "a quote begins a value, and none ends it",
    }
}

fn texts(record: &csv::ByteRecord) -> Result<Vec<String>, String> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| NOT_UTF8.to_owned());
    record.iter().map(text).collect()
}

/// The values of a row under the names of its columns: as many as there are names, so that none is dropped.
fn named(header: &Arc<Vec<String>>, record: &csv::ByteRecord) -> Result<Cells, String> {
    if record.len() != header.len() {
        return Err(format!("the row has {} columns, not {}", record.len(), header.len()));
    }
    Ok(Cells::Named(Arc::clone(header), texts(record)?))
}

/// The members of a JSON object, of which no two have one name; without what was said of it when it was refused.
fn members(text: &str) -> Result<Cells, String> {
    let Members(members) = Members::parse(text).map_err(|_| {
        let hint = if text.trim_start().starts_with('[') { "; of an array, jq -c '.[]' makes such lines" } else { "" };
        format!("this is no JSON object, and each line is expected to be one{hint}")
    })?;
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
    if cells.get(rejects::MEMBER).is_some_and(|said| rejects::is_reason(said)) {
        cells.remove(rejects::MEMBER);
    }
    Ok(Cells::Json(cells))
}

const NOT_UTF8: &str = "the row is not UTF-8: see --encoding";

/// The next line that is not blank, without its end; counts all.
fn next_line(input: &mut impl BufRead, line: &mut u64) -> Result<Option<Vec<u8>>> {
    loop {
        let mut bytes = Vec::new();
        let read = Read::take(&mut *input, LINE_BYTES_MAX).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            return Ok(None);
        }
        if read as u64 == LINE_BYTES_MAX {
            bail!("the line is longer than {LINE_BYTES_MAX} bytes");
        }
        *line += 1;
        if !bytes.trim_ascii().is_empty() {
            bytes.truncate(bytes.trim_ascii_end().len());
            return Ok(Some(bytes));
        }
    }
}
