//! Bad input: each gets its documented code, in our shape, and nothing panics.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::world::{ROOT, Reply, World, request};

fn packed(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything")
}

fn check_shape(reply: &Reply, status: u16, code: &str, what: &str) {
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (status, code), "{what}: {}", reply.json());
    let json = reply.json();
    assert_eq!(json["error"]["request_id"].as_str(), Some(reply.header("x-request-id")), "{what}");
    assert!(json["error"]["message"].is_string() && json["error"]["retry"].is_string(), "{what}");
    assert_eq!(reply.header("content-type"), "application/json", "{what}");
    assert!(tessera_seam::codes::find(code).is_some(), "{code} is not in the table");
}

#[tokio::test]
async fn bodies_that_cannot_be_read_have_their_codes() {
    let world = World::new().await;
    let deep = [vec![b'['; 200_000], vec![b']'; 200_000]].concat();
    let batch = "/v1/batch";
    let cases: &[(&str, &[u8], u16, &str)] = &[
        (batch, b"", 400, "body_missing"),
        (batch, b"{\"batch\":[", 400, "json_invalid"),
        (batch, b"\xff\xfe", 400, "utf8_invalid"),
        (batch, b"[]", 400, "body_invalid"),
        (batch, &deep, 400, "body_invalid"),
        (batch, b"{\"batch\":[]}", 400, "batch_empty"),
        ("/v1/track", b"{\"userId\":", 400, "json_invalid"),
        ("/v1/track", b"", 400, "body_missing"),
        ("/v1/merge", b"{}", 400, "method_unsupported"),
        ("/v1/records", b"{}", 400, "body_invalid"),
        ("/v1/records", &deep, 400, "body_invalid"),
        ("/v1/records", b"{\"dataset\":\"d\",\"records\":[]}", 400, "batch_empty"),
        ("/v1/profiles:batchGet", b"{\"lookups\":[{}]}", 400, "lookup_invalid"),
        ("/v1/admin/workspaces", b"{\"name\":\"No Good\"}", 400, "name_invalid"),
        ("/v1/admin/workspaces", b"{\"name\":7}", 400, "body_invalid"),
        ("/v1/admin/workspaces", b"{\"name\":\"default\"}", 409, "workspace_exists"),
        ("/v1/admin/keys", b"{\"name\":\"k\",\"class\":\"secret\",\"permissions\":[]}", 400, "class_unknown"),
        (
            "/v1/admin/namespaces",
            b"{\"name\":\"x\",\"normaliser\":\"rot13\",\"rules\":{\"priority\":1}}",
            400,
            "namespace_invalid",
        ),
    ];
    for (path, body, status, code) in cases {
        let reply = world.call("POST", path, ROOT, body.to_vec()).await;
        check_shape(&reply, *status, code, path);
    }
}

#[tokio::test]
async fn oversized_bodies_are_cut_off_packed_or_not() {
    let world = World::new().await;
    let gzip = [("content-encoding", "gzip")];
    for path in ["/v1/batch", "/v1/track", "/v1/records", "/v1/profiles:batchGet", "/v1/admin/keys"] {
        let bomb = packed(&vec![b' '; 50_000_000]);
        assert!(bomb.len() < 100_000);
        let reply = world.send(request("POST", path, ROOT, &gzip, bomb)).await;
        check_shape(&reply, 413, "body_too_large", path);
        let reply = world.call("POST", path, ROOT, vec![b' '; 5 << 20]).await;
        check_shape(&reply, 413, "body_too_large", path);
        let reply = world.send(request("POST", path, ROOT, &gzip, "no gzip")).await;
        check_shape(&reply, 400, "content_encoding_invalid", path);
        let reply = world.send(request("POST", path, ROOT, &[("content-encoding", "br")], "x")).await;
        check_shape(&reply, 400, "content_encoding_invalid", path);
    }
    let large = format!("{{\"batch\":[{{\"type\":\"track\",\"p\":\"{}\"}}]}}", "x".repeat(4_000 * 1024));
    check_shape(
        &world.call("POST", "/v1/batch", ROOT, large).await,
        400,
        "batch_too_large",
        "a batch of over 4,000 KB",
    );
}

