//! Tokens into a tree: recursive descent, with the strength of an operator as an argument.
//!
//! Names are left as variables here; [`super::resolve`] says afterwards which are.

use std::sync::Arc;

use super::lexer::{Kind, Token, tokens};
use super::{resolve, teach, words};
use crate::ast::{Arithmetic, Comparison, Expr, Form, Function, Name, Node};
use crate::limits::{DEPTH_MAX, NODES_MAX};
use crate::problem::{Code, Place, Problem};

mod bindings;
mod operand;
mod time;

/// Calls of the parser within itself. A node takes two, and the parentheses around it, which are no node, two more. The depth of
/// the tree is counted when it stands.
const RECURSION_MAX: usize = 4 * (DEPTH_MAX + 1);
/// What to say of `exists` without a condition.
const HAS_VALUE: &str = "that there is a value is written x.isNotNull(); list.exists(condition) asks of each item";

/// How strongly an operator binds what stands beside it; also the least strength that a position takes without parentheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// Anything, also what goes on to the right as far as it can: `let`, `select`, `exists`, aggregates over bindings.
    Open,
    Or,
    And,
    Not,
    Compare,
    Add,
    Multiply,
    Unary,
    Postfix,
}

/// Reads a rule.
///
/// # Errors
/// The first [`Problem`], with its place in the text.
pub fn parse(text: &str) -> Result<Expr, Problem> {
    read(text).map_err(|problem| match teach::requoted(text, &problem) {
        Some(requoted) => teach::quotes(problem, (text, &requoted), read(&requoted)),
        None => problem,
    })
}

fn read(text: &str) -> Result<Expr, Problem> {
    let tokens = tokens(text)?;
    let mut parser = Parser { text, tokens: &tokens, at: 0, depth: 0, nodes: 0, takes_in: true };
    let (parameters, mut expr) = parser.query().map_err(|problem| teach::taught(text, &tokens, problem))?;
    resolve::resolve(&mut expr, &parameters)?;
    expr.well_formed()?;
    Ok(expr)
}

pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Token<'a>],
    /// Of the next token; never behind the last, which is the end.
    at: usize,
    depth: usize,
    nodes: usize,
    /// Whether `in` is an operator here; it ends the value of a `let`.
    takes_in: bool,
}

impl<'a> Parser<'a> {
    /// `(P) => expr` or `expr`.
    fn query(&mut self) -> Result<(Vec<Name>, Expr), Problem> {
        let parameters = if self.sees_lambda() { self.lambda_names()? } else { Vec::new() };
        if let [_, _, ..] = parameters[..] {
            return Err(Problem::new(Code::NoSuchParameter, self.place(), "one parameter, the profile"));
        }
        let expr = self.expr(Strength::Open)?;
        match self.peek() {
            Kind::End => Ok((parameters, expr)),
            _ => Err(self.expected("an operator or the end")),
        }
    }

    /// An expression of operators that bind at least so strongly.
    fn expr(&mut self, least: Strength) -> Result<Expr, Problem> {
        self.enter()?;
        let mut left = self.prefix(least)?;
        let mut length = 0;
        while let Some(strength) = self.sees_operator().filter(|strength| *strength >= least) {
            length += 1;
            if length > DEPTH_MAX {
                return Err(self.too_deep());
            }
            left = self.infix(left, strength)?;
            if strength == Strength::Compare && self.sees_operator() == Some(Strength::Compare) {
                return Err(self.expected("and, or, or the end: comparisons are joined by parentheses only"));
            }
        }
        self.depth -= 1;
        Ok(left)
    }

    fn prefix(&mut self, least: Strength) -> Result<Expr, Problem> {
        let start = self.place();
        if least <= Strength::Not && (self.sees("!") || self.sees_word("not")) {
            self.next();
            let inner = self.expr(Strength::Not)?;
            return self.node(Node::Not(Box::new(inner)), &start);
        }
        if self.sees("-") {
            return self.negative();
        }
        self.postfix()
    }

