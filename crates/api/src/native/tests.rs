//! Records, look-ups and queries: what is read and what is refused.

use std::sync::Arc;

use tessera_engine::model::Flags;
use tessera_seam::extract::Query;
use tessera_service::Lookup;
use tessera_service::directory::{Class, KeyId};
use tessera_service::verdict::Incoming;

use super::parse::{self, Delivery};

fn write(body: &str, idempotency: Option<(u8, &str)>) -> Result<Vec<(Arc<str>, Incoming)>, &'static str> {
    let count = std::sync::atomic::AtomicU32::new(0);
    let fresh_id = move || format!("fresh-{}", count.fetch_add(1, std::sync::atomic::Ordering::SeqCst));
    let idempotency = idempotency.map(|(caller, key)| (KeyId::from_bytes([caller; 12]), key));
    let delivery = Delivery { class: Class::Private, datasets: None, idempotency, fresh_id: &fresh_id };
    parse::write(body.as_bytes(), &delivery).map_err(|error| error.code)
}

fn ids(body: &str, idempotency: Option<(u8, &str)>) -> Vec<String> {
    let written = write(body, idempotency).expect("a write");
    written.into_iter().map(|(id, _)| id.to_string()).collect()
}

#[test]
fn records_are_read_alone_and_in_lists() {
    let one =
        r#"{"dataset":"crm","identities":[{"namespace":"user_id","value":"7"}],"attributes":{"a":{"b":1}},"id":"r1"}"#;
    let listed = r#"{"dataset":"crm","records":[{"identities":[{"namespace":"user_id","value":"7"}],"attributes":{"a":{"b":1}},"id":"r1"}]}"#;
    for body in [one, listed] {
        let written = write(body, None).expect("a write");
        let fact = written[0].1.fact.as_ref().expect("a fact");
        assert_eq!((&*fact.id, &*fact.dataset, fact.claims.len(), fact.call.is_none()), ("r1", "crm", 1, true));
        assert_eq!(fact.attributes[0].0.as_str(), "a.b");
    }
}

