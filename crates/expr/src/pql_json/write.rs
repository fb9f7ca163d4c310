//! A tree into named nodes.

use std::sync::Arc;

use crate::ast::{Argument, Binding, Expr, Function, Literal, Moment, Name, Node, Quantifier, Step, When};
use crate::value::{Decimal, Value};

/// The rule as named nodes.
#[must_use]
pub fn write(expr: &Expr) -> Value {
    Writer { scopes: 0 }.expr(expr)
}

struct Writer {
    /// How many scopes lie around this place, up to the profile.
    scopes: u32,
}

impl Writer {
    fn expr(&mut self, expr: &Expr) -> Value {
        match &expr.node {
            Node::Literal(literal) => self::literal(literal),
            Node::Context(climbs) => reference(*climbs),
            Node::Profile => reference(self.scopes),
            Node::Events => lookup(reference(self.scopes), "xEvent"),
            Node::Variable(name) => node("varRef", [("varName", Value::Text(name.clone()))]),
            Node::Path { of, names } => {
                let of = self.expr(of);
                names.iter().fold(of, |object, name| lookup(object, name))
            }
            Node::Word(word) => apply(word.name(), Vec::new()),
            Node::Not(inner) => self.applied("not", [&**inner]),
            Node::And(parts) => self.applied("and", parts),
            Node::Or(parts) => self.applied("or", parts),
            Node::Compare(comparison, left, right) => self.applied(comparison.name(), [&**left, right]),
            Node::Arithmetic(operator, left, right) => self.applied(operator.name(), [&**left, right]),
            Node::Negate(inner) => self.applied("-", [&**inner]),
            Node::If { test, then, otherwise } => self.applied("if", [&**test, then, otherwise]),
            Node::List(items) => self.applied("list", items),
            Node::Object(members) => {
                let params = members.iter().flat_map(|(name, member)| [text(name), self.expr(member)]);
                let params = params.collect();
                apply("object", params)
            }
            Node::Filter { list, condition } => {
                let params = vec![self.expr(list), self.body(condition)];
                apply("filter", params)
            }
            Node::Call { function, arguments } => self.call(*function, arguments),
            // Stands as a body only, which `body` has taken apart.
            Node::Lambda { names, body } => {
                let body = self.expr(body);
                create(names, body)
            }
            Node::Occurs { subject, when } => {
                let subject = self.expr(subject);
                self.when(subject, when)
            }
            Node::Select(bindings) => {
                let bindings = self.bindings(bindings);
                apply("select", vec![bindings])
            }
            Node::Quantifier(quantifier, bindings) => {
                let bindings = self.bindings(bindings);
                let name = match quantifier {
                    Quantifier::Exists => "exists",
                    Quantifier::ForAll => "forall",
                };
                apply(name, vec![bindings])
            }
            Node::Fold { function, value, bindings } => {
                let mut params = vec![self.bindings(bindings)];
                params.extend(value.iter().map(|value| self.expr(value)));
                apply(function.spec().name, params)
            }
            Node::Let { name, value, body } => {
                let function = create(std::slice::from_ref(name), self.expr(body));
                let params = Value::List([self.expr(value)].into());
                node("fnApply", [("function", function), ("params", params)])
            }
            Node::Chain { events, order, steps } => {
                let mut params = vec![self.expr(events), self.body(order)];
                params.extend(steps.iter().map(|step| self.step(step)));
                apply("chain", params)
            }
            Node::Kept { naive, .. } => self.expr(naive),
        }
    }

