//! What an operator may turn, and what the server hands in.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::public_url::PublicUrl;
use crate::spans::Span;

/// Settings of the doors.
#[derive(Clone)]
pub struct ApiSettings {
    /// Bytes of bodies that are held at one time, over all connections: what is beyond is refused with `bodies_full`. A workspace
    /// has at most half of it, and those who have shown no key yet at most a quarter. Default 128 MiB.
    pub bodies_bytes: usize,
    /// Bytes of answers that clients have not taken yet, over all connections: reads beyond it are refused with `answers_full`. A
    /// workspace has at most half of it. Default 256 MiB.
    pub answers_bytes: usize,
    /// Bytes of a body, inflated. Larger ones are refused with `body_too_large`. Default 4 MiB: a RudderStack client sends
    /// batches of up to 4 MB.
    pub body_bytes_max: usize,
    /// How long the head of a request, or a TLS handshake, may take. Default 10 s.
    pub head_timeout: Duration,
    /// How long a connection may wait for its next request. Balancers keep theirs for up to 60 s and must not be the ones that are
    /// surprised, so the default is 75 s.
    pub keep_alive: Duration,
    /// How long a body may take to arrive. Default 30 s.
    pub body_timeout: Duration,
    /// How long a body may take to arrive in which the key is said to be: nobody knows yet whose it is. Default 5 s.
    pub keyless_body_timeout: Duration,
    /// How long a client may take less than 16 KiB of an answer. Default 30 s.
    pub stall_timeout: Duration,
    /// Open connections; more wait unaccepted. Default 10,000.
    pub connections_max: usize,
    /// Where clients reach the server: what SDKs are told when they start. Without it they are told the `Host` that they asked.
    pub public_url: Option<PublicUrl>,
    /// How long requests under way may go on after a stop was asked for. Default 30 s.
    pub stop_timeout: Duration,
    /// Whether the server serves: what `/readyz` answers.
    pub readiness: Readiness,
    /// Renders the metrics in Prometheus' text form; without it `/metrics` is empty.
    pub metrics: Option<Arc<dyn Fn() -> String + Send + Sync>>,
    /// Takes the spans of requests; it must not block. Without it there are none.
    pub spans: Option<Arc<dyn Fn(Span) + Send + Sync>>,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            bodies_bytes: 128 << 20,
            answers_bytes: 256 << 20,
            body_bytes_max: 4 << 20,
            head_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            keyless_body_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(30),
            connections_max: 10_000,
            public_url: None,
            stop_timeout: Duration::from_secs(30),
            readiness: Readiness::default(),
            metrics: None,
            spans: None,
        }
    }
}

impl std::fmt::Debug for ApiSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiSettings")
            .field("body_bytes_max", &self.body_bytes_max)
            .field("connections_max", &self.connections_max)
            .finish_non_exhaustive()
    }
}

/// Whether the server serves. Clones share it; it begins as not ready.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<watch::Sender<Phase>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Starting,
    Serving,
    Stopping,
}

impl Readiness {
    /// From now on `/readyz` answers 200.
    pub fn open(&self) {
        self.0.send_replace(Phase::Serving);
    }

    /// From now on `/readyz` answers 503: send new requests elsewhere. Answers that would go on without end do end.
    pub fn close(&self) {
        self.0.send_replace(Phase::Stopping);
    }

    /// Whether it serves.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self.0.borrow() == Phase::Serving
    }

    /// Waits until it has served and does no more.
    pub async fn closed(&self) {
        let mut phases = self.0.subscribe();
        // The sender is ours and lives as long as this, so the wait ends for no other reason.
        drop(phases.wait_for(|phase| *phase == Phase::Stopping).await);
    }
}
