//! What whoever writes a rule is told of it, beside names that nobody has heard of: types, letters, retention, merge policies.

use serde_json::{Value, json};

use super::world::{ROOT, World};

async fn put(world: &World, path: &str, body: Value) {
    let reply = world.call("PUT", path, ROOT, body.to_string()).await;
    assert!(reply.status.is_success(), "{path}: {}", reply.json());
}

async fn post(world: &World, path: &str, body: Value) -> Value {
    let reply = world.call("POST", path, ROOT, body.to_string()).await;
    assert!(reply.status.is_success(), "{path} {body}: {}", reply.json());
    reply.json()
}

async fn record(world: &World, dataset: &str, user: &str, attributes: Value) {
    let identities = [json!({ "namespace": "user_id", "value": user })];
    let body = json!({ "dataset": dataset, "records": [{ "identities": identities, "attributes": attributes }] });
    let report = post(world, "/v1/records", body).await;
    assert_eq!(report["rejected"], 0, "{report}");
}

/// Ann, who has values of each type, and Bob; two types of events, of which one is kept for 30 days.
async fn world() -> World {
    let world = World::new().await;
    put(&world, "/v1/data-model/attributes/tier", json!({ "type": "text", "allowed_values": ["Free", "Pro"] })).await;
    put(&world, "/v1/data-model/attributes/last_visit", json!({ "type": "date_time", "retention": "30d" })).await;
    put(&world, "/v1/data-model/event-types/Viewed", json!({ "retention": "30d" })).await;
    let own = json!({ "plan": "gold", "age": 41, "vip": true, "joined": "2025-01-31", "tags": ["a", "b"], "mixed": 1, "city": "Lyon" });
    record(&world, "crm", "ann", own).await;
    record(&world, "crm", "bob", json!({ "plan": "silver", "mixed": "x", "city": "lyon" })).await;
    for (event, properties) in
        [("Viewed", json!({ "sku": "A-1" })), ("Order", json!({ "total": "59.9", "channel": "web" }))]
    {
        let body = json!({ "userId": "ann", "event": event, "properties": properties });
        assert_eq!(post(&world, "/v1/track", body).await["accepted"], 1);
    }
    let policy = json!({ "id": "web-first", "name": "Web", "identity_graph": "full",
        "attribute_merge": { "choose": "precedence", "datasets": ["web"] } });
    post(&world, "/v1/merge-policies", policy).await;
    world
}

fn told(answer: &Value) -> Vec<String> {
    let warnings = answer["warnings"].as_array().into_iter().flatten();
    warnings.map(|own| format!("{} {}: {}", own["kind"], own["name"], own["message"]).replace('"', "")).collect()
}

/// Each rule is told of all that these say, in one warning, or of nothing.
async fn check(world: &World, cases: &[(&str, &[&str])]) {
    for (rule, expected) in cases {
        let answer = post(world, "/v1/rules:check", json!({ "pql": rule, "purpose": "condition" })).await;
        assert_eq!(answer["valid"], true, "{rule}: {answer}");
        let told = told(&answer);
        if expected.is_empty() {
            assert!(told.is_empty(), "{rule}: {told:?}");
        } else {
            let is_told = |warning: &String| expected.iter().all(|part| warning.contains(part));
            assert!(told.len() == 1 && told.iter().any(is_told), "{rule}: {told:?}");
        }
    }
}

#[tokio::test]
async fn a_type_that_nothing_seen_is_of() {
    let cases: &[(&str, &[&str])] = &[
        ("age = \"old\"", &["type age", "numbers"]),
        ("plan > 5 and age > 5", &[]),
        ("plan + 1 > 5", &["type plan", "texts", "a number"]),
        ("vip = 1", &["type vip", "true and false"]),
        ("age.contains(\"4\")", &["type age", "a text"]),
        ("tags = \"a\"", &["type tags", "lists"]),
        ("xEvent[eventType = \"Order\"].sum(properties.total) > 3", &["type total", "texts"]),
        ("age = \"41\" and age > 40 and vip = true and tags.includes(\"a\") and plan = \"gold\"", &[]),
        ("joined occurs <= 3 years before now and joined.startsWith(\"2025\")", &[]),
        ("mixed = 1 or mixed = \"x\"", &[]),
        // What is registered is refused, and not told.
        ("tier = \"Pro\"", &[]),
    ];
    check(&world().await, cases).await;
}

