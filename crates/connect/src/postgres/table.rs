//! A table of PostgreSQL that rows are written to.
//!
//! Rows are copied into a temporary table of the session, batch by batch and outside of any transaction, so that nothing of the server is held up
//! meanwhile. One short transaction then brings the table to what was gathered: others who write it wait, readers do not. The session ends with
//! whoever writes, and the temporary table with the session.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::SinkExt as _;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{Kind, Type};

use super::{Server, Session, reach, timed_by};
use crate::names::{POSTGRES_NAME_BYTES_MAX, quoted_of_postgres};
use crate::table::{Replaced, Replacing, Table};
use crate::{Error, Field, FieldKind, Row};

mod cells;

use cells::{Shape, line};

/// How long a transaction waits for others who write the table.
const LOCK_SECS: u64 = 60;
/// Bytes that are sent at once.
const SENT_BYTES: usize = 64 << 10;
/// The table that rows are gathered in.
const GATHERED: &str = "pg_temp.tessera_activation";

/// A table, and what is gathered for it.
struct PostgresTable {
    session: Session,
    /// Its name, quoted.
    table: String,
    /// Its columns, where it is there.
    present: Option<Present>,
    columns: Vec<OwnColumn>,
    gathered: u64,
}

struct Present {
    names: Vec<String>,
    types: Vec<Type>,
}

/// A column that is written.
struct OwnColumn {
    name: String,
    /// Its name, quoted.
    quoted: String,
    shape: Shape,
    /// The type that it is made with.
    made_as: &'static str,
    /// Whether values of its type can be compared.
    is_compared: bool,
}

/// Looks for a table.
///
/// # Errors
/// `Invalid` with `source_table_invalid`; why there is no session.
pub(crate) async fn open(server: Server<'_>, name: &str) -> Result<Box<dyn Table>, Error> {
    let table = quoted_of_postgres(name)?;
    let session = reach(server).await?;
    let begin = format!(
        "SET statement_timeout = {}; SET lock_timeout = '{LOCK_SECS}s'; SET datestyle = 'ISO, YMD'; SET timezone = 'UTC'; \
         SET client_min_messages = error",
        super::STATEMENT.as_millis()
    );
    ask(&session, &begin).await?;
    let all = format!("SELECT * FROM {table}");
    let prepared = timed_by(session.client.prepare(&all), |error| {
        let is_missing = error.code() == Some(&SqlState::UNDEFINED_TABLE);
        if is_missing { missing() } else { unwritten(error) }
    });
    let present = match prepared.await {
        Ok(statement) => {
            let columns = statement.columns();
            let names = columns.iter().map(|own| own.name().to_owned()).collect();
            Some(Present { names, types: columns.iter().map(|own| own.type_().clone()).collect() })
        }
        Err(error) if error == missing() => None,
        Err(error) => return Err(error),
    };
    Ok(Box::new(PostgresTable { session, table, present, columns: Vec::new(), gathered: 0 }))
}

fn missing() -> Error {
    Error::invalid("activation_table_invalid", "table: there is none of this name")
}

async fn ask(session: &Session, statement: &str) -> Result<Vec<u64>, Error> {
    let messages = timed_by(session.client.simple_query(statement), unwritten).await?;
    let rows = |message: &tokio_postgres::SimpleQueryMessage| match message {
        tokio_postgres::SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
        _ => None,
    };
    Ok(messages.iter().filter_map(rows).collect())
}

#[async_trait]
impl Table for PostgresTable {
    fn columns(&self) -> Option<&[String]> {
        self.present.as_ref().map(|own| &*own.names)
    }

    async fn begin(&mut self, fields: &[Field]) -> Result<(), Error> {
        self.columns = fields.iter().map(|field| self.column(field)).collect::<Result<_, Error>>()?;
        let make = match &self.present {
            Some(_) => {
                let names = self.names("");
                format!("CREATE TEMPORARY TABLE tessera_activation AS SELECT {names} FROM {} WITH NO DATA", self.table)
            }
            None => format!("CREATE TEMPORARY TABLE tessera_activation ({})", self.definitions()),
        };
        ask(&self.session, &make).await.map(drop)
    }

