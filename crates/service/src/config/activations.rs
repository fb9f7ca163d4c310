//! Activations as they are configured: whose rows are written where, and when. They stand among the objects of a workspace's configuration, as JSON.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tessera_connect::{Compression, FileFormat, POSTGRES_NAME_BYTES_MAX};
use tessera_engine::model::Flags;
use tessera_engine::time::Timestamp;

use crate::base::codec::corrupt;
use crate::base::error::{Error, ErrorKind};
use crate::config::sources::{Connection, Schedule, check_name_or, connection};
use crate::config::visibility::Flagged;
use crate::config::workspace::{Objects, RuleKind, StoredConfig, set_object};

mod targets;

use targets::check_target;
pub(crate) use targets::check_targets_over;
pub use targets::is_one_target;

/// Activations of one workspace.
pub const ACTIVATIONS_MAX: usize = 50;
/// Columns of one, besides the id of the profile.
pub const COLUMNS_MAX: usize = 200;
/// Folders of runs that one keeps where nothing else is said.
pub const KEEP_RUNS: usize = 10;
/// The fewest that it may keep: whoever reads the newest one still has it when the next is there.
pub(crate) const KEEP_RUNS_MIN: usize = 2;
/// The most.
pub(crate) const KEEP_RUNS_MAX: usize = 50;
/// Bytes of the name of a column.
const COLUMN_BYTES_MAX: usize = 512;
/// The column that says whose a row is, before all others.
pub(crate) const PROFILE_ID: &str = "profile_id";
/// Among the objects of a configuration.
const ACTIVATION: &str = "activation";

/// An activation as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivationContent {
    /// The name of its connection.
    pub connection: String,
    /// Whose rows are written: members of this segment; everybody where there is none.
    pub segment: Option<String>,
    /// The id of the merge policy that profiles are read under; the workspace's default one where there is none.
    pub merge_policy: Option<String>,
    /// What is written of each besides the id of the profile; of files all where there is none.
    pub columns: Option<Vec<String>>,
    /// Where it is written.
    pub to: Destination,
    /// Which rows are written.
    pub rows: RowsWritten,
    /// When it runs by itself.
    pub schedule: Option<Schedule>,
}

/// Where an activation is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destination {
    /// A table.
    Table(String),
    /// Files.
    Files {
        /// The path below the connection. Each run has a folder of its own there.
        path: String,
        /// `csv`, `jsonl` or `parquet`.
        format: String,
        /// `none`, `gzip`, `zstd`; of Parquet also `snappy`.
        compression: String,
        /// Folders of runs that are kept, the newest; those of before are removed.
        #[serde(default = "keep_runs")]
        keep_runs: usize,
    },
}

const fn keep_runs() -> usize {
    KEEP_RUNS
}

/// Which rows a run writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RowsWritten {
    /// All.
    Full,
    /// Those that are others than the last run left.
    Changed,
}

impl RowsWritten {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Full, Self::Changed];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Changed => "changed",
        }
    }
}

/// An activation as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activation {
    /// What was asked for.
    pub content: ActivationContent,
    /// What its runs are kept under; no other activation and no source of the workspace has it.
    pub number: u32,
    /// Whether the key that set it sees what is internal.
    pub sees_internal: bool,
    /// Whether the key that set it sees what is private.
    pub sees_private: bool,
    /// Counts how often it was set.
    pub(crate) set: u64,
    /// When it was first set, in microseconds.
    pub created_at: i64,
    /// When it was set last.
    pub updated_at: i64,
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, "activation_invalid", message.into())
}

