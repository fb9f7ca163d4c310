use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::*;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn read(path: &str) -> String {
    let path = repository(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_guide_has_a_row_for_each() {
    let guide = read("docs/guide/operations.md");
    let begin = guide.find("## Metrics").expect("the table");
    let table = guide[begin + 3..].split("\n## ").next().expect("the table");
    let told: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| `tessera_"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let expected: Vec<Vec<String>> = ALL
        .iter()
        .map(|own| {
            let labels: Vec<String> = own.labels.iter().map(|label| format!("`{label}`")).collect();
            let kind = match own.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            vec![format!("`{}`", own.name), kind.to_owned(), labels.join(", "), own.help.to_owned()]
        })
        .collect();
    for (told, expected) in told.iter().zip(&expected) {
        assert_eq!(told, expected);
    }
    assert_eq!(told.len(), expected.len());
}

#[test]
fn names_say_what_they_are() {
    let names: BTreeSet<&str> = ALL.iter().map(|own| own.name).collect();
    assert_eq!(names.len(), ALL.len(), "each stands once");
    for own in ALL {
        assert!(own.name.starts_with("tessera_") && own.help.len() > 10, "{}", own.name);
        assert_eq!(own.name.ends_with("_total"), own.kind == Kind::Counter, "{}", own.name);
    }
}

/// The metrics that a text of queries names, as a scrape calls them.
fn named(text: &str) -> BTreeSet<String> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let starts = text.match_indices("tessera_").map(|(at, _)| at);
    let begins = starts.filter(|at| !text[..*at].ends_with(is_name));
    begins.map(|at| text[at..].chars().take_while(|letter| is_name(*letter)).collect()).collect()
}

/// Whether a scrape has a series of this name.
fn is_scraped(name: &str) -> bool {
    ALL.iter().any(|own| match own.kind {
        Kind::Counter | Kind::Gauge => own.name == name,
        Kind::Histogram => ["_bucket", "_sum", "_count"].iter().any(|end| name.strip_suffix(end) == Some(own.name)),
    })
}

#[test]
fn the_dashboard_asks_for_what_there_is() {
    let text = read("docs/monitoring/grafana.json");
    let dashboard: serde_json::Value = serde_json::from_str(&text).expect("the dashboard is JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut ids = BTreeSet::new();
    let mut asked = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "ids are unique: {panel}");
        assert!(
            panel["title"].as_str().is_some_and(|title| !title.is_empty()) && panel["gridPos"].is_object(),
            "{panel}"
        );
        if panel["type"] == "row" {
            continue;
        }
        let targets = panel["targets"].as_array().expect("targets");
        assert!(!targets.is_empty(), "{panel}");
        for target in targets {
            let query = target["expr"].as_str().expect("a query");
            let names = named(query);
            assert!(!names.is_empty(), "{query}");
            asked.extend(names);
        }
    }
    for name in &asked {
        assert!(is_scraped(name), "the dashboard asks for {name}, which is no metric");
    }
    assert!(asked.len() > 20, "it shows most of them: {asked:?}");
}

#[test]
fn alerts_ask_for_what_there_is() {
    let text = read("docs/monitoring/alerts.yaml");
    let names = named(&text);
    assert!(names.len() > 8, "{names:?}");
    for name in &names {
        assert!(is_scraped(name), "an alert asks for {name}, which is no metric");
    }
    // Each rule says when, how urgent it is, and what to do.
    let rules: Vec<&str> = text.split("\n      - alert: ").skip(1).collect();
    assert!(rules.len() > 8, "{}", rules.len());
    for rule in rules {
        for part in ["\n        expr: ", "\n        for: ", "severity: ", "summary: ", "description: "] {
            assert!(rule.contains(part), "{part} in {rule}");
        }
        assert_eq!(rule.matches('(').count(), rule.matches(')').count(), "{rule}");
    }
}
