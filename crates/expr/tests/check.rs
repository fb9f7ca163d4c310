//! Rules against a data model: what fits, what it gives, and what is refused where.

mod support;

use tessera_expr::ast::Name;
use tessera_expr::check::{Known, Model, Open, Type, check, check_as};
use tessera_expr::pql;
use tessera_expr::rule::Purpose;

const NULL: &str = "a value: nothing is equal to null, or unequal";
const TIME: &str = "a time, as in \"2026-01-31\" or \"2026-01-31T10:00:00Z\", and not another text";

/// A closed model.
struct Shop;

impl Model for Shop {
    fn attribute(&self, names: &[Name]) -> Known {
        Known::Is(match &*names.join(".") {
            "name" | "address.city" => Type::Text,
            "age" | "points" => Type::Number,
            "isMember" => Type::Boolean,
            "joinedAt" => Type::Time,
            "tags" => Type::list(Type::Text),
            "address" => Type::Object,
            "spend" | "visits" => Type::map(Type::Number),
            "orders" => Type::list(Type::Any),
            path if path.starts_with("free.") => return Known::Perhaps,
            _ => return Known::Never,
        })
    }

    fn property(&self, event: Option<&str>, names: &[Name]) -> Known {
        match (event, &*names.join(".")) {
            (Some("Order"), "properties.total") => Known::Is(Type::Number),
            (Some("Order"), "properties.coupon") => Known::Is(Type::Text),
            (Some("Order"), _) => Known::Never,
            _ => Known::Perhaps,
        }
    }

    fn segment(&self, name: &str) -> Known {
        if name == "gold" { Known::Is(Type::Boolean) } else { Known::Never }
    }

    fn segments(&self) -> Vec<String> {
        vec!["gold".to_owned()]
    }

    fn attributes(&self) -> Vec<String> {
        ["name", "age", "points", "isMember", "joinedAt", "tags", "address", "address.city"].map(str::to_owned).to_vec()
    }

    fn properties(&self, event: Option<&str>) -> Vec<String> {
        if event == Some("Order") {
            vec!["properties.total".to_owned(), "properties.coupon".to_owned()]
        } else {
            Vec::new()
        }
    }
}

#[test]
fn what_fits_has_a_type() {
    for (text, expected) in [
        ("name", Type::Text),
        ("age + points * 2", Type::Number),
        ("age > 3 and isMember", Type::Boolean),
        ("isMember = \"true\"", Type::Boolean),
        ("age = \"41\"", Type::Boolean),
        ("name = 5", Type::Boolean),
        ("joinedAt > now", Type::Boolean),
        ("joinedAt >= \"2026-01-01\"", Type::Boolean),
        ("joinedAt occurs <= 3 days before now", Type::Boolean),
        ("free.form + 1", Type::Number),
        ("free.form.startsWith(\"a\") or free.form", Type::Boolean),
        ("tags.distinct()", Type::list(Type::Text)),
        ("tags.head()", Type::Text),
        ("name = \"x\" or name.exists(this = \"x\")", Type::Boolean),
        ("spend / visits", Type::map(Type::Number)),
        ("spend.get(\"a\") + 1", Type::Number),
        ("xEvent[eventType = \"Order\"].sum(properties.total)", Type::Number),
        ("xEvent[eventType = \"Order\"].properties.total", Type::list(Type::Number)),
        ("xEvent[eventType = \"Order\"].max(properties.total)", Type::Number),
        ("xEvent.max(timestamp)", Type::Time),
        ("xEvent.head()", Type::Event),
        ("xEvent[eventType = \"Other\"].sum(properties.any)", Type::Number),
        ("xEvent.groupBy(eventType)", Type::map(Type::list(Type::Event))),
        ("if (isMember, name, \"x\")", Type::Text),
        ("if (isMember, name, 1)", Type::Any),
        ("let a = age in (a + 1)", Type::Number),
        ("let p = $1 in (p.age + 1)", Type::Number),
        ("select E from xEvent where E.timestamp > joinedAt", Type::list(Type::Event)),
        ("inSegment(\"gold\")", Type::Boolean),
        ("orders[price > 3].count()", Type::Number),
        ("date(2026, 1, 1)", Type::Time),
        ("chain(xEvent, timestamp, [A: WHAT(eventType = \"Order\")])", Type::Boolean),
    ] {
        let expr = pql::parse(text).expect("a rule");
        assert_eq!(check(&expr, &Shop), Ok(expected), "{text}");
        assert!(check(&expr, &Open).is_ok(), "{text}");
    }
}

