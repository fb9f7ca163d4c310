//! A world of plain maps around the engine: what a store would hold, gathered, decided and committed as a service does.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tessera_engine::cluster::{Cluster, End, HoldReason, Hub, Link, LinkState, Source};
use tessera_engine::config::Config;
use tessera_engine::decide::{
    Command, Context, Directive, Effects as Notes, Erasure, EventErasure, EventExpiry, EventForgetting,
    EventReplacement, Forgetting, GivenDirective, LinkRemoval, Loose, NewEvent, Outcome, Record, Release, Retraction,
    Sweep, Victim, decide, lags,
};
use tessera_engine::fact::{Class, Fact, FactKey, Identity};
use tessera_engine::id::{DirectiveId, Ids, NodeId};
use tessera_engine::policy::CompiledPolicy;
use tessera_engine::prepare::prepare;
use tessera_engine::rules::Built;
use tessera_engine::time::Timestamp;
use tessera_engine::value::Tree;
use tessera_engine::view::{self, Lens, Relevance};
use tessera_engine::walk::{Edge, Refusal, stage_two};
use tessera_engine::working::{Changes, FactRow, IdentityRow, Lack, Need, Working};

use crate::state::{Profile, State, name, show};

/// The type of all events.
pub(crate) const EVENT: &str = "seen";

/// The instant of the first command. Facts of the tests lie before it.
pub(crate) const START_MICROS: i64 = 1_000_000_000_000_000;

/// How what a command needs is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetch {
    /// Two rounds before the decision, then all that it lacks, as a service does.
    Rounds,
    /// Nothing before the decision, then one thing at a time.
    OneByOne,
    /// Everything there is, before the decision.
    Preloaded,
}

/// What is stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tables {
    pub(crate) identities: BTreeMap<Identity, IdentityRow>,
    pub(crate) clusters: BTreeMap<NodeId, Arc<Cluster>>,
    pub(crate) homes: BTreeMap<NodeId, NodeId>,
    pub(crate) facts: BTreeMap<Arc<str>, FactRow>,
    pub(crate) held: BTreeMap<NodeId, BTreeMap<NodeId, Arc<Link>>>,
    /// The owner of each event, by its fact's id.
    pub(crate) events: BTreeMap<Arc<str>, NodeId>,
    /// When each event was received.
    pub(crate) received: BTreeMap<Arc<str>, Timestamp>,
    /// Who is suppressed.
    pub(crate) suppressed: BTreeSet<Identity>,
}

/// What a decision came to, and what it took.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) outcome: Outcome,
    pub(crate) notes: Notes,
    /// How often it lacked something.
    pub(crate) rounds: usize,
}

pub(crate) struct World {
    pub(crate) config: Arc<Config>,
    pub(crate) tables: Tables,
    fetch: Fetch,
    working: Working,
    ids: Ids,
    now: Timestamp,
    pending: Vec<Outcome>,
    links_at_once: usize,
    /// The erased nodes of which something is still to be removed.
    loose: Vec<Loose>,
    /// Whether they are removed only when somebody says so, and not with the commit that leaves them.
    pub(crate) unlinks_late: bool,
}

impl World {
    pub(crate) fn new(config: Arc<Config>, fetch: Fetch) -> Self {
        let now = Timestamp::from_micros(START_MICROS).expect("the start is an instant");
        let working = Working::new(config.clone());
        Self {
            config,
            tables: Tables::default(),
            fetch,
            working,
            ids: Ids::new(0, 0),
            now,
            pending: Vec::new(),
            links_at_once: usize::MAX,
            loose: Vec::new(),
            unlinks_late: false,
        }
    }

    /// One command changes so many links that do not hold, at most.
    pub(crate) fn allow_links(&mut self, at_once: usize) {
        self.links_at_once = at_once;
        self.working.allow_links(at_once);
    }

    fn begin(&mut self) {
        self.working = Working::new(self.config.clone());
        self.working.allow_links(self.links_at_once);
    }

