//! The data model of this API (spec/wyng.md section 2) as document model and data model of the workspace, and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Number, Value as Json};
use tessera_engine::config::{Kind, NamespaceName, Normaliser};
use tessera_engine::document::DOCUMENT_NAMESPACE;
use tessera_engine::model::{Allowed, Attribute, Definition, Scalar, Status, Type, Window};
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Decimal, Path, Value};
use tessera_seam::answer::invalid;
use tessera_service::directory::WorkspaceId;
use tessera_service::error::Error;
use tessera_service::workspace_config::{
    DocumentField, DocumentKey, DocumentModel, ModelChange, NamespaceRules, NewNamespace, StoredConfig, add_namespace,
    changed_model, set_document_model, with_model,
};

use super::errors::invalid_field;
use super::wire::{Field, NewTdm, Tdm};

/// The field of the ids of visitors, which every model has, and its name where one of them is meant.
pub(super) const UIDS: &str = "uids";
pub(super) const UID: &str = "uid";

const MINUTES_PER_DAY: u32 = 1_440;
/// The priority of namespaces that come with a field: below e-mail and phone, above the ids of visitors.
const PRIORITY: u16 = 650;

/// A data model that is to be set: its fields, the strong one, and which decides first, if that is said.
pub(super) type Told = (Vec<Field>, String, Option<Vec<String>>);

/// The field that this name means: `uid` is one of `uids`, unless the model has a field of that name.
pub(super) fn meant<'a>(model: &DocumentModel, name: &'a str) -> &'a str {
    if name == UID && !model.fields.contains_key(UID) { UIDS } else { name }
}

/// The path of a field.
///
/// # Errors
/// `field_invalid`.
pub(super) fn path(field: &str) -> Result<Path, Error> {
    Path::from_segments([field]).map_err(|error| invalid_field(field, error))
}

/// A field as this API has it: what of an attribute and of the document model is one.
pub(super) fn field(config: &StoredConfig, id: &str) -> Option<Field> {
    let attribute =
        Path::from_segments([id]).ok().and_then(|path| config.model().model.definition().attributes.get(&path));
    let own = config.documents().fields.get(id);
    if own.is_none() && attribute.is_none_or(|own| type_name(&own.r#type).is_none()) {
        return None;
    }
    let days = |window: Option<Window>| window.map(|window| window.minutes().div_ceil(MINUTES_PER_DAY));
    let allowed = attribute.and_then(|own| own.allowed.as_ref());
    Some(Field {
        id: id.to_owned(),
        name: attribute.and_then(|own| own.label.as_deref()).unwrap_or(id).to_owned(),
        r#type: attribute.and_then(|own| type_name(&own.r#type)).unwrap_or("text").to_owned(),
        status: attribute.map_or(Status::Active, |own| own.status).name().to_owned(),
        is_key: own.is_some_and(|own| own.key.is_some()),
        is_internal: own.is_some_and(|own| own.hidden_from_person),
        relevance_window: days(attribute.and_then(|own| own.relevance)),
        retention_window: days(attribute.and_then(|own| own.retention)),
        values: allowed.map(|allowed| allowed.values.iter().filter_map(json_of).collect()),
        allow_other_values: allowed.map(|allowed| allowed.others),
        public: own.is_some_and(|own| own.public),
    })
}

const fn type_name(r#type: &Type) -> Option<&'static str> {
    match r#type {
        Type::Scalar(Scalar::Text) => Some("text"),
        Type::Scalar(Scalar::Number | Scalar::Integer) => Some("num"),
        Type::Scalar(Scalar::Boolean) => Some("bool"),
        Type::Scalar(Scalar::Date | Scalar::DateTime) => Some("date"),
        Type::Set { .. } => Some("set"),
        Type::List { .. } | Type::Object => None,
    }
}

fn json_of(value: &Value) -> Option<Json> {
    match value {
        Value::Text(text) => Some(Json::from(&**text)),
        Value::Bool(truth) => Some(Json::from(*truth)),
        Value::Number(number) => serde_json::from_str::<Number>(&number.to_string()).ok().map(Json::Number),
        Value::Null | Value::Timestamp(_) | Value::List(_) | Value::Set(_) | Value::Object(_) => None,
    }
}

