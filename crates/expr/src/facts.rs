//! What a rule may ask about one profile.

use crate::ast::{Comparison, Name};
use crate::plan::Aggregate;
use crate::time::Timestamp;
use crate::value::{Decimal, Tree, Value};

/// The facts of one profile. An implementation may decode lazily: it is asked for what a rule needs and for nothing else.
pub trait Facts {
    /// All attributes.
    fn attributes(&self) -> &Tree;

    /// How many events there are. Rules see the last [`SCAN_EVENTS_MAX`](crate::limits::SCAN_EVENTS_MAX) of them.
    fn event_count(&self) -> usize;

    /// The latest instant of an event that is there and that rules do not see, none where they see all. Of what happened at this instant or
    /// before, some may be missing.
    fn unseen(&self) -> Option<Timestamp> {
        None
    }

    /// When an event happened. Events are numbered from 0 in the order of their times, and of one time in the order of their ids.
    fn event_time(&self, event: usize) -> Timestamp;

    /// The name of an event.
    fn event_name(&self, event: usize) -> Name;

    /// What stands in an event at these names, which begin at its root: `properties`, `items` and so on. The search goes through objects
    /// only. It ends where something else stands, and says how many names led there; with nothing there, it is null. No names
    /// are asked for the whole event.
    fn event_value(&self, event: usize, names: &[Name]) -> (Value, usize);

    /// How many bytes have to be read before anything but the time and the name of an event can be told: what opening it costs.
    fn event_bytes(&self, event: usize) -> usize {
        let _ = event;
        0
    }

    /// Whether nobody waits for the answer any more. It is asked every thousand steps or so.
    fn is_given_up(&self) -> bool {
        false
    }

    /// How the profile stands to a segment.
    fn membership(&self, segment: &str) -> Membership;

    /// The value of an aggregate, where it is kept.
    fn kept(&self, aggregate: &Aggregate) -> Option<Kept>;

    /// The same for whoever compares it with a number and asks for nothing else: it may say that it holds for as long as the comparison comes
    /// to the same.
    fn kept_against(&self, aggregate: &Aggregate, comparison: Comparison, number: Decimal) -> Option<Kept> {
        let _ = (comparison, number);
        self.kept(aggregate)
    }
}

/// What [`Facts::event_value`] answers of an event that stands as one value.
#[must_use]
pub fn look_into(event: &Value, names: &[Name]) -> (Value, usize) {
    let mut at = event;
    for (used, name) in names.iter().enumerate() {
        let Value::Object(members) = at else { return (at.clone(), used) };
        match members.iter().find(|(member, _)| member == name) {
            Some((_, value)) => at = value,
            None => return (Value::Null, used),
        }
    }
    (at.clone(), names.len())
}

/// How a profile stands to a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// It is no member.
    Outside {
        /// When it last was one.
        left: Option<Timestamp>,
    },
    /// It is a member.
    Inside {
        /// Since when.
        entered: Timestamp,
        /// When it last had ceased to be one.
        left: Option<Timestamp>,
    },
}

/// The value of an aggregate that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The value; that of the aggregate evaluated over the events.
    pub value: Value,
    /// The earliest instant at which it may be another although nothing is said, after the one that it was asked for.
    pub changes_at: Option<Timestamp>,
}
