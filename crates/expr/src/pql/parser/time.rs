//! What stands behind `occurs`, and chains of events.

use super::super::lexer::Kind;
use super::{Parser, Strength};
use crate::ast::{Expr, Moment, Node, Side, Step, Unit, When, Which};
use crate::limits::CHAIN_COUNT_MAX;
use crate::problem::Problem;

impl Parser<'_> {
    /// The time behind `occurs`, or in `WHEN(…)`.
    pub(super) fn when(&mut self) -> Result<When, Problem> {
        if let Some(comparison) = self.takes_comparison() {
            let amount = Box::new(self.expr(Strength::Add)?);
            let unit = self.unit()?;
            let Some(side) = self.takes_side() else { return Err(self.expected("before, after or from")) };
            return Ok(When::Distance { comparison, amount, unit, side, moment: self.moment()? });
        }
        if let Some(side) = self.takes_side() {
            return Ok(When::Side(side, self.moment()?));
        }
        if self.takes_word("between") {
            let start = self.moment()?;
            if !self.takes_word("and") {
                return Err(self.expected("and"));
            }
            return Ok(When::Between(start, self.moment()?));
        }
        self.takes_word("on");
        Ok(When::On(self.moment()?))
    }

    fn takes_side(&mut self) -> Option<Side> {
        if self.takes_word("before") {
            Some(Side::Before)
        } else if self.takes_word("after") || self.takes_word("from") {
            Some(Side::After)
        } else {
            None
        }
    }

    fn unit(&mut self) -> Result<Unit, Problem> {
        let unit = match *self.peek() {
            Kind::Word(word) => Unit::parse(word).ok_or(word),
            _ => Err(""),
        };
        match unit {
            Ok(unit) => {
                self.next();
                Ok(unit)
            }
            Err(word) => {
                let names = Unit::ALL.into_iter().map(|unit| unit.names().1);
                Err(self.expected("a unit of time, as in 3 days").did_you_mean(word, names))
            }
        }
    }

    fn moment(&mut self) -> Result<Moment, Problem> {
        let which = [Which::Last, Which::This, Which::Next].into_iter().find(|which| self.sees_word(which.name()));
        if let Some(which) = which
            && let Kind::Word(word) = *self.peek_behind(1)
            && let Some(unit) = Unit::parse(word)
        {
            self.next();
            self.next();
            return Ok(Moment::Calendar(which, unit));
        }
        Ok(Moment::At(Box::new(self.postfix()?)))
    }

    /// `chain(xEvent, timestamp, [A: WHAT(…) WHEN(…) COUNT(…) WHERE(…), …])`
    pub(super) fn chain(&mut self) -> Result<Expr, Problem> {
        let start = self.place();
        self.next();
        self.expect("(")?;
        let (events, order, steps) = self.inside(|parser| {
            let events = Box::new(parser.postfix()?);
            parser.expect(",")?;
            let order = Box::new(parser.postfix()?);
            parser.expect(",")?;
            parser.expect("[")?;
            let mut steps = vec![parser.step()?];
            while parser.takes(",") {
                steps.push(parser.step()?);
            }
            parser.expect("]")?;
            Ok((events, order, steps))
        })?;
        self.expect(")")?;
        self.node(Node::Chain { events, order, steps }, &start)
    }

    fn step(&mut self) -> Result<Step, Problem> {
        let (label, _) = self.name("a label, as in A: WHAT(…)")?;
        self.expect(":")?;
        self.count()?;
        let (mut what, mut when, mut condition, mut count) = (None, None, None, None);
        loop {
            if what.is_none() && self.takes_word("what") {
                self.expect("(")?;
                what = Some(self.expr(Strength::Open)?);
            } else if when.is_none() && self.takes_word("when") {
                self.expect("(")?;
                when = Some(self.when()?);
            } else if condition.is_none() && self.takes_word("where") {
                self.expect("(")?;
                condition = Some(self.expr(Strength::Open)?);
            } else if count.is_none() && self.takes_word("count") {
                self.expect("(")?;
                count = Some(self.step_count()?);
            } else {
                break;
            }
            self.expect(")")?;
        }
        let Some(what) = what else { return Err(self.expected("WHAT")) };
        Ok(Step { label, what, when, condition, count: count.unwrap_or(1) })
    }

    fn step_count(&mut self) -> Result<u32, Problem> {
        let count = match *self.peek() {
            Kind::Number(digits) => digits.parse().ok().filter(|count| (1..=CHAIN_COUNT_MAX).contains(count)),
            _ => None,
        };
        let Some(count) = count else { return Err(self.expected(&format!("a number from 1 to {CHAIN_COUNT_MAX}"))) };
        self.next();
        Ok(count)
    }
}
