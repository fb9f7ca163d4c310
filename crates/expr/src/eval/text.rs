//! Functions of texts. All are false when something is missing.

use super::{Evaluator, Item, Result};
use crate::ast::{Expr, Function, Literal, Node};
use crate::value::Value;

impl<'f> Evaluator<'f> {
    /// Whether a text stands to another as the function says; none when one of them is missing.
    pub(super) fn text_holds(&mut self, function: Function, text: &Item<'f>, rest: &'f [Expr]) -> Result<Option<bool>> {
        let part = self.argument(rest, 0)?;
        let minds_case = match self.argument(rest, 1)? {
            Item::Value(Value::Bool(minds_case)) => minds_case,
            // Left out, or nothing that a caller could have meant.
            _ => true,
        };
        let (Some(text), Some(part)) = (text.text(), part.text()) else { return Ok(None) };
        self.spend((text.len() + part.len()) / 64)?;
        Ok(Some(if minds_case {
            stands(function, text, part)
        } else {
            stands(function, &text.to_lowercase(), &part.to_lowercase())
        }))
    }

    pub(super) fn text_fails(&mut self, function: Function, text: &Item<'f>, rest: &'f [Expr]) -> Result<Item<'f>> {
        Ok(Item::bool(self.text_holds(function, text, rest)? == Some(false)))
    }

    pub(super) fn pattern(&mut self, function: Function, text: &Item<'f>, rest: &'f [Expr]) -> Result<Item<'f>> {
        let nothing = if function == Function::RegexGroup { Item::NULL } else { Item::bool(false) };
        let Some(text) = text.text() else { return Ok(nothing) };
        if function == Function::Like {
            let pattern = self.argument(rest, 0)?;
            let Some(pattern) = pattern.text() else { return Ok(nothing) };
            let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
            // A `%` may be tried at each character.
            self.spend(text.len().saturating_mul(pattern.len()) / 16)?;
            return Ok(Item::bool(is_like(&text, &pattern)));
        }
        self.spend(text.len() / 16)?;
        let Some(Node::Literal(Literal::Text(pattern))) = rest.first().map(|pattern| &pattern.node) else {
            return Ok(nothing);
        };
        let Some(regex) = self.patterns.get(pattern) else { return Ok(nothing) };
        if function == Function::Matches {
            return Ok(Item::bool(regex.is_match(text)));
        }
        let group = match self.argument(rest, 1)? {
            Item::Value(Value::Number(number)) => number.to_i64().and_then(|number| usize::try_from(number).ok()),
            _ => None,
        };
        let caught = group.and_then(|group| Some(regex.captures(text)?.get(group)?.as_str()));
        Ok(caught.map_or(Item::NULL, |caught| Item::Value(Value::text(caught))))
    }
}

fn stands(function: Function, text: &str, part: &str) -> bool {
    match function {
        Function::StartsWith => text.starts_with(part),
        Function::EndsWith => text.ends_with(part),
        Function::Contains => text.contains(part),
        _ => text == part,
    }
}

/// `%` is any run of characters, `_` any one; everything else is itself.
fn is_like(text: &[char], pattern: &[char]) -> bool {
    let (mut at, mut of) = (0, 0);
    // Where the last `%` stood, and up to where it reaches; whatever follows is tried one character further each time.
    let mut run: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(of) {
            Some('%') => {
                run = Some((of, at));
                of += 1;
            }
            Some(character) if *character == '_' || *character == text[at] => {
                (at, of) = (at + 1, of + 1);
            }
            _ => match run {
                Some((percent, reach)) => {
                    run = Some((percent, reach + 1));
                    (at, of) = (reach + 1, percent + 1);
                }
                None => return false,
            },
        }
    }
    pattern[of..].iter().all(|character| *character == '%')
}
