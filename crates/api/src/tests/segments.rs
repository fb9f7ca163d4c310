//! Computed attributes and segments over HTTP: from their making to what a profile shows of them, and what is refused.

use serde_json::{Value, json};

use super::world::{ROOT, Reply, World, request};

/// Looks taken at a rule before it is given up; between two of them everybody else goes on.
const LOOKS_MAX: usize = 100_000;

const ORDERS: &str = "xEvent[eventType = \"Order Completed\"].sum(properties.total)";
const RECENT: &str = "xEvent[eventType = \"Order Completed\" and timestamp occurs <= 30 days before now].count() >= 2";

async fn call(world: &World, method: &str, path: &str, body: &Value) -> Reply {
    world.call(method, path, ROOT, if body.is_null() { String::new() } else { body.to_string() }).await
}

async fn get(world: &World, path: &str) -> Value {
    let reply = world.get(path, ROOT).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.json());
    reply.json()
}

async fn make(world: &World, path: &str, body: Value) -> Value {
    let reply = call(world, "POST", path, &body).await;
    assert_eq!(reply.status, 201, "{body}: {}", reply.json());
    let name = body["name"].as_str().expect("a name");
    active(world, &format!("{path}/{name}")).await
}

/// The rule at a path, once it is brought to everybody.
async fn active(world: &World, path: &str) -> Value {
    for _ in 0..LOOKS_MAX {
        let rule = get(world, path).await;
        if rule["status"] == "active" && rule["next"].is_null() {
            return rule;
        }
        tokio::task::yield_now().await;
    }
    panic!("{path} is never active");
}

async fn order(world: &World, who: &str, id: &str, at: &str, total: &str) {
    let body = format!(
        r#"{{"userId":"{who}","event":"Order Completed","messageId":"{id}","timestamp":"{at}","properties":{{"total":{total}}}}}"#
    );
    let reply = world.call("POST", "/v1/track", ROOT, body).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["accepted"]), (200, &json!(1)), "{}", reply.json());
}

/// The clock of the world stands at 2026-01-31T12:00:00Z.
async fn shop() -> World {
    let world = World::new().await;
    order(&world, "ann", "o1", "2026-01-02T12:00:00Z", "0.1").await;
    order(&world, "ann", "o2", "2026-01-20T12:00:00Z", "0.2").await;
    order(&world, "ben", "o3", "2025-06-01T12:00:00Z", "100.00").await;
    world
}

async fn profile(world: &World, who: &str) -> Value {
    get(world, &format!("/v1/profiles/identifier/user_id/{who}")).await
}

