//! What a change of the model may mean to stored data.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Attribute, DataModel, EventType, Property};

/// What stored data has to be compared with, because it is registered otherwise than before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stricter {
    /// Whether the values of any attribute have to be.
    pub attributes: bool,
    /// The event types whose events have to be.
    pub event_types: BTreeSet<Arc<str>>,
}

impl Stricter {
    /// Whether there is nothing to compare.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        !self.attributes && self.event_types.is_empty()
    }
}

impl DataModel {
    /// What stored data has to be compared with when this model takes the place of another.
    #[must_use]
    pub fn stricter_than(&self, before: &Self) -> Stricter {
        let (before, after) = (before.definition(), self.definition());
        let is_same = |one: &Attribute, other: &Attribute| one.r#type == other.r#type && one.allowed == other.allowed;
        let attributes = after.attributes.iter();
        let mut others =
            attributes.filter(|(path, own)| !before.attributes.get(path).is_some_and(|was| is_same(was, own)));
        let event_types = after.event_types.iter();
        let changed =
            event_types.filter(|(name, own)| !before.event_types.get(*name).is_some_and(|was| asks_alike(was, own)));
        let changed = changed.filter(|(_, own)| !own.properties.is_empty() || !own.items.is_empty());
        Stricter { attributes: others.next().is_some(), event_types: changed.map(|(name, _)| name.clone()).collect() }
    }
}

/// Whether two event types ask the same of an event.
fn asks_alike(one: &EventType, other: &EventType) -> bool {
    let is_same = |one: &Property, other: &Property| {
        one.r#type == other.r#type && one.required == other.required && one.allowed == other.allowed
    };
    let are_same = |one: &EventType, other: &EventType| {
        one.properties.len() == other.properties.len()
            && one.properties.iter().all(|(path, own)| other.properties.get(path).is_some_and(|was| is_same(was, own)))
    };
    let of_items = one.items.len() == other.items.len()
        && one.items.iter().all(|(path, own)| {
            other.items.get(path).is_some_and(|was| {
                was.required == own.required
                    && was.properties.len() == own.properties.len()
                    && own
                        .properties
                        .iter()
                        .all(|(path, own)| was.properties.get(path).is_some_and(|was| is_same(was, own)))
            })
        });
    are_same(one, other) && of_items
}
