//! What a file may say, what it is brought to, and what is refused with which code and line.

use serde_json::{Value, json};

use super::*;

type Read = fn(&str) -> Result<Value, Wrong>;

const KINDS: [(&str, Read); 10] = [
    ("limits", limits),
    ("namespace", |json| namespace("crm_id", json)),
    ("primary_namespace", primary_namespace),
    ("data_model", data_model),
    ("merge_policy", |json| merge_policy("crm-first", json)),
    ("default_merge_policy", default_merge_policy),
    ("attribute", |json| attribute("orders", json)),
    ("segment", |json| segment("loyal", json)),
    ("erasure_rules", erasure_rules),
    ("rate_limit", rate_limit),
];

fn read(kind: &str, json: &str) -> Result<Value, Wrong> {
    let (_, read) = KINDS.iter().find(|(name, _)| *name == kind).expect("a kind");
    read(json)
}

#[test]
fn what_is_declared_is_brought_to_the_form_of_answers_and_stays_there() {
    let cases = [
        ("limits", json!({ "hub_links_max": 7 }), "/profile_identities_max", Value::Null),
        (
            "namespace",
            json!({ "normaliser": "email", "priority": 3, "blocked": [" B@X.IO", "a@x.io"] }),
            "/blocked",
            json!(["a@x.io", "b@x.io"]),
        ),
        ("namespace", json!({ "normaliser": "trim", "priority": 3 }), "/kind", json!("person")),
        ("primary_namespace", json!({ "namespace": null }), "/namespace", Value::Null),
        (
            "data_model",
            json!({ "attributes": { "n": { "type": "number", "allowed_values": [2, 1.50] } } }),
            "/attributes/n/allowed_values",
            json!([1.5, 2]),
        ),
        ("data_model", json!({}), "/mode", json!("open")),
        (
            "merge_policy",
            json!({ "name": "x", "identity_graph": "full", "attribute_merge": { "choose": "newest" } }),
            "/rules",
            json!([]),
        ),
        ("default_merge_policy", json!({ "merge_policy": "a" }), "/merge_policy", json!("a")),
        ("attribute", json!({ "pql": "1+  1" }), "/pql", json!("1 + 1")),
        ("attribute", json!({ "pql": "1", "status": "active" }), "/status", Value::Null),
        ("attribute", json!({ "pql": "1", "description": " " }), "/description", Value::Null),
        ("segment", json!({ "filter": "visits gt 2" }), "/time_zone", json!("UTC")),
        ("segment", json!({ "pql": "true", "merge_policy": "crm-first" }), "/merge_policy", json!("crm-first")),
        ("segment", json!({ "pql": "true", "merge_policy": null, "status": "draft" }), "/status", json!("draft")),
        ("erasure_rules", json!({ "waiting_events_max": 5 }), "/waiting_events_max", json!(5)),
        ("rate_limit", json!({ "rate_limit": null }), "/rate_limit", Value::Null),
    ];
    for (kind, given, pointer, expected) in cases {
        let written = read(kind, &given.to_string()).unwrap_or_else(|wrong| panic!("{kind}: {wrong:?}"));
        let found = written.pointer(pointer).unwrap_or(&Value::Null);
        assert_eq!(found.to_string(), expected.to_string(), "{kind} {pointer}");
        assert_eq!(read(kind, &written.to_string()).ok(), Some(written), "{kind}: its own form is taken and stays");
    }
}

