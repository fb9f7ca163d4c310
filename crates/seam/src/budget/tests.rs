use super::*;

const ONE: Share = Share::Directory;
const WAIT: Duration = Duration::from_secs(30);

fn budget(bytes: usize) -> Arc<Budget> {
    Budget::new(Counted::Bodies, bytes)
}

#[test]
fn what_is_held_is_given_back_and_nobody_takes_all() {
    let budget = budget(1_000);
    let mut one = budget.charge(ONE);
    one.grow_to(400).expect("room");
    one.grow_to(300).expect("it holds more already");
    assert_eq!(budget.used(), 400);
    let refused = one.grow_to(501).expect_err("half is the most of one");
    assert_eq!((refused.code, refused.kind), ("bodies_full", ErrorKind::Throttled));
    assert_eq!(budget.used(), 400, "a refusal changes nothing");
    let mut stranger = budget.charge(Share::Strangers);
    stranger.grow_to(250).expect("a quarter");
    assert!(stranger.grow_to(251).is_err());
    let stranger = stranger.moved_to(ONE).err().expect("the share of the other is full");
    assert_eq!(stranger.code, "bodies_full");
    assert_eq!(budget.used(), 400, "what could not be moved is dropped");
    one.shrink_to(10);
    assert_eq!(budget.used(), 10);
    drop(one);
    assert_eq!(budget.used(), 0);
}

#[test]
fn shares_together_take_no_more_than_the_whole() {
    let budget = budget(1_000);
    let workspace = |n| Share::Workspace(WorkspaceId::new(n));
    let mut held: Vec<_> = (1..=2).map(|n| budget.charge(workspace(n))).collect();
    for charge in &mut held {
        charge.grow_to(450).expect("room");
    }
    let mut third = budget.charge(workspace(3));
    third.grow_to(100).expect("the rest");
    assert!(third.grow_to(101).is_err(), "the whole is full");
    third.set_anyway(150);
    assert_eq!(budget.used(), 1_050, "what was done is answered whatever the budget says");
    drop((held, third));
    assert_eq!(budget.used(), 0);
    for n in 1..=3_000 {
        drop(budget.charge(workspace(n)));
    }
    assert!(budget.shares.lock().expect("no panic inside").len() <= SHARES_KEPT + 1, "unused shares are forgotten");
}

#[tokio::test]
async fn who_waits_is_let_in_when_bytes_are_given_back() {
    let budget = budget(1_000);
    let held = budget.reserve(ONE, 500, WAIT).await.expect("room");
    let refused = budget.reserve(ONE, 1, Duration::ZERO).await.err().expect("none left");
    assert_eq!(refused.code, "bodies_full");
    let waiting = tokio::spawn({
        let budget = Arc::clone(&budget);
        async move { budget.reserve(ONE, 300, WAIT).await.map(|charge| charge.bytes) }
    });
    tokio::task::yield_now().await;
    drop(held);
    assert_eq!(waiting.await.expect("no panic").expect("room"), 300);
}
