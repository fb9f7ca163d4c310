//! Erasures from the service outward: what is gone at once, what goes later, who is let in no more, and what stays.

#[allow(dead_code, reason = "each test uses its part")]
mod support;

use std::sync::Arc;

use bytes::Bytes;
use support::{WORKSPACE, by, erase, fact, ingest, key, memory, open, page, purged, read};
use tessera_engine::decide::Notice;
use tessera_engine::fact::Fact;
use tessera_engine::id::ErasureId;
use tessera_engine::prepare::Rejection;
use tessera_service::directory::ListQuery;
use tessera_service::erasure::{Kind, Receipt, Removed};
use tessera_service::error::{Error, ErrorKind};
use tessera_service::idempotency::Given;
use tessera_service::idempotency::{self, IdempotencyKey, Request, RequestHash};
use tessera_service::quarantine;
use tessera_service::verdict::{Incoming, Note, Verdict};
use tessera_service::workspace_config::{ErasureRules, set_erasure_rules};
use tessera_service::{ErasureState, Extent, Fields, Return, Service, check, feed};
use tessera_store::faulty::{Faulty, Plan, WriteFault};
use tessera_store::{Direction, KeyRange, ScanLimit, Seq, Shard, Store};

/// A fact that its door refused, with what was sent.
fn refused(raw: &str) -> Incoming {
    let fact = Err(Rejection::new("record_invalid", "for a test"));
    Incoming { fact, raw: Bytes::copy_from_slice(raw.as_bytes()), notes: Vec::new() }
}

/// Keeps an answer for an idempotency key.
async fn answer(service: &Service, name: &str, body: &str) {
    let key_of_request = IdempotencyKey::parse(name).expect("printable");
    let hash = RequestHash::of("POST", "/v1/records", name.as_bytes());
    let request = Request { workspace: WORKSPACE, caller: key(), key: key_of_request, hash };
    let body = Bytes::copy_from_slice(body.as_bytes());
    let reply = idempotency::Reply::new(200, body).expect("a reply");
    idempotency::keep(&**service.store(), &request, reply, service.now()).await.expect("kept");
}

async fn entries(service: &Service) -> usize {
    let query = quarantine::Query { limit: 100, ..quarantine::Query::default() };
    service.quarantine().list(WORKSPACE, &query).await.expect("a page").entries.len()
}

async fn state(service: &Service) -> (u64, u64) {
    let ErasureState { waiting_events, suppressed } = service.erasure_state(WORKSPACE).await.expect("a state");
    (waiting_events, suppressed)
}

/// Whether these bytes stand in any key, value or row of the feed.
async fn holds(store: &Arc<dyn Store>, text: &str) -> bool {
    let finds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let mut rest = Some(KeyRange::all());
    while let Some(range) = rest {
        let page = store.scan(&range, ScanLimit::rows(500), Direction::Forward).await.expect("a page");
        if page.rows.iter().any(|row| finds(row.key.as_bytes()) || finds(&row.value)) {
            return true;
        }
        rest = page.next;
    }
    store.log(Shard::ZERO, Seq(0), 10_000).await.expect("a log").iter().any(|row| finds(&row.payload))
}

async fn sound(store: &Arc<dyn Store>) {
    let report = check::run(&**store).await.expect("a report");
    assert_eq!(report.faults, Vec::<String>::new());
}

