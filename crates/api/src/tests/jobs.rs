//! Jobs over HTTP.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::Body as _;
use serde_json::{Value, json};
use tessera_service::directory::WorkspaceId;
use tessera_service::keys::{Family, Scope};
use tessera_store::{Commit, Direction, ScanLimit, Store as _};
use tower::ServiceExt as _;

use super::world::{ROOT, Reply, World, request};

/// Asks for a check and answers its id.
async fn check(world: &World) -> String {
    let reply = world.call("POST", "/v1/jobs", ROOT, r#"{"kind":"check"}"#).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["state"]), (202, &json!("queued")), "{}", reply.json());
    reply.json()["id"].as_str().expect("an id").to_owned()
}

/// A check that is paused before it begins.
async fn paused(world: &World) -> String {
    let id = check(world).await;
    let reply = world.call("POST", &format!("/v1/jobs/{id}/pause"), ROOT, "").await;
    assert_eq!((reply.status.as_u16(), &reply.json()["state"]), (200, &json!("paused")), "{}", reply.json());
    id
}

/// The ids and data of server-sent events.
fn events(text: &str) -> Vec<(u64, Value)> {
    let event = |text: &str| {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).expect("a field").trim();
        (field("id:").parse().expect("a number"), serde_json::from_str(field("data:")).expect("json"))
    };
    text.split("\n\n").filter(|text| !text.is_empty() && !text.starts_with(':')).map(event).collect()
}

async fn watch(world: &World, id: &str, headers: &[(&str, &str)]) -> Reply {
    world.send(request("GET", &format!("/v1/jobs/{id}/watch"), ROOT, headers, Body::empty())).await
}

async fn open_watch(world: &World, id: &str, key: &str) -> Response {
    let request = request("GET", &format!("/v1/jobs/{id}/watch"), key, &[("accept-encoding", "gzip")], Body::empty());
    world.router.clone().oneshot(request).await.expect("the router never fails")
}

async fn frame(response: &mut Response) -> Option<Bytes> {
    let mut body = std::pin::Pin::new(response.body_mut());
    let frame = std::future::poll_fn(|ctx| body.as_mut().poll_frame(ctx)).await;
    frame.map(|frame| frame.expect("a frame").into_data().expect("data"))
}

