//! Rows about merging: whether it takes longer for who has a long history.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::clock;
use super::http::{Connection, delete, post};
use super::process::{KEY, Server};

/// Events of the two profiles that are compared.
pub(super) const EVENTS: [u64; 2] = [10, 100_000];
/// Events of one call while the histories are written.
const BATCH: u64 = 500;
/// Rounds of one profile before the other has its turn, so that both meet the same neighbours on the machine.
const STRETCH: u32 = 10;

/// What is done to a profile, in this order.
pub(super) const ACTS: [&str; 4] = [
    "merge: an event links a visitor",
    "unmerge: the visitor is separated",
    "merge: two equal histories are joined",
    "unmerge: that is undone",
];

/// How long each of [`ACTS`] took for each of [`EVENTS`], and the server's processor time for all of them.
pub(super) struct Merged {
    took: [[Vec<Duration>; 2]; 4],
    cpu: [Duration; 2],
}

impl Merged {
    /// A quantile of what an act took.
    pub(super) fn quantile(&self, act: usize, history: usize, quantile: f64) -> Duration {
        let mut took = self.took[act][history].clone();
        took.sort_unstable();
        took[((took.len() - 1) as f64 * quantile).round() as usize]
    }

    /// The median for the long history, of that for the short one.
    pub(super) fn ratio(&self, act: usize) -> f64 {
        self.quantile(act, 1, 0.5).as_secs_f64() / self.quantile(act, 0, 0.5).as_secs_f64()
    }

    /// Microseconds of the server's processor time for one round.
    pub(super) fn cpu_us(&self, history: usize) -> f64 {
        self.cpu[history].as_secs_f64() * 1e6 / self.took[0][history].len() as f64
    }
}

/// Writes both profiles, and a visitor for each who has as long a history of their own; then merges and unmerges them in turns.
pub(super) fn compare(server: &Server, rounds: u32) -> Result<Merged> {
    let mut caller = Caller { connection: Connection::open(server.address())?, request: Vec::new(), sent: 0 };
    for (history, events) in EVENTS.into_iter().enumerate() {
        caller.write("userId", &user(history), events)?;
        caller.write("anonymousId", &visitor(history), events)?;
    }
    let mut merged = Merged { took: Default::default(), cpu: [Duration::ZERO; 2] };
    for stretch in 0..rounds.div_ceil(STRETCH) {
        // Whoever is first meets what the other has left behind; so they take turns in that as well.
        let order = if stretch % 2 == 0 { [0, 1] } else { [1, 0] };
        for history in order {
            let before = server.cpu();
            for _ in 0..STRETCH {
                let took = caller.round(history)?;
                merged.took.iter_mut().zip(took).for_each(|(all, took)| all[history].push(took));
            }
            merged.cpu[history] += server.cpu() - before;
        }
    }
    Ok(merged)
}

fn user(history: usize) -> String {
    format!("merged-{history}")
}

fn visitor(history: usize) -> String {
    format!("visitor-{history}")
}

fn identity(namespace: &str, value: &str) -> Value {
    json!({ "namespace": namespace, "value": value })
}

/// One who calls, and waits for each answer.
struct Caller {
    connection: Connection,
    request: Vec<u8>,
    sent: u64,
}

impl Caller {
    fn call(&mut self, path: &str, body: &Value) -> Result<(Duration, Value)> {
        post(path, KEY, body.to_string().as_bytes(), &mut self.request);
        let started = clock::now();
        let answer = self.connection.succeed(&self.request)?;
        let took = started.elapsed();
        Ok((took, serde_json::from_slice(answer).context("the answer is no JSON")?))
    }

    fn track(&mut self, member: &str, value: &str) -> Value {
        self.sent += 1;
        let id = format!("merges-{}", self.sent);
        json!({ "type": "track", "event": "Seen", "messageId": id, member: value, "properties": { "n": self.sent } })
    }

    fn send(&mut self, calls: &[Value]) -> Result<Duration> {
        let (took, report) = self.call("/v1/batch", &json!({ "batch": calls }))?;
        ensure!(report["accepted"] == calls.len(), "not all of a batch was accepted: {report}");
        Ok(took)
    }

    /// Writes a history of this one identity.
    fn write(&mut self, member: &str, value: &str, events: u64) -> Result<()> {
        let mut left = events;
        while left > 0 {
            let count = left.min(BATCH);
            let calls: Vec<Value> = (0..count).map(|_| self.track(member, value)).collect();
            self.send(&calls)?;
            left -= count;
        }
        Ok(())
    }

    /// Orders a directive, which has to move somebody. Answers its id as well.
    fn direct(&mut self, order: &Value) -> Result<(Duration, String)> {
        let (took, done) = self.call("/v1/directives", order)?;
        ensure!(done["moved"].as_array().is_some_and(|moved| !moved.is_empty()), "nobody was moved: {done}");
        Ok((took, done["id"].as_str().context("a directive has an id")?.to_owned()))
    }

    /// Does each of [`ACTS`] once, and leaves the profile as it was, but for the event that links.
    fn round(&mut self, history: usize) -> Result<[Duration; 4]> {
        let (user, visitor) = (user(history), visitor(history));
        let passer = format!("passer-{}", self.sent);
        let call = self.track("anonymousId", &passer);
        self.send(&[call])?;
        let mut linking = self.track("userId", &user);
        linking["anonymousId"] = json!(passer);
        let linked = self.send(&[linking])?;
        // Which is refused if the event had not merged the two.
        let passer_identity = identity("anonymous_id", &passer);
        let (separated, _) = self.direct(&json!({ "type": "separate", "identities": [passer_identity] }))?;
        self.connection.succeed(&delete(&format!("/v1/identities/anonymous_id/{passer}"), KEY))?;
        let both = [identity("user_id", &user), identity("anonymous_id", &visitor)];
        let (joined, id) = self.direct(&json!({ "type": "join", "identities": both }))?;
        let (undone, _) = self.direct(&json!({ "type": "undo", "directive": id }))?;
        Ok([linked, separated, joined, undone])
    }
}
