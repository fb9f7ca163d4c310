//! Spellings of time.

use proptest::prelude::*;

use super::*;

fn check(text: &str, expected: Option<&str>) {
    assert_eq!(parse_timestamp(text).ok().map(format_timestamp).as_deref(), expected, "{text}");
}

#[test]
fn spellings() {
    let eleven = Some("2026-11-21T23:00:00Z");
    for text in [
        "2026-11-21T23:00:00Z",
        "2026-11-21T23:00:00z",
        "2026-11-21t23:00:00Z",
        "2026-11-21T23:00:00.000Z",
        "2026-11-21T23:00:00.000000000Z",
        "2026-11-21T23:00:00,000Z",
        "2026-11-21T23:00:00",
        "2026-11-21T23:00Z",
        "2026-11-21T23:00",
        "2026-11-21 23:00:00",
        "2026-11-21 23:00",
        "2026-11-21 23:00:00 UTC",
        "2026-11-22T01:00:00+02:00",
        "2026-11-22T01:00:00+0200",
        "2026-11-22T01:00:00+02",
        "2026-11-21T17:30:00.000-05:30",
        "2026-11-21 23:00:00+00",
        "2026-11-21T23:00:00-00:00",
        "20261121T230000Z",
    ] {
        check(text, eleven);
    }
    for (text, expected) in [
        ("2026-11-21", "2026-11-21T00:00:00Z"),
        ("2026-11-21T23:00:00.123Z", "2026-11-21T23:00:00.123Z"),
        ("2026-11-21T23:00:00.1200Z", "2026-11-21T23:00:00.12Z"),
        ("2026-11-21T23:00:00.123456Z", "2026-11-21T23:00:00.123456Z"),
        ("2026-11-21T23:00:00.1234567+01:00", "2026-11-21T22:00:00.123456Z"),
        ("2026-11-21T23:00:00.123456999Z", "2026-11-21T23:00:00.123456Z"),
        ("2026-06-30T23:59:60Z", "2026-06-30T23:59:59Z"),
        ("1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999Z"),
        ("1969-12-31T23:59:58.5Z", "1969-12-31T23:59:58.5Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ("1900-02-28T23:30:00-01:00", "1900-03-01T00:30:00Z"),
    ] {
        check(text, Some(expected));
    }
}

#[test]
fn other_texts() {
    for text in [
        "",
        "now",
        "1732230000",
        "2026-13-01",
        "2026-02-29",
        "2026-11-21T24:00:01Z",
        "2026-11-21T23:00:00Z ",
        " 2026-11-21",
        "2026-11-21T23:00:00+02:00[Europe/Paris]",
        "2026-11-21T23:00:00[Europe/Paris]",
        "2026-11-21T23:00:00Z UTC",
        "0000-12-31T23:59:59Z",
        "9999-12-31T23:59:59-01:00",
        "0001-01-01T00:00:00+01:00",
        "+010000-01-01T00:00:00Z",
        "21/11/2026",
        "Sat Nov 21 2026",
    ] {
        check(text, None);
    }
}

#[test]
fn unix_numbers() {
    for (text, expected) in [
        ("0", Some("1970-01-01T00:00:00Z")),
        ("1795302000", Some("2026-11-21T23:00:00Z")),
        ("1795302000.25", Some("2026-11-21T23:00:00.25Z")),
        ("1795302000123", Some("2026-11-21T23:00:00.123Z")),
        ("1795302000123.4567", Some("2026-11-21T23:00:00.123456Z")),
        ("-1.5", Some("1969-12-31T23:59:58.5Z")),
        ("99999999999", Some("5138-11-16T09:46:39Z")),
        ("100000000000", Some("1973-03-03T09:46:40Z")),
        ("1e20", None),
    ] {
        let number = Decimal::parse(text).expect("a number");
        assert_eq!(from_unix_json(number).ok().map(format_timestamp).as_deref(), expected, "{text}");
    }
}

#[test]
fn whole_seconds() {
    let at = parse_timestamp("1969-12-31T23:59:58.5Z").expect("a time");
    assert_eq!(format_seconds(at), "1969-12-31T23:59:58Z");
}

proptest! {
    #[test]
    fn what_is_written_is_read(micros in Timestamp::MIN.micros()..=Timestamp::MAX.micros()) {
        let timestamp = Timestamp::from_micros(micros).expect("in range");
        prop_assert_eq!(parse_timestamp(&format_timestamp(timestamp)), Ok(timestamp));
        let seconds = Timestamp::from_micros(micros.div_euclid(1_000_000) * 1_000_000);
        prop_assert_eq!(parse_timestamp(&format_seconds(timestamp)).ok(), seconds);
    }

    #[test]
    fn reading_never_panics(text in "[-+:.,TZ0-9 \\[\\]UTC]{0,40}|\\PC{0,20}") {
        let _ = parse_timestamp(&text);
    }

    #[test]
    fn any_number_is_an_instant_or_not(units in any::<i128>()) {
        let _ = from_unix_json(Decimal::from_units(units));
    }
}
