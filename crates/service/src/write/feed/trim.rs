//! What keeps the feed within its bounds: rows go when they are too old, or when there are too many bytes of them.
//!
//! The rows are counted once, as they come. Every so many bytes, and every so often, a mark says how far they reach and when that was; what is
//! trimmed ends at a mark. So nothing depends on the times in the rows, and nobody reads the feed again to know what it holds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::time::Timestamp;
use tessera_store::{Commit, Direction, FeedHead, Key, ScanLimit, Seq, Shard, Store};

use crate::base::codec;
use crate::base::components::Clock;
use crate::base::error::Error;
use crate::base::settings::FeedBounds;
use crate::base::store_error::{commit_failed, read_failed};
use crate::stored::keys::Scope;
use crate::stored::layout::read_mark_key;

/// The bounds are met to one part in so many.
const PARTS: u64 = 256;
/// Rows counted in one step, and dropped in one.
const ROWS_AT_ONCE: u64 = 10_000;
/// Rows of the feed that are read in one go.
const PAGE_ROWS: usize = 1_000;
/// What a row takes besides what it says.
const ROW_BYTES: u64 = 24;
const VERSION: u8 = 1;

/// What a step left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trimmed {
    /// Nothing that is to be done now.
    All,
    /// There is more.
    Some,
}

/// Counts the rows of the feed, and trims it.
pub(crate) struct Trimmer {
    store: Arc<dyn Store>,
    clock: Clock,
    bounds: FeedBounds,
    /// What was counted; none before the marks are read, and after a failure.
    shards: BTreeMap<Shard, Counted>,
}

/// How far the rows of a shard were counted.
struct Counted {
    /// In order of position. The first one is where what is kept begins, or before.
    marks: VecDeque<Mark>,
    until: Seq,
    /// Of all rows up to there, since somebody counts.
    bytes: u64,
}

/// That the rows up to a position came to so many bytes, and were there at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    until: Seq,
    at: Timestamp,
    bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct MarkRecord {
    at: i64,
    bytes: u64,
}