#[test]
fn a_condition_holds_of_some_and_not_of_others() {
    for (text, refused) in [
        ("age", Some("a condition, and not a number")),
        ("name", Some("a condition, and not a text")),
        ("joinedAt", Some("a condition, and not a time")),
        ("name = \"a\" or \"b\"", Some("a condition on each side of or, and not a value")),
        ("isMember and 1", Some("a condition on each side of and, and not a value")),
        ("not (isMember and (name = \"a\" or \"b\"))", Some("a condition on each side of or, and not a value")),
        ("isMember", None),
        ("tags", None),
        ("free.form", None),
        ("xEvent[eventType = \"Order\"]", None),
    ] {
        let expr = pql::parse(text).expect("a rule");
        let told = check_as(&expr, Purpose::Condition, &Shop).err().map(|problem| problem.expected);
        assert_eq!(told.as_deref(), refused, "{text}");
        let is_value = refused.is_none_or(|refused| refused.starts_with("a condition, and"));
        assert_eq!(check_as(&expr, Purpose::Value, &Shop).is_ok(), is_value, "{text}");
    }
    let hint = |text: &str| check_as(&pql::parse(text).expect("a rule"), Purpose::Condition, &Shop).err()?.hint;
    assert_eq!(hint("name != \"a\" and \"b\"").as_deref(), Some("write name != \"b\""));
    assert_eq!(hint("isMember or 1").as_deref(), Some("compare it with something, as in … = 1"));
}

/// What compares a list with one value is refused, and told how one of its items is asked for.
#[test]
fn a_list_compared_with_a_value_is_told_how_to_ask() {
    for (text, hint) in [
        ("xEvent.eventType = \"Order\"", "write xEvent[eventType = \"Order\"]"),
        ("tags = \"vip\"", "write tags.includes(\"vip\")"),
    ] {
        let told = check(&pql::parse(text).expect("a rule"), &Shop).expect_err(text).hint;
        assert_eq!(told.as_deref(), Some(hint), "{text}");
    }
}

