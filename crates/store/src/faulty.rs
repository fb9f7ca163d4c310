//! A store that fails on purpose, for tests of everything above the contract.
//!
//! It wraps another store and injects faults from two sources: a [`Plan`], which draws them at given rates from its
//! own seed, and the script, which a test fills by hand for the very next calls. Nothing here looks at a clock or at
//! global randomness: the same seed and the same calls give the same faults.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;

use crate::commit::{Commit, CommitError, Committed, Limits, Room};
use crate::contract::{FeedHead, Floor, Health, ReadError, Snapshot, Store};
use crate::types::{
    Direction, Epoch, FeedRow, FenceName, Key, KeyRange, Page, ScanLimit, Seq, Shard, Snapshotted, Version, Versioned,
};

/// A fault of one write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteFault {
    /// Answers a conflict on the first key that the commit expects or writes; nothing happens.
    Conflict,
    /// Answers `Ambiguous`, and it happened if it could.
    AmbiguousDone,
    /// Answers `Ambiguous`, and it did not happen.
    AmbiguousLost,
    /// Answers `Unavailable`; nothing happens.
    Unavailable,
    /// Answers `Fenced`; nothing happens.
    Fenced,
    /// Answers `Corrupt`; nothing happens.
    Corrupt,
}

/// A fault of one read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadFault {
    /// Answers `Unavailable`.
    Unavailable,
    /// Answers `Corrupt`.
    Corrupt,
}

/// How often which fault is drawn, in thousandths of the calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Writes that answer [`WriteFault::Conflict`].
    pub conflict: u16,
    /// Writes that answer [`WriteFault::AmbiguousDone`].
    pub ambiguous_done: u16,
    /// Writes that answer [`WriteFault::AmbiguousLost`].
    pub ambiguous_lost: u16,
    /// Writes that answer [`WriteFault::Unavailable`].
    pub write_unavailable: u16,
    /// Reads that answer [`ReadFault::Unavailable`].
    pub read_unavailable: u16,
    /// Calls that let other tasks run before, or after, they do their work.
    pub delay: u16,
    /// Calls of `get` and `scan` before which the tear hook runs.
    pub tear: u16,
}

/// Faults drawn from a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where the drawing begins.
    pub seed: u64,
    /// How often which fault is drawn.
    pub rates: Rates,
}

impl Plan {
    /// No faults but those of the script.
    pub const CALM: Plan = Plan {
        seed: 1,
        rates: Rates {
            conflict: 0,
            ambiguous_done: 0,
            ambiguous_lost: 0,
            write_unavailable: 0,
            read_unavailable: 0,
            delay: 0,
            tear: 0,
        },
    };
}

