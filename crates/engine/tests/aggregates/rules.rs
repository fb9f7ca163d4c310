//! Random rules, each of one aggregate that may be kept.

use proptest::prelude::*;
use tessera_expr::rule::Purpose;

/// The text of a rule, and what it is for.
pub(crate) type Written = (String, Purpose);

pub(crate) fn written() -> impl Strategy<Value = Written> {
    prop_oneof![
        8 => (chosen(), measure()).prop_map(|(chosen, measure)| (format!("{chosen}{measure}"), Purpose::Value)),
        1 => (chosen(), condition()).prop_map(|(chosen, condition)| (format!("{chosen}[{condition}]"), Purpose::Condition)),
        1 => (chosen(), condition()).prop_map(|(chosen, condition)| (format!("{chosen}.exists({condition})"), Purpose::Value)),
    ]
}

fn chosen() -> impl Strategy<Value = String> {
    (prop::option::weighted(0.3, condition()), prop::option::weighted(0.75, window())).prop_map(
        |(condition, window)| {
            let bracket = |text: Option<String>| text.map_or(String::new(), |text| format!("[{text}]"));
            format!("xEvent{}{}", bracket(condition), bracket(window))
        },
    )
}

fn condition() -> impl Strategy<Value = String> {
    const TEXTS: [&str; 4] = [
        r#"eventType = "Order""#,
        "properties.total > 1",
        r#"properties.sku != "A" and properties.total <= 3"#,
        "true",
    ];
    prop::sample::select(&TEXTS[..]).prop_map(str::to_owned)
}

fn window() -> impl Strategy<Value = String> {
    let unit = || prop::sample::select(&["hours", "days", "days", "weeks", "months", "years", "milliseconds"][..]);
    let piece = || prop::sample::select(&["hour", "day", "week", "month", "month", "year"][..]);
    let comparison = prop::sample::select(&["<=", "<"][..]);
    let which = prop::sample::select(&["this", "this", "last", "next"][..]);
    prop_oneof![
        4 => (comparison, 0..40u8, unit()).prop_map(|(is, amount, unit)| format!("timestamp occurs {is} {amount} {unit} before now")),
        3 => (which, piece()).prop_map(|(which, piece)| format!("timestamp occurs {which} {piece}")),
        1 => prop::sample::select(&["today", "yesterday", "tomorrow"][..]).prop_map(|day| format!("timestamp occurs {day}")),
    ]
}

fn measure() -> impl Strategy<Value = String> {
    let value = || prop::sample::select(&VALUES[..]);
    let simple = prop::sample::select(&["sum", "average", "min", "max", "mostFrequent"][..]);
    let within = || prop::sample::select(&["sum", "average", "min", "max", "mostFrequent"][..]);
    let end = || prop::sample::select(&["topN", "bottomN"][..]);
    let group = || {
        prop::sample::select(&["properties.sku", "properties.total", "eventType", "timestamp", "properties.tags"][..])
    };
    let number = || prop::sample::select(&["properties.total", "properties.total", "properties.sku", "timestamp"][..]);
    prop_oneof![
        2 => Just(".count()".to_owned()),
        5 => (simple, number()).prop_map(|(measure, value)| format!(".{measure}({value})")),
        2 => (end(), value()).prop_map(|(end, value)| format!(".{end}(timestamp, 1).map({value}).head()")),
        2 => (end(), value(), 0..4u8, value()).prop_map(|(end, by, amount, value)| format!(".{end}({by}, {amount}).map({value})")),
        1 => value().prop_map(|value| format!(".{value}.distinct()")),
        1 => value().prop_map(|value| format!(".{value}.distinct().count()")),
        1 => value().prop_map(|value| format!(".map({value}).distinct()")),
        1 => value().prop_map(|value| format!(".map({value}).distinct().count()")),
        1 => group().prop_map(|group| format!(".groupBy({group}).map((K, G) => mapEntry(K, G.count()))")),
        2 => (group(), within(), number()).prop_map(|(group, within, value)| {
            format!(".groupBy({group}).map((K, G) => mapEntry(K, G.{within}({value})))")
        }),
    ]
}

/// What an event of [`super::steps`] has, each now and then.
const VALUES: [&str; 6] =
    ["properties.total", "properties.sku", "properties.tags", "properties.at", "timestamp", "eventType"];
