//! Sources of a workspace: rows of databases and files that are profiles, and their refreshes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::{delete, get, post, put};
use serde_json::{Value as Json, json};
use tessera_seam::answer::{Answer, accepted, json as json_answer};
use tessera_seam::app::{App, Entered};
use tessera_seam::body;
use tessera_seam::extract::PathParams;
use tessera_seam::route::{Access, Route, Tag};
use tessera_service::audit::Action;
use tessera_service::directory::Permission;
use tessera_service::error::Error;
use tessera_service::sources::{Source, check_name, source, sources};

use super::connections::acted_on;
use crate::declared::{self, Wrong};
use crate::jobs;

pub(super) mod parse;
pub(super) mod render;
pub(super) mod wire;

const CONFIGURE: Access = Access::Workspace(Permission::Configure);
const ALL: &str = "/v1/sources";
const ONE: &str = "/v1/sources/{name}";
const PREVIEW: &str = "/v1/sources:preview";
const REFRESH: &str = "/v1/sources/{name}:refresh";

pub(super) fn routes() -> Vec<Route> {
    let route = |method, path, handler, summary| Route::new(method, path, CONFIGURE, handler, Tag::Sources, summary);
    let one = |route: Route| route.segment("name", "Its name.");
    let (sent, shown) = examples();
    let mut job = jobs::example();
    job["kind"] = "refresh".into();
    job["parameters"] = json!({ "source": "customers", "full": false });
    job["progress"]["unit"] = "rows".into();
    vec![
        route(Method::GET, ALL, get(list), "Lists sources")
            .describe("By name, each with its last refresh. At most 50 in a workspace.")
            .answer::<wire::Sources>(200, "All of them.", json!({ "items": [shown.clone()] })),
        one(route(Method::GET, ONE, get(read), "Reads a source"))
            .describe(
                "With when it is refreshed next by itself, its last 50 refreshes, the newest first, and how its changes stand where they are followed.",
            )
            .answer::<wire::Source>(200, "As it stands.", shown.clone()),
        one(route(Method::PUT, ONE, put(set), "Makes or replaces a source"))
            .describe(
                "Each row of it says what there is to say of one person: the dataset of its name holds that and nothing else. A row that changes \
                 replaces what it said, one that is no more takes it back in the next refresh. Its rows are read when it is refreshed, by its schedule \
                 or by `POST /v1/sources/{name}:refresh`; with `changes`, those of a table of PostgreSQL are written within seconds between refreshes as well. \
                 Setting it makes other columns than before welcome.",
            )
            .body::<wire::SetSource>(sent.clone())
            .answer::<wire::Source>(200, "As it stands.", shown),
        one(route(Method::DELETE, ONE, delete(remove), "Deletes a source"))
            .describe(
                "It is refreshed no more, its history goes, and so does its replication slot as soon as the database answers. What it said stays: erase its dataset with `POST /v1/erasures` if it is to go as well. \
                 The segments of its audiences stay until they are archived.",
            )
            .answer_empty(204, "It is gone."),
        route(Method::POST, PREVIEW, post(preview), "Tries a source")
            .describe(
                "Asks for the first 20 rows, and says what would become of each column. Nothing is kept. Rows are shown as they come, so it takes a key \
                 that sees all that the data model flags, and `export` where an activation writes over the connection.",
            )
            .audited(Action::Read)
            .body::<wire::SetSource>(sent)
            .answer::<wire::Preview>(200, "What it would bring.", previewed()),
        one(route(Method::POST, REFRESH, post(refresh), "Refreshes a source"))
            .describe(
                "Reads all rows, writes those that changed and takes back those that are no more. If these are more than `evict_max_share` of those of \
                 before, if there are no rows at all, or if the columns are others, nothing is taken back and the refresh says so. Refused while another \
                 one of the source goes on, which the message names; one that waits to begin and was asked for the same, or the first that a schedule began, is answered instead.",
            )
            .body::<wire::Refresh>(json!({ "evict_max_share": 1.0 }))
            .answer::<jobs::wire::Job>(202, "The job.", job),
    ]
}

