//! Rows from before keepers had something to go by: they are brought along once, page by page, and found like the others from then on.

use std::collections::BTreeMap;

use bytes::Bytes;
use tessera_store::{Commit, Direction, Expect, Key, KeyRange, Row, ScanLimit, Store};

use crate::base::codec;
use crate::base::error::Error;
use crate::base::store_error::{commit_failed, read_failed};
use crate::stored::keys::{Family, Scope};
use crate::stored::row::{self, rows_at_once};

/// Rows brought along in one step.
const ROWS_AT_ONCE: usize = 1_000;
const VERSION: u8 = 1;

/// What is brought along. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// Answers kept under an `Idempotency-Key`.
    Answers = 0,
    /// Changes of memberships.
    MembershipChanges = 1,
}

impl Before {
    fn family(self) -> Family {
        match self {
            Self::Answers => Family::Idempotency,
            Self::MembershipChanges => Family::MembershipChange,
        }
    }
}

/// Brings the next rows along, each with what is to stand beside it. Answers whether there are more. It may be broken off anywhere; a store
/// without such rows is left as it is.
///
/// # Errors
/// What the store answers; `Corrupt`.
pub(crate) async fn bring(
    store: &dyn Store,
    scope: Scope,
    before: Before,
    beside: impl Fn(&Row) -> Result<(Key, Bytes), Error>,
) -> Result<bool, Error> {
    let key = scope.brought(before as u8);
    let found = row::read(store, key.clone()).await?;
    let all = scope.all_of(before.family());
    let range = match &found {
        None => all,
        Some(row) => match codec::decode::<Option<Vec<u8>>>(VERSION, &row.value)? {
            Some(from) => KeyRange { start: Key::new(from), ..all },
            None => return Ok(false),
        },
    };
    let limit = ScanLimit::rows(rows_at_once(store, ROWS_AT_ONCE, 2));
    let page = store.scan(&range, limit, Direction::Forward).await.map_err(|error| read_failed(&error))?;
    if found.is_none() && page.rows.is_empty() {
        return Ok(false);
    }
    // Several may have the same beside them.
    let put: BTreeMap<Key, Bytes> = page.rows.iter().map(beside).collect::<Result<_, _>>()?;
    let mut commit = Commit { put: put.into_iter().collect(), ..Commit::new() };
    let from = page.next.as_ref().map(|next| next.start.as_bytes().to_vec());
    let expected = found.map_or(Expect::Absent, |row| Expect::Version(row.version));
    commit.expect.push((key.clone(), expected));
    commit.put.push((key, codec::encode(VERSION, &from)));
    store.commit(commit).await.map_err(|error| commit_failed(&error))?;
    Ok(from.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_frozen() {
        codec::golden("brought-1", &codec::encode(VERSION, &Some(vec![1u8, 2])));
        codec::golden("brought-1-whole", &codec::encode(VERSION, &None::<Vec<u8>>));
    }
}
