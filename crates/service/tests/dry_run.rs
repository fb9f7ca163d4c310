//! The law of dry runs: what one says a change of identity rules would do is what the change does, told by reads alone.

#[allow(dead_code, reason = "each test uses its part")]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use support::{WORKSPACE, by, fact, ingest, memory, open};
use tessera_engine::id::NodeId;
use tessera_service::dry_run::{DryRun, RECORDS_MAX};
use tessera_service::error::Error;
use tessera_service::verdict::NamedIdentity;
use tessera_service::workspace_config::{LimitOverrides, NamespaceRules, StoredConfig, set_limits, update_namespace};
use tessera_service::{Lookup, Service};

/// Numbers that look like chance and are not.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A change of identity rules, as data.
#[derive(Debug, Clone)]
enum Change {
    Rules { namespace: &'static str, limit: Option<u32>, exclusive: bool, blocked: Vec<String> },
    HubLinks(u32),
    ProfileIdentities(u32),
}

impl Change {
    fn draw(draw: &mut Draw) -> Self {
        let namespace = ["user_id", "email", "anonymous_id"][draw.below(3) as usize];
        match draw.below(6) {
            0 => Self::HubLinks(1 + draw.below(3) as u32),
            1 => Self::ProfileIdentities(1 + draw.below(5) as u32),
            2 => {
                Self::Rules { namespace, limit: Some(1 + draw.below(3) as u32), exclusive: false, blocked: Vec::new() }
            }
            3 => {
                Self::Rules { namespace, limit: None, exclusive: false, blocked: vec![value(namespace, draw.below(6))] }
            }
            // What was exclusive is so no more: whoever was held apart becomes one.
            4 => Self::Rules { namespace: "user_id", limit: None, exclusive: false, blocked: Vec::new() },
            _ => Self::Rules { namespace: "user_id", limit: None, exclusive: true, blocked: Vec::new() },
        }
    }

