use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tessera_service::Settings;

use crate::tests::golden;
use crate::tests::world::{ROOT, Reply, World, request};

#[tokio::test]
async fn profiles_are_answered_as_the_spec_says() {
    golden::check("api/src/segment_profiles/golden/profiles.txt").await;
}

const ANN: &str = "/v1/spaces/default/collections/users/profiles/user_id:ann";

async fn read(world: &World, path: &str) -> Value {
    let reply = world.get(path, ROOT).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.json());
    reply.json()
}

async fn sent(world: &World, call: &str, body: Value) {
    let reply = world.call("POST", &format!("/v1/{call}"), ROOT, body.to_string()).await;
    assert_eq!(reply.json()["accepted"], 1, "{body}: {}", reply.json());
}

async fn tracked(world: &World, at: usize, event: &str) {
    let time = format!("2026-01-30T10:00:{at:02}Z");
    let id = format!("m-{at:02}");
    sent(world, "track", json!({ "userId": "ann", "messageId": id, "event": event, "timestamp": time })).await;
}

/// Everything of a list, page by page, and how many pages that were.
async fn all(world: &World, path: &str, part: &str) -> (Vec<Value>, usize) {
    let (mut seen, mut pages, mut next) = (Vec::new(), 0, String::new());
    loop {
        let separator = if path.contains('?') { '&' } else { '?' };
        let page = read(world, &format!("{path}{separator}next={next}")).await;
        match &page[part] {
            Value::Array(items) => seen.extend(items.iter().cloned()),
            Value::Object(members) => seen.extend(members.iter().map(|(name, value)| json!([name, value]))),
            other => panic!("{part}: {other}"),
        }
        pages += 1;
        let cursor = &page["cursor"];
        next = cursor["next"].as_str().expect("a text").to_owned();
        assert_eq!(cursor["has_more"], json!(!next.is_empty()), "{cursor}");
        assert_eq!(cursor["url"].as_str(), path.split('?').next(), "{cursor}");
        if next.is_empty() {
            return (seen, pages);
        }
    }
}

/// A list read by pages of whatever size is the list read at once.
#[tokio::test]
async fn pages_together_are_the_whole() {
    let world = World::new().await;
    let traits: Value =
        (0..23).map(|at| (format!("trait_{at:02}"), json!(at))).collect::<serde_json::Map<_, _>>().into();
    sent(&world, "identify", json!({ "userId": "ann", "anonymousId": "a-0", "messageId": "i-0", "traits": traits }))
        .await;
    for at in 1..13 {
        sent(
            &world,
            "identify",
            json!({ "userId": "ann", "anonymousId": format!("a-{at}"), "messageId": format!("i-{at}") }),
        )
        .await;
        sent(&world, "group", json!({ "userId": "ann", "groupId": format!("g-{at}"), "messageId": format!("g-{at}") }))
            .await;
    }
    for (list, part, max, count) in [
        ("traits", "traits", 200, 23),
        ("external_ids", "data", 200, 14),
        ("links", "data", 20, 12),
        ("events", "data", 100, 25),
    ] {
        let whole = all(&world, &format!("{ANN}/{list}?limit={max}"), part).await;
        assert_eq!((whole.0.len(), whole.1), (count, 1), "{list}");
        for limit in [1, 4, 12] {
            let (seen, pages) = all(&world, &format!("{ANN}/{list}?limit={limit}"), part).await;
            assert_eq!((&seen, pages), (&whole.0, count.div_ceil(limit)), "{list} by {limit}");
        }
        for limit in ["0".to_owned(), (max + 1).to_string(), "x".to_owned(), "-1".to_owned()] {
            let refused = world.get(&format!("{ANN}/{list}?limit={limit}"), ROOT).await;
            assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, "limit_invalid"), "{list} {limit}");
        }
    }
    // A list of names may stand in several parameters.
    let twice = read(&world, &format!("{ANN}/traits?include=trait_01&include=trait_02,nothing")).await;
    assert_eq!(twice["traits"], json!({ "trait_01": 1, "trait_02": 2 }));
    let newest = all(&world, &format!("{ANN}/events?limit=7&sort=desc"), "data").await.0;
    let mut oldest = all(&world, &format!("{ANN}/events?limit=4&sort=asc"), "data").await.0;
    oldest.reverse();
    assert_eq!(newest, oldest);
}

