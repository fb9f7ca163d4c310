//! What is brought to the records of a workspace one by one: erasures of sources, and rules that changed.
//!
//! A sweep has a number; a record says which was the last to have been there. Reads need not wait: what a source said counts no
//! more from the instant of its erasure. Facts that come later are of another generation, so that an erasure which reaches a
//! record after them still tells what it has to take.

use std::sync::Arc;

use crate::cluster::Source;
use crate::time::Timestamp;

/// An erasure of all that a dataset, or one named delivery of it, has said up to an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceErasure {
    /// Greater than that of any earlier erasure in the workspace; from 1.
    pub number: u32,
    /// The dataset.
    pub dataset: Arc<str>,
    /// The named delivery; all of the dataset where there is none.
    pub batch: Option<Arc<str>>,
    /// When it was ordered. What was received up to then is erased.
    pub at: Timestamp,
}

impl SourceErasure {
    /// Whether it erases what was received of this dataset and delivery at that instant.
    #[must_use]
    pub fn covers(&self, dataset: &str, batch: Option<&str>, received_at: Timestamp) -> bool {
        received_at <= self.at && self.names(dataset, batch)
    }

    /// Whether it erases facts of this source.
    #[must_use]
    pub fn covers_source(&self, source: &Source) -> bool {
        source.generation < self.number && self.names(&source.dataset, source.batch.as_deref())
    }

    fn names(&self, dataset: &str, batch: Option<&str>) -> bool {
        *self.dataset == *dataset && self.batch.as_deref().is_none_or(|own| batch == Some(own))
    }
}

/// The sweeps of a workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sweeps {
    /// The number of the last sweep; 0 when there was none. A record with a smaller one has not been reached yet.
    pub number: u64,
    /// Erasures that have not reached every record. Few; each look-up walks them.
    pub erasures: Vec<SourceErasure>,
}

impl Sweeps {
    /// The source of a fact that is accepted now.
    #[must_use]
    pub fn source(&self, dataset: Arc<str>, batch: Option<Arc<str>>) -> Source {
        let naming = self.erasures.iter().filter(|erasure| erasure.names(&dataset, batch.as_deref()));
        let generation = naming.map(|erasure| erasure.number).max().unwrap_or(0);
        Source { dataset, batch, generation }
    }

    /// Whether facts of this source are erased.
    #[must_use]
    pub fn erases(&self, source: &Source) -> bool {
        self.erasures.iter().any(|erasure| erasure.covers_source(source))
    }

    /// Whether what was received of this dataset and delivery at that instant is erased.
    #[must_use]
    pub fn erases_at(&self, dataset: &str, batch: Option<&str>, received_at: Timestamp) -> bool {
        self.erasures.iter().any(|erasure| erasure.covers(dataset, batch, received_at))
    }
}
