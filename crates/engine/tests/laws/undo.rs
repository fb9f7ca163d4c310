//! Law 1: facts never move, and an unmerge restores exactly.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use tessera_engine::decide::Outcome;
use tessera_engine::fact::{Claim, Fact, Strength};

use crate::pair::Both;
use crate::steps::{Id, Say, law, say, says, setup, steps};
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
        is_whole: false,
        dataset: 0,
        batch: false,
        time,
    };
    say.fact(900 + at)
}