#[test]
fn ids_of_records_make_a_repetition_one() {
    let timed = r#"{"dataset":"d","identities":[],"attributes":{"a":1},"time":"2026-01-01"}"#;
    assert_eq!(ids(timed, None), ids(timed, None));
    assert_ne!(ids(timed, None), ids(&timed.replace("\"d\"", "\"e\""), None));
    assert_ne!(ids(timed, None), ids(&timed.replace(":1}", ":2}"), None));
    let untimed = r#"{"dataset":"d","records":[{"identities":[],"attributes":{}},{"identities":[],"attributes":{}}]}"#;
    assert_eq!(ids(untimed, None), ["fresh-0", "fresh-1"]);
    let keyed = ids(untimed, Some((1, "k1")));
    assert_ne!(keyed[0], keyed[1]);
    assert_eq!(keyed, ids(untimed, Some((1, "k1"))));
    let other_content = untimed.replace("{}", r#"{"a":1}"#);
    for other in [ids(untimed, Some((1, "k2"))), ids(untimed, Some((2, "k1"))), ids(&other_content, Some((1, "k1")))] {
        assert!(other.iter().all(|id| !keyed.contains(id)), "{other:?}");
    }
}

#[test]
fn a_bad_record_never_fails_its_neighbours() {
    let good = r#"{"identities":[{"namespace":"user_id","value":"7"}],"attributes":{},"id":"g"}"#;
    let check = |bad: &str, code: &str| {
        let written =
            write(&format!("{{\"dataset\":\"d\",\"records\":[{good},{bad},{good}]}}"), None).expect("a write");
        let codes: Vec<_> = written.iter().map(|(_, it)| it.fact.as_ref().err().map(|why| why.code)).collect();
        assert_eq!(codes, [None, Some(code), None], "{bad}");
    };
    check("7", "record_invalid");
    check("null", "record_invalid");
    check(r#"[[{"namespace":"user_id","value":"7"}],{},null,"r"]"#, "record_invalid");
    check(r#"{"identities":[],"attributes":{},"more":1}"#, "record_invalid");
    check(r#"{"identities":[{"namespace":"a"}],"attributes":{}}"#, "record_invalid");
    check(r#"{"identities":[]}"#, "record_invalid");
    check(r#"{"identities":[],"attributes":[]}"#, "attribute_invalid");
    check(r#"{"identities":[],"attributes":{"a":{"$timestamp":"soon"}}}"#, "attribute_invalid");
    check(r#"{"identities":[],"attributes":{},"time":"soon"}"#, "timestamp_invalid");
    check(r#"{"identities":[],"attributes":{},"id":""}"#, "record_id_invalid");
    check(&format!("{{\"identities\":[],\"attributes\":{{\"a\":\"{}\"}}}}", "x".repeat(66_000)), "record_too_large");
    let deep = format!("{{\"identities\":[],\"attributes\":{{\"a\":{}{}}}}}", "[".repeat(500), "]".repeat(500));
    check(&deep, "record_invalid");
}

#[test]
fn writes_that_cannot_be_read_are_refused_whole() {
    let check = |body: &str, code: &str| assert_eq!(write(body, None).err(), Some(code), "{body}");
    check("{", "json_invalid");
    check("{}", "body_invalid");
    check(r#"["d",null,[{}],null,null,null,null]"#, "body_invalid");
    check(r#"{"dataset":"d","records":[]}"#, "batch_empty");
    check(r#"{"dataset":"d","rows":[]}"#, "body_invalid");
    check(r#"{"dataset":" d","records":[{}]}"#, "dataset_invalid");
    check(r#"{"dataset":"","records":[{}]}"#, "dataset_invalid");
    check(r#"{"dataset":"d","batch":"\n","records":[{}]}"#, "dataset_invalid");
    check(r#"{"dataset":"d","records":[{}],"attributes":{}}"#, "body_invalid");
    check(&format!("{{\"dataset\":\"d\",\"records\":[{}]}}", vec!["1"; 2_501].join(",")), "batch_too_many");
}

const ALL: Flags = Flags { internal: true, private: true };

#[test]
fn lookups_and_fields_are_read() {
    let read = |body: &str| parse::batch_get(body.as_bytes(), ALL).map_err(|error| error.code);
    let (lookups, fields, _) =
        read(r#"{"lookups":[{"id":"x"},{"namespace":"email","value":"a"}],"fields":["attributes"]}"#).expect("lookups");
    assert_eq!(lookups[0], Lookup::Id("x".to_owned()));
    assert_eq!(lookups[1], Lookup::Identity { namespace: "email".to_owned(), value: "a".to_owned() });
    assert!(fields.attributes && !fields.identifiers && !fields.audiences);
    for (body, code) in [
        (r#"{"lookups":[{}]}"#, "lookup_invalid"),
        (r#"{"lookups":[{"id":"x","value":"y"}]}"#, "lookup_invalid"),
        (r#"{"lookups":[{"namespace":"email"}]}"#, "lookup_invalid"),
        (r#"{"lookups":7}"#, "body_invalid"),
        (r#"{"lookups":[],"fields":["all"]}"#, "fields_unknown"),
    ] {
        assert_eq!(read(body).err(), Some(code), "{body}");
    }
    let many = format!("{{\"lookups\":[{}]}}", vec![r#"{"id":"x"}"#; 101].join(","));
    assert_eq!(read(&many).err(), Some("batch_too_many"));
    let fields = |list| {
        parse::fields(list, ALL).map(|it| (it.identifiers, it.attributes, it.audiences)).map_err(|error| error.code)
    };
    assert_eq!(fields(None), Ok((true, true, true)));
    assert_eq!(fields(Some("identifiers, audiences")), Ok((true, false, true)));
    assert_eq!(fields(Some("identifiers,")), Err("fields_unknown"));
}

#[test]
fn queries_of_timelines_are_read() {
    let read = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        parse::event_query(&Query(pairs), ALL).map_err(|error| error.code)
    };
    let query = read(&[("limit", "5"), ("start", "2026-01-01"), ("event", "x"), ("cursor", ""), ("other", "1")])
        .expect("a query");
    assert_eq!((query.limit, query.start.is_some(), query.end, query.cursor), (5, true, None, None));
    for (name, value, code) in [
        ("limit", "0", "limit_invalid"),
        ("limit", "1001", "limit_invalid"),
        ("limit", "-1", "limit_invalid"),
        ("limit", "ten", "limit_invalid"),
        ("start", "soon", "time_invalid"),
        ("end", "2026-13-01", "time_invalid"),
    ] {
        assert_eq!(read(&[(name, value)]).err(), Some(code), "{name}={value}");
    }
}

/// Every status of the error table of the read contract but 413, 429 and 5xx, which need a large body, haste and a fault: tests of limits, bounds and
/// the store's bad days have them.
#[tokio::test]
async fn the_read_contract_is_golden() {
    crate::tests::golden::check("api/src/native/golden/read_contract.txt").await;
}

#[tokio::test]
async fn connections_and_sources_are_golden() {
    crate::tests::golden::check("api/src/native/golden/sources.txt").await;
}

#[tokio::test]
async fn activations_and_control_groups_are_golden() {
    crate::tests::golden::check("api/src/native/golden/activations.txt").await;
}

#[tokio::test]
async fn attributes_that_are_written_into_events_are_golden() {
    crate::tests::golden::check("api/src/native/golden/event_attributes.txt").await;
}
