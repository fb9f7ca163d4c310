mod written;

use serde_json::{Value, json};

use crate::tests::golden;
use crate::tests::world::{ROOT, Reply, World, request};

const BY: (&str, &str) = ("authorization", "epi-single bootstrap-secret");

#[tokio::test]
async fn profiles_are_answered_as_the_spec_says() {
    golden::check("optimizely/golden/profiles.txt").await;
}

#[tokio::test]
async fn events_and_scopes_are_answered_as_the_spec_says() {
    golden::check("optimizely/golden/events.txt").await;
}

#[tokio::test]
async fn segments_are_answered_as_the_spec_says() {
    golden::check("optimizely/golden/segments.txt").await;
}

#[tokio::test]
async fn queries_are_answered_as_the_spec_says() {
    golden::check("optimizely/golden/kql.txt").await;
}

#[tokio::test]
async fn filter_definitions_are_answered_as_the_spec_says() {
    golden::check("optimizely/golden/definitions.txt").await;
}

#[tokio::test]
async fn blacklists_are_answered_as_the_spec_says() {
    golden::check("optimizely/golden/blacklists.txt").await;
}

async fn call(world: &World, method: &str, path: &str, key: &str, body: &Value) -> Reply {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let scheme = format!("epi-single {key}");
    world.send(request(method, &format!("/api{path}"), "", &[("authorization", &scheme)], body)).await
}

async fn found(world: &World, filter: &str) -> Value {
    let filter = filter.replace(' ', "%20");
    let reply = call(world, "GET", &format!("/v1.0/profiles?$filter={filter}"), ROOT, &Value::Null).await;
    assert_eq!(reply.status, 200, "{filter}: {}", reply.json());
    reply.json()
}

#[tokio::test]
async fn both_headers_carry_the_key_and_location_says_where() {
    let world = World::new().await;
    for header in [BY, ("authorization", "EPI-Single   bootstrap-secret"), ("ocp-apim-subscription-key", ROOT)] {
        let reply = world.send(request("GET", "/api/v1.0/scopes", "", &[header], "")).await;
        assert_eq!(reply.status, 200, "{header:?}: {}", reply.json());
    }
    for header in [("authorization", "epi-singlebootstrap-secret"), ("authorization", "Bearer bootstrap-secret")] {
        let reply = world.send(request("GET", "/api/v1.0/scopes", "", &[header], "")).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (401, "key_missing"), "{header:?}");
    }
    let headers = [BY, ("host", "cdp.shop.example")];
    let made = world.send(request("POST", "/api/v1.0/profiles", "", &headers, r#"{"Name":"Ann"}"#)).await;
    let id = made.json()["ProfileId"].as_str().expect("an id").to_owned();
    assert_eq!(made.header("location"), format!("http://cdp.shop.example/api/v1.0/profiles/{id}"));
    let again = call(&world, "GET", &format!("/v1.0/profiles/{id}"), ROOT, &Value::Null).await;
    assert_eq!(again.json(), made.json());
}

#[tokio::test]
async fn what_is_too_large_is_told_so() {
    let world = World::new().await;
    let body = json!({ "Payload": { "text": "x".repeat(256 << 10) } });
    let reply = call(&world, "POST", "/v1.0/profiles", ROOT, &body).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (413, "profile_too_large"));
    let reply = call(&world, "PUT", "/v1.0/profiles/0b7f2a54-3c1e-4d0a-9e55-7a1c9f0d2e11", ROOT, &body).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (413, "profile_too_large"));
    let event = json!({ "deviceId": "d", "eventType": "x", "value": "x", "payload": body["Payload"] });
    let reply = call(&world, "POST", "/v1.0/Track", ROOT, &event).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (413, "track_event_too_large"));
    let small = json!({ "deviceId": "d", "eventType": "x", "value": "x" });
    let reply = call(&world, "POST", "/v1.0/TrackBulk", ROOT, &vec![small; 101].into()).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "track_events_too_many"));
    let devices: Vec<String> = (0..251).map(|at| format!("d{at}")).collect();
    let reply = call(&world, "POST", "/v1.0/profiles", ROOT, &json!({ "DeviceIds": devices })).await;
    assert_eq!((reply.status.as_u16(), reply.json()["details"][0]["target"].as_str()), (400, Some("DeviceIds")));
    let groups: Vec<String> = (0..1_001).map(|at| format!("g{at}")).collect();
    let reply = call(&world, "POST", "/v1.0/profiles", ROOT, &json!({ "VisitorGroups": groups })).await;
    assert_eq!((reply.status.as_u16(), reply.json()["details"][0]["target"].as_str()), (400, Some("VisitorGroups")));
    assert_eq!(found(&world, "Visits ge 0 or not Visits ge 0").await["total"], 0);
}

