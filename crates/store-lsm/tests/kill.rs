//! The kill loop: a child writes and reports every acknowledged commit, dies by SIGKILL at a random moment, and the
//! folder is then checked against what was reported.
//!
//! The child is this test program itself, started again for one test with the folder in its environment.
//! `TESSERA_SOAK=1` makes it 300 kills, `TESSERA_KILLS=n` any number.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;
use tessera_store::{Commit, CommitError, Direction, Key, KeyRange, ScanLimit, Seq, Shard, Store, Version};
use tessera_store_lsm::{LsmStore, Settings};

const FOLDER: &str = "TESSERA_KILL_FOLDER";
const COMPACTS: &str = "TESSERA_KILL_COMPACTS";
const WRITERS: u64 = 4;

fn settings(path: &Path) -> Settings {
    let mut settings = Settings::new(path);
    settings.cache_bytes = 4 << 20;
    // Small, so that kills also hit flushes and compactions.
    settings.write_buffer_bytes = 512 << 10;
    settings.free_bytes_min = 0;
    settings
}

fn count_key(writer: u64) -> Key {
    Key::new(format!("count/{writer}").into_bytes())
}

fn row_key(writer: u64, number: u64, part: u64) -> Key {
    Key::new(format!("row/{writer}/{number:08}/{part}").into_bytes())
}

fn payload(writer: u64, number: u64) -> String {
    format!("{writer}:{number}")
}

/// One writer's next commit: three rows, its counter, one row of the feed, an idempotency row; each third commit also
/// deletes what the one before it wrote in part 2.
fn next(writer: u64, number: u64, count: Option<Version>) -> Commit {
    let mut commit = Commit::new().feed(payload(writer, number));
    for part in 0..3 {
        commit = commit.create(row_key(writer, number, part), payload(writer, number).repeat(60));
    }
    if number.is_multiple_of(3) {
        commit = commit.delete(row_key(writer, number - 1, 2));
    }
    commit = commit.idempotency(format!("id/{writer}/{number:08}").into_bytes(), "");
    match count {
        Some(version) => commit.replace(count_key(writer), version, number.to_string()),
        None => commit.create(count_key(writer), number.to_string()),
    }
}

/// What the child does until it is killed. Does nothing in an ordinary run of the tests.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("runtime");
    runtime.block_on(async {
        let store = Arc::new(LsmStore::open(settings(Path::new(&folder))).expect("opens"));
        let mut tasks = Vec::new();
        for writer in 0..WRITERS {
            let store = Arc::clone(&store);
            tasks.push(tokio::spawn(async move { write_for_ever(&store, writer).await }));
        }
        while std::env::var_os(COMPACTS).is_some() {
            store.compact().await.expect("nothing is in its way");
        }
        for task in tasks {
            task.await.expect("writes until killed");
        }
    });
}

async fn write_for_ever(store: &LsmStore, writer: u64) {
    let found = store.get(&[count_key(writer)]).await.expect("reads").value.remove(0);
    let mut version = found.as_ref().map(|found| found.version);
    let mut number = found.map_or(0, |found| String::from_utf8_lossy(&found.value).parse().expect("a number"));
    loop {
        number += 1;
        let committed = store.commit(next(writer, number, version)).await.expect("nobody else writes");
        version = Some(committed.version);
        // One write call, so that the parent never reads half a line.
        let line = format!("\nack {writer} {number} {} {}\n", committed.version.0, committed.feed[0].0);
        std::io::stdout().write_all(line.as_bytes()).expect("the parent reads");
    }
}

/// An acknowledged commit: its number, version and feed position.
#[derive(Clone, Copy, Debug, Default)]
struct Ack {
    number: u64,
    version: u64,
    feed: u64,
}

