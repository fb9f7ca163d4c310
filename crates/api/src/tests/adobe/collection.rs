//! Streaming ingestion (spec/adobe.md sections 2 and 13): whose word a message is, what becomes of what cannot be taken, and of what was said before.

use serde_json::{Value, json};

use super::gateway::send;
use crate::tests::world::{ROOT, World, request};

/// A dataset of a class, with these tags.
async fn dataset(world: &World, name: &str, class: &str, tags: Value) -> String {
    let post = async |path: &str, body: Value| {
        let reply = send(world, ("POST", path), &[], &body).await;
        assert_eq!(reply.status, 201, "{path}: {}", reply.json());
        reply.json()
    };
    let class = format!("https://ns.adobe.com/xdm/context/{class}");
    let title = format!("schema of {name}");
    let schema =
        post("/data/foundation/schemaregistry/tenant/schemas", json!({ "title": title, "meta:class": class })).await;
    let body = json!({ "name": name, "schemaRef": { "id": schema["$id"] }, "tags": { "unifiedProfile": tags } });
    let named = post("/data/foundation/catalog/dataSets", body).await;
    named[0].as_str().expect("a text").replace("@/dataSets/", "")
}

fn message(dataset: &str, entity: Value) -> Value {
    json!({ "header": { "datasetId": dataset }, "body": { "xdmEntity": entity } })
}

async fn entity(world: &World, email: &str) -> Option<Value> {
    let path = "/data/core/ups/access/entities?schema.name=_xdm.context.profile&entityIdNS=Email&entityId=";
    let reply = send(world, ("GET", &format!("{path}{email}")), &[], &Value::Null).await;
    let found = reply.json().as_object()?.values().next()?.get("entity").cloned();
    found.filter(|_| reply.status == 200)
}

fn person(email: &str, more: Value) -> Value {
    let mut person = json!({ "identityMap": { "Email": [{ "id": email, "primary": true }] } });
    person.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    person
}

/// Section 2.6: a record is all that its dataset says, unless the dataset is one of parts; other datasets keep what they say.
#[tokio::test]
async fn a_record_replaces_its_fragment_unless_its_dataset_is_of_parts() {
    let world = World::new().await;
    let whole = dataset(&world, "whole", "profile", json!(["enabled:true"])).await;
    let parts = dataset(&world, "parts", "profile", json!(["enabled: true", "isUpsert: true"])).await;
    let first = json!({ "person": { "name": { "firstName": "Ada", "lastName": "Q" } }, "tier": "gold" });
    let second = json!({ "person": { "name": { "firstName": "Ida" } } });
    for (dataset, email, expected) in [
        (&whole, "w@x.example", json!({ "person": { "name": { "firstName": "Ida" } } })),
        (
            &parts,
            "p@x.example",
            json!({ "person": { "name": { "firstName": "Ida", "lastName": "Q" } }, "tier": "gold" }),
        ),
    ] {
        for said in [&first, &second] {
            let reply = send(
                &world,
                ("POST", "/collection/c?synchronousValidation=true"),
                &[],
                &message(dataset, person(email, said.clone())),
            )
            .await;
            assert_eq!(reply.status, 200, "{}", reply.json());
            world.pass(1_000_000);
        }
        let mut shown = entity(&world, email).await.expect("an entity");
        shown.as_object_mut().expect("an object").remove("identityMap");
        assert_eq!(shown, expected, "{email}");
    }
    // What another dataset says stands, and shows again when the record says nothing of it any more.
    let ida = json!({ "name": { "firstName": "Ida" } });
    for (dataset, said, tier, person_shown) in [
        (&parts, json!({ "tier": "silver" }), "silver", &ida),
        (&whole, json!({ "tier": "gold" }), "gold", &Value::Null),
        (&whole, json!({ "city": "Lyon" }), "silver", &Value::Null),
    ] {
        let reply = send(&world, ("POST", "/collection/c"), &[], &message(dataset, person("w@x.example", said))).await;
        assert_eq!(reply.status, 200, "{}", reply.json());
        world.pass(1_000_000);
        let shown = entity(&world, "w@x.example").await.expect("an entity");
        assert_eq!((&shown["tier"], &shown["person"]), (&json!(tier), person_shown));
    }
    assert_eq!(entity(&world, "w@x.example").await.expect("an entity")["city"], "Lyon");
}

