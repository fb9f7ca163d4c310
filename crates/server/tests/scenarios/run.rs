//! Goes through a scenario step by step, and says where an answer is not as expected.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::harness::doors::{Ask, Doors, Reply};
use super::scenario::{Expected, Keep, Rows, Scenario, Step};

/// How often a step is asked that waits for a job: with some milliseconds for each, minutes.
const TRIES_MAX: usize = 20_000;

/// What stands for `{names}` in texts: `{run}`, twelve hexadecimal digits of this run alone, `{digits}`, seven decimal ones, `{ago:3600}`, the
/// time so many seconds before the run began, `{day:1}`, the day so many days before it, and what steps have kept.
pub(crate) struct Names {
    began: Timestamp,
    kept: BTreeMap<String, String>,
}

impl Names {
    /// Those of a run that began at this time; no other run of the same number has begun within the same millisecond.
    pub(crate) fn new(began: Timestamp, number: u64) -> Self {
        let mark = (u64::try_from(began.as_millisecond()).expect("a time after 1970") << 7 | number) & 0xffff_ffff_ffff;
        let digits = format!("{:07}", mark % 10_000_000);
        let kept = [("run".to_owned(), format!("{mark:012x}")), ("digits".to_owned(), digits)];
        Self { began, kept: kept.into() }
    }

    fn one(&self, name: &str) -> String {
        let seconds = |count: &str, each: i64| {
            let count: i64 = count.parse().unwrap_or_else(|_| panic!("{{{name}}} has no number"));
            self.began - SignedDuration::from_secs(count * each)
        };
        match name.split_once(':') {
            Some(("ago", count)) => seconds(count, 1).strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            Some(("day", count)) => seconds(count, 86_400).strftime("%Y-%m-%d").to_string(),
            _ => self.kept.get(name).unwrap_or_else(|| panic!("nothing is known as {{{name}}}")).clone(),
        }
    }

    /// A text with what its names stand for.
    pub(crate) fn fill(&self, text: &str) -> String {
        let mut parts = text.split('{');
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap_or_else(|| panic!("{text}: a name that does not end"));
            filled.push_str(&self.one(name));
            filled.push_str(rest);
        }
        filled
    }

    /// A value with what the names in its texts and members stand for.
    pub(crate) fn fill_all(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill(text)),
            Value::Array(items) => items.iter().map(|item| self.fill_all(item)).collect(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| (self.fill(name), self.fill_all(value))).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
}

/// Runs a scenario to its end.
///
/// # Errors
/// The first step whose answer is not as expected, with all that is wrong with it.
pub(crate) fn run(scenario: &Scenario, doors: &Doors, names: &mut Names) -> Result<(), String> {
    for (at, step) in scenario.steps.iter().enumerate() {
        let tries = if step.until { TRIES_MAX } else { 1 };
        let mut wrong = Vec::new();
        for _ in 0..tries {
            let reply = ask(step, doors, names);
            wrong = faults(step, &reply, names);
            if wrong.is_empty() {
                keep(step, &reply, names);
                break;
            }
            wrong.push(format!("answered: {} {}", reply.status, reply.text));
        }
        if !wrong.is_empty() {
            let request = names.fill(&step.request);
            return Err(format!("step {}, {}\n{request}\n{}", at + 1, step.proves, wrong.join("\n")));
        }
    }
    Ok(())
}

fn ask(step: &Step, doors: &Doors, names: &Names) -> Reply {
    let request = names.fill(&step.request);
    let (method, path) = request.split_once(' ').expect("method and path");
    let headers = step.headers.iter().map(|(name, value)| (name.clone(), names.fill(value))).collect();
    let body = step.body.as_ref().map(|body| names.fill_all(body));
    let key = step.key.as_ref().map(|key| names.fill(key));
    let ask = Ask { door: step.door, method, path, headers, body: body.as_ref(), key: key.as_deref() };
    doors.ask(&ask).unwrap_or_else(|error| panic!("{request}: {error}"))
}

