//! Whether bytes that somebody sent name somebody who was erased.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use hashbrown::{HashMap, HashSet};
use serde_json::Value;
use tessera_engine::config::{Config, Namespace, Normaliser};
use tessera_engine::fact::Identity;
use tessera_engine::id::{ErasureId, NodeId};
use tessera_engine::normalise::{normalise, spelled_number};

use super::Trace;
use crate::base::error::{Error, ErrorKind};
use crate::base::json::parse;

/// Bytes of a value from which on it is searched for within other text; shorter ones stand in everything, and are looked for as
/// whole words.
pub(crate) const SEARCHED_BYTES_MIN: usize = 4;
/// Digits of a phone number that are enough to take it for one that was erased, whatever stands before them.
const PHONE_DIGITS_MIN: usize = 8;

/// Those who were erased, to be looked for.
pub(crate) struct Wanted {
    identities: HashMap<Identity, ErasureId>,
    nodes: HashSet<NodeId>,
    /// The namespaces of the identities.
    namespaces: Vec<Arc<Namespace>>,
    /// The digits of phone numbers, last digit first, in order.
    phones: BTreeMap<String, ErasureId>,
    /// All values in small letters, in order.
    folded: BTreeMap<String, ErasureId>,
    search: AhoCorasick,
    searched: Vec<ErasureId>,
}

impl Wanted {
    pub(super) fn new(traces: &[(NodeId, Trace)], config: &Config) -> Result<Self, Error> {
        // A trace may be from before values were spelled as they are now.
        let present = |own: &Trace| {
            let namespace = config.find(own.identity.namespace)?;
            Some(Identity { value: normalise(namespace, &own.identity.value).ok()?, ..own.identity.clone() })
        };
        let spellings = |own: &Trace| [Some(own.identity.clone()), present(own)].into_iter().flatten();
        let identities: HashMap<_, _> =
            traces.iter().flat_map(|(_, own)| spellings(own).map(|identity| (identity, own.receipt))).collect();
        let nodes = traces.iter().map(|(node, _)| *node).collect();
        let numbers: HashSet<_> = traces.iter().map(|(_, own)| own.identity.namespace).collect();
        let namespaces: Vec<Arc<Namespace>> =
            numbers.into_iter().filter_map(|number| config.find(number).cloned()).collect();
        let is_phone = |identity: &&Identity| {
            let namespace = namespaces.iter().find(|namespace| namespace.id == identity.namespace);
            namespace.is_some_and(|namespace| matches!(namespace.normaliser, Normaliser::Phone { .. }))
        };
        let phone = |identity: &Identity| Some((digits_reversed(&identity.value)?, identities[identity]));
        let phones = identities.keys().filter(is_phone).filter_map(phone).collect();
        let folded = identities.iter().map(|(identity, receipt)| (identity.value.to_lowercase(), *receipt)).collect();
        let long = identities.iter().filter(|(identity, _)| identity.value.len() >= SEARCHED_BYTES_MIN);
        let (patterns, searched): (Vec<&[u8]>, Vec<ErasureId>) =
            long.map(|(identity, receipt)| (identity.value.as_bytes(), *receipt)).unzip();
        let search = AhoCorasick::builder().ascii_case_insensitive(true).build(patterns).map_err(|_| {
            Error::new(ErrorKind::Internal, "internal", "what was erased is too much to be searched for at once")
        })?;
        Ok(Self { identities, nodes, namespaces, phones, folded, search, searched })
    }

    /// Whether this node is one of the erased.
    pub(super) fn holds(&self, node: NodeId) -> bool {
        self.nodes.contains(&node)
    }

