//! What operators and their machines ask: health, readiness, metrics, and the description of all this.

use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use serde_json::json;
use tessera_seam::answer::{Answer, json as json_answer, json_bytes};
use tessera_seam::app::App;
use tessera_seam::budget::Share;
use tessera_seam::extract::Query;
use tessera_seam::limiter::Permit;
use tessera_seam::route::{Access, Route, Tag};
use tessera_seam::transport::{After, Held, hold_until_sent};
use tessera_service::error::{Error, ErrorKind};

use crate::openapi;

pub(crate) fn routes() -> [Route; 4] {
    let route = |path, handler, summary| Route::new(Method::GET, path, Access::Open, handler, Tag::Operation, summary);
    [
        route("/healthz", get(health), "Whether the process lives").answer_free(
            200,
            "It lives.",
            json!({ "status": "ok" }),
        ),
        route("/readyz", get(ready), "Whether the server serves")
            .describe(
                "503 before it is ready and once it stops, while its store is shut (`store_unavailable`), and while its disk has too \
                 little room for writes (`disk_full`): send requests elsewhere.",
            )
            .query(
                "for",
                "`reads` asks whether it answers reads alone: then a full disk is 200.",
                json!({ "type": "string", "enum": ["reads"] }),
            )
            .answer_free(200, "It serves.", json!({ "status": "ready" })),
        route("/metrics", get(metrics), "Metrics in Prometheus' text form").answer_other(
            200,
            "The metrics.",
            "text/plain",
        ),
        route("/openapi.json", get(document), "This description").answer_free(
            200,
            "OpenAPI 3.1.",
            json!({ "openapi": "3.1.0" }),
        ),
    ]
}

async fn health() -> Response {
    json_answer(&json!({ "status": "ok" }))
}

async fn ready(State(app): State<Arc<App>>, query: Query) -> Answer {
    if !app.settings.readiness.is_open() {
        return Err(Error::new(ErrorKind::Unavailable, "not_ready", "the server is starting or stopping").into());
    }
    let readiness = app.service.readiness();
    match query.get("for") {
        Some("reads") => readiness.reads?,
        Some(_) | None => readiness.writes?,
    }
    Ok(json_answer(&json!({ "status": "ready" })))
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    let text = app.settings.metrics.as_ref().map_or_else(String::new, |render| render());
    let response = ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response();
    let held = Held { permit: Permit::default(), charge: app.answers.charge(Share::Strangers) };
    hold_until_sent(response, held, After::Read)
}

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| openapi::document().into());

async fn document() -> Response {
    json_bytes(DOCUMENT.clone())
}
