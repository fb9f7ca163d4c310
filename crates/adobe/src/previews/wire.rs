//! What is sent of previews, and what is answered of them and of estimates.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use tessera_seam::app::App;
use tessera_seam::extract::BaseUrl;
use tessera_service::DocumentProfile;
use tessera_service::segments::Preview as Seen;
use tessera_service::workspace_config::StoredConfig;
use utoipa::ToSchema;

use super::EXECUTION;
use crate::enter::Asked;
use crate::merge_policies::Class;
use crate::namespaces::code_of;

/// What is known of namespaces by number (section 2.4). Others have numbers from here on.
const NAMESPACES: [(&str, u32); 4] = [("ecid", 4), ("email", 6), ("phone", 7), ("aaid", 10)];
const OWN_NAMESPACES: u32 = 10_000;
const READY: &str = "RESULT_READY";

/// A condition to be looked at.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = AdobePreviewBody)]
pub(super) struct Body {
    /// The condition.
    #[serde(default)]
    pub(super) predicate_expression: Option<String>,
    /// `pql/text` or `pql/json`.
    #[serde(default)]
    pub(super) predicate_type: Option<String>,
    /// `_xdm.context.profile` or `_xdm.context.account`.
    #[serde(default)]
    pub(super) predicate_model: Option<String>,
    /// `pdg`.
    #[serde(default)]
    pub(super) graph_type: Option<String>,
}

/// A preview that was made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdobePreviewMade)]
pub(super) struct Made {
    /// `NEW`.
    state: &'static str,
    preview_query_id: String,
    /// `NEW`.
    preview_query_status: &'static str,
    preview_id: String,
    preview_execution_id: u32,
}

impl Made {
    pub(super) fn new(preview_query_id: String) -> Self {
        let preview_id = STANDARD_NO_PAD.encode(format!("0:2:{preview_query_id}:{EXECUTION}"));
        let (state, preview_query_status) = ("NEW", "NEW");
        Self { state, preview_query_id, preview_query_status, preview_id, preview_execution_id: EXECUTION }
    }

    pub(super) fn preview_id(&self) -> &str {
        &self.preview_id
    }
}

/// The id that a preview is kept by, of the one that answers tell.
pub(super) fn query_id(preview_id: &str) -> Option<String> {
    let text = preview_id.trim_end_matches('=');
    let bytes = STANDARD_NO_PAD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let id = text.strip_prefix("0:2:")?.rsplit_once(':')?.0;
    Some(id.to_owned())
}

/// Whom a condition holds of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdobePreview)]
pub(super) struct Preview {
    /// Each an object whose one member is named by the XID of one of the profile's identities.
    #[schema(value_type = Vec<Object>)]
    results: Vec<Json>,
    page: Page,
    /// `next` has the address of the next page; empty on the last.
    #[schema(value_type = Object)]
    link: Json,
    /// `RESULT_READY`.
    state: &'static str,
}

/// Where a page stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdobePreviewPage)]
struct Page {
    offset: usize,
    size: usize,
}

impl Preview {
    pub(super) fn new(results: Vec<Json>, offset: usize, total: u64, id: &str) -> Self {
        let size = results.len();
        let next = offset.saturating_add(size);
        let is_last = size == 0 || u64::try_from(next).is_ok_and(|next| next >= total);
        let next = if is_last { String::new() } else { format!("/preview/{id}?offset={next}&limit={size}") };
        Self { results, page: Page { offset, size }, link: json!({ "next": next }), state: READY }
    }
}

/// A profile of a preview: by the XID of the identity that a read shows first, with one identity of each namespace.
pub(super) fn result(
    app: &App,
    asked: &Asked,
    document: &DocumentProfile,
    (base, class): (&BaseUrl, Class),
) -> Option<Json> {
    let href =
        |xid: &str| format!("{}/data/core/ups/access/entities?schema.name={}&entityId={xid}", base.0, class.name());
    let first = document.shown.first().or_else(|| document.identities.first().map(|own| &own.identity))?;
    let xid = app.service.pseudonym_of(asked.workspace(), first);
    let mut ids: BTreeMap<&str, Json> = BTreeMap::new();
    let all = document.shown.iter().chain(document.identities.iter().map(|own| &own.identity));
    for identity in all {
        let code = code_of(&identity.namespace);
        let own = app.service.pseudonym_of(asked.workspace(), identity);
        ids.entry(code).or_insert_with(|| json!({ "code": code, "id": &*identity.value, "_href": href(&own) }));
    }
    let shown = json!({ "_href": href(&xid), "endCustomerIds": ids });
    Some(Json::Object(Map::from_iter([(xid, shown)])))
}

