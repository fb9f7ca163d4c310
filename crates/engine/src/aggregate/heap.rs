//! What the states of aggregates hold on the heap.

use tessera_expr::heap;
use tessera_expr::heap::Heap;

use super::{Best, Beyond, Brings, Column, Group, Moment, Ranked, Run, State, Summary};

heap!(Run: summary);
heap!(Ranked: rank, value);
heap!(Best: first);
heap!(Group: summary);
heap!(Column: rows, brings);
heap!(Moment, Beyond);

impl Heap for State {
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Ever(summary) => summary.heap_bytes(),
            Self::Window(run) => run.heap_bytes(),
            Self::Unread | Self::Overflowed | Self::OutOfRange => 0,
        }
    }
}

impl Heap for Summary {
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Totals(_) => 0,
            Self::Best(best) => best.heap_bytes(),
            Self::Values(values) => values.heap_bytes(),
            Self::Groups(groups) => groups.heap_bytes(),
        }
    }
}

impl Heap for Brings {
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(value) => value.heap_bytes(),
            Self::Several(contribution) => contribution.heap_bytes(),
        }
    }
}
