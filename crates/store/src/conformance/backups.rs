//! Backup and restore.

use std::sync::Arc;

use super::bench::{Dice, append, filled, head, head_of, log, now, numbered, put, put_all, scan, value, version};
use super::{Bench, Failure, Outcome};
use crate::backup::{RestoreError, Summary, backup, restore};
use crate::commit::{Commit, CommitError};
use crate::contract::{FeedHead, Floor, Store};
use crate::types::Direction::Forward;
use crate::types::{Epoch, FenceName, KeyRange, Seq, Shard, Version};

async fn saved(store: &dyn Store) -> Result<(Vec<u8>, Summary), Failure> {
    let mut bytes = Vec::new();
    let summary = backup(store, &mut bytes).await?;
    Ok((bytes, summary))
}

/// Carries the case's store over into a second one.
async fn carried(bench: &Bench, store: &dyn Store) -> Result<Arc<dyn Store>, Failure> {
    let (bytes, summary) = saved(store).await?;
    let other = bench.open_other().await?;
    same!(restore(&mut &bytes[..], &*other).await?, summary);
    Ok(other)
}

/// A store with some of everything, the oldest rows of its feed trimmed.
async fn full(bench: &Bench) -> Result<Arc<dyn Store>, Failure> {
    let store = bench.open().await?;
    put_all(&*store, &["a", "b", "c"]).await?;
    store.commit(Commit::new().delete("b").feed("x").feed("y").feed("z")).await?;
    store.trim(Shard::ZERO, Seq(2)).await?;
    store.raise(&FenceName::new("job")).await?;
    store.raise(&FenceName::new("job")).await?;
    Ok(store)
}

pub(super) async fn an_empty_store_is_carried_over(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let other = carried(&bench, &*store).await?;
    same!(scan(&*other, KeyRange::all(), 9, Forward).await?.len(), 0);
    same!(head(&*other).await?, head_of(1, 0));
    put(&*other, "a", "1").await?;
    Ok(())
}

pub(super) async fn keys_and_values_are_carried_over(bench: Bench) -> Outcome {
    let store = full(&bench).await?;
    let other = carried(&bench, &*store).await?;
    same!(scan(&*other, KeyRange::all(), 9, Forward).await?, ["a", "c"]);
    same!(value(&*other, "c").await?.as_deref(), Some("c"));
    Ok(())
}

pub(super) async fn the_feed_is_carried_over(bench: Bench) -> Outcome {
    let store = full(&bench).await?;
    let other = carried(&bench, &*store).await?;
    same!(head(&*other).await?, head_of(2, 3));
    same!(log(&*other, 1).await?, ["2=y", "3=z"]);
    same!(append(&*other, "new").await?, Seq(4));
    Ok(())
}

pub(super) async fn a_feed_trimmed_to_its_head_is_carried_over(bench: Bench) -> Outcome {
    let store = full(&bench).await?;
    store.trim(Shard::ZERO, Seq(4)).await?;
    let other = carried(&bench, &*store).await?;
    same!(head(&*other).await?, head_of(4, 3));
    same!(append(&*other, "new").await?, Seq(4));
    Ok(())
}

pub(super) async fn fences_are_carried_over(bench: Bench) -> Outcome {
    let store = full(&bench).await?;
    let other = carried(&bench, &*store).await?;
    same!(other.raise(&FenceName::new("job")).await?, Epoch(3));
    Ok(())
}

pub(super) async fn the_summary_counts(bench: Bench) -> Outcome {
    let store = full(&bench).await?;
    let as_of = now(&*store).await?;
    same!(saved(&*store).await?.1, Summary { rows: 2, feed_rows: 2, as_of });
    Ok(())
}

pub(super) async fn versions_go_on_above_the_backup(bench: Bench) -> Outcome {
    let store = full(&bench).await?;
    let before = now(&*store).await?;
    let other = carried(&bench, &*store).await?;
    holds!(version(&*other, "a").await? > Some(before));
    holds!(put(&*other, "b", "1").await? > before);
    Ok(())
}

