//! Sources as doors ask for them: connections and sources set and looked at, tried out, and refreshed.

use std::collections::BTreeMap;
use std::sync::Arc;

pub use tessera_connect::objects::holds_secret;
use tessera_connect::objects::{OPTION_BYTES_MAX, OPTIONS_MAX};
use tessera_connect::{Column, Place, Row};
pub use tessera_connect::{Column as SourceColumn, Value as SourceValue};
use tessera_engine::model::Flags;

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::{KeyId, WorkspaceId};
use crate::base::secrets::Secret;
pub use crate::config::sources::{
    AUDIENCES, AUDIENCES_MAX, Ask, CONNECTIONS_MAX, Connection, EVICT_MAX_SHARE, EventColumns, Follow, IDENTIFIERS_MAX,
    Primary, SOURCES_MAX, SQL_BYTES_MAX, Schedule, Source, SourceContent, Text, check_name, connection, connections,
    source, sources,
};
use crate::config::sources::{Drawn, delete_connection, delete_source, put_connection, put_source};
use crate::config::workspace::StoredConfig;
use crate::jobs::Job;
pub use crate::stored::sources::{Run, RunCounts, RunStatus, RunVerdict};
use crate::work::changes::changes_state;
pub use crate::work::changes::{ChangesState, ChangesStatus};
use crate::work::kinds::refresh::Asked;
use crate::work::refresh::connecting::place_of;
pub use crate::work::refresh::mapping::Becomes;
use crate::work::refresh::{mapping, source_error};
pub use crate::work::schedules::{RUNS_SHOWN, RunsState};
use crate::work::service::Service;

/// Rows of a preview.
pub const PREVIEW_ROWS: usize = 20;

/// A connection to be set.
#[derive(Clone)]
pub enum NewConnection {
    /// PostgreSQL.
    Postgres {
        /// Its URL, with the password in it or without.
        url: Given,
        /// The password, where it stands apart.
        password: Option<Given>,
        /// Where the certificates of the server's authorities stand.
        ca: Option<Secret>,
    },
    /// Files, in a folder of the server's machine or in a bucket.
    Files {
        /// `file:///…`, a folder; `s3://…`, `gs://…` or `az://…`, a bucket.
        url: String,
        /// What opens a bucket.
        options: BTreeMap<String, Given>,
        /// Where the certificates of the store's authorities stand.
        ca: Option<Secret>,
    },
    /// A database, by a driver.
    Adbc {
        /// The path of the driver's library, or its name.
        driver: String,
        /// What the driver takes.
        options: BTreeMap<String, Given>,
    },
}

impl NewConnection {
    /// Whether it leads to what belongs to the server's machine, whatever workspace it is of.
    #[must_use]
    pub fn is_of_machine(&self) -> bool {
        match self {
            Self::Postgres { .. } => false,
            Self::Files { url, .. } => Place::is_folder(url),
            // A library that is loaded is as much of the server as its own code.
            Self::Adbc { .. } => true,
        }
    }

    /// Whether it can be a connection, as far as that can be told without asking anybody.
    ///
    /// # Errors
    /// `Invalid` with `connection_url_invalid`, `connection_invalid`.
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Self::Postgres { .. } => Ok(()),
            Self::Adbc { driver, options } => {
                check_options(options)?;
                if driver.is_empty() || driver.len() > OPTION_BYTES_MAX || driver.chars().any(char::is_control) {
                    let message = "driver: the path of a shared library is expected, or its name";
                    return Err(Error::new(ErrorKind::Invalid, "connection_invalid", message));
                }
                Ok(())
            }
            Self::Files { url, options, ca } => {
                check_options(options)?;
                let known = |(name, own): (&'_ String, &'_ Given)| match own {
                    Given::Text(text) => (name.clone(), Some(text.clone())),
                    Given::Elsewhere(_) => (name.clone(), None),
                };
                let known: Vec<(String, Option<String>)> = options.iter().map(known).collect();
                let known = known.iter().map(|(name, own)| (&**name, own.as_deref()));
                Place::check(url, known, ca.is_some()).map_err(source_error)
            }
        }
    }
}

