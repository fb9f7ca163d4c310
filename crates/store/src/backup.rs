//! Backup and restore over the contract, the same for every store.
//!
//! The stream: 8 bytes of magic, a format number (2 bytes), then blocks. A block is its kind (1 byte), the length of
//! its payload (4 bytes), the payload, and a CRC-32 (4 bytes) over the block's index (8 bytes), kind, length and
//! payload. Numbers are big endian. The first block is the header (where the sequences stand, and the fences), then
//! come rows in order of key, then rows of the feed in order of position, and last the trailer with the counts. A
//! stream that ends before its trailer, goes on after it, or whose counts differ is refused.
//!
//! Restored keys get new versions, above every version of the store that was backed up, so that nobody who still
//! holds an old one can overwrite by it. A restore that fails leaves its target partly filled: restore into a fresh
//! store and put it in place when it is whole.

use std::io;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::commit::{Commit, CommitError};
use crate::contract::{Floor, ReadError, Snapshot, Store};
use crate::types::{Direction, Key, KeyRange, ScanLimit, Seq, Shard, Version};

mod stream;

use stream::{Block, Header, Reader, Writer};

/// Bytes of rows that go into one block.
const BLOCK_BYTES: usize = 1 << 20;
/// Rows that are read at once.
const PAGE_ROWS: usize = 1_000;

/// What was carried over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Keys with their values.
    pub rows: u64,
    /// Rows of the feed.
    pub feed_rows: u64,
    /// The instant that the backup describes, in the sequence of the store that was backed up.
    pub as_of: Version,
}

