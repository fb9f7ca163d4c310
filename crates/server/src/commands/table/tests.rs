use serde_json::json;

use super::{MEASURED, Table, record};

#[test]
fn a_list_stands_in_columns() {
    let mut table = Table::new(&[("NAME", "/name"), ("WHO", "/a/b")]);
    let first = table.push(&json!({"name": "loyal", "a": {"b": [1, 2]}}));
    let second = table.push(&json!({"name": "x\u{1b}[31m", "a": null}));
    assert_eq!(first + &second + &table.end(), "NAME    WHO\nloyal   1, 2\nx\u{b7}[31m  -\n");
    let mut long = Table::new(&[("N", "/n")]);
    let texts: String = (0..=MEASURED).map(|n| long.push(&json!({"n": n}))).collect();
    assert_eq!((texts + &long.end()).lines().count(), MEASURED + 2);
    assert_eq!(Table::new(&[("N", "/n")]).end(), "");
}

#[test]
fn one_thing_stands_line_by_line() {
    let value = json!({"id": 1, "key": {"name": "web", "of": [], "on": true}, "items": [{"a": "x"}], "empty": {}});
    let expected = "empty      {}\nid         1\nitems.0.a  x\nkey.name   web\nkey.of     -\nkey.on     yes\n";
    assert_eq!(record(&value), expected);
}
