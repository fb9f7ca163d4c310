//! How the changes of a source are followed between refreshes.

use serde::{Deserialize, Serialize};
use tessera_connect::Followed;

use super::{Ask, Connection, NAME_BYTES_MAX, Source, invalid};
use crate::base::error::{Error, ErrorKind};
use crate::stored::cursor::hmac;

/// How the changes of a table are followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follow {
    /// The publication that has the table.
    pub publication: String,
}

impl Follow {
    /// Whether what is asked of a connection can be followed so.
    ///
    /// # Errors
    /// `Invalid` with `source_changes_unsupported`, `source_invalid`.
    pub(super) fn check(&self, ask: &Ask) -> Result<(), Error> {
        if matches!(ask, Ask::Sql(_)) {
            return Err(unsupported(
                "changes: they are followed of a `table`, and this source asks a statement (`sql`)",
            ));
        }
        let length = self.publication.len();
        if !(1..=NAME_BYTES_MAX).contains(&length) || self.publication.chars().any(char::is_control) {
            return Err(invalid(format!("changes: publication: a name of 1 to {NAME_BYTES_MAX} bytes is expected")));
        }
        Ok(())
    }
}

/// Whether changes can be followed over a connection.
///
/// # Errors
/// `Invalid` with `source_changes_unsupported`.
pub(super) fn check_connection(connection: &Connection) -> Result<(), Error> {
    match connection {
        Connection::Postgres { .. } => Ok(()),
        Connection::Files { .. } | Connection::Adbc { .. } => {
            Err(unsupported("changes: they are followed over a connection of the kind postgres"))
        }
    }
}

fn unsupported(message: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, "source_changes_unsupported", message)
}

impl Source {
    /// The column that tells a row from all others.
    pub(crate) fn key_column(&self) -> &String {
        self.content.event.as_ref().map_or(&self.content.primary.column, |event| &event.id)
    }

    /// What is followed between refreshes, if anything is. The name of its slot tells a reader which source it is of, and no two have one.
    pub(crate) fn followed(&self, name: &str) -> Option<Followed> {
        let Follow { publication } = self.content.changes.as_ref()?;
        let Ask::Table(table) = &self.content.ask else { return None };
        let key = self.key_column();
        let letter = |own: char| if own.is_ascii_alphanumeric() { own.to_ascii_lowercase() } else { '_' };
        let short: String = name.chars().take(30).map(letter).collect();
        let mark = hmac(&self.seed, &[b"tessera slot 1", table.as_bytes()]);
        let mark: String = mark.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let slot = format!("tessera_{short}_{mark}");
        Some(Followed { table: table.clone(), key: key.clone(), publication: publication.clone(), slot })
    }
}
