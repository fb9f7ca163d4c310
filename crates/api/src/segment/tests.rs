//! What each event becomes: a line per case, read as a person would.

use std::cell::Cell;
use std::sync::Mutex;

use axum::http::HeaderMap;
use tessera_engine::fact::{Claim, Fact};
use tessera_engine::value::Tree;
use tessera_service::clock::{format_timestamp, parse_timestamp};
use tessera_service::directory::Class;
use tessera_service::identity_tokens::IdentityTokens;
use tessera_service::json::write_tree;
use tessera_service::verdict::Note;

use super::parse::{Delivery, Event, batch, replay, single};
use super::token::Tokens;

const RECEIVED: &str = "2026-01-31T12:00:00Z";

fn with_delivery<T>(class: Class, use_it: impl FnOnce(&Delivery<'_>) -> T) -> T {
    let count = Mutex::new(Cell::new(0));
    let fresh_id = move || {
        let count = count.lock().expect("no panic inside");
        count.set(count.get() + 1);
        format!("fresh-{}", count.get())
    };
    let received_at = parse_timestamp(RECEIVED).expect("a time");
    let (rules, headers) = (IdentityTokens::default(), HeaderMap::new());
    let tokens = Tokens::of_call(&rules, &headers, received_at);
    use_it(&Delivery { received_at, class, dataset: "web", tokens: &tokens, fresh_id: &fresh_id })
}

fn claim(claim: &Claim) -> String {
    let strength = claim.strength.name();
    format!("{}:{}/{strength}", claim.namespace, claim.value)
}

fn attributes(list: &[(tessera_engine::value::Path, tessera_engine::value::Value)]) -> String {
    let mut tree = Tree::new();
    for (path, value) in list {
        tree.insert(path, value.clone());
    }
    let mut text = Vec::new();
    write_tree(&tree, &mut text);
    String::from_utf8(text).expect("json is text")
}

fn shown(fact: &Fact) -> String {
    let call = fact.call.as_ref().expect("every event stands on the timeline");
    let kind = call.kind.name();
    let mut text = format!("{} {kind}", fact.id);
    if let Some(name) = &call.name {
        text += &format!(" '{name}'");
    }
    if let Some(time) = fact.time {
        text += &format!(" at {}", format_timestamp(time));
    }
    text += &format!(" [{}]", fact.claims.iter().map(claim).collect::<Vec<_>>().join(" "));
    if !fact.attributes.is_empty() {
        text += &format!(" {}", attributes(&fact.attributes));
    }
    if let Some(account) = &fact.account {
        text += &format!(" account {} {}", claim(&account.claim), attributes(&account.attributes));
    }
    text += &format!(" payload {}", String::from_utf8_lossy(&call.payload));
    text
}

fn outcome(event: &Event) -> String {
    match &event.incoming.fact {
        Ok(fact) => {
            assert_eq!(fact.id, event.message_id);
            shown(fact)
        }
        Err(rejection) => format!("{} rejected {}", event.message_id, rejection.code),
    }
}

/// The golden cases: blocks of a name, one or more lines of request, and after `=>` a line for each event.
fn check_golden(text: &str) {
    let mut checked = 0;
    for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let mut lines = block.trim().lines();
        let head = lines.next().expect("a head");
        let head = head.strip_prefix("# ").expect("a block begins with its name");
        let (class, head) = match head.strip_prefix("public: ") {
            Some(rest) => (Class::Public, rest),
            None => (Class::Private, head),
        };
        let rest = lines.collect::<Vec<_>>().join("\n");
        let (body, expected) = rest.split_once("\n=> ").expect("a block has => before what is expected");
        let (path, body) = body.split_once(' ').expect("a path before the body");
        let events = with_delivery(class, |delivery| match path {
            "batch" => batch(body.as_bytes(), delivery).expect("a batch"),
            path => vec![single(body.as_bytes(), path, delivery).expect("an event")],
        });
        let got = events.iter().map(outcome).collect::<Vec<_>>().join("\n=> ");
        assert_eq!(got, expected, "{head}");
        // What the quarantine would keep reads to the same facts again.
        for event in &events {
            let received_at = parse_timestamp(RECEIVED).expect("a time");
            let fresh_id = || event.message_id.to_string();
            let again = replay(&event.incoming.raw, received_at, &IdentityTokens::default(), &fresh_id)
                .expect("what we kept can be read");
            let again =
                Event { message_id: event.message_id.clone(), incoming: again.into_iter().next().expect("one") };
            assert_eq!(outcome(&again), outcome(event), "{head}: kept");
        }
        checked += 1;
    }
    assert!(checked >= 20, "only {checked} cases");
}

