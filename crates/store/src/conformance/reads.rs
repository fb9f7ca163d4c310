//! `get`.

use std::sync::Arc;

use super::bench::{filled, now, numbered, put, put_all, text, value, version};
use super::{Bench, Outcome};
use crate::commit::Commit;
use crate::contract::ReadError;
use crate::types::{Key, Version};

pub(super) async fn a_missing_key_is_none(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    same!(value(&*store, "a").await?, None);
    Ok(())
}

pub(super) async fn a_put_key_is_found(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put(&*store, "a", "1").await?;
    same!(value(&*store, "a").await?.as_deref(), Some("1"));
    Ok(())
}

pub(super) async fn no_keys_give_no_values(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    same!(store.get(&[]).await?.value.len(), 0);
    Ok(())
}

pub(super) async fn values_come_in_the_order_asked(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put_all(&*store, &["a", "b", "c"]).await?;
    let found = store.get(&["c".into(), "a".into(), "b".into()]).await?.value;
    let found: Vec<_> = found.iter().flatten().map(|found| text(&found.value)).collect();
    same!(found, ["c", "a", "b"]);
    Ok(())
}

pub(super) async fn a_key_may_be_asked_twice(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put(&*store, "a", "1").await?;
    let found = store.get(&["a".into(), "a".into()]).await?.value;
    same!(found.len(), 2);
    same!(found[0], found[1]);
    Ok(())
}

pub(super) async fn present_and_absent_keys_mix(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put_all(&*store, &["a", "c"]).await?;
    let found = store.get(&["a".into(), "b".into(), "c".into(), "d".into()]).await?.value;
    same!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true, false]);
    Ok(())
}

pub(super) async fn an_empty_value_is_a_value(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put(&*store, "a", "").await?;
    same!(value(&*store, "a").await?.as_deref(), Some(""));
    Ok(())
}

pub(super) async fn bytes_come_back_as_they_were(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let all: Vec<u8> = (0..=255).collect();
    store.commit(Commit::new().put(all.clone(), all.clone())).await?;
    let found = store.get(&[all.clone().into()]).await?.value;
    same!(found[0].as_ref().map(|found| found.value.to_vec()), Some(all));
    Ok(())
}

pub(super) async fn the_empty_key_is_never_found(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put(&*store, "a", "1").await?;
    same!(store.get(&[Key::MIN]).await?.value, [None]);
    Ok(())
}

pub(super) async fn a_key_longer_than_any_is_not_found(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let key = Key::new(filled(store.limits().key + 1));
    same!(store.get(&[key]).await?.value, [None]);
    Ok(())
}

pub(super) async fn an_empty_store_is_at_zero(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    same!(now(&*store).await?, Version(0));
    Ok(())
}

pub(super) async fn the_instant_follows_commits(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    for _ in 0..3 {
        let version = put(&*store, "a", "1").await?;
        same!(now(&*store).await?, version);
    }
    Ok(())
}

pub(super) async fn a_key_has_the_version_of_its_commit(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let first = put(&*store, "a", "1").await?;
    let second = put(&*store, "b", "1").await?;
    same!(version(&*store, "a").await?, Some(first));
    same!(version(&*store, "b").await?, Some(second));
    Ok(())
}

pub(super) async fn as_many_keys_as_declared(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let keys: Vec<_> = (0..store.limits().get_keys).map(|number| numbered("k", number)).collect();
    store.commit(Commit::new().put(keys[7].clone(), "7")).await?;
    let found = store.get(&keys).await?.value;
    same!(found.len(), keys.len());
    same!(found.iter().flatten().count(), 1);
    Ok(())
}

pub(super) async fn one_key_more_than_declared_is_invalid(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let keys = vec![Key::from("a"); store.limits().get_keys + 1];
    refused!(store.get(&keys).await, ReadError::Invalid(_));
    Ok(())
}

pub(super) async fn one_call_is_never_torn(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put_all(&*store, &["left", "right"]).await?;
    let writer = Arc::clone(&store);
    let writing = tokio::spawn(async move {
        for number in 0..200_u32 {
            let number = number.to_string();
            let commit = Commit::new().put("left", number.clone()).put("right", number);
            if writer.commit(commit).await.is_err() {
                return false;
            }
        }
        true
    });
    while !writing.is_finished() {
        let found = store.get(&["left".into(), "right".into()]).await?;
        let versions: Vec<_> = found.value.iter().flatten().map(|found| found.version).collect();
        same!(versions.len(), 2);
        same!(versions[0], versions[1]);
        holds!(found.as_of >= versions[0]);
        tokio::task::yield_now().await;
    }
    holds!(writing.await?);
    Ok(())
}
