//! The floor: what the store costs above bare fjall, on one shape of work.
//!
//! `cargo run --release -p tessera-store-lsm --example floor -- [keys] [batches]`
//!
//! A batch is a hundred events; an event reads 3 keys and puts 3 (one update of 1 KiB, two new rows of 256 and 40
//! bytes). Every batch is durable before the next begins. Bare fjall reads by snapshot and writes one synced batch
//! without versions, expectations or a feed. Ratios in one run are what counts; the disk decides the absolute numbers.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _};
use tempfile::TempDir;
use tessera_store::{Commit, Key, Store};
use tessera_store_lsm::{LsmStore, Settings};

const EVENTS: u64 = 100;
const CACHE: u64 = 256 << 20;

/// The clock of a measurement, which is the one thing here that may look at it.
#[allow(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn clock() -> Instant {
    Instant::now()
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn record(number: u64) -> Key {
    Key::new(format!("w1/record/{number:012}").into_bytes())
}

/// The keys of one event: the record it updates, and two rows that are new.
fn event(dice: &mut Dice, keys: u64, serial: u64) -> [Key; 3] {
    let node = dice.below(keys);
    [
        record(node),
        Key::new(format!("w1/event/{node:012}/{serial:012}").into_bytes()),
        Key::new(format!("w1/event-id/{:016x}", serial.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into_bytes()),
    ]
}

/// Values that compress about as well as records do.
fn value(len: usize, seed: u64) -> Bytes {
    let mut dice = Dice(seed | 1);
    (0..len).map(|at| if at % 2 == 0 { b'a' } else { b'0' + dice.below(10) as u8 }).collect()
}

fn values(serial: u64) -> [Bytes; 3] {
    [value(1024, serial), value(256, serial + 1), value(40, serial + 2)]
}

/// What one way of writing took, over all its rounds.
#[derive(Default)]
struct Taken {
    times: Vec<Duration>,
    cpu_ticks: u64,
}

impl Taken {
    fn report(&mut self, name: &str, floor: Option<&Taken>) {
        self.times.sort_unstable();
        let at = |part: usize| self.times[(self.times.len() - 1) * part / 1000];
        let per_batch = |taken: &Taken| taken.times.iter().sum::<Duration>().as_secs_f64() / taken.times.len() as f64;
        let cpu = |taken: &Taken| taken.cpu_ticks as f64 / taken.times.len() as f64;
        let rate = EVENTS as f64 / per_batch(self);
        let (p50, p99, longest) = (at(500), at(990), at(1000));
        let cpu_us = cpu(self) * 10_000.0 / EVENTS as f64;
        println!(
            "{name:<22} {rate:>8.0} events/s  cpu {cpu_us:>6.1} us/event  \
             batch p50 {p50:>9.2?} p99 {p99:>9.2?} max {longest:>9.2?}"
        );
        if let Some(floor) = floor {
            let (speed, cost) = (per_batch(floor) / per_batch(self), cpu(self) / cpu(floor));
            println!("{:<22} {speed:>8.2} of its speed, {cost:.2} of its cpu", "  against bare fjall");
        }
    }
}

/// Processor time of this process, in hundredths of a second. Background flushes and compactions are in it.
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

struct Bare {
    db: Database,
    main: Keyspace,
}

impl Bare {
    fn open(path: &Path) -> fjall::Result<Self> {
        let db = Database::builder(path).cache_size(CACHE).worker_threads(2).manual_journal_persist(true).open()?;
        let main = db.keyspace("main", KeyspaceCreateOptions::default)?;
        Ok(Self { db, main })
    }

    fn fill(&self, keys: u64) -> fjall::Result<()> {
        for start in (0..keys).step_by(5_000) {
            let mut batch = self.db.batch();
            for number in start..keys.min(start + 5_000) {
                batch.insert(&self.main, record(number).as_bytes(), value(1024, number).as_ref());
            }
            batch.commit()?;
        }
        self.db.persist(PersistMode::SyncAll)
    }

    fn batch(&self, dice: &mut Dice, keys: u64, batch_number: u64) -> fjall::Result<()> {
        let at = self.db.snapshot();
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        for number in 0..EVENTS {
            let serial = batch_number * EVENTS + number;
            let event = event(dice, keys, serial);
            for (key, value) in event.iter().zip(values(serial)) {
                std::hint::black_box(at.get(&self.main, key.as_bytes())?);
                batch.insert(&self.main, key.as_bytes(), value.as_ref());
            }
        }
        batch.commit()
    }
}

async fn ours(store: &LsmStore, dice: &mut Dice, keys: u64, batch_number: u64, hinted: bool) {
    let serials = (0..EVENTS).map(|number| batch_number * EVENTS + number);
    let events: Vec<(u64, [Key; 3])> = serials.map(|serial| (serial, event(dice, keys, serial))).collect();
    let asked: Vec<Key> = events.iter().flat_map(|(_, event)| event.clone()).collect();
    let found = store.get(&asked).await.expect("reads");
    let mut commit = Commit::new().feed(value(2_000, batch_number));
    let mut seen = std::collections::HashSet::new();
    let mut found_of = found.value.into_iter();
    for (serial, event) in events {
        for (key, value) in event.into_iter().zip(values(serial)) {
            let found = found_of.next().flatten();
            if !seen.insert(key.clone()) {
                continue;
            }
            commit = match found {
                Some(found) => commit.replace(key, found.version, value),
                None => commit.create(key, value),
            };
        }
    }
    if hinted {
        commit = commit.as_of(found.as_of);
    }
    store.commit(commit).await.expect("commits");
}

async fn fill(store: &LsmStore, keys: u64) {
    for start in (0..keys).step_by(5_000) {
        let rows = (start..keys.min(start + 5_000)).map(|number| (record(number), value(1024, number)));
        store.commit(Commit { put: rows.collect(), ..Commit::new() }).await.expect("fills");
    }
}

async fn singles(store: &Arc<LsmStore>) {
    let start = clock();
    let tasks: Vec<_> = (0..64_u64)
        .map(|writer| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                for number in 0..100_u64 {
                    let key = Key::new(format!("w1/single/{writer:04}/{number:06}").into_bytes());
                    store.commit(Commit::new().create(key, "1").feed("x")).await.expect("commits");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("writes");
    }
    println!("64 writers, one event per commit: {:.0} commits/s", 6_400.0 / start.elapsed().as_secs_f64());
}

async fn reads(bare: &Bare, store: &LsmStore, keys: u64) {
    let count = 50_000;
    let mut dice = Dice(99);
    let start = clock();
    for _ in 0..count {
        let key = record(dice.below(keys));
        std::hint::black_box(bare.main.get(key.as_bytes()).expect("reads"));
    }
    let floor = start.elapsed();
    let mut dice = Dice(99);
    let start = clock();
    for _ in 0..count {
        let key = record(dice.below(keys));
        std::hint::black_box(store.get(&[key]).await.expect("reads"));
    }
    let ours = start.elapsed();
    println!("random point reads: bare {:.2?}, store {:.2?}", floor / count, ours / count);
}

fn main() {
    let mut arguments = std::env::args().skip(1).map_while(|argument| argument.parse::<u64>().ok());
    let keys = arguments.next().unwrap_or(1_000_000);
    let batches = arguments.next().unwrap_or(1_000);
    let root = TempDir::new_in(".").expect("temporary folder");
    println!("keys={keys} batches={batches} events per batch={EVENTS}");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("runtime");
    runtime.block_on(async {
        let bare = Bare::open(&root.path().join("bare")).expect("opens");
        bare.fill(keys).expect("fills");
        let settings = Settings { cache_bytes: CACHE, ..Settings::new(root.path().join("ours")) };
        let store = Arc::new(LsmStore::open(settings).expect("opens"));
        fill(&store, keys).await;
        let mut taken = [Taken::default(), Taken::default(), Taken::default()];
        let mut dice = [Dice(7), Dice(7), Dice(8)];
        // In turns, so that all ways meet the same neighbours on the machine and trees of the same age.
        for number in 0..batches * 3 {
            let way = (number / 25 % 3) as usize;
            let (before, start) = (cpu_ticks(), clock());
            match way {
                0 => bare.batch(&mut dice[0], keys, number).expect("writes"),
                1 => ours(&store, &mut dice[1], keys, number, true).await,
                _ => ours(&store, &mut dice[2], keys, number, false).await,
            }
            taken[way].times.push(start.elapsed());
            taken[way].cpu_ticks += cpu_ticks() - before;
        }
        let [floor, hinted, unhinted] = &mut taken;
        floor.report("bare fjall", None);
        hinted.report("store, with hints", Some(floor));
        unhinted.report("store, without hints", Some(floor));
        singles(&store).await;
        reads(&bare, &store, keys).await;
    });
}
