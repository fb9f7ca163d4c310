//! What a write costs: how many rows a mini-transaction writes.

#[allow(dead_code, reason = "each test uses its part")]
mod support;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use support::{fact, ingest, memory, open};
use tessera_store::{
    Commit, CommitError, Committed, Direction, Epoch, FeedHead, FeedRow, FenceName, Floor, Health, Key, KeyRange,
    Limits, Page, ReadError, ScanLimit, Seq, Shard, Snapshot, Snapshotted, Store, Versioned,
};

/// A store that remembers the families of the rows that each commit wrote.
struct Counting {
    below: Arc<dyn Store>,
    written: Mutex<Vec<Vec<u8>>>,
}

#[async_trait]
impl Store for Counting {
    fn limits(&self) -> Limits {
        self.below.limits()
    }
    fn health(&self) -> Health {
        self.below.health()
    }
    async fn get(&self, keys: &[Key]) -> Result<Snapshotted<Vec<Option<Versioned>>>, ReadError> {
        self.below.get(keys).await
    }
    async fn scan(&self, range: &KeyRange, limit: ScanLimit, direction: Direction) -> Result<Page, ReadError> {
        self.below.scan(range, limit, direction).await
    }
    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        let mut families: Vec<u8> = commit.put.iter().map(|(key, _)| key.as_bytes()[4]).collect();
        families.extend(commit.del.iter().map(|key| key.as_bytes()[4]));
        families.sort_unstable();
        self.written.lock().expect("no test panics while it holds the lock").push(families);
        self.below.commit(commit).await
    }
    async fn heads(&self) -> Result<Vec<FeedHead>, ReadError> {
        self.below.heads().await
    }
    async fn log(&self, shard: Shard, after: Seq, max: usize) -> Result<Vec<FeedRow>, ReadError> {
        self.below.log(shard, after, max).await
    }
    async fn trim(&self, shard: Shard, before: Seq) -> Result<(), CommitError> {
        self.below.trim(shard, before).await
    }
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, ReadError> {
        self.below.snapshot().await
    }
    async fn raise(&self, name: &FenceName) -> Result<Epoch, CommitError> {
        self.below.raise(name).await
    }
    async fn check_compaction(&self) -> Result<(), CommitError> {
        self.below.check_compaction().await
    }
    async fn compact(&self) -> Result<(), CommitError> {
        self.below.compact().await
    }
    async fn begin_at(&self, floor: &Floor) -> Result<(), CommitError> {
        self.below.begin_at(floor).await
    }
}

const CLUSTER: u8 = 0x03;
const EVENT: u8 = 0x06;
const CONFIG: u8 = 0x01;
const FACT: u8 = 0x1a;
const HELD: u8 = 0x08;
const IDENTITY: u8 = 0x02;
const LANE: u8 = 0x14;
const UNCLAIMED: u8 = 0x29;

/// Writes the first facts, then the last one, and compares the families of rows that the last one cost.
async fn check(before: &[&str], last: &str, expected: &[u8]) {
    let counting = Arc::new(Counting { below: memory(), written: Mutex::default() });
    let store: Arc<dyn Store> = counting.clone();
    let service = open(&store).await;
    for (at, text) in before.iter().enumerate() {
        ingest(&service, vec![fact(&format!("b{at}"), text)]).await;
    }
    counting.written.lock().expect("a lock").clear();
    ingest(&service, vec![fact("last", last)]).await;
    let written = counting.written.lock().expect("a lock").concat();
    assert_eq!(written, expected, "{last}");
}

#[tokio::test]
async fn an_ordinary_event_writes_three_rows_and_the_lanes_own() {
    let known = ["user_id:ann anonymous_id:a email:ann@shop.example !A @1"];
    check(&known, "user_id:ann anonymous_id:a !B @2", &[CLUSTER, EVENT, LANE, FACT]).await;
    check(&known, "anonymous_id:a !B @2", &[CLUSTER, EVENT, LANE, FACT]).await;
    check(&known, "email:ann@shop.example city=Lyon @2", &[CLUSTER, LANE, FACT]).await;
}

#[tokio::test]
async fn a_new_person_costs_an_identity_row_more() {
    // The first write of a workspace says besides in which spelling its identities are, and that no attributes are called as they are.
    check(&[], "user_id:ann !A @1", &[CONFIG, IDENTITY, CLUSTER, EVENT, LANE, FACT, UNCLAIMED]).await;
    check(&["user_id:bob !A @1"], "user_id:ann !A @1", &[IDENTITY, CLUSTER, EVENT, LANE, FACT]).await;
}

#[tokio::test]
async fn a_held_link_costs_its_two_ends() {
    let shared = ["user_id:ann anonymous_id:a !A @1", "user_id:bob anonymous_id:a !A @2"];
    check(&shared, "user_id:bob anonymous_id:a !B @3", &[CLUSTER, EVENT, HELD, HELD, LANE, FACT]).await;
}

#[tokio::test]
async fn many_events_of_one_person_share_their_record() {
    let counting = Arc::new(Counting { below: memory(), written: Mutex::default() });
    let store: Arc<dyn Store> = counting.clone();
    let service = open(&store).await;
    ingest(&service, vec![fact("0", "user_id:ann !A @0")]).await;
    counting.written.lock().expect("a lock").clear();
    ingest(&service, (1..=100).map(|at| fact(&format!("{at}"), &format!("user_id:ann !A @{at}"))).collect()).await;
    let written = counting.written.lock().expect("a lock").concat();
    let rows = |family: u8| written.iter().filter(|own| **own == family).count();
    assert_eq!([rows(EVENT), rows(FACT), rows(CLUSTER), rows(LANE)], [100, 100, 1, 1]);
}
