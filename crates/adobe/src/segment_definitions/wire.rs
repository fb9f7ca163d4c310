//! What is sent of segment definitions, and what is answered (spec/adobe.md section 12.1).

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tessera_engine::config::Kind;
use tessera_expr::pql::print;
use tessera_service::error::Error;
use tessera_service::workspace_config::{Status, StoredConfig, StoredRule};
use utoipa::ToSchema;

use super::RULE;
use crate::enter::{Asked, Sandbox};
use crate::merge_policies::{self, Class};
use crate::objects::{PROFILE, Schema, expected, millis, missing, seconds};
use crate::pql::{Expression, NODES, Places, told};

/// What is kept of a segment beside it, by its name.
pub(super) const KIND: &str = "adobe.segment_definition";
/// What the ids of classes begin with.
const CLASS_IDS: &str = "https://ns.adobe.com/xdm/context/";

/// A class of schemas, by its name or its id.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AdobeSchemaReference)]
pub(super) struct SchemaReference {
    /// As in `_xdm.context.profile`.
    #[serde(default)]
    name: Option<String>,
    /// As in `https://ns.adobe.com/xdm/context/profile`.
    #[serde(default)]
    id: Option<String>,
}

impl SchemaReference {
    /// The class that it names.
    ///
    /// # Errors
    /// `member_invalid`.
    pub(super) fn class(&self) -> Result<Class, Error> {
        let by_id = self.id.as_deref().and_then(|id| id.strip_prefix(CLASS_IDS));
        let by_id = by_id.map(|name| format!("_xdm.context.{}", name.trim_end_matches("__union")));
        Class::parse(self.name.as_deref().or(by_id.as_deref()).unwrap_or_default())
    }
}

/// Whether something is so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AdobeEnabled)]
pub(super) struct Enabled {
    #[serde(default)]
    enabled: bool,
}

/// How a segment definition is evaluated; one of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AdobeEvaluationInfo)]
pub(super) struct Evaluation {
    #[serde(default)]
    pub(super) batch: Enabled,
    #[serde(default)]
    pub(super) continuous: Enabled,
    #[serde(default)]
    pub(super) synchronous: Enabled,
}

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Batch,
    Continuous,
    Synchronous,
}

impl Evaluation {
    fn of(way: Way) -> Self {
        let enabled = |own: Way| Enabled { enabled: own == way };
        Self {
            batch: enabled(Way::Batch),
            continuous: enabled(Way::Continuous),
            synchronous: enabled(Way::Synchronous),
        }
    }

    /// Which way it says; in batches where it says none.
    ///
    /// # Errors
    /// `member_invalid` where it says several.
    pub(super) fn way(self) -> Result<Way, Error> {
        match (self.batch.enabled, self.continuous.enabled, self.synchronous.enabled) {
            (_, false, false) => Ok(Way::Batch),
            (false, true, false) => Ok(Way::Continuous),
            (false, false, true) => Ok(Way::Synchronous),
            _ => Err(expected("evaluationInfo", "one of batch, continuous and synchronous that is enabled")),
        }
    }

    /// Whether it says this.
    pub(super) fn says(self, way: Way) -> bool {
        self.way().is_ok_and(|own| own == way)
    }
}

/// A segment definition as it is sent. What is answered beside these is passed over.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = AdobeSegmentDefinitionBody)]
pub(super) struct Body {
    /// What people call it; no other has it.
    #[serde(default)]
    pub(super) name: Option<String>,
    /// What people say of it.
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) schema: Option<SchemaReference>,
    #[serde(default)]
    pub(super) expression: Option<Expression>,
    /// The default one of the class where it is left out.
    #[serde(default)]
    pub(super) merge_policy_id: Option<String>,
    #[serde(default)]
    pub(super) evaluation_info: Option<Evaluation>,
    /// `ups`.
    #[serde(default)]
    pub(super) profile_instance_id: Option<String>,
    /// Kept and told.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub(super) data_governance_policy: Option<Json>,
    /// Kept and told.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(super) payload_schema: Option<Json>,
    /// Kept and told.
    #[serde(default)]
    pub(super) ttl_in_days: Option<u32>,
    #[serde(default, rename = "id")]
    #[schema(ignore)]
    _id: Option<Json>,
    #[serde(default, rename = "imsOrgId")]
    #[schema(ignore)]
    _ims_org_id: Option<Json>,
    #[serde(default, rename = "sandbox")]
    #[schema(ignore)]
    _sandbox: Option<Json>,
    #[serde(default, rename = "creationTime")]
    #[schema(ignore)]
    _creation_time: Option<Json>,
    #[serde(default, rename = "baselineTime")]
    #[schema(ignore)]
    _baseline_time: Option<Json>,
    #[serde(default, rename = "updateTime")]
    #[schema(ignore)]
    _update_time: Option<Json>,
    #[serde(default, rename = "updateEpoch")]
    #[schema(ignore)]
    _update_epoch: Option<Json>,
}

/// What is kept beside a segment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Beside {
    /// The condition as it was sent.
    pub(super) sent: Expression,
    /// What it was read as ([`read_as`](crate::pql::read_as)).
    pub(super) read_as: String,
    pub(super) evaluation: Evaluation,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) data_governance_policy: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) payload_schema: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ttl_in_days: Option<u32>,
}

