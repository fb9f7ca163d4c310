//! What becomes of states that hold too much, and of those whose deciding event goes; and windows at their edges.

use tessera_engine::aggregate::{Bounds, Moment};
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Decimal, Value};
use tessera_expr::facts::Kept;
use tessera_expr::limits::SCAN_EVENTS_MAX;
use tessera_expr::rule::Purpose;

use crate::people::{Event, People, Told, event_id};
use crate::steps::{DAY, HOUR, NOW, instant};

/// Three nodes of one profile.
fn people(text: &str, bounds: Bounds) -> People {
    People::new(text, Purpose::Value, bounds, instant(NOW), vec![0; 3])
}

fn sold(number: u32, node: usize, at: Timestamp, total: Value) -> Event {
    let properties = Value::object(vec![("total".into(), total)]);
    let body = Value::object(vec![("properties".into(), properties)]);
    Event { moment: Moment { time: at, id: event_id(number) }, node, name: "Order", body }
}

fn number(number: i64) -> Value {
    Value::Number(Decimal::from_i64(number))
}

fn ago(micros: i64) -> Timestamp {
    instant(NOW - micros)
}

fn holds(value: Value) -> Told {
    Told::Kept(Kept { value, changes_at: None })
}

#[test]
fn beyond_its_values_a_state_overflows_until_less_is_left() {
    for (text, two) in [
        ("xEvent.map(properties.total).distinct().count()", number(2)),
        ("xEvent.mostFrequent(properties.total)", number(0)),
        ("xEvent.topN(properties.total, 3).map(properties.total)", Value::List([number(1), number(0)].into())),
        (
            "xEvent.groupBy(properties.total).map((K, G) => mapEntry(K, G.count()))",
            Value::object(vec![("0".into(), number(1)), ("1".into(), number(1))]),
        ),
    ] {
        let mut people = people(text, Bounds { values_max: 2, ..Bounds::default() });
        for at in 0..3 {
            people.add(sold(at, 0, ago(HOUR * i64::from(at)), number(at.into())));
        }
        assert_eq!(people.told(0), Told::Overflowed, "{text}");
        people.add(sold(9, 1, ago(0), number(0)));
        assert_eq!(people.told(0), Told::Overflowed, "{text}: another node changes nothing");
        people.remove(3);
        people.remove(2);
        assert_eq!((people.told(0), people.rebuilt), (holds(two), 1), "{text}");
    }
}

#[test]
fn beyond_its_bytes_a_state_overflows() {
    let mut people = people("xEvent.map(properties.total).distinct().count()", Bounds::default());
    people.add(sold(0, 0, ago(0), Value::text(&"x".repeat(40_000))));
    assert_eq!(people.told(0), holds(number(1)));
    people.add(sold(1, 0, ago(0), Value::text(&"y".repeat(40_000))));
    assert_eq!(people.told(0), Told::Overflowed);
}

#[test]
fn a_thousand_values_are_not_too_many() {
    let mut people = people("xEvent.map(properties.total).distinct().count()", Bounds::default());
    (0..1_000).for_each(|at| people.add(sold(at, 0, ago(0), number(at.into()))));
    assert_eq!(people.told(0), holds(number(1_000)));
    people.add(sold(1_000, 0, ago(0), number(1_000)));
    assert_eq!(people.told(0), Told::Overflowed);
}

#[test]
fn sums_beyond_a_decimal_are_left_to_the_evaluator() {
    for text in ["xEvent.sum(properties.total)", "xEvent.average(properties.total)"] {
        let most = Value::Number(Decimal::from_units(i128::MAX));
        let mut people = people(text, Bounds::default());
        people.add(sold(0, 0, ago(2), most.clone()));
        assert_eq!(people.told(0), holds(most.clone()));
        people.add(sold(1, 1, ago(1), number(1)));
        assert_eq!(people.told(0), Told::Scan, "two nodes together");
        people.add(sold(2, 0, ago(0), number(1)));
        people.remove(1);
        assert_eq!(people.told(0), Told::Scan, "one alone");
        people.remove(1);
        assert_eq!((people.told(0), people.rebuilt), (holds(most), 1));
    }
}

