//! Connections and sources as they are configured: where rows come from, and what becomes of their columns. They stand among the objects of a
//! workspace's configuration, as JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tessera_connect::{ColumnKind, Query, Question};
use tessera_engine::value::Path;
use tessera_expr::calendar::Zone;
use tessera_expr::pql;

use crate::base::codec::corrupt;
use crate::base::error::{Error, ErrorKind};
use crate::base::secrets::Secret;
use crate::config::activations::{activations, check_targets_over};
use crate::config::workspace::{
    Definition, Objects, RuleContent, RuleKind, RuleName, Status, StoredConfig, put_rule, set_object, set_primary,
};

mod follow;
mod schedule;

pub use follow::Follow;
pub use schedule::Schedule;

/// Connections of one workspace.
pub const CONNECTIONS_MAX: usize = 50;
/// Sources of one workspace.
pub const SOURCES_MAX: usize = 50;
/// Bytes of a statement.
pub const SQL_BYTES_MAX: usize = 8 << 10;
/// Columns that name identities, besides the primary one.
pub const IDENTIFIERS_MAX: usize = 16;
/// Columns that are audiences.
pub const AUDIENCES_MAX: usize = 100;
/// The share of a source's rows that one refresh takes back at most, where nothing else is said.
pub const EVICT_MAX_SHARE: f64 = 0.2;
/// Bytes of a name.
const NAME_BYTES_MAX: usize = 64;
/// Below which attribute the columns stand that are audiences.
pub const AUDIENCES: &str = "audiences";
/// Among the objects of a configuration.
const CONNECTION: &str = "connection";
const SOURCE: &str = "source";

/// A connection as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Connection {
    /// PostgreSQL.
    Postgres {
        /// Its URL, without a password.
        url: Text,
        /// The password, where there is one.
        password: Option<Secret>,
        /// Where the certificates of the server's authorities stand, if these are not those of the system.
        #[serde(default)]
        ca: Option<Secret>,
    },
    /// Files, in a folder of the server's machine or in a bucket.
    Files {
        /// `file:///…`, a folder; `s3://…`, `gs://…` or `az://…`, a bucket.
        url: String,
        /// What opens a bucket.
        #[serde(default)]
        options: BTreeMap<String, Text>,
        /// Where the certificates of the store's authorities stand, if these are not those of the system.
        #[serde(default)]
        ca: Option<Secret>,
    },
    /// A database, by a driver.
    Adbc {
        /// The path of the driver's library, or its name.
        driver: String,
        /// What the driver takes.
        options: BTreeMap<String, Text>,
    },
}

/// A text, or where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Text {
    /// Here.
    Plain(String),
    /// Elsewhere, for it is secret.
    Secret(Secret),
}

/// A source as it is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceContent {
    /// The name of its connection.
    pub connection: String,
    /// What it asks.
    pub ask: Ask,
    /// Where its rows are events, the columns that say which; otherwise each row is all that is said of one person.
    #[serde(default)]
    pub event: Option<EventColumns>,
    /// The column that says whose a row is.
    pub primary: Primary,
    /// Columns that name other identities of theirs, with their namespaces.
    pub identifiers: BTreeMap<String, String>,
    /// Columns that say whether they are in an audience of the column's name.
    pub audiences: Vec<String>,
    /// Columns that are attributes, with the names of these; none where all are that are nothing else.
    pub attributes: Option<BTreeMap<String, String>>,
    /// Kinds of columns that are not found out.
    pub types: BTreeMap<String, String>,
    /// When it is refreshed by itself.
    pub schedule: Option<Schedule>,
    /// The share of its rows that one refresh takes back at most.
    pub evict_max_share: f64,
    /// Where its changes are followed between refreshes, how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Follow>,
}

/// The columns that say which event a row is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventColumns {
    /// The column of its name; where there is no such column, the name of all of them.
    pub name: String,
    /// The column of its time.
    pub time: String,
    /// The column of its id.
    pub id: String,
}

/// What a source asks of its connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// All rows of a table, or of files.
    Table(String),
    /// What a statement brings.
    Sql(String),
}

/// The column that says whose a row is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Primary {
    /// The column.
    pub column: String,
    /// The namespace of its values.
    pub namespace: String,
}

/// A source as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// What was asked for.
    pub content: SourceContent,
    /// What its rows are kept under; no other source of the workspace ever has it.
    pub number: u32,
    /// Under which the primary identities of its rows are hashed.
    pub(crate) seed: [u8; 32],
    /// Counts what makes something else of its rows.
    pub(crate) revision: u64,
    /// Counts how often it was set.
    pub(crate) set: u64,
    /// When it was first set, in microseconds.
    pub created_at: i64,
    /// When it was set last.
    pub updated_at: i64,
}

