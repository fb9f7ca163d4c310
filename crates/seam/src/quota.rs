//! Quotas of doors: how often routes may be called in a workspace within a minute or an hour of the clock, and how many at one time.
//!
//! A count begins anew with each minute, or hour. What is counted is a call that was let in, whatever became of it. Linear in the workspaces
//! that called within the last window; older counts are dropped as new ones come.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::HeaderMap;
use tessera_engine::time::Timestamp;
use tessera_service::directory::WorkspaceId;
use tessera_service::error::{Error, ErrorKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::names;

#[cfg(test)]
mod tests;

/// Counts from which on those that are over are looked for.
const COUNTS_KEPT: usize = 1_024;

/// Over which time calls are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
}

impl Window {
    const fn micros(self) -> i64 {
        match self {
            Self::Minute => 60_000_000,
            Self::Hour => 3_600_000_000,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
        }
    }
}

/// How often routes of a door may be called in one workspace.
#[derive(Debug)]
pub struct Quota {
    /// Its name, which no other quota has.
    pub name: &'static str,
    /// The paths that are counted together.
    pub paths: &'static [&'static str],
    /// The time that calls are counted in.
    pub window: Window,
    /// Calls within a window.
    pub calls: u32,
    /// Calls under way at one time, where that is bounded.
    pub at_once: Option<u32>,
    /// The headers by which answers tell of it.
    pub tell: fn(&Spent) -> HeaderMap,
}

/// What of a quota is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// The time that calls are counted in.
    pub window: Window,
    /// Calls that are left in this window.
    pub remaining: u32,
    /// When the next window begins.
    pub reset: Timestamp,
}

/// A place among the calls under way, where these are bounded.
pub(crate) type Place = Option<OwnedSemaphorePermit>;

/// The counts of all quotas.
pub(crate) struct Quotas {
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    counts: Mutex<HashMap<(&'static str, WorkspaceId), Count>>,
}

struct Count {
    /// The number of the window since 1970.
    window: i64,
    calls: u32,
    until: Timestamp,
    under_way: Option<Arc<Semaphore>>,
}

impl Count {
    fn is_over(&self, now: Timestamp) -> bool {
        self.until <= now && self.under_way.as_ref().is_none_or(|own| Arc::strong_count(own) == 1)
    }
}

impl Quotas {
    /// Counts that read this clock.
    pub(crate) fn new(clock: Arc<dyn Fn() -> Timestamp + Send + Sync>) -> Self {
        Self { clock, counts: Mutex::default() }
    }

    /// Counts a call, or says when to come again; and what is spent then.
    pub(crate) fn admit(&self, quota: &Quota, workspace: WorkspaceId) -> (Spent, Result<Place, Error>) {
        let now = (self.clock)();
        let micros = quota.window.micros();
        let window = now.micros().div_euclid(micros);
        let until = now.plus_micros((window + 1).saturating_mul(micros) - now.micros());
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= COUNTS_KEPT && !counts.contains_key(&(quota.name, workspace)) {
            counts.retain(|_, count| !count.is_over(now));
        }
        let count = counts.entry((quota.name, workspace)).or_insert_with(|| Count {
            window,
            calls: 0,
            until,
            under_way: quota.at_once.map(|max| Arc::new(Semaphore::new(max as usize))),
        });
        if count.window != window {
            (count.window, count.calls, count.until) = (window, 0, until);
        }
        let spent =
            |calls: u32| Spent { window: quota.window, remaining: quota.calls.saturating_sub(calls), reset: until };
        if count.calls >= quota.calls {
            let message = format!("{} calls per {} are taken in a workspace", quota.calls, quota.window.name());
            let wait = (until.micros() - now.micros()).max(0).div_euclid(1_000_000) + 1;
            let error = refused("quota_exceeded", message, u32::try_from(wait).unwrap_or(u32::MAX));
            return (spent(count.calls), Err(error));
        }
        let place = match count.under_way.as_ref().map(|own| Arc::clone(own).try_acquire_owned()) {
            None => None,
            Some(Ok(place)) => Some(place),
            Some(Err(_)) => {
                let message = format!("{} of these calls are taken at one time", quota.at_once.unwrap_or_default());
                return (spent(count.calls), Err(refused("quota_at_once", message, 1)));
            }
        };
        count.calls += 1;
        (spent(count.calls), Ok(place))
    }
}

fn refused(code: &'static str, message: String, retry_after_secs: u32) -> Error {
    metrics::counter!(names::LIMITED, "subject" => "workspace", "code" => code).increment(1);
    Error { retry_after_secs: Some(retry_after_secs), ..Error::new(ErrorKind::Throttled, code, message) }
}
