//! A profile at one instant, as rules see it.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;

use hashbrown::HashMap;
use tessera_expr::ast::{Comparison, Name};
use tessera_expr::eval::{Frame, OverBudget};
use tessera_expr::facts::{Facts, Kept, Membership};
use tessera_expr::limits::{SCAN_BYTES_MAX, SCAN_EVENTS_MAX};
use tessera_expr::plan::Aggregate;

use super::RULE_STEPS_MAX;
use super::event::{Event, NOTHING, OpenPayload};
use super::known::{Timelines, Wanted};
use super::segment_state::{SegmentStates, Trouble};
use super::set::{AggregateId, Entry, KeptDef, Layer, RuleKind, RuleSet};
use super::settle::erased_at;
use super::work::RuleWork;
use crate::aggregate::{Lack, State, fold};
use crate::cluster::{Cluster, Node};
use crate::config::{Config, Kind};
use crate::id::NodeId;
use crate::policy::{self, CompiledPolicy};
use crate::time::Timestamp;
use crate::value::{Decimal, Tree, Value};
use crate::view::{self, Lens, Names, Relevance};

/// How long after a rule had no answer it is asked again: an hour.
const TROUBLE_MICROS: i64 = 3_600_000_000;

/// What an evaluation takes besides the steps of its rule.
const EVALUATION_STEPS: u64 = 10;

/// What a look is taken at.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) rules: &'a RuleSet,
    pub(crate) config: &'a Config,
    pub(crate) cluster: &'a Cluster,
    /// A node of the profile.
    pub(crate) node: NodeId,
    /// The newest events of the profile's nodes, oldest first; none where they have not been read.
    pub(crate) events: Option<&'a [Arc<Event>]>,
    /// A policy that is not of the rules: that of a read.
    pub(crate) asked: Option<&'a CompiledPolicy>,
    /// Who knows the timelines of the profile's nodes.
    pub(crate) timelines: &'a dyn Timelines,
}

impl<'a> Sources<'a> {
    /// The policy at this place; the one behind those of the rules is that of the read.
    fn policy(&self, at: usize) -> &'a CompiledPolicy {
        let own = self.rules.policies.get(at).or(self.asked);
        own.unwrap_or_else(|| &self.rules.policies[0])
    }
}

/// The policy of a read, as a place among those of the rules.
pub(super) fn asked_policy(rules: &RuleSet) -> usize {
    rules.policies.len()
}

/// What a rule comes to.
#[derive(Debug, Clone)]
pub(crate) struct Evaluation {
    pub(crate) value: Result<Value, Trouble>,
    /// The first instant after this one at which it may be otherwise by itself, the rollovers of the calendar aside.
    pub(crate) moves_at: Option<Timestamp>,
}

impl Evaluation {
    /// What a segment comes to for those of whom it is not.
    pub(super) fn nobody() -> Self {
        Self { value: Ok(Value::Bool(false)), moves_at: None }
    }
}

/// The attributes under one policy, and what of it was computed.
struct Values {
    tree: Tree,
    /// When one of the values that were not computed ends.
    valid_until: Option<Timestamp>,
    has_base: bool,
    computed: HashMap<usize, Evaluation>,
}

pub(crate) struct Look<'a> {
    pub(crate) sources: Sources<'a>,
    pub(crate) now: Timestamp,
    pub(crate) segment_states: SegmentStates,
    /// The names that rules may ask for, where one of them is not of the set.
    pub(super) names: Option<Names>,
    /// By policy and layer: in the next layer a name means the next version, where there is one.
    values: Vec<((usize, Layer), Values)>,
    /// Those that stand at this instant, once one has asked.
    events: OnceCell<Vec<Arc<Event>>>,
    are_beyond: OnceCell<bool>,
    /// Whether something asked for events that have not been read: then nothing of it holds.
    lacks_events: Cell<bool>,
    /// What of timelines has to be read before something of it holds.
    pub(super) wanted: RefCell<Vec<Wanted>>,
    /// States of windows that it has brought on from what the record keeps.
    pub(super) advanced: RefCell<HashMap<(NodeId, AggregateId), Arc<State>>>,
    /// Says that nobody waits any more.
    pub(super) given_up: Option<&'a (dyn Fn() -> bool + Sync)>,
    /// Whether it was heard: then nothing of it holds either.
    has_given_up: Cell<bool>,
    /// When the last erasure that has not reached the record took something from the profile.
    pub(super) erased_at: Option<Timestamp>,
    /// What it may still take.
    left: Cell<RuleWork>,
    /// Whether states say what the timelines say: not while an erasure of what they hold has not reached the record.
    pub(super) trusts_states: bool,
}

