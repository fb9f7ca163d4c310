//! Sandboxes (spec/adobe.md section 17): two of one organization share nothing, over every route of the door.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tessera_adobe::DOOR;

use super::gateway::send;
use crate::tests::world::World;

/// What was made in one sandbox, by the names of segments of paths.
async fn made(world: &World) -> BTreeMap<&'static str, String> {
    let post = async |path: &str, body: Value| {
        let reply = send(world, ("POST", path), &[], &body).await;
        assert!(reply.status.is_success(), "{path}: {}", reply.json());
        reply.json()
    };
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    // Namespaces are numbered in each sandbox, so a number is nobody's alone.
    post("/data/core/idnamespace/identities", json!({ "code": "OwnId", "idType": "CROSS_DEVICE" })).await;
    let class = "https://ns.adobe.com/xdm/context/profile";
    let schema =
        post("/data/foundation/schemaregistry/tenant/schemas", json!({ "title": "own-schema", "meta:class": class }))
            .await;
    let uri = text(&schema["$id"]);
    let descriptor = json!({ "@type": "xdm:descriptorIdentity", "xdm:sourceSchema": uri, "xdm:sourceProperty": "/own/id", "xdm:namespace": "OwnId" });
    let descriptor = post("/data/foundation/schemaregistry/tenant/descriptors", descriptor).await;
    let dataset =
        json!({ "name": "own-data", "schemaRef": { "id": uri }, "tags": { "unifiedProfile": ["enabled:true"] } });
    let dataset = text(&post("/data/foundation/catalog/dataSets", dataset).await[0]).replace("@/dataSets/", "");
    let entity =
        json!({ "own": { "id": "own-7" }, "identityMap": { "Email": [{ "id": "own@x.example", "primary": true }] } });
    let message = json!({ "header": { "datasetId": dataset }, "body": { "xdmEntity": entity } });
    post("/collection/inlet?syncValidation=true", message).await;
    let batch =
        post("/data/foundation/import/batches", json!({ "datasetId": dataset, "inputFormat": { "format": "json" } }))
            .await;
    let job = post("/data/core/ups/system/jobs", json!({ "dataSetId": dataset })).await;
    let schema_id = text(&schema["meta:altId"]);
    [
        ("{namespace_id}", "999".to_owned()),
        ("{schema_id}", schema_id),
        ("{descriptor_id}", text(&descriptor["@id"])),
        ("{dataset_id}", dataset),
        ("{batch_id}", text(&batch["id"])),
        ("{job_id}", text(&job["id"])),
    ]
    .into_iter()
    .collect()
}

/// An answer without the id of its request, which no two have in common.
fn without_request(mut answer: Value) -> Value {
    if let Some(members) = answer.as_object_mut() {
        members.remove("requestId");
    }
    answer
}

#[tokio::test]
async fn two_of_one_organization_share_nothing() {
    let world = World::new().await;
    world.workspace("lab").await;
    let made = made(&world).await;
    let fill =
        |path: &str| path.split('/').map(|own| made.get(own).map_or(own, String::as_str)).collect::<Vec<_>>().join("/");
    let (lab, same) = ([("x-sandbox-name", "lab")], [("x-request-id", "r-1")]);
    let mut looked_at = 0;
    for route in (DOOR.routes)() {
        let (method, path) = (route.method.as_str(), fill(route.path));
        let names_own = path != route.path && !route.path.contains("{connection_id}");
        let body = route.body.as_ref().and_then(|body| body.example.clone()).unwrap_or(Value::Null);
        let before = send(&world, ("GET", &path), &same, &Value::Null).await;
        let reply = send(&world, (method, &path), &lab, &body).await;
        let told = String::from_utf8_lossy(&reply.body).into_owned();
        for own in made.values().filter(|own| own.len() > 8).map(String::as_str).chain([
            "own-schema",
            "own-data",
            "own@x.example",
        ]) {
            assert!(!told.contains(own), "{method} {path} tells of {own}: {told}");
        }
        if names_own {
            assert!(matches!(reply.status.as_u16(), 400 | 404), "{method} {path}: {} {told}", reply.status);
        }
        let after = send(&world, ("GET", &path), &same, &Value::Null).await;
        assert_eq!(
            (before.status, without_request(before.json())),
            (after.status, without_request(after.json())),
            "{method} {path} changed the other sandbox"
        );
        looked_at += usize::from(names_own);
    }
    assert!(looked_at >= 12, "only {looked_at} routes name something");
    let path = "/data/core/ups/access/entities?schema.name=_xdm.context.profile&entityId=";
    let own = send(&world, ("GET", &format!("{path}own@x.example&entityIdNS=Email")), &[], &Value::Null).await;
    let xid = own.json().as_object().and_then(|own| own.keys().next().cloned()).expect("an XID");
    for (id, status) in [("own@x.example&entityIdNS=Email", 404), (xid.as_str(), 422)] {
        let reply = send(&world, ("GET", &format!("{path}{id}")), &lab, &Value::Null).await;
        assert_eq!(reply.status.as_u16(), status, "{id}");
    }
    let message = json!({ "header": { "datasetId": made["{dataset_id}"] }, "body": { "xdmEntity": {} } });
    assert_eq!(send(&world, ("POST", "/collection/inlet"), &lab, &message).await.status, 400);
}
