//! Many writers at once: nothing is lost, nothing happens twice, nothing is half seen.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::bench::{Dice, append, head, head_of, log, now, numbered, text};
use super::{Bench, Failure, Outcome};
use crate::commit::{Commit, CommitError};
use crate::contract::Store;
use crate::types::{FenceName, Key, Version, Versioned};

const WRITERS: u64 = 8;
const ROUNDS: u64 = 20;

fn number(found: Option<&Versioned>) -> Result<u64, Failure> {
    let Some(found) = found else { return Ok(0) };
    text(&found.value).parse().map_err(|_| Failure::new("a counter is no number"))
}

/// Adds to two counters in one mini-transaction, again and again until it happens.
async fn transfer(store: &dyn Store, from: &Key, to: &Key, hinted: bool) -> Outcome {
    loop {
        let found = store.get(&[from.clone(), to.clone()]).await?;
        let mut commit = Commit::new();
        for (key, found, sign) in [(from, &found.value[0], false), (to, &found.value[1], true)] {
            let value = number(found.as_ref())?;
            let value = if sign { value + 1 } else { value.wrapping_sub(1) };
            commit = match found {
                Some(found) => commit.replace(key.clone(), found.version, value.to_string()),
                None => commit.create(key.clone(), value.to_string()),
            };
        }
        if hinted {
            commit = commit.as_of(found.as_of);
        }
        match store.commit(commit).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict(key)) => holds!(key == *from || key == *to),
            Err(error) => return Err(error.into()),
        }
    }
}

async fn increment(store: &dyn Store, key: Key) -> Outcome {
    loop {
        let found = store.get(std::slice::from_ref(&key)).await?;
        let next = (number(found.value[0].as_ref())? + 1).to_string();
        let commit = match &found.value[0] {
            Some(found) => Commit::new().replace(key.clone(), found.version, next),
            None => Commit::new().create(key.clone(), next),
        };
        match store.commit(commit.feed(key.clone().into_bytes())).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

async fn increments(bench: Bench, counters: u64) -> Outcome {
    let store = bench.open().await?;
    let mut tasks = Vec::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            for round in 0..ROUNDS {
                increment(&*store, numbered("c", ((writer + round) % counters) as usize)).await?;
            }
            Ok::<_, Failure>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let keys: Vec<_> = (0..counters).map(|counter| numbered("c", counter as usize)).collect();
    let mut sum = 0;
    for found in store.get(&keys).await?.value {
        sum += number(found.as_ref())?;
    }
    same!(sum, WRITERS * ROUNDS);
    same!(head(&*store).await?, head_of(1, WRITERS * ROUNDS));
    Ok(())
}

pub(super) async fn one_counter_loses_nothing(bench: Bench) -> Outcome {
    increments(bench, 1).await
}

pub(super) async fn four_counters_lose_nothing(bench: Bench) -> Outcome {
    increments(bench, 4).await
}

pub(super) async fn one_creator_wins(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let mut tasks = Vec::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move { store.commit(Commit::new().create("a", writer.to_string())).await }));
    }
    let mut won = 0;
    for task in tasks {
        match task.await? {
            Ok(_) => won += 1,
            Err(error) => same!(error, CommitError::Conflict("a".into())),
        }
    }
    same!(won, 1);
    Ok(())
}

pub(super) async fn one_idempotent_commit_happens(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let mut tasks = Vec::new();
    for _ in 0..WRITERS {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move { store.commit(Commit::new().feed("x").idempotency("id", "")).await }));
    }
    let mut won = 0;
    for task in tasks {
        match task.await? {
            Ok(_) => won += 1,
            Err(error) => same!(error, CommitError::Conflict("id".into())),
        }
    }
    same!(won, 1);
    same!(log(&*store, 0).await?, ["1=x"]);
    Ok(())
}

pub(super) async fn disjoint_writers_never_conflict(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let mut tasks = Vec::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            let mut versions = Vec::new();
            for round in 0..ROUNDS {
                let key = numbered("k", (writer * ROUNDS + round) as usize);
                versions.push(store.commit(Commit::new().create(key, "1")).await?.version);
            }
            Ok::<_, Failure>(versions)
        }));
    }
    let mut all = BTreeSet::new();
    for task in tasks {
        all.extend(task.await??);
    }
    same!(all.len() as u64, WRITERS * ROUNDS);
    same!(all.last().copied(), Some(now(&*store).await?));
    Ok(())
}

