//! The one exception to law 2: a cluster at its bound. It keeps the bound, says what it left out, and takes later evidence as
//! another chance. Public keys fill no more than their share of it.

use std::sync::Arc;

use tessera_engine::cluster::{HoldReason, Link, LinkState};
use tessera_engine::config::{Config, Limits, default_namespaces};
use tessera_engine::decide::Outcome;
use tessera_engine::fact::{Claim, Fact, Strength};
use tessera_engine::value::{Path, Value};

use crate::pair::plain;
use crate::steps::{Id, PATHS, Say, Setup, Step, law, setup, steps};
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
            let told = held.iter().filter(|note| note.rule == HoldReason::Full).count();
            let left = full_links(&world).filter(|link| link.touches(*owner) && is_named(fact, link)).count();
            assert_eq!(told, left, "what is left out is told");
        }
    }
    world
}

fn full_links(world: &World) -> impl Iterator<Item = &Link> {
    let rows = world.tables.held.iter().flat_map(|(node, rows)| rows.values().map(move |link| (node, link)));
    rows.filter(|(node, link)| link.ends[0].node == **node && link.state == LinkState::Held(HoldReason::Full))
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
        let limits = world.config.limits().clone();
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
                replaces: tessera_engine::fact::Replaces::Nothing,
            };
            world.fact(&fact);
            world.commit();
            world.check();
            let homes = [0, 1].map(|end: usize| world.tables.homes[&link.ends[end].node]);
            let nodes = |id| world.tables.clusters[&id].nodes.len();
            let is_full = full_links(&world).any(|own| own.ends == link.ends);
            assert_eq!(is_full, homes[0] != homes[1], "it holds if it lies inside, or fits now");
            let bound = limits.cluster_identities_for(link.class());
            assert!(!is_full || nodes(homes[0]) + nodes(homes[1]) > bound);
        }
    });
}

/// Whoever reads a page may invent as many devices of a customer as they like: a server still finds room for its own.
#[test]
fn public_keys_leave_a_quarter_of_a_cluster_to_private_ones() {
    let (priorities, limits) = ([500, 400, 300, 300, 200, 100, 400, 300], [None; 8]);
    let bounded = Setup {
        links_at_once: usize::MAX,
        priorities,
        limits,
        exclusive: true,
        hub_links_max: 25,
        profile_identities_max: 1_000,
        cluster_identities_max: 8,
        exclusive_at: 1,
        blocked: Vec::new(),
        is_lower: false,
        windows: [None; PATHS.len() + 1],
        ended: Vec::new(),
    };
    let mut world = World::new(bounded.config(), Fetch::Rounds);
    let user = Id(1, 0);
    let mut say = |device: u8, strength: Strength| {
        let claims = vec![(user, strength), (Id(5, device), strength)];
        let (document, account, attributes) = (None, None, Vec::new());
        let (is_event, is_whole) = (false, false);
        let say = Say { claims, document, account, attributes, is_event, is_whole, dataset: 0, batch: false, time: 0 };
        world.fact(&say.fact(usize::from(device)));
        world.commit();
        world.check();
        world.tables.clusters[&world.tables.identities[&user.identity()].cluster].nodes.len()
    };
    let public: Vec<usize> = (0..10).map(|device| say(device, Strength::Observed)).collect();
    assert_eq!(public, [2, 3, 4, 5, 6, 6, 6, 6, 6, 6]);
    let private: Vec<usize> = (20..24).map(|device| say(device, Strength::Verified)).collect();
    assert_eq!(private, [7, 8, 8, 8]);
}

#[test]
fn public_keys_leave_a_quarter_of_a_record_to_private_ones() {
    let limits = Limits { record_bytes_max: 8_000, ..Limits::default() };
    let config = Config::new(1, default_namespaces(), None, limits).expect("a configuration");
    let mut world = World::new(Arc::new(config), Fetch::Rounds);
    let mut send = |at: usize, strength| {
        let path = Path::root(&format!("a{at}")).expect("a path");
        let claim = Claim { namespace: "user_id".into(), value: "u".into(), strength };
        let fact = Fact {
            id: format!("f{at}").into(),
            dataset: "d".into(),
            batch: None,
            time: None,
            claims: vec![claim],
            document: None,
            attributes: vec![(path, Value::text(&"x".repeat(200)))],
            account: None,
            call: None,
            content: None,
            replaces: tessera_engine::fact::Replaces::Nothing,
        };
        let outcome = world.fact(&fact).outcome;
        world.commit();
        matches!(outcome, Outcome::Accepted { .. })
    };
    let public = (0..100).take_while(|at| send(*at, Strength::Observed)).count();
    let private = (100..200).take_while(|at| send(*at, Strength::Verified)).count();
    assert!((10..100).contains(&public) && private >= 4, "{public} {private}");
}
