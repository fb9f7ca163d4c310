//! Computed attributes and segments changed in part.

use serde_json::{Value, json};

use super::world::{ROOT, World};

async fn sent(world: &World, method: &str, path: &str, body: Value) -> (u16, Value) {
    let reply = world.call(method, path, ROOT, body.to_string()).await;
    (reply.status.as_u16(), reply.json())
}

async fn made() -> World {
    let world = World::new().await;
    let segment = json!({ "name": "s", "pql": "plan = \"gold\"", "description": "the best", "display_name": "Gold", "time_zone": "Europe/Oslo" });
    assert_eq!(sent(&world, "POST", "/v1/segments", segment).await.0, 201);
    let attribute = json!({ "name": "a", "pql": "xEvent.count()", "description": "how many" });
    assert_eq!(sent(&world, "POST", "/v1/attributes", attribute).await.0, 201);
    world
}

#[tokio::test]
async fn what_a_change_leaves_out_stays() {
    let world = made().await;
    let (status, changed) = sent(&world, "PATCH", "/v1/segments/s", json!({ "pql": "plan = \"silver\"" })).await;
    assert_eq!(status, 200, "{changed}");
    let said = |name: &str| if changed["next"].is_null() { &changed[name] } else { &changed["next"][name] };
    assert_eq!(said("pql"), "plan = \"silver\"", "{changed}");
    for (name, value) in [("description", "the best"), ("display_name", "Gold"), ("time_zone", "Europe/Oslo")] {
        assert_eq!(said(name), value, "{changed}");
    }
    // What is brought to everybody now is what is changed further.
    let (_, changed) = sent(&world, "PATCH", "/v1/segments/s", json!({ "description": null })).await;
    let said = |name: &str| if changed["next"].is_null() { &changed[name] } else { &changed["next"][name] };
    assert_eq!((said("pql"), &changed["description"]), (&json!("plan = \"silver\""), &Value::Null), "{changed}");
    let (status, changed) = sent(&world, "PATCH", "/v1/attributes/a", json!({ "display_name": "Events" })).await;
    assert_eq!(
        (status, &changed["display_name"], &changed["description"]),
        (200, &json!("Events"), &json!("how many"))
    );
    assert_eq!(changed["pql"], "xEvent.count()");
}

#[tokio::test]
async fn what_cannot_be_changed_so_is_refused() {
    let world = made().await;
    for (path, body, status, code) in [
        ("/v1/segments/none", json!({ "description": "x" }), 404, "segment_not_found"),
        ("/v1/segments/s", json!({ "description": "x", "version": 7 }), 409, "rule_changed"),
        ("/v1/segments/s", json!({ "summary": "x" }), 400, "body_invalid"),
        ("/v1/segments/s", json!({ "pql": "1 +" }), 400, "rule_invalid"),
        ("/v1/segments/s", json!({ "pql": "a = 1", "filter": "a eq 1" }), 400, "rule_spelling"),
        ("/v1/segments/s", json!({ "pql": null }), 400, "rule_spelling"),
        ("/v1/segments/s", json!([]), 400, "body_invalid"),
        ("/v1/attributes/a", json!({ "merge_policy": "x" }), 400, "body_invalid"),
    ] {
        let reply = world.call("PATCH", path, ROOT, body.to_string()).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (status, code), "{body}: {}", reply.json());
    }
}

#[tokio::test]
async fn a_replacement_says_what_it_has_reset() {
    let world = made().await;
    let (status, replaced) =
        sent(&world, "PUT", "/v1/segments/s", json!({ "pql": "plan = \"gold\"", "display_name": "Gold" })).await;
    assert_eq!(status, 200, "{replaced}");
    let warnings = replaced["warnings"].as_array().expect("a list");
    let reset: Vec<_> = warnings.iter().filter(|own| own["kind"] == "reset").map(|own| own["name"].clone()).collect();
    assert_eq!(reset, [json!("description"), json!("time_zone")], "{replaced}");
    // Nothing is left to be reset.
    let (_, replaced) =
        sent(&world, "PUT", "/v1/segments/s", json!({ "pql": "plan = \"gold\"", "display_name": "Gold" })).await;
    let warnings = replaced["warnings"].as_array().cloned().unwrap_or_default();
    assert!(warnings.iter().all(|own| own["kind"] != "reset"), "{replaced}");
}

#[tokio::test]
async fn a_name_that_is_archived_is_told_how_it_comes_back() {
    let world = made().await;
    let again = json!({ "name": "s", "pql": "plan = \"gold\"" });
    let told = async || sent(&world, "POST", "/v1/segments", again.clone()).await.1["error"]["message"].clone();
    assert_eq!(told().await, "a segment of this name exists");
    assert_eq!(sent(&world, "DELETE", "/v1/segments/s", Value::Null).await.0, 200);
    assert_eq!(told().await, "a segment of this name exists and is archived; PUT brings it back as what it says");
}
