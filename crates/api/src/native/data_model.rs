//! The data model of a workspace: read whole, changed whole or piece by piece, tried first.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, delete, get, put};
use serde_json::json;
use tessera_seam::answer::{Answer, Failure, json as json_answer};
use tessera_seam::app::{App, Entered};
use tessera_seam::body;
use tessera_seam::extract::{PathParams, Query};
use tessera_seam::route::{Access, Route, Tag};
use tessera_service::directory::Permission;
use tessera_service::workspace_config::{ModelChange, StoredConfig, StoredModel, changed_model};
use tessera_service::{Contradicting, ModelChanged, ModelOutcome, contradicted};

use crate::declared::{self, Wrong};

mod parse;
mod render;
mod wire;

use render::Shows;

const CONFIGURE: Access = Access::Workspace(Permission::Configure);

pub(super) fn routes() -> Vec<Route> {
    [whole_routes(), mode_routes(), attribute_routes(), event_type_routes()].into_iter().flatten().collect()
}

fn route(method: Method, path: &'static str, handler: MethodRouter<Arc<App>>, summary: &'static str) -> Route {
    Route::new(method, path, CONFIGURE, handler, Tag::DataModel, summary)
}

/// What every change takes and answers.
fn change_route(route: Route) -> Route {
    let yes_or_no = json!({ "type": "boolean", "default": false });
    let example = json!({
        "version": 8, "dry_run": false,
        "differences": [{ "kind": "attribute", "name": "plan", "change": "added" }],
        "contradictions": { "count": 0, "examples": [] }
    });
    route
        .query("dry_run", "Only says what the change would come to.", yes_or_no.clone())
        .query("force", "Makes the change though stored data contradicts it; nothing is compared.", yes_or_no)
        .header("if-match", "The `ETag` of the model that is to be changed: 409 when it is another by now.")
        .answer::<wire::Change>(200, "What is different now.", example)
}

fn attribute_example() -> serde_json::Value {
    json!({
        "type": "text", "status": "active", "internal": false, "private": false, "label": "Plan",
        "allowed_values": ["free", "gold"], "allow_other_values": false
    })
}

fn event_type_example() -> serde_json::Value {
    json!({
        "properties": { "total": { "type": "number", "required": true } },
        "items": { "products": { "required": true, "properties": { "sku": { "type": "text", "required": true } } } }
    })
}

fn model_example() -> serde_json::Value {
    json!({
        "mode": "warn", "datasets": { "crm": { "mode": "strict" } },
        "attributes": { "plan": attribute_example() }, "event_types": { "Order Completed": event_type_example() }
    })
}

fn whole_routes() -> Vec<Route> {
    let example = json!({
        "version": 7, "model": model_example(),
        "namespaces": [{ "name": "user_id", "kind": "person", "priority": 900, "exclusive": true }],
        "learned": { "attributes": { "city": {
            "types": ["text"], "datasets": ["crm"], "more_datasets": false, "count": 12,
            "first_seen": "2026-01-31T10:00:00Z", "last_seen": "2026-02-01T09:00:00Z"
        } }, "event_types": {}, "overflowed": false }
    });
    vec![
        route(Method::GET, "/v1/data-model", get(read), "Reads the data model")
            .describe(
                "What is registered, and the namespaces, which have paths of their own. Types: `text`; `number`; `integer` (no \
                 fraction); `boolean`; `date` (`2026-02-28`); `date_time` (RFC 3339 with an offset, or `$timestamp`); `set` \
                 (distinct scalars; a list without doubles is one); `list`; `object`. Nothing is converted: a text that spells a \
                 number is a text. Null is always taken, for it removes.",
            )
            .query("learned", "Whether to tell what was seen.", json!({ "type": "boolean", "default": true }))
            .answer::<wire::DataModel>(200, "The data model, with its version as `ETag`.", example),
        change_route(
            route(Method::PUT, "/v1/data-model", put(replace), "Replaces the data model")
                .describe("What is not named is registered no more. The same model again changes nothing.")
                .body::<wire::Model>(model_example()),
        ),
        route(Method::DELETE, "/v1/data-model/learned", delete(forget), "Forgets what was seen")
            .describe("What comes in from now on is seen anew. What is registered stays.")
            .answer_empty(204, "It is forgotten."),
    ]
}

fn mode_routes() -> Vec<Route> {
    let own = "/v1/data-model/datasets/{dataset}";
    let dataset = |route: Route| change_route(route.segment("dataset", "The dataset's name."));
    let example = || json!({ "mode": "strict" });
    vec![
        change_route(
            route(Method::PUT, "/v1/data-model/mode", put(set_mode), "Sets the mode of the workspace")
                .describe("It holds for datasets without a mode of their own, and for what comes in from now on.")
                .body::<wire::DatasetMode>(example()),
        ),
        dataset(route(Method::PUT, own, put(set_dataset), "Sets the mode of a dataset"))
            .describe("It holds for what comes in from now on; what is stored stays.")
            .body::<wire::DatasetMode>(example()),
        dataset(route(Method::DELETE, own, delete(remove_dataset), "Takes a dataset its own mode"))
            .describe("It has the workspace's mode again."),
    ]
}

fn attribute_routes() -> Vec<Route> {
    let own = "/v1/data-model/attributes/{path}";
    let attribute = |route: Route| {
        change_route(route.segment("path", "The attribute's path, percent-encoded: `plan`, `address.city`."))
    };
    vec![
        attribute(route(Method::PUT, own, put(set_attribute), "Registers an attribute"))
            .body::<wire::Attribute>(attribute_example()),
        attribute(route(Method::DELETE, own, delete(remove_attribute), "Removes an attribute's registration"))
            .describe("What is stored stays, and nothing hides it any more. To close an attribute, make it inactive."),
    ]
}

