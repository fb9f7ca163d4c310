//! The naive model: the accepted facts and directives in the order of their commits, from which everything is computed anew
//! each time. It shares the data types, `prepare` and the configuration with the engine, and no algorithm.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tessera_engine::config::{Config, Kind, NamespaceId};
use tessera_engine::decide::{DIRECTIVE_DATASET, RELEASE_DATASET};
use tessera_engine::fact::{Fact, Identity, Replaces, Strength};
use tessera_engine::id::DirectiveId;
use tessera_engine::model::{Definition, Window};
use tessera_engine::normalise::normalise;
use tessera_engine::prepare::{Prepared, prepare};
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Path, Tree, Value};

use crate::state::{Profile, State, name, show};

/// Where a cell stands: node, dataset, path and whether it is what a path itself holds.
type Place = (Identity, Arc<str>, (Path, bool));
/// What decides which value of a namespace a read shows.
type Precedence<'r> = (bool, Option<Timestamp>, bool, Reverse<&'r str>);

/// Two identities, the smaller first.
pub(crate) type Pair = (Identity, Identity);

/// What was said by one fact about one pair.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    strength: Strength,
    dataset: Arc<str>,
    batch: Option<Arc<str>>,
    time: Timestamp,
    received_at: Timestamp,
}

/// By what two identities are joined that no fact says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JoinedBy {
    Release,
    Directive(DirectiveId),
    Spelling,
}

/// Two identities that are joined, and no fact says so.
#[derive(Debug, Clone)]
struct Join {
    ends: (Identity, Identity),
    at: Timestamp,
    by: JoinedBy,
}

/// By what a pair is severed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum SeveredBy {
    Document(Identity),
    /// A document that was erased since.
    Gone,
    Directive(DirectiveId),
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
    /// Of what an account owns: whose word it is.
    by: Option<Identity>,
    dataset: Arc<str>,
    batch: Option<Arc<str>>,
    time: Timestamp,
    received_at: Timestamp,
    attributes: Vec<(Path, Value)>,
    /// It is all that its dataset says of its owner.
    is_whole: bool,
    /// Its event had ended when events began to be kept longer.
    has_ended: bool,
    /// It was erased as a single event: only its links are left.
    is_erased: bool,
}

/// How a link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Active,
    Exclusive,
    Hub,
    Blocked,
    Limit,
    Separated,
    Severed,
}

impl Standing {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Exclusive => "exclusive",
            Self::Hub => "hub",
            Self::Blocked => "blocked",
            Self::Limit => "limit",
            Self::Separated => "separated",
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
    /// A directive is in force, or was before.
    Directed,
    Refused,
}

pub(crate) struct Reference {
    config: Arc<Config>,
    facts: Vec<Known>,
    joins: Vec<Join>,
    /// Pairs that were severed, and by what. A document and what it released are always among them.
    severed: BTreeMap<Pair, BTreeSet<SeveredBy>>,
    /// Separations in force, and the two that each keeps apart.
    separations: Vec<(DirectiveId, Identity, Identity)>,
    /// When each identity was first known.
    created: BTreeMap<Identity, Timestamp>,
    erased_events: bool,
    /// Who was erased for good.
    suppressed: BTreeSet<Identity>,
    /// How long values at a path and below it are kept, and how long events are: in microseconds.
    kept: BTreeMap<Path, i64>,
    events_kept: Option<i64>,
    /// The instant at which it is looked at.
    now: Timestamp,
}

/// Who is who, at one instant.
pub(crate) struct Graph {
    nodes: BTreeSet<Identity>,
    said: BTreeMap<Pair, Vec<Said>>,
    pub(crate) standing: BTreeMap<Pair, Standing>,
    winner: BTreeMap<Pair, Option<Pair>>,
    /// For each value that may be a hub: its neighbours above that private keys link, and those that public ones alone do.
    above: BTreeMap<Identity, [BTreeSet<Identity>; 2]>,
    /// The label of its cluster.
    cluster: BTreeMap<Identity, usize>,
    /// The label of its profile.
    profile: BTreeMap<Identity, usize>,
}

pub(crate) fn pair(one: &Identity, other: &Identity) -> Pair {
    if one < other { (one.clone(), other.clone()) } else { (other.clone(), one.clone()) }
}

fn is_of(by: &SeveredBy, gone: &BTreeSet<Identity>) -> bool {
    matches!(by, SeveredBy::Document(document) if gone.contains(document))
}

fn is_end(pair: &Pair, identity: &Identity) -> bool {
    pair.0 == *identity || pair.1 == *identity
}

