//! From the words of a query to what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tessera_expr::ast::{Arithmetic, Comparison};
use tessera_expr::limits::PATH_NAMES_MAX;
use tessera_service::clock::parse_timestamp;

use super::ast::{Call, Fault, Kind, OfTexts, Query, Term, fault};
use super::lexer::{Token, span, tokens};
use super::{EVENT_COLUMNS, QUERY_BYTES_MAX};

mod stages;

/// Brackets, functions, and operands of sums and products, in each other.
const DEPTH_MAX: usize = 24;
/// Stages of a query.
const STAGES_MAX: usize = 32;
/// Columns that one stage names.
pub(super) const COLUMNS_MAX: usize = 64;

/// Values of parameters, by their names.
pub(in super::super) type Parameters = BTreeMap<String, Kind>;

/// Reads a query.
pub(in super::super) fn parse(text: &str, parameters: &Parameters) -> Result<Query, Fault> {
    if text.len() > QUERY_BYTES_MAX {
        return Err(fault(0, format!("a query of at most {QUERY_BYTES_MAX} bytes")));
    }
    let tokens = tokens(text)?;
    let columns = EVENT_COLUMNS.iter().map(|name| (*name).to_owned()).collect();
    let mut parser = Parser { tokens, next: 0, parameters, columns, depth: 0, addresses: Vec::new() };
    parser.expect_word("Events", "the table Events")?;
    let mut stages = Vec::new();
    while parser.takes("|") {
        let at = parser.at();
        if stages.len() == STAGES_MAX {
            return Err(fault(at, format!("an end, as a query has at most {STAGES_MAX} stages")));
        }
        stages.push((at, parser.stage()?));
    }
    if *parser.peek() != Token::End {
        return Err(fault(parser.at(), "| and a stage, or the end"));
    }
    Ok(Query { stages, addresses: parser.addresses })
}

struct Parser<'a> {
    tokens: Vec<(usize, Token)>,
    next: usize,
    parameters: &'a Parameters,
    /// Names that are columns, and no parameters.
    columns: BTreeSet<String>,
    depth: usize,
    addresses: Vec<String>,
}

