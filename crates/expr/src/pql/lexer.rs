//! Text into tokens.

use super::words::{begins_name, continues_name};
use crate::limits::TEXT_BYTES_MAX;
use crate::problem::{Code, Place, Problem};

/// A token and the bytes that it was read from.
#[derive(Debug, Clone)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind<'a> {
    /// A name or a word of the language.
    Word(&'a str),
    /// A name in backticks.
    Quoted(String),
    /// A text in double quotes.
    Text(String),
    /// Digits, with a fraction and an exponent perhaps; no sign.
    Number(&'a str),
    /// `$` and a number.
    Parameter(&'a str),
    /// Everything else.
    Symbol(&'static str),
    /// Behind the last token.
    End,
}

impl Token<'_> {
    pub(super) fn place(&self) -> Place {
        Place::text(self.start, self.end)
    }
}

/// Longest first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 23] = [
    "=>", "!=", "<=", ">=", "(", ")", "[", "]", "{", "}", ",", ".", ":", "=", "<", ">", "+", "-", "*", "/", "%", "!",
    "^",
];

pub(super) fn tokens(source: &str) -> Result<Vec<Token<'_>>, Problem> {
    if source.len() > TEXT_BYTES_MAX {
        let what = format!("a text of at most {TEXT_BYTES_MAX} bytes");
        return Err(Problem::new(Code::TooLong, Place::text(TEXT_BYTES_MAX, source.len()), what));
    }
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        at += source[at..].len() - source[at..].trim_start().len();
        let Some(token) = token(source, at)? else { break };
        at = token.end;
        tokens.push(token);
    }
    tokens.push(Token { kind: Kind::End, start: at, end: at });
    Ok(tokens)
}

fn token(source: &str, start: usize) -> Result<Option<Token<'_>>, Problem> {
    let rest = &source[start..];
    let Some(first) = rest.chars().next() else { return Ok(None) };
    let (kind, length) = match first {
        '"' => quoted(rest, start, Kind::Text)?,
        '`' => quoted(rest, start, Kind::Quoted)?,
        '$' => {
            let digits = digits(&rest[1..]);
            if digits == 0 {
                return Err(Problem::new(Code::Syntax, Place::text(start, start + 1), "a number behind $, as in $1"));
            }
            (Kind::Parameter(&rest[1..=digits]), 1 + digits)
        }
        _ if begins_name(first) => {
            let length = rest.find(|character| !continues_name(character)).unwrap_or(rest.len());
            (Kind::Word(&rest[..length]), length)
        }
        _ => match number(rest) {
            0 => symbol(rest, start, first)?,
            length => (Kind::Number(&rest[..length]), length),
        },
    };
    Ok(Some(Token { kind, start, end: start + length }))
}

fn symbol(rest: &str, start: usize, first: char) -> Result<(Kind<'static>, usize), Problem> {
    if rest.starts_with("==") {
        let problem = Problem::new(Code::Syntax, Place::text(start, start + 2), "=");
        let is_quoted_otherwise = rest.contains('\'') && !rest.contains('"');
        let quotes = if is_quoted_otherwise { "; and texts stand in \"double quotes\"" } else { "" };
        return Err(Problem { hint: Some(format!("equality is written ={quotes}")), ..problem });
    }
    match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
        Some(symbol) => Ok((Kind::Symbol(symbol), symbol.len())),
        None => {
            let place = Place::text(start, start + first.len_utf8());
            let hint = super::teach::character(rest).map(str::to_owned);
            let problem = Problem::new(Code::UnknownCharacter, place, "a value, a name or an operator");
            Err(Problem { hint, ..problem })
        }
    }
}

/// How many bytes of a number the text begins with. A point belongs to it only with a digit behind.
fn number(text: &str) -> usize {
    let mut length = digits(text);
    if let Some(fraction) = text[length..].strip_prefix('.') {
        let places = digits(fraction);
        if places > 0 {
            length += 1 + places;
        }
    }
    if length == 0 {
        return 0;
    }
    if let Some(exponent) = text[length..].strip_prefix(['e', 'E']) {
        let sign = usize::from(exponent.starts_with(['+', '-']));
        let places = digits(&exponent[sign..]);
        if places > 0 {
            length += 1 + sign + places;
        }
    }
    length
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// What stands between two quotes of the kind that the text begins with. A backslash takes the meaning from a quote and from
/// another backslash; before anything else it is itself, as patterns want it.
fn quoted<'a>(
    rest: &'a str,
    start: usize,
    kind: impl FnOnce(String) -> Kind<'a>,
) -> Result<(Kind<'a>, usize), Problem> {
    let mut text = String::new();
    let mut characters = rest.char_indices();
    let quote = characters.next().map(|(_, quote)| quote);
    while let Some((at, character)) = characters.next() {
        match character {
            _ if Some(character) == quote => return Ok((kind(text), at + 1)),
            '\\' => match characters.next() {
                Some((_, escaped)) if Some(escaped) == quote || escaped == '\\' => text.push(escaped),
                Some((_, other)) => text.extend(['\\', other]),
                None => break,
            },
            _ => text.push(character),
        }
    }
    let what = if quote == Some('"') { "a \" at the end of the text" } else { "a ` at the end of the name" };
    Err(Problem::new(Code::Unterminated, Place::text(start, start + rest.len()), what))
}
