//! System jobs (spec/adobe.md section 9): an order waits, begins when it is due, and is carried out.

use serde_json::{Value, json};

use super::gateway::send;
use crate::tests::world::{ROOT, World};

const JOBS: &str = "/data/core/ups/system/jobs";

async fn status(world: &World, id: &str) -> Value {
    send(world, ("GET", &format!("{JOBS}/{id}")), &[], &Value::Null).await.json()
}

async fn is_there(world: &World) -> bool {
    let path =
        "/data/core/ups/access/entities?schema.name=_xdm.context.profile&entityId=ada@x.example&entityIdNS=Email";
    let reply = send(world, ("GET", path), &[], &Value::Null).await;
    reply.status == 200
        && !reply.json().to_string().contains("\"tier\":null")
        && reply.json().to_string().contains("silver")
}

#[tokio::test]
async fn what_is_ordered_is_there_until_it_is_due_and_then_nowhere() {
    let world = World::new().await;
    let record = json!({ "dataset": "crm", "records": [{ "id": "r1", "identities": [{ "namespace": "email", "value": "ada@x.example" }],
        "attributes": { "tier": "silver" } }] });
    assert_eq!(world.call("POST", "/v1/records", ROOT, record.to_string()).await.json()["accepted"], 1);
    let ordered = send(&world, ("POST", JOBS), &[], &json!({ "dataSetId": "crm" })).await;
    assert_eq!((ordered.status.as_u16(), &ordered.json()["status"]), (200, &json!("NEW")));
    let id = ordered.json()["id"].as_str().expect("an id").to_owned();
    world.pass(59_000_000);
    world.call("POST", "/v1/erasures:purge", ROOT, "").await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(status(&world, &id).await["status"], "NEW");
    assert!(is_there(&world).await, "it waits");
    world.pass(2_000_000);
    // Whoever asks for the purge has the keeper of the workspace look at what is due.
    world.call("POST", "/v1/erasures:purge", ROOT, "").await;
    let mut seen = Vec::new();
    for _ in 0..100_000 {
        let own = status(&world, &id).await;
        if seen.last() != Some(&own["status"]) {
            seen.push(own["status"].clone());
        }
        if own["status"] == "COMPLETED" {
            let metrics: Value = serde_json::from_str(own["metrics"].as_str().expect("a text")).expect("JSON");
            assert!(metrics["recordsProcessed"].is_u64() && metrics["timeTakenInSec"].is_i64(), "{metrics}");
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(seen.last(), Some(&json!("COMPLETED")), "{seen:?}");
    assert!(!is_there(&world).await, "it was removed");
    let changed = send(&world, ("PUT", &format!("{JOBS}/{id}")), &[], &json!({ "dataSetId": "erp" })).await;
    assert_eq!((changed.status.as_u16(), changed.code().as_str()), (409, "erasure_begun"));
    let gone = send(&world, ("DELETE", &format!("{JOBS}/{id}")), &[], &Value::Null).await;
    assert_eq!((gone.status.as_u16(), gone.body.len()), (200, 0));
    assert_eq!(send(&world, ("GET", &format!("{JOBS}/{id}")), &[], &Value::Null).await.status, 404);
}