#[tokio::test]
async fn a_job_is_asked_for_watched_and_read() {
    let world = World::new().await;
    for at in 0..3 {
        let event = format!(r#"{{"userId":"u{at}","event":"x","messageId":"m{at}"}}"#);
        assert_eq!(world.call("POST", "/v1/track", ROOT, event).await.status, 200);
    }
    let id = check(&world).await;
    let watched = watch(&world, &id, &[]).await;
    assert_eq!((watched.status.as_u16(), watched.header("content-type")), (200, "text/event-stream"));
    assert_eq!((watched.header("cache-control"), watched.header("x-accel-buffering")), ("no-cache", "no"));
    let events = events(std::str::from_utf8(&watched.body).expect("text"));
    let states: Vec<_> = events.iter().map(|(_, job)| job["state"].as_str().expect("a state")).collect();
    assert_eq!((states.first(), states.last()), (Some(&"queued"), Some(&"done")), "{states:?}");
    assert!(events.is_sorted_by_key(|(id, _)| *id));
    let (last_id, last) = events.last().expect("an event");
    let job = world.get(&format!("/v1/jobs/{id}"), ROOT).await.json();
    assert_eq!((&job, job["kind"].as_str(), &job["parameters"]), (last, Some("check"), &json!({})));
    assert_eq!(job["progress"], json!({ "done": 3, "total": 3, "unit": "profiles", "remaining_secs": null }));
    assert_eq!(
        job["result"],
        json!({
            "records": 3, "profiles": 3, "identities": 3, "events": 3, "facts": 3, "outdated": 0, "faults": 0, "listed": []
        })
    );
    assert!(job["ended_at"].is_string() && job["started_at"].is_string() && job["asked_by"].is_string());
    // Who has seen the end and comes back is told to stay away.
    assert_eq!(watch(&world, &id, &[("last-event-id", &last_id.to_string())]).await.status, 204);
    assert_eq!(watch(&world, &id, &[("last-event-id", "1")]).await.status, 200);
}

#[tokio::test]
async fn a_watch_ends_with_the_server() {
    let world = World::new().await;
    let id = paused(&world).await;
    world.settings.readiness.open();
    let mut response = open_watch(&world, &id, ROOT).await;
    assert!(!response.headers().contains_key("content-encoding"), "packing would hold events back");
    let first = frame(&mut response).await.expect("an event");
    assert_eq!(events(std::str::from_utf8(&first).expect("text"))[0].1["state"], "paused");
    world.settings.readiness.close();
    assert_eq!(frame(&mut response).await, None);
}

#[tokio::test]
async fn a_watch_ends_with_its_key() {
    let world = World::new().await;
    let id = paused(&world).await;
    let made = json!({ "name": "k", "class": "private", "permissions": ["read"] }).to_string();
    let made = world.call("POST", "/v1/admin/keys", ROOT, made).await.json();
    let (key, secret) = (made["key"]["id"].as_str().expect("an id"), made["secret"].as_str().expect("a secret"));
    let mut response = open_watch(&world, &id, secret).await;
    frame(&mut response).await.expect("an event");
    assert_eq!(world.call("POST", &format!("/v1/admin/keys/{key}/revoke"), ROOT, "").await.status, 200);
    assert_eq!(world.call("POST", &format!("/v1/jobs/{id}/resume"), ROOT, "").await.status, 200);
    assert_eq!(frame(&mut response).await, None);
}

#[tokio::test]
async fn places_of_watches_are_bounded_and_given_back() {
    let world = World::new().await;
    let id = paused(&world).await;
    let mut open = Vec::new();
    for _ in 0..tessera_seam::bounds::WATCHERS_MAX {
        let response = open_watch(&world, &id, ROOT).await;
        assert_eq!(response.status(), 200);
        open.push(response);
    }
    let refused = watch(&world, &id, &[]).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (429, "watchers_full"));
    assert!(!refused.header("retry-after").is_empty());
    open.pop();
    assert_eq!(open_watch(&world, &id, ROOT).await.status(), 200);
}

