use axum::body::Body;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::QUOTAS;
use crate::tests::golden;
use crate::tests::world::{ROOT, Reply, World, request};

#[tokio::test]
async fn what_is_taken_is_answered_as_the_spec_says() {
    golden::check("api/src/dfinery/golden/import.txt").await;
}

#[tokio::test]
async fn exports_are_answered_as_the_spec_says() {
    golden::check("api/src/dfinery/golden/export.txt").await;
}

async fn call(world: &World, path: &str, token: &str, body: &Value) -> Reply {
    let path = format!("/api/v1{path}?service_id=default");
    world.send(request("POST", &path, "", &[("access_token", token)], body.to_string())).await
}

async fn taken(world: &World, path: &str, body: &Value) {
    let reply = call(world, path, ROOT, body).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (200, &json!("20000")), "{body}: {}", reply.json());
}

fn said(reply: &Reply) -> (u16, String, String) {
    let json = reply.json();
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    (reply.status.as_u16(), text("code"), text("message"))
}

fn is(status: u16, code: &str, message: &str) -> (u16, String, String) {
    (status, code.to_owned(), message.to_owned())
}

fn event(at: usize, name: &str, properties: &Value) -> Value {
    json!({
        "event_log_id": format!("3b0d7c52-6a1f-4c6e-9d3a-{at:012x}"), "event_name": name,
        "event_datetime": "2026-01-31T10:00:00Z", "event_properties": properties
    })
}

fn of_ann(events: &[Value]) -> Value {
    json!({ "common": { "identity": { "external_id": "ann" } }, "events": events })
}

async fn lines(world: &World, path: &str, body: &Value) -> Vec<String> {
    let reply = call(world, path, ROOT, body).await;
    let text = String::from_utf8(reply.body.to_vec()).expect("utf-8");
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "text/csv; charset=utf-8"), "{text}");
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn requests_have_bounds() {
    let world = World::new().await;
    let some = |count: usize| of_ann(&(0..count).map(|at| event(at, "x", &json!({}))).collect::<Vec<_>>());
    taken(&world, "/events", &some(100)).await;
    let reply = call(&world, "/events", ROOT, &some(101)).await;
    assert_eq!(said(&reply), is(200, "40402", "TOO_MANY_EVENTS"));
    let with_items = |each: usize| {
        let mut one = event(900, "x", &json!({}));
        one["event_items"] = vec![json!({ "df_item_id": "i" }); each].into();
        let mut other = one.clone();
        other["event_log_id"] = json!("3b0d7c52-6a1f-4c6e-9d3a-0c6b5a2f7e11");
        of_ann(&[one, other])
    };
    taken(&world, "/events", &with_items(50)).await;
    let reply = call(&world, "/events", ROOT, &with_items(51)).await;
    assert_eq!(said(&reply), is(200, "40001", "VALIDATION_FAILURE"));
    assert_eq!(reply.json()["data"][0]["reason"], "too_many", "{}", reply.json());
    let name = "x".repeat(201);
    for (properties, reason) in [
        (json!({ "a": "x".repeat(66_000) }), "too_large"),
        (json!({ "a": vec!["x".repeat(100); 90] }), "too_large"),
        (json!({ &name: 1 }), "format"),
        (json!((0..301).map(|at| (format!("p{at}"), json!(1))).collect::<serde_json::Map<_, _>>()), "too_many"),
    ] {
        let reply = call(&world, "/events", ROOT, &of_ann(&[event(950, "x", &properties)])).await;
        assert_eq!(reply.json()["data"][0]["reason"], reason, "{}", reply.json());
        let profile = json!({
            "identity": { "external_id": "ann" }, "user_properties": properties,
            "request_datetime": "2026-01-31T10:00:00Z"
        });
        let reply = call(&world, "/user-profile", ROOT, &profile).await;
        let expected = if properties["a"].is_string() { "20000" } else { "40001" };
        assert_eq!(reply.json()["code"], expected, "{}", reply.json());
    }
    // What is refused leaves nothing behind.
    let counts = world.get("/v1/admin/counts", ROOT).await.json();
    assert_eq!(counts["events"], 102, "{counts}");
    // A member that stands twice says two things.
    let twice = r#"{"identity":{"external_id":"a","external_id":"b"},"request_datetime":"2026-01-31T10:00:00Z"}"#;
    let path = "/api/v1/identities?service_id=default";
    let reply = world.send(request("POST", path, ROOT, &[], twice)).await;
    assert_eq!(reply.json()["data"][0]["field"], "identity.external_id", "{}", reply.json());
    // Of many faults the first are told.
    let many: Vec<Value> = (0..30).map(|_| json!({})).collect();
    let reply = call(&world, "/events", ROOT, &of_ann(&many)).await;
    assert_eq!(reply.json()["data"].as_array().map(Vec::len), Some(20), "{}", reply.json());
}

