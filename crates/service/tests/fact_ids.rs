//! Ids of facts: one for each dataset, told apart by what they say, and those of before each dataset had ids of its own.

#[allow(dead_code, reason = "each test uses its part")]
mod support;

use std::sync::Arc;

use support::{WORKSPACE, by, erase, fact, ingest, key, memory, open, page, purged};
use tessera_engine::fact::Content;
use tessera_service::keys::{Family, KeyBuilder, Scope};
use tessera_service::records::rows::{self, FactsById, LaneRow};
use tessera_service::verdict::{Incoming, Verdict};
use tessera_service::{Return, Service, check};
use tessera_store::{Commit, Direction, Row, ScanLimit, Store};

fn from(dataset: &str, incoming: Incoming) -> Incoming {
    let fact = incoming.fact.map(|mut fact| {
        fact.dataset = dataset.into();
        fact
    });
    Incoming { fact, ..incoming }
}

fn says(hash: u64, incoming: Incoming) -> Incoming {
    let fact = incoming.fact.map(|mut fact| {
        fact.content = Some(Content::of_hash(hash));
        fact
    });
    Incoming { fact, ..incoming }
}

async fn all(store: &Arc<dyn Store>, family: Family) -> Vec<Row> {
    let range = Scope::new(WORKSPACE).family(family).range();
    store.scan(&range, ScanLimit::rows(1_000), Direction::Forward).await.expect("a page").rows
}

async fn lane(store: &Arc<dyn Store>) -> LaneRow {
    let rows = all(store, Family::Lane).await;
    rows::decode_lane(&rows.first().expect("a lane's row").value).expect("a row")
}

/// Puts the rows of facts where they stood before each dataset had ids of its own.
async fn set_back(store: &Arc<dyn Store>, source_is_known: bool) {
    let mut commit = Commit::new();
    for row in all(store, Family::Fact).await {
        let rest = &row.key.as_bytes()[KeyBuilder::HEAD_BYTES..];
        let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
        let old = Scope::new(WORKSPACE).family(Family::FactById).bytes(&rest[2..2 + length]).key();
        let mut fact = rows::decode_fact(&row.value).expect("a fact");
        fact.content = None;
        fact.source = fact.source.filter(|_| source_is_known);
        commit = commit.delete(row.key).put(old, rows::encode_fact(&fact));
    }
    let row = LaneRow { facts_by_id: FactsById::Some, ..lane(store).await };
    commit = commit.put(Scope::new(WORKSPACE).family(Family::Lane).key(), rows::encode_lane(&row));
    store.commit(commit).await.expect("it is written");
}

async fn sound(store: &Arc<dyn Store>) {
    let report = check::run(&**store).await.expect("a report");
    assert_eq!(report.faults, [""; 0]);
}

async fn moved(service: &Service, store: &Arc<dyn Store>) -> FactsById {
    for _ in 0..1_000 {
        service.purge_soon(WORKSPACE);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let found = lane(store).await.facts_by_id;
        if found != FactsById::Some {
            return found;
        }
    }
    panic!("rows that are brought along are there in the end");
}

fn accepted(verdicts: &[Verdict]) -> Vec<bool> {
    verdicts.iter().map(|verdict| matches!(verdict, Verdict::Accepted { .. })).collect()
}

#[tokio::test]
async fn each_dataset_has_ids_of_its_own() {
    let store = memory();
    let service = open(&store).await;
    let one = || fact("m-1", "user_id:ann plan=gold !Bought @1");
    let other = || from("public-1", fact("m-1", "user_id:eve plan=lead !Bought @2"));
    assert_eq!(accepted(&ingest(&service, vec![other(), one()]).await), [true, true]);
    assert_eq!(ingest(&service, vec![one(), other()]).await, [Verdict::Duplicate, Verdict::Duplicate]);
    assert_eq!(support::read(&service, &by("user_id", "ann")).await["plan"], "gold");

    // By its id alone nobody can tell which of the two is to be erased.
    let erase = |dataset| service.erase_event(WORKSPACE, "m-1", dataset, ("test", key()));
    let error = erase(None).await.expect_err("there are two");
    assert_eq!(error.code, "event_ambiguous");
    assert!(error.message.contains("public-1") && error.message.contains("segment"), "{error:?}");
    assert_eq!(erase(Some("crm")).await.expect_err("none of it").code, "event_not_found");
    erase(Some("public-1")).await.expect("a receipt");
    erase(None).await.expect("one is left");
    assert_eq!(accepted(&ingest(&service, vec![other(), one()]).await), [true, true]);
    sound(&store).await;
}

