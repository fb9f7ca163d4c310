//! Every route with no key, with one that is over, that lacks its permission, of a page, of another workspace, and where another door looks for it.

use serde_json::{Value, json};
use tessera_seam::door::Credential;
use tessera_seam::route::{Access, Content, Route};
use tessera_service::directory::Permission;

use super::world::{ROOT, Reply, World, headers_of, request};
use crate::doors::DOORS;

/// The path with something in each of its segments.
pub(crate) fn filled(route: &Route, key: &str) -> String {
    route
        .path
        .split('/')
        .map(|segment| match segment {
            "{write_key}" | "{connection_id}" => key,
            "{namespace}" => "user_id",
            "{method}" => "track",
            "{collection}" => "users",
            "{profile}" => "user_id:7001",
            "{key}" | "{id}" => "019a0f3e5b2c7d41e0a8f5c2",
            segment if segment.starts_with('{') => "default",
            segment => segment,
        })
        .collect::<Vec<_>>()
        .join("/")
}

fn body(route: &Route) -> String {
    let example = route.body.as_ref().and_then(|Content { example, .. }| example.as_ref());
    example.map_or_else(String::new, Value::to_string)
}

/// Whether a door says no as it says to this status and code of ours.
fn says(route: &Route, reply: &Reply, status: u16, code: &str) -> bool {
    let json = reply.json();
    match route.door {
        "dfinery" => {
            let code = if code == "workspace_forbidden" { "40101" } else { "40201" };
            (reply.status.as_u16(), &json["code"]) == (200, &json!(code))
        }
        "dfinery_export" => {
            let status = if code == "workspace_forbidden" { 400 } else { 401 };
            reply.status == status && (code.is_empty() || json["reason"] == code)
        }
        "adobe" if status == 401 => reply.status == 401 || json["error_code"] == "403010",
        _ => reply.status == status && (code.is_empty() || reply.code() == code),
    }
}

#[tokio::test]
async fn no_route_answers_without_its_key() {
    let world = World::new().await;
    world.workspace("other").await;
    let without = |needed: &[Permission]| {
        // Whoever may read may read what is public.
        let implies = |it: &Permission| *it == Permission::Read && needed.contains(&Permission::ReadPublic);
        let names = Permission::ALL.into_iter().filter(|it| !needed.contains(it) && !implies(it)).map(Permission::name);
        names.collect::<Vec<_>>()
    };
    let (expired, page) = (expired(&world).await, world.key("public", &["ingest", "read_public"], &["default"]).await);
    let mut checked = 0;
    for route in DOORS.routes() {
        let (method, name) = (route.method.as_str(), format!("{} {}", route.method, route.path));
        let needed = match route.access {
            Access::Open => continue,
            Access::Workspace(permission) | Access::Silent(permission) => vec![permission],
            Access::Directory(permissions) => permissions.to_vec(),
        };
        let lacking = world.key("private", &without(&needed), &["default"]).await;
        let holding = world.key("private", &[needed[0].name()], &["default"]).await;
        let (none, unknown) = (filled(&route, "unknown"), "sk_live_unknown");
        let is_settings = route.path.contains("{write_key}") || route.path.contains("{connection_id}");
        if let Access::Silent(_) = route.access {
            let reply = world.get(&none, "").await;
            assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "image/gif"), "{name}");
            continue;
        }
        let call = async |path: &str, key: &str, more: &[(&str, &str)]| {
            let name = DOORS.find(route.door).map(|door| door.credentials[0]);
            let bearer = format!("Bearer {key}");
            let schemed = |scheme: &str| format!("{scheme} {key}");
            let of_scheme = name.map_or(String::new(), |own| {
                if let Credential::Scheme(scheme) = own { schemed(scheme) } else { String::new() }
            });
            let own = match name {
                Some(Credential::Scheme(_)) => ("authorization", of_scheme.as_str()),
                Some(Credential::Header(name)) => (name, key),
                _ => ("authorization", bearer.as_str()),
            };
            let headers: Vec<_> =
                headers_of(route.door).iter().chain(more).copied().chain((!key.is_empty()).then_some(own)).collect();
            world.send(request(method, path, "", &headers, body(&route))).await
        };
        let reply = call(&none, "", &[]).await;
        assert!(says(&route, &reply, 401, ""), "{name} without a key: {}", reply.json());
        let reply = call(&none, unknown, &[]).await;
        assert!(says(&route, &reply, 401, ""), "{name} with an unknown key: {}", reply.json());
        let path = if is_settings { filled(&route, &lacking) } else { none.clone() };
        let reply = call(&path, &lacking, &[]).await;
        assert!(says(&route, &reply, 403, "permission_missing"), "{name}: {}", reply.json());
        let path = if is_settings { filled(&route, &expired) } else { none.clone() };
        let reply = call(&path, &expired, &[]).await;
        assert!(says(&route, &reply, 401, ""), "{name} with a key that is over: {}", reply.json());
        // Whatever a page may do of itself is said by its permissions; all else is closed to it.
        if !needed.iter().any(|it| matches!(it, Permission::Ingest | Permission::ReadPublic)) {
            let path = if is_settings { filled(&route, &page) } else { none.clone() };
            let reply = call(&path, &page, &[]).await;
            assert!(says(&route, &reply, 403, ""), "{name} with the key of a page: {}", reply.json());
        }
        if !is_settings {
            let credentials = DOORS.find(route.door).map_or(&[][..], |door| door.credentials);
            let bearer = format!("Bearer {ROOT}");
            let foreign = if credentials.contains(&Credential::Authorization) {
                ("x-access-token", ROOT)
            } else {
                ("authorization", bearer.as_str())
            };
            let reply = call(&none, "", &[foreign]).await;
            assert!(says(&route, &reply, 401, ""), "{name} takes {}: {}", foreign.0, reply.json());
        }
        if let Access::Workspace(_) = route.access {
            let path = if is_settings { filled(&route, &holding) } else { none };
            for workspace in ["other", "missing"] {
                let path =
                    if route.workspace_in_query { format!("{path}?service_id={workspace}") } else { path.clone() };
                let reply = call(&path, &holding, &[("x-tessera-workspace", workspace)]).await;
                assert!(says(&route, &reply, 403, "workspace_forbidden"), "{name}: {}", reply.json());
            }
        }
        checked += 1;
    }
    assert!(checked > 150, "only {checked} routes");
}

