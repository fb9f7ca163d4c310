//! One bad value never costs a call, nor its neighbours, by either door; and nothing that is not JSON ever comes out.

use serde_json::{Value, json};

use super::world::{ROOT, Reply, World};

/// What is told of each that was not plainly accepted: its place, and `kind path code` of each note.
fn told(reply: &Reply) -> Vec<(u64, String)> {
    let report = reply.json();
    assert_eq!(reply.status, 200, "{report}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let verdict = |verdict: &Value| {
        let own = [text(&verdict["status"]), text(&verdict["code"])].join(" ");
        let notes = verdict["notes"].as_array().cloned().unwrap_or_default();
        let note = |note: &Value| {
            format!(
                "{} {} {}",
                text(&note["kind"]),
                text(&note["path"]) + &text(&note["namespace"]),
                text(&note["code"])
            )
        };
        let all = if notes.is_empty() {
            own.trim().to_owned()
        } else {
            notes.iter().map(note).collect::<Vec<_>>().join("; ")
        };
        (verdict["index"].as_u64().unwrap_or_default(), all)
    };
    report["verdicts"].as_array().expect("verdicts").iter().map(verdict).collect()
}

fn bytes(text: &str) -> Vec<u8> {
    // `%e9` stands for a byte that is no UTF-8 by itself.
    text.split("%e9").map(str::as_bytes).collect::<Vec<_>>().join(&0xe9)
}

