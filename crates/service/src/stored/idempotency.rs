//! Requests that carry an `Idempotency-Key`: the answer is kept for a day and given again to the same request.
//!
//! Keys are kept apart by the caller's key, so that nobody is given an answer to another's request. The row is written in
//! the commit that does what the request asks, so there is an answer exactly when it was done (decision 0046 says which commit that is).
//! Beside it stands a row in the order of time, by which it is found when it ends.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tessera_engine::time::Timestamp;
use tessera_store::{
    Commit, CommitError, Direction, Expect, Key, KeyRange, Limits, Row, ScanLimit, Store, Version, Versioned,
};

use crate::base::codec;
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::{KeyId, WorkspaceId};
use crate::base::store_error::{commit_failed, read_failed};
use crate::stored::brought::{self, Before};
use crate::stored::keys::{Family, KeyBuilder, Scope};
use crate::stored::row::rows_at_once;

mod sealed;

pub use sealed::Sealer;

/// How long an answer is kept, in seconds: a day.
pub const KEPT_SECS: u32 = 86_400;
const KEPT_MICROS: i64 = KEPT_SECS as i64 * 1_000_000;
/// Bytes of an answer that is kept.
pub const REPLY_BYTES_MAX: usize = 960 << 10;
/// Rows that one sweep looks at.
const LOOKED_AT_MAX: usize = 1_000;
/// The row that says when an answer ends: its key says all.
const ENDS: &[u8] = &[1];
/// The version of the record.
const VERSION: u8 = 1;

/// What a client calls its request: 1 to 200 printable characters of ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads the header.
    ///
    /// # Errors
    /// `Invalid` with `idempotency_key_invalid`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if (1..=200).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            Ok(Self(text.to_owned()))
        } else {
            let message = "an Idempotency-Key is 1 to 200 printable characters of ASCII";
            Err(Error::new(ErrorKind::Invalid, "idempotency_key_invalid", message))
        }
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A request under a key: who sent it, what it is called, and a hash of all that makes it this request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The workspace it is for.
    pub workspace: WorkspaceId,
    /// The caller's key.
    pub caller: KeyId,
    /// What the client calls it.
    pub key: IdempotencyKey,
    /// The hash of what it is.
    pub hash: RequestHash,
}

impl Request {
    /// A request about the directory, which belongs to no workspace.
    #[must_use]
    pub fn of_directory(caller: KeyId, key: IdempotencyKey, hash: RequestHash) -> Self {
        Self { workspace: WorkspaceId::SYSTEM, caller, key, hash }
    }
}

/// Bytes of an answer that a store with these limits keeps, beside the rows of the work that is answered.
#[must_use]
pub fn reply_bytes_max(limits: &Limits) -> usize {
    REPLY_BYTES_MAX.min(limits.value / 16 * 15).min(limits.bytes / 4)
}

/// The answer to a request whose own answer would be too long to keep. Nothing of it is done.
#[must_use]
pub fn reply_too_large(limit: usize) -> Error {
    let message = format!(
        "the answer would be too long to be kept for the Idempotency-Key, so nothing was done: send less at once, or without the key limit={limit}"
    );
    Error::new(ErrorKind::LimitExceeded, "reply_too_large", message)
}

/// The hash of all that makes a request what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHash([u8; 32]);

impl RequestHash {
    /// Of the method, the path with its query, and the body.
    #[must_use]
    pub fn of(method: &str, path: &str, body: &[u8]) -> Self {
        let lengths = [method.len() as u64, path.len() as u64].map(u64::to_be_bytes);
        let hash = lengths.iter().fold(Sha256::new(), |hash, length| hash.chain_update(length));
        Self(hash.chain_update(method).chain_update(path).chain_update(body).finalize().into())
    }
}

/// An answer that is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    status: u16,
    body: Bytes,
}

impl Reply {
    /// An answer of this status and body.
    ///
    /// # Errors
    /// `LimitExceeded` with `reply_too_large` for more than [`REPLY_BYTES_MAX`].
    pub fn new(status: u16, body: Bytes) -> Result<Self, Error> {
        if body.len() > REPLY_BYTES_MAX {
            return Err(reply_too_large(REPLY_BYTES_MAX));
        }
        Ok(Self { status, body })
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Its body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reply(status={}, bytes={})", self.status, self.body.len())
    }
}

/// A request, and how what it comes to is answered: the commit that does the work keeps the answer.
pub struct Once<T> {
    /// The request.
    pub request: Request,
    /// Makes the answer. It is asked before the commit: what it refuses is not done.
    pub render: Render<T>,
}

/// Makes the answer of what a request came to.
pub type Render<T> = Arc<dyn Fn(&T) -> Result<Reply, Error> + Send + Sync>;

impl<T> Clone for Once<T> {
    fn clone(&self) -> Self {
        Self { request: self.request.clone(), render: self.render.clone() }
    }
}

