//! The service over a store that conflicts, leaves answers open, fills up and comes back: nothing acknowledged is lost, nothing
//! counts twice, and the end is that of a store without faults.

#[allow(dead_code, reason = "each test uses its part")]
mod support;

use std::sync::Arc;

use support::{WORKSPACE, by, fact, memory, open, page, read};
use tessera_service::directory::KeyId;
use tessera_service::verdict::{Incoming, Verdict};
use tessera_service::{Service, check};
use tessera_store::faulty::{Faulty, Plan, Rates, ReadFault, WriteFault};
use tessera_store::{Limits, MemoryStore, Store};

/// A small world in which people share devices all the time.
fn world(seed: u64, facts: usize) -> Vec<Incoming> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut draw = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    (0..facts)
        .map(|at| {
            let mut text = format!("anonymous_id:d{} @{at}", draw(8));
            if draw(2) == 0 {
                text += &format!(" user_id:u{}", draw(5));
            }
            if draw(4) == 0 {
                text += &format!(" email:m{}@shop.example", draw(5));
            }
            text += &if draw(2) == 0 { format!(" !E{}", draw(3)) } else { format!(" a{}=v{at}", draw(3)) };
            fact(&format!("m{at}"), &text)
        })
        .collect()
}

async fn send(service: &Service, facts: &[Incoming]) -> Vec<Verdict> {
    for _ in 0..1_000 {
        let sent = service.ingest(WORKSPACE, facts.to_vec(), "test", KeyId::from_bytes([0; 12])).await;
        if let Ok(verdicts) = sent {
            return verdicts;
        }
    }
    panic!("a store with some faults takes a write sooner or later");
}

/// What can be read of everybody, ids and times of change aside.
async fn everything(service: &Service) -> Vec<serde_json::Value> {
    let mut all = Vec::new();
    let people = (0..5).map(|at| by("user_id", &format!("u{at}")));
    let devices = (0..8).map(|at| by("anonymous_id", &format!("d{at}")));
    for lookup in people.chain(devices) {
        if service.profile(WORKSPACE, &lookup, tessera_service::Fields::ALL, None).await.is_err() {
            all.push(serde_json::Value::Null);
            continue;
        }
        let mut profile = read(service, &lookup).await;
        let members = profile.as_object_mut().expect("an object");
        members.retain(|name, _| name != "profile_id" && name != "_updated_at");
        let events = service.events(WORKSPACE, &lookup, &page(1_000)).await.expect("events");
        let mut ids: Vec<_> = events.events.iter().map(|event| event.message_id.to_string()).collect();
        ids.sort();
        all.push(serde_json::json!({ "profile": profile, "events": ids }));
    }
    all
}

/// Answers how many faults there were.
async fn check_same_as_without_faults(seed: u64, below: Arc<dyn Store>) -> u64 {
    let facts = world(seed, 120);
    let calm = memory();
    let expected = open(&calm).await;
    for facts in facts.chunks(7) {
        send(&expected, facts).await;
    }
    let rates = Rates {
        conflict: 60,
        ambiguous_done: 60,
        ambiguous_lost: 60,
        write_unavailable: 30,
        read_unavailable: 5,
        delay: 30,
        tear: 0,
    };
    let faulty = Faulty::new(below.clone(), Plan { seed, rates });
    let store: Arc<dyn Store> = Arc::new(faulty.clone());
    let service = open_anyhow(&store, &below).await;
    for facts in facts.chunks(7) {
        send(&service, facts).await;
    }
    service.close().await;
    let after = open(&below).await;
    assert_eq!(everything(&after).await, everything(&expected).await, "seed={seed}");
    let counts = after.counts(WORKSPACE).await.expect("counts");
    assert_eq!(counts, expected.counts(WORKSPACE).await.expect("counts"), "seed={seed}");
    let report = check::run(&*below).await.expect("a report");
    assert_eq!(report.faults, Vec::<String>::new(), "seed={seed}");
    assert_eq!(report.workspaces.get(&WORKSPACE), Some(&counts));
    faulty.injected()
}

/// Opens on the store below first, so that what opening writes is there; then on the failing one, as often as it takes.
async fn open_anyhow(store: &Arc<dyn Store>, below: &Arc<dyn Store>) -> Arc<Service> {
    open(below).await.close().await;
    for _ in 0..100 {
        let components = support::components(store.clone());
        if let Ok(service) = Service::open(components, tessera_service::Settings::default()).await {
            return service;
        }
    }
    panic!("a store with some faults lets a service open sooner or later");
}

#[tokio::test]
async fn a_store_with_faults_ends_like_one_without() {
    let mut faults = 0;
    for seed in 1..=20 {
        faults += check_same_as_without_faults(seed, memory()).await;
    }
    assert!(faults > 20, "only {faults} faults in all");
}

