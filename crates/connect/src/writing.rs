//! Rows written as files: CSV, JSON lines and Parquet, compressed or not.
//!
//! What is written is taken out in pieces ([`Encoder::take`]), so that a file of any length is made in bounded memory. Files of Parquet hold at most
//! [`GROUP_ROWS_MAX`] rows, and about [`GROUP_BYTES_MAX`], of one row group before these are taken out.

use std::io::Write as _;

use flate2::write::GzEncoder;

use crate::{Error, Row};

mod columnar;
mod delimited;
mod digits;

pub use digits::Digits;

use columnar::Columnar;

/// Rows of a row group of Parquet.
pub const GROUP_ROWS_MAX: usize = 100_000;
/// Bytes of a row group of Parquet, about, while it is made.
pub const GROUP_BYTES_MAX: usize = 32 << 20;
/// Digits of a decimal.
pub const DIGITS_MAX: u8 = 38;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Lines of cells with a header, separated by commas, as RFC 4180 has them. No value is nothing between two commas; an empty text is `""`.
    Csv,
    /// A JSON object on each line.
    JsonLines,
    /// Parquet.
    Parquet,
}

impl FileFormat {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Csv, Self::JsonLines, Self::Parquet];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
            Self::Parquet => "parquet",
        }
    }

    /// The format of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Whether its files have columns of types.
    #[must_use]
    pub const fn has_columns(self) -> bool {
        !matches!(self, Self::JsonLines)
    }

    /// How it is compressed where nothing else is said.
    #[must_use]
    pub const fn compression(self) -> Compression {
        match self {
            Self::Csv | Self::JsonLines => Compression::None,
            Self::Parquet => Compression::Snappy,
        }
    }

    /// How the names of its files end.
    #[must_use]
    pub const fn ending(self, compression: Compression) -> &'static str {
        match (self, compression) {
            (Self::Parquet, _) => "parquet",
            (Self::Csv, Compression::Gzip) => "csv.gz",
            (Self::Csv, Compression::Zstd) => "csv.zst",
            (Self::Csv, Compression::None | Compression::Snappy) => "csv",
            (Self::JsonLines, Compression::Gzip) => "jsonl.gz",
            (Self::JsonLines, Compression::Zstd) => "jsonl.zst",
            (Self::JsonLines, Compression::None | Compression::Snappy) => "jsonl",
        }
    }
}

/// How a file is compressed: of Parquet its pages, otherwise the whole of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// Gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// Snappy; of Parquet alone.
    Snappy,
}

impl Compression {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Gzip, Self::Zstd, Self::Snappy];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Snappy => "snappy",
        }
    }

    /// The one of this name that a format has.
    #[must_use]
    pub fn parse(name: &str, format: FileFormat) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|own| own.name() == name)?;
        (found != Self::Snappy || format == FileFormat::Parquet).then_some(found)
    }
}

/// A column that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name; no other column of the file has it.
    pub name: String,
    /// What its values are. Any of them may be missing.
    pub kind: FieldKind,
}

/// What the values of a column are that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// True or false.
    Boolean,
    /// Whole numbers of 64 bits.
    Integer,
    /// Decimals of [`DIGITS_MAX`] digits, so many of them after the point.
    Decimal(u8),
    /// Text.
    Text,
    /// Days.
    Date,
    /// Instants, to the microsecond, of UTC.
    Timestamp,
    /// JSON, as text.
    Json,
}

impl FieldKind {
    /// Its name.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Boolean => "boolean".to_owned(),
            Self::Integer => "integer".to_owned(),
            Self::Decimal(scale) => format!("decimal({DIGITS_MAX},{scale})"),
            Self::Text => "text".to_owned(),
            Self::Date => "date".to_owned(),
            Self::Timestamp => "timestamp".to_owned(),
            Self::Json => "json".to_owned(),
        }
    }
}

/// Makes one file.
pub struct Encoder {
    inner: Inner,
}

enum Inner {
    Text(Box<Packer>, TextOf),
    Columnar(Box<Columnar>),
}