#[tokio::test]
async fn a_strict_data_model_drops_what_is_not_registered() {
    let world = World::new().await;
    let put = async |path: &str, body: Value| {
        let reply = world.call("PUT", path, ROOT, body.to_string()).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.json());
    };
    put("/v1/data-model/datasets/dfinery", json!({ "mode": "strict" })).await;
    put("/v1/data-model/event-types/known", json!({ "properties": { "price": { "type": "number" } } })).await;
    put("/v1/data-model/attributes/df_membership", json!({ "type": "text" })).await;
    let events = [
        event(1, "known", &json!({ "price": 1.5 })),
        event(2, "unknown", &json!({})),
        event(3, "known", &json!({ "price": "dear" })),
        event(4, "known", &json!({ "other": 1 })),
    ];
    taken(&world, "/events", &of_ann(&events)).await;
    let timeline = world.get("/v1/profiles/identifier/user_id/ann/events", ROOT).await.json();
    assert_eq!(timeline["events"].as_array().map(Vec::len), Some(1), "{timeline}");
    let kept = world.get("/v1/admin/quarantine", ROOT).await.json();
    let mut codes: Vec<&str> =
        kept["items"].as_array().expect("items").iter().filter_map(|own| own["code"].as_str()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["event_type_unregistered", "property_type_mismatch", "property_unregistered"], "{kept}");
    let profile = json!({
        "identity": { "external_id": "ann" }, "user_properties": { "df_membership": "GOLD", "shoe_size": 27 },
        "request_datetime": "2026-01-31T10:00:00Z"
    });
    taken(&world, "/user-profile", &profile).await;
    let shown = world.get("/v1/profiles/identifier/user_id/ann", ROOT).await.json();
    assert_eq!((&shown["df_membership"], &shown["shoe_size"]), (&json!("GOLD"), &Value::Null), "{shown}");
    // Once it is registered, what was kept of it is read again.
    put("/v1/data-model/event-types/unknown", json!({})).await;
    let replayed = world.call("POST", "/v1/admin/quarantine:replay", ROOT, "").await;
    assert_eq!(replayed.status, 200, "{}", replayed.json());
    let timeline = world.get("/v1/profiles/identifier/user_id/ann/events", ROOT).await.json();
    let names: Vec<&str> =
        timeline["events"].as_array().expect("events").iter().filter_map(|own| own["event"].as_str()).collect();
    assert_eq!((names.len(), names.contains(&"unknown")), (2, true), "{timeline}");
    // What is registered is a column, though nobody has it; what was refused is none.
    let all = json!({ "events_condition_type": "all", "from_date": "2026-01-31", "to_date": "2026-01-31" });
    let head = &lines(&world, "/export/event", &all).await[0];
    assert!(head.contains(",price") && !head.contains("other"), "{head}");
}

#[tokio::test]
async fn an_audience_is_a_segment() {
    let world = World::new().await;
    for (id, membership) in [("ann", "GOLD"), ("bob", "SILVER")] {
        let profile = json!({
            "identity": { "external_id": id }, "user_properties": { "df_membership": membership },
            "request_datetime": "2026-01-31T10:00:00Z"
        });
        taken(&world, "/user-profile", &profile).await;
    }
    let new = json!({ "name": "golden", "pql": "df_membership = \"GOLD\"" }).to_string();
    let made = world.call("POST", "/v1/segments", ROOT, new).await;
    assert!(made.status.is_success(), "{}", made.json());
    let asked = json!({
        "properties_condition_type": "include", "properties": ["df_membership"], "identities_condition_type": "all",
        "audience": "golden"
    });
    let mut found = call(&world, "/export/userprofile", ROOT, &asked).await;
    for _ in 0..1_000 {
        if found.status == 200 {
            break;
        }
        assert_eq!((found.status.as_u16(), &found.json()["reason"]), (400, &json!("segment_building")));
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        found = call(&world, "/export/userprofile", ROOT, &asked).await;
    }
    let text = String::from_utf8(found.body.to_vec()).expect("utf-8");
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!((rows.len(), rows[0]), (2, "df_external_id,df_membership,df_unified_id"), "{text}");
    assert!(rows[1].starts_with("ann,GOLD,"), "{text}");
}

