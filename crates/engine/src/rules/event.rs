//! An event as rules see it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tessera_expr::ast::Name;
use tessera_expr::facts::{Facts, Kept, Membership};
use tessera_expr::plan::Aggregate;

use crate::aggregate::Moment;
use crate::decide::NewEvent;
use crate::fact::Call;
use crate::id::EventId;
use crate::time::Timestamp;
use crate::value::{Tree, Value};

/// What rules see of a payload: members such as `properties` and `items`.
pub trait Seen: Send + Sync {
    /// What stands at these names, of which there is one at least: see [`Facts::event_value`].
    fn at(&self, names: &[Name]) -> (Value, usize);

    /// All members.
    fn members(&self) -> Vec<(Name, Value)>;
}

/// Opens the payload of a call. Of what is in it, only what rules ask for need be read.
pub type OpenPayload = fn(&Bytes) -> Arc<dyn Seen>;

/// A payload in which nothing is seen.
pub(super) struct Blank;

impl Seen for Blank {
    fn at(&self, _: &[Name]) -> (Value, usize) {
        (Value::Null, 0)
    }

    fn members(&self) -> Vec<(Name, Value)> {
        Vec::new()
    }
}

/// An event of a timeline. Its payload is opened when a rule first asks for something in it.
#[derive(Clone)]
pub struct Event {
    /// When it happened.
    pub time: Timestamp,
    /// Its id.
    pub id: EventId,
    /// The id it was sent with.
    pub fact_id: Arc<str>,
    /// When it was received.
    pub received_at: Timestamp,
    /// The dataset.
    pub dataset: Arc<str>,
    /// The named delivery.
    pub batch: Option<Arc<str>>,
    /// What stands on the timeline.
    pub call: Call,
    seen: OnceLock<Arc<dyn Seen>>,
}

/// What people sent stays out of logs.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("time", &self.time).field("id", &self.id).finish_non_exhaustive()
    }
}

impl From<&NewEvent> for Event {
    fn from(new: &NewEvent) -> Self {
        let NewEvent { time, id, fact_id, received_at, dataset, batch, call, .. } = new.clone();
        Self::new((time, id), fact_id, received_at, (dataset, batch), call)
    }
}

impl Event {
    /// An event at its place, with the id it was sent with, its time of receipt and its source.
    #[must_use]
    pub fn new(
        (time, id): (Timestamp, EventId),
        fact_id: Arc<str>,
        received_at: Timestamp,
        (dataset, batch): (Arc<str>, Option<Arc<str>>),
        call: Call,
    ) -> Self {
        Self { time, id, fact_id, received_at, dataset, batch, call, seen: OnceLock::new() }
    }

    /// Its place among the events.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment { time: self.time, id: self.id }
    }

    /// The name of its type: its own, or that of its kind where it has none.
    #[must_use]
    pub fn event_type(&self) -> Name {
        self.call.name.clone().unwrap_or_else(|| self.call.kind.name().into())
    }

    /// What stands in it at these names, as [`Facts::event_value`] says it: `_id`, `eventType`, `timestamp`, and what is seen of the
    /// payload.
    #[must_use]
    pub fn at(&self, names: &[Name], open: OpenPayload) -> (Value, usize) {
        let own = |name: &str| match name {
            "_id" => Some(Value::text(&self.fact_id)),
            "eventType" => Some(Value::Text(self.event_type())),
            "timestamp" => Some(Value::Timestamp(self.time)),
            _ => None,
        };
        let seen = || self.seen.get_or_init(|| open(&self.call.payload));
        let Some(name) = names.first() else {
            let own = ["_id", "eventType", "timestamp"].into_iter().filter_map(|name| Some((name.into(), own(name)?)));
            return (Value::object(seen().members().into_iter().chain(own).collect()), 0);
        };
        match own(name) {
            Some(value) => (value, 1),
            None => seen().at(names),
        }
    }
}

/// One event alone, for what it brings to an aggregate.
pub(crate) struct Alone<'a> {
    pub(crate) event: &'a Event,
    pub(crate) open: OpenPayload,
}

/// No attributes.
pub(super) static NOTHING: Tree = Tree::Node(std::collections::BTreeMap::new());

impl Facts for Alone<'_> {
    fn attributes(&self) -> &Tree {
        &NOTHING
    }

    fn event_count(&self) -> usize {
        1
    }

    fn event_time(&self, _: usize) -> Timestamp {
        self.event.time
    }

    fn event_name(&self, _: usize) -> Name {
        self.event.event_type()
    }

    fn event_value(&self, _: usize, names: &[Name]) -> (Value, usize) {
        self.event.at(names, self.open)
    }

    fn event_bytes(&self, _: usize) -> usize {
        self.event.call.payload.len()
    }

    fn membership(&self, _: &str) -> Membership {
        Membership::Outside { left: None }
    }

    fn kept(&self, _: &Aggregate) -> Option<Kept> {
        None
    }
}
