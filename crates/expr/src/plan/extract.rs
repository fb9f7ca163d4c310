//! Finding the aggregates of a rule that may be kept, and putting [`Node::Kept`] in their places.

use super::depends::{reads_clock, types_of};
use super::{Aggregate, Argument, EventTypes, Measure, Window};
use crate::ast::{
    Argument as Takes, Binding, Comparison, Expr, Function, Literal, Moment, Name, Node, Side, Unit, When, Which, Word,
};
use crate::pql;
use crate::problem::Place;
use crate::rule::Purpose;

/// Takes the aggregates out of a rule.
pub(super) fn extract(root: &mut Expr, purpose: Purpose) -> Vec<Aggregate> {
    let mut extractor = Extractor { aggregates: Vec::new() };
    match purpose {
        Purpose::Condition => extractor.truth(root),
        Purpose::Value => extractor.value(root),
    }
    extractor.aggregates
}

struct Extractor {
    aggregates: Vec<Aggregate>,
}

impl Extractor {
    /// Something whose truth alone is asked for.
    fn truth(&mut self, expr: &mut Expr) {
        match &mut expr.node {
            Node::Not(inner) => self.truth(inner),
            Node::And(parts) | Node::Or(parts) => parts.iter_mut().for_each(|part| self.truth(part)),
            Node::Let { value, body, .. } => {
                self.value(value);
                self.truth(body);
            }
            Node::Filter { .. } => match chosen(expr) {
                Some(chosen) => self.keep(expr, chosen, Measure::Exists),
                None => self.value(expr),
            },
            _ => self.value(expr),
        }
    }

    fn value(&mut self, expr: &mut Expr) {
        if let Some((chosen, measure)) = measured(expr) {
            return self.keep(expr, chosen, measure);
        }
        match &mut expr.node {
            Node::Not(_) | Node::And(_) | Node::Or(_) => self.truth(expr),
            Node::If { test, then, otherwise } => {
                self.truth(test);
                self.value(then);
                self.value(otherwise);
            }
            Node::Path { of: part, .. } | Node::Negate(part) => self.value(part),
            Node::List(parts) => parts.iter_mut().for_each(|part| self.value(part)),
            Node::Object(members) => members.iter_mut().for_each(|(_, part)| self.value(part)),
            Node::Compare(_, left, right) | Node::Arithmetic(_, left, right) => {
                self.value(left);
                self.value(right);
            }
            Node::Call { function, arguments } => {
                for (argument, takes) in arguments.iter_mut().zip(function.spec().arguments) {
                    if *takes == Takes::Value {
                        self.value(argument);
                    }
                }
            }
            Node::Occurs { subject, .. } => self.value(subject),
            Node::Let { value, body, .. } => {
                self.value(value);
                self.value(body);
            }
            // What is evaluated once for each item stays as it is: it is no aggregate over all events, or one that would be asked for
            // over and over.
            Node::Filter { .. }
            | Node::Lambda { .. }
            | Node::Select(_)
            | Node::Quantifier(..)
            | Node::Fold { .. }
            | Node::Chain { .. }
            | Node::Literal(_)
            | Node::Context(_)
            | Node::Profile
            | Node::Events
            | Node::Variable(_)
            | Node::Word(_)
            | Node::Kept { .. } => {}
        }
    }

    fn keep(&mut self, expr: &mut Expr, chosen: Chosen, measure: Measure) {
        let filter = chosen.filter();
        let types = filter.as_ref().and_then(|filter| types_of(filter, &Node::Context(0)));
        let events = types.map_or(EventTypes::All, EventTypes::Some);
        let aggregate = Aggregate::new(filter, chosen.window, measure, events);
        let index = match self.aggregates.iter().position(|known| *known == aggregate) {
            Some(index) => index,
            None => {
                self.aggregates.push(aggregate);
                self.aggregates.len() - 1
            }
        };
        let naive = Box::new(Expr::at(expr.node.clone(), expr.at.clone()));
        expr.node = Node::Kept { index, naive };
    }
}

/// Events that are chosen by looking at each alone.
struct Chosen {
    conditions: Vec<Expr>,
    window: Window,
}

