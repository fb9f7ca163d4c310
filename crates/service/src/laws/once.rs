//! Cases that have failed once, as they were found among some hundred thousand: each on an ordinary store and on a tiny one.

use super::steps::{Body, Say, Step};
use super::*;

const ALL: &str = "xEvent.count()";
const ANYBODY: &str = "xEvent.count() >= 0";

fn say(who: usize, and: Option<usize>) -> Say {
    Say { who: (who, and), dataset: 0, ago: 0, event: None, plan: None, age: None, seen: None, whole: false }
}

fn holds(rules: [&str; 6], steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for (limits, tail_events_max) in
        [Limits::EMBEDDED, TINY].into_iter().flat_map(|own| [64, 0, 2, 1].map(|tail| (own, tail)))
    {
        let case = Case { rules: rules.map(str::to_owned).to_vec(), steps: steps.to_vec() };
        runtime.block_on(run(&case, &Seen::default(), limits, tail_events_max));
    }
}

/// What was put off of an instant before a rule was made is made up for, and the rule is brought all the same.
#[test]
fn a_rule_is_brought_to_who_makes_up_for_earlier_instants() {
    let event = Body { name: "A", x: None, sku: None, tags: false };
    holds(
        [
            ALL,
            ALL,
            ALL,
            "c2 >= 1",
            "xEvent[timestamp occurs <= 10 minutes before now]",
            "xEvent[timestamp occurs <= 3 minutes before now]",
        ],
        &[
            Step::PutRuleSlowly(2, "xEvent[eventType = \"b\"].sum(properties.x)".into()),
            Step::SayAll(vec![Say { ago: -2, event: Some(event), ..say(0, None) }, say(1, None)]),
            Step::Wait(60, 0),
            Step::PutRule(2, "xEvent.min(timestamp)".into()),
        ],
    );
}

#[test]
fn who_is_left_of_an_erasure_in_steps_is_not_found() {
    holds(
        [ALL, ALL, ALL, ANYBODY, ANYBODY, ANYBODY],
        &[
            Step::SayAll(vec![say(0, Some(4)), say(2, None)]),
            Step::Say(say(4, Some(2))),
            Step::Say(say(0, Some(1))),
            Step::Separate(4),
            Step::Erase(2),
        ],
    );
}

/// As long as of the version before when it was made, or when it was brought.
#[test]
fn a_version_that_is_brought_late_takes_over_since_when_somebody_is_a_member() {
    holds(
        [ALL, ALL, ALL, ANYBODY, ANYBODY, "not (seen occurs <= 3 minutes before now)"],
        &[
            Step::Say(say(0, None)),
            Step::SayAll(vec![Say { ago: 60, ..say(0, None) }, Say { seen: Some(1), ..say(0, None) }]),
            Step::PutRuleSlowly(5, "not (xEvent.count() >= 1)".into()),
            Step::Wait(60, 0),
        ],
    );
    holds(
        [ALL, "age", ALL, "inSegment(\"s1\")", "not (seen occurs this hour)", ANYBODY],
        &[
            Step::SayAll(vec![Say { age: Some(0), ..say(2, None) }, say(0, None)]),
            Step::Say(Say { seen: Some(60), ..say(2, None) }),
            Step::Say(say(0, None)),
            Step::PutRuleSlowly(3, "(xEvent.count() >= 0) and (age < 1)".into()),
            Step::Wait(1440, 0),
        ],
    );
}

#[test]
fn a_version_takes_over_what_was_built_for_one_that_never_was_live() {
    holds(
        [ALL, ALL, ALL, "xEvent[eventType = \"A\"].average(properties.x) >= 0", "inSegment(\"s0\")", ANYBODY],
        &[
            Step::Say(say(0, None)),
            Step::PutRuleSlowly(3, "plan.isNull()".into()),
            Step::PutRuleSlowly(4, "inSegment(\"s0\")".into()),
            Step::Say(say(0, None)),
        ],
    );
}

/// A window that stays of an earlier instant goes on in the command of an event that was in it and has left since.
#[test]
fn what_comes_late_and_has_left_already_is_not_counted() {
    let at = |ago: i64| Say { ago, event: Some(Body { name: "A", x: None, sku: None, tags: false }), ..say(2, None) };
    holds(
        ["age", "age", "age", "age = 9", "age = 9", "xEvent[timestamp occurs this hour].count() >= 0"],
        &[
            Step::Say(at(-2)),
            Step::Say(at(2)),
            Step::Wait(7, 0),
            Step::WaitToEdge(2, 0),
            Step::Say(at(0)),
            Step::WaitToEdge(0, 0),
            Step::Say(at(1)),
        ],
    );
}