/// Whether there are no more options than may be, and none is too large.
fn check_options(options: &BTreeMap<String, Given>) -> Result<(), Error> {
    let is_large = |(name, own): (&String, &Given)| match own {
        Given::Text(text) => name.len() > NAME_BYTES_MAX || !holds_secret(name, text) && text.len() > OPTION_BYTES_MAX,
        Given::Elsewhere(_) => name.len() > NAME_BYTES_MAX,
    };
    if options.len() > OPTIONS_MAX || options.iter().any(is_large) {
        let message = format!(
            "options: at most {OPTIONS_MAX} are expected, with names of {NAME_BYTES_MAX} bytes and values of {OPTION_BYTES_MAX}"
        );
        return Err(Error::new(ErrorKind::Invalid, "connection_invalid", message));
    }
    Ok(())
}

/// Bytes of the name of an option.
const NAME_BYTES_MAX: usize = 64;

/// A text as it is given, or where it stands.
#[derive(Clone)]
pub enum Given {
    /// The text.
    Text(String),
    /// A reference to it.
    Elsewhere(Secret),
}

/// What a question brings, tried out.
#[derive(Debug)]
pub struct Preview {
    /// The columns, and what would become of each.
    pub columns: Vec<(Column, Becomes)>,
    /// The first rows.
    pub rows: Vec<Row>,
}

impl Service {
    /// Makes a connection, or replaces one. A password is sealed, wherever it stood.
    ///
    /// # Errors
    /// `Invalid` with `connection_url_invalid`, `connection_invalid`, `secret_invalid`, `secret_reference_invalid`, `source_name_invalid`; `Conflict` with
    /// `secrets_key_missing`; `LimitExceeded` with `connections_full`, `object_too_large`, `config_too_large`; what the store answers.
    pub async fn put_connection(
        &self,
        workspace: WorkspaceId,
        name: &str,
        new: NewConnection,
    ) -> Result<Connection, Error> {
        check_name(name)?;
        let own = self.sealed_connection(name, new)?;
        let (name, kept) = (name.to_owned(), own.clone());
        self.configure(workspace, move |config| put_connection(config, &name, &kept)).await?;
        self.refreshes().keeper.nudge();
        Ok(own)
    }

    fn sealed_connection(&self, name: &str, new: NewConnection) -> Result<Connection, Error> {
        new.check()?;
        let secrets = &self.settings().sources.secrets;
        let (url, password, ca) = match new {
            NewConnection::Files { url, options, ca } => {
                ca.as_ref().map_or(Ok(()), |own| secrets.check(own))?;
                return Ok(Connection::Files { url, options: self.sealed_options(name, options)?, ca });
            }
            NewConnection::Adbc { driver, options } => {
                return Ok(Connection::Adbc { driver, options: self.sealed_options(name, options)? });
            }
            NewConnection::Postgres { url, password, ca } => (url, password, ca),
        };
        let seal = |text: &str| {
            let mut nonce = [0; 12];
            self.random(&mut nonce);
            secrets.seal(&place_of(name), text, nonce)
        };
        let (url, within) = match url {
            Given::Elsewhere(secret) => {
                secrets.check(&secret)?;
                (Text::Secret(secret), None)
            }
            Given::Text(url) => {
                let (url, within) = without_password(&url)?;
                (Text::Plain(url), within)
            }
        };
        let password = match (password, within) {
            (Some(_), Some(_)) => {
                return Err(invalid_url("the password stands in `url` and in `password`; one is expected"));
            }
            (Some(Given::Elsewhere(secret)), None) => {
                secrets.check(&secret)?;
                Some(secret)
            }
            (Some(Given::Text(text)), None) | (None, Some(text)) => Some(seal(&text)?),
            (None, None) => None,
        };
        ca.as_ref().map_or(Ok(()), |own| secrets.check(own))?;
        Ok(Connection::Postgres { url, password, ca })
    }