pub(super) async fn the_feed_is_gapless_and_in_commit_order(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let mut tasks = Vec::new();
    for _ in 0..WRITERS {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            let mut done = Vec::new();
            for round in 0..ROUNDS {
                let rows = (0..=round % 3).fold(Commit::new(), |commit, _| commit.feed("x"));
                done.push(store.commit(rows).await?);
            }
            Ok::<_, Failure>(done)
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await??);
    }
    all.sort_by_key(|committed| committed.version);
    let positions: Vec<_> = all.iter().flat_map(|committed| &committed.feed).map(|seq| seq.0).collect();
    same!(positions, (1..=positions.len() as u64).collect::<Vec<_>>());
    same!(log(&*store, 0).await?.len(), positions.len());
    Ok(())
}

async fn transfers(bench: Bench, hinted: bool) -> Outcome {
    let store = bench.open().await?;
    let accounts: Vec<_> = (0..5).map(|account| numbered("a", account)).collect();
    let opening = accounts.iter().fold(Commit::new(), |commit, key| commit.put(key.clone(), "1000"));
    store.commit(opening).await?;
    let mut tasks = Vec::new();
    for writer in 0..WRITERS {
        let (store, accounts) = (Arc::clone(&store), accounts.clone());
        tasks.push(tokio::spawn(async move {
            let mut dice = Dice(writer + 1);
            for _ in 0..ROUNDS {
                let from = dice.below(5) as usize;
                let to = (from + 1 + dice.below(4) as usize) % 5;
                transfer(&*store, &accounts[from], &accounts[to], hinted).await?;
            }
            Ok::<_, Failure>(())
        }));
    }
    let mut last = Version(0);
    while !tasks.iter().all(tokio::task::JoinHandle::is_finished) {
        let found = store.get(&accounts).await?;
        holds!(found.as_of >= last);
        last = found.as_of;
        let mut sum = 0;
        for found in &found.value {
            sum += number(found.as_ref())?;
        }
        same!(sum, 5_000);
        let snapshot = store.snapshot().await?;
        let mut sum = 0;
        for found in snapshot.get(&accounts).await? {
            sum += number(found.as_ref())?;
        }
        same!(sum, 5_000);
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}

pub(super) async fn sums_hold_at_every_instant(bench: Bench) -> Outcome {
    transfers(bench, false).await
}

pub(super) async fn sums_hold_at_every_instant_with_hints(bench: Bench) -> Outcome {
    transfers(bench, true).await
}

pub(super) async fn every_raise_gives_its_own_epoch(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let mut tasks = Vec::new();
    for _ in 0..WRITERS {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move { store.raise(&FenceName::new("job")).await }));
    }
    let mut epochs = BTreeSet::new();
    for task in tasks {
        epochs.insert(task.await??.0);
    }
    same!(epochs, (1..=WRITERS).collect::<BTreeSet<_>>());
    Ok(())
}

pub(super) async fn a_tailing_reader_sees_every_row_once(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let writer = Arc::clone(&store);
    let writing = tokio::spawn(async move {
        for number in 1..=100_u64 {
            append(&*writer, number.to_string()).await?;
        }
        Ok::<_, Failure>(())
    });
    let mut seen = Vec::new();
    while seen.len() < 100 {
        let rows = log(&*store, seen.len() as u64).await?;
        if rows.is_empty() && writing.is_finished() && head(&*store).await?.last.0 == seen.len() as u64 {
            break;
        }
        seen.extend(rows);
        tokio::task::yield_now().await;
    }
    writing.await??;
    same!(seen, (1..=100).map(|number| format!("{number}={number}")).collect::<Vec<_>>());
    Ok(())
}

pub(super) async fn an_answered_commit_is_read_at_once(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let mut tasks = Vec::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            let key = numbered("k", writer as usize);
            for _ in 0..ROUNDS {
                let committed = store.commit(Commit::new().put(key.clone(), "1")).await?;
                let found = store.get(std::slice::from_ref(&key)).await?;
                same!(found.value[0].as_ref().map(|found| found.version), Some(committed.version));
                holds!(found.as_of >= committed.version);
            }
            Ok::<_, Failure>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}
