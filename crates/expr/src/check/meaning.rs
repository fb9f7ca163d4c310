//! What has a type that fits and still can never mean what was meant.

use super::Type;
use crate::ast::{Comparison, Expr, Literal, Moment, Node, When};
use crate::calendar::{self, Zone};
use crate::pql;
use crate::problem::{Code, Problem};
use crate::value::Decimal;

/// Refuses a comparison with null, which holds of nobody, and one by order with a text that names neither a number nor a time.
pub(super) fn comparison(
    comparison: Comparison,
    (left, left_kind): (&Expr, &Type),
    (right, right_kind): (&Expr, &Type),
) -> Result<(), Problem> {
    for (own, other) in [(left, right), (right, left)] {
        if is_null(own) {
            let function = if comparison == Comparison::NotEqual { "isNotNull" } else { "isNull" };
            let problem =
                Problem::new(Code::WrongType, own.at.clone(), "a value: nothing is equal to null, or unequal");
            let subject = if is_null(other) { "attribute".to_owned() } else { pql::print(other) };
            return Err(Problem { hint: Some(format!("write {subject}.{function}()")), ..problem });
        }
    }
    let is_order = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    for (own, other_kind) in [(left, right_kind), (right, left_kind)] {
        let Node::Literal(Literal::Text(text)) = &own.node else { continue };
        let is_time = names_time(text);
        if *other_kind == Type::Time && !is_time {
            return Err(no_time(own, text));
        }
        if is_order && *other_kind == Type::Any && !is_time && Decimal::parse(text).is_err() {
            let problem = Problem::new(Code::WrongType, own.at.clone(), "a number or a time: texts are not ordered");
            return Err(Problem { hint: time_word(text), ..problem });
        }
    }
    Ok(())
}

/// What was meant by a comparison of a list with one value.
pub(super) fn of_a_list(comparison: Comparison, (left, kind): (&Expr, &Type), right: &Expr) -> Option<String> {
    let (Node::Path { of, names }, Type::List(_), Node::Literal(_)) = (&left.node, kind, &right.node) else {
        return None;
    };
    let value = pql::print(right);
    match &of.node {
        Node::Events | Node::Filter { .. } => {
            let list = pql::print(of);
            Some(format!("write {list}[{} {} {value}]", names.join("."), comparison.name()))
        }
        _ if comparison == Comparison::Equal => Some(format!("write {}.includes({value})", pql::print(left))),
        _ => None,
    }
}

/// Refuses a text or a number that is joined by `and` or `or`: each of these is true or false by itself, and `plan = "a" or "b"` is not what it looks like.
pub(super) fn operands(expr: &Expr) -> Result<(), Problem> {
    let mut found = Ok(());
    if let Node::And(parts) | Node::Or(parts) = &expr.node {
        let word = if matches!(expr.node, Node::And(_)) { "and" } else { "or" };
        for (at, part) in parts.iter().enumerate() {
            let Node::Literal(Literal::Text(_) | Literal::Number(_)) = &part.node else { continue };
            let compared = parts[..at].iter().rev().find_map(|before| match &before.node {
                Node::Compare(comparison, subject, _) => Some((comparison.name(), pql::print(subject))),
                _ => None,
            });
            let value = pql::print(part);
            let hint = compared.map_or_else(
                || format!("compare it with something, as in … = {value}"),
                |(comparison, subject)| format!("write {subject} {comparison} {value}"),
            );
            let expected = format!("a condition on each side of {word}, and not a value");
            let problem = Problem::new(Code::WrongType, part.at.clone(), expected);
            return Err(Problem { hint: Some(hint), ..problem });
        }
    }
    expr.each_part(&mut |part| {
        if found.is_ok() {
            found = operands(part);
        }
    });
    found
}

/// Refuses a text that is taken for a time and names none.
pub(super) fn moment(expr: &Expr) -> Result<(), Problem> {
    match &expr.node {
        Node::Literal(Literal::Text(text)) if !names_time(text) => Err(no_time(expr, text)),
        _ => Ok(()),
    }
}

/// Refuses a moment of a step of a chain that is a name alone and no label of a step before: an event has no time of that name at its top.
pub(super) fn labels<'a>(when: &When, labels: impl Iterator<Item = &'a str> + Clone) -> Result<(), Problem> {
    let mut found = Ok(());
    when.each_moment(&mut |moment| {
        let Moment::At(expr) = moment else { return };
        let Node::Path { of, names } = &expr.node else { return };
        if found.is_err() || of.node != Node::Context(0) || names.len() > 1 || &*names[0] == "timestamp" {
            return;
        }
        let name = &*names[0];
        let problem = Problem::new(Code::UnknownAttribute, expr.at.clone(), "the label of a step before this one");
        let known = labels.clone().collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { known } else { format!("labels before it: {known}; ") };
        let problem = problem.did_you_mean(name, labels.clone());
        let elsewhere =
            || format!("{known}an attribute of the profile is ^{name}, a property of the event properties.{name}");
        found = Err(Problem { hint: problem.hint.clone().or_else(|| Some(elsewhere())), ..problem });
    });
    found
}

/// Refuses a filter that says the same of every item: a number, which is taken for a place, or a text, which is taken for a name.
pub(super) fn filter(list: &Expr, condition: &Expr, kind: &Type) -> Result<(), Problem> {
    let is_constant = matches!(condition.node, Node::Literal(_));
    if !is_constant && !matches!(kind, Type::Number | Type::Text | Type::Time) {
        return Ok(());
    }
    let expected = if is_constant {
        "a condition on each item, and not a constant".to_owned()
    } else {
        format!("a condition on each item, and not {kind}")
    };
    let list_text = pql::print(list);
    let hint = match &condition.node {
        Node::Literal(Literal::Text(text)) if matches!(list.node, Node::Events) => {
            let name = pql::print(&Expr::at(Node::Literal(Literal::Text(text.clone())), condition.at.clone()));
            format!("write {list_text}[eventType = {name}]")
        }
        Node::Literal(Literal::Number(_)) => {
            format!(
                "items have no numbers: write {list_text}.head() for the first, {list_text}[member = …] for those of which something holds"
            )
        }
        _ => format!("write {list_text}[member = …]"),
    };
    Err(Problem { hint: Some(hint), ..Problem::new(Code::WrongType, condition.at.clone(), expected) })
}

fn is_null(expr: &Expr) -> bool {
    matches!(expr.node, Node::Literal(Literal::Null))
}

fn names_time(text: &str) -> bool {
    calendar::read(text, &Zone::utc()).is_some()
}

fn no_time(at: &Expr, text: &str) -> Problem {
    let expected = "a time, as in \"2026-01-31\" or \"2026-01-31T10:00:00Z\", and not another text";
    Problem { hint: time_word(text), ..Problem::new(Code::WrongType, at.at.clone(), expected) }
}

/// The word of the language that a text spells.
fn time_word(text: &str) -> Option<String> {
    let words = ["now", "today", "yesterday", "tomorrow"];
    let word = words.into_iter().find(|word| word.eq_ignore_ascii_case(text))?;
    Some(format!("write {word} without quotes"))
}
