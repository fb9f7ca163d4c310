//! From an upsert to the write of a document (spec/wyng.md section 3).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json, json};
use tessera_engine::document::DocumentWrite;
use tessera_engine::fact::{Claim, Fact, Strength};
use tessera_engine::model::{Allowed, Status};
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Decimal, Path, Value};
use tessera_seam::answer::invalid;
use tessera_seam::attributes;
use tessera_seam::body;
use tessera_service::clock::{format_timestamp, parse_timestamp};
use tessera_service::directory::Class;
use tessera_service::error::Error;
use tessera_service::members::Members;
use tessera_service::verdict::Note;
use tessera_service::workspace_config::{DocumentModel, StoredConfig};

use super::errors::invalid_field;
use super::model::{self, UIDS, meant};
use super::wire::Field;

/// Attributes that hold, by field, what a person agreed to and where it was said.
pub(super) const CONSENT: &str = "field_consent";
pub(super) const SOURCE: &str = "field_source";

/// Bytes of `consent` and of `source`.
const TEXT_BYTES_MAX: usize = 4_096;
/// Fields of one upsert.
const FIELDS_MAX: usize = 500;

/// Who sends an upsert, and under which model.
pub(super) struct Sender<'a> {
    pub(super) config: &'a StoredConfig,
    pub(super) class: Class,
    pub(super) dataset: Arc<str>,
    pub(super) fresh_id: String,
}

/// An upsert, read.
pub(super) struct Read {
    pub(super) write: DocumentWrite,
    pub(super) notes: Vec<Note>,
    /// The fields, in the order in which they came.
    pub(super) fields: Vec<String>,
}

/// The members of an upsert; [`super::wire::Upsert`] is its form in the documents.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upsert<'a> {
    #[serde(borrow)]
    fields: Members<'a>,
    #[serde(default)]
    consent: Option<String>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    timestamp: Option<String>,
}

/// Reads an upsert.
///
/// # Errors
/// `json_invalid`, `body_invalid`, `field_invalid`, `fields_too_many`, `timestamp_invalid`; nothing of it is taken then.
pub(super) fn upsert(body: &[u8], sender: &Sender<'_>) -> Result<Read, Error> {
    let Upsert { fields, consent, source, timestamp } = body::json(body)?;
    if fields.0.len() > FIELDS_MAX {
        return Err(invalid("fields_too_many", format!("an upsert has at most {FIELDS_MAX} fields")));
    }
    let time = timestamp.as_deref().map(time).transpose()?;
    let model = sender.config.documents();
    let mut said = Said::default();
    for (name, value) in &fields.0 {
        said.take(sender, meant(model, name), value)?;
    }
    for (name, text) in [(CONSENT, consent), (SOURCE, source)] {
        let Some(text) = text else { continue };
        if text.len() > TEXT_BYTES_MAX {
            let name = name.trim_start_matches("field_");
            return Err(invalid("body_invalid", format!("{name} has at most {TEXT_BYTES_MAX} bytes")));
        }
        let by_field: Map<String, Json> = said.names.iter().map(|name| (name.clone(), json!(text))).collect();
        said.attributes.insert(name.to_owned(), by_field.into());
    }
    let mut notes = Vec::new();
    let attributes = attributes::read_native(&Json::Object(said.attributes).to_string(), &mut notes)
        .map_err(|rejection| invalid("field_invalid", rejection.message))?;
    if let Some(Note::ValueLeftOut { path, message, .. }) = notes.first() {
        return Err(invalid_field(path, message));
    }
    let fact = Fact {
        id: sender.fresh_id.as_str().into(),
        dataset: Arc::clone(&sender.dataset),
        batch: None,
        time,
        claims: in_order(model, said.claims, sender.class),
        document: None,
        attributes,
        account: None,
        call: None,
        content: None,
        replaces: tessera_engine::fact::Replaces::Nothing,
    };
    let write = DocumentWrite { fact: Box::new(fact), terms: model.terms(&said.cleared), of: None };
    Ok(Read { write, notes, fields: fields.0.into_iter().map(|(name, _)| name).collect() })
}

/// Reads a time; without a zone it is UTC.
///
/// # Errors
/// `timestamp_invalid`.
fn time(text: &str) -> Result<Timestamp, Error> {
    let expected = |_| invalid("timestamp_invalid", "timestamp is expected as YYYY-MM-DD HH:MM or in iso 8601");
    parse_timestamp(text.trim()).map_err(expected)
}

/// The identities, those that decide first at the front.
fn in_order(model: &DocumentModel, mut found: BTreeMap<String, Vec<String>>, class: Class) -> Vec<Claim> {
    let strength = match class {
        Class::Private => Strength::Verified,
        Class::Public => Strength::Observed,
    };
    let mut claims = Vec::new();
    for (name, key) in model.keys() {
        for value in found.remove(&**name).unwrap_or_default() {
            claims.push(Claim { namespace: key.namespace.as_str().into(), value: value.into(), strength });
        }
    }
    claims
}

/// What a value of a field that identifies is.
const ID: &str = "of 1 to 512 bytes without control characters";

fn is_id(text: &str) -> bool {
    (1..=512).contains(&text.trim().len()) && !text.chars().any(char::is_control)
}

/// What an upsert says, field by field.
#[derive(Default)]
struct Said {
    names: Vec<String>,
    /// Identities by their fields.
    claims: BTreeMap<String, Vec<String>>,
    cleared: Vec<Arc<str>>,
    /// In our own words.
    attributes: Map<String, Json>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
}

