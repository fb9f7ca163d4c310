//! What clusters hold on the heap. Names of datasets and batches are shared within a cluster: they are counted once for all.

use tessera_expr::heap;
use tessera_expr::heap::Heap;

use super::{Cell, Cluster, End, Evidence, Fragment, Link, LinkState, Node, Relation, Separation, Severer, Tally};
use crate::fact::Identity;
use crate::rules::AggregateId;

/// The names of the datasets and batches of a cluster, about.
const NAMES: usize = 96;

heap!(Identity: value);
heap!(Cell: path, value);
heap!(Fragment: cells);
heap!(Relation: account, evidence);
heap!(End: identity);
heap!(Evidence: tally);
heap!(Link: ends, evidence, state);
heap!(Tally, Separation, Severer, AggregateId);
heap!(Node: identity, owned, fragments, relations, separated, states, tail, segment_states);

impl Heap for Cluster {
    fn heap_bytes(&self) -> usize {
        NAMES + self.nodes.heap_bytes() + self.links.heap_bytes() + self.pieces.heap_bytes()
    }
}

impl Heap for LinkState {
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Active | Self::Held(_) => 0,
            Self::Severed(by) => by.heap_bytes(),
        }
    }
}
