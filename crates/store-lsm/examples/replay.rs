//! The floor of a server: the rows that an event costs it, written to its own folder by a loop that does nothing else.
//!
//! `replay <data folder> sizes` prints how large the server's rows are. `replay <data folder> bare|store <seconds> <group>` reads
//! three keys and puts three for each event: the identity row, the record and the event id of someone at random; the record again, a
//! new event, a new event id. Values are the server's own, so they compress as its rows do. A group of events is synced before the
//! next begins: `bare` by fjall alone, `store` through the store's contract with the version of all that was read expected.
//! It prints one line of JSON and leaves a folder that no server should use any more.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _};
use tessera_store::{Commit, Direction, Key, KeyRange, ScanLimit, Store as _};
use tessera_store_lsm::{LsmStore, Settings};

/// The server's default.
const CACHE: u64 = 256 << 20;
/// The fifth byte of a key says what its row is.
const FAMILY_AT: usize = 4;
const IDENTITY: u8 = 0x02;
const RECORD: u8 = 0x03;
const EVENT: u8 = 0x06;
const EVENT_ID: u8 = 0x1a;
/// Rows of a family whose sizes are looked at, and values that are written again and again.
const SAMPLES: usize = 2_000;

/// The clock of a measurement, which is the one thing here that may look at it.
#[allow(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn clock() -> Instant {
    Instant::now()
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % bound as u64) as usize
    }
}

/// Processor time of this process, in hundredths of a second. Background flushes and compactions are in it.
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// What is known of a folder before the loop begins.
struct Known {
    identities: Vec<Key>,
    records: Vec<Key>,
    events: Vec<(Key, Bytes)>,
    event_ids: Vec<(Key, Bytes)>,
}

impl Known {
    async fn read(store: &LsmStore) -> Result<Self, Box<dyn Error>> {
        let workspace = workspace(store).await?;
        let keys = |rows: Vec<(Key, Bytes)>| rows.into_iter().map(|(key, _)| key).collect();
        Ok(Self {
            identities: keys(family(store, &workspace, IDENTITY, usize::MAX).await?),
            records: keys(family(store, &workspace, RECORD, usize::MAX).await?),
            events: family(store, &workspace, EVENT, SAMPLES).await?,
            event_ids: family(store, &workspace, EVENT_ID, SAMPLES).await?,
        })
    }

    fn event(&self, dice: &mut Dice, serial: u64) -> Event<'_> {
        let record = &self.records[dice.below(self.records.len())];
        let (event, event_value) = &self.events[dice.below(self.events.len())];
        let (event_id, event_id_value) = &self.event_ids[dice.below(self.event_ids.len())];
        // Behind its head an event's key holds its person; a new serial at its end makes it new.
        let mut event = event.as_bytes().to_vec();
        event[FAMILY_AT + 1..FAMILY_AT + 13].copy_from_slice(&record.as_bytes()[FAMILY_AT + 1..FAMILY_AT + 13]);
        let mut event_id = event_id.as_bytes().to_vec();
        for key in [&mut event, &mut event_id] {
            let end = key.len();
            key[end - 8..].copy_from_slice(&serial.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        }
        Event {
            identity: &self.identities[dice.below(self.identities.len())],
            record,
            new: [(Key::new(event), event_value), (Key::new(event_id), event_id_value)],
        }
    }
}