impl Chosen {
    /// All conditions in one spelling and order.
    fn filter(&self) -> Option<Expr> {
        let mut conditions: Vec<(String, Expr)> =
            self.conditions.iter().map(|condition| (pql::print(condition), condition.clone())).collect();
        conditions.sort_by(|(a, _), (b, _)| a.cmp(b));
        conditions.dedup_by(|(a, _), (b, _)| a == b);
        let conditions: Vec<Expr> = conditions.into_iter().map(|(_, condition)| condition).collect();
        if conditions.is_empty() { None } else { Some(Expr::and(conditions, Place::Nowhere)) }
    }

    /// With another condition; none if that looks at more than the event, or is a second window.
    fn and(mut self, condition: &Expr) -> Option<Self> {
        if let Node::And(parts) = &condition.node {
            return parts.iter().try_fold(self, Self::and);
        }
        if let Some(window) = window(condition) {
            if self.window != Window::Lifetime {
                return None;
            }
            self.window = window;
            return Some(self);
        }
        if !is_of_event(condition) {
            return None;
        }
        self.conditions.push(canonical(condition));
        Some(self)
    }
}

/// The events that a list holds, if they are chosen by looking at each alone.
fn chosen(list: &Expr) -> Option<Chosen> {
    match &list.node {
        Node::Events => Some(Chosen { conditions: Vec::new(), window: Window::Lifetime }),
        Node::Filter { list, condition } => chosen(list)?.and(condition),
        _ => None,
    }
}

/// The measure that an expression takes of such events.
fn measured(expr: &Expr) -> Option<(Chosen, Measure)> {
    let Node::Call { function, arguments } = &expr.node else { return None };
    match (function, &arguments[..]) {
        (Function::Exists, [list, condition]) => Some((chosen(list)?.and(condition)?, Measure::Exists)),
        (Function::Count, [Expr { node: Node::Call { function: Function::Distinct, arguments }, .. }]) => {
            let (chosen, argument) = values(arguments.first()?)?;
            Some((chosen, Measure::DistinctCount(argument)))
        }
        (Function::Count, [list]) => Some((chosen(list)?, Measure::Count)),
        (Function::Distinct, [list]) => {
            let (chosen, argument) = values(list)?;
            Some((chosen, Measure::UniqueList(argument)))
        }
        (Function::Head, [list]) => {
            let (chosen, by, amount, is_highest, argument) = ranked(list)?;
            if !is_path(by, "timestamp") || amount == 0 {
                return None;
            }
            Some((chosen, if is_highest { Measure::Last(argument) } else { Measure::First(argument) }))
        }
        (Function::Map, [list, body]) => {
            if let Some((chosen, by, amount, is_highest, argument)) = ranked(expr) {
                let by = canonical(by);
                return Some((chosen, Measure::Top { argument, by, amount, is_highest }));
            }
            grouped(list, body)
        }
        (function, [list, rest @ ..]) => {
            let argument = match rest {
                [value] => of_event(value)?,
                _ => return None,
            };
            Some((chosen(list)?, of_values(*function, argument)?))
        }
        _ => None,
    }
}

fn of_values(function: Function, argument: Argument) -> Option<Measure> {
    match function {
        Function::Sum => Some(Measure::Sum(argument)),
        Function::Average => Some(Measure::Average(argument)),
        Function::Min => Some(Measure::Min(argument)),
        Function::Max => Some(Measure::Max(argument)),
        Function::MostFrequent => Some(Measure::MostFrequent(argument)),
        _ => None,
    }
}

/// `events.a.b` or `events.map(value)`: what each event brings.
fn values(list: &Expr) -> Option<(Chosen, Argument)> {
    match &list.node {
        Node::Path { of, names } => {
            let event = Box::new(Expr::new(Node::Context(0)));
            let value = Expr::new(Node::Path { of: event, names: names.clone() });
            Some((chosen(of)?, Argument { value, spreads: true }))
        }
        Node::Call { function: Function::Map, arguments } => match &arguments[..] {
            // Whole events are told apart by which they are, and kept values by what they are.
            [_, value] if matches!(canonical(value).node, Node::Context(_)) => None,
            [list, value] => Some((chosen(list)?, of_event(value)?)),
            _ => None,
        },
        _ => None,
    }
}

