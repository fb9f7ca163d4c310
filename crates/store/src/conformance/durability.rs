//! What a store knows after it was closed and opened again.

use super::bench::{append, filled, head, head_of, log, now, numbered, put, scan, value, version};
use super::{Bench, Outcome};
use crate::commit::{Commit, CommitError};
use crate::types::Direction::Forward;
use crate::types::{KeyRange, Seq, Version};

pub(super) async fn an_empty_store_stays_empty(bench: Bench) -> Outcome {
    drop(bench.open().await?);
    let store = bench.open().await?;
    same!(now(&*store).await?, Version(0));
    same!(head(&*store).await?, head_of(1, 0));
    Ok(())
}

pub(super) async fn puts_last(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let written = put(&*store, "a", "1").await?;
    drop(store);
    let store = bench.open().await?;
    same!(value(&*store, "a").await?.as_deref(), Some("1"));
    same!(version(&*store, "a").await?, Some(written));
    Ok(())
}

pub(super) async fn deletes_last(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put(&*store, "a", "1").await?;
    store.commit(Commit::new().delete("a")).await?;
    drop(store);
    same!(value(&*bench.open().await?, "a").await?, None);
    Ok(())
}

pub(super) async fn the_feed_lasts(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    store.commit(Commit::new().feed("x").feed("y")).await?;
    drop(store);
    let store = bench.open().await?;
    same!(log(&*store, 0).await?, ["1=x", "2=y"]);
    same!(append(&*store, "z").await?, Seq(3));
    Ok(())
}

pub(super) async fn the_sequence_goes_on(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let before = put(&*store, "a", "1").await?;
    drop(store);
    let store = bench.open().await?;
    same!(now(&*store).await?, before);
    holds!(put(&*store, "b", "1").await? > before);
    Ok(())
}

pub(super) async fn the_sequence_goes_on_above_deleted_keys(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put(&*store, "a", "1").await?;
    let deleted = store.commit(Commit::new().delete("a")).await?.version;
    drop(store);
    let store = bench.open().await?;
    holds!(put(&*store, "a", "1").await? > deleted);
    Ok(())
}

pub(super) async fn idempotency_rows_last(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let commit = Commit::new().put("a", "1").idempotency("id", "");
    store.commit(commit.clone()).await?;
    drop(store);
    let store = bench.open().await?;
    same!(store.commit(commit).await, Err(CommitError::Conflict("id".into())));
    Ok(())
}

pub(super) async fn expectations_hold_across(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let stale = put(&*store, "a", "1").await?;
    let fresh = put(&*store, "a", "2").await?;
    drop(store);
    let store = bench.open().await?;
    refused!(store.commit(Commit::new().replace("a", stale, "3")).await, CommitError::Conflict(_));
    store.commit(Commit::new().replace("a", fresh, "3")).await?;
    Ok(())
}

pub(super) async fn large_values_last(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let value = filled(store.limits().value);
    store.commit(Commit::new().put("a", value.clone()).feed(value.clone())).await?;
    drop(store);
    let store = bench.open().await?;
    holds!(store.get(&["a".into()]).await?.value[0].as_ref().is_some_and(|found| found.value == value));
    Ok(())
}

pub(super) async fn many_commits_last(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    for number in 0..200 {
        store.commit(Commit::new().put(numbered("k", number), "1").feed("x")).await?;
    }
    drop(store);
    let store = bench.open().await?;
    same!(scan(&*store, KeyRange::all(), 999, Forward).await?.len(), 200);
    same!(head(&*store).await?, head_of(1, 200));
    Ok(())
}

pub(super) async fn opening_many_times_changes_nothing(bench: Bench) -> Outcome {
    let mut expected = Vec::new();
    for round in 0..5 {
        let store = bench.open().await?;
        same!(scan(&*store, KeyRange::all(), 999, Forward).await?, expected);
        store.commit(Commit::new().put(numbered("k", round), "1")).await?;
        expected.push(format!("k{round:06}"));
    }
    Ok(())
}

pub(super) async fn a_refused_commit_stays_refused(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put(&*store, "a", "1").await?;
    refused!(store.commit(Commit::new().create("a", "2").put("b", "1")).await, CommitError::Conflict(_));
    drop(store);
    let store = bench.open().await?;
    same!(value(&*store, "a").await?.as_deref(), Some("1"));
    same!(value(&*store, "b").await?, None);
    Ok(())
}
