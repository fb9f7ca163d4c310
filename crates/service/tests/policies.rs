//! Merge policies over the in-memory store: which of them a read takes, what it shows, and that a change is seen at once.

#[allow(dead_code, reason = "each test uses its part")]
mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::{Value as Json, json};
use support::{START, WORKSPACE, by, components, fact, ingest, memory, open};
use tessera_engine::policy::{AttributeMerge, Fate, IdentityGraph, MergePolicy, Part, Reason, Rule};
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Path, Value};
use tessera_service::directory::DisplayName;
use tessera_service::error::Error;
use tessera_service::verdict::Incoming;
use tessera_service::workspace_config::{
    PolicyContent, PolicyId, StoredConfig, add_policy, delete_policy, replace_policy, set_default_policy, set_primary,
};
use tessera_service::{Fields, Lookup, Rendered, Service, Settings, check};
use tessera_store::faulty::{Faulty, Plan, Rates};

/// A fact of this dataset; `name=null` removes.
fn of(dataset: &str, id: &str, text: &str) -> Incoming {
    let mut incoming = fact(id, text);
    if let Ok(fact) = &mut incoming.fact {
        fact.dataset = dataset.into();
        for (_, value) in &mut fact.attributes {
            if *value == Value::text("null") {
                *value = Value::Null;
            }
        }
    }
    incoming
}

fn path(text: &str) -> Path {
    Path::parse(text).expect("a path")
}

