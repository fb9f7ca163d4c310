//! Profiles by what they are, over HTTP: filtered, sorted, counted, page by page; what is refused, and who may ask about what.

use serde_json::{Value, json};

use super::world::{ROOT, Reply, World};

async fn identify(world: &World, who: &str, traits: Value) {
    let body = json!({ "userId": who, "messageId": format!("m-{who}"), "traits": traits });
    let reply = world.call("POST", "/v1/identify", ROOT, body.to_string()).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["accepted"]), (200, &json!(1)), "{}", reply.json());
}

/// Five people and an account.
async fn town() -> World {
    let world = World::new().await;
    identify(&world, "ann", json!({ "email": "ann@shop.example", "city": "Lyon", "age": 31, "weight": 60 })).await;
    identify(&world, "ben", json!({ "email": "ben@shop.example", "city": "Paris", "age": 9 })).await;
    identify(&world, "cid", json!({ "city": "Lyon", "age": "old" })).await;
    identify(&world, "dan", json!({ "city": "Nice" })).await;
    identify(&world, "eve", json!({ "city": "Lyon", "age": 57, "weight": 70 })).await;
    let group = json!({ "userId": "eve", "groupId": "acme", "messageId": "g", "traits": { "city": "Lyon" } });
    let reply = world.call("POST", "/v1/group", ROOT, group.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
    world
}

fn path(parameters: &[(&str, &str)]) -> String {
    let encoded = |text: &str| {
        let byte =
            |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        text.bytes().map(byte).collect::<String>()
    };
    let pairs: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    format!("/v1/profiles?{}", pairs.join("&"))
}

async fn find(world: &World, parameters: &[(&str, &str)]) -> Value {
    let reply = world.get(&path(parameters), ROOT).await;
    assert_eq!(reply.status, 200, "{parameters:?}: {}", reply.json());
    reply.json()
}

fn names(page: &Value) -> Vec<&str> {
    let profiles = page["profiles"].as_array().expect("profiles");
    profiles.iter().map(|own| own["user_id"].as_str().or(own["group_id"].as_str()).expect("a name")).collect()
}

#[tokio::test]
async fn profiles_are_found_sorted_and_counted() {
    let world = town().await;
    let check = async |parameters: &[(&str, &str)], expected: &[&str]| {
        let page = find(&world, &[parameters, &[("count", "true")]].concat()).await;
        assert_eq!(names(&page), expected, "{parameters:?}");
        assert_eq!((&page["total"], &page["next_cursor"]), (&json!(expected.len()), &Value::Null), "{parameters:?}");
    };
    check(&[("filter", "city = \"Lyon\""), ("order_by", "user_id")], &["ann", "cid", "eve"]).await;
    check(&[("filter", "city = \"Lyon\""), ("order_by", "user_id desc")], &["eve", "cid", "ann"]).await;
    check(&[("order_by", "age, user_id")], &["ben", "ann", "eve", "cid", "dan"]).await;
    check(&[("order_by", "age desc,user_id desc")], &["cid", "eve", "ann", "ben", "dan"]).await;
    check(&[("filter", "not (city = \"Lyon\")"), ("order_by", "city asc")], &["dan", "ben"]).await;
    check(&[("of", "accounts"), ("filter", "city = \"Lyon\"")], &["acme"]).await;
    check(&[("filter", "email = \"ann@shop.example\"")], &["ann"]).await;
    check(&[("filter", "email = \"ann@shop.example\" and age > 40")], &[]).await;
    check(&[("filter", "user_id in [\"ben\", \"eve\", \"nobody\"]"), ("order_by", "age desc")], &["eve", "ben"]).await;
    // As a read of each shows it.
    let page = find(&world, &[("filter", "user_id = \"ann\""), ("fields", "identifiers")]).await;
    let read = world.get("/v1/profiles/identifier/user_id/ann?fields=identifiers", ROOT).await.json();
    assert_eq!(page, json!({ "profiles": [read], "total": null, "next_cursor": null }));
}

#[tokio::test]
async fn pages_go_on_where_the_one_before_ended() {
    let world = town().await;
    for order in [&[][..], &[("order_by", "city,age desc")][..]] {
        let whole = find(&world, order).await;
        let (mut walked, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut asked = [order, &[("limit", "2")]].concat();
            asked.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page = find(&world, &asked).await;
            walked.extend(names(&page).into_iter().map(str::to_owned));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
        assert_eq!(walked, names(&whole), "{order:?}");
        let part = find(&world, &[order, &[("skip", "1"), ("limit", "3")]].concat()).await;
        assert_eq!(names(&part), names(&whole)[1..4], "{order:?}");
        let of_another = [("filter", "city = \"Lyon\""), ("cursor", cursor.as_deref().expect("a page before"))];
        let reply = world.get(&path(&[order, &of_another].concat()), ROOT).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "cursor_invalid"));
    }
}

fn check(reply: &Reply, status: u16, code: &str, what: &str) {
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (status, code), "{what}: {}", reply.json());
    assert!(tessera_seam::codes::find(code).is_some(), "{code} is not in the table");
}

