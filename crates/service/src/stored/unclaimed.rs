//! Under the names of which namespaces attributes stand that nobody claimed as identities.
//!
//! Whoever is asked for by `email = "…"` is looked up as an identity. A profile without one may show an attribute of that name all the same: a
//! record said it as an attribute alone, or the value is blocked or malformed. A workspace keeps one row that says for which namespaces there
//! may be such attributes; there, everybody is asked. The row moves with the commit that writes the first one, and is never taken back.
//! Values that can be identities and those that cannot are told apart, and people from accounts: what one browser states wrongly makes no
//! look-up of an address slow.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::cluster::Cluster;
use tessera_engine::config::{Config, Kind, Namespace, NamespaceId};
use tessera_engine::normalise::normalise;
use tessera_engine::value::Value;
use tessera_store::Key;

use crate::base::codec::{self, corrupt};
use crate::base::error::Error;
use crate::stored::keys::{Family, Scope};

const VERSION: u8 = 1;

impl Scope {
    /// Where attributes stand that nobody claimed.
    pub(crate) fn unclaimed(self) -> Key {
        self.family(Family::Unclaimed).key()
    }
}

/// What a value that is asked for is to its namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It can be an identity of it.
    Identity,
    /// It is blocked or malformed.
    Never,
}

/// Which attributes may stand under the name of a namespace. What is not said to be absent may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Marks {
    /// Such as can be identities of it.
    identities: bool,
    /// Such as cannot.
    others: bool,
}

impl Marks {
    const NONE: Self = Self { identities: false, others: false };
    const ALL: Self = Self { identities: true, others: true };

    fn with(self, namespace: &Namespace, value: &Value) -> Self {
        let fits = |text: &str| match normalise(namespace, text) {
            Ok(_) => Self { identities: true, ..self },
            Err(_) => Self { others: true, ..self },
        };
        match value {
            Value::Text(text) => fits(text),
            Value::Number(number) => fits(&number.to_string()),
            // It may be asked for in several spellings.
            Value::Timestamp(_) => Self::ALL,
            // None of them equals a text or a number.
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Set(_) | Value::Object(_) => self,
        }
    }
}

/// For each namespace, and of people and of accounts, what may stand under its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unclaimed(BTreeMap<(NamespaceId, Kind), Marks>);

impl Unclaimed {
    /// There is nothing yet in a workspace of these namespaces.
    pub(crate) fn none(config: &Config) -> Self {
        let names = config.namespaces().iter().flat_map(|own| [(own.id, Kind::Person), (own.id, Kind::Account)]);
        Self(names.map(|name| (name, Marks::NONE)).collect())
    }

    /// Whether a profile of this kind may show such a value under the name of the namespace and have no identity of it.
    pub(crate) fn may_stand(&self, namespace: NamespaceId, kind: Kind, fit: Fit) -> bool {
        let marks = self.0.get(&(namespace, kind)).copied().unwrap_or(Marks::ALL);
        match fit {
            Fit::Identity => marks.identities,
            Fit::Never => marks.others,
        }
    }

    /// Takes note of what a record holds.
    pub(crate) fn note(&mut self, cluster: &Cluster, config: &Config) {
        for (namespace, kind, value) in cluster.unclaimed(config) {
            self.stands(namespace, kind, value);
        }
    }

    /// Takes note of a value that stands under the name of a namespace.
    pub(crate) fn stands(&mut self, namespace: &Namespace, kind: Kind, value: &Value) {
        if let Some(marks) = self.0.get_mut(&(namespace.id, kind)).filter(|marks| **marks != Marks::ALL) {
            *marks = marks.with(namespace, value);
        }
    }

    /// What is known under another configuration: of a namespace that is new, or whose values are read otherwise, nothing.
    pub(crate) fn under(&self, before: &Config, after: &Config) -> Self {
        let is_same = |id: NamespaceId| match (before.find(id), after.find(id)) {
            (Some(before), Some(after)) => reads_alike(before, after),
            _ => false,
        };
        Self(self.0.iter().filter(|((id, _), _)| is_same(*id)).map(|(name, marks)| (*name, *marks)).collect())
    }

