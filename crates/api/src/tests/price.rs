//! What rules may cost over HTTP: bounds of values, patterns and answers, gaps in the place of what is too large, and reads while the rules
//! are off.

use serde_json::{Value, json};
use tessera_service::Settings;

use super::world::{ROOT, Reply, World};

/// Looks taken at a rule before it is given up.
const LOOKS_MAX: usize = 100_000;

async fn call(world: &World, method: &str, path: &str, body: &Value) -> Reply {
    world.call(method, path, ROOT, if body.is_null() { String::new() } else { body.to_string() }).await
}

async fn get(world: &World, path: &str) -> Value {
    let reply = world.get(path, ROOT).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.json());
    reply.json()
}

async fn track(world: &World, who: &str, event: &str, properties: Value) {
    let body = json!({ "userId": who, "event": event, "properties": properties });
    let reply = call(world, "POST", "/v1/track", &body).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["accepted"]), (200, &json!(1)), "{}", reply.json());
}

async fn asked(world: &World, pql: &str) -> Reply {
    let body = json!({ "pql": pql, "profile": { "namespace": "user_id", "value": "ann" } });
    call(world, "POST", "/v1/rules:evaluate", &body).await
}

/// Makes a rule and waits until it is brought to everybody.
async fn make(world: &World, path: &str, name: &str, pql: &str) -> Value {
    let reply = call(world, "POST", path, &json!({ "name": name, "pql": pql })).await;
    assert_eq!(reply.status, 201, "{pql}: {}", reply.json());
    active(world, &format!("{path}/{name}")).await
}

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

async fn ann(world: &World) -> Value {
    get(world, "/v1/profiles/identifier/user_id/ann").await
}