/// Exports are counted by the hour and in a workspace, and both spellings of the headers tell of it.
#[tokio::test]
async fn quotas_are_told_and_end_with_their_window() {
    let world = World::new().await;
    let asked = json!({ "properties_condition_type": "include", "properties": ["x"] });
    let hour = "1769864400000";
    for at in 0..100 {
        let reply = call(&world, "/export/userprofile", ROOT, &asked).await;
        assert_eq!(reply.status, 200);
        for name in ["x-ratelimit", "x-rate-limit"] {
            let header = |of: &str| reply.header(&format!("{name}-{of}")).to_owned();
            let told = (header("limit"), header("remaining"), header("reset"));
            assert_eq!(told, ("1H".to_owned(), (99 - at).to_string(), hour.to_owned()));
        }
        assert_eq!(reply.headers.get_all("x-ratelimit-reset").iter().count(), 1);
    }
    let refused = call(&world, "/export/event", ROOT, &asked).await;
    let told =
        (refused.status.as_u16(), &refused.json()["message"], refused.header("x-ratelimit-remaining").to_owned());
    assert_eq!(told, (429, &json!("too_many_api_requests"), "0".to_owned()));
    assert_eq!((refused.header("retry-after"), refused.header("x-rate-limit-reset")), ("3601", hour));
    // Another workspace has its own.
    world.workspace("other").await;
    let path = "/api/v1/export/userprofile?service_id=other";
    let other = world.send(request("POST", path, ROOT, &[], asked.to_string())).await;
    assert_eq!((other.status.as_u16(), other.header("x-ratelimit-remaining")), (200, "99"));
    // What is taken is counted by the minute, also what is told to be wrong.
    let wrong = call(&world, "/identities", ROOT, &json!({})).await;
    assert_eq!(said(&wrong), is(200, "40001", "VALIDATION_FAILURE"));
    assert_eq!((wrong.header("x-ratelimit-limit"), wrong.header("x-ratelimit-remaining")), ("1m", "9999"));
    world.pass(3_600_000_000);
    let reply = call(&world, "/export/userprofile", ROOT, &asked).await;
    assert_eq!((reply.status.as_u16(), reply.header("x-ratelimit-remaining")), (200, "99"));
}

#[tokio::test]
async fn what_is_taken_has_a_quota_too() {
    let world = World::new().await;
    let body = json!({}).to_string();
    let path = "/api/v1/user-profile?service_id=default";
    let (mut refused, mut taken) = (None, 0);
    for _ in 0..=10_000 {
        let reply = world.send(request("POST", path, ROOT, &[], body.clone())).await;
        if reply.status == 429 {
            refused = Some(reply);
            break;
        }
        taken += 1;
    }
    let refused = refused.expect("a refusal");
    assert_eq!((taken, said(&refused)), (10_000, is(429, "40401", "TOO_MANY_REQUEST")));
    assert_eq!(refused.header("x-ratelimit-remaining"), "0");
}

#[test]
fn quotas_are_those_of_the_guide() {
    let all: Vec<_> = QUOTAS.iter().map(|quota| (quota.name, quota.calls, quota.at_once)).collect();
    let expected = [
        ("dfinery_event", 1_000_000, None),
        ("dfinery_identity", 10_000, None),
        ("dfinery_profile", 10_000, None),
        ("dfinery_export", 100, Some(5)),
    ];
    assert_eq!(all, expected);
}

