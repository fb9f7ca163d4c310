//! The HTTP side of the command line: one key, one server, JSON both ways, patience with a busy server.

use std::io::{BufRead as _, BufReader};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;
use serde_json::value::RawValue;
use ureq::Agent;
use ureq::http::{Method, Request};

use crate::world;

/// Answers are read up to this size.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Tries of one request before it is given up.
const TRIES_MAX: u32 = 12;
/// The longest wait before another try where the server names none.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// The longest wait that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// Which server, and as whom.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Target {
    /// Where the server is.
    #[arg(
        long,
        visible_alias = "server",
        env = "TESSERA_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8640"
    )]
    pub(crate) url: String,
    /// The key to use; better given by the environment, where other users of this machine do not see it.
    #[arg(long, env = "TESSERA_KEY", value_name = "KEY", hide_env_values = true)]
    pub(crate) key: String,
}

/// Talks to one server.
pub(crate) struct Client {
    agent: Agent,
    base: String,
    authorization: String,
    workspace: Option<String>,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Vec<u8>,
    retry_after: Option<Duration>,
}

impl Client {
    /// A client for this server.
    pub(crate) fn new(target: &Target) -> Result<Self> {
        let base = target.url.trim_end_matches('/').to_owned();
        if !base.starts_with("http://") && !base.starts_with("https://") {
            bail!("the URL must begin with http:// or https://: {base}");
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_global(Some(Duration::from_secs(120)))
            .build();
        let authorization = format!("Bearer {}", target.key);
        Ok(Self { agent: config.into(), base, authorization, workspace: None })
    }

    /// This client, for this one of the workspaces that its key holds.
    pub(crate) fn in_workspace(self, workspace: Option<String>) -> Self {
        Self { workspace, ..self }
    }

    /// Whether the server can be reached at all, before work begins that would wait for it.
    pub(crate) fn probe(&self) -> Result<()> {
        self.send(Method::GET, "/healthz", &[]).map(|_| ())
    }

    /// Sends once.
    pub(crate) fn send(&self, method: Method, path: &str, body: &[u8]) -> Result<Answer> {
        self.send_if(method, path, body, None)
    }

    /// Sends once, to be done only where what is there has this entity tag.
    pub(crate) fn send_if(&self, method: Method, path: &str, body: &[u8], tag: Option<&str>) -> Result<Answer> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", &self.authorization)
            .header("content-type", "application/json");
        let optional = [("x-tessera-workspace", self.workspace.as_deref()), ("if-match", tag)];
        let present = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let request = present.fold(request, |request, (name, value)| request.header(name, value));
        let request = request.body(body).with_context(|| format!("no URL: {}{path}", self.base))?;
        let mut response = self.agent.run(request)?;
        let seconds = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok(Answer { status: response.status().as_u16(), body, retry_after: seconds.map(Duration::from_secs) })
    }

    /// Listens to a stream of server-sent events: the data of each, for as long as it lasts.
    pub(crate) fn events(&self, path: &str) -> Result<impl Iterator<Item = std::io::Result<String>> + use<>> {
        let request = Request::get(format!("{}{path}", self.base)).header("authorization", &self.authorization);
        let request = request.body(()).with_context(|| format!("no URL: {}{path}", self.base))?;
        let request = self.agent.configure_request(request).timeout_global(None).build();
        let response = self.agent.run(request)?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        if status != 200 {
            let body = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
            return Err(Answer { status, body, retry_after: None }.into_error());
        }
        let lines = BufReader::new(body.into_reader()).lines();
        Ok(lines.filter_map(|line| match line {
            Ok(line) => line.strip_prefix("data:").map(|data| Ok(data.trim().to_owned())),
            Err(error) => Some(Err(error)),
        }))
    }

    /// Sends until the server takes it or says that it never will. Only for what may be sent twice without harm.
    pub(crate) fn send_until_answered(&self, method: &Method, path: &str, body: &[u8]) -> Result<Answer> {
        let mut wait = Duration::from_millis(100);
        let mut last = None;
        for tried in 0..TRIES_MAX {
            let asked = match self.send(method.clone(), path, body) {
                Ok(answer) if !answer.is_temporary() => return Ok(answer),
                Ok(answer) => {
                    let asked = answer.retry_after;
                    last = Some(answer.into_error());
                    asked
                }
                Err(error) => {
                    last = Some(error);
                    None
                }
            };
            if let (0, Some(error)) = (tried, &last) {
                eprintln!("tessera: {}{path}: {error:#}; trying again for a while", self.base);
            }
            world::pause(asked.unwrap_or(wait).min(RETRY_AFTER_MAX));
            wait = (wait * 2).min(WAIT_MAX);
        }
        let error = last.unwrap_or_else(|| anyhow!("no try was made"));
        Err(error.context(format!("{}{path}: gave up after {TRIES_MAX} tries", self.base)))
    }

    /// Sends JSON and reads JSON; anything but success is an error that says what the server said.
    pub(crate) fn json(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let bytes = match body {
            Some(body) => serde_json::to_vec(body)?,
            None => Vec::new(),
        };
        let what = format!("{method} {}{path}", self.base);
        let answer = self.send(method, path, &bytes).with_context(|| what.clone())?;
        if !answer.is_success() {
            return Err(answer.into_error().context(what));
        }
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body).with_context(|| format!("{what}: the answer is no JSON"))
    }

    /// Reads a JSON answer without interpreting it.
    pub(crate) fn raw(&self, path: &str) -> Result<Box<RawValue>> {
        let answer = self.send(Method::GET, path, &[])?;
        if answer.status != 200 {
            return Err(answer.into_error());
        }
        serde_json::from_slice(&answer.body).context("the answer is no JSON")
    }
}

impl Answer {
    /// Whether it was done.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether another try makes sense.
    fn is_temporary(&self) -> bool {
        matches!(self.status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
    }

    /// The server's own words.
    pub(crate) fn into_error(self) -> anyhow::Error {
        let text = String::from_utf8_lossy(&self.body);
        anyhow!("the server answered {}: {}", self.status, text.chars().take(2_000).collect::<String>())
    }
}
