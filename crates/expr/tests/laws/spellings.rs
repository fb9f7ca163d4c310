//! Filters and trees of operators: what is read is written as it was meant.

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tessera_expr::rule::{Purpose, Rule};
use tessera_expr::time::Timestamp;
use tessera_expr::value::Value;
use tessera_expr::{filter, tree};

use crate::support::maker::NOW;
use crate::support::{Known, json as to_json, value};

fn known() -> Known {
    Known::read(
        r#"{"profile": {
            "ProfileId": "p1", "DeviceIds": ["5d0b6c0e", "77"], "Scope": "nordics", "Visits": 7, "Archived": false, "Zip": "0150",
            "Info": {"Email": "x@y.example", "Name": "O'Hara"}, "User": {"Email": "x@y.example"}, "EventType": "store-visit",
            "EventTime": "2020-02-01T00:00:00Z", "DeviceId": "x@y.example",
            "Payload": {"code": "s-01", "colour": "teal", "epi": {"campaign": {"mailingId": 4711}}},
            "country": "NO", "age": 30, "hobbies": {"$set": ["sail", "ski"]}, "bornAt": {"$time": "1990-05-01T00:00:00Z"}
        }, "segments": {"gold": {"entered": "2026-01-01T00:00:00Z"}}}"#,
    )
}

fn holds(expr: tessera_expr::ast::Expr) -> bool {
    let rule = Rule::compile(expr, Purpose::Condition).expect("a rule");
    known().ask(&rule, Timestamp::from_micros(NOW).expect("an instant")).expect("within budget").holds()
}

#[test]
fn filters_of_real_callers_mean_what_they_say() {
    for (text, expected) in [
        ("DeviceIds eq 5d0b6c0e", true),
        ("DeviceIds eq 77", true),
        ("DeviceIds eq 5d0b", false),
        ("ProfileId eq p1", true),
        ("Info.Email eq x@y.example and Scope eq nordics", true),
        ("Scope eq 'nordics' and Info.Email eq 'x@y.example'", true),
        ("Scope eq 'default' and Info.Email eq 'x@y.example'", false),
        ("EventType eq epiCampaignOpen and DeviceId eq x@y.example and Payload.epi.campaign.mailingId eq 4711", false),
        ("EventType eq store-visit and DeviceId eq x@y.example and Payload.epi.campaign.mailingId eq 4711", true),
        (
            "User.Email eq x@y.example and EventTime ge 2018-11-19 and EventType eq store-visit and Payload.code eq s-01",
            true,
        ),
        ("EventType eq store-visit and EventTime gt 2020-01-31T10:20:30", true),
        ("EventType eq store-visit and EventTime gt 2020-02-01T10:20:30", false),
        ("Payload.colour eq 'teal'", true),
        ("Visits gt 1", true),
        ("Visits gt 7", false),
        ("Visits ge 7 AND Visits le 7", true),
        ("Visits lt 7 OR Scope EQ nordics", true),
        ("Scope eq \"default\", \"nordics\"", true),
        ("Scope eq \"default\", \"other\"", false),
        ("Scope ne \"default\", \"nordics\"", false),
        ("Scope ne \"default\", \"other\"", true),
        ("Archived eq false", true),
        ("NOT Archived eq true", true),
        ("not (Archived eq true or Visits gt 100)", true),
        ("Missing eq x", false),
        ("Missing ne x", true),
        ("not Missing eq x", true),
        ("Missing eq null", true),
        ("Scope eq null", false),
        ("Scope ne null", true),
        ("Zip eq 0150", true),
        ("Zip eq 150", false),
        ("Info.Name eq 'O''Hara'", true),
        ("Info.Name eq \"O'Hara\"", true),
        ("DeviceIds eq 5d0b6c0e and DeviceIds eq 77", true),
        ("Visits eq 1 or Visits eq 7 and Scope eq other", false),
        ("(Visits eq 7 or Visits eq 1) and Scope eq nordics", true),
        ("contains(Info.Email,'@y.')", true),
        ("startswith(Info.Email, 'y') or endswith(Info.Email, '.example')", true),
    ] {
        let expr = filter::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
        assert_eq!(holds(expr.clone()), expected, "{text}");
        let printed = filter::print(&expr).unwrap_or_else(|| panic!("{text} cannot be written"));
        assert_eq!(filter::parse(&printed).as_ref(), Ok(&expr), "{text} as {printed}");
    }
}