#[tokio::test]
async fn jobs_are_steered_and_listed() {
    let world = World::new().await;
    let id = paused(&world).await;
    let steer = async |wish: &str| {
        let reply = world.call("POST", &format!("/v1/jobs/{id}/{wish}"), ROOT, "").await;
        let state = reply.json()["state"].as_str().unwrap_or_default().to_owned();
        (reply.status.as_u16(), if state.is_empty() { reply.code() } else { state })
    };
    assert_eq!(steer("pause").await, (200, "paused".to_owned()));
    let listed = async |query: &str| {
        let reply = world.get(&format!("/v1/jobs{query}"), ROOT).await;
        assert_eq!(reply.status, 200, "{query}: {}", reply.json());
        let items = reply.json()["items"].as_array().expect("items").clone();
        items.into_iter().map(|job| job["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    let other = check(&world).await;
    watch(&world, &other, &[]).await;
    assert_eq!(listed("").await, [&*other, &*id]);
    assert_eq!(listed("?state=paused").await, [&*id]);
    assert_eq!(listed("?state=done&kind=check").await, [&*other]);
    assert!(listed("?kind=export").await.is_empty());
    let first = world.get("/v1/jobs?limit=1", ROOT).await.json();
    let cursor = first["next_cursor"].as_str().expect("a cursor");
    assert_eq!(listed(&format!("?limit=1&cursor={cursor}")).await, [&*id]);
    assert_eq!(steer("cancel").await, (200, "cancelled".to_owned()));
    assert_eq!(steer("cancel").await, (200, "cancelled".to_owned()));
    assert_eq!(steer("resume").await, (409, "job_ended".to_owned()));
}

#[tokio::test]
async fn a_job_whose_record_is_damaged_is_listed_as_that() {
    let world = World::new().await;
    let damaged = check(&world).await;
    watch(&world, &damaged, &[]).await;
    let range = Scope::new(WorkspaceId::new(1)).family(Family::Job).range();
    let rows = world.store.scan(&range, ScanLimit::rows(10), Direction::Forward).await.expect("rows").rows;
    let [row] = &*rows else { panic!("one record, for it has ended: {rows:?}") };
    world.store.commit(Commit::new().put(row.key.clone(), &b"\0"[..])).await.expect("a commit");
    let sound = check(&world).await;
    let items = world.get("/v1/jobs", ROOT).await.json()["items"].clone();
    assert_eq!((&items[0]["id"], &items[0]["kind"]), (&json!(sound), &json!("check")));
    assert_eq!(items[1], json!({ "id": damaged, "state": "damaged" }));
    assert_eq!(world.get(&format!("/v1/jobs/{damaged}"), ROOT).await.code(), "record_corrupt");
}

#[tokio::test]
async fn the_same_call_makes_one_job() {
    let world = World::new().await;
    let ask = async |body: &str| {
        world.send(request("POST", "/v1/jobs", ROOT, &[("idempotency-key", "k1")], body.to_owned())).await
    };
    let first = ask(r#"{"kind":"check"}"#).await;
    watch(&world, first.json()["id"].as_str().expect("an id"), &[]).await;
    let again = ask(r#"{"kind":"check"}"#).await;
    assert_eq!((again.status.as_u16(), again.json()), (202, first.json()));
    assert_eq!(ask(r#"{"kind":"check","parameters":{}}"#).await.code(), "idempotency_key_reused");
    assert_eq!(world.get("/v1/jobs", ROOT).await.json()["items"].as_array().expect("items").len(), 1);
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let world = World::new().await;
    let refused = async |method: &str, path: &str, body: &str| {
        let reply = world.call(method, path, ROOT, body.to_owned()).await;
        (reply.status.as_u16(), reply.code())
    };
    for (body, code) in [
        (r#"{"kind":"knit"}"#, "job_kind_unknown"),
        (r#"{"kind":"check","parameters":{"deep":true}}"#, "job_parameters_invalid"),
        (r#"{"kind":"check","parameters":[]}"#, "job_parameters_invalid"),
        (r#"{"kind":"check","more":1}"#, "body_invalid"),
        ("", "body_missing"),
    ] {
        assert_eq!(refused("POST", "/v1/jobs", body).await, (400, code.to_owned()), "{body}");
    }
    for (query, code) in [
        ("?state=Running", "job_state_unknown"),
        ("?limit=0", "limit_invalid"),
        ("?limit=1001", "limit_invalid"),
        ("?cursor=x", "cursor_invalid"),
    ] {
        assert_eq!(refused("GET", &format!("/v1/jobs{query}"), "").await, (400, code.to_owned()), "{query}");
    }
    for id in ["019a0f3e5b2c7d41e0a8f5c2", "x"] {
        for (method, path) in
            [("GET", ""), ("GET", "/watch"), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/cancel")]
        {
            let path = format!("/v1/jobs/{id}{path}");
            assert_eq!(refused(method, &path, "").await, (404, "job_not_found".to_owned()), "{path}");
        }
    }
}

#[tokio::test]
async fn jobs_never_cross_workspaces() {
    let world = World::new().await;
    world.workspace("shop").await;
    let shop = world.key("private", &["read", "configure"], &["shop"]).await;
    let id = paused(&world).await;
    for (method, path) in [("GET", ""), ("GET", "/watch"), ("POST", "/resume"), ("POST", "/cancel")] {
        let reply = world.call(method, &format!("/v1/jobs/{id}{path}"), &shop, "").await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (404, "job_not_found"), "{path}");
    }
    assert_eq!(world.get("/v1/jobs", &shop).await.json()["items"], json!([]));
}
