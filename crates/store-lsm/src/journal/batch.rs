//! One batch of a journal.

use xxhash_rust::xxh3::xxh3_64;

/// The key of the row with the store's head; all groups of ours write it as their last row but one.
pub(crate) const HEAD: &[u8] = b"head";
/// The key of the row with the mark; all groups of ours end with it. Those that older versions wrote end with the head.
pub(crate) const MARK: &[u8] = b"mark";

const START: u8 = 1;
const ROW: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const TRAILER: [u8; 4] = *b"FJL\x03";
/// Bytes of a whole end.
const END_BYTES: usize = 1 + 8 + TRAILER.len();
/// So many zeros in a row where something was expected were never written.
const UNWRITTEN_BYTES: usize = 16;

/// What ties a group to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The number of the group: one more than that of the group before.
    pub(crate) group: u64,
    /// What fjall showed to readers before the group was written: all sequence numbers of groups before are below it, and that of
    /// this one is not.
    pub(crate) seen: u64,
}

impl Mark {
    pub(crate) fn encode(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.group.to_be_bytes());
        bytes[8..].copy_from_slice(&self.seen.to_be_bytes());
        bytes
    }

    /// `None` if these are not the bytes of a mark.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (group, seen) = bytes.split_first_chunk::<8>()?;
        let seen = seen.try_into().ok()?;
        Some(Self { group: u64::from_be_bytes(*group), seen: u64::from_be_bytes(seen) })
    }
}

/// What a group of ours says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ours {
    /// The store's version behind it.
    pub(super) version: u64,
    /// Older versions wrote none.
    pub(super) mark: Option<Mark>,
}

/// A batch that was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// Where it ends in the file.
    pub(super) end: usize,
    pub(super) seqno: u64,
    /// `None` for what a compaction fills the journal up with.
    pub(super) ours: Option<Ours>,
}

/// Why there is no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The bytes end before it does.
    Cut,
    /// Part of it was never written: zeros stand in its place.
    Unwritten,
    /// It is not as it was written.
    Wrong(&'static str),
}

/// Reads and verifies the batch at this place.
pub(super) fn read(bytes: &[u8], at: usize) -> Result<Batch, Broken> {
    let mut input = Input { bytes, at };
    input.tag(&[START], "no batch begins here")?;
    let rows = u32::from_le_bytes(input.array()?);
    let seqno = u64::from_le_bytes(input.array()?);
    if rows == 0 {
        return Err(Broken::Wrong("a batch has no rows"));
    }
    let first = input.at;
    let (mut before, mut last) = (None, None);
    for _ in 0..rows {
        before = last;
        last = input.row()?;
    }
    let found = xxh3_64(&bytes[first..input.at]);
    input.tag(&[END], "a batch does not end where its rows do")?;
    let expected = u64::from_le_bytes(input.array()?);
    if input.array()? != TRAILER {
        return Err(Broken::Wrong("the end of a batch is not as it was written"));
    }
    if found != expected {
        return Err(Broken::Wrong("the checksum of a batch differs"));
    }
    Ok(Batch { end: input.at, seqno, ours: ours(before, last) })
}

/// Whether a whole end of a batch stands right before this place.
pub(super) fn ends_at(bytes: &[u8], end: usize) -> bool {
    let start = end.checked_sub(END_BYTES);
    start.is_some_and(|start| bytes[start] == END && bytes[..end].ends_with(&TRAILER))
}

/// Where the first whole batch begins at or behind this place.
pub(super) fn next(bytes: &[u8], from: usize) -> Option<(usize, Batch)> {
    (from..bytes.len()).filter(|at| bytes[*at] == START).find_map(|at| Some((at, read(bytes, at).ok()?)))
}

type Row<'a> = Option<(&'a [u8], &'a [u8])>;

fn ours(before: Row<'_>, last: Row<'_>) -> Option<Ours> {
    let version = |(key, value): (&[u8], &[u8])| match value.split_first_chunk::<8>() {
        Some((version, _)) if key == HEAD && value.len() == 24 => Some(u64::from_be_bytes(*version)),
        Some(_) | None => None,
    };
    match last? {
        (MARK, value) => Some(Ours { version: version(before?)?, mark: Some(Mark::decode(value)?) }),
        last => Some(Ours { version: version(last)?, mark: None }),
    }
}

/// Bytes that are read from a place on.
struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len()).ok_or(Broken::Cut)?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let taken = self.take(N)?;
        Ok(taken.try_into().expect("as many as were taken"))
    }

    fn tag(&mut self, known: &[u8], wrong: &'static str) -> Result<u8, Broken> {
        let start = self.at;
        let tag = self.array::<1>()?[0];
        if known.contains(&tag) {
            return Ok(tag);
        }
        let shown = &self.bytes[start..self.bytes.len().min(start + UNWRITTEN_BYTES)];
        if shown.iter().all(|byte| *byte == 0) { Err(Broken::Unwritten) } else { Err(Broken::Wrong(wrong)) }
    }

    /// The key and the value of a row; nothing of one that clears a keyspace.
    fn row(&mut self) -> Result<Row<'a>, Broken> {
        if self.tag(&[ROW, CLEAR], "a batch has fewer rows than it says")? == CLEAR {
            self.take(8)?;
            return Ok(None);
        }
        let [kind, compression] = self.array()?;
        if kind > 2 || compression > 1 {
            return Err(Broken::Wrong("a row is of no known type"));
        }
        self.take(8)?;
        let key_bytes = u16::from_le_bytes(self.array()?);
        let value_bytes = u32::from_le_bytes(self.array()?);
        let stored_bytes = u32::from_le_bytes(self.array()?);
        if compression == 0 && value_bytes != stored_bytes {
            return Err(Broken::Wrong("a row has two lengths"));
        }
        let key = self.take(usize::from(key_bytes))?;
        Ok(Some((key, self.take(stored_bytes as usize)?)))
    }
}
