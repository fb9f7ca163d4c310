//! What the write of a profile answers, and what it costs to answer it; profiles with many devices.

use serde_json::{Value, json};
use tessera_store::faulty::ReadFault;

use super::{call, found};
use crate::tests::world::{ROOT, World};

const PATH: &str = "/v1.0/profiles/0b7f2a54-3c1e-4d0a-9e55-7a1c9f0d2e11";

/// How often the store is read while a profile is replaced that was written before, by this key of a new server.
async fn reads(permissions: &[&str]) -> usize {
    for count in 0..50 {
        let world = World::new().await;
        let key = world.key("private", permissions, &["default"]).await;
        for name in ["Ann", "Ann Lee"] {
            let body =
                json!({ "DeviceIds": ["dev-1", "dev-2"], "Name": name, "Info": { "Email": "ann@shop.example" } });
            assert!(call(&world, "PUT", PATH, &key, &body).await.status.is_success());
            world.pass(1_000_000);
        }
        (0..count).for_each(|_| world.faulty.script_read(None));
        world.faulty.script_read(Some(ReadFault::Unavailable));
        let body = json!({ "DeviceIds": ["dev-1"], "Name": "Lee", "Info": { "Email": "ann@shop.example" } });
        let put = call(&world, "PUT", PATH, &key, &body).await;
        if world.faulty.injected() == 0 {
            assert_eq!(put.status, 200, "{}", put.json());
            let is_shown = permissions.contains(&"read");
            assert_eq!(put.json()["Name"], if is_shown { json!("Lee") } else { Value::Null }, "{}", put.json());
            return count;
        }
    }
    panic!("it reads without end");
}

#[tokio::test]
async fn a_written_profile_is_answered_without_a_read() {
    assert_eq!(reads(&["ingest", "read"]).await, reads(&["ingest"]).await);
}

#[tokio::test]
async fn a_written_profile_is_answered_as_it_is_read() {
    let world = World::new().await;
    let track = json!({ "userId": "7001", "anonymousId": "dev-1", "messageId": "t-1", "event": "Order", "timestamp": "2026-01-30T10:00:00Z" });
    assert_eq!(world.call("POST", "/v1/track", ROOT, track.to_string()).await.status, 200);
    let profile = found(&world, "DeviceIds eq dev-1").await["items"][0].clone();
    let path = format!("/v1.0/profiles/{}", profile["ProfileId"].as_str().expect("an id"));
    for body in [
        json!({ "DeviceIds": ["dev-1", "dev-2"], "Name": "Ann", "Info": { "Email": "ann@shop.example" } }),
        // It lets go of a device, and of a value.
        json!({ "DeviceIds": ["dev-2"], "Payload": { "plan": "gold" }, "Info": { "Email": "ann@shop.example" } }),
        json!({ "DeviceIds": ["dev-2"], "Payload": { "plan": "gold" }, "Visits": 3, "LastSeen": "2026-01-31T10:00:00Z" }),
        json!({}),
    ] {
        world.pass(1_000_000);
        let put = call(&world, "PUT", &path, ROOT, &body).await;
        assert!(put.status.is_success(), "{}", put.json());
        // The first look finds what the answer was made of, the second one reads.
        let read = call(&world, "GET", &path, ROOT, &Value::Null).await;
        assert_eq!(read.json(), put.json(), "{body}");
        let touched =
            world.call("POST", "/v1/admin/namespaces", ROOT, json!({ "name": "crm", "kind": "person" }).to_string());
        touched.await;
        let read = call(&world, "GET", &path, ROOT, &Value::Null).await;
        assert_eq!(read.json(), put.json(), "{body}");
    }
}