/// A cursor is good for its list, profile, filters and workspace, and for nothing else.
#[tokio::test]
async fn a_cursor_of_another_question_is_refused() {
    let world = World::new().await;
    world.workspace("shop").await;
    for user in ["ann", "bob"] {
        let traits = json!({ "a": 1, "b": 2, "c": 3 });
        sent(
            &world,
            "identify",
            json!({ "userId": user, "anonymousId": "x", "messageId": format!("{user}-0"), "traits": traits }),
        )
        .await;
        sent(&world, "track", json!({ "userId": user, "event": "x", "messageId": format!("{user}-1") })).await;
    }
    let next = async |path: &str| {
        let page = read(&world, path).await;
        assert_eq!(page["cursor"]["has_more"], true, "{path}: {page}");
        page["cursor"]["next"].as_str().expect("a text").to_owned()
    };
    let traits = next(&format!("{ANN}/traits?limit=1&include=a,b")).await;
    let events = next(&format!("{ANN}/events?limit=1&sort=asc")).await;
    read(&world, &format!("{ANN}/traits?limit=2&include=a,b&verbose=true&next={traits}")).await;
    let bob = ANN.replace("ann", "bob");
    for path in [
        format!("{ANN}/traits?next={traits}"),
        format!("{ANN}/traits?include=a,c&next={traits}"),
        format!("{ANN}/traits?include=a,b&include=c&next={traits}"),
        format!("{ANN}/traits?include=a,b&class=audience&next={traits}"),
        format!("{bob}/traits?include=a,b&next={traits}"),
        format!("{ANN}/external_ids?include=a,b&next={traits}"),
        format!("{ANN}/events?next={events}"),
        format!("{ANN}/events?sort=desc&next={events}"),
        format!("{ANN}/events?sort=asc&start=2020-01-01T00:00:00Z&next={events}"),
        format!("{bob}/events?sort=asc&next={events}"),
        format!("{ANN}/traits?include=a,b&next={}", &traits[1..]),
        format!("{ANN}/links?next={}", "A".repeat(2_000)),
    ] {
        let refused = world.get(&path, ROOT).await;
        let error = refused.json();
        assert_eq!((refused.status.as_u16(), &error["error"]["reason"]), (400, &json!("cursor_invalid")), "{path}");
        assert_eq!(error["error"]["code"], "validation_error", "{path}");
    }
    // The native list has cursors of its own.
    let native = world.get("/v1/profiles/identifier/user_id/ann/events?limit=1", ROOT).await.json();
    let native = native["next_cursor"].as_str().expect("a cursor");
    assert_eq!(world.get(&format!("{ANN}/events?next={native}"), ROOT).await.code(), "cursor_invalid");
    let foreign = world.get(&format!("/v1/profiles/identifier/user_id/ann/events?cursor={events}"), ROOT).await;
    assert_eq!(foreign.code(), "cursor_invalid");
}

fn ids(page: &Value) -> Vec<&str> {
    page["data"].as_array().expect("a list").iter().map(|own| own["message_id"].as_str().expect("an id")).collect()
}

