//! Who is in a segment, since when, and why; and what a condition would hold of before it is saved.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::routing::{MethodRouter, get, post};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};
use tessera_engine::rules::Explained;
use tessera_expr::explain::{Leaf, Part};
use tessera_expr::facts::Membership as Stands;
use tessera_expr::rule::Purpose;
use tessera_seam::answer::{Answer, invalid, json as json_answer};
use tessera_seam::app::App;
use tessera_seam::body;
use tessera_seam::bounds::{LIST_DEFAULT, LIST_MAX};
use tessera_seam::extract::{PathParams, Query};
use tessera_seam::route::{Route, Tag};
use tessera_service::Lookup;
use tessera_service::audit::Action;
use tessera_service::clock::format_timestamp;
use tessera_service::directory::{ListQuery, Permission};
use tessera_service::error::{Error, ErrorKind};
use tessera_service::rules::Values;
use tessera_service::segments::OVERLAPS_MAX;
use utoipa::ToSchema;

use super::explain::raw;
use super::profiles::{Named, READ, policy_parameter};
use super::rules;
use super::stored_rules::wire::Of;

/// A condition to look at before it is saved.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SegmentPreviewRequest)]
struct Condition {
    /// The condition as PQL text. It stands in exactly one of `pql`, `pql_json`, `tree`, `filter`.
    #[serde(default)]
    pql: Option<String>,
    /// The condition as a tree of named nodes.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pql_json: Option<Json>,
    /// The condition as a tree of operators.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    tree: Option<Json>,
    /// The condition as a `$filter`.
    #[serde(default)]
    filter: Option<String>,
    /// Where its days begin.
    #[serde(default)]
    time_zone: Option<String>,
    /// The id of a merge policy; the workspace's default one where it is left out.
    #[serde(default)]
    merge_policy: Option<String>,
    /// Of whom the segment would be; `people` where it is left out.
    #[serde(default)]
    of: Option<Of>,
}

/// What a condition would hold of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentPreview)]
struct Preview {
    /// How many profiles; an estimate unless `exact`.
    count: u64,
    /// Whether all profiles were looked at, and had an answer.
    exact: bool,
    /// By how much `count` is off at most, 95 times of 100: 0 where it is exact, null where there was not time for all profiles.
    margin: Option<u64>,
    /// How many were looked at.
    examined: u64,
    /// For how many the condition gave no answer, because an aggregate of it holds more values than it may.
    overflowed: u64,
    /// For how many it took more steps than it may.
    over_budget: u64,
    /// Whether it gave no answer for some profiles because they have more events than rules look at.
    truncated: bool,
    /// What some of them are called.
    sample: Vec<String>,
    /// What is to be said of the condition: advice, for which nothing is refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<rules::Warning>,
}

/// What segments have in common with one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentOverlaps)]
struct Overlaps {
    /// The segment.
    name: String,
    /// Its members.
    count: u64,
    /// The others, in the order in which they were asked for.
    with: Vec<Overlap>,
}

/// What another segment has in common with one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentOverlap)]
struct Overlap {
    /// The other segment.
    name: String,
    /// Its members.
    count: u64,
    /// Those that both have.
    both: u64,
}

/// A page of what a profile has entered and left.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MembershipHistory)]
struct History {
    /// The newest first.
    items: Vec<MembershipChange>,
    /// Where the next page begins; null on the last.
    next_cursor: Option<String>,
    /// On the last page: that there were older ones, which are no longer kept. Of a profile the newest 1,000 are, for 400 days unless the
    /// operator says otherwise.
    older_let_go: bool,
}

/// That a profile came into a segment, or left it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MembershipChange)]
struct MembershipChange {
    /// The segment.
    segment: String,
    /// When: of a write the instant of its commit, of time alone the instant at which it came true.
    at: String,
    /// `entered` or `left`.
    turn: &'static str,
}