/// Parameters, a status, a code.
type Refused<'a> = (&'a [(&'a str, &'a str)], u16, &'a str);

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    let world = town().await;
    let long = "x".repeat(2_000);
    let cases: [Refused<'_>; 20] = [
        (&[("filter", "(")], 400, "rule_invalid"),
        (&[("filter", "city + ")], 400, "rule_invalid"),
        (&[("filtr", "city = \"Lyon\"")], 400, "query_invalid"),
        (&[("limit", "0")], 400, "limit_invalid"),
        (&[("limit", "1001")], 400, "limit_invalid"),
        (&[("skip", "-1")], 400, "skip_invalid"),
        (&[("skip", "9901")], 400, "skip_invalid"),
        (&[("skip", "18446744073709551615")], 400, "skip_invalid"),
        (&[("skip", "1"), ("cursor", "x")], 400, "skip_invalid"),
        (&[("cursor", "x")], 400, "cursor_invalid"),
        (&[("count", "yes")], 400, "query_invalid"),
        (&[("of", "things")], 400, "query_invalid"),
        (&[("fields", "everything")], 400, "fields_unknown"),
        (&[("relevance", "some")], 400, "relevance_invalid"),
        (&[("time_zone", "Mars/Base")], 400, "time_zone_unknown"),
        (&[("merge_policy", "none")], 400, "merge_policy_unknown"),
        (&[("order_by", "a,b,c,d")], 400, "order_too_long"),
        (&[("order_by", "a,,b")], 400, "attribute_path_invalid"),
        (&[("order_by", &long)], 400, "attribute_path_invalid"),
        (&[("order_by", "a\\b")], 400, "attribute_path_invalid"),
    ];
    for (parameters, status, code) in cases {
        check(&world.get(&path(parameters), ROOT).await, status, code, &format!("{parameters:?}"));
    }
    let key = world.key("private", &["ingest"], &["default"]).await;
    check(&world.get("/v1/profiles", &key).await, 403, "permission_missing", "a key that may not read");
}

#[tokio::test]
async fn what_a_key_may_not_see_can_be_asked_in_no_way() {
    let world = town().await;
    let private = json!({ "type": "number", "private": true }).to_string();
    let set = world.call("PUT", "/v1/data-model/attributes/weight", ROOT, private).await;
    assert_eq!(set.status, 200, "{}", set.json());
    let segment = json!({ "name": "grown", "pql": "weight > 17" }).to_string();
    let made = world.call("POST", "/v1/segments", ROOT, segment).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let key = world.key("private", &["read", "configure"], &["default"]).await;
    for parameters in [
        &[("filter", "weight > 17")][..],
        &[("filter", "email = \"ann@shop.example\" and weight > 17")],
        &[("filter", "not (city = \"Lyon\" and weight.isNull())")],
        &[("filter", "inSegment(\"grown\")")],
        &[("order_by", "weight desc")],
        &[("order_by", "city,weight")],
    ] {
        let what = format!("{parameters:?}");
        check(&world.get(&path(parameters), &key).await, 403, "rule_reads_hidden", &what);
        let page = find(&world, parameters).await;
        assert!(page["profiles"].is_array(), "{what}");
    }
    let reply = world.get(&path(&[("filter", "city = \"Lyon\"")]), &key).await.json();
    assert_eq!(names(&reply).len(), 3);
    assert!(!reply.to_string().contains("\"weight\"") && !reply.to_string().contains("grown"), "{reply}");
}

#[tokio::test]
async fn members_of_a_segment_are_shown_with_what_is_asked_for() {
    let world = town().await;
    let segment = json!({ "name": "lyon", "pql": "city = \"Lyon\"" }).to_string();
    let made = world.call("POST", "/v1/segments", ROOT, segment).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let mut listed = json!({ "members": [] });
    for _ in 0..100_000 {
        listed = world.get("/v1/segments/lyon/members?fields=identifiers", ROOT).await.json();
        if listed["members"].as_array().is_some_and(|all| all.len() == 3) {
            break;
        }
        tokio::task::yield_now().await;
    }
    for member in listed["members"].as_array().expect("members") {
        let profile = &member["profile"];
        assert_eq!((&profile["profile_id"], &profile["city"]), (&member["profile_id"], &Value::Null), "{member}");
        assert!(profile["user_id"].is_string(), "{member}");
    }
    let plain = world.get("/v1/segments/lyon/members?limit=1", ROOT).await.json();
    assert!(plain["members"][0].get("profile").is_none() && plain["next_cursor"].is_string(), "{plain}");
    check(&world.get("/v1/segments/lyon/members?fields=all", ROOT).await, 400, "fields_unknown", "fields");
}

/// The path of a question about events, its values percent-encoded.
fn events_path(query: &str) -> String {
    let pairs: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    path(&pairs).replacen("/v1/profiles", "/v1/events", 1)
}

