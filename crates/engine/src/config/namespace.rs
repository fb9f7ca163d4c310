//! A namespace: a kind of identity and the rules of its values.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The number of a namespace in its workspace: given at creation, never used again, part of stored keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceId(u16);

impl NamespaceId {
    /// The namespace of this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// The name of a namespace: 1 to 64 of `a-z 0-9 _ . -`, beginning with a letter. `ga_client_id`, `android.idfa`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceName(Arc<str>);

/// Why a text is no name of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of a namespace is 1 to 64 of a-z 0-9 _ . - and begins with a letter")]
pub struct InvalidName;

impl NamespaceName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`InvalidName`] when it is empty, too long, or holds another character.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let bytes = text.as_bytes();
        let first_is_letter = bytes.first().is_some_and(u8::is_ascii_lowercase);
        let rest_fits = bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-'));
        if first_is_letter && rest_fits && bytes.len() <= 64 { Ok(Self(text.into())) } else { Err(InvalidName) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for NamespaceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NamespaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose identities a namespace holds. Links never join different kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A person.
    Person,
    /// An account: a company, a household, a team.
    Account,
}

/// How a value is brought into its one spelling, before anything is looked up or stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normaliser {
    /// As it came, blanks at both ends removed.
    Trim,
    /// Trimmed and in lower case.
    Lower,
    /// An e-mail address: trimmed, in lower case, with one `@` inside.
    Email,
    /// A phone number in E.164 (`+33612345678`); a number without country code is read in this region (`FR`), or refused.
    Phone {
        /// The two letters of the region that national numbers belong to.
        region: Option<[u8; 2]>,
    },
}

/// A kind of identity.
#[derive(Debug, Clone)]
pub struct Namespace {
    /// Its number.
    pub id: NamespaceId,
    /// Its name.
    pub name: NamespaceName,
    /// Whose identities it holds.
    pub kind: Kind,
    /// The higher, the more an identity of it decides whose a fact is. 1 to 1,000.
    pub priority: u16,
    /// A cluster holds at most one value of the exclusive namespace; a workspace has at most one such namespace.
    pub exclusive: bool,
    /// Values of it that one profile may hold, if that is bounded.
    pub limit: Option<u32>,
    /// How its values are spelled.
    pub normaliser: Normaliser,
    /// Values (normalised) that identify nobody.
    pub blocked: Vec<String>,
    /// Patterns of values that identify nobody; a pattern must match the whole value.
    pub blocked_patterns: Vec<std::sync::Arc<regex::Regex>>,
}
