//! What is sent of computed attributes of the first generation, and what is answered.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tessera_expr::plan::Attributes;
use tessera_service::workspace_config::{RuleKind, StoredConfig, StoredRule, Target};
use utoipa::ToSchema;

use crate::computed_attributes::{Beside, RULE, UNION, beside, defined_on, id_of};
use crate::enter::{Asked, Sandbox};
use crate::objects::{EVENT, PROFILE, Schema, seconds};
use crate::pql::{self, Expression};

/// The union schema of events.
const UNION_OF_EVENTS: &str = "https://ns.adobe.com/xdm/context/experienceevent__union";

/// A computed attribute as it is sent.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AdobeFirstComputedAttributeBody)]
pub(super) struct Body {
    /// The name of its field.
    #[serde(default)]
    pub(super) name: Option<String>,
    /// Where the field stands, as in `_acme.stats`.
    #[serde(default)]
    pub(super) path: Option<String>,
    /// What people say of it.
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) expression: Option<Expression>,
    /// `_xdm.context.profile`, or `_xdm.context.experienceevent`: then it is written into events, of which its names are; `$1` is the profile.
    #[serde(default)]
    pub(super) schema: Option<Schema>,
}

/// An operation on one.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AdobeFirstOperation)]
pub(super) struct Operation {
    /// `add` or `replace`.
    pub(super) op: String,
    /// `/expression` or `/description`.
    pub(super) path: String,
    /// The expression, or the text.
    pub(super) value: Json,
}

/// A computed attribute.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdobeFirstComputedAttribute)]
pub(super) struct ComputedAttribute {
    id: String,
    ims_org_id: String,
    sandbox: Sandbox,
    name: String,
    path: String,
    /// The path, name by name.
    position_path: Vec<String>,
    description: String,
    expression: Expression,
    schema: Schema,
    #[schema(value_type = Object)]
    return_schema: Json,
    #[schema(value_type = Vec<Object>)]
    defined_on: Json,
    encoded_defined_on: String,
    /// The ids of the computed attributes that it asks for.
    dependencies: Vec<String>,
    /// The ids of the computed attributes and segment definitions that ask for it.
    dependents: Vec<String>,
    active: bool,
    #[schema(value_type = Object)]
    evaluation_info: Json,
    /// `ComputedAttribute`.
    #[serde(rename = "type")]
    #[schema(rename = "type")]
    kind: &'static str,
    /// Seconds.
    create_epoch: i64,
    /// Seconds.
    update_epoch: i64,
}

/// All computed attributes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdobeFirstComputedAttributes)]
pub(super) struct ComputedAttributes {
    #[serde(rename = "_page")]
    #[schema(rename = "_page")]
    page: Page,
    children: Vec<ComputedAttribute>,
    #[serde(rename = "_links")]
    #[schema(rename = "_links", value_type = Object)]
    links: Json,
}

/// How many there are.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdobeFirstPage)]
struct Page {
    total_count: usize,
    page_size: usize,
}

impl ComputedAttributes {
    pub(super) fn new(children: Vec<ComputedAttribute>) -> Self {
        let page = Page { total_count: children.len(), page_size: children.len() };
        Self { page, children, links: json!({ "next": {} }) }
    }
}

/// A computed attribute as answers show it; none where it has no place.
pub(super) fn shown(config: &StoredConfig, asked: &Asked, rule: &StoredRule, own: Beside) -> Option<ComputedAttribute> {
    let (name, path) = own.place.as_ref()?.split_last()?;
    let places = pql::places(config, &asked.org);
    let (class, union) = match rule.definition().into {
        Target::Profiles => (PROFILE, UNION),
        Target::Events => (EVENT, UNION_OF_EVENTS),
    };
    let expression = pql::told(rule.definition(), Some((&own.sent, own.read_as.as_str())), &places);
    Some(ComputedAttribute {
        id: own.id.clone(),
        ims_org_id: asked.org.clone(),
        sandbox: asked.sandbox.clone(),
        name: name.clone(),
        path: path.join("."),
        position_path: path.to_vec(),
        description: rule.description.as_deref().unwrap_or_default().to_owned(),
        expression,
        schema: Schema { name: class.to_owned() },
        return_schema: json!({ "meta:xdmType": own.gives }),
        defined_on: defined_on(union),
        encoded_defined_on: URL_SAFE_NO_PAD.encode(union),
        dependencies: dependencies(config, asked, rule),
        dependents: dependents(config, asked, rule),
        active: rule.next().or(rule.live()).is_some(),
        evaluation_info: evaluation(),
        kind: "ComputedAttribute",
        create_epoch: seconds(rule.created_at),
        update_epoch: seconds(rule.updated_at),
    })
}

/// What is said is seen at once: neither in batches nor on the edge.
fn evaluation() -> Json {
    json!({ "batch": { "enabled": false }, "continuous": { "enabled": true }, "synchronous": { "enabled": false } })
}

fn dependencies(config: &StoredConfig, asked: &Asked, rule: &StoredRule) -> Vec<String> {
    let all = config.rules().of(RULE);
    let named: Vec<_> = match &rule.definition().rule.plan().attributes {
        Attributes::All => all.keys().collect(),
        Attributes::At(paths) => all
            .keys()
            .filter(|name| paths.iter().any(|path| path.first().is_some_and(|own| **own == *name.as_str())))
            .collect(),
    };
    let others = named.into_iter().filter(|name| **name != rule.name);
    others.map(|name| id_of(asked.workspace(), name, beside(config, name.as_str()).as_ref())).collect()
}

fn dependents(config: &StoredConfig, asked: &Asked, rule: &StoredRule) -> Vec<String> {
    let shows = config.shows_rules(asked.entered.visibility());
    let asking = config.rules().asking(RULE, &rule.name).into_iter().filter(|(kind, name)| shows(*kind, name.as_str()));
    asking
        .map(|(kind, name)| match kind {
            RuleKind::Attribute => id_of(asked.workspace(), &name, beside(config, name.as_str()).as_ref()),
            RuleKind::Segment => name.to_string(),
        })
        .collect()
}

pub(super) fn example_body() -> Json {
    json!({
        "name": "averageSpend", "path": "_acme.purchaseSummary", "description": "What is spent by purchase",
        "expression": { "type": "PQL", "format": "pql/text", "value": "xEvent.sum(commerce.order.priceTotal) / xEvent[eventType = \"commerce.purchases\"].count()" },
        "schema": { "name": PROFILE }
    })
}

pub(super) fn example() -> Json {
    let mut attribute = example_body();
    for (name, value) in [
        ("id", json!("2afcf410-450e-4a39-984d-2de99ab58877")),
        ("imsOrgId", json!("default@AdobeOrg")),
        ("sandbox", crate::objects::example_sandbox()),
        ("positionPath", json!(["_acme", "purchaseSummary"])),
        ("returnSchema", json!({ "meta:xdmType": "number" })),
        ("definedOn", defined_on(UNION)),
        ("encodedDefinedOn", json!(URL_SAFE_NO_PAD.encode(UNION))),
        ("dependencies", json!([])),
        ("dependents", json!([])),
        ("active", json!(true)),
        ("evaluationInfo", evaluation()),
        ("type", json!("ComputedAttribute")),
        ("createEpoch", json!(1_769_853_600)),
        ("updateEpoch", json!(1_769_853_600)),
    ] {
        attribute[name] = value;
    }
    attribute
}
