//! Random rules as PQL text. Windows are of whole minutes, as are the times of events.

use proptest::prelude::*;

/// Computed attributes of a case: `c0`, `c1` and so on.
pub(super) const ATTRIBUTES: usize = 3;
/// Segments of a case: `s0`, `s1` and so on.
pub(super) const SEGMENTS: usize = 3;
/// The lengths of all windows, in minutes.
pub(super) const WINDOWS: [i64; 5] = [3, 10, 60, 1_440, 2_880];

/// Of the rules of a case, in order, first the computed attributes.
pub(super) fn rules() -> impl Strategy<Value = Vec<String>> {
    let attributes = prop::collection::vec(value(), ATTRIBUTES);
    let segments = prop::collection::vec(condition(), SEGMENTS);
    (attributes, segments).prop_map(|(mut rules, segments)| {
        rules.extend(segments);
        rules
    })
}

/// A rule for one of them.
pub(super) fn rule() -> impl Strategy<Value = (usize, String)> {
    prop_oneof![(0..ATTRIBUTES, value()), (ATTRIBUTES..ATTRIBUTES + SEGMENTS, condition()),]
}

fn pick(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(texts).prop_map(str::to_owned)
}

fn span() -> impl Strategy<Value = String> {
    pick(&["3 minutes", "10 minutes", "10 minutes", "1 hour", "1 day", "2 days"])
}

fn window() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (pick(&["<=", "<"]), span()).prop_map(|(is, span)| format!("timestamp occurs {is} {span} before now")),
        2 => (pick(&["this", "last"]), pick(&["hour", "day", "week"])).prop_map(|(which, unit)| format!("timestamp occurs {which} {unit}")),
        1 => pick(&["timestamp occurs today", "timestamp occurs yesterday", "timestamp occurs > 10 minutes before now"]),
    ]
}

fn filter() -> impl Strategy<Value = String> {
    pick(&[
        "eventType = \"A\"",
        "eventType = \"A\"",
        "eventType = \"b\"",
        "eventType.equals(\"b\", false)",
        "properties.x > 1",
        "properties.sku != \"p\" and properties.x <= 2",
        "properties.tags.head() = \"t\"",
    ])
}

fn events() -> impl Strategy<Value = String> {
    (prop::option::weighted(0.8, filter()), prop::option::weighted(0.6, window())).prop_map(|(filter, window)| {
        let bracket = |text: Option<String>| text.map_or(String::new(), |text| format!("[{text}]"));
        format!("xEvent{}{}", bracket(filter), bracket(window))
    })
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => events().prop_map(|events| format!("{events}.count()")),
        3 => (events(), pick(&["sum", "average", "min", "max"]))
            .prop_map(|(events, measure)| format!("{events}.{measure}(properties.x)")),
        1 => events().prop_map(|events| format!("{events}.properties.sku.distinct().count()")),
        1 => (events(), pick(&["topN", "bottomN"]))
            .prop_map(|(events, end)| format!("{events}.{end}(timestamp, 1).map(properties.x).head()")),
        1 => Just("age".to_owned()),
        2 => (0..ATTRIBUTES).prop_map(|at| format!("c{at}")),
        1 => events().prop_map(|events| format!("{events}.visits(10)")),
        1 => (0..ATTRIBUTES, 1..4u8).prop_map(|(at, by)| format!("c{at} * {by} + age")),
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => number(),
        1 => events().prop_map(|events| format!("{events}.properties.sku.distinct()")),
        1 => (events(), pick(&["properties.sku", "properties.x"]))
            .prop_map(|(events, value)| format!("{events}.mostFrequent({value})")),
        1 => (events(), pick(&["topN", "bottomN"]), 1..3u8)
            .prop_map(|(events, end, amount)| format!("{events}.{end}(properties.x, {amount}).map(properties.sku)")),
        1 => (events(), pick(&["G.count()", "G.sum(properties.x)", "G.max(timestamp)"]))
            .prop_map(|(events, within)| format!("{events}.groupBy(properties.sku).map((K, G) => mapEntry(K, {within}))")),
        1 => (events(), pick(&["min", "max"])).prop_map(|(events, end)| format!("{events}.{end}(timestamp)")),
        1 => events().prop_map(|events| format!("{events}.max(timestamp).daysUntil(now)")),
        1 => condition(),
    ]
}

fn leaf() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => (number(), pick(&[">=", ">", "<", "=", "!="]), -1..4i8)
            .prop_map(|(number, is, bound)| format!("{number} {is} {bound}")),
        2 => events(),
        1 => pick(&["plan = \"gold\"", "plan.isNull()", "plan != \"free\"", "user_id.isNotNull()"]),
        2 => (pick(&["<=", "<", ">", ">="]), span()).prop_map(|(is, span)| format!("seen occurs {is} {span} before now")),
        1 => (pick(&["<=", ">"]), span()).prop_map(|(is, span)| format!("seen occurs {is} {span} after now")),
        1 => pick(&["seen occurs this hour", "seen occurs today", "seen occurs last day"]),
        2 => (0..SEGMENTS).prop_map(|at| format!("inSegment(\"s{at}\")")),
        1 => span().prop_map(|span| format!(
            "exists X from xEvent where X.eventType = \"A\" and X.timestamp occurs <= {span} before now"
        )),
        1 => span().prop_map(|span| format!(
            "exists X from xEvent where X.eventType = \"A\", Y from xEvent where Y.eventType = \"b\" and Y.timestamp occurs <= {span} after X.timestamp"
        )),
    ]
}

pub(super) fn condition() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => leaf(),
        2 => (leaf(), pick(&["and", "or"]), leaf()).prop_map(|(one, joint, other)| format!("({one}) {joint} ({other})")),
        2 => leaf().prop_map(|leaf| format!("not ({leaf})")),
    ]
}
