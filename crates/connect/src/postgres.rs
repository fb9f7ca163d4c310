//! PostgreSQL: one read-only transaction, a cursor in it, and rows in the text that the server writes for each type.
//!
//! The statement is prepared first: that names the columns and their types, and refuses several statements in one text. The cursor takes
//! reading statements alone. Text is asked for because each type has one, which no client can read wrongly by bytes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage, SimpleQueryRow, Socket};

use crate::names::quoted_of_postgres;
use crate::{
    BYTES_AT_ONCE, COLUMNS_MAX, Column, Error, Query, ROW_BYTES_MAX, ROWS_AT_ONCE, Row, Rows, STATEMENT, TABLES_MAX,
    Value, check_columns, late,
};

pub(crate) mod changes;
pub(crate) mod table;
mod text;
mod tls;

use text::Reading;
use tls::Tls;

/// How long a server has to answer that is connected to.
const CONNECT: Duration = Duration::from_secs(10);
/// How the server writes values within a transaction.
const SPELLING: &str = "SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL timezone = 'UTC'; SET LOCAL intervalstyle = 'iso_8601'; \
                        SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'";
/// Rows of the first stretch, before it is known how large they are.
const ROWS_AT_FIRST: usize = 50;

/// Where a server is, and what it wants to hear.
#[derive(Clone, Copy)]
pub(crate) struct Server<'a> {
    pub(crate) url: &'a str,
    pub(crate) password: Option<&'a str>,
    pub(crate) ca: Option<&'a str>,
}

/// A session of one question.
struct Session {
    client: Client,
    /// How long a statement may take.
    answer: Duration,
    /// Speaks with the server; ends with the client.
    connection: JoinHandle<()>,
}

