//! What differs between what is declared and what is there, and how people are told.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::files::Declared;
use super::kinds::{Current, Key, Kind};
use super::references::{self, Beside};
use super::rules;

/// One thing that is to be another.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) key: Key,
    /// What is there, if it is.
    pub(super) before: Option<Value>,
    /// What is to be there, if anything.
    pub(super) after: Option<Value>,
}

/// What becomes of what no file names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unnamed {
    /// It stays.
    Stays,
    /// It goes, where another thing of its kind is declared.
    Goes,
}

/// The changes that make the server what files say, in the order in which they are made. What can never be made is a problem.
pub(super) fn changes(
    declared: &mut Declared,
    (current, beside): (&Current, &Beside),
    unnamed: Unnamed,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for (key, after) in &declared.things {
        let before = current.things.get(key);
        if before != Some(after) {
            changes.push(Change { key: key.clone(), before: before.cloned(), after: Some(after.clone()) });
        }
    }
    if unnamed == Unnamed::Goes {
        let kinds: BTreeSet<Kind> = declared.things.keys().map(|key| key.kind).collect();
        let is_pruned = |key: &&Key| kinds.contains(&key.kind) && key.kind.is_pruned() && key.name.is_some();
        for key in current.things.keys().filter(is_pruned).filter(|key| !declared.things.contains_key(key)) {
            changes.push(Change { key: key.clone(), before: current.things.get(key).cloned(), after: None });
        }
    }
    let found = contradictions(declared, current, &changes);
    for (key, message) in found.into_iter().chain(references::contradictions(declared, (current, beside), &changes)) {
        declared.contradict(&key, message);
    }
    let places = rules::places(declared).unwrap_or_default();
    changes.sort_by_key(|change| change.turn(&places));
    changes
}

/// What no server would take, found out before anything is written.
fn contradictions(declared: &Declared, current: &Current, changes: &[Change]) -> Vec<(Key, String)> {
    let mut found = Vec::new();
    for Change { key, before, after } in changes {
        if let (Kind::Namespace, Some(before), Some(after)) = (key.kind, before, after)
            && before["kind"] != after["kind"]
        {
            let message = format!("{key}: the kind of a namespace never changes, and is {}", plain(&before["kind"]));
            found.push((key.clone(), message));
        }
    }
    let named = |kind: Kind, member: &str| {
        let key = Key::new(kind, None);
        let name = declared.things.get(&key).and_then(|value| value[member].as_str());
        name.map(|name| (key, name.to_owned()))
    };
    let is_declared = |kind: Kind, name: &str| declared.things.contains_key(&Key::new(kind, Some(name.to_owned())));
    let primary = named(Kind::PrimaryNamespace, "namespace");
    found.extend(primary.and_then(|(key, name)| {
        let is_there = current.namespaces.contains(&name) || is_declared(Kind::Namespace, &name);
        (!is_there).then(|| (key.clone(), format!("{key}: there is no namespace {name}, and no file declares it")))
    }));
    let default = named(Kind::DefaultMergePolicy, "merge_policy");
    if let Some((key, name)) = &default
        && !current.policies.contains(name)
        && !is_declared(Kind::MergePolicy, name)
    {
        found.push((key.clone(), format!("{key}: there is no merge policy {name}, and no file declares it")));
    }
    let default = default.map(|(_, name)| name).or_else(|| current.default_policy.clone());
    let removed = changes.iter().filter(|change| change.key.kind == Kind::MergePolicy && change.after.is_none());
    found.extend(removed.filter(|change| change.key.name == default).map(|change| {
        let message = "is the default one and cannot be removed; declare it, or another default_merge_policy";
        (change.key.clone(), message.to_owned())
    }));
    found.extend(rules::contradictions(declared, current, changes));
    found
}

