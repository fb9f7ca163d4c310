//! Laws 1, 2, 6 and 7 under everything that people order: joins, undos, separations, lifts, releases, erasures of profiles,
//! identities, events, datasets and batches, and changes of configuration, with facts between them and between the steps of a
//! sweep. The profiles are those of the reference, which computes them anew from the facts and from what is in force.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use tessera_engine::config::{SourceErasure, Sweeps};
use tessera_engine::decide::{Acted, Directive, Erasure, Merge, Named, Outcome, Victim};
use tessera_engine::fact::{Identity, Strength};
use tessera_engine::id::{DirectiveId, NodeId};
use tessera_engine::model::ended_between;

use crate::pair::{Both, compare};
use crate::reference::Expected;
use crate::steps::{Id, PATHS, Say, Setup, law, say, says, setup};
use crate::world::Fetch;

/// Whether who is erased may come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Back {
    Allowed,
    Refused,
}

/// What is ordered, or said.
#[derive(Debug, Clone)]
enum Act {
    Say(Say),
    Again(prop::sample::Index),
    Erase(Id, Back),
    EraseIdentity(Id, Back),
    EraseEvent(prop::sample::Index),
    EraseSource {
        dataset: u8,
        batch: bool,
    },
    Release(u8, Id),
    Join(Id, Id),
    Separate(Vec<Id>),
    SeparateMerge(prop::sample::Index, bool),
    /// Undoes a join, or lifts a separation.
    End(prop::sample::Index),
    Configure(Change),
    /// A sweep goes so many records further.
    Sweep(u8),
    /// So many seconds pass.
    Wait(u8),
    /// What has ended is taken away, so many records and events of it.
    LetGo(u8),
}

/// A change of configuration.
#[derive(Debug, Clone)]
enum Change {
    HubLinksMax(u32),
    IdentitiesMax(usize),
    Limit(usize, Option<u32>),
    Exclusive(Option<usize>),
    Priority(usize, u16),
    Blocked(Vec<Id>),
    Lower(bool),
    /// How many minutes values at a path, or events, are kept.
    Window(usize, Option<u32>),
}

