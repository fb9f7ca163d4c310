//! Computed attributes and segments: read, written, and put in the order of what they name.
//!
//! One that is archived counts as not there, and has a version all the same. Of an edited one, what it will be is compared.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Map, Value, json};
use tessera_api::declared::{self, Named};
use ureq::http::Method;

use super::files::Declared;
use super::kinds::{self, Current, Key, Kind, Refused};
use super::plan::Change;
use crate::client::Client;
use crate::commands::ask::segment;
use crate::commands::table;

/// What a rule says, among the members of an answer.
const CONTENT: [&str; 7] = ["display_name", "description", "pql", "time_zone", "merge_policy", "of", "into"];

/// Reads all rules of a kind.
pub(super) fn read(kind: Kind, client: &Client, current: &mut Current) -> Result<()> {
    let mut cursor = None;
    loop {
        let more = cursor.as_deref().map(|cursor| segment(cursor).map(|cursor| format!("&cursor={cursor}")));
        let path = format!("{}?limit=1000{}", path(kind), more.transpose()?.unwrap_or_default());
        let answer = client.json(Method::GET, &path, None)?;
        cursor = answer["next_cursor"].as_str().map(str::to_owned);
        for mut item in kinds::items(answer)? {
            let name = kinds::taken_text(&mut item, "name")?;
            let version = item["version"].as_u64();
            current.versions.extend(version.map(|version| (Key::new(kind, Some(name.clone())), version)));
            if item["status"] != "archived" {
                current.put(kind, Some(name), content(item))?;
            }
        }
        if cursor.is_none() {
            return Ok(());
        }
    }
}

/// What a rule says or, where it is edited, will say, as files declare it.
fn content(mut item: Value) -> Value {
    let is_draft = item["status"] == "draft";
    // It is beside the versions of the rule, and holds for all of them.
    let control_group = item["control_group"].take();
    let next = item["next"].take();
    let Value::Object(said) = (if next.is_null() { item } else { next }) else { return Value::Null };
    let mut content: Map<String, Value> = said.into_iter().filter(|(name, _)| CONTENT.contains(&&**name)).collect();
    if !control_group.is_null() {
        content.insert("control_group".to_owned(), control_group);
    }
    if is_draft {
        content.insert("status".to_owned(), json!("draft"));
    }
    Value::Object(content)
}

/// Writes one rule, or archives it. `version` is that which was compared, none where there was no rule.
pub(super) fn write(
    client: &Client,
    key: &Key,
    after: Option<&Value>,
    version: Option<u64>,
) -> std::result::Result<(), Refused> {
    let name = segment(key.name.as_deref().unwrap_or_default()).map_err(Refused::NotAsked)?;
    let path = format!("{}/{name}", path(key.kind));
    if let Some(content) = after {
        let mut body = content.clone();
        body["version"] = json!(version.unwrap_or(0));
        return kinds::send(client, Method::PUT, &path, Some(&body));
    }
    // Archiving takes no version: it is read again just before. A change in the moment between is not noticed.
    let now = client.json(Method::GET, &path, None).map_err(Refused::NotAsked)?;
    if now["version"].as_u64() != version {
        return Err(Refused::Changed);
    }
    kinds::send(client, Method::DELETE, &path, None)
}

/// Tells what the server would say of the rules that are new or changed: names that nobody has heard of, types, letters. Names that these files
/// declare are known, also where nothing is written yet.
pub(super) fn warn(client: &Client, declared: &Declared, current: &Current, changes: &[Change]) {
    for change in changes.iter().filter(|change| is_rule(change.key.kind)) {
        let Some(after) = &change.after else { continue };
        let is_segment = matches!(change.key.kind, Kind::Segment);
        let policy = after["merge_policy"].as_str().filter(|policy| current.policies.contains(*policy));
        let purpose = if is_segment { "condition" } else { "value" };
        let body = json!({ "pql": after["pql"], "purpose": purpose, "merge_policy": policy });
        // It is advice: whoever may not ask is told nothing, and what is wrong was said already.
        let Ok(answer) = client.json(Method::POST, "/v1/rules:check", Some(&body)) else { return };
        for warning in answer["warnings"].as_array().into_iter().flatten() {
            let [kind, name, message] =
                ["kind", "name", "message"].map(|member| warning[member].as_str().unwrap_or_default());
            if is_declared(declared, kind, name) {
                continue;
            }
            eprintln!("warning: {}", table::plain(&format!("{}: {kind} {name}: {message}", change.key)));
        }
    }
}

