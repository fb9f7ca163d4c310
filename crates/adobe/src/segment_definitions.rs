//! Segment definitions (spec/adobe.md section 12.1): conditions on people or accounts, and who meets them.
//!
//! A segment definition is a segment of the workspace, its id the segment's name, so that memberships and rules name it alike. What only this API
//! tells of it, and the condition as it was sent, is kept beside it. Everybody is asked when it is made, and whoever changes from then on:
//! which way of evaluation it says is kept and told.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body as Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::routing::{delete, get, patch, post};
use serde_json::json;
use tessera_seam::answer::{Answer, json as json_answer};
use tessera_seam::app::App;
use tessera_seam::body;
use tessera_seam::extract::{BaseUrl, PathParams, Query};
use tessera_seam::route::{Access, Route};
use tessera_service::directory::Permission;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::workspace_config::{RuleKind, StoredConfig, StoredRule};

use super::bulk::{self, Ids, Results};
use super::enter::{Asked, enter};
use super::{objects, pql};

mod change;
mod list;
mod wire;

use wire::{Body, Conversion, Converted, SegmentDefinition, SegmentDefinitions};

const READ: Access = Access::Workspace(Permission::Read);
const CONFIGURE: Access = Access::Workspace(Permission::Configure);
/// The kind of rule that they are.
const RULE: RuleKind = RuleKind::Segment;
/// How long an answer waits for a rule to be brought to everybody.
const BUILDING: Duration = Duration::from_secs(5);
const ALL: &str = "/data/core/ups/segment/definitions";
const TAKEN: &str = "Another one has its name, or there is no such merge policy.";

/// The routes of segment definitions.
pub(super) fn routes() -> Vec<Route> {
    let one = "/data/core/ups/segment/definitions/{id}";
    let (definition, body) = (wire::example(), wire::example_body());
    let id = |route: Route| route.segment("id", "The id of a segment definition.");
    let route = super::route;
    let page = json!({
        "segments": [definition],
        "page": { "totalCount": 1, "totalPages": 1, "sortField": "creationTime", "sort": "desc", "pageSize": 1, "limit": 100 }, "link": {}
    });
    let converted = json!({
        "imsOrgId": "default@AdobeOrg", "sandbox": objects::example_sandbox(), "description": "Gold",
        "expression": { "type": "PQL", "format": "pql/json", "value": "{\"nodeType\":\"fieldLookup\",\"fieldName\":\"loyalty\",\"object\":{\"nodeType\":\"parameterReference\",\"position\":1}}" }
    });
    vec![
        list::documented(route(Method::GET, ALL, READ, get(list_all), "Lists segment definitions"))
            .answer::<SegmentDefinitions>(200, "A page of them.", page),
        objects::unprocessable(route(Method::POST, ALL, CONFIGURE, post(create), "Makes a segment definition"), TAKEN)
            .describe("Of people, or of accounts by `schema.name`. `X-Location` says where it is.")
            .body::<Body>(body.clone())
            .answer::<SegmentDefinition>(200, "The segment definition.", definition.clone()),
        route(
            Method::POST,
            "/data/core/ups/segment/definitions/bulk-get",
            READ,
            post(bulk_get),
            "Reads up to 100 segment definitions",
        )
        .describe("404 where none of them is there.")
        .body::<Ids>(json!({ "ids": [{ "id": definition["id"] }] }))
        .answer_free(
            207,
            "By id: the segment definition, or that there is none.",
            json!({ "results": { (wire::EXAMPLE_ID): definition } }),
        ),
        route(
            Method::POST,
            "/data/core/ups/segment/conversion",
            READ,
            post(convert),
            "Writes a condition in the other form",
        )
        .describe("Text as nodes, nodes as text. Nothing is kept.")
        .body::<Conversion>(body.clone())
        .answer::<Converted>(200, "The other form.", converted),
        id(route(Method::GET, one, READ, get(read), "Reads a segment definition")).answer::<SegmentDefinition>(
            200,
            "The segment definition.",
            definition.clone(),
        ),
        id(objects::unprocessable(
            route(Method::PATCH, one, CONFIGURE, patch(replace), "Replaces a segment definition"),
            TAKEN,
        ))
        .describe("All of it, as when it is made. Who is a member of both stays one since then.")
        .body::<Body>(body)
        .answer::<SegmentDefinition>(200, "The segment definition.", definition),
        id(objects::unprocessable(
            route(Method::DELETE, one, CONFIGURE, delete(remove), "Deletes a segment definition"),
            "Others depend on it.",
        ))
        .answer_free(
            200,
            "It is gone.",
            json!({ "status": true, "message": "Segment definition is deleted" }),
        ),
    ]
}

