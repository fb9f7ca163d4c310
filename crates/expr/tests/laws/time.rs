//! An answer holds until it says that it may change.

use proptest::prelude::*;
use tessera_expr::calendar::Zone;
use tessera_expr::pql;
use tessera_expr::rule::{Purpose, Rule};
use tessera_expr::time::Timestamp;
use tessera_expr::value::{Path, Value};

use crate::support::maker::{DAY, Maker, NOW};
use crate::support::{Known, compile, iso};

/// Asks again at many instants before the answer may change.
fn holds_until_it_says(known: &Known, rule: &Rule, now: Timestamp, offsets: &[i64]) -> Result<(), TestCaseError> {
    let answer = known.ask(rule, now).expect("within budget");
    let until = answer.changes_at.unwrap_or(now.plus_micros(1_200 * DAY));
    prop_assert!(until > now);
    let span = until.micros() - now.micros();
    let edges = [1, span - 1, span / 2];
    let scattered = offsets.iter().map(|offset| offset.rem_euclid(span));
    let midnights = (1..40).map(|days| (NOW.div_euclid(DAY) + days) * DAY - now.micros());
    let own = known.events.iter().map(|event| event.at.micros() - now.micros());
    for offset in edges.into_iter().chain(scattered).chain(midnights).chain(own) {
        for offset in [offset, offset + 1] {
            if offset <= 0 || offset >= span {
                continue;
            }
            let at = now.plus_micros(offset);
            let later = known.ask(rule, at).expect("within budget");
            prop_assert_eq!(
                &later.value,
                &answer.value,
                "{} at {} was to hold until {} and does not at {}",
                pql::print(rule.source()),
                iso(now),
                iso(until),
                iso(at)
            );
        }
    }
    Ok(())
}

fn zone(number: u8) -> Zone {
    match number % 4 {
        0 | 1 => Zone::utc(),
        2 => Zone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone"),
        _ => Zone::ahead_of_utc(-570).expect("a zone"),
    }
}

proptest! {
    #[test]
    fn rules_as_people_write_them_hold(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        zone_number in any::<u8>(),
        offsets in proptest::collection::vec(0i64..1_200 * DAY, 12),
    ) {
        let mut maker = Maker::new(&bytes);
        let mut known = maker.facts();
        known.zone = zone(zone_number);
        let now = maker.time();
        let Ok(rule) = Rule::compile(maker.rule(), Purpose::Condition) else { return Ok(()) };
        holds_until_it_says(&known, &rule, now, &offsets)?;
    }

    #[test]
    fn any_rules_hold(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        zone_number in any::<u8>(),
        offsets in proptest::collection::vec(0i64..1_200 * DAY, 12),
    ) {
        let mut maker = Maker::new(&bytes);
        let mut known = maker.facts();
        known.zone = zone(zone_number);
        let now = maker.time();
        let Ok(rule) = Rule::compile(maker.expr(4), Purpose::Value) else { return Ok(()) };
        holds_until_it_says(&known, &rule, now, &offsets)?;
    }

    /// The ends of short months, where counting back leads to the same day from several.
    #[test]
    fn windows_of_months_hold(
        day in 0i64..40,
        clock in prop_oneof![Just(0), 0..DAY],
        months in 1i64..14,
        after in -5i64..6,
        now_clock in prop_oneof![Just(0), 0..DAY],
        text in proptest::sample::select(vec!["<=", "<", ">", ">=", "=", "!="]),
    ) {
        // From 25 January 2026 on.
        let start = 1_769_299_200_000_000;
        let at = Timestamp::from_micros(start + day * DAY + clock).expect("an instant");
        let mut known = Known::default();
        known.attributes.insert(&Path::parse("at").expect("a path"), Value::Timestamp(at));
        let now = at.micros().div_euclid(DAY) * DAY + (months * 30 + months / 2 + after) * DAY + now_clock;
        let now = Timestamp::from_micros(now).expect("an instant");
        let unit = if months == 12 { "1 year".to_owned() } else { format!("{months} months") };
        let rule = compile(&format!("at occurs {text} {unit} before now"), Purpose::Condition).expect("a rule");
        let days: Vec<i64> = (0..12).map(|days| days * DAY - now.micros().rem_euclid(DAY)).collect();
        holds_until_it_says(&known, &rule, now, &[])?;
        let answer = known.ask(&rule, now).expect("within budget");
        for offset in days.into_iter().flat_map(|offset| [offset - 1, offset, offset + 1, offset + clock, offset + clock + 1]) {
            let later = now.plus_micros(offset);
            if later > now && answer.changes_at.is_none_or(|until| later < until) {
                prop_assert_eq!(known.ask(&rule, later).expect("within budget").value, answer.value.clone());
            }
        }
    }

    /// Whoever says that it does not read the clock never changes, and whoever changes says so.
    #[test]
    fn what_reads_no_clock_never_changes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut maker = Maker::new(&bytes);
        let known = maker.facts();
        let now = maker.time();
        let Ok(rule) = Rule::compile(maker.expr(4), Purpose::Value) else { return Ok(()) };
        if !rule.plan().reads_clock {
            let changes_at = known.ask(&rule, now).expect("within budget").changes_at;
            prop_assert_eq!(changes_at, None, "{}", pql::print(rule.source()));
        }
    }
}
