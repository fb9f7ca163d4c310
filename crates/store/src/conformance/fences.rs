//! Fences: single writers that can be replaced.

use super::bench::{now, put, value};
use super::{Bench, Outcome};
use crate::commit::{Commit, CommitError};
use crate::types::{Epoch, FenceName};

fn job() -> FenceName {
    FenceName::new("job")
}

pub(super) async fn the_first_epoch_is_one(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    same!(store.raise(&job()).await?, Epoch(1));
    Ok(())
}

pub(super) async fn every_raise_goes_up_by_one(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    for epoch in 1..=5 {
        same!(store.raise(&job()).await?, Epoch(epoch));
    }
    Ok(())
}

pub(super) async fn the_holder_may_write(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let epoch = store.raise(&job()).await?;
    for text in ["1", "2"] {
        store.commit(Commit::new().put("a", text).fenced(job(), epoch)).await?;
        same!(value(&*store, "a").await?.as_deref(), Some(text));
    }
    Ok(())
}

pub(super) async fn a_former_holder_is_fenced(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let old = store.raise(&job()).await?;
    let new = store.raise(&job()).await?;
    let before = now(&*store).await?;
    let commit = Commit::new().put("a", "1").feed("x").idempotency("id", "").fenced(job(), old);
    same!(store.commit(commit).await, Err(CommitError::Fenced));
    same!(value(&*store, "a").await?, None);
    same!(value(&*store, "id").await?, None);
    same!(now(&*store).await?, before);
    store.commit(Commit::new().put("a", "1").fenced(job(), new)).await?;
    Ok(())
}

pub(super) async fn nobody_holds_a_fence_never_raised(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    for epoch in [0, 1, 2] {
        let commit = Commit::new().put("a", "1").fenced(job(), Epoch(epoch));
        same!(store.commit(commit).await, Err(CommitError::Fenced));
    }
    Ok(())
}

pub(super) async fn epochs_not_yet_given_are_fenced(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let epoch = store.raise(&job()).await?;
    for other in [Epoch(0), Epoch(epoch.0 + 1), Epoch(u64::MAX)] {
        same!(store.commit(Commit::new().put("a", "1").fenced(job(), other)).await, Err(CommitError::Fenced));
    }
    Ok(())
}

pub(super) async fn fences_are_independent(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let epoch = store.raise(&job()).await?;
    let other = FenceName::new("job2");
    store.raise(&other).await?;
    store.raise(&other).await?;
    store.commit(Commit::new().put("a", "1").fenced(job(), epoch)).await?;
    same!(store.commit(Commit::new().put("a", "2").fenced(other, epoch)).await, Err(CommitError::Fenced));
    Ok(())
}

pub(super) async fn the_fence_is_looked_at_before_expectations(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put(&*store, "a", "1").await?;
    same!(store.commit(Commit::new().create("a", "1").fenced(job(), Epoch(1))).await, Err(CommitError::Fenced));
    Ok(())
}

pub(super) async fn a_commit_that_writes_nothing_is_fenced_too(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let epoch = store.raise(&job()).await?;
    store.commit(Commit::new().fenced(job(), epoch)).await?;
    same!(store.commit(Commit::new().fenced(job(), Epoch(9))).await, Err(CommitError::Fenced));
    Ok(())
}

pub(super) async fn commits_without_a_fence_are_free(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    store.raise(&job()).await?;
    put(&*store, "a", "1").await?;
    Ok(())
}

pub(super) async fn a_name_is_no_key(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put(&*store, "job", "1").await?;
    same!(store.raise(&job()).await?, Epoch(1));
    same!(value(&*store, "job").await?.as_deref(), Some("1"));
    Ok(())
}

pub(super) async fn an_empty_name_is_invalid(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    refused!(store.raise(&FenceName::new("")).await, CommitError::Invalid(_));
    Ok(())
}

pub(super) async fn snapshots_list_them_by_name(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    for name in ["b", "a", "b", "c"] {
        store.raise(&FenceName::new(name)).await?;
    }
    let expected = [("a", 1), ("b", 2), ("c", 1)].map(|(name, epoch)| (FenceName::new(name), Epoch(epoch)));
    same!(store.snapshot().await?.fences().await?, expected);
    Ok(())
}

pub(super) async fn they_last(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let old = store.raise(&job()).await?;
    let new = store.raise(&job()).await?;
    drop(store);
    let store = bench.open().await?;
    same!(store.commit(Commit::new().put("a", "1").fenced(job(), old)).await, Err(CommitError::Fenced));
    store.commit(Commit::new().put("a", "1").fenced(job(), new)).await?;
    same!(store.raise(&job()).await?, Epoch(3));
    Ok(())
}