/// Filters and bounds of time hold in both orders, over the identities of a profile and from page to page.
#[tokio::test]
async fn events_are_filtered_in_both_orders() {
    let world = World::new().await;
    for at in 0..10 {
        tracked(&world, at, ["Viewed", "Added", "Bought"][at % 3]).await;
    }
    // Of the same person, owned by another identity, in between; two of one time.
    let time = "2026-01-30T10:00:04Z";
    sent(&world, "track", json!({ "anonymousId": "a", "messageId": "a-04", "event": "Viewed", "timestamp": time }))
        .await;
    sent(
        &world,
        "identify",
        json!({ "userId": "ann", "anonymousId": "a", "messageId": "i-20", "timestamp": "2026-01-30T10:00:20Z" }),
    )
    .await;
    let start = "start=2026-01-30T10:00:02Z&end=2026-01-30T10:00:07Z";
    for (asked, expected) in [
        (start, BTreeSet::from(["m-02", "m-03", "m-04", "a-04", "m-05", "m-06"])),
        ("include=Viewed", BTreeSet::from(["m-00", "m-03", "a-04", "m-06", "m-09"])),
        ("include=Viewed,Bought&exclude=Bought", BTreeSet::from(["m-00", "m-03", "a-04", "m-06", "m-09"])),
        ("exclude=Viewed,Added", BTreeSet::from(["m-02", "m-05", "m-08", "i-20"])),
        ("include=Nothing", BTreeSet::new()),
    ] {
        let mut orders = Vec::new();
        for sort in ["asc", "desc"] {
            for limit in [1, 3, 100] {
                let (seen, _) = all(&world, &format!("{ANN}/events?{asked}&sort={sort}&limit={limit}"), "data").await;
                let page = json!({ "data": seen });
                let seen: Vec<String> = ids(&page).into_iter().map(str::to_owned).collect();
                assert_eq!(
                    seen.iter().map(String::as_str).collect::<BTreeSet<_>>(),
                    expected,
                    "{asked} {sort} {limit}"
                );
                assert_eq!(seen.len(), expected.len(), "{asked} {sort} {limit}");
                orders.push(if sort == "asc" { seen } else { seen.into_iter().rev().collect() });
            }
        }
        assert!(orders.iter().all(|own| *own == orders[0]), "{asked}: {orders:?}");
    }
    let many = vec!["x"; 101].join(",");
    let refused = world.get(&format!("{ANN}/events?include={many}"), ROOT).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, "event_names_too_many"));
    let many = vec!["x"; 201].join(",");
    let refused = world.get(&format!("{ANN}/traits?include={many}"), ROOT).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, "query_invalid"));
}

async fn sent_as(world: &World, path: &str, authorization: &str) -> Reply {
    let headers: &[(&str, &str)] = if authorization.is_empty() { &[] } else { &[("authorization", authorization)] };
    world.send(request("GET", path, "", headers, "")).await
}

fn basic(user: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:")))
}

/// The access token is the user of Basic, or a bearer token; it is one of a server, and holds the space.
#[tokio::test]
async fn the_access_token_says_which_spaces_may_be_read() {
    let world = World::new().await;
    world.workspace("shop").await;
    tracked(&world, 0, "x").await;
    let path = format!("{ANN}/metadata");
    let reader = world.key("private", &["read"], &["default"]).await;
    let of_shop = world.key("private", &["read"], &["shop"]).await;
    let sender = world.key("private", &["ingest"], &["default"]).await;
    let page = world.key("public", &["ingest", "read_public"], &["default"]).await;
    let id = {
        let directory = world.service.directory().snapshot();
        let organization = directory.organization_by_name("default").expect("an organization").id;
        directory.workspace_by_name(organization, "default").expect("a workspace").id.stable_id()
    };
    let by_id = path.replace("/spaces/default/", &format!("/spaces/{id}/"));
    for (path, authorization, status, code, reason) in [
        (&path, basic(&reader), 200, "", ""),
        (&path, format!("Bearer {reader}"), 200, "", ""),
        (&path, basic(ROOT), 200, "", ""),
        (&by_id, basic(&reader), 200, "", ""),
        (&path, String::new(), 401, "authentication_error", "key_missing"),
        (&path, basic("unknown"), 401, "authentication_error", "key_unknown"),
        (&path, "Digest x".to_owned(), 401, "authentication_error", "key_invalid"),
        (&path, basic(&sender), 403, "authentication_error", "permission_missing"),
        (&path, basic(&page), 403, "authentication_error", "permission_missing"),
        (&path, basic(&of_shop), 404, "not_found", "space_not_found"),
        (&by_id, basic(&of_shop), 404, "not_found", "space_not_found"),
        (&path.replace("/spaces/default/", "/spaces/elsewhere/"), basic(&reader), 404, "not_found", "space_not_found"),
    ] {
        let reply = sent_as(&world, path, &authorization).await;
        let error = &reply.json()["error"];
        let told = (error["code"].as_str().unwrap_or(""), error["reason"].as_str().unwrap_or(""));
        assert_eq!((reply.status.as_u16(), told), (status, (code, reason)), "{path} {authorization}");
        // The id of the request stands in the API's own header as well, whatever the answer.
        assert!(!reply.header("request-id").is_empty(), "{path}");
        assert_eq!(reply.header("request-id"), reply.header("x-request-id"), "{path}");
    }
    // Whether there is such a space is told to nobody who does not hold it.
    let [held_by_others, none] = ["default", "elsewhere"].map(|name| path.replace("/default/", &format!("/{name}/")));
    let told =
        [sent_as(&world, &held_by_others, &basic(&of_shop)).await, sent_as(&world, &none, &basic(&of_shop)).await];
    assert_eq!(told[0].body, told[1].body);
    // No page of any origin may ask.
    let headers = [("origin", "https://shop.example"), ("access-control-request-method", "GET")];
    let preflight = world.send(request("OPTIONS", &path, "", &headers, "")).await;
    assert_eq!((preflight.status.as_u16(), preflight.header("access-control-allow-origin")), (405, ""));
    // Our own header may say the same, and nothing else.
    let both = |name: &'static str| request("GET", &path, ROOT, &[("x-tessera-workspace", name)], "");
    assert_eq!(world.send(both("default")).await.status, 200);
    assert_eq!(world.send(both("shop")).await.code(), "space_not_found");
}