#[tokio::test]
async fn events_with_a_bad_value_are_taken_with_a_note() {
    let world = World::new().await;
    let bad = [
        (r#"NaN"#, "value_left_out properties.score not_a_number", "null"),
        (r#"-Infinity"#, "value_left_out properties.score not_a_number", "null"),
        (r#"1000000000000000000000"#, "value_left_out properties.score number_out_of_range", "null"),
        (r#""caf%e9""#, "value_replaced properties.score not_unicode", "\"caf\u{fffd}\""),
        (r#""\ud800""#, "value_replaced properties.score not_unicode", "\"\u{fffd}\""),
    ];
    for (at, (value, note, stored)) in bad.into_iter().enumerate() {
        let event = |name: &str, properties: &str| {
            let id = format!("{name}-{at}");
            format!(
                r#"{{"type":"track","userId":"u{at}","event":"x","messageId":"{id}","properties":{{{properties}}}}}"#
            )
        };
        let (first, second) = (event("first", r#""n":1"#), event("second", &format!(r#""score":{value},"n":2"#)));
        let body = format!(r#"{{"batch":[{first},{second},{}]}}"#, event("third", r#""n":3"#));
        let reply = world.call("POST", "/v1/batch", ROOT, bytes(&body)).await;
        assert_eq!((&reply.json()["accepted"], told(&reply)), (&json!(3), vec![(1, note.to_owned())]), "{value}");
        let single = bytes(&second.replace("second-", "single-"));
        let reply = world.call("POST", "/v1/track", ROOT, single).await;
        assert_eq!(told(&reply), [(0, note.to_owned())], "{value}");
        let timeline = world.get(&format!("/v1/profiles/identifier/user_id/u{at}/events"), ROOT).await;
        let events = timeline.json()["events"].as_array().cloned().expect("a timeline that is JSON");
        assert_eq!(events.len(), 4, "{}", timeline.json());
        let expected: Value = serde_json::from_str(stored).expect("JSON");
        let scores =
            events.iter().filter(|event| event["properties"]["n"] == 2).map(|event| &event["properties"]["score"]);
        assert!(scores.clone().count() == 2 && scores.clone().all(|score| *score == expected), "{}", timeline.json());
    }
}

#[tokio::test]
async fn an_identify_holds_without_its_bad_trait() {
    let world = World::new().await;
    let body = r#"{"userId":"7001","anonymousId":"a","traits":{"email":"ann@x.example","score":5}}"#;
    assert_eq!(world.call("POST", "/v1/identify", ROOT, body).await.json()["accepted"], 1);
    for value in ["1000000000000000000000", "1e400", "NaN", "Infinity"] {
        let body = format!(
            r#"{{"userId":"7001","anonymousId":"a","traits":{{"email":"ann@x.example","score":{value},"n":1}}}}"#
        );
        let reply = world.call("POST", "/v1/identify", ROOT, body).await;
        assert!(told(&reply)[0].1.starts_with("value_left_out traits.score"), "{value}: {}", reply.json());
    }
    let profile = world.get("/v1/profiles/identifier/email/ann@x.example", ROOT).await.json();
    assert_eq!(
        (&profile["user_id"], &profile["score"], &profile["n"]),
        (&json!("7001"), &json!(5), &json!(1)),
        "{profile}"
    );
}

#[tokio::test]
async fn records_with_a_bad_value_are_taken_with_a_note() {
    let world = World::new().await;
    let record = |user: &str, attributes: &str| {
        format!(r#"{{"identities":[{{"namespace":"user_id","value":{user}}}],"attributes":{{{attributes}}}}}"#)
    };
    let list = [
        record(r#""r0""#, r#""n":1"#),
        record(r#""r1""#, r#""n":1,"score":NaN,"tags":{"$add":["x",Infinity]}"#),
        record(r#""r2""#, r#""n":1,"o":{"score":1e30,"name":"caf%e9"}"#),
        record("1e0", r#""n":"\udfff""#),
        record(r#""caf%e9""#, r#""n":1"#),
        record(r#""r5""#, r#""n":1,"visits":{"$inc":1},"$own":1,"seen":{"$timestamp":"2026-01-31T10:00:00Z"}"#),
    ];
    let body = format!(r#"{{"dataset":"crm","records":[{}]}}"#, list.join(","));
    let reply = world.call("POST", "/v1/records", ROOT, bytes(&body)).await;
    let expected = [
        (1, "value_left_out attributes.score not_a_number; value_left_out attributes.tags.$add not_a_number"),
        (2, "value_replaced attributes.o.name not_unicode; value_left_out o.score number_out_of_range"),
        (3, "value_replaced attributes.n not_unicode"),
        (4, "rejected identity_unusable"),
        (5, "misfit visits.$inc attribute_operation_unknown"),
    ];
    assert_eq!(told(&reply), expected.map(|(at, note)| (at, note.to_owned())), "{}", reply.json());
    let profile = |user: &str| format!("/v1/profiles/identifier/user_id/{user}");
    let read = world.get(&profile("r2"), ROOT).await.json();
    assert_eq!(read["o"], json!({ "name": "caf\u{fffd}" }), "{read}");
    assert_eq!(world.get(&profile("1"), ROOT).await.json()["n"], "\u{fffd}");
    let asked = r#"{"lookups":[{"namespace":"user_id","value":1.0}]}"#;
    let found = world.call("POST", "/v1/profiles:batchGet", ROOT, asked).await.json();
    assert_eq!(found["results"][0]["profile"]["user_id"], "1", "{found}");
    let single = bytes(&record(r#""r6""#, r#""n":1,"score":-inf"#).replacen('{', r#"{"dataset":"crm","#, 1));
    let reply = world.call("POST", "/v1/records", ROOT, single).await;
    assert_eq!(told(&reply), [(0, "value_left_out attributes.score not_a_number".to_owned())]);
    let quarantine = world.get("/v1/admin/quarantine", ROOT).await;
    let entries = quarantine.json()["items"].as_array().cloned().expect("a list that is JSON");
    assert_eq!(entries.len(), 1, "{}", quarantine.json());
    let path = format!("/v1/admin/quarantine/{}", entries[0]["id"].as_str().expect("an id"));
    assert_ne!(world.get(&path, ROOT).await.json(), Value::Null);
}

#[tokio::test]
async fn broken_structure_is_still_refused() {
    let world = World::new().await;
    for body in ["{\"batch\":[{\"userId\":NaN]}", "{\"batch\":[{\"userId\":undefined}]}", "{\"batch\":[{'userId':1}]}"]
    {
        let reply = world.call("POST", "/v1/batch", ROOT, body).await;
        assert_eq!((reply.status.as_u16(), reply.json()["code"].as_str()), (400, Some("json_invalid")), "{body}");
    }
}

#[tokio::test]
async fn one_identity_has_one_spelling_at_every_door() {
    let world = World::new().await;
    let unseen =
        ['\u{200f}', '\u{200e}', '\u{200b}', '\u{200c}', '\u{2060}', '\u{feff}', '\u{ad}', '\u{202a}', '\u{fe0f}'];
    let identify = async |user: &str, traits: Value| {
        let body = json!({ "userId": user, "traits": traits }).to_string();
        world.call("POST", "/v1/identify", ROOT, body).await
    };
    identify("u1", json!({ "email": "ann@x.example" })).await;
    for (at, unseen) in unseen.into_iter().enumerate() {
        for email in
            [format!("{unseen}ann@x.example"), format!("ann@x.example{unseen}"), format!("an{unseen}n@x.example")]
        {
            let body = json!({ "anonymousId": format!("a{at}"), "traits": { "email": email } }).to_string();
            let reply = world.call("POST", "/v1/identify", ROOT, body).await;
            assert_eq!(
                told(&reply),
                [(0, "identity_respelled email identity_format_characters".to_owned())],
                "{email:?}"
            );
        }
        let found = world.get(&format!("/v1/profiles/identifier/anonymous_id/a{at}"), ROOT).await.json();
        assert_eq!(found["user_id"], "u1", "{unseen:?}: {found}");
    }
    identify("u2", json!({ "email": "bob@bücher.example", "phone": "+33 6 12 34 56 78" })).await;
    let records = json!({ "dataset": "crm", "records": [
        { "identities": [{ "namespace": "email", "value": "BOB@xn--bcher-kva.example" }], "attributes": { "a": 1 } },
        { "identities": [{ "namespace": "phone", "value": "0033 6 12 34 56 78" }], "attributes": { "b": 1 } },
        { "identities": [{ "namespace": "user_id", "value": "u\u{200d}2" }], "attributes": { "c": 1 } },
    ] });
    world.call("POST", "/v1/records", ROOT, records.to_string()).await;
    for identifier in [
        "email/bob%40xn--bcher-kva.example",
        "email/bob%40b%C3%BCcher.example",
        "phone/0033612345678",
        "user_id/u2%E2%80%8B",
    ] {
        let found = world.get(&format!("/v1/profiles/identifier/{identifier}"), ROOT).await.json();
        let values = ["user_id", "a", "b", "c"].map(|name| &found[name]);
        assert_eq!(values, [&json!("u2"), &json!(1), &json!(1), &json!(1)], "{identifier}: {found}");
    }
    for (at, number) in ["7", "7.0", "7e0", "70E-1"].into_iter().enumerate() {
        let body = format!(r#"{{"userId":{number},"event":"x","properties":{{"at":{at}}}}}"#);
        world.call("POST", "/v1/track", ROOT, body).await;
    }
    let timeline = world.get("/v1/profiles/identifier/user_id/7/events", ROOT).await.json();
    assert_eq!(timeline["events"].as_array().map(Vec::len), Some(4), "{timeline}");
    // Who is suppressed is so in every spelling.
    let path = "/v1/profiles/identifier/email/bob%40xn--bcher-kva.example?suppress=true";
    assert_eq!(world.call("DELETE", path, ROOT, "").await.status, 200);
    for email in ["bob@bücher.example", "BOB@XN--BCHER-KVA.example", "bob\u{200b}@bücher.example"] {
        let reply = identify("u9", json!({ "email": email })).await;
        assert!(told(&reply)[0].1.contains("identity_suppressed"), "{email}: {}", reply.json());
    }
}

#[tokio::test]
async fn placeholders_identify_nobody() {
    let world = World::new().await;
    let placeholders = [
        "distinct_id",
        "id",
        "email",
        "userId",
        "anonymousId",
        "not_authenticated",
        "{}",
        "(not set)",
        "void",
        "<null>",
        "undefined:undefined",
        "NULL",
        "{{ user.id }}",
    ];
    for (at, placeholder) in placeholders.into_iter().enumerate() {
        for browser in ["a", "b"] {
            let body =
                json!({ "userId": placeholder, "anonymousId": format!("{browser}{at}"), "traits": { "n": browser } });
            let reply = world.call("POST", "/v1/identify", ROOT, body.to_string()).await;
            assert_eq!(told(&reply), [(0, "identity_ignored user_id identity_blocked".to_owned())], "{placeholder}");
        }
        for browser in ["a", "b"] {
            let found = world.get(&format!("/v1/profiles/identifier/anonymous_id/{browser}{at}"), ROOT).await.json();
            assert_eq!(found["n"], browser, "{placeholder}: {found}");
        }
    }
}

#[tokio::test]
async fn names_that_reads_have_for_themselves_are_told() {
    let world = World::new().await;
    let traits = json!({ "profile_id": "x", "_audiences": { "a": 1 }, "_updated_at": 1, "profile_ids": 2, "o": { "_incomplete": 1 } });
    let body = json!({ "userId": "u1", "traits": traits }).to_string();
    let reply = world.call("POST", "/v1/identify", ROOT, body).await;
    let note = |name: &str| format!("misfit {name} attribute_name_reserved");
    assert_eq!(told(&reply), [(0, ["profile_id", "_audiences", "_updated_at"].map(note).join("; "))]);
    let record = json!({ "dataset": "crm", "identities": [{ "namespace": "user_id", "value": "u1" }], "attributes": { "_incomplete": [] } });
    let reply = world.call("POST", "/v1/records", ROOT, record.to_string()).await;
    assert_eq!(told(&reply), [(0, note("_incomplete"))]);
}
