//! What an export is to bring, where, and how it is written: the parameters of its job.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tessera_connect::{Compression, Field, FieldKind, FileFormat};
use tessera_engine::config::Kind;
use tessera_engine::model::Flags;
use tessera_engine::policy::IdentityGraph;
use tessera_engine::time::Timestamp;
use tessera_engine::view::Relevance;
use tessera_expr::calendar::Zone;
use tessera_expr::pql;
use tessera_expr::rule::{Purpose, Rule};

use crate::base::clock::{format_timestamp, parse_timestamp};
use crate::base::error::{Error, ErrorKind};
use crate::config::configured::Configured;
use crate::config::workspace::RuleKind;
use crate::read::columns::{COLUMNS_MAX, Choice, too_many};
use crate::read::named::{Speaks, names_identities};
use crate::read::query::Fields;
use crate::stored::unclaimed::Unclaimed;

/// Rows of one file, where nothing else is said.
pub const FILE_ROWS: u64 = 1_000_000;
/// The fewest and the most that may be asked for.
pub const FILE_ROWS_MIN: u64 = 1_000;
/// The most rows of one file.
pub const FILE_ROWS_MAX: u64 = 10_000_000;
/// Bytes of a name of a column.
const NAME_BYTES_MAX: usize = 512;
/// Names of events that an export is confined to.
const EVENT_NAMES_MAX: usize = 100;

/// What an export is to bring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportContent {
    /// Whose rows: one for each profile, each member of a segment, each account, or each event.
    pub of: ExportOf,
    /// Of members: the segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
    /// The id of a merge policy; the workspace's default one where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_policy: Option<String>,
    /// What is exported of each, by name; all where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<String>>,
    /// Of events: the first instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Of events: the instant behind the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Of events: their names; all where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// `csv`, `jsonl` or `parquet`.
    pub format: String,
    /// `none`, `gzip`, `zstd`; of Parquet also `snappy`.
    pub compression: String,
    /// Rows of one file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_rows: Option<u64>,
    /// Where it is written to; to the answer where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<ExportPlace>,
    /// What whoever asked may see of what the data model flags.
    pub sees: Sees,
    /// Of members: which of them.
    #[serde(default, skip_serializing_if = "MembersOf::are_all")]
    pub members: MembersOf,
    /// Of profiles, members and accounts: those of whom this condition holds, in PQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Where the days of the condition begin; UTC where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// Which members of a segment are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MembersOf {
    /// All.
    #[default]
    All,
    /// Those who are not in its control group.
    Treated,
}

impl MembersOf {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    fn are_all(&self) -> bool {
        *self == Self::All
    }
}

/// What the rows of an export are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportOf {
    /// Profiles of people.
    Profiles,
    /// Members of a segment.
    Members,
    /// Accounts.
    Accounts,
    /// Events of people.
    Events,
}

/// A place that files are written to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportPlace {
    /// The name of a connection of files.
    pub connection: String,
    /// A path below it.
    pub path: String,
}

/// What a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sees {
    /// What is internal.
    pub internal: bool,
    /// What is private.
    pub private: bool,
}

impl From<Flags> for Sees {
    fn from(flags: Flags) -> Self {
        Self { internal: flags.internal, private: flags.private }
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, "export_invalid", message.into())
}