impl Reference {
    pub(crate) fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            facts: Vec::new(),
            joins: Vec::new(),
            severed: BTreeMap::new(),
            separations: Vec::new(),
            created: BTreeMap::new(),
            erased_events: false,
            suppressed: BTreeSet::new(),
            kept: BTreeMap::new(),
            events_kept: None,
            now: Timestamp::MIN,
        }
    }

    pub(crate) fn fact(&mut self, fact: &Fact, now: Timestamp) -> Expected {
        let Ok(Prepared { mut fact, owner, mut others, mut account, .. }) =
            prepare(Box::new(fact.clone()), now, &self.config)
        else {
            return Expected::Rejected;
        };
        if self.facts.iter().any(|known| !known.is_of_account && !known.is_erased && known.id == fact.id) {
            return Expected::Duplicate;
        }
        if self.is_suppressed(&owner) {
            return Expected::Rejected;
        }
        others.retain(|(other, _)| !self.is_suppressed(other));
        if account.as_ref().is_some_and(|account| self.is_suppressed(account)) {
            (account, fact.account) = (None, None);
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
            by: None,
            dataset: fact.dataset.clone(),
            batch: fact.batch.clone(),
            time: fact.time.unwrap_or(now),
            received_at: now,
            attributes: fact.attributes.clone(),
            is_whole: fact.replaces == Replaces::Fragment,
            has_ended: false,
            is_erased: false,
        };
        if let (Some(said), Some(account)) = (&fact.account, account) {
            self.facts.push(Known {
                owner: account,
                others: Vec::new(),
                account: None,
                is_event: false,
                is_of_account: true,
                by: Some(owner.clone()),
                is_whole: false,
                attributes: said.attributes.clone(),
                ..known.clone()
            });
        }
        self.facts.push(known);
        self.settle(now);
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

    /// Whether it was erased for good. What is known again by another way is let in.
    fn is_suppressed(&self, identity: &Identity) -> bool {
        self.suppressed.contains(identity) && !self.graph().nodes.contains(identity)
    }

    pub(crate) fn suppress(&mut self, identities: &BTreeSet<Identity>) {
        self.suppressed.extend(identities.iter().cloned());
    }

    pub(crate) fn erase(&mut self, identity: &Identity, now: Timestamp) -> Expected {
        let graph = self.graph();
        let Some(label) = graph.profile.get(identity) else { return Expected::NotFound };
        let gone: BTreeSet<Identity> =
            graph.profile.iter().filter(|(_, own)| *own == label).map(|(node, _)| node.clone()).collect();
        self.erase_all(gone, now)
    }

    pub(crate) fn erase_identity(&mut self, identity: &Identity, now: Timestamp) -> Expected {
        if !self.graph().nodes.contains(identity) {
            return Expected::NotFound;
        }
        self.erase_all(BTreeSet::from([identity.clone()]), now)
    }

    fn erase_all(&mut self, gone: BTreeSet<Identity>, now: Timestamp) -> Expected {
        self.facts.retain(|fact| !gone.contains(&fact.owner));
        for fact in &mut self.facts {
            // What she said of an account goes with her; that the account was spoken of stays.
            if fact.by.take_if(|by| gone.contains(by)).is_some() {
                fact.attributes.clear();
            }
            fact.others.retain(|(other, _)| !gone.contains(other));
            if fact.account.as_ref().is_some_and(|account| gone.contains(account)) {
                fact.account = None;
            }
        }
        self.joins.retain(|join| !gone.contains(&join.ends.0) && !gone.contains(&join.ends.1));
        self.severed.retain(|(one, other), _| !gone.contains(one) && !gone.contains(other));
        self.separations.retain(|(_, one, other)| !gone.contains(one) && !gone.contains(other));
        for by in self.severed.values_mut() {
            *by = by.iter().map(|by| if is_of(by, &gone) { SeveredBy::Gone } else { by.clone() }).collect();
        }
        self.settle(now);
        Expected::Erased(gone)
    }

    /// What a fact said about its owner goes; what it has overwritten does not come back.
    pub(crate) fn erase_event(&mut self, id: &Arc<str>, now: Timestamp) -> Expected {
        let of_id = |fact: &Known| fact.id == *id && !fact.is_of_account && !fact.is_erased && fact.is_event;
        if !self.facts.iter().any(of_id) {
            return Expected::NotFound;
        }
        self.erased_events = true;
        let is_victim = |fact: &Known| of_id(fact) || fact.id == *id && fact.is_of_account;
        self.overwrite(is_victim);
        for fact in &mut self.facts {
            if of_id(fact) {
                (fact.is_erased, fact.is_event) = (true, false);
                fact.attributes.clear();
            } else if fact.id == *id && fact.is_of_account {
                fact.attributes.clear();
            }
        }
        self.settle(now);
        Expected::Erased(BTreeSet::new())
    }

    pub(crate) fn erase_source(&mut self, dataset: &str, batch: Option<&str>, now: Timestamp) {
        let is_of =
            |fact: &Known| &*fact.dataset == dataset && batch.is_none_or(|own| fact.batch.as_deref() == Some(own));
        self.overwrite(is_of);
        self.facts.retain(|fact| !is_of(fact));
        self.settle(now);
    }

    pub(crate) fn look_at(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Other windows hold from now on. What has ended under those of before has ended for good.
    pub(crate) fn keep(&mut self, definition: &Definition, now: Timestamp) {
        self.now = now;
        let facts = self.facts.clone();
        for (own, before) in self.facts.iter_mut().zip(&facts) {
            own.attributes.retain(|(path, _)| !ended(before, path, &self.kept, now));
        }
        for event in self.facts.iter_mut().filter(|fact| fact.is_event) {
            event.has_ended |= self.events_kept.is_some_and(|kept| event.time.plus_micros(kept) <= now);
        }
        let micros = |window: Window| i64::from(window.minutes()) * 60_000_000;
        let attributes = definition.attributes.iter();
        self.kept = attributes.filter_map(|(path, own)| Some((path.clone(), micros(own.retention?)))).collect();
        self.events_kept = definition.event_types.values().find_map(|own| own.retention).map(micros);
    }

    /// The facts whose events have ended and still stand.
    pub(crate) fn ended_events(&self) -> BTreeSet<Arc<str>> {
        self.facts.iter().filter(|fact| fact.is_event && self.has_ended(fact)).map(|fact| fact.id.clone()).collect()
    }

    fn has_ended(&self, event: &Known) -> bool {
        event.has_ended || self.events_kept.is_some_and(|kept| event.time.plus_micros(kept) <= self.now)
    }

    /// Takes an event that has ended off its timeline: all but its links, and what still stands of its attributes.
    pub(crate) fn end_event(&mut self, id: &Arc<str>, now: Timestamp) {
        self.now = now;
        let of_id = |fact: &&Known| fact.id == *id && !fact.is_of_account && !fact.is_erased;
        let Some(event) = self.facts.iter().find(of_id).cloned() else { return };
        let is_newest = |said: &(Path, Value)| {
            let same = self.facts.iter().filter(|own| own.owner == event.owner && own.dataset == event.dataset);
            let mut said = same.filter(|own| own.attributes.iter().any(|own| place(own) == place(said)));
            said.all(|own| own.time <= event.time)
        };
        let is_replaced = self.facts.iter().any(|own| own.replaces(&event));
        let mut stand =
            event.attributes.iter().filter(|(path, _)| !is_replaced && !ended(&event, path, &self.kept, now));
        let still_says = stand.any(is_newest);
        self.erased_events = true;
        for fact in self.facts.iter_mut().filter(|fact| fact.id == *id && !fact.is_of_account && !fact.is_erased) {
            fact.is_event = false;
            if !still_says {
                fact.is_erased = true;
                fact.attributes.clear();
            }
        }
        self.settle(now);
    }

    /// Takes from other facts of the same owner and dataset what these have overwritten.
    fn overwrite(&mut self, is_victim: impl Fn(&Known) -> bool) {
        let whole: Vec<Known> = self.facts.iter().filter(|fact| fact.is_whole && is_victim(fact)).cloned().collect();
        for fact in self.facts.iter_mut().filter(|fact| whole.iter().any(|own| own.replaces(fact))) {
            fact.is_whole = false;
            fact.attributes.clear();
        }
        let mut newest: BTreeMap<(Option<Identity>, Place), (Timestamp, bool)> = BTreeMap::new();
        for fact in &self.facts {
            for said in &fact.attributes {
                let key = (fact.by.clone(), (fact.owner.clone(), fact.dataset.clone(), place(said)));
                let own = (fact.time, is_victim(fact));
                let best = newest.entry(key).or_insert(own);
                *best = (*best).max(own);
            }
        }
        for fact in &mut self.facts {
            let (owner, dataset, by) = (fact.owner.clone(), fact.dataset.clone(), fact.by.clone());
            let is_lost = |said: &(Path, Value)| newest[&(by.clone(), (owner.clone(), dataset.clone(), place(said)))].1;
            fact.attributes.retain(|said| !is_lost(said));
        }
    }

    pub(crate) fn has_erased_events(&self) -> bool {
        self.erased_events
    }

    /// Whether what is known is spelled and severed so simply that a sweep may take its time.
    pub(crate) fn is_plain(&self) -> bool {
        self.severed.is_empty() && self.separations.is_empty() && self.joins.is_empty()
    }

    pub(crate) fn configure(&mut self, config: Arc<Config>, now: Timestamp) {
        self.config = config;
        for node in self.graph().nodes {
            let namespace = self.config.find(node.namespace).expect("it is registered");
            let Ok(value) = normalise(namespace, &node.value) else { continue };
            let spelled = Identity { value, ..node.clone() };
            let is_known = |join: &Join| join.by == JoinedBy::Spelling && join.ends.0 == node && join.ends.1 == spelled;
            if spelled != node && !self.joins.iter().any(is_known) {
                let at = self.created[&node];
                self.joins.push(Join { ends: (node, spelled), at, by: JoinedBy::Spelling });
            }
        }
        self.settle(now);
    }

    pub(crate) fn join(&mut self, id: DirectiveId, one: &Identity, other: &Identity, now: Timestamp) -> Expected {
        let graph = self.graph();
        let kind = |identity: &Identity| self.config.find(identity.namespace).map(|own| own.kind);
        if one == other || !graph.nodes.contains(one) || !graph.nodes.contains(other) || kind(one) != kind(other) {
            return Expected::Refused;
        }
        let ends = pair(one, other);
        let is_same =
            |join: &Join| matches!(join.by, JoinedBy::Directive(_)) && pair(&join.ends.0, &join.ends.1) == ends;
        if self.joins.iter().any(is_same) {
            let is_whole = graph.profile[one] == graph.profile[other];
            return if is_whole { Expected::Directed } else { Expected::Refused };
        }
        self.joins.push(Join { ends: (one.clone(), other.clone()), at: now, by: JoinedBy::Directive(id) });
        let after = self.graph();
        if after.profile[one] != after.profile[other] {
            self.joins.pop();
            return Expected::Refused;
        }
        self.settle(now);
        Expected::Directed
    }

    pub(crate) fn undo(&mut self, id: DirectiveId, now: Timestamp) {
        self.joins.retain(|join| join.by != JoinedBy::Directive(id));
        self.settle(now);
    }

    /// Separates these from the rest of their profile; with a side of a past merge given as `rest`, also what hangs to them alone.
    pub(crate) fn separate(
        &mut self,
        id: DirectiveId,
        side: &[Identity],
        rest: Option<&[Identity]>,
        now: Timestamp,
    ) -> Expected {
        let graph = self.graph();
        let Some(first) = side.first().filter(|_| side.iter().all(|one| graph.nodes.contains(one))) else {
            return Expected::Refused;
        };
        let is_of_profile = |node: &&Identity| graph.profile[*node] == graph.profile[first];
        let is_apart = |node: &Identity| match rest {
            None => graph.profile[node] != graph.profile[first],
            Some(_) => graph.cluster[node] != graph.cluster[first],
        };
        if side.iter().any(is_apart) {
            return Expected::Refused;
        }
        let profile: BTreeSet<Identity> = graph.nodes.iter().filter(is_of_profile).cloned().collect();
        let mut one: BTreeSet<Identity> = side.iter().filter(is_of_profile).cloned().collect();
        if let Some(rest) = rest {
            let reached = |from: &mut dyn Iterator<Item = &Identity>, without: &[Identity]| {
                let among: BTreeSet<Identity> =
                    profile.iter().filter(|node| !without.contains(node)).cloned().collect();
                let from: Vec<Identity> = from.filter(|node| among.contains(*node)).cloned().collect();
                from.into_iter().flat_map(|node| reach(node, &graph, &among)).collect::<BTreeSet<_>>()
            };
            let named: Vec<Identity> = one.iter().cloned().collect();
            let from_rest = reached(&mut rest.iter(), &named);
            one.extend(reached(&mut named.iter(), rest).difference(&from_rest).cloned());
        }
        let other: BTreeSet<Identity> = profile.difference(&one).cloned().collect();
        if other.is_empty() {
            return Expected::Refused;
        }
        let across = |(a, b): &&Pair| one.contains(a) && other.contains(b) || other.contains(a) && one.contains(b);
        let cut: Vec<Pair> = graph.said.keys().chain(self.severed.keys()).filter(across).cloned().collect();
        for ends in cut {
            self.severed.entry(ends).or_default().insert(SeveredBy::Directive(id));
        }
        let rank = |node: &Identity| (Reverse(self.config.priority(node.namespace)), node.clone());
        let mut tops = Vec::new();
        for side in [&one, &other] {
            let top = side.iter().min_by_key(|node| rank(node)).expect("a side has a node").clone();
            let mut left = side.clone();
            while let Some(first) = left.first().cloned() {
                let part = reach(first, &graph, side);
                left.retain(|node| !part.contains(node));
                let mut ranked: Vec<&Identity> = part.iter().collect();
                ranked.sort_by_key(|node| rank(node));
                let free = ranked.into_iter().find(|node| !self.severed.contains_key(&pair(&top, node)));
                if !part.contains(&top)
                    && let Some(best) = free
                {
                    let ends = (top.clone(), best.clone());
                    self.joins.push(Join { ends, at: now, by: JoinedBy::Directive(id) });
                }
            }
            tops.push(top);
        }
        self.separations.push((id, tops.remove(0), tops.remove(0)));
        self.settle(now);
        Expected::Directed
    }

    pub(crate) fn lift_separation(&mut self, id: DirectiveId, now: Timestamp) {
        self.separations.retain(|(own, ..)| *own != id);
        self.joins.retain(|join| join.by != JoinedBy::Directive(id));
        self.severed.values_mut().for_each(|by| {
            by.remove(&SeveredBy::Directive(id));
        });
        self.severed.retain(|_, by| !by.is_empty());
        self.settle(now);
    }

    /// Forgets what was said about identities that nothing mentions any more.
    fn settle(&mut self, now: Timestamp) {
        loop {
            let nodes = self.graph().nodes;
            let before = (self.facts.len(), self.severed.len(), self.separations.len());
            self.facts.retain(|fact| nodes.contains(&fact.owner));
            self.severed.retain(|(one, other), _| nodes.contains(one) && nodes.contains(other));
            self.separations.retain(|(_, one, other)| nodes.contains(one) && nodes.contains(other));
            for by in self.severed.values_mut() {
                let is_there = |by: &SeveredBy| !matches!(by, SeveredBy::Document(own) if !nodes.contains(own));
                *by = by.iter().map(|by| if is_there(by) { by.clone() } else { SeveredBy::Gone }).collect();
            }
            self.created.retain(|node, _| nodes.contains(node));
            if before == (self.facts.len(), self.severed.len(), self.separations.len()) {
                for node in nodes {
                    self.created.entry(node).or_insert(now);
                }
                return;
            }
        }
    }

    /// What a fact has said about who owns it, for each of these: that of a read between two sweeps.
    pub(crate) fn attributes_of(&self, nodes: &BTreeSet<String>) -> String {
        let owned = self.facts.iter().filter(|fact| nodes.contains(&name(&fact.owner, &self.config)));
        show(&self.attributes(&owned.collect::<Vec<_>>()))
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
            if is_end(ends, gone) && rest.contains(other) {
                severed += usize::from(*standing != Standing::Severed);
                self.sever(ends.clone(), document);
            }
        }
        let marks: Vec<Pair> = self.severed.keys().cloned().collect();
        for ends in marks {
            let other = if ends.0 == *gone { &ends.1 } else { &ends.0 };
            if is_end(&ends, gone) && rest.contains(other) {
                self.sever(ends, document);
            }
        }
        self.sever(pair(document, gone), document);
        while let Some(first) = rest.first().cloned() {
            let part = reach(first, &graph, &rest);
            rest.retain(|node| !part.contains(node));
            if !part.contains(document) {
                let mut ranked: Vec<&Identity> = part.iter().collect();
                ranked.sort_by_key(|node| (Reverse(self.config.priority(node.namespace)), (*node).clone()));
                let is_separated = |node: &Identity| {
                    let by = self.severed.get(&pair(document, node));
                    by.is_some_and(|by| by.iter().any(|by| matches!(by, SeveredBy::Directive(_))))
                };
                let Some(best) = ranked.into_iter().find(|node| !is_separated(node)).cloned() else { continue };
                self.lift(document, &best);
                self.severed.remove(&pair(document, &best));
                self.joins.push(Join { ends: (document.clone(), best), at: now, by: JoinedBy::Release });
            }
        }
        self.settle(now);
        Expected::Released(severed)
    }

    fn sever(&mut self, ends: Pair, document: &Identity) {
        self.severed.entry(ends).or_default().insert(SeveredBy::Document(document.clone()));
    }

    /// A pair that a document severed with one that it has released stays severed until none of the two is released.
    fn lift(&mut self, document: &Identity, released: &Identity) {
        let by = SeveredBy::Document(document.clone());
        let is_released = |severed: &BTreeMap<Pair, BTreeSet<SeveredBy>>, node: &Identity| {
            severed.get(&pair(document, node)).is_some_and(|own| own.contains(&by))
        };
        if !is_released(&self.severed, released) {
            return;
        }
        let own = self.severed.get_mut(&pair(document, released)).expect("it is there");
        own.remove(&by);
        let still = self.severed.clone();
        for (ends, own) in &mut self.severed {
            let other = if ends.0 == *released { &ends.1 } else { &ends.0 };
            if is_end(ends, released) && !is_released(&still, other) {
                own.remove(&by);
            }
        }
        self.severed.retain(|_, by| !by.is_empty());
    }

    fn said(&self) -> BTreeMap<Pair, Vec<Said>> {
        let mut said: BTreeMap<Pair, Vec<Said>> = BTreeMap::new();
        for fact in &self.facts {
            for (other, strength) in &fact.others {
                let (dataset, batch) = (fact.dataset.clone(), fact.batch.clone());
                let (time, received_at) = (fact.time, fact.received_at);
                let one = Said { strength: *strength, dataset, batch, time, received_at };
                said.entry(pair(&fact.owner, other)).or_default().push(one);
            }
        }
        for Join { ends, at, by } in &self.joins {
            let (dataset, batch) = match by {
                JoinedBy::Release => (RELEASE_DATASET, None),
                JoinedBy::Directive(id) => (DIRECTIVE_DATASET, Some(id.to_string().into())),
                JoinedBy::Spelling => ("$spelling", None),
            };
            let one = Said { strength: Strength::Joined, dataset: dataset.into(), batch, time: *at, received_at: *at };
            said.entry(pair(&ends.0, &ends.1)).or_default().push(one);
        }
        said
    }

    pub(crate) fn graph(&self) -> Graph {
        let said = self.said();
        let owning = self.facts.iter().filter(|fact| !fact.is_erased);
        let mut nodes: BTreeSet<Identity> = owning.map(|fact| fact.owner.clone()).collect();
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
        let mut low_end: BTreeMap<Pair, (Identity, usize)> = BTreeMap::new();
        for (ends, said) in &graph.said {
            let is_joined = said.iter().any(|one| one.strength == Strength::Joined);
            if is_joined || self.severed.contains_key(ends) || priority(&ends.0) == priority(&ends.1) {
                continue;
            }
            let (low, high) =
                if priority(&ends.0) < priority(&ends.1) { (&ends.0, &ends.1) } else { (&ends.1, &ends.0) };
            let is_document = self.config.find(high.namespace).is_some_and(|own| own.name.as_str() == "profile");
            if self.config.exclusive() != Some(low.namespace) && !is_document {
                let class = usize::from(!is_private(said));
                low_end.insert(ends.clone(), (low.clone(), class));
                graph.above.entry(low.clone()).or_default()[class].insert(high.clone());
            }
        }
        for (ends, (low, class)) in low_end {
            // Links of private keys are held for too many of their own alone, those of public keys for either.
            let counts = graph.above[&low].iter().take(class + 1).map(BTreeSet::len);
            if counts.max() > Some(self.config.limits().hub_links_max as usize) {
                graph.standing.insert(ends, Standing::Hub);
            }
        }
        let is_blocked = |identity: &Identity| {
            let namespace = self.config.find(identity.namespace).expect("it is registered");
            normalise(namespace, &identity.value).is_err()
        };
        for ends in graph.said.keys().filter(|ends| is_blocked(&ends.0) || is_blocked(&ends.1)) {
            if !self.severed.contains_key(ends) {
                graph.standing.insert(ends.clone(), Standing::Blocked);
            }
        }
    }

    /// Whether joining what these labels stand for would bring two together that are separated.
    fn parts(&self, labels: &BTreeMap<Identity, usize>, one: usize, other: usize) -> bool {
        let is = |node: &Identity, label: usize| labels.get(node) == Some(&label);
        self.separations.iter().any(|(_, a, b)| is(a, one) && is(b, other) || is(a, other) && is(b, one))
    }

    /// Links in the order of the walk that neither are severed nor end at a hub.
    fn walked(graph: &Graph) -> Vec<Pair> {
        let mut pairs: Vec<&Pair> = graph.said.keys().filter(|pair| !graph.standing.contains_key(pair)).collect();
        pairs.sort_by_key(|pair| {
            let said = &graph.said[pair];
            let strength = said.iter().map(|one| one.strength).max();
            // Where a private key says it, what public ones say places nothing; of those alone the receipt counts.
            let since = match is_private(said) {
                true => said.iter().filter(|one| is_private([*one])).map(|one| one.time).min(),
                false => said.iter().map(|one| one.received_at).min(),
            };
            (Reverse(strength), since, (*pair).clone())
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
        for (at, ends) in walked.iter().enumerate() {
            if !graph.is_joined(ends) {
                continue;
            }
            let (one, other) = (unit[&ends.0], unit[&ends.1]);
            if one != other && self.parts(&unit, one, other) {
                graph.standing.insert(ends.clone(), Standing::Separated);
            } else if one != other {
                relabel(&mut unit, one, other);
                last_by.extend(unit.iter().filter(|(_, own)| **own == one).map(|(node, _)| (node.clone(), at)));
            }
        }
        graph.profile = unit.clone();
        for (at, ends) in walked.iter().enumerate() {
            if graph.standing.contains_key(ends) {
                continue;
            }
            let (one, other) = (graph.profile[&ends.0], graph.profile[&ends.1]);
            if one != other && self.parts(&graph.profile, one, other) {
                graph.standing.insert(ends.clone(), Standing::Separated);
                continue;
            }
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
                let batch = if dataset.starts_with('$') { &None } else { &batch };
                format!("{strength:?} {dataset} {batch:?} {span:?}")
            });
            let standing = graph.standing[ends].name().to_string();
            state.links.insert((name(&ends.0, config), name(&ends.1, config)), (standing, evidence.collect()));
        }
        for node in &graph.nodes {
            let owned = self.facts.iter().filter(|fact| fact.owner == *node && !fact.is_erased);
            let events = owned.clone().filter(|fact| fact.is_event).map(|fact| fact.id.to_string()).collect();
            let above = graph.above.get(node).map_or([0, 0], |above| above.each_ref().map(BTreeSet::len));
            let row = (owned.count() as u64, events, above);
            state.nodes.insert(name(node, config), row);
        }
        state
    }

    fn profile(&self, nodes: &BTreeSet<Identity>, graph: &Graph) -> Profile {
        let config = &*self.config;
        let owned: Vec<&Known> = self.facts.iter().filter(|fact| nodes.contains(&fact.owner)).collect();
        let mut latest: BTreeMap<NamespaceId, Precedence<'_>> = BTreeMap::new();
        for node in nodes {
            let mut seen: Vec<Timestamp> =
                owned.iter().filter(|fact| fact.owner == *node).map(|fact| fact.time).collect();
            let owns = !seen.is_empty();
            let active = graph.said.iter().filter(|(ends, _)| graph.standing[*ends] == Standing::Active);
            let is_vouched_for = active.filter(|(ends, _)| is_end(ends, node)).any(|(_, said)| is_private(said));
            for (ends, said) in graph.said.iter().filter(|(ends, _)| is_end(ends, node)) {
                if matches!(graph.standing[ends], Standing::Active | Standing::Limit | Standing::Separated) {
                    let counted = said.iter().filter(|one| !is_vouched_for || is_private([*one]));
                    seen.extend(counted.filter(|one| one.strength != Strength::Joined).map(|one| one.time));
                }
            }
            let own = (is_vouched_for, seen.into_iter().max(), owns, Reverse(&*node.value));
            let best = latest.entry(node.namespace).or_insert(own);
            *best = (*best).max(own);
        }
        let spelled = |namespace| config.find(namespace).expect("it is registered").name.to_string();
        let is_account =
            nodes.iter().any(|node| config.find(node.namespace).expect("it is registered").kind == Kind::Account);
        Profile {
            is_somebody: is_account || nodes.len() > 1 || owned.iter().any(|fact| !fact.is_erased),
            attributes: show(&self.attributes(&owned)),
            identifiers: latest.into_iter().map(|(id, (.., value))| (spelled(id), value.0.to_string())).collect(),
            events: (owned.iter().filter(|fact| fact.is_event && !self.has_ended(fact)))
                .map(|fact| (fact.id.to_string(), name(&fact.owner, config)))
                .collect(),
            accounts: (owned.iter())
                .filter_map(|fact| Some((name(&fact.owner, config), name(fact.account.as_ref()?, config))))
                .collect(),
        }
    }
}

