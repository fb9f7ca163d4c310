//! The HTTP side of the command line: one key, one server, JSON both ways, patience with a busy server.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::Value;
use ureq::http::{Method, Request};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use crate::commands::connection::{self, Connection};
use crate::interrupt;

/// Answers are read up to this size.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Characters of an answer that is not one of Tessera.
const OWN_CHARS_MAX: usize = 300;
/// Tries of one request before it is given up.
const TRIES_MAX: u32 = 12;
/// The longest wait before another try where the server names none.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// The longest wait that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// How long the address of a server may take to be found.
const RESOLVE_MAX: Duration = Duration::from_secs(2);
/// How long a server may take to be reached then: whoever waits knows within five seconds.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// Where a server is that nothing else is said of.
const URL: &str = "http://127.0.0.1:8640";

/// Which server, and as whom.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Target {
    /// Where the server is [default: that of the connection, http://127.0.0.1:8640 without one].
    #[arg(long, visible_alias = "server", env = "TESSERA_URL", value_name = "URL")]
    url: Option<String>,
    /// The key to use; better given by the environment or by `tessera login`, where other users of this machine do not see it.
    #[arg(long, env = "TESSERA_KEY", value_name = "KEY", hide_env_values = true)]
    key: Option<String>,
    /// The connection that `tessera login` has made [default: the one named default, where neither URL nor key is given].
    #[arg(long, env = "TESSERA_CONNECTION", value_name = "NAME")]
    connection: Option<String>,
    /// Certificates, in PEM, that the server's is verified by [default: those of the public authorities].
    #[arg(long, env = "TESSERA_CA_CERT", value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// Which workspace, where the key holds several [default: the key's first].
    #[arg(long, env = "TESSERA_WORKSPACE", value_name = "NAME")]
    workspace: Option<String>,
}

impl Target {
    /// This server, by this key.
    pub(crate) fn new(url: &str, key: &str, ca_cert: Option<PathBuf>) -> Self {
        Self { url: Some(url.to_owned()), key: Some(key.to_owned()), ca_cert, ..Self::default() }
    }

    /// What is meant, with what the connection says where nothing else does.
    fn resolved(&self) -> Result<Connection> {
        let is_said = self.url.is_some() || self.key.is_some();
        let connection = match &self.connection {
            Some(name) => connection::find(Some(name))?,
            None if is_said => None,
            None => connection::find(None)?,
        };
        let (url, key, ca_cert, workspace) = match connection {
            Some(Connection { url, key, ca_cert, workspace }) => (Some(url), Some(key), ca_cert, workspace),
            None => (None, None, None, None),
        };
        let key = self.key.clone().or(key).with_context(|| {
            let kept = connection::names();
            let kept = if kept.is_empty() { String::new() } else { format!(", or --connection with one of {}", kept.join(", ")) };
            format!("which key? Set TESSERA_KEY, or give --key, or keep one with `tessera login`{kept}; the first one is that of TESSERA_BOOTSTRAP_KEY")
        })?;
        Ok(Connection {
            url: self.url.clone().or(url).unwrap_or_else(|| URL.to_owned()),
            key,
            ca_cert: self.ca_cert.clone().or(ca_cert),
            workspace: self.workspace.clone().or(workspace),
        })
    }
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
        let Connection { url, key, ca_cert, workspace } = target.resolved()?;
        let base = url.trim_end_matches('/').to_owned();
        if !base.starts_with("http://") && !base.starts_with("https://") {
            bail!("the URL must begin with http:// or https://: {base}");
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_resolve(Some(RESOLVE_MAX))
            .timeout_connect(Some(CONNECT_MAX))
            .timeout_global(Some(Duration::from_secs(120)));
        if let Some(file) = ca_cert {
            let roots = RootCerts::Specific(Arc::new(certificates(&file)?));
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        let authorization = format!("Bearer {key}");
        Ok(Self { agent: config.build().into(), base, authorization, workspace })
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
        let mut response = self.agent.run(request).map_err(|error| self.unreached(error))?;
        let seconds = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok(Answer { status: response.status().as_u16(), body, retry_after: seconds.map(Duration::from_secs) })
    }

    /// Writes an answer down as it comes, whatever its size.
    pub(crate) fn copy(&self, path: &str, to: &mut impl Write) -> Result<()> {
        let mut body = self.stream(path)?;
        io::copy(&mut body.as_reader(), to).context("the answer broke off")?;
        Ok(())
    }

    fn stream(&self, path: &str) -> Result<Body> {
        let request = Request::get(format!("{}{path}", self.base)).header("authorization", &self.authorization);
        let request = match &self.workspace {
            Some(workspace) => request.header("x-tessera-workspace", workspace),
            None => request,
        };
        let request = request.body(()).with_context(|| format!("no URL: {}{path}", self.base))?;
        let request = self.agent.configure_request(request).timeout_global(None).build();
        let response = self.agent.run(request).map_err(|error| self.unreached(error))?;
        let status = response.status().as_u16();
        let body = response.into_body();
        if status != 200 {
            let mut body = body;
            let body = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
            return Err(Answer { status, body, retry_after: None }.into_error());
        }
        Ok(body)
    }

    /// Listens to a stream of server-sent events: the data of each, for as long as it lasts.
    pub(crate) fn events(&self, path: &str) -> Result<impl Iterator<Item = std::io::Result<String>> + use<>> {
        let body = self.stream(path)?;
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
            if interrupt::is_asked() {
                break;
            }
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
            interrupt::pause(asked.unwrap_or(wait).min(RETRY_AFTER_MAX));
            wait = (wait * 2).min(WAIT_MAX);
        }
        let error = last.unwrap_or_else(|| anyhow!("no try was made"));
        let why = if interrupt::is_asked() {
            "ended by Ctrl-C".to_owned()
        } else {
            format!("gave up after {TRIES_MAX} tries")
        };
        Err(error.context(format!("{}{path}: {why}", self.base)))
    }

