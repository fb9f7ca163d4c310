//! Batches of files: made, filled with files of JSON, completed, and looked at (issue of this API's ingestion; its batch guides).
//!
//! What a file says is taken when it is uploaded, under the name of its batch. A batch that fails, is aborted or reverted has that erased as any
//! named delivery is. So before it is completed it can be read already.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post, put};
use serde_json::{Map, Value, json};
use tessera_service::directory::Permission;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::verdict::Verdict;
use tessera_service::workspace_config::{StoredConfig, set_object};

use super::enter::{self, Asked, content_type};
use super::registry::{BATCH, kept as registry_kept, layout_of};
use super::{NAME, route};
use crate::answer::{Answer, invalid, json as json_answer};
use crate::app::App;
use crate::body;
use crate::extract::{PathParams, Query};
use crate::route::{Access, Route};
use kept::{Batch, Status};
use parse::{Action, File, NewBatch};

mod kept;
mod parse;

const IMPORT: &str = "/data/foundation/import/batches";
const ONE_IMPORT: &str = "/data/foundation/import/batches/{batch_id}";
const FILE: &str = "/data/foundation/import/batches/{batch_id}/datasets/{dataset_id}/files/{file_name}";
const CATALOG: &str = "/data/foundation/catalog/batches";
const ONE_CATALOG: &str = "/data/foundation/catalog/batches/{batch_id}";

/// Rows that are written at once.
const ROWS_AT_ONCE: usize = 500;

/// The routes of batches.
pub(super) fn routes() -> Vec<Route> {
    let (read, ingest) = (Access::Workspace(Permission::Read), Access::Workspace(Permission::Ingest));
    let id = |route: Route| route.segment("batch_id", "The id of the batch.");
    let example = json!({
        "id": "5d01230fc78a4e4f8c0c6b387b4b8d1c", "imsOrg": "default@AdobeOrg", "status": "loading", "created": 1_714_644_001_000_i64,
        "updated": 1_714_644_001_000_i64, "relatedObjects": [{ "type": "dataSet", "id": "5e30d7986c0cc218a85cee65" }], "version": "1.0.0",
        "tags": {}, "inputFormat": { "format": "json" }
    });
    let by_id = json!({ "5d01230fc78a4e4f8c0c6b387b4b8d1c": example });
    let text = || json!({ "type": "string" });
    vec![
        route(Method::POST, IMPORT, ingest, post(create), "Makes a batch")
            .describe("Of files of JSON: a line is an entity, or the whole file is one or a list of them, with `isMultiLineJson`.")
            .body::<NewBatch>(json!({ "datasetId": "5e30d7986c0cc218a85cee65", "inputFormat": { "format": "json" } }))
            .answer_free(201, "It is made.", example),
        id(route(Method::PUT, FILE, ingest, put(upload), "Uploads a file into a batch"))
            .segment("dataset_id", "The dataset of the batch.")
            .segment("file_name", "The name of the file: the same once more is the same rows.")
            .answer_empty(200, "Its rows are taken; those that are not are counted."),
        id(route(Method::POST, ONE_IMPORT, ingest, post(end), "Completes, aborts or reverts a batch"))
            .audited(tessera_service::audit::Action::Run)
            .query("action", "`COMPLETE`, `ABORT`, `FAIL` or `REVERT`.", text())
            .answer_empty(200, "It has ended."),
        route(Method::GET, CATALOG, read, get(list), "Lists batches")
            .query("limit", "How many: 1 to 100.", json!({ "type": "integer", "minimum": 1, "maximum": 100 }))
            .query("start", "How many to leave out.", text())
            .query("status", "Those that stand so.", text())
            .query("dataSet", "Those of this dataset.", text())
            .answer_free(200, "By id, the newest first.", by_id.clone()),
        id(route(Method::GET, ONE_CATALOG, read, get(one), "Reads a batch")).answer_free(200, "Under its id.", by_id),
    ]
}

/// Changes a batch as it stands when the change is made, and answers what it is then.
async fn change(
    app: &App,
    asked: &Asked,
    id: &str,
    make: impl FnOnce(&mut Batch) -> Result<(), Error> + Send + 'static,
) -> Result<Batch, Error> {
    let (name, now) = (id.to_owned(), app.now());
    let change = move |config: &StoredConfig| {
        let mut batch: Batch = registry_kept::find(config, BATCH, &name)?;
        make(&mut batch)?;
        batch.updated = now.micros().div_euclid(1_000);
        set_object(config, (BATCH, &name), Some(&registry_kept::written(&batch)))
    };
    let config = app.service.configure(asked.workspace(), change).await?;
    registry_kept::find(&config, BATCH, id)
}

