//! `tessera demo`: a server on a free port of this machine, the bundled purchase log, and what to try with it.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use tokio::sync::oneshot;

use crate::client::{Client, Target};
use crate::load::{Counts, Destination, End, Load, Mapping, MappingLayer, Report};
use crate::settings::{Layer, Settings};
use crate::{logging, serve, world};

mod tour;

/// The bundled data, so that the demo needs nothing but the binary.
const PURCHASES: &str = include_str!("../../../testdata/cdnow/CDNOW_sample.txt");
/// How its columns are read.
const MAPPING: &str = include_str!("../../../testdata/cdnow/mapping.toml");
/// A customer with a history worth looking at.
const CUSTOMER: &str = "19339";

/// Flags of `tessera demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Folder of the demo's data.
    #[arg(long, value_name = "FOLDER", default_value = "tessera-demo")]
    data: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))]
    listen: SocketAddr,
    /// Go on serving at the end even where no person is watching.
    #[arg(long)]
    keep: bool,
}

/// Runs the demo. At a terminal it serves until Ctrl-C, elsewhere it ends by itself.
pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let keep = arguments.keep || (std::io::stdin().is_terminal() && std::env::var_os("CI").is_none());
    let settings = Settings::resolve(Layer::demo(arguments.listen, arguments.data), Layer::default())?;
    drop(logging::start(&settings)?);
    let key = new_key();
    let (stop, stopped) = oneshot::channel::<()>();
    let (ready, address) = mpsc::channel();
    let server = {
        let (key, settings) = (key.clone(), settings.clone());
        let runtime = serve::runtime()?;
        let stop = serve::stop_signal_in(&runtime)?;
        thread::Builder::new().name("demo-server".into()).spawn(move || {
            let end = async move {
                tokio::select! {
                    () = stop => {}
                    _ = stopped => {}
                }
            };
            runtime.block_on(serve::serve(&settings, Some(&key), (end, None), move |address| {
                let _ = ready.send(address);
            }))
        })?
    };
    let shown = match address.recv() {
        Ok(address) => show(&format!("http://{address}"), &key, keep),
        Err(_) => Err(anyhow!("the server did not start")),
    };
    if shown.is_err() || !keep {
        drop(stop);
    }
    let served = server.join().map_err(|_| anyhow!("the server panicked"))?;
    served.and(shown)
}

fn show(url: &str, key: &str, keep: bool) -> Result<()> {
    println!("Tessera listens on {url}\n");
    println!("Loading 6,919 purchases of 2,357 customers over HTTP");
    let target = Target::new(url, key, None);
    let counts = load(&target)?;
    println!("{counts}\n");
    ensure!(counts.rejected == 0, "rows of the bundled data were refused");
    tour::show(&Client::new(&target)?, &mut std::io::stdout())?;
    println!("The key of this demo, which may do everything:\n\n  {key}\n\nTo try:\n");
    println!("{}", examples(url, key));
    println!(
        "To open:\n\n  {url}/docs/            guides, the language of rules with recipes, errors\n  {url}/docs/api/        all operations\n  {url}/metrics          for Prometheus\n"
    );
    if keep {
        println!("Serving until Ctrl-C.");
    }
    Ok(())
}

/// Loads the bundled data as any other file.
fn load(target: &Target) -> Result<Counts> {
    let layer: MappingLayer = toml::from_str(MAPPING).context("the bundled mapping is not valid")?;
    let load = Load {
        mapping: Mapping::resolve(layer, MappingLayer::default(), "CDNOW_sample.txt")?,
        path: None,
        file_hash: None,
        batch: 500,
        rejected: PathBuf::from("tessera-demo.rejected.csv"),
        bytes: Some(PURCHASES.len() as u64),
        errors_max: None,
        progress: Duration::from_secs(10),
        report: Report::People,
    };
    let destination = Destination::Server(Box::new(Client::new(target)?));
    let done = load.run(destination, PURCHASES.as_bytes())?;
    if let End::Failed(error) = done.end { Err(error) } else { Ok(done.counts) }
}

/// Lines to paste into a shell.
fn examples(url: &str, key: &str) -> String {
    let mut text = String::new();
    for (what, line) in [
        ("a profile", format!("curl -H 'Authorization: Bearer {key}' {url}/v1/profiles/identifier/user_id/{CUSTOMER}")),
        (
            "its latest purchases",
            format!(
                "curl -H 'Authorization: Bearer {key}' '{url}/v1/profiles/identifier/user_id/{CUSTOMER}/events?limit=3'"
            ),
        ),
        (
            "the same profile, found by e-mail",
            format!("curl -H 'Authorization: Bearer {key}' {url}/v1/profiles/identifier/email/ann%40shop.example"),
        ),
        (
            "what holds it together",
            format!("curl -H 'Authorization: Bearer {key}' {url}/v1/profiles/identifier/user_id/{CUSTOMER}/identities"),
        ),
    ] {
        let _ = writeln!(text, "  # {what}\n  {line}\n");
    }
    text
}

fn new_key() -> String {
    let mut bits = [0; 32];
    world::random(&mut bits);
    bits.iter().fold("sk_demo_".to_owned(), |mut key, byte| {
        let _ = write!(key, "{byte:02x}");
        key
    })
}
