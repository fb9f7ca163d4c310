//! Reads requests member by member, and tells of each fault where it stands.

use serde_json::value::RawValue;
use tessera_engine::fact::{Claim, Strength};
use tessera_engine::time::Timestamp;
use tessera_engine::value::Decimal;
use tessera_seam::bounds::PROPERTIES_MAX;
use tessera_service::clock::parse_timestamp;
use tessera_service::members::Members;

use super::errors::{FAULTS_MAX, Faults};

/// Bytes of the name of an event or a property.
pub(super) const NAME_BYTES_MAX: usize = 200;
/// Bytes of an identifier.
const ID_BYTES_MAX: usize = 512;
/// Bytes of a list of values (section 3).
const LIST_BYTES_MAX: usize = 8 << 10;
/// How a time is written (section 3).
const DATETIME: &str = "a UTC time yyyy-MM-dd'T'HH:mm:ss(.SSS)Z";

/// The members of an identity with our namespaces, those that decide first at the front (section 5.2).
pub(super) const IDENTITY: [(&str, &str); 5] = [
    ("external_id", "user_id"),
    ("phone_no", "phone"),
    ("email", "email"),
    ("kakao_user_id", "kakao_user_id"),
    ("line_user_id", "line_user_id"),
];

/// A value that says something: null says as little as nothing.
fn said(raw: Option<&RawValue>) -> Option<&RawValue> {
    raw.filter(|raw| raw.get() != "null")
}

/// A text, if it is one.
fn decoded(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// An object that has to be there, and has none but these members.
pub(super) fn object<'a>(
    faults: &mut Faults,
    field: &str,
    raw: Option<&'a RawValue>,
    known: &[&str],
) -> Option<Members<'a>> {
    let members = any_object(faults, field, raw)?;
    only(faults, field, &members, known);
    Some(members)
}

/// Tells of members that are none of these, or stand twice.
pub(super) fn only(faults: &mut Faults, field: &str, members: &Members<'_>, known: &[&str]) {
    let unknown = members.0.iter().filter(|(name, _)| !known.contains(&name.as_str()));
    for (name, _) in unknown.take(FAULTS_MAX) {
        faults.add(&below(field, name), "unknown", format!("only these members are expected: {}", known.join(", ")));
    }
    for name in known {
        if members.0.iter().filter(|(own, _)| own == name).count() > 1 {
            faults.add(&below(field, name), "format", "the name stands twice");
        }
    }
}

/// The place of a member.
pub(super) fn below(field: &str, name: &str) -> String {
    let name: String = name.chars().take(NAME_BYTES_MAX).collect();
    if field.is_empty() { name } else { format!("{field}.{name}") }
}

/// An object that has to be there.
fn any_object<'a>(faults: &mut Faults, field: &str, raw: Option<&'a RawValue>) -> Option<Members<'a>> {
    let Some(raw) = said(raw) else {
        faults.add(field, "required", "an object is expected");
        return None;
    };
    let members = Members::parse(raw.get()).ok();
    if members.is_none() {
        faults.add(field, "type", "an object is expected");
    }
    members
}

/// A list that has to be there.
pub(super) fn list<'a>(faults: &mut Faults, field: &str, raw: Option<&'a RawValue>) -> Option<Vec<&'a RawValue>> {
    let Some(raw) = said(raw) else {
        faults.add(field, "required", "a list of objects is expected");
        return None;
    };
    let items = serde_json::from_str(raw.get()).ok();
    if items.is_none() {
        faults.add(field, "type", "a list of objects is expected");
    }
    items
}

/// A text that has to be there, of so many bytes, without control characters.
pub(super) fn text(faults: &mut Faults, field: &str, raw: Option<&RawValue>, bytes_max: usize) -> Option<String> {
    let expected = || format!("a text of 1 to {bytes_max} bytes without control characters is expected");
    let Some(raw) = said(raw) else {
        faults.add(field, "required", expected());
        return None;
    };
    match decoded(raw) {
        None => faults.add(field, "type", expected()),
        Some(text) if text.trim().is_empty() => faults.add(field, "empty", expected()),
        Some(text) if text.len() > bytes_max => faults.add(field, "too_large", expected()),
        Some(text) if text.chars().any(char::is_control) => faults.add(field, "format", expected()),
        Some(text) => return Some(text),
    }
    None
}

/// A time that has to be there (section 3).
pub(super) fn datetime(faults: &mut Faults, field: &str, raw: Option<&RawValue>) -> Option<Timestamp> {
    let Some(raw) = said(raw) else {
        faults.add(field, "required", DATETIME);
        return None;
    };
    let Some(text) = decoded(raw) else {
        faults.add(field, "type", DATETIME);
        return None;
    };
    let time = is_like(&text, &["0000-00-00T00:00:00Z", "0000-00-00T00:00:00.000Z"])
        .then(|| parse_timestamp(&text).ok())
        .flatten();
    if time.is_none() {
        faults.add(field, "format", DATETIME);
    }
    time
}

