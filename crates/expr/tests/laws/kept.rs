//! Kept aggregates: the answer is that of the events themselves.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tessera_expr::ast::{Unit, Which};
use tessera_expr::calendar::Zone;
use tessera_expr::eval::Frame;
use tessera_expr::facts::Kept;
use tessera_expr::limits::STEPS_MAX;
use tessera_expr::plan::{Aggregate, Attributes, Contribution, Measure, Window};
use tessera_expr::pql;
use tessera_expr::rule::{Purpose, Rule};
use tessera_expr::time::Timestamp;
use tessera_expr::value::{Decimal, Tree, Value};

use crate::support::maker::Maker;
use crate::support::{Known, iso};

/// The aggregate, folded out of what each event brings, by code that the evaluator does not share.
fn fold(known: &Known, aggregate: &Aggregate, now: Timestamp) -> Value {
    let frame = Frame { now, zone: &known.zone, steps_max: STEPS_MAX };
    let mut brought = Vec::new();
    for (event, facts) in known.events.iter().enumerate() {
        let contribution = aggregate.contribution(known, event, &frame).expect("within budget");
        if let Some(contribution) = contribution {
            assert!(aggregate.events.has(&facts.name), "{}: an event of another type counts", aggregate.key());
            if is_in(aggregate.window, facts.at, now, &known.zone) {
                brought.push(contribution);
            }
        }
    }
    measured(&aggregate.measure, &brought)
}

/// What is simple is counted by other code than the window's own, which the first of these laws compares with it.
fn is_in(window: Window, at: Timestamp, now: Timestamp, zone: &Zone) -> bool {
    let (counts, _) = window.counts(at, now, zone);
    let digits = |unit| match unit {
        Unit::Day => Some(10),
        Unit::Month => Some(7),
        Unit::Year => Some(4),
        _ => None,
    };
    let expected = match window {
        Window::Lifetime => true,
        Window::Sliding { amount, unit: Unit::Millisecond, is_inclusive } => {
            let age = now.micros() - at.micros();
            age >= 0 && (age < amount * 1_000 || is_inclusive && age == amount * 1_000)
        }
        Window::Calendar(Which::This, unit) if digits(unit).is_some() && *zone == Zone::utc() => {
            let digits = digits(unit).unwrap_or(0);
            iso(at)[..digits] == iso(now)[..digits]
        }
        Window::Sliding { .. } | Window::Calendar(..) => counts,
    };
    assert_eq!(counts, expected, "{window:?} {} {}", iso(at), iso(now));
    let (first, last) = window.reach(now, zone);
    assert_eq!(counts, first <= at && at <= last, "{window:?} {} {}", iso(at), iso(now));
    counts
}

/// When the aggregate may be another although nothing is said.
fn changes_at(known: &Known, aggregate: &Aggregate, now: Timestamp) -> Option<Timestamp> {
    known.events.iter().filter_map(|event| aggregate.window.counts(event.at, now, &known.zone).1).min()
}

