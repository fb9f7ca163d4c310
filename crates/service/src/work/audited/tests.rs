use std::sync::atomic::AtomicI64;

use tessera_store::MemoryStore;

use super::*;
use crate::audit::AuditQuery;
use crate::base::components::Components;
use crate::base::settings::Settings;
use crate::stored::audit::{Action, Entry};

const SECRET: &str = "operator-secret";
const START: i64 = 1_700_000_000_000_000;

struct World {
    service: Arc<Service>,
    store: Arc<MemoryStore>,
    clock: Arc<AtomicI64>,
}

impl World {
    async fn new(audit: AuditBounds) -> Self {
        let (store, clock) = (Arc::new(MemoryStore::new()), Arc::new(AtomicI64::new(START)));
        let (read, drawn) = (clock.clone(), AtomicU64::new(1));
        let components = Components {
            store: store.clone(),
            tasks: tokio::runtime::Handle::current(),
            clock: Arc::new(move || Timestamp::from_micros(read.load(Ordering::SeqCst)).expect("an instant")),
            random: Arc::new(move |bytes| {
                let number = drawn.fetch_add(1, Ordering::SeqCst);
                bytes.iter_mut().zip(number.to_be_bytes().iter().rev().cycle()).for_each(|(byte, own)| *byte = *own);
            }),
        };
        let service = Service::open(components, Settings { audit, ..Settings::default() }).await.expect("it opens");
        service.directory().ensure_bootstrap(SECRET).await.expect("a key");
        Self { service, store, clock }
    }

    fn pass(&self, micros: i64) {
        self.clock.fetch_add(micros, Ordering::SeqCst);
    }

    /// A request that shows the key, and comes to this.
    async fn asks(&self, became: Result<(), &Error>) {
        self.pass(1);
        let asked = Asked {
            action: Action::Read,
            door: "native",
            operation: "GET /v1/profiles".to_owned(),
            objects: Vec::new(),
            address: None,
            request_id: "r".to_owned(),
        };
        let pending = self.service.begin_audited(asked);
        let work = async { self.service.directory().authenticate(SECRET).map(drop) };
        pending.clone().scope(work).await.expect("a key");
        self.service.end_audited(&pending, became).await;
    }

    async fn keep(&self) {
        self.service.keep_audit_log(&Keeper::default()).await.expect("the log is kept");
    }

    async fn entries(&self) -> Vec<Entry> {
        let caller = self.service.directory().authenticate(SECRET).expect("a key");
        let mut query = AuditQuery { limit: 7, ..AuditQuery::default() };
        let mut all = Vec::new();
        loop {
            let page = self.service.audit_log(&caller, caller.organization(), &query).await.expect("a page");
            all.extend(page.items);
            query.cursor = page.next_cursor;
            if query.cursor.is_none() {
                return all;
            }
        }
    }
}

#[tokio::test]
async fn the_oldest_entries_go_when_there_are_too_many_or_they_are_too_old() {
    let world = World::new(AuditBounds { days_max: 10, bytes_max: 4_000 }).await;
    world.keep().await;
    for _ in 0..200 {
        world.asks(Ok(())).await;
    }
    let before = world.entries().await;
    assert_eq!(before.len(), 200);
    assert!(before.windows(2).all(|pair| pair[0].at > pair[1].at), "the newest first");
    world.keep().await;
    let after = world.entries().await;
    let bytes: usize = after.iter().map(|entry| audit::encode(entry).len() + ROW_BYTES).sum();
    assert!((3_800..=4_000).contains(&bytes), "as many as fit stay: {bytes}");
    assert_eq!(after[..], before[..after.len()], "and they are the newest");
    // Nothing came, and an hour has not passed: nobody looks.
    world.pass(10 * DAY_MICROS - 60_000_000);
    world.asks(Ok(())).await;
    world.pass(120_000_000);
    world.keep().await;
    assert_eq!(world.entries().await.len(), 1, "the one that is not ten days old");
    let all = audit::rows(OrganizationId::new(1), None, None);
    let held = world.store.scan(&all, ScanLimit::rows(1_000), Direction::Forward);
    let rows = held.await.expect("a scan").rows;
    assert_eq!(rows.len(), 1);
    // A check reads them all.
    let checked = crate::check::run(&*world.store).await.expect("a check");
    assert!(checked.faults.is_empty(), "{:?}", checked.faults);
    let damage = Commit::new().put(rows[0].key.clone(), &b"\x01nonsense"[..]);
    world.store.commit(damage).await.expect("a commit");
    let checked = crate::check::run(&*world.store).await.expect("a check");
    assert!(checked.faults.iter().any(|fault| fault.starts_with("Audit: ")), "{:?}", checked.faults);
}

#[tokio::test]
async fn what_a_key_may_not_do_is_kept_ten_times_a_minute() {
    let world = World::new(AuditBounds::default()).await;
    let forbidden = Error::new(ErrorKind::Forbidden, "permission_missing", "no");
    let wrong = Error::new(ErrorKind::Invalid, "query_invalid", "no");
    for _ in 0..50 {
        world.asks(Err(&forbidden)).await;
        world.asks(Err(&wrong)).await;
    }
    world.asks(Ok(())).await;
    let entries = world.entries().await;
    assert_eq!(entries.len(), 11, "{entries:?}");
    assert_eq!((entries[0].outcome, &entries[0].code), (Outcome::Done, &None));
    assert_eq!((entries[1].outcome, entries[1].code.as_deref()), (Outcome::Refused, Some("permission_missing")));
    world.pass(MINUTE_MICROS);
    world.asks(Err(&forbidden)).await;
    assert_eq!(world.entries().await.len(), 12, "a minute later it goes on");
}
