//! What is written into an event is what its attributes came to when it was taken in, of the profile as it stood right before; whatever is said
//! later, however often it is sent again, and whoever reads it.

#[allow(dead_code, reason = "each test uses its part")]
mod support;

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use support::{WORKSPACE, by, fact, ingest, memory, open, page, read};
use tessera_engine::model::Flags;
use tessera_expr::calendar::Zone;
use tessera_expr::pql;
use tessera_service::Service;
use tessera_service::payload::Payload;
use tessera_service::verdict::Verdict;
use tessera_service::workspace_config::{
    Definition, RuleContent, RuleKind, RuleName, Status, StoredConfig, Target, put_rule,
};

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
