//! The namespaces that a new workspace begins with.

use std::sync::{Arc, LazyLock};

use regex::Regex;

use super::namespace::{Kind, Namespace, NamespaceId, NamespaceName, Normaliser};
use crate::normalise::{NOBODY_PATTERNS, blocked_pattern};

/// One line of the table below. Those of a person, trimmed, without bound; the rest is said where it differs.
struct Row {
    number: u16,
    name: &'static str,
    priority: u16,
    limit: Option<u32>,
    normaliser: Normaliser,
}

const fn row(number: u16, name: &'static str, priority: u16, limit: Option<u32>) -> Row {
    Row { number, name, priority, limit, normaliser: Normaliser::Trim }
}

const fn spelled(number: u16, name: &'static str, priority: u16, limit: Option<u32>, normaliser: Normaliser) -> Row {
    Row { number, name, priority, limit, normaliser }
}

/// The document identity of a profile that an API keeps as a document.
const PROFILE: &str = "profile";
/// The one exclusive namespace.
const USER_ID: &str = "user_id";
/// The account namespace.
const GROUP_ID: &str = "group_id";

/// Numbers are part of stored keys: a row is never renumbered, and the number of one that goes is never used again.
///
/// Bounded to five are the ids that a person has a few of; without bound those that renew themselves (tokens, cookies,
/// advertising ids), where a bound would only cut off people who stay for long.
#[rustfmt::skip]
const ROWS: [Row; 21] = [
    row(1, PROFILE, 1_000, None),
    row(2, USER_ID, 900, None),
    spelled(3, "email", 800, Some(5), Normaliser::Email),
    spelled(4, "phone", 700, Some(5), Normaliser::Phone { region: None }),
    row(5, "anonymous_id", 100, None),
    row(6, GROUP_ID, 900, None),
    row(7, "crm_id", 690, Some(5)),
    row(8, "customer_id", 680, Some(5)),
    row(9, "kakao_user_id", 590, Some(5)),
    row(10, "line_user_id", 580, Some(5)),
    row(11, "cross_domain_id", 400, None),
    row(12, "braze_id", 390, Some(5)),
    row(13, "android.id", 300, Some(5)),
    row(14, "android.idfa", 290, None),
    row(15, "android.push_token", 280, None),
    row(16, "ios.id", 270, Some(5)),
    row(17, "ios.idfa", 260, None),
    row(18, "ios.push_token", 250, None),
    row(19, "ga_client_id", 240, None),
    row(20, "device_id", 200, None),
    row(21, "ecid", 190, None),
];

/// The namespaces of a new workspace, by number.
#[must_use]
pub fn default_namespaces() -> Vec<Namespace> {
    ROWS.iter().map(namespace).collect()
}

fn namespace(row: &Row) -> Namespace {
    static NOBODY: LazyLock<Vec<Arc<Regex>>> = LazyLock::new(|| {
        let compiled = |pattern: &&str| blocked_pattern(pattern).expect("the constant patterns compile");
        NOBODY_PATTERNS.iter().map(compiled).collect()
    });
    Namespace {
        id: NamespaceId::new(row.number),
        name: NamespaceName::parse(row.name).expect("the names of the table are names"),
        kind: if row.name == GROUP_ID { Kind::Account } else { Kind::Person },
        priority: row.priority,
        exclusive: row.name == USER_ID,
        limit: row.limit,
        normaliser: row.normaliser,
        blocked: Vec::new(),
        // Who keeps a document chooses its id: none of these is an accident there.
        blocked_patterns: if row.name == PROFILE { Vec::new() } else { NOBODY.clone() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Limits};

    #[test]
    fn they_make_a_configuration() {
        let config = Config::new(1, default_namespaces(), None, Limits::default()).expect("a configuration");
        let rows: Vec<_> =
            config.namespaces().iter().map(|namespace| (namespace.id.number(), namespace.priority)).collect();
        assert_eq!(rows.first(), Some(&(1, 1_000)));
        assert!(rows.iter().all(|(_, priority)| (1..=1_000).contains(priority)));
        let exclusive = config.exclusive().and_then(|id| config.find(id)).map(|namespace| namespace.name.to_string());
        assert_eq!(exclusive.as_deref(), Some("user_id"));
        let accounts: Vec<_> = config.namespaces().iter().filter(|namespace| namespace.kind == Kind::Account).collect();
        assert_eq!(accounts.len(), 1);
        assert_eq!(accounts[0].name.as_str(), "group_id");
    }

    /// Numbers stand in stored keys: this list only grows.
    #[test]
    fn numbers_stay() {
        let listed: Vec<_> = default_namespaces()
            .iter()
            .map(|namespace| format!("{} {}", namespace.id.number(), namespace.name))
            .collect();
        let expected = "1 profile,2 user_id,3 email,4 phone,5 anonymous_id,6 group_id,7 crm_id,8 customer_id,9 kakao_user_id,\
            10 line_user_id,11 cross_domain_id,12 braze_id,13 android.id,14 android.idfa,15 android.push_token,\
            16 ios.id,17 ios.idfa,18 ios.push_token,19 ga_client_id,20 device_id,21 ecid";
        assert_eq!(listed.join(","), expected);
    }

    /// Among persons the owner of a fact should not hang on the bytes of its ids.
    #[test]
    fn no_two_kinds_of_id_of_a_person_are_equals() {
        let mut priorities: Vec<_> = ROWS.iter().filter(|row| row.name != GROUP_ID).map(|row| row.priority).collect();
        priorities.sort_unstable();
        assert!(priorities.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
