use bytes::Bytes;
use proptest::prelude::*;
use tessera_engine::fact::{Call, EventKind, Strength};
use tessera_engine::value::{Path, Value};

use super::*;

fn fact(payload: &'static str) -> Fact {
    let claim = |namespace: &str, value: &str| Claim {
        namespace: namespace.into(),
        value: value.into(),
        strength: Strength::Observed,
    };
    Fact {
        id: "m-1".into(),
        dataset: "segment".into(),
        batch: None,
        time: None,
        claims: vec![claim("user_id", "7001"), claim("anonymous_id", "device")],
        document: None,
        attributes: Vec::new(),
        account: None,
        call: Some(Call {
            kind: EventKind::Action,
            name: Some("Bought".into()),
            payload: Bytes::from_static(payload.as_bytes()),
        }),
        content: None,
        replaces: tessera_engine::fact::Replaces::Nothing,
    }
}

#[test]
fn equal_json_has_equal_content_however_it_is_written() {
    let check = |one: &str, other: &str, equal: bool| {
        assert_eq!(of_json(one) == of_json(other), equal, "{one} and {other}");
    };
    check(r#"{"a":1,"b":[1,2]}"#, r#" { "b" : [ 1 , 2 ] , "a" : 1 } "#, true);
    check(r#"{"a":1.0,"b":1e2}"#, r#"{"a":1,"b":100}"#, true);
    check(r#"{"a":"\u00e9\/"}"#, r#"{"a":"é/"}"#, true);
    check(r#"{"o":{"x":{},"y":[]}}"#, r#"{"o":{"y":[],"x":{}}}"#, true);
    check(r#"{"a":1}"#, r#"{"a":2}"#, false);
    check(r#"{"a":1}"#, r#"{"a":"1"}"#, false);
    check(r#"{"a":1}"#, r#"{"b":1}"#, false);
    check(r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#, false);
    check(r#"{"a":[[1],2]}"#, r#"{"a":[1,[2]]}"#, false);
    check(r#"{"a":{"b":1}}"#, r#"{"a":{},"b":1}"#, false);
    check(r#"{"a":1,"b":2}"#, r#"{"a":2,"b":1}"#, false);
    check(r#"{"a":null}"#, "{}", false);
    check(r#"{"a":true}"#, r#"{"a":false}"#, false);
    check(r#"{"a":""}"#, r#"{"a":null}"#, false);
    check(r#"["a","b"]"#, r#"["a\",\"b"]"#, false);
}

/// Stored rows hold these: a change of one is a change of stored bytes.
#[test]
fn contents_are_frozen() {
    let event = fact(r#"{"properties":{"total":41.5,"items":["x",{"n":1}]},"context":{"ip":"192.0.2.1"}}"#);
    assert_eq!(of(&event, Some("2026-01-31T10:00:00Z")).hash(), EVENT);
    let record = Fact {
        call: None,
        attributes: vec![(Path::parse("city").expect("a path"), Value::text("Lyon"))],
        ..fact("{}")
    };
    assert_eq!(of(&record, None).hash(), RECORD);
}

const EVENT: u64 = 17_637_888_038_618_078_810;
const RECORD: u64 = 14_776_593_716_751_595_455;

#[test]
fn what_a_fact_says_is_its_content_and_how_it_was_sent_is_not() {
    let one = fact(r#"{"properties":{"total":1}}"#);
    let same = |other: Fact| of(&one, None) == of(&other, None);
    assert!(same(one.clone()));
    assert!(same(fact(r#"{ "properties" : {"total" : 1.0} }"#)));
    let mut claims = one.claims.clone();
    claims.reverse();
    claims[0].strength = Strength::Verified;
    assert!(same(Fact { claims, time: tessera_engine::time::Timestamp::from_micros(7), ..one.clone() }));
    assert!(!same(fact(r#"{"properties":{"total":2}}"#)));
    assert!(!same(fact(r#"{"traits":{"total":1}}"#)));
    assert!(!same(Fact { claims: one.claims[..1].to_vec(), ..one.clone() }));
    let call = |kind, name: &str| one.call.clone().map(|call| Call { kind, name: Some(name.into()), ..call });
    assert!(!same(Fact { call: call(EventKind::Action, "Sold"), ..one.clone() }));
    assert!(!same(Fact { call: call(EventKind::PageView, "Bought"), ..one.clone() }));
    assert_ne!(of(&one, None), of(&one, Some("2026-01-31T10:00:00Z")));
}

proptest! {
    #[test]
    fn any_text_is_read_to_its_end(text in "[\\[\\]{}\":,0-9a-z\\\\ \u{e9}]{0,40}") {
        of_json(&text);
    }
}