/// Segment's SDK, then this API, then Segment's again: one profile, and its id goes on.
#[tokio::test]
async fn what_other_doors_are_told_is_shown_and_kept() {
    let world = World::new().await;
    let identify = json!({
        "userId": "7001", "anonymousId": "dev-1", "messageId": "m-1", "timestamp": "2026-01-01T10:00:00Z",
        "traits": { "email": "ann@shop.example", "plan": "gold", "address": { "city": "Lyon", "floor": 3 } }
    });
    assert_eq!(world.call("POST", "/v1/identify", ROOT, identify.to_string()).await.status, 200);
    for (at, time) in ["2026-01-01T10:00:00Z", "2026-01-01T10:10:00Z", "2026-01-02T10:00:00Z"].iter().enumerate() {
        let track = json!({ "userId": "7001", "anonymousId": "dev-1", "messageId": format!("t-{at}"), "event": "Order Completed",
            "timestamp": time, "properties": { "total": 10 } });
        assert_eq!(world.call("POST", "/v1/track", ROOT, track.to_string()).await.status, 200);
    }
    let list = found(&world, "Info.Email eq ann@shop.example").await;
    let profile = &list["items"][0];
    assert_eq!(list["total"], 1, "{list}");
    assert_eq!(profile["DeviceIds"], json!(["dev-1"]), "{profile}");
    assert_eq!((&profile["Visits"], &profile["FirstSeen"]), (&json!(2), &json!("2026-01-01T10:00:00Z")), "{profile}");
    assert_eq!(profile["LastSeen"], "2026-01-02T10:00:00Z", "{profile}");
    assert_eq!(profile["Payload"], json!({ "plan": "gold", "address": { "floor": 3 } }), "{profile}");
    assert_eq!(profile["Info"], json!({ "Email": "ann@shop.example", "City": "Lyon" }), "{profile}");
    let id = profile["ProfileId"].as_str().expect("an id").to_owned();
    // What was read is sent back with a change, and what this API does not know stays.
    world.pass(1_000_000);
    let mut changed = profile.clone();
    changed["Name"] = "Ann".into();
    changed["Payload"]["plan"] = "platinum".into();
    changed["DeviceIds"] = json!(["dev-2"]);
    let put = call(&world, "PUT", &format!("/v1.0/profiles/{id}"), ROOT, &changed).await;
    assert_eq!(put.status, 200, "{}", put.json());
    let mut expected = changed.clone();
    expected["ContactInformation"] = json!(["Mailable", "Known"]);
    expected["UpdateTime"] = put.json()["UpdateTime"].clone();
    assert_eq!(put.json(), expected);
    let native = world.get("/v1/profiles/identifier/user_id/7001", ROOT).await.json();
    assert_eq!((&native["plan"], &native["name"]), (&json!("platinum"), &json!("Ann")), "{native}");
    assert_eq!(native["address"], json!({ "city": "Lyon", "floor": 3 }), "{native}");
    assert_eq!(found(&world, "DeviceIds eq dev-1").await["total"], 0);
    // Nobody has the device any more, and the events that named it still do.
    let events =
        call(&world, "GET", "/v1.0/trackevents?$filter=DeviceId%20eq%20dev-1", ROOT, &Value::Null).await.json();
    assert_eq!(events["total"], 3, "{events}");
    // Written again without the rest, it is gone, whoever said it.
    world.pass(1_000_000);
    let put = call(&world, "PUT", &format!("/v1.0/profiles/{id}"), ROOT, &json!({ "DeviceIds": ["dev-2"] })).await;
    assert_eq!((put.status.as_u16(), &put.json()["Payload"], &put.json()["Info"]), (200, &json!({}), &json!({})));
    assert_eq!(put.json()["Visits"], 2, "events stay: {}", put.json());
    let native = world.get("/v1/profiles/identifier/user_id/7001", ROOT).await.json();
    assert_eq!((&native["plan"], &native["email"]), (&Value::Null, &Value::Null), "{native}");
    // Another event of the user is of the same profile.
    let track = json!({ "userId": "7001", "messageId": "t-9", "event": "x", "timestamp": "2026-01-03T10:00:00Z" });
    assert_eq!(world.call("POST", "/v1/track", ROOT, track.to_string()).await.status, 200);
    let profile = call(&world, "GET", &format!("/v1.0/profiles/default/{id}"), ROOT, &Value::Null).await.json();
    assert_eq!((&profile["Visits"], &profile["ProfileId"]), (&json!(3), &json!(id)), "{profile}");
    let deleted = call(&world, "DELETE", &format!("/v1.0/profiles/default/{id}"), ROOT, &Value::Null).await;
    assert_eq!((deleted.status.as_u16(), deleted.body.len()), (200, 0));
    assert_eq!(world.get("/v1/profiles/identifier/user_id/7001", ROOT).await.status, 404);
    let events = call(&world, "GET", "/v1.0/trackevents", ROOT, &Value::Null).await.json();
    assert_eq!(events["total"], 0, "{events}");
}

