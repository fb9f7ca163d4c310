//! A row under a mapping: the JSON that is sent.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{Mapping, Property, Target};
use crate::load::formats::{Formats, Unfit};
use crate::load::ids::Ids;
use crate::load::rejects;
use crate::load::rows::{Cell, Row};
use crate::load::template::Template;
use crate::load::values::{PropertyType, Refusal};

/// What is sent of a row.
#[derive(Debug)]
pub(crate) struct Rendered {
    /// The JSON.
    pub(crate) body: Vec<u8>,
    /// Values that were left out, where that was asked for.
    pub(crate) left_out: Vec<Refusal>,
}

/// A track call as the ingest door takes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventBody<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<Cow<'a, str>>,
    event: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anonymous_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    properties: BTreeMap<&'a str, Box<RawValue>>,
}

/// A record as the native door takes it.
#[derive(Serialize)]
struct RecordBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    identities: Vec<IdentityBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    attributes: BTreeMap<&'a str, Box<RawValue>>,
}

#[derive(Serialize)]
struct IdentityBody<'a> {
    namespace: &'a str,
    value: Cow<'a, str>,
}

type Properties<'a> = BTreeMap<&'a str, Box<RawValue>>;

impl Mapping {
    /// The JSON of one row.
    ///
    /// # Errors
    /// What is wrong with the row.
    pub(crate) fn render(&self, row: &Row, ids: &mut Ids) -> Result<Rendered, Refusal> {
        let named = self.message_id.as_ref().map(|template| {
            template.name(row).ok_or_else(|| Refusal::of_row("message_id_missing", "the message id is empty"))
        });
        let id = named.transpose()?;
        let is_named = id.is_some();
        let timestamp = self.timestamp.as_ref().map(|template| self.time(template, row)).transpose()?;
        let (values, left_out) = self.values(row)?;
        let text = |template: &'_ Option<Template>| template.as_ref().and_then(|template| owned(template, row));
        let (body, member) = match &self.target {
            Target::Event { name, user_id, anonymous_id } => {
                let event =
                    name.name(row).ok_or_else(|| Refusal::of_row("event_missing", "the event name is empty"))?;
                let (user_id, anonymous_id) = (text(user_id), text(anonymous_id));
                if user_id.is_none() && anonymous_id.is_none() {
                    return Err(Refusal::of_row("identity_missing", "user id and anonymous id are empty"));
                }
                let body = EventBody {
                    r#type: "track",
                    message_id: id,
                    event,
                    user_id: user_id.map(Cow::Owned),
                    anonymous_id: anonymous_id.map(Cow::Owned),
                    timestamp,
                    properties: values,
                };
                (serde_json::to_vec(&body), "messageId")
            }
            Target::Record { identities, dataset: _ } => {
                let present = identities
                    .iter()
                    .filter_map(|(namespace, template)| Some(IdentityBody { namespace, value: template.name(row)? }));
                let identities: Vec<_> = present.collect();
                if identities.is_empty() {
                    return Err(Refusal::of_row("identity_missing", "all identities are empty"));
                }
                (serde_json::to_vec(&RecordBody { id, identities, time: timestamp, attributes: values }), "id")
            }
        };
        let body = body.map_err(|error| unwritten(&error))?;
        let body = if is_named { body } else { with_id(&body, member, ids)? };
        Ok(Rendered { body, left_out })
    }

    fn time(&self, template: &Template, row: &Row) -> Result<String, Refusal> {
        let text = template.text(row).ok_or_else(|| Refusal::of_row("time_missing", "the time is empty"))?;
        let formats = self.formats_of(template);
        formats.time(text.trim()).map_err(|unfit| {
            let (expected, place) = (formats.expected_time(), place(template));
            match unfit {
                Unfit::None => Refusal::of_value("time_invalid", format!("the time must be {expected}{place}"), &text),
                Unfit::Ambiguous => {
                    let message = format!("the time may be read in two ways as {expected}{place}");
                    Refusal::of_value("time_ambiguous", message, &text)
                }
            }
        })
    }

    /// The properties, and those that are not of their type, where they may be left out.
    fn values<'a>(&'a self, row: &'a Row) -> Result<(Properties<'a>, Vec<Refusal>), Refusal> {
        let (mut values, mut left_out) = (BTreeMap::new(), Vec::new());
        if self.rest {
            let used: Vec<&str> = self.named_columns().chain(rejects::COLUMNS).collect();
            for column in row.columns().into_iter().filter(|column| !used.contains(column)) {
                if let Some(cell) = row.cell(column) {
                    values.insert(column, as_is(cell)?);
                }
            }
        }
        for property in &self.properties {
            match property.value(row, self.formats_of(&property.template)) {
                Ok(Some(value)) => {
                    values.insert(property.name.as_str(), value);
                }
                Ok(None) => {}
                Err(refusal) if self.is_lenient => left_out.push(refusal),
                Err(refusal) => return Err(refusal),
            }
        }
        Ok((values, left_out))
    }

    /// The formats of a value that is made of this.
    fn formats_of(&self, template: &Template) -> &Formats {
        template.columns().find_map(|column| self.column_formats.get(column)).unwrap_or(&self.formats)
    }
}

impl Property {
    fn value(&self, row: &Row, formats: &Formats) -> Result<Option<Box<RawValue>>, Refusal> {
        if self.kind == PropertyType::AsIs
            && let Some(cell) = self.template.cell(row)
        {
            return as_is(cell).map(Some);
        }
        let Some(text) = self.template.text(row) else { return Ok(None) };
        if self.kind == PropertyType::Text && self.template.cell(row).is_some_and(|cell| cell.is_container()) {
            let message = format!("property {} must be a text{}", self.name, place(&self.template));
            return Err(Refusal::of_value("value_invalid", message, &text));
        }
        self.kind.read(&text, formats).map(Some).map_err(|unfit| {
            let (name, place) = (&self.name, place(&self.template));
            let expected = self.kind.expected(formats);
            match unfit {
                Unfit::None => {
                    Refusal::of_value("value_invalid", format!("property {name} must be {expected}{place}"), &text)
                }
                Unfit::Ambiguous => {
                    let message = format!("property {name} may be read in two ways as {expected}{place}");
                    Refusal::of_value("value_ambiguous", message, &text)
                }
            }
        })
    }
}

/// The columns that a value is made of, as the end of a sentence.
fn place(template: &Template) -> String {
    let columns: Vec<&str> = template.columns().collect();
    match &columns[..] {
        [] => String::new(),
        [one] => format!(" (column {one})"),
        several => format!(" (columns {})", several.join(", ")),
    }
}

/// The body of a row with the id that what it says has.
fn with_id(body: &[u8], member: &str, ids: &mut Ids) -> Result<Vec<u8>, Refusal> {
    let id = serde_json::Value::from(ids.next(body).map_err(|reason| Refusal::of_row("too_many_rows", reason))?);
    let rest = body.strip_prefix(b"{").expect("a row is an object with members");
    Ok([format!("{{\"{member}\":{id},").as_bytes(), rest].concat())
}

fn owned(template: &Template, row: &Row) -> Option<String> {
    template.name(row).map(Cow::into_owned)
}

fn as_is(cell: Cell<'_>) -> Result<Box<RawValue>, Refusal> {
    match cell {
        Cell::Text(text) => to_raw_value(text).map_err(|error| unwritten(&error)),
        Cell::Json(raw) => Ok(raw.into_owned()),
    }
}

fn unwritten(error: &serde_json::Error) -> Refusal {
    Refusal::of_row("row_unreadable", format!("the row cannot be written as JSON: {error}"))
}
