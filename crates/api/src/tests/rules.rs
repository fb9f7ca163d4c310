//! Rules over HTTP: what is found about them, and what they come to for a profile at which instant.

use serde_json::{Value, json};

use super::world::{ROOT, Reply, World};

async fn call(world: &World, path: &str, body: &Value) -> Reply {
    world.call("POST", path, ROOT, body.to_string()).await
}

async fn checked(world: &World, pql: &str) -> Value {
    let reply = call(world, "/v1/rules:check", &json!({ "pql": pql })).await;
    assert_eq!(reply.status, 200, "{pql}: {}", reply.json());
    reply.json()
}

/// Asks a rule of Ann, and answers all of what came of it.
async fn asked(world: &World, pql: &str) -> Value {
    let body = json!({ "pql": pql, "profile": { "namespace": "user_id", "value": "ann" } });
    let reply = call(world, "/v1/rules:evaluate", &body).await;
    assert_eq!(reply.status, 200, "{pql}: {}", reply.json());
    reply.json()
}

async fn order(world: &World, id: &str, at: &str, total: &str, skus: &[&str]) {
    let products: Vec<Value> = skus.iter().map(|sku| json!({ "sku": sku, "quantity": 2 })).collect();
    let body = format!(
        r#"{{"userId":"ann","event":"Order Completed","messageId":"{id}","timestamp":"{at}",
            "properties":{{"total":{total},"products":{}}}}}"#,
        json!(products)
    );
    let reply = world.call("POST", "/v1/track", ROOT, body).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["accepted"]), (200, &json!(1)), "{}", reply.json());
}

/// The clock of the world stands at 2026-01-31T12:00:00Z.
async fn ann() -> World {
    let world = World::new().await;
    let record = json!({
        "dataset": "crm", "identities": [
            { "namespace": "user_id", "value": "ann" }, { "namespace": "email", "value": "ann@shop.example" }
        ], "attributes": { "city": "Lyon", "age": 41, "address": { "country": "FR" } }
    });
    assert_eq!(call(&world, "/v1/records", &record).await.status, 200);
    order(&world, "o1", "2026-01-01T12:00:00Z", "0.1", &["a", "b"]).await;
    order(&world, "o2", "2026-01-20T12:00:00Z", "0.2", &["b"]).await;
    order(&world, "o3", "2025-06-01T12:00:00Z", "100.00", &[]).await;
    let login = json!({ "userId": "ann", "event": "Login", "messageId": "l1", "timestamp": "2026-01-30T08:00:00Z" });
    assert_eq!(call(&world, "/v1/track", &login).await.status, 200);
    world
}

#[tokio::test]
async fn a_rule_sees_what_a_read_shows_and_the_events_of_any_door() {
    let world = ann().await;
    for (pql, expected) in [
        ("city", json!("Lyon")),
        ("address.country = \"FR\" and age > 40", json!(true)),
        ("email", json!("ann@shop.example")),
        ("nothing", Value::Null),
        ("xEvent[eventType = \"Order Completed\"].sum(properties.total)", json!(100.3)),
        ("xEvent[eventType = \"Order Completed\"].count()", json!(3)),
        ("xEvent.count()", json!(4)),
        ("xEvent[eventType = \"Login\"].count() + 1", json!(2)),
        (
            "xEvent[eventType = \"Order Completed\" and timestamp occurs <= 30 days before now].sum(properties.total)",
            json!(0.3),
        ),
    ] {
        assert_eq!(asked(&world, pql).await["value"], expected, "{pql}");
    }
    let outcome = asked(&world, "city").await;
    assert_eq!((&outcome["events"], &outcome["changes_at"]), (&json!(4), &Value::Null), "{outcome}");
}

#[tokio::test]
async fn an_answer_changes_at_the_instant_that_it_names() {
    let world = ann().await;
    let rule = "xEvent[eventType = \"Order Completed\" and timestamp occurs <= 30 days before now].count()";
    let now = asked(&world, rule).await;
    // The order of the 1st is exactly 30 days old when the clock of the world begins, and still counts.
    assert_eq!(now["value"], 2, "{now}");
    let until = now["changes_at"].as_str().expect("it ends").to_owned();
    assert_eq!(until, "2026-01-31T12:00:00.000001Z");
    world.pass(1);
    let now = asked(&world, rule).await;
    assert_eq!((&now["value"], &now["changes_at"]), (&json!(1), &json!("2026-02-19T12:00:00.000001Z")), "{now}");
    world.pass(19 * 86_400_000_000 - 1);
    assert_eq!(asked(&world, rule).await["value"], 1);
    world.pass(1);
    let now = asked(&world, rule).await;
    assert_eq!((&now["value"], &now["changes_at"]), (&json!(0), &Value::Null), "{now}");
}