fn measured(measure: &Measure, brought: &[Contribution]) -> Value {
    let values: Vec<&Value> = brought.iter().flat_map(|one| &one.values).collect();
    let count = |count: usize| Value::Number(Decimal::from_u64(count.try_into().expect("small")));
    let numbers: Vec<Decimal> = values
        .iter()
        .filter_map(|value| if let Value::Number(number) = value { Some(*number) } else { None })
        .collect();
    let ordered: BTreeSet<&Value> =
        values.iter().copied().filter(|value| matches!(value, Value::Number(_) | Value::Timestamp(_))).collect();
    let sum = numbers.iter().fold(Decimal::ZERO, |sum, number| sum.checked_add(*number).expect("small"));
    let distinct: BTreeSet<&Value> = values.iter().copied().collect();
    match measure {
        Measure::Exists => Value::Bool(!brought.is_empty()),
        Measure::Count => count(brought.len()),
        Measure::Sum(_) => Value::Number(sum),
        Measure::Average(_) if numbers.is_empty() => Value::Null,
        Measure::Average(_) => {
            let count = Decimal::from_u64(numbers.len().try_into().expect("small"));
            Value::Number(sum.checked_div(count).expect("no zero"))
        }
        Measure::Min(_) => ordered.first().map_or(Value::Null, |value| (*value).clone()),
        Measure::Max(_) => ordered.last().map_or(Value::Null, |value| (*value).clone()),
        Measure::First(_) => values.first().map_or(Value::Null, |value| (*value).clone()),
        Measure::Last(_) => values.last().map_or(Value::Null, |value| (*value).clone()),
        Measure::MostFrequent(_) => {
            let mut best: Option<(usize, &Value)> = None;
            for value in distinct.iter().copied().filter(|value| !matches!(value, Value::Null | Value::List(_))) {
                let times = values.iter().filter(|other| **other == value).count();
                if best.is_none_or(|(most, _)| times > most) {
                    best = Some((times, value));
                }
            }
            best.map_or(Value::Null, |(_, value)| value.clone())
        }
        Measure::DistinctCount(_) => count(distinct.len()),
        Measure::UniqueList(_) => Value::set(distinct.into_iter().cloned().collect()),
        Measure::Top { amount, is_highest, .. } => {
            let mut ranked: Vec<&Contribution> = brought.iter().filter(|one| one.rank != Value::Null).collect();
            ranked.sort_by_key(|one| one.rank.clone());
            if *is_highest {
                ranked.reverse();
            }
            Value::List(ranked.into_iter().take(*amount).map(|one| one.values[0].clone()).collect())
        }
        Measure::Grouped { measure, .. } => {
            let mut groups: BTreeMap<String, Vec<Contribution>> = BTreeMap::new();
            for one in brought {
                let name = match &one.group {
                    Value::Text(group) => group.to_string(),
                    Value::Number(group) => group.to_string(),
                    Value::Bool(group) => group.to_string(),
                    _ => continue,
                };
                groups.entry(name).or_default().push(one.clone());
            }
            Value::object(
                groups.iter().map(|(group, brought)| (group.as_str().into(), measured(measure, brought))).collect(),
            )
        }
    }
}

proptest! {
    #[test]
    fn kept_aggregates_give_the_answer_of_the_events(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        is_condition in any::<bool>(),
    ) {
        let mut maker = Maker::new(&bytes);
        let mut known = maker.facts();
        let now = maker.time();
        let (expr, purpose) =
            if is_condition { (maker.rule(), Purpose::Condition) } else { (maker.measure(), Purpose::Value) };
        let Ok(rule) = Rule::compile(expr, purpose) else { return Ok(()) };
        let from_events = known.ask(&rule, now).expect("within budget");
        let kept = |aggregate: &Aggregate| {
            (aggregate.key().to_owned(), Kept { value: fold(&known, aggregate, now), changes_at: changes_at(&known, aggregate, now) })
        };
        known.kept = rule.plan().aggregates.iter().map(kept).collect();
        if !rule.plan().scans_events {
            known.events.clear();
        }
        let from_kept = known.ask(&rule, now).expect("within budget");
        prop_assert_eq!(&from_kept.value, &from_events.value, "{}", pql::print(rule.source()));
        // What is kept never claims to hold longer than the events do.
        if rule.plan().aggregates.len() == 1 {
            let sooner = from_kept.changes_at.is_some_and(|at| from_events.changes_at.is_none_or(|events| at <= events));
            prop_assert!(sooner || from_events.changes_at.is_none(), "{}", pql::print(rule.source()));
        }
    }

    /// Events of other types than the plan names change nothing.
    #[test]
    fn other_events_change_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut maker = Maker::new(&bytes);
        let mut known = maker.facts();
        let now = maker.time();
        let Ok(rule) = Rule::compile(maker.rule(), Purpose::Condition) else { return Ok(()) };
        let whole = known.ask(&rule, now).expect("within budget");
        known.events.retain(|event| rule.plan().events.has(&event.name));
        prop_assert_eq!(known.ask(&rule, now).expect("within budget").value, whole.value, "{}", pql::print(rule.source()));
    }
}