    async fn write(&mut self, rows: &[Row]) -> Result<(), Error> {
        let refused = |error: &tokio_postgres::Error| self.unfit(error);
        let statement = format!("COPY {GATHERED} FROM STDIN");
        let sink = timed_by(self.session.client.copy_in::<_, Bytes>(&statement), refused).await?;
        let mut sink = std::pin::pin!(sink);
        let mut lines = Vec::new();
        for row in rows {
            let cells = row.iter().zip(&self.columns).map(|(value, column)| (value, column.shape));
            line(cells, &mut lines);
            if lines.len() >= SENT_BYTES {
                timed_by(sink.send(std::mem::take(&mut lines).into()), refused).await?;
            }
        }
        if !lines.is_empty() {
            timed_by(sink.send(lines.into()), refused).await?;
        }
        timed_by(sink.finish(), refused).await?;
        self.gathered += rows.len() as u64;
        Ok(())
    }

    async fn close(self: Box<Self>, how: Replacing) -> Result<Replaced, Error> {
        ask(&self.session, &format!("ANALYZE {GATHERED}")).await?;
        let mut work = vec!["BEGIN".to_owned()];
        if self.present.is_none() {
            work.push(format!("CREATE TABLE {} ({})", self.table, self.definitions()));
        }
        work.extend(self.replacing(how));
        work.push("COMMIT".to_owned());
        let mut done = Vec::new();
        for statement in work {
            done.push(ask(&self.session, &statement).await?.first().copied().unwrap_or_default());
        }
        // The last are what was removed, removed to be written anew, written over and new, and COMMIT.
        let counted: Vec<u64> = done.iter().rev().skip(1).take(4).copied().collect();
        let [added, changed, _, removed] = counted[..] else { return Ok(Replaced::default()) };
        Ok(match how {
            Replacing::All => Replaced { written: added, unchanged: 0, removed },
            Replacing::Changed => {
                let written = added + changed;
                Replaced { written, unchanged: self.gathered.saturating_sub(written), removed }
            }
        })
    }
}

impl PostgresTable {
    fn column(&self, field: &Field) -> Result<OwnColumn, Error> {
        let invalid = |message: String| Error::invalid("activation_table_invalid", message);
        if field.name.len() > POSTGRES_NAME_BYTES_MAX || field.name.is_empty() || field.name.contains('\0') {
            return Err(invalid(format!(
                "columns: {}: PostgreSQL takes names of 1 to {POSTGRES_NAME_BYTES_MAX} bytes",
                field.name
            )));
        }
        let (made_as, shape) = match field.kind {
            FieldKind::Boolean => ("boolean", Shape::Plain),
            // What is whole today may have a fraction tomorrow.
            FieldKind::Integer | FieldKind::Decimal(_) => ("numeric", Shape::Plain),
            FieldKind::Text => ("text", Shape::Plain),
            FieldKind::Date => ("date", Shape::Plain),
            FieldKind::Timestamp => ("timestamp with time zone", Shape::Plain),
            FieldKind::Json => ("jsonb", Shape::Json),
        };
        let mut own = OwnColumn {
            name: field.name.clone(),
            quoted: format!("\"{}\"", field.name.replace('"', "\"\"")),
            shape,
            made_as,
            is_compared: true,
        };
        if let Some(present) = &self.present {
            let Some(at) = present.names.iter().position(|name| *name == field.name) else {
                return Err(invalid(format!(
                    "the table has no column {}; add it with `alter table`, or leave it out of `columns`",
                    field.name
                )));
            };
            let kind = &present.types[at];
            own.shape = match (kind.kind(), kind) {
                (Kind::Array(_), _) => Shape::Array,
                (_, kind) if matches!(*kind, Type::JSON | Type::JSONB) => Shape::Json,
                _ => Shape::Plain,
            };
            own.is_compared = !matches!(*kind, Type::JSON | Type::XML | Type::POINT | Type::POLYGON);
        }
        Ok(own)
    }

    /// The names of the columns, each behind a prefix.
    fn names(&self, prefix: &str) -> String {
        self.columns.iter().map(|own| format!("{prefix}{}", own.quoted)).collect::<Vec<_>>().join(", ")
    }

    /// The columns with their types; the first is the key.
    fn definitions(&self) -> String {
        let definition = |(at, own): (usize, &OwnColumn)| {
            let key = if at == 0 { " PRIMARY KEY" } else { "" };
            format!("{} {}{key}", own.quoted, own.made_as)
        };
        self.columns.iter().enumerate().map(definition).collect::<Vec<_>>().join(", ")
    }

