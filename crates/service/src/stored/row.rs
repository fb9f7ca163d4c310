//! One row of the store, read by itself.

use tessera_store::{Key, Store, Versioned};

use crate::base::error::Error;
use crate::base::store_error::read_failed;

/// The row of a key, if there is one.
///
/// # Errors
/// What the store answers.
pub(crate) async fn read(store: &dyn Store, key: Key) -> Result<Option<Versioned>, Error> {
    let found = store.get(&[key]).await.map_err(|error| read_failed(&error))?;
    Ok(found.value.into_iter().next().flatten())
}

/// How many rows are worked on at once: at most `most`, and so few that one commit holds what each takes of it.
pub(crate) fn rows_at_once(store: &dyn Store, most: usize, ops_of_each: usize) -> usize {
    (store.limits().ops / ops_of_each).clamp(1, most)
}
