//! The reference: the same requests once more, one at a time and in the order in which the server committed them, on a server of its own. What
//! stands there in the end is what has to stand here.
//!
//! No two commands of a workspace have one instant. The log tells them at the level `trace`, with the id of the request that they are of; here each
//! client chooses the ids of its requests. So the order is the server's own, and not what can be told of it from outside.

use std::collections::BTreeMap;

use serde_json::Value;

use super::client::email_in;
use super::harness::doors::{Ask, Door, Doors};
use super::{ask, get};

/// The level of the log that tells the order of the commits.
pub(crate) const LEVEL: &str = "warn,tessera_api::transport=trace,tessera_service::write::lane=trace";

/// A request that may have changed something.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    /// The id of the request.
    pub(crate) id: String,
    pub(crate) door: Door,
    /// Method and path.
    pub(crate) request: String,
    pub(crate) body: Value,
    /// The request that found whom it speaks of: ids are drawn, so they are others on another server.
    pub(crate) found_by: Option<String>,
    /// What it was answered, if it was.
    pub(crate) status: Option<u16>,
    /// The id of the directive that it made.
    pub(crate) made: Option<String>,
}

impl Said {
    /// Whether it was told that there is nobody, or to come again: it did nothing.
    fn is_nothing(&self) -> bool {
        matches!(self.status, Some(429 | 503)) || (self.request.starts_with("DELETE") && self.status == Some(404))
    }
}

/// When the commands of a request were committed: the first and the last, in microseconds.
pub(crate) type Commits = BTreeMap<String, [i64; 2]>;

/// The instants that a log tells.
pub(crate) fn commits(log: &str) -> Commits {
    let mut commits = Commits::new();
    for line in log.lines().filter(|line| line.contains(": committed ")) {
        let value = |name: &str| {
            let (_, rest) = line.split_once(name)?;
            rest.trim_start_matches('"').split(['"', '}', ' ']).next()
        };
        // What the service does by itself is of no request.
        let (Some(id), Some(at)) = (value("request_id="), value("at_us=")) else { continue };
        let at: i64 = at.parse().unwrap_or_else(|_| panic!("an instant: {line}"));
        let [_, last] = commits.entry(id.to_owned()).or_insert([at, at]);
        assert!(at >= *last, "a lane goes on in time: {line}");
        *last = at;
    }
    commits
}

/// What came of a replay.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    pub(crate) requests: usize,
    /// Requests of several commits between which others were: they are not one step, so no order of whole requests is theirs.
    pub(crate) parted: usize,
    /// Answers that had another status than here.
    pub(crate) otherwise: Vec<String>,
}

/// Sends all that was committed to a server that has nothing of it.
pub(crate) fn replay(said: &[Said], commits: &Commits, doors: &Doors) -> Replayed {
    let mut ordered: Vec<(&[i64; 2], &Said)> =
        said.iter().filter(|own| !own.is_nothing()).filter_map(|own| Some((commits.get(&own.id)?, own))).collect();
    ordered.sort_by_key(|(at, _)| **at);
    let mut replayed = Replayed { requests: ordered.len(), ..Replayed::default() };
    replayed.parted = ordered.windows(2).filter(|pair| pair[0].0[1] > pair[1].0[0]).count();
    let mut directives = BTreeMap::new();
    for (_, own) in ordered {
        let reply = again(own, &directives, doors);
        if let (Some(made), Some(here)) = (&own.made, reply.1.as_ref()) {
            directives.insert(made.clone(), here.clone());
        }
        if own.status.is_some_and(|status| status != reply.0) {
            replayed.otherwise.push(format!("{own:?}: {}", reply.0));
        }
    }
    replayed
}

