//! Identities with very many links: whatever becomes of them is one small commit and steps behind it, whatever the number of links.

#[allow(dead_code, reason = "each test uses its part")]
mod support;

use std::sync::Arc;

use support::{WORKSPACE, by, components, fact, ingest, key, purged, read};
use tessera_engine::fact::{AccountFact, Claim, Strength};
use tessera_engine::id::ErasureId;
use tessera_engine::value::{Path, Value};
use tessera_service::directory::ListQuery;
use tessera_service::erasure::Receipt;
use tessera_service::idempotency::Given;

use tessera_service::verdict::Verdict;
use tessera_service::workspace_config::{NamespaceRules, StoredConfig, update_namespace};
use tessera_service::{Extent, Fields, Return, Service, Settings, check};
use tessera_store::{Limits, MemoryStore, Store};

/// A store that takes a few rows at once: enough for a value to become a hub, which is one commit.
const TINY: Limits = Limits { ops: 128, bytes: 64 << 10, value: 40 << 10, ..Limits::EMBEDDED };

async fn open(limits: Limits) -> (Arc<dyn Store>, Arc<Service>) {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::with_limits(limits));
    let service = Service::open(components(store.clone()), Settings::default()).await.expect("the service opens");
    (store, service)
}

async fn sound(store: &Arc<dyn Store>) {
    let report = check::run(&**store).await.expect("a report");
    assert_eq!(report.faults, Vec::<String>::new());
}

/// A kiosk that so many users have used.
async fn kiosk(service: &Service, users: usize) {
    for first in (0..users).step_by(500) {
        let facts = (first..users.min(first + 500))
            .map(|at| fact(&format!("{at}"), &format!("user_id:user-{at} anonymous_id:kiosk city=Paris !Visited @1")));
        let verdicts = ingest(service, facts.collect()).await;
        assert!(verdicts.iter().all(|own| matches!(own, Verdict::Accepted { .. })));
    }
}

async fn erase_kiosk(service: &Service) -> Receipt {
    let extent = (Extent::Identity, Return::Allowed);
    service.erase(WORKSPACE, &by("anonymous_id", "kiosk"), extent, ("test", key())).await.expect("a receipt")
}

async fn is_there(service: &Service, namespace: &str, value: &str) -> bool {
    service.profile(WORKSPACE, &by(namespace, value), Fields::ALL, None).await.is_ok()
}

/// How many links of a profile do not hold.
async fn held(service: &Service, namespace: &str, value: &str) -> usize {
    service.identities(WORKSPACE, &by(namespace, value)).await.expect("a graph").held.len()
}

async fn erasing_a_hub(limits: Limits, users: usize) {
    let (store, service) = open(limits).await;
    kiosk(&service, users).await;
    let last = format!("user-{}", users - 1);
    assert_eq!(held(&service, "user_id", &last).await, 1);
    let receipt = erase_kiosk(&service).await;
    assert_eq!(receipt.removed.links, users as u64);
    assert!(!is_there(&service, "anonymous_id", "kiosk").await);
    assert_eq!(held(&service, "user_id", &last).await, 0, "what is still to be removed is not told");
    // What comes meanwhile is of another kiosk.
    ingest(&service, vec![fact("again", &format!("user_id:{last} anonymous_id:kiosk !Visited @2"))]).await;
    assert!(is_there(&service, "anonymous_id", "kiosk").await);
    for at in [0, users / 2, users - 1] {
        assert_eq!(read(&service, &by("user_id", &format!("user-{at}"))).await["city"], "Paris");
    }
    assert!(purged(&service, receipt.id).await.purged_at.is_some());
    let counts = service.counts(WORKSPACE).await.expect("counts");
    assert_eq!((counts.profiles, counts.identities, counts.events), (users as u64, users as u64 + 1, users as u64 + 1));
    service.close().await;
    sound(&store).await;
}

#[tokio::test]
async fn a_hub_is_erased_in_a_small_commit() {
    erasing_a_hub(TINY, 200).await;
}

#[tokio::test]
async fn a_hub_of_thousands_is_erased_in_a_small_commit() {
    erasing_a_hub(Limits::EMBEDDED, 8_000).await;
}

