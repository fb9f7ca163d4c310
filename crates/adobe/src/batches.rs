//! Batches of files: made, filled with files of JSON, completed, and looked at (issue of this API's ingestion; its batch guides).
//!
//! What a file says is taken when it is uploaded, or when it is completed where it comes in parts, under the name of its batch. A batch that fails, is aborted or reverted has that erased as any
//! named delivery is. So before it is completed it can be read already.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_RANGE;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, patch, post, put};
use serde_json::{Map, Value, json};
use tessera_seam::answer::{Answer, invalid, json as json_answer};
use tessera_seam::app::App;
use tessera_seam::body;
use tessera_seam::extract::{PathParams, Query};
use tessera_seam::route::{Access, Route};
use tessera_service::directory::{Permission, WorkspaceId};
use tessera_service::error::{Error, ErrorKind};
use tessera_service::uploads::{ROWS_AT_ONCE, UploadFormat};
use tessera_service::verdict::{Incoming, Verdict};
use tessera_service::workspace_config::StoredConfig;

use super::enter::{self, Asked, content_type};
use super::registry::{Layout, layout_of};
use super::{NAME, route};
use kept::{Batch, Format, Status};
use parse::{Action, File, FileAction, NewBatch};

mod kept;
mod parse;

const IMPORT: &str = "/data/foundation/import/batches";
const ONE_IMPORT: &str = "/data/foundation/import/batches/{batch_id}";
const FILE: &str = "/data/foundation/import/batches/{batch_id}/datasets/{dataset_id}/files/{file_name}";
const CATALOG: &str = "/data/foundation/catalog/batches";
const ONE_CATALOG: &str = "/data/foundation/catalog/batches/{batch_id}";

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
            .describe("Of files of JSON: a line is an entity, or the whole file is one or a list of them, with `isMultiLineJson`. Or of files of Parquet.")
            .body::<NewBatch>(json!({ "datasetId": "5e30d7986c0cc218a85cee65", "inputFormat": { "format": "json" } }))
            .answer_free(201, "It is made.", example),
        id(route(Method::PUT, FILE, ingest, put(upload), "Uploads a file into a batch"))
            .segment("dataset_id", "The dataset of the batch.")
            .segment("file_name", "The name of the file: the same once more is the same rows.")
            .answer_empty(200, "Its rows are taken; those that are not are counted."),
        id(route(Method::POST, FILE, ingest, post(file_action), "Begins a file that comes in parts, or completes it"))
            .segment("dataset_id", "The dataset of the batch.")
            .segment("file_name", "The name of the file.")
            .query("action", "`INITIALIZE` or `COMPLETE`: then its rows are taken, and those that are not are counted.", text())
            .answer_empty(201, "It has begun, or its rows are taken."),
        id(route(Method::PATCH, FILE, ingest, patch(upload_part), "Uploads a part of a file"))
            .describe("`Content-Range: bytes <first>-<last>/<all>` says which. At most 1 GiB make a file; one that waits for a part for a day goes.")
            .segment("dataset_id", "The dataset of the batch.")
            .segment("file_name", "The name of a file that has begun.")
            .answer_empty(200, "It is there."),
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

async fn create(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Ingest)?;
    let body = asked.json(&app, &headers, body).await?;
    let config = asked.config(&app).await?;
    let mut bits = [0; 16];
    app.service.random(&mut bits);
    let batch = parse::batch(body::json(&body)?, bits, app.now())?;
    asked.entered.caller.datasets().check(&layout_of(&config, &batch.dataset, None)?.dataset)?;
    let shown = batch.shown(&asked.org);
    batch.keep(&app, asked.workspace()).await?;
    Ok(asked.entered.answer((StatusCode::CREATED, json_answer(&shown)).into_response()))
}

/// A file of a batch that takes more, and whoever sends it.
struct Sent {
    asked: Asked,
    config: Arc<StoredConfig>,
    batch: Batch,
    layout: Layout,
    name: String,
}

impl Sent {
    async fn enter(
        app: &App,
        headers: &HeaderMap,
        (id, dataset, name): (String, String, String),
    ) -> Result<Self, Error> {
        let asked = enter::enter(app, headers, Permission::Ingest)?;
        let config = asked.config(app).await?;
        let batch = kept::find(app, asked.workspace(), &id).await?;
        batch.check_open()?;
        if batch.dataset != dataset {
            return Err(invalid("dataset_of_batch", "the path names another dataset than the batch is of"));
        }
        let layout = layout_of(&config, &dataset, None)?;
        asked.entered.caller.datasets().check(&layout.dataset)?;
        Ok(Self { asked, config, batch, layout, name })
    }

