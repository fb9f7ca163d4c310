//! What keys of each class may say, and where it stands.

use serde_json::{Value, json};

use super::world::{ROOT, World};

async fn key(world: &World, new: Value) -> (String, Value) {
    let made = world.call("POST", "/v1/admin/keys", ROOT, new.to_string()).await;
    assert_eq!(made.status, 200, "{}", made.json());
    let made = made.json();
    (made["secret"].as_str().expect("a secret").to_owned(), made["key"].clone())
}

async fn datasets(world: &World, user: &str) -> Vec<String> {
    let path = format!("/v1/profiles/identifier/user_id/{user}/events");
    let events = world.get(&path, ROOT).await.json()["events"].as_array().cloned().unwrap_or_default();
    events.iter().map(|event| event["dataset"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_public_key_cannot_use_up_the_ids_of_servers() {
    let world = World::new().await;
    let public = json!({ "name": "web", "class": "public", "permissions": ["ingest"] });
    let (public, shown) = key(&world, public).await;
    let own = format!("public-{}", shown["id"].as_str().expect("an id"));
    assert_eq!((&shown["dataset"], &shown["datasets"]), (&own.as_str().into(), &Value::Null));
    let listed = world.get("/v1/admin/keys", ROOT).await.json();
    let items = listed["items"].as_array().expect("items");
    let mut of_each: Vec<&str> = items.iter().filter_map(|key| key["dataset"].as_str()).collect();
    of_each.sort_unstable();
    assert_eq!(of_each, [&own, "segment"]);

    let event = |user: &str| json!({ "userId": user, "event": "Bought", "messageId": "order-17" }).to_string();
    assert_eq!(world.call("POST", "/v1/track", &public, event("eve")).await.json()["accepted"], 1);
    assert_eq!(world.call("POST", "/v1/track", ROOT, event("ann")).await.json()["accepted"], 1);
    assert_eq!(datasets(&world, "eve").await, [own.as_str()]);
    assert_eq!(datasets(&world, "ann").await, ["segment"]);
    let record = json!({
        "dataset": "crm", "id": "order-17", "identities": [{ "namespace": "user_id", "value": "ann" }],
        "attributes": { "plan": "gold" }
    });
    assert_eq!(world.call("POST", "/v1/records", ROOT, record.to_string()).await.json()["accepted"], 1);
    let refused = world.call("POST", "/v1/records", &public, record.to_string()).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (403, "private_key_needed"));

    let path = "/v1/events/order-17";
    assert_eq!(world.call("DELETE", path, ROOT, "").await.code(), "event_ambiguous");
    let erased = world.call("DELETE", &format!("{path}?dataset={own}"), ROOT, "").await;
    assert_eq!((erased.status.as_u16(), &erased.json()["events"]), (200, &1.into()), "{}", erased.json());
    assert_eq!(datasets(&world, "ann").await, ["segment"]);
}

#[tokio::test]
async fn a_merge_policy_prefers_servers_to_pages() {
    let world = World::new().await;
    let web = json!({ "name": "web", "class": "public", "permissions": ["ingest"], "dataset": "web" });
    let (web, _) = key(&world, web).await;
    let event = |plan: &str, at: &str| {
        json!({ "userId": "ann", "traits": { "plan": plan }, "timestamp": at, "messageId": plan }).to_string()
    };
    world.call("POST", "/v1/identify", ROOT, event("gold", "2026-01-30T10:00:00Z")).await;
    world.call("POST", "/v1/identify", &web, event("lead", "2026-01-31T10:00:00Z")).await;
    let policy = json!({
        "id": "servers", "name": "Servers first", "identity_graph": "full", "attribute_merge": { "choose": "precedence", "datasets": ["segment", "web"] }
    });
    let made = world.call("POST", "/v1/merge-policies", ROOT, policy.to_string()).await;
    assert_eq!(made.status, 200, "{}", made.json());
    let plan = async |policy: &str| {
        let path = format!("/v1/profiles/identifier/user_id/ann{policy}");
        world.get(&path, ROOT).await.json()["plan"].clone()
    };
    assert_eq!((plan("").await, plan("?merge_policy=servers").await), ("lead".into(), "gold".into()));
}

#[tokio::test]
async fn a_key_names_no_dataset_but_those_that_it_is_confined_to() {
    let world = World::new().await;
    let confined = json!({
        "name": "erp", "class": "private", "permissions": ["ingest", "erase", "configure"], "datasets": ["erp", "stock"]
    });
    let (erp, shown) = key(&world, confined).await;
    assert_eq!((&shown["dataset"], &shown["datasets"]), (&"erp".into(), &json!(["erp", "stock"])));
    let check = async |method: &str, path: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let reply = world.call(method, path, &erp, body).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (403, "dataset_forbidden"), "{method} {path}");
        let told = reply.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(told.contains("erp, stock") && !told.contains("crm"), "{told}");
    };
    let record = |dataset: &str| json!({ "dataset": dataset, "identities": [{ "namespace": "user_id", "value": "ann" }], "attributes": { "a": 1 } });
    check("POST", "/v1/records", record("crm")).await;
    check("POST", "/v1/erasures", json!({ "dataset": "crm" })).await;
    check("DELETE", "/v1/events/m-1?dataset=crm", Value::Null).await;
    check("PUT", "/v1/data-model/datasets/crm", json!({ "mode": "strict" })).await;
    check("DELETE", "/v1/data-model/datasets/crm", Value::Null).await;
    let policy = json!({
        "id": "own", "name": "Own", "identity_graph": "full", "attribute_merge": { "choose": "precedence", "datasets": ["erp", "crm"] }
    });
    check("POST", "/v1/merge-policies", policy).await;
    assert_eq!(world.call("POST", "/v1/records", &erp, record("stock").to_string()).await.json()["accepted"], 1);
    let event = json!({ "userId": "ann", "event": "Bought" }).to_string();
    assert_eq!(world.call("POST", "/v1/track", &erp, event).await.json()["accepted"], 1);
    assert_eq!(datasets(&world, "ann").await, ["erp"]);
}