impl Known {
    /// Whether this is all that was said where another fact said something earlier.
    fn replaces(&self, other: &Self) -> bool {
        let same = (&self.owner, &self.dataset) == (&other.owner, &other.dataset) && other.by.is_none();
        self.is_whole && same && other.time < self.time
    }
}

impl Reference {
    fn attributes(&self, facts: &[&Known]) -> Tree {
        let stands = |fact: &&&Known| !facts.iter().any(|own| own.replaces(fact));
        let mut facts: Vec<Known> = facts.iter().filter(stands).map(|fact| (*fact).clone()).collect();
        for fact in &mut facts {
            let whole = fact.clone();
            fact.attributes.retain(|(path, _)| !ended(&whole, path, &self.kept, self.now));
        }
        attributes(&facts)
    }
}

/// What the law of documents asks.
impl Reference {
    pub(crate) fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Whether a fact of this id was taken in.
    pub(crate) fn knows(&self, id: &str) -> bool {
        self.facts.iter().any(|fact| !fact.is_of_account && !fact.is_erased && *fact.id == *id)
    }

    pub(crate) fn is_known(&self, identity: &Identity) -> bool {
        self.graph().nodes.contains(identity)
    }

    /// Who is one profile with an identity; nobody where it is alone, and no fact is its own.
    pub(crate) fn people_of(&self, identity: &Identity) -> BTreeSet<Identity> {
        let graph = self.graph();
        let Some(label) = graph.profile.get(identity) else { return BTreeSet::new() };
        let people = graph.profile.iter().filter(|(_, own)| *own == label).map(|(node, _)| node.clone());
        let people: BTreeSet<Identity> = people.collect();
        let has_facts = || self.facts.iter().any(|fact| !fact.is_erased && people.contains(&fact.owner));
        let is_somebody = people.len() > 1 || has_facts();
        if is_somebody { people } else { BTreeSet::new() }
    }