#[tokio::test]
async fn visits_go_on_from_what_was_written() {
    let world = World::new().await;
    let track = async |id: &str, time: &str| {
        let event = json!({ "deviceId": "d", "eventType": "x", "value": "x", "eventTime": time, "trackId": id });
        assert_eq!(call(&world, "POST", "/v1.0/Track", ROOT, &event).await.status, 200);
    };
    track("1", "2026-01-01T10:00:00Z").await;
    let profile = found(&world, "DeviceIds eq d").await["items"][0].clone();
    let id = profile["ProfileId"].as_str().expect("an id").to_owned();
    let mut written = profile.clone();
    written["Visits"] = 9.into();
    let put = call(&world, "PUT", &format!("/v1.0/profiles/{id}"), ROOT, &written).await;
    assert_eq!((put.status.as_u16(), &put.json()["Visits"]), (200, &json!(9)), "{}", put.json());
    // The visit that was going on goes on, what is late is counted before, and the next one is another.
    track("2", "2026-01-01T10:10:00Z").await;
    track("3", "2025-12-01T10:00:00Z").await;
    assert_eq!(found(&world, "DeviceIds eq d").await["items"][0]["Visits"], 9);
    track("4", "2026-01-01T10:25:01Z").await;
    let profile = found(&world, "Visits eq 10 and DeviceIds eq d").await["items"][0].clone();
    assert_eq!(
        (&profile["FirstSeen"], &profile["LastSeen"]),
        (&json!("2025-12-01T10:00:00Z"), &json!("2026-01-01T10:25:01Z"))
    );
}

#[tokio::test]
async fn scopes_are_apart_and_lists_go_through_all_of_them() {
    let world = World::new().await;
    for (scope, device, name) in [("default", "d1", "Bo"), ("nordics", "d1", "Ann"), ("south", "d2", "Cy")] {
        let body = json!({ "Scope": scope, "DeviceIds": [device], "Name": name });
        let made = call(&world, "POST", "/v1.0/profiles", ROOT, &body).await;
        assert_eq!((made.status.as_u16(), &made.json()["Scope"]), (201, &json!(scope)), "{}", made.json());
    }
    let names = async |query: &str| {
        let list = call(&world, "GET", &format!("/v1.0/profiles?{query}"), ROOT, &Value::Null).await.json();
        let names = list["items"].as_array().expect("items").iter().map(|own| own["Name"].clone()).collect::<Vec<_>>();
        (list["total"].as_u64().expect("a total"), Value::from(names))
    };
    assert_eq!(names("$orderBy=Name").await, (3, json!(["Ann", "Bo", "Cy"])));
    assert_eq!(names("$orderBy=Name%20desc&$skip=1&$top=1").await, (3, json!(["Bo"])));
    assert_eq!(names("$skip=1&$top=1").await.1.as_array().map(Vec::len), Some(1));
    assert_eq!(names("$filter=DeviceIds%20eq%20d1&$orderBy=Name").await, (2, json!(["Ann", "Bo"])));
    assert_eq!(names("$filter=Scope%20eq%20'south',%20nordics&$orderBy=Name").await, (2, json!(["Ann", "Cy"])));
    // A key of one scope sees no other, and cannot tell whether it is there.
    let own = world.key("private", &["ingest", "read"], &["south"]).await;
    let list = call(&world, "GET", "/v1.0/profiles", &own, &Value::Null).await.json();
    assert_eq!((&list["total"], &list["items"][0]["Name"]), (&json!(1), &json!("Cy")), "{list}");
    for scope in ["nordics", "nowhere"] {
        let reply = call(&world, "POST", "/v1.0/profiles", &own, &json!({ "Scope": scope })).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "scope_unknown"), "{scope}");
        let event = json!({ "deviceId": "d", "eventType": "x", "value": "x", "scope": scope });
        let reply = call(&world, "POST", "/v1.0/Track", &own, &event).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "scope_unknown"), "{scope}");
    }
    // Without a scope it is its own.
    let made = call(&world, "POST", "/v1.0/profiles", &own, &json!({ "Name": "Di" })).await;
    assert_eq!((made.status.as_u16(), &made.json()["Scope"]), (201, &json!("south")), "{}", made.json());
    for at in 0..18 {
        let reply = call(&world, "PUT", &format!("/v1.0/scopes/s{at}"), ROOT, &json!({})).await;
        assert_eq!(reply.status, 201, "{at}: {}", reply.json());
    }
    let long = json!({ "description": "x".repeat(257) });
    let reply = call(&world, "PUT", "/v1.0/scopes/s1", ROOT, &long).await;
    assert_eq!((reply.status.as_u16(), reply.json()["details"][0]["target"].as_str()), (400, Some("Description")));
    let reply = call(&world, "PUT", "/v1.0/scopes/more", ROOT, &json!({})).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "scopes_full"));
}

