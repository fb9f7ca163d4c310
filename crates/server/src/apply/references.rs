//! What names others: activations name connections, segments and merge policies, sources name connections. A server refuses to make what names
//! something that is not there, and to take away what is named; a plan says so before anything is written.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tessera_api::declared;

use super::files::Declared;
use super::kinds::{Current, Key, Kind};
use super::plan::Change;
use crate::client::Client;

/// The kinds that name others or are named by them.
const KINDS: [Kind; 4] = [Kind::Segment, Kind::Connection, Kind::Source, Kind::Activation];

/// What a server has of kinds that no file declares, where those that are declared name them or are named by them.
#[derive(Debug, Default)]
pub(super) struct Beside {
    others: Current,
    /// Kinds of which the key may not know what there is: the server is left to judge.
    unknown: BTreeSet<Kind>,
}

impl Beside {
    /// Reads it from a server.
    pub(super) fn read(client: &Client, declared: &Declared) -> Self {
        let kinds: BTreeSet<Kind> = declared.things.keys().map(|key| key.kind).collect();
        let mut own = Self::default();
        if kinds.is_disjoint(&KINDS.into()) && !kinds.contains(&Kind::MergePolicy) {
            return own;
        }
        for kind in KINDS.into_iter().filter(|kind| !kinds.contains(kind)) {
            if kind.current(client, &[], &mut own.others).is_err() {
                own.unknown.insert(kind);
            }
        }
        own
    }
}

/// What there is, and what will be.
struct Plan<'a> {
    declared: &'a Declared,
    current: &'a Current,
    beside: &'a Beside,
    removed: BTreeSet<&'a Key>,
}

/// What no server would take of what names others, or is named by them.
pub(super) fn contradictions(
    declared: &Declared,
    (current, beside): (&Current, &Beside),
    changes: &[Change],
) -> Vec<(Key, String)> {
    let removed = changes.iter().filter(|change| change.after.is_none()).map(|change| &change.key).collect();
    let plan = Plan { declared, current, beside, removed };
    let mut found = Vec::new();
    for Change { key, before, after } in changes {
        match (key.kind, after) {
            (Kind::Activation, Some(after)) => plan.activation(key, after, &mut found),
            (Kind::Source, Some(after)) => drop(plan.connection(key, after, &mut found)),
            (Kind::Connection | Kind::Segment | Kind::MergePolicy, None) => plan.removal(key, &mut found),
            (Kind::Connection, Some(after))
                if before.as_ref().is_some_and(|before| before["kind"] != after["kind"]) =>
            {
                plan.kind_of_connection(key, &mut found);
            }
            _ => {}
        }
    }
    found
}

impl<'a> Plan<'a> {
    /// What the server has of a kind now; nothing where that is not known.
    fn before(&self, kind: Kind) -> Option<BTreeMap<&'a str, &'a Value>> {
        let things = self.current.things.iter().chain(&self.beside.others.things);
        let named =
            things.filter(|(key, _)| key.kind == kind).filter_map(|(key, own)| Some((key.name.as_deref()?, own)));
        (!self.beside.unknown.contains(&kind)).then(|| named.collect())
    }

    /// What it will have.
    fn after(&self, kind: Kind) -> Option<BTreeMap<&'a str, &'a Value>> {
        let mut things = self.before(kind)?;
        things.retain(|name, _| !self.removed.contains(&Key::new(kind, Some((*name).to_owned()))));
        let declared = self.declared.things.iter().filter(|(key, _)| key.kind == kind);
        things.extend(declared.filter_map(|(key, own)| Some((key.name.as_deref()?, own))));
        Some(things)
    }

    /// The connection that something names. That there is none is noted.
    fn connection(&self, key: &Key, own: &Value, found: &mut Vec<(Key, String)>) -> Option<&'a Value> {
        let name = own["connection"].as_str()?;
        let there = self.after(Kind::Connection)?.get(name).copied();
        if there.is_none() {
            let message = format!("{key}: there is no connection {name}, and no file declares it (connection_unknown)");
            found.push((key.clone(), message));
        }
        there
    }

    fn activation(&self, key: &Key, own: &Value, found: &mut Vec<(Key, String)>) {
        let mut note = |message: String| found.push((key.clone(), format!("{key}: {message}")));
        if let (Some(name), Some(segments)) = (own["segment"].as_str(), self.after(Kind::Segment)) {
            match segments.get(name) {
                None => note(format!(
                    "there is no segment {name}, or it is archived, and no file declares it (segment_not_found)"
                )),
                Some(segment) if segment["status"] == "draft" => {
                    note(format!("the segment {name} is a draft, and has no members (segment_not_live)"));
                }
                Some(_) => {}
            }
        }
        let policy = own["merge_policy"].as_str().filter(|_| !self.beside.unknown.contains(&Kind::Segment));
        if let Some(id) = policy {
            let own = Key::new(Kind::MergePolicy, Some(id.to_owned()));
            let is_there = self.current.policies.contains(id) || self.beside.others.policies.contains(id);
            if !self.declared.things.contains_key(&own) && (!is_there || self.removed.contains(&own)) {
                note(format!("there is no merge policy {id}, and no file declares it (merge_policy_unknown)"));
            }
        }
        let Some(connection) = self.connection(key, own, found) else { return };
        let mut note = |message: String| found.push((key.clone(), format!("{key}: {message}")));
        if let Err(wrong) = declared::activation_over(own, connection) {
            return note(format!("{} ({})", wrong.message, wrong.code));
        }
        let (Some(connections), Some(all)) = (self.after(Kind::Connection), self.after(Kind::Activation)) else {
            return;
        };
        for (name, other) in all.into_iter().filter(|(name, _)| Some(*name) != key.name.as_deref()) {
            let over = other["connection"].as_str().and_then(|name| connections.get(name));
            if over.is_some_and(|over| declared::is_one_target((own, connection), (other, over))) {
                note(format!("the activation {name} writes there, or above or below it (activation_target_taken)"));
            }
        }
    }

    /// What is removed while something else names it.
    fn removal(&self, key: &Key, found: &mut Vec<(Key, String)>) {
        let (kinds, member, code) = match key.kind {
            Kind::Connection => (&[Kind::Source, Kind::Activation][..], "connection", "connection_in_use"),
            Kind::Segment => (&[Kind::Activation][..], "segment", "rule_in_use"),
            _ => (&[Kind::Activation][..], "merge_policy", "merge_policy_in_use"),
        };
        for kind in kinds {
            let users = self.after(*kind).unwrap_or_default();
            for (user, _) in users.into_iter().filter(|(_, own)| own[member].as_str() == key.name.as_deref()) {
                let message = format!("is that of {kind} {user} and cannot be removed; declare it ({code})");
                found.push((key.clone(), message));
            }
        }
    }

    /// A connection that is in use becomes one of another kind. It is written before those that use it.
    fn kind_of_connection(&self, key: &Key, found: &mut Vec<(Key, String)>) {
        for kind in [Kind::Source, Kind::Activation] {
            let users = self.before(kind).unwrap_or_default();
            for (user, _) in users.into_iter().filter(|(_, own)| own["connection"].as_str() == key.name.as_deref()) {
                let message = format!(
                    "{key}: it is that of {kind} {user}, and stays of its kind; declare another one (connection_in_use)"
                );
                found.push((key.clone(), message));
            }
        }
    }
}
