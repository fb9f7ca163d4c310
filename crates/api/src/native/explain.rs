//! Why the attributes of a profile are what they are.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use axum::routing::MethodRouter;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use tessera_engine::policy::{Fate, Part, Reason};
use tessera_engine::value::Value;
use tessera_seam::answer::{Answer, json as json_answer};
use tessera_seam::app::App;
use tessera_seam::extract::{PathParams, Query};
use tessera_seam::report::Identity;
use tessera_seam::route::{Route, Tag};
use tessera_service::clock::format_timestamp;
use tessera_service::directory::Permission;
use tessera_service::json::write_value;
use tessera_service::{Explained, ExplainedAttribute, ExplainedContender};
use utoipa::ToSchema;

use super::parse;
use super::policies::wire::IdentityGraph;
use super::profiles::{Named, READ, policy_parameter};

/// Why the attributes of a profile are what they are.
#[derive(Debug, Serialize, ToSchema)]
struct Explanation {
    /// What the profile is called.
    profile_id: String,
    /// The merge policy that chose.
    merge_policy: PolicyVersion,
    /// The attributes that any dataset speaks of, by path.
    attributes: Vec<Attribute>,
}

/// A merge policy as it was when it chose.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyVersion {
    /// Its id.
    id: String,
    /// Its version.
    version: u64,
    /// Whose facts it looks at.
    identity_graph: IdentityGraph,
}

/// One attribute explained.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExplainedAttribute)]
struct Attribute {
    /// Where it stands: its names joined by dots; a dot or a backslash in a name is escaped by a backslash.
    path: String,
    /// What became of it. `stands`: it has a value. `removed`: null won. `ended`: it gave way to `ended_by`. `filled`: an empty
    /// object, and what lies below it stands. `not_listed`: only datasets speak of it that take no part in the policy.
    outcome: &'static str,
    /// Its value, where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    value: Option<Box<RawValue>>,
    /// What decided: `only_one`, `same` (all say it), `newest`, `oldest`, `min`, `max`, `union`, `most_frequent`, `precedence`,
    /// `source_priority`, `bytes` (several were equally good), `removed` (a null is newer than every value).
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The attribute above or below it that it gave way to.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_by: Option<String>,
    /// From when on its value is not relevant, by the data model; in the past where it is no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    relevant_until: Option<String>,
    /// Whether a read leaves it out all the same, since an identifier or a member of the answer has its name.
    hidden: bool,
    /// All that spoke of it, the newest first.
    contenders: Vec<Contender>,
}

/// One value that could have been chosen.
#[derive(Debug, Serialize, ToSchema)]
struct Contender {
    /// The id of its identity.
    node: String,
    /// The identity that it was said of.
    identity: Identity,
    /// What said it.
    #[schema(value_type = String)]
    dataset: Arc<str>,
    /// The named delivery it came in.
    #[schema(value_type = Option<String>)]
    batch: Option<Arc<str>>,
    /// What it says; null removes.
    #[schema(value_type = Value)]
    value: Box<RawValue>,
    /// When it became true.
    time: String,
    /// When it was received.
    received_at: String,
    /// When it will be gone, by the data model.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_until: Option<String>,
    /// `won`, `joined` (part of a union), `lost`, `removed` (by a newer null), `not_listed` (its dataset takes no part).
    part: &'static str,
}

