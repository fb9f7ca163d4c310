//! Windows as a look sees them: brought on to its instant, and until when a comparison with one comes to the same.

use std::cmp::Reverse;
use std::sync::Arc;

use smallvec::SmallVec;
use tessera_expr::ast::Comparison;
use tessera_expr::facts::Kept;
use tessera_expr::plan::{Measure, Window};

use super::known::{OfNode, Wanted};
use super::look::Look;
use super::set::KeptDef;
use crate::aggregate::{Lack, Run, State, Tail, Unread};
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
        let graph = self.sources.asked.map_or(policy::IdentityGraph::Full, CompiledPolicy::graph);
        let advanced = self.advanced.borrow();
        let mut windows: SmallVec<[(&Run, &Tail); 1]> = SmallVec::new();
        for node in policy::unit(self.sources.cluster, self.sources.node, graph) {
            match advanced.get(&(node.id, kept.id)).map(|own| &**own).or_else(|| node.state(kept.id)) {
                Some(State::Window(run)) if run.at <= self.now => windows.push((run, node.tail.as_deref()?)),
                None if kept.is_built || node.events() == 0 => {}
                Some(_) | None => return None,
            }
        }
        if windows.iter().all(|(run, _)| run.holds_at(self.now)) {
            return None;
        }
        let last = kept.aggregate.window.reach(self.now, &kept.zone).1;
        let (mut most, mut enters): (Decimal, Option<Timestamp>) = (Decimal::ZERO, None);
        for (run, tail) in &windows {
            let to = kept.aggregate.window.reach(run.at, &kept.zone).1;
            if !run.only_falls(&kept.aggregate.measure) || !tail.covers(column.0, to.plus_micros(1)) {
                return None;
            }
            // What has left since is at most more.
            most = most.checked_add(run.total(column.1)?)?;
            for (time, adds) in tail.newest_first(column).take_while(|(time, _)| *time > to) {
                let adds = adds.filter(|adds| *adds >= Decimal::ZERO)?;
                if time > last {
                    enters = Some(time);
                } else {
                    most = most.checked_add(adds)?;
                }
            }
        }
        let enters = enters.and_then(|time| kept.aggregate.window.counts(time, self.now, &kept.zone).1);
        let tails = windows.iter().map(|(_, tail)| *tail);
        let (value, leaves) = self.enough(kept, tails, (comparison, number), most)?;
        Some(Kept { value: Value::Number(value), changes_at: leaves.into_iter().chain(enters).min() })
    }

    /// So much of what is in a window now that a comparison with it comes to the same as with `most`, all that is there or more, and when it
    /// no longer does because something leaves. Nothing that is there is negative. None where the newest events are not enough.
    fn enough<'t>(
        &self,
        kept: &KeptDef,
        tails: impl ExactSizeIterator<Item = &'t Tail>,
        (comparison, number): (Comparison, Decimal),
        most: Decimal,
    ) -> Option<(Decimal, Option<Timestamp>)> {
        let holds = |value: Decimal| comparison.holds(value.cmp(&number));
        if holds(most) == holds(Decimal::ZERO) {
            return Some((most, None));
        }
        let column = (self.sources.rules.column(kept)?, kept.aggregate.measure == Measure::Count);
        let (first, last) = kept.aggregate.window.reach(self.now, &kept.zone);
        let is_inside = |(time, _): &(Timestamp, Option<Decimal>)| *time >= first && *time <= last;
        let mut sum = Decimal::ZERO;
        let mut is_enough = |(time, adds): (Timestamp, Option<Decimal>)| {
            // What is several values at once adds nothing: then it is told too early, or not at all.
            sum = sum.checked_add(adds.unwrap_or(Decimal::ZERO)).unwrap_or(sum);
            (holds(sum) == holds(most)).then_some((sum, time))
        };
        let is_one = tails.len() == 1;
        let mut newest = tails.flat_map(|tail| tail.newest_first(column)).filter(is_inside);
        let (sum, time) = if is_one {
            newest.find_map(&mut is_enough)?
        } else {
            let mut all: Vec<_> = newest.collect();
            all.sort_unstable_by_key(|(time, _)| Reverse(*time));
            all.into_iter().find_map(&mut is_enough)?
        };
        Some((sum, kept.aggregate.window.counts(time, self.now, &kept.zone).1))
    }

    /// What an aggregate comes to, for as long as a comparison with it comes to the same. Of what only becomes less while nothing comes in, the
    /// newest events alone tell how long enough of it is left.
    pub(super) fn until_it_changes(
        &self,
        kept: &KeptDef,
        value: Kept,
        comparison: Comparison,
        number: Decimal,
    ) -> Kept {
        let until = || self.changes_at(kept, &value, comparison, number);
        match (&value.changes_at, comparison, kept.aggregate.window) {
            (None, ..) | (_, Comparison::Equal | Comparison::NotEqual, _) => value,
            (Some(_), _, Window::Sliding { .. }) => match until() {
                Some(changes_at) => Kept { changes_at, ..value },
                None => value,
            },
            (Some(_), _, Window::Lifetime | Window::Calendar(..)) => value,
        }
    }

    /// When a comparison may change; none where the newest events do not tell.
    fn changes_at(
        &self,
        kept: &KeptDef,
        value: &Kept,
        comparison: Comparison,
        number: Decimal,
    ) -> Option<Option<Timestamp>> {
        let Value::Number(now) = value.value else { return None };
        let graph = self.sources.asked.map_or(policy::IdentityGraph::Full, CompiledPolicy::graph);
        let (mut tails, mut enters): (SmallVec<[&Tail; 1]>, Option<Timestamp>) = (SmallVec::new(), None);
        let advanced = self.advanced.borrow();
        for node in policy::unit(self.sources.cluster, self.sources.node, graph) {
            let known = advanced.get(&(node.id, kept.id)).map(|own| &**own);
            let own = known.filter(|own| own.holds_at(self.now)).or_else(|| node.state(kept.id));
            let Some(State::Window(run)) = own else { continue };
            if !run.only_falls(&kept.aggregate.measure) {
                return None;
            }
            enters = enters.into_iter().chain(run.enters).min();
            tails.push(node.tail.as_deref()?);
        }
        let (_, leaves) = self.enough(kept, tails.iter().copied(), (comparison, number), now)?;
        Some(leaves.into_iter().chain(enters).min())
    }
}
