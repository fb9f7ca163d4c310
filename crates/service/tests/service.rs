//! The service over the in-memory store: what goes in by facts comes out by reads.

#[allow(dead_code, reason = "each test uses its part")]
mod support;

use support::{WORKSPACE, by, erase, fact, ingest, memory, open, page, read};
use tessera_engine::policy::IdentityGraph;
use tessera_service::directory::WorkspaceId;
use tessera_service::records::rows::Counts;
use tessera_service::verdict::{Note, Verdict};
use tessera_service::workspace_config::{NamespaceRules, StoredConfig, update_namespace};
use tessera_service::{EventOrder, EventQuery, Fields, Lookup, Return, check};

#[tokio::test]
async fn what_was_written_is_read_by_every_identity() {
    let service = open(&memory()).await;
    let verdicts = ingest(
        &service,
        vec![
            fact("1", "anonymous_id:a !Viewed @1"),
            fact("2", "user_id:ann anonymous_id:a email:Ann@Shop.example city=Paris !Bought @2"),
            fact("3", "user_id:ann city=Lyon @3"),
        ],
    )
    .await;
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Accepted { notes } if notes.is_empty())));
    let profile = read(&service, &by("email", " ann@shop.EXAMPLE ")).await;
    assert_eq!(profile["user_id"], "ann");
    assert_eq!(profile["email"], "ann@shop.example");
    assert_eq!(profile["city"], "Lyon");
    assert_eq!(profile["_audiences"], serde_json::json!({}));
    let id = profile["profile_id"].as_str().expect("an id").to_owned();
    assert_eq!(read(&service, &by("anonymous_id", "a")).await, profile);
    assert_eq!(read(&service, &Lookup::Id(id)).await, profile);
    let events = service.events(WORKSPACE, &by("user_id", "ann"), &page(10)).await.expect("events");
    let names: Vec<_> = events.events.iter().filter_map(|event| event.name.as_deref()).collect();
    assert_eq!(names, ["Bought", "Viewed"]);
    let counts = service.counts(WORKSPACE).await.expect("counts");
    assert_eq!((counts.profiles, counts.identities, counts.events, counts.facts), (1, 3, 2, 3));
}

#[tokio::test]
async fn sending_twice_equals_sending_once_also_after_a_restart() {
    let store = memory();
    let service = open(&store).await;
    let facts = || vec![fact("1", "user_id:ann !Bought @1"), fact("1", "user_id:bob !Bought @1")];
    assert_eq!(ingest(&service, facts()).await[1], Verdict::Duplicate);
    service.close().await;
    let service = open(&store).await;
    assert_eq!(ingest(&service, facts()).await, [Verdict::Duplicate, Verdict::Duplicate]);
    assert_eq!(service.counts(WORKSPACE).await.expect("counts").events, 1);
}

#[tokio::test]
async fn a_shared_device_is_held_and_shown() {
    let service = open(&memory()).await;
    let verdicts = ingest(
        &service,
        vec![fact("1", "user_id:ann anonymous_id:tablet @1"), fact("2", "user_id:bob anonymous_id:tablet @2")],
    )
    .await;
    let Verdict::Accepted { notes } = &verdicts[1] else { panic!("accepted") };
    assert!(matches!(&notes[..], [Note::LinkHeld { rule: "exclusive", won: Some(_), .. }]));
    let graph = service.identities(WORKSPACE, &by("user_id", "bob")).await.expect("a graph");
    assert_eq!((graph.nodes.len(), graph.links.len(), graph.held.len()), (1, 0, 1));
    assert_eq!(graph.held[0].reason, "exclusive");
    assert_eq!(graph.held[0].won.as_ref().map(|[_, user]| &*user.value), Some("tablet"));
}

