//! How far a rule looks back: for whoever keeps events and values only for a while.

use std::collections::BTreeSet;

use super::extract::window;
use super::{EventType, EventTypes, Window, types_of};
use crate::ast::{Argument, Comparison, Expr, Function, Literal, Moment, Name, Node, Side, Unit, When, Which, Word};
use crate::calendar::{micros, months};

/// A look at events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The types of events that it looks at.
    pub events: EventTypes,
    /// How far back.
    pub window: Window,
}

/// The looks at events of a rule, in the order in which they are written, each once.
#[must_use]
pub fn looks(rule: &Expr) -> Vec<Look> {
    let mut found = Vec::new();
    look(rule, &mut found);
    found
}

/// The attributes whose instants a rule holds against a span before `now`, with that span.
#[must_use]
pub fn spans(rule: &Expr) -> Vec<(Vec<Name>, Window)> {
    let mut found = Vec::new();
    span(rule, &mut found);
    found
}

impl Window {
    /// The longest time that it can be, in microseconds: months have 31 days and years 366. None if it has no end.
    #[must_use]
    pub fn longest_micros(self) -> Option<i64> {
        let of = |amount: i64, unit: Unit| {
            let day = micros(Unit::Day).unwrap_or_default();
            let days = |months: i64| if months % 12 == 0 { months / 12 * 366 } else { months * 31 };
            let length = micros(unit).or_else(|| months(unit).map(|months| days(months) * day));
            length.map_or(i64::MAX, |length| length.saturating_mul(amount))
        };
        match self {
            Self::Lifetime => None,
            Self::Sliding { amount, unit, .. } => Some(of(amount, unit)),
            Self::Calendar(Which::Last, unit) => Some(of(2, unit)),
            Self::Calendar(Which::This, unit) => Some(of(1, unit)),
            Self::Calendar(Which::Next, _) => Some(0),
        }
    }
}

fn look(expr: &Expr, found: &mut Vec<Look>) {
    match &expr.node {
        Node::Events => add(found, None, Window::Lifetime),
        Node::Filter { .. } | Node::Call { function: Function::Exists, .. } => {
            let mut conditions = Vec::new();
            if !chosen(expr, &mut conditions) {
                return expr.each_part(&mut |part| look(part, found));
            }
            let types = conditions.iter().find_map(|condition| types_of(condition, &Node::Context(0)));
            let own = conditions.iter().flat_map(|condition| parts(condition)).find_map(window);
            add(found, types, own.unwrap_or(Window::Lifetime));
            conditions.into_iter().for_each(|condition| look(condition, found));
        }
        Node::Chain { events, steps, .. } => {
            let mut conditions = Vec::new();
            if !chosen(events, &mut conditions) {
                return expr.each_part(&mut |part| look(part, found));
            }
            let own = conditions.iter().flat_map(|condition| parts(condition)).find_map(window);
            for step in steps {
                add(found, types_of(&step.what, &Node::Context(0)), own.unwrap_or(Window::Lifetime));
            }
        }
        Node::Select(bindings) | Node::Quantifier(_, bindings) | Node::Fold { bindings, .. } => {
            for binding in bindings {
                let event = Node::Variable(binding.name.clone());
                let types = binding.condition.as_ref().and_then(|condition| types_of(condition, &event));
                match &binding.list.node {
                    Node::Events => add(found, types, Window::Lifetime),
                    _ => look(&binding.list, found),
                }
                binding.condition.iter().for_each(|condition| look(condition, found));
            }
        }
        _ => expr.each_part(&mut |part| look(part, found)),
    }
}

fn add(found: &mut Vec<Look>, types: Option<BTreeSet<EventType>>, window: Window) {
    let own = Look { events: types.map_or(EventTypes::All, EventTypes::Some), window };
    if !found.contains(&own) {
        found.push(own);
    }
}

/// Whether a list is events, perhaps chosen among all by these conditions.
fn chosen<'a>(list: &'a Expr, conditions: &mut Vec<&'a Expr>) -> bool {
    match &list.node {
        Node::Events => true,
        Node::Filter { list, condition } => {
            conditions.push(condition);
            chosen(list, conditions)
        }
        Node::Call { function: Function::Exists, arguments } => match &arguments[..] {
            [list, condition] => {
                conditions.push(condition);
                chosen(list, conditions)
            }
            _ => false,
        },
        _ => false,
    }
}