#[tokio::test]
async fn five_exports_of_a_workspace_run_at_one_time() {
    let world = World::new().await;
    let asked = json!({ "properties_condition_type": "include", "properties": ["x"] }).to_string();
    let path = "/api/v1/export/userprofile?service_id=default";
    let export = || world.router.clone().oneshot(request("POST", path, ROOT, &[], Body::from(asked.clone())));
    let mut under_way = Vec::new();
    for _ in 0..5 {
        under_way.push(export().await.expect("an answer"));
    }
    let refused = export().await.expect("an answer");
    assert_eq!(
        (refused.status().as_u16(), refused.headers()["x-ratelimit-remaining"].clone()),
        (429, "95".parse().expect("a value"))
    );
    drop(under_way.pop());
    assert_eq!(export().await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn tokens_are_private_keys_of_one_kind_and_live_on_after_their_reissue() {
    let world = World::new().await;
    let page = world.key("public", &["ingest"], &["default"]).await;
    let one = of_ann(&[event(1, "x", &json!({}))]);
    assert_eq!(said(&call(&world, "/events", &page, &one).await), is(200, "40201", "INVALID_TOKEN"));
    let import = world.key("private", &["ingest"], &["default"]).await;
    let export = world.key("private", &["export"], &["default"]).await;
    let all = json!({ "properties_condition_type": "all" });
    assert_eq!(said(&call(&world, "/events", &import, &one).await), is(200, "20000", "OK"));
    assert_eq!(said(&call(&world, "/events", &export, &one).await), is(200, "40201", "INVALID_TOKEN"));
    let gone = json!({ "identity": { "external_id": "ann" }, "request_datetime": "2026-01-31T10:00:00Z" });
    assert_eq!(said(&call(&world, "/identities/delete", &import, &gone).await), is(200, "40201", "INVALID_TOKEN"));
    assert_eq!(call(&world, "/export/userprofile", &export, &all).await.status, 200);
    let refused = call(&world, "/export/userprofile", &import, &all).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["message"]), (401, &json!("unauthorized_token")));
    // Section 2: after its reissue a token goes on for 14 days.
    let made = json!({ "name": "import", "class": "private", "permissions": ["ingest"], "workspaces": ["default"] });
    let made = world.call("POST", "/v1/admin/keys", ROOT, made.to_string()).await.json();
    let (id, old) = (made["key"]["id"].as_str().expect("an id"), made["secret"].as_str().expect("a secret"));
    let rotate = format!("/v1/admin/keys/{id}/rotate");
    let new = world.call("POST", &rotate, ROOT, r#"{"grace_secs":1209600}"#).await.json();
    let new = new["secret"].as_str().expect("a secret");
    for (days, expected) in [(13, "20000"), (2, "40201")] {
        world.pass(days * 86_400_000_000);
        assert_eq!(call(&world, "/events", old, &one).await.json()["code"], expected);
        assert_eq!(call(&world, "/events", new, &one).await.json()["code"], "20000");
    }
}

#[tokio::test]
async fn a_service_is_named_by_its_id_too() {
    let world = World::new().await;
    let model = world.send(request("GET", "/api/v1/consumer/tdm/x", "", &[("x-access-token", ROOT)], "")).await;
    assert_eq!(model.status, 404);
    let upsert = json!({ "fields": { "email": { "value": "ann@shop.example" } } }).to_string();
    let path = "/api/v1/consumer/profiles/upsert";
    let told = world.send(request("POST", path, "", &[("x-access-token", ROOT)], upsert)).await.json();
    let id = told["tdm_id"].as_str().expect("the id of the workspace");
    let one = of_ann(&[event(1, "x", &json!({}))]).to_string();
    for (service, code) in [(id, "20000"), ("0123456789abcdef01234567", "40101"), ("other", "40101")] {
        let path = format!("/api/v1/events?service_id={service}");
        let reply = world.send(request("POST", &path, ROOT, &[], one.clone())).await;
        assert_eq!(reply.json()["code"], code, "{service}: {}", reply.json());
    }
}

#[tokio::test]
async fn a_store_that_cannot_take_it_is_a_fault_of_ours() {
    let world = World::new().await;
    let one = of_ann(&[event(1, "x", &json!({}))]);
    world.faulty.fill_disk();
    let refused = call(&world, "/events", ROOT, &one).await;
    assert_eq!(said(&refused), is(500, "50000", "INTERNAL_SERVER_ERROR"));
    assert!(!refused.header("retry-after").is_empty());
    world.faulty.free_disk();
    taken(&world, "/events", &one).await;
    world.faulty.shut();
    let asked = json!({ "events_condition_type": "all", "from_date": "2026-01-31", "to_date": "2026-01-31" });
    let refused = call(&world, "/export/event", ROOT, &asked).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["message"]),
        (500, &json!("query_error")),
        "{}",
        refused.json()
    );
}

