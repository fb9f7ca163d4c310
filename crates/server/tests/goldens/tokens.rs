//! Texts of golden files in their parts: what is drawn, what the clock says, and what stands for itself.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// How many letters a sealed word has at least, such as the pseudonym of an identity.
const SEALED_CHARS: usize = 40;

/// Digits of an instant in milliseconds.
const MILLIS_DIGITS: usize = 13;

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// It stands for itself.
    Text(&'a str),
    /// An id, by its name or as it was drawn, or a sealed word.
    Drawn(&'a str),
    Instant(&'a str),
    /// An id of a request, a cursor, or a part of a secret.
    Any,
    End,
}

/// The first part of a text, and what is behind it. A word does not begin behind a letter or a digit.
pub(crate) fn next<'a>(text: &'a str, chosen: &str) -> (Token<'a>, &'a str) {
    let mut before: Option<char> = None;
    for (at, char) in text.char_indices() {
        let is_start = before.is_none_or(|before| !before.is_ascii_alphanumeric());
        before = Some(char);
        if !is_start {
            continue;
        }
        if let Some((token, length)) = word(&text[at..], chosen) {
            return if at > 0 { (Token::Text(&text[..at]), &text[at..]) } else { (token, &text[length..]) };
        }
    }
    if text.is_empty() { (Token::End, text) } else { (Token::Text(text), "") }
}

/// What stands at the beginning of a text and not for itself, and how long it is.
fn word<'a>(text: &'a str, chosen: &str) -> Option<(Token<'a>, usize)> {
    for any in ["<request>", "<cursor>", "<drawn>"] {
        if text.starts_with(any) {
            return Some((Token::Any, any.len()));
        }
    }
    if let Some(rest) = text.strip_prefix("<id") {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let length = "<id>".len() + digits;
        return (digits > 0 && rest[digits..].starts_with('>')).then(|| (Token::Drawn(&text[..length]), length));
    }
    if let Some((own, _)) = instant(text) {
        return Some((Token::Instant(own), own.len()));
    }
    let (own, _) = drawn(text).filter(|(own, _)| !chosen.contains(own))?;
    Some((Token::Drawn(own), own.len()))
}

/// The id or the sealed word that a text begins with, and what is behind it.
pub(crate) fn drawn(text: &str) -> Option<(&str, &str)> {
    let run = |is: fn(&u8) -> bool| text.split_at(text.bytes().take_while(is).count());
    let is_end = |rest: &str| !rest.starts_with(|char: char| char.is_ascii_alphanumeric());
    let hex = run(u8::is_ascii_hexdigit);
    let uuid = run(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    let sealed = run(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let is_sealed = sealed.0.len() >= SEALED_CHARS
        && sealed.0.bytes().any(|byte| byte.is_ascii_uppercase())
        && sealed.0.bytes().any(|byte| byte.is_ascii_lowercase());
    if matches!(hex.0.len(), 20 | 24 | 32) && is_end(hex.1) {
        Some(hex)
    } else if uuid.0.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && is_end(uuid.1) {
        Some(uuid)
    } else {
        is_sealed.then_some(sealed)
    }
}

/// What is behind the word that a text begins with: all of it where nothing follows that word.
pub(crate) fn behind_word<'a>(text: &'a str, follows: &str) -> Option<&'a str> {
    let at = follows.chars().next().map_or(Some(text.len()), |char| text.find(char))?;
    (at > 0).then(|| &text[at..])
}

/// The instant, or the day, that a text begins with, and what is behind it. Thirteen digits that begin as those of our years are milliseconds.
pub(crate) fn instant(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == MILLIS_DIGITS && matches!(&text[..2], "17" | "18") {
        return Some(text.split_at(digits)).filter(|(_, rest)| !rest.starts_with(|char: char| char.is_alphanumeric()));
    }
    let fits = |at: usize, form: &[u8]| {
        let own = bytes.get(at..at + form.len())?;
        let is_like = |(own, form): (&u8, &u8)| if *form == b'9' { own.is_ascii_digit() } else { own == form };
        own.iter().zip(form).all(is_like).then_some(at + form.len())
    };
    let mut end = fits(0, b"9999-99-99")?;
    if let Some(minutes) = fits(end, b"T99:99").or_else(|| fits(end, b" 99:99")) {
        end = fits(minutes, b":99").unwrap_or(minutes);
        if let Some(fraction) = fits(end, b".9") {
            end = fraction + bytes[fraction..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        }
        let zones: [&[u8]; 5] = [b"Z", b"+99:99", b"-99:99", b"+9999", b"-9999"];
        end = zones.into_iter().find_map(|zone| fits(end, zone)).unwrap_or(end);
    }
    Some(text.split_at(end)).filter(|(_, rest)| !rest.starts_with(|char: char| char.is_ascii_digit()))
}

/// Whether an instant is a whole day.
pub(crate) fn is_day(text: &str) -> bool {
    text.len() == "9999-99-99".len()
}

/// When an instant is; one without a zone is of UTC.
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    if text.len() == MILLIS_DIGITS {
        return Timestamp::from_millisecond(text.parse().ok()?).ok();
    }
    let in_utc = |time: DateTime| time.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp());
    let parsed = text.parse::<Timestamp>().ok();
    parsed.or_else(|| in_utc(text.parse().ok()?)).or_else(|| in_utc(text.parse::<Date>().ok()?.at(0, 0, 0, 0)))
}

