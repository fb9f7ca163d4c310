//! The gateway (spec/adobe.md sections 1.2 and 1.3): its headers, each missing or wrong, and what it says to that.

use serde_json::{Value, json};

use crate::tests::world::{ROOT, Reply, World, request};

const PATH: &str = "/data/core/ups/access/entities?schema.name=_xdm.context.profile&entityId=x&entityIdNS=ECID";

/// A request of this door with its headers, some of them replaced, or left out where they are empty.
pub(super) async fn send(world: &World, (method, path): (&str, &str), other: &[(&str, &str)], body: &Value) -> Reply {
    let bearer = format!("Bearer {ROOT}");
    let own = [
        ("authorization", bearer.as_str()),
        ("x-api-key", "any"),
        ("x-gw-ims-org-id", "default@AdobeOrg"),
        ("x-sandbox-name", "prod"),
        ("content-type", "application/json"),
    ];
    let kept = own.iter().filter(|(name, _)| !other.iter().any(|(given, _)| given == name));
    let headers: Vec<(&str, &str)> = kept.chain(other.iter().filter(|(_, value)| !value.is_empty())).copied().collect();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    world.send(request(method, path, "", &headers, body)).await
}

/// Section 1.3, line by line.
#[tokio::test]
async fn what_is_missing_or_wrong_is_told_as_the_gateway_tells_it() {
    let world = World::new().await;
    for (header, value, status, body) in [
        ("authorization", "", 403, json!({ "error_code": "403010", "message": "Oauth token is missing." })),
        ("authorization", "Bearer no", 401, json!({ "error_code": "401013", "message": "Oauth token is not valid" })),
        ("x-api-key", "", 403, json!({ "error_code": "403000", "message": "Api Key is required" })),
        ("x-gw-ims-org-id", "", 400, json!({ "error_code": "400003", "message": "Missing header" })),
        ("x-gw-ims-org-id", "o@AdobeOrg", 403, json!({ "error_code": "403025", "message": "Profile is not valid" })),
        ("x-sandbox-name", "", 400, json!({ "error_code": "400003", "message": "Missing header" })),
    ] {
        let reply = send(&world, ("GET", PATH), &[(header, value)], &Value::Null).await;
        assert_eq!((reply.status.as_u16(), reply.json()), (status, body), "{header}: {value}");
    }
    for value in ["", "text/plain", "application/jsonx"] {
        let reply =
            send(&world, ("POST", "/data/core/ups/access/entities"), &[("content-type", value)], &json!({})).await;
        let body = json!({ "type": "/placeholder/type/uri", "status": 400, "title": "BadRequestError",
            "detail": "A valid content-type must be specified" });
        assert_eq!((reply.status.as_u16(), reply.json()), (400, body), "{value}");
    }
}

/// Whoever the request is about is told by its headers, in the spellings that there are.
#[tokio::test]
async fn organizations_and_sandboxes_have_more_than_one_spelling() {
    let world = World::new().await;
    world.workspace("lab").await;
    for (org, sandbox, status) in [
        ("default", "default", 404),
        ("DEFAULT@adobeorg", "prod", 404),
        ("default@AdobeOrg", "lab", 404),
        ("default@AdobeOrg", "none", 403),
        ("@AdobeOrg", "prod", 403),
    ] {
        let reply =
            send(&world, ("GET", PATH), &[("x-gw-ims-org-id", org), ("x-sandbox-name", sandbox)], &Value::Null).await;
        assert_eq!(reply.status.as_u16(), status, "{org} {sandbox}: {}", reply.json());
    }
    world.workspace("prod").await;
    let reply = send(&world, ("GET", PATH), &[], &Value::Null).await;
    assert_eq!((reply.status.as_u16(), reply.json()), (404, json!({ "statusCode": "404" })));
}
