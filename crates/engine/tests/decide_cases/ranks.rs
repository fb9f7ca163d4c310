//! Whose word counts for more: what private keys say stands above what public keys say.

use std::collections::BTreeMap;
use std::sync::Arc;

use tessera_engine::view;

use crate::world::{Fetch, World};
use crate::{check, config, identity_of, run};

#[test]
fn no_claim_of_a_public_key_takes_an_email_from_a_customer() {
    // An external id is a claim, and so is a trait.
    check(
        "
        user_id:u1 email:e@x@stated t=5
        user_id:u2@observed email:e@x@claimed t=1
        email:e@x@observed user_id:u3@observed t=2
        ",
        "
        2: held(exclusive) user_id:u2 - email:e@x, won by user_id:u1 - email:e@x
        3: held(exclusive) user_id:u3 - email:e@x, won by user_id:u1 - email:e@x
        user_id:u1 email:e@x
        user_id:u2
        user_id:u3
        ",
    );
    // A server that comes later takes it back.
    check(
        "
        user_id:u2@observed email:e@x@observed t=1
        user_id:u1 email:e@x@stated t=5
        ",
        "
        user_id:u1 email:e@x
        user_id:u2
        ",
    );
}

#[test]
fn among_public_keys_the_first_received_wins_whatever_time_is_claimed() {
    check(
        "
        user_id:u1@observed device_id:d@observed t=5
        user_id:u2@observed device_id:d@observed t=1
        ",
        "
        2: held(exclusive) user_id:u2 - device_id:d, won by user_id:u1 - device_id:d
        user_id:u1 device_id:d
        user_id:u2
        ",
    );
    // Nor does a date that a public key claims move a link of a server among those of servers.
    check(
        "
        user_id:u1 device_id:d t=5
        user_id:u2 device_id:d t=6
        user_id:u2@observed device_id:d@observed t=1
        ",
        "
        2: held(exclusive) user_id:u2 - device_id:d, won by user_id:u1 - device_id:d
        3: held(exclusive) user_id:u2 - device_id:d, won by user_id:u1 - device_id:d
        user_id:u1 device_id:d
        user_id:u2
        ",
    );
}

#[test]
fn sixty_public_identifies_take_no_email_from_the_customer_that_a_server_named() {
    let invented = (1..=60).map(|at| format!("user_id:x{at:02}@observed email:e@x@claimed\n")).collect::<String>();
    let held = |at: usize| {
        format!("{}: held(exclusive) user_id:x{at:02} - email:e@x, won by user_id:u1 - email:e@x\n", at + 1)
    };
    let hub = |at: usize| format!("{}: held(hub) user_id:x{at:02} - email:e@x\n", at + 1);
    let alone = (1..=60).map(|at| format!("user_id:x{at:02}\n")).collect::<String>();
    let notes = (1..=25).map(held).chain((26..=60).map(hub)).collect::<String>();
    let expected = format!("{notes} user_id:u1 email:e@x\n {alone}");
    check(&format!("user_id:u1 email:e@x@stated\n{invented}"), &expected);
    // Nor can they keep it from one whom a server names later.
    let held =
        |at: usize| format!("{at}: held(exclusive) user_id:x{at:02} - email:e@x, won by user_id:x01 - email:e@x\n");
    let hub = |at: usize| format!("{at}: held(hub) user_id:x{at:02} - email:e@x\n");
    let notes = (2..=25).map(held).chain((26..=60).map(hub)).collect::<String>();
    let expected = format!("{notes} user_id:u1 email:e@x\n {alone}");
    check(&format!("{invented}user_id:u1 email:e@x@stated"), &expected);
}

#[test]
fn a_hub_of_servers_is_one_for_all() {
    let users = (1..=26).map(|user| format!("user_id:u{user:02} device_id:till\n")).collect::<String>();
    let held = |at: usize| {
        format!("{at}: held(exclusive) user_id:u{at:02} - device_id:till, won by user_id:u01 - device_id:till\n")
    };
    let notes = (2..=25).map(held).collect::<String>();
    let alone = (1..=26).map(|user| format!("user_id:u{user:02}\n")).collect::<String>();
    let input = format!("{users} user_id:p@observed device_id:till@observed");
    let hub = "26: held(hub) user_id:u26 - device_id:till\n 27: held(hub) user_id:p - device_id:till\n";
    check(&input, &format!("{notes} {hub} device_id:till\n user_id:p\n {alone}"));
}

/// Whoever reads a page may add an address to a customer, and the read shows the one that a server said.
#[test]
fn a_read_shows_what_a_server_said_before_what_a_page_says() {
    let shown = |input: &str| {
        let mut world = World::new(config(|_| {}), Fetch::Rounds);
        for (at, line) in input.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
            run(&mut world, at + 1, line);
            world.commit();
        }
        let row = world.tables.identities[&identity_of(&world, "user_id:u1")];
        let view = view::fold(&world.tables.clusters[&row.cluster], row.node, &world.lens()).expect("a view");
        let name = |id| world.config.find(id).expect("a namespace").name.to_string();
        let shown: BTreeMap<String, Arc<str>> =
            view.identifiers.into_iter().map(|(id, value)| (name(id), value)).collect();
        shown["email"].to_string()
    };
    let check = |input: &str, expected: &str| assert_eq!(shown(input), expected, "{input}");
    check("user_id:u1 email:old@x@stated t=1\n user_id:u1@observed email:new@x@claimed t=9", "old@x");
    check("user_id:u1 email:old@x@stated t=1\n user_id:u1 email:new@x@stated t=2", "new@x");
    // Nor does it choose among those that servers said.
    check(
        "user_id:u1 email:old@x@stated t=1\n user_id:u1 email:new@x@stated t=2\n user_id:u1@observed email:old@x@claimed t=9",
        "new@x",
    );
    // Among pages alone the latest is shown.
    check("user_id:u1@observed email:old@x@claimed t=1\n user_id:u1@observed email:new@x@claimed t=9", "new@x");
}
