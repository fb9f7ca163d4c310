//! Exports of one person.

use serde_json::{Value, json};

use super::world::{ROOT, World};

const PATH: &str = "/v1/profiles/identifier/user_id/ann/export";

/// Ann with a browser, an order, an account, and what the CRM says of her.
async fn ann() -> World {
    let world = World::new().await;
    let sent = [
        (
            "/v1/track",
            json!({
                "userId": "ann", "anonymousId": "a", "event": "Order, \"large\"", "messageId": "m-1",
                "timestamp": "2026-01-01T00:00:00Z", "properties": { "total": "TOTAL" }
            }),
        ),
        (
            "/v1/group",
            json!({
                "userId": "ann", "groupId": "acme", "messageId": "m-2", "timestamp": "2026-01-02T00:00:00Z"
            }),
        ),
        (
            "/v1/records",
            json!({ "dataset": "crm", "batch": "january", "id": "1",
                "identities": [{ "namespace": "user_id", "value": "ann" }],
                "attributes": { "city": "Paris", "note": null, "sizes": [1, 2] }, "time": "2026-01-03T00:00:00Z"
            }),
        ),
    ];
    for (path, body) in sent {
        let reply = world.call("POST", path, ROOT, body.to_string().replace("\"TOTAL\"", "41.50")).await;
        assert_eq!(reply.json()["accepted"], 1, "{path}: {}", reply.json());
    }
    world
}

#[tokio::test]
async fn all_that_is_held_is_in_the_json() {
    let world = ann().await;
    let reply = world.get(PATH, ROOT).await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "application/json"));
    let export = reply.json();
    let id = export["profile_id"].as_str().expect("an id");
    assert_eq!(reply.header("content-disposition"), format!("attachment; filename=\"profile-{id}.json\""));
    let list = |name: &str| export[name].as_array().unwrap_or_else(|| panic!("{name}: {export}")).clone();
    let identities: Vec<_> =
        list("identities").iter().map(|own| (own["namespace"].clone(), own["value"].clone())).collect();
    assert_eq!(identities, [(json!("user_id"), json!("ann")), (json!("anonymous_id"), json!("a"))]);
    let [link] = &list("links")[..] else { panic!("one link: {export}") };
    assert_eq!((&link["state"], &link["count"], &link["dataset"]), (&json!("active"), &json!(1), &json!("segment")));
    let values: Vec<_> = list("values").iter().map(|own| (own["path"].clone(), own["content"].clone())).collect();
    let expected = [("city", json!("Paris")), ("note", Value::Null), ("sizes", json!([1, 2]))];
    assert_eq!(values, expected.map(|(path, content)| (json!(path), content)));
    assert!(list("values").iter().all(|own| own["batch"] == "january" && own["time"] == "2026-01-03T00:00:00Z"));
    let [relation] = &list("relations")[..] else { panic!("one relation: {export}") };
    assert_eq!(relation["account"], json!({ "namespace": "group_id", "value": "acme" }));
    let events: Vec<_> = list("events").iter().map(|own| (own["message_id"].clone(), own["type"].clone())).collect();
    assert_eq!((list("computed_attributes"), list("segments")), (vec![], vec![]));
    assert_eq!(events, [(json!("m-1"), json!("track")), (json!("m-2"), json!("group"))]);
    let body = String::from_utf8(reply.body.to_vec()).expect("text");
    assert!(body.contains(r#""payload":{"properties":{"total":41.50}"#), "payloads stay as they came: {body}");
}

#[tokio::test]
async fn the_table_has_a_row_for_each_thing() {
    let world = ann().await;
    let reply = world.get(&format!("{PATH}?format=csv"), ROOT).await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "text/csv; charset=utf-8"));
    let mut reader = csv::Reader::from_reader(&reply.body[..]);
    let head: Vec<String> = reader.headers().expect("a head").iter().map(str::to_owned).collect();
    assert_eq!(
        head.join(","),
        "kind,id,namespace,value,other_namespace,other_value,name,content,state,dataset,batch,count,from,to"
    );
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    let kinds: Vec<&str> = rows.iter().map(|row| &row[0]).collect();
    let expected =
        ["identity", "identity", "link", "attribute", "attribute", "attribute", "relation", "event", "event"];
    assert_eq!(kinds, expected);
    assert_eq!(
        (&rows[7][1], &rows[7][6], &rows[7][7]),
        ("m-1", "Order, \"large\"", r#"{"properties":{"total":41.50}}"#)
    );
    assert_eq!((&rows[3][6], &rows[3][7], &rows[3][10]), ("city", "\"Paris\"", "january"));
}

