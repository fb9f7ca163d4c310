use super::{Formats, Unfit};

fn file(times: &[&str], decimal: Option<&str>) -> Formats {
    let times: Vec<String> = times.iter().map(|time| (*time).to_owned()).collect();
    Formats::of_file(&times, decimal).expect("formats")
}

#[test]
fn times_are_read_as_they_are_said_to_be_written() {
    let check = |formats: &[&str], text: &str, expected: Result<&str, Unfit>| {
        assert_eq!(file(formats, None).time(text).as_deref().map_err(|unfit| *unfit), expected, "{formats:?} {text}");
    };
    for same in ["2026-01-31T10:00:00Z", "2026-01-31", "2026-01-31 10:00:00+01:00", "20260131"] {
        check(&[], same, Ok(same));
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
        check(&[], none, Err(Unfit::None));
        check(&["iso"], none, Err(Unfit::None));
    }
    check(&["unix"], "1769853600", Ok("2026-01-31T10:00:00Z"));
    check(&["unix_ms"], "1769853600000", Ok("2026-01-31T10:00:00Z"));
    check(&["unix"], "2026-01-31", Err(Unfit::None));
    check(&["unix"], "99999999999999", Err(Unfit::None));
    check(&["%d/%m/%Y"], "31/01/2026", Ok("2026-01-31T00:00:00Z"));
    check(&["%d/%m/%Y"], "30/02/2026", Err(Unfit::None));
    check(&["%Y-%m-%d %-H %:z"], "1997-01-01 2 +01:00", Ok("1997-01-01T01:00:00Z"));
}

#[test]
fn two_digits_are_a_year_where_the_format_says_so() {
    for (format, text, expected) in [
        ("%d.%m.%Y", "31.12.24", None),
        ("%d.%m.%Y", "31.12.2024", Some("2024-12-31T00:00:00Z")),
        ("%d.%m.%y", "31.12.24", Some("2024-12-31T00:00:00Z")),
        ("%d.%m.%y", "31.12.99", Some("1999-12-31T00:00:00Z")),
        ("%d.%m.%y", "31.12.2024", None),
        ("%m/%d/%y", "12/31/24", Some("2024-12-31T00:00:00Z")),
    ] {
        assert_eq!(file(&[format], None).time(text).ok().as_deref(), expected, "{format} {text}");
    }
}

#[test]
fn several_formats_are_tried_and_contradictions_are_refused() {
    let both = file(&["%d/%m/%Y", "%m/%d/%Y"], None);
    assert_eq!(both.time("31/01/2026").as_deref(), Ok("2026-01-31T00:00:00Z"));
    assert_eq!(both.time("01/31/2026").as_deref(), Ok("2026-01-31T00:00:00Z"));
    assert_eq!(both.time("02/02/2026").as_deref(), Ok("2026-02-02T00:00:00Z"), "both say the same day");
    assert_eq!(both.time("01/02/2026"), Err(Unfit::Ambiguous));
    assert_eq!(file(&["%d.%m.%Y", "iso"], None).time("2026-01-31").as_deref(), Ok("2026-01-31"));
}

#[test]
fn numbers_keep_every_digit() {
    for (decimal, text, expected) in [
        (None, "12.50", Some("12.50")),
        (None, "12,50", None),
        (None, "-3e2", Some("-3e2")),
        (Some(","), "12,50", Some("12.50")),
        (Some(","), "-1.234,50", Some("-1234.50")),
        (Some(","), "1.234.567", Some("1234567")),
        (Some(","), "1 234,5", Some("1234.5")),
        (Some(","), "1\u{a0}234", Some("1234")),
        (Some(","), "1.234", None),
        (Some(","), "12.50", None),
        (Some(","), "1,2,3", None),
        (Some(","), "12,", None),
        (Some(","), "1234,567", Some("1234.567")),
        (Some(","), "12.34,5", None),
        (Some(","), "n/a", None),
        (Some(","), "", None),
        (Some("."), "1,234.50", Some("1234.50")),
        (Some("."), "1,234", None),
        (Some("."), "0.10", Some("0.10")),
    ] {
        let number = file(&[], decimal).number(text);
        assert_eq!(number.ok().as_ref().map(|raw| raw.get()), expected, "{decimal:?} {text}");
    }
    assert!(Formats::of_file(&[], Some(";")).is_err());
}

#[test]
fn a_column_has_formats_of_its_own() {
    let column = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        file(&["unix"], Some(",")).of_column("c", &names)
    };
    let own = column(&["%d.%m.%Y", "iso", "decimal_point", "Ja/Nein"]).expect("formats");
    assert_eq!(own.time("31.01.2026").as_deref(), Ok("2026-01-31T00:00:00Z"));
    assert_eq!(own.time("1769853600"), Err(Unfit::None));
    assert_eq!(own.number("1.5").expect("a number").get(), "1.5");
    assert_eq!(own.boolean("ja").expect("a boolean").get(), "true");
    assert!(own.boolean("yes").is_err());
    let inherits = column(&[]).expect("formats");
    assert_eq!(inherits.time("1769853600").as_deref(), Ok("2026-01-31T10:00:00Z"));
    assert_eq!(inherits.number("1,5").expect("a number").get(), "1.5");
    for (text, expected) in [("Yes", "true"), ("no", "false"), ("Y", "true"), ("OFF", "false"), ("1", "true")] {
        assert_eq!(inherits.boolean(text).expect(text).get(), expected);
    }
    assert!(inherits.boolean("2").is_err());
    assert!(column(&["days"]).is_err_and(|error| error.to_string().contains("column c: no format days")));
}
