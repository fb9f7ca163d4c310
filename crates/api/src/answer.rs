//! Answers: JSON that is ready to send, and failures in the one shape
//! `{"error":{"code","message","request_id","retry"}}`, written where the request's id is known.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};
use tessera_service::error::{Error, ErrorKind};

use crate::kinds::{Retry, rule};

/// What a handler gives back.
pub(crate) type Answer = Result<Response, Failure>;

/// How a door writes an error; the default is [`native_body`].
pub(crate) type WriteBody = fn(&Error, &str) -> Vec<u8>;

/// An error on its way to the client.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    status: Option<StatusCode>,
    write: WriteBody,
    headers: Vec<(HeaderName, HeaderValue)>,
    beside: Option<AdHocRule>,
}

/// A member of an answer that stands beside `error`: its name, and JSON.
type AdHocRule = (&'static str, Arc<serde_json::Value>);

/// What the transport needs to write the body of a failure: it stands in the response's extensions until then.
#[derive(Clone)]
pub(crate) struct Unwritten {
    pub(crate) error: Arc<Error>,
    write: WriteBody,
    beside: Option<AdHocRule>,
}

impl Unwritten {
    /// The body, with the id of the request.
    pub(crate) fn body(&self, request_id: &str) -> Vec<u8> {
        let body = (self.write)(&self.error, request_id);
        let Some((name, value)) = &self.beside else { return body };
        let mut members: Map<String, Value> = serde_json::from_slice(&body).expect("every door answers with an object");
        members.insert((*name).to_owned(), (**value).clone());
        to_json(&members)
    }
}

impl Failure {
    /// This failure, its body written otherwise: by the door of a dialect.
    pub(crate) fn written_by(self, write: WriteBody) -> Self {
        Self { write, ..self }
    }

    /// This failure under another status than its kind has.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status: Some(status), ..self }
    }

    /// This failure with one more member beside `error`.
    pub(crate) fn with_member(self, name: &'static str, value: Value) -> Self {
        Self { beside: Some((name, Arc::new(value))), ..self }
    }

    /// This failure with one more header.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, status: None, write: native_body, headers: Vec::new(), beside: None }
    }
}

/// The request is wrong and will be wrong again.
pub(crate) fn invalid(code: &'static str, message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Invalid, code, message)
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
        headers.extend(self.headers.into_iter().map(|(name, value)| (Some(name), value)));
        let unwritten = Unwritten { error: Arc::new(self.error), write: self.write, beside: self.beside };
        response.extensions_mut().insert(unwritten);
        response
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The members of an error.
#[derive(Serialize)]
pub(crate) struct ErrorMembers<'a> {
    code: &'a str,
    message: &'a str,
    request_id: &'a str,
    retry: &'a str,
}

impl<'a> ErrorMembers<'a> {
    pub(crate) fn of(error: &'a Error, request_id: &'a str) -> Self {
        let retry = rule(error.kind).retry.name();
        Self { code: error.code, message: &error.message, request_id, retry }
    }
}

fn native_body(error: &Error, request_id: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        error: ErrorMembers<'a>,
    }
    to_json(&Body { error: ErrorMembers::of(error, request_id) })
}

/// JSON of a value of ours.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("our wire types have text keys and serialise without fail")
}

/// 200 with this value.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Response {
    json_bytes(to_json(value).into())
}

/// 200 with this JSON.
pub(crate) fn json_bytes(json: Bytes) -> Response {
    ([(CONTENT_TYPE, JSON)], json).into_response()
}

/// 202 with this JSON: the work goes on.
pub(crate) fn accepted(json: Bytes) -> Response {
    (StatusCode::ACCEPTED, json_bytes(json)).into_response()
}
