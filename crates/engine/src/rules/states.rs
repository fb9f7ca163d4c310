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

/// What a call brings to each aggregate that is kept; none where finding out takes more steps than it may: then the aggregate cannot be
/// kept for its node. A call that is no event brings nothing.
pub fn contributions<'a>(event: &Event, rules: &'a RuleSet) -> Vec<(&'a KeptDef, Option<Contribution>)> {
    if !event.call.kind.is_event() {
        return Vec::new();
    }
    let alone = Alone { event, open: rules.open };
    let affected = rules.index.aggregates(&event.event_type());
    let mut brought = Vec::with_capacity(affected.len());
    for at in affected {
        let kept = &rules.kept[at];
        let frame = Frame { now: event.time, zone: &kept.zone, steps_max: EVENT_STEPS_MAX };
        match kept.aggregate.contribution(&alone, 0, &frame) {
            Ok(None) => {}
            Ok(Some(contribution)) => brought.push((kept, Some(contribution))),
            Err(_) => brought.push((kept, None)),
        }
    }
    brought
}

/// Adds an event to the states of its node, which hold all events of before. No event is added twice.
pub fn add_event(states: &mut NodeStates, event: &Event, rules: &RuleSet) {
    for (kept, contribution) in contributions(event, rules) {
        add(states, kept, event, contribution.as_ref(), rules);
    }
}

/// Adds what one event brings to one state.
pub(crate) fn add(
    states: &mut NodeStates,
    kept: &KeptDef,
    event: &Event,
    contribution: Option<&Contribution>,
    rules: &RuleSet,
) {
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
    match contribution {
        Some(contribution) => state.add(&kept.aggregate, &rules.bounds, event.moment(), contribution),
        None => *state = State::Overflowed,
    }
}