proptest! {
    /// Attributes that the plan does not name change nothing.
    #[test]
    fn other_attributes_change_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut maker = Maker::new(&bytes);
        let mut known = maker.facts();
        let now = maker.time();
        let Ok(rule) = Rule::compile(maker.expr(4), Purpose::Value) else { return Ok(()) };
        let whole = known.ask(&rule, now).expect("within budget");
        if let (Attributes::At(paths), Tree::Node(attributes)) = (&rule.plan().attributes, &mut known.attributes) {
            attributes.retain(|name, _| paths.iter().any(|path| path[0] == *name));
        }
        prop_assert_eq!(known.ask(&rule, now).expect("within budget").value, whole.value, "{}", pql::print(rule.source()));
    }
}

#[test]
fn plans_say_what_a_rule_depends_on() {
    let plan = |text: &str| {
        let rule = crate::support::compile(text, Purpose::Condition).expect("a rule");
        let keys: Vec<_> = rule.plan().aggregates.iter().map(|aggregate| aggregate.key().to_owned()).collect();
        (keys.join(" | "), rule.plan().scans_events)
    };
    let check = |text: &str, keys: &str, scans: bool| assert_eq!(plan(text), (keys.to_owned(), scans), "{text}");
    check(
        r#"xEvent[eventType = "Order Completed"].sum(properties.total) > 100"#,
        r#"sum(properties.total) of eventType = "Order Completed""#,
        false,
    );
    let count = r#"count() of eventType = "x" and properties.total > 5 within <= 86400000 milliseconds"#;
    check(
        r#"xEvent[eventType = "x" and properties.total > 5 and timestamp occurs <= 1 day before now].count() >= 3"#,
        count,
        false,
    );
    check(
        r#"xEvent[timestamp occurs <= 24 hours before now][5 < properties.total and "x" = eventType].count() >= 3"#,
        count,
        false,
    );
    check(
        r#"xEvent[eventType.equals("x", true) and timestamp occurs <= 24 hours before now].filter(properties.total > 5 and eventType = "x").count() >= 3"#,
        count,
        false,
    );
    check(
        r#"xEvent[eventType = "x"] and not xEvent[eventType = "y"]"#,
        r#"exists() of eventType = "x" | exists() of eventType = "y""#,
        false,
    );
    check(r#"xEvent.count() > 1 and xEvent.count() < 9"#, "count()", false);
    check(r#"xEvent[timestamp occurs this month].count() > 1"#, "count() within this month", false);
    check(r#"xEvent[timestamp occurs today].count() > 1"#, "count() within this day", false);
    check(
        r#"xEvent.topN(timestamp, 1).map({"timestamp": timestamp, "value": properties.sku}).head()"#,
        r#"last({"timestamp": timestamp, "value": properties.sku})"#,
        false,
    );
    check(r#"xEvent.properties.sku.distinct().count() > 3"#, "distinctCount(properties.sku…)", false);
    check(
        r#"xEvent.groupBy(properties.sku).map((K, G) => mapEntry(K, G.sum(properties.total))).get("A") > 3"#,
        "groupBy(properties.sku, sum(properties.total))",
        false,
    );
    // What is told apart, or ranked, by other things than what can be kept of it is not kept.
    check("xEvent.map(this).distinct().count() > 1", "", true);
    check("xEvent.topN(date(properties.year, 1, 1), 2).map(properties.sku).count() > 1", "", true);
    // What looks beyond the event, or at the clock in another way, is not kept.
    check("xEvent[properties.total > ^age].count() > 1", "", true);
    check("xEvent[timestamp occurs <= 1 day before today].count() > 1", "", true);
    check("xEvent[timestamp occurs <= 1 day before now and timestamp occurs today].count() > 1", "", true);
    check(r#"xEvent[inSegment("x")].count() > 1"#, "", true);
    check("exists A from xEvent, B from xEvent where A != B", "", true);
    check("let x = 1 in (xEvent[properties.total > x].count() > 1)", "", true);
    check(r#"chain(xEvent, timestamp, [A: WHAT(true)])"#, "", true);
}
