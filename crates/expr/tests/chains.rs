//! Sequences whose steps speak of each other, against all ways of choosing their events.

mod support;

use support::{Known, compile, time};
use tessera_expr::rule::Purpose;

/// An event: its type, and its minute.
type Event = (char, usize);

/// A step: the type that it wants, and how many minutes at most, or at least, it is after another one.
type Step = (char, Option<(usize, bool, usize)>);

const LABELS: [&str; 3] = ["A", "B", "C"];

fn rule(steps: &[Step]) -> String {
    let steps = steps.iter().zip(LABELS).map(|((kind, when), label)| {
        let when = when.map_or(String::new(), |(minutes, is_most, of)| {
            format!(" WHEN({} {minutes} minutes after {})", if is_most { "<=" } else { ">" }, LABELS[of])
        });
        format!("{label}: WHAT(eventType = \"{kind}\"){when}")
    });
    format!("chain(xEvent, timestamp, [{}])", steps.collect::<Vec<_>>().join(", "))
}

/// Whether some choice of distinct events, none earlier than the one before, serves all steps.
fn naive(events: &[Event], steps: &[Step], chosen: &mut Vec<usize>) -> bool {
    let Some((kind, when)) = steps.get(chosen.len()) else { return true };
    (0..events.len()).any(|at| {
        let (own, minute) = events[at];
        let is_later = chosen.last().is_none_or(|last| events[*last].1 <= minute);
        let is_in_time = when.is_none_or(|(minutes, is_most, of)| {
            let start = events[chosen[of]].1;
            // What is after an instant is not at it.
            minute > start && (is_most == (minute - start <= minutes))
        });
        if own != *kind || !is_later || !is_in_time || chosen.contains(&at) {
            return false;
        }
        chosen.push(at);
        let found = naive(events, steps, chosen);
        chosen.pop();
        found
    })
}

fn known(events: &[Event]) -> Known {
    let events: Vec<_> = events
        .iter()
        .map(|(kind, minute)| {
            serde_json::json!({ "eventType": kind.to_string(), "timestamp": format!("2026-08-01T00:{minute:02}:00Z") })
        })
        .collect();
    Known::read(&serde_json::json!({ "events": events }).to_string())
}

#[test]
fn steps_that_speak_of_each_other_find_what_any_choice_finds() {
    // The same numbers each time.
    let mut state = 7u64;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    let (now, mut held) = (time("2026-08-28T10:30:00Z"), 0);
    for _ in 0..3_000 {
        let mut events: Vec<Event> = (0..draw(7)).map(|_| (['a', 'b'][draw(2)], draw(6))).collect();
        events.sort_by_key(|(_, minute)| *minute);
        let count = 2 + draw(2);
        let steps: Vec<Step> =
            (0..count).map(|at| (['a', 'b'][draw(2)], (at > 0).then(|| (draw(4), draw(2) == 0, draw(at))))).collect();
        let text = rule(&steps);
        let rule = compile(&text, Purpose::Condition).expect("a rule");
        let answer = known(&events).ask(&rule, now).expect("within budget").holds();
        assert_eq!(answer, naive(&events, &steps, &mut Vec::new()), "{text} of {events:?}");
        held += usize::from(answer);
    }
    assert!((300..2_700).contains(&held), "{held} of 3,000 hold");
}

/// Of many events that begin and few that end, none in time: it is decided, not given up.
#[test]
fn many_beginnings_without_an_end_are_decided() {
    let mut events: Vec<Event> = (0..50).map(|minute| ('a', minute)).collect();
    events.push(('b', 59));
    let text = rule(&[('a', None), ('b', Some((3, true, 0)))]);
    let rule = compile(&text, Purpose::Condition).expect("a rule");
    let answer = known(&events).ask(&rule, time("2026-08-28T10:30:00Z")).expect("within budget");
    assert!(!answer.holds() && answer.steps < 6_000, "{} steps", answer.steps);
}
