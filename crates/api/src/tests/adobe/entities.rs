//! Entities (spec/adobe.md sections 2.6, 3, 4 and 13): what golden exchanges cannot show.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::gateway::send;
use crate::tests::world::{ROOT, World};

const PATH: &str = "/data/core/ups/access/entities";

async fn get(world: &World, query: &str) -> (u16, Value) {
    let reply = send(world, ("GET", &format!("{PATH}?{query}")), &[], &Value::Null).await;
    (reply.status.as_u16(), reply.json())
}

async fn post(world: &World, body: &Value) -> (u16, Value) {
    let reply = send(world, ("POST", PATH), &[], body).await;
    (reply.status.as_u16(), reply.json())
}

async fn native(world: &World, path: &str, body: Value) {
    let reply = world.call("POST", path, ROOT, body.to_string()).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.json());
}

fn profile(id: &str, code: &str) -> String {
    format!("schema.name=_xdm.context.profile&entityId={id}&entityIdNS={code}")
}

fn events(id: &str, code: &str) -> String {
    let schemas = "schema.name=_xdm.context.experienceevent&relatedSchema.name=_xdm.context.profile";
    format!("{schemas}&relatedEntityId={id}&relatedEntityIdNS={code}")
}

/// The one member of an answer.
fn only(answer: &Value) -> &Value {
    let members = answer.as_object().expect("an object");
    assert_eq!(members.len(), 1, "{answer}");
    members.values().next().expect("a member")
}

async fn tracked(world: &World, count: usize) {
    let calls: Vec<Value> = (0..count)
        .map(|at| {
            // Several happened at one time: their order is that of the server, and the same in every page.
            let time = format!("2026-01-30T10:00:{:02}Z", at / 3);
            json!({ "type": "track", "messageId": format!("e-{at:02}"), "userId": "ann", "event": "x", "timestamp": time,
                    "properties": { "even": at % 2 == 0 } })
        })
        .collect();
    native(world, "/v1/batch", json!({ "batch": calls })).await;
}

/// Section 4.4: pages of whatever size hold every event once, in either order; a cursor is the id of the event that a page begins with.
#[tokio::test]
async fn pages_of_events_together_are_the_whole() {
    let world = World::new().await;
    tracked(&world, 25).await;
    for order in ["%2Btimestamp", "-timestamp", "timestamp"] {
        let (_, whole) = get(&world, &format!("{}&orderby={order}", events("ann", "user_id"))).await;
        assert_eq!((&whole["_page"]["count"], &whole["_page"]["next"]), (&json!(25), &json!("")));
        for limit in [1, 4, 12, 25] {
            let mut seen: Vec<Value> = Vec::new();
            let mut query = format!("{}&orderby={order}&limit={limit}", events("ann", "user_id"));
            loop {
                let (status, page) = get(&world, &query).await;
                assert_eq!(status, 200, "{query}: {page}");
                assert_eq!(page["_page"]["start"], page["children"][0]["entityId"]);
                seen.extend(page["children"].as_array().expect("a list").iter().cloned());
                let href = page["_links"]["next"]["href"].as_str().expect("a text");
                assert_eq!(href.is_empty(), page["_page"]["next"] == "");
                let Some((_, next)) = href.split_once('?') else { break };
                next.clone_into(&mut query);
            }
            assert_eq!(json!(seen), whole["children"], "{order} by {limit}");
        }
    }
    let (_, even) = get(&world, &format!("{}&property=even=true&limit=5", events("ann", "user_id"))).await;
    assert_eq!((&even["_page"]["count"], &even["_page"]["next"]), (&json!(5), &json!("e-09")));
    let refused = get(&world, &format!("{}&start=nothing", events("ann", "user_id"))).await;
    assert_eq!((refused.0, &refused.1["cause"]), (400, &json!("cursor_invalid")));
}

