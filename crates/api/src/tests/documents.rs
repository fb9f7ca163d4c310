//! Profiles as documents through the native door.

use serde_json::{Value, json};

use super::world::{ROOT, World};

async fn write(world: &World, body: Value) -> (u16, Value) {
    world.pass(1_000_000);
    let mut body = body;
    body["dataset"] = json!("crm");
    let reply = world.call("POST", "/v1/documents", ROOT, body.to_string()).await;
    (reply.status.as_u16(), reply.json())
}

fn email(value: &str) -> Value {
    json!({ "namespace": "email", "value": value })
}

async fn read(world: &World, id: &Value) -> Value {
    world.get(&format!("/v1/documents/{}", id.as_str().expect("an id")), ROOT).await.json()
}

#[tokio::test]
async fn a_document_is_made_changed_and_replaced() {
    let world = World::new().await;
    let ann = json!({ "identities": [email("ann@shop.example")], "attributes": { "city": "Lyon", "plan": "gold" } });
    let (status, made) = write(&world, ann).await;
    assert_eq!((status, &made["created"]), (200, &json!(true)), "{made}");
    let (_, again) =
        write(&world, json!({ "identities": [email("ann@shop.example")], "attributes": { "city": "Nice" } })).await;
    assert_eq!((&again["created"], &again["id"]), (&json!(false), &made["id"]), "{again}");
    let document = read(&world, &made["id"]).await;
    assert_eq!(document["fields"]["city"]["value"], "Nice", "{document}");
    assert_eq!(document["fields"]["plan"]["value"], "gold", "{document}");
    let whole = json!({ "identities": [email("ann@shop.example")], "attributes": { "city": "Oslo" }, "replace": true });
    write(&world, whole).await;
    let document = read(&world, &made["id"]).await;
    assert_eq!(document["fields"].as_object().map(|own| own.len()), Some(1), "{document}");
    // By a changed identity: the old one finds nobody, and the document goes on.
    let both = [json!({ "namespace": "phone", "value": "+4712345678" }), email("ann@shop.example")];
    write(&world, json!({ "identities": both })).await;
    let changed = [json!({ "namespace": "phone", "value": "+4712345678" }), email("anna@shop.example")];
    let (_, moved) = write(&world, json!({ "identities": changed })).await;
    assert_eq!(moved["released"], json!([email("ann@shop.example")]), "{moved}");
    assert_eq!(moved["id"], made["id"]);
    let lookup = |value: &str| json!({ "identities": [email(value)] }).to_string();
    let found = world.call("POST", "/v1/documents:lookup", ROOT, lookup("anna@shop.example")).await.json();
    assert_eq!(found["id"], made["id"], "{found}");
    let gone = world.call("POST", "/v1/documents:lookup", ROOT, lookup("ann@shop.example")).await;
    assert_eq!((gone.status.as_u16(), gone.code().as_str()), (404, "profile_not_found"));
    // Nor does a query count it, or find it.
    let all = world.get("/v1/profiles?count=true", ROOT).await.json();
    assert_eq!((&all["total"], all["profiles"].as_array().map(Vec::len)), (&json!(1), Some(1)), "{all}");
    let path = "/v1/profiles?count=true&filter=email%20%3D%20%22ann%40shop.example%22";
    assert_eq!(world.get(path, ROOT).await.json()["total"], 0);
}

#[tokio::test]
async fn what_is_unique_to_a_document_is_no_others() {
    let world = World::new().await;
    let (_, ann) =
        write(&world, json!({ "id": "a", "identities": [email("ann@shop.example")], "unique": ["email"] })).await;
    assert_eq!(ann["created"], true, "{ann}");
    for (body, status, code) in [
        (json!({ "id": "b", "identities": [email("ann@shop.example")], "unique": ["email"] }), 409, "document_taken"),
        (json!({ "id": "a", "mode": "create" }), 409, "document_taken"),
        (json!({ "id": "c", "mode": "update" }), 404, "document_not_found"),
        (json!({ "identities": [email("new@shop.example")], "mode": "update" }), 404, "document_not_found"),
        (
            json!({ "identities": [email("ann@shop.example")], "mode": "create", "unique": ["email"] }),
            409,
            "document_taken",
        ),
        (json!({}), 400, "identity_missing"),
        (json!({ "identities": [email("no address")] }), 400, "identity_unusable"),
        (json!({ "id": "a", "single": ["shoe"] }), 400, "namespace_unknown"),
        (json!({ "id": "a", "mode": "perhaps" }), 400, "body_invalid"),
        (json!({ "id": "a", "time": "yesterday" }), 400, "timestamp_invalid"),
        (json!({ "id": "a", "shoe": 1 }), 400, "body_invalid"),
    ] {
        let (got, error) = write(&world, body.clone()).await;
        assert_eq!((got, &error["error"]["code"]), (status, &json!(code)), "{body}: {error}");
    }
    let (status, same) =
        write(&world, json!({ "id": "a", "identities": [email("ann@shop.example")], "unique": ["email"] })).await;
    assert_eq!((status, &same["created"], &same["id"]), (200, &json!(false), &ann["id"]), "{same}");
    let public = world.key("public", &["ingest"], &["default"]).await;
    let reply = world.call("POST", "/v1/documents", &public, r#"{"dataset":"crm","id":"a"}"#).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (403, "private_key_needed"));
}

#[tokio::test]
async fn the_document_model_is_replaced_whole() {
    let world = World::new().await;
    let model = world.get("/v1/document-model", ROOT).await.json();
    assert_eq!((&model["strong"], &model["version"]), (&json!("email"), &json!(0)), "{model}");
    let new = json!({ "strong": "customer", "priority": ["customer"], "version": 0,
        "fields": { "customer": { "namespace": "customer_id" }, "nickname": { "public": true } } });
    let set = world.call("PUT", "/v1/document-model", ROOT, new.to_string()).await.json();
    assert_eq!((&set["version"], &set["strong"]), (&json!(1), &json!("customer")), "{set}");
    for (change, status, code) in [
        (new, 409, "document_model_changed"),
        (json!({ "strong": "x", "fields": {} }), 400, "document_model_invalid"),
        (json!({ "strong": "x", "fields": { "x": { "namespace": "nowhere" } } }), 400, "document_model_invalid"),
        (json!({ "strong": "x", "fields": { "x": { "namespace": "group_id" } } }), 400, "document_model_invalid"),
        (
            json!({ "strong": "x", "fields": { "x": { "namespace": "email", "many": true } } }),
            400,
            "document_model_invalid",
        ),
        (
            json!({ "strong": "x", "fields": { "x": { "namespace": "email" }, "y": { "namespace": "email" } } }),
            400,
            "document_model_invalid",
        ),
        (
            json!({ "strong": "x", "priority": ["x", "y"], "fields": { "x": { "namespace": "email" }, "y": {} } }),
            400,
            "document_model_invalid",
        ),
    ] {
        let reply = world.call("PUT", "/v1/document-model", ROOT, change.to_string()).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (status, code), "{change}: {}", reply.json());
    }
    // It stands after a start.
    let world = world.reopened(tessera_service::Settings::default()).await;
    assert_eq!(world.get("/v1/document-model", ROOT).await.json(), set);
}
