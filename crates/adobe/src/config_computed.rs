//! Computed attributes, the first generation (spec/adobe.md section 7): any expression over a profile, written where a schema has a place for it.
//!
//! A computed attribute is one of the workspace. It may ask for others by where they stand, and is shown there. It is brought to everybody when
//! it is made; an answer waits for that as long as it may.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body as Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::{delete, get, patch, post};
use serde_json::json;
use tessera_seam::answer::{Answer, json as json_answer};
use tessera_seam::app::App;
use tessera_seam::body;
use tessera_seam::extract::PathParams;
use tessera_seam::route::{Access, Route};
use tessera_service::directory::Permission;
use tessera_service::error::Error;
use tessera_service::workspace_config::{RuleKind, RuleName, StoredConfig};

use super::computed_attributes::{Beside, Generation, RULE, beside, find, not_found, of, removed};
use super::enter::{Asked, enter};

mod change;
mod wire;

use wire::{Body, ComputedAttribute, ComputedAttributes, Operation};

const READ: Access = Access::Workspace(Permission::Read);
const CONFIGURE: Access = Access::Workspace(Permission::Configure);
/// How long an answer waits for a rule to be brought to everybody.
const BUILDING: Duration = Duration::from_secs(5);

/// The routes of these computed attributes.
pub(super) fn routes() -> Vec<Route> {
    let (all, one) = ("/data/core/ups/config/computedAttributes", "/data/core/ups/config/computedAttributes/{id}");
    let attribute = wire::example();
    let id = |route: Route| route.segment("id", "The id of a computed attribute.");
    let route = super::route;
    let list =
        json!({ "_page": { "totalCount": 1, "pageSize": 1 }, "children": [attribute], "_links": { "next": {} } });
    let change = json!([{ "op": "add", "path": "/expression", "value": wire::example_body()["expression"] }]);
    vec![
        route(Method::GET, all, READ, get(list_all), "Lists computed attributes of the first generation")
            .answer::<ComputedAttributes>(200, "All of them.", list),
        route(Method::POST, all, CONFIGURE, post(create), "Makes a computed attribute of the first generation")
            .describe("It stands at `path` and `name`, and may ask for others by where they stand. Its rule is text or nodes.")
            .body::<Body>(wire::example_body())
            .answer::<ComputedAttribute>(200, "The computed attribute.", attribute.clone()),
        id(route(Method::GET, one, READ, get(read), "Reads a computed attribute of the first generation"))
            .answer::<ComputedAttribute>(200, "The computed attribute.", attribute),
        id(route(Method::PATCH, one, CONFIGURE, patch(change_one), "Changes a computed attribute of the first generation"))
            .describe("`add` or `replace` at `/expression` and `/description`.")
            .body::<Vec<Operation>>(change)
            .answer_empty(204, "It is changed."),
        id(super::objects::unprocessable(route(Method::DELETE, one, CONFIGURE, delete(remove), "Deletes a computed attribute of the first generation"), "Others depend on it."))
            .answer_empty(200, "It is gone."),
    ]
}

async fn list_all(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let asked = enter(&app, &headers, Permission::Read)?;
    let config = asked.config(&app).await?;
    let shows = config.shows_rules(asked.entered.visibility());
    let own = of(&config, Generation::Alpha).filter(|(rule, _)| shows(RULE, rule.name.as_str()));
    let children = own.filter_map(|(rule, beside)| wire::shown(&config, &asked, rule, beside?)).collect();
    Ok(asked.entered.answer(json_answer(&ComputedAttributes::new(children))))
}

async fn read(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let asked = enter(&app, &headers, Permission::Read)?;
    let config = asked.config(&app).await?;
    let (name, _) = seen(&config, &asked, &id)?;
    answered(&config, asked, &name)
}

async fn create(State(app): State<Arc<App>>, headers: HeaderMap, bytes: Bytes) -> Answer {
    let asked = enter(&app, &headers, Permission::Configure)?;
    let bytes = asked.json(&app, &headers, bytes).await?;
    let config = asked.config(&app).await?;
    let wanted = change::new(&app, &asked, &config, body::json(&bytes)?).await?;
    let name = wanted.name.clone();
    let change = move |config: &StoredConfig, at| change::made(config, wanted, at);
    app.service.configure_rules(asked.workspace(), change).await?;
    super::objects::brought(&app, &asked, RULE, &name, BUILDING).await?;
    let config = asked.config(&app).await?;
    answered(&config, asked, &name)
}

async fn change_one(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer {
    let asked = enter(&app, &headers, Permission::Configure)?;
    let bytes = asked.json(&app, &headers, bytes).await?;
    let operations = change::operations(&bytes)?;
    let config = asked.config(&app).await?;
    let (name, own) = seen(&config, &asked, &id)?;
    let rule = config.rules().find(RULE, name.as_str())?;
    let wanted = change::changed(&app, &asked, &config, (rule, own), operations).await?;
    let version = rule.version;
    let change = move |config: &StoredConfig, at| change::said(config, wanted, Some(version), at);
    app.service.configure_rules(asked.workspace(), change).await?;
    super::objects::brought(&app, &asked, RULE, &name, BUILDING).await?;
    Ok(asked.entered.answer(StatusCode::NO_CONTENT.into_response()))
}

async fn remove(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let asked = enter(&app, &headers, Permission::Configure)?;
    let config = asked.config(&app).await?;
    let (name, _) = seen(&config, &asked, &id)?;
    let visibility = asked.entered.visibility();
    let change = move |config: &StoredConfig, _| removed(config, &name, visibility);
    app.service.configure_rules(asked.workspace(), change).await?;
    Ok(asked.entered.answer(StatusCode::OK.into_response()))
}

/// The computed attribute of an id, where the caller may see it.
fn seen(config: &StoredConfig, asked: &Asked, id: &str) -> Result<(RuleName, Beside), Error> {
    let (name, own) = find(config, asked.workspace(), Generation::Alpha, id)?;
    let is_seen = config.shows_rules(asked.entered.visibility())(RuleKind::Attribute, name.as_str());
    own.filter(|_| is_seen).map(|own| (name, own)).ok_or_else(not_found)
}

fn answered(config: &StoredConfig, asked: Asked, name: &RuleName) -> Answer {
    let rule = config.rules().find(RULE, name.as_str())?;
    let own = beside(config, name.as_str()).and_then(|own| wire::shown(config, &asked, rule, own));
    let attribute = own.ok_or_else(not_found)?;
    Ok(asked.entered.answer(json_answer(&attribute)))
}
