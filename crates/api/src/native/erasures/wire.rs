//! What requests about erasures take and give.

use serde::{Deserialize, Serialize};
use tessera_service::workspace_config::ErasureRules;
use utoipa::ToSchema;

/// What stays of an erasure.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Erasure {
    /// Its id.
    pub(crate) id: String,
    /// When it was erased.
    pub(crate) at: String,
    /// What was erased.
    pub(crate) kind: Kind,
    /// The id of the key that asked for it.
    pub(crate) key: Option<String>,
    /// Whether what names one of the identities is refused since.
    pub(crate) suppressed: bool,
    /// The profile's id at that time; none where a dataset or batch was erased.
    pub(crate) profile_id: Option<String>,
    /// The dataset that was erased, or of which a batch was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dataset: Option<String>,
    /// The batch that was erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<String>,
    /// Identities removed.
    pub(crate) identities: u64,
    /// Attribute values removed: one for each attribute, identity and dataset.
    pub(crate) attributes: u64,
    /// Links between identities removed, those that a rule refused as well.
    pub(crate) links: u64,
    /// Events removed.
    pub(crate) events: u64,
    /// Refused facts removed from the quarantine; counted by the purge.
    pub(crate) quarantined: u64,
    /// Answers removed that were kept for an `Idempotency-Key`; counted by the purge.
    pub(crate) replies: u64,
    /// How far it is.
    pub(crate) state: State,
    /// When nothing of it was left on disk.
    pub(crate) purged_at: Option<String>,
}

/// What was erased.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ErasureKind)]
pub(crate) enum Kind {
    Profile,
    Identity,
    Event,
    Dataset,
    Batch,
}

/// `erased`: nobody can read it. `purged`: nothing of it is left on disk.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ErasureState)]
pub(crate) enum State {
    Erased,
    Purged,
}

/// A page of receipts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Erasures {
    /// The receipts.
    pub(crate) items: Vec<Erasure>,
    /// Where the next page begins.
    pub(crate) next_cursor: Option<String>,
}

/// What waits for the purge.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WaitingForPurge)]
pub(crate) struct Waiting {
    /// Erased events of which rows are left.
    pub(crate) waiting_events: u64,
}

/// How many identities are suppressed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Suppressions {
    /// So many.
    pub(crate) suppressed: u64,
}

/// Whether an identity is suppressed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Suppression {
    /// Whether it is.
    pub(crate) suppressed: bool,
}

/// What a workspace says of erasures.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ErasureRules)]
pub(crate) struct Rules {
    /// Erased events that may wait for the purge, 1 to 1,000,000,000; null for no bound.
    #[schema(minimum = 1, maximum = 1_000_000_000, required = true)]
    pub(crate) waiting_events_max: Option<u64>,
}

impl From<ErasureRules> for Rules {
    fn from(rules: ErasureRules) -> Self {
        Self { waiting_events_max: rules.waiting_events_max }
    }
}

impl From<Rules> for ErasureRules {
    fn from(rules: Rules) -> Self {
        Self { waiting_events_max: rules.waiting_events_max }
    }
}
