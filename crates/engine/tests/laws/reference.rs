//! The naive model: the accepted facts and directives in the order of their commits, from which everything is computed anew
//! each time. It shares the data types, `prepare` and the configuration with the engine, and no algorithm.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tessera_engine::config::{Config, NamespaceId};
use tessera_engine::fact::{Fact, Identity, Strength};
use tessera_engine::prepare::{Prepared, prepare};
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Path, Tree, Value};

use crate::state::{Profile, State, name, show};

/// Two identities, the smaller first.
pub(crate) type Pair = (Identity, Identity);

/// What was said by one fact about one pair.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    strength: Strength,
    dataset: Arc<str>,
    batch: Option<Arc<str>>,
    time: Timestamp,
}

/// An accepted fact, or the part of one that an account owns.
#[derive(Debug, Clone)]
struct Known {
    id: Arc<str>,
    owner: Identity,
    others: Vec<(Identity, Strength)>,
    account: Option<Identity>,
    is_event: bool,
    is_of_account: bool,
    dataset: Arc<str>,
    batch: Option<Arc<str>>,
    time: Timestamp,
    attributes: Vec<(Path, Value)>,
}

/// How a link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Active,
    Exclusive,
    Hub,
    Limit,
    Severed,
}

impl Standing {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Exclusive => "exclusive",
            Self::Hub => "hub",
            Self::Limit => "limit",
            Self::Severed => "severed",
        }
    }
}

