//! What the engine does, by examples that can be read: facts and directives in, profiles and verdicts out.
//!
//! A line of input is a fact or a directive:
//!
//! ```text
//! user_id:u1 email:e@x@observed t=5 name='Ann' call     identities (with a strength of their own), time, attributes, event
//! doc=profile:p email:e@x in=crm id=f1                  a document's write, its dataset, its own fact id
//! user_id:u1 on=group_id:acme on.plan='pro'             a relation to an account, and what it says about the account
//! record doc=user_id:u1 email:e@x in=crm                  a record, and that its dataset says nothing any more:
//! forget user_id:u1 crm
//! erase email:e@x · release profile:p email:e@x         directives
//! ```
//!
//! Facts are verified, `t` counts up where it is not said. What is expected are the verdicts that are not simply accepted,
//! by the number of their line, then the profiles.

#[allow(dead_code, reason = "the laws compare whole states")]
#[path = "laws/state.rs"]
mod state;
#[allow(dead_code, reason = "the laws read it in more ways")]
#[path = "laws/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;

use tessera_engine::cluster::Cluster;
use tessera_engine::config::{Config, Limits, default_namespaces};
use tessera_engine::decide::{HeldNote, Outcome};
use tessera_engine::fact::{AccountFact, Call, Claim, EventKind, Fact, Identity, Strength};
use tessera_engine::normalise::normalise;
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Decimal, Path, Tree, Value};
use tessera_engine::view;

use state::{name, show};
use world::{Fetch, START_MICROS, World};

/// A configuration with changes to single namespaces.
fn config(change: impl Fn(&mut tessera_engine::config::Namespace)) -> Arc<Config> {
    let mut namespaces = default_namespaces();
    namespaces.iter_mut().for_each(change);
    Arc::new(Config::new(1, namespaces, None, Limits::default()).expect("a configuration"))
}

/// The default namespaces.
fn check(input: &str, expected: &str) {
    check_under(config(|_| ()), input, expected);
}

fn check_under(config: Arc<Config>, input: &str, expected: &str) {
    let lines = |text: &str| {
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(ToString::to_string).collect::<Vec<_>>()
    };
    let mut world = World::new(config, Fetch::Rounds);
    let mut told = Vec::new();
    for (at, line) in lines(input).iter().enumerate() {
        let outcome = run(&mut world, at + 1, line);
        told.extend(verdicts(&world, &outcome).into_iter().map(|verdict| format!("{}: {verdict}", at + 1)));
        world.commit();
        world.check();
    }
    told.extend(profiles(&world));
    assert_eq!(told.join("\n"), lines(expected).join("\n"), "\nafter\n{input}");
}

fn run(world: &mut World, at: usize, line: &str) -> Outcome {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["erase", identity] => world.erase(&identity_of(world, identity)).outcome,
        ["release", document, identity] => {
            let (document, identity) = (identity_of(world, document), identity_of(world, identity));
            world.release(&document, &identity).outcome
        }
        ["record", ref words @ ..] => world.record(&fact(at, words)).outcome,
        ["forget", identity, dataset] => world.forget(&identity_of(world, identity), dataset).outcome,
        ["forget-event", id, dataset] => world.forget_event(id, dataset).outcome,
        _ => world.fact(&fact(at, &words)).outcome,
    }
}

fn identity_of(world: &World, text: &str) -> Identity {
    let (namespace, value) = text.split_once(':').expect("namespace:value");
    let namespace = world.config.by_name(namespace).expect("a registered namespace");
    Identity { namespace: namespace.id, value: normalise(namespace, value).expect("a value of it") }
}

fn fact(at: usize, words: &[&str]) -> Fact {
    let micros = |seconds: i64| Timestamp::from_micros(START_MICROS - 1_000_000_000 + seconds * 1_000_000);
    let mut fact = Fact {
        id: format!("f{at}").into(),
        dataset: "app".into(),
        batch: None,
        time: micros(i64::try_from(at).expect("few lines")),
        claims: Vec::new(),
        document: None,
        attributes: Vec::new(),
        account: None,
        call: None,
        content: None,
        replaces: tessera_engine::fact::Replaces::Nothing,
    };
    for word in words {
        match word.split_once('=') {
            None if *word == "call" => {
                fact.call = Some(Call { kind: EventKind::Action, name: None, payload: Vec::new().into() });
            }
            None if *word == "whole" => fact.replaces = tessera_engine::fact::Replaces::Fragment,
            None => fact.claims.push(claim(word)),
            Some(("t", seconds)) => fact.time = micros(seconds.parse().expect("seconds")),
            Some(("id", id)) => fact.id = id.into(),
            Some(("in", dataset)) => fact.dataset = dataset.into(),
            Some(("doc", identity)) => fact.document = Some(claim(identity)),
            Some(("on", identity)) => {
                fact.account = Some(AccountFact { claim: claim(identity), attributes: Vec::new() });
            }
            Some((path, value)) => match (path.strip_prefix("on."), &mut fact.account) {
                (Some(path), Some(account)) => account.attributes.push(leaf(path, value)),
                _ => fact.attributes.push(leaf(path, value)),
            },
        }
    }
    fact
}