impl ActivationContent {
    /// Whether it can be an activation of a workspace that has its connection and its segment.
    ///
    /// # Errors
    /// `Invalid` with `activation_invalid`, `schedule_invalid`.
    pub fn check_alone(&self) -> Result<(), Error> {
        let is_table = match &self.to {
            Destination::Table(table) => {
                tessera_connect::check_postgres_table(table).map_err(|error| invalid(error.message))?;
                true
            }
            Destination::Files { path, format, compression, keep_runs } => {
                if !(KEEP_RUNS_MIN..=KEEP_RUNS_MAX).contains(keep_runs) {
                    return Err(invalid(format!("keep_runs: {KEEP_RUNS_MIN} to {KEEP_RUNS_MAX} are expected")));
                }
                tessera_connect::check_path(path)
                    .map_err(|error| Error::new(ErrorKind::Invalid, error.code, error.message))?;
                let format =
                    FileFormat::parse(format).ok_or_else(|| invalid("format: csv, jsonl or parquet is expected"))?;
                if self.rows == RowsWritten::Changed {
                    let message =
                        "rows: of files they are full; who came and went is told by GET /v1/segments/{name}/changes";
                    return Err(invalid(message));
                }
                if Compression::parse(compression, format).is_none() {
                    return Err(invalid("compression: none, gzip or zstd is expected, or snappy of parquet"));
                }
                false
            }
        };
        match &self.columns {
            None if is_table => return Err(invalid("columns: of a table they are expected")),
            None => {}
            Some(names) => {
                let mut sorted: Vec<&String> = names.iter().collect();
                sorted.sort();
                sorted.dedup();
                let bytes_max = if is_table { POSTGRES_NAME_BYTES_MAX } else { COLUMN_BYTES_MAX };
                let is_name = |own: &String| {
                    !own.is_empty() && own.len() <= bytes_max && own != PROFILE_ID && !own.contains('\0')
                };
                let is_fine = (1..=COLUMNS_MAX).contains(&names.len()) && sorted.len() == names.len();
                if !is_fine || !names.iter().all(is_name) {
                    return Err(invalid(format!(
                        "columns: 1 to {COLUMNS_MAX} names of 1 to {bytes_max} bytes are expected, none of them twice; {PROFILE_ID} comes before \
                         them by itself"
                    )));
                }
            }
        }
        self.schedule.as_ref().map_or(Ok(()), Schedule::check)
    }
}

impl ActivationContent {
    /// Whether it can be written over a connection.
    ///
    /// # Errors
    /// `Invalid` with `connection_not_of_tables`, `connection_not_of_files`.
    pub fn check_over(&self, connection: &Connection) -> Result<(), Error> {
        let (code, member, kind) = match (&self.to, connection) {
            (Destination::Table(_), Connection::Postgres { .. })
            | (Destination::Files { .. }, Connection::Files { .. }) => return Ok(()),
            (Destination::Table(_), Connection::Files { .. } | Connection::Adbc { .. }) => {
                ("connection_not_of_tables", "table", "postgres")
            }
            (Destination::Files { .. }, Connection::Postgres { .. } | Connection::Adbc { .. }) => {
                ("connection_not_of_files", "path", "files")
            }
        };
        let message = format!(
            "{member}: it is written over a connection of the kind {kind}, and {} is of another kind; name one that is",
            self.connection
        );
        Err(Error::new(ErrorKind::Invalid, code, message))
    }

    /// The segment and the computed attributes that it names; not each of its columns need be one.
    pub(crate) fn names(&self) -> impl Iterator<Item = (RuleKind, &str)> {
        let columns = self.columns.iter().flatten().filter_map(|column| column.split('.').next());
        let segment = self.segment.iter().map(|name| (RuleKind::Segment, &**name));
        segment.chain(columns.map(|name| (RuleKind::Attribute, name)))
    }

    /// Whether it names a segment or a computed attribute that a reader may not see.
    fn is_hidden(&self, flagged: &Flagged, visibility: Flags) -> bool {
        self.names().any(|(kind, name)| flagged.is_hidden(kind, name, visibility))
    }
}

impl Activation {
    /// An activation that is only tried out.
    pub(crate) fn tried(content: ActivationContent, sees: Flags) -> Self {
        let (sees_internal, sees_private) = (sees.internal, sees.private);
        Self { content, number: 0, sees_internal, sees_private, set: 0, created_at: 0, updated_at: 0 }
    }

    /// What it may write of what the data model flags: what the key sees that set it.
    #[must_use]
    pub fn sees(&self) -> Flags {
        Flags { internal: self.sees_internal, private: self.sees_private }
    }

    /// Whether it sees nothing that somebody with this visibility does not.
    ///
    /// # Errors
    /// `Forbidden` with `activation_sees_more`.
    pub fn check_seen_by(&self, flags: Flags) -> Result<(), Error> {
        if (flags.internal || !self.sees_internal) && (flags.private || !self.sees_private) {
            return Ok(());
        }
        let message =
            "the activation writes what this key may not see; a key with the permission read_private is expected";
        Err(Error::new(ErrorKind::Forbidden, "activation_sees_more", message))
    }
}

fn read<T: DeserializeOwned>(json: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|_| corrupt("an activation"))
}

