//! Directives over HTTP.

use serde_json::{Value, json};

use super::golden;
use super::world::{ROOT, World};

#[tokio::test]
async fn directives_and_their_history_have_this_wire() {
    golden::check("api/src/native/golden/directives.txt").await;
}

async fn say(world: &World, identities: &[(&str, &str)], id: &str) {
    let identities: Vec<Value> =
        identities.iter().map(|(namespace, value)| json!({ "namespace": namespace, "value": value })).collect();
    let record = json!({ "dataset": "crm", "id": id, "identities": identities, "attributes": { "said": id } });
    assert_eq!(world.call("POST", "/v1/records", ROOT, record.to_string()).await.json()["accepted"], 1);
}

fn named(namespace: &str, value: &str) -> Value {
    json!({ "namespace": namespace, "value": value })
}

/// What is ordered, and the code and part of the message that refuse it.
#[tokio::test]
async fn what_cannot_be_is_refused_with_what_was_expected() {
    let world = World::new().await;
    say(&world, &[("user_id", "ann"), ("anonymous_id", "a")], "1").await;
    say(&world, &[("user_id", "bob"), ("email", "bob@shop.example")], "2").await;
    say(&world, &[("group_id", "acme")], "3").await;
    let (ann, a, bob, acme) =
        (named("user_id", "ann"), named("anonymous_id", "a"), named("user_id", "bob"), named("group_id", "acme"));
    let unknown = "000000000000000000000000";
    let order = |body: Value| world.call("POST", "/v1/directives", ROOT, body.to_string());
    let joined = order(json!({ "type": "join", "identities": [ann, bob] })).await.json();
    let apart =
        order(json!({ "type": "separate", "identities": [bob, named("email", "bob@shop.example")] })).await.json();
    let (join, separation) = (joined["id"].clone(), apart["id"].clone());
    assert!(join.is_string() && separation.is_string(), "{joined} {apart}");
    let table = [
        (json!({ "type": "merge" }), 400, "body_invalid", "separate"),
        (json!({ "type": "join", "identities": [ann] }), 400, "directive_invalid", "two"),
        (json!({ "type": "join", "identities": [ann, a], "merge": unknown }), 400, "directive_invalid", "merge"),
        (json!({ "type": "separate", "identities": [] }), 400, "directive_invalid", "1 to 1000"),
        (json!({ "type": "separate", "merge": unknown, "side": [ann, a] }), 400, "directive_invalid", "side"),
        (json!({ "type": "undo" }), 400, "directive_invalid", "directive"),
        (json!({ "type": "undo", "directive": "x" }), 400, "directive_invalid", "24 hexadecimal"),
        (json!({ "type": "undo", "directive": unknown }), 404, "directive_not_found", "directive"),
        (json!({ "type": "undo", "directive": separation }), 409, "directive_kind", "join"),
        (json!({ "type": "lift", "directive": join }), 409, "directive_kind", "separation"),
        (json!({ "type": "separate", "merge": unknown, "side": [ann] }), 404, "merge_not_found", "merge"),
        (
            json!({ "type": "join", "identities": [ann, named("user_id", "eve")] }),
            404,
            "identity_not_found",
            "identities",
        ),
        (json!({ "type": "join", "identities": [ann, named("shoe_size", "9")] }), 400, "namespace_unknown", "user_id"),
        (
            json!({ "type": "join", "identities": [ann, named("email", "nobody")] }),
            400,
            "identity_invalid",
            "namespace",
        ),
        (json!({ "type": "join", "identities": [ann, ann] }), 400, "one_identity", "different"),
        (json!({ "type": "join", "identities": [ann, acme] }), 400, "kind_mismatch", "persons"),
        (json!({ "type": "separate", "identities": [ann, bob] }), 409, "not_one_profile", "one profile"),
        (json!({ "type": "separate", "identities": [ann, a] }), 409, "nothing_to_separate", "fewer"),
        (
            json!({ "type": "join", "identities": [ann, bob] }),
            409,
            "separation_in_force",
            separation.as_str().expect("an id"),
        ),
    ];
    for (body, status, code, part) in table {
        let reply = order(body.clone()).await;
        let said = reply.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!((reply.status.as_u16(), &*reply.code()), (status, code), "{body}: {said}");
        assert!(said.contains(part), "{body}: {said}");
        assert!(!said.contains("shop.example"), "no value of a person: {said}");
    }
    let history = world.get("/v1/directives?type=sideways", ROOT).await;
    assert_eq!(history.code(), "directive_invalid");
    assert_eq!(world.get("/v1/directives?namespace=user_id", ROOT).await.code(), "directive_invalid");
}

