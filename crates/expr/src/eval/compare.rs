//! Comparisons. Nothing compares with nothing: with null on either side each comparison is false.

use std::cmp::Ordering;

use super::{Evaluator, Item, Result};
use crate::ast::{Comparison, Expr, Literal, Node};
use crate::calendar::Interval;
use crate::time::Timestamp;
use crate::value::{Decimal, Value};

impl<'f> Evaluator<'f> {
    pub(super) fn compare(&mut self, comparison: Comparison, left: &'f Expr, right: &'f Expr) -> Result<bool> {
        match (self.is_clock(left), self.is_clock(right)) {
            (true, true) => Ok(comparison.holds(Ordering::Equal)),
            (false, true) => {
                let left = self.expr(left)?;
                Ok(self.compare_with_now(comparison, &left))
            }
            (true, false) => {
                let right = self.expr(right)?;
                Ok(self.compare_with_now(comparison.mirrored(), &right))
            }
            (false, false) => {
                if let (Node::Kept { index, naive }, Node::Literal(Literal::Number(number))) = (&left.node, &right.node)
                {
                    // As many steps as the two take by themselves.
                    self.spend(2)?;
                    let left = self.kept_item(*index, naive, Some((comparison, *number)))?;
                    return self.compare_items(comparison, &left, &Item::number(Some(*number)));
                }
                if let (Node::Literal(Literal::Number(_)), Node::Kept { .. }) = (&left.node, &right.node) {
                    return self.compare(comparison.mirrored(), right, left);
                }
                let (left_item, right_item) = (self.expr(left)?, self.expr(right)?);
                let left_item = adapted(left_item, &left.node, &right_item);
                let right_item = adapted(right_item, &right.node, &left_item);
                self.compare_items(comparison, &left_item, &right_item)
            }
        }
    }

    /// The answer changes where the clock passes what it is compared with.
    fn compare_with_now(&mut self, comparison: Comparison, item: &Item<'f>) -> bool {
        if item.is_null() {
            return false;
        }
        let Some(time) = self.time(item) else { return comparison == Comparison::NotEqual };
        let holds = |now: Timestamp| compare_times(comparison, time, Interval::point(now));
        let answer = holds(self.now);
        let changes = [time.start, time.start.next(), time.last, time.last.next()];
        let change = changes.into_iter().filter(|change| *change > self.now && holds(*change) != answer).min();
        if let Some(change) = change {
            self.until(change);
        }
        answer
    }

    pub(super) fn compare_items(&mut self, comparison: Comparison, left: &Item<'f>, right: &Item<'f>) -> Result<bool> {
        if left.is_null() || right.is_null() {
            return Ok(false);
        }
        if is_time(left) || is_time(right) {
            return Ok(match (self.time(left), self.time(right)) {
                (Some(left), Some(right)) => compare_times(comparison, left, right),
                _ => comparison == Comparison::NotEqual,
            });
        }
        if let Some((left, right)) = self.spelled_times(left, right) {
            return Ok(compare_times(comparison, left, right));
        }
        match comparison {
            Comparison::Equal => self.equal(left, right),
            Comparison::NotEqual => Ok(!self.equal(left, right)?),
            Comparison::Less | Comparison::LessEqual | Comparison::Greater | Comparison::GreaterEqual => {
                match (left, right) {
                    (Item::Value(Value::Number(left)), Item::Value(Value::Number(right))) => {
                        Ok(comparison.holds(left.cmp(right)))
                    }
                    // JSON has no instants: what it has instead are texts that name them. Other texts are not ordered.
                    (Item::Value(Value::Text(_)), Item::Value(Value::Text(_))) => {
                        Ok(match (self.time(left), self.time(right)) {
                            (Some(left), Some(right)) => compare_times(comparison, left, right),
                            _ => false,
                        })
                    }
                    _ => Ok(false),
                }
            }
        }
    }

    /// Two texts that name instants, each in a spelling of its own.
    fn spelled_times(&mut self, left: &Item<'f>, right: &Item<'f>) -> Option<(Interval, Interval)> {
        // No shorter text names a time.
        let begins = |text: &str| text.len() >= 8 && text.as_bytes().iter().take(4).all(u8::is_ascii_digit);
        match (left, right) {
            (Item::Value(Value::Text(one)), Item::Value(Value::Text(other)))
                if one != other && begins(one) && begins(other) =>
            {
                Some((self.time(left)?, self.time(right)?))
            }
            _ => None,
        }
    }

    /// Whether two things that are there are the same. Events are when they are one event.
    pub(super) fn equal(&mut self, left: &Item<'f>, right: &Item<'f>) -> Result<bool> {
        self.spend(1)?;
        match (left, right) {
            (Item::Event(left), Item::Event(right)) => Ok(left == right),
            (Item::Event(_), _) | (_, Item::Event(_)) => Ok(false),
            (Item::Value(left), Item::Value(right)) => self.equal_values(left, right),
            (Item::List(left), Item::List(right)) => {
                if left.len() != right.len() {
                    return Ok(false);
                }
                for (left, right) in left.iter().zip(right.iter()) {
                    if !self.equal(left, right)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.equal_values(&left, &right)
            }
        }
    }

    /// A set is equal to a list of its members in any order.
    fn equal_values(&mut self, left: &Value, right: &Value) -> Result<bool> {
        match (left, right) {
            (Value::Set(members), Value::List(items)) | (Value::List(items), Value::Set(members)) => {
                let (size, _) = (self.weigh(left)?, self.weigh(right)?);
                self.spend_order(size, items.len())?;
                Ok(Value::set(items.to_vec()) == Value::Set(members.clone()))
            }
            (Value::Text(left), Value::Text(right)) => {
                self.spend(left.len().min(right.len()) / 64)?;
                Ok(left == right)
            }
            (Value::List(_), Value::List(_))
            | (Value::Set(_), Value::Set(_))
            | (Value::Object(_), Value::Object(_)) => {
                self.weigh(left)?;
                self.weigh(right)?;
                Ok(left == right)
            }
            _ => Ok(left == right),
        }
    }
}

/// A value written out takes on the type of what it is compared with, where it can be read as one.
pub(super) fn adapted<'f>(item: Item<'f>, node: &Node, other: &Item<'f>) -> Item<'f> {
    let Node::Literal(literal) = node else { return item };
    let adapted = match (literal, other) {
        (Literal::Text(text), Item::Value(Value::Bool(_))) => match &**text {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
        (Literal::Text(text), Item::Value(Value::Number(_))) => Decimal::parse(text).ok().map(Value::Number),
        (Literal::Number(number), Item::Value(Value::Text(_))) => Some(Value::text(&number.to_string())),
        (Literal::Bool(truth), Item::Value(Value::Text(_))) => Some(Value::text(if *truth { "true" } else { "false" })),
        _ => None,
    };
    adapted.map_or(item, Item::Value)
}

fn is_time(item: &Item<'_>) -> bool {
    matches!(item, Item::Value(Value::Timestamp(_)) | Item::Day(_))
}

/// A day is equal to every instant in it, before what follows its last and after what precedes its first.
fn compare_times(comparison: Comparison, left: Interval, right: Interval) -> bool {
    let meets = left.start <= right.last && right.start <= left.last;
    let (before, after) = (left.last < right.start, left.start > right.last);
    match comparison {
        Comparison::Equal => meets,
        Comparison::NotEqual => !meets,
        Comparison::Less => before,
        Comparison::LessEqual => before || meets,
        Comparison::Greater => after,
        Comparison::GreaterEqual => after || meets,
    }
}
