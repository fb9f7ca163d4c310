//! What the work costs: steps, paid before it is done, and the bounds of what is made.
//!
//! A step is worth some tens of nanoseconds. What goes through a value pays for its size, however much of it is shared: values that
//! hold each other twice are small in memory, and endless to walk.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Evaluator, Item, OverBudget, Result};
use crate::ast::Name;
use crate::limits::VALUE_MAX;
use crate::value::{Size, TooLarge, Value};

/// Items that one step walks through.
const ITEMS_OF_STEP: usize = 8;
/// Bytes of texts that one step walks through.
const BYTES_OF_STEP: usize = 256;
/// Bytes of an event that one step opens.
const OPENED_OF_STEP: usize = 256;
/// Bytes of an open event that are looked through for a name in one step.
const LOOKED_OF_STEP: usize = 1_024;
/// Steps after which it is asked whether somebody still waits.
const STEPS_UNLOOKED: u64 = 1_024;
/// Steps of an evaluation before it is asked for the first time: small ones end sooner.
pub(super) const STEPS_BEFORE: u64 = 256;

impl From<TooLarge> for OverBudget {
    fn from(_: TooLarge) -> Self {
        Self::Value
    }
}

const fn steps_of(size: Size) -> usize {
    size.items / ITEMS_OF_STEP + size.bytes / BYTES_OF_STEP
}

impl<'f> Evaluator<'f> {
    pub(super) fn spend(&mut self, steps: usize) -> Result<()> {
        self.spend_steps(u64::try_from(steps).unwrap_or(u64::MAX))
    }

    pub(super) fn spend_steps(&mut self, steps: u64) -> Result<()> {
        let Some(left) = self.steps_left.checked_sub(steps) else {
            self.steps_left = 0;
            return Err(OverBudget::Steps);
        };
        self.steps_left = left;
        if left < self.looks_below {
            self.looks_below = left.saturating_sub(STEPS_UNLOOKED);
            if self.facts.is_given_up() {
                return Err(OverBudget::GivenUp);
            }
        }
        Ok(())
    }

    /// Pays for going through a value once. One that is larger than a value may be is refused.
    pub(super) fn weigh(&mut self, value: &Value) -> Result<Size> {
        let mut size = Size::default();
        size.add_value(value, VALUE_MAX)?;
        self.spend(steps_of(size))?;
        Ok(size)
    }

    /// The same, for one of several values that together are no larger than one may be.
    pub(super) fn weigh_into(&mut self, value: &Value, size: &mut Size) -> Result<()> {
        let before = *size;
        size.add_value(value, VALUE_MAX)?;
        self.spend(steps_of(Size { items: size.items - before.items, bytes: size.bytes - before.bytes }))
    }

    /// Pays for putting so many things of this size in order, or for finding them among as many.
    pub(super) fn spend_order(&mut self, size: Size, count: usize) -> Result<()> {
        let rounds = usize::try_from(count.max(1).ilog2()).unwrap_or(0);
        self.spend(steps_of(size).saturating_mul(rounds))
    }

    /// A list that may hold one thing several times.
    pub(super) fn list(&mut self, items: Vec<Item<'f>>) -> Result<Item<'f>> {
        let mut size = Size::default();
        items.iter().try_for_each(|item| add_item(&mut size, item))?;
        self.spend(steps_of(size))?;
        Ok(Item::List(items.into()))
    }

    /// A map that may hold one thing several times.
    pub(super) fn map_of(&mut self, entries: BTreeMap<Value, Item<'f>>) -> Result<Item<'f>> {
        let mut size = Size::default();
        add_entries(&mut size, &entries)?;
        // A map takes far more memory than its entries.
        self.spend(4 + entries.len() + steps_of(size))?;
        Ok(Item::Map(Rc::new(entries)))
    }

    /// One more for a list that grows while it is made.
    pub(super) fn push(items: &mut Vec<Item<'f>>, item: Item<'f>) -> Result<()> {
        if items.len() >= VALUE_MAX.items {
            return Err(OverBudget::Value);
        }
        items.push(item);
        Ok(())
    }

    /// What stands in an event at these names, once it has been paid for.
    pub(super) fn event_value(&mut self, event: usize, names: &[Name]) -> Result<(Value, usize)> {
        let bytes = self.facts.event_bytes(event);
        self.spend(bytes / LOOKED_OF_STEP)?;
        let (word, bit) = (event / 64, 1u64 << (event % 64));
        if self.opened.len() <= word {
            self.opened.resize(word + 1, 0);
        }
        if self.opened[word] & bit == 0 {
            self.opened[word] |= bit;
            self.spend(bytes / OPENED_OF_STEP)?;
        }
        Ok(self.facts.event_value(event, names))
    }
}

fn add_item(size: &mut Size, item: &Item<'_>) -> std::result::Result<(), TooLarge> {
    match item {
        Item::Value(value) => size.add_value(value, VALUE_MAX),
        Item::Tree(tree) => size.add_tree(tree, VALUE_MAX),
        // What is in it is measured when somebody asks for it.
        Item::Event(_) | Item::Day(_) => size.add_one(24, VALUE_MAX),
        Item::List(items) => {
            size.add_one(2, VALUE_MAX)?;
            items.iter().try_for_each(|item| add_item(size, item))
        }
        Item::Map(entries) => {
            size.add_one(2, VALUE_MAX)?;
            add_entries(size, entries)
        }
    }
}

fn add_entries(size: &mut Size, entries: &BTreeMap<Value, Item<'_>>) -> std::result::Result<(), TooLarge> {
    entries.iter().try_for_each(|(key, item)| {
        size.add_value(key, VALUE_MAX)?;
        add_item(size, item)
    })
}
