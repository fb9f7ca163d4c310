//! Rules before they are anybody's: checked, translated into their one spelling, and tried on a profile.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::routing::post;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use tessera_engine::expr::plan::{Aggregate, Attributes, EventTypes, Kind};
use tessera_engine::expr::pql;
use tessera_engine::expr::problem::{Place, Problem};
use tessera_engine::expr::rule::{Purpose, Rule};
use tessera_service::clock::format_timestamp;
use tessera_service::directory::Permission;
use tessera_service::error::Error;
use tessera_service::rules::Evaluated;
use utoipa::ToSchema;

use super::explain::raw;
use super::parse;
use super::profiles::READ;
use super::wire::ProfileLookup;
use crate::answer::{Answer, invalid, json as json_answer};
use crate::app::App;
use crate::body;
use crate::route::{Route, Tag};

/// A rule to look at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Check {
    /// The rule in PQL.
    pql: String,
    /// `condition`, as a segment asks for it, or `value`, as a computed attribute does.
    #[serde(default = "value")]
    purpose: String,
}

fn value() -> String {
    "value".to_owned()
}

/// What is found about a rule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CheckedRule)]
struct Checked {
    /// Whether it is one.
    valid: bool,
    /// What is wrong with it, where anything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Wrong>,
    /// What it comes down to, where nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<Understood>,
}

/// What is wrong with a rule, and where.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleProblem)]
struct Wrong {
    /// Which rule of the language is broken.
    code: &'static str,
    /// What was expected there.
    expected: String,
    /// What was perhaps meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// The column in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    /// The first byte of what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<u32>,
    /// The byte behind the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<u32>,
}

/// What a rule comes down to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UnderstoodRule)]
struct Understood {
    /// The rule in the one spelling that all of its spellings have.
    pql: String,
    /// What it costs to keep its answer: `constant` (a few numbers for each identity, whatever the history), `bounded` (a bounded
    /// number of values) or `sequence` (a scan of the newest 10,000 events).
    kind: &'static str,
    /// The attributes that it reads, by path; null if it may read any.
    attributes: Option<Vec<String>>,
    /// The types of events that can change its answer; null if any can.
    events: Option<Vec<String>>,
    /// The segments that it asks about.
    segments: Vec<String>,
    /// Whether its answer may change by time alone.
    reads_clock: bool,
    /// The aggregates over events that are kept for it, each in its one spelling.
    aggregates: Vec<String>,
}

/// A rule, and the profile to try it on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Evaluate {
    /// The rule in PQL.
    pql: String,
    /// `condition` or `value`.
    #[serde(default = "value")]
    purpose: String,
    /// The profile.
    profile: ProfileLookup,
    /// The id of a merge policy; the workspace's default one where it is left out.
    #[serde(default)]
    merge_policy: Option<String>,
}

/// What a rule came to for a profile.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EvaluatedRule)]
struct Outcome {
    /// What the profile is called.
    profile_id: String,
    /// The value; of a condition true or false.
    #[schema(value_type = Value)]
    value: Box<RawValue>,
    /// The instant of the evaluation.
    at: String,
    /// The earliest instant after it at which the value may be another although nothing is said of the profile; null if it holds
    /// until then. It may be early, never late.
    changes_at: Option<String>,
    /// How many steps it took; a million are allowed.
    steps: u64,
    /// How many events it could look at: the newest 10,000.
    events: usize,
}

pub(super) fn routes() -> Vec<Route> {
    let pql =
        "xEvent[eventType = \"Order Completed\" and timestamp occurs <= 30 days before now].sum(properties.total)";
    let checked = json!({ "valid": true, "rule": {
        "pql": pql, "kind": "constant", "attributes": [], "events": ["Order Completed"], "segments": [], "reads_clock": true,
        "aggregates": ["sum(properties.total) of eventType = \"Order Completed\" within <= 2592000000 milliseconds"]
    } });
    let evaluated = json!({
        "profile_id": "019a0f3e5b2c7d41e0a8f5c2", "value": 41.5, "at": "2026-02-01T09:00:00Z",
        "changes_at": "2026-03-02T10:00:00.000001Z", "steps": 18, "events": 7
    });
    vec![
        Route::new(Method::POST, "/v1/rules:check", READ, post(check), Tag::Rules, "Checks a rule")
            .describe(
                "A rule that cannot be read is answered as well, with `valid` false: what was expected, where, and a hint. What can is \
                 answered in its one spelling, with all that its answer depends on.",
            )
            .body::<Check>(json!({ "pql": pql }))
            .answer::<Checked>(200, "What is found about the rule.", checked),
        Route::new(Method::POST, "/v1/rules:evaluate", READ, post(evaluate), Tag::Rules, "Tries a rule on a profile")
            .describe(
                "It sees what a read shows at the top: identifiers and attributes under a merge policy; and the newest 10,000 events of \
                 any door as `xEvent`, each with `eventType`, `timestamp`, `properties`, `items`. Nothing is kept of it.",
            )
            .body::<Evaluate>(json!({ "pql": pql, "profile": { "namespace": "user_id", "value": "7001" } }))
            .answer::<Outcome>(200, "What it came to, and until when that holds by itself.", evaluated),
    ]
}