/// What came of a request.
#[derive(Debug)]
pub enum Given<T> {
    /// It was done now.
    Now(T),
    /// It was done before, and answered so.
    Before(Reply),
}

impl<T> Given<T> {
    /// What was done now, where there was no `Idempotency-Key`.
    ///
    /// # Errors
    /// `Internal`, which does not happen: only a request under one is answered by what was done before.
    pub fn now(self) -> Result<T, Error> {
        match self {
            Self::Now(now) => Ok(now),
            Self::Before(_) => {
                Err(Error::new(ErrorKind::Internal, "internal", "an answer of before was not asked for"))
            }
        }
    }

    /// The same, with what was done now made into something else.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Given<U> {
        match self {
            Self::Now(now) => Given::Now(make(now)),
            Self::Before(reply) => Given::Before(reply),
        }
    }
}

/// What is known of a request.
#[derive(Debug, Clone)]
pub enum Known {
    /// It was answered so.
    Answered(Reply),
    /// Nothing: it is to be done, and its answer written by the same commit.
    New(Claim),
}

/// The right to answer a request for the first time. Of two commits that carry a claim to one key, one conflicts on
/// [`Claim::row_key`]: its request is looked up again.
#[derive(Debug, Clone)]
pub struct Claim {
    row_key: Key,
    hash: RequestHash,
    /// An answer that is no longer kept stands there still, in this version.
    outdated: Option<Version>,
}

impl Claim {
    /// Where the answer will stand; a commit that lost against another answer names it in its conflict.
    #[must_use]
    pub fn row_key(&self) -> &Key {
        &self.row_key
    }

    /// What the commit that does what was asked asserts for the answer, and the answer's row.
    pub(crate) fn row(&self, reply: &Reply, now: Timestamp) -> (Expect, Bytes) {
        let record = Record { hash: self.hash.0, status: reply.status, body: &reply.body, at: now.micros() };
        (self.outdated.map_or(Expect::Absent, Expect::Version), codec::encode(VERSION, &record))
    }

    /// The row that says when the answer ends.
    pub(crate) fn ends(&self, now: Timestamp) -> (Key, Bytes) {
        (ends_key(&self.row_key, now), ENDS.into())
    }

    /// Adds the answer to the commit that does what was asked. Where no row stands yet it takes the commit's idempotency
    /// slot, which the store looks at first.
    #[must_use]
    pub fn answer(&self, mut commit: Commit, reply: &Reply, now: Timestamp) -> Commit {
        let (expect, value) = self.row(reply, now);
        commit.put.push(self.ends(now));
        if expect == Expect::Absent {
            commit.idempotency = Some((self.row_key.clone(), value));
        } else {
            commit.expect.push((self.row_key.clone(), expect));
            commit.put.push((self.row_key.clone(), value));
        }
        commit
    }
}

#[derive(Serialize, Deserialize)]
struct Record<'a> {
    hash: [u8; 32],
    status: u16,
    #[serde(borrow)]
    body: &'a [u8],
    at: i64,
}

/// Where the answer to a request stands: for a lane that reads it together with the rest.
#[must_use]
pub fn row_key(request: &Request) -> Key {
    let family = Scope::new(request.workspace).family(Family::Idempotency);
    family.bytes(request.caller.as_bytes()).bytes(request.key.0.as_bytes()).key()
}

/// What a stored row says of a request.
///
/// # Errors
/// `Conflict` with `idempotency_key_reused` when another request was answered under this key; `Corrupt`.
pub fn known(request: &Request, row: Option<&Versioned>, now: Timestamp) -> Result<Known, Error> {
    let claim = |outdated| Known::New(Claim { row_key: row_key(request), hash: request.hash, outdated });
    let Some(row) = row else {
        return Ok(claim(None));
    };
    let record: Record<'_> = codec::decode(VERSION, &row.value)?;
    if is_outdated(&record, now)? {
        return Ok(claim(Some(row.version)));
    }
    if record.hash != request.hash.0 {
        let message = "another request was answered under this Idempotency-Key in the last 24 hours";
        return Err(Error::new(ErrorKind::Conflict, "idempotency_key_reused", message));
    }
    Ok(Known::Answered(Reply { status: record.status, body: row.value.slice_ref(record.body) }))
}

/// Looks up what is known of a request: one point read.
///
/// # Errors
/// As [`known`], and what the store answers.
pub async fn look_up(store: &dyn Store, request: &Request, now: Timestamp) -> Result<Known, Error> {
    let found = store.get(&[row_key(request)]).await.map_err(|error| read_failed(&error))?;
    known(request, found.value.first().and_then(Option::as_ref), now)
}

