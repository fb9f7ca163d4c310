//! The limits of a workspace that differ from the engine's defaults.

use tessera_engine::config::Limits;

use super::StoredConfig;
use crate::base::error::{Error, ErrorKind};

/// Limits that differ from the engine's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LimitOverrides {
    /// Identities in one profile.
    pub profile_identities_max: Option<u32>,
    /// Distinct neighbours of higher priority up to which a value is no hub.
    pub hub_links_max: Option<u32>,
    /// How far in the future of its receipt a fact may lie, in seconds.
    pub future_secs_max: Option<u32>,
    /// Identities that one fact may carry.
    pub fact_identities_max: Option<u32>,
    /// Attributes that one fact may carry.
    pub fact_attributes_max: Option<u32>,
}

/// Sets the limits that differ from the defaults.
///
/// # Errors
/// `Invalid` with `limit_invalid`, naming the limit and its bounds.
pub fn set_limits(config: &StoredConfig, limits: LimitOverrides) -> Result<StoredConfig, Error> {
    limits.check()?;
    config.next(|next| next.limits = limits)
}

impl LimitOverrides {
    /// Each limit lies between 1 and what the records, the walk and the lanes are made for.
    fn check(&self) -> Result<(), Error> {
        let bounds = [
            ("profile_identities_max", self.profile_identities_max, 1_000),
            ("hub_links_max", self.hub_links_max, 1_000),
            ("future_secs_max", self.future_secs_max, 366 * 86_400),
            ("fact_identities_max", self.fact_identities_max, 32),
            ("fact_attributes_max", self.fact_attributes_max, 1_000),
        ];
        let wrong = bounds.into_iter().find(|(_, value, max)| value.is_some_and(|value| value == 0 || value > *max));
        match wrong {
            None => Ok(()),
            Some((name, _, max)) => {
                Err(Error::new(ErrorKind::Invalid, "limit_invalid", format!("{name} is 1 to {max}, or left out")))
            }
        }
    }

    pub(super) fn to_engine(self) -> Limits {
        let default = Limits::default();
        let or = |set: Option<u32>, default| set.map_or(default, |set| set as usize);
        Limits {
            profile_identities_max: or(self.profile_identities_max, default.profile_identities_max),
            hub_links_max: self.hub_links_max.unwrap_or(default.hub_links_max),
            future_micros_max: self
                .future_secs_max
                .map_or(default.future_micros_max, |secs| i64::from(secs) * 1_000_000),
            fact_identities_max: or(self.fact_identities_max, default.fact_identities_max),
            fact_attributes_max: or(self.fact_attributes_max, default.fact_attributes_max),
            ..default
        }
    }
}
