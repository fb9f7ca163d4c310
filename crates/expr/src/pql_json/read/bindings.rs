//! A set of variables: declarations and conditions, in any order. Each declaration is read when what its range speaks of is bound, and each
//! condition as soon as what it speaks of is, though not before the place where it stands.

use std::collections::BTreeSet;

use super::{At, Reader, Result, is_over_bindings};
use crate::ast::{Binding, Expr, Name};
use crate::value::Value;

/// A part of a set, and which of the set's own variables it speaks of.
struct Part<'v> {
    at: At<'v>,
    /// The variable, of a declaration.
    declares: Option<&'v Name>,
    speaks_of: BTreeSet<&'v str>,
}

impl Reader {
    pub(super) fn bindings(&mut self, at: &At<'_>, value: Option<&At<'_>>) -> Result<(Vec<Binding>, Option<Expr>)> {
        let before = self.bound.len();
        let variables = at.member("variables")?.items()?;
        let mut declared = BTreeSet::new();
        for variable in variables.iter().filter(|variable| variable.is("varDecl")) {
            declared.insert(&**variable.member("varName")?.text()?);
        }
        if declared.is_empty() {
            return Err(at.wrong("a varDecl"));
        }
        let mut rest = Vec::with_capacity(variables.len());
        for at in variables {
            let is_declaration = at.is("varDecl");
            let declares = if is_declaration { Some(at.member("varName")?.text()?) } else { None };
            let spoken = if is_declaration { at.member("range")?.value } else { at.value };
            // A name that is bound around the set may be that one: such a part is read where it stands.
            let is_own = |name: &&str| declared.contains(name) && !self.bound.iter().any(|own| **own == **name);
            let speaks_of = free(spoken).into_iter().filter(is_own).collect();
            rest.push(Part { at, declares, speaks_of });
        }
        let mut bindings: Vec<Binding> = Vec::new();
        let mut known: BTreeSet<&str> = BTreeSet::new();
        while !rest.is_empty() {
            // What stands first of what can be read; where nothing can, what stands first says why.
            let is_ready =
                |part: &Part<'_>| part.speaks_of.is_subset(&known) && (part.declares.is_some() || !known.is_empty());
            let part = rest.remove(rest.iter().position(is_ready).unwrap_or(0));
            if let Some(name) = part.declares {
                let list = self.expr(&part.at.member("range")?)?;
                self.bound.push(name.clone());
                known.insert(name);
                bindings.push(Binding { name: name.clone(), list, condition: None });
                continue;
            }
            let condition = self.expr(&part.at)?;
            let Some(binding) = bindings.last_mut() else { return Err(part.at.wrong("a varDecl first")) };
            binding.condition = Some(match binding.condition.take() {
                Some(before) => Expr::and(vec![before, condition], part.at.place()),
                None => condition,
            });
        }
        let value = value.map(|value| self.expr(value)).transpose()?;
        self.bound.truncate(before);
        Ok((bindings, value))
    }
}

fn text(value: Option<&Value>) -> Option<&str> {
    match value {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

/// A member of a node.
fn member<'v>(node: &'v Value, name: &str) -> Option<&'v Value> {
    match node {
        Value::Object(members) => members.iter().find(|(own, _)| **own == *name).map(|(_, value)| value),
        _ => None,
    }
}

/// The names that the parts of a list declare.
fn declared_in<'v>(node: &'v Value, list: &str) -> BTreeSet<&'v str> {
    let parts = match member(node, list) {
        Some(Value::List(parts)) => &parts[..],
        _ => &[],
    };
    parts.iter().filter_map(|part| text(member(part, "varName"))).collect()
}

fn is_node(value: &Value, kind: &str) -> bool {
    text(member(value, "nodeType")) == Some(kind)
}

/// The names that a node speaks of and does not bind itself. Each part is looked at once.
fn free(value: &Value) -> BTreeSet<&str> {
    if let Some(names) = free_of_aggregate(value) {
        return names;
    }
    let mut names: BTreeSet<&str> = match value {
        Value::List(parts) => parts.iter().flat_map(free).collect(),
        Value::Object(members) => members.iter().flat_map(|(_, value)| free(value)).collect(),
        _ => BTreeSet::new(),
    };
    match text(member(value, "nodeType")) {
        Some("varRef") => names.extend(text(member(value, "varName"))),
        Some("fnCreate") => names.retain(|name| !declared_in(value, "params").contains(name)),
        Some("set") => names.retain(|name| !declared_in(value, "variables").contains(name)),
        _ => {}
    }
    names
}

/// Those of an aggregate: what it computes beside its set speaks of the variables of the set.
fn free_of_aggregate(value: &Value) -> Option<BTreeSet<&str>> {
    if !is_node(value, "fnApply") || !text(member(value, "fnName")).is_some_and(is_over_bindings) {
        return None;
    }
    let Some(Value::List(params)) = member(value, "params") else { return None };
    let set = params.iter().find(|param| is_node(param, "set"))?;
    let declared = declared_in(set, "variables");
    let beside = params.iter().filter(|param| !std::ptr::eq(*param, set)).flat_map(free);
    Some(beside.filter(|name| !declared.contains(name)).chain(free(set)).collect())
}
