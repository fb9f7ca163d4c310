//! Schemas, descriptors and datasets as they are sent.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tessera_engine::time::Timestamp;
use tessera_seam::answer::invalid;
use tessera_seam::body;
use tessera_seam::extract::Query;
use tessera_service::error::Error;
use tessera_service::workspace_config::StoredConfig;

use super::super::errors::invalid_parameter;
use super::super::namespaces;
use super::kept::{DESCRIPTOR_TYPE, Dataset, Descriptor, Free, Schema, XdmClass};

/// Datasets of one page.
const DATASETS_MAX: usize = 100;

/// An id of something that has a kind and a name in a place, in hexadecimal digits.
fn id_of(parts: &[&str], bytes: usize) -> String {
    let hash = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part.as_bytes()).chain_update([0]));
    hash.finalize().iter().take(bytes).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn expected(member: &str, what: &str) -> Error {
    invalid("body_invalid", format!("{member}: {what}"))
}

fn text<'a>(sent: &'a Map<String, Value>, member: &str) -> Result<&'a str, Error> {
    let found = sent.get(member).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    found.ok_or_else(|| expected(member, "a text is required"))
}

const fn millis(at: Timestamp) -> i64 {
    at.micros().div_euclid(1_000)
}

/// Reads a schema. Its id is made of its title, which is unique.
///
/// # Errors
/// `body_invalid`.
pub(super) fn schema(Free(sent): Free, org: &str, now: Timestamp) -> Result<Schema, Error> {
    let title = text(&sent, "title")?;
    let refs = sent.get("allOf").and_then(Value::as_array).into_iter().flatten();
    let named = sent.get("meta:class").and_then(Value::as_str);
    let refs: Vec<&str> = refs.filter_map(|own| own.get("$ref")?.as_str()).chain(named).collect();
    let classes = XdmClass::ALL;
    let mut found = classes.iter().filter(|(_, id, _)| refs.contains(id)).map(|(class, _, _)| *class);
    let (Some(class), None) = (found.next(), found.next()) else {
        let ids: Vec<&str> = classes.iter().map(|(_, id, _)| *id).collect();
        return Err(expected("allOf", &format!("a reference to one class is required: {}", ids.join(", "))));
    };
    let id = id_of(&["schema", title], 20);
    let tenant = org.split('@').next().unwrap_or_default();
    let uri = format!("https://ns.adobe.com/{tenant}/schemas/{id}");
    Ok(Schema { id, uri, class, sent, created: millis(now) })
}

/// Reads an identity descriptor.
///
/// # Errors
/// `body_invalid`, `namespace_unknown`.
pub(super) fn descriptor(Free(sent): Free, config: &StoredConfig) -> Result<Descriptor, Error> {
    if text(&sent, "@type")? != DESCRIPTOR_TYPE {
        return Err(expected("@type", "xdm:descriptorIdentity is expected: no other descriptor has a meaning here"));
    }
    let schema = text(&sent, "xdm:sourceSchema")?.to_owned();
    let property = text(&sent, "xdm:sourceProperty")?;
    let path: Vec<String> = property.split('/').skip(1).map(str::to_owned).collect();
    if !property.starts_with('/') || path.iter().any(String::is_empty) {
        return Err(expected(
            "xdm:sourceProperty",
            "a path is expected that begins with a / and does not end with one",
        ));
    }
    let code = text(&sent, "xdm:namespace")?.to_owned();
    namespaces::named(config, &code)?;
    let is_primary = match sent.get("xdm:isPrimary") {
        None => false,
        Some(Value::Bool(is_primary)) => *is_primary,
        Some(_) => return Err(expected("xdm:isPrimary", "true or false is expected")),
    };
    let id = id_of(&["descriptor", &schema, property], 20);
    Ok(Descriptor { id, schema, path, code, is_primary, sent })
}

