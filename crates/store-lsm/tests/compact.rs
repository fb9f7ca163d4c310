//! What was deleted is in none of the files after a compaction, and what was not is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tempfile::TempDir;
use tessera_store::{Commit, CommitError, Direction, Key, KeyRange, MemoryStore, ScanLimit, Seq, Shard, Store, backup};
use tessera_store_lsm::{Disk, LsmStore, Settings};

fn settings(path: &Path) -> Settings {
    let mut settings = Settings::new(path);
    settings.cache_bytes = 4 << 20;
    // Small, so that what is deleted stands in tables of several levels as well as in the journal.
    settings.write_buffer_bytes = 128 << 10;
    settings.free_bytes_min = 0;
    settings
}

/// Text that is found again in a file as it is: no two bytes of it are chance, and compression finds nothing in it to shorten.
fn marker(kind: char, number: u64) -> String {
    let mut state = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(u32::from(kind));
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-"[(state % 64) as usize])
    };
    (0..20).map(|_| next()).collect()
}

/// Which of the markers stand in any file below the folder.
fn found(folder: &Path, markers: &[String]) -> BTreeSet<String> {
    let search = aho_corasick::AhoCorasick::new(markers).expect("few patterns");
    'anew: loop {
        let mut found = BTreeSet::new();
        let listed = files(folder);
        for file in &listed {
            // What stood in a file that went meanwhile may stand in one that was not listed.
            let Ok(bytes) = fs::read(file) else { continue 'anew };
            found.extend(search.find_overlapping_iter(&bytes[..]).map(|at| markers[at.pattern().as_usize()].clone()));
        }
        if files(folder) == listed {
            return found;
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("list").map(|entry| entry.expect("entry").path());
    let mut found: Vec<_> = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    found.sort();
    found
}

/// 2,000 rows of which every second is deleted, a third of the rest overwritten, and a feed of which half is trimmed. Answers
/// the markers of what is no more, and of what is.
async fn use_it(store: &dyn Store) -> (Vec<String>, Vec<String>) {
    let (mut gone, mut kept) = (Vec::new(), Vec::new());
    let key = |number| format!("key-{}", marker('k', number));
    for number in 0..2_000 {
        let commit = Commit::new().put(key(number).into_bytes(), marker('v', number)).feed(marker('f', number));
        store.commit(commit).await.expect("written");
        match number {
            0..1_000 => gone.push(marker('f', number)),
            _ => kept.push(marker('f', number)),
        }
        match number % 6 {
            0 | 2 | 4 => gone.extend([marker('k', number), marker('v', number)]),
            1 => {
                gone.push(marker('v', number));
                kept.extend([marker('k', number), marker('w', number)]);
            }
            _ => kept.extend([marker('k', number), marker('v', number)]),
        }
    }
    for number in 0..2_000 {
        let commit = match number % 6 {
            0 | 2 | 4 => Commit::new().delete(key(number).into_bytes()),
            1 => Commit::new().put(key(number).into_bytes(), marker('w', number)),
            _ => continue,
        };
        store.commit(commit).await.expect("written");
    }
    store.trim(Shard::ZERO, Seq(1_001)).await.expect("trimmed");
    (gone, kept)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_bytes_are_in_no_file_afterwards() {
    let root = TempDir::new().expect("temporary folder");
    let store = Arc::new(LsmStore::open(settings(root.path())).expect("opens"));
    let (gone, kept) = use_it(&*store).await;
    let before = found(root.path(), &gone).len();
    assert!(before * 10 > gone.len() * 9, "the search finds {before} of {} markers that are there", gone.len());

    // Others write meanwhile.
    let is_done = Arc::new(AtomicBool::new(false));
    let writer = {
        let (store, is_done) = (store.clone(), is_done.clone());
        tokio::spawn(async move {
            let mut written = 0_u64;
            while !is_done.load(Ordering::Acquire) {
                written += 1;
                let commit = Commit::new().put(format!("other-{written}").into_bytes(), "x".repeat(500));
                store.commit(commit).await.expect("written");
            }
            written
        })
    };
    store.compact().await.expect("compacted");
    is_done.store(true, Ordering::Release);
    let written = writer.await.expect("no assertion failed");

    assert_eq!(found(root.path(), &gone), BTreeSet::new());
    let after = found(root.path(), &kept).len();
    assert!(after * 10 > kept.len() * 6, "the search finds {after} of {} markers that have to be there", kept.len());
    let mut rows = 0;
    let mut rest = Some(KeyRange::all());
    while let Some(range) = rest {
        let page = store.scan(&range, ScanLimit::rows(500), Direction::Forward).await.expect("scan");
        rows += page.rows.len() as u64;
        rest = page.next;
    }
    assert_eq!(rows, 1_000 + written);
    store.close().await;
}

#[tokio::test]
async fn a_store_that_is_opened_again_is_compacted_too() {
    let root = TempDir::new().expect("temporary folder");
    let store = LsmStore::open(settings(root.path())).expect("opens");
    let (gone, _) = use_it(&store).await;
    store.close().await;
    let store = LsmStore::open(settings(root.path())).expect("opens");
    store.compact().await.expect("compacted");
    assert_eq!(found(root.path(), &gone), BTreeSet::new());
    store.close().await;
    assert_eq!(found(root.path(), &gone), BTreeSet::new());
    let store = LsmStore::open(settings(root.path())).expect("opens");
    let page = store.scan(&KeyRange::all(), ScanLimit::rows(5_000), Direction::Forward).await.expect("scan");
    assert_eq!(page.rows.len(), 1_000);
}

#[tokio::test]
async fn a_snapshot_from_before_is_in_the_way_and_keeps_what_it_sees() {
    let root = TempDir::new().expect("temporary folder");
    let store = LsmStore::open(settings(root.path())).expect("opens");
    let text = marker('s', 1);
    store.commit(Commit::new().put("a", text.clone())).await.expect("written");
    let snapshot = store.snapshot().await.expect("taken");
    store.commit(Commit::new().delete("a")).await.expect("written");
    let refused = store.compact().await;
    assert_eq!(refused, Err(CommitError::Unavailable("a snapshot from before is still held".into())));
    let seen = snapshot.get(&[Key::from("a")]).await.expect("reads").remove(0).expect("still there");
    assert_eq!(seen.value, text.as_bytes());
    drop(snapshot);
    store.compact().await.expect("compacted");
    assert_eq!(found(root.path(), &[text]), BTreeSet::new());
}

#[tokio::test]
async fn a_compacted_store_is_backed_up_and_restored() {
    let root = TempDir::new().expect("temporary folder");
    let store = LsmStore::open(settings(root.path())).expect("opens");
    use_it(&store).await;
    store.compact().await.expect("compacted");
    let mut file = Vec::new();
    let written = backup::backup(&store, &mut file).await.expect("backed up");
    let restored = backup::restore(&mut file.as_slice(), &MemoryStore::new()).await.expect("restored");
    assert_eq!(restored, written);
}

/// A disk of which a test says how much is free.
struct Small(AtomicU64);

impl Disk for Small {
    fn free_bytes(&self, _: &Path) -> std::io::Result<u64> {
        Ok(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn without_room_for_a_second_copy_nothing_is_begun() {
    let root = TempDir::new().expect("temporary folder");
    let disk = Arc::new(Small(AtomicU64::new(60 << 20)));
    let store = LsmStore::open_on(settings(root.path()), disk.clone()).expect("opens");
    store.commit(Commit::new().put("a", "1")).await.expect("there is room for this");
    let refused = store.compact().await;
    assert!(matches!(refused, Err(CommitError::Full { free_bytes, needed_bytes }) if free_bytes < needed_bytes));
    assert_eq!(store.check_compaction().await, refused, "it is told beforehand");
    disk.0.store(1 << 40, Ordering::SeqCst);
    store.check_compaction().await.expect("there is room");
    store.compact().await.expect("compacted");
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let root = TempDir::new().expect("temporary folder");
    let store = LsmStore::open(settings(root.path())).expect("opens");
    store.close().await;
    assert_eq!(store.compact().await, Err(CommitError::Unavailable("store is closed".into())));
}
