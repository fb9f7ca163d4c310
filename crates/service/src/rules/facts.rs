//! A profile as rules see it.

use std::cell::OnceCell;
use std::sync::Arc;

use serde_json::Value as Json;
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Tree, Value};
use tessera_expr::ast::Name;
use tessera_expr::facts::{Facts, Kept, Membership, look_into};
use tessera_expr::plan::Aggregate;

use crate::json::{Spelling, read_value};
use crate::payload::Payload;
use crate::query::StoredCall;

/// Objects and arrays in each other that are read of an event; what lies deeper is null.
const DEPTH_MAX: usize = 32;

/// The facts of a profile, loaded whole.
pub(crate) struct ProfileFacts {
    attributes: Tree,
    /// In the order of their times.
    events: Vec<Event>,
    /// By name.
    audiences: Vec<(Name, Membership)>,
}

struct Event {
    call: StoredCall,
    name: Name,
    /// What rules see of it, once one has asked.
    value: OnceCell<Value>,
}

impl ProfileFacts {
    /// Events come as a timeline is read: the newest first.
    pub(crate) fn new(attributes: Tree, newest_first: Vec<StoredCall>, audiences: Vec<(Name, Membership)>) -> Self {
        let event = |call: StoredCall| Event { name: type_of(&call), call, value: OnceCell::new() };
        Self { attributes, events: newest_first.into_iter().rev().map(event).collect(), audiences }
    }

    /// How many events there are.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }
}

/// The name of an event as rules know it: its own, or that of its kind where it has none.
fn type_of(call: &StoredCall) -> Name {
    call.name.clone().unwrap_or_else(|| Arc::from(call.kind.name()))
}

/// An event as a rule sees it: `_id`, `eventType`, `timestamp`, `properties`, `items`, and what else was sent beside.
fn value_of(call: &StoredCall, name: &Name) -> Value {
    let mut members = members_of(&call.payload);
    members.extend([
        (Arc::from("_id"), Value::text(&call.message_id)),
        (Arc::from("eventType"), Value::Text(name.clone())),
        (Arc::from("timestamp"), Value::Timestamp(call.time)),
    ]);
    Value::object(members)
}

/// What rules see of a payload.
pub(crate) fn read_payload(payload: &[u8]) -> Value {
    Value::object(members_of(payload))
}

fn members_of(payload: &[u8]) -> Vec<(Arc<str>, Value)> {
    let payload: Payload<'_> = serde_json::from_slice(payload).unwrap_or_default();
    let read = |raw: Option<&serde_json::value::RawValue>| {
        let json: Json = serde_json::from_str(raw?.get()).ok()?;
        read_value(&json, Spelling::Plain, DEPTH_MAX).ok()
    };
    let mut members: Vec<(Arc<str>, Value)> = Vec::new();
    if let Some(properties) = read(payload.properties) {
        // What shops call the lines of an order.
        let items = ["items", "products"].into_iter().find_map(|name| match member(&properties, name) {
            Some(list @ Value::List(_)) => Some(list.clone()),
            _ => None,
        });
        members.extend(items.map(|items| (Arc::from("items"), items)));
        members.push((Arc::from("properties"), properties));
    }
    let rest = [("traits", payload.traits), ("context", payload.context)];
    members.extend(rest.into_iter().filter_map(|(name, raw)| Some((Arc::from(name), read(raw)?))));
    members
}

fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let Value::Object(members) = value else { return None };
    members.iter().find(|(own, _)| **own == *name).map(|(_, value)| value)
}

impl Facts for ProfileFacts {
    fn attributes(&self) -> &Tree {
        &self.attributes
    }

    fn event_count(&self) -> usize {
        self.events.len()
    }

    fn event_time(&self, event: usize) -> Timestamp {
        self.events[event].call.time
    }

    fn event_name(&self, event: usize) -> Name {
        self.events[event].name.clone()
    }

    fn event_value(&self, event: usize, names: &[Name]) -> (Value, usize) {
        let event = &self.events[event];
        look_into(event.value.get_or_init(|| value_of(&event.call, &event.name)), names)
    }

    fn membership(&self, segment: &str) -> Membership {
        // Nobody is a member of a segment that is not there.
        let own = self.audiences.binary_search_by(|(name, _)| (**name).cmp(segment));
        own.map_or(Membership::Outside { left: None }, |at| self.audiences[at].1)
    }

    fn kept(&self, _aggregate: &Aggregate) -> Option<Kept> {
        None
    }
}
