//! ADBC: any database for which there is a driver, which is a shared library of this machine and is loaded when it is first asked for.
//!
//! A driver's calls wait, so each question has a thread of its own: it opens a connection, prepares the statement, and hands on a batch at a time.
//! Loaded drivers stay loaded: some cannot be unloaded without harm.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use adbc_core::error::{Error as DriverError, Status};
use adbc_core::options::{AdbcVersion, ObjectDepth, OptionConnection, OptionDatabase};
use adbc_core::{
    CancelHandle, Connection as _, Database as _, Driver as _, LOAD_FLAG_SEARCH_ENV, LOAD_FLAG_SEARCH_SYSTEM,
    LOAD_FLAG_SEARCH_USER, Optionable as _, Statement as _,
};
use adbc_driver_manager::{ManagedConnection, ManagedDriver};
use arrow_array::RecordBatchReader as _;
use async_trait::async_trait;
use serde_json::Value as Json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::spawn_blocking;

mod one;

use crate::beneath;
use crate::names::quoted;
use crate::objects::is_secret;
use crate::{
    BYTES_AT_ONCE, Column, Error, Query, ROW_BYTES_MAX, ROWS_AT_ONCE, Row, Rows, TABLES_MAX, Value, arrow,
    check_columns, late,
};

/// Drivers that the process loads.
const DRIVERS_MAX: usize = 16;
/// Questions to drivers that are under way in the process, those included that nobody waits for any more and that their driver cannot end.
const ASKED_MAX: usize = 32;
/// Memory that an engine may use for one question over files.
const MEMORY: &str = "256MB";
/// Batches that wait to be taken.
const WAITING_MAX: usize = 1;
/// Bytes of what a driver says that are told.
const WORDS_MAX: usize = 500;
/// The option that names the function which makes a driver of its library; the others are the driver's own.
const ENTRYPOINT: &str = "entrypoint";
/// What the names of options begin with that are of connections, and not of databases.
const OF_CONNECTION: &str = "adbc.connection.";

/// A database behind a driver.
#[derive(Clone, PartialEq, Eq)]
pub struct Adbc {
    /// The path of the driver's library, or its name where the system or a manifest knows where it is.
    pub driver: String,
    /// What the driver takes, by name; `entrypoint` is read here.
    pub options: BTreeMap<String, String>,
}

impl fmt::Debug for Adbc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Adbc(***)")
    }
}

/// Rows of a statement, read by a thread of their own.
struct AdbcRows {
    columns: Vec<Column>,
    batches: mpsc::Receiver<Result<Vec<Row>, Error>>,
    running: Running,
    answer: Duration,
}

/// What ends a statement that nobody waits for any more.
#[derive(Clone, Default)]
struct Running(Arc<Mutex<Option<Box<dyn CancelHandle>>>>);

impl Running {
    fn is(&self, handle: Box<dyn CancelHandle>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
    }

    fn has_ended(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn cancel(&self) {
        if let Some(handle) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A driver that cannot cancel goes on until its next batch, which nobody takes.
            drop(handle.try_cancel());
        }
    }
}

impl Drop for AdbcRows {
    fn drop(&mut self) {
        self.running.cancel();
    }
}

#[async_trait]
impl Rows for AdbcRows {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    async fn next(&mut self) -> Result<Option<Vec<Row>>, Error> {
        match tokio::time::timeout(self.answer, self.batches.recv()).await {
            Ok(batch) => batch.transpose(),
            Err(_) => {
                self.running.cancel();
                Err(late(self.answer))
            }
        }
    }
}

/// Asks a question.
pub(crate) async fn open(own: &Adbc, query: &Query, answer: Duration) -> Result<Box<dyn Rows>, Error> {
    let sql = match query {
        Query::Sql(sql) => within(sql)?,
        Query::Table(name) => format!("SELECT * FROM {}", quoted(name)?),
    };
    begin(own, Vec::new(), sql, answer).await
}

/// Asks DuckDB, by the driver in its library, about the files of a folder: it may read these, and nothing else of the machine.
pub(crate) async fn open_folder(
    library: &str,
    folder: &Path,
    sql: &str,
    answer: Duration,
) -> Result<Box<dyn Rows>, Error> {
    let unfit = || Error::invalid("connection_folder_missing", "the url names no folder that is there");
    let folder = folder.canonicalize().map_err(|_| unfit())?;
    let looked = folder.clone();
    // The engine follows links, and looks at names alone.
    if spawn_blocking(move || beneath::leads_out(&looked)).await.is_ok_and(|own| own.is_ok_and(|leads_out| leads_out)) {
        let message = "a symbolic link leads out of the folder of the connection, and statements would read what stands there; remove it";
        return Err(Error::invalid("source_table_invalid", message));
    }
    let folder = folder.to_str().ok_or_else(unfit)?.replace('\'', "''");
    let settings = [
        format!("SET allowed_directories = ['{folder}/']"),
        format!("SET memory_limit = '{MEMORY}'"),
        "SET threads = 2".to_owned(),
        "SET TimeZone = 'UTC'".to_owned(),
        "SET autoload_known_extensions = false".to_owned(),
        "SET autoinstall_known_extensions = false".to_owned(),
        "SET enable_external_access = false".to_owned(),
        "SET lock_configuration = true".to_owned(),
    ];
    let options = [(ENTRYPOINT.to_owned(), "duckdb_adbc_init".to_owned())];
    begin(&Adbc { driver: library.to_owned(), options: options.into() }, settings.into(), within(sql)?, answer).await
}

