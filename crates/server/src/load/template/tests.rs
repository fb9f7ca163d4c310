use std::sync::Arc;

use serde_json::value::RawValue;

use super::Template;
use crate::load::rows::{Cells, Place, Raw, Row};

fn row() -> Row {
    let header = Arc::new(["a", "b", "empty"].map(str::to_owned).to_vec());
    let values = ["x", "y z", ""];
    let place = Place { row: 7, line: 8 };
    let cells = Cells::Named(header, values.map(str::to_owned).to_vec());
    Row { place, cells, defaults: Arc::default(), raw: Raw::Columns(values.to_vec().into()) }
}

#[test]
fn columns_are_filled_in() {
    for (template, expected) in [
        ("plain", Some("plain")),
        ("{a}", Some("x")),
        ("{a}-{b}", Some("x-y z")),
        ("id-{#}", Some("id-7")),
        ("{{a}}", Some("{a}")),
        ("{empty}", None),
        ("p-{empty}", None),
        ("{unknown}", None),
    ] {
        let parsed = Template::parse(template).expect(template);
        assert_eq!(parsed.text(&row()).as_deref(), expected, "{template}");
    }
}

#[test]
fn equal_numbers_are_one_name() {
    for (json, text, name) in [
        ("1.0", "1.0", "1"),
        ("1e2", "1e2", "100"),
        ("-0", "-0", "0"),
        ("\"1.0\"", "1.0", "1.0"),
        ("true", "true", "true"),
    ] {
        let members = [("n".to_owned(), RawValue::from_string(json.to_owned()).expect("JSON"))];
        let cells = Cells::Json(members.into_iter().collect());
        let row = Row { cells, raw: Raw::Line(Vec::new()), ..row() };
        let parsed = Template::parse("{n}").expect("a template");
        assert_eq!((parsed.text(&row).as_deref(), parsed.name(&row).as_deref()), (Some(text), Some(name)), "{json}");
    }
}

#[test]
fn braces_must_pair() {
    for template in ["{", "}", "{}", "a{b", "a}b", "{a}}"] {
        assert!(Template::parse(template).is_err(), "{template}");
    }
}
