//! The doors of a server, asked as their clients ask them: each by the credentials of its own.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use ureq::Agent;
use ureq::http::Request;

use super::{KEY, Server};

/// A set of paths with a wire format of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Door {
    Native,
    Segment,
    SegmentProfiles,
    Wyng,
    Optimizely,
    Dfinery,
    Adobe,
}

impl Door {
    /// All of them.
    pub(crate) const ALL: [Self; 7] =
        [Self::Native, Self::Segment, Self::SegmentProfiles, Self::Wyng, Self::Optimizely, Self::Dfinery, Self::Adobe];

    /// The header by which its clients show a key.
    fn credential(self, key: &str) -> (&'static str, String) {
        match self {
            Self::Native | Self::Adobe => ("authorization", format!("Bearer {key}")),
            Self::Segment | Self::SegmentProfiles => {
                ("authorization", format!("Basic {}", STANDARD.encode(format!("{key}:"))))
            }
            Self::Wyng => ("x-access-token", key.to_owned()),
            Self::Optimizely => ("authorization", format!("epi-single {key}")),
            Self::Dfinery => ("access_token", key.to_owned()),
        }
    }

    /// What else each of its requests has.
    const fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Adobe => {
                &[("x-api-key", "any"), ("x-gw-ims-org-id", "default@AdobeOrg"), ("x-sandbox-name", "default")]
            }
            Self::Native | Self::Segment | Self::SegmentProfiles | Self::Wyng | Self::Optimizely | Self::Dfinery => &[],
        }
    }
}

/// One request at a door.
pub(crate) struct Ask<'a> {
    pub(crate) door: Door,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: Vec<(String, String)>,
    /// None where it has no body.
    pub(crate) body: Option<&'a Value>,
    /// Another key than that of the client.
    pub(crate) key: Option<&'a str>,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Reply {
    /// The body as JSON; null where it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }
}

/// A client of all doors of one server.
pub(crate) struct Doors {
    agent: Agent,
    url: String,
    key: String,
}

impl Doors {
    /// A client of this address, which shows this key.
    pub(crate) fn new(url: &str, key: &str) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60)));
        Self { agent: config.build().into(), url: url.trim_end_matches('/').to_owned(), key: key.to_owned() }
    }

    /// A client of a server that a test has started.
    pub(crate) fn of(server: &Server) -> Self {
        Self::new(server.url(), KEY)
    }

    /// Sends a request; an error means that nobody knows what happened.
    pub(crate) fn ask(&self, ask: &Ask<'_>) -> Result<Reply, ureq::Error> {
        let (name, value) = ask.door.credential(ask.key.unwrap_or(&self.key));
        let request = Request::builder().method(ask.method).uri(format!("{}{}", self.url, ask.path));
        let is_typed = ask.headers.iter().any(|(name, _)| name == "content-type");
        let request = request.header(name, value);
        let request = if is_typed { request } else { request.header("content-type", "application/json") };
        let own = ask.door.headers().iter();
        let request = own.fold(request, |request, (name, value)| request.header(*name, *value));
        let request = ask.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let body = ask.body.map(Value::to_string).unwrap_or_default();
        let mut response = self.agent.run(request.body(body).expect("a test's request is well formed"))?;
        let text = response.body_mut().with_config().limit(64 << 20).read_to_string()?;
        Ok(Reply { status: response.status().as_u16(), text })
    }

    /// Sends a request with a body, or none where it is null.
    pub(crate) fn call(&self, door: Door, method: &str, path: &str, body: &Value) -> Result<Reply, ureq::Error> {
        let body = Some(body).filter(|body| !body.is_null());
        self.ask(&Ask { door, method, path, headers: Vec::new(), body, key: None })
    }
}