/// `events.topN(by, n).map(value)`.
fn ranked(list: &Expr) -> Option<(Chosen, &Expr, usize, bool, Argument)> {
    let Node::Call { function: Function::Map, arguments } = &list.node else { return None };
    let [Expr { node: Node::Call { function, arguments }, .. }, value] = &arguments[..] else { return None };
    let is_highest = match function {
        Function::TopN => true,
        Function::BottomN => false,
        _ => return None,
    };
    let [list, by, amount] = &arguments[..] else { return None };
    let Node::Literal(Literal::Number(amount)) = &amount.node else { return None };
    let amount = usize::try_from(amount.to_i64()?).ok()?;
    if !is_of_event(by) || may_be_day(by) {
        return None;
    }
    Some((chosen(list)?, by, amount, is_highest, of_event(value)?))
}

/// Whether a day may come of it, which ranks nothing, while the instant that is kept of it would.
fn may_be_day(expr: &Expr) -> bool {
    match &expr.node {
        Node::Call { function: Function::Date, .. } => true,
        Node::If { then, otherwise, .. } => may_be_day(then) || may_be_day(otherwise),
        Node::Let { body, .. } => may_be_day(body),
        _ => false,
    }
}

/// `events.groupBy(by).map((K, G) => mapEntry(K, G.sum(value)))`.
fn grouped(list: &Expr, body: &Expr) -> Option<(Chosen, Measure)> {
    let Node::Call { function: Function::GroupBy, arguments } = &list.node else { return None };
    let [list, by] = &arguments[..] else { return None };
    let Node::Lambda { names, body } = &body.node else { return None };
    let ([key, group], Node::Call { function: Function::MapEntry, arguments }) = (&names[..], &body.node) else {
        return None;
    };
    let [entry_key, Expr { node: Node::Call { function, arguments }, .. }] = &arguments[..] else { return None };
    let is = |expr: &Expr, name: &Name| matches!(&expr.node, Node::Variable(variable) if variable == name);
    if !is(entry_key, key) || key == group || !is_of_event(by) {
        return None;
    }
    let measure = match &arguments[..] {
        [of] if is(of, group) && *function == Function::Count => Measure::Count,
        [of, value] if is(of, group) => of_values(*function, of_event(value)?)?,
        _ => return None,
    };
    Some((chosen(list)?, Measure::Grouped { by: canonical(by), measure: Box::new(measure) }))
}

fn of_event(value: &Expr) -> Option<Argument> {
    is_of_event(value).then(|| Argument { value: canonical(value), spreads: false })
}

/// The window that a condition on the time of an event is.
pub(super) fn window(condition: &Expr) -> Option<Window> {
    let Node::Occurs { subject, when } = &condition.node else { return None };
    if !is_path(subject, "timestamp") {
        return None;
    }
    let word = |moment: &Moment| match moment {
        Moment::At(expr) => match expr.node {
            Node::Word(word) => Some(word),
            _ => None,
        },
        Moment::Calendar(..) => None,
    };
    match when {
        When::Distance { comparison, amount, unit, side: Side::Before, moment } => {
            let is_inclusive = match comparison {
                Comparison::LessEqual => true,
                Comparison::Less => false,
                _ => return None,
            };
            let Node::Literal(Literal::Number(amount)) = &amount.node else { return None };
            let amount = amount.to_i64().filter(|amount| *amount >= 0)?;
            (word(moment) == Some(Word::Now)).then_some(Window::Sliding { amount, unit: *unit, is_inclusive })
        }
        When::On(Moment::Calendar(which, unit)) => Some(Window::Calendar(*which, *unit)),
        When::On(moment) => match word(moment)? {
            Word::Now => None,
            Word::Yesterday => Some(Window::Calendar(Which::Last, Unit::Day)),
            Word::Today => Some(Window::Calendar(Which::This, Unit::Day)),
            Word::Tomorrow => Some(Window::Calendar(Which::Next, Unit::Day)),
        },
        When::Distance { side: Side::After, .. } | When::Side(..) | When::Between(..) => None,
    }
}

