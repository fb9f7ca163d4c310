//! Lengths before pieces of the calendar, in a zone whose days have 23, 24 or 25 hours.

mod support;

use support::{Known, time};
use tessera_expr::calendar::Zone;
use tessera_expr::pql;
use tessera_expr::rule::{Purpose, Rule};
use tessera_expr::value::Value;

#[test]
fn days_weeks_and_months_before_a_day_are_counted_on_the_zones_calendar() {
    // The event, the rule on its time, and whether it holds on 29 November in Paris, which is an hour ahead of UTC; in September two.
    for (event, rule, expected) in [
        ("2026-09-28T22:00:00Z", "<= 2 months before today", true),
        ("2026-09-28T22:30:00Z", "<= 2 months before today", true),
        ("2026-09-28T21:59:59.999999Z", "<= 2 months before today", false),
        ("2026-11-28T23:00:00Z", "<= 2 months before today", false),
        ("2026-10-17T22:00:00Z", "<= 6 weeks before today", true),
        ("2026-10-17T21:59:59Z", "<= 6 weeks before today", false),
        ("2026-10-09T22:00:00Z", "<= 50 days before today", true),
        ("2026-10-09T21:59:59Z", "<= 50 days before today", false),
        ("2026-09-29T22:00:00Z", "= 60 days before today", true),
        ("2026-09-29T21:59:59Z", "= 60 days before today", false),
        // Sixty days before this instant are sixty times 24 hours.
        ("2026-09-30T10:00:00Z", "<= 60 days before now", true),
        ("2026-09-30T09:59:59Z", "<= 60 days before now", false),
        // An hour is an hour, also before today.
        ("2026-11-28T21:00:00Z", "<= 2 hours before today", true),
        ("2026-11-28T20:59:59Z", "<= 2 hours before today", false),
    ] {
        let facts = format!(r#"{{"events":[{{"eventType":"X","timestamp":"{event}"}}]}}"#);
        let mut known = Known::read(&facts);
        known.zone = Zone::named("Europe/Paris").expect("a zone");
        let text = format!("xEvent[timestamp occurs {rule}].count() = 1");
        let rule = Rule::compile(pql::parse(&text).expect("a rule"), Purpose::Condition).expect("a rule");
        let answer = known.ask(&rule, time("2026-11-29T10:00:00Z")).expect("within the budget");
        assert_eq!(answer.value, Value::Bool(expected), "{event} {text}");
    }
}

#[test]
fn a_bound_behind_a_day_is_the_end_of_a_day() {
    for (at, rule, expected) in [
        ("2026-11-29T23:00:00Z", "<= 1 month after today", true),
        ("2026-12-29T22:59:59.999999Z", "<= 1 month after today", true),
        ("2026-12-29T23:00:00Z", "<= 1 month after today", false),
        ("2027-03-29T21:59:59.999999Z", "<= 4 months after today", true),
        ("2027-03-29T22:00:00Z", "<= 4 months after today", false),
    ] {
        let mut known = Known::read(&format!(r#"{{"profile":{{"at":"{at}"}}}}"#));
        known.zone = Zone::named("Europe/Paris").expect("a zone");
        let text = format!("at occurs {rule}");
        let rule = Rule::compile(pql::parse(&text).expect("a rule"), Purpose::Condition).expect("a rule");
        let answer = known.ask(&rule, time("2026-11-29T10:00:00Z")).expect("within the budget");
        assert_eq!(answer.value, Value::Bool(expected), "{at} {text}");
    }
}
