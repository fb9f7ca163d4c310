//! Events on nodes, nodes in profiles, and a state for each node.

use std::collections::BTreeMap;

use tessera_engine::aggregate::{Bounds, Lack, Moment, State, fold};
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
}

impl People {
    pub(crate) fn new(text: &str, purpose: Purpose, bounds: Bounds, now: Timestamp, profiles: Vec<usize>) -> Self {
        let expr = pql::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem:?}"));
        let rule = Rule::compile(expr, purpose).unwrap_or_else(|problem| panic!("{text}: {problem:?}"));
        assert_eq!(rule.plan().aggregates.len(), 1, "{text} is one aggregate");
        assert!(!rule.plan().scans_events, "{text} is nothing but an aggregate");
        Self { rule, bounds, zone: Zone::utc(), now, events: Vec::new(), profiles, states: BTreeMap::new(), rebuilt: 0 }
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
            let state = self.states.entry(event.node).or_insert_with(|| State::new(&aggregate));
            state.add(&aggregate, &self.bounds, event.moment, &contribution);
        }
        self.events.push(event);
    }

    pub(crate) fn remove(&mut self, at: usize) {
        let event = self.events.remove(at);
        let aggregate = self.aggregate();
        if let Some(contribution) = self.contribution(&event) {
            let state = self.states.get_mut(&event.node).expect("it was added to");
            state.remove(&aggregate, event.moment, &contribution);
        }
    }

    pub(crate) fn drop_past(&mut self) {
        let aggregate = self.aggregate();
        for state in self.states.values_mut() {
            let before = state.size_bytes();
            state.drop_past(&aggregate, self.now, &self.zone);
            assert!(state.size_bytes() <= before);
        }
    }

    pub(crate) fn size_bytes(&self, node: usize) -> usize {
        self.states.get(&node).map_or(0, State::size_bytes)
    }

    /// The state of a node as its timeline says it.
    pub(crate) fn reread(&self, node: usize, bounds: &Bounds) -> State {
        let own = self.events.iter().filter(|event| event.node == node);
        let brought = own.filter_map(|event| Some((event.moment, self.contribution(event)?)));
        State::rebuilt(&self.aggregate(), bounds, brought)
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
                Err(Lack::Overflowed(lacking)) => {
                    for node in lacking {
                        let node = usize::from(node.as_bytes()[11]);
                        assert_eq!(self.reread(node, &self.bounds), State::Overflowed, "it holds too much");
                    }
                    return Told::Overflowed;
                }
                Err(Lack::Unread(lacking)) => {
                    assert!(attempt == 0 && !lacking.is_empty(), "reading again helps");
                    for node in lacking {
                        let node = usize::from(node.as_bytes()[11]);
                        self.states.insert(node, self.reread(node, &self.bounds));
                        self.rebuilt += 1;
                    }
                }
                Err(Lack::Scan) => return Told::Scan,
            }
        }
        unreachable!("the second attempt returns")
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