#[test]
fn what_never_comes_to_anything_is_refused_where_it_stands() {
    for (text, code, column, expected, hint) in [
        ("nme = \"Ann\"", "expression_unknown_attribute", 1, "an attribute of the data model", "did you mean name?"),
        (
            "age > 1 and adress.city = \"x\"",
            "expression_unknown_attribute",
            13,
            "an attribute of the data model",
            "did you mean address.city?",
        ),
        (
            "xEvent[eventType = \"Order\"].sum(properties.totl)",
            "expression_unknown_attribute",
            33,
            "an attribute of the data model",
            "did you mean properties.total?",
        ),
        ("free.plan != null", "expression_wrong_type", 14, NULL, "write free.plan.isNotNull()"),
        ("null = free.plan", "expression_wrong_type", 1, NULL, "write free.plan.isNull()"),
        ("xEvent[eventType = null].count() > 0", "expression_wrong_type", 20, NULL, "write eventType.isNull()"),
        (
            "orders[0].make = \"A\"",
            "expression_wrong_type",
            8,
            "a condition on each item, and not a constant",
            "items have no numbers: write orders.head() for the first, orders[member = …] for those of which something holds",
        ),
        (
            "xEvent[\"Nonsense\"].count()",
            "expression_wrong_type",
            8,
            "a condition on each item, and not a constant",
            "write xEvent[eventType = \"Nonsense\"]",
        ),
        (
            "orders[true].count()",
            "expression_wrong_type",
            8,
            "a condition on each item, and not a constant",
            "write orders[member = …]",
        ),
        (
            "xEvent[timestamp > \"yesterday\"].count()",
            "expression_wrong_type",
            20,
            TIME,
            "write yesterday without quotes",
        ),
        ("joinedAt = \"soon\"", "expression_wrong_type", 12, TIME, ""),
        ("joinedAt occurs before \"soon\"", "expression_wrong_type", 24, TIME, ""),
        (
            "free.when > \"Yesterday\"",
            "expression_wrong_type",
            13,
            "a number or a time: texts are not ordered",
            "write yesterday without quotes",
        ),
        (
            "chain(xEvent, timestamp, [A: WHAT(true), B: WHAT(true) WHEN(<= 1 hours after Z)])",
            "expression_unknown_attribute",
            78,
            "the label of a step before this one",
            "labels before it: A; an attribute of the profile is ^Z, a property of the event properties.Z",
        ),
        (
            "chain(xEvent, timestamp, [Cart: WHAT(true), B: WHAT(true) WHEN(<= 1 hours after Crt)])",
            "expression_unknown_attribute",
            81,
            "the label of a step before this one",
            "did you mean Cart?",
        ),
        (
            "chain(xEvent, timestamp, [A: WHAT(true) WHEN(after A)])",
            "expression_unknown_attribute",
            52,
            "the label of a step before this one",
            "an attribute of the profile is ^A, a property of the event properties.A",
        ),
        ("inSegment(\"nope\")", "expression_unknown_segment", 11, "the name of a segment that there is", ""),
        (
            "enteredSegment(\"gld\").isNotNull()",
            "expression_unknown_segment",
            16,
            "the name of a segment that there is",
            "did you mean gold?",
        ),
        ("tags.topN(this, 1)", "expression_wrong_type", 11, "a number or a time, and not a text", ""),
        ("name + 1", "expression_wrong_type", 1, "a number, and not a text", ""),
        ("1 - isMember", "expression_wrong_type", 5, "a number, and not a Boolean", ""),
        ("-tags", "expression_wrong_type", 2, "a number, and not a list", ""),
        ("name > \"M\"", "expression_wrong_type", 8, "two numbers or two times: texts are not ordered", ""),
        ("age = \"old\"", "expression_wrong_type", 7, "a number as on the other side, and not a text", ""),
        ("isMember = 1", "expression_wrong_type", 12, "a Boolean as on the other side, and not a number", ""),
        ("isMember < true", "expression_wrong_type", 12, "two numbers or two times, and not a Boolean", ""),
        ("age.startsWith(\"4\")", "expression_wrong_type", 1, "a text, and not a number", ""),
        ("name.startsWith(4)", "expression_wrong_type", 17, "a text, and not a number", ""),
        ("name.startsWith(\"a\", \"b\")", "expression_wrong_type", 22, "a Boolean, and not a text", ""),
        ("age.count()", "expression_wrong_type", 1, "a list, and not a number", ""),
        ("name[this > 1]", "expression_wrong_type", 1, "a list, and not a text", ""),
        ("age in points", "expression_wrong_type", 8, "a list, and not a number", ""),
        ("tags occurs today", "expression_wrong_type", 1, "a time, and not a list", ""),
        ("isMember.getMonth()", "expression_wrong_type", 1, "a time, and not a Boolean", ""),
        ("date(name, 1, 1)", "expression_wrong_type", 6, "a number, and not a text", ""),
        ("joinedAt occurs <= name days before now", "expression_wrong_type", 20, "a number, and not a text", ""),
        ("joinedAt occurs before isMember", "expression_wrong_type", 24, "a time, and not a Boolean", ""),
        (
            "xEvent[eventType = \"Order\"].sum(properties.coupon)",
            "expression_wrong_type",
            33,
            "a number, and not a text",
            "",
        ),
        ("xEvent.topN(timestamp, name)", "expression_wrong_type", 24, "a number, and not a text", ""),
        ("tags.get(\"a\")", "expression_wrong_type", 1, "a map, and not a list", ""),
        ("exists A from age where A > 1", "expression_wrong_type", 15, "a list, and not a number", ""),
    ] {
        let expr = pql::parse(text).expect("a rule");
        let problem = check(&expr, &Shop).expect_err(text);
        let (_, found) = problem.at.line_column(text).expect("a place");
        let is = (problem.code.as_str(), found, problem.expected.as_str(), problem.hint.as_deref().unwrap_or(""));
        assert_eq!(is, (code, column, expected, hint), "{text}");
    }
}
