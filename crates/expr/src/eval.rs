//! The one evaluator.
//!
//! It walks the tree, within a budget of steps, and notes with everything that it looks at on the clock until when that stays so.
//! What is not looked at, the right side of an `and` whose left side is false, need not be noted: until what was looked at changes,
//! it will not be looked at either.

mod bindings;
mod call;
mod chain;
mod compare;
mod item;
mod list;
mod price;
mod text;
mod time;

use std::rc::Rc;
use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

pub(crate) use item::{Item, key_text};
pub use list::ranks;
pub(crate) use time::{counts, reach};

use crate::ast::{Arithmetic, Comparison, Expr, Literal, Name, Node, Word};
use crate::calendar::{Zone, is_shared};
use crate::facts::Facts;
use crate::limits::{SCAN_EVENTS_MAX, VALUE_MAX};
use crate::pattern::Pattern;
use crate::plan::{Aggregate, Window};
use crate::time::Timestamp;
use crate::value::{Decimal, Value};

/// There is no answer within the bounds. Where one was kept from before, it stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverBudget {
    /// The steps are used up.
    #[error("the rule took more steps than it may")]
    Steps,
    /// A value is larger than [`VALUE_MAX`].
    #[error("the rule makes or looks at a value that is larger than it may be items_max={} bytes_max={}", VALUE_MAX.items, VALUE_MAX.bytes)]
    Value,
    /// A pattern that looks around or back would have to be tried in more ways than are tried.
    #[error("a pattern of the rule would have to be tried in more ways than are tried")]
    Pattern,
    /// Nobody waits for the answer any more: see [`Facts::is_given_up`]. It says nothing of the rule.
    #[error("nobody waits for the answer any more")]
    GivenUp,
}

impl OverBudget {
    /// Its name for callers.
    pub const CODE: &'static str = "over_budget";
}

/// In what an evaluation takes place.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'f> {
    /// The instant of the evaluation.
    pub now: Timestamp,
    /// Where days and other pieces of the calendar begin.
    pub zone: &'f Zone,
    /// How many steps it may take: [`STEPS_MAX`](crate::limits::STEPS_MAX) unless there is a reason.
    pub steps_max: u64,
}

pub(crate) struct Evaluator<'f> {
    /// What [`Node::Kept`] stands for.
    aggregates: &'f [Aggregate],
    facts: &'f dyn Facts,
    now: Timestamp,
    zone: &'f Zone,
    steps_left: u64,
    steps_max: u64,
    /// Below how many steps left it is asked again whether somebody waits.
    looks_below: u64,
    /// The events that have been opened, bit by bit.
    opened: Vec<u64>,
    /// The patterns that have been matched.
    patterns: Vec<(Name, Option<Arc<Pattern>>)>,
    moves_at: Option<Timestamp>,
    rolls_over_at: Option<Timestamp>,
    /// Whether it looked at events that are not all there.
    is_truncated: bool,
    /// How many of the windows around it have left all behind that is not seen.
    spared: u32,
    /// What the rule speaks of, the profile first.
    contexts: SmallVec<[Item<'f>; 2]>,
    variables: Vec<(&'f Name, Bound<'f>)>,
}

/// What a name stands for.
enum Bound<'f> {
    Item(Item<'f>),
    /// The clock itself, so that a comparison with its name is as exact as one with `now`.
    Clock,
}

pub(crate) type Result<T> = std::result::Result<T, OverBudget>;

impl<'f> Evaluator<'f> {
    pub(crate) fn new(aggregates: &'f [Aggregate], facts: &'f dyn Facts, frame: &Frame<'f>) -> Self {
        let profile = Item::Tree(facts.attributes());
        Self {
            aggregates,
            facts,
            now: frame.now,
            zone: frame.zone,
            steps_left: frame.steps_max,
            steps_max: frame.steps_max,
            looks_below: frame.steps_max.saturating_sub(price::STEPS_BEFORE),
            opened: Vec::new(),
            patterns: Vec::new(),
            moves_at: None,
            rolls_over_at: None,
            is_truncated: false,
            spared: 0,
            contexts: smallvec![profile],
            variables: Vec::new(),
        }
    }

