//! What is kept folds to what the evaluator says of all events.

use std::cell::Cell;

use proptest::prelude::*;
use tessera_engine::aggregate::Bounds;
use tessera_engine::time::Timestamp;
use tessera_expr::facts::Kept;

use crate::people::{People, Told};
use crate::rules::{Written, written};
use crate::steps::{DAY, NODES, PROFILES, Step, bounds, instant, law, steps};

/// How often which answer was seen. A law that compared nothing proves nothing.
#[derive(Default)]
struct Seen {
    compared: Cell<usize>,
    turned: Cell<usize>,
    overflowed: Cell<usize>,
    scanned: Cell<usize>,
    rebuilt: Cell<usize>,
    advanced: Cell<usize>,
    went_back: Cell<usize>,
}

fn count(cell: &Cell<usize>, more: usize) {
    cell.set(cell.get() + more);
}

fn people(written: &Written, bounds: Bounds) -> People {
    let (text, purpose) = written;
    People::new(text, *purpose, bounds, instant(crate::steps::NOW), (0..NODES).map(|node| node % PROFILES).collect())
}

/// Takes the steps, and holds the two ways to a value of each profile side by side after each.
fn run(written: &Written, bounds: Bounds, steps: &[Step], seen: &Seen) {
    let mut people = people(written, bounds);
    for (number, step) in (0..).zip(steps) {
        people.step(number, step);
        for profile in 0..PROFILES {
            compare(&mut people, profile, seen);
        }
    }
    count(&seen.rebuilt, people.rebuilt);
    count(&seen.advanced, people.advanced);
}

fn compare(people: &mut People, profile: usize, seen: &Seen) {
    let asked = people.asked(profile, people.now);
    match people.told(profile) {
        Told::Kept(kept) => {
            assert!(kept.value == asked.value, "{:?} and not {:?}", show(&kept.value), show(&asked.value));
            assert!(kept.changes_at.is_none_or(|at| at > people.now), "it lies ahead");
            holds_until_it_says(people, profile, &kept, seen);
            went_back(people, profile, seen);
            count(&seen.compared, 1);
        }
        Told::Overflowed => {
            let wide = people.told_within(profile, &Bounds::default()).map(|kept| kept.value);
            assert!(wide.is_err() || wide == Ok(asked.value), "with room enough it is what the events say");
            count(&seen.overflowed, 1);
        }
        Told::Scan => {
            // Made anew it would say no more.
            assert!(people.told_within(profile, &people.bounds).is_err());
            count(&seen.scanned, 1);
        }
    }
}

/// A value of the tests, which is no person's.
fn show(value: &tessera_engine::value::Value) -> String {
    use tessera_engine::value::Value;
    match value {
        Value::Number(number) => number.to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::Bool(truth) => truth.to_string(),
        Value::Timestamp(at) => format!("@{}", at.micros()),
        Value::Null => "null".to_owned(),
        Value::List(items) | Value::Set(items) => {
            format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) => {
            let members: Vec<String> = members.iter().map(|(name, value)| format!("{name}: {}", show(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

/// The value from the events is the same at every instant before the one at which it may change.
fn holds_until_it_says(people: &People, profile: usize, kept: &Kept, seen: &Seen) {
    let until = kept.changes_at.unwrap_or(people.now.plus_micros(800 * DAY));
    let midnights = (1..4).map(|days| instant((people.now.micros().div_euclid(DAY) + days * days) * DAY));
    let own = people.events.iter().map(|event| event.moment.time);
    let near = [people.now.plus_micros(1), until.plus_micros(-1), between(people.now, until)];
    for at in near.into_iter().chain(midnights).chain(own) {
        if at > people.now && at < until {
            let asked = people.asked(profile, at).value;
            assert!(asked == kept.value, "{} is {} at {}", show(&kept.value), show(&asked), at.micros());
        }
    }
    if kept.changes_at.is_some_and(|at| people.asked(profile, at).value != kept.value) {
        count(&seen.turned, 1);
    }
}

/// The value of before is what the events said then, as far as the states go back.
fn went_back(people: &People, profile: usize, seen: &Seen) {
    let own = people.events.iter().map(|event| event.moment.time);
    let midnights = (0..3).map(|days| instant((people.now.micros().div_euclid(DAY) - days) * DAY - 1));
    for at in own.chain(midnights).chain([people.now.plus_micros(-1)]).filter(|at| *at < people.now) {
        if let Some(kept) = people.told_before(profile, at) {
            let asked = people.asked(profile, at);
            assert!(kept.value == asked.value, "{} and not {} before", show(&kept.value), show(&asked.value));
            assert!(kept.changes_at.is_none_or(|turns| turns > at), "it lies ahead of then");
            count(
                &seen.went_back,
                usize::from(
                    Some(&kept.value) != people.told_before(profile, people.now).map(|kept| kept.value).as_ref(),
                ),
            );
        }
    }
}

fn between(start: Timestamp, end: Timestamp) -> Timestamp {
    start.plus_micros((end.micros() - start.micros()) / 2)
}

#[test]
fn what_is_kept_folds_to_what_the_events_say() {
    let seen = Seen::default();
    law(&(written(), bounds(), steps(1..60)), |(written, bounds, steps)| run(&written, bounds, &steps, &seen));
    let Seen { compared, turned, overflowed, scanned, rebuilt, advanced, went_back } = &seen;
    for (what, count) in [
        ("compared", compared),
        ("turned", turned),
        ("overflowed", overflowed),
        ("scanned", scanned),
        ("rebuilt", rebuilt),
        ("advanced", advanced),
        ("went back", went_back),
    ] {
        println!("{what}: {}", count.get());
        assert!(count.get() > 0, "never {what}");
    }
}

/// Whatever the order in which events came and went, the states come to the same.
#[test]
fn order_does_not_matter() {
    law(&(written(), bounds(), steps(1..40), any::<u64>()), |(written, bounds, steps, seed)| {
        let mut people = people(&written, bounds);
        for (number, step) in (0..).zip(&steps) {
            people.step(number, step);
        }
        let mut other = self::people(&written, bounds);
        (other.now, other.profiles) = (people.now, people.profiles.clone());
        other.set_zone(people.zone.clone());
        let mut events = people.events.clone();
        events.sort_by_key(|event| {
            (u64::from(event.moment.id.as_bytes()[11]) ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        events.into_iter().for_each(|event| other.add(event));
        for profile in 0..PROFILES {
            // Until when it holds may be said too early, by the one that has lost sight of the event that stands by.
            // Of what holds too much in two ways either may be named.
            let value = |told| if let Told::Kept(kept) = told { Some(kept.value) } else { None };
            assert_eq!(value(people.told(profile)), value(other.told(profile)));
        }
    });
}