fn is_path(expr: &Expr, name: &str) -> bool {
    matches!(&expr.node, Node::Path { of, names }
        if of.node == Node::Context(0) && matches!(&names[..], [only] if **only == *name))
}

/// Whether an expression looks at the event that it speaks of and at nothing else, and never comes to something else.
fn is_of_event(expr: &Expr) -> bool {
    !matches!(expr.node, Node::Lambda { .. }) && !reads_clock(expr) && is_within(expr, 0, &mut Vec::new())
}

/// The same below so many scopes, with these names bound.
fn is_within<'a>(expr: &'a Expr, scopes: u32, bound: &mut Vec<&'a Name>) -> bool {
    match &expr.node {
        Node::Profile | Node::Events | Node::Chain { .. } | Node::Kept { .. } => false,
        Node::Call { function: Function::InSegment | Function::EnteredSegment | Function::LeftSegment, .. } => false,
        Node::Context(climbs) => *climbs <= scopes,
        Node::Variable(name) => bound.contains(&name),
        Node::Filter { list, condition } => is_within(list, scopes, bound) && is_within(condition, scopes + 1, bound),
        Node::Call { function, arguments } => {
            arguments.iter().zip(function.spec().arguments).all(|(argument, takes)| match takes {
                Takes::Value => is_within(argument, scopes, bound),
                Takes::Body => is_within(argument, scopes + 1, bound),
            })
        }
        Node::Lambda { names, body } => {
            let before = bound.len();
            bound.extend(names);
            let is = is_within(body, scopes, bound);
            bound.truncate(before);
            is
        }
        Node::Let { name, value, body } => {
            let is = is_within(value, scopes, bound);
            bound.push(name);
            let is = is && is_within(body, scopes, bound);
            bound.pop();
            is
        }
        Node::Select(bindings) | Node::Quantifier(_, bindings) => are_within(bindings, None, scopes, bound),
        Node::Fold { value, bindings, .. } => are_within(bindings, value.as_deref(), scopes, bound),
        Node::Literal(_)
        | Node::Word(_)
        | Node::Path { .. }
        | Node::Not(_)
        | Node::And(_)
        | Node::Or(_)
        | Node::Compare(..)
        | Node::Arithmetic(..)
        | Node::Negate(_)
        | Node::If { .. }
        | Node::List(_)
        | Node::Object(_)
        | Node::Occurs { .. } => {
            let mut is = true;
            expr.each_part(&mut |part| is = is && is_within(part, scopes, bound));
            is
        }
    }
}

fn are_within<'a>(bindings: &'a [Binding], value: Option<&'a Expr>, scopes: u32, bound: &mut Vec<&'a Name>) -> bool {
    let before = bound.len();
    let mut is = true;
    for binding in bindings {
        is = is && is_within(&binding.list, scopes, bound);
        bound.push(&binding.name);
        is = is && binding.condition.iter().all(|condition| is_within(condition, scopes, bound));
    }
    is = is && value.is_none_or(|value| is_within(value, scopes, bound));
    bound.truncate(before);
    is
}

/// The same in the one spelling of it: what is compared stands before the value that it is compared with, and the type of an
/// event, which is always a text, is compared by `=`.
fn canonical(expr: &Expr) -> Expr {
    let node = match &expr.node {
        Node::Compare(comparison, left, right)
            if matches!(left.node, Node::Literal(_)) && !matches!(right.node, Node::Literal(_)) =>
        {
            Node::Compare(comparison.mirrored(), right.clone(), left.clone())
        }
        Node::Call { function: Function::Equals, arguments } => match &arguments[..] {
            [path, name] | [path, name, Expr { node: Node::Literal(Literal::Bool(true)), .. }]
                if is_path(path, "eventType") && matches!(name.node, Node::Literal(Literal::Text(_))) =>
            {
                Node::Compare(Comparison::Equal, Box::new(path.clone()), Box::new(name.clone()))
            }
            _ => expr.node.clone(),
        },
        node => node.clone(),
    };
    Expr::new(node)
}