#[tokio::test]
async fn rules_see_what_happened_and_no_statements_about_people() {
    let world = shop().await;
    make(&world, "/v1/attributes", json!({ "name": "seen", "pql": "xEvent.count()" })).await;
    make(&world, "/v1/attributes", json!({ "name": "told", "pql": "xEvent[eventType = \"identify\"].count()" })).await;
    make(
        &world,
        "/v1/segments",
        json!({ "name": "quiet", "pql": "forall E from xEvent where E.eventType = \"Page Viewed\"" }),
    )
    .await;
    for (path, at, more) in [
        ("page", "2026-01-01T00:00:01Z", r#""name":"Home""#),
        ("identify", "2026-01-01T00:00:02Z", r#""traits":{"plan":"a"}"#),
        ("identify", "2026-01-01T00:00:03Z", r#""traits":{"plan":"b"}"#),
        ("group", "2026-01-01T00:00:04Z", r#""groupId":"acme""#),
        ("alias", "2026-01-01T00:00:05Z", r#""previousId":"eve-before""#),
    ] {
        let body = format!(r#"{{"userId":"eve","messageId":"{path}-{at}","timestamp":"{at}",{more}}}"#);
        let reply = world.call("POST", &format!("/v1/{path}"), ROOT, body).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["accepted"]), (200, &json!(1)), "{path}: {}", reply.json());
    }
    let eve = profile(&world, "eve").await;
    assert_eq!(
        (&eve["seen"], &eve["told"], &eve["_audiences"]["quiet"]),
        (&json!(1), &json!(0), &json!(true)),
        "{eve}"
    );
    // What is asked once says the same as what is kept.
    for (pql, expected) in [
        ("xEvent.count()", json!(1)),
        ("xEvent.topN(timestamp, 1).timestamp.head()", json!("2026-01-01T00:00:01Z")),
        ("forall E from xEvent where E.eventType = \"Page Viewed\"", json!(true)),
    ] {
        let body = json!({ "pql": pql, "profile": { "namespace": "user_id", "value": "eve" } });
        let reply = call(&world, "POST", "/v1/rules:evaluate", &body).await;
        assert_eq!(reply.json()["value"], expected, "{pql}: {}", reply.json());
    }
    let timeline = get(&world, "/v1/profiles/identifier/user_id/eve/events").await;
    assert_eq!(timeline["items"].as_array().or(timeline["events"].as_array()).map(Vec::len), Some(5), "{timeline}");
}

#[tokio::test]
async fn a_preview_reads_events_also_where_no_rule_runs() {
    let world = shop().await;
    for (pql, expected) in [
        ("xEvent.sum(properties.total) > 5", json!(1)),
        ("xEvent[properties.total > 0.1].count() = 1", json!(2)),
        ("xEvent.max(properties.total) < 0", json!(0)),
    ] {
        let reply = call(&world, "POST", "/v1/segments:preview", &json!({ "pql": pql })).await;
        let told = reply.json();
        assert_eq!((&told["count"], &told["exact"], &told["examined"]), (&expected, &json!(true), &json!(2)), "{told}");
    }
}

#[tokio::test]
async fn a_computed_attribute_shows_under_its_name_for_events_of_before_and_after() {
    let world = shop().await;
    let made = make(&world, "/v1/attributes", json!({ "name": "revenue", "pql": ORDERS })).await;
    assert_eq!(
        (&made["kind"], &made["version"], &made["events"]),
        (&json!("constant"), &json!(1), &json!(["Order Completed"]))
    );
    assert_eq!(profile(&world, "ann").await["revenue"].to_string(), "0.3");
    order(&world, "ann", "o4", "2026-01-30T12:00:00Z", "1").await;
    assert_eq!(profile(&world, "ann").await["revenue"].to_string(), "1.3");
    let why = get(&world, "/v1/attributes/revenue/explain?namespace=user_id&value=ann").await;
    assert_eq!((why["value"].to_string(), &why["name"]), ("1.3".to_owned(), &json!("revenue")));
    // An erased event is in no sum any more.
    assert_eq!(call(&world, "DELETE", "/v1/events/o1", &Value::Null).await.status, 200);
    assert_eq!(profile(&world, "ann").await["revenue"].to_string(), "1.2");
}

#[tokio::test]
async fn a_segment_has_members_a_count_a_history_and_reasons() {
    let world = shop().await;
    let made = make(&world, "/v1/segments", json!({ "name": "recent", "pql": RECENT })).await;
    assert_eq!((&made["count"], &made["reads_clock"]), (&json!(1), &json!(true)));
    let members = get(&world, "/v1/segments/recent/members").await;
    let ann = profile(&world, "ann").await;
    assert_eq!(members["members"][0]["profile_id"], ann["profile_id"]);
    assert_eq!((members["members"].as_array().map(Vec::len), &members["next_cursor"]), (Some(1), &Value::Null));
    assert_eq!(ann["_audiences"], json!({ "recent": true }));
    assert_eq!(profile(&world, "ben").await["_audiences"], json!({ "recent": false }));
    let why = get(&world, "/v1/segments/recent/explain?namespace=user_id&value=ann").await;
    assert_eq!((&why["value"], &why["changes_at"]), (&json!(true), &json!("2026-02-01T12:00:00.000001Z")), "{why}");
    // A window closes without an event; the read does not wait for a timer.
    world.pass(2 * 86_400_000_000);
    assert_eq!(profile(&world, "ann").await["_audiences"], json!({ "recent": false }));
    order(&world, "ann", "o5", "2026-02-01T12:00:00Z", "1").await;
    assert_eq!(profile(&world, "ann").await["_audiences"], json!({ "recent": true }));
    let history = get(&world, "/v1/profiles/identifier/user_id/ann/memberships").await;
    let turns: Vec<&str> =
        history["items"].as_array().expect("a list").iter().filter_map(|turn| turn["turn"].as_str()).collect();
    assert_eq!(turns, ["entered", "left", "entered"], "{history}");
    assert_eq!(history["items"][1]["at"], "2026-02-01T12:00:00.000001Z");
}

#[tokio::test]
async fn a_condition_is_tried_compared_and_replaced() {
    let world = shop().await;
    let tried = call(&world, "POST", "/v1/segments:preview", &json!({ "pql": "user_id.isNotNull()" })).await.json();
    assert_eq!((&tried["count"], &tried["exact"], &tried["examined"]), (&json!(2), &json!(true), &json!(2)), "{tried}");
    make(&world, "/v1/segments", json!({ "name": "all", "pql": "user_id.isNotNull()" })).await;
    make(&world, "/v1/segments", json!({ "name": "rich", "pql": "email.isNotNull()" })).await;
    let replaced =
        call(&world, "PUT", "/v1/segments/rich", &json!({ "pql": format!("{ORDERS} > 50"), "version": 1 })).await;
    assert_eq!((replaced.status.as_u16(), &replaced.json()["version"]), (200, &json!(2)), "{}", replaced.json());
    assert_eq!(active(&world, "/v1/segments/rich").await["count"], 1);
    let overlap = get(&world, "/v1/segments/all/overlap?with=rich").await;
    assert_eq!(overlap, json!({ "name": "all", "count": 2, "with": [{ "name": "rich", "count": 1, "both": 1 }] }));
    // What others depend on stays.
    make(&world, "/v1/segments", json!({ "name": "poor", "pql": "not inSegment(\"rich\")" })).await;
    let refused = call(&world, "DELETE", "/v1/segments/rich", &Value::Null).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (409, "rule_in_use"), "{}", refused.json());
    for name in ["poor", "rich"] {
        let archived = call(&world, "DELETE", &format!("/v1/segments/{name}"), &Value::Null).await;
        assert_eq!((archived.status.as_u16(), &archived.json()["status"]), (200, &json!("archived")));
    }
    assert_eq!(profile(&world, "ann").await["_audiences"], json!({ "all": true }));
    let draft = json!({ "name": "later", "pql": "plan = \"gold\"", "status": "draft" });
    assert_eq!(call(&world, "POST", "/v1/segments", &draft).await.json()["status"], "draft");
    let names = get(&world, "/v1/segments?limit=2").await;
    assert_eq!((&names["items"][0]["name"], &names["items"][1]["name"]), (&json!("all"), &json!("later")));
    assert!(names["next_cursor"].is_string());
}

#[tokio::test]
async fn what_cannot_be_a_rule_is_refused_with_its_reason() {
    let world = shop().await;
    make(&world, "/v1/attributes", json!({ "name": "revenue", "pql": ORDERS })).await;
    make(&world, "/v1/segments", json!({ "name": "own", "pql": "revenue > 1" })).await;
    let (attributes, segments) = ("/v1/attributes", "/v1/segments");
    let long = "x".repeat(501);
    let cases = [
        ("POST", attributes, json!({}), 400, "body_invalid"),
        ("POST", attributes, json!({ "name": "n", "pql": "1", "more": 1 }), 400, "body_invalid"),
        ("POST", attributes, json!({ "name": "n" }), 400, "rule_spelling"),
        ("POST", attributes, json!({ "name": "n", "pql": "a", "filter": "a" }), 400, "rule_spelling"),
        ("POST", attributes, json!({ "name": "n", "pql": "xEvent[" }), 400, "rule_invalid"),
        ("POST", attributes, json!({ "name": "n", "pql": "nonsense(1)" }), 400, "rule_invalid"),
        ("POST", segments, json!({ "name": "n", "pql": "1 + 1" }), 400, "rule_invalid"),
        ("POST", attributes, json!({ "name": " ", "pql": "age" }), 400, "name_invalid"),
        ("POST", attributes, json!({ "name": "a b", "display_name": "c", "pql": "age" }), 400, "name_invalid"),
        ("POST", attributes, json!({ "name": "n", "display_name": "", "pql": "age" }), 400, "display_name_invalid"),
        ("PUT", "/v1/segments/a%20b", json!({ "pql": "age > 1" }), 400, "name_invalid"),
        ("POST", attributes, json!({ "name": "email", "pql": "age" }), 409, "name_taken"),
        ("POST", attributes, json!({ "name": "profile_id", "pql": "age" }), 409, "name_taken"),
        ("POST", attributes, json!({ "name": "revenue", "pql": "age" }), 409, "rule_exists"),
        ("PUT", "/v1/attributes/revenue", json!({ "pql": "age", "version": 7 }), 409, "rule_changed"),
        ("PUT", "/v1/attributes/revenue", json!({ "pql": "age", "status": "draft" }), 409, "rule_runs"),
        ("PUT", "/v1/attributes/revenue", json!({ "pql": "revenue + 1" }), 400, "rule_cycle"),
        ("DELETE", "/v1/attributes/revenue", Value::Null, 409, "rule_in_use"),
        ("DELETE", "/v1/attributes/none", Value::Null, 404, "attribute_not_found"),
        ("POST", segments, json!({ "name": "n", "pql": "inSegment(\"n\")" }), 400, "rule_invalid"),
        ("POST", segments, json!({ "name": "n", "pql": "revenue" }), 400, "rule_invalid"),
        ("POST", segments, json!({ "name": "n", "pql": "now.getYear() = 2026" }), 400, "rule_never_holds_still"),
        ("POST", segments, json!({ "name": "n", "pql": "a", "time_zone": "Mars" }), 400, "time_zone_unknown"),
        ("POST", segments, json!({ "name": "n", "pql": "a", "description": long }), 400, "description_invalid"),
        ("POST", segments, json!({ "name": "n", "pql": "a", "merge_policy": "none" }), 400, "merge_policy_unknown"),
        ("POST", segments, json!({ "name": "n", "pql": "a", "status": "running" }), 400, "body_invalid"),
        ("GET", "/v1/segments/none", Value::Null, 404, "segment_not_found"),
        ("GET", "/v1/segments/none/members", Value::Null, 404, "segment_not_found"),
        ("GET", "/v1/segments/own/members?limit=0", Value::Null, 400, "limit_invalid"),
        ("GET", "/v1/segments/own/members?cursor=x", Value::Null, 400, "cursor_invalid"),
        ("GET", "/v1/segments/own/overlap", Value::Null, 400, "query_invalid"),
        ("GET", "/v1/segments/own/overlap?with=none", Value::Null, 404, "segment_not_found"),
        ("GET", "/v1/segments/own/explain", Value::Null, 400, "query_invalid"),
        ("GET", "/v1/segments/own/explain?value=nobody", Value::Null, 404, "profile_not_found"),
        ("GET", "/v1/segments?cursor=x", Value::Null, 400, "cursor_invalid"),
        ("GET", "/v1/attributes/none/explain?value=x", Value::Null, 404, "profile_not_found"),
        ("POST", "/v1/segments:preview", json!({ "pql": "a" , "filter": "b" }), 400, "rule_spelling"),
        ("POST", "/v1/segments:preview", json!({ "pql": "(" }), 400, "rule_invalid"),
        ("GET", "/v1/profiles/identifier/user_id/nobody/memberships", Value::Null, 404, "profile_not_found"),
    ];
    for (method, path, body, status, code) in cases {
        let reply = call(&world, method, path, &body).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (status, code),
            "{method} {path} {body}: {}",
            reply.json()
        );
        assert!(tessera_seam::codes::find(code).is_some(), "{code} is not in the table");
    }
    let cycle = call(&world, "PUT", "/v1/attributes/revenue", &json!({ "pql": "revenue + 1" })).await.json();
    assert!(cycle["error"]["message"].as_str().is_some_and(|text| text.contains("revenue -> revenue")), "{cycle}");
}

#[tokio::test]
async fn who_may_not_see_what_a_rule_reads_does_not_see_the_rule() {
    let world = shop().await;
    let private = json!({ "type": "text", "private": true });
    let set = call(&world, "PUT", "/v1/data-model/attributes/diagnosis", &private).await;
    assert_eq!(set.status, 200, "{}", set.json());
    make(&world, "/v1/segments", json!({ "name": "ill", "pql": "diagnosis.isNotNull()" })).await;
    make(&world, "/v1/segments", json!({ "name": "well", "pql": "not inSegment(\"ill\")" })).await;
    let key = world.key("private", &["read", "configure"], &["default"]).await;
    for (path, status) in [
        ("/v1/segments/ill", 404),
        ("/v1/segments/well", 404),
        ("/v1/segments/ill/members", 404),
        ("/v1/segments/well/explain?namespace=user_id&value=ann", 404),
    ] {
        let reply = world.get(path, &key).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (status, "segment_not_found"), "{path}");
    }
    for (method, path, body) in
        [("PUT", "/v1/segments/ill", "{\"pql\":\"user_id.isNotNull()\"}"), ("DELETE", "/v1/segments/well", "")]
    {
        let reply = world.call(method, path, &key, body).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (404, "segment_not_found"), "{method} {path}");
    }
    assert_eq!(get(&world, "/v1/segments/well").await["version"], 1);
    assert_eq!(world.get("/v1/segments", &key).await.json()["items"], json!([]));
    assert_eq!(world.get("/v1/profiles/identifier/user_id/ann", &key).await.json()["_audiences"], json!({}));
    for path in ["/v1/segments", "/v1/segments:preview"] {
        let mut body = json!({ "pql": "inSegment(\"ill\")" });
        if path == "/v1/segments" {
            body["name"] = json!("mine");
        }
        let reply = world.call("POST", path, &key, body.to_string()).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (403, "rule_reads_hidden"),
            "{path}: {}",
            reply.json()
        );
    }
}

