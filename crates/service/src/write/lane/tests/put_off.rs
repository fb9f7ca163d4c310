//! What a rule adds never refuses a write, however many rules there are and however little a commit takes.

use super::*;

fn users(count: usize, event: &str) -> Vec<Fact> {
    (0..count).map(|at| fact(&format!("{event}{at}"), &[("user_id", &format!("u{at}"))], event)).collect()
}

#[tokio::test]
async fn ten_segments_take_fifteen_hundred_newcomers_in_one_call() {
    let world = World::new(Limits::EMBEDDED).await;
    world.put_segments((0..10).map(|_| "xEvent[eventType = \"X\"].count() >= 1".to_owned())).await;
    world.accept(users(1_500, "X")).await;
    world.run_timers().await;
    for at in 0..10 {
        assert_eq!(world.members(&format!("s{at}")).await, 1_500);
    }
    world.service.close().await;
    world.check().await;
}

#[tokio::test]
async fn five_hundred_leave_twenty_five_segments_at_one_instant() {
    let world = World::new(Limits::EMBEDDED).await;
    let text = "xEvent[eventType = \"T\" and timestamp occurs <= 20 seconds before now].count() >= 1";
    world.put_segments((0..25).map(|_| text.to_owned())).await;
    let at = Timestamp::from_micros(world.clock.load(Ordering::SeqCst));
    let facts = users(500, "T").into_iter().map(|fact| Fact { time: at, ..fact }).collect();
    world.accept(facts).await;
    world.run_timers().await;
    assert_eq!(world.members("s0").await, 500);
    world.pass(26 * SECOND);
    world.run_timers().await;
    for at in 0..25 {
        assert_eq!(world.members(&format!("s{at}")).await, 0);
    }
    world.service.close().await;
    world.check().await;
}

#[tokio::test]
async fn more_memberships_than_a_commit_holds_are_settled_in_parts() {
    // The rules of a workspace stand in one row.
    let mut world = World::new(Limits { value: 1 << 20, bytes: 2 << 20, ..TINY }).await;
    let text = "xEvent[eventType = \"T\" and timestamp occurs <= 20 seconds before now].count() >= 1";
    world.put_segments((0..300).map(|_| text.to_owned())).await;
    world.accept(users(1, "T")).await;
    // The write is taken; a read is exact, the lists trail.
    assert_eq!(world.audiences("user_id", "u0").await, 300);
    let is_member = async |world: &World, at: usize| world.members(&format!("s{at}")).await;
    // Who was put off is found again after a restart.
    world.restart().await;
    world.run_timers().await;
    assert_eq!((is_member(&world, 0).await, is_member(&world, 299).await), (1, 1));
    world.pass(26 * SECOND);
    assert_eq!(world.audiences("user_id", "u0").await, 0);
    world.run_timers().await;
    for at in 0..300 {
        assert_eq!(is_member(&world, at).await, 0, "s{at}");
    }
    world.service.close().await;
    world.check().await;
}
