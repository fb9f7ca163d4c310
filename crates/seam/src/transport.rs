//! What happens around every request: an id, a log line, metrics, a net below panics, failures written out, and answers packed.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tessera_engine::time::Timestamp;
use tessera_service::error::{Error, ErrorKind};
use tokio::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use tracing::{Instrument as _, Level};

use crate::answer::{Failure, Unwritten, invalid};
use crate::app::App;
use crate::bounds::{ANSWER_COUNTED_BYTES, COMPRESS_BYTES_MIN, REQUEST_ID_CHARS_MAX, STREAM_BYTES};
use crate::budget::Charge;
use crate::door::{Door, Refusal};
use crate::guesses::Peer;
use crate::kinds::rule;
use crate::limiter::Permit;
use crate::names;
use crate::serve::Refused;
use crate::spans::{self, Parent, Span};

/// Where log lines of requests come from, whatever crate this is: operators choose lines by it.
const TARGET: &str = "tessera_api::transport";

/// The header with a request's id, in both directions.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Stands in the extensions of an answer whose door tells the id of the request in a header of its own as well.
#[derive(Debug, Clone)]
pub struct IdIn(pub HeaderName);

/// Stands in the extensions of a request: its id.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// Stands in the extensions of a request that came over TLS.
#[derive(Debug, Clone, Copy)]
pub struct Secured;

/// Puts the layers around a router: packing outermost, then the edge, then the net below panics.
pub fn around(router: axum::Router<Arc<App>>, app: &Arc<App>) -> axum::Router {
    let worth_it = SizeAbove::new(COMPRESS_BYTES_MIN)
        .and(NotForContentType::IMAGES)
        // Packing would hold events back until there are enough of them.
        .and(NotForContentType::SSE);
    router
        .fallback(not_found)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(app), edge))
        .layer(CompressionLayer::new().compress_when(worth_it))
        .with_state(Arc::clone(app))
}

/// The answer to a path that is none of ours. Clients of other services are told in the words of these; ours are told what comes close.
async fn not_found(State(app): State<Arc<App>>, uri: Uri) -> Failure {
    let message = match app.doors.near(uri.path()) {
        None => "no such path".to_owned(),
        Some(None) => "no such path; all of them stand at /docs/api/".to_owned(),
        Some(Some(near)) => format!("no such path; did you mean {near}? All of them stand at /docs/api/"),
    };
    Error::new(ErrorKind::NotFound, "not_found", message).into()
}

/// The answer to a method that a path does not have; axum adds `Allow`.
pub async fn method_not_allowed() -> Failure {
    let error = invalid("method_not_allowed", "the path exists, but not with this method");
    Failure::from(error).with_status(StatusCode::METHOD_NOT_ALLOWED)
}

fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let message = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(target: TARGET, message = message.unwrap_or("of an unknown kind"), "a handler panicked");
    Failure::from(Error::new(ErrorKind::Internal, "internal", "a fault of ours")).into_response()
}