impl Change {
    fn apply(&self, setup: &mut Setup) {
        match self {
            Self::HubLinksMax(max) => setup.hub_links_max = *max,
            Self::IdentitiesMax(max) => setup.profile_identities_max = *max,
            Self::Limit(at, limit) => setup.limits[*at] = *limit,
            Self::Exclusive(None) => setup.exclusive = false,
            Self::Exclusive(Some(at)) => (setup.exclusive, setup.exclusive_at) = (true, *at),
            Self::Priority(at, priority) => setup.priorities[*at] = *priority,
            Self::Blocked(blocked) => setup.blocked.clone_from(blocked),
            Self::Lower(is_lower) => setup.is_lower = *is_lower,
            Self::Window(at, minutes) => setup.windows[*at] = *minutes,
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let person = || crate::steps::id_of(1..6);
    prop_oneof![
        2 => (1u32..=4).prop_map(Change::HubLinksMax),
        1 => (1usize..8).prop_map(Change::IdentitiesMax),
        2 => (0usize..8, prop::option::of(1u32..=3)).prop_map(|(at, limit)| Change::Limit(at, limit)),
        2 => prop::option::weighted(0.8, 1usize..4).prop_map(Change::Exclusive),
        2 => (0usize..6, 1u16..6).prop_map(|(at, priority)| Change::Priority(at, 100 * priority)),
        2 => prop::collection::vec(person(), 0..3).prop_map(Change::Blocked),
        2 => any::<bool>().prop_map(Change::Lower),
        6 => (0..=PATHS.len(), prop::option::weighted(0.8, 16u32..19)).prop_map(|(at, kept)| Change::Window(at, kept)),
    ]
}

/// A fact, now and then with values in capitals.
fn any_say() -> impl Strategy<Value = Say> {
    (say(), prop::bool::weighted(0.15)).prop_map(|(mut say, is_loud)| {
        if is_loud {
            say.claims.iter_mut().for_each(|(id, _)| *id = id.in_capitals());
        }
        say
    })
}

fn back() -> impl Strategy<Value = Back> {
    prop_oneof![Just(Back::Allowed), Just(Back::Refused)]
}

fn act() -> impl Strategy<Value = Act> {
    let id = crate::steps::id;
    let index = any::<prop::sample::Index>;
    prop_oneof![
        20 => any_say().prop_map(Act::Say),
        1 => index().prop_map(Act::Again),
        1 => (id(), back()).prop_map(|(id, back)| Act::Erase(id, back)),
        1 => (id(), back()).prop_map(|(id, back)| Act::EraseIdentity(id, back)),
        1 => index().prop_map(Act::EraseEvent),
        1 => (0u8..2, any::<bool>()).prop_map(|(dataset, batch)| Act::EraseSource { dataset, batch }),
        1 => (0u8..2, crate::steps::id_of(0..6)).prop_map(|(document, id)| Act::Release(document, id)),
        3 => (id(), id()).prop_map(|(one, other)| Act::Join(one, other)),
        3 => prop::collection::vec(id(), 1..3).prop_map(Act::Separate),
        1 => (index(), any::<bool>()).prop_map(|(at, side)| Act::SeparateMerge(at, side)),
        3 => index().prop_map(Act::End),
        3 => change().prop_map(Act::Configure),
        3 => (1u8..4).prop_map(Act::Sweep),
        2 => (1u8..60).prop_map(Act::Wait),
        2 => (1u8..6).prop_map(Act::LetGo),
    ]
}

/// A directive that took effect.
#[derive(Debug, Clone)]
enum Given {
    Join(DirectiveId, [NodeId; 2]),
    Separation(DirectiveId, [NodeId; 2], Vec<NodeId>),
}

struct Control {
    both: Both,
    setup: Setup,
    sweeps: Sweeps,
    version: u64,
    given: Vec<Given>,
    merges: Vec<Merge>,
    directives: u8,
}

impl Control {
    fn new(setup: Setup, fetch: Fetch) -> Self {
        let mut both = Both::new(setup.config(), fetch);
        both.world.allow_links(setup.links_at_once);
        let (given, merges) = (Vec::new(), Vec::new());
        Self { both, setup, sweeps: Sweeps::default(), version: 1, given, merges, directives: 0 }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Say(say) => {
                let fact = say.fact(self.both.sent.len());
                let told = self.both.say(fact);
                self.merges.extend(told.notes.merges);
            }
            Act::Again(index) if !self.both.sent.is_empty() => {
                let fact = index.get(&self.both.sent).clone();
                self.both.say(fact);
            }
            Act::Again(_) => {}
            Act::Sweep(count) => {
                for cluster in self.both.world.stale().into_iter().take((*count).into()) {
                    self.both.world.sweep(cluster);
                    self.both.world.commit();
                }
            }
            Act::Wait(seconds) => self.both.world.wait(*seconds),
            Act::LetGo(count) => self.let_go(*count),
            Act::Configure(change) => {
                self.finish();
                let now = self.both.world.next_now();
                let before = self.setup.definition();
                change.apply(&mut self.setup);
                let after = self.setup.definition();
                self.setup.ended.extend(ended_between(&before, &after, now));
                self.both.reference.keep(&after, now);
                self.sweep_for();
                self.both.world.configure(self.setup.config_with(self.version, self.sweeps.clone()));
                self.both.reference.configure(self.both.world.config.clone(), now);
                self.hurry();
            }
            Act::EraseSource { dataset, batch } => self.erase_source(*dataset, *batch),
            directive => {
                self.finish();
                self.directive(directive);
            }
        }
        self.both.world.commit();
        self.compare();
    }

    /// Takes away some of what has ended. It changes nothing that anybody sees.
    fn let_go(&mut self, count: u8) {
        for cluster in self.both.world.lagging().into_iter().take(count.into()) {
            self.both.world.sweep(cluster);
            self.both.world.commit();
        }
        if self.both.world.stale().is_empty() {
            self.both.reference.look_at(self.both.world.now());
            let ended = self.both.world.ended_events();
            assert_eq!(ended, self.both.reference.ended_events(), "the same events have ended");
            for event in ended.into_iter().take(count.into()) {
                let now = self.both.world.next_now();
                self.both.world.end_event(&event);
                self.both.reference.end_event(&event, now);
            }
        }
    }

    fn erase_source(&mut self, dataset: u8, batch: bool) {
        self.finish();
        self.sweep_for();
        let (dataset, batch): (Arc<str>, Option<Arc<str>>) = (format!("d{dataset}").into(), batch.then(|| "b".into()));
        let at = self.both.world.next_now();
        let was_plain = self.both.reference.is_plain();
        self.both.reference.erase_source(&dataset, batch.as_deref(), at);
        let number = u32::try_from(self.sweeps.number).expect("few");
        self.sweeps.erasures.push(SourceErasure { number, dataset, batch, at });
        self.both.world.configure(self.setup.config_with(self.version, self.sweeps.clone()));
        self.both.reference.configure(self.both.world.config.clone(), at);
        // What was separated may have been forgotten by the erasure itself.
        if !was_plain {
            self.finish();
        }
        self.hurry();
    }

    fn sweep_for(&mut self) {
        self.sweeps.number += 1;
        self.version += 1;
    }

    /// A sweep may take its time where nothing depends on when somebody was forgotten.
    fn hurry(&mut self) {
        if !self.both.reference.is_plain() {
            self.finish();
        }
    }

    /// Sweeps to the end; what is erased is erased for good, so that it need not be remembered.
    fn finish(&mut self) {
        self.both.world.sweep_all();
        let has_ended = |event: &Arc<str>| self.both.world.tables.events.contains_key(event);
        if !self.setup.ended.is_empty() && !self.both.world.ended_events().iter().any(has_ended) {
            self.setup.ended.clear();
        }
        if !self.sweeps.erasures.is_empty() {
            self.both.world.drop_erased();
            self.sweeps.erasures.clear();
            self.version += 1;
            self.both.world.configure(self.setup.config_with(self.version, self.sweeps.clone()));
            let now = self.both.world.next_now();
            self.both.reference.configure(self.both.world.config.clone(), now);
        }
    }

    fn next_id(&mut self) -> DirectiveId {
        self.directives += 1;
        DirectiveId::from_bytes([self.directives; 12])
    }

    fn directive(&mut self, act: &Act) {
        let now = self.both.world.next_now();
        let (world, reference) = (&mut self.both.world, &mut self.both.reference);
        let (told, expected) = match act {
            Act::Erase(id, back) => {
                let erasure = |node| Erasure { victim: Victim::Profile(node), suppresses: *back == Back::Refused };
                (world.erase_as(&id.identity(), erasure), reference.erase(&id.identity(), now))
            }
            Act::EraseIdentity(id, back) => {
                let erasure = |node| Erasure { victim: Victim::Node(node), suppresses: *back == Back::Refused };
                (world.erase_as(&id.identity(), erasure), reference.erase_identity(&id.identity(), now))
            }
            Act::EraseEvent(index) => {
                if self.both.sent.is_empty() {
                    return;
                }
                let fact = index.get(&self.both.sent).id.clone();
                (world.erase_event(&fact), reference.erase_event(&fact, now))
            }
            Act::Release(document, id) => {
                let document = Id(0, *document).identity();
                (world.release(&document, &id.identity()), reference.release(&document, &id.identity(), now))
            }
            Act::Join(one, other) => {
                let id = self.next_id();
                let ends = [one.identity(), other.identity()];
                let told = self.both.world.directive(id, Directive::Join(ends.clone()));
                if let Outcome::Directed(directed) = &told.outcome
                    && let Acted::Joined { between } = directed.acted
                {
                    self.given.push(Given::Join(id, between));
                }
                (told, self.both.reference.join(id, &ends[0], &ends[1], now))
            }
            Act::Separate(side) => return self.separate(side),
            Act::SeparateMerge(index, side) => return self.separate_merge(*index, usize::from(*side)),
            Act::End(index) => return self.end(*index),
            Act::Say(_)
            | Act::Again(_)
            | Act::Sweep(_)
            | Act::Wait(_)
            | Act::LetGo(_)
            | Act::Configure(_)
            | Act::EraseSource { .. } => {
                unreachable!("it is no directive")
            }
        };
        if let (Act::Erase(_, Back::Refused) | Act::EraseIdentity(_, Back::Refused), Expected::Erased(gone)) =
            (act, &expected)
        {
            self.both.reference.suppress(gone);
        }
        compare(&told.outcome, &expected, &self.both.world, &format!("{act:?}"));
        self.merges.extend(told.notes.merges);
    }

    fn separate(&mut self, side: &[Id]) {
        let id = self.next_id();
        let now = self.both.world.next_now();
        let side: BTreeSet<Identity> = side.iter().map(|id| id.identity()).collect();
        let side: Vec<Identity> = side.into_iter().collect();
        let expected = self.both.reference.separate(id, &side, None, now);
        let named = side.iter().cloned().map(Named::Identity).collect();
        self.check_separation(id, Directive::Separate { side: named, rest: None }, &expected);
    }

    fn separate_merge(&mut self, index: prop::sample::Index, side: usize) {
        if self.merges.is_empty() {
            return;
        }
        let Merge { sides, .. } = index.get(&self.merges).clone();
        let id = self.next_id();
        let now = self.both.world.next_now();
        let identity = |node: &NodeId| {
            let rows = &self.both.world.tables.identities;
            rows.iter().find(|(_, row)| row.node == *node).map(|(identity, _)| identity.clone())
        };
        let known = |nodes: &[NodeId]| nodes.iter().filter_map(identity).collect::<Vec<_>>();
        let (named, rest) = (known(&sides[side]), known(&sides[1 - side]));
        let expected = self.both.reference.separate(id, &named, Some(&rest), now);
        let nodes = sides[side].iter().copied().map(Named::Node).collect();
        let directive = Directive::Separate { side: nodes, rest: Some(sides[1 - side].clone()) };
        self.check_separation(id, directive, &expected);
    }

    fn check_separation(&mut self, id: DirectiveId, directive: Directive, expected: &Expected) {
        let spelled = format!("{directive:?}");
        let told = self.both.world.directive(id, directive);
        if let Outcome::Directed(directed) = &told.outcome
            && let Acted::Separated { apart, side } = &directed.acted
        {
            assert_eq!(directed.profiles.len(), 2, "the two are two profiles");
            self.given.push(Given::Separation(id, *apart, side.clone()));
        }
        compare(&told.outcome, expected, &self.both.world, &spelled);
    }

    fn end(&mut self, index: prop::sample::Index) {
        if self.given.is_empty() {
            return;
        }
        let now = self.both.world.next_now();
        let id = self.next_id();
        let directive = match index.get(&self.given).clone() {
            Given::Join(join, between) => {
                self.both.reference.undo(join, now);
                Directive::Undo { join, between }
            }
            Given::Separation(separation, apart, side) => {
                self.both.reference.lift_separation(separation, now);
                Directive::Lift { separation, apart, side }
            }
        };
        let told = self.both.world.directive(id, directive);
        assert!(matches!(told.outcome, Outcome::Directed(_)), "what was given can be taken back, also twice");
        self.merges.extend(told.notes.merges);
    }

    /// All there is where no sweep is under way; while one is, what a reader is shown of each profile.
    fn compare(&mut self) {
        self.both.reference.look_at(self.both.world.now());
        let (world, reference) = (&self.both.world, &self.both.reference);
        world.check();
        let mut state = world.state();
        if world.stale().is_empty() {
            let mut expected = reference.state();
            if reference.has_erased_events() {
                // When an identity was last seen is not known again once an event is erased.
                let profiles = state.profiles.values_mut().chain(expected.profiles.values_mut());
                profiles.for_each(|profile| profile.identifiers.clear());
            }
            if let Some(lines) = state.difference(&expected) {
                panic!("the engine (-) differs from the reference (+)\n{lines}");
            }
            return;
        }
        for (nodes, profile) in &state.profiles {
            assert_eq!(profile.attributes, reference.attributes_of(nodes), "{nodes:?} is read as if it were reached");
        }
    }
}

#[test]
fn profiles_are_those_of_the_facts_and_of_what_is_in_force() {
    law(&(setup(), prop::collection::vec(act(), 1..24)), |(setup, acts)| {
        let mut control = Control::new(setup, Fetch::Rounds);
        for act in &acts {
            control.act(act);
        }
        control.finish();
        control.both.world.commit();
        control.compare();
    });
}

/// Values of two people, under windows that change while time passes and erasures of what a dataset said.
fn act_on_values() -> impl Strategy<Value = Act> {
    let said = prop::collection::vec((0..PATHS.len(), 0u8..5), 1..4);
    let say = (crate::steps::id_of(1..2), said, 0u8..2, crate::steps::kind(), 0u16..1_000);
    let say = say.prop_map(|(id, attributes, dataset, (is_event, is_whole), time)| Say {
        claims: vec![(Id(id.0, id.1 % 2), Strength::Verified)],
        document: None,
        account: None,
        attributes,
        is_event,
        is_whole,
        dataset,
        batch: false,
        time,
    });
    let window = (0..=PATHS.len(), prop::option::weighted(0.6, 16u32..18));
    prop_oneof![
        12 => say.prop_map(Act::Say),
        4 => window.prop_map(|(at, kept)| Act::Configure(Change::Window(at, kept))),
        1 => (0u8..2).prop_map(|dataset| Act::EraseSource { dataset, batch: false }),
        1 => (1u8..4).prop_map(Act::Sweep),
        2 => (1u8..30).prop_map(Act::Wait),
        2 => (1u8..6).prop_map(Act::LetGo),
        1 => any::<prop::sample::Index>().prop_map(Act::EraseEvent),
    ]
}

#[test]
fn what_has_ended_is_gone_and_stays_so() {
    law(&(setup(), prop::collection::vec(act_on_values(), 1..40)), |(setup, acts)| {
        let mut control = Control::new(setup, Fetch::Rounds);
        for act in &acts {
            control.act(act);
        }
    });
}

#[test]
fn what_is_read_one_by_one_comes_to_the_same() {
    law(&(setup(), prop::collection::vec(act(), 1..12)), |(setup, acts)| {
        let mut lazy = Control::new(setup.clone(), Fetch::OneByOne);
        let mut loaded = Control::new(setup, Fetch::Rounds);
        for act in &acts {
            lazy.act(act);
            loaded.act(act);
            assert!(lazy.both.world.tables == loaded.both.world.tables, "the same rows, to the last id");
        }
    });
}

/// Law 1: what was ended leaves nothing behind.
#[test]
fn a_directive_that_has_ended_equals_one_that_was_never_given() {
    let pair = (crate::steps::id(), crate::steps::id());
    let side = prop::collection::vec(crate::steps::id(), 1..3);
    law(&(setup(), says(1..10), pair, side, says(0..6)), |(setup, before, (one, other), side, between)| {
        let mut with = Control::new(setup.clone(), Fetch::Rounds);
        let mut without = Control::new(setup, Fetch::Rounds);
        let all = |control: &mut Control, says: &[Say]| says.iter().for_each(|say| control.act(&Act::Say(say.clone())));
        all(&mut with, &before);
        all(&mut without, &before);
        with.act(&Act::Join(one, other));
        with.act(&Act::Separate(side));
        all(&mut with, &between);
        all(&mut without, &between);
        for given in (0..with.given.len()).rev() {
            let nodes = with.given[given].clone();
            let now = with.both.world.next_now();
            let id = with.next_id();
            let directive = match nodes {
                Given::Join(join, between) => {
                    with.both.reference.undo(join, now);
                    Directive::Undo { join, between }
                }
                Given::Separation(separation, apart, side) => {
                    with.both.reference.lift_separation(separation, now);
                    Directive::Lift { separation, apart, side }
                }
            };
            with.both.world.directive(id, directive);
        }
        with.both.world.commit();
        assert_eq!(with.both.world.state().difference(&without.both.world.state()), None);
    });
}
