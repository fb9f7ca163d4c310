//! Functions of lists and maps.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::item::key_text;
use super::{Evaluator, Item, Result};
use crate::ast::{Expr, Function, Node};
use crate::value::{Decimal, Size, Value};

/// Whether a value has a place in a ranking: a number or an instant. A text has none, whatever it spells.
#[must_use]
pub fn ranks(value: &Value) -> bool {
    matches!(value, Value::Number(_) | Value::Timestamp(_))
}

impl<'f> Evaluator<'f> {
    /// What a body gives for an item, which it speaks of.
    fn body(&mut self, body: &'f Expr, item: &Item<'f>) -> Result<Item<'f>> {
        match &body.node {
            Node::Lambda { names, body } => match &names[..] {
                [name, ..] => self.with(name, item.clone(), |evaluator| {
                    evaluator.within(item.clone(), |evaluator| evaluator.expr(body))
                }),
                [] => Ok(Item::NULL),
            },
            _ => self.within(item.clone(), |evaluator| evaluator.expr(body)),
        }
    }

    fn body_holds(&mut self, body: &'f Expr, item: &Item<'f>) -> Result<bool> {
        match &body.node {
            Node::Lambda { .. } => Ok(self.body(body, item)?.truth()),
            _ => self.within(item.clone(), |evaluator| evaluator.holds(body)),
        }
    }

    pub(super) fn filter(&mut self, list: &'f Expr, condition: &'f Expr) -> Result<Item<'f>> {
        let list = self.expr(list)?;
        if let Some(entries) = self.entries(&list)? {
            let mut kept = BTreeMap::new();
            for (key, item) in entries.iter() {
                if self.body_holds(condition, item)? {
                    kept.insert(key.clone(), item.clone());
                }
            }
            return Ok(Item::Map(Rc::new(kept)));
        }
        if list.is_null() {
            return Ok(Item::NULL);
        }
        let Some(items) = self.items(&list)? else { return Ok(Item::NULL) };
        let mut kept = Vec::new();
        for item in items.iter() {
            self.spend(1)?;
            if self.body_holds(condition, item)? {
                kept.push(item.clone());
            }
        }
        Ok(Item::List(kept.into()))
    }

    /// Whether a filter leaves something.
    pub(super) fn exists(&mut self, list: &'f Expr, condition: &'f Expr) -> Result<bool> {
        let list = self.expr(list)?;
        // A map that is there is there, whatever a filter leaves of it.
        if list.is_map() { Ok(true) } else { self.exists_in(&list, condition) }
    }

    pub(super) fn exists_in(&mut self, list: &Item<'f>, condition: &'f Expr) -> Result<bool> {
        let Some(items) = self.members(list)? else { return Ok(false) };
        for item in items.iter() {
            self.spend(1)?;
            if self.body_holds(condition, item)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn count(&mut self, list: &Item<'f>) -> Result<Item<'f>> {
        Ok(self.members(list)?.map_or(Item::NULL, |items| Item::count(items.len())))
    }

    /// Each once, in the order of values; events by which they are, in their own order.
    pub(super) fn distinct(&mut self, list: &Item<'f>) -> Result<Item<'f>> {
        let Some(items) = self.items(list)?.filter(|_| !list.is_null()) else { return Ok(Item::NULL) };
        self.spend(items.len())?;
        if items.iter().any(|item| matches!(item, Item::Event(_))) {
            let mut seen = BTreeSet::new();
            let first = |item: &&Item<'f>| matches!(item, Item::Event(event) if seen.insert(*event));
            return Ok(Item::List(items.iter().filter(first).cloned().collect()));
        }
        let mut size = Size::default();
        let values = items.iter().map(|item| self.value_into(item, &mut size)).collect::<Result<Vec<_>>>()?;
        self.spend_order(size, values.len())?;
        Ok(Item::Value(Value::set(values)))
    }

    /// Items by how what they are grouped by is written: `1` and `"1"` are one group, for its name in an object is the same.
    pub(super) fn group_by(&mut self, list: &Item<'f>, rest: &'f [Expr]) -> Result<Item<'f>> {
        let (Some(items), Some(body)) = (self.items(list)?, rest.first()) else { return Ok(Item::NULL) };
        let mut groups: BTreeMap<Value, Vec<Item<'f>>> = BTreeMap::new();
        for item in items.iter() {
            self.spend(1)?;
            let key = self.body(body, item)?;
            let key = self.value(&key)?;
            if is_scalar(&key) {
                let size = self.weigh(&key)?;
                self.spend_order(size, groups.len())?;
                groups.entry(Value::Text(key_text(&key))).or_default().push(item.clone());
            }
        }
        Ok(Item::Map(Rc::new(groups.into_iter().map(|(key, items)| (key, Item::List(items.into()))).collect())))
    }

    /// Of a list the results in its order. Of a map one map of the entries that were made, or a list if others were.
    pub(super) fn map(&mut self, list: &Item<'f>, rest: &'f [Expr]) -> Result<Item<'f>> {
        let Some(body) = rest.first() else { return Ok(Item::NULL) };
        if list.is_null() {
            return Ok(Item::NULL);
        }
        if let Some(items) = self.items(list)? {
            let mut results = Vec::with_capacity(items.len());
            for item in items.iter() {
                self.spend(1)?;
                results.push(self.body(body, item)?);
            }
            return self.list(results);
        }
        let Some(entries) = self.entries(list)? else { return Ok(Item::NULL) };
        let mut results = Vec::with_capacity(entries.len());
        for (key, item) in entries.iter() {
            self.spend(1)?;
            results.push(self.entry(body, key, item)?);
        }
        let maps = results.iter().map(|result| self.entries(result)).collect::<Result<Option<Vec<_>>>>()?;
        let Some(maps) = maps else { return self.list(results) };
        let mut merged = BTreeMap::new();
        for (key, item) in maps.iter().flat_map(|map| map.iter()) {
            let size = self.weigh(key)?;
            self.spend_order(size, merged.len())?;
            merged.insert(key.clone(), item.clone());
        }
        self.map_of(merged)
    }

    fn entry(&mut self, body: &'f Expr, key: &Value, item: &Item<'f>) -> Result<Item<'f>> {
        match &body.node {
            Node::Lambda { names, body } => {
                if let [key_name, item_name, ..] = &names[..] {
                    self.with(key_name, Item::Value(key.clone()), |evaluator| {
                        evaluator.with(item_name, item.clone(), |evaluator| {
                            evaluator.within(item.clone(), |evaluator| evaluator.expr(body))
                        })
                    })
                } else {
                    self.within(item.clone(), |evaluator| evaluator.expr(body))
                }
            }
            _ => self.body(body, item),
        }
    }

    /// The items with the highest or lowest values; those whose value [`ranks`] not are left out. Of equal ones the later item is higher, so that `topN` is the end of the same
    /// order whose beginning `bottomN` is.
    pub(super) fn ranked(&mut self, function: Function, list: &Item<'f>, rest: &'f [Expr]) -> Result<Item<'f>> {
        let (Some(items), [body, amount]) = (self.items(list)?.filter(|_| !list.is_null()), rest) else {
            return Ok(Item::NULL);
        };
        let amount = match self.expr(amount)? {
            Item::Value(Value::Number(number)) => number.to_i64().and_then(|number| usize::try_from(number).ok()),
            _ => None,
        };
        let Some(amount) = amount else { return Ok(Item::NULL) };
        let (mut ranked, mut size) = (Vec::with_capacity(items.len()), Size::default());
        for item in items.iter() {
            self.spend(1)?;
            if let Item::Value(rank) = self.body(body, item)?
                && ranks(&rank)
            {
                size = size + self.weigh(&rank)?;
                ranked.push((rank, item));
            }
        }
        self.spend_order(size, ranked.len())?;
        ranked.sort_by(|(a, _), (b, _)| a.cmp(b));
        if function == Function::TopN {
            ranked.reverse();
        }
        Ok(Item::List(ranked.into_iter().take(amount).map(|(_, item)| item.clone()).collect()))
    }

    pub(super) fn aggregate(
        &mut self,
        function: Function,
        list: &Item<'f>,
        body: Option<&'f Expr>,
    ) -> Result<Item<'f>> {
        let Some(items) = self.members(list)? else { return Ok(Item::NULL) };
        let (mut values, mut size) = (Vec::with_capacity(items.len()), Size::default());
        for item in items.iter() {
            self.spend(1)?;
            let value = match body {
                Some(body) => self.body(body, item)?,
                None => item.clone(),
            };
            values.push(self.value_of_many(&value, &mut size)?);
        }
        self.spend_order(size, values.len())?;
        Ok(Item::Value(aggregated(function, values)))
    }

    /// The number below which so many of a hundred of what is a number lie; the one in the middle where no number is given.
    pub(super) fn percentile(&mut self, list: &Item<'f>, rest: &'f [Expr]) -> Result<Item<'f>> {
        let of = match rest {
            [_, of, ..] => match self.expr(of)? {
                Item::Value(Value::Number(of)) if of >= Decimal::ZERO && of <= Decimal::from_i64(100) => of,
                _ => return Ok(Item::NULL),
            },
            _ => Decimal::from_i64(50),
        };
        let Some(items) = self.members(list)? else { return Ok(Item::NULL) };
        let (mut numbers, mut size) = (Vec::with_capacity(items.len()), Size::default());
        for item in items.iter() {
            self.spend(1)?;
            let value = match rest.first() {
                Some(body) => self.body(body, item)?,
                None => item.clone(),
            };
            if let Value::Number(number) = self.value_of_many(&value, &mut size)? {
                numbers.push(number);
            }
        }
        self.spend_order(size, numbers.len())?;
        numbers.sort_unstable();
        Ok(Item::number(at_percentile(&numbers, of)))
    }

    /// What two lists have in common; items are equal as `=` says.
    pub(super) fn sets(
        &mut self,
        function: Function,
        (left, left_written): (Item<'f>, &Expr),
        (right, right_written): (Item<'f>, &Expr),
    ) -> Result<Item<'f>> {
        let nothing = if function == Function::Intersection { Item::NULL } else { Item::bool(false) };
        if left.is_null() || right.is_null() {
            return Ok(nothing);
        }
        let (Some(left), Some(right)) = (self.items(&left)?, self.items(&right)?) else { return Ok(nothing) };
        let (own, other) = ((left, left_written), (right, right_written));
        let ((left, left_written), (right, right_written)) =
            if function == Function::SupersetOf { (other, own) } else { (own, other) };
        let written = written_items(left_written);
        let mut common = Vec::new();
        for (at, item) in left.iter().enumerate() {
            if self.has((&right, right_written), (item, written.get(at)))? {
                common.push(item.clone());
            }
        }
        Ok(match function {
            Function::Intersects => Item::bool(!common.is_empty()),
            Function::Intersection if common.is_empty() => Item::NULL,
            Function::Intersection => Item::List(common.into()),
            _ => Item::bool(common.len() == left.len()),
        })
    }

    /// The value at a key. Keys are texts; what is none finds the key of its spelling.
    pub(super) fn get(&mut self, map: &Item<'f>, key: &Item<'f>) -> Result<Item<'f>> {
        let (Some(entries), false) = (self.entries(map)?, key.is_null()) else { return Ok(Item::NULL) };
        self.spend(1)?;
        let mut size = Size::default();
        let key = self.value_into(key, &mut size)?;
        self.spend_order(size, entries.len())?;
        Ok(entries.get(&Value::Text(key_text(&key))).cloned().unwrap_or(Item::NULL))
    }

    pub(super) fn sides(&mut self, function: Function, map: &Item<'f>) -> Result<Item<'f>> {
        let Some(entries) = self.entries(map)? else { return Ok(Item::NULL) };
        self.spend(entries.len())?;
        Ok(Item::List(if function == Function::Keys {
            entries.keys().cloned().map(Item::Value).collect()
        } else {
            entries.values().cloned().collect()
        }))
    }
}