    /// Removes the links of what was erased, each in a commit of its own.
    pub(crate) fn unlink_all(&mut self) {
        while let Some(Loose { node: gone, accounts }) = self.loose.first().cloned() {
            let others: Vec<NodeId> =
                self.tables.held.get(&gone).map(|rows| rows.keys().copied().collect()).unwrap_or_default();
            for other in others {
                self.decide(&LinkRemoval { gone, other }.into());
                self.apply();
            }
            for account in accounts {
                self.decide(&Retraction { gone, account }.into());
                self.apply();
            }
            assert!(!self.tables.held.contains_key(&gone), "nothing is left of {gone}");
            self.loose.remove(0);
        }
    }

    /// The instant of the last command.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The instant at which the next command is decided.
    pub(crate) fn next_now(&self) -> Timestamp {
        self.now.plus_micros(1_000_000)
    }

    pub(crate) fn fact(&mut self, fact: &Fact) -> Told {
        match prepare(Box::new(fact.clone()), self.next_now(), &self.config) {
            Ok(prepared) => self.decide(&Command::Fact(prepared)),
            Err(rejection) => {
                self.now = self.next_now();
                Told { outcome: Outcome::Rejected(rejection), notes: Notes::default(), rounds: 0 }
            }
        }
    }

    /// The next command is decided at this instant, before or after those of before.
    /// Puts a record in the place of what its dataset said of its owner.
    #[allow(dead_code, reason = "the cases alone have records")]
    pub(crate) fn record(&mut self, fact: &Fact) -> Told {
        match prepare(Box::new(fact.clone()), self.next_now(), &self.config) {
            Ok(prepared) if prepared.fact.call.is_some() => self.decide(&EventReplacement(Box::new(prepared)).into()),
            Ok(prepared) => self.decide(&Record(Box::new(prepared)).into()),
            Err(rejection) => {
                self.now = self.next_now();
                Told { outcome: Outcome::Rejected(rejection), notes: Notes::default(), rounds: 0 }
            }
        }
    }

    /// Takes an event off its timeline.
    #[allow(dead_code, reason = "the cases alone have records")]
    pub(crate) fn forget_event(&mut self, id: &str, dataset: &str) -> Told {
        self.decide(&EventForgetting(FactKey { dataset: dataset.into(), id: id.into() }).into())
    }

    /// Takes back what a dataset said of an identity.
    #[allow(dead_code, reason = "the cases alone have records")]
    pub(crate) fn forget(&mut self, identity: &Identity, dataset: &str) -> Told {
        let node = self.node(identity);
        self.decide(&Forgetting { node, dataset: dataset.into() }.into())
    }

    pub(crate) fn go_to(&mut self, at: Timestamp) {
        self.now = at.plus_micros(-1_000_000);
    }

    /// Erases the profile of an identity, as the last commit left it.
    pub(crate) fn erase(&mut self, identity: &Identity) -> Told {
        self.erase_as(identity, |node| Erasure { victim: Victim::Profile(node), suppresses: false })
    }

    /// Erases what an identity names, as the last commit left it.
    pub(crate) fn erase_as(&mut self, identity: &Identity, erasure: impl Fn(NodeId) -> Erasure) -> Told {
        let erasure = erasure(self.node(identity));
        self.decide(&erasure.into())
    }

    /// Erases one event, by its fact's id.
    pub(crate) fn erase_event(&mut self, fact: &Arc<str>) -> Told {
        self.decide(&self.event_erasure(fact).into())
    }

    fn event_erasure(&self, fact: &Arc<str>) -> EventErasure {
        let nowhere = NodeId::from_bytes([0xff; 12]);
        let row = self.tables.facts.get(fact).filter(|_| self.tables.events.contains_key(fact));
        let source = row.and_then(|row| row.source.clone()).unwrap_or_else(|| Source::of_ours("none", None));
        let received_at = self.tables.received.get(fact).copied().unwrap_or(Timestamp::MIN);
        let node = row.map_or(nowhere, |row| row.node);
        EventErasure { fact: fact.clone(), node, source, received_at }
    }

