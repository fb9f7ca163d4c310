//! The seam: every door says no in its own shape, whoever says it, and finds keys where it says that it does.

use serde_json::{Value, json};
use tessera_seam::door::{Credential, Door};
use tessera_seam::route::{Access, Route};

use super::matrix::filled;
use super::world::{ROOT, Reply, World, headers_of, request};
use crate::doors::DOORS;

/// What an error of a door looks like.
fn is_in_shape(door: &Door, error: &Value) -> bool {
    let members = |value: &Value| value.as_object().map(|own| own.keys().cloned().collect::<Vec<_>>());
    let native = ["code", "message", "request_id", "retry"].map(str::to_owned);
    match door.name {
        "native" => members(error) == Some(vec!["error".into()]) && members(&error["error"]) == Some(native.into()),
        "segment" => {
            error["success"] == json!(false) && error["code"] == error["error"]["code"] && error["message"].is_string()
        }
        "optimizely" => members(error) == Some(["code", "details", "message", "requestId"].map(str::to_owned).into()),
        "wyng" => members(&error["error"]) == Some(vec!["code".into(), "message".into(), "request_id".into()]),
        "dfinery" => {
            let names = ["code", "data", "message", "status"].map(str::to_owned);
            members(error) == Some(names.into()) && error["status"] == json!(false) && error["code"].is_string()
        }
        "dfinery_export" => {
            let names = ["expected", "message", "reason", "result"].map(str::to_owned);
            members(error) == Some(names.into()) && error["result"] == "fail"
        }
        "adobe" => is_in_shape_of_adobe(error),
        "segment_profiles" => members(&error["error"]) == Some(["code", "message", "reason"].map(str::to_owned).into()),
        "regulations" => {
            let own = error["errors"].as_array().and_then(|all| all.first());
            own.and_then(members) == Some(["message", "reason", "type"].map(str::to_owned).into())
        }
        name => panic!("what do errors of {name} look like?"),
    }
}

/// Whether an error has one of the shapes that this door has (spec/adobe.md sections 1.3 and 1.4).
fn is_in_shape_of_adobe(error: &Value) -> bool {
    let has = |names: &[&str]| names.iter().all(|name| error.get(name).is_some());
    let is_gateway = has(&["error_code", "message"]) || has(&["type", "status", "title"]);
    is_gateway || has(&["statusCode"]) || has(&["requestId", "errors"]) || has(&["code", "message"])
}

/// The status that a door gives to what has this one elsewhere.
fn status_of(door: &Door, status: u16) -> u16 {
    match (door.name, status) {
        // It says so in its body (spec/dfinery.md section 8.1).
        ("dfinery", 401 | 403) => 200,
        ("dfinery_export", 403) => 401,
        ("dfinery" | "dfinery_export", 413) => 400,
        ("regulations", 400) => 422,
        (_, status) => status,
    }
}

/// Whether a door says that it was shown no key that it knows.
pub(crate) fn is_keyless(door: &Door, reply: &Reply) -> bool {
    let json = reply.json();
    let is_told = json["error_code"] == "403010" || (door.name == "dfinery" && json["code"] == "40201");
    reply.status == 401 || is_told
}

/// A path of a door that takes a body, and one that does not, if it has any.
fn path_of(door: &Door, has_body: bool) -> Option<(String, String)> {
    let routes = (door.routes)();
    let fits = |route: &&Route| {
        route.body.is_some() == has_body
            && matches!(route.access, Access::Workspace(_))
            && (has_body || route.method == "GET")
    };
    let is_plain = |route: &&Route| fits(route) && !route.path.contains('{');
    let found = routes.iter().find(is_plain).or_else(|| routes.iter().find(fits))?;
    Some((found.method.to_string(), filled(found, "")))
}

fn with_key(credential: Credential, path: &str, key: &str) -> (String, Vec<(&'static str, String)>) {
    match credential {
        Credential::Authorization => (path.to_owned(), vec![("authorization", format!("Bearer {key}"))]),
        Credential::Scheme(scheme) => (path.to_owned(), vec![("authorization", format!("{scheme} {key}"))]),
        Credential::Header(name) => (path.to_owned(), vec![(name, key.to_owned())]),
        Credential::Query(name) => (format!("{path}?{name}={key}"), Vec::new()),
    }
}

/// A method that a path does not have.
fn method_without(path: &str) -> &'static str {
    let has = |method: &str| DOORS.routes().iter().any(|own| own.method == method && own.path == path);
    ["DELETE", "PUT", "PATCH"].into_iter().find(|method| !has(method)).expect("no path has all methods")
}