impl Parser<'_> {
    fn at(&self) -> usize {
        self.tokens[self.next].0
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.next].1
    }

    fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), Token::Symbol(own) if *own == symbol)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(own) if own == word)
    }

    fn takes(&mut self, symbol: &str) -> bool {
        let is = self.is_symbol(symbol);
        if is {
            self.advance();
        }
        is
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is = self.is_word(word);
        if is {
            self.advance();
        }
        is
    }

    fn expect(&mut self, symbol: &str, expected: &str) -> Result<(), Fault> {
        if self.takes(symbol) { Ok(()) } else { Err(fault(self.at(), expected)) }
    }

    fn expect_word(&mut self, word: &str, expected: &str) -> Result<(), Fault> {
        if self.takes_word(word) { Ok(()) } else { Err(fault(self.at(), expected)) }
    }

    /// Goes one deeper, within the bound.
    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth == DEPTH_MAX {
            return Err(self.too_deep());
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// A value or a condition.
    fn term(&mut self) -> Result<Term, Fault> {
        self.deeper(Self::either)
    }

    fn either(&mut self) -> Result<Term, Fault> {
        let at = self.at();
        let mut parts = vec![self.both()?];
        while self.takes_word("or") {
            parts.push(self.both()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Term::new(at, Kind::Or(parts)) })
    }

    fn both(&mut self) -> Result<Term, Fault> {
        let at = self.at();
        let mut parts = vec![self.compared()?];
        while self.takes_word("and") {
            parts.push(self.compared()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Term::new(at, Kind::And(parts)) })
    }

    /// What may be compared with something.
    fn compared(&mut self) -> Result<Term, Fault> {
        let left = self.sum()?;
        let at = left.at;
        let word = match self.peek() {
            Token::Symbol(symbol) => *symbol,
            Token::Word(word) => match operator(word) {
                Some(word) => word,
                None => return Ok(left),
            },
            _ => return Ok(left),
        };
        if let Some(comparison) = comparison(word) {
            self.advance();
            let right = self.sum()?;
            return Ok(Term::new(at, Kind::Compare(comparison, Box::new(left), Box::new(right))));
        }
        if let Some((of, is_negated)) = of_texts(word) {
            self.advance();
            let right = self.sum()?;
            return Ok(Term::new(at, Kind::OfTexts(of, is_negated, Box::new(left), Box::new(right))));
        }
        let negated = |is_negated, kind| {
            let term = Term::new(at, kind);
            if is_negated { Term::new(at, Kind::Not(Box::new(term))) } else { term }
        };
        match word {
            "in" | "!in" | "in~" | "!in~" => {
                self.advance();
                let list = self.list()?;
                let minds_case = !word.ends_with('~');
                Ok(negated(word.starts_with('!'), Kind::In { of: Box::new(left), list, minds_case }))
            }
            "between" | "!between" => {
                self.advance();
                self.expect("(", "( and the ends of a range")?;
                let low = self.sum()?;
                self.expect("..", ".. and the other end")?;
                let high = self.sum()?;
                self.expect(")", ")")?;
                let kind = Kind::Between(Box::new(left), Box::new(low), Box::new(high));
                Ok(negated(word.starts_with('!'), kind))
            }
            _ => Ok(left),
        }
    }

    fn list(&mut self) -> Result<Vec<Term>, Fault> {
        self.expect("(", "( and values")?;
        let mut list = vec![self.sum()?];
        while self.takes(",") {
            list.push(self.sum()?);
        }
        self.expect(")", ", or )")?;
        Ok(list)
    }

    fn sum(&mut self) -> Result<Term, Fault> {
        let operator = |token: &Token| match token {
            Token::Symbol("+") => Some(Arithmetic::Add),
            Token::Symbol("-") => Some(Arithmetic::Subtract),
            _ => None,
        };
        self.chained(operator, Self::product)
    }

    fn product(&mut self) -> Result<Term, Fault> {
        let operator = |token: &Token| match token {
            Token::Symbol("*") => Some(Arithmetic::Multiply),
            Token::Symbol("/") => Some(Arithmetic::Divide),
            Token::Symbol("%") => Some(Arithmetic::Remainder),
            _ => None,
        };
        self.chained(operator, Self::single)
    }

    /// Operands with operators between them, from the left. Each stands one deeper than the next.
    fn chained(
        &mut self,
        operator: impl Fn(&Token) -> Option<Arithmetic>,
        operand: impl Fn(&mut Self) -> Result<Term, Fault>,
    ) -> Result<Term, Fault> {
        let depth = self.depth;
        let mut left = operand(self)?;
        while let Some(operator) = operator(self.peek()) {
            self.advance();
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err(self.too_deep());
            }
            let right = operand(self)?;
            left = Term::new(left.at, Kind::Arithmetic(operator, Box::new(left), Box::new(right)));
        }
        self.depth = depth;
        Ok(left)
    }

    fn too_deep(&self) -> Fault {
        let expected = format!("something simpler, as at most {DEPTH_MAX} brackets and operands stand in each other");
        fault(self.at(), expected)
    }

    fn single(&mut self) -> Result<Term, Fault> {
        let at = self.at();
        if self.takes("-") {
            let inner = self.deeper(Self::single)?;
            return Ok(Term::new(at, Kind::Negate(Box::new(inner))));
        }
        if self.takes("(") {
            let inner = self.term()?;
            self.expect(")", ")")?;
            return Ok(inner);
        }
        let kind = match self.advance() {
            Token::Number(number) => Kind::Number(number),
            Token::Span(micros) => Kind::Span(micros),
            Token::Text(text) => self.text(text),
            Token::Time(text) if text == "null" => Kind::Null,
            Token::Time(text) => Kind::Time(parse_timestamp(&text).map_err(|_| fault(at, "a time in ISO 8601"))?),
            Token::Parameter(name) => {
                let known = self.parameters.get(&name).cloned();
                let kind = known.ok_or_else(|| fault(at, "a parameter that has a value"))?;
                self.known(kind)
            }
            Token::Word(word) if word == "true" || word == "false" => Kind::Bool(word == "true"),
            Token::Word(word) if word == "null" => Kind::Null,
            Token::Word(word) if self.is_symbol("(") => return self.called(at, &word),
            Token::Word(word) if operator(&word).is_none() && !["and", "or", "by"].contains(&&*word) => {
                return self.column(at, word);
            }
            _ => return Err(fault(at, "a column, a value or (")),
        };
        Ok(Term::new(at, kind))
    }

    fn text(&mut self, text: String) -> Kind {
        if text.contains('@') {
            self.addresses.push(text.clone());
        }
        Kind::Text(text)
    }

    fn known(&mut self, kind: Kind) -> Kind {
        match kind {
            Kind::Text(text) => self.text(text),
            kind => kind,
        }
    }

    /// A column and what stands below it, or a parameter by its name alone.
    fn column(&mut self, at: usize, word: String) -> Result<Term, Fault> {
        let goes_on = self.is_symbol(".") || self.is_symbol("[");
        if !goes_on
            && !self.columns.contains(&word)
            && let Some(kind) = self.parameters.get(&word).cloned()
        {
            let kind = self.known(kind);
            return Ok(Term::new(at, kind));
        }
        let mut names: Vec<Arc<str>> = vec![word.into()];
        loop {
            let here = self.at();
            if names.len() > PATH_NAMES_MAX {
                return Err(fault(here, format!("at most {PATH_NAMES_MAX} names in each other")));
            }
            if self.takes(".") {
                match self.advance() {
                    Token::Word(name) => names.push(name.into()),
                    _ => return Err(fault(here + 1, "a name")),
                }
            } else if self.takes("[") {
                match self.advance() {
                    Token::Text(name) => names.push(name.into()),
                    _ => return Err(fault(here + 1, "a name in quotes")),
                }
                self.expect("]", "]")?;
            } else {
                return Ok(Term::new(at, Kind::Column(names)));
            }
        }
    }

    fn called(&mut self, at: usize, name: &str) -> Result<Term, Fault> {
        self.expect("(", "(")?;
        if name == "now" && self.takes(")") {
            return Ok(Term::new(at, Kind::Now));
        }
        let inside = self.at();
        let mut arguments = vec![self.term()?];
        while self.takes(",") {
            arguments.push(self.term()?);
        }
        self.expect(")", ", or )")?;
        let count = arguments.len();
        let one = arguments[0].clone();
        let kind = match (name, count) {
            ("not", 1) => Kind::Not(Box::new(one)),
            ("ago", 1) => {
                let length = length(&one.kind).ok_or_else(|| fault(inside, "a length of time such as 7d"))?;
                let (now, length) = (Term::new(at, Kind::Now), Term::new(inside, Kind::Span(length)));
                Kind::Arithmetic(Arithmetic::Subtract, Box::new(now), Box::new(length))
            }
            ("datetime" | "todatetime", 1) => instant(one.kind).ok_or_else(|| fault(inside, "a time in ISO 8601"))?,
            ("timespan" | "time" | "totimespan", 1) => {
                Kind::Span(length(&one.kind).ok_or_else(|| fault(inside, "a length of time such as 7d"))?)
            }
            ("iff" | "iif", 3) => Kind::Call(Call::If, arguments),
            (name, count) => match (function(name), count) {
                (Some(call), 1) => Kind::Call(call, arguments),
                (Some(_), _) => return Err(fault(inside, "one argument")),
                (None, _) => {
                    let expected = "ago, now, datetime, timespan, not, iff, tostring, toint, tolong, todouble, isnull, isnotnull, isempty \
                                    or isnotempty";
                    return Err(fault(at, expected));
                }
            },
        };
        Ok(Term::new(at, kind))
    }
}

