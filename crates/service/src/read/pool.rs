//! Where rules are asked that may take long: on threads of their own, a few at a time, until a deadline, so that nobody waits for them who
//! asked for something else.

use std::future::Future;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hashbrown::HashMap;
use tessera_engine::time::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::base::components::Clock;
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::names;

/// Questions that are worked on at once: as many as cores, within these bounds. Each may hold the events of one profile, which are at most
/// twice [`SCAN_BYTES_MAX`](tessera_expr::limits::SCAN_BYTES_MAX).
const THREADS: RangeInclusive<usize> = 2..=4;
/// Questions that wait for a thread, at most.
const WAITING_MAX: usize = 256;
/// Those of one workspace.
const WAITING_OF_ONE_MAX: usize = 64;
/// How long one waits for a thread.
const WAIT: Duration = Duration::from_secs(5);
/// How long an answer may take that is worked on, in microseconds: for one profile, and for many.
pub(crate) const ANSWER_MICROS: i64 = 5_000_000;
pub(crate) const PREVIEW_MICROS: i64 = 15_000_000;

/// The threads.
pub(crate) struct Pool {
    threads: usize,
    places: Arc<Semaphore>,
    waiting: Arc<Mutex<Waiting>>,
    tasks: Handle,
    clock: Clock,
    /// What is answered when too many wait.
    busy: fn() -> Error,
}

#[derive(Default)]
struct Waiting {
    all: usize,
    of_one: HashMap<WorkspaceId, usize>,
}

/// Whether somebody still waits for an answer.
#[derive(Clone)]
pub(crate) struct Patience {
    until: Timestamp,
    clock: Clock,
    has_left: Arc<AtomicBool>,
}

impl Patience {
    /// Whether nobody waits any more: the time is up, or who asked has gone.
    pub(crate) fn is_over(&self) -> bool {
        self.has_left.load(Ordering::Relaxed) || (self.clock)() > self.until
    }

    /// The same, at most until an instant.
    pub(crate) fn no_later_than(&self, until: Timestamp) -> Self {
        Self { until: self.until.min(until), ..self.clone() }
    }
}

impl Pool {
    /// For rules that are asked of one profile, or of some of many.
    pub(crate) fn new(tasks: Handle, clock: Clock) -> Self {
        Self::of(THREADS, busy, tasks, clock)
    }

    /// As many threads as there are cores, within these bounds, and what is answered when too many wait for them.
    pub(crate) fn of(threads: RangeInclusive<usize>, busy: fn() -> Error, tasks: Handle, clock: Clock) -> Self {
        let cores = std::thread::available_parallelism().map_or(*threads.start(), usize::from);
        let threads = cores.clamp(*threads.start(), *threads.end());
        Self { threads, places: Arc::new(Semaphore::new(threads)), waiting: Arc::default(), tasks, clock, busy }
    }

    /// How many it works on at once.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Does some work on one of the threads, which it may hold as long as `micros` of the clock.
    ///
    /// # Errors
    /// That it is busy when too many wait; what the work answers.
    pub(crate) async fn run<T, F>(
        &self,
        workspace: WorkspaceId,
        micros: i64,
        work: impl FnOnce(Patience) -> F + Send + 'static,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>>,
    {
        let waits = Waits::new(self.waiting.clone(), workspace).ok_or_else(self.busy)?;
        let place = tokio::time::timeout(WAIT, self.places.clone().acquire_owned()).await;
        let Ok(Ok(place)) = place else { return Err((self.busy)()) };
        drop(waits);
        let clock = self.clock.clone();
        let has_left = Arc::new(AtomicBool::new(false));
        let patience = Patience { until: clock().plus_micros(micros), clock, has_left: has_left.clone() };
        // Whoever leaves drops this, and then nobody waits.
        let _asks = Asks(has_left);
        let done = self.tasks.spawn(async move {
            let inner = Handle::current();
            // Started from a thread of the background, whose priority it takes over.
            let thread = tokio::task::spawn_blocking(move || {
                let answer = inner.block_on(work(patience));
                drop(place);
                answer
            });
            thread.await
        });
        match done.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => {
                tracing::error!(workspace = workspace.number(), "a rule that was asked met a fault of ours");
                Err(Error::new(ErrorKind::Internal, "internal", "a rule met a fault of ours"))
            }
        }
    }
}

/// A place in the queue, until this is dropped.
struct Waits {
    waiting: Arc<Mutex<Waiting>>,
    workspace: WorkspaceId,
}

