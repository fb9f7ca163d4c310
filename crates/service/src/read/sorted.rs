//! The order of profiles that were asked for, and those of them that come first.
//!
//! False stands before true, both before numbers, numbers before texts, texts before instants; the other way round where it is asked for.
//! What has no value, or a list or an object, stands last in both. Texts are told apart by their first bytes, so that what is kept of a
//! profile is bounded. Of what is equal the smaller id comes first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::{Deserialize, Serialize};
use tessera_engine::id::NodeId;
use tessera_engine::rules::Trouble;
use tessera_engine::value::Value;
use tessera_store::Version;

use crate::base::codec;
use crate::base::error::Error;
use crate::stored::cursor;
use crate::stored::records::value::ValueRecord;

/// Bytes of a text that profiles are sorted by.
pub(crate) const SORTED_BYTES: usize = 256;

/// Which of two values comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sorting {
    /// The smaller one.
    Ascending,
    /// The greater one.
    Descending,
}

/// A value that profiles are sorted by, in the order that was asked for. What has no value, or is a list or an object, stands last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SortKey {
    /// The smaller ones first.
    Up(Value),
    /// The greater ones first.
    Down(Reverse<Value>),
    /// No value.
    Missing,
}

impl SortKey {
    /// The place of a value.
    #[must_use]
    pub fn new(value: Value, sorting: Sorting) -> Self {
        let value = match value {
            Value::Null | Value::List(_) | Value::Set(_) | Value::Object(_) => return Self::Missing,
            Value::Text(text) if text.len() > SORTED_BYTES => Value::text(beginning(&text)),
            value => value,
        };
        match sorting {
            Sorting::Ascending => Self::Up(value),
            Sorting::Descending => Self::Down(Reverse(value)),
        }
    }

    fn value(&self) -> &Value {
        match self {
            Self::Up(value) | Self::Down(Reverse(value)) => value,
            Self::Missing => &Value::Null,
        }
    }
}

/// As many whole letters of a text as count.
fn beginning(text: &str) -> &str {
    let end = (0..=SORTED_BYTES).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or_default()]
}

/// The place of a profile in the order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    keys: Vec<SortKey>,
    /// Where nothing is sorted, the record comes first, as it is read.
    record: Option<NodeId>,
    pub(crate) profile: NodeId,
}

/// A position as a cursor carries it.
#[derive(Serialize, Deserialize)]
struct PositionRecord<'a> {
    #[serde(borrow)]
    keys: Vec<ValueRecord<'a>>,
    record: Option<[u8; 12]>,
    profile: [u8; 12],
}

impl Position {
    pub(crate) fn new(values: Vec<Value>, order: &[Sorting], record: NodeId, profile: NodeId) -> Self {
        let keys = values.into_iter().zip(order).map(|(value, sorting)| SortKey::new(value, *sorting)).collect();
        Self { keys, record: order.is_empty().then_some(record), profile }
    }

    /// The record that it is read from, where nothing is sorted.
    pub(crate) fn record(&self) -> Option<NodeId> {
        self.record
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        codec::section(&PositionRecord {
            keys: self.keys.iter().map(|key| ValueRecord::from(key.value())).collect(),
            record: self.record.map(|id| *id.as_bytes()),
            profile: *self.profile.as_bytes(),
        })
    }

    /// # Errors
    /// `Invalid` with `cursor_invalid` for what is no position of this order.
    pub(crate) fn from_bytes(bytes: &[u8], order: &[Sorting]) -> Result<Self, Error> {
        let read: PositionRecord<'_> = codec::read_section(bytes).map_err(|_| cursor::invalid())?;
        if read.keys.len() != order.len() || read.record.is_none() == order.is_empty() {
            return Err(cursor::invalid());
        }
        let keys = read.keys.into_iter().zip(order);
        let key = |(own, sorting): (ValueRecord<'_>, &Sorting)| Ok(SortKey::new(Value::try_from(own)?, *sorting));
        Ok(Self {
            keys: keys.map(key).collect::<Result<_, Error>>()?,
            record: read.record.map(NodeId::from_bytes),
            profile: NodeId::from_bytes(read.profile),
        })
    }
}

/// A profile of whom the condition holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Candidate {
    pub(crate) at: Position,
    /// The version of the record that said so.
    pub(crate) version: Version,
}

/// For how many profiles a condition gave no answer. They are not among those of whom it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Undecided {
    /// An aggregate of it holds more values than it may.
    pub overflowed: u64,
    /// It took more steps than it may, or would look through more bytes of events.
    pub over_budget: u64,
    /// It would rest on fewer events than it speaks of, for the profile has more than rules look at.
    pub truncated: u64,
}

impl Undecided {
    /// Whether there were none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn add(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Overflowed => self.overflowed += 1,
            Trouble::OverBudget => self.over_budget += 1,
            Trouble::Truncated => self.truncated += 1,
        }
    }
}

/// Those that come first behind a position, and how many there are in all.
#[derive(Debug)]
pub(crate) struct First {
    after: Option<Position>,
    most: usize,
    heap: BinaryHeap<Candidate>,
    pub(crate) matched: u64,
    pub(crate) undecided: Undecided,
}

impl First {
    /// Keeps so many of those behind a position.
    pub(crate) fn new(most: usize, after: Option<Position>) -> Self {
        Self { after, most, heap: BinaryHeap::new(), matched: 0, undecided: Undecided::default() }
    }

    /// The position behind which they stand.
    pub(crate) fn after(&self) -> Option<&Position> {
        self.after.as_ref()
    }

    pub(crate) fn take(&mut self, candidate: Candidate) {
        self.matched += 1;
        if self.after.as_ref().is_some_and(|after| candidate.at <= *after) {
            return;
        }
        self.heap.push(candidate);
        if self.heap.len() > self.most {
            self.heap.pop();
        }
    }

    pub(crate) fn miss(&mut self, trouble: Trouble) {
        self.undecided.add(trouble);
    }

    /// Whether it has all that it keeps: what stands behind them in the order changes nothing more.
    pub(crate) fn is_full(&self) -> bool {
        self.heap.len() >= self.most
    }

    /// In their order.
    pub(crate) fn into_sorted(self) -> Vec<Candidate> {
        self.heap.into_sorted_vec()
    }
}

#[cfg(test)]
mod tests;