/// A statement within another one, where it can be nothing but one query. A comment at its end does not take in what comes behind.
fn within(sql: &str) -> Result<String, Error> {
    let sql = sql.trim_end().trim_end_matches(';');
    one::check(sql)?;
    Ok(format!("SELECT * FROM (\n{sql}\n) AS tessera_source"))
}

async fn begin(own: &Adbc, settings: Vec<String>, sql: String, answer: Duration) -> Result<Box<dyn Rows>, Error> {
    let permit = permit()?;
    let (own, running) = (own.clone(), Running::default());
    let (told, columns) = oneshot::channel();
    let (sender, batches) = mpsc::channel(WAITING_MAX);
    let handed = running.clone();
    spawn_blocking(move || {
        ask(&own, (&settings, &sql), &handed, told, &sender);
        handed.has_ended();
        drop(permit);
    });
    let columns = match tokio::time::timeout(answer, columns).await {
        Ok(Ok(columns)) => columns?,
        Ok(Err(_)) => return Err(Error::unreachable("source_lost", "the driver ended without an answer")),
        Err(_) => {
            running.cancel();
            return Err(late(answer));
        }
    };
    Ok(Box::new(AdbcRows { columns, batches, running, answer }))
}

/// The right to one more thread that waits for a driver.
fn permit() -> Result<OwnedSemaphorePermit, Error> {
    static ASKED: OnceLock<Arc<Semaphore>> = OnceLock::new();
    let asked = ASKED.get_or_init(|| Arc::new(Semaphore::new(ASKED_MAX))).clone();
    asked.try_acquire_owned().map_err(|_| {
        let message = format!(
            "as many questions to drivers are under way as may be asked_max={ASKED_MAX}, those included that took too long and that their driver \
             does not end; look which database does not answer"
        );
        Error::unreachable("connection_busy", message)
    })
}

/// The tables that a database lists.
pub(crate) async fn tables(own: &Adbc, answer: Duration) -> Result<Vec<String>, Error> {
    let (own, permit) = (own.clone(), permit()?);
    let listed = spawn_blocking(move || {
        let _permit = permit;
        let connection = own.connect()?;
        let objects = connection.get_objects(ObjectDepth::Tables, None, None, None, None, None);
        let mut names = Vec::new();
        for batch in objects.map_err(|error| own.unconnected(&error))? {
            let lost = |_| Error::unreachable("source_lost", "the driver could not list the tables to their end");
            arrow::rows(&batch.map_err(lost)?).iter().for_each(|row| listed(row, &mut names));
        }
        names.sort();
        names.truncate(TABLES_MAX);
        Ok(names)
    });
    let stopped = |_| Error::unreachable("source_lost", "the driver ended without an answer");
    tokio::time::timeout(answer, listed).await.map_err(|_| late(answer))?.map_err(stopped)?
}

/// The tables of one catalog, as drivers show them: a name, and schemas with tables in them. Those of the database itself are left out.
fn listed(row: &Row, names: &mut Vec<String>) {
    let Some(Value::Json(Json::Array(schemas))) = row.get(1) else { return };
    for schema in schemas {
        let own = schema["db_schema_name"].as_str().unwrap_or_default();
        if ["pg_catalog", "information_schema", "INFORMATION_SCHEMA", "pg_toast"].contains(&own) {
            continue;
        }
        let tables = schema["db_schema_tables"].as_array().into_iter().flatten();
        names.extend(tables.filter_map(|table| table["table_name"].as_str()).map(|table| match own {
            "" | "public" | "main" => table.to_owned(),
            own => format!("{own}.{table}"),
        }));
    }
}