#[tokio::test]
async fn too_many_requests_are_told_so() {
    let world = World::new().await;
    tracked(&world, 0, "x").await;
    let limit = json!({ "per_second": 1, "burst": 1, "concurrency": 10 });
    let new = json!({ "name": "slow", "class": "private", "permissions": ["read"], "workspaces": ["default"], "rate_limit": limit });
    let made = world.call("POST", "/v1/admin/keys", ROOT, new.to_string()).await.json();
    let key = made["secret"].as_str().unwrap_or_else(|| panic!("{made}"));
    let path = format!("{ANN}/traits");
    assert_eq!(world.get(&path, key).await.status, 200);
    let refused = world.get(&path, key).await;
    let error = refused.json();
    assert_eq!((refused.status.as_u16(), &error["error"]["code"]), (429, &json!("rate_limit_error")), "{error}");
    assert!(!refused.header("retry-after").is_empty());
}

/// What the store cannot do now is a 503 under our own code.
#[tokio::test]
async fn a_fault_inside_keeps_its_code() {
    let world = World::new().await;
    tracked(&world, 0, "x").await;
    world.faulty.shut();
    let mut replies = vec![deletes(&world, ROOT, &json!([{ "id": "ann", "type": "user_id" }])).await];
    for list in ["traits", "external_ids", "events", "metadata", "links"] {
        replies.push(world.get(&format!("{ANN}/{list}"), ROOT).await);
    }
    for reply in replies {
        let error = reply.json();
        assert_eq!((reply.status.as_u16(), &error["error"]["code"]), (503, &json!("store_unavailable")), "{error}");
        assert_eq!(error["error"]["code"], error["error"]["reason"], "{error}");
        assert!(!reply.header("retry-after").is_empty() && !reply.header("request-id").is_empty());
    }
    world.faulty.open_again();
    assert_eq!(world.get(&format!("{ANN}/traits"), ROOT).await.status, 200);
    world.service.close().await;
}

/// What could not be told is named; what is merely not there is not.
#[tokio::test]
async fn what_could_not_be_told_is_named() {
    let world = World::new().await;
    let computed = json!({ "name": "visits", "pql": "xEvent.count()" }).to_string();
    assert!(world.call("POST", "/v1/attributes", ROOT, computed).await.status.is_success());
    sent(&world, "identify", json!({ "userId": "ann", "messageId": "m", "traits": { "plan": "gold" } })).await;
    tracked(&world, 1, "x").await;
    let whole = read(&world, &format!("{ANN}/traits")).await;
    assert_eq!((&whole["traits"], whole.get("incomplete")), (&json!({ "plan": "gold", "visits": 1 }), None));
    let world = world.reopened(Settings { without_rules: true, ..Settings::default() }).await;
    let part = read(&world, &format!("{ANN}/traits")).await;
    assert_eq!(part["traits"], json!({ "plan": "gold" }), "{part}");
    assert_eq!(part["incomplete"]["visits"], "rules_off", "{part}");
    world.service.close().await;
}

