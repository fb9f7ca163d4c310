//! The feed over the store in memory, with a clock that is turned by hand.

use std::sync::atomic::{AtomicI64, Ordering};

use tessera_store::MemoryStore;
use tessera_store::faulty::{Faulty, Plan, WriteFault};

use super::*;
use crate::base::ids::WorkspaceId;
use crate::write::feed;

const SECOND: i64 = 1_000_000;
/// A row that says nothing, as it is counted.
fn row_bytes() -> u64 {
    feed::encode(WorkspaceId::new(1), at(0), &[]).len() as u64 + ROW_BYTES
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + seconds * SECOND).expect("an instant")
}

struct World {
    store: Faulty,
    clock: Arc<AtomicI64>,
    bounds: FeedBounds,
    trimmer: Trimmer,
}

impl World {
    fn new(secs_max: u32, rows_max: u64) -> Self {
        let store = Faulty::new(Arc::new(MemoryStore::new()), Plan::CALM);
        let clock = Arc::new(AtomicI64::new(at(0).micros()));
        let bounds = FeedBounds { secs_max, bytes_max: rows_max * row_bytes() };
        let trimmer = trimmer(&store, &clock, bounds);
        Self { store, clock, bounds, trimmer }
    }

    /// The process ends, and another one begins.
    fn restart(&mut self) {
        self.trimmer = trimmer(&self.store, &self.clock, self.bounds);
    }

    fn turn_to(&self, seconds: i64) {
        self.clock.store(at(seconds).micros(), Ordering::SeqCst);
    }

    async fn append(&self, rows: usize) {
        for _ in 0..rows {
            let row = feed::encode(WorkspaceId::new(1), at(0), &[]);
            self.store.commit(Commit::new().feed(row)).await.expect("a row");
        }
    }

    /// Steps until nothing is left. Answers where what is kept begins and ends.
    async fn trim(&mut self) -> (u64, u64) {
        while self.trimmer.step().await.expect("a step") == Trimmed::Some {}
        self.head().await
    }

    /// The same where a step may fail.
    async fn trim_at_last(&mut self) -> (u64, u64) {
        while !matches!(self.trimmer.step().await, Ok(Trimmed::All)) {}
        self.head().await
    }

    async fn head(&self) -> (u64, u64) {
        let head = self.store.heads().await.expect("heads")[0];
        (head.first.0, head.last.0)
    }

    async fn marks(&self) -> usize {
        let range = Scope::system().marks_of(Shard::ZERO);
        self.store.scan(&range, ScanLimit::rows(10_000), Direction::Forward).await.expect("marks").rows.len()
    }
}

fn trimmer(store: &Faulty, clock: &Arc<AtomicI64>, bounds: FeedBounds) -> Trimmer {
    let clock = clock.clone();
    let now: Clock = Arc::new(move || Timestamp::from_micros(clock.load(Ordering::SeqCst)).expect("an instant"));
    Trimmer::new(Arc::new(store.clone()), now, bounds)
}

#[tokio::test]
async fn what_is_too_old_goes_and_what_is_not_stays() {
    let mut world = World::new(1_000, 1_000_000);
    world.append(10).await;
    assert_eq!(world.trim().await, (1, 10));
    world.turn_to(600);
    world.append(5).await;
    assert_eq!(world.trim().await, (1, 15));
    // The first ten were seen at 0, and were marked when the clock had gone on a little.
    world.turn_to(1_000);
    world.append(1).await;
    assert_eq!(world.trim().await, (1, 16));
    world.turn_to(1_700);
    assert_eq!(world.trim().await, (16, 16));
    world.turn_to(9_000);
    assert_eq!(world.trim().await, (17, 16));
    assert!(world.marks().await <= 1);
}

