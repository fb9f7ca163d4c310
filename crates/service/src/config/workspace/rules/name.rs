//! What computed attributes and segments are called: by paths and rules, and by people.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::RuleKind;
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::stable_id;

/// Characters of what people call a rule.
pub const DISPLAY_NAME_MAX: usize = 255;
/// Bytes of a name.
const NAME_BYTES_MAX: usize = 64;

/// The name of a computed attribute or a segment: 1 to 64 of `A-Z a-z 0-9 _`. That of an attribute begins with a letter or `_`; in that of a
/// segment there may be `-`, so that UUIDs are names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleName(Arc<str>);

impl RuleName {
    /// Reads a name.
    ///
    /// # Errors
    /// `Invalid` with `name_invalid`.
    pub fn parse(kind: RuleKind, text: &str) -> Result<Self, Error> {
        let is_fit =
            |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (kind == RuleKind::Segment && byte == b'-');
        let begins =
            |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || (kind == RuleKind::Segment && is_fit(byte));
        if text.len() <= NAME_BYTES_MAX && text.bytes().next().is_some_and(begins) && text.bytes().all(is_fit) {
            return Ok(Self(text.into()));
        }
        let more = match kind {
            RuleKind::Segment => " and -",
            RuleKind::Attribute => ", beginning with a letter or _",
        };
        let message = format!("the name of a {} is expected to be 1 to 64 letters, digits and _{more}", kind.noun());
        Err(Error::new(ErrorKind::Invalid, "name_invalid", message))
    }

    /// The id of the rule of this name in 24 hexadecimal digits: the same as long as there is a rule of this name, whatever it says.
    #[must_use]
    pub fn stable_id(&self, kind: RuleKind) -> String {
        stable_id(kind.noun(), &self.0)
    }

    /// The name of a rule that people call so, and what they call it where that is not its name: a text that is no name has one made of it,
    /// the same each time. What is lost on the way is told apart by eight digits of a hash.
    ///
    /// # Errors
    /// `Invalid` with `name_invalid`.
    pub fn of(kind: RuleKind, called: &str) -> Result<(Self, Option<Arc<str>>), Error> {
        if let Ok(name) = Self::parse(kind, called) {
            return Ok((name, None));
        }
        let called = display_name(called).map_err(|error| Error { code: "name_invalid", ..error })?;
        let (between, noun) = match kind {
            RuleKind::Segment => ('-', "segment"),
            RuleKind::Attribute => ('_', "attribute"),
        };
        let (mut made, mut is_lossy) = (String::new(), false);
        for char in called.chars() {
            if char.is_ascii_alphanumeric() || char == '_' || char == between {
                made.push(char.to_ascii_lowercase());
            } else {
                is_lossy |= !matches!(char, ' ' | '-');
                if !made.is_empty() && !made.ends_with(between) {
                    made.push(between);
                }
            }
        }
        if kind == RuleKind::Attribute && made.starts_with(|char: char| char.is_ascii_digit()) {
            made.insert(0, '_');
        }
        let kept = made.trim_end_matches(between).len();
        made.truncate(kept);
        if made.is_empty() || made.len() > NAME_BYTES_MAX || is_lossy {
            let hash = Sha256::digest(called.as_bytes());
            made.truncate(NAME_BYTES_MAX - 9);
            made.truncate(made.trim_end_matches(between).len());
            if made.is_empty() {
                made.push_str(noun);
            }
            made.push(between);
            made.extend(hash.iter().take(4).map(|byte| format!("{byte:02x}")));
        }
        Ok((Self::parse(kind, &made)?, Some(called)))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, shared.
    #[must_use]
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl std::borrow::Borrow<str> for RuleName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What people call a rule: 1 to 255 printable characters, without blanks around them.
///
/// # Errors
/// `Invalid` with `display_name_invalid`.
pub fn display_name(text: &str) -> Result<Arc<str>, Error> {
    let text = text.trim();
    let is_fit = (1..=DISPLAY_NAME_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if is_fit {
        return Ok(text.into());
    }
    let message = format!("a name for people is expected to be 1 to {DISPLAY_NAME_MAX} printable characters");
    Err(Error::new(ErrorKind::Invalid, "display_name_invalid", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_call_a_rule_has_a_name_made_of_it() {
        let long = "a segment with a name that goes on and on and on and on and on for ever and ever";
        for (kind, called, name) in [
            (RuleKind::Segment, "vip", "vip"),
            (RuleKind::Segment, "VIP", "VIP"),
            (RuleKind::Segment, "3f8a1c2e-9b7d-4e21-a1f0-5c6d7e8f9a0b", "3f8a1c2e-9b7d-4e21-a1f0-5c6d7e8f9a0b"),
            (RuleKind::Segment, "Gold members  of Paris ", "gold-members-of-paris"),
            (RuleKind::Segment, "Gold (Paris)", "gold-paris-2f3ac8e5"),
            (RuleKind::Segment, "Gold, Paris", "gold-paris-e9a53b93"),
            (RuleKind::Segment, "Клиенты", "segment-00000000"),
            (RuleKind::Segment, long, "a-segment-with-a-name-that-goes-on-and-on-and-on-and-on-00000000"),
            (RuleKind::Attribute, "Total orders", "total_orders"),
            (RuleKind::Attribute, "3f8a1c2e-9b7d-4e21-a1f0-5c6d7e8f9a0b", "_3f8a1c2e_9b7d_4e21_a1f0_5c6d7e8f9a0b"),
            (RuleKind::Attribute, "2 years", "_2_years"),
        ] {
            let (made, display) = RuleName::of(kind, called).unwrap_or_else(|error| panic!("{called}: {error:?}"));
            let is_hashed = name.rsplit(['-', '_']).next().is_some_and(|last| last.len() == 8 && name.len() > 8);
            let until = if is_hashed && name.len() != 36 { name.len() - 8 } else { name.len() };
            assert_eq!((made.as_str().len(), &made.as_str()[..until]), (name.len(), &name[..until]), "{called}");
            assert_eq!(display.as_deref(), (made.as_str() != called).then_some(called.trim()), "{called}");
            assert_eq!(RuleName::of(kind, called).expect("a name").0, made, "the same each time");
        }
        let of = |called: &str| RuleName::of(RuleKind::Segment, called).expect("a name").0;
        assert_ne!(of("Gold (Paris)"), of("Gold, Paris"));
        for wrong in ["", " ", "a\tb", &"x".repeat(256)] {
            assert_eq!(RuleName::of(RuleKind::Segment, wrong).expect_err("no name").code, "name_invalid", "{wrong:?}");
        }
        assert!(RuleName::of(RuleKind::Segment, &"é".repeat(255)).is_ok());
    }
}
