//! Functions of texts. All are false when something is missing.

use std::sync::Arc;

use super::{Evaluator, Item, OverBudget, Result, key_text};
use crate::ast::{Expr, Function, Literal, Name, Node};
use crate::limits::PATTERN_TEXT_BYTES_MAX;
use crate::pattern::{self, Pattern, Tried};
use crate::value::{Decimal, Value};

/// What it costs to compile a pattern, besides its length and its states.
const COMPILATION_STEPS: usize = 512;

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

    /// A single value as a text, in the spelling that it has as the key of a map.
    pub(super) fn as_text(&mut self, item: Item<'f>) -> Result<Item<'f>> {
        let value = self.value(&item)?;
        Ok(match value {
            Value::Text(_) => Item::Value(value),
            Value::Bool(_) | Value::Number(_) | Value::Timestamp(_) => Item::Value(Value::Text(key_text(&value))),
            Value::Null | Value::List(_) | Value::Set(_) | Value::Object(_) => Item::NULL,
        })
    }

    /// The number that a single value is, or spells.
    pub(super) fn as_number(&mut self, item: &Item<'f>) -> Result<Item<'f>> {
        let value = self.value(item)?;
        Ok(Item::number(match value {
            Value::Number(number) => Some(number),
            Value::Bool(truth) => Some(Decimal::from_i64(i64::from(truth))),
            Value::Text(text) => {
                self.spend(text.len() / 64)?;
                Decimal::parse(text.trim()).ok()
            }
            Value::Null | Value::Timestamp(_) | Value::List(_) | Value::Set(_) | Value::Object(_) => None,
        }))
    }

    /// A text in capital or small letters.
    pub(super) fn cased(&mut self, function: Function, text: &Item<'f>) -> Result<Item<'f>> {
        let Some(text) = text.text() else { return Ok(Item::NULL) };
        self.spend(text.len() / 16)?;
        self.made(if function == Function::Upper { text.to_uppercase() } else { text.to_lowercase() })
    }

    /// How many characters a text has.
    pub(super) fn length(&mut self, text: &Item<'f>) -> Result<Item<'f>> {
        let Some(text) = text.text() else { return Ok(Item::NULL) };
        self.spend(text.len() / 64)?;
        Ok(Item::count(text.chars().count()))
    }

    /// Some characters of a text: from a place, of which the first is 1, and so many, or all that follow.
    pub(super) fn substring(&mut self, text: &Item<'f>, rest: &'f [Expr]) -> Result<Item<'f>> {
        let (start, length) = (self.argument(rest, 0)?, self.argument(rest, 1)?);
        let number = |item: &Item<'f>| match item {
            Item::Value(Value::Number(number)) => number.to_i64().and_then(|number| usize::try_from(number).ok()),
            _ => None,
        };
        let start = number(&start).and_then(|start| start.checked_sub(1));
        let length = if rest.len() > 1 { number(&length) } else { Some(usize::MAX) };
        let (Some(text), Some(start), Some(length)) = (text.text(), start, length) else { return Ok(Item::NULL) };
        self.spend(text.len() / 64)?;
        self.made(text.chars().skip(start).take(length).collect())
    }

    /// A text without blanks around it.
    pub(super) fn trimmed(&mut self, text: &Item<'f>) -> Result<Item<'f>> {
        let Some(text) = text.text() else { return Ok(Item::NULL) };
        self.made(text.trim().to_owned())
    }

    /// A text that was made, once it has been paid for.
    fn made(&mut self, text: String) -> Result<Item<'f>> {
        let value = Value::Text(text.into());
        self.weigh(&value)?;
        Ok(Item::Value(value))
    }

    pub(super) fn pattern(&mut self, function: Function, text: &Item<'f>, rest: &'f [Expr]) -> Result<Item<'f>> {
        let nothing = if function == Function::RegexGroup { Item::NULL } else { Item::bool(false) };
        let Some(text) = text.text() else { return Ok(nothing) };
        if function == Function::Like {
            let pattern = self.argument(rest, 0)?;
            let Some(pattern) = pattern.text() else { return Ok(nothing) };
            // A `%` may be tried at each character.
            self.spend((text.len() + 1).saturating_mul(pattern.len()) / 16)?;
            let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
            return Ok(Item::bool(is_like(&text, &pattern)));
        }
        let Some(argument) = rest.first() else { return Ok(nothing) };
        let Some(pattern) = self.pattern_of(argument)? else { return Ok(nothing) };
        if function == Function::Matches {
            return self.try_ways(&pattern, text, |round| pattern.is_in(text, round)).map(Item::bool);
        }
        let group = match self.argument(rest, 1)? {
            Item::Value(Value::Number(number)) => number.to_i64().and_then(|number| usize::try_from(number).ok()),
            _ => None,
        };
        let Some(group) = group else { return Ok(Item::NULL) };
        let caught = self.try_ways(&pattern, text, |round| pattern.group_in(text, group, round))?;
        Ok(caught.map_or(Item::NULL, |caught| Item::Value(Value::text(caught))))
    }

    /// Tries a pattern on a text, round by round, each of which is paid before it begins.
    fn try_ways<T>(&mut self, pattern: &Pattern, text: &str, attempt: impl Fn(usize) -> Tried<T>) -> Result<T> {
        for round in 0..pattern.rounds() {
            self.spend_steps(pattern.price(text.len(), round))?;
            if let Tried::Done(found) = attempt(round) {
                return Ok(found);
            }
        }
        Err(OverBudget::Pattern)
    }

    /// The pattern that an argument says; none if it says none, or one that cannot be read. Its first use in an evaluation is paid by its
    /// states, and one that is no part of the rule is compiled for this evaluation alone.
    fn pattern_of(&mut self, argument: &'f Expr) -> Result<Option<Arc<Pattern>>> {
        let written = match &argument.node {
            Node::Literal(Literal::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let text = match &written {
            Some(text) => text.clone(),
            None => match self.expr(argument)? {
                Item::Value(Value::Text(text)) => text,
                _ => return Ok(None),
            },
        };
        let is_same = |own: &Name| Arc::ptr_eq(own, &text) || *own == text;
        if let Some((_, known)) = self.patterns.iter().find(|(own, _)| is_same(own)) {
            return Ok(known.clone());
        }
        let pattern = match written {
            Some(_) => pattern::known(&text).ok(),
            None if text.len() > PATTERN_TEXT_BYTES_MAX => return Err(OverBudget::Pattern),
            None => {
                self.spend(COMPILATION_STEPS + text.len())?;
                let compiled = Pattern::compile(&text).ok().map(Arc::new);
                self.spend(compiled.as_ref().map_or(0, |own| own.states() * 4))?;
                compiled
            }
        };
        self.spend(pattern.as_ref().map_or(0, |own| own.states()))?;
        self.patterns.push((text, pattern.clone()));
        Ok(pattern)
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
