//! The paths of this door.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::HOST;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use serde_json::json;
use tessera_seam::answer::{Answer, Failure, invalid, json as json_answer};
use tessera_seam::app::{App, Entered};
use tessera_seam::body;
use tessera_seam::bounds::{BATCH_BYTES_MAX, KEYLESS_BYTES_MAX};
use tessera_seam::budget::Share;
use tessera_seam::caller::{self, Scheme};
use tessera_seam::extract::{Loose, PathParams, Query};
use tessera_seam::public_url::is_host;
use tessera_seam::report::{self, Report};
use tessera_seam::route::{Access, Route, Tag};
use tessera_seam::transport::Secured;
use tessera_service::directory::{Caller, Permission};
use tessera_service::error::Error;
use tessera_service::identity_tokens::IdentityTokens;

use super::parse::{self, Delivery, Event};
use super::token::Tokens;
use super::wire::{self, Envelope, Item, WithKey};
use super::{NAME, pixel, render};

/// The paths that take one event, and its type.
const SINGLES: [(&str, &str); 12] = [
    ("/v1/identify", "identify"),
    ("/v1/track", "track"),
    ("/v1/page", "page"),
    ("/v1/screen", "screen"),
    ("/v1/group", "group"),
    ("/v1/alias", "alias"),
    ("/v1/i", "identify"),
    ("/v1/t", "track"),
    ("/v1/p", "page"),
    ("/v1/s", "screen"),
    ("/v1/g", "group"),
    ("/v1/a", "alias"),
];
/// The paths that take a batch. No client is ever redirected: some count a redirect as done.
const BATCHES: [&str; 4] = ["/v1/batch", "/v1/import", "/v1/b", "/beacon/v1/batch"];

const INGEST: Access = Access::Workspace(Permission::Ingest);