#[test]
fn filters_that_are_wrong_are_refused_where_they_are() {
    for (text, code, column, expected) in [
        ("", "expression_syntax", 1, "a property"),
        ("Visits", "expression_syntax", 7, "eq, ne, gt, ge, lt or le"),
        ("Visits is 3", "expression_syntax", 8, "eq, ne, gt, ge, lt or le"),
        ("Visits eq", "expression_syntax", 10, "a value"),
        ("Visits eq 1 Scope eq x", "expression_syntax", 13, "and, or, or the end"),
        ("(Visits eq 1", "expression_syntax", 13, ")"),
        ("Visits eq 1)", "expression_syntax", 12, "and, or, or the end"),
        ("Scope eq 'x", "expression_unterminated", 10, "a ' at the end of the text"),
        ("a..b eq 1", "expression_syntax", 1, "a property, as in Info.Email"),
        ("Visits gt null", "expression_syntax", 11, "a value that is ordered, and not null"),
        ("Visits eq 1 and", "expression_syntax", 16, "a property"),
        ("contains(Info 'x')", "expression_syntax", 15, ","),
    ] {
        let problem = filter::parse(text).expect_err(text);
        let (_, found) = problem.at.line_column(text).expect("a place");
        assert_eq!((problem.code.as_str(), found, problem.expected.as_str()), (code, column, expected), "{text}");
    }
    assert_eq!(filter::parse(&"(".repeat(20_000)).map_err(|problem| problem.code.as_str()), Err("expression_too_deep"));
    assert!(filter::parse(&"not ".repeat(8_000)).is_err());
    assert_eq!(
        filter::parse(&format!("{}a eq 1", "not ".repeat(80))).map_err(|p| p.code.as_str()),
        Err("expression_too_deep")
    );
}

#[test]
fn trees_of_operators_mean_what_they_say() {
    let attribute =
        |name: &str, operands: Json| json!({"operator": format!("profile-attribute-{name}"), "operands": operands});
    for (tree, expected) in [
        (json!({"operator": "and", "operands": [attribute("equal", json!(["country", "NO"])), true]}), true),
        (json!({"operator": "and", "operands": [attribute("equal", json!(["country", "NO"])), false]}), false),
        (
            json!({"operator": "or", "operands": [attribute("equal", json!(["country", "SE"])), attribute("equal", json!(["age", 30]))]}),
            true,
        ),
        (json!({"operator": "not", "operands": [attribute("equal", json!(["country", "SE"]))]}), true),
        (json!(true), true),
        (attribute("equal", json!(["hobbies", "sail"])), true),
        (attribute("equal", json!(["hobbies", "read"])), false),
        (attribute("equal", json!(["missing", "x"])), false),
        (attribute("not-equal", json!(["country", "SE"])), true),
        (attribute("not-equal", json!(["country", "NO"])), false),
        (attribute("not-equal", json!(["missing", "x"])), false),
        (attribute("not-equal", json!(["hobbies", "sail"])), false),
        (attribute("greater", json!(["age", 29])), true),
        (attribute("greater", json!(["age", 30])), false),
        (attribute("greater-equal", json!(["age", 30])), true),
        (attribute("less", json!(["age", 30])), false),
        (attribute("less-equal", json!(["age", 30])), true),
        (attribute("less", json!(["bornAt", "2000-01-01"])), true),
        (attribute("less", json!(["missing", 1])), false),
        (attribute("contains", json!(["country", "N"])), true),
        (attribute("starts-with", json!(["country", "O"])), false),
        (attribute("in", json!(["country", ["NO", "SE"]])), true),
        (attribute("set-contains", json!(["hobbies", "ski"])), true),
        (attribute("exists", json!(["age"])), true),
        (attribute("not-exists", json!(["age"])), false),
        (json!({"operator": "profile-in-segment", "operands": ["gold"]}), true),
        (json!({"operator": "profile-in-segment", "operands": ["other"]}), false),
    ] {
        let expr = tree::read(&value(&tree)).unwrap_or_else(|problem| panic!("{tree}: {problem}"));
        assert_eq!(holds(expr.clone()), expected, "{tree}");
        let written = tree::write(&expr).unwrap_or_else(|| panic!("{tree} cannot be written"));
        assert_eq!(to_json(&written), tree, "as it was");
    }
}