/// Sends a request with what is drawn put in the place of what was; answers the status, and the id of the directive that it made.
fn again(own: &Said, directives: &BTreeMap<String, String>, doors: &Doors) -> (u16, Option<String>) {
    let mut request = own.request.clone();
    if let Some(find) = &own.found_by {
        let found = ask(doors, own.door, find, &Value::Null).json();
        let Some(id) = found["items"][0]["ProfileId"].as_str() else { return (404, None) };
        let (path, _) = request.rsplit_once('/').expect("a path");
        request = format!("{path}/{id}");
    }
    let mut body = own.body.clone();
    if let Some(directive) = body["directive"].as_str() {
        body["directive"] = directives.get(directive).cloned().unwrap_or_default().into();
    }
    if body["request_datetime"].is_string() {
        // What was said at the time of the request is said at the time of this one.
        body["request_datetime"] = super::client::now().into();
    }
    let (method, path) = request.split_once(' ').expect("method and path");
    let body = Some(&body).filter(|body| !body.is_null());
    let reply = doors.ask(&Ask { door: own.door, method, path, headers: Vec::new(), body, key: None });
    let reply = reply.expect("the server answers");
    let made = reply.json()["id"].as_str().filter(|_| own.request.ends_with("/directives")).map(str::to_owned);
    (reply.status, made)
}

/// All profiles of a server with identities, links, attributes, memberships and events, each as a text, without ids and times of the server's own.
pub(crate) fn state(doors: &Doors) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = get(doors, Door::Native, &format!("/v1/profiles?limit=100{cursor}")).json();
        for profile in page["profiles"].as_array().expect("profiles") {
            found.push(whole(profile, doors));
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    found.sort_unstable();
    found
}

fn whole(profile: &Value, doors: &Doors) -> String {
    let id = profile["profile_id"].as_str().expect("an id");
    let graph = get(doors, Door::Native, &format!("/v1/profiles/id/{id}/identities")).json();
    let mut parts: Vec<String> = Vec::new();
    for list in ["nodes", "links", "held"] {
        let items = graph[list].as_array().unwrap_or_else(|| panic!("{list} of {graph}"));
        parts.extend(items.iter().map(|item| format!("{list} {}", bare(item))));
    }
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/profiles/id/{id}/events?limit=1000{cursor}");
        let page = get(doors, Door::Native, &path).json();
        parts.extend(page["events"].as_array().expect("events").iter().map(|event| format!("event {}", bare(event))));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    parts.sort_unstable();
    format!("{}\n{}", bare(profile), parts.join("\n"))
}

/// A value without what is drawn and what the clock says.
fn bare(value: &Value) -> Value {
    match value {
        Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => "<time>".into(),
        Value::String(text) if is_drawn(text) => "<id>".into(),
        Value::Array(items) => items.iter().map(bare).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), bare(value))).collect(),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn is_drawn(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What stands in one of two states and not in the other, line by line of who is the same person.
pub(crate) fn differences(here: &[String], there: &[String]) -> Vec<String> {
    let only =
        |one: &[String], other: &[String]| one.iter().filter(|own| !other.contains(own)).cloned().collect::<Vec<_>>();
    let (here, there) = (only(here, there), only(there, here));
    let told = |whose: &str, profiles: &[String], others: &[String]| {
        let mut told = Vec::new();
        for profile in profiles {
            let other = others.iter().find(|other| email_in(other).is_some() && email_in(other) == email_in(profile));
            let lines = profile.lines().filter(|line| other.is_none_or(|other| !other.lines().any(|own| own == *line)));
            told.push(format!("{whose}: {:?}\n  {}", email_in(profile), lines.collect::<Vec<_>>().join("\n  ")));
        }
        told
    };
    let mut all = told("here", &here, &there);
    all.extend(told("replayed", &there, &here));
    all
}

#[test]
fn a_log_tells_the_order_of_commits() {
    let log = "\
2026-01-31T12:00:00.000001Z TRACE request{request_id=\"c1-7\"}: tessera_service::write::lane::decide: committed at_us=20
2026-01-31T12:00:00.000002Z TRACE tessera_service::write::lane::decide: committed at_us=21
2026-01-31T12:00:00.000003Z DEBUG request{request_id=\"c1-7\"}: tessera_api::transport: request answered status=200
2026-01-31T12:00:00.000004Z TRACE request{request_id=\"c1-7\"}: tessera_service::write::lane::decide: committed at_us=22";
    assert_eq!(commits(log), Commits::from([("c1-7".to_owned(), [20, 22])]));
}