/// What the data model flags is shown to keys that may see it, with neither its source nor its time to others.
#[tokio::test]
async fn flagged_traits_and_events_are_not_for_everybody() {
    let world = World::new().await;
    let reader = world.key("private", &["read"], &["default"]).await;
    let traits = json!({ "plan": "gold", "income": 50_000 });
    sent(&world, "identify", json!({ "userId": "ann", "messageId": "m-1", "traits": traits })).await;
    tracked(&world, 2, "Diagnosed").await;
    tracked(&world, 1, "Viewed").await;
    for (path, flagged) in [
        ("/v1/data-model/attributes/income", json!({ "type": "number", "private": true })),
        ("/v1/data-model/event-types/Diagnosed", json!({ "private": true })),
    ] {
        let set = world.call("PUT", path, ROOT, flagged.to_string()).await;
        assert!(set.status.is_success(), "{path}: {}", set.json());
    }
    for (key, may_see) in [(ROOT, true), (&reader, false)] {
        let traits = world.get(&format!("{ANN}/traits?verbose=true"), key).await.json();
        assert_eq!(traits["traits"].get("income").is_some(), may_see, "{traits}");
        assert!(traits["traits"]["plan"]["value"] == "gold", "{traits}");
        let events = world.get(&format!("{ANN}/events?include=Diagnosed"), key).await.json();
        assert_eq!(!ids(&events).is_empty(), may_see, "{events}");
        let metadata = world.get(&format!("{ANN}/metadata"), key).await.json();
        assert!(!metadata["metadata"]["created_at"].is_null(), "{metadata}");
    }
}

/// Two who differ in capitals alone are two; who writes an id otherwise finds the one that there is.
#[tokio::test]
async fn an_id_is_looked_up_as_it_came_first() {
    let world = World::new().await;
    for (user, plan) in [("Ann", "gold"), ("ann", "silver"), ("bob", "basic")] {
        sent(&world, "identify", json!({ "userId": user, "messageId": user, "traits": { "plan": plan } })).await;
    }
    for (id, plan) in [("Ann", "gold"), ("ann", "silver"), ("ANN", "silver"), ("BOB", "basic")] {
        let traits = read(&world, &ANN.replace("user_id:ann", &format!("user_id:{id}/traits"))).await;
        assert_eq!(traits["traits"]["plan"], plan, "{id}");
    }
    // A value is all behind the first colon, and percent-encoded.
    sent(&world, "identify", json!({ "userId": "crm:7/8+9", "messageId": "c", "traits": { "plan": "odd" } })).await;
    for id in ["crm:7%2F8%2B9", "crm%3A7%2F8+9"] {
        let traits = read(&world, &ANN.replace("user_id:ann", &format!("user_id:{id}/traits"))).await;
        assert_eq!(traits["traits"]["plan"], "odd", "{id}");
    }
}

/// Types are the names that the tracking door takes ids under.
#[tokio::test]
async fn external_ids_of_the_tracking_door_are_types_here() {
    let world = World::new().await;
    let id = |r#type: &str, id: &str| json!({ "type": r#type, "id": id, "collection": "users", "encoding": "none" });
    let context = json!({ "externalIds": [id("ios.id", "IDFV-1"), id("ga_client_id", "35.12")] });
    sent(&world, "track", json!({ "userId": "ann", "event": "x", "messageId": "m-1", "context": context })).await;
    for by in ["ios.id:IDFV-1", "ga_client_id:35.12", "user_id:ann"] {
        let path = ANN.replace("user_id:ann", by);
        let found = read(&world, &format!("{path}/external_ids")).await;
        let types: Vec<&str> =
            found["data"].as_array().expect("a list").iter().filter_map(|own| own["type"].as_str()).collect();
        assert_eq!(types, ["ga_client_id", "ios.id", "user_id"], "{by}");
        let events = read(&world, &format!("{path}/events")).await;
        let named = events["data"][0]["external_ids"].as_array().expect("a list");
        assert!(named.contains(&id("ios.id", "IDFV-1")), "{by}: {events}");
    }
}