#[tokio::test]
async fn what_is_too_much_goes_oldest_first_and_a_reader_behind_is_told() {
    let mut world = World::new(1_000_000, 512);
    world.append(512).await;
    assert_eq!(world.trim().await, (1, 512));
    world.append(300).await;
    let (first, last) = world.trim().await;
    let kept = last + 1 - first;
    assert!((505..=512).contains(&kept), "{kept} rows are kept");
    assert!(world.marks().await <= 400);
    let behind = feed::after(&world.store, Shard::ZERO, Seq(first - 2), 10).await.expect_err("a gap is no answer");
    assert_eq!(behind.code, "feed_trimmed");
    assert!(behind.message.contains(&format!("position={}", first - 1)), "{}", behind.message);
    let rows = feed::after(&world.store, Shard::ZERO, Seq(first - 1), 2_000).await.expect("all that is kept");
    assert_eq!((rows.len() as u64, rows[0].0), (kept, Seq(first)));
    let beyond = feed::after(&world.store, Shard::ZERO, Seq(last + 1), 10).await.expect_err("of another store");
    assert_eq!(beyond.code, "feed_trimmed");
}

#[tokio::test]
async fn a_step_is_bounded_and_a_kill_between_any_two_loses_nothing() {
    let mut world = World::new(1_000_000, 100);
    world.append(25_000).await;
    let mut steps = 0;
    loop {
        let before = world.head().await.0;
        let left = world.trimmer.step().await.expect("a step");
        assert!(world.head().await.0 - before <= ROWS_AT_ONCE);
        world.restart();
        steps += 1;
        if left == Trimmed::All {
            break;
        }
    }
    assert!(steps > 3, "{steps} steps");
    let (first, last) = world.trim().await;
    assert!((95..=100).contains(&(last + 1 - first)), "{first} to {last}");
}

#[tokio::test]
async fn what_failed_is_done_by_the_next_step() {
    for fault in [WriteFault::Unavailable, WriteFault::AmbiguousDone, WriteFault::AmbiguousLost] {
        for skipped in 0..6 {
            let mut world = World::new(1_000, 100);
            world.append(300).await;
            (0..skipped).for_each(|_| world.store.script_write(None));
            world.store.script_write(Some(fault.clone()));
            let (first, last) = world.trim_at_last().await;
            assert!((95..=100).contains(&(last + 1 - first)), "{fault:?} after {skipped}: {first} to {last}");
            world.turn_to(2_000);
            world.trim_at_last().await;
            world.turn_to(4_000);
            assert_eq!(world.trim_at_last().await, (301, 300), "{fault:?} after {skipped}");
        }
    }
}

#[tokio::test]
async fn a_clock_that_was_ahead_keeps_nothing_for_ever() {
    let mut world = World::new(1_000, 1_000_000);
    world.turn_to(100_000_000);
    world.append(10).await;
    world.trim().await;
    world.turn_to(100_000_100);
    world.append(1).await;
    assert_eq!(world.trim().await, (1, 11));
    // It is put right, and the process ends.
    world.turn_to(10);
    world.trim().await;
    world.restart();
    world.trim().await;
    world.turn_to(1_020);
    assert_eq!(world.trim().await, (12, 11));
}

#[tokio::test]
async fn marks_of_another_history_do_not_count() {
    let mut world = World::new(1_000, 1_000_000);
    let stray = Mark { until: Seq(50), at: at(0), bytes: 5_000 };
    let row = (Scope::system().mark(Shard::ZERO, stray.until), encode(&stray));
    world.store.commit(Commit::new().put(row.0, row.1)).await.expect("a row");
    world.append(10).await;
    world.turn_to(1_001);
    assert_eq!(world.trim().await, (1, 10), "they were seen just now");
    world.turn_to(2_100);
    world.trim().await;
    world.turn_to(3_300);
    assert_eq!(world.trim().await, (11, 10));
}

#[test]
fn the_record_is_frozen() {
    let mark = Mark { until: Seq(7), at: at(3), bytes: 70_000 };
    codec::golden("feed-mark-1", &encode(&mark));
}