    /// What brings the table to what was gathered: the lock, what removes who has left, what removes who stands there twice, what writes over, and
    /// what adds.
    fn replacing(&self, how: Replacing) -> [String; 5] {
        let (table, key) = (&self.table, self.columns.first().map_or("", |own| &*own.quoted));
        let lock = format!("LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE");
        // No key need hold that nobody stands there twice. Whoever does is written anew.
        let twice = match how {
            Replacing::All => format!("DELETE FROM {table} WHERE false"),
            Replacing::Changed => format!(
                "DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} GROUP BY {key} HAVING count(*) > 1)"
            ),
        };
        let gone = format!("DELETE FROM {table} t WHERE NOT EXISTS (SELECT FROM {GATHERED} g WHERE g.{key} = t.{key})");
        let (change, new) = match how {
            Replacing::All => (format!("DELETE FROM {table}"), String::new()),
            Replacing::Changed => {
                (self.change(key), format!(" WHERE NOT EXISTS (SELECT FROM {table} t WHERE t.{key} = g.{key})"))
            }
        };
        let add =
            format!("INSERT INTO {table} ({}) SELECT {} FROM {GATHERED} g{new}", self.names(""), self.names("g."));
        [lock, gone, twice, change, add]
    }

    /// Writes over what says something else.
    fn change(&self, key: &str) -> String {
        let table = &self.table;
        let others = self.columns.get(1..).unwrap_or_default();
        if others.is_empty() {
            return format!("UPDATE {table} t SET {key} = t.{key} WHERE false");
        }
        let set: Vec<String> = others.iter().map(|own| format!("{0} = g.{0}", own.quoted)).collect();
        let differs = |own: &OwnColumn| {
            let cast = if own.is_compared { "" } else { "::text" };
            format!("t.{0}{cast} IS DISTINCT FROM g.{0}{cast}", own.quoted)
        };
        let differs: Vec<String> = others.iter().map(differs).collect();
        let (set, differs) = (set.join(", "), differs.join(" OR "));
        format!("UPDATE {table} t SET {set} FROM {GATHERED} g WHERE g.{key} = t.{key} AND ({differs})")
    }

    /// Why a row was not taken in: the column that it is about, never what stands there.
    fn unfit(&self, error: &tokio_postgres::Error) -> Error {
        let Some(told) = error.as_db_error().filter(|told| told.code().code().starts_with("22")) else {
            return unwritten(error);
        };
        let place = told.where_().and_then(|text| text.split_once(", column ")).map_or("", |(_, own)| own);
        let column = self.columns.iter().filter(|own| place.starts_with(&own.name)).max_by_key(|own| own.name.len());
        let what = column.map_or("a column".to_owned(), |own| format!("the column {}", own.name));
        let message = format!(
            "{what} of the table takes no value of the kind that it was given sqlstate={}; give it another type with `alter table`, or leave it out",
            told.code().code()
        );
        Error::invalid("activation_value_unfit", message)
    }
}

/// Why a statement failed that writes. What the server says of a value of a row stays there.
fn unwritten(error: &tokio_postgres::Error) -> Error {
    let lost = || {
        Error::unreachable(
            "connection_lost",
            "the connection to the server was lost; the next run writes all that is due",
        )
    };
    let Some(told) = error.as_db_error() else { return lost() };
    let code = told.code().code();
    match (code, &code[..2]) {
        ("57014", _) => {
            let message =
                format!("a statement took longer than {} s; the table stands as it was", super::STATEMENT.as_secs());
            Error::unreachable("activation_timeout", message)
        }
        ("55P03", _) => {
            let message = format!("others held the table for longer than {LOCK_SECS} s; it stands as it was");
            Error::unreachable("activation_table_locked", message)
        }
        ("42501", _) => {
            let message = format!("the user of the connection may not write that: {}", told.message());
            Error::invalid("connection_unauthorized", message)
        }
        ("3F000", _) => Error::invalid("activation_table_invalid", format!("table: {}", told.message())),
        ("23505", _) => {
            let message = format!(
                "two rows are the same where {} says that none may be; the key of the table has to be its first column",
                told.constraint().unwrap_or("the table")
            );
            Error::invalid("activation_rows_refused", message)
        }
        (_, "22" | "23") => {
            let about = told.column().or_else(|| told.constraint()).unwrap_or("a constraint");
            let message = format!("the table does not take a row: {about} sqlstate={code}");
            Error::invalid("activation_rows_refused", message)
        }
        (_, "08" | "53" | "57" | "58") => {
            Error::unreachable("connection_lost", format!("the server ended the session sqlstate={code}"))
        }
        (_, "42" | "0A") => {
            let message = format!("the table cannot be written: {} sqlstate={code}", told.message());
            Error::invalid("activation_table_invalid", message)
        }
        // A trigger may say anything, values of a row as well.
        _ => {
            let message = format!("the table cannot be written sqlstate={code}; the server's log says why");
            Error::invalid("activation_table_invalid", message)
        }
    }
}
