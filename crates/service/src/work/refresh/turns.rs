//! Whose turn it is to write what a source says: a refresh, or changes that are followed, never both at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::lock::lock;

/// How long a step of a refresh waits for its turn before it is tried again.
const WAIT: Duration = Duration::from_secs(1);

/// A source, by its workspace and its number.
pub(crate) type SourceKey = (WorkspaceId, u32);

/// It is somebody's turn until this goes.
pub(crate) type Turn = OwnedMutexGuard<()>;

/// The turns of all sources.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<SourceKey, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits for the turn.
    ///
    /// # Errors
    /// `Unavailable`, if somebody else's takes longer than a second.
    pub(crate) async fn wait(&self, source: SourceKey) -> Result<Turn, Error> {
        let turn = self.of(source);
        tokio::time::timeout(WAIT, turn.lock_owned()).await.map_err(|_| {
            let message = "changes of the source are being written; the refresh begins behind them";
            Error::new(ErrorKind::Unavailable, "source_refreshing", message)
        })
    }

    /// Takes the turn, if it is nobody's.
    pub(crate) fn take(&self, source: SourceKey) -> Option<Turn> {
        self.of(source).try_lock_owned().ok()
    }

    /// Forgets the turns that nobody has and nobody waits for.
    pub(crate) fn let_go(&self) {
        lock(&self.0).retain(|_, turn| Arc::strong_count(turn) > 1);
    }

    fn of(&self, source: SourceKey) -> Arc<tokio::sync::Mutex<()>> {
        lock(&self.0).entry(source).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_turn_is_one_holders_at_a_time() {
        let (turns, one, other) = (Turns::default(), (WorkspaceId::new(1), 7), (WorkspaceId::new(2), 7));
        let held = turns.take(one).expect("nobody has it");
        assert!(turns.take(one).is_none() && turns.take(other).is_some());
        turns.let_go();
        assert_eq!(lock(&turns.0).len(), 1, "what is held is kept");
        let waiting = turns.wait(one);
        drop(held);
        assert!(waiting.await.is_ok());
        turns.let_go();
        assert!(lock(&turns.0).is_empty());
    }
}
