//! All kinds of connections.

use std::time::Duration;

use async_trait::async_trait;

use crate::postgres::Server;
use crate::target::{Bucket, Folder, Target};
use crate::{
    Changes, Connect, Connection, Error, Followed, Place, Query, Question, Rows, STATEMENT, Table, adbc, files,
    postgres,
};

/// The connections that this program has.
#[derive(Debug, Clone)]
pub struct Connectors {
    /// The library of DuckDB, which is its ADBC driver as well; without it there is no SQL over files.
    pub duckdb: Option<String>,
    /// How long a question may take until its first rows, and until each of the next. Ten minutes unless it is set.
    pub answer: Duration,
}

impl Default for Connectors {
    fn default() -> Self {
        Self { duckdb: None, answer: STATEMENT }
    }
}

#[async_trait]
impl Connect for Connectors {
    async fn open(&self, connection: &Connection, question: &Question) -> Result<Box<dyn Rows>, Error> {
        match connection {
            Connection::Postgres { url, password, ca } => {
                let server = Server { url, password: password.as_deref(), ca: ca.as_deref() };
                postgres::open(server, &question.query, self.answer).await
            }
            Connection::Files(place) => match (&question.query, place) {
                (Query::Sql(sql), Place::Folder(folder)) => {
                    let duckdb = self.duckdb.as_ref().ok_or_else(without_engine)?;
                    adbc::open_folder(duckdb, folder, sql, self.answer).await
                }
                _ => files::open(place, question).await,
            },
            Connection::Adbc(own) => adbc::open(own, &question.query, self.answer).await,
        }
    }

    async fn test(&self, connection: &Connection) -> Result<Vec<String>, Error> {
        match connection {
            Connection::Postgres { url, password, ca } => {
                postgres::tables(Server { url, password: password.as_deref(), ca: ca.as_deref() }).await
            }
            Connection::Files(place) => files::tables(place).await,
            Connection::Adbc(own) => adbc::tables(own, self.answer).await,
        }
    }

    async fn target(&self, connection: &Connection, path: &str) -> Result<Box<dyn Target>, Error> {
        match connection {
            Connection::Files(Place::Folder(folder)) => Ok(Box::new(Folder::new(folder, path)?)),
            Connection::Files(place @ Place::Bucket(_)) => Ok(Box::new(Bucket::new(&place.open()?, path)?)),
            Connection::Postgres { .. } | Connection::Adbc(_) => {
                let message = "files are written to a connection of the kind files, and this one is of another kind";
                Err(Error::invalid("connection_not_of_files", message))
            }
        }
    }

    async fn table(&self, connection: &Connection, name: &str) -> Result<Box<dyn Table>, Error> {
        match connection {
            Connection::Postgres { url, password, ca } => {
                postgres::table::open(Server { url, password: password.as_deref(), ca: ca.as_deref() }, name).await
            }
            Connection::Files(_) | Connection::Adbc(_) => {
                let message =
                    "tables are written over a connection of the kind postgres, and this one is of another kind";
                Err(Error::invalid("connection_not_of_tables", message))
            }
        }
    }

    async fn changes(&self, connection: &Connection, followed: &Followed) -> Result<Box<dyn Changes>, Error> {
        match connection {
            Connection::Postgres { url, password, ca } => {
                let server = Server { url, password: password.as_deref(), ca: ca.as_deref() };
                postgres::changes::open(server, followed).await
            }
            Connection::Files(_) | Connection::Adbc(_) => {
                let message =
                    "changes are followed over a connection of the kind postgres, and this one is of another kind";
                Err(Error::invalid("source_changes_unsupported", message))
            }
        }
    }
}

fn without_engine() -> Error {
    let message = "the server has no engine for `sql` over files: start it with `duckdb_driver`, the path of DuckDB's library, or ask by `table`, a path or \
                   a pattern below the folder";
    Error::invalid("source_sql_unsupported", message)
}
