//! What calls about regulations take and give.

use serde::{Deserialize, Serialize};
use tessera_seam::counted::Counted;
use tessera_seam::number;
use tessera_service::ERASED_PROFILES_MAX;
use utoipa::ToSchema;

/// A regulation that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct NewRegulation {
    /// What is to be done.
    pub(super) regulation_type: Kind,
    /// What the subjects are named by: `USER_ID`.
    pub(super) subject_type: String,
    /// The user ids: 1 to 5,000.
    #[schema(value_type = Vec<String>)]
    pub(super) subject_ids: Counted<Subject, ERASED_PROFILES_MAX>,
}

/// A user id. Numbers are taken as text.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Subject(#[serde(deserialize_with = "number::name")] pub(super) String);

/// What a regulation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = RegulationType)]
pub(super) enum Kind {
    /// The profiles of the users are erased, and what names their user ids is refused from now on.
    SuppressWithDelete,
    /// The same: whatever is kept is kept here.
    SuppressWithDeleteInternal,
    /// The profiles are erased. What is sent of the users later is taken.
    DeleteOnly,
    /// The same.
    DeleteInternal,
    /// What names the user ids is refused from now on. What is known stays.
    SuppressOnly,
    /// The user ids are let in again.
    Unsuppress,
}

impl Kind {
    pub(super) fn suppresses(self) -> bool {
        matches!(self, Self::SuppressWithDelete | Self::SuppressWithDeleteInternal | Self::SuppressOnly)
    }

    pub(super) fn deletes(self) -> bool {
        !matches!(self, Self::SuppressOnly | Self::Unsuppress)
    }
}

/// What the API wraps its answers in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RegulationMade)]
pub(super) struct Made {
    pub(super) data: RegulateId,
}

/// The id of a regulation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RegulateId {
    pub(super) regulate_id: String,
}

/// One regulation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RegulationRead)]
pub(super) struct One {
    pub(super) data: OneRegulation,
}

/// One regulation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OneRegulation {
    pub(super) regulation: Regulation,
}

/// A page of regulations.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RegulationsRead)]
pub(super) struct Page {
    pub(super) data: Regulations,
}

/// A page of regulations.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Regulations {
    pub(super) regulations: Vec<Regulation>,
    pub(super) pagination: Pagination,
}

/// Where a page ends.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RegulationsPagination)]
pub(super) struct Pagination {
    /// `pagination.cursor` of this page.
    pub(super) current: String,
    /// That of the next page, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// A regulation. Whom it is about is not kept.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Regulation {
    /// Its id: that of a job.
    pub(super) id: String,
    /// The workspace that it is of.
    pub(super) workspace_id: String,
    /// How far it is.
    pub(super) overall_status: Status,
    /// What it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) regulation_type: Option<Kind>,
    /// When it was asked for.
    pub(super) created_at: String,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) finished_at: Option<String>,
    /// Always empty: no destinations are told.
    pub(super) stream_status: [StreamStatus; 0],
}

/// How far a destination is; there are none.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RegulationStreamStatus)]
pub(super) struct StreamStatus {}

/// How far a regulation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = RegulationStatus)]
pub(super) enum Status {
    Initialized,
    Running,
    Failed,
    Finished,
}

impl Status {
    pub(super) const NAMES: [&str; 7] =
        ["FAILED", "FINISHED", "INITIALIZED", "INVALID", "NOT_SUPPORTED", "PARTIAL_SUCCESS", "RUNNING"];
}

/// What came of the deletion of a regulation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RegulationDeleted)]
pub(super) struct Deleted {
    pub(super) data: DeletedStatus,
}

/// What came of the deletion of a regulation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RegulationDeletedStatus)]
pub(super) struct DeletedStatus {
    /// `SUCCESS`.
    pub(super) status: &'static str,
}
