//! How much a key or a workspace may ask of the service. Kept and set here; the doors enforce it.

use crate::base::error::{Error, ErrorKind};

/// A bound on requests. Off unless set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    per_second: u32,
    burst: u32,
    concurrency: u32,
    peak: Option<u32>,
}

impl RateLimit {
    /// What DinMo's profile API documents (`dinmo.md` A6): 500 requests per second sustained, and up to 1,000 in any one second for two minutes at most,
    /// on any number of connections. What is asked for above 500 in a second is taken from a reserve of 60,000, and what is left of quieter ones fills it.
    pub const DINMO: Self = Self { per_second: 500, burst: 60_000, concurrency: Self::MAX, peak: Some(1_000) };

    /// The largest figure that [`Self::peak`] may have.
    pub const PEAK_MAX: u32 = 100_000;

    /// The largest figure of each bound; whoever needs more needs no bound.
    pub const MAX: u32 = 1_000_000;

    /// So many requests per second on average, at once after a pause, and under way at one time: each 1 to [`Self::MAX`].
    ///
    /// # Errors
    /// `Invalid` with `rate_limit_invalid`.
    pub fn new(per_second: u32, burst: u32, concurrency: u32) -> Result<Self, Error> {
        if [per_second, burst, concurrency].iter().all(|figure| (1..=Self::MAX).contains(figure)) {
            Ok(Self { per_second, burst, concurrency, peak: None })
        } else {
            let message = "per_second, burst and concurrency are each 1 to 1000000; leave the limit out for no bound";
            Err(Error::new(ErrorKind::Invalid, "rate_limit_invalid", message))
        }
    }

    /// The same, with no more requests than this in any one second, however much of the burst is left: 1 to [`Self::PEAK_MAX`].
    ///
    /// # Errors
    /// `Invalid` with `rate_limit_invalid`.
    pub fn with_peak(self, peak: u32) -> Result<Self, Error> {
        if (1..=Self::PEAK_MAX).contains(&peak) {
            return Ok(Self { peak: Some(peak), ..self });
        }
        let message = "peak_per_second is 1 to 100000; leave it out for no bound but the burst";
        Err(Error::new(ErrorKind::Invalid, "rate_limit_invalid", message))
    }

    /// The preset of this name: the limits that a product documents.
    ///
    /// # Errors
    /// `Invalid` with `rate_limit_invalid`.
    pub fn preset(name: &str) -> Result<Self, Error> {
        match name {
            "dinmo" => Ok(Self::DINMO),
            _ => Err(Error::new(ErrorKind::Invalid, "rate_limit_invalid", "preset: dinmo is expected")),
        }
    }

    /// Requests in any one second, where that is bounded beside the burst.
    #[must_use]
    pub fn peak(&self) -> Option<u32> {
        self.peak
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
