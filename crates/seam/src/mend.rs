//! What is almost JSON: `NaN` and `Infinity` where a number is expected, bytes that are no UTF-8, half a surrogate pair, control
//! characters as they are. One such value must not cost its neighbours, so it is left out or replaced, and what was done is said.
//!
//! A member whose value is left out goes with its name: `null` would say that it is removed. In a list `null` stands in its place, so
//! that the others keep theirs. Broken structure is not mended.

use std::ops::Range;
use std::sync::Arc;

use serde_json::value::RawValue;
use tessera_engine::value::{Decimal, NumberError};
use tessera_service::verdict::Note;

use crate::measure::measure;

#[cfg(test)]
mod tests;

/// Flaws that are told of one event or record; what lies beyond them is mended all the same, and told as a whole.
pub(crate) const FLAWS_TOLD_MAX: usize = 8;
/// Bytes of a path that is told.
const PATH_BYTES_MAX: usize = 200;
/// Objects and arrays in each other that are looked into.
const DEPTH_MAX: usize = 1_000;

/// What was wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// `NaN` or `Infinity`, in any of the spellings that languages print.
    NotANumber,
    /// A number beyond about 1.7e20.
    OutOfRange,
    /// Text with bytes that are no UTF-8, or with half a surrogate pair.
    NotUnicode,
    /// Text with a control character as it is.
    Control,
    /// More than is told one by one.
    More,
}

/// Something that was left out or replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Where it stood, in bytes of the mended text.
    at: usize,
    /// Its path within its event or record.
    path: Arc<str>,
    wrong: Wrong,
}

/// A text that was mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mended {
    /// JSON.
    pub(crate) text: String,
    /// What was done, in order; at most [`FLAWS_TOLD_MAX`] and one for each event or record.
    pub(crate) flaws: Vec<Flaw>,
}

/// Whether text that is JSON by its grammar may hold half a surrogate pair. Whole pairs are asked about as well.
pub(crate) fn has_surrogates(json: &[u8]) -> bool {
    memchr::memchr_iter(b'\\', json).any(|at| matches!(json.get(at + 1..at + 3), Some([b'u', b'd' | b'D'])))
}

/// Mends a body; none where its structure is broken.
pub(crate) fn mend(body: &[u8]) -> Option<Mended> {
    Mender::new(body, Aim::Grammar).run()
}

/// JSON without the numbers that are none of ours; none where it has no such number. What stands below `externalIds` are names, which
/// may have any digits.
pub fn without_great_numbers(json: &RawValue, name: &str) -> Option<(Box<RawValue>, Vec<Flaw>)> {
    if !measure(json.get()).great_numbers {
        return None;
    }
    let Mended { text, mut flaws } = Mender::new(json.get().as_bytes(), Aim::Range).run()?;
    if flaws.is_empty() {
        return None;
    }
    for flaw in flaws.iter_mut().filter(|_| !name.is_empty()) {
        flaw.path = format!("{name}.{}", flaw.path).into();
    }
    Some((RawValue::from_string(text).ok()?, flaws))
}

impl Flaw {
    /// What the sender is told.
    pub fn note(&self) -> Note {
        let path = Arc::clone(&self.path);
        let left_out =
            |code, message: &str| Note::ValueLeftOut { path: Arc::clone(&path), code, message: message.into() };
        let replaced =
            |code, message: &str| Note::ValueReplaced { path: Arc::clone(&path), code, message: message.into() };
        match self.wrong {
            Wrong::NotANumber => left_out("not_a_number", "a number that JSON can write is expected, or null"),
            Wrong::OutOfRange => left_out("number_out_of_range", "a number between -1.7e20 and 1.7e20 is expected"),
            Wrong::NotUnicode => replaced("not_unicode", "UTF-8 is expected; what is none was replaced by U+FFFD"),
            Wrong::Control => {
                replaced("control_character", "control characters are expected as escapes; they were escaped")
            }
            Wrong::More => {
                left_out("more_values", "more values of this event or record were left out or replaced than are told")
            }
        }
    }
}

/// The flaws that lie within a part of the mended text.
pub(crate) fn within<'f>(flaws: &'f [Flaw], part: &Range<usize>) -> &'f [Flaw] {
    let first = flaws.partition_point(|flaw| flaw.at < part.start);
    let last = flaws.partition_point(|flaw| flaw.at < part.end);
    &flaws[first..last]
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    /// What is no JSON.
    Grammar,
    /// Numbers out of range, in what is JSON.
    Range,
}

/// An object or array that is open.
struct Frame {
    is_object: bool,
    /// Members or items that were written.
    written: usize,
    /// Whether a member was left out.
    lost: Option<Wrong>,
    /// Where the member or item begins that is being read, with its comma.
    member: usize,
    /// Where its name stands, in quotes.
    name: Range<usize>,
}