fn keep(step: &Step, reply: &Reply, names: &mut Names) {
    let json = reply.json();
    for (name, place) in &step.keep {
        let value = match place {
            Keep::Place(place) => standing(&json, place),
            Keep::Of { list, like, at } => {
                let items = standing(&json, list).and_then(Value::as_array);
                items.and_then(|items| items.iter().find(|item| is_like(item, like, names))?.pointer(at))
            }
        };
        let value = value.unwrap_or_else(|| panic!("{}: nothing at {place:?}: {json}", step.request));
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        names.kept.insert(name.clone(), text);
    }
    for rows in &step.expected.csv {
        let Some(row) = table(&reply.text).into_iter().find(|row| holds(row, &rows.r#where, names)) else { continue };
        for (name, column) in &rows.keep {
            names.kept.insert(name.clone(), row[column].clone());
        }
    }
}

/// What stands at a JSON pointer, in which `*` is the only member of an object: some answers name it by an id of theirs.
fn standing<'a>(json: &'a Value, place: &str) -> Option<&'a Value> {
    let Some((before, rest)) = place.split_once("/*") else { return json.pointer(place) };
    let members = json.pointer(before)?.as_object().filter(|members| members.len() == 1)?;
    standing(members.values().next()?, rest)
}

/// What is wrong with an answer.
pub(crate) fn faults(step: &Step, reply: &Reply, names: &Names) -> Vec<String> {
    let mut found = Vec::new();
    if reply.status != step.status {
        found.push(format!("expected the status {}", step.status));
    }
    let json = reply.json();
    let Expected { has, differs, lacks, .. } = &step.expected;
    for (place, expected) in has {
        let (place, expected) = (names.fill(place), names.fill_all(expected));
        if standing(&json, &place) != Some(&expected) {
            found.push(format!("expected {expected} at {place}"));
        }
    }
    for (place, other) in differs {
        let (place, other) = (names.fill(place), names.fill_all(other));
        if standing(&json, &place).is_none_or(|own| *own == other) {
            found.push(format!("expected another value than {other} at {place}"));
        }
    }
    for place in lacks.iter().map(|place| names.fill(place)) {
        if standing(&json, &place).is_some() || json.is_null() {
            found.push(format!("expected nothing at {place}"));
        }
    }
    found.extend(list_faults(&step.expected, &json, names));
    found.extend(step.expected.csv.iter().filter_map(|rows| rows_fault(rows, &reply.text, names)));
    found
}

fn list_faults(expected: &Expected, json: &Value, names: &Names) -> Vec<String> {
    let mut found = Vec::new();
    let Expected { counts, some, none, all, .. } = expected;
    let list = |place: &str| standing(json, place).and_then(Value::as_array).map(Vec::as_slice);
    for (place, count) in counts {
        if list(place).map(<[Value]>::len) != Some(*count) {
            found.push(format!("expected {count} items at {place}"));
        }
    }
    for (place, items) in some {
        let is_there = |item| list(place).is_some_and(|list| list.iter().any(|own| is_like(own, item, names)));
        found.extend(items.iter().filter(|item| !is_there(item)).map(|item| format!("expected {item:?} at {place}")));
    }
    for (place, items) in none {
        let is_absent = |item| list(place).is_some_and(|list| !list.iter().any(|own| is_like(own, item, names)));
        found.extend(
            items.iter().filter(|item| !is_absent(item)).map(|item| format!("expected no {item:?} at {place}")),
        );
    }
    for (place, items) in all {
        let sorted = |items: Vec<String>| {
            let mut items = items;
            items.sort_unstable();
            items
        };
        let expected = sorted(items.iter().map(|item| names.fill_all(item).to_string()).collect());
        let answered = list(place).map(|list| sorted(list.iter().map(Value::to_string).collect()));
        if answered.as_ref() != Some(&expected) {
            found.push(format!("expected {expected:?} at {place}"));
        }
    }
    found
}

fn is_like(item: &Value, said: &BTreeMap<String, Value>, names: &Names) -> bool {
    said.iter().all(|(place, expected)| item.pointer(&names.fill(place)) == Some(&names.fill_all(expected)))
}

fn rows_fault(rows: &Rows, text: &str, names: &Names) -> Option<String> {
    let table = table(text);
    let found: Vec<_> = table.iter().filter(|row| holds(row, &rows.r#where, names)).collect();
    let has_columns = csv::Reader::from_reader(text.as_bytes())
        .headers()
        .is_ok_and(|headers| rows.r#where.keys().all(|column| headers.iter().any(|own| own == column)));
    let is_right = has_columns && found.len() == rows.rows && found.iter().all(|row| holds(row, &rows.have, names));
    (!is_right).then(|| format!("expected {} rows with {:?} that have {:?}", rows.rows, rows.r#where, rows.have))
}

fn holds(row: &BTreeMap<String, String>, values: &BTreeMap<String, String>, names: &Names) -> bool {
    values.iter().all(|(column, value)| row.get(column) == Some(&names.fill(value)))
}

/// The rows of a CSV by their columns.
fn table(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows = reader.deserialize().map_while(Result::ok);
    rows.collect()
}