fn parts(condition: &Expr) -> Vec<&Expr> {
    match &condition.node {
        Node::And(parts) => parts.iter().collect(),
        _ => vec![condition],
    }
}

fn span(expr: &Expr, found: &mut Vec<(Vec<Name>, Window)>) {
    match &expr.node {
        Node::Occurs { subject, when } => {
            let Node::Path { of, names } = &subject.node else { return };
            if !matches!(of.node, Node::Context(0) | Node::Profile) {
                return;
            }
            let When::Distance { comparison, amount, unit, side: Side::Before, moment: Moment::At(moment) } = when
            else {
                return;
            };
            let (Comparison::Less | Comparison::LessEqual, Node::Word(Word::Now | Word::Today)) =
                (comparison, &moment.node)
            else {
                return;
            };
            let Node::Literal(Literal::Number(amount)) = &amount.node else { return };
            let Some(amount) = amount.to_i64().filter(|amount| *amount >= 0) else { return };
            let is_inclusive = *comparison == Comparison::LessEqual;
            found.push((names.clone(), Window::Sliding { amount, unit: *unit, is_inclusive }));
        }
        // What stands below speaks of items.
        Node::Filter { list, .. } => span(list, found),
        Node::Call { function, arguments } => {
            for (argument, takes) in arguments.iter().zip(function.spec().arguments) {
                if *takes == Argument::Value {
                    span(argument, found);
                }
            }
        }
        Node::Chain { .. } | Node::Lambda { .. } => {}
        _ => expr.each_part(&mut |part| span(part, found)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pql;

    fn found(rule: &str) -> Vec<(Vec<String>, Option<i64>)> {
        let day = 24 * 3_600 * 1_000_000;
        let names = |events: EventTypes| match events {
            EventTypes::All => Vec::new(),
            EventTypes::Some(types) => types.iter().map(|own| own.name.to_string()).collect(),
        };
        let own = looks(&pql::parse(rule).expect("a rule"));
        own.into_iter().map(|own| (names(own.events), own.window.longest_micros().map(|micros| micros / day))).collect()
    }

    #[test]
    fn each_look_at_events_is_found_with_its_window() {
        let of = |name: &str, days: Option<i64>| (vec![name.to_owned()], days);
        for (rule, expected) in [
            ("plan = \"gold\"", vec![]),
            ("xEvent.count() > 3", vec![(Vec::new(), None)]),
            ("xEvent[eventType = \"A\"].count() > 3", vec![of("A", None)]),
            (
                "xEvent[eventType = \"A\" and timestamp occurs <= 90 days before now].sum(properties.x)",
                vec![of("A", Some(90))],
            ),
            ("xEvent[eventType = \"A\"][timestamp occurs < 2 months before now]", vec![of("A", Some(62))]),
            ("xEvent.exists(eventType = \"A\" and timestamp occurs this month)", vec![of("A", Some(31))]),
            (
                "xEvent[eventType = \"A\" and timestamp occurs <= 1 years before now].map(properties.x).distinct().count() > 2",
                vec![of("A", Some(366))],
            ),
            (
                "CHAIN(xEvent, timestamp, [A: WHAT(eventType = \"A\"), B: WHAT(eventType = \"B\")])",
                vec![of("A", None), of("B", None)],
            ),
            (
                "xEvent[eventType = \"A\"].count() > 1 and xEvent[eventType = \"B\" and timestamp occurs <= 7 days before now].count() > 1",
                vec![of("A", None), of("B", Some(7))],
            ),
        ] {
            assert_eq!(found(rule), expected, "{rule}");
        }
    }

    #[test]
    fn spans_of_attributes_are_those_of_the_profile_alone() {
        let found = |rule: &str| -> Vec<String> {
            spans(&pql::parse(rule).expect("a rule")).into_iter().map(|(names, _)| names.join(".")).collect()
        };
        assert_eq!(found("seen_at occurs <= 90 days before now and plan = \"a\""), ["seen_at"]);
        assert_eq!(found("not (card.expires occurs < 2 weeks before today)"), ["card.expires"]);
        for rule in [
            "seen_at occurs > 90 days before now",
            "seen_at occurs <= 90 days after now",
            "xEvent[timestamp occurs <= 90 days before now].count() > 0",
        ] {
            assert_eq!(found(rule), [""; 0], "{rule}");
        }
    }
}
