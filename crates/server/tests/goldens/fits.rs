//! Whether an answer of the binary is one that a golden file shows, although it was given at another time, and with other draws.
//!
//! - An id that is shown as `<id1>`, or as it was drawn, is another one here, and so is a sealed word. The first time it comes up it is bound, and
//!   from then on it has to be that one, and nothing else may be it.
//! - What a request says of time is moved along, so that it stands to the clock of the machine as it stands to that of the file: instants by
//!   minutes, days by days. Answers have to show it so.
//! - An instant of the file's clock is one of this play. One behind it that no request says is an instant of the same form.
//! - `<request>`, `<cursor>` and `<drawn>` stand for any.
//!
//! Everything else is as it is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Number, Value};

use super::exchange::{self, Exchange};

#[path = "tokens.rs"]
mod tokens;

use tokens::Token;

/// When the clock of every file begins.
const BEGAN: &str = "2026-01-31T12:00:00Z";
/// A clock that is shown in whole seconds is behind.
const TRUNCATED: SignedDuration = SignedDuration::from_secs(1);
/// What is longer ago than this stands for itself: a birthday, an event of another year.
const NEAR: SignedDuration = SignedDuration::from_hours(2 * 365 * 24);

/// What the binary has answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// One line for each that is shown.
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answered: {}{}\n{}", self.status, self.headers, self.body)
    }
}

/// What one play has learned.
#[derive(Clone)]
pub(crate) struct Bindings {
    /// What requests say.
    chosen: String,
    /// The instants among it.
    instants: BTreeSet<Timestamp>,
    /// Drawn words of the file, and those of the binary.
    words: BTreeMap<String, String>,
    /// The values of `<id1>` and those behind it.
    ids: Vec<String>,
    /// The clock of the file, and that of the binary.
    of_file: [Timestamp; 2],
    of_binary: [Timestamp; 2],
    /// From the one clock to the other, for instants and for days.
    moved: SignedDuration,
    moved_days: SignedDuration,
}

