//! What events bring to the states of their node.

use std::sync::Arc;

use tessera_expr::eval::Frame;
use tessera_expr::plan::Contribution;

use super::event::{Alone, Event};
use super::set::{KeptDef, RuleSet};
use crate::aggregate::{State, Tail};
use crate::time::Timestamp;
use crate::working::NodeStates;

/// Steps that finding out what one event brings to one aggregate may take.
const EVENT_STEPS_MAX: u64 = 20_000;
/// Steps that finding out what all events of one timeline bring to the aggregates may take.
pub const TIMELINE_STEPS_MAX: u64 = 200_000_000;
/// Bytes that the tail of a node holds, at most; of a record of many nodes each has a part.
const TAIL_BYTES_MAX: usize = 3 << 10;
/// Nodes of a record whose tails are as long as they may be.
const TAILS_WHOLE: usize = 16;

/// What an event brings to an aggregate that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brought {
    /// This.
    Contribution(Contribution),
    /// Finding out takes more steps than it may: the aggregate cannot be kept for the node.
    TooMuch,
    /// Nobody asked, for no steps were left.
    Unasked,
}

/// What a timeline comes to for the aggregates that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The states.
    pub states: NodeStates,
    /// What its newest events bring; none where no windows are kept.
    pub tail: Option<Arc<Tail>>,
    /// The instant that states of windows are of.
    pub at: Timestamp,
}

impl Built {
    /// Of a timeline without events.
    #[must_use]
    pub fn new(rules: &RuleSet, at: Timestamp) -> Self {
        let columns = rules.columns();
        let tail = (!columns.is_empty()).then(|| Arc::new(Tail::new(columns.iter().copied())));
        Self { states: NodeStates::new(), tail, at }
    }

    /// Adds an event that is not there yet. `steps` is what finding out may still take for this timeline: beyond it the aggregates cannot be
    /// kept for its node.
    pub fn add(&mut self, event: &Event, rules: &RuleSet, steps: &mut u64) {
        let mut noted = Vec::new();
        for (kept, brought) in contributions(event, rules, steps) {
            add(&mut self.states, rules.sharing(kept), event, &brought, rules, self.at);
            if let Brought::Contribution(own) = brought
                && rules.column(kept) == Some(kept.id)
            {
                noted.push((kept.id, own));
            }
        }
        if let Some(tail) = &mut self.tail
            && !noted.is_empty()
        {
            let tail = Arc::make_mut(tail);
            tail.add(event.moment(), noted);
            trim(tail, 1, rules);
        }
    }
}

/// Lets the oldest of a tail go, in a record of so many nodes.
pub(crate) fn trim(tail: &mut Tail, nodes: usize, rules: &RuleSet) {
    let share = |all: usize, least: usize| (all * TAILS_WHOLE / nodes.max(TAILS_WHOLE)).max(least);
    let events_max = rules.bounds.tail_events_max;
    tail.trim(share(events_max, events_max.min(4)), share(TAIL_BYTES_MAX, 128));
}

/// What an event brings to each aggregate that is kept, and what of `steps` is left after that. Those that are the same but for their windows
/// are named once, by the one that they share.
pub fn contributions<'a>(event: &Event, rules: &'a RuleSet, steps: &mut u64) -> Vec<(&'a KeptDef, Brought)> {
    if !event.call.kind.is_event() {
        return Vec::new();
    }
    let alone = Alone { event, open: rules.open };
    let affected = rules.index.aggregates(&event.event_type());
    let mut brought = Vec::with_capacity(affected.len());
    for kept in affected.into_iter().map(|at| &rules.kept[at]) {
        if rules.column(kept).is_some_and(|column| column != kept.id) {
            continue;
        }
        if *steps == 0 {
            brought.push((kept, Brought::Unasked));
            continue;
        }
        let frame = Frame { now: event.time, zone: &kept.zone, steps_max: EVENT_STEPS_MAX };
        let (contribution, taken) = kept.aggregate.priced_contribution(&alone, 0, &frame);
        *steps = steps.saturating_sub(taken);
        match contribution {
            Ok(None) => {}
            Ok(Some(contribution)) => brought.push((kept, Brought::Contribution(contribution))),
            Err(_) => brought.push((kept, Brought::TooMuch)),
        }
    }
    brought
}

/// Adds what one event brings to the states of aggregates that share it. Those that are missing begin at an instant.
pub(crate) fn add<'a>(
    states: &mut NodeStates,
    sharing: impl Iterator<Item = &'a KeptDef>,
    event: &Event,
    brought: &Brought,
    rules: &RuleSet,
    at: Timestamp,
) {
    for kept in sharing {
        let place = match states.binary_search_by_key(&kept.id, |(own, _)| *own) {
            Ok(place) => place,
            Err(place) => {
                states.insert(place, (kept.id, Arc::new(State::new(&kept.aggregate, at))));
                place
            }
        };
        let state = Arc::make_mut(&mut states[place].1);
        match brought {
            Brought::Contribution(own) => {
                state.add(&kept.aggregate, &rules.bounds, &kept.zone, (event.moment(), own));
            }
            Brought::TooMuch | Brought::Unasked => *state = State::Overflowed,
        }
    }
}