#[tokio::test]
async fn calls_are_answered_as_clients_expect() {
    crate::tests::golden::check("api/src/segment/golden/exchanges.txt").await;
}

#[test]
fn events_become_facts() {
    check_golden(include_str!("golden/events.txt"));
}

#[test]
fn batches_that_cannot_be_read_are_refused_whole() {
    let check = |body: &[u8], code: &str| {
        let refused = with_delivery(Class::Private, |delivery| batch(body, delivery).map(|_| ()));
        assert_eq!(refused.expect_err("a refusal").code, code, "{}", String::from_utf8_lossy(body));
    };
    check(b"", "body_missing");
    check(b"{\"batch\":[", "json_invalid");
    check(b"{\"batch\":[{\"type\":\"track\"},]}", "json_invalid");
    check(b"[]", "body_invalid");
    check(b"7", "body_invalid");
    check(b"{}", "batch_empty");
    check(b"{\"batch\":[]}", "batch_empty");
    check(b"{\"batch\":null}", "batch_empty");
    check(b"{\"batch\":{}}", "body_invalid");
    check(b"{\"batch\":[{}],\"context\":[]}", "body_invalid");
    check(b"{\"batch\":[{}],\"batch\":[{}]}", "body_invalid");
    check(b"{\"batch\":[{\"userId\":\"\xff\"]}", "utf8_invalid");
    check(b"{\"batch\":[{\"userId\":NaN]}", "json_invalid");
}

