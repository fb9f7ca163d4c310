//! What a query does when time is short, and who needs no turn. What it answers is a law (`laws/queries.rs`).

use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use tessera_engine::fact::{Call, Claim, EventKind, Fact, Strength};
use tessera_engine::time::Timestamp;
use tessera_engine::value::Value;
use tessera_store::{MemoryStore, Store};

use super::events::{EventRule, EventsQuery, FoldQuery, Folding, Measure};
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
            replaces: tessera_engine::fact::Replaces::Nothing,
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

/// Orders of the people of the town, one each: of 1 to 20, those of even ones in another shop.
async fn orders(service: &Arc<Service>) {
    let order = |at: usize| {
        let shop = if at.is_multiple_of(2) { "north" } else { "south" };
        let properties = format!("{{\"total\":{at},\"shop\":\"{shop}\"}}");
        let properties = serde_json::value::RawValue::from_string(properties).expect("JSON");
        let payload = crate::payload::Payload { properties: Some(&properties), ..Default::default() };
        let call = Call { kind: EventKind::Action, name: Some("Order".into()), payload: payload.to_bytes() };
        let fact = Fact {
            id: format!("o{at}").into(),
            dataset: "shop".into(),
            batch: None,
            time: None,
            claims: vec![Claim {
                namespace: "user_id".into(),
                value: format!("u{at}").into(),
                strength: Strength::Verified,
            }],
            document: None,
            attributes: Vec::new(),
            account: None,
            call: Some(call),
            content: None,
            replaces: tessera_engine::fact::Replaces::Nothing,
        };
        Incoming { fact: Ok(fact), raw: Bytes::new(), notes: Vec::new() }
    };
    let orders = (1..=20).map(order).collect();
    service.ingest(WORKSPACE, orders, "test", KeyId::from_bytes([0; 12])).await.expect("the write is taken");
}

fn fold(filter: &str) -> FoldQuery {
    let value = |text: &str| EventRule::value(pql::parse(text).expect("a value")).expect("a value");
    FoldQuery {
        filter: Some(EventRule::condition(pql::parse(filter).expect("a condition")).expect("a condition")),
        values: vec![value("properties.shop"), value("properties.total")],
        visibility: Fields::ALL.visibility,
    }
}

#[tokio::test]
async fn events_are_brought_down_to_groups_all_of_them_or_none() {
    let (service, step) = town().await;
    orders(&service).await;
    let fresh = || Folding::new(1, vec![Measure::Count, Measure::Sum]);
    let number = |number: i64| Value::Number(number.into());
    let row = |shop: &str, count, sum| vec![Value::text(shop), number(count), number(sum)];
    let query = fold("properties.total > 2");
    let folding = service.fold_events(WORKSPACE, &query, fresh()).await.expect("an answer");
    assert!(folding.clone().rows() == [row("north", 9, 108), row("south", 9, 99)], "each order once");
    // A walk goes on where another one has ended.
    let folding = service.fold_events(WORKSPACE, &query, folding).await.expect("an answer");
    assert!(folding.rows() == [row("north", 18, 216), row("south", 18, 198)], "each order twice");
    step.store(10_000_000, Ordering::Relaxed);
    let late = service.fold_events(WORKSPACE, &query, fresh()).await.expect_err("no time is left at the first look");
    assert_eq!((late.kind, late.code), (ErrorKind::Unavailable, "query_timeout"));
    service.close().await;
}

#[tokio::test]
async fn what_is_computed_of_events_comes_with_those_that_are_shown() {
    let (service, _) = town().await;
    orders(&service).await;
    let FoldQuery { filter, values, visibility } = fold("properties.shop = \"north\"");
    let order_by = vec![(values[1].clone(), Sorting::Descending)];
    let query = EventsQuery { filter, order_by, skip: 1, top: 2, values, visibility };
    let page = service.events_where(WORKSPACE, &query).await.expect("an answer");
    let shown: Vec<_> = page.events.iter().map(|found| found.values.clone()).collect();
    let row = |total: i64| vec![Value::text("north"), Value::Number(total.into())];
    assert_eq!(page.total, 10);
    assert!(shown == [row(18), row(16)], "the second and the third");
    service.close().await;
}
