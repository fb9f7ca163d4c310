//! Computed attributes and segments: what is evaluated of every profile, and kept.

use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::routing::{delete, get, patch, post, put};
use serde_json::{Value as Json, json};
use tessera_engine::time::Timestamp;
use tessera_seam::answer::{Answer, json as json_answer, json_bytes, to_json};
use tessera_seam::app::{App, Entered};
use tessera_seam::bounds::{LIST_DEFAULT, LIST_MAX};
use tessera_seam::extract::{PathParams, Query};
use tessera_seam::once;
use tessera_seam::route::{Access, Route, Tag};
use tessera_service::directory::{ListQuery, Permission};
use tessera_service::error::{Error, ErrorKind};
use tessera_service::idempotency::{Given, IdempotencyKey, Once};
use tessera_service::rules::Values;
use tessera_service::segments::{Controlled, ShownRule};
use tessera_service::workspace_config::{RuleKind, RuleName, StoredConfig, put_rule};

use super::rules::{self, Warning};
use crate::declared::{self, Wrong};

mod parse;
mod render;
pub(super) mod wire;

pub(super) use render::{attributes_of, events_of, kind_of};

const READ: Access = Access::Workspace(Permission::Read);
const CONFIGURE: Access = Access::Workspace(Permission::Configure);

/// What the documents say of one kind.
struct Words {
    kind: RuleKind,
    tag: Tag,
    all: &'static str,
    one: &'static str,
    summaries: [&'static str; 6],
    created: &'static str,
}

const ATTRIBUTES: Words = Words {
    kind: RuleKind::Attribute,
    tag: Tag::Attributes,
    all: "/v1/attributes",
    one: "/v1/attributes/{name}",
    summaries: [
        "Lists computed attributes",
        "Makes a computed attribute",
        "Reads a computed attribute",
        "Replaces a computed attribute",
        "Changes a computed attribute",
        "Archives a computed attribute",
    ],
    created: "A value that is computed of a profile's events, attributes and segments, and shown in every read under its name. It is brought to \
              everybody by a job; until that is complete it is `building`. At most 400 in a workspace.",
};

const SEGMENTS: Words = Words {
    kind: RuleKind::Segment,
    tag: Tag::Segments,
    all: "/v1/segments",
    one: "/v1/segments/{name}",
    summaries: [
        "Lists segments",
        "Makes a segment",
        "Reads a segment",
        "Replaces a segment",
        "Changes a segment",
        "Archives a segment",
    ],
    created: "A condition on profiles. Who meets it is a member, from the commit that makes it true, or the instant at which time does. It is \
              brought to everybody by a job; members are shown when that is complete. At most 2,000 in a workspace.",
};

pub(super) fn routes() -> Vec<Route> {
    let mut routes = routes_of(&ATTRIBUTES);
    routes.extend(routes_of(&SEGMENTS));
    routes
}

fn routes_of(words: &Words) -> Vec<Route> {
    let kind = words.kind;
    let [lists, makes, reads, replaces, changes, archives] = words.summaries;
    let (content, answer) = examples(kind);
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 });
    let route = |method, path, access, handler, summary| Route::new(method, path, access, handler, words.tag, summary);
    let one = |route: Route| route.segment("name", "Its name.");
    let named = |mut content: Json, name: &str, value: Json| {
        content[name] = value;
        content
    };
    vec![
        route(Method::GET, words.all, READ, get(move |app, query, headers| list(kind, app, query, headers)), lists)
            .describe("By name, archived ones and drafts included.")
            .query("limit", "How many.", limit)
            .query("cursor", "`next_cursor` of the page before.", json!({ "type": "string" }))
            .answer::<wire::StoredRules>(200, "A page of them.", json!({ "items": [answer], "next_cursor": null })),
        with_body(
            route(
                Method::POST,
                words.all,
                CONFIGURE,
                post(move |app, uri, headers, body| create(kind, app, uri, headers, body)),
                makes,
            )
            .describe(words.created)
            .idempotent(),
            kind,
            named(content.clone(), "name", answer["name"].clone()),
        )
        .answer::<wire::StoredRule>(201, "It is made.", answer.clone()),
        one(route(Method::GET, words.one, READ, get(move |app, name, headers| read(kind, app, name, headers)), reads))
            .answer::<wire::StoredRule>(200, "As it stands.", answer.clone()),
        one(with_replacement(
            route(
                Method::PUT,
                words.one,
                CONFIGURE,
                put(move |app, name, uri, headers, body| replace(kind, app, name, uri, headers, body)),
                replaces,
            )
            .describe(
                "It stays as it was until a job has brought the new one to everybody, and then is the new one for all at once. What depends \
                 on it follows with it. Made if there is none of this name. What is left out has its default again, and `warnings` says so; \
                 `PATCH` leaves it as it is.",
            )
            .idempotent(),
            kind,
            named(content, "version", json!(1)),
        ))
        .answer::<wire::StoredRule>(200, "It is replaced.", answer.clone()),
        one(with_replacement(
            route(
                Method::PATCH,
                words.one,
                CONFIGURE,
                patch(move |app, name, uri, headers, body| change(kind, app, name, uri, headers, body)),
                changes,
            )
            .describe(
                "What the body has takes the place of what it was; what it leaves out stays, and null has its default again. Without `version` \
                 it changes what stands when it is asked.",
            )
            .idempotent(),
            kind,
            json!({ "description": "What the shop calls it" }),
        ))
        .answer::<wire::StoredRule>(200, "It is changed.", answer.clone()),
        one(route(
            Method::DELETE,
            words.one,
            CONFIGURE,
            delete(move |app, name, headers| archive(kind, app, name, headers)),
            archives,
        ))
        .describe("It is evaluated and shown no more, and keeps what it said. Refused while others depend on it.")
        .answer::<wire::StoredRule>(200, "It is archived.", named(answer, "status", json!("archived"))),
    ]
}