/// The data model of a workspace.
pub(super) fn shown(config: &StoredConfig, workspace: WorkspaceId) -> Tdm {
    let documents = config.documents();
    let keys = documents.keys().map(|(name, _)| name.to_string());
    let rest = documents.fields.iter().filter(|(_, field)| field.key.is_none()).map(|(name, _)| name.to_string());
    let registered = config.model().model.definition().attributes.keys().filter(|path| path.depth() == 1);
    let registered = registered.filter_map(|path| path.segments().next().map(std::borrow::Cow::into_owned));
    let mut ids: Vec<String> = keys.collect();
    let mut others: Vec<String> = rest.chain(registered).filter(|id| !ids.contains(id)).collect();
    others.sort_unstable();
    others.dedup();
    ids.extend(others);
    let spelled = |name: &Arc<str>| if **name == *UIDS { UID.to_owned() } else { name.to_string() };
    Tdm {
        id: workspace.stable_id(),
        fields: ids.iter().filter_map(|id| field(config, id)).collect(),
        strong_id: documents.strong.to_string(),
        ids_priority: documents.priority.iter().map(spelled).collect(),
    }
}

/// Reads a data model that is to be set.
///
/// # Errors
/// `field_invalid`, `tdm_invalid`.
pub(super) fn read(new: NewTdm) -> Result<Told, Error> {
    let NewTdm { id: _, fields, strong_id, ids_priority } = new;
    let flat = fields.into_iter().flat_map(|field| match field {
        Json::Array(fields) => fields,
        field => vec![field],
    });
    let mut read: Vec<Field> = Vec::new();
    for (at, json) in flat.enumerate() {
        let field: Field =
            serde_json::from_value(json).map_err(|error| invalid_field(&format!("fields[{at}]"), error))?;
        if read.iter().any(|own| own.id == field.id) {
            return Err(invalid_field(&field.id, "another field has this id"));
        }
        read.push(field);
    }
    Ok((read, strong_id, ids_priority))
}

/// The configuration whose data model this is. Attributes that this API has no type for stay as they are.
///
/// # Errors
/// `field_invalid`, `data_model_invalid`, `document_model_invalid`, and those of namespaces.
pub(super) fn changed(
    config: &StoredConfig,
    (fields, strong, priority): &Told,
    at: Timestamp,
) -> Result<StoredConfig, Error> {
    let mut next = config.clone();
    let mut documents = DocumentModel { fields: BTreeMap::new(), ..config.documents().clone() };
    let mut definition = config.model().model.definition().clone();
    let is_ours = |path: &Path, own: &Attribute| path.depth() == 1 && type_name(&own.r#type).is_some();
    definition.attributes.retain(|path, own| !is_ours(path, own));
    for field in fields {
        let key = if field.is_key { Some(key(&mut next, &documents, field)?) } else { None };
        register(&mut definition, field)?;
        let own = DocumentField { key, public: field.public, hidden_from_person: field.is_internal };
        documents.fields.insert(field.id.as_str().into(), own);
    }
    // Ids of visitors are always known.
    let uids = DocumentModel::default().fields.remove(UIDS).expect("a new workspace has them");
    documents.fields.entry(UIDS.into()).or_insert_with(|| uids.clone()).key = uids.key.clone();
    documents.strong = meant(&documents, strong).into();
    documents.priority = match priority {
        Some(names) => names.iter().map(|name| meant(&documents, name).into()).collect(),
        None => {
            ["email", "phone", UIDS].into_iter().filter(|name| documents.key(name).is_some()).map(Arc::from).collect()
        }
    };
    let model = changed_model(&next, &ModelChange::Replace(Box::new(definition)), None)?;
    set_document_model(&with_model(&next, model, at)?, documents)
}

/// How a field identifies: by the namespace that it has, that of its name, or a new one.
fn key(config: &mut StoredConfig, documents: &DocumentModel, field: &Field) -> Result<DocumentKey, Error> {
    if field.r#type != "text" {
        return Err(invalid_field(&field.id, "a field that identifies is of the type text"));
    }
    if let Some(key) = config.documents().key(&field.id) {
        return Ok(key.clone());
    }
    let mut name: String = field.id.to_ascii_lowercase();
    name = name.chars().map(|c| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '_' }).collect();
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name.insert_str(0, "id_");
    }
    name.truncate(60);
    let is_taken = |name: &str| documents.keys().any(|(_, key)| key.namespace.as_str() == name);
    let fits = |name: &str, config: &StoredConfig| {
        let found = config.namespaces().iter().find(|own| own.name.as_str() == name);
        name != DOCUMENT_NAMESPACE && !is_taken(name) && found.is_none_or(|own| own.kind == Kind::Person)
    };
    let names = std::iter::once(name.clone()).chain((2..100).map(|at| format!("{name}-{at}")));
    let name = names.into_iter().find(|name| fits(name, config));
    let name = name.ok_or_else(|| invalid_field(&field.id, "its namespace has no free name"))?;
    if config.namespace(&name).is_err() {
        let rules = NamespaceRules {
            priority: PRIORITY,
            exclusive: false,
            limit: None,
            blocked: Vec::new(),
            patterns: Vec::new(),
        };
        let new = NewNamespace { name: name.clone(), kind: Kind::Person, normaliser: Normaliser::Trim, rules };
        *config = add_namespace(config, new)?;
    }
    let namespace = NamespaceName::parse(&name).map_err(|error| invalid_field(&field.id, error))?;
    Ok(DocumentKey { namespace, many: field.id == UIDS })
}

