use super::{PropertyType, Refusal, TimeFormat};

#[test]
fn times_are_read_as_they_are_said_to_be_written() {
    let check = |format: Option<&str>, text: &str, expected: Option<&str>| {
        let format = TimeFormat::named(format).expect("a format");
        assert_eq!(format.read(text).as_deref(), expected, "{format:?} {text}");
    };
    for same in ["2026-01-31T10:00:00Z", "2026-01-31", "2026-01-31 10:00:00+01:00", "20260131"] {
        check(None, same, Some(same));
    }
    for none in [
        "n/a",
        "45321",
        "1735689600",
        "1735689600000",
        "2026-02-30T00:00:00Z",
        "31/01/2026",
        "2026-01-31T25:00:00Z",
        " ",
    ] {
        check(None, none, None);
        check(Some("iso"), none, None);
    }
    check(Some("unix"), "1769853600", Some("2026-01-31T10:00:00Z"));
    check(Some("unix_ms"), "1769853600000", Some("2026-01-31T10:00:00Z"));
    check(Some("unix"), "2026-01-31", None);
    check(Some("unix"), "99999999999999", None);
    check(Some("%d/%m/%Y"), "31/01/2026", Some("2026-01-31T00:00:00Z"));
    check(Some("%d/%m/%Y"), "30/02/2026", None);
    check(Some("%Y-%m-%d %-H %:z"), "1997-01-01 2 +01:00", Some("1997-01-01T01:00:00Z"));
}

#[test]
fn values_are_of_their_type_or_none() {
    let times = TimeFormat::Iso;
    for (kind, right, wrong) in [
        (PropertyType::Number, "12.50", "12,50"),
        (PropertyType::Number, "-3e2", "n/a"),
        (PropertyType::Boolean, "1", "yes"),
        (PropertyType::Timestamp, "2026-01-31", "45321"),
        (PropertyType::Json, "[1]", "[1"),
    ] {
        assert!(kind.read(right, &times).is_some(), "{right}");
        assert!(kind.read(wrong, &times).is_none(), "{wrong}");
        assert!(!kind.expected(&times).is_empty());
    }
}

#[test]
fn a_refused_value_is_shown_to_nobody_but_the_file_of_refused_rows() {
    let refusal = Refusal::of_value("the time must be a time".to_owned(), &"ä".repeat(200));
    assert!(!format!("{refusal:?}").contains('ä'));
    assert_eq!(refusal.value.map(|value| value.chars().count()), Some(100));
}