pub(super) async fn old_versions_conflict_after_a_restore(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let old = put(&*store, "a", "1").await?;
    let gone = put(&*store, "b", "1").await?;
    store.commit(Commit::new().delete("b")).await?;
    let other = carried(&bench, &*store).await?;
    refused!(other.commit(Commit::new().replace("a", old, "2")).await, CommitError::Conflict(_));
    for _ in 0..5 {
        holds!(put(&*other, "b", "2").await? > gone);
    }
    Ok(())
}

pub(super) async fn a_restored_store_lasts(bench: Bench) -> Outcome {
    let store = full(&bench).await?;
    drop(carried(&bench, &*store).await?);
    let other = bench.open_other().await?;
    same!(scan(&*other, KeyRange::all(), 9, Forward).await?, ["a", "c"]);
    same!(head(&*other).await?, head_of(2, 3));
    same!(other.raise(&FenceName::new("job")).await?, Epoch(3));
    Ok(())
}

pub(super) async fn a_store_that_was_written_to_is_refused(bench: Bench) -> Outcome {
    let store = full(&bench).await?;
    let (bytes, _) = saved(&*store).await?;
    refused!(restore(&mut &bytes[..], &*store).await, RestoreError::NotEmpty);
    let other = bench.open_other().await?;
    other.raise(&FenceName::new("job")).await?;
    refused!(restore(&mut &bytes[..], &*other).await, RestoreError::NotEmpty);
    Ok(())
}

pub(super) async fn a_store_restored_is_not_restored_again(bench: Bench) -> Outcome {
    let store = full(&bench).await?;
    let (bytes, _) = saved(&*store).await?;
    let other = bench.open_other().await?;
    restore(&mut &bytes[..], &*other).await?;
    refused!(restore(&mut &bytes[..], &*other).await, RestoreError::NotEmpty);
    Ok(())
}

pub(super) async fn every_cut_is_noticed(bench: Bench) -> Outcome {
    let (bytes, _) = saved(&*full(&bench).await?).await?;
    for len in 0..bytes.len() {
        let target = crate::memory::MemoryStore::new();
        let answer = restore(&mut &bytes[..len], &target).await;
        holds!(matches!(answer, Err(RestoreError::Damaged(_) | RestoreError::NotABackup)));
    }
    Ok(())
}

pub(super) async fn every_altered_byte_is_noticed(bench: Bench) -> Outcome {
    let (bytes, _) = saved(&*full(&bench).await?).await?;
    let mut dice = Dice(0xb17);
    for place in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[place] ^= 1 << dice.below(8);
        let target = crate::memory::MemoryStore::new();
        let answer = restore(&mut &altered[..], &target).await;
        holds!(matches!(answer, Err(RestoreError::Damaged(_) | RestoreError::NotABackup | RestoreError::Newer { .. })));
    }
    Ok(())
}

pub(super) async fn bytes_after_the_end_are_noticed(bench: Bench) -> Outcome {
    let (mut bytes, _) = saved(&*full(&bench).await?).await?;
    bytes.push(0);
    let other = bench.open_other().await?;
    refused!(restore(&mut &bytes[..], &*other).await, RestoreError::Damaged(_));
    Ok(())
}

pub(super) async fn another_file_is_no_backup(bench: Bench) -> Outcome {
    let other = bench.open_other().await?;
    refused!(restore(&mut &b"PK\x03\x04 something else"[..], &*other).await, RestoreError::NotABackup);
    refused!(restore(&mut &b""[..], &*other).await, RestoreError::NotABackup);
    Ok(())
}

pub(super) async fn a_newer_format_is_named(bench: Bench) -> Outcome {
    let (mut bytes, _) = saved(&*bench.open().await?).await?;
    bytes[9] = 7;
    let other = bench.open_other().await?;
    refused!(restore(&mut &bytes[..], &*other).await, RestoreError::Newer { found: 7 });
    Ok(())
}

