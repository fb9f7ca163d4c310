//! Law 6: erasing equals never having received, held against a second world that was never told; no reference model is asked.
//!
//! For a profile and an identity it holds for everything, and stays so whatever comes later; where they are suppressed, what names
//! them later was never sent either. For a single event it holds for everything but links and when an identity was last seen. That an
//! account was spoken of stays; what was said of it goes with whoever said it.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tessera_engine::decide::{Erasure, Outcome, Victim};
use tessera_engine::fact::{Fact, Identity, Strength};
use tessera_engine::prepare::{IDENTITY_SUPPRESSED, Prepared, prepare};
use tessera_engine::value::{Path, Value};

use crate::reference::place;
use crate::state::State;
use crate::steps::{Id, Say, Setup, Step, law, says, setup, steps};
use crate::world::{Fetch, World};

/// What is erased: the profile of an identity, or it alone; and whether what names it is refused from then on.
#[derive(Debug, Clone, Copy)]
struct Way {
    is_whole: bool,
    suppresses: bool,
}

fn way() -> impl Strategy<Value = Way> {
    (any::<bool>(), any::<bool>()).prop_map(|(is_whole, suppresses)| Way { is_whole, suppresses })
}

fn prepared(world: &World, say: &Say, at: usize) -> Option<Prepared> {
    prepare(Box::new(say.fact(at)), world.next_now(), &world.config).ok()
}

fn owner_of(world: &World, say: &Say, at: usize) -> Option<Id> {
    let owner = prepared(world, say, at)?.owner;
    all_ids().find(|id| id.identity() == owner)
}

fn all_ids() -> impl Iterator<Item = Id> {
    let values = crate::steps::NAMESPACES.iter().map(|(_, _, values)| *values);
    values.enumerate().flat_map(|(at, values)| (0..values).map(move |value| Id(at, value)))
}

/// That a fact spoke of an account stays the account's; what it said of it goes.
fn of_account(say: Say) -> Option<Say> {
    let (account, _) = say.account?;
    let claims = vec![(account, Strength::Verified)];
    Some(Say { claims, document: None, account: None, attributes: Vec::new(), is_event: false, ..say })
}

/// What remains of a fact when these identities were never known: nothing, if its owner is one of them.
fn strip(mut say: Say, gone: &[Id], owner: Id) -> Option<Say> {
    say.account = say.account.filter(|(account, _)| !gone.contains(account));
    if gone.contains(&owner) {
        return of_account(say);
    }
    say.claims.retain(|(id, _)| !gone.contains(id));
    say.document = say.document.filter(|(value, _)| !gone.contains(&Id(0, *value)));
    Some(say)
}

/// A world that was told these facts, and the owner of each.
fn told(setup: &Setup, says: &[Say]) -> (World, Vec<Option<Id>>) {
    let mut world = World::new(setup.config(), Fetch::Rounds);
    world.allow_links(setup.links_at_once);
    let owners = says.iter().enumerate().map(|(at, say)| {
        let owner = owner_of(&world, say, at);
        world.fact(&say.fact(at));
        owner
    });
    let owners = owners.collect();
    world.commit();
    (world, owners)
}

/// Two worlds: one that has erased somebody, and one that was never told of them.
struct Worlds {
    erased: World,
    never: World,
    /// Who is suppressed in the first.
    refused: Vec<Id>,
}

impl Worlds {
    /// Sends a fact to both: to the second without whom the first has to leave out, and none whose owner that is.
    fn send(&mut self, say: &Say, at: usize) {
        let owner = owner_of(&self.erased, say, at);
        let outcome = self.erased.fact(&say.fact(at)).outcome;
        match owner {
            Some(owner) if self.refused.contains(&owner) => {
                let is_told = matches!(&outcome, Outcome::Rejected(own) if own.code == IDENTITY_SUPPRESSED);
                assert!(is_told, "{outcome:?}");
            }
            _ => {
                let left = owner.and_then(|owner| strip(say.clone(), &self.refused, owner));
                let expected = self.never.fact(&left.as_ref().unwrap_or(say).fact(at)).outcome;
                assert_eq!(std::mem::discriminant(&outcome), std::mem::discriminant(&expected));
                self.assert_left_out(say, &outcome);
            }
        }
        self.compare();
    }

