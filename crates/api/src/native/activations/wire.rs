//! Activations on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::native::sources::wire::{Run, Schedule};

/// An activation to be set.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetActivation {
    /// The name of its connection: of the kind `postgres` for `table`, of the kind `files` for `path`.
    pub(super) connection: String,
    /// Whose rows are written: members of this segment. Everybody where it is left out.
    #[serde(default)]
    pub(super) segment: Option<String>,
    /// The id of the merge policy that profiles are read under; the workspace's default one where it is left out.
    #[serde(default)]
    pub(super) merge_policy: Option<String>,
    /// What is written of each behind `profile_id`, as `fields` of an export: names of attributes, identifiers or computed attributes, and below
    /// them with a dot; `_entered_at` of members of a segment. At most 200. Of files everything where it is left out.
    #[serde(default)]
    pub(super) columns: Option<Vec<String>>,
    /// The table that is written: `lapsed`, or `crm.lapsed`, each name of at most 63 bytes as those of `columns` then. It belongs to the activation: other rows in it are removed. It is made where there is
    /// none.
    #[serde(default)]
    pub(super) table: Option<String>,
    /// The path below the connection that files are written to. Each run has a folder `run=…` there, and `latest.json` names the last one that is
    /// whole.
    #[serde(default)]
    pub(super) path: Option<String>,
    /// Of files: `csv`, `jsonl` or `parquet`, which they are where it is left out.
    #[serde(default)]
    pub(super) format: Option<String>,
    /// Of files: `none`, `gzip` or `zstd`, and `snappy` of `parquet`, which has that where it is left out; the others have `none`.
    #[serde(default)]
    pub(super) compression: Option<String>,
    /// Of files: folders of runs that are kept, the newest; those of before are removed when a run is whole. 2 to 50; 10 where it is left out.
    #[serde(default)]
    pub(super) keep_runs: Option<usize>,
    /// `full`: all rows take the place of those that are there. `changed`: those that are new or say something else are written, and those of
    /// whoever has left are removed.
    #[serde(default = "full")]
    pub(super) rows: String,
    /// When it runs by itself.
    #[serde(default)]
    pub(super) schedule: Option<Schedule>,
}

fn full() -> String {
    "full".to_owned()
}

/// An activation, and how it stands.
#[derive(Serialize, ToSchema)]
pub(super) struct Activation {
    /// Its name.
    pub(super) name: String,
    /// What was set.
    #[serde(flatten)]
    pub(super) set: SetActivation,
    /// `idle`, or `running`.
    pub(super) status: &'static str,
    /// The job of the run that goes on.
    pub(super) job: Option<String>,
    /// When it runs next by itself.
    pub(super) next_run: Option<String>,
    /// Its last runs, the newest first. `read` counts members of the segment but for those of its control group, who are counted in
    /// `verdicts` as `member_in_control_group`, unless a restart came between; `changed` those that were written, `evicted` those that were removed.
    pub(super) runs: Vec<Run>,
    /// When it was made.
    pub(super) created_at: String,
    /// When it was set last.
    pub(super) updated_at: String,
}

/// Activations.
#[derive(Serialize, ToSchema)]
pub(super) struct Activations {
    /// All, by name, each with its last run alone.
    pub(super) items: Vec<Activation>,
}