async fn list_all(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let asked = enter(&app, &headers, Permission::Read)?;
    let wanted = list::Wanted::read(&query)?;
    let config = asked.config(&app).await?;
    let shows = config.shows_rules(asked.entered.visibility());
    let all = wire::all(&config).filter(|rule| shows(RULE, rule.name.as_str()));
    let places = pql::places(&config, &asked.org);
    let page = wanted.page(all.map(|rule| wire::shown(rule, &config, &asked, &places)).collect());
    Ok(asked.entered.answer(json_answer(&page)))
}

async fn read(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let asked = enter(&app, &headers, Permission::Read)?;
    let config = asked.config(&app).await?;
    let definition = shown(&config, &asked, find(&config, &asked, &id)?);
    Ok(asked.entered.answer(json_answer(&definition)))
}

async fn create(State(app): State<Arc<App>>, base: BaseUrl, headers: HeaderMap, bytes: Bytes) -> Answer {
    let asked = enter(&app, &headers, Permission::Configure)?;
    let bytes = asked.json(&app, &headers, bytes).await?;
    let id = objects::fresh_uuid(&app);
    let definition = put(&app, &asked, &id, body::json(&bytes)?).await?;
    let mut response = json_answer(&definition);
    if let Ok(location) = HeaderValue::from_str(&format!("{}{ALL}/{id}", base.0)) {
        response.headers_mut().insert("x-location", location);
    }
    Ok(asked.entered.answer(response))
}

async fn replace(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer {
    let asked = enter(&app, &headers, Permission::Configure)?;
    let bytes = asked.json(&app, &headers, bytes).await?;
    let config = asked.config(&app).await?;
    let id = find(&config, &asked, &id)?.name.to_string();
    let definition = put(&app, &asked, &id, body::json(&bytes)?).await?;
    Ok(asked.entered.answer(json_answer(&definition)))
}

/// Makes a segment definition or replaces it, and waits until it is brought to everybody.
async fn put(app: &App, asked: &Asked, id: &str, sent: Body) -> Result<SegmentDefinition, Error> {
    let config = asked.config(app).await?;
    let wanted = change::read(app, asked, &config, (id, sent)).await?;
    let name = wanted.name.clone();
    let change = move |config: &StoredConfig, at| change::said(config, wanted, at);
    app.service.configure_rules(asked.workspace(), change).await?;
    objects::brought(app, asked, RULE, &name, BUILDING).await?;
    let config = asked.config(app).await?;
    Ok(shown(&config, asked, config.rules().find(RULE, name.as_str())?))
}

async fn remove(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let asked = enter(&app, &headers, Permission::Configure)?;
    let config = asked.config(&app).await?;
    let name = find(&config, &asked, &id)?.name.clone();
    let visibility = asked.entered.visibility();
    let change = move |config: &StoredConfig, _| change::removed(config, &name, visibility);
    app.service.configure_rules(asked.workspace(), change).await?;
    Ok(asked.entered.answer(json_answer(&json!({ "status": true, "message": "Segment definition is deleted" }))))
}

async fn bulk_get(State(app): State<Arc<App>>, headers: HeaderMap, bytes: Bytes) -> Answer {
    let asked = enter(&app, &headers, Permission::Read)?;
    let bytes = asked.json(&app, &headers, bytes).await?;
    let ids = bulk::ids(&bytes)?;
    let config = asked.config(&app).await?;
    let mut results = Results::default();
    for id in ids {
        let found = find(&config, &asked, &id).ok();
        results.put(id, found.map(|rule| shown(&config, &asked, rule)));
    }
    let response = results.answer(&app, not_found)?;
    Ok(asked.entered.answer(response))
}

async fn convert(State(app): State<Arc<App>>, headers: HeaderMap, bytes: Bytes) -> Answer {
    let asked = enter(&app, &headers, Permission::Read)?;
    let bytes = asked.json(&app, &headers, bytes).await?;
    let converted = wire::converted(body::json(&bytes)?, &asked)?;
    Ok(asked.entered.answer(json_answer(&converted)))
}

/// The segment of an id, where the caller may see it.
fn find<'a>(config: &'a StoredConfig, asked: &Asked, id: &str) -> Result<&'a StoredRule, Error> {
    let shows = config.shows_rules(asked.entered.visibility());
    let mut all = wire::all(config).filter(|rule| shows(RULE, rule.name.as_str()));
    all.find(|rule| rule.name.as_str().eq_ignore_ascii_case(id)).ok_or_else(not_found)
}

fn shown(config: &StoredConfig, asked: &Asked, rule: &StoredRule) -> SegmentDefinition {
    wire::shown(rule, config, asked, &pql::places(config, &asked.org))
}

fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "segment_not_found", "no segment definition of this sandbox has this id")
}
