//! An event as rules see it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use tessera_expr::ast::Name;
use tessera_expr::facts::{Facts, Kept, Membership, look_into};
use tessera_expr::plan::Aggregate;

use crate::aggregate::Moment;
use crate::decide::NewEvent;
use crate::fact::Call;
use crate::id::EventId;
use crate::time::Timestamp;
use crate::value::{Tree, Value};

/// Reads the payload of a call: an object with what rules see of it, such as `properties` and `items`.
pub type ReadPayload = fn(&[u8]) -> Value;

/// An event of a timeline. Its payload is read when a rule first asks for something in it.
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
    seen: OnceLock<Value>,
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

    /// What rules see of it: `_id`, `eventType`, `timestamp`, and what is read of the payload.
    pub(super) fn value(&self, read: ReadPayload) -> &Value {
        self.seen.get_or_init(|| {
            let mut members: Vec<(Arc<str>, Value)> = match read(&self.call.payload) {
                Value::Object(members) => members.to_vec(),
                _ => Vec::new(),
            };
            members.push(("_id".into(), Value::text(&self.fact_id)));
            members.push(("eventType".into(), Value::Text(self.event_type())));
            members.push(("timestamp".into(), Value::Timestamp(self.time)));
            Value::object(members)
        })
    }
}

/// One event alone, for what it brings to an aggregate.
pub(crate) struct Alone<'a> {
    pub(crate) event: &'a Event,
    pub(crate) read: ReadPayload,
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
        look_into(self.event.value(self.read), names)
    }

    fn membership(&self, _: &str) -> Membership {
        Membership::Outside { left: None }
    }

    fn kept(&self, _: &Aggregate) -> Option<Kept> {
        None
    }
}
