//! Windows that close: what a timer takes on the disk, and how fast those run that are due at one time.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::super::http::{Connection, post};
use super::super::ingest::all_accepted;
use super::super::people::BATCH;
use super::super::process::{Caches, Cores, KEY, Server};
use super::super::{clock, floor};
use super::door::{Door, Rule};

const FIRED: &str = "tessera_timers_fired_total";
const DAY: u64 = 86_400;
/// Between writing and the instant at which all windows close: time to stop, to look at the folder and to start.
const AHEAD: u64 = 20;
/// Between two looks at how many have run.
const GLANCE: Duration = Duration::from_millis(20);
/// How long all of them may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What came of it.
pub(super) struct Fired {
    /// Mean bytes of a root record: of somebody for whom a window is open, and of somebody with the same event and no window.
    pub(super) record: [u64; 2],
    /// The server's processor time for writing one event, in microseconds, likewise.
    pub(super) written_us: [f64; 2],
    /// From the instant at which the windows closed until the last timer had run.
    pub(super) took: Duration,
    /// The server's processor time for one timer, in microseconds.
    pub(super) cpu_us: f64,
    pub(super) rate: f64,
}

/// Has so many people do one thing, almost a day ago, and looks on as the day is over for all of them at one instant.
pub(super) fn run(scratch: &std::path::Path, people: u64) -> Result<Fired> {
    let [with, without] = ["timers", "no-timers"].map(|name| scratch.join(name));
    let lifetime = Rule::segment("ever", "xEvent[eventType = \"Seen\"].count() >= 1");
    let window =
        Rule::segment("lately", "xEvent[eventType = \"Seen\" and timestamp occurs <= 1 day before now].count() >= 1");

    let server = Server::start(&without, Cores::Server, Caches::DEFAULT)?;
    let plain_us = write(&server, &lifetime, people, clock::unix_time().as_secs() - DAY)?;
    server.stop()?;
    let plain = floor::sizes(&without)?.record.1;
    std::fs::remove_dir_all(&without)?;

    let server = Server::start(&with, Cores::Server, Caches::DEFAULT)?;
    let closes = clock::unix_time().as_secs() + AHEAD;
    let window_us = write(&server, &window, people, closes - DAY)?;
    server.stop()?;
    let open = floor::sizes(&with)?.record.1;

    // Started anew, it has nobody in memory: who waits for a timer has been away for long.
    let server = Server::start(&with, Cores::Server, Caches::DEFAULT)?;
    ensure!(Door::open(&server)?.members(&window)? == people, "not everybody is a member before the windows close");
    let wait = Duration::from_secs(closes).checked_sub(clock::unix_time());
    clock::pause(
        wait.map(|wait| wait.saturating_sub(GLANCE))
            .filter(|wait| !wait.is_zero())
            .ok_or_else(|| anyhow::anyhow!("writing took longer than {AHEAD} s, so the windows closed too early"))?,
    );
    // The server has closed a connection that rested for so long.
    let mut door = Door::open(&server)?;
    let before = server.cpu();
    while server.metric(FIRED, "")? < people as f64 || door.members(&window)? > 0 {
        let late = clock::unix_time().saturating_sub(Duration::from_secs(closes));
        ensure!(late < PATIENCE, "timers have not run after {PATIENCE:?}");
        clock::pause(GLANCE);
    }
    let took = clock::unix_time().saturating_sub(Duration::from_secs(closes));
    let cpu = server.cpu() - before;
    server.stop()?;
    std::fs::remove_dir_all(&with)?;
    Ok(Fired {
        record: [open, plain],
        written_us: [window_us, plain_us],
        took,
        cpu_us: cpu.as_secs_f64() * 1e6 / people as f64,
        rate: people as f64 / took.as_secs_f64(),
    })
}

/// Makes the rule, and then has each person do one thing at that second. Answers the processor time for each, in microseconds.
fn write(server: &Server, rule: &Rule, people: u64, second: u64) -> Result<f64> {
    Door::open(server)?.make(std::slice::from_ref(rule))?;
    let (mut connection, mut request) = (Connection::open(server.address())?, Vec::new());
    let time = clock::date_time(second);
    let before = server.cpu();
    for batch in 0..people / BATCH {
        let calls: Vec<String> = (batch * BATCH..(batch + 1) * BATCH)
            .map(|person| {
                format!(
                    "{{\"type\":\"track\",\"event\":\"Seen\",\"messageId\":\"t-{person:09}\",\
                     \"userId\":\"u-{person:09}\",\"timestamp\":\"{time}Z\",\"properties\":{{\"n\":{person}}}}}"
                )
            })
            .collect();
        post("/v1/batch", KEY, format!("{{\"batch\":[{}]}}", calls.join(",")).as_bytes(), &mut request);
        all_accepted(connection.succeed(&request)?, BATCH)?;
    }
    Ok((server.cpu() - before).as_secs_f64() * 1e6 / people as f64)
}
