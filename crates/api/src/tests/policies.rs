//! Merge policies over HTTP.

use serde_json::{Value, json};

use super::golden;
use super::world::{ROOT, Reply, World, request};

async fn make(world: &World, id: &str, content: Value) -> Reply {
    let mut policy =
        json!({ "id": id, "name": id, "identity_graph": "full", "attribute_merge": { "choose": "newest" } });
    for (name, value) in content.as_object().into_iter().flatten() {
        policy[name] = value.clone();
    }
    world.call("POST", "/v1/merge-policies", ROOT, policy.to_string()).await
}

#[tokio::test]
async fn merge_policies_and_explanations_have_this_wire() {
    golden::check("api/src/native/golden/policies.txt").await;
}

#[tokio::test]
async fn three_datasets_and_two_graphs() {
    let world = World::new().await;
    let said = async |dataset: &str, identities: &[(&str, &str)], attributes: Value, day: &str| {
        let identities: Vec<Value> =
            identities.iter().map(|(namespace, value)| json!({ "namespace": namespace, "value": value })).collect();
        let time = format!("2026-01-{day}T00:00:00Z");
        let record = json!({ "dataset": dataset, "identities": identities, "attributes": attributes, "time": time });
        assert_eq!(world.call("POST", "/v1/records", ROOT, record.to_string()).await.json()["accepted"], 1);
    };
    let (user, browser) = (("user_id", "ann"), ("anonymous_id", "a"));
    said("crm", &[user], json!({ "city": "Paris", "visits": 3, "address": { "zip": "75001" } }), "01").await;
    said("web", &[browser], json!({ "city": "Lyon", "visits": 9, "address": { "street": "Rue X" } }), "02").await;
    said("app", &[user, browser], json!({ "city": "Nice", "visits": 5, "address": null }), "03").await;

    let graphs = ["full", "none"];
    let order = |datasets: &[&str]| json!({ "choose": "precedence", "datasets": datasets });
    let merges =
        [("newest", json!({ "choose": "newest" })), ("crm-web", order(&["crm", "web"])), ("web", order(&["web"]))];
    for graph in graphs {
        for (name, merge) in &merges {
            let content = json!({
                "identity_graph": graph, "attribute_merge": merge, "rules": [{ "path": "visits", "choose": "max" }]
            });
            let made = make(&world, &format!("{graph}-{name}"), content).await;
            assert_eq!(made.status, 200, "{}", made.json());
        }
    }
    // Who is asked for, the policy, what is seen of them.
    let nothing = json!({});
    let table = [
        (user, "full-newest", json!({ "city": "Nice", "visits": 9 })),
        (browser, "full-newest", json!({ "city": "Nice", "visits": 9 })),
        (
            user,
            "full-crm-web",
            json!({ "city": "Paris", "visits": 9, "address": { "street": "Rue X", "zip": "75001" } }),
        ),
        (user, "full-web", json!({ "city": "Lyon", "visits": 9, "address": { "street": "Rue X" } })),
        (user, "none-newest", json!({ "city": "Nice", "visits": 5 })),
        (browser, "none-newest", json!({ "city": "Lyon", "visits": 9, "address": { "street": "Rue X" } })),
        (user, "none-crm-web", json!({ "city": "Paris", "visits": 3, "address": { "zip": "75001" } })),
        (browser, "none-crm-web", json!({ "city": "Lyon", "visits": 9, "address": { "street": "Rue X" } })),
        (user, "none-web", nothing.clone()),
        (browser, "none-web", json!({ "city": "Lyon", "visits": 9, "address": { "street": "Rue X" } })),
    ];
    for ((namespace, value), policy, expected) in table {
        let path = format!("/v1/profiles/identifier/{namespace}/{value}");
        let mut profile = world.get(&format!("{path}?merge_policy={policy}&fields=attributes"), ROOT).await.json();
        let members = profile.as_object_mut().expect("a profile");
        assert!(members.remove("profile_id").is_some() && members.remove("_updated_at").is_some());
        assert_eq!(profile, expected, "{namespace} under {policy}");

        let explained = world.get(&format!("{path}/explain?merge_policy={policy}"), ROOT).await.json();
        let attributes = explained["attributes"].as_array().expect("attributes");
        let stand = attributes.iter().filter(|attribute| attribute["outcome"] == "stands");
        for attribute in stand.clone() {
            let pointer = format!("/{}", attribute["path"].as_str().expect("a path").replace('.', "/"));
            assert_eq!(expected.pointer(&pointer), Some(&attribute["value"]), "{pointer} under {policy}");
        }
        let leaves = expected.as_object().expect("attributes").values();
        let leaves: usize = leaves.map(|value| value.as_object().map_or(1, |below| below.len())).sum();
        assert_eq!(stand.count(), leaves, "{namespace} under {policy}: {explained}");
    }

    // A batch read takes one policy for all, and its mistake is the call's.
    let lookup = json!({ "namespace": "user_id", "value": "ann" });
    let batch = async |policy: &str| {
        let body = json!({ "lookups": [lookup, { "id": "none" }], "merge_policy": policy }).to_string();
        world.call("POST", "/v1/profiles:batchGet", ROOT, body).await
    };
    let results = batch("full-web").await.json()["results"].clone();
    assert_eq!(
        (&results[0]["profile"]["city"], &results[1]["error"]["code"]),
        (&"Lyon".into(), &"profile_not_found".into())
    );
    for unknown in ["none", ""] {
        let refused = batch(unknown).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, "merge_policy_unknown"));
    }
}

