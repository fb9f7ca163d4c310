//! Where the row of a fact stands, for all but the lane: under its dataset and id, or, from before each dataset had ids of its own,
//! under its id alone. The lane brings those of before to where they stand now.

use tessera_engine::fact::FactKey;
use tessera_engine::working::FactRow;
use tessera_store::{Direction, ScanLimit, Store};

use crate::base::codec::corrupt;
use crate::base::error::Error;
use crate::base::store_error::read_failed;
use crate::stored::keys::Scope;
use crate::stored::layout::read_fact_key;
use crate::stored::records::rows;

/// Datasets that one id is looked for in.
pub(crate) const DATASETS_MAX: usize = 1_000;

/// Whether a row under an id alone is that of a fact of this dataset: it is, or nobody knows whose it is.
pub(crate) fn is_of(row: &FactRow, dataset: &str) -> bool {
    row.source.as_ref().is_none_or(|source| *source.dataset == *dataset)
}

/// The row of a fact.
///
/// # Errors
/// What the store answers; `Corrupt`.
pub(crate) async fn find(store: &dyn Store, scope: Scope, key: &FactKey) -> Result<Option<FactRow>, Error> {
    let keys = [scope.fact(key), scope.fact_by_id(&key.id)];
    let found = store.get(&keys).await.map_err(|error| read_failed(&error))?;
    let mut rows = found.value.into_iter().flatten().map(|row| rows::decode_fact(&row.value));
    match rows.next().transpose()? {
        // Where both stand, the second is of another dataset.
        Some(row) if is_of(&row, &key.dataset) => Ok(Some(row)),
        _ => Ok(None),
    }
}

/// The rows of all facts of an id, each with its dataset where that is known, at most [`DATASETS_MAX`].
///
/// # Errors
/// What the store answers; `Corrupt`.
pub(crate) async fn of_id(store: &dyn Store, scope: Scope, id: &str) -> Result<Vec<FactRow>, Error> {
    // That of before first: it may be brought to the others meanwhile, and never comes back.
    let by_id = store.get(&[scope.fact_by_id(id)]).await.map_err(|error| read_failed(&error))?;
    let page = store.scan(&scope.facts_of(id), ScanLimit::rows(DATASETS_MAX), Direction::Forward).await;
    let page = page.map_err(|error| read_failed(&error))?;
    let mut rows = Vec::with_capacity(page.rows.len());
    for row in &page.rows {
        read_fact_key(&row.key).ok_or_else(|| corrupt("key of a fact"))?;
        rows.push(rows::decode_fact(&row.value)?);
    }
    for row in by_id.value.into_iter().flatten() {
        let row = rows::decode_fact(&row.value)?;
        if !rows.iter().any(|known| known.node == row.node && known.time == row.time && known.event == row.event) {
            rows.push(row);
        }
    }
    Ok(rows)
}