async fn send(world: &World, method: &str, door: &Door, path: &str, key: &str, body: &str) -> Reply {
    let (path, headers) =
        if key.is_empty() { (path.to_owned(), Vec::new()) } else { with_key(door.credentials[0], path, key) };
    let own = headers.iter().map(|(name, value)| (*name, value.as_str()));
    let headers: Vec<(&str, &str)> = own.chain(headers_of(door.name).iter().copied()).collect();
    world.send(request(method, &path, "", &headers, body.to_owned())).await
}

#[tokio::test]
async fn every_door_refuses_in_its_own_shape() {
    let world = World::new().await;
    world.workspace("other").await;
    let powerless = world.key("private", &["operate"], &["other"]).await;
    for door in DOORS.all() {
        let (post, takes) = path_of(door, true).expect("every door takes something");
        let huge = "x".repeat(5 << 20);
        let mut refused = vec![
            (
                404,
                send(&world, "GET", door, &format!("{}/no/such/path", door.base.first().unwrap_or(&"")), ROOT, "")
                    .await,
            ),
            (401, send(&world, &post, door, &takes, "", "{}").await),
            (401, send(&world, &post, door, &takes, "unknown", "{}").await),
            (403, send(&world, &post, door, &takes, &powerless, "{}").await),
            (400, send(&world, &post, door, &takes, ROOT, "{\"never").await),
            (400, send(&world, &post, door, &takes, ROOT, "").await),
            (413, send(&world, &post, door, &takes, ROOT, &huge).await),
            (405, send(&world, method_without(&takes), door, &takes, ROOT, "").await),
        ];
        if door.base.is_empty() && door.name != "native" {
            // Its paths stand among those of the native door: what is no path at all is that one's.
            refused.remove(0);
        }
        for (status, reply) in refused {
            let (error, status) = (reply.json(), status_of(door, status));
            let status = if status == 401 && is_keyless(door, &reply) { reply.status.as_u16() } else { status };
            assert!(
                reply.status.as_u16() == status || (status == 413 && reply.status == 400),
                "{}: {} instead of {status}: {error}",
                door.name,
                reply.status
            );
            assert!(is_in_shape(door, &error), "{} {status}: {error}", door.name);
            assert!(!reply.header("x-request-id").is_empty(), "{}", door.name);
        }
        let Some((_, reads)) = path_of(door, false) else { continue };
        let read = send(&world, "GET", door, &reads, ROOT, "").await;
        assert!(read.status != 401 && read.status != 403, "{} {reads}: {}", door.name, read.json());
    }
}

#[tokio::test]
async fn keys_are_found_wherever_a_door_looks_for_them() {
    let world = World::new().await;
    for door in DOORS.all() {
        let (method, path) = path_of(door, false).or_else(|| path_of(door, true)).expect("a door has a path");
        for credential in door.credentials {
            let (path, headers) = with_key(*credential, &path, ROOT);
            let own = headers.iter().map(|(name, value)| (*name, value.as_str()));
            let headers: Vec<(&str, &str)> = own.chain(headers_of(door.name).iter().copied()).collect();
            let reply = world.send(request(&method, &path, "", &headers, "")).await;
            let is_refused = is_keyless(door, &reply) || reply.status == 403;
            assert!(!is_refused, "{} {credential:?}: {}", door.name, reply.json());
        }
        // The scheme of another door is none of its own.
        let foreign = if door.name == "wyng" { "authorization" } else { "x-access-token" };
        let value = if door.name == "wyng" { format!("Bearer {ROOT}") } else { ROOT.to_owned() };
        let reply = world.send(request(&method, &path, "", &[(foreign, &value)], "")).await;
        assert!(is_keyless(door, &reply), "{} takes {foreign}", door.name);
    }
}