    /// Sends JSON and reads JSON; anything but success is an error that says what the server said.
    pub(crate) fn json(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let bytes = match body {
            Some(body) => serde_json::to_vec(body)?,
            None => Vec::new(),
        };
        let answer = self.send(method.clone(), path, &bytes)?;
        if !answer.is_success() {
            let is_by_id = path.starts_with("/v1/profiles/id/");
            return Err(Said { status: answer.status, body: answer.body, is_by_id }.into());
        }
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body)
            .with_context(|| format!("{method} {}{path}: the answer is no JSON", self.base))
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
        Said { status: self.status, body: self.body, is_by_id: false }.into()
    }
}

impl Client {
    /// Where the server is.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// What to look at when nobody answers.
    fn unreached(&self, error: ureq::Error) -> anyhow::Error {
        let base = &self.base;
        let check = match &error {
            ureq::Error::HostNotFound => {
                "the name is not known: is the URL right (--url, TESSERA_URL, `tessera connections`)?"
            }
            ureq::Error::Timeout(_) => {
                "nobody answered in time: is the URL right, does a firewall stand between, is the server busy?"
            }
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                "nothing listens there: is the server running (`tessera serve` prints its address), is the port right (--url, TESSERA_URL)?"
            }
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData && base.starts_with("https") => {
                "its certificate is not taken, or it does not speak TLS: give the authority's with --ca-cert, or try http://"
            }
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) => {
                "its certificate is not taken, or it does not speak TLS: give the authority's with --ca-cert, or try http://"
            }
            _ => "is the URL right (--url, TESSERA_URL), is the server running, does a proxy stand between?",
        };
        anyhow!("{base} cannot be reached: {error}\n  {check}\n  to see whether it lives: curl {base}/healthz")
    }
}

/// What a server said instead of what was asked for: words for people, its JSON for machines.
#[derive(Debug)]
pub(crate) struct Said {
    status: u16,
    body: Vec<u8>,
    /// Whether a profile was asked for by its id, as one is who typed no namespace.
    is_by_id: bool,
}

impl Said {
    /// As it came, if it is JSON.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = self.json().unwrap_or_default();
        let error = &answer["error"];
        let (Some(code), Some(message)) = (error["code"].as_str(), error["message"].as_str()) else {
            let text: String = String::from_utf8_lossy(&self.body).chars().take(OWN_CHARS_MAX).collect();
            return write!(
                f,
                "the server answered {}, and not as Tessera does (is this its URL?): {text}",
                self.status
            );
        };
        write!(f, "{message} ({code}, {}", self.status)?;
        if let Some(id) = error["request_id"].as_str() {
            write!(f, ", request {id}")?;
        }
        f.write_str(")")?;
        if self.status == 401 {
            f.write_str(
                "\n  is it the key of this server and still in force? Set TESSERA_KEY, or `tessera login` again",
            )?;
        }
        if self.is_by_id && code == "profile_not_found" {
            f.write_str("\n  that was taken for the id of a profile; an identity is written NAMESPACE=VALUE, such as user_id=7001")?;
        }
        if self.status == 403 && code.contains("permission") {
            f.write_str("\n  `tessera key list` tells what keys may do")?;
        }
        Ok(())
    }
}

impl std::error::Error for Said {}

/// The certificates of a file.
fn certificates(file: &Path) -> Result<Vec<Certificate<'static>>> {
    let what = || format!("cannot read the certificates of {}", file.display());
    let text = std::fs::read(file).with_context(what)?;
    let mut certificates = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.with_context(what)? {
            certificates.push(certificate);
        }
    }
    ensure!(!certificates.is_empty(), "{} holds no certificate in PEM", file.display());
    Ok(certificates)
}
