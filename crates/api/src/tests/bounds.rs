//! Bounds by bytes where bounds by number are not enough.

use axum::body::Body;
use serde_json::{Value, json};

use super::world::{ROOT, World, request};

/// A context beside a batch is laid under each of its events: together they have a bound, and nothing of a call beyond it is kept.
#[tokio::test]
async fn what_stands_beside_a_batch_is_counted_for_each_event() {
    let world = World::new().await;
    let batch = |events: usize| {
        let event =
            |at: usize| json!({ "type": "track", "userId": "ann", "event": "x", "messageId": format!("m{at}") });
        let context = json!({ "page": "p".repeat(30_000) });
        json!({ "context": context, "batch": (0..events).map(event).collect::<Vec<_>>() }).to_string()
    };
    let refused = world.call("POST", "/v1/batch", ROOT, batch(200)).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (400, "batch_too_large".to_owned()), "{}", refused.json());
    assert_eq!(world.get("/v1/admin/counts", ROOT).await.json()["facts"], json!(0));
    let taken = world.call("POST", "/v1/batch", ROOT, batch(100)).await;
    assert_eq!((taken.status.as_u16(), &taken.json()["accepted"]), (200, &json!(100)), "{}", taken.json());
}

/// A page of a timeline ends by bytes; the pages together hold every event once.
#[tokio::test]
async fn a_page_of_events_ends_by_bytes() {
    let world = World::new().await;
    for from in (0..300).step_by(100) {
        let event = |at: usize| json!({ "type": "track", "userId": "ann", "event": "x", "messageId": format!("m{at}"), "properties": { "p": "p".repeat(30_000) } });
        let body = json!({ "batch": (from..from + 100).map(event).collect::<Vec<_>>() }).to_string();
        assert_eq!(world.call("POST", "/v1/batch", ROOT, body).await.json()["accepted"], json!(100));
    }
    let path = "/v1/profiles/identifier/user_id/ann/events?limit=1000";
    let (mut seen, mut pages, mut cursor) = (std::collections::BTreeSet::new(), 0, None::<String>);
    loop {
        let more = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page = world.get(&format!("{path}{more}"), ROOT).await;
        assert!(page.body.len() < tessera_service::PAGE_BYTES + (64 << 10), "{}", page.body.len());
        let page = page.json();
        for event in page["items"].as_array().or(page["events"].as_array()).expect("events") {
            assert!(seen.insert(event["message_id"].as_str().expect("an id").to_owned()), "{event}");
        }
        pages += 1;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!((seen.len(), pages), (300, 3));
}

/// A read of many profiles ends by bytes: those beyond are named, to be asked for alone.
#[tokio::test]
async fn a_read_of_many_profiles_ends_by_bytes() {
    let world = World::new().await;
    for at in 0..10 {
        let attributes = json!({ format!("note_{at}"): "n".repeat(50_000) });
        let record = json!({ "identities": [{ "namespace": "user_id", "value": "ann" }], "attributes": attributes });
        let body = json!({ "dataset": "crm", "records": [record] }).to_string();
        assert_eq!(world.call("POST", "/v1/records", ROOT, body).await.json()["accepted"], json!(1));
    }
    let lookups: Vec<Value> = (0..100).map(|_| json!({ "namespace": "user_id", "value": "ann" })).collect();
    let body = json!({ "lookups": lookups }).to_string();
    let answer = world.call("POST", "/v1/profiles:batchGet", ROOT, body).await;
    assert_eq!(answer.status, 200, "{}", answer.code());
    assert!(answer.body.len() < 18 << 20, "{}", answer.body.len());
    let json = answer.json();
    let results = json["results"].as_array().expect("results");
    assert_eq!(results.len(), 100);
    let is_full = |own: &Value| own["error"]["code"] == "answer_full";
    let told = results.iter().filter(|own| !is_full(own)).count();
    assert!((20..50).contains(&told), "{told}");
    assert!(results[..told].iter().all(|own| !is_full(own)) && results[told..].iter().all(is_full), "in order");
}

/// Before a key is known next to nothing is read: a single call carries its key in 64 KiB, or in a header.
#[tokio::test]
async fn a_body_with_its_key_inside_is_short() {
    let world = World::new().await;
    let key = world.key("public", &["ingest"], &["default"]).await;
    let call = |padding: usize| {
        json!({ "writeKey": key, "userId": "ann", "event": "x", "properties": { "p": "p".repeat(padding) } })
            .to_string()
    };
    let send = async |body: String| world.send(request("POST", "/v1/track", "", &[], Body::from(body))).await;
    assert_eq!(send(call(1_000)).await.status, 200);
    let refused = send(call(80_000)).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (413, "body_too_large".to_owned()), "{}", refused.json());
    assert_eq!(world.get("/v1/admin/counts", ROOT).await.json()["facts"], json!(1));
}