    /// Takes an event off its timeline, by its fact's id.
    pub(crate) fn end_event(&mut self, fact: &Arc<str>) -> Told {
        self.commit();
        let erasure = self.event_erasure(fact);
        let told = self.decide(&EventExpiry(erasure).into());
        if let Outcome::EventEnded = told.outcome {
            self.tables.events.remove(fact);
        }
        self.commit();
        told
    }

    /// The events that have ended and still stand.
    pub(crate) fn ended_events(&self) -> BTreeSet<Arc<str>> {
        let sweeps = self.config.sweeps();
        let is_erased = |fact: &Arc<str>| self.tables.facts[fact].source.as_ref().is_some_and(|own| sweeps.erases(own));
        self.tables.events.keys().filter(|fact| self.has_ended(fact) && !is_erased(fact)).cloned().collect()
    }

    fn has_ended(&self, fact: &Arc<str>) -> bool {
        let (row, received_at) = (&self.tables.facts[fact], self.tables.received[fact]);
        self.config.keeping().is_event_gone(Some(EVENT), row.time, received_at, self.now)
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, seconds: u8) {
        self.commit();
        self.now = self.now.plus_micros(i64::from(seconds) * 1_000_000);
    }

    fn node(&self, identity: &Identity) -> NodeId {
        self.tables.identities.get(identity).map_or(NodeId::from_bytes([0xff; 12]), |row| row.node)
    }

    pub(crate) fn directive(&mut self, id: DirectiveId, directive: Directive) -> Told {
        self.decide(&GivenDirective { id, directive }.into())
    }

    /// Decides under another configuration from here on.
    pub(crate) fn configure(&mut self, config: Arc<Config>) {
        self.commit();
        self.now = self.next_now();
        self.config = config;
        self.begin();
    }

    /// The clusters that the sweeps have not reached.
    pub(crate) fn stale(&self) -> Vec<NodeId> {
        let number = self.config.sweeps().number;
        let stale = self.tables.clusters.iter().filter(|(_, cluster)| cluster.swept < number);
        stale.map(|(id, _)| *id).collect()
    }

    /// The clusters at which a sweep would find something to do.
    pub(crate) fn lagging(&self) -> Vec<NodeId> {
        let lagging = self.tables.clusters.iter().filter(|(_, cluster)| lags(cluster, &self.config, self.now));
        lagging.map(|(id, _)| *id).collect()
    }

    /// Drops the rows of what is erased, once the sweeps have been everywhere.
    pub(crate) fn drop_erased(&mut self) {
        let sweeps = self.config.sweeps();
        let is_erased = |row: &FactRow| row.source.as_ref().is_some_and(|source| sweeps.erases(source));
        let erased: Vec<Arc<str>> =
            self.tables.facts.iter().filter(|(_, row)| is_erased(row)).map(|(id, _)| id.clone()).collect();
        for id in erased {
            self.tables.facts.remove(&id);
            self.tables.events.remove(&id);
        }
    }

    pub(crate) fn sweep(&mut self, cluster: NodeId) -> Told {
        self.decide(&Sweep(cluster).into())
    }

    /// Sweeps until nothing is left, as a job does: in passes over the clusters that there are when each begins.
    pub(crate) fn sweep_all(&mut self) {
        self.commit();
        for _ in 0..100 {
            let stale = self.lagging();
            if stale.is_empty() {
                return;
            }
            for cluster in stale {
                self.sweep(cluster);
                self.commit();
            }
        }
        panic!("the sweeps end");
    }

    pub(crate) fn release(&mut self, document: &Identity, identity: &Identity) -> Told {
        self.decide(&Release { document: document.clone(), identity: identity.clone() }.into())
    }

