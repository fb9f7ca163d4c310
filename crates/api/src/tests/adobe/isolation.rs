//! Sandboxes share nothing: what is made in one is nowhere in another one of the organization, by whatever path.

use serde_json::{Value, json};

use super::gateway::send;
use crate::tests::world::World;

const POLICIES: &str = "/data/core/ups/config/mergePolicies";
const ATTRIBUTES: &str = "/data/core/ca/attributes";
const FIRST: &str = "/data/core/ups/config/computedAttributes";
const SEGMENTS: &str = "/data/core/ups/segment/definitions";
const PREVIEWS: &str = "/data/core/ups/preview";

fn expression(value: &str) -> Value {
    json!({ "type": "PQL", "format": "pql/text", "value": value })
}

#[tokio::test]
async fn what_one_sandbox_has_configured_is_not_there_in_another() {
    let world = World::new().await;
    world.workspace("lab").await;
    let lab = [("x-sandbox-name", "lab")];
    let schema = json!({ "name": "_xdm.context.profile" });
    let patch = json!([{ "op": "add", "path": "/description", "value": "x" }]);
    let policy = json!({ "name": "P", "schema": schema, "identityGraph": { "type": "pdg" }, "attributeMerge": { "type": "timestampOrdered" } });
    let attribute = json!({
        "name": "orders", "displayName": "O", "description": "", "expression": expression("xEvent.count()"),
        "duration": { "count": 1, "unit": "DAYS" }, "status": "DRAFT"
    });
    let first =
        json!({ "name": "orders", "path": "_acme", "expression": expression("xEvent.count()"), "schema": schema });
    let segment = json!({ "name": "S", "schema": schema, "expression": expression("loyalty = 1") });
    let preview = json!({ "predicateExpression": "loyalty = 1" });
    for (path, body, change, listed) in [
        (POLICIES, &policy, Some(json!({ "op": "add", "path": "/name", "value": "Q" })), Some("/children")),
        (ATTRIBUTES, &attribute, Some(json!({ "description": "x" })), Some("/computedAttributes")),
        (FIRST, &first, Some(patch), Some("/children")),
        (SEGMENTS, &segment, Some(segment.clone()), Some("/segments")),
        (PREVIEWS, &preview, None, None),
    ] {
        let made = send(&world, ("POST", path), &[], body).await;
        assert!(made.status.is_success(), "{path}: {}", made.json());
        let made = made.json();
        let id = made["id"].as_str().or(made["previewId"].as_str()).expect("an id");
        let one = format!("{path}/{id}");
        for (method, body) in [("GET", Some(&Value::Null)), ("DELETE", Some(&Value::Null)), ("PATCH", change.as_ref())]
        {
            let Some(body) = body else { continue };
            let reply = send(&world, (method, &one), &lab, body).await;
            assert_eq!(reply.status, 404, "{method} {path}: {}", reply.json());
        }
        if let Some(listed) = listed {
            let own = send(&world, ("GET", path), &[], &Value::Null).await.json();
            let others = send(&world, ("GET", path), &lab, &Value::Null).await.json();
            let has = |list: &Value| {
                let items = list.pointer(listed).and_then(Value::as_array).expect("a list");
                items.iter().any(|item| item["id"] == id)
            };
            assert!(has(&own) && !has(&others), "{path}: {others}");
        }
        let bulk = format!("{path}/bulk-get");
        if [POLICIES, SEGMENTS].contains(&path) {
            let reply = send(&world, ("POST", &bulk), &lab, &json!({ "ids": [{ "id": id }] })).await;
            assert_eq!(reply.status, 404, "{bulk}");
        }
        // The name is free there, and what has it is another one.
        let again = send(&world, ("POST", path), &lab, body).await;
        assert!(again.status.is_success(), "{path}: {}", again.json());
        assert_ne!(again.json()["id"].as_str().or(again.json()["previewId"].as_str()), Some(id));
        assert_eq!(send(&world, ("GET", &one), &[], &Value::Null).await.status, 200, "{path}");
    }
    let estimate = send(&world, ("GET", "/data/core/ups/estimate/x"), &lab, &Value::Null).await;
    assert_eq!(estimate.status, 404);
    let put = send(&world, ("PUT", &format!("{POLICIES}/0b7d2f50-91aa-4f0c-9c21-5f4c3b1d8e99")), &lab, &policy).await;
    assert_eq!(put.status, 404);
}
