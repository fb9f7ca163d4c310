//! Rules as trees of operators: `{"operator": "and", "operands": [{"operator": "profile-attribute-equal", "operands": ["country",
//! "NO"]}, true]}`.
//!
//! What carries the tree is a [`Value`]. An operand is such a tree, or a value; the first operand of an attribute's operator is
//! its name. A missing value meets no comparison, equality on a set or list asks for a member. The language says less than the
//! tree of rules can, so [`write`] has none for some.

use std::sync::Arc;

use crate::ast::{Comparison, Expr, Function, Literal, Name, Node};
use crate::limits::DEPTH_MAX;
use crate::problem::{Code, Place, Problem};
use crate::value::Value;

const PREFIX: &str = "profile-attribute-";

/// Operators of an attribute and a value that are one comparison.
const COMPARISONS: [(&str, Comparison); 4] = [
    ("greater", Comparison::Greater),
    ("greater-equal", Comparison::GreaterEqual),
    ("less", Comparison::Less),
    ("less-equal", Comparison::LessEqual),
];

/// Operators of an attribute and a value that are one function.
const FUNCTIONS: [(&str, Function); 4] = [
    ("contains", Function::Contains),
    ("starts-with", Function::StartsWith),
    ("in", Function::In),
    ("set-contains", Function::Includes),
];

/// Operators of an attribute alone.
const PRESENCES: [(&str, Function); 2] = [("exists", Function::IsNotNull), ("not-exists", Function::IsNull)];

/// Reads a rule.
///
/// # Errors
/// The first [`Problem`], with its place in the tree.
pub fn read(value: &Value) -> Result<Expr, Problem> {
    let expr = operand(value, "", 0)?;
    expr.well_formed()?;
    Ok(expr)
}

fn operand(value: &Value, path: &str, depth: usize) -> Result<Expr, Problem> {
    let place = Place::Tree(path.into());
    if depth > DEPTH_MAX {
        return Err(Problem::new(Code::TooDeep, place, format!("a rule at most {DEPTH_MAX} levels deep")));
    }
    let Value::Object(members) = value else { return literal(value, place) };
    let member = |name: &str| members.iter().find(|(member, _)| **member == *name).map(|(_, value)| value);
    let Some(Value::Text(operator)) = member("operator") else {
        return Err(Problem::new(Code::Syntax, place, "an expression with the member operator, a text"));
    };
    let Some(Value::List(operands)) = member("operands") else {
        return Err(Problem::new(Code::Syntax, place, "an expression with the member operands, a list"));
    };
    let at = |place: usize| format!("{path}/operands/{place}");
    let all = || operands.iter().enumerate().map(|(place, value)| operand(value, &at(place), depth + 1));
    match (&**operator, &operands[..]) {
        ("and", [_, ..]) => Ok(Expr::and(all().collect::<Result<_, _>>()?, place)),
        ("or", [_, ..]) => Ok(Expr::or(all().collect::<Result<_, _>>()?, place)),
        ("not", [inner]) => Ok(Expr::at(Node::Not(Box::new(operand(inner, &at(0), depth + 1)?)), place)),
        ("profile-in-segment", [id @ Value::Text(_)]) => {
            let arguments = vec![literal(id, Place::Tree(at(0).into()))?];
            Ok(Expr::at(Node::Call { function: Function::InSegment, arguments }, place))
        }
        (name, operands) => match (name.strip_prefix(PREFIX), operands) {
            (Some(name), [Value::Text(field), rest @ ..]) => {
                let field = Expr::at(Node::Context(0), place.clone()).member(field.clone(), Place::Tree(at(0).into()));
                of_attribute(name, field, rest, place, &at(1), &at(0))
            }
            (Some(_), _) => Err(Problem::new(Code::Syntax, place, "the name of an attribute, and perhaps a value")),
            (None, _) => Err(unknown(name, path, operands.len())),
        },
    }
}