fn with_body(route: Route, kind: RuleKind, example: Json) -> Route {
    match kind {
        RuleKind::Attribute => route.body::<wire::NewAttribute>(example),
        RuleKind::Segment => route.body::<wire::NewSegment>(example),
    }
}

fn with_replacement(route: Route, kind: RuleKind, example: Json) -> Route {
    match kind {
        RuleKind::Attribute => route.body::<wire::AttributeReplacement>(example),
        RuleKind::Segment => route.body::<wire::SegmentReplacement>(example),
    }
}

/// What is sent, and what is answered.
fn examples(kind: RuleKind) -> (Json, Json) {
    let (name, pql) = match kind {
        RuleKind::Attribute => ("orders", "xEvent[eventType = \"Order Completed\"].sum(properties.total)"),
        RuleKind::Segment => {
            ("loyal", "xEvent[eventType = \"Order Completed\" and timestamp occurs <= 90 days before now].count() >= 2")
        }
    };
    let content = json!({ "pql": pql, "description": "What the shop calls it", "time_zone": "Europe/Paris" });
    let mut answer = json!({
        "name": name, "status": "building", "version": 1, "display_name": null, "description": "What the shop calls it", "pql": pql,
        "time_zone": "Europe/Paris", "kind": "constant", "attributes": [], "events": ["Order Completed"], "segments": [],
        "reads_clock": kind == RuleKind::Segment, "next": null,
        "building": { "job": "0193fbe26c1155aa55aa0003", "state": "running", "done": 4000, "total": 20000 },
        "created_at": "2026-01-31T10:00:00Z", "updated_at": "2026-01-31T10:00:00Z"
    });
    if kind == RuleKind::Segment {
        answer["merge_policy"] = json!("default");
        answer["of"] = json!("people");
        answer["count"] = json!(0);
        answer["overflowed"] = json!(0);
        answer["over_budget"] = json!(0);
        answer["truncated"] = json!(0);
    }
    (content, answer)
}

async fn list(kind: RuleKind, State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let query =
        ListQuery { limit: query.limit(LIST_DEFAULT, LIST_MAX)?, cursor: query.get("cursor").map(str::to_owned) };
    let page = app.service.stored_rules(entered.workspace, kind, &query, entered.visibility()).await?;
    Ok(entered.answer(json_answer(&render::page(kind, page))))
}