impl Session {
    /// Waits for an answer, a little longer than the server lets the statement take.
    async fn within<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
        refused: impl Fn(&tokio_postgres::Error) -> Error,
    ) -> Result<T, Error> {
        let is_late = |error: &tokio_postgres::Error| error.code() == Some(&SqlState::QUERY_CANCELED);
        match tokio::time::timeout(self.answer + CONNECT, answer).await {
            Ok(Err(error)) if is_late(&error) => Err(late(self.answer)),
            Ok(answer) => answer.map_err(|error| refused(&error)),
            Err(_) => Err(late(self.answer)),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Rows behind a cursor.
struct PostgresRows {
    session: Arc<Session>,
    columns: Vec<Column>,
    readings: Vec<Reading>,
    fetch: usize,
    is_over: bool,
}

#[async_trait]
impl Rows for PostgresRows {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    async fn next(&mut self) -> Result<Option<Vec<Row>>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let statement = format!("FETCH FORWARD {} FROM tessera_source", self.fetch);
        let messages = self.session.within(self.session.client.simple_query(&statement), failed).await?;
        let (mut rows, mut bytes) = (Vec::with_capacity(messages.len()), 0);
        for message in messages {
            let SimpleQueryMessage::Row(row) = message else { continue };
            let (row, own) = self.row(&row)?;
            bytes += own;
            rows.push(row);
        }
        self.is_over = rows.len() < self.fetch;
        if rows.is_empty() {
            return Ok(None);
        }
        self.fetch = (BYTES_AT_ONCE / (bytes / rows.len()).max(1)).clamp(1, ROWS_AT_ONCE).min(self.fetch * 4);
        Ok(Some(rows))
    }
}

impl PostgresRows {
    fn row(&self, row: &SimpleQueryRow) -> Result<(Row, usize), Error> {
        let mut bytes = 32 * self.readings.len();
        let mut values = Vec::with_capacity(self.readings.len());
        for (at, reading) in self.readings.iter().enumerate() {
            let text = row.try_get(at).map_err(|error| refused(&error))?;
            bytes += text.map_or(0, str::len);
            values.push(text.map_or(Value::Null, |text| reading.value(text)));
        }
        if bytes > ROW_BYTES_MAX + 32 * self.readings.len() {
            let message =
                format!("a row is larger than may be bytes_max={ROW_BYTES_MAX}; leave out what is not needed");
            return Err(Error::invalid("source_row_too_large", message));
        }
        Ok((values, bytes))
    }
}

/// Asks a question.
pub(crate) async fn open(server: Server<'_>, query: &Query, answer: Duration) -> Result<Box<dyn Rows>, Error> {
    let session = connect(server, answer).await?;
    let sql = match query {
        Query::Sql(sql) => sql.trim_end().trim_end_matches(';').to_owned(),
        Query::Table(name) => format!("SELECT * FROM {}", quoted_of_postgres(name)?),
    };
    Ok(Box::new(declare(Arc::new(session), &sql).await?))
}

/// Rows of a statement, behind a cursor in the transaction of the session.
async fn declare(session: Arc<Session>, sql: &str) -> Result<PostgresRows, Error> {
    let statement = session.within(session.client.prepare(sql), refused).await?;
    let types = statement.columns();
    if types.len() > COLUMNS_MAX {
        let message = format!(
            "the query brings more columns than a row may have columns={} columns_max={COLUMNS_MAX}; name those that are needed",
            types.len()
        );
        return Err(Error::invalid("source_too_many_columns", message));
    }
    let readings: Vec<Reading> = types.iter().map(|column| Reading::of(column.type_())).collect();
    let column = |(column, reading): (&tokio_postgres::Column, &Reading)| Column {
        name: column.name().to_owned(),
        kind: reading.kind(),
        source_type: column.type_().name().to_owned(),
    };
    let columns: Vec<Column> = types.iter().zip(&readings).map(column).collect();
    check_columns(&columns)?;
    // A comment at its end must not take in what comes behind.
    let declare = format!("DECLARE tessera_source NO SCROLL CURSOR FOR {sql}\n");
    session.within(session.client.simple_query(&declare), failed).await?;
    Ok(PostgresRows { session, columns, readings, fetch: ROWS_AT_FIRST, is_over: false })
}

/// The tables and views that the user of a connection may read.
pub(crate) async fn tables(server: Server<'_>) -> Result<Vec<String>, Error> {
    let session = connect(server, STATEMENT).await?;
    let statement = format!(
        "SELECT CASE WHEN table_schema = 'public' THEN table_name ELSE table_schema || '.' || table_name END \
         FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema') \
         ORDER BY 1 LIMIT {TABLES_MAX}"
    );
    let messages = timed(session.client.simple_query(&statement)).await?;
    let name = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    Ok(messages.iter().filter_map(name).collect())
}

/// A session that reads, in one transaction.
async fn connect(server: Server<'_>, answer: Duration) -> Result<Session, Error> {
    let mut session = reach(server).await?;
    session.answer = answer;
    let begin = format!(
        "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = {}; {SPELLING}",
        answer.as_millis()
    );
    timed(session.client.simple_query(&begin)).await?;
    Ok(session)
}

/// A session.
async fn reach(Server { url, password, ca }: Server<'_>) -> Result<Session, Error> {
    let expected = "a url is expected such as postgres://user:password@host:5432/database";
    let mut config: Config = url.parse().map_err(|_| Error::invalid("connection_url_invalid", expected))?;
    if config.get_hosts().is_empty() {
        return Err(Error::invalid("connection_url_invalid", expected));
    }
    if let Some(password) = password {
        config.password(password);
    }
    config.application_name("tessera").connect_timeout(CONNECT);
    // Whoever does not require that a connection is encrypted cannot rely on it: then it is not.
    match config.get_ssl_mode() {
        SslMode::Require => session(&config, Tls::new(ca)?).await,
        _ => session(config.ssl_mode(SslMode::Disable), NoTls).await,
    }
}

async fn session<T>(config: &Config, tls: T) -> Result<Session, Error>
where
    T: MakeTlsConnect<Socket> + Send,
    T::Stream: Send + 'static,
{
    let slow = |_| Error::unreachable("connection_unreachable", "the server did not answer within 10 s");
    let connected = tokio::time::timeout(CONNECT, config.connect(tls)).await.map_err(slow)?;
    let (client, connection) = connected.map_err(|error| unconnected(&error))?;
    Ok(Session { client, answer: STATEMENT, connection: tokio::spawn(async move { drop(connection.await) }) })
}

/// Waits for an answer, a little longer than the server lets a statement take.
async fn timed<T>(answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Error> {
    timed_by(answer, refused).await
}

/// The same, where trouble is told otherwise.
async fn timed_by<T>(
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    refused: impl Fn(&tokio_postgres::Error) -> Error,
) -> Result<T, Error> {
    match tokio::time::timeout(STATEMENT + CONNECT, answer).await {
        Ok(answer) => answer.map_err(|error| refused(&error)),
        Err(_) => Err(late(STATEMENT)),
    }
}

/// Why no session came about.
fn unconnected(error: &tokio_postgres::Error) -> Error {
    let Some(told) = error.as_db_error() else {
        let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        if error.to_string().contains("TLS") {
            let message = format!(
                "the connection cannot be encrypted: {cause}; say in `ca` by which authority the server's certificate is made, or have \
                 the server encrypt"
            );
            return Error::invalid("connection_tls_failed", message);
        }
        return Error::unreachable("connection_unreachable", format!("the server cannot be reached: {cause}"));
    };
    let code = told.code();
    if [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION].contains(code) {
        let message = "the server does not let this user in; user and password are expected that it knows";
        return Error::invalid("connection_unauthorized", message);
    }
    if *code == SqlState::INVALID_CATALOG_NAME {
        return Error::invalid("connection_database_unknown", "the server has no database of the name in the url");
    }
    Error::unreachable("connection_unreachable", format!("the server refuses connections sqlstate={}", code.code()))
}

/// Why a statement failed that was taken. Values of rows may stand in the server's words: those of a cast to the name of a table do, as if the table
/// were missing.
fn failed(error: &tokio_postgres::Error) -> Error {
    let told = refused(error);
    let code = error.code().map_or("", SqlState::code);
    match told.code {
        "source_table_unknown" | "source_query_invalid" => {
            let message = format!(
                "the server does not take the query sqlstate={code}; one that reads is expected, and the server's log says what is wrong with it"
            );
            Error::invalid(told.code, message)
        }
        _ => told,
    }
}

/// Why a statement was not taken, or failed. What the server says of a value of a row stays there.
fn refused(error: &tokio_postgres::Error) -> Error {
    let Some(told) = error.as_db_error() else {
        if error.is_closed() || std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>()) {
            return Error::unreachable("source_lost", "the connection to the server was lost");
        }
        return Error::unreachable("source_lost", "the server answered something that cannot be read");
    };
    let code = told.code().code();
    match (code, &code[..2]) {
        ("57014", _) => late(STATEMENT),
        ("42501", _) => {
            let message = format!("the user of the connection may not read that: {}", told.message());
            Error::invalid("connection_unauthorized", message)
        }
        ("42P01", _) => Error::invalid("source_table_unknown", told.message().to_owned()),
        (_, "42" | "0A" | "25" | "34") => {
            let place = told.position().map_or_else(String::new, |own| match own {
                tokio_postgres::error::ErrorPosition::Original(at) => format!(" at character {at}"),
                tokio_postgres::error::ErrorPosition::Internal { .. } => String::new(),
            });
            Error::invalid("source_query_invalid", format!("{}{place} sqlstate={code}", told.message()))
        }
        (_, "08" | "53" | "57" | "58") => {
            Error::unreachable("source_lost", format!("the server ended the query sqlstate={code}"))
        }
        _ => {
            let message = format!("the query failed while it ran sqlstate={code}; the server's log says where");
            Error::invalid("source_query_failed", message)
        }
    }
}