fn claim(text: &str) -> Claim {
    let strengths = [
        ("@claimed", Strength::Claimed),
        ("@observed", Strength::Observed),
        ("@stated", Strength::Stated),
        ("@verified", Strength::Verified),
        ("@joined", Strength::Joined),
    ];
    let said = strengths.iter().find_map(|(suffix, strength)| Some((text.strip_suffix(suffix)?, *strength)));
    let (text, strength) = said.unwrap_or((text, Strength::Verified));
    let (namespace, value) = text.split_once(':').expect("namespace:value");
    Claim { namespace: namespace.into(), value: value.into(), strength }
}

fn leaf(path: &str, value: &str) -> (Path, Value) {
    let value = match value {
        "null" => Value::Null,
        "{}" => Value::object(Vec::new()),
        text => match text.strip_prefix('\'') {
            Some(text) => Value::text(text.trim_end_matches('\'')),
            None => Value::Number(Decimal::parse(text).expect("a number")),
        },
    };
    (Path::parse(path).expect("a path"), value)
}

fn verdicts(world: &World, outcome: &Outcome) -> Vec<String> {
    match outcome {
        Outcome::Accepted { held, ignored, .. } => {
            let ignored = ignored.iter().map(|one| format!("{} of {}", one.code, one.namespace));
            ignored.chain(held.iter().map(|note| held_note(world, note))).collect()
        }
        Outcome::Duplicate => vec!["duplicate".into()],
        Outcome::Differs => vec!["differs".into()],
        Outcome::Rejected(rejection) => vec![format!("rejected {}", rejection.code)],
        Outcome::Erased(erased) => {
            vec![format!("erased {} nodes, {} cells, {} events", erased.nodes.len(), erased.cells, erased.events)]
        }
        Outcome::Released { severed } => vec![format!("severed {severed}")],
        Outcome::Documented(own) => vec![format!("documented, {} released", own.released.len())],
        Outcome::Touched => vec!["touched".into()],
        Outcome::Forgotten => vec!["forgotten".into()],
        Outcome::EventReplaced(own) => vec![format!("event, {} before", usize::from(own.before.is_some()))],
        Outcome::EventForgotten(own) => vec![format!("{} events forgotten", usize::from(own.is_some()))],
        Outcome::EventRewritten(_) => vec!["event rewritten".into()],
        Outcome::DocumentTaken(taken) => vec![format!("taken {}", taken.len())],
        Outcome::NotFound => vec!["not found".into()],
        Outcome::Directed(directed) => vec![format!("directed, {} profiles", directed.profiles.len())],
        Outcome::Refused(refusal) => vec![format!("refused {}", refusal.rejection().code)],
        Outcome::Swept(_) | Outcome::SweptInPart | Outcome::Unlinked | Outcome::EventEnded => vec!["swept".into()],
        Outcome::Settled | Outcome::SettledInPart => vec!["settled".into()],
    }
}

fn held_note(world: &World, note: &HeldNote) -> String {
    let ends = |ends: &[Identity; 2]| ends.each_ref().map(|end| name(end, &world.config)).join(" - ");
    let won = note.won.as_ref().map_or(String::new(), |won| format!(", won by {}", ends(won)));
    format!("held({}) {}{won}", note.rule.name(), ends(&note.between))
}

/// Each profile in a line, by the names of its identities: attributes, number of events, accounts.
fn profiles(world: &World) -> BTreeSet<String> {
    let clusters = world.tables.clusters.values();
    let ids = clusters.flat_map(|cluster| cluster.profile_ids().map(move |id| (cluster, id)));
    ids.map(|(cluster, id)| profile(world, cluster, id)).collect()
}

fn profile(world: &World, cluster: &Cluster, id: tessera_engine::id::NodeId) -> String {
    let mut identities: Vec<&Identity> = cluster.piece(id).map(|node| &node.identity).collect();
    identities.sort_unstable();
    let mut line = identities.iter().map(|identity| name(identity, &world.config)).collect::<Vec<_>>().join(" ");
    let view = view::fold(cluster, id, &world.lens()).expect("a profile has a view");
    if !view.attributes.is_empty() {
        line += &format!(" {}", show(&Tree::Node(view.attributes)));
    }
    let events: u64 = cluster.piece(id).map(tessera_engine::cluster::Node::events).sum();
    if events > 0 {
        line += &format!(" events={events}");
    }
    for relation in cluster.piece(id).flat_map(|node| &node.relations) {
        let is_there = world.tables.identities.get(&relation.account).is_some_and(|row| row.node == relation.node);
        line += &format!(" {} {}", if is_there { "on" } else { "was on" }, name(&relation.account, &world.config));
    }
    line
}

#[path = "decide_cases/found.rs"]
mod found;
#[path = "decide_cases/identities.rs"]
mod identities;
#[path = "decide_cases/ranks.rs"]
mod ranks;
#[path = "decide_cases/records.rs"]
mod records;
#[path = "decide_cases/views.rs"]
mod views;