async fn read(
    kind: RuleKind,
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let json = shown(&app, &entered, kind, &name).await?;
    Ok(entered.answer(json_bytes(json)))
}

async fn create(kind: RuleKind, State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let (key, body) = (once::key(&headers)?, entered.body(&app, &headers, body).await?);
    let (called, content) = parse::new(kind, &body)?;
    let (name, content) = content.named(kind, &called)?;
    let warned = Warned::default();
    let told = Arc::clone(&warned);
    let work = |once| set(&app, &entered, (kind, name), (content, Some(0)), warned, once);
    let what = (&Method::POST, uri.path(), &body[..]);
    let render = move |shown: &ShownRule| Ok(render::one(kind, shown, told.get().cloned().unwrap_or_default()));
    let json = once::answer(&app, &entered, key, what, render, work).await?;
    let mut response = json_bytes(json);
    *response.status_mut() = StatusCode::CREATED;
    Ok(entered.answer(response))
}

async fn replace(
    kind: RuleKind,
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let (key, body) = (once::key(&headers)?, entered.body(&app, &headers, body).await?);
    let present = said_now(&app, &entered, kind, &name).await?;
    let reset = present.map(|present| reset(&present, &body)).unwrap_or_default();
    put_as(&app, entered, (kind, &name), (&Method::PUT, &uri, key), (&body, &body), reset).await
}

async fn change(
    kind: RuleKind,
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let (key, body) = (once::key(&headers)?, entered.body(&app, &headers, body).await?);
    let present = serde_json::from_slice(&shown(&app, &entered, kind, &name).await?).unwrap_or(Json::Null);
    let changed = patched(&present, tessera_seam::body::json(&body)?);
    put_as(&app, entered, (kind, &name), (&Method::PATCH, &uri, key), (&body, &changed), Vec::new()).await
}

/// The spellings of a rule, of which a body has one.
const SPELLINGS: [&str; 4] = ["pql", "pql_json", "tree", "filter"];
/// What may stand beside a rule.
const BESIDE: [&str; 7] = ["display_name", "description", "time_zone", "merge_policy", "of", "control_group", "into"];

/// The body of a replacement that changes only what a body has: of what is brought to everybody now, if anything is.
fn patched(present: &Json, body: serde_json::Map<String, Json>) -> Vec<u8> {
    let mut changed = serde_json::Map::new();
    let has_rule = SPELLINGS.iter().any(|name| body.contains_key(*name));
    let said = |name: &str| Some(&present["next"][name]).filter(|value| !value.is_null()).unwrap_or(&present[name]);
    for name in BESIDE.into_iter().chain((!has_rule).then_some("pql")) {
        let value = said(name);
        if !value.is_null() {
            changed.insert(name.to_owned(), value.clone());
        }
    }
    if present["status"] == "draft" {
        changed.insert("status".to_owned(), "draft".into());
    }
    changed.insert("version".to_owned(), present["version"].clone());
    for (name, value) in body {
        if value.is_null() {
            changed.remove(&name);
        } else {
            changed.insert(name, value);
        }
    }
    to_json(&changed)
}

