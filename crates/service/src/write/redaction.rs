//! What a fact holds of somebody who was erased for good, and whose it is not: it is taken out before the fact is decided, and the fact is
//! kept without.
//!
//! A scalar that is the identity in any spelling that its namespace takes goes whole, with its name. Inside a longer text the value is
//! replaced, in plain letters or as addresses of pages spell it. What says the same in other words is not found.

use std::sync::Arc;

use aho_corasick::AhoCorasick;
use bytes::Bytes;
use serde_json::value::RawValue;
use tessera_engine::config::{Config, Namespace};
use tessera_engine::fact::{EventKind, Fact, Identity};
use tessera_engine::normalise::normalise;
use tessera_engine::prepare::Prepared;
use tessera_engine::value::{Path, Value};

use crate::base::members::Members;
use crate::base::payload::Payload;
use crate::write::erasure::wanted::SEARCHED_BYTES_MIN;

/// What stands in the place of a value inside a longer text.
const REPLACEMENT: &str = "***";
/// Levels of JSON that are looked through; what lies deeper goes whole. No door takes more in a call.
const DEPTH_MAX: usize = 256;

/// The fact without these identities, and without what else it holds of them; none where its own id or name is one of them.
pub(crate) fn without(prepared: &Prepared, suppressed: &[Identity], config: &Config) -> Option<Prepared> {
    let redaction = Redaction::new(suppressed, config)?;
    let mut without = prepared.without(suppressed, config);
    let is_of_account = prepared.account.as_ref().is_some_and(|account| suppressed.contains(account));
    redaction.fact(&mut without.fact, is_of_account).then_some(without)
}

struct Redaction<'a> {
    identities: &'a [Identity],
    /// Their namespaces.
    namespaces: Vec<Arc<Namespace>>,
    search: AhoCorasick,
}

/// What becomes of a part.
enum Left<T> {
    /// It stays as it is.
    Same,
    Gone,
    Other(T),
}

impl<'a> Redaction<'a> {
    fn new(identities: &'a [Identity], config: &Config) -> Option<Self> {
        let mut namespaces: Vec<Arc<Namespace>> =
            identities.iter().filter_map(|own| config.find(own.namespace).cloned()).collect();
        namespaces.dedup_by(|one, other| one.id == other.id);
        let long = identities.iter().map(|own| &*own.value).filter(|value| value.len() >= SEARCHED_BYTES_MIN);
        let patterns = long.flat_map(|value| [value.to_owned(), percent_encoded(value)]);
        let search = AhoCorasick::builder().ascii_case_insensitive(true).build(patterns).ok()?;
        Some(Self { identities, namespaces, search })
    }

    /// Takes what it is about out of a fact. Answers whether the fact can do without.
    fn fact(&self, fact: &mut Fact, is_of_account: bool) -> bool {
        let names = [Some(&fact.id), Some(&fact.dataset), fact.batch.as_ref()];
        let call = fact.call.as_ref().and_then(|call| call.name.as_ref());
        if names.into_iter().chain([call]).flatten().any(|name| self.holds(name)) {
            return false;
        }
        // A hash of all that was sent would tell who guesses right.
        fact.content = None;
        self.attributes(&mut fact.attributes);
        if let Some(account) = &mut fact.account {
            self.attributes(&mut account.attributes);
        }
        if let Some(call) = &mut fact.call {
            // The traits of such a call are the account's.
            let has_traits = !(is_of_account && call.kind == EventKind::Affiliation);
            match self.payload(&call.payload, has_traits) {
                Some(payload) => call.payload = payload,
                None => return false,
            }
        }
        true
    }

    /// Whether a text is one of the identities, or has the value of one in it.
    fn holds(&self, text: &str) -> bool {
        !matches!(self.text(text), Left::Same)
    }

    fn is_identity(&self, text: &str) -> bool {
        self.namespaces.iter().any(|namespace| {
            let value = normalise(namespace, text).ok();
            value.is_some_and(|value| self.identities.contains(&Identity { namespace: namespace.id, value }))
        })
    }

    fn text(&self, text: &str) -> Left<String> {
        if self.is_identity(text) {
            return Left::Gone;
        }
        let (mut left, mut end) = (String::new(), 0);
        for found in self.search.find_iter(text) {
            let is_apart = |next: Option<char>| next.is_none_or(|next| !next.is_alphanumeric());
            let (before, after) = (&text[..found.start()], &text[found.end()..]);
            // The encoding of an address may end in letters just before.
            let starts = is_apart(before.chars().next_back()) || is_encoded(before);
            if starts && is_apart(after.chars().next()) {
                left += &text[end..found.start()];
                left += REPLACEMENT;
                end = found.end();
            }
        }
        if end == 0 {
            return Left::Same;
        }
        left += &text[end..];
        Left::Other(left)
    }