    /// Whom an accepted fact leaves out is told, and does not stand in its event.
    fn assert_left_out(&self, say: &Say, outcome: &Outcome) {
        let Outcome::Accepted { ignored, event, .. } = outcome else { return };
        let account = say.account.iter().map(|(account, _)| account);
        let named: BTreeSet<&Id> = say.claims.iter().map(|(id, _)| id).chain(account).collect();
        let left_out = ignored.iter().filter(|own| own.code == IDENTITY_SUPPRESSED).count();
        let is_refused = |identity: &Identity| self.refused.iter().any(|id| id.identity() == *identity);
        assert!(left_out <= named.iter().filter(|id| self.refused.contains(id)).count());
        assert!(event.iter().flat_map(|event| &event.identities).all(|identity| !is_refused(identity)));
    }

    /// Does something in both.
    fn both(&mut self, act: impl Fn(&mut World)) {
        act(&mut self.erased);
        act(&mut self.never);
        self.compare();
    }

    fn compare(&mut self) {
        let [erased, never] = [&mut self.erased, &mut self.never].map(settled);
        assert_eq!(erased.difference(&never), None);
    }
}

fn settled(world: &mut World) -> State {
    world.commit();
    world.check();
    let mut state = world.state();
    // The joins of a release carry its instant, and the two worlds received a different number of facts before it.
    for (_, evidence) in state.links.values_mut() {
        let spelled =
            evidence.iter().map(|one| if one.contains(" $release ") { "release".into() } else { one.clone() });
        *evidence = spelled.collect();
    }
    state
}

#[test]
fn erasing_equals_never_having_received() {
    let again = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    let all = (setup(), says(1..12), crate::steps::id(), way(), steps(0..6), again);
    law(&all, |(setup, says, erased, way, later, again)| {
        let (mut world, owners) = told(&setup, &says);
        let Some(row) = world.tables.identities.get(&erased.identity()).copied() else { return };
        let cluster = world.tables.clusters[&row.cluster].clone();
        let is_gone = |id: &Id| match way.is_whole {
            true => cluster.piece(row.node).any(|node| node.identity == id.identity()),
            false => *id == erased,
        };
        let gone: Vec<Id> = all_ids().filter(is_gone).collect();
        let told = world.erase_as(&erased.identity(), |node| Erasure {
            victim: if way.is_whole { Victim::Profile(node) } else { Victim::Node(node) },
            suppresses: way.suppresses,
        });
        assert!(matches!(told.outcome, Outcome::Erased(_)));

        let mut never = World::new(setup.config(), Fetch::Rounds);
        for (at, (say, owner)) in says.iter().zip(&owners).enumerate() {
            let Some(owner) = owner else { continue };
            let Some(stripped) = strip(say.clone(), &gone, *owner) else { continue };
            let mut fact = stripped.fact(at);
            if gone.contains(owner) {
                fact.id = format!("{}#account", fact.id).into();
            }
            never.fact(&fact);
        }
        let refused = if way.suppresses { gone } else { Vec::new() };
        let mut worlds = Worlds { erased: world, never, refused };
        worlds.compare();
        for index in again {
            let at = index.index(says.len());
            worlds.send(&says[at], at);
        }
        for (at, step) in later.iter().enumerate() {
            match step {
                Step::Say(say) => worlds.send(say, 100 + at),
                Step::Again(_) => {}
                Step::Erase(id) => {
                    worlds.both(|world| drop(world.erase(&id.identity())));
                }
                Step::Release(document, id) => {
                    let document = Id(0, *document).identity();
                    worlds.both(|world| drop(world.release(&document, &id.identity())));
                }
            }
        }
    });
}