impl Trimmer {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Clock, bounds: FeedBounds) -> Self {
        Self { store, clock, bounds, shards: BTreeMap::new() }
    }

    /// Counts some of the rows that came, and drops some of those that are over the bounds. Broken off anywhere, it is done again.
    ///
    /// # Errors
    /// What the store answers; `Corrupt`.
    pub(crate) async fn step(&mut self) -> Result<Trimmed, Error> {
        let outcome = self.try_step().await;
        if outcome.is_err() {
            // What stands in the store is what counts.
            self.shards.clear();
        }
        outcome
    }

    async fn try_step(&mut self) -> Result<Trimmed, Error> {
        let mut left = Trimmed::All;
        for head in self.store.heads().await.map_err(|error| read_failed(&error))? {
            let mut counted = match self.shards.remove(&head.shard) {
                Some(counted) => counted,
                None => self.read(&head).await?,
            };
            // A full disk is made room on first.
            let (head, trimmed) = self.trim(head, &counted).await?;
            let (written, read) = self.count(&head, &mut counted).await?;
            self.save(head.shard, &mut counted, &head, written).await?;
            if trimmed == Trimmed::Some || read == Trimmed::Some || self.over(&head, &counted).is_some() {
                left = Trimmed::Some;
            }
            self.shards.insert(head.shard, counted);
        }
        Ok(left)
    }

    /// The marks that stand in the store.
    async fn read(&self, head: &FeedHead) -> Result<Counted, Error> {
        let mut marks = VecDeque::new();
        let mut rest = Some(Scope::system().marks_of(head.shard));
        while let Some(range) = rest.take() {
            let page = self.store.scan(&range, ScanLimit::rows(PAGE_ROWS), Direction::Forward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            for row in page.rows {
                let (_, until) = read_mark_key(&row.key).ok_or_else(|| codec::corrupt("key of a mark"))?;
                let MarkRecord { at, bytes } = codec::decode(VERSION, &row.value)?;
                marks.push_back(Mark { until, at: codec::instant(at)?, bytes });
            }
            rest = page.next;
        }
        // One that lies beyond the feed is of another history.
        let mut strays = Commit::new();
        while let Some(mark) = marks.back().copied().filter(|mark: &Mark| mark.until > head.last) {
            strays = strays.delete(Scope::system().mark(head.shard, mark.until));
            marks.pop_back();
        }
        self.store.commit(strays).await.map_err(|error| commit_failed(&error))?;
        let begin = Seq(head.first.0.saturating_sub(1));
        if marks.front().is_none_or(|first| first.until > begin) {
            marks.push_front(Mark { until: begin, at: (self.clock)(), bytes: 0 });
        }
        let last = *marks.back().expect("there is one at least");
        Ok(Counted { marks, until: last.until.max(begin), bytes: last.bytes })
    }

    /// The mark up to which rows are over the bounds.
    fn over(&self, head: &FeedHead, counted: &Counted) -> Option<Mark> {
        let now = (self.clock)();
        let is_old = |mark: &&Mark| now.micros().saturating_sub(mark.at.micros()) >= self.bounds.micros_max();
        let old = counted.marks.iter().rev().find(is_old);
        let kept = |mark: &Mark| counted.bytes.saturating_sub(mark.bytes);
        let is_too_much = counted.marks.front().is_some_and(|first| kept(first) > self.bounds.bytes_max);
        let fits = |mark: &&Mark| kept(mark) <= self.bounds.bytes_max;
        let large = is_too_much.then(|| counted.marks.iter().find(fits).or(counted.marks.back())).flatten();
        let last = [old, large].into_iter().flatten().max_by_key(|mark| mark.until)?;
        (last.until >= head.first).then_some(*last)
    }

    /// Drops some of the rows that are over the bounds.
    async fn trim(&self, head: FeedHead, counted: &Counted) -> Result<(FeedHead, Trimmed), Error> {
        let Some(mark) = self.over(&head, counted) else { return Ok((head, Trimmed::All)) };
        let end = Seq(mark.until.0 + 1);
        let before = end.min(Seq(head.first.0 + ROWS_AT_ONCE));
        self.store.trim(head.shard, before).await.map_err(|error| commit_failed(&error))?;
        metrics::counter!(crate::base::names::FEED_TRIMMED).increment(before.0 - head.first.0);
        let left = if before < end { Trimmed::Some } else { Trimmed::All };
        Ok((FeedHead { first: before, ..head }, left))
    }

    /// Counts some of the rows that came. Answers the marks that are to be written.
    async fn count(&self, head: &FeedHead, counted: &mut Counted) -> Result<(Vec<Mark>, Trimmed), Error> {
        let now = (self.clock)();
        let mut written = Vec::new();
        // A clock that was ahead has made marks that would never be old.
        for mark in counted.marks.iter_mut().filter(|mark| mark.at > now) {
            mark.at = now;
            written.push(*mark);
        }
        let begin = Seq(head.first.0.saturating_sub(1));
        counted.until = counted.until.max(begin);
        let (bytes_each, micros_each) = (self.bounds.bytes_max / PARTS, self.bounds.micros_max() / 256);
        let (mut rows_read, mut left) = (0, Trimmed::Some);
        while rows_read < ROWS_AT_ONCE {
            let rows = self.store.log(head.shard, counted.until, PAGE_ROWS).await;
            let rows = rows.map_err(|error| read_failed(&error))?;
            if rows.is_empty() {
                left = Trimmed::All;
                break;
            }
            rows_read += rows.len() as u64;
            for row in rows {
                counted.until = row.seq;
                counted.bytes += row.payload.len() as u64 + ROW_BYTES;
                let since = counted.marks.back().map_or(0, |mark| mark.bytes);
                if counted.bytes - since > bytes_each {
                    written.push(counted.mark(now));
                }
            }
            tokio::task::yield_now().await;
        }
        let is_due = |last: &Mark| counted.until > last.until && now.micros() - last.at.micros() >= micros_each;
        if counted.marks.back().is_some_and(is_due) {
            written.push(counted.mark(now));
        }
        Ok((written, left))
    }

    /// Writes marks, and removes those that lie before what is kept.
    async fn save(
        &self,
        shard: Shard,
        counted: &mut Counted,
        head: &FeedHead,
        written: Vec<Mark>,
    ) -> Result<(), Error> {
        let key = |mark: &Mark| Scope::system().mark(shard, mark.until);
        let mut dels = Vec::new();
        while counted.marks.get(1).is_some_and(|second| second.until < head.first) {
            dels.extend(counted.marks.pop_front().iter().map(key));
        }
        let begin = counted.marks.front().map_or(Seq(0), |first| first.until);
        let stay = written.iter().filter(|mark| mark.until >= begin);
        let mut puts: Vec<(Key, Bytes)> = stay.map(|mark| (key(mark), encode(mark))).collect();
        let at_once = self.store.limits().ops.max(1);
        while !puts.is_empty() || !dels.is_empty() {
            let put: Vec<_> = puts.drain(..puts.len().min(at_once)).collect();
            let del: Vec<_> = dels.drain(..dels.len().min(at_once - put.len())).collect();
            let commit = Commit { put, del, ..Commit::new() };
            self.store.commit(commit).await.map_err(|error| commit_failed(&error))?;
        }
        Ok(())
    }
}

impl Counted {
    /// Makes a mark of how far it has come.
    fn mark(&mut self, at: Timestamp) -> Mark {
        let mark = Mark { until: self.until, at, bytes: self.bytes };
        self.marks.push_back(mark);
        mark
    }
}

fn encode(mark: &Mark) -> Bytes {
    codec::encode(VERSION, &MarkRecord { at: mark.at.micros(), bytes: mark.bytes })
}

#[cfg(test)]
mod tests;