pub(super) fn route(path: &'static str, handler: MethodRouter<Arc<App>>) -> Route {
    let user = json!({ "namespace": "user_id", "value": "7001" });
    let contender = |dataset: &str, value: &str, time: &str, part: &str| {
        json!({
            "node": "019a0f3e5b2c7d41e0a8f5c2", "identity": user, "dataset": dataset, "batch": null, "value": value,
            "time": time, "received_at": "2026-02-01T09:00:00Z", "part": part
        })
    };
    let example = json!({
        "profile_id": "019a0f3e5b2c7d41e0a8f5c2",
        "merge_policy": { "id": "crm-first", "version": 3, "identity_graph": "full" },
        "attributes": [{
            "path": "city", "outcome": "stands", "value": "Paris", "reason": "precedence", "hidden": false,
            "contenders": [
                contender("web", "Lyon", "2026-02-01T08:00:00Z", "lost"),
                contender("crm", "Paris", "2026-01-31T10:00:00Z", "won")
            ]
        }]
    });
    let attribute = json!({ "type": "string", "example": "address.city" });
    let route = Route::new(Method::GET, path, READ, handler, Tag::Profiles, "Explains a profile's attributes")
        .describe("Every value that could have been chosen for each attribute, and why one was. At most 5,000 values.")
        .query("attribute", "Only this attribute and those below it, by its path.", attribute)
        .answer::<Explanation>(200, "The explanation.", example);
    policy_parameter(route)
}

pub(super) async fn explain<N: Named>(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<N>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let attribute = query.get("attribute").map(|path| parse::attribute_path(path, "attribute")).transpose()?;
    let policy = query.get("merge_policy");
    let explained = app
        .service
        .explain(entered.workspace, &name.lookup(), policy, attribute.as_ref(), entered.visibility())
        .await?;
    Ok(entered.answer(render(explained)))
}

fn render(explained: Explained) -> Response {
    let policy = PolicyVersion {
        id: explained.policy.to_string(),
        version: explained.version,
        identity_graph: explained.graph.into(),
    };
    json_answer(&Explanation {
        profile_id: explained.profile_id,
        merge_policy: policy,
        attributes: explained.attributes.into_iter().map(Attribute::from).collect(),
    })
}

impl From<ExplainedAttribute> for Attribute {
    fn from(attribute: ExplainedAttribute) -> Self {
        let (outcome, value, reason, ended_by) = match attribute.fate {
            Fate::Stands { value, reason } => ("stands", Some(raw(&value)), Some(reason), None),
            Fate::Filled => ("filled", None, None, None),
            Fate::Removed { reason } => ("removed", None, Some(reason), None),
            Fate::Ended { by, reason } => ("ended", None, Some(reason), Some(by.to_string())),
            Fate::NotListed => ("not_listed", None, None, None),
        };
        Self {
            path: attribute.path.to_string(),
            outcome,
            value,
            reason: reason.map(reason_name),
            ended_by,
            relevant_until: attribute.relevant_until.map(format_timestamp),
            hidden: attribute.is_hidden,
            contenders: attribute.contenders.into_iter().map(Contender::from).collect(),
        }
    }
}

impl From<ExplainedContender> for Contender {
    fn from(ExplainedContender { identity, contender }: ExplainedContender) -> Self {
        Self {
            node: contender.node.to_string(),
            identity: identity.into(),
            dataset: contender.dataset,
            batch: contender.batch,
            value: raw(&contender.value),
            time: format_timestamp(contender.time),
            received_at: format_timestamp(contender.received_at),
            kept_until: contender.kept_until.map(format_timestamp),
            part: match contender.part {
                Part::Won => "won",
                Part::Joined => "joined",
                Part::Lost => "lost",
                Part::Removed => "removed",
                Part::NotListed => "not_listed",
            },
        }
    }
}

const fn reason_name(reason: Reason) -> &'static str {
    match reason {
        Reason::OnlyOne => "only_one",
        Reason::Same => "same",
        Reason::Newest => "newest",
        Reason::Oldest => "oldest",
        Reason::Min => "min",
        Reason::Max => "max",
        Reason::Union => "union",
        Reason::Operations => "operations",
        Reason::MostFrequent => "most_frequent",
        Reason::Precedence => "precedence",
        Reason::SourcePriority => "source_priority",
        Reason::Bytes => "bytes",
        Reason::Removed => "removed",
    }
}

/// A value in the JSON that a read shows it in.
pub(super) fn raw(value: &Value) -> Box<RawValue> {
    let mut json = Vec::new();
    write_value(value, &mut json);
    let text = String::from_utf8(json).expect("values are written as text");
    RawValue::from_string(text).expect("values are written as json")
}
