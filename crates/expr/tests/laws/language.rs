//! Reading and writing rules, and the bounds of both.

use proptest::prelude::*;
use tessera_expr::ast::{Expr, Function, Node};
use tessera_expr::check::{Open, check};
use tessera_expr::eval::{Frame, OverBudget};
use tessera_expr::limits::{DEPTH_MAX, NODES_MAX, SCAN_EVENTS_MAX, TEXT_BYTES_MAX};
use tessera_expr::problem::Code;
use tessera_expr::rule::{Purpose, Rule};
use tessera_expr::time::Timestamp;
use tessera_expr::value::{Decimal, Value};
use tessera_expr::{pql, pql_json};

use crate::support::maker::{Maker, NOW};
use crate::support::{Event, Known, compile};

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..200)
}

/// Words and symbols of the language, in any order.
fn words() -> impl Strategy<Value = String> {
    let words = "and or not ! in notIn like matches occurs on between select exists forall from where over let if chain WHAT WHEN \
        WHERE COUNT this sum average min max count ( ) [ ] { } , . : = != < <= > >= + - * / % ^ $1 => xEvent now today 3 0.5 1e9 \
        days month before after last \"a\" `b` timestamp eventType age true null => date distinct map topN A B";
    let words: Vec<&'static str> = words.split_whitespace().collect();
    proptest::collection::vec(proptest::sample::select(words), 0..40).prop_map(|words| words.join(" "))
}