#[tokio::test]
async fn a_segment_of_one_door_is_one_of_the_others() {
    let world = World::new().await;
    let body = json!({ "DeviceIds": ["d1"], "Info": { "Email": "ann@shop.example" }, "Payload": { "plan": "gold" } });
    assert_eq!(call(&world, "POST", "/v1.0/profiles", ROOT, &body).await.status, 201);
    let made = json!({ "Name": "Gold", "Scope": "default", "ProfileQuery": "Payload.plan eq gold" });
    let made = call(&world, "POST", "/v1.0/segments", ROOT, &made).await;
    assert_eq!((made.status.as_u16(), &made.json()["MatchingProfiles"]), (201, &json!(1)), "{}", made.json());
    let id = made.json()["SegmentId"].as_str().expect("an id").to_owned();
    assert!(made.header("location").ends_with(&format!("/api/v1.0/segments/{id}")));
    let members = world.get("/v1/segments/Gold/members", ROOT).await.json();
    assert_eq!(members["members"].as_array().map(Vec::len), Some(1), "{members}");
    // One that was made elsewhere is told as a filter where it can be said in one, and is left alone where it cannot.
    let rules = [("plain", "plan = \"gold\""), ("events", "events[eventType = \"x\"].count() > 1")];
    for (name, expression) in rules {
        let put =
            world.call("PUT", &format!("/v1/segments/{name}"), ROOT, json!({ "pql": expression }).to_string()).await;
        assert!(put.status.is_success(), "{}", put.json());
    }
    let list = call(&world, "GET", "/v1.0/segments?$orderBy=Name", ROOT, &Value::Null).await.json();
    let queries: Vec<&Value> =
        list["items"].as_array().expect("items").iter().map(|own| &own["ProfileQuery"]).collect();
    assert_eq!(queries, [&json!("Payload.plan eq gold"), &Value::Null, &json!("Payload.plan eq 'gold'")], "{list}");
    let other = list["items"][1]["SegmentId"].as_str().expect("an id");
    let body = json!({ "Name": "events", "Scope": "default", "ProfileQuery": "Visits gt 1" });
    let put = call(&world, "PUT", &format!("/v1.0/segments/{other}"), ROOT, &body).await;
    assert_eq!((put.status.as_u16(), put.code().as_str()), (400, "segment_not_a_filter"));
    // The export, polled and read; a day later it is over.
    let export = call(&world, "POST", &format!("/v1.0/segments/{id}/Export"), ROOT, &Value::Null).await.json();
    let request = export["RequestId"].as_str().expect("an id").to_owned();
    let poll = format!("/v1.0/segments/{id}/Export/{request}");
    assert_eq!(call(&world, "GET", &poll, ROOT, &Value::Null).await.json(), export);
    let file = call(&world, "GET", &format!("{poll}/file"), ROOT, &Value::Null).await;
    let lines: Vec<Value> = std::str::from_utf8(&file.body)
        .expect("utf-8")
        .lines()
        .map(|line| serde_json::from_str(line).expect("json"))
        .collect();
    assert_eq!(lines.iter().map(|own| &own["Info"]["Email"]).collect::<Vec<_>>(), ["ann@shop.example"], "{lines:?}");
    let of_other = call(&world, "GET", &format!("/v1.0/segments/{other}/Export/{request}"), ROOT, &Value::Null).await;
    assert_eq!(of_other.json()["Status"], "Invalid");
    world.pass(86_400_000_000);
    assert_eq!(call(&world, "GET", &poll, ROOT, &Value::Null).await.json()["Status"], "Expired");
    let file = call(&world, "GET", &format!("{poll}/file"), ROOT, &Value::Null).await;
    assert_eq!((file.status.as_u16(), file.code().as_str()), (404, "export_not_found"));
}

