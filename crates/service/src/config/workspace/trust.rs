//! The keys that a workspace signs with, and the issuers whose tokens it takes.

use tessera_engine::time::Timestamp;

use super::StoredConfig;
use crate::base::error::{Error, ErrorKind};
use crate::config::tokens::issuers::ISSUERS_MAX;
use crate::config::tokens::{Issuer, SIGNING_KEYS_MAX, SigningKey};

/// Seconds that a key goes on verifying once another one signs, unless it is said: a day.
pub const OVERLAP_SECS: u32 = 86_400;
/// The most that may be said: thirty days.
pub const OVERLAP_SECS_MAX: u32 = 30 * 86_400;

/// The configuration in which this key signs. Those before it verify until the overlap is over, or until they end anyway.
///
/// # Errors
/// `Invalid` with `signing_overlap_invalid`; `LimitExceeded` with `signing_keys_full`, `config_too_large`.
pub(crate) fn add_signing_key(
    config: &StoredConfig,
    key: SigningKey,
    overlap_secs: u32,
    now: Timestamp,
) -> Result<StoredConfig, Error> {
    let mut keys = overlapping(config, overlap_secs, now)?;
    keys.push(key);
    config.next(|next| next.signing_keys.keys = keys)
}

/// What stays of the keys beside a new one.
///
/// # Errors
/// As [`add_signing_key`].
pub(crate) fn overlapping(config: &StoredConfig, overlap_secs: u32, now: Timestamp) -> Result<Vec<SigningKey>, Error> {
    if overlap_secs > OVERLAP_SECS_MAX {
        let message = format!("overlap_secs is expected to be 0 to {OVERLAP_SECS_MAX}");
        return Err(Error::new(ErrorKind::Invalid, "signing_overlap_invalid", message));
    }
    let over = now.plus_micros(i64::from(overlap_secs) * 1_000_000);
    let ends = |key: &SigningKey| key.ends_at.map_or(over, |ends_at| ends_at.min(over));
    let keys = config.signing_keys.iter().map(|key| key.clone().ending_at(ends(key)));
    let keys: Vec<SigningKey> = keys.filter(|key| !key.has_ended(now)).collect();
    if keys.len() >= SIGNING_KEYS_MAX {
        let message = format!(
            "a workspace has at most {SIGNING_KEYS_MAX} signing keys: wait until one has ended, or let those before end sooner by overlap_secs"
        );
        return Err(Error::new(ErrorKind::LimitExceeded, "signing_keys_full", message));
    }
    Ok(keys)
}

/// The configuration with this key if it has none; the same one otherwise.
///
/// # Errors
/// `LimitExceeded` with `config_too_large`.
pub(crate) fn with_first_signing_key(config: &StoredConfig, key: SigningKey) -> Result<StoredConfig, Error> {
    match config.signing_keys.signing() {
        Some(_) => Ok(config.clone()),
        None => config.next(|next| next.signing_keys.keys.push(key)),
    }
}

/// The configuration without signing keys that have ended; the same one where none has.
///
/// # Errors
/// `LimitExceeded` with `config_too_large`.
pub(crate) fn without_ended_keys(config: &StoredConfig, now: Timestamp) -> Result<StoredConfig, Error> {
    if config.signing_keys.next_end().is_none_or(|end| end > now) {
        return Ok(config.clone());
    }
    config.next(|next| next.signing_keys.keys.retain(|key| !key.has_ended(now)))
}

/// The configuration with this issuer, in the place of one of its name; the same one where nothing is another.
///
/// # Errors
/// `Conflict` with `token_issuer_taken`; `LimitExceeded` with `token_issuers_full`, `config_too_large`.
pub fn put_token_issuer(config: &StoredConfig, issuer: Issuer) -> Result<StoredConfig, Error> {
    let others = config.issuers.iter().filter(|other| other.name() != issuer.name());
    let mut issuers: Vec<Issuer> = others.cloned().collect();
    if let Some(other) = issuers.iter().find(|other| other.iss() == issuer.iss()) {
        let message = format!("another token issuer has this iss name={}", other.name());
        return Err(Error::new(ErrorKind::Conflict, "token_issuer_taken", message));
    }
    if issuers.len() >= ISSUERS_MAX {
        let message = format!("a workspace has at most {ISSUERS_MAX} token issuers");
        return Err(Error::new(ErrorKind::LimitExceeded, "token_issuers_full", message));
    }
    let at = issuers.partition_point(|other| other.name() < issuer.name());
    issuers.insert(at, issuer);
    if issuers == config.issuers.issuers {
        return Ok(config.clone());
    }
    config.next(|next| next.issuers.issuers = issuers)
}

/// The configuration without the issuer of this name.
///
/// # Errors
/// `NotFound` with `token_issuer_not_found`.
pub fn delete_token_issuer(config: &StoredConfig, name: &str) -> Result<StoredConfig, Error> {
    config.issuers.find(name)?;
    config.next(|next| next.issuers.issuers.retain(|issuer| issuer.name().as_str() != name))
}