    /// The erasures of those that the bytes name. In JSON a name is a whole scalar, or the name of a member, in any spelling that
    /// its namespace takes for it; in anything else it is each word and each text in quotes, or the value itself within them,
    /// whatever the case of its letters. What JSON was cut off in the middle of a value names whoever it may be the beginning of.
    pub(super) fn named_in(&self, bytes: &[u8]) -> Vec<ErasureId> {
        let mut found = Vec::new();
        match parse(bytes) {
            Some(value) => each_scalar(&value, &mut |text| self.scalar(text, &mut found)),
            None => self.in_other(bytes, &mut found),
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether a name that somebody has chosen is that of one who was erased.
    pub(crate) fn names(&self, name: &str) -> bool {
        let mut found = Vec::new();
        self.scalar(name, &mut found);
        !found.is_empty()
    }

    fn in_other(&self, bytes: &[u8], found: &mut Vec<ErasureId>) {
        let searched = |bytes: &[u8], found: &mut Vec<ErasureId>| {
            let hits = self.search.find_overlapping_iter(bytes);
            found.extend(hits.map(|hit| self.searched[hit.pattern().as_usize()]));
        };
        searched(bytes, found);
        let text = String::from_utf8_lossy(bytes);
        let mut rest = &*text;
        while let Some(at) = rest.find('"') {
            self.words(&rest[..at], found);
            let (quoted, behind) = quoted(&rest[at + 1..]);
            searched(quoted.as_bytes(), found);
            self.scalar(&quoted, found);
            self.words(&quoted, found);
            match behind {
                Some(behind) => rest = behind,
                None => return self.beginning(&quoted, found),
            }
        }
        self.words(rest, found);
        let last = rest.rsplit(is_apart).next().unwrap_or_default();
        self.beginning(last, found);
    }

    /// Each word of a text.
    fn words(&self, text: &str, found: &mut Vec<ErasureId>) {
        text.split(is_apart).filter(|word| !word.is_empty()).for_each(|word| self.scalar(word, found));
    }

    /// Whoever this may be the beginning of.
    fn beginning(&self, cut: &str, found: &mut Vec<ErasureId>) {
        let cut = cut.trim_start().to_lowercase();
        if cut.len() < SEARCHED_BYTES_MIN {
            return;
        }
        let after = self.folded.range::<str, _>((Bound::Included(&*cut), Bound::Unbounded));
        found.extend(after.take_while(|(value, _)| value.starts_with(&*cut)).map(|(_, receipt)| *receipt));
        let digits: String = cut.chars().filter(char::is_ascii_digit).collect();
        let digits = digits.trim_start_matches('0');
        if digits.len() >= SEARCHED_BYTES_MIN && !cut.contains(char::is_alphabetic) {
            let is_in = |phone: &String| phone.chars().rev().collect::<String>().contains(digits);
            found.extend(self.phones.iter().filter(|(phone, _)| is_in(phone)).map(|(_, receipt)| *receipt));
        }
    }

    fn scalar(&self, text: &str, found: &mut Vec<ErasureId>) {
        for namespace in &self.namespaces {
            if let Ok(value) = normalise(namespace, text) {
                found.extend(self.identities.get(&Identity { namespace: namespace.id, value }));
            }
        }
        // A number as it is dialled within a country, which its namespace does not know.
        let is_dialled =
            |c: char| c.is_ascii_digit() || matches!(c, ' ' | '+' | '(' | ')' | '-' | '.' | '/' | '\u{a0}');
        if self.phones.is_empty() || !text.chars().all(is_dialled) {
            return;
        }
        let Some(dialled) = digits_reversed(text) else { return };
        let dialled = dialled.trim_end_matches('0');
        if dialled.len() >= PHONE_DIGITS_MIN {
            let after = self.phones.range::<str, _>((Bound::Included(dialled), Bound::Unbounded));
            found.extend(after.take_while(|(phone, _)| phone.starts_with(dialled)).map(|(_, receipt)| *receipt));
        }
    }
}

/// What parts words of text that is no JSON.
fn is_apart(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '{' | '}' | '[' | ']' | ',' | ':' | ';' | '=' | '&' | '?' | '"' | '\'' | '/')
}

/// A text up to its closing quote, without escapes, and what follows; nothing where it is cut off.
fn quoted(text: &str) -> (String, Option<&str>) {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let is_end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        is_end
    });
    let inner = end.map_or(text, |end| &text[..end]);
    let behind = end.map(|end| &text[end + 1..]);
    // A cut may go through an escape.
    let whole = (0..6).find_map(|less| {
        let inner = inner.get(..inner.len().checked_sub(less)?)?;
        serde_json::from_str::<String>(&format!("\"{inner}\"")).ok()
    });
    (whole.unwrap_or_else(|| inner.to_owned()), behind)
}

fn digits_reversed(text: &str) -> Option<String> {
    let digits: String = text.chars().rev().filter(char::is_ascii_digit).collect();
    (!digits.is_empty()).then_some(digits)
}

/// Shows every string, number and name of a member, as text.
pub(crate) fn each_scalar(value: &Value, show: &mut impl FnMut(&str)) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => show(&spelled_number(number.as_str())),
        Value::String(text) => show(text),
        Value::Array(items) => items.iter().for_each(|item| each_scalar(item, show)),
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            show(name);
            each_scalar(value, show);
        }),
    }
}

#[cfg(test)]
mod tests;
