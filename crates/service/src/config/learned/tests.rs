//! What is seen, how exact it is, and that it outlives a stop.

use bytes::Bytes;
use tessera_engine::fact::EventKind;
use tessera_engine::model::Definition;
use tessera_store::MemoryStore;
use tessera_store::faulty::{Faulty, Plan, WriteFault};

use super::*;
use crate::base::codec;
use crate::base::ids::WorkspaceId;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000).expect("an instant")
}

fn fact(dataset: &str, attributes: &[(&str, Value)], event: Option<(&str, &str)>) -> Fact {
    let attribute = |(path, value): &(&str, Value)| (Path::parse(path).expect("a path"), value.clone());
    let call = event.map(|(name, properties)| Call {
        kind: EventKind::Action,
        name: Some(name.into()),
        payload: Bytes::from(format!("{{\"properties\":{properties}}}")),
    });
    Fact {
        id: "1".into(),
        dataset: dataset.into(),
        batch: None,
        time: None,
        claims: Vec::new(),
        document: None,
        attributes: attributes.iter().map(attribute).collect(),
        account: None,
        call,
        content: None,
        replaces: tessera_engine::fact::Replaces::Nothing,
    }
}

fn attribute(name: &str, value: &Value) -> Fact {
    fact("crm", &[(name, value.clone())], None)
}

fn scope() -> Scope {
    Scope::new(WorkspaceId::new(7))
}

async fn lines(learned: &Learned, store: &dyn Store) -> Vec<String> {
    let summary = learned.summary(store, scope()).await.expect("a summary");
    let line = |(subject, seen): (&Subject, &Seen)| {
        let subject = match subject {
            Subject::Attribute(path) => format!("attribute {path}"),
            Subject::Event(name) => format!("event {name}"),
            Subject::Property(name, path) => format!("property {name}: {path}"),
        };
        let kinds: Vec<&str> = seen.kinds.iter().map(|kind| kind.name()).collect();
        let (first, last) = (seen.first.micros() / 1_000_000, seen.last.micros() / 1_000_000);
        format!("{subject} [{}] {} x{} {first}-{last}", kinds.join(" "), seen.datasets.join(","), seen.count)
    };
    summary.seen.iter().map(line).collect()
}

