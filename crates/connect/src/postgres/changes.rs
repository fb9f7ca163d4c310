//! Changes of a table of PostgreSQL: a replication slot with `pgoutput` tells which rows were changed, and these are read as they are now.
//!
//! The slot is asked in SQL: its changes are looked at, and its place is moved once they stand. What a change says of values is not used, only
//! which row it is of. So a value is read in one way, a row that was changed often is read once, and whatever comes twice comes to the same.
//! A transaction stands in the server's log a moment before others see it. Rows are read when all transactions that were told are seen.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::error::SqlState;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

mod pgoutput;
mod setup;
mod snapshot;

use pgoutput::{Message, Messages};
use snapshot::Snapshot;

use super::text::Reading;
use super::{PostgresRows, SPELLING, Server, Session, declare, reach, refused, timed, timed_by};
use crate::changes::{CHANGE_BYTES_MAX, CHANGES_AT_ONCE, Changes, Followed, Piece, Position, Reached, Standing};
use crate::names::quoted_of_postgres;
use crate::{BYTES_AT_ONCE, Column, Error, Rows as _, STATEMENT, Value};

/// Rows that are looked up at once.
const KEYS_AT_ONCE: usize = 500;
/// Bytes of the keys of them.
const KEYS_BYTES_MAX: usize = 1 << 20;
/// Messages of the first stretch, before it is known how large they are, and of any other.
const MESSAGES: (usize, usize) = (50, 1_000);
/// How long a slot that is made waits for transactions that are open.
const MAKING: Duration = Duration::from_secs(60);
/// How long rows are waited for that were told of and are not seen yet.
const UNSEEN: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Opens the changes of a table.
pub(crate) async fn open(server: Server<'_>, followed: &Followed) -> Result<Box<dyn Changes>, Error> {
    let table = quoted_of_postgres(&followed.table)?;
    let session = Arc::new(reach(server).await?);
    let settings = format!("SET statement_timeout = {}; SET standard_conforming_strings = on", STATEMENT.as_millis());
    timed(session.client.simple_query(&settings)).await?;
    let (followed, columns) = (followed.clone(), Vec::new());
    Ok(Box::new(PostgresChanges { session, followed, table, known: None, columns, batch: None }))
}

/// What is known of the table.
#[derive(Debug, Clone)]
struct Known {
    number: u32,
    /// The type of its key, as a cast names it.
    key_type: String,
}

struct PostgresChanges {
    session: Arc<Session>,
    followed: Followed,
    /// The name of the table, in quotes.
    table: String,
    known: Option<Known>,
    columns: Vec<Column>,
    batch: Option<Batch>,
}

/// A batch that is being read.
struct Batch {
    messages: Messages,
    key_type: String,
    upto: Position,
    /// How many messages are fetched next, and how many have come.
    fetch: usize,
    count: usize,
    /// Whether all messages have come.
    is_over: bool,
    /// The place behind the last transaction that has come whole.
    end: Position,
    /// Keys of rows that are not read yet.
    keys: BTreeSet<String>,
    keys_bytes: usize,
    /// Transactions that were not seen yet.
    unseen: HashSet<u32>,
    is_emptied: bool,
    reading: Option<Looking>,
    is_read: bool,
}

/// Rows that are being read.
struct Looking {
    rows: PostgresRows,
    place: usize,
    /// Those of their keys that no row had yet, with the values that name them.
    missing: Vec<Value>,
    found: HashSet<String>,
}

#[async_trait]
impl Changes for PostgresChanges {
    async fn look(&mut self) -> Result<Standing, Error> {
        let (standing, known) = setup::look(self).await?;
        self.known = Some(known);
        Ok(standing)
    }

    async fn make(&mut self) -> Result<Position, Error> {
        self.remove().await?;
        let made = setup::make(self).await;
        if made.is_err() {
            // One that nobody reads would have the server keep its log for ever.
            drop(self.remove().await);
        }
        made
    }

