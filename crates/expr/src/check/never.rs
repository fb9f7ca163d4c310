//! Conditions that can never hold together: one value that is to be two, a number that is to be above and below.

use std::collections::BTreeMap;

use super::{Known, Model, Type};
use crate::ast::{Comparison, Expr, Literal, Node};
use crate::pql;
use crate::value::Decimal;

/// Pairs of conditions of a rule that can never hold together, as they are written. A name that is known for a list may have several values.
#[must_use]
pub fn contradictions(expr: &Expr, model: &dyn Model) -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(expr, model, &mut found);
    found
}

fn walk(expr: &Expr, model: &dyn Model, found: &mut Vec<(String, String)>) {
    if let Node::And(parts) = &expr.node {
        let mut said: BTreeMap<String, Said<'_>> = BTreeMap::new();
        for part in parts {
            if let Some((subject, limit)) = limit(part, model)
                && let Some(before) = said.entry(subject).or_default().add(limit, part)
            {
                found.push((pql::print(before), pql::print(part)));
            }
        }
    }
    expr.each_part(&mut |part| walk(part, model, found));
}

/// What a condition says of something.
enum Limit<'a> {
    Is(&'a Literal),
    Above(Decimal, bool),
    Below(Decimal, bool),
}

/// What was said of something, each by the condition that says it.
#[derive(Default)]
struct Said<'a> {
    is: Option<(&'a Literal, &'a Expr)>,
    above: Option<(Decimal, bool, &'a Expr)>,
    below: Option<(Decimal, bool, &'a Expr)>,
}

impl<'a> Said<'a> {
    /// Takes in what a condition says. Answers the one before that contradicts it.
    fn add(&mut self, limit: Limit<'a>, by: &'a Expr) -> Option<&'a Expr> {
        let apart =
            |low: (Decimal, bool), high: (Decimal, bool)| low.0 > high.0 || (low.0 == high.0 && !(low.1 && high.1));
        match limit {
            Limit::Is(value) => {
                let number = if let Literal::Number(number) = value { Some((*number, true)) } else { None };
                let other = self.is.filter(|(own, _)| *own != value).map(|(_, by)| by);
                let above = self.above.filter(|own| number.is_some_and(|number| apart((own.0, own.1), number)));
                let below = self.below.filter(|own| number.is_some_and(|number| apart(number, (own.0, own.1))));
                self.is.get_or_insert((value, by));
                other.or(above.map(|own| own.2)).or(below.map(|own| own.2))
            }
            Limit::Above(number, with) => {
                let is = self
                    .is
                    .filter(|(own, _)| matches!(own, Literal::Number(own) if apart((number, with), (*own, true))));
                let below = self.below.filter(|own| apart((number, with), (own.0, own.1)));
                if self.above.is_none_or(|own| number > own.0) {
                    self.above = Some((number, with, by));
                }
                is.map(|(_, by)| by).or(below.map(|own| own.2))
            }
            Limit::Below(number, with) => {
                let is = self
                    .is
                    .filter(|(own, _)| matches!(own, Literal::Number(own) if apart((*own, true), (number, with))));
                let above = self.above.filter(|own| apart((own.0, own.1), (number, with)));
                if self.below.is_none_or(|own| number < own.0) {
                    self.below = Some((number, with, by));
                }
                is.map(|(_, by)| by).or(above.map(|own| own.2))
            }
        }
    }
}

/// What a comparison with a literal says, and of what.
fn limit<'a>(part: &'a Expr, model: &dyn Model) -> Option<(String, Limit<'a>)> {
    let Node::Compare(comparison, left, right) = &part.node else { return None };
    let (subject, comparison, literal) = match (&left.node, &right.node) {
        (_, Node::Literal(literal)) => (left, *comparison, literal),
        (Node::Literal(literal), _) => (right, mirrored(*comparison), literal),
        _ => return None,
    };
    let Node::Path { of, names } = &subject.node else { return None };
    // Only what stands at one place: a path through a list is each of its items.
    if !matches!(of.node, Node::Context(_) | Node::Profile)
        || matches!(model.attribute(names), Known::Is(Type::List(_)))
    {
        return None;
    }
    let limit = match (comparison, literal) {
        (Comparison::Equal, Literal::Number(_) | Literal::Text(_) | Literal::Bool(_)) => Limit::Is(literal),
        (Comparison::Greater, Literal::Number(number)) => Limit::Above(*number, false),
        (Comparison::GreaterEqual, Literal::Number(number)) => Limit::Above(*number, true),
        (Comparison::Less, Literal::Number(number)) => Limit::Below(*number, false),
        (Comparison::LessEqual, Literal::Number(number)) => Limit::Below(*number, true),
        _ => return None,
    };
    Some((pql::print(subject), limit))
}

fn mirrored(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Less => Comparison::Greater,
        Comparison::LessEqual => Comparison::GreaterEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterEqual => Comparison::LessEqual,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Open;

    #[test]
    fn what_cannot_hold_together_is_found() {
        for (rule, expected) in [
            ("a = \"x\" and a = \"y\"", Some(("a = \"x\"", "a = \"y\""))),
            ("a = \"x\" and b = 1 and a = \"y\"", Some(("a = \"x\"", "a = \"y\""))),
            ("age > 5 and age < 3", Some(("age > 5", "age < 3"))),
            ("age > 5 and 3 > age", Some(("age > 5", "3 > age"))),
            ("age >= 5 and age < 5", Some(("age >= 5", "age < 5"))),
            ("age = 4 and age > 5", Some(("age = 4", "age > 5"))),
            ("age < 5 and age = 7", Some(("age < 5", "age = 7"))),
            (
                "xEvent[properties.n > 2 and properties.n < 1].count() > 0",
                Some(("properties.n > 2", "properties.n < 1")),
            ),
            ("age >= 5 and age <= 5", None),
            ("age > 3 and age < 5", None),
            ("a = \"x\" and a = \"x\"", None),
            ("a = \"x\" or a = \"y\"", None),
            ("(a = 1 or b = 2) and a = 3", None),
            ("xEvent.properties.n = 1 and xEvent.properties.n = 2", None),
            ("a = 1 and a != 1", None),
        ] {
            let found = contradictions(&pql::parse(rule).expect("a rule"), &Open);
            let found: Vec<_> = found.iter().map(|(one, other)| (one.as_str(), other.as_str())).collect();
            assert_eq!(found.first().copied(), expected, "{rule}");
        }
    }
}
