//! What goes in by one path and comes out by another.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tessera_seam::settings::ApiSettings;

use super::world::{ROOT, Reply, World, request};

async fn track(world: &World, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    world.send(request("POST", path, "", headers, body.to_owned())).await
}

#[tokio::test]
async fn every_way_of_authenticating_and_every_path_takes_events() {
    let world = World::new().await;
    let key = world.key("public", &["ingest"], &["default"]).await;
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let with_colon = basic(&format!("{key}:"));
    let without_colon = basic(&key);
    let bearer = format!("Bearer {key}");
    let plain = r#"{"userId":"u1","event":"x"}"#;
    let in_body = format!("{{\"userId\":\"u1\",\"event\":\"x\",\"writeKey\":\"{key}\"}}");
    let query = format!("/v1/track?writeKey={key}");
    let oauth = ("authorization", "Bearer some-oauth-token");
    type Way<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let ways: &[Way<'_>] = &[
        ("/v1/track", &[("authorization", &with_colon)], plain),
        ("/v1/track", &[("authorization", &without_colon)], plain),
        ("/v1/track", &[("authorization", &bearer)], plain),
        ("/v1/track", &[], &in_body),
        ("/v1/track", &[("content-type", "text/plain")], &in_body),
        ("/v1/track", &[oauth], &in_body),
        (&query, &[], plain),
    ];
    for (path, headers, body) in ways {
        let reply = track(&world, path, headers, body).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["accepted"]),
            (200, &1.into()),
            "{headers:?}: {}",
            reply.json()
        );
    }
    let batch =
        format!("{{\"batch\":[{{\"type\":\"track\",\"userId\":\"u1\",\"event\":\"x\"}}],\"writeKey\":\"{key}\"}}");
    for path in ["/v1/batch", "/v1/import", "/v1/b", "/beacon/v1/batch"] {
        let reply = track(&world, path, &[], &batch).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["success"]), (200, &true.into()), "{path}");
    }
    for (path, body) in [
        ("/v1/i", json!({ "userId": "u1", "writeKey": key })),
        ("/v1/p", json!({ "userId": "u1", "writeKey": key })),
        ("/v1/s", json!({ "userId": "u1", "writeKey": key })),
        ("/v1/g", json!({ "userId": "u1", "groupId": "g", "writeKey": key })),
        ("/v1/a", json!({ "userId": "u1", "previousId": "u1", "writeKey": key })),
    ] {
        assert_eq!(track(&world, path, &[], &body.to_string()).await.json()["accepted"], 1, "{path}");
    }
    let data = STANDARD.encode(format!("{{\"userId\":\"u1\",\"event\":\"x\",\"writeKey\":\"{key}\"}}"));
    for path in [
        format!("/v1/pixel/track?data={}", data.replace('+', "%2B").replace('/', "%2F")),
        format!("/pixel/v1/track?writeKey={key}&userId=u1&event=x&properties.price=5"),
    ] {
        for method in ["GET", "HEAD"] {
            assert_eq!(world.call(method, &path, "", "").await.header("content-type"), "image/gif");
        }
    }
    let counts = world.get("/v1/admin/counts", ROOT).await.json();
    assert_eq!(counts["events"], 18, "{counts}");
    assert_eq!(track(&world, "/v1/m", &[], "{}").await.json(), json!({ "success": true }));
}

