//! Members of sets as paths of their own, so that each is added and removed by itself.
//!
//! A set that is changed without knowing its content is kept member by member: below the path of the set stands one path for
//! each member, with a cell that holds the member where it was added, and null where it was removed. Then the newest word on
//! each member counts, in whatever order and how often words come. No name of an attribute makes such a path: it begins with an
//! escape that nothing else has.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Decimal, InvalidPath, Path, Value};
use crate::time::Timestamp;

/// What stands between a set and its member.
const MARK: &str = r".\=";
/// What stands behind the path of an attribute that is said to be an object.
const OBJECT: &str = r".\=o";

/// Why a value is no member of a set that is changed member by member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMember {
    /// It is null, a set, a list or an object.
    #[error("a member of a set is a text, a number, true or false, or an instant")]
    NotAScalar,
    /// It is too long, or the path of its set is.
    #[error("a member of a set has at most 500 bytes, with the path of its set at most 1000")]
    TooLong,
    /// The set lies too deep.
    #[error("a set that is changed by operations lies at most 15 names deep")]
    TooDeep,
}

impl Path {
    /// Bytes of a text that is a member of a set.
    pub const MEMBER_BYTES_MAX: usize = 500;

    /// The path of a member of the set at this path.
    ///
    /// # Errors
    /// [`InvalidMember`] when the value is no scalar, or a bound is passed.
    pub fn member(&self, value: &Value) -> Result<Self, InvalidMember> {
        if self.depth() >= Self::SEGMENTS_MAX {
            return Err(InvalidMember::TooDeep);
        }
        let mut text = format!("{}{MARK}", self.as_str());
        match value {
            Value::Text(member) if member.len() > Self::MEMBER_BYTES_MAX => return Err(InvalidMember::TooLong),
            Value::Text(member) => {
                text.push('t');
                super::path::escape(member, &mut text);
            }
            // The point of a fraction would part the path.
            Value::Number(number) => text.push_str(&format!("n{}", number.units())),
            Value::Bool(truth) => text.push_str(if *truth { "b1" } else { "b0" }),
            Value::Timestamp(time) => text.push_str(&format!("i{}", time.micros())),
            Value::Null | Value::List(_) | Value::Set(_) | Value::Object(_) => return Err(InvalidMember::NotAScalar),
        }
        if text.len() > Self::BYTES_MAX { Err(InvalidMember::TooLong) } else { Ok(Self::of_checked(&text)) }
    }

    /// Where it is kept that `{}` stands at this path. It has a place beside what else is said there: that an object begins again says
    /// nothing against a removal before it, which still ends what was below. None for the longest paths, which have no room for it, and
    /// where the path is such a place itself.
    #[must_use]
    pub fn object_mark(&self) -> Option<Self> {
        let fits = self.as_str().len() + OBJECT.len() <= Self::BYTES_MAX && !self.as_str().contains(MARK);
        fits.then(|| Self::of_checked(&format!("{}{OBJECT}", self.as_str())))
    }

    /// Whether it is such a place.
    #[must_use]
    pub fn is_object_mark(&self) -> bool {
        self.as_str().ends_with(OBJECT)
    }

    /// The path that is spoken of: that before the mark of an object, otherwise itself.
    #[must_use]
    pub fn spoken_of(&self) -> Cow<'_, Self> {
        match self.as_str().strip_suffix(OBJECT) {
            Some(path) => Cow::Owned(Self::of_checked(path)),
            None => Cow::Borrowed(self),
        }
    }

    /// The order of the paths that are spoken of.
    #[must_use]
    pub fn cmp_spoken_of(&self, other: &Self) -> Ordering {
        let text = |path: &'_ Self| path.as_str().len() - if path.is_object_mark() { OBJECT.len() } else { 0 };
        Self::cmp_texts(&self.as_str()[..text(self)], &other.as_str()[..text(other)])
    }

    /// Whether it is the path of a member of a set.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.as_str().contains(MARK) && !self.is_object_mark()
    }

    /// The path of the set that this is the path of a member of, and the member.
    #[must_use]
    pub fn split_member(&self) -> Option<(Self, Value)> {
        let (set, member) = self.as_str().split_once(MARK)?;
        Some((Self::of_checked(set), read(member)?))
    }

    /// Reads a path as it was stored: that of an attribute, of a member of a set, or of the mark of an object.
    ///
    /// # Errors
    /// As [`Path::parse`].
    pub fn parse_stored(text: &str) -> Result<Self, InvalidPath> {
        if let Some(path) = text.strip_suffix(OBJECT) {
            return Self::parse(path)?.object_mark().ok_or(InvalidPath::TooLong);
        }
        let Some((set, member)) = text.split_once(MARK) else { return Self::parse(text) };
        let value = read(member).ok_or(InvalidPath::Escape)?;
        let path = Self::parse(set)?.member(&value).map_err(|_| InvalidPath::TooLong)?;
        // There is one spelling of each.
        if path.as_str() == text { Ok(path) } else { Err(InvalidPath::Escape) }
    }
}

fn read(member: &str) -> Option<Value> {
    let (kind, rest) = member.split_at_checked(1)?;
    match kind {
        "t" => Some(Value::text(&super::path::unescape(rest))),
        "n" => rest.parse().ok().map(|units| Value::Number(Decimal::from_units(units))),
        "b" => Some(Value::Bool(rest == "1")),
        "i" => Some(Value::Timestamp(Timestamp::from_micros(rest.parse().ok()?)?)),
        _ => None,
    }
}
