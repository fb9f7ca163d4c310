//! What a definition has to keep to.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Allowed, Attribute, DataModel, Definition, EventType, Property, Type, Window};
use crate::value::{Path, Value};

/// Why a definition is no data model. Names of registered things are no values of people, so they are told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidModel {
    /// There are more of something than there may be.
    #[error("too many {what} count={count} max={max}{}", at(.name))]
    TooMany {
        /// What: `attributes`, `event types`, …
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
        /// Where, if it is a bound of one thing.
        name: Option<String>,
    },
    /// A name is empty, too long, or holds control characters.
    #[error("the name of {what} is 1 to {max} printable characters without blanks at its ends")]
    Name {
        /// Of what: `a dataset`, `an event type`.
        what: &'static str,
        /// How long it may be.
        max: usize,
    },
    /// A label or a description is too long.
    #[error("{what} has at most {max} characters name={name}")]
    TooLong {
        /// `a label` or `a description`.
        what: &'static str,
        /// How long it may be.
        max: usize,
        /// Of what.
        name: String,
    },
    /// Something is registered below what is no object.
    #[error("nothing can lie below what is no object path={path} above={above}")]
    BelowNoObject {
        /// What lies below.
        path: String,
        /// What is above it.
        above: String,
    },
    /// A path is both a property and a list of items.
    #[error("a property and a list of items of one name path={0}")]
    PropertyAndItems(String),
    /// An allowed value is not of the type, or too long.
    #[error("an allowed value is expected to be of type {expected}, texts of at most {max} bytes path={path}", max = DataModel::ALLOWED_BYTES_MAX)]
    AllowedType {
        /// Of what.
        path: String,
        /// The type.
        expected: Type,
    },
    /// No value is allowed at all.
    #[error("allowed values are at least one, or left out path={0}")]
    NothingAllowed(String),
    /// An object has no allowed values.
    #[error("an object has no allowed values path={0}")]
    AllowedObject(String),
    /// A value would be deleted before it stops being relevant.
    #[error("retention is at least as long as relevance path={path} relevance={relevance} retention={retention}")]
    WindowOrder {
        /// Of what.
        path: String,
        /// The window of relevance.
        relevance: Window,
        /// The window of retention.
        retention: Window,
    },
}

fn at(name: &Option<String>) -> String {
    name.as_ref().map(|name| format!(" name={name}")).unwrap_or_default()
}