#[tokio::test]
async fn what_ends_by_its_window_ends_for_rules_too() {
    let world = ann().await;
    let put = |path: &'static str, body: Value| world.call("PUT", path, ROOT, body.to_string());
    assert_eq!(put("/v1/data-model/event-types/Login", json!({ "retention": "2d" })).await.status, 200);
    let rule = "xEvent[eventType = \"Login\"].count()";
    let now = asked(&world, rule).await;
    assert_eq!((&now["value"], &now["changes_at"]), (&json!(1), &json!("2026-02-01T08:00:00Z")), "{now}");
    world.pass(20 * 3_600_000_000 - 1);
    assert_eq!(asked(&world, rule).await["value"], 1);
    world.pass(1);
    let now = asked(&world, rule).await;
    assert_eq!((&now["value"], &now["changes_at"]), (&json!(0), &Value::Null), "{now}");
}

#[tokio::test]
async fn a_rule_is_told_in_its_one_spelling_with_what_it_depends_on() {
    let world = World::new().await;
    let found = checked(&world, "( city=\"Lyon\" )   and xEvent[ eventType=\"Order Completed\" ].count()>=3").await;
    assert_eq!(found["valid"], true);
    let rule = &found["rule"];
    let again = checked(&world, rule["pql"].as_str().expect("a text")).await;
    assert_eq!(&again["rule"], rule, "its one spelling is its own");
    assert_eq!((&rule["kind"], &rule["reads_clock"]), (&json!("constant"), &json!(false)), "{rule}");
    assert_eq!((&rule["attributes"], &rule["events"]), (&json!(["city"]), &json!(["Order Completed"])), "{rule}");
    assert_eq!(rule["aggregates"].as_array().map(Vec::len), Some(1), "{rule}");
}

#[tokio::test]
async fn what_is_no_rule_is_told_with_its_place() {
    let world = ann().await;
    for (pql, code, line, column) in [
        ("", "expression_syntax", 1, 1),
        ("city = ", "expression_syntax", 1, 8),
        ("city =\n  ~", "expression_unknown_character", 2, 3),
        ("city = \"Lyon", "expression_unterminated", 1, 8),
        ("city.startWith(\"L\")", "expression_unknown_function", 1, 6),
        ("city.startsWith()", "expression_wrong_arguments", 1, 6),
        ("city.matches(\"(\")", "expression_invalid_pattern", 1, 14),
    ] {
        let found = checked(&world, pql).await;
        let problem = &found["problem"];
        assert_eq!((&found["valid"], &problem["code"]), (&json!(false), &json!(code)), "{pql}: {found}");
        assert_eq!((&problem["line"], &problem["column"]), (&json!(line), &json!(column)), "{pql}: {found}");
        assert!(problem["expected"].as_str().is_some_and(|text| !text.is_empty()), "{pql}: {found}");
        let body = json!({ "pql": pql, "profile": { "namespace": "user_id", "value": "ann" } });
        let reply = call(&world, "/v1/rules:evaluate", &body).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "rule_invalid"));
        let message = reply.json()["error"]["message"].as_str().expect("a message").to_owned();
        assert!(message.contains(code) && message.contains(&format!("at line {line} column {column}")), "{message}");
    }
    assert_eq!(checked(&world, "city.startWith(\"L\")").await["problem"]["hint"], "did you mean startsWith?");
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_by_code() {
    let world = ann().await;
    let ann = json!({ "namespace": "user_id", "value": "ann" });
    for (path, body, status, code) in [
        ("check", json!({}), 400, "rule_spelling"),
        ("check", json!({ "pql": 7 }), 400, "body_invalid"),
        ("check", json!({ "pql": "city", "x": 1 }), 400, "body_invalid"),
        ("check", json!({ "pql": "city", "purpose": "segment" }), 400, "purpose_unknown"),
        ("check", json!({ "pql": "city", "filter": "city eq Lyon" }), 400, "rule_spelling"),
        ("evaluate", json!({ "pql": "city" }), 400, "body_invalid"),
        ("evaluate", json!({ "pql": "city", "profile": {} }), 400, "lookup_invalid"),
        ("evaluate", json!({ "pql": "city", "profile": { "namespace": "x", "value": "y" } }), 400, "namespace_unknown"),
        (
            "evaluate",
            json!({ "pql": "city", "profile": { "namespace": "user_id", "value": "y" } }),
            404,
            "profile_not_found",
        ),
        ("evaluate", json!({ "pql": "city", "profile": ann, "merge_policy": "x" }), 400, "merge_policy_unknown"),
        ("evaluate", json!({ "pql": "city", "profile": ann, "time_zone": "Paris" }), 400, "time_zone_unknown"),
    ] {
        let reply = call(&world, &format!("/v1/rules:{path}"), &body).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (status, code), "{body}: {}", reply.json());
    }
}