#[tokio::test]
async fn what_was_sent_is_read_back() {
    let world = World::new().await;
    let batch = json!({ "batch": [
        { "type": "identify", "userId": "7001", "anonymousId": "a-1", "messageId": "m1", "timestamp": "2026-01-31T10:00:00Z",
          "traits": { "email": "Ann@Shop.example", "firstName": "Ann", "vip": true } },
        { "type": "track", "userId": "7001", "messageId": "m2", "timestamp": "2026-01-31T11:00:00Z",
          "event": "Order Completed", "properties": { "total": 41.50 }, "context": { "ip": "1.2.3.4" } },
        { "type": "track", "userId": "7001", "messageId": "m2", "event": "again" },
        { "type": "track", "userId": "7001", "messageId": "m3" },
    ] });
    let report = world.call("POST", "/v1/batch", ROOT, batch.to_string()).await.json();
    assert_eq!(
        (&report["accepted"], &report["duplicates"], &report["rejected"]),
        (&2.into(), &1.into(), &1.into()),
        "{report}"
    );
    // The same id with something else: the first stays, and that is told.
    let told = &report["verdicts"][0];
    assert_eq!(
        (&told["index"], &told["status"], &told["code"]),
        (&2.into(), &"duplicate".into(), &"duplicate_differs".into())
    );
    assert_eq!(report["verdicts"][1]["code"], "event_missing");

    let profile = world.get("/v1/profiles/identifier/email/%20ANN%40shop.example", ROOT).await;
    assert_eq!(profile.status, 200, "{}", profile.json());
    let json = profile.json();
    assert_eq!(
        (&json["user_id"], &json["first_name"], &json["vip"]),
        (&"7001".into(), &"Ann".into(), &true.into()),
        "{json}"
    );
    let id = json["profile_id"].as_str().expect("an id").to_owned();
    let by_id = format!("/v1/profiles/id/{id}");
    assert_eq!(world.get(&by_id, ROOT).await.json(), json);

    let etag = profile.header("etag").to_owned();
    for tags in [etag.clone(), format!("\"other\", W/{etag}"), "*".to_owned()] {
        let same = world.send(request("GET", &by_id, ROOT, &[("if-none-match", &tags)], "")).await;
        assert_eq!((same.status.as_u16(), same.body.len()), (304, 0), "{tags}");
        assert_eq!(same.header("etag"), etag);
    }
    let fields = world.get(&format!("{by_id}?fields=identifiers"), ROOT).await.json();
    assert_eq!(
        (&fields["user_id"], &fields["vip"], &fields["profile_id"]),
        (&"7001".into(), &Value::Null, &id.as_str().into())
    );

    let page = world.get(&format!("{by_id}/events?limit=1"), ROOT).await.json();
    assert_eq!(page["events"][0]["event"], "Order Completed");
    assert_eq!(page["events"][0]["properties"], json!({ "total": 41.5 }));
    assert_eq!(page["events"][0]["context"], json!({ "ip": "1.2.3.4" }));
    assert_eq!(page["events"][0]["timestamp"], "2026-01-31T11:00:00Z");
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    let rest = world.get(&format!("{by_id}/events?cursor={cursor}"), ROOT).await.json();
    assert_eq!((&rest["events"][0]["event"], &rest["events"][0]["type"]), (&Value::Null, &"identify".into()));
    assert_eq!((&rest["events"][0]["properties"], &rest["next_cursor"]), (&json!({}), &Value::Null));

    let graph = world.get(&format!("{by_id}/identities"), ROOT).await.json();
    assert_eq!(graph["nodes"].as_array().map(Vec::len), Some(3), "{graph}");
    assert_eq!(graph["links"].as_array().map(Vec::len), Some(2));

    let lookups = json!({ "lookups": [{ "id": id }, { "id": "none" }, { "namespace": "user_id", "value": "7001" }, { "namespace": "nonsense", "value": "x" }] });
    let results = world.call("POST", "/v1/profiles:batchGet", ROOT, lookups.to_string()).await.json();
    assert_eq!(results["results"][0]["profile"], json);
    assert_eq!(results["results"][1]["error"]["code"], "profile_not_found");
    assert_eq!(results["results"][2]["profile"]["user_id"], "7001");
    assert_eq!(results["results"][3]["error"]["code"], "namespace_unknown");

    let receipt = world.call("DELETE", &by_id, ROOT, "").await.json();
    assert_eq!((&receipt["profile_id"], &receipt["events"]), (&id.as_str().into(), &2.into()), "{receipt}");
    assert_eq!(world.get(&by_id, ROOT).await.code(), "profile_not_found");
}

#[tokio::test]
async fn held_links_are_told_and_the_winner_only_to_private_keys() {
    let world = World::new().await;
    let public = world.key("public", &["ingest"], &["default"]).await;
    let event = |user: &str, id: &str| {
        json!({ "userId": user, "messageId": id, "traits": { "email": "ann@shop.example" } }).to_string()
    };
    world.call("POST", "/v1/identify", ROOT, event("1", "m1")).await;
    let told = world.call("POST", "/v1/identify", ROOT, event("2", "m2")).await.json();
    let note = &told["verdicts"][0]["notes"][0];
    assert_eq!((&note["kind"], &note["rule"]), (&"link_held".into(), &"exclusive".into()), "{told}");
    assert!(note["won"].is_array() && note["strength"] == "stated", "{told}");
    let told = world.call("POST", "/v1/identify", &public, event("3", "m3")).await.json();
    let note = &told["verdicts"][0]["notes"][0];
    let (won, strength) = (&note["won"], &note["strength"]);
    assert_eq!((&note["kind"], won, strength), (&"link_held".into(), &Value::Null, &Value::Null), "{told}");
    let unknown = r#"{"userId":"1","event":"x","context":{"externalIds":[{"id":"7","type":"nonsense"}]}}"#;
    let told = world.call("POST", "/v1/track", ROOT, unknown).await.json();
    assert_eq!(
        told["verdicts"][0]["notes"][0],
        json!({ "kind": "identity_ignored", "namespace": "nonsense", "code": "namespace_unknown" })
    );
}

