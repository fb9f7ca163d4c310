//! Entities as answers show them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tessera_engine::time::Timestamp;
use tessera_expr::facts::Membership;
use tessera_seam::app::App;
use tessera_service::clock::format_seconds;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::{UnitIdentity, UnitProfile};

use super::super::computed_attributes::{Generation, Place};
use super::super::enter::Asked;
use super::super::namespaces::code_of;
use super::super::xid::Named;
use super::parse::Shape;

/// How long a membership is told of that has ended (spec/adobe.md section 2.5).
const EXITED_MICROS: i64 = 30 * 24 * 3_600 * 1_000_000;

/// A unit in its wrapper (section 4.3).
///
/// # Errors
/// `internal` for what was stored and cannot be read.
pub(super) fn wrapped(
    app: &App,
    asked: &Asked,
    named: &Named,
    unit: &UnitProfile,
    shape: &Shape,
) -> Result<Value, Error> {
    let graph = unit.identities.iter().map(|own| app.service.pseudonym_of(asked.workspace(), &own.identity));
    let mut wrapped = json!({
        "entityId": named.xid,
        "mergePolicy": { "id": shape.policy_told },
        "sources": unit.datasets,
        "identityGraph": graph.collect::<Vec<_>>(),
        "entity": entity(app, unit, shape)?,
        "lastModifiedAt": format_seconds(unit.updated_at)
    });
    if !unit.batches.is_empty() {
        wrapped["tags"] = json!(unit.batches);
    }
    Ok(wrapped)
}

/// What stands for somebody who is not there, among others (section 4.6).
pub(super) fn stub(named: &Named) -> Value {
    json!({ "entityId": named.xid, "sources": [""], "entity": {}, "lastModifiedAt": "1970-01-01T00:00:00Z" })
}

/// The document of a unit, as far as it is asked for.
fn entity(app: &App, unit: &UnitProfile, shape: &Shape) -> Result<Value, Error> {
    let mut entity = Map::new();
    for (name, json) in &unit.attributes {
        entity.insert(name.to_string(), serde_json::from_slice(json).map_err(|_| unreadable())?);
    }
    // Those of the first generation are shown where they are asked for.
    let is_shown = |place: &&Place| shape.with_computed || place.generation == Generation::Current;
    for place in shape.places.iter().filter(is_shown) {
        if let Some((_, json)) = unit.computed.iter().find(|(name, _)| *name == place.name) {
            set(&mut entity, &place.path, serde_json::from_slice(json).map_err(|_| unreadable())?);
        }
    }
    entity.insert("identityMap".to_owned(), identity_map(&unit.identities));
    let memberships = memberships(unit, app.now().micros());
    if !memberships.is_empty() {
        // Those of other systems, which were sent, stand beside them.
        set(&mut entity, "segmentMembership.ups", json!(memberships));
    }
    let Some(fields) = &shape.fields else { return Ok(Value::Object(entity)) };
    let mut shown = project(&Value::Object(entity), fields);
    if fields.iter().any(|path| path == "identities") {
        shown["identities"] = unit.identities.iter().map(identity).collect();
    }
    Ok(shown)
}

fn unreadable() -> Error {
    Error::new(ErrorKind::Internal, "internal", "an attribute that was stored is no json")
}

/// Puts a value at a name, whose parts are joined by dots.
pub(super) fn set(object: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            object.insert(name.to_owned(), value);
        }
        Some((first, rest)) => {
            let below = object.entry(first).or_insert_with(|| json!({}));
            if !below.is_object() {
                *below = json!({});
            }
            if let Some(below) = below.as_object_mut() {
                set(below, rest, value);
            }
        }
    }
}

/// Identities as XDM has them: lists by the code of their namespace (section 2.4).
fn identity_map(identities: &[UnitIdentity]) -> Value {
    let mut map: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for own in identities {
        let mut item = json!({ "id": &*own.identity.value });
        if own.owns_newest {
            item["primary"] = true.into();
        }
        map.entry(code_of(&own.identity.namespace)).or_default().push(item);
    }
    json!(map)
}

