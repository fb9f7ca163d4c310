//! Sources over a table in memory: what a refresh does when all goes well, and when it does not.

#[allow(dead_code, reason = "each test uses its part")]
mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use support::{START, WORKSPACE, by, erase, key, memory, read};
use tessera_connect::{
    Column, ColumnKind, Connect, Connection, Error as SourceError, ErrorKind as SourceErrorKind, Question, Row, Rows,
    Target, Value,
};
use tessera_engine::time::Timestamp;
use tessera_service::jobs::{Job, JobStatus, Wish};
use tessera_service::keys::{Family, Scope};
use tessera_service::sources::{Ask, NewConnection, Primary, Run, RunStatus, Schedule, SourceContent, source};
use tessera_service::{Components, Fields, Lookup, Return, Secrets, Service, Settings, SourceSettings};

use tessera_store::faulty::{Faulty, Plan, Rates};
use tessera_store::{Direction, ScanLimit, Store};
use tokio::sync::Semaphore;

/// A table that tests write into, and that is read in batches of a hundred rows.
#[derive(Default)]
struct Table {
    rows: BTreeMap<String, String>,
    /// After how many batches it is lost.
    lost_after: Option<usize>,
    /// What batches wait for, where they wait.
    gate: Option<Arc<Semaphore>>,
}

#[derive(Clone, Default)]
struct Tables(Arc<Mutex<Table>>);

impl Tables {
    fn change(&self, change: impl FnOnce(&mut Table)) {
        change(&mut self.0.lock().expect("no test panics with it"));
    }

    fn fill(&self, count: usize) {
        self.change(|table| table.rows.extend((0..count).map(|at| (format!("u{at:05}"), "Lyon".to_owned()))));
    }
}

struct Reading {
    columns: Vec<Column>,
    batches: std::vec::IntoIter<Vec<Row>>,
    left: Option<usize>,
    gate: Option<Arc<Semaphore>>,
}

#[async_trait]
impl Rows for Reading {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    async fn next(&mut self) -> Result<Option<Vec<Row>>, SourceError> {
        if let Some(gate) = &self.gate {
            gate.acquire().await.expect("the gate is never closed").forget();
        }
        match &mut self.left {
            Some(0) => Err(SourceError {
                kind: SourceErrorKind::Unreachable,
                code: "source_lost",
                message: "as the test wants it".into(),
            }),
            Some(left) => {
                *left -= 1;
                Ok(self.batches.next())
            }
            None => Ok(self.batches.next()),
        }
    }
}

#[async_trait]
impl Connect for Tables {
    async fn open(&self, _: &Connection, _: &Question) -> Result<Box<dyn Rows>, SourceError> {
        let table = self.0.lock().expect("no test panics with it");
        let column = |name: &str| Column { name: name.into(), kind: ColumnKind::Text, source_type: "text".into() };
        let rows: Vec<Row> =
            table.rows.iter().map(|(id, city)| vec![Value::Text(id.clone()), Value::Text(city.clone())]).collect();
        let batches: Vec<Vec<Row>> = rows.chunks(100).map(<[Row]>::to_vec).collect();
        Ok(Box::new(Reading {
            columns: vec![column("id"), column("city")],
            batches: batches.into_iter(),
            left: table.lost_after,
            gate: table.gate.clone(),
        }))
    }

    async fn target(&self, _: &Connection, _: &str) -> Result<Box<dyn Target>, SourceError> {
        let message = "a table in memory takes no files".to_owned();
        Err(SourceError { kind: SourceErrorKind::Invalid, code: "connection_not_of_files", message })
    }

    async fn table(&self, _: &Connection, _: &str) -> Result<Box<dyn tessera_connect::Table>, SourceError> {
        let message = "a table in memory is read alone".to_owned();
        Err(SourceError { kind: SourceErrorKind::Invalid, code: "connection_not_of_tables", message })
    }

