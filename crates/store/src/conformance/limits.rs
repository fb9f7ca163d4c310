//! The declared limits, at their exact values.

use super::bench::{filled, now, numbered, put};
use super::{Bench, Failure, Outcome};
use crate::commit::{Commit, CommitError, Limit};
use crate::contract::Store;
use crate::types::{Epoch, FenceName, Key, Seq, Shard, Version};

/// Expects the commit to be refused for this limit and to leave nothing behind.
async fn too_large(store: &dyn Store, commit: Commit, what: Limit, limit: usize) -> Outcome {
    let before = now(store).await?;
    same!(store.commit(commit).await, Err(CommitError::TooLarge { what, limit }));
    same!(now(store).await?, before);
    Ok(())
}

pub(super) async fn they_are_usable(bench: Bench) -> Outcome {
    let limits = bench.open().await?.limits();
    holds!(limits.key >= 64);
    holds!(limits.value >= 1024);
    holds!(limits.ops >= 100);
    holds!(limits.bytes >= limits.key + limits.value);
    holds!(limits.page_bytes >= limits.value);
    holds!(limits.shards >= 1);
    Ok(())
}

pub(super) async fn the_longest_key_is_kept(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let key = Key::new(filled(store.limits().key));
    let version = store.commit(Commit::new().create(key.clone(), "1")).await?.version;
    same!(store.get(std::slice::from_ref(&key)).await?.value[0].as_ref().map(|at| at.version), Some(version));
    store.commit(Commit::new().expect_version(key.clone(), version).delete(key)).await?;
    Ok(())
}

pub(super) async fn a_longer_key_is_not_put(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let limit = store.limits().key;
    too_large(&*store, Commit::new().put(filled(limit + 1), "1"), Limit::Key, limit).await
}

pub(super) async fn a_longer_key_is_not_deleted(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let limit = store.limits().key;
    too_large(&*store, Commit::new().delete(filled(limit + 1)), Limit::Key, limit).await
}

pub(super) async fn a_longer_key_is_not_expected(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let limit = store.limits().key;
    too_large(&*store, Commit::new().expect_version(filled(limit + 1), Version(1)), Limit::Key, limit).await
}

pub(super) async fn a_longer_key_is_no_idempotency_row(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let limit = store.limits().key;
    too_large(&*store, Commit::new().idempotency(filled(limit + 1), ""), Limit::Key, limit).await
}

pub(super) async fn a_longer_fence_name_is_refused(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let limit = store.limits().key;
    let name = FenceName::new(filled(limit + 1));
    same!(store.raise(&name).await, Err(CommitError::TooLarge { what: Limit::Key, limit }));
    too_large(&*store, Commit::new().fenced(name, Epoch(1)), Limit::Key, limit).await
}

pub(super) async fn the_longest_fence_name_is_kept(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let name = FenceName::new(filled(store.limits().key));
    let epoch = store.raise(&name).await?;
    store.commit(Commit::new().put("a", "1").fenced(name, epoch)).await?;
    Ok(())
}

pub(super) async fn the_largest_value_is_kept(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let value = filled(store.limits().value);
    store.commit(Commit::new().put("a", value.clone())).await?;
    let found = store.get(&["a".into()]).await?.value;
    holds!(found[0].as_ref().is_some_and(|found| found.value == value));
    Ok(())
}

pub(super) async fn a_larger_value_is_refused(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let limit = store.limits().value;
    too_large(&*store, Commit::new().put("a", filled(limit + 1)), Limit::Value, limit).await
}

pub(super) async fn the_largest_feed_row_is_kept(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let payload = filled(store.limits().value);
    store.commit(Commit::new().feed(payload.clone())).await?;
    let rows = store.log(Shard::ZERO, Seq(0), 1).await?;
    holds!(rows.first().is_some_and(|row| row.payload == payload));
    Ok(())
}

pub(super) async fn a_larger_feed_row_is_refused(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let limit = store.limits().value;
    too_large(&*store, Commit::new().feed(filled(limit + 1)), Limit::Value, limit).await
}

pub(super) async fn a_larger_idempotency_row_is_refused(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let limit = store.limits().value;
    too_large(&*store, Commit::new().idempotency("a", filled(limit + 1)), Limit::Value, limit).await
}

fn puts(count: usize) -> Commit {
    Commit { put: (0..count).map(|number| (numbered("k", number), filled(1))).collect(), ..Commit::new() }
}

pub(super) async fn the_most_operations_are_done(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let ops = store.limits().ops;
    let version = store.commit(puts(ops)).await?.version;
    let found = store.get(&[numbered("k", 0), numbered("k", ops - 1)]).await?.value;
    holds!(found.iter().flatten().all(|found| found.version == version));
    same!(found.iter().flatten().count(), 2);
    Ok(())
}

pub(super) async fn more_operations_are_refused(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let limit = store.limits().ops;
    too_large(&*store, puts(limit + 1), Limit::Ops, limit).await
}

pub(super) async fn every_kind_of_operation_counts(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let limit = store.limits().ops;
    let other = put(&*store, "other", "1").await?;
    for commit in [
        puts(limit).delete("d"),
        puts(limit).feed("row"),
        puts(limit).idempotency("id", ""),
        puts(limit).expect_version("other", other),
    ] {
        too_large(&*store, commit, Limit::Ops, limit).await?;
    }
    Ok(())
}

/// A commit of exactly so many bytes.
fn of_bytes(store: &dyn Store, bytes: usize) -> Result<Commit, Failure> {
    let limits = store.limits();
    let mut commit = Commit::new();
    let mut left = bytes;
    for number in 0.. {
        let key = numbered("k", number);
        let len = left.saturating_sub(key.len()).min(limits.value);
        left = left.checked_sub(key.len() + len).ok_or_else(|| Failure::new("bytes do not divide into rows"))?;
        commit = commit.put(key, filled(len));
        if left == 0 {
            break;
        }
    }
    same_bytes(commit, bytes)
}

fn same_bytes(commit: Commit, bytes: usize) -> Result<Commit, Failure> {
    same!(commit.bytes(), bytes);
    Ok(commit)
}

pub(super) async fn the_most_bytes_are_kept(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let commit = of_bytes(&*store, store.limits().bytes)?;
    let keys: Vec<_> = commit.put.iter().map(|(key, _)| key.clone()).collect();
    store.commit(commit).await?;
    holds!(store.get(&keys).await?.value.iter().all(Option::is_some));
    Ok(())
}

pub(super) async fn more_bytes_are_refused(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let limit = store.limits().bytes;
    too_large(&*store, of_bytes(&*store, limit + 1)?, Limit::Bytes, limit).await
}

pub(super) async fn feed_rows_count_as_bytes(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let limit = store.limits().bytes;
    too_large(&*store, of_bytes(&*store, limit)?.feed("x"), Limit::Bytes, limit).await
}
