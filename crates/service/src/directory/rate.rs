//! How much a key or a workspace may ask of the service. Kept and set here; the doors enforce it.

use crate::base::error::{Error, ErrorKind};

/// A bound on requests. Off unless set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    per_second: u32,
    burst: u32,
    concurrency: u32,
}

impl RateLimit {
    /// The largest figure of each bound; whoever needs more needs no bound.
    pub const MAX: u32 = 1_000_000;

    /// So many requests per second on average, at once after a pause, and under way at one time: each 1 to [`Self::MAX`].
    ///
    /// # Errors
    /// `Invalid` with `rate_limit_invalid`.
    pub fn new(per_second: u32, burst: u32, concurrency: u32) -> Result<Self, Error> {
        if [per_second, burst, concurrency].iter().all(|figure| (1..=Self::MAX).contains(figure)) {
            Ok(Self { per_second, burst, concurrency })
        } else {
            let message = "per_second, burst and concurrency are each 1 to 1000000; leave the limit out for no bound";
            Err(Error::new(ErrorKind::Invalid, "rate_limit_invalid", message))
        }
    }

    /// Requests per second on average.
    #[must_use]
    pub fn per_second(&self) -> u32 {
        self.per_second
    }

    /// Requests at once after a pause.
    #[must_use]
    pub fn burst(&self) -> u32 {
        self.burst
    }

    /// Requests under way at one time.
    #[must_use]
    pub fn concurrency(&self) -> u32 {
        self.concurrency
    }
}
