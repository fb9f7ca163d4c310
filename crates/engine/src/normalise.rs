//! The one spelling of an identity: every value goes through here before it is looked up or stored.
//!
//! Values are brought to Unicode's composed form (NFC) first, in every namespace: texts that Unicode calls the same would
//! otherwise be two people who look alike everywhere.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use rlibphonenumber::enums::Region;
use rlibphonenumber::{NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumberFormat};
use unicode_normalization::UnicodeNormalization;

use crate::config::{Namespace, Normaliser};

#[cfg(test)]
mod tests;

/// Bytes of an identity's value, as it comes and as it is kept.
pub const VALUE_BYTES_MAX: usize = 512;

/// Patterns of values that identify nobody, as broken clients send them. Each must match the whole value.
pub const NOBODY_PATTERNS: [&str; 3] = [
    "[0-]*",
    "-1",
    r"(?i)\(?(null|nil|none|undefined|nan|n/a|unknown|anonymous|guest|true|false)\)?|\[object Object\]",
];

/// Why a value is no identity of its namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing is left of it without white space.
    #[error("the value is empty")]
    Empty,
    /// It is too long.
    #[error("the value is too long bytes_max={max}")]
    TooLong {
        /// Bytes that it may have.
        max: usize,
    },
    /// It is not of the form `local@domain`.
    #[error("the value is not an e-mail address")]
    NotAnEmail,
    /// It is not a phone number that can be called from anywhere.
    #[error("the value is not a phone number")]
    NotAPhone,
    /// It holds a control character.
    #[error("the value holds a control character")]
    ControlCharacter,
    /// Its namespace blocks it: it identifies nobody.
    #[error("the value is blocked")]
    Blocked,
}

/// The value in its namespace's one spelling. What comes out goes through unchanged.
///
/// # Errors
/// [`Refused`], which never holds the value.
pub fn normalise(namespace: &Namespace, value: &str) -> Result<Arc<str>, Refused> {
    let trimmed = within_bounds(value.trim())?;
    let composed = compose(trimmed);
    let text = within_bounds(composed.trim())?;
    if text.chars().any(char::is_control) {
        return Err(Refused::ControlCharacter);
    }
    let spelled = match namespace.normaliser {
        Normaliser::Trim => Cow::Borrowed(text),
        Normaliser::Lower => lower(text),
        Normaliser::Email => email(text)?,
        Normaliser::Phone { region } => phone(text, region)?.into(),
    };
    let spelled = within_bounds(&spelled)?;
    if is_blocked(namespace, spelled) { Err(Refused::Blocked) } else { Ok(spelled.into()) }
}

/// Compiles a pattern of blocked values, anchored so that it must match the whole value.
///
/// # Errors
/// When it is no regular expression, or needs more than 256 KiB compiled.
pub fn blocked_pattern(pattern: &str) -> Result<Regex, regex::Error> {
    let compile = |text: &str| RegexBuilder::new(text).size_limit(256 << 10).build();
    // Alone first: `a)|(b` is wrong, but would pass within the group.
    compile(pattern)?;
    compile(&format!(r"\A(?:{pattern})\z"))
}

fn within_bounds(text: &str) -> Result<&str, Refused> {
    match text.len() {
        0 => Err(Refused::Empty),
        1..=VALUE_BYTES_MAX => Ok(text),
        _ => Err(Refused::TooLong { max: VALUE_BYTES_MAX }),
    }
}

fn compose(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(text);
    }
    // A lower-case letter may join a mark behind it that its upper case could not.
    Cow::Owned(compose(&text.to_lowercase()).into_owned())
}

/// Deliberately no more than this: what a mail server takes, only the server knows.
fn email(text: &str) -> Result<Cow<'_, str>, Refused> {
    match text.split_once('@') {
        Some((local, domain))
            if !local.is_empty()
                && !domain.is_empty()
                && !domain.contains('@')
                && !domain.starts_with('.')
                && !domain.ends_with('.')
                && !text.contains(char::is_whitespace) =>
        {
            Ok(lower(text))
        }
        _ => Err(Refused::NotAnEmail),
    }
}

/// E.164. The length must fit the country, the plan of its numbers need not: plans change faster than our tables, and a
/// number that we do not know yet must not cost a profile. With an extension it is a switchboard's, not a person's.
fn phone(text: &str, region: Option<[u8; 2]>) -> Result<String, Refused> {
    let region = region
        .and_then(|letters| std::str::from_utf8(&letters).ok().and_then(|letters| Region::from_str(letters).ok()));
    let spelled = read_phone(text, region)?;
    // Some numbers that nobody has lose a leading zero with every reading: they have no spelling of their own.
    if read_phone(&spelled, region)? == spelled { Ok(spelled) } else { Err(Refused::NotAPhone) }
}

fn read_phone(text: &str, region: Option<Region>) -> Result<String, Refused> {
    let number = PHONE_NUMBER_UTIL.parse(text, region).map_err(|_| Refused::NotAPhone)?;
    if number.extension.as_deref().is_some_and(|extension| !extension.is_empty()) {
        return Err(Refused::NotAPhone);
    }
    match number.is_possible_with_reason() {
        Ok(NumberLengthType::IsPossible) => Ok(number.format_as(PhoneNumberFormat::E164).into_owned()),
        Ok(NumberLengthType::IsPossibleLocalOnly) | Err(_) => Err(Refused::NotAPhone),
    }
}

fn is_blocked(namespace: &Namespace, value: &str) -> bool {
    let whole = |pattern: &Regex| pattern.find(value).is_some_and(|found| found.len() == value.len());
    namespace.blocked.iter().any(|blocked| blocked == value) || namespace.blocked_patterns.iter().any(whole)
}
