//! How long values and events are kept, and how long a value is relevant.
//!
//! What has ended is gone for every reader from that instant on; when its bytes go is another matter. So that a window that
//! becomes longer brings nothing back, [`Ended`] remembers what the shorter one had let end until it is off every record.

use std::sync::Arc;

use hashbrown::HashMap;
use tessera_expr::plan::EventTypes;

use super::shape::Shape;
use super::{Attribute, Definition, Window};
use crate::time::Timestamp;
use crate::value::Path;

/// What a window was of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Windowed {
    /// The values of an attribute, and of all below it.
    Attribute(Path),
    /// The events of a type.
    EventType(Arc<str>),
}

/// What had ended under a window when that was made longer, or taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// What the window was of.
    pub of: Windowed,
    /// What was true or happened at this instant or before had ended.
    pub said_until: Timestamp,
    /// What was received after this instant is of the longer window.
    pub received_until: Timestamp,
}

impl Ended {
    fn covers(&self, time: Timestamp, received_at: Timestamp) -> bool {
        time <= self.said_until && received_at <= self.received_until
    }

    /// Whether the other says nothing that this does not.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        self.of == other.of && self.said_until >= other.said_until && self.received_until >= other.received_until
    }
}

/// What ends at this instant because a window of one model is longer in the next, or not there: it had ended, and stays so.
#[must_use]
pub fn ended_between(before: &Definition, after: &Definition, at: Timestamp) -> Vec<Ended> {
    let attributes = before.attributes.iter().filter_map(|(path, own)| {
        let next = after.attributes.get(path).and_then(|next| next.retention);
        Some((Windowed::Attribute(path.clone()), own.retention?, next))
    });
    let events = before.event_types.iter().filter_map(|(name, own)| {
        let next = after.event_types.get(name).and_then(|next| next.retention);
        Some((Windowed::EventType(name.clone()), own.retention?, next))
    });
    let is_longer = |(_, own, next): &(Windowed, Window, Option<Window>)| next.is_none_or(|next| next > *own);
    let ended = |(of, own, _): (Windowed, Window, _)| Ended { of, said_until: own.start(at), received_until: at };
    attributes.chain(events).filter(is_longer).map(ended).collect()
}

/// The windows of a workspace, ready to be asked.
#[derive(Debug, Clone, Default)]
pub struct Keeping {
    values: Shape<Rule>,
    has_retention: bool,
    has_relevance: bool,
    events: HashMap<Arc<str>, Rule>,
}

#[derive(Debug, Clone, Default)]
struct Rule {
    retention: Option<Window>,
    relevance: Option<Window>,
    ended: Vec<Ended>,
}

impl Rule {
    fn is_gone(&self, time: Timestamp, received_at: Timestamp, now: Timestamp) -> bool {
        self.retention.is_some_and(|window| window.end(time) <= now)
            || self.ended.iter().any(|ended| ended.covers(time, received_at))
    }
}

impl Keeping {
    /// The windows of a data model, and what windows of before had let end and is not yet off every record.
    #[must_use]
    pub fn new(definition: &Definition, ended: &[Ended]) -> Self {
        let mut attributes: HashMap<&Path, Rule> = HashMap::new();
        let mut events: HashMap<Arc<str>, Rule> = HashMap::new();
        for (path, Attribute { retention, relevance, .. }) in &definition.attributes {
            if retention.is_some() || relevance.is_some() {
                let rule = Rule { retention: *retention, relevance: *relevance, ended: Vec::new() };
                attributes.insert(path, rule);
            }
        }
        for (name, own) in &definition.event_types {
            if own.retention.is_some() {
                let rule = Rule { retention: own.retention, ..Rule::default() };
                events.insert(name.clone(), rule);
            }
        }
        for ended in ended {
            let rule = match &ended.of {
                Windowed::Attribute(path) => attributes.entry(path).or_default(),
                Windowed::EventType(name) => events.entry(name.clone()).or_default(),
            };
            rule.ended.push(ended.clone());
        }
        let has_retention = attributes.values().any(|rule| rule.retention.is_some() || !rule.ended.is_empty());
        let has_relevance = attributes.values().any(|rule| rule.relevance.is_some());
        let mut values = Shape::default();
        for (path, rule) in attributes {
            values.put(path, Arc::new(rule));
        }
        Self { values, has_retention, has_relevance, events }
    }

    /// Whether no value ever ends, and none has.
    #[must_use]
    pub fn keeps_values(&self) -> bool {
        !self.has_retention
    }

    /// Whether no event ever ends, and none has.
    #[must_use]
    pub fn keeps_events(&self) -> bool {
        self.events.is_empty()
    }

    /// Whether an event of one of these types may end, or has.
    #[must_use]
    pub fn ends_any(&self, types: &EventTypes) -> bool {
        self.events.keys().any(|name| types.has(name))
    }

    /// Whether every value is relevant for good.
    #[must_use]
    pub fn is_always_relevant(&self) -> bool {
        !self.has_relevance
    }

    /// Whether what was said at this path, at that time, is gone by now. The windows of all attributes above it hold as well.
    #[must_use]
    pub fn is_gone(&self, path: &Path, time: Timestamp, received_at: Timestamp, now: Timestamp) -> bool {
        self.has_retention && self.values.along(path).any(|rule| rule.is_gone(time, received_at, now))
    }

    /// From when on what was said at this path, at that time, is gone, if it ever is.
    #[must_use]
    pub fn kept_until(&self, path: &Path, time: Timestamp) -> Option<Timestamp> {
        if self.has_retention { self.first_end(path, time, |rule| rule.retention) } else { None }
    }

    /// From when on what was said at this path, at that time, is not relevant, if it ever is.
    #[must_use]
    pub fn relevant_until(&self, path: &Path, time: Timestamp) -> Option<Timestamp> {
        if self.has_relevance { self.first_end(path, time, |rule| rule.relevance) } else { None }
    }

    fn first_end(&self, path: &Path, time: Timestamp, window: fn(&Rule) -> Option<Window>) -> Option<Timestamp> {
        self.values.along(path).filter_map(window).map(|window| window.end(time)).min()
    }

    /// From when on an event of this name, of that time, is gone, if it ever is.
    #[must_use]
    pub fn event_kept_until(&self, name: Option<&str>, time: Timestamp) -> Option<Timestamp> {
        let rule = name.filter(|_| !self.keeps_events()).and_then(|name| self.events.get(name));
        rule?.retention.map(|window| window.end(time))
    }

    /// Whether an event of this name, of that time, is gone by now. Calls without a name have no type, and stay.
    #[must_use]
    pub fn is_event_gone(&self, name: Option<&str>, time: Timestamp, received_at: Timestamp, now: Timestamp) -> bool {
        let rule = name.filter(|_| !self.keeps_events()).and_then(|name| self.events.get(name));
        rule.is_some_and(|rule| rule.is_gone(time, received_at, now))
    }
}