/// Does all that one question needs, and hands on what it brings.
fn ask(
    own: &Adbc,
    (settings, sql): (&[String], &str),
    running: &Running,
    told: oneshot::Sender<Result<Vec<Column>, Error>>,
    sender: &mpsc::Sender<Result<Vec<Row>, Error>>,
) {
    let begun = || {
        let mut connection = own.connect()?;
        for setting in settings {
            let mut statement = connection.new_statement().map_err(|error| own.unconnected(&error))?;
            let set = statement.set_sql_query(setting).and_then(|()| statement.execute_update());
            set.map_err(|error| own.unconnected(&error))?;
        }
        let mut statement = connection.new_statement().map_err(|error| own.unconnected(&error))?;
        running.is(statement.get_cancel_handle());
        statement.set_sql_query(sql).map_err(|error| own.refused(&error))?;
        match statement.prepare() {
            Err(error) if error.status != Status::NotImplemented => return Err(own.refused(&error)),
            _ => {}
        }
        let reader = statement.execute().map_err(|error| own.failed(&error))?;
        let columns = arrow::columns(&reader.schema());
        check_columns(&columns)?;
        Ok((connection, statement, reader, columns))
    };
    // A reader reads from its statement, so that goes last.
    let (_connection, _statement, reader, columns) = match begun() {
        Ok(begun) => begun,
        Err(error) => {
            drop(told.send(Err(error)));
            return;
        }
    };
    if told.send(Ok(columns)).is_err() {
        return;
    }
    for batch in reader {
        let handed = match batch {
            Ok(batch) => hand_on(&batch, sender),
            Err(_) => {
                let message = "the query failed while it ran; the log of the database says where";
                Err(Some(Error::invalid("source_query_failed", message)))
            }
        };
        match handed {
            Ok(()) => {}
            Err(Some(error)) => {
                drop(sender.blocking_send(Err(error)));
                return;
            }
            Err(None) => return,
        }
    }
}

/// Hands on the rows of one batch, in batches of ours. Nothing as an error says that nobody takes them any more.
fn hand_on(
    batch: &arrow_array::RecordBatch,
    sender: &mpsc::Sender<Result<Vec<Row>, Error>>,
) -> Result<(), Option<Error>> {
    let mut from = 0;
    while from < batch.num_rows() {
        let part = batch.slice(from, ROWS_AT_ONCE.min(batch.num_rows() - from));
        from += part.num_rows();
        let (mut rows, mut bytes) = (Vec::new(), 0);
        for row in arrow::rows(&part) {
            let own = arrow::bytes_of(&row);
            if own > ROW_BYTES_MAX + 32 * row.len() {
                let message =
                    format!("a row is larger than may be bytes_max={ROW_BYTES_MAX}; leave out what is not needed");
                return Err(Some(Error::invalid("source_row_too_large", message)));
            }
            bytes += own;
            rows.push(row);
            if bytes >= BYTES_AT_ONCE {
                sender.blocking_send(Ok(std::mem::take(&mut rows))).map_err(|_| None)?;
                bytes = 0;
            }
        }
        if !rows.is_empty() {
            sender.blocking_send(Ok(rows)).map_err(|_| None)?;
        }
    }
    Ok(())
}

impl Adbc {
    fn connect(&self) -> Result<ManagedConnection, Error> {
        let mut driver = self.driver()?;
        let of_database =
            self.options.iter().filter(|(name, _)| *name != ENTRYPOINT && !name.starts_with(OF_CONNECTION));
        let options = of_database.map(|(name, value)| (OptionDatabase::from(&**name), value.as_str().into()));
        let database = driver.new_database_with_opts(options).map_err(|error| self.unopened(&error))?;
        let mut connection = database.new_connection().map_err(|error| self.unconnected(&error))?;
        // Not every driver knows it; the rights of the user bound what a statement does.
        drop(connection.set_option(OptionConnection::ReadOnly, "true".into()));
        for (name, value) in self.options.iter().filter(|(name, _)| name.starts_with(OF_CONNECTION)) {
            let option = OptionConnection::from(&**name);
            connection.set_option(option, value.as_str().into()).map_err(|error| self.unconnected(&error))?;
        }
        Ok(connection)
    }

    /// The driver, loaded now or before.
    fn driver(&self) -> Result<ManagedDriver, Error> {
        /// By name and entry point.
        type Loaded = HashMap<(String, Option<String>), ManagedDriver>;
        static LOADED: OnceLock<Mutex<Loaded>> = OnceLock::new();
        let mut loaded = LOADED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        let entrypoint = self.options.get(ENTRYPOINT).cloned();
        let key = (self.driver.clone(), entrypoint.clone());
        if let Some(driver) = loaded.get(&key) {
            return Ok(driver.clone());
        }
        if loaded.len() >= DRIVERS_MAX {
            let message = format!(
                "the server has loaded as many drivers as it may drivers_max={DRIVERS_MAX}; start it again without those that are not needed"
            );
            return Err(Error::invalid("connection_driver_missing", message));
        }
        let flags = LOAD_FLAG_SEARCH_ENV | LOAD_FLAG_SEARCH_USER | LOAD_FLAG_SEARCH_SYSTEM;
        let entry = entrypoint.as_deref().map(str::as_bytes);
        let driver = ManagedDriver::load_from_name(&self.driver, entry, AdbcVersion::V110, flags, None)
            .or_else(|_| ManagedDriver::load_from_name(&self.driver, entry, AdbcVersion::V100, flags, None));
        let driver = driver.map_err(|_| {
            let message = format!(
                "the driver {} cannot be loaded; the absolute path of its shared library is expected, or a name that the system or a manifest \
                 knows, and `options.entrypoint` where its function is not called as its file is",
                self.driver
            );
            Error::invalid("connection_driver_missing", message)
        })?;
        loaded.insert(key, driver.clone());
        Ok(driver)
    }

