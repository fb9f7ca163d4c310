//! A city of people who share devices: the work of one command stays small, and clusters do, whatever the number of people.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tessera_engine::config::{Config, Limits, default_namespaces};
use tessera_engine::decide::Outcome;
use tessera_engine::fact::{Claim, Class, Fact, Identity, Strength};
use tessera_engine::time::Timestamp;

use crate::world::{Fetch, START_MICROS, World};

/// A node of the city: a person, a device, or a browser of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    Person(u32),
    Device(u32),
    Browser(u32),
}

impl Node {
    fn claim(self, strength: Strength) -> Claim {
        let (namespace, value) = match self {
            Self::Person(number) => ("user_id", format!("u{number}")),
            Self::Device(number) => ("device_id", format!("d{number}")),
            Self::Browser(number) => ("anonymous_id", format!("b{number}")),
        };
        Claim { namespace: namespace.into(), value: value.into(), strength }
    }
}

/// Two nodes seen together, the owner of the fact first. The other is none once it was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    strength: Strength,
    time: i64,
    owner: Node,
    other: Option<Node>,
}

/// A small generator of numbers: the same city each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("it is below the bound")
    }
}

/// Everyone has one to three devices with a browser each; a third uses another's device as well, and a fifth of the browsers
/// has moved to another device.
fn city(people: u32, dice: &mut Dice) -> Vec<Seen> {
    let mut pairs = Vec::new();
    let mut devices = 0;
    for person in 0..people {
        for _ in 0..=dice.below(3) {
            pairs.push((Strength::Verified, Node::Person(person), Node::Device(devices)));
            pairs.push((Strength::Observed, Node::Device(devices), Node::Browser(devices)));
            devices += 1;
        }
    }
    let some_device = |dice: &mut Dice| u32::try_from(dice.below(devices as usize)).expect("it is one of them");
    for person in (0..people).filter(|person| person % 3 == 0) {
        pairs.push((Strength::Verified, Node::Person(person), Node::Device(some_device(dice))));
    }
    for device in (0..devices).filter(|device| device % 5 == 0) {
        pairs.push((Strength::Observed, Node::Device(device), Node::Browser(some_device(dice))));
    }
    for at in (1..pairs.len()).rev() {
        pairs.swap(at, dice.below(at + 1));
    }
    let seen = |(at, (strength, owner, other)): (usize, (Strength, Node, Node))| {
        let time = i64::try_from(dice.below(1 << 20) << 24 | at).expect("it has 44 bits");
        Seen { strength, time, owner, other: Some(other) }
    };
    pairs.into_iter().enumerate().map(seen).collect()
}

fn fact(at: usize, seen: Seen) -> Fact {
    Fact {
        id: format!("f{at}").into(),
        dataset: "app".into(),
        batch: None,
        time: Timestamp::from_micros(START_MICROS - (1 << 45) + seen.time),
        claims: [Some(seen.owner), seen.other].into_iter().flatten().map(|node| node.claim(seen.strength)).collect(),
        document: None,
        attributes: Vec::new(),
        account: None,
        call: None,
        content: None,
        replaces: tessera_engine::fact::Replaces::Nothing,
    }
}

/// Clusters, each as the sorted values of its identities.
type Clusters = Vec<Vec<Arc<str>>>;

/// One walk over everything: sets that grow together, the smaller relabelled, unless both hold a person.
fn walk(seen: &[Seen]) -> Clusters {
    let mut order: Vec<(usize, &Seen)> = seen.iter().enumerate().collect();
    // What public keys say counts from its receipt.
    order.sort_unstable_by_key(|(at, one)| match one.strength.class() {
        Class::Private => (Reverse(one.strength), one.time),
        Class::Public => (Reverse(one.strength), i64::try_from(*at).expect("few")),
    });
    let mut set_of: BTreeMap<Node, usize> = BTreeMap::new();
    let mut sets: Vec<Vec<Node>> = Vec::new();
    for (_, one) in &order {
        for node in [Some(one.owner), one.other].into_iter().flatten() {
            set_of.entry(node).or_insert_with(|| {
                sets.push(vec![node]);
                sets.len() - 1
            });
        }
        let Some(other) = one.other else { continue };
        let (mut into, mut from) = (set_of[&one.owner], set_of[&other]);
        let holds = |set: usize| sets[set].iter().any(|node| matches!(node, Node::Person(_)));
        if into == from || holds(into) && holds(from) {
            continue;
        }
        if sets[into].len() < sets[from].len() {
            std::mem::swap(&mut into, &mut from);
        }
        for node in std::mem::take(&mut sets[from]) {
            set_of.insert(node, into);
            sets[into].push(node);
        }
    }
    let named = |set: &Vec<Node>| sorted(set.iter().map(|node| node.claim(Strength::Claimed).value).collect());
    sorted(sets.iter().filter(|set| !set.is_empty()).map(named).collect())
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list
}

