//! Law 1: facts never move, and an unmerge restores exactly. Law 6: erasing equals never having received.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use tessera_engine::decide::Outcome;
use tessera_engine::fact::{Claim, Fact, Strength};

use crate::pair::Both;
use crate::state::State;
use crate::steps::{Id, Say, Step, law, say, says, setup, steps};
use crate::world::{Fetch, World};

#[test]
fn the_owner_of_an_event_never_changes() {
    law(&(setup(), steps(2..20)), |(setup, steps)| {
        let mut both = Both::new(setup.config(), Fetch::Rounds);
        let mut owners: BTreeMap<Arc<str>, _> = BTreeMap::new();
        for step in &steps {
            let outcome = both.step(step).outcome;
            both.world.commit();
            if let Outcome::Erased(erased) = outcome {
                owners.retain(|_, node| !erased.nodes.iter().any(|(own, _)| own == node));
            }
            for (event, node) in &both.world.tables.events {
                assert_eq!(owners.entry(event.clone()).or_insert(*node), node);
            }
            assert_eq!(owners, both.world.tables.events, "none goes but by erasure");
            let timelines =
                both.world.state().profiles.into_values().map(|profile| profile.events.len()).sum::<usize>();
            assert_eq!(timelines, owners.len(), "profiles are a partition: each event stands on one timeline");
        }
    });
}

/// Facts that name neither a document nor the key.
fn without(says: Vec<Say>, key: Id) -> Vec<Say> {
    let keep = |mut say: Say| {
        say.claims.retain(|(id, _)| *id != key && id.0 > 0);
        say.document = None;
        (!say.claims.is_empty()).then_some(say)
    };
    says.into_iter().filter_map(keep).collect()
}

/// One side is a document with others that it names, the other a key with facts of its own. The document names the key: they
/// are one profile, unless a rule refuses. It is released, and both are what they were.
#[test]
fn a_release_gives_each_side_its_own_back() {
    let own = || prop::collection::vec(say(), 1..4);
    let key = crate::steps::id_of(1..6);
    law(&(setup(), says(1..8), own(), own(), key), |(setup, others, of_document, of_key, key)| {
        let document = Id(0, 0);
        let mut world = World::new(setup.config(), Fetch::Rounds);
        let others = without(others, key);
        let kept = of_document.into_iter().map(|mut say| {
            say.claims.retain(|(id, _)| *id != key && (1..6).contains(&id.0));
            say.document = Some((0, Strength::Verified));
            say
        });
        let owned = of_key.into_iter().map(|mut say| {
            (say.claims, say.document) = (vec![(key, Strength::Verified)], None);
            say
        });
        for (at, say) in others.into_iter().chain(kept).chain(owned).enumerate() {
            world.fact(&say.fact(at));
        }
        world.commit();
        let before = world.state();
        let naming = Fact { document: Some(claim(document)), claims: vec![claim(key)], ..bare_fact(900, 1) };
        // So that the document's own place among the identifiers stays, it was seen later than that in any case.
        world.fact(&Fact { document: Some(claim(document)), claims: Vec::new(), ..bare_fact(999, 2) });
        world.commit();
        world.fact(&naming);
        world.commit();
        let outcome = world.release(&document.identity(), &key.identity()).outcome;
        world.commit();
        world.check();
        if matches!(outcome, Outcome::Released { severed: 0 }) {
            return;
        }
        let mut after = world.state();
        let name = |id: Id| crate::state::name(&id.identity(), &world.config);
        assert!(after.links.remove(&(name(document), name(key))).is_some());
        after.nodes.get_mut(&name(document)).expect("it is there").0 -= 2;
        assert_eq!(before.difference(&after), None);
    });
}

fn claim(id: Id) -> Claim {
    let (namespace, value) = (crate::steps::NAMESPACES[id.0].0, id.identity().value);
    Claim { namespace: namespace.into(), value, strength: Strength::Verified }
}

fn bare_fact(time: u16, at: usize) -> Fact {
    let say = Say {
        claims: Vec::new(),
        document: None,
        account: None,
        attributes: Vec::new(),
        is_event: false,
        dataset: 0,
        batch: false,
        time,
    };
    say.fact(900 + at)
}

/// What remains of a fact when these identities were never known: nothing, if its owner is one of them.
fn strip(mut say: Say, gone: &[Id], owner: Id) -> Option<Say> {
    if gone.contains(&owner) {
        // What it says about an account is the account's.
        let (account, said) = say.account.filter(|(account, _)| !gone.contains(account))?;
        say.claims = vec![(account, Strength::Verified)];
        (say.document, say.account, say.attributes, say.is_event) = (None, None, said, false);
        return Some(say);
    }
    say.claims.retain(|(id, _)| !gone.contains(id));
    say.account = say.account.filter(|(account, _)| !gone.contains(account));
    Some(say)
}

fn owner_of(world: &World, say: &Say, at: usize) -> Option<Id> {
    let prepared = tessera_engine::prepare::prepare(Box::new(say.fact(at)), world.next_now(), &world.config).ok()?;
    all_ids().find(|id| id.identity() == prepared.owner)
}

fn all_ids() -> impl Iterator<Item = Id> {
    let values = crate::steps::NAMESPACES.iter().map(|(_, _, values)| *values);
    values.enumerate().flat_map(|(at, values)| (0..values).map(move |value| Id(at, value)))
}

#[test]
fn erasing_equals_never_having_received() {
    let again = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    law(&(setup(), says(1..12), crate::steps::id(), steps(0..6), again), |(setup, says, erased, later, again)| {
        let mut world = World::new(setup.config(), Fetch::Rounds);
        let mut owners = Vec::new();
        for (at, say) in says.iter().enumerate() {
            owners.push(owner_of(&world, say, at));
            world.fact(&say.fact(at));
        }
        world.commit();
        let Some(row) = world.tables.identities.get(&erased.identity()).copied() else { return };
        let cluster = world.tables.clusters[&row.cluster].clone();
        let is_gone = |id: &Id| cluster.piece(row.node).any(|node| node.identity == id.identity());
        let gone: Vec<Id> = all_ids().filter(is_gone).collect();
        assert!(matches!(world.erase(&erased.identity()).outcome, Outcome::Erased(_)));

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
        compare(&mut world, &mut never);
        for index in again {
            let at = index.index(says.len());
            let fact = says[at].fact(at);
            let (one, other) = (world.fact(&fact), never.fact(&fact));
            assert_eq!(std::mem::discriminant(&one.outcome), std::mem::discriminant(&other.outcome));
            compare(&mut world, &mut never);
        }
        for (at, step) in later.iter().enumerate() {
            for world in [&mut world, &mut never] {
                match step {
                    Step::Say(say) => drop(world.fact(&say.fact(100 + at))),
                    Step::Again(_) => {}
                    Step::Erase(id) => drop(world.erase(&id.identity())),
                    Step::Release(document, id) => drop(world.release(&Id(0, *document).identity(), &id.identity())),
                }
                world.commit();
            }
            compare(&mut world, &mut never);
        }
    });
}

fn compare(world: &mut World, never: &mut World) {
    let state = |world: &mut World| -> State {
        world.commit();
        world.check();
        let mut state = world.state();
        // The joins of a release carry its instant, and the two worlds received a different number of facts before it.
        for (_, evidence) in state.links.values_mut() {
            *evidence = evidence
                .iter()
                .map(|one| if one.contains(" $release ") { "release".into() } else { one.clone() })
                .collect();
        }
        state
    };
    assert_eq!(state(world).difference(&state(never)), None);
}