/// What a tear hook does: usually a commit of its own on the store below, which it is given.
pub type Tear = Box<dyn Fn(Arc<dyn Store>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The failing store. Clones share everything.
#[derive(Clone)]
pub struct Faulty {
    shared: Arc<Shared>,
}

struct Shared {
    inner: Arc<dyn Store>,
    rates: Rates,
    state: Mutex<State>,
    tear: Option<Tear>,
    disk_full: AtomicBool,
    reserve_full: AtomicBool,
    shut: AtomicBool,
}

struct State {
    dice: u64,
    writes: VecDeque<Option<WriteFault>>,
    reads: VecDeque<Option<ReadFault>>,
    injected: u64,
}

impl Faulty {
    /// Wraps a store.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, plan: Plan) -> Self {
        Self::build(inner, plan, None)
    }

    /// Wraps a store; the hook runs before such reads as the plan draws for it, so that other commits come in between
    /// two reads of one caller.
    #[must_use]
    pub fn with_tear(inner: Arc<dyn Store>, plan: Plan, tear: Tear) -> Self {
        Self::build(inner, plan, Some(tear))
    }

    fn build(inner: Arc<dyn Store>, plan: Plan, tear: Option<Tear>) -> Self {
        let dice = plan.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let state = State { dice, writes: VecDeque::new(), reads: VecDeque::new(), injected: 0 };
        let [disk_full, reserve_full, shut] = [const { AtomicBool::new(false) }; 3];
        let (rates, state) = (plan.rates, Mutex::new(state));
        Self { shared: Arc::new(Shared { inner, rates, state, tear, disk_full, reserve_full, shut }) }
    }

    /// Adds to the script of writes: what the next one not yet scripted meets; `None` lets it through.
    pub fn script_write(&self, fault: Option<WriteFault>) {
        self.state().writes.push_back(fault);
    }

    /// Adds to the script of reads.
    pub fn script_read(&self, fault: Option<ReadFault>) {
        self.state().reads.push_back(fault);
    }

    /// Fills the disk up to the reserve: ordinary writes answer `Full` and reads go on, until there is room again.
    pub fn fill_disk(&self) {
        self.shared.disk_full.store(true, Ordering::SeqCst);
    }

    /// Fills the disk, the reserve as well: no write is taken until there is room again.
    pub fn fill_reserve(&self) {
        self.fill_disk();
        self.shared.reserve_full.store(true, Ordering::SeqCst);
    }

    /// Makes room on the disk.
    pub fn free_disk(&self) {
        self.shared.reserve_full.store(false, Ordering::SeqCst);
        self.shared.disk_full.store(false, Ordering::SeqCst);
    }

    /// Shuts the store, as after a failure of the disk: reads and writes answer `Unavailable`, until it is opened again.
    pub fn shut(&self) {
        self.shared.shut.store(true, Ordering::SeqCst);
    }

    /// Opens it again.
    pub fn open_again(&self) {
        self.shared.shut.store(false, Ordering::SeqCst);
    }

    fn is_shut(&self) -> bool {
        self.shared.shut.load(Ordering::SeqCst)
    }

    /// How many faults were injected so far, delays and tears not counted.
    #[must_use]
    pub fn injected(&self) -> u64 {
        self.state().injected
    }

    /// The store below, which does not fail.
    #[must_use]
    pub fn inner(&self) -> Arc<dyn Store> {
        Arc::clone(&self.shared.inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn delay(&self) {
        if self.state().draws(self.shared.rates.delay) {
            YieldOnce(false).await;
        }
    }

    async fn tear(&self) {
        let is_drawn = self.state().draws(self.shared.rates.tear);
        if let Some(tear) = &self.shared.tear
            && is_drawn
        {
            tear(self.inner()).await;
        }
    }

    fn read_fault(&self) -> Result<(), ReadError> {
        if self.is_shut() {
            return Err(ReadError::Unavailable("injected: shut".into()));
        }
        let mut state = self.state();
        let fault = match state.reads.pop_front() {
            Some(scripted) => scripted,
            None => state.draws(self.shared.rates.read_unavailable).then_some(ReadFault::Unavailable),
        };
        state.injected += u64::from(fault.is_some());
        match fault {
            None => Ok(()),
            Some(ReadFault::Unavailable) => Err(ReadError::Unavailable("injected".into())),
            Some(ReadFault::Corrupt) => Err(ReadError::Corrupt("injected".into())),
        }
    }

    fn draw_write_fault(&self) -> Option<WriteFault> {
        let rates = self.shared.rates;
        let mut state = self.state();
        let fault = match state.writes.pop_front() {
            Some(scripted) => scripted,
            None => {
                let drawn = [
                    (state.draws(rates.conflict), WriteFault::Conflict),
                    (state.draws(rates.ambiguous_done), WriteFault::AmbiguousDone),
                    (state.draws(rates.ambiguous_lost), WriteFault::AmbiguousLost),
                    (state.draws(rates.write_unavailable), WriteFault::Unavailable),
                ];
                drawn.into_iter().find_map(|(is_drawn, fault)| is_drawn.then_some(fault))
            }
        };
        state.injected += u64::from(fault.is_some());
        fault
    }

    /// Does a write under the faults of its turn. `key` is what a made-up conflict names; without one there is none.
    async fn write<T>(
        &self,
        key: Option<Key>,
        room: Room,
        work: impl Future<Output = Result<T, CommitError>> + Send,
    ) -> Result<T, CommitError> {
        self.delay().await;
        if self.is_shut() {
            return Err(CommitError::Unavailable("injected: shut".into()));
        }
        let is_refused = match room {
            Room::Ordinary => self.shared.disk_full.load(Ordering::SeqCst),
            Room::Reserve => self.shared.reserve_full.load(Ordering::SeqCst),
        };
        if is_refused {
            return Err(CommitError::Full { free_bytes: 0, needed_bytes: 1 });
        }
        let answer = match (self.draw_write_fault(), key) {
            (None, _) | (Some(WriteFault::Conflict), None) => work.await,
            (Some(WriteFault::Conflict), Some(key)) => Err(CommitError::Conflict(key)),
            (Some(WriteFault::AmbiguousDone), _) => {
                let _ = work.await;
                Err(CommitError::Ambiguous)
            }
            (Some(WriteFault::AmbiguousLost), _) => Err(CommitError::Ambiguous),
            (Some(WriteFault::Unavailable), _) => Err(CommitError::Unavailable("injected".into())),
            (Some(WriteFault::Fenced), _) => Err(CommitError::Fenced),
            (Some(WriteFault::Corrupt), _) => Err(CommitError::Corrupt("injected".into())),
        };
        self.delay().await;
        answer
    }
}

impl State {
    /// Draws with a chance of so many thousandths. A rate of zero draws nothing and moves nothing.
    fn draws(&mut self, rate: u16) -> bool {
        if rate == 0 {
            return false;
        }
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % 1000 < u64::from(rate)
    }
}

#[async_trait]
impl Store for Faulty {
    fn limits(&self) -> Limits {
        self.shared.inner.limits()
    }

    fn health(&self) -> Health {
        match self.is_shut() {
            true => Health::Shut,
            false if self.shared.disk_full.load(Ordering::SeqCst) => Health::Full,
            false => self.shared.inner.health(),
        }
    }

    async fn get(&self, keys: &[Key]) -> Result<Snapshotted<Vec<Option<Versioned>>>, ReadError> {
        self.delay().await;
        self.tear().await;
        self.read_fault()?;
        self.shared.inner.get(keys).await
    }

    async fn scan(&self, range: &KeyRange, limit: ScanLimit, direction: Direction) -> Result<Page, ReadError> {
        self.delay().await;
        self.tear().await;
        self.read_fault()?;
        self.shared.inner.scan(range, limit, direction).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        commit.check(&self.limits())?;
        let expected = commit.expect.first().map(|(key, _)| key);
        let key = expected.or(commit.idempotency.as_ref().map(|(key, _)| key)).cloned();
        self.write(key, commit.room, self.shared.inner.commit(commit)).await
    }

    async fn heads(&self) -> Result<Vec<FeedHead>, ReadError> {
        self.read_fault()?;
        self.shared.inner.heads().await
    }

    async fn log(&self, shard: Shard, after: Seq, max: usize) -> Result<Vec<FeedRow>, ReadError> {
        self.delay().await;
        self.read_fault()?;
        self.shared.inner.log(shard, after, max).await
    }

    async fn trim(&self, shard: Shard, before: Seq) -> Result<(), CommitError> {
        self.write(None, Room::Reserve, self.shared.inner.trim(shard, before)).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, ReadError> {
        self.read_fault()?;
        let inner = self.shared.inner.snapshot().await?;
        Ok(Box::new(FaultySnapshot { store: self.clone(), inner }))
    }

    async fn raise(&self, name: &FenceName) -> Result<Epoch, CommitError> {
        self.write(None, Room::Ordinary, self.shared.inner.raise(name)).await
    }

    async fn compact(&self) -> Result<(), CommitError> {
        self.write(None, Room::Ordinary, self.shared.inner.compact()).await
    }

    async fn check_compaction(&self) -> Result<(), CommitError> {
        if self.shared.disk_full.load(Ordering::SeqCst) {
            return Err(CommitError::Full { free_bytes: 0, needed_bytes: 1 });
        }
        self.shared.inner.check_compaction().await
    }

    async fn begin_at(&self, floor: &Floor) -> Result<(), CommitError> {
        self.write(None, Room::Ordinary, self.shared.inner.begin_at(floor)).await
    }
}

struct FaultySnapshot {
    store: Faulty,
    inner: Box<dyn Snapshot>,
}

#[async_trait]
impl Snapshot for FaultySnapshot {
    fn as_of(&self) -> Version {
        self.inner.as_of()
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, ReadError> {
        self.store.read_fault()?;
        self.inner.get(keys).await
    }

    async fn scan(&self, range: &KeyRange, limit: ScanLimit, direction: Direction) -> Result<Page, ReadError> {
        self.store.delay().await;
        self.store.read_fault()?;
        self.inner.scan(range, limit, direction).await
    }

    async fn heads(&self) -> Result<Vec<FeedHead>, ReadError> {
        self.store.read_fault()?;
        self.inner.heads().await
    }

    async fn log(&self, shard: Shard, after: Seq, max: usize) -> Result<Vec<FeedRow>, ReadError> {
        self.store.read_fault()?;
        self.inner.log(shard, after, max).await
    }

    async fn fences(&self) -> Result<Vec<(FenceName, Epoch)>, ReadError> {
        self.store.read_fault()?;
        self.inner.fences().await
    }
}

/// Lets other tasks run once, on any executor.
struct YieldOnce(bool);

impl Future for YieldOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