/// However late the links of what was erased are removed, and whatever comes meanwhile, it comes to the same.
#[test]
fn links_that_are_removed_late_come_to_the_same() {
    let erased = prop::collection::vec((crate::steps::id(), any::<bool>()), 1..3);
    law(&(setup(), says(1..12), erased, says(0..6)), |(setup, says, erased, later)| {
        let states = [false, true].map(|is_late| {
            let mut world = World::new(setup.config(), Fetch::Rounds);
            world.allow_links(if is_late { 1 } else { usize::MAX });
            world.unlinks_late = is_late;
            for (at, say) in says.iter().enumerate() {
                world.fact(&say.fact(at));
            }
            for (id, is_whole) in &erased {
                world.commit();
                world.erase_as(&id.identity(), |node| Erasure {
                    victim: if *is_whole { Victim::Profile(node) } else { Victim::Node(node) },
                    suppresses: false,
                });
            }
            world.commit();
            for (at, say) in later.iter().enumerate() {
                world.fact(&say.fact(100 + at));
            }
            world.commit();
            world.unlink_all();
            settled(&mut world)
        });
        assert_eq!(states[0].difference(&states[1]), None);
    });
}

/// What was sent but for an event: while its owner is known, its links are left, and else only what it said about an account. Others
/// lose what it had overwritten.
fn without_event(says: &[Say], owners: &[Option<Id>], event: usize, is_owner_known: bool) -> Vec<Fact> {
    let erased = says[event].fact(event);
    let mut facts = Vec::new();
    for (at, say) in says.iter().enumerate() {
        let mut fact = say.fact(at);
        if at == event && is_owner_known {
            fact = Fact { id: "links".into(), call: None, attributes: Vec::new(), ..fact };
            fact.account.iter_mut().for_each(|account| account.attributes.clear());
        } else if at == event {
            let Some(rest) = of_account(say.clone()) else { continue };
            fact = Fact { id: "links".into(), ..rest.fact(at) };
        } else if fact.dataset == erased.dataset && fact.time < erased.time {
            let stays = |said: &(Path, Value)| erased.attributes.iter().all(|own| place(own) != place(said));
            if owners[at] == owners[event] {
                fact.attributes.retain(stays);
            }
            if let Some(account) =
                fact.account.as_mut().filter(|_| say.account.as_ref().map(|own| own.0) == owners[event])
            {
                account.attributes.retain(stays);
            }
        }
        facts.push(fact);
    }
    facts
}

#[test]
fn erasing_an_event_equals_never_having_received_more_than_its_links() {
    law(&(setup(), says(1..12), any::<prop::sample::Index>()), |(setup, says, index)| {
        let (mut world, owners) = told(&setup, &says);
        let events: Vec<(usize, Id)> = (owners.iter().enumerate())
            .filter(|(at, _)| says[*at].is_event)
            .filter_map(|(at, owner)| Some((at, (*owner)?)))
            .collect();
        if events.is_empty() {
            return;
        }
        let (event, owner) = *index.get(&events);
        let fact = says[event].fact(event);
        assert!(matches!(world.erase_event(&fact.id).outcome, Outcome::Erased(_)));
        world.commit();
        let is_owner_known = world.tables.identities.contains_key(&owner.identity());
        let mut never = World::new(setup.config(), Fetch::Rounds);
        for fact in without_event(&says, &owners, event, is_owner_known) {
            never.fact(&fact);
        }
        same_but_for_links(&mut world, &mut never, is_owner_known.then_some(owner));
        // It may come again, like any event that nobody has seen.
        let (one, other) = (world.fact(&fact).outcome, never.fact(&fact).outcome);
        assert_eq!(std::mem::discriminant(&one), std::mem::discriminant(&other));
        same_but_for_links(&mut world, &mut never, is_owner_known.then_some(owner));
    });
}

/// Where an owner is given, the second world was told once more of it, for the links alone.
fn same_but_for_links(erased: &mut World, never: &mut World, told: Option<Id>) {
    let [mut one, mut other] = [&mut *erased, never].map(settled);
    for state in [&mut one, &mut other] {
        state.profiles.values_mut().for_each(|profile| profile.identifiers.clear());
    }
    if let Some(owner) = told {
        let name = crate::state::name(&owner.identity(), &erased.config);
        other.nodes.get_mut(&name).expect("it is known").0 -= 1;
        for state in [&mut one, &mut other] {
            let own = state.profiles.iter_mut().filter(|(nodes, _)| nodes.contains(&name));
            own.for_each(|(_, profile)| profile.is_somebody = false);
        }
    }
    assert_eq!(one.difference(&other), None);
}