/// Whatever is read is evaluated too, and with a budget that is too small says so.
fn use_text(text: &str) {
    let Ok(expr) = pql::parse(text) else { return };
    let printed = pql::print(&expr);
    assert_eq!(pql::parse(&printed).as_ref(), Ok(&expr), "{text}\n{printed}");
    for purpose in [Purpose::Condition, Purpose::Value] {
        let Ok(rule) = Rule::compile(expr.clone(), purpose) else { continue };
        let known = Maker::new(text.as_bytes()).facts();
        let now = Timestamp::from_micros(NOW).expect("an instant");
        for steps_max in [0, 1, 7, 50, 5_000] {
            let _answer = rule.evaluate(&known, &Frame { now, zone: &known.zone, steps_max });
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        use_text(&text);
    }

    #[test]
    fn no_words_make_it_panic(text in words()) {
        use_text(&text);
    }

    #[test]
    fn every_tree_reads_back_from_its_text(bytes in bytes()) {
        let expr = Maker::new(&bytes).expr(5);
        let text = pql::print(&expr);
        prop_assert_eq!(pql::parse(&text), Ok(expr), "{}", text);
    }

    #[test]
    fn the_text_of_a_text_is_itself(bytes in bytes()) {
        let text = pql::print(&Maker::new(&bytes).expr(4));
        let again = pql::parse(&text).map(|expr| pql::print(&expr));
        prop_assert_eq!(again, Ok(text));
    }

    /// A condition holds if the value of the same expression is there, and is not false or empty.
    #[test]
    fn a_condition_is_the_truth_of_its_value(bytes in bytes()) {
        let mut maker = Maker::new(&bytes);
        let known = maker.facts();
        let now = maker.time();
        let expr = if maker.facts().events.is_empty() { maker.expr(4) } else { maker.rule() };
        let (Ok(condition), Ok(value)) =
            (Rule::compile(expr.clone(), Purpose::Condition), Rule::compile(expr, Purpose::Value))
        else {
            return Ok(());
        };
        let value = known.ask(&value, now).expect("within budget").value;
        let truth = match &value {
            Value::Null => false,
            Value::Bool(truth) => *truth,
            Value::List(items) | Value::Set(items) => !items.is_empty(),
            Value::Number(_) | Value::Text(_) | Value::Timestamp(_) | Value::Object(_) => true,
        };
        prop_assert_eq!(known.ask(&condition, now).expect("within budget").holds(), truth, "{}", pql::print(condition.source()));
    }

    /// More budget changes no answer, and what an answer took is enough.
    #[test]
    fn a_budget_only_decides_whether(bytes in bytes(), steps_max in 0u64..300) {
        let mut maker = Maker::new(&bytes);
        let known = maker.facts();
        let Ok(rule) = Rule::compile(maker.expr(4), Purpose::Value) else { return Ok(()) };
        let now = Timestamp::from_micros(NOW).expect("an instant");
        let frame = |steps_max| Frame { now, zone: &known.zone, steps_max };
        let whole = rule.evaluate(&known, &frame(1_000_000)).expect("within budget");
        match rule.evaluate(&known, &frame(steps_max)) {
            Ok(answer) => prop_assert_eq!(&answer, &whole),
            Err(_) => prop_assert!(steps_max < whole.steps),
        }
        prop_assert_eq!(rule.evaluate(&known, &frame(whole.steps)), Ok(whole));
    }
}

#[test]
fn rules_have_bounds() {
    let check = |text: &str, expected: Option<Code>| {
        let found = pql::parse(text).map(|_| ()).map_err(|problem| problem.code).err();
        assert_eq!(found, expected, "{}", text.chars().take(60).collect::<String>());
    };
    let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    check(&text(TEXT_BYTES_MAX), None);
    check(&text(TEXT_BYTES_MAX + 1), Some(Code::TooLong));
    let list = |items: usize| format!("[{}]", vec!["1"; items].join(","));
    check(&list(NODES_MAX - 1), None);
    check(&list(NODES_MAX), Some(Code::TooLarge));
    let nots = |depth: usize| format!("{}true", "not ".repeat(depth));
    check(&nots(DEPTH_MAX - 1), None);
    check(&nots(DEPTH_MAX), Some(Code::TooDeep));
    let sums = |terms: usize| vec!["1"; terms].join("+");
    check(&sums(DEPTH_MAX), None);
    check(&sums(DEPTH_MAX + 1), Some(Code::TooDeep));
    let lists = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    check(&lists(DEPTH_MAX), None);
    check(&lists(DEPTH_MAX + 1), Some(Code::TooDeep));
    for open in [
        "(",
        "[",
        "{\"a\":",
        "-",
        "!",
        "not ",
        "a[",
        "f(",
        "if(",
        "chain(",
        "let a = ",
        "sum ",
        "a.b(",
        "select A from ",
    ] {
        assert!(pql::parse(&open.repeat(TEXT_BYTES_MAX / open.len())).is_err(), "{open}");
    }
    for chain in [".a", "[a]", ".head()", " and a", " or a", " + a", ".a.head()", "[a].b"] {
        let text = format!("a{}", chain.repeat(2_000));
        let _read = pql::parse(&text).map(|expr| pql::print(&expr));
    }
    check(&format!("a{}", " and a".repeat(1_000)), None);
    check(&format!("a{}", ".b".repeat(16)), Some(Code::TooLarge));
    check(&format!("a{}", ".b".repeat(15)), None);
}

#[test]
fn trees_made_by_hand_are_looked_at() {
    let check = |node: Node, expected: Option<Code>| {
        let compiled = Rule::compile(Expr::new(node), Purpose::Value);
        assert_eq!(compiled.map(|_| ()).map_err(|problem| problem.code).err(), expected);
    };
    let here = || Box::new(Expr::new(Node::Context(0)));
    check(Node::Path { of: here(), names: Vec::new() }, Some(Code::Syntax));
    check(Node::Path { of: here(), names: vec!["a".into(); 17] }, Some(Code::TooLarge));
    check(Node::Path { of: here(), names: vec!["a".into(); 16] }, None);
    check(Node::Call { function: Function::Sum, arguments: Vec::new() }, Some(Code::WrongArguments));
    check(Node::Call { function: Function::Count, arguments: vec![*here(), *here()] }, Some(Code::WrongArguments));
    check(Node::Call { function: Function::InSegment, arguments: vec![*here()] }, Some(Code::NotConstant));
    check(Node::Fold { function: Function::Sum, value: None, bindings: Vec::new() }, Some(Code::Syntax));
    // What is bound nowhere is nothing.
    check(Node::Variable("X".into()), None);
    check(Node::Context(9), None);
}

#[test]
fn rules_see_the_newest_events() {
    let mut known = Known::default();
    for number in 0..SCAN_EVENTS_MAX + 5 {
        let at = Timestamp::from_micros(NOW + i64::try_from(number).expect("small")).expect("an instant");
        known.events.push(Event { at, name: number.to_string().as_str().into(), body: Value::object(Vec::new()) });
    }
    let value = |text: &str| {
        let rule = compile(text, Purpose::Value).expect("a rule");
        known.ask(&rule, Timestamp::from_micros(NOW).expect("an instant")).expect("within budget").value
    };
    assert_eq!(value("xEvent.count() = 10000"), Value::Bool(true));
    assert_eq!(value("xEvent.head().eventType"), Value::text("5"));
    assert_eq!(value("xEvent.topN(timestamp, 1).eventType.head()"), Value::text("10004"));
    assert_eq!(value("xEvent[eventType = \"4\"].count()"), Value::Number(Decimal::ZERO));
    // Each pair of so many events is beyond the budget, and said to be.
    let rule = compile("(select A from xEvent, B from xEvent).count()", Purpose::Value).expect("a rule");
    let now = Timestamp::from_micros(NOW).expect("an instant");
    assert_eq!(known.ask(&rule, now), Err(OverBudget::Value));
    assert_eq!(OverBudget::CODE, "over_budget");
}

/// The deepest rules there are, on a stack that is small for a thread.
#[test]
fn the_deepest_rules_need_little_stack() {
    let nested = |open: &str, inner: &str, close: &str, depth: usize| {
        format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    let texts = [
        nested("(", "1", ")", 2 * DEPTH_MAX),
        nested("[", "1", "]", DEPTH_MAX - 1),
        nested("not ", "true", "", DEPTH_MAX - 1),
        nested("this[", "true", "]", DEPTH_MAX - 1),
        nested("if(true, ", "1", ", 2)", DEPTH_MAX - 1),
        nested("let x = 1 in (", "x", ")", DEPTH_MAX - 1),
        nested("this.map(", "this", ")", DEPTH_MAX - 1),
        nested("exists A from [1] where ", "true", "", DEPTH_MAX - 2),
        nested("chain([1], timestamp, [A: WHAT(", "true", ")])", DEPTH_MAX - 2),
        nested("{\"a\": ", "1", "}", DEPTH_MAX - 1),
        format!("1{}", ".head()".repeat(DEPTH_MAX - 1)),
    ];
    let all = move || {
        for text in texts {
            let expr = pql::parse(&text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
            assert_eq!(pql::parse(&pql::print(&expr)).as_ref(), Ok(&expr));
            let known = Known::read("{\"profile\": {\"orders\": [[[1]]]}}");
            let rule = Rule::compile(expr, Purpose::Value).expect("a rule");
            let _answer = known.ask(&rule, Timestamp::from_micros(NOW).expect("an instant"));
            let _kind = check(rule.source(), &Open);
            let nodes = pql_json::write(rule.source());
            assert!(pql_json::read(&nodes).is_ok(), "{text}");
        }
    };
    let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn(all).expect("a thread");
    assert!(thread.join().is_ok());
}
