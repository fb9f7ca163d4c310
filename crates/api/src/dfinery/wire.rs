//! The form of requests and answers of these doors. What is taken is read in `parse`, member by member, so that a fault names its place.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

/// How whatever is taken is answered (section 8.1).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DfineryEnvelope)]
pub(super) struct Envelope {
    /// Whether it was taken.
    pub(super) status: bool,
    /// `20000`.
    #[schema(value_type = String)]
    pub(super) code: Cow<'static, str>,
    /// `OK`.
    #[schema(value_type = String)]
    pub(super) message: Cow<'static, str>,
    /// `true`.
    #[schema(value_type = Object)]
    pub(super) data: Json,
}

/// The code of success.
const TAKEN: &str = "20000";

impl Envelope {
    /// That it was taken.
    pub(super) fn ok() -> Self {
        Self { status: true, code: TAKEN.into(), message: "OK".into(), data: json!(true) }
    }
}

/// Who a person is (section 4.1): at least one member.
#[derive(ToSchema)]
#[schema(as = DfineryIdentity)]
#[expect(dead_code, reason = "it is the form in the documents")]
pub(super) struct Identity {
    /// The customer's own id of the user: the one that decides.
    external_id: Option<String>,
    /// A phone number in international form, without `+`.
    phone_no: Option<String>,
    /// An e-mail address.
    email: Option<String>,
    /// A Kakao id.
    kakao_user_id: Option<String>,
    /// A LINE id.
    line_user_id: Option<String>,
}

/// What all events of a request have in common.
#[derive(ToSchema)]
#[schema(as = DfineryCommon)]
#[expect(dead_code, reason = "it is the form in the documents")]
pub(super) struct Common {
    /// Whose they are.
    identity: Identity,
}

/// An event (section 4.1).
#[derive(ToSchema)]
#[schema(as = DfineryEvent)]
#[expect(dead_code, reason = "it is the form in the documents")]
pub(super) struct Event {
    /// A UUID; an event that was sent before is taken once.
    event_log_id: String,
    /// Its name.
    event_name: String,
    /// When it happened: `2025-02-03T04:05:06.789Z`.
    event_datetime: String,
    /// Products; at most 100 in a request.
    #[schema(value_type = Option<Vec<Object>>)]
    event_items: Option<Vec<Json>>,
    /// What else is said of it: texts, numbers, booleans, and lists of texts or numbers.
    #[schema(value_type = Option<Object>)]
    event_properties: Option<Json>,
}

/// Events of one person (section 4).
#[derive(ToSchema)]
#[schema(as = DfineryEvents)]
#[expect(dead_code, reason = "it is the form in the documents")]
pub(super) struct Events {
    /// What they have in common.
    common: Common,
    /// 1 to 100 events.
    events: Vec<Event>,
}

/// Identifiers of a person (section 5).
#[derive(ToSchema)]
#[schema(as = DfineryIdentities)]
#[expect(dead_code, reason = "it is the form in the documents")]
pub(super) struct Identities {
    /// Who the person is.
    identity: Identity,
    /// When it was said: `2025-02-03T04:05:06.789Z`.
    request_datetime: String,
}

/// The identifier by which a profile is deleted.
#[derive(ToSchema)]
#[schema(as = DfineryDeletedIdentity)]
#[expect(dead_code, reason = "it is the form in the documents")]
pub(super) struct DeletedIdentity {
    /// The customer's own id of the user.
    external_id: String,
}

/// A profile that is to be deleted (section 5.1).
#[derive(ToSchema)]
#[schema(as = DfineryDeletion)]
#[expect(dead_code, reason = "it is the form in the documents")]
pub(super) struct Deletion {
    /// Whose it is.
    identity: DeletedIdentity,
    /// When it was said.
    request_datetime: String,
}

/// Properties of a person (section 6).
#[derive(ToSchema)]
#[schema(as = DfineryUserProfile)]
#[expect(dead_code, reason = "it is the form in the documents")]
pub(super) struct UserProfile {
    /// Who the person is.
    identity: Identity,
    /// Values by name; null removes one.
    #[schema(value_type = Object)]
    user_properties: Json,
    /// When it was said: what was said later stays.
    request_datetime: String,
}

/// Which events are exported (section 7.1).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DfineryEventExport)]
pub(super) struct EventExport {
    /// Names of events.
    #[serde(default)]
    pub(super) events: Option<Vec<String>>,
    /// `all`, `include` or `exclude`.
    #[serde(default)]
    #[schema(value_type = String)]
    pub(super) events_condition_type: Option<String>,
    /// Names of properties; those of items begin with `df_items_`.
    #[serde(default)]
    pub(super) properties: Option<Vec<String>>,
    /// `all`, `include` or `exclude`; all where it is left out.
    #[serde(default)]
    pub(super) properties_condition_type: Option<String>,
    /// The first day, at most 30 days ago.
    #[serde(default)]
    #[schema(value_type = String)]
    pub(super) from_date: Option<String>,
    /// The last day.
    #[serde(default)]
    #[schema(value_type = String)]
    pub(super) to_date: Option<String>,
}

/// Which profiles are exported (section 7.2).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DfineryProfileExport)]
pub(super) struct ProfileExport {
    /// Names of properties.
    #[serde(default)]
    pub(super) properties: Option<Vec<String>>,
    /// `all`, `include` or `exclude`.
    #[serde(default)]
    #[schema(value_type = String)]
    pub(super) properties_condition_type: Option<String>,
    /// The id or the name of a segment: its members alone.
    #[serde(default)]
    pub(super) audience: Option<String>,
    /// Identifiers: `df_external_id`.
    #[serde(default)]
    pub(super) identities: Option<Vec<String>>,
    /// `all`, `include` or `exclude`; none where it is left out.
    #[serde(default)]
    pub(super) identities_condition_type: Option<String>,
}