#[tokio::test]
async fn a_tiny_store_with_faults_ends_like_a_large_one_without() {
    // One fact fits, and so does a record of this world.
    let limits = Limits { ops: 40, bytes: 8 << 10, ..Limits::EMBEDDED };
    let mut faults = 0;
    for seed in 21..=30 {
        faults += check_same_as_without_faults(seed, Arc::new(MemoryStore::with_limits(limits))).await;
    }
    assert!(faults > 20, "only {faults} faults in all");
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_recovers() {
    let below = memory();
    let faulty = Faulty::new(below.clone(), Plan::CALM);
    let store: Arc<dyn Store> = Arc::new(faulty.clone());
    let service = open(&store).await;
    let key = KeyId::from_bytes([0; 12]);
    let write = |id: &str| service.ingest(WORKSPACE, vec![fact(id, "user_id:ann !A @1")], "test", key);
    write("1").await.expect("there is room");
    faulty.fill_disk();
    let error = write("2").await.expect_err("there is no room");
    assert_eq!((error.kind, error.code), (tessera_service::error::ErrorKind::Unavailable, "disk_full"));
    assert_eq!(service.events(WORKSPACE, &by("user_id", "ann"), &page(10)).await.expect("reads go on").events.len(), 1);
    faulty.free_disk();
    write("2").await.expect("there is room again");
    assert_eq!(service.counts(WORKSPACE).await.expect("counts").events, 2);
}

#[tokio::test]
async fn an_answer_left_open_is_looked_up() {
    for (fault, injected) in [(WriteFault::AmbiguousDone, 1), (WriteFault::AmbiguousLost, 1), (WriteFault::Conflict, 1)]
    {
        let faulty = Faulty::new(memory(), Plan::CALM);
        let store: Arc<dyn Store> = Arc::new(faulty.clone());
        let service = open(&store).await;
        faulty.script_write(Some(fault.clone()));
        let key = KeyId::from_bytes([0; 12]);
        let verdicts = service.ingest(WORKSPACE, vec![fact("1", "user_id:ann !A @1")], "test", key).await;
        assert_eq!(verdicts.expect("the lane finds out"), [Verdict::Accepted { notes: Vec::new() }], "{fault:?}");
        assert_eq!(service.counts(WORKSPACE).await.expect("counts").events, 1, "{fault:?}");
        assert_eq!(faulty.injected(), injected);
    }
}

#[tokio::test]
async fn what_a_write_without_an_answer_did_is_in_the_next_read() {
    use tessera_service::error::ErrorKind;
    let mut left_open = 0;
    // How many reads come before the look is the lane's affair; after them every one fails for a while.
    for reads in 0..12 {
        let faulty = Faulty::new(memory(), Plan::CALM);
        let store: Arc<dyn Store> = Arc::new(faulty.clone());
        let service = open(&store).await;
        let key = KeyId::from_bytes([0; 12]);
        let write = |id: &str, text: &str| service.ingest(WORKSPACE, vec![fact(id, text)], "test", key);
        write("1", "user_id:ann city=Paris @1").await.expect("a write");
        assert_eq!(read(&service, &by("user_id", "ann")).await["city"], "Paris");
        // Work in the background may commit as well.
        (0..3).for_each(|_| faulty.script_write(Some(WriteFault::AmbiguousDone)));
        (0..reads).for_each(|_| faulty.script_read(None));
        (0..4).for_each(|_| faulty.script_read(Some(ReadFault::Unavailable)));
        let written = write("2", "user_id:ann city=Lyon @2").await.map_err(|error| error.kind);
        // Whatever is left of the script.
        for _ in 0..12 {
            drop(store.get(&[tessera_store::Key::MIN]).await);
        }
        let city = match written {
            Ok(_) => "Lyon",
            Err(ErrorKind::Unknown) => {
                left_open += 1;
                "Lyon"
            }
            Err(kind) => {
                assert_eq!(kind, ErrorKind::Unavailable, "nothing was written");
                "Paris"
            }
        };
        assert_eq!(read(&service, &by("user_id", "ann")).await["city"], city, "{reads}");
    }
    assert!(left_open > 0, "neither the commit nor the look is answered");
}

#[tokio::test]
async fn a_lane_goes_on_after_a_fault() {
    let service = open(&memory()).await;
    let key = KeyId::from_bytes([0; 12]);
    let write = |id: &str| service.ingest(WORKSPACE, vec![fact(id, "user_id:ann !A @1")], "test", key);
    write("1").await.expect("a write");
    let error = service.configure(WORKSPACE, |_| panic!("a fault of ours")).await.expect_err("a fault of ours");
    assert_eq!(error.kind, tessera_service::error::ErrorKind::Internal);
    write("2").await.expect("the lane takes it");
    assert_eq!(service.counts(WORKSPACE).await.expect("counts").events, 2);
    service.close().await;
}
