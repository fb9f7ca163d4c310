//! Who is who.

use tessera_engine::config::NamespaceName;

use crate::{check, check_under, config};

#[test]
fn what_is_seen_together_is_one_profile() {
    check(
        "
        anonymous_id:a call
        user_id:u1 anonymous_id:a call
        user_id:u1 email:Ann@Shop.example
        ",
        "
        user_id:u1 email:ann@shop.example anonymous_id:a events=2
        ",
    );
}

#[test]
fn a_shared_tablet_stays_with_the_first_of_its_users() {
    check(
        "
        user_id:u1 device_id:tablet t=1
        user_id:u2 device_id:tablet t=2
        ",
        "
        2: held(exclusive) user_id:u2 - device_id:tablet, won by user_id:u1 - device_id:tablet
        user_id:u1 device_id:tablet
        user_id:u2
        ",
    );
}

#[test]
fn a_late_link_that_was_seen_first_moves_the_device() {
    check(
        "
        user_id:u1 device_id:tablet t=5
        device_id:tablet anonymous_id:a t=6 call
        user_id:u2 device_id:tablet t=4
        ",
        "
        user_id:u1
        user_id:u2 anonymous_id:a device_id:tablet events=1
        ",
    );
}

#[test]
fn a_late_stronger_link_moves_the_device() {
    check(
        "
        user_id:u1 device_id:tablet@observed t=1
        user_id:u2 device_id:tablet@observed t=2
        user_id:u2 device_id:tablet t=3
        user_id:u1 device_id:tablet@observed t=0
        ",
        "
        2: held(exclusive) user_id:u2 - device_id:tablet, won by user_id:u1 - device_id:tablet
        4: held(exclusive) user_id:u1 - device_id:tablet, won by user_id:u2 - device_id:tablet
        user_id:u1
        user_id:u2 device_id:tablet
        ",
    );
}

#[test]
fn of_a_longer_way_the_latest_link_gives_way() {
    check(
        "
        user_id:u1 email:e@x t=1
        email:e@x device_id:d t=3
        user_id:u2 device_id:d t=2
        ",
        "
        user_id:u1 email:e@x
        user_id:u2 device_id:d
        ",
    );
    check(
        "
        user_id:u1 email:e@x t=1
        email:e@x device_id:d t=2
        user_id:u2 device_id:d t=3
        ",
        "
        3: held(exclusive) user_id:u2 - device_id:d, won by email:e@x - device_id:d
        user_id:u1 email:e@x device_id:d
        user_id:u2
        ",
    );
}

#[test]
fn the_26th_user_makes_a_till_a_hub() {
    let users =
        |count: usize| (1..=count).map(|user| format!("user_id:u{user:02} device_id:till\n")).collect::<String>();
    let held = |at: usize| {
        format!("{at}: held(exclusive) user_id:u{at:02} - device_id:till, won by user_id:u01 - device_id:till\n")
    };
    let alone = |from: usize, to: usize| (from..=to).map(|user| format!("user_id:u{user:02}\n")).collect::<String>();
    let notes = (2..=25).map(held).collect::<String>();
    check(&users(25), &format!("{notes} user_id:u01 device_id:till\n {}", alone(2, 25)));
    let hub = "26: held(hub) user_id:u26 - device_id:till\n device_id:till\n";
    check(&users(26), &format!("{notes} {hub} {}", alone(1, 26)));
    let erased = format!("{} erase user_id:u13", users(26));
    let hub = "26: held(hub) user_id:u26 - device_id:till\n 27: erased 1 nodes, 0 cells, 0 events\n";
    check(&erased, &format!("{notes} {hub} user_id:u01 device_id:till\n {} {}", alone(2, 12), alone(14, 26)));
}

#[test]
fn many_anonymous_ids_make_no_user_a_hub() {
    let lines = (0..40).map(|at| format!("user_id:u1 anonymous_id:a{at:02}\n")).collect::<String>();
    let ids = (0..40).map(|at| format!(" anonymous_id:a{at:02}")).collect::<String>();
    check(&lines, &format!("user_id:u1{ids}"));
}

#[test]
fn an_alias_by_a_server_key_joins_two_users() {
    check(
        "
        user_id:u1 email:e1@x
        user_id:u2 email:e2@x
        user_id:u2@joined user_id:u1@joined
        ",
        "
        user_id:u1 user_id:u2 email:e1@x email:e2@x
        ",
    );
}

#[test]
fn an_alias_by_a_public_key_does_not() {
    check(
        "
        user_id:u2@observed user_id:u1@observed
        ",
        "
        1: held(exclusive) user_id:u1 - user_id:u2
        user_id:u1
        user_id:u2
        ",
    );
}

#[test]
fn the_sixth_email_of_a_profile_is_held() {
    check(
        "
        user_id:u1 email:e1@x
        user_id:u1 email:e2@x
        user_id:u1 email:e3@x
        user_id:u1 email:e4@x
        user_id:u1 email:e5@x
        user_id:u1 email:e6@x call
        ",
        "
        6: held(limit) user_id:u1 - email:e6@x, won by user_id:u1 - email:e5@x
        email:e6@x
        user_id:u1 email:e1@x email:e2@x email:e3@x email:e4@x email:e5@x events=1
        ",
    );
}

