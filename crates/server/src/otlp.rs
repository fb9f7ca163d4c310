//! Traces and metrics to an OpenTelemetry collector: OTLP over HTTP in its JSON form, again and again, from a thread of its own.
//!
//! The metrics are those of `/metrics`, taken at the same place. What a collector does not take is dropped once the next comes: nothing waits for it, and
//! nothing grows.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tessera_api::Span;
use ureq::Agent;

use crate::gauges::{SPANS_DROPPED, SPANS_SENT};
use crate::world;

mod encode;

/// What `/metrics` answers.
pub(crate) type Text = Arc<dyn Fn() -> String + Send + Sync>;

/// Spans that wait to be sent; what comes beyond is dropped and counted.
const SPANS_MAX: usize = 2_048;
/// Spans of one request to the collector.
const SPANS_AT_ONCE: usize = 512;
/// How long spans wait for others at most.
const SPANS_EVERY: Duration = Duration::from_secs(5);
/// How long the collector may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where it is sent, and how often.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The address of the collector, without `/v1/traces`.
    pub(crate) endpoint: String,
    /// Seconds between two times that the metrics are sent.
    pub(crate) interval: Duration,
}

/// What the thread is told.
enum Told {
    Span(Span),
    /// Send what waits, and end.
    End,
}

/// Sends until it is told to end.
pub(crate) struct Exporter {
    told: SyncSender<Told>,
    thread: JoinHandle<()>,
}

impl Exporter {
    /// Starts the thread. The text is that of `/metrics`.
    pub(crate) fn start(target: Target, text: Text) -> Result<Self> {
        let (told, waiting) = sync_channel(SPANS_MAX);
        let thread = std::thread::Builder::new().name("tessera-otlp".to_owned());
        let thread = thread.spawn(move || Sender::new(target, text).run(&waiting)).context("cannot start a thread")?;
        Ok(Self { told, thread })
    }

    /// Takes spans, and never waits.
    pub(crate) fn take(&self) -> Arc<dyn Fn(Span) + Send + Sync> {
        let told = self.told.clone();
        Arc::new(move |span| {
            if let Err(TrySendError::Full(_)) = told.try_send(Told::Span(span)) {
                metrics::counter!(SPANS_DROPPED).increment(1);
            }
        })
    }

    /// Sends what waits, and ends. Blocks for as long as the collector may take for two requests, and for what is under way.
    pub(crate) fn end(self) {
        // Where the thread has ended there is nobody to be told.
        drop(self.told.send(Told::End));
        if self.thread.join().is_err() {
            tracing::error!("the exporter of traces and metrics panicked");
        }
    }
}

struct Sender {
    target: Target,
    agent: Agent,
    text: Text,
    resource: Value,
    /// In nanoseconds since 1970: since when counters count.
    began: u64,
    /// Whether the last request failed, which was said then.
    failed: bool,
}

impl Sender {
    fn new(target: Target, text: Text) -> Self {
        let mut instance = [0; 16];
        world::random(&mut instance);
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(TIMEOUT));
        let resource = encode::resource(env!("CARGO_PKG_VERSION"), &instance);
        Self { target, agent: config.build().into(), text, resource, began: nanos(), failed: false }
    }

    /// Until it is told to end; then what waits is sent once more.
    fn run(&mut self, waiting: &Receiver<Told>) {
        let mut batch: Vec<Span> = Vec::new();
        let (mut spans_due, mut metrics_due) =
            (world::instant() + SPANS_EVERY, world::instant() + self.target.interval);
        loop {
            let due = spans_due.min(metrics_due);
            let ends = match waiting.recv_timeout(due.saturating_duration_since(world::instant())) {
                Ok(Told::Span(span)) => {
                    batch.push(span);
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Ok(Told::End) | Err(RecvTimeoutError::Disconnected) => true,
            };
            let now = world::instant();
            if batch.len() >= SPANS_AT_ONCE || now >= spans_due || ends {
                self.send_spans(&std::mem::take(&mut batch));
                spans_due = now + SPANS_EVERY.min(self.target.interval);
            }
            if now >= metrics_due || ends {
                self.send_metrics();
                metrics_due = now + self.target.interval;
            }
            if ends {
                return;
            }
        }
    }

    fn send_spans(&mut self, spans: &[Span]) {
        if spans.is_empty() {
            return;
        }
        let name = match self.send("/v1/traces", &encode::spans(&self.resource, spans)) {
            true => SPANS_SENT,
            false => SPANS_DROPPED,
        };
        metrics::counter!(name).increment(spans.len() as u64);
    }

    fn send_metrics(&mut self) {
        let body = encode::metrics(&self.resource, &(self.text)(), (self.began, nanos()));
        self.send("/v1/metrics", &body);
    }

    /// Whether the collector took it. That it does not is said once, until it does again.
    fn send(&mut self, path: &str, body: &Value) -> bool {
        let url = format!("{}{path}", self.target.endpoint.trim_end_matches('/'));
        let sent = self.agent.post(&url).header("content-type", "application/json").send(body.to_string());
        let fault = match sent {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answers {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        match &fault {
            Some(fault) if !self.failed => tracing::warn!(url, fault, "the collector does not take traces and metrics"),
            None if self.failed => tracing::info!(url, "the collector takes traces and metrics again"),
            _ => {}
        }
        self.failed = fault.is_some();
        fault.is_none()
    }
}

/// Now, in nanoseconds since 1970.
fn nanos() -> u64 {
    u64::try_from(world::now().micros()).unwrap_or(0).saturating_mul(1_000)
}