async fn create(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Ingest)?;
    let body = asked.json(&app, &headers, body).await?;
    let config = asked.config(&app).await?;
    let mut bits = [0; 16];
    app.service.random(&mut bits);
    let batch = parse::batch(body::json(&body)?, bits, app.now())?;
    asked.entered.caller.datasets().check(&layout_of(&config, &batch.dataset, None)?.dataset)?;
    let shown = batch.shown(&asked.org);
    app.service.configure(asked.workspace(), move |config| batch.added(config)).await?;
    Ok(asked.entered.answer((StatusCode::CREATED, json_answer(&shown)).into_response()))
}

async fn upload(
    State(app): State<Arc<App>>,
    PathParams((id, dataset, file)): PathParams<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Ingest)?;
    content_type(&headers, &["application/octet-stream", "application/json"])?;
    let config = asked.config(&app).await?;
    let batch: Batch = registry_kept::find(&config, BATCH, &id)?;
    batch.check_open()?;
    if batch.dataset != dataset {
        return Err(invalid("dataset_of_batch", "the path names another dataset than the batch is of").into());
    }
    let layout = layout_of(&config, &dataset, None)?;
    asked.entered.caller.datasets().check(&layout.dataset)?;
    let body = asked.entered.body(&app, &headers, body).await?;
    let file =
        File { batch: &batch, name: &file, layout: &layout, config: &config, class: asked.entered.caller.class() };
    let rows = parse::rows(body::text(&body)?, batch.is_multi_line);
    let (mut counted, by) = (kept::Counted::default(), asked.entered.caller.key());
    for (at, part) in rows.chunks(ROWS_AT_ONCE).enumerate() {
        let first = at * ROWS_AT_ONCE;
        let incoming = part.iter().enumerate().map(|(row, text)| file.incoming(first + row, text)).collect();
        let verdicts = app.service.ingest(asked.workspace(), incoming, NAME, by).await?;
        for (row, verdict) in verdicts.into_iter().enumerate() {
            counted.see(
                file.name,
                first + row,
                match verdict {
                    Verdict::Accepted { .. } | Verdict::Duplicate => None,
                    Verdict::Differs => Some("another row of this id is there, and events are not changed".to_owned()),
                    Verdict::Rejected(rejection) => Some(rejection.message.into_owned()),
                },
            );
        }
    }
    let name = file.name.to_owned();
    change(&app, &asked, &id, move |batch| batch.add(&name, counted)).await?;
    Ok(asked.entered.answer(StatusCode::OK.into_response()))
}

async fn end(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Ingest)?;
    let action = Action::parse(query.get("action"))?;
    if action == Action::Revert {
        asked.entered.caller.require(Permission::Erase)?;
    }
    let config = asked.config(&app).await?;
    let batch: Batch = registry_kept::find(&config, BATCH, &id)?;
    let status = batch.after(action)?;
    // What it said goes first: a batch that has ended otherwise than well says nothing, and one that could not be ended is asked again.
    if status != Status::Success && batch.rows() > 0 {
        let by = asked.entered.caller.key();
        app.service.erase_source(asked.workspace(), &batch.dataset, Some(&id), None, by).await?;
    }
    change(&app, &asked, &id, move |batch| batch.end(action)).await?;
    Ok(asked.entered.answer(StatusCode::OK.into_response()))
}

async fn list(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Read)?;
    let config = asked.config(&app).await?;
    let (start, limit) = super::registry::page(&query)?;
    let mut all: Vec<Batch> = registry_kept::all(&config, BATCH)?;
    let is = |wanted: Option<&str>, own: &str| wanted.is_none_or(|wanted| wanted == own);
    all.retain(|own| is(query.get("status"), own.status.name()) && is(query.get("dataSet"), &own.dataset));
    all.sort_by_key(|own| (std::cmp::Reverse(own.created), own.id.clone()));
    let page = all.iter().skip(start).take(limit);
    let shown: Map<String, Value> = page.map(|own| (own.id.clone(), own.shown(&asked.org))).collect();
    Ok(asked.entered.answer(json_answer(&shown)))
}

async fn one(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Read)?;
    let config = asked.config(&app).await?;
    let found: Batch = registry_kept::find(&config, BATCH, &id)?;
    let shown: Map<String, Value> = [(id, found.shown(&asked.org))].into_iter().collect();
    Ok(asked.entered.answer(json_answer(&shown)))
}

/// The answer for what a batch that has ended takes no more.
fn ended() -> Error {
    Error::new(ErrorKind::Conflict, "batch_ended", "the batch has ended: make another one")
}
