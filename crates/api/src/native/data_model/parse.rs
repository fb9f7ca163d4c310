//! From requests to definitions and changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::IF_MATCH;
use serde_json::Value as Json;
use tessera_engine::model::{
    Allowed, Attribute, Definition, EventType, Flags, ItemList, Mode, Property, Scalar, Status, Type, Window,
};
use tessera_engine::value::{Path, Value};
use tessera_seam::answer::invalid;
use tessera_seam::extract::Query;
use tessera_service::error::Error;
use tessera_service::json::{Spelling, read_value};

use super::wire;

/// What is registered, as a whole.
pub(super) fn definition(wire: wire::Model) -> Result<Definition, Error> {
    let mut definition = Definition { mode: mode(&wire.mode, "mode")?, ..Definition::default() };
    for (name, own) in wire.datasets {
        let mode = mode(&own.mode, &format!("datasets.{name}"))?;
        definition.datasets.insert(name.into(), mode);
    }
    for (name, own) in wire.attributes {
        let path = path(&name)?;
        definition.attributes.insert(path, attribute(own, &name)?);
    }
    for (name, own) in wire.event_types {
        let event_type = event_type(own, &name)?;
        definition.event_types.insert(name.into(), event_type);
    }
    Ok(definition)
}

pub(super) fn mode(name: &str, place: &str) -> Result<Mode, Error> {
    Mode::parse(name).ok_or_else(|| invalid("data_model_invalid", format!("a mode is open, warn or strict at={place}")))
}

/// The path of an attribute or a property.
pub(super) fn path(text: &str) -> Result<Path, Error> {
    Path::parse(text).map_err(|error| invalid("data_model_invalid", format!("{error} path={text}")))
}

pub(super) fn attribute(wire: wire::Attribute, name: &str) -> Result<Attribute, Error> {
    Ok(Attribute {
        r#type: r#type(&wire.r#type, wire.of.as_deref(), name)?,
        status: status(&wire.status, name)?,
        flags: Flags { internal: wire.internal, private: wire.private },
        label: wire.label.map(Arc::from),
        description: wire.description.map(Arc::from),
        allowed: allowed(wire.allowed_values, wire.allow_other_values, name)?,
        relevance: window(wire.relevance.as_deref(), "relevance", name)?,
        retention: window(wire.retention.as_deref(), "retention", name)?,
    })
}

pub(super) fn event_type(wire: wire::EventType, name: &str) -> Result<EventType, Error> {
    let mut items = BTreeMap::new();
    for (own, list) in wire.items {
        let properties = properties(list.properties, &format!("{name}: {own}[]"))?;
        items.insert(path(&own)?, ItemList { required: list.required, properties });
    }
    Ok(EventType {
        status: status(&wire.status, name)?,
        flags: Flags { internal: wire.internal, private: wire.private },
        label: wire.label.map(Arc::from),
        description: wire.description.map(Arc::from),
        properties: properties(wire.properties, name)?,
        items,
        retention: window(wire.retention.as_deref(), "retention", name)?,
    })
}

fn properties(wire: BTreeMap<String, wire::Property>, within: &str) -> Result<BTreeMap<Path, Property>, Error> {
    let mut properties = BTreeMap::new();
    for (name, own) in wire {
        let place = format!("{within}: {name}");
        let property = Property {
            r#type: r#type(&own.r#type, own.of.as_deref(), &place)?,
            required: own.required,
            flags: Flags { internal: own.internal, private: own.private },
            description: own.description.map(Arc::from),
            allowed: allowed(own.allowed_values, own.allow_other_values, &place)?,
        };
        properties.insert(path(&name)?, property);
    }
    Ok(properties)
}

fn r#type(name: &str, of: Option<&str>, place: &str) -> Result<Type, Error> {
    let expected = |what: &str| invalid("data_model_invalid", format!("{what} at={place}"));
    let scalar = |name: &str| {
        let names = "of is text, number, integer, boolean, date or date_time";
        Scalar::parse(name).ok_or_else(|| expected(names))
    };
    let of = of.map(scalar).transpose()?;
    match (name, of) {
        ("set", of) => Ok(Type::Set { of }),
        ("list", of) => Ok(Type::List { of }),
        (_, Some(_)) => Err(expected("only a set or a list has of")),
        ("object", None) => Ok(Type::Object),
        (name, None) => Scalar::parse(name)
            .map(Type::Scalar)
            .ok_or_else(|| expected("a type is text, number, integer, boolean, date, date_time, set, list or object")),
    }
}

fn window(text: Option<&str>, member: &str, place: &str) -> Result<Option<Window>, Error> {
    let wrong = |error| invalid("data_model_invalid", format!("{member}: {error} at={place}"));
    text.map(|text| Window::parse(text).map_err(wrong)).transpose()
}

fn status(name: &str, place: &str) -> Result<Status, Error> {
    Status::parse(name)
        .ok_or_else(|| invalid("data_model_invalid", format!("a status is active or inactive at={place}")))
}

fn allowed(values: Option<Vec<Json>>, others: bool, place: &str) -> Result<Option<Allowed>, Error> {
    let wrong = |_| invalid("data_model_invalid", format!("an allowed value cannot be kept at={place}"));
    let read = |json: &Json| read_value(json, Spelling::Plain, 1).map_err(wrong);
    let Some(values) = values else {
        return if others {
            let message = format!("allow_other_values says something only beside allowed_values at={place}");
            Err(invalid("data_model_invalid", message))
        } else {
            Ok(None)
        };
    };
    Ok(Some(Allowed { values: values.iter().map(read).collect::<Result<Vec<Value>, _>>()?, others }))
}

/// The version that a change expects, by the header `If-Match`: `"7"`; none for `*` or without it.
pub(super) fn expected_version(headers: &HeaderMap) -> Result<Option<u64>, Error> {
    let Some(tag) = headers.get(IF_MATCH) else { return Ok(None) };
    let wrong = || invalid("header_invalid", "if-match is the etag of a data model, as in \"7\"");
    let tag = tag.to_str().map_err(|_| wrong())?.trim();
    if tag == "*" {
        return Ok(None);
    }
    let number = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).ok_or_else(wrong)?;
    number.parse().map(Some).map_err(|_| wrong())
}

/// Whether a parameter of the query says yes.
pub(super) fn says_yes(query: &Query, name: &str) -> Result<bool, Error> {
    match query.get(name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(invalid("query_invalid", format!("{name} is true or false"))),
    }
}
