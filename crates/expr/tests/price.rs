//! The work of a rule has a price that follows it, and nothing that a rule makes is without a bound.

mod support;

use std::cell::Cell;

use support::{Known, compile};
use tessera_expr::ast::Name;
use tessera_expr::calendar::Zone;
use tessera_expr::eval::{Frame, OverBudget};
use tessera_expr::facts::{Facts, Kept, Membership};
use tessera_expr::limits::{STEPS_MAX, VALUE_MAX};
use tessera_expr::plan::Aggregate;
use tessera_expr::rule::{Answer, Purpose};
use tessera_expr::time::Timestamp;
use tessera_expr::value::{Tree, Value};

fn now() -> Timestamp {
    Timestamp::from_micros(1_790_000_000_000_000).expect("an instant")
}

fn ask(text: &str) -> Result<Answer, OverBudget> {
    let rule = compile(text, Purpose::Value).unwrap_or_else(|problem| panic!("{text}: {problem}"));
    Known::default().ask(&rule, now())
}

/// `let a0 = … in (let a1 = … in (…))`, each of which holds the one before twice.
fn doubling(levels: usize, first: &str, next: impl Fn(&str) -> String, last: impl Fn(&str) -> String) -> String {
    let mut text = format!("let a0 = {first} in (");
    for level in 1..levels {
        text.push_str(&format!("let a{level} = {} in (", next(&format!("a{}", level - 1))));
    }
    text.push_str(&last(&format!("a{}", levels - 1)));
    text.push_str(&")".repeat(levels));
    text
}