fn told(world: &World) -> Clusters {
    let user = world.config.exclusive();
    let named = |cluster: &Arc<tessera_engine::cluster::Cluster>| {
        let users = cluster.nodes.iter().filter(|node| Some(node.identity.namespace) == user);
        assert!(users.count() <= 1, "no cluster holds two user ids");
        sorted(cluster.nodes.iter().map(|node| node.identity.value.clone()).collect())
    };
    sorted(world.tables.clusters.values().map(named).collect())
}

/// What is left of the city without these.
fn without(seen: Vec<Seen>, gone: &BTreeSet<Arc<str>>) -> Vec<Seen> {
    let is_gone = |node: Node| gone.contains(&node.claim(Strength::Claimed).value);
    let kept = seen.into_iter().filter(|one| !is_gone(one.owner));
    kept.map(|one| Seen { other: one.other.filter(|other| !is_gone(*other)), ..one }).collect()
}

#[test]
fn a_city_that_shares_devices_stays_apart() {
    let people = std::env::var("TESSERA_SCALE_PEOPLE").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000);
    let mut dice = Dice(0x7E55_E7A0);
    let mut seen = city(people, &mut dice);
    let config = Arc::new(Config::new(1, default_namespaces(), None, Limits::default()).expect("a configuration"));
    let mut world = World::new(config.clone(), Fetch::Rounds);
    let (mut rounds_max, mut written_max) = (0, 0);
    for (at, one) in seen.iter().enumerate() {
        let told = world.fact(&fact(at, *one));
        assert!(matches!(told.outcome, Outcome::Accepted { .. }));
        rounds_max = rounds_max.max(told.rounds);
        written_max = written_max.max(world.commit().clusters.len());
    }
    let size_max = world.tables.clusters.values().map(|cluster| cluster.nodes.len()).max().expect("there are some");
    assert!(rounds_max <= 2, "a fact lacked something {rounds_max} times after its two rounds");
    assert!(written_max <= 4, "a fact of one link wrote {written_max} records");
    assert!(size_max <= 60, "the largest cluster has {size_max} identities");
    assert!(told(&world) == walk(&seen), "the clusters are those of one walk over everything");

    let user = config.exclusive().expect("there is an exclusive namespace");
    let mut erase_rounds_max = 0;
    let mut gone: BTreeSet<Arc<str>> = BTreeSet::new();
    for _ in 0..people / 100 {
        let person = Identity { namespace: user, value: format!("u{}", dice.below(people as usize)).into() };
        let Some(row) = world.tables.identities.get(&person) else { continue };
        let cluster = &world.tables.clusters[&row.cluster];
        gone.extend(cluster.nodes.iter().map(|node| node.identity.value.clone()));
        let told = world.erase(&person);
        assert!(matches!(told.outcome, Outcome::Erased(_)));
        erase_rounds_max = erase_rounds_max.max(told.rounds);
        world.commit();
    }
    seen = without(seen, &gone);
    assert!(erase_rounds_max <= 10, "an erasure lacked something {erase_rounds_max} times");
    assert!(told(&world) == walk(&seen), "who stays has what they would have without those who went");
    world.check();
    eprintln!(
        "people={people} facts={} rounds={rounds_max} written={written_max} size={size_max} erase={erase_rounds_max}",
        seen.len()
    );
}
