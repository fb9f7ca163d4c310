//! Functions: which does what. What they do stands beside their kind.

use std::collections::BTreeMap;

use super::compare::adapted;
use super::list::{is_scalar, written_items};
use super::{Evaluator, Item, Result, key_text};
use crate::ast::{Comparison, Expr, Function, Unit};
use crate::calendar::Interval;
use crate::facts::Membership;
use crate::time::Timestamp;
use crate::value::Value;

impl<'f> Evaluator<'f> {
    pub(super) fn call(&mut self, function: Function, arguments: &'f [Expr]) -> Result<Item<'f>> {
        match arguments {
            [] => Ok(self.of_the_clock(function)),
            [first, rest @ ..] => {
                let item = self.expr(first)?;
                self.of_one(function, (item, first), rest)
            }
        }
    }

    fn of_the_clock(&mut self, function: Function) -> Item<'f> {
        match function {
            Function::CurrentYear => self.current(Unit::Year),
            Function::CurrentMonth => self.current(Unit::Month),
            Function::CurrentDayOfMonth => self.current(Unit::Day),
            _ => Item::NULL,
        }
    }

    /// A function of what stands first, and perhaps of more.
    fn of_one(
        &mut self,
        function: Function,
        (first, written): (Item<'f>, &'f Expr),
        rest: &'f [Expr],
    ) -> Result<Item<'f>> {
        use Function as F;
        match function {
            F::In | F::NotIn | F::Includes => {
                let [other] = rest else { return Ok(Item::NULL) };
                let (own, other) = ((first, written), (self.expr(other)?, other));
                let (list, item) = if function == F::Includes { (own, other) } else { (other, own) };
                self.membership(list, item, function == F::NotIn)
            }
            F::Like | F::Matches | F::RegexGroup => self.pattern(function, &first, rest),
            F::StartsWith | F::EndsWith | F::Contains | F::Equals => {
                Ok(Item::bool(self.text_holds(function, &first, rest)? == Some(true)))
            }
            F::DoesNotStartWith => self.text_fails(F::StartsWith, &first, rest),
            F::DoesNotEndWith => self.text_fails(F::EndsWith, &first, rest),
            F::DoesNotContain => self.text_fails(F::Contains, &first, rest),
            F::NotEqualTo => self.text_fails(F::Equals, &first, rest),
            F::Intersects | F::Intersection | F::SubsetOf | F::SupersetOf => {
                let [other] = rest else { return Ok(Item::NULL) };
                let (own, other) = ((first, written), (self.expr(other)?, other));
                self.sets(function, own, other)
            }
            F::Exists => match rest {
                [body, ..] => Ok(Item::bool(self.exists_in(&first, body)?)),
                [] => Ok(Item::NULL),
            },
            F::TopN | F::BottomN => self.ranked(function, &first, rest),
            F::Map => self.map(&first, rest),
            F::GroupBy => self.group_by(&first, rest),
            F::Sum | F::Average | F::Min | F::Max | F::MostFrequent => self.aggregate(function, &first, rest.first()),
            F::Count => self.count(&first),
            F::Distinct => self.distinct(&first),
            F::Head => Ok(self.items(&first)?.and_then(|items| items.first().cloned()).unwrap_or(Item::NULL)),
            F::Get => {
                let key = self.argument(rest, 0)?;
                self.get(&first, &key)
            }
            F::Keys | F::Values => self.sides(function, &first),
            F::MapEntry => {
                let value = self.argument(rest, 0)?;
                let key = self.value(&first)?;
                if !is_scalar(&key) {
                    return Ok(Item::NULL);
                }
                self.map_of(BTreeMap::from([(Value::Text(key_text(&key)), value)]))
            }
            F::IsNull => Ok(Item::bool(first.is_null())),
            F::IsNotNull => Ok(Item::bool(!first.is_null())),
            F::GetYear => Ok(self.part_of(&first, Unit::Year)),
            F::GetMonth => Ok(self.part_of(&first, Unit::Month)),
            F::GetDayOfMonth => Ok(self.part_of(&first, Unit::Day)),
            F::DaysUntil => self.days_until(&first, rest),
            F::Visits => {
                let minutes = self.argument(rest, 0)?;
                self.visits(&first, &minutes)
            }
            F::ToText => self.as_text(first),
            F::ToNumber => self.as_number(&first),
            F::Upper | F::Lower => self.cased(function, &first),
            F::Length => self.length(&first),
            F::Substring => self.substring(&first, rest),
            F::Trim => self.trimmed(&first),
            F::Round => self.rounded(&first, rest),
            F::Coalesce => self.first_there(first, rest),
            F::Median | F::Percentile => self.percentile(&first, rest),
            F::Date => self.date(&first, rest),
            F::InSegment | F::EnteredSegment | F::LeftSegment => Ok(self.segment(function, &first)),
            F::CurrentMonth | F::CurrentYear | F::CurrentDayOfMonth => Ok(Item::NULL),
        }
    }

    /// An argument behind the first; null where it was left out.
    pub(super) fn argument(&mut self, rest: &'f [Expr], at: usize) -> Result<Item<'f>> {
        match rest.get(at) {
            Some(argument) => self.expr(argument),
            None => Ok(Item::NULL),
        }
    }

    /// The first of several that is there; what stands behind it is not computed.
    fn first_there(&mut self, first: Item<'f>, rest: &'f [Expr]) -> Result<Item<'f>> {
        let mut item = first;
        for argument in rest {
            if !item.is_null() {
                break;
            }
            item = self.expr(argument)?;
        }
        Ok(item)
    }

    /// A number with so many decimal places.
    fn rounded(&mut self, number: &Item<'f>, rest: &'f [Expr]) -> Result<Item<'f>> {
        let places = match (self.argument(rest, 0)?, rest.is_empty()) {
            (_, true) => Some(0),
            (Item::Value(Value::Number(places)), false) => {
                places.to_i64().and_then(|places| u32::try_from(places).ok())
            }
            _ => None,
        };
        let Item::Value(Value::Number(number)) = number else { return Ok(Item::NULL) };
        Ok(Item::number(places.and_then(|places| number.checked_round(places))))
    }

    /// Whether an item is among those of a list.
    fn membership(
        &mut self,
        (list, list_written): (Item<'f>, &Expr),
        (item, item_written): (Item<'f>, &Expr),
        is_inverted: bool,
    ) -> Result<Item<'f>> {
        if list.is_null() || item.is_null() {
            return Ok(Item::bool(false));
        }
        let Some(items) = self.items(&list)? else { return Ok(Item::bool(false)) };
        Ok(Item::bool(self.has((&items, list_written), (&item, Some(item_written)))? != is_inverted))
    }

    /// Whether an item is equal to one of these, as `=` says: what is written out takes on the type of what it is compared with.
    pub(super) fn has(
        &mut self,
        (items, written): (&[Item<'f>], &Expr),
        (item, item_written): (&Item<'f>, Option<&Expr>),
    ) -> Result<bool> {
        let written = written_items(written);
        let as_written = |own: &Item<'f>, written: Option<&Expr>, other: &Item<'f>| match written {
            Some(written) => adapted(own.clone(), &written.node, other),
            None => own.clone(),
        };
        for (at, other) in items.iter().enumerate() {
            let own = as_written(item, item_written, other);
            let other = as_written(other, written.get(at), &own);
            if self.compare_items(Comparison::Equal, &own, &other)? {
                return Ok(true);
            }
            self.spend(1)?;
        }
        Ok(false)
    }

    fn part_of(&self, item: &Item<'f>, unit: Unit) -> Item<'f> {
        self.time(item).map_or(Item::NULL, |time| self.part(time.start, unit))
    }

    fn date(&mut self, year: &Item<'f>, rest: &'f [Expr]) -> Result<Item<'f>> {
        let (month, day) = (self.argument(rest, 0)?, self.argument(rest, 1)?);
        let number = |item: &Item<'f>| match item {
            Item::Value(Value::Number(number)) => number.to_i64(),
            _ => None,
        };
        let day = match (number(year), number(&month), number(&day)) {
            (Some(year), Some(month), Some(day)) => Interval::day(year, month, day, self.zone),
            _ => None,
        };
        Ok(day.map_or(Item::NULL, Item::Day))
    }

    fn segment(&mut self, function: Function, id: &Item<'f>) -> Item<'f> {
        let Some(id) = id.text() else { return Item::NULL };
        let membership = self.facts.membership(id);
        let time = |at: Option<Timestamp>| at.map_or(Item::NULL, |at| Item::Value(Value::Timestamp(at)));
        match (function, membership) {
            (Function::EnteredSegment, Membership::Inside { entered, .. }) => time(Some(entered)),
            (Function::EnteredSegment, Membership::Outside { .. }) => Item::NULL,
            (Function::LeftSegment, Membership::Inside { left, .. } | Membership::Outside { left }) => time(left),
            (_, Membership::Inside { .. }) => Item::bool(true),
            (_, Membership::Outside { .. }) => Item::bool(false),
        }
    }
}
