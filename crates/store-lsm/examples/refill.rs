//! The floor of a load: all rows of a data folder, written to a new one by a loop that does nothing else.
//!
//! `refill <data folder> <new folder> <group>` reads the rows of the first workspace into memory, and then puts them into a store of fjall alone, in
//! the order of their keys, so many of them in each commit, each synced before the next begins. It prints one line of JSON: rows, bytes, seconds.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use tessera_store::{Direction, Key, KeyRange, ScanLimit, Store as _};
use tessera_store_lsm::{LsmStore, Settings};

/// The server's default.
const CACHE: u64 = 256 << 20;
/// How the keys of its rows begin.
const FIRST_WORKSPACE: [u8; 4] = [0, 0, 0, 1];

/// The clock of a measurement, which is the one thing here that may look at it.
#[allow(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn clock() -> Instant {
    Instant::now()
}

async fn rows(folder: &Path) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Box<dyn Error>> {
    let store = LsmStore::open(Settings { cache_bytes: CACHE, ..Settings::new(folder) })?;
    let mut range = Some(KeyRange { start: Key::new(FIRST_WORKSPACE.to_vec()), end: None });
    let mut rows = Vec::new();
    while let Some(open) = range {
        let page = store.scan(&open, ScanLimit::rows(10_000), Direction::Forward).await?;
        rows.extend(page.rows.into_iter().map(|row| (row.key.as_bytes().to_vec(), row.value.to_vec())));
        range = page.next;
    }
    store.close().await;
    Ok(rows)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to, group] = &arguments[..] else { return Err("usage: refill DATA-FOLDER NEW-FOLDER GROUP".into()) };
    let group: usize = group.parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rows = runtime.block_on(rows(Path::new(from)))?;
    let bytes: usize = rows.iter().map(|(key, value)| key.len() + value.len()).sum();
    let tree = Database::builder(to).cache_size(CACHE).max_journaling_size(512 << 20);
    let db = tree.worker_threads(2).manual_journal_persist(true).open()?;
    let main = db.keyspace("main", KeyspaceCreateOptions::default)?;
    let begun = clock();
    for chunk in rows.chunks(group) {
        let mut batch = db.batch().durability(Some(PersistMode::SyncData));
        for (key, value) in chunk {
            batch.insert(&main, &key[..], &value[..]);
        }
        batch.commit()?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{{\"rows\":{},\"bytes\":{bytes},\"seconds\":{seconds:.3}}}", rows.len());
    Ok(())
}
