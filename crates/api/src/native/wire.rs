//! The form of requests and answers of this door.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tessera_seam::bounds::{LOOKUPS_MAX, RECORDS_MAX};
use tessera_seam::counted::Counted;
use tessera_seam::number;
use tessera_seam::report::Identity;
use utoipa::ToSchema;

/// One record: attributes of whoever the identities name.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record<'a> {
    /// Who it is about, at least one; the one of the highest priority owns the record.
    pub(crate) identities: Vec<RecordIdentity>,
    /// What is said: any JSON object. `null` removes an attribute; `{"$timestamp":"…"}` and `{"$set":[…]}` are read as such. A set
    /// is changed without knowing it by `{"$add":[…],"$remove":[…]}` and taken away by `{"$unset":true}`, in any order and twice.
    #[serde(borrow)]
    #[schema(value_type = Object)]
    pub(crate) attributes: &'a RawValue,
    /// When it became true, in ISO 8601; the time of receipt where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<String>,
    /// Makes the record one, however often it is sent. Without it a record with a time is known by its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
}

/// An identity of a record.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordIdentity {
    /// The name of its namespace.
    pub(crate) namespace: String,
    /// Its value; it is brought into the namespace's one spelling. Numbers are taken as text.
    #[serde(deserialize_with = "number::name")]
    pub(crate) value: String,
}

/// A write: one record, or several in `records`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Records)]
pub(crate) struct Write<'a> {
    /// The source that they come from; made by its first use.
    pub(crate) dataset: String,
    /// The named delivery that they are part of.
    #[serde(default)]
    pub(crate) batch: Option<String>,
    /// The records, at most 2,500 of 64 KB each. Left out where the record's own members stand here.
    #[serde(borrow, default)]
    #[schema(value_type = Option<Vec<Record<'static>>>)]
    pub(crate) records: Option<Counted<&'a RawValue, RECORDS_MAX>>,
    /// As in a record.
    #[serde(borrow, default)]
    #[schema(value_type = Option<Vec<RecordIdentity>>)]
    pub(crate) identities: Option<&'a RawValue>,
    /// As in a record.
    #[serde(borrow, default)]
    #[schema(value_type = Option<Object>)]
    pub(crate) attributes: Option<&'a RawValue>,
    /// As in a record.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    pub(crate) time: Option<&'a RawValue>,
    /// As in a record.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    pub(crate) id: Option<&'a RawValue>,
}

/// Which profiles to read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchGet {
    /// At most 100.
    #[schema(value_type = Vec<ProfileLookup>)]
    pub(crate) lookups: Counted<ProfileLookup, LOOKUPS_MAX>,
    /// Which parts of each: `identifiers`, `attributes`, `audiences`; all where it is left out.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    pub(crate) fields: Option<Counted<String, LOOKUPS_MAX>>,
    /// The id of a merge policy; the workspace's default one where it is left out.
    #[serde(default)]
    pub(crate) merge_policy: Option<String>,
    /// Which attributes, by the windows of relevance: `any`, `relevant` or `not_relevant`; `any` where it is left out.
    #[serde(default)]
    pub(crate) relevance: Option<String>,
}

/// Names one profile: by `id`, or by `namespace` and `value`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileLookup {
    /// An id, as in `/v1/profiles/id/{id}`.
    #[serde(default)]
    pub(crate) id: Option<String>,
    /// The name of a namespace.
    #[serde(default)]
    pub(crate) namespace: Option<String>,
    /// A value of it. Numbers are taken as text.
    #[serde(default, deserialize_with = "number::optional_name")]
    pub(crate) value: Option<String>,
}

/// Profiles in the order of the look-ups.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Profiles {
    /// One for each look-up.
    pub(crate) results: Vec<ProfileResult>,
}

/// One result: a profile, or why there is none.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ProfileResult {
    /// There is one.
    Found {
        /// The profile, as the single read shows it.
        #[schema(value_type = Object)]
        profile: Box<RawValue>,
    },
    /// There is none.
    Missing {
        /// Why.
        error: ProfileError,
    },
}

/// Why there is no profile.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProfileError {
    /// The code.
    pub(crate) code: &'static str,
    /// What was expected.
    pub(crate) message: String,
}

/// A page of a timeline, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Timeline<'a> {
    /// The accepted calls.
    pub(crate) events: Vec<TimelineEvent<'a>>,
    /// Give it as `cursor` for the next page; null on the last.
    pub(crate) next_cursor: Option<String>,
}

/// One accepted call.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TimelineEvent<'a> {
    /// The event's name; null for identify, group and alias.
    #[schema(value_type = Option<String>)]
    pub(crate) event: Option<Arc<str>>,
    /// When it happened.
    pub(crate) timestamp: String,
    /// Its properties.
    #[schema(value_type = Object)]
    pub(crate) properties: &'a RawValue,
    /// The id it was sent with.
    #[schema(value_type = String)]
    pub(crate) message_id: Arc<str>,
    /// `track`, `page`, `screen`, `identify`, `group` or `alias`.
    pub(crate) r#type: &'static str,
    /// When it was accepted.
    pub(crate) received_at: String,
    /// The dataset it came in.
    #[schema(value_type = String)]
    pub(crate) dataset: Arc<str>,
    /// What the sender said about the device and the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) context: Option<&'a RawValue>,
    /// The traits of an identify or a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) traits: Option<&'a RawValue>,
    /// Where else the sender wants it to go.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) integrations: Option<&'a RawValue>,
    /// What was computed of it when it was taken in, by the names of computed attributes that are written into events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) computed: Option<&'a RawValue>,
    /// Which of those came to nothing: each with `over_budget`, `overflowed` or `truncated`, or with `erased` where what it rested on was erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) uncomputed: Option<&'a RawValue>,
}

/// The identity graph of a profile.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Identities {
    /// The profile's id.
    pub(crate) profile_id: String,
    /// Its identities.
    pub(crate) nodes: Vec<Node>,
    /// The links that hold it together.
    pub(crate) links: Vec<Link>,
    /// The links at its identities that a rule refuses or an act severed.
    pub(crate) held: Vec<Held>,
    /// Whether there are more held links than the 1,000 shown.
    pub(crate) held_more: bool,
}

/// An identity of the graph.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Node {
    /// Its id.
    pub(crate) id: String,
    /// The name of its namespace.
    #[schema(value_type = String)]
    pub(crate) namespace: Arc<str>,
    /// Its value.
    #[schema(value_type = String)]
    pub(crate) value: Arc<str>,
    /// When it was first stored.
    pub(crate) created_at: String,
    /// The newest time of an event or record that carried it.
    pub(crate) last_seen: Option<String>,
    /// How many events and records it owns.
    pub(crate) facts: u64,
}

/// A link between two identities.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Link {
    /// The identities.
    pub(crate) between: [Identity; 2],
    /// From strong to weak: `joined` (a person, an alias by a private key), `verified` (an id that a private key sent), `stated` (a trait that
    /// one sent), `observed` (an id that a public key sent), `claimed` (a trait, an alias or an external id that one sent).
    pub(crate) strength: &'static str,
    /// How many events and records said so.
    pub(crate) count: u64,
    /// The earliest time among them.
    pub(crate) first_seen: String,
    /// The latest.
    pub(crate) last_seen: String,
}

/// A link that does not hold.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Held {
    /// The link.
    #[serde(flatten)]
    pub(crate) link: Link,
    /// `exclusive`, `hub`, `limit`, `separated`, `full` or `severed`.
    pub(crate) reason: &'static str,
    /// The link that won against it.
    pub(crate) won: Option<[Identity; 2]>,
}