async fn check(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let body = body::read(&app.settings, &headers, body).await?;
    let Check { pql, purpose } = body::json(&body)?;
    let checked = match compile(&pql, purpose_of(&purpose)?) {
        Ok(rule) => Checked { valid: true, problem: None, rule: Some(understood(&rule)) },
        Err(problem) => Checked { valid: false, problem: Some(wrong(problem, &pql)), rule: None },
    };
    Ok(entered.answer(json_answer(&checked)))
}

async fn evaluate(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let body = body::read(&app.settings, &headers, body).await?;
    let Evaluate { pql, purpose, profile, merge_policy } = body::json(&body)?;
    let lookup = parse::lookup(profile)?;
    let rule = compile(&pql, purpose_of(&purpose)?).map_err(|problem| refused(&problem, &pql))?;
    let policy = merge_policy.as_deref();
    let evaluated = app.service.evaluate(entered.workspace, &lookup, &rule, policy, entered.sight()).await?;
    let Evaluated { profile_id, value, at, changes_at, steps, events } = evaluated;
    let changes_at = changes_at.map(format_timestamp);
    let outcome = Outcome { profile_id, value: raw(&value), at: format_timestamp(at), changes_at, steps, events };
    Ok(entered.answer(json_answer(&outcome)))
}

fn purpose_of(name: &str) -> Result<Purpose, Error> {
    match name {
        "condition" => Ok(Purpose::Condition),
        "value" => Ok(Purpose::Value),
        _ => Err(invalid("purpose_unknown", "purpose is condition or value")),
    }
}

fn compile(text: &str, purpose: Purpose) -> Result<Rule, Problem> {
    Rule::compile(pql::parse(text)?, purpose)
}

/// The answer to a call whose rule cannot be read.
fn refused(problem: &Problem, source: &str) -> Error {
    let at = problem.at.line_column(source);
    let place = at.map_or(String::new(), |(line, column)| format!(" at line {line} column {column}"));
    let hint = problem.hint.as_ref().map_or(String::new(), |hint| format!("; {hint}"));
    invalid("rule_invalid", format!("pql: {}: expected {}{place}{hint}", problem.code.as_str(), problem.expected))
}

fn wrong(problem: Problem, source: &str) -> Wrong {
    let at = problem.at.line_column(source);
    let (start, end) = match problem.at {
        Place::Text { start, end } => (Some(start), Some(end)),
        Place::Nowhere | Place::Tree(_) => (None, None),
    };
    Wrong {
        code: problem.code.as_str(),
        expected: problem.expected,
        hint: problem.hint,
        line: at.map(|(line, _)| line),
        column: at.map(|(_, column)| column),
        start,
        end,
    }
}

fn understood(rule: &Rule) -> Understood {
    let plan = rule.plan();
    let attributes = match &plan.attributes {
        Attributes::All => None,
        Attributes::At(paths) => Some(paths.iter().map(|names| names.join(".")).collect()),
    };
    Understood {
        pql: pql::print(rule.source()),
        kind: match plan.kind() {
            Kind::Constant => "constant",
            Kind::Bounded => "bounded",
            Kind::Sequence => "sequence",
        },
        attributes,
        events: match &plan.events {
            EventTypes::All => None,
            EventTypes::Some(types) => Some(types.iter().map(|own| own.name.to_string()).collect()),
        },
        segments: plan.segments.iter().map(ToString::to_string).collect(),
        reads_clock: plan.reads_clock,
        aggregates: plan.aggregates.iter().map(Aggregate::key).map(str::to_owned).collect(),
    }
}
