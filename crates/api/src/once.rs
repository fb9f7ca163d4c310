//! Writes that carry an `Idempotency-Key`: the same request gets the same answer for a day.

use axum::http::{HeaderMap, Method};
use bytes::Bytes;
use tessera_service::error::Error;
use tessera_service::idempotency::{IdempotencyKey, Request, RequestHash, once};

use crate::answer::invalid;
use crate::app::{App, Entered};

/// The request's `Idempotency-Key`.
///
/// # Errors
/// `idempotency_key_invalid`.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Error> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().map_err(|_| invalid("idempotency_key_invalid", "Idempotency-Key is not ascii"))?;
    IdempotencyKey::parse(text).map(Some)
}

/// Does the work, or gives the answer that it had before under the same key.
///
/// # Errors
/// `idempotency_key_reused` for another request under this key; what the work answers.
pub(crate) async fn answer(
    app: &App,
    entered: &Entered,
    key: Option<IdempotencyKey>,
    what: (&Method, &str, &[u8]),
    work: impl Future<Output = Result<Bytes, Error>>,
) -> Result<Bytes, Error> {
    let Some(key) = key else { return work.await };
    let request = request(entered, key, what);
    once(&**app.service.store(), &request, app.now(), work).await
}

/// What makes a request under a key this one: its method, path and body.
pub(crate) fn request(entered: &Entered, key: IdempotencyKey, what: (&Method, &str, &[u8])) -> Request {
    let (method, path, body) = what;
    let hash = RequestHash::of(method.as_str(), path, body);
    Request { workspace: entered.workspace, caller: entered.caller.key(), key, hash }
}
