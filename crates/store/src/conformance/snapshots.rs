//! Snapshots: one instant, whatever happens after it.

use super::bench::{append, head_of, keys, log_text, now, numbered, put, put_all};
use super::{Bench, Failure, Outcome};
use crate::commit::Commit;
use crate::contract::{ReadError, Snapshot};
use crate::types::Direction::{Backward, Forward};
use crate::types::{FenceName, KeyRange, ScanLimit, Seq, Shard, Version};

async fn rows(snapshot: &dyn Snapshot) -> Result<Vec<String>, Failure> {
    Ok(keys(&snapshot.scan(&KeyRange::all(), ScanLimit::rows(99), Forward).await?))
}

pub(super) async fn an_empty_store_has_one(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let snapshot = store.snapshot().await?;
    same!(snapshot.as_of(), Version(0));
    same!(rows(&*snapshot).await?.len(), 0);
    same!(snapshot.heads().await?, [head_of(1, 0)]);
    same!(snapshot.fences().await?.len(), 0);
    Ok(())
}

pub(super) async fn it_sees_what_was_committed(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let version = store.commit(Commit::new().put("a", "1").feed("x")).await?.version;
    let snapshot = store.snapshot().await?;
    same!(snapshot.as_of(), version);
    same!(snapshot.get(&["a".into()]).await?[0].as_ref().map(|found| found.version), Some(version));
    same!(rows(&*snapshot).await?, ["a"]);
    same!(log_text(&snapshot.log(Shard::ZERO, Seq(0), 9).await?), ["1=x"]);
    Ok(())
}

pub(super) async fn later_puts_are_not_seen(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let version = put(&*store, "a", "1").await?;
    let snapshot = store.snapshot().await?;
    put(&*store, "a", "2").await?;
    put(&*store, "b", "1").await?;
    let found = snapshot.get(&["a".into(), "b".into()]).await?;
    same!(found[0].as_ref().map(|found| found.version), Some(version));
    same!(found[1], None);
    same!(rows(&*snapshot).await?, ["a"]);
    Ok(())
}

pub(super) async fn later_deletes_are_not_seen(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put_all(&*store, &["a", "b"]).await?;
    let snapshot = store.snapshot().await?;
    store.commit(Commit::new().delete("a")).await?;
    same!(rows(&*snapshot).await?, ["a", "b"]);
    holds!(snapshot.get(&["a".into()]).await?[0].is_some());
    Ok(())
}

pub(super) async fn later_feed_rows_are_not_seen(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    append(&*store, "x").await?;
    let snapshot = store.snapshot().await?;
    append(&*store, "y").await?;
    same!(snapshot.heads().await?, [head_of(1, 1)]);
    same!(log_text(&snapshot.log(Shard::ZERO, Seq(0), 9).await?), ["1=x"]);
    refused!(snapshot.log(Shard::ZERO, Seq(2), 9).await, ReadError::Trimmed { .. });
    Ok(())
}

pub(super) async fn later_trims_are_not_seen(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    store.commit(Commit::new().feed("x").feed("y")).await?;
    let snapshot = store.snapshot().await?;
    store.trim(Shard::ZERO, Seq(3)).await?;
    same!(snapshot.heads().await?, [head_of(1, 2)]);
    same!(log_text(&snapshot.log(Shard::ZERO, Seq(0), 9).await?), ["1=x", "2=y"]);
    Ok(())
}

pub(super) async fn later_raises_are_not_seen(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    store.raise(&FenceName::new("a")).await?;
    let snapshot = store.snapshot().await?;
    store.raise(&FenceName::new("a")).await?;
    store.raise(&FenceName::new("b")).await?;
    same!(snapshot.fences().await?.iter().map(|(_, epoch)| epoch.0).collect::<Vec<_>>(), [1]);
    Ok(())
}

pub(super) async fn two_see_each_their_own(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put(&*store, "a", "1").await?;
    let first = store.snapshot().await?;
    put(&*store, "b", "1").await?;
    let second = store.snapshot().await?;
    store.commit(Commit::new().delete("a")).await?;
    same!(rows(&*first).await?, ["a"]);
    same!(rows(&*second).await?, ["a", "b"]);
    holds!(first.as_of() < second.as_of());
    same!(rows(&*store.snapshot().await?).await?, ["b"]);
    Ok(())
}

pub(super) async fn its_pages_join_while_writing_goes_on(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let all: Vec<_> = (0..50).map(|number| numbered("k", number)).collect();
    store.commit(all.iter().fold(Commit::new(), |commit, key| commit.put(key.clone(), "1"))).await?;
    let snapshot = store.snapshot().await?;
    for direction in [Forward, Backward] {
        let mut found = 0;
        let mut rest = Some(KeyRange::all());
        while let Some(range) = rest {
            let page = snapshot.scan(&range, ScanLimit::rows(7), direction).await?;
            same!(page.as_of, snapshot.as_of());
            found += page.rows.len();
            rest = page.next;
            let commit = Commit::new().put(numbered("n", found), "1").delete(all[found % 50].clone());
            store.commit(commit).await?;
        }
        same!(found, 50);
    }
    Ok(())
}

pub(super) async fn its_reads_are_bounded_too(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put(&*store, "a", "1").await?;
    let snapshot = store.snapshot().await?;
    let keys = vec!["a".into(); store.limits().get_keys + 1];
    refused!(snapshot.get(&keys).await, ReadError::Invalid(_));
    refused!(snapshot.scan(&KeyRange::all(), ScanLimit::rows(0), Forward).await, ReadError::Invalid(_));
    refused!(snapshot.log(Shard::ZERO, Seq(0), 0).await, ReadError::Invalid(_));
    Ok(())
}

pub(super) async fn it_survives_many_later_writes(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put(&*store, "a", "first").await?;
    let snapshot = store.snapshot().await?;
    for _ in 0..300 {
        put(&*store, "a", "later").await?;
    }
    let found = snapshot.get(&["a".into()]).await?;
    same!(found[0].as_ref().map(|found| found.value.to_vec()), Some(b"first".to_vec()));
    Ok(())
}

pub(super) async fn its_instant_is_a_hint(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let version = put(&*store, "a", "1").await?;
    let snapshot = store.snapshot().await?;
    put(&*store, "b", "1").await?;
    store.commit(Commit::new().replace("a", version, "2").as_of(snapshot.as_of())).await?;
    holds!(now(&*store).await? > snapshot.as_of());
    Ok(())
}
