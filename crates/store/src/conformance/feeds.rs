//! The change feed: gapless, in commit order.

use super::bench::{append, filled, head, head_of, log, log_text, now, put};
use super::{Bench, Outcome};
use crate::commit::{Commit, CommitError};
use crate::contract::ReadError;
use crate::types::{Seq, Shard};

pub(super) async fn an_empty_feed_stands_before_one(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    same!(head(&*store).await?, head_of(1, 0));
    same!(log(&*store, 0).await?.len(), 0);
    Ok(())
}

pub(super) async fn every_shard_has_a_head(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let shards: Vec<_> = store.heads().await?.iter().map(|head| head.shard.0).collect();
    same!(shards, (0..store.limits().shards).collect::<Vec<_>>());
    Ok(())
}

pub(super) async fn the_first_row_is_one(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    same!(append(&*store, "x").await?, Seq(1));
    same!(head(&*store).await?, head_of(1, 1));
    same!(log(&*store, 0).await?, ["1=x"]);
    Ok(())
}

pub(super) async fn rows_of_one_commit_keep_their_order(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let committed = store.commit(Commit::new().feed("a").feed("b").feed("c")).await?;
    same!(committed.feed, [Seq(1), Seq(2), Seq(3)]);
    same!(log(&*store, 0).await?, ["1=a", "2=b", "3=c"]);
    Ok(())
}

pub(super) async fn rows_of_many_commits_have_no_gap(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    for number in 1..=30_u64 {
        same!(append(&*store, number.to_string()).await?, Seq(number));
        put(&*store, "a", "1").await?;
    }
    let expected: Vec<_> = (1..=30).map(|number| format!("{number}={number}")).collect();
    same!(log(&*store, 0).await?, expected);
    Ok(())
}

pub(super) async fn a_commit_without_a_row_adds_none(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let committed = store.commit(Commit::new().put("a", "1")).await?;
    same!(committed.feed.len(), 0);
    same!(head(&*store).await?, head_of(1, 0));
    Ok(())
}

pub(super) async fn a_row_alone_is_a_commit(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let before = now(&*store).await?;
    append(&*store, "x").await?;
    holds!(now(&*store).await? > before);
    Ok(())
}

pub(super) async fn a_refused_commit_leaves_no_gap(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put(&*store, "a", "1").await?;
    append(&*store, "x").await?;
    refused!(store.commit(Commit::new().create("a", "2").feed("no").feed("no")).await, CommitError::Conflict(_));
    same!(append(&*store, "y").await?, Seq(2));
    same!(log(&*store, 0).await?, ["1=x", "2=y"]);
    Ok(())
}

pub(super) async fn the_log_begins_behind_the_position(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    store.commit(Commit::new().feed("a").feed("b").feed("c")).await?;
    same!(log(&*store, 1).await?, ["2=b", "3=c"]);
    same!(log(&*store, 2).await?, ["3=c"]);
    Ok(())
}

pub(super) async fn the_log_at_the_head_is_empty(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    store.commit(Commit::new().feed("a").feed("b")).await?;
    same!(log(&*store, 2).await?.len(), 0);
    Ok(())
}

pub(super) async fn a_position_beyond_the_head_is_not_in_the_log(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    append(&*store, "a").await?;
    let beyond = ReadError::Trimmed { first: Seq(1), last: Seq(1) };
    same!(store.log(Shard::ZERO, Seq(2), 9).await, Err(beyond.clone()));
    same!(store.log(Shard::ZERO, Seq(u64::MAX), 9).await, Err(beyond));
    Ok(())
}

pub(super) async fn rows_are_limited(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    store.commit(Commit::new().feed("a").feed("b").feed("c")).await?;
    same!(log_text(&store.log(Shard::ZERO, Seq(0), 2).await?), ["1=a", "2=b"]);
    same!(log_text(&store.log(Shard::ZERO, Seq(2), 2).await?), ["3=c"]);
    Ok(())
}

pub(super) async fn zero_rows_is_invalid(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    refused!(store.log(Shard::ZERO, Seq(0), 0).await, ReadError::Invalid(_));
    Ok(())
}

pub(super) async fn an_unknown_shard_is_invalid(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let shard = Shard(store.limits().shards);
    refused!(store.log(shard, Seq(0), 1).await, ReadError::Invalid(_));
    refused!(store.snapshot().await?.log(shard, Seq(0), 1).await, ReadError::Invalid(_));
    refused!(store.trim(shard, Seq(1)).await, CommitError::Invalid(_));
    Ok(())
}

pub(super) async fn bytes_are_limited_but_reading_goes_on(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let limits = store.limits();
    let count = limits.page_bytes / limits.value + 1;
    for _ in 0..count {
        append(&*store, filled(limits.value)).await?;
    }
    let first = store.log(Shard::ZERO, Seq(0), usize::MAX).await?;
    same!(first.len(), count - 1);
    same!(store.log(Shard::ZERO, Seq(first.len() as u64), usize::MAX).await?.len(), 1);
    Ok(())
}

pub(super) async fn an_empty_row_is_a_row(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    append(&*store, "").await?;
    same!(log(&*store, 0).await?, ["1="]);
    Ok(())
}

pub(super) async fn bytes_come_back_as_they_were(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let all: Vec<u8> = (0..=255).collect();
    append(&*store, all.clone()).await?;
    let rows = store.log(Shard::ZERO, Seq(0), 1).await?;
    same!(rows[0].payload.to_vec(), all);
    Ok(())
}

pub(super) async fn many_rows_of_one_commit(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let ops = store.limits().ops;
    store.commit((0..ops).fold(Commit::new(), |commit, _| commit.feed("x"))).await?;
    same!(head(&*store).await?, head_of(1, ops as u64));
    let mut after = Seq(0);
    loop {
        let rows = store.log(Shard::ZERO, after, 7_000).await?;
        let Some(last) = rows.last() else { break };
        same!(last.seq.0 - after.0, rows.len() as u64);
        after = last.seq;
    }
    same!(after.0, ops as u64);
    Ok(())
}