/// Why a backup stopped.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store could not be read.
    #[error("backup cannot read the store")]
    Read(#[source] ReadError),
    /// The stream could not be written.
    #[error("backup cannot be written")]
    Io(#[source] io::Error),
}

/// Why a restore stopped.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The stream is something else.
    #[error("not a backup")]
    NotABackup,
    /// A newer version of this program wrote it.
    #[error("backup has a newer format found={found} known={}", stream::FORMAT)]
    Newer {
        /// The format it has.
        found: u16,
    },
    /// The stream is cut short or altered.
    #[error("backup is damaged: {0}")]
    Damaged(&'static str),
    /// The store that should be restored into was written to before.
    #[error("store to restore into is not empty")]
    NotEmpty,
    /// The store could not be written.
    #[error("restore cannot write the store")]
    Write(#[source] CommitError),
    /// The stream could not be read.
    #[error("backup cannot be read")]
    Io(#[source] io::Error),
}

/// Writes everything that the store holds at one instant. Writes to the store go on meanwhile.
pub async fn backup(store: &dyn Store, out: &mut (dyn AsyncWrite + Unpin + Send)) -> Result<Summary, BackupError> {
    let mut backup = Backup::begin(store).await?;
    loop {
        if let Some(summary) = backup.step(out).await? {
            return Ok(summary);
        }
    }
}

/// A backup that is written step by step, of one instant of the store, which it holds as long as it lives.
pub struct Backup {
    snapshot: Box<dyn Snapshot>,
    writer: Writer,
    header: Header,
    stage: Stage,
    summary: Summary,
}

enum Stage {
    Begin,
    Rows(KeyRange),
    /// Which of the heads, and the last row of it that was written.
    Feed(usize, Seq),
}

impl Backup {
    /// Takes the instant.
    pub async fn begin(store: &dyn Store) -> Result<Self, BackupError> {
        let snapshot = store.snapshot().await.map_err(BackupError::Read)?;
        let heads = snapshot.heads().await.map_err(BackupError::Read)?;
        let fences = snapshot.fences().await.map_err(BackupError::Read)?;
        let summary = Summary { rows: 0, feed_rows: 0, as_of: snapshot.as_of() };
        let header = Header { as_of: summary.as_of, heads, fences };
        Ok(Self { snapshot, writer: Writer::default(), header, stage: Stage::Begin, summary })
    }

    /// What was written so far.
    #[must_use]
    pub fn written(&self) -> Summary {
        self.summary
    }

    /// Writes the next block, of a megabyte or 1,000 rows at most, and a row of any size at least. Answers what was written in
    /// all once that was the last.
    pub async fn step(&mut self, out: &mut (dyn AsyncWrite + Unpin + Send)) -> Result<Option<Summary>, BackupError> {
        self.stage = match &self.stage {
            Stage::Begin => {
                self.writer.begin(out).await.map_err(BackupError::Io)?;
                self.writer.block(out, &Block::Header(self.header.clone())).await.map_err(BackupError::Io)?;
                Stage::Rows(KeyRange::all())
            }
            Stage::Rows(range) => {
                let limit = ScanLimit { rows: PAGE_ROWS, bytes: BLOCK_BYTES };
                let page = self.snapshot.scan(range, limit, Direction::Forward).await.map_err(BackupError::Read)?;
                self.summary.rows += page.rows.len() as u64;
                let rows = page.rows.into_iter().map(|row| (row.key, row.value)).collect();
                self.writer.block(out, &Block::Rows(rows)).await.map_err(BackupError::Io)?;
                page.next.map_or_else(|| self.feed(0), Stage::Rows)
            }
            Stage::Feed(at, after) => match self.header.heads.get(*at) {
                None => {
                    let Summary { rows, feed_rows, .. } = self.summary;
                    self.writer.end(out, rows, feed_rows).await.map_err(BackupError::Io)?;
                    return Ok(Some(self.summary));
                }
                Some(head) if *after >= head.last => self.feed(at + 1),
                Some(head) => {
                    let rows = self.snapshot.log(head.shard, *after, PAGE_ROWS).await.map_err(BackupError::Read)?;
                    let Some(last) = rows.last().map(|row| row.seq) else {
                        return Err(BackupError::Read(ReadError::Corrupt("feed ends before its head".into())));
                    };
                    self.summary.feed_rows += rows.len() as u64;
                    let rows = rows.into_iter().map(|row| (head.shard, row.seq, row.payload)).collect();
                    self.writer.block(out, &Block::Feed(rows)).await.map_err(BackupError::Io)?;
                    Stage::Feed(*at, last)
                }
            },
        };
        Ok(None)
    }

    fn feed(&self, at: usize) -> Stage {
        Stage::Feed(at, self.header.heads.get(at).map_or(Seq(0), |head| Seq(head.first.0 - 1)))
    }
}

/// Fills a store that was never written to from a backup.
pub async fn restore(input: &mut (dyn AsyncRead + Unpin + Send), store: &dyn Store) -> Result<Summary, RestoreError> {
    let mut reader = Reader::begin(input).await?;
    let Block::Header(header) = reader.block().await? else {
        return Err(RestoreError::Damaged("no header"));
    };
    let floor = Floor { version: header.as_of, feed: header.heads.clone(), fences: header.fences };
    match store.begin_at(&floor).await {
        Ok(()) => {}
        Err(CommitError::Invalid("store was written to")) => return Err(RestoreError::NotEmpty),
        Err(error) => return Err(RestoreError::Write(error)),
    }
    let mut summary = Summary { rows: 0, feed_rows: 0, as_of: header.as_of };
    let mut filler = Filler { store, commit: Commit::new(), bytes: 0 };
    let mut expected: Vec<(Shard, Seq)> = header.heads.iter().map(|head| (head.shard, head.first)).collect();
    loop {
        match reader.block().await? {
            Block::Header(_) => return Err(RestoreError::Damaged("second header")),
            Block::Rows(rows) => {
                for (key, value) in rows {
                    summary.rows += 1;
                    filler.put(key, value).await?;
                }
            }
            Block::Feed(rows) => {
                for (shard, seq, payload) in rows {
                    let next = expected.iter_mut().find(|(of, next)| *of == shard && *next == seq);
                    let (_, next) = next.ok_or(RestoreError::Damaged("feed row out of order"))?;
                    next.0 += 1;
                    summary.feed_rows += 1;
                    filler.append(shard, payload).await?;
                }
            }
            Block::Trailer { rows, feed_rows } => {
                if (rows, feed_rows) != (summary.rows, summary.feed_rows) {
                    return Err(RestoreError::Damaged("counts differ"));
                }
                break;
            }
        }
    }
    reader.end().await?;
    let is_whole = header.heads.iter().zip(&expected).all(|(head, (_, next))| next.0 == head.last.0 + 1);
    if !is_whole {
        return Err(RestoreError::Damaged("feed ends before its head"));
    }
    filler.flush().await?;
    Ok(summary)
}

/// Gathers what is restored into commits that the store accepts.
struct Filler<'a> {
    store: &'a dyn Store,
    commit: Commit,
    bytes: usize,
}

impl Filler<'_> {
    async fn put(&mut self, key: Key, value: Bytes) -> Result<(), RestoreError> {
        self.make_room(key.len() + value.len()).await?;
        self.commit.put.push((key, value));
        Ok(())
    }

    async fn append(&mut self, shard: Shard, payload: Bytes) -> Result<(), RestoreError> {
        self.make_room(payload.len()).await?;
        self.commit.feed.push((shard, payload));
        Ok(())
    }

    async fn make_room(&mut self, bytes: usize) -> Result<(), RestoreError> {
        let limits = self.store.limits();
        let ops = self.commit.put.len() + self.commit.feed.len();
        if ops > 0 && (ops == limits.ops || self.bytes + bytes > limits.bytes) {
            self.flush().await?;
        }
        self.bytes += bytes;
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), RestoreError> {
        let commit = std::mem::take(&mut self.commit);
        self.bytes = 0;
        self.store.commit(commit).await.map_err(RestoreError::Write)?;
        Ok(())
    }
}
