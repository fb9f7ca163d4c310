//! What it costs to keep each kind of computed attribute, in every window.

use tessera_expr::plan::Kind;
use tessera_expr::pql;
use tessera_expr::rule::{Purpose, Rule};

fn kind(text: &str) -> Kind {
    let rule = Rule::compile(pql::parse(text).expect("a rule"), Purpose::Value).expect("a rule");
    rule.plan().kind()
}

#[test]
fn a_measure_costs_by_what_has_to_be_kept_of_its_events() {
    const WINDOWS: [&str; 3] = ["", "[timestamp occurs <= 30 days before now]", "[timestamp occurs this month]"];
    for (measure, expected) in [
        ("count()", Kind::Constant),
        ("sum(properties.total)", Kind::Constant),
        ("average(properties.total)", Kind::Constant),
        ("min(properties.total)", Kind::Constant),
        ("max(timestamp)", Kind::Constant),
        ("topN(timestamp, 1).map(properties.sku).head()", Kind::Constant),
        ("bottomN(timestamp, 1).map(properties.sku).head()", Kind::Constant),
        ("topN(properties.total, 3).map(properties.sku)", Kind::Bounded),
        ("properties.sku.distinct()", Kind::Bounded),
        ("properties.sku.distinct().count()", Kind::Bounded),
        ("mostFrequent(properties.sku)", Kind::Bounded),
        ("groupBy(properties.sku).map((K, G) => mapEntry(K, G.count()))", Kind::Bounded),
        ("visits(30)", Kind::Sequence),
    ] {
        for window in WINDOWS {
            let text = format!("xEvent[eventType = \"Order\"]{window}.{measure}");
            assert_eq!(kind(&text), expected, "{text}");
        }
    }
}

#[test]
fn a_rule_costs_as_much_as_the_dearest_of_its_parts() {
    for (text, expected) in [
        ("plan", Kind::Constant),
        ("xEvent.count() / xEvent.sum(properties.total)", Kind::Constant),
        ("xEvent.count() + xEvent.properties.sku.distinct().count()", Kind::Bounded),
        ("xEvent.max(timestamp).daysUntil(now)", Kind::Constant),
        ("select E from xEvent where E.properties.total > 3", Kind::Sequence),
        ("xEvent.count() + (select A from xEvent, B from xEvent where A = B).count()", Kind::Sequence),
        ("inSegment(\"gold\")", Kind::Constant),
    ] {
        assert_eq!(kind(text), expected, "{text}");
    }
}
