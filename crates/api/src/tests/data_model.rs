//! The data model over HTTP: what is registered, what becomes of data in each mode, who sees what.

use serde_json::{Value, json};

use super::world::{ROOT, Reply, World, request};

async fn put(world: &World, path: &str, body: &Value) -> Reply {
    world.call("PUT", path, ROOT, body.to_string()).await
}

async fn put_ok(world: &World, path: &str, body: &Value) -> Value {
    let reply = put(world, path, body).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.json());
    reply.json()
}

/// Writes a record of one person into a dataset, and answers its verdict: `accepted`, or what is said about it.
async fn record(world: &World, dataset: &str, attributes: Value) -> Value {
    let record = json!({
        "dataset": dataset, "identities": [{ "namespace": "user_id", "value": "ann" }], "attributes": attributes
    });
    let reply = world.call("POST", "/v1/records", ROOT, record.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
    reply.json()["verdicts"].get(0).cloned().unwrap_or(json!("accepted"))
}

async fn track(world: &World, event: &str, properties: Value) -> Value {
    let event = json!({ "userId": "ann", "event": event, "properties": properties });
    let reply = world.call("POST", "/v1/track", ROOT, event.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
    reply.json()["verdicts"].get(0).cloned().unwrap_or(json!("accepted"))
}

async fn profile(world: &World, key: &str) -> Value {
    world.get("/v1/profiles/identifier/user_id/ann", key).await.json()
}

fn notes(verdict: &Value) -> Vec<(String, String, String)> {
    let text = |note: &Value, name: &str| note[name].as_str().unwrap_or_default().to_owned();
    let notes = verdict["notes"].as_array().cloned().unwrap_or_default();
    notes.iter().map(|note| (text(note, "kind"), text(note, "code"), text(note, "path"))).collect()
}

fn own(list: &[(String, String, String)]) -> Vec<(&str, &str, &str)> {
    list.iter().map(|(kind, code, path)| (kind.as_str(), code.as_str(), path.as_str())).collect()
}

fn shop() -> Value {
    json!({
        "mode": "open",
        "datasets": { "crm": { "mode": "strict" }, "web": { "mode": "warn" }, "segment": { "mode": "strict" } },
        "attributes": {
            "plan": { "type": "text", "allowed_values": ["gold", "free"] },
            "age": { "type": "integer" },
            "tags": { "type": "set", "of": "text" },
            "first_name": { "type": "text" },
            "address.city": { "type": "text" },
        },
        "event_types": { "Order": {
            "properties": { "total": { "type": "number", "required": true }, "currency": { "type": "text" } },
            "items": { "products": { "properties": { "sku": { "type": "text", "required": true } } } }
        } }
    })
}

#[tokio::test]
async fn a_model_is_registered_whole_and_read_back() {
    let world = World::new().await;
    let empty = world.get("/v1/data-model", ROOT).await;
    assert_eq!((empty.status.as_u16(), empty.header("etag")), (200, "\"0\""));
    assert_eq!(empty.json()["model"], json!({ "mode": "open", "datasets": {}, "attributes": {}, "event_types": {} }));
    assert!(empty.json()["namespaces"].as_array().is_some_and(|all| all.iter().any(|own| own["name"] == "email")));

    let tried = put_ok(&world, "/v1/data-model?dry_run=true", &shop()).await;
    assert_eq!((&tried["version"], &tried["dry_run"]), (&0.into(), &true.into()), "{tried}");
    assert_eq!(world.get("/v1/data-model", ROOT).await.header("etag"), "\"0\"");
    let made = put_ok(&world, "/v1/data-model", &shop()).await;
    assert_eq!((&made["version"], &made["differences"]), (&1.into(), &tried["differences"]));
    assert_eq!(made["differences"].as_array().map(Vec::len), Some(9), "{made}");

    let read = world.get("/v1/data-model", ROOT).await.json();
    let whole = json!({ "type": "text", "status": "active", "internal": false, "private": false,
        "allowed_values": ["free", "gold"], "allow_other_values": false });
    assert_eq!(read["model"]["attributes"]["plan"], whole);
    let again = put_ok(&world, "/v1/data-model", &read["model"]).await;
    assert_eq!((&again["version"], &again["differences"]), (&1.into(), &json!([])), "what is read may be written");
}

#[tokio::test]
async fn a_model_is_changed_piece_by_piece() {
    let world = World::new().await;
    let text = json!({ "type": "text" });
    let check = async |method: &str, path: &str, body: Value, expected: Value| {
        let reply = world.call(method, path, ROOT, body.to_string()).await;
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.json());
        assert_eq!((&reply.json()["version"], &reply.json()["differences"]), (&expected[0], &expected[1]), "{path}");
        assert_eq!(reply.header("etag"), format!("\"{}\"", expected[0]));
    };
    let differs = |kind: &str, name: Value, change: &str| json!([{ "kind": kind, "name": name, "change": change }]);
    let none = Value::Null;
    let plan = "/v1/data-model/attributes/address.city";
    check("PUT", plan, text.clone(), json!([1, differs("attribute", json!("address.city"), "added")])).await;
    check("PUT", plan, text.clone(), json!([1, []])).await;
    let date = json!({ "type": "date", "status": "inactive", "private": true, "label": "City" });
    check("PUT", plan, date, json!([2, differs("attribute", json!("address.city"), "changed")])).await;
    check("DELETE", plan, none.clone(), json!([3, differs("attribute", json!("address.city"), "removed")])).await;
    let order = "/v1/data-model/event-types/Order%20Completed%2FPaid";
    let name = json!("Order Completed/Paid");
    check("PUT", order, json!({}), json!([4, differs("event_type", name.clone(), "added")])).await;
    check("DELETE", order, none.clone(), json!([5, differs("event_type", name, "removed")])).await;
    let crm = "/v1/data-model/datasets/crm";
    let strict = json!({ "mode": "strict" });
    check("PUT", crm, strict.clone(), json!([6, differs("dataset", json!("crm"), "added")])).await;
    check("DELETE", crm, none.clone(), json!([7, differs("dataset", json!("crm"), "removed")])).await;
    check("PUT", "/v1/data-model/mode", strict, json!([8, differs("mode", none, "changed")])).await;
    for (path, code) in [
        (plan, "attribute_not_found"),
        ("/v1/data-model/event-types/x", "event_type_not_found"),
        (crm, "dataset_mode_not_found"),
    ] {
        let reply = world.call("DELETE", path, ROOT, "").await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (404, code));
    }
}

