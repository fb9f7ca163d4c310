//! The runner itself: each kind of expectation refuses an answer that is not as expected.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::harness::doors::Reply;
use super::run::{Names, faults};
use super::scenario::Step;

fn names() -> Names {
    Names::new(Timestamp::from_second(1_800_000_000).expect("a time"), 5)
}

fn wrong(expected: &Value, text: &str) -> usize {
    let step = json!({ "proves": "x", "door": "native", "request": "GET /", "status": 200, "expect": expected });
    let step: Step = serde_json::from_value(step).expect("a step");
    faults(&step, &Reply { status: 200, text: text.to_owned() }, &names()).len()
}

#[test]
fn names_stand_for_what_they_say() {
    let names = names();
    assert_eq!(names.fill("{ago:0} {ago:3600} {day:1}"), "2027-01-15T08:00:00Z 2027-01-15T07:00:00Z 2027-01-14");
    let other = Names::new(Timestamp::from_second(1_800_000_000).expect("a time"), 6);
    assert_eq!(names.fill("a{run}b").len(), 14);
    assert_ne!(names.fill("{run}"), other.fill("{run}"));
    assert_eq!(names.fill_all(&json!({ "{day:0}": ["{day:0}", 1] })), json!({ "2027-01-15": ["2027-01-15", 1] }));
}

#[test]
fn each_expectation_refuses_what_is_otherwise() {
    let answer = r#"{"a": {"b": 1}, "list": [{"id": "x", "n": 1}, {"id": "y", "n": 2}], "texts": ["b", "a"]}"#;
    for (right, otherwise) in [
        (json!({ "has": { "/a/b": 1 } }), json!({ "has": { "/a/b": 2 } })),
        (json!({ "has": { "/a": { "b": 1 } } }), json!({ "has": { "/c": null } })),
        (json!({ "differs": { "/a/b": 2 } }), json!({ "differs": { "/a/b": 1 } })),
        (json!({ "differs": { "/a/b": 2 } }), json!({ "differs": { "/c": 1 } })),
        (json!({ "lacks": ["/c"] }), json!({ "lacks": ["/a/b"] })),
        (json!({ "counts": { "/list": 2 } }), json!({ "counts": { "/list": 1 } })),
        (json!({ "counts": { "/texts": 2 } }), json!({ "counts": { "/none": 0 } })),
        (
            json!({ "some": { "/list": [{ "/id": "y", "/n": 2 }] } }),
            json!({ "some": { "/list": [{ "/id": "x", "/n": 2 }] } }),
        ),
        (json!({ "none": { "/list": [{ "/id": "z" }] } }), json!({ "none": { "/list": [{ "/id": "x" }] } })),
        (json!({ "none": { "/list": [{ "/id": "z" }] } }), json!({ "none": { "/nothing": [{ "/id": "x" }] } })),
        (json!({ "all": { "/texts": ["a", "b"] } }), json!({ "all": { "/texts": ["a"] } })),
    ] {
        assert_eq!(wrong(&right, answer), 0, "{right}");
        assert_eq!(wrong(&otherwise, answer), 1, "{otherwise}");
    }
    assert_eq!(wrong(&json!({ "lacks": ["/c"] }), "no JSON"), 1);
}

#[test]
fn rows_are_found_by_their_columns() {
    let rows =
        |r#where: Value, rows: usize, have: Value| json!({ "csv": [{ "where": r#where, "rows": rows, "have": have }] });
    let text = "id,plan,n\na,gold,1\nb,\"sil,ver\",2\na,gold,3\n";
    for (expected, faults) in [
        (rows(json!({ "id": "a" }), 2, json!({ "plan": "gold" })), 0),
        (rows(json!({ "id": "b" }), 1, json!({ "plan": "sil,ver" })), 0),
        (rows(json!({ "id": "c" }), 0, json!({})), 0),
        (rows(json!({ "id": "a" }), 1, json!({})), 1),
        (rows(json!({ "id": "a" }), 2, json!({ "n": "1" })), 1),
        // A column that is not there is no column in which nothing is found.
        (rows(json!({ "no": "c" }), 0, json!({})), 1),
    ] {
        assert_eq!(wrong(&expected, text), faults, "{expected}");
    }
}