#[test]
fn what_is_wrong_has_a_code_and_where_the_form_is_wrong_a_line() {
    let cases = [
        (
            "limits",
            "\n{\"hubs\":\n1}",
            "body_invalid",
            Some(2),
            "unknown member `hubs`, expected one of `profile_identities_max`",
        ),
        ("limits", "{\"hub_links_max\":\n\"x\"}", "body_invalid", Some(2), "a whole number"),
        ("limits", "{\"hub_links_max\":0}", "limit_invalid", None, "hub_links_max is 1 to 1000"),
        ("limits", "[]", "body_invalid", None, "an object"),
        ("namespace", "{\"priority\":1}", "body_invalid", Some(1), "missing member `normaliser`"),
        (
            "namespace",
            "{\"normaliser\":\"upper\",\"priority\":1}",
            "namespace_invalid",
            None,
            "trim, lower, email or phone",
        ),
        ("namespace", "{\"normaliser\":\"trim\",\"priority\":0}", "priority_invalid", None, "1 to 1000"),
        ("primary_namespace", "{}", "body_invalid", Some(1), "missing member `namespace`"),
        ("data_model", "{\"mode\":\"shut\"}", "data_model_invalid", None, "open, warn or strict at=mode"),
        ("data_model", "{\"attributes\":{\"a\":{\"type\":\"string\"}}}", "data_model_invalid", None, "text, number"),
        (
            "data_model",
            "{\"attributes\":{\"profile_id\":{\"type\":\"text\"}}}",
            "data_model_invalid",
            None,
            "path=profile_id",
        ),
        (
            "merge_policy",
            "{\"name\":\"x\",\"identity_graph\":\"half\"}",
            "body_invalid",
            Some(1),
            "unknown word, expected `full` or `none`",
        ),
        ("default_merge_policy", "{\"merge_policy\":\"A B\"}", "name_invalid", None, ""),
        ("attribute", "{\"pql\":\"1\",\n\"merge_policy\":\"x\"}", "body_invalid", Some(2), "unknown member"),
        ("attribute", "{\"pql\":\"1\",\"filter\":\"a eq 1\"}", "rule_spelling", None, "exactly one of"),
        ("segment", "{\"pql\":\"1 +\"}", "rule_invalid", None, "pql: expression_syntax: expected"),
        ("segment", "{\"pql\":\"1\",\"time_zone\":\"Mars\"}", "time_zone_unknown", None, "time_zone is"),
        ("erasure_rules", "{\"waiting_events_max\":0}", "waiting_events_max_invalid", None, "1 to"),
        (
            "rate_limit",
            "{\"rate_limit\":{\"per_second\":0,\"burst\":1,\"concurrency\":1}}",
            "rate_limit_invalid",
            None,
            "",
        ),
    ];
    for (kind, json, code, line, said) in cases {
        let wrong = read(kind, json).expect_err(json);
        assert_eq!((wrong.code, wrong.line), (code, line), "{kind} {json}: {}", wrong.message);
        assert!(wrong.message.contains(said), "{kind} {json}: {}", wrong.message);
    }
    let content = r#"{"name":"x","identity_graph":"full","attribute_merge":{"choose":"newest"}}"#;
    assert_eq!(merge_policy("default", content).map_err(|wrong| wrong.code), Err("merge_policy_built_in"));
    assert_eq!(merge_policy("A", content).map_err(|wrong| wrong.code), Err("name_invalid"));
    assert_eq!(
        namespace("profile_id", r#"{"normaliser":"trim","priority":1}"#).map_err(|wrong| wrong.code),
        Err("namespace_name_invalid")
    );
}

#[test]
fn what_a_rule_names_is_found_in_its_declared_form() {
    let cases: [(&str, &[&str], &[&str]); 4] = [
        ("xEvent[eventType = \\\"Order\\\"].count()", &[], &[]),
        ("orders * 2 + address.rank", &["address", "orders"], &[]),
        ("inSegment(\\\"loyal\\\") and plan = \\\"gold\\\"", &["plan"], &["loyal"]),
        ("enteredSegment(\\\"a-b\\\") < now", &[], &["a-b"]),
    ];
    for (pql, attributes, segments) in cases {
        let rule =
            attribute("own", &format!("{{\"pql\":\"{pql}\"}}")).unwrap_or_else(|wrong| panic!("{pql}: {wrong:?}"));
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(named_by(&rule), Named { attributes: set(attributes), segments: set(segments) }, "{pql}");
    }
}