impl Waits {
    fn new(waiting: Arc<Mutex<Waiting>>, workspace: WorkspaceId) -> Option<Self> {
        let mut all = lock(&waiting);
        let of_one = all.of_one.get(&workspace).copied().unwrap_or_default();
        if all.all >= WAITING_MAX || of_one >= WAITING_OF_ONE_MAX {
            return None;
        }
        all.all += 1;
        all.of_one.insert(workspace, of_one + 1);
        metrics::gauge!(names::RULES_WAITING).set(all.all as f64);
        drop(all);
        Some(Self { waiting, workspace })
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        let mut all = lock(&self.waiting);
        all.all -= 1;
        if let Some(of_one) = all.of_one.get_mut(&self.workspace) {
            *of_one -= 1;
            if *of_one == 0 {
                all.of_one.remove(&self.workspace);
            }
        }
        metrics::gauge!(names::RULES_WAITING).set(all.all as f64);
    }
}

struct Asks(Arc<AtomicBool>);

impl Drop for Asks {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn lock(waiting: &Mutex<Waiting>) -> std::sync::MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn busy() -> Error {
    metrics::counter!(names::RULES_REFUSED).increment(1);
    let message = "too many rules are asked that take long; try again";
    Error { retry_after_secs: Some(1), ..Error::new(ErrorKind::Unavailable, "rules_busy", message) }
}

/// The answer to a question that took longer than it may.
pub(crate) fn late() -> Error {
    let message = format!(
        "the rules took longer than they may seconds_max={}; ask for fewer fields, or of somebody with fewer events",
        ANSWER_MICROS / 1_000_000
    );
    Error { retry_after_secs: Some(5), ..Error::new(ErrorKind::Unavailable, "rules_late", message) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;

    use tokio::sync::oneshot;

    use super::*;

    fn pool(now: &Arc<AtomicI64>) -> Arc<Pool> {
        let now = now.clone();
        let clock: Clock = Arc::new(move || Timestamp::from_micros(now.load(Ordering::Relaxed)).expect("an instant"));
        Arc::new(Pool::new(Handle::current(), clock))
    }

    #[tokio::test]
    async fn one_workspace_does_not_take_all_places_and_nobody_waits_without_bound() {
        let pool = pool(&Arc::default());
        let (one, other) = (WorkspaceId::new(1), WorkspaceId::new(2));
        let waits: Vec<_> = (0..WAITING_OF_ONE_MAX).map(|_| Waits::new(pool.waiting.clone(), one)).collect();
        assert!(waits.iter().all(Option::is_some));
        let refused = pool.run(one, ANSWER_MICROS, |_| async { Ok(()) }).await.expect_err("the queue is full");
        assert_eq!((refused.kind, refused.code), (ErrorKind::Unavailable, "rules_busy"));
        assert_eq!(pool.run(other, ANSWER_MICROS, |_| async { Ok(7) }).await.ok(), Some(7));
        drop(waits);
        assert_eq!(pool.run(one, ANSWER_MICROS, |_| async { Ok(8) }).await.ok(), Some(8));
        let waiting = lock(&pool.waiting);
        assert_eq!((waiting.all, waiting.of_one.len()), (0, 0));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn patience_ends_with_the_time_and_with_who_asks() {
        let now = Arc::new(AtomicI64::new(0));
        let pool = pool(&now);
        let workspace = WorkspaceId::new(1);
        let asked = pool.run(workspace, ANSWER_MICROS, |patience| async move { Ok((patience.is_over(), patience)) });
        let (was_over, patience) = asked.await.expect("an answer");
        assert!(!was_over, "somebody waited");
        assert!(patience.is_over(), "and has its answer");
        let (told, hears) = oneshot::channel();
        let (ends, ended) = oneshot::channel::<()>();
        let work = |patience: Patience| async move {
            drop(told.send(patience));
            drop(ended.await);
            Ok(())
        };
        let asks = {
            let pool = pool.clone();
            tokio::spawn(async move { pool.run(workspace, ANSWER_MICROS, work).await })
        };
        let patience = hears.await.expect("it is being worked on");
        assert!(!patience.is_over());
        now.store(ANSWER_MICROS + 1, Ordering::Relaxed);
        assert!(patience.is_over(), "the time is up");
        now.store(0, Ordering::Relaxed);
        assert!(!patience.is_over());
        asks.abort();
        drop(asks.await);
        assert!(patience.is_over(), "who asked has gone");
        drop(ends);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_panics_gives_its_place_back() {
        let pool = pool(&Arc::default());
        let workspace = WorkspaceId::new(1);
        for _ in 0..10 {
            let failed: Result<(), Error> =
                pool.run(workspace, ANSWER_MICROS, |_| async { panic!("as the test wants it") }).await;
            assert_eq!(failed.map_err(|error| error.code), Err("internal"));
        }
        assert_eq!(pool.run(workspace, ANSWER_MICROS, |_| async { Ok(7) }).await.ok(), Some(7));
    }
}
