//! Which rules a write can affect: looked up by what it says, so that rules which do not depend on it cost it nothing.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use tessera_expr::ast::Name;
use tessera_expr::plan::{Attributes, EventTypes};

use super::set::{Entry, KeptDef, RuleKind};

/// What events of a type can affect.
#[derive(Debug, Clone, Default)]
struct Affected {
    /// Aggregates, by their place.
    aggregates: BTreeSet<usize>,
    /// Segments, by their place in the order of dependencies.
    segments: BTreeSet<usize>,
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    any_event: Affected,
    exact: HashMap<Name, Affected>,
    /// By the name in lower case, where case does not matter.
    folded: HashMap<Name, Affected>,
    any_attribute: BTreeSet<usize>,
    attributes: HashMap<Name, BTreeSet<usize>>,
    /// The entry at each place in the order of dependencies.
    order: Vec<usize>,
    /// Segments whose answers time alone may change.
    clock: Vec<usize>,
}

impl Index {
    pub(super) fn new(entries: &[Entry], order: &[usize], kept: &[KeptDef]) -> Self {
        let mut index = Self { order: order.to_vec(), ..Self::default() };
        for (at, own) in kept.iter().enumerate() {
            index.note_events(&own.aggregate.events, |affected| affected.aggregates.insert(at));
        }
        for (place, at) in order.iter().enumerate() {
            let entry = &entries[*at];
            if entry.def.kind == RuleKind::Attribute {
                continue;
            }
            if entry.reads_clock {
                index.clock.push(*at);
            }
            for own in entry.closure.iter().map(|own| &entries[*own]) {
                index.note_events(&own.plan().events, |affected| affected.segments.insert(place));
                match &own.plan().attributes {
                    Attributes::All => drop(index.any_attribute.insert(place)),
                    Attributes::At(paths) => {
                        for name in paths.iter().filter_map(|path| path.first()) {
                            index.attributes.entry(name.clone()).or_default().insert(place);
                        }
                    }
                }
            }
        }
        index
    }

    fn note_events(&mut self, types: &EventTypes, note: impl Fn(&mut Affected) -> bool) {
        match types {
            EventTypes::All => drop(note(&mut self.any_event)),
            EventTypes::Some(types) => {
                for own in types {
                    let table = if own.minds_case { &mut self.exact } else { &mut self.folded };
                    note(table.entry(own.name.clone()).or_default());
                }
            }
        }
    }

    fn of_event(&self, name: &str) -> impl Iterator<Item = &Affected> {
        let folded = if self.folded.is_empty() { None } else { self.folded.get(name.to_lowercase().as_str()) };
        std::iter::once(&self.any_event).chain(self.exact.get(name)).chain(folded)
    }

    /// The aggregates that an event of this type may bring something to.
    pub(crate) fn aggregates(&self, name: &str) -> BTreeSet<usize> {
        self.of_event(name).flat_map(|affected| affected.aggregates.iter().copied()).collect()
    }

    /// The segments that an event and attributes of these names can affect, those first that others depend on.
    pub(crate) fn segments<'a>(&self, event: Option<&str>, names: impl Iterator<Item = &'a str>) -> Vec<usize> {
        let mut places: BTreeSet<usize> = BTreeSet::new();
        for affected in event.into_iter().flat_map(|name| self.of_event(name)) {
            places.extend(&affected.segments);
        }
        let mut is_first = true;
        for name in names {
            if std::mem::take(&mut is_first) {
                places.extend(&self.any_attribute);
            }
            places.extend(self.attributes.get(name).into_iter().flatten());
        }
        places.into_iter().map(|place| self.order[place]).collect()
    }

    /// The segments whose answers may change by themselves, those first that others depend on.
    pub(crate) fn clock(&self) -> &[usize] {
        &self.clock
    }
}
