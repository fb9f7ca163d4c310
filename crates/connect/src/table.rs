//! Tables that rows are written to. Rows are gathered beside a table and take their place in it in one transaction, so that whoever reads it
//! sees what was there before or all that is there then.

use async_trait::async_trait;

use crate::{Error, Field, Row};

/// A table that rows are written to. Whoever drops it leaves the table as it was.
#[async_trait]
pub trait Table: Send {
    /// The names of its columns; none where there is no such table yet.
    fn columns(&self) -> Option<&[String]>;

    /// Begins to gather rows of these columns, of which the first says whose a row is. Of a table that is there, the types are its own.
    ///
    /// # Errors
    /// `Invalid` with `activation_table_invalid` for columns that it does not have; why it cannot be written.
    async fn begin(&mut self, fields: &[Field]) -> Result<(), Error>;

    /// Gathers rows, of which each has a value for each column.
    ///
    /// # Errors
    /// `Invalid` with `activation_value_unfit`, naming the column, for a value that the type of its column does not take; why it cannot go on.
    async fn write(&mut self, rows: &[Row]) -> Result<(), Error>;

    /// Has the gathered rows take the place of what is there, and makes the table if there is none.
    ///
    /// # Errors
    /// Why it cannot; then nothing has changed, unless the connection was lost while the server committed.
    async fn close(self: Box<Self>, how: Replacing) -> Result<Replaced, Error>;
}

/// Which rows of a table are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacing {
    /// All.
    All,
    /// Those that are new or say something else.
    Changed,
}

/// What came of the rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replaced {
    /// Rows that were written.
    pub written: u64,
    /// Rows that stayed as they were.
    pub unchanged: u64,
    /// Rows of somebody of whom no row was gathered, which are gone.
    pub removed: u64,
}
