//! Ids of rows whose mapping names none: made of where a row goes and of what the mapping makes of it, so that a load that is done
//! again finds its rows, and a row that says something else, or is read by another mapping, is another fact.
//!
//! A row that states its own time is the same fact in whatever file it stands. One without a time says how things are as of its
//! file: there, another file is another statement, even where a row reads as one of an earlier file did.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Read;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

/// Bytes of the hash that an id ends with.
const HASH_BYTES: usize = 16;
/// Rows that are told apart. Each costs about 32 bytes of memory while the load runs.
const ROWS_MAX: usize = 50_000_000;

/// Makes the ids of one load.
pub(crate) struct Ids {
    /// What every id of this load is a hash of besides its row.
    before: Sha256,
    /// How often each row has come; rows are known by half of their hash.
    seen: HashMap<u64, u32>,
    rows_max: usize,
}

impl Ids {
    /// For rows that go there. `file` is the hash of the whole file, for rows that are statements as of their file.
    pub(crate) fn new(destination: &str, file: Option<[u8; 32]>) -> Self {
        let mut before = Sha256::new();
        before.update(b"tessera load 2");
        part(&mut before, destination.as_bytes());
        part(&mut before, file.as_ref().map_or(&[], |hash| &hash[..]));
        Self { before, seen: HashMap::new(), rows_max: ROWS_MAX }
    }

    /// The id of the next row, which says this. Rows that say the same are told apart by their order.
    ///
    /// # Errors
    /// When there are more rows than are told apart.
    pub(crate) fn next(&mut self, fact: &[u8]) -> Result<String, String> {
        let mut row = self.before.clone();
        part(&mut row, fact);
        let known: [u8; 32] = row.clone().finalize().into();
        let (head, _) = known.split_first_chunk().expect("a hash has 32 bytes");
        let short = u64::from_be_bytes(*head);
        if self.seen.len() >= self.rows_max && !self.seen.contains_key(&short) {
            return Err(format!(
                "rows without an id of their own are told apart up to {} of them: give --message-id",
                self.rows_max
            ));
        }
        let times = self.seen.entry(short).and_modify(|times| *times += 1).or_insert(1);
        row.update(times.to_be_bytes());
        let mut id = "load-".to_owned();
        for byte in &row.finalize()[..HASH_BYTES] {
            write!(id, "{byte:02x}").expect("a text takes everything");
        }
        Ok(id)
    }
}

/// A part of what is hashed, with its length before it: no two lists of parts read the same.
fn part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

/// The hash of everything that is read there.
pub(crate) fn of_all(mut input: impl Read) -> Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match input.read(&mut buffer).context("cannot read the file")? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    Ok(hash.finalize().into())
}
