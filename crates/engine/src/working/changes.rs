//! What a group of commands changed, and about how much of a commit it takes.

use std::sync::Arc;

use super::{FactRow, IdentityRow, Working};
use crate::cluster::{Cluster, Link, Node, Source};
use crate::fact::{FactKey, Identity};
use crate::id::NodeId;
use crate::rules::{Membership, SegmentStates};

/// Bytes of a key before what its family says.
const HEAD_BYTES: usize = 5;
/// Bytes of a key that ends with a node.
const NODE_KEY_BYTES: usize = HEAD_BYTES + 12;
/// Bytes of a small value, rather high.
const ROW_BYTES: usize = 32;
/// Bytes that a change of one membership takes: the member, the count and their keys.
const MEMBERSHIP_BYTES: usize = 100;

/// What a group of commands changed: each `None` is a deletion.
#[derive(Debug, Default)]
pub struct Changes {
    /// Identity rows.
    pub identities: Vec<(Identity, Option<IdentityRow>)>,
    /// Root records.
    pub clusters: Vec<(NodeId, Option<Arc<Cluster>>)>,
    /// Redirects of nodes that are not their own cluster's id.
    pub homes: Vec<(NodeId, Option<NodeId>)>,
    /// Fact rows.
    pub facts: Vec<(FactKey, Option<FactRow>)>,
    /// Links that do not hold, by node and other node.
    pub held: Vec<(NodeId, NodeId, Option<Arc<Link>>)>,
    /// Identities that are suppressed from now on.
    pub suppressed: Vec<Identity>,
}

/// How much of a commit something takes: rather too much than too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pending {
    /// Rows written, deleted or expected.
    pub ops: usize,
    /// Bytes of their keys and values.
    pub bytes: usize,
}

impl Pending {
    fn add(&mut self, ops: usize, bytes: usize) {
        self.ops += ops;
        self.bytes += bytes;
    }

    /// What the rules have beside a record that changes: members, counts and timers.
    fn add_rules(&mut self, before: Option<&Cluster>, after: Option<&Cluster>) {
        // Mostly a record has the nodes that it had, at the same places.
        fn same<'a>(cluster: Option<&'a Cluster>, at: usize, node: &Node) -> Option<&'a Node> {
            let here = cluster?.nodes.get(at).filter(|own| own.id == node.id);
            here.or_else(|| cluster?.node(node.id))
        }
        for (at, node) in after.iter().flat_map(|cluster| &cluster.nodes).enumerate() {
            let was = same(before, at, node).and_then(|was| was.segment_states.as_deref());
            self.add_standing(was, node.segment_states.as_deref());
        }
        for (at, node) in before.iter().flat_map(|cluster| &cluster.nodes).enumerate() {
            if node.segment_states.is_some() && same(after, at, node).is_none() {
                self.add_standing(node.segment_states.as_deref(), None);
            }
        }
    }

    fn add_standing(&mut self, before: Option<&SegmentStates>, after: Option<&SegmentStates>) {
        if before == after {
            return;
        }
        if before.and_then(|own| own.due) != after.and_then(|own| own.due) {
            self.add(2, 2 * (NODE_KEY_BYTES + 8 + 1));
        }
        let memberships = |own: Option<&SegmentStates>| own.map_or(0, |own| own.memberships.len());
        let differing = match (before, after) {
            (Some(before), Some(after)) => {
                let is_other = |own: &&Membership| before.find(own.segment) != Some(*own);
                let is_gone = |own: &&Membership| after.find(own.segment).is_none();
                let (others, gone) = (after.memberships.iter(), before.memberships.iter());
                others.filter(is_other).count() + gone.filter(is_gone).count()
            }
            (before, after) => memberships(before) + memberships(after),
        };
        // The member's row, and the count of its segment.
        self.add(2 * differing, MEMBERSHIP_BYTES * differing);
    }
}

fn held_bytes(link: &Link) -> usize {
    let ends = link.ends.iter().map(|end| end.identity.value.len() + 20).sum::<usize>();
    link.size_bytes() + ends + ROW_BYTES
}