/// Days begin where the call says.
#[tokio::test]
async fn a_rule_is_tried_with_the_days_of_a_time_zone() {
    let world = ann().await;
    for (zone, day) in [(json!(null), 31), (json!("UTC"), 31), (json!("Europe/Paris"), 1)] {
        let profile = json!({ "namespace": "user_id", "value": "ann" });
        let pql = "\"2026-01-31T23:30:00Z\".getDayOfMonth()";
        let body = json!({ "pql": pql, "profile": profile, "time_zone": zone });
        assert_eq!(call(&world, "/v1/rules:evaluate", &body).await.json()["value"], day, "{zone}");
    }
}

#[tokio::test]
async fn what_a_reader_may_not_see_no_rule_tells_them() {
    let world = ann().await;
    let put = |path: &'static str, body: Value| world.call("PUT", path, ROOT, body.to_string());
    assert_eq!(put("/v1/data-model/attributes/city", json!({ "type": "text", "private": true })).await.status, 200);
    assert_eq!(put("/v1/data-model/event-types/Login", json!({ "private": true })).await.status, 200);
    let reader = world.key("private", &["read"], &["default"]).await;
    for (pql, own) in [("city", json!("Lyon")), ("xEvent[eventType=\"Login\"].count()", json!(1))] {
        let body = json!({ "pql": pql, "profile": { "namespace": "user_id", "value": "ann" } }).to_string();
        let reply = world.call("POST", "/v1/rules:evaluate", &reader, body).await;
        assert_eq!((reply.status.as_u16(), &*reply.code()), (403, "rule_reads_hidden"), "{pql}: {}", reply.json());
        assert_eq!(asked(&world, pql).await["value"], own);
    }
    // Nor that it is registered at all, by its type or in a hint.
    let check = async |pql: &str, key: &str| {
        let body = json!({ "pql": pql }).to_string();
        world.call("POST", "/v1/rules:check", key, body).await.json()
    };
    assert_eq!(check("city + 1", ROOT).await["valid"], false);
    assert_eq!(check("city + 1", &reader).await["valid"], true);
    assert_eq!(put("/v1/data-model/mode", json!({ "mode": "strict" })).await.status, 200);
    assert_eq!(check("citi = \"x\"", ROOT).await["problem"]["hint"], "did you mean city?");
    assert_eq!(check("citi = \"x\"", &reader).await["problem"].get("hint"), None);
}

#[tokio::test]
async fn a_rule_is_one_in_all_spellings() {
    let world = ann().await;
    let found = async |body: Value| call(&world, "/v1/rules:check", &body).await.json()["rule"].clone();
    let equal = json!({ "operator": "profile-attribute-equal", "operands": ["city", "Lyon"] });
    // What a language cannot say just so, it has no text for: PQL's `=` does not look into lists.
    for (own, first) in [
        ("filter", found(json!({ "filter": "city eq Lyon" })).await),
        ("tree", found(json!({ "tree": equal })).await),
        ("pql", found(json!({ "pql": "city = \"Lyon\"" })).await),
    ] {
        for spelling in ["pql", "pql_json", own] {
            let again = found(json!({ spelling: first[spelling] })).await;
            assert_eq!(again, first, "{own} by {spelling}");
            let body = json!({ spelling: first[spelling], "profile": { "namespace": "user_id", "value": "ann" } });
            let reply = call(&world, "/v1/rules:evaluate", &body).await;
            assert_eq!(reply.json()["value"], true, "{spelling}: {}", reply.json());
        }
    }
    let sum = checked(&world, "xEvent.sum(properties.total)").await["rule"].clone();
    assert_eq!((&sum["filter"], &sum["tree"], &sum["type"]), (&Value::Null, &Value::Null, &json!("a number")), "{sum}");
    let wrong = json!({ "tree": { "operator": "and", "operands": [{ "operator": "none", "operands": [] }] } });
    let found = call(&world, "/v1/rules:check", &wrong).await.json();
    assert!(found["problem"]["path"].as_str().is_some_and(|path| path.starts_with("/operands/0")), "{found}");
}

