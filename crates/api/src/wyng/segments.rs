//! Segments of the data model, and the data model itself.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use tessera_expr::calendar::Zone;
use tessera_expr::check::check_as;
use tessera_seam::answer::{Answer, invalid, json};
use tessera_seam::app::{App, Entered};
use tessera_seam::body;
use tessera_seam::extract::{PathParams, Query};
use tessera_service::directory::{ListQuery, Permission, Slug, WorkspaceId};
use tessera_service::error::{Error, ErrorKind};
use tessera_service::segments::{Controlled, ShownRule};
use tessera_service::workspace_config::{
    Definition, RuleContent, RuleKind, RuleName, Status, StoredConfig, StoredRule,
};

use super::errors::{invalid_expression, model_not_found, segment_not_found};
use super::render::zoneless;
use super::wire::{NewSegment, NewTdm, Segment};
use super::{DOOR, expression, model};

const KIND: RuleKind = RuleKind::Segment;
/// Segments that one list shows: all that a workspace may have.
const LIST_MAX: usize = 1_000;
/// How long an answer waits for a segment to be brought to everybody.
const BUILDING: Duration = Duration::from_secs(5);

pub(super) async fn list(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let mut entered = app.enter_by(&DOOR, &headers, &query, Permission::ReadPublic)?;
    let config = app.service.configuration(entered.workspace).await?;
    let (mut cursor, mut shown) = (None, Vec::new());
    loop {
        let page = ListQuery { limit: LIST_MAX, cursor };
        let page = app.service.stored_rules(entered.workspace, KIND, &page, entered.visibility()).await?;
        let running = page.items.iter().filter(|own| own.rule.status() != Status::Archived);
        shown.extend(running.map(|own| segment(&own.rule, &config, entered.workspace)));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let response = json(&shown);
    entered.grow_to(axum::body::HttpBody::size_hint(response.body()).lower() as usize)?;
    Ok(entered.answer(response))
}

pub(super) async fn retrieve(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::ReadPublic)?;
    let config = app.service.configuration(entered.workspace).await?;
    let name = find(&config, &id)?;
    let shown = app.service.stored_rule(entered.workspace, KIND, name.as_str(), entered.visibility()).await?;
    let response = json(&segment(&shown.rule, &config, entered.workspace));
    Ok(entered.answer(response))
}

pub(super) async fn create(State(app): State<Arc<App>>, query: Query, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Configure)?;
    let body = entered.body(&app, &headers, body).await?;
    let NewSegment { name, expression } = body::json(&body)?;
    let missing = |member: &str| invalid("body_invalid", format!("{member} is expected"));
    let called = name.ok_or_else(|| missing("name"))?;
    let expression = expression.ok_or_else(|| missing("expression"))?;
    let config = app.service.configuration(entered.workspace).await?;
    let (first, display_name) = RuleName::of(KIND, &called)?;
    let name = free(&config, first)?;
    // A name that is taken by another segment goes on as what people call this one.
    let display_name = display_name.or_else(|| (name.as_str() != called).then(|| called.as_str().into()));
    let content = content(&app, &entered, &config, (display_name, None), &expression).await?;
    let mut response = json(&set(&app, &entered, &name, (content, Some(0))).await?);
    *response.status_mut() = StatusCode::CREATED;
    Ok(entered.answer(response))
}

pub(super) async fn update(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Configure)?;
    let body = entered.body(&app, &headers, body).await?;
    let NewSegment { name: called, expression } = body::json(&body)?;
    let config = app.service.configuration(entered.workspace).await?;
    let name = find(&config, &id)?;
    let rule = config.rules().find(KIND, name.as_str())?;
    let display_name = match called {
        Some(called) if called == name.as_str() => None,
        Some(called) => Some(tessera_service::workspace_config::display_name(&called)?),
        None => rule.display_name.clone(),
    };
    let expression = expression.unwrap_or_else(|| expression::of(rule, &config));
    let content = content(&app, &entered, &config, (display_name, rule.description.clone()), &expression).await?;
    let version = Some(rule.version);
    let response = json(&set(&app, &entered, &name, (content, version)).await?);
    Ok(entered.answer(response))
}

/// Makes a segment or changes it, and answers it as it stands then.
async fn set(
    app: &App,
    entered: &Entered,
    name: &RuleName,
    content: (RuleContent, Option<u64>),
) -> Result<Segment, Error> {
    let (content, expected) = content;
    let content = (content, expected, Controlled::Stays);
    let made = app.service.put_stored_rule(entered.workspace, KIND, name, content, entered.visibility(), None);
    let made = built(app, entered, made.await?.now()?).await?;
    let config = app.service.configuration(entered.workspace).await?;
    Ok(segment(&made.rule, &config, entered.workspace))
}

