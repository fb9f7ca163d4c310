//! Events on nodes, nodes in profiles, and a state for each node.

use std::collections::BTreeMap;

use tessera_engine::aggregate::{Beyond, Bounds, Lack, Moment, Placed, Source, State, Stretch, fold};
use tessera_engine::id::{EventId, NodeId};
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Tree, Value};
use tessera_expr::ast::Name;
use tessera_expr::calendar::Zone;
use tessera_expr::eval::Frame;
use tessera_expr::facts::{Facts, Kept, Membership, look_into};
use tessera_expr::limits::STEPS_MAX;
use tessera_expr::plan::{Aggregate, Contribution};
use tessera_expr::pql;
use tessera_expr::rule::{Answer, Purpose, Rule};

/// An event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) moment: Moment,
    /// The node that owns it.
    pub(crate) node: usize,
    pub(crate) name: &'static str,
    /// An object.
    pub(crate) body: Value,
}

/// Events as rules see them. Nothing is kept: the evaluator looks at each.
struct Seen<'a> {
    attributes: Tree,
    /// In the order of their moments.
    events: Vec<&'a Event>,
}

impl<'a> Seen<'a> {
    fn new(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut events: Vec<&Event> = events.into_iter().collect();
        events.sort_by_key(|event| event.moment);
        Self { attributes: Tree::new(), events }
    }
}

impl Facts for Seen<'_> {
    fn attributes(&self) -> &Tree {
        &self.attributes
    }

    fn event_count(&self) -> usize {
        self.events.len()
    }

    fn event_time(&self, event: usize) -> Timestamp {
        self.events[event].moment.time
    }

    fn event_name(&self, event: usize) -> Name {
        self.events[event].name.into()
    }

    fn event_value(&self, event: usize, names: &[Name]) -> (Value, usize) {
        look_into(&self.events[event].body, names)
    }

    fn membership(&self, _segment: &str) -> Membership {
        Membership::Outside { left: None }
    }

    fn kept(&self, _aggregate: &Aggregate) -> Option<Kept> {
        None
    }
}

pub(crate) fn event_id(number: u32) -> EventId {
    let mut bytes = [0; 12];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    EventId::from_bytes(bytes)
}

fn node_id(node: usize) -> NodeId {
    let mut bytes = [0; 12];
    bytes[11] = u8::try_from(node).expect("few nodes");
    NodeId::from_bytes(bytes)
}

/// What a fold came to, once what had to be read again was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Kept(Kept),
    Overflowed,
    Scan,
}

/// People of one rule, which is one aggregate and nothing else.
pub(crate) struct People {
    pub(crate) rule: Rule,
    pub(crate) bounds: Bounds,
    pub(crate) zone: Zone,
    pub(crate) now: Timestamp,
    pub(crate) events: Vec<Event>,
    /// The profile of each node.
    pub(crate) profiles: Vec<usize>,
    states: BTreeMap<usize, State>,
    /// How often a state had to be rebuilt.
    pub(crate) rebuilt: usize,
    /// How often one had to be advanced.
    pub(crate) advanced: usize,
}

fn overflows(state: &State) -> bool {
    match state {
        State::Window(run) => run.summary == Err(Beyond::Overflowed),
        state => *state == State::Overflowed,
    }
}

/// What a timeline says.
struct Knows {
    placed: Vec<Placed>,
    then_max: usize,
    is_silent: bool,
}

impl Source for Knows {
    fn stretch(&self, from: Timestamp, to: Timestamp) -> Option<Stretch> {
        if self.is_silent {
            return None;
        }
        let is_then = |moment: Moment| moment.time >= from && moment.time > to;
        let asked = self.placed.iter().filter(|(moment, _)| moment.time >= from && moment.time <= to).cloned();
        let mut then: Vec<Placed> = self.placed.iter().filter(|(moment, _)| is_then(*moment)).cloned().collect();
        let rest = then.get(self.then_max).map(|(moment, _)| moment.time);
        then.truncate(self.then_max);
        Some(Stretch { asked: asked.collect(), then, rest })
    }
}