/// Whether an instant is written as this one is. Zeros at the end of a fraction are not written, unless the fraction is of a fixed length.
pub(crate) fn is_of_form(shown: &str, instant: &str) -> bool {
    let parts = |text: &str| {
        let (clock, behind) = text.split_at(text.len().min(19));
        let digits = behind.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
        let zone = behind.trim_start_matches('.');
        let pattern = |text: &str| text.replace(|char: char| char.is_ascii_digit(), "9");
        (pattern(clock), behind[..behind.len().min(digits + 1)].to_owned(), digits, pattern(&zone[digits..]))
    };
    let (own, here) = (parts(shown), parts(instant));
    let is_fixed = own.2 > 0 && own.1.ends_with('0');
    (&own.0, &own.3) == (&here.0, &here.3) && (!is_fixed || own.2 == here.2)
}

/// All instants that a text says, each with its place.
pub(crate) fn instants(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut before: Option<char> = None;
    for (at, char) in text.char_indices() {
        let is_start = before.is_none_or(|before| !before.is_ascii_alphanumeric());
        before = Some(char);
        if is_start && let Some((own, _)) = instant(&text[at..]) {
            found.push((at, own));
        }
    }
    found
}

/// This instant, written as that one is.
pub(crate) fn written_as(form: &str, at: Timestamp) -> String {
    if form.len() == MILLIS_DIGITS {
        return at.as_millisecond().to_string();
    }
    let digits = form.split_once('.').map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
    let clock = at.strftime(if form.contains(' ') { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%dT%H:%M:%S" }).to_string();
    let fraction = format!(".{:09}", at.subsec_nanosecond());
    let fraction = if digits > 0 { &fraction[..digits + 1] } else { "" };
    let zone = if form.ends_with('Z') {
        "Z"
    } else if form.ends_with("+00:00") {
        "+00:00"
    } else {
        ""
    };
    let whole = format!("{clock}{fraction}{zone}");
    if is_day(form) {
        whole[..10].to_owned()
    } else if form.len() == 16 {
        whole[..16].to_owned()
    } else {
        whole
    }
}

#[test]
fn texts_have_parts() {
    let id = "01a22e3ad4c76b5e797402d1";
    let sealed = "XwGEpg21zfWRVwmhz0ZgNdHebgsyYfPuBS-zRKK8xXOGpo4rpNqB6Q";
    assert_eq!(next("a <id2>!", ""), (Token::Text("a "), "<id2>!"));
    assert_eq!(next("<id2>!", ""), (Token::Drawn("<id2>"), "!"));
    assert_eq!(drawn(&format!("{id}-10")), Some((id, "-10")));
    assert_eq!(drawn("a97c2f68618f619a7d37-10"), Some(("a97c2f68618f619a7d37", "-10")));
    assert_eq!(drawn(sealed), Some((sealed, "")));
    assert_eq!(drawn("0ae7257719e2f410371179e4edb90bf59e48966a"), None);
    assert_eq!(next(id, id), (Token::Text(id), ""));
    assert_eq!(instant("2026-01-31T12:00:01.25Z x"), Some(("2026-01-31T12:00:01.25Z", " x")));
    assert_eq!(instant("2026-01-31, a day"), Some(("2026-01-31", ", a day")));
    assert_eq!(instant("2026-01-311"), None);
    assert_eq!(instant("1769767200000&x"), Some(("1769767200000", "&x")));
    assert_eq!(moment("1769767200000"), moment("2026-01-30T10:00:00Z"));
}

#[test]
fn instants_have_forms() {
    for (shown, here, expected) in [
        ("2026-01-31T12:00:01Z", "2026-11-30T20:52:08Z", true),
        ("2026-01-31T12:00:01Z", "2026-11-30T20:52:08.123456Z", true),
        ("2026-01-31T12:00:01.000002Z", "2026-11-30T20:52:08.1234Z", true),
        ("2026-01-31T12:00:01.0000000Z", "2026-11-30T20:52:08.1234567Z", true),
        ("2026-01-31T12:00:01.0000000Z", "2026-11-30T20:52:08.1234Z", false),
        ("2026-01-31T12:00:01Z", "2026-11-30T20:52:08+00:00", false),
        ("2026-01-31T12:00:01", "2026-11-30T20:52:08Z", false),
        ("2026-01-31", "2026-11-30T20:52:08Z", false),
    ] {
        assert_eq!(is_of_form(shown, here), expected, "{shown} {here}");
    }
    let at = "2026-11-30T20:52:08.1234567Z".parse().expect("an instant");
    for (form, expected) in [
        ("2026-01-31T12:00:01Z", "2026-11-30T20:52:08Z"),
        ("2026-01-31T12:00:01.000Z", "2026-11-30T20:52:08.123Z"),
        ("2026-01-31 10:00", "2026-11-30 20:52"),
        ("2026-01-31", "2026-11-30"),
        ("2026-01-31T12:00:01+00:00", "2026-11-30T20:52:08+00:00"),
    ] {
        assert_eq!(written_as(form, at), expected);
    }
}
