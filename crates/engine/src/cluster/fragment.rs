//! What one dataset says about one node, value by value.

use std::sync::Arc;

use crate::config::Config;
use crate::fact::Class;
use crate::id::NodeId;
use crate::time::Timestamp;
use crate::value::{Path, Value};

/// One value of an attribute: the newest of its node and dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Which attribute.
    pub path: Path,
    /// What it says; null removes.
    pub value: Value,
    /// When it became true.
    pub time: Timestamp,
    /// When it was received; at equal times the later one wins.
    pub received_at: Timestamp,
    /// The named delivery it came in.
    pub batch: Option<Arc<str>>,
    /// By which class of keys, where the fact named the value as an identity of the namespace of this name as well: the e-mail that a person
    /// states is read as theirs, whatever becomes of the link.
    pub claimed: Option<Class>,
}

impl Cell {
    /// Whether what this dataset says here is gone by now: erased with its source, reached by the erasure or not, or at the end of its
    /// window.
    #[must_use]
    pub fn is_gone(&self, dataset: &str, config: &Config, now: Timestamp) -> bool {
        config.sweeps().erases_at(dataset, self.batch.as_deref(), self.received_at)
            || config.keeping().is_gone(&self.path, self.time, self.received_at, now)
    }
}

/// How many people's word on one attribute of an account is kept beside each other, for each dataset: the newest.
pub const SAYERS_MAX: usize = 8;

/// What one dataset says about one node: cells in the order of their paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// The dataset.
    pub dataset: Arc<str>,
    /// Whose facts said it, where these are not the node's own: of an account, the node of a person who was seen with it.
    pub by: Option<NodeId>,
    /// The newest record that is all the dataset says of the node; what it said before that counts no more, whenever it comes.
    pub whole: Option<Box<Whole>>,
    /// Its cells, sorted by path.
    pub cells: Vec<Cell>,
}

/// That a record was all that its dataset said of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// When it became true.
    pub time: Timestamp,
    /// When it was received; at equal times the later one counts.
    pub received_at: Timestamp,
    /// The named delivery it came in.
    pub batch: Option<Arc<str>>,
}

impl Whole {
    fn is_after(&self, time: Timestamp, received_at: Timestamp) -> bool {
        (self.time, self.received_at) > (time, received_at)
    }
}

impl Fragment {
    /// One that says nothing.
    #[must_use]
    pub fn new(dataset: Arc<str>, by: Option<NodeId>) -> Self {
        Self { dataset, by, whole: None, cells: Vec::new() }
    }

    /// Whether nothing would be lost with it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.whole.is_none()
    }

    /// Takes out what was said before a record that is all there is to say, unless a newer one was taken in.
    pub fn set_whole(&mut self, whole: Whole) {
        self.cells.retain(|cell| !whole.is_after(cell.time, cell.received_at));
        if self.whole.as_ref().is_none_or(|own| whole.is_after(own.time, own.received_at)) {
            self.whole = Some(Box::new(whole));
        }
    }

    /// Drops the cells that are gone by now: erased with their source, or at the end of their window. Answers the last instant at
    /// which one of them ended.
    pub fn drop_gone(&mut self, config: &Config, now: Timestamp) -> Option<Timestamp> {
        let (sweeps, keeping) = (config.sweeps(), config.keeping());
        if sweeps.erasures.is_empty() && keeping.keeps_values() {
            return None;
        }
        let (dataset, mut last) = (&self.dataset, None);
        self.whole.take_if(|whole| sweeps.erases_at(dataset, whole.batch.as_deref(), whole.received_at));
        self.cells.retain(|cell| {
            let has_ended = keeping.is_gone(&cell.path, cell.time, cell.received_at, now);
            if has_ended {
                last = last.max(keeping.kept_until(&cell.path, cell.time).filter(|end| *end <= now));
            }
            !has_ended && !sweeps.erases_at(dataset, cell.batch.as_deref(), cell.received_at)
        });
        last
    }

    /// Puts a cell in its place, unless a newer one stands there or a newer record is all there is to say. That an object is there has a place beside what else is said, so that
    /// neither takes the place of the other, whichever comes first.
    pub fn set(&mut self, cell: Cell) {
        if self.whole.as_ref().is_some_and(|whole| whole.is_after(cell.time, cell.received_at)) {
            return;
        }
        let Some(mark) = cell.path.object_mark() else { return self.set_at(cell) };
        if matches!(cell.value, Value::Object(_)) {
            return self.set_at(Cell { path: mark, ..cell });
        }
        // One that was stored before it had a place of its own.
        if let Ok(at) = self.cells.binary_search_by(|own| own.path.cmp(&cell.path))
            && matches!(self.cells[at].value, Value::Object(_))
        {
            let object = self.cells.remove(at);
            self.set_at(Cell { path: mark, ..object });
        }
        self.set_at(cell);
    }

    fn set_at(&mut self, cell: Cell) {
        match self.cells.binary_search_by(|own| own.path.cmp(&cell.path)) {
            Err(at) => self.cells.insert(at, cell),
            Ok(at) => {
                let own = &mut self.cells[at];
                let newer = (cell.time, cell.received_at) > (own.time, own.received_at)
                    || (cell.time, cell.received_at) == (own.time, own.received_at) && cell.value > own.value;
                if newer {
                    *own = cell;
                }
            }
        }
    }
}