/// Section 4.7: the payload of a next link is sent as it is until there is none.
#[tokio::test]
async fn a_payload_leads_through_the_events_of_a_profile() {
    let world = World::new().await;
    tracked(&world, 10).await;
    let mut body = json!({
        "schema": { "name": "_xdm.context.experienceevent" }, "relatedSchema": { "name": "_xdm.context.profile" }, "limit": 3,
        "orderBy": "-timestamp", "fields": ["_id"], "identities": [{ "relatedEntityId": "ann", "relatedEntityIdNS": { "code": "USER_ID" } }]
    });
    let mut seen = Vec::new();
    for _ in 0..10 {
        let (status, answer) = post(&world, &body).await;
        assert_eq!(status, 200, "{answer}");
        let page = only(&answer);
        seen.extend(page["children"].as_array().expect("a list").iter().map(|own| own["entityId"].clone()));
        let next = &page["_links"]["next"];
        if next["href"] == "" {
            break;
        }
        assert_eq!(next["href"], "/entities");
        body = next["payload"].clone();
    }
    assert_eq!(seen.len(), 10);
    let (_, whole) = get(&world, &format!("{}&orderby=-timestamp", events("ann", "user_id"))).await;
    let ids: Vec<Value> =
        whole["children"].as_array().expect("a list").iter().map(|own| own["entityId"].clone()).collect();
    assert_eq!(seen, ids);
}

/// Section 13: a profile of more than fifty identities is looked up by none of these calls.
#[tokio::test]
async fn more_than_fifty_identities_are_too_many() {
    let world = World::new().await;
    let linked = async |from: usize, to: usize| {
        let mut identities = vec![json!({ "namespace": "user_id", "value": "ann" })];
        identities.extend((from..to).map(|at| json!({ "namespace": "ecid", "value": format!("4{at:03}") })));
        native(
            &world,
            "/v1/records",
            json!({ "dataset": "crm", "records": [{ "identities": identities, "attributes": {} }] }),
        )
        .await;
    };
    linked(0, 25).await;
    linked(25, 49).await;
    assert_eq!(get(&world, &profile("ann", "user_id")).await.0, 200, "fifty are not too many");
    linked(49, 50).await;
    let told = json!({ "message": "Too many related identities", "cause": "identities_too_many", "statusCode": "422" });
    for query in [profile("ann", "user_id"), profile("4007", "ECID"), events("4007", "ECID")] {
        assert_eq!(get(&world, &query).await, (422, told.clone()), "{query}");
    }
    let body = json!({ "schema": { "name": "_xdm.context.profile" }, "identities": [{ "entityId": "4007", "entityIdNS": { "code": "ecid" } }] });
    assert_eq!(post(&world, &body).await, (207, json!([{ "xid": "4007", "error": told }])));
}

/// Section 2.6: without identity graph, an identity has what is keyed by it alone.
#[tokio::test]
async fn a_merge_policy_decides_whose_fragments_count() {
    let world = World::new().await;
    let new =
        json!({ "id": "alone", "name": "Alone", "identity_graph": "none", "attribute_merge": { "choose": "newest" } });
    native(&world, "/v1/merge-policies", new).await;
    let record = |identities: Value, attributes: Value| json!({ "identities": identities, "attributes": attributes });
    let (user, browser) =
        (json!({ "namespace": "user_id", "value": "ann" }), json!({ "namespace": "ecid", "value": "404" }));
    let records =
        [record(json!([browser]), json!({ "seen": "web" })), record(json!([user, browser]), json!({ "tier": "gold" }))];
    native(&world, "/v1/records", json!({ "dataset": "crm", "records": records })).await;
    tracked(&world, 3).await;
    let (_, whole) = get(&world, &profile("404", "ECID")).await;
    let (_, alone) = get(&world, &format!("{}&mergePolicyId=alone", profile("404", "ECID"))).await;
    let (whole, alone) = (only(&whole), only(&alone));
    assert_eq!((&whole["entity"]["seen"], &whole["entity"]["tier"]), (&json!("web"), &json!("gold")));
    assert_eq!((&alone["entity"]["seen"], &alone["entity"]["tier"]), (&json!("web"), &Value::Null));
    assert_eq!(alone["entity"]["identityMap"], json!({ "ecid": [{ "id": "404", "primary": true }] }));
    assert_eq!((&alone["mergePolicy"]["id"], &alone["identityGraph"]), (&json!("alone"), &json!([alone["entityId"]])));
    assert_eq!(whole["entityId"], alone["entityId"], "an identity has one XID");
    for (id, code, of_whole, of_one) in [("404", "ECID", 3, 0), ("ann", "user_id", 3, 3)] {
        let count = async |query: String| get(&world, &query).await.1["_page"]["count"].clone();
        assert_eq!(count(events(id, code)).await, of_whole, "{id}");
        assert_eq!(count(format!("{}&mergePolicyId=alone", events(id, code))).await, of_one, "{id}");
    }
    // One identity goes, and the others stay what they are.
    let gone =
        send(&world, ("DELETE", &format!("{PATH}?{}&mergePolicyId=alone", profile("404", "ECID"))), &[], &Value::Null)
            .await;
    assert_eq!((gone.status.as_u16(), gone.body.len()), (202, 0));
    assert_eq!(get(&world, &profile("404", "ECID")).await, (404, json!({ "statusCode": "404" })));
    assert_eq!(only(&get(&world, &profile("ann", "user_id")).await.1)["entity"]["tier"], "gold");
}