/// A rule as it is shown, where there is one.
async fn said_now(app: &App, entered: &Entered, kind: RuleKind, name: &str) -> Result<Option<Json>, Error> {
    match shown(app, entered, kind, name).await {
        Ok(json) => Ok(serde_json::from_slice(&json).ok()),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What stands beside a rule and is left out of what replaces it, so that it has its default again.
fn reset(present: &Json, body: &[u8]) -> Vec<Warning> {
    let Ok(Json::Object(body)) = serde_json::from_slice(body) else { return Vec::new() };
    let is_default = |name: &str, value: &Json| match name {
        "time_zone" => value == "UTC",
        "of" => value == "people",
        "into" => value.is_null() || value == "profiles",
        _ => value.is_null(),
    };
    let gone = BESIDE.into_iter().filter(|name| !body.contains_key(*name));
    let gone = gone.filter(|name| !is_default(name, &present[*name]));
    let warning = |name: &str| Warning {
        kind: "reset",
        name: name.to_owned(),
        message: format!("it was left out and has its default again; it was {}", present[name]),
    };
    gone.map(warning).collect()
}

/// Sets a rule to what a body says: one that was sent, or one that was made of what was.
async fn put_as(
    app: &App,
    entered: Entered,
    (kind, name): (RuleKind, &str),
    (method, uri, key): (&Method, &Uri, Option<IdempotencyKey>),
    (sent, body): (&[u8], &[u8]),
    reset: Vec<Warning>,
) -> Answer {
    let (expected, content) = parse::replacement(kind, body)?;
    let name = RuleName::parse(kind, name)?;
    let warned = Warned::default();
    let told = Arc::clone(&warned);
    let work = |once| set(app, &entered, (kind, name), (content, expected), warned, once);
    let what = (method, uri.path(), sent);
    let render = move |shown: &ShownRule| {
        let warnings = told.get().into_iter().flatten().chain(&reset).cloned().collect();
        Ok(render::one(kind, shown, warnings))
    };
    let json = once::answer(app, &entered, key, what, render, work).await?;
    Ok(entered.answer(json_bytes(json)))
}

/// What is to be said of a rule that is being set, once it has been looked at.
type Warned = Arc<OnceLock<Vec<Warning>>>;

async fn set(
    app: &App,
    entered: &Entered,
    (kind, name): (RuleKind, RuleName),
    (content, expected): (parse::Spelled, Option<u64>),
    warned: Warned,
    once: Option<Once<ShownRule>>,
) -> Result<Given<ShownRule>, Error> {
    let model = app.service.rule_model(entered.workspace, entered.visibility()).await?;
    let control = Controlled::Is(content.control_group());
    let content = content.compile(kind, &model)?;
    if model.hides_rule(&content.definition.rule) {
        let message = "the rule reads attributes or events that this key may not see";
        return Err(Error::new(ErrorKind::Forbidden, "rule_reads_hidden", message));
    }
    let policy = content.definition.merge_policy.as_ref().map(ToString::to_string);
    // Letters of values are told to those alone who may read them.
    let values = if entered.caller.permissions().contains(Permission::Read) { Values::Looked } else { Values::Left };
    let ask = |policy| rules::warnings(app, entered.workspace, &content.definition.rule, &model, (policy, values));
    let warnings = match ask(policy.as_deref()).await {
        // A draft may name one that is not there yet; whether anything else may is decided where it is set.
        Err(error) if error.code == "merge_policy_unknown" => ask(None).await?,
        warnings => warnings?,
    };
    warned.get_or_init(|| warnings);
    let what = (content, expected, control);
    app.service.put_stored_rule(entered.workspace, kind, &name, what, entered.visibility(), once).await
}

async fn archive(
    kind: RuleKind,
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    app.service.archive_stored_rule(entered.workspace, kind, &name, entered.visibility()).await?;
    let json = shown(&app, &entered, kind, &name).await?;
    Ok(entered.answer(json_bytes(json)))
}

async fn shown(app: &App, entered: &Entered, kind: RuleKind, name: &str) -> Result<bytes::Bytes, Error> {
    let shown = app.service.stored_rule(entered.workspace, kind, name, entered.visibility()).await?;
    Ok(render::one(kind, &shown, Vec::new()))
}

/// A declared rule, as it is answered once it stands, without what the server alone says of it.
///
/// # Errors
/// What its making would be refused with in a workspace without others.
pub(crate) fn declared(kind: RuleKind, name: &str, json: &str) -> Result<Json, Wrong> {
    let content = match kind {
        RuleKind::Attribute => parse::declared_attribute(declared::read(json)?)?,
        RuleKind::Segment => parse::declared_segment(declared::read(json)?)?,
    };
    let (name, content) = content.named(kind, name)?;
    let control_group = content.control_group();
    let content = content.compile(kind, &tessera_expr::check::Open)?;
    if content.definition.merge_policy.is_none() {
        put_rule(&StoredConfig::default(), kind, &name, content.clone(), None, Timestamp::MIN)?;
    }
    Ok(declared::written(&render::content(kind, &content, control_group.as_ref())))
}