    fn applied<'e>(&mut self, name: &str, params: impl IntoIterator<Item = &'e Expr>) -> Value {
        let params = params.into_iter().map(|param| self.expr(param)).collect();
        apply(name, params)
    }

    fn call(&mut self, function: Function, arguments: &[Expr]) -> Value {
        let spec = function.spec();
        let params = arguments.iter().zip(spec.arguments).map(|(argument, takes)| match takes {
            Argument::Value => self.expr(argument),
            Argument::Body => self.body(argument),
        });
        let params = params.collect();
        apply(spec.name, params)
    }

    /// Something that speaks of an item.
    fn body(&mut self, body: &Expr) -> Value {
        self.scopes += 1;
        let written = match &body.node {
            Node::Lambda { .. } => self.expr(body),
            _ => create(&[], self.expr(body)),
        };
        self.scopes -= 1;
        written
    }

    fn step(&mut self, step: &Step) -> Value {
        self.scopes += 1;
        let when = step.when.as_ref().map(|when| self.when(literal(&Literal::Null), when));
        self.scopes -= 1;
        let params = vec![
            text(&step.label),
            self.body(&step.what),
            literal(&Literal::Number(Decimal::from(i64::from(step.count)))),
            when.unwrap_or_else(|| literal(&Literal::Null)),
            step.condition.as_ref().map_or_else(|| literal(&Literal::Null), |condition| self.body(condition)),
        ];
        apply("step", params)
    }

    fn bindings(&mut self, bindings: &[Binding]) -> Value {
        let mut variables = Vec::new();
        for Binding { name, list, condition } in bindings {
            let range = self.expr(list);
            variables.push(node("varDecl", [("range", range), ("varName", Value::Text(name.clone()))]));
            variables.extend(condition.iter().map(|condition| self.expr(condition)));
        }
        node("set", [("variables", Value::List(variables.into()))])
    }

    fn when(&mut self, subject: Value, when: &When) -> Value {
        match when {
            When::Distance { comparison, amount, unit, side, moment } => {
                let amount = self.expr(amount);
                let moment = self.moment(moment);
                let words = [comparison.name(), unit.names().1, side.name()].map(text);
                let [comparison, unit, side] = words;
                apply("occurs", vec![subject, comparison, amount, unit, side, moment])
            }
            When::Side(side, moment) => {
                let moment = self.moment(moment);
                apply("occurs", vec![subject, text(side.name()), moment])
            }
            When::On(moment) => {
                let moment = self.moment(moment);
                apply("occurs", vec![subject, text("on"), moment])
            }
            When::Between(start, end) => {
                let (start, end) = (self.moment(start), self.moment(end));
                apply("occurs", vec![subject, text("between"), start, end])
            }
        }
    }

    fn moment(&mut self, moment: &Moment) -> Value {
        match moment {
            Moment::Calendar(which, unit) => apply(which.name(), vec![text(unit.names().0)]),
            Moment::At(expr) => self.expr(expr),
        }
    }
}

fn node<const N: usize>(kind: &str, members: [(&str, Value); N]) -> Value {
    let mut all: Vec<(Name, Value)> = vec![("nodeType".into(), Value::text(kind))];
    all.extend(members.map(|(name, value)| (Arc::from(name), value)));
    Value::object(all)
}

fn apply(name: &str, params: Vec<Value>) -> Value {
    node("fnApply", [("fnName", Value::text(name)), ("params", Value::List(params.into()))])
}

fn create(names: &[Name], body: Value) -> Value {
    let param = |name: &Name| Value::object(vec![("varName".into(), Value::Text(name.clone()))]);
    let params = Value::List(names.iter().map(param).collect());
    node("fnCreate", [("body", body), ("params", params)])
}

fn lookup(object: Value, name: &str) -> Value {
    node("fieldLookup", [("fieldName", Value::text(name)), ("object", object)])
}

fn reference(climbs: u32) -> Value {
    let position = ("position", Value::Number(Decimal::ONE));
    match climbs {
        0 => node("parameterReference", [position]),
        _ => {
            let scope = Value::Number(Decimal::from(i64::from(climbs)));
            node("parameterReference", [position, ("scope", scope)])
        }
    }
}

fn literal(literal: &Literal) -> Value {
    let (kind, value) = match literal {
        Literal::Null => ("Null", Value::Null),
        Literal::Bool(truth) => ("Boolean", Value::Bool(*truth)),
        Literal::Number(number) => (if number.is_integer() { "Integer" } else { "Double" }, Value::Number(*number)),
        Literal::Text(text) => ("String", Value::Text(text.clone())),
    };
    node("literal", [("literalType", Value::text(kind)), ("value", value)])
}

fn text(text: &str) -> Value {
    literal(&Literal::Text(text.into()))
}
