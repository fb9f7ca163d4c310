//! The form of requests and answers of this door (spec/wyng.md).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

/// A data model (section 2.1).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WyngTdm)]
pub(super) struct Tdm {
    /// Its id: 24 hexadecimal digits.
    pub(super) id: String,
    /// Its fields.
    pub(super) fields: Vec<Field>,
    /// The field by which profiles are merged.
    pub(super) strong_id: String,
    /// Fields that identify, those that decide first at the front.
    pub(super) ids_priority: Vec<String>,
}

/// A data model as it is set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WyngNewTdm)]
pub(super) struct NewTdm {
    /// Taken and not read, so that what was retrieved can be sent back.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    #[expect(dead_code, reason = "it is taken, and says nothing")]
    pub(super) id: Option<Json>,
    /// The fields; one level of nesting is taken away, for the samples of the documentation have it.
    #[schema(value_type = Vec<Field>)]
    pub(super) fields: Vec<Json>,
    /// One that identifies.
    pub(super) strong_id: String,
    /// `email`, `phone`, `uid` where it is left out, as far as these are fields that identify.
    #[serde(default)]
    pub(super) ids_priority: Option<Vec<String>>,
}

/// A field of a data model (section 2.2).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WyngField)]
pub(super) struct Field {
    /// Its id, unique in the model.
    pub(super) id: String,
    /// What people call it.
    pub(super) name: String,
    /// `text`, `date`, `bool`, `num` or `set`.
    #[serde(default = "text")]
    pub(super) r#type: String,
    /// `active`, or `inactive`: then it takes no new values.
    #[serde(default = "active")]
    pub(super) status: String,
    /// Whether profiles are found by it.
    #[serde(default)]
    pub(super) is_key: bool,
    /// Whether it is not to be shown to the person it is about.
    #[serde(default)]
    pub(super) is_internal: bool,
    /// Days since its last update for which a value is relevant.
    #[serde(default)]
    pub(super) relevance_window: Option<u32>,
    /// Days since its last update for which a value is kept.
    #[serde(default)]
    pub(super) retention_window: Option<u32>,
    /// Of a set: its usual members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub(super) values: Option<Vec<Json>>,
    /// Of a set: whether it takes others as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) allow_other_values: Option<bool>,
    /// Ours: whether public tokens may read it.
    #[serde(default)]
    pub(super) public: bool,
}

fn text() -> String {
    "text".to_owned()
}

fn active() -> String {
    "active".to_owned()
}

/// What is said of a profile (section 3.1).
#[derive(ToSchema)]
#[schema(as = WyngUpsert)]
#[expect(dead_code, reason = "it is the form in the documents; what comes is read in the order in which it came")]
pub(super) struct Upsert {
    /// Values by the ids of their fields, each as `{"value": …}`; `null` clears a field.
    #[schema(value_type = Object)]
    pub(super) fields: serde_json::Map<String, Json>,
    /// What the person agreed to when it was said.
    pub(super) consent: Option<String>,
    /// Where it was said.
    pub(super) source: Option<String>,
    /// When it became true; now where it is left out. Without a zone it is UTC.
    pub(super) timestamp: Option<String>,
}

/// What an upsert came to (section 3.4).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WyngUpserted)]
pub(super) struct Upserted {
    /// The data model.
    pub(super) tdm_id: String,
    /// The segments that the profile is in.
    pub(super) segment_id: Vec<String>,
    /// The fields that were taken, in the order in which they came.
    pub(super) fields: Vec<String>,
}

/// The id of a profile.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WyngProfileId)]
pub(super) struct ProfileId {
    /// 24 hexadecimal digits.
    pub(super) id: String,
}

/// A profile (section 5).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WyngProfile)]
pub(super) struct Profile {
    /// Its canonical id.
    pub(super) id: String,
    /// The data model.
    pub(super) tdm_id: String,
    /// When it was made, without zone.
    pub(super) created_at: String,
    /// When it was last active, without zone.
    pub(super) updated_at: String,
    /// The ids of profiles that were merged into it.
    pub(super) parent_profiles: Vec<String>,
    /// The segments that it is in.
    pub(super) segments: Vec<String>,
    /// Its values, by the ids of their fields.
    pub(super) fields: BTreeMap<String, Value>,
    /// The ids of all fields that it has values of, those as well that are not shown.
    pub(super) field_list: Vec<String>,
}

/// A value of a field.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = WyngValue)]
pub(super) struct Value {
    /// The value.
    #[schema(value_type = Object)]
    pub(super) value: Json,
    /// When it was last said, without zone; left out for ids of visitors and for what is computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) updated: Option<String>,
}

/// A field of a profile (section 6).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WyngFieldValue)]
pub(super) struct FieldValue {
    /// The id of the field.
    pub(super) id: String,
    /// What people call it.
    pub(super) name: String,
    /// Its type.
    pub(super) r#type: String,
    /// `active` or `inactive`.
    pub(super) status: String,
    /// The value, and when it was last said.
    #[serde(flatten)]
    pub(super) value: Value,
}

/// A segment to be made or changed (section 8).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WyngNewSegment)]
pub(super) struct NewSegment {
    /// What people call it.
    #[serde(default)]
    pub(super) name: Option<String>,
    /// Who is in it.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub(super) expression: Option<Json>,
}

/// A segment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WyngSegment)]
pub(super) struct Segment {
    /// Its id: 24 hexadecimal digits.
    pub(super) id: String,
    /// What people call it.
    pub(super) name: String,
    /// The data model.
    pub(super) tdm_id: String,
    /// Who is in it.
    #[schema(value_type = Object)]
    pub(super) expression: Json,
    /// When it was last changed, without zone.
    pub(super) updated_at: String,
    /// When it was made, without zone.
    pub(super) created_at: String,
}

/// A token.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = WyngJwt)]
pub(super) struct Jwt {
    /// In its compact form.
    pub(super) jwt: String,
}

/// A token of a verification, to be exchanged for one of a profile (section 7).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WyngExchange)]
pub(super) struct Exchange {
    /// The token of the verification.
    pub(super) jwt: String,
    /// The field that e-mail addresses stand in.
    pub(super) key_field: String,
}
