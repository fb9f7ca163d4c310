//! A tree into the text of a filter.

use super::{COMPARISONS, FUNCTIONS, is_name};
use crate::ast::{Comparison, Expr, Function, Literal, Node};

/// The text of a rule; none if this language cannot say it.
#[must_use]
pub fn print(expr: &Expr) -> Option<String> {
    match &expr.node {
        Node::Or(parts) => or(parts),
        Node::And(parts) => {
            let parts = parts.iter().map(|part| match part.node {
                Node::Or(_) => Some(in_parentheses(&print(part)?, part)),
                _ => print(part),
            });
            Some(parts.collect::<Option<Vec<_>>>()?.join(" and "))
        }
        Node::Not(inner) => match &inner.node {
            Node::Or(parts) if parts.len() == 2 && Expr::as_is_or_has(parts).is_some() => {
                let (path, value) = Expr::as_is_or_has(parts)?;
                clause(path, "ne", value)
            }
            _ => Some(format!("not ({})", print(inner)?)),
        },
        Node::Compare(comparison, path, value) if !matches!(comparison, Comparison::Equal | Comparison::NotEqual) => {
            let (name, _) = COMPARISONS.into_iter().find(|(_, known)| known == comparison)?;
            clause(path, name, value)
        }
        Node::Call { function: Function::IsNull, arguments } => Some(format!("{} eq null", path(arguments.first()?)?)),
        Node::Call { function: Function::IsNotNull, arguments } => {
            Some(format!("{} ne null", path(arguments.first()?)?))
        }
        Node::Call { function, arguments } => {
            let (name, _) = FUNCTIONS.into_iter().find(|(_, known)| known == function)?;
            let [of, value] = &arguments[..] else { return None };
            Some(format!("{name}({},{})", path(of)?, literal(value)?))
        }
        _ => None,
    }
}

/// Alternatives; those of one comparison are one clause.
fn or(parts: &[Expr]) -> Option<String> {
    let mut clauses = Vec::new();
    let mut rest = parts;
    while let Some((first, others)) = rest.split_first() {
        if let Some((path, value)) = Expr::as_is_or_has(rest) {
            clauses.push(clause(path, "eq", value)?);
            rest = &rest[2..];
        } else {
            clauses.push(print(first)?);
            rest = others;
        }
    }
    Some(clauses.join(" or "))
}

fn in_parentheses(text: &str, part: &Expr) -> String {
    match &part.node {
        // One clause, although the tree spells it out.
        Node::Or(parts) if parts.len() == 2 && Expr::as_is_or_has(parts).is_some() => text.to_owned(),
        _ => format!("({text})"),
    }
}

fn clause(of: &Expr, operator: &str, value: &Expr) -> Option<String> {
    Some(format!("{} {operator} {}", path(of)?, literal(value)?))
}

fn path(expr: &Expr) -> Option<String> {
    match &expr.node {
        Node::Path { of, names } if of.node == Node::Context(0) && names.iter().all(|name| is_name(name)) => {
            Some(names.join("."))
        }
        _ => None,
    }
}

fn literal(expr: &Expr) -> Option<String> {
    match &expr.node {
        Node::Literal(Literal::Bool(truth)) => Some(truth.to_string()),
        Node::Literal(Literal::Number(number)) => Some(number.to_string()),
        Node::Literal(Literal::Text(text)) => Some(format!("'{}'", text.replace('\'', "''"))),
        _ => None,
    }
}