    /// Until when what was evaluated stays so.
    pub(crate) fn changes_at(&self) -> Option<Timestamp> {
        self.moves_at.into_iter().chain(self.rolls_over_at).min()
    }

    /// Until when it stays so, the rollovers of the calendar aside.
    pub(crate) fn moves_at(&self) -> Option<Timestamp> {
        self.moves_at
    }

    /// Whether what was evaluated rests on fewer events than it speaks of.
    pub(crate) fn is_truncated(&self) -> bool {
        self.is_truncated
    }

    /// How many steps it took.
    pub(crate) fn steps(&self) -> u64 {
        self.steps_max - self.steps_left
    }

    pub(crate) fn expr(&mut self, expr: &'f Expr) -> Result<Item<'f>> {
        self.spend(1)?;
        Ok(match &expr.node {
            Node::Literal(literal) => Item::Value(value_of(literal)),
            Node::Context(scopes) => self.context(*scopes),
            Node::Profile => Item::Tree(self.facts.attributes()),
            Node::Events => self.events()?,
            Node::Variable(name) => self.variable(name),
            Node::Path { of, names } => {
                let of = self.expr(of)?;
                self.at(of, names)?
            }
            Node::Word(word) => self.word(*word),
            Node::Not(_) | Node::And(_) | Node::Or(_) | Node::Quantifier(..) => Item::bool(self.holds(expr)?),
            Node::Compare(comparison, left, right) => Item::bool(self.compare(*comparison, left, right)?),
            Node::Arithmetic(operator, left, right) => self.arithmetic(*operator, left, right)?,
            Node::Negate(inner) => match self.expr(inner)? {
                Item::Value(Value::Number(number)) => Item::number(Decimal::ZERO.checked_sub(number)),
                _ => Item::NULL,
            },
            Node::If { test, then, otherwise } => {
                let branch = if self.holds(test)? { then } else { otherwise };
                self.expr(branch)?
            }
            Node::List(items) => {
                let items = items.iter().map(|item| self.expr(item)).collect::<Result<Vec<_>>>()?;
                self.list(items)?
            }
            Node::Object(members) => {
                let mut object = Vec::with_capacity(members.len());
                for (name, member) in members {
                    object.push((Value::Text(name.clone()), self.expr(member)?));
                }
                self.map_of(object.into_iter().collect())?
            }
            Node::Filter { list, condition } => self.filter(list, condition)?,
            Node::Call { function, arguments } => self.call(*function, arguments)?,
            // A body is taken apart by the function that it is an argument of.
            Node::Lambda { body, .. } => self.expr(body)?,
            Node::Occurs { subject, when } => Item::bool(self.occurs(subject, when)?),
            Node::Select(bindings) => self.select(bindings)?,
            Node::Fold { function, value, bindings } => self.fold(*function, value.as_deref(), bindings)?,
            Node::Let { name, value, body } => self.with_value(name, value, |evaluator| evaluator.expr(body))?,
            Node::Chain { events, order, steps } => Item::bool(self.chain(events, order, steps)?),
            Node::Kept { index, naive } => self.kept_item(*index, naive, None)?,
        })
    }

    /// The truth of an expression where a Boolean is asked for.
    pub(crate) fn holds(&mut self, expr: &'f Expr) -> Result<bool> {
        self.spend(1)?;
        match &expr.node {
            Node::Not(inner) => Ok(!self.holds(inner)?),
            Node::And(parts) => {
                for part in parts {
                    if !self.holds(part)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Node::Or(parts) => {
                for part in parts {
                    if self.holds(part)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            // One item is enough.
            Node::Filter { list, condition } => self.exists(list, condition),
            Node::Select(bindings) => self.finds(bindings),
            Node::Quantifier(quantifier, bindings) => self.quantified(*quantifier, bindings),
            Node::Let { name, value, body } => self.with_value(name, value, |evaluator| evaluator.holds(body)),
            Node::Literal(_)
            | Node::Context(_)
            | Node::Profile
            | Node::Events
            | Node::Variable(_)
            | Node::Path { .. }
            | Node::Word(_)
            | Node::Compare(..)
            | Node::Arithmetic(..)
            | Node::Negate(_)
            | Node::If { .. }
            | Node::List(_)
            | Node::Object(_)
            | Node::Call { .. }
            | Node::Lambda { .. }
            | Node::Occurs { .. }
            | Node::Fold { .. }
            | Node::Chain { .. }
            | Node::Kept { .. } => Ok(self.expr(expr)?.truth()),
        }
    }

    /// The truth of a condition that speaks of an event.
    pub(crate) fn holds_of_event(&mut self, condition: &'f Expr, event: usize) -> Result<bool> {
        self.within(Item::Event(event), |evaluator| evaluator.holds(condition))
    }

    /// The value of an expression that speaks of an event.
    pub(crate) fn value_of_event(&mut self, expr: &'f Expr, event: usize) -> Result<Value> {
        let item = self.within(Item::Event(event), |evaluator| evaluator.expr(expr))?;
        self.value(&item)
    }

    /// The answer may be another from this instant on.
    fn until(&mut self, at: Timestamp) {
        if at > self.now {
            self.moves_at = Some(self.moves_at.map_or(at, |earliest| earliest.min(at)));
        }
    }

    /// The answer may be another from this instant on, at which the calendar rolls over for everybody.
    fn until_rollover(&mut self, at: Timestamp) {
        if at > self.now {
            self.rolls_over_at = Some(self.rolls_over_at.map_or(at, |earliest| earliest.min(at)));
        }
    }

    fn context(&self, scopes: u32) -> Item<'f> {
        let scopes = usize::try_from(scopes).unwrap_or(usize::MAX);
        let at = self.contexts.len().checked_sub(1).and_then(|last| last.checked_sub(scopes));
        at.map_or(Item::NULL, |at| self.contexts[at].clone())
    }

    fn variable(&mut self, name: &Name) -> Item<'f> {
        match self.bound(name) {
            Some(Bound::Item(item)) => item.clone(),
            Some(Bound::Clock) => self.word(Word::Now),
            None => Item::NULL,
        }
    }

    fn bound(&self, name: &Name) -> Option<&Bound<'f>> {
        self.variables.iter().rev().find(|(bound, _)| *bound == name).map(|(_, bound)| bound)
    }

    /// Whether an expression is the clock, by its own name or another.
    fn is_clock(&self, expr: &Expr) -> bool {
        match &expr.node {
            Node::Word(Word::Now) => true,
            Node::Variable(name) => matches!(self.bound(name), Some(Bound::Clock)),
            _ => false,
        }
    }

    /// Evaluates the body of a `let`.
    fn with_value<T>(
        &mut self,
        name: &'f Name,
        value: &'f Expr,
        inner: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let bound = if self.is_clock(value) { Bound::Clock } else { Bound::Item(self.expr(value)?) };
        self.variables.push((name, bound));
        let result = inner(self);
        self.variables.pop();
        result
    }

    /// Evaluates something that speaks of an item.
    fn within<T>(&mut self, item: Item<'f>, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.contexts.push(item);
        let result = inner(self);
        self.contexts.pop();
        result
    }

    /// Evaluates something that knows an item by a name.
    fn with<T>(&mut self, name: &'f Name, item: Item<'f>, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.variables.push((name, Bound::Item(item)));
        let result = inner(self);
        self.variables.pop();
        result
    }

    fn first_event(&self) -> usize {
        self.facts.event_count().saturating_sub(SCAN_EVENTS_MAX)
    }

    fn events(&mut self) -> Result<Item<'f>> {
        let (first, count) = (self.first_event(), self.facts.event_count());
        self.spend(count - first)?;
        self.is_truncated |= self.spared == 0 && (first > 0 || self.facts.unseen().is_some());
        Ok(Item::List((first..count).map(Item::Event).collect()))
    }

    fn arithmetic(&mut self, operator: Arithmetic, left: &'f Expr, right: &'f Expr) -> Result<Item<'f>> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        Ok(match (left, right) {
            (Item::Value(Value::Number(left)), Item::Value(Value::Number(right))) => {
                Item::number(calculate(operator, left, right))
            }
            (left, right) if operator == Arithmetic::Divide => self.divide_maps(&left, &right)?,
            _ => Item::NULL,
        })
    }

    /// Two maps are divided key by key; keys that only one of them has, and quotients that there are not, are left out.
    fn divide_maps(&mut self, left: &Item<'f>, right: &Item<'f>) -> Result<Item<'f>> {
        let (Some(left), Some(right)) = (self.entries(left)?, self.entries(right)?) else { return Ok(Item::NULL) };
        self.spend(left.len() + right.len())?;
        let quotient = |key: &Value, left: &Item<'f>| match (left, right.get(key)?) {
            (Item::Value(Value::Number(left)), Item::Value(Value::Number(right))) => left.checked_div(*right),
            _ => None,
        };
        let quotients = left.iter().filter_map(|(key, left)| {
            let quotient = quotient(key, left)?;
            Some((key.clone(), Item::number(Some(quotient))))
        });
        Ok(Item::Map(Rc::new(quotients.collect())))
    }

    /// Whether nothing that is not seen counts in a window, now or later.
    fn leaves_unseen_behind(&self, window: Window) -> bool {
        if window == Window::Lifetime {
            return false;
        }
        let first = self.first_event();
        let cut = (first > 0).then(|| self.facts.event_time(first));
        let unseen = self.facts.unseen().max(cut);
        unseen.is_none_or(|at| counts(window, at, self.now, self.zone) == (false, None))
    }

    /// An aggregate, perhaps for nothing but a comparison with a number.
    fn kept_item(&mut self, index: usize, naive: &'f Expr, against: Option<(Comparison, Decimal)>) -> Result<Item<'f>> {
        let Some(aggregate) = self.aggregates.get(index) else { return self.expr(naive) };
        let kept = match against {
            Some((comparison, number)) => self.facts.kept_against(aggregate, comparison, number),
            None => self.facts.kept(aggregate),
        };
        match kept {
            None => {
                let is_spared = self.leaves_unseen_behind(aggregate.window);
                self.spared += u32::from(is_spared);
                let item = if aggregate.is_truth() { self.holds(naive).map(Item::bool) } else { self.expr(naive) };
                self.spared -= u32::from(is_spared);
                item
            }
            Some(kept) => {
                match (kept.changes_at, aggregate.window) {
                    (None, _) => {}
                    (Some(at), Window::Calendar(_, unit)) if is_shared(unit) => self.until_rollover(at),
                    (Some(at), _) => self.until(at),
                }
                Ok(Item::Value(kept.value))
            }
        }
    }
}

fn value_of(literal: &Literal) -> Value {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(truth) => Value::Bool(*truth),
        Literal::Number(number) => Value::Number(*number),
        Literal::Text(text) => Value::Text(text.clone()),
    }
}

fn calculate(operator: Arithmetic, left: Decimal, right: Decimal) -> Option<Decimal> {
    match operator {
        Arithmetic::Add => left.checked_add(right),
        Arithmetic::Subtract => left.checked_sub(right),
        Arithmetic::Multiply => left.checked_mul(right),
        Arithmetic::Divide => left.checked_div(right),
        Arithmetic::Remainder => left.units().checked_rem(right.units()).map(Decimal::from_units),
    }
}