/// The id of a connection is a key where there is no token, and no answer tells it again.
#[tokio::test]
async fn a_connection_is_a_key() {
    let world = World::new().await;
    let data = dataset(&world, "web", "profile", json!(["enabled:true"])).await;
    let key = world.key("public", &["ingest"], &["default"]).await;
    let body = message(&data, person("v@x.example", json!({ "tier": "gold" }))).to_string();
    let path = format!("/collection/{key}?synchronousValidation=true");
    let json = [("content-type", "application/json")];
    let reply = world.send(request("POST", &path, "", &json, body.clone())).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
    let inlet = reply.json()["inletId"].as_str().expect("a text").to_owned();
    assert!(inlet.len() == 64 && !reply.json().to_string().contains(&key), "{inlet}");
    assert_eq!(entity(&world, "v@x.example").await.expect("an entity")["tier"], "gold");
    for (path, status) in [("/collection/unknown", 401), ("/collection/batch/unknown", 401)] {
        assert_eq!(world.send(request("POST", path, "", &json, body.clone())).await.status.as_u16(), status, "{path}");
    }
    // One that may write to other datasets alone does not write to this one.
    let new = json!({ "name": "k", "class": "private", "permissions": ["ingest"], "dataset": "other", "datasets": ["other"] });
    let made = world.call("POST", "/v1/admin/keys", ROOT, new.to_string()).await.json();
    let confined = format!("/collection/{}", made["secret"].as_str().expect("a secret"));
    assert_eq!(world.send(request("POST", &confined, "", &json, body)).await.status, 403);
}

/// What is put aside is kept as it came, and is taken when what was missing is there.
#[tokio::test]
async fn what_was_put_aside_is_replayed() {
    let world = World::new().await;
    let data = dataset(&world, "crm", "profile", json!(["enabled:true"])).await;
    let early = json!({ "identityMap": { "Email": [{ "id": "e@x.example", "primary": true }], "ClubId": [{ "id": "C-1" }] }, "tier": "gold" });
    let taken = send(&world, ("POST", "/collection/c"), &[], &message(&data, early)).await;
    assert_eq!((taken.status.as_u16(), &taken.json()["syncValidation"]), (200, &json!({ "skipped": true })));
    assert_eq!(entity(&world, "e@x.example").await, None);
    let kept = world.get("/v1/admin/quarantine", ROOT).await.json();
    assert_eq!(kept["items"][0]["code"], "xdm_invalid", "{kept}");
    let new = json!({ "code": "ClubId", "idType": "CROSS_DEVICE" });
    assert_eq!(send(&world, ("POST", "/data/core/idnamespace/identities"), &[], &new).await.status, 200);
    let replayed = world.call("POST", "/v1/admin/quarantine:replay", ROOT, "").await;
    assert!(replayed.status.is_success(), "{}", replayed.json());
    let shown = entity(&world, "e@x.example").await.expect("an entity");
    assert_eq!((&shown["tier"], &shown["identityMap"]["clubid"]), (&json!("gold"), &json!([{ "id": "C-1" }])));
    assert_eq!(world.get("/v1/admin/quarantine", ROOT).await.json()["items"], json!([]));
}

/// Section 2: accounts have entities of their own, and people belong to them.
#[tokio::test]
async fn accounts_and_their_people_are_sent() {
    let world = World::new().await;
    let accounts = dataset(&world, "accounts", "account", json!(["enabled:true"])).await;
    let people = dataset(&world, "people", "profile", json!(["enabled:true"])).await;
    let account =
        json!({ "identityMap": { "b2b_account": [{ "id": "acme", "primary": true }] }, "accountName": "Acme" });
    let employee = json!({ "identityMap": { "Email": [{ "id": "m@x.example", "primary": true }], "b2b_account": [{ "id": "acme" }] }, "title": "CTO" });
    for (dataset, entity) in [(&accounts, account), (&people, employee)] {
        let reply = send(&world, ("POST", "/collection/c?syncValidation=True"), &[], &message(dataset, entity)).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["syncValidation"]["status"]),
            (200, &json!("pass")),
            "{}",
            reply.json()
        );
    }
    let path = "/data/core/ups/access/entities?schema.name=_xdm.context.account&entityId=acme&entityIdNS=b2b_account&fields=accountName";
    let shown = send(&world, ("GET", path), &[], &Value::Null).await.json();
    assert_eq!(
        shown.as_object().and_then(|own| own.values().next()).map(|own| &own["entity"]),
        Some(&json!({ "accountName": "Acme" }))
    );
    let links = world.get("/v1/spaces/default/collections/accounts/profiles/group_id:acme/links", ROOT).await.json();
    assert_eq!(links["data"][0]["external_ids"][0]["id"], "m@x.example", "{links}");
    let person = entity(&world, "m@x.example").await.expect("an entity");
    assert_eq!((&person["title"], &person["accountName"]), (&json!("CTO"), &Value::Null));
}
