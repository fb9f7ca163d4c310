//! The bytes of a backup.

use std::io;

use bytes::{Buf as _, BufMut as _, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::RestoreError;
use crate::contract::FeedHead;
use crate::types::{Epoch, FenceName, Key, Seq, Shard, Version};

/// The format this code writes and the newest it reads.
pub(crate) const FORMAT: u16 = 1;
const MAGIC: &[u8; 8] = b"TSSRBKUP";
/// No block that we write comes near it; a larger length is damage, not a reason to ask for memory.
const PAYLOAD_MAX: u32 = 256 << 20;

const HEADER: u8 = 1;
const ROWS: u8 = 2;
const FEED: u8 = 3;
const TRAILER: u8 = 4;

/// The first block: where the sequences of the store stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) as_of: Version,
    pub(crate) heads: Vec<FeedHead>,
    pub(crate) fences: Vec<(FenceName, Epoch)>,
}

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    Header(Header),
    Rows(Vec<(Key, Bytes)>),
    Feed(Vec<(Shard, Seq, Bytes)>),
    Trailer { rows: u64, feed_rows: u64 },
}

impl Block {
    fn encode(&self) -> (u8, Vec<u8>) {
        let mut out = Vec::new();
        let kind = match self {
            Block::Header(header) => {
                out.put_u64(header.as_of.0);
                out.put_u16(header.heads.len() as u16);
                for head in &header.heads {
                    out.put_u16(head.shard.0);
                    out.put_u64(head.first.0);
                    out.put_u64(head.last.0);
                }
                for (name, epoch) in &header.fences {
                    put_bytes(&mut out, name.as_bytes());
                    out.put_u64(epoch.0);
                }
                HEADER
            }
            Block::Rows(rows) => {
                for (key, value) in rows {
                    put_bytes(&mut out, key.as_bytes());
                    put_bytes(&mut out, value);
                }
                ROWS
            }
            Block::Feed(rows) => {
                for (shard, seq, payload) in rows {
                    out.put_u16(shard.0);
                    out.put_u64(seq.0);
                    put_bytes(&mut out, payload);
                }
                FEED
            }
            Block::Trailer { rows, feed_rows } => {
                out.put_u64(*rows);
                out.put_u64(*feed_rows);
                TRAILER
            }
        };
        (kind, out)
    }

    fn decode(kind: u8, payload: Vec<u8>) -> Option<Self> {
        let mut input = Bytes::from(payload);
        let block = match kind {
            HEADER => {
                let as_of = Version(input.try_get_u64().ok()?);
                let mut heads = Vec::new();
                for _ in 0..input.try_get_u16().ok()? {
                    let shard = Shard(input.try_get_u16().ok()?);
                    let first = Seq(input.try_get_u64().ok()?);
                    heads.push(FeedHead { shard, first, last: Seq(input.try_get_u64().ok()?) });
                }
                let mut fences = Vec::new();
                while input.has_remaining() {
                    let name = FenceName::new(take_bytes(&mut input)?);
                    fences.push((name, Epoch(input.try_get_u64().ok()?)));
                }
                Block::Header(Header { as_of, heads, fences })
            }
            ROWS => {
                let mut rows = Vec::new();
                while input.has_remaining() {
                    let key = Key::new(take_bytes(&mut input)?);
                    rows.push((key, take_bytes(&mut input)?));
                }
                Block::Rows(rows)
            }
            FEED => {
                let mut rows = Vec::new();
                while input.has_remaining() {
                    let shard = Shard(input.try_get_u16().ok()?);
                    let seq = Seq(input.try_get_u64().ok()?);
                    rows.push((shard, seq, take_bytes(&mut input)?));
                }
                Block::Feed(rows)
            }
            TRAILER => {
                let rows = input.try_get_u64().ok()?;
                Block::Trailer { rows, feed_rows: input.try_get_u64().ok()? }
            }
            _ => return None,
        };
        (!input.has_remaining()).then_some(block)
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.put_slice(bytes);
}

fn take_bytes(input: &mut Bytes) -> Option<Bytes> {
    let len = input.try_get_u32().ok()? as usize;
    (len <= input.len()).then(|| input.split_to(len))
}

fn checksum(index: u64, kind: u8, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&index.to_be_bytes());
    hasher.update(&[kind]);
    hasher.update(&(payload.len() as u64).to_be_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// Writes blocks.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    index: u64,
}

impl Writer {
    pub(crate) async fn begin(&mut self, out: &mut (dyn AsyncWrite + Unpin + Send)) -> io::Result<()> {
        out.write_all(MAGIC).await?;
        out.write_u16(FORMAT).await
    }

    pub(crate) async fn block(&mut self, out: &mut (dyn AsyncWrite + Unpin + Send), block: &Block) -> io::Result<()> {
        let (kind, payload) = block.encode();
        let len = u32::try_from(payload.len()).ok().filter(|len| *len <= PAYLOAD_MAX);
        let len = len.ok_or_else(|| io::Error::other("block too large"))?;
        out.write_u8(kind).await?;
        out.write_u32(len).await?;
        out.write_all(&payload).await?;
        out.write_u32(checksum(self.index, kind, &payload)).await?;
        self.index += 1;
        Ok(())
    }

    pub(crate) async fn end(
        &mut self,
        out: &mut (dyn AsyncWrite + Unpin + Send),
        rows: u64,
        feed_rows: u64,
    ) -> io::Result<()> {
        self.block(out, &Block::Trailer { rows, feed_rows }).await?;
        out.flush().await
    }
}

/// Reads blocks.
pub(crate) struct Reader<'a> {
    input: &'a mut (dyn AsyncRead + Unpin + Send),
    index: u64,
}

impl<'a> Reader<'a> {
    pub(crate) async fn begin(input: &'a mut (dyn AsyncRead + Unpin + Send)) -> Result<Self, RestoreError> {
        let mut magic = [0; 8];
        input.read_exact(&mut magic).await.map_err(|_| RestoreError::NotABackup)?;
        if &magic != MAGIC {
            return Err(RestoreError::NotABackup);
        }
        match input.read_u16().await.map_err(cut)? {
            0 => Err(RestoreError::Damaged("no format")),
            found if found > FORMAT => Err(RestoreError::Newer { found }),
            _ => Ok(Self { input, index: 0 }),
        }
    }

    pub(crate) async fn block(&mut self) -> Result<Block, RestoreError> {
        let kind = self.input.read_u8().await.map_err(cut)?;
        let len = self.input.read_u32().await.map_err(cut)?;
        if len > PAYLOAD_MAX {
            return Err(RestoreError::Damaged("block too large"));
        }
        // Grows with what is really there, so that a false length cannot ask for memory.
        let mut payload = Vec::new();
        let mut part = (&mut *self.input).take(u64::from(len));
        part.read_to_end(&mut payload).await.map_err(RestoreError::Io)?;
        let found = self.input.read_u32().await.map_err(cut)?;
        if payload.len() != len as usize || found != checksum(self.index, kind, &payload) {
            return Err(RestoreError::Damaged("checksum differs"));
        }
        self.index += 1;
        Block::decode(kind, payload).ok_or(RestoreError::Damaged("block is malformed"))
    }

    pub(crate) async fn end(self) -> Result<(), RestoreError> {
        match self.input.read_u8().await {
            Ok(_) => Err(RestoreError::Damaged("goes on after its end")),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            Err(error) => Err(RestoreError::Io(error)),
        }
    }
}

fn cut(error: io::Error) -> RestoreError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        RestoreError::Damaged("cut short")
    } else {
        RestoreError::Io(error)
    }
}