    async fn changes(
        &self,
        _: &Connection,
        _: &tessera_connect::Followed,
    ) -> Result<Box<dyn tessera_connect::Changes>, SourceError> {
        let message = "a table in memory is not followed".to_owned();
        Err(SourceError { kind: SourceErrorKind::Invalid, code: "source_changes_unsupported", message })
    }

    async fn test(&self, _: &Connection) -> Result<Vec<String>, SourceError> {
        Ok(vec!["people".into()])
    }
}

/// A service over a table, with a clock that the test moves.
struct World {
    service: Arc<Service>,
    tables: Tables,
    clock: Arc<AtomicI64>,
}

impl World {
    async fn open(store: &Arc<dyn Store>) -> Self {
        let world = Self::over(store, Tables::default(), Arc::new(AtomicI64::new(START))).await;
        world.service.directory().ensure_bootstrap("operator-secret").await.expect("a key");
        let files = NewConnection::Files { url: "file:///nowhere".into(), options: BTreeMap::new(), ca: None };
        world.service.put_connection(WORKSPACE, "memory", files).await.expect("a connection");
        world
    }

    /// A service over what is there; a store that fails now and then is asked until it does not.
    async fn over(store: &Arc<dyn Store>, tables: Tables, clock: Arc<AtomicI64>) -> Self {
        let sources = SourceSettings { connectors: Arc::new(tables.clone()), secrets: Secrets::default() };
        loop {
            let own = clock.clone();
            let components = Components {
                clock: Arc::new(move || {
                    Timestamp::from_micros(own.fetch_add(1_000, Ordering::Relaxed))
                        .expect("the test clock is in bounds")
                }),
                ..support::components(store.clone())
            };
            let settings = Settings { sources: sources.clone(), ..Settings::default() };
            if let Ok(service) = Service::open(components, settings).await {
                return Self { service, tables, clock };
            }
        }
    }

    async fn put(&self, schedule: Option<Schedule>) {
        let content = SourceContent {
            connection: "memory".into(),
            ask: Ask::Table("people".into()),
            event: None,
            primary: Primary { column: "id".into(), namespace: "user_id".into() },
            identifiers: BTreeMap::new(),
            audiences: Vec::new(),
            attributes: None,
            types: BTreeMap::new(),
            schedule,
            evict_max_share: 0.2,
            changes: None,
        };
        self.service.put_source(WORKSPACE, "people", content).await.expect("a source");
    }

    async fn ask(&self) -> Job {
        self.service.refresh_source(WORKSPACE, "people", (None, false), key()).await.expect("a job")
    }

    async fn ended(&self, job: &Job) -> Run {
        let mut watch = self.service.jobs().watch(WORKSPACE, job.id).await.expect("a job");
        while watch.next().await.is_some() {}
        self.runs().await.into_iter().find(|run| run.id == *job.id.as_bytes()).expect("a refresh in the history")
    }

    async fn refresh(&self) -> Run {
        self.ended(&self.ask().await).await
    }

    async fn runs(&self) -> Vec<Run> {
        let config = self.service.configuration(WORKSPACE).await.expect("a configuration");
        let own = source(&config, "people").expect("the source");
        self.service.source_state(WORKSPACE, "people", &own).await.expect("its state").runs
    }

    async fn is_there(&self, lookup: &Lookup) -> bool {
        self.service.profile(WORKSPACE, lookup, Fields::ALL, None).await.is_ok()
    }

    async fn stored(&self) -> usize {
        let range = Scope::new(WORKSPACE).family(Family::Source).range();
        self.service
            .store()
            .scan(&range, ScanLimit::rows(100_000), Direction::Forward)
            .await
            .expect("a page")
            .rows
            .len()
    }
}

fn counts(run: &Run) -> [u64; 5] {
    let own = run.counts;
    [own.read, own.changed, own.unchanged, own.evicted, own.refused]
}

