use std::sync::Arc;

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
fn braces_must_pair() {
    for template in ["{", "}", "{}", "a{b", "a}b", "{a}}"] {
        assert!(Template::parse(template).is_err(), "{template}");
    }
}
