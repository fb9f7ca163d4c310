//! Rules as named nodes: both ways, and the samples that are published.

use proptest::prelude::*;
use tessera_expr::rule::{Purpose, Rule};
use tessera_expr::{pql, pql_json};

use crate::support::maker::Maker;
use crate::support::{json, value};

proptest! {
    /// The profile has one spelling in this form, so the tree that is read is the one that stays.
    #[test]
    fn every_tree_reads_back_from_its_nodes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut maker = Maker::new(&bytes);
        let known = maker.facts();
        let now = maker.time();
        let expr = maker.expr(5);
        let nodes = pql_json::write(&expr);
        // Through JSON itself, whose numbers and texts the tree must survive.
        let read = pql_json::read(&value(&json(&nodes))).map_err(|problem| TestCaseError::fail(problem.to_string()))?;
        prop_assert_eq!(&pql_json::write(&read), &nodes, "{}", pql::print(&expr));
        prop_assert_eq!(pql_json::read(&nodes), Ok(read.clone()));
        let (Ok(one), Ok(other)) = (Rule::compile(expr, Purpose::Value), Rule::compile(read, Purpose::Value)) else {
            return Ok(());
        };
        let values = [one, other].map(|rule| known.ask(&rule, now).expect("within budget").value);
        prop_assert_eq!(&values[0], &values[1]);
    }

    #[test]
    fn no_tree_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..4_000, put in any::<String>()) {
        let text = json(&pql_json::write(&Maker::new(&bytes).expr(4))).to_string();
        // A value of the tree is replaced by another one.
        let Some((at, _)) = text.char_indices().filter(|(_, c)| *c == ':').nth(cut % 40) else { return Ok(()) };
        let put = serde_json::Value::String(put).to_string();
        for other in ["null", "1", "[]", "{}", put.as_str()] {
            let end = text[at + 1..].find([',', '}', ']']).map_or(text.len(), |end| at + 1 + end);
            let changed = format!("{}{other}{}", &text[..=at], &text[end..]);
            if let Ok(tree) = serde_json::from_str::<serde_json::Value>(&changed) {
                let _read = pql_json::read(&value(&tree));
            }
        }
    }
}

fn read(text: &str) -> Result<String, (String, String, String)> {
    let tree = value(&serde_json::from_str(text).expect("JSON"));
    pql_json::read(&tree).map(|expr| pql::print(&expr)).map_err(|problem| {
        let tessera_expr::problem::Place::Tree(path) = problem.at else { panic!("a place in a tree") };
        (problem.code.as_str().to_owned(), path.to_string(), problem.expected)
    })
}

/// What an aggregate binds is its own, whatever stands behind it has the same name.
#[test]
fn declarations_stay_in_their_order_where_they_can() {
    for text in [
        "exists A from [sum city over city from orders], city from others where A = city",
        "exists A from orders where (exists A from A, B from others)",
    ] {
        let nodes = pql_json::write(&pql::parse(text).expect("a rule"));
        let read = pql_json::read(&nodes).expect("the same");
        assert_eq!(pql_json::write(&read), nodes, "{}", pql::print(&read));
    }
}

