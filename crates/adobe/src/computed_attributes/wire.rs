//! What is sent of computed attributes, and what is answered (spec/adobe.md section 6.1).

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tessera_service::clock::format_timestamp;
use tessera_service::jobs::State;
use tessera_service::segments::ShownRule;
use tessera_service::workspace_config::Status;
use utoipa::ToSchema;

use super::kept::{Beside, id_of, tenant};
use super::shape::{Duration, folded, function};
use crate::enter::Asked;
use crate::objects::{PROFILE, Schema, millis};
use crate::pql::{Expression, Places, told};

/// A computed attribute as it is sent.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = AdobeComputedAttributeBody)]
pub(super) struct Body {
    /// Letters and digits; no other has it.
    #[serde(default)]
    pub(super) name: Option<String>,
    /// What people call it.
    #[serde(default)]
    pub(super) display_name: Option<String>,
    /// What people say of it.
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) expression: Option<Expression>,
    #[serde(default)]
    pub(super) duration: Option<Duration>,
    /// Whether the window is of whole weeks or months of the calendar and what there is of the present one.
    #[serde(default)]
    pub(super) keep_current: Option<bool>,
    /// `DRAFT` or `NEW`; of one that is there, `DISABLED` as well.
    #[serde(default)]
    pub(super) status: Option<Said>,
    /// Of a change of one whose id does not stand in the path.
    #[serde(default)]
    pub(super) id: Option<String>,
}

/// A status as it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = AdobeComputedAttributeSaid)]
pub(super) enum Said {
    Draft,
    New,
    Disabled,
}

/// Where a computed attribute stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = AdobeComputedAttributeStatus)]
pub(super) enum Life {
    /// It is kept, and nobody evaluates it.
    Draft,
    /// It is published, and waits to be brought to everybody.
    New,
    /// It begins to be.
    Initializing,
    /// It is being brought to everybody.
    Processing,
    /// Profiles have it.
    Processed,
    /// What would bring it has failed.
    Failed,
    /// It was taken out of use.
    Disabled,
}

impl Life {
    /// That of a rule.
    pub(super) fn of(shown: &ShownRule) -> Self {
        match (shown.rule.status(), shown.job.as_ref()) {
            (Status::Draft, _) => Self::Draft,
            (Status::Archived, _) => Self::Disabled,
            (Status::Active, _) => Self::Processed,
            (Status::Building, None) => Self::New,
            (Status::Building, Some(job)) => match job.state {
                State::Queued => Self::New,
                State::Failed { .. } | State::Cancelled { .. } => Self::Failed,
                _ if job.progress.done == 0 => Self::Initializing,
                _ => Self::Processing,
            },
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::New => "NEW",
            Self::Initializing => "INITIALIZING",
            Self::Processing => "PROCESSING",
            Self::Processed => "PROCESSED",
            Self::Failed => "FAILED",
            Self::Disabled => "DISABLED",
        }
    }
}

/// A computed attribute.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdobeComputedAttribute)]
pub(super) struct ComputedAttribute {
    pub(super) id: String,
    /// `ComputedAttribute`.
    #[serde(rename = "type")]
    #[schema(rename = "type")]
    kind: &'static str,
    pub(super) name: String,
    display_name: String,
    description: String,
    ims_org_id: String,
    /// With `isDefault` where one is answered, with `default` in a list.
    #[schema(value_type = Object)]
    sandbox: Json,
    path: String,
    position_path: Vec<String>,
    keep_current: bool,
    expression: Expression,
    pub(super) merge_function: MergeFunction,
    pub(super) status: Life,
    schema: Schema,
    /// None for one that was made elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<Duration>,
    /// When it was evaluated: where it is read; empty before profiles have it.
    last_evaluation_ts: String,
    #[schema(value_type = Object)]
    return_schema: Json,
    #[schema(value_type = Vec<Object>)]
    defined_on: Json,
    /// Milliseconds.
    pub(super) create_epoch: i64,
    /// Milliseconds.
    pub(super) update_epoch: i64,
    /// The id of the key; empty for one that was made elsewhere.
    created_by: String,
}

/// What is computed of events.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = AdobeMergeFunction)]
pub(super) struct MergeFunction {
    /// `SUM`, `COUNT`, `MIN`, `MAX`, `MOST_RECENT`, `LIST`, or `-` for anything else.
    pub(super) value: &'static str,
}

/// A page of computed attributes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdobeComputedAttributes)]
pub(super) struct ComputedAttributes {
    #[serde(rename = "_links")]
    #[schema(rename = "_links", value_type = Object)]
    pub(super) links: Json,
    pub(super) computed_attributes: Vec<ComputedAttribute>,
    #[serde(rename = "_page")]
    #[schema(rename = "_page")]
    pub(super) page: Page,
}

/// Where a page stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdobeComputedAttributesPage)]
pub(super) struct Page {
    pub(super) offset: usize,
    pub(super) limit: usize,
    pub(super) count: usize,
    pub(super) total_count: usize,
}

/// The union schema of profiles.
pub(crate) const UNION: &str = "https://ns.adobe.com/xdm/context/profile__union";