/// Whether a text is written like one of these patterns, in which `0` stands for a digit.
pub(super) fn is_like(text: &str, patterns: &[&str]) -> bool {
    let fits = |(own, pattern): (u8, u8)| if pattern == b'0' { own.is_ascii_digit() } else { own == pattern };
    patterns.iter().any(|pattern| text.len() == pattern.len() && text.bytes().zip(pattern.bytes()).all(fits))
}

/// The id of an event: a UUID, in small letters.
pub(super) fn uuid(faults: &mut Faults, field: &str, raw: Option<&RawValue>) -> Option<String> {
    const EXPECTED: &str = "a UUID is expected, hexadecimal digits 8-4-4-4-12";
    let Some(raw) = said(raw) else {
        faults.add(field, "required", EXPECTED);
        return None;
    };
    let Some(text) = decoded(raw) else {
        faults.add(field, "type", EXPECTED);
        return None;
    };
    let is_uuid = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    if !is_uuid {
        faults.add(field, "format", EXPECTED);
        return None;
    }
    Some(text.to_ascii_lowercase())
}

/// Who a person is: at least one of the members that are known here.
pub(super) fn identity(
    faults: &mut Faults,
    field: &str,
    raw: Option<&RawValue>,
    known: &[(&str, &'static str)],
) -> Vec<Claim> {
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let Some(members) = object(faults, field, raw, &names) else { return Vec::new() };
    let given = |name: &str| said(members.get(name));
    let mut claims = Vec::new();
    for (name, namespace) in known {
        let Some(raw) = given(name) else { continue };
        let Some(value) = text(faults, &below(field, name), Some(raw), ID_BYTES_MAX) else { continue };
        let value = if *namespace == "phone" { international(&value) } else { value };
        claims.push(Claim { namespace: (*namespace).into(), value: value.into(), strength: Strength::Verified });
    }
    if !names.iter().any(|name| given(name).is_some()) {
        faults.add(field, "required", format!("at least one of these is expected: {}", names.join(", ")));
    }
    claims
}

/// A phone number of this API has its country code and no `+` (section 5.2); ours have one.
fn international(phone: &str) -> String {
    let digits: String = phone.chars().filter(|c| !matches!(c, '+' | '-' | ' ' | '(' | ')' | '.')).collect();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { format!("+{digits}") } else { phone.to_owned() }
}

/// Values by name: texts, numbers, booleans, and lists of texts or of numbers (section 3).
pub(super) fn values<'a>(faults: &mut Faults, field: &str, raw: Option<&'a RawValue>) -> Option<Members<'a>> {
    let members = any_object(faults, field, raw)?;
    if members.0.len() > PROPERTIES_MAX {
        faults.add(field, "too_many", format!("at most {PROPERTIES_MAX} members are expected"));
        return None;
    }
    let mut names: Vec<&str> = members.0.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        faults.add(&below(field, pair[0]), "format", "the name stands twice");
    }
    for (name, raw) in &members.0 {
        let field = below(field, name);
        if name.trim().is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            let expected = format!("a name of 1 to {NAME_BYTES_MAX} bytes without control characters is expected");
            faults.add(&field, "format", expected);
        }
        if let Err((reason, expected)) = check_value(raw) {
            faults.add(&field, reason, expected);
        }
    }
    Some(members)
}

fn check_value(raw: &RawValue) -> Result<(), (&'static str, &'static str)> {
    const KINDS: &str = "a text, a number, a boolean, or a list of texts or of numbers is expected";
    let json = raw.get();
    match json.as_bytes().first() {
        Some(b'{') | None => Err(("type", KINDS)),
        Some(b'"') => decoded(raw).map(|_| ()).ok_or(("format", "a text of unicode is expected")),
        Some(b't' | b'f' | b'n') => Ok(()),
        Some(b'[') => {
            if json.len() > LIST_BYTES_MAX {
                return Err(("too_large", "a list of at most 8 KiB is expected"));
            }
            let items: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| ("type", KINDS))?;
            let is_text = |item: &&RawValue| item.get().starts_with('"');
            if items.iter().all(is_text) {
                return if items.iter().all(|item| decoded(item).is_some()) { Ok(()) } else { Err(("format", KINDS)) };
            }
            items.iter().try_for_each(|item| check_number(item.get()))
        }
        Some(_) => check_number(json),
    }
}

fn check_number(json: &str) -> Result<(), (&'static str, &'static str)> {
    const KINDS: &str = "a text, a number, a boolean, or a list of texts or of numbers is expected";
    if !json.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return Err(("type", KINDS));
    }
    Decimal::parse(json).map(|_| ()).map_err(|_| ("format", "a number between -1.7e20 and 1.7e20 is expected"))
}
