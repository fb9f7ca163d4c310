//! What rules cost the write path: two servers with the same people, fewer rules in one than in the other, take turns with the same load.

use std::time::Duration;

use anyhow::Result;

use super::super::ingest::{self, Ingested};
use super::super::people::{CITIES, Crowd, EVENTS};
use super::super::process::Server;
use super::door::Rule;

/// How long one server has the load before the other has it.
const TURN: Duration = Duration::from_secs(1);

/// The same load for both, in turns of a second; `run` counts up over all loads of the two.
pub(super) fn compare(
    servers: [&Server; 2],
    crowd: &Crowd,
    (people, connections): (u64, usize),
    run: &mut u64,
    turns: u64,
) -> Result<[Ingested; 2]> {
    let mut sums = [Ingested::none(), Ingested::none()];
    // The first turn of each brings records to memory, and does not count.
    for turn in 0..=turns {
        *run += 1;
        // Whoever is first meets what the other has left behind; so they take turns in that as well.
        let order = if turn % 2 == 0 { [0, 1] } else { [1, 0] };
        for own in order {
            let turn_of_own = || ingest::flat_out(servers[own], crowd, people, *run, connections, TURN);
            let ingested = servers[1 - own].aside(turn_of_own)?;
            if turn > 0 {
                sums[own].add(&ingested)?;
            }
        }
    }
    Ok(sums)
}

/// Twenty computed attributes and fifty segments over all that the people do: lifetimes and windows, kept numbers and bounded sets,
/// attributes alone, events alone, both, and segments of segments. Every event meets a sixth of those over one type of events.
pub(super) fn busy() -> Vec<Rule> {
    let mut rules = Vec::new();
    for (at, event) in EVENTS.iter().enumerate() {
        let of = format!("xEvent[eventType = \"{event}\"]");
        let within =
            |days: u32| format!("xEvent[eventType = \"{event}\" and timestamp occurs <= {days} days before now]");
        rules.push(Rule::attribute(format!("count_{at}"), format!("{of}.count()")));
        rules.push(Rule::attribute(format!("spent_{at}"), format!("{of}.sum(properties.price)")));
        for least in [1, 5, 20] {
            rules.push(Rule::segment(format!("count-{at}-{least}"), format!("count_{at} >= {least}")));
        }
        rules.push(Rule::segment(format!("week-{at}"), format!("{}.count() >= 3", within(7))));
        rules.push(Rule::segment(format!("month-{at}"), format!("{}.count() >= 10", within(30))));
        rules.push(Rule::segment(format!("spent-{at}"), format!("spent_{at} > 2000")));
    }
    let bought = "xEvent[eventType = \"Order Completed\"";
    let month = "timestamp occurs <= 30 days before now";
    for (name, pql) in [
        ("first_seen", "xEvent.min(timestamp)".to_owned()),
        ("last_seen", "xEvent.max(timestamp)".to_owned()),
        ("bought_month", format!("{bought} and {month}].count()")),
        ("spent_month", format!("{bought} and {month}].sum(properties.price)")),
        ("categories", "xEvent[eventType = \"Product Viewed\"].properties.category.distinct().count()".to_owned()),
        ("last_category", format!("{bought}].topN(timestamp, 1).map(properties.category).head()")),
        ("mean_order", "spent_3 / count_3".to_owned()),
        ("is_regular", "bought_month >= 2 and newsletter = true".to_owned()),
    ] {
        rules.push(Rule::attribute(name, pql));
    }
    for city in CITIES {
        rules.push(Rule::segment(format!("city-{city}"), format!("city = \"{city}\"")));
    }
    for (at, pql) in [
        "is_regular = true",
        "categories >= 3 and city = \"Lyon\"",
        "last_category = \"Shoes\"",
        "spent_month > 500",
        "inSegment(\"week-0\") and inSegment(\"city-Lyon\")",
        "inSegment(\"month-3\") or inSegment(\"spent-3\")",
    ]
    .into_iter()
    .enumerate()
    {
        rules.push(Rule::segment(format!("mixed-{at}"), pql));
    }
    rules
}

/// So many segments over types of events that nobody sends.
pub(super) fn idle(count: u64) -> Vec<Rule> {
    let pql = |at: u64| format!("xEvent[eventType = \"Unheard {at}\"].count() >= {}", 1 + at % 7);
    (0..count).map(|at| Rule::segment(format!("unheard-{at}"), pql(at))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::door::Purpose;
    use super::*;

    #[test]
    fn as_many_as_the_budget_says() {
        let rules = busy();
        let attributes = rules.iter().filter(|rule| matches!(rule.purpose, Purpose::Attribute)).count();
        assert_eq!((attributes, rules.len() - attributes), (20, 50));
    }
}
