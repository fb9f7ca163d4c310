//! The form of messages, and of what is said to them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tessera_engine::time::Timestamp;
use tessera_seam::bounds::BATCH_EVENTS_MAX;
use tessera_seam::counted::Counted;
use utoipa::ToSchema;

/// A message.
#[derive(Deserialize, ToSchema)]
#[schema(as = AdobeMessage)]
pub(super) struct Message<'a> {
    /// Whose it is, and where it belongs.
    pub(super) header: Header,
    /// What it says.
    #[serde(borrow)]
    pub(super) body: Content<'a>,
}

/// The header of a message.
#[derive(Deserialize, ToSchema)]
#[schema(as = AdobeMessageHeader)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    /// The schema of its entity, which has to be that of the dataset.
    #[serde(default)]
    pub(super) schema_ref: Option<SchemaRef>,
    /// The organization; that of the connection where it is left out.
    #[serde(default)]
    pub(super) ims_org_id: Option<String>,
    /// The dataset.
    #[serde(default)]
    pub(super) dataset_id: Option<String>,
}

/// A schema by its `$id`.
#[derive(Deserialize, ToSchema)]
#[schema(as = AdobeSchemaRef)]
pub(super) struct SchemaRef {
    /// Its `$id`.
    pub(super) id: String,
}

/// The body of a message.
#[derive(Deserialize, ToSchema)]
#[schema(as = AdobeMessageBody)]
#[serde(rename_all = "camelCase")]
pub(super) struct Content<'a> {
    /// The entity.
    #[serde(borrow)]
    #[schema(value_type = Object)]
    pub(super) xdm_entity: &'a RawValue,
}

/// Messages.
#[derive(Deserialize, ToSchema)]
#[schema(as = AdobeMessages)]
pub(super) struct Batch<'a> {
    /// At most 2,500.
    #[serde(borrow)]
    #[schema(value_type = Vec<Message<'static>>)]
    pub(super) messages: Counted<&'a RawValue, BATCH_EVENTS_MAX>,
}

/// Whether the answer says what is wrong with an entity, and by which of its two names that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Validation {
    Skipped,
    Synchronous,
    Sync,
}

/// What became of a validation.
#[derive(Serialize, ToSchema)]
#[schema(as = AdobeValidation)]
pub(super) struct Validated {
    /// `pass`, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// That it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<bool>,
}

/// That a message was taken.
#[derive(Serialize, ToSchema)]
#[schema(as = AdobeReceived)]
#[serde(rename_all = "camelCase")]
pub(super) struct Received {
    /// The connection.
    inlet_id: String,
    /// An id that no other message has.
    xaction_id: String,
    /// When it came, in milliseconds since 1970.
    received_time_ms: i64,
    /// Of a validation that was asked for by this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    synchronous_validation: Option<Validated>,
    /// The same.
    #[serde(skip_serializing_if = "Option::is_none")]
    sync_validation: Option<Validated>,
}

impl Received {
    pub(super) fn new(inlet_id: String, xaction_id: String, at: Timestamp, validation: Validation) -> Self {
        let pass = || Some(Validated { status: Some("pass"), skipped: None });
        let (synchronous_validation, sync_validation) = match validation {
            Validation::Skipped => (None, Some(Validated { status: None, skipped: Some(true) })),
            Validation::Synchronous => (pass(), None),
            Validation::Sync => (None, pass()),
        };
        let received_time_ms = at.micros().div_euclid(1_000);
        Self { inlet_id, xaction_id, received_time_ms, synchronous_validation, sync_validation }
    }
}

/// What became of messages.
#[derive(Serialize, ToSchema)]
#[schema(as = AdobeReceivedBatch)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReceivedBatch {
    /// The connection.
    inlet_id: String,
    /// An id of all of them.
    batch_id: String,
    /// When they came, in milliseconds since 1970.
    received_time_ms: i64,
    /// One for each, in their order.
    responses: Vec<Response>,
}

impl ReceivedBatch {
    pub(super) fn new(inlet_id: String, batch_id: String, at: Timestamp, responses: Vec<Response>) -> Self {
        Self { inlet_id, batch_id, received_time_ms: at.micros().div_euclid(1_000), responses }
    }
}

/// What became of one of them.
#[derive(Serialize, ToSchema)]
#[schema(as = AdobeMessageResponse)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    /// Of one that was taken: an id that no other message has.
    #[serde(skip_serializing_if = "Option::is_none")]
    xaction_id: Option<String>,
    /// Of one that was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl Response {
    pub(super) fn taken(xaction_id: String) -> Self {
        Self { xaction_id: Some(xaction_id), status_code: None, message: None }
    }

    pub(super) fn refused(status_code: u16, message: String) -> Self {
        Self { xaction_id: None, status_code: Some(status_code), message: Some(message) }
    }
}
