//! Combinations of items: `select`, `exists`, `forall`, and aggregates over bindings.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::list::aggregated;
use super::{Evaluator, Item, Result};
use crate::ast::{Binding, Expr, Function, Quantifier};
use crate::value::{Size, Value};

impl<'f> Evaluator<'f> {
    pub(super) fn select(&mut self, bindings: &'f [Binding]) -> Result<Item<'f>> {
        let mut found = Vec::new();
        let _flow = self.combinations(bindings, &mut |evaluator| {
            let item = match bindings {
                [only] => evaluator.variable(&only.name),
                _ => {
                    let members = bindings
                        .iter()
                        .map(|binding| (Value::Text(binding.name.clone()), evaluator.variable(&binding.name)));
                    let members = members.collect::<BTreeMap<_, _>>();
                    evaluator.map_of(members)?
                }
            };
            Self::push(&mut found, item)?;
            Ok(ControlFlow::Continue(()))
        })?;
        self.list(found)
    }

    /// Whether one combination meets all conditions.
    pub(super) fn finds(&mut self, bindings: &'f [Binding]) -> Result<bool> {
        let mut found = false;
        let _flow = self.combinations(bindings, &mut |_| {
            found = true;
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    pub(super) fn quantified(&mut self, quantifier: Quantifier, bindings: &'f [Binding]) -> Result<bool> {
        match quantifier {
            Quantifier::Exists => self.finds(bindings),
            Quantifier::ForAll => self.for_all(bindings),
        }
    }

    /// Whether each item of each binding meets its condition.
    fn for_all(&mut self, bindings: &'f [Binding]) -> Result<bool> {
        let Some((binding, rest)) = bindings.split_first() else { return Ok(true) };
        let list = self.expr(&binding.list)?;
        for item in self.items(&list)?.iter().flat_map(|items| items.iter()) {
            self.spend(1)?;
            let holds = self.with(&binding.name, item.clone(), |evaluator| {
                Ok(match &binding.condition {
                    Some(condition) => evaluator.holds(condition)?,
                    None => true,
                } && evaluator.for_all(rest)?)
            })?;
            if !holds {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn fold(
        &mut self,
        function: Function,
        value: Option<&'f Expr>,
        bindings: &'f [Binding],
    ) -> Result<Item<'f>> {
        let (mut values, mut size) = (Vec::new(), Size::default());
        let _flow = self.combinations(bindings, &mut |evaluator| {
            let item = match value {
                Some(value) => evaluator.expr(value)?,
                None => bindings.last().map_or(Item::NULL, |binding| evaluator.variable(&binding.name)),
            };
            values.push(evaluator.value_of_many(&item, &mut size)?);
            Ok(ControlFlow::Continue(()))
        })?;
        self.spend_order(size, values.len())?;
        Ok(Item::Value(aggregated(function, values)))
    }

    /// Each combination that meets the conditions, left to right, while its names are bound.
    fn combinations(
        &mut self,
        bindings: &'f [Binding],
        see: &mut dyn FnMut(&mut Self) -> Result<ControlFlow<()>>,
    ) -> Result<ControlFlow<()>> {
        let Some((binding, rest)) = bindings.split_first() else { return see(self) };
        let list = self.expr(&binding.list)?;
        for item in self.items(&list)?.iter().flat_map(|items| items.iter()) {
            self.spend(1)?;
            let flow = self.with(&binding.name, item.clone(), |evaluator| {
                let holds = match &binding.condition {
                    Some(condition) => evaluator.holds(condition)?,
                    None => true,
                };
                if holds { evaluator.combinations(rest, see) } else { Ok(ControlFlow::Continue(())) }
            })?;
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
