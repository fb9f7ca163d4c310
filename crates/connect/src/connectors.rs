//! All kinds of connections.

use async_trait::async_trait;

use crate::postgres::Server;
use crate::target::{Folder, Target};
use crate::{Connect, Connection, Error, Question, Rows, files, postgres};

/// The connections that this program has.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connectors;

#[async_trait]
impl Connect for Connectors {
    async fn open(&self, connection: &Connection, question: &Question) -> Result<Box<dyn Rows>, Error> {
        match connection {
            Connection::Postgres { url, password, ca } => {
                postgres::open(Server { url, password: password.as_deref(), ca: ca.as_deref() }, &question.query).await
            }
            Connection::Files { folder } => files::open(folder, question).await,
        }
    }

    async fn test(&self, connection: &Connection) -> Result<Vec<String>, Error> {
        match connection {
            Connection::Postgres { url, password, ca } => {
                postgres::tables(Server { url, password: password.as_deref(), ca: ca.as_deref() }).await
            }
            Connection::Files { folder } => files::tables(folder).await,
        }
    }

    async fn target(&self, connection: &Connection, path: &str) -> Result<Box<dyn Target>, Error> {
        match connection {
            Connection::Files { folder } => Ok(Box::new(Folder::new(folder, path)?)),
            Connection::Postgres { .. } => {
                let message = "files are written to a connection of the kind files, and this one is of another kind";
                Err(Error::invalid("connection_not_of_files", message))
            }
        }
    }
}
