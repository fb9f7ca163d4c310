//! Where rows come from and go to: connections to databases and files, the rows that a query of one brings, batch by batch, the changes of a
//! table as they are committed, and files and tables that rows are written to.
//!
//! Start at [`Connect`]. It knows rows, columns and values; what becomes of them is told elsewhere.
//!
//! Invariants:
//! - a stream of rows holds one batch at a time, whatever the query brings: [`ROWS_AT_ONCE`], about [`BYTES_AT_ONCE`];
//! - a value is what the source says, or is named as what it cannot be ([`Unfit`]): none is rounded, cut or guessed;
//! - errors hold no value of a row.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

mod adbc;
mod arrow;
mod beneath;
mod changes;
mod connectors;
mod files;
mod names;
pub mod objects;
mod postgres;
pub mod quoted;
mod table;
mod target;
mod tls;
mod writing;

pub use adbc::Adbc;
pub use changes::{CHANGE_BYTES_MAX, CHANGES_AT_ONCE, Changes, Followed, Piece, Position, Reached, Standing};
pub use connectors::Connectors;
pub use names::{POSTGRES_NAME_BYTES_MAX, check_postgres_table};
pub use objects::Place;
pub use table::{Replaced, Replacing, Table};
pub use target::{PATH_BYTES_MAX, Part, Target, check_path};
pub use writing::{
    Compression, DIGITS_MAX, Digits, Encoder, Field, FieldKind, FileFormat, GROUP_BYTES_MAX, GROUP_ROWS_MAX,
};

/// Rows of one batch.
pub const ROWS_AT_ONCE: usize = 1_000;
/// Bytes of one batch, about.
pub const BYTES_AT_ONCE: usize = 4 << 20;
/// Columns of one query.
pub const COLUMNS_MAX: usize = 1_000;
/// Bytes of one row.
pub const ROW_BYTES_MAX: usize = 1 << 20;
/// Tables that a test of a connection lists.
pub const TABLES_MAX: usize = 1_000;
/// Files of one query.
pub const FILES_MAX: usize = 10_000;

/// How long one statement may take: a question until its first rows and until each of the next, where nothing else is set.
const STATEMENT: Duration = Duration::from_secs(600);

/// A connection, with its secrets.
#[derive(Clone, PartialEq, Eq)]
pub enum Connection {
    /// PostgreSQL, by its URL.
    Postgres {
        /// As libpq reads it: `postgres://user@host:5432/database`.
        url: String,
        /// The user's password, where it stands apart from the URL.
        password: Option<String>,
        /// Certificates of the authorities that the server's certificate may be made by, as PEM, where these are not those of the system.
        ca: Option<String>,
    },
    /// Files, in a folder of this machine or in a bucket.
    Files(Place),
    /// A database, by a driver.
    Adbc(Adbc),
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres { .. } => "Postgres(***)",
            Self::Files(_) => "Files(***)",
            Self::Adbc(_) => "Adbc(***)",
        })
    }
}

/// What is asked of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// All rows of a table; of files those of a path or a pattern, `orders/2026-*.csv`.
    Table(String),
    /// What a statement brings.
    Sql(String),
}

/// A question: what is asked, and how its columns are to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What.
    pub query: Query,
    /// Kinds of columns whose values come as text alone, where they are not to be found out.
    pub types: BTreeMap<String, ColumnKind>,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnKind {
    /// Nothing: it has no value at all.
    Empty,
    /// True or false.
    Boolean,
    /// Numbers.
    Number,
    /// Text, and whatever has a spelling of its own and no other kind here: dates, times without a zone, addresses.
    Text,
    /// Instants.
    Timestamp,
    /// JSON of any shape, and lists.
    Json,
    /// Bytes.
    Binary,
}

impl ColumnKind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Empty, Self::Boolean, Self::Number, Self::Text, Self::Timestamp, Self::Json, Self::Binary];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::Text => "text",
            Self::Timestamp => "timestamp",
            Self::Json => "json",
            Self::Binary => "binary",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A column of what a query brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: ColumnKind,
    /// The source's own name for that.
    pub source_type: String,
}

/// One value.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// None.
    Null,
    /// True or false.
    Boolean(bool),
    /// A number, in decimal digits as the source gives them.
    Number(String),
    /// A text.
    Text(String),
    /// An instant, as in `2026-01-31T10:00:00.25Z`.
    Timestamp(String),
    /// JSON.
    Json(serde_json::Value),
    /// What is there and can be no value.
    Unfit(Unfit),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Unfit(unfit) => write!(f, "Unfit({})", unfit.code()),
            Self::Boolean(_) | Self::Number(_) | Self::Text(_) | Self::Timestamp(_) | Self::Json(_) => {
                f.write_str("***")
            }
        }
    }
}