/// What is sent, and what is answered.
fn examples() -> (Json, Json) {
    let sent = json!({
        "connection": "crm-db", "sql": "select customer_id, email, city, ltv, high_spenders from customers",
        "rows": "profiles", "event": null, "primary": { "column": "customer_id", "namespace": "user_id" }, "identifiers": { "email": "email" },
        "audiences": ["high_spenders"], "schedule": { "every": "5m" }, "evict_max_share": 0.2
    });
    let mut shown = sent.clone();
    let own = json!({
        "name": "customers", "table": null, "attributes": null, "types": {}, "status": "idle", "job": null,
        "next_run": "2026-01-31T10:05:00Z", "created_at": "2026-01-31T09:00:00Z", "updated_at": "2026-01-31T09:00:00Z",
        "runs": [{
            "id": "019a0f3e5b2c7d41e0a8f5c2", "started_at": "2026-01-31T10:00:00Z", "ended_at": "2026-01-31T10:00:04Z",
            "status": "done", "read": 120_500, "changed": 1_204, "unchanged": 119_295, "evicted": 12, "refused": 1, "error": null,
            "verdicts": [{ "code": "row_primary_null", "column": null, "refused": true, "rows": 1 }]
        }]
    });
    for (name, value) in own.as_object().into_iter().flatten() {
        shown[name] = value.clone();
    }
    (sent, shown)
}

fn previewed() -> Json {
    let column = |name: &str, kind: &str, source_type: &str, becomes: &str, own: &str| json!({ "name": name, "kind": kind, "source_type": source_type, "becomes": becomes, "as": own, "code": null });
    json!({
        "columns": [
            column("customer_id", "text", "text", "primary", "user_id"), column("email", "text", "text", "identifier", "email"),
            column("ltv", "number", "numeric", "attribute", "ltv"), column("high_spenders", "boolean", "bool", "audience", "high_spenders")
        ],
        "rows": [{ "customer_id": "U-20417", "email": "lena@mail.example", "ltv": 318.4, "high_spenders": true }]
    })
}

async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let config = app.service.configuration(entered.workspace).await?;
    let mut items = Vec::new();
    for (name, own) in sources(&config)? {
        let mut item = shown(&app, &entered, &name, &own).await?;
        item.runs.truncate(1);
        items.push(item);
    }
    Ok(entered.answer(json_answer(&wire::Sources { items })))
}

async fn read(State(app): State<Arc<App>>, PathParams(name): PathParams<String>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let config = app.service.configuration(entered.workspace).await?;
    let own = shown(&app, &entered, &name, &source(&config, &name)?).await?;
    Ok(entered.answer(json_answer(&own)))
}

async fn set(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let body = entered.body(&app, &headers, body).await?;
    let content = parse::source(body::json(&body)?)?;
    entered.caller.datasets().check(&name)?;
    app.service.check_brings_back(entered.workspace, &content.connection, entered.visibility()).await?;
    let config = app.service.put_source(entered.workspace, &name, content).await?;
    let own = shown(&app, &entered, &name, &source(&config, &name)?).await?;
    Ok(entered.answer(json_answer(&own)))
}

async fn remove(State(app): State<Arc<App>>, PathParams(name): PathParams<String>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    entered.caller.datasets().check(&name)?;
    app.service.delete_source(entered.workspace, &name).await?;
    Ok(entered.answer(StatusCode::NO_CONTENT.into_response()))
}

async fn preview(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let body = entered.body(&app, &headers, body).await?;
    let content = parse::source(body::json(&body)?)?;
    if app.service.is_written_to(entered.workspace, &content.connection).await? {
        // Its rows may be profiles.
        entered.caller.require(Permission::Export)?;
    }
    let preview = app.service.preview_source(entered.workspace, content, entered.visibility()).await?;
    Ok(entered.answer(json_answer(&render::preview(&preview))))
}

async fn refresh(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let body = entered.body(&app, &headers, body).await?;
    let wire::Refresh { evict_max_share, full } =
        if body.is_empty() { wire::Refresh { evict_max_share: None, full: false } } else { body::json(&body)? };
    let name = acted_on(&name, "refresh")?;
    entered.caller.datasets().check(name)?;
    let by = entered.caller.key();
    let job = app.service.refresh_source(entered.workspace, name, (evict_max_share, full), by).await?;
    Ok(entered.answer(accepted(jobs::rendered(&job))))
}

async fn shown(app: &App, entered: &Entered, name: &str, own: &Source) -> Result<wire::Source, Error> {
    let state = app.service.source_state(entered.workspace, name, own).await?;
    let changes = app.service.source_changes(entered.workspace, name, own).await?;
    Ok(render::source(name, own, &state, changes))
}

/// A declared source, as it is answered once it stands, without what the server alone says of it.
///
/// # Errors
/// What its making would be refused with in a workspace that has its connection and its namespaces.
pub(crate) fn declared(name: &str, json: &str) -> Result<Json, Wrong> {
    check_name(name)?;
    let content = parse::source(declared::read(json)?)?;
    content.check_alone()?;
    Ok(declared::written(&render::content(&content)))
}