#[tokio::test]
async fn letters_of_a_text_that_nobody_has_so() {
    let world = world().await;
    let cases: &[(&str, &[&str])] = &[
        ("plan = \"Gold\"", &["letter_case plan", "of 2 profiles", "Gold", "gold"]),
        ("plan.equals(\"Gold\", false)", &[]),
        ("plan in [\"Gold\", \"silver\"]", &["letter_case plan"]),
        ("tags.includes(\"A\")", &["letter_case tags"]),
        ("city = \"Lyon\" and city = \"lyon\"", &["contradiction"]),
        ("plan = \"platinum\"", &[]),
        ("tier = \"pro\"", &["letter_case tier", "Pro"]),
        ("tier = \"Prof\"", &["value tier", "did you mean", "Pro"]),
        ("email = \"Ann@Shop.example\"", &["letter_case email", "ann@shop.example"]),
        ("email = \"ann@shop.example\"", &[]),
        ("xEvent[eventType = \"Order\" and properties.channel = \"Web\"].count() > 0", &["letter_case channel", "web"]),
        (
            "xEvent[properties.channel = \"Web\" and timestamp occurs <= 7 days before now].count() > 0",
            &["letter_case channel"],
        ),
        ("xEvent[eventType = \"Order\" and properties.channel = \"web\"].count() > 0", &[]),
    ];
    check(&world, cases).await;
    // The same where it is made; not to whoever may not read.
    let rule = json!({ "name": "gold", "pql": "plan = \"Gold\"" });
    assert_eq!(told(&post(&world, "/v1/segments", rule.clone()).await).len(), 1);
    assert_eq!(told(&post(&world, "/v1/segments:preview", json!({ "pql": "plan = \"Gold\"" })).await).len(), 1);
    let key = json!({ "name": "pipeline", "class": "private", "permissions": ["configure"] });
    let made = post(&world, "/v1/admin/keys", key).await;
    let secret = made["secret"].as_str().expect("a secret");
    let reply = world.call("PUT", "/v1/segments/gold", secret, json!({ "pql": "plan = \"GOLD\"" }).to_string()).await;
    assert_eq!((reply.status.as_u16(), told(&reply.json()).len()), (200, 0), "{}", reply.json());
}

#[tokio::test]
async fn windows_that_are_longer_than_what_is_kept() {
    let cases: &[(&str, &[&str])] = &[
        (
            "xEvent[eventType = \"Viewed\" and timestamp occurs <= 90 days before now].count() > 3",
            &["retention Viewed", "kept for 30d", "window"],
        ),
        ("xEvent[eventType = \"Viewed\" and timestamp occurs <= 30 days before now].count() > 3", &[]),
        ("xEvent[eventType = \"Viewed\"].count() > 3", &["retention Viewed", "ever"]),
        ("xEvent[eventType = \"Order\"].count() > 3", &[]),
        ("xEvent.count() > 3", &["retention Viewed"]),
        (
            "CHAIN(xEvent, timestamp, [A: WHAT(eventType = \"Viewed\"), B: WHAT(eventType = \"Order\")])",
            &["retention Viewed"],
        ),
        ("last_visit occurs <= 60 days before now", &["retention last_visit", "30d"]),
        ("last_visit occurs <= 20 days before now", &[]),
    ];
    check(&world().await, cases).await;
}

#[tokio::test]
async fn attributes_that_the_merge_policy_hides() {
    let world = world().await;
    record(&world, "web", "ann", json!({ "browser": "firefox" })).await;
    let preview = async |rule: &str, policy: &str| {
        told(&post(&world, "/v1/segments:preview", json!({ "pql": rule, "merge_policy": policy })).await)
    };
    let hidden = preview("plan = \"gold\"", "web-first").await;
    assert!(
        hidden.len() == 1 && hidden[0].starts_with("merge_policy plan") && hidden[0].contains("web-first"),
        "{hidden:?}"
    );
    assert_eq!(preview("browser = \"firefox\" and user_id = \"ann\"", "web-first").await, [""; 0]);
    let made = json!({ "name": "gold", "pql": "plan = \"gold\"", "merge_policy": "web-first" });
    assert_eq!(told(&post(&world, "/v1/segments", made).await).len(), 1);
    check(&world, &[("plan = \"gold\"", &[])]).await;
    put(&world, "/v1/default-merge-policy", json!({ "merge_policy": "web-first" })).await;
    check(&world, &[("plan = \"gold\"", &["merge_policy plan", "web-first"])]).await;
}