/// Why a profile is in a segment or not, or why a computed attribute is what it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExplainedRule)]
struct Why {
    /// What the profile is called.
    profile_id: String,
    /// The segment or computed attribute.
    name: String,
    /// What it comes to now; null where there is no answer.
    #[schema(value_type = Value)]
    value: Option<Box<RawValue>>,
    /// Whether it is a segment of accounts and the profile a person, or the other way round: then the profile is no member, whatever the rule
    /// comes to.
    of_others: bool,
    /// Of a segment, since when the profile is a member.
    entered_at: Option<String>,
    /// Of a segment, when it last left it.
    left_at: Option<String>,
    /// The first instant at which it may be otherwise without anything being said; null if none is known.
    changes_at: Option<String>,
    /// Why there is no answer: `overflowed` (an aggregate holds more values than it may) or `over_budget`, or `truncated` (the profile has
    /// more events than rules look at). The last answer stays.
    incomplete: Option<&'static str>,
    /// The rule, part by part.
    why: Option<WhyPart>,
    /// Whether there are more parts than are shown.
    more: bool,
}

/// A part of a rule: either `joint` with its `parts`, or a leaf with its values.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExplainedPart)]
struct WhyPart {
    /// `and`, `or`, `not`; null of a leaf.
    #[serde(skip_serializing_if = "Option::is_none")]
    joint: Option<&'static str>,
    /// Whether it holds; null of a leaf that is a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    holds: Option<bool>,
    /// The parts that decide.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    parts: Vec<WhyPart>,
    /// What the leaf says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pql: Option<String>,
    /// What a leaf that is a value comes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    value: Option<Box<RawValue>>,
    /// The values that decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<Input>,
    /// When the leaf may come to something else without anything being said.
    #[serde(skip_serializing_if = "Option::is_none")]
    changes_at: Option<String>,
}

/// A value that decided.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExplainedInput)]
struct Input {
    /// What it is.
    pql: String,
    /// The value; left out where it is too large to be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    value: Option<Box<RawValue>>,
    /// Whether it is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    too_large: bool,
}

pub(super) fn routes() -> Vec<Route> {
    let segment = |method, path, handler, summary| Route::new(method, path, READ, handler, Tag::Segments, summary);
    let condition = "xEvent[eventType = \"Order Completed\" and timestamp occurs <= 90 days before now].count() >= 2";
    vec![
        segment(Method::POST, "/v1/segments:preview", post(preview), "Tries a condition on all profiles")
            .audited(Action::Read)
            .describe("Exact in workspaces of up to 20,000 profiles, otherwise estimated from as many of all ages.")
            .body::<Condition>(json!({ "pql": condition }))
            .answer::<Preview>(
                200,
                "What it would hold of.",
                json!({ "count": 421, "exact": true, "margin": 0, "examined": 2357, "overflowed": 0, "over_budget": 0, "truncated": false, "sample": ["019a0f3e5b2c7d41e0a8f5c2"] }),
            ),
        segment(Method::GET, "/v1/segments/{name}/overlap", get(overlap), "Compares a segment with others")
            .segment("name", "The segment.")
            .query(
                "with",
                "Up to 20 others, separated by commas.",
                json!({ "type": "string", "example": "loyal,gold" }),
            )
            .answer::<Overlaps>(
                200,
                "How many members they have in common.",
                json!({ "name": "loyal", "count": 421, "with": [{ "name": "gold", "count": 90, "both": 77 }] }),
            ),
        explanation("/v1/segments/{name}/explain", get(explain_segment), Tag::Segments, "Explains a membership"),
        explanation(
            "/v1/attributes/{name}/explain",
            get(explain_attribute),
            Tag::Attributes,
            "Explains a computed attribute",
        ),
    ]
}