struct Mender<'a> {
    json: &'a [u8],
    at: usize,
    aim: Aim,
    out: Vec<u8>,
    open: Vec<Frame>,
    flaws: Vec<Flaw>,
    /// Flaws told of the event or record that is being read.
    told: usize,
}

impl<'a> Mender<'a> {
    fn new(json: &'a [u8], aim: Aim) -> Self {
        let out = Vec::with_capacity(json.len());
        Self { json, at: 0, aim, out, open: Vec::new(), flaws: Vec::new(), told: 0 }
    }

    fn run(mut self) -> Option<Mended> {
        self.value()?;
        while !self.open.is_empty() {
            self.after_value()?;
        }
        self.blanks();
        let text = (self.at == self.json.len()).then(|| String::from_utf8(self.out).ok()).flatten()?;
        Some(Mended { text, flaws: self.flaws })
    }

    /// Reads a value, or the beginning of an object or array.
    fn value(&mut self) -> Option<()> {
        self.blanks();
        match self.peek()? {
            open @ (b'{' | b'[') => {
                if self.open.len() >= DEPTH_MAX {
                    return None;
                }
                let is_object = open == b'{';
                self.open.push(Frame { is_object, written: 0, lost: None, member: self.out.len(), name: 0..0 });
                self.take();
                self.blanks();
                if self.peek()? == if is_object { b'}' } else { b']' } {
                    return Some(());
                }
                self.member()
            }
            b'"' => {
                let wrong = self.text()?;
                self.written();
                self.note(wrong, self.out.len() - 1);
                Some(())
            }
            _ => self.scalar(),
        }
    }

    /// Reads what stands before the value of a member or an item, and the value.
    fn member(&mut self) -> Option<()> {
        // Each item of the list that a delivery is about counts its own flaws.
        if self.base() == self.open.len() {
            self.told = 0;
        }
        let member = self.out.len();
        let frame = self.open.last_mut()?;
        frame.member = member;
        let (is_object, is_first) = (frame.is_object, frame.written == 0);
        if !is_first {
            self.out.push(b',');
        }
        if is_object {
            self.blanks();
            let start = self.out.len();
            let wrong = (self.peek()? == b'"').then(|| self.text()).flatten()?;
            let name = start..self.out.len();
            self.open.last_mut()?.name = name;
            self.note(wrong, start);
            self.blanks();
            if self.peek()? != b':' {
                return None;
            }
            self.take();
        }
        self.value()
    }

    /// Reads what stands behind a value: a comma and the next one, or the end of what it is in.
    fn after_value(&mut self) -> Option<()> {
        self.blanks();
        let frame = self.open.last()?;
        let (is_object, is_begun) = (frame.is_object, frame.written > 0 || frame.lost.is_some());
        match self.peek()? {
            b',' if is_begun => {
                self.at += 1;
                self.member()
            }
            b'}' if is_object => self.close(),
            b']' if !is_object => self.close(),
            _ => None,
        }
    }

    fn close(&mut self) -> Option<()> {
        self.take();
        let frame = self.open.pop()?;
        // An object of which nothing is left was not sent empty. The outermost ones of an event or record have to be there.
        let is_inner = self.open.len() > self.base() + usize::from(self.aim == Aim::Grammar);
        match frame.lost {
            Some(_) if frame.written == 0 && is_inner && self.open.last().is_some_and(|above| above.is_object) => {
                self.leave_out(frame.lost);
            }
            _ => self.written(),
        }
        Some(())
    }

    /// Takes away the member that was just read; an item of a list becomes null.
    fn leave_out(&mut self, wrong: Option<Wrong>) {
        let is_operand = self.is_operand();
        match self.open.last_mut() {
            Some(frame) if frame.is_object || is_operand => {
                self.out.truncate(frame.member);
                frame.lost = frame.lost.or(wrong);
            }
            Some(_) | None => {
                self.out.extend_from_slice(b"null");
                self.written();
            }
        }
        let end = self.out.len();
        self.flaws.iter_mut().rev().take_while(|flaw| flaw.at > end).for_each(|flaw| flaw.at = end);
    }

    /// Whether we are in the list of one of the native door's own spellings, such as `$add`: the others have no place to keep there.
    fn is_operand(&self) -> bool {
        let above = self.open.len().checked_sub(2).map(|at| &self.open[at]);
        above.is_some_and(|frame| frame.is_object && self.out[frame.name.clone()].starts_with(b"\"$"))
    }

    fn written(&mut self) {
        if let Some(frame) = self.open.last_mut() {
            frame.written += 1;
        }
    }

