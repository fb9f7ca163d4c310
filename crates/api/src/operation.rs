//! What operators and their machines ask: health, readiness, metrics, and the description of all this.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use serde_json::json;
use tessera_service::error::{Error, ErrorKind};
use utoipa_swagger_ui::Config;

use crate::answer::{Answer, json as json_answer, json_bytes};
use crate::app::App;
use crate::budget::Share;
use crate::extract::Query;
use crate::limiter::Permit;
use crate::openapi;
use crate::route::{Access, Route, Tag};
use crate::transport::{After, Held, hold_until_sent};

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

/// The pages at `/docs`: Swagger UI from its own files, nothing from the internet.
pub(crate) fn documentation() -> Router<Arc<App>> {
    Router::new()
        .route("/docs", get(|| async { Redirect::permanent("/docs/") }))
        .route("/docs/", get(|| async { page("") }))
        .route("/docs/{*file}", get(|Path(file): Path<String>| async move { page(&file) }))
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

fn page(file: &str) -> Answer {
    let config = Arc::new(Config::from("/openapi.json"));
    match utoipa_swagger_ui::serve(file, config) {
        Ok(Some(file)) => {
            let headers = [(CONTENT_TYPE, file.content_type), (CACHE_CONTROL, "max-age=3600".to_owned())];
            // What stands in the program is sent as it stands there, however many ask for it.
            let bytes = match file.bytes {
                Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                Cow::Owned(bytes) => bytes.into(),
            };
            Ok((StatusCode::OK, headers, bytes).into_response())
        }
        Ok(None) | Err(_) => Err(Error::new(ErrorKind::NotFound, "not_found", "no such page").into()),
    }
}