    /// A payload as the doors keep it; none for one that cannot be read.
    fn payload(&self, payload: &Bytes, has_traits: bool) -> Option<Bytes> {
        if payload.is_empty() {
            return Some(payload.clone());
        }
        let own: Payload<'_> = serde_json::from_slice(payload).ok()?;
        let traits = own.traits.filter(|_| has_traits);
        let parts = [own.properties, traits, own.context, own.integrations];
        let left = parts.map(|part| part.map(|part| (part, self.json(part, DEPTH_MAX))));
        let [properties, traits, context, integrations] = left.each_ref().map(|part| match part {
            None | Some((_, Left::Gone)) => None,
            Some((part, Left::Same)) => Some(*part),
            Some((_, Left::Other(part))) => Some(&**part),
        });
        Some(Payload { properties, traits, context, integrations, ..Payload::default() }.to_bytes())
    }

    fn json(&self, json: &RawValue, depth: usize) -> Left<Box<RawValue>> {
        if depth == 0 {
            return Left::Gone;
        }
        match json.get().as_bytes().first() {
            Some(b'{') => self.object(json, depth - 1),
            Some(b'[') => self.list(json, depth - 1),
            Some(b'"') => match serde_json::from_str::<String>(json.get()).map(|text| self.text(&text)) {
                Ok(Left::Same) => Left::Same,
                Ok(Left::Other(text)) => serde_json::value::to_raw_value(&text).map_or(Left::Gone, Left::Other),
                Ok(Left::Gone) | Err(_) => Left::Gone,
            },
            Some(b'-' | b'0'..=b'9') if self.is_identity(json.get()) => Left::Gone,
            _ => Left::Same,
        }
    }

    fn object(&self, json: &RawValue, depth: usize) -> Left<Box<RawValue>> {
        let Ok(Members(members)) = Members::parse(json.get()) else { return Left::Gone };
        let mut is_same = true;
        let mut left: Vec<(String, Left<Box<RawValue>>, &RawValue)> = Vec::with_capacity(members.len());
        for (name, value) in members {
            let part = if self.holds(&name) { Left::Gone } else { self.json(value, depth) };
            is_same &= matches!(part, Left::Same);
            left.push((name, part, value));
        }
        if is_same {
            return Left::Same;
        }
        let members = left.iter().filter_map(|(name, part, value)| match part {
            Left::Same => Some((name.clone(), *value)),
            Left::Other(value) => Some((name.clone(), &**value)),
            Left::Gone => None,
        });
        Left::Other(Members(members.collect()).to_raw())
    }

    /// Items keep their places: in that of one that goes stands `null`.
    fn list(&self, json: &RawValue, depth: usize) -> Left<Box<RawValue>> {
        let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json.get()) else { return Left::Gone };
        let left: Vec<Left<Box<RawValue>>> = items.iter().map(|item| self.json(item, depth)).collect();
        if left.iter().all(|part| matches!(part, Left::Same)) {
            return Left::Same;
        }
        let items = left.iter().zip(&items).map(|(part, item)| match part {
            Left::Same => Some(*item),
            Left::Other(item) => Some(&**item),
            Left::Gone => None,
        });
        serde_json::value::to_raw_value(&items.collect::<Vec<_>>()).map_or(Left::Gone, Left::Other)
    }

    fn attributes(&self, attributes: &mut Vec<(Path, Value)>) {
        attributes.retain_mut(|(path, value)| {
            if path.segments().any(|name| self.holds(&name)) {
                return false;
            }
            match self.value(value) {
                Left::Same => true,
                Left::Gone => false,
                Left::Other(left) => {
                    *value = left;
                    true
                }
            }
        });
    }

    fn value(&self, value: &Value) -> Left<Value> {
        match value {
            Value::Null | Value::Bool(_) | Value::Timestamp(_) => Left::Same,
            Value::Number(number) if self.is_identity(&number.to_string()) => Left::Gone,
            Value::Number(_) => Left::Same,
            Value::Text(text) => match self.text(text) {
                Left::Same => Left::Same,
                Left::Gone => Left::Gone,
                Left::Other(text) => Left::Other(Value::text(&text)),
            },
            Value::List(items) => self.values(items).map_or(Left::Same, |items| Left::Other(Value::List(items.into()))),
            Value::Set(items) => self.values(items).map_or(Left::Same, |items| Left::Other(Value::set(items))),
            Value::Object(members) => {
                let (names, values): (Vec<_>, Vec<_>) = members.iter().cloned().unzip();
                let left = names.into_iter().zip(values).filter_map(|(name, value)| {
                    let part = if self.holds(&name) { Left::Gone } else { self.value(&value) };
                    match part {
                        Left::Same => Some((name, value)),
                        Left::Gone => None,
                        Left::Other(left) => Some((name, left)),
                    }
                });
                let left: Vec<(Arc<str>, Value)> = left.collect();
                if left[..] == members[..] { Left::Same } else { Left::Other(Value::object(left)) }
            }
        }
    }

    /// What is left of the items of a list; none when all stay as they are.
    fn values(&self, items: &[Value]) -> Option<Vec<Value>> {
        let left = items.iter().filter_map(|item| match self.value(item) {
            Left::Same => Some(item.clone()),
            Left::Gone => None,
            Left::Other(left) => Some(left),
        });
        let left: Vec<Value> = left.collect();
        (left[..] != *items).then_some(left)
    }
}

/// A value as it stands in the address of a page.
fn percent_encoded(value: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    value.bytes().map(byte).collect()
}

/// Whether a text ends in an encoded byte.
fn is_encoded(text: &str) -> bool {
    matches!(text.as_bytes(), [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