    /// Decides over the working set of the group; [`Self::commit`] makes it last.
    pub(crate) fn decide(&mut self, command: &Command) -> Told {
        self.now = self.next_now();
        let mut command = Cow::Borrowed(command);
        self.prefetch(&command);
        let mut notes = Notes::default();
        let was_changed = self.working.is_changed();
        for rounds in 0.. {
            let mut ids = self.ids.clone();
            ids.at(self.now.millis());
            let mut context = Context { now: self.now, ids: &mut ids };
            match decide(&command, &mut self.working, &mut context, &mut notes) {
                Ok(outcome) => {
                    self.ids = ids;
                    self.pending.push(outcome.clone());
                    return Told { outcome, notes, rounds };
                }
                Err(Lack::Needs(needs)) => self.fetch_lacking(&needs, rounds, was_changed),
                Err(Lack::Torn) => panic!("what this world holds is of one instant"),
                Err(Lack::Suppressed(identities)) => {
                    let Command::Fact(prepared) = &*command else { panic!("facts alone name identities: {command:?}") };
                    command = Cow::Owned(Command::Fact(prepared.without(&identities, &self.config)));
                }
            }
            assert!(notes.notices.is_empty(), "a command that lacks something tells nothing");
        }
        unreachable!("the rounds end")
    }

    /// Applies what the group changed, and has the links removed that it left.
    pub(crate) fn commit(&mut self) -> Changes {
        let changes = self.apply();
        if !self.unlinks_late {
            self.unlink_all();
        }
        changes
    }

    fn apply(&mut self) -> Changes {
        let changes = self.working.take_changes();
        let tables = &mut self.tables;
        changes.identities.iter().for_each(|(key, row)| put(&mut tables.identities, key, row));
        changes.clusters.iter().for_each(|(key, row)| put(&mut tables.clusters, key, row));
        changes.homes.iter().for_each(|(key, row)| put(&mut tables.homes, key, row));
        // Each fact of these histories has an id of its own, in whatever dataset.
        changes.facts.iter().for_each(|(key, row)| put(&mut tables.facts, &key.id, row));
        for (node, other, row) in &changes.held {
            let rows = tables.held.entry(*node).or_default();
            put(rows, other, row);
            if rows.is_empty() {
                tables.held.remove(node);
            }
        }
        for outcome in self.pending.drain(..) {
            match outcome {
                Outcome::Documented(documented) => {
                    if let Some(event) = documented.event {
                        tables.received.insert(event.fact_id.clone(), event.received_at);
                        tables.events.insert(event.fact_id.clone(), event.node);
                    }
                }
                Outcome::Accepted { event: Some(event), .. } => {
                    let NewEvent { fact_id, node, received_at, .. } = *event;
                    tables.received.insert(fact_id.clone(), received_at);
                    tables.events.insert(fact_id, node);
                }
                Outcome::EventReplaced(replaced) => {
                    if let Some(event) = replaced.event {
                        tables.received.insert(event.fact_id.clone(), event.received_at);
                        tables.events.insert(event.fact_id.clone(), event.node);
                    }
                }
                Outcome::Erased(erased) => {
                    self.loose.extend(erased.loose.iter().cloned());
                    let is_gone = |node: &NodeId| erased.nodes.iter().any(|(own, _)| own == node);
                    tables.events.retain(|_, node| !is_gone(node));
                }
                _ => {}
            }
        }
        // An erased event's row goes with its fact's.
        for (fact, row) in &changes.facts {
            if row.is_none() {
                tables.events.remove(&fact.id);
            }
        }
        tables.suppressed.extend(changes.suppressed.iter().cloned());
        self.begin();
        changes
    }

    fn prefetch(&mut self, command: &Command) {
        match self.fetch {
            Fetch::Rounds => {
                self.fetch_all(&command.first_needs());
                let needs = command.second_needs(&self.working);
                self.fetch_all(&needs);
            }
            Fetch::OneByOne => {}
            Fetch::Preloaded => self.preload(command),
        }
    }

