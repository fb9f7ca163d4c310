//! Requests that carry an `Idempotency-Key`: the answer is kept for a day and given again to the same request.
//!
//! Keys are kept apart by the caller's key, so that nobody is given an answer to another's request. The row is written in
//! the commit that does what the request asks, so there is an answer exactly when it was done (decision 0046 says which commit that is).

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tessera_engine::time::Timestamp;
use tessera_store::{
    Commit, CommitError, Direction, Expect, Key, KeyRange, Limits, ScanLimit, Store, Version, Versioned,
};

use crate::codec;
use crate::directory::{KeyId, WorkspaceId};
use crate::error::{Error, ErrorKind};
use crate::keys::{Family, KeyBuilder, Scope};
use crate::row::rows_at_once;
use crate::store_error::{commit_failed, read_failed};

mod sealed;

pub use sealed::Sealer;

/// How long an answer is kept, in seconds: a day.
pub const KEPT_SECS: u32 = 86_400;
/// Bytes of an answer that is kept.
pub const REPLY_BYTES_MAX: usize = 960 << 10;
/// Rows that one sweep looks at.
const LOOKED_AT_MAX: usize = 1_000;
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

    /// Adds the answer to the commit that does what was asked. Where no row stands yet it takes the commit's idempotency
    /// slot, which the store looks at first.
    #[must_use]
    pub fn answer(&self, mut commit: Commit, reply: &Reply, now: Timestamp) -> Commit {
        let (expect, value) = self.row(reply, now);
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
    /// Answers removed.
    pub removed: usize,
    /// What is left to look at by the next run; none when this one came to the end.
    pub rest: Option<KeyRange>,
}

/// Drops answers of a workspace that are no longer kept. Looks at 1,000 rows and goes on where `rest` of an earlier run
/// says; without it, it begins at the beginning, which costs only time.
///
/// # Errors
/// What the store answers; `Corrupt`.
pub async fn sweep(
    store: &dyn Store,
    workspace: WorkspaceId,
    now: Timestamp,
    rest: Option<KeyRange>,
) -> Result<Swept, Error> {
    let range = rest.unwrap_or_else(|| Scope::new(workspace).family(Family::Idempotency).range());
    let page = store.scan(&range, ScanLimit::rows(rows_at_once(store, LOOKED_AT_MAX, 3)), Direction::Forward).await;
    let page = page.map_err(|error| read_failed(&error))?;
    let mut commit = Commit::new();
    for row in page.rows {
        if is_outdated(&codec::decode(VERSION, &row.value)?, now)? {
            commit.expect.push((row.key.clone(), Expect::Version(row.version)));
            commit.del.push(row.key);
        }
    }
    let removed = commit.del.len();
    match store.commit(commit).await {
        Ok(_) => Ok(Swept { removed, rest: page.next }),
        // One of the keys was used again at this moment: the next run finds the others.
        Err(CommitError::Conflict(_)) => Ok(Swept { removed: 0, rest: page.next }),
        Err(error) => Err(commit_failed(&error)),
    }
}

fn is_outdated(record: &Record<'_>, now: Timestamp) -> Result<bool, Error> {
    Ok(codec::instant(record.at)?.plus_micros(i64::from(KEPT_SECS) * 1_000_000) <= now)
}

#[cfg(test)]
mod tests;