fn of_attribute(
    name: &str,
    field: Expr,
    rest: &[Value],
    place: Place,
    value_path: &str,
    field_path: &str,
) -> Result<Expr, Problem> {
    if let Some((_, function)) = PRESENCES.into_iter().find(|(known, _)| *known == name) {
        return match rest {
            [] => Ok(Expr::at(Node::Call { function, arguments: vec![field] }, place)),
            _ => Err(Problem::new(Code::WrongArguments, place, "the name of an attribute alone")),
        };
    }
    let value_place = Place::Tree(value_path.into());
    let [value] = rest else {
        return match is_operator(name) {
            true => Err(Problem::new(Code::WrongArguments, place, "the name of an attribute and a value")),
            false => Err(unknown(&format!("{PREFIX}{name}"), field_path.trim_end_matches("/operands/0"), 2)),
        };
    };
    if name == "equal" || name == "not-equal" {
        let is = Expr::is_or_has(field.clone(), literal(value, value_place)?, place.clone());
        if name == "equal" {
            return Ok(is);
        }
        // What is missing is not unequal either.
        let there = Expr::at(Node::Call { function: Function::IsNotNull, arguments: vec![field] }, place.clone());
        let not = Expr::at(Node::Not(Box::new(is)), place.clone());
        return Ok(Expr::and(vec![there, not], place));
    }
    if let Some((_, comparison)) = COMPARISONS.into_iter().find(|(known, _)| *known == name) {
        let value = Box::new(literal(value, value_place)?);
        return Ok(Expr::at(Node::Compare(comparison, Box::new(field), value), place));
    }
    let Some((_, function)) = FUNCTIONS.into_iter().find(|(known, _)| *known == name) else {
        return Err(unknown(&format!("{PREFIX}{name}"), field_path.trim_end_matches("/operands/0"), 2));
    };
    let value = match (function, value) {
        (Function::In, Value::List(items)) => {
            let item = |(at, item)| literal(item, Place::Tree(format!("{value_path}/{at}").into()));
            Expr::at(Node::List(items.iter().enumerate().map(item).collect::<Result<_, _>>()?), value_place)
        }
        (Function::In, _) => return Err(Problem::new(Code::Syntax, value_place, "a list of values")),
        (_, value) => literal(value, value_place)?,
    };
    Ok(Expr::at(Node::Call { function, arguments: vec![field, value] }, place))
}

fn literal(value: &Value, place: Place) -> Result<Expr, Problem> {
    let literal = match value {
        Value::Bool(truth) => Literal::Bool(*truth),
        Value::Number(number) => Literal::Number(*number),
        Value::Text(text) => Literal::Text(text.clone()),
        Value::Null | Value::Timestamp(_) | Value::List(_) | Value::Set(_) | Value::Object(_) => {
            return Err(Problem::new(Code::Syntax, place, "a text, a number, true or false"));
        }
    };
    Ok(Expr::at(Node::Literal(literal), place))
}

fn operators() -> impl Iterator<Item = &'static str> {
    let comparisons = COMPARISONS.into_iter().map(|(name, _)| name);
    let functions = FUNCTIONS.into_iter().chain(PRESENCES).map(|(name, _)| name);
    ["equal", "not-equal"].into_iter().chain(comparisons).chain(functions)
}

fn is_operator(name: &str) -> bool {
    operators().any(|known| known == name)
}

fn unknown(name: &str, path: &str, operands: usize) -> Problem {
    let place = Place::Tree(format!("{path}/operator").into());
    if matches!(name, "and" | "or" | "not" | "profile-in-segment") {
        let what = match name {
            "and" | "or" => "at least one operand",
            "not" => "one operand",
            _ => "one operand, the id of a segment",
        };
        return Problem::new(Code::WrongArguments, place, format!("{what}, and not {operands}"));
    }
    let names: Vec<String> = operators().map(|name| format!("{PREFIX}{name}")).collect();
    let logic = ["and", "or", "not", "profile-in-segment"].into_iter();
    let problem = Problem::new(Code::UnknownFunction, place, "an operator");
    problem.did_you_mean(name, names.iter().map(String::as_str).chain(logic))
}

