//! Which names are variables. What is not bound is a member of what the rule speaks of at that place.

use super::words;
use crate::ast::{Argument, Binding, Expr, Moment, Name, Node, Step, When};
use crate::problem::{Code, Problem};

/// Resolves the names of a tree that the parser made; a parameter is a name of the profile.
pub(super) fn resolve(expr: &mut Expr, parameters: &[Name]) -> Result<(), Problem> {
    Scopes { parameters, bound: Vec::new(), labels: None, contexts: 0 }.expr(expr)
}

struct Scopes<'a> {
    parameters: &'a [Name],
    bound: Vec<Name>,
    /// The labels of the steps before this one, in a chain.
    labels: Option<Vec<Name>>,
    /// How many scopes lie around this place, up to the profile.
    contexts: u32,
}

impl Scopes<'_> {
    fn expr(&mut self, expr: &mut Expr) -> Result<(), Problem> {
        match &mut expr.node {
            Node::Literal(_) | Node::Profile | Node::Events | Node::Word(_) => Ok(()),
            Node::Context(scopes) if *scopes > self.contexts => {
                Err(Problem::new(Code::NoSuchScope, expr.at.clone(), format!("at most {} of ^ here", self.contexts)))
            }
            Node::Context(_) => Ok(()),
            Node::Variable(name) => {
                let name = name.clone();
                expr.node = self.head(&name).unwrap_or_else(|| {
                    let of = Box::new(Expr::at(Node::Context(0), expr.at.clone()));
                    Node::Path { of, names: vec![name] }
                });
                Ok(())
            }
            Node::Path { of, names } => {
                if let Node::Variable(name) = &of.node {
                    let name = name.clone();
                    of.node = self.head(&name).unwrap_or_else(|| {
                        names.insert(0, name);
                        Node::Context(0)
                    });
                } else {
                    self.expr(of)?;
                }
                if of.node == Node::Profile && *names[0] == *words::EVENTS {
                    names.remove(0);
                    of.node = Node::Events;
                    if names.is_empty() {
                        expr.node = Node::Events;
                    }
                }
                Ok(())
            }
            Node::Not(part) | Node::Negate(part) | Node::Kept { naive: part, .. } => self.expr(part),
            Node::And(parts) | Node::Or(parts) | Node::List(parts) => {
                parts.iter_mut().try_for_each(|part| self.expr(part))
            }
            Node::Object(members) => members.iter_mut().try_for_each(|(_, part)| self.expr(part)),
            Node::Compare(_, left, right) | Node::Arithmetic(_, left, right) => {
                self.expr(left)?;
                self.expr(right)
            }
            Node::If { test, then, otherwise } => {
                self.expr(test)?;
                self.expr(then)?;
                self.expr(otherwise)
            }
            Node::Filter { list, condition } => {
                self.expr(list)?;
                self.within(|scopes| scopes.expr(condition))
            }
            Node::Call { function, arguments } => {
                for (argument, kind) in arguments.iter_mut().zip(function.spec().arguments) {
                    match kind {
                        Argument::Value => self.expr(argument)?,
                        Argument::Body => self.within(|scopes| scopes.expr(argument))?,
                    }
                }
                Ok(())
            }
            Node::Lambda { names, body } => self.with(names.clone(), |scopes| scopes.expr(body)),
            Node::Occurs { subject, when } => {
                self.expr(subject)?;
                self.when(when)
            }
            Node::Select(bindings) | Node::Quantifier(_, bindings) => self.bindings(bindings, None),
            Node::Fold { value, bindings, .. } => self.bindings(bindings, value.as_deref_mut()),
            Node::Let { name, value, body } => {
                self.expr(value)?;
                self.with(vec![name.clone()], |scopes| scopes.expr(body))
            }
            Node::Chain { events, order, steps } => {
                self.expr(events)?;
                self.within(|scopes| {
                    scopes.expr(order)?;
                    // An event's own place in the order; whatever else orders them, it has a time.
                    let place = match &order.node {
                        Node::Path { of, names } if of.node == Node::Context(0) => names.clone(),
                        _ => vec!["timestamp".into()],
                    };
                    let (outer, labels_outer) = (scopes.bound.len(), scopes.labels.replace(Vec::new()));
                    let resolved = steps.iter_mut().try_for_each(|step| scopes.step(step, &place));
                    scopes.bound.truncate(outer);
                    scopes.labels = labels_outer;
                    resolved
                })
            }
        }
    }

    /// A step of a chain, which may name those before it: an event, or as a moment the place of that event in the order.
    fn step(&mut self, step: &mut Step, place: &[Name]) -> Result<(), Problem> {
        self.expr(&mut step.what)?;
        if let Some(when) = &mut step.when {
            when.each_moment_mut(&mut |moment| self.labelled(moment, place));
            self.when(when)?;
        }
        step.condition.iter_mut().try_for_each(|condition| self.expr(condition))?;
        self.bound.push(step.label.clone());
        self.labels.get_or_insert_default().push(step.label.clone());
        Ok(())
    }

    /// A moment of a step that is the label of a step before.
    fn labelled(&self, moment: &mut Moment, place: &[Name]) {
        let Moment::At(expr) = moment else { return };
        let Node::Variable(name) = &expr.node else { return };
        if self.labels.as_deref().unwrap_or_default().contains(name) {
            let of = Box::new(Expr::at(Node::Variable(name.clone()), expr.at.clone()));
            expr.node = Node::Path { of, names: place.to_vec() };
        }
    }

    /// What a name that stands alone is, if it is bound.
    fn head(&self, name: &Name) -> Option<Node> {
        if self.bound.contains(name) {
            Some(Node::Variable(name.clone()))
        } else if self.parameters.contains(name) {
            Some(Node::Profile)
        } else {
            None
        }
    }

    fn bindings(&mut self, bindings: &mut [Binding], value: Option<&mut Expr>) -> Result<(), Problem> {
        let before = self.bound.len();
        for binding in bindings {
            self.expr(&mut binding.list)?;
            self.bound.push(binding.name.clone());
            binding.condition.iter_mut().try_for_each(|condition| self.expr(condition))?;
        }
        value.into_iter().try_for_each(|value| self.expr(value))?;
        self.bound.truncate(before);
        Ok(())
    }

    fn when(&mut self, when: &mut When) -> Result<(), Problem> {
        match when {
            When::Distance { amount, moment, .. } => {
                self.expr(amount)?;
                self.moment(moment)
            }
            When::Side(_, moment) | When::On(moment) => self.moment(moment),
            When::Between(start, end) => {
                self.moment(start)?;
                self.moment(end)
            }
        }
    }

    fn moment(&mut self, moment: &mut Moment) -> Result<(), Problem> {
        match moment {
            Moment::Calendar(..) => Ok(()),
            Moment::At(expr) => self.expr(expr),
        }
    }

    fn within(&mut self, inner: impl FnOnce(&mut Self) -> Result<(), Problem>) -> Result<(), Problem> {
        self.contexts += 1;
        inner(self)?;
        self.contexts -= 1;
        Ok(())
    }

    fn with(&mut self, names: Vec<Name>, inner: impl FnOnce(&mut Self) -> Result<(), Problem>) -> Result<(), Problem> {
        let before = self.bound.len();
        self.bound.extend(names);
        inner(self)?;
        self.bound.truncate(before);
        Ok(())
    }
}