/// What a segment says, compiled and checked as any rule is.
async fn content(
    app: &App,
    entered: &Entered,
    config: &StoredConfig,
    (display_name, description): (Option<Arc<str>>, Option<Arc<str>>),
    expression: &serde_json::Value,
) -> Result<RuleContent, Error> {
    let expr = expression::read(expression, config)?;
    let rules = app.service.rule_model(entered.workspace, entered.visibility()).await?;
    let refused = |problem: tessera_expr::problem::Problem| invalid_expression("expression", problem.expected);
    check_as(&expr, KIND.purpose(), &rules).map_err(refused)?;
    let definition = Definition::new(KIND, expr, Zone::utc(), None).map_err(refused)?;
    if rules.hides_rule(&definition.rule) {
        let message = "the rule reads attributes or events that this key may not see";
        return Err(Error::new(ErrorKind::Forbidden, "rule_reads_hidden", message));
    }
    Ok(RuleContent { display_name, description, definition, is_draft: false })
}

/// Waits until a segment is brought to everybody, so that the next upsert tells it; what takes long goes on after the answer.
async fn built(app: &App, entered: &Entered, made: ShownRule) -> Result<ShownRule, Error> {
    let name = made.rule.name.as_str();
    let brought = app.service.rule_once_brought(entered.workspace, KIND, name, entered.visibility());
    match tokio::time::timeout(BUILDING, brought).await {
        Ok(brought) => brought,
        Err(_) => {
            tracing::debug!("a segment is still being brought to everybody");
            Ok(made)
        }
    }
}

/// The name, or the first with a number that no segment has.
fn free(config: &StoredConfig, name: RuleName) -> Result<RuleName, Error> {
    let is_taken = |name: &RuleName| config.rules().of(KIND).contains_key(name);
    if !is_taken(&name) {
        return Ok(name);
    }
    let short: String = name.as_str().chars().take(58).collect();
    let numbered = (2..1_000).filter_map(|at| RuleName::parse(KIND, &format!("{short}-{at}")).ok());
    let taken = || invalid("name_invalid", "too many segments have this name");
    numbered.into_iter().find(|name| !is_taken(name)).ok_or_else(taken)
}

fn find(config: &StoredConfig, id: &str) -> Result<RuleName, Error> {
    let running = config.rules().of(KIND).values().filter(|rule| rule.status() != Status::Archived);
    let mut names = running.map(|rule| &rule.name);
    names.find(|name| name.stable_id(KIND) == id).cloned().ok_or_else(segment_not_found)
}

fn segment(rule: &StoredRule, config: &StoredConfig, workspace: WorkspaceId) -> Segment {
    Segment {
        id: rule.name.stable_id(KIND),
        name: rule.display_name.as_deref().unwrap_or(rule.name.as_str()).to_owned(),
        tdm_id: workspace.stable_id(),
        expression: expression::of(rule, config),
        updated_at: zoneless(rule.updated_at),
        created_at: zoneless(rule.created_at),
    }
}

pub(super) async fn tdm(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = model_of(&app, &id, &query, &headers, Permission::Read)?;
    let config = app.service.configuration(entered.workspace).await?;
    let response = json(&model::shown(&config, entered.workspace));
    Ok(entered.answer(response))
}

pub(super) async fn replace_tdm(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = model_of(&app, &id, &query, &headers, Permission::Configure)?;
    let body = entered.body(&app, &headers, body).await?;
    let response = set_tdm(&app, entered.workspace, body::json(&body)?).await?;
    Ok(entered.answer(response))
}

/// Makes a workspace with this data model. Its keys are made at `/v1/admin/keys`.
pub(super) async fn create_tdm(State(app): State<Arc<App>>, query: Query, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Administer)?;
    let body = entered.body(&app, &headers, body).await?;
    let new = model::read(body::json(&body)?)?;
    // What is wrong with it is told before a workspace is made for it.
    model::changed(&StoredConfig::default(), &new, app.now())?;
    let directory = app.service.directory();
    let name = Slug::parse(&format!("tdm-{}", app.fresh_id().to_ascii_lowercase()))?;
    let workspace = directory.create_workspace(&entered.caller, entered.caller.organization(), &name).await?;
    let config = app.service.configure_rules(workspace.id, move |config, at| model::changed(config, &new, at)).await?;
    let mut response = json(&model::shown(&config, workspace.id));
    *response.status_mut() = StatusCode::CREATED;
    Ok(entered.answer(response))
}

async fn set_tdm(app: &App, workspace: WorkspaceId, new: NewTdm) -> Result<Response, Error> {
    let new = model::read(new)?;
    let config = app.service.configure_rules(workspace, move |config, at| model::changed(config, &new, at)).await?;
    Ok(json(&model::shown(&config, workspace)))
}

/// Lets a request in to the workspace of this data model, which is one of those that its key holds.
fn model_of(app: &App, id: &str, query: &Query, headers: &HeaderMap, permission: Permission) -> Result<Entered, Error> {
    let entered = app.enter_by(&DOOR, headers, query, permission)?;
    entered.caller.require_private()?;
    if entered.workspace.stable_id() == id {
        return Ok(entered);
    }
    let directory = entered.caller.directory();
    let held = directory.workspaces().filter(|own| entered.caller.holds(own.id));
    let found = held.map(|own| own.id).find(|own| own.stable_id() == id).ok_or_else(model_not_found)?;
    Ok(entered.of(found))
}