impl ExportContent {
    /// Whether it can be done.
    ///
    /// # Errors
    /// `Invalid` with `export_invalid`, `export_path_invalid`, `merge_policy_unknown`, `merge_policy_without_graph`; `NotFound` with
    /// `segment_not_found`; `Conflict` with `segment_not_live`; `Unavailable` with `segment_building`, `rules_off`; `LimitExceeded` with `export_columns_too_many`.
    pub(crate) fn check(&self, configured: &Configured) -> Result<(), Error> {
        let format =
            FileFormat::parse(&self.format).ok_or_else(|| invalid("format: csv, jsonl or parquet is expected"))?;
        if Compression::parse(&self.compression, format).is_none() {
            return Err(invalid("compression: none, gzip or zstd is expected, or snappy of Parquet"));
        }
        let is_of_events = self.of == ExportOf::Events;
        if !is_of_events && (self.from.is_some() || self.until.is_some() || self.events.is_some()) {
            return Err(invalid("from, until, events: these are of an export of events"));
        }
        let (from, until) = self.span()?;
        if from >= until {
            return Err(invalid("until: an instant after `from` is expected"));
        }
        if self.events.as_ref().is_some_and(|names| names.is_empty() || names.len() > EVENT_NAMES_MAX) {
            return Err(invalid(format!("events: 1 to {EVENT_NAMES_MAX} names are expected")));
        }
        self.check_fields()?;
        if configured.policy(self.merge_policy.as_deref())?.compiled.graph() == IdentityGraph::None {
            let message = "profiles are exported under a merge policy with the whole identity graph";
            return Err(Error::new(ErrorKind::Invalid, "merge_policy_without_graph", message));
        }
        self.check_segment(configured)?;
        self.condition(configured)?;
        if self.file_rows.is_some_and(|own| !(FILE_ROWS_MIN..=FILE_ROWS_MAX).contains(&own)) {
            return Err(invalid(format!("file_rows: {FILE_ROWS_MIN} to {FILE_ROWS_MAX} are expected")));
        }
        if self.to.is_none() && self.file_rows.is_some() {
            return Err(invalid("file_rows: an answer is one file; it is of an export with `to`"));
        }
        match &self.to {
            Some(to) => tessera_connect::check_path(&to.path).map_err(crate::work::refresh::source_error),
            None => Ok(()),
        }
    }

    fn check_fields(&self) -> Result<(), Error> {
        let Some(names) = &self.fields else { return Ok(()) };
        if names.len() > COLUMNS_MAX {
            return Err(too_many());
        }
        let mut sorted: Vec<&String> = names.iter().collect();
        sorted.sort();
        sorted.dedup();
        let is_name = |name: &String| !name.is_empty() && name.len() <= NAME_BYTES_MAX;
        if names.is_empty() || sorted.len() < names.len() || !names.iter().all(is_name) {
            let message = format!("fields: names of 1 to {NAME_BYTES_MAX} bytes are expected, none of them twice");
            return Err(invalid(message));
        }
        Ok(())
    }

    fn check_segment(&self, configured: &Configured) -> Result<(), Error> {
        let name = match (self.of, &self.segment) {
            (ExportOf::Members, Some(name)) => name,
            (ExportOf::Members, None) => return Err(invalid("segment: the name of the segment is expected")),
            (ExportOf::Profiles | ExportOf::Accounts | ExportOf::Events, Some(_)) => {
                return Err(invalid("segment: it is of an export of `members`"));
            }
            (ExportOf::Profiles | ExportOf::Accounts | ExportOf::Events, None) => return Ok(()),
        };
        configured.live_segment(name, self.visibility()).map(drop)
    }

    /// The condition that has to hold of each, and where its days begin; none where all are wanted.
    ///
    /// # Errors
    /// `Invalid` with `export_invalid`, `time_zone_unknown`; `Forbidden` with `rule_reads_hidden`; `Unavailable` with `rules_off`.
    pub(crate) fn condition(&self, configured: &Configured) -> Result<Option<(Arc<Rule>, Zone)>, Error> {
        let Some(text) = &self.filter else {
            return match &self.time_zone {
                Some(_) => Err(invalid("time_zone: it is of an export with `filter`")),
                None => Ok(None),
            };
        };
        if self.of == ExportOf::Events {
            return Err(invalid("filter: it is of an export of `profiles`, `members` or `accounts`"));
        }
        let zone = Zone::named(self.time_zone.as_deref().unwrap_or("UTC")).ok_or_else(|| {
            let message = "time_zone is expected to be a name such as Europe/Paris, or UTC";
            Error::new(ErrorKind::Invalid, "time_zone_unknown", message)
        })?;
        let compiled = pql::parse(text).and_then(|expr| Rule::compile(expr, Purpose::Condition));
        let rule = compiled.map_err(|problem| invalid(format!("filter: {problem}")))?;
        let unclaimed = Unclaimed::none(&configured.config);
        if names_identities(rule.source(), &configured.config, Speaks::OfProfiles(Kind::Person, &unclaimed)) {
            let message = "filter: it names identities, and those alone would be looked up; find them with GET /v1/profiles?filter=";
            return Err(invalid(message));
        }
        configured.may_ask(&rule, self.visibility())?;
        Ok(Some((Arc::new(rule), zone)))
    }