impl SourceContent {
    /// The question that it asks its connection.
    ///
    /// # Errors
    /// `Invalid` with `source_invalid`.
    pub fn question(&self) -> Result<Question, Error> {
        let query = match &self.ask {
            Ask::Table(table) => Query::Table(table.clone()),
            Ask::Sql(sql) => Query::Sql(sql.clone()),
        };
        let kind = |(column, name): (&String, &String)| {
            let names: Vec<&str> =
                ColumnKind::ALL.map(ColumnKind::name).into_iter().filter(|own| *own != "empty").collect();
            let kind = ColumnKind::parse(name).filter(|kind| *kind != ColumnKind::Empty);
            let kind =
                kind.ok_or_else(|| invalid(format!("types: {column}: one of {} is expected", names.join(", "))))?;
            Ok((column.clone(), kind))
        };
        Ok(Question { query, types: self.types.iter().map(kind).collect::<Result<_, Error>>()? })
    }

    /// Whether rows become the same by another content.
    fn means_the_same(&self, other: &Self) -> bool {
        let bare = |own: &Self| Self { schedule: None, evict_max_share: 0.0, changes: None, ..own.clone() };
        bare(self) == bare(other)
    }

    /// Whether it can be a source of a workspace.
    ///
    /// # Errors
    /// `Invalid` with `source_invalid`, `source_table_invalid`, `namespace_unknown`, `connection_unknown`, `schedule_invalid`.
    pub fn check(&self, config: &StoredConfig) -> Result<(), Error> {
        let connection = connection(config, &self.connection).map_err(|_| {
            let message = format!("connection: no connection is called {}; make it first", self.connection);
            Error::new(ErrorKind::Invalid, "connection_unknown", message)
        })?;
        self.check_alone()?;
        if let (Ask::Table(table), Connection::Postgres { .. }) = (&self.ask, &connection) {
            tessera_connect::check_postgres_table(table)
                .map_err(|error| Error::new(ErrorKind::Invalid, error.code, error.message))?;
        }
        self.changes.as_ref().map_or(Ok(()), |_| follow::check_connection(&connection))?;
        for namespace in self.identifiers.values().chain([&self.primary.namespace]) {
            let unknown = |_| {
                let message = format!("the namespace {namespace} is not registered; make it, or name another one");
                Error::new(ErrorKind::Invalid, "namespace_unknown", message)
            };
            config.namespace(namespace).map_err(unknown)?;
        }
        Ok(())
    }

    /// Whether it can be a source of a workspace that has the connection and the namespaces.
    ///
    /// # Errors
    /// `Invalid` with `source_invalid`, `schedule_invalid`.
    pub fn check_alone(&self) -> Result<(), Error> {
        match &self.ask {
            Ask::Sql(text) | Ask::Table(text) if text.trim().is_empty() || text.len() > SQL_BYTES_MAX => {
                return Err(invalid(format!("`sql` or `table` of 1 to {SQL_BYTES_MAX} bytes is expected")));
            }
            Ask::Sql(_) | Ask::Table(_) => {}
        }
        if self.identifiers.len() > IDENTIFIERS_MAX || self.audiences.len() > AUDIENCES_MAX {
            let message = format!("at most {IDENTIFIERS_MAX} identifiers and {AUDIENCES_MAX} audiences are expected");
            return Err(invalid(message));
        }
        if self.identifiers.values().any(|namespace| *namespace == self.primary.namespace) {
            let message =
                "identifiers: another namespace than that of `primary` is expected, which names whose a row is already";
            return Err(invalid(message.to_owned()));
        }
        if !(0.0..=1.0).contains(&self.evict_max_share) {
            return Err(invalid("evict_max_share: a share from 0 to 1 is expected".to_owned()));
        }
        if self.event.is_some() && !self.audiences.is_empty() {
            return Err(invalid("audiences: rows that are events have none".to_owned()));
        }
        self.check_columns()?;
        for name in &self.audiences {
            audience_name(name)?;
        }
        for (column, name) in self.attributes.iter().flatten() {
            Path::parse(name).map_err(|_| {
                invalid(format!(
                    "attributes: {column}: the name of an attribute is expected, with dots for one inside another"
                ))
            })?;
        }
        self.question()?;
        self.changes.as_ref().map_or(Ok(()), |own| own.check(&self.ask))?;
        self.schedule.as_ref().map_or(Ok(()), Schedule::check)
    }

    /// No column is two things.
    fn check_columns(&self) -> Result<(), Error> {
        let named = std::iter::once(&self.primary.column)
            .chain(self.identifiers.keys())
            .chain(&self.audiences)
            .chain(self.event.iter().flat_map(|event| [&event.time, &event.id]))
            .chain(self.attributes.iter().flat_map(BTreeMap::keys));
        let mut seen = BTreeSet::new();
        match named.into_iter().find(|column| column.is_empty() || !seen.insert(*column)) {
            None => Ok(()),
            Some(column) => Err(invalid(format!("the column {column:?} is named twice, or by an empty name"))),
        }
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Invalid, "source_invalid", message)
}

