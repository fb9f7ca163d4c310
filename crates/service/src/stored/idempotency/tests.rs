use proptest::prelude::*;
use tessera_store::{Limits, MemoryStore};

use super::*;

const DAY: i64 = 86_400_000_000;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).expect("an instant")
}

fn request(caller: u8, key: &str, body: &str) -> Request {
    Request {
        workspace: WorkspaceId::new(1),
        caller: KeyId::from_bytes([caller; 12]),
        key: IdempotencyKey::parse(key).expect("a key"),
        hash: RequestHash::of("POST", "/v1/batch", body.as_bytes()),
    }
}

fn reply(body: &'static str) -> Reply {
    Reply::new(200, Bytes::from_static(body.as_bytes())).expect("a reply")
}

async fn answer(store: &dyn Store, request: &Request, with: &'static str, now: Timestamp) {
    match look_up(store, request, now).await.unwrap() {
        Known::New(claim) => {
            store.commit(claim.answer(Commit::new(), &reply(with), now)).await.unwrap();
        }
        Known::Answered(_) => panic!("it was answered before"),
    }
}

/// What is known of a request: the body of the answer, `new`, or the code of the error.
async fn found(store: &dyn Store, request: &Request, now: Timestamp) -> String {
    match look_up(store, request, now).await {
        Ok(Known::Answered(reply)) => format!("{} {}", reply.status(), String::from_utf8_lossy(reply.body())),
        Ok(Known::New(_)) => "new".to_owned(),
        Err(error) => error.code.to_owned(),
    }
}

#[tokio::test]
async fn the_same_request_is_given_the_same_answer_for_a_day() {
    let store = MemoryStore::new();
    answer(&store, &request(1, "k", "body"), "done", at(0)).await;
    let cases = [
        (request(1, "k", "body"), 0, "200 done"),
        (request(1, "k", "body"), DAY - 1, "200 done"),
        (request(1, "k", "body"), DAY, "new"),
        (request(1, "k", "other"), 0, "idempotency_key_reused"),
        (request(1, "k", "other"), DAY, "new"),
        (request(1, "k2", "body"), 0, "new"),
        (request(2, "k", "body"), 0, "new"),
        (Request { workspace: WorkspaceId::new(2), ..request(1, "k", "body") }, 0, "new"),
    ];
    for (request, now, expected) in cases {
        assert_eq!(found(&store, &request, at(now)).await, expected);
    }
}

#[tokio::test]
async fn of_two_answers_one_is_written() {
    let store = MemoryStore::new();
    let request = request(1, "k", "body");
    for start in [0, 2 * DAY] {
        // The second round takes the place of the outdated row of the first.
        let claims = [look_up(&store, &request, at(start)).await, look_up(&store, &request, at(start)).await];
        let mut outcomes = Vec::new();
        for claim in claims {
            let Known::New(claim) = claim.unwrap() else { panic!("nothing was answered yet") };
            let outcome = store.commit(claim.answer(Commit::new(), &reply("done"), at(start))).await;
            outcomes.push(outcome.map(|_| ()));
        }
        assert_eq!(outcomes, [Ok(()), Err(CommitError::Conflict(row_key(&request)))]);
        assert_eq!(found(&store, &request, at(start)).await, "200 done");
    }
}

#[tokio::test]
async fn a_sweep_drops_what_is_outdated() {
    let store = MemoryStore::new();
    for (key, time) in [("a", 0), ("b", 10), ("c", DAY)] {
        answer(&store, &request(1, key, "body"), "done", at(time)).await;
    }
    let sweep_at = async |now| sweep(&store, WorkspaceId::new(1), at(now)).await.unwrap();
    assert_eq!(sweep_at(DAY - 1).await, Swept { removed: 0, more: false });
    assert_eq!(sweep_at(DAY + 10).await, Swept { removed: 2, more: false });
    assert_eq!(sweep_at(DAY + 10).await, Swept { removed: 0, more: false });
    assert_eq!(found(&store, &request(1, "c", "body"), at(DAY + 10)).await, "200 done");
    sweep_at(2 * DAY).await;
    assert_eq!(all_rows(&store).await, 0, "an end goes with its answer");
}

async fn all_rows(store: &MemoryStore) -> usize {
    store.scan(&KeyRange::all(), ScanLimit::rows(10_000), Direction::Forward).await.unwrap().rows.len()
}

#[tokio::test]
async fn an_answer_that_was_given_anew_outlives_the_end_of_the_old_one() {
    let store = MemoryStore::new();
    answer(&store, &request(1, "a", "body"), "first", at(0)).await;
    answer(&store, &request(1, "a", "body"), "second", at(DAY + 5)).await;
    let swept = sweep(&store, WorkspaceId::new(1), at(DAY + 6)).await.unwrap();
    assert_eq!(swept.removed, 0);
    assert_eq!(found(&store, &request(1, "a", "body"), at(DAY + 6)).await, "200 second");
    sweep(&store, WorkspaceId::new(1), at(2 * DAY + 5)).await.unwrap();
    assert_eq!(all_rows(&store).await, 0);
}

