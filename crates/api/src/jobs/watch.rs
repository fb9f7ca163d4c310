//! A job as a stream of server-sent events: as it is, then as it is after each change, until it has ended.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::IntoResponse as _;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream;
use serde_json::Value;
use tessera_seam::answer::{Answer, to_json};
use tessera_seam::app::App;
use tessera_seam::bounds::{HEARTBEAT_SECS, WATCHERS_MAX};
use tessera_seam::extract::PathParams;
use tessera_seam::route::Route;
use tessera_service::directory::{Permission, WorkspaceId};
use tessera_service::error::{Error, ErrorKind};
use tessera_service::jobs::{Job, JobId, Watch};
use tokio::sync::OwnedSemaphorePermit;

use super::{render, wire};

/// Proxies of the nginx family collect an answer before they pass it on, unless they are told not to.
const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// Documents the path.
pub(super) fn route(route: Route, example: &Value) -> Route {
    route
        .describe(
            "Server-sent events: the first is the job as it is, then comes one after each change, and after the one with its final \
             state the stream ends. Changes in quick succession may come as one. Comments between events only keep the connection \
             open. A client that comes back with `Last-Event-ID` after the final one is answered 204, so that it stays away.",
        )
        .header("last-event-id", "The id of the last event that was seen.")
        .answer_events::<wire::Job>("The events.", &format!("id: 7\ndata: {example}\n\n"))
        .answer_empty(204, "The job has ended, and the client has seen so.")
}

pub(super) async fn watch(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let place = Arc::clone(&app.watchers).try_acquire_owned().map_err(|_| full())?;
    let mut watch = app.service.jobs().watch(entered.workspace, JobId::parse(&id)?).await?;
    let first = watch.next().await;
    if first.as_ref().is_some_and(|job| job.has_ended() && has_seen(&headers, job)) {
        return Ok(entered.answer(StatusCode::NO_CONTENT.into_response()));
    }
    let watcher = Watcher { app, headers, workspace: entered.workspace, first, watch, _place: place };
    let heartbeat = KeepAlive::new().interval(Duration::from_secs(HEARTBEAT_SECS));
    let events = Sse::new(stream::unfold(watcher, Watcher::next)).keep_alive(heartbeat);
    Ok(entered.answer(([UNBUFFERED], events).into_response()))
}

/// One client that watches.
struct Watcher {
    app: Arc<App>,
    headers: HeaderMap,
    workspace: WorkspaceId,
    first: Option<Arc<Job>>,
    watch: Watch,
    _place: OwnedSemaphorePermit,
}

impl Watcher {
    /// The next event; none at the end, when the server stops, and when the key may not read any more.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        let job = match self.first.take() {
            Some(job) => job,
            None => tokio::select! {
                job = self.watch.next() => job?,
                () = self.app.settings.readiness.closed() => return None,
            },
        };
        let caller = self.app.caller(&self.headers).ok()?;
        caller.require(Permission::Read).ok()?;
        caller.holds(self.workspace).then_some(())?;
        let json = String::from_utf8(to_json(&render::job(&job))).expect("json is utf-8");
        Some((Ok(Event::default().id(job.revision.to_string()).data(json)), self))
    }
}

fn has_seen(headers: &HeaderMap, job: &Job) -> bool {
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    seen.is_some_and(|id| id == job.revision.to_string())
}

fn full() -> Error {
    let message = format!("as many watches are open as this server takes limit={WATCHERS_MAX}");
    Error::new(ErrorKind::Throttled, "watchers_full", message)
}