#[tokio::test]
async fn a_change_of_another_version_is_refused() {
    let world = World::new().await;
    let with = async |tag: &str, query: &str| {
        let path = format!("/v1/data-model/attributes/plan{query}");
        let body = json!({ "type": "text" }).to_string();
        world.send(request("PUT", &path, ROOT, &[("if-match", tag)], body)).await
    };
    assert_eq!(with("\"0\"", "").await.status, 200);
    for query in ["", "?dry_run=true"] {
        let refused = with("\"0\"", query).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (409, "data_model_changed"));
        assert!(refused.json()["error"]["message"].as_str().is_some_and(|message| message.contains("version=1")));
    }
    assert_eq!(with("\"1\"", "").await.status, 200);
    assert_eq!(with("*", "").await.status, 200);
    for wrong in ["1", "\"one\"", "W/\"1\"", "\"-1\""] {
        assert_eq!(with(wrong, "").await.code(), "header_invalid", "{wrong}");
    }
    assert_eq!(with("*", "?dry_run=perhaps").await.code(), "query_invalid");
}

#[tokio::test]
async fn what_is_no_model_is_refused_by_place() {
    let world = World::new().await;
    let check = async |body: Value, status: u16, code: &str, says: &str| {
        let reply = put(&world, "/v1/data-model", &body).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (status, code), "{body}: {}", reply.json());
        let message = reply.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(says), "{message} says {says}");
    };
    let attribute = |name: &str, own: Value| json!({ "attributes": { name: own } });
    let invalid = "data_model_invalid";
    check(json!({ "mode": "loose" }), 400, invalid, "open, warn or strict at=mode").await;
    check(json!({ "datasets": { "crm": { "mode": "x" } } }), 400, invalid, "at=datasets.crm").await;
    check(json!({ "tables": {} }), 400, "body_invalid", "unknown member").await;
    check(attribute("a", json!({})), 400, "body_invalid", "missing member").await;
    check(attribute("a", json!({ "type": "string" })), 400, invalid, "a type is text, number").await;
    check(attribute("a", json!({ "type": "set", "of": "set" })), 400, invalid, "of is text").await;
    check(attribute("a", json!({ "type": "text", "of": "text" })), 400, invalid, "only a set or a list has of").await;
    check(attribute("a", json!({ "type": "text", "status": "gone" })), 400, invalid, "active or inactive").await;
    check(attribute(r"a\b", json!({ "type": "text" })), 400, invalid, "backslash").await;
    check(attribute("_audiences", json!({ "type": "text" })), 400, invalid, "for themselves path=_audiences").await;
    check(attribute("a", json!({ "type": "text", "allowed_values": [7] })), 400, invalid, "of type text").await;
    check(attribute("a", json!({ "type": "text", "allow_other_values": true })), 400, invalid, "beside allowed_values")
        .await;
    check(attribute("a", json!({ "type": "list", "allowed_values": [[[1]]] })), 400, invalid, "cannot be kept at=a")
        .await;
    let below = json!({ "attributes": { "a": { "type": "text" }, "a.b": { "type": "text" } } });
    check(below, 400, invalid, "path=a.b above=a").await;
    let many: serde_json::Map<String, Value> =
        (0..2_001).map(|at| (format!("a{at}"), json!({ "type": "text" }))).collect();
    check(json!({ "attributes": many }), 413, "data_model_full", "attributes count=2001 max=2000").await;
    let words = "x".repeat(500);
    let large: serde_json::Map<String, Value> =
        (0..1_500).map(|at| (format!("a{at}"), json!({ "type": "text", "description": words }))).collect();
    check(json!({ "attributes": large }), 413, "config_too_large", "bytes_max=524288").await;
    assert_eq!(world.get("/v1/data-model", ROOT).await.json()["version"], 0, "nothing was changed");
}

#[tokio::test]
async fn attributes_are_refused_warned_of_or_taken_by_mode() {
    let world = World::new().await;
    put_ok(&world, "/v1/data-model", &shop()).await;
    let wrong = || json!({ "plan": "silver", "age": "7", "shoe": 41, "first_name": "Ann", "address": { "zip": 1 } });
    assert_eq!(record(&world, "lab", wrong()).await, "accepted");
    let misfits = [
        ("attribute_unregistered", "address.zip"),
        ("attribute_type_mismatch", "age"),
        ("attribute_not_allowed", "plan"),
        ("attribute_unregistered", "shoe"),
    ];
    let mut warned = notes(&record(&world, "web", wrong()).await);
    warned.sort_by(|one, other| one.2.cmp(&other.2));
    assert_eq!(own(&warned), misfits.map(|(code, path)| ("misfit", code, path)));
    assert_eq!(profile(&world, ROOT).await["plan"], "silver");

    let clean = World::new().await;
    put_ok(&clean, "/v1/data-model", &shop()).await;
    let verdict = record(&clean, "crm", wrong()).await;
    let mut refused = notes(&verdict);
    refused.sort_by(|one, other| one.2.cmp(&other.2));
    assert_eq!(own(&refused), misfits.map(|(code, path)| ("attribute_refused", code, path)));
    assert_eq!(verdict["status"], "accepted");
    let message = |path: &str| {
        let notes = verdict["notes"].as_array().cloned().unwrap_or_default();
        notes.iter().find(|note| note["path"] == path).map(|note| note["message"].clone())
    };
    assert_eq!(message("age"), Some(json!("integer is expected path=age found=text")));
    assert_eq!(message("plan"), Some(json!("one of free, gold is expected path=plan")));
    let stored = profile(&clean, ROOT).await;
    assert_eq!(stored["first_name"], "Ann");
    for absent in ["plan", "age", "shoe", "address"] {
        assert_eq!(stored[absent], Value::Null, "{absent}");
    }
    assert_eq!(record(&clean, "crm", json!({ "tags": ["a", "b"], "shoe": null, "age": 7 })).await, "accepted");
    assert_eq!(record(&clean, "crm", json!({ "tags": { "$set": ["b"] } })).await, "accepted");
    assert_eq!(profile(&clean, ROOT).await["tags"], json!(["b"]));
}

