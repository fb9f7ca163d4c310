//! Sequences of events.
//!
//! A step wants so many events; they and those of the steps before are distinct, and none is earlier than those. Events are taken in the
//! order of their times, as early as they fit, which leaves the most to the steps that follow. Only among events of one instant
//! there is a choice, and then a matching is sought that serves as many steps as can be.

use super::{Evaluator, Item, Result};
use crate::ast::{Expr, Step};
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
        let wanted: Vec<&Step> = steps.iter().flat_map(|step| (0..step.count).map(move |_| step)).collect();
        self.spend(wanted.len())?;
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
                        matching.turn(event, &reached);
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

/// Which want has which event.
struct Matching<'a> {
    want_of: Vec<Option<usize>>,
    /// Of each want its step and the events that fit.
    fits: Vec<(&'a Step, Vec<usize>)>,
}

impl Matching<'_> {
    /// Gives a free event to the want that it was reached from, that one's event to the want before, and so on to the last want.
    fn turn(&mut self, free: usize, reached: &[Option<usize>]) {
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
