//! The disk fills, fails and rots; the store says so, keeps what it acknowledged, and goes on when it can.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tessera_store::{
    Commit, CommitError, Direction, FenceName, Health, Key, KeyRange, ReadError, ScanLimit, Seq, Shard, Store, Version,
};
use tessera_store_lsm::{Disk, LsmStore, OpenError, Settings};

/// A disk that fails as it is told.
#[derive(Default)]
struct Script {
    free: AtomicU64,
    before: Mutex<VecDeque<bool>>,
    after: Mutex<VecDeque<bool>>,
    reopen: Mutex<VecDeque<bool>>,
}

fn next(queue: &Mutex<VecDeque<bool>>) -> io::Result<()> {
    match queue.lock().expect("lock").pop_front() {
        Some(true) => Err(io::Error::other("injected")),
        Some(false) | None => Ok(()),
    }
}

impl Disk for Script {
    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(self.free.load(Ordering::SeqCst))
    }

    fn before_write(&self) -> io::Result<()> {
        next(&self.before)
    }

    fn after_write(&self) -> io::Result<()> {
        next(&self.after)
    }

    fn before_reopen(&self) -> io::Result<()> {
        next(&self.reopen)
    }
}

struct Case {
    root: TempDir,
    disk: Arc<Script>,
    store: LsmStore,
}

fn settings(path: &Path) -> Settings {
    let mut settings = Settings::new(path);
    settings.cache_bytes = 4 << 20;
    settings.workers = 1;
    settings
}

fn case() -> Case {
    let root = TempDir::new().expect("temporary folder");
    let disk = Arc::new(Script::default());
    disk.free.store(1 << 40, Ordering::SeqCst);
    let store = LsmStore::open_on(settings(root.path()), Arc::clone(&disk) as Arc<dyn Disk>).expect("opens");
    Case { root, disk, store }
}

async fn has(store: &dyn Store, key: &'static str) -> bool {
    store.get(&[key.into()]).await.expect("reads").value[0].is_some()
}

fn put(key: &'static str) -> Commit {
    Commit::new().put(key, "1").feed(key).idempotency(format!("id/{key}").into_bytes(), "")
}

#[tokio::test]
async fn a_failed_write_is_ambiguous_and_was_lost() {
    let case = case();
    case.store.commit(put("a")).await.expect("the disk works");
    case.disk.before.lock().expect("lock").push_back(true);
    assert_eq!(case.store.commit(put("b")).await, Err(CommitError::Ambiguous));
    assert!(has(&case.store, "a").await);
    assert!(!has(&case.store, "b").await);
    let committed = case.store.commit(put("b")).await.expect("the disk works again");
    assert_eq!(committed.feed, [Seq(2)]);
}

