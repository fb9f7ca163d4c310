//! `tessera serve`: settings become components, components become a service, the service gets its doors.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tessera_api::{ApiSettings, Router, Tls};
use tessera_connect::Connectors;
use tessera_service::feed::FeedBounds;
use tessera_service::names::COMMIT_OPERATIONS;
use tessera_service::{AuditBounds, Components, Secrets, Service, SourceSettings};
use tessera_store_lsm::LsmStore;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::background::Lanes;
use crate::files::{self, Files};
use crate::gauges::Gauges;
use crate::notify::{self, Notify};
use crate::otlp::{Exporter, Target, Text};
use crate::reload::Reload;
use crate::settings::{ByteSize, Layer, Settings};
use crate::start::{Rules, Start};
use crate::{background, guesses, logging, measured, world};

/// Upper bounds of the buckets of every duration, in seconds.
const SECONDS: [f64; 14] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Upper bounds of the buckets of rows in a commit.
const OPERATIONS: [f64; 9] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0];

/// How often measurements are folded.
const METRICS_FOLDED: Duration = Duration::from_secs(5);

/// Flags of `tessera serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A TOML file with the settings below, dashes written as underscores. Environment and flags win over it.
    #[arg(long, env = "TESSERA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    layer: Layer,
    /// The operator's own key, 8 to 200 characters: it may do everything in the organization and workspace `default`.
    /// Given by the environment alone, because others see the command line.
    #[arg(skip = std::env::var("TESSERA_BOOTSTRAP_KEY").ok())]
    bootstrap_key: Option<String>,
    /// Print the settings that would be used, and stop.
    #[arg(long)]
    print_settings: bool,
}

/// Runs the server until it is told to stop.
pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let file = arguments.config.as_deref().map(Layer::read).transpose()?.unwrap_or_default();
    let settings = Settings::resolve(arguments.layer.clone(), file)?;
    if arguments.print_settings {
        print!("{}", toml::to_string(&settings)?);
        return Ok(());
    }
    let set_level = logging::start(&settings)?;
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for variable in guesses::unknown_variables(names) {
        tracing::warn!(variable, "this variable is no setting: is it misspelled? `tessera serve --help` lists all");
    }
    let runtime = runtime()?;
    runtime.block_on(async {
        let stop = stop_signal()?;
        let reload = Reload::new(arguments.config, arguments.layer, &settings, set_level)?;
        serve(&settings, arguments.bootstrap_key.as_deref(), (stop, Some(reload)), |address| {
            let scheme = if settings.tls.is_some() { "https" } else { "http" };
            println!("tessera listens on {scheme}://{address}");
        })
        .await
    })
}

/// The runtime of a server.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("tessera").enable_all().build();
    runtime.context("cannot start the runtime")
}