#[test]
fn of_emails_beyond_the_limit_the_first_seen_stay() {
    let one_email = config(|namespace| {
        if namespace.name.as_str() == "email" {
            namespace.limit = Some(1);
        }
    });
    check_under(
        one_email.clone(),
        "
        user_id:u1 email:e1@x t=2
        user_id:u1 email:e2@x t=1
        ",
        "
        email:e1@x
        user_id:u1 email:e2@x
        ",
    );
    // Joined ones count as one.
    check_under(
        one_email,
        "
        user_id:u1 email:e1@x
        email:e1@x@joined email:e2@x@joined
        user_id:u1 email:e3@x
        ",
        "
        3: held(limit) user_id:u1 - email:e3@x, won by user_id:u1 - email:e1@x
        email:e3@x
        user_id:u1 email:e1@x email:e2@x
        ",
    );
}

#[test]
fn a_release_keeps_the_document_and_gives_the_rest_its_own() {
    check(
        "
        doc=profile:p email:old@x name='Ann'
        email:old@x anonymous_id:a call
        release profile:p email:old@x
        doc=profile:p email:new@x
        email:old@x plan='free'
        ",
        "
        3: severed 2
        email:old@x {plan: 'free'} events=1
        profile:p email:new@x anonymous_id:a {name: 'Ann'}
        ",
    );
}

#[test]
fn a_released_identity_does_not_come_back_by_an_event_but_by_the_document() {
    check(
        "
        doc=profile:p email:e@x
        release profile:p email:e@x
        profile:p email:e@x call
        ",
        "
        2: severed 1
        email:e@x
        profile:p events=1
        ",
    );
    check(
        "
        doc=profile:p email:e@x
        release profile:p email:e@x
        doc=profile:p email:e@x call
        ",
        "
        2: severed 1
        profile:p email:e@x events=1
        ",
    );
}

#[test]
fn a_release_of_what_is_not_there_changes_nothing() {
    check(
        "
        doc=profile:p email:e@x
        user_id:u1
        release profile:p email:nobody@x
        release profile:p user_id:u1
        release profile:p profile:p
        ",
        "
        3: not found
        4: severed 0
        5: severed 0
        profile:p email:e@x
        user_id:u1
        ",
    );
}

#[test]
fn erasing_takes_what_was_owned_and_what_was_only_mentioned() {
    check(
        "
        user_id:u1 device_id:shared name='Ann' call
        user_id:u2 device_id:shared
        user_id:u2 device_id:own
        user_id:u1 email:e@x
        erase email:e@x
        ",
        "
        2: held(exclusive) user_id:u2 - device_id:shared, won by user_id:u1 - device_id:shared
        5: erased 3 nodes, 1 cells, 1 events
        user_id:u2 device_id:own
        ",
    );
}

#[test]
fn an_orphan_goes_with_the_last_fact_that_mentions_it() {
    let one_email = config(|namespace| {
        if namespace.name.as_str() == "email" {
            namespace.limit = Some(1);
        }
    });
    check_under(
        one_email,
        "
        user_id:u1 email:e1@x
        user_id:u1 email:e2@x
        erase user_id:u1
        user_id:u1 email:e2@x id=f2
        ",
        "
        2: held(limit) user_id:u1 - email:e2@x, won by user_id:u1 - email:e1@x
        3: erased 2 nodes, 0 cells, 0 events
        user_id:u1 email:e2@x
        ",
    );
}

#[test]
fn the_same_fact_counts_once() {
    check(
        "
        user_id:u1 call id=one
        user_id:u1 call id=one
        user_id:u1 call id=two
        ",
        "
        2: duplicate
        user_id:u1 events=2
        ",
    );
}

#[test]
fn a_person_belongs_to_an_account_and_is_not_linked_to_it() {
    check(
        "
        user_id:u1 on=group_id:acme on.plan='pro' name='Ann'
        user_id:u2 on=group_id:acme
        group_id:acme seats=5
        ",
        "
        group_id:acme {plan: 'pro', seats: 5}
        user_id:u1 {name: 'Ann'} on group_id:acme
        user_id:u2 on group_id:acme
        ",
    );
    check(
        "
        user_id:u1 on=group_id:acme on.plan='pro'
        erase group_id:acme
        group_id:acme seats=5
        ",
        "
        2: erased 1 nodes, 1 cells, 0 events
        group_id:acme {seats: 5}
        user_id:u1 was on group_id:acme
        ",
    );
}

#[test]
fn kinds_do_not_mix() {
    check(
        "
        user_id:u1 group_id:acme
        doc=group_id:acme email:e@x
        ",
        "
        1: kind_mismatch of group_id
        2: kind_mismatch of email
        group_id:acme
        user_id:u1
        ",
    );
}

#[test]
fn what_identifies_nobody_is_left_out() {
    check(
        "
        user_id:u1 email:nonsense anonymous_id:undefined device_id:0000-0000
        anonymous_id:null
        crm_number:7
        user_id:u1 loyalty:7
        ",
        "
        1: identity_invalid of email
        1: identity_blocked of anonymous_id
        1: identity_blocked of device_id
        2: rejected identity_unusable
        3: rejected identity_unusable
        4: namespace_unknown of loyalty
        user_id:u1
        ",
    );
}

#[test]
fn of_equal_priority_the_smallest_bytes_own() {
    let equal = config(|namespace| {
        if namespace.name == NamespaceName::parse("phone").expect("a name") {
            namespace.priority = 800;
        }
    });
    check_under(
        equal,
        "
        phone:+33612345678 email:e@x call
        erase phone:+33612345678
        email:e@x call
        ",
        "
        2: erased 2 nodes, 0 cells, 1 events
        email:e@x events=1
        ",
    );
    // The e-mail owns it: with the e-mail alone erased, nothing of the phone is left.
    check(
        "
        email:b@x email:a@x call
        ",
        "
        email:a@x email:b@x events=1
        ",
    );
}
