//! How much keys and workspaces may ask: requests per second (with a burst, and a peak that the burst stays below), and requests under way at one time.
//!
//! All are exact however many threads ask: the rate is one atomic cell per subject (GCRA, by `governor`), the requests under
//! way a semaphore, and where requests of one second are bounded beside the burst, their times stand in a ring. A subject without a bound costs nothing. A request must pass every bound that is its own; one that a later
//! bound refuses may have been counted by an earlier rate.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::ops::Add;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tessera_engine::time::Timestamp;
use tessera_service::directory::{KeyId, RateLimit, WorkspaceId};
use tessera_service::error::{Error, ErrorKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::names;

#[cfg(test)]
mod tests;

/// Whose bound it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// One key.
    Key(KeyId),
    /// All keys of one workspace together.
    Workspace(WorkspaceId),
}

impl Subject {
    const fn name(self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Workspace(_) => "workspace",
        }
    }
}

/// The bounds in use. Linear in subjects that have a bound.
pub(crate) struct Limiter {
    clock: ServiceClock,
    buckets: RwLock<HashMap<Subject, Arc<Bucket>>>,
}

/// What a request holds while it is under way: dropped, it makes room for the next one.
#[derive(Debug, Default)]
pub struct Permit(Vec<OwnedSemaphorePermit>);

impl Permit {
    /// Whether it holds nothing, because nothing is bounded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Holds one more place.
    pub(crate) fn hold(&mut self, place: OwnedSemaphorePermit) {
        self.0.push(place);
    }
}

struct Bucket {
    limit: RateLimit,
    rate: RateLimiter<NotKeyed, InMemoryState, ServiceClock, NoOpMiddleware<Instant>>,
    under_way: Arc<Semaphore>,
    peak: Option<Mutex<Peak>>,
}

/// The requests of the last second, where their number is bounded: when each of the newest was let in, as many as may be. Any stretch of a second
/// is held to it, and not only those that begin with the clock's.
struct Peak {
    per_second: usize,
    let_in: VecDeque<u64>,
}

impl Peak {
    const SECOND: u64 = 1_000_000;

    /// In how many microseconds the next request may come; none where it may now.
    fn wait(&self, now: Instant) -> Option<u64> {
        let first = self.let_in.front().filter(|_| self.let_in.len() >= self.per_second)?;
        (first + Self::SECOND).checked_sub(now.0).filter(|wait| *wait > 0)
    }

    fn let_in(&mut self, now: Instant) {
        if self.let_in.len() >= self.per_second {
            self.let_in.pop_front();
        }
        self.let_in.push_back(now.0);
    }
}

impl Limiter {
    /// A limiter that reads this clock.
    pub(crate) fn new(clock: Arc<dyn Fn() -> Timestamp + Send + Sync>) -> Self {
        Self { clock: ServiceClock { clock, steady: Arc::default() }, buckets: RwLock::default() }
    }

    /// Lets one request in, or says when to come again.
    ///
    /// # Errors
    /// `rate_limited`, `concurrency_limited`.
    pub(crate) fn admit(&self, bounds: &[(Subject, Option<RateLimit>)]) -> Result<Permit, Error> {
        let buckets = bounds.iter().filter_map(|(subject, limit)| Some((*subject, self.bucket(*subject, (*limit)?))));
        let buckets: Vec<_> = buckets.collect();
        let mut permit = Permit::default();
        for (subject, bucket) in &buckets {
            let Ok(place) = Arc::clone(&bucket.under_way).try_acquire_owned() else {
                let message = format!("the {} has {} requests under way", subject.name(), bucket.limit.concurrency());
                return Err(refused(*subject, "concurrency_limited", message, 1));
            };
            permit.0.push(place);
        }
        for (subject, bucket) in &buckets {
            if let Err((per_second, wait)) = bucket.take(&self.clock) {
                let message = format!("the {} may send {per_second} requests per second", subject.name());
                return Err(refused(*subject, "rate_limited", message, whole_seconds(wait)));
            }
        }
        Ok(permit)
    }