/// The union schema that something is of.
pub(crate) fn defined_on(union: &str) -> Json {
    json!([{ "meta:resourceType": "unions", "meta:containerId": "tenant", "$ref": union }])
}

/// Where something is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Alone,
    Listed,
}

/// A computed attribute as answers show it.
pub(super) fn shown(
    rule: &ShownRule,
    beside: Option<&Beside>,
    (asked, places): (&Asked, &Places),
    at: tessera_engine::time::Timestamp,
    form: Shown,
) -> ComputedAttribute {
    let own = &rule.rule;
    let definition = own.definition();
    let life = Life::of(rule);
    let expression = expression(told(definition, beside.map(|own| (&own.sent, own.read_as.as_str())), places), beside);
    let tenant = tenant(&asked.org);
    let mut sandbox = json!(*asked.sandbox);
    if form == Shown::Alone
        && let Some(members) = sandbox.as_object_mut()
        && let Some(is_default) = members.remove("default")
    {
        members.insert("isDefault".to_owned(), is_default);
    }
    let evaluated = (life == Life::Processed).then(|| format_timestamp(at).trim_end_matches('Z').to_owned());
    ComputedAttribute {
        id: id_of(asked.workspace(), &own.name, beside),
        kind: "ComputedAttribute",
        name: name(own.name.as_str(), beside),
        display_name: own.display_name.as_deref().unwrap_or(own.name.as_str()).to_owned(),
        description: own.description.as_deref().unwrap_or_default().to_owned(),
        ims_org_id: asked.org.clone(),
        sandbox,
        path: format!("{tenant}/ComputedAttributes"),
        position_path: vec![tenant, "ComputedAttributes".to_owned()],
        keep_current: beside.is_some_and(|beside| beside.keep_current),
        expression,
        merge_function: MergeFunction {
            value: function(definition.rule.source()).map_or("-", |(function, _)| function.name()),
        },
        status: life,
        schema: Schema { name: PROFILE.to_owned() },
        duration: beside.and_then(|beside| beside.duration),
        last_evaluation_ts: evaluated.unwrap_or_default(),
        return_schema: json!({ "meta:xdmType": beside.map_or("any", |beside| beside.gives.as_str()) }),
        defined_on: defined_on(UNION),
        create_epoch: beside.map_or_else(|| millis(own.created_at), |beside| beside.created_millis),
        update_epoch: millis(own.updated_at),
        created_by: beside.map(|beside| beside.created_by.clone()).unwrap_or_default(),
    }
}

/// What a computed attribute is called: a name that begins with a digit has something before it here.
pub(super) fn name(own: &str, beside: Option<&Beside>) -> String {
    if beside.is_some() { own.trim_start_matches('_').to_owned() } else { own.to_owned() }
}

/// An expression with the window that it is evaluated in.
fn expression(told: Expression, beside: Option<&Beside>) -> Expression {
    let window = beside.and_then(|beside| beside.duration?.window(beside.keep_current).ok());
    match (told.as_text(), window) {
        (Some(text), Some(window)) => folded(text, &window).map_or_else(|_| told.clone(), Expression::text),
        _ => told,
    }
}

pub(super) const EXAMPLE_ID: &str = "77aa3b1e-0c52-4a7e-9b0d-5f2d6c1e8a44";

pub(super) fn example_body() -> Json {
    json!({
        "name": "orderTotal7d", "displayName": "Order total of 7 days", "description": "What was paid in the last 7 days",
        "expression": { "type": "PQL", "format": "pql/text", "value": "xEvent[eventType = \"commerce.purchases\"].sum(commerce.order.priceTotal)" },
        "keepCurrent": false, "duration": { "count": 7, "unit": "DAYS" }, "status": "DRAFT"
    })
}

pub(super) fn example() -> Json {
    let mut attribute = example_body();
    let window = "xEvent[eventType = \"commerce.purchases\" and (timestamp occurs <= 7 days before now)].sum(commerce.order.priceTotal)";
    attribute["expression"]["value"] = window.into();
    let mut sandbox = crate::objects::example_sandbox();
    if let Some(members) = sandbox.as_object_mut() {
        members.remove("default");
        members.insert("isDefault".to_owned(), json!(true));
    }
    for (name, value) in [
        ("id", json!(EXAMPLE_ID)),
        ("type", json!("ComputedAttribute")),
        ("imsOrgId", json!("default@AdobeOrg")),
        ("sandbox", sandbox),
        ("path", json!("_default/ComputedAttributes")),
        ("positionPath", json!(["_default", "ComputedAttributes"])),
        ("mergeFunction", json!({ "value": "SUM" })),
        ("schema", json!({ "name": PROFILE })),
        ("lastEvaluationTs", json!("")),
        ("returnSchema", json!({ "meta:xdmType": "any" })),
        ("definedOn", defined_on(UNION)),
        ("createEpoch", json!(1_769_853_600_000_i64)),
        ("updateEpoch", json!(1_769_853_600_000_i64)),
        ("createdBy", json!("019a0f3e5b2c7d41e0a8f5c2")),
    ] {
        attribute[name] = value;
    }
    attribute
}
