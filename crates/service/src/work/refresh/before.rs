//! What a source said before, as the rows of its last refreshes tell: for each the hash of whose it is and of what it says. They are read once, in
//! order, and held while a refresh goes on.

use std::collections::HashSet;

use tessera_store::{Direction, ScanLimit, Store};

use crate::base::codec::corrupt;
use crate::base::error::{Error, ErrorKind};
use crate::base::store_error::read_failed;
use crate::stored::keys::Scope;
use crate::stored::sources::{HASH_BYTES, decode_row, read_row_hash};

/// Rows of one source. What is held of each takes some forty bytes while a refresh goes on.
pub(crate) const ROWS_MAX: usize = 10_000_000;
/// Rows that are read at once.
const AT_ONCE: usize = 10_000;

type Hash = [u8; HASH_BYTES];

/// What a source said before, and which of it has been seen again.
#[derive(Default)]
pub(crate) struct Before {
    rows: Vec<(Hash, u64)>,
    seen: Vec<bool>,
    fresh: HashSet<Hash>,
}

/// What a row is against those of before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Against {
    /// It says what it said.
    Same,
    /// It says something else, or is new.
    Other,
    /// There was one of the same primary identity before it in this refresh.
    Twice,
}

impl Before {
    /// Reads all.
    ///
    /// # Errors
    /// What the store answers; `Corrupt`.
    pub(crate) async fn read(store: &dyn Store, scope: Scope, number: u32) -> Result<Self, Error> {
        let mut rows = Vec::new();
        let mut rest = Some(scope.source_rows(number));
        while let Some(range) = rest {
            let page = store.scan(&range, ScanLimit::rows(AT_ONCE), Direction::Forward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            for row in &page.rows {
                let key = read_row_hash(&row.key).ok_or_else(|| corrupt("key of a row of a source"))?;
                rows.push((key, decode_row(&row.value)?.hash));
            }
            rest = page.next;
            tokio::task::yield_now().await;
        }
        rows.shrink_to_fit();
        Ok(Self { seen: vec![false; rows.len()], rows, fresh: HashSet::new() })
    }

    /// Takes a row in.
    ///
    /// # Errors
    /// `LimitExceeded` with `source_too_many_rows`.
    pub(crate) fn see(&mut self, key: Hash, hash: u64) -> Result<Against, Error> {
        if let Some(at) = place(&self.rows, &key) {
            return Ok(match std::mem::replace(&mut self.seen[at], true) {
                true => Against::Twice,
                false if self.rows[at].1 == hash => Against::Same,
                false => Against::Other,
            });
        }
        if self.rows.len() + self.fresh.len() >= ROWS_MAX {
            let message = format!("a source has as many rows as it may rows_max={ROWS_MAX}; divide it into several");
            return Err(Error::new(ErrorKind::LimitExceeded, "source_too_many_rows", message));
        }
        Ok(if self.fresh.insert(key) { Against::Other } else { Against::Twice })
    }

    /// How many there were.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many were not seen again.
    pub(crate) fn gone(&self) -> usize {
        self.seen.iter().filter(|seen| !**seen).count()
    }

    /// Those from a place on that were not seen again, so many of them, and the place behind the last.
    pub(crate) fn gone_from(&self, from: usize, most: usize) -> (Vec<Hash>, usize) {
        let (mut gone, mut at) = (Vec::new(), from);
        while at < self.rows.len() && gone.len() < most {
            if !self.seen[at] {
                gone.push(self.rows[at].0);
            }
            at += 1;
        }
        (gone, at)
    }
}

/// Where a row of this key stands. Keys are hashes, and so lie as far into the rows as their first bytes say, but for a few of the square root of
/// how many there are: the search begins there and widens, and what it touches lies close together.
fn place(rows: &[(Hash, u64)], key: &Hash) -> Option<usize> {
    let first = u64::from_be_bytes(*key.first_chunk()?);
    let guess = (u128::from(first) * rows.len() as u128) >> 64;
    let guess = usize::try_from(guess).ok()?;
    let (mut from, mut to, mut width) = (guess, guess, 64);
    while from > 0 && rows[from].0 > *key {
        from = from.saturating_sub(width);
        width *= 4;
    }
    while to < rows.len() && rows[to].0 < *key {
        to = to.saturating_add(width).min(rows.len());
        width *= 4;
    }
    let to = rows.len().min(to + 1);
    rows.get(from..to)?.binary_search_by(|(own, _)| own.cmp(key)).ok().map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_place_is_what_a_plain_search_finds(
            keys in proptest::collection::btree_set(any::<[u8; 2]>(), 0..300),
            asked in any::<[u8; 2]>(),
            tail in any::<bool>(),
        ) {
            // Hashes, and keys that all begin alike.
            let whole = |own: [u8; 2]| {
                let mut key = [0; HASH_BYTES];
                key[if tail { HASH_BYTES - 2 } else { 0 }..][..2].copy_from_slice(&own);
                key
            };
            let rows: Vec<(Hash, u64)> = keys.into_iter().map(|own| (whole(own), 0)).collect();
            for key in rows.iter().map(|(own, _)| *own).chain([whole(asked), [0xff; HASH_BYTES]]) {
                prop_assert_eq!(place(&rows, &key), rows.binary_search_by(|(own, _)| own.cmp(&key)).ok());
            }
        }
    }

    #[test]
    fn rows_are_told_apart_from_those_of_before() {
        let key = |byte: u8| [byte; HASH_BYTES];
        let rows = vec![(key(1), 10), (key(2), 20), (key(4), 40)];
        let mut before = Before { seen: vec![false; 3], rows, fresh: HashSet::new() };
        let mut see = |byte, hash| before.see(key(byte), hash).expect("there is room");
        assert_eq!(see(2, 20), Against::Same);
        assert_eq!(see(2, 21), Against::Twice, "the first of two counts");
        assert_eq!(see(4, 41), Against::Other);
        assert_eq!(see(3, 30), Against::Other);
        assert_eq!(see(3, 30), Against::Twice);
        assert_eq!((before.len(), before.gone()), (3, 1));
        assert_eq!(before.gone_from(0, 10), (vec![key(1)], 3));
    }
}
