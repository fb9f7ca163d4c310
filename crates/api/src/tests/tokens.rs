//! Signing keys and token issuers through the doors: what is shown, what is published, what is refused.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::{Map, Value, json};
use tessera_service::Settings;
use tessera_service::directory::WorkspaceId;
use tessera_store::{Direction, KeyRange, ScanLimit, Store as _};

use super::world::{ROOT, Reply, World, request};

const KEYS: &str = "/v1/admin/signing-keys";
const ISSUERS: &str = "/v1/admin/token-issuers";
const JWKS: &str = "/v1/organizations/default/workspaces/default/jwks.json";
/// The clock of these tests stands at 1769860800.
const LATER: u64 = 1_769_864_400;
const DAY: i64 = 86_400_000_000;
/// A public key, made with `openssl` for these tests alone.
pub(super) const PEM: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqMx0Oaw4B6OzMGf93Vsj
UII8Otr0Yvrhwus2ewh+x6Jmv5yAmVquX/u5Hb1kOjyJlpqBvBwzq8jgoWt96EHC
CM6RJAkJrlnBp1nf8GwVywShW++EbuFk70At4AkpFz9Ig5DWfZGlUVk/QzEK2rwe
VDwn/ZD8FrbY4zEzPbNfW5cKOxS2+vxysMmFMV9tTxa3WtmClZcrl/3dt+rg5lCD
es0bM2hcb95Mkg767NCpzadnRk/dOh+66ALZ6cYL7by+7UYYBKjdyUxEJjIYI+RA
NB9vUuerJUhQcVB2IqJTSYax9GtOL1jyMWDZEfe4jUQxihHU7i44ObxRL/3gcPFQ
SwIDAQAB
-----END PUBLIC KEY-----";

async fn home(world: &World) -> WorkspaceId {
    let directory = world.service.directory().snapshot();
    let organization = directory.organization_by_name("default").expect("an organization");
    directory.workspace_by_name(organization.id, "default").expect("a workspace").id
}

async fn sign(world: &World, iss: &str) -> String {
    let Value::Object(claims) = json!({ "iss": iss, "exp": LATER + 200_000, "email": "ann@shop.example" }) else {
        unreachable!("an object")
    };
    world.service.tokens().sign(home(world).await, claims, world.service.now()).await.expect("a token")
}

async fn rotate(world: &World, body: Value) -> Reply {
    world.call("POST", KEYS, ROOT, body.to_string()).await
}

async fn kids(world: &World) -> Vec<String> {
    let shown = world.get(JWKS, "").await.json();
    let kid = |key: &Value| key["kid"].as_str().expect("a kid").to_owned();
    shown["keys"].as_array().expect("keys").iter().map(kid).collect()
}

/// How many private keys stand in the store, and in rows of which families.
async fn private_keys(world: &World) -> (usize, BTreeSet<u8>) {
    /// How every private key of RSA begins after its length (RFC 5208).
    const BEGIN: &[u8] = b"\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
    let (mut rest, mut count, mut families) = (Some(KeyRange::all()), 0, BTreeSet::new());
    while let Some(range) = rest {
        let page = world.store.scan(&range, ScanLimit::rows(1_000), Direction::Forward).await.expect("a page");
        for row in &page.rows {
            let found = row.value.windows(BEGIN.len()).filter(|bytes| *bytes == BEGIN).count();
            count += found;
            families.extend((found > 0).then(|| row.key.as_bytes()[4]));
        }
        rest = page.next;
    }
    (count, families)
}

