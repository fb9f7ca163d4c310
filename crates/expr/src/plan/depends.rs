//! Going through a rule for all that its answer depends on.

use std::collections::BTreeSet;

use super::{Attributes, EventType, EventTypes, Plan};
use crate::ast::{
    Argument, Binding, Comparison, Expr, Function, Literal, Moment, Name, Node, Quantifier, Unit, When, Word,
};
use crate::calendar::is_shared;

/// Adds what an expression depends on.
pub(super) fn add(expr: &Expr, plan: &mut Plan) {
    Walk { plan, contexts: vec![Source::Profile], variables: Vec::new() }.expr(expr);
}

/// What something is made of, as far as dependencies go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Profile,
    Events,
    Event,
    /// Something that what it is made of has been noted for.
    Noted,
}

struct Walk<'a> {
    plan: &'a mut Plan,
    contexts: Vec<Source>,
    variables: Vec<(Name, Source)>,
}

impl Walk<'_> {
    /// Notes what an expression depends on where it is used as a whole.
    fn expr(&mut self, expr: &Expr) {
        match &expr.node {
            Node::Profile | Node::Context(_) | Node::Variable(_) => {
                if self.source(expr) == Source::Profile {
                    self.plan.attributes = Attributes::All;
                }
            }
            Node::Events => self.events(EventTypes::All),
            Node::Path { of, names } => match self.source(of) {
                Source::Profile => self.attribute(names),
                Source::Event | Source::Events | Source::Noted => self.expr(of),
            },
            Node::Word(_) => self.plan.reads_clock = true,
            Node::Filter { list, condition } => {
                self.list(list, Some(condition));
                self.within(list, |walk| walk.expr(condition));
            }
            Node::Call { function, arguments } => self.call(*function, arguments),
            Node::Occurs { subject, when } => {
                self.expr(subject);
                self.when(when);
            }
            Node::Select(bindings) => self.bindings(bindings, true, None),
            Node::Quantifier(quantifier, bindings) => {
                self.bindings(bindings, *quantifier == Quantifier::Exists, None);
            }
            Node::Fold { value, bindings, .. } => self.bindings(bindings, true, value.as_deref()),
            Node::Let { name, value, body } => {
                self.expr(value);
                let source = self.source(value);
                self.variables.push((name.clone(), source));
                self.expr(body);
                self.variables.pop();
            }
            Node::Chain { events, order, steps } => {
                let types = steps.iter().map(|step| types_of(&step.what, &Node::Context(0))).reduce(joined);
                if self.source(events) == Source::Events && **events == Expr::new(Node::Events) {
                    self.events(types.flatten().map_or(EventTypes::All, EventTypes::Some));
                } else {
                    self.expr(events);
                }
                self.within(events, |walk| {
                    walk.expr(order);
                    let (before, item) = (walk.variables.len(), walk.contexts.last().copied().unwrap_or(Source::Noted));
                    for step in steps {
                        walk.expr(&step.what);
                        step.when.iter().for_each(|when| walk.when(when));
                        step.condition.iter().for_each(|condition| walk.expr(condition));
                        walk.variables.push((step.label.clone(), item));
                    }
                    walk.variables.truncate(before);
                });
            }
            Node::Kept { index, .. } => {
                let Some(aggregate) = self.plan.aggregates.get(*index) else { return };
                let (types, is_lifetime) = (aggregate.events.clone(), aggregate.window == super::Window::Lifetime);
                self.plan.events.add(types);
                self.plan.reads_clock |= !is_lifetime;
            }
            Node::Lambda { names, body } => {
                let before = self.variables.len();
                let item = self.contexts.last().copied().unwrap_or(Source::Noted);
                self.variables.extend(names.iter().map(|name| (name.clone(), item)));
                self.expr(body);
                self.variables.truncate(before);
            }
            Node::Literal(_)
            | Node::Not(_)
            | Node::And(_)
            | Node::Or(_)
            | Node::Compare(..)
            | Node::Arithmetic(..)
            | Node::Negate(_)
            | Node::If { .. }
            | Node::List(_)
            | Node::Object(_) => expr.each_part(&mut |part| self.expr(part)),
        }
    }

    fn call(&mut self, function: Function, arguments: &[Expr]) {
        match (function, arguments) {
            (Function::CurrentMonth | Function::CurrentYear | Function::CurrentDayOfMonth, _) => {
                self.plan.reads_clock = true;
            }
            (Function::InSegment | Function::EnteredSegment | Function::LeftSegment, [id]) => {
                if let Node::Literal(Literal::Text(id)) = &id.node {
                    self.plan.segments.insert(id.clone());
                }
            }
            (Function::Exists, [list, body]) => {
                self.list(list, Some(body));
                self.within(list, |walk| walk.expr(body));
            }
            _ => {
                for (argument, kind) in arguments.iter().zip(function.spec().arguments) {
                    match kind {
                        Argument::Value => self.expr(argument),
                        Argument::Body => self.within(&arguments[0], |walk| walk.expr(argument)),
                    }
                }
            }
        }
    }

    /// Notes a list of which only what meets a condition matters.
    fn list(&mut self, list: &Expr, condition: Option<&Expr>) {
        let types = condition.and_then(|condition| types_of(condition, &Node::Context(0)));
        match &list.node {
            Node::Events => self.events(types.map_or(EventTypes::All, EventTypes::Some)),
            _ => self.expr(list),
        }
    }

    fn bindings(&mut self, bindings: &[Binding], filters: bool, value: Option<&Expr>) {
        let before = self.variables.len();
        for binding in bindings {
            let types = binding.condition.as_ref().filter(|_| filters);
            let types = types.and_then(|condition| types_of(condition, &Node::Variable(binding.name.clone())));
            match &binding.list.node {
                Node::Events => self.events(types.map_or(EventTypes::All, EventTypes::Some)),
                _ => self.expr(&binding.list),
            }
            let item = self.item(&binding.list);
            self.variables.push((binding.name.clone(), item));
            binding.condition.iter().for_each(|condition| self.expr(condition));
        }
        value.iter().for_each(|value| self.expr(value));
        self.variables.truncate(before);
    }

    fn when(&mut self, when: &When) {
        let mut moment = |moment: &Moment| match moment {
            Moment::Calendar(..) => self.plan.reads_clock = true,
            Moment::At(expr) => self.expr(expr),
        };
        match when {
            When::Distance { amount, moment: of, .. } => {
                moment(of);
                self.expr(amount);
            }
            When::Side(_, of) | When::On(of) => moment(of),
            When::Between(start, end) => {
                moment(start);
                moment(end);
            }
        }
    }

    fn events(&mut self, types: EventTypes) {
        self.plan.events.add(types);
        self.plan.scans_events = true;
    }

    fn attribute(&mut self, names: &[Name]) {
        if let Attributes::At(paths) = &mut self.plan.attributes {
            paths.insert(names.to_vec());
        }
    }

    /// Goes on with something that speaks of an item of a list.
    fn within(&mut self, list: &Expr, inner: impl FnOnce(&mut Self)) {
        let item = self.item(list);
        self.contexts.push(item);
        inner(self);
        self.contexts.pop();
    }

    fn item(&self, list: &Expr) -> Source {
        if self.source(list) == Source::Events { Source::Event } else { Source::Noted }
    }

    /// Some events, if the list is of events.
    fn events_of(&self, list: &Expr) -> Source {
        if self.source(list) == Source::Events { Source::Events } else { Source::Noted }
    }

    fn source(&self, expr: &Expr) -> Source {
        match &expr.node {
            Node::Profile => Source::Profile,
            Node::Events => Source::Events,
            Node::Context(scopes) => {
                let scopes = usize::try_from(*scopes).unwrap_or(usize::MAX);
                let at = self.contexts.len().checked_sub(1).and_then(|last| last.checked_sub(scopes));
                at.map_or(Source::Noted, |at| self.contexts[at])
            }
            Node::Variable(name) => self
                .variables
                .iter()
                .rev()
                .find(|(bound, _)| bound == name)
                .map_or(Source::Noted, |(_, source)| *source),
            Node::Filter { list, .. } => self.events_of(list),
            Node::Call { function: Function::TopN | Function::BottomN | Function::Distinct, arguments } => {
                arguments.first().map_or(Source::Noted, |list| self.events_of(list))
            }
            Node::Call { function: Function::Head, arguments } => {
                arguments.first().map_or(Source::Noted, |list| self.item(list))
            }
            _ => Source::Noted,
        }
    }
}