fn datasets(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn precedence(graph: IdentityGraph, names: &[&str]) -> MergePolicy {
    MergePolicy::new(graph, AttributeMerge::Precedence(datasets(names)), []).expect("a policy")
}

fn content(policy: MergePolicy) -> PolicyContent {
    PolicyContent { name: DisplayName::parse("of a test").expect("a name"), policy }
}

fn now() -> Timestamp {
    Timestamp::from_micros(START).expect("an instant")
}

async fn make(service: &Service, id: &str, policy: MergePolicy) {
    let id = PolicyId::parse(id).expect("an id");
    let change = move |config: &StoredConfig| add_policy(config, id, content(policy), now());
    service.configure(WORKSPACE, change).await.expect("a policy is made");
}

async fn make_default(service: &Service, id: &'static str) {
    let change = move |config: &StoredConfig| set_default_policy(config, id);
    service.configure(WORKSPACE, change).await.expect("another default");
}

async fn rendered(service: &Service, lookup: &Lookup, policy: Option<&str>) -> Result<Rendered, Error> {
    service.profile(WORKSPACE, lookup, Fields::ALL, policy).await
}

async fn seen(service: &Service, lookup: &Lookup, policy: Option<&str>) -> Json {
    let rendered = rendered(service, lookup, policy).await.expect("a profile");
    serde_json::from_slice(&rendered.json).expect("JSON")
}

/// Ann as three datasets know her: the CRM by her number, the web by her browser, the app by both.
fn ann() -> Vec<Incoming> {
    vec![
        of("crm", "1", "user_id:ann city=Paris plan=gold @1"),
        of("web", "2", "anonymous_id:a city=Lyon plan=free theme=dark @2"),
        of("app", "3", "user_id:ann anonymous_id:a city=Nice @3"),
        of("web", "4", "anonymous_id:a theme=null @4"),
    ]
}

#[tokio::test]
async fn each_policy_shows_its_own_view() {
    let service = open(&memory()).await;
    ingest(&service, ann()).await;
    make(&service, "crm-first", precedence(IdentityGraph::Full, &["crm", "web"])).await;
    make(&service, "web-alone", precedence(IdentityGraph::None, &["web"])).await;
    let alone = MergePolicy::new(IdentityGraph::None, AttributeMerge::Newest, []).expect("a policy");
    make(&service, "alone", alone).await;
    let first = MergePolicy::new(IdentityGraph::Full, AttributeMerge::Newest, [(path("city"), Rule::First)]);
    make(&service, "first", first.expect("a policy")).await;

    let (user, browser) = (by("user_id", "ann"), by("anonymous_id", "a"));
    let check = async |lookup: &Lookup, policy: Option<&str>, expected: Json| {
        let profile = seen(&service, lookup, policy).await;
        let part = ["user_id", "anonymous_id", "city", "plan", "theme"].map(|name| profile.get(name).cloned());
        let expected = ["user_id", "anonymous_id", "city", "plan", "theme"].map(|name| expected.get(name).cloned());
        assert_eq!(part, expected, "{policy:?}");
    };
    let both = |city: &str, plan: &str| json!({ "user_id": "ann", "anonymous_id": "a", "city": city, "plan": plan });
    for lookup in [&user, &browser] {
        check(lookup, None, both("Nice", "free")).await;
        check(lookup, Some("default"), both("Nice", "free")).await;
        check(lookup, Some("crm-first"), both("Paris", "gold")).await;
        check(lookup, Some("first"), both("Paris", "free")).await;
    }
    check(&user, Some("alone"), json!({ "user_id": "ann", "city": "Nice", "plan": "gold" })).await;
    check(&browser, Some("alone"), json!({ "anonymous_id": "a", "city": "Lyon", "plan": "free" })).await;
    check(&user, Some("web-alone"), json!({ "user_id": "ann" })).await;
    check(&browser, Some("web-alone"), json!({ "anonymous_id": "a", "city": "Lyon", "plan": "free" })).await;
}

#[tokio::test]
async fn without_graph_a_node_is_called_by_its_own_id() {
    let service = open(&memory()).await;
    ingest(&service, ann()).await;
    let alone = MergePolicy::new(IdentityGraph::None, AttributeMerge::Newest, []).expect("a policy");
    make(&service, "alone", alone).await;
    let graph = service.identities(WORKSPACE, &by("user_id", "ann")).await.expect("a graph");
    assert_eq!(graph.nodes.len(), 2);
    for node in &graph.nodes {
        let id = node.id.to_string();
        let lookup = by(&node.identity.namespace, &node.identity.value);
        assert_eq!(seen(&service, &lookup, Some("alone")).await["profile_id"], id.as_str());
        assert_eq!(seen(&service, &lookup, None).await["profile_id"], graph.profile_id.to_string());
        assert_eq!(seen(&service, &Lookup::Id(id), Some("alone")).await, seen(&service, &lookup, Some("alone")).await);
    }
    service.configure(WORKSPACE, |config| set_primary(config, Some("user_id"))).await.expect("a primary namespace");
    // The one node of the primary namespace is called by its value, the other has none.
    assert_eq!(seen(&service, &by("user_id", "ann"), Some("alone")).await["profile_id"], "ann");
    assert_ne!(seen(&service, &by("anonymous_id", "a"), Some("alone")).await["profile_id"], "ann");
}

#[tokio::test]
async fn a_change_of_policy_is_in_the_next_read_and_moves_the_tag() {
    let service = open(&memory()).await;
    ingest(&service, ann()).await;
    let lookup = by("user_id", "ann");
    let mut tags = Vec::new();
    let mut city = async |policy: Option<&str>| {
        // The second read is answered from the cache, and is the same.
        let [one, two] = [(); 2].map(|()| rendered(&service, &lookup, policy));
        let (one, two) = (one.await.expect("a profile"), two.await.expect("a profile"));
        assert_eq!((&one.json, &one.etag), (&two.json, &two.etag));
        assert!(!tags.contains(&one.etag), "{}", one.etag);
        tags.push(one.etag);
        serde_json::from_slice::<Json>(&one.json).expect("JSON")["city"].as_str().map(str::to_owned)
    };
    assert_eq!(city(None).await.as_deref(), Some("Nice"));
    make(&service, "one", precedence(IdentityGraph::Full, &["crm"])).await;
    assert_eq!(city(Some("one")).await.as_deref(), Some("Paris"));
    assert_eq!(city(None).await.as_deref(), Some("Nice"));
    let web = content(precedence(IdentityGraph::Full, &["web"]));
    service.configure(WORKSPACE, |config| replace_policy(config, "one", web, Some(1), now())).await.expect("version 2");
    assert_eq!(city(Some("one")).await.as_deref(), Some("Lyon"));
    make_default(&service, "one").await;
    assert_eq!(city(None).await.as_deref(), Some("Lyon"));
    assert_eq!(city(Some("default")).await.as_deref(), Some("Nice"));
    make_default(&service, "default").await;
    assert_eq!(city(None).await.as_deref(), Some("Nice"));
    service.configure(WORKSPACE, |config| delete_policy(config, "one")).await.expect("it is deleted");
    let gone = rendered(&service, &lookup, Some("one")).await.map(|_| ()).expect_err("there is no such policy");
    assert_eq!(gone.code, "merge_policy_unknown");
}

#[tokio::test]
async fn the_tag_of_the_default_is_that_of_its_policy() {
    let service = open(&memory()).await;
    ingest(&service, ann()).await;
    let tag = async |policy| rendered(&service, &by("user_id", "ann"), policy).await.expect("a profile").etag;
    assert_eq!(tag(None).await, tag(Some("default")).await);
    make(&service, "one", MergePolicy::default()).await;
    assert_ne!(tag(None).await, tag(Some("one")).await);
}

#[tokio::test]
async fn policies_are_kept_over_a_restart() {
    let store = memory();
    let service = open(&store).await;
    ingest(&service, ann()).await;
    make(&service, "crm", precedence(IdentityGraph::Full, &["crm"])).await;
    make_default(&service, "crm").await;
    let before = service.configuration(WORKSPACE).await.expect("a configuration");
    service.close().await;
    let service = open(&store).await;
    assert_eq!(service.configuration(WORKSPACE).await.expect("a configuration").policies(), before.policies());
    assert_eq!(seen(&service, &by("anonymous_id", "a"), None).await["city"], "Paris");
    // Another part of the configuration changes, and policies stay.
    service.configure(WORKSPACE, |config| set_primary(config, Some("user_id"))).await.expect("a primary namespace");
    service.close().await;
    assert_eq!(check::run(&*store).await.expect("a report").faults, Vec::<String>::new());
    let service = open(&store).await;
    assert_eq!(seen(&service, &by("anonymous_id", "a"), None).await["city"], "Paris");
}

#[tokio::test]
async fn a_change_in_the_midst_of_a_read_leaves_no_old_view_behind() {
    let armed = Arc::new(AtomicBool::new(false));
    let service: Arc<OnceLock<Arc<Service>>> = Arc::default();
    let (gun, changing) = (armed.clone(), service.clone());
    let tear = move |_| {
        let (is_due, service) = (gun.swap(false, Ordering::SeqCst), changing.get().cloned());
        Box::pin(async move {
            if let (true, Some(service)) = (is_due, service) {
                make_default(&service, "crm").await;
            }
        }) as std::pin::Pin<Box<dyn Future<Output = ()> + Send>>
    };
    let plan = Plan { seed: 1, rates: Rates { tear: 1_000, ..Plan::CALM.rates } };
    let store = Arc::new(Faulty::with_tear(memory(), plan, Box::new(tear)));
    let opened = Service::open(components(store), Settings::default()).await.expect("the service opens");
    assert!(service.set(opened.clone()).is_ok());
    ingest(&opened, ann()).await;
    make(&opened, "crm", precedence(IdentityGraph::Full, &["crm"])).await;
    // This read has taken the configuration when it meets the store; whichever of the two it shows, the next shows the new one.
    armed.store(true, Ordering::SeqCst);
    seen(&opened, &by("user_id", "ann"), None).await;
    assert!(!armed.load(Ordering::SeqCst), "the change came in the midst of the read");
    assert_eq!(seen(&opened, &by("user_id", "ann"), None).await["city"], "Paris");
}

#[tokio::test]
async fn an_explanation_names_every_contender_and_why_one_won() {
    let service = open(&memory()).await;
    ingest(&service, ann()).await;
    ingest(&service, vec![of("crm", "5", "user_id:ann user_id=imposter _updated_at=never @5")]).await;
    make(&service, "crm-first", precedence(IdentityGraph::Full, &["crm", "web"])).await;
    let lookup = by("anonymous_id", "a");
    let explain = async |policy, attribute: Option<&str>| {
        let attribute = attribute.map(path);
        service
            .explain(WORKSPACE, &lookup, policy, attribute.as_ref(), Fields::ALL.visibility)
            .await
            .expect("an explanation")
    };
    let all = explain(Some("crm-first"), None).await;
    let profile = seen(&service, &lookup, Some("crm-first")).await;
    assert_eq!((all.policy.as_str(), all.version, all.graph), ("crm-first", 1, IdentityGraph::Full));
    assert_eq!(profile["profile_id"], all.profile_id);
    let paths: Vec<_> = all.attributes.iter().map(|attribute| attribute.path.as_str()).collect();
    assert_eq!(paths, ["_updated_at", "city", "plan", "theme", "user_id"]);
    for attribute in &all.attributes {
        let shown = profile.get(attribute.path.as_str()).cloned();
        match &attribute.fate {
            Fate::Stands { value: Value::Text(text), .. } => {
                assert_eq!(shown == Some(json!(&**text)), !attribute.is_hidden, "{}", attribute.path);
            }
            _ => assert_eq!((shown, attribute.path.as_str()), (None, "theme")),
        }
    }
    let city = explain(Some("crm-first"), Some("city")).await;
    let [city] = &city.attributes[..] else { panic!("one attribute") };
    assert_eq!(city.fate, Fate::Stands { value: Value::text("Paris"), reason: Reason::Precedence });
    let said = city.contenders.iter().map(|own| (&*own.identity.value, &*own.contender.dataset, own.contender.part));
    let expected = [("ann", "app", Part::NotListed), ("a", "web", Part::Lost), ("ann", "crm", Part::Won)];
    assert_eq!(said.collect::<Vec<_>>(), expected);
    let by_default = explain(None, Some("theme")).await;
    assert_eq!(by_default.attributes[0].fate, Fate::Removed { reason: Reason::OnlyOne });
    assert_eq!((by_default.policy.as_str(), by_default.attributes.len()), ("default", 1));
    assert!(explain(None, Some("nothing")).await.attributes.is_empty());
}

#[tokio::test]
async fn an_explanation_is_bounded_and_an_attribute_of_it_is_not_lost() {
    let service = open(&memory()).await;
    // Six datasets that speak of a thousand attributes each.
    for dataset in 0..6 {
        let names: String = (0..999).map(|at| format!(" a{at}=x")).collect();
        ingest(&service, vec![of(&format!("d{dataset}"), &format!("{dataset}"), &format!("user_id:ann{names} @1"))])
            .await;
    }
    let explain = async |attribute: Option<&Path>| {
        service.explain(WORKSPACE, &by("user_id", "ann"), None, attribute, Fields::ALL.visibility).await
    };
    let error = explain(None).await.map(|_| ()).expect_err("5,994 contenders are too many");
    assert_eq!(error.code, "explanation_too_large");
    assert!(error.message.contains("5000"), "{error}");
    assert_eq!(explain(Some(&path("a7"))).await.expect("an explanation").attributes[0].contenders.len(), 6);
    let unknown =
        service.explain(WORKSPACE, &by("user_id", "ann"), Some("none"), None, Fields::ALL.visibility).await.map(|_| ());
    assert_eq!(unknown.expect_err("there is no such policy").code, "merge_policy_unknown");
}
