//! Identity tokens through the doors: what they make of a user id, and that nothing keeps them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

use super::world::{ROOT, World, request};

const PATH: &str = "/v1/admin/identity-tokens";
const SECRET: &str = "a secret of no less than thirty-two bytes";
/// The clock of these tests stands at 1769860800.
const LATER: u64 = 1_769_864_400;

fn token(user: &str, exp: u64) -> String {
    signed(r#"{"alg":"HS256","kid":"one"}"#, &json!({ "sub": user, "exp": exp }), SECRET)
}

fn signed(header: &str, claims: &Value, secret: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

async fn ready(mode: &str) -> (World, String) {
    let world = World::new().await;
    let rules = json!({ "mode": mode, "keys": [{ "kid": "one", "algorithm": "HS256", "secret": SECRET }] });
    let set = world.call("PUT", PATH, ROOT, rules.to_string()).await;
    assert_eq!(set.status, 200, "{}", set.json());
    let key = world.key("public", &["ingest"], &["default"]).await;
    (world, key)
}

fn identify(user: &str, token: Option<&str>) -> Value {
    json!({
        "type": "identify", "userId": user, "anonymousId": format!("device of {user}"), "traits": { "plan": "gold" },
        "context": { "ip": "192.0.2.1", "identityToken": token }
    })
}

async fn send(world: &World, key: &str, events: &[Value]) -> Value {
    let sent = world.call("POST", "/v1/batch", key, json!({ "batch": events }).to_string()).await;
    assert_eq!(sent.status, 200, "{}", sent.json());
    sent.json()
}

/// How strongly the two ids of a user are linked.
async fn strength(world: &World, user: &str) -> Value {
    let graph = world.get(&format!("/v1/profiles/identifier/user_id/{user}/identities"), ROOT).await.json();
    graph["links"][0]["strength"].clone()
}

/// Whether any row of the store holds this text.
async fn holds(world: &World, text: &str) -> bool {
    use tessera_store::{Direction, KeyRange, ScanLimit, Store as _};
    let mut rest = Some(KeyRange::all());
    while let Some(range) = rest {
        let page = world.store.scan(&range, ScanLimit::rows(1_000), Direction::Forward).await.expect("a page");
        let finds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        if page.rows.iter().any(|row| finds(&row.value)) {
            return true;
        }
        rest = page.next;
    }
    false
}

#[tokio::test]
async fn rules_are_set_and_secrets_never_shown() {
    let (world, _) = ready("accept").await;
    let shown = world.get(PATH, ROOT).await;
    let expected = json!({ "mode": "accept", "keys": [{ "kid": "one", "algorithm": "HS256", "public_key": null }] });
    assert_eq!(shown.json(), expected);
    // What is shown can be sent back: the secret stays.
    let key = json!({ "kid": "one", "algorithm": "HS256" });
    let set = world.call("PUT", PATH, ROOT, json!({ "mode": "require", "keys": [key.clone()] }).to_string()).await;
    assert_eq!(set.json()["mode"], "require", "{}", set.json());
    assert!(!String::from_utf8_lossy(&set.body).contains(SECRET));
    let check = async |body: Value, code: &str| {
        assert_eq!(world.call("PUT", PATH, ROOT, body.to_string()).await.code(), code, "{body}");
    };
    check(json!({ "mode": "often" }), "token_mode_unknown").await;
    check(json!({ "mode": "require" }), "token_keys_missing").await;
    check(json!({ "mode": "require", "keys": [{ "kid": "two", "algorithm": "HS256" }] }), "token_key_invalid").await;
    check(json!({ "mode": "require", "keys": [{ "kid": "one", "algorithm": "none" }] }), "token_key_invalid").await;
    check(
        json!({ "mode": "require", "keys": [{ "kid": "one", "algorithm": "RS256", "public_key": "?" }] }),
        "token_key_invalid",
    )
    .await;
    check(
        json!({ "mode": "require", "keys": [{ "kid": "one", "algorithm": "HS256", "secret": "short" }] }),
        "token_key_invalid",
    )
    .await;
    check(json!({ "mode": "off", "keys": vec![key; 5] }), "token_keys_full").await;
    let reader = world.key("private", &["ingest", "read"], &["default"]).await;
    assert_eq!(world.get(PATH, &reader).await.code(), "permission_missing");
}

#[tokio::test]
async fn a_good_token_makes_a_user_id_as_good_as_one_of_a_server() {
    let (world, key) = ready("accept").await;
    let good = token("ann", LATER);
    let told = send(&world, &key, &[identify("ann", Some(&good)), identify("bob", None)]).await;
    assert_eq!((&told["accepted"], &told["verdicts"]), (&2.into(), &json!([])), "{told}");
    assert_eq!(strength(&world, "ann").await, "verified");
    assert_eq!(strength(&world, "bob").await, "observed");
    for (wrong, code) in [
        (token("eve", LATER), "identity_token_invalid"),
        (token("cid", 1_769_860_800), "identity_token_expired"),
        (
            signed(
                r#"{"alg":"HS256"}"#,
                &json!({ "sub": "cid", "exp": LATER }),
                "some other secret of thirty-two bytes",
            ),
            "identity_token_invalid",
        ),
        ("none".to_owned(), "identity_token_invalid"),
    ] {
        let told = send(&world, &key, &[identify("cid", Some(&wrong))]).await;
        assert_eq!(told["accepted"], 1, "{told}");
        assert_eq!(told["verdicts"][0]["notes"][0], json!({ "kind": "identity_unverified", "code": code }), "{told}");
    }
    assert_eq!(strength(&world, "cid").await, "observed");
    assert!(!holds(&world, "identityToken").await && !holds(&world, &good).await, "nothing keeps a token");
    let events = world.get("/v1/profiles/identifier/user_id/ann/events", ROOT).await.json();
    assert_eq!(events["events"][0]["context"], json!({ "ip": "192.0.2.1" }), "{events}");
}

#[tokio::test]
async fn a_user_id_without_a_token_is_refused_where_one_is_required() {
    let (world, key) = ready("require").await;
    let good = token("ann", LATER);
    let told = send(
        &world,
        &key,
        &[
            identify("ann", None),
            identify("ann", Some(&token("ann", 1_769_860_799))),
            identify("ann", Some(&token("eve", LATER))),
            json!({ "type": "track", "anonymousId": "device", "event": "Seen" }),
            identify("ann", Some(&good)),
        ],
    )
    .await;
    assert_eq!((&told["accepted"], &told["rejected"]), (&2.into(), &3.into()), "{told}");
    let codes: Vec<&str> =
        told["verdicts"].as_array().expect("verdicts").iter().filter_map(|own| own["code"].as_str()).collect();
    assert_eq!(codes, ["identity_token_missing", "identity_token_expired", "identity_token_invalid"]);
    assert_eq!(strength(&world, "ann").await, "verified");
    // Servers are asked for none.
    assert_eq!(send(&world, ROOT, &[identify("bob", None)]).await["accepted"], 1);
    // One token for a batch, or for the call.
    let anywhere = json!({ "userId": "ann", "event": "Bought" });
    let batch = json!({
        "batch": [{ "type": "track", "userId": "ann", "event": "Bought" }], "context": { "identityToken": good, "locale": "fr" }
    });
    assert_eq!(world.call("POST", "/v1/batch", &key, batch.to_string()).await.json()["accepted"], 1);
    let headers = [("x-tessera-identity-token", good.as_str())];
    let sent = world.send(request("POST", "/v1/track", &key, &headers, anywhere.to_string())).await;
    assert_eq!(sent.json()["accepted"], 1, "{}", sent.json());
    assert_eq!(world.call("POST", "/v1/track", &key, anywhere.to_string()).await.json()["rejected"], 1);
    assert!(!holds(&world, &good).await, "nothing keeps a token");
}

#[tokio::test]
async fn a_token_vouches_for_its_own_user_id_alone() {
    let (world, key) = ready("require").await;
    let good = token("eve", LATER);
    let mut event = identify("eve", Some(&good));
    event["context"]["externalIds"] =
        json!([{ "type": "user_id", "id": "ann", "collection": "users", "encoding": "none" }]);
    let told = send(&world, &key, &[event]).await;
    let note = json!({ "kind": "identity_ignored", "namespace": "user_id", "code": "identity_token_invalid" });
    assert_eq!((&told["accepted"], &told["verdicts"][0]["notes"][0]), (&1.into(), &note), "{told}");
    assert_eq!(world.get("/v1/profiles/identifier/user_id/ann", ROOT).await.status, 404);
    let outside = json!({
        "type": "track", "anonymousId": "device", "event": "Seen",
        "context": { "externalIds": [{ "type": "user_id", "id": "ann", "collection": "users", "encoding": "none" }] }
    });
    let told = send(&world, &key, &[outside]).await;
    assert_eq!(told["verdicts"][0]["code"], "identity_token_missing", "{told}");
    let alias = json!({ "type": "alias", "userId": "eve", "previousId": "ann", "context": { "identityToken": good } });
    send(&world, &key, &[alias]).await;
    assert_eq!(world.get("/v1/profiles/identifier/user_id/ann", ROOT).await.status, 404);
}

#[tokio::test]
async fn what_is_kept_of_a_refused_event_says_whether_somebody_vouched_and_not_how() {
    let (world, key) = ready("require").await;
    let good = token("ann", LATER);
    let path = "/v1/admin/namespaces/user_id";
    let rules = |blocked: &str| json!({ "priority": 500, "exclusive": true, "blocked": [blocked] }).to_string();
    assert_eq!(world.call("PUT", path, ROOT, rules("ann")).await.status, 200);
    let event = |user: &str, token: Option<&str>| json!({ "type": "track", "userId": user, "event": "Bought", "context": { "identityToken": token } });
    let big =
        json!({ "type": "track", "userId": "ann", "event": "x".repeat(40_000), "context": { "identityToken": good } });
    let told = send(&world, &key, &[event("ann", Some(&good)), event("bob", None), big]).await;
    assert_eq!(told["rejected"], 3, "{told}");
    assert!(!holds(&world, "identityToken").await && !holds(&world, &good).await, "nothing keeps a token");
    assert_eq!(world.call("PUT", path, ROOT, rules("nobody")).await.status, 200);
    // The token has ended meanwhile; it had vouched when the event came.
    world.pass(86_400_000_000);
    let replayed = world.call("POST", "/v1/admin/quarantine:replay", ROOT, "").await.json();
    assert_eq!((&replayed["accepted"], &replayed["rejected"]), (&1.into(), &2.into()), "{replayed}");
    assert_eq!(world.get("/v1/profiles/identifier/user_id/ann", ROOT).await.status, 200);
    assert_eq!(world.get("/v1/profiles/identifier/user_id/bob", ROOT).await.status, 404);
}

#[tokio::test]
async fn pages_may_send_the_header() {
    let world = World::new().await;
    let headers = [
        ("origin", "https://shop.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,x-tessera-identity-token"),
    ];
    let reply = world.send(request("OPTIONS", "/v1/batch", "", &headers, "")).await;
    let allowed = reply.header("access-control-allow-headers").to_ascii_lowercase();
    assert!(allowed.split(',').any(|name| name.trim() == "x-tessera-identity-token"), "{allowed}");
}
