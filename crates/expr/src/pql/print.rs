//! A tree into its one canonical text.

use super::parser::Strength;
use super::words;
use crate::ast::{
    Arithmetic, Binding, Expr, Form, Function, Literal, Moment, Name, Node, Quantifier, Step, Unit, When,
};
use crate::value::Decimal;

/// The canonical text of a rule; [`super::parse`] reads it back as the same tree.
#[must_use]
pub fn print(expr: &Expr) -> String {
    let mut printer = Printer { text: String::new(), bound: Vec::new() };
    printer.expr(expr, Strength::Open);
    printer.text
}

struct Printer<'a> {
    text: String,
    /// Names that mean a variable where they stand alone.
    bound: Vec<&'a Name>,
}

/// How strongly what a node is printed as holds together.
fn strength(node: &Node) -> Strength {
    match node {
        Node::Literal(Literal::Number(number)) if *number < Decimal::ZERO => Strength::Unary,
        Node::Let { .. } | Node::Select(_) | Node::Quantifier(..) | Node::Fold { .. } | Node::Lambda { .. } => {
            Strength::Open
        }
        Node::Or(_) => Strength::Or,
        Node::And(_) => Strength::And,
        Node::Not(_) => Strength::Not,
        Node::Compare(..) | Node::Occurs { .. } => Strength::Compare,
        Node::Call { function, .. } if function.spec().form == Form::Infix => Strength::Compare,
        Node::Arithmetic(Arithmetic::Add | Arithmetic::Subtract, ..) => Strength::Add,
        Node::Arithmetic(Arithmetic::Multiply | Arithmetic::Divide | Arithmetic::Remainder, ..) => Strength::Multiply,
        Node::Negate(_) => Strength::Unary,
        Node::Kept { naive, .. } => strength(&naive.node),
        Node::Literal(_)
        | Node::Context(_)
        | Node::Profile
        | Node::Events
        | Node::Variable(_)
        | Node::Path { .. }
        | Node::Word(_)
        | Node::If { .. }
        | Node::List(_)
        | Node::Object(_)
        | Node::Filter { .. }
        | Node::Call { .. }
        | Node::Chain { .. } => Strength::Postfix,
    }
}

impl<'a> Printer<'a> {
    /// In parentheses where the place takes only what holds together more strongly.
    fn expr(&mut self, expr: &'a Expr, least: Strength) {
        if strength(&expr.node) < least && !matches!(expr.node, Node::Lambda { .. }) {
            self.text.push('(');
            self.node(expr);
            self.text.push(')');
        } else {
            self.node(expr);
        }
    }

    fn node(&mut self, expr: &'a Expr) {
        match &expr.node {
            Node::Literal(literal) => self.literal(literal),
            Node::Context(0) => self.push("this"),
            Node::Context(scopes) => (0..*scopes).for_each(|_| self.push("^")),
            Node::Profile => self.push("$1"),
            Node::Events => self.push(words::EVENTS),
            Node::Variable(name) => self.push(name),
            Node::Path { of, names } => self.path(of, names),
            Node::Word(word) => self.push(word.name()),
            Node::Not(inner) => {
                self.push("not ");
                self.expr(inner, Strength::Not);
            }
            Node::And(parts) => self.joined(parts, " and ", Strength::Not),
            Node::Or(parts) => self.joined(parts, " or ", Strength::And),
            Node::Compare(comparison, left, right) => {
                self.infix(left, comparison.name(), right, Strength::Add, Strength::Add);
            }
            Node::Arithmetic(operator @ (Arithmetic::Add | Arithmetic::Subtract), left, right) => {
                self.infix(left, operator.name(), right, Strength::Add, Strength::Multiply);
            }
            Node::Arithmetic(operator, left, right) => {
                self.infix(left, operator.name(), right, Strength::Multiply, Strength::Unary);
            }
            Node::Negate(inner) => self.negate(inner),
            Node::If { test, then, otherwise } => {
                self.push("if(");
                self.expr(test, Strength::Or);
                self.push(", ");
                self.expr(then, Strength::Or);
                self.push(", ");
                self.expr(otherwise, Strength::Or);
                self.push(")");
            }
            Node::List(items) => {
                self.push("[");
                self.joined(items, ", ", Strength::Or);
                self.push("]");
            }
            Node::Object(members) => self.object(members),
            Node::Filter { list, condition } => {
                self.expr(list, Strength::Postfix);
                self.push("[");
                self.expr(condition, Strength::Or);
                self.push("]");
            }
            Node::Call { function, arguments } => self.call(*function, arguments),
            Node::Lambda { names, body } => self.lambda(names, body),
            Node::Occurs { subject, when } => {
                self.expr(subject, Strength::Add);
                self.push(" occurs ");
                self.when(when);
            }
            Node::Select(bindings) => self.bindings("select ", bindings),
            Node::Quantifier(Quantifier::Exists, bindings) => self.bindings("exists ", bindings),
            Node::Quantifier(Quantifier::ForAll, bindings) => self.bindings("forall ", bindings),
            Node::Fold { function, value, bindings } => self.fold(*function, value.as_deref(), bindings),
            Node::Let { name, value, body } => {
                self.push("let ");
                self.push(name);
                self.push(" = ");
                // What binds less strongly could hold an `in` of its own.
                self.expr(value, Strength::Add);
                self.push(" in (");
                self.bound.push(name);
                self.expr(body, Strength::Open);
                self.bound.pop();
                self.push(")");
            }
            Node::Chain { events, order, steps } => self.chain(events, order, steps),
            Node::Kept { naive, .. } => self.node(naive),
        }
    }

    fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::Null => self.push("null"),
            Literal::Bool(truth) => self.push(if *truth { "true" } else { "false" }),
            Literal::Number(number) => self.text.push_str(&number.to_string()),
            Literal::Text(text) => self.quoted(text, '"'),
        }
    }

    fn quoted(&mut self, text: &str, quote: char) {
        self.text.push(quote);
        for character in text.chars() {
            if character == quote || character == '\\' {
                self.text.push('\\');
            }
            self.text.push(character);
        }
        self.text.push(quote);
    }

    fn path(&mut self, of: &'a Expr, names: &'a [Name]) {
        let mut names = names.iter();
        match &of.node {
            Node::Context(scopes) => {
                (0..*scopes).for_each(|_| self.push("^"));
                let Some(first) = names.next() else { return };
                if words::is_plain(first) && !words::is_reserved(first) && !self.bound.contains(&first) {
                    self.push(first);
                } else {
                    self.quoted(first, '`');
                }
            }
            _ => self.expr(of, Strength::Postfix),
        }
        for name in names {
            self.push(".");
            if words::is_plain(name) { self.push(name) } else { self.quoted(name, '`') }
        }
    }

    fn infix(&mut self, left: &'a Expr, operator: &str, right: &'a Expr, at_left: Strength, at_right: Strength) {
        self.expr(left, at_left);
        self.push(" ");
        self.push(operator);
        self.push(" ");
        self.expr(right, at_right);
    }

    fn negate(&mut self, inner: &'a Expr) {
        self.push("-");
        // A minus right before digits is part of the number.
        match inner.node {
            Node::Literal(Literal::Number(number)) if number >= Decimal::ZERO => {
                self.push("(");
                self.node(inner);
                self.push(")");
            }
            _ => self.expr(inner, Strength::Unary),
        }
    }

    fn object(&mut self, members: &'a [(Name, Expr)]) {
        self.push("{");
        for (at, (name, value)) in members.iter().enumerate() {
            if at > 0 {
                self.push(", ");
            }
            self.quoted(name, '"');
            self.push(": ");
            self.expr(value, Strength::Or);
        }
        self.push("}");
    }

    fn call(&mut self, function: Function, arguments: &'a [Expr]) {
        let spec = function.spec();
        match (spec.form, arguments) {
            (Form::Infix, [left, right]) => self.infix(left, spec.name, right, Strength::Add, Strength::Add),
            (Form::Method, [receiver, rest @ ..]) => {
                self.expr(receiver, Strength::Postfix);
                self.push(".");
                self.push(spec.name);
                self.push("(");
                self.joined(rest, ", ", Strength::Or);
                self.push(")");
            }
            (Form::Plain | Form::Method | Form::Infix, _) => {
                self.push(spec.name);
                self.push("(");
                self.joined(arguments, ", ", Strength::Or);
                self.push(")");
            }
        }
    }

    fn lambda(&mut self, names: &'a [Name], body: &'a Expr) {
        self.push("(");
        for (at, name) in names.iter().enumerate() {
            if at > 0 {
                self.push(", ");
            }
            self.push(name);
        }
        self.push(") => ");
        self.bound.extend(names);
        self.expr(body, Strength::Or);
        self.bound.truncate(self.bound.len() - names.len());
    }

    fn bindings(&mut self, word: &str, bindings: &'a [Binding]) {
        let before = self.bound.len();
        self.push(word);
        self.each_binding(bindings);
        self.bound.truncate(before);
    }

    fn each_binding(&mut self, bindings: &'a [Binding]) {
        for (at, binding) in bindings.iter().enumerate() {
            if at > 0 {
                self.push(", ");
            }
            self.push(&binding.name);
            self.push(" from ");
            self.expr(&binding.list, Strength::Postfix);
            self.bound.push(&binding.name);
            if let Some(condition) = &binding.condition {
                self.push(" where ");
                self.expr(condition, Strength::Or);
            }
        }
    }

    fn fold(&mut self, function: Function, value: Option<&'a Expr>, bindings: &'a [Binding]) {
        let before = self.bound.len();
        self.push(function.spec().name);
        self.push(" ");
        if let Some(value) = value {
            self.bound.extend(bindings.iter().map(|binding| &binding.name));
            let at = self.text.len();
            self.expr(value, Strength::Add);
            // Behind the word these would be operators on an attribute of its name.
            if self.text[at..].starts_with(['[', '-', '{']) {
                self.text.insert(at, '(');
                self.push(")");
            }
            self.bound.truncate(before);
            self.push(" over ");
        }
        self.each_binding(bindings);
        self.bound.truncate(before);
    }

    fn when(&mut self, when: &'a When) {
        match when {
            When::Distance { comparison, amount, unit, side, moment } => {
                self.push(comparison.name());
                self.push(" ");
                let at = self.text.len();
                self.expr(amount, Strength::Add);
                // The unit would be a name to climb to.
                if self.text.ends_with('^') {
                    self.text.insert(at, '(');
                    self.push(")");
                }
                self.push(" ");
                self.push(unit_name(*unit, amount));
                self.push(" ");
                self.push(side.name());
                self.push(" ");
                self.moment(moment);
            }
            When::Side(side, moment) => {
                self.push(side.name());
                self.push(" ");
                self.moment(moment);
            }
            When::On(moment) => {
                self.push("on ");
                self.moment(moment);
            }
            When::Between(start, end) => {
                self.push("between ");
                self.moment(start);
                self.push(" and ");
                self.moment(end);
            }
        }
    }

    fn moment(&mut self, moment: &'a Moment) {
        match moment {
            Moment::Calendar(which, unit) => {
                self.push(which.name());
                self.push(" ");
                self.push(unit.names().0);
            }
            Moment::At(expr) => self.expr(expr, Strength::Postfix),
        }
    }

    fn chain(&mut self, events: &'a Expr, order: &'a Expr, steps: &'a [Step]) {
        self.push("chain(");
        self.expr(events, Strength::Postfix);
        self.push(", ");
        self.expr(order, Strength::Postfix);
        self.push(", [");
        let before = self.bound.len();
        for (at, step) in steps.iter().enumerate() {
            if at > 0 {
                self.push(", ");
            }
            if words::is_plain(&step.label) {
                self.push(&step.label);
            } else {
                self.quoted(&step.label, '`');
            }
            self.push(": WHAT(");
            self.expr(&step.what, Strength::Or);
            self.push(")");
            if let Some(when) = &step.when {
                self.push(" WHEN(");
                self.when(when);
                self.push(")");
            }
            if step.count != 1 {
                self.text.push_str(&format!(" COUNT({})", step.count));
            }
            if let Some(condition) = &step.condition {
                self.push(" WHERE(");
                self.expr(condition, Strength::Or);
                self.push(")");
            }
            self.bound.push(&step.label);
        }
        self.bound.truncate(before);
        self.push("])");
    }

    fn joined(&mut self, parts: &'a [Expr], separator: &str, least: Strength) {
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                self.push(separator);
            }
            self.expr(part, least);
        }
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }
}

fn unit_name(unit: Unit, amount: &Expr) -> &'static str {
    let is_one = amount.node == Node::Literal(Literal::Number(Decimal::ONE));
    if is_one { unit.names().0 } else { unit.names().1 }
}
