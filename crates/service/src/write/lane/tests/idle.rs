//! Workspaces that nobody uses end, and begin again with nothing lost.

use tessera_engine::value::Value;

use super::*;
use crate::read::query::EventQuery;
use crate::work::service::{Idle, Running};

const IDLE_SECS: u32 = 5;
const IDLE: i64 = IDLE_SECS as i64 * SECOND;

impl World {
    async fn with(settings: Settings) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let clock = Arc::new(AtomicI64::new(START));
        let service = open_with(&store, &clock, settings).await;
        service.directory().ensure_bootstrap("operator-secret").await.expect("a key");
        Self { store, service, clock }
    }

    async fn idle() -> Self {
        Self::with(Settings { lane_idle_secs: IDLE_SECS, ..Settings::default() }).await
    }

    fn runs(&self) -> Option<Arc<Running>> {
        self.service.workspaces().all().into_iter().find(|running| running.shared.workspace == WORKSPACE)
    }

    /// Has the keepers look, until the workspace has ended.
    async fn end(&self) {
        while let Some(running) = self.runs() {
            running.keeper.nudge();
            drop(running);
            tokio::task::yield_now().await;
        }
    }

    /// Has the keepers look so often that whatever may end has ended.
    async fn look(&self) {
        for _ in 0..1_000 {
            self.service.workspaces().all().iter().for_each(|running| running.keeper.nudge());
            tokio::task::yield_now().await;
        }
    }
}

fn seen(number: usize) -> Fact {
    fact(&format!("m{number}"), &[("user_id", "ann")], "Seen")
}

#[tokio::test]
async fn who_is_not_used_gives_back_what_it_holds_and_begins_again_with_nothing_lost() {
    let world = World::idle().await;
    world.accept(vec![seen(0)]).await;
    assert!(world.service.memories().used() > 0, "its lane remembers what it wrote");
    world.pass(IDLE - SECOND);
    world.look().await;
    let weak = Arc::downgrade(&world.runs().expect("it was used a moment ago").shared);
    world.pass(SECOND);
    world.end().await;
    while weak.strong_count() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.service.memories().used(), 0, "neither tasks nor memory are left");
    // What was seen of events and attributes was written first.
    let events: Vec<_> = world.service.learned(WORKSPACE).await.expect("a summary").seen.into_keys().collect();
    assert_eq!(events, [crate::config::learned::Subject::Event("Seen".into())]);
    world.pass(IDLE);
    world.end().await;
    let verdicts = world.ingest(vec![seen(0), seen(1)]).await.expect("verdicts");
    assert!(matches!(verdicts[..], [Verdict::Duplicate, Verdict::Accepted { .. }]), "{verdicts:?}");
    world.check().await;
}

/// Between the look at whether anybody uses it and the end somebody comes, and goes again or stays: it does not end.
#[tokio::test]
async fn a_lane_does_not_end_on_an_old_look() {
    let world = World::idle().await;
    world.accept(vec![seen(0)]).await;
    world.pass(2 * IDLE);
    let shared = world.runs().expect("it runs").shared.clone();
    let workspaces = world.service.workspaces();
    let comes_and_goes = async || {
        world.accept(vec![seen(1)]).await;
        Ok::<_, Error>(Some(Timestamp::MAX))
    };
    assert_eq!(workspaces.end_idle(WORKSPACE, &shared, comes_and_goes).await.expect("a look"), Idle::Not(None));
    world.pass(2 * IDLE);
    let mut used = None;
    let comes_and_stays = async || {
        used = Some(world.service.running(WORKSPACE));
        Ok::<_, Error>(Some(Timestamp::MAX))
    };
    assert_eq!(workspaces.end_idle(WORKSPACE, &shared, comes_and_stays).await.expect("a look"), Idle::Not(None));
    world.pass(2 * IDLE);
    let nobody_asks = async || -> Result<Option<Timestamp>, Error> { panic!("somebody is inside") };
    assert_eq!(workspaces.end_idle(WORKSPACE, &shared, nobody_asks).await.expect("a look"), Idle::Not(None));
    // What is submitted is inside as well, though nobody waits for it any more.
    let used = used.expect("somebody stayed");
    let mut leaves = Box::pin(used.lane.submit(crate::write::lane::Work::Purge));
    assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(leaves.as_mut().poll(cx).is_pending())).await);
    drop(leaves);
    assert!(used.lane.gate().empty().is_none());
    let gate = used.lane.gate().clone();
    drop(used);
    assert!(gate.empty().is_none(), "it is submitted and not answered");
    while gate.empty().is_none() {
        tokio::task::yield_now().await;
    }
    let nothing_is_due = async || Ok::<_, Error>(Some(Timestamp::MAX));
    assert_eq!(workspaces.end_idle(WORKSPACE, &shared, nothing_is_due).await.expect("a look"), Idle::Ended);
    assert!(world.runs().is_none());
    world.accept(vec![seen(2)]).await;
    world.check().await;
}