/// How many a condition holds of.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdobeEstimate)]
pub(super) struct Estimate {
    estimated_size: u64,
    num_rows_to_read: u64,
    estimated_namespace_distribution: Vec<OfNamespace>,
    /// `RESULT_READY`.
    state: &'static str,
    profiles_read_so_far: u64,
    /// Of the estimated size; 0 where it is exact.
    standard_error: f64,
    #[schema(value_type = Object)]
    error: Json,
    profiles_matched_so_far: u64,
    total_rows: u64,
    /// `95%`.
    confidence_interval: &'static str,
    #[serde(rename = "_links")]
    #[schema(rename = "_links", value_type = Object)]
    links: Json,
}

/// How many of those have an identity of a namespace.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdobeOfNamespace)]
struct OfNamespace {
    /// 4 for `ecid`, 6 for `email`, 7 for `phone`, 10 for `aaid`; from 10,000 for others.
    namespace_id: u32,
    profiles_matched_so_far: u64,
}

impl Estimate {
    pub(super) fn new(seen: &Seen, config: &StoredConfig, link: String) -> Self {
        let number = |name: &str| {
            let known = NAMESPACES.iter().find(|(own, _)| *own == name).map(|(_, number)| *number);
            let own = || config.namespace(name).map_or(0, |own| OWN_NAMESPACES + u32::from(own.id.number()));
            known.unwrap_or_else(own)
        };
        let of = |(name, count): (&std::sync::Arc<str>, &u64)| OfNamespace {
            namespace_id: number(name),
            profiles_matched_so_far: *count,
        };
        let undecided = seen.overflowed + seen.over_budget + seen.truncated;
        let description = match undecided {
            0 => String::new(),
            undecided => format!("for {undecided} profiles there is no answer within the bounds of rules"),
        };
        Self {
            estimated_size: seen.count,
            num_rows_to_read: seen.total,
            estimated_namespace_distribution: seen.namespaces.iter().map(of).collect(),
            state: READY,
            profiles_read_so_far: seen.examined,
            standard_error: standard_error(seen),
            error: json!({ "description": description, "traceback": "" }),
            profiles_matched_so_far: seen.matched,
            total_rows: seen.total,
            confidence_interval: "95%",
            links: json!({ "preview": link }),
        }
    }
}

/// That of a share of a sample, brought to all.
fn standard_error(seen: &Seen) -> f64 {
    if seen.examined >= seen.total || seen.examined == 0 {
        return 0.0;
    }
    let (examined, total) = (seen.examined as f64, seen.total as f64);
    let share = seen.matched as f64 / examined;
    let error = total * (share * (1.0 - share) / examined).sqrt();
    (error * 100.0).round() / 100.0
}

pub(super) fn example_made() -> Json {
    let id = "4a45e853-ac91-4bb7-a426-150937b6af5c";
    json!(Made::new(id.to_owned()))
}

pub(super) fn example_preview() -> Json {
    json!({
        "results": [{ "BVrinvented": {
            "_href": "https://cdp.shop.example/data/core/ups/access/entities?schema.name=_xdm.context.profile&entityId=BVrinvented",
            "endCustomerIds": { "email": {
                "code": "email", "id": "ada@example.org",
                "_href": "https://cdp.shop.example/data/core/ups/access/entities?schema.name=_xdm.context.profile&entityId=BVrinvented"
            } }
        } }],
        "page": { "offset": 0, "size": 1 }, "link": { "next": "" }, "state": READY
    })
}

pub(super) fn example_estimate() -> Json {
    json!({
        "estimatedSize": 1, "numRowsToRead": 20, "estimatedNamespaceDistribution": [{ "namespaceId": 6, "profilesMatchedSoFar": 1 }],
        "state": READY, "profilesReadSoFar": 20, "standardError": 0.0, "error": { "description": "", "traceback": "" },
        "profilesMatchedSoFar": 1, "totalRows": 20, "confidenceInterval": "95%",
        "_links": { "preview": "https://cdp.shop.example/data/core/ups/preview/MDoyOjRhNDVlODUzLWFjOTEtNGJiNy1hNDI2LTE1MDkzN2I2YWY1Yzow" }
    })
}