/// A segment definition.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdobeSegmentDefinition)]
pub(super) struct SegmentDefinition {
    pub(super) id: String,
    schema: Schema,
    /// `ups`.
    profile_instance_id: &'static str,
    ims_org_id: String,
    sandbox: Sandbox,
    pub(super) name: String,
    description: String,
    expression: Expression,
    merge_policy_id: String,
    pub(super) evaluation_info: Evaluation,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    data_governance_policy: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    payload_schema: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_in_days: Option<u32>,
    /// Milliseconds.
    pub(super) creation_time: i64,
    /// Milliseconds.
    pub(super) update_time: i64,
    /// Seconds.
    pub(super) update_epoch: i64,
}

/// A page of segment definitions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdobeSegmentDefinitions)]
pub(super) struct SegmentDefinitions {
    pub(super) segments: Vec<SegmentDefinition>,
    pub(super) page: Page,
    /// `next` has the query of the next page, where there is one.
    #[schema(value_type = Object)]
    pub(super) link: Json,
}

/// Where a page stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdobeSegmentDefinitionsPage)]
pub(super) struct Page {
    pub(super) total_count: usize,
    pub(super) total_pages: usize,
    pub(super) sort_field: &'static str,
    pub(super) sort: &'static str,
    pub(super) page_size: usize,
    pub(super) limit: usize,
}

/// All segments that run.
pub(super) fn all(config: &StoredConfig) -> impl Iterator<Item = &StoredRule> {
    let runs = |rule: &&StoredRule| matches!(rule.status(), Status::Building | Status::Active);
    config.rules().of(RULE).values().map(|rule| &**rule).filter(runs)
}

/// What is kept beside a segment.
pub(super) fn beside(config: &StoredConfig, name: &str) -> Option<Beside> {
    config.objects().get(KIND, name).and_then(|json| serde_json::from_str(json).ok())
}

/// A segment definition as answers show it.
pub(super) fn shown(rule: &StoredRule, config: &StoredConfig, asked: &Asked, places: &Places) -> SegmentDefinition {
    let (definition, own) = (rule.definition(), beside(config, rule.name.as_str()));
    let class = if definition.of == Kind::Account { Class::Account } else { Class::Profile };
    SegmentDefinition {
        id: rule.name.to_string(),
        schema: Schema { name: class.name().to_owned() },
        profile_instance_id: "ups",
        ims_org_id: asked.org.clone(),
        sandbox: asked.sandbox.clone(),
        name: rule.display_name.as_deref().unwrap_or(rule.name.as_str()).to_owned(),
        description: rule.description.as_deref().unwrap_or_default().to_owned(),
        expression: told(definition, own.as_ref().map(|own| (&own.sent, own.read_as.as_str())), places),
        merge_policy_id: merge_policies::told(config, asked.workspace(), class, definition.merge_policy.as_ref()),
        // What was made elsewhere is evaluated as it comes.
        evaluation_info: own.as_ref().map_or_else(|| Evaluation::of(Way::Continuous), |own| own.evaluation),
        data_governance_policy: own.as_ref().and_then(|own| own.data_governance_policy.clone()),
        payload_schema: own.as_ref().and_then(|own| own.payload_schema.clone()),
        ttl_in_days: own.and_then(|own| own.ttl_in_days),
        creation_time: millis(rule.created_at),
        update_time: millis(rule.updated_at),
        update_epoch: seconds(rule.updated_at),
    }
}

impl From<Way> for Evaluation {
    fn from(way: Way) -> Self {
        Self::of(way)
    }
}

/// A condition to be written in the other form. What else a segment definition has is passed over.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = AdobeConversion)]
pub(super) struct Conversion {
    /// What people say of it.
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    expression: Option<Expression>,
}

/// A condition in the other form.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdobeConverted)]
pub(super) struct Converted {
    ims_org_id: String,
    sandbox: Sandbox,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    expression: Expression,
}

/// Writes a condition in the other form.
///
/// # Errors
/// As [`Expression::read`].
pub(super) fn converted(sent: Conversion, asked: &Asked) -> Result<Converted, Error> {
    let expression = sent.expression.ok_or_else(|| missing("expression"))?;
    let expr = expression.read()?;
    let expression = if expression.format == NODES { Expression::text(print(&expr)) } else { Expression::nodes(&expr) };
    let (ims_org_id, sandbox) = (asked.org.clone(), asked.sandbox.clone());
    Ok(Converted { ims_org_id, sandbox, description: sent.description, expression })
}

pub(super) const EXAMPLE_ID: &str = "4afe34ae-8c98-4513-8a1d-67ccaa54bc05";

pub(super) fn example_body() -> Json {
    json!({
        "name": "Gold in Germany", "description": "Gold", "schema": { "name": PROFILE }, "profileInstanceId": "ups",
        "expression": { "type": "PQL", "format": "pql/text", "value": "loyalty.tier = \"gold\" and homeAddress.country = \"DE\"" },
        "evaluationInfo": { "batch": { "enabled": false }, "continuous": { "enabled": true }, "synchronous": { "enabled": false } }
    })
}

pub(super) fn example() -> Json {
    let mut definition = example_body();
    for (name, value) in [
        ("id", json!(EXAMPLE_ID)),
        ("imsOrgId", json!("default@AdobeOrg")),
        ("sandbox", crate::objects::example_sandbox()),
        ("mergePolicyId", json!("5d0c4a4e-7e55-4f0f-8f31-61f0a52f9b10")),
        ("creationTime", json!(1_769_853_600_000_i64)),
        ("updateTime", json!(1_769_853_600_000_i64)),
        ("updateEpoch", json!(1_769_853_600)),
    ] {
        definition[name] = value;
    }
    definition
}
