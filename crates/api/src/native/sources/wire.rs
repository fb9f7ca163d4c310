//! Sources on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A source to be set.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetSource {
    /// The name of its connection.
    pub(super) connection: String,
    /// The statement that brings its rows; or `table`.
    #[serde(default)]
    pub(super) sql: Option<String>,
    /// The table that all rows are read of; of files a path below the folder, with `*` for many.
    #[serde(default)]
    pub(super) table: Option<String>,
    /// `profiles`: each row says what there is to say of one person. `events`: each row is an event of one.
    #[serde(default = "profiles")]
    pub(super) rows: String,
    /// Of `events`: the columns that say which event a row is.
    #[serde(default)]
    pub(super) event: Option<Event>,
    /// The column that says whose a row is.
    pub(super) primary: Primary,
    /// Columns that name other identities of theirs, with the namespaces.
    #[serde(default)]
    pub(super) identifiers: BTreeMap<String, String>,
    /// Columns of true and false: each is a segment of its name, and who has true is a member.
    #[serde(default)]
    pub(super) audiences: Vec<String>,
    /// Columns that are attributes, with the names of these; where it is left out, all that are nothing else.
    #[serde(default)]
    pub(super) attributes: Option<BTreeMap<String, String>>,
    /// Kinds of columns of CSV that are not to be found out: `text`, `number`, `boolean`, `timestamp`, `json`.
    #[serde(default)]
    pub(super) types: BTreeMap<String, String>,
    /// When it is refreshed by itself.
    #[serde(default)]
    pub(super) schedule: Option<Schedule>,
    /// The share of its rows that one refresh takes back at most.
    #[serde(default = "evict_max_share")]
    pub(super) evict_max_share: f64,
    /// Follows the changes of `table` between refreshes, over a connection to PostgreSQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) changes: Option<Follow>,
}

/// How changes of a table are followed. An answer has more members beside this one.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub(super) struct Follow {
    /// The publication that has the table, with all its rows, inserts, updates, deletions and truncations.
    pub(super) publication: String,
    /// What else was sent, which is refused.
    #[serde(flatten, skip_serializing)]
    #[schema(ignore)]
    pub(super) others: BTreeMap<String, serde_json::Value>,
}

fn profiles() -> String {
    "profiles".to_owned()
}

const fn evict_max_share() -> f64 {
    tessera_service::sources::EVICT_MAX_SHARE
}

/// The column that says whose a row is.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Primary {
    /// The column.
    pub(super) column: String,
    /// The namespace of its values.
    pub(super) namespace: String,
}

/// The columns that say which event a row is.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    /// The column of its name; where there is no such column, the name of all of them.
    pub(super) name: String,
    /// The column of its time; without a zone it is of UTC.
    pub(super) time: String,
    /// The column of its id, unique in the source.
    pub(super) id: String,
}

/// When a source is refreshed by itself, or an activation runs: `every` or `cron`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::native) struct Schedule {
    /// So long after the last one began, from `1m` to `31d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::native) every: Option<String>,
    /// Five fields, as a crontab has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::native) cron: Option<String>,
    /// Of `cron`: where its days begin; UTC where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::native) time_zone: Option<String>,
}

/// A source, and how it stands.
#[derive(Serialize, ToSchema)]
pub(super) struct Source {
    /// Its name, and that of the dataset of what it says.
    pub(super) name: String,
    /// What was set.
    #[serde(flatten)]
    pub(super) set: SetSource,
    /// `idle`, or `refreshing`.
    pub(super) status: &'static str,
    /// The job of the refresh that goes on.
    pub(super) job: Option<String>,
    /// When it is refreshed next by itself.
    pub(super) next_run: Option<String>,
    /// Its last refreshes, the newest first.
    pub(super) runs: Vec<Run>,
    /// How its changes stand, where they are followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) changes: Option<Changes>,
    /// When it was made.
    pub(super) created_at: String,
    /// When it was set last.
    pub(super) updated_at: String,
}

