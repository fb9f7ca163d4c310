//! Records: what a dataset says of one identity is what it said last.

use std::collections::BTreeMap;

use crate::world::{Fetch, World};
use crate::{check, config, profiles, run};

#[test]
fn a_record_takes_the_place_of_what_its_dataset_said() {
    check(
        "
        record doc=user_id:u email:a@x name='Ann' city='Lyon' in=crm
        user_id:u plan='gold' in=web
        record doc=user_id:u email:b@x name='Ann' score=7 in=crm
        ",
        "
        user_id:u email:b@x {name: 'Ann', plan: 'gold', score: 7}
        ",
    );
}

#[test]
fn what_is_said_as_before_keeps_its_time() {
    check(
        "
        record doc=user_id:u city='Lyon' in=crm t=1
        user_id:u city='Paris' in=web t=5
        record doc=user_id:u city='Lyon' score=1 in=crm t=9
        ",
        "
        user_id:u {city: 'Paris', score: 1}
        ",
    );
}

#[test]
fn who_is_known_by_a_record_alone_goes_with_it() {
    check(
        "
        record doc=user_id:u email:a@x name='Ann' in=crm
        record doc=user_id:v email:b@x name='Bob' in=crm
        forget user_id:u crm
        ",
        "
        3: forgotten
        user_id:v email:b@x {name: 'Bob'}
        ",
    );
}

#[test]
fn what_others_say_stays() {
    check(
        "
        record doc=user_id:u email:a@x name='Ann' in=crm
        email:a@x device_id:d call in=web
        user_id:u email:c@x plan='gold' in=shop
        forget user_id:u crm
        ",
        "
        4: forgotten
        email:a@x device_id:d events=1
        user_id:u email:c@x {plan: 'gold'}
        ",
    );
}

#[test]
fn an_address_that_moves_to_somebody_else_is_theirs() {
    check(
        "
        record doc=user_id:u email:a@x in=crm
        record doc=user_id:u in=crm name='Ann'
        record doc=user_id:v email:a@x in=crm name='Bob'
        ",
        "
        user_id:u {name: 'Ann'}
        user_id:v email:a@x {name: 'Bob'}
        ",
    );
}

#[test]
fn an_event_takes_the_place_of_the_one_of_its_id() {
    check(
        "
        record doc=user_id:u call id=e1 in=shop
        record doc=user_id:u call id=e2 in=shop
        record doc=user_id:v call id=e1 in=shop
        forget-event e2 shop
        forget-event e2 shop
        ",
        "
        1: event, 0 before
        2: event, 0 before
        3: event, 1 before
        4: 1 events forgotten
        5: 0 events forgotten
        user_id:v events=1
        ",
    );
}

/// Draws numbers that are the same in every run.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Whatever was said before, all is as if each dataset had said its last word alone.
#[test]
fn any_history_of_records_comes_to_the_last_of_each() {
    let (mut draws, mut compared) = (Draws(7), 0);
    for _ in 0..1_500 {
        let mut world = World::new(config(|_| ()), Fetch::Rounds);
        let mut last: BTreeMap<(String, &str), Option<String>> = BTreeMap::new();
        for step in 1..=2 + draws.below(9) {
            let owner = format!("user_id:u{}", draws.below(3));
            let dataset = ["crm", "shop"][draws.below(2) as usize];
            let known = last.get(&(owner.clone(), dataset)).is_some_and(Option::is_some);
            let line = if known && draws.below(3) == 0 {
                last.insert((owner.clone(), dataset), None);
                format!("forget {owner} {dataset}")
            } else {
                // No two owners share an address in the end: who wins one is another law's.
                let mut line = format!("record doc={owner} in={dataset} t=1");
                let address = |draws: &mut Draws| format!(" email:{}{}@x", owner.replace(':', ""), draws.below(3));
                (0..draws.below(3)).for_each(|_| line += &address(&mut draws));
                if draws.below(2) == 0 {
                    line += &format!(" {dataset}={}", draws.below(3));
                }
                last.insert((owner.clone(), dataset), Some(line.clone()));
                line
            };
            let at = usize::try_from(step).expect("few steps");
            run(&mut world, at, &line);
            world.commit();
            world.check();
        }
        let mut other = World::new(config(|_| ()), Fetch::Rounds);
        for line in last.values().flatten() {
            run(&mut other, 1, line);
            other.commit();
        }
        assert_eq!(profiles(&world), profiles(&other), "{last:?}");
        compared += profiles(&world).len();
    }
    assert!(compared > 500, "only {compared} profiles were compared");
}