#[tokio::test]
async fn a_failed_sync_is_ambiguous_and_may_have_happened() {
    let case = case();
    case.disk.after.lock().expect("lock").push_back(true);
    assert_eq!(case.store.commit(put("a")).await, Err(CommitError::Ambiguous));
    assert!(has(&case.store, "a").await);
    assert_eq!(case.store.commit(put("a")).await, Err(CommitError::Conflict("id/a".into())));
    let committed = case.store.commit(put("b")).await.expect("the disk works again");
    assert_eq!((committed.version, committed.feed), (Version(2), vec![Seq(2)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_in_flight_hear_ambiguous_and_none_is_half_done() {
    let Case { root, disk, store } = case();
    let store = Arc::new(store);
    for round in 0..30_u32 {
        match round % 3 {
            0 => disk.before.lock().expect("lock").push_back(true),
            1 => disk.after.lock().expect("lock").push_back(true),
            _ => {}
        }
        let tasks: Vec<_> = (0..8).map(|number| tokio::spawn(one_pair(Arc::clone(&store), round, number))).collect();
        for task in tasks {
            task.await.expect("no assertion failed");
        }
    }
    let head = store.heads().await.expect("heads")[0];
    let rows = store.log(Shard::ZERO, Seq(0), 999).await.expect("log");
    assert_eq!(rows.len() as u64, head.last.0);
    let page = store.scan(&KeyRange::all(), ScanLimit::rows(999), Direction::Forward).await.expect("scan");
    assert_eq!(page.rows.len(), 2 * rows.len());
    drop(root);
}

/// Creates two keys in one commit and checks that both or neither are there, as the answer says.
async fn one_pair(store: Arc<LsmStore>, round: u32, number: u32) {
    let key = Key::new(format!("{round}/{number}").into_bytes());
    let pair = Key::new(format!("{round}/{number}/pair").into_bytes());
    let commit = Commit::new().create(key.clone(), "1").create(pair.clone(), "1").feed("x");
    let answer = store.commit(commit).await;
    let found = loop {
        match store.get(&[key.clone(), pair.clone()]).await {
            Ok(found) => break found.value,
            // Someone else's failed write: the store is being opened again.
            Err(ReadError::Unavailable(_)) => tokio::task::yield_now().await,
            Err(other) => panic!("unexpected {other:?}"),
        }
    };
    assert_eq!(found[0].is_some(), found[1].is_some());
    match answer {
        Ok(_) => assert!(found[0].is_some()),
        Err(CommitError::Ambiguous) => {}
        Err(other) => panic!("unexpected {other:?}"),
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_again_is_unavailable_until_it_can() {
    let case = case();
    case.store.commit(put("a")).await.expect("the disk works");
    case.disk.after.lock().expect("lock").push_back(true);
    case.disk.reopen.lock().expect("lock").extend([true, true]);
    assert_eq!(case.store.commit(put("b")).await, Err(CommitError::Ambiguous));
    assert!(matches!(case.store.get(&["a".into()]).await, Err(ReadError::Unavailable(_))));
    assert!(matches!(case.store.commit(put("c")).await, Err(CommitError::Unavailable(_))));
    assert_eq!(case.store.health(), Health::Shut);
    // Nobody asks, and still it is tried again until it opens.
    until_open(&case.store).await;
    assert!(case.disk.reopen.lock().expect("lock").is_empty());
    case.store.commit(put("c")).await.expect("the disk works again");
    for key in ["a", "b", "c"] {
        assert!(has(&case.store, key).await, "{key}");
    }
}

async fn until_open(store: &LsmStore) {
    let opens = async {
        while store.health() != Health::Open {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), opens).await.expect("it opens by itself");
}

/// The journals of a store, oldest first.
fn journals(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&root.join("tree"), &mut found);
    found.retain(|path| path.extension().is_some_and(|extension| extension == "jnl"));
    found.sort();
    found
}

/// Where the zeros at the end of a file begin.
fn written(path: &Path) -> usize {
    let bytes = std::fs::read(path).expect("read");
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// After a failed sync the kernel may drop what was to be synced and say that the next sync went well. So what was written then
/// is missing after a power cut, and all that was written behind it to the same file cannot be read.
#[tokio::test]
async fn nothing_is_acknowledged_onto_a_journal_that_failed() {
    for was_written in [true, false] {
        let case = case();
        case.store.commit(put("a")).await.expect("the disk works");
        let [failing] = &journals(case.root.path())[..] else { panic!("one journal") };
        let acknowledged = written(failing);
        let queue = if was_written { &case.disk.after } else { &case.disk.before };
        queue.lock().expect("lock").push_back(true);
        assert_eq!(case.store.commit(put("b")).await, Err(CommitError::Ambiguous));
        assert_eq!(
            case.store.commit(put("c")).await.map(|committed| committed.version.0),
            Ok(if was_written { 3 } else { 2 })
        );
        assert_ne!(journals(case.root.path()).last(), Some(failing), "a new journal is begun");
        case.store.close().await;
        // What stood there behind the acknowledged commit never came to the disk.
        if let Ok(mut bytes) = std::fs::read(failing) {
            bytes[acknowledged..].fill(0);
            std::fs::write(failing, bytes).expect("write");
        }
        let store = LsmStore::open(settings(case.root.path())).expect("opens");
        assert!(has(&store, "a").await && has(&store, "c").await);
        assert_eq!(has(&store, "b").await, was_written);
    }
}

#[tokio::test]
async fn many_failures_leave_few_journals_and_lose_nothing() {
    let case = case();
    let mut expected = 0;
    for round in 0..40_u32 {
        if round % 2 == 1 {
            let queue = if round % 4 == 1 { &case.disk.after } else { &case.disk.before };
            queue.lock().expect("lock").push_back(true);
        }
        match case.store.commit(Commit::new().put(format!("row/{round}").into_bytes(), "1")).await {
            Ok(_) => expected += 1,
            Err(error) => assert_eq!(error, CommitError::Ambiguous),
        }
    }
    let count = async |store: &LsmStore| {
        let page = store.scan(&KeyRange::all(), ScanLimit::rows(999), Direction::Forward).await.expect("scan");
        page.rows.len()
    };
    // Every second failure came after the rows were on disk.
    assert_eq!(count(&case.store).await, expected + 10);
    case.store.close().await;
    let store = LsmStore::open(settings(case.root.path())).expect("opens");
    assert_eq!(count(&store).await, expected + 10);
    let gone = async {
        while journals(case.root.path()).len() > 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("old journals go once their rows are in tables");
}

#[tokio::test]
async fn a_snapshot_is_lost_when_the_store_is_opened_again() {
    let case = case();
    case.store.commit(put("a")).await.expect("the disk works");
    let snapshot = case.store.snapshot().await.expect("snapshot");
    case.disk.before.lock().expect("lock").push_back(true);
    assert_eq!(case.store.commit(put("b")).await, Err(CommitError::Ambiguous));
    assert!(matches!(snapshot.get(&["a".into()]).await, Err(ReadError::Unavailable(_))));
    assert!(case.store.snapshot().await.expect("snapshot").get(&["a".into()]).await.is_ok());
}

#[tokio::test]
async fn fences_and_trims_survive_a_failed_write() {
    let case = case();
    let name = FenceName::new("job");
    case.store.raise(&name).await.expect("the disk works");
    case.disk.after.lock().expect("lock").push_back(true);
    assert_eq!(case.store.raise(&name).await, Err(CommitError::Ambiguous));
    assert_eq!(case.store.raise(&name).await.map(|epoch| epoch.0), Ok(3));
    case.store.commit(put("a")).await.expect("the disk works");
    case.disk.after.lock().expect("lock").push_back(true);
    assert_eq!(case.store.trim(Shard::ZERO, Seq(2)).await, Err(CommitError::Ambiguous));
    assert_eq!(case.store.heads().await.expect("heads")[0].first, Seq(2));
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_recovers_when_there_is_room() {
    let case = case();
    case.store.commit(put("a")).await.expect("there is room");
    drop(case.store);
    case.disk.free.store(1 << 20, Ordering::SeqCst);
    let disk = Arc::clone(&case.disk) as Arc<dyn Disk>;
    let store = LsmStore::open_on(settings(case.root.path()), disk).expect("opens");
    let needed_bytes = settings(case.root.path()).free_bytes_min;
    assert_eq!(store.commit(put("b")).await, Err(CommitError::Full { free_bytes: 1 << 20, needed_bytes }));
    assert!(matches!(store.raise(&FenceName::new("job")).await, Err(CommitError::Full { .. })));
    assert_eq!((store.health(), store.free_bytes()), (Health::Full, Some(1 << 20)));
    assert!(has(&store, "a").await);
    assert_eq!(store.commit(Commit::new()).await.map(|committed| committed.version), Ok(Version(1)));
    // Dropping rows is how room is made.
    store.trim(Shard::ZERO, Seq(2)).await.expect("trims");
    // And what takes away goes on in the reserve, but not to the last byte.
    assert!(matches!(store.commit(Commit::new().delete("a").with_reserve()).await, Err(CommitError::Full { .. })));
    case.disk.free.store(needed_bytes / 2, Ordering::SeqCst);
    assert!(matches!(store.commit(put("b")).await, Err(CommitError::Full { .. })));
    store.commit(Commit::new().delete("a").with_reserve()).await.expect("there is a reserve");
    assert!(!has(&store, "a").await);
    case.disk.free.store(1 << 40, Ordering::SeqCst);
    store.commit(put("b")).await.expect("there is room again");
    assert_eq!(store.health(), Health::Open);
}

#[tokio::test]
async fn a_second_owner_is_refused() {
    let case = case();
    assert!(matches!(LsmStore::open(settings(case.root.path())), Err(OpenError::InUse { .. })));
    case.store.close().await;
    LsmStore::open(settings(case.root.path())).expect("the folder is free");
}

#[tokio::test]
async fn a_closed_store_is_unavailable_and_lets_go_of_the_folder() {
    let case = case();
    let snapshot = case.store.snapshot().await.expect("snapshot");
    case.store.commit(put("a")).await.expect("the disk works");
    case.store.close().await;
    case.store.close().await;
    assert!(matches!(case.store.commit(put("b")).await, Err(CommitError::Unavailable(_))));
    assert!(matches!(case.store.get(&["a".into()]).await, Err(ReadError::Unavailable(_))));
    assert!(matches!(snapshot.get(&["a".into()]).await, Err(ReadError::Unavailable(_))));
    let again = LsmStore::open(settings(case.root.path())).expect("the folder is free");
    assert!(has(&again, "a").await);
}

/// Every file below the folder.
fn files(path: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(path).expect("list") {
        let path = entry.expect("entry").path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// Writes enough that tables exist beside the journal.
async fn fill(root: &Path) {
    let mut settings = settings(root);
    settings.write_buffer_bytes = 128 << 10;
    settings.free_bytes_min = 0;
    let store = LsmStore::open(settings).expect("opens");
    for round in 0..40_u32 {
        let rows = (0..40_u32).map(|number| {
            let key = Key::new(format!("{round:03}/{number:03}").into_bytes());
            (key, format!("{round}/{number}/").repeat(40).into())
        });
        store.commit(Commit { put: rows.collect(), ..Commit::new() }.feed("x")).await.expect("the disk works");
    }
    store.close().await;
}

/// Reads everything that can be read; a wrong row is worse than an error.
async fn checked(root: &Path) -> Result<usize, String> {
    let mut settings = settings(root);
    settings.free_bytes_min = 0;
    let store = LsmStore::open(settings).map_err(|error| error.to_string())?;
    let mut rows = 0;
    let mut rest = Some(KeyRange::all());
    while let Some(range) = rest {
        let page = store.scan(&range, ScanLimit::rows(100), Direction::Forward).await;
        let page = page.map_err(|error| error.to_string())?;
        for row in &page.rows {
            let key = String::from_utf8_lossy(row.key.as_bytes()).into_owned();
            let (round, number) = key.split_once('/').ok_or("a key is wrong")?;
            let number_of = |text: &str| text.parse::<u32>().map_err(|_| "a key is wrong".to_owned());
            let expected = format!("{}/{}/", number_of(round)?, number_of(number)?).repeat(40);
            assert_eq!(row.value, expected.as_bytes(), "a damaged value was served key={key}");
        }
        rows += page.rows.len();
        rest = page.next;
    }
    store.log(Shard::ZERO, Seq(0), 999).await.map_err(|error| error.to_string())?;
    Ok(rows)
}

#[tokio::test]
async fn rotten_bytes_are_never_served() {
    let root = TempDir::new().expect("temporary folder");
    fill(root.path()).await;
    assert_eq!(checked(root.path()).await, Ok(1600));
    let mut all = Vec::new();
    files(&root.path().join("tree"), &mut all);
    let tables: Vec<_> =
        all.into_iter().filter(|path| path.components().any(|part| part.as_os_str() == "tables")).collect();
    assert!(!tables.is_empty(), "nothing was flushed into tables");
    let mut noticed = 0;
    for path in &tables {
        let whole = std::fs::read(path).expect("read");
        for part in 0..6 {
            let mut rotten = whole.clone();
            let place = whole.len() * part / 6;
            rotten[place] ^= 0x10;
            std::fs::write(path, &rotten).expect("write");
            noticed += usize::from(checked(root.path()).await.is_err());
            std::fs::write(path, &whole).expect("write");
        }
    }
    assert!(noticed > 0, "no rot was noticed in {} tables", tables.len());
    assert_eq!(checked(root.path()).await, Ok(1600));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_fails_while_the_store_is_compacted_shuts_it_only_for_a_while() {
    let Case { root, disk, store } = case();
    let store = Arc::new(store);
    store.commit(put("a")).await.expect("the disk works");
    let compacting = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.compact().await })
    };
    disk.before.lock().expect("lock").push_back(true);
    assert_eq!(store.commit(put("b")).await, Err(CommitError::Ambiguous));
    // While the compaction holds the trees they cannot be opened again; then they are.
    let written = async {
        loop {
            match store.commit(put("c")).await {
                Ok(committed) => break committed,
                Err(CommitError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => panic!("expected that it opens again, found {error}"),
            }
        }
    };
    assert_eq!(written.await.feed, [Seq(2)]);
    // It ended before the failure, or noticed it.
    let _ = compacting.await.expect("no panic");
    store.compact().await.expect("compacted");
    assert!(has(&*store, "a").await && !has(&*store, "b").await && has(&*store, "c").await);
    drop(root);
}
