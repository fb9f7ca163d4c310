//! A store that is full or shut is the same answer at every door.

use axum::http::header::RETRY_AFTER;

use super::world::{ROOT, World};

/// Writes of every door.
const WRITES: [(&str, &str, &str); 9] = [
    ("POST", "/v1/track", r#"{"userId":"full-1","event":"Seen","messageId":"full-1"}"#),
    ("POST", "/v1/identify", r#"{"userId":"full-2","traits":{"city":"Rome"},"messageId":"full-2"}"#),
    ("POST", "/v1/batch", r#"{"batch":[{"type":"track","userId":"full-3","event":"Seen","messageId":"full-3"}]}"#),
    (
        "POST",
        "/v1/records",
        r#"{"dataset":"crm","identities":[{"namespace":"user_id","value":"full-4"}],"attributes":{"city":"Rome"}}"#,
    ),
    ("POST", "/v1/admin/keys", r#"{"name":"k","class":"private","permissions":["read"]}"#),
    ("POST", "/v1/admin/namespaces", r#"{"name":"card","normaliser":"trim","rules":{"priority":700}}"#),
    ("POST", "/v1/admin/workspaces", r#"{"name":"other"}"#),
    ("POST", "/v1/segments", r#"{"name":"known","pql":"user_id.isNotNull()"}"#),
    (
        "POST",
        "/v1/merge-policies",
        r#"{"id":"own","name":"own","identity_graph":"full","attribute_merge":{"choose":"newest"}}"#,
    ),
];

async fn check(world: &World, calls: &[(&str, &str, &str)], code: &str) {
    for (method, path, body) in calls {
        let reply = world.call(method, path, ROOT, (*body).to_owned()).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (503, code), "{method} {path} {}", reply.json());
        assert!(reply.headers.contains_key(RETRY_AFTER), "{method} {path}");
    }
}

async fn ready(world: &World, path: &str) -> (u16, String) {
    let reply = world.get(path, "").await;
    (reply.status.as_u16(), reply.code())
}

#[tokio::test]
async fn a_full_disk_is_the_same_answer_at_every_door() {
    let world = World::new().await;
    world.settings.readiness.open();
    let erased = r#"{"userId":"gone","traits":{"city":"Rome"},"messageId":"gone-1"}"#;
    assert_eq!(world.call("POST", "/v1/identify", ROOT, erased).await.status, 200);
    world.faulty.fill_disk();
    check(&world, &WRITES, "disk_full").await;
    assert_eq!(ready(&world, "/readyz").await, (503, "disk_full".to_owned()));
    assert_eq!(world.get("/readyz?for=reads", "").await.status, 200);
    assert_eq!(world.get("/v1/profiles/identifier/user_id/gone", ROOT).await.status, 200);
    assert_eq!(world.call("DELETE", "/v1/profiles/identifier/user_id/gone", ROOT, "").await.status, 200);
    let purge = world.call("POST", "/v1/erasures:purge", ROOT, "").await;
    assert_eq!((purge.status.as_u16(), purge.code().as_str()), (503, "disk_full"));
    assert!(purge.json().to_string().contains("needed_bytes="), "{}", purge.json());
    world.faulty.free_disk();
    assert_eq!(world.call("POST", "/v1/erasures:purge", ROOT, "").await.status, 202);
    assert_eq!(world.get("/readyz", "").await.status, 200);
    // Nothing of what was refused has happened, and all of it can be sent again.
    for (method, path, body) in WRITES {
        let reply = world.call(method, path, ROOT, body).await;
        assert!(reply.status.is_success(), "{method} {path} {}", reply.json());
    }
    world.service.close().await;
}

#[tokio::test]
async fn a_shut_store_is_the_same_answer_at_every_door() {
    let world = World::new().await;
    world.settings.readiness.open();
    world.faulty.shut();
    let reads = [
        ("GET", "/v1/profiles/identifier/user_id/x", ""),
        ("GET", "/v1/jobs", ""),
        ("GET", "/v1/erasures", ""),
        ("GET", "/v1/admin/quarantine", ""),
    ];
    check(&world, &WRITES, "store_unavailable").await;
    check(&world, &reads, "store_unavailable").await;
    for path in ["/readyz", "/readyz?for=reads"] {
        assert_eq!(ready(&world, path).await, (503, "store_unavailable".to_owned()));
    }
    assert_eq!(world.get("/healthz", "").await.status, 200);
    world.faulty.open_again();
    assert_eq!(world.get("/readyz", "").await.status, 200);
    world.service.close().await;
}
