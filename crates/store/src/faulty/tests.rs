use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Faulty, Plan, Rates, ReadFault, WriteFault};
use crate::commit::{Commit, CommitError};
use crate::contract::{Health, ReadError, Store};
use crate::memory::MemoryStore;
use crate::types::{Key, Seq, Shard};

fn calm() -> Faulty {
    Faulty::new(Arc::new(MemoryStore::new()), Plan::CALM)
}

async fn has(store: &dyn Store, key: &'static str) -> bool {
    store.get(&[key.into()]).await.expect("read").value[0].is_some()
}

#[tokio::test]
async fn an_ambiguous_commit_that_happened_shows_its_idempotency_row() {
    let store = calm();
    store.script_write(Some(WriteFault::AmbiguousDone));
    let commit = Commit::new().put("a", "1").idempotency("id", "");
    assert_eq!(store.commit(commit.clone()).await, Err(CommitError::Ambiguous));
    assert!(has(&store, "id").await);
    assert_eq!(store.commit(commit).await, Err(CommitError::Conflict("id".into())));
}

#[tokio::test]
async fn an_ambiguous_commit_that_was_lost_left_nothing() {
    let store = calm();
    store.script_write(Some(WriteFault::AmbiguousLost));
    let commit = Commit::new().put("a", "1").idempotency("id", "");
    assert_eq!(store.commit(commit.clone()).await, Err(CommitError::Ambiguous));
    assert!(!has(&store, "id").await);
    assert!(store.commit(commit).await.is_ok());
}

#[tokio::test]
async fn a_made_up_conflict_names_an_expected_key_and_writes_nothing() {
    let store = calm();
    store.script_write(Some(WriteFault::Conflict));
    assert_eq!(store.commit(Commit::new().create("a", "1")).await, Err(CommitError::Conflict("a".into())));
    assert!(!has(&store, "a").await);
    // A commit that expects nothing cannot conflict.
    store.script_write(Some(WriteFault::Conflict));
    assert!(store.commit(Commit::new().put("a", "1")).await.is_ok());
}

#[tokio::test]
async fn the_script_lets_through_what_it_says() {
    let store = calm();
    for fault in [None, Some(WriteFault::Unavailable), Some(WriteFault::Fenced), Some(WriteFault::Corrupt)] {
        store.script_write(fault);
    }
    assert!(store.commit(Commit::new().put("a", "1")).await.is_ok());
    assert!(matches!(store.commit(Commit::new().put("b", "1")).await, Err(CommitError::Unavailable(_))));
    assert_eq!(store.commit(Commit::new().put("b", "1")).await, Err(CommitError::Fenced));
    assert!(matches!(store.commit(Commit::new().put("b", "1")).await, Err(CommitError::Corrupt(_))));
    assert!(!has(&store, "b").await);
    assert_eq!(store.injected(), 3);
}

#[tokio::test]
async fn reads_fail_by_script() {
    let store = calm();
    store.script_read(Some(ReadFault::Corrupt));
    store.script_read(None);
    store.script_read(Some(ReadFault::Unavailable));
    assert!(matches!(store.get(&[]).await, Err(ReadError::Corrupt(_))));
    assert!(store.heads().await.is_ok());
    assert!(matches!(store.log(Shard::ZERO, Seq(0), 1).await, Err(ReadError::Unavailable(_))));
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_keeps_what_was_written() {
    let store = calm();
    store.commit(Commit::new().put("a", "1").feed("x")).await.expect("there is room");
    store.fill_disk();
    assert!(matches!(store.commit(Commit::new().put("b", "1")).await, Err(CommitError::Full { .. })));
    assert_eq!(store.health(), Health::Full);
    assert!(has(&store, "a").await);
    // What makes room goes on.
    store.trim(Shard::ZERO, Seq(2)).await.expect("trims");
    store.commit(Commit::new().delete("a").with_reserve()).await.expect("there is a reserve");
    store.free_disk();
    assert_eq!(store.health(), Health::Open);
    assert!(store.commit(Commit::new().put("b", "1")).await.is_ok());
}

#[tokio::test]
async fn a_tear_changes_the_store_between_two_reads() {
    let counter = Arc::new(AtomicU64::new(0));
    let plan = Plan { seed: 7, rates: Rates { tear: 1000, ..Rates::default() } };
    let store = Faulty::with_tear(
        Arc::new(MemoryStore::new()),
        plan,
        Box::new(move |inner| {
            let number = counter.fetch_add(1, Ordering::SeqCst).to_string();
            Box::pin(async move {
                inner.commit(Commit::new().put("a", number)).await.expect("the store below does not fail");
            })
        }),
    );
    let first = store.get(&["a".into()]).await.expect("read").value[0].clone().expect("torn in");
    let second = store.get(&["a".into()]).await.expect("read").value[0].clone().expect("torn in");
    assert!(second.version > first.version);
    let stale = Commit::new().replace("a", first.version, "mine");
    assert_eq!(store.commit(stale).await, Err(CommitError::Conflict("a".into())));
}

/// What became of two hundred commits, as one line.
async fn story(seed: u64) -> String {
    let rates = Rates {
        conflict: 100,
        ambiguous_done: 100,
        ambiguous_lost: 100,
        write_unavailable: 100,
        read_unavailable: 100,
        delay: 300,
        tear: 0,
    };
    let store = Faulty::new(Arc::new(MemoryStore::new()), Plan { seed, rates });
    let mut story = String::new();
    for number in 0..200_u32 {
        let key = Key::new(number.to_be_bytes().to_vec());
        let answer = store.commit(Commit::new().create(key.clone(), "1")).await;
        let happened = store.inner().get(&[key]).await.expect("the store below does not fail").value[0].is_some();
        story.push(match (answer, happened) {
            (Ok(_), true) => '.',
            (Err(CommitError::Conflict(_)), false) => 'c',
            (Err(CommitError::Ambiguous), true) => 'D',
            (Err(CommitError::Ambiguous), false) => 'L',
            (Err(CommitError::Unavailable(_)), false) => 'u',
            other => panic!("impossible answer {other:?}"),
        });
    }
    story
}

#[tokio::test]
async fn the_same_seed_tells_the_same_story() {
    let first = story(42).await;
    assert_eq!(first, story(42).await);
    assert_ne!(first, story(43).await);
    for kind in ['.', 'c', 'D', 'L', 'u'] {
        assert!(first.contains(kind), "no {kind} in {first}");
    }
}