/// An identity in the list `identities` (section 4.3).
fn identity(own: &UnitIdentity) -> Value {
    let mut item = json!({ "id": &*own.identity.value, "namespace": { "code": code_of(&own.identity.namespace) } });
    if own.owns_newest {
        item["primary"] = true.into();
    }
    item
}

/// When what is told of a unit is next another by itself, beside what the unit says: those who left a segment are told of for a while.
pub(super) fn valid_until(unit: &UnitProfile, now: Timestamp) -> Option<Timestamp> {
    let left = unit.memberships.iter().filter_map(|(_, stands)| match stands {
        Membership::Outside { left: Some(left) } => Some(left.plus_micros(EXITED_MICROS)),
        Membership::Inside { .. } | Membership::Outside { left: None } => None,
    });
    left.filter(|until| *until > now).min()
}

fn memberships(unit: &UnitProfile, now_micros: i64) -> BTreeMap<&str, Value> {
    let told = unit.memberships.iter().filter_map(|(name, stands)| {
        let (at, status) = match stands {
            Membership::Inside { entered, .. } => (*entered, "realized"),
            Membership::Outside { left: Some(left) } if now_micros - left.micros() < EXITED_MICROS => (*left, "exited"),
            Membership::Outside { .. } => return None,
        };
        Some((&**name, json!({ "lastQualificationTime": format_seconds(at), "status": status })))
    });
    told.collect()
}

/// What of a document stands at these paths and below them; through lists, of each of their items. Paths at which nothing stands say nothing.
pub(super) fn project(document: &Value, paths: &[String]) -> Value {
    let mut wanted = Wanted::default();
    for path in paths.iter().filter(|path| !path.is_empty()) {
        wanted.add(path);
    }
    wanted.of(document).unwrap_or_else(|| json!({}))
}

/// Names that are asked for, and what of each.
#[derive(Default)]
struct Wanted<'a>(BTreeMap<&'a str, Option<Wanted<'a>>>);

impl<'a> Wanted<'a> {
    fn add(&mut self, path: &'a str) {
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        match (self.0.get_mut(name), rest) {
            // All of it is asked for already.
            (Some(None), _) => {}
            (Some(Some(below)), Some(rest)) => below.add(rest),
            (_, None) => {
                self.0.insert(name, None);
            }
            (None, Some(rest)) => {
                let mut below = Wanted::default();
                below.add(rest);
                self.0.insert(name, Some(below));
            }
        }
    }

    fn of(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Object(members) => {
                let shown = self.0.iter().filter_map(|(name, below)| {
                    let own = members.get(*name)?;
                    let shown = below.as_ref().map_or_else(|| Some(own.clone()), |below| below.of(own))?;
                    Some(((*name).to_owned(), shown))
                });
                let shown: Map<String, Value> = shown.collect();
                (!shown.is_empty()).then_some(Value::Object(shown))
            }
            Value::Array(items) => {
                let shown: Vec<Value> = items.iter().filter_map(|item| self.of(item)).collect();
                (!shown.is_empty()).then_some(Value::Array(shown))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_selects_what_stands_below_it() {
        let document = json!({ "person": { "name": { "first": "A", "last": "B" }, "born": 1 },
            "items": [{ "sku": 1, "price": 2 }, { "price": 3 }, 4], "tier": "gold" });
        for (paths, expected) in [
            (&["person.name"][..], json!({ "person": { "name": { "first": "A", "last": "B" } } })),
            (&["person.name.first", "tier"], json!({ "person": { "name": { "first": "A" } }, "tier": "gold" })),
            (&["person.name", "person"], json!({ "person": document["person"] })),
            (&["person", "person.name"], json!({ "person": document["person"] })),
            (&["items.price"], json!({ "items": [{ "price": 2 }, { "price": 3 }] })),
            (&["nothing", "person.nothing", "tier.nothing", ""], json!({})),
        ] {
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            assert_eq!(project(&document, &paths), expected, "{paths:?}");
        }
    }
}
