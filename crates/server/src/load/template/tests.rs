use std::sync::Arc;

use super::Template;
use crate::load::rows::{Cells, Row};

fn row() -> Row {
    let header = Arc::new(["a", "b", "empty"].map(str::to_owned).to_vec());
    Row { number: 7, cells: Cells::Named(header, ["x", "y z", ""].map(str::to_owned).to_vec()) }
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