impl<'a> Look<'a> {
    pub(crate) fn new(sources: Sources<'a>, segment_states: SegmentStates, now: Timestamp) -> Self {
        let sweeps = sources.config.sweeps();
        let is_erased = |node: &Node| node.owned.iter().any(|tally| tally.events > 0 && sweeps.erases(&tally.source));
        let lags = sources.cluster.swept < sweeps.number && sources.cluster.piece(sources.node).any(is_erased);
        Self {
            sources,
            now,
            segment_states,
            names: None,
            values: Vec::new(),
            events: OnceCell::new(),
            are_beyond: OnceCell::new(),
            lacks_events: Cell::new(false),
            wanted: RefCell::default(),
            advanced: RefCell::default(),
            given_up: None,
            has_given_up: Cell::new(false),
            erased_at: erased_at(sources.config, sources.cluster, sources.node),
            left: Cell::new(RuleWork::ENDLESS),
            trusts_states: !lags,
        }
    }

    /// Whether the profile is of a person or of an account.
    pub(super) fn kind(&self) -> Option<Kind> {
        self.sources.cluster.kind_of(self.sources.node, self.sources.config)
    }

    /// Bounds what it may take.
    pub(crate) fn allow(&mut self, work: RuleWork) {
        self.left.set(work);
    }

    /// What it may still take.
    pub(crate) fn left(&self) -> RuleWork {
        self.left.get()
    }

    pub(super) fn spend(&self, spent: RuleWork) {
        self.left.set(self.left.get().without(spent));
    }

    pub(super) fn spend_steps(&self, steps: u64) {
        self.spend(RuleWork { steps, rows: 0 });
    }

    /// Whether nothing of it holds: an answer needs events that have not been read, or nobody waited for it.
    pub(crate) fn lacks_events(&self) -> bool {
        self.lacks_events.get() || self.has_given_up.get() || !self.wanted.borrow().is_empty()
    }

    /// What of timelines has to be read before something of it holds.
    pub(crate) fn wanted(&self) -> Vec<Wanted> {
        self.wanted.borrow().clone()
    }

    /// The states of windows that it has brought on from what the record keeps, by node and aggregate.
    pub(crate) fn advanced(&self) -> Vec<(NodeId, AggregateId, Arc<State>)> {
        let mut all: Vec<_> =
            self.advanced.borrow().iter().map(|((node, id), own)| (*node, *id, own.clone())).collect();
        all.sort_unstable_by_key(|(node, id, _)| (*node, *id));
        all
    }

    /// Whether it was given up.
    pub(super) fn has_given_up(&self) -> bool {
        self.has_given_up.get()
    }

    /// Goes on to a later instant. What was computed for another one is forgotten.
    pub(super) fn go_to(&mut self, now: Timestamp) {
        if now != self.now {
            self.now = now;
            self.values.clear();
            self.events = OnceCell::new();
        }
    }

    /// Whether values or events of it may end, so that any rule may change by itself.
    pub(super) fn has_ends(&self) -> bool {
        let keeping = self.sources.config.keeping();
        !(keeping.keeps_values() && keeping.keeps_events())
    }

    /// What a rule of the set comes to under a policy.
    pub(crate) fn evaluate(&mut self, at: usize, policy: usize) -> Evaluation {
        let rules = self.sources.rules;
        self.evaluate_entry(&rules.entries[at], policy)
    }

    /// What a rule comes to under a policy.
    pub(super) fn evaluate_entry(&mut self, entry: &Entry, policy: usize) -> Evaluation {
        self.make_ready(entry, policy);
        let came = self.ask(entry, policy, |rule, asked, frame| {
            let answer = rule.evaluate(asked, frame)?;
            Ok(((answer.value, answer.moves_at, answer.steps), answer.is_truncated))
        });
        self.spend_on(came.as_ref().ok().map(|(_, _, steps)| *steps));
        match came {
            Ok((value, moves_at, _)) => {
                Evaluation { value: Ok(value), moves_at: self.moves_at(entry, policy, moves_at) }
            }
            Err(trouble) => {
                // When it may have an answer again nobody can tell; time may give it one, so it is looked at now and then.
                let again = entry.reads_clock.then(|| self.now.plus_micros(TROUBLE_MICROS));
                Evaluation { value: Err(trouble), moves_at: self.moves_at(entry, policy, again) }
            }
        }
    }

