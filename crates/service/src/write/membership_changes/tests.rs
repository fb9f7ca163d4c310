//! Turns as rows of the store in memory.

use tessera_store::{Limits, MemoryStore};

use super::*;
use crate::base::ids::WorkspaceId;
use crate::stored::keys::Family;
use crate::stored::records::ruled::encode_change;

const TODAY: i64 = 20_000;

fn scope() -> Scope {
    Scope::new(WorkspaceId::new(1))
}

fn profile(number: u8) -> NodeId {
    NodeId::from_bytes([number; 12])
}

fn day(day: i64, micros: i64) -> Timestamp {
    Timestamp::from_micros(day * DAY_MICROS + micros).expect("an instant")
}

/// Writes changes as a lane does; of random bits that never want a look at once, or always.
async fn change(store: &dyn Store, changes: &[(NodeId, Timestamp)], at_once: bool) {
    let chances = 0..;
    let wants = |chance: &u64| {
        let looks: Vec<_> = looks(scope(), changes.iter().copied(), *chance).collect();
        is_wanted_now(&looks) == at_once
    };
    let chance = chances.into_iter().find(wants).expect("some number does");
    let mut commit = Commit::new();
    commit.put.extend(looks(scope(), changes.iter().copied(), chance));
    commit.put.extend(
        changes.iter().map(|(own, at)| (scope().membership_change(*own, *at, SegmentId(3)), encode_change(true))),
    );
    store.commit(commit).await.expect("changes");
}

/// How many changes are there of a profile, and whether it is said that older ones were let go.
async fn kept(store: &dyn Store, profile: NodeId) -> (usize, bool) {
    let rows = store
        .scan(&scope().membership_changes_of(profile), ScanLimit::rows(5_000), Direction::Forward)
        .await
        .expect("rows");
    let let_go = rows.rows.first().is_some_and(|row| row.key == scope().changes_let_go(profile));
    (rows.rows.len() - usize::from(let_go), let_go)
}

async fn looks_left(store: &dyn Store) -> usize {
    let all = scope().all_of(Family::Keeping);
    store.scan(&all, ScanLimit::rows(5_000), Direction::Forward).await.expect("rows").rows.len()
}

async fn keep_all(store: &dyn Store, today: i64) {
    while keep(store, scope(), day(today, 0), 400).await.expect("a step") {}
}

#[tokio::test]
async fn of_a_profile_that_turns_for_ever_the_newest_stay() {
    for limits in [Limits::EMBEDDED, Limits { ops: 40, page_rows: 100, ..Limits::EMBEDDED }] {
        let store = MemoryStore::with_limits(limits);
        for number in 0..2_500 {
            change(&store, &[(profile(1), day(TODAY, number))], number == 2_400).await;
        }
        change(&store, &[(profile(2), day(TODAY, 0))], false).await;
        keep_all(&store, TODAY).await;
        let rows = store
            .scan(&scope().membership_changes_of(profile(1)), ScanLimit::rows(2), Direction::Forward)
            .await
            .expect("rows");
        let oldest = read_change_key(&rows.rows[1].key).expect("a change").1;
        assert_eq!((kept(&store, profile(2)).await, oldest), ((1, false), day(TODAY, 1_500)));
        // Both are looked at again when their period is over.
        assert_eq!(looks_left(&store).await, 2);
        change(&store, &[(profile(1), day(TODAY, 9_000))], true).await;
        keep_all(&store, TODAY).await;
        let rows = store
            .scan(&scope().membership_changes_of(profile(1)), ScanLimit::rows(2), Direction::Forward)
            .await
            .expect("rows");
        assert_eq!(read_change_key(&rows.rows[1].key).expect("a change").1, day(TODAY, 1_501));
    }
}

#[tokio::test]
async fn a_look_at_once_comes_often_enough_whatever_the_bits_are() {
    for seed in 0..50u64 {
        let changes = (0..5_000).map(|number| (profile(1), day(TODAY, number)));
        let wanted = changes.filter(|change| {
            let bits = (change.1.micros().cast_unsigned() ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            is_wanted_now(&looks(scope(), [*change].into_iter(), bits).collect::<Vec<_>>())
        });
        let wanted = wanted.count();
        assert!((10..=80).contains(&wanted), "{wanted} of 5,000");
    }
}

#[tokio::test]
async fn changes_go_when_their_period_is_too_old() {
    let store = MemoryStore::new();
    for back in [500, 450, 10] {
        change(&store, &[(profile(1), day(TODAY - back, 0))], false).await;
    }
    change(&store, &[(profile(2), day(TODAY - 500, 0)), (profile(3), day(TODAY, 0))], false).await;
    keep_all(&store, TODAY).await;
    assert_eq!(kept(&store, profile(1)).await, (1, true));
    assert_eq!(kept(&store, profile(2)).await, (0, true));
    assert_eq!(kept(&store, profile(3)).await, (1, false));
    assert_eq!(looks_left(&store).await, 2);
    keep_all(&store, TODAY + 420).await;
    assert_eq!(kept(&store, profile(3)).await, (0, true));
    assert_eq!(looks_left(&store).await, 0, "what was looked at is not looked at again");
}

#[tokio::test]
async fn changes_from_before_are_brought_along_and_go_as_well() {
    let store = MemoryStore::with_limits(Limits { ops: 40, ..Limits::EMBEDDED });
    assert!(!bring_along(&store, scope()).await.expect("a step"));
    assert_eq!(looks_left(&store).await, 0);
    for number in 0..100 {
        let at = day(TODAY - 900 + number, 0);
        let row = (scope().membership_change(profile(1), at, SegmentId(3)), encode_change(true));
        store.commit(Commit::new().put(row.0, row.1)).await.expect("a change");
    }
    while bring_along(&store, scope()).await.expect("a step") {}
    keep_all(&store, TODAY).await;
    assert_eq!(kept(&store, profile(1)).await, (0, true));
    assert_eq!(looks_left(&store).await, 1, "that they were brought along stays");
}

#[test]
fn no_more_looks_are_wanted_than_are_counted() {
    let changes: Vec<_> = (0..200).map(|number| (profile(number as u8 / 50), day(i64::from(number) % 40, 0))).collect();
    for chance in 0..500 {
        assert!(looks(scope(), changes.iter().copied(), chance).count() <= looks_max(changes.iter().copied()));
    }
    let once = [(profile(1), day(3, 0)); 5];
    assert_eq!(looks_max(once.into_iter()), 2);
}