/// Ann with a device, attributes and events, and her traces in the quarantine and in kept answers; and Bob with the like.
async fn fill(service: &Service) {
    let facts = vec![
        fact("ann-1", "user_id:annabel anonymous_id:tablet email:annabel@shop.example city=Parisian !Bought @1"),
        fact("ann-2", "user_id:annabel city=Lyonnais !Bought @2"),
        fact("ann-3", "user_id:annabel colour=turquoise @3"),
        fact("bob-1", "user_id:robert city=Berliner !Bought @1"),
        refused(r#"{"delivery":{"email":" ANNABEL@shop.example","note":"her secret"}}"#),
        refused("annabel, and no JSON: her secret"),
        refused(r#"{"delivery":{"user_id":"robert"}}"#),
    ];
    ingest(service, facts).await;
    answer(service, "upload-1", r#"{"profile":{"user_id":"annabel","note":"her secret"}}"#).await;
    answer(service, "upload-2", r#"{"profile":{"user_id":"robert"}}"#).await;
}

const ANN: [&str; 8] = ["annabel", "ANNABEL", "tablet", "Parisian", "Lyonnais", "turquoise", "her secret", "ann-1"];

#[tokio::test]
async fn the_purge_leaves_nothing_of_whom_it_is_for_and_everything_of_others() {
    let store = memory();
    let service = open(&store).await;
    fill(&service).await;
    let profile = read(&service, &by("user_id", "annabel")).await["profile_id"].clone();
    let receipt = erase(&service, &by("email", "annabel@shop.example"), Return::Refused).await.expect("a receipt");
    assert!(matches!(receipt.kind, Kind::Profile(own) if own.to_string() == profile));
    let removed = Removed { identities: 3, attributes: 2, links: 2, events: 2, ..Removed::default() };
    assert_eq!((receipt.removed, receipt.suppressed, receipt.purged_at), (removed, true, None));
    assert_eq!(service.erasure(WORKSPACE, &receipt.id.to_string()).await.expect("it stands"), receipt);
    assert!(holds(&store, "her secret").await);

    let after = purged(&service, receipt.id).await;
    assert_eq!(after.removed, Removed { quarantined: 2, replies: 1, ..removed });
    assert!(after.purged_at > Some(after.at));
    for text in ANN {
        assert!(!holds(&store, text).await, "{text}");
    }
    assert!(holds(&store, "robert").await);
    assert_eq!(entries(&service).await, 1);
    assert_eq!(state(&service).await, (0, 3));
    sound(&store).await;
    service.close().await;
    // Nothing of what stays has to be looked at again.
    let service = open(&store).await;
    assert_eq!(purged(&service, receipt.id).await, after);
    assert_eq!(read(&service, &by("user_id", "robert")).await["city"], "Berliner");
}

#[tokio::test]
async fn who_is_suppressed_is_refused_and_kept_nowhere_until_let_in() {
    let store = memory();
    let service = open(&store).await;
    fill(&service).await;
    erase(&service, &by("user_id", "annabel"), Return::Refused).await.expect("a receipt");
    let before = entries(&service).await;
    for text in ["user_id:annabel !New @9", "email:Annabel@Shop.example anonymous_id:phone !New @9"] {
        let verdicts = ingest(&service, vec![fact("re", text)]).await;
        let [Verdict::Rejected(rejection)] = &verdicts[..] else { panic!("expected a refusal, found {verdicts:?}") };
        assert_eq!(rejection.code, "identity_suppressed");
    }
    assert_eq!(entries(&service).await, before);
    assert!(service.profile(WORKSPACE, &by("user_id", "annabel"), Fields::ALL, None).await.is_err());

    let is_suppressed =
        async |value: &str| service.is_suppressed(WORKSPACE, "user_id", value).await.expect("an answer");
    assert!(is_suppressed(" annabel").await);
    assert!(!is_suppressed("robert").await);
    service.let_in(WORKSPACE, "user_id", "annabel").await.expect("let in");
    assert!(!is_suppressed("annabel").await);
    assert_eq!(state(&service).await.1, 2);
    let error = service.let_in(WORKSPACE, "user_id", "annabel").await.expect_err("not suppressed any more");
    assert_eq!((error.kind, error.code), (ErrorKind::NotFound, "suppression_not_found"));
    let verdicts = ingest(&service, vec![fact("re", "user_id:annabel !New @9")]).await;
    assert!(matches!(verdicts[0], Verdict::Accepted { .. }), "{verdicts:?}");
    sound(&store).await;
    service.close().await;

    let service = open(&store).await;
    let verdicts = ingest(&service, vec![fact("re-2", "email:annabel@shop.example !New @9")]).await;
    assert!(matches!(&verdicts[..], [Verdict::Rejected(own)] if own.code == "identity_suppressed"), "{verdicts:?}");
}

/// Who shared a device or an address with somebody is heard, and nothing of her is kept.
#[tokio::test]
async fn who_is_suppressed_is_left_out_of_what_others_say() {
    let store = memory();
    let service = open(&store).await;
    ingest(&service, vec![fact("1", "user_id:annabel anonymous_id:tablet email:annabel@shop.example !A @1")]).await;
    let receipt = erase(&service, &by("user_id", "annabel"), Return::Refused).await.expect("a receipt");
    let mut sent =
        fact("2", "user_id:robert anonymous_id:tablet email:Annabel@Shop.example mail=annabel@shop.example !B @2");
    if let Ok(Fact { call: Some(call), .. }) = &mut sent.fact {
        let payload = r#"{"properties":{"to":"Annabel@shop.example","total":5},"context":{"device":{"id":"tablet"}}}"#;
        call.payload = Bytes::from_static(payload.as_bytes());
    }
    let verdicts = ingest(&service, vec![sent]).await;
    let ignored = |namespace: &str| Note::IdentityIgnored { namespace: namespace.into(), code: "identity_suppressed" };
    let expected = Verdict::Accepted { notes: vec![ignored("anonymous_id"), ignored("email")] };
    assert_eq!(verdicts, [expected]);
    let view = read(&service, &by("user_id", "robert")).await;
    assert!(view.get("mail").is_none() && view.get("email").is_none(), "{view}");
    purged(&service, receipt.id).await;
    assert!(holds(&store, "robert").await && holds(&store, "total").await);
    for text in ["annabel", "Annabel", "tablet"] {
        assert!(!holds(&store, text).await, "{text}");
    }
    sound(&store).await;
}

#[tokio::test]
async fn what_was_refused_for_another_reason_is_kept_only_if_it_names_nobody_who_is_suppressed() {
    let store = memory();
    let service = open(&store).await;
    fill(&service).await;
    let many: Vec<String> = (0..2_001).map(|at| format!("\"word{at}\"")).collect();
    let many = format!("[{}]", many.join(","));
    let raws = [
        (r#"{"user_id":"robert","n":1}"#, true),
        (r#"{"note":"annabel was here"}"#, true),
        (r#"{"user_id":" annabel "}"#, false),
        (r#"{"deep":[{"mail":"ANNABEL@Shop.example"}]}"#, false),
        (r#"{"annabel":1}"#, false),
        (&*many, false),
        ("annabel, and no json", false),
    ];
    let before = entries(&service).await;
    let ingested = ingest(&service, raws.iter().map(|(raw, _)| refused(raw)).collect()).await;
    assert_eq!(ingested.len(), entries(&service).await - before, "all is kept while nobody is suppressed");
    erase(&service, &by("user_id", "annabel"), Return::Refused).await.expect("a receipt");
    for (raw, is_kept) in raws {
        let before = entries(&service).await;
        let verdicts = ingest(&service, vec![refused(raw)]).await;
        assert!(matches!(&verdicts[..], [Verdict::Rejected(own)] if own.code == "record_invalid"), "{verdicts:?}");
        assert_eq!(entries(&service).await - before, usize::from(is_kept), "{raw}");
    }
}

#[tokio::test]
async fn within_one_write_order_decides_who_is_suppressed() {
    let service = open(&memory()).await;
    ingest(&service, vec![fact("1", "user_id:annabel !A @1")]).await;
    let (lookup, erasing) = (by("user_id", "annabel"), Return::Refused);
    let (erased, sent) =
        tokio::join!(erase(&service, &lookup, erasing), ingest(&service, vec![fact("2", "user_id:annabel !B @2")]));
    erased.expect("a receipt");
    let [Verdict::Rejected(rejection)] = &sent[..] else { panic!("expected a refusal, found {sent:?}") };
    assert_eq!(rejection.code, "identity_suppressed");
}

#[tokio::test]
async fn what_stood_in_the_quarantine_is_not_kept_when_it_is_sent_again() {
    let service = open(&memory()).await;
    ingest(&service, vec![fact("1", "user_id:annabel !A @1"), refused("user_id:annabel !B @2")]).await;
    erase(&service, &by("user_id", "annabel"), Return::Refused).await.expect("a receipt");
    let query = quarantine::Query { limit: 100, ..quarantine::Query::default() };
    let entry = service.quarantine().list(WORKSPACE, &query).await.expect("a page").entries.remove(0);
    let again = service.ingest_again(WORKSPACE, &entry, fact("2", "user_id:annabel !B @2"), "test").await;
    assert!(matches!(again.expect("a verdict"), Verdict::Rejected(own) if own.code == "identity_suppressed"));
    assert_eq!(entries(&service).await, 0);
}

#[tokio::test]
async fn without_suppression_what_came_later_stays() {
    let store = memory();
    let service = open(&store).await;
    fill(&service).await;
    let receipt = erase(&service, &by("user_id", "annabel"), Return::Allowed).await.expect("a receipt");
    let later =
        vec![refused(r#"{"user_id":"annabel","later":1}"#), fact("ann-1", "user_id:annabel city=Nantes !Bought @4")];
    assert!(matches!(ingest(&service, later).await[1], Verdict::Accepted { .. }));
    answer(&service, "upload-3", r#"{"user_id":"annabel"}"#).await;
    let after = purged(&service, receipt.id).await;
    assert_eq!((after.removed.quarantined, after.removed.replies, after.suppressed), (2, 1, false));
    assert_eq!(entries(&service).await, 2);
    assert_eq!(read(&service, &by("user_id", "annabel")).await["city"], "Nantes");
    let events = service.events(WORKSPACE, &by("user_id", "annabel"), &page(10)).await.expect("events");
    assert_eq!(events.events.len(), 1);
    // The id that was sent again is that of the later fact.
    assert_eq!(ingest(&service, vec![fact("ann-1", "user_id:annabel !Bought @4")]).await, [Verdict::Duplicate]);
    sound(&store).await;
}

#[tokio::test]
async fn one_identity_goes_alone() {
    let store = memory();
    let service = open(&store).await;
    fill(&service).await;
    let extent = (Extent::Identity, Return::Refused);
    let receipt = service.erase(WORKSPACE, &by("anonymous_id", "tablet"), extent, ("test", key())).await;
    let receipt = receipt.expect("a receipt");
    let removed = Removed { identities: 1, links: 1, ..Removed::default() };
    assert_eq!(receipt.removed, removed);
    assert!(matches!(receipt.kind, Kind::Identity(_)));
    assert!(service.profile(WORKSPACE, &by("anonymous_id", "tablet"), Fields::ALL, None).await.is_err());
    assert_eq!(read(&service, &by("email", "annabel@shop.example")).await["city"], "Lyonnais");
    purged(&service, receipt.id).await;
    sound(&store).await;
}

#[tokio::test]
async fn one_event_goes_alone() {
    let store = memory();
    let service = open(&store).await;
    fill(&service).await;
    let receipt = service.erase_event(WORKSPACE, "ann-2", None, ("test", key())).await.expect("a receipt");
    let removed = Removed { events: 1, attributes: 1, ..Removed::default() };
    assert_eq!((receipt.removed, receipt.suppressed), (removed, false));
    assert!(matches!(receipt.kind, Kind::Event(_)));
    let events = service.events(WORKSPACE, &by("user_id", "annabel"), &page(10)).await.expect("events");
    let ids: Vec<&str> = events.events.iter().map(|event| &*event.message_id).collect();
    assert_eq!(ids, ["ann-1"]);
    assert_eq!(state(&service).await, (0, 0));
    purged(&service, receipt.id).await;
    assert!(!holds(&store, "Lyonnais").await);
    sound(&store).await;
    for id in ["ann-2", "never-sent", "ann-3", ""] {
        let error = service.erase_event(WORKSPACE, id, None, ("test", key())).await.expect_err("no event");
        assert_eq!((error.kind, error.code), (ErrorKind::NotFound, "event_not_found"), "{id}");
    }
}

#[tokio::test]
async fn the_feed_tells_ids_and_nothing_else() {
    let store = memory();
    let service = open(&store).await;
    fill(&service).await;
    let receipt = erase(&service, &by("user_id", "annabel"), Return::Refused).await.expect("a receipt");
    let rows = store.log(Shard::ZERO, Seq(0), 1_000).await.expect("a log");
    let last = feed::decode(&rows.last().expect("a row").payload).expect("a row of the feed");
    let Kind::Profile(profile) = receipt.kind else { panic!("a profile was erased") };
    assert_eq!(last.notices, [Notice::ProfileErased(profile)]);
}

#[tokio::test]
async fn receipts_are_listed_newest_first_in_pages() {
    let service = open(&memory()).await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ingest(&service, vec![fact(&format!("{number}"), &format!("user_id:person-{number} !A @1"))]).await;
        let lookup = by("user_id", &format!("person-{number}"));
        ids.push(erase(&service, &lookup, Return::Allowed).await.expect("a receipt").id);
    }
    ids.reverse();
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = service.erasures(WORKSPACE, &ListQuery { limit: 2, cursor }).await.expect("a page");
        assert!(page.items.len() <= 2);
        found.extend(page.items.iter().map(|receipt| receipt.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, ids);
    let code = async |query: ListQuery| service.erasures(WORKSPACE, &query).await.expect_err("refused").code;
    assert_eq!(code(ListQuery { limit: 0, cursor: None }).await, "limit_invalid");
    assert_eq!(code(ListQuery { limit: 1, cursor: Some("AAAA".into()) }).await, "cursor_invalid");
    for id in ["000000000000000000000000", "nonsense"] {
        assert_eq!(service.erasure(WORKSPACE, id).await.expect_err("none").code, "erasure_not_found");
    }
}

#[tokio::test]
async fn waiting_events_are_bounded_where_that_is_set_and_never_for_privacy() {
    let below = memory();
    let faulty = Faulty::new(below.clone(), Plan::CALM);
    let store: Arc<dyn Store> = Arc::new(faulty.clone());
    let service = open(&store).await;
    let set = |max| move |config: &_| set_erasure_rules(config, ErasureRules { waiting_events_max: max });
    service.configure(WORKSPACE, set(Some(3))).await.expect("a configuration");
    for person in ["ann", "bob", "cleo", "dora"] {
        let facts = (0..2).map(|at| fact(&format!("{person}-{at}"), &format!("user_id:{person} !A @{at}")));
        ingest(&service, facts.collect()).await;
    }
    ingest(&service, vec![fact("eve", "user_id:eve city=Paris @1")]).await;
    let erase = async |person: &str, back| erase(&service, &by("user_id", person), back).await;
    let refused = |outcome: Result<Receipt, Error>| {
        let error = outcome.expect_err("too many wait");
        assert_eq!(
            (error.kind, error.code, error.retry_after_secs),
            (ErrorKind::Throttled, "erasures_waiting", Some(60))
        );
        assert!(error.message.contains("more than 3 erased events"), "{}", error.message);
    };
    erase("ann", Return::Allowed).await.expect("two wait");
    // All four at once, so that the purge cannot come between.
    let (bob, cleo, dora, eve) = tokio::join!(
        erase("bob", Return::Allowed),
        erase("cleo", Return::Refused),
        erase("dora", Return::Allowed),
        erase("eve", Return::Allowed),
    );
    refused(bob);
    cleo.expect("privacy waits for nobody");
    refused(dora);
    eve.expect("it has no events");
    assert_eq!(read(&service, &by("user_id", "bob")).await["user_id"], "bob");
    sound(&store).await;

    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(state(&service).await.0, 0);
    erase("bob", Return::Allowed).await.expect("nothing waits any more");
    service.configure(WORKSPACE, set(Some(1))).await.expect("a configuration");
    refused_of_one(erase("dora", Return::Allowed).await);
    service.configure(WORKSPACE, set(None)).await.expect("a configuration");
    erase("dora", Return::Allowed).await.expect("there is no bound");
}

fn refused_of_one(outcome: Result<Receipt, Error>) {
    assert_eq!(outcome.expect_err("too many wait").code, "erasures_waiting");
}

/// Erases and purges while the `at`th write from the erasure on meets this fault, and answers whether there was one.
async fn interrupted(at: usize, fault: WriteFault) -> bool {
    let below = memory();
    let faulty = Faulty::new(below.clone(), Plan::CALM);
    let store: Arc<dyn Store> = Arc::new(faulty.clone());
    let service = open(&store).await;
    service.directory().ensure_bootstrap("operator-secret").await.expect("the workspace is in the directory");
    fill(&service).await;
    (0..at).for_each(|_| faulty.script_write(None));
    faulty.script_write(Some(fault.clone()));
    let id = loop {
        match erase(&service, &by("user_id", "annabel"), Return::Refused).await {
            Ok(receipt) => break receipt.id,
            // It may have happened all the same; then it stands in the list.
            Err(_) => {
                if let Some(receipt) = one_receipt(&service).await {
                    break receipt;
                }
            }
        }
    };
    service.purge_soon(WORKSPACE);
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    // The process ends, wherever it was, and another one takes over.
    service.close().await;
    let service = open(&store).await;
    let receipt = purged(&service, id).await;
    let removed = Removed { identities: 3, attributes: 2, links: 2, events: 2, quarantined: 2, replies: 1 };
    assert_eq!(receipt.removed, removed, "at={at} fault={fault:?}");
    for text in ANN {
        assert!(!holds(&below, text).await, "at={at} fault={fault:?} {text}");
    }
    assert_eq!(state(&service).await, (0, 3), "at={at} fault={fault:?}");
    sound(&below).await;
    service.close().await;
    faulty.injected() > 0
}

async fn one_receipt(service: &Service) -> Option<ErasureId> {
    let page = service.erasures(WORKSPACE, &ListQuery { limit: 10, cursor: None }).await.expect("a page");
    assert!(page.items.len() <= 1);
    page.items.first().map(|receipt| receipt.id)
}

#[tokio::test]
async fn a_purge_that_is_broken_off_at_any_step_ends_right() {
    let faults = [WriteFault::Unavailable, WriteFault::AmbiguousDone, WriteFault::AmbiguousLost, WriteFault::Conflict];
    for fault in faults {
        let mut met = 0;
        for at in 0..24 {
            met += usize::from(interrupted(at, fault.clone()).await);
        }
        assert!(met >= 6, "{fault:?} came up {met} times: an erasure and its purge are more writes than that");
    }
}

#[tokio::test]
async fn erasures_go_on_where_the_disk_is_full() {
    let below = memory();
    let faulty = Faulty::new(below.clone(), Plan::CALM);
    let store: Arc<dyn Store> = Arc::new(faulty.clone());
    let service = open(&store).await;
    fill(&service).await;
    faulty.fill_disk();
    let refused = service.ingest(WORKSPACE, vec![fact("new", "user_id:new city=Roma @3")], "test", key()).await;
    assert_eq!(refused.map_err(|error| error.code), Err("disk_full"));
    assert_eq!(service.readiness().writes.map_err(|error| error.code), Err("disk_full"));
    assert!(service.readiness().reads.is_ok());
    let person = erase(&service, &by("email", "annabel@shop.example"), Return::Refused).await.expect("a receipt");
    assert!(service.profile(WORKSPACE, &by("user_id", "annabel"), Fields::ALL, None).await.is_err());
    let asked = service.erase_source(WORKSPACE, "segment", None, None, key()).await.expect("a job");
    let Given::Now(job) = asked else { panic!("nothing was asked before") };
    let dataset = ErasureId::from_bytes(*job.id.as_bytes());
    // The rows go without any more room; rewriting the files takes some.
    for _ in 0..10_000 {
        if service.erasure(WORKSPACE, &dataset.to_string()).await.is_ok() {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(service.erasure(WORKSPACE, &dataset.to_string()).await.expect("its job ended").removed.events, 1);
    faulty.free_disk();
    for id in [person.id, dataset] {
        purged(&service, id).await;
    }
    for text in ANN.into_iter().chain(["Berliner"]) {
        assert!(!holds(&below, text).await, "{text}");
    }
    service.close().await;
    sound(&below).await;
}

#[tokio::test]
async fn an_erased_dataset_has_a_receipt_under_the_id_of_its_job() {
    let store = memory();
    let service = open(&store).await;
    fill(&service).await;
    let asked = service.erase_source(WORKSPACE, "segment", None, None, key()).await.expect("a job");
    let Given::Now(job) = asked else { panic!("nothing was asked before") };
    let id = ErasureId::from_bytes(*job.id.as_bytes());
    for _ in 0..10_000 {
        if service.erasure(WORKSPACE, &id.to_string()).await.is_ok() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let receipt = purged(&service, id).await;
    assert_eq!(receipt.kind, Kind::Source { dataset: "segment".into(), batch: None });
    assert_eq!((receipt.removed.events, receipt.by, receipt.suppressed), (3, Some(key()), false));
    for text in ["Parisian", "Berliner", "Lyonnais"] {
        assert!(!holds(&store, text).await, "{text}");
    }
    service.close().await;
    sound(&store).await;
}