#[test]
fn bounds_reject_one_event_and_not_its_neighbours() {
    let check = |bad: &str, code: &str| {
        let good = "{\"type\":\"track\",\"event\":\"x\",\"userId\":\"u\",\"messageId\":\"good\"}";
        let body = format!("{{\"batch\":[{good},{bad},{good}]}}");
        let events = with_delivery(Class::Private, |delivery| batch(body.as_bytes(), delivery).expect("a batch"));
        let codes: Vec<_> = events.iter().map(|event| event.incoming.fact.as_ref().err().map(|why| why.code)).collect();
        assert_eq!(codes, [None, Some(code), None], "{code}");
    };
    let event = |more: &str| format!("{{\"type\":\"track\",\"event\":\"x\",\"userId\":\"u\",{more}}}");
    check(&event(&format!("\"properties\":{{\"a\":\"{}\"}}", "x".repeat(33_000))), "event_too_large");
    check(&event(&format!("\"properties\":{}1{}", "{\"a\":".repeat(200), "}".repeat(200))), "event_too_deep");
    check(&event(&format!("\"properties\":{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000))), "event_too_deep");
    let many = (0..301).map(|n| format!("\"p{n}\":{n}")).collect::<Vec<_>>().join(",");
    check(&event(&format!("\"properties\":{{{many}}}")), "properties_too_many");
    check(&format!("{{\"type\":\"identify\",\"userId\":\"u\",\"traits\":{{{many}}}}}"), "properties_too_many");
    check(&event(&format!("\"messageId\":\"{}\"", "m".repeat(101))), "message_id_too_long");
    check(&format!("{{\"type\":\"group\",\"userId\":\"u\",\"groupId\":\"{}\"}}", "g".repeat(501)), "group_id_too_long");
    check("null", "event_invalid");
    check("[]", "event_invalid");
    check("\"text\"", "event_invalid");
}

/// What is told of one event, as `kind path code`.
fn told(event: &Event) -> Vec<String> {
    let note = |note: &Note| match note {
        Note::ValueLeftOut { path, code, .. } => format!("out {path} {code}"),
        Note::ValueReplaced { path, code, .. } => format!("replaced {path} {code}"),
        other => format!("{other:?}"),
    };
    event.incoming.notes.iter().map(note).collect()
}

#[test]
fn one_bad_value_is_left_out_or_replaced() {
    let check = |body: &[u8], shown: &str, notes: &[&str]| {
        let event = with_delivery(Class::Private, |delivery| single(body, "identify", delivery).expect("an event"));
        let text = outcome(&event);
        let payload = text.find(" payload").unwrap_or(text.len());
        assert_eq!((&text[..payload], told(&event)), (shown, notes.iter().map(|&note| note.into()).collect()));
        let kept = std::str::from_utf8(&event.incoming.raw).expect("UTF-8");
        assert!(serde_json::from_str::<serde_json::Value>(kept).is_ok(), "{kept}");
        if let Some(call) = event.incoming.fact.as_ref().ok().and_then(|fact| fact.call.as_ref()) {
            assert!(serde_json::from_slice::<serde_json::Value>(&call.payload).is_ok(), "{text}");
        }
    };
    let u = "m identify [user_id:u/verified]";
    for (body, shown, notes) in [
        (
            r#"{"messageId":"m","userId":"u","traits":{"v":1000000000000000000000,"w":1}}"#,
            &*format!("{u} {{\"w\":1}}"),
            &["out traits.v number_out_of_range"][..],
        ),
        (
            r#"{"messageId":"m","userId":"u","traits":{"v":NaN,"w":1}}"#,
            &format!("{u} {{\"w\":1}}"),
            &["out traits.v not_a_number"],
        ),
        (
            r#"{"messageId":"m","userId":"u","traits":{"v":[1,-Infinity]}}"#,
            &format!("{u} {{\"v\":[1,null]}}"),
            &["out traits.v not_a_number"],
        ),
        (
            r#"{"messageId":"m","userId":"u","traits":{"v":"\ud800!"}}"#,
            &format!("{u} {{\"v\":\"\u{fffd}!\"}}"),
            &["replaced traits.v not_unicode"],
        ),
        (
            r#"{"messageId":"m","userId":"u","traits":{"v":"\ud83d\ude00"}}"#,
            &format!("{u} {{\"v\":\"\u{1f600}\"}}"),
            &[],
        ),
        (
            r#"{"messageId":"m","userId":"u","properties":{"v":1e99},"context":{"n":1e99}}"#,
            u,
            &["out properties.v number_out_of_range", "out context.n number_out_of_range"],
        ),
        (
            r#"{"messageId":"m","userId":1000000000000000000000}"#,
            "m identify [user_id:1000000000000000000000/verified]",
            &[],
        ),
        (
            r#"{"messageId":"m","userId":1e21,"anonymousId":NaN}"#,
            "m identify [user_id:1000000000000000000000/verified]",
            &["out anonymousId not_a_number"],
        ),
        (r#"{"messageId":1.0,"userId":10e-1}"#, "1 identify [user_id:1/verified]", &[]),
        ("\u{feff}{\"messageId\":\"m\",\"userId\":\"u\"}", u, &[]),
        (
            r#"{"messageId":"m","userId":"u","groupID":"g","trait":{},"user_id":"x"}"#,
            u,
            &["out groupID member_unknown", "out trait member_unknown", "out user_id member_unknown"],
        ),
        // Members that SDKs send of their own, and one that says nothing.
        (
            r#"{"messageId":"m","userId":"u","_metadata":{},"channel":"web","rudderId":"r","receivedAt":"x","writeKey":"k","event":null}"#,
            u,
            &[],
        ),
        (
            r#"{"messageId":"m","userId":"u","timestamp":"2026-01-31T11:00:00Z","sentAt":0}"#,
            "m identify at 2026-01-31T11:00:00Z [user_id:u/verified]",
            &["out sentAt sent_at_impossible"],
        ),
        (
            r#"{"messageId":"m","userId":"u","timestamp":"2026-01-31T11:00:00Z","sentAt":"2099-01-01T00:00:00Z"}"#,
            "m identify at 2026-01-31T11:00:00Z [user_id:u/verified]",
            &["out sentAt sent_at_impossible"],
        ),
        (
            r#"{"messageId":"m","userId":"u","timestamp":"1970-01-01T00:00:10Z","sentAt":"1970-01-01T00:01:10Z"}"#,
            "m identify at 2026-01-31T11:59:00Z [user_id:u/verified]",
            &[],
        ),
        (
            r#"{"messageId":"m","userId":"u","timestamp":"2099-01-01T00:00:10Z","sentAt":"2099-01-01T00:01:10Z"}"#,
            "m identify at 2026-01-31T11:59:00Z [user_id:u/verified]",
            &[],
        ),
    ] {
        check(body.as_bytes(), shown, notes);
    }
    let latin = b"{\"messageId\":\"m\",\"userId\":\"u\",\"traits\":{\"v\":\"caf\xe9\"}}";
    check(latin, &format!("{u} {{\"v\":\"caf\u{fffd}\"}}"), &["replaced traits.v not_unicode"]);
}

#[test]
fn a_batch_is_counted_before_it_is_worked_on() {
    let item = "{\"type\":\"track\",\"event\":\"x\",\"userId\":\"u\"}";
    let read = |body: String| {
        with_delivery(Class::Private, |delivery| batch(body.as_bytes(), delivery).map(|events| events.len()))
    };
    assert_eq!(read(format!("{{\"batch\":[{}]}}", vec![item; 2_500].join(","))).expect("a batch"), 2_500);
    let refused = read(format!("{{\"batch\":[{}]}}", vec![item; 2_501].join(","))).expect_err("one too many");
    assert_eq!(refused.code, "batch_too_many");
    // A context of 20 KB is laid under a few events, and not under all that a batch may have.
    let context = format!("{{\"a\":\"{}\"}}", "x".repeat(20_000));
    let with_context = |count| read(format!("{{\"context\":{context},\"batch\":[{}]}}", vec![item; count].join(",")));
    assert_eq!(with_context(100).expect("a batch"), 100);
    assert_eq!(with_context(2_000).expect_err("40 MB").code, "batch_too_large");
}

#[test]
fn what_a_batch_shares_is_not_multiplied_in_memory() {
    let shared = format!("{{\"a\":\"{}\"}}", "x".repeat(400_000));
    let item = "{\"type\":\"track\",\"event\":\"x\",\"userId\":\"u\"}";
    let body = format!("{{\"context\":{shared},\"batch\":[{}]}}", vec![item; 1_000].join(","));
    let events = with_delivery(Class::Private, |delivery| batch(body.as_bytes(), delivery).expect("a batch"));
    assert!(events.iter().all(|event| event.incoming.fact.as_ref().is_err_and(|why| why.code == "event_too_large")));
    assert!(events.iter().map(|event| event.incoming.raw.len()).sum::<usize>() < 1_000_000);
}

/// JSON of every kind, with the members of events among its names.
fn any_json() -> impl proptest::strategy::Strategy<Value = serde_json::Value> {
    use proptest::prelude::*;
    let names = proptest::sample::select(vec![
        "type",
        "userId",
        "anonymousId",
        "previousId",
        "groupId",
        "event",
        "messageId",
        "traits",
        "context",
        "properties",
        "timestamp",
        "originalTimestamp",
        "sentAt",
        "externalIds",
        "id",
        "collection",
        "encoding",
        "name",
        "category",
        "integrations",
        "email",
        "phone",
        "address",
        "batch",
    ]);
    let texts = proptest::sample::select(vec![
        "track",
        "identify",
        "page",
        "screen",
        "group",
        "alias",
        "user_id",
        "accounts",
        "none",
        "",
        "2026-01-31T10:00:00Z",
    ]);
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        texts.prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 40, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            proptest::collection::vec((names.clone(), inner), 0..8).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<serde_json::Map<_, _>>()
                .into()),
        ]
    })
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]

    #[test]
    fn parsing_never_panics_and_what_is_kept_reads_the_same(items in proptest::collection::vec(any_json(), 1..5), shared in any_json()) {
        let body = serde_json::json!({ "batch": items, "context": shared }).to_string();
        let events = with_delivery(Class::Public, |delivery| batch(body.as_bytes(), delivery));
        for event in events.into_iter().flatten() {
            let received_at = parse_timestamp(RECEIVED).expect("a time");
            let fresh_id = || event.message_id.to_string();
            let again = replay(&event.incoming.raw, received_at, &IdentityTokens::default(), &fresh_id).expect("what we kept can be read").remove(0);
            let again = Event { message_id: event.message_id.clone(), incoming: again };
            proptest::prop_assert_eq!(outcome(&again), outcome(&event));
        }
    }

    #[test]
    fn bytes_never_panic(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let _ = with_delivery(Class::Public, |delivery| batch(&body, delivery).map(|_| ()));
        let _ = with_delivery(Class::Public, |delivery| single(&body, "track", delivery).map(|_| ()));
    }
}
