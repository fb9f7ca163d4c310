//! What engine and reference are compared by: everything that a fact can change, named by identities, not by ids.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use tessera_engine::config::Config;
use tessera_engine::fact::Identity;
use tessera_engine::value::{Tree, Value};

/// An identity as a person reads it.
pub(crate) type Name = String;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// The clusters of stage 1.
    pub(crate) clusters: BTreeSet<BTreeSet<Name>>,
    /// The profiles, by what they hold.
    pub(crate) profiles: BTreeMap<BTreeSet<Name>, Profile>,
    /// All links, by their ends: how they stand, and their evidence.
    pub(crate) links: BTreeMap<(Name, Name), (String, BTreeSet<String>)>,
    /// For each node: the facts it owns, the events on its timeline, its neighbours above that private keys link, and those
    /// that public ones alone do.
    pub(crate) nodes: BTreeMap<Name, (u64, BTreeSet<String>, [usize; 2])>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    /// Whether it is somebody's: an account, several identities, or one with a fact that was not erased.
    pub(crate) is_somebody: bool,
    /// The attributes of its view.
    pub(crate) attributes: String,
    /// For each namespace the identifier of its view.
    pub(crate) identifiers: BTreeMap<String, String>,
    /// Its timeline: fact ids, each with its owner.
    pub(crate) events: BTreeMap<String, Name>,
    /// The accounts it belongs to.
    pub(crate) accounts: BTreeSet<(Name, Name)>,
}

impl State {
    /// Every line in which two states differ; none when they are equal.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        if self == other {
            return None;
        }
        let (ours, theirs) = (self.lines(), other.lines());
        let mut text = String::new();
        for line in ours.difference(&theirs) {
            writeln!(text, "  - {line}").expect("a string takes all");
        }
        for line in theirs.difference(&ours) {
            writeln!(text, "  + {line}").expect("a string takes all");
        }
        Some(text)
    }

    fn lines(&self) -> BTreeSet<String> {
        let clusters = self.clusters.iter().map(|cluster| format!("cluster {cluster:?}"));
        let profiles = self.profiles.iter().map(|(nodes, profile)| format!("profile {nodes:?} {profile:?}"));
        let links = self.links.iter().map(|(ends, link)| format!("link {ends:?} {link:?}"));
        let nodes = self.nodes.iter().map(|(name, node)| format!("node {name} {node:?}"));
        clusters.chain(profiles).chain(links).chain(nodes).collect()
    }
}

pub(crate) fn name(identity: &Identity, config: &Config) -> Name {
    let namespace = config.find(identity.namespace).expect("the namespace of an identity is registered");
    format!("{}:{}", namespace.name, identity.value)
}

/// A tree as text, members in the order of their names.
pub(crate) fn show(tree: &Tree) -> String {
    match tree {
        Tree::Leaf(value) => show_value(value),
        Tree::Node(members) => {
            let members: Vec<String> = members.iter().map(|(name, below)| format!("{name}: {}", show(below))).collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

fn show_value(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => format!("'{text}'"),
        Value::Timestamp(time) => format!("@{}", time.micros()),
        Value::List(items) | Value::Set(items) => {
            format!("[{}]", items.iter().map(show_value).collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) => {
            let members: Vec<_> =
                members.iter().map(|(name, value)| format!("{name}: {}", show_value(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}
