//! Answers: JSON that is ready to send, and failures in the one shape
//! `{"error":{"code","message","request_id","retry"}}`, written where the request's id is known.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};
use tessera_service::error::{Error, ErrorKind};

use crate::door::{Refusal, Refused};
use crate::kinds::{Retry, rule};

/// What a handler gives back.
pub type Answer = Result<Response, Failure>;

/// An error on its way to the client.
#[derive(Debug)]
pub struct Failure {
    /// What is told of it.
    pub error: Error,
    status: Option<StatusCode>,
    beside: Option<AdHocRule>,
    /// Headers that come with it, besides those of its kind.
    headers: Option<Box<HeaderMap>>,
}

/// A member of an answer that stands beside `error`: its name, and JSON.
type AdHocRule = (&'static str, Arc<serde_json::Value>);

/// What the transport needs to write the body of a failure: it stands in the response's extensions until then.
#[derive(Clone)]
pub(crate) struct Unwritten {
    pub error: Arc<Error>,
    beside: Option<AdHocRule>,
}

impl Unwritten {
    /// The body that a door has made, with what stands beside the error.
    pub(crate) fn with_beside(&self, body: Vec<u8>) -> Vec<u8> {
        let Some((name, value)) = &self.beside else { return body };
        let mut members: Map<String, Value> = serde_json::from_slice(&body).expect("every door answers with an object");
        members.insert((*name).to_owned(), (**value).clone());
        to_json(&members)
    }
}

impl Failure {
    /// This failure under another status than its kind has.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status: Some(status), ..self }
    }

    /// This failure with these headers.
    pub(crate) fn with_headers(self, headers: HeaderMap) -> Self {
        Self { headers: (!headers.is_empty()).then(|| Box::new(headers)), ..self }
    }

    /// This failure with one more member beside `error`.
    pub fn with_member(self, name: &'static str, value: Value) -> Self {
        Self { beside: Some((name, Arc::new(value))), ..self }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, status: None, beside: None, headers: None }
    }
}

/// The request is wrong and will be wrong again.
pub fn invalid(code: &'static str, message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Invalid, code, message)
}

/// This answer as a 201, with where the thing stands that was made; without that where it cannot stand in a header.
pub fn created(mut response: Response, location: &str) -> Response {
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let rule = rule(self.error.kind);
        let mut response = self.status.unwrap_or(rule.status).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        if let Retry::After(default_secs) = rule.retry {
            headers.insert(RETRY_AFTER, self.error.retry_after_secs.unwrap_or(default_secs).max(1).into());
        }
        if self.error.kind == ErrorKind::Unauthenticated {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer, Basic realm=\"tessera\""));
        }
        if let Some(more) = self.headers {
            headers.extend(*more);
        }
        let unwritten = Unwritten { error: Arc::new(self.error), beside: self.beside };
        response.extensions_mut().insert(unwritten);
        response
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The members of an error.
#[derive(Serialize)]
pub struct ErrorMembers<'a> {
    code: &'a str,
    message: &'a str,
    request_id: &'a str,
    retry: &'a str,
}

impl<'a> ErrorMembers<'a> {
    /// Those of this error.
    #[must_use]
    pub fn of(error: &'a Error, request_id: &'a str) -> Self {
        let retry = rule(error.kind).retry.name();
        Self { code: error.code, message: &error.message, request_id, retry }
    }
}

/// How the native door says no.
pub fn refuse(refusal: &Refusal<'_>) -> Refused {
    let body = native_body(refusal.error, refusal.request_id);
    Refused { status: refusal.status, body, headers: HeaderMap::new() }
}

fn native_body(error: &Error, request_id: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        error: ErrorMembers<'a>,
    }
    to_json(&Body { error: ErrorMembers::of(error, request_id) })
}

/// JSON of a value of ours.
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("our wire types have text keys and serialise without fail")
}

/// 200 with this value.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Response {
    json_bytes(to_json(value).into())
}

/// 200 with this JSON.
pub fn json_bytes(json: Bytes) -> Response {
    ([(CONTENT_TYPE, JSON)], json).into_response()
}

/// 202 with this JSON: the work goes on.
pub fn accepted(json: Bytes) -> Response {
    (StatusCode::ACCEPTED, json_bytes(json)).into_response()
}
