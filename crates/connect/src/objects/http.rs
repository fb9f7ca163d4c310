//! How object stores are spoken with: HTTP/1.1 over the TLS that databases are spoken with, and with bounds on every wait.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::BodyExt as _;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody, HttpService,
};

use crate::Error;
use crate::tls::client_config;

/// How long a store has to take a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a store has to take a request and to begin its answer.
const ANSWER: Duration = Duration::from_secs(120);
/// How long a connection is kept that nothing is asked on.
const IDLE: Duration = Duration::from_secs(60);

type Inner = Client<HttpsConnector<HttpConnector>, HttpRequestBody>;

/// Makes the client of one store.
#[derive(Debug, Clone)]
pub(super) struct Connector(Service);

#[derive(Clone)]
struct Service(Inner);

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Service")
    }
}

impl Connector {
    /// With the authorities of this PEM, otherwise those that the system trusts.
    ///
    /// # Errors
    /// `connection_ca_invalid`, `connection_tls_failed`.
    pub(super) fn new(ca: Option<&str>) -> Result<Self, Error> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        let tls = HttpsConnectorBuilder::new().with_tls_config(client_config(ca)?);
        let connector = tls.https_or_http().enable_http1().wrap_connector(tcp);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_idle_timeout(IDLE).pool_timer(TokioTimer::new());
        Ok(Self(Service(builder.build(connector))))
    }
}

impl object_store::client::HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answered = tokio::time::timeout(ANSWER, self.0.request(request)).await;
        let response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let kind = if error.is_connect() { HttpErrorKind::Connect } else { HttpErrorKind::Interrupted };
                return Err(HttpError::new(kind, error));
            }
            Err(late) => return Err(HttpError::new(HttpErrorKind::Timeout, late)),
        };
        let broken = |error| HttpError::new(HttpErrorKind::Interrupted, error);
        Ok(response.map(|body| HttpResponseBody::new(body.map_err(broken))))
    }
}

/// Why a request came to nothing.
pub(super) enum Trouble {
    /// No connection, or one that broke.
    Connect,
    /// One that cannot be encrypted, and why.
    Tls(String),
    /// An answer that says no.
    Refused,
}

/// What an error of the library comes down to. Its own words name URLs, and bodies of answers.
pub(super) fn trouble(error: &(dyn StdError + 'static)) -> Trouble {
    let mut next = Some(error);
    while let Some(own) = next {
        if let Some(http) = own.downcast_ref::<HttpError>() {
            return tls(http);
        }
        next = own.source();
    }
    Trouble::Refused
}

fn tls(error: &HttpError) -> Trouble {
    find_tls(error).map_or(Trouble::Connect, |own| Trouble::Tls(own.to_string()))
}

/// What is wrong with the encryption, if that is what is wrong. An error of I/O is not the source of what it holds.
fn find_tls<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        return Some(found);
    }
    let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    if let Some(found) = held.and_then(|held| find_tls(held)) {
        return Some(found);
    }
    error.source().and_then(find_tls)
}