    async fn begin(&mut self, upto: Position) -> Result<(), Error> {
        let known = match self.known.clone() {
            Some(known) => known,
            None => setup::look(self).await?.1,
        };
        let begin = format!(
            "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY; {SPELLING}; DECLARE tessera_changes NO SCROLL CURSOR FOR \
             SELECT substr(data, 1, 5), octet_length(data), CASE WHEN octet_length(data) <= {CHANGE_BYTES_MAX} THEN data END \
             FROM pg_logical_slot_peek_binary_changes({}, {}, {CHANGES_AT_ONCE}, 'proto_version', '1', 'publication_names', {})",
            literal(&self.followed.slot),
            literal(&upto.to_string()),
            literal(&quoted_one(&self.followed.publication)),
        );
        self.ask_slot(&begin).await?;
        self.batch = Some(Batch {
            messages: Messages::new(known.number, &self.followed.key),
            key_type: known.key_type,
            upto,
            fetch: MESSAGES.0,
            count: 0,
            is_over: false,
            end: Position(0),
            keys: BTreeSet::new(),
            keys_bytes: 0,
            unseen: HashSet::new(),
            is_emptied: false,
            reading: None,
            is_read: false,
        });
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Piece>, Error> {
        loop {
            let Some(batch) = &mut self.batch else { return Ok(None) };
            if batch.is_read {
                return Ok(None);
            }
            if let Some(looking) = &mut batch.reading {
                match looking.rows.next().await? {
                    Some(rows) => {
                        looking
                            .found
                            .extend(rows.iter().filter_map(|row| named(&row[looking.place])).map(str::to_owned));
                        return Ok(Some(Piece::Rows(rows)));
                    }
                    None => {
                        let gone = looking.gone();
                        batch.reading = None;
                        timed(self.session.client.simple_query("CLOSE tessera_source")).await?;
                        if !gone.is_empty() {
                            return Ok(Some(Piece::Gone(gone)));
                        }
                        continue;
                    }
                }
            }
            let is_enough = batch.keys.len() >= KEYS_AT_ONCE || batch.keys_bytes >= KEYS_BYTES_MAX;
            if is_enough || batch.is_over && !batch.keys.is_empty() {
                self.read().await?;
            } else if !batch.is_over {
                self.fetch().await?;
            } else if std::mem::take(&mut batch.is_emptied) {
                return Ok(Some(Piece::Emptied));
            } else {
                batch.is_read = true;
                timed(self.session.client.simple_query("COMMIT")).await?;
            }
        }
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn reached(&self) -> Option<Reached> {
        let batch = self.batch.as_ref().filter(|batch| batch.is_read)?;
        let is_more = batch.count >= CHANGES_AT_ONCE;
        // Where it ended by itself, there is nothing else before the place that was asked for.
        let position = if is_more { batch.end } else { batch.end.max(batch.upto) };
        Some(Reached { position, is_more })
    }

    async fn confirm(&mut self, position: Position) -> Result<(), Error> {
        self.batch = None;
        let slot = literal(&self.followed.slot);
        let advance = format!("SELECT pg_replication_slot_advance({slot}, {})", literal(&position.to_string()));
        self.ask_slot(&advance).await.map(drop)
    }

    async fn remove(&mut self) -> Result<(), Error> {
        let slot = literal(&self.followed.slot);
        let remove =
            format!("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = {slot}");
        self.ask_slot(&remove).await.map(drop)
    }
}

impl PostgresChanges {
    /// Asks something of the slot.
    async fn ask_slot(&self, statement: &str) -> Result<Vec<SimpleQueryRow>, Error> {
        let messages = timed_by(self.session.client.simple_query(statement), of_slot).await?;
        Ok(rows_of(messages))
    }

    async fn rows(&self, statement: &str) -> Result<Vec<SimpleQueryRow>, Error> {
        Ok(rows_of(timed(self.session.client.simple_query(statement)).await?))
    }

    /// Takes in the next messages of the batch.
    async fn fetch(&mut self) -> Result<(), Error> {
        let Some(batch) = &self.batch else { return Ok(()) };
        let fetch = batch.fetch;
        let found = self.ask_slot(&format!("FETCH FORWARD {fetch} FROM tessera_changes")).await?;
        let Some(batch) = &mut self.batch else { return Ok(()) };
        batch.count += found.len();
        batch.is_over = found.len() < fetch;
        let mut bytes = 0;
        for row in &found {
            let text = |at: usize| row.get(at).and_then(unhex);
            let beginning = text(0).ok_or_else(unreadable)?;
            let Some(message) = text(2) else {
                if batch.messages.is_of_another(&beginning) {
                    continue;
                }
                let message = format!(
                    "the change of a row is larger than may be bytes={} bytes_max={CHANGE_BYTES_MAX}; a row has at most 1 MiB",
                    row.get(1).unwrap_or_default()
                );
                return Err(Error::invalid("source_row_too_large", message));
            };
            bytes += message.len();
            batch.take(&message)?;
        }
        let most = batch.fetch.saturating_mul(4).min(MESSAGES.1);
        batch.fetch = (BYTES_AT_ONCE / (bytes / found.len().max(1)).max(1)).clamp(1, most);
        Ok(())
    }

    /// Begins to read the rows whose keys were told.
    async fn read(&mut self) -> Result<(), Error> {
        self.until_seen().await?;
        let Some(batch) = &mut self.batch else { return Ok(()) };
        let mut keys = std::mem::take(&mut batch.keys);
        batch.keys_bytes = 0;
        if keys.len() > KEYS_AT_ONCE
            && let Some(first) = keys.iter().nth(KEYS_AT_ONCE).cloned()
        {
            batch.keys = keys.split_off(&first);
        }
        let (own, kind) = (quoted_one(&self.followed.key), &batch.key_type);
        let list = literal(&list_of(&keys));
        let sql = format!("SELECT * FROM {} WHERE {own} = ANY ({list}::{kind}[])", self.table);
        let rows = declare(self.session.clone(), &sql).await?;
        self.columns.clone_from(&rows.columns);
        let place = rows.columns.iter().position(|column| column.name == self.followed.key).ok_or_else(unreadable)?;
        let reading: &Reading = &rows.readings[place];
        let missing = keys.iter().map(|key| reading.value(key)).collect();
        batch.reading = Some(Looking { rows, place, missing, found: HashSet::new() });
        Ok(())
    }

    /// Waits until whoever reads sees all transactions that were told.
    async fn until_seen(&mut self) -> Result<(), Error> {
        let mut looks = UNSEEN.as_millis() / LOOK.as_millis();
        while self.batch.as_ref().is_some_and(|batch| !batch.unseen.is_empty()) {
            let snapshot = self.snapshot().await?;
            if let Some(batch) = &mut self.batch {
                batch.unseen.retain(|transaction| !snapshot.sees(*transaction));
                if batch.unseen.is_empty() {
                    return Ok(());
                }
            }
            looks = looks.saturating_sub(1);
            if looks == 0 {
                let message = "a transaction was committed and is not to be seen yet, as where a standby has to confirm it; it is tried again";
                return Err(Error::unreachable("source_lost", message));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn snapshot(&self) -> Result<Snapshot, Error> {
        let rows = self.rows("SELECT txid_current_snapshot()").await?;
        rows.first().and_then(|row| row.get(0)).and_then(Snapshot::parse).ok_or_else(unreadable)
    }
}

impl Batch {
    fn take(&mut self, message: &[u8]) -> Result<(), Error> {
        let message = self.messages.read(message).map_err(|unreadable| {
            let message = format!("a change cannot be read: {}", unreadable.0);
            Error::invalid("source_changes_unsupported", message)
        })?;
        match message {
            Message::Begin { transaction } => drop(self.unseen.insert(transaction)),
            Message::Commit { end } => self.end = self.end.max(Position(end)),
            Message::Change(keys) => {
                for key in keys {
                    self.keys_bytes += key.len() + 4;
                    self.keys.insert(key);
                }
            }
            Message::Emptied => self.is_emptied = true,
            Message::Other => {}
        }
        Ok(())
    }
}

impl Looking {
    /// The keys that no row had.
    fn gone(&mut self) -> Vec<Value> {
        let is_gone = |value: &Value| named(value).is_some_and(|own| !self.found.contains(own));
        self.missing.drain(..).filter(|value| is_gone(value)).collect()
    }
}

/// What a value names a row by.
fn named(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) | Value::Number(text) | Value::Timestamp(text) => Some(text),
        Value::Null | Value::Boolean(_) | Value::Json(_) | Value::Unfit(_) => None,
    }
}

fn rows_of(messages: Vec<SimpleQueryMessage>) -> Vec<SimpleQueryRow> {
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    };
    messages.into_iter().filter_map(row).collect()
}

/// A text within a statement.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// One name, in the quotes that keep it one.
fn quoted_one(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Values as the server reads a list of them.
fn list_of(values: &BTreeSet<String>) -> String {
    let quoted = |value: &String| format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
    format!("{{{}}}", values.iter().map(quoted).collect::<Vec<_>>().join(","))
}

/// Bytes as the server writes them: `\x00ff`.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8]| u8::try_from(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?).ok();
    digits.chunks(2).map(byte).collect()
}

fn unreadable() -> Error {
    Error::unreachable("source_lost", "the server answered something that cannot be read")
}

/// Why the server does not do what is asked of a slot.
fn of_slot(error: &tokio_postgres::Error) -> Error {
    let Some(told) = error.as_db_error() else { return refused(error) };
    let refuse = |message: String| Error::invalid("source_slot_refused", message);
    let words = told.message();
    match *told.code() {
        SqlState::INSUFFICIENT_PRIVILEGE => refuse(format!(
            "the user of the connection may not use replication slots: {words}; ALTER ROLE … REPLICATION gives the right"
        )),
        SqlState::CONFIGURATION_LIMIT_EXCEEDED => {
            refuse(format!("the server has no room for another replication slot: {words}; raise max_replication_slots"))
        }
        SqlState::QUERY_CANCELED => {
            let secs = MAKING.as_secs();
            let message = format!(
                "transactions that write have been open for {secs} s and longer, which the slot waits for; it is tried again"
            );
            Error::unreachable("source_slot_refused", message)
        }
        SqlState::OBJECT_IN_USE => {
            Error::unreachable("source_slot_refused", format!("the replication slot is used by somebody else: {words}"))
        }
        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE | SqlState::UNDEFINED_OBJECT => {
            Error::unreachable("source_slot_refused", format!("the server cannot tell changes: {words}"))
        }
        _ => refused(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_within_a_statement_stays_within_its_quotes() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(quoted_one("a\"b"), "\"a\"\"b\"");
        let values = ["a,b", "q\"\\", "{}", ""].map(str::to_owned).into();
        assert_eq!(list_of(&values), r#"{"","a,b","q\"\\","{}"}"#);
        assert_eq!(unhex("\\x00fF"), Some(vec![0, 255]));
        assert_eq!((unhex("00"), unhex("\\x0"), unhex("\\x0g")), (None, None, None));
    }
}