fn audience_name(column: &str) -> Result<RuleName, Error> {
    RuleName::parse(RuleKind::Segment, column).map_err(|error| {
        invalid(format!("audiences: {column}: {}; rename the column in the query with `as`", error.message))
    })
}

/// Reads the name of a connection or a source.
///
/// # Errors
/// `Invalid` with `source_name_invalid`.
pub fn check_name(name: &str) -> Result<(), Error> {
    check_name_or(name, "source_name_invalid")
}

/// Reads a name, and refuses what is none with this code.
pub(crate) fn check_name_or(name: &str, code: &'static str) -> Result<(), Error> {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_fit) {
        return Ok(());
    }
    let message =
        format!("a name of 1 to {NAME_BYTES_MAX} ASCII letters, digits, dots, dashes and underscores is expected");
    Err(Error::new(ErrorKind::Invalid, code, message))
}

fn read<T: DeserializeOwned>(json: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|_| corrupt("a connection or a source"))
}

fn written<T: Serialize>(own: &T) -> Result<String, Error> {
    serde_json::to_string(own).map_err(|_| corrupt("a connection or a source"))
}

/// A connection.
///
/// # Errors
/// `NotFound` with `connection_not_found`; `Corrupt`.
pub fn connection(config: &StoredConfig, name: &str) -> Result<Connection, Error> {
    let json = config.objects().get(CONNECTION, name);
    read(json.ok_or_else(|| Error::new(ErrorKind::NotFound, "connection_not_found", "no connection is called so"))?)
}

/// All connections, by name.
///
/// # Errors
/// `Corrupt`.
pub fn connections(config: &StoredConfig) -> Result<Vec<(String, Connection)>, Error> {
    config.objects().of(CONNECTION).map(|(name, json)| Ok((name.to_owned(), read(json)?))).collect()
}

/// A source.
///
/// # Errors
/// `NotFound` with `source_not_found`; `Corrupt`.
pub fn source(config: &StoredConfig, name: &str) -> Result<Source, Error> {
    let json = config.objects().get(SOURCE, name);
    read(json.ok_or_else(|| Error::new(ErrorKind::NotFound, "source_not_found", "no source is called so"))?)
}

/// All sources, by name.
///
/// # Errors
/// `Corrupt`.
pub fn sources(config: &StoredConfig) -> Result<Vec<(String, Source)>, Error> {
    config.objects().of(SOURCE).map(|(name, json)| Ok((name.to_owned(), read(json)?))).collect()
}

/// The configuration with this connection. What sources and activations ask of it has to stay possible.
///
/// # Errors
/// `Invalid` with `source_name_invalid`; `Conflict` with `connection_in_use`, `activation_target_taken`; `LimitExceeded` with `connections_full`, `object_too_large`, `config_too_large`.
pub(crate) fn put_connection(config: &StoredConfig, name: &str, own: &Connection) -> Result<StoredConfig, Error> {
    check_name(name)?;
    let objects = config.objects();
    if objects.get(CONNECTION, name).is_none() && objects.of(CONNECTION).count() >= CONNECTIONS_MAX {
        let message = format!("a workspace has as many connections as it may max={CONNECTIONS_MAX}");
        return Err(Error::new(ErrorKind::LimitExceeded, "connections_full", message));
    }
    let before = connection_among(objects, name)?;
    if before.is_some_and(|before| std::mem::discriminant(&before) != std::mem::discriminant(own)) {
        let users = users(config, name)?;
        if !users.is_empty() {
            let message = format!(
                "kind: sources and activations use the connection as it is; make another connection, or delete them first: {}",
                users.join(", ")
            );
            return Err(Error::new(ErrorKind::Conflict, "connection_in_use", message));
        }
    }
    let next = set_object(config, (CONNECTION, name), Some(&written(own)?))?;
    check_targets_over(&next, name)?;
    Ok(next)
}

/// The sources and the activations that use a connection.
fn users(config: &StoredConfig, connection: &str) -> Result<Vec<String>, Error> {
    let sources = sources(config)?.into_iter().map(|(name, own)| (name, own.content.connection));
    let activations = activations(config)?.into_iter().map(|(name, own)| (name, own.content.connection));
    Ok(sources.chain(activations).filter(|(_, own)| own == connection).map(|(name, _)| name).collect())
}

