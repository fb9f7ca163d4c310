//! How many facts of which source said something.

use std::sync::Arc;

use crate::time::Timestamp;

/// Where facts come from, as far as an erasure tells them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The dataset.
    pub dataset: Arc<str>,
    /// The named delivery, if any.
    pub batch: Option<Arc<str>>,
    /// The number of the last erasure of that dataset or batch which was in force when they were accepted; 0 for none. It tells
    /// what comes after an erasure from what it erases.
    pub generation: u32,
}

impl Source {
    /// A source of our own: what a directive says. No erasure names it.
    #[must_use]
    pub fn of_ours(dataset: &str, batch: Option<Arc<str>>) -> Self {
        Self { dataset: dataset.into(), batch, generation: 0 }
    }
}

/// How many facts of one source said something, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Where they come from.
    pub source: Source,
    /// How many facts.
    pub count: u64,
    /// How many of them stand on a timeline; only where facts are owned, 0 in the evidence of links and relations.
    pub events: u64,
    /// The earliest event time among them.
    pub first: Timestamp,
    /// The latest.
    pub last: Timestamp,
}

impl Tally {
    /// The tally of one fact.
    #[must_use]
    pub fn one(source: Source, time: Timestamp) -> Self {
        Self { source, count: 1, events: 0, first: time, last: time }
    }

    pub(super) fn size_bytes(&self) -> usize {
        40 + self.source.dataset.len() + self.source.batch.as_ref().map_or(0, |batch| batch.len())
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        self.count += other.count;
        self.events += other.events;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }

    /// Adds a tally to a list that holds one entry for each source.
    pub fn add_to(list: &mut Vec<Self>, tally: Self) {
        match list.iter_mut().find(|own| own.source == tally.source) {
            Some(own) => own.absorb(&tally),
            None => list.push(tally),
        }
    }
}
