//! The committed document is the one that the code makes, and nothing in it is missing.

use super::*;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/tessera.json");

#[test]
fn the_committed_document_is_current() {
    if std::env::var_os("TESSERA_BLESS").is_some() {
        std::fs::write(PATH, document()).expect("the folder openapi can be written");
    }
    let committed = std::fs::read_to_string(PATH).expect("openapi/tessera.json is committed");
    assert!(committed == document(), "openapi/tessera.json is stale: run with TESSERA_BLESS=1 and commit it");
}

#[test]
fn every_operation_is_documented() {
    let document: Value = serde_json::from_str(&document()).expect("json");
    let mut ids = std::collections::HashSet::new();
    for route in DOORS.routes() {
        let operation = &document["paths"][route.path][route.method.as_str().to_ascii_lowercase()];
        let name = format!("{} {}", route.method, route.path);
        assert!(!route.summary.is_empty() && !route.summary.ends_with('.'), "{name}: summary");
        assert!(ids.insert(operation["operationId"].clone()), "{name}: its operation id stands twice");
        let segments = route.path.matches('{').count();
        assert_eq!(
            route.parameters.iter().filter(|it| it.place == "path").count(),
            segments,
            "{name}: path parameters"
        );
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let is_error = response["$ref"].is_string();
            let media = response["content"]["application/json"].as_object();
            assert!(is_error || media.is_none_or(|media| media.contains_key("example")), "{name} {status}: example");
        }
        if let Some(body) = operation["requestBody"].as_object() {
            let example = &body["content"]["application/json"]["example"];
            assert!(example.is_object() || example.is_array(), "{name}: example of the body");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document: Value = serde_json::from_str(&document()).expect("json");
    fn check(value: &Value, document: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let pointer = reference.trim_start_matches('#');
                    assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                }
                // What an example refers to is the example's.
                let others = members.iter().filter(|(name, _)| *name != "example");
                others.for_each(|(_, value)| check(value, document));
            }
            Value::Array(items) => items.iter().for_each(|value| check(value, document)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    check(&document, &document);
}
