//! The form of requests and answers of this door (spec/optimizely.md sections 4, 8, 9, 10, 11).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use utoipa::ToSchema;

use super::bound::SegmentFilter;

/// A profile (section 4).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = OptimizelyProfile)]
pub(super) struct Profile {
    /// Its id, a UUID. Of a profile without one of its own, that which stands for ours.
    pub(super) profile_id: String,
    /// The ids of its devices.
    pub(super) device_ids: Vec<String>,
    /// What it is called.
    pub(super) name: Option<Json>,
    /// Who is in charge of it.
    pub(super) profile_manager: Option<Json>,
    /// The first event, or what was written if that is earlier.
    pub(super) first_seen: Option<Json>,
    /// The last event, or what was written if that is later.
    pub(super) last_seen: Option<Json>,
    /// How many visits there were: another one begins more than 15 minutes after an event.
    pub(super) visits: Option<Json>,
    /// When anything of it last changed.
    pub(super) update_time: String,
    /// The scope that it is of.
    pub(super) scope: String,
    /// As they were written.
    #[schema(value_type = Vec<String>)]
    pub(super) visitor_groups: Json,
    /// What is known of the person, as texts.
    #[schema(value_type = Object)]
    pub(super) info: Map<String, Json>,
    /// `Mailable`, `Callable`, and `Known` or `Anonymous`.
    pub(super) contact_information: Vec<&'static str>,
    /// All else that is known.
    #[schema(value_type = Object)]
    pub(super) payload: Map<String, Json>,
}

/// A profile as it is written (section 5). Members in any case; unknown ones are passed over, and so are those that are computed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = OptimizelyProfileBody)]
#[expect(dead_code, reason = "it describes a body whose members are read in any case of letters")]
pub(super) struct ProfileBody {
    /// Up to 30 texts of 1 to 512 bytes.
    #[serde(default)]
    device_ids: Option<Vec<String>>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    profile_manager: Option<String>,
    /// Not later than `LastSeen`.
    #[serde(default)]
    first_seen: Option<String>,
    #[serde(default)]
    last_seen: Option<String>,
    /// At least 0.
    #[serde(default)]
    visits: Option<u64>,
    /// `default` where it is left out.
    #[serde(default)]
    scope: Option<String>,
    /// At most 1,000.
    #[serde(default)]
    visitor_groups: Option<Vec<String>>,
    /// Texts; `Email` an address, `Website` an address of the web.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    info: Option<Json>,
    /// Any object.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    payload: Option<Json>,
}

/// A track event as it is shown (section 8.1).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = OptimizelyTrackEvent)]
pub(super) struct TrackEvent {
    /// Its id, unique in a dataset.
    pub(super) track_id: String,
    /// The device that it names.
    pub(super) device_id: Option<String>,
    /// Its type.
    pub(super) event_type: String,
    /// What people read of it.
    pub(super) value: Json,
    /// The page.
    pub(super) page_uri: Json,
    /// What the page is called.
    pub(super) page_title: Json,
    /// The visitor's address.
    pub(super) remote_address: Json,
    /// When it happened.
    pub(super) event_time: String,
    /// The visitor's country, where it is known.
    pub(super) country_code: Json,
    /// The scope that it is of.
    pub(super) scope: String,
    /// Who is said to have been there: `Name`, `Email`, `Info`.
    #[schema(value_type = Object)]
    pub(super) user: Json,
    /// What is said about it.
    #[schema(value_type = Object)]
    pub(super) payload: Json,
}

/// A query over track events (section 8.3). Members in any case.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = OptimizelyQueryBody)]
#[expect(dead_code, reason = "it describes a body whose members are read in any case of letters")]
pub(super) struct QueryBody {
    /// In KQL, over the table `Events`; at most 10,000 bytes.
    query: String,
    /// A text, a number, true, false or null for each parameter of the query.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    parameters: Option<Json>,
}

