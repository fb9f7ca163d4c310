//! What a person stated last is what is read, also where a rule holds its link.

use serde_json::{Value, json};

use super::world::{ROOT, World};

async fn identify(world: &World, user: &str, second: u32, traits: Value) -> Value {
    let at = format!("2026-01-02T00:00:{second:02}Z");
    let call = json!({ "userId": user, "messageId": format!("{user}-{second}"), "timestamp": at, "traits": traits });
    let report = world.call("POST", "/v1/identify", ROOT, call.to_string()).await.json();
    assert_eq!(report["accepted"], 1, "{report}");
    report
}

async fn read(world: &World, user: &str) -> Value {
    world.get(&format!("/v1/profiles/identifier/user_id/{user}"), ROOT).await.json()
}

/// Why the links of a profile to this value do not hold.
async fn held(world: &World, user: &str, value: &str) -> Vec<String> {
    let graph = world.get(&format!("/v1/profiles/identifier/user_id/{user}/identities"), ROOT).await.json();
    let held = graph["held"].as_array().expect("a list").iter();
    let is_of = |link: &&Value| link["between"].as_array().expect("two").iter().any(|end| end["value"] == value);
    held.filter(is_of).map(|link| link["reason"].as_str().expect("a rule").to_owned()).collect()
}

#[tokio::test]
async fn the_address_of_somebody_else_is_read_as_stated() {
    let world = World::new().await;
    identify(&world, "bob", 1, json!({ "email": "shared@x.example" })).await;
    identify(&world, "ann", 2, json!({ "email": "ann@x.example" })).await;
    let report = identify(&world, "ann", 3, json!({ "email": " Shared@X.example" })).await;
    assert!(report.to_string().contains("exclusive"), "the verdict says what holds it: {report}");
    assert_eq!(read(&world, "ann").await["email"], "shared@x.example");
    assert_eq!(held(&world, "ann", "shared@x.example").await, ["exclusive"]);
    assert_eq!(read(&world, "bob").await["email"], "shared@x.example");
    // An address that is erased is read nowhere, whoever stated it.
    assert_eq!(world.call("DELETE", "/v1/identities/email/shared%40x.example", ROOT, "").await.status, 200);
    assert_eq!(read(&world, "ann").await["email"], "ann@x.example");
    assert_eq!(read(&world, "bob").await.get("email"), None);
    // Later she states her own again, and an older word that comes late changes nothing.
    identify(&world, "ann", 9, json!({ "email": "ann@x.example" })).await;
    assert_eq!(read(&world, "ann").await["email"], "ann@x.example");
    identify(&world, "ann", 5, json!({ "email": "shared@x.example" })).await;
    assert_eq!(read(&world, "ann").await["email"], "ann@x.example");
}

#[tokio::test]
async fn one_address_more_than_the_limit_is_read_as_stated() {
    let world = World::new().await;
    let rules = json!({ "priority": 300, "limit": 2 }).to_string();
    assert_eq!(world.call("PUT", "/v1/admin/namespaces/email", ROOT, rules).await.status, 200);
    for at in 1..=4 {
        identify(&world, "ann", at, json!({ "email": format!("{at}@x.example"), "phone": "+33612345678" })).await;
        assert_eq!(read(&world, "ann").await["email"], format!("{at}@x.example"));
    }
    assert_eq!(held(&world, "ann", "4@x.example").await, ["limit"]);
    // Rules see what a read shows.
    let profile = json!({ "namespace": "user_id", "value": "ann" });
    let asked = json!({ "pql": "email = \"4@x.example\"", "profile": profile });
    let answer = world.call("POST", "/v1/rules:evaluate", ROOT, asked.to_string()).await.json();
    assert_eq!(answer["value"], true, "{answer}");
    // What is erased of her is not read any more.
    assert_eq!(world.call("DELETE", "/v1/events/ann-4", ROOT, "").await.status, 200);
    assert_eq!(read(&world, "ann").await["email"], "2@x.example");
}

/// Who states what another holds is shown with it, and called by what leads to it.
#[tokio::test]
async fn no_two_profiles_are_called_alike() {
    let world = World::new().await;
    let call = |method: &'static str, path: &'static str, body: Value| world.call(method, path, ROOT, body.to_string());
    assert_eq!(call("PUT", "/v1/admin/primary-namespace", json!({ "namespace": "email" })).await.status, 200);
    for who in ["ann", "ben", "cat"] {
        let email = if who == "cat" { "cat@x.example" } else { "both@x.example" };
        let said = json!({ "userId": who, "messageId": who, "traits": { "email": email } });
        assert_eq!(call("POST", "/v1/identify", said).await.json()["accepted"], 1);
    }
    let profile = async |path: String| {
        let reply = world.get(&path, ROOT).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.json());
        reply.json()
    };
    let mut named = Vec::new();
    for who in ["ann", "ben", "cat"] {
        let own = profile(format!("/v1/profiles/identifier/user_id/{who}")).await;
        let email = if who == "cat" { "cat@x.example" } else { "both@x.example" };
        assert_eq!(own["email"], email, "{own}");
        let id = own["profile_id"].as_str().expect("a name").to_owned();
        assert_eq!(profile(format!("/v1/profiles/id/{}", id.replace('@', "%40"))).await, own, "{who}");
        named.push(id);
    }
    assert_eq!((&*named[0], &*named[2]), ("both@x.example", "cat@x.example"));
    // Nobody takes a name that we draw: what a page says stands behind it.
    assert_eq!(call("PUT", "/v1/admin/primary-namespace", json!({ "namespace": "user_id" })).await.status, 200);
    let visit = json!({ "anonymousId": "browser", "messageId": "v", "event": "Seen" });
    assert_eq!(call("POST", "/v1/track", visit).await.json()["accepted"], 1);
    let visitor = profile("/v1/profiles/identifier/anonymous_id/browser".to_owned()).await;
    let id = visitor["profile_id"].as_str().expect("an id").to_owned();
    let page = world.key("public", &["ingest"], &["default"]).await;
    let hostile = json!({ "userId": id, "messageId": "h", "event": "Seen" }).to_string();
    assert_eq!(world.call("POST", "/v1/track", &page, hostile).await.json()["accepted"], 1);
    assert_eq!(profile(format!("/v1/profiles/id/{id}")).await, visitor);
    let other = profile(format!("/v1/profiles/identifier/user_id/{id}")).await;
    assert_eq!(other["user_id"], id, "{other}");
}
