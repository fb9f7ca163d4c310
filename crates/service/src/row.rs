//! One row of the store, read by itself.

use tessera_store::{Key, Store, Versioned};

use crate::error::Error;
use crate::store_error::read_failed;

/// The row of a key, if there is one.
///
/// # Errors
/// What the store answers.
pub(crate) async fn read(store: &dyn Store, key: Key) -> Result<Option<Versioned>, Error> {
    let found = store.get(&[key]).await.map_err(|error| read_failed(&error))?;
    Ok(found.value.into_iter().next().flatten())
}