#[tokio::test]
async fn an_answer_of_a_clock_that_was_ahead_ends_as_well() {
    let store = MemoryStore::new();
    answer(&store, &request(1, "a", "body"), "done", at(1_000 * DAY)).await;
    answer(&store, &request(1, "b", "body"), "done", at(DAY)).await;
    // A clock that is put back by less than a day costs nobody the answer.
    let swept = sweep(&store, WorkspaceId::new(1), at(1)).await.unwrap();
    assert_eq!(swept, Swept { removed: 1, more: false });
    assert_eq!(found(&store, &request(1, "b", "body"), at(1)).await, "200 done");
    assert_eq!(all_rows(&store).await, 2);
}

#[tokio::test]
async fn a_sweep_reads_no_answer_that_is_not_due() {
    let store = MemoryStore::new();
    for number in 0..1_500 {
        answer(&store, &request(1, &format!("k{number}"), "body"), "done", at(number)).await;
    }
    // One that cannot be read would stop whoever looks at it.
    let damaged = row_key(&request(1, "k1499", "body"));
    store.commit(Commit::new().put(damaged, "\0")).await.unwrap();
    let sweep_at = async |now| sweep(&store, WorkspaceId::new(1), at(now)).await;
    assert_eq!(sweep_at(DAY + 1_200).await.unwrap(), Swept { removed: 1_000, more: true });
    assert_eq!(sweep_at(DAY + 1_200).await.unwrap(), Swept { removed: 201, more: false });
    assert_eq!(sweep_at(DAY + 1_499).await.map_err(|error| error.code), Err("record_corrupt"));
}

#[tokio::test]
async fn answers_from_before_ends_stood_beside_them_end_as_well() {
    let store = MemoryStore::with_limits(Limits { ops: 40, ..Limits::EMBEDDED });
    let scope = Scope::new(WorkspaceId::new(1));
    assert!(!bring_along(&store, WorkspaceId::new(1)).await.unwrap());
    assert_eq!(all_rows(&store).await, 0, "where nothing is from before nothing is written");
    for number in 0..50 {
        answer(&store, &request(1, &format!("k{number}"), "body"), "done", at(number)).await;
    }
    let ends = store.scan(&scope.all_of(Family::Keeping), ScanLimit::rows(100), Direction::Forward).await.unwrap();
    let ends: Vec<Key> = ends.rows.into_iter().map(|row| row.key).collect();
    for ends in ends.chunks(40) {
        store.commit(ends.iter().cloned().fold(Commit::new(), Commit::delete)).await.unwrap();
    }
    let mut steps = 1;
    while bring_along(&store, WorkspaceId::new(1)).await.unwrap() {
        steps += 1;
    }
    assert!(steps > 2, "{steps} steps");
    while sweep(&store, WorkspaceId::new(1), at(DAY + 50)).await.unwrap().more {}
    assert_eq!(all_rows(&store).await, 1, "that they were brought along stays");
    assert!(!bring_along(&store, WorkspaceId::new(1)).await.unwrap());
}

#[test]
fn bounds_are_named() {
    let key = |text: &str| IdempotencyKey::parse(text).map_err(|error| error.code);
    assert!(key("a").is_ok() && key(&"x".repeat(200)).is_ok());
    for wrong in ["", &"x".repeat(201), "tab\t", "é"] {
        assert_eq!(key(wrong), Err("idempotency_key_invalid"));
    }
    let long = Reply::new(200, vec![0; REPLY_BYTES_MAX + 1].into()).map_err(|error| error.code);
    assert_eq!(long, Err("reply_too_large"));
}

#[test]
fn the_record_is_frozen() {
    let Ok(Known::New(claim)) = known(&request(1, "k", "body"), None, at(7)) else { panic!("it is new") };
    let commit = claim.answer(Commit::new(), &reply("done"), at(7));
    codec::golden("idempotency-1", &commit.idempotency.expect("a row").1);
}

proptest! {
    #[test]
    fn hashes_tell_requests_apart(one in ("[A-Z]{0,3}", "[a-z/]{0,4}", "[a-z]{0,4}"), two in ("[A-Z]{0,3}", "[a-z/]{0,4}", "[a-z]{0,4}")) {
        let hash = |(method, path, body): &(String, String, String)| RequestHash::of(method, path, body.as_bytes());
        prop_assert_eq!(hash(&one) == hash(&two), one == two);
    }

    #[test]
    fn reading_a_row_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let row = Versioned { value: bytes.into(), version: Version(1) };
        let _ = known(&request(1, "k", "body"), Some(&row), at(0));
    }
}