/// An audience of the name of an attribute is neither lost nor shown in its place.
#[tokio::test]
async fn an_audience_and_an_attribute_of_one_name() {
    let world = World::new().await;
    let segment = json!({ "name": "plan", "pql": "plan = \"gold\"" }).to_string();
    assert!(world.call("POST", "/v1/segments", ROOT, segment).await.status.is_success());
    sent(&world, "identify", json!({ "userId": "ann", "messageId": "m", "traits": { "plan": "gold" } })).await;
    assert_eq!(read(&world, &format!("{ANN}/traits")).await["traits"], json!({ "plan": "gold" }));
    assert_eq!(read(&world, &format!("{ANN}/traits?class=audience")).await["traits"], json!({ "plan": true }));
    assert_eq!(read(&world, &format!("{ANN}/traits?class=computed_trait")).await["traits"], json!({}));
    sent(&world, "identify", json!({ "userId": "ann", "messageId": "n", "traits": { "plan": "silver" }, "timestamp": "2026-01-31T13:00:00Z" })).await;
    assert_eq!(read(&world, &format!("{ANN}/traits?class=audience")).await["traits"], json!({}));
}

/// Accounts that are gone are no links any more, and one that has two ids is one link.
#[tokio::test]
async fn links_are_accounts_that_are_there() {
    let world = World::new().await;
    for group in ["g-1", "g-2", "g-3"] {
        sent(
            &world,
            "group",
            json!({ "userId": "ann", "groupId": group, "messageId": group, "traits": { "name": group } }),
        )
        .await;
    }
    let accounts = async || {
        let links = all(&world, &format!("{ANN}/links?limit=1"), "data").await.0;
        links
            .iter()
            .map(|own| own["external_ids"].as_array().expect("a list").iter().map(|id| id["id"].clone()).collect())
            .collect::<Vec<Vec<Value>>>()
    };
    assert_eq!(accounts().await, [["g-1"], ["g-2"], ["g-3"]]);
    let ends = ["g-1", "g-3"].map(|value| json!({ "namespace": "group_id", "value": value }));
    let join = json!({ "type": "join", "identities": ends }).to_string();
    let joined = world.call("POST", "/v1/directives", ROOT, join).await;
    assert!(joined.status.is_success(), "{}", joined.json());
    assert_eq!(accounts().await, [vec!["g-1", "g-3"], vec!["g-2"]]);
    assert_eq!(world.call("DELETE", "/v1/profiles/identifier/group_id/g-2", ROOT, "").await.status, 200);
    assert_eq!(accounts().await, [["g-1", "g-3"]]);
}

/// The users of an account, page by page: those who still belong to it, each once.
#[tokio::test]
async fn links_of_an_account_are_its_users() {
    let world = World::new().await;
    for at in 0..9 {
        let (user, group) = (format!("u-{at}"), format!("g-{}", at % 2));
        sent(&world, "group", json!({ "userId": user, "groupId": group, "messageId": format!("m-{at}") })).await;
        // By another of the identities of the same person as well.
        let also = json!({ "userId": user, "anonymousId": format!("a-{at}"), "messageId": format!("i-{at}") });
        sent(&world, "identify", also).await;
        sent(
            &world,
            "group",
            json!({ "anonymousId": format!("a-{at}"), "groupId": group, "messageId": format!("b-{at}") }),
        )
        .await;
    }
    let users = async |group: &str, limit: usize| {
        let path = format!("/v1/spaces/default/collections/accounts/profiles/group_id:{group}/links?limit={limit}");
        let links = all(&world, &path, "data").await.0;
        assert!(links.iter().all(|own| own["to_collection"] == "users"), "{links:?}");
        let ids = links.iter().flat_map(|own| own["external_ids"].as_array().expect("a list"));
        let ids = ids.filter(|id| id["type"] == "user_id").map(|id| id["id"].as_str().expect("a text").to_owned());
        let ids: Vec<String> = ids.collect();
        assert_eq!(links.len(), ids.len());
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
        ids.into_iter().collect::<BTreeSet<_>>()
    };
    let of = |users: &[&str]| users.iter().map(|own| (*own).to_owned()).collect::<BTreeSet<_>>();
    for limit in [1, 2, 3, 20] {
        assert_eq!(users("g-0", limit).await, of(&["u-0", "u-2", "u-4", "u-6", "u-8"]), "{limit}");
        assert_eq!(users("g-1", limit).await, of(&["u-1", "u-3", "u-5", "u-7"]), "{limit}");
    }
    assert_eq!(world.call("DELETE", "/v1/profiles/identifier/user_id/u-3", ROOT, "").await.status, 200);
    assert_eq!(users("g-1", 2).await, of(&["u-1", "u-5", "u-7"]));
    let unknown = world.get("/v1/spaces/default/collections/accounts/profiles/group_id:none/links", ROOT).await;
    assert_eq!((unknown.status.as_u16(), unknown.code().as_str()), (404, "profile_not_found"));
}