    /// Whether everything that others found stands in it as well.
    pub(crate) fn covers(&self, found: &Self) -> bool {
        found.0.iter().all(|((namespace, kind), marks)| {
            let has = |fit| self.may_stand(*namespace, *kind, fit);
            (!marks.identities || has(Fit::Identity)) && (!marks.others || has(Fit::Never))
        })
    }

    /// Writes the row.
    pub(crate) fn encode(&self) -> Bytes {
        let rows = self.0.iter().map(|((namespace, kind), marks)| Record {
            namespace: namespace.number(),
            is_account: *kind == Kind::Account,
            marks: *marks,
        });
        codec::encode(VERSION, &rows.collect::<Vec<_>>())
    }

    /// Reads the row.
    ///
    /// # Errors
    /// `Corrupt`.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let rows: Vec<Record> = codec::decode(VERSION, bytes)?;
        let mut all = BTreeMap::new();
        for Record { namespace, is_account, marks } in rows {
            let kind = if is_account { Kind::Account } else { Kind::Person };
            if all.insert((NamespaceId::new(namespace), kind), marks).is_some() {
                return Err(corrupt("row of attributes that nobody claimed"));
            }
        }
        Ok(Self(all))
    }
}

#[derive(Serialize, Deserialize)]
struct Record {
    namespace: u16,
    is_account: bool,
    marks: Marks,
}

fn reads_alike(one: &Namespace, other: &Namespace) -> bool {
    let patterns = |own: &Namespace| own.blocked_patterns.iter().map(|own| own.as_str().to_owned()).collect::<Vec<_>>();
    one.name == other.name
        && one.normaliser == other.normaliser
        && one.blocked == other.blocked
        && patterns(one) == patterns(other)
}

#[cfg(test)]
mod tests {
    use tessera_engine::config::{Limits, default_namespaces};
    use tessera_engine::time::Timestamp;

    use super::*;

    fn config(namespaces: Vec<Namespace>) -> Config {
        Config::new(1, namespaces, None, Limits::default()).expect("a configuration")
    }

    #[test]
    fn each_value_counts_for_what_it_can_be() {
        let config = config(default_namespaces());
        let email = config.by_name("email").expect("a namespace");
        let check = |value: Value, expected: (bool, bool)| {
            let mut own = Unclaimed::none(&config);
            own.stands(email, Kind::Person, &value);
            let stands =
                |kind| (own.may_stand(email.id, kind, Fit::Identity), own.may_stand(email.id, kind, Fit::Never));
            assert_eq!((stands(Kind::Person), stands(Kind::Account)), (expected, (false, false)), "{value:?}");
            assert_eq!(Unclaimed::decode(&own.encode()).expect("a row"), own);
            assert!(own.covers(&Unclaimed::none(&config)) && own.covers(&own));
            assert_eq!(Unclaimed::none(&config).covers(&own), expected == (false, false));
        };
        check(Value::text("a@b.example"), (true, false));
        check(Value::text("no address"), (false, true));
        check(Value::Number(7.into()), (false, true));
        check(Value::Timestamp(Timestamp::MIN), (true, true));
        check(Value::Bool(true), (false, false));
    }

    #[test]
    fn nothing_is_known_of_a_namespace_that_is_new_or_reads_otherwise() {
        let before = config(default_namespaces());
        let mut blocked = default_namespaces();
        let email = blocked.iter_mut().find(|own| own.name.as_str() == "email").expect("a namespace");
        email.blocked.push("shop@shop.example".to_owned());
        let (id, after) = (email.id, config(blocked));
        let kept = Unclaimed::none(&before).under(&before, &after);
        for namespace in after.namespaces() {
            assert_eq!(kept.may_stand(namespace.id, Kind::Person, Fit::Identity), namespace.id == id);
        }
        assert!(Unclaimed::default().may_stand(id, Kind::Account, Fit::Never));
        assert!(kept.covers(&Unclaimed::none(&before)));
    }
}
