use super::super::formats::Formats;
use super::{PropertyType, Refusal};

#[test]
fn values_are_of_their_type_or_none() {
    let formats = Formats::of_file(&[], None).expect("formats");
    for (kind, right, wrong) in [
        (PropertyType::Number, "12.50", "12,50"),
        (PropertyType::Number, " -3e2 ", "n/a"),
        (PropertyType::Boolean, "Yes", "perhaps"),
        (PropertyType::Timestamp, "2026-01-31", "45321"),
        (PropertyType::Json, "[1]", "[1"),
    ] {
        assert!(kind.read(right, &formats).is_ok(), "{right}");
        assert!(kind.read(wrong, &formats).is_err(), "{wrong}");
        assert!(!kind.expected(&formats).is_empty());
    }
}

#[test]
fn a_refused_value_is_shown_to_nobody_but_the_file_of_refused_rows() {
    let refusal = Refusal::of_value("time_invalid", "the time must be a time".to_owned(), &"ä".repeat(200));
    assert!(!format!("{refusal:?}").contains('ä'));
    assert_eq!(refusal.value.map(|value| value.chars().count()), Some(100));
}