#[tokio::test]
async fn a_rule_that_takes_too_much_keeps_its_last_answer_and_says_so() {
    let world = shop().await;
    let all = "(select A from xEvent, B from xEvent, C from xEvent where A = B and B = C).count()";
    make(&world, "/v1/attributes", json!({ "name": "triples", "pql": all })).await;
    make(&world, "/v1/segments", json!({ "name": "triple", "pql": format!("{all} >= 1") })).await;
    assert_eq!(profile(&world, "ann").await["triples"], json!(2));
    let event = |at: usize| json!({ "type": "track", "userId": "ann", "event": "Seen", "messageId": format!("s{at}") });
    let batch = json!({ "batch": (0..100).map(event).collect::<Vec<_>>() });
    // No write is refused because a rule cannot be afforded.
    let reply = call(&world, "POST", "/v1/batch", &batch).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["accepted"]), (200, &json!(100)), "{}", reply.json());
    let segment = get(&world, "/v1/segments/triple").await;
    assert_eq!((&segment["count"], &segment["over_budget"]), (&json!(2), &json!(1)), "{segment}");
    let ann = profile(&world, "ann").await;
    assert_eq!((&ann["_audiences"], &ann["triples"]), (&json!({ "triple": true }), &Value::Null), "{ann}");
    let gaps = json!({ "triples": "over_budget", "_audiences.triple": "over_budget" });
    assert_eq!(ann["_incomplete"], gaps, "{ann}");
    let why = get(&world, "/v1/segments/triple/explain?namespace=user_id&value=ann").await;
    assert_eq!((&why["incomplete"], &why["why"]), (&json!("over_budget"), &Value::Null), "{why}");
}