fn explanation(path: &'static str, handler: MethodRouter<Arc<App>>, tag: Tag, summary: &'static str) -> Route {
    let text = json!({ "type": "string" });
    let example = json!({
        "profile_id": "019a0f3e5b2c7d41e0a8f5c2", "name": "loyal", "value": true, "of_others": false, "entered_at": "2026-01-31T10:00:00Z",
        "left_at": null, "changes_at": "2026-04-20T09:00:00.000001Z", "incomplete": null, "more": false,
        "why": {
            "holds": true, "pql": "xEvent[eventType = \"Order Completed\"].count() >= 2",
            "inputs": [{ "pql": "xEvent[eventType = \"Order Completed\"].count()", "value": 3 }],
            "changes_at": "2026-04-20T09:00:00.000001Z"
        }
    });
    policy_parameter(Route::new(Method::GET, path, READ, handler, tag, summary))
        .describe("Every part of the rule with whether it holds, the values that decided, and when it would next change by itself.")
        .segment("name", "Its name.")
        .query("namespace", "The namespace of an identity of the profile; without it `value` is an id.", text.clone())
        .query("value", "The identity's value, or the id of the profile.", text)
        .answer::<Why>(200, "Why it is so.", example)
}

pub(super) fn history_route(path: &'static str, handler: MethodRouter<Arc<App>>) -> Route {
    let turn = json!({ "segment": "loyal", "at": "2026-01-31T10:00:00Z", "turn": "entered" });
    Route::new(Method::GET, path, READ, handler, Tag::Profiles, "Lists what a profile has entered and left")
        .query("limit", "How many.", json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 }))
        .query("cursor", "`next_cursor` of the page before.", json!({ "type": "string" }))
        .answer::<History>(
            200,
            "A page, the newest first.",
            json!({ "items": [turn], "next_cursor": null, "older_let_go": false }),
        )
}

pub(super) fn page(query: &Query) -> Result<ListQuery, Error> {
    Ok(ListQuery { limit: query.limit(LIST_DEFAULT, LIST_MAX)?, cursor: query.get("cursor").map(str::to_owned) })
}

async fn preview(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let body = entered.body(&app, &headers, body).await?;
    let Condition { pql, pql_json, tree, filter, time_zone, merge_policy, of } = body::json(&body)?;
    let spelled = rules::spelled(pql, pql_json, tree, filter)?;
    let zone = rules::zone(time_zone.as_deref())?;
    let model = app.service.rule_model(entered.workspace, entered.visibility()).await?;
    let compiled = rules::compile(&spelled, Purpose::Condition, &model);
    let (rule, _) = compiled.map_err(|problem| rules::refused(&problem, &spelled))?;
    if model.hides_rule(&rule) {
        let message = "the rule reads attributes or events that this key may not see";
        return Err(Error::new(ErrorKind::Forbidden, "rule_reads_hidden", message).into());
    }
    let policy = merge_policy.as_deref();
    let of = of.unwrap_or_default().into();
    let warnings = rules::warnings(&app, entered.workspace, &rule, &model, (policy, Values::Looked)).await?;
    let seen = app.service.preview_segment(entered.workspace, Arc::new(rule), (zone, of), policy).await?;
    let tessera_service::segments::Preview {
        count,
        is_exact,
        margin,
        examined,
        overflowed,
        over_budget,
        truncated,
        sample,
        ..
    } = seen;
    Ok(entered.answer(json_answer(&Preview {
        count,
        exact: is_exact,
        margin,
        examined,
        overflowed,
        over_budget,
        truncated: truncated > 0,
        sample,
        warnings,
    })))
}

async fn overlap(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let with: Vec<String> =
        query.get("with").unwrap_or_default().split(',').map(|name| name.trim().to_owned()).collect();
    if with.iter().any(String::is_empty) || with.len() > OVERLAPS_MAX {
        let message = format!("with is expected to name 1 to {OVERLAPS_MAX} segments, separated by commas");
        return Err(invalid("query_invalid", message).into());
    }
    let overlaps = app.service.segment_overlap(entered.workspace, &name, &with, entered.visibility()).await?;
    let count = app.service.segment_counts(entered.workspace, &name).await?.members;
    let shown = |own: tessera_service::segments::Overlap| Overlap { name: own.name, count: own.count, both: own.both };
    let overlaps = Overlaps { name, count, with: overlaps.into_iter().map(shown).collect() };
    Ok(entered.answer(json_answer(&overlaps)))
}