/// Several stand by, so the timeline is read only when those are gone too.
#[test]
fn what_decides_is_read_again_when_it_goes() {
    for text in ["xEvent.min(properties.total)", "xEvent.bottomN(timestamp, 1).map(properties.total).head()"] {
        let mut people = people(text, Bounds::default());
        (0..6).for_each(|at| people.add(sold(at, 0, ago(HOUR - i64::from(at)), number(at.into()))));
        for (gone, rebuilt) in [(1, 0), (2, 0), (3, 0), (4, 1)] {
            people.remove(0);
            assert_eq!((people.told(0), people.rebuilt), (holds(number(gone)), rebuilt), "{text}");
        }
        people.remove(0);
        people.remove(0);
        assert_eq!((people.told(0), people.rebuilt), (holds(Value::Null), 1), "{text}: nothing is left to read");
    }
}

/// However many there are in a window, it holds what they come to and no more.
#[test]
fn a_window_costs_the_same_whatever_is_in_it() {
    for (text, all) in [
        ("xEvent[timestamp occurs <= 1 day before now].count()", number(5_000)),
        ("xEvent[timestamp occurs <= 1 day before now].sum(properties.total)", number(2 * 5_000)),
        ("xEvent[timestamp occurs <= 1 day before now].max(properties.total)", number(2)),
        ("xEvent[timestamp occurs <= 1 day before now].map(properties.total).distinct().count()", number(1)),
    ] {
        let mut people = people(text, Bounds::default());
        let (mut size, few) = (0, 20);
        for at in 0..5_000 {
            people.add(sold(at, 0, ago(10_000 - i64::from(at)), number(2)));
            if at == few {
                size = people.size_bytes(0);
            }
        }
        assert_eq!((people.size_bytes(0), people.rebuilt), (size, 0), "{text}");
        let leaves = |micros| Some(instant(NOW - micros + DAY + 1));
        let Told::Kept(Kept { value, changes_at }) = people.told(0) else { panic!("{text} is kept") };
        assert_eq!(value, all, "{text}");
        assert!(changes_at == leaves(10_000) || changes_at == leaves(5_001), "{text}: {changes_at:?}");
    }
}

/// What holds too much is looked at again after an hour.
#[test]
fn a_window_of_too_many_values_answers_again_when_they_have_left() {
    let bounds = Bounds { values_max: 2, ..Bounds::default() };
    let mut people =
        people("xEvent[timestamp occurs <= 1 day before now].map(properties.total).distinct().count()", bounds);
    for at in 0..3 {
        people.add(sold(at, 0, ago(i64::from(at) * HOUR), number(at.into())));
    }
    assert_eq!(people.told(0), Told::Overflowed);
    people.now = instant(NOW + DAY - 2 * HOUR + 1);
    let left = instant(NOW + DAY - HOUR + 1);
    assert_eq!(people.told(0), Told::Kept(Kept { value: number(2), changes_at: Some(left) }));
    assert_eq!(people.rebuilt, 1);
}

/// However often it is brought on meanwhile: the hour is counted from when it was read.
#[test]
fn what_holds_too_much_is_looked_at_again_though_it_is_busy() {
    let bounds = Bounds { values_max: 2, ..Bounds::default() };
    let mut people =
        people("xEvent[timestamp occurs <= 3 hours before now].map(properties.total).distinct().count()", bounds);
    for at in 0..3 {
        people.add(sold(at, 0, ago(i64::from(at) * HOUR), number(at.into())));
    }
    for at in 3..40 {
        people.now = people.now.plus_micros(HOUR / 6);
        people.advance();
        people.add(sold(at, 0, people.now, number(0)));
    }
    assert!(matches!(people.told(0), Told::Kept(Kept { value, .. }) if value == number(1)));
    assert_eq!(people.rebuilt, 1, "it said itself that it is to be read again");
}

