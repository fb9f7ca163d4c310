//! Who may look at everybody: one question of a workspace at a time, on threads that answer nobody else.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use hashbrown::HashMap;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::base::components::Clock;
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::names;
use crate::read::pool::Pool;

/// Threads that look: as many as cores, within these bounds. Each holds a page of records.
const THREADS: RangeInclusive<usize> = 2..=8;
/// How long one question may look at everybody, in microseconds.
pub(crate) const SCAN_MICROS: i64 = 5_000_000;
/// Questions of one workspace that wait for their turn.
const WAITING_MAX: usize = 16;
/// How long one waits for it.
const WAIT: Duration = Duration::from_secs(2);

/// The threads, and whose turn it is.
pub(crate) struct Scans {
    pub(crate) pool: Pool,
    /// How long one waits for its turn.
    wait: Duration,
    turns: Mutex<HashMap<WorkspaceId, Weak<Turn>>>,
}

struct Turn {
    one: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// That it is the turn of a question, until this is dropped.
pub(crate) struct OnTurn {
    _place: OwnedSemaphorePermit,
    _turn: Arc<Turn>,
}

impl Scans {
    pub(crate) fn new(tasks: Handle, clock: Clock) -> Self {
        Self { pool: Pool::of(THREADS, busy, tasks, clock), wait: WAIT, turns: Mutex::default() }
    }

    /// Waits for its turn in a workspace, for a while.
    ///
    /// # Errors
    /// `Throttled` with `query_busy`.
    pub(crate) async fn wait(&self, workspace: WorkspaceId) -> Result<OnTurn, Error> {
        let turn = self.turn(workspace);
        let _waits = Waits::new(&turn).ok_or_else(busy)?;
        match tokio::time::timeout(self.wait, turn.one.clone().acquire_owned()).await {
            Ok(Ok(place)) => Ok(OnTurn { _place: place, _turn: turn.clone() }),
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }

    fn turn(&self, workspace: WorkspaceId) -> Arc<Turn> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&workspace).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Turn { one: Arc::new(Semaphore::new(1)), waiting: AtomicUsize::new(0) });
        turns.insert(workspace, Arc::downgrade(&turn));
        turn
    }
}

struct Waits<'a>(&'a Turn);

impl<'a> Waits<'a> {
    fn new(turn: &'a Turn) -> Option<Self> {
        let waits = Self(turn);
        (turn.waiting.fetch_add(1, Ordering::Relaxed) < WAITING_MAX).then_some(waits)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

fn busy() -> Error {
    metrics::counter!(names::QUERIES_REFUSED).increment(1);
    let message = "another query looks at the profiles of this workspace; try again";
    Error { retry_after_secs: Some(1), ..Error::new(ErrorKind::Throttled, "query_busy", message) }
}

/// The answer to a question for which not everybody could be looked at in time.
pub(crate) fn late() -> Error {
    let message = format!(
        "not all profiles could be looked at in time seconds_max={}; name an identity in the filter, ask without order_by \
         and count and go on with the cursor, or save the filter as a segment and read its members",
        SCAN_MICROS / 1_000_000
    );
    Error { retry_after_secs: Some(5), ..Error::new(ErrorKind::Unavailable, "query_timeout", message) }
}

#[cfg(test)]
mod tests {
    use tessera_engine::time::Timestamp;

    use super::*;

    fn scans(wait: Duration) -> Arc<Scans> {
        Arc::new(Scans { wait, ..Scans::new(Handle::current(), Arc::new(|| Timestamp::MIN)) })
    }

    #[tokio::test]
    async fn one_question_of_a_workspace_has_its_turn_and_the_others_wait_for_a_while() {
        let scans = scans(Duration::ZERO);
        let (one, other) = (WorkspaceId::new(1), WorkspaceId::new(2));
        let turn = scans.wait(one).await.expect("nobody else asks");
        assert!(scans.wait(other).await.is_ok(), "another workspace has a turn of its own");
        let refused = scans.wait(one).await.err().expect("it is not over");
        assert_eq!(
            (refused.kind, refused.code, refused.retry_after_secs),
            (ErrorKind::Throttled, "query_busy", Some(1))
        );
        drop(turn);
        assert!(scans.wait(one).await.is_ok());
        assert_eq!(scans.turns.lock().expect("nobody panicked").len(), 1, "what nobody uses is let go");
    }

    #[tokio::test]
    async fn whoever_waits_has_the_next_turn_and_no_more_wait_than_may() {
        let scans = scans(Duration::from_secs(3_600));
        let one = WorkspaceId::new(1);
        let turn = scans.wait(one).await.expect("nobody else asks");
        let own = scans.turn(one);
        let waits: Vec<_> = (1..WAITING_MAX).map(|_| Waits::new(&own)).collect();
        let next = tokio::spawn({
            let scans = scans.clone();
            async move { scans.wait(one).await.is_ok() }
        });
        while own.waiting.load(Ordering::Relaxed) < WAITING_MAX {
            tokio::task::yield_now().await;
        }
        assert_eq!(scans.wait(one).await.err().map(|error| error.code), Some("query_busy"));
        drop((waits, turn));
        assert!(next.await.expect("it ends"));
        assert_eq!(own.waiting.load(Ordering::Relaxed), 0);
    }
}