/// Each round a lane is about to end when writes come.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_write_that_comes_while_a_lane_ends_is_neither_refused_nor_doubled() {
    const ROUNDS: usize = 300;
    const WRITERS: usize = 3;
    let world = Arc::new(World::idle().await);
    // Each is held weakly: what is held so leaves its place in memory to no other.
    let mut begun = std::collections::BTreeMap::new();
    for round in 0..ROUNDS {
        world.pass(2 * IDLE);
        let ends = world.clone();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            if let Some(running) = ends.runs() {
                running.keeper.nudge();
            }
        });
        for writer in 0..WRITERS {
            let world = world.clone();
            tasks.spawn(async move {
                for _ in 0..round % 7 {
                    tokio::task::yield_now().await;
                }
                world.accept(vec![seen(round * WRITERS + writer)]).await;
            });
        }
        tasks.join_all().await;
        let since = world.runs().map(|own| (Arc::as_ptr(&own.shared) as usize, Arc::downgrade(&own.shared)));
        begun.extend(since);
    }
    assert!(begun.len() > 1, "no lane has ended under a write");
    let lookup = Lookup::Identity { namespace: "user_id".into(), value: "ann".into() };
    let query = EventQuery { limit: 1_000, ..EventQuery::default() };
    let page = world.service.events(WORKSPACE, &lookup, &query).await.expect("a page");
    assert_eq!(page.events.len(), ROUNDS * WRITERS);
    world.check().await;
}

/// Beyond what all may hold together, whoever was not used for longest ends though it is not idle yet.
#[tokio::test]
async fn who_was_not_used_for_longest_ends_first_where_all_hold_too_much() {
    let one = World::idle().await;
    one.accept(vec![seen(0)]).await;
    let room_for_two = 5 * one.service.weights().held() / 2;
    let world = World::with(Settings { workspace_bytes: room_for_two, ..Settings::default() }).await;
    let touch = async |number: u32| {
        world.pass(SECOND);
        let workspace = WorkspaceId::new(number);
        let incoming = Incoming { fact: Ok(seen(0)), raw: Bytes::from_static(b"{}"), notes: Vec::new() };
        let verdicts = world.service.ingest(workspace, vec![incoming], "test", KEY).await.expect("a verdict");
        assert!(matches!(verdicts[..], [Verdict::Accepted { .. } | Verdict::Duplicate]), "{verdicts:?}");
    };
    let running = || {
        let mut running: Vec<u32> =
            world.service.workspaces().all().iter().map(|own| own.shared.workspace.number()).collect();
        running.sort_unstable();
        running
    };
    for number in [1, 2, 1, 3] {
        touch(number).await;
    }
    while running() != [1, 3] {
        tokio::task::yield_now().await;
    }
    for number in 1..=20 {
        touch(number).await;
    }
    while running() != [19, 20] {
        world.service.workspaces().all().iter().for_each(|own| own.keeper.nudge());
        tokio::task::yield_now().await;
    }
    touch(2).await;
    world.check().await;
}

/// Somebody leaves a window while the workspace does not run: it begins for that by itself, and ends again.
#[tokio::test]
async fn what_is_due_by_itself_begins_a_workspace() {
    let world = World::idle().await;
    world
        .put_segments([
            "xEvent[eventType = \"Seen\" and timestamp occurs <= 30 days before now].count() >= 1".to_owned()
        ])
        .await;
    world.accept(vec![seen(0)]).await;
    world.run_timers().await;
    assert_eq!(world.members("s0").await, 1);
    world.pass(2 * IDLE);
    world.end().await;
    // Nothing is due yet: it begins to be kept, and ends again.
    world.pass(3_600 * SECOND);
    world.service.waker().nudge();
    while world.runs().is_none() {
        tokio::task::yield_now().await;
    }
    world.end().await;
    world.pass(31 * 86_400 * SECOND);
    world.service.waker().nudge();
    while crate::stored::row::read(&*world.store, crate::stored::keys::Scope::new(WORKSPACE).lane())
        .await
        .expect("a row")
        .is_some_and(|row| {
            crate::stored::records::rows::decode_lane(&row.value).expect("a row").clock.micros()
                < START + 30 * 86_400 * SECOND
        })
    {
        tokio::task::yield_now().await;
    }
    world.end().await;
    assert_eq!(world.members("s0").await, 0);
}

/// Of many writes at one time those that there is no room for are told to come again, and do. The service's own work is not held up.
#[tokio::test]
async fn what_there_is_no_room_for_is_refused_at_once_and_comes_again() {
    let world = World::with(Settings { queue_bytes: 64 << 10, ..Settings::default() }).await;
    world.accept(vec![seen(0)]).await;
    let mut waiting: Vec<usize> = (1..201).collect();
    let (mut refused, mut rounds) = (0, 0);
    while !waiting.is_empty() {
        let large = |number: usize| {
            let path = tessera_engine::value::Path::parse("notes").expect("a path");
            Fact { attributes: vec![(path, Value::text(&"x".repeat(1_000)))], ..seen(number) }
        };
        let writes = waiting.iter().map(|number| world.ingest(vec![large(*number)]));
        let own = async { world.run_timers().await };
        let (outcomes, ()) = tokio::join!(all(writes), own);
        let mut again = Vec::new();
        for (number, outcome) in waiting.into_iter().zip(outcomes) {
            match outcome {
                Ok(verdicts) => assert!(matches!(verdicts[..], [Verdict::Accepted { .. }]), "{verdicts:?}"),
                Err(error) => {
                    assert_eq!((error.code, error.retry_after_secs), ("queue_full", Some(1)));
                    again.push(number);
                }
            }
        }
        refused += again.len();
        (waiting, rounds) = (again, rounds + 1);
    }
    assert!(refused > 100 && rounds > 2, "{refused} were refused in {rounds} rounds");
    world.check().await;
}

/// All of these, side by side.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        for (future, output) in futures.iter_mut().filter(|(_, output)| output.is_none()) {
            if let std::task::Poll::Ready(done) = future.as_mut().poll(cx) {
                *output = Some(done);
            }
        }
        match futures.iter().all(|(_, output)| output.is_some()) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    futures.into_iter().filter_map(|(_, output)| output).collect()
}
