//! Windows as a look sees them: brought on to its instant, and until when a comparison with one comes to the same.

use std::sync::Arc;

use tessera_expr::ast::Comparison;
use tessera_expr::facts::Kept;
use tessera_expr::plan::{Measure, Window};

use super::known::{OfNode, Wanted};
use super::look::Look;
use super::set::KeptDef;
use crate::aggregate::{Lack, State, Unread};
use crate::cluster::Node;
use crate::policy::{self, CompiledPolicy};
use crate::time::Timestamp;
use crate::value::{Decimal, Value};

/// What bringing a state of a window on takes.
const ADVANCE_STEPS: u64 = 20;

impl Look<'_> {
    /// The state of a window that its record keeps of another instant, brought to that of the look.
    pub(super) fn brought_on(&self, node: &Node, kept: &KeptDef) -> Result<Arc<State>, Lack> {
        let (rules, at) = (self.sources.rules, (node.id, kept.id));
        let is_before = |own: &Arc<State>| matches!(&**own, State::Window(run) if run.at <= self.now);
        let known = self.advanced.borrow().get(&at).filter(|own| is_before(own)).cloned();
        if let Some(own) = known.as_ref().filter(|own| own.holds_at(self.now)) {
            return Ok(own.clone());
        }
        let mut next = match &known {
            Some(own) => (**own).clone(),
            None => node.state(kept.id).cloned().unwrap_or(State::Unread),
        };
        let wanted = self.wanted.borrow().len();
        let source = OfNode {
            node: node.id,
            tail: node.tail.as_deref(),
            column: rules.column(kept).unwrap_or(kept.id),
            timelines: self.sources.timelines,
            wanted: &self.wanted,
        };
        self.spend_steps(ADVANCE_STEPS);
        let next = match next.advance(&kept.aggregate, &rules.bounds, (self.now, &kept.zone), &source) {
            Ok(()) => Arc::new(next),
            Err(Unread) if self.wanted.borrow().len() > wanted => return Err(Lack::Scan),
            Err(Unread) => {
                let Some(built) = self.sources.timelines.states(node.id, self.now) else {
                    self.wanted.borrow_mut().push(Wanted::States { node: node.id, at: self.now });
                    return Err(Lack::Scan);
                };
                let own = built.states.binary_search_by_key(&kept.id, |(id, _)| *id);
                own.map_or_else(|_| Arc::new(State::new(&kept.aggregate, self.now)), |at| built.states[at].1.clone())
            }
        };
        self.advanced.borrow_mut().insert(at, next.clone());
        Ok(next)
    }

    /// What a comparison comes to where windows are of earlier instants and the newest events decide it all the same, so that nothing has to be
    /// read: they alone are enough, or what the windows came to and what has entered since is not. The value is one for which the comparison
    /// comes to the same. None where they do not decide it.
    pub(super) fn decided(&self, kept: &KeptDef, comparison: Comparison, number: Decimal) -> Option<Kept> {
        let is_sliding = matches!(kept.aggregate.window, Window::Sliding { .. });
        if !is_sliding || !self.trusts_states || matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
            return None;
        }
        let column = (self.sources.rules.column(kept)?, kept.aggregate.measure == Measure::Count);
        let reach = |at: Timestamp| kept.aggregate.window.reach(at, &kept.zone);
        let (first, last) = reach(self.now);
        let graph = self.sources.asked.map_or(policy::IdentityGraph::Full, CompiledPolicy::graph);
        let (mut most, mut is_behind) = (Decimal::ZERO, false);
        let (mut newest, mut enters): (Vec<(Timestamp, Decimal)>, Option<Timestamp>) = (Vec::new(), None);
        for node in policy::unit(self.sources.cluster, self.sources.node, graph) {
            let known = self.advanced.borrow().get(&(node.id, kept.id)).cloned();
            let own = match known.as_deref().or_else(|| node.state(kept.id)) {
                Some(State::Window(run)) if run.at <= self.now && run.only_falls(&kept.aggregate.measure) => run,
                None if kept.is_built || node.events() == 0 => continue,
                Some(_) | None => return None,
            };
            let (from, to) = reach(own.at);
            let tail = node.tail.as_deref().filter(|tail| tail.covers(column.0, to.plus_micros(1)))?;
            is_behind |= !own.holds_at(self.now);
            // What has left since is at most more.
            most = most.checked_add(own.total(column.1)?)?;
            for (time, adds) in tail.adds(column, from.min(first))? {
                if adds < Decimal::ZERO {
                    return None;
                }
                if time > last {
                    enters = enters.into_iter().chain([time]).min();
                    continue;
                }
                if time > to {
                    most = most.checked_add(adds)?;
                }
                if time >= first {
                    newest.push((time, adds));
                }
            }
        }
        let holds = |value: Decimal| comparison.holds(value.cmp(&number));
        let mut rest = newest.iter().try_fold(Decimal::ZERO, |sum, (_, own)| sum.checked_add(*own))?;
        if !is_behind || holds(rest) != holds(most) {
            return None;
        }
        newest.sort_unstable_by_key(|(time, _)| *time);
        let value = Value::Number(rest);
        let turn = newest.iter().find(|(_, own)| {
            rest = rest.checked_sub(*own).unwrap_or(Decimal::ZERO);
            holds(rest) != holds(most)
        });
        let leaves = turn.and_then(|(time, _)| kept.aggregate.window.counts(*time, self.now, &kept.zone).1);
        let enters = enters.and_then(|time| kept.aggregate.window.counts(time, self.now, &kept.zone).1);
        Some(Kept { value, changes_at: leaves.into_iter().chain(enters).min() })
    }

    /// What an aggregate comes to, for as long as a comparison with it comes to the same. Of what only becomes less while nothing comes in, the
    /// newest events alone tell how long enough of it is left.
    pub(super) fn until_it_turns(&self, kept: &KeptDef, value: Kept, comparison: Comparison, number: Decimal) -> Kept {
        let until = || self.turns_at(kept, &value, comparison, number);
        match (&value.changes_at, comparison, kept.aggregate.window) {
            (None, ..) | (_, Comparison::Equal | Comparison::NotEqual, _) => value,
            (Some(_), _, Window::Sliding { .. }) => match until() {
                Some(changes_at) => Kept { changes_at, ..value },
                None => value,
            },
            (Some(_), _, Window::Lifetime | Window::Calendar(..)) => value,
        }
    }

    /// When a comparison may turn; none where the newest events do not tell.
    fn turns_at(
        &self,
        kept: &KeptDef,
        value: &Kept,
        comparison: Comparison,
        number: Decimal,
    ) -> Option<Option<Timestamp>> {
        let Value::Number(now) = value.value else { return None };
        let holds = |value: Decimal| comparison.holds(value.cmp(&number));
        let (column, is_count) = (self.sources.rules.column(kept)?, kept.aggregate.measure == Measure::Count);
        let graph = self.sources.asked.map_or(policy::IdentityGraph::Full, CompiledPolicy::graph);
        let (first, last) = kept.aggregate.window.reach(self.now, &kept.zone);
        let (mut newest, mut enters): (Vec<(Timestamp, Decimal)>, Option<Timestamp>) = (Vec::new(), None);
        for node in policy::unit(self.sources.cluster, self.sources.node, graph) {
            let known = self.advanced.borrow().get(&(node.id, kept.id)).cloned();
            let own = known.as_deref().filter(|own| own.holds_at(self.now)).or_else(|| node.state(kept.id));
            let Some(State::Window(run)) = own else { continue };
            if !run.only_falls(&kept.aggregate.measure) {
                return None;
            }
            enters = enters.into_iter().chain(run.enters).min();
            newest.extend(node.tail.as_deref()?.newest((column, is_count), first, last));
        }
        newest.sort_unstable_by_key(|(time, _)| *time);
        let mut rest = newest.iter().try_fold(Decimal::ZERO, |sum, (_, own)| sum.checked_add(*own))?;
        if holds(rest) != holds(now) {
            return None;
        }
        let turn = newest.iter().find(|(_, own)| {
            rest = rest.checked_sub(*own).unwrap_or(Decimal::ZERO);
            holds(rest) != holds(now)
        });
        let leaves = turn.and_then(|(time, _)| kept.aggregate.window.counts(*time, self.now, &kept.zone).1);
        Some(leaves.into_iter().chain(enters).min())
    }
}