enum TextOf {
    Cells,
    Lines,
}

impl Encoder {
    /// Begins a file; of JSON lines the columns count for nothing.
    ///
    /// # Errors
    /// `Invalid` with `export_columns_invalid` for columns that no file can have.
    pub fn new(format: FileFormat, compression: Compression, fields: &[Field]) -> Result<Self, Error> {
        let inner = match format {
            FileFormat::Csv => {
                let mut packer = Packer::new(compression)?;
                let mut line = Vec::new();
                delimited::header(fields, &mut line);
                packer.write(&line)?;
                Inner::Text(Box::new(packer), TextOf::Cells)
            }
            FileFormat::JsonLines => Inner::Text(Box::new(Packer::new(compression)?), TextOf::Lines),
            FileFormat::Parquet => Inner::Columnar(Box::new(Columnar::new(compression, fields)?)),
        };
        Ok(Self { inner })
    }

    /// Writes rows, of which each has a value for each column.
    ///
    /// # Errors
    /// `Invalid` with `export_value_unfit` for a value that is not of the kind of its column.
    pub fn rows(&mut self, rows: &[Row]) -> Result<(), Error> {
        match &mut self.inner {
            Inner::Columnar(columnar) => columnar.rows(rows),
            Inner::Text(packer, TextOf::Cells) => {
                let mut lines = Vec::new();
                rows.iter().for_each(|row| delimited::line(row, &mut lines));
                packer.write(&lines)
            }
            Inner::Text(_, TextOf::Lines) => Err(unfit("lines of JSON have no columns")),
        }
    }

    /// Writes lines of JSON, each with its end.
    ///
    /// # Errors
    /// `Invalid` with `export_value_unfit` where the file has columns.
    pub fn lines(&mut self, lines: &[u8]) -> Result<(), Error> {
        match &mut self.inner {
            Inner::Text(packer, TextOf::Lines) => packer.write(lines),
            Inner::Text(_, TextOf::Cells) | Inner::Columnar(_) => Err(unfit("a file of columns takes rows")),
        }
    }

    /// What is made of it so far and was not taken.
    pub fn take(&mut self) -> Vec<u8> {
        match &mut self.inner {
            Inner::Text(packer, _) => std::mem::take(packer.made()),
            Inner::Columnar(columnar) => columnar.take(),
        }
    }

    /// Ends the file: what is left of it.
    ///
    /// # Errors
    /// `Unreachable` with `export_unwritten` where it cannot be made.
    pub fn finish(self) -> Result<Vec<u8>, Error> {
        match self.inner {
            Inner::Text(packer, _) => packer.finish(),
            Inner::Columnar(columnar) => columnar.finish(),
        }
    }
}

/// Compresses text.
enum Packer {
    Plain(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Packer {
    fn new(compression: Compression) -> Result<Self, Error> {
        Ok(match compression {
            Compression::None | Compression::Snappy => Self::Plain(Vec::new()),
            Compression::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::default())),
            Compression::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(Vec::new(), 0).map_err(unwritten)?),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match self {
            Self::Plain(own) => {
                own.extend_from_slice(bytes);
                Ok(())
            }
            Self::Gzip(own) => own.write_all(bytes).map_err(unwritten),
            Self::Zstd(own) => own.write_all(bytes).map_err(unwritten),
        }
    }

    fn made(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Plain(own) => own,
            Self::Gzip(own) => own.get_mut(),
            Self::Zstd(own) => own.get_mut(),
        }
    }

    fn finish(self) -> Result<Vec<u8>, Error> {
        match self {
            Self::Plain(own) => Ok(own),
            Self::Gzip(own) => own.finish().map_err(unwritten),
            Self::Zstd(own) => own.finish().map_err(unwritten),
        }
    }
}

pub(crate) fn unwritten(error: impl std::fmt::Display) -> Error {
    Error::unreachable("export_unwritten", format!("the file could not be made: {error}"))
}

pub(crate) fn unfit(message: &str) -> Error {
    Error::invalid("export_value_unfit", message)
}

#[cfg(test)]
mod tests;
