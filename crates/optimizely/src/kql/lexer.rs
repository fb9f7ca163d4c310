//! The words of a query, each with the byte at which it begins.

use tessera_expr::value::Decimal;

use super::ast::{Fault, fault};

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A name or a word of the language; words with `!` before or `~` behind them are one.
    Word(String),
    /// `{{name}}`
    Parameter(String),
    Number(Decimal),
    /// A length of time, in microseconds.
    Span(i64),
    Text(String),
    /// What stands between the brackets of `datetime(…)`.
    Time(String),
    Symbol(&'static str),
    End,
}

/// Longer ones first.
const SYMBOLS: [&str; 23] = [
    "==", "!=", "=~", "!~", "<=", ">=", "..", "<", ">", "=", "|", "(", ")", "[", "]", ",", ".", "+", "-", "*", "/",
    "%", ":",
];

/// Units of lengths of time, and their microseconds.
const SPANS: [(&str, i64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("microsecond", 1),
];

/// Takes a query apart.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Fault> {
    let mut found = Vec::new();
    let mut lexer = Lexer { text, at: 0 };
    loop {
        lexer.skip_blank();
        let at = lexer.at;
        let token = lexer.next()?;
        let is_end = token == Token::End;
        found.push((at, token));
        if is_end {
            return Ok(found);
        }
    }
}

/// A length of time as it is written, such as `7d` or `1.5h`, or `days.hours:minutes:seconds`.
pub(in super::super) fn span(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.contains(':') {
        return clock_span(text);
    }
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
    let (number, unit) = text.split_at(end);
    let micros = SPANS.iter().find(|(name, _)| *name == unit).map(|(_, micros)| *micros)?;
    let whole = Decimal::parse(number).ok()?.checked_mul(Decimal::from_i64(micros))?;
    whole.to_i64()
}

/// `[d.]hh:mm[:ss]`
fn clock_span(text: &str) -> Option<i64> {
    let (days, clock) = text.split_once('.').filter(|(days, _)| !days.contains(':')).unwrap_or(("0", text));
    let mut parts = clock.split(':');
    let mut micros = days.parse::<u32>().ok().map(|days| i64::from(days) * SPANS[0].1)?;
    for (bound, unit) in [(24, SPANS[1].1), (60, SPANS[2].1)] {
        let part: u32 = parts.next()?.parse().ok().filter(|part| *part < bound)?;
        micros = micros.checked_add(i64::from(part) * unit)?;
    }
    if let Some(seconds) = parts.next() {
        let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
        whole.parse::<u32>().ok().filter(|whole| *whole < 60)?;
        let seconds = Decimal::parse(&format!("{}.{fraction}", whole.parse::<u32>().ok()?)).ok()?;
        micros = micros.checked_add(seconds.checked_mul(Decimal::from_i64(1_000_000))?.to_i64()?)?;
    }
    parts.next().is_none().then_some(micros)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with("//") {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    fn next(&mut self) -> Result<Token, Fault> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        if rest.starts_with("{{") {
            return self.parameter();
        }
        if first == '"' || first == '\'' {
            return self.quoted(first);
        }
        if rest.starts_with("@\"") || rest.starts_with("@'") {
            return self.verbatim();
        }
        if first.is_ascii_digit() {
            return self.number();
        }
        if is_first_of_name(first) {
            return self.word("");
        }
        if first == '!' && rest[1..].chars().next().is_some_and(is_first_of_name) {
            self.at += 1;
            return self.word("!");
        }
        let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol));
        let symbol = symbol.ok_or_else(|| fault(self.at, "a name, a value or an operator"))?;
        self.at += symbol.len();
        Ok(Token::Symbol(symbol))
    }

    fn parameter(&mut self) -> Result<Token, Fault> {
        let inside = &self.rest()[2..];
        let end = inside.find("}}").ok_or_else(|| fault(self.at, "a name of a parameter and }}"))?;
        let name = inside[..end].trim();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(fault(self.at + 2, "a name of letters"));
        }
        self.at += end + 4;
        Ok(Token::Parameter(name.to_owned()))
    }

    fn quoted(&mut self, quote: char) -> Result<Token, Fault> {
        let start = self.at;
        let mut text = String::new();
        let mut letters = self.rest().char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\n' => break,
                '\\' => {
                    let escaped = letters.next().map(|(_, letter)| letter);
                    text.push(match escaped {
                        Some('n') => '\n',
                        Some('t') => '\t',
                        Some('r') => '\r',
                        Some(letter @ ('\\' | '"' | '\'')) => letter,
                        _ => return Err(fault(start + at, "one of \\\\ \\\" \\' \\n \\r \\t")),
                    });
                }
                letter if letter == quote => {
                    self.at += at + 1;
                    return Ok(Token::Text(text));
                }
                letter => text.push(letter),
            }
        }
        Err(fault(start, format!("a text that ends with {quote}")))
    }

    fn verbatim(&mut self) -> Result<Token, Fault> {
        let start = self.at;
        let quote = &self.rest()[1..2];
        let mut end = start + 2;
        loop {
            let next =
                self.text[end..].find(quote).ok_or_else(|| fault(start, format!("a text that ends with {quote}")))?;
            end += next + 1;
            if !self.text[end..].starts_with(quote) {
                break;
            }
            end += 1;
        }
        self.at = end;
        Ok(Token::Text(self.text[start + 2..end - 1].replace(&quote.repeat(2), quote)))
    }

    fn number(&mut self) -> Result<Token, Fault> {
        let start = self.at;
        let digits = |text: &str| text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let mut end = digits(self.rest());
        let behind = &self.rest()[end..];
        if behind.starts_with('.') && behind[1..].starts_with(|letter: char| letter.is_ascii_digit()) {
            end += 1 + digits(&behind[1..]);
        }
        let rest = self.rest();
        let unit = &rest[end..];
        let unit = &unit[..unit.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(unit.len())];
        self.at += end + unit.len();
        if unit.is_empty() {
            let number = Decimal::parse(&rest[..end]).map_err(|_| fault(start, "a number below about 1.7e20"))?;
            return Ok(Token::Number(number));
        }
        let span = span(&rest[..end + unit.len()]);
        span.map(Token::Span).ok_or_else(|| fault(start + end, "d, h, m, s, ms or microsecond, or nothing"))
    }

    fn word(&mut self, before: &str) -> Result<Token, Fault> {
        let rest = self.rest();
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
        let word = &rest[..end];
        self.at += end;
        let behind = &rest[end..];
        if word == "in" && behind.starts_with('~') {
            self.at += 1;
            return Ok(Token::Word(format!("{before}in~")));
        }
        if word == "datetime" && before.is_empty() {
            return self.time(behind);
        }
        Ok(Token::Word(format!("{before}{word}")))
    }

    /// `datetime(2020-01-31 10:00)`: what stands in it is no expression. With a parameter or a text in it, it is a function like others.
    fn time(&mut self, behind: &str) -> Result<Token, Fault> {
        let Some(inside) = behind.trim_start().strip_prefix('(') else { return Ok(Token::Word("datetime".into())) };
        if inside.trim_start().starts_with(['{', '"', '\'']) {
            return Ok(Token::Word("datetime".into()));
        }
        let end = inside.find(')').ok_or_else(|| fault(self.at, "a time and )"))?;
        self.at += behind.len() - inside.len() + end + 1;
        Ok(Token::Time(inside[..end].trim().to_owned()))
    }
}

fn is_first_of_name(letter: char) -> bool {
    letter.is_alphabetic() || letter == '_'
}