    /// Whether its profiles are of people or of accounts.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub(crate) fn kind(&self, configured: &Configured) -> Result<Kind, Error> {
        match (self.of, &self.segment) {
            (ExportOf::Accounts, _) => Ok(Kind::Account),
            (ExportOf::Members, Some(name)) => {
                configured.live_segment(name, self.visibility())?;
                let live = configured.stored.rules().find(RuleKind::Segment, name)?.live();
                Ok(live.map_or(Kind::Person, |live| live.definition.of))
            }
            (ExportOf::Profiles | ExportOf::Members | ExportOf::Events, _) => Ok(Kind::Person),
        }
    }

    /// Between which instants events are.
    ///
    /// # Errors
    /// `Invalid` with `export_invalid`.
    pub(crate) fn span(&self) -> Result<(Timestamp, Timestamp), Error> {
        let read = |name: &str, text: &Option<String>, other: Timestamp| match text {
            None => Ok(other),
            Some(text) => parse_timestamp(text)
                .map_err(|_| invalid(format!("{name}: an instant is expected, as in 2026-01-31T10:00:00Z"))),
        };
        Ok((read("from", &self.from, Timestamp::MIN)?, read("until", &self.until, Timestamp::MAX)?))
    }

    /// What is exported of each row.
    pub(crate) fn choice(&self) -> Choice {
        self.fields.clone().map_or(Choice::All, Choice::These)
    }

    /// The columns, where these need not be looked for.
    pub(crate) fn known_fields(&self) -> Option<Vec<Field>> {
        match (self.format(), &self.fields) {
            (FileFormat::JsonLines, _) => Some(Vec::new()),
            (FileFormat::Csv, Some(names)) => {
                Some(names.iter().map(|name| Field { name: name.clone(), kind: FieldKind::Text }).collect())
            }
            (FileFormat::Csv, None) | (FileFormat::Parquet, _) => None,
        }
    }

    /// Whether the types of its columns are found out.
    pub(crate) fn knows_types(&self) -> bool {
        self.known_fields().is_none()
    }

    /// The format of its files.
    #[must_use]
    pub fn format(&self) -> FileFormat {
        FileFormat::parse(&self.format).unwrap_or(FileFormat::JsonLines)
    }

    /// How they are compressed.
    #[must_use]
    pub fn compression(&self) -> Compression {
        Compression::parse(&self.compression, self.format()).unwrap_or(Compression::None)
    }

    pub(crate) fn file_rows(&self) -> u64 {
        self.file_rows.unwrap_or(FILE_ROWS)
    }

    /// Where it is written to.
    ///
    /// # Errors
    /// `Invalid` with `export_invalid`.
    pub(crate) fn place(&self) -> Result<&ExportPlace, Error> {
        self.to.as_ref().ok_or_else(|| invalid("to: a connection and a path are expected"))
    }

    pub(crate) fn visibility(&self) -> Flags {
        let Sees { internal, private } = self.sees;
        Flags { internal, private }
    }

    /// What of profiles is read.
    pub(crate) fn shown(&self) -> Fields {
        Fields { visibility: self.visibility(), relevance: Relevance::Any, ..Fields::ALL }
    }

    /// The same with its instants in their one spelling.
    ///
    /// # Errors
    /// `Invalid` with `export_invalid`.
    pub(crate) fn spelled(mut self) -> Result<Self, Error> {
        let (from, until) = self.span()?;
        self.from = self.from.map(|_| format_timestamp(from));
        self.until = self.until.map(|_| format_timestamp(until));
        Ok(self)
    }
}
