//! `commit`: expectations, puts, deletes, versions.

use super::bench::{append, head, head_of, now, put, put_all, value, version};
use super::{Bench, Outcome};
use crate::commit::{Commit, CommitError};
use crate::types::{Key, Version};

pub(super) async fn an_absent_key_is_created(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    store.commit(Commit::new().create("a", "1")).await?;
    same!(value(&*store, "a").await?.as_deref(), Some("1"));
    Ok(())
}

pub(super) async fn a_present_key_is_not_created(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put(&*store, "a", "1").await?;
    same!(store.commit(Commit::new().create("a", "2")).await, Err(CommitError::Conflict("a".into())));
    same!(value(&*store, "a").await?.as_deref(), Some("1"));
    Ok(())
}

pub(super) async fn a_key_is_replaced_at_its_version(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let first = put(&*store, "a", "1").await?;
    let second = store.commit(Commit::new().replace("a", first, "2")).await?.version;
    holds!(second > first);
    same!(version(&*store, "a").await?, Some(second));
    same!(value(&*store, "a").await?.as_deref(), Some("2"));
    Ok(())
}

pub(super) async fn a_stale_version_conflicts(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let first = put(&*store, "a", "1").await?;
    put(&*store, "a", "2").await?;
    same!(store.commit(Commit::new().replace("a", first, "3")).await, Err(CommitError::Conflict("a".into())));
    same!(value(&*store, "a").await?.as_deref(), Some("2"));
    Ok(())
}

pub(super) async fn a_version_of_an_absent_key_conflicts(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let other = put(&*store, "b", "1").await?;
    same!(store.commit(Commit::new().replace("a", other, "1")).await, Err(CommitError::Conflict("a".into())));
    Ok(())
}

pub(super) async fn version_zero_conflicts(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    refused!(store.commit(Commit::new().replace("a", Version(0), "1")).await, CommitError::Conflict(_));
    put(&*store, "a", "1").await?;
    refused!(store.commit(Commit::new().replace("a", Version(0), "1")).await, CommitError::Conflict(_));
    Ok(())
}

pub(super) async fn a_version_from_the_future_conflicts(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let first = put(&*store, "a", "1").await?;
    let future = Version(first.0 + 1);
    refused!(store.commit(Commit::new().replace("a", future, "1")).await, CommitError::Conflict(_));
    Ok(())
}

pub(super) async fn a_key_that_is_only_expected_holds(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let root = put(&*store, "root", "1").await?;
    store.commit(Commit::new().expect_version("root", root).put("leaf", "1")).await?;
    same!(version(&*store, "root").await?, Some(root));
    Ok(())
}

pub(super) async fn a_key_that_is_only_expected_conflicts(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let root = put(&*store, "root", "1").await?;
    put(&*store, "root", "2").await?;
    let commit = Commit::new().expect_version("root", root).put("leaf", "1");
    same!(store.commit(commit).await, Err(CommitError::Conflict("root".into())));
    same!(value(&*store, "leaf").await?, None);
    Ok(())
}

pub(super) async fn a_key_is_deleted(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put(&*store, "a", "1").await?;
    store.commit(Commit::new().delete("a")).await?;
    same!(value(&*store, "a").await?, None);
    Ok(())
}

pub(super) async fn deleting_an_absent_key_is_no_error(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let before = now(&*store).await?;
    let committed = store.commit(Commit::new().delete("a")).await?;
    holds!(committed.version > before);
    Ok(())
}

pub(super) async fn a_key_is_deleted_at_its_version(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let first = put(&*store, "a", "1").await?;
    store.commit(Commit::new().expect_version("a", first).delete("a")).await?;
    same!(value(&*store, "a").await?, None);
    Ok(())
}

pub(super) async fn a_stale_delete_conflicts(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let first = put(&*store, "a", "1").await?;
    put(&*store, "a", "2").await?;
    let commit = Commit::new().expect_version("a", first).delete("a");
    same!(store.commit(commit).await, Err(CommitError::Conflict("a".into())));
    same!(value(&*store, "a").await?.as_deref(), Some("2"));
    Ok(())
}

pub(super) async fn a_deleted_key_conflicts_at_its_old_version(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let first = put(&*store, "a", "1").await?;
    store.commit(Commit::new().delete("a")).await?;
    refused!(store.commit(Commit::new().replace("a", first, "2")).await, CommitError::Conflict(_));
    Ok(())
}

pub(super) async fn a_deleted_key_is_absent(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put(&*store, "a", "1").await?;
    store.commit(Commit::new().delete("a")).await?;
    store.commit(Commit::new().create("a", "2")).await?;
    same!(value(&*store, "a").await?.as_deref(), Some("2"));
    Ok(())
}

pub(super) async fn a_recreated_key_has_a_larger_version(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let first = store.commit(Commit::new().create("a", "1")).await?.version;
    let deleted = store.commit(Commit::new().delete("a")).await?.version;
    let second = store.commit(Commit::new().create("a", "1")).await?.version;
    holds!(first < deleted);
    holds!(deleted < second);
    same!(version(&*store, "a").await?, Some(second));
    Ok(())
}

