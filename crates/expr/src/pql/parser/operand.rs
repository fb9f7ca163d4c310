//! What operators stand between.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::lexer::Kind;
use super::super::{teach, words};
use super::{Parser, Strength};
use crate::ast::{Expr, Form, Function, Literal, Node, Word};
use crate::problem::{Code, Place, Problem};
use crate::value::{Decimal, NumberError};

impl Parser<'_> {
    pub(super) fn operand(&mut self) -> Result<Expr, Problem> {
        let start = self.place();
        match self.peek().clone() {
            Kind::Number(digits) => {
                self.next();
                self.number(&with_zero(digits), &start)
            }
            Kind::Text(text) => {
                self.next();
                self.node(Node::Literal(Literal::Text(text.into())), &start)
            }
            Kind::Parameter(digits) => {
                self.next();
                if digits.trim_start_matches('0') != "1" {
                    return Err(Problem::new(Code::NoSuchParameter, start, "$1, the profile"));
                }
                self.node(Node::Profile, &start)
            }
            Kind::Quoted(name) => {
                self.next();
                let context = self.node(Node::Context(0), &start)?;
                Ok(context.member(name.into(), start))
            }
            Kind::Symbol("(") => {
                self.next();
                let inner = self.inside(|parser| parser.expr(Strength::Open))?;
                self.expect(")")?;
                Ok(inner)
            }
            Kind::Symbol("[") => self.list(),
            Kind::Symbol("{") => self.object(),
            Kind::Symbol("^") => self.climb(),
            Kind::Word(word) => self.word(word),
            Kind::Symbol(_) | Kind::End => Err(self.expected("a value or a name")),
        }
    }

    pub(super) fn number(&mut self, digits: &str, start: &Place) -> Result<Expr, Problem> {
        match Decimal::parse(digits) {
            Ok(number) => self.node(Node::Literal(Literal::Number(number)), start),
            Err(NumberError::OutOfRange) => Err(Problem::new(
                Code::NumberOutOfRange,
                start.to(&self.place_before()),
                "a number between about -1.7e20 and 1.7e20",
            )),
            Err(NumberError::NotANumber) => {
                Err(Problem::new(Code::Syntax, start.to(&self.place_before()), "a number without leading zeros"))
            }
        }
    }

    fn list(&mut self) -> Result<Expr, Problem> {
        let start = self.place();
        self.expect("[")?;
        let items = self.inside(|parser| {
            let mut items = Vec::new();
            while !parser.sees("]") {
                if !items.is_empty() {
                    parser.expect(",")?;
                }
                items.push(parser.expr(Strength::Open)?);
            }
            Ok(items)
        })?;
        self.expect("]")?;
        self.node(Node::List(items), &start)
    }

    fn object(&mut self) -> Result<Expr, Problem> {
        let start = self.place();
        self.expect("{")?;
        let members = self.inside(|parser| {
            let mut members = Vec::new();
            while !parser.sees("}") {
                if !members.is_empty() {
                    parser.expect(",")?;
                }
                let Kind::Text(name) = parser.peek().clone() else {
                    return Err(parser.expected("a name in double quotes"));
                };
                parser.next();
                parser.expect(":")?;
                members.push((Arc::from(name), parser.expr(Strength::Open)?));
            }
            Ok(members)
        })?;
        self.expect("}")?;
        self.node(Node::Object(members), &start)
    }

    /// `^a`, `^.a`, `^^` and so on.
    fn climb(&mut self) -> Result<Expr, Problem> {
        let start = self.place();
        let mut scopes = 0;
        while self.takes("^") {
            scopes += 1;
        }
        let context = self.node(Node::Context(scopes), &start)?;
        let (has_name, is_events) = match self.peek() {
            Kind::Word(word) => (!words::is_continuing(word), *word == words::EVENTS),
            Kind::Quoted(_) => (true, false),
            _ => (false, false),
        };
        if !has_name {
            return Ok(context);
        }
        let (name, place) = self.name("a name")?;
        if self.sees("(") {
            return self.method(context, &name, &place);
        }
        // The events are the profile's from wherever one climbs.
        if is_events {
            return self.node(Node::Events, &start);
        }
        Ok(context.member(name, start.to(&place)))
    }

    fn word(&mut self, word: &str) -> Result<Expr, Problem> {
        let start = self.place();
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        let node = match word {
            words::EVENTS => Node::Events,
            _ if is("true") => Node::Literal(Literal::Bool(true)),
            _ if is("false") => Node::Literal(Literal::Bool(false)),
            _ if is("null") => Node::Literal(Literal::Null),
            _ if is("this") => Node::Context(0),
            _ if is("now") => Node::Word(Word::Now),
            _ if is("today") => Node::Word(Word::Today),
            _ if is("yesterday") => Node::Word(Word::Yesterday),
            _ if is("tomorrow") => Node::Word(Word::Tomorrow),
            _ if is("let") => return self.let_in(),
            _ if is("select") || is("exists") || is("forall") => return self.quantified(),
            _ if is("chain") => return self.chain(),
            _ if self.sees_fold(word) => return self.fold(),
            _ if matches!(self.peek_behind(1), Kind::Symbol("(")) => return self.plain_call(word),
            _ if words::is_continuing(word) || is("not") => return Err(self.expected("a value or a name")),
            _ => Node::Variable(word.into()),
        };
        self.next();
        self.node(node, &start)
    }

    fn plain_call(&mut self, word: &str) -> Result<Expr, Problem> {
        let (start, at) = (self.place(), self.at);
        self.next();
        if word.eq_ignore_ascii_case("if") {
            return self.if_else(&start);
        }
        if let Some(function) = Function::find(word, Form::Plain) {
            return self.call(function, Vec::new(), &start, &start);
        }
        let problem = Problem::new(Code::UnknownFunction, start, "a function");
        let mut methods = Function::all().iter().filter(|spec| spec.form == Form::Method);
        Err(match methods.find(|spec| spec.name.eq_ignore_ascii_case(word)) {
            Some(spec) => Problem { hint: Some(teach::in_front(self.text, self.tokens, at, spec.name)), ..problem },
            None if teach::function(word).is_some() => {
                Problem { hint: teach::function(word).map(str::to_owned), ..problem }
            }
            None => {
                let names = Function::all().iter().filter(|spec| spec.form == Form::Plain).map(|spec| spec.name);
                problem.did_you_mean(word, names.chain(["if", "chain"]))
            }
        })
    }

    fn if_else(&mut self, start: &Place) -> Result<Expr, Problem> {
        self.expect("(")?;
        let [test, then, otherwise] = self.inside(|parser| {
            let test = parser.expr(Strength::Open)?;
            parser.expect(",")?;
            let then = parser.expr(Strength::Open)?;
            parser.expect(",")?;
            Ok([test, then, parser.expr(Strength::Open)?].map(Box::new))
        })?;
        self.expect(")")?;
        self.node(Node::If { test, then, otherwise }, start)
    }
}

/// Numbers are read as JSON writes them, and there a digit stands before the point.
pub(super) fn with_zero(digits: &str) -> Cow<'_, str> {
    if digits.starts_with('.') { Cow::Owned(format!("0{digits}")) } else { Cow::Borrowed(digits) }
}