#[test]
fn published_samples_are_read() {
    for (text, expected) in [
        (
            r#"{"nodeType":"fnApply","fnName":"and","params":[
               {"nodeType":"fnApply","fnName":"=","params":[
                 {"nodeType":"fieldLookup","fieldName":"tier","object":{"nodeType":"fieldLookup","fieldName":"loyalty","object":{"nodeType":"parameterReference","position":1}}},
                 {"nodeType":"literal","literalType":"String","value":"gold"}]},
               {"nodeType":"fieldLookup","fieldName":"workEmail","object":{"nodeType":"parameterReference","position":1}}]}"#,
            r#"loyalty.tier = "gold" and workEmail"#,
        ),
        // The older kinds: the literal first, the profile as a literal, a number as a text.
        (
            r#"{"nodeType":"fnApply","fnName":"=","params":[
                 {"nodeType":"literal","literalType":"integer","value":"5"},
                 {"nodeType":"fieldLookup","fieldName":"age","object":{"nodeType":"literal","literalType":"XDMObject","value":"profile"}}]}"#,
            "5 = $1.age",
        ),
        (
            r#"{"nodeType":"set","variables":[
                 {"nodeType":"varDecl","varName":"E","range":{"nodeType":"fieldLookup","fieldName":"xEvent","object":{"nodeType":"parameterReference","position":1}}},
                 {"nodeType":"fnApply","fnName":"=","params":[{"nodeType":"fieldLookup","fieldName":"eventType","object":{"nodeType":"varRef","varName":"E"}},{"nodeType":"literal","literalType":"string","value":"x"}]}]}"#,
            r#"exists E from xEvent where E.eventType = "x""#,
        ),
        // A condition before the declaration, and a declaration before the one that it speaks of.
        (
            r#"{"nodeType":"set","variables":[
                 {"nodeType":"fnApply","fnName":"=","params":[{"nodeType":"literal","literalType":"string","value":"x"},{"nodeType":"fieldLookup","fieldName":"eventType","object":{"nodeType":"varRef","varName":"E"}}]},
                 {"nodeType":"varDecl","range":{"nodeType":"fieldLookup","object":{"nodeType":"parameterReference","position":1},"fieldName":"xEvent"},"varName":"E"}]}"#,
            r#"exists E from xEvent where "x" = E.eventType"#,
        ),
        (
            r#"{"nodeType":"set","variables":[
                 {"nodeType":"fnApply","fnName":">","params":[{"nodeType":"fieldLookup","fieldName":"price","object":{"nodeType":"varRef","varName":"P"}},{"nodeType":"literal","literalType":"integer","value":10}]},
                 {"nodeType":"varDecl","varName":"P","range":{"nodeType":"fieldLookup","fieldName":"products","object":{"nodeType":"varRef","varName":"E"}}},
                 {"nodeType":"fieldLookup","fieldName":"paid","object":{"nodeType":"varRef","varName":"E"}},
                 {"nodeType":"varDecl","varName":"E","range":{"nodeType":"fieldLookup","fieldName":"xEvent","object":{"nodeType":"parameterReference","position":1}}}]}"#,
            "exists E from xEvent, P from E.products where P.price > 10 and E.paid",
        ),
        // What an inner function binds is not the outer variable.
        (
            r#"{"nodeType":"fnApply","fnName":"forall","params":[{"nodeType":"set","variables":[
                 {"nodeType":"varDecl","varName":"E","range":{"nodeType":"fieldLookup","fieldName":"xEvent","object":{"nodeType":"parameterReference","position":1}}},
                 {"nodeType":"fieldLookup","fieldName":"paid","object":{"nodeType":"varRef","varName":"E"}},
                 {"nodeType":"varDecl","varName":"P","range":{"nodeType":"fieldLookup","fieldName":"products","object":{"nodeType":"varRef","varName":"E"}}}]}]}"#,
            "forall E from xEvent where E.paid, P from E.products",
        ),
        // A fold whose value stands before its set, and a conjunction that begins with a set.
        (
            r#"{"nodeType":"fnApply","fnName":"sum","params":[
                 {"nodeType":"fieldLookup","fieldName":"price","object":{"nodeType":"varRef","varName":"E"}},
                 {"nodeType":"set","variables":[{"nodeType":"varDecl","varName":"E","range":{"nodeType":"fieldLookup","fieldName":"xEvent","object":{"nodeType":"parameterReference","position":1}}}]}]}"#,
            "sum E.price over E from xEvent",
        ),
        (
            r#"{"nodeType":"fnApply","fnName":"and","params":[
                 {"nodeType":"set","variables":[{"nodeType":"fieldLookup","fieldName":"workEmail","object":{"nodeType":"parameterReference","position":1}}]},
                 {"nodeType":"fieldLookup","fieldName":"age","object":{"nodeType":"parameterReference","position":1}}]}"#,
            "workEmail and age",
        ),
        (
            r#"{"nodeType":"fnCreate","params":[{"varName":"P"}],"body":{"nodeType":"fieldLookup","fieldName":"age","object":{"nodeType":"varRef","varName":"P"}}}"#,
            "$1.age",
        ),
    ] {
        assert_eq!(read(text), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn what_is_wrong_is_refused_where_it_stands() {
    let reference = r#"{"nodeType":"parameterReference","position":1}"#;
    for (text, code, path, expected) in [
        ("1", "expression_syntax", "", "a node with the member nodeType"),
        (
            r#"{"nodeType":"what"}"#,
            "expression_syntax",
            "/nodeType",
            "a kind of node: fnApply, fieldLookup, literal and so on",
        ),
        (
            r#"{"nodeType":"parameterReference","position":2}"#,
            "expression_no_such_parameter",
            "/position",
            "1, the profile",
        ),
        (
            r#"{"nodeType":"parameterReference","position":1,"scope":1}"#,
            "expression_no_such_scope",
            "/scope",
            "at most 0 scopes out",
        ),
        (r#"{"nodeType":"varRef","varName":"X"}"#, "expression_syntax", "/varName", "a name that is bound around it"),
        (r#"{"nodeType":"literal","literalType":"integer","value":"x"}"#, "expression_syntax", "/value", "a number"),
        (
            r#"{"nodeType":"literal","literalType":"colour","value":"x"}"#,
            "expression_syntax",
            "/literalType",
            "String, Boolean, Integer, Double, Null or XDMObject",
        ),
        (
            r#"{"nodeType":"fnApply","fnName":"cuont","params":[]}"#,
            "expression_unknown_function",
            "/fnName",
            "a function",
        ),
        (
            &format!(r#"{{"nodeType":"fnApply","fnName":"=","params":[{reference}]}}"#),
            "expression_syntax",
            "",
            "2 params",
        ),
        (
            &format!(r#"{{"nodeType":"fnApply","fnName":"not","params":[{reference},{{"nodeType":"x"}}]}}"#),
            "expression_syntax",
            "/params/1/nodeType",
            "a kind of node: fnApply, fieldLookup, literal and so on",
        ),
        (
            &format!(r#"{{"nodeType":"fnApply","fnName":"sum","params":[{reference},{reference}]}}"#),
            "expression_syntax",
            "/params/1",
            "a fnCreate",
        ),
        (
            &format!(r#"{{"nodeType":"fnApply","fnName":"count","params":[{reference},{reference}]}}"#),
            "expression_wrong_arguments",
            "/fnName",
            "count with 1 to 1 params",
        ),
    ] {
        let problem = (code.to_owned(), path.to_owned(), expected.to_owned());
        assert_eq!(read(text), Err(problem), "{text}");
    }
    let deep = (0..500).fold(tessera_expr::value::Value::Null, |inner, _| {
        value(&serde_json::json!({"nodeType": "fnApply", "fnName": "not", "params": [json(&inner)]}))
    });
    assert_eq!(pql_json::read(&deep).map_err(|problem| problem.code.as_str()), Err("expression_too_deep"));
}