/// What a command should come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The links that a rule holds, in the order of the fact's identities: rule, ends, the link that won.
    Accepted(Vec<(&'static str, Pair, Option<Pair>)>),
    Duplicate,
    Rejected,
    Erased(BTreeSet<Identity>),
    Released(usize),
    NotFound,
}

pub(crate) struct Reference {
    config: Arc<Config>,
    facts: Vec<Known>,
    /// Links that releases made: document, other, when.
    joins: Vec<(Identity, Identity, Timestamp)>,
    /// Pairs that releases severed, and by which document; none once that document was erased. A document and what it
    /// released are always among them.
    severed: BTreeMap<Pair, Option<Identity>>,
}

/// Who is who, at one instant.
pub(crate) struct Graph {
    nodes: BTreeSet<Identity>,
    said: BTreeMap<Pair, Vec<Said>>,
    pub(crate) standing: BTreeMap<Pair, Standing>,
    winner: BTreeMap<Pair, Option<Pair>>,
    /// For each value that may be a hub: its neighbours above.
    above: BTreeMap<Identity, BTreeSet<Identity>>,
    /// The label of its cluster.
    cluster: BTreeMap<Identity, usize>,
    /// The label of its profile.
    profile: BTreeMap<Identity, usize>,
}

pub(crate) fn pair(one: &Identity, other: &Identity) -> Pair {
    if one < other { (one.clone(), other.clone()) } else { (other.clone(), one.clone()) }
}

fn is_end(pair: &Pair, identity: &Identity) -> bool {
    pair.0 == *identity || pair.1 == *identity
}

impl Reference {
    pub(crate) fn new(config: Arc<Config>) -> Self {
        Self { config, facts: Vec::new(), joins: Vec::new(), severed: BTreeMap::new() }
    }

    pub(crate) fn fact(&mut self, fact: &Fact, now: Timestamp) -> Expected {
        let Ok(Prepared { fact, owner, others, account, .. }) = prepare(Box::new(fact.clone()), now, &self.config)
        else {
            return Expected::Rejected;
        };
        if self.facts.iter().any(|known| !known.is_of_account && known.id == fact.id) {
            return Expected::Duplicate;
        }
        if fact.document.is_some() {
            others.iter().for_each(|(other, _)| self.lift(&owner, other));
        }
        let known = Known {
            id: fact.id.clone(),
            owner: owner.clone(),
            others: others.clone(),
            account: account.clone(),
            is_event: fact.call.is_some(),
            is_of_account: false,
            dataset: fact.dataset.clone(),
            batch: fact.batch.clone(),
            time: fact.time.unwrap_or(now),
            attributes: fact.attributes.clone(),
        };
        if let (Some(said), Some(account)) = (&fact.account, account) {
            self.facts.push(Known {
                owner: account,
                others: Vec::new(),
                account: None,
                is_event: false,
                is_of_account: true,
                attributes: said.attributes.clone(),
                ..known.clone()
            });
        }
        self.facts.push(known);
        let graph = self.graph();
        let mut held = Vec::new();
        for (other, _) in &others {
            let ends = pair(&owner, other);
            match graph.standing[&ends] {
                Standing::Active | Standing::Severed => {}
                rule => held.push((rule.name(), ends.clone(), graph.winner.get(&ends).cloned().flatten())),
            }
        }
        Expected::Accepted(held)
    }

    pub(crate) fn erase(&mut self, identity: &Identity) -> Expected {
        let graph = self.graph();
        let Some(label) = graph.profile.get(identity) else { return Expected::NotFound };
        let gone: BTreeSet<Identity> =
            graph.profile.iter().filter(|(_, own)| *own == label).map(|(node, _)| node.clone()).collect();
        self.facts.retain(|fact| !gone.contains(&fact.owner));
        for fact in &mut self.facts {
            fact.others.retain(|(other, _)| !gone.contains(other));
            if fact.account.as_ref().is_some_and(|account| gone.contains(account)) {
                fact.account = None;
            }
        }
        self.joins.retain(|(one, other, _)| !gone.contains(one) && !gone.contains(other));
        self.severed.retain(|(one, other), _| !gone.contains(one) && !gone.contains(other));
        let after = self.graph();
        self.severed.retain(|(one, other), _| after.nodes.contains(one) && after.nodes.contains(other));
        for by in self.severed.values_mut() {
            by.take_if(|by| !after.nodes.contains(by));
        }
        Expected::Erased(gone)
    }

    pub(crate) fn release(&mut self, document: &Identity, gone: &Identity, now: Timestamp) -> Expected {
        let graph = self.graph();
        if !graph.nodes.contains(document) || !graph.nodes.contains(gone) {
            return Expected::NotFound;
        }
        if document == gone || graph.profile[document] != graph.profile[gone] {
            return Expected::Released(0);
        }
        let mut rest: BTreeSet<Identity> = graph.nodes.clone();
        rest.retain(|node| node != gone && graph.profile[node] == graph.profile[document]);
        let mut severed = 0;
        for (ends, standing) in &graph.standing {
            let other = if ends.0 == *gone { &ends.1 } else { &ends.0 };
            if is_end(ends, gone) && rest.contains(other) && *standing != Standing::Severed {
                self.severed.insert(ends.clone(), Some(document.clone()));
                severed += 1;
            }
        }
        self.severed.insert(pair(document, gone), Some(document.clone()));
        while let Some(first) = rest.first().cloned() {
            let part = reach(first, &graph, &rest);
            rest.retain(|node| !part.contains(node));
            if !part.contains(document) {
                let rank = |node: &&Identity| (Reverse(self.config.priority(node.namespace)), (*node).clone());
                let best = part.iter().min_by_key(rank).expect("a part has its first node");
                self.lift(document, best);
                self.severed.remove(&pair(document, best));
                self.joins.push((document.clone(), best.clone(), now));
            }
        }
        Expected::Released(severed)
    }

    /// A pair that a document severed with one that it has released stays severed until none of the two is released.
    fn lift(&mut self, document: &Identity, released: &Identity) {
        let by = Some(document.clone());
        if self.severed.get(&pair(document, released)) != Some(&by) {
            return;
        }
        self.severed.remove(&pair(document, released));
        let still: BTreeSet<Pair> =
            self.severed.iter().filter(|(_, own)| **own == by).map(|(ends, _)| ends.clone()).collect();
        self.severed.retain(|ends, own| {
            let other = if ends.0 == *released { &ends.1 } else { &ends.0 };
            *own != by || !is_end(ends, released) || still.contains(&pair(document, other))
        });
    }

    fn said(&self) -> BTreeMap<Pair, Vec<Said>> {
        let mut said: BTreeMap<Pair, Vec<Said>> = BTreeMap::new();
        for fact in &self.facts {
            for (other, strength) in &fact.others {
                let (dataset, batch) = (fact.dataset.clone(), fact.batch.clone());
                let one = Said { strength: *strength, dataset, batch, time: fact.time };
                said.entry(pair(&fact.owner, other)).or_default().push(one);
            }
        }
        for (document, other, time) in &self.joins {
            let dataset = tessera_engine::decide::RELEASE_DATASET.into();
            let one = Said { strength: Strength::Joined, dataset, batch: None, time: *time };
            said.entry(pair(document, other)).or_default().push(one);
        }
        said
    }

    pub(crate) fn graph(&self) -> Graph {
        let said = self.said();
        let mut nodes: BTreeSet<Identity> = self.facts.iter().map(|fact| fact.owner.clone()).collect();
        nodes.extend(said.keys().flat_map(|(one, other)| [one.clone(), other.clone()]));
        let mut graph = Graph {
            cluster: nodes.iter().cloned().zip(0..).collect(),
            profile: nodes.iter().cloned().zip(0..).collect(),
            nodes,
            standing: BTreeMap::new(),
            winner: BTreeMap::new(),
            above: BTreeMap::new(),
            said,
        };
        self.find_severed_and_hubs(&mut graph);
        self.walk_one(&mut graph);
        self.walk_two(&mut graph);
        graph
    }

    fn find_severed_and_hubs(&self, graph: &mut Graph) {
        for pair in self.severed.keys().filter(|pair| graph.said.contains_key(pair)) {
            graph.standing.insert(pair.clone(), Standing::Severed);
        }
        let priority = |identity: &Identity| self.config.priority(identity.namespace);
        let mut low_end: BTreeMap<Pair, Identity> = BTreeMap::new();
        for (ends, said) in &graph.said {
            let is_joined = said.iter().any(|one| one.strength == Strength::Joined);
            if is_joined || self.severed.contains_key(ends) || priority(&ends.0) == priority(&ends.1) {
                continue;
            }
            let (low, high) =
                if priority(&ends.0) < priority(&ends.1) { (&ends.0, &ends.1) } else { (&ends.1, &ends.0) };
            if self.config.exclusive() != Some(low.namespace) {
                low_end.insert(ends.clone(), low.clone());
                graph.above.entry(low.clone()).or_default().insert(high.clone());
            }
        }
        for (ends, low) in low_end {
            if graph.above[&low].len() > self.config.limits().hub_links_max as usize {
                graph.standing.insert(ends, Standing::Hub);
            }
        }
    }

    /// Links in the order of the walk that neither are severed nor end at a hub.
    fn walked(graph: &Graph) -> Vec<Pair> {
        let mut pairs: Vec<&Pair> = graph.said.keys().filter(|pair| !graph.standing.contains_key(pair)).collect();
        pairs.sort_by_key(|pair| {
            let said = &graph.said[pair];
            let strength = said.iter().map(|one| one.strength).max();
            (Reverse(strength), said.iter().map(|one| one.time).min(), (*pair).clone())
        });
        pairs.into_iter().cloned().collect()
    }

    fn walk_one(&self, graph: &mut Graph) {
        // For each node whose cluster holds an exclusive value: the link by which it came to do so, by its place.
        let mut got_by: BTreeMap<Identity, Option<usize>> = BTreeMap::new();
        for node in graph.nodes.iter().filter(|node| Some(node.namespace) == self.config.exclusive()) {
            got_by.insert(node.clone(), None);
        }
        let walked = Self::walked(graph);
        for (at, ends) in walked.iter().enumerate() {
            let (one, other) = (graph.cluster[&ends.0], graph.cluster[&ends.1]);
            if one == other {
                continue;
            }
            let both = (got_by.get(&ends.0).copied(), got_by.get(&ends.1).copied());
            if let (Some(first), Some(second)) = both
                && !graph.is_joined(ends)
            {
                let won = first.max(second).map(|at| walked[at].clone());
                graph.winner.insert(ends.clone(), won);
                graph.standing.insert(ends.clone(), Standing::Exclusive);
                continue;
            }
            if both.0.is_some() || both.1.is_some() {
                for (node, label) in &graph.cluster {
                    if *label == one || *label == other {
                        got_by.entry(node.clone()).or_insert(Some(at));
                    }
                }
            }
            relabel(&mut graph.cluster, one, other);
        }
    }

    fn walk_two(&self, graph: &mut Graph) {
        // What is joined counts as one, whatever else holds it together.
        let mut unit: BTreeMap<Identity, usize> = graph.nodes.iter().cloned().zip(0..).collect();
        let mut last_by: BTreeMap<Identity, usize> = BTreeMap::new();
        let walked = Self::walked(graph);
        for (at, ends) in walked.iter().enumerate().filter(|(_, ends)| graph.is_joined(ends)) {
            let (one, other) = (unit[&ends.0], unit[&ends.1]);
            if one != other {
                relabel(&mut unit, one, other);
                last_by.extend(unit.iter().filter(|(_, own)| **own == one).map(|(node, _)| (node.clone(), at)));
            }
        }
        graph.profile = unit.clone();
        for (at, ends) in walked.iter().enumerate() {
            let (one, other) = (graph.profile[&ends.0], graph.profile[&ends.1]);
            if one != other {
                let members = |node: &&Identity| [one, other].contains(&graph.profile[*node]);
                let both: Vec<Identity> = graph.nodes.iter().filter(members).cloned().collect();
                if !self.fits(&both, &unit) {
                    let last = both.iter().filter_map(|node| last_by.get(node)).max();
                    graph.winner.insert(ends.clone(), last.map(|at| walked[*at].clone()));
                    graph.standing.insert(ends.clone(), Standing::Limit);
                    continue;
                }
                last_by.extend(both.into_iter().map(|node| (node, at)));
                relabel(&mut graph.profile, one, other);
            }
            graph.standing.insert(ends.clone(), Standing::Active);
        }
    }

    fn fits(&self, nodes: &[Identity], unit: &BTreeMap<Identity, usize>) -> bool {
        let units: BTreeSet<usize> = nodes.iter().map(|node| unit[node]).collect();
        let counted: BTreeSet<(NamespaceId, usize)> = nodes.iter().map(|node| (node.namespace, unit[node])).collect();
        let keeps = |namespace: &tessera_engine::config::Namespace| {
            let count = counted.iter().filter(|(own, _)| *own == namespace.id).count();
            namespace.limit.is_none_or(|limit| count <= limit as usize)
        };
        units.len() <= self.config.limits().profile_identities_max
            && self.config.namespaces().iter().all(|namespace| keeps(namespace))
    }

    pub(crate) fn state(&self) -> State {
        let graph = self.graph();
        let config = &*self.config;
        let mut state = State::default();
        let of_label = |labels: &BTreeMap<Identity, usize>| {
            let mut sets: BTreeMap<usize, BTreeSet<Identity>> = BTreeMap::new();
            labels.iter().for_each(|(node, label)| {
                sets.entry(*label).or_default().insert(node.clone());
            });
            sets.into_values().collect::<Vec<_>>()
        };
        let named = |nodes: &BTreeSet<Identity>| nodes.iter().map(|node| name(node, config)).collect::<BTreeSet<_>>();
        state.clusters = of_label(&graph.cluster).iter().map(named).collect();
        for nodes in of_label(&graph.profile) {
            state.profiles.insert(named(&nodes), self.profile(&nodes, &graph));
        }
        for (ends, said) in &graph.said {
            let mut tallies: BTreeMap<_, Vec<i64>> = BTreeMap::new();
            for one in said {
                let key = (one.strength, one.dataset.clone(), one.batch.clone());
                tallies.entry(key).or_default().push(one.time.micros());
            }
            let evidence = tallies.into_iter().map(|((strength, dataset, batch), times)| {
                let span = (times.len() as u64, times.iter().min().expect("one"), times.iter().max().expect("one"));
                format!("{strength:?} {dataset} {batch:?} {span:?}")
            });
            let standing = graph.standing[ends].name().to_string();
            state.links.insert((name(&ends.0, config), name(&ends.1, config)), (standing, evidence.collect()));
        }
        for node in &graph.nodes {
            let owned = self.facts.iter().filter(|fact| fact.owner == *node);
            let events = owned.clone().filter(|fact| fact.is_event).map(|fact| fact.id.to_string()).collect();
            let above = graph.above.get(node).map_or(0, BTreeSet::len);
            let row = (owned.count() as u64, events, u32::try_from(above).expect("few"));
            state.nodes.insert(name(node, config), row);
        }
        state
    }

    fn profile(&self, nodes: &BTreeSet<Identity>, graph: &Graph) -> Profile {
        let config = &*self.config;
        let owned: Vec<&Known> = self.facts.iter().filter(|fact| nodes.contains(&fact.owner)).collect();
        let mut latest: BTreeMap<NamespaceId, (Option<Timestamp>, bool, Reverse<&str>)> = BTreeMap::new();
        for node in nodes {
            let mut seen: Vec<Timestamp> =
                owned.iter().filter(|fact| fact.owner == *node).map(|fact| fact.time).collect();
            let owns = !seen.is_empty();
            for (ends, said) in graph.said.iter().filter(|(ends, _)| is_end(ends, node)) {
                if matches!(graph.standing[ends], Standing::Active | Standing::Limit) {
                    seen.extend(said.iter().filter(|one| one.strength != Strength::Joined).map(|one| one.time));
                }
            }
            let own = (seen.into_iter().max(), owns, Reverse(&*node.value));
            let best = latest.entry(node.namespace).or_insert(own);
            *best = (*best).max(own);
        }
        let spelled = |namespace| config.find(namespace).expect("it is registered").name.to_string();
        Profile {
            attributes: show(&attributes(&owned)),
            identifiers: latest.into_iter().map(|(id, (_, _, value))| (spelled(id), value.0.to_string())).collect(),
            events: (owned.iter().filter(|fact| fact.is_event))
                .map(|fact| (fact.id.to_string(), name(&fact.owner, config)))
                .collect(),
            accounts: (owned.iter())
                .filter_map(|fact| Some((name(&fact.owner, config), name(fact.account.as_ref()?, config))))
                .collect(),
        }
    }
}

impl Graph {
    fn is_joined(&self, ends: &Pair) -> bool {
        self.said[ends].iter().any(|one| one.strength == Strength::Joined)
    }
}

fn relabel(labels: &mut BTreeMap<Identity, usize>, one: usize, other: usize) {
    labels.values_mut().filter(|label| **label == other).for_each(|label| *label = one);
}

/// What active links hold together with a node, among these.
fn reach(first: Identity, graph: &Graph, among: &BTreeSet<Identity>) -> BTreeSet<Identity> {
    let mut part = BTreeSet::from([first]);
    loop {
        let before = part.len();
        for (ends, standing) in &graph.standing {
            let inside = among.contains(&ends.0) && among.contains(&ends.1);
            if *standing == Standing::Active && inside && (part.contains(&ends.0) || part.contains(&ends.1)) {
                part.extend([ends.0.clone(), ends.1.clone()]);
            }
        }
        if part.len() == before {
            return part;
        }
    }
}

/// The newest cell of each path; then a value ends what is older above and below it, an empty object nothing below it.
fn attributes(facts: &[&Known]) -> Tree {
    let mut newest: BTreeMap<Vec<String>, (Timestamp, &Value)> = BTreeMap::new();
    for fact in facts {
        for (path, value) in &fact.attributes {
            let path: Vec<String> = path.segments().map(std::borrow::Cow::into_owned).collect();
            let own = newest.entry(path).or_insert((fact.time, value));
            if fact.time > own.0 {
                *own = (fact.time, value);
            }
        }
    }
    let is_object = |value: &Value| matches!(value, Value::Object(_));
    let is_below = |below: &[String], above: &[String]| below.len() > above.len() && below.starts_with(above);
    let mut shown: BTreeMap<&Vec<String>, &Value> = BTreeMap::new();
    for (path, (time, value)) in &newest {
        let ended_by_above =
            newest.iter().any(|(above, own)| is_below(path, above) && !is_object(own.1) && own.0 > *time);
        let ended_by_below = newest.iter().any(|(below, own)| is_below(below, path) && own.0 > *time);
        if **value != Value::Null && !ended_by_above && (is_object(value) || !ended_by_below) {
            shown.insert(path, value);
        }
    }
    let mut tree = Tree::new();
    for (path, value) in &shown {
        let gives_way = is_object(value) && shown.keys().any(|below| is_below(below, path));
        if !gives_way {
            let path = Path::from_segments(path.iter().map(String::as_str)).expect("it was a path");
            tree.insert(&path, (*value).clone());
        }
    }
    tree
}