/// The length of time that a value written out is.
fn length(kind: &Kind) -> Option<i64> {
    match kind {
        Kind::Span(micros) => Some(*micros),
        Kind::Text(text) => span(text),
        _ => None,
    }
}

fn instant(kind: Kind) -> Option<Kind> {
    match kind {
        Kind::Time(_) => Some(kind),
        Kind::Text(text) => parse_timestamp(&text).ok().map(Kind::Time),
        _ => None,
    }
}

fn function(name: &str) -> Option<Call> {
    Some(match name {
        "tostring" => Call::ToText,
        "toint" | "tolong" => Call::ToWhole,
        "todouble" | "toreal" | "todecimal" => Call::ToNumber,
        "isnull" => Call::IsNull,
        "isnotnull" => Call::IsNotNull,
        "isempty" => Call::IsEmpty,
        "isnotempty" => Call::IsNotEmpty,
        _ => return None,
    })
}

fn comparison(word: &str) -> Option<Comparison> {
    Some(match word {
        "==" => Comparison::Equal,
        "!=" => Comparison::NotEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterEqual,
        _ => return None,
    })
}

/// Operators that are words.
fn operator(word: &str) -> Option<&'static str> {
    const WORDS: [&str; 14] = [
        "in",
        "!in",
        "in~",
        "!in~",
        "between",
        "!between",
        "contains",
        "!contains",
        "startswith",
        "!startswith",
        "endswith",
        "!endswith",
        "has",
        "!has",
    ];
    WORDS.into_iter().find(|own| *own == word)
}

/// A comparison of texts, and whether it is that it does not hold.
fn of_texts(word: &str) -> Option<(OfTexts, bool)> {
    let of = match word {
        "=~" | "!~" => OfTexts::Equals,
        "contains" | "!contains" => OfTexts::Contains,
        "startswith" | "!startswith" => OfTexts::StartsWith,
        "endswith" | "!endswith" => OfTexts::EndsWith,
        "has" | "!has" => OfTexts::Has,
        _ => return None,
    };
    Some((of, word.starts_with('!')))
}