/// Checks a definition and brings its allowed values into their order.
pub(super) fn check(definition: &mut Definition) -> Result<(), InvalidModel> {
    bound("attributes", definition.attributes.len(), DataModel::ATTRIBUTES_MAX, None)?;
    bound("event types", definition.event_types.len(), DataModel::EVENT_TYPES_MAX, None)?;
    bound("datasets", definition.datasets.len(), DataModel::DATASETS_MAX, None)?;
    for name in definition.datasets.keys() {
        printable("a dataset", name, name.chars().count(), DataModel::DATASET_CHARS_MAX)?;
    }
    below_objects(definition.attributes.iter().map(|(path, own)| (path, own.r#type)))?;
    for (path, attribute) in &mut definition.attributes {
        self::attribute(path, attribute)?;
    }
    for (name, event_type) in &mut definition.event_types {
        printable("an event type", name, name.len(), DataModel::EVENT_NAME_BYTES_MAX)?;
        self::event_type(name, event_type)?;
    }
    Ok(())
}

fn attribute(path: &Path, attribute: &mut Attribute) -> Result<(), InvalidModel> {
    words(path.as_str(), attribute.label.as_ref(), attribute.description.as_ref())?;
    allowed(path.as_str(), attribute.r#type, attribute.allowed.as_mut())?;
    match (attribute.relevance, attribute.retention) {
        (Some(relevance), Some(retention)) if retention < relevance => {
            Err(InvalidModel::WindowOrder { path: path.as_str().to_owned(), relevance, retention })
        }
        _ => Ok(()),
    }
}

fn event_type(name: &str, event_type: &mut EventType) -> Result<(), InvalidModel> {
    words(name, event_type.label.as_ref(), event_type.description.as_ref())?;
    let within = || Some(name.to_owned());
    bound("item lists", event_type.items.len(), DataModel::ITEM_LISTS_MAX, within())?;
    let of_items: usize = event_type.items.values().map(|list| list.properties.len()).sum();
    bound("properties", event_type.properties.len() + of_items, DataModel::PROPERTIES_MAX, within())?;
    if let Some(path) = event_type.items.keys().find(|path| event_type.properties.contains_key(*path)) {
        return Err(InvalidModel::PropertyAndItems(format!("{name}: {path}")));
    }
    let lists = event_type.items.keys().map(|path| (path, Type::List { of: None }));
    let mut paths: Vec<_> = event_type.properties.iter().map(|(path, own)| (path, own.r#type)).chain(lists).collect();
    paths.sort_by_key(|(path, _)| *path);
    below_objects(paths.into_iter())?;
    properties(name, &mut event_type.properties)?;
    for (path, list) in &mut event_type.items {
        below_objects(list.properties.iter().map(|(path, own)| (path, own.r#type)))?;
        properties(&format!("{name}: {path}[]"), &mut list.properties)?;
    }
    Ok(())
}

fn properties(within: &str, properties: &mut BTreeMap<Path, Property>) -> Result<(), InvalidModel> {
    for (path, property) in properties {
        let name = format!("{within}: {path}");
        words(&name, None, property.description.as_ref())?;
        allowed(&name, property.r#type, property.allowed.as_mut())?;
    }
    Ok(())
}

fn bound(what: &'static str, count: usize, max: usize, name: Option<String>) -> Result<(), InvalidModel> {
    if count <= max { Ok(()) } else { Err(InvalidModel::TooMany { what, count, max, name }) }
}

fn printable(what: &'static str, name: &str, length: usize, max: usize) -> Result<(), InvalidModel> {
    let fits = (1..=max).contains(&length) && name.trim() == name && !name.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(InvalidModel::Name { what, max }) }
}

fn words(name: &str, label: Option<&Arc<str>>, description: Option<&Arc<str>>) -> Result<(), InvalidModel> {
    let texts = [
        ("a label", label, DataModel::LABEL_CHARS_MAX),
        ("a description", description, DataModel::DESCRIPTION_CHARS_MAX),
    ];
    for (what, text, max) in texts {
        if text.is_some_and(|text| text.chars().count() > max) {
            return Err(InvalidModel::TooLong { what, max, name: name.to_owned() });
        }
    }
    Ok(())
}

/// The paths come in their order, in which descendants follow their ancestor without a gap.
fn below_objects<'a>(paths: impl Iterator<Item = (&'a Path, Type)>) -> Result<(), InvalidModel> {
    let mut above: Vec<(&Path, Type)> = Vec::new();
    for (path, own) in paths {
        above.retain(|(above, _)| above.is_above(path));
        if let Some((above, _)) = above.iter().find(|(_, own)| *own != Type::Object) {
            let (path, above) = (path.as_str().to_owned(), above.as_str().to_owned());
            return Err(InvalidModel::BelowNoObject { path, above });
        }
        above.push((path, own));
    }
    Ok(())
}

fn allowed(name: &str, own: Type, allowed: Option<&mut Allowed>) -> Result<(), InvalidModel> {
    let Some(allowed) = allowed else { return Ok(()) };
    if allowed.values.is_empty() {
        return Err(InvalidModel::NothingAllowed(name.to_owned()));
    }
    bound("allowed values", allowed.values.len(), DataModel::ALLOWED_MAX, Some(name.to_owned()))?;
    let is_of_type = |value: &Value| match own {
        Type::Scalar(scalar) => scalar.holds(value),
        Type::Set { of } | Type::List { of } => Type::is_member(of, value),
        Type::Object => false,
    };
    let is_short = |value: &Value| match value {
        Value::Text(text) => text.len() <= DataModel::ALLOWED_BYTES_MAX,
        _ => true,
    };
    if own == Type::Object {
        return Err(InvalidModel::AllowedObject(name.to_owned()));
    }
    if !allowed.values.iter().all(|value| is_of_type(value) && is_short(value)) {
        return Err(InvalidModel::AllowedType { path: name.to_owned(), expected: own });
    }
    allowed.values.sort_unstable();
    allowed.values.dedup();
    Ok(())
}
