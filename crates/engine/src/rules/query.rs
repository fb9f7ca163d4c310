//! What is asked of many profiles at once: whether a condition holds, and what those are sorted by of whom it does.

use std::sync::Arc;

use tessera_expr::calendar::Zone;
use tessera_expr::rule::Rule;

use super::look::asked_policy;
use super::order::names_read;
use super::read::{Asked, Unanswered, look_at, settled};
use super::segment_state::Trouble;
use super::set::{AdHocRule, Entry, RuleKind, RuleSet};
use crate::config::Config;
use crate::value::Value;
use crate::view::Names;

/// A condition, and values that those are sorted by of whom it holds.
#[derive(Debug)]
pub struct Question {
    filter: Option<AdHocRule>,
    order: Vec<AdHocRule>,
    /// The names that it reads, itself and through the rules that it needs.
    names: Names,
    /// Whether it depends on memberships, so that those have to be brought to the instant first.
    asks_segments: bool,
}

impl RuleSet {
    /// A question that is asked beside these rules; without a filter it holds of everybody.
    #[must_use]
    pub fn question(&self, filter: Option<Arc<Rule>>, order: Vec<Arc<Rule>>, zone: &Zone) -> Question {
        let filter = filter.map(|rule| self.beside(rule, zone.clone()));
        let order: Vec<AdHocRule> = order.into_iter().map(|rule| self.beside(rule, zone.clone())).collect();
        let entries = || filter.iter().chain(&order).map(|rule| &rule.0);
        let needed = || entries().flat_map(|entry| &entry.closure).map(|at| &self.entries[*at]);
        let asks_segments = needed().any(|entry| entry.def.kind != RuleKind::Attribute);
        // Segments that are brought to the instant may need any rule.
        let others = self.entries.iter().filter(|_| asks_segments);
        let names = names_read(entries().chain(needed()).chain(others).map(|entry: &Entry| &entry.def), &self.by_name);
        Question { filter, order, names, asks_segments }
    }
}

impl Question {
    /// The names of attributes of which a record needs to have the values. Where one of them may be that of an identifier, that is all.
    #[must_use]
    pub fn reads(&self, config: &Config) -> Names {
        self.names.unless_identifiers(config)
    }
}

/// What a profile is sorted by, a value or nothing for each part of the order, where the condition holds of it; otherwise none. What has no
/// value for a reason is sorted as if it were not there.
///
/// The record may be one that has of its values only those that [`Question::reads`] tells.
///
/// # Errors
/// [`Unanswered`]; inside, why the condition has no answer.
pub fn query(asked: &Asked<'_>, question: &Question) -> Result<Result<Option<Vec<Value>>, Trouble>, Unanswered> {
    if question.filter.is_none() && question.order.is_empty() {
        return Ok(Ok(Some(Vec::new())));
    }
    let segment_states = question.asks_segments.then(|| settled(asked)).transpose()?;
    let mut look = look_at(asked);
    if let Some(segment_states) = segment_states {
        look.segment_states = segment_states;
    }
    look.names = Some(question.names.clone());
    let policy = asked_policy(asked.config.rules());
    let holds = question.filter.as_ref().map(|filter| look.evaluate_entry(&filter.0, policy).value);
    if look.lacks_events() {
        return Err(Unanswered::of(&look));
    }
    match holds.transpose() {
        Err(trouble) => return Ok(Err(trouble)),
        Ok(Some(value)) if value != Value::Bool(true) => return Ok(Ok(None)),
        Ok(_) => {}
    }
    let mut values = Vec::with_capacity(question.order.len());
    for rule in &question.order {
        values.push(look.evaluate_entry(&rule.0, policy).value.unwrap_or(Value::Null));
    }
    if look.lacks_events() { Err(Unanswered::of(&look)) } else { Ok(Ok(Some(values))) }
}
