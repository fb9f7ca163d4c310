//! Rules before they are anybody's: checked, translated into their one spelling, and tried on a profile.

mod warned;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::routing::post;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};
use tessera_engine::value::Value;
use tessera_expr::ast::Expr;
use tessera_expr::calendar::Zone;
use tessera_expr::check::{self, Model, Type};
use tessera_expr::plan::Aggregate;
use tessera_expr::problem::{Place, Problem};
use tessera_expr::rule::{Purpose, Rule};
use tessera_expr::{filter, pql, pql_json, tree};
use tessera_seam::answer::{Answer, invalid, json as json_answer};
use tessera_seam::app::App;
use tessera_seam::body;
use tessera_seam::route::{Route, Tag};
use tessera_service::clock::format_timestamp;
use tessera_service::directory::{Permission, WorkspaceId};
use tessera_service::error::{Error, ErrorKind};
use tessera_service::json::{Spelling, read_value};
use tessera_service::rules::{Evaluated, RuleModel, Values};
use utoipa::ToSchema;

use super::explain::raw;
use super::parse;
use super::profiles::READ;
use super::stored_rules::{attributes_of, events_of, kind_of};
use super::wire::ProfileLookup;

/// Objects and arrays in each other that a rule given as a tree may have: a node of it takes up to four.
const TREE_DEPTH_MAX: usize = 128;

/// A rule to look at, in one of four spellings.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Check {
    /// The rule as PQL text.
    #[serde(default)]
    pql: Option<String>,
    /// The rule as a tree of named nodes.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pql_json: Option<Json>,
    /// The rule as a tree of operators.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    tree: Option<Json>,
    /// The rule as a `$filter`.
    #[serde(default)]
    filter: Option<String>,
    /// `condition`, as a segment asks for it, or `value`, as a computed attribute does.
    #[serde(default = "value")]
    purpose: String,
    /// The id of the merge policy that it will be asked under; the workspace's default one where it is left out.
    #[serde(default)]
    merge_policy: Option<String>,
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
    /// What is to be said of it: advice, for which nothing is refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// Something that whoever writes a rule may want to know. It is refused for none of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RuleWarning)]
pub(crate) struct Warning {
    /// What it is: `attribute`, `event_type`, `property` (a name that this workspace has never received and does not register: it may come yet, perhaps it
    /// is misspelt), `event_part` (something that no event has at the top), `type` (all that was seen of it is of another type), `letter_case` (a text that
    /// is there in other letters only), `value` (a text that the data model does not allow there), `retention` (the rule looks further back than it is
    /// kept), `merge_policy` (no dataset that says it takes part in the merge policy), `contradiction` (a condition that cannot hold together with another
    /// one), `reset` (a member that was left out of a replacement, and has its default again).
    pub(super) kind: &'static str,
    /// Its name.
    pub(super) name: String,
    /// What is to be said of it.
    pub(super) message: String,
}

/// What is to be said of a rule under a merge policy.
pub(super) async fn warnings(
    app: &App,
    workspace: WorkspaceId,
    rule: &Rule,
    model: &RuleModel,
    asked: (Option<&str>, Values),
) -> Result<Vec<Warning>, Error> {
    let advice = app.service.advice(workspace, rule, model, asked).await?.into_iter().map(Warning::from);
    let never = check::contradictions(rule.source(), model).into_iter().map(|(one, other)| Warning {
        kind: "contradiction",
        message: format!("nobody can meet it together with {one}, unless it is a list"),
        name: other,
    });
    Ok(advice.chain(never).collect())
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
    /// Where it stands in a tree: names and numbers joined by `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
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
    /// The same as a tree of named nodes.
    #[schema(value_type = Object)]
    pql_json: Box<RawValue>,
    /// The same as a tree of operators; null where that language cannot say it.
    #[schema(value_type = Option<Object>)]
    tree: Option<Box<RawValue>>,
    /// The same as a `$filter`; null where that language cannot say it.
    filter: Option<String>,
    /// What it gives: `anything`, `a Boolean`, `a number`, `a text`, `a time`, `a list`, `a map`, `an object`.
    r#type: String,
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

/// A rule, in one of four spellings, and the profile to try it on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Evaluate {
    /// The rule as PQL text.
    #[serde(default)]
    pql: Option<String>,
    /// The rule as a tree of named nodes.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pql_json: Option<Json>,
    /// The rule as a tree of operators.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    tree: Option<Json>,
    /// The rule as a `$filter`.
    #[serde(default)]
    filter: Option<String>,
    /// `condition` or `value`.
    #[serde(default = "value")]
    purpose: String,
    /// The profile.
    profile: ProfileLookup,
    /// The id of a merge policy; the workspace's default one where it is left out.
    #[serde(default)]
    merge_policy: Option<String>,
    /// Where its days begin, by a name such as `Europe/Paris`; UTC where it is left out.
    #[serde(default)]
    time_zone: Option<String>,
}

