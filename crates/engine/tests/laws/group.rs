//! Law 5: a batch equals its events one by one, and sending it twice equals sending it once. And that the way in which a
//! command's needs are read changes nothing.

use proptest::prelude::*;
use tessera_engine::decide::{Notice, Outcome};

use crate::pair::Both;
use crate::steps::{law, says, setup, steps};
use crate::world::{Fetch, World};

#[test]
fn a_group_over_one_working_set_equals_its_commands_one_by_one() {
    let commits = prop::collection::vec(prop::bool::weighted(0.2), 20);
    law(&(setup(), steps(2..20), commits), |(setup, steps, commits)| {
        let mut single = Both::new(setup.config(), Fetch::Rounds);
        let mut grouped = Both::new(setup.config(), Fetch::Rounds);
        for (step, commit) in steps.iter().zip(&commits) {
            single.step(step);
            single.world.commit();
            grouped.step(step);
            if *commit {
                grouped.commit();
            }
        }
        grouped.commit();
        assert!(single.world.tables == grouped.world.tables, "the same rows, to the last id");
    });
}

#[test]
fn needs_answered_one_by_one_come_to_the_same_as_everything_preloaded() {
    law(&(setup(), steps(2..16)), |(setup, steps)| {
        let mut lazy = Both::new(setup.config(), Fetch::OneByOne);
        let mut loaded = Both::new(setup.config(), Fetch::Preloaded);
        for step in &steps {
            let (one, other) = (lazy.step(step), loaded.step(step));
            assert_eq!(format!("{:?}", one.outcome), format!("{:?}", other.outcome));
            assert_eq!(one.notes.notices, other.notes.notices);
            assert_eq!(other.rounds, 0);
            lazy.world.commit();
            loaded.world.commit();
            assert!(lazy.world.tables == loaded.world.tables, "the same rows, to the last id");
        }
    });
}

#[test]
fn sending_twice_equals_sending_once() {
    law(&(setup(), says(1..12)), |(setup, says)| {
        let mut world = World::new(setup.config(), Fetch::Rounds);
        let mut accepted = Vec::new();
        for (at, say) in says.iter().enumerate() {
            let fact = say.fact(at);
            if matches!(world.fact(&fact).outcome, Outcome::Accepted { .. }) {
                assert!(matches!(world.fact(&fact).outcome, Outcome::Duplicate), "in one group");
                accepted.push(fact);
            }
        }
        world.commit();
        let before = world.tables.clone();
        for fact in &accepted {
            let told = world.fact(fact);
            assert!(matches!(told.outcome, Outcome::Duplicate));
            assert_eq!(told.notes.notices, Vec::new());
        }
        let changes = world.commit();
        assert!(before == world.tables && changes.clusters.is_empty() && changes.facts.is_empty());
    });
}

/// A reader who keeps views only has to forget those that notices name.
#[test]
fn notices_name_every_profile_that_changed() {
    law(&(setup(), steps(2..16)), |(setup, steps)| {
        let mut both = Both::new(setup.config(), Fetch::Rounds);
        for step in &steps {
            let before = both.world.views();
            let notices = both.step(step).notes.notices;
            both.world.commit();
            let after = both.world.views();
            for (id, view) in &after {
                let is_told = notices.contains(&Notice::ProfileChanged(*id));
                assert!(is_told || before.get(id) == Some(view), "{id:?} changed untold by {step:?}: {notices:?}");
            }
            for id in before.keys().filter(|id| !after.contains_key(id)) {
                let is_end = |notice: &Notice| match notice {
                    Notice::ProfileMerged { from, .. } => from == id,
                    Notice::ProfileErased(erased) => erased == id,
                    Notice::ProfileChanged(_) | Notice::IdentityMoved { .. } | Notice::Membership { .. } => false,
                };
                assert!(notices.iter().any(is_end), "{id:?} went untold by {step:?}: {notices:?}");
            }
        }
    });
}