    /// Options with what is secret of them sealed.
    fn sealed_options(&self, name: &str, options: BTreeMap<String, Given>) -> Result<BTreeMap<String, Text>, Error> {
        let secrets = &self.settings().sources.secrets;
        let sealed = |(option, own): (String, Given)| {
            let own = match own {
                Given::Elsewhere(secret) => {
                    secrets.check(&secret)?;
                    Text::Secret(secret)
                }
                Given::Text(text) if holds_secret(&option, &text) => {
                    let mut nonce = [0; 12];
                    self.random(&mut nonce);
                    Text::Secret(secrets.seal(&place_of(name), &text, nonce)?)
                }
                Given::Text(text) => Text::Plain(text),
            };
            Ok((option, own))
        };
        options.into_iter().map(sealed).collect()
    }

    /// Deletes a connection.
    ///
    /// # Errors
    /// `NotFound` with `connection_not_found`; `Conflict` with `connection_in_use`; what the store answers.
    pub async fn delete_connection(&self, workspace: WorkspaceId, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        self.configure(workspace, move |config| delete_connection(config, &name)).await.map(drop)
    }

    /// Whether a connection answers: the tables that it has.
    ///
    /// # Errors
    /// `NotFound` with `connection_not_found`; `Invalid` and `Conflict` with the code of why it does not.
    pub async fn test_connection(&self, workspace: WorkspaceId, name: &str) -> Result<Vec<String>, Error> {
        let config = self.configuration(workspace).await?;
        self.tables_of(&config, name).await
    }

    /// Makes a source, or replaces what one is. What it said stays until its next refresh.
    ///
    /// # Errors
    /// `Invalid` with `source_name_invalid`, `source_invalid`, `schedule_invalid`, `connection_unknown`, `namespace_unknown`; `Conflict` with
    /// `audience_taken`; `LimitExceeded` with `sources_full`, `rules_full`, `object_too_large`, `config_too_large`; what the store answers.
    pub async fn put_source(
        &self,
        workspace: WorkspaceId,
        name: &str,
        content: SourceContent,
    ) -> Result<Arc<StoredConfig>, Error> {
        let (mut number, mut seed) = ([0; 4], [0; 32]);
        self.random(&mut number);
        self.random(&mut seed);
        let drawn = Drawn { number: u32::from_be_bytes(number), seed };
        let name = name.to_owned();
        let changed =
            self.configure_rules(workspace, move |config, at| put_source(config, &name, content, drawn, at)).await?;
        self.refreshes().keeper.nudge();
        Ok(changed)
    }

    /// Deletes a source. What it said stays until its dataset is erased.
    ///
    /// # Errors
    /// `NotFound` with `source_not_found`; what the store answers.
    pub async fn delete_source(&self, workspace: WorkspaceId, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        self.configure(workspace, move |config| delete_source(config, &name)).await?;
        self.refreshes().keeper.nudge();
        Ok(())
    }

    /// Asks what a source would ask, for its first rows, and says what would become of its columns, to somebody who sees `sees`. Nothing is kept.
    ///
    /// # Errors
    /// As [`SourceContent::check`]; `Forbidden` with `raw_hidden`; `Invalid` and `Conflict` with the code of why there is no answer.
    pub async fn preview_source(
        &self,
        workspace: WorkspaceId,
        content: SourceContent,
        sees: Flags,
    ) -> Result<Preview, Error> {
        let configured = self.configured(workspace).await?;
        configured.check_shows_raw(sees)?;
        let config = configured.stored.clone();
        content.check(&config)?;
        let mut rows = self.open_source(&config, &content).await?;
        let columns = rows.columns().to_vec();
        let source = Source::tried(content);
        if let Some(followed) = source.followed("preview") {
            let mut changes = self.changes_of(&config, &source.content.connection, &followed).await?;
            changes.look().await.map_err(source_error)?;
        }
        let becomes = mapping::assign(&source, &columns)?;
        let mut first = rows.next().await.map_err(source_error)?.unwrap_or_default();
        first.truncate(PREVIEW_ROWS);
        Ok(Preview { columns: columns.into_iter().zip(becomes).collect(), rows: first })
    }

