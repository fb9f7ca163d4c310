//! All kinds of connections.

use async_trait::async_trait;

use crate::postgres::Server;
use crate::{Connect, Connection, Error, Place, Query, Question, Rows, adbc, files, postgres};

/// The connections that this program has.
#[derive(Debug, Clone, Default)]
pub struct Connectors {
    /// The library of DuckDB, which is its ADBC driver as well; without it there is no SQL over files.
    pub duckdb: Option<String>,
}

#[async_trait]
impl Connect for Connectors {
    async fn open(&self, connection: &Connection, question: &Question) -> Result<Box<dyn Rows>, Error> {
        match connection {
            Connection::Postgres { url, password, ca } => {
                postgres::open(Server { url, password: password.as_deref(), ca: ca.as_deref() }, &question.query).await
            }
            Connection::Files(place) => match (&question.query, place) {
                (Query::Sql(sql), Place::Folder(folder)) => {
                    let duckdb = self.duckdb.as_ref().ok_or_else(without_engine)?;
                    adbc::open_folder(duckdb, folder, sql).await
                }
                _ => files::open(place, question).await,
            },
            Connection::Adbc(own) => adbc::open(own, &question.query).await,
        }
    }

    async fn test(&self, connection: &Connection) -> Result<Vec<String>, Error> {
        match connection {
            Connection::Postgres { url, password, ca } => {
                postgres::tables(Server { url, password: password.as_deref(), ca: ca.as_deref() }).await
            }
            Connection::Files(place) => files::tables(place).await,
            Connection::Adbc(own) => adbc::tables(own).await,
        }
    }
}

fn without_engine() -> Error {
    let message = "the server has no engine for `sql` over files: start it with `duckdb_driver`, the path of DuckDB's library, or ask by `table`, a path or \
                   a pattern below the folder";
    Error::invalid("source_sql_unsupported", message)
}