/// Reads the name of an activation.
///
/// # Errors
/// `Invalid` with `activation_name_invalid`.
pub fn check_activation_name(name: &str) -> Result<(), Error> {
    check_name_or(name, "activation_name_invalid")
}

/// An activation.
///
/// # Errors
/// `NotFound` with `activation_not_found`; `Corrupt`.
pub(crate) fn activation(config: &StoredConfig, name: &str) -> Result<Activation, Error> {
    let json = config.objects().get(ACTIVATION, name);
    read(json.ok_or_else(not_found)?)
}

fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "activation_not_found", "no activation is called so")
}

/// An activation, for a reader of these rights. One that names what the reader may not see is as if it were not there.
///
/// # Errors
/// `NotFound` with `activation_not_found`; `Corrupt`.
pub fn activation_shown(config: &StoredConfig, name: &str, visibility: Flags) -> Result<Activation, Error> {
    let own = activation(config, name)?;
    if own.content.is_hidden(&Flagged::new(config), visibility) { Err(not_found()) } else { Ok(own) }
}

/// All activations that a reader of these rights may see, by name.
///
/// # Errors
/// `Corrupt`.
pub fn activations_shown(config: &StoredConfig, visibility: Flags) -> Result<Vec<(String, Activation)>, Error> {
    let flagged = Flagged::new(config);
    let mut all = activations(config)?;
    all.retain(|(_, own)| !own.content.is_hidden(&flagged, visibility));
    Ok(all)
}

/// All activations, by name.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn activations(config: &StoredConfig) -> Result<Vec<(String, Activation)>, Error> {
    activations_among(config.objects())
}

/// All activations among objects that were read by themselves.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn activations_among(objects: &Objects) -> Result<Vec<(String, Activation)>, Error> {
    objects.of(ACTIVATION).map(|(name, json)| Ok((name.to_owned(), read(json)?))).collect()
}

/// The configuration with this activation, for somebody with this visibility.
///
/// # Errors
/// As [`ActivationContent::check_alone`] and [`ActivationContent::check_over`]; `Invalid` with `activation_name_invalid`, `connection_unknown`; `NotFound`
/// with `activation_not_found` where one that is hidden would be replaced; `Conflict` with `activation_target_taken`; `LimitExceeded` with `activations_full`, `object_too_large`, `config_too_large`.
pub(crate) fn put_activation(
    config: &StoredConfig,
    name: &str,
    content: ActivationContent,
    (number, sees): (u32, Flags),
    at: Timestamp,
) -> Result<StoredConfig, Error> {
    check_activation_name(name)?;
    content.check_alone()?;
    let over = connection(config, &content.connection).map_err(|_| {
        let message = format!("connection: no connection is called {}; make it first", content.connection);
        Error::new(ErrorKind::Invalid, "connection_unknown", message)
    })?;
    content.check_over(&over)?;
    let all = activations(config)?;
    let flagged = Flagged::new(config);
    if all.iter().any(|(own, before)| own == name && before.content.is_hidden(&flagged, sees)) {
        return Err(not_found());
    }
    let others = all.iter().filter(|(other, _)| other != name);
    check_target(config, (&content, &over), others, |other| !other.content.is_hidden(&flagged, sees))?;
    let before = all.iter().find(|(own, _)| own == name).map(|(_, own)| own);
    if before.is_none() && all.len() >= ACTIVATIONS_MAX {
        let message = format!("a workspace has as many activations as it may max={ACTIVATIONS_MAX}");
        return Err(Error::new(ErrorKind::LimitExceeded, "activations_full", message));
    }
    let own = Activation {
        content,
        number: before.map_or(number, |own| own.number),
        sees_internal: sees.internal,
        sees_private: sees.private,
        set: before.map_or(0, |own| own.set) + 1,
        created_at: before.map_or(at.micros(), |own| own.created_at),
        updated_at: at.micros(),
    };
    let json = serde_json::to_string(&own).map_err(|_| corrupt("an activation"))?;
    set_object(config, (ACTIVATION, name), Some(&json))
}

/// The configuration without an activation, for somebody who sees so much. What it wrote stays.
///
/// # Errors
/// `NotFound` with `activation_not_found`.
pub(crate) fn delete_activation(config: &StoredConfig, name: &str, sees: Flags) -> Result<StoredConfig, Error> {
    activation_shown(config, name, sees)?;
    set_object(config, (ACTIVATION, name), None)
}