#[tokio::test]
async fn events_are_found_across_people() {
    let world = World::new().await;
    let send = async |user: &str, anonymous: &str, id: &str, event: &str, time: &str, total: u32| {
        let body = json!({ "userId": user, "anonymousId": anonymous, "messageId": id, "event": event, "timestamp": time,
            "properties": { "total": total } });
        let reply = world.call("POST", "/v1/track", ROOT, body.to_string()).await;
        assert_eq!(reply.status, 200, "{}", reply.json());
    };
    send("1", "a", "m1", "Order", "2026-01-01T10:00:00Z", 10).await;
    send("1", "b", "m2", "View", "2026-01-02T10:00:00Z", 0).await;
    send("2", "c", "m3", "Order", "2026-01-03T10:00:00Z", 30).await;
    // Two users of one device: the rule keeps the device from one of them, and its event names it all the same.
    send("3", "c", "m4", "Order", "2026-01-04T10:00:00Z", 20).await;
    let identify = json!({ "userId": "1", "messageId": "i1", "timestamp": "2026-01-05T10:00:00Z" });
    assert_eq!(world.call("POST", "/v1/identify", ROOT, identify.to_string()).await.status, 200);
    let found = async |query: &str| {
        let reply = world.get(&events_path(query), ROOT).await;
        assert_eq!(reply.status, 200, "{query}: {}", reply.json());
        let json = reply.json();
        let ids = json["events"].as_array().expect("events").iter().map(|own| own["message_id"].clone());
        (ids.collect::<Vec<_>>(), json["total"].clone())
    };
    for (query, ids, total) in [
        ("", &["m4", "m3", "m2", "m1"][..], 4),
        ("limit=1&skip=1", &["m3"], 4),
        ("filter=eventType = \"Order\"", &["m4", "m3", "m1"], 3),
        ("filter=eventType = \"Order\" and properties.total > 10&order_by=properties.total desc", &["m3", "m4"], 2),
        ("order_by=eventType,timestamp", &["m1", "m3", "m4", "m2"], 4),
        ("filter=timestamp < \"2026-01-03\"", &["m2", "m1"], 2),
        ("filter=_identities.user_id.includes(\"1\")", &["m2", "m1"], 2),
        ("filter=\"c\" in _identities.anonymous_id", &["m4", "m3"], 2),
        ("filter=_identities.anonymous_id.exists(this = \"c\") and eventType = \"View\"", &[], 0),
        ("filter=_identities.anonymous_id.includes(\"nobody\")", &[], 0),
        ("filter=not _identities.user_id.includes(\"1\")", &["m4", "m3"], 2),
        ("filter=_id = \"m2\"", &["m2"], 1),
    ] {
        assert_eq!(found(query).await, (ids.iter().map(|id| json!(id)).collect::<Vec<_>>(), json!(total)), "{query}");
    }
    for (query, code) in [
        ("filter=eventType ==", "rule_invalid"),
        ("order_by=a,b,c,timestamp", "order_too_long"),
        ("order_by=)", "order_invalid"),
        ("skip=10000", "skip_invalid"),
        ("limit=0", "limit_invalid"),
        ("nonsense=1", "query_invalid"),
    ] {
        assert_eq!(world.get(&events_path(query), ROOT).await.code(), code, "{query}");
    }
    // What was erased is found no more, before the purge has run and after it.
    assert_eq!(world.call("DELETE", "/v1/profiles/identifier/user_id/3", ROOT, "").await.status, 200);
    assert_eq!(found("").await, (vec![json!("m3"), json!("m2"), json!("m1")], json!(3)));
    assert_eq!(found("filter=\"c\" in _identities.anonymous_id").await, (vec![json!("m3")], json!(1)));
}

/// An attribute counts as claimed where its fact names its own value: one beside another address is a plain attribute, and found as such.
#[tokio::test]
async fn who_shows_another_value_than_the_fact_names_is_found() {
    let world = World::new().await;
    let record = async |user: &str, attributes: Value| {
        let identities =
            json!([{ "namespace": "user_id", "value": user }, { "namespace": "email", "value": "one@shop.example" }]);
        let body = json!({ "dataset": "crm", "identities": identities, "attributes": attributes });
        let reply = world.call("POST", "/v1/records", ROOT, body.to_string()).await;
        assert_eq!(reply.json()["accepted"], 1, "{}", reply.json());
    };
    record("u1", json!({ "n": 1 })).await;
    // The address is somebody's already, so the link is held.
    record("u2", json!({ "email": "other@shop.example" })).await;
    let mut shown = Vec::new();
    for user in ["u1", "u2"] {
        let profile = world.get(&format!("/v1/profiles/identifier/user_id/{user}"), ROOT).await.json();
        shown.push(profile["email"].clone());
    }
    assert_eq!(shown, ["one@shop.example", "other@shop.example"]);
    for (email, user) in [("one@shop.example", "u1"), ("other@shop.example", "u2")] {
        let page = find(&world, &[("filter", &format!("email = \"{email}\""))]).await;
        let users: Vec<&Value> =
            page["profiles"].as_array().expect("profiles").iter().map(|own| &own["user_id"]).collect();
        assert_eq!(users, [user], "{email}: {page}");
    }
}