#[tokio::test]
async fn a_profile_of_many_devices_is_put_back_as_it_was_read() {
    let world = World::new().await;
    for at in 0..60 {
        let track = json!({ "userId": "7001", "anonymousId": format!("dev-{at}"), "messageId": format!("t-{at}"), "event": "Seen" });
        assert_eq!(world.call("POST", "/v1/track", ROOT, track.to_string()).await.status, 200);
    }
    let mut profile = found(&world, "DeviceIds eq dev-7").await["items"][0].clone();
    assert_eq!(profile["DeviceIds"].as_array().map(Vec::len), Some(60), "{profile}");
    profile["Name"] = "Ann".into();
    let id = profile["ProfileId"].as_str().expect("an id").to_owned();
    let put = call(&world, "PUT", &format!("/v1.0/profiles/{id}"), ROOT, &profile).await;
    assert_eq!((put.status.as_u16(), &put.json()["Name"]), (200, &json!("Ann")), "{}", put.json());
    assert_eq!(put.json()["DeviceIds"], profile["DeviceIds"]);
    let devices = |count: usize| (0..count).map(|at| format!("own-{at}")).collect::<Vec<_>>();
    let most = json!({ "DeviceIds": devices(250), "Info": { "Email": "lee@shop.example" } });
    let made = call(&world, "PUT", PATH, ROOT, &most).await;
    assert_eq!((made.status.as_u16(), made.json()["DeviceIds"].as_array().map(Vec::len)), (201, Some(250)));
    let again = call(&world, "PUT", PATH, ROOT, &made.json()).await;
    assert_eq!((again.status.as_u16(), &again.json()["DeviceIds"]), (200, &made.json()["DeviceIds"]));
    let over = call(&world, "PUT", PATH, ROOT, &json!({ "DeviceIds": devices(251) })).await;
    assert_eq!((over.status.as_u16(), over.json()["details"][0]["target"].as_str()), (400, Some("DeviceIds")));
}

/// Clients that keep ids as values write them in other forms.
#[tokio::test]
async fn an_id_in_another_form_is_the_same_one() {
    let world = World::new().await;
    let forms = [
        "0B7F2A54-3C1E-4D0A-9E55-7A1C9F0D2E11",
        "0b7f2a543c1e4d0a9e557a1c9f0d2e11",
        "%7B0b7f2a54-3c1e-4d0a-9e55-7a1c9f0d2e11%7D",
    ];
    for (at, form) in forms.iter().enumerate() {
        let put = call(&world, "PUT", &format!("/v1.0/profiles/{form}"), ROOT, &json!({ "Name": "Ann" })).await;
        assert_eq!(put.status, if at == 0 { 201 } else { 200 }, "{form}: {}", put.json());
        assert_eq!(put.json()["ProfileId"], "0b7f2a54-3c1e-4d0a-9e55-7a1c9f0d2e11");
        let read = call(&world, "GET", &format!("/v1.0/profiles/default/{form}"), ROOT, &Value::Null).await;
        assert_eq!(read.json(), put.json(), "{form}");
    }
    assert_eq!(found(&world, "ProfileId eq 0b7f2a543c1e4d0a9e557a1c9f0d2e11").await["total"], 1);
    let gone = call(&world, "DELETE", &format!("/v1.0/profiles/default/{}", forms[1]), ROOT, &Value::Null).await;
    assert_eq!(gone.status, 200);
}

/// Clients send members of their own with what they were answered.
#[tokio::test]
async fn members_that_are_none_are_passed_over() {
    let world = World::new().await;
    let body = json!({ "Name": "Ann", "JsonPayload": "{}", "CountryOptions": ["NO"], "ContactInformation": ["Known"], "UpdateTime": "x" });
    assert_eq!(call(&world, "PUT", PATH, ROOT, &body).await.status, 201);
    let scope = json!({ "ScopeId": "nordics", "Description": "North", "Options": [] });
    assert_eq!(call(&world, "PUT", "/v1.0/scopes/nordics", ROOT, &scope).await.status, 201);
    let native = world.get("/v1/profiles?filter=name%20%3D%20%22Ann%22", ROOT).await.json();
    let profile = &native["profiles"][0];
    assert!(profile["name"] == "Ann" && profile.get("JsonPayload").is_none(), "{native}");
}