/// Past merges are separated by a side of theirs, with what came to it later.
#[tokio::test]
async fn a_past_merge_is_parted_by_one_of_its_sides() {
    let world = World::new().await;
    say(&world, &[("user_id", "ann"), ("email", "ann@shop.example")], "1").await;
    say(&world, &[("anonymous_id", "kiosk"), ("ga_client_id", "g")], "2").await;
    say(&world, &[("user_id", "ann"), ("anonymous_id", "kiosk")], "3").await;
    say(&world, &[("anonymous_id", "kiosk"), ("device_id", "later")], "4").await;
    let history = world.get("/v1/directives?type=merge&namespace=user_id&value=ann", ROOT).await.json();
    let merges = history["items"].as_array().expect("items");
    let merge = merges.iter().find(|merge| {
        merge["sides"].as_array().is_some_and(|sides| sides.iter().all(|side| side.as_array().map(Vec::len) == Some(2)))
    });
    let merge = merge.unwrap_or_else(|| panic!("two of two: {history}"));
    let body = json!({ "type": "separate", "merge": merge["id"], "side": [named("anonymous_id", "kiosk")] });
    let preview = world.call("POST", "/v1/directives?preview=true", ROOT, body.to_string()).await.json();
    assert_eq!((&preview["id"], &preview["preview"]), (&Value::Null, &json!(true)), "{preview}");
    let done = world.call("POST", "/v1/directives", ROOT, body.to_string()).await.json();
    assert_eq!(preview["moved"], done["moved"], "a preview tells what happens");
    let moved: Vec<&str> =
        done["moved"].as_array().expect("moved").iter().filter_map(|one| one["identity"]["value"].as_str()).collect();
    assert_eq!(moved.len(), 3, "the kiosk, and what hangs to it: {done}");
    assert!(["kiosk", "g", "later"].iter().all(|one| moved.contains(one)), "{done}");
    let again = world.call("POST", "/v1/directives", ROOT, body.to_string()).await;
    assert_eq!(again.status, 200, "{}", again.json());
    assert_eq!((&again.json()["id"], &again.json()["new"]), (&done["id"], &json!(false)));
}

#[tokio::test]
async fn what_is_ended_twice_at_one_time_is_ended_once() {
    let world = World::new().await;
    say(&world, &[("user_id", "ann")], "1").await;
    say(&world, &[("user_id", "bob")], "2").await;
    let order = |body: Value| world.call("POST", "/v1/directives", ROOT, body.to_string());
    let both = json!([named("user_id", "ann"), named("user_id", "bob")]);
    for (begin, identities, end) in [("join", &both, "undo"), ("separate", &json!([both[0]]), "lift")] {
        if begin == "separate" {
            order(json!({ "type": "join", "identities": both })).await;
        }
        let begun = order(json!({ "type": begin, "identities": identities })).await.json();
        assert!(begun["id"].is_string(), "{begin}: {begun}");
        let ended = || order(json!({ "type": end, "directive": begun["id"] }));
        let record = |id: &str| {
            let identities = [named("user_id", "eve")];
            let record = json!({ "dataset": "crm", "id": id, "identities": identities, "attributes": { "seen": id } });
            world.call("POST", "/v1/records", ROOT, record.to_string())
        };
        // They come to the lane together, with somebody who has nothing to do with it.
        let (one, beside, other, third) = tokio::join!(ended(), record(end), ended(), ended());
        let ids: Vec<Value> = [one, other, third].map(|answer| answer.json()["id"].clone()).into();
        assert!(ids[0].is_string() && ids.iter().all(|id| *id == ids[0]), "{end}: {ids:?}");
        assert_eq!(beside.json()["accepted"], 1, "{end}");
        let history = world.get(&format!("/v1/directives?type={end}"), ROOT).await.json();
        assert_eq!(history["items"].as_array().map(Vec::len), Some(1), "{history}");
    }
}