#[tokio::test]
async fn the_same_id_with_other_content_is_told_apart() {
    let world = World::new().await;
    let batch = |total: u32, sent_at: &str| {
        json!({ "sentAt": sent_at, "batch": [{
            "type": "track", "userId": "ann", "event": "Bought", "messageId": "m-1", "timestamp": "2026-01-31T10:00:00Z",
            "properties": { "total": total, "items": ["x"] }
        }] })
        .to_string()
    };
    let send = async |body: String| world.call("POST", "/v1/batch", ROOT, body).await.json();
    assert_eq!(send(batch(10, "2026-01-31T11:59:00Z")).await["accepted"], 1);
    // Sent again later, by a clock that is off; and once more with its members in another order.
    world.pass(60_000_000);
    let again = send(batch(10, "2026-01-31T09:00:00Z")).await;
    assert_eq!((&again["duplicates"], &again["verdicts"][0]["code"]), (&1.into(), &Value::Null), "{again}");
    let turned = r#"{"batch":[{"properties":{"items":["x"],"total":10.0},"timestamp":"2026-01-31T10:00:00Z","messageId":"m-1","event":"Bought","userId":"ann","type":"track"}]}"#;
    let again = send(turned.to_owned()).await;
    assert_eq!((&again["duplicates"], &again["verdicts"][0]["code"]), (&1.into(), &Value::Null), "{again}");
    let other = send(batch(11, "2026-01-31T11:59:00Z")).await;
    let verdict = &other["verdicts"][0];
    assert_eq!((&other["duplicates"], &other["accepted"], &other["rejected"]), (&1.into(), &0.into(), &0.into()));
    assert_eq!((&verdict["status"], &verdict["code"]), (&"duplicate".into(), &"duplicate_differs".into()), "{other}");
    let events = world.get("/v1/profiles/identifier/user_id/ann/events", ROOT).await.json();
    assert_eq!(events["events"].as_array().map(Vec::len), Some(1));
    assert_eq!(events["events"][0]["properties"]["total"], 10, "the first stays");

    let record = |plan: &str| {
        json!({ "dataset": "crm", "id": "r-1", "identities": [{ "namespace": "user_id", "value": "ann" }], "attributes": { "plan": plan } })
            .to_string()
    };
    let send = async |body: String| world.call("POST", "/v1/records", ROOT, body).await.json();
    assert_eq!(send(record("gold")).await["accepted"], 1);
    assert_eq!(send(record("gold")).await["verdicts"][0]["code"], Value::Null);
    assert_eq!(send(record("lead")).await["verdicts"][0]["code"], "duplicate_differs");
    assert_eq!(world.get("/v1/profiles/identifier/user_id/ann", ROOT).await.json()["plan"], "gold");
}