#[tokio::test]
async fn an_event_of_too_many_bytes_is_an_error_alone_and_a_verdict_among_others() {
    let world = World::new().await;
    let event = |bytes: usize| {
        let around = r#"{"type":"track","userId":"u","event":"x","properties":{"p":""}}"#.len();
        let pad = "x".repeat(bytes - around);
        format!(r#"{{"type":"track","userId":"u","event":"x","properties":{{"p":"{pad}"}}}}"#)
    };
    for path in ["/v1/track", "/v1/t"] {
        let taken = world.call("POST", path, ROOT, event(32_768)).await;
        assert_eq!((taken.status.as_u16(), &taken.json()["accepted"]), (200, &1.into()), "{path}");
        check_shape(&world.call("POST", path, ROOT, event(32_769)).await, 400, "event_too_large", path);
    }
    let batch = format!("{{\"batch\":[{},{},{}]}}", event(100), event(32_769), event(32_768));
    let report = world.call("POST", "/v1/batch", ROOT, batch).await.json();
    assert_eq!((&report["accepted"], &report["rejected"]), (&2.into(), &1.into()), "{report}");
    let verdict = &report["verdicts"][0];
    assert_eq!((&verdict["index"], &verdict["code"]), (&1.into(), &"event_too_large".into()), "{report}");
}

#[tokio::test]
async fn batches_as_large_as_rudderstack_sends_are_taken() {
    let world = World::new().await;
    let batch = |events: usize, bytes: usize| {
        let pad = "x".repeat(bytes - 100);
        let event =
            |n: usize| format!(r#"{{"type":"track","userId":"u{n}","event":"x","properties":{{"p":"{pad}"}}}}"#);
        format!("{{\"batch\":[{}]}}", (0..events).map(event).collect::<Vec<_>>().join(","))
    };
    for path in ["/v1/batch", "/beacon/v1/batch", "/v1/import"] {
        for (events, bytes) in [(95, 8_300), (125, 32_700)] {
            let body = batch(events, bytes);
            assert!((780_000..=4_000 * 1024).contains(&body.len()), "{}", body.len());
            let gzip = [("content-encoding", "gzip")];
            let reply = world.send(request("POST", path, ROOT, &gzip, packed(body.as_bytes()))).await;
            assert_eq!((reply.status.as_u16(), &reply.json()["accepted"]), (200, &events.into()), "{path}");
        }
    }
}

#[tokio::test]
async fn events_may_be_nested_as_deep_as_segment_takes_them_and_are_read_back() {
    let world = World::new().await;
    let nested = |depth: usize| {
        let (objects, lists) = (depth / 2, depth - depth / 2);
        format!("{}1{}", "{\"a\":".repeat(objects) + &"[".repeat(lists), "]".repeat(lists) + &"}".repeat(objects))
    };
    let send = async |name: &str, depth: usize| {
        let event = format!(r#"{{"userId":"u","event":"{name}","properties":{{"a":{},"b":2}}}}"#, nested(depth));
        world.call("POST", "/v1/track", ROOT, event).await.json()
    };
    let strict = world.call("PUT", "/v1/data-model/datasets/segment", ROOT, r#"{"mode":"warn"}"#).await;
    assert_eq!(strict.status, 200);
    // The event and its properties are two levels more.
    for depth in [100, 198] {
        assert_eq!(send("Deep", depth).await["accepted"], 1, "{depth}");
    }
    assert_eq!(send("Deep", 199).await["verdicts"][0]["code"], "event_too_deep");
    let timeline = world.get("/v1/profiles/identifier/user_id/u/events", ROOT).await;
    let timeline = String::from_utf8_lossy(&timeline.body);
    assert!([100, 198].iter().all(|depth| timeline.contains(&nested(*depth))));
    // Rules read them too, kept and asked.
    for (pql, expected) in [
        ("xEvent[eventType = \"Deep\"].sum(properties.b)", "4"),
        ("xEvent[eventType = \"Deep\"].properties.a.distinct().count()", "2"),
    ] {
        let ask = json!({ "profile": { "namespace": "user_id", "value": "u" }, "pql": pql }).to_string();
        let value = world.call("POST", "/v1/rules:evaluate", ROOT, ask).await.json();
        assert_eq!(value["value"].to_string(), expected, "{pql}: {value}");
    }
    // Traits become attributes, which lie less deep.
    let traits = format!(r#"{{"userId":"v","traits":{{"a":{}}}}}"#, nested(150));
    assert_eq!(world.call("POST", "/v1/identify", ROOT, traits).await.status, 200);
}

#[tokio::test]
async fn paths_methods_and_queries_have_our_shape() {
    let world = World::new().await;
    let cases: &[(&str, &str, u16, &str)] = &[
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/v1/profile", 404, "not_found"),
        ("GET", "/docs/api/nothing.js", 404, "not_found"),
        ("GET", "/v1/track", 405, "method_not_allowed"),
        ("PUT", "/v1/records", 405, "method_not_allowed"),
        ("PATCH", "/v1/profiles/id/x", 405, "method_not_allowed"),
        ("GET", "/v1/profiles/id/%ff", 400, "path_invalid"),
        ("GET", "/v1/profiles/id/%zz", 400, "path_invalid"),
        ("GET", "/v1/profiles/id/a%", 400, "path_invalid"),
        ("GET", "/v1/profiles/id/a%4", 400, "path_invalid"),
        ("GET", "/v1/profiles/id/%+4", 400, "path_invalid"),
        ("GET", "/v1/profiles/id/%C3%A4%25", 404, "profile_not_found"),
        ("GET", "/v1/profiles/identifier/email/%zz", 400, "path_invalid"),
        ("DELETE", "/v1/identities/user_id/%zz", 400, "path_invalid"),
        ("GET", "/v1/segments/%zz", 400, "path_invalid"),
        ("GET", "/v1/admin/keys/%zz", 400, "path_invalid"),
        ("GET", "/v1/projects/%zz/settings", 400, "path_invalid"),
        ("GET", "/v1/profiles/id/x/events?cursor=%zz", 400, "query_invalid"),
        ("GET", "/v1/profiles/id/x/events?cursor=%ff", 400, "query_invalid"),
        ("GET", "/v1/profiles/identifier/email/%ff%fe", 400, "path_invalid"),
        ("GET", "/v1/profiles/identifier/nonsense/x", 400, "namespace_unknown"),
        ("GET", "/v1/profiles/identifier/email/nobody%40shop.example", 404, "profile_not_found"),
        ("GET", "/v1/profiles/id/x?fields=all", 400, "fields_unknown"),
        ("GET", "/v1/profiles/id/x/events?limit=0", 400, "limit_invalid"),
        ("GET", "/v1/profiles/id/x/events?start=soon", 400, "time_invalid"),
        ("GET", "/v1/admin/keys/nonsense", 404, "key_not_found"),
        ("GET", "/v1/admin/keys?cursor=nonsense", 400, "cursor_invalid"),
        ("GET", "/v1/admin/quarantine/nonsense", 404, "quarantine_entry_not_found"),
        ("GET", "/v1/admin/quarantine?cursor=nonsense", 400, "cursor_invalid"),
        ("GET", "/v1/admin/workspaces/none", 403, "workspace_forbidden"),
        ("DELETE", "/v1/profiles/id/x", 404, "profile_not_found"),
    ];
    for (method, path, status, code) in cases {
        check_shape(&world.call(method, path, ROOT, "").await, *status, code, path);
    }
    assert_eq!(world.get("/v1/track", ROOT).await.header("allow"), "POST");
}

#[tokio::test]
async fn events_of_every_time_are_taken_or_refused_by_rule() {
    let world = World::new().await;
    let check = async |timestamp: &str, expected: &str| {
        let event = format!("{{\"userId\":\"u\",\"event\":\"x\",\"timestamp\":\"{timestamp}\"}}");
        let reply = world.call("POST", "/v1/track", ROOT, event).await;
        assert_eq!(reply.status, 200);
        let verdict = &reply.json()["verdicts"][0];
        assert_eq!(verdict["code"].as_str().unwrap_or("accepted"), expected, "{timestamp}");
    };
    check("2026-01-31T12:59:59Z", "accepted").await;
    check("2026-01-31T13:00:01Z", "time_in_future").await;
    check("9999-12-31T23:59:59Z", "time_in_future").await;
    check("0001-01-01T00:00:00Z", "accepted").await;
    check("1969-12-31T23:59:59Z", "accepted").await;
    check("-0001-01-01T00:00:00Z", "timestamp_invalid").await;
    check("2026-02-30T00:00:00Z", "timestamp_invalid").await;
}

#[tokio::test]
async fn segment_errors_carry_what_its_clients_read() {
    let world = World::new().await;
    let reply = world.call("POST", "/v1/batch", "unknown", "{}").await;
    let json = reply.json();
    assert_eq!((reply.status.as_u16(), &json["success"], &json["code"]), (401, &false.into(), &"key_unknown".into()));
    assert!(json["message"].is_string());
    check_shape(&reply, 401, "key_unknown", "batch");
}

#[tokio::test]
async fn request_ids_are_kept_when_sane() {
    let world = World::new().await;
    let with = async |id: &str| world.send(request("GET", "/healthz", "", &[("x-request-id", id)], "")).await;
    assert_eq!(with("my-id.7").await.header("x-request-id"), "my-id.7");
    for bad in ["", "with blank", "\"quoted\"", &"x".repeat(129)] {
        let reply = with(bad).await;
        assert!(!reply.header("x-request-id").is_empty() && reply.header("x-request-id") != bad);
    }
}

#[tokio::test]
async fn a_list_without_end_is_refused_whole_in_few_bytes_and_nothing_is_kept() {
    let world = World::new().await;
    let public = world.key("public", &["ingest"], &["default"]).await;
    let gzip = [("content-encoding", "gzip")];
    let ones = |count: usize| vec!["1"; count].join(",");
    let cases = [
        ("/v1/batch", &public, format!("{{\"batch\":[{}]}}", ones(245_000))),
        ("/v1/import", &public, format!("{{\"batch\":[{}]}}", ones(2_501))),
        ("/v1/records", &ROOT.to_owned(), format!("{{\"dataset\":\"d\",\"records\":[{}]}}", ones(2_000_000))),
        ("/v1/profiles:batchGet", &ROOT.to_owned(), format!("{{\"lookups\":[{}]}}", vec!["{}"; 100_000].join(","))),
    ];
    for (path, key, body) in cases {
        let reply = world.send(request("POST", path, key, &gzip, packed(body.as_bytes()))).await;
        check_shape(&reply, 400, "batch_too_many", path);
        assert!(reply.body.len() < 1_024, "{path}: {} bytes", reply.body.len());
    }
    let quarantine = world.get("/v1/admin/quarantine", ROOT).await;
    assert_eq!(quarantine.json()["items"], serde_json::json!([]));
}

#[tokio::test]
async fn a_path_that_is_none_is_told_what_comes_close() {
    let world = World::new().await;
    for (path, expected) in [
        ("/v1/segment/vips", "no such path; did you mean /v1/segments/{name}? All of them stand at /docs/api/"),
        (
            "/v1/profiles/identifer/email/a",
            "no such path; did you mean /v1/profiles/identifier/{namespace}/{value}? All of them stand at /docs/api/",
        ),
        ("/v1/profiles/ann", "no such path; all of them stand at /docs/api/"),
        ("/nothing", "no such path; all of them stand at /docs/api/"),
        // Clients of other services are told in the words of these.
        ("/api/v1/consumer/nothing", "no such path"),
    ] {
        let reply = world.get(path, ROOT).await;
        let json = reply.json();
        let message = json["error"]["message"].as_str().or(json["message"].as_str()).unwrap_or_default();
        assert_eq!((reply.status.as_u16(), message), (404, expected), "{path}: {json}");
    }
}