fn code(run: &Run) -> Option<&str> {
    run.error.as_ref().map(|(code, _)| &**code)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_lost_half_way_evicts_nobody() {
    let world = World::open(&memory()).await;
    world.tables.fill(1_000);
    world.put(None).await;
    assert_eq!(counts(&world.refresh().await), [1_000, 1_000, 0, 0, 0]);
    world.tables.change(|table| {
        table.rows.retain(|id, _| id != "u00000" && id != "u00999");
        table.rows.insert("u00001".into(), "Paris".into());
        table.lost_after = Some(3);
    });
    let run = world.refresh().await;
    assert_eq!((run.status, code(&run), counts(&run)), (RunStatus::Failed, Some("source_lost"), [300, 1, 299, 0, 0]));
    assert!(world.is_there(&by("user_id", "u00000")).await);
    assert_eq!(read(&world.service, &by("user_id", "u00001")).await["city"], "Paris", "what was written stays");
    world.tables.change(|table| table.lost_after = None);
    let run = world.refresh().await;
    assert_eq!((run.status, counts(&run)), (RunStatus::Done, [998, 0, 998, 2, 0]));
    assert!(!world.is_there(&by("user_id", "u00000")).await && !world.is_there(&by("user_id", "u00999")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn refreshes_do_not_overlap_and_can_be_cancelled() {
    let world = World::open(&memory()).await;
    world.tables.fill(500);
    let gate = Arc::new(Semaphore::new(1));
    world.tables.change(|table| table.gate = Some(gate.clone()));
    world.put(None).await;
    let job = world.ask().await;
    let again = async |how| world.service.refresh_source(WORKSPACE, "people", how, key()).await;
    // One that waits reads what is there when it begins: whoever asks for the same is answered that one.
    match again((None, false)).await {
        Ok(other) => assert_eq!(other.id, job.id),
        Err(error) => assert_eq!(error.code, "source_refreshing"),
    }
    assert_eq!(again((None, true)).await.expect_err("another one").code, "source_refreshing");
    let mut watch = world.service.jobs().watch(WORKSPACE, job.id).await.expect("a job");
    while let Some(job) = watch.next().await {
        if job.progress.done == 100 {
            break;
        }
    }
    let refused = again((None, false)).await.expect_err("one that has begun may have read what has changed since");
    assert!(refused.code == "source_refreshing" && refused.message.contains(&job.id.to_string()), "{refused:?}");
    world.service.jobs().steer(WORKSPACE, job.id, Wish::Cancel).await.expect("it is told");
    gate.add_permits(100);
    let run = world.ended(&job).await;
    assert_eq!(world.service.jobs().get(WORKSPACE, job.id).await.expect("a job").status(), JobStatus::Cancelled);
    assert_eq!(run.status, RunStatus::Cancelled);
    world.tables.change(|table| table.gate = None);
    let run = world.refresh().await;
    assert_eq!(run.counts.read, 500);
    assert!(run.counts.unchanged >= 100, "what was written is not written again: {:?}", run.counts);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_refreshed_by_its_schedule() {
    let world = World::open(&memory()).await;
    world.tables.fill(10);
    world.put(Some(Schedule::Every("5m".into()))).await;
    let runs = async |count: usize| {
        loop {
            let runs = world.runs().await;
            if runs.len() >= count && runs[0].status == RunStatus::Done {
                return runs;
            }
            tokio::task::yield_now().await;
        }
    };
    runs(1).await;
    world.clock.fetch_add(4 * 60_000_000, Ordering::Relaxed);
    world.put(Some(Schedule::Every("5m".into()))).await;
    assert_eq!(world.runs().await.len(), 1, "it is not due yet");
    world.clock.fetch_add(2 * 60_000_000, Ordering::Relaxed);
    // Whoever sets a source has the schedules looked at.
    world.put(Some(Schedule::Every("5m".into()))).await;
    let runs = runs(2).await;
    assert_eq!(counts(&runs[0]), [10, 0, 10, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_of_a_source_goes_with_it() {
    let world = World::open(&memory()).await;
    world.tables.fill(2_500);
    world.put(None).await;
    world.refresh().await;
    assert_eq!(world.stored().await, 2_502, "the rows, what is known of it, one refresh");
    world.service.delete_source(WORKSPACE, "people").await.expect("it is there");
    while world.stored().await > 0 {
        tokio::task::yield_now().await;
    }
    assert!(world.is_there(&by("user_id", "u00007")).await, "what it said stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_erased_comes_back_by_a_full_refresh_unless_suppressed() {
    let world = World::open(&memory()).await;
    world.tables.fill(3);
    world.put(None).await;
    world.refresh().await;
    erase(&world.service, &by("user_id", "u00001"), Return::Allowed).await.expect("a receipt");
    erase(&world.service, &by("user_id", "u00002"), Return::Refused).await.expect("a receipt");
    assert_eq!(counts(&world.refresh().await), [3, 0, 3, 0, 0], "a row that says what it said is not written");
    assert!(!world.is_there(&by("user_id", "u00001")).await);
    let job = world.service.refresh_source(WORKSPACE, "people", (None, true), key()).await.expect("a job");
    let run = world.ended(&job).await;
    assert_eq!(counts(&run), [3, 2, 0, 0, 1]);
    assert_eq!(run.verdicts[0].code, "identity_suppressed");
    assert!(world.is_there(&by("user_id", "u00001")).await && !world.is_there(&by("user_id", "u00002")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_now_and_then_ends_up_true() {
    for seed in 1..=4 {
        let below = memory();
        let calm = World::open(&below).await;
        calm.tables.fill(400);
        calm.put(None).await;
        calm.refresh().await;
        calm.service.close().await;
        let rates = Rates {
            conflict: 40,
            ambiguous_done: 40,
            ambiguous_lost: 40,
            write_unavailable: 20,
            read_unavailable: 5,
            delay: 20,
            tear: 0,
        };
        let store: Arc<dyn Store> = Arc::new(Faulty::new(below.clone(), Plan { seed, rates }));
        calm.tables.change(|table| {
            table.rows.retain(|id, _| !id.ends_with('7'));
            table.rows.iter_mut().filter(|(id, _)| id.ends_with('1')).for_each(|(_, city)| *city = "Paris".into());
            table.rows.insert("u99999".into(), "Nice".into());
        });
        let world = World::over(&store, calm.tables.clone(), calm.clock.clone()).await;
        for _ in 0..50 {
            // What fails for want of the store is asked for again.
            let asked = world.service.refresh_source(WORKSPACE, "people", (None, false), key()).await;
            let Ok(job) = asked else { continue };
            let mut watch = loop {
                if let Ok(watch) = world.service.jobs().watch(WORKSPACE, job.id).await {
                    break watch;
                }
            };
            let mut last = None;
            while let Some(job) = watch.next().await {
                last = Some(job.status());
            }
            if last == Some(JobStatus::Done) {
                break;
            }
        }
        world.service.close().await;
        let end = World::over(&below, calm.tables.clone(), calm.clock.clone()).await;
        assert_eq!(end.runs().await[0].status, RunStatus::Done, "seed {seed}");
        for at in 0..400 {
            let (id, lookup) = (format!("u{at:05}"), by("user_id", &format!("u{at:05}")));
            let expected = end.tables.0.lock().expect("no test panics with it").rows.get(&id).cloned();
            match expected {
                None => assert!(!end.is_there(&lookup).await, "{id} is no more, seed {seed}"),
                Some(city) => assert_eq!(read(&end.service, &lookup).await["city"], city, "{id}, seed {seed}"),
            }
        }
        assert_eq!(read(&end.service, &by("user_id", "u99999")).await["city"], "Nice");
        assert_eq!(counts(&end.refresh().await), [361, 0, 361, 0, 0], "seed {seed}");
    }
}