impl Said {
    fn take(&mut self, sender: &Sender<'_>, name: &str, raw: &RawValue) -> Result<(), Error> {
        let field = model::field(sender.config, name)
            .ok_or_else(|| invalid_field(name, "no field of the data model has this id"))?;
        if field.status == Status::Inactive.name() {
            return Err(invalid_field(name, "the field is inactive and takes no values"));
        }
        if self.names.iter().any(|own| own == name) {
            return Err(invalid_field(name, "the field stands twice"));
        }
        self.names.push(name.to_owned());
        let value = if raw.get() == "null" {
            Json::Null
        } else {
            let wrapped: Wrapped<'_> =
                serde_json::from_str(raw.get()).map_err(|_| invalid_field(name, r#"{"value": …} is expected"#))?;
            serde_json::from_str(wrapped.value.get()).map_err(|_| invalid_field(name, "the value is no JSON"))?
        };
        match sender.config.documents().key(name) {
            Some(key) if key.many => self.identities(name, value),
            Some(_) => self.identity(name, value),
            None => self.value(sender.config, &field, value),
        }
    }

    /// Values that join those that there are.
    fn identities(&mut self, name: &str, value: Json) -> Result<(), Error> {
        let values = match value {
            Json::Null => {
                self.cleared.push(name.into());
                return Ok(());
            }
            Json::Array(values) => values,
            value => vec![value],
        };
        let text = |value| match value {
            Json::String(text) if is_id(&text) => Ok(text),
            _ => Err(invalid_field(name, format!("a list of ids is expected, texts {ID}"))),
        };
        let values: Vec<String> = values.into_iter().map(text).collect::<Result<_, _>>()?;
        if name != UIDS || !values.is_empty() {
            self.claims.insert(name.to_owned(), values);
        }
        Ok(())
    }

    /// The one value of a field that identifies.
    fn identity(&mut self, name: &str, value: Json) -> Result<(), Error> {
        match value {
            Json::Null => self.cleared.push(name.into()),
            Json::String(text) if is_id(&text) => {
                self.attributes.insert(name.to_owned(), json!(text));
                self.claims.insert(name.to_owned(), vec![text]);
                return Ok(());
            }
            Json::Number(number) => {
                self.attributes.insert(name.to_owned(), json!(number.to_string()));
                self.claims.insert(name.to_owned(), vec![number.to_string()]);
                return Ok(());
            }
            _ => return Err(invalid_field(name, format!("a text {ID} is expected, or null to clear it"))),
        }
        self.attributes.insert(name.to_owned(), Json::Null);
        Ok(())
    }

    fn value(&mut self, config: &StoredConfig, field: &Field, value: Json) -> Result<(), Error> {
        let expected = |what: &str| Err(invalid_field(&field.id, format!("{what} is expected, or null to clear it")));
        let own = match (field.r#type.as_str(), value) {
            ("set", Json::Null) => json!({ "$unset": true }),
            (_, Json::Null) => Json::Null,
            ("text", value @ Json::String(_)) | ("bool", value @ Json::Bool(_)) | ("num", value @ Json::Number(_)) => {
                value
            }
            ("date", Json::String(text)) => match parse_timestamp(text.trim()) {
                Ok(time) => json!({ "$timestamp": format_timestamp(time) }),
                Err(_) => return expected("a date in iso 8601"),
            },
            ("set", Json::Array(members)) => operations(config, field, members)?,
            ("text", _) => return expected("a text"),
            ("bool", _) => return expected("true or false"),
            ("num", _) => return expected("a number"),
            ("date", _) => return expected("a date in iso 8601"),
            _ => return expected(r#"a list of {"name": member, "value": true or false}"#),
        };
        self.attributes.insert(field.id.clone(), own);
        Ok(())
    }
}

/// What members of a set are added and removed.
fn operations(config: &StoredConfig, field: &Field, members: Vec<Json>) -> Result<Json, Error> {
    let allowed = Path::from_segments([field.id.as_str()])
        .ok()
        .and_then(|path| config.model().model.definition().attributes.get(&path)?.allowed.as_ref());
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for member in members {
        let (name, is_in) = match member {
            Json::Object(mut own) if own.len() == 2 => match (own.remove("name"), own.remove("value")) {
                (Some(name), Some(Json::Bool(is_in))) => (name, is_in),
                _ => return Err(malformed(field)),
            },
            name @ (Json::String(_) | Json::Number(_)) => (name, true),
            _ => return Err(malformed(field)),
        };
        if !matches!(name, Json::String(_) | Json::Number(_) | Json::Bool(_)) {
            return Err(malformed(field));
        }
        if is_in && !allowed.is_none_or(|allowed| takes(allowed, &name)) {
            return Err(invalid_field(&field.id, "a member is none of its values, and others are not allowed"));
        }
        let (own, other) = if is_in { (&mut added, &mut removed) } else { (&mut removed, &mut added) };
        // The last word on a member counts.
        other.retain(|known| *known != name);
        if !own.contains(&name) {
            own.push(name);
        }
    }
    Ok(json!({ "$add": added, "$remove": removed }))
}

fn malformed(field: &Field) -> Error {
    invalid_field(&field.id, r#"each member is expected as {"name": member, "value": true or false}"#)
}

fn takes(allowed: &Allowed, name: &Json) -> bool {
    let is = |value: &Value| match (value, name) {
        (Value::Text(own), Json::String(text)) => **own == **text,
        (Value::Bool(own), Json::Bool(truth)) => own == truth,
        (Value::Number(own), Json::Number(number)) => {
            Decimal::parse(&number.to_string()).is_ok_and(|number| *own == number)
        }
        _ => false,
    };
    allowed.others || allowed.values.iter().any(is)
}