/// Registers what a field is.
fn register(definition: &mut Definition, field: &Field) -> Result<(), Error> {
    let expected = |what: &str| invalid_field(&field.id, what);
    let r#type = match field.r#type.as_str() {
        "text" => Type::Scalar(Scalar::Text),
        "num" | "numeric" => Type::Scalar(Scalar::Number),
        "bool" => Type::Scalar(Scalar::Boolean),
        "date" => Type::Scalar(Scalar::DateTime),
        "set" => Type::Set { of: None },
        _ => return Err(expected("the type of a field is text, date, bool, num or set")),
    };
    let status = Status::parse(&field.status).ok_or_else(|| expected("the status of a field is active or inactive"))?;
    let window = |days: Option<u32>| {
        let minutes = |days: u32| days.checked_mul(MINUTES_PER_DAY).and_then(|all| Window::from_minutes(all).ok());
        days.map(|days| minutes(days).ok_or_else(|| expected("a window is 1 to 36500 days, or null"))).transpose()
    };
    if field.r#type != "set" && (field.values.is_some() || field.allow_other_values == Some(false)) {
        return Err(expected("values and allow_other_values are of sets"));
    }
    if field.allow_other_values == Some(false) && field.values.as_ref().is_none_or(Vec::is_empty) {
        return Err(expected("a set that allows no other values has some in values"));
    }
    let member = |json: &Json| match json {
        Json::String(text) => Ok(Value::text(text)),
        Json::Bool(truth) => Ok(Value::Bool(*truth)),
        Json::Number(number) => Decimal::parse(&number.to_string())
            .map(Value::Number)
            .map_err(|_| expected("a member of values is out of range")),
        _ => Err(expected("the members of values are texts, numbers or booleans")),
    };
    let allowed = field.values.as_ref().map(|values| {
        let mut values = values.iter().map(member).collect::<Result<Vec<_>, _>>()?;
        values.sort_unstable();
        values.dedup();
        Ok::<_, Error>(Allowed { values, others: field.allow_other_values.unwrap_or(true) })
    });
    let attribute = Attribute {
        status,
        label: (field.name != field.id).then(|| field.name.as_str().into()),
        allowed: allowed.transpose()?.filter(|allowed| !allowed.values.is_empty()),
        relevance: window(field.relevance_window)?,
        retention: window(field.retention_window)?,
        ..Attribute::new(r#type)
    };
    if field.id.is_empty() {
        return Err(invalid("field_invalid", "a field needs an id"));
    }
    definition.attributes.insert(path(&field.id)?, attribute);
    Ok(())
}