    /// Why a driver did not take its options. Few ask anybody before they are asked for a connection.
    fn unopened(&self, error: &DriverError) -> Error {
        match error.status {
            Status::Unauthenticated | Status::Unauthorized | Status::IO | Status::Timeout => self.unconnected(error),
            _ => {
                let words = self.words(error);
                Error::invalid("connection_invalid", format!("the driver does not take these options: {words}"))
            }
        }
    }

    /// Why no connection came about.
    fn unconnected(&self, error: &DriverError) -> Error {
        let words = self.words(error);
        match error.status {
            Status::Unauthenticated | Status::Unauthorized => {
                Error::invalid("connection_unauthorized", format!("the database does not let this user in: {words}"))
            }
            Status::InvalidArguments | Status::NotImplemented | Status::NotFound => {
                Error::invalid("connection_invalid", format!("the driver does not take these options: {words}"))
            }
            _ if sqlstate(error).is_some_and(|own| own.starts_with("28")) => {
                Error::invalid("connection_unauthorized", format!("the database does not let this user in: {words}"))
            }
            _ => Error::unreachable("connection_unreachable", format!("the database cannot be reached: {words}")),
        }
    }

    /// Why a statement was not taken. No row was read yet, so the driver's words are about the statement.
    fn refused(&self, error: &DriverError) -> Error {
        let words = self.words(error);
        match (error.status, sqlstate(error).as_deref()) {
            (Status::NotFound, _) | (_, Some("42P01")) => Error::invalid("source_table_unknown", words),
            (Status::Unauthorized, _) | (_, Some("42501")) => {
                let message = format!("the user of the connection may not read that: {words}");
                Error::invalid("connection_unauthorized", message)
            }
            (Status::IO | Status::Timeout, _) => Error::unreachable("source_lost", "the connection was lost"),
            _ => Error::invalid("source_query_invalid", words),
        }
    }

    /// Why a statement that was taken brought nothing. Values of rows may stand in what the driver says.
    fn failed(&self, error: &DriverError) -> Error {
        // Classes of the SQL standard: syntax or access rule, feature not supported.
        if let Some(state) = sqlstate(error).filter(|own| own.starts_with("42") || own.starts_with("0A")) {
            let code = self.refused(error).code;
            let message =
                format!("the database does not take the query sqlstate={state}; its log says what is wrong with it");
            return Error::invalid(code, message);
        }
        match error.status {
            Status::IO | Status::Timeout => Error::unreachable("source_lost", "the connection was lost"),
            Status::Cancelled => {
                Error::unreachable("source_timeout", "the driver ended the query before it had an answer")
            }
            Status::NotFound => Error::invalid("source_table_unknown", "the database has no such table"),
            status => {
                let own = sqlstate(error).map_or_else(String::new, |own| format!(" sqlstate={own}"));
                let message = format!("the query failed status={status:?}{own}; the log of the database says where");
                Error::invalid("source_query_failed", message)
            }
        }
    }

    /// What a driver says, without what is secret of its options.
    fn words(&self, error: &DriverError) -> String {
        let mut words = error.message.clone();
        for (name, value) in &self.options {
            let password = value.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')?.0.split_once(':'));
            let secrets = [is_secret(name).then_some(&**value), password.map(|(_, own)| own)];
            for secret in secrets.into_iter().flatten().filter(|own| !own.is_empty()) {
                words = words.replace(secret, "***");
            }
        }
        let words: String = words.chars().map(|own| if own.is_control() { ' ' } else { own }).take(WORDS_MAX).collect();
        words.trim().to_owned()
    }
}

fn sqlstate(error: &DriverError) -> Option<String> {
    let own: String = error.sqlstate.iter().filter_map(|own| u8::try_from(*own).ok()).map(char::from).collect();
    own.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some(own).filter(|own| own != "00000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_question_too_many_is_refused_until_another_one_ends() {
        let held: Vec<OwnedSemaphorePermit> = (0..ASKED_MAX).map(|_| permit().expect("there is room")).collect();
        let refused = permit().expect_err("there is no room");
        assert_eq!((refused.kind, refused.code), (crate::ErrorKind::Unreachable, "connection_busy"));
        drop(held);
        drop(permit().expect("there is room again"));
    }
}
