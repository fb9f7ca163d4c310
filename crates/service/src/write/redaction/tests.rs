//! What is left of a fact that names somebody who was erased for good.

use tessera_engine::config::{Limits, default_namespaces};
use tessera_engine::fact::{AccountFact, Call, Claim, Strength};
use tessera_engine::prepare::{IDENTITY_SUPPRESSED, prepare};
use tessera_engine::time::Timestamp;

use super::*;

fn config() -> Config {
    Config::new(1, default_namespaces(), None, Limits::default()).expect("a configuration")
}

fn claim(text: &str) -> Claim {
    let (namespace, value) = text.split_once(':').expect("namespace:value");
    Claim { namespace: namespace.into(), value: value.into(), strength: Strength::Verified }
}

fn identity(text: &str, config: &Config) -> Identity {
    let (namespace, value) = text.split_once(':').expect("namespace:value");
    let namespace = config.by_name(namespace).expect("a namespace");
    Identity { namespace: namespace.id, value: normalise(namespace, value).expect("a value") }
}

fn fact(id: &str, claims: &str, payload: &str, kind: EventKind) -> Fact {
    let time = Timestamp::from_micros(1_700_000_000_000_000);
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    Fact {
        id: id.into(),
        dataset: "segment".into(),
        batch: None,
        time,
        claims: claims.split(' ').map(claim).collect(),
        document: None,
        attributes: Vec::new(),
        account: None,
        call: Some(Call { kind, name: Some("Bought".into()), payload }),
        content: None,
        replaces: tessera_engine::fact::Replaces::Nothing,
    }
}

fn left(fact: Fact, suppressed: &[&str]) -> Option<Prepared> {
    let config = config();
    let received_at = Timestamp::from_micros(1_800_000_000_000_000).expect("an instant");
    let prepared = prepare(Box::new(fact), received_at, &config).expect("it has an owner");
    let suppressed: Vec<Identity> = suppressed.iter().map(|text| identity(text, &config)).collect();
    without(&prepared, &suppressed, &config)
}

#[test]
fn a_payload_is_kept_without_whom_it_may_not_name() {
    let check = |suppressed: &str, payload: &str, expected: &str| {
        let claims = format!("user_id:bob {suppressed}");
        let left = left(fact("f", &claims, payload, EventKind::Action), &[suppressed]).expect("it can do without");
        let call = left.fact.call.expect("it is an event");
        assert_eq!(String::from_utf8_lossy(&call.payload), expected, "{suppressed} {payload}");
        assert!(left.others.is_empty());
        let told: Vec<_> = left.ignored.iter().map(|own| (&*own.namespace, own.code)).collect();
        let (namespace, _) = suppressed.split_once(':').expect("namespace:value");
        assert_eq!(told, [(namespace, IDENTITY_SUPPRESSED)]);
    };
    let ann = "email:ann@x.example";
    check(ann, r#"{"properties":{"a":1.50}}"#, r#"{"properties":{"a":1.50}}"#);
    check(ann, r#"{"properties":{"m":" ANN@X.example ","a":1}}"#, r#"{"properties":{"a":1}}"#);
    check(ann, r#"{"context":{"traits":{"email":"Ann@x.example","n":1e2}}}"#, r#"{"context":{"traits":{"n":1e2}}}"#);
    check(
        ann,
        r#"{"properties":{"l":[1,"ann@x.example",{"ann@x.example":2}]}}"#,
        r#"{"properties":{"l":[1,null,{}]}}"#,
    );
    check(
        ann,
        r#"{"context":{"page":{"url":"https://x/?m=ann%40x.example&k=1","t":"for Ann@X.EXAMPLE, now"}}}"#,
        r#"{"context":{"page":{"url":"https://x/?m=***&k=1","t":"for ***, now"}}}"#,
    );
    check(ann, r#"{"properties":{"m":"joann@x.example"}}"#, r#"{"properties":{"m":"joann@x.example"}}"#);
    check("phone:+33612345678", r#"{"traits":{"p":"+33 6 12 34 56 78","q":7}}"#, r#"{"traits":{"q":7}}"#);
    check(
        "crm_id:7001",
        r#"{"properties":{"id":7001,"n":17001,"p":7001.5,"t":"7001-b"}}"#,
        r#"{"properties":{"n":17001,"p":7001.5,"t":"***-b"}}"#,
    );
    // A short value stands in everything: only whole scalars are it.
    check("crm_id:7", r#"{"properties":{"id":7,"t":"7 of 9"}}"#, r#"{"properties":{"t":"7 of 9"}}"#);
}

#[test]
fn attributes_are_kept_without_whom_they_may_not_name() {
    let mut own = fact("f", "user_id:bob email:ann@x.example", "{}", EventKind::Description);
    let path = |text: &str| Path::parse(text).expect("a path");
    let ann = || Value::text("Ann@x.example");
    own.attributes = vec![
        (path("email"), ann()),
        (path("a.b"), Value::text("x")),
        (path("list"), Value::List([ann(), Value::Bool(true)].into())),
        (path("note"), Value::text("write to ann@x.example")),
    ];
    let left = left(own, &["email:ann@x.example"]).expect("it can do without");
    let expected = vec![
        (path("a.b"), Value::text("x")),
        (path("list"), Value::List([Value::Bool(true)].into())),
        (path("note"), Value::text("write to ***")),
    ];
    assert_eq!(left.fact.attributes, expected);
}

#[test]
fn a_call_about_an_account_is_kept_without_it() {
    let mut own = fact("f", "user_id:bob", r#"{"traits":{"seats":5},"context":{"ip":"i"}}"#, EventKind::Affiliation);
    own.account = Some(AccountFact { claim: claim("group_id:acme"), attributes: Vec::new() });
    let left = left(own, &["group_id:acme"]).expect("it can do without");
    assert!(left.account.is_none() && left.fact.account.is_none());
    assert_eq!(left.fact.call.expect("an event").payload, r#"{"context":{"ip":"i"}}"#);
}

#[test]
fn a_fact_whose_own_name_is_somebody_cannot_do_without() {
    let claims = "user_id:bob email:ann@x.example";
    assert!(left(fact("order-ann@x.example", claims, "{}", EventKind::Action), &["email:ann@x.example"]).is_none());
    assert!(left(fact("f", claims, "no json", EventKind::Action), &["email:ann@x.example"]).is_none());
}

#[test]
fn what_lies_too_deep_goes_whole() {
    let deep = format!("{}1{}", "[".repeat(300), "]".repeat(300));
    let payload = format!(r#"{{"properties":{{"d":{deep},"a":1}}}}"#);
    let left =
        left(fact("f", "user_id:bob email:ann@x.example", &payload, EventKind::Action), &["email:ann@x.example"]);
    let payload = left.expect("it can do without").fact.call.expect("an event").payload;
    assert!(payload.len() < 600 && !payload.windows(3).any(|window| window == b"[1]"));
}