/// Sixty users that a page invents take no address from the customer that a server named.
#[tokio::test]
async fn a_page_takes_no_email_from_a_customer() {
    let world = World::new().await;
    let public = world.key("public", &["ingest"], &["default"]).await;
    let said = |user: &str| {
        let traits = json!({ "email": "ann@shop.example" });
        json!({ "userId": user, "messageId": format!("m-{user}"), "traits": traits }).to_string()
    };
    world.call("POST", "/v1/identify", ROOT, said("7001")).await;
    for at in 0..60 {
        let told = world.call("POST", "/v1/identify", &public, said(&format!("x{at}"))).await;
        assert_eq!(told.status, 200);
    }
    let found = world.get("/v1/profiles/identifier/email/ann%40shop.example", ROOT).await.json();
    assert_eq!(found["user_id"], "7001", "{found}");
}

#[tokio::test]
async fn records_are_written_once_and_read_back() {
    let world = World::new().await;
    let write = json!({ "dataset": "crm", "records": [
        { "identities": [{ "namespace": "user_id", "value": "7" }], "attributes": { "city": "Lyon", "since": { "$timestamp": "2020-01-01" } }, "time": "2026-01-01T00:00:00Z" },
        { "identities": [{ "namespace": "nonsense", "value": "7" }], "attributes": {} },
    ] });
    let report = world.call("POST", "/v1/records", ROOT, write.to_string()).await.json();
    assert_eq!((&report["accepted"], &report["rejected"]), (&1.into(), &1.into()), "{report}");
    let report = world.call("POST", "/v1/records", ROOT, write.to_string()).await.json();
    assert_eq!(report["duplicates"], 1, "{report}");
    let profile = world.get("/v1/profiles/identifier/user_id/7", ROOT).await.json();
    assert_eq!((&profile["city"], &profile["since"]), (&"Lyon".into(), &"2020-01-01T00:00:00Z".into()), "{profile}");
}

