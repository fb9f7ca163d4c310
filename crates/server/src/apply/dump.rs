//! What a server has, as the documents that declare it.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Map, Value, json};
use ureq::http::Method;

use super::kinds::{self, Current, Key, Kind};
use crate::client::Client;
use crate::commands::ask::encoded;

/// The whole configuration of a workspace, in the order in which it would be written. Limits of workspaces that have none are left
/// out, and so are archived rules.
pub(crate) fn documents(client: &Client) -> Result<Vec<Value>> {
    let mut keys: Vec<Key> =
        Kind::ALL.into_iter().filter(|kind| *kind != Kind::RateLimit).map(|kind| Key::new(kind, None)).collect();
    keys.extend(workspaces(client)?.into_iter().map(|name| Key::new(Kind::RateLimit, Some(name))));
    let current = Current::read(client, keys.iter())?;
    let mut documents = Vec::new();
    let mut model: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut mode = None;
    for (key, value) in &current.things {
        match (key.kind, key.part, &key.name) {
            (Kind::DataModel, part, Some(name)) => {
                model.entry(part).or_default().insert(name.clone(), value.clone());
            }
            (Kind::DataModel, _, None) => mode = Some(value.clone()),
            (Kind::RateLimit, _, _) if value["rate_limit"].is_null() => {}
            (kind, _, Some(name)) => documents.push((kind, json!({"kind": kind.name(), "name": name, "spec": value}))),
            (kind, _, None) => documents.push((kind, json!({"kind": kind.name(), "spec": value}))),
        }
    }
    let mut spec = json!({ "mode": mode.unwrap_or_else(|| json!("open")) });
    for (part, members) in [("dataset", "datasets"), ("attribute", "attributes"), ("event_type", "event_types")] {
        if let Some(declared) = model.remove(part) {
            spec[members] = Value::Object(declared);
        }
    }
    documents.push((Kind::DataModel, json!({"kind": Kind::DataModel.name(), "spec": spec})));
    documents.sort_by_key(|(kind, _)| *kind);
    Ok(documents.into_iter().map(|(_, document)| document).collect())
}

fn workspaces(client: &Client) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let after = cursor.map(|cursor| format!("&cursor={}", encoded(&cursor))).unwrap_or_default();
        let page = client.json(Method::GET, &format!("/v1/admin/workspaces?limit=1000{after}"), None)?;
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        for mut item in kinds::items(page)? {
            names.push(kinds::taken_text(&mut item, "name")?);
        }
        if cursor.is_none() {
            return Ok(names);
        }
    }
}
