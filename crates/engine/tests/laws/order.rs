//! Law 2: order does not matter: profiles are a function of facts, directives and configuration. When it was received is part of what a
//! public key says: among that the earlier wins. What private keys say is the same whenever it arrives. Law 7: of all orders of the facts
//! between two directives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use tessera_engine::fact::{Class, Fact};
use tessera_engine::time::Timestamp;
use tessera_engine::walk::{Edge, stage_one};

use crate::pair::{Both, plain};
use crate::state::State;
use crate::steps::{Say, Setup, Step, class, law, say, says, setup, steps};
use crate::world::{Fetch, START_MICROS, World};

#[test]
fn the_engine_equals_the_reference_after_every_step() {
    law(&(setup(), steps(1..16)), |(setup, steps)| {
        let mut both = Both::new(setup.config(), Fetch::Rounds);
        for step in &steps {
            both.step(step);
            both.commit();
        }
    });
}

#[test]
fn late_stronger_and_repeated_evidence_is_that_of_the_reference() {
    let pairs = prop::collection::vec((say(), 0usize..3), 1..10);
    law(&(setup(), pairs), |(setup, pairs)| {
        let mut both = Both::new(setup.config(), Fetch::Rounds);
        let again = pairs.iter().flat_map(|(say, times)| vec![say; *times]);
        for (at, say) in pairs.iter().map(|(say, _)| say).chain(again).enumerate() {
            // The same pairs come back, each time earlier and at another strength.
            let mut say = say.clone();
            say.time = say.time.saturating_sub(100 * u16::try_from(at).expect("few"));
            both.step(&Step::Say(say));
            both.commit();
        }
    });
}

/// When what stands at a place is received.
fn receipt(at: usize) -> Timestamp {
    let start = Timestamp::from_micros(START_MICROS).expect("the start is an instant");
    start.plus_micros(1_000_000 * i64::try_from(at + 1).expect("few"))
}

/// What facts come to in this order, each received at the instant of its place there, or at its own.
fn state_of(setup: &Setup, says: &[Say], order: &[usize], receipts: Receipts) -> State {
    let mut world = World::new(setup.config(), Fetch::Rounds);
    for (place, at) in order.iter().enumerate() {
        world.go_to(match receipts {
            Receipts::Own => receipt(*at),
            Receipts::OfPlaces => receipt(place),
        });
        world.fact(&says[*at].fact(*at));
        world.commit();
    }
    world.check();
    world.state()
}

/// When facts are received that come in another order.
#[derive(Clone, Copy)]
enum Receipts {
    /// As in the order of before.
    Own,
    /// As they come.
    OfPlaces,
}

fn by_keys(len: usize, keys: &[u16]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by_key(|at| keys[*at]);
    order
}

#[test]
fn any_order_of_the_facts_gives_the_same_state() {
    let keys = prop::collection::vec(any::<u16>(), 16);
    law(&(setup(), says(2..16), keys), |(setup, says, keys)| {
        let order: Vec<usize> = (0..says.len()).collect();
        let sent = state_of(&setup, &says, &order, Receipts::Own);
        let shuffled = state_of(&setup, &says, &by_keys(says.len(), &keys), Receipts::Own);
        assert_eq!(sent.difference(&shuffled), None);
    });
}

fn said_by_keys(len: std::ops::Range<usize>) -> impl Strategy<Value = Vec<(Say, Class)>> {
    prop::collection::vec((say(), class()).prop_map(|(say, class)| (say.by(class), class)), len)
}

#[test]
fn facts_of_private_keys_come_whenever_they_like_among_those_of_public_keys() {
    let keys = prop::collection::vec(any::<u16>(), 16);
    law(&(setup(), said_by_keys(2..16), keys), |(setup, said, keys)| {
        let (says, classes): (Vec<Say>, Vec<Class>) = said.into_iter().unzip();
        let is_public = |at: &usize| classes[*at] == Class::Public;
        let mut order = by_keys(says.len(), &keys);
        let mut public = (0..says.len()).filter(is_public);
        for at in order.iter_mut().filter(|at| is_public(at)) {
            *at = public.next().expect("as many");
        }
        let sent = state_of(&setup, &says, &(0..says.len()).collect::<Vec<_>>(), Receipts::OfPlaces);
        let shuffled = state_of(&setup, &says, &order, Receipts::OfPlaces);
        assert_eq!(sent.difference(&shuffled), None);
    });
}

#[test]
fn what_public_keys_say_changes_no_link_of_a_private_key() {
    law(&(setup(), said_by_keys(2..20)), |(setup, said)| {
        let mut with = World::new(setup.config(), Fetch::Rounds);
        let mut without = World::new(setup.config(), Fetch::Rounds);
        for (at, (say, class)) in said.iter().enumerate() {
            with.fact(&say.fact(at));
            if *class == Class::Private {
                without.fact(&say.fact(at));
            }
        }
        with.commit();
        without.commit();
        let (with, without) = (with.state(), without.state());
        for (ends, (standing, _)) in &without.links {
            assert_eq!(&with.links[ends].0, standing, "{ends:?} stands as it would without public keys");
        }
    });
}

