//! A lock whose holder may have panicked: what it guards is whole between any two statements.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes the lock, whatever became of who held it before.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