fn joined(a: Option<BTreeSet<EventType>>, b: Option<BTreeSet<EventType>>) -> Option<BTreeSet<EventType>> {
    let mut types = a?;
    types.extend(b?);
    Some(types)
}

/// The types that an event must be of for a condition to hold, where the condition says so.
pub(crate) fn types_of(condition: &Expr, event: &Node) -> Option<BTreeSet<EventType>> {
    let is_type = |expr: &Expr| matches!(&expr.node, Node::Path { of, names } if of.node == *event && matches!(&names[..], [name] if **name == *"eventType"));
    let text = |expr: &Expr| match &expr.node {
        Node::Literal(Literal::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let exactly = |name: Name| EventType { name, minds_case: true };
    match &condition.node {
        Node::And(parts) => parts.iter().find_map(|part| types_of(part, event)),
        Node::Or(parts) => parts.iter().map(|part| types_of(part, event)).reduce(joined).flatten(),
        Node::Compare(Comparison::Equal, left, right) => {
            let (_, name) = [(left, right), (right, left)].into_iter().find(|(path, _)| is_type(path))?;
            Some(BTreeSet::from([exactly(text(name)?)]))
        }
        Node::Call { function: Function::In, arguments } => match &arguments[..] {
            [path, Expr { node: Node::List(names), .. }] if is_type(path) => {
                names.iter().map(|name| text(name).map(exactly)).collect()
            }
            _ => None,
        },
        Node::Call { function: Function::Equals, arguments } => match &arguments[..] {
            [path, name] if is_type(path) => Some(BTreeSet::from([exactly(text(name)?)])),
            [path, name, minds_case] if is_type(path) => match minds_case.node {
                Node::Literal(Literal::Bool(true)) => Some(BTreeSet::from([exactly(text(name)?)])),
                Node::Literal(Literal::Bool(false)) => {
                    let name = text(name)?.to_lowercase().into();
                    Some(BTreeSet::from([EventType { name, minds_case: false }]))
                }
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// Whether an expression takes the clock for a value. These names stand for the clock too.
pub(super) fn takes_clock(expr: &Expr, clocks: &mut Vec<Name>) -> bool {
    let is_clock = |expr: &Expr, clocks: &[Name]| match &expr.node {
        Node::Word(Word::Now) => true,
        Node::Variable(name) => clocks.contains(name),
        _ => false,
    };
    if is_clock(expr, clocks) {
        return true;
    }
    if let Node::Let { name, value, body } = &expr.node {
        let is_named = is_clock(value, clocks);
        if !is_named && takes_clock(value, clocks) {
            return true;
        }
        // A name that is bound anew stands for something else inside.
        let hidden: Vec<Name> = clocks.extract_if(.., |own| own == name).collect();
        clocks.extend(is_named.then(|| name.clone()));
        let takes = takes_clock(body, clocks);
        clocks.retain(|own| own != name);
        clocks.extend(hidden);
        return takes;
    }
    let may_compare = matches!(
        expr.node,
        Node::Compare(..) | Node::Occurs { .. } | Node::Chain { .. } | Node::Call { function: Function::DaysUntil, .. }
    );
    let mut takes = false;
    expr.each_part(&mut |part| {
        takes = takes || !(may_compare && is_clock(part, clocks)) && takes_clock(part, clocks);
    });
    takes
}

/// Adds the units of the calendar that an expression speaks of, as the instant of the evaluation sees them.
pub(super) fn add_calendar(expr: &Expr, units: &mut BTreeSet<Unit>) {
    let mut add = |unit: Unit| {
        if is_shared(unit) {
            units.insert(unit);
        }
    };
    let mut moment = |moment: &Moment| {
        if let Moment::Calendar(_, unit) = moment {
            add(*unit);
        }
    };
    match &expr.node {
        Node::Occurs { when, .. } => when.each_moment(&mut moment),
        Node::Chain { steps, .. } => {
            steps.iter().filter_map(|step| step.when.as_ref()).for_each(|when| when.each_moment(&mut moment));
        }
        Node::Word(Word::Today | Word::Yesterday | Word::Tomorrow) => add(Unit::Day),
        Node::Call { function: Function::CurrentYear, .. } => add(Unit::Year),
        Node::Call { function: Function::CurrentMonth, .. } => add(Unit::Month),
        Node::Call { function: Function::CurrentDayOfMonth, .. } => add(Unit::Day),
        _ => {}
    }
    expr.each_part(&mut |part| add_calendar(part, units));
}

/// Whether an expression may come to something else as time goes by.
pub(super) fn reads_clock(expr: &Expr) -> bool {
    let calendar = |moment: &Moment| matches!(moment, Moment::Calendar(..));
    let own = match &expr.node {
        Node::Word(Word::Now | Word::Today | Word::Yesterday | Word::Tomorrow) => true,
        Node::Call {
            function: Function::CurrentMonth | Function::CurrentYear | Function::CurrentDayOfMonth, ..
        } => true,
        Node::Occurs { when, .. } => match when {
            When::Distance { moment, .. } | When::Side(_, moment) | When::On(moment) => calendar(moment),
            When::Between(start, end) => calendar(start) || calendar(end),
        },
        _ => false,
    };
    let mut found = own;
    expr.each_part(&mut |part| found = found || reads_clock(part));
    found
}