    /// `-5` is a number; `-` before anything else is an operator.
    fn negative(&mut self) -> Result<Expr, Problem> {
        let start = self.place();
        self.next();
        if let Kind::Number(digits) = *self.peek()
            && !matches!(self.peek_behind(1), Kind::Symbol("." | "["))
        {
            self.next();
            return self.number(&format!("-{}", operand::with_zero(digits)), &start);
        }
        self.enter()?;
        let inner = if self.sees("-") { self.negative()? } else { self.postfix()? };
        self.depth -= 1;
        self.node(Node::Negate(Box::new(inner)), &start)
    }

    /// The strength of the operator that comes next.
    fn sees_operator(&self) -> Option<Strength> {
        match *self.peek() {
            Kind::Symbol("=" | "!=" | "<" | "<=" | ">" | ">=") => Some(Strength::Compare),
            Kind::Symbol("+" | "-") => Some(Strength::Add),
            Kind::Symbol("*" | "/" | "%") => Some(Strength::Multiply),
            Kind::Word(word) => {
                let is = |name: &str| word.eq_ignore_ascii_case(name);
                if is("or") {
                    Some(Strength::Or)
                } else if is("and") {
                    Some(Strength::And)
                } else if (is("in") && self.takes_in) || ["notIn", "like", "matches", "occurs"].into_iter().any(is) {
                    Some(Strength::Compare)
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    fn infix(&mut self, left: Expr, strength: Strength) -> Result<Expr, Problem> {
        let start = left.at.clone();
        match strength {
            Strength::Or | Strength::And => {
                let (word, next) =
                    if strength == Strength::Or { ("or", Strength::And) } else { ("and", Strength::Not) };
                let mut parts = vec![left];
                while self.takes_word(word) {
                    parts.push(self.expr(next)?);
                }
                self.count()?;
                let place = start.to(&self.place_before());
                Ok(if strength == Strength::Or { Expr::or(parts, place) } else { Expr::and(parts, place) })
            }
            Strength::Compare => self.comparison(left),
            Strength::Add | Strength::Multiply => {
                let operator = match self.next().kind {
                    Kind::Symbol("+") => Arithmetic::Add,
                    Kind::Symbol("-") => Arithmetic::Subtract,
                    Kind::Symbol("*") => Arithmetic::Multiply,
                    Kind::Symbol("/") => Arithmetic::Divide,
                    _ => Arithmetic::Remainder,
                };
                let next = if strength == Strength::Add { Strength::Multiply } else { Strength::Unary };
                let right = self.expr(next)?;
                self.node(Node::Arithmetic(operator, Box::new(left), Box::new(right)), &start)
            }
            Strength::Open | Strength::Not | Strength::Unary | Strength::Postfix => Err(self.expected("an operator")),
        }
    }

    fn comparison(&mut self, left: Expr) -> Result<Expr, Problem> {
        let start = left.at.clone();
        if let Some(comparison) = self.takes_comparison() {
            let right = self.expr(Strength::Add)?;
            return self.node(Node::Compare(comparison, Box::new(left), Box::new(right)), &start);
        }
        if self.takes_word("occurs") {
            let when = self.when()?;
            return self.node(Node::Occurs { subject: Box::new(left), when }, &start);
        }
        let functions = [Function::In, Function::NotIn, Function::Like, Function::Matches];
        let Some(function) = functions.into_iter().find(|function| self.sees_word(function.spec().name)) else {
            return Err(self.expected("a comparison"));
        };
        self.next();
        let right = self.expr(Strength::Add)?;
        self.node(Node::Call { function, arguments: vec![left, right] }, &start)
    }

    fn takes_comparison(&mut self) -> Option<Comparison> {
        let comparison = match *self.peek() {
            Kind::Symbol("=") => Comparison::Equal,
            Kind::Symbol("!=") => Comparison::NotEqual,
            Kind::Symbol("<") => Comparison::Less,
            Kind::Symbol("<=") => Comparison::LessEqual,
            Kind::Symbol(">") => Comparison::Greater,
            Kind::Symbol(">=") => Comparison::GreaterEqual,
            _ => return None,
        };
        self.next();
        Some(comparison)
    }

    /// An operand and all that is hung to it by dots and brackets.
    fn postfix(&mut self) -> Result<Expr, Problem> {
        self.enter()?;
        let mut expr = self.operand()?;
        let mut length = 0;
        loop {
            length += 1;
            if length > DEPTH_MAX {
                return Err(self.too_deep());
            }
            let start = expr.at.clone();
            if self.takes(".") {
                let (name, place) = self.name("a name behind the dot")?;
                if self.sees("(") {
                    expr = self.method(expr, &name, &place)?;
                } else {
                    self.count()?;
                    expr = expr.member(name, start.to(&place));
                }
            } else if self.sees("[") {
                self.next();
                let condition = self.inside(|parser| parser.expr(Strength::Open))?;
                self.expect("]")?;
                expr = self.node(Node::Filter { list: Box::new(expr), condition: Box::new(condition) }, &start)?;
            } else {
                self.depth -= 1;
                return Ok(expr);
            }
        }
    }

    fn method(&mut self, receiver: Expr, name: &str, place: &Place) -> Result<Expr, Problem> {
        let start = receiver.at.clone();
        if name == "filter" {
            self.expect("(")?;
            let condition = self.inside(|parser| parser.expr(Strength::Open))?;
            self.expect(")")?;
            return self.node(Node::Filter { list: Box::new(receiver), condition: Box::new(condition) }, &start);
        }
        let Some(function) = Function::find(name, Form::Method) else {
            let names = Function::all().iter().filter(|spec| spec.form == Form::Method).map(|spec| spec.name);
            let names = names.chain(["filter"]);
            let problem = Problem::new(Code::UnknownFunction, place.clone(), "a function");
            return Err(match teach::function(name) {
                Some(hint) => Problem { hint: Some(hint.to_owned()), ..problem },
                None => problem.did_you_mean(name, names),
            });
        };
        self.call(function, vec![receiver], place, &start)
    }

    /// The arguments of a function in parentheses, behind those that are already there.
    fn call(
        &mut self,
        function: Function,
        mut arguments: Vec<Expr>,
        place: &Place,
        start: &Place,
    ) -> Result<Expr, Problem> {
        let given = arguments.len();
        self.expect("(")?;
        self.inside(|parser| {
            while !parser.sees(")") {
                if arguments.len() > given {
                    parser.expect(",")?;
                }
                arguments.push(parser.argument()?);
            }
            Ok(())
        })?;
        self.expect(")")?;
        let spec = function.spec();
        if arguments.len() < spec.required || arguments.len() > spec.arguments.len() {
            return Err(wrong_count(function, given, place.clone()));
        }
        self.node(Node::Call { function, arguments }, start)
    }

    fn argument(&mut self) -> Result<Expr, Problem> {
        if !self.sees_lambda() {
            return self.expr(Strength::Open);
        }
        let start = self.place();
        let names = self.lambda_names()?;
        let body = self.expr(Strength::Open)?;
        self.node(Node::Lambda { names, body: Box::new(body) }, &start)
    }

    /// Whether `(a, b) =>` comes next.
    fn sees_lambda(&self) -> bool {
        if !self.sees("(") {
            return false;
        }
        let mut behind = 1;
        while let Kind::Word(_) = self.peek_behind(behind) {
            match self.peek_behind(behind + 1) {
                Kind::Symbol(",") => behind += 2,
                Kind::Symbol(")") => return matches!(self.peek_behind(behind + 2), Kind::Symbol("=>")),
                _ => return false,
            }
        }
        false
    }

    fn lambda_names(&mut self) -> Result<Vec<Name>, Problem> {
        self.expect("(")?;
        let mut names = vec![self.variable()?];
        while self.takes(",") {
            names.push(self.variable()?);
        }
        self.expect(")")?;
        self.expect("=>")?;
        Ok(names)
    }

    /// A name that is bound here, so none of the language's own words.
    fn variable(&mut self) -> Result<Name, Problem> {
        match *self.peek() {
            Kind::Word(word) if !words::is_reserved(word) => {
                self.next();
                Ok(Arc::from(word))
            }
            _ => Err(self.expected("a name that is no word of the language")),
        }
    }

    fn name(&mut self, what: &str) -> Result<(Name, Place), Problem> {
        let place = self.place();
        let name = match self.peek() {
            Kind::Word(word) => Arc::from(*word),
            Kind::Quoted(name) => Arc::from(name.as_str()),
            _ => return Err(self.expected(what)),
        };
        self.next();
        Ok((name, place))
    }

    /// Between brackets `in` is an operator again.
    fn inside<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Problem>) -> Result<T, Problem> {
        let before = std::mem::replace(&mut self.takes_in, true);
        let result = read(self);
        self.takes_in = before;
        result
    }

    fn node(&mut self, node: Node, start: &Place) -> Result<Expr, Problem> {
        self.count()?;
        Ok(Expr::at(node, start.to(&self.place_before())))
    }

    fn count(&mut self) -> Result<(), Problem> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            let what = format!("a rule of at most {NODES_MAX} parts");
            return Err(Problem::new(Code::TooLarge, self.place(), what));
        }
        Ok(())
    }

    fn enter(&mut self) -> Result<(), Problem> {
        self.depth += 1;
        if self.depth > RECURSION_MAX { Err(self.too_deep()) } else { Ok(()) }
    }

    fn too_deep(&self) -> Problem {
        Problem::new(Code::TooDeep, self.place(), format!("a rule at most {DEPTH_MAX} levels deep"))
    }

    fn peek(&self) -> &Kind<'a> {
        self.peek_behind(0)
    }

