//! Profiles for tests: facts in memory, read from JSON.

#![allow(dead_code, reason = "each test program uses its own part")]

pub(crate) mod maker;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;
use tessera_expr::ast::Name;
use tessera_expr::calendar::Zone;
use tessera_expr::eval::{Frame, OverBudget};
use tessera_expr::facts::{Facts, Kept, Membership, look_into};
use tessera_expr::limits::STEPS_MAX;
use tessera_expr::plan::Aggregate;
use tessera_expr::pql;
use tessera_expr::problem::Problem;
use tessera_expr::rule::{Answer, Purpose, Rule};
use tessera_expr::time::Timestamp;
use tessera_expr::value::{Decimal, Tree, Value};

/// A profile.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) attributes: Tree,
    /// In the order of their times.
    pub(crate) events: Vec<Event>,
    pub(crate) segments: BTreeMap<String, Membership>,
    pub(crate) zone: Zone,
    /// Aggregates by their keys.
    pub(crate) kept: BTreeMap<String, Kept>,
}

#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) at: Timestamp,
    pub(crate) name: Name,
    /// An object.
    pub(crate) body: Value,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            attributes: Tree::new(),
            events: Vec::new(),
            segments: BTreeMap::new(),
            zone: Zone::utc(),
            kept: BTreeMap::new(),
        }
    }
}

impl Facts for Known {
    fn attributes(&self) -> &Tree {
        &self.attributes
    }

    fn event_count(&self) -> usize {
        self.events.len()
    }

    fn event_time(&self, event: usize) -> Timestamp {
        self.events[event].at
    }

    fn event_name(&self, event: usize) -> Name {
        self.events[event].name.clone()
    }

    fn event_value(&self, event: usize, names: &[Name]) -> (Value, usize) {
        look_into(&self.events[event].body, names)
    }

    fn membership(&self, segment: &str) -> Membership {
        self.segments.get(segment).copied().unwrap_or(Membership::Outside { left: None })
    }

    fn kept(&self, aggregate: &Aggregate) -> Option<Kept> {
        self.kept.get(aggregate.key()).cloned()
    }
}

impl Known {
    /// `{"profile": {...}, "events": [{"eventType", "timestamp", ...}], "segments": {"id": {"entered", "left"}}, "zone": "CET-1"}`
    pub(crate) fn read(json: &str) -> Self {
        let json: Json = serde_json::from_str(json).expect("facts are JSON");
        let mut known = Self { attributes: tree(&json["profile"]), ..Self::default() };
        for event in json["events"].as_array().into_iter().flatten() {
            let at = time(event["timestamp"].as_str().expect("a time"));
            let name = event["eventType"].as_str().expect("a name").into();
            known.events.push(Event { at, name, body: value(event) });
        }
        known.events.sort_by_key(|event| event.at);
        for (id, times) in json["segments"].as_object().into_iter().flatten() {
            let at = |name: &str| times[name].as_str().map(time);
            let membership = match at("entered") {
                Some(entered) => Membership::Inside { entered, left: at("left") },
                None => Membership::Outside { left: at("left") },
            };
            known.segments.insert(id.clone(), membership);
        }
        if let Some(zone) = json["zone"].as_str() {
            known.zone = Zone::posix(zone).expect("a zone");
        }
        known
    }

    pub(crate) fn ask(&self, rule: &Rule, now: Timestamp) -> Result<Answer, OverBudget> {
        rule.evaluate(self, &Frame { now, zone: &self.zone, steps_max: STEPS_MAX })
    }
}

pub(crate) fn compile(text: &str, purpose: Purpose) -> Result<Rule, Problem> {
    Rule::compile(pql::parse(text)?, purpose)
}

pub(crate) fn time(text: &str) -> Timestamp {
    // Through the language itself, which reads every spelling: the year of a text is asked for, and its parts.
    let rule = compile(
        &format!("[\"{text}\"].map((T) => date(T.getYear(), T.getMonth(), T.getDayOfMonth())).head()"),
        Purpose::Value,
    )
    .expect("a rule");
    let day =
        rule.evaluate(&Known::default(), &Frame { now: Timestamp::MIN, zone: &Zone::utc(), steps_max: STEPS_MAX });
    let Value::Timestamp(day) = day.expect("within budget").value else { panic!("{text} is no time") };
    day.plus_micros(micros_of_day(text))
}

/// What stands behind the day in `2026-03-01T12:30:00.5Z`.
fn micros_of_day(text: &str) -> i64 {
    let Some(clock) = text.get(11..).map(|clock| clock.trim_end_matches('Z')) else { return 0 };
    let mut parts = clock.split(':');
    let mut whole = |scale: i64| parts.next().and_then(|part| part.parse::<i64>().ok()).unwrap_or(0) * scale;
    let (hours, minutes) = (whole(3_600_000_000), whole(60_000_000));
    let seconds = clock.split(':').nth(2).unwrap_or("0");
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let fraction: i64 = format!("{fraction:0<6}").parse().expect("a fraction");
    hours + minutes + seconds.parse::<i64>().expect("seconds") * 1_000_000 + fraction
}

pub(crate) fn tree(json: &Json) -> Tree {
    match json {
        Json::Object(members) if !is_special(json) => {
            Tree::Node(members.iter().map(|(name, member)| (Arc::from(name.as_str()), tree(member))).collect())
        }
        _ => Tree::Leaf(value(json)),
    }
}

fn is_special(json: &Json) -> bool {
    json.get("$time").is_some() || json.get("$set").is_some()
}

/// `{"$time": "…"}` is an instant, `{"$set": […]}` a set.
pub(crate) fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => Value::Number(Decimal::parse(&number.to_string()).expect("a number")),
        Json::String(text) => Value::text(text),
        Json::Array(items) => Value::List(items.iter().map(value).collect()),
        Json::Object(members) => match (json.get("$time"), json.get("$set")) {
            (Some(at), _) => Value::Timestamp(time(at.as_str().expect("a text"))),
            (_, Some(items)) => Value::set(items.as_array().into_iter().flatten().map(value).collect()),
            _ => {
                Value::object(members.iter().map(|(name, member)| (Arc::from(name.as_str()), value(member))).collect())
            }
        },
    }
}

/// A value as JSON, with instants and sets as [`value`] reads them.
pub(crate) fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Number(number) => serde_json::from_str(&number.to_string()).expect("a number is JSON"),
        Value::Text(text) => Json::String(text.to_string()),
        Value::Timestamp(at) => serde_json::json!({ "$time": iso(*at) }),
        Value::List(items) => Json::Array(items.iter().map(json).collect()),
        Value::Set(items) => serde_json::json!({ "$set": items.iter().map(json).collect::<Vec<_>>() }),
        Value::Object(members) => {
            Json::Object(members.iter().map(|(name, value)| (name.to_string(), json(value))).collect())
        }
    }
}

/// An instant as text, without an offset's need.
pub(crate) fn iso(at: Timestamp) -> String {
    let (days, rest) = (at.micros().div_euclid(86_400_000_000), at.micros().rem_euclid(86_400_000_000));
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (seconds, micros) = (rest / 1_000_000, rest % 1_000_000);
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}").trim_end_matches('0').to_owned() };
    format!("{year:04}-{month:02}-{day:02}T{clock}{fraction}Z")
}