impl Bindings {
    /// Nothing is bound at the beginning of a play.
    pub(crate) fn new(exchanges: &[Exchange<'_>], began: Timestamp) -> Self {
        let chosen = exchange::chosen(exchanges);
        let instants = tokens::instants(&chosen).into_iter().filter_map(|(_, own)| tokens::moment(own)).collect();
        let start: Timestamp = BEGAN.parse().expect("a time");
        let seconds = i64::try_from(exchanges.len()).expect("a count");
        let end = start + SignedDuration::from_secs(seconds + 1);
        let day = |at: Timestamp| at.as_second().div_euclid(86_400);
        Self {
            chosen,
            instants,
            words: BTreeMap::new(),
            ids: Vec::new(),
            of_file: [start, end],
            of_binary: [began - TRUNCATED, began],
            // Some speak in minutes.
            moved: SignedDuration::from_secs((began.as_second() - start.as_second()).div_euclid(60) * 60),
            moved_days: SignedDuration::from_secs(86_400 * (day(began) - day(start))),
        }
    }

    /// A part of a request as it is sent: ids in place of their names, instants moved along.
    pub(crate) fn sent(&self, text: &str) -> String {
        let mut sent = String::new();
        let mut done = 0;
        for (at, own) in tokens::instants(text) {
            sent.push_str(&text[done..at]);
            sent.push_str(&self.moved(own));
            done = at + own.len();
        }
        sent.push_str(&text[done..]);
        exchange::named(&sent, &self.ids)
    }

    /// An instant that a request says, as it is said here.
    fn moved(&self, own: &str) -> String {
        let by = if tokens::is_day(own) { self.moved_days } else { self.moved };
        match tokens::moment(own).filter(|at| self.is_near(*at)) {
            Some(at) => tokens::written_as(own, at + by),
            None => own.to_owned(),
        }
    }

    fn is_near(&self, at: Timestamp) -> bool {
        at >= self.of_file[0] - NEAR
    }

    /// Whether this is what is shown. What comes up is bound, also where something else is wrong.
    ///
    /// # Errors
    /// The first thing that is not as it is shown.
    pub(crate) fn fit(&mut self, shown: &str, answer: &Answer, now: Timestamp) -> Result<(), String> {
        self.of_binary[1] = now;
        let mut lines = shown.split('\n');
        let status = lines.next().unwrap_or_default();
        let rest: Vec<&str> = lines.collect();
        let (headers, body) = rest.split_at(rest.iter().take_while(|line| line.starts_with("< ")).count());
        let headers: String = headers.iter().map(|line| format!("\n{line}")).collect();
        let body = self.body(&body.join("\n"), &answer.body);
        if answer.status.to_string() != status {
            return Err(format!("expected the status {status}"));
        }
        self.text(&headers, &answer.headers).map_err(|fault| format!("headers: {fault}"))?;
        body
    }

    fn body(&mut self, shown: &str, body: &str) -> Result<(), String> {
        match (serde_json::from_str(shown), serde_json::from_str(body)) {
            (Ok(shown), Ok(body)) => self.value(&shown, &body, ""),
            _ => self.text(shown, body.trim_end()),
        }
    }

    fn value(&mut self, shown: &Value, value: &Value, at: &str) -> Result<(), String> {
        match (shown, value) {
            (Value::Object(shown), Value::Object(members)) => self.members(shown, members, at),
            (Value::Array(shown), Value::Array(items)) => {
                let pairs = shown.iter().zip(items).enumerate();
                let found = pairs.map(|(place, (shown, item))| self.value(shown, item, &format!("{at}/{place}")));
                let fault = found.collect::<Vec<_>>().into_iter().find_map(Result::err);
                let is_other = shown.len() != items.len();
                let count = is_other.then(|| format!("expected {} items at {at}, not {}", shown.len(), items.len()));
                fault.or(count).map_or(Ok(()), Err)
            }
            (Value::String(shown), Value::String(text)) => {
                self.text(shown, text).map_err(|fault| format!("{at}: {fault}"))
            }
            (Value::Number(shown), Value::Number(number)) if self.is_number(shown, number) => Ok(()),
            (shown, value) if shown == value => Ok(()),
            (shown, value) => Err(format!("expected {shown} at {at}, not {value}")),
        }
    }

    fn members(&mut self, shown: &Map<String, Value>, members: &Map<String, Value>, at: &str) -> Result<(), String> {
        let mut left: BTreeSet<&String> = members.keys().collect();
        let mut fault = None;
        // Those whose names are known come first: they say which of the others is which.
        let is_open = |own: &Self, name: &str| !members.contains_key(name) && own.word_of(name).is_none();
        let (open, known): (Vec<_>, Vec<_>) = shown.iter().partition(|(name, _)| is_open(self, name));
        for (name, shown) in known.into_iter().chain(open) {
            let place = format!("{at}/{name}");
            let own = self.word_of(name).or_else(|| members.contains_key(name).then(|| name.clone()));
            let own = own.or_else(|| {
                let fits = |own: &&&String| self.clone().member((name, shown), (own, &members[**own]), &place).is_ok();
                left.iter().find(fits).map(|own| (*own).clone())
            });
            let Some((own, value)) = own.as_ref().and_then(|own| members.get_key_value(own)) else {
                fault.get_or_insert(format!("expected {name} at {at}"));
                continue;
            };
            left.remove(own);
            let found = self.member((name, shown), (own, value), &place);
            fault = fault.or(found.err());
        }
        let more = left.first().map(|name| format!("did not expect {name} at {at}"));
        fault.or(more).map_or(Ok(()), Err)
    }

    fn member(&mut self, shown: (&str, &Value), own: (&str, &Value), at: &str) -> Result<(), String> {
        self.text(shown.0, own.0).map_err(|fault| format!("{at}: {fault}"))?;
        self.value(shown.1, own.1, at)
    }

    /// A number is as it is shown, or an instant in seconds, milliseconds or microseconds.
    fn is_number(&self, shown: &Number, number: &Number) -> bool {
        let (Some(at), Some(here)) = (shown.as_i64(), number.as_i64()) else { return shown == number };
        let units: [fn(i64) -> Option<Timestamp>; 3] = [
            |number| Timestamp::from_second(number).ok(),
            |number| Timestamp::from_millisecond(number).ok(),
            |number| Timestamp::from_microsecond(number).ok(),
        ];
        let is_said = |at: Timestamp| self.instants.contains(&at) && self.is_near(at);
        let instants = units.iter().filter_map(|unit| Some((unit(at)?, unit(here)?)));
        let told: Vec<_> = instants.filter(|(at, _)| within(self.of_file, *at) || is_said(*at)).collect();
        let fits = |(at, here): (Timestamp, Timestamp)| {
            (within(self.of_file, at) && within(self.of_binary, here)) || (is_said(at) && at + self.moved == here)
        };
        if told.is_empty() { at == here } else { told.into_iter().any(fits) }
    }

    /// What a drawn word is here, if it has come up.
    fn word_of(&self, shown: &str) -> Option<String> {
        self.words.get(shown).cloned()
    }

    fn text(&mut self, shown: &str, text: &str) -> Result<(), String> {
        let (mut shown_left, mut left) = (shown, text);
        let fault = || format!("expected {shown:?}, not {text:?}");
        loop {
            let (token, rest) = tokens::next(shown_left, &self.chosen);
            let taken = match token {
                Token::End if left.is_empty() => return Ok(()),
                Token::End => return Err(fault()),
                Token::Text(own) => left.strip_prefix(own),
                Token::Any => tokens::behind_word(left, rest),
                Token::Drawn(own) => self.bound(own, left),
                Token::Instant(own) => self.instant(own, left),
            };
            left = taken.ok_or_else(fault)?;
            shown_left = rest;
        }
    }

    /// What is left behind the word that this one of the file is here.
    fn bound<'a>(&mut self, shown: &str, left: &'a str) -> Option<&'a str> {
        let (word, rest) = tokens::drawn(left)?;
        // A file shows an id by its name, and as it was drawn where it stands in a name or within a text.
        let is_named = |own: &str| own.starts_with('<');
        let is_taken = self.words.iter().any(|(own, other)| other == word && is_named(own) == is_named(shown));
        match self.word_of(shown) {
            Some(known) if known != word => return None,
            Some(_) => {}
            // What is of another form is another kind of word.
            None if is_taken || (!shown.starts_with('<') && shown.len() != word.len()) => return None,
            None => {
                let number =
                    shown.strip_prefix("<id").and_then(|rest| rest.trim_end_matches('>').parse::<usize>().ok());
                if let Some(number) = number {
                    // They are counted as they come up; one that did not come up here stands for nothing.
                    self.ids.resize(self.ids.len().max(number), "nothing".to_owned());
                    word.clone_into(&mut self.ids[number - 1]);
                }
                self.words.insert(shown.to_owned(), word.to_owned());
            }
        }
        Some(rest)
    }

    /// What is left behind the instant that this one of the file is here.
    fn instant<'a>(&self, shown: &str, left: &'a str) -> Option<&'a str> {
        let at = tokens::moment(shown)?;
        if !self.is_near(at) {
            return left.strip_prefix(shown);
        }
        let is_past = at < self.of_file[0];
        // One of the past that no request says is made of those that are said, or is an example.
        if is_past
            && !self.instants.contains(&at)
            && let Some(rest) = left.strip_prefix(shown)
        {
            return Some(rest);
        }
        let is_said = is_past || self.instants.contains(&at);
        if is_said && let Some(rest) = left.strip_prefix(self.moved(shown).as_str()) {
            return Some(rest);
        }
        let (here, rest) = tokens::instant(left).filter(|(here, _)| tokens::is_of_form(shown, here))?;
        let here = tokens::moment(here)?;
        let is_allowed = if within(self.of_file, at) { within(self.of_binary, here) } else { !is_said };
        is_allowed.then_some(rest)
    }
}

fn within([from, to]: [Timestamp; 2], at: Timestamp) -> bool {
    from <= at && at <= to
}
