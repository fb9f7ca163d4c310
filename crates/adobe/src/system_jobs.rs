//! Profile system jobs: orders that what a dataset or a batch has said is removed (spec/adobe.md section 9).
//!
//! An order waits for a minute, in which it can be changed or withdrawn; then it begins, and what was there counts nowhere from that instant. Both
//! generations of the API are spoken: the newer one to whoever sends `x-sandbox-id`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{delete, get, post, put};
use serde_json::json;
use tessera_seam::answer::{Answer, json as json_answer};
use tessera_seam::app::App;
use tessera_seam::body;
use tessera_seam::extract::{PathParams, Query};
use tessera_seam::route::{Access, Route};
use tessera_service::directory::Permission;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::jobs::Job;
use tessera_service::workspace_config::{ErasureOrder, StoredConfig};

use super::enter::{self, Asked};
use super::route;
use parse::Target;
use render::{Generation, id_of};
use wire::NewSystemJob;

mod parse;
mod render;
mod wire;

const PATH: &str = "/data/core/ups/system/jobs";
const ONE: &str = "/data/core/ups/system/jobs/{job_id}";
/// How long an order waits, in which it can be changed or withdrawn.
const DELAY_SECS: u32 = 60;

/// The routes of system jobs.
pub(super) fn routes() -> Vec<Route> {
    let (read, erase) = (Access::Workspace(Permission::Read), Access::Workspace(Permission::Erase));
    let id = |route: Route| route.segment("job_id", "The id of the job.");
    let newer = |route: Route| {
        route.header("x-sandbox-id", "The id of the sandbox: whoever sends it is answered in the newer form.")
    };
    let text = || json!({ "type": "string" });
    let body = json!({ "dataSetId": "65f0aa10c2d34e28b1907702" });
    let example = json!({
        "id": "c0b6d7f0-3a4e-8a55-8c60-9f0a7a6b2210", "imsOrgId": "default@AdobeOrg", "dataSetId": "65f0aa10c2d34e28b1907702",
        "jobType": "DELETE", "status": "NEW", "createEpoch": 1_714_644_001, "updateEpoch": 1_714_644_001
    });
    let same = json!({ "requestId": "r-1", "errors": { "422": [{ "code": "422", "message": "the same erasure is ordered already, and not carried out" }] } });
    vec![
        newer(route(Method::GET, PATH, read, get(list), "Lists system jobs"))
            .query("start", "Where the page begins: `next` of the page before.", text())
            .query("limit", "How many: 1 to 100.", json!({ "type": "integer", "minimum": 1, "maximum": 100 }))
            .query("page", "The number of a page, from 0 on.", text())
            .query("sort", "`createEpoch`, `updateEpoch` or `status`, with `:asc` or `:desc`.", text())
            .answer_free(200, "A page of them.", json!({ "_page": { "count": 1, "next": "" }, "children": [example] })),
        newer(route(Method::POST, PATH, erase, post(create), "Orders that a dataset or a batch is removed"))
            .describe("Of a dataset `dataSetId`, of a batch of events `batchId`, with `datasetId` where the batch was not made here.")
            .body::<NewSystemJob>(body.clone())
            .answer_free(200, "It is ordered, and begins in a minute.", example.clone())
            .answer_free(422, "The same is ordered already.", same.clone()),
        id(newer(route(Method::GET, ONE, read, get(one), "Reads a system job")))
            .answer_free(200, "As it stands.", example.clone()),
        id(newer(route(Method::PUT, ONE, erase, put(change), "Changes a system job that has not begun")))
            .body::<NewSystemJob>(body)
            .answer_free(200, "It is changed.", example)
            .answer_free(422, "The same is ordered already.", same),
        id(newer(route(Method::DELETE, ONE, erase, delete(withdraw), "Withdraws a system job")))
            .describe("One that has begun goes on, and is told of no more.")
            .answer_empty(200, "It is gone."),
    ]
}

/// The order that an id means.
fn order<'a>(config: &'a StoredConfig, asked: &Asked, id: &str) -> Result<&'a ErasureOrder, Error> {
    let found = config.planned().orders().find(|own| id_of(asked, own) == id);
    found.ok_or_else(|| Error::new(ErrorKind::NotFound, "erasure_order_not_found", "no system job has this id"))
}

/// The jobs that carry out what has begun, where anything has.
async fn jobs(app: &App, asked: &Asked, config: &StoredConfig) -> Result<BTreeMap<u64, Job>, Error> {
    if config.planned().orders().len() == 0 {
        return Ok(BTreeMap::new());
    }
    app.service.erasure_jobs(asked.workspace()).await
}

async fn list(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Read)?;
    let (config, generation) = (asked.config(&app).await?, Generation::of(&headers));
    let wanted = parse::page(&query, generation)?;
    let jobs = jobs(&app, &asked, &config).await?;
    let page = render::page(&asked, &config, &jobs, (generation, &wanted));
    Ok(asked.entered.answer(json_answer(&page)))
}

async fn one(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Read)?;
    let (config, generation) = (asked.config(&app).await?, Generation::of(&headers));
    let jobs = jobs(&app, &asked, &config).await?;
    let shown = render::job(&asked, &config, &jobs, (generation, order(&config, &asked, &id)?));
    Ok(asked.entered.answer(json_answer(&shown)))
}

async fn create(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Erase)?;
    let body = asked.json(&app, &headers, body).await?;
    let config = asked.config(&app).await?;
    let Target { dataset, batch } = parse::target(&app, &asked, body::json(&body)?, &config).await?;
    asked.entered.caller.datasets().check(&dataset)?;
    let (of, by) = ((dataset.as_str(), batch.as_deref()), asked.entered.caller.key());
    let order = app.service.order_erasure(asked.workspace(), of, DELAY_SECS, by).await?;
    let shown = render::job(&asked, &config, &BTreeMap::new(), (Generation::of(&headers), &order));
    Ok(asked.entered.answer(json_answer(&shown)))
}

async fn change(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Erase)?;
    let body = asked.json(&app, &headers, body).await?;
    let config = asked.config(&app).await?;
    let number = order(&config, &asked, &id)?.number;
    let Target { dataset, batch } = parse::target(&app, &asked, body::json(&body)?, &config).await?;
    asked.entered.caller.datasets().check(&dataset)?;
    let of = (dataset.as_str(), batch.as_deref());
    let order = app.service.change_erasure_order(asked.workspace(), number, of).await?;
    let shown = render::job(&asked, &config, &BTreeMap::new(), (Generation::of(&headers), &order));
    Ok(asked.entered.answer(json_answer(&shown)))
}

async fn withdraw(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Erase)?;
    let config = asked.config(&app).await?;
    let number = order(&config, &asked, &id)?.number;
    app.service.withdraw_erasure_order(asked.workspace(), number).await?;
    Ok(asked.entered.answer(StatusCode::OK.into_response()))
}
