//! Requests of a vendor's public Postman collections, as data: what the vendor says of each (method, path, names of the query and of headers), and
//! what is sent for it, with values of our own, in an order in which each finds what it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::harness::doors::Door;
use super::scenario::{Expected, Keep, Scenario, Step};

/// What an answer says for a path that is not served, or for a method that a path does not have.
const NOT_SERVED: [u16; 2] = [404, 405];

/// One file: collections of one vendor, for one door.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Collections {
    pub(crate) about: String,
    /// What each request accepts.
    accept: String,
    /// What has to be there before.
    stage: Vec<Sent>,
    pub(crate) requests: Vec<Collected>,
}

/// A request of a collection.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Collected {
    pub(crate) collection: String,
    pub(crate) folder: String,
    /// Method, path with `:names`, and names of its query, as the collection has them.
    pub(crate) request: String,
    /// Headers that not every request has.
    #[serde(default)]
    headers: Vec<String>,
    /// The section of the specification.
    pub(crate) section: String,
    /// Why it is not served.
    pub(crate) not_served: Option<String>,
    sent: Vec<Sent>,
}

/// What is sent for it: the first by that request; others show what it did.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    request: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    status: u16,
    #[serde(default)]
    until: bool,
    #[serde(default, rename = "expect")]
    expected: Expected,
    #[serde(default)]
    keep: BTreeMap<String, Keep>,
}

/// Those that stand in a file.
pub(crate) fn read(name: &str) -> Collections {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/collections").join(name);
    let text = fs::read_to_string(&path).expect("a file");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

impl Collected {
    /// What is wrong with it as it stands: it sends another request than it says, or leaves a part of that out.
    fn fault(&self) -> Option<String> {
        let (route, query) = self.request.split_once('?').unwrap_or((&self.request, ""));
        let own: Vec<&Sent> = self.sent.iter().filter(|sent| is_of(&sent.request, route)).collect();
        let asked: BTreeSet<&str> = own.iter().flat_map(|sent| query_names(&sent.request)).collect();
        let left_out: Vec<&str> = query.split('&').filter(|name| !name.is_empty() && !asked.contains(name)).collect();
        if !self.sent.first().is_some_and(|sent| is_of(&sent.request, route)) {
            return Some("its first request is another one".to_owned());
        }
        if !left_out.is_empty() {
            return Some(format!("never asks for {left_out:?}"));
        }
        let is_refused = own.iter().all(|sent| NOT_SERVED.contains(&sent.status));
        match &self.not_served {
            Some(reason) if reason.is_empty() || !is_refused => Some("says that it is not served".to_owned()),
            None if own.iter().any(|sent| sent.status >= 400) => {
                Some("is served, and an answer is an error".to_owned())
            }
            Some(_) | None => None,
        }
    }
}

/// Whether a request is one of a route with `:names`.
fn is_of(request: &str, route: &str) -> bool {
    let path = request.split_once('?').map_or(request, |(path, _)| path);
    let (own, said): (Vec<&str>, Vec<&str>) = (path.split('/').collect(), route.split('/').collect());
    own.len() == said.len() && own.iter().zip(&said).all(|(own, said)| said.starts_with(':') || own == said)
}

fn query_names(request: &str) -> impl Iterator<Item = &str> {
    let query = request.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter_map(|pair| pair.split_once('=').map(|(name, _)| name))
}

impl Collections {
    /// What is wrong with the file.
    pub(crate) fn faults(&self) -> Vec<String> {
        let faults = self.requests.iter().filter_map(|own| Some(format!("{}: {}", own.request, own.fault()?)));
        let mut known = BTreeSet::new();
        let twice = self.requests.iter().filter(|own| !known.insert((&own.collection, &own.request)));
        faults.chain(twice.map(|own| format!("{} stands twice", own.request))).collect()
    }

    /// All requests in their order, at a door.
    pub(crate) fn into_scenario(self, door: Door) -> Scenario {
        let Self { about, accept, stage, requests } = self;
        let step = |proves: &str, names: &[String], sent: Sent| {
            let Sent { request, headers: own, body, status, until, expected, keep } = sent;
            let mut headers: BTreeMap<String, String> =
                names.iter().map(|name| (name.clone(), "any".to_owned())).collect();
            headers.insert("accept".to_owned(), accept.clone());
            headers.extend(own);
            Step { proves: proves.to_owned(), door, request, headers, body, key: None, status, until, expected, keep }
        };
        let mut steps: Vec<Step> = stage.into_iter().map(|sent| step("what has to be there", &[], sent)).collect();
        for Collected { folder, request, headers, sent, .. } in requests {
            let proves = format!("{folder}: {request}");
            steps.extend(sent.into_iter().map(|sent| step(&proves, &headers, sent)));
        }
        Scenario { about, steps }
    }
}