    fn apply(&self, config: &StoredConfig) -> Result<StoredConfig, Error> {
        let none = LimitOverrides {
            profile_identities_max: None,
            hub_links_max: None,
            future_secs_max: None,
            fact_identities_max: None,
            fact_attributes_max: None,
        };
        match self {
            Self::HubLinks(own) => set_limits(config, LimitOverrides { hub_links_max: Some(*own), ..none }),
            Self::ProfileIdentities(own) => {
                set_limits(config, LimitOverrides { profile_identities_max: Some(*own), ..none })
            }
            Self::Rules { namespace, limit, exclusive, blocked } => {
                let priority = match *namespace {
                    "user_id" => 1_000,
                    "email" => 800,
                    _ => 100,
                };
                let (blocked, patterns) = (blocked.clone(), Vec::new());
                let rules = NamespaceRules { priority, exclusive: *exclusive, limit: *limit, blocked, patterns };
                update_namespace(config, namespace, None, rules)
            }
        }
    }
}

fn value(namespace: &str, at: u64) -> String {
    if namespace == "email" { format!("e{at}@shop.example") } else { format!("{}{at}", &namespace[..1]) }
}

/// The node of each identity.
async fn nodes(service: &Service, identities: &BTreeSet<(String, String)>) -> BTreeSet<NodeId> {
    let mut found = BTreeSet::new();
    for (namespace, value) in identities {
        if let Ok(graph) = service.identities(WORKSPACE, &by(namespace, value)).await {
            found.extend(graph.nodes.iter().map(|node| node.id));
        }
    }
    found
}

/// For each node the profile that a read finds by it: a value that is blocked finds nobody, and its node is still there.
async fn read(service: &Service, nodes: &BTreeSet<NodeId>) -> BTreeMap<NodeId, NodeId> {
    let mut found = BTreeMap::new();
    for node in nodes {
        let graph = service.identities(WORKSPACE, &Lookup::Node(*node)).await.expect("a profile");
        found.insert(*node, graph.profile_id);
    }
    found
}

/// How many come together with others and how many are parted, from reads before and after.
fn counted(before: &BTreeMap<NodeId, NodeId>, after: &BTreeMap<NodeId, NodeId>) -> (usize, usize) {
    let (mut forth, mut back) = (BTreeMap::new(), BTreeMap::new());
    for (identity, own) in before {
        let Some(next) = after.get(identity) else { continue };
        forth.entry(own).or_insert_with(BTreeSet::new).insert(next);
        back.entry(next).or_insert_with(BTreeSet::new).insert(own);
    }
    let merged: BTreeSet<&&NodeId> = back.values().filter(|own| own.len() > 1).flatten().collect();
    (merged.len(), forth.values().filter(|own| own.len() > 1).count())
}

async fn recluster_ends(service: &Service) {
    let query = tessera_service::jobs::Query { limit: 100, ..Default::default() };
    for listed in service.jobs().list(WORKSPACE, &query).await.expect("jobs").jobs {
        let Some(job) = listed.job() else { continue };
        let mut watch = service.jobs().watch(WORKSPACE, job.id).await.expect("a job");
        while watch.next().await.is_some() {}
    }
}

#[tokio::test]
async fn what_is_said_before_is_what_is_so_after() {
    let (mut merges, mut splits) = (0, 0);
    for seed in 0..60 {
        let mut draw = Draw(seed * 7_919 + 1);
        let service = open(&memory()).await;
        let mut identities = BTreeSet::new();
        let mut facts = Vec::new();
        for at in 0..4 + draw.below(20) {
            let mut text = String::new();
            for namespace in ["user_id", "email", "anonymous_id"] {
                if draw.below(3) > 0 {
                    let value = value(namespace, draw.below(6));
                    text += &format!("{namespace}:{value} ");
                    identities.insert((namespace.to_owned(), value));
                }
            }
            facts.push(fact(&format!("f{at}"), &format!("{text} city=Lyon")));
        }
        ingest(&service, facts).await;
        let nodes = nodes(&service, &identities).await;
        // Two changes one after the other, each tried first.
        for _ in 0..2 {
            let change = Change::draw(&mut draw);
            let before = read(&service, &nodes).await;
            let profiles_before = service.counts(WORKSPACE).await.expect("counts").profiles;
            let own = change.clone();
            let said: DryRun = match service.dry_run(WORKSPACE, RECORDS_MAX, move |config| own.apply(config)).await {
                Ok(said) => said,
                Err(error) => panic!("seed {seed} {change:?}: {error}"),
            };
            assert_eq!(read(&service, &nodes).await, before, "seed {seed}: it changes nothing");
            let own = change.clone();
            service.configure(WORKSPACE, move |config| own.apply(config)).await.expect("the change");
            recluster_ends(&service).await;
            let after = read(&service, &nodes).await;
            let expected = counted(&before, &after);
            let profiles_after = service.counts(WORKSPACE).await.expect("counts").profiles;
            let found = (said.profiles_before, said.profiles_after);
            assert_eq!(found, (profiles_before, profiles_after), "seed {seed} {change:?}");
            assert_eq!((said.merged as usize, said.split as usize), expected, "seed {seed} {change:?}");
            assert!(!said.is_truncated);
            let told = |own: &[tessera_service::dry_run::Example]| own.len();
            assert_eq!(
                (told(&said.merges) > 0, told(&said.splits) > 0),
                (expected.0 > 0, expected.1 > 0),
                "seed {seed}"
            );
            (merges, splits) = (merges + expected.0, splits + expected.1);
        }
        service.close().await;
    }
    assert!(merges > 10 && splits > 10, "so little happened that nothing was compared: {merges} {splits}");
}

#[tokio::test]
async fn of_more_than_is_looked_at_it_is_said() {
    let service = open(&memory()).await;
    let one = |at: usize| fact(&format!("m{at}"), &format!("user_id:u{at}"));
    ingest(&service, (0..60).map(one).collect()).await;
    for (records_max, is_truncated) in [(59, true), (60, false), (usize::MAX, false)] {
        let change = Change::Rules { namespace: "user_id", limit: None, exclusive: false, blocked: vec!["u1".into()] };
        let said =
            service.dry_run(WORKSPACE, records_max, move |config| change.apply(config)).await.expect("a dry run");
        assert_eq!((said.records, said.is_truncated), (records_max.min(60) as u64, is_truncated));
    }
    service.close().await;
}

#[tokio::test]
async fn of_a_workspace_that_suppresses_somebody_it_is_said_as_well() {
    let service = open(&memory()).await;
    ingest(&service, vec![fact("m1", "user_id:u1"), fact("m2", "user_id:u2")]).await;
    let gone = NamedIdentity { namespace: "user_id".into(), value: "u9".into() };
    assert_eq!(service.shut_out(WORKSPACE, &[gone]).await.expect("it is suppressed"), 1);
    let said = service.dry_run(WORKSPACE, RECORDS_MAX, |config| Ok(config.clone())).await.expect("an answer");
    assert_eq!((said.profiles_before, said.profiles_after, said.merged, said.split), (2, 2, 0, 0));
    service.close().await;
}