impl Change {
    /// What is named by others is made before them and removed after them. Only one namespace is exclusive: it ceases to be so
    /// before another begins; and an activation is removed before another writes to its table. Rules have places among each other; attributes ask about segments too.
    fn turn(&self, places: &BTreeMap<Key, usize>) -> (Option<Reverse<Kind>>, Kind, bool, usize, Key) {
        let Key { kind, .. } = self.key;
        let is_named = matches!(kind, Kind::MergePolicy | Kind::Connection | Kind::Source);
        let is_late = self.after.is_none() && (is_named || rules::is_rule(kind));
        let is_exclusive = self.after.as_ref().is_some_and(|after| after["exclusive"] == Value::Bool(true));
        (
            is_late.then_some(Reverse(kind)),
            if rules::is_rule(kind) { Kind::Attribute } else { kind },
            kind == Kind::Namespace && is_exclusive || kind == Kind::Activation && self.after.is_some(),
            places.get(&self.key).copied().unwrap_or(usize::MAX),
            self.key.clone(),
        )
    }

    /// Whether a rule is archived.
    pub(super) fn is_archiving(&self) -> bool {
        self.after.is_none() && rules::is_rule(self.key.kind)
    }

    /// What it is, in one line: `+ attribute plan: text`.
    pub(super) fn line(&self) -> String {
        match (&self.before, &self.after) {
            (None, Some(after)) => format!("+ {}: {}", self.key, brief(after)),
            (Some(before), Some(after)) => {
                let mut differences = Vec::new();
                compare("", before, after, &mut differences);
                format!("~ {}: {}", self.key, differences.join("; "))
            }
            (_, None) => format!("- {}", self.key),
        }
    }

    /// The colour of its line on a terminal.
    pub(super) fn colour(&self) -> &'static str {
        match (&self.before, &self.after) {
            (None, Some(_)) => "\x1b[32m",
            (Some(_), Some(_)) => "\x1b[33m",
            (_, None) => "\x1b[31m",
        }
    }
}

/// How many there are of each sort, in these words: for what is added, changed, removed.
pub(super) fn summary(changes: &[Change], words: [&str; 3]) -> String {
    let count = |is: fn(&Change) -> bool| changes.iter().filter(|change| is(change)).count();
    let (added, removed) = (count(|change| change.before.is_none()), count(|change| change.after.is_none()));
    let counts = [added, changes.len() - added - removed, removed];
    counts.iter().zip(words).map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

/// What says nothing: what is left out, and what is so without being said.
fn is_silent(name: &str, value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::String(text) => {
            matches!((name, text.as_str()), ("status", "active") | ("time_zone", "UTC") | ("of", "people"))
        }
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// A value in few words: the type by itself, a yes by its name alone, nothing that says nothing.
fn brief(value: &Value) -> String {
    let Value::Object(members) = value else { return plain(value) };
    let spoken = members.iter().filter(|(name, value)| !is_silent(name, value));
    let (first, rest): (Vec<_>, Vec<_>) = spoken.partition(|(name, value)| *name == "type" && value.is_string());
    let word = |(name, value): (&String, &Value)| match value {
        Value::String(text) if name == "type" => text.clone(),
        Value::Bool(true) => name.clone(),
        Value::Object(_) => format!("{name} {{{}}}", brief(value)),
        other => format!("{name} {}", plain(other)),
    };
    let words: Vec<String> = first.into_iter().chain(rest).map(word).collect();
    if words.is_empty() { "as by default".to_owned() } else { words.join(", ") }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) if is_word(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Value::Object(_) => format!("{{{}}}", brief(value)),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// Whether a text can stand without quotes and be taken for nothing else.
fn is_word(text: &str) -> bool {
    let begins = text.chars().next().is_some_and(char::is_alphabetic);
    begins && text.chars().all(|letter| letter.is_alphanumeric() || "_-. ".contains(letter))
}

/// The leaves that differ, by path.
fn compare(path: &str, before: &Value, after: &Value, differences: &mut Vec<String>) {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        let label = if path.is_empty() { String::new() } else { format!("{path} ") };
        differences.push(format!("{label}{} -> {}", plain(before), plain(after)));
        return;
    };
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let (before, after) = (old.get(name).unwrap_or(&Value::Null), new.get(name).unwrap_or(&Value::Null));
        if before != after {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            compare(&path, before, after, differences);
        }
    }
}

#[cfg(test)]
mod tests;
