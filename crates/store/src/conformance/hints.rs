//! The hint of a commit, `as_of`: it may spare reads, it may never change an answer.

use super::bench::{now, numbered, put, value, version};
use super::{Bench, Failure, Outcome};
use crate::commit::{Commit, CommitError};
use crate::types::Version;

pub(super) async fn a_fresh_expectation_holds(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let first = put(&*store, "a", "1").await?;
    let as_of = now(&*store).await?;
    store.commit(Commit::new().replace("a", first, "2").create("b", "1").as_of(as_of)).await?;
    same!(value(&*store, "a").await?.as_deref(), Some("2"));
    Ok(())
}

pub(super) async fn a_stale_version_conflicts(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let first = put(&*store, "a", "1").await?;
    let as_of = now(&*store).await?;
    put(&*store, "a", "2").await?;
    let commit = Commit::new().replace("a", first, "3").as_of(as_of);
    same!(store.commit(commit).await, Err(CommitError::Conflict("a".into())));
    Ok(())
}

pub(super) async fn a_key_deleted_since_conflicts(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let first = put(&*store, "a", "1").await?;
    let as_of = now(&*store).await?;
    store.commit(Commit::new().delete("a")).await?;
    let commit = Commit::new().replace("a", first, "3").as_of(as_of);
    same!(store.commit(commit).await, Err(CommitError::Conflict("a".into())));
    Ok(())
}

pub(super) async fn a_key_created_since_conflicts(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let as_of = now(&*store).await?;
    put(&*store, "a", "1").await?;
    refused!(store.commit(Commit::new().create("a", "2").as_of(as_of)).await, CommitError::Conflict(_));
    Ok(())
}

pub(super) async fn a_key_created_and_deleted_since_is_absent(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let as_of = now(&*store).await?;
    put(&*store, "a", "1").await?;
    store.commit(Commit::new().delete("a")).await?;
    store.commit(Commit::new().create("a", "2").as_of(as_of)).await?;
    same!(value(&*store, "a").await?.as_deref(), Some("2"));
    Ok(())
}

pub(super) async fn a_key_deleted_before_is_absent(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put(&*store, "a", "1").await?;
    store.commit(Commit::new().delete("a")).await?;
    let as_of = now(&*store).await?;
    store.commit(Commit::new().create("a", "2").as_of(as_of)).await?;
    Ok(())
}

pub(super) async fn an_old_hint_with_fresh_expectations_holds(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let as_of = now(&*store).await?;
    put(&*store, "a", "1").await?;
    let second = put(&*store, "a", "2").await?;
    store.commit(Commit::new().replace("a", second, "3").as_of(as_of)).await?;
    Ok(())
}

pub(super) async fn a_hint_from_the_future_promises_nothing(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let first = put(&*store, "a", "1").await?;
    put(&*store, "a", "2").await?;
    let as_of = Version(1 << 40);
    refused!(store.commit(Commit::new().replace("a", first, "3").as_of(as_of)).await, CommitError::Conflict(_));
    refused!(store.commit(Commit::new().create("a", "3").as_of(as_of)).await, CommitError::Conflict(_));
    Ok(())
}

pub(super) async fn a_hint_of_zero_is_a_hint(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    store.commit(Commit::new().create("a", "1").as_of(Version(0))).await?;
    refused!(store.commit(Commit::new().create("a", "2").as_of(Version(0))).await, CommitError::Conflict(_));
    Ok(())
}

pub(super) async fn a_hint_from_before_a_reopening_holds(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let first = put(&*store, "a", "1").await?;
    let as_of = now(&*store).await?;
    put(&*store, "b", "1").await?;
    drop(store);
    let store = bench.open().await?;
    refused!(store.commit(Commit::new().create("b", "2").as_of(as_of)).await, CommitError::Conflict(_));
    store.commit(Commit::new().replace("a", first, "2").as_of(as_of)).await?;
    Ok(())
}

pub(super) async fn many_updates_with_hints_lose_nothing(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    for round in 0..50_usize {
        let keys: Vec<_> = (0..10).map(|number| numbered("k", (round * 7 + number * 13) % 40)).collect();
        let found = store.get(&keys).await?;
        let mut commit = Commit::new().as_of(found.as_of);
        for (key, found) in keys.into_iter().zip(found.value) {
            commit = match found {
                Some(found) => {
                    let count = found.value.len() + 1;
                    commit.replace(key, found.version, vec![b'+'; count])
                }
                None => commit.create(key, "+"),
            };
        }
        store.commit(commit).await?;
    }
    let keys: Vec<_> = (0..40).map(|number| numbered("k", number)).collect();
    let found = store.get(&keys).await?.value;
    same!(found.iter().flatten().map(|found| found.value.len()).sum::<usize>(), 500);
    Ok(())
}

pub(super) async fn racing_updates_with_hints_lose_nothing(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    store.commit(Commit::new().put("a", "")).await?;
    let mut tasks = Vec::new();
    for _ in 0..6 {
        let store = std::sync::Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            let mut done = 0;
            while done < 15 {
                let found = store.get(&["a".into()]).await?;
                let Some(at) = found.value.into_iter().next().flatten() else {
                    return Err(Failure::new("the counter is gone"));
                };
                let value = vec![b'+'; at.value.len() + 1];
                match store.commit(Commit::new().replace("a", at.version, value).as_of(found.as_of)).await {
                    Ok(_) => done += 1,
                    Err(CommitError::Conflict(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    same!(value(&*store, "a").await?.map(|value| value.len()), Some(90));
    holds!(version(&*store, "a").await?.is_some());
    Ok(())
}