async fn edge(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request).unwrap_or_else(|| app.fresh_id());
    let method = known_method(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let uri = request.uri().clone();
    let peer = request.extensions().get::<Peer>().copied();
    let door = app.doors.of(route.as_ref().map(MatchedPath::as_str), uri.path());
    let traced = app.settings.spans.is_some().then(|| (Parent::of(request.headers()), app.now()));
    let in_flight = metrics::gauge!(names::IN_FLIGHT);
    in_flight.increment(1);
    let under_way = Count(in_flight);
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = match request.extensions_mut().remove::<Refused>() {
        Some(Refused(error)) => Failure::from(error).into_response(),
        None => next.run(request).instrument(tracing::trace_span!(target: TARGET, "request", request_id = id)).await,
    };
    drop(under_way);
    let unwritten = response.extensions_mut().remove::<Unwritten>();
    if let Some(wait) = unwritten.as_ref().and_then(|it| app.guesses.note(&it.error, peer, started)) {
        tokio::time::sleep(wait).await;
    }
    if let Some(unwritten) = &unwritten {
        write(unwritten, door, (&id, uri.path()), &mut response);
    }
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let took = started.elapsed();
    let error = unwritten.as_ref().map(|it| &*it.error);
    report(method, route, response.status(), took, &id, error);
    if let Some((parent, at)) = traced {
        trace(&app, parent, (method, route, response.status().as_u16()), (at, took), (&id, error));
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        if let Some(IdIn(header)) = response.extensions_mut().remove() {
            response.headers_mut().insert(header, id.clone());
        }
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Tells a request to whoever takes spans.
fn trace(
    app: &App,
    parent: Option<Parent>,
    (method, route, status): (&'static str, &str, u16),
    (started, took): (Timestamp, Duration),
    (request_id, error): (&str, Option<&Error>),
) {
    let Some(take) = app.settings.spans.as_ref().filter(|_| spans::is_told(parent, status, took)) else { return };
    let (mut trace, mut id) = ([0; 16], [0; 8]);
    app.service.random(&mut trace);
    app.service.random(&mut id);
    take(Span {
        trace: parent.map_or(trace, |parent| parent.trace),
        id,
        parent: parent.map(|parent| parent.span),
        method,
        route: route.to_owned(),
        status,
        code: error.map(|error| error.code),
        request_id: request_id.to_owned(),
        started,
        took,
    });
}

/// Has a door write a failure in its own shape.
fn write(unwritten: &Unwritten, door: &Door, (request_id, path): (&str, &str), response: &mut Response) {
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let (error, status) = (&*unwritten.error, response.status());
    let refused = (door.refuse)(&Refusal { error, status, request_id, path, retry_after_secs: retry_after });
    *response.body_mut() = Body::from(unwritten.with_beside(refused.body));
    *response.status_mut() = refused.status;
    response.headers_mut().extend(refused.headers);
}

/// Goes down when it is dropped: also when the client has gone and the request with it.
struct Count(metrics::Gauge);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

/// Successful requests are logged at `debug`: a line for each would cost more than many of them, and metrics count them.
fn report(method: &'static str, route: &str, status: StatusCode, took: Duration, id: &str, error: Option<&Error>) {
    let labels = [("method", method.to_owned()), ("route", route.to_owned()), ("status", status.as_str().to_owned())];
    metrics::counter!(names::REQUESTS, &labels).increment(1);
    metrics::histogram!(names::REQUEST_SECONDS, "route" => route.to_owned()).record(took.as_secs_f64());
    let (status, took_us) = (status.as_u16(), u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    // The code is enough: the message was written for the client.
    let code = error.map(|error| error.code);
    match error.map(level) {
        Some(Level::ERROR) => {
            tracing::error!(target: TARGET, method, route, status, took_us, request_id = id, code, "request failed");
        }
        Some(Level::WARN) => {
            tracing::warn!(target: TARGET, method, route, status, took_us, request_id = id, code, "request refused");
        }
        Some(_) => {
            tracing::debug!(target: TARGET, method, route, status, took_us, request_id = id, code, "request refused");
        }
        None => tracing::debug!(target: TARGET, method, route, status, took_us, request_id = id, "request answered"),
    }
}

/// A store that is full or shut says so itself, once in a while: a line for each request would fill the same disk. What there is no room
/// for is counted: whoever floods the server would write the log.
fn level(error: &Error) -> Level {
    match error.code {
        "disk_full" | "store_unavailable" | "queues_full" | "rules_busy" | "query_timeout" => Level::DEBUG,
        _ => rule(error.kind).level,
    }
}

/// The methods we count by name; clients may invent others without end.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}

/// The id that the client chose, when it can stand in logs and headers as it is.
fn request_id(request: &Request) -> Option<String> {
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let is_sane = (1..=REQUEST_ID_CHARS_MAX).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'));
    is_sane.then(|| id.to_owned())
}

/// What a request holds until its answer is sent.
pub struct Held {
    /// Its place under the limits of key and workspace.
    pub permit: Permit,
    /// Its part of the budget of answers.
    pub charge: Charge,
}

/// What stands behind an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Nothing but looking: it may be refused, and asked again.
    Read,
    /// Something was done: the answer is given whatever the budget says.
    Work,
}

/// Keeps what a request holds until the client has the whole answer, or has gone. What is held goes with the bytes of the answer
/// into the connection, for a body is given up as soon as it is handed over.
pub fn hold_until_sent(response: Response, mut held: Held, after: After) -> Response {
    let bytes = match response.body().size_hint().exact().map(usize::try_from) {
        Some(Ok(bytes)) if bytes < ANSWER_COUNTED_BYTES => 0,
        Some(Ok(bytes)) => bytes,
        // It is made while it is sent.
        Some(Err(_)) | None => STREAM_BYTES,
    };
    match after {
        After::Work => held.charge.set_anyway(bytes),
        After::Read => match held.charge.grow_to(bytes) {
            Ok(()) => held.charge.shrink_to(bytes),
            Err(error) => return Failure::from(error).into_response(),
        },
    }
    if held.permit.is_empty() && bytes == 0 {
        return response;
    }
    response.map(|body| Body::new(Sent { body, held: Arc::new(held) }))
}

/// A body whose bytes hold what its request holds.
struct Sent {
    body: Body,
    held: Arc<Held>,
}

/// A part of an answer.
struct Part {
    bytes: Bytes,
    _held: Arc<Held>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let held = Arc::clone(&self.held);
        let part = |bytes| Bytes::from_owner(Part { bytes, _held: held });
        Pin::new(&mut self.body).poll_frame(ctx).map_ok(|frame| frame.map_data(part))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
