//! The clock leaps: what is due is found at once, in one pass, and nothing stops when it goes back.

use super::*;
use crate::jobs::{Listed, Query as JobsQuery};

const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

impl World {
    /// Lets the tasks of the service run until something is so. Nothing here waits for time to pass.
    async fn until(&self, what: &str, mut is_so: impl AsyncFnMut(&World) -> bool) {
        for _ in 0..20_000 {
            if is_so(self).await {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{what} did not come about");
    }

    async fn backfills(&self) -> usize {
        let query = JobsQuery { limit: 1_000, ..JobsQuery::default() };
        let jobs = self.service.jobs().list(WORKSPACE, &query).await.expect("jobs").jobs;
        jobs.iter().filter_map(Listed::job).filter(|job| &*job.kind == "backfill").count()
    }
}

async fn with_people(texts: &[&str]) -> World {
    let world = World::new(Limits::EMBEDDED).await;
    world.put_segments(texts.iter().map(|text| (*text).to_owned())).await;
    let at = Timestamp::from_micros(world.clock.load(Ordering::SeqCst));
    let people = (0..20).map(|at| fact(&format!("f{at}"), &[("user_id", &format!("u{at}"))], "T"));
    world.accept(people.map(|fact| Fact { time: at, ..fact }).collect()).await;
    world.until("everybody is a member", async |world| world.members("s0").await == 20).await;
    // Whoever waits sleeps now.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    world
}

#[tokio::test]
async fn after_weeks_asleep_all_that_is_due_is_found_at_once_and_in_one_pass() {
    let window = "xEvent[eventType = \"T\" and timestamp occurs <= 2 hours before now].count() >= 1";
    let today = "xEvent[eventType = \"T\" and timestamp occurs today].count() >= 1";
    let world = with_people(&[window, today]).await;
    let before = world.backfills().await;
    world.pass(20 * DAY);
    world.service.look_at_clock();
    world.until("timers are looked at", async |world| world.members("s0").await == 0).await;
    world.until("the calendar rolls over", async |world| world.members("s1").await == 0).await;
    world.end_jobs().await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.backfills().await, before + 1, "twenty days are one rollover");
    world.service.close().await;
    world.check().await;
}

#[tokio::test]
async fn turns_that_are_too_old_by_then_go_at_once() {
    let window = "xEvent[eventType = \"T\" and timestamp occurs <= 2 hours before now].count() >= 1";
    let world = with_people(&[window]).await;
    let lookup = Lookup::Identity { namespace: "user_id".into(), value: "u3".into() };
    let head = {
        let config = world.service.configured(WORKSPACE).await.expect("a configuration").config.clone();
        let found = world.service.finder(WORKSPACE, &config).find(&lookup).await.expect("a profile");
        found.cluster.profile_id(found.node).expect("a head")
    };
    let rows = async |world: &World| {
        let range = crate::stored::keys::Scope::new(WORKSPACE).membership_changes_of(head);
        let page = world.store.scan(&range, tessera_store::ScanLimit::rows(100), tessera_store::Direction::Forward);
        page.await.expect("rows").rows.len()
    };
    world.until("a change is kept", async |world| rows(world).await == 1).await;
    world.pass(450 * DAY);
    world.service.look_at_clock();
    // That it came goes; that it left, two hours later, goes too; that something went stays.
    world
        .until("old changes go", async |world| {
            rows(world).await == 1 && world.members("s0").await == 0 && looks(world).await == 0
        })
        .await;
    world.service.close().await;
    world.check().await;
}

async fn looks(world: &World) -> usize {
    let now = Timestamp::from_micros(world.clock.load(Ordering::SeqCst)).expect("an instant");
    let scope = crate::stored::keys::Scope::new(WORKSPACE);
    let due = scope.looks_at_changes(i32::try_from(now.micros() / DAY - 400).expect("a day"));
    let page = world.store.scan(&due, tessera_store::ScanLimit::rows(100), tessera_store::Direction::Forward).await;
    page.expect("rows").rows.len()
}

#[tokio::test]
async fn a_clock_that_goes_back_stops_nothing() {
    let window = "xEvent[eventType = \"T\" and timestamp occurs <= 2 hours before now].count() >= 1";
    let world = with_people(&[window]).await;
    world.pass(-300 * DAY);
    world.service.look_at_clock();
    world.accept(vec![fact("back", &[("user_id", "u0")], "U")]).await;
    assert!(world.exists("user_id", "u0").await);
    assert_eq!(world.members("s0").await, 20);
    // What was told of the instants before goes on from where they were.
    world.pass(300 * DAY + 3 * HOUR);
    world.service.look_at_clock();
    world.until("timers are looked at", async |world| world.members("s0").await == 0).await;
    world.service.close().await;
    world.check().await;
}
