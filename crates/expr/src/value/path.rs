//! Where an attribute stands.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The path of an attribute: its segments joined by `.`; a `.` or `\` inside a segment is escaped by `\`.
///
/// 1 to [`Path::SEGMENTS_MAX`] segments of 0 to [`Path::SEGMENT_BYTES_MAX`] bytes each, [`Path::BYTES_MAX`] bytes in all
/// (escapes counted).
///
/// In its order a path comes right before its descendants, and nothing stands between them: the separator sorts before
/// every other byte. The order of [`Path::as_str`] by bytes differs (`a`, `a!`, `a.b`), so stored keys made of that text
/// hold the descendants of a path together (they share the prefix `a.`) but not next to the path itself.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Path(Arc<str>);

/// Why a text is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// It has no segment, or too many.
    #[error("a path has 1 to 16 segments")]
    Depth,
    /// A segment is too long.
    #[error("a segment of a path has at most 200 bytes")]
    SegmentTooLong,
    /// The whole is too long.
    #[error("a path has at most 1000 bytes")]
    TooLong,
    /// A `\` stands before something else than `.` or `\`.
    #[error("in a path a backslash stands only before a dot or a backslash")]
    Escape,
}

impl Path {
    /// Segments that a path may have.
    pub const SEGMENTS_MAX: usize = 16;
    /// Bytes of one segment, not escaped.
    pub const SEGMENT_BYTES_MAX: usize = 200;
    /// Bytes of the whole, escaped.
    pub const BYTES_MAX: usize = 1_000;

    /// The path of one segment.
    ///
    /// # Errors
    /// [`InvalidPath`] when the segment is too long.
    pub fn root(segment: &str) -> Result<Self, InvalidPath> {
        Self::from_segments([segment])
    }

    /// The path of these segments, outermost first.
    ///
    /// # Errors
    /// [`InvalidPath`] when there are none or too many, or one or all are too long.
    pub fn from_segments<'a>(segments: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidPath> {
        let mut text = String::new();
        let mut depth = 0;
        for segment in segments {
            if depth > 0 {
                text.push('.');
            }
            depth += 1;
            if depth > Self::SEGMENTS_MAX {
                return Err(InvalidPath::Depth);
            }
            push_segment(&mut text, segment)?;
        }
        if depth == 0 { Err(InvalidPath::Depth) } else { Ok(Self(text.into())) }
    }

    /// Reads an escaped path, as [`Path::as_str`] gives it.
    ///
    /// # Errors
    /// [`InvalidPath`] when a bound is passed or an escape is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        if text.len() > Self::BYTES_MAX {
            return Err(InvalidPath::TooLong);
        }
        let mut depth = 1;
        let mut segment_bytes = 0;
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'.' => {
                    depth += 1;
                    segment_bytes = 0;
                    continue;
                }
                b'\\' if !matches!(bytes.next(), Some(b'.' | b'\\')) => {
                    return Err(InvalidPath::Escape);
                }
                _ => segment_bytes += 1,
            }
            if segment_bytes > Self::SEGMENT_BYTES_MAX {
                return Err(InvalidPath::SegmentTooLong);
            }
        }
        if depth > Self::SEGMENTS_MAX { Err(InvalidPath::Depth) } else { Ok(Self(text.into())) }
    }

    /// The path of this segment below this path.
    ///
    /// # Errors
    /// [`InvalidPath`] when a bound is passed.
    pub fn child(&self, segment: &str) -> Result<Self, InvalidPath> {
        if self.depth() == Self::SEGMENTS_MAX {
            return Err(InvalidPath::Depth);
        }
        let mut text = String::with_capacity(self.0.len() + 1 + segment.len());
        text.push_str(&self.0);
        text.push('.');
        push_segment(&mut text, segment)?;
        Ok(Self(text.into()))
    }

    /// Its segments, outermost first, escapes removed.
    pub fn segments(&self) -> impl Iterator<Item = Cow<'_, str>> {
        Segments(Some(&self.0))
    }

    /// The first segment of the escaped text of a path, escapes removed.
    #[must_use]
    pub fn first_of(text: &str) -> Cow<'_, str> {
        Segments(Some(text)).next().unwrap_or_default()
    }

    /// How many segments it has.
    #[must_use]
    pub fn depth(&self) -> usize {
        Segments(Some(&self.0)).count()
    }

    /// The escaped text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of a text that is known to be one.
    pub(super) fn of_checked(text: &str) -> Self {
        Self(text.into())
    }

    /// Whether the other path lies below this one (and is not it).
    #[must_use]
    pub fn is_above(&self, other: &Self) -> bool {
        // A path never ends within an escape, so a dot right after it is a separator.
        other.0.strip_prefix(&*self.0).is_some_and(|rest| rest.starts_with('.'))
    }
}

impl<'a> From<Path> for Cow<'a, Path> {
    fn from(path: Path) -> Self {
        Self::Owned(path)
    }
}

impl<'a> From<&'a Path> for Cow<'a, Path> {
    fn from(path: &'a Path) -> Self {
        Self::Borrowed(path)
    }
}

impl Path {
    /// The order of paths by their escaped texts.
    pub(super) fn cmp_texts(one: &str, other: &str) -> Ordering {
        let (a, b) = (one.as_bytes(), other.as_bytes());
        let Some(at) = a.iter().zip(b).position(|(a, b)| a != b) else {
            return a.len().cmp(&b.len());
        };
        let escapes = a[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
        let rank = |byte: u8| {
            if byte == b'.' && escapes % 2 == 0 { 0 } else { u16::from(byte) + 1 }
        };
        rank(a[at]).cmp(&rank(b[at]))
    }
}

impl Ord for Path {
    fn cmp(&self, other: &Self) -> Ordering {
        Self::cmp_texts(&self.0, &other.0)
    }
}

impl PartialOrd for Path {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The member of a set is a value of a person; only [`Path::as_str`] reveals it.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.split_member() {
            None => f.write_str(&self.0),
            Some((set, _)) => write!(f, "{}.***", set.0),
        }
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn push_segment(text: &mut String, segment: &str) -> Result<(), InvalidPath> {
    if segment.len() > Path::SEGMENT_BYTES_MAX {
        return Err(InvalidPath::SegmentTooLong);
    }
    escape(segment, text);
    if text.len() > Path::BYTES_MAX { Err(InvalidPath::TooLong) } else { Ok(()) }
}

/// Appends a segment, escaped.
pub(super) fn escape(segment: &str, text: &mut String) {
    for character in segment.chars() {
        if matches!(character, '.' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
}

/// The segments that are left, none after the last.
struct Segments<'a>(Option<&'a str>);

impl<'a> Iterator for Segments<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0?;
        let mut end = rest.len();
        let mut escaped = false;
        let mut bytes = rest.bytes().enumerate();
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'.' => {
                    end = at;
                    break;
                }
                b'\\' => {
                    escaped = true;
                    bytes.next();
                }
                _ => {}
            }
        }
        self.0 = rest.get(end + 1..);
        let segment = &rest[..end];
        Some(if escaped { Cow::Owned(unescape(segment)) } else { Cow::Borrowed(segment) })
    }
}

/// A segment without its escapes.
pub(super) fn unescape(segment: &str) -> String {
    let mut text = String::with_capacity(segment.len());
    let mut characters = segment.chars();
    while let Some(character) = characters.next() {
        text.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    text
}
