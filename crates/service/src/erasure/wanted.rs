//! Whether bytes that somebody sent name somebody who was erased.

use std::sync::Arc;

use aho_corasick::AhoCorasick;
use hashbrown::{HashMap, HashSet};
use serde_json::Value;
use tessera_engine::config::{Config, Namespace};
use tessera_engine::fact::Identity;
use tessera_engine::id::{ErasureId, NodeId};
use tessera_engine::normalise::normalise;

use super::Trace;
use crate::error::{Error, ErrorKind};

/// Bytes of a value from which on it is searched for in what is no JSON; shorter ones stand in everything.
pub(crate) const SEARCHED_BYTES_MIN: usize = 4;

/// Those who were erased, to be looked for.
pub(super) struct Wanted {
    identities: HashMap<Identity, ErasureId>,
    nodes: HashSet<NodeId>,
    /// The namespaces of the identities.
    namespaces: Vec<Arc<Namespace>>,
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
        let namespaces = numbers.into_iter().filter_map(|number| config.find(number).cloned()).collect();
        let long = identities.iter().filter(|(identity, _)| identity.value.len() >= SEARCHED_BYTES_MIN);
        let (patterns, searched): (Vec<&[u8]>, Vec<ErasureId>) =
            long.map(|(identity, receipt)| (identity.value.as_bytes(), *receipt)).unzip();
        let search = AhoCorasick::builder().ascii_case_insensitive(true).build(patterns).map_err(|_| {
            Error::new(ErrorKind::Internal, "internal", "what was erased is too much to be searched for at once")
        })?;
        Ok(Self { identities, nodes, namespaces, search, searched })
    }

    /// Whether this node is one of the erased.
    pub(super) fn holds(&self, node: NodeId) -> bool {
        self.nodes.contains(&node)
    }

    /// The erasures of those that the bytes name. In JSON a name is a whole scalar, or the name of a member, in any spelling that
    /// its namespace takes for it; in anything else it is the value itself, whatever the case of its letters.
    pub(super) fn named_in(&self, bytes: &[u8]) -> Vec<ErasureId> {
        let mut found = Vec::new();
        match serde_json::from_slice::<Value>(bytes) {
            Ok(value) => each_scalar(&value, &mut |text| self.scalar(text, &mut found)),
            Err(_) => {
                let hits = self.search.find_overlapping_iter(bytes);
                found.extend(hits.map(|hit| self.searched[hit.pattern().as_usize()]));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn scalar(&self, text: &str, found: &mut Vec<ErasureId>) {
        for namespace in &self.namespaces {
            if let Ok(value) = normalise(namespace, text) {
                found.extend(self.identities.get(&Identity { namespace: namespace.id, value }));
            }
        }
    }
}

/// Shows every string, number and name of a member, as text.
pub(crate) fn each_scalar(value: &Value, show: &mut impl FnMut(&str)) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => show(&number.to_string()),
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