/// The unified id is issued with the first event, and stays whatever is said of the person later.
#[tokio::test]
async fn a_unified_id_stays() {
    let world = World::new().await;
    let asked =
        json!({ "properties_condition_type": "include", "properties": ["x"], "identities_condition_type": "all" });
    let mut issued = Vec::new();
    let sent =
        json!({ "common": { "identity": { "email": "ann@shop.example" } }, "events": [event(1, "x", &json!({}))] });
    let named = |email: &str, second: u8| {
        json!({
            "identity": { "external_id": "ann", "email": email },
            "request_datetime": format!("2026-01-31T10:00:{second:02}Z")
        })
    };
    for (path, body) in [
        ("/events", sent),
        ("/events", of_ann(&[event(2, "x", &json!({}))])),
        ("/identities", named("ann@shop.example", 10)),
        ("/identities", named("anna@shop.example", 20)),
    ] {
        taken(&world, path, &body).await;
        world.pass(1_000_000);
        issued.push(lines(&world, "/export/userprofile", &asked).await);
    }
    let id = |row: &str| row.split(',').nth(1).map(str::to_owned);
    // Ann is known by her address first, then by her own id as well, and it is told that both are one.
    assert_eq!((issued[0].len(), issued[1].len()), (2, 3), "{issued:?}");
    let known: Vec<_> = issued[1][1..].iter().map(|row| id(row)).collect();
    assert!(known.contains(&id(&issued[0][1])), "{issued:?}");
    let last = issued[3].iter().find(|row| row.starts_with("ann,")).and_then(|row| id(row));
    assert!(issued[2].len() == 2 && id(&issued[2][1]) == id(&issued[0][1]), "{issued:?}");
    assert_eq!(last, id(&issued[2][1]), "{issued:?}");
}

/// Segment's events find the profile that this door has made, and a changed identifier replaces the one before.
#[tokio::test]
async fn what_one_door_is_told_the_others_show() {
    let world = World::new().await;
    let set = |email: &str, second: u8| {
        json!({
            "identity": { "external_id": "ann", "email": email },
            "request_datetime": format!("2026-01-31T10:00:{second:02}Z")
        })
    };
    taken(&world, "/identities", &set("ann@shop.example", 1)).await;
    let track = json!({"userId": "ann", "messageId": "m-1", "event": "Order Completed"}).to_string();
    assert_eq!(world.call("POST", "/v1/track", ROOT, track).await.status, 200);
    taken(&world, "/events", &of_ann(&[event(1, "df_login", &json!({}))])).await;
    taken(&world, "/identities", &set("anna@shop.example", 2)).await;
    let timeline = world.get("/v1/profiles/identifier/email/anna%40shop.example/events", ROOT).await.json();
    assert_eq!(timeline["events"].as_array().map(Vec::len), Some(2), "{timeline}");
    let old = world.get("/v1/profiles/identifier/email/ann%40shop.example", ROOT).await;
    assert_eq!(old.status, 404, "{}", old.json());
    // One that was said earlier is not taken for the newer one.
    taken(&world, "/identities", &set("late@shop.example", 0)).await;
    let late = world.get("/v1/profiles/identifier/email/late%40shop.example", ROOT).await;
    assert_eq!(late.status, 404, "{}", late.json());
    let asked = json!({
        "events_condition_type": "all", "properties_condition_type": "include", "properties": ["x"],
        "from_date": "2026-01-01", "to_date": "2026-01-31"
    });
    let rows = lines(&world, "/export/event", &asked).await;
    assert_eq!(rows.len(), 3, "{rows:?}");
    let unified: Vec<&str> = rows[1..].iter().filter_map(|row| row.split(',').nth(6)).collect();
    assert_eq!((rows[0].split(',').nth(6), unified[0]), (Some("df_unified_id"), unified[1]), "{rows:?}");
    // The id is that of the profile, for as long as it is there.
    let profile = world.get(&format!("/v1/profiles/id/{}", unified[0]), ROOT).await.json();
    assert_eq!(profile["email"], "anna@shop.example", "{profile}");
}