#[tokio::test]
async fn an_erased_profile_was_never_received() {
    let store = memory();
    let service = open(&store).await;
    ingest(&service, vec![fact("1", "user_id:ann anonymous_id:a city=Paris !Bought @1")]).await;
    let before = service.counts(WORKSPACE).await.expect("counts");
    let receipt = erase(&service, &by("anonymous_id", "a"), Return::Allowed).await.expect("a receipt").removed;
    assert_eq!((receipt.identities, receipt.attributes, receipt.events, receipt.links), (2, 1, 1, 1));
    assert!(service.profile(WORKSPACE, &by("user_id", "ann"), Fields::ALL, None).await.is_err());
    assert_eq!(service.counts(WORKSPACE).await.expect("counts").facts, 0);
    let again = ingest(&service, vec![fact("1", "user_id:ann anonymous_id:a city=Paris !Bought @1")]).await;
    assert!(matches!(again[0], Verdict::Accepted { .. }));
    assert_eq!(service.counts(WORKSPACE).await.expect("counts"), before);
    let events = service.events(WORKSPACE, &by("user_id", "ann"), &page(10)).await.expect("events");
    assert_eq!(events.events.len(), 1);
}

#[tokio::test]
async fn a_purge_that_was_broken_off_goes_on_by_itself() {
    let store = memory();
    let service = open(&store).await;
    service.directory().ensure_bootstrap("operator-secret").await.expect("the workspace is in the directory");
    ingest(&service, vec![fact("1", "user_id:ann !A @1"), fact("2", "user_id:ann !B @2")]).await;
    erase(&service, &by("user_id", "ann"), Return::Allowed).await.expect("a receipt");
    service.close().await;
    let rows = async || check::run(&*store).await.expect("a report").rows;
    let left = rows().await;
    let service = open(&store).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    // Two events and their ids; the row of the node has become that of what is looked for.
    assert_eq!(rows().await, left - 4);
    service.close().await;
}

#[tokio::test]
async fn a_timeline_is_paged_in_either_order_without_gaps() {
    let service = open(&memory()).await;
    let facts = (0..250).map(|at| {
        let who = if at % 3 == 0 { "user_id:ann anonymous_id:a" } else { "anonymous_id:a" };
        fact(&format!("m{at}"), &format!("{who} !E{} @{at}", at % 2))
    });
    ingest(&service, facts.collect()).await;
    let orders = [EventOrder::NewestFirst, EventOrder::OldestFirst];
    for (limit, order) in [1, 7, 100, 1_000].into_iter().flat_map(|limit| orders.map(|order| (limit, order))) {
        let mut query = EventQuery { order, ..page(limit) };
        let mut seen = Vec::new();
        loop {
            let page = service.events(WORKSPACE, &by("anonymous_id", "a"), &query).await.expect("events");
            seen.extend(page.events.iter().map(|event| event.message_id.to_string()));
            query.cursor = page.next_cursor;
            if query.cursor.is_none() {
                break;
            }
        }
        if order == EventOrder::NewestFirst {
            seen.reverse();
        }
        let expected: Vec<_> = (0..250).map(|at| format!("m{at}")).collect();
        assert_eq!(seen, expected, "limit={limit} order={order:?}");
    }
    // A cursor is of one order.
    for (at, order) in orders.into_iter().enumerate() {
        let query = EventQuery { order, ..page(1) };
        let cursor = service.events(WORKSPACE, &by("anonymous_id", "a"), &query).await.expect("events").next_cursor;
        let other = EventQuery { cursor, order: orders[1 - at], ..page(1) };
        let refused = service.events(WORKSPACE, &by("anonymous_id", "a"), &other).await.expect_err("another list");
        assert_eq!(refused.code, "cursor_invalid");
    }
    // A page may begin with an event by the id that it was sent with, whatever its order.
    for (order, expected) in [(EventOrder::OldestFirst, ["m7", "m8"]), (EventOrder::NewestFirst, ["m7", "m6"])] {
        let query = EventQuery { order, from: Some("m7".into()), ..page(2) };
        let page = service.events(WORKSPACE, &by("anonymous_id", "a"), &query).await.expect("events");
        let seen: Vec<&str> = page.events.iter().map(|event| &*event.message_id).collect();
        assert_eq!(seen, expected, "{order:?}");
    }
    let query = EventQuery { from: Some("m999".into()), ..page(2) };
    let refused = service.events(WORKSPACE, &by("anonymous_id", "a"), &query).await.expect_err("no such event");
    assert_eq!(refused.code, "cursor_invalid");
    // One node alone has the events that it owns.
    let query = EventQuery { graph: IdentityGraph::None, ..page(1_000) };
    for (namespace, value, count) in [("user_id", "ann", 84), ("anonymous_id", "a", 166)] {
        let own = service.events(WORKSPACE, &by(namespace, value), &query).await.expect("events");
        assert_eq!(own.events.len(), count, "{namespace}");
    }
    let query = EventQuery { include: vec!["E1".into()], ..page(1_000) };
    let odd = service.events(WORKSPACE, &by("anonymous_id", "a"), &query).await.expect("events");
    assert_eq!(odd.events.len(), 125);
    let query = EventQuery { exclude: vec!["E1".into()], ..page(1_000) };
    let even = service.events(WORKSPACE, &by("anonymous_id", "a"), &query).await.expect("events");
    assert!(even.events.iter().all(|event| event.name.as_deref() == Some("E0")), "{:?}", even.events);
    assert_eq!(even.events.len(), 125);
}

