//! The fold of a profile's facts under the default merge policy: for each attribute the newest cell, ties by bytes.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::cluster::{Cell, Cluster};
use crate::config::{Config, NamespaceId};
use crate::id::NodeId;
use crate::time::Timestamp;
use crate::value::{Path, Tree, Value};

/// A profile as it is read.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Its id: the smallest among its nodes.
    pub profile_id: NodeId,
    /// For each namespace of which it has a value, the one seen last; ties go to one that owns facts, then to the smallest
    /// bytes. By namespace number.
    pub identifiers: Vec<(NamespaceId, Arc<str>)>,
    /// Its attributes.
    pub attributes: BTreeMap<Arc<str>, Tree>,
    /// When anything in it last changed.
    pub updated_at: Timestamp,
}

/// Folds the profile that holds this node.
#[must_use]
pub fn fold(cluster: &Cluster, node: NodeId, _config: &Config) -> Option<View> {
    let profile_id = cluster.profile_id(node)?;
    Some(View {
        profile_id,
        identifiers: identifiers(cluster, node),
        attributes: attributes(
            cluster.piece(node).flat_map(|node| &node.fragments).flat_map(|fragment| &fragment.cells),
        ),
        updated_at: cluster.updated_at,
    })
}

fn identifiers(cluster: &Cluster, node: NodeId) -> Vec<(NamespaceId, Arc<str>)> {
    /// When an identity was last seen, whether it owns facts, its value.
    type Rank<'a> = (Option<Timestamp>, bool, Reverse<&'a Arc<str>>);
    let mut latest: BTreeMap<NamespaceId, Rank<'_>> = BTreeMap::new();
    for node in cluster.piece(node) {
        let rank = (cluster.last_seen(node), !node.owned.is_empty(), Reverse(&node.identity.value));
        let own = latest.entry(node.identity.namespace).or_insert(rank);
        *own = rank.max(*own);
    }
    latest.into_iter().map(|(namespace, (_, _, Reverse(value)))| (namespace, value.clone())).collect()
}

/// Whether a cell wins over another of the same attribute.
fn wins(cell: &Cell, over: &Cell) -> bool {
    (cell.time, &cell.value) > (over.time, &over.value)
}

/// Folds cells into a tree. Above and below each other, the newer says what is there: a value ends the older leaves below it,
/// a leaf ends an older value above it. An empty object ends nothing below it. Null removes.
fn attributes<'a>(cells: impl Iterator<Item = &'a Cell>) -> BTreeMap<Arc<str>, Tree> {
    let mut best: BTreeMap<&Path, &Cell> = BTreeMap::new();
    for cell in cells {
        let own = best.entry(&cell.path).or_insert(cell);
        if wins(cell, own) {
            *own = cell;
        }
    }
    let mut root = Tree::Node(BTreeMap::new());
    let mut above: Vec<&Cell> = Vec::new();
    for cell in best.values() {
        while above.last().is_some_and(|last| !last.path.is_above(&cell.path)) {
            above.pop();
        }
        if cell.value != Value::Null && !is_ended_by(cell, &above) && !is_ended_below(cell, &best) {
            root.insert(&cell.path, cell.value.clone());
        }
        above.push(cell);
    }
    match root {
        Tree::Node(members) => members,
        Tree::Leaf(_) => BTreeMap::new(),
    }
}

fn is_object(cell: &Cell) -> bool {
    matches!(cell.value, Value::Object(_))
}

fn is_ended_by(cell: &Cell, above: &[&Cell]) -> bool {
    above.iter().any(|above| !is_object(above) && above.time >= cell.time)
}

/// A path comes right before what lies below it.
fn is_ended_below(cell: &Cell, best: &BTreeMap<&Path, &Cell>) -> bool {
    let after = best.range::<Path, _>((Bound::Excluded(&cell.path), Bound::Unbounded));
    let mut below = after.take_while(|(path, _)| cell.path.is_above(path)).map(|(_, below)| *below);
    // In the tree an empty object gives way to what is put below it afterwards.
    !is_object(cell) && below.any(|below| below.time > cell.time)
}
