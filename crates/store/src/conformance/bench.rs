//! What cases are written with.

use std::sync::Arc;

use bytes::Bytes;

use super::{Failure, Harness};
use crate::commit::Commit;
use crate::contract::{FeedHead, Store};
use crate::types::{Direction, FeedRow, Key, KeyRange, Page, ScanLimit, Seq, Shard, Version};

/// Fails the case unless the two are equal.
macro_rules! same {
    ($left:expr, $right:expr) => {
        match (&$left, &$right) {
            (left, right) => {
                if *left != *right {
                    return Err($crate::conformance::Failure::new(format!(
                        "{}:{}: expected {right:?}, found {left:?}",
                        file!(),
                        line!()
                    )));
                }
            }
        }
    };
}

/// Fails the case unless the condition holds.
macro_rules! holds {
    ($condition:expr) => {
        if !$condition {
            return Err($crate::conformance::Failure::new(format!(
                "{}:{}: does not hold: {}",
                file!(),
                line!(),
                stringify!($condition)
            )));
        }
    };
}

/// Fails the case unless the answer is an error of this shape.
macro_rules! refused {
    ($answer:expr, $pattern:pat) => {
        match $answer {
            Err($pattern) => {}
            other => {
                return Err($crate::conformance::Failure::new(format!(
                    "{}:{}: expected {}, found {:?}",
                    file!(),
                    line!(),
                    stringify!($pattern),
                    other.map(|_| "an answer")
                )));
            }
        }
    };
}

/// The stores of one case.
#[derive(Clone)]
pub struct Bench {
    harness: Arc<dyn Harness>,
}

impl Bench {
    pub(crate) fn new(harness: Arc<dyn Harness>) -> Self {
        Self { harness }
    }

    /// Opens the case's store, or opens it again.
    pub(crate) async fn open(&self) -> Result<Arc<dyn Store>, Failure> {
        self.harness.open("main").await
    }

    /// Opens a second, separate store.
    pub(crate) async fn open_other(&self) -> Result<Arc<dyn Store>, Failure> {
        self.harness.open("other").await
    }
}

/// Puts one key.
pub(crate) async fn put(store: &dyn Store, key: &'static str, value: &'static str) -> Result<Version, Failure> {
    Ok(store.commit(Commit::new().put(key, value)).await?.version)
}

/// Puts these keys in one commit, each with itself as value.
pub(crate) async fn put_all(store: &dyn Store, keys: &[&'static str]) -> Result<Version, Failure> {
    let commit = keys.iter().fold(Commit::new(), |commit, key| commit.put(*key, *key));
    Ok(store.commit(commit).await?.version)
}

/// The value of one key as text.
pub(crate) async fn value(store: &dyn Store, key: &'static str) -> Result<Option<String>, Failure> {
    let found = store.get(&[Key::from(key)]).await?.value;
    Ok(found.into_iter().next().flatten().map(|found| text(&found.value)))
}

/// The version of one key.
pub(crate) async fn version(store: &dyn Store, key: &'static str) -> Result<Option<Version>, Failure> {
    let found = store.get(&[Key::from(key)]).await?.value;
    Ok(found.into_iter().next().flatten().map(|found| found.version))
}

/// The instant that a read sees now.
pub(crate) async fn now(store: &dyn Store) -> Result<Version, Failure> {
    Ok(store.get(&[]).await?.as_of)
}

/// Appends one row to the feed.
pub(crate) async fn append(store: &dyn Store, payload: impl Into<Bytes>) -> Result<Seq, Failure> {
    let committed = store.commit(Commit::new().feed(payload)).await?;
    committed.feed.first().copied().ok_or_else(|| Failure::new("a feed row got no position"))
}

/// Where the first shard stands.
pub(crate) async fn head(store: &dyn Store) -> Result<FeedHead, Failure> {
    store.heads().await?.first().copied().ok_or_else(|| Failure::new("no feed shard"))
}

/// The head of the first shard with these ends.
pub(crate) fn head_of(first: u64, last: u64) -> FeedHead {
    FeedHead { shard: Shard::ZERO, first: Seq(first), last: Seq(last) }
}

/// All rows of the first shard behind a position, as text.
pub(crate) async fn log(store: &dyn Store, after: u64) -> Result<Vec<String>, Failure> {
    Ok(log_text(&store.log(Shard::ZERO, Seq(after), usize::MAX).await?))
}

/// Rows of the feed as text: position and payload.
pub(crate) fn log_text(rows: &[FeedRow]) -> Vec<String> {
    rows.iter().map(|row| format!("{}={}", row.seq.0, text(&row.payload))).collect()
}

/// The keys that one page of so many rows holds.
pub(crate) async fn scan(
    store: &dyn Store,
    range: KeyRange,
    rows: usize,
    direction: Direction,
) -> Result<Vec<String>, Failure> {
    Ok(keys(&store.scan(&range, ScanLimit::rows(rows), direction).await?))
}

/// All keys of a range, page by page of so many rows.
pub(crate) async fn scan_all(
    store: &dyn Store,
    range: KeyRange,
    rows: usize,
    direction: Direction,
) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    let mut rest = Some(range);
    while let Some(range) = rest {
        let page = store.scan(&range, ScanLimit::rows(rows), direction).await?;
        found.extend(keys(&page));
        rest = page.next;
    }
    Ok(found)
}

/// The keys of a page as text.
pub(crate) fn keys(page: &Page) -> Vec<String> {
    page.rows.iter().map(|row| text(row.key.as_bytes())).collect()
}

/// Bytes as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// So many bytes.
pub(crate) fn filled(len: usize) -> Bytes {
    Bytes::from(vec![b'x'; len])
}

/// Numbered keys that sort by number.
pub(crate) fn numbered(prefix: &str, number: usize) -> Key {
    Key::new(format!("{prefix}{number:06}").into_bytes())
}

/// A small reproducible source of numbers (xorshift), so that random cases are the same everywhere.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below the bound.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