#[tokio::test]
async fn rules_are_checked_against_the_data_model() {
    let world = ann().await;
    let put = |path: &'static str, body: Value| world.call("PUT", path, ROOT, body.to_string());
    assert_eq!(put("/v1/data-model/attributes/plan", json!({ "type": "text" })).await.status, 200);
    let order = json!({ "properties": { "coupon": { "type": "text" } } });
    assert_eq!(put("/v1/data-model/event-types/Order%20Completed", order).await.status, 200);
    let valid = async |pql: &str| {
        let found = checked(&world, pql).await;
        (found["valid"] == true, found["problem"]["code"].as_str().unwrap_or_default().to_owned())
    };
    let wrong_type = (false, "expression_wrong_type".to_owned());
    assert_eq!(valid("plan + 1").await, wrong_type);
    assert_eq!(valid("xEvent[eventType = \"Order Completed\"].sum(properties.coupon)").await, wrong_type);
    // Where something is open, what is not registered is null, not an error.
    assert_eq!(valid("plam + 1").await, (true, String::new()));
    assert_eq!(put("/v1/data-model/mode", json!({ "mode": "strict" })).await.status, 200);
    assert_eq!(valid("plam = \"gold\"").await, (false, "expression_unknown_attribute".to_owned()));
    assert_eq!(checked(&world, "plam = \"gold\"").await["problem"]["hint"], "did you mean plan?");
    assert_eq!(valid("email = \"x\" and plan = \"gold\"").await, (true, String::new()));
}

#[tokio::test]
async fn what_nobody_has_heard_of_is_told_and_not_refused() {
    let world = World::new().await;
    let event = json!({ "userId": "ann", "event": "Order Completed", "messageId": "m", "properties": { "total": 5, "cart": { "id": "c" } } });
    assert_eq!(world.call("POST", "/v1/track", ROOT, event.to_string()).await.status, 200);
    let identify = json!({ "userId": "ann", "traits": { "plan": "gold", "address": { "city": "Lyon" } } });
    assert_eq!(world.call("POST", "/v1/identify", ROOT, identify.to_string()).await.status, 200);
    let none: [(&str, &str); 0] = [];
    for (rule, expected) in [
        ("plan = \"gold\" and address.city = \"Lyon\" and user_id = \"ann\"", &none[..]),
        (
            "xEvent[eventType = \"Order Completed\" and properties.total > 1 and properties.cart.id = \"c\"].count() > 0",
            &[],
        ),
        ("xEvent[eventType.equals(\"order completed\", false)].count() > 0", &[]),
        ("xEvent[eventType = \"page\"].count() > 0", &[]),
        ("paln = \"gold\"", &[("attribute", "paln")]),
        ("address.town = \"Lyon\"", &[("attribute", "address.town")]),
        ("xEvent[event = \"Order Completed\"].count() > 0", &[("event_part", "event")]),
        ("xEvent[eventType = \"Order Completed\"].sum(total) > 1", &[("event_part", "total")]),
        ("xEvent[eventType = \"Nonsense\"].count() > 0", &[("event_type", "Nonsense")]),
        ("xEvent[eventType = \"Order Completed\" and properties.price > 1].count() > 0", &[("property", "price")]),
        ("xEvent[properties.price > 1].count() > 0", &[("property", "price")]),
    ] {
        let warned = |json: &Value| -> Vec<(String, String)> {
            let text = |own: &Value, name: &str| own[name].as_str().expect("a text").to_owned();
            let warnings = json["warnings"].as_array().into_iter().flatten();
            warnings.map(|own| (text(own, "kind"), text(own, "name"))).collect()
        };
        let expected: Vec<_> = expected.iter().map(|(kind, name)| ((*kind).to_owned(), (*name).to_owned())).collect();
        let ask = async |path: &str, body: Value| {
            let reply = world.call("POST", path, ROOT, body.to_string()).await;
            assert!(reply.status.is_success(), "{rule}: {}", reply.json());
            warned(&reply.json())
        };
        let profile = json!({ "namespace": "user_id", "value": "ann" });
        assert_eq!(ask("/v1/rules:check", json!({ "pql": rule, "purpose": "condition" })).await, expected, "{rule}");
        assert_eq!(ask("/v1/rules:evaluate", json!({ "pql": rule, "profile": profile })).await, expected, "{rule}");
        assert_eq!(ask("/v1/segments:preview", json!({ "pql": rule })).await, expected, "{rule}");
        assert_eq!(ask("/v1/segments", json!({ "name": rule, "pql": rule })).await, expected, "{rule}");
    }
}

/// What was meant, where somebody writes what other languages have.
#[tokio::test]
async fn names_of_other_languages_are_told_what_they_are_here() {
    let world = ann().await;
    for (rule, meant) in [
        ("xEvent[eventType = \"Order Completed\"].sum(total)", "did you mean properties.total?"),
        ("xEvent[event = \"Order Completed\"].count()", "did you mean eventType?"),
        ("xEvent[created_at occurs today].count()", "did you mean timestamp?"),
        ("events.count()", "the events of a profile are xEvent"),
        ("eventType = \"Login\"", "events are asked for by xEvent[eventType"),
        ("city.length > 3", "did you mean city.length()?"),
        ("ctiy", "did you mean city?"),
    ] {
        let found = checked(&world, rule).await;
        let message = found["warnings"][0]["message"].as_str().unwrap_or_default();
        assert!(message.contains(meant), "{rule}: {found}");
    }
}
