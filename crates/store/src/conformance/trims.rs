//! `trim`.

use super::bench::{append, head, head_of, log, now};
use super::{Bench, Failure, Outcome};
use crate::commit::Commit;
use crate::contract::{ReadError, Store};
use crate::types::{Seq, Shard};

async fn feed_of(bench: &Bench, rows: u64) -> Result<std::sync::Arc<dyn Store>, Failure> {
    let store = bench.open().await?;
    store.commit((1..=rows).fold(Commit::new(), |commit, number| commit.feed(number.to_string()))).await?;
    Ok(store)
}

pub(super) async fn rows_below_are_dropped(bench: Bench) -> Outcome {
    let store = feed_of(&bench, 5).await?;
    store.trim(Shard::ZERO, Seq(3)).await?;
    same!(head(&*store).await?, head_of(3, 5));
    same!(log(&*store, 2).await?, ["3=3", "4=4", "5=5"]);
    Ok(())
}

pub(super) async fn a_dropped_position_is_reported_with_the_ends(bench: Bench) -> Outcome {
    let store = feed_of(&bench, 5).await?;
    store.trim(Shard::ZERO, Seq(3)).await?;
    let trimmed = Err(ReadError::Trimmed { first: Seq(3), last: Seq(5) });
    same!(store.log(Shard::ZERO, Seq(0), 9).await, trimmed);
    same!(store.log(Shard::ZERO, Seq(1), 9).await, trimmed);
    Ok(())
}

pub(super) async fn everything_may_be_dropped(bench: Bench) -> Outcome {
    let store = feed_of(&bench, 5).await?;
    store.trim(Shard::ZERO, Seq(6)).await?;
    same!(head(&*store).await?, head_of(6, 5));
    same!(log(&*store, 5).await?.len(), 0);
    refused!(store.log(Shard::ZERO, Seq(4), 9).await, ReadError::Trimmed { .. });
    Ok(())
}

pub(super) async fn numbers_go_on_after_everything_was_dropped(bench: Bench) -> Outcome {
    let store = feed_of(&bench, 5).await?;
    store.trim(Shard::ZERO, Seq(6)).await?;
    same!(append(&*store, "x").await?, Seq(6));
    same!(log(&*store, 5).await?, ["6=x"]);
    Ok(())
}

pub(super) async fn it_goes_at_most_to_the_head(bench: Bench) -> Outcome {
    let store = feed_of(&bench, 5).await?;
    store.trim(Shard::ZERO, Seq(u64::MAX)).await?;
    same!(head(&*store).await?, head_of(6, 5));
    same!(append(&*store, "x").await?, Seq(6));
    Ok(())
}

pub(super) async fn it_never_moves_backwards(bench: Bench) -> Outcome {
    let store = feed_of(&bench, 5).await?;
    store.trim(Shard::ZERO, Seq(4)).await?;
    store.trim(Shard::ZERO, Seq(2)).await?;
    store.trim(Shard::ZERO, Seq(0)).await?;
    same!(head(&*store).await?, head_of(4, 5));
    Ok(())
}

pub(super) async fn it_may_be_repeated(bench: Bench) -> Outcome {
    let store = feed_of(&bench, 5).await?;
    for _ in 0..3 {
        store.trim(Shard::ZERO, Seq(4)).await?;
        same!(head(&*store).await?, head_of(4, 5));
    }
    Ok(())
}

pub(super) async fn an_empty_feed_may_be_trimmed(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    store.trim(Shard::ZERO, Seq(9)).await?;
    same!(head(&*store).await?, head_of(1, 0));
    same!(append(&*store, "x").await?, Seq(1));
    Ok(())
}

pub(super) async fn it_is_no_commit(bench: Bench) -> Outcome {
    let store = feed_of(&bench, 5).await?;
    let before = now(&*store).await?;
    store.trim(Shard::ZERO, Seq(3)).await?;
    same!(now(&*store).await?, before);
    Ok(())
}

pub(super) async fn many_rows_are_dropped(bench: Bench) -> Outcome {
    let store = feed_of(&bench, 9_000).await?;
    store.trim(Shard::ZERO, Seq(8_999)).await?;
    same!(head(&*store).await?, head_of(8_999, 9_000));
    same!(log(&*store, 8_998).await?, ["8999=8999", "9000=9000"]);
    Ok(())
}

pub(super) async fn it_lasts(bench: Bench) -> Outcome {
    let store = feed_of(&bench, 5).await?;
    store.trim(Shard::ZERO, Seq(3)).await?;
    drop(store);
    let store = bench.open().await?;
    same!(head(&*store).await?, head_of(3, 5));
    same!(log(&*store, 2).await?, ["3=3", "4=4", "5=5"]);
    same!(append(&*store, "x").await?, Seq(6));
    Ok(())
}

pub(super) async fn it_does_not_disturb_writers(bench: Bench) -> Outcome {
    let store = feed_of(&bench, 5_000).await?;
    let trimmer = std::sync::Arc::clone(&store);
    let trimming = tokio::spawn(async move { trimmer.trim(Shard::ZERO, Seq(5_001)).await });
    for number in 5_001..=5_040 {
        same!(append(&*store, "x").await?, Seq(number));
    }
    trimming.await??;
    same!(head(&*store).await?, head_of(5_001, 5_040));
    same!(log(&*store, 5_000).await?.len(), 40);
    Ok(())
}
