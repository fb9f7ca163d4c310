//! The idempotency row: how a writer learns what became of an ambiguous commit.

use super::bench::{head, head_of, put, value, version};
use super::{Bench, Outcome};
use crate::commit::{Commit, CommitError};
use crate::types::{Epoch, FenceName};

pub(super) async fn the_row_is_written_with_the_rest(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let committed = store.commit(Commit::new().put("a", "1").idempotency("id", "receipt")).await?;
    same!(value(&*store, "id").await?.as_deref(), Some("receipt"));
    same!(version(&*store, "id").await?, Some(committed.version));
    Ok(())
}

pub(super) async fn a_repetition_conflicts_with_the_row(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let commit = Commit::new().put("a", "1").feed("row").idempotency("id", "");
    store.commit(commit.clone()).await?;
    same!(store.commit(commit).await, Err(CommitError::Conflict("id".into())));
    same!(head(&*store).await?, head_of(1, 1));
    Ok(())
}

pub(super) async fn the_row_is_looked_at_before_other_expectations(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let commit = Commit::new().create("a", "1").idempotency("id", "");
    store.commit(commit.clone()).await?;
    same!(store.commit(commit).await, Err(CommitError::Conflict("id".into())));
    Ok(())
}

pub(super) async fn the_row_is_looked_at_before_the_fence(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let name = FenceName::new("job");
    let epoch = store.raise(&name).await?;
    let commit = Commit::new().put("a", "1").fenced(name.clone(), epoch).idempotency("id", "");
    store.commit(commit.clone()).await?;
    same!(store.raise(&name).await?, Epoch(epoch.0 + 1));
    same!(store.commit(commit).await, Err(CommitError::Conflict("id".into())));
    Ok(())
}

pub(super) async fn the_row_alone_is_a_commit(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let before = put(&*store, "a", "1").await?;
    let committed = store.commit(Commit::new().idempotency("id", "1")).await?;
    holds!(committed.version > before);
    same!(value(&*store, "id").await?.as_deref(), Some("1"));
    Ok(())
}

pub(super) async fn a_swept_row_may_be_used_again(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    store.commit(Commit::new().idempotency("id", "1")).await?;
    store.commit(Commit::new().delete("id")).await?;
    store.commit(Commit::new().idempotency("id", "2")).await?;
    same!(value(&*store, "id").await?.as_deref(), Some("2"));
    Ok(())
}

pub(super) async fn a_refused_commit_leaves_no_row(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put(&*store, "a", "1").await?;
    refused!(store.commit(Commit::new().create("a", "2").idempotency("id", "")).await, CommitError::Conflict(_));
    store.commit(Commit::new().put("a", "2").idempotency("id", "")).await?;
    Ok(())
}

pub(super) async fn a_row_put_otherwise_conflicts_too(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put(&*store, "id", "1").await?;
    same!(store.commit(Commit::new().idempotency("id", "")).await, Err(CommitError::Conflict("id".into())));
    Ok(())
}

pub(super) async fn a_hint_does_not_hide_the_row(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let committed = store.commit(Commit::new().idempotency("id", "")).await?;
    let commit = Commit::new().put("a", "1").idempotency("id", "").as_of(committed.version);
    same!(store.commit(commit).await, Err(CommitError::Conflict("id".into())));
    Ok(())
}