    pub(crate) fn are_linked(&self, one: &Identity, other: &Identity) -> bool {
        self.graph().standing.get(&pair(one, other)) == Some(&Standing::Active)
    }

    /// Whether no private key links an identity to others of its profile.
    pub(crate) fn is_of_public_links(&self, identity: &Identity, people: &BTreeSet<Identity>) -> bool {
        let graph = self.graph();
        let mut own = graph.standing.iter().filter(|(ends, standing)| {
            let other = if ends.0 == *identity { &ends.1 } else { &ends.0 };
            **standing == Standing::Active && is_end(ends, identity) && people.contains(other)
        });
        own.all(|(ends, _)| !is_private(&graph.said[ends]))
    }

    /// When somebody last said what holds an identity in its profile.
    pub(crate) fn last_said(&self, identity: &Identity, people: &BTreeSet<Identity>) -> Option<Timestamp> {
        let graph = self.graph();
        let own = graph.standing.iter().filter(|(ends, standing)| {
            let other = if ends.0 == *identity { &ends.1 } else { &ends.0 };
            **standing == Standing::Active && is_end(ends, identity) && people.contains(other)
        });
        own.flat_map(|(ends, _)| &graph.said[ends]).map(|said| said.time).max()
    }

    /// Whether a private key says something of what holds these together.
    pub(crate) fn are_vouched_for(&self, people: &BTreeSet<Identity>) -> bool {
        people.iter().any(|own| !self.is_of_public_links(own, people))
    }

