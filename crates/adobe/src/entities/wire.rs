//! The form of look-ups in bulk (spec/adobe.md sections 4.6 and 4.7).

use serde::{Deserialize, Serialize};
use tessera_seam::bounds::LOOKUPS_MAX;
use tessera_seam::counted::Counted;
use utoipa::ToSchema;

/// A class of entities by its name.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = AdobeSchemaName)]
pub(super) struct SchemaName {
    /// As `_xdm.context.profile`.
    pub(super) name: String,
}

/// A namespace by its code.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = AdobeNamespaceCode)]
pub(super) struct Code {
    /// As `Email`; the case of letters does not matter.
    pub(super) code: String,
}

/// From when to when.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[schema(as = AdobeTimeFilter)]
#[serde(rename_all = "camelCase")]
pub(super) struct TimeFilter {
    /// Milliseconds since 1970, included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) start_time: Option<i64>,
    /// Milliseconds since 1970, not included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) end_time: Option<i64>,
}

/// An entity of a look-up in bulk; for events, the profile whose they are.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = AdobeEntityIdentity)]
#[serde(rename_all = "camelCase")]
pub(super) struct Identity {
    /// An XID, or an id with the code of its namespace.
    #[serde(alias = "relatedEntityId")]
    pub(super) entity_id: String,
    /// The code of the namespace.
    #[serde(
        default,
        rename = "entityIdNS",
        alias = "entityIdNs",
        alias = "relatedEntityIdNS",
        alias = "relatedEntityIdNs"
    )]
    pub(super) entity_id_ns: Option<Code>,
    /// The id of the event that the page begins with.
    #[serde(default, alias = "offsets")]
    pub(super) start: Option<String>,
}

/// A look-up in bulk. Members that it does not know are left alone.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AdobeEntityLookups)]
#[serde(rename_all = "camelCase")]
pub(super) struct Lookups {
    /// Of which class.
    pub(super) schema: SchemaName,
    /// Of events: the class of what they are of.
    #[serde(default)]
    pub(super) related_schema: Option<SchemaName>,
    /// Which: at most 100.
    #[schema(value_type = Vec<Identity>)]
    pub(super) identities: Counted<Identity, LOOKUPS_MAX>,
    /// Paths that are shown; all where it is left out.
    #[serde(default)]
    pub(super) fields: Option<Vec<String>>,
    /// The merge policy; the default one where it is left out.
    #[serde(default)]
    pub(super) merge_policy_id: Option<String>,
    /// Of events: from when to when.
    #[serde(default)]
    pub(super) time_filter: Option<TimeFilter>,
    /// Of events: how many of each profile, 1,000 where it is left out.
    #[serde(default)]
    pub(super) limit: Option<u64>,
    /// Of events: `+timestamp` or `-timestamp`.
    #[serde(default, alias = "orderBy")]
    pub(super) orderby: Option<String>,
    /// Whether computed attributes are shown.
    #[serde(default, rename = "withCA")]
    pub(super) with_ca: bool,
}