#[tokio::test]
async fn events_of_other_doors_are_asked_for_as_well() {
    let world = World::new().await;
    let track = json!({ "userId": "7001", "anonymousId": "dev-1", "messageId": "m-1", "event": "Order Completed",
        "timestamp": "2026-01-01T10:00:00Z", "properties": { "total": 41.50 }, "context": { "page": { "url": "https://shop.example/" } } });
    assert_eq!(world.call("POST", "/v1/track", ROOT, track.to_string()).await.status, 200);
    let filter = "DeviceId eq dev-1 and Payload.total gt 41 and contains(PageUri,'shop')".replace(' ', "%20");
    let list = call(&world, "GET", &format!("/v1.0/trackevents?$filter={filter}"), ROOT, &Value::Null).await.json();
    assert_eq!((&list["total"], &list["items"][0]["TrackId"]), (&json!(1), &json!("m-1")), "{list}");
    assert_eq!(list["items"][0]["Payload"], json!({ "total": 41.5 }), "{list}");
    // What the data model hides from a key is in no filter of it either.
    let hidden = json!({ "properties": { "total": { "type": "number", "private": true } } });
    let put = world.call("PUT", "/v1/data-model/event-types/Order%20Completed", ROOT, hidden.to_string()).await;
    assert!(put.status.is_success(), "{}", put.json());
    let reader = world.key("private", &["read"], &["default"]).await;
    let list = call(&world, "GET", &format!("/v1.0/trackevents?$filter={filter}"), &reader, &Value::Null).await.json();
    assert_eq!(list["total"], 0, "{list}");
    let deleted = call(&world, "DELETE", "/v2.0/TrackEvents/default/m-1", ROOT, &Value::Null).await;
    assert_eq!(deleted.status, 200);
    assert_eq!(world.get("/v1/profiles/identifier/user_id/7001/events", ROOT).await.json()["events"], json!([]));
}

/// Of several scopes, rows are merged in their order, groups are brought together, and each scope has an own spelling of its name.
#[tokio::test]
async fn queries_go_through_all_scopes_of_the_key() {
    let world = World::new().await;
    for (scope, device, amount, time) in [
        ("default", "d1", 5, "2026-01-01T10:00:00Z"),
        ("nordics", "d1", 7, "2026-01-02T10:00:00Z"),
        ("nordics", "d2", 1, "2026-01-03T10:00:00Z"),
    ] {
        let event = json!({ "deviceId": device, "eventType": "order", "value": "x", "scope": scope, "eventTime": time,
            "payload": { "amount": amount } });
        assert_eq!(call(&world, "POST", "/v1.0/Track", ROOT, &event).await.status, 200);
    }
    let rows = async |query: &str| {
        let reply = call(&world, "POST", "/v2.0/TrackEvents/preview", ROOT, &json!({ "Query": query })).await;
        assert_eq!(reply.status, 200, "{query}: {}", reply.json());
        reply.json()
    };
    let found = rows("Events | top 2 by Payload.amount | project Scope, Payload.amount").await;
    let expected = json!([{ "Scope": "nordics", "Payload_amount": 7 }, { "Scope": "default", "Payload_amount": 5 }]);
    assert_eq!((&found["items"], &found["total"]), (&expected, &json!(2)), "{found}");
    let newest = rows("Events | take 2 | project DeviceId, Scope").await;
    let expected = json!([{ "DeviceId": "d2", "Scope": "nordics" }, { "DeviceId": "d1", "Scope": "nordics" }]);
    assert_eq!(newest["items"], expected, "{newest}");
    let grouped = rows("Events | summarize dcount(DeviceId), total = sum(Payload.amount)").await;
    assert_eq!(
        grouped["items"],
        json!([{ "dcount_DeviceId": 2, "total": 13 }]),
        "a device of two scopes is one: {grouped}"
    );
    let by_scope = rows("Events | where Scope != 'default' | summarize count() by Scope").await;
    assert_eq!(by_scope["items"], json!([{ "Scope": "nordics", "count_": 2 }]), "{by_scope}");
    assert_eq!(rows("Events | count").await["items"], json!([{ "Count": 3 }]));
    assert_eq!(rows("Events | where Scope == 'nobody' | count").await["items"], json!([{ "Count": 0 }]));
}

