//! Sequences of events.
//!
//! A step wants so many events; they and those of the steps before are distinct, and none is earlier than those. Events are taken in the
//! order of their times, as early as they fit, which leaves the most to the steps that follow. Only among events of one instant
//! there is a choice, and then a matching is sought that serves as many steps as can be.

use std::collections::HashSet;

use super::{Bound, Evaluator, Item, Result};
use crate::ast::{Comparison, Expr, Moment, Name, Node, Side, Step, When};
use crate::calendar::Interval;
use crate::time::Timestamp;
use crate::value::Value;

impl<'f> Evaluator<'f> {
    pub(super) fn chain(&mut self, events: &'f Expr, order: &'f Expr, steps: &'f [Step]) -> Result<bool> {
        let events = self.expr(events)?;
        let Some(events) = self.items(&events)? else { return Ok(false) };
        let mut ordered: Vec<(Timestamp, &Item<'f>)> = Vec::with_capacity(events.len());
        for event in events.iter() {
            self.spend(1)?;
            let at = self.within(event.clone(), |evaluator| evaluator.expr(order))?;
            if let Some(Interval { start, .. }) = self.time(&at) {
                ordered.push((start, event));
            }
        }
        ordered.sort_by_key(|(at, _)| *at);
        let wanted: Vec<&'f Step> = steps.iter().flat_map(|step| (0..step.count).map(move |_| step)).collect();
        self.spend(wanted.len())?;
        let labels = labels_spoken_of(steps);
        if !labels.is_empty() {
            return self.related(&ordered, &wanted, &labels);
        }
        let mut served = 0;
        for together in ordered.chunk_by(|(a, _), (b, _)| a == b) {
            if served == wanted.len() {
                break;
            }
            let events: Vec<&Item<'f>> = together.iter().map(|(_, event)| *event).collect();
            let at = Item::Value(Value::Timestamp(together[0].0));
            served += self.serve(&at, &events, &wanted[served..])?;
        }
        Ok(served == wanted.len())
    }

    /// Whether there are events for steps that speak of each other: the first that fits may leave nothing to those that follow, so others
    /// are tried after it.
    fn related(&mut self, ordered: &[(Timestamp, &Item<'f>)], wanted: &[&'f Step], labels: &[&Name]) -> Result<bool> {
        let mut search = Search { chosen: Vec::new(), next: vec![0], failed: HashSet::new() };
        let found = loop {
            let want = search.chosen.len();
            let Some(step) = wanted.get(want).copied() else { break true };
            match self.next_fitting(ordered, step, &mut search)? {
                Some(at) => {
                    // As early as its instant begins: what happened at one instant has no order.
                    let begin = ordered.partition_point(|(time, _)| *time < ordered[at].0);
                    search.chosen.push(at);
                    self.variables.push((&step.label, Bound::Item(ordered[at].1.clone())));
                    let key = search.key(wanted, ordered, labels);
                    self.spend(1 + key.len() / 8)?;
                    let is_known = search.failed.contains(&key);
                    search.next.push(if is_known { ordered.len() } else { begin });
                }
                None => {
                    if want == 0 {
                        break false;
                    }
                    let key = search.key(wanted, ordered, labels);
                    self.spend(1 + key.len() / 8)?;
                    search.failed.insert(key);
                    search.next.pop();
                    search.chosen.pop();
                    self.variables.pop();
                }
            }
        };
        let bound = self.variables.len() - search.chosen.len();
        self.variables.truncate(bound);
        Ok(found)
    }

    /// The next event that a step may have, from where the search is with it.
    fn next_fitting(
        &mut self,
        ordered: &[(Timestamp, &Item<'f>)],
        step: &'f Step,
        search: &mut Search,
    ) -> Result<Option<usize>> {
        let Some(mut at) = search.next.last().copied() else { return Ok(None) };
        while let Some((time, event)) = ordered.get(at) {
            at += 1;
            self.spend(1)?;
            // No event serves two steps; only one of the same instant can be taken.
            let mut latest = search.chosen.iter().rev().take_while(|chosen| ordered[**chosen].0 == *time);
            if latest.any(|chosen| *chosen == at - 1) {
                continue;
            }
            if self.fits(step, &Item::Value(Value::Timestamp(*time)), event)? {
                if let Some(next) = search.next.last_mut() {
                    *next = at;
                }
                return Ok(Some(at - 1));
            }
            if self.is_beyond(step, *time)? {
                break;
            }
        }
        Ok(None)
    }

    /// Whether events later than this cannot be within the time of a step either: it is at most so long after another one.
    fn is_beyond(&mut self, step: &'f Step, time: Timestamp) -> Result<bool> {
        match &step.when {
            Some(
                when @ When::Distance {
                    comparison: Comparison::Less | Comparison::LessEqual,
                    side: Side::After,
                    moment: Moment::At(of),
                    ..
                },
            ) if matches!(&of.node, Node::Path { of, .. } if matches!(of.node, Node::Variable(_))) => {
                let Some(of) = self.anchor_of(of)? else { return Ok(true) };
                Ok(time > of && !self.lies(&Item::Value(Value::Timestamp(time)), when)?)
            }
            _ => Ok(false),
        }
    }

    /// The instant that an expression comes to.
    fn anchor_of(&mut self, of: &'f Expr) -> Result<Option<Timestamp>> {
        let item = self.expr(of)?;
        Ok(self.time(&item).map(|interval| interval.start))
    }

    /// How many of the next wants the events of one instant serve.
    fn serve(&mut self, at: &Item<'f>, events: &[&Item<'f>], wanted: &[&'f Step]) -> Result<usize> {
        let mut matching = Matching { want_of: vec![None; events.len()], fits: Vec::new() };
        for step in wanted.iter().take(events.len()) {
            // A step that wants several events has one row for each, the same.
            let row = match matching.fits.last() {
                Some((before, row)) if std::ptr::eq(*before, *step) => row.clone(),
                _ => {
                    let mut row = Vec::new();
                    for (place, event) in events.iter().enumerate() {
                        if self.fits(step, at, event)? {
                            row.push(place);
                        }
                    }
                    row
                }
            };
            self.spend(row.len())?;
            matching.fits.push((step, row));
            if !self.augment(&mut matching)? {
                return Ok(matching.fits.len() - 1);
            }
        }
        Ok(matching.fits.len())
    }

    /// Finds an event for the last want, and others for those whose events are taken from them. Breadth first, so that no depth
    /// is bound by the number of events.
    fn augment(&mut self, matching: &mut Matching<'_>) -> Result<bool> {
        let last = matching.fits.len() - 1;
        // The want that an event was reached from.
        let mut reached: Vec<Option<usize>> = vec![None; matching.want_of.len()];
        let mut queue = vec![last];
        let mut next = 0;
        while let Some(want) = queue.get(next).copied() {
            next += 1;
            for at in 0..matching.fits[want].1.len() {
                self.spend(1)?;
                let event = matching.fits[want].1[at];
                if reached[event].is_some() {
                    continue;
                }
                reached[event] = Some(want);
                match matching.want_of[event] {
                    Some(other) => queue.push(other),
                    None => {
                        matching.alternate(event, &reached);
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    fn fits(&mut self, step: &'f Step, at: &Item<'f>, event: &Item<'f>) -> Result<bool> {
        self.spend(1)?;
        self.within(event.clone(), |evaluator| {
            if !evaluator.holds(&step.what)? {
                return Ok(false);
            }
            if let Some(when) = &step.when
                && !evaluator.lies(at, when)?
            {
                return Ok(false);
            }
            match &step.condition {
                Some(condition) => evaluator.holds(condition),
                None => Ok(true),
            }
        })
    }
}

/// The labels of steps whose events others speak of.
fn labels_spoken_of(steps: &[Step]) -> Vec<&Name> {
    fn note<'a>(expr: &Expr, labels: &[&'a Name], found: &mut Vec<&'a Name>) {
        if let Node::Variable(name) = &expr.node {
            found.extend(labels.iter().filter(|label| **label == name).copied());
        }
        expr.each_part(&mut |part| note(part, labels, found));
    }
    let (mut labels, mut found) = (Vec::new(), Vec::new());
    for step in steps {
        note(&step.what, &labels, &mut found);
        step.when.iter().for_each(|when| when.each_part(&mut |part| note(part, &labels, &mut found)));
        step.condition.iter().for_each(|condition| note(condition, &labels, &mut found));
        labels.push(&step.label);
    }
    found
}

/// A search for events of steps that speak of each other.
struct Search {
    /// The events of the steps so far, by their places in the order.
    chosen: Vec<usize>,
    /// For each of them, and the next, which event is tried next.
    next: Vec<usize>,
    /// From where nothing was found.
    failed: HashSet<Vec<usize>>,
}

impl Search {
    /// All that the steps that follow hang on: how many there are, the events of the last one's instant that are taken, and the events of labels.
    fn key(&self, wanted: &[&Step], ordered: &[(Timestamp, &Item<'_>)], spoken_of: &[&Name]) -> Vec<usize> {
        let mut key = vec![self.chosen.len()];
        let last = self.chosen.last().map(|at| ordered[*at].0);
        let mut labels: Vec<&Name> = Vec::new();
        for (at, step) in self.chosen.iter().zip(wanted).rev() {
            let is_newest = spoken_of.contains(&&step.label) && !labels.contains(&&step.label);
            if is_newest {
                labels.push(&step.label);
            }
            if Some(ordered[*at].0) == last || is_newest {
                key.push(*at);
            }
        }
        key
    }
}

/// Which want has which event.
struct Matching<'a> {
    want_of: Vec<Option<usize>>,
    /// Of each want its step and the events that fit.
    fits: Vec<(&'a Step, Vec<usize>)>,
}

impl Matching<'_> {
    /// Gives a free event to the want that it was reached from, that one's event to the want before, and so on to the last want.
    fn alternate(&mut self, free: usize, reached: &[Option<usize>]) {
        let mut event = free;
        let last = self.fits.len() - 1;
        while let Some(want) = reached[event] {
            let before = self.want_of.iter().position(|other| *other == Some(want));
            self.want_of[event] = Some(want);
            match before {
                Some(before) if want != last => event = before,
                _ => break,
            }
        }
    }
}