/// The newest of one node is newer than all of another, and tells when it is no more.
#[test]
fn the_last_event_is_that_of_whichever_node_has_it() {
    let text = "xEvent[timestamp occurs <= 1 day before now].topN(timestamp, 1).map(properties.total).head()";
    let mut people = people(text, Bounds::default());
    people.add(sold(0, 1, ago(3), number(3)));
    people.add(sold(1, 0, ago(2), number(2)));
    people.add(sold(2, 0, ago(1), number(1)));
    let leaves = |micros| Some(instant(NOW - micros + DAY + 1));
    assert_eq!(people.told(0), Told::Kept(Kept { value: number(1), changes_at: leaves(1) }));
    people.remove(2);
    assert_eq!(people.told(0), Told::Kept(Kept { value: number(2), changes_at: leaves(2) }));
    assert_eq!(people.rebuilt, 0);
}

/// That there is one is known as long as there is, however many were let go of.
#[test]
fn that_something_happened_takes_few_entries() {
    let mut people = people("xEvent.exists(timestamp occurs <= 1 day before now)", Bounds::default());
    for at in 0..5_000 {
        people.add(sold(at, 0, ago(10_000 - i64::from(at)), number(1)));
    }
    let leaves = instant(NOW - 5_001 + DAY + 1);
    assert_eq!(people.told(0), Told::Kept(Kept { value: Value::Bool(true), changes_at: Some(leaves) }));
    assert!(people.size_bytes(0) < 500, "{}", people.size_bytes(0));
}

#[test]
fn events_leave_a_window_at_the_instant_that_the_rule_says() {
    let march = |day: i64, micros: i64| instant(1_772_323_200_000_000 + (day - 1) * DAY + micros);
    for (text, at, leaves) in [
        ("xEvent[timestamp occurs <= 1 hour before now].count()", march(1, 0), march(1, HOUR + 1)),
        ("xEvent[timestamp occurs < 1 hour before now].count()", march(1, 0), march(1, HOUR)),
        ("xEvent[timestamp occurs today].count()", march(1, 0), march(2, 0)),
        ("xEvent[timestamp occurs today].count()", march(2, -1), march(2, 0)),
        ("xEvent[timestamp occurs this month].count()", march(5, 0), march(32, 0)),
        // The 31st of January, whose place in February is the 28th, and in March the 31st again.
        ("xEvent[timestamp occurs <= 1 month before now].count()", march(-28, 0), march(1, 0)),
        ("xEvent[timestamp occurs <= 2 months before now].count()", march(-28, 0), march(31, 1)),
    ] {
        let mut people = people(text, Bounds::default());
        people.now = at;
        people.add(sold(0, 0, at, number(1)));
        // Of months the instant may be said too early from afar; right before it, it is exact.
        let Told::Kept(first) = people.told(0) else { panic!("{text} is kept") };
        assert!(
            first.value == number(1) && first.changes_at.is_some_and(|turns| turns > at && turns <= leaves),
            "{text}"
        );
        people.now = leaves.plus_micros(-1);
        assert_eq!(people.asked(0, people.now).value, number(1), "{text}");
        assert_eq!(people.told(0), Told::Kept(Kept { value: number(1), changes_at: Some(leaves) }), "{text}");
        people.now = leaves;
        assert_eq!(people.asked(0, leaves).value, number(0), "{text}");
        assert_eq!(people.told(0), holds(number(0)), "{text}");
    }
}

/// The evaluator sees the newest; what is kept counts all.
#[test]
fn what_is_kept_counts_more_than_the_evaluator_sees() {
    let mut people = people("xEvent.count()", Bounds::default());
    let all = u32::try_from(SCAN_EVENTS_MAX).expect("fits") + 5;
    (0..all).for_each(|at| people.add(sold(at, 0, ago(i64::from(at)), number(1))));
    assert_eq!(people.told(0), holds(number(all.into())));
    assert_eq!(people.asked(0, people.now).value, number(i64::from(all) - 5));
}