    fn peek_behind(&self, tokens: usize) -> &Kind<'a> {
        self.tokens.get(self.at + tokens).map_or(&Kind::End, |token| &token.kind)
    }

    fn next(&mut self) -> &'a Token<'a> {
        let token = &self.tokens[self.at];
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn place(&self) -> Place {
        self.tokens[self.at].place()
    }

    /// That of the last token that was taken.
    fn place_before(&self) -> Place {
        self.tokens[self.at.saturating_sub(1)].place()
    }

    fn sees(&self, symbol: &str) -> bool {
        matches!(self.peek(), Kind::Symbol(seen) if *seen == symbol)
    }

    fn sees_word(&self, word: &str) -> bool {
        matches!(self.peek(), Kind::Word(seen) if seen.eq_ignore_ascii_case(word))
    }

    fn takes(&mut self, symbol: &str) -> bool {
        let sees = self.sees(symbol);
        if sees {
            self.next();
        }
        sees
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let sees = self.sees_word(word);
        if sees {
            self.next();
        }
        sees
    }

    fn expect(&mut self, symbol: &str) -> Result<(), Problem> {
        if self.takes(symbol) { Ok(()) } else { Err(self.expected(symbol)) }
    }

    fn expected(&self, what: &str) -> Problem {
        Problem::new(Code::Syntax, self.place(), what)
    }
}

fn wrong_count(function: Function, given: usize, place: Place) -> Problem {
    let spec = function.spec();
    let (least, most) = (spec.required - given, spec.arguments.len() - given);
    let what = match (least, most) {
        (0, 0) => format!("{} without arguments", spec.name),
        (1, 1) => format!("{} with 1 argument", spec.name),
        _ if least == most => format!("{} with {least} arguments", spec.name),
        _ => format!("{} with {least} to {most} arguments", spec.name),
    };
    let problem = Problem::new(Code::WrongArguments, place, what);
    match function {
        Function::Exists => Problem { hint: Some(HAS_VALUE.to_owned()), ..problem },
        _ => problem,
    }
}