/// At most 1,000 rows are answered, and the number is of all; what comes to more groups than may be held is refused.
#[tokio::test]
async fn queries_have_bounds() {
    let world = World::new().await;
    for page in 0..11 {
        let event = |at: u32| json!({ "deviceId": "d", "eventType": "x", "value": format!("v{}", 100 * page + at) });
        let events: Vec<Value> = (0..100).map(event).collect();
        assert_eq!(call(&world, "POST", "/v1.0/TrackBulk", ROOT, &events.into()).await.status, 200);
    }
    let ask =
        async |query: String| call(&world, "POST", "/v2.0/TrackEvents/preview", ROOT, &json!({ "Query": query })).await;
    for (query, total, count) in [
        ("Events", 1_100, 1_000),
        ("Events | take 1050", 1_050, 1_000),
        ("Events | distinct Value", 1_100, 1_000),
        ("Events | take 1050 | where EventType == 'x'", 1_050, 1_000),
        ("Events | take 1050 | count", 1, 1),
    ] {
        let reply = ask(query.to_owned()).await.json();
        assert_eq!((&reply["total"], &reply["count"]), (&json!(total), &json!(count)), "{query}");
    }
    let sum = ["toint(Value) % 7"; 8].join(" + ");
    let heavy = format!("Events | take 1100{}", format!(" | order by {sum}, {sum}, {sum}").repeat(15));
    let reply = ask(heavy).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "kql_too_heavy"), "{}", reply.json());
}

#[tokio::test]
async fn a_blacklist_of_one_scope_says_nothing_of_another() {
    let world = World::new().await;
    let event = |scope: &str, id: &str| {
        json!({ "deviceId": "d1", "eventType": "x", "value": "x", "scope": scope, "trackId": id,
            "user": { "email": "tove@holm.example" } })
    };
    for scope in ["default", "nordics"] {
        assert_eq!(call(&world, "POST", "/v1.0/Track", ROOT, &event(scope, "t-1")).await.json()["accepted"], 1);
    }
    let entry = json!({ "Email": "tove@holm.example", "Scope": "nordics" });
    assert_eq!(call(&world, "POST", "/v1.0/blacklists", ROOT, &entry).await.status, 201);
    let left = found(&world, "Info.Email eq tove@holm.example").await;
    assert_eq!((&left["total"], &left["items"][0]["Scope"]), (&json!(1), &json!("default")), "{left}");
    for (scope, accepted) in [("default", 1), ("nordics", 0)] {
        let tracked = call(&world, "POST", "/v1.0/Track", ROOT, &event(scope, "t-2")).await.json();
        assert_eq!((&tracked["accepted"], &tracked["rejected"]), (&json!(accepted), &json!([])), "{scope}: {tracked}");
    }
    let body = json!({ "Scope": "nordics", "Info": { "Email": "Tove@holm.example" } });
    let refused = call(&world, "POST", "/v1.0/profiles", ROOT, &body).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, "email_blacklisted"));
    assert_eq!(refused.json()["details"][0]["target"], "Info.Email");
}