    /// Has a source refreshed now. `full` writes rows that say what they said before, too.
    ///
    /// # Errors
    /// `NotFound` with `source_not_found`; `Invalid` with `source_invalid`; `Conflict` with `source_refreshing`; `Throttled` with `jobs_full`;
    /// what the store answers.
    pub async fn refresh_source(
        &self,
        workspace: WorkspaceId,
        name: &str,
        (evict_max_share, full): (Option<f64>, bool),
        by: KeyId,
    ) -> Result<Job, Error> {
        source(&*self.configuration(workspace).await?, name)?;
        if evict_max_share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            let message = "evict_max_share: a share from 0 to 1 is expected";
            return Err(Error::new(ErrorKind::Invalid, "source_invalid", message));
        }
        let asked = Asked { source: name.to_owned(), evict_max_share, full };
        self.make_run(workspace, &asked, Some(by)).await
    }

    /// How a source stands: whether a refresh goes on, when the next is, what the last came to.
    ///
    /// # Errors
    /// What the store answers; `Corrupt`.
    pub async fn source_state(&self, workspace: WorkspaceId, name: &str, own: &Source) -> Result<RunsState, Error> {
        self.runs_state::<Asked>(workspace, name, own.into()).await
    }

    /// How the changes of a source stand, where they are followed.
    ///
    /// # Errors
    /// What the store answers; `Corrupt`.
    pub async fn source_changes(
        &self,
        workspace: WorkspaceId,
        name: &str,
        own: &Source,
    ) -> Result<Option<ChangesState>, Error> {
        changes_state(self, workspace, name, own).await
    }
}

fn invalid_url(message: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, "connection_url_invalid", message)
}

/// A URL of PostgreSQL without its password, and the password.
fn without_password(url: &str) -> Result<(String, Option<String>), Error> {
    let expected = "url: postgres://user@host:5432/database is expected";
    let (scheme, rest) = url.split_once("://").ok_or_else(|| invalid_url(expected))?;
    if !matches!(scheme, "postgres" | "postgresql") || url.chars().any(char::is_control) {
        return Err(invalid_url(expected));
    }
    if rest.split_once('?').is_some_and(|(_, query)| query.split('&').any(|own| own.starts_with("password="))) {
        return Err(invalid_url("url: the password is expected before the host, or in `password`"));
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let Some((user, host)) = authority.rsplit_once('@') else { return Ok((url.to_owned(), None)) };
    let Some((user, password)) = user.split_once(':') else { return Ok((url.to_owned(), None)) };
    let password =
        percent_decoded(password).ok_or_else(|| invalid_url("url: the password is not encoded as URLs have it"))?;
    Ok((format!("{scheme}://{user}@{host}{path}"), Some(password).filter(|own| !own.is_empty())))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        if *first == b'%' {
            let (digits, behind) = behind.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = behind;
        } else {
            bytes.push(*first);
            rest = behind;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_taken_out_of_a_url() {
        let check = |url: &str, expected: Result<(&str, Option<&str>), &str>| {
            let found = without_password(url).map_err(|error| error.code);
            assert_eq!(found, expected.map(|(url, own)| (url.to_owned(), own.map(str::to_owned))), "{url}");
        };
        check("postgres://ann:s%40fe@db:5432/shop", Ok(("postgres://ann@db:5432/shop", Some("s@fe"))));
        check(
            "postgresql://ann:a@b@db/shop?sslmode=prefer",
            Ok(("postgresql://ann@db/shop?sslmode=prefer", Some("a@b"))),
        );
        check("postgres://ann@db/shop", Ok(("postgres://ann@db/shop", None)));
        check("postgres://ann:@db/shop", Ok(("postgres://ann@db/shop", None)));
        check("postgres://db", Ok(("postgres://db", None)));
        for url in ["mysql://ann:x@db", "host=db password=x", "postgres://db?password=x", "postgres://a:%zz@db", ""] {
            check(url, Err("connection_url_invalid"));
        }
    }
}