#[tokio::test]
async fn refused_traits_are_not_kept_in_the_call_either() {
    let world = World::new().await;
    put_ok(&world, "/v1/data-model", &shop()).await;
    let identify = json!({
        "userId": "ann", "traits": { "firstName": "Ann", "secret": "x", "lastName": "B" },
        "context": { "ip": "1.2.3.4", "traits": { "secret": "y", "lastName": "C" } }
    });
    let report = world.call("POST", "/v1/identify", ROOT, identify.to_string()).await.json();
    let mut refused = notes(&report["verdicts"][0]);
    refused.sort();
    let code = "attribute_unregistered";
    assert_eq!(own(&refused), [("attribute_refused", code, "last_name"), ("attribute_refused", code, "secret")]);
    let page = world.get("/v1/profiles/identifier/user_id/ann/events", ROOT).await.json();
    assert_eq!(page["events"][0]["traits"], json!({ "firstName": "Ann" }), "{page}");
    assert_eq!(page["events"][0]["context"], json!({ "ip": "1.2.3.4", "traits": {} }));
    let group = json!({ "userId": "ann", "groupId": "acme", "traits": { "plan": "gold", "seats": 7 } });
    let report = world.call("POST", "/v1/group", ROOT, group.to_string()).await.json();
    assert_eq!(own(&notes(&report["verdicts"][0])), [("attribute_refused", code, "seats")]);
    let account = world.get("/v1/profiles/identifier/group_id/acme", ROOT).await.json();
    assert_eq!((&account["plan"], &account["seats"]), (&json!("gold"), &Value::Null));
}

#[tokio::test]
async fn events_are_refused_whole_and_can_be_replayed() {
    let world = World::new().await;
    put_ok(&world, "/v1/data-model", &shop()).await;
    let check = async |event: &str, properties: Value, code: &str, says: &str| {
        let verdict = track(&world, event, properties).await;
        assert_eq!((&verdict["status"], verdict["code"].as_str()), (&json!("rejected"), Some(code)), "{verdict}");
        assert_eq!(verdict["message"], says);
    };
    check("Refund", json!({}), "event_type_unregistered", "a registered event type is expected").await;
    check("Order", json!({}), "property_missing", "this property is expected path=total").await;
    let text = json!({ "total": "7" });
    check("Order", text, "property_type_mismatch", "number is expected path=total found=text").await;
    let more = json!({ "total": 7, "coupon": "x", "currency": 7 });
    let says = "a registered property is expected path=coupon found=text (and 1 more)";
    check("Order", more, "property_unregistered", says).await;
    let items = json!({ "total": 7, "products": [{ "sku": "a" }, { "price": 1 }] });
    let says = "this property is expected path=products[1].sku (and 1 more)";
    check("Order", items, "property_missing", says).await;
    let large = json!({ "total": 7, "currency": serde_json::from_str::<Value>("1e40").expect("a number") });
    // A value that is none of ours is left out, and the rest is taken.
    let left_out = track(&world, "Order", large).await;
    assert_eq!(
        (&left_out["status"], &left_out["notes"][0]["code"]),
        (&json!("accepted"), &json!("number_out_of_range"))
    );
    assert_eq!(track(&world, "Order", json!({ "total": 7, "products": [{ "sku": "a" }] })).await, "accepted");
    assert_eq!(world.get("/v1/admin/counts", ROOT).await.json()["events"], 2);
    let quarantine = world.get("/v1/admin/quarantine", ROOT).await.json();
    assert_eq!(quarantine["items"].as_array().map(Vec::len), Some(5), "{quarantine}");

    put_ok(&world, "/v1/data-model/event-types/Refund", &json!({})).await;
    let replayed = world.call("POST", "/v1/admin/quarantine:replay", ROOT, "").await.json();
    assert_eq!((&replayed["accepted"], &replayed["rejected"]), (&1.into(), &4.into()), "{replayed}");

    put_ok(&world, "/v1/data-model/datasets/segment", &json!({ "mode": "warn" })).await;
    let verdict = track(&world, "Order", json!({ "total": "7", "coupon": 1 })).await;
    let expected = [("misfit", "property_unregistered", "coupon"), ("misfit", "property_type_mismatch", "total")];
    assert_eq!(own(&notes(&verdict)), expected);
    let verdict = track(&world, "Nothing", json!({ "total": "7" })).await;
    assert_eq!(own(&notes(&verdict)), [("misfit", "event_type_unregistered", "")]);
    let closed = json!({ "status": "inactive" });
    put_ok(&world, "/v1/data-model/event-types/Order", &closed).await;
    let verdict = track(&world, "Order", json!({ "total": 7 })).await;
    assert_eq!(own(&notes(&verdict)), [("misfit", "event_type_inactive", "")]);
    put_ok(&world, "/v1/data-model/datasets/segment", &json!({ "mode": "open" })).await;
    assert_eq!(track(&world, "Nothing", json!({ "total": "7" })).await, "accepted");
}