#[tokio::test]
async fn what_is_replayed_stands_in_the_dataset_of_the_key_that_sent_it() {
    let world = World::new().await;
    let web = json!({ "name": "web", "class": "public", "permissions": ["ingest"], "dataset": "web" });
    let (web, _) = key(&world, web).await;
    let rules = |blocked: &str| json!({ "priority": 500, "blocked": [blocked] }).to_string();
    let path = "/v1/admin/namespaces/user_id";
    assert_eq!(world.call("PUT", path, ROOT, rules("ann")).await.status, 200);
    let event = json!({ "userId": "ann", "event": "Bought", "messageId": "m-1" }).to_string();
    assert_eq!(world.call("POST", "/v1/track", &web, event).await.json()["rejected"], 1);
    assert_eq!(world.call("PUT", path, ROOT, rules("nobody")).await.status, 200);
    let replayed = world.call("POST", "/v1/admin/quarantine:replay", ROOT, "").await.json();
    assert_eq!(replayed["accepted"], 1, "{replayed}");
    assert_eq!(datasets(&world, "ann").await, ["web"]);
}

#[tokio::test]
async fn a_key_of_before_is_moved_to_a_dataset_by_its_successor() {
    let world = World::new().await;
    let (_, old) = key(&world, json!({ "name": "web", "class": "public", "permissions": ["ingest"] })).await;
    let path = format!("/v1/admin/keys/{}/rotate", old["id"].as_str().expect("an id"));
    let taken = world.call("POST", &path, ROOT, r#"{"grace_secs":60,"dataset":"segment"}"#).await;
    assert_eq!((taken.status.as_u16(), taken.code().as_str()), (409, "dataset_taken"));
    let moved = world.call("POST", &path, ROOT, r#"{"grace_secs":60,"dataset":"web"}"#).await.json();
    assert_eq!(moved["key"]["dataset"], "web", "{moved}");
}

/// Files are those of the machine: whoever only configures a workspace reads none of them through a source.
#[tokio::test]
async fn files_of_the_machine_are_the_operators_to_give() {
    let world = World::new().await;
    let key = world.key("private", &["configure"], &["default"]).await;
    let files = r#"{"kind":"files","url":"file:///etc"}"#;
    let refused = world.call("PUT", "/v1/connections/local", &key, files).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (403, "permission_missing"), "{}", refused.json());
    let made = world.call("PUT", "/v1/connections/local", ROOT, files).await;
    assert_eq!(made.status.as_u16(), 200, "{}", made.json());
    let database = r#"{"kind":"postgres","url":"postgres://reader@db.internal:5432/shop"}"#;
    assert_eq!(world.call("PUT", "/v1/connections/crm", &key, database).await.status, 200);
    let driver = r#"{"kind":"adbc","driver":"/tmp/driver.so","options":{}}"#;
    let refused = world.call("PUT", "/v1/connections/driver", &key, driver).await;
    assert_eq!(refused.status.as_u16(), 403, "a library is loaded by the operator alone: {}", refused.json());
    // A bucket is opened with keys of its own.
    let bucket = r#"{"kind":"files","url":"s3://exports","options":{"access_key_id":"a","secret_access_key":{"env":"TESSERA_SECRET_S3"}}}"#;
    assert_eq!(world.call("PUT", "/v1/connections/lake", &key, bucket).await.status, 200);
}