/// Who is in a segment of a definition of events comes in with an event, and leaves as time goes by.
#[tokio::test]
async fn a_segment_of_events_follows_events_and_the_clock() {
    let world = World::new().await;
    let definition = json!({ "Name": "lately", "Type": "Events", "Parameters": [{ "Name": "word", "Type": "string" }],
        "Query": "Events | where Value has {{word}} and tostring(Payload.n) startswith '4' | where EventTime >= ago(1d) or Value =~ 'x'" });
    assert_eq!(call(&world, "POST", "/v2.0/FilterDefinitions", ROOT, &definition).await.status, 201);
    let bound = json!({ "Filters": [{ "FilterDefinitionId": "lately", "Parameters": { "word": "shoe" } }] });
    let body = json!({ "Name": "Lately", "Scope": "default", "SegmentFilter": bound });
    let made = call(&world, "POST", "/v2.0/segments", ROOT, &body).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let id = made.json()["SegmentId"].as_str().expect("an id").to_owned();
    let members = async || {
        let shown = call(&world, "GET", &format!("/v2.0/segments/{id}"), ROOT, &Value::Null).await.json();
        assert_eq!(shown["SegmentFilter"]["Filters"][0]["Parameters"]["word"], "shoe", "{shown}");
        shown["MatchingProfiles"].clone()
    };
    assert_eq!(members().await, 0);
    for (device, value, number) in [("d1", "A red Shoe.", 42), ("d2", "shoes", 42), ("d3", "shoe", 24)] {
        let event = json!({ "deviceId": device, "eventType": "x", "value": value, "payload": { "n": number } });
        assert_eq!(call(&world, "POST", "/v1.0/Track", ROOT, &event).await.status, 200);
    }
    assert_eq!(members().await, 1, "one whose word is whole and whose number begins with 4");
    world.pass(23 * 3_600_000_000);
    assert_eq!(members().await, 1);
    world.pass(2 * 3_600_000_000);
    assert_eq!(members().await, 0, "a day is over");
}

/// One id is one profile, whatever is let go of.
#[tokio::test]
async fn an_id_is_one_profile_for_good() {
    let world = World::new().await;
    let track = json!({ "anonymousId": "va1", "event": "E", "messageId": "m1" });
    assert_eq!(world.call("POST", "/v1/track", ROOT, track.to_string()).await.status, 200);
    let id = found(&world, "DeviceIds eq va1").await["items"][0]["ProfileId"].as_str().expect("an id").to_owned();
    let put = async |body: Value| {
        world.pass(1_000_000);
        let put = call(&world, "PUT", &format!("/v1.0/profiles/{id}"), ROOT, &body).await;
        assert_eq!(put.status, 200, "{}", put.json());
        put.json()
    };
    // The first write of a profile that other doors made lets go as any other does.
    let first = put(json!({ "Name": "Old", "Info": { "Email": "va1@x.example" } })).await;
    assert_eq!((&first["DeviceIds"], &first["Name"]), (&json!([]), &json!("Old")), "{first}");
    let again = put(json!({ "DeviceIds": ["new"], "Name": "Old2", "Info": { "Email": "va2@x.example" } })).await;
    assert_eq!((&again["ProfileId"], &again["Info"]["Email"]), (&json!(id), &json!("va2@x.example")), "{again}");
    let read = call(&world, "GET", &format!("/v1.0/profiles/{id}"), ROOT, &Value::Null).await.json();
    assert_eq!(read["Name"], "Old2", "{read}");
    let list = found(&world, &format!("ProfileId eq {id}")).await;
    let of_id: Vec<&Value> =
        list["items"].as_array().expect("items").iter().filter(|own| own["ProfileId"] == json!(id)).collect();
    assert_eq!(of_id.iter().map(|own| &own["Name"]).collect::<Vec<_>>(), ["Old2"], "{list}");
    // The device with its event is a profile of its own.
    let parted = found(&world, "DeviceIds eq va1").await;
    assert_eq!((&parted["total"], &parted["items"][0]["Visits"]), (&json!(1), &json!(1)), "{parted}");
    assert_ne!(parted["items"][0]["ProfileId"], json!(id));
    assert_eq!(call(&world, "DELETE", &format!("/v1.0/profiles/default/{id}"), ROOT, &Value::Null).await.status, 200);
    assert_eq!(found(&world, "DeviceIds eq va1").await["total"], 1, "whoever was let go of stays");
}