/// Why what stands in a row is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unfit {
    /// NaN or an infinity, of numbers or of times.
    NotFinite,
    /// Bytes.
    Binary,
    /// It is not of the kind of its column.
    NotOfKind,
    /// A time before the year 1 or after 9999.
    OutOfRange,
    /// Not Unicode.
    NotUnicode,
}

impl Unfit {
    /// Its stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotFinite => "value_not_finite",
            Self::Binary => "value_binary",
            Self::NotOfKind => "value_not_of_kind",
            Self::OutOfRange => "value_out_of_range",
            Self::NotUnicode => "value_not_unicode",
        }
    }
}

/// A row: a value for each column.
pub type Row = Vec<Value>;

/// Why a source does not answer, in terms of whoever set it up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What kind of trouble it is.
    pub kind: ErrorKind,
    /// A stable code.
    pub code: &'static str,
    /// What was expected, where, and what to do; no value of a row, no secret.
    pub message: String,
}

/// Kinds of trouble: what may pass by itself, and what somebody has to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The source cannot be reached, or was lost: another try may go well.
    Unreachable,
    /// The connection, the query, or what it brings, has to be another.
    Invalid,
}

impl Error {
    pub(crate) fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Invalid, code, message: message.into() }
    }

    pub(crate) fn unreachable(code: &'static str, message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Unreachable, code, message: message.into() }
    }
}

/// Rows as they come. Whoever drops it ends the query.
#[async_trait]
pub trait Rows: Send {
    /// The columns, the same for all rows; no name twice.
    fn columns(&self) -> &[Column];

    /// The next batch, never empty; none when all rows were read.
    ///
    /// # Errors
    /// What ended the stream before its end.
    async fn next(&mut self) -> Result<Option<Vec<Row>>, Error>;
}

/// Opens connections.
#[async_trait]
pub trait Connect: Send + Sync {
    /// Asks a question.
    ///
    /// # Errors
    /// Why there is no answer.
    async fn open(&self, connection: &Connection, question: &Question) -> Result<Box<dyn Rows>, Error>;

    /// Whether a connection answers: the tables it has, at most [`TABLES_MAX`], by name.
    ///
    /// # Errors
    /// Why it does not.
    async fn test(&self, connection: &Connection) -> Result<Vec<String>, Error>;

    /// The place at a path below a connection of files, to write to.
    ///
    /// # Errors
    /// `Invalid` with `export_path_invalid`, `connection_not_of_files`; why it cannot be reached.
    async fn target(&self, connection: &Connection, path: &str) -> Result<Box<dyn Target>, Error>;

    /// The table of a name, to write to. It need not be there.
    ///
    /// # Errors
    /// `Invalid` with `source_table_invalid`, `connection_not_of_tables`; why it cannot be reached.
    async fn table(&self, connection: &Connection, name: &str) -> Result<Box<dyn Table>, Error>;

    /// The changes of a table, to be followed.
    ///
    /// # Errors
    /// `Invalid` with `source_table_invalid`, `source_changes_unsupported`; why it cannot be reached.
    async fn changes(&self, connection: &Connection, followed: &Followed) -> Result<Box<dyn Changes>, Error>;
}

/// It took too long.
fn late(answer: Duration) -> Error {
    let message = format!(
        "the query took longer than {} s for its first or its next rows; make it faster, or give it longer with the setting source_answer_secs",
        answer.as_secs()
    );
    Error::unreachable("source_timeout", message)
}

/// Refuses columns that nobody could tell apart, and more than may be.
fn check_columns(columns: &[Column]) -> Result<(), Error> {
    if columns.is_empty() {
        let message = "the query brings no columns; a statement is expected that brings rows, such as a select";
        return Err(Error::invalid("source_columns_missing", message));
    }
    if columns.len() > COLUMNS_MAX {
        let message = format!(
            "the query brings more columns than a row may have columns={} columns_max={COLUMNS_MAX}; name those that are needed",
            columns.len()
        );
        return Err(Error::invalid("source_too_many_columns", message));
    }
    let mut seen = std::collections::HashSet::new();
    let mut twice: Vec<&str> = columns.iter().map(|column| &*column.name).filter(|name| !seen.insert(*name)).collect();
    twice.dedup();
    if let Some(first) = twice.first() {
        let message = format!("several columns of the query are called {first}; give each a name of its own with `as`");
        return Err(Error::invalid("source_columns_duplicate", message));
    }
    if columns.iter().any(|column| column.name.is_empty()) {
        return Err(Error::invalid("source_columns_duplicate", "a column of the query has no name; give it one"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