    fn preload(&mut self, command: &Command) {
        self.fetch_all(&command.first_needs());
        let tables = &self.tables;
        let nodes = tables.clusters.values().flat_map(|cluster| &cluster.nodes);
        let related = nodes.flat_map(|node| &node.relations);
        let needs = (tables.identities.keys().map(|identity| Need::Identity(identity.clone())))
            .chain(tables.clusters.keys().map(|id| Need::Cluster(*id)))
            .chain(tables.homes.keys().flat_map(|node| [Need::Home(*node), Need::HeldOf(*node)]))
            .chain(tables.facts.values().map(|row| Need::Home(row.node)))
            // An account that was erased is still named by whoever belonged to it.
            .chain(related.map(|own| Need::Home(own.node)));
        let mut needs: Vec<Need> = needs.collect();
        if let Command::Fact(prepared) = command {
            let others = prepared.others.iter().map(|(identity, _)| identity);
            let all = std::iter::once(&prepared.owner).chain(others).chain(&prepared.account);
            needs.extend(all.map(|identity| Need::Suppression(identity.clone())));
        }
        self.fetch_all(&needs);
    }

    fn fetch_lacking(&mut self, needs: &[Need], rounds: usize, was_changed: bool) {
        assert!(!needs.is_empty(), "what lacks something says what");
        assert!(was_changed || !self.working.is_changed(), "a command that lacks something leaves nothing behind");
        for need in needs {
            assert!(!self.working.knows(need), "what was read is not asked for again: {need:?}");
        }
        match self.fetch {
            Fetch::Rounds => self.fetch_all(needs),
            Fetch::OneByOne => self.fetch_all(&needs[..1]),
            Fetch::Preloaded => panic!("everything there is was loaded: {needs:?}"),
        }
        // A sweep reads what it finds on its way through a record; it was seen to take more than 32.
        let rounds_max = if self.fetch == Fetch::Rounds { 64 } else { 1_000 };
        assert!(rounds < rounds_max, "the rounds of one command are bounded");
    }

    fn fetch_all(&mut self, needs: &[Need]) {
        let (tables, working) = (&self.tables, &mut self.working);
        for need in needs {
            match need {
                Need::Identity(identity) => {
                    working.load_identity(identity.clone(), tables.identities.get(identity).copied());
                }
                Need::Cluster(id) => working.load_cluster(*id, tables.clusters.get(id).cloned()),
                Need::Home(node) => working.load_home(*node, tables.homes.get(node).copied()),
                Need::Fact(key) => working.load_fact(key.clone(), tables.facts.get(&key.id).cloned()),
                Need::Held(node, other) => {
                    let link = tables.held.get(node).and_then(|rows| rows.get(other)).cloned();
                    working.load_held(*node, *other, link);
                }
                Need::Suppression(identity) => {
                    working.load_suppression(identity.clone(), tables.suppressed.contains(identity));
                }
                // There are no rules here.
                Need::States(node, without, at) => {
                    let built = Built::new(working.config().rules(), *at);
                    working.load_states(*node, *without, built);
                }
                Need::Stretch(node, from, to) => {
                    working.load_stretch((*node, *from, *to), Some((Vec::new(), None)));
                }
                Need::Newest(node) => working.load_newest(*node, Vec::new()),
                Need::HeldOf(node) | Need::HeldCount(node) => {
                    self.loose.iter().for_each(|gone| working.load_home(gone.node, None));
                    let links = tables.held.get(node).map(|rows| rows.values().cloned().collect());
                    working.load_held_of(*node, links.unwrap_or_default());
                }
            }
        }
    }

