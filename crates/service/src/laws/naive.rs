//! Every rule asked anew of everything there is: no state, no segment states, no order of dependencies.

use std::collections::BTreeMap;

use tessera_engine::config::Kind;
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Tree, Value};
use tessera_expr::ast::Name;
use tessera_expr::eval::Frame;
use tessera_expr::facts::Membership;
use tessera_expr::limits::STEPS_MAX;

use crate::config::workspace::{RuleKind, StoredConfig};
use crate::read::profile_facts::ProfileFacts;
use crate::read::query::StoredCall;

/// What the live rules come to.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Answers {
    /// Computed attributes that have a value.
    pub(super) attributes: BTreeMap<Name, Value>,
    /// Whether the profile is a member of each segment.
    pub(super) segments: BTreeMap<Name, bool>,
}

/// Asks all rules with what the round before said of the others, as often as there are rules: none depends on itself.
pub(super) fn answers(config: &StoredConfig, tree: &Tree, events: &[StoredCall], of: Kind, at: Timestamp) -> Answers {
    let rules = |kind| config.rules().of(kind).values().filter_map(|rule| Some((rule.name.shared(), rule.live()?)));
    let count = rules(RuleKind::Attribute).count() + rules(RuleKind::Segment).count();
    let mut answers = Answers::default();
    for _ in 0..count {
        let facts = facts(tree, events, &answers);
        let ask = |version: &crate::config::workspace::Version| {
            let frame = Frame { now: at, zone: &version.definition.zone, steps_max: STEPS_MAX };
            version.definition.rule.evaluate(&facts, &frame).expect("small worlds are within the budget")
        };
        let value = |(name, version)| Some((name, ask(version).value)).filter(|(_, value)| *value != Value::Null);
        answers = Answers {
            attributes: rules(RuleKind::Attribute).filter_map(value).collect(),
            segments: rules(RuleKind::Segment)
                .map(|(name, version)| (name, version.definition.of == of && ask(version).holds()))
                .collect(),
        };
    }
    answers
}

/// A profile with what rules come to for it.
pub(super) fn facts(tree: &Tree, events: &[StoredCall], answers: &Answers) -> ProfileFacts {
    let Tree::Node(members) = tree else { unreachable!("a profile is a node") };
    let mut members = members.clone();
    for (name, value) in &answers.attributes {
        members.insert(name.clone(), Tree::Leaf(value.clone()));
    }
    let inside = Membership::Inside { entered: Timestamp::MIN, left: None };
    let audience = |(name, is_inside): (&Name, &bool)| {
        (name.clone(), if *is_inside { inside } else { Membership::Outside { left: None } })
    };
    ProfileFacts::new(Tree::Node(members), events.to_vec(), answers.segments.iter().map(audience).collect())
}
