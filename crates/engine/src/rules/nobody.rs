//! Somebody of whom nothing is known: a profile before its first fact.

use tessera_expr::ast::Name;
use tessera_expr::eval::Frame;
use tessera_expr::facts::{Facts, Kept, Membership as Stands};
use tessera_expr::plan::Aggregate;

use super::event::NOTHING;
use super::segment_state::{Membership, SegmentStates};
use super::set::{Layer, RuleKind, RuleSet};
use crate::config::Kind;
use crate::time::Timestamp;
use crate::value::{Tree, Value};

/// Steps that a rule may take for nobody. One that takes more may hold, for all that is known: a configuration is read in a time that does not
/// depend on what its rules do.
const STEPS_MAX: u64 = 2_000;

/// The segments that hold of a person or an account of whom nothing is known, and those of which time decides.
pub(super) fn holding_of_nobody(set: &RuleSet) -> Vec<usize> {
    let [people, accounts] = [Kind::Person, Kind::Account].map(|kind| holding_of(set, kind));
    set.segments().filter(|at| people.contains(at) || accounts.contains(at)).collect()
}

/// Those that hold of somebody of this kind: one segment may ask whether another one does not hold, which is of others.
fn holding_of(set: &RuleSet, kind: Kind) -> Vec<usize> {
    let mut nobody = Nobody { set, segment_states: SegmentStates::default(), layer: Layer::Live };
    let mut holding = Vec::new();
    for at in set.segments() {
        let entry = &set.entries[at];
        let RuleKind::Segment { id, of, .. } = entry.def.kind else { continue };
        if of != kind {
            continue;
        }
        nobody.layer = entry.def.layer;
        let frame = Frame { now: Timestamp::MIN, zone: &entry.def.zone, steps_max: STEPS_MAX };
        // What is computed may be something even of nothing, such as 0.
        let holds = || entry.def.rule.evaluate(&nobody, &frame).map_or(true, |answer| answer.holds());
        if entry.reads_clock || !entry.attributes.is_empty() || holds() {
            holding.push(at);
            let stands = Stands::Inside { entered: Timestamp::MIN, left: None };
            nobody.segment_states.set(Membership { segment: id, stands, trouble: None });
        }
    }
    holding
}

/// Somebody of whom nothing is known.
struct Nobody<'a> {
    set: &'a RuleSet,
    segment_states: SegmentStates,
    layer: Layer,
}

impl Facts for Nobody<'_> {
    fn attributes(&self) -> &Tree {
        &NOTHING
    }

    fn event_count(&self) -> usize {
        0
    }

    fn event_time(&self, _: usize) -> Timestamp {
        Timestamp::MIN
    }

    fn event_name(&self, _: usize) -> Name {
        "".into()
    }

    fn event_value(&self, _: usize, _: &[Name]) -> (Value, usize) {
        (Value::Null, 0)
    }

    fn membership(&self, segment: &str) -> Stands {
        let id = self.set.segment(&segment.into(), self.layer);
        id.map_or(Stands::Outside { left: None }, |id| self.segment_states.to(id))
    }

    fn kept(&self, _: &Aggregate) -> Option<Kept> {
        None
    }
}