    /// What an evaluation of so many steps took; one without an answer took all that a rule may.
    pub(super) fn spend_on(&self, steps: Option<u64>) {
        self.spend_steps(steps.map_or(RULE_STEPS_MAX, |steps| EVALUATION_STEPS + steps));
    }

    /// Computes the attributes that a rule needs.
    pub(super) fn make_ready(&mut self, entry: &Entry, policy: usize) {
        let rules = self.sources.rules;
        for need in &entry.attributes {
            self.attribute(*need, policy, entry.def.layer);
        }
        if entry.reads_values || entry.attributes.iter().any(|need| rules.entries[*need].reads_values) {
            self.values((policy, entry.def.layer), true);
        }
    }

    /// A computed attribute under a policy, as rules of a layer see it; computed once.
    pub(super) fn attribute(&mut self, at: usize, policy: usize, layer: Layer) -> Evaluation {
        if let Some(came) = self.values((policy, layer), false).computed.get(&at) {
            return came.clone();
        }
        let rules = self.sources.rules;
        if rules.entries[at].reads_values {
            self.values((policy, layer), true);
        }
        let came = self.evaluate(at, policy);
        let values = self.values((policy, layer), false);
        let name = rules.entries[at].def.name.clone();
        put(&mut values.tree, name, came.value.clone().unwrap_or(Value::Null));
        values.computed.insert(at, came.clone());
        came
    }

