//! What grows: minutes of a steady load within a bound of memory, one profile of many events among ordinary ones, one of many identities.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::super::CONNECTIONS;
use super::super::http::{Connection, post};
use super::super::ingest::{Sender, all_accepted, introduce};
use super::super::load::{Client, Measured, open};
use super::super::machine::folder_bytes;
use super::super::people::{BATCH, Crowd, Dice, Writer};
use super::super::process::{Cores, KEY, Server};
use super::super::reads::Reader;
use super::door::{Door, Rule};

/// People of the steady load, and the events that they send each second.
pub(super) const PEOPLE: u64 = 50_000;
pub(super) const PACE: u32 = 6_000;
/// Reads a second beside it.
const READS: u32 = 200;
/// What the server of the other rows is given.
const MEMORY: u64 = 1 << 30;
const MINUTE: Duration = Duration::from_secs(60);
/// How long single writes and reads are measured.
const LOOK: Duration = Duration::from_secs(5);
/// Single writes, or reads, a second.
const SINGLE: u32 = 100;

/// A minute of the steady load.
pub(super) struct Minute {
    /// Events taken a second.
    pub(super) rate: f64,
    pub(super) writes: Measured,
    pub(super) reads: Measured,
    /// At its end: resident bytes of the server, bytes of its folder.
    pub(super) resident: u64,
    pub(super) disk: u64,
}

/// Twelve sums and twelve counts over one to twelve minutes.
fn of_minutes() -> Vec<Rule> {
    let of = |minutes: u32| format!("xEvent[timestamp occurs <= {minutes} minutes before now]");
    let sums =
        (1..=12).map(|at| Rule::segment(format!("spent-{at}"), format!("{}.sum(properties.price) > 20", of(at))));
    let counts = (1..=12).map(|at| Rule::segment(format!("often-{at}"), format!("{}.count() > {at}", of(at))));
    sums.chain(counts).collect()
}

/// Minutes of the same load, on a folder of its own. The server has both cores, as it would: the load is a sixth of one.
pub(super) fn steady(folder: &Path, minutes: u64, memory_bytes: u64) -> Result<Vec<Minute>> {
    let server = Server::within(folder, Cores::Both, memory_bytes)?;
    Door::open(&server)?.make(&of_minutes())?;
    introduce(&server, PEOPLE, CONNECTIONS)?;
    let mut found = Vec::new();
    for run in 0..minutes {
        let mut senders = Sender::many(&Crowd::Uniform, PEOPLE, run + 1, CONNECTIONS);
        let mut readers = Reader::many(PEOPLE, 2);
        let (mut to_write, mut to_read) =
            (Connection::open_many(server.address(), CONNECTIONS)?, Connection::open_many(server.address(), 2)?);
        let rate = PACE / u32::try_from(BATCH)?;
        let (writes, reads) = std::thread::scope(|scope| {
            let writing = scope.spawn(|| open(&server, &mut to_write, &mut senders, rate, MINUTE));
            let reads = open(&server, &mut to_read, &mut readers, READS, MINUTE);
            (writing.join().expect("senders do not panic"), reads)
        });
        let (writes, reads) = (writes?, reads?);
        let (resident, disk) = (server.resident(), folder_bytes(folder).0);
        println!("  minute {}: {:.0} events/s, {} MiB resident", run + 1, writes.rate() * BATCH as f64, resident >> 20);
        found.push(Minute { rate: writes.rate() * BATCH as f64, writes, reads, resident, disk });
    }
    server.stop()?;
    std::fs::remove_dir_all(folder)?;
    Ok(found)
}

/// What one profile costs when it has grown so far.
pub(super) struct Grown {
    /// Events or identities that it has.
    pub(super) size: u64,
    pub(super) writes: Measured,
    pub(super) reads: Measured,
}

/// Writes one event of the first person, again and again.
struct OneEvent {
    writer: Writer,
    dice: Dice,
    request: Vec<u8>,
}