#[tokio::test]
async fn what_rules_make_of_a_person_is_in_their_export() {
    let world = shop().await;
    make(&world, "/v1/attributes", json!({ "name": "revenue", "pql": ORDERS })).await;
    make(&world, "/v1/segments", json!({ "name": "recent", "pql": RECENT })).await;
    make(&world, "/v1/segments", json!({ "name": "rich", "pql": "revenue > 50" })).await;
    let path = "/v1/profiles/identifier/user_id/ann/export";
    let export = get(&world, path).await;
    assert_eq!(export["computed_attributes"], json!([{ "name": "revenue", "content": 0.3 }]));
    let [recent] = &export["segments"].as_array().expect("segments")[..] else { panic!("one segment: {export}") };
    assert_eq!(
        (&recent["segment"], &recent["member"], &recent["left_at"]),
        (&json!("recent"), &json!(true), &Value::Null)
    );
    assert!(recent["entered_at"].is_string());
    let table = world.get(&format!("{path}?format=csv"), ROOT).await;
    let rows: Vec<csv::StringRecord> =
        csv::Reader::from_reader(&table.body[..]).records().map(|row| row.expect("a row")).collect();
    let row = |kind: &str| rows.iter().find(|row| &row[0] == kind).unwrap_or_else(|| panic!("{kind}: {rows:?}"));
    assert_eq!((&row("computed_attribute")[6], &row("computed_attribute")[7]), ("revenue", "0.3"));
    assert_eq!((&row("segment")[6], &row("segment")[8], &row("segment")[13]), ("recent", "member", ""));
}