    fn file(&self) -> File<'_> {
        let class = self.asked.entered.caller.class();
        File { batch: &self.batch, name: &self.name, layout: &self.layout, config: &self.config, class }
    }

    /// What its file is called while it is handed over.
    fn upload(&self) -> String {
        self.batch.upload_of(&self.name)
    }

    /// Writes rows, of which the first stands at this place, and counts what becomes of them.
    async fn write(
        &self,
        app: &App,
        first: usize,
        rows: Vec<Incoming>,
        counted: &mut kept::Counted,
    ) -> Result<(), Error> {
        let by = self.asked.entered.caller.key();
        let verdicts = app.service.ingest(self.asked.workspace(), rows, NAME, by).await?;
        for (row, verdict) in verdicts.into_iter().enumerate() {
            let wrong = match verdict {
                Verdict::Accepted { .. } | Verdict::Duplicate => None,
                Verdict::Differs => Some("another row of this id is there, and events are not changed".to_owned()),
                Verdict::Rejected(rejection) => Some(rejection.message.into_owned()),
            };
            counted.see(&self.name, first + row, wrong);
        }
        Ok(())
    }

    /// Notes what became of the rows of the file.
    async fn note(&self, app: &App, counted: &kept::Counted) -> Result<(), Error> {
        let add = |batch: &mut Batch| batch.add(&self.name, counted);
        kept::change(app, self.asked.workspace(), &self.batch.id, add).await.map(drop)
    }

    /// Reads the file that was handed over, rows at a time, and lets go of it.
    async fn read_upload(&self, app: &App) -> Result<(), Error> {
        let (workspace, name) = (self.asked.workspace(), self.upload());
        let mut rows = app.service.read_upload(workspace, &name, self.batch.format.of_upload()).await?;
        let (mut counted, mut first) = (kept::Counted::default(), 0);
        while let Some(part) = rows.next().await? {
            let file = self.file();
            let incoming: Vec<Incoming> =
                part.iter().enumerate().map(|(row, text)| file.of_upload(first + row, text)).collect();
            self.write(app, first, incoming, &mut counted).await?;
            first += part.len();
        }
        self.note(app, &counted).await?;
        app.service.let_go_of_uploads(workspace, |own| own == name);
        Ok(())
    }
}

async fn upload(
    State(app): State<Arc<App>>,
    PathParams(path): PathParams<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let sent = Sent::enter(&app, &headers, path).await?;
    content_type(&headers, &["application/octet-stream", "application/json"])?;
    let body = sent.asked.entered.body(&app, &headers, body).await?;
    if sent.batch.format == Format::Parquet {
        let (workspace, name) = (sent.asked.workspace(), sent.upload());
        app.service.begin_upload(workspace, &name, UploadFormat::Parquet)?;
        app.service.write_upload(workspace, &name, 0, body.clone()).await?;
        sent.read_upload(&app).await?;
        return Ok(sent.asked.entered.answer(StatusCode::OK.into_response()));
    }
    let rows = parse::rows(body::text(&body)?, sent.batch.format == Format::Json);
    let mut counted = kept::Counted::default();
    for (at, part) in rows.chunks(ROWS_AT_ONCE).enumerate() {
        let (first, file) = (at * ROWS_AT_ONCE, sent.file());
        let incoming = part.iter().enumerate().map(|(row, text)| file.incoming(first + row, text)).collect();
        sent.write(&app, first, incoming, &mut counted).await?;
    }
    sent.note(&app, &counted).await?;
    Ok(sent.asked.entered.answer(StatusCode::OK.into_response()))
}

async fn file_action(
    State(app): State<Arc<App>>,
    PathParams(path): PathParams<(String, String, String)>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let sent = Sent::enter(&app, &headers, path).await?;
    match FileAction::parse(query.get("action"))? {
        FileAction::Initialize => {
            let format = sent.batch.format.of_upload();
            app.service.begin_upload(sent.asked.workspace(), &sent.upload(), format)?;
        }
        FileAction::Complete => sent.read_upload(&app).await?,
    }
    Ok(sent.asked.entered.answer(StatusCode::CREATED.into_response()))
}

async fn upload_part(
    State(app): State<Arc<App>>,
    PathParams(path): PathParams<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let sent = Sent::enter(&app, &headers, path).await?;
    content_type(&headers, &["application/octet-stream"])?;
    let body = sent.asked.entered.body(&app, &headers, body).await?;
    let range = headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let start = parse::part_start(range, body.len())?;
    app.service.write_upload(sent.asked.workspace(), &sent.upload(), start, body.clone()).await?;
    Ok(sent.asked.entered.answer(StatusCode::OK.into_response()))
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
    let batch = kept::find(&app, asked.workspace(), &id).await?;
    let status = batch.after(action)?;
    // What it said goes first: a batch that has ended otherwise than well says nothing, and one that could not be ended is asked again.
    if status != Status::Success && batch.rows() > 0 {
        let by = asked.entered.caller.key();
        app.service.erase_source(asked.workspace(), &batch.dataset, Some(&id), None, by).await?;
    }
    kept::change(&app, asked.workspace(), &id, |batch| batch.end(action)).await?;
    let begins = Batch::uploads_of(&id);
    app.service.let_go_of_uploads(asked.workspace(), |own| own.starts_with(&begins));
    Ok(asked.entered.answer(StatusCode::OK.into_response()))
}

async fn list(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Read)?;
    let (start, limit) = super::registry::page(&query)?;
    let mut all = kept::all(&app, asked.workspace()).await?;
    let is = |wanted: Option<&str>, own: &str| wanted.is_none_or(|wanted| wanted == own);
    all.retain(|own| is(query.get("status"), own.status.name()) && is(query.get("dataSet"), &own.dataset));
    all.sort_by_key(|own| (std::cmp::Reverse(own.created), own.id.clone()));
    let page = all.iter().skip(start).take(limit);
    let shown: Map<String, Value> = page.map(|own| (own.id.clone(), own.shown(&asked.org))).collect();
    Ok(asked.entered.answer(json_answer(&shown)))
}

async fn one(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Read)?;
    let found = kept::find(&app, asked.workspace(), &id).await?;
    let shown: Map<String, Value> = [(id, found.shown(&asked.org))].into_iter().collect();
    Ok(asked.entered.answer(json_answer(&shown)))
}

/// The dataset of a batch that was made here.
///
/// # Errors
/// What the store answers.
pub(super) async fn dataset_of_batch(app: &App, workspace: WorkspaceId, id: &str) -> Result<Option<String>, Error> {
    match kept::find(app, workspace, id).await {
        Ok(batch) => Ok(Some(batch.dataset)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The answer for what a batch that has ended takes no more.
fn ended() -> Error {
    Error::new(ErrorKind::Conflict, "batch_ended", "the batch has ended: make another one")
}
