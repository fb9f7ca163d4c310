//! The words in which differences are told.

use serde_json::json;

use super::*;

#[test]
fn a_difference_is_one_line_without_what_goes_without_saying() {
    let attribute = |name: &str| Key::part("attribute", Some(name.to_owned()));
    let plan = json!({ "type": "text", "status": "active", "internal": false, "private": true, "allowed_values": ["free", "a, b", 1.5] });
    let other = json!({ "type": "number", "status": "inactive", "internal": false, "private": true });
    let order =
        json!({ "status": "active", "items": {}, "properties": { "total": { "type": "number", "required": true } } });
    let more =
        json!({ "status": "active", "items": {}, "properties": { "total": { "type": "number", "required": false } } });
    let cases = [
        (attribute("plan"), None, Some(&plan), "+ attribute plan: text, allowed_values [free, \"a, b\", 1.5], private"),
        (
            attribute("plan"),
            Some(&plan),
            Some(&other),
            "~ attribute plan: allowed_values [free, \"a, b\", 1.5] -> none; status active -> inactive; type text -> number",
        ),
        (attribute("plan"), Some(&plan), None, "- attribute plan"),
        (
            Key::part("event_type", Some("Order".to_owned())),
            None,
            Some(&order),
            "+ event_type Order: properties {total {number, required}}",
        ),
        (
            Key::part("event_type", Some("Order".to_owned())),
            Some(&order),
            Some(&more),
            "~ event_type Order: properties.total.required true -> false",
        ),
        (Key::part("mode", None), Some(&json!("open")), Some(&json!("warn")), "~ mode: open -> warn"),
        (
            Key::new(Kind::Limits, None),
            Some(&json!({ "hub_links_max": null })),
            Some(&json!({ "hub_links_max": 7 })),
            "~ limits: hub_links_max none -> 7",
        ),
        (
            Key::new(Kind::RateLimit, Some("shop".to_owned())),
            None,
            Some(&json!({ "rate_limit": null })),
            "+ rate_limit shop: as by default",
        ),
    ];
    for (key, before, after, expected) in cases {
        let change = Change { key, before: before.cloned(), after: after.cloned() };
        assert_eq!(change.line(), expected);
    }
}