#[tokio::test]
async fn a_tag_is_of_one_policy_and_version() {
    let world = World::new().await;
    world.call("POST", "/v1/identify", ROOT, r#"{"userId":"7","traits":{"plan":"gold"}}"#).await;
    let path = "/v1/profiles/identifier/user_id/7";
    let known = async |path: &str, tag: &str| {
        world.send(request("GET", path, ROOT, &[("if-none-match", tag)], "")).await.status.as_u16()
    };
    make(&world, "one", json!({})).await;
    let under = format!("{path}?merge_policy=one");
    let tags =
        [world.get(path, ROOT).await, world.get(&under, ROOT).await].map(|reply| reply.header("etag").to_owned());
    assert_eq!((known(path, &tags[0]).await, known(&under, &tags[1]).await), (304, 304));
    assert_eq!((known(path, &tags[1]).await, known(&under, &tags[0]).await), (200, 200));
    let next =
        json!({ "name": "one", "identity_graph": "none", "attribute_merge": { "choose": "newest" } }).to_string();
    assert_eq!(world.call("PUT", "/v1/merge-policies/one", ROOT, next).await.json()["version"], 2);
    assert_eq!(known(&under, &tags[1]).await, 200);
}

#[tokio::test]
async fn what_is_no_policy_has_its_code_and_its_place() {
    let world = World::new().await;
    make(&world, "taken", json!({})).await;
    let check = async |content: Value, status: u16, code: &str, place: &str| {
        let reply = make(&world, "new", content.clone()).await;
        let json = reply.json();
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (status, code), "{content}: {json}");
        let message = json["error"]["message"].as_str().expect("a message");
        assert!(message.contains(place), "{message}");
    };
    let merge =
        |choose: &str, datasets: Value| json!({ "attribute_merge": { "choose": choose, "datasets": datasets } });
    let rule = |rule: Value| json!({ "rules": [{ "path": "a", "choose": "min" }, rule] });
    let many: Vec<String> = (0..101).map(|at| format!("d{at}")).collect();
    check(json!({ "id": "Not Good" }), 400, "name_invalid", "a-z 0-9").await;
    check(json!({ "id": "taken" }), 409, "merge_policy_exists", "").await;
    check(json!({ "id": "default" }), 409, "merge_policy_exists", "").await;
    check(json!({ "name": " " }), 400, "display_name_invalid", "1 to 100").await;
    check(json!({ "identity_graph": "half" }), 400, "body_invalid", "expected `full` or `none`").await;
    check(json!({ "colour": "red" }), 400, "body_invalid", "expected one of `id`").await;
    check(merge("precedence", json!([])), 400, "datasets_empty", "list=precedence").await;
    check(json!({ "attribute_merge": { "choose": "precedence" } }), 400, "datasets_empty", "list=precedence").await;
    check(merge("precedence", json!(many)), 400, "datasets_too_many", "datasets_max=100").await;
    check(merge("precedence", json!(["crm", "crm"])), 400, "dataset_duplicate", "dataset=crm").await;
    check(merge("precedence", json!(["crm", " "])), 400, "dataset_invalid", "attribute_merge.datasets[1]").await;
    check(merge("newest", json!(["crm"])), 400, "datasets_unexpected", "attribute_merge.datasets").await;
    check(rule(json!({ "path": "b", "choose": "first", "datasets": [] })), 400, "datasets_unexpected", "rules[1]")
        .await;
    check(rule(json!({ "path": "b", "choose": "source_priority" })), 400, "datasets_empty", "path=b").await;
    check(rule(json!({ "path": r"b\", "choose": "max" })), 400, "attribute_path_invalid", "rules[1].path").await;
    check(rule(json!({ "path": "a", "choose": "max" })), 400, "rule_duplicate", "path=a").await;
    check(rule(json!({ "path": "b", "choose": "best" })), 400, "body_invalid", "expected one of `newest`").await;
    let wide: Vec<Value> = (0..201).map(|at| json!({ "path": at.to_string(), "choose": "min" })).collect();
    check(json!({ "rules": wide }), 400, "rules_too_many", "rules_max=200").await;
    let mut outside = merge("precedence", json!(["crm"]));
    outside["rules"] = json!([{ "path": "b", "choose": "source_priority", "datasets": ["web"] }]);
    check(outside, 400, "dataset_not_listed", "path=b dataset=web").await;

    let content =
        json!({ "name": "x", "identity_graph": "full", "attribute_merge": { "choose": "newest" } }).to_string();
    let default = |id: &str| json!({ "merge_policy": id }).to_string();
    let profile = "/v1/profiles/identifier/user_id/7";
    world.call("POST", "/v1/track", ROOT, r#"{"userId":"7","event":"x"}"#).await;
    let calls = [
        ("GET", "/v1/merge-policies/none", String::new(), 404, "merge_policy_not_found"),
        ("PUT", "/v1/merge-policies/none", content.clone(), 404, "merge_policy_not_found"),
        ("DELETE", "/v1/merge-policies/none", String::new(), 404, "merge_policy_not_found"),
        ("PUT", "/v1/default-merge-policy", default("none"), 404, "merge_policy_not_found"),
        ("PUT", "/v1/merge-policies/default", content.clone(), 409, "merge_policy_built_in"),
        ("DELETE", "/v1/merge-policies/default", String::new(), 409, "merge_policy_built_in"),
        ("PUT", "/v1/default-merge-policy", default("taken"), 200, ""),
        ("DELETE", "/v1/merge-policies/taken", String::new(), 409, "merge_policy_is_default"),
        ("PUT", "/v1/merge-policies/taken", content.replacen('{', "{\"version\":7,", 1), 409, "merge_policy_changed"),
        ("GET", "/v1/merge-policies?cursor=x", String::new(), 400, "cursor_invalid"),
        ("GET", "/v1/merge-policies?limit=0", String::new(), 400, "limit_invalid"),
        ("GET", &format!("{profile}?merge_policy=none"), String::new(), 400, "merge_policy_unknown"),
        ("GET", &format!("{profile}/explain?merge_policy=none"), String::new(), 400, "merge_policy_unknown"),
        ("GET", &format!("{profile}/explain?attribute=%5C"), String::new(), 400, "attribute_path_invalid"),
        ("GET", "/v1/profiles/identifier/user_id/8/explain", String::new(), 404, "profile_not_found"),
        ("GET", "/v1/profiles/identifier/nonsense/8/explain", String::new(), 400, "namespace_unknown"),
    ];
    for (method, path, body, status, code) in calls {
        let reply = world.call(method, path, ROOT, body).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (status, code), "{method} {path}: {}", reply.json());
    }
}

#[tokio::test]
async fn a_workspace_holds_fifty_policies_and_lists_them_in_pages() {
    let world = World::new().await;
    for at in 0..50 {
        assert_eq!(make(&world, &format!("p{at:02}"), json!({})).await.status, 200);
    }
    let full = make(&world, "more", json!({})).await;
    assert_eq!((full.status.as_u16(), full.code().as_str()), (413, "merge_policies_full"));
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("/v1/merge-policies?limit=20&cursor={cursor}"), ROOT).await.json();
        seen.extend(page["items"].as_array().expect("items").iter().map(|policy| policy["id"].clone()));
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    let mut expected = vec![json!("default")];
    expected.extend((0..50).map(|at| json!(format!("p{at:02}"))));
    assert_eq!(seen, expected);
    // A page that is just full is the last one.
    assert_eq!(world.get("/v1/merge-policies?limit=51", ROOT).await.json()["next_cursor"], Value::Null);
}

#[tokio::test]
async fn an_idempotency_key_makes_one_policy() {
    let world = World::new().await;
    let body =
        json!({ "id": "one", "name": "One", "identity_graph": "full", "attribute_merge": { "choose": "newest" } });
    let send = async |key: &str, method: &str, path: &str, body: String| {
        world.send(request(method, path, ROOT, &[("idempotency-key", key)], body)).await
    };
    let first = send("a", "POST", "/v1/merge-policies", body.to_string()).await;
    assert_eq!(first.status, 200, "{}", first.json());
    assert_eq!(send("a", "POST", "/v1/merge-policies", body.to_string()).await.json(), first.json());
    assert_eq!(send("b", "POST", "/v1/merge-policies", body.to_string()).await.code(), "merge_policy_exists");
    let next = r#"{"name":"Two","identity_graph":"full","attribute_merge":{"choose":"newest"}}"#;
    for _ in 0..2 {
        let replaced = send("c", "PUT", "/v1/merge-policies/one", next.to_owned()).await.json();
        assert_eq!((&replaced["version"], &replaced["name"]), (&2.into(), &"Two".into()));
    }
}
