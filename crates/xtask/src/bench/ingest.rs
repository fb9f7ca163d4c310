//! Rows 2, 3 and 5: events in, flat out; and whether a read sees them the moment they are acknowledged.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use super::clock;
use super::http::{Connection, get, post};
use super::load::{Client, Measured, closed};
use super::people::{BATCH, Crowd, Dice, Writer, user_id};
use super::process::{KEY, Server};
use super::reads::Reader;

/// Sends batches of tracks.
pub(super) struct Sender<'a> {
    crowd: &'a Crowd,
    people: u64,
    writer: Writer,
    dice: Dice,
    request: Vec<u8>,
    /// Bytes of JSON that were sent.
    pub(super) sent_bytes: u64,
}

impl<'a> Sender<'a> {
    /// Senders of one load. `run` must not repeat within a folder, or message ids would.
    pub(super) fn many(crowd: &'a Crowd, people: u64, run: u64, count: usize) -> Vec<Self> {
        let sender = |at: u64| Self {
            crowd,
            people,
            writer: Writer::new(run * 100 + at),
            dice: Dice::new(run * 100 + at),
            request: Vec::new(),
            sent_bytes: 0,
        };
        (0..count as u64).map(sender).collect()
    }
}

impl Client for Sender<'_> {
    fn turn(&mut self, connection: &mut Connection) -> Result<()> {
        self.crowd.batch(self.people, &mut self.writer, &mut self.dice);
        post("/v1/batch", KEY, &self.writer.body, &mut self.request);
        self.sent_bytes += self.writer.body.len() as u64;
        all_accepted(connection.succeed(&self.request)?, BATCH)
    }
}

#[derive(Deserialize)]
struct Report {
    accepted: u64,
}

/// Anything refused would make the figures mean something else.
pub(super) fn all_accepted(body: &[u8], sent: u64) -> Result<()> {
    let report: Report = serde_json::from_slice(body).context("the answer to a batch is no report")?;
    ensure!(report.accepted == sent, "not all of a batch was accepted: {}", String::from_utf8_lossy(body));
    Ok(())
}

/// What a load of events came to.
pub(super) struct Ingested {
    pub(super) measured: Measured,
    pub(super) sent_bytes: u64,
    /// Commits of the lane; each is one sync at most.
    pub(super) commits: f64,
}

impl Ingested {
    pub(super) fn none() -> Self {
        Self { measured: Measured::none(), sent_bytes: 0, commits: 0.0 }
    }

    /// Adds a stretch of the same load.
    pub(super) fn add(&mut self, other: &Self) -> Result<()> {
        self.measured.add(&other.measured)?;
        self.sent_bytes += other.sent_bytes;
        self.commits += other.commits;
        Ok(())
    }

    pub(super) fn events(&self) -> u64 {
        self.measured.requests * BATCH
    }

    pub(super) fn rate(&self) -> f64 {
        self.measured.rate() * BATCH as f64
    }

    pub(super) fn cpu_us(&self) -> f64 {
        self.measured.cpu_us() / BATCH as f64
    }

    /// Events that went to disk together.
    pub(super) fn group(&self) -> f64 {
        self.events() as f64 / self.commits.max(1.0)
    }
}

const COMMITS: &str = "tessera_commit_operations_count";

/// Sends batches over so many connections for so long.
pub(super) fn flat_out(
    server: &Server,
    crowd: &Crowd,
    people: u64,
    run: u64,
    connections: usize,
    duration: Duration,
) -> Result<Ingested> {
    let mut senders = Sender::many(crowd, people, run, connections);
    let mut opened = Connection::open_many(server.address(), connections)?;
    let before = server.metric(COMMITS, "")?;
    let measured = closed(server, &mut opened, &mut senders, duration)?;
    let commits = server.metric(COMMITS, "")? - before;
    Ok(Ingested { measured, sent_bytes: senders.iter().map(|sender| sender.sent_bytes).sum(), commits })
}

