//! The one exception to law 2: a cluster at its bound. It keeps the bound, says what it left out, and takes later evidence as
//! another chance.

use tessera_engine::cluster::{Link, LinkState, Rule};
use tessera_engine::decide::Outcome;
use tessera_engine::fact::{Claim, Fact};

use crate::pair::plain;
use crate::steps::{Setup, Step, law, setup, steps};
use crate::world::{Fetch, World};

/// Runs steps; asserts that every link which a fact left at the bound is in its verdict.
fn run(setup: &Setup, steps: &[Step]) -> World {
    let mut world = World::new(setup.config(), Fetch::Rounds);
    let mut sent = Vec::new();
    for step in steps {
        let outcome = plain(&mut world, &mut sent, step).outcome;
        world.commit();
        // The bound of every cluster is among what is checked.
        world.check();
        if let (Step::Say(_), Outcome::Accepted { owner, held, .. }) = (step, &outcome) {
            let fact: &Fact = sent.last().expect("it was sent");
            let told = held.iter().filter(|note| note.rule == Rule::Full).count();
            let left = full_links(&world).filter(|link| link.touches(*owner) && is_named(fact, link)).count();
            assert_eq!(told, left, "what is left out is told");
        }
    }
    world
}

fn full_links(world: &World) -> impl Iterator<Item = &Link> {
    let rows = world.tables.held.iter().flat_map(|(node, rows)| rows.values().map(move |link| (node, link)));
    rows.filter(|(node, link)| link.ends[0].node == **node && link.state == LinkState::Held(Rule::Full))
        .map(|(_, link)| &**link)
}

/// Whether both ends of a link are named by a fact.
fn is_named(fact: &Fact, link: &Link) -> bool {
    let number = |claim: &Claim| crate::steps::NAMESPACES.iter().position(|(name, ..)| *name == &*claim.namespace);
    let names = |claim: &Claim, end: &tessera_engine::cluster::End| {
        number(claim).map(|at| at + 1) == Some(usize::from(end.identity.namespace.number()))
            && claim.value == end.identity.value
    };
    link.ends.iter().all(|end| fact.claims.iter().chain(&fact.document).any(|claim| names(claim, end)))
}

#[test]
fn a_cluster_keeps_its_bound_and_tells_what_it_left_out() {
    law(&(setup(), 2usize..7, steps(2..24)), |(mut setup, bound, steps)| {
        setup.cluster_identities_max = bound;
        run(&setup, &steps);
    });
}

#[test]
fn later_evidence_gives_a_link_at_the_bound_another_chance() {
    law(&(setup(), 2usize..6, steps(4..24)), |(mut setup, bound, steps)| {
        setup.cluster_identities_max = bound;
        setup.exclusive = false;
        let mut world = run(&setup, &steps);
        let full: Vec<Link> = full_links(&world).cloned().collect();
        for (at, link) in full.iter().enumerate() {
            if !full_links(&world).any(|own| own.ends == link.ends) {
                continue;
            }
            let claim = |end: usize| Claim {
                namespace: crate::steps::NAMESPACES[usize::from(link.ends[end].identity.namespace.number()) - 1]
                    .0
                    .into(),
                value: link.ends[end].identity.value.clone(),
                strength: link.strength(),
            };
            let fact = Fact {
                id: format!("again{at}").into(),
                dataset: "d0".into(),
                batch: None,
                time: Some(link.last_seen()),
                claims: vec![claim(0), claim(1)],
                document: None,
                attributes: Vec::new(),
                account: None,
                call: None,
                content: None,
            };
            world.fact(&fact);
            world.commit();
            world.check();
            let homes = [0, 1].map(|end: usize| world.tables.homes[&link.ends[end].node]);
            let nodes = |id| world.tables.clusters[&id].nodes.len();
            let is_full = full_links(&world).any(|own| own.ends == link.ends);
            assert_eq!(is_full, homes[0] != homes[1], "it holds if it lies inside, or fits now");
            assert!(!is_full || nodes(homes[0]) + nodes(homes[1]) > bound);
        }
    });
}
