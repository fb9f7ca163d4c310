//! What is written into an event is what its attributes came to when it was taken in, of the profile as it stood right before; whatever is said
//! later, however often it is sent again, and whoever reads it.

#[allow(dead_code, reason = "each test uses its part")]
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Value as Json, json};
use support::{WORKSPACE, by, fact, ingest, key, memory, open, page, purged, read};
use tessera_engine::id::ErasureId;
use tessera_engine::model::Flags;
use tessera_expr::calendar::Zone;
use tessera_expr::pql;
use tessera_service::directives::Order;
use tessera_service::idempotency::Given;
use tessera_service::payload::Payload;
use tessera_service::verdict::{Incoming, NamedIdentity, Verdict};
use tessera_service::workspace_config::{
    Definition, RuleContent, RuleKind, RuleName, Status, StoredConfig, Target, put_rule,
};
use tessera_service::{Extent, Lookup, Return, Service, check};
use tessera_store::{Direction, KeyRange, ScanLimit, Store};

/// What is sent: two words about somebody, and three events.
const SAID: [(&str, &str); 5] = [
    ("t1", "user_id:ann tier=silver @10"),
    ("t2", "user_id:ann tier=gold @20"),
    ("e1", "user_id:ann !Bought @5"),
    ("e2", "user_id:ann !Bought @15"),
    ("e3", "user_id:ann !Bought @30"),
];

