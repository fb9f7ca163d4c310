//! The tables of `tests/pql`: what each rule comes to, which are refused and where.
//!
//! A line of a table is the section of the language that it is about, the facts, the rule, its value, and perhaps until when that
//! holds; tabs stand between them. Facts stand in `tests/pql/facts`. The evaluation is at 2026-08-28T10:30:00Z, a Friday.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use support::{Known, compile, iso, json, time};
use tessera_expr::pql;
use tessera_expr::rule::Purpose;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pql")
}

fn facts() -> BTreeMap<String, Known> {
    let files = std::fs::read_dir(folder().join("facts")).expect("the folder of facts");
    files
        .map(|file| {
            let path = file.expect("a file").path();
            let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
            (name, Known::read(&std::fs::read_to_string(&path).expect("readable")))
        })
        .collect()
}

/// The lines of all tables whose name ends so, with their places.
fn rows(ending: &str) -> Vec<(String, Vec<String>)> {
    let mut rows = Vec::new();
    let mut files: Vec<_> =
        std::fs::read_dir(folder()).expect("the folder").map(|file| file.expect("a file").path()).collect();
    files.sort();
    for path in files {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        if !name.ends_with(ending) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("readable");
        for (number, line) in text.lines().enumerate() {
            if !line.is_empty() && !line.starts_with('#') {
                let cells = line.split('\t').map(|cell| cell.replace("\\n", "\n")).collect();
                rows.push((format!("{name}:{}", number + 1), cells));
            }
        }
    }
    rows
}

#[test]
fn rules_come_to_what_the_tables_say() {
    let (facts, now) = (facts(), time("2026-08-28T10:30:00Z"));
    let rows = rows(".values.tsv");
    let mut wrong = Vec::new();
    for (place, cells) in &rows {
        let [section, known, text, expected, until @ ..] = &cells[..] else { panic!("{place}: too few cells") };
        assert!(section.starts_with(|first: char| first.is_ascii_digit()), "{place}: no section");
        let known = facts.get(known).unwrap_or_else(|| panic!("{place}: no such facts"));
        let rule = match compile(text, Purpose::Value) {
            Ok(rule) => rule,
            Err(problem) => {
                wrong.push(format!("{place}: {text}\n    {problem}"));
                continue;
            }
        };
        let answer = known.ask(&rule, now).expect("within budget");
        let expected: serde_json::Value =
            serde_json::from_str(expected).unwrap_or_else(|error| panic!("{place}: {error}"));
        if json(&answer.value) != expected {
            wrong.push(format!("{place}: {text}\n    is {} and not {expected}", json(&answer.value)));
        }
        if let [until] = until {
            let changes_at = answer.changes_at.map_or("never".to_owned(), iso);
            if changes_at != *until {
                wrong.push(format!("{place}: {text}\n    holds until {changes_at} and not {until}"));
            }
        }
        // Every rule of the tables reads back from its canonical text.
        let printed = pql::print(rule.source());
        match pql::parse(&printed) {
            Ok(again) if again == *rule.source() => {}
            other => wrong.push(format!("{place}: {text}\n    prints as {printed}\n    which is {other:?}")),
        }
    }
    assert!(rows.len() >= 600, "only {} rows", rows.len());
    assert!(wrong.is_empty(), "{} of {} rows\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    assert!(rows.len() >= 400, "only {} rows", rows.len());
}

#[test]
fn what_is_wrong_is_refused_where_it_is_wrong() {
    let mut wrong = Vec::new();
    for (place, cells) in rows(".refusals.tsv") {
        let [code, position, text, expected, hint @ ..] = &cells[..] else { panic!("{place}: too few cells") };
        let Err(problem) = compile(text, Purpose::Value) else {
            wrong.push(format!("{place}: {text}\n    is taken"));
            continue;
        };
        let (line, column) = problem.at.line_column(text).expect("a place in the text");
        let hint = hint.first().cloned().unwrap_or_default();
        let is = (
            problem.code.as_str(),
            format!("{line}:{column}"),
            problem.expected.clone(),
            problem.hint.clone().unwrap_or_default(),
        );
        if is != (code.as_str(), position.clone(), expected.clone(), hint) {
            wrong.push(format!("{place}: {text}\n    {is:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
