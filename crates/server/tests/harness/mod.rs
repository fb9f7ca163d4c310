//! A real server in a process of its own: started, asked, killed and started again by tests.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::borrow::Borrow;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use ureq::http::Request;
use ureq::{Agent, BodyReader};

pub(crate) mod cdnow;
pub(crate) mod doors;
pub(crate) mod postgres;
pub(crate) mod rules;
pub(crate) mod warehouse;

/// The operator's key of every server that a test starts.
pub(crate) const KEY: &str = "sk_test_0123456789abcdef";

/// A running server. It is killed when the value goes.
pub(crate) struct Server {
    child: Child,
    url: String,
}

/// The binary, without whatever the environment says about Tessera.
pub(crate) fn tessera() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tessera"));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("TESSERA_")) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs the binary to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    tessera().args(arguments).stdin(Stdio::null()).output().expect("the binary starts")
}

/// Runs the binary to its end, which must be a success, and answers what it printed.
pub(crate) fn run_ok(arguments: &[&str]) -> String {
    let output = run(arguments);
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?} failed\n{out}\n{error}");
    out.into_owned()
}

impl Server {
    /// Starts on a free port and waits until it listens.
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_logging(data, "warn", Stdio::inherit())
    }

    /// As [`Self::start`], with this level of the log, which goes there.
    pub(crate) fn start_logging(data: &Path, level: &str, log: impl Into<Stdio>) -> Self {
        Self::start_as(data, level, log, &[])
    }

    /// As [`Self::start`], with these settings in its environment.
    pub(crate) fn start_with(data: &Path, settings: &[(&str, &str)]) -> Self {
        Self::start_as(data, "error", Stdio::inherit(), settings)
    }

    fn start_as(data: &Path, level: &str, log: impl Into<Stdio>, settings: &[(&str, &str)]) -> Self {
        let mut child = tessera()
            .args(["serve", "--listen", "127.0.0.1:0", "--log-level", level, "--data"])
            .arg(data)
            .env("TESSERA_BOOTSTRAP_KEY", KEY)
            .env("TESSERA_BACKUP_DIR", data.join("backups"))
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stderr(log)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("standard output is piped"));
        out.read_line(&mut line).expect("standard output can be read");
        let url = line.trim_end().strip_prefix("tessera listens on ").map(str::to_owned);
        let Some(url) = url else {
            let status = child.wait();
            panic!("the server did not start: {status:?} {line}");
        };
        Self { child, url }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Bytes of memory that it holds at this moment.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the server runs");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("what is resident");
        resident.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// A number of its metrics; none where nothing has been measured.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.client().send("GET", "/metrics", &[]).expect("the server answers");
        let text = String::from_utf8(text).expect("text");
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// A connection of its own to it.
    pub(crate) fn client(&self) -> Client {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60)));
        Client { agent: config.build().into(), url: self.url.clone() }
    }

    /// The same to another listener of it.
    pub(crate) fn client_at(&self, url: &str) -> Client {
        Client { url: url.to_owned(), ..self.client() }
    }

    /// SIGKILL: nothing more is written, nothing more is answered.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the server was running");
        self.child.wait().expect("the server ends");
    }

    /// SIGTERM, and waits for the end, which must be a clean one.
    pub(crate) fn stop(mut self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(sent.expect("kill starts").success());
        let status = self.child.wait().expect("the server ends");
        assert!(status.success(), "the server ended with {status}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks a server.
pub(crate) struct Client {
    agent: Agent,
    url: String,
}

/// A status and a body.
pub(crate) type Answer = (u16, Vec<u8>);

impl Client {
    /// Sends a request; an error means that nobody knows what happened.
    pub(crate) fn send(&self, method: &str, path: &str, body: &[u8]) -> Result<Answer, ureq::Error> {
        self.send_with(&[], method, path, body)
    }

    /// As [`Client::send`], with these headers as well.
    pub(crate) fn send_with(
        &self,
        headers: &[(&str, &str)],
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<Answer, ureq::Error> {
        let request = headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        let request = request
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {KEY}"))
            .header("content-type", "application/json")
            .body(body)
            .expect("a test's request is well formed");
        let mut response = self.agent.run(request)?;
        let body = response.body_mut().with_config().limit(64 << 20).read_to_vec()?;
        Ok((response.status().as_u16(), body))
    }

    /// Listens to a stream of server-sent events.
    pub(crate) fn listen(&self, path: &str) -> Events {
        let request = Request::builder()
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {KEY}"))
            .body(())
            .expect("a test's request is well formed");
        let response = self.agent.run(request).expect("the server answers");
        assert_eq!(response.status(), 200, "GET {path}");
        Events(BufReader::new(response.into_body().into_reader()).lines())
    }

    /// Reads; `None` for 404.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        let body = self.get_bytes(path)?;
        Some(serde_json::from_slice(&body).expect("JSON"))
    }

    /// As [`Client::get`], for readers that must not pass numbers through a double.
    pub(crate) fn get_bytes(&self, path: &str) -> Option<Vec<u8>> {
        let (status, body) = self.send("GET", path, &[]).expect("the server answers");
        match status {
            200 => Some(body),
            404 => None,
            other => panic!("GET {path}: {other} {}", String::from_utf8_lossy(&body)),
        }
    }

    /// Writes; anything but 200, or 202 for work that goes on, is a failure of the test.
    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Value {
        let (status, answer) = self.send("POST", path, body).expect("the server answers");
        assert!(matches!(status, 200 | 202), "POST {path}: {}", String::from_utf8_lossy(&answer));
        serde_json::from_slice(&answer).expect("JSON")
    }
}

/// Sends JSON, or nothing where that is null. Answers the status, and JSON, which is null where there is none.
pub(crate) fn ask(client: &Client, method: &str, path: &str, body: impl Borrow<Value>) -> (u16, Value) {
    let body = body.borrow();
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let (status, answer) = client.send(method, path, &body).expect("the server answers");
    (status, serde_json::from_slice(&answer).unwrap_or(Value::Null))
}

/// Puts; anything but 200 is a failure of the test.
pub(crate) fn put(client: &Client, path: &str, body: impl Borrow<Value>) -> Value {
    let (status, answer) = ask(client, "PUT", path, body);
    assert_eq!(status, 200, "PUT {path}: {answer}");
    answer
}

/// What is refused: its status and code.
pub(crate) fn refused(client: &Client, method: &str, path: &str, body: impl Borrow<Value>) -> (u16, String) {
    let (status, answer) = ask(client, method, path, body);
    (status, answer["error"]["code"].as_str().unwrap_or_default().to_owned())
}

/// Server-sent events, each with JSON as its data.
pub(crate) struct Events(Lines<BufReader<BodyReader<'static>>>);

impl Iterator for Events {
    type Item = Value;

    /// The data of the next event; none at the end of the stream, which must be a clean one.
    fn next(&mut self) -> Option<Value> {
        loop {
            let line = self.0.next()?.expect("the stream is not cut off");
            if let Some(data) = line.strip_prefix("data:") {
                return Some(serde_json::from_str(data.trim()).expect("JSON"));
            }
        }
    }
}

/// A number that the environment may set.
pub(crate) fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// A folder of test data of the repository.
pub(crate) fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(name)
}

/// Random numbers that are the same for the same seed (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    /// Begins the sequence of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below the bound.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound
    }

    /// Any order, as likely as any other.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).expect("an index");
            items.swap(last, other);
        }
    }
}
