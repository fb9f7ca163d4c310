//! What the laws found, each once, small enough to be read. The names say what must hold.

use crate::{check, check_under, config};

/// One rule for all: no limits, and these priorities.
fn priorities(of: &'static [(&'static str, u16)]) -> std::sync::Arc<tessera_engine::config::Config> {
    config(move |namespace| {
        if let Some((_, priority)) = of.iter().find(|(name, _)| *name == namespace.name.as_str()) {
            namespace.priority = *priority;
        }
    })
}

#[test]
fn a_verdict_speaks_of_the_whole_fact() {
    // The link to u1 is still held when it is read; the alias in the same fact then makes the two one.
    check(
        "
        user_id:u2 device_id:d
        user_id:u1
        user_id:u1@joined user_id:u2@joined device_id:d@joined
        ",
        "
        user_id:u1 user_id:u2 device_id:d
        ",
    );
}

#[test]
fn an_empty_object_stays_where_what_lay_deeper_is_removed() {
    check("user_id:u a.b.c='x' t=1\n user_id:u a.b=null t=3\n user_id:u a={} t=2", "user_id:u {a: {}}");
}

#[test]
fn a_release_without_a_direct_link_is_lifted_as_well() {
    check(
        "
        doc=profile:p email:e@x
        email:e@x anonymous_id:a
        release profile:p anonymous_id:a
        doc=profile:p email:e@x id=again
        ",
        "
        3: severed 1
        anonymous_id:a
        profile:p email:e@x
        ",
    );
    check(
        "
        doc=profile:p email:e@x
        email:e@x anonymous_id:a
        release profile:p anonymous_id:a
        doc=profile:p anonymous_id:a
        ",
        "
        3: severed 1
        profile:p email:e@x anonymous_id:a
        ",
    );
}

#[test]
fn a_part_takes_every_held_link_that_comes_before_its_own() {
    // Without u1, x and y hang together by their latest link alone, and each has an earlier one elsewhere.
    let limits = config(|namespace| {
        if namespace.name.as_str() == "email" {
            namespace.limit = Some(1);
        }
    });
    check_under(
        limits,
        "
        user_id:u1 email:e@x t=1
        user_id:u1 email:x@x t=2
        user_id:u1 device_id:y t=3
        email:x@x device_id:y t=9
        user_id:u3 email:x@x t=4
        user_id:u2 device_id:y t=5
        erase user_id:u1
        ",
        "
        2: held(limit) user_id:u1 - email:x@x, won by user_id:u1 - email:e@x
        4: held(limit) email:x@x - device_id:y, won by user_id:u1 - device_id:y
        5: held(exclusive) user_id:u3 - email:x@x, won by user_id:u1 - email:x@x
        6: held(exclusive) user_id:u2 - device_id:y, won by user_id:u1 - device_id:y
        7: erased 3 nodes, 0 cells, 0 events
        user_id:u2
        user_id:u3 email:x@x
        ",
    );
}

#[test]
fn a_held_link_goes_before_a_later_one_of_the_record() {
    // The phone becomes a hub of devices and loses the way by which it came to u0. Its held link to u1 is older than the one
    // that the record has in store.
    let config = {
        let of: &[(&str, u16)] = &[("device_id", 950), ("profile", 100), ("phone", 100), ("user_id", 100)];
        priorities(of)
    };
    let devices =
        (0..25).map(|at| format!("phone:+33612345678 device_id:o{at:02} t={}\n", 100 + at)).collect::<String>();
    let alone = (0..25).map(|at| format!("device_id:o{at:02}\n")).collect::<String>();
    check_under(
        config,
        &format!(
            "
            user_id:u0 device_id:d t=1
            phone:+33612345678 device_id:d t=2
            user_id:u1 phone:+33612345678 t=3
            doc=profile:p user_id:u0 t=7
            doc=profile:p phone:+33612345678 t=8
            {devices}
            "
        ),
        &format!(
            "
            3: held(exclusive) user_id:u1 - phone:+33612345678, won by phone:+33612345678 - device_id:d
            30: held(hub) phone:+33612345678 - device_id:o24
            {alone}
            profile:p user_id:u0 device_id:d
            user_id:u1 phone:+33612345678
            "
        ),
    );
}