impl Client for OneEvent {
    fn turn(&mut self, connection: &mut Connection) -> Result<()> {
        self.writer.begin();
        self.writer.track(0, &mut self.dice);
        self.writer.end();
        post("/v1/batch", KEY, &self.writer.body, &mut self.request);
        all_accepted(connection.succeed(&self.request)?, 1)
    }
}

/// Reads the first person, again and again.
struct OneRead(Reader);

impl Client for OneRead {
    fn turn(&mut self, connection: &mut Connection) -> Result<()> {
        self.0.read(0, connection).map(|_| ())
    }
}

/// Single writes to the first person and, in turns, reads of it: each read comes after a write, so no cache has its answer.
fn look(server: &Server, run: u64, size: u64) -> Result<Grown> {
    let mut writer = [OneEvent { writer: Writer::new(run), dice: Dice::new(run), request: Vec::new() }];
    let mut reader = [OneRead(Reader::new(1, run))];
    let (mut to_write, mut to_read) =
        (Connection::open_many(server.address(), 1)?, Connection::open_many(server.address(), 1)?);
    let (writes, reads) = std::thread::scope(|scope| {
        let writing = scope.spawn(|| open(server, &mut to_write, &mut writer, SINGLE, LOOK));
        let reads = open(server, &mut to_read, &mut reader, SINGLE, LOOK);
        (writing.join().expect("a writer does not panic"), reads)
    });
    Ok(Grown { size, writes: writes?, reads: reads? })
}

/// One person does more and more among ordinary ones, beside windows of weeks.
pub(super) fn whale(folder: &Path, sizes: &[u64]) -> Result<Vec<Grown>> {
    let server = Server::within(folder, Cores::Server, MEMORY)?;
    Door::open(&server)?.make(&super::windows::rules(true))?;
    let mut connection = Connection::open(server.address())?;
    let (mut writer, mut dice, mut request) = (Writer::new(1), Dice::new(1), Vec::new());
    let (mut reached, mut found) = (0, Vec::new());
    for (run, size) in (2..).zip(sizes) {
        while reached < *size {
            writer.begin();
            for at in 0..BATCH {
                let person = if at % 2 == 0 { 0 } else { 1 + dice.below(10_000) };
                writer.track(person, &mut dice);
            }
            writer.end();
            post("/v1/batch", KEY, &writer.body, &mut request);
            all_accepted(connection.succeed(&request)?, BATCH)?;
            reached += BATCH / 2;
        }
        found.push(look(&server, run, *size)?);
        reached += found.last().map_or(0, |own| own.writes.requests);
    }
    server.stop()?;
    std::fs::remove_dir_all(folder)?;
    Ok(found)
}

/// One person is known by more and more identities.
pub(super) fn wide(folder: &Path, sizes: &[u64]) -> Result<Vec<Grown>> {
    let server = Server::within(folder, Cores::Server, MEMORY)?;
    let mut connection = Connection::open(server.address())?;
    let mut request = Vec::new();
    let (mut reached, mut found) = (0, Vec::new());
    for (run, size) in (2..).zip(sizes) {
        // The user id and the anonymous id of the load itself are two of them.
        while reached + 2 < *size {
            let devices = (reached..(reached + BATCH).min(size - 2)).map(|at| {
                format!("{{\"type\":\"identify\",\"userId\":\"u-000000000\",\"anonymousId\":\"d-{at}\",\"messageId\":\"d-{at}\"}}")
            });
            let devices: Vec<String> = devices.collect();
            post("/v1/batch", KEY, format!("{{\"batch\":[{}]}}", devices.join(",")).as_bytes(), &mut request);
            all_accepted(connection.succeed(&request)?, devices.len() as u64)?;
            reached += devices.len() as u64;
        }
        found.push(look(&server, run, *size)?);
    }
    server.stop()?;
    std::fs::remove_dir_all(folder)?;
    Ok(found)
}

/// By which power of the size a cost has grown, from the first to the last: 0 is not at all, 1 in proportion.
pub(super) fn exponent(first: (f64, f64), last: (f64, f64)) -> f64 {
    (last.1 / first.1).ln() / (last.0 / first.0).ln()
}
