use bytes::Bytes;
use tessera_engine::fact::{Call, Claim, EventKind, Strength};
use tessera_engine::value::{Path, Value};

use super::super::work::Origin;
use super::*;
use crate::base::ids::KeyId;
use crate::config::admission::Admission;
use crate::directory::Class;

fn fact(payload: usize, attributes: Vec<(Path, Value)>) -> Fact {
    let claim = Claim { namespace: "user_id".into(), value: "1".into(), strength: Strength::Verified };
    let call = Call { kind: EventKind::Action, name: Some("Seen".into()), payload: vec![b' '; payload].into() };
    Fact {
        id: "1".into(),
        dataset: "web".into(),
        batch: None,
        time: None,
        claims: vec![claim],
        document: None,
        attributes,
        account: None,
        call: Some(call),
        content: None,
        replaces: tessera_engine::fact::Replaces::Nothing,
    }
}

fn work(fact: Fact) -> Work {
    let admission = Admission { config_version: 0, notes: Vec::new() };
    let item = Item::Fact { fact: Box::new(fact), admission, raw: Bytes::new() };
    let origin = Origin { door: "test", key: KeyId::from_bytes([0; 12]), class: Class::Private, again: None };
    Work::Items { items: vec![item], origin, once: None }
}

#[test]
fn a_workspace_has_half_and_all_have_the_whole() {
    let queues = Queues::new(1 << 20);
    let (one, other, third) = (queues.queue(), queues.queue(), queues.queue());
    let event = work(fact(96 << 10, Vec::new()));
    let mut places: Vec<Place> = (0..5).map(|_| one.enter(&event).expect("half of it")).collect();
    let refused = one.enter(&event).err().expect("its share is taken");
    assert_eq!((refused.kind, refused.code, refused.retry_after_secs), (ErrorKind::Throttled, "queue_full", Some(1)));
    places.extend((0..5).map(|_| other.enter(&event).expect("the other half")));
    // Of a third workspace nothing waits, but the process has no more.
    let refused = third.enter(&event).err().expect("the process has no more");
    let expected = (ErrorKind::Unavailable, "queues_full", Some(1));
    assert_eq!((refused.kind, refused.code, refused.retry_after_secs), expected);
    drop(places.pop());
    let third = third.enter(&event).expect("what was answered makes room");
    drop((places, third));
    assert_eq!(*queues.all.held.lock().expect("the lock"), Held::default(), "all of it is given back");
}

#[test]
fn whoever_is_alone_is_let_in_however_large() {
    let queues = Queues::new(64 << 10);
    let (one, other) = (queues.queue(), queues.queue());
    let event = work(fact(1 << 20, Vec::new()));
    let place = one.enter(&event).expect("nobody else waits");
    assert_eq!(one.enter(&event).err().map(|error| error.code), Some("queue_full"));
    assert_eq!(other.enter(&event).err().map(|error| error.code), Some("queues_full"));
    drop(place);
    other.enter(&event).expect("nobody else waits");
}

#[test]
fn submissions_are_counted_as_well_as_bytes() {
    let queues = Queues::new(u64::MAX);
    let queues: Vec<Arc<Queue>> = (0..5).map(|_| queues.queue()).collect();
    let mut places: Vec<Place> = Vec::new();
    for queue in &queues[..4] {
        places.extend((0..PLACES_OF_ONE).map(|_| queue.enter(&Work::Purge).expect("a place")));
        assert_eq!(queue.enter(&Work::Purge).err().map(|error| error.code), Some("queue_full"));
    }
    assert_eq!(queues[4].enter(&Work::Purge).err().map(|error| error.code), Some("queues_full"));
    drop(places);
    queues[4].enter(&Work::Purge).expect("a place");
}

/// What is small as JSON and large once it is read counts as what it is then.
#[test]
fn a_fact_counts_with_what_it_takes_in_memory() {
    let path = || Path::parse("list").expect("a path");
    let nulls = |count| vec![(path(), Value::List(vec![Value::Null; count].into()))];
    let size = |fact: Fact| size_of_work(&work(fact));
    let none = size(fact(0, Vec::new()));
    assert_eq!(size(fact(1_024, Vec::new())) - none, 1_024);
    let lists = size(fact(0, nulls(1_000))) - none;
    assert!(lists >= 1_000 * size_of::<Value>(), "{lists}");
    let text = |count: usize| vec![(path(), Value::text(&"x".repeat(count)))];
    assert!(size(fact(0, text(5_000))) - size(fact(0, text(1_000))) >= 4_000);
    let member = |name: &str| (Arc::from(name), Value::Null);
    let object = size(fact(0, vec![(path(), Value::object(vec![member("a"), member("b")]))]));
    assert!(object > none + 2 * size_of::<Value>());
}
