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
        if let Ok(at) = self.rows.binary_search_by(|(own, _)| own.cmp(&key)) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
