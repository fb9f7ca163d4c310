//! `compact`: nothing that can be read tells that it happened. That bytes are gone is for each store to show.

use std::sync::Arc;

use super::bench::{append, head, head_of, log, now, numbered, put, put_all, scan, value, version};
use super::{Bench, Failure, Outcome};
use crate::commit::{Commit, CommitError};
use crate::contract::Store;
use crate::types::Direction::Forward;
use crate::types::{FenceName, KeyRange, Seq, Shard, Version};

pub(super) async fn an_empty_store_is_compacted(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    store.compact().await?;
    same!(now(&*store).await?, Version(0));
    same!(put(&*store, "a", "1").await?, Version(1));
    Ok(())
}

/// Three keys, one of them deleted and one overwritten, and a feed of which the first row was trimmed.
async fn used(bench: &Bench) -> Result<Arc<dyn Store>, Failure> {
    let store = bench.open().await?;
    put_all(&*store, &["a", "b", "c"]).await?;
    store.commit(Commit::new().delete("b").put("c", "new").feed("x").feed("y")).await?;
    store.trim(Shard::ZERO, Seq(2)).await?;
    Ok(store)
}

pub(super) async fn what_is_there_stays(bench: Bench) -> Outcome {
    let store = used(&bench).await?;
    store.compact().await?;
    same!(scan(&*store, KeyRange::all(), 9, Forward).await?, ["a", "c"]);
    same!(value(&*store, "c").await?.as_deref(), Some("new"));
    same!(value(&*store, "b").await?, None);
    same!(head(&*store).await?, head_of(2, 2));
    same!(log(&*store, 1).await?, ["2=y"]);
    Ok(())
}

pub(super) async fn versions_and_feed_go_on(bench: Bench) -> Outcome {
    let store = used(&bench).await?;
    let (before, of_a) = (now(&*store).await?, version(&*store, "a").await?);
    store.compact().await?;
    same!(now(&*store).await?, before);
    same!(version(&*store, "a").await?, of_a);
    same!(put(&*store, "d", "1").await?, Version(before.0 + 1));
    same!(append(&*store, "z").await?, Seq(3));
    Ok(())
}

pub(super) async fn expectations_hold_across(bench: Bench) -> Outcome {
    let store = used(&bench).await?;
    let fence = FenceName::new("job");
    let epoch = store.raise(&fence).await?;
    let (of_a, as_of) = (version(&*store, "a").await?.unwrap_or_default(), now(&*store).await?);
    store.compact().await?;
    refused!(store.commit(Commit::new().create("a", "2")).await, CommitError::Conflict(_));
    store.commit(Commit::new().create("b", "2").fenced(fence, epoch)).await?;
    store.commit(Commit::new().replace("a", of_a, "2").as_of(as_of)).await?;
    refused!(store.commit(Commit::new().replace("a", of_a, "3")).await, CommitError::Conflict(_));
    Ok(())
}

pub(super) async fn it_lasts(bench: Bench) -> Outcome {
    let store = used(&bench).await?;
    store.compact().await?;
    put(&*store, "d", "1").await?;
    drop(store);
    let store = bench.open().await?;
    same!(scan(&*store, KeyRange::all(), 9, Forward).await?, ["a", "c", "d"]);
    same!(log(&*store, 1).await?, ["2=y"]);
    Ok(())
}

pub(super) async fn two_at_once_are_one(bench: Bench) -> Outcome {
    let store = used(&bench).await?;
    let other = {
        let store = store.clone();
        tokio::spawn(async move { store.compact().await })
    };
    store.compact().await?;
    other.await??;
    same!(scan(&*store, KeyRange::all(), 9, Forward).await?, ["a", "c"]);
    Ok(())
}

pub(super) async fn writers_lose_nothing(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let writing = {
        let store = store.clone();
        tokio::spawn(async move { write(&*store).await })
    };
    store.compact().await?;
    store.compact().await?;
    writing.await??;
    let found = store.scan(&KeyRange::all(), crate::types::ScanLimit::rows(500), Forward).await?;
    same!(found.rows.len(), 150);
    same!(head(&*store).await?, head_of(1, 300));
    Ok(())
}

/// Writes 300 keys, one commit each, and deletes every second of them.
async fn write(store: &dyn Store) -> Result<(), CommitError> {
    for number in 0..300 {
        let mut commit = Commit::new().put(numbered("k", number), "1").feed("x");
        if number % 2 == 1 {
            commit = commit.delete(numbered("k", number - 1));
        }
        store.commit(commit).await?;
    }
    Ok(())
}