    /// Asks something of a rule, once all that it needs is ready. The question says as well whether its answer rests on fewer events than it
    /// speaks of.
    pub(super) fn ask<T>(
        &self,
        entry: &Entry,
        policy: usize,
        question: impl FnOnce(&tessera_expr::rule::Rule, &Asking<'_, 'a>, &Frame<'_>) -> Result<(T, bool), OverBudget>,
    ) -> Result<T, Trouble> {
        if self.has_given_up.get() {
            return Err(Trouble::OverBudget);
        }
        let own = self.known((policy, entry.def.layer));
        let needed = entry.attributes.iter().filter_map(|need| own?.computed.get(need));
        if let Some(trouble) = needed.filter_map(|came| came.value.as_ref().err()).next() {
            return Err(*trouble);
        }
        let tree = own.map_or(&NOTHING, |own| &own.tree);
        let asking = Asking { look: self, tree, entry, overflowed: Cell::new(false), is_beyond: Cell::new(false) };
        let frame = Frame { now: self.now, zone: &entry.def.zone, steps_max: RULE_STEPS_MAX };
        match question(&entry.def.rule, &asking, &frame) {
            Err(OverBudget::GivenUp) => {
                self.has_given_up.set(true);
                Err(Trouble::OverBudget)
            }
            _ if asking.overflowed.get() => Err(Trouble::Overflowed),
            _ if asking.is_beyond.get() => Err(Trouble::OverBudget),
            Ok((_, true)) => Err(Trouble::Truncated),
            Ok((answer, false)) => Ok(answer),
            Err(OverBudget::Steps | OverBudget::Value | OverBudget::Pattern) => Err(Trouble::OverBudget),
        }
    }

    fn moves_at(&self, entry: &Entry, policy: usize, own: Option<Timestamp>) -> Option<Timestamp> {
        let values = self.known((policy, entry.def.layer));
        let needed = entry.attributes.iter().filter_map(|need| values?.computed.get(need)?.moves_at);
        let ends = values.filter(|_| entry.reads_values).and_then(|values| values.valid_until);
        own.into_iter().chain(needed).chain(ends).chain(self.events_end()).min()
    }

    /// When the first of the events that were looked at ends.
    fn events_end(&self) -> Option<Timestamp> {
        let keeping = self.sources.config.keeping();
        if keeping.keeps_events() {
            return None;
        }
        let events = self.events.get()?.iter();
        events.filter_map(|event| keeping.event_kept_until(event.call.name.as_deref(), event.time)).min()
    }

    /// The attributes under a policy, those that are not computed if they are asked for.
    fn values(&mut self, at: (usize, Layer), with_base: bool) -> &mut Values {
        let (sources, now) = (self.sources, self.now);
        let place = self.values.iter().position(|(own, _)| *own == at).unwrap_or_else(|| {
            let values = Values { tree: Tree::default(), valid_until: None, has_base: false, computed: HashMap::new() };
            self.values.push((at, values));
            self.values.len() - 1
        });
        let values = &mut self.values[place].1;
        if with_base && !values.has_base {
            values.has_base = true;
            let lens = Lens { policy: sources.policy(at.0), config: sources.config, now, relevance: Relevance::Any };
            let names = self.names.as_ref().unwrap_or(&sources.rules.names);
            let (seen, valid_until) = view::seen_at(sources.cluster, sources.node, &lens, names);
            let cells = sources.cluster.piece(sources.node).flat_map(|node| &node.fragments).map(|own| own.cells.len());
            let cells = u64::try_from(cells.sum::<usize>()).unwrap_or(u64::MAX);
            self.left.set(self.left.get().without(RuleWork { steps: cells, rows: 0 }));
            values.valid_until = valid_until;
            let mut tree = Tree::Node(seen);
            for (at, came) in &values.computed {
                let name = sources.rules.entries[*at].def.name.clone();
                put(&mut tree, name, came.value.clone().unwrap_or(Value::Null));
            }
            values.tree = tree;
        }
        values
    }

    fn known(&self, at: (usize, Layer)) -> Option<&Values> {
        self.values.iter().find(|(own, _)| *own == at).map(|(_, values)| values)
    }

    fn standing_events(&self) -> &[Arc<Event>] {
        let Sources { config, events, .. } = self.sources;
        let Some(all) = events else {
            self.lacks_events.set(true);
            return &[];
        };
        self.events.get_or_init(|| {
            let (sweeps, keeping) = (config.sweeps(), config.keeping());
            let stands = |event: &&Arc<Event>| {
                event.call.kind.is_event()
                    && !sweeps.erases_at(&event.dataset, event.batch.as_deref(), event.received_at)
                    && !keeping.is_event_gone(event.call.name.as_deref(), event.time, event.received_at, self.now)
            };
            let mut newest: Vec<Arc<Event>> = all.iter().rev().filter(stands).take(SCAN_EVENTS_MAX).cloned().collect();
            newest.reverse();
            self.spend_steps(u64::try_from(all.len()).unwrap_or(u64::MAX));
            newest
        })
    }

    /// The latest instant of an event that rules do not see, if there is one. What the nodes have beyond the newest that were read is older
    /// than as many of the newest of all.
    fn unseen(&self) -> Option<Timestamp> {
        let all = self.sources.events?;
        let graph = self.sources.asked.map_or(policy::IdentityGraph::Full, CompiledPolicy::graph);
        let nodes = policy::unit(self.sources.cluster, self.sources.node, graph);
        let is_short = nodes.map(Node::events).sum::<u64>() > all.len() as u64;
        if !is_short {
            return None;
        }
        let first = all.len().saturating_sub(SCAN_EVENTS_MAX);
        Some(all.get(first).map_or(Timestamp::MAX, |event| event.time))
    }

    /// Whether the newest events are more bytes than are looked through. All that were read count, so that it is the same whoever reads them.
    fn are_beyond(&self) -> bool {
        *self.are_beyond.get_or_init(|| {
            let newest = self.sources.events.unwrap_or_default().iter().rev().take(SCAN_EVENTS_MAX);
            newest.map(|event| event.call.payload.len()).sum::<usize>() > SCAN_BYTES_MAX
        })
    }

    /// The value of an aggregate from the states of the profile's nodes.
    fn fold(&self, kept: &KeptDef) -> Result<Kept, Lack> {
        if !self.trusts_states {
            return Err(Lack::Scan);
        }
        let graph = self.sources.asked.map_or(policy::IdentityGraph::Full, CompiledPolicy::graph);
        let mut states: Vec<(NodeId, Brought<'_>)> = Vec::new();
        for node in policy::unit(self.sources.cluster, self.sources.node, graph) {
            match node.state(kept.id) {
                Some(State::Window(run)) if !run.holds_at(self.now) => {
                    states.push((node.id, Brought::On(self.brought_on(node, kept)?)));
                }
                Some(state) => states.push((node.id, Brought::Kept(state))),
                None if kept.is_built || node.events() == 0 => {}
                None => return Err(Lack::Scan),
            }
        }
        let all = states.iter().map(|(node, own)| (*node, own.state()));
        fold(all, &kept.aggregate, self.now, &kept.zone)
    }
}

/// The state of a node, as its record keeps it or brought on from that.
enum Brought<'a> {
    Kept(&'a State),
    On(Arc<State>),
}

impl Brought<'_> {
    fn state(&self) -> &State {
        match self {
            Self::Kept(own) => own,
            Self::On(own) => own,
        }
    }
}

/// Puts a computed value in its place; nothing takes the place of what it hides.
fn put(tree: &mut Tree, name: Name, value: Value) {
    let Tree::Node(members) = tree else { return };
    match value {
        Value::Null => drop(members.remove(&name)),
        value => drop(members.insert(name, Tree::Leaf(value))),
    }
}

/// A look, as one rule asks it.
pub(super) struct Asking<'l, 'a> {
    look: &'l Look<'a>,
    tree: &'l Tree,
    entry: &'l Entry,
    overflowed: Cell<bool>,
    /// Whether it asked for more events than are looked through.
    is_beyond: Cell<bool>,
}

impl Facts for Asking<'_, '_> {
    fn attributes(&self) -> &Tree {
        self.tree
    }