#[tokio::test]
async fn the_quarantine_is_listed_dropped_and_replayed() {
    let world = World::new().await;
    let event = |namespace: &str| {
        json!({ "dataset": "d", "identities": [{ "namespace": namespace, "value": "7" }], "attributes": { "a": 1 }, "id": namespace }).to_string()
    };
    world.call("POST", "/v1/records", ROOT, event("loyalty_id")).await;
    world.call("POST", "/v1/records", ROOT, event("never")).await;
    world.call("POST", "/v1/track", ROOT, r#"{"userId":"secret-person"}"#).await;
    let listed = world.get("/v1/admin/quarantine", ROOT).await;
    let items = listed.json()["items"].as_array().cloned().expect("items");
    assert_eq!(items.len(), 3, "{}", listed.json());
    assert_eq!((&items[0]["code"], &items[0]["door"]), (&"event_missing".into(), &"segment".into()));
    assert!(!String::from_utf8_lossy(&listed.body).contains("secret-person"));
    let one = format!("/v1/admin/quarantine/{}", items[0]["id"].as_str().expect("an id"));
    assert!(world.get(&one, ROOT).await.json()["raw"].as_str().expect("raw").contains("secret-person"));
    let filtered = world.get("/v1/admin/quarantine?code=event_missing", ROOT).await.json();
    assert_eq!(filtered["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(world.call("DELETE", &one, ROOT, "").await.status, 204);
    assert_eq!(world.get(&one, ROOT).await.code(), "quarantine_entry_not_found");

    let namespace = json!({ "name": "loyalty_id", "normaliser": "trim", "rules": { "priority": 700 } }).to_string();
    assert_eq!(world.call("POST", "/v1/admin/namespaces", ROOT, namespace.clone()).await.json()["name"], "loyalty_id");
    assert_eq!(world.call("POST", "/v1/admin/namespaces", ROOT, namespace).await.code(), "namespace_exists");
    let replayed = world.call("POST", "/v1/admin/quarantine:replay", ROOT, "").await.json();
    assert_eq!((&replayed["accepted"], &replayed["rejected"]), (&1.into(), &1.into()), "{replayed}");
    assert_eq!(world.get("/v1/profiles/identifier/loyalty_id/7", ROOT).await.json()["a"], 1);
    let left = world.get("/v1/admin/quarantine", ROOT).await.json();
    assert_eq!(left["items"].as_array().map(Vec::len), Some(1), "{left}");
}

#[tokio::test]
async fn what_is_replayed_happened_when_it_came_however_often_it_was_refused() {
    let world = World::new().await;
    let block = |blocked: &str| json!({ "priority": 100, "blocked": [blocked] }).to_string();
    let rules = "/v1/admin/namespaces/anonymous_id";
    assert_eq!(world.call("PUT", rules, ROOT, block("a1")).await.status, 200);
    let batch = json!({ "sentAt": "2026-01-31T12:00:00Z", "batch": [
        { "type": "track", "anonymousId": "a1", "event": "timed", "timestamp": "2026-01-31T11:00:00Z", "messageId": "m1" },
        { "type": "track", "anonymousId": "a1", "event": "untimed" },
    ] });
    assert_eq!(world.call("POST", "/v1/batch", ROOT, batch.to_string()).await.json()["rejected"], 2);
    let refused = world.get("/v1/admin/quarantine", ROOT).await.json();
    let replay = async || {
        world.pass(3_600_000_000);
        let replayed = world.call("POST", "/v1/admin/quarantine:replay", ROOT, "").await.json();
        [&replayed["accepted"], &replayed["rejected"]].map(|count| count.as_u64().unwrap_or_default())
    };
    assert_eq!((replay().await, replay().await), ([0, 2], [0, 2]));
    assert_eq!(world.get("/v1/admin/quarantine", ROOT).await.json(), refused);
    assert_eq!(world.call("PUT", rules, ROOT, block("a2")).await.status, 200);
    assert_eq!(replay().await, [2, 0]);
    assert_eq!(world.get("/v1/admin/quarantine", ROOT).await.json()["items"], json!([]));
    let events = world.get("/v1/profiles/identifier/anonymous_id/a1/events", ROOT).await.json()["events"].clone();
    let at = |index: usize| (events[index]["event"].as_str(), events[index]["timestamp"].as_str().map(|at| &at[..19]));
    assert_eq!(at(0), (Some("untimed"), Some("2026-01-31T12:00:00")), "{events}");
    assert_eq!(at(1), (Some("timed"), Some("2026-01-31T11:00:00")), "{events}");
}

#[tokio::test]
async fn namespaces_are_ruled_and_the_primary_one_names_profiles() {
    let world = World::new().await;
    world.call("POST", "/v1/track", ROOT, r#"{"userId":"7","event":"x"}"#).await;
    let set = world.call("PUT", "/v1/admin/primary-namespace", ROOT, r#"{"namespace":"user_id"}"#).await.json();
    assert_eq!(set["primary_namespace"], "user_id");
    assert_eq!(world.get("/v1/profiles/id/7", ROOT).await.json()["profile_id"], "7");
    let rules = json!({ "priority": 10, "limit": 2, "blocked": ["nobody@shop.example"] }).to_string();
    let changed = world.call("PUT", "/v1/admin/namespaces/email", ROOT, rules).await.json();
    assert_eq!(
        (&changed["priority"], &changed["limit"], &changed["normaliser"]),
        (&10.into(), &2.into(), &"email".into())
    );
    let exclusive = r#"{"priority":10,"exclusive":true}"#;
    assert_eq!(world.call("PUT", "/v1/admin/namespaces/email", ROOT, exclusive).await.code(), "exclusive_taken");
    assert_eq!(world.call("PUT", "/v1/admin/namespaces/none", ROOT, exclusive).await.status, 404);
    assert_eq!(world.call("PUT", "/v1/admin/primary-namespace", ROOT, "{}").await.code(), "body_invalid");
}

#[tokio::test]
async fn organizations_are_apart() {
    let world = World::new().await;
    let made = world.call("POST", "/v1/admin/organizations", ROOT, r#"{"name":"acme"}"#).await;
    assert_eq!(made.json()["name"], "acme", "{}", made.json());
    assert_eq!(
        world.call("POST", "/v1/admin/organizations", ROOT, r#"{"name":"acme"}"#).await.code(),
        "organization_exists"
    );
    let shop = world.call("POST", "/v1/admin/workspaces?organization=acme", ROOT, r#"{"name":"shop"}"#).await;
    assert_eq!(shop.status, 200, "{}", shop.json());
    let new =
        json!({ "name": "admin", "class": "private", "permissions": ["administer", "ingest", "read"] }).to_string();
    let key = world.call("POST", "/v1/admin/keys?organization=acme", ROOT, new).await.json();
    let key = key["secret"].as_str().expect("a secret");
    let seen = world.get("/v1/admin/organizations", key).await.json();
    assert_eq!(seen["items"].as_array().map(Vec::len), Some(1), "{seen}");
    assert_eq!(world.get("/v1/admin/workspaces?organization=default", key).await.code(), "organization_not_found");
    let keys = world.get("/v1/admin/keys", key).await;
    assert!(keys.json()["items"].as_array().is_some_and(|keys| keys.len() == 1));
    assert!(!String::from_utf8_lossy(&keys.body).contains(key));
}

#[tokio::test]
async fn start_up_answers_of_both_browser_sdks() {
    let world = World::new().await;
    let key = world.key("public", &["ingest"], &["default"]).await;
    let path = format!("/v1/projects/{key}/settings");
    let settings = world.send(request("GET", &path, "", &[("host", "cdp.shop.example:8080")], "")).await.json();
    let expected = json!({ "apiKey": key, "apiHost": "cdp.shop.example:8080/v1", "protocol": "http" });
    assert_eq!(settings["integrations"]["Segment.io"], expected);
    assert_eq!(settings["metrics"]["sampleRate"], 0, "a client's own metrics would go to its maker");
    // What anybody may have added on the way, and what is no host, is told to nobody.
    for (headers, host) in [
        (vec![("host", "inner"), ("x-forwarded-host", "evil.example"), ("x-forwarded-proto", "https")], "inner/v1"),
        (vec![("host", "evil\"<script>"), ("x-forwarded-host", "evil.example")], "localhost/v1"),
    ] {
        let reply = world.send(request("GET", &path, "", &headers, "")).await;
        assert_eq!(reply.header("cache-control"), "no-store");
        let expected = json!({ "apiKey": key, "apiHost": host, "protocol": "http" });
        assert_eq!(reply.json()["integrations"]["Segment.io"], expected);
    }
    for path in ["/sourceConfig/?p=web&v=3&writeKey=", "/sourceConfig?writeKey="] {
        let config = world.get(&format!("{path}{key}"), "").await.json();
        assert_eq!((&config["source"]["enabled"], &config["source"]["writeKey"]), (&true.into(), &key.as_str().into()));
        assert_eq!(config["source"]["dataplanes"], json!({}));
    }
    // Where the address is configured, both are told it, whoever asks and however.
    let public_url = Some("https://cdp.shop.example/in".parse().expect("an address"));
    let world = World::with(ApiSettings { public_url, ..ApiSettings::default() }).await;
    let key = world.key("public", &["ingest"], &["default"]).await;
    let headers = [("host", "10.0.0.7:8640"), ("x-forwarded-host", "evil.example")];
    let settings = world.send(request("GET", &format!("/v1/projects/{key}/settings"), "", &headers, "")).await.json();
    let expected = json!({ "apiKey": key, "apiHost": "cdp.shop.example/in/v1", "protocol": "https" });
    assert_eq!(settings["integrations"]["Segment.io"], expected);
    let config = world.send(request("GET", &format!("/sourceConfig?writeKey={key}"), "", &headers, "")).await;
    assert_eq!(config.header("cache-control"), "no-store");
    let plane = &config.json()["source"]["dataplanes"]["US"][0];
    assert_eq!(plane, &json!({ "url": "https://cdp.shop.example/in", "default": true }));
}

/// What RudderStack's browser SDK asks for when it tries again.
const ASKED: &str = "anonymousid,authorization,content-type,sentat,rsa-recovered,rsa-retry-attempt,rsa-since-last-attempt,\
rsa-since-first-attempt,rsa-retry-reason";

#[tokio::test]
async fn pages_may_send_events_and_nothing_else() {
    let world = World::new().await;
    let preflight = |path: &'static str| {
        let headers = [
            ("origin", "https://shop.example"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", ASKED),
        ];
        request("OPTIONS", path, "", &headers, "")
    };
    let ingest =
        crate::doors::DOORS.routes().into_iter().filter(|route| route.from_browsers && !route.path.contains('{'));
    let ingest: Vec<_> = ingest.map(|route| route.path).collect();
    for path in ["/v1/t", "/v1/batch", "/v1/track", "/beacon/v1/batch", "/v1/m", "/sourceConfig/"] {
        assert!(ingest.contains(&path), "{path}");
    }
    for path in ingest {
        let reply = world.send(preflight(path)).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.header("access-control-allow-origin"), "https://shop.example");
        assert_eq!(reply.header("access-control-allow-credentials"), "true");
        assert_eq!(reply.header("access-control-allow-headers"), ASKED);
        assert_eq!(reply.header("access-control-max-age"), "86400");
        // What is said to one page is not to be kept for another.
        assert!(reply.header("vary").contains("origin"), "{}", reply.header("vary"));
    }
    let refused = world.send(request("POST", "/v1/t", "", &[("origin", "https://shop.example")], "{}")).await;
    let origin = refused.header("access-control-allow-origin");
    assert_eq!((refused.status.as_u16(), origin), (401, "https://shop.example"));
    for path in ["/v1/records", "/v1/profiles:batchGet", "/v1/admin/keys", "/healthz"] {
        let reply = world.send(preflight(path)).await;
        assert_eq!((reply.status.as_u16(), reply.header("access-control-allow-origin")), (405, ""), "{path}");
    }
}

#[tokio::test]
async fn long_answers_are_packed_for_those_who_take_it() {
    let world = World::new().await;
    let accept = [("accept-encoding", "gzip, br")];
    let packed = world.send(request("GET", "/openapi.json", "", &accept, "")).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_string(&mut text).expect("gzip");
    assert_eq!(text, crate::openapi_document());
    assert_eq!(world.get("/openapi.json", "").await.header("content-encoding"), "");
    let short = world.send(request("GET", "/healthz", "", &accept, "")).await;
    assert_eq!(short.header("content-encoding"), "");
}

#[tokio::test]
async fn operators_see_health_readiness_and_the_documentation() {
    let world = World::new().await;
    assert_eq!(world.get("/healthz", "").await.status, 200);
    let refused = world.get("/readyz", "").await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "not_ready"));
    world.settings.readiness.open();
    assert_eq!(world.get("/readyz", "").await.status, 200);
    world.settings.readiness.close();
    assert_eq!(world.get("/readyz", "").await.status, 503);
    assert_eq!(world.get("/metrics", "").await.status, 200);
    assert_eq!(world.get("/health", "").await.status, 200);
    assert_eq!(world.get("/version", "").await.json()["version"], env!("CARGO_PKG_VERSION"));
    let page = world.get("/docs/api/", "").await;
    assert!(page.header("content-type").starts_with("text/html"));
    let start = world.get("/docs/api/swagger-initializer.js", "").await;
    assert!(String::from_utf8_lossy(&start.body).contains("/openapi.json"));
    let text = String::from_utf8_lossy(&page.body).into_owned();
    assert!(!text.contains("http://") && !text.contains("https://"), "the page needs nothing from elsewhere");
    world.service.close().await;
}

#[tokio::test]
async fn an_idempotency_key_gives_the_same_answer_again() {
    let world = World::new().await;
    let write = |city: &str| {
        json!({ "dataset": "crm", "records": [{ "identities": [{ "namespace": "user_id", "value": "7" }], "attributes": { "city": city } }] })
            .to_string()
    };
    let send = async |key: &str, body: String| {
        world.send(request("POST", "/v1/records", ROOT, &[("idempotency-key", key)], body)).await
    };
    let first = send("one", write("Lyon")).await;
    assert_eq!(first.json()["accepted"], 1);
    assert_eq!(send("one", write("Lyon")).await.json(), first.json());
    assert_eq!(send("two", write("Nice")).await.json()["accepted"], 1);
    let reused = send("one", write("Nice")).await;
    assert_eq!((reused.status.as_u16(), reused.code()), (409, "idempotency_key_reused".to_owned()));
    let path = "/v1/profiles/identifier/user_id/7";
    let erase = async || world.send(request("DELETE", path, ROOT, &[("idempotency-key", "three")], "")).await;
    let receipt = erase().await.json();
    assert_eq!(receipt["identities"], 1, "{receipt}");
    assert_eq!(erase().await.json(), receipt);
    assert_eq!(world.call("DELETE", path, ROOT, "").await.code(), "profile_not_found");
}