#[test]
fn any_order_of_the_facts_between_two_directives_gives_the_same_state() {
    let keys = prop::collection::vec(any::<u16>(), 20);
    law(&(setup(), steps(2..20), keys), |(setup, steps, keys)| {
        let mut sent = Both::new(setup.config(), Fetch::Rounds);
        for step in &steps {
            sent.step(step);
            sent.world.commit();
        }
        let mut shuffled = World::new(setup.config(), Fetch::Rounds);
        let numbered = numbered(&steps);
        let receipts = receipts(&numbered);
        for at in between_directives(&steps, &keys) {
            // A fact is sent again, or for the first time, whichever comes first.
            shuffled.go_to(receipts[at]);
            match &numbered[at] {
                Some(fact) => shuffled.fact(fact),
                None => plain(&mut shuffled, &mut Vec::new(), &steps[at]),
            };
            shuffled.commit();
        }
        shuffled.check();
        assert_eq!(sent.world.state().difference(&shuffled.state()), None);
    });
}

/// When each step is received. A fact that is sent several times between two directives is received the first time.
fn receipts(numbered: &[Option<Fact>]) -> Vec<Timestamp> {
    let mut receipts: Vec<Timestamp> = Vec::new();
    let mut first: BTreeMap<Arc<str>, Timestamp> = BTreeMap::new();
    for (at, fact) in numbered.iter().enumerate() {
        receipts.push(match fact {
            Some(fact) => *first.entry(fact.id.clone()).or_insert(receipt(at)),
            None => receipt(at),
        });
        if fact.is_none() {
            first.clear();
        }
    }
    receipts
}

/// The fact of each step, as it is when they are sent in their order.
fn numbered(steps: &[Step]) -> Vec<Option<Fact>> {
    let mut sent: Vec<Fact> = Vec::new();
    let mut numbered = Vec::new();
    for step in steps {
        match step {
            Step::Say(say) => {
                sent.push(say.fact(sent.len()));
                numbered.push(sent.last().cloned());
            }
            Step::Again(index) if !sent.is_empty() => numbered.push(Some(index.get(&sent).clone())),
            Step::Again(_) | Step::Erase(_) | Step::Release(..) => numbered.push(None),
        }
    }
    numbered
}

/// Places of steps: directives keep theirs, facts change theirs with others between the same two directives.
fn between_directives(steps: &[Step], keys: &[u16]) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::new();
    let mut group: Vec<usize> = Vec::new();
    for at in 0..=steps.len() {
        if steps.get(at).is_none_or(Step::is_directive) {
            group.sort_by_key(|at| keys[*at]);
            order.append(&mut group);
            order.extend((at < steps.len()).then_some(at));
        } else {
            group.push(at);
        }
    }
    order
}

/// The clusters of stage 1, as sets of positions.
fn clusters(exclusive: &[bool], edges: &[Edge]) -> BTreeSet<Vec<usize>> {
    let labels = stage_one(exclusive, edges).cluster;
    let mut sets = vec![Vec::new(); labels.len()];
    for (at, label) in labels.into_iter().enumerate() {
        sets[label].push(at);
    }
    sets.into_iter().filter(|set| !set.is_empty()).collect()
}

#[test]
fn one_link_more_or_less_changes_at_most_two_clusters() {
    let edges = prop::collection::vec((0usize..14, 0usize..14, prop::bool::weighted(0.1)), 1..30);
    law(
        &(prop::collection::vec(any::<bool>(), 14), edges, any::<prop::sample::Index>()),
        |(exclusive, edges, index)| {
            let mut edges: Vec<Edge> =
                edges.into_iter().map(|(one, other, joined)| Edge { one, other, joined }).collect();
            let joined = index.get(&edges).joined;
            let mut at = index.index(edges.len());
            let odd = edges.remove(at);
            // Joined links come first, as in every walk; the odd one keeps its place among its like.
            at = edges[..at].iter().filter(|edge| edge.joined == joined).count();
            edges.sort_by_key(|edge| !edge.joined);
            at += if joined { 0 } else { edges.iter().filter(|edge| edge.joined).count() };
            let without = clusters(&exclusive, &edges);
            edges.insert(at, odd);
            let with = clusters(&exclusive, &edges);
            assert!(with.difference(&without).count() <= 2, "{with:?} {without:?}");
            assert!(without.difference(&with).count() <= 2, "{with:?} {without:?}");
        },
    );
}

#[test]
fn a_fact_of_one_link_rewrites_at_most_two_clusters() {
    law(&(setup(), says(1..20)), |(mut setup, mut says)| {
        setup.hub_links_max = 1_000;
        let mut world = World::new(setup.config(), Fetch::Rounds);
        for (at, say) in says.iter_mut().enumerate() {
            say.claims.truncate(2);
            (say.document, say.account) = (None, None);
            let before = world.tables.clusters.clone();
            world.fact(&say.fact(at));
            world.commit();
            let sets = |tables: &std::collections::BTreeMap<_, Arc<tessera_engine::cluster::Cluster>>| {
                let nodes = |cluster: &tessera_engine::cluster::Cluster| cluster.nodes.iter().map(|n| n.id).collect();
                tables.values().map(|cluster| nodes(cluster)).collect::<BTreeSet<Vec<_>>>()
            };
            let (before, after) = (sets(&before), sets(&world.tables.clusters));
            // A new identity is a cluster more, before its link is placed.
            assert!(before.difference(&after).count() <= 2 && after.difference(&before).count() <= 2);
        }
    });
}