/// The rule as a tree of operators; none if this language cannot say it.
#[must_use]
pub fn write(expr: &Expr) -> Option<Value> {
    match &expr.node {
        Node::Literal(literal) => value(literal),
        Node::And(parts) => match &parts[..] {
            // Spelled out by `read`.
            [there, Expr { node: Node::Not(is), .. }] if is_there(there, is) => {
                let (field, value) = alternatives(is)?;
                attribute("not-equal", field, Some(self::value_of(value)?))
            }
            _ => Some(operator("and", conjuncts(parts)?)),
        },
        Node::Or(parts) => or(parts),
        Node::Not(inner) => Some(operator("not", vec![write(inner)?])),
        Node::Compare(comparison, field, value) => {
            let (name, _) = COMPARISONS.into_iter().find(|(_, known)| known == comparison)?;
            attribute(name, field, Some(value_of(value)?))
        }
        Node::Call { function: Function::InSegment, arguments } => {
            Some(operator("profile-in-segment", vec![value_of(arguments.first()?)?]))
        }
        Node::Call { function, arguments } => {
            if let Some((name, _)) = PRESENCES.into_iter().find(|(_, known)| known == function) {
                return attribute(name, arguments.first()?, None);
            }
            let (name, _) = FUNCTIONS.into_iter().find(|(_, known)| known == function)?;
            let [field, operand] = &arguments[..] else { return None };
            let operand = match (&operand.node, function) {
                (Node::List(items), Function::In) => {
                    Value::List(items.iter().map(value_of).collect::<Option<Vec<_>>>()?.into())
                }
                (_, Function::In) => return None,
                _ => value_of(operand)?,
            };
            attribute(name, field, Some(operand))
        }
        _ => None,
    }
}

/// The parts of a conjunction; `not-equal` was taken apart into two of them.
fn conjuncts(parts: &[Expr]) -> Option<Vec<Value>> {
    let mut written = Vec::new();
    let mut rest = parts;
    while let Some((first, others)) = rest.split_first() {
        match others.split_first() {
            Some((Expr { node: Node::Not(is), .. }, behind)) if is_there(first, is) => {
                let (field, value) = alternatives(is)?;
                written.push(attribute("not-equal", field, Some(value_of(value)?))?);
                rest = behind;
            }
            _ => {
                written.push(write(first)?);
                rest = others;
            }
        }
    }
    Some(written)
}

fn or(parts: &[Expr]) -> Option<Value> {
    let mut written = Vec::new();
    let mut rest = parts;
    while let Some((first, others)) = rest.split_first() {
        if let Some((field, value)) = Expr::as_is_or_has(rest) {
            written.push(attribute("equal", field, Some(value_of(value)?))?);
            rest = &rest[2..];
        } else {
            written.push(write(first)?);
            rest = others;
        }
    }
    if written.len() == 1 { written.pop() } else { Some(operator("or", written)) }
}

/// Whether the first says that what the second compares is there.
fn is_there(there: &Expr, is: &Expr) -> bool {
    let Node::Call { function: Function::IsNotNull, arguments } = &there.node else { return false };
    alternatives(is).is_some_and(|(field, _)| arguments.first() == Some(field))
}

fn alternatives(is: &Expr) -> Option<(&Expr, &Expr)> {
    match &is.node {
        Node::Or(parts) if parts.len() == 2 => Expr::as_is_or_has(parts),
        _ => None,
    }
}

fn attribute(name: &str, field: &Expr, value: Option<Value>) -> Option<Value> {
    let Node::Path { of, names } = &field.node else { return None };
    let ([name_of_field], Node::Context(0)) = (&names[..], &of.node) else { return None };
    let mut operands = vec![Value::Text(name_of_field.clone())];
    operands.extend(value);
    Some(operator(&format!("{PREFIX}{name}"), operands))
}

fn operator(name: &str, operands: Vec<Value>) -> Value {
    let members: Vec<(Name, Value)> =
        vec![(Arc::from("operator"), Value::text(name)), (Arc::from("operands"), Value::List(operands.into()))];
    Value::object(members)
}

fn value_of(expr: &Expr) -> Option<Value> {
    match &expr.node {
        Node::Literal(literal) => value(literal),
        _ => None,
    }
}

fn value(literal: &Literal) -> Option<Value> {
    match literal {
        Literal::Null => None,
        Literal::Bool(truth) => Some(Value::Bool(*truth)),
        Literal::Number(number) => Some(Value::Number(*number)),
        Literal::Text(text) => Some(Value::Text(text.clone())),
    }
}
