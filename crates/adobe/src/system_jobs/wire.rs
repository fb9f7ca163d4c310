//! The form of orders, in both generations.

use serde::Deserialize;
use utoipa::ToSchema;

/// What is to be removed: a dataset or a batch.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AdobeNewSystemJob)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewSystemJob {
    /// The dataset.
    #[serde(default)]
    pub(super) data_set_id: Option<String>,
    /// The same, beside a batch.
    #[serde(default)]
    pub(super) dataset_id: Option<String>,
    /// The batch.
    #[serde(default)]
    pub(super) batch_id: Option<String>,
}
