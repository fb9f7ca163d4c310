//! The fold of a profile's facts under a merge policy. By default: for each attribute the newest cell, ties by bytes.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::{Cell, Cluster};
use crate::config::{Config, NamespaceId};
use crate::id::NodeId;
use crate::policy::{self, CompiledPolicy, IdentityGraph};
use crate::time::Timestamp;
use crate::value::Tree;

/// A profile as it is read.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Its id: the smallest among its nodes; under a policy without graph, that of its one node.
    pub profile_id: NodeId,
    /// For each namespace of which it has a value, the one seen last; ties go to one that owns facts, then to the smallest
    /// bytes. By namespace number.
    pub identifiers: Vec<(NamespaceId, Arc<str>)>,
    /// Its attributes.
    pub attributes: BTreeMap<Arc<str>, Tree>,
    /// When anything in it last changed.
    pub updated_at: Timestamp,
}

/// What a fold looks through: a policy, the configuration, and the instant at which it looks.
#[derive(Debug, Clone, Copy)]
pub struct Lens<'a> {
    /// Which nodes and datasets count, and who wins.
    pub policy: &'a CompiledPolicy,
    /// The configuration in force.
    pub config: &'a Config,
    /// When.
    pub now: Timestamp,
}

impl Lens<'_> {
    /// Whether a cell of this dataset still counts: what is erased does not, reached by the erasure or not.
    pub(crate) fn counts(&self, dataset: &str, cell: &Cell) -> bool {
        let sweeps = self.config.sweeps();
        sweeps.erasures.is_empty() || !sweeps.erases_at(dataset, cell.batch.as_deref(), cell.received_at)
    }
}

/// Folds the profile that holds this node, or the node alone, as the policy says.
#[must_use]
pub fn fold(cluster: &Cluster, node: NodeId, lens: &Lens<'_>) -> Option<View> {
    let graph = lens.policy.graph();
    let profile_id = match graph {
        IdentityGraph::Full => cluster.profile_id(node)?,
        IdentityGraph::None => cluster.node(node)?.id,
    };
    let attributes = match policy::settled(cluster, node, lens) {
        Tree::Node(members) => members,
        Tree::Leaf(_) => BTreeMap::new(),
    };
    let identifiers = identifiers(cluster, node, lens);
    Some(View { profile_id, identifiers, attributes, updated_at: cluster.updated_at })
}

fn identifiers(cluster: &Cluster, node: NodeId, lens: &Lens<'_>) -> Vec<(NamespaceId, Arc<str>)> {
    /// When an identity was last seen, whether it owns facts, its value.
    type Rank<'a> = (Option<Timestamp>, bool, Reverse<&'a Arc<str>>);
    let sweeps = lens.config.sweeps();
    let mut latest: BTreeMap<NamespaceId, Rank<'_>> = BTreeMap::new();
    for node in policy::unit(cluster, node, lens.policy.graph()) {
        let owns = node.owned.iter().any(|tally| !sweeps.erases(&tally.source));
        let rank = (cluster.last_seen(node, sweeps), owns, Reverse(&node.identity.value));
        let own = latest.entry(node.identity.namespace).or_insert(rank);
        *own = rank.max(*own);
    }
    latest.into_iter().map(|(namespace, (_, _, Reverse(value)))| (namespace, value.clone())).collect()
}