    pub(crate) fn created_at(&self, identity: &Identity) -> Timestamp {
        self.created[identity]
    }

    /// How many facts an identity owns.
    pub(crate) fn owned_by(&self, identity: &Identity) -> u64 {
        self.facts.iter().filter(|fact| fact.owner == *identity && !fact.is_erased).count() as u64
    }

    /// Where these say something in a dataset: the newest of each place that is not null.
    pub(crate) fn paths_of(&self, owners: &[&Identity], dataset: Option<&str>) -> BTreeSet<Path> {
        let datasets: BTreeSet<&str> = match dataset {
            Some(dataset) => [dataset].into(),
            None => self.facts.iter().map(|fact| &*fact.dataset).collect(),
        };
        let mut said = BTreeSet::new();
        for (owner, dataset) in owners.iter().flat_map(|owner| datasets.iter().map(move |own| (owner, *own))) {
            let mut newest: BTreeMap<(Path, bool), (Timestamp, &Value)> = BTreeMap::new();
            let facts = self.facts.iter().filter(|fact| fact.owner == **owner && *fact.dataset == *dataset);
            for fact in facts.filter(|fact| !self.facts.iter().any(|own| own.replaces(fact))) {
                for leaf in &fact.attributes {
                    let own = newest.entry(place(leaf)).or_insert((fact.time, &leaf.1));
                    if fact.time > own.0 {
                        *own = (fact.time, &leaf.1);
                    }
                }
            }
            said.extend(newest.into_iter().filter(|(_, (_, value))| **value != Value::Null).map(|((path, _), _)| path));
        }
        said
    }
}

