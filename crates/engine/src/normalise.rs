//! The one spelling of an identity: every value goes through here before it is looked up or stored.
//!
//! In every namespace characters that nobody sees are taken out first, and values are brought to Unicode's composed form (NFC): texts
//! that look the same would otherwise be two people who look alike everywhere.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

use regex::Regex;
use rlibphonenumber::enums::Region;
use rlibphonenumber::{NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumberFormat};
use unicode_normalization::UnicodeNormalization;

use crate::config::{Namespace, Normaliser};

mod blocked;
mod number;

#[cfg(test)]
mod tests;

pub use blocked::blocked_pattern;
pub use number::spelled_number;

/// Bytes of an identity's value, as it comes and as it is kept.
pub const VALUE_BYTES_MAX: usize = 512;

/// The version of all spellings. When what comes out changes for some value, it grows, and records made under an older one are
/// brought along.
pub const SPELLING_VERSION: u16 = 2;

/// Patterns of values that identify nobody, as broken clients send them: what languages print for nothing, what SDKs and manuals
/// have as a placeholder, and templates that nobody filled. Each must match the whole value.
pub const NOBODY_PATTERNS: [&str; 5] = [
    "[0-]*",
    "-1",
    r#"(?i)["'(<\[{]*(null|nil|none|undefined|nan|n/a|void|unknown|anonymous|guest|true|false|not[ _-]?set|unset|empty)["')>\]}]*"#,
    r"(?i)((distinct|user|anonymous|customer|client|device)[ _-]?id|id|e-?mail|phone|not_authenticated|unauthenticated|undefined:undefined|null:null|\[object [a-z]+\]|\{\}|\[\])",
    r"\{\{.*\}\}|\$\{.*\}|<%.*%>|%%.*%%|\{[A-Za-z_. ]+\}|<[A-Za-z_. ]+>",
];

/// What stood in the place of [`NOBODY_PATTERNS`] under version 1 of the spellings.
pub const NOBODY_PATTERNS_1: [&str; 3] = [
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
    let seen = seen(trimmed);
    let composed = compose(&seen);
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

/// Whether a value holds characters that nobody sees and that its spelling is without.
#[must_use]
pub fn has_unseen(value: &str) -> bool {
    !value.is_ascii() && value.chars().any(is_unseen)
}

/// The spelling that version 1 kept of a value where that differs and can still be told: an address whose domain came in the letters
/// of the name system.
#[must_use]
pub fn former_spelling(value: &str) -> Option<String> {
    let (local, domain) = value.rsplit_once('@').filter(|(_, domain)| !domain.is_ascii())?;
    Some(format!("{local}@{}", idna::domain_to_ascii(domain).ok()?))
}

fn within_bounds(text: &str) -> Result<&str, Refused> {
    match text.len() {
        0 => Err(Refused::Empty),
        1..=VALUE_BYTES_MAX => Ok(text),
        _ => Err(Refused::TooLong { max: VALUE_BYTES_MAX }),
    }
}

fn seen(text: &str) -> Cow<'_, str> {
    if has_unseen(text) { Cow::Owned(text.chars().filter(|c| !is_unseen(*c)).collect()) } else { Cow::Borrowed(text) }
}

/// Characters of Unicode's category Cf, and others that it says are drawn as nothing. Without the marks that enclose digits: these are
/// seen.
fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{70f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
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
    let Some((local, domain)) = text.split_once('@').filter(|_| !text.contains(char::is_whitespace)) else {
        return Err(Refused::NotAnEmail);
    };
    if local.is_empty() || !is_domain(domain) {
        return Err(Refused::NotAnEmail);
    }
    let lowered = lower(text);
    match lowered.split_once('@').and_then(|(local, domain)| Some(format!("{local}@{}", in_own_letters(domain)?))) {
        Some(spelled) => Ok(Cow::Owned(spelled)),
        None => Ok(lowered),
    }
}

fn is_domain(domain: &str) -> bool {
    let is_inside = |c: char| c == '@' || c.is_whitespace() || c.is_control();
    !domain.is_empty() && !domain.contains(is_inside) && !domain.starts_with('.') && !domain.ends_with('.')
}

/// A domain in the letters of its language, where it came otherwise: `xn--bcher-kva.example` is `bücher.example`. One that the rules
/// of international names (UTS 46) do not read, or read differently a second time, stays as it is.
fn in_own_letters(domain: &str) -> Option<String> {
    if domain.is_ascii() && !domain.contains("xn--") {
        return None;
    }
    let read = |domain: &str| {
        let (unicode, outcome) = idna::domain_to_unicode(domain);
        outcome.is_ok().then(|| lower(&unicode).into_owned()).filter(|unicode| is_domain(unicode))
    };
    let spelled = read(domain)?;
    (spelled != domain && !has_unseen(&spelled) && read(&spelled).as_ref() == Some(&spelled)).then_some(spelled)
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
    let read = read_number(text, region);
    // 00 is what most of the world dials before a country code. A region may say otherwise of a number that is one there.
    match (read, international(text)) {
        (Err(_), Some(international)) => read_number(&international, region),
        (read, _) => read,
    }
}

/// A number that begins with 00 with a plus in its place.
fn international(text: &str) -> Option<String> {
    let is_zero = |c: char| matches!(c, '0' | '\u{660}' | '\u{6f0}' | '\u{ff10}');
    let rest = text.trim_start_matches(['(', ' ']);
    let rest = rest.strip_prefix(is_zero)?.strip_prefix(is_zero)?;
    let rest = rest.trim_start_matches([')', ' ', '-', '.']);
    (!rest.starts_with(is_zero)).then(|| format!("+{rest}"))
}

fn read_number(text: &str, region: Option<Region>) -> Result<String, Refused> {
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
    let whole = |pattern: &Arc<Regex>| pattern.find(value).is_some_and(|found| found.len() == value.len());
    namespace.blocked.iter().any(|blocked| blocked == value) || namespace.blocked_patterns.iter().any(whole)
}