/// The zone that is named; UTC where none is.
///
/// # Errors
/// `Invalid` with `time_zone_unknown`.
pub(super) fn zone(named: Option<&str>) -> Result<Zone, Error> {
    let unknown = || invalid("time_zone_unknown", "time_zone is expected to be a name such as Europe/Paris, or UTC");
    Zone::named(named.unwrap_or("UTC")).ok_or_else(unknown)
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
    /// Whether the profile has more than that and the rule speaks of them: then the value is that of the newest alone.
    truncated: bool,
    /// What is to be said of the rule: advice, for which nothing is refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

pub(super) fn routes() -> Vec<Route> {
    let pql =
        "xEvent[eventType = \"Order Completed\" and timestamp occurs <= 30 days before now].sum(properties.total)";
    let spelled = Spelled::Pql(pql.to_owned());
    let checked = json!(found(compile(&spelled, Purpose::Value, &check::Open), &spelled, Vec::new()));
    let evaluated = json!({
        "profile_id": "019a0f3e5b2c7d41e0a8f5c2", "value": 41.5, "at": "2026-02-01T09:00:00Z",
        "changes_at": "2026-03-02T10:00:00.000001Z", "steps": 18, "events": 7, "truncated": false
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
                 any door as `xEvent`, each with `eventType`, `timestamp`, `properties`, `items`. Nothing is kept of it. A rule that reads what the key may not see is refused.",
            )
            .body::<Evaluate>(json!({ "pql": pql, "profile": { "namespace": "user_id", "value": "7001" } }))
            .answer::<Outcome>(200, "What it came to, and until when that holds by itself.", evaluated),
    ]
}

async fn check(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let body = entered.body(&app, &headers, body).await?;
    let Check { pql, pql_json, tree, filter, purpose, merge_policy } = body::json(&body)?;
    let (purpose, spelled) = (purpose_of(&purpose)?, spelled(pql, pql_json, tree, filter)?);
    let model = app.service.rule_model(entered.workspace, entered.visibility()).await?;
    let compiled = compile(&spelled, purpose, &model);
    let warnings = match &compiled {
        Ok((rule, _)) => {
            warnings(&app, entered.workspace, rule, &model, (merge_policy.as_deref(), Values::Looked)).await?
        }
        Err(_) => Vec::new(),
    };
    let checked = found(compiled, &spelled, warnings);
    Ok(entered.answer(json_answer(&checked)))
}

async fn evaluate(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let body = entered.body(&app, &headers, body).await?;
    let Evaluate { pql, pql_json, tree, filter, purpose, profile, merge_policy, time_zone } = body::json(&body)?;
    let (lookup, zone) = (parse::lookup(profile)?, zone(time_zone.as_deref())?);
    let (purpose, spelled) = (purpose_of(&purpose)?, spelled(pql, pql_json, tree, filter)?);
    let model = app.service.rule_model(entered.workspace, entered.visibility()).await?;
    let (rule, _) = compile(&spelled, purpose, &model).map_err(|problem| refused(&problem, &spelled))?;
    if model.hides_rule(&rule) {
        let message = "the rule reads attributes or events that this key may not see";
        return Err(Error::new(ErrorKind::Forbidden, "rule_reads_hidden", message).into());
    }
    let policy = merge_policy.as_deref();
    let warnings = warnings(&app, entered.workspace, &rule, &model, (policy, Values::Left)).await?;
    let evaluated =
        app.service.evaluate(entered.workspace, &lookup, Arc::new(rule), (policy, zone), entered.visibility()).await?;
    let Evaluated { profile_id, value, at, changes_at, steps, events, is_truncated } = evaluated;
    let changes_at = changes_at.map(format_timestamp);
    let (value, at, truncated) = (raw(&value), format_timestamp(at), is_truncated);
    let outcome = Outcome { profile_id, value, at, changes_at, steps, events, truncated, warnings };
    Ok(entered.answer(json_answer(&outcome)))
}

/// A rule as it came.
pub(super) enum Spelled {
    Pql(String),
    PqlJson(Value),
    Tree(Value),
    Filter(String),
}

impl Spelled {
    const fn name(&self) -> &'static str {
        match self {
            Self::Pql(_) => "pql",
            Self::PqlJson(_) => "pql_json",
            Self::Tree(_) => "tree",
            Self::Filter(_) => "filter",
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Pql(text) | Self::Filter(text) => text,
            Self::PqlJson(_) | Self::Tree(_) => "",
        }
    }

    pub(super) fn read(&self) -> Result<Expr, Problem> {
        match self {
            Self::Pql(text) => pql::parse(text),
            Self::PqlJson(tree) => pql_json::read(tree),
            Self::Tree(tree) => tree::read(tree),
            Self::Filter(text) => filter::parse(text),
        }
    }
}