#[tokio::test]
async fn a_segment_is_of_people_unless_it_says_accounts() {
    let world = shop().await;
    let body = r#"{"userId":"ann","groupId":"acme","messageId":"g1"}"#;
    assert_eq!(world.call("POST", "/v1/group", ROOT, body.to_owned()).await.status, 200);
    let pql = "not (plan = \"gold\")";
    let people = make(&world, "/v1/segments", json!({ "name": "people", "pql": pql })).await;
    let accounts = make(&world, "/v1/segments", json!({ "name": "firms", "pql": pql, "of": "accounts" })).await;
    assert_eq!((&people["of"], &people["count"]), (&json!("people"), &json!(2)), "{people}");
    assert_eq!((&accounts["of"], &accounts["count"]), (&json!("accounts"), &json!(1)), "{accounts}");
    let firm = get(&world, "/v1/profiles/identifier/group_id/acme").await;
    assert_eq!(firm["_audiences"], json!({ "people": false, "firms": true }), "{firm}");
    assert_eq!(profile(&world, "ann").await["_audiences"], json!({ "people": true, "firms": false }));
    for (of, expected) in [(json!("people"), 2), (json!("accounts"), 1), (Value::Null, 2)] {
        let told = call(&world, "POST", "/v1/segments:preview", &json!({ "pql": pql, "of": of })).await.json();
        assert_eq!((&told["count"], &told["exact"]), (&json!(expected), &json!(true)), "{of}: {told}");
    }
    let why = get(&world, "/v1/segments/people/explain?namespace=group_id&value=acme").await;
    assert_eq!((&why["of_others"], &why["entered_at"]), (&json!(true), &Value::Null), "{why}");
    let wrong = call(&world, "POST", "/v1/segments", &json!({ "name": "x", "pql": pql, "of": "cats" })).await;
    assert_eq!(wrong.status, 400, "{}", wrong.json());
}

