//! When identities are spelled another way than they were, those that are stored are brought along.

#[allow(dead_code, reason = "each test uses its part")]
mod support;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use support::{WORKSPACE, by, fact, ingest, memory, open, read};
use tessera_service::jobs::{Listed, Query, State};
use tessera_service::{Service, check};
use tessera_store::{Commit, Direction, Key, KeyRange, ScanLimit, Store};

/// What stands for old spellings while the rows are made, which the present normalisers would not keep: of the same length each.
const SPELLINGS: [(&[u8], &[u8]); 2] = [(b"@qn--", b"@xn--"), (b"~~~", "\u{200b}".as_bytes())];

fn patched(bytes: &[u8]) -> Bytes {
    let mut bytes = bytes.to_vec();
    for (from, to) in SPELLINGS {
        for at in 0..bytes.len() {
            if bytes[at..].starts_with(from) {
                bytes[at..at + from.len()].copy_from_slice(to);
            }
        }
    }
    bytes.into()
}

/// The rows of a store as they were under old spellings, and without the row that names the version.
async fn aged(store: &Arc<dyn Store>) -> Arc<dyn Store> {
    let old = memory();
    let mut rest = Some(KeyRange::all());
    while let Some(range) = rest {
        let page = store.scan(&range, ScanLimit::rows(100), Direction::Forward).await.expect("a page");
        for row in page.rows {
            let is_version = row.value.as_ref() == tessera_service::workspace_config::fresh_spelling().as_ref();
            if !is_version {
                let commit = Commit::new().put(Key::new(patched(row.key.as_bytes())), patched(&row.value));
                old.commit(commit).await.expect("written");
            }
        }
        rest = page.next;
    }
    old
}

/// The jobs that brought rules to the records, once all have ended.
async fn reclusters(service: &Service) -> usize {
    let query = Query { limit: 100, ..Query::default() };
    let listed = service.jobs().list(WORKSPACE, &query).await.expect("a list").jobs;
    let jobs: Vec<_> = listed.iter().filter_map(Listed::job).filter(|job| job.kind == "recluster").collect();
    for job in &jobs {
        let mut watch = service.jobs().watch(WORKSPACE, job.id).await.expect("a watch");
        let mut last = None;
        while let Some(job) = watch.next().await {
            last = Some(job);
        }
        let last = last.expect("it is told once");
        assert!(matches!(last.state, State::Done { .. }), "{last:?}");
    }
    jobs.len()
}

async fn sound(store: &Arc<dyn Store>) {
    assert_eq!(check::run(&**store).await.expect("a report").faults, Vec::<String>::new());
}

#[tokio::test]
async fn identities_of_older_spellings_are_joined_with_the_new_ones_once() {
    let store = memory();
    let service = open(&store).await;
    service.directory().ensure_bootstrap("a secret of the tests").await.expect("a workspace");
    ingest(
        &service,
        vec![
            fact("1", "user_id:u1 email:ann@qn--bcher-kva.example city=Paris !Bought @1"),
            fact("2", "anonymous_id:~~~bob plan=gold !Seen @2"),
            fact("3", "anonymous_id:bob email:bob@x.example !Seen @3"),
            fact("4", "user_id:u2 email:carol@x.example @4"),
        ],
    )
    .await;
    service.close().await;
    let store = aged(&store).await;
    sound(&store).await;

    let service = open(&store).await;
    assert_eq!(reclusters(&service).await, 1);
    for value in ["ann@bücher.example", "ann@xn--bcher-kva.example", "ANN@XN--BCHER-KVA.example\u{200f}"] {
        let ann = read(&service, &by("email", value)).await;
        assert_eq!((&ann["user_id"], &ann["city"]), (&json!("u1"), &json!("Paris")), "{value}: {ann}");
    }
    for value in ["bob", "\u{200b}bob"] {
        let bob = read(&service, &by("anonymous_id", value)).await;
        assert_eq!((&bob["email"], &bob["plan"]), (&json!("bob@x.example"), &json!("gold")), "{value}: {bob}");
    }
    // Facts that come later find them by either spelling.
    ingest(&service, vec![fact("5", "user_id:u1 email:ann@bücher.example tier=1 @5")]).await;
    assert_eq!(read(&service, &by("email", "ann@xn--bcher-kva.example")).await["tier"], "1");
    service.close().await;
    sound(&store).await;

    let service = open(&store).await;
    assert_eq!(reclusters(&service).await, 1, "nothing is brought twice");
    service.close().await;
}

#[tokio::test]
async fn a_workspace_that_begins_has_nothing_to_bring() {
    let store = memory();
    let service = open(&store).await;
    service.directory().ensure_bootstrap("a secret of the tests").await.expect("a workspace");
    ingest(&service, vec![fact("1", "user_id:u1 email:ann@x.example @1")]).await;
    service.close().await;
    let service = open(&store).await;
    assert_eq!(reclusters(&service).await, 0);
    service.close().await;
    sound(&store).await;
}
