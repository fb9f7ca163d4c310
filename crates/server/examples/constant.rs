//! Answers a body of a given size, always the same: what a request costs before anyone reads a profile.
//!
//! `constant 700` serves 700 bytes at `/metrics` of two addresses, which it prints: at the first through everything that stands
//! around a profile read (connections, layers, router), at the second through axum alone. The benchmark divides by it.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use metrics_exporter_prometheus::PrometheusBuilder;
use tessera_api::ApiSettings;
use tessera_engine::time::Timestamp;
use tessera_service::{Components, Service, Settings};
use tessera_store::MemoryStore;
use tokio::net::TcpListener;

fn main() -> Result<()> {
    let size: usize = std::env::args().nth(1).context("usage: constant <bytes>")?.parse().context("not a number")?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve("x".repeat(size)))
}

async fn serve(constant: String) -> Result<()> {
    // Requests are counted as the server counts them.
    PrometheusBuilder::new().install_recorder()?;
    let components = Components {
        store: Arc::new(MemoryStore::new()),
        clock: Arc::new(|| Timestamp::MIN),
        random: Arc::new(|bytes| bytes.fill(1)),
        tasks: tokio::runtime::Handle::current(),
    };
    let service = Service::open(components, Settings::default()).await?;
    let text = constant.clone();
    let settings = ApiSettings { metrics: Some(Arc::new(move || text.clone())), ..ApiSettings::default() };
    let layered = tessera_api::router(service, settings.clone());
    let bare = axum::Router::new().route("/metrics", axum::routing::get(move || std::future::ready(constant.clone())));
    let listeners = [TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?];
    for listener in &listeners {
        println!("constant listens on http://{}", listener.local_addr()?);
    }
    let [first, second] = listeners;
    let forever = std::future::pending::<()>;
    tokio::join!(
        tessera_api::serve(vec![first], None, layered, settings.clone(), forever()),
        tessera_api::serve(vec![second], None, bare, settings, forever()),
    );
    Ok(())
}
