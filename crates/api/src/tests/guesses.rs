//! Wrong keys: what many of them come to.

use tessera_seam::guesses::{FREE, Peer, WAIT};

use super::world::{ROOT, World, request};

/// A wrong key waits for its answer once there were many; a right one from the same address does not.
#[tokio::test]
async fn an_answer_to_a_wrong_key_is_held_back() {
    let world = World::new().await;
    let ask = async |key: &str| {
        let mut asked = request("GET", "/v1/segments", key, &[], axum::body::Body::empty());
        asked.extensions_mut().insert(Peer("203.0.113.9".parse().expect("an address")));
        world.send(asked).await.status.as_u16()
    };
    for _ in 0..FREE {
        assert_eq!(ask("sk_live_wrong").await, 401);
    }
    let held = tokio::time::timeout(WAIT / 20, ask("sk_live_wrong")).await;
    assert!(held.is_err(), "it is not answered at once");
    assert_eq!(ask(ROOT).await, 200);
}