/// How the changes of a source stand.
#[derive(Serialize, ToSchema)]
pub(super) struct Changes {
    /// The publication that has the table.
    pub(super) publication: String,
    /// `starting`: a refresh has to end first. `following`: they are written as they come. `held`: something was held back or missed, which a refresh
    /// decides. `failed`: they cannot be followed at present, which is tried again.
    pub(super) status: &'static str,
    /// The replication slot, which is the server's own.
    pub(super) slot: String,
    /// Bytes of its log that the database keeps for it, when it was last asked.
    pub(super) lag_bytes: Option<u64>,
    /// Rows that were written or taken back.
    pub(super) applied: u64,
    /// Rows that were refused; the next refresh says why.
    pub(super) refused: u64,
    /// When something was last written or taken back.
    pub(super) last_change_at: Option<String>,
    /// What is wrong.
    pub(super) error: Option<Problem>,
}

/// Sources.
#[derive(Serialize, ToSchema)]
pub(super) struct Sources {
    /// All, by name, each with its last refresh alone.
    pub(super) items: Vec<Source>,
}

/// A refresh of a source, or a run of an activation.
#[derive(Serialize, ToSchema)]
pub(in crate::native) struct Run {
    /// Its id, and that of its job.
    pub(in crate::native) id: String,
    /// When it began.
    pub(in crate::native) started_at: String,
    /// When it ended.
    pub(in crate::native) ended_at: Option<String>,
    /// `running`, `done`, `failed`, `cancelled`.
    pub(in crate::native) status: &'static str,
    /// Rows that were read.
    pub(in crate::native) read: u64,
    /// Of these, rows that are new or say something else, and were written.
    pub(in crate::native) changed: u64,
    /// Of these, rows that say what they said before.
    pub(in crate::native) unchanged: u64,
    /// Rows of before that are no more, and were taken back.
    pub(in crate::native) evicted: u64,
    /// Rows that were read and refused.
    pub(in crate::native) refused: u64,
    /// Why it did not come to its end, or held back what it would have taken back.
    pub(in crate::native) error: Option<Problem>,
    /// What was said of its rows, by code and column.
    pub(in crate::native) verdicts: Vec<Verdict>,
}

/// What was wrong.
#[derive(Serialize, ToSchema)]
pub(in crate::native) struct Problem {
    /// A stable code.
    pub(in crate::native) code: String,
    /// What was expected, and what to do.
    pub(in crate::native) message: String,
}

/// What was said of rows.
#[derive(Serialize, ToSchema)]
pub(in crate::native) struct Verdict {
    /// A stable code.
    pub(in crate::native) code: String,
    /// The column, or the namespace, that it is about.
    pub(in crate::native) column: Option<String>,
    /// Whether the rows were refused; otherwise something of them was left out or held.
    pub(in crate::native) refused: bool,
    /// How many rows; 0 where it is said of the column as a whole.
    pub(in crate::native) rows: u64,
}

/// What one refresh is to do otherwise.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Refresh {
    /// The share of rows that it takes back at most, this once.
    #[serde(default)]
    pub(super) evict_max_share: Option<f64>,
    /// Writes rows that say what they said before as well: after what they say was erased.
    #[serde(default)]
    pub(super) full: bool,
}

/// What a source would bring.
#[derive(Serialize, ToSchema)]
pub(super) struct Preview {
    /// Its columns, and what would become of each.
    pub(super) columns: Vec<Column>,
    /// The first rows, 20 at most, by column.
    #[schema(value_type = Vec<Object>)]
    pub(super) rows: Vec<Box<RawValue>>,
}

/// A column of a preview.
#[derive(Serialize, ToSchema)]
pub(super) struct Column {
    /// Its name.
    pub(super) name: String,
    /// `empty`, `boolean`, `number`, `text`, `timestamp`, `json`, `binary`.
    pub(super) kind: &'static str,
    /// What the source calls that.
    pub(super) source_type: String,
    /// `primary`, `identifier`, `audience`, `attribute`, `event_name`, `event_time`, `event_id`, `property`, `nothing`.
    pub(super) becomes: &'static str,
    /// The namespace, the segment, the attribute or the property.
    #[serde(rename = "as")]
    pub(super) as_: Option<String>,
    /// Why nothing becomes of it, where that may surprise.
    pub(super) code: Option<&'static str>,
}