/// Serves until `stop` is ready, then answers what was begun, writes what was acknowledged and lets go of the folder.
/// `listening` learns the address once requests are taken.
pub(crate) async fn serve(
    settings: &Settings,
    bootstrap_key: Option<&str>,
    (stop, reload): (impl Future<Output = ()> + Send + 'static, Option<Reload>),
    listening: impl FnOnce(SocketAddr),
) -> Result<()> {
    let files = files::share_out(settings.connections_max);
    let (store, lanes) = background::build(|| Ok((open_store(settings, files)?, Lanes::start()?)))?;
    let (start, rules) = Start::begin(&settings.data, settings.without_rules)?;
    if rules == Rules::OffByItself {
        tracing::warn!(
            "the last start with rules never came to its end, so they are off; archive the rule that keeps it from that, and start again"
        );
    }
    let components = Components {
        tasks: lanes.handle(),
        store: Arc::<LsmStore>::clone(&store),
        clock: Arc::new(world::now),
        random: Arc::new(world::random),
    };
    let service_settings = service_settings(settings, rules, secrets(settings)?);
    let service = Service::open(components, service_settings).await.context("cannot read the data folder")?;
    service.make_rules_ready().await.context("cannot make the rules ready; start without them: --without-rules")?;
    start.end()?;
    if let Some(secret) = bootstrap_key {
        service.directory().ensure_bootstrap(secret).await.context("TESSERA_BOOTSTRAP_KEY cannot be used")?;
    }
    if service.directory().snapshot().organizations().next().is_none() {
        tracing::warn!(
            "there is no key yet: nobody can use this server until it starts with TESSERA_BOOTSTRAP_KEY set"
        );
    }
    let listener = bind(settings.listen).await?;
    let address = listener.local_addr()?;
    let admin = match settings.admin_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let metrics = collect_metrics()?;
    let text = metrics.clone();
    let text: Text = Arc::new(move || text.render());
    let exporter = exporter(settings, &text)?;
    let spans = exporter.as_ref().map(Exporter::take);
    let api = ApiSettings { metrics: Some(text), spans, ..api_settings(settings, files) };
    let tls = match &settings.tls {
        Some(files) => Some(Arc::new(Tls::from_pem(&files.cert, &files.key)?)),
        None => None,
    };
    let doors = Doors::open(listener, admin, &service, api)?;
    tracing::info!(%address, data = %settings.data.display(), version = env!("CARGO_PKG_VERSION"), "server is ready");
    let gauges = Gauges::new(&store, &service, &settings.data);
    gauges.begin(settings);
    gauges.tell();
    gauges.tell_workspaces().await;
    listening(address);
    let notify = Notify::of_environment();
    notify.tell(notify::READY);
    let shown = tls.clone();
    let reloads = async {
        match reload {
            Some(reload) => reload.run(tls).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = doors.serve(shown, stop) => {}
        () = reloads => {}
        () = keep_up(&metrics, &gauges) => {}
    }
    tracing::info!("server is stopping");
    notify.tell(notify::STOPPING);
    service.close().await;
    store.close().await;
    drop(lanes);
    if let Some(exporter) = exporter {
        tokio::task::spawn_blocking(|| exporter.end()).await.context("the exporter panicked")?;
    }
    tracing::info!("server has stopped");
    Ok(())
}

/// What sends traces and metrics to a collector, where one is set.
fn exporter(settings: &Settings, text: &Text) -> Result<Option<Exporter>> {
    let Some(endpoint) = settings.otlp_endpoint.clone() else { return Ok(None) };
    let target = Target { endpoint, interval: Duration::from_secs(settings.otlp_interval_secs.into()) };
    Exporter::start(target, Arc::clone(text)).map(Some)
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| {
        format!("cannot listen on {address} (is another server there? --listen 127.0.0.1:0 takes a free port)")
    })
}

/// Listeners, and what each serves.
struct Doors {
    all: Vec<(TcpListener, Router)>,
    api: ApiSettings,
}

impl Doors {
    /// With a listener for operators, the other one lacks their paths.
    fn open(
        listener: TcpListener,
        admin: Option<TcpListener>,
        service: &Arc<Service>,
        api: ApiSettings,
    ) -> Result<Self> {
        let Some(admin) = admin else {
            return Ok(Self { all: vec![(listener, tessera_api::router(Arc::clone(service), api.clone()))], api });
        };
        let address = admin.local_addr()?;
        tracing::info!(%address, "metrics and administration have a listener of their own");
        let routers = tessera_api::routers(Arc::clone(service), api.clone());
        Ok(Self { all: vec![(listener, routers.others), (admin, routers.all)], api })
    }

    /// Serves all of them until `stop` is ready, and ends them together.
    async fn serve(self, tls: Option<Arc<Tls>>, stop: impl Future<Output = ()>) {
        let (ends, ended) = tokio::sync::watch::channel(false);
        let mut serving = tokio::task::JoinSet::new();
        for (listener, router) in self.all {
            let mut ended = ended.clone();
            let ended = async move { drop(ended.wait_for(|ended| *ended).await) };
            serving.spawn(tessera_api::serve(vec![listener], tls.clone(), router, self.api.clone(), ended));
        }
        tokio::select! {
            () = stop => {}
            // One that ends by itself has panicked.
            _ = serving.join_next() => tracing::error!("a listener has ended"),
        }
        ends.send_replace(true);
        while serving.join_next().await.is_some() {}
    }
}

/// Collects the metrics of the process from now on.
fn collect_metrics() -> Result<PrometheusHandle> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Full(COMMIT_OPERATIONS.to_owned()), &OPERATIONS)?;
    let handle = builder.install_recorder().context("metrics are collected already")?;
    measured::describe();
    Ok(handle)
}

