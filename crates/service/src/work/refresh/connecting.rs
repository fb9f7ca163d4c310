//! Connections with their secrets, opened.

use std::collections::BTreeMap;

use tessera_connect::{Adbc, Changes, Connection as Opened, Followed, Place, Rows, Table, Target};

use super::source_error;
use crate::base::error::Error;
use crate::base::ids::WorkspaceId;
use crate::base::secrets::Secrets;
use crate::config::sources::{self, Connection, SourceContent, Text};
use crate::config::workspace::StoredConfig;
use crate::work::exports::content::ExportPlace;
use crate::work::service::Service;

impl Service {
    /// Asks what a source asks.
    ///
    /// # Errors
    /// `Invalid` and `Conflict` with the code of what is wrong.
    pub(crate) async fn open_source(
        &self,
        config: &StoredConfig,
        content: &SourceContent,
    ) -> Result<Box<dyn Rows>, Error> {
        let opened = self.connection(config, &content.connection)?;
        self.settings().sources.connectors.open(&opened, &content.question()?).await.map_err(source_error)
    }

    /// The place that an export is written to.
    ///
    /// # Errors
    /// `NotFound` with `connection_not_found`; `Invalid` with `export_path_invalid`, `connection_not_of_files`; what the place answers.
    pub(crate) async fn target_of(
        &self,
        workspace: WorkspaceId,
        place: &ExportPlace,
    ) -> Result<Box<dyn Target>, Error> {
        let config = self.configured(workspace).await?.stored.clone();
        let opened = self.connection(&config, &place.connection)?;
        self.settings().sources.connectors.target(&opened, &place.path).await.map_err(source_error)
    }

    /// The table that an activation is written to.
    ///
    /// # Errors
    /// `NotFound` with `connection_not_found`; `Invalid` with `source_table_invalid`, `connection_not_of_tables`; what the place answers.
    pub(crate) async fn table_of(
        &self,
        config: &StoredConfig,
        connection: &str,
        table: &str,
    ) -> Result<Box<dyn Table>, Error> {
        let opened = self.connection(config, connection)?;
        self.settings().sources.connectors.table(&opened, table).await.map_err(source_error)
    }

    /// The changes that a source follows.
    ///
    /// # Errors
    /// `NotFound` with `connection_not_found`; `Invalid` with `source_changes_unsupported`; what the server answers.
    pub(crate) async fn changes_of(
        &self,
        config: &StoredConfig,
        connection: &str,
        followed: &Followed,
    ) -> Result<Box<dyn Changes>, Error> {
        let opened = self.connection(config, connection)?;
        self.settings().sources.connectors.changes(&opened, followed).await.map_err(source_error)
    }

    /// The tables that a connection lists.
    ///
    /// # Errors
    /// `NotFound` with `connection_not_found`; `Invalid` and `Conflict` with the code of why it does not answer.
    pub(crate) async fn tables_of(&self, config: &StoredConfig, name: &str) -> Result<Vec<String>, Error> {
        let opened = self.connection(config, name)?;
        self.settings().sources.connectors.test(&opened).await.map_err(source_error)
    }

    /// A connection of this name, with its secrets.
    fn connection(&self, config: &StoredConfig, name: &str) -> Result<Opened, Error> {
        opened(&self.settings().sources.secrets, name, &sources::connection(config, name)?)
    }
}

/// The place that a secret of a connection is sealed for.
pub(crate) fn place_of(connection: &str) -> String {
    format!("connection/{connection}")
}

/// A connection with what it needs to be opened.
fn opened(secrets: &Secrets, name: &str, connection: &Connection) -> Result<Opened, Error> {
    let place = place_of(name);
    match connection {
        Connection::Postgres { url, password, ca } => {
            let url = match url {
                Text::Plain(url) => url.clone(),
                Text::Secret(secret) => secrets.reveal(&place, secret)?,
            };
            let password = password.as_ref().map(|own| secrets.reveal(&place, own)).transpose()?;
            let ca = ca.as_ref().map(|own| secrets.reveal(&place, own)).transpose()?;
            Ok(Opened::Postgres { url, password, ca })
        }
        Connection::Files { url, options, ca } => {
            let options = revealed(secrets, &place, options)?;
            let ca = ca.as_ref().map(|own| secrets.reveal(&place, own)).transpose()?;
            Place::parse(url, options, ca).map(Opened::Files).map_err(source_error)
        }
        Connection::Adbc { driver, options } => {
            Ok(Opened::Adbc(Adbc { driver: driver.clone(), options: revealed(secrets, &place, options)? }))
        }
    }
}

/// Options with what is secret of them.
fn revealed(
    secrets: &Secrets,
    place: &str,
    options: &BTreeMap<String, Text>,
) -> Result<BTreeMap<String, String>, Error> {
    let revealed = |(option, own): (&String, &Text)| {
        let own = match own {
            Text::Plain(text) => text.clone(),
            Text::Secret(secret) => secrets.reveal(place, secret)?,
        };
        Ok((option.clone(), own))
    };
    options.iter().map(revealed).collect()
}
