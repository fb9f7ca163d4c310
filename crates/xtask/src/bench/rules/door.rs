//! Rules over the public door: made, brought to everybody, and how long that took.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::super::clock;
use super::super::http::{Connection, get, put};
use super::super::process::{KEY, Server};

/// How long a rule may take until everybody has it.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks at a rule; each costs the server about a hundredth of that.
const GLANCE: Duration = Duration::from_millis(10);
/// What a rule is for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Attribute,
    Segment,
}

/// A rule to be made.
pub(super) struct Rule {
    pub(super) purpose: Purpose,
    pub(super) name: String,
    pub(super) pql: String,
}

impl Rule {
    pub(super) fn attribute(name: impl Into<String>, pql: impl Into<String>) -> Self {
        Self { purpose: Purpose::Attribute, name: name.into(), pql: pql.into() }
    }

    pub(super) fn segment(name: impl Into<String>, pql: impl Into<String>) -> Self {
        Self { purpose: Purpose::Segment, name: name.into(), pql: pql.into() }
    }

    fn path(&self) -> String {
        let all = match self.purpose {
            Purpose::Attribute => "/v1/attributes",
            Purpose::Segment => "/v1/segments",
        };
        format!("{all}/{}", self.name)
    }
}

/// From the call that makes a rule until everybody has it.
#[derive(Clone, Copy, Default)]
pub(super) struct Brought {
    pub(super) took: Duration,
    /// The server's.
    pub(super) cpu: Duration,
}

impl Brought {
    pub(super) fn add(&mut self, other: Self) {
        self.took += other.took;
        self.cpu += other.cpu;
    }
}

/// One who makes rules.
pub(super) struct Door<'a> {
    server: &'a Server,
    connection: Connection,
    request: Vec<u8>,
}

impl<'a> Door<'a> {
    pub(super) fn open(server: &'a Server) -> Result<Self> {
        Ok(Self { server, connection: Connection::open(server.address())?, request: Vec::new() })
    }

    /// Makes rules, and waits until everybody has them.
    pub(super) fn make(&mut self, rules: &[Rule]) -> Result<()> {
        rules.iter().try_for_each(|rule| self.put(rule))?;
        rules.iter().try_for_each(|rule| self.until_active(rule))
    }

    /// As [`Self::make`] for one, measured.
    pub(super) fn bring(&mut self, rule: &Rule) -> Result<Brought> {
        let (started, before) = (clock::now(), self.server.cpu());
        self.put(rule)?;
        self.until_active(rule)?;
        Ok(Brought { took: started.elapsed(), cpu: self.server.cpu() - before })
    }

    /// How many members a segment has.
    pub(super) fn members(&mut self, rule: &Rule) -> Result<u64> {
        self.read(rule)?["count"].as_u64().context("a segment says how many members it has")
    }

    /// Each rule asks for a job, and a workspace may have a hundred open ones: then it is asked again.
    fn put(&mut self, rule: &Rule) -> Result<()> {
        let body = json!({ "pql": rule.pql }).to_string();
        put(&rule.path(), KEY, body.as_bytes(), &mut self.request);
        let started = clock::now();
        while self.connection.exchange(&self.request)? == 429 && started.elapsed() < PATIENCE {
            clock::pause(GLANCE);
        }
        let answer = String::from_utf8_lossy(self.connection.body());
        ensure!(answer.contains("\"status\""), "{}: {}: {answer}", rule.name, rule.pql);
        Ok(())
    }

    fn until_active(&mut self, rule: &Rule) -> Result<()> {
        let started = clock::now();
        while self.read(rule)?["status"] != "active" {
            ensure!(started.elapsed() < PATIENCE, "{} is not active after {PATIENCE:?}", rule.name);
            clock::pause(GLANCE);
        }
        Ok(())
    }

    fn read(&mut self, rule: &Rule) -> Result<Value> {
        let answer = self.connection.succeed(&get(&rule.path(), KEY))?;
        serde_json::from_slice(answer).context("a rule is JSON")
    }
}