/// Introduces everybody, each with one `identify`. Answers the time and the bytes of JSON.
pub(super) fn introduce(server: &Server, people: u64, connections: usize) -> Result<(Duration, u64)> {
    let started = clock::now();
    let batches = people / BATCH;
    let bytes = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections as u64)
            .map(|at| {
                scope.spawn(move || -> Result<u64> {
                    let mut connection = Connection::open(server.address())?;
                    let (mut writer, mut dice, mut request) = (Writer::new(at), Dice::new(at + 1), Vec::new());
                    let mut bytes = 0;
                    for batch in (at..batches).step_by(connections) {
                        writer.begin();
                        (batch * BATCH..(batch + 1) * BATCH).for_each(|person| writer.identify(person, &mut dice));
                        writer.end();
                        bytes += writer.body.len() as u64;
                        post("/v1/batch", KEY, &writer.body, &mut request);
                        all_accepted(connection.succeed(&request)?, BATCH)?;
                    }
                    Ok(bytes)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a sender does not panic")).sum::<Result<u64>>()
    })?;
    Ok((started.elapsed(), bytes))
}

/// What was looked for right after it was acknowledged.
#[derive(Default)]
pub(super) struct Visible {
    pub(super) checks: u64,
    pub(super) misses: u64,
}

/// Marks people and reads the marks back the moment they are acknowledged, while others send as well.
pub(super) fn visible(server: &Server, people: u64, run: u64, duration: Duration) -> Result<Visible> {
    const LANES: u64 = 8;
    let parts = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| scope.spawn(move || visible_in_lane(server, people, (run * 100 + lane, lane, LANES), duration)))
            .collect();
        lanes.into_iter().map(|lane| lane.join().expect("a lane does not panic")).collect::<Result<Vec<_>>>()
    })?;
    let sum = parts.iter().fold(Visible::default(), |sum, part| Visible {
        checks: sum.checks + part.checks,
        misses: sum.misses + part.misses,
    });
    if sum.checks == 0 {
        bail!("nothing was looked for");
    }
    Ok(sum)
}

/// Each lane has people of its own, so that nobody else moves their marks.
fn visible_in_lane(
    server: &Server,
    people: u64,
    (run, lane, lanes): (u64, u64, u64),
    duration: Duration,
) -> Result<Visible> {
    let (mut writer, mut dice, mut request) = (Writer::new(run), Dice::new(run), Vec::new());
    let (mut writes, mut reads) = (Connection::open(server.address())?, Connection::open(server.address())?);
    let mut reader = Reader::new(people, run);
    let mut found = Visible::default();
    let started = clock::now();
    // Nobody is marked twice: which of two marks is later would be a question of timestamps.
    let mut own = (0..people / lanes).map(|number| number * lanes + lane);
    while started.elapsed() < duration {
        let marked: Vec<u64> = own.by_ref().take(BATCH as usize).collect();
        if (marked.len() as u64) < BATCH {
            break;
        }
        writer.begin();
        marked.iter().for_each(|person| writer.mark(*person, person + run, &mut dice));
        writer.end();
        post("/v1/batch", KEY, &writer.body, &mut request);
        all_accepted(writes.succeed(&request)?, BATCH)?;
        for person in marked.iter().rev().step_by(20) {
            let wanted = format!("\"mark\":\"{:012}\"", person + run);
            let body = reader.read(*person, &mut reads)?;
            found.checks += 1;
            found.misses += u64::from(!String::from_utf8_lossy(body).contains(&wanted));
        }
        let path = format!("/v1/profiles/identifier/user_id/{}/events?limit=100", user_id(marked[marked.len() - 1]));
        let wanted = writer.last_message_id();
        let body = reads.succeed(&get(&path, KEY))?;
        found.checks += 1;
        found.misses += u64::from(!String::from_utf8_lossy(body).contains(&wanted));
    }
    Ok(found)
}