    fn event_count(&self) -> usize {
        let events = self.look.standing_events();
        if self.look.are_beyond() {
            self.is_beyond.set(true);
            return 0;
        }
        events.len()
    }

    fn unseen(&self) -> Option<Timestamp> {
        self.look.unseen()
    }

    fn is_given_up(&self) -> bool {
        self.look.given_up.is_some_and(|given_up| given_up())
    }

    fn event_time(&self, event: usize) -> Timestamp {
        self.look.standing_events()[event].time
    }

    fn event_name(&self, event: usize) -> Name {
        self.look.standing_events()[event].event_type()
    }

    fn event_value(&self, event: usize, names: &[Name]) -> (Value, usize) {
        self.look.standing_events()[event].at(names, self.look.sources.rules.open)
    }

    fn event_bytes(&self, event: usize) -> usize {
        self.look.standing_events()[event].call.payload.len()
    }

    fn membership(&self, segment: &str) -> Membership {
        let id = self.look.sources.rules.segment(&segment.into(), self.entry.def.layer);
        id.map_or(Membership::Outside { left: None }, |id| self.look.segment_states.to(id))
    }

    fn kept(&self, aggregate: &Aggregate) -> Option<Kept> {
        self.kept_until(aggregate, |_, kept| kept)
    }

    fn kept_against(&self, aggregate: &Aggregate, comparison: Comparison, number: Decimal) -> Option<Kept> {
        let decided = |kept: &KeptDef| self.look.decided(kept, comparison, number);
        let kept = self.look.sources.rules.kept(aggregate, &self.entry.def.zone)?;
        decided(kept).or_else(|| {
            self.kept_until(aggregate, |def, kept| self.look.until_it_changes(def, kept, comparison, number))
        })
    }
}

impl Asking<'_, '_> {
    /// How payloads are opened.
    pub(super) fn open(&self) -> OpenPayload {
        self.look.sources.rules.open
    }

    fn kept_until(&self, aggregate: &Aggregate, until: impl FnOnce(&KeptDef, Kept) -> Kept) -> Option<Kept> {
        let kept = self.look.sources.rules.kept(aggregate, &self.entry.def.zone)?;
        match self.look.fold(kept).map(|value| until(kept, value)) {
            Ok(value) => Some(value),
            Err(Lack::Overflowed(_)) => {
                self.overflowed.set(true);
                Some(Kept { value: Value::Null, changes_at: None })
            }
            // Nothing of it holds before that is read.
            Err(_) if !self.look.wanted.borrow().is_empty() => Some(Kept { value: Value::Null, changes_at: None }),
            Err(Lack::Unread(_) | Lack::Behind(_) | Lack::Scan) => None,
        }
    }
}

impl Look<'_> {
    /// The policy that a segment is evaluated under.
    pub(super) fn policy_of(entry: &Entry) -> usize {
        match entry.def.kind {
            RuleKind::Segment { policy, .. } => policy,
            RuleKind::Attribute => 0,
        }
    }
}
