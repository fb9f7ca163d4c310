//! Under which version of the spellings of identities the records of a workspace stand.
//!
//! A workspace that has never committed anything begins with the present version. One that has no row of it is from before there was
//! one. When the present version is newer, the configuration is brought under it, and a sweep follows that joins each identity with
//! its new spelling.

use bytes::Bytes;
use tessera_engine::normalise::{NOBODY_PATTERNS, NOBODY_PATTERNS_1, SPELLING_VERSION};

use super::StoredConfig;
use crate::base::codec;
use crate::base::error::Error;

const VERSION: u8 = 1;

/// Whether the records of a workspace follow an older version.
#[must_use]
pub fn is_outdated(config: &StoredConfig) -> bool {
    config.spelling < SPELLING_VERSION
}

/// The configuration under the present spellings: blocked values in theirs, and patterns of nobody as a new workspace has them where
/// they are as they were made. The same one where it is under them.
///
/// # Errors
/// `LimitExceeded` with `config_too_large`.
pub fn respelled(config: &StoredConfig) -> Result<StoredConfig, Error> {
    if !is_outdated(config) {
        return Ok(config.clone());
    }
    config.next(|next| {
        next.spelling = SPELLING_VERSION;
        for namespace in &mut next.namespaces {
            let mut rules = namespace.rules();
            renew_patterns(&mut rules.patterns);
            // What does not fit its bounds under the new spellings stays as somebody has set it.
            let fitting = namespace.clone().ruled(rules).or_else(|_| namespace.clone().ruled(namespace.rules()));
            if let Ok(changed) = fitting {
                *namespace = changed;
            }
        }
    })
}

fn renew_patterns(patterns: &mut Vec<String>) {
    let [.., former] = NOBODY_PATTERNS_1;
    let Some(at) = patterns.iter().position(|pattern| pattern == former) else { return };
    let kept: Vec<String> = patterns.clone();
    let new = NOBODY_PATTERNS.iter().filter(|new| !kept.iter().any(|own| own == *new)).map(|&new| new.to_owned());
    patterns.splice(at..=at, new);
}

/// The row of a workspace that begins.
#[must_use]
pub fn fresh() -> Bytes {
    encode(SPELLING_VERSION)
}

pub(super) fn encode(spelling: u16) -> Bytes {
    codec::encode(VERSION, &spelling)
}

pub(super) fn decode(bytes: &[u8]) -> Result<u16, Error> {
    codec::decode(VERSION, bytes)
}

#[cfg(test)]
mod tests {
    use super::super::{NamespaceRules, update_namespace};
    use super::*;

    #[test]
    fn the_row_is_read_as_written() {
        let row = encode(2);
        codec::golden("spelling-1", &row);
        assert_eq!(decode(&row).expect("a version"), 2);
        assert_eq!(decode(&fresh()).expect("a version"), SPELLING_VERSION);
    }

    #[test]
    fn blocked_values_and_patterns_as_they_were_made_follow() {
        let mut before = StoredConfig::default();
        for namespace in &mut before.namespaces {
            namespace.patterns = NOBODY_PATTERNS_1.map(str::to_owned).into();
        }
        let email = before.namespace("email").expect("registered").clone();
        let own = NamespaceRules { patterns: vec!["x+".into()], ..email.rules() };
        let mut before = update_namespace(&before, "email", None, own).expect("a change");
        for namespace in before.namespaces.iter_mut().filter(|own| own.name.as_str() == "email") {
            namespace.blocked = vec!["info@xn--bcher-kva.example".into()];
        }
        let after = respelled(&before).expect("a configuration");
        assert_eq!(after.spelling, SPELLING_VERSION);
        assert!(after.sweeps().is_restaging());
        assert_eq!(after.namespace("email").expect("registered").blocked, ["info@bücher.example"]);
        assert_eq!(after.namespace("email").expect("registered").patterns, ["x+"]);
        let user = after.namespace("user_id").expect("registered");
        assert_eq!(user.patterns, NOBODY_PATTERNS);
        assert_eq!(respelled(&after).expect("the same"), after);
    }
}