/// Whether these files declare what a warning says was never heard of: a computed attribute, or a part of the data model.
fn is_declared(declared: &Declared, kind: &str, name: &str) -> bool {
    let has = |key: Key| declared.things.contains_key(&key);
    match kind {
        "attribute" => {
            let root = name.split_once('.').map_or(name, |(root, _)| root);
            let is_model = |(key, _): (&Key, &Value)| {
                key.kind == Kind::DataModel
                    && key.part == "attribute"
                    && key.name.as_deref().is_some_and(|own| own == name || is_above(own, name) || is_above(name, own))
            };
            has(Key::new(Kind::Attribute, Some(root.to_owned()))) || declared.things.iter().any(is_model)
        }
        "event_type" => has(Key::part("event_type", Some(name.to_owned()))),
        "property" => declared.things.iter().any(|(key, value)| {
            key.kind == Kind::DataModel && key.part == "event_type" && !value["properties"][name].is_null()
        }),
        _ => false,
    }
}

/// Whether a path leads through another one.
fn is_above(path: &str, below: &str) -> bool {
    below.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
}

const fn path(kind: Kind) -> &'static str {
    if matches!(kind, Kind::Segment) { "/v1/segments" } else { "/v1/attributes" }
}

/// The places in which declared rules are written: each behind those that it names, so that a strict data model knows them and none is
/// brought to everybody twice. Drafts have none and are named by nobody who runs.
///
/// # Errors
/// The rules that name each other in a circle.
pub(super) fn places(declared: &Declared) -> std::result::Result<BTreeMap<Key, usize>, Vec<Key>> {
    let runs = declared.things.iter().filter(|(key, rule)| is_rule(key.kind) && !is_draft(rule));
    let mut open: BTreeMap<&Key, Vec<Key>> = runs.map(|(key, rule)| (key, named_by(rule))).collect();
    let mut places = BTreeMap::new();
    // Quadratic where each names the next by name; fine to the few thousand that a workspace may have.
    while !open.is_empty() {
        let is_free = |names: &Vec<Key>| !names.iter().any(|name| open.contains_key(name));
        let Some(free) = open.iter().find(|(_, names)| is_free(names)).map(|(key, _)| *key) else {
            return Err(circle(&open));
        };
        open.remove(free);
        places.insert(free.clone(), places.len());
    }
    Ok(places)
}

/// A circle among rules of which each names another one of them.
fn circle(open: &BTreeMap<&Key, Vec<Key>>) -> Vec<Key> {
    let mut way: Vec<&Key> = Vec::new();
    let mut at = open.keys().next().copied();
    while let Some(key) = at {
        if let Some(first) = way.iter().position(|own| *own == key) {
            return way.drain(first..).chain([key]).cloned().collect();
        }
        way.push(key);
        at = open[key].iter().find(|name| open.contains_key(name));
    }
    Vec::new()
}

fn named_by(rule: &Value) -> Vec<Key> {
    let Named { attributes, segments } = declared::named_by(rule);
    let attributes = attributes.into_iter().map(|name| Key::new(Kind::Attribute, Some(name)));
    attributes.chain(segments.into_iter().map(|name| Key::new(Kind::Segment, Some(name)))).collect()
}

/// What no server would take of the rules that are declared.
pub(super) fn contradictions(declared: &Declared, current: &Current, changes: &[Change]) -> Vec<(Key, String)> {
    let mut found = Vec::new();
    let rules = declared.things.iter().filter(|(key, _)| is_rule(key.kind));
    for (key, rule) in rules {
        let is_running = current.things.get(key).is_some_and(|current| !is_draft(current));
        if is_draft(rule) && is_running {
            found.push((key.clone(), format!("{key}: it runs, and cannot become a draft (rule_runs)")));
        }
        let Some(policy) = rule["merge_policy"].as_str().filter(|_| !is_draft(rule)) else { continue };
        let policy_key = Key::new(Kind::MergePolicy, Some(policy.to_owned()));
        if !current.policies.contains(policy) && !declared.things.contains_key(&policy_key) {
            found.push((key.clone(), format!("{key}: there is no merge policy {policy}, and no file declares it")));
        }
        if changes.iter().any(|change| change.key == policy_key && change.after.is_none()) {
            let message = format!("is that of {key} and cannot be removed; declare it");
            found.push((policy_key, message));
        }
    }
    if let Err(circle) = places(declared) {
        let names: Vec<String> = circle.iter().map(Key::to_string).collect();
        let message = format!("a rule is expected not to depend on itself: {} (rule_cycle)", names.join(" -> "));
        found.extend(circle.first().map(|key| (key.clone(), message)));
    }
    found
}

fn is_draft(rule: &Value) -> bool {
    rule["status"] == "draft"
}

/// Whether things of this kind are computed attributes or segments.
pub(super) const fn is_rule(kind: Kind) -> bool {
    matches!(kind, Kind::Attribute | Kind::Segment)
}

/// Whether a server has kept something because something else is evaluated with it.
pub(super) fn is_in_use(refused: &Refused) -> bool {
    let Refused::Answered(answer) = refused else { return false };
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = body["error"]["code"].as_str().unwrap_or_default();
    matches!(code, "rule_in_use" | "merge_policy_in_use")
}
