//! The export of a segment's profiles (spec/optimizely.md section 10.6): asked for, polled, read.
//!
//! The file is written while it is read, so a request is finished as soon as it is made. What a request is stands in its id, sealed: nothing is
//! kept of it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse as _;
use bytes::Bytes;
use tessera_engine::time::Timestamp;
use tessera_seam::answer::{Answer, json, to_json};
use tessera_seam::app::App;
use tessera_seam::extract::{BaseUrl, PathParams, Query};
use tessera_seam::stream::{self, Parts};
use tessera_service::DocumentQuery;
use tessera_service::directory::Permission;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::queries::{PROFILES_MAX, ProfileQuery};

use super::DOOR;
use super::profiles::{self, rendered};
use super::segments::{Found, find, question};
use super::wire::Export;

/// How long a request lives: a day.
const LIVES_MICROS: i64 = 86_400_000_000;

/// Begins an export.
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    base: BaseUrl,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Export)?;
    let found = find(&app, &entered, &id).await?;
    let request = app.service.seal_request(found.scope.workspace, found.name.as_str());
    let response = json(&finished(&id, &request, &base));
    Ok(entered.answer(response))
}

fn finished(id: &str, request: &str, base: &BaseUrl) -> Export {
    let url = format!("{}/api/v1.0/segments/{id}/Export/{request}/file", base.0);
    Export { segment_id: id.to_owned(), request_id: request.to_owned(), status: "Finished", result_url: Some(url) }
}

/// Tells how far an export is.
pub(super) async fn poll(
    State(app): State<Arc<App>>,
    PathParams((id, request)): PathParams<(String, String)>,
    query: Query,
    base: BaseUrl,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Export)?;
    let status = |status| Export { segment_id: id.clone(), request_id: request.clone(), status, result_url: None };
    let export = match find(&app, &entered, &id).await {
        Err(error) if error.kind == ErrorKind::NotFound => status("SourceNotFound"),
        Err(error) => return Err(error.into()),
        Ok(found) => match made_at(&app, &found, &request) {
            None => status("Invalid"),
            Some(at) if is_over(&app, at) => status("Expired"),
            Some(_) => finished(&id, &request, &base),
        },
    };
    let response = json(&export);
    Ok(entered.answer(response))
}

/// When a request was made, if it is one of this segment.
fn made_at(app: &App, found: &Found, request: &str) -> Option<Timestamp> {
    app.service.opened_request(found.scope.workspace, found.name.as_str(), request)
}

fn is_over(app: &App, at: Timestamp) -> bool {
    at.plus_micros(LIVES_MICROS) <= app.now()
}

/// The profiles, one in a line, as of when each page of them is read.
pub(super) async fn file(
    State(app): State<Arc<App>>,
    PathParams((id, request)): PathParams<(String, String)>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Export)?;
    let found = find(&app, &entered, &id).await?;
    let at = made_at(&app, &found, &request).filter(|at| !is_over(&app, *at));
    at.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "export_not_found", "no export of this id is there; begin another one")
    })?;
    let next = ProfileQuery { count: false, ..question(&entered, found.holds()?, PROFILES_MAX)? };
    let lines = Lines { app: app.clone(), shown: profiles::shown(&entered), found, next: Some(next) };
    let response = ([(CONTENT_TYPE, "application/x-ndjson")], stream::body(lines).await?).into_response();
    Ok(entered.answer(response))
}

/// A page at a time: the next is read when the client has taken the one before.
struct Lines {
    app: Arc<App>,
    found: Found,
    shown: DocumentQuery,
    /// What is asked next; none behind the last page.
    next: Option<ProfileQuery>,
}

impl Parts for Lines {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let Self { app, found, shown, next } = self;
        let mut lines = Vec::new();
        while lines.is_empty() {
            let Some(query) = next.take() else { return Ok(None) };
            let page = app.service.documents_where(found.scope.workspace, &query, shown).await?;
            for document in &page.documents {
                lines.extend(to_json(&rendered(document, &found.scope.name, &found.config)));
                lines.push(b'\n');
            }
            *next = page.next_cursor.map(|cursor| ProfileQuery { cursor: Some(cursor), ..query });
        }
        Ok(Some(lines.into()))
    }
}
