//! Attributes that are called as a namespace is, and that no fact claimed as an identity of it.

use super::{Cluster, Fragment, Node};
use crate::config::{Config, Kind, Namespace};
use crate::value::Value;

impl Cluster {
    /// The values that a profile of this record may show under the name of a namespace although it has no identity of it, with whose they are:
    /// a record that says an e-mail as an attribute alone, a value that is blocked or malformed. Those of a node that is an identity of the
    /// namespace itself are left out: its profile always shows one.
    pub fn unclaimed<'a>(&'a self, config: &'a Config) -> impl Iterator<Item = (&'a Namespace, Kind, &'a Value)> {
        self.nodes.iter().flat_map(|node| of_node(node, config))
    }
}

fn of_node<'a>(node: &'a Node, config: &'a Config) -> impl Iterator<Item = (&'a Namespace, Kind, &'a Value)> {
    let own = node.identity.namespace;
    let kind = config.find(own).map_or(Kind::Person, |namespace| namespace.kind);
    let cells = node.fragments.iter().flat_map(|fragment: &Fragment| &fragment.cells);
    let plain = cells.filter(|cell| cell.claimed.is_none() && cell.value != Value::Null);
    plain.filter_map(move |cell| {
        let namespace = config.by_name(cell.path.as_str()).filter(|namespace| namespace.id != own)?;
        Some((&**namespace, kind, &cell.value))
    })
}
