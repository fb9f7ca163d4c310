//! What is wrong with a rule: which rule of the language is broken, where, what was expected, and perhaps a hint.

use std::fmt;
use std::sync::Arc;

/// Where something stands in what a rule was read from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Place {
    /// It was made, not read.
    #[default]
    Nowhere,
    /// Bytes of a text, from `start` up to `end`.
    Text {
        /// The first byte.
        start: u32,
        /// The byte behind the last.
        end: u32,
    },
    /// The names and numbers that lead to it in a tree, joined by `/` as in a JSON pointer.
    Tree(Arc<str>),
}

impl Place {
    /// These bytes of a text. Texts of rules are far shorter than 4 GiB, so nothing is cut off.
    #[must_use]
    pub fn text(start: usize, end: usize) -> Self {
        let bounded = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self::Text { start: bounded(start), end: bounded(end) }
    }

    /// Line and column, both from 1, columns in characters; none for what does not stand in a text.
    #[must_use]
    pub fn line_column(&self, source: &str) -> Option<(usize, usize)> {
        let Self::Text { start, .. } = self else { return None };
        let mut start = (*start as usize).min(source.len());
        while !source.is_char_boundary(start) {
            start -= 1;
        }
        let before = &source[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Some((before.matches('\n').count() + 1, before[line_start..].chars().count() + 1))
    }

    /// From the start of this to the end of another.
    #[must_use]
    pub(crate) fn to(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Text { start, .. }, Self::Text { end, .. }) => Self::Text { start: *start, end: *end },
            _ => self.clone(),
        }
    }
}

/// Which rule of the language is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// Something else was expected here.
    Syntax,
    /// A character that no rule is written with.
    UnknownCharacter,
    /// A text or a quoted name that does not end.
    Unterminated,
    /// A number beyond about 1.7e20.
    NumberOutOfRange,
    /// The text is longer than [`TEXT_BYTES_MAX`](crate::limits::TEXT_BYTES_MAX).
    TooLong,
    /// The tree is deeper than [`DEPTH_MAX`](crate::limits::DEPTH_MAX).
    TooDeep,
    /// The tree has more nodes than [`NODES_MAX`](crate::limits::NODES_MAX).
    TooLarge,
    /// No function has this name.
    UnknownFunction,
    /// The function takes another number of arguments.
    WrongArguments,
    /// `^` climbs out of the rule.
    NoSuchScope,
    /// A rule has one parameter, the profile.
    NoSuchParameter,
    /// A pattern that cannot be read.
    InvalidPattern,
    /// A pattern, a segment's id or the number of a group must be written out.
    NotConstant,
    /// An operand is of a type that the operator does not take.
    WrongType,
    /// The data model knows no such attribute or property.
    UnknownAttribute,
    /// No segment has this name.
    UnknownSegment,
}

impl Code {
    /// Its name for callers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "expression_syntax",
            Self::UnknownCharacter => "expression_unknown_character",
            Self::Unterminated => "expression_unterminated",
            Self::NumberOutOfRange => "expression_number_out_of_range",
            Self::TooLong => "expression_too_long",
            Self::TooDeep => "expression_too_deep",
            Self::TooLarge => "expression_too_large",
            Self::UnknownFunction => "expression_unknown_function",
            Self::WrongArguments => "expression_wrong_arguments",
            Self::NoSuchScope => "expression_no_such_scope",
            Self::NoSuchParameter => "expression_no_such_parameter",
            Self::InvalidPattern => "expression_invalid_pattern",
            Self::NotConstant => "expression_not_constant",
            Self::WrongType => "expression_wrong_type",
            Self::UnknownAttribute => "expression_unknown_attribute",
            Self::UnknownSegment => "expression_unknown_segment",
        }
    }
}

/// Why a rule is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which rule of the language is broken.
    pub code: Code,
    /// Where.
    pub at: Place,
    /// What was expected there.
    pub expected: String,
    /// What was perhaps meant.
    pub hint: Option<String>,
}

impl Problem {
    pub(crate) fn new(code: Code, at: Place, expected: impl Into<String>) -> Self {
        Self { code, at, expected: expected.into(), hint: None }
    }

    /// With the name that comes closest to what was written, if one does.
    pub(crate) fn did_you_mean<'a>(mut self, written: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.hint = closest(written, names).map(|name| format!("did you mean {name}?"));
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.expected)?;
        match &self.at {
            Place::Nowhere => {}
            Place::Text { start, end } => write!(f, " at={start}..{end}")?,
            Place::Tree(path) => write!(f, " at={path}")?,
        }
        match &self.hint {
            Some(hint) => write!(f, " hint={hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

/// The name that differs least from what was written, in at most two characters of a short word and a third of a long one; letters of another case do
/// not differ.
#[must_use]
pub fn closest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Words longer than this were not mistyped from any name of ours.
    const CHARACTERS_MAX: usize = 40;
    let written: Vec<char> = written.chars().take(CHARACTERS_MAX + 1).collect();
    if written.is_empty() || written.len() > CHARACTERS_MAX {
        return None;
    }
    let allowed = (written.len() / 3).max(usize::from(written.len() > 2)).min(4);
    names
        .into_iter()
        .map(|name| (distance(&written, name), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// How many characters must be put in, taken out, exchanged, or change places with the next; letters of another case are the same.
fn distance(written: &[char], name: &str) -> usize {
    let is_same = |one: &char, other: &char| one.eq_ignore_ascii_case(other);
    let mut row: Vec<usize> = (0..=written.len()).collect();
    let mut row_before = row.clone();
    let mut before = None;
    for (line, character) in name.chars().enumerate() {
        let mut next = vec![line + 1];
        for (column, other) in written.iter().enumerate() {
            let changed = row[column] + usize::from(!is_same(&character, other));
            let mut least = changed.min(row[column + 1] + 1).min(next[column] + 1);
            if let (Some(before), Some(last)) = (&before, column.checked_sub(1))
                && is_same(before, other)
                && is_same(&character, &written[last])
            {
                least = least.min(row_before[last] + 1);
            }
            next.push(least);
        }
        row_before = std::mem::replace(&mut row, next);
        before = Some(character);
    }
    row[written.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_close_is_found_and_nothing_else() {
        let names = ["startsWith", "endsWith", "sum", "count"];
        for (written, expected) in [
            ("startWith", Some("startsWith")),
            ("ENDSWITH", Some("endsWith")),
            ("cuont", Some("count")),
            ("usm", Some("sum")),
            ("coun", Some("count")),
            ("sun", Some("sum")),
            ("zz", None),
            ("", None),
            ("somethingElse", None),
        ] {
            assert_eq!(closest(written, names), expected, "{written}");
        }
        assert_eq!(closest(&"x".repeat(1000), names), None);
    }

    #[test]
    fn places_are_told_in_lines_and_columns() {
        let source = "a\nübér = ~";
        let at = source.find('~').expect("it stands there");
        assert_eq!(Place::text(at, at + 1).line_column(source), Some((2, 8)));
        assert_eq!(Place::text(0, 1).line_column(source), Some((1, 1)));
        assert_eq!(Place::text(3, 4).line_column(source), Some((2, 1)), "within a character");
        assert_eq!(Place::text(99, 99).line_column(source), Some((2, 9)));
        assert_eq!(Place::Nowhere.line_column(source), None);
    }
}