struct Event<'a> {
    identity: &'a Key,
    record: &'a Key,
    new: [(Key, &'a Bytes); 2],
}

/// The workspace of the first key that is not the system's.
async fn workspace(store: &LsmStore) -> Result<Vec<u8>, Box<dyn Error>> {
    let range = KeyRange { start: Key::new(vec![0, 0, 0, 1]), end: None };
    let page = store.scan(&range, ScanLimit::rows(1), Direction::Forward).await?;
    let row = page.rows.first().ok_or("the folder holds no workspace")?;
    Ok(row.key.as_bytes()[..FAMILY_AT].to_vec())
}

async fn family(
    store: &LsmStore,
    workspace: &[u8],
    family: u8,
    max: usize,
) -> Result<Vec<(Key, Bytes)>, Box<dyn Error>> {
    let head = |family: u8| Key::new([workspace, &[family]].concat());
    let mut rows = Vec::new();
    let mut range = Some(KeyRange { start: head(family), end: Some(head(family + 1)) });
    while let Some(open) = range.filter(|_| rows.len() < max) {
        let page = store.scan(&open, ScanLimit::rows(1_000), Direction::Forward).await?;
        let keeps_values = max != usize::MAX;
        rows.extend(page.rows.into_iter().map(|row| (row.key, if keeps_values { row.value } else { Bytes::new() })));
        range = page.next;
    }
    if rows.is_empty() {
        return Err(format!("the folder holds no rows of family {family}").into());
    }
    Ok(rows)
}

async fn sizes(store: &LsmStore) -> Result<(), Box<dyn Error>> {
    let workspace = workspace(store).await?;
    let mut parts = Vec::new();
    for (name, byte) in [("identity", IDENTITY), ("record", RECORD), ("event", EVENT), ("event_id", EVENT_ID)] {
        let rows = family(store, &workspace, byte, SAMPLES).await?;
        let mean = |of: fn(&(Key, Bytes)) -> usize| rows.iter().map(of).sum::<usize>() / rows.len();
        parts.push(format!("\"{name}\":[{},{}]", mean(|row| row.0.len()), mean(|row| row.1.len())));
    }
    println!("{{{}}}", parts.join(","));
    Ok(())
}

/// A loop over groups until the time is over.
struct Loop {
    serial: u64,
    times: Vec<Duration>,
    ticks: u64,
    begun: Instant,
    group: usize,
}

impl Loop {
    fn begin(group: usize) -> Self {
        Self { serial: 0, times: Vec::new(), ticks: cpu_ticks(), begun: clock(), group }
    }

    fn report(mut self) {
        let (elapsed, ticks) = (self.begun.elapsed().as_secs_f64(), cpu_ticks() - self.ticks);
        let events = (self.times.len() * self.group) as f64;
        self.times.sort_unstable();
        let at = |part: usize| self.times[(self.times.len() - 1) * part / 100].as_micros();
        println!(
            "{{\"events_per_second\":{:.0},\"cpu_us\":{:.2},\"group\":{},\"p50_us\":{},\"p99_us\":{}}}",
            events / elapsed,
            ticks as f64 * 10_000.0 / events,
            self.group,
            at(50),
            at(99)
        );
    }
}

fn bare_group(db: &Database, main: &Keyspace, known: &Known, dice: &mut Dice, run: &mut Loop) -> fjall::Result<()> {
    let at = db.snapshot();
    let mut batch = db.batch().durability(Some(PersistMode::SyncData));
    for _ in 0..run.group {
        run.serial += 1;
        let event = known.event(dice, run.serial);
        std::hint::black_box(at.get(main, event.identity.as_bytes())?);
        std::hint::black_box(at.get(main, event.new[1].0.as_bytes())?);
        if let Some(record) = at.get(main, event.record.as_bytes())? {
            batch.insert(main, event.record.as_bytes(), record);
        }
        for (key, value) in event.new {
            // The store keeps the version of a row before its value.
            batch.insert(main, key.as_bytes(), [&run.serial.to_be_bytes(), &value[..]].concat());
        }
    }
    batch.commit()
}

async fn store_group(store: &LsmStore, known: &Known, dice: &mut Dice, run: &mut Loop) -> Result<(), Box<dyn Error>> {
    let mut events = Vec::with_capacity(run.group);
    let mut asked = Vec::with_capacity(run.group * 3);
    for _ in 0..run.group {
        run.serial += 1;
        let event = known.event(dice, run.serial);
        asked.extend([event.identity.clone(), event.record.clone(), event.new[1].0.clone()]);
        events.push(event);
    }
    let mut found = HashMap::new();
    let mut as_of = None;
    // The store bounds the keys of one read; the server reads as many at once.
    for keys in asked.chunks(128) {
        let read = store.get(keys).await?;
        as_of = as_of.or(Some(read.as_of));
        found.extend(keys.iter().cloned().zip(read.value));
    }
    let mut commit = Commit::new();
    for event in events {
        // Someone who acts twice in a group is written once.
        if let Some(Some(record)) = found.insert(event.record.clone(), None) {
            commit = commit.replace(event.record.clone(), record.version, record.value);
        }
        for (key, value) in event.new {
            commit = commit.create(key, value.clone());
        }
    }
    if let Some(as_of) = as_of {
        commit = commit.as_of(as_of);
    }
    store.commit(commit).await?;
    Ok(())
}

async fn replay(folder: &Path, way: &str, duration: Duration, group: usize) -> Result<(), Box<dyn Error>> {
    let settings = Settings { cache_bytes: CACHE, ..Settings::new(folder) };
    let store = LsmStore::open(settings)?;
    let known = Known::read(&store).await?;
    let mut dice = Dice(7);
    if way == "store" {
        let mut run = Loop { serial: 1 << 40, ..Loop::begin(group) };
        while run.begun.elapsed() < duration {
            let started = clock();
            store_group(&store, &known, &mut dice, &mut run).await?;
            run.times.push(started.elapsed());
        }
        run.report();
        store.close().await;
        return Ok(());
    }
    store.close().await;
    drop(store);
    let tree = Database::builder(folder.join("tree")).cache_size(CACHE).max_journaling_size(512 << 20);
    let db = tree.worker_threads(2).manual_journal_persist(true).open()?;
    let main = db.keyspace("main", KeyspaceCreateOptions::default)?;
    let mut run = Loop::begin(group);
    while run.begun.elapsed() < duration {
        let started = clock();
        bare_group(&db, &main, &known, &mut dice, &mut run)?;
        run.times.push(started.elapsed());
    }
    run.report();
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [folder, "sizes"] => runtime.block_on(async { sizes(&LsmStore::open(Settings::new(folder))?).await }),
        [folder, way @ ("bare" | "store"), seconds, group] => {
            let duration = Duration::from_secs(seconds.parse()?);
            runtime.block_on(replay(Path::new(folder), way, duration, group.parse()?))
        }
        _ => Err("usage: replay <data folder> sizes | bare <seconds> <group> | store <seconds> <group>".into()),
    }
}