#[test]
fn values_that_hold_each_other_twice_are_bounded() {
    let first = r#"[{"l": 1, "r": 2}].distinct().head()"#;
    let objects = |last: fn(&str) -> String, levels| {
        doubling(levels, first, |a| format!(r#"[{{"l": {a}, "r": {a}}}].distinct().head()"#), last)
    };
    let lists = |last: fn(&str) -> String| doubling(28, "[1, 2]", |a| format!("[{a}, {a}]"), last);
    let maps = |last: fn(&str) -> String| {
        doubling(28, r#"mapEntry("k", 1)"#, |a| format!(r#"mapEntry("k", [{a}, {a}])"#), last)
    };
    let bodies = |last: fn(&str) -> String| doubling(28, "[1]", |a| format!("[1, 2].map((X) => {a})"), last);
    let combined =
        |last: fn(&str) -> String| doubling(28, "[1, 2]", |a| format!("(select X from [{a}], Y from [{a}])"), last);
    for text in [
        objects(|a| format!("{a} = {a}"), 28),
        objects(str::to_owned, 28),
        objects(str::to_owned, 20),
        objects(|a| format!("[{a}, {a}].distinct().count()"), 28),
        objects(|a| format!("{a} in [1, 2]"), 28),
        objects(|a| format!("[{a}].includes({a})"), 28),
        objects(|a| format!("mapEntry({a}, 1).get({a})"), 28),
        lists(|a| format!("{a} = {a}")),
        lists(str::to_owned),
        lists(|a| format!("{a}.count()")),
        lists(|a| format!("[{a}].distinct()")),
        maps(str::to_owned),
        bodies(str::to_owned),
        combined(str::to_owned),
    ] {
        match ask(&text) {
            Err(OverBudget::Value | OverBudget::Steps) => {}
            other => panic!("{text}: {other:?}"),
        }
    }
    // What is small enough is an answer, and no larger than a value may be.
    let fits = ask(&objects(str::to_owned, 12)).expect("within the bounds").value;
    assert!(fits.size_within(VALUE_MAX).is_some_and(|size| size.items > 4_000 && size.items < 10_000));
    let same = ask(&objects(|a| format!("{a} = {a}"), 12)).expect("within the bounds");
    assert_eq!(same.value, Value::Bool(true));
    assert!(same.steps > 2_000, "what is walked is paid for: {}", same.steps);
}

/// Facts whose one event has this text, and takes so many bytes to open.
struct One {
    text: Value,
    bytes: usize,
    count: usize,
    attributes: Tree,
    asked: Cell<u64>,
    is_given_up: bool,
}

impl One {
    fn new(text: &str, count: usize) -> Self {
        let (text, bytes) = (Value::text(text), text.len());
        Self { text, bytes, count, attributes: Tree::default(), asked: Cell::new(0), is_given_up: false }
    }

    fn ask(&self, text: &str) -> Result<Answer, OverBudget> {
        let rule = compile(text, Purpose::Value).unwrap_or_else(|problem| panic!("{text}: {problem}"));
        rule.evaluate(self, &Frame { now: now(), zone: &Zone::utc(), steps_max: STEPS_MAX })
    }
}

impl Facts for One {
    fn attributes(&self) -> &Tree {
        &self.attributes
    }

    fn event_count(&self) -> usize {
        self.count
    }

    fn event_time(&self, _: usize) -> Timestamp {
        now()
    }

    fn event_name(&self, _: usize) -> Name {
        "X".into()
    }

    fn event_value(&self, _: usize, names: &[Name]) -> (Value, usize) {
        (self.text.clone(), names.len())
    }

    fn membership(&self, _: &str) -> Membership {
        Membership::Outside { left: None }
    }

    fn kept(&self, _: &Aggregate) -> Option<Kept> {
        None
    }

    fn event_bytes(&self, _: usize) -> usize {
        self.bytes
    }

    fn is_given_up(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.is_given_up
    }
}

#[test]
fn patterns_cost_text_times_size() {
    let steps = |text: &str, pattern: &str| {
        let asked = One::new(text, 1).ask(&format!(r#"xEvent.head().x.matches("{pattern}")"#));
        asked.map(|answer| answer.steps)
    };
    let text = "01".repeat(15_000);
    let (small, large) = (steps(&text, "(0|1)*x").expect("small"), steps(&text, "(0|1)*1(0|1){200}x").expect("large"));
    assert!(large > 20 * small, "{small} {large}");
    // Forty such events are more work than a rule may be.
    let many = One::new(&text, 40).ask(r#"xEvent[x.matches("(0|1)*1(0|1){200}x")].count()"#);
    assert_eq!(many, Err(OverBudget::Steps));
    let few = One::new("ann@shop.example", 10_000).ask(r#"xEvent[x.matches("^[a-z]+@[a-z.]+$")].count()"#);
    assert!(few.as_ref().is_ok_and(|few| few.steps < 250_000), "{few:?}");
    // Ways are paid round by round, and never without end.
    assert!(steps("abba", r"(\w)\1").is_ok_and(|steps| steps < 200));
    assert_eq!(steps(&"a".repeat(60), r"(a|aa)+\1b"), Err(OverBudget::Pattern));
    assert_eq!(steps(&"a".repeat(30_000), r"(a|aa)+\1b"), Err(OverBudget::Steps));
}

#[test]
fn a_pattern_may_be_a_value() {
    let check = |text: &str, expected: bool| {
        assert_eq!(ask(text).map(|answer| answer.value), Ok(Value::Bool(expected)), "{text}");
    };
    check(r#"let p = "^a+$" in "aaa".matches(p)"#, true);
    check(r#"["^a", "b$"].map((P) => "ab".matches(P)) = [true, true]"#, true);
    check(r#""a".matches(missing)"#, false);
    check(r#"let p = "(" in "(".matches(p)"#, false);
    let long = format!(r#"let p = "{}" in "a".matches(p)"#, "a".repeat(1_001));
    assert_eq!(ask(&long), Err(OverBudget::Pattern));
}

#[test]
fn events_are_paid_for_when_they_are_opened() {
    let asked = |bytes: usize, rule: &str| One { bytes, ..One::new("x", 100) }.ask(rule).map(|answer| answer.steps);
    let (small, large) = ("xEvent[x = \"x\"].count()", "xEvent[x = \"x\" and x = \"x\" and x = \"x\"].count()");
    let opened = asked(32_768, small).expect("an answer") - asked(0, small).expect("an answer");
    assert_eq!(opened, 100 * (128 + 32));
    let again = asked(32_768, large).expect("an answer") - asked(0, large).expect("an answer");
    assert_eq!(again, 100 * (128 + 3 * 32), "one that is open is only looked through");
    assert_eq!(asked(32_768, "xEvent.count()"), asked(0, "xEvent.count()"), "what is not looked into costs nothing");
}

#[test]
fn who_waits_no_more_is_heard() {
    let mut facts = One::new("x", 10_000);
    assert!(facts.ask("xEvent[x = \"x\"].count()").is_ok());
    let (asked, steps) = (facts.asked.get(), facts.ask("xEvent[x = \"x\"].count()").expect("an answer").steps);
    assert!(asked >= steps / 2_048 && asked <= steps / 1_024 + 1, "{asked} in {steps} steps");
    facts.is_given_up = true;
    assert_eq!(facts.ask("xEvent[x = \"x\"].count()"), Err(OverBudget::GivenUp));
}

#[test]
fn a_rule_whose_patterns_are_too_large_is_refused_and_one_that_is_stored_is_not_compiled() {
    let many: Vec<String> = (0..200).map(|at| format!(r#"a.matches("(0|1){{{}}}x")"#, 400 + at)).collect();
    let text = many.join(" or ");
    let problem = compile(&text, Purpose::Condition).expect_err("too large");
    assert_eq!(problem.code.as_str(), "expression_invalid_pattern");
    assert!(problem.expected.contains("32768 states"), "{problem}");
    let expr = tessera_expr::pql::parse(&text).expect("a rule");
    let stored = tessera_expr::rule::Rule::stored(expr, Purpose::Condition).expect("what was stored is read");
    assert!(Known::default().ask(&stored, now()).is_ok_and(|answer| !answer.holds()));
}