/// One thing that does not fit, by itself: what is sent, and the code, path and message of the refusal.
enum Sent {
    Attribute(Value),
    Event(&'static str, Value),
}

fn misfits() -> Vec<(Sent, &'static str, &'static str, &'static str)> {
    use Sent::{Attribute, Event};
    let order = |properties: Value| Event("Order", properties);
    let (mismatch, not_allowed) = ("attribute_type_mismatch", "attribute_not_allowed");
    let property_mismatch = "property_type_mismatch";
    vec![
        (Attribute(json!({ "age": 1.5 })), mismatch, "age", "integer is expected path=age found=number"),
        (Attribute(json!({ "age": "7" })), mismatch, "age", "integer is expected path=age found=text"),
        (Attribute(json!({ "score": "7" })), mismatch, "score", "number is expected path=score found=text"),
        (Attribute(json!({ "ok": "true" })), mismatch, "ok", "boolean is expected path=ok found=text"),
        (Attribute(json!({ "born": "yesterday" })), mismatch, "born", "date is expected path=born found=text"),
        (Attribute(json!({ "seen": "2026-01-31" })), mismatch, "seen", "date_time is expected path=seen found=date"),
        (Attribute(json!({ "tags": "a" })), mismatch, "tags", "set of text is expected path=tags found=text"),
        (
            Attribute(json!({ "marks": [1, "x"] })),
            mismatch,
            "marks",
            "list of number is expected path=marks found=list",
        ),
        (Attribute(json!({ "address": "x" })), mismatch, "address", "object is expected path=address found=text"),
        (Attribute(json!({ "plan": "iron" })), not_allowed, "plan", "one of free, gold is expected path=plan"),
        (Attribute(json!({ "tags": ["a", "c"] })), not_allowed, "tags", "one of a, b is expected path=tags"),
        (Attribute(json!({ "tags": { "$add": ["c"] } })), not_allowed, "tags", "one of a, b is expected path=tags"),
        (Attribute(json!({ "old": "x" })), "attribute_inactive", "old", "an active attribute is expected path=old"),
        (
            Attribute(json!({ "address": { "zip": 1 } })),
            "attribute_unregistered",
            "address.zip",
            "a registered attribute is expected path=address.zip found=integer",
        ),
        (Event("Nope", json!({})), "event_type_unregistered", "", "a registered event type is expected"),
        (Event("Gone", json!({})), "event_type_inactive", "", "an active event type is expected"),
        (order(json!({})), "property_missing", "total", "this property is expected path=total"),
        (order(json!({ "total": null })), "property_missing", "total", "this property is expected path=total"),
        (order(json!({ "total": "7" })), property_mismatch, "total", "number is expected path=total found=text"),
        (
            order(json!({ "total": 7, "products": { "sku": "a" } })),
            property_mismatch,
            "products",
            "list of objects is expected path=products found=object",
        ),
        (
            order(json!({ "total": 7, "products": [{ "sku": "a" }, { "sku": 1 }] })),
            property_mismatch,
            "products[1].sku",
            "text is expected path=products[1].sku found=integer",
        ),
        (
            order(json!({ "total": 7, "products": [{}] })),
            "property_missing",
            "products[0].sku",
            "this property is expected path=products[0].sku",
        ),
        (
            order(json!({ "total": 7, "currency": "GBP" })),
            "property_not_allowed",
            "currency",
            "one of EUR, USD is expected path=currency",
        ),
        (
            order(json!({ "total": 7, "coupon": "x" })),
            "property_unregistered",
            "coupon",
            "a registered property is expected path=coupon found=text",
        ),
    ]
}

#[tokio::test]
async fn every_refusal_of_typed_data_says_what_was_expected_and_where() {
    let world = World::new().await;
    let model = json!({
        "attributes": {
            "age": { "type": "integer" }, "score": { "type": "number" }, "ok": { "type": "boolean" },
            "born": { "type": "date" }, "seen": { "type": "date_time" }, "old": { "type": "text", "status": "inactive" },
            "tags": { "type": "set", "of": "text", "allowed_values": ["a", "b"] },
            "marks": { "type": "list", "of": "number" }, "address.city": { "type": "text" },
            "plan": { "type": "text", "allowed_values": ["free", "gold"] },
        },
        "event_types": {
            "Gone": { "status": "inactive" },
            "Order": {
                "properties": {
                    "total": { "type": "number", "required": true },
                    "currency": { "type": "text", "allowed_values": ["EUR", "USD"] }
                },
                "items": { "products": { "properties": { "sku": { "type": "text", "required": true } } } }
            }
        }
    });
    put_ok(&world, "/v1/data-model", &model).await;
    let mut seen = std::collections::BTreeSet::new();
    for mode in ["strict", "warn", "open"] {
        put_ok(&world, "/v1/data-model/mode", &json!({ "mode": mode })).await;
        for (sent, code, path, message) in misfits() {
            seen.insert(code);
            let (verdict, is_event) = match sent {
                Sent::Attribute(attributes) => (record(&world, "crm", attributes).await, false),
                Sent::Event(name, properties) => (track(&world, name, properties).await, true),
            };
            let expected = match (mode, is_event) {
                ("strict", true) => json!({ "status": "rejected", "code": code, "message": message }),
                ("strict", false) | ("warn", _) => {
                    let kind = if mode == "warn" { "misfit" } else { "attribute_refused" };
                    let note = json!({ "kind": kind, "path": path, "code": code, "message": message });
                    json!({ "status": "accepted", "notes": [note] })
                }
                _ => json!("accepted"),
            };
            let mut told = verdict.clone();
            for own in ["index", "message_id"] {
                told.as_object_mut().and_then(|members| members.remove(own));
            }
            assert_eq!(told, expected, "{mode}");
        }
    }
    let all = ["attribute_", "property_", "event_type_"];
    let elsewhere = [
        "property_invalid",
        "attribute_name_reserved",
        "attribute_operation_unknown",
        "attribute_invalid",
        "attribute_path_invalid",
        "attribute_not_found",
        "event_type_not_found",
    ];
    let documented = tessera_seam::codes::all().map(|code| code.code);
    let of_types =
        documented.filter(|code| all.iter().any(|begins| code.starts_with(begins)) && !elsewhere.contains(code));
    assert_eq!(of_types.collect::<std::collections::BTreeSet<_>>(), seen);
}

#[tokio::test]
async fn what_is_inactive_is_read_and_not_written() {
    let world = World::new().await;
    put_ok(&world, "/v1/data-model", &shop()).await;
    assert_eq!(record(&world, "crm", json!({ "age": 7 })).await, "accepted");
    let closed = json!({ "type": "integer", "status": "inactive" });
    put_ok(&world, "/v1/data-model/attributes/age", &closed).await;
    let verdict = record(&world, "crm", json!({ "age": 8 })).await;
    assert_eq!(own(&notes(&verdict)), [("attribute_refused", "attribute_inactive", "age")]);
    assert_eq!(profile(&world, ROOT).await["age"], 7);
    assert_eq!(record(&world, "crm", json!({ "age": null })).await, "accepted");
    assert_eq!(profile(&world, ROOT).await["age"], Value::Null);
}

#[tokio::test]
async fn flags_hide_from_keys_without_the_permission() {
    let world = World::new().await;
    let attributes = json!({
        "ssn": { "type": "text", "private": true },
        "score": { "type": "number", "internal": true },
        "home": { "type": "object", "private": true, "internal": true },
        "address.geo": { "type": "object", "private": true },
        "first_name": { "type": "text", "private": true },
    });
    let event_types = json!({
        "Order": {
            "properties": { "total": { "type": "number" }, "card": { "type": "text", "private": true } },
            "items": { "products": { "properties": { "cost": { "type": "number", "internal": true } } } }
        },
        "Diagnosis": { "private": true },
    });
    put_ok(&world, "/v1/data-model", &json!({ "attributes": attributes, "event_types": event_types })).await;
    let identify = json!({ "userId": "ann", "traits": {
        "ssn": "1", "score": 2, "home": { "city": "x" }, "address": { "geo": { "lat": 1 } }, "firstName": "Ann", "plan": "gold"
    } });
    world.call("POST", "/v1/identify", ROOT, identify.to_string()).await;
    track(&world, "Order", json!({ "total": 7, "card": "4111", "products": [{ "sku": "a", "cost": 3 }] })).await;
    track(&world, "Diagnosis", json!({})).await;

    let check = async |permissions: &[&str], attributes: &str, traits: Value, properties: Value, events: usize| {
        let key = world.key("private", permissions, &["default"]).await;
        let shown = profile(&world, &key).await;
        let flagged = ["ssn", "score", "home", "address", "first_name", "plan"];
        let present: Vec<&str> = flagged.into_iter().filter(|name| !shown[name].is_null()).collect();
        assert_eq!(present.join(" "), attributes, "{permissions:?}");
        let lookups = json!({ "lookups": [{ "namespace": "user_id", "value": "ann" }] });
        let batch = world.call("POST", "/v1/profiles:batchGet", &key, lookups.to_string()).await.json();
        assert_eq!(batch["results"][0]["profile"], shown);
        let page = world.get("/v1/profiles/identifier/user_id/ann/events", &key).await.json();
        let page = page["events"].as_array().cloned().unwrap_or_default();
        assert_eq!(page.len(), events, "{permissions:?}");
        let of = |kind: &str, name: &str| {
            page.iter()
                .find(|event| event["type"] == kind && event["event"] != "Diagnosis")
                .map(|event| event[name].clone())
        };
        assert_eq!(of("identify", "traits"), Some(traits));
        assert_eq!(of("track", "properties"), Some(properties));
        let why = world.get("/v1/profiles/identifier/user_id/ann/explain", &key).await.json();
        let explained = why["attributes"].as_array().cloned().unwrap_or_default();
        let roots = explained.iter().filter_map(|own| own["path"].as_str()?.split('.').next());
        let roots: std::collections::BTreeSet<&str> = roots.collect();
        assert_eq!(roots, present.iter().copied().collect(), "{permissions:?}: {why}");
        world.get("/v1/profiles/identifier/user_id/ann", &key).await.header("etag").to_owned()
    };
    let all = identify["traits"].clone();
    let without = |names: &[&str]| {
        let mut traits = all.clone();
        for name in names {
            traits.as_object_mut().expect("an object").remove(*name);
        }
        traits
    };
    let order = json!({ "total": 7, "card": "4111", "products": [{ "sku": "a", "cost": 3 }] });
    let mut plain = without(&["ssn", "score", "home", "firstName"]);
    plain["address"] = json!({});
    let bare = json!({ "total": 7, "products": [{ "sku": "a" }] });
    let reader = check(&["read"], "plan", plain.clone(), bare.clone(), 2).await;
    let mut operator = without(&["ssn", "home", "firstName"]);
    operator["address"] = json!({});
    let no_card = json!({ "total": 7, "products": [{ "sku": "a", "cost": 3 }] });
    let configurer = check(&["read", "configure"], "score plan", operator, no_card, 2).await;
    let no_cost = json!({ "total": 7, "card": "4111", "products": [{ "sku": "a" }] });
    let shown = "ssn address first_name plan";
    check(&["read", "read_private"], shown, without(&["score", "home"]), no_cost, 3).await;
    let whole =
        check(&["read", "read_private", "configure"], "ssn score home address first_name plan", all.clone(), order, 3);
    let whole = whole.await;
    assert!(reader != configurer && reader != whole && configurer != whole, "each has a tag of its own");
    // What was cached for one is not shown to another.
    check(&["read"], "plan", plain, bare, 2).await;
}

#[tokio::test]
async fn a_model_holds_for_its_own_workspace() {
    let world = World::new().await;
    world.workspace("other").await;
    let strict = json!({ "mode": "strict" });
    put_ok(&world, "/v1/data-model/mode", &strict).await;
    let other = [("x-tessera-workspace", "other")];
    let read = world.send(request("GET", "/v1/data-model", ROOT, &other, "")).await.json();
    assert_eq!((&read["version"], &read["model"]["mode"]), (&0.into(), &json!("open")));
    let event = json!({ "userId": "ann", "event": "x" }).to_string();
    let report = world.send(request("POST", "/v1/track", ROOT, &other, event.clone())).await.json();
    assert_eq!(report["accepted"], 1);
    let report = world.call("POST", "/v1/track", ROOT, event).await.json();
    assert_eq!(report["verdicts"][0]["code"], "event_type_unregistered");
}

#[tokio::test]
async fn sets_change_without_knowing_them_in_any_order_and_twice() {
    let at = |time: &str, tags: Value| {
        let identities = [
            json!({ "namespace": "user_id", "value": "ann" }),
            json!({ "namespace": "email", "value": "a@shop.example" }),
        ];
        json!({ "identities": identities, "attributes": { "tags": tags }, "time": format!("2026-01-{time}T00:00:00Z") })
    };
    let mut records = [
        at("01", json!({ "$set": ["a", "b"] })),
        at("02", json!({ "$add": ["c", "d"], "$remove": ["a"] })),
        at("03", json!({ "$remove": ["c", "never"] })),
        at("04", json!({ "$add": ["e"] })),
    ];
    for _ in 0..2 {
        let world = World::new().await;
        for dataset in ["crm", "web", "crm"] {
            let write = json!({ "dataset": dataset, "records": records });
            let report = world.call("POST", "/v1/records", ROOT, write.to_string()).await.json();
            assert_eq!(report["rejected"], 0, "{report}");
        }
        assert_eq!(profile(&world, ROOT).await["tags"], json!(["b", "d", "e"]));
        let why = world.get("/v1/profiles/identifier/user_id/ann/explain?attribute=tags", ROOT).await.json();
        assert_eq!(why["attributes"][0]["reason"], "operations", "{why}");
        let unset = json!({ "dataset": "web", "records": [at("05", json!({ "$unset": true }))] });
        world.call("POST", "/v1/records", ROOT, unset.to_string()).await;
        assert_eq!(profile(&world, ROOT).await["tags"], Value::Null);
        records.reverse();
    }
    let world = World::new().await;
    let check = async |tags: Value, code: &str| {
        let verdict = record(&world, "crm", json!({ "tags": tags })).await;
        assert_eq!((&verdict["status"], &verdict["code"]), (&json!("rejected"), &json!(code)), "{verdict}");
    };
    check(json!({ "$add": ["a"], "$remove": ["a"] }), "set_operation_invalid").await;
    check(json!({ "$add": "a" }), "set_operation_invalid").await;
    check(json!({ "$add": [["a"]] }), "set_member_invalid").await;
    check(json!({ "$remove": ["x".repeat(501)] }), "set_member_invalid").await;
    check(json!({ "$add": (0..1_001).collect::<Vec<_>>() }), "too_many_attributes").await;

    put_ok(&world, "/v1/data-model", &shop()).await;
    let verdict = record(&world, "crm", json!({ "tags": { "$add": ["a", 7] }, "plan": { "$add": ["gold"] } })).await;
    let mut refused = notes(&verdict);
    refused.sort();
    let code = "attribute_type_mismatch";
    assert_eq!(own(&refused), [("attribute_refused", code, "plan"), ("attribute_refused", code, "tags")]);
    let said = verdict.to_string();
    assert!(said.contains("set of text is expected path=tags found=set"), "{said}");
    assert_eq!(profile(&world, ROOT).await["tags"], json!(["a"]));
}

/// Which profile has a value that is not allowed is told to those alone who may read it, and a trial stands in the audit log as what is read.
#[tokio::test]
async fn who_contradicts_a_change_is_told_to_those_who_see_everything() {
    let world = World::new().await;
    let record = |user: &str, plan: &str| {
        let identities = json!([{ "namespace": "user_id", "value": user }]);
        json!({ "dataset": "crm", "identities": identities, "attributes": { "plan": plan } }).to_string()
    };
    for (user, plan) in [("u1", "gold"), ("u2", "free")] {
        assert_eq!(world.call("POST", "/v1/records", ROOT, record(user, plan)).await.json()["accepted"], 1);
    }
    let path = "/v1/data-model/attributes/plan";
    put_ok(&world, path, &json!({ "type": "text", "private": true })).await;
    let narrowed = json!({ "type": "text", "private": true, "allowed_values": ["free"] }).to_string();
    let tried = async |permissions: &[&str]| {
        let key = world.key("private", permissions, &["default"]).await;
        let reply = world.call("PUT", &format!("{path}?dry_run=true"), &key, narrowed.clone()).await;
        let refused = world.call("PUT", path, &key, narrowed.clone()).await;
        assert_eq!(refused.code(), "data_model_contradicted");
        assert_eq!(reply.json()["contradictions"], refused.json()["contradictions"], "{permissions:?}");
        let found = reply.json()["contradictions"].clone();
        assert_eq!(found["count"], 1, "{permissions:?}");
        found["examples"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(tried(&["configure"]).await, 0);
    assert_eq!(tried(&["configure", "read"]).await, 0, "the data model hides the values from it");
    assert_eq!(tried(&["configure", "read_private"]).await, 0, "it reads no profile");
    assert_eq!(tried(&["configure", "read", "read_private"]).await, 1);
    let audited = world.get("/v1/audit?action=read", ROOT).await.json();
    let operations = audited["items"].as_array().expect("a list").iter().map(|own| own["operation"].clone());
    assert_eq!(operations.collect::<Vec<_>>(), vec![json!("PUT /v1/data-model/attributes/{path}"); 4]);
}

/// A flag on the name of a namespace hides no identifier, and that is said.
#[tokio::test]
async fn a_flag_that_hides_no_identifier_is_warned_of() {
    let world = World::new().await;
    for (name, body, warned) in [
        ("email", json!({ "type": "text", "private": true }), 1),
        ("email", json!({ "type": "text", "private": true, "label": "E-mail" }), 0),
        ("email", json!({ "type": "text", "internal": true }), 1),
        ("plan", json!({ "type": "text", "private": true }), 0),
        ("phone", json!({ "type": "text" }), 0),
    ] {
        let changed = put_ok(&world, &format!("/v1/data-model/attributes/{name}"), &body).await;
        let warnings = changed["warnings"].as_array().map_or(0, Vec::len);
        assert_eq!(warnings, warned, "{name} {body}: {changed}");
    }
}

#[tokio::test]
async fn a_change_that_stored_data_contradicts_is_refused_with_examples() {
    let world = World::new().await;
    let person = async |user: usize, attributes: Value| {
        let identities = [
            json!({ "namespace": "user_id", "value": format!("u{user}") }),
            json!({ "namespace": "anonymous_id", "value": format!("a{user}") }),
        ];
        let record = json!({ "dataset": "crm", "identities": identities, "attributes": attributes });
        assert_eq!(world.call("POST", "/v1/records", ROOT, record.to_string()).await.json()["accepted"], 1);
    };
    for user in 0..12 {
        person(user, json!({ "age": format!("secret-{user}"), "plan": "gold", "address": { "city": "x" } })).await;
    }
    person(12, json!({ "age": 7, "plan": "free", "tags": { "$add": ["secret-tag", 1] } })).await;
    person(13, json!({ "age": null, "plan": null, "address": null })).await;
    for (user, properties) in [(0, json!({ "total": 7 })), (1, json!({ "total": "secret" })), (2, json!({ "more": 1 }))]
    {
        let event = json!({ "userId": format!("u{user}"), "event": "Order", "properties": properties });
        world.call("POST", "/v1/track", ROOT, event.to_string()).await;
    }
    let id_of = async |user: &str| {
        let profile = world.get(&format!("/v1/profiles/identifier/user_id/{user}"), ROOT).await.json();
        profile["profile_id"].as_str().expect("an id").to_owned()
    };
    let attribute = |name: &str| format!("/v1/data-model/attributes/{name}");
    let refused = async |path: &str, body: Value, count: u64| {
        let reply = put(&world, path, &body).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (409, "data_model_contradicted"), "{path}");
        let json = reply.json();
        assert!(!json.to_string().contains("secret"), "no value is told: {json}");
        assert_eq!(json["contradictions"]["count"], count, "{json}");
        let tried = put(&world, &format!("{path}?dry_run=true"), &body).await.json();
        assert_eq!(tried["contradictions"], json["contradictions"]);
        json["contradictions"]["examples"].as_array().cloned().unwrap_or_default()
    };
    let examples = refused(&attribute("age"), json!({ "type": "integer" }), 12).await;
    assert_eq!(examples.len(), 10);
    let expected = json!({ "profile_id": id_of("u0").await, "event": null, "path": "age",
        "code": "attribute_type_mismatch", "expected": "integer", "found": "text" });
    assert!(examples.contains(&expected), "{examples:?}");
    let values = json!({ "type": "text", "allowed_values": ["gold", "blue"] });
    let examples = refused(&attribute("plan"), values, 1).await;
    let expected = json!({ "profile_id": id_of("u12").await, "event": null, "path": "plan",
        "code": "attribute_not_allowed", "expected": "one of blue, gold", "found": null });
    assert_eq!(examples, [expected]);
    let examples = refused(&attribute("tags"), json!({ "type": "set", "of": "integer" }), 1).await;
    assert_eq!((&examples[0]["path"], &examples[0]["found"]), (&json!("tags"), &json!("set")));
    refused(&attribute("address"), json!({ "type": "text" }), 12).await;
    let order = "/v1/data-model/event-types/Order";
    let examples =
        refused(order, json!({ "properties": { "total": { "type": "number", "required": true } } }), 2).await;
    let expected = json!({ "profile_id": id_of("u1").await, "event": "Order", "path": "total",
        "code": "property_type_mismatch", "expected": "number", "found": "text" });
    assert!(examples.contains(&expected), "{examples:?}");
    assert_eq!(world.get("/v1/data-model", ROOT).await.json()["version"], 0, "nothing was changed");

    // What fits is registered; what was forced, and what contradicted before, is not held against later changes.
    put_ok(&world, &attribute("address.city"), &json!({ "type": "text" })).await;
    refused(order, json!({ "properties": { "total": { "type": "number" } }, "status": "inactive" }), 1).await;
    let forced = put_ok(&world, &format!("{}?force=true", attribute("age")), &json!({ "type": "integer" })).await;
    assert_eq!(forced["contradictions"]["count"], 0);
    put_ok(&world, &attribute("age"), &json!({ "type": "number" })).await;
    put_ok(&world, "/v1/data-model/mode", &json!({ "mode": "strict" })).await;

    // Who is erased contradicts nothing.
    for user in ["u1", "u2"] {
        world.call("DELETE", &format!("/v1/profiles/identifier/user_id/{user}"), ROOT, "").await;
    }
    put_ok(&world, order, &json!({ "properties": { "total": { "type": "number", "required": true } } })).await;
}

#[tokio::test]
async fn what_was_seen_is_told_until_it_is_forgotten() {
    let world = World::new().await;
    record(&world, "crm", json!({ "plan": "gold", "born": "1990-01-31", "tags": { "$add": ["secret"] } })).await;
    world.pass(1_000_000);
    record(&world, "web", json!({ "plan": 7 })).await;
    track(&world, "Order", json!({ "total": 7.5, "products": [{ "sku": "a" }] })).await;
    let model = world.get("/v1/data-model", ROOT).await.json();
    let learned = &model["learned"];
    let plan = json!({ "types": ["integer", "text"], "datasets": ["crm", "web"], "more_datasets": false, "count": 2,
        "first_seen": "2026-01-31T12:00:00Z", "last_seen": "2026-01-31T12:00:01Z" });
    assert_eq!(learned["attributes"]["plan"], plan);
    assert_eq!(
        (&learned["attributes"]["born"]["types"], &learned["attributes"]["tags"]["types"]),
        (&json!(["date"]), &json!(["set"]))
    );
    assert_eq!(learned["event_types"]["Order"]["count"], 1);
    assert_eq!(learned["event_types"]["Order"]["properties"]["total"]["types"], json!(["number"]));
    assert_eq!(learned["event_types"]["Order"]["properties"]["products"]["types"], json!(["list"]));
    assert!(!learned.to_string().contains("secret") && learned["overflowed"] == json!(false), "{learned}");
    assert_eq!(world.get("/v1/data-model?learned=false", ROOT).await.json()["learned"], Value::Null);
    assert_eq!(world.get("/v1/data-model?learned=perhaps", ROOT).await.code(), "query_invalid");

    put_ok(&world, "/v1/data-model/datasets/crm", &json!({ "mode": "strict" })).await;
    record(&world, "crm", json!({ "fresh": 1 })).await;
    assert_eq!(world.get("/v1/data-model", ROOT).await.json()["learned"]["attributes"]["fresh"], Value::Null);
    assert_eq!(world.call("DELETE", "/v1/data-model/learned", ROOT, "").await.status, 204);
    let model = world.get("/v1/data-model", ROOT).await.json();
    assert_eq!(model["learned"], json!({ "attributes": {}, "event_types": {}, "overflowed": false }));
    assert_eq!(model["model"]["datasets"]["crm"]["mode"], "strict");
}

#[tokio::test]
async fn values_and_events_end_by_their_windows() {
    let world = World::new().await;
    let plan = "/v1/data-model/attributes/plan";
    put_ok(&world, plan, &json!({ "type": "text", "relevance": "60m", "retention": "2h" })).await;
    put_ok(&world, "/v1/data-model/event-types/Viewed", &json!({ "retention": "1d" })).await;
    let model = &world.get("/v1/data-model", ROOT).await.json()["model"];
    assert_eq!(model["attributes"]["plan"]["relevance"], "1h", "in the largest unit that divides it");
    assert_eq!(model["attributes"]["plan"]["retention"], "2h");
    assert_eq!(model["event_types"]["Viewed"]["retention"], "1d");

    record(&world, "web", json!({ "plan": "gold", "city": "Lyon" })).await;
    track(&world, "Viewed", json!({})).await;
    let shown = async |relevance: &str| {
        let path = format!("/v1/profiles/identifier/user_id/ann?fields=attributes{relevance}");
        let profile = world.get(&path, ROOT).await.json();
        (profile.get("plan").is_some(), profile.get("city").is_some())
    };
    let events = async || {
        let page = world.get("/v1/profiles/identifier/user_id/ann/events", ROOT).await.json();
        page["events"].as_array().expect("events").len()
    };
    let all = ["", "&relevance=any", "&relevance=relevant", "&relevance=not_relevant"];
    let now = async || {
        let mut all_shown = Vec::new();
        for relevance in all {
            all_shown.push(shown(relevance).await);
        }
        (all_shown, events().await)
    };
    let (both, city, plan_alone, none) = ((true, true), (false, true), (true, false), (false, false));
    assert_eq!(now().await, (vec![both, both, both, none], 1));
    // And a little more: the clock of the lane never repeats an instant.
    world.pass(3_600_001_000);
    assert_eq!(now().await, (vec![both, both, city, plan_alone], 1));
    let explained = world.get("/v1/profiles/identifier/user_id/ann/explain?attribute=plan", ROOT).await.json();
    let plan = &explained["attributes"][0];
    assert!(plan["relevant_until"].is_string() && plan["contenders"][0]["kept_until"].is_string(), "{explained}");
    // And a little more: the clock of the lane never repeats an instant.
    world.pass(3_600_001_000);
    assert_eq!(now().await, (vec![city, city, city, none], 1));
    world.pass(22 * 3_600_000_000);
    assert_eq!(now().await.1, 0);

    let batch = json!({ "lookups": [{ "namespace": "user_id", "value": "ann" }], "relevance": "not_relevant" });
    let reply = world.call("POST", "/v1/profiles:batchGet", ROOT, batch.to_string()).await.json();
    assert!(reply["results"][0]["profile"].get("city").is_none(), "{reply}");
}

#[tokio::test]
async fn what_is_no_window_is_refused() {
    let world = World::new().await;
    for (window, place) in
        [("90", "at=plan"), ("0d", "at=plan"), ("1w", "at=plan"), ("40000d", "at=plan"), ("", "at=plan")]
    {
        for member in ["relevance", "retention"] {
            let reply = put(&world, "/v1/data-model/attributes/plan", &json!({ "type": "text", member: window })).await;
            assert_eq!(
                (reply.status.as_u16(), reply.code().as_str()),
                (400, "data_model_invalid"),
                "{member} {window}"
            );
            let message = reply.json()["error"]["message"].as_str().expect("a message").to_owned();
            assert!(message.starts_with(member) && message.contains("90d") && message.contains(place), "{message}");
        }
    }
    let order = json!({ "type": "text", "relevance": "3d", "retention": "2d" });
    assert_eq!(put(&world, "/v1/data-model/attributes/plan", &order).await.code(), "data_model_invalid");
    record(&world, "web", json!({ "city": "Lyon" })).await;
    let reply = world.get("/v1/profiles/identifier/user_id/ann?relevance=new", ROOT).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "relevance_invalid"));
}