#[tokio::test]
async fn what_is_shown_is_what_is_asked_for_and_kept() {
    let world = World::new().await;
    let identify =
        json!({ "userId": "u", "anonymousId": "d", "traits": { "phone": "+4791234567", "email": "Ab@C.example" } });
    assert_eq!(world.call("POST", "/v1/identify", ROOT, identify.to_string()).await.status, 200);
    let total = async |filter: &str| found(&world, filter).await["total"].clone();
    for filter in [
        "ContactInformation eq Callable",
        "ContactInformation eq 'Mailable'",
        "Info.Phone eq '%2B4791234567'",
        "Scope eq DEFAULT",
        "contains(Info.Email,'Ab@')",
        "not (ContactInformation eq Known)",
    ] {
        assert_eq!(total(filter).await, 1, "{filter}");
    }
    let profile = found(&world, "DeviceIds eq d").await["items"][0].clone();
    let path = format!("/v1.0/profiles/{}", profile["ProfileId"].as_str().expect("an id"));
    // What is sent back as it came stays as it is; a number that is left out finds nobody.
    world.pass(1_000_000);
    let put = call(&world, "PUT", &path, ROOT, &profile).await.json();
    assert_eq!(put["Info"], profile["Info"], "{put}");
    assert_eq!(world.get("/v1/profiles/identifier/phone/%2B4791234567", ROOT).await.status, 200);
    world.pass(1_000_000);
    assert_eq!(call(&world, "PUT", &path, ROOT, &json!({ "DeviceIds": ["d"] })).await.status, 200);
    for filter in ["ContactInformation eq Callable", "Info.Phone eq '%2B4791234567'", "Info.Email ne null"] {
        assert_eq!(total(filter).await, 0, "{filter}");
    }
    assert_eq!(world.get("/v1/profiles/identifier/phone/%2B4791234567", ROOT).await.status, 404);
    // Values that cannot be kept are told.
    let deep = (0..40).fold(json!(1), |inner, _| json!({ "a": inner }));
    for body in [
        json!({ "Payload": { "deep": deep } }),
        json!({ "Payload": { "x".repeat(300): 1 } }),
        json!({ "DeviceIds": ["null"] }),
        json!({ "DeviceIds": ["x".repeat(600)] }),
    ] {
        let reply = call(&world, "POST", "/v1.0/profiles", ROOT, &body).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "member_invalid"), "{body}");
    }
    // Who does not see all cannot replace it, and visits are no secret of another attribute.
    let written = call(&world, "PUT", &path, ROOT, &json!({ "DeviceIds": ["d"], "Visits": 3 })).await;
    assert_eq!((written.status.as_u16(), &written.json()["Visits"]), (200, &json!(3)));
    let secret = json!({ "type": "number", "private": true }).to_string();
    assert!(world.call("PUT", "/v1/data-model/attributes/salary", ROOT, secret).await.status.is_success());
    let key = world.key("private", &["read", "ingest"], &["default"]).await;
    assert_eq!(call(&world, "GET", &path, &key, &Value::Null).await.json()["Visits"], 3);
    let refused = call(&world, "PUT", &path, &key, &json!({ "DeviceIds": ["d"] })).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (403, "profile_hidden_in_part"));
}

#[tokio::test]
async fn orders_hold_over_scopes_and_names_stay() {
    let world = World::new().await;
    for (at, scope) in ["default", "nordics", "south"].into_iter().cycle().take(9).enumerate() {
        let body = json!({ "Scope": scope, "DeviceIds": [format!("d{at}")], "Payload": { "n": at % 4, "tags": [at] } });
        assert_eq!(call(&world, "POST", "/v1.0/profiles", ROOT, &body).await.status, 201);
    }
    for order in ["Payload.n", "Payload.n%20desc", "Payload.tags", "Payload.nothing"] {
        let mut seen = Vec::new();
        for skip in 0..9 {
            let path = format!("/v1.0/profiles?$orderBy={order}&$top=1&$skip={skip}");
            let page = call(&world, "GET", &path, ROOT, &Value::Null).await.json();
            seen.push(page["items"][0]["DeviceIds"][0].as_str().expect("a device").to_owned());
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 9, "{order}: {seen:?}");
    }
    for order in ["DeviceIds", "VisitorGroups", "ContactInformation", "ProfileId"] {
        let reply = call(&world, "GET", &format!("/v1.0/profiles?$orderBy={order}"), ROOT, &Value::Null).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "filter_invalid"), "{order}");
    }
    for device in ["b", "a"] {
        let event = json!({ "deviceId": device, "eventType": "x", "value": "x" });
        assert_eq!(call(&world, "POST", "/v1.0/Track", ROOT, &event).await.status, 200);
    }
    let events = call(&world, "GET", "/v1.0/TrackEvents?$orderBy=DeviceId", ROOT, &Value::Null).await.json();
    assert_eq!(events["items"][0]["DeviceId"], "a", "{events}");
    for _ in 0..2 {
        let segment = json!({ "Name": "S1", "Scope": "default", "ProfileQuery": "ContactInformation eq Anonymous" });
        let made = call(&world, "POST", "/v1.0/segments", ROOT, &segment).await.json();
        assert_eq!((&made["Name"], &made["MatchingProfiles"]), (&json!("S1"), &json!(5)), "{made}");
    }
}
