use proptest::prelude::*;
use tessera_store::MemoryStore;
use tessera_store::faulty::{Faulty, Plan};

use super::*;
use crate::base::codec;

fn id(number: u8) -> EventId {
    EventId::from_bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, number])
}

fn refused(number: u8, code: &'static str) -> Refused {
    Refused {
        id: id(number),
        at: Timestamp::from_micros(i64::from(number)).expect("an instant"),
        door: "native",
        code,
        message: format!("message {number}"),
        key: KeyId::from_bytes([9; 12]),
        class: Class::Private,
        raw: Raw::keep(&Bytes::from(format!("{{\"n\":{number}}}"))),
    }
}

fn quarantine() -> Quarantine {
    Quarantine::new(Arc::new(MemoryStore::new()), Arc::new(Cursors::new(&[1; 32])))
}

async fn put(quarantine: &Quarantine, workspace: WorkspaceId, refused: &Refused) {
    let commit = Commit { put: rows(workspace, refused).into(), ..Commit::default() };
    quarantine.store.commit(commit).await.unwrap();
}

const ONE: WorkspaceId = WorkspaceId::new(1);
const TWO: WorkspaceId = WorkspaceId::new(2);

/// Ten entries in workspace 1, of code `odd` and `even`, and one in workspace 2.
async fn filled() -> Quarantine {
    let quarantine = quarantine();
    for number in 1..=10 {
        put(&quarantine, ONE, &refused(number, if number % 2 == 0 { "even" } else { "odd" })).await;
    }
    put(&quarantine, TWO, &refused(99, "odd")).await;
    quarantine
}

fn query(code: Option<&str>, limit: usize, cursor: Option<String>) -> Query {
    Query { code: code.map(str::to_owned), limit, cursor }
}

/// All pages of a list, as the last bytes of the ids.
async fn pages(quarantine: &Quarantine, workspace: WorkspaceId, code: Option<&str>, limit: usize) -> Vec<Vec<u8>> {
    let mut pages = Vec::new();
    let mut cursor = None;
    loop {
        let page = quarantine.list(workspace, &query(code, limit, cursor)).await.unwrap();
        pages.push(page.entries.iter().map(|entry| entry.id.as_bytes()[11]).collect());
        cursor = page.next_cursor;
        if cursor.is_none() {
            return pages;
        }
    }
}

#[tokio::test]
async fn lists_are_newest_first_in_pages() {
    let quarantine = filled().await;
    let check = async |workspace, code, limit, expected: &[&[u8]]| {
        assert_eq!(pages(&quarantine, workspace, code, limit).await, expected);
    };
    check(ONE, None, 4, &[&[10, 9, 8, 7], &[6, 5, 4, 3], &[2, 1]]).await;
    check(ONE, None, 10, &[&[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]]).await;
    check(ONE, Some("odd"), 2, &[&[9, 7], &[5, 3], &[1]]).await;
    check(ONE, Some("even"), 5, &[&[10, 8, 6, 4, 2], &[]]).await;
    check(ONE, Some("none"), 5, &[&[]]).await;
    check(TWO, None, 5, &[&[99]]).await;
    check(WorkspaceId::new(3), None, 5, &[&[]]).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_named() {
    let quarantine = filled().await;
    let cursor = quarantine.list(ONE, &query(None, 1, None)).await.unwrap().next_cursor;
    let check = async |workspace, query: Query, expected: &str| {
        let found = quarantine.list(workspace, &query).await.map(|_| ()).map_err(|error| error.code);
        assert_eq!(found, Err(expected));
    };
    check(ONE, query(None, 0, None), "limit_invalid").await;
    check(ONE, query(None, PAGE_MAX + 1, None), "limit_invalid").await;
    check(ONE, query(None, 1, Some("?".to_owned())), "cursor_invalid").await;
    check(TWO, query(None, 1, cursor), "cursor_invalid").await;
}

#[tokio::test]
async fn an_entry_gives_back_what_was_sent() {
    let quarantine = filled().await;
    let (entry, raw) = quarantine.get(ONE, id(3)).await.unwrap();
    let expected = Entry {
        id: id(3),
        at: Timestamp::from_micros(3).unwrap(),
        door: "native".to_owned(),
        code: "odd".to_owned(),
        message: "message 3".to_owned(),
        key: KeyId::from_bytes([9; 12]),
        class: Class::Private,
        kept_bytes: 7,
        whole: true,
    };
    assert_eq!(entry, expected);
    assert_eq!(raw, Raw::keep(&Bytes::from_static(b"{\"n\":3}")));
    assert_eq!(format!("{raw:?}"), "Raw(***, bytes=7, whole=true)");

    quarantine.delete(ONE, id(3)).await.unwrap();
    let gone = "quarantine_entry_not_found";
    assert_eq!(quarantine.delete(ONE, id(3)).await.unwrap_err().code, gone);
    assert_eq!(quarantine.get(ONE, id(3)).await.unwrap_err().code, gone);
    assert_eq!(quarantine.get(TWO, id(4)).await.unwrap_err().code, gone);
    assert_eq!(pages(&quarantine, ONE, Some("odd"), 9).await, [[9, 7, 5, 1]]);
}

#[tokio::test]
async fn what_is_too_long_is_cut_and_says_so() {
    let quarantine = quarantine();
    let check = async |sent: usize, kept: usize, whole: bool| {
        let raw = Raw::keep(&Bytes::from(vec![b'x'; sent]));
        put(&quarantine, ONE, &Refused { raw, ..refused(1, "odd") }).await;
        let (entry, raw) = quarantine.get(ONE, id(1)).await.unwrap();
        assert_eq!((raw.bytes().len(), raw.is_whole(), entry.whole), (kept, whole, whole));
    };
    check(0, 0, true).await;
    check(RAW_BYTES_MAX, RAW_BYTES_MAX, true).await;
    check(RAW_BYTES_MAX + 1, RAW_BYTES_MAX, false).await;
}

#[tokio::test]
async fn a_sweep_keeps_the_newest() {
    let check = async |entries_max, bytes_max, removed, left: &[u8]| {
        let quarantine = filled().await;
        let private = Amount { entries: entries_max, bytes: bytes_max };
        let swept = quarantine.sweep_to(ONE, private, Amount::default(), &Room::default()).await.unwrap();
        assert_eq!(swept, Swept { removed, more: false });
        assert_eq!(pages(&quarantine, ONE, None, 100).await, [left]);
        assert_eq!(quarantine.get(ONE, id(1)).await.is_ok(), left.contains(&1));
        assert_eq!(pages(&quarantine, TWO, None, 100).await, [[99]]);
    };
    check(10, 1_000, 0, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]).await;
    check(3, 1_000, 7, &[10, 9, 8]).await;
    check(10, 8 + 7, 8, &[10, 9]).await;
}