    /// The committed state, by names.
    pub(crate) fn state(&self) -> State {
        let (tables, config) = (&self.tables, &*self.config);
        let mut state = State::default();
        let mut links: Vec<&Link> = Vec::new();
        for cluster in tables.clusters.values() {
            state.clusters.insert(cluster.nodes.iter().map(|node| name(&node.identity, config)).collect());
            links.extend(&cluster.links);
            for id in cluster.profile_ids() {
                let nodes = cluster.piece(id).map(|node| name(&node.identity, config)).collect();
                state.profiles.insert(nodes, self.profile(cluster, id));
            }
            for node in &cluster.nodes {
                let events = self.events_of(node.id).map(ToString::to_string).collect();
                let above = [node.above.private, node.above.public].map(|count| count as usize);
                state.nodes.insert(name(&node.identity, config), (node.facts(), events, above));
            }
        }
        links.extend(tables.held.values().flat_map(BTreeMap::values).map(|link| &**link));
        for link in links.into_iter().filter(|link| !link.is_mark()) {
            let ends = (name(&link.ends[0].identity, config), name(&link.ends[1].identity, config));
            let standing = match link.state {
                LinkState::Active => "active",
                LinkState::Held(rule) => rule.name(),
                LinkState::Severed(_) => "severed",
            };
            // What came before and after an erasure of a source counts apart until it has gone; people see it as one.
            let mut spans: BTreeMap<_, (u64, i64, i64)> = BTreeMap::new();
            let counted = link
                .evidence
                .iter()
                .filter(|evidence| evidence.tally.count > 0 && !config.sweeps().erases(&evidence.tally.source));
            for evidence in counted {
                let (source, tally) = (&evidence.tally.source, &evidence.tally);
                let key = (evidence.strength, source.dataset.clone(), source.batch.clone());
                let own = spans.entry(key).or_insert((0, i64::MAX, i64::MIN));
                *own = (own.0 + tally.count, own.1.min(tally.first.micros()), own.2.max(tally.last.micros()));
            }
            let evidence = spans.into_iter().map(|((strength, dataset, batch), span)| {
                let batch = if dataset.starts_with('$') { None } else { batch };
                format!("{strength:?} {dataset} {batch:?} {span:?}")
            });
            state.links.insert(ends, (standing.to_string(), evidence.collect()));
        }
        state
    }

    /// The profiles by id: what a reader of each is shown, but for when it last changed.
    pub(crate) fn views(&self) -> BTreeMap<NodeId, (BTreeSet<NodeId>, Profile)> {
        let mut views = BTreeMap::new();
        for cluster in self.tables.clusters.values() {
            for id in cluster.profile_ids() {
                let nodes = cluster.piece(id).map(|node| node.id).collect();
                let profile = Profile { accounts: BTreeSet::new(), ..self.profile(cluster, id) };
                views.insert(id, (nodes, profile));
            }
        }
        views
    }

    /// The facts whose events stand on the timeline of a node.
    fn events_of(&self, node: NodeId) -> impl Iterator<Item = &Arc<str>> {
        let sweeps = self.config.sweeps();
        let is_erased = |fact: &Arc<str>| {
            let source = self.tables.facts.get(fact).and_then(|row| row.source.as_ref());
            source.is_some_and(|source| sweeps.erases(source))
        };
        let owned = self.tables.events.iter().filter(move |(_, owner)| **owner == node);
        owned.map(|(fact, _)| fact).filter(move |fact| !is_erased(fact))
    }

