//! A walk gives everybody once, as they were when it began, but for who was erased since; and it ends in time.

use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use tessera_engine::fact::{Call, Claim, EventKind, Fact, Strength};
use tessera_engine::value::{Path, Value};
use tessera_engine::view::Relevance;
use tessera_store::{MemoryStore, Store};

use super::*;
use crate::base::components::Components;
use crate::base::ids::KeyId;
use crate::base::settings::Settings;
use crate::base::verdict::Incoming;
use crate::read::query::Lookup;
use crate::{Extent, Return};

const WORKSPACE: WorkspaceId = WorkspaceId::new(1);
const BEGAN: i64 = 1_700_000_000_000_000;
const PEOPLE: usize = 450;

fn query() -> DocumentQuery {
    let visibility = Flags { internal: true, private: true };
    DocumentQuery { visibility, relevance: Relevance::Any, values: Arc::from([]) }
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).expect("within bounds")
}

/// A service whose clock is moved by hand.
async fn town() -> (Arc<Service>, Arc<AtomicI64>) {
    let clock = Arc::new(AtomicI64::new(BEGAN));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (own, draws) = (clock.clone(), AtomicI64::new(0));
    let components = Components {
        tasks: tokio::runtime::Handle::current(),
        store,
        clock: Arc::new(move || at(own.load(Ordering::Relaxed))),
        random: Arc::new(move |bytes| {
            let draw = draws.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            bytes.iter_mut().zip(draw.iter().rev().cycle()).for_each(|(byte, own)| *byte = *own);
        }),
    };
    let service = Service::open(components, Settings::default()).await.expect("the service opens");
    let people = (0..PEOPLE).flat_map(|own| [said(own, None), said(own, Some(BEGAN - 10)), said(own, Some(BEGAN - 5))]);
    write(&service, people.collect()).await;
    (service, clock)
}

fn said(person: usize, event: Option<i64>) -> Incoming {
    let call =
        event.map(|_| Call { kind: EventKind::Action, name: Some("seen".into()), payload: Bytes::from_static(b"{}") });
    let attributes = vec![(Path::parse("city").expect("a path"), Value::text("Lyon"))];
    let fact = Fact {
        id: format!("{person}-{event:?}").into(),
        dataset: "crm".into(),
        batch: None,
        time: event.map(at),
        claims: vec![Claim {
            namespace: "user_id".into(),
            value: format!("u{person}").into(),
            strength: Strength::Verified,
        }],
        document: None,
        attributes: if event.is_some() { Vec::new() } else { attributes },
        account: None,
        call,
        content: None,
        replaces: tessera_engine::fact::Replaces::Nothing,
    };
    Incoming { fact: Ok(fact), raw: Bytes::new(), notes: Vec::new() }
}

async fn write(service: &Arc<Service>, facts: Vec<Incoming>) {
    service.ingest(WORKSPACE, facts, "test", KeyId::from_bytes([0; 12])).await.expect("the write is taken");
}

async fn names(walk: &mut ProfileWalk) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(profile) = walk.next().await.expect("a profile") {
        names.push(profile.shown[0].value.to_string());
    }
    names
}

#[tokio::test]
async fn everybody_is_walked_once_and_who_was_erased_is_not() {
    let (service, _) = town().await;
    let mut walk = service.walk_profiles(WORKSPACE, query(), None).await.expect("a walk");
    let lookup = Lookup::Identity { namespace: "user_id".into(), value: "u7".into() };
    let how = (Extent::Profile, Return::Allowed);
    service.erase(WORKSPACE, &lookup, how, ("test", KeyId::from_bytes([0; 12]))).await.expect("an erasure");
    write(&service, vec![said(9_999, None)]).await;
    for _ in 0..2 {
        let mut found = names(&mut walk).await;
        found.sort();
        let mut expected: Vec<String> = (0..PEOPLE).filter(|own| *own != 7).map(|own| format!("u{own}")).collect();
        expected.sort();
        assert_eq!(found, expected);
        walk.rewind();
    }
}

#[tokio::test]
async fn events_are_walked_between_two_instants() {
    let (service, _) = town().await;
    for (from, to, each) in [(10, 0, 2), (10, 5, 1), (9, 5, 0), (5, 4, 1)] {
        let span = EventSpan { from: at(BEGAN - from), to: at(BEGAN - to), visibility: Flags::default() };
        let mut walk = service.walk_events(WORKSPACE, span).await.expect("a walk");
        let (mut owners, mut events) = (std::collections::BTreeSet::new(), 0);
        while let Some(event) = walk.next().await.expect("an event") {
            owners.insert(event.profile);
            events += 1;
        }
        let people = if each == 0 { 0 } else { PEOPLE };
        assert_eq!((owners.len(), events), (people, each * PEOPLE), "{from} to {to}");
    }
}

/// An event that was erased, that of somebody who was, and one that came later are left out.
#[tokio::test]
async fn events_are_those_of_its_beginning_that_still_stand() {
    let (service, _) = town().await;
    let span = EventSpan { from: at(BEGAN - 10), to: at(BEGAN), visibility: Flags::default() };
    let mut walk = service.walk_events(WORKSPACE, span).await.expect("a walk");
    let by = ("test", KeyId::from_bytes([0; 12]));
    let erased = said(3, Some(BEGAN - 5)).fact.expect("a fact").id;
    service.erase_event(WORKSPACE, &erased, None, by).await.expect("an erasure");
    let lookup = Lookup::Identity { namespace: "user_id".into(), value: "u7".into() };
    service.erase(WORKSPACE, &lookup, (Extent::Profile, Return::Allowed), by).await.expect("an erasure");
    write(&service, vec![said(5, Some(BEGAN - 7))]).await;
    for _ in 0..2 {
        let mut events = 0;
        while let Some(event) = walk.next().await.expect("an event") {
            assert_ne!(event.call.message_id, erased);
            events += 1;
        }
        assert_eq!(events, 2 * PEOPLE - 3);
        walk.rewind();
    }
}

#[tokio::test]
async fn a_walk_ends_in_time() {
    let (service, clock) = town().await;
    let mut walk = service.walk_profiles(WORKSPACE, query(), None).await.expect("a walk");
    assert!(walk.next().await.expect("a profile").is_some());
    clock.fetch_add(WALK_MICROS_MAX + 1, Ordering::Relaxed);
    let mut given = 0;
    let error = loop {
        match walk.next().await {
            Ok(Some(_)) => given += 1,
            Ok(None) => panic!("it is not whole"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code, "walk_timeout");
    assert!(given < PEOPLE, "{given}");
}