/// The items of a list that is written out.
pub(super) fn written_items(list: &Expr) -> &[Expr] {
    match &list.node {
        Node::List(items) => items,
        _ => &[],
    }
}

/// An aggregate of values. What is of the wrong kind is skipped.
pub(crate) fn aggregated(function: Function, values: Vec<Value>) -> Value {
    let numbers =
        || values.iter().filter_map(|value| if let Value::Number(number) = value { Some(*number) } else { None });
    let sum = || numbers().try_fold(Decimal::ZERO, Decimal::checked_add);
    let comparable = || values.iter().filter(|value| matches!(value, Value::Number(_) | Value::Timestamp(_)));
    let found = match function {
        Function::Sum => sum().map(Value::Number),
        Function::Average => {
            let count = u64::try_from(numbers().count()).ok().map(Decimal::from_u64);
            sum().zip(count).and_then(|(sum, count)| sum.checked_div(count)).map(Value::Number)
        }
        Function::Min => comparable().min().cloned(),
        Function::Max => comparable().max().cloned(),
        _ => most_frequent(&values),
    };
    found.unwrap_or(Value::Null)
}

/// The number that lies at so many of a hundred of the way through sorted ones, on a straight line between the two next to it.
fn at_percentile(sorted: &[Decimal], of: Decimal) -> Option<Decimal> {
    let last = u64::try_from(sorted.len().checked_sub(1)?).ok()?;
    let place = of.checked_mul(Decimal::from_u64(last))?.checked_div(Decimal::from_i64(100))?;
    let whole = place.checked_floor()?;
    let low = usize::try_from(whole.to_i64()?).ok()?;
    let (below, above) = (*sorted.get(low)?, *sorted.get(low + 1).or(sorted.last())?);
    below.checked_add(above.checked_sub(below)?.checked_mul(place.checked_sub(whole)?)?)
}

fn most_frequent(values: &[Value]) -> Option<Value> {
    let mut counts: BTreeMap<&Value, u64> = BTreeMap::new();
    for value in values.iter().filter(|value| is_scalar(value)) {
        *counts.entry(value).or_default() += 1;
    }
    // Of several the first in the order of values: `max_by_key` keeps the last, so the order is turned round.
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(value, _)| value.clone())
}

/// Whether something can be grouped by it, and be the key of a map.
pub(super) fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Timestamp(_))
}