/// Section 4.3: accounts are entities of their own class.
#[tokio::test]
async fn an_account_is_looked_up_by_its_class() {
    let world = World::new().await;
    let group = json!({ "userId": "ann", "groupId": "acme", "messageId": "g-1", "traits": { "name": "Acme" } });
    native(&world, "/v1/group", group).await;
    let (status, account) = get(&world, "schema.name=_xdm.context.account&entityId=acme&entityIdNs=b2b_account").await;
    assert_eq!((status, &only(&account)["entity"]["name"]), (200, &json!("Acme")), "{account}");
    assert_eq!(only(&account)["entity"]["identityMap"]["b2b_account"][0]["id"], "acme");
    for (schema, code) in [("profile", "b2b_account"), ("account", "user_id"), ("opportunity", "b2b_opportunity")] {
        let (status, refused) =
            get(&world, &format!("schema.name=_xdm.context.{schema}&entityId=x&entityIdNS={code}")).await;
        assert_eq!((status, &refused["cause"]), (400, &json!("query_invalid")), "{schema} {code}");
    }
}

/// Section 2.5: who is in a segment, and who left.
#[tokio::test]
async fn memberships_are_shown_with_their_times() {
    let world = World::new().await;
    let new = json!({ "name": "gold", "pql": "tier = \"gold\"" });
    let made = world.call("POST", "/v1/segments", ROOT, new.to_string()).await;
    assert_eq!(made.status, 201, "{}", made.json());
    for _ in 0..100_000 {
        if world.get("/v1/segments/gold", ROOT).await.json()["status"] == "active" {
            break;
        }
        tokio::task::yield_now().await;
    }
    let said = async |tier: &str| {
        let records = json!([{ "identities": [{ "namespace": "email", "value": "ada@x.example" }], "attributes": { "tier": tier } }]);
        native(&world, "/v1/records", json!({ "dataset": "crm", "records": records })).await;
        let (_, answer) = get(&world, &profile("ada@x.example", "Email")).await;
        only(&answer)["entity"]["segmentMembership"].clone()
    };
    let membership = said("gold").await;
    assert_eq!(membership["ups"]["gold"]["status"], "realized", "{membership}");
    world.pass(1_000_000);
    let left = said("silver").await;
    assert_eq!(
        left["ups"]["gold"],
        json!({ "status": "exited", "lastQualificationTime": "2026-01-31T12:00:01Z" }),
        "{left}"
    );
    world.pass(31 * 86_400_000_000);
    assert_eq!(said("silver").await, Value::Null, "thirty days later nothing is told of it");
}

/// Section 1.4: too many requests are told in a list, with the wait as a text.
#[tokio::test]
async fn too_many_requests_are_told_in_a_list() {
    let world = World::new().await;
    let new = json!({ "name": "slow", "class": "private", "permissions": ["read"], "rate_limit": { "per_second": 1, "burst": 1, "concurrency": 9 } });
    let made = world.call("POST", "/v1/admin/keys", ROOT, new.to_string()).await.json();
    let bearer = format!("Bearer {}", made["secret"].as_str().expect("a secret"));
    let path = format!("{PATH}?{}", profile("x", "ECID"));
    let mut last = String::new();
    for _ in 0..3 {
        let reply = send(&world, ("GET", &path), &[("authorization", &bearer)], &Value::Null).await;
        write!(last, "{} ", reply.status.as_u16()).expect("a text takes everything");
        if reply.status == 429 {
            let json = reply.json();
            assert_eq!(json[0]["statusCode"], "429", "{json}");
            assert!(json[0]["retryAfterMs"].as_str().is_some_and(|wait| wait.parse::<u64>().is_ok()), "{json}");
            assert_eq!(json.as_array().map(Vec::len), Some(1));
            return;
        }
    }
    panic!("never too many: {last}");
}