/// Identities that others name and that hold to nobody: of each kind one.
async fn nobodies(world: &World) -> Vec<(&'static str, &'static str)> {
    // Five may be; the sixth is held.
    for number in 1..=6 {
        let email = format!("{number}@x.example");
        let body = json!({ "userId": "ben", "messageId": email, "traits": { "email": email } });
        assert_eq!(call(world, "POST", "/v1/identify", &body).await.json()["accepted"], 1, "{body}");
    }
    let body = json!({ "userId": "ann", "messageId": "b2", "traits": { "email": "gone@x.example" } });
    assert_eq!(call(world, "POST", "/v1/identify", &body).await.json()["accepted"], 1, "{body}");
    let named = |namespace: &str, value: &str| json!({ "namespace": namespace, "value": value });
    let parted = json!({ "type": "separate", "identities": [named("email", "gone@x.example")] });
    let reply = call(world, "POST", "/v1/directives", &parted).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
    for email in ["one@x.example", "two@x.example", "three@x.example"] {
        let upsert = json!({ "fields": { "uids": { "value": ["vis-1"] }, "email": { "value": email } } });
        let (path, headers) = ("/api/v1/consumer/profiles/upsert", [("x-access-token", ROOT)]);
        let reply = world.send(request("POST", path, "", &headers, upsert.to_string())).await;
        assert_eq!(reply.status, 200, "{email}: {}", reply.json());
    }
    let emails = ["6@x.example", "gone@x.example", "one@x.example", "two@x.example"];
    emails.map(|email| ("email", email)).to_vec()
}