async fn put(service: &Service, kind: RuleKind, name: &str, (target, text): (Target, &str)) {
    let expr = pql::parse(text).expect("a rule");
    let definition = match target {
        Target::Profiles => Definition::new(kind, expr, Zone::utc(), None),
        Target::Events => Definition::of_events(expr, Zone::utc()),
    };
    let definition = definition.expect("a rule");
    let content = RuleContent { display_name: None, description: None, definition, is_draft: false };
    let (own, asked) = (RuleName::parse(kind, name).expect("a name"), name);
    let change = move |config: &StoredConfig, at| put_rule(config, kind, &own, content, None, at);
    service.configure_rules(WORKSPACE, change).await.expect("a rule");
    let all = Flags { internal: true, private: true };
    for _ in 0..100_000 {
        let shown = service.stored_rule(WORKSPACE, kind, asked, all).await.expect("a rule");
        if shown.rule.status() == Status::Active {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{name} is not built");
}

async fn rules(service: &Service) {
    put(service, RuleKind::Attribute, "bought", (Target::Profiles, "xEvent[eventType = \"Bought\"].count()")).await;
    put(service, RuleKind::Segment, "golds", (Target::Profiles, "tier = \"gold\"")).await;
    put(service, RuleKind::Attribute, "golden", (Target::Profiles, "xEvent[computed.tier = \"gold\"].count()")).await;
    put(service, RuleKind::Attribute, "tier", (Target::Events, "$1.tier")).await;
    put(service, RuleKind::Attribute, "number", (Target::Events, "$1.bought + 1")).await;
    put(service, RuleKind::Attribute, "is_gold", (Target::Events, "inSegment(\"golds\") and eventType = \"Bought\""))
        .await;
}

/// What stands with each event, by its id.
async fn computed(service: &Service) -> BTreeMap<String, Json> {
    let events = service.events(WORKSPACE, &by("user_id", "ann"), &page(100)).await.expect("a timeline").events;
    let of = |payload: &[u8]| {
        let payload: Payload<'_> = serde_json::from_slice(payload).expect("a payload");
        assert!(payload.uncomputed.is_none(), "all of them have an answer");
        payload.computed.map_or(Json::Null, |json| serde_json::from_str(json.get()).expect("json"))
    };
    events.iter().map(|event| (event.message_id.to_string(), of(&event.payload))).collect()
}

/// The same by a model: what was said before, in the order in which it came.
fn expected(order: &[usize]) -> BTreeMap<String, Json> {
    let (mut tiers, mut bought, mut all) = (BTreeMap::new(), 0, BTreeMap::new());
    for (id, text) in order.iter().map(|at| SAID[*at]) {
        let at: u32 = text.rsplit('@').next().and_then(|at| at.parse().ok()).expect("a time");
        if let Some((_, tier)) = text.split_once("tier=") {
            tiers.insert(at, tier.split(' ').next().expect("a tier"));
            continue;
        }
        let tier = tiers.values().next_back().copied();
        let mut own = json!({ "number": bought + 1, "is_gold": tier == Some("gold") });
        if let Some(tier) = tier {
            own["tier"] = json!(tier);
        }
        all.insert(id.to_owned(), own);
        bought += 1;
    }
    all
}

/// All orders of so many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let Some(last) = count.checked_sub(1) else { return vec![Vec::new()] };
    let with = |order: Vec<usize>| {
        (0..=order.len()).map(move |at| {
            let mut longer = order.clone();
            longer.insert(at, last);
            longer
        })
    };
    orders(last).into_iter().flat_map(with).collect()
}

async fn holds(order: &[usize]) {
    let store = memory();
    let service = open(&store).await;
    rules(&service).await;
    for (id, text) in order.iter().map(|at| SAID[*at]) {
        ingest(&service, vec![fact(id, text)]).await;
    }
    let expected = expected(order);
    assert_eq!(computed(&service).await, expected, "{order:?}");
    // Sent again, in another order, and after something else was said.
    ingest(&service, vec![fact("t3", "user_id:ann email:a@x.example tier=lead @40")]).await;
    let again = ingest(&service, SAID.iter().map(|(id, text)| fact(id, text)).collect()).await;
    assert!(again.iter().all(|verdict| matches!(verdict, Verdict::Duplicate)), "{again:?}");
    assert_eq!(computed(&service).await, expected, "{order:?}");
    // What rules keep of it is what stands there, and a start changes nothing.
    let golden = expected.values().filter(|own| own["tier"] == "gold").count();
    let shown = read(&service, &by("user_id", "ann")).await["golden"].clone();
    assert_eq!(shown, json!(golden), "{order:?}");
    service.close().await;
    let service = open(&store).await;
    assert_eq!(computed(&service).await, expected, "{order:?}");
    service.close().await;
}

#[tokio::test]
async fn events_keep_what_their_attributes_came_to() {
    let orders = orders(SAID.len());
    assert_eq!(orders.len(), 120);
    for order in orders {
        holds(&order).await;
    }
}

/// One write of many facts is the same as many writes.
#[tokio::test]
async fn facts_of_one_write_see_those_before_them() {
    let service = open(&memory()).await;
    rules(&service).await;
    let order = [2, 0, 3, 1, 4];
    ingest(&service, order.iter().map(|at| fact(SAID[*at].0, SAID[*at].1)).collect()).await;
    assert_eq!(computed(&service).await, expected(&order));
    service.close().await;
}

/// An event sees the profile of its owner before it joined anybody.
#[tokio::test]
async fn a_merge_changes_no_event() {
    let service = open(&memory()).await;
    rules(&service).await;
    let said = ["user_id:ann tier=gold @1", "email:a@x.example !Bought @2", "user_id:ann email:a@x.example !Bought @3"];
    for (number, text) in said.iter().enumerate() {
        ingest(&service, vec![fact(&format!("f{number}"), text)]).await;
    }
    let both = computed(&service).await;
    assert_eq!(both["f1"], json!({ "number": 1, "is_gold": false }));
    assert_eq!(both["f2"], json!({ "number": 1, "is_gold": true, "tier": "gold" }));
    service.close().await;
}

/// A fact of another dataset than the usual one, of a named delivery if it is in one.
fn of(dataset: &str, batch: Option<&str>, id: &str, text: &str) -> Incoming {
    let mut sent = fact(id, text);
    if let Ok(own) = &mut sent.fact {
        (own.dataset, own.batch) = (dataset.into(), batch.map(Into::into));
    }
    sent
}

/// What stands with the events of somebody, by their ids: what was computed, and what came to nothing with the reason.
async fn standing(service: &Service, lookup: &Lookup) -> BTreeMap<String, (Json, Json)> {
    let events = service.events(WORKSPACE, lookup, &page(100)).await.expect("a timeline").events;
    let json =
        |part: Option<&RawValue>| part.map_or(Json::Null, |json| serde_json::from_str(json.get()).expect("json"));
    let of = |payload: &[u8]| {
        let payload: Payload<'_> = serde_json::from_slice(payload).expect("a payload");
        (json(payload.computed), json(payload.uncomputed))
    };
    events.iter().map(|event| (event.message_id.to_string(), of(&event.payload))).collect()
}

/// A word about somebody, and of each event its kind.
async fn rules_of_two(service: &Service) {
    put(service, RuleKind::Attribute, "golden", (Target::Profiles, "xEvent[computed.tier = \"auriferous\"].count()"))
        .await;
    put(service, RuleKind::Attribute, "tier", (Target::Events, "$1.tier")).await;
    put(service, RuleKind::Attribute, "kind", (Target::Events, "eventType")).await;
}

/// Two who are one profile: what the one is by the word of the CRM is written into events of the other, who has one of before as well.
async fn two_in_one(service: &Service) {
    rules_of_two(service).await;
    let sent = [
        of("web", None, "before", "email:a@x.example !Bought @1"),
        of("crm", Some("may"), "tier", "user_id:ann tier=auriferous @2"),
        of("crm", Some("june"), "city", "user_id:ann city=Paris @3"),
        of("web", None, "link", "user_id:ann email:a@x.example !Seen @4"),
        of("web", None, "after", "email:a@x.example !Bought @5"),
        of("web", None, "other", "email:b@x.example tier=auriferous @6"),
        of("web", None, "others", "email:b@x.example !Bought @7"),
    ];
    for own in sent {
        ingest(service, vec![own]).await;
    }
    let found = standing(service, &by("email", "a@x.example")).await;
    assert_eq!(found["before"], (json!({ "kind": "Bought" }), Json::Null));
    assert_eq!(found["after"], (json!({ "kind": "Bought", "tier": "auriferous" }), Json::Null));
}

/// What is left of the event that was taken in after both had become one.
fn erased() -> (Json, Json) {
    (json!({ "kind": "Bought" }), json!({ "tier": "erased" }))
}

/// How often a word stands in any row.
async fn count(store: &Arc<dyn Store>, text: &str) -> usize {
    let page = store.scan(&KeyRange::all(), ScanLimit::rows(100_000), Direction::Forward).await.expect("all rows");
    let finds = |bytes: &[u8]| bytes.windows(text.len()).filter(|window| *window == text.as_bytes()).count();
    page.rows.iter().map(|row| finds(&row.value)).sum()
}

/// What was written into the events of others goes with whom it was computed of, wherever these others are by then.
#[tokio::test]
async fn an_erasure_reaches_what_was_written_into_the_events_of_others() {
    for are_parted in [false, true] {
        let store = memory();
        let service = open(&store).await;
        two_in_one(&service).await;
        if are_parted {
            let side = vec![NamedIdentity { namespace: "user_id".into(), value: "ann".into() }];
            service.direct(WORKSPACE, &Order::Separate(side), false, "test", key()).await.expect("they are parted");
            assert_eq!(standing(&service, &by("email", "a@x.example")).await["after"].0["tier"], "auriferous");
        }
        let how = (Extent::Identity, Return::Allowed);
        let receipt = service.erase(WORKSPACE, &by("user_id", "ann"), how, ("test", key())).await.expect("a receipt");
        purged(&service, receipt.id).await;
        let left = standing(&service, &by("email", "a@x.example")).await;
        assert_eq!(left["after"], erased(), "{are_parted}");
        assert_eq!(left["before"], (json!({ "kind": "Bought" }), Json::Null));
        assert_eq!(read(&service, &by("email", "a@x.example")).await["golden"], 0, "{are_parted}");
        // Nobody else loses anything.
        assert_eq!(standing(&service, &by("email", "b@x.example")).await["others"].0["tier"], "auriferous");
        assert_eq!(read(&service, &by("email", "b@x.example")).await["golden"], 1);
        let report = check::run(&*store).await.expect("a report");
        assert_eq!(report.faults, Vec::<String>::new());
        service.close().await;
        let service = open(&store).await;
        assert_eq!(standing(&service, &by("email", "a@x.example")).await["after"], erased());
        service.close().await;
    }
}

/// Nothing of her is in any row once the receipt says so, though somebody else's event had her word.
#[tokio::test]
async fn a_receipt_waits_until_values_are_taken_out() {
    let store = memory();
    let service = open(&store).await;
    rules_of_two(&service).await;
    // The rule that names it.
    let of_rules = count(&store, "auriferous").await;
    two_in_one(&service).await;
    let how = (Extent::Profile, Return::Allowed);
    let other = service.erase(WORKSPACE, &by("email", "b@x.example"), how, ("test", key())).await.expect("a receipt");
    purged(&service, other.id).await;
    assert!(count(&store, "auriferous").await > of_rules);
    let how = (Extent::Identity, Return::Allowed);
    let receipt = service.erase(WORKSPACE, &by("user_id", "ann"), how, ("test", key())).await.expect("a receipt");
    purged(&service, receipt.id).await;
    assert_eq!(count(&store, "auriferous").await, of_rules, "a value outlives its receipt");
    service.close().await;
}

/// The same for a dataset, one delivery of it, and one event.
#[tokio::test]
async fn erasures_of_sources_and_events_reach_what_was_written() {
    for (dataset, batch, is_reached) in
        [("crm", None, true), ("crm", Some("may"), true), ("crm", Some("june"), true), ("erp", None, false)]
    {
        let service = open(&memory()).await;
        two_in_one(&service).await;
        ingest(&service, vec![of("erp", None, "later", "user_id:ann size=12 @8")]).await;
        let asked = service.erase_source(WORKSPACE, dataset, batch, None, key()).await.and_then(Given::now);
        let job = asked.expect("an order");
        let id = ErasureId::from_bytes(*job.id.as_bytes());
        for _ in 0..100_000 {
            if service.erasure(WORKSPACE, &id.to_string()).await.is_ok() {
                break;
            }
            tokio::task::yield_now().await;
        }
        purged(&service, id).await;
        let left = standing(&service, &by("email", "a@x.example")).await;
        let expected =
            if is_reached { erased() } else { (json!({ "kind": "Bought", "tier": "auriferous" }), Json::Null) };
        assert_eq!(left["after"], expected, "{dataset} {batch:?}");
        let golden = read(&service, &by("email", "a@x.example")).await["golden"].clone();
        assert_eq!(golden, if is_reached { json!(0) } else { json!(2) }, "{dataset} {batch:?}");
        service.close().await;
    }
    let service = open(&memory()).await;
    two_in_one(&service).await;
    ingest(&service, vec![of("web", None, "e8", "user_id:ann tier=platinum !Seen @8")]).await;
    ingest(&service, vec![of("web", None, "e9", "email:a@x.example !Bought @9")]).await;
    assert_eq!(standing(&service, &by("email", "a@x.example")).await["e9"].0["tier"], "platinum");
    let receipt = service.erase_event(WORKSPACE, "e8", None, ("test", key())).await.expect("a receipt");
    purged(&service, receipt.id).await;
    let left = standing(&service, &by("email", "a@x.example")).await;
    assert_eq!(left["e9"], erased());
    // What was taken in before it rests on nothing of it.
    assert_eq!(left["after"].0["tier"], "auriferous");
    service.close().await;
}
