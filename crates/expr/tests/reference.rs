//! `docs/rules.md`: each of its examples comes to what it says, each rule beside SQL is one, and each function stands in it.

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use support::{Known, compile, json, time};
use tessera_expr::ast::{Form, Function};
use tessera_expr::rule::Purpose;

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rules.md"))
        .expect("the page of rules")
}

/// The blocks of a kind.
fn blocks<'a>(page: &'a str, kind: &str) -> Vec<&'a str> {
    let start = format!("```{kind}\n");
    page.split(start.as_str()).skip(1).map(|rest| rest.split("\n```").next().expect("an end")).collect()
}

fn ann(page: &str) -> Known {
    Known::read(blocks(page, "json").first().expect("the profile of the examples"))
}

#[test]
fn every_example_comes_to_what_it_says() {
    let page = page();
    let (ann, now) = (ann(&page), time("2026-08-28T10:30:00Z"));
    let examples: Vec<&str> = blocks(&page, "pql").into_iter().flat_map(|block| block.split("\n\n")).collect();
    assert!(examples.len() >= 70, "only {} examples", examples.len());
    let mut wrong = Vec::new();
    for example in examples {
        let (text, expected) = example.trim().rsplit_once("\n=> ").expect("a rule and what it comes to");
        let came_to = match compile(text, Purpose::Value) {
            Err(problem) => problem.to_string(),
            Ok(rule) => shown(&json(&ann.ask(&rule, now).expect("within budget").value)),
        };
        if came_to != expected {
            wrong.push(format!("{text}\n    is {came_to} and not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A value as an answer shows it: an instant is a text there.
fn shown(value: &serde_json::Value) -> String {
    value.get("$time").unwrap_or(value).to_string()
}

#[test]
fn every_rule_beside_sql_is_one() {
    let page = page();
    let (_, part) = page.split_once("\n## From SQL\n").expect("the part");
    let (part, _) = part.split_once("\n## ").expect("the next part");
    let mut count = 0;
    for line in part.lines().filter(|line| line.starts_with("| `")) {
        let rule = line.rsplit('`').nth(1).expect("a rule");
        compile(rule, Purpose::Value).unwrap_or_else(|problem| panic!("{rule}: {problem}"));
        count += 1;
    }
    assert!(count >= 20, "only {count}");
}

/// A function stands in a table with as many arguments as it takes.
#[test]
fn every_function_stands_in_it() {
    let page = page();
    let mut missing = BTreeSet::new();
    for spec in Function::all() {
        let own = spec.arguments.len() - usize::from(spec.form == Form::Method);
        let required = spec.required - usize::from(spec.form == Form::Method);
        let rows = page.lines().filter(|line| line.starts_with('|'));
        let names = |line: &str| match spec.form {
            Form::Infix => line.contains(&format!(" {} ", spec.name)),
            Form::Method | Form::Plain => signatures(line, spec.name, spec.form)
                .iter()
                .any(|(least, most)| *least == required && (*most == own || spec.function == Function::Coalesce)),
        };
        if !rows.into_iter().any(names) {
            missing.insert(format!("{} of {required} to {own}", spec.name));
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}

/// How many arguments a line says that a function takes at least, and at most.
fn signatures(line: &str, name: &str, form: Form) -> Vec<(usize, usize)> {
    let start = if form == Form::Method { format!(".{name}(") } else { format!("{name}(") };
    let given = line.split(start.as_str()).skip(1).map(|rest| {
        let mut depth = 1;
        let end = rest.find(|character| {
            depth += match character {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0
        });
        &rest[..end.unwrap_or(rest.len())]
    });
    let count = |text: &str| text.split(',').filter(|part| part.chars().any(char::is_alphanumeric)).count();
    given
        .map(|arguments| {
            let least = count(arguments.split('[').next().expect("a first part"));
            (least, count(arguments))
        })
        .collect()
}
