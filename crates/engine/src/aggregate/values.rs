//! Distinct values, and how often each came.

use std::collections::BTreeMap;

use super::Gone;
use crate::value::Value;

/// How often each value came; each at least once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Values {
    counts: BTreeMap<Value, u64>,
    bytes: usize,
}

tessera_expr::heap!(Values: counts);

impl Values {
    /// Values and how often each came; those that never came are left out.
    #[must_use]
    pub fn from_counts(counts: impl IntoIterator<Item = (Value, u64)>) -> Self {
        let mut values = Self::default();
        for (value, count) in counts {
            values.add(&value, count);
        }
        values
    }

    /// Each value and how often it came, in the order of values.
    #[must_use]
    pub const fn counts(&self) -> &BTreeMap<Value, u64> {
        &self.counts
    }

    pub(super) fn add(&mut self, value: &Value, count: u64) {
        if count == 0 {
            return;
        }
        match self.counts.get_mut(value) {
            Some(own) => *own += count,
            None => {
                self.bytes += size_bytes(value);
                self.counts.insert(value.clone(), count);
            }
        }
    }

    pub(super) fn remove(&mut self, value: &Value) -> Result<(), Gone> {
        let count = self.counts.get_mut(value).ok_or(Gone)?;
        *count -= 1;
        if *count == 0 {
            self.counts.remove(value);
            self.bytes -= size_bytes(value);
        }
        Ok(())
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        other.counts.iter().for_each(|(value, count)| self.add(value, *count));
    }

    /// Of several the first in the order of values.
    pub(super) fn most_frequent(&self) -> Option<&Value> {
        // `max_by_key` keeps the last of equals, so the order is turned round.
        self.counts.iter().rev().max_by_key(|(_, count)| **count).map(|(value, _)| value)
    }

    pub(super) const fn size_bytes(&self) -> usize {
        self.bytes
    }
}

fn size_bytes(value: &Value) -> usize {
    const COUNT: usize = 10;
    value.size_bytes() + COUNT
}
