use std::sync::Arc;

use tessera_store::{MemoryStore, Store};

use super::*;
use crate::base::codec::golden;
use crate::base::components::Components;
use crate::base::settings::Settings;

const WORKSPACE: WorkspaceId = WorkspaceId::new(1);
const KIND: NoteKind = NoteKind { name: "some.kind", max: 3 };
const OTHER: NoteKind = NoteKind { name: "some.kind2", max: 3 };

async fn open() -> Arc<Service> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let ticks = std::sync::atomic::AtomicI64::new(1_700_000_000_000_000);
    let tick = move || ticks.fetch_add(1_000_000, std::sync::atomic::Ordering::Relaxed);
    let components = Components {
        tasks: tokio::runtime::Handle::current(),
        store,
        clock: Arc::new(move || Timestamp::from_micros(tick()).expect("within bounds")),
        random: Arc::new(|bytes| bytes.fill(7)),
    };
    Service::open(components, Settings::default()).await.expect("the service opens")
}

async fn add(service: &Service, kind: &NoteKind, name: &str) -> Result<(), &'static str> {
    let may_go = |note: &Note| note.json == "{}";
    let json = if name.starts_with("kept") { "[]" } else { "{}" };
    service.add_note(WORKSPACE, kind, (name, json), |_| Ok(()), may_go).await.map_err(|error| error.code)
}

async fn names(service: &Service, kind: &NoteKind) -> Vec<String> {
    service.notes(WORKSPACE, kind).await.expect("notes").into_iter().map(|note| note.name).collect()
}

#[tokio::test]
async fn a_kind_keeps_the_newest_and_those_that_may_not_go() {
    let service = open().await;
    for name in ["kept1", "b", "a"] {
        assert_eq!(add(&service, &KIND, name).await, Ok(()));
    }
    assert_eq!(add(&service, &OTHER, "b").await, Ok(()));
    assert_eq!(add(&service, &KIND, "b").await, Err("note_exists"));
    assert_eq!(add(&service, &KIND, "kept2").await, Ok(()));
    assert_eq!(names(&service, &KIND).await, ["kept1", "a", "kept2"]);
    assert_eq!(add(&service, &KIND, "kept3").await, Ok(()));
    assert_eq!(add(&service, &KIND, "c").await, Err("notes_full"));
    assert_eq!(names(&service, &KIND).await, ["kept1", "kept2", "kept3"]);
    assert_eq!(names(&service, &OTHER).await, ["b"]);
    assert!(service.remove_note(WORKSPACE, &KIND, "kept2").await.expect("an answer"));
    assert!(!service.remove_note(WORKSPACE, &KIND, "kept2").await.expect("an answer"));
    assert_eq!(names(&service, &KIND).await, ["kept1", "kept3"]);
    assert_eq!(names(&service, &OTHER).await, ["b"]);
    assert_eq!(service.notes(WorkspaceId::new(2), &KIND).await.expect("notes"), []);
    service.close().await;
}

fn one_more(note: &Note) -> Result<String, Error> {
    Ok((note.json.parse::<u32>().expect("a number") + 1).to_string())
}

#[tokio::test]
async fn changes_of_one_note_lose_nothing() {
    let service = open().await;
    service.add_note(WORKSPACE, &KIND, ("own", "0"), |_| Ok(()), |_| true).await.expect("added");
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let service = service.clone();
        all.spawn(async move { service.change_note(WORKSPACE, &KIND, "own", one_more).await });
    }
    for changed in all.join_all().await {
        assert!(changed.expect("a change").is_some());
    }
    let note = service.note(WORKSPACE, &KIND, "own").await.expect("an answer").expect("a note");
    assert_eq!(note.json, "8");
    assert_eq!(service.change_note(WORKSPACE, &KIND, "none", one_more).await.expect("an answer"), None);
    service.close().await;
}

#[tokio::test]
async fn what_is_no_note_is_refused() {
    let service = open().await;
    let add = |name: String, json: String| {
        let service = service.clone();
        async move {
            let added = service.add_note(WORKSPACE, &KIND, (&name, &json), |_| Ok(()), |_| true).await;
            added.map_err(|error| error.code).err()
        }
    };
    assert_eq!(add(String::new(), "{}".into()).await, Some("note_name_invalid"));
    assert_eq!(add("n".repeat(NAME_BYTES_MAX + 1), "{}".into()).await, Some("note_name_invalid"));
    assert_eq!(add("n".into(), "x".repeat(NOTE_BYTES_MAX + 1)).await, Some("note_too_large"));
    assert_eq!(add("n".repeat(NAME_BYTES_MAX), "x".repeat(NOTE_BYTES_MAX)).await, None);
    let refused = |_: &[Note]| Err(Error::new(ErrorKind::Conflict, "some_code", "no"));
    let added = service.add_note(WORKSPACE, &KIND, ("other", "{}"), refused, |_| true).await;
    assert_eq!(added.expect_err("refused").code, "some_code");
    service.close().await;
}

#[test]
fn a_note_is_frozen() {
    let bytes = encode(Timestamp::from_micros(1).expect("an instant"), "{\"a\":1}");
    golden("note-1", &bytes);
    let note = decode("n", &bytes).expect("a note");
    assert_eq!((note.name.as_str(), note.added_at.micros(), note.json.as_str()), ("n", 1, "{\"a\":1}"));
    let key = Scope::new(WorkspaceId::new(258)).note(&KIND, "n");
    let hex: String = key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "000001022609736f6d652e6b696e64006e");
}