async fn deletes(world: &World, key: &str, ids: &Value) -> Reply {
    let body = json!({ "delete_external_ids": ids }).to_string();
    world.call("POST", &format!("{ANN}/external_ids/delete"), key, body).await
}

/// A deletion is an erasure: the events that the id owned go with it, and its receipt is found.
#[tokio::test]
async fn a_deleted_id_goes_with_what_it_owned() {
    let world = World::new().await;
    sent(
        &world,
        "track",
        json!({ "anonymousId": "a", "messageId": "a-1", "event": "Viewed", "timestamp": "2026-01-30T09:00:00Z" }),
    )
    .await;
    tracked(&world, 0, "Bought").await;
    let traits = json!({ "email": "ann@shop.example" });
    sent(&world, "identify", json!({ "userId": "ann", "anonymousId": "a", "messageId": "i-1", "traits": traits }))
        .await;
    assert_eq!(ids(&read(&world, &format!("{ANN}/events?sort=asc")).await), ["a-1", "m-00", "i-1"]);
    let reader = world.key("private", &["read"], &["default"]).await;
    let refused = deletes(&world, &reader, &json!([{ "id": "a", "type": "anonymous_id" }])).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["code"]), (403, &json!("authentication_error")));
    let many: Vec<Value> = (0..101).map(|at| json!({ "id": at, "type": "anonymous_id" })).collect();
    let refused = deletes(&world, ROOT, &json!(many)).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, "batch_too_many"));
    assert_eq!(refused.json()["error"]["code"], "bad_request");
    let done = deletes(&world, ROOT, &json!([{ "id": "a", "type": "anonymous_id" }])).await;
    assert_eq!(done.status, 200, "{}", done.json());
    let receipt = done.json()["data"][0]["erasure_id"].as_str().expect("an id").to_owned();
    let receipt = read(&world, &format!("/v1/erasures/{receipt}")).await;
    assert_eq!(
        (&receipt["kind"], &receipt["events"], &receipt["suppressed"]),
        (&json!("identity"), &json!(1), &json!(false))
    );
    let events = read(&world, &format!("{ANN}/events?sort=asc")).await;
    assert_eq!(ids(&events), ["m-00", "i-1"]);
    assert_eq!(events["data"][1]["external_ids"].as_array().map(Vec::len), Some(2), "{events}");
    // All at once: what was known by the others alone goes with them.
    let all = json!([{ "id": "ann", "type": "user_id" }, { "id": "ann@shop.example", "type": "email" }]);
    let done = deletes(&world, ROOT, &all).await;
    assert_eq!(done.status, 200, "{}", done.json());
    assert_eq!(done.json()["data"][1]["erasure_id"], Value::Null, "{}", done.json());
    for id in ["user_id:ann", "email:ann@shop.example"] {
        let gone = world.get(&ANN.replace("user_id:ann", &format!("{id}/traits")), ROOT).await;
        assert_eq!(
            (gone.status.as_u16(), &gone.json()["error"]["message"]),
            (404, &json!("Profile was not found.")),
            "{id}"
        );
    }
    assert_eq!(deletes(&world, ROOT, &all).await.code(), "profile_not_found");
}
