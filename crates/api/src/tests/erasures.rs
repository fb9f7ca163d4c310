//! Erasures over HTTP.

use serde_json::json;

use super::golden;
use super::world::{ROOT, World, request};

#[tokio::test]
async fn erasures_receipts_and_suppressions_have_this_wire() {
    golden::check("api/src/native/golden/erasures.txt").await;
}

#[tokio::test]
async fn whether_it_suppresses_is_part_of_what_a_request_is() {
    let world = World::new().await;
    let event = json!({ "userId": "7", "event": "x", "messageId": "m1" }).to_string();
    assert_eq!(world.call("POST", "/v1/track", ROOT, event).await.json()["accepted"], 1);
    let path = "/v1/profiles/identifier/user_id/7";
    let send = async |path: &str| world.send(request("DELETE", path, ROOT, &[("idempotency-key", "one")], "")).await;
    let receipt = send(path).await.json();
    assert_eq!((receipt["suppressed"].as_bool(), receipt["state"].as_str()), (Some(false), Some("erased")));
    assert_eq!(send(path).await.json(), receipt);
    let other = send(&format!("{path}?suppress=true")).await;
    assert_eq!((other.status.as_u16(), other.code().as_str()), (409, "idempotency_key_reused"));
}

#[tokio::test]
async fn what_is_misspelt_erases_nobody() {
    let world = World::new().await;
    let event = json!({ "userId": "7", "event": "x", "messageId": "m1" }).to_string();
    assert_eq!(world.call("POST", "/v1/track", ROOT, event).await.json()["accepted"], 1);
    let path = "/v1/profiles/identifier/user_id/7";
    let cases = [
        ("supress=true", "query_invalid"),
        ("suppress=true&x=1", "query_invalid"),
        ("suppress=yes", "suppress_invalid"),
        ("suppress=", "suppress_invalid"),
        ("suppress", "suppress_invalid"),
        ("suppress=true&suppress=false", "suppress_invalid"),
    ];
    for (query, code) in cases {
        let reply = world.call("DELETE", &format!("{path}?{query}"), ROOT, "").await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, code), "{query}");
    }
    let reply = world.call("DELETE", "/v1/events/m1?really=true", ROOT, "").await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "query_invalid"));
    assert_eq!(world.get(path, ROOT).await.status, 200);
    assert_eq!(world.call("DELETE", &format!("{path}?suppress=true&suppress=true"), ROOT, "").await.status, 200);
}

#[tokio::test]
async fn too_many_waiting_events_are_told_with_when_to_come_back() {
    let world = World::new().await;
    let rules = json!({ "waiting_events_max": 1 }).to_string();
    assert_eq!(world.call("PUT", "/v1/admin/erasures", ROOT, rules).await.status, 200);
    for id in ["m1", "m2"] {
        let event = json!({ "userId": "7", "event": "x", "messageId": id }).to_string();
        assert_eq!(world.call("POST", "/v1/track", ROOT, event).await.json()["accepted"], 1);
    }
    let path = "/v1/profiles/identifier/user_id/7";
    let refused = world.call("DELETE", path, ROOT, "").await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (429, "erasures_waiting"));
    assert_eq!(refused.header("retry-after"), "60");
    assert_eq!(world.get(path, ROOT).await.status, 200);
    let erased = world.call("DELETE", &format!("{path}?suppress=true"), ROOT, "").await;
    assert_eq!((erased.status.as_u16(), erased.json()["events"].as_u64()), (200, Some(2)));
}

#[tokio::test]
async fn the_purge_is_asked_for_and_told_by_the_receipt() {
    let world = World::new().await;
    let event = json!({ "userId": "7", "event": "x", "messageId": "m1" }).to_string();
    world.call("POST", "/v1/track", ROOT, event).await;
    let erased = world.call("DELETE", "/v1/profiles/identifier/user_id/7", ROOT, "").await.json();
    let path = format!("/v1/erasures/{}", erased["id"].as_str().expect("an id"));
    assert_eq!(world.get(&path, ROOT).await.json()["state"], "erased");
    assert_eq!(world.call("POST", "/v1/erasures:purge", ROOT, "").await.status, 202);
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
        let receipt = world.get(&path, ROOT).await.json();
        if receipt["state"] == "purged" {
            assert_eq!((receipt["events"].as_u64(), receipt["purged_at"].is_string()), (Some(1), true));
            return;
        }
    }
    panic!("a purge that is asked for ends");
}

/// What `group` calls said of an account goes with the call, and with whoever said it; what others said of it stays, and is read again.
#[tokio::test]
async fn what_was_said_of_an_account_goes_with_whoever_said_it() {
    let world = World::new().await;
    let say = async |user: &str, id: &str, second: u32, traits: serde_json::Value| {
        let at = format!("2026-01-02T00:00:{second:02}Z");
        let call = json!({ "userId": user, "groupId": "acme", "messageId": id, "timestamp": at, "traits": traits });
        assert_eq!(world.call("POST", "/v1/group", ROOT, call.to_string()).await.json()["accepted"], 1);
    };
    let account = async |name: &str| {
        world.get("/v1/profiles/identifier/group_id/acme", ROOT).await.json().get(name).cloned().unwrap_or_default()
    };
    say("ann", "m1", 1, json!({ "size": 5, "plan": "gold" })).await;
    say("bob", "m2", 2, json!({ "size": 6 })).await;
    say("ann", "m3", 3, json!({ "size": 7, "city": "Paris" })).await;
    assert_eq!((account("size").await, account("plan").await), (json!(7), json!("gold")));
    assert_eq!(world.call("DELETE", "/v1/events/m3", ROOT, "").await.status, 200);
    assert_eq!((account("size").await, account("city").await), (json!(6), json!(null)));
    assert_eq!(account("plan").await, json!("gold"), "what another call of hers said stays");
    say("ann", "m4", 4, json!({ "size": 8 })).await;
    assert_eq!(account("size").await, json!(8));
    assert_eq!(world.call("DELETE", "/v1/profiles/identifier/user_id/ann", ROOT, "").await.status, 200);
    assert_eq!((account("size").await, account("plan").await), (json!(6), json!(null)));
    assert_eq!(world.call("DELETE", "/v1/identities/user_id/bob", ROOT, "").await.status, 200);
    assert_eq!(account("size").await, json!(null));
}

/// Of one attribute the word of the eight who spoke last is kept, and the newest of them is read.
#[tokio::test]
async fn an_account_keeps_the_word_of_those_who_spoke_last() {
    let world = World::new().await;
    for user in 0..12 {
        let at = format!("2026-01-02T00:00:{user:02}Z");
        let call = json!({
            "userId": format!("user-{user}"), "groupId": "acme", "messageId": format!("m{user}"), "timestamp": at,
            "traits": { "size": user, "name": "Acme" },
        });
        assert_eq!(world.call("POST", "/v1/group", ROOT, call.to_string()).await.json()["accepted"], 1);
    }
    let account = async || world.get("/v1/profiles/identifier/group_id/acme", ROOT).await.json();
    for user in (4..12).rev() {
        assert_eq!((&account().await["size"], &account().await["name"]), (&json!(user), &json!("Acme")));
        let path = format!("/v1/profiles/identifier/user_id/user-{user}");
        assert_eq!(world.call("DELETE", &path, ROOT, "").await.status, 200);
    }
    let account = account().await;
    assert!(account.get("size").is_none() && account.get("name").is_none(), "{account}");
}
