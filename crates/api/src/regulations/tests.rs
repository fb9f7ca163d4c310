use serde_json::{Value, json};

use crate::tests::golden;
use crate::tests::world::{ROOT, World};

#[tokio::test]
async fn regulations_are_answered_as_the_spec_says() {
    golden::check("api/src/regulations/golden/regulations.txt").await;
}

async fn regulate(world: &World, kind: &str, ids: &[String]) -> Value {
    let body = json!({ "regulationType": kind, "subjectType": "USER_ID", "subjectIds": ids });
    world.call("POST", "/regulations", ROOT, body.to_string()).await.json()
}

async fn profiles(world: &World) -> Value {
    world.get("/v1/admin/counts", ROOT).await.json()["profiles"].clone()
}

/// Many at once, more than one commit or one step holds; one more than may be is refused, and then nothing is done.
#[tokio::test]
async fn as_many_as_may_be_are_regulated_at_once_and_no_more() {
    let world = World::new().await;
    for at in 0..60 {
        let call = json!({ "userId": format!("u{at}"), "traits": { "email": format!("u{at}@shop.example") } });
        assert_eq!(world.call("POST", "/v1/identify", ROOT, call.to_string()).await.status, 200);
    }
    let ids = |count: usize| (0..count).map(|at| format!("u{at}")).collect::<Vec<_>>();
    let refused = regulate(&world, "SUPPRESS_WITH_DELETE", &ids(5_001)).await;
    assert_eq!(refused["errors"][0]["reason"], "batch_too_many", "{refused}");
    assert_eq!(world.get("/v1/suppressions", ROOT).await.json()["suppressed"], 0);
    let made = regulate(&world, "SUPPRESS_WITH_DELETE", &ids(5_000)).await;
    let id = made["data"]["regulateId"].as_str().expect("an id");
    assert_eq!(world.get("/v1/suppressions", ROOT).await.json()["suppressed"], 5_000);
    world.get(&format!("/v1/jobs/{id}/watch"), ROOT).await;
    let job = world.get(&format!("/v1/jobs/{id}"), ROOT).await.json();
    assert_eq!((&job["result"]["erased"], &job["parameters"]["named"]), (&json!(60), &json!(5_000)), "{job}");
    assert_eq!(profiles(&world).await, 0);
}

/// One that has not begun is taken back: nobody is erased.
#[tokio::test]
async fn a_regulation_is_taken_back_before_it_begins() {
    let world = World::new().await;
    let call = json!({ "userId": "u0", "traits": { "email": "u0@shop.example" } });
    assert_eq!(world.call("POST", "/v1/identify", ROOT, call.to_string()).await.status, 200);
    let made = regulate(&world, "DELETE_ONLY", &["u0".to_owned()]).await;
    let path = format!("/regulations/{}", made["data"]["regulateId"].as_str().expect("an id"));
    let deleted = world.call("DELETE", &path, ROOT, "").await;
    assert_eq!((deleted.status.as_u16(), deleted.json()), (200, json!({ "data": { "status": "SUCCESS" } })));
    assert_eq!(world.get(&path, ROOT).await.status, 404);
    assert_eq!(world.call("DELETE", &path, ROOT, "").await.status, 404);
    assert_eq!(profiles(&world).await, 1);
}
