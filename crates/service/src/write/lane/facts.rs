//! Brings the rows of facts that stand under their id alone, from before each dataset had ids of its own, to where facts stand now:
//! so that nobody looks in two places for good. Until then the lane finds a fact in either.

use tessera_engine::fact::FactKey;
use tessera_store::{Commit, Direction, KeyRange, ScanLimit};

use super::state::State;
use crate::base::codec::corrupt;
use crate::base::error::Error;
use crate::base::store_error::{commit_failed, read_failed};
use crate::stored::keys::Family;
use crate::stored::layout::read_fact_id;
use crate::stored::records::rows::{self, FactsById, LaneRow};

/// Rows looked at in one go.
const ROWS_AT_ONCE: usize = 500;
/// Operations of a commit that one row may come to: it goes, as it was seen, and stands elsewhere, where none was.
const OPS_OF_ONE: usize = 4;
/// Bytes of a commit that one row comes to at most: two keys twice, and itself.
const BYTES_OF_ONE: usize = 4 << 10;

/// How far the lane is.
#[derive(Debug, Default)]
pub(super) struct Placing {
    /// Where it goes on; from the first one where there is nothing.
    rest: Option<KeyRange>,
    /// Whether it came by a row that does not say where it came from.
    left_some: bool,
}

impl State {
    /// Brings some rows along. Answers whether more are left.
    pub(super) async fn place_facts(&mut self) -> Result<bool, Error> {
        self.ready().await?;
        let before = self.row_at(self.tick(self.clock()));
        if before.facts_by_id != FactsById::Some {
            return Ok(false);
        }
        let mut placing = std::mem::take(self.placing());
        let limits = self.limits();
        let rows = ROWS_AT_ONCE.min(limits.ops / 2 / OPS_OF_ONE).min(limits.bytes / 2 / BYTES_OF_ONE).max(1);
        let range = placing.rest.take().unwrap_or_else(|| self.scope().all_of(Family::FactById));
        let page = self.store().scan(&range, ScanLimit::rows(rows), Direction::Forward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        let mut moved = Vec::with_capacity(page.rows.len());
        for row in page.rows {
            let fact = rows::decode_fact(&row.value)?;
            let Some(source) = fact.source.clone() else {
                placing.left_some = true;
                continue;
            };
            let id = read_fact_id(&row.key).ok_or_else(|| corrupt("key of a fact"))?.into();
            let to = self.scope().fact(&FactKey { dataset: source.dataset, id });
            moved.push((row.key, row.version, to, fact));
        }
        let targets: Vec<_> = moved.iter().map(|(_, _, to, _)| to.clone()).collect();
        let found = self.store().get(&targets).await.map_err(|error| read_failed(&error))?;
        let mut commit = Commit::new();
        for ((from, version, to, fact), present) in moved.into_iter().zip(found.value) {
            commit = commit.expect_version(from.clone(), version).delete(from);
            // One that was received anew since counts; what stands here was erased.
            if present.is_none() {
                commit = commit.create(to, rows::encode_fact(&fact));
            }
        }
        placing.rest = page.next;
        let more = placing.rest.is_some();
        let facts_by_id = if more {
            FactsById::Some
        } else if placing.left_some {
            FactsById::Unplaced
        } else {
            FactsById::None
        };
        let row = LaneRow { facts_by_id, ..before };
        match self.store().commit(self.add_row(commit, &row)).await {
            Ok(committed) => {
                self.keep_row(row, committed.version);
                *self.placing() = placing;
                Ok(more)
            }
            Err(error) => {
                self.forget();
                Err(commit_failed(&error))
            }
        }
    }
}