/// What was only mentioned with her is not told from the commit that erases her, and goes with the steps behind it.
#[tokio::test]
async fn what_hung_to_the_erased_alone_goes_with_it() {
    let (store, service) = open(Limits::EMBEDDED).await;
    // A record holds a thousand identities; the links to those beyond it are held. A value that others are seen with stays.
    ingest(&service, vec![fact("bob", "user_id:bob email:1650@x.example !Wrote @1")]).await;
    for first in (0..1_700).step_by(100) {
        let facts = first..first + 100;
        let facts = facts.map(|at| fact(&format!("{at}"), &format!("user_id:ann email:{at}@x.example !Wrote @1")));
        ingest(&service, facts.collect()).await;
    }
    // It is nobody's, and there.
    assert!(!is_there(&service, "email", "1600@x.example").await);
    assert_eq!(held(&service, "email", "1600@x.example").await, 1);
    let extent = (Extent::Identity, Return::Allowed);
    let receipt = service.erase(WORKSPACE, &by("user_id", "ann"), extent, ("test", key())).await.expect("a receipt");
    assert_eq!(receipt.removed.links, 1_700);
    for at in [0, 999, 1_000, 1_300, 1_600, 1_699] {
        assert!(!is_there(&service, "email", &format!("{at}@x.example")).await, "{at}");
    }
    assert!(is_there(&service, "email", "1650@x.example").await);
    purged(&service, receipt.id).await;
    let counts = service.counts(WORKSPACE).await.expect("counts");
    assert_eq!((counts.profiles, counts.identities, counts.events), (1, 2, 1));
    service.close().await;
    sound(&store).await;
}

/// Somebody who belonged to more accounts than one command changes is unsaid of all of them.
#[tokio::test]
async fn what_was_said_of_many_accounts_goes_in_steps() {
    let (store, service) = open(TINY).await;
    let accounts: Vec<String> = (0..30).map(|at| format!("account-{at}")).collect();
    for account in &accounts {
        let mut sent = fact(account, "user_id:ann !Joined @1");
        let told = sent.fact.as_mut().expect("a fact");
        let claim =
            Claim { namespace: "group_id".into(), value: account.as_str().into(), strength: Strength::Verified };
        let attributes = vec![(Path::root("size").expect("a name"), Value::text("5"))];
        told.account = Some(AccountFact { claim, attributes });
        ingest(&service, vec![sent]).await;
        assert_eq!(read(&service, &by("group_id", account)).await["size"], "5");
    }
    let extent = (Extent::Profile, Return::Allowed);
    let receipt = service.erase(WORKSPACE, &by("user_id", "ann"), extent, ("test", key())).await.expect("a receipt");
    purged(&service, receipt.id).await;
    for account in &accounts {
        assert_eq!(read(&service, &by("group_id", account)).await.get("size"), None, "{account}");
    }
    service.close().await;
    sound(&store).await;
}

/// A stop between the commit and the steps behind it loses nothing of them.
#[tokio::test]
async fn a_restart_goes_on_with_what_is_to_be_removed() {
    let (store, service) = open(TINY).await;
    kiosk(&service, 100).await;
    let receipt = erase_kiosk(&service).await;
    service.close().await;
    let service = Service::open(components(store.clone()), Settings::default()).await.expect("it opens again");
    assert!(!is_there(&service, "anonymous_id", "kiosk").await);
    assert_eq!(held(&service, "user_id", "user-99").await, 0);
    purged(&service, receipt.id).await;
    service.close().await;
    sound(&store).await;
}

/// The dataset that said all links of a hub is erased, and the value is blocked: each is brought to its record in parts.
#[tokio::test]
async fn a_sweep_does_a_hub_in_parts() {
    let (store, service) = open(TINY).await;
    kiosk(&service, 100).await;
    let blocked = |config: &StoredConfig| {
        let rules = NamespaceRules { blocked: vec!["kiosk".into()], ..config.namespace("anonymous_id")?.rules() };
        update_namespace(config, "anonymous_id", None, rules)
    };
    service.configure(WORKSPACE, blocked).await.expect("a value that identifies nobody");
    let are_blocked = async || {
        for at in 0..100 {
            let graph = service.identities(WORKSPACE, &by("user_id", &format!("user-{at}"))).await.expect("a graph");
            if graph.held.iter().all(|held| held.reason != "blocked") {
                return false;
            }
        }
        true
    };
    let mut looks = 0;
    while !are_blocked().await {
        looks += 1;
        assert!(looks < 10_000, "the sweep ends");
        tokio::task::yield_now().await;
    }
    let asked = service.erase_source(WORKSPACE, "segment", None, None, key()).await.expect("a job");
    let Given::Now(job) = asked else { panic!("nothing was asked before") };
    let id = ErasureId::from_bytes(*job.id.as_bytes());
    for _ in 0..100_000 {
        if service.erasure(WORKSPACE, &id.to_string()).await.is_ok() {
            break;
        }
        tokio::task::yield_now().await;
    }
    purged(&service, id).await;
    let counts = service.counts(WORKSPACE).await.expect("counts");
    assert_eq!((counts.profiles, counts.identities, counts.facts), (0, 0, 0));
    assert_eq!(
        service.erasures(WORKSPACE, &ListQuery { limit: 10, cursor: None }).await.expect("a page").items.len(),
        1
    );
    service.close().await;
    sound(&store).await;
}
