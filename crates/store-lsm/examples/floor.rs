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

fn report(name: &str, took: Duration, batches: u64, times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 1000];
    let rate = (batches * EVENTS) as f64 / took.as_secs_f64();
    println!(
        "{name:<34} {rate:>9.0} events/s   batch p50 {:>8.2?}  p99 {:>8.2?}  longest {:>8.2?}",
        at(500),
        at(990),
        at(1000)
    );
    rate
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

fn main() {
    let mut arguments = std::env::args().skip(1).map_while(|argument| argument.parse::<u64>().ok());
    let keys = arguments.next().unwrap_or(1_000_000);
    let batches = arguments.next().unwrap_or(1_000);
    let root = TempDir::new_in(".").expect("temporary folder");
    println!("keys={keys} batches={batches} events per batch={EVENTS}");

    let bare = {
        let bare = Bare::open(&root.path().join("bare")).expect("opens");
        bare.fill(keys).expect("fills");
        let mut dice = Dice(7);
        let mut times = Vec::new();
        let start = clock();
        for number in 0..batches {
            let one = clock();
            bare.batch(&mut dice, keys, number).expect("writes");
            times.push(one.elapsed());
        }
        report("bare fjall, one writer", start.elapsed(), batches, &mut times)
    };

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("runtime");
    runtime.block_on(async {
        let settings = Settings { cache_bytes: CACHE, ..Settings::new(root.path().join("ours")) };
        let store = Arc::new(LsmStore::open(settings).expect("opens"));
        for start in (0..keys).step_by(5_000) {
            let rows = (start..keys.min(start + 5_000)).map(|number| (record(number), value(1024, number)));
            store.commit(Commit { put: rows.collect(), ..Commit::new() }).await.expect("fills");
        }
        for (name, hinted, round) in [("store, with hints", true, 1), ("store, without hints", false, 2)] {
            let mut dice = Dice(7 + round);
            let mut times = Vec::new();
            let start = clock();
            for number in 0..batches {
                let one = clock();
                ours(&store, &mut dice, keys, round * (1 << 32) + number, hinted).await;
                times.push(one.elapsed());
            }
            let rate = report(name, start.elapsed(), batches, &mut times);
            println!("    = {:.2} of bare fjall", rate / bare);
        }
        let start = clock();
        let tasks: Vec<_> = (0..64_u64)
            .map(|writer| {
                let store = Arc::clone(&store);
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
        println!("64 writers, one event per commit     {:>9.0} commits/s", 6_400.0 / start.elapsed().as_secs_f64());
        let mut dice = Dice(99);
        let start = clock();
        for _ in 0..100_000 {
            let key = record(dice.below(keys));
            std::hint::black_box(store.get(&[key]).await.expect("reads"));
        }
        println!(
            "random point reads                   {:>9.2} us each",
            start.elapsed().as_micros() as f64 / 100_000.0
        );
    });
}
