//! What a workspace says of erasures.

use super::StoredConfig;
use crate::base::error::{Error, ErrorKind};

/// The most that the bound on waiting events may be.
pub const WAITING_EVENTS_MAX: u64 = 1_000_000_000;

/// What a workspace says of erasures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ErasureRules {
    /// Events of erased profiles and identities that may wait for the purge; none for no bound. An erasure that suppresses is
    /// never held up by it.
    pub waiting_events_max: Option<u64>,
}

/// The configuration with these rules; the same one where they are the same.
///
/// # Errors
/// `Invalid` with `waiting_events_max_invalid`; `LimitExceeded` with `config_too_large`.
pub fn set_erasure_rules(config: &StoredConfig, rules: ErasureRules) -> Result<StoredConfig, Error> {
    if rules.waiting_events_max.is_some_and(|max| !(1..=WAITING_EVENTS_MAX).contains(&max)) {
        let message = format!("waiting_events_max is expected to be null or 1 to {WAITING_EVENTS_MAX}");
        return Err(Error::new(ErrorKind::Invalid, "waiting_events_max_invalid", message));
    }
    if config.erasure == rules {
        return Ok(config.clone());
    }
    config.next(|next| next.erasure = rules)
}