pub(super) async fn it_is_one_instant_while_writing_goes_on(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let keys: Vec<_> = (0..2_500).map(|number| numbered("k", number)).collect();
    let writing =
        |text: &'static str| keys.iter().fold(Commit::new().feed(text), |commit, key| commit.put(key.clone(), text));
    store.commit(writing("0")).await?;
    let writer = Arc::clone(&store);
    let commits: Vec<_> = ["1", "2", "3", "4", "5", "6"].into_iter().map(writing).collect();
    let task = tokio::spawn(async move {
        for commit in commits {
            writer.commit(commit).await?;
        }
        Ok::<_, Failure>(())
    });
    let other = carried(&bench, &*store).await?;
    task.await??;
    let found = other.get(&keys).await?.value;
    let first = found[0].as_ref().map(|found| found.value.clone());
    holds!(found.iter().all(|found| found.as_ref().map(|found| found.value.clone()) == first));
    let feed = log(&*other, 0).await?;
    same!(
        feed.last().and_then(|row| row.split('=').next_back()).map(|text| text.as_bytes().to_vec()),
        first.map(|value| value.to_vec())
    );
    Ok(())
}

pub(super) async fn the_largest_rows_are_carried_over(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let limits = store.limits();
    for number in 0..3 {
        let mut key = filled(limits.key - 7).to_vec();
        key.extend_from_slice(numbered("k", number).as_bytes());
        let value = filled(limits.value);
        store.commit(Commit::new().put(key, value.clone()).feed(value)).await?;
    }
    let other = carried(&bench, &*store).await?;
    same!(scan(&*other, KeyRange::all(), 9, Forward).await?.len(), 3);
    same!(log(&*other, 0).await?.len(), 3);
    Ok(())
}

pub(super) async fn many_rows_are_carried_over(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let limits = store.limits();
    let count = limits.ops + 500;
    for start in (0..count).step_by(limits.ops) {
        let keys = (start..count.min(start + limits.ops)).map(|number| (numbered("k", number), filled(3)));
        store.commit(Commit { put: keys.collect(), ..Commit::new() }).await?;
    }
    let (bytes, summary) = saved(&*store).await?;
    same!(summary.rows, count as u64);
    let other = bench.open_other().await?;
    same!(restore(&mut &bytes[..], &*other).await?, summary);
    let ends = other.get(&[numbered("k", 0), numbered("k", count - 1), numbered("k", count)]).await?.value;
    same!(ends.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
    Ok(())
}

pub(super) async fn a_second_generation_equals_the_first(bench: Bench) -> Outcome {
    let store = full(&bench).await?;
    let other = carried(&bench, &*store).await?;
    let (bytes, summary) = saved(&*other).await?;
    let third = crate::memory::MemoryStore::new();
    same!(restore(&mut &bytes[..], &third).await?, summary);
    same!(scan(&third, KeyRange::all(), 9, Forward).await?, ["a", "c"]);
    same!(log(&third, 1).await?, ["2=y", "3=z"]);
    Ok(())
}

fn floor(version: u64, first: u64) -> Floor {
    let head = FeedHead { shard: Shard::ZERO, first: Seq(first), last: Seq(0) };
    Floor { version: Version(version), feed: vec![head], fences: Vec::new() }
}

pub(super) async fn a_floor_sets_the_sequences(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    store.begin_at(&floor(100, 7)).await?;
    same!(now(&*store).await?, Version(100));
    same!(head(&*store).await?, head_of(7, 6));
    same!(put(&*store, "a", "1").await?, Version(101));
    same!(append(&*store, "x").await?, Seq(7));
    Ok(())
}

pub(super) async fn a_floor_is_set_once(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    store.begin_at(&floor(100, 7)).await?;
    refused!(store.begin_at(&floor(200, 7)).await, CommitError::Invalid(_));
    drop(store);
    let store = bench.open().await?;
    refused!(store.begin_at(&floor(200, 7)).await, CommitError::Invalid(_));
    same!(now(&*store).await?, Version(100));
    Ok(())
}

pub(super) async fn a_floor_of_no_shard_is_invalid(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    refused!(store.begin_at(&floor(5, 0)).await, CommitError::Invalid(_));
    let mut unknown = floor(5, 1);
    unknown.feed[0].shard = Shard(store.limits().shards);
    refused!(store.begin_at(&unknown).await, CommitError::Invalid(_));
    same!(now(&*store).await?, Version(0));
    Ok(())
}