    /// Reads `true`, `false`, `null`, a number, or what others write where a number would stand.
    fn scalar(&mut self) -> Option<()> {
        let rest = &self.json[self.at..];
        let length = rest.iter().position(|byte| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r'));
        let token = std::str::from_utf8(&rest[..length.unwrap_or(rest.len())]).ok()?;
        self.at += token.len();
        let wrong = match Decimal::parse(token) {
            _ if matches!(token, "true" | "false" | "null") => None,
            Ok(_) => None,
            Err(NumberError::OutOfRange) => self.is_ranged().then_some(Wrong::OutOfRange),
            Err(NumberError::NotANumber) if is_no_number(token) => Some(Wrong::NotANumber),
            Err(NumberError::NotANumber) => return None,
        };
        match wrong {
            None => {
                self.out.extend_from_slice(token.as_bytes());
                self.written();
            }
            Some(wrong) => {
                let at = self.out.len();
                self.note(Some(wrong), at);
                self.leave_out(Some(wrong));
            }
        }
        Some(())
    }

    /// Whether numbers have to be in range where we are.
    fn is_ranged(&self) -> bool {
        let outermost = self.open.first().map(|frame| &self.out[frame.name.clone()]);
        self.aim == Aim::Range && outermost != Some(br#""externalIds""#)
    }

    /// Copies a text in quotes, mended.
    fn text(&mut self) -> Option<Option<Wrong>> {
        let mut wrong = None;
        self.take();
        loop {
            let rest = &self.json[self.at..];
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))?;
            let run = String::from_utf8_lossy(&rest[..plain]);
            if matches!(run, std::borrow::Cow::Owned(_)) {
                wrong = Some(Wrong::NotUnicode);
            }
            self.out.extend_from_slice(run.as_bytes());
            self.at += plain;
            match self.peek()? {
                b'"' => {
                    self.take();
                    return Some(wrong);
                }
                b'\\' => wrong = self.escape()?.or(wrong),
                control => {
                    self.at += 1;
                    self.out.extend_from_slice(format!("\\u{control:04x}").as_bytes());
                    wrong = wrong.or(Some(Wrong::Control));
                }
            }
        }
    }

    /// Copies an escape; half a surrogate pair is replaced.
    fn escape(&mut self) -> Option<Option<Wrong>> {
        let rest = &self.json[self.at..];
        let length = match (*rest.get(1)?, code_unit(rest)) {
            (b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', _) => 2,
            (b'u', Some(0xd800..=0xdbff)) => match code_unit(&rest[6..]) {
                Some(0xdc00..=0xdfff) => 12,
                Some(_) | None => 0,
            },
            (b'u', Some(0xdc00..=0xdfff)) => 0,
            (b'u', Some(_)) => 6,
            _ => return None,
        };
        if length == 0 {
            self.at += 6;
            self.out.extend_from_slice("\u{fffd}".as_bytes());
            return Some(Some(Wrong::NotUnicode));
        }
        self.at += length;
        self.out.extend_from_slice(&rest[..length]);
        Some(None)
    }

    fn note(&mut self, wrong: Option<Wrong>, at: usize) {
        let Some(wrong) = wrong else { return };
        self.told += 1;
        let (path, wrong) = match self.told {
            ..=FLAWS_TOLD_MAX => (self.path(), wrong),
            _ if self.told == FLAWS_TOLD_MAX + 1 => (Arc::default(), Wrong::More),
            _ => return,
        };
        self.flaws.push(Flaw { at, path, wrong });
    }

    /// How many of the open ones lie around an event or record: none, or an object and a list in it.
    fn base(&self) -> usize {
        let is_list = |at: usize| self.open.get(at).is_some_and(|frame| !frame.is_object);
        if self.aim == Aim::Grammar && is_list(1) { 2 } else { 0 }
    }

    /// The names on the way to where we are, joined by dots. An item stands at the path of its list.
    fn path(&self) -> Arc<str> {
        let mut path = String::new();
        for frame in self.open.iter().skip(self.base()).filter(|frame| frame.is_object) {
            let name: String = serde_json::from_slice(&self.out[frame.name.clone()]).unwrap_or_default();
            if path.len() + name.len() >= PATH_BYTES_MAX {
                path.push('…');
                break;
            }
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&name);
        }
        path.into()
    }

    fn blanks(&mut self) {
        let rest = &self.json[self.at..];
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
    }

    fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    /// Copies one byte.
    fn take(&mut self) {
        self.out.extend(self.json.get(self.at));
        self.at += 1;
    }
}

/// What the languages of the world print for numbers that are none.
fn is_no_number(token: &str) -> bool {
    let bare = token.strip_prefix(['-', '+']).unwrap_or(token);
    ["nan", "inf", "infinity"].iter().any(|name| bare.eq_ignore_ascii_case(name))
}

/// The number of `\uXXXX` at the beginning.
fn code_unit(json: &[u8]) -> Option<u32> {
    let digits = json.get(..6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
}