    pub(crate) fn lens(&self) -> Lens<'_> {
        Lens { policy: CompiledPolicy::by_default(), config: &self.config, now: self.now, relevance: Relevance::Any }
    }

    fn profile(&self, cluster: &Cluster, id: NodeId) -> Profile {
        let config = &*self.config;
        let view = view::fold(cluster, id, &self.lens()).expect("a profile has a view");
        assert_eq!(view.profile_id, id);
        let spelled = |namespace| config.find(namespace).expect("it is registered").name.to_string();
        let mut events = BTreeMap::new();
        let mut accounts = BTreeSet::new();
        for node in cluster.piece(id) {
            let shown = self.events_of(node.id).filter(|fact| !self.has_ended(fact));
            events.extend(shown.map(|fact| (fact.to_string(), name(&node.identity, config))));
            for relation in &node.relations {
                if self.tables.identities.get(&relation.account).is_some_and(|row| row.node == relation.node) {
                    accounts.insert((name(&node.identity, config), name(&relation.account, config)));
                }
            }
        }
        Profile {
            is_somebody: cluster.kind_of(id, config).is_some(),
            attributes: show(&Tree::Node(view.attributes)),
            identifiers: view.identifiers.iter().map(|(id, value)| (spelled(*id), value.to_string())).collect(),
            events,
            accounts,
        }
    }

    /// Everything that must hold after a commit, whatever was committed.
    pub(crate) fn check(&self) {
        let tables = &self.tables;
        let mut at: BTreeMap<NodeId, (&Identity, NodeId)> = BTreeMap::new();
        let mut linked: BTreeSet<(NodeId, NodeId)> = BTreeSet::new();
        for (id, cluster) in &tables.clusters {
            self.check_cluster(*id, cluster);
            for node in &cluster.nodes {
                assert!(at.insert(node.id, (&node.identity, *id)).is_none(), "a node is in one cluster");
            }
            for link in &cluster.links {
                let ends = [link.ends[0].node, link.ends[1].node];
                assert!(linked.insert((ends[0].min(ends[1]), ends[0].max(ends[1]))), "one link between two nodes");
            }
        }
        assert_eq!(at.len(), tables.identities.len(), "as many identities as nodes");
        for (identity, row) in &tables.identities {
            assert_eq!(at.get(&row.node), Some(&(identity, row.cluster)), "an identity's row names its cluster");
        }
        let homes: BTreeMap<NodeId, NodeId> = at.iter().map(|(node, (_, cluster))| (*node, *cluster)).collect();
        assert_eq!(homes, tables.homes, "homes are where the nodes are");
        self.check_held(&at, &linked);
        self.check_neighbours();
        let shown: usize = at.keys().map(|node| self.events_of(*node).count()).sum();
        let sweeps = self.config.sweeps();
        let is_erased = |fact: &Arc<str>| {
            let source = tables.facts.get(fact).and_then(|row| row.source.as_ref());
            source.is_some_and(|source| sweeps.erases(source))
        };
        let kept = tables.events.keys().filter(|fact| !is_erased(fact)).count();
        assert_eq!(shown, kept, "an event has an owner");
    }

    fn check_cluster(&self, id: NodeId, cluster: &Cluster) {
        assert_eq!(cluster.id(), id, "a cluster is kept under its smallest node");
        let somebody = cluster.profile_ids().filter(|head| cluster.kind_of(*head, &self.config).is_some());
        assert_eq!(cluster.count_profiles(&self.config), somebody.count(), "profiles are counted in one pass");
        assert!(cluster.nodes.is_sorted_by(|one, other| one.id < other.id), "nodes are sorted by id");
        assert!(cluster.links.is_sorted_by(|one, other| one.order() < other.order()), "links are sorted by order");
        assert!(cluster.bytes >= cluster.measure(), "bytes are estimated high {} {}", cluster.bytes, cluster.measure());
        assert!(cluster.bytes <= self.config.limits().record_bytes_max);
        assert!(cluster.nodes.len() <= self.config.limits().cluster_identities_max, "a cluster keeps its bound");
        let namespaces: Vec<_> = cluster.nodes.iter().map(|node| node.identity.namespace).collect();
        let edge = |link: &Link| {
            let [one, other] = [0, 1].map(|end: usize| {
                let End { node, identity } = &link.ends[end];
                let at = cluster.position(*node).expect("a link of a record ends at its nodes");
                assert_eq!(cluster.nodes[at].identity, *identity, "an end carries its node's identity");
                at
            });
            Edge { one, other, joined: link.is_joined() }
        };
        let edges: Vec<Edge> = cluster.links.iter().map(edge).collect();
        self.check_nodes(cluster);
        if cluster.swept < self.config.sweeps().number {
            return;
        }
        let stage = stage_two(&namespaces, &edges, &cluster.separated(), &self.config);
        let pieces: Vec<usize> = cluster.pieces.iter().map(|piece| usize::from(*piece)).collect();
        assert_eq!(pieces, stage.piece, "pieces are those of a fresh stage two");
        for (link, refused) in cluster.links.iter().zip(&stage.refused) {
            let state = match refused {
                None => LinkState::Active,
                Some(Refusal::Limit { .. }) => LinkState::Held(HoldReason::Limit),
                Some(Refusal::Separated) => LinkState::Held(HoldReason::Separated),
            };
            assert_eq!(link.state, state, "the links of a record stand as a fresh stage two says");
        }
    }

    fn check_nodes(&self, cluster: &Cluster) {
        for node in &cluster.nodes {
            let counted = node.owned.iter().filter(|tally| !self.config.sweeps().erases(&tally.source));
            let counted = counted.map(|tally| tally.events).sum::<u64>();
            assert_eq!(counted, self.events_of(node.id).count() as u64, "a node counts its events");
            let is_held = self.tables.held.get(&node.id).is_some_and(|rows| rows.values().any(|link| !link.is_mark()));
            let is_linked = is_held || cluster.links.iter().any(|link| link.touches(node.id));
            let is_reached = cluster.swept == self.config.sweeps().number;
            assert!(!is_reached || is_linked || node.facts() > 0, "a node has facts or links");
        }
    }

    fn check_held(&self, at: &BTreeMap<NodeId, (&Identity, NodeId)>, linked: &BTreeSet<(NodeId, NodeId)>) {
        for (node, rows) in &self.tables.held {
            for (other, link) in rows {
                let twin = self.tables.held.get(other).and_then(|rows| rows.get(node));
                assert_eq!(twin, Some(link), "a held link stands at both ends");
                assert!(!linked.contains(&((*node).min(*other), (*node).max(*other))), "a held link has no twin");
                assert!(link.touches(*node) && link.other(*node).node == *other, "a row names its link's ends");
                for end in &link.ends {
                    assert_eq!(at.get(&end.node).map(|(identity, _)| *identity), Some(&end.identity));
                }
                let clusters = [0, 1].map(|end: usize| at[&link.ends[end].node].1);
                match &link.state {
                    LinkState::Held(HoldReason::Exclusive) => {
                        assert_ne!(clusters[0], clusters[1], "an exclusive link is held between clusters");
                        let holds = |id: NodeId| self.tables.clusters[&id].holds_exclusive();
                        assert!(clusters.into_iter().all(holds), "both sides hold an exclusive value");
                    }
                    LinkState::Held(HoldReason::Hub | HoldReason::Blocked | HoldReason::Full) => {}
                    LinkState::Severed(by) => assert!(!by.is_empty() && by.is_sorted(), "somebody severed it"),
                    LinkState::Active | LinkState::Held(HoldReason::Limit | HoldReason::Separated) => {
                        panic!("such a link belongs into a record: {:?}", link.state);
                    }
                }
            }
        }
    }

    fn check_neighbours(&self) {
        let mut above: BTreeMap<(NodeId, Class), BTreeSet<NodeId>> = BTreeMap::new();
        let inside = self.tables.clusters.values().flat_map(|cluster| &cluster.links);
        let outside = self.tables.held.values().flat_map(BTreeMap::values).map(|link| &**link);
        for link in inside.chain(outside) {
            if let Some(low) = link.hub_end(&self.config) {
                above.entry((low.node, link.class())).or_default().insert(link.other(low.node).node);
            }
        }
        let number = self.config.sweeps().number;
        let reached = self.tables.clusters.values().filter(|cluster| cluster.swept == number);
        for node in reached.flat_map(|cluster| &cluster.nodes) {
            let count = |class| above.get(&(node.id, class)).map_or(0, BTreeSet::len);
            let (private, public) = (count(Class::Private), count(Class::Public));
            let counted = (node.above.private as usize, node.above.public as usize);
            assert_eq!(counted, (private, public), "neighbours above are as many as a recount finds");
            let max = self.config.limits().hub_links_max as usize;
            let hub = match (private > max, public > max) {
                (true, _) => Hub::ForAll,
                (false, true) => Hub::ForPublic,
                (false, false) => Hub::No,
            };
            assert_eq!(node.role.hub, hub, "a hub is one by its count");
        }
    }
}

fn put<K: Ord + Clone, V: Clone>(table: &mut BTreeMap<K, V>, key: &K, row: &Option<V>) {
    match row {
        Some(row) => table.insert(key.clone(), row.clone()),
        None => table.remove(key),
    };
}