/// All routes of this door.
pub(crate) fn routes() -> Vec<Route> {
    let singles = SINGLES.map(|(path, r#type)| {
        let handler = post(move |app, query, headers, body| single(r#type, app, query, headers, body));
        let route = Route::new(Method::POST, path, INGEST, handler, Tag::Events, "Takes one event");
        ingest(route).body::<Item<'_>>(example_event()).describe(SINGLE_DOC)
    });
    let batches = BATCHES.map(|path| {
        let route = Route::new(Method::POST, path, INGEST, post(batch), Tag::Events, "Takes a batch of events");
        ingest(route).body::<Envelope<'_>>(json!({ "batch": [example_event()] })).describe(BATCH_DOC)
    });
    singles.into_iter().chain(batches).chain(pixels()).chain(start_up()).chain(others()).collect()
}

const SINGLE_DOC: &str = "The path says the type. The key comes as Basic user name, as bearer token, as `writeKey` in the body, \
or as `writeKey` in the query. The body is JSON whatever its content type, gzip is taken. An event \
of more than 32 KB is a 400; one that is refused for another reason is answered with 200, with its verdict.";
const BATCH_DOC: &str = "At most 4,000 KB and 2,500 events of 32 KB each; `context` and `integrations` beside `batch` are laid \
under those of each event. A refused event never fails its neighbours: it gets a verdict and stands in the quarantine. The answer \
leaves when all that was accepted is durable and visible.";

fn ingest(route: Route) -> Route {
    let example = json!({ "success": true, "accepted": 1, "duplicates": 0, "rejected": 0, "verdicts": [] });
    route
        .open_to_pages()
        .query("writeKey", "The key, where it stands nowhere else.", json!({ "type": "string" }))
        .answer::<Report>(200, "What became of each event.", example)
}

fn example_event() -> serde_json::Value {
    json!({
        "type": "track", "userId": "7001", "event": "Order Completed", "messageId": "m-1",
        "timestamp": "2026-01-31T10:00:00Z", "properties": { "order_id": "o-17", "total": 41.5 }
    })
}

fn pixels() -> [Route; 2] {
    let access = Access::Silent(Permission::Ingest);
    let document = |route: Route| {
        route
            .segment("method", "`track`, `page`, `identify`, `screen`, `group` or `alias`.")
            .query("writeKey", "The key.", json!({ "type": "string" }))
            .query("data", "The event as its JSON, in base64 or as it is.", json!({ "type": "string" }))
            .describe("Without `data` the parameters are the event's members; dotted names nest. Always answered with a picture.")
            .answer_other(200, "A transparent picture of one pixel, whatever became of the event.", "image/gif")
    };
    ["/v1/pixel/{method}", "/pixel/v1/{method}"].map(|path| {
        document(Route::new(
            Method::GET,
            path,
            access,
            get(picture),
            Tag::Events,
            "Takes an event as a picture's address",
        ))
    })
}

fn start_up() -> [Route; 3] {
    let key = json!({ "type": "string" });
    let source_config = |path| {
        let summary = "What RudderStack's browser SDK fetches when it starts";
        Route::new(Method::GET, path, INGEST, get(source_config), Tag::Events, summary)
            .open_to_pages()
            .query("writeKey", "The key, where it is not the Basic user name.", key.clone())
            .answer_free(200, "An enabled source without destinations.", json!({ "source": { "enabled": true } }))
    };
    let summary = "What Segment's SDKs fetch when they start";
    let settings =
        Route::new(Method::GET, "/v1/projects/{write_key}/settings", INGEST, get(settings), Tag::Events, summary)
            .open_to_pages()
            .segment("write_key", "The key.")
            .answer_free(
                200,
                "Where to send events.",
                json!({ "integrations": { "Segment.io": { "apiHost": "tessera.example/v1" } } }),
            );
    [settings, source_config("/sourceConfig"), source_config("/sourceConfig/")]
}

fn others() -> [Route; 4] {
    [
        Route::new(
            Method::POST,
            "/v1/m",
            Access::Open,
            post(metrics),
            Tag::Events,
            "Takes an SDK's own metrics and drops them",
        )
        .open_to_pages()
        .answer_free(200, "Dropped.", json!({ "success": true })),
        Route::new(Method::POST, "/v1/merge", INGEST, post(merge), Tag::Events, "Refuses RudderStack's merge")
            .open_to_pages()
            .describe("Always answered with 400 `method_unsupported`: send `alias`."),
        Route::new(Method::GET, "/health", Access::Open, get(health), Tag::Operation, "Whether the gateway serves")
            .describe("RudderStack's path; ours are `/healthz` and `/readyz`.")
            .answer_free(200, "It serves.", json!({ "status": "ok" })),
        Route::new(Method::GET, "/version", Access::Open, get(version), Tag::Operation, "The version of the server")
            .answer_free(200, "The version.", json!({ "version": "0.1.0" })),
    ]
}

async fn single(r#type: &str, State(app): State<Arc<App>>, query: Query, headers: HeaderMap, body: Body) -> Answer {
    let (entered, body) = enter(&app, &query, &headers, body, KEYLESS_BYTES_MAX).await?;
    let config = app.service.configuration(entered.workspace).await?;
    let parse = |delivery: &Delivery<'_>| parse::single(&body, r#type, delivery);
    let event = parsed(&app, &entered, &headers, config.tokens(), parse)?;
    let report = write(&app, &entered, vec![event]).await?;
    Ok(entered.answer(json_answer(&report)))
}

async fn batch(State(app): State<Arc<App>>, query: Query, headers: HeaderMap, body: Body) -> Answer {
    let (entered, body) = enter(&app, &query, &headers, body, BATCH_BYTES_MAX).await?;
    let config = app.service.configuration(entered.workspace).await?;
    let parse = |delivery: &Delivery<'_>| parse::batch(&body, delivery);
    let events = parsed(&app, &entered, &headers, config.tokens(), parse)?;
    let report = write(&app, &entered, events).await?;
    Ok(entered.answer(json_answer(&report)))
}

fn parsed<T>(
    app: &App,
    entered: &Entered,
    headers: &HeaderMap,
    rules: &IdentityTokens,
    parse: impl FnOnce(&Delivery<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let fresh_id = || app.fresh_id();
    let received_at = app.now();
    let tokens = Tokens::of_call(rules, headers, received_at);
    let (class, dataset) = (entered.caller.class(), entered.caller.datasets().own.as_str());
    parse(&Delivery { received_at, class, dataset, tokens: &tokens, fresh_id: &fresh_id })
}

async fn write(app: &App, entered: &Entered, events: Vec<Event>) -> Result<Report, Error> {
    let incoming = events.into_iter().map(|event| (event.message_id, event.incoming)).collect();
    report::ingest(app, entered, NAME, incoming).await
}

/// Whoever sends this delivery, and its body.
///
/// A key outside the body is checked before the body is read, so that strangers cannot make us read theirs. A body in which the
/// key is said to be is read within the bounds of strangers, up to `keyless_bytes_max`: the key may be its last member.
async fn enter(
    app: &App,
    query: &Query,
    headers: &HeaderMap,
    body: Body,
    keyless_bytes_max: usize,
) -> Result<(Entered, Bytes), Error> {
    let not_found = match early_caller(app, query, headers)? {
        Some(Ok(caller)) => {
            let entered = app.admit(caller, headers, Permission::Ingest)?;
            let body = entered.body(app, headers, body).await?;
            return if body.len() > BATCH_BYTES_MAX { Err(batch_too_large()) } else { Ok((entered, body)) };
        }
        Some(Err(error)) => error,
        None => caller::missing(),
    };
    let read = body::read_before_key(app, keyless_bytes_max, headers, body).await;
    let read = read.map_err(|error| match error.code {
        "body_too_large" if keyless_bytes_max == BATCH_BYTES_MAX => batch_too_large(),
        _ => error,
    })?;
    if read.content().is_empty() {
        return Err(not_found);
    }
    let secret = body::delivery(read.content(), |sent| {
        let with_key: WithKey<'_> = sent.json()?;
        Ok(wire::text(with_key.write_key).unwrap_or_default().map(String::from))
    })?;
    let secret = secret.ok_or(not_found)?;
    let caller = app.service.directory().authenticate(&secret)?;
    let entered = app.admit(caller, headers, Permission::Ingest)?;
    let share = Share::Workspace(entered.workspace);
    Ok((entered, read.moved_to(share)?.into_bytes()))
}

fn batch_too_large() -> Error {
    invalid("batch_too_large", format!("the body, inflated, has more than {BATCH_BYTES_MAX} bytes"))
}

/// The caller by the header or the query; none where only the body can tell.
///
/// A bearer token that is no key of ours leaves it to the body's `writeKey`: Segment's clients with OAuth send both.
fn early_caller(app: &App, query: &Query, headers: &HeaderMap) -> Result<Option<Result<Caller, Error>>, Error> {
    let authenticate = |secret: &str| app.service.directory().authenticate(secret);
    match (caller::from_header(headers)?, query.get("writeKey")) {
        (Some(found), _) if found.scheme == Scheme::Basic => Ok(Some(Ok(authenticate(&found.secret)?))),
        (Some(found), _) => Ok(Some(authenticate(&found.secret))),
        (None, Some(secret)) => Ok(Some(Ok(authenticate(secret)?))),
        (None, None) => Ok(None),
    }
}

async fn picture(
    State(app): State<Arc<App>>,
    verb: Method,
    PathParams(method): PathParams<String>,
    Loose(query): Loose,
    headers: HeaderMap,
) -> Response {
    // Whoever only looks whether a picture is there, as mail scanners do, has not seen it.
    if verb == Method::HEAD {
        return render::pixel();
    }
    let event = pixel::event(&query.0).map(Body::from);
    let outcome = match (event, SINGLES.iter().find(|(_, r#type)| *r#type == method)) {
        (Some(event), Some((_, r#type))) => single(r#type, State(app), query, headers, event).await,
        (None, _) | (_, None) => Err(Failure::from(invalid("body_invalid", "no event"))),
    };
    if let Err(failure) = outcome {
        tracing::debug!(code = failure.error.code, "a pixel was refused");
    }
    render::pixel()
}

async fn settings(
    State(app): State<Arc<App>>,
    PathParams(key): PathParams<String>,
    secured: Option<Extension<Secured>>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let caller = app.service.directory().authenticate(&key)?;
    let entered = app.admit(caller, &headers, Permission::Ingest)?;
    if let Some(url) = &app.settings.public_url {
        return Ok(entered.answer(render::settings(&key, url.scheme(), url.rest())));
    }
    // Whoever asks says where; nobody else is told, for the answer is kept nowhere. What proxies add could be anybody's.
    let authority = uri.authority().map(|authority| authority.as_str());
    let named = headers.get(HOST).and_then(|host| host.to_str().ok()).or(authority);
    let host = named.filter(|host| is_host(host)).unwrap_or("localhost");
    let scheme = if secured.is_some() { "https" } else { "http" };
    Ok(entered.answer(render::settings(&key, scheme, host)))
}

async fn source_config(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let caller = early_caller(&app, &query, &headers)?.unwrap_or_else(|| Err(caller::missing()));
    let entered = app.admit(caller?, &headers, Permission::Ingest)?;
    let secret = caller::from_header(&headers)?.map(|found| found.secret);
    let key = secret.as_deref().or(query.get("writeKey")).unwrap_or_default();
    let response = render::source_config(key, app.settings.public_url.as_ref());
    Ok(entered.answer(response))
}

async fn metrics() -> Response {
    render::success()
}

async fn merge(State(app): State<Arc<App>>, query: Query, headers: HeaderMap, body: Body) -> Answer {
    enter(&app, &query, &headers, body, KEYLESS_BYTES_MAX).await?;
    Err(invalid("method_unsupported", "merge has no counterpart here; send alias").into())
}

async fn health() -> Response {
    json_answer(&json!({ "status": "ok" }))
}

async fn version() -> Response {
    json_answer(&json!({ "version": env!("CARGO_PKG_VERSION") }))
}
