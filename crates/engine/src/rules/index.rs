//! Which rules a write can affect: looked up by what it says, so that rules which do not depend on it cost it nothing.

use hashbrown::HashMap;
use tessera_expr::ast::Name;
use tessera_expr::plan::{Attributes, EventTypes};

use super::set::{Entry, KeptDef, RuleKind};

/// What events of a type can affect.
#[derive(Debug, Clone, Default)]
struct Affected {
    /// Aggregates, by their place, ascending.
    aggregates: Vec<usize>,
    /// Segments, by their place in the order of dependencies, ascending.
    segments: Vec<usize>,
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    any_event: Affected,
    exact: HashMap<Name, Affected>,
    /// By the name in lower case, where case does not matter.
    folded: HashMap<Name, Affected>,
    any_attribute: Vec<usize>,
    attributes: HashMap<Name, Vec<usize>>,
    /// The entry at each place in the order of dependencies.
    order: Vec<usize>,
    /// Segments whose answers time alone may change.
    clock: Vec<usize>,
}

impl Index {
    pub(super) fn new(entries: &[Entry], order: &[usize], kept: &[KeptDef]) -> Self {
        let mut index = Self { order: order.to_vec(), ..Self::default() };
        for (at, own) in kept.iter().enumerate() {
            index.note_events(&own.aggregate.events, |affected| &mut affected.aggregates, at);
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
                index.note_events(&own.plan().events, |affected| &mut affected.segments, place);
                match &own.plan().attributes {
                    Attributes::All => push(&mut index.any_attribute, place),
                    Attributes::At(paths) => {
                        for name in paths.iter().filter_map(|path| path.first()) {
                            push(index.attributes.entry(name.clone()).or_default(), place);
                        }
                    }
                }
            }
        }
        index
    }

    /// Notes something under types of events. What is noted comes in ascending order.
    fn note_events(&mut self, types: &EventTypes, list: impl Fn(&mut Affected) -> &mut Vec<usize>, at: usize) {
        match types {
            EventTypes::All => push(list(&mut self.any_event), at),
            EventTypes::Some(types) => {
                for own in types {
                    let table = if own.minds_case { &mut self.exact } else { &mut self.folded };
                    push(list(table.entry(own.name.clone()).or_default()), at);
                }
            }
        }
    }

    fn of_event(&self, name: &str) -> impl Iterator<Item = &Affected> {
        let folded = if self.folded.is_empty() { None } else { self.folded.get(name.to_lowercase().as_str()) };
        std::iter::once(&self.any_event).chain(self.exact.get(name)).chain(folded)
    }

    /// The aggregates that an event of this type may bring something to, each once.
    pub(crate) fn aggregates(&self, name: &str) -> Vec<usize> {
        united(self.of_event(name).map(|affected| &affected.aggregates))
    }

    /// The segments that an event and attributes of these names can affect, those first that others depend on.
    pub(crate) fn segments<'a>(&self, event: Option<&str>, names: impl Iterator<Item = &'a str>) -> Vec<usize> {
        let by_event = event.into_iter().flat_map(|name| self.of_event(name)).map(|affected| &affected.segments);
        let mut names = names.peekable();
        let any = names.peek().map(|_| &self.any_attribute);
        let by_name = names.filter_map(|name| self.attributes.get(name));
        let places = united(by_event.chain(any).chain(by_name));
        places.into_iter().map(|place| self.order[place]).collect()
    }

    /// The segments whose answers may change by themselves, those first that others depend on.
    pub(crate) fn clock(&self) -> &[usize] {
        &self.clock
    }
}

/// Adds what is not less than anything in the list.
fn push(list: &mut Vec<usize>, at: usize) {
    if list.last() != Some(&at) {
        list.push(at);
    }
}

/// What is in any of these lists, once and ascending.
fn united<'a>(lists: impl Iterator<Item = &'a Vec<usize>>) -> Vec<usize> {
    let mut all: Vec<usize> = lists.flatten().copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}