#[tokio::test]
async fn public_keys_push_out_nothing_but_their_own() {
    let key = |number: u8| KeyId::from_bytes([number; 12]);
    let sent = |number: u8, class, key| Refused { key, class, ..refused(number, "odd") };
    // A private key, then one public key, then another floods; each entry has 7 bytes, those from 10 on have 8.
    let check = async |private, public, left: &[u8]| {
        let quarantine = quarantine();
        for number in 1..=3 {
            put(&quarantine, ONE, &sent(number, Class::Private, key(1))).await;
        }
        for number in 4..=5 {
            put(&quarantine, ONE, &sent(number, Class::Public, key(2))).await;
        }
        for number in 6..=20 {
            put(&quarantine, ONE, &sent(number, Class::Public, key(3))).await;
        }
        let bound = |(entries, bytes)| Amount { entries, bytes };
        quarantine.sweep_to(ONE, bound(private), bound(public), &Room::default()).await.unwrap();
        let mut kept = pages(&quarantine, ONE, None, 100).await.concat();
        kept.sort_unstable();
        assert_eq!(kept, left, "{private:?} {public:?}");
    };
    check((3, 100), (17, 1_000), &(1..=20).collect::<Vec<_>>()).await;
    check((3, 100), (4, 1_000), &[1, 2, 3, 4, 5, 19, 20]).await;
    check((3, 100), (3, 1_000), &[1, 2, 3, 5, 20]).await;
    check((3, 100), (17, 7 + 7 + 8), &[1, 2, 3, 5, 20]).await;
    check((2, 100), (100, 1_000), &[&[2, 3], &(4..=20).collect::<Vec<_>>()[..]].concat()).await;
    check((3, 100), (0, 0), &[1, 2, 3]).await;
}

#[tokio::test]
async fn nobody_counts_what_cannot_be_too_much() {
    let store = Faulty::new(Arc::new(MemoryStore::new()), Plan::CALM);
    let quarantine = Quarantine::new(Arc::new(store.clone()), Arc::new(Cursors::new(&[1; 32])));
    let bound = Amount { entries: 32, bytes: 1_000 };
    let (room, mut sweeps) = (Room::default(), 0);
    for number in 1..=200 {
        put(&quarantine, ONE, &refused(number, "odd")).await;
        room.take(Class::Private, 8);
        while room.is_over() {
            quarantine.sweep_to(ONE, bound, bound, &room).await.unwrap();
            sweeps += 1;
        }
        let kept = pages(&quarantine, ONE, None, 1_000).await.concat().len();
        assert!(kept <= 34, "{kept} are kept after {number}");
        assert!(kept >= usize::from(number).min(32), "{kept} are kept after {number}");
    }
    assert!(sweeps < 200, "{sweeps} sweeps");
    // Where there is room nothing is read at all.
    assert!(!room.is_over());
}

#[test]
fn the_records_are_frozen() {
    let [entry, raw] = rows(ONE, &refused(3, "odd"));
    codec::golden("quarantine-2", &entry.1);
    let [public, _] = rows(ONE, &Refused { class: Class::Public, ..refused(3, "odd") });
    codec::golden("quarantine-public-2", &public.1);
    let read = |bytes: &[u8]| records::decode(id(3), bytes).expect("an entry");
    assert_eq!(read(&codec::thawed("quarantine-1")), read(&entry.1), "one of before is of a private key");
    assert_eq!(read(&public.1).class, Class::Public);
    codec::golden("quarantine-raw-1", &raw.1);
}

proptest! {
    #[test]
    fn what_is_written_is_read(message in ".*", sent in prop::collection::vec(any::<u8>(), 0..200), number: u8) {
        let sent = Bytes::from(sent);
        let refused = Refused { message, raw: Raw::keep(&sent), ..refused(number, "code") };
        let [entry, raw] = rows(ONE, &refused);
        let read = records::decode(refused.id, &entry.1).unwrap();
        prop_assert_eq!((read.message, read.at, &*read.code), (refused.message, refused.at, refused.code));
        prop_assert_eq!(records::decode_raw(&raw.1).unwrap(), sent);
    }

    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = records::decode(id(1), &bytes);
        let _ = records::decode_raw(&bytes.into());
    }
}