#[test]
fn trees_that_are_wrong_are_refused_where_they_are() {
    for (tree, code, path, expected, hint) in [
        (json!([1]), "expression_syntax", "", "a text, a number, true or false", ""),
        (json!({}), "expression_syntax", "", "an expression with the member operator, a text", ""),
        (json!({"operator": "and"}), "expression_syntax", "", "an expression with the member operands, a list", ""),
        (
            json!({"operator": "and", "operands": []}),
            "expression_wrong_arguments",
            "/operator",
            "at least one operand, and not 0",
            "",
        ),
        (
            json!({"operator": "and", "operands": [true, {"operator": "x", "operands": []}]}),
            "expression_unknown_function",
            "/operands/1/operator",
            "an operator",
            "",
        ),
        (
            json!({"operator": "profile-attribute-eqal", "operands": ["a", 1]}),
            "expression_unknown_function",
            "/operator",
            "an operator",
            "did you mean profile-attribute-equal?",
        ),
        (
            json!({"operator": "profile-attribute-equal", "operands": ["a"]}),
            "expression_wrong_arguments",
            "",
            "the name of an attribute and a value",
            "",
        ),
        (
            json!({"operator": "profile-attribute-equal", "operands": ["a", []]}),
            "expression_syntax",
            "/operands/1",
            "a text, a number, true or false",
            "",
        ),
        (
            json!({"operator": "profile-attribute-in", "operands": ["a", [1, []]]}),
            "expression_syntax",
            "/operands/1/1",
            "a text, a number, true or false",
            "",
        ),
        (
            json!({"operator": "profile-attribute-in", "operands": ["a", 1]}),
            "expression_syntax",
            "/operands/1",
            "a list of values",
            "",
        ),
    ] {
        let problem = tree::read(&value(&tree)).expect_err("wrong");
        let tessera_expr::problem::Place::Tree(found) = &problem.at else { panic!("a place in a tree") };
        let is = (problem.code.as_str(), &**found, problem.expected.as_str(), problem.hint.as_deref().unwrap_or(""));
        assert_eq!(is, (code, path, expected, hint), "{tree}");
    }
    let deep =
        (0..200).fold(Value::Bool(true), |inner, _| value(&json!({"operator": "not", "operands": [to_json(&inner)]})));
    assert_eq!(tree::read(&deep).map_err(|problem| problem.code.as_str()), Err("expression_too_deep"));
}

/// Words of a filter, in an order that often is one.
fn filters() -> impl Strategy<Value = String> {
    let clause = (
        proptest::sample::select(vec!["Scope", "Info.Email", "Visits", "and", "not"]),
        proptest::sample::select(vec!["eq", "ne", "gt", "LE", "is"]),
        proptest::sample::select(vec!["1", "'a''b'", "\"c d\"", "e@f.g", "null", "true", "0150", "1, 2", "'", "x y"]),
        proptest::sample::select(vec![" and ", " or ", " and not ", " AND (", ") or ", " or not (", ""]),
    );
    let clause = clause.prop_map(|(path, operator, value, next)| format!("{path} {operator} {value}{next}"));
    proptest::collection::vec(clause, 1..5).prop_map(|clauses| clauses.concat())
}

/// Trees of operators, most of them right.
fn trees() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(json!(true)),
        (
            proptest::sample::select(vec!["equal", "not-equal", "less", "greater-equal", "contains", "set-contains"]),
            any::<i16>()
        )
            .prop_map(
                |(name, number)| json!({"operator": format!("profile-attribute-{name}"), "operands": ["age", number]})
            ),
        proptest::sample::select(vec!["exists", "not-exists"])
            .prop_map(|name| json!({"operator": format!("profile-attribute-{name}"), "operands": ["age"]})),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (proptest::sample::select(vec!["and", "or"]), proptest::collection::vec(inner.clone(), 1..4))
                .prop_map(|(name, operands)| json!({"operator": name, "operands": operands})),
            inner.prop_map(|inner| json!({"operator": "not", "operands": [inner]})),
        ]
    })
}

proptest! {
    #[test]
    fn no_filter_makes_it_panic(text in any::<String>()) {
        let _read = filter::parse(&text);
    }

    #[test]
    fn every_filter_reads_back(text in filters()) {
        let Ok(expr) = filter::parse(&text) else { return Ok(()) };
        let printed = filter::print(&expr);
        prop_assert_eq!(printed.as_deref().map(filter::parse), Some(Ok(expr)), "{:?}", printed);
    }

    /// What one tree says another may say with fewer operators; it is written the same from then on.
    #[test]
    fn every_tree_of_operators_reads_back(tree in trees()) {
        let expr = tree::read(&value(&tree)).expect("a rule");
        let written = tree::write(&expr).expect("what was read can be written");
        prop_assert_eq!(tree::read(&written), Ok(expr));
    }
}