/// A place in a list is sealed for one question; what no cursor can carry is refused.
#[tokio::test]
async fn a_place_is_good_for_its_question() {
    let service = open(&memory()).await;
    let cursor = service.seal_place(WORKSPACE, &["traits", "ann"], b"plan").expect("a cursor");
    assert_eq!(service.open_place(WORKSPACE, &["traits", "ann"], &cursor).expect("a place"), b"plan"[..]);
    let other = WorkspaceId::new(2);
    for (workspace, question) in [
        (WORKSPACE, &["traits", "bob"][..]),
        (WORKSPACE, &["traitsann"]),
        (WORKSPACE, &["traits", "ann", ""]),
        (other, &["traits", "ann"]),
    ] {
        let refused = service.open_place(workspace, question, &cursor).expect_err("another question");
        assert_eq!(refused.code, "cursor_invalid", "{question:?}");
    }
    let refused = service.seal_place(WORKSPACE, &["traits", "ann"], &[0; 1_100]).expect_err("too large");
    assert_eq!(refused.code, "cursor_too_large");
}

#[tokio::test]
async fn a_bad_fact_spares_its_neighbours() {
    let service = open(&memory()).await;
    let verdicts = ingest(
        &service,
        vec![
            fact("1", "user_id:ann !A @1"),
            fact("2", "city=Paris @1"),
            fact("3", "user_id:null !B @2"),
            fact("4", "user_id:ann !C @3"),
        ],
    )
    .await;
    let code = |at: usize| match &verdicts[at] {
        Verdict::Rejected(rejection) => rejection.code,
        Verdict::Accepted { .. } => "accepted",
        Verdict::Duplicate => "duplicate",
        Verdict::Differs => "differs",
    };
    assert_eq!([code(0), code(1), code(2), code(3)], ["accepted", "identity_missing", "identity_unusable", "accepted"]);
}

#[tokio::test]
async fn a_change_of_rules_is_no_damage() {
    let store = memory();
    let service = open(&store).await;
    ingest(
        &service,
        vec![fact("1", "user_id:ann email:a@x.example @1"), fact("2", "user_id:ann email:b@x.example @2")],
    )
    .await;
    assert_eq!(check::run(&*store).await.expect("a report").outdated, 0);
    let fewer = |config: &StoredConfig| {
        let rules = NamespaceRules { limit: Some(1), ..config.namespace("email")?.rules() };
        update_namespace(config, "email", None, rules)
    };
    service.configure(WORKSPACE, fewer).await.expect("other rules");
    service.close().await;
    let report = check::run(&*store).await.expect("a report");
    assert_eq!(report.faults, Vec::<String>::new(), "reached or not, a record is no fault");
}

#[test]
fn counts_never_go_below_nothing() {
    let some = Counts { profiles: 1, identities: 2, events: 3, facts: 4 };
    assert_eq!(some.with(some).without(some), Some(some));
    assert_eq!(some.without(some.with(Counts { facts: 1, ..Counts::default() })), None);
}

#[tokio::test]
async fn what_was_seen_outlives_a_stop() {
    let store = memory();
    let service = open(&store).await;
    ingest(&service, vec![fact("1", "user_id:ann city=Paris !Bought @1")]).await;
    let seen = service.learned(WORKSPACE).await.expect("a summary");
    assert_eq!((seen.seen.len(), seen.overflowed), (2, false));
    service.close().await;
    let service = open(&store).await;
    assert_eq!(service.learned(WORKSPACE).await.expect("a summary"), seen);
    service.close().await;
    assert_eq!(check::run(&*store).await.expect("a report").faults, Vec::<String>::new());
}