#[tokio::test]
async fn the_same_id_with_something_else_is_told_apart_and_the_first_stays() {
    let store = memory();
    let service = open(&store).await;
    let sent = |hash, plan: &str| says(hash, fact("m-1", &format!("user_id:ann plan={plan} !Bought @1")));
    let verdicts = ingest(&service, vec![sent(1, "gold"), sent(2, "lead"), sent(1, "gold")]).await;
    assert!(matches!(verdicts[..], [Verdict::Accepted { .. }, Verdict::Differs, Verdict::Duplicate]), "{verdicts:?}");
    assert_eq!(ingest(&service, vec![sent(2, "lead"), sent(1, "gold")]).await, [Verdict::Differs, Verdict::Duplicate]);
    // What does not say is the same as far as anybody knows.
    assert_eq!(ingest(&service, vec![fact("m-1", "user_id:ann !Bought @1")]).await, [Verdict::Duplicate]);
    assert_eq!(support::read(&service, &by("user_id", "ann")).await["plan"], "gold");
    sound(&store).await;
}

#[tokio::test]
async fn facts_of_before_are_found_and_brought_along() {
    let store = memory();
    let service = open(&store).await;
    let event = |id: &str, who: &str| fact(id, &format!("user_id:{who} plan=gold !Bought @1"));
    let record = || from("crm", fact("r-1", "user_id:ann city=Lyon"));
    let sent = || vec![event("m-1", "ann"), event("m-2", "ann"), event("m-3", "bob"), record()];
    assert_eq!(accepted(&ingest(&service, sent()).await), [true; 4]);
    service.close().await;
    set_back(&store, true).await;
    sound(&store).await;

    let service = open(&store).await;
    // They are what they were in their own dataset, and nobody's in another.
    let elsewhere = || vec![from("public-1", event("m-1", "eve")), from("public-1", record())];
    let mut both = sent();
    both.extend(elsewhere());
    let verdicts = ingest(&service, both).await;
    assert_eq!(accepted(&verdicts), [false, false, false, false, true, true]);
    let receipt = service.erase_event(WORKSPACE, "m-2", None, ("test", key())).await.expect("a receipt");
    purged(&service, receipt.id).await;
    let receipt = erase(&service, &by("user_id", "bob"), Return::Allowed).await.expect("a receipt");
    purged(&service, receipt.id).await;
    assert_eq!(moved(&service, &store).await, FactsById::None);
    assert!(all(&store, Family::FactById).await.is_empty());
    assert_eq!(all(&store, Family::Fact).await.len(), 4, "m-1, r-1, and those of elsewhere");
    sound(&store).await;
    let verdicts = ingest(&service, [sent(), elsewhere()].concat()).await;
    assert_eq!(accepted(&verdicts), [false, true, true, false, false, false]);
    let events = service.events(WORKSPACE, &by("user_id", "ann"), &page(10)).await.expect("events").events;
    assert_eq!(events.len(), 2);
    sound(&store).await;
}

#[tokio::test]
async fn facts_of_before_whose_dataset_nobody_knows_count_for_each() {
    let store = memory();
    let service = open(&store).await;
    assert_eq!(accepted(&ingest(&service, vec![fact("m-1", "user_id:ann !Bought @1")]).await), [true]);
    service.close().await;
    set_back(&store, false).await;

    let service = open(&store).await;
    let again = || vec![fact("m-1", "user_id:ann !Bought @1"), from("crm", fact("m-1", "user_id:ann"))];
    assert_eq!(ingest(&service, again()).await, [Verdict::Duplicate, Verdict::Duplicate]);
    assert_eq!(moved(&service, &store).await, FactsById::Unplaced);
    assert_eq!(all(&store, Family::FactById).await.len(), 1);
    assert_eq!(ingest(&service, again()).await, [Verdict::Duplicate, Verdict::Duplicate]);
    sound(&store).await;
    // Erased, it was never received: what comes then stands where facts stand now, and nothing where it stood.
    erase(&service, &by("user_id", "ann"), Return::Allowed).await.expect("a receipt");
    assert_eq!(accepted(&ingest(&service, vec![fact("m-1", "user_id:ann !Bought @1")]).await), [true]);
    assert!(all(&store, Family::FactById).await.is_empty());
    sound(&store).await;
}