fn event_type_routes() -> Vec<Route> {
    let own = "/v1/data-model/event-types/{name}";
    let event_type = |route: Route| change_route(route.segment("name", "The name of its events, percent-encoded."));
    vec![
        event_type(route(Method::PUT, own, put(set_event_type), "Registers an event type"))
            .body::<wire::EventType>(event_type_example()),
        event_type(route(Method::DELETE, own, delete(remove_event_type), "Removes an event type's registration"))
            .describe("What is stored stays."),
    ]
}

async fn read(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let is_asked = query.get("learned").is_none() || parse::says_yes(&query, "learned")?;
    let config = app.service.configuration(entered.workspace).await?;
    let learned = if is_asked { Some(app.service.learned(entered.workspace).await?) } else { None };
    Ok(entered.answer(tagged(json_answer(&render::data_model(&config, learned)), config.model())))
}

async fn forget(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    app.service.forget_learned(entered.workspace).await?;
    Ok(entered.answer(StatusCode::NO_CONTENT.into_response()))
}

async fn replace(State(app): State<Arc<App>>, query: Query, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let model: wire::Model = body::json(&entered.body(&app, &headers, body).await?)?;
    let definition = parse::definition(model)?;
    definition.datasets.keys().try_for_each(|name| entered.caller.datasets().check(name))?;
    let change = ModelChange::Replace(Box::new(definition));
    make(&app, entered, change, &query, &headers).await
}

async fn set_mode(State(app): State<Arc<App>>, query: Query, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let own: wire::DatasetMode = body::json(&entered.body(&app, &headers, body).await?)?;
    make(&app, entered, ModelChange::SetMode(parse::mode(&own.mode, "mode")?), &query, &headers).await
}

async fn set_dataset(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    entered.caller.datasets().check(&name)?;
    let own: wire::DatasetMode = body::json(&entered.body(&app, &headers, body).await?)?;
    let mode = parse::mode(&own.mode, "mode")?;
    make(&app, entered, ModelChange::SetDatasetMode(name.into(), mode), &query, &headers).await
}

async fn remove_dataset(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    entered.caller.datasets().check(&name)?;
    make(&app, entered, ModelChange::RemoveDatasetMode(name.into()), &query, &headers).await
}

async fn set_attribute(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let own: wire::Attribute = body::json(&entered.body(&app, &headers, body).await?)?;
    let attribute = parse::attribute(own, &name)?;
    make(&app, entered, ModelChange::SetAttribute(parse::path(&name)?, Box::new(attribute)), &query, &headers).await
}

async fn remove_attribute(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    make(&app, entered, ModelChange::RemoveAttribute(parse::path(&name)?), &query, &headers).await
}

async fn set_event_type(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let own: wire::EventType = body::json(&entered.body(&app, &headers, body).await?)?;
    let event_type = parse::event_type(own, &name)?;
    make(&app, entered, ModelChange::SetEventType(name.into(), Box::new(event_type)), &query, &headers).await
}

async fn remove_event_type(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    make(&app, entered, ModelChange::RemoveEventType(name.into()), &query, &headers).await
}

/// Makes a change, or only tries it.
async fn make(app: &App, entered: Entered, change: ModelChange, query: &Query, headers: &HeaderMap) -> Answer {
    let expected = parse::expected_version(headers)?;
    let contradicting = if parse::says_yes(query, "force")? { Contradicting::Made } else { Contradicting::Refused };
    let reads = entered.caller.permissions().contains(Permission::Read);
    let shows = |before: &StoredModel| {
        let sees_all = before.model.hidden(entered.visibility()).is_empty();
        if reads && sees_all { Shows::Examples } else { Shows::Count }
    };
    let config = app.service.configuration(entered.workspace).await?;
    if parse::says_yes(query, "dry_run")? {
        let tried = app.service.try_model_change(entered.workspace, &change, expected).await?;
        let answer = render::change(&tried, shows(&tried.before), (tried.before.version, true), &config);
        return Ok(entered.answer(tagged(json_answer(&answer), &tried.before)));
    }
    match app.service.change_model(entered.workspace, change, expected, contradicting).await? {
        ModelOutcome::Made(changed) => {
            let answer = render::change(&changed, shows(&changed.before), (changed.after.version, false), &config);
            Ok(entered.answer(tagged(json_answer(&answer), &changed.after)))
        }
        ModelOutcome::Contradicted(ModelChanged { contradictions, before, .. }) => {
            let found = serde_json::to_value(render::contradictions(&contradictions, shows(&before)));
            let found = found.expect("our wire types have text keys and serialise without fail");
            Err(Failure::from(contradicted(&contradictions)).with_member("contradictions", found))
        }
    }
}

/// A declared data model, as it is answered once it stands.
///
/// # Errors
/// What a change to it would be refused with, whatever is there.
pub(crate) fn declared(json: &str) -> Result<serde_json::Value, Wrong> {
    let definition = parse::definition(declared::read(json)?)?;
    let model = changed_model(&StoredConfig::default(), &ModelChange::Replace(Box::new(definition)), None)?;
    Ok(declared::written(&render::model(model.definition())))
}

fn tagged(mut response: Response, model: &StoredModel) -> Response {
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{}\"", model.version)) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}
