//! Batches of Parquet, which no golden exchange can send, and what batches and previews leave of the configuration.

use axum::body::Body;
use serde_json::{Value, json};
use tessera_service::directory::WorkspaceId;

use super::gateway::send;
use crate::tests::world::{ROOT, Reply, World, request};

/// Three people: an e-mail address, which one of them does not have, a tier, which another does not have, points, and an instant.
const PEOPLE: &[u8] = include_bytes!("people.parquet");
const FOUNDATION: &str = "/data/foundation";

async fn made(world: &World, path: &str, body: Value) -> Value {
    let reply = send(world, ("POST", &format!("{FOUNDATION}{path}")), &[], &body).await;
    assert_eq!(reply.status, 201, "{}", reply.json());
    reply.json()
}

/// A dataset of people whose primary identity is an e-mail address.
async fn dataset(world: &World) -> String {
    let profile = json!([{ "$ref": "https://ns.adobe.com/xdm/context/profile" }]);
    let schema =
        made(world, "/schemaregistry/tenant/schemas", json!({ "title": "People", "allOf": profile })).await["$id"]
            .clone();
    let descriptor = json!({
        "@type": "xdm:descriptorIdentity", "xdm:sourceSchema": schema, "xdm:sourceVersion": 1, "xdm:sourceProperty": "/email",
        "xdm:namespace": "Email", "xdm:property": "xdm:code", "xdm:isPrimary": true
    });
    made(world, "/schemaregistry/tenant/descriptors", descriptor).await;
    let tags = json!({ "unifiedProfile": ["enabled:true"] });
    let named =
        made(world, "/catalog/dataSets", json!({ "name": "people", "schemaRef": { "id": schema }, "tags": tags }))
            .await;
    named[0].as_str().expect("its name").trim_start_matches("@/dataSets/").to_owned()
}

async fn bytes(world: &World, method: &str, path: &str, range: Option<&str>, body: &'static [u8]) -> Reply {
    let bearer = format!("Bearer {ROOT}");
    let mut headers = vec![
        ("authorization", bearer.as_str()),
        ("x-api-key", "any"),
        ("x-gw-ims-org-id", "default@AdobeOrg"),
        ("x-sandbox-name", "prod"),
        ("content-type", "application/octet-stream"),
    ];
    headers.extend(range.map(|range| ("content-range", range)));
    world.send(request(method, path, "", &headers, Body::from(body))).await
}

/// Uploads the file whole, or in parts, and answers the batch; none where this server reads no Parquet, and says so.
async fn loaded(world: &World, dataset: &str, in_parts: bool) -> Option<Value> {
    let new = json!({ "datasetId": dataset, "inputFormat": { "format": "parquet" }, "partialIngestionPercentage": 50 });
    let id = made(world, "/import/batches", new).await["id"].as_str().expect("an id").to_owned();
    let file = format!("{FOUNDATION}/import/batches/{id}/datasets/{dataset}/files/people.parquet");
    let reply = if in_parts {
        let begun = send(world, ("POST", &format!("{file}?action=INITIALIZE")), &[], &Value::Null).await;
        assert_eq!(begun.status, 201, "{}", begun.json());
        let (first, rest) = PEOPLE.split_at(200);
        for (start, part) in [(0, first), (200, rest)] {
            let range = format!("bytes {start}-{}/{}", start + part.len() - 1, PEOPLE.len());
            assert_eq!(bytes(world, "PATCH", &file, Some(&range), part).await.status, 200);
        }
        send(world, ("POST", &format!("{file}?action=COMPLETE")), &[], &Value::Null).await
    } else {
        bytes(world, "PUT", &file, None, PEOPLE).await
    };
    if reply.status == 400 {
        assert_eq!(reply.code(), "source_format_unsupported", "{}", reply.json());
        return None;
    }
    assert_eq!(reply.status.as_u16(), if in_parts { 201 } else { 200 }, "{}", reply.json());
    let ended =
        send(world, ("POST", &format!("{FOUNDATION}/import/batches/{id}?action=COMPLETE")), &[], &Value::Null).await;
    assert_eq!(ended.status, 200, "{}", ended.json());
    let batch = send(world, ("GET", &format!("{FOUNDATION}/catalog/batches/{id}")), &[], &Value::Null).await.json();
    Some(batch[&id].clone())
}

async fn entity(world: &World, email: &str) -> Value {
    let path = format!(
        "/data/core/ups/access/entities?schema.name=_xdm.context.profile&entityId={email}&entityIdNS=Email&fields=tier,points,seen"
    );
    let answer = send(world, ("GET", &path), &[], &Value::Null).await.json();
    answer.as_object().and_then(|all| all.values().next()).map_or(Value::Null, |own| own["entity"].clone())
}

#[tokio::test]
async fn a_file_of_parquet_is_rows_as_its_columns_say() {
    for in_parts in [false, true] {
        let world = World::new().await;
        let dataset = dataset(&world).await;
        let Some(batch) = loaded(&world, &dataset, in_parts).await else { continue };
        assert_eq!(batch["status"], "success", "{batch}");
        assert_eq!(batch["metrics"], json!({ "inputRecordCount": 3, "outputRecordCount": 2, "failedRecordCount": 1 }));
        assert_eq!(batch["errors"][0]["row"], 2, "{batch}");
        let ada = json!({ "tier": "gold", "points": 120, "seen": "2026-01-30T10:00:00Z" });
        assert_eq!(entity(&world, "ada@example.org").await, ada);
        assert_eq!(entity(&world, "bob@example.org").await, json!({ "points": 7, "seen": "2026-01-30T10:00:00Z" }));
    }
}

#[tokio::test]
async fn batches_and_previews_leave_the_configuration_alone() {
    let world = World::new().await;
    let dataset = dataset(&world).await;
    let configured = async || world.service.configuration(WorkspaceId::new(1)).await.expect("a configuration");
    let before = configured().await;
    let new = json!({ "datasetId": dataset, "inputFormat": { "format": "json" } });
    let id = made(&world, "/import/batches", new).await["id"].as_str().expect("an id").to_owned();
    for number in 0..5 {
        let file = format!("{FOUNDATION}/import/batches/{id}/datasets/{dataset}/files/{number}.json");
        let person = json!({ "email": format!("p{number}@example.org"), "tier": "base" });
        assert_eq!(send(&world, ("PUT", &file), &[], &person).await.status, 200);
    }
    let preview = json!({ "predicateExpression": "tier = \"base\"" });
    assert_eq!(send(&world, ("POST", "/data/core/ups/preview"), &[], &preview).await.status, 201);
    let ended =
        send(&world, ("POST", &format!("{FOUNDATION}/import/batches/{id}?action=COMPLETE")), &[], &Value::Null).await;
    assert_eq!(ended.status, 200);
    assert_eq!(entity(&world, "p4@example.org").await, json!({ "tier": "base" }));
    assert!(configured().await == before, "nothing of it is configuration");
}
