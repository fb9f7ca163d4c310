//! Names: slugs that requests carry, and display names for people.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::base::error::{Error, ErrorKind};

/// The name of an organization or a workspace: 1 to 64 of `a-z 0-9 - _`, beginning with a letter or a digit. It travels in
/// headers and paths.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slug(Arc<str>);

impl Slug {
    /// Reads a name.
    ///
    /// # Errors
    /// `Invalid` with `name_invalid`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bytes = text.as_bytes();
        let begins = bytes.first().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let fits = bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
        if begins && fits && bytes.len() <= 64 {
            Ok(Self(text.into()))
        } else {
            Err(Error::new(
                ErrorKind::Invalid,
                "name_invalid",
                "a name is 1 to 64 of a-z 0-9 - _ and begins with a letter or a digit",
            ))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Slug {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What people call a key: 1 to 100 characters, none of them a control character, no blanks at the ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName(Arc<str>);

impl DisplayName {
    /// Reads a name; blanks at the ends are removed.
    ///
    /// # Errors
    /// `Invalid` with `display_name_invalid`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let length = text.chars().count();
        if (1..=100).contains(&length) && !text.chars().any(char::is_control) {
            Ok(Self(text.into()))
        } else {
            Err(Error::new(
                ErrorKind::Invalid,
                "display_name_invalid",
                "a display name is 1 to 100 printable characters",
            ))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
