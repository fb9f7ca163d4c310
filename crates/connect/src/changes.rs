//! Changes of a table as they are committed: which rows they are of, and what these say now.

use std::fmt;

use async_trait::async_trait;

use crate::{Column, Error, Row, Value};

/// Changes that are asked for at once, about: a transaction comes whole.
pub const CHANGES_AT_ONCE: usize = 5_000;
/// Bytes of one change. One that is larger is of a row that is larger than may be.
pub const CHANGE_BYTES_MAX: usize = 4 << 20;

/// What is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// The table.
    pub table: String,
    /// The column whose value says which row one is.
    pub key: String,
    /// The publication that has the table.
    pub publication: String,
    /// The replication slot that keeps the place.
    pub slot: String,
}

/// A place in what a server has committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub u64);

impl Position {
    /// Reads one, as PostgreSQL writes it: `16/B374D848`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (high, low) = text.split_once('/')?;
        let (high, low) = (u32::from_str_radix(high, 16).ok()?, u32::from_str_radix(low, 16).ok()?);
        Some(Self(u64::from(high) << 32 | u64::from(low)))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & u64::from(u32::MAX))
    }
}

/// How the server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The place that the slot keeps; none where it is not there, or has lost it.
    pub slot: Option<Position>,
    /// Up to where everything is committed for good.
    pub end: Position,
    /// Bytes of its log that the server keeps for the slot.
    pub lag_bytes: u64,
    /// The server's number of the table: one that is dropped and made again has another.
    pub table: u32,
}

/// A piece of what was changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// Rows that were changed, as they are now.
    Rows(Vec<Row>),
    /// Keys of which there is no row any more.
    Gone(Vec<Value>),
    /// All rows were removed at once; those that came afterwards come as rows.
    Emptied,
}

/// How far a batch reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// All that was committed before it was told.
    pub position: Position,
    /// Whether there is more already.
    pub is_more: bool,
}

/// The changes of one table, in batches. A batch that is not confirmed comes again.
#[async_trait]
pub trait Changes: Send {
    /// How the server stands.
    ///
    /// # Errors
    /// `Invalid` with `source_changes_unsupported`, `source_publication_unfit`, `source_replica_identity_missing`, `source_column_unknown`,
    /// `source_table_unknown`: its changes cannot be followed; why it does not answer.
    async fn look(&mut self) -> Result<Standing, Error>;

    /// Makes the slot, in place of one of its name, and waits until whoever reads the table from now on sees all that the slot does not tell.
    ///
    /// # Errors
    /// `source_slot_refused`; why the server does not answer.
    async fn make(&mut self) -> Result<Position, Error>;

    /// Begins a batch: what is committed behind the slot's place, up to another one, about [`CHANGES_AT_ONCE`].
    ///
    /// # Errors
    /// `source_slot_refused`; why the server does not answer.
    async fn begin(&mut self, upto: Position) -> Result<(), Error>;

    /// The next piece of the batch; none behind its last.
    ///
    /// # Errors
    /// Why it cannot be read. The batch is given up then.
    async fn next(&mut self) -> Result<Option<Piece>, Error>;

    /// The columns of the rows that came last, and of the table that keys are gone from.
    fn columns(&self) -> &[Column];

    /// How far the batch reached, once all of it has come.
    fn reached(&self) -> Option<Reached>;

    /// Has the slot keep another place: nothing before it is told again.
    ///
    /// # Errors
    /// Why the server does not.
    async fn confirm(&mut self, position: Position) -> Result<(), Error>;

    /// Takes the slot away, if it is there.
    ///
    /// # Errors
    /// Why the server does not.
    async fn remove(&mut self) -> Result<(), Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_written() {
        for text in ["0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF"] {
            assert_eq!(Position::parse(text).map(|own| own.to_string()).as_deref(), Some(text));
        }
        for text in ["", "16", "/", "16/", "g/0", "1/100000000"] {
            assert_eq!(Position::parse(text), None, "{text}");
        }
    }
}