/// Keeps the answer to a request that changed nothing, so that no commit of its work could carry it. Answers what is to be told: the answer
/// that another copy of the request was given at this moment, if one was.
///
/// # Errors
/// As [`look_up`], and what the store answers.
pub async fn keep(store: &dyn Store, request: &Request, reply: Reply, now: Timestamp) -> Result<Reply, Error> {
    let claim = match look_up(store, request, now).await? {
        Known::Answered(kept) => return Ok(kept),
        Known::New(claim) => claim,
    };
    match store.commit(claim.answer(Commit::new(), &reply, now)).await {
        Ok(_) | Err(CommitError::Ambiguous) => Ok(reply),
        Err(CommitError::Conflict(_)) => match look_up(store, request, now).await? {
            Known::Answered(kept) => Ok(kept),
            Known::New(_) => Ok(reply),
        },
        Err(error) => Err(commit_failed(&error)),
    }
}

/// An answer as it is kept: what its request is called, its body, and when it was given.
pub(crate) struct Kept<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) body: Bytes,
    pub(crate) at: Timestamp,
}

/// Reads a row.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn kept<'a>(key: &'a Key, row: &Bytes) -> Result<Kept<'a>, Error> {
    let record: Record<'_> = codec::decode(VERSION, row)?;
    let name = key.as_bytes().get(KeyBuilder::HEAD_BYTES + 12..).ok_or_else(|| codec::corrupt("idempotency key"))?;
    Ok(Kept { name, body: row.slice_ref(record.body), at: codec::instant(record.at)? })
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Answers removed.
    pub removed: usize,
    /// Whether there may be more to remove now.
    pub more: bool,
}

/// Drops answers of a workspace that are no longer kept, the oldest first: at most 1,000. Reads those alone.
///
/// # Errors
/// What the store answers; `Corrupt`.
pub async fn sweep(store: &dyn Store, workspace: WorkspaceId, now: Timestamp) -> Result<Swept, Error> {
    let scope = Scope::new(workspace);
    let due = sweep_range(store, scope, scope.answers_ending(Timestamp::MIN, Some(now.next())), now).await?;
    // Those of a clock that was ahead.
    let beyond = now.plus_micros(2 * KEPT_MICROS).next();
    let stray = sweep_range(store, scope, scope.answers_ending(beyond, None), now).await?;
    Ok(Swept { removed: due.removed + stray.removed, more: due.more || stray.more })
}

async fn sweep_range(store: &dyn Store, scope: Scope, range: KeyRange, now: Timestamp) -> Result<Swept, Error> {
    let rows = rows_at_once(store, LOOKED_AT_MAX, 4).min(store.limits().get_keys.max(1));
    let page = store.scan(&range, ScanLimit::rows(rows), Direction::Forward).await;
    let page = page.map_err(|error| read_failed(&error))?;
    let answer = |row: &Row| scope.answer_that_ends(&row.key).ok_or_else(|| codec::corrupt("key of an end"));
    let keys: Vec<Key> = page.rows.iter().map(answer).collect::<Result<_, _>>()?;
    let found = store.get(&keys).await.map_err(|error| read_failed(&error))?;
    let mut commit = Commit::new();
    let mut removed = 0;
    for ((end, key), row) in page.rows.into_iter().zip(keys).zip(found.value) {
        // One that was answered anew since has an end of its own.
        if let Some(row) = row
            && is_outdated(&codec::decode(VERSION, &row.value)?, now)?
            && !commit.del.contains(&key)
        {
            commit.expect.push((key.clone(), Expect::Version(row.version)));
            commit.del.push(key);
            removed += 1;
        }
        commit.del.push(end.key);
    }
    match store.commit(commit).await {
        Ok(_) => Ok(Swept { removed, more: page.next.is_some() }),
        // One of the keys was used again at this moment: the next run finds the others.
        Err(CommitError::Conflict(_)) => Ok(Swept { removed: 0, more: false }),
        Err(error) => Err(commit_failed(&error)),
    }
}

/// Brings along answers from before their ends stood beside them. Answers whether there are more.
///
/// # Errors
/// What the store answers; `Corrupt`.
pub(crate) async fn bring_along(store: &dyn Store, workspace: WorkspaceId) -> Result<bool, Error> {
    let end = |row: &Row| {
        let record: Record<'_> = codec::decode(VERSION, &row.value)?;
        Ok((ends_key(&row.key, codec::instant(record.at)?), Bytes::from_static(ENDS)))
    };
    brought::bring(store, Scope::new(workspace), Before::Answers, end).await
}

/// Where the end of an answer stands that was given at an instant.
pub(crate) fn ends_key(row_key: &Key, at: Timestamp) -> Key {
    let workspace = row_key.as_bytes().first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    // Answers of the directory stand with it.
    let scope = if workspace == 0 { Scope::system() } else { Scope::new(WorkspaceId::new(workspace)) };
    scope.answer_ends(at.plus_micros(KEPT_MICROS), row_key)
}

/// Whether an answer is kept no longer. One of more than a day ahead was given under a clock that was wrong.
fn is_outdated(record: &Record<'_>, now: Timestamp) -> Result<bool, Error> {
    let at = codec::instant(record.at)?;
    Ok(at.plus_micros(KEPT_MICROS) <= now || at > now.plus_micros(KEPT_MICROS))
}

#[cfg(test)]
mod tests;
