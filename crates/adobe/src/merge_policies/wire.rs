//! What is sent of merge policies, and what is answered (spec/adobe.md section 5.1).

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tessera_engine::policy::{AttributeMerge, IdentityGraph};
use utoipa::ToSchema;

use super::kept::Found;
use crate::enter::Sandbox;
use crate::objects::Schema;

/// How an identity graph is spelled: that of the whole person.
pub(super) const GRAPH: &str = "pdg";
/// The requested identity alone.
pub(super) const NO_GRAPH: &str = "none";
/// The newest value wins.
pub(super) const NEWEST: &str = "timestampOrdered";
/// The value of the dataset wins that stands first.
pub(super) const PRECEDENCE: &str = "dataSetPrecedence";

/// Which identities of a person count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AdobeIdentityGraph)]
pub(super) struct Graph {
    /// `pdg` for all of the person, `none` for the requested one.
    #[serde(rename = "type")]
    #[schema(rename = "type")]
    pub(super) kind: String,
}

/// Which value wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AdobeAttributeMerge)]
pub(super) struct Merge {
    /// `timestampOrdered` for the newest, `dataSetPrecedence` for that of the dataset that stands first.
    #[serde(rename = "type")]
    #[schema(rename = "type")]
    pub(super) kind: String,
    /// The ids of datasets, the first one first; others take no part. Only with `dataSetPrecedence`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) order: Option<Vec<String>>,
}

/// A merge policy as it is sent. What is answered beside these is passed over.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = AdobeMergePolicyBody)]
pub(super) struct MergePolicyBody {
    /// What people call it, 1 to 100 printable characters.
    #[serde(default)]
    pub(super) name: Option<String>,
    /// `_xdm.context.profile` or `_xdm.context.account`.
    #[serde(default)]
    pub(super) schema: Option<Schema>,
    #[serde(default)]
    pub(super) identity_graph: Option<Graph>,
    #[serde(default)]
    pub(super) attribute_merge: Option<Merge>,
    /// Whether it is the one that is active on the edge.
    #[serde(default)]
    pub(super) is_active_on_edge: Option<bool>,
    /// Whether reads take it that name none.
    #[serde(default)]
    pub(super) default: Option<bool>,
    #[serde(default, rename = "id")]
    #[schema(ignore)]
    pub(super) _id: Option<Json>,
    #[serde(default, rename = "imsOrgId")]
    #[schema(ignore)]
    pub(super) _ims_org_id: Option<Json>,
    #[serde(default, rename = "sandbox")]
    #[schema(ignore)]
    pub(super) _sandbox: Option<Json>,
    #[serde(default, rename = "version")]
    #[schema(ignore)]
    pub(super) _version: Option<Json>,
    #[serde(default, rename = "updateEpoch")]
    #[schema(ignore)]
    pub(super) _update_epoch: Option<Json>,
}

/// A merge policy.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdobeMergePolicy)]
pub(super) struct MergePolicy {
    pub(super) id: String,
    pub(super) name: String,
    ims_org_id: String,
    sandbox: Sandbox,
    pub(super) schema: Schema,
    /// 1 when it is made; each change makes the next.
    pub(super) version: u64,
    pub(super) identity_graph: Graph,
    pub(super) attribute_merge: Merge,
    pub(super) is_active_on_edge: bool,
    pub(super) default: bool,
    /// Seconds. The one that is built in has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    update_epoch: Option<i64>,
}

/// A page of merge policies.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdobeMergePolicies)]
pub(super) struct MergePolicies {
    #[serde(rename = "_page")]
    #[schema(rename = "_page")]
    pub(super) page: Page,
    pub(super) children: Vec<MergePolicy>,
    #[serde(rename = "_links")]
    #[schema(rename = "_links")]
    pub(super) links: Links,
}

/// Where a page stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdobeMergePoliciesPage)]
pub(super) struct Page {
    /// How many there are in all.
    pub(super) total_count: usize,
    /// How many are on this page.
    pub(super) page_size: usize,
    /// The same.
    pub(super) count: usize,
    /// `start` of the next page; empty on the last.
    pub(super) next: String,
}

/// What leads on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdobeNextLink)]
pub(super) struct Links {
    pub(super) next: Href,
}

/// An address.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdobeHref)]
pub(super) struct Href {
    /// Empty on the last page. What stands behind its `?` is the query of the next one.
    pub(super) href: String,
}

/// A merge policy as answers show it.
pub(super) fn shown(found: &Found, org: &str, sandbox: &Sandbox) -> MergePolicy {
    let policy = &found.policy.content.policy;
    MergePolicy {
        id: found.id.clone(),
        name: found.policy.content.name.as_str().to_owned(),
        ims_org_id: org.to_owned(),
        sandbox: sandbox.clone(),
        schema: Schema { name: found.class.name().to_owned() },
        version: found.policy.version,
        identity_graph: graph(policy.graph()),
        attribute_merge: merge(policy.merge()),
        is_active_on_edge: found.on_edge,
        default: found.is_default,
        update_epoch: found.updated_at().map(crate::objects::seconds),
    }
}

pub(super) fn graph(graph: IdentityGraph) -> Graph {
    let kind = match graph {
        IdentityGraph::Full => GRAPH,
        IdentityGraph::None => NO_GRAPH,
    };
    Graph { kind: kind.to_owned() }
}

pub(super) fn merge(merge: &AttributeMerge) -> Merge {
    match merge {
        AttributeMerge::Newest => Merge { kind: NEWEST.to_owned(), order: None },
        AttributeMerge::Precedence(order) => {
            Merge { kind: PRECEDENCE.to_owned(), order: Some(order.iter().map(|own| (**own).to_owned()).collect()) }
        }
    }
}

pub(super) const EXAMPLE_ID: &str = "5d0c4a4e-7e55-4f0f-8f31-61f0a52f9b10";

pub(super) fn example_body() -> Json {
    json!({
        "name": "CRM first", "schema": { "name": "_xdm.context.profile" }, "identityGraph": { "type": "pdg" },
        "attributeMerge": { "type": "dataSetPrecedence", "order": ["65f0aa10c2d34e28b1907701"] }, "isActiveOnEdge": false, "default": false
    })
}

pub(super) fn example() -> Json {
    let mut policy = example_body();
    for (name, value) in [
        ("id", json!(EXAMPLE_ID)),
        ("imsOrgId", json!("default@AdobeOrg")),
        ("sandbox", crate::objects::example_sandbox()),
        ("version", json!(1)),
        ("updateEpoch", json!(1_769_853_600)),
    ] {
        policy[name] = value;
    }
    policy
}