/// Whether a token is signed by what is published, verified by what knows nothing of us.
async fn is_published(world: &World, token: &str) -> bool {
    let (signed, tag) = token.rsplit_once('.').expect("three parts");
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
    let header = signed.split_once('.').expect("two parts").0;
    let header: Map<String, Value> = serde_json::from_slice(&decode(header)).expect("a header");
    let keys = world.get(JWKS, "").await.json();
    let key = keys["keys"].as_array().expect("keys").iter().find(|key| key["kid"] == header["kid"]).cloned();
    let Some(key) = key else { return false };
    let number = |name: &str| decode(key[name].as_str().expect("a number"));
    let public = RsaPublicKeyComponents { n: number("n"), e: number("e") };
    public.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &decode(tag)).is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_token_makes_a_key_that_everybody_may_read() {
    let world = World::new().await;
    assert_eq!(world.get(KEYS, ROOT).await.json(), json!({ "keys": [], "jwks_path": JWKS }));
    assert_eq!(world.get(JWKS, "").await.json(), json!({ "keys": [] }));
    let token = sign(&world, "consumer").await;
    let published = world.get(JWKS, "").await;
    assert_eq!(published.status, 200);
    assert_eq!(published.header("cache-control"), "public, max-age=300");
    let key = &published.json()["keys"][0];
    assert_eq!(
        (&key["kty"], &key["use"], &key["alg"], &key["e"]),
        (&json!("RSA"), &json!("sig"), &json!("RS256"), &json!("AQAB"))
    );
    assert!(is_published(&world, &token).await);
    let shown = world.get(KEYS, ROOT).await;
    let one = &shown.json()["keys"][0];
    assert_eq!(
        (&one["kid"], &one["bits"], &one["signs"], &one["ends_at"]),
        (&key["kid"], &json!(2048), &json!(true), &Value::Null)
    );
    assert_eq!(one["made_at"], "2026-01-31T12:00:00Z");
    // Neither who is not there nor who has no keys is told apart.
    world.workspace("other").await;
    for path in ["default/workspaces/other", "default/workspaces/none", "none/workspaces/default"] {
        let reply = world.get(&format!("/v1/organizations/{path}/jwks.json"), "").await;
        assert_eq!((reply.status.as_u16(), reply.json()), (200, json!({ "keys": [] })), "{path}");
    }
    let members = ["\"d\"", "\"p\"", "\"q\"", "pkcs8", "PRIVATE"];
    for body in [published.body, shown.body] {
        let body = String::from_utf8_lossy(&body).into_owned();
        assert!(members.iter().all(|member| !body.contains(member)), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_overlaps_and_outlives_a_start() {
    let world = World::new().await;
    let old = sign(&world, "consumer").await;
    let rotated = rotate(&world, json!({})).await;
    assert_eq!(rotated.status, 200, "{}", rotated.json());
    let keys = &rotated.json()["keys"];
    assert_eq!((&keys[0]["signs"], &keys[0]["ends_at"]), (&json!(false), &json!("2026-02-01T12:00:00Z")));
    assert_eq!((&keys[1]["signs"], &keys[1]["ends_at"]), (&json!(true), &Value::Null));
    let new = sign(&world, "consumer").await;
    let before = kids(&world).await;
    assert_eq!(before.len(), 2);
    assert!(is_published(&world, &old).await && is_published(&world, &new).await);
    let world = world.reopened(Settings::default()).await;
    assert_eq!(kids(&world).await, before);
    world.pass(DAY - 1_000_000);
    assert!(is_published(&world, &old).await);
    world.pass(2_000_000);
    assert!(!is_published(&world, &old).await && is_published(&world, &new).await);
    assert_eq!(world.get(KEYS, ROOT).await.json()["keys"].as_array().expect("keys").len(), 1);
    // Sent again, a rotation is done once.
    let headers = [("idempotency-key", "once")];
    let again = async || world.send(request("POST", KEYS, ROOT, &headers, r#"{"overlap_secs":0}"#)).await.json();
    let before = private_keys(&world).await;
    assert_eq!(again().await, again().await);
    assert_eq!(kids(&world).await.len(), 1);
    // The configuration alone has private halves, and none of a key that is gone.
    assert_eq!((before.1, private_keys(&world).await), (BTreeSet::from([1]), (1, BTreeSet::from([1]))));
    assert!(!is_published(&world, &new).await, "with no overlap nothing of before stands");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_a_signing_key_is_refused() {
    let world = World::new().await;
    let check = async |body: Value, code: &str| assert_eq!(rotate(&world, body.clone()).await.code(), code, "{body}");
    check(json!({ "bits": 1024 }), "signing_key_bits_invalid").await;
    check(json!({ "bits": "2048" }), "body_invalid").await;
    check(json!({ "private_key": "?" }), "body_invalid").await;
    assert_eq!(rotate(&world, json!({})).await.status, 200);
    check(json!({ "overlap_secs": 2_592_001 }), "signing_overlap_invalid").await;
    for _ in 0..3 {
        assert_eq!(rotate(&world, json!({})).await.status, 200);
    }
    check(json!({}), "signing_keys_full").await;
    let largest = rotate(&world, json!({ "bits": 4096, "overlap_secs": 0 })).await.json();
    assert_eq!((largest["keys"].as_array().map(Vec::len), &largest["keys"][0]["bits"]), (Some(1), &json!(4096)));
    let token = sign(&world, "consumer").await;
    assert!(is_published(&world, &token).await);
    let tag = token.rsplit_once('.').expect("three parts").1;
    assert_eq!(URL_SAFE_NO_PAD.decode(tag).expect("base64url").len(), 512);
    let reader = world.key("private", &["ingest", "read", "operate"], &["default"]).await;
    assert_eq!(world.get(KEYS, &reader).await.code(), "permission_missing");
    assert_eq!(world.call("POST", KEYS, &reader, "{}").await.code(), "permission_missing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn issuers_are_set_listed_and_deleted() {
    let world = World::new().await;
    // Another workspace's key stands for a foreign issuer's.
    let token = sign(&world, "verification-service").await;
    let jwks = world.get(JWKS, "").await.json();
    let pem = world.get(KEYS, ROOT).await.json()["keys"][0]["public_key"].clone();
    let kid = jwks["keys"][0]["kid"].clone();
    let path = format!("{ISSUERS}/verification");
    let put = async |path: &str, body: Value| world.call("PUT", path, ROOT, body.to_string()).await;
    let set = json!({ "iss": "verification-service", "algorithm": "RS256", "jwks": jwks });
    let shown = json!({
        "name": "verification", "iss": "verification-service", "algorithm": "RS256", "audiences": [],
        "public_keys": [{ "kid": kid, "public_key": pem }]
    });
    let reply = put(&path, set.clone()).await;
    assert_eq!((reply.status.as_u16(), reply.json()), (200, shown.clone()));
    assert_eq!(world.get(ISSUERS, ROOT).await.json(), json!({ "items": [shown] }));
    let workspace = home(&world).await;
    let verified = async || {
        let claims = world.service.tokens().verify_foreign(workspace, &token, world.service.now()).await;
        claims.map(|claims| claims.text("email").map(str::to_owned)).map_err(|error| error.code)
    };
    assert_eq!(verified().await, Ok(Some("ann@shop.example".to_owned())));
    let keyed = json!({ "iss": "verification-service", "algorithm": "RS256", "audiences": ["shop"], "public_keys": [{ "public_key": pem }] });
    assert_eq!(put(&path, keyed.clone()).await.status, 200);
    assert_eq!(verified().await, Err("token_audience_wrong"));
    let with = |name: &str, value: Value| {
        let mut keyed = keyed.clone();
        keyed[name] = value;
        keyed
    };
    let check =
        async |path: &str, body: Value, code: &str| assert_eq!(put(path, body.clone()).await.code(), code, "{body}");
    for algorithm in ["none", "HS256", "RS512", ""] {
        check(&path, with("algorithm", algorithm.into()), "token_issuer_invalid").await;
    }
    check(&path, with("iss", "".into()), "token_issuer_invalid").await;
    check(&path, with("public_keys", json!([])), "token_issuer_invalid").await;
    check(&path, with("jwks", jwks.clone()), "token_issuer_invalid").await;
    check(&path, with("public_keys", Value::Null), "token_issuer_invalid").await;
    check(&path, with("public_keys", json!([{ "public_key": "?" }])), "token_key_invalid").await;
    check(&path, with("jwks_uri", "https://issuer.example/jwks.json".into()), "body_invalid").await;
    let mut empty = set.clone();
    empty["jwks"] = json!({ "keys": [] });
    check(&path, empty, "token_jwks_invalid").await;
    check(&format!("{ISSUERS}/Other"), keyed.clone(), "name_invalid").await;
    check(&format!("{ISSUERS}/other"), keyed.clone(), "token_issuer_taken").await;
    assert_eq!(world.call("DELETE", &path, ROOT, "").await.status, 204);
    assert_eq!(world.call("DELETE", &path, ROOT, "").await.code(), "token_issuer_not_found");
    assert_eq!(verified().await, Err("token_issuer_unknown"));
    let reader = world.key("private", &["ingest", "read"], &["default"]).await;
    assert_eq!(world.get(ISSUERS, &reader).await.code(), "permission_missing");
}
