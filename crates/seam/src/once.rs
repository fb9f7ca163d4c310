//! Writes that carry an `Idempotency-Key`: the same request gets the same answer for a day, and is done once. The answer is handed to whatever
//! does the work, whose commit keeps it.

use std::sync::Arc;

use axum::http::{HeaderMap, Method, Uri};
use bytes::Bytes;
use tessera_service::Changed;
use tessera_service::directory::Caller;
use tessera_service::error::Error;
use tessera_service::idempotency::{
    Given, IdempotencyKey, Known, Once, Reply, Request, RequestHash, Sealer, look_up, reply_bytes_max, reply_too_large,
};
use tessera_service::workspace_config::StoredConfig;

use crate::answer::invalid;
use crate::app::{App, Entered};
use crate::caller;

/// What makes a request under a key this one: its method, its path with the query, and its body.
pub type What<'a> = (&'a Method, &'a str, &'a [u8]);

/// The request's `Idempotency-Key`.
///
/// # Errors
/// `idempotency_key_invalid`.
pub fn key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Error> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().map_err(|_| invalid("idempotency_key_invalid", "Idempotency-Key is not ascii"))?;
    IdempotencyKey::parse(text).map(Some)
}

/// The path with its query: what is asked for there is part of what a request is.
pub fn whole(uri: &Uri) -> &str {
    uri.path_and_query().map_or(uri.path(), |whole| whole.as_str())
}

/// A request under a key.
struct Asking {
    request: Request,
    /// Of an answer that holds a secret.
    sealer: Option<Sealer>,
}

/// Does the work, or gives the answer that it had before under the same key. The work hands on how it is answered to whatever commits it.
///
/// # Errors
/// `idempotency_key_reused` for another request under this key; `reply_too_large`, and then nothing was done; what the work answers.
pub async fn answer<T, F>(
    app: &App,
    entered: &Entered,
    key: Option<IdempotencyKey>,
    (method, path, body): What<'_>,
    render: impl Fn(&T) -> Result<Bytes, Error> + Send + Sync + 'static,
    work: impl FnOnce(Option<Once<T>>) -> F,
) -> Result<Bytes, Error>
where
    F: Future<Output = Result<Given<T>, Error>>,
{
    let asking = key.map(|key| {
        let hash = RequestHash::of(method.as_str(), path, body);
        let request = Request { workspace: entered.workspace, caller: entered.caller.key(), key, hash };
        Asking { request, sealer: None }
    });
    perform(app, asking, render, work).await
}

/// As [`answer`], for a change of the configuration.
///
/// # Errors
/// As [`answer`].
pub async fn configure(
    app: &App,
    entered: &Entered,
    key: Option<IdempotencyKey>,
    what: What<'_>,
    change: impl FnOnce(&StoredConfig) -> Result<StoredConfig, Error> + Send + 'static,
    render: impl Fn(&StoredConfig) -> Result<Bytes, Error> + Send + Sync + 'static,
) -> Result<Bytes, Error> {
    let rendered = move |changed: &Changed| render(&changed.config);
    let work = |once| app.service.configure_once(entered.workspace, once, move |config: &_, _| change(config));
    answer(app, entered, key, what, rendered, work).await
}

/// As [`answer`], for a change of the directory.
///
/// # Errors
/// As [`answer`].
pub async fn of_directory<T, F>(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    (method, path, body): What<'_>,
    render: impl Fn(&T) -> Result<Bytes, Error> + Send + Sync + 'static,
    work: impl FnOnce(Option<Once<T>>) -> F,
) -> Result<Bytes, Error>
where
    F: Future<Output = Result<Given<T>, Error>>,
{
    let asking = match key(headers)? {
        None => None,
        Some(key) => {
            let secret = caller::from_header(headers)?.ok_or_else(caller::missing)?.secret;
            let mut nonce = [0; 12];
            app.service.random(&mut nonce);
            let sealer = Some(Sealer::new(&secret, &key, nonce)?);
            let hash = RequestHash::of(method.as_str(), path, body);
            Some(Asking { request: Request::of_directory(caller.key(), key, hash), sealer })
        }
    };
    perform(app, asking, render, work).await
}

async fn perform<T, F>(
    app: &App,
    asking: Option<Asking>,
    render: impl Fn(&T) -> Result<Bytes, Error> + Send + Sync + 'static,
    work: impl FnOnce(Option<Once<T>>) -> F,
) -> Result<Bytes, Error>
where
    F: Future<Output = Result<Given<T>, Error>>,
{
    let Some(Asking { request, sealer }) = asking else { return render(&work(None).await?.now()?) };
    let store = &**app.service.store();
    let opened = |reply: &Reply| match &sealer {
        Some(sealer) => sealer.open(reply),
        None => Ok(reply.body().clone()),
    };
    let before = async || match look_up(store, &request, app.now()).await? {
        Known::Answered(reply) => opened(&reply).map(Some),
        Known::New(_) => Ok(None),
    };
    if let Some(body) = before().await? {
        return Ok(body);
    }
    let render = Arc::new(render);
    let (made, sealed, bytes_max) = (render.clone(), sealer.clone(), reply_bytes_max(&store.limits()));
    let kept = move |done: &T| {
        let body = made(done)?;
        let body = sealed.as_ref().map_or(Ok(body.clone()), |sealer| sealer.seal(&body))?;
        if body.len() > bytes_max {
            return Err(reply_too_large(bytes_max));
        }
        Reply::new(200, body)
    };
    match work(Some(Once { request: request.clone(), render: Arc::new(kept) })).await {
        Ok(Given::Now(done)) => render(&done),
        Ok(Given::Before(reply)) => opened(&reply),
        // A copy of the request may have been faster, and have made what is there now.
        Err(error) => match before().await {
            Ok(Some(body)) => Ok(body),
            Ok(None) | Err(_) => Err(error),
        },
    }
}
