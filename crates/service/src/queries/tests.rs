//! What a query does when time is short, and who needs no turn. What it answers is a law (`laws/queries.rs`).

use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use tessera_engine::fact::{Claim, Fact, Strength};
use tessera_engine::time::Timestamp;
use tessera_engine::value::Value;
use tessera_store::{MemoryStore, Store};

use super::*;
use crate::base::components::Components;
use crate::base::ids::KeyId;
use crate::base::settings::Settings;
use crate::base::verdict::Incoming;

const WORKSPACE: WorkspaceId = WorkspaceId::new(1);

/// A service with some people, and by how much its clock goes on with each look at it.
async fn town() -> (Arc<Service>, Arc<AtomicI64>) {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (clock, step) = (AtomicI64::new(1_700_000_000_000_000), Arc::new(AtomicI64::new(1)));
    let own = step.clone();
    let components = Components {
        tasks: tokio::runtime::Handle::current(),
        store,
        clock: Arc::new(move || {
            let now = clock.fetch_add(own.load(Ordering::Relaxed), Ordering::Relaxed);
            Timestamp::from_micros(now).expect("within bounds")
        }),
        random: Arc::new(|bytes| bytes.fill(7)),
    };
    let service = Service::open(components, Settings::default()).await.expect("the service opens");
    let person = |at: usize| {
        let fact = Fact {
            id: format!("f{at}").into(),
            dataset: "crm".into(),
            batch: None,
            time: None,
            claims: vec![Claim {
                namespace: "user_id".into(),
                value: format!("u{at}").into(),
                strength: Strength::Verified,
            }],
            document: None,
            attributes: vec![(Path::parse("city").expect("a path"), Value::text("Lyon"))],
            account: None,
            call: None,
            content: None,
        };
        Incoming { fact: Ok(fact), raw: Bytes::new(), notes: Vec::new() }
    };
    let people = (0..20).map(person).collect();
    service.ingest(WORKSPACE, people, "test", KeyId::from_bytes([0; 12])).await.expect("the write is taken");
    (service, step)
}

fn query(filter: &str) -> ProfileQuery {
    let rule = Rule::compile(pql::parse(filter).expect("a condition"), Purpose::Condition).expect("a condition");
    ProfileQuery {
        filter: Some(Arc::new(rule)),
        zone: Zone::utc(),
        of: Kind::Person,
        order_by: Vec::new(),
        skip: 0,
        top: 7,
        cursor: None,
        fields: Fields::ALL,
        policy: None,
        count: true,
    }
}

#[tokio::test]
async fn what_takes_too_long_has_no_answer_rather_than_a_part_of_one() {
    let (service, step) = town().await;
    let (everybody, named) = (query("city = \"Lyon\""), query("user_id = \"u7\""));
    let page = service.profiles_where(WORKSPACE, &everybody).await.expect("there is time");
    assert_eq!((page.profiles.len(), page.total, page.next_cursor.is_some()), (7, Some(20), true));
    step.store(10_000_000, Ordering::Relaxed);
    let late = service.profiles_where(WORKSPACE, &everybody).await.expect_err("no time is left at the first look");
    assert_eq!((late.kind, late.code), (ErrorKind::Unavailable, "query_timeout"));
    step.store(1, Ordering::Relaxed);
    assert_eq!(service.profiles_where(WORKSPACE, &everybody).await.expect("it is the next turn").total, Some(20));
    assert_eq!(service.profiles_where(WORKSPACE, &named).await.expect("an answer").total, Some(1));
    service.close().await;
}

#[tokio::test]
async fn whoever_is_named_is_found_while_another_query_looks_at_everybody() {
    let (service, _) = town().await;
    let turn = service.scans().wait(WORKSPACE).await.expect("nobody else asks");
    let named = query("city = \"Lyon\" and user_id in [\"u3\", \"u7\", \"nobody\"]");
    let page = service.profiles_where(WORKSPACE, &named).await.expect("it needs no turn");
    assert_eq!((page.profiles.len(), page.total), (2, Some(2)));
    drop(turn);
    service.close().await;
}

#[tokio::test]
async fn a_query_may_show_nobody_and_count_all() {
    let (service, _) = town().await;
    let page = service.profiles_where(WORKSPACE, &ProfileQuery { top: 0, ..query("city = \"Lyon\"") }).await;
    let page = page.expect("an answer");
    assert_eq!((page.profiles.len(), page.total, page.next_cursor), (0, Some(20), None));
    service.close().await;
}
