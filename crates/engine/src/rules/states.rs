//! What events bring to the states of their node.

use std::sync::Arc;

use tessera_expr::eval::Frame;
use tessera_expr::plan::Contribution;

use super::event::{Alone, Event};
use super::set::{KeptDef, RuleSet};
use crate::aggregate::State;
use crate::working::NodeStates;

/// Steps that finding out what one event brings to one aggregate may take.
const EVENT_STEPS_MAX: u64 = 20_000;
/// Steps that finding out what all events of one timeline bring to the aggregates may take.
pub const TIMELINE_STEPS_MAX: u64 = 200_000_000;

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

/// What an event brings to each aggregate that is kept, and what of `steps` is left after that.
pub fn contributions<'a>(event: &Event, rules: &'a RuleSet, steps: &mut u64) -> Vec<(&'a KeptDef, Brought)> {
    if !event.call.kind.is_event() {
        return Vec::new();
    }
    let alone = Alone { event, open: rules.open };
    let affected = rules.index.aggregates(&event.event_type());
    let mut brought = Vec::with_capacity(affected.len());
    for at in affected {
        let kept = &rules.kept[at];
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

/// Adds an event to the states of its node, which hold all events of before. No event is added twice. `steps` is what finding out may still
/// take for this timeline: beyond it the aggregates cannot be kept for its node.
pub fn add_event(states: &mut NodeStates, event: &Event, rules: &RuleSet, steps: &mut u64) {
    for (kept, brought) in contributions(event, rules, steps) {
        add(states, kept, event, &brought, rules);
    }
}

/// Adds what one event brings to one state.
pub(crate) fn add(states: &mut NodeStates, kept: &KeptDef, event: &Event, brought: &Brought, rules: &RuleSet) {
    let at = match states.binary_search_by_key(&kept.id, |(own, _)| *own) {
        Ok(at) => at,
        Err(at) => {
            states.insert(at, (kept.id, Arc::new(State::new(&kept.aggregate))));
            at
        }
    };
    let shared = &mut states[at].1;
    if Arc::get_mut(shared).is_none() {
        *shared = Arc::new(shared.clone_with_room());
    }
    let state = Arc::make_mut(shared);
    match brought {
        Brought::Contribution(contribution) => {
            state.add(&kept.aggregate, &rules.bounds, event.moment(), contribution);
        }
        Brought::TooMuch | Brought::Unasked => *state = State::Overflowed,
    }
}