impl People {
    pub(crate) fn new(text: &str, purpose: Purpose, bounds: Bounds, now: Timestamp, profiles: Vec<usize>) -> Self {
        let expr = pql::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem:?}"));
        let rule = Rule::compile(expr, purpose).unwrap_or_else(|problem| panic!("{text}: {problem:?}"));
        assert_eq!(rule.plan().aggregates.len(), 1, "{text} is one aggregate");
        assert!(!rule.plan().scans_events, "{text} is nothing but an aggregate");
        Self {
            rule,
            bounds,
            zone: Zone::utc(),
            now,
            events: Vec::new(),
            profiles,
            states: BTreeMap::new(),
            rebuilt: 0,
            advanced: 0,
        }
    }

    pub(crate) fn aggregate(&self) -> Aggregate {
        self.rule.plan().aggregates[0].clone()
    }

    fn frame(&self, now: Timestamp) -> Frame<'_> {
        Frame { now, zone: &self.zone, steps_max: STEPS_MAX }
    }

    fn contribution(&self, event: &Event) -> Option<Contribution> {
        let contribution = self.aggregate().contribution(&Seen::new([event]), 0, &self.frame(self.now));
        contribution.expect("within budget")
    }

    pub(crate) fn add(&mut self, event: Event) {
        let aggregate = self.aggregate();
        if let Some(contribution) = self.contribution(&event) {
            let state = self.states.entry(event.node).or_insert_with(|| State::new(&aggregate, self.now));
            state.add(&aggregate, &self.bounds, &self.zone, (event.moment, &contribution));
        }
        self.events.push(event);
    }

    pub(crate) fn remove(&mut self, at: usize) {
        let event = self.events.remove(at);
        let aggregate = self.aggregate();
        if let Some(contribution) = self.contribution(&event) {
            let state = self.states.get_mut(&event.node).expect("it was added to");
            state.remove(&aggregate, &self.zone, (event.moment, &contribution));
        }
    }

    /// Brings all states to the present, as whoever writes does now and then.
    pub(crate) fn advance(&mut self) {
        for node in 0..self.profiles.len() {
            self.advance_node(node);
        }
    }

    fn advance_node(&mut self, node: usize) {
        let (aggregate, knows) = (self.aggregate(), self.knows(node));
        if let Some(state) = self.states.get_mut(&node) {
            // What cannot go on is read again when it is asked for.
            let _ = state.advance(&aggregate, &self.bounds, (self.now, &self.zone), &knows);
        }
    }

    /// What the timeline of a node says to whoever asks for a stretch of it. Of some stretches it says nothing.
    fn knows(&self, node: usize) -> Knows {
        let own = self.events.iter().filter(|event| event.node == node);
        let mut placed: Vec<Placed> = own.filter_map(|event| Some((event.moment, self.contribution(event)?))).collect();
        placed.sort_by_key(|(moment, _)| *moment);
        Knows { placed, then_max: self.events.len() % 3, is_silent: self.events.len() % 7 == 6 }
    }

    /// The zone becomes another: what was counted by days of before is read again.
    pub(crate) fn set_zone(&mut self, zone: Zone) {
        if zone != self.zone {
            self.states.values_mut().for_each(|state| *state = State::Unread);
        }
        self.zone = zone;
    }

    pub(crate) fn size_bytes(&self, node: usize) -> usize {
        self.states.get(&node).map_or(0, State::size_bytes)
    }

    /// The state of a node as its timeline says it.
    pub(crate) fn reread(&self, node: usize, bounds: &Bounds) -> State {
        let own = self.events.iter().filter(|event| event.node == node);
        let brought = own.filter_map(|event| Some((event.moment, self.contribution(event)?)));
        State::rebuilt(&self.aggregate(), bounds, (self.now, &self.zone), brought)
    }

    pub(crate) fn nodes(&self, profile: usize) -> Vec<usize> {
        (0..self.profiles.len()).filter(|node| self.profiles[*node] == profile).collect()
    }

    /// The value from the states. What has to be read again is read, once.
    pub(crate) fn told(&mut self, profile: usize) -> Told {
        let aggregate = self.aggregate();
        let nodes = self.nodes(profile);
        for attempt in 0.. {
            let states = nodes.iter().filter_map(|node| Some((node_id(*node), self.states.get(node)?)));
            match fold(states, &aggregate, self.now, &self.zone) {
                Ok(kept) => return Told::Kept(kept),
                Err(Lack::Overflowed(_)) if self.looks_again(&nodes) => {}
                Err(Lack::Scan) if self.looks_again(&nodes) => {}
                Err(Lack::Overflowed(lacking)) => {
                    for node in lacking {
                        let node = usize::from(node.as_bytes()[11]);
                        assert!(overflows(&self.reread(node, &self.bounds)), "it holds too much");
                    }
                    return Told::Overflowed;
                }
                Err(Lack::Unread(lacking)) => {
                    assert!(attempt < 4 && !lacking.is_empty(), "reading again helps");
                    for node in lacking {
                        let node = usize::from(node.as_bytes()[11]);
                        self.states.insert(node, self.reread(node, &self.bounds));
                        self.rebuilt += 1;
                    }
                }
                Err(Lack::Behind(lacking)) => {
                    for node in lacking {
                        let node = usize::from(node.as_bytes()[11]);
                        self.advance_node(node);
                        self.advanced += 1;
                    }
                }
                Err(Lack::Scan) => return Told::Scan,
            }
        }
        unreachable!("the third attempt returns")
    }

    /// The value from the states at an instant before the present, where they go back so far.
    pub(crate) fn told_before(&self, profile: usize, at: Timestamp) -> Option<Kept> {
        let aggregate = self.aggregate();
        let mut back = Vec::new();
        for node in self.nodes(profile) {
            let Some(mut state) = self.states.get(&node).cloned() else { continue };
            state.advance(&aggregate, &self.bounds, (at, &self.zone), &self.knows(node)).ok()?;
            back.push((node_id(node), state));
        }
        fold(back.iter().map(|(node, state)| (*node, state)), &aggregate, at, &self.zone).ok()
    }

    /// Reads those windows again that held too much, as is done after an hour. Answers whether one of them is another now.
    fn looks_again(&mut self, nodes: &[usize]) -> bool {
        let mut is_another = false;
        for node in nodes {
            let is_beyond = matches!(self.states.get(node), Some(State::Window(run)) if run.summary.is_err());
            if is_beyond {
                let reread = self.reread(*node, &self.bounds);
                is_another |= matches!(&reread, State::Window(run) if run.summary.is_ok());
                self.states.insert(*node, reread);
            }
        }
        is_another
    }

    /// The value from states that were made anew within other bounds.
    pub(crate) fn told_within(&self, profile: usize, bounds: &Bounds) -> Result<Kept, Lack> {
        let states: Vec<(NodeId, State)> =
            self.nodes(profile).into_iter().map(|node| (node_id(node), self.reread(node, bounds))).collect();
        let states = states.iter().map(|(node, state)| (*node, state));
        fold(states, &self.aggregate(), self.now, &self.zone)
    }

    /// The value from the events, at any instant.
    pub(crate) fn asked(&self, profile: usize, now: Timestamp) -> Answer {
        let own = self.events.iter().filter(|event| self.profiles[event.node] == profile);
        self.rule.evaluate(&Seen::new(own), &self.frame(now)).expect("within budget")
    }
}
