//! The text of a filter into a tree.

use super::{COMPARISONS, FUNCTIONS, is_name};
use crate::ast::{Comparison, Expr, Function, Literal, Name, Node};
use crate::limits::{DEPTH_MAX, TEXT_BYTES_MAX};
use crate::problem::{Code, Place, Problem};
use crate::value::Decimal;

/// Reads a filter.
///
/// # Errors
/// The first [`Problem`], with its place in the text.
pub fn parse(text: &str) -> Result<Expr> {
    if text.len() > TEXT_BYTES_MAX {
        let what = format!("a text of at most {TEXT_BYTES_MAX} bytes");
        return Err(Problem::new(Code::TooLong, Place::text(TEXT_BYTES_MAX, text.len()), what));
    }
    let mut reader = Reader { text, at: 0, depth: 0 };
    let expr = reader.or()?;
    reader.skip_blanks();
    if reader.at < text.len() {
        return Err(reader.expected("and, or, or the end"));
    }
    expr.well_formed()?;
    Ok(expr)
}

type Result<T> = std::result::Result<T, Problem>;

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn or(&mut self) -> Result<Expr> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let what = format!("a rule at most {DEPTH_MAX} levels deep");
            return Err(Problem::new(Code::TooDeep, Place::text(self.at, self.at), what));
        }
        let start = self.at;
        let mut parts = vec![self.and()?];
        while self.takes_word("or") {
            parts.push(self.and()?);
        }
        self.depth -= 1;
        Ok(Expr::or(parts, Place::text(start, self.at)))
    }

    fn and(&mut self) -> Result<Expr> {
        let start = self.at;
        let mut parts = vec![self.not()?];
        while self.takes_word("and") {
            parts.push(self.not()?);
        }
        Ok(Expr::and(parts, Place::text(start, self.at)))
    }

    fn not(&mut self) -> Result<Expr> {
        self.skip_blanks();
        let start = self.at;
        let mut nots = 0;
        while self.takes_word("not") {
            nots += 1;
        }
        let mut expr = if self.takes("(") {
            let inner = self.or()?;
            self.expect(")")?;
            inner
        } else {
            self.clause()?
        };
        for _ in 0..nots {
            expr = Expr::at(Node::Not(Box::new(expr)), Place::text(start, self.at));
        }
        Ok(expr)
    }

    fn clause(&mut self) -> Result<Expr> {
        self.skip_blanks();
        let start = self.at;
        let word = self.bare();
        if word.is_empty() {
            return Err(self.expected("a property"));
        }
        let function = FUNCTIONS.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
        if let Some((_, function)) = function
            && self.takes("(")
        {
            return self.function(function, start);
        }
        let path = path(word, start)?;
        let operator = self.word();
        let Some((_, comparison)) = COMPARISONS.into_iter().find(|(name, _)| operator.eq_ignore_ascii_case(name))
        else {
            return Err(self.expected("eq, ne, gt, ge, lt or le"));
        };
        self.bare();
        let mut alternatives = Vec::new();
        loop {
            alternatives.push(self.alternative(&path, comparison, start)?);
            if !self.takes(",") {
                break;
            }
        }
        let place = Place::text(start, self.at);
        // Several values are alternatives, so what is none of them is not the first and not the second.
        Ok(if comparison == Comparison::NotEqual {
            Expr::and(alternatives, place)
        } else {
            Expr::or(alternatives, place)
        })
    }

    fn alternative(&mut self, path: &Expr, comparison: Comparison, start: usize) -> Result<Expr> {
        let value = self.value()?;
        let place = Place::text(start, self.at);
        let is_null = value.node == Node::Literal(Literal::Null);
        let node = match comparison {
            Comparison::Equal | Comparison::NotEqual if is_null => {
                let function = if comparison == Comparison::Equal { Function::IsNull } else { Function::IsNotNull };
                Node::Call { function, arguments: vec![path.clone()] }
            }
            Comparison::Equal => return Ok(Expr::is_or_has(path.clone(), value, place)),
            Comparison::NotEqual => Node::Not(Box::new(Expr::is_or_has(path.clone(), value, place.clone()))),
            Comparison::Less | Comparison::LessEqual | Comparison::Greater | Comparison::GreaterEqual if is_null => {
                return Err(Problem::new(Code::Syntax, value.at, "a value that is ordered, and not null"));
            }
            Comparison::Less | Comparison::LessEqual | Comparison::Greater | Comparison::GreaterEqual => {
                Node::Compare(comparison, Box::new(path.clone()), Box::new(value))
            }
        };
        Ok(Expr::at(node, place))
    }

    /// `contains(path,'text')`
    fn function(&mut self, function: Function, start: usize) -> Result<Expr> {
        self.skip_blanks();
        let at = self.at;
        let of = path(self.bare(), at)?;
        self.expect(",")?;
        let value = self.value()?;
        self.expect(")")?;
        Ok(Expr::at(Node::Call { function, arguments: vec![of, value] }, Place::text(start, self.at)))
    }

    fn value(&mut self) -> Result<Expr> {
        self.skip_blanks();
        let start = self.at;
        let literal = match self.rest().chars().next() {
            Some(quote @ ('\'' | '"')) => Literal::Text(self.quoted(quote)?.into()),
            _ => match self.bare() {
                "" => return Err(self.expected("a value")),
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                "null" => Literal::Null,
                // What would not read back as it was written, as `0150`, is a text.
                word => match Decimal::parse(word) {
                    Ok(number) if number.to_string() == word => Literal::Number(number),
                    _ => Literal::Text(word.into()),
                },
            },
        };
        Ok(Expr::at(Node::Literal(literal), Place::text(start, self.at)))
    }

    fn quoted(&mut self, quote: char) -> Result<String> {
        let start = self.at;
        let mut text = String::new();
        let mut characters = self.text[start + 1..].char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            if character != quote {
                text.push(character);
            } else if characters.next_if(|(_, next)| *next == quote).is_some() {
                text.push(quote);
            } else {
                self.at = start + 1 + at + 1;
                return Ok(text);
            }
        }
        let place = Place::text(start, self.text.len());
        Err(Problem::new(Code::Unterminated, place, format!("a {quote} at the end of the text")))
    }

    /// A word up to a blank, a comma or a parenthesis.
    fn bare(&mut self) -> &'a str {
        let word = self.word();
        self.at += self.blanks() + word.len();
        word
    }

    /// The word that comes next.
    fn word(&self) -> &'a str {
        let rest = &self.rest()[self.blanks()..];
        let end = rest.find(|character: char| character.is_whitespace() || "(),".contains(character));
        &rest[..end.unwrap_or(rest.len())]
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let sees = self.word().eq_ignore_ascii_case(word);
        if sees {
            self.bare();
        }
        sees
    }

    fn takes(&mut self, symbol: &str) -> bool {
        let blanks = self.blanks();
        let sees = self.rest()[blanks..].starts_with(symbol);
        if sees {
            self.at += blanks + symbol.len();
        }
        sees
    }

    fn expect(&mut self, symbol: &str) -> Result<()> {
        if self.takes(symbol) { Ok(()) } else { Err(self.expected(symbol)) }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn blanks(&self) -> usize {
        self.rest().len() - self.rest().trim_start().len()
    }

    fn skip_blanks(&mut self) {
        self.at += self.blanks();
    }

    fn expected(&self, what: &str) -> Problem {
        let start = self.at + self.blanks();
        Problem::new(Code::Syntax, Place::text(start, start + self.word().len()), what)
    }
}

fn path(word: &str, start: usize) -> Result<Expr> {
    let place = Place::text(start, start + word.len());
    if !word.split('.').all(is_name) {
        return Err(Problem::new(Code::Syntax, place, "a property, as in Info.Email"));
    }
    let names = word.split('.').map(Name::from).collect();
    let of = Box::new(Expr::at(Node::Context(0), place.clone()));
    Ok(Expr::at(Node::Path { of, names }, place))
}