pub(super) fn spelled(
    pql: Option<String>,
    pql_json: Option<Json>,
    tree: Option<Json>,
    filter: Option<String>,
) -> Result<Spelled, Error> {
    let value = |json: Json, name: &str| {
        let deep = |reason| invalid("rule_invalid", format!("{name}: {reason}"));
        read_value(&json, Spelling::Plain, TREE_DEPTH_MAX).map_err(deep)
    };
    match (pql, pql_json, tree, filter) {
        (Some(text), None, None, None) => Ok(Spelled::Pql(text)),
        (None, Some(json), None, None) => Ok(Spelled::PqlJson(value(json, "pql_json")?)),
        (None, None, Some(json), None) => Ok(Spelled::Tree(value(json, "tree")?)),
        (None, None, None, Some(text)) => Ok(Spelled::Filter(text)),
        _ => Err(invalid("rule_spelling", "a rule stands in exactly one of pql, pql_json, tree, filter")),
    }
}

fn purpose_of(name: &str) -> Result<Purpose, Error> {
    match name {
        "condition" => Ok(Purpose::Condition),
        "value" => Ok(Purpose::Value),
        _ => Err(invalid("purpose_unknown", "purpose is condition or value")),
    }
}

fn found(compiled: Result<(Rule, Type), Problem>, spelled: &Spelled, warnings: Vec<Warning>) -> Checked {
    match compiled {
        Ok((rule, kind)) => Checked { valid: true, problem: None, rule: Some(understood(&rule, &kind)), warnings },
        Err(problem) => Checked { valid: false, problem: Some(wrong(problem, spelled.text())), rule: None, warnings },
    }
}

pub(super) fn compile(spelled: &Spelled, purpose: Purpose, model: &dyn Model) -> Result<(Rule, Type), Problem> {
    let expr = spelled.read()?;
    let kind = check::check_as(&expr, purpose, model)?;
    Ok((Rule::compile(expr, purpose)?, kind))
}

/// The answer to a call whose rule cannot be read.
pub(super) fn refused(problem: &Problem, spelled: &Spelled) -> Error {
    let place = match (&problem.at, problem.at.line_column(spelled.text())) {
        (_, Some((line, column))) => format!(" at line {line} column {column}"),
        (Place::Tree(path), None) => format!(" at {path}"),
        (Place::Nowhere | Place::Text { .. }, None) => String::new(),
    };
    let hint = problem.hint.as_ref().map_or(String::new(), |hint| format!("; {hint}"));
    let (name, code, expected) = (spelled.name(), problem.code.as_str(), &problem.expected);
    invalid("rule_invalid", format!("{name}: {code}: expected {expected}{place}{hint}"))
}

fn wrong(problem: Problem, source: &str) -> Wrong {
    let at = problem.at.line_column(source);
    let (path, start, end) = match &problem.at {
        Place::Text { start, end } => (None, Some(*start), Some(*end)),
        Place::Tree(path) => (Some(path.to_string()), None, None),
        Place::Nowhere => (None, None, None),
    };
    Wrong {
        code: problem.code.as_str(),
        expected: problem.expected,
        hint: problem.hint,
        path,
        line: at.map(|(line, _)| line),
        column: at.map(|(_, column)| column),
        start,
        end,
    }
}

fn understood(rule: &Rule, kind: &Type) -> Understood {
    let plan = rule.plan();
    Understood {
        pql: pql::print(rule.source()),
        pql_json: raw(&pql_json::write(rule.source())),
        tree: tree::write(rule.source()).map(|tree| raw(&tree)),
        filter: filter::print(rule.source()),
        r#type: kind.to_string(),
        kind: kind_of(plan),
        attributes: attributes_of(plan),
        events: events_of(plan),
        segments: plan.segments.iter().map(ToString::to_string).collect(),
        reads_clock: plan.reads_clock,
        aggregates: plan.aggregates.iter().map(Aggregate::key).map(str::to_owned).collect(),
    }
}