    fn bucket(&self, subject: Subject, limit: RateLimit) -> Arc<Bucket> {
        let buckets = self.buckets.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get(&subject).filter(|bucket| bucket.limit == limit) {
            return Arc::clone(bucket);
        }
        drop(buckets);
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have made it meanwhile; a second one would let the same requests in twice.
        let stored = buckets.entry(subject).or_insert_with(|| self.new_bucket(limit));
        if stored.limit != limit {
            *stored = self.new_bucket(limit);
        }
        Arc::clone(stored)
    }

    fn new_bucket(&self, limit: RateLimit) -> Arc<Bucket> {
        let quota = Quota::per_second(at_least_one(limit.per_second())).allow_burst(at_least_one(limit.burst()));
        Arc::new(Bucket {
            limit,
            rate: RateLimiter::direct_with_clock(quota, self.clock.clone()),
            under_way: Arc::new(Semaphore::new(limit.concurrency() as usize)),
            peak: limit.peak().map(|peak| Mutex::new(Peak { per_second: peak as usize, let_in: VecDeque::new() })),
        })
    }
}

impl Bucket {
    /// Counts one request, or answers which bound it meets, and when to come again. One that is over the peak takes nothing of the burst.
    fn take(&self, clock: &ServiceClock) -> Result<(), (u32, Duration)> {
        let mut peak = self.peak.as_ref().map(|peak| peak.lock().unwrap_or_else(PoisonError::into_inner));
        let now = clock.now();
        if let Some(wait) = peak.as_ref().and_then(|peak| peak.wait(now)) {
            return Err((self.limit.peak().unwrap_or(u32::MAX), Duration::from_micros(wait)));
        }
        if let Err(not_until) = self.rate.check() {
            return Err((self.limit.per_second(), not_until.wait_time_from(clock.now())));
        }
        if let Some(peak) = &mut peak {
            peak.let_in(now);
        }
        Ok(())
    }
}

fn at_least_one(figure: u32) -> NonZeroU32 {
    NonZeroU32::new(figure).unwrap_or(NonZeroU32::MIN)
}

fn whole_seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX).max(1)
}

fn refused(subject: Subject, code: &'static str, message: String, retry_after_secs: u32) -> Error {
    metrics::counter!(names::LIMITED, "subject" => subject.name(), "code" => code).increment(1);
    Error { retry_after_secs: Some(retry_after_secs), ..Error::new(ErrorKind::Throttled, code, message) }
}

/// The service's clock, as the rate limiter reads it: one that never goes back. Set back by an hour, the other would refuse everybody for
/// an hour.
#[derive(Clone)]
struct ServiceClock {
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    steady: Arc<Mutex<Steady>>,
}

#[derive(Default)]
struct Steady {
    last: u64,
    /// By how much the clock was set back, in all.
    set_back: u64,
}

/// Microseconds since 1970; the clock never goes back before that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Instant(u64);

impl Add<Nanos> for Instant {
    type Output = Self;

    fn add(self, other: Nanos) -> Self {
        Self(self.0 + other.as_u64() / 1_000)
    }
}

impl Reference for Instant {
    fn duration_since(&self, earlier: Self) -> Nanos {
        Nanos::new(self.0.saturating_sub(earlier.0).saturating_mul(1_000))
    }

    fn saturating_sub(&self, duration: Nanos) -> Self {
        Self(self.0.saturating_sub(duration.as_u64() / 1_000))
    }
}

impl Clock for ServiceClock {
    type Instant = Instant;

    fn now(&self) -> Instant {
        let mut steady = self.steady.lock().unwrap_or_else(PoisonError::into_inner);
        // Read while nobody else reads it: what others read in between is no step back.
        let now = u64::try_from((self.clock)().micros()).unwrap_or(0);
        steady.set_back += steady.last.saturating_sub(now);
        steady.last = now;
        Instant(now + steady.set_back)
    }
}