#[tokio::test]
async fn keys_of_pages_are_confined_to_their_origins() {
    let world = World::new().await;
    let new = json!({
        "name": "page", "class": "public", "permissions": ["ingest", "read_public"], "workspaces": ["default"],
        "origins": ["https://shop.example", "http://localhost:3000"]
    });
    let made = world.call("POST", "/v1/admin/keys", ROOT, new.to_string()).await.json();
    assert_eq!(made["key"]["origins"], json!(["https://shop.example", "http://localhost:3000"]), "{made}");
    let key = made["secret"].as_str().expect("a secret");
    let upsert = r#"{"fields":{"uids":{"value":["visitor"]}}}"#;
    for (origin, status) in [
        (Some("https://shop.example"), 200),
        (Some("http://localhost:3000"), 200),
        (Some("https://evil.example"), 403),
        (Some("https://shop.example:444"), 403),
        (Some("null"), 403),
        (None, 200),
    ] {
        let mut headers = vec![("x-access-token", key)];
        headers.extend(origin.map(|origin| ("origin", origin)));
        let path = "/api/v1/consumer/profiles/upsert";
        let reply = world.send(request("POST", path, "", &headers, upsert)).await;
        assert_eq!(reply.status.as_u16(), status, "{origin:?}: {}", reply.json());
        headers[0] = ("authorization", "");
        let bearer = format!("Bearer {key}");
        headers[0].1 = &bearer;
        let event = r#"{"anonymousId":"visitor","event":"x"}"#;
        let reply = world.send(request("POST", "/v1/track", "", &headers, event)).await;
        assert_eq!(reply.status.as_u16(), status, "{origin:?}: {}", reply.json());
    }
    for (origins, code) in [(json!([]), "origins_empty"), (json!(["shop.example"]), "origin_invalid")] {
        let mut new = new.clone();
        new["origins"] = origins;
        assert_eq!(world.call("POST", "/v1/admin/keys", ROOT, new.to_string()).await.code(), code);
    }
    for (expires_at, code) in [("2001-01-01T00:00:00Z", "expiry_past"), ("soon", "time_invalid")] {
        let mut new = new.clone();
        new["expires_at"] = json!(expires_at);
        assert_eq!(world.call("POST", "/v1/admin/keys", ROOT, new.to_string()).await.code(), code);
    }
    let mut until = new.clone();
    until["expires_at"] = json!("2900-01-01T00:00:00Z");
    let made = world.call("POST", "/v1/admin/keys", ROOT, until.to_string()).await.json();
    assert_eq!(made["key"]["expires_at"], "2900-01-01T00:00:00Z");
}

#[test]
fn a_request_finds_its_door() {
    for (route, path, door) in [
        (None, "/api/v1/consumer/nothing", "wyng"),
        (None, "/api/v1/consumer", "wyng"),
        (None, "/api/v1/consumers", "native"),
        (None, "/nothing", "native"),
        (None, "/api/v1.0/nothing", "optimizely"),
        (None, "/API/V2.0", "optimizely"),
        (None, "/api/v1.00", "native"),
        (None, "/api/v1/nothing", "native"),
        (None, "/api/v1/events/nothing", "dfinery"),
        (None, "/api/v1/identities/nothing", "dfinery"),
        (None, "/api/v1/eventsandmore", "native"),
        (None, "/api/v1/export/nothing", "dfinery_export"),
        (None, "/data/core/ups/nothing", "adobe"),
        (None, "/data/coreandmore", "native"),
        (Some("/v1/track"), "/v1/track", "segment"),
        (None, "/v1/spaces/default", "segment_profiles"),
        (None, "/v1/spacesuits", "native"),
        (Some("/v1/segments"), "/v1/segments", "native"),
    ] {
        assert_eq!(DOORS.of(route, path).name, door, "{path}");
    }
    for (path, tidy) in [
        ("/api/v1/consumer/segments", None),
        ("/api/v1/consumer/segments/", Some("/api/v1/consumer/segments")),
        ("/api//v1/consumer//segments", Some("/api/v1/consumer/segments")),
        ("/api/v1.0/profiles/", Some("/api/v1.0/profiles")),
        ("//api//V1.0/Profiles/Nordics/ABC", Some("/api/v1.0/profiles/Nordics/ABC")),
        ("/api/v1.0/trackevents", Some("/api/v1.0/TrackEvents")),
        ("/api/v1.0/NoSuchPath", None),
        ("/v1/segments/", None),
        ("/", None),
        ("//", None),
    ] {
        assert_eq!(DOORS.tidied(path).as_deref(), tidy, "{path}");
    }
}