impl Working {
    /// Makes the command's changes those of the group.
    pub(crate) fn keep(&mut self) {
        self.keep_timelines();
        let pending = &mut self.pending;
        for (identity, row) in self.scratch.identities.drain() {
            if self.dirty_identities.insert(identity.clone()) {
                pending.add(2, 2 * (HEAD_BYTES + 2 + identity.value.len()) + ROW_BYTES);
            }
            self.base.identities.insert(identity, row);
        }
        for (id, cluster) in self.scratch.clusters.drain() {
            let before = self.base.clusters.get(&id).and_then(Option::as_deref);
            pending.add_rules(before, cluster.as_deref());
            let bytes = |cluster: Option<&Cluster>| cluster.map_or(0, |cluster| cluster.bytes);
            if self.dirty_clusters.insert(id) {
                // What was read is expected to be as it was, changed or not, and is counted as read.
                pending.add(1, NODE_KEY_BYTES + bytes(cluster.as_deref()));
            } else {
                pending.bytes += bytes(cluster.as_deref()).saturating_sub(bytes(before));
            }
            self.base.clusters.insert(id, cluster);
        }
        for (node, home) in self.scratch.homes.drain() {
            if self.dirty_homes.insert(node) {
                pending.add(1, NODE_KEY_BYTES + ROW_BYTES);
            }
            self.base.homes.insert(node, home);
        }
        for (key, row) in self.scratch.facts.drain() {
            let names = |source: &Source| source.dataset.len() + source.batch.as_ref().map_or(0, |batch| batch.len());
            let source = row.as_ref().and_then(|row| row.source.as_ref()).map_or(0, names);
            let key_bytes = HEAD_BYTES + 2 + key.id.len() + key.dataset.len();
            // One that still stands under its id alone is moved.
            pending.add(4, 4 * key_bytes + source + 3 * ROW_BYTES);
            self.dirty_facts.push(key.clone());
            self.base.facts.insert(key, row);
        }
        for (node, rows) in self.scratch.held.drain() {
            let base = self.base.held.entry(node).or_default();
            for (other, link) in rows {
                if self.dirty_held.insert((node, other)) {
                    pending.add(1, 2 * NODE_KEY_BYTES);
                }
                pending.bytes += link.as_ref().map_or(0, |link| held_bytes(link));
                base.insert(other, link);
            }
        }
        for (identity, is_suppressed) in self.scratch.suppressed.drain() {
            if self.dirty_suppressed.insert(identity.clone()) {
                pending.add(1, HEAD_BYTES + 2 * ROW_BYTES);
            }
            self.base.suppressed.insert(identity, is_suppressed);
        }
    }

    /// Whether anything changed since the last call of [`Self::take_changes`].
    #[must_use]
    pub fn is_changed(&self) -> bool {
        !(self.dirty_identities.is_empty()
            && self.dirty_clusters.is_empty()
            && self.dirty_homes.is_empty()
            && self.dirty_facts.is_empty()
            && self.dirty_held.is_empty()
            && self.dirty_suppressed.is_empty())
    }

    /// What a commit of the group's changes so far takes, those of rules among them; the changes of memberships aside, which stand in the
    /// notices. Each change has added its part, so it costs nothing to ask.
    #[must_use]
    pub fn pending(&self) -> Pending {
        let read = self.base.clusters.len();
        Pending { ops: self.pending.ops + read, bytes: self.pending.bytes + NODE_KEY_BYTES * read }
    }

    /// What the group changed; what was read stays known. Each list is in the order of its keys, so that the same
    /// commands give the same bytes.
    pub fn take_changes(&mut self) -> Changes {
        self.pending = Pending::default();
        let mut changes = Changes {
            identities: self.dirty_identities.drain().map(|key| (key.clone(), self.base.identities[&key])).collect(),
            clusters: self.dirty_clusters.drain().map(|id| (id, self.base.clusters[&id].clone())).collect(),
            homes: self.dirty_homes.drain().map(|node| (node, self.base.homes[&node])).collect(),
            facts: self.dirty_facts.drain(..).map(|key| (key.clone(), self.base.facts[&key].clone())).collect(),
            held: (self.dirty_held.drain())
                .map(|(node, other)| (node, other, self.base.held[&node][&other].clone()))
                .collect(),
            suppressed: self.dirty_suppressed.drain().collect(),
        };
        changes.identities.sort_by(|one, other| one.0.cmp(&other.0));
        changes.clusters.sort_by_key(|change| change.0);
        changes.homes.sort_by_key(|change| change.0);
        changes.facts.sort_by(|one, other| one.0.cmp(&other.0));
        changes.facts.dedup_by(|one, other| one.0 == other.0);
        changes.held.sort_by_key(|change| (change.0, change.1));
        changes.suppressed.sort();
        changes
    }
}