/// The configuration without a connection.
///
/// # Errors
/// `NotFound` with `connection_not_found`; `Conflict` with `connection_in_use`.
pub(crate) fn delete_connection(config: &StoredConfig, name: &str) -> Result<StoredConfig, Error> {
    connection(config, name)?;
    let users = users(config, name)?;
    if !users.is_empty() {
        let message = format!("sources and activations use the connection; delete them first: {}", users.join(", "));
        return Err(Error::new(ErrorKind::Conflict, "connection_in_use", message));
    }
    set_object(config, (CONNECTION, name), None)
}

/// What a source that is new is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drawn {
    pub(crate) number: u32,
    pub(crate) seed: [u8; 32],
}

/// The configuration with this source, and a segment for each of its audiences. Where reads by id try no namespace first yet, they try that of its
/// primary column.
///
/// # Errors
/// As [`SourceContent::check`]; `LimitExceeded` with `sources_full`, `rules_full`, `object_too_large`, `config_too_large`; `Conflict` with
/// `audience_taken`.
pub(crate) fn put_source(
    config: &StoredConfig,
    name: &str,
    content: SourceContent,
    drawn: Drawn,
    at: tessera_engine::time::Timestamp,
) -> Result<StoredConfig, Error> {
    check_name(name)?;
    content.check(config)?;
    let all = sources(config)?;
    let before = all.iter().find(|(own, _)| own == name).map(|(_, own)| own.clone());
    if before.is_none() && all.len() >= SOURCES_MAX {
        let message = format!("a workspace has as many sources as it may max={SOURCES_MAX}");
        return Err(Error::new(ErrorKind::LimitExceeded, "sources_full", message));
    }
    let mut config = match config.primary() {
        // Whoever is read by id is read by what the rows are known by.
        None => set_primary(config, Some(&content.primary.namespace))?,
        Some(_) => config.clone(),
    };
    for audience in &content.audiences {
        config = with_audience(&config, audience, at)?;
    }
    let own = match before {
        Some(before) => Source {
            revision: before.revision + u64::from(!before.content.means_the_same(&content)),
            set: before.set + 1,
            updated_at: at.micros(),
            content,
            ..before
        },
        None => Source {
            content,
            number: drawn.number,
            seed: drawn.seed,
            revision: 1,
            set: 1,
            created_at: at.micros(),
            updated_at: at.micros(),
        },
    };
    set_object(&config, (SOURCE, name), Some(&written(&own)?))
}

/// The configuration without a source. What it said stays until its dataset is erased, and so do the segments of its audiences.
///
/// # Errors
/// `NotFound` with `source_not_found`.
pub(crate) fn delete_source(config: &StoredConfig, name: &str) -> Result<StoredConfig, Error> {
    source(config, name)?;
    set_object(config, (SOURCE, name), None)
}

/// The configuration with the segment of an audience: who has the attribute of that name. One of that name that says something else is somebody's.
fn with_audience(
    config: &StoredConfig,
    audience: &str,
    at: tessera_engine::time::Timestamp,
) -> Result<StoredConfig, Error> {
    let name = audience_name(audience)?;
    let text = format!("{AUDIENCES}.`{audience}` = true");
    let problem = |problem: tessera_expr::problem::Problem| invalid(format!("audiences: {audience}: {problem:?}"));
    let expr = pql::parse(&text).map_err(problem)?;
    let definition = Definition::new(RuleKind::Segment, expr, Zone::utc(), None).map_err(problem)?;
    if let Ok(present) = config.rules().find(RuleKind::Segment, audience) {
        let is_archived = present.status() == Status::Archived;
        if present.definition().pql == definition.pql && !is_archived {
            return Ok(config.clone());
        }
        if is_archived {
            let content = RuleContent { display_name: None, description: None, definition, is_draft: false };
            return put_rule(config, RuleKind::Segment, &name, content, None, at);
        }
        let message =
            format!("a segment is called {audience} already and says something else; rename the column with `as`");
        return Err(Error::new(ErrorKind::Conflict, "audience_taken", message));
    }
    let content = RuleContent { display_name: None, description: None, definition, is_draft: false };
    put_rule(config, RuleKind::Segment, &name, content, None, at)
}

/// A connection among objects that were read by themselves.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn connection_among(objects: &Objects, name: &str) -> Result<Option<Connection>, Error> {
    objects.get(CONNECTION, name).map(read).transpose()
}

/// All sources among objects that were read by themselves.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn sources_among(objects: &Objects) -> Result<Vec<(String, Source)>, Error> {
    objects.of(SOURCE).map(|(name, json)| Ok((name.to_owned(), read(json)?))).collect()
}

impl Source {
    /// A source that is only tried out.
    pub(crate) fn tried(content: SourceContent) -> Self {
        Self { content, number: 0, seed: [0; 32], revision: 0, set: 0, created_at: 0, updated_at: 0 }
    }
}
