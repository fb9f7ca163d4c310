//! What binds names: `let`, `select`, `exists`, `forall`, and aggregates over bindings.

use super::super::lexer::Kind;
use super::super::words;
use super::{Parser, Strength};
use crate::ast::{Binding, Expr, Form, Function, Node, Quantifier};
use crate::problem::Problem;

impl Parser<'_> {
    /// `let V = value in (body)`, also `in {body}` and `in body`.
    pub(super) fn let_in(&mut self) -> Result<Expr, Problem> {
        let start = self.place();
        self.next();
        let name = self.variable()?;
        self.expect("=")?;
        let before = std::mem::replace(&mut self.takes_in, false);
        let value = self.expr(Strength::Or);
        self.takes_in = before;
        let value = Box::new(value?);
        if !self.takes_word("in") {
            return Err(self.expected("in"));
        }
        let is_braced = self.sees("{")
            && !matches!(
                (self.peek_behind(1), self.peek_behind(2)),
                (Kind::Text(_), Kind::Symbol(":")) | (Kind::Symbol("}"), _)
            );
        let body = if is_braced {
            self.expect("{")?;
            let body = self.inside(|parser| parser.expr(Strength::Open))?;
            self.expect("}")?;
            body
        } else {
            self.expr(Strength::Open)?
        };
        self.node(Node::Let { name, value, body: Box::new(body) }, &start)
    }

    /// `select`, `exists` or `forall` and bindings.
    pub(super) fn quantified(&mut self) -> Result<Expr, Problem> {
        let start = self.place();
        let kind = match self.next().kind {
            Kind::Word(word) if word.eq_ignore_ascii_case("exists") => Some(Quantifier::Exists),
            Kind::Word(word) if word.eq_ignore_ascii_case("forall") => Some(Quantifier::ForAll),
            _ => None,
        };
        let bindings = self.bindings()?;
        let node = match kind {
            None => Node::Select(bindings),
            Some(quantifier) => Node::Quantifier(quantifier, bindings),
        };
        self.node(node, &start)
    }

    /// Whether this word, which comes next, is an aggregate over bindings and no attribute of that name.
    pub(super) fn sees_fold(&self, word: &str) -> bool {
        if !["sum", "average", "min", "max"].into_iter().any(|name| word.eq_ignore_ascii_case(name)) {
            return false;
        }
        match self.peek_behind(1) {
            Kind::Word(word) => !words::is_continuing(word),
            Kind::Quoted(_) | Kind::Text(_) | Kind::Number(_) | Kind::Parameter(_) | Kind::Symbol("(" | "^") => true,
            Kind::Symbol(_) | Kind::End => false,
        }
    }

    /// `sum value over bindings`, or `sum X from numbers where …`.
    pub(super) fn fold(&mut self) -> Result<Expr, Problem> {
        let start = self.place();
        let Kind::Word(word) = self.next().kind else { return Err(self.expected("an aggregate")) };
        let Some(function) = Function::find(&word.to_ascii_lowercase(), Form::Method) else {
            return Err(self.expected("an aggregate"));
        };
        if self.sees_binding(0) {
            let bindings = vec![self.binding()?];
            return self.node(Node::Fold { function, value: None, bindings }, &start);
        }
        let value = Box::new(self.expr(Strength::Add)?);
        if !self.takes_word("over") {
            let name = function.spec().name;
            let hint =
                format!("of a list write list.{name}(member), as in xEvent[eventType = \"…\"].{name}(properties.…)");
            return Err(Problem { hint: Some(hint), ..self.expected("over") });
        }
        let bindings = self.bindings()?;
        self.node(Node::Fold { function, value: Some(value), bindings }, &start)
    }

    fn bindings(&mut self) -> Result<Vec<Binding>, Problem> {
        let mut bindings = vec![self.binding()?];
        while self.sees(",") && self.sees_binding(1) {
            self.next();
            bindings.push(self.binding()?);
        }
        Ok(bindings)
    }

    fn sees_binding(&self, behind: usize) -> bool {
        matches!(self.peek_behind(behind), Kind::Word(_))
            && matches!(self.peek_behind(behind + 1), Kind::Word(word) if word.eq_ignore_ascii_case("from"))
    }

    fn binding(&mut self) -> Result<Binding, Problem> {
        let name = self.variable()?;
        if !self.takes_word("from") {
            return Err(self.expected("from"));
        }
        let list = self.postfix()?;
        let condition = if self.takes_word("where") || self.takes(":") { Some(self.expr(Strength::Or)?) } else { None };
        self.count()?;
        Ok(Binding { name, list, condition })
    }
}
