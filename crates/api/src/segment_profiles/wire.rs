//! The form of requests and answers of this door (spec/segment.md section 3).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tessera_seam::counted::Counted;
use tessera_seam::number;
use tessera_service::IDENTITIES_MAX;
use utoipa::ToSchema;

/// How a list goes on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentCursor)]
pub(super) struct Cursor {
    /// The path of the list.
    pub(super) url: String,
    /// Whether there is more.
    pub(super) has_more: bool,
    /// What to send as `next` for the page after this one; empty on the last.
    pub(super) next: String,
    /// How many items a page has at most.
    pub(super) limit: usize,
}

/// A page of traits.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentTraits)]
pub(super) struct Traits {
    /// The traits, by name; with `verbose=true` each is an object of `value`, `source_id` and `updated_at`.
    #[schema(value_type = Object)]
    pub(super) traits: BTreeMap<Arc<str>, Trait>,
    /// Computed traits and audiences that could not be told, and why: one that is missing for another reason is not the profile's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) incomplete: BTreeMap<String, &'static str>,
    pub(super) cursor: Cursor,
}

/// A trait.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Trait {
    Plain(Box<RawValue>),
    Verbose(VerboseTrait),
}

/// A trait with what is known of it.
#[derive(Debug, Serialize)]
pub(super) struct VerboseTrait {
    pub(super) value: Box<RawValue>,
    /// The dataset that said it; null for what is computed.
    pub(super) source_id: Option<Arc<str>>,
    /// When what it says became true; null for what is computed.
    pub(super) updated_at: Option<String>,
}

/// A page of external ids.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentExternalIds)]
pub(super) struct ExternalIds {
    pub(super) data: Vec<ExternalId>,
    pub(super) cursor: Cursor,
}

/// An external id.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentExternalId)]
pub(super) struct ExternalId {
    /// The dataset of the earliest fact, by its time, that holds the id in this profile; null where no such fact is left.
    #[schema(value_type = Option<String>)]
    pub(super) source_id: Option<Arc<str>>,
    /// `users` or `accounts`.
    pub(super) collection: &'static str,
    /// Its value.
    #[schema(value_type = String)]
    pub(super) id: Arc<str>,
    /// The namespace.
    #[schema(value_type = String)]
    pub(super) r#type: Arc<str>,
    /// When it was first stored.
    pub(super) created_at: String,
    /// Always `none`: ids are not encoded.
    pub(super) encoding: &'static str,
    /// Always null: it is not kept.
    pub(super) first_message_id: Option<String>,
}

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentEvents)]
pub(super) struct Events<'a> {
    pub(super) data: Vec<Event<'a>>,
    pub(super) cursor: Cursor,
}

/// A call on the timeline.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentEvent)]
pub(super) struct Event<'a> {
    /// The ids that the call named and that are of this profile.
    pub(super) external_ids: Vec<EventId>,
    /// As it was sent; null where it was not.
    #[schema(value_type = Option<Object>)]
    pub(super) context: Option<&'a RawValue>,
    /// `track`, `page`, `screen`, `identify`, `group` or `alias`.
    pub(super) r#type: &'static str,
    /// The id that it was sent with.
    #[schema(value_type = String)]
    pub(super) message_id: Arc<str>,
    /// The dataset that it came in.
    #[schema(value_type = String)]
    pub(super) source_id: Arc<str>,
    /// When it happened.
    pub(super) timestamp: String,
    /// As they were sent; null where they were not.
    #[schema(value_type = Option<Object>)]
    pub(super) properties: Option<&'a RawValue>,
    /// Of `identify` and `group`, as they were sent: an addition of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(super) traits: Option<&'a RawValue>,
    /// Its name; null for `identify`, `group` and `alias`.
    #[schema(value_type = Option<String>)]
    pub(super) event: Option<Arc<str>>,
    /// Always null: it is not kept.
    #[schema(value_type = Option<Object>)]
    pub(super) related: Option<&'a RawValue>,
}

/// An id that an event named.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentEventId)]
pub(super) struct EventId {
    pub(super) collection: &'static str,
    pub(super) r#type: String,
    #[schema(value_type = String)]
    pub(super) id: Arc<str>,
    pub(super) encoding: &'static str,
}

/// The metadata of a profile.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentMetadataAnswer)]
pub(super) struct MetadataAnswer {
    pub(super) metadata: Metadata,
}

/// When a profile began and last changed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentMetadata)]
pub(super) struct Metadata {
    /// When its first identity was stored.
    pub(super) created_at: String,
    /// When anything of it last changed.
    pub(super) updated_at: String,
    /// Always null: profiles do not expire.
    pub(super) expires_at: Option<String>,
    /// Of the oldest call, by its time, on the timeline that the reader sees; null where there is none.
    #[schema(value_type = Option<String>)]
    pub(super) first_message_id: Option<Arc<str>>,
    /// Its dataset.
    #[schema(value_type = Option<String>)]
    pub(super) first_source_id: Option<Arc<str>>,
    /// Of the newest call.
    #[schema(value_type = Option<String>)]
    pub(super) last_message_id: Option<Arc<str>>,
    /// Its dataset.
    #[schema(value_type = Option<String>)]
    pub(super) last_source_id: Option<Arc<str>>,
}

/// A page of links.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentLinks)]
pub(super) struct Links {
    pub(super) data: Vec<Link>,
    pub(super) cursor: Cursor,
}

/// An account that a user belongs to, or a user of an account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentLink)]
pub(super) struct Link {
    /// `accounts` for a user, `users` for an account.
    pub(super) to_collection: &'static str,
    /// What the profile is known by.
    pub(super) external_ids: Vec<ExternalId>,
}

/// Which external ids are deleted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SegmentDeletion)]
pub(super) struct Deletion {
    /// 1 to 100.
    #[schema(value_type = Vec<DeletedId>)]
    pub(super) delete_external_ids: Counted<DeletedId, IDENTITIES_MAX>,
}

/// An external id to be deleted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SegmentDeletedId)]
pub(super) struct DeletedId {
    /// Its value. Numbers are taken as text.
    #[serde(deserialize_with = "number::name")]
    pub(super) id: String,
    /// Its type.
    pub(super) r#type: String,
}

/// What was deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentDeletions)]
pub(super) struct Deletions {
    pub(super) data: Vec<DeletionDone>,
}

/// An external id that was deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentDeletionDone)]
pub(super) struct DeletionDone {
    #[schema(value_type = String)]
    pub(super) id: Arc<str>,
    #[schema(value_type = String)]
    pub(super) r#type: Arc<str>,
    /// The erasure, at `/v1/erasures/{id}`; null for an id that was known by those before it alone and went with them.
    pub(super) erasure_id: Option<String>,
}