/// Reads a dataset. Its id is made of its name, which is unique in its sandbox.
///
/// # Errors
/// `body_invalid`.
pub(super) fn dataset(Free(mut sent): Free, sandbox: &str, now: Timestamp) -> Result<Dataset, Error> {
    let name = text(&sent, "name")?.to_owned();
    let schema = sent.get("schemaRef").and_then(|own| own.get("id")?.as_str()).map(str::to_owned);
    let schema = schema.ok_or_else(|| expected("schemaRef.id", "the $id of a schema is required"))?;
    let tags = sent.remove("tags").map(|own| tags(&own)).transpose()?.unwrap_or_default();
    let (id, created) = (id_of(&["dataset", sandbox, &name], 12), millis(now));
    Ok(Dataset { id, name, schema, tags, sent, created, updated: created })
}

fn tags(sent: &Value) -> Result<BTreeMap<String, Vec<String>>, Error> {
    serde_json::from_value(sent.clone()).map_err(|_| expected("tags", "lists of texts by name are expected"))
}

/// Reads which part of a list is wanted.
///
/// # Errors
/// `query_invalid`, `limit_invalid`.
pub(crate) fn page(query: &Query) -> Result<(usize, usize), Error> {
    let start = query.get("start").map(str::parse).transpose();
    let start = start.map_err(|_| invalid_parameter("start", "a whole number is expected"))?;
    Ok((start.unwrap_or(0), query.limit(DATASETS_MAX, DATASETS_MAX)?))
}

/// One change of a dataset.
#[derive(Debug, Clone)]
pub(super) struct Change {
    /// The names on the way to what changes.
    path: Vec<String>,
    /// What stands there from now on, if anything does.
    value: Option<Value>,
}

impl Change {
    pub(super) fn apply(&self, dataset: &mut Dataset) -> Result<(), Error> {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        match (&path[..], &self.value) {
            (["tags"], value) => dataset.tags = value.as_ref().map(tags).transpose()?.unwrap_or_default(),
            (["tags", name], None) => drop(dataset.tags.remove(*name)),
            (["tags", name], Some(value)) => {
                let values = serde_json::from_value(value.clone());
                let values = values.map_err(|_| expected("tags", "a list of texts is expected"))?;
                dataset.tags.insert((*name).to_owned(), values);
            }
            (["description"], None) => drop(dataset.sent.remove("description")),
            (["description"], Some(value @ Value::String(_))) => {
                dataset.sent.insert("description".to_owned(), value.clone());
            }
            _ => return Err(expected(&self.path.join("/"), "only the description and tags of a dataset change")),
        }
        Ok(())
    }
}

/// Reads changes: operations of JSON Patch, or the members that are to be others.
///
/// # Errors
/// `json_invalid`, `body_invalid`.
pub(super) fn changes(bytes: &[u8]) -> Result<Vec<Change>, Error> {
    let sent: Value = serde_json::from_str(body::text(bytes)?).map_err(|error| body::json_error(&error))?;
    match sent {
        Value::Array(operations) => operations.iter().map(operation).collect(),
        Value::Object(members) => {
            let change = |(name, value)| match value {
                Value::Object(below) if name == "tags" => {
                    let own = below.into_iter().map(|(tag, value)| Change {
                        path: vec!["tags".to_owned(), tag],
                        value: Some(value).filter(|value| !value.is_null()),
                    });
                    own.collect()
                }
                value => vec![Change { path: vec![name], value: Some(value).filter(|value| !value.is_null()) }],
            };
            Ok(members.into_iter().flat_map(change).collect())
        }
        _ => Err(expected("the body", "a list of operations, or an object, is expected")),
    }
}

fn operation(sent: &Value) -> Result<Change, Error> {
    let member = |name: &str| sent.get(name).and_then(Value::as_str);
    let path = member("path").filter(|path| path.starts_with('/'));
    let path = path.ok_or_else(|| expected("path", "it is required, and begins with a /"))?;
    let path = path.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~")).collect();
    match (member("op"), sent.get("value")) {
        (Some("add" | "replace"), Some(value)) => Ok(Change { path, value: Some(value.clone()) }),
        (Some("remove"), _) => Ok(Change { path, value: None }),
        _ => Err(expected("op", "add or replace with a value, or remove, is expected")),
    }
}