#[tokio::test]
async fn no_field_of_the_table_is_a_formula() {
    let world = World::new().await;
    let identify = json!({
        "type": "identify", "userId": "=ann", "messageId": "-m", "traits": { "phone": "+33612345678", "n": -5, "@a": "=1" }
    });
    let track = json!({ "type": "track", "userId": "=ann", "event": "@SUM(1)", "messageId": "+33 6" });
    let body = json!({ "batch": [identify, track] }).to_string();
    assert_eq!(world.call("POST", "/v1/batch", ROOT, body).await.json()["accepted"], 2);
    let reply = world.get("/v1/profiles/identifier/user_id/=ann/export?format=csv", ROOT).await;
    let rows: Vec<csv::StringRecord> =
        csv::Reader::from_reader(&reply.body[..]).records().map(|row| row.expect("a row")).collect();
    let fields: std::collections::BTreeSet<&str> = rows.iter().flat_map(csv::StringRecord::iter).collect();
    for inert in ["'=ann", "'-m", "'@a", "\"=1\"", "'@SUM(1)", "'+33 6", "+33612345678", "-5"] {
        assert!(fields.contains(inert), "{inert} {fields:?}");
    }
    let starts = |field: &&str| field.starts_with(['=', '@', '\t', '\r']);
    assert_eq!(fields.iter().find(|field| starts(field)), None);
}

#[tokio::test]
async fn a_long_export_comes_in_parts_that_make_one_whole() {
    let world = World::new().await;
    for batch in 0..8 {
        let event = |at: usize| {
            let text = "x".repeat(500);
            json!({ "type": "track", "userId": "ann", "event": "E", "messageId": format!("{batch}-{at}"), "properties": { "text": text } })
        };
        let body = json!({ "batch": (0..100).map(event).collect::<Vec<_>>() });
        assert_eq!(world.call("POST", "/v1/batch", ROOT, body.to_string()).await.json()["accepted"], 100);
    }
    let export = world.get(PATH, ROOT).await.json();
    assert_eq!(export["events"].as_array().map(Vec::len), Some(800));
    assert!(export["relations"].as_array().is_some_and(Vec::is_empty));
    let table = world.get(&format!("{PATH}?format=csv"), ROOT).await;
    assert_eq!(csv::Reader::from_reader(&table.body[..]).records().filter(Result::is_ok).count(), 801);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told() {
    let world = ann().await;
    let code = async |path: &str| world.get(path, ROOT).await.code();
    assert_eq!(code(&format!("{PATH}?format=xml")).await, "format_invalid");
    assert_eq!(code("/v1/profiles/identifier/user_id/bob/export").await, "profile_not_found");
    assert_eq!(code("/v1/profiles/identifier/shoe_size/44/export").await, "namespace_unknown");
}

#[tokio::test]
async fn a_key_exports_what_it_may_see() {
    let world = ann().await;
    let hidden = json!({ "type": "text", "private": true }).to_string();
    let made = world.call("PUT", "/v1/data-model/attributes/city", ROOT, hidden).await;
    assert_eq!(made.status, 200, "{}", made.json());
    let key = world.key("private", &["export"], &["default"]).await;
    let paths = async |key: &str| {
        let export = world.get(PATH, key).await.json();
        let values = export["values"].as_array().expect("values").clone();
        values.iter().map(|own| own["path"].as_str().expect("a path").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(paths(ROOT).await, ["city", "note", "sizes"]);
    assert_eq!(paths(&key).await, ["note", "sizes"]);
}