fn doubling(levels: usize, last: &str) -> String {
    let mut text = r#"let a0 = [{"l": 1, "r": 2}].distinct().head() in ("#.to_owned();
    for level in 1..levels {
        let before = level - 1;
        text.push_str(&format!(r#"let a{level} = [{{"l": a{before}, "r": a{before}}}].distinct().head() in ("#));
    }
    format!("{text}{last}{}", ")".repeat(levels))
}

#[tokio::test]
async fn values_that_double_are_over_budget_wherever_they_are_asked() {
    let world = World::new().await;
    track(&world, "ann", "Seen", json!({ "n": 1 })).await;
    for pql in [doubling(28, "a27 = a27"), doubling(20, "a19"), doubling(28, "a27.l")] {
        let reply = asked(&world, &pql).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (413, "rule_over_budget"), "{}", reply.json());
        let message = reply.json()["error"]["message"].as_str().expect("a message").to_owned();
        assert!(message.contains("items_max=65536"), "{message}");
    }
    let small = asked(&world, &doubling(12, "a11")).await;
    assert_eq!(small.status, 200);
    assert!(small.body.len() > 10_000 && small.body.len() < 1_000_000, "{}", small.body.len());
    let segment = make(&world, "/v1/segments", "doubles", &doubling(28, "a27 = a27")).await;
    assert_eq!((&segment["count"], &segment["over_budget"]), (&json!(0), &json!(1)), "{segment}");
    let attribute = make(&world, "/v1/attributes", "doubled", &doubling(20, "a19")).await;
    assert_eq!(attribute["status"], "active");
    // Nobody else is held up, and the read says what is missing.
    track(&world, "ben", "Seen", json!({ "n": 2 })).await;
    let shown = ann(&world).await;
    assert_eq!(
        shown["_incomplete"],
        json!({ "doubled": "over_budget", "_audiences.doubles": "over_budget" }),
        "{shown}"
    );
    assert!(shown.get("doubled").is_none() && shown["_audiences"] == json!({ "doubles": false }), "{shown}");
}

#[tokio::test]
async fn patterns_are_those_of_java_within_a_budget() {
    let world = World::new().await;
    let v = json!({ "v": "ann@x", "w": "abba", "dots": "a.b", "same": "^a", "bits": "01".repeat(14_000) });
    track(&world, "ann", "Seen", v).await;
    for (pql, expected) in [
        (r#"xEvent.head().properties.v.matches("^(?!admin).*@")"#, true),
        (r#"xEvent.head().properties.v.matches("(?<=@)x")"#, true),
        (r#"xEvent.head().properties.w.matches("(\\w)\\1")"#, true),
        (r#"xEvent.head().properties.dots.matches("\\Qa.b\\E")"#, true),
        (r#"xEvent.head().properties.v.matches("\\Qa.b\\E")"#, false),
        // A pattern may be a value.
        (r"xEvent.head().properties.v.matches(xEvent.head().properties.same)", true),
        (r"xEvent.head().properties.v.matches(xEvent.head().properties.w)", false),
    ] {
        let reply = asked(&world, pql).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["value"]), (200, &json!(expected)), "{pql}: {}", reply.json());
    }
    for number in 0..40 {
        track(&world, "ann", "Bits", json!({ "bits": "01".repeat(14_000), "n": number })).await;
    }
    let costly = asked(&world, r#"xEvent[properties.bits.matches("(0|1)*1(0|1){200}x")].count()"#).await;
    assert_eq!((costly.status.as_u16(), costly.code().as_str()), (413, "rule_over_budget"), "{}", costly.json());
    let refused = asked(&world, r#"xEvent.head().properties.v.matches("\\Ga")"#).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, "rule_invalid"));
    let message = refused.json()["error"]["message"].as_str().expect("a message").to_owned();
    assert!(message.contains("not supported"), "it says what may be written: {message}");
}

#[tokio::test]
async fn what_is_too_large_leaves_a_gap() {
    let world = World::new().await;
    for number in 0..40 {
        track(&world, "ann", "Seen", json!({ "n": number, "x": format!("{number}{}", "x".repeat(30_000)) })).await;
    }
    make(&world, "/v1/attributes", "all_x", "xEvent.properties.x").await;
    make(&world, "/v1/attributes", "how_many", "xEvent.count()").await;
    let shown = ann(&world).await;
    assert_eq!(shown["_incomplete"], json!({ "all_x": "over_budget" }), "{}", shown["_incomplete"]);
    assert_eq!(shown["how_many"], 40);
    // Each is small enough, and all are too large together: the largest are left out, and named.
    for part in 1..=5 {
        let pql = format!("xEvent[properties.n < {}].properties.x", 6 + part);
        make(&world, "/v1/attributes", &format!("part_{part}"), &pql).await;
    }
    let reply = world.get("/v1/profiles/identifier/user_id/ann", ROOT).await;
    assert!(reply.status == 200 && reply.body.len() <= 1_000_000, "{} {}", reply.status, reply.body.len());
    let shown = reply.json();
    assert_eq!(
        shown["_incomplete"],
        json!({ "all_x": "over_budget", "part_4": "too_large", "part_5": "too_large" }),
        "{}",
        shown["_incomplete"]
    );
    assert_eq!(shown["part_3"].as_array().map(Vec::len), Some(9));
    assert_eq!(shown["how_many"], 40, "what is small stays");
    // An explanation shows what there is room for.
    let why = world.get("/v1/attributes/part_5/explain?namespace=user_id&value=ann", ROOT).await;
    assert!(why.status == 200 && why.body.len() < 1_500_000, "{} {}", why.status, why.body.len());
    assert_eq!(why.json()["why"]["inputs"][0]["too_large"], true, "{}", why.json()["why"]["inputs"][0]["pql"]);
    let why = get(&world, "/v1/attributes/all_x/explain?namespace=user_id&value=ann").await;
    assert_eq!(why["incomplete"], "over_budget");
    let export = world.get("/v1/profiles/identifier/user_id/ann/export", ROOT).await;
    assert_eq!(export.status, 200);
}

#[tokio::test]
async fn what_was_stated_leaves_a_gap_too() {
    let world = World::new().await;
    let big = "x".repeat(64_000);
    for name in 'a'..='p' {
        let name = name.to_string();
        let record = json!({
            "dataset": "crm", "identities": [{ "namespace": "user_id", "value": "ann" }], "attributes": { &name: &big, "city": "Lyon" }
        });
        let reply = call(&world, "POST", "/v1/records", &record).await;
        assert_eq!(reply.status, 200, "{}", reply.json());
    }
    let reply = world.get("/v1/profiles/identifier/user_id/ann", ROOT).await;
    assert!(reply.status == 200 && reply.body.len() <= 1_000_000, "{} {}", reply.status, reply.body.len());
    let shown = reply.json();
    assert_eq!((&shown["city"], &shown["_incomplete"]), (&json!("Lyon"), &json!({ "p": "too_large" })));
}

#[tokio::test]
async fn without_rules_nothing_is_told_that_depends_on_them_and_afterwards_all_is_made_up_for() {
    let world = World::new().await;
    track(&world, "ann", "Seen", json!({ "n": 1 })).await;
    track(&world, "ben", "Seen", json!({ "n": 1 })).await;
    make(&world, "/v1/attributes", "seen", "xEvent[eventType = \"Seen\"].count()").await;
    make(&world, "/v1/segments", "twice", "xEvent[eventType = \"Seen\"].count() >= 2").await;
    make(&world, "/v1/segments", "bad", "xEvent[eventType = \"Nothing\"].count() >= 2").await;
    // A read looks at the instant of its clock, and rules begin with the commit that makes them.
    world.pass(1_000_000);
    let world = world.reopened(Settings { without_rules: true, ..Settings::default() }).await;
    let record = json!({
        "dataset": "crm", "identities": [{ "namespace": "user_id", "value": "ann" }], "attributes": { "seen": 77 }
    });
    assert_eq!(call(&world, "POST", "/v1/records", &record).await.status, 200);
    let shown = ann(&world).await;
    let off = json!({ "seen": "rules_off", "_audiences": "rules_off" });
    assert_eq!(shown["_incomplete"], off, "{shown}");
    assert!(shown.get("seen").is_none() && shown.get("_audiences").is_none(), "nothing stands in its place: {shown}");
    // Writes are taken, and what depends on rules is refused.
    track(&world, "ann", "Seen", json!({ "n": 2 })).await;
    track(&world, "cem", "Seen", json!({ "n": 2 })).await;
    assert_eq!(call(&world, "DELETE", "/v1/profiles/identifier/user_id/ben", &Value::Null).await.status, 200);
    for path in [
        "/v1/segments/twice/members",
        "/v1/segments/twice/overlap?with=bad",
        "/v1/segments/twice/explain?namespace=user_id&value=ann",
        "/v1/attributes/seen/explain?namespace=user_id&value=ann",
        "/v1/profiles/identifier/user_id/ann/export",
    ] {
        let reply = world.get(path, ROOT).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (503, "rules_off"), "{path}: {}", reply.json());
    }
    let tried = call(&world, "POST", "/v1/segments:preview", &json!({ "pql": "seen > 1" })).await;
    assert_eq!((tried.status.as_u16(), tried.code().as_str()), (503, "rules_off"));
    assert_eq!(asked(&world, "seen").await.code(), "rules_off");
    assert_eq!(get(&world, "/v1/segments/twice").await["count"], Value::Null);
    // What keeps it from starting can be archived.
    let archived = call(&world, "DELETE", "/v1/segments/bad", &Value::Null).await;
    assert_eq!(
        (archived.status.as_u16(), &archived.json()["status"]),
        (200, &json!("archived")),
        "{}",
        archived.json()
    );
    world.pass(1_000_000);
    let world = world.reopened(Settings::default()).await;
    // A read is exact at once, whatever has been brought to everybody.
    let shown = ann(&world).await;
    assert_eq!((&shown["seen"], &shown["_audiences"]), (&json!(2), &json!({ "twice": true })), "{shown}");
    assert_eq!(shown.get("_incomplete"), None);
    for _ in 0..LOOKS_MAX {
        if get(&world, "/v1/segments/twice").await["count"] == 1 {
            let members = get(&world, "/v1/segments/twice/members").await;
            assert_eq!(members["members"][0]["profile_id"], shown["profile_id"]);
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the members are never made up for: {}", get(&world, "/v1/segments/twice").await);
}
