//! The processes that are measured. Whatever is started here ends with the value that holds it.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::clock;
use super::http::Connection;
use super::machine;

/// The operator's key of every server here; none of them outlives the run.
pub(super) const KEY: &str = "sk_bench_0123456789abcdef";
const READY_WITHIN: Duration = Duration::from_secs(120);
const STOPPED_WITHIN: Duration = Duration::from_secs(120);

/// Which cores a process may use, as `taskset` says it.
#[derive(Clone, Copy)]
pub(super) enum Cores {
    /// The one of servers and of the floor.
    Server,
    /// The server's and the load's.
    Both,
}

impl Cores {
    fn list(self) -> &'static str {
        match self {
            Self::Server => "0",
            Self::Both => "0,1",
        }
    }
}

/// A built program, pinned.
pub(super) fn pinned(cores: Cores, program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", cores.list()]).arg(target(program));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TESSERA_")) {
        command.env_remove(name);
    }
    command
}

/// A server on a folder.
fn serve(folder: &Path, cores: Cores) -> Command {
    let mut command = pinned(cores, "tessera");
    command.args(["serve", "--listen", "127.0.0.1:0", "--log-level", "warn", "--data"]).arg(folder);
    command.env("TESSERA_BOOTSTRAP_KEY", KEY);
    command
}

fn target(program: &str) -> PathBuf {
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::root().join("target"), PathBuf::from);
    folder.join("release").join(program)
}

/// What a server may keep in memory.
#[derive(Clone, Copy)]
pub(super) struct Caches {
    pub(super) view_bytes: u64,
    pub(super) record_bytes: u64,
    pub(super) store_bytes: u64,
}

impl Caches {
    pub(super) const DEFAULT: Self = Self { view_bytes: 256 << 20, record_bytes: 256 << 20, store_bytes: 256 << 20 };

    pub(super) fn total(self) -> u64 {
        self.view_bytes + self.record_bytes + self.store_bytes
    }
}

/// A process that serves.
pub(super) struct Server {
    child: Child,
    addresses: Vec<SocketAddr>,
    /// From its start until `/readyz` answered 200.
    pub(super) ready_after: Duration,
}

impl Server {
    /// Starts tessera on a folder.
    pub(super) fn start(folder: &Path, cores: Cores, caches: Caches) -> Result<Self> {
        let mut command = serve(folder, cores);
        for (flag, bytes) in [
            ("--view-cache-bytes", caches.view_bytes),
            ("--record-cache-bytes", caches.record_bytes),
            ("--store-cache-bytes", caches.store_bytes),
        ] {
            command.arg(flag).arg(bytes.to_string());
        }
        Self::run(command, 1, "/readyz")
    }

    /// Starts tessera on a folder with so much memory, however that is shared out.
    pub(super) fn within(folder: &Path, cores: Cores, memory_bytes: u64) -> Result<Self> {
        let mut command = serve(folder, cores);
        command.arg("--memory").arg(memory_bytes.to_string());
        Self::run(command, 1, "/readyz")
    }

    /// Starts the server of a constant: through our layers at the first address, through axum alone at the second.
    pub(super) fn constant(bytes: usize) -> Result<Self> {
        let mut command = pinned(Cores::Server, "examples/constant");
        command.arg(bytes.to_string());
        Self::run(command, 2, "/metrics")
    }

    fn run(mut command: Command, addresses: usize, ready: &str) -> Result<Self> {
        let started = clock::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let child = child.with_context(|| format!("cannot start {command:?}"))?;
        let mut server = Self { child, addresses: Vec::new(), ready_after: Duration::ZERO };
        let output = server.child.stdout.take().context("the server has no output")?;
        for line in BufReader::new(output).lines().take(addresses) {
            let line = line?;
            let address = line.rsplit("http://").next().and_then(|address| address.parse().ok());
            server.addresses.push(address.with_context(|| format!("the server said no address: {line}"))?);
        }
        ensure!(server.addresses.len() == addresses, "the server ended before it listened");
        let request = super::http::get(ready, KEY);
        while Connection::open(server.address()).and_then(|mut it| it.exchange(&request)).ok() != Some(200) {
            ensure!(started.elapsed() < READY_WITHIN, "the server is not ready after {READY_WITHIN:?}");
            clock::pause(Duration::from_millis(1));
        }
        server.ready_after = started.elapsed();
        Ok(server)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Where the constant is served without our layers.
    pub(super) fn bare_address(&self) -> SocketAddr {
        self.addresses[1]
    }

    pub(super) fn cpu(&self) -> Duration {
        machine::cpu_of(&self.child.id().to_string())
    }

    pub(super) fn resident(&self) -> u64 {
        machine::resident(self.child.id())
    }

    /// A metric's value, summed over its labels: over those lines that hold `label`.
    pub(super) fn metric(&self, name: &str, label: &str) -> Result<f64> {
        let mut connection = Connection::open(self.address())?;
        let text = String::from_utf8_lossy(connection.succeed(&super::http::get("/metrics", KEY))?).into_owned();
        let lines = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name) && line.contains(label));
        Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// Asks it to stop, and waits. Answers how long that took.
    pub(super) fn stop(mut self) -> Result<Duration> {
        let started = clock::now();
        clock::ask("kill", &["-TERM", &self.child.id().to_string()]);
        while started.elapsed() < STOPPED_WITHIN {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "the server stopped with {status}");
                return Ok(started.elapsed());
            }
            clock::pause(Duration::from_millis(2));
        }
        bail!("the server does not stop")
    }

    /// Has it stand still while something is done that it takes no part in: neither its work nor what it put off counts there.
    pub(super) fn aside<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<T> {
        let pid = self.child.id().to_string();
        clock::ask("kill", &["-STOP", &pid]);
        let done = act();
        clock::ask("kill", &["-CONT", &pid]);
        done
    }

    /// `kill -9`.
    pub(super) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Also after a stop, when there is nothing to kill any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