#[tokio::test]
async fn identities_of_which_nothing_is_known_are_nobody_wherever_people_are_counted() {
    let world = shop().await;
    let pql = "not (plan = \"gold\")";
    make(&world, "/v1/segments", json!({ "name": "before", "pql": pql })).await;
    let nobodies = nobodies(&world).await;
    make(&world, "/v1/segments", json!({ "name": "after", "pql": pql })).await;
    for (namespace, value) in &nobodies {
        let reply = world.get(&format!("/v1/profiles/identifier/{namespace}/{value}"), ROOT).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (404, "profile_not_found"), "{value}");
    }
    // Who states it is found by it, and what is known of it is shown and erased.
    let stated = "/v1/profiles?filter=email%20%3D%20%226%40x.example%22";
    assert_eq!(get(&world, stated).await["profiles"][0]["user_id"], "ben");
    let graph = get(&world, "/v1/profiles/identifier/email/two@x.example/identities").await;
    assert_eq!(graph["held"].as_array().map(Vec::len), Some(1), "{graph}");
    // Ann, Ben, and the visitor.
    let counts = get(&world, "/v1/admin/counts").await;
    assert_eq!(counts["profiles"], 3, "{counts}");
    let listed = get(&world, "/v1/profiles").await;
    assert_eq!(listed["profiles"].as_array().map(Vec::len), Some(3), "{listed}");
    // Whom somebody has separated is not shown at those of before either.
    assert_eq!(profile(&world, "ann").await["email"], Value::Null, "{listed}");
    let tried = call(&world, "POST", "/v1/segments:preview", &json!({ "pql": pql })).await.json();
    assert_eq!((&tried["count"], &tried["examined"]), (&json!(3), &json!(3)), "{tried}");
    for name in ["before", "after"] {
        assert_eq!(get(&world, &format!("/v1/segments/{name}")).await["count"], 3, "{name}");
        let members = get(&world, &format!("/v1/segments/{name}/members")).await;
        let members = members["members"].as_array().expect("a list");
        assert_eq!(members.len(), 3, "{name}: {members:?}");
        for member in members {
            get(&world, &format!("/v1/profiles/id/{}", member["id"].as_str().expect("an id"))).await;
        }
    }
    // Who says something of themselves is somebody, and enters what holds of somebody of whom nothing is known.
    for (namespace, value) in &nobodies[1..3] {
        let record =
            json!({ "identities": [{ "namespace": namespace, "value": value }], "attributes": { "seen": true } });
        let reply = call(&world, "POST", "/v1/records", &json!({ "dataset": "crm", "records": [record] })).await;
        assert!(reply.status.is_success(), "{}", reply.json());
    }
    assert_eq!(get(&world, "/v1/admin/counts").await["profiles"], 5);
    for name in ["before", "after"] {
        assert_eq!(get(&world, &format!("/v1/segments/{name}")).await["count"], 5, "{name}");
    }
    let erased = call(&world, "DELETE", "/v1/identities/email/two%40x.example", &Value::Null).await;
    assert_eq!(erased.status, 200, "{}", erased.json());
    let gone = world.get("/v1/profiles/identifier/email/two@x.example/identities", ROOT).await;
    assert_eq!(gone.status, 404, "{}", gone.json());
}
