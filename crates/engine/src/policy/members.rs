//! Sets that are changed member by member: the word on each member, and on the set as a whole, made one value.
//!
//! Each member is a path below its set and has chosen by itself. Here it is put together with what the set itself chose:
//! - a list or set, said whole, stands for its members at its own time: it ends the word on a member that is not newer, and a
//!   newer word on a member changes it. In place of "newer" stands the order of the rule, as everywhere above and below;
//! - under union, what is said whole ends no member, and takes part member by member: each counts unless a newer removal took
//!   it away;
//! - under first, a set said whole that is not the first says nothing;
//! - null, and any value that holds no members, ends and is ended like every value above others;
//! - a removal ends nothing but its member. A set of which only removals speak is not there.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::choose::{Choice, Said};
use super::compiled::{Choose, CompiledPolicy};
use super::resolve::own_standing;
use crate::time::Timestamp;
use crate::value::{Path, Value};

/// The word on one member.
pub(super) struct Member<'a> {
    pub(super) value: Value,
    pub(super) choice: Choice<'a>,
    pub(super) role: Role,
}

/// What the word on a member comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The member is there because of it.
    Adds,
    /// The member is not there because of it.
    Removes,
    /// What is said of the whole set counts instead, or it removes what nothing adds.
    Silent,
}

/// Puts the members of each set together with the set: afterwards no choice is of a member alone.
pub(super) fn unite<'a>(choices: Vec<Choice<'a>>, policy: &CompiledPolicy) -> Vec<Choice<'a>> {
    if !choices.iter().any(|choice| choice.path.is_member()) {
        return choices;
    }
    let mut whole: Vec<Choice<'a>> = Vec::with_capacity(choices.len());
    let mut sets: Vec<(Path, Vec<Member<'a>>)> = Vec::new();
    for choice in choices {
        let Some((path, value)) = choice.path.split_member() else {
            whole.push(choice);
            continue;
        };
        let member = Member { value, choice, role: Role::Silent };
        match sets.last_mut() {
            // The members of a set stand together in the order of paths.
            Some((own, members)) if *own == path => members.push(member),
            _ => sets.push((path, vec![member])),
        }
    }
    for (path, members) in sets {
        let at = whole.partition_point(|choice| *choice.path < path);
        if whole.get(at).is_none_or(|choice| *choice.path != path) {
            whole.insert(at, Choice::of_nothing(path, members[0].choice.region));
        }
        join(&mut whole[at], members, policy);
    }
    whole
}

fn join<'a>(set: &mut Choice<'a>, mut members: Vec<Member<'a>>, policy: &CompiledPolicy) {
    let region = policy.region(set.region);
    let is_set = matches!(*set.value, Value::Set(_) | Value::List(_));
    let said_whole = (!set.all.is_empty() && !set.is_object()).then(|| own_standing(set, policy, &region.order));
    let is_union = matches!(region.choose, Choose::Union) && is_set;
    for member in &mut members {
        let counts = || said_whole.is_none_or(|whole| own_standing(&member.choice, policy, &region.order) > whole);
        member.role = match *member.choice.value {
            Value::Null if is_union => Role::Removes,
            Value::Null if is_set && counts() => Role::Removes,
            Value::Null => Role::Silent,
            _ if is_union || counts() => Role::Adds,
            _ => Role::Silent,
        };
    }
    let adds = members.iter().any(|member| member.role == Role::Adds);
    let is_late = adds && matches!(region.choose, Choose::First);
    set.is_replaced = (adds && !is_set) || is_late;
    let changes = adds || members.iter().any(|member| member.role == Role::Removes);
    if changes {
        let whole: Vec<Value> = match (is_set && !set.is_replaced, is_union) {
            (false, _) => Vec::new(),
            (true, false) => items(&set.value).to_vec(),
            (true, true) => united(&set.counted, &members),
        };
        let of_role = |role| members.iter().filter(move |member| member.role == role).map(|member| &member.value);
        let removed: BTreeSet<&Value> = if is_union { BTreeSet::new() } else { of_role(Role::Removes).collect() };
        let left = whole.iter().filter(|value| !removed.contains(value)).chain(of_role(Role::Adds));
        set.value = Cow::Owned(Value::set(left.cloned().collect()));
    }
    set.members = members;
}

/// Of sets said whole, the members that no newer removal took away.
fn united(counted: &[Said<'_>], members: &[Member<'_>]) -> Vec<Value> {
    let removed_at = |value: &Value| -> Option<Timestamp> {
        let member = members.iter().find(|member| member.value == *value)?;
        let removals = member.choice.all.iter().filter(|said| said.cell.value == Value::Null);
        removals.map(|said| said.cell.time).max()
    };
    let mut left = Vec::new();
    for said in counted {
        let one = std::slice::from_ref(&said.cell.value);
        let own = if is_set(&said.cell.value) { items(&said.cell.value) } else { one };
        left.extend(own.iter().filter(|value| removed_at(value).is_none_or(|at| said.cell.time >= at)).cloned());
    }
    left
}

fn is_set(value: &Value) -> bool {
    matches!(value, Value::Set(_) | Value::List(_))
}

fn items(value: &Value) -> &[Value] {
    match value {
        Value::Set(items) | Value::List(items) => items,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Timestamp(_) | Value::Object(_) => {
            &[]
        }
    }
}