/// A filter definition to run (ours; the API says nothing of it). Members in any case.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = OptimizelyFilterPreviewBody)]
#[expect(dead_code, reason = "it describes a body whose members are read in any case of letters")]
pub(super) struct PreviewBody {
    /// One that is kept; without it `Type` and `Query` of a draft.
    #[serde(default)]
    filter_definition_id: Option<String>,
    /// `Events` or `Profiles`.
    #[serde(default, rename = "Type")]
    of: Option<String>,
    #[serde(default)]
    query: Option<String>,
    /// A value for each parameter.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    parameters: Option<Json>,
}

/// A track event as it is sent (section 9.1). Members in any case.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OptimizelyTrack)]
#[expect(dead_code, reason = "it describes a body whose members are read in any case of letters")]
pub(super) struct Track {
    device_id: String,
    event_type: String,
    value: String,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    user: Option<Json>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    payload: Option<Json>,
    #[serde(default)]
    page_uri: Option<String>,
    #[serde(default)]
    page_title: Option<String>,
    /// Now where it is left out.
    #[serde(default)]
    event_time: Option<String>,
    /// `default` where it is left out; one that is not there is made, as far as the key may.
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    remote_address: Option<String>,
    /// The same id is taken once.
    #[serde(default)]
    track_id: Option<String>,
}

/// What became of events (ours; the API says nothing of it).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OptimizelyTracked)]
pub(super) struct Tracked {
    /// How many were taken.
    pub(super) accepted: usize,
    /// How many were there already, by their `trackId`.
    pub(super) duplicates: usize,
    /// Those that were refused.
    pub(super) rejected: Vec<Rejected>,
}

/// An event that was refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OptimizelyRejected)]
pub(super) struct Rejected {
    /// Its place in the call, from 0.
    pub(super) index: usize,
    /// The stable code.
    pub(super) code: &'static str,
    /// What was expected.
    pub(super) message: String,
}

/// A segment (section 10.1).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = OptimizelySegment)]
pub(super) struct Segment {
    /// Its id, a UUID.
    pub(super) segment_id: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) scope: String,
    pub(super) segment_manager: Option<String>,
    /// The filter; none where its condition has no form as a filter.
    pub(super) profile_query: Option<String>,
    /// The condition, in PQL, where it is none that a filter can say.
    #[schema(value_type = Option<Object>)]
    pub(super) profile_filter: Option<Json>,
    /// The filter definitions that it binds, where it was made of them.
    pub(super) segment_filter: Option<SegmentFilter>,
    /// How many profiles are in it.
    pub(super) matching_profiles: u64,
    /// When they were counted.
    pub(super) last_profile_count: String,
    pub(super) available_for_personalization: bool,
    pub(super) archived: bool,
    pub(super) favored_by: Vec<String>,
    pub(super) label_ids: Vec<String>,
    pub(super) labels: Vec<String>,
    pub(super) created: String,
    pub(super) modified: String,
    pub(super) modified_by: Option<String>,
}

/// What this door keeps of a segment, as it is sent and as it is stored. Members in any case when it is sent.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase", default)]
#[schema(as = OptimizelySegmentBody)]
pub(super) struct SegmentBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) segment_manager: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) profile_query: Option<String>,
    /// Filter definitions with values, in place of `ProfileQuery`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) segment_filter: Option<SegmentFilter>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) available_for_personalization: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) archived: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) favored_by: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) label_ids: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) labels: Vec<String>,
}

/// The progress of an export (section 10.6).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = OptimizelyExport)]
pub(super) struct Export {
    pub(super) segment_id: String,
    pub(super) request_id: String,
    /// `Finished`, `Invalid`, `SourceNotFound` or `Expired`.
    pub(super) status: &'static str,
    /// Where the profiles are read, one in a line, with the same key.
    pub(super) result_url: Option<String>,
}

/// A scope (section 11).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = OptimizelyScope)]
pub(super) struct Scope {
    /// Its name: 1 to 64 of `a-z 0-9 _ -`.
    pub(super) scope_id: String,
    /// What people say of it.
    pub(super) description: String,
}

/// What is said of a scope when it is put.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase", default)]
#[schema(as = OptimizelyScopeBody)]
pub(super) struct ScopeBody {
    /// At most 256 characters.
    #[serde(alias = "description")]
    pub(super) description: Option<String>,
}