impl Graph {
    fn is_joined(&self, ends: &Pair) -> bool {
        self.said[ends].iter().any(|one| one.strength == Strength::Joined)
    }
}

/// Whether a private key is among those who said so.
fn is_private<'a>(said: impl IntoIterator<Item = &'a Said>) -> bool {
    said.into_iter().any(|one| matches!(one.strength, Strength::Stated | Strength::Verified | Strength::Joined))
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

/// Where something is kept: that an object is there has a place beside what else is said of the path.
pub(crate) fn place((path, value): &(Path, Value)) -> (Path, bool) {
    (path.clone(), matches!(value, Value::Object(_)))
}

/// Whether what a fact said at this path has ended, by the windows of the path and of all above it.
fn ended(fact: &Known, path: &Path, kept: &BTreeMap<Path, i64>, now: Timestamp) -> bool {
    let mut windows = kept.iter().filter(|(own, _)| *own == path || own.is_above(path));
    windows.any(|(_, kept)| fact.time.plus_micros(*kept) <= now)
}

/// The newest cell of each path; then a value ends what is older above and below it, an empty object nothing below it. What a value has
/// ended below it stays so, whatever is said of its path afterwards.
fn attributes(facts: &[Known]) -> Tree {
    let mut newest: BTreeMap<Vec<String>, (Timestamp, &Value)> = BTreeMap::new();
    let mut solid: BTreeMap<Vec<String>, Timestamp> = BTreeMap::new();
    for fact in facts {
        for (path, value) in &fact.attributes {
            let path: Vec<String> = path.segments().map(std::borrow::Cow::into_owned).collect();
            if !matches!(value, Value::Object(_)) {
                let last = solid.entry(path.clone()).or_insert(fact.time);
                *last = fact.time.max(*last);
            }
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
        let ended_by_above = solid.iter().any(|(above, last)| is_below(path, above) && last > time);
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