#[tokio::test]
async fn attributes_events_and_properties_are_seen_with_their_kinds() {
    let (learned, store, model) = (Learned::default(), MemoryStore::new(), DataModel::default());
    let tags = Path::parse("tags").expect("a path");
    let mut operation = fact("web", &[], None);
    operation.attributes.push((tags.member(&Value::text("secret")).expect("a member"), Value::text("secret")));
    let facts = [
        fact("crm", &[("plan", Value::text("gold")), ("o.x", Value::Bool(true)), ("gone", Value::Null)], None),
        fact("web", &[("plan", Value::text("2026-01-01"))], Some(("Order", r#"{"total":1.5,"a":{"b":null,"c":[1]}}"#))),
        fact("web", &[], Some(("Order", r#"{"total":2}"#))),
        operation,
    ];
    learned.see(facts.iter(), &model, at(5));
    learned.see(facts[..1].iter(), &model, at(9));
    let expected = [
        "attribute o.x [boolean] crm x2 5-9",
        "attribute plan [text date] crm,web x3 5-9",
        "attribute tags [set] web x1 5-5",
        "event Order [] web x2 5-5",
        "property Order: a.c [list] web x1 5-5",
        "property Order: total [integer number] web x2 5-5",
    ];
    assert_eq!(lines(&learned, &store).await, expected);
}

#[tokio::test]
async fn what_strict_datasets_take_is_passed_over() {
    let (learned, store) = (Learned::default(), MemoryStore::new());
    let datasets = BTreeMap::from([("crm".into(), Mode::Strict), ("web".into(), Mode::Warn)]);
    let model = DataModel::new(Definition { datasets, ..Definition::default() }).expect("a model");
    let facts = ["crm", "web", "lab"].map(|dataset| fact(dataset, &[("a", Value::Bool(true))], None));
    learned.see(facts.iter(), &model, at(1));
    assert_eq!(lines(&learned, &store).await, ["attribute a [boolean] lab,web x2 1-1"]);
}

#[tokio::test]
async fn properties_of_frequent_events_are_looked_at_now_and_then() {
    let (learned, store, model) = (Learned::default(), MemoryStore::new(), DataModel::default());
    let (usual, rare) = (fact("web", &[], Some(("E", r#"{"a":1}"#))), fact("web", &[], Some(("E", r#"{"late":1}"#))));
    for _ in 0..(2 * LOOKED_AT_EVERY) {
        learned.see([&usual].into_iter(), &model, at(1));
    }
    learned.see([&rare].into_iter(), &model, at(1));
    let expected = ["event E [] web x513 1-1", "property E: a [integer] web x66 1-1"];
    assert_eq!(lines(&learned, &store).await, expected);
    let broken = fact("web", &[], Some(("F", "no json")));
    learned.see([&broken].into_iter(), &model, at(1));
    assert_eq!(lines(&learned, &store).await.len(), 3);
}

#[tokio::test]
async fn what_was_seen_outlives_a_stop_and_is_added_up() {
    let (store, model) = (MemoryStore::new(), DataModel::default());
    let first = Learned::default();
    first.write(&store, scope()).await.expect("nothing to write");
    first.see([attribute("a", &Value::Bool(true)), attribute("b", &Value::Bool(true))].iter(), &model, at(1));
    first.write(&store, scope()).await.expect("a write");
    first.see([attribute("a", &Value::text("x"))].iter(), &model, at(2));
    first.write(&store, scope()).await.expect("a write");

    let second = Learned::default();
    second.see([attribute("a", &Value::text("x")), attribute("c", &Value::Bool(true))].iter(), &model, at(3));
    second.see([fact("web", &[], Some(("E", r#"{"p":1}"#)))].iter(), &model, at(3));
    let expected = [
        "attribute a [boolean text] crm x3 1-3",
        "attribute b [boolean] crm x1 1-1",
        "attribute c [boolean] crm x1 3-3",
        "event E [] web x1 3-3",
        "property E: p [integer] web x1 3-3",
    ];
    assert_eq!(lines(&second, &store).await, expected);
    second.write(&store, scope()).await.expect("a write");
    assert_eq!(lines(&Learned::default(), &store).await, expected);

    second.forget(&store, scope()).await.expect("forgotten");
    assert_eq!(lines(&second, &store).await, [""; 0]);
    assert_eq!(lines(&Learned::default(), &store).await, [""; 0]);
}

#[tokio::test]
async fn what_could_not_be_written_is_written_the_next_time() {
    let (memory, model) = (Arc::new(MemoryStore::new()), DataModel::default());
    let store = Faulty::new(memory.clone(), Plan::CALM);
    let learned = Learned::default();
    learned.see([attribute("a", &Value::Bool(true))].iter(), &model, at(1));
    store.script_write(Some(WriteFault::Unavailable));
    assert_eq!(learned.write(&store, scope()).await.map_err(|error| error.code), Err("store_unavailable"));
    assert_eq!(lines(&Learned::default(), &*memory).await, [""; 0]);
    learned.write(&store, scope()).await.expect("a write");
    assert_eq!(lines(&Learned::default(), &*memory).await, ["attribute a [boolean] crm x1 1-1"]);
}

#[tokio::test]
async fn what_is_known_is_bounded() {
    let (learned, store, model) = (Learned::default(), MemoryStore::new(), DataModel::default());
    let facts: Vec<Fact> = (0..ENTRIES_MAX).map(|at| attribute(&format!("a{at}"), &Value::Bool(true))).collect();
    learned.see(facts.iter(), &model, at(1));
    assert!(!learned.summary(&store, scope()).await.expect("a summary").overflowed);
    learned.see([attribute("a1", &Value::Bool(true)), fact("web", &[], Some(("E", "{}")))].iter(), &model, at(1));
    let summary = learned.summary(&store, scope()).await.expect("a summary");
    assert!(summary.overflowed && summary.seen.len() == ENTRIES_MAX);
    learned.write(&store, scope()).await.expect("a write of several commits");
    assert_eq!(lines(&Learned::default(), &store).await.len(), ENTRIES_MAX);

    let named = Learned::default();
    let facts: Vec<Fact> = (0..30).map(|at| fact(&format!("d{at:02}"), &[("a", Value::Bool(true))], None)).collect();
    named.see(facts.iter(), &model, at(1));
    let empty = MemoryStore::new();
    let summary = named.summary(&empty, scope()).await.expect("a summary");
    let seen = &summary.seen[&Subject::Attribute("a".into())];
    assert_eq!((seen.datasets.len(), seen.more_datasets, seen.count), (DATASETS_MAX, true, 30));
    let long = fact("web", &[], Some((&"x".repeat(201), "{}")));
    named.see([&long].into_iter(), &model, at(1));
    assert!(named.summary(&empty, scope()).await.expect("a summary").overflowed);
}

#[tokio::test]
async fn what_was_written_leaves_the_room_that_is_left() {
    let (store, model) = (MemoryStore::new(), DataModel::default());
    let many = |prefix: &'static str, count: usize| -> Vec<Fact> {
        (0..count).map(|at| attribute(&format!("{prefix}{at}"), &Value::Bool(true))).collect()
    };
    let first = Learned::default();
    first.see(many("old", ENTRIES_MAX - 3).iter(), &model, at(1));
    first.write(&store, scope()).await.expect("a write");
    let second = Learned::default();
    second.see([fact("web", &[], Some(("E", r#"{"p":1,"q":2}"#)))].iter(), &model, at(2));
    second.see(many("new", 40).iter(), &model, at(2));
    second.see(many("old", 1).iter(), &model, at(2));
    second.write(&store, scope()).await.expect("a write");
    let summary = second.summary(&store, scope()).await.expect("a summary");
    assert!(summary.overflowed && summary.seen.len() == ENTRIES_MAX, "{}", summary.seen.len());
    assert_eq!(summary.seen[&Subject::Attribute("old0".into())].count, 2);
    assert_eq!(lines(&Learned::default(), &store).await.len(), ENTRIES_MAX);
}

#[tokio::test]
async fn what_could_not_be_forgotten_is_known_again() {
    let (memory, model) = (Arc::new(MemoryStore::new()), DataModel::default());
    let store = Faulty::new(memory.clone(), Plan::CALM);
    let learned = Learned::default();
    learned.see([attribute("a", &Value::Bool(true))].iter(), &model, at(1));
    learned.write(&store, scope()).await.expect("a write");
    store.script_write(Some(WriteFault::Unavailable));
    assert_eq!(learned.forget(&store, scope()).await.map_err(|error| error.code), Err("store_unavailable"));
    learned.see([attribute("a", &Value::Bool(true))].iter(), &model, at(2));
    learned.write(&store, scope()).await.expect("a write");
    assert_eq!(lines(&Learned::default(), &*memory).await, ["attribute a [boolean] crm x2 1-2"]);
}

#[test]
fn the_rows_are_frozen() {
    let seen = Seen {
        kinds: vec![Kind::Boolean, Kind::Object],
        datasets: vec!["crm".into(), "web".into()],
        more_datasets: true,
        count: 300,
        first: at(1),
        last: at(2),
    };
    let subjects = [
        ("learned-attribute-1", Subject::Attribute("a.b".into())),
        ("learned-event-1", Subject::Event("Order".into())),
        ("learned-property-1", Subject::Property("Order".into(), "total".into())),
    ];
    for (name, subject) in subjects {
        let row = records::encode(&subject, &seen);
        codec::golden(name, &row);
        assert_eq!(records::decode(&row).expect("a row"), (subject, seen.clone()));
    }
    assert!(records::decode(b"\x01nonsense").is_err());
}
