//! Listening: HTTP/1.1 and HTTP/2 on one port, with or without TLS, and a stop that finishes what is under way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::names;
use crate::settings::ApiSettings;

mod connection;
mod head;
mod lent;
mod pulse;
mod stream;
mod tls;

pub(crate) use head::Refused;
pub use tls::{Look, Tls, TlsError};

#[cfg(test)]
mod tests;

/// Where log lines of connections come from, whatever crate this is: operators choose lines by it.
const TARGET: &str = "tessera_api::serve";

/// Serves until the shutdown future is done, then finishes what is under way, for at most the stated time.
///
/// Readiness opens when it begins and closes when the stop is asked for.
pub async fn serve(
    listeners: Vec<TcpListener>,
    tls: Option<Arc<Tls>>,
    router: axum::Router,
    settings: ApiSettings,
    shutdown: impl Future<Output = ()>,
) {
    let (stop, stops) = watch::channel(false);
    let readiness = settings.readiness.clone();
    let stop_timeout = settings.stop_timeout;
    let crowded: Arc<Notify> = Arc::default();
    let mut door = Door::new(listeners, settings.connections_max, Arc::clone(&crowded));
    let (protocol, tls) = (protocol(&settings), tls.map(|tls| TlsAcceptor::from(tls.config())));
    let host = Arc::new(Host { protocol, tls, router, settings, stops, crowded });
    // Every connection has its task here, so none outlives this function.
    let mut tasks = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    readiness.open();
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            (stream, place) = door.accept() => {
                let host = Arc::clone(&host);
                tasks.spawn(async move { host.connection(stream, place).await });
            }
            Some(_) = tasks.join_next() => {}
        }
    }
    readiness.close();
    drop(door);
    let finish = async {
        stop.send_replace(true);
        while tasks.join_next().await.is_some() {}
    };
    if tokio::time::timeout(stop_timeout, finish).await.is_err() {
        tracing::warn!(target: TARGET, connections = tasks.len(), "connections were cut off at the end of the stop");
        tasks.shutdown().await;
    }
}

/// What all connections share.
struct Host {
    protocol: auto::Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
    router: axum::Router,
    settings: ApiSettings,
    /// Turns true when the server stops.
    stops: watch::Receiver<bool>,
    /// Told once for each connection that finds no place: one that waits for its next request is to go.
    crowded: Arc<Notify>,
}

/// Streams of one HTTP/2 connection at one time.
const STREAMS_MAX: u32 = 128;
/// Streams that a client has reset and nobody has looked at yet; one that resets more is sent away.
const RESETS_MAX: usize = 20;
/// Streams that were reset here for faults of the client, over the time of a connection.
const FAULTS_MAX: usize = 128;
/// Bytes of the headers of one request.
const HEADERS_BYTES_MAX: u32 = 32 << 10;
/// Bytes of what is read ahead of a request, and of what is written before the client takes it, beside the answer itself.
const BUFFER_BYTES: usize = 64 << 10;
/// Bytes of bodies that one HTTP/2 connection may have sent before they are read, and one of its streams.
const WINDOW_BYTES: u32 = 1 << 20;
const STREAM_WINDOW_BYTES: u32 = 256 << 10;

fn protocol(settings: &ApiSettings) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // The library has one timeout for the wait between requests and for heads; ours are two, and stand in `connection`.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).keep_alive(true).max_buf_size(BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(FAULTS_MAX)
        .max_header_list_size(HEADERS_BYTES_MAX)
        .max_send_buf_size(BUFFER_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .keep_alive_interval(settings.stall_timeout)
        .keep_alive_timeout(settings.head_timeout);
    builder
}

/// Where connections come in.
struct Door {
    listeners: Vec<TcpListener>,
    places: Arc<Semaphore>,
    crowded: Arc<Notify>,
    /// One has been told to go, and its place has not been taken.
    has_asked: bool,
    /// Connections that could not be taken since it was last told.
    failed: u64,
    told: Option<Instant>,
    /// Until when nothing is taken after a failure.
    rests_until: Option<Instant>,
}

/// How long no connection is taken after one could not be: mostly no file descriptors are left, and without a pause the loop would
/// take a whole core.
const REST: Duration = Duration::from_millis(100);
/// How often it is told that connections cannot be taken.
const TOLD_EVERY: Duration = Duration::from_secs(60);

impl Door {
    fn new(listeners: Vec<TcpListener>, connections_max: usize, crowded: Arc<Notify>) -> Self {
        let places = Arc::new(Semaphore::new(connections_max));
        Self { listeners, places, crowded, has_asked: false, failed: 0, told: None, rests_until: None }
    }

    /// The next connection, once there is room for it: whoever is connected and asks nothing makes room. May be dropped at any time.
    async fn accept(&mut self) -> (TcpStream, OwnedSemaphorePermit) {
        if self.places.available_permits() == 0 && !std::mem::replace(&mut self.has_asked, true) {
            self.crowded.notify_one();
        }
        let place = Arc::clone(&self.places).acquire_owned().await.expect("the semaphore is never closed");
        self.has_asked = false;
        loop {
            if let Some(until) = self.rests_until {
                tokio::time::sleep_until(until).await;
                self.rests_until = None;
            }
            match accept_any(&self.listeners).await {
                Ok((stream, _)) => return (stream, place),
                Err(error) => self.cannot(&error),
            }
        }
    }

    fn cannot(&mut self, error: &std::io::Error) {
        let now = Instant::now();
        self.failed += 1;
        self.rests_until = Some(now + REST);
        metrics::counter!(names::ACCEPTS_FAILED).increment(1);
        if self.told.is_none_or(|told| now >= told + TOLD_EVERY) {
            tracing::warn!(target: TARGET, %error, failed = self.failed, "connections cannot be taken");
            (self.told, self.failed) = (Some(now), 0);
        }
    }
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
