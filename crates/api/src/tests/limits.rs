//! Limits of keys and workspaces, seen from outside.

use serde_json::json;

use super::world::{ROOT, World, request};

#[tokio::test]
async fn a_limited_key_is_told_when_to_come_again() {
    let world = World::new().await;
    let limit = json!({ "per_second": 1, "burst": 3, "concurrency": 10 });
    let new = json!({ "name": "k", "class": "private", "permissions": ["ingest", "read"], "rate_limit": limit });
    let made = world.call("POST", "/v1/admin/keys", ROOT, new.to_string()).await.json();
    let key = made["secret"].as_str().expect("a secret");
    let event = r#"{"userId":"u","event":"x"}"#;
    for _ in 0..3 {
        assert_eq!(world.call("POST", "/v1/track", key, event).await.status, 200);
    }
    let refused = world.call("POST", "/v1/track", key, event).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (429, "rate_limited"));
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("x-ratelimit-reset"), "1");
    // A page on another origin may read when.
    let from_page = [("origin", "https://shop.example")];
    let refused = world.send(request("POST", "/v1/track", key, &from_page, event)).await;
    assert_eq!(refused.status, 429);
    let exposed: Vec<_> = refused.header("access-control-expose-headers").split(',').map(str::trim).collect();
    assert!(["retry-after", "x-ratelimit-reset"].iter().all(|name| exposed.contains(name)), "{exposed:?}");
    // Whatever tells of the limit is exposed.
    let told = refused.headers.keys().map(|name| name.as_str()).filter(|name| name.starts_with("x-ratelimit"));
    assert_eq!(told.filter(|name| !exposed.contains(name)).count(), 0);
    // The same bound holds behind every door, and pixels stay pictures.
    assert_eq!(world.get("/v1/profiles/id/x", key).await.code(), "rate_limited");
    let pixel = world.get(&format!("/v1/pixel/track?writeKey={key}&userId=u&event=x"), "").await;
    assert_eq!((pixel.status.as_u16(), pixel.header("content-type")), (200, "image/gif"));
    world.pass(1_000_000);
    assert_eq!(world.call("POST", "/v1/track", key, event).await.status, 200);
    assert_eq!(world.call("POST", "/v1/track", key, event).await.status, 429);
}

#[tokio::test]
async fn a_limited_workspace_bounds_all_its_keys() {
    let world = World::new().await;
    let limit = json!({ "rate_limit": { "per_second": 1, "burst": 2, "concurrency": 10 } }).to_string();
    let set = world.call("PUT", "/v1/admin/workspaces/default/rate-limit", ROOT, limit).await;
    assert_eq!(set.json()["rate_limit"]["burst"], 2);
    let a = world.key("private", &["read"], &["default"]).await;
    let b = world.key("private", &["read"], &["default"]).await;
    let statuses = [&a, &b, &a, &b].map(|key| world.get("/v1/profiles/id/x", key));
    let mut seen = Vec::new();
    for status in statuses {
        seen.push(status.await.status.as_u16());
    }
    assert_eq!(seen, [404, 404, 429, 429]);
    let lifted = world.call("PUT", "/v1/admin/workspaces/default/rate-limit", ROOT, r#"{"rate_limit":null}"#).await;
    assert_eq!(lifted.json()["rate_limit"], json!(null));
    assert_eq!(world.get("/v1/profiles/id/x", &a).await.status, 404);
}

/// The limits that dinmo.md A6 documents, by their name; any other figures beside it, or other names, are refused.
#[tokio::test]
async fn a_preset_is_a_name_for_figures() {
    let world = World::new().await;
    let path = "/v1/admin/workspaces/default/rate-limit";
    let set = world.call("PUT", path, ROOT, r#"{"rate_limit":{"preset":"dinmo"}}"#).await.json();
    let figures = json!({ "per_second": 500, "burst": 60_000, "concurrency": 1_000_000, "peak_per_second": 1_000 });
    assert_eq!(set["rate_limit"], figures);
    assert_eq!(world.get("/v1/admin/workspaces/default", ROOT).await.json()["rate_limit"], figures);
    let peaked = json!({ "per_second": 10, "burst": 100, "concurrency": 5, "peak_per_second": 2 });
    let new = json!({ "name": "k", "class": "private", "permissions": ["read"], "rate_limit": peaked });
    let made = world.call("POST", "/v1/admin/keys", ROOT, new.to_string()).await.json();
    assert_eq!(made["key"]["rate_limit"], peaked);
    let key = made["secret"].as_str().expect("a secret");
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(world.get("/v1/profiles/id/x", key).await);
    }
    assert_eq!(statuses.iter().map(|own| own.status.as_u16()).collect::<Vec<_>>(), [404, 404, 429]);
    assert_eq!((statuses[2].code().as_str(), statuses[2].header("retry-after")), ("rate_limited", "1"));
    for wrong in [
        r#"{"preset":"other"}"#,
        r#"{"preset":"dinmo","per_second":1}"#,
        r#"{"per_second":1}"#,
        r#"{"per_second":1,"burst":1,"concurrency":1,"peak_per_second":0}"#,
        r#"{"per_second":1,"burst":1,"concurrency":1,"peak_per_second":100001}"#,
    ] {
        let refused = world.call("PUT", path, ROOT, format!(r#"{{"rate_limit":{wrong}}}"#)).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, "rate_limit_invalid"), "{wrong}");
    }
}

#[tokio::test]
async fn a_place_is_held_until_the_answer_is_read() {
    use tower::ServiceExt as _;
    let world = World::new().await;
    let limit = json!({ "per_second": 1_000, "burst": 1_000, "concurrency": 1 });
    let new = json!({ "name": "k", "class": "private", "permissions": ["ingest", "read"], "rate_limit": limit });
    let made = world.call("POST", "/v1/admin/keys", ROOT, new.to_string()).await.json();
    let key = made["secret"].as_str().expect("a secret");
    world.call("POST", "/v1/track", key, r#"{"userId":"u","event":"x"}"#).await;
    let path = "/v1/profiles/identifier/user_id/u";
    let unread = world.router.clone().oneshot(request("GET", path, key, &[], "")).await.expect("an answer");
    assert_eq!(unread.status(), 200);
    assert_eq!(world.get(path, key).await.code(), "concurrency_limited");
    drop(unread);
    assert_eq!(world.get(path, key).await.status, 200);
}