/// A key that could do everything, and is over.
async fn expired(world: &World) -> String {
    let all: Vec<&str> = Permission::ALL.into_iter().map(Permission::name).collect();
    let made = json!({ "name": "k", "class": "private", "permissions": all }).to_string();
    let made = world.call("POST", "/v1/admin/keys", ROOT, made).await.json();
    let (id, secret) = (made["key"]["id"].as_str().expect("an id"), made["secret"].as_str().expect("a secret"));
    world.call("POST", &format!("/v1/admin/keys/{id}/rotate"), ROOT, r#"{"grace_secs":1}"#).await;
    world.pass(2_000_000);
    secret.to_owned()
}

#[tokio::test]
async fn revoked_and_expired_keys_are_refused() {
    let world = World::new().await;
    let made = json!({ "name": "k", "class": "private", "permissions": ["read"] }).to_string();
    let made = world.call("POST", "/v1/admin/keys", ROOT, made).await.json();
    let (id, secret) = (made["key"]["id"].as_str().expect("an id"), made["secret"].as_str().expect("a secret"));
    let path = "/v1/profiles/id/x";
    assert_eq!(world.get(path, secret).await.code(), "profile_not_found");
    let rotated = world.call("POST", &format!("/v1/admin/keys/{id}/rotate"), ROOT, r#"{"grace_secs":60}"#).await.json();
    let successor = rotated["secret"].as_str().expect("a secret");
    assert_eq!(world.get(path, secret).await.code(), "profile_not_found");
    world.pass(60_000_000);
    assert_eq!(world.get(path, secret).await.code(), "key_expired");
    assert_eq!(world.get(path, successor).await.code(), "profile_not_found");
    let id = rotated["key"]["id"].as_str().expect("an id");
    let revoked = world.call("POST", &format!("/v1/admin/keys/{id}/revoke"), ROOT, "").await;
    assert!(revoked.json()["revoked_at"].is_string());
    let refused = world.get(path, successor).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (401, "key_revoked"));
    assert!(!refused.header("www-authenticate").is_empty());
}

#[tokio::test]
async fn data_never_crosses_workspaces() {
    let world = World::new().await;
    world.workspace("shop").await;
    let shop = world.key("private", &["ingest", "read"], &["shop"]).await;
    let home = world.key("private", &["ingest", "read"], &["default"]).await;
    let both = world.key("private", &["read"], &["default", "shop"]).await;
    let event = r#"{"userId":"u1","event":"x","messageId":"m1"}"#;
    assert_eq!(world.call("POST", "/v1/track", &shop, event).await.json()["accepted"], 1);
    let path = "/v1/profiles/identifier/user_id/u1";
    assert_eq!(world.get(path, &shop).await.status, 200);
    assert_eq!(world.get(path, &home).await.status, 404);
    assert_eq!(world.get(path, &both).await.status, 404);
    let named = request("GET", path, &both, &[("x-tessera-workspace", "shop")], "");
    assert_eq!(world.send(named).await.status, 200);
    let named = request("GET", path, &home, &[("x-tessera-workspace", "shop")], "");
    assert_eq!(world.send(named).await.code(), "workspace_forbidden");
}
