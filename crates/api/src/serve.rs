//! Listening: HTTP/1.1 and HTTP/2 on one port, with or without TLS, and a stop that finishes what is under way.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::names;
use crate::settings::ApiSettings;
use crate::transport::Secured;

mod stall;

use stall::Stalling;

#[cfg(test)]
mod tests;

/// Why TLS cannot be set up. The path is in the message; the content of the files is not.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM of that kind.
    #[error("cannot read {what} from pem file path={path}")]
    File {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: String,
        /// Why it failed.
        source: rustls::pki_types::pem::Error,
    },
    /// The certificate and the key cannot serve together.
    #[error("certificate and private key cannot serve")]
    Config(#[source] rustls::Error),
}

/// TLS from a chain of certificates and a private key, both PEM files; speaks HTTP/2 and HTTP/1.1 by ALPN.
///
/// # Errors
/// [`TlsError`] when a file cannot be read or they do not fit together.
pub fn tls_from_pem(certificates: &Path, private_key: &Path) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    let file_error = |what, path: &Path| {
        let path = path.display().to_string();
        move |source| TlsError::File { what, path, source }
    };
    let chain = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(file_error("certificates", certificates))?;
    let key = PrivateKeyDer::from_pem_file(private_key).map_err(file_error("private key", private_key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Config)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Config)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Serves until the shutdown future is done, then finishes what is under way, for at most the stated time.
///
/// Readiness opens when it begins and closes when the stop is asked for.
pub async fn serve(
    listeners: Vec<TcpListener>,
    tls: Option<Arc<rustls::ServerConfig>>,
    router: axum::Router,
    settings: ApiSettings,
    shutdown: impl Future<Output = ()>,
) {
    let graceful = GracefulShutdown::new();
    let readiness = settings.readiness.clone();
    let stop_timeout = settings.stop_timeout;
    let host = Arc::new(Host {
        connections: Arc::new(Semaphore::new(settings.connections_max)),
        protocol: protocol(&settings),
        tls: tls.map(TlsAcceptor::from),
        router,
        settings,
    });
    // Every connection has its task here, so none outlives this function.
    let mut tasks = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    readiness.open();
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            (stream, place) = host.accept(&listeners) => {
                let (host, watcher) = (Arc::clone(&host), graceful.watcher());
                tasks.spawn(async move { host.connection(stream, watcher, place).await });
            }
            Some(_) = tasks.join_next() => {}
        }
    }
    readiness.close();
    drop(listeners);
    let finish = async {
        graceful.shutdown().await;
        while tasks.join_next().await.is_some() {}
    };
    if tokio::time::timeout(stop_timeout, finish).await.is_err() {
        tracing::warn!(connections = tasks.len(), "connections were cut off at the end of the stop");
        tasks.shutdown().await;
    }
}

/// What all connections share.
struct Host {
    connections: Arc<Semaphore>,
    protocol: auto::Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
    router: axum::Router,
    settings: ApiSettings,
}

fn protocol(settings: &ApiSettings) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(settings.head_timeout).keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256)
        .keep_alive_interval(settings.stall_timeout)
        .keep_alive_timeout(settings.head_timeout);
    builder
}

impl Host {
    /// The next connection, once there is room for it.
    async fn accept(&self, listeners: &[TcpListener]) -> (TcpStream, OwnedSemaphorePermit) {
        let place = Arc::clone(&self.connections).acquire_owned().await.expect("the semaphore is never closed");
        loop {
            match accept_any(listeners).await {
                Ok((stream, _)) => return (stream, place),
                Err(error) => {
                    // Mostly no file descriptors are left; without a pause this loop would take a whole core.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn connection(&self, stream: TcpStream, watcher: Watcher, _place: OwnedSemaphorePermit) {
        let open = metrics::gauge!(names::CONNECTIONS);
        open.increment(1);
        // Answers are written whole; waiting to fill packets would only delay them.
        if stream.set_nodelay(true).is_ok() {
            let stream = Stalling::new(stream, self.settings.stall_timeout);
            match &self.tls {
                None => self.speak(stream, watcher).await,
                Some(tls) => match tokio::time::timeout(self.settings.head_timeout, tls.accept(stream)).await {
                    Ok(Ok(stream)) => self.speak(stream, watcher).await,
                    Ok(Err(_)) => cut("tls"),
                    Err(_) => cut("handshake_timeout"),
                },
            }
        }
        open.decrement(1);
    }

    /// Serves requests on a connection. The library bounds how long later heads take; the wait for the first one, when it is
    /// not known yet which protocol will be spoken, is bounded here.
    async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, stream: S, watcher: Watcher) {
        let has_begun = Arc::new(AtomicBool::new(false));
        let (begun, router) = (Arc::clone(&has_begun), self.router.clone());
        let is_secured = self.tls.is_some();
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            begun.store(true, Ordering::Relaxed);
            if is_secured {
                request.extensions_mut().insert(Secured);
            }
            router.clone().oneshot(request.map(axum::body::Body::new))
        });
        let connection = self.protocol.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(watcher.watch(connection));
        tokio::select! {
            _ = &mut connection => return,
            () = tokio::time::sleep(self.settings.head_timeout) => {}
        }
        if has_begun.load(Ordering::Relaxed) {
            // How a connection ends is the client's affair; what failed on our side was logged with its request.
            let _ = connection.await;
        } else {
            cut("head_timeout");
        }
    }
}

fn cut(reason: &'static str) {
    metrics::counter!(names::CONNECTIONS_CUT, "reason" => reason).increment(1);
}

/// The next connection at any of the listeners.
async fn accept_any(listeners: &[TcpListener]) -> std::io::Result<(TcpStream, SocketAddr)> {
    std::future::poll_fn(|ctx| {
        for listener in listeners {
            if let std::task::Poll::Ready(accepted) = listener.poll_accept(ctx) {
                return std::task::Poll::Ready(accepted);
            }
        }
        std::task::Poll::Pending
    })
    .await
}