pub(super) async fn history<N: Named>(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<N>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let query = page(&query)?;
    let page = app.service.membership_history(entered.workspace, &name.lookup(), &query, entered.visibility()).await?;
    let shown = |change: tessera_service::segments::MembershipChange| MembershipChange {
        segment: change.segment,
        at: format_timestamp(change.at),
        turn: if change.is_inside { "entered" } else { "left" },
    };
    let items = page.items.into_iter().map(shown).collect();
    let history = History { items, next_cursor: page.next_cursor, older_let_go: page.older_let_go };
    Ok(entered.answer(json_answer(&history)))
}

async fn explain_segment(app: State<Arc<App>>, name: PathParams<String>, query: Query, headers: HeaderMap) -> Answer {
    explain(false, app, name, query, headers).await
}

async fn explain_attribute(app: State<Arc<App>>, name: PathParams<String>, query: Query, headers: HeaderMap) -> Answer {
    explain(true, app, name, query, headers).await
}

async fn explain(
    is_attribute: bool,
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let Some(value) = query.get("value") else {
        return Err(
            invalid("query_invalid", "value is expected: the id of a profile, or with namespace an identity").into()
        );
    };
    let lookup = match query.get("namespace") {
        Some(namespace) => Lookup::Identity { namespace: namespace.into(), value: value.into() },
        None => Lookup::Id(value.into()),
    };
    let policy = query.get("merge_policy");
    let explained =
        app.service.explain_rule(entered.workspace, &lookup, is_attribute, &name, policy, entered.visibility()).await?;
    Ok(entered.answer(json_answer(&why(name, explained))))
}

fn why(name: String, (profile_id, explained): (String, Explained)) -> Why {
    let (entered_at, left_at) = match explained.membership.map(|own| own.stands) {
        Some(Stands::Inside { entered, left }) => (Some(entered), left),
        Some(Stands::Outside { left }) => (None, left),
        None => (None, None),
    };
    let (value, why, more, incomplete) = match explained.explanation {
        Ok(own) => (Some(raw(&own.value)), Some(part(own.root)), own.is_cut, None),
        Err(trouble) => (None, None, false, Some(trouble.name())),
    };
    Why {
        profile_id,
        name,
        value,
        of_others: explained.is_of_others,
        entered_at: entered_at.map(format_timestamp),
        left_at: left_at.map(format_timestamp),
        changes_at: explained.changes_at.map(format_timestamp),
        incomplete,
        why,
        more,
    }
}

fn part(part: Part) -> WhyPart {
    let bare = WhyPart {
        joint: None,
        holds: None,
        parts: Vec::new(),
        pql: None,
        value: None,
        inputs: Vec::new(),
        changes_at: None,
    };
    match part {
        Part::Node { joint, holds, parts } => WhyPart {
            joint: Some(joint.name()),
            holds: Some(holds),
            parts: parts.into_iter().map(self::part).collect(),
            ..bare
        },
        Part::Leaf(Leaf { pql, value, inputs, changes_at }) => {
            let (holds, value) = match value {
                tessera_engine::value::Value::Bool(holds) => (Some(holds), None),
                value => (None, Some(raw(&value))),
            };
            let input = |(pql, value): (String, Option<tessera_engine::value::Value>)| Input {
                pql,
                too_large: value.is_none(),
                value: value.map(|value| raw(&value)),
            };
            WhyPart {
                holds,
                pql: Some(pql),
                value,
                inputs: inputs.into_iter().map(input).collect(),
                changes_at: changes_at.map(format_timestamp),
                ..bare
            }
        }
    }
}
