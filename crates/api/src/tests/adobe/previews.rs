//! Previews and estimates against the specification.

use serde_json::{Value, json};

use super::golden;
use crate::tests::world::{ROOT, Reply, World, request};

#[tokio::test]
async fn previews_are_answered_as_the_spec_says() {
    golden::check("previews.txt").await;
}

async fn call(world: &World, method: &str, path: &str, body: &Value) -> Reply {
    let bearer = format!("Bearer {ROOT}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-api-key", "any"),
        ("x-gw-ims-org-id", "default@AdobeOrg"),
        ("x-sandbox-name", "prod"),
        ("content-type", "application/json"),
        ("host", "cdp.shop.example"),
    ];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    world.send(request(method, &format!("/data/core/ups{path}"), "", &headers, body)).await
}

async fn made(world: &World, expression: &str) -> String {
    let reply = call(world, "POST", "/preview", &json!({ "predicateExpression": expression })).await;
    assert_eq!(reply.status, 201, "{}", reply.json());
    let id = reply.json()["previewId"].as_str().expect("an id").to_owned();
    assert_eq!(reply.header("x-location"), format!("http://cdp.shop.example/data/core/ups/preview/{id}"));
    id
}

/// The id of a preview is drawn, and stands encoded in its own address: no golden exchange can send it.
#[tokio::test]
async fn a_preview_tells_whom_it_holds_of_and_an_estimate_how_many() {
    let world = World::new().await;
    for (at, tier) in ["gold", "base", "gold"].iter().enumerate() {
        let identify = json!({ "userId": format!("700{at}"), "messageId": format!("m{at}"), "timestamp": "2026-01-01T10:00:00Z",
            "traits": { "loyalty": { "tier": tier }, "email": format!("p{at}@example.org") } });
        assert_eq!(world.call("POST", "/v1/identify", ROOT, identify.to_string()).await.status, 200);
    }
    let id = made(&world, "loyalty.tier = \"gold\"").await;
    let preview = call(&world, "GET", &format!("/preview/{id}"), &Value::Null).await.json();
    assert_eq!((&preview["state"], &preview["page"]), (&json!("RESULT_READY"), &json!({ "offset": 0, "size": 2 })));
    assert_eq!(preview["link"], json!({ "next": "" }));
    let mut emails: Vec<&Value> = Vec::new();
    for result in preview["results"].as_array().expect("a list") {
        let (xid, own) = result.as_object().expect("an object").iter().next().expect("one member");
        emails.push(&own["endCustomerIds"]["email"]["id"]);
        // The word leads to the entity.
        let entity = format!("/access/entities?schema.name=_xdm.context.profile&entityId={xid}");
        assert_eq!(own["_href"], format!("http://cdp.shop.example/data/core/ups{entity}"));
        let entity = call(&world, "GET", &entity, &Value::Null).await.json();
        assert_eq!(entity[xid]["entity"]["loyalty"]["tier"], "gold", "{entity}");
    }
    emails.sort_by_key(|own| own.to_string());
    assert_eq!(emails, ["p0@example.org", "p2@example.org"]);
    let first = call(&world, "GET", &format!("/preview/{id}?limit=1"), &Value::Null).await.json();
    assert_eq!(first["link"]["next"], format!("/preview/{id}?offset=1&limit=1"));
    let estimate = call(&world, "GET", &format!("/estimate/{id}"), &Value::Null).await.json();
    let expected = json!({
        "estimatedSize": 2, "numRowsToRead": 3, "state": "RESULT_READY", "profilesReadSoFar": 3, "standardError": 0.0,
        "estimatedNamespaceDistribution": [
            { "namespaceId": 6, "profilesMatchedSoFar": 2 },
            { "namespaceId": estimate["estimatedNamespaceDistribution"][1]["namespaceId"], "profilesMatchedSoFar": 2 }
        ],
        "error": { "description": "", "traceback": "" }, "profilesMatchedSoFar": 2, "totalRows": 3, "confidenceInterval": "95%",
        "_links": { "preview": format!("http://cdp.shop.example/data/core/ups/preview/{id}") }
    });
    assert_eq!(estimate, expected);
    assert_eq!(call(&world, "DELETE", &format!("/preview/{id}"), &Value::Null).await.status, 200);
    assert_eq!(call(&world, "GET", &format!("/preview/{id}"), &Value::Null).await.status, 404);
    assert_eq!(call(&world, "GET", &format!("/estimate/{id}"), &Value::Null).await.status, 404);
}

#[tokio::test]
async fn the_newest_previews_are_kept() {
    let world = World::new().await;
    let first = made(&world, "a = 0").await;
    let mut last = String::new();
    for at in 1..=100 {
        world.pass(1_000_000);
        last = made(&world, &format!("a = {at}")).await;
    }
    assert_eq!(call(&world, "GET", &format!("/preview/{first}"), &Value::Null).await.status, 404);
    assert_eq!(call(&world, "GET", &format!("/preview/{last}"), &Value::Null).await.status, 200);
}