/// Starts the child, kills it after so many acknowledgements, and answers the last of each writer.
fn run_and_kill(folder: &Path, acks: u64, compacts: bool) -> [Ack; WRITERS as usize] {
    let program = std::env::current_exe().expect("this program");
    let mut child = Command::new(program);
    if compacts {
        child.env(COMPACTS, "1");
    }
    let mut child = child
        .args(["child", "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut last = [Ack::default(); WRITERS as usize];
    let mut seen = 0;
    let mut note = |line: &str| {
        let mut words = line.split(' ');
        if words.next() != Some("ack") {
            return false;
        }
        let numbers: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
        let [writer, number, version, feed] = numbers[..] else { return false };
        last[writer as usize] = Ack { number, version, feed };
        true
    };
    while seen < acks {
        let line = lines.next().expect("the child lives until it is killed").expect("text");
        seen += u64::from(note(&line));
    }
    child.kill().expect("SIGKILL");
    // What it had acknowledged before it died counts too.
    for line in lines.map_while(Result::ok) {
        note(&line);
    }
    child.wait().expect("ends");
    last
}

/// Everything that must hold after a kill.
async fn verify(folder: &Path, acks: &[Ack]) {
    let store = LsmStore::open(settings(folder)).expect("opens after a kill");
    let head = store.heads().await.expect("heads")[0];
    let mut feed = Vec::new();
    while (feed.len() as u64) < head.last.0 {
        let rows = store.log(Shard::ZERO, Seq(feed.len() as u64), 10_000).await.expect("log");
        for row in rows {
            assert_eq!(row.seq.0, feed.len() as u64 + 1, "the feed has a gap");
            feed.push(String::from_utf8_lossy(&row.payload).into_owned());
        }
    }
    let mut total = 0;
    for (writer, ack) in acks.iter().enumerate() {
        let writer = writer as u64;
        let found = store.get(&[count_key(writer)]).await.expect("reads").value.remove(0);
        let count = found.map_or(0, |found| String::from_utf8_lossy(&found.value).parse().expect("a number"));
        // The commit under way at the kill may have happened, and no other.
        assert!(count == ack.number || count == ack.number + 1, "writer={writer} count={count} {ack:?}");
        if ack.number > 0 {
            assert_eq!(feed[ack.feed as usize - 1], payload(writer, ack.number));
            let found = store.get(&[row_key(writer, ack.number, 0)]).await.expect("reads").value.remove(0);
            assert_eq!(found.map(|found| found.version), Some(Version(ack.version)));
        }
        let numbers: Vec<_> = feed.iter().filter(|row| row.starts_with(&format!("{writer}:"))).collect();
        let expected: Vec<_> = (1..=count).map(|number| payload(writer, number)).collect();
        assert!(numbers.iter().copied().eq(expected.iter()), "the feed of writer={writer} is not 1..={count}");
        let rows = scan_numbers(&store, writer).await;
        let mut expected = Vec::new();
        for number in 1..=count {
            let is_deleted = (number + 1).is_multiple_of(3) && number < count;
            expected.extend((0..3).filter(|part| *part != 2 || !is_deleted).map(|part| (number, part)));
        }
        assert!(rows == expected, "rows of writer={writer} are not those of its {count} commits");
        if count > 0 {
            let again = next(writer, count, None);
            let id = again.idempotency.clone().expect("it has one").0;
            assert_eq!(store.commit(again).await, Err(CommitError::Conflict(id)));
        }
        total += count;
    }
    assert_eq!(head.last.0, total, "feed rows and commits differ");
    assert_eq!(store.get(&[]).await.expect("reads").as_of.0, total, "the sequence and the commits differ");
    store.close().await;
}

async fn scan_numbers(store: &LsmStore, writer: u64) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    let mut rest = Some(KeyRange::prefix(format!("row/{writer}/").into_bytes()));
    while let Some(range) = rest {
        let page = store.scan(&range, ScanLimit::rows(5_000), Direction::Forward).await.expect("scan");
        for row in &page.rows {
            let key = String::from_utf8_lossy(row.key.as_bytes()).into_owned();
            let words: Vec<u64> = key.split('/').skip(2).map(|word| word.parse().expect("a number")).collect();
            assert_eq!(row.value, payload(writer, words[0]).repeat(60).as_bytes());
            found.push((words[0], words[1]));
        }
        rest = page.next;
    }
    found
}

#[test]
fn nothing_acknowledged_is_lost_by_kills() {
    let soak = std::env::var("TESSERA_SOAK").is_ok_and(|value| value == "1");
    let kills = std::env::var("TESSERA_KILLS").ok().and_then(|count| count.parse().ok());
    let kills: u64 = kills.unwrap_or(if soak { 300 } else { 30 });
    let root = TempDir::new().expect("temporary folder");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    let mut dice = 0x5eed_u64;
    let mut acks = [Ack::default(); WRITERS as usize];
    for kill in 0..kills {
        // A fresh folder now and then, so that kills also hit a store's first moments.
        let folder = root.path().join((kill / 15).to_string());
        if kill % 15 == 0 {
            acks = [Ack::default(); WRITERS as usize];
        }
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        // Every sixth time it also makes deletions physical, over and over; that takes longer, and so do the kills.
        let compacts = kill % 6 == 0;
        let last = run_and_kill(&folder, if compacts { dice % 1_500 } else { dice % 400 }, compacts);
        for (known, last) in acks.iter_mut().zip(last) {
            // A writer that had nothing acknowledged this time stands where it stood.
            if last.number > 0 {
                *known = last;
            }
        }
        runtime.block_on(verify(&folder, &acks));
        runtime.block_on(settle(&folder, &mut acks));
    }
}

/// Takes over the commits that happened without an acknowledgement, so that the next round may expect them.
async fn settle(folder: &Path, acks: &mut [Ack]) {
    let store = LsmStore::open(settings(folder)).expect("opens");
    for (writer, ack) in acks.iter_mut().enumerate() {
        let writer = writer as u64;
        let found = store.get(&[count_key(writer)]).await.expect("reads").value.remove(0);
        let Some(found) = found else { continue };
        let number: u64 = String::from_utf8_lossy(&found.value).parse().expect("a number");
        if number != ack.number {
            let rows = store.log(Shard::ZERO, Seq(0), 10_000).await.expect("log");
            let row = rows.iter().find(|row| row.payload == payload(writer, number).as_bytes()).expect("its feed row");
            *ack = Ack { number, version: found.version.0, feed: row.seq.0 };
        }
    }
    store.close().await;
}
