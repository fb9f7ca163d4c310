//! Budgets of the process: how many bytes of requests, and of answers, may be in memory at one time, over all connections.
//!
//! What is over a budget is refused at once and holds nothing, so that requests never wait for each other's bytes. Nobody takes
//! all of it: a workspace has at most half, and whoever has shown no key yet at most a quarter.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tessera_service::directory::WorkspaceId;
use tessera_service::error::{Error, ErrorKind};
use tokio::sync::Notify;

use crate::names;

#[cfg(test)]
mod tests;

/// Whose part of a budget it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Share {
    /// Those who have shown no key yet.
    Strangers,
    /// Operators, where a request belongs to no workspace.
    Directory,
    /// All keys of one workspace.
    Workspace(WorkspaceId),
}

impl Share {
    const fn name(self) -> &'static str {
        match self {
            Self::Strangers => "strangers",
            Self::Directory => "directory",
            Self::Workspace(_) => "workspace",
        }
    }

    const fn of(self, whole: usize) -> usize {
        match self {
            Self::Strangers => whole / 4,
            Self::Directory | Self::Workspace(_) => whole / 2,
        }
    }
}

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Bodies of requests, until their handlers are done with them.
    Bodies,
    /// Answers, until the client has taken them.
    Answers,
}

/// Bytes that may be held at one time. Linear in workspaces that hold some.
pub struct Budget {
    counted: Counted,
    whole: Pool,
    shares: Mutex<HashMap<Share, Arc<Pool>>>,
    given_back: Notify,
    held: metrics::Gauge,
}

/// Shares that nobody uses are forgotten when there are more than these.
const SHARES_KEPT: usize = 1_000;

/// Bytes held, and how many may be.
struct Pool {
    used: AtomicUsize,
    max: usize,
}

impl Pool {
    fn new(max: usize) -> Self {
        Self { used: AtomicUsize::new(0), max }
    }

    fn take(&self, bytes: usize) -> bool {
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.max);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn take_anyway(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Budget {
    /// A budget of so many bytes.
    pub(crate) fn new(counted: Counted, bytes: usize) -> Arc<Self> {
        let held = match counted {
            Counted::Bodies => metrics::gauge!(names::MEMORY_BYTES, "part" => "bodies"),
            Counted::Answers => metrics::gauge!(names::MEMORY_BYTES, "part" => "answers"),
        };
        let given_back = Notify::new();
        Arc::new(Self { counted, whole: Pool::new(bytes), shares: Mutex::default(), given_back, held })
    }

    /// Holds nothing yet, on this part of the budget.
    pub fn charge(self: &Arc<Self>, share: Share) -> Charge {
        Charge { budget: Arc::clone(self), pool: self.pool(share), share, bytes: 0 }
    }

    /// Holds so many bytes; waits for them if need be, and for no longer than this.
    ///
    /// # Errors
    /// `answers_full`, `bodies_full`.
    pub(crate) async fn reserve(self: &Arc<Self>, share: Share, bytes: usize, wait: Duration) -> Result<Charge, Error> {
        let mut charge = self.charge(share);
        let taken = async {
            loop {
                let mut given_back = std::pin::pin!(self.given_back.notified());
                // What is given back between the look and the wait is not missed.
                given_back.as_mut().enable();
                if charge.grow_to(bytes).is_ok() {
                    break;
                }
                given_back.await;
            }
        };
        match tokio::time::timeout(wait, taken).await {
            Ok(()) => Ok(charge),
            Err(_) => Err(self.full(share)),
        }
    }

    /// Bytes that are held now.
    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        self.whole.used.load(Ordering::Relaxed)
    }

    fn pool(&self, share: Share) -> Arc<Pool> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if shares.len() > SHARES_KEPT {
            shares.retain(|_, pool| Arc::strong_count(pool) > 1);
        }
        Arc::clone(shares.entry(share).or_insert_with(|| Arc::new(Pool::new(share.of(self.whole.max)))))
    }

    fn full(&self, share: Share) -> Error {
        let (code, what) = match self.counted {
            Counted::Bodies => ("bodies_full", "requests"),
            Counted::Answers => ("answers_full", "answers"),
        };
        metrics::counter!(names::LIMITED, "subject" => share.name(), "code" => code).increment(1);
        let message = format!(
            "the server holds as many bytes of {what} as it may: {} in all, {} of one {}; nothing happened, send it again",
            self.whole.max,
            share.of(self.whole.max),
            share.name()
        );
        Error::new(ErrorKind::Throttled, code, message)
    }
}

/// Bytes that are held. Dropped, it gives them back.
pub struct Charge {
    budget: Arc<Budget>,
    pool: Arc<Pool>,
    share: Share,
    bytes: usize,
}

impl Charge {
    /// Holds so many bytes, unless it holds more.
    ///
    /// # Errors
    /// `bodies_full`, `answers_full`; it holds what it held before.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<(), Error> {
        let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more > 0) else { return Ok(()) };
        if !self.pool.take(more) {
            return Err(self.budget.full(self.share));
        }
        if !self.budget.whole.take(more) {
            self.pool.give_back(more);
            return Err(self.budget.full(self.share));
        }
        self.hold(bytes);
        Ok(())
    }

    /// Holds so many bytes whatever the budget says: for the answer to what was done already.
    pub(crate) fn set_anyway(&mut self, bytes: usize) {
        if let Some(more) = bytes.checked_sub(self.bytes) {
            self.pool.take_anyway(more);
            self.budget.whole.take_anyway(more);
            self.hold(bytes);
        } else {
            self.shrink_to(bytes);
        }
    }

    /// Holds so many bytes, unless it holds fewer.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let Some(fewer) = self.bytes.checked_sub(bytes).filter(|fewer| *fewer > 0) else { return };
        self.hold(bytes);
        self.pool.give_back(fewer);
        self.budget.whole.give_back(fewer);
        self.budget.given_back.notify_waiters();
    }

    /// The same bytes, on another part of the budget.
    ///
    /// # Errors
    /// `bodies_full`, `answers_full`.
    pub(crate) fn moved_to(self, share: Share) -> Result<Self, Error> {
        let pool = self.budget.pool(share);
        if !pool.take(self.bytes) {
            return Err(self.budget.full(share));
        }
        let mut moved = self;
        moved.pool.give_back(moved.bytes);
        (moved.pool, moved.share) = (pool, share);
        Ok(moved)
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge needs no more precision than a double has")]
    fn hold(&mut self, bytes: usize) {
        if bytes >= self.bytes {
            self.budget.held.increment((bytes - self.bytes) as f64);
        } else {
            self.budget.held.decrement((self.bytes - bytes) as f64);
        }
        self.bytes = bytes;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}