/// Folds what was measured, again and again: what nobody asks for would pile up otherwise. Tells how the parts are.
async fn keep_up(metrics: &PrometheusHandle, gauges: &Gauges<'_>) {
    let mut beat = tokio::time::interval(METRICS_FOLDED);
    loop {
        beat.tick().await;
        gauges.tell();
        gauges.tell_workspaces().await;
        metrics.run_upkeep();
    }
}

fn open_store(settings: &Settings, files: Files) -> Result<Arc<LsmStore>> {
    let mut store = tessera_store_lsm::Settings::new(&settings.data);
    store.open_tables_max = files.tables;
    store.cache_bytes = settings.store_cache_bytes.bytes();
    store.write_buffer_bytes = settings.write_buffer_bytes.bytes();
    // What is remembered of them takes an eighth beside.
    let recent = store.write_buffer_bytes / 8 / tessera_store_lsm::Settings::RECENT_WRITE_BYTES;
    store.recent_writes = store.recent_writes.min(usize::try_from(recent).unwrap_or(usize::MAX));
    store.free_bytes_min = settings.free_bytes_min.bytes();
    store.free_bytes_reserve = settings.free_bytes_min.bytes() / 4;
    Ok(Arc::new(LsmStore::open(store)?))
}

fn api_settings(settings: &Settings, files: Files) -> ApiSettings {
    let bytes = |size: ByteSize| usize::try_from(size.bytes()).unwrap_or(usize::MAX);
    ApiSettings {
        bodies_bytes: bytes(settings.request_memory_bytes),
        answers_bytes: bytes(settings.answer_memory_bytes),
        connections_max: files.connections,
        keep_alive: Duration::from_secs(settings.keep_alive_secs.into()),
        public_url: settings.public_url.clone(),
        ..ApiSettings::default()
    }
}

/// What seals and finds the secrets of connections.
fn secrets(settings: &Settings) -> Result<Secrets> {
    let key = settings.secrets_key_file.as_deref().map(|file| {
        let text = std::fs::read_to_string(file);
        let text = text.with_context(|| format!("cannot read secrets_key_file {}", file.display()))?;
        let bytes = STANDARD.decode(text.trim()).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        bytes.with_context(|| format!("secrets_key_file {} does not hold 32 bytes in Base64", file.display()))
    });
    let environment = |name: &str| std::env::var(name).ok();
    Ok(Secrets::new(key.transpose()?, settings.secrets_dir.clone(), Arc::new(environment)))
}

fn service_settings(settings: &Settings, rules: Rules, secrets: Secrets) -> tessera_service::Settings {
    tessera_service::Settings {
        view_cache_bytes: settings.view_cache_bytes.bytes(),
        record_cache_bytes: settings.record_cache_bytes.bytes(),
        queue_bytes: settings.queue_memory_bytes.bytes(),
        workspace_bytes: settings.workspace_memory_bytes.bytes(),
        lane_idle_secs: settings.lane_idle_secs,
        purge_interval_secs: settings.purge_interval_secs,
        backup_folder: settings.backup_dir.clone(),
        upload_folder: Some(settings.data.join("uploads")),
        turns_days_max: settings.turns_days_max,
        audit: AuditBounds { days_max: settings.audit_days_max, bytes_max: settings.audit_bytes_max.bytes() },
        feed: FeedBounds { secs_max: settings.feed_secs_max, bytes_max: settings.feed_bytes_max.bytes() },
        without_rules: rules.are_off(),
        sources: SourceSettings {
            connectors: Arc::new(Connectors {
                duckdb: settings.duckdb_driver.clone(),
                answer: Duration::from_secs(u64::from(settings.source_answer_secs)),
            }),
            secrets,
        },
        ..tessera_service::Settings::default()
    }
}

/// As the server's own, for a runtime that is not entered yet.
pub(crate) fn stop_signal_in(
    runtime: &tokio::runtime::Runtime,
) -> Result<impl Future<Output = ()> + Send + 'static + use<>> {
    let _entered = runtime.enter();
    stop_signal()
}

/// Ready when the process is asked to end.
fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
