//! Merge policies against the specification: every operation, and what each policy makes of values of three datasets.

use serde_json::{Map, Value, json};

use super::golden;
use crate::tests::world::{ROOT, Reply, World, request};

#[tokio::test]
async fn merge_policies_are_answered_as_the_spec_says() {
    golden::check("merge_policies.txt").await;
}

async fn call(world: &World, method: &str, path: &str, body: &Value) -> Reply {
    let bearer = format!("Bearer {ROOT}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-api-key", "any"),
        ("x-gw-ims-org-id", "default"),
        ("x-sandbox-name", "default"),
        ("content-type", "application/json"),
    ];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    world.send(request(method, &format!("/data/core/ups{path}"), "", &headers, body)).await
}

/// The cases of the engine's own table (spec/adobe.md section 2.6, and what goes with it), as far as this API can say their policies: without
/// rules of single attributes, and without sets, which no schema of it has. The table says how a row is read.
const TABLE: &str = include_str!("../../../../engine/tests/policy_cases/table.rs");

/// A case: its policy, its cells, and what comes of them.
struct Case<'a> {
    policy: &'a str,
    cells: &'a str,
    expected: &'a str,
}

fn cases() -> Vec<Case<'static>> {
    let rows = TABLE.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let cases = rows.filter_map(|row| match row[..] {
        [_, policy, cells, expected, _]
            if expected.starts_with('{') && !policy.contains(';') && !cells.contains('<') =>
        {
            Some(Case { policy, cells, expected })
        }
        _ => None,
    });
    cases.collect()
}

/// An identity of the person, or of the other one.
fn identity(node: u8) -> Value {
    match node {
        b'1' => json!({ "namespace": "user_id", "value": "u1" }),
        b'2' => json!({ "namespace": "anonymous_id", "value": "a2" }),
        _ => json!({ "namespace": "user_id", "value": "u3" }),
    }
}

/// Says a cell, `node.dataset:path=value@time`, as a record: under its time, or without one at it.
async fn say(world: &World, at: usize, cell: &str) {
    let (who, what) = cell.split_once(':').expect("who:what");
    let (node, dataset) = who.split_once('.').expect("node.dataset");
    let (path, value) = what.split_once('=').expect("path=value");
    let (value, time) = value.rsplit_once('@').expect("value@time");
    let value: Value = serde_json::from_str(&value.replace('\'', "\"")).expect("a value");
    let attributes = path.rsplit('.').fold(value, |inner, name| json!({ name: inner }));
    let mut record = json!({ "dataset": dataset, "id": format!("{at}"), "identities": [identity(node.as_bytes()[0])], "attributes": attributes });
    if !time.starts_with('~') {
        let second: u32 = time.parse().expect("a second");
        record["time"] = format!("2026-01-31T12:01:{second:02}Z").into();
    }
    let reply = world.call("POST", "/v1/records", ROOT, record.to_string()).await;
    assert_eq!(reply.json()["accepted"], 1, "{cell}: {}", reply.json());
}

/// The second of a cell that has no time but that of its receipt.
fn received(cell: &str) -> Option<i64> {
    cell.rsplit_once("@~").map(|(_, second)| second.parse().expect("a second"))
}

/// What the table shows of a document.
fn shown(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<String> = members.iter().map(|(name, value)| format!("{name}:{}", shown(value))).collect();
            format!("{{{}}}", members.join(" "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(",")),
        Value::String(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}

async fn check(case: &Case<'_>) {
    let world = World::new().await;
    let cells: Vec<&str> = case.cells.split_whitespace().collect();
    // Cells of the time of their receipt come at it, the others when all of these are over; the clock begins a minute before.
    let (start, mut now) = (60, 0);
    let mut order: Vec<(i64, usize)> =
        cells.iter().enumerate().map(|(at, cell)| (received(cell).unwrap_or(100), at)).collect();
    order.sort_by_key(|(second, at)| (*second, *at));
    // What links the two is a dataset of its own.
    let both = json!({ "dataset": "links", "id": "0", "identities": [identity(b'1'), identity(b'2')], "attributes": { "linked": true } });
    let linked = world.call("POST", "/v1/records", ROOT, both.to_string()).await;
    assert_eq!(linked.json()["accepted"], 1, "{}", linked.json());
    for (second, at) in order {
        world.pass((start + second - now) * 1_000_000);
        now = start + second;
        say(&world, at, cells[at]).await;
    }
    let (graph, merge) = case.policy.split_once(' ').expect("a graph and a merge");
    let is_whole = graph.starts_with("full");
    let merge = match merge.split_once(' ') {
        None => json!({ "type": "timestampOrdered" }),
        Some((_, order)) => json!({ "type": "dataSetPrecedence", "order": order.split(',').collect::<Vec<_>>() }),
    };
    let policy = json!({
        "schema": { "name": "_xdm.context.profile" }, "identityGraph": { "type": if is_whole { "pdg" } else { "none" } }, "attributeMerge": merge
    });
    let made = call(&world, "POST", "/config/mergePolicies", &policy).await;
    assert_eq!(made.status, 200, "{}", made.json());
    let id = made.json()["id"].as_str().expect("an id").to_owned();
    let (value, code) = if graph.ends_with('2') { ("a2", "anonymous_id") } else { ("u1", "user_id") };
    let path = format!(
        "/access/entities?schema.name=_xdm.context.profile&entityId={value}&entityIdNS={code}&mergePolicyId={id}"
    );
    let reply = call(&world, "GET", &path, &Value::Null).await.json();
    let entity = reply.as_object().and_then(|all| all.values().next()).map(|own| &own["entity"]);
    let entity = entity.and_then(Value::as_object).unwrap_or_else(|| panic!("{}: {reply}", case.cells));
    let own: Map<String, Value> = entity
        .iter()
        .filter(|(name, _)| !["identityMap", "linked"].contains(&name.as_str()))
        .map(|(name, own)| (name.clone(), own.clone()))
        .collect();
    assert_eq!(shown(&Value::Object(own)), case.expected, "{} | {}", case.policy, case.cells);
}

#[tokio::test]
async fn policies_choose_among_datasets_as_the_table_says() {
    let cases = cases();
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    for case in &cases {
        check(case).await;
    }
}