pub(super) async fn a_recreated_key_conflicts_at_its_old_version(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let first = put(&*store, "a", "1").await?;
    store.commit(Commit::new().delete("a")).await?;
    put(&*store, "a", "1").await?;
    refused!(store.commit(Commit::new().replace("a", first, "2")).await, CommitError::Conflict(_));
    Ok(())
}

pub(super) async fn the_same_value_again_moves_the_version(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let first = put(&*store, "a", "1").await?;
    let second = put(&*store, "a", "1").await?;
    holds!(second > first);
    same!(version(&*store, "a").await?, Some(second));
    Ok(())
}

pub(super) async fn a_blind_put_overwrites(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put(&*store, "a", "1").await?;
    put(&*store, "a", "2").await?;
    same!(value(&*store, "a").await?.as_deref(), Some("2"));
    Ok(())
}

pub(super) async fn all_keys_of_a_commit_share_its_version(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let committed = put_all(&*store, &["a", "b", "c"]).await?;
    for key in ["a", "b", "c"] {
        same!(version(&*store, key).await?, Some(committed));
    }
    Ok(())
}

pub(super) async fn versions_only_grow(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let mut last = Version(0);
    for number in 0..20 {
        let commit = if number % 3 == 0 { Commit::new().delete("a") } else { Commit::new().put("a", "1") };
        let version = store.commit(commit).await?.version;
        holds!(version > last);
        last = version;
    }
    Ok(())
}

pub(super) async fn a_conflict_writes_nothing(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put_all(&*store, &["taken", "kept"]).await?;
    append(&*store, "first").await?;
    let before = now(&*store).await?;
    let commit = Commit::new().put("new", "1").create("taken", "2").delete("kept").feed("second");
    refused!(store.commit(commit.idempotency("id", "")).await, CommitError::Conflict(_));
    same!(value(&*store, "new").await?, None);
    same!(value(&*store, "taken").await?.as_deref(), Some("taken"));
    same!(value(&*store, "kept").await?.as_deref(), Some("kept"));
    same!(value(&*store, "id").await?, None);
    same!(head(&*store).await?, head_of(1, 1));
    same!(now(&*store).await?, before);
    Ok(())
}

pub(super) async fn the_first_broken_expectation_is_named(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let good = put(&*store, "good", "1").await?;
    put_all(&*store, &["b", "a"]).await?;
    let commit = Commit::new().expect_version("good", good).create("b", "1").create("a", "1");
    same!(store.commit(commit).await, Err(CommitError::Conflict("b".into())));
    Ok(())
}

pub(super) async fn an_empty_commit_answers_the_present_version(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    same!(store.commit(Commit::new()).await?.version, Version(0));
    let version = put(&*store, "a", "1").await?;
    let committed = store.commit(Commit::new()).await?;
    same!(committed.version, version);
    same!(committed.feed.len(), 0);
    same!(now(&*store).await?, version);
    Ok(())
}

pub(super) async fn a_commit_that_only_expects_is_checked(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let first = put(&*store, "a", "1").await?;
    same!(store.commit(Commit::new().expect_version("a", first)).await?.version, first);
    put(&*store, "a", "2").await?;
    refused!(store.commit(Commit::new().expect_version("a", first)).await, CommitError::Conflict(_));
    Ok(())
}

pub(super) async fn two_keys_are_swapped(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let (left, right) = (put(&*store, "l", "1").await?, put(&*store, "r", "2").await?);
    store.commit(Commit::new().replace("l", left, "2").replace("r", right, "1")).await?;
    same!(value(&*store, "l").await?.as_deref(), Some("2"));
    same!(value(&*store, "r").await?.as_deref(), Some("1"));
    Ok(())
}

pub(super) async fn a_key_moves_to_another(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let first = put(&*store, "old", "1").await?;
    store.commit(Commit::new().expect_version("old", first).delete("old").create("new", "1")).await?;
    same!(value(&*store, "old").await?, None);
    same!(value(&*store, "new").await?.as_deref(), Some("1"));
    Ok(())
}

pub(super) async fn a_large_commit_is_whole(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let keys: Vec<Key> = (0..3_000).map(|number| super::bench::numbered("k", number)).collect();
    let commit = keys.iter().fold(Commit::new(), |commit, key| commit.create(key.clone(), "1"));
    let version = store.commit(commit).await?.version;
    let found = store.get(&keys).await?.value;
    holds!(found.iter().all(|found| found.as_ref().is_some_and(|found| found.version == version)));
    let commit =
        keys.iter().fold(Commit::new(), |commit, key| commit.expect_version(key.clone(), version).delete(key.clone()));
    store.commit(commit).await?;
    holds!(store.get(&keys).await?.value.iter().all(Option::is_none));
    Ok(())
}

pub(super) async fn the_token_is_the_version(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let committed = store.commit(Commit::new().put("a", "1")).await?;
    same!(committed.token().version(), committed.version);
    Ok(())
}
