//! What the columns of a file mean, from a TOML file and flags, checked once.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::ids::Ids;
use super::rows::{Cell, Row};
use super::template::Template;
use super::values::{PropertyType, Refusal, TimeFormat};

/// What one place says about the mapping; as flags and as a file.
#[derive(Debug, Clone, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct MappingLayer {
    /// How rows are written [default: by the file's ending, csv otherwise].
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Names of the columns of a file without a header, separated by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Option<Vec<String>>,
    /// What separates the columns of a CSV file [default: a comma].
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<char>,
    /// What a row becomes [default: event].
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
    /// Name of the event; a template such as `Order Completed` or `{type}`.
    #[arg(long, value_name = "TEMPLATE")]
    event: Option<String>,
    /// Id that makes a row one row however often it is sent [default: the file's name and a hash of what the row says; rows
    /// without a timestamp say it as of their file].
    #[arg(long, value_name = "TEMPLATE")]
    message_id: Option<String>,
    /// The user id of an event.
    #[arg(long, value_name = "TEMPLATE")]
    user_id: Option<String>,
    /// The anonymous id of an event.
    #[arg(long, value_name = "TEMPLATE")]
    anonymous_id: Option<String>,
    /// Identities of a record, `NAMESPACE=TEMPLATE`; may be given again.
    #[arg(long = "identity", value_name = "NAMESPACE=TEMPLATE", value_parser = pair)]
    #[serde(default, deserialize_with = "pairs")]
    identities: Vec<(String, String)>,
    /// The dataset that records go to [default: the file's name].
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// When it happened [default: when the server takes it].
    #[arg(long, value_name = "TEMPLATE")]
    timestamp: Option<String>,
    /// How times are written: `iso`, `unix`, `unix_ms`, or a pattern such as `%Y%m%d` (UTC where it says no offset) [default: iso].
    #[arg(long, value_name = "FORMAT")]
    time_format: Option<String>,
    /// Properties of an event, attributes of a record, `NAME[:TYPE]=TEMPLATE` with the types text, number, boolean,
    /// timestamp and json; may be given again.
    #[arg(long = "property", value_name = "NAME[:TYPE]=TEMPLATE", value_parser = pair)]
    #[serde(default, deserialize_with = "pairs")]
    properties: Vec<(String, String)>,
    /// Take every column that is not named elsewhere as a property of its own name.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOLEAN")]
    rest: Option<bool>,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// Comma-separated values, quoted where needed.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// Columns separated by blanks.
    Blank,
}

/// What a row becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Something that happened.
    Event,
    /// Attributes of a person or an account.
    Record,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, template) = text.split_once('=').ok_or_else(|| format!("expected NAME=TEMPLATE, found {text}"))?;
    Ok((name.to_owned(), template.to_owned()))
}

fn pairs<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    Ok(BTreeMap::deserialize(deserializer)?.into_iter().collect())
}

impl MappingLayer {
    /// Reads a TOML file. A key that is not known is an error that names it.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read mapping {}", path.display()))?;
        toml::from_str(text.trim_start_matches('\u{feff}'))
            .with_context(|| format!("mapping {} is not valid", path.display()))
    }
}

/// A mapping that can be applied to rows.
#[derive(Debug)]
pub(crate) struct Mapping {
    format: Format,
    columns: Vec<String>,
    delimiter: u8,
    target: Target,
    /// Where it names none, ids are made of what rows say.
    message_id: Option<Template>,
    timestamp: Option<Template>,
    time_format: TimeFormat,
    properties: Vec<Property>,
    rest: bool,
}

#[derive(Debug)]
enum Target {
    Event { name: Template, user_id: Option<Template>, anonymous_id: Option<Template> },
    Record { identities: Vec<(String, Template)>, dataset: String },
}

#[derive(Debug)]
struct Property {
    name: String,
    kind: PropertyType,
    template: Template,
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

impl Mapping {
    /// Puts the flags over the file and checks the whole. `source` names what is loaded.
    pub(crate) fn resolve(flags: MappingLayer, file: MappingLayer, source: &str) -> Result<Self> {
        let kind = flags.kind.or(file.kind).unwrap_or(Kind::Event);
        let event = flags.event.or(file.event);
        let user_id = optional("user_id", flags.user_id.or(file.user_id))?;
        let anonymous_id = optional("anonymous_id", flags.anonymous_id.or(file.anonymous_id))?;
        let identities = named("identity", file.identities.into_iter().chain(flags.identities))?;
        let target = match kind {
            Kind::Event => {
                let name = event
                    .context("the mapping names no event: give event, such as \"Order Completed\" or \"{type}\"")?;
                ensure!(
                    user_id.is_some() || anonymous_id.is_some(),
                    "the mapping names neither user_id nor anonymous_id"
                );
                ensure!(identities.is_empty(), "identities are for records; an event has user_id and anonymous_id");
                Target::Event { name: template("event", &name)?, user_id, anonymous_id }
            }
            Kind::Record => {
                ensure!(
                    !identities.is_empty(),
                    "the mapping names no identity: give at least one, such as email={{mail}}"
                );
                ensure!(event.is_none(), "event is for events; a record has attributes only");
                ensure!(
                    user_id.is_none() && anonymous_id.is_none(),
                    "name a record's ids as identities: user_id={{column}}"
                );
                Target::Record {
                    identities,
                    dataset: flags.dataset.or(file.dataset).unwrap_or_else(|| source.to_owned()),
                }
            }
        };
        let delimiter = flags.delimiter.or(file.delimiter).unwrap_or(',');
        let properties = file.properties.into_iter().chain(flags.properties).map(|(name, text)| property(&name, &text));
        Ok(Self {
            format: flags.format.or(file.format).unwrap_or_else(|| format_of(source)),
            columns: flags.columns.or(file.columns).unwrap_or_default(),
            delimiter: u8::try_from(delimiter).map_err(|_| anyhow!("delimiter must be one ASCII character"))?,
            target,
            message_id: optional("message_id", flags.message_id.or(file.message_id))?,
            timestamp: optional("timestamp", flags.timestamp.or(file.timestamp))?,
            time_format: TimeFormat::named(flags.time_format.or(file.time_format).as_deref())?,
            properties: properties.collect::<Result<_>>()?,
            rest: flags.rest.or(file.rest).unwrap_or(false),
        })
    }

    /// How rows are written.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Names of the columns, empty where a header gives them.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// What separates columns.
    pub(crate) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Where batches go, and how the body of one begins; it ends with `]}`.
    pub(crate) fn delivery(&self) -> (&'static str, String) {
        match &self.target {
            Target::Event { .. } => ("/v1/batch", "{\"batch\":[".to_owned()),
            Target::Record { dataset, .. } => {
                let dataset = serde_json::Value::from(dataset.as_str());
                ("/v1/records", format!("{{\"dataset\":{dataset},\"records\":["))
            }
        }
    }

    /// Whether ids are made of what rows say, and rows say no time: then each says how things are as of its file.
    pub(crate) fn speaks_of_its_file(&self) -> bool {
        self.message_id.is_none() && self.timestamp.is_none()
    }

    /// Fails when a template names a column that the header does not have, or that it has twice. Answers what else is to be told
    /// of the header.
    pub(crate) fn check_columns(&self, header: &[String]) -> Result<Vec<String>> {
        if let Some(name) = self.named_columns().find(|name| !header.iter().any(|column| column == name)) {
            bail!("the file has no column {name}; it has: {}", header.join(", "));
        }
        let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, column) in header.iter().enumerate() {
            places.entry(column).or_default().push(at + 1);
        }
        let mut told = Vec::new();
        for (name, places) in places.into_iter().filter(|(_, places)| places.len() > 1) {
            let numbers = places.iter().map(usize::to_string).collect::<Vec<_>>().join(" and ");
            if self.rest || self.named_columns().any(|named| named == name) {
                bail!("columns {numbers} are all named {name:?}, and the mapping asks for it: rename all but one");
            }
            told.push(format!("columns {numbers} are all named {name:?}; the mapping takes none of them"));
        }
        Ok(told)
    }

    /// The JSON of one row.
    ///
    /// # Errors
    /// What is wrong with the row.
    pub(crate) fn render(&self, row: &Row, ids: &mut Ids) -> Result<Vec<u8>, Refusal> {
        let named = self.message_id.as_ref().map(|template| template.text(row).ok_or("the message id is empty"));
        let id = named.transpose()?;
        let is_named = id.is_some();
        let timestamp = self.timestamp.as_ref().map(|template| self.time(template, row)).transpose()?;
        let values = self.values(row)?;
        let text = |template: &'_ Option<Template>| template.as_ref().and_then(|template| owned(template, row));
        let (body, member) = match &self.target {
            Target::Event { name, user_id, anonymous_id } => {
                let event = name.text(row).ok_or("the event name is empty")?;
                let (user_id, anonymous_id) = (text(user_id), text(anonymous_id));
                if user_id.is_none() && anonymous_id.is_none() {
                    return Err("user id and anonymous id are empty".into());
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
                    .filter_map(|(namespace, template)| Some(IdentityBody { namespace, value: template.text(row)? }));
                let identities: Vec<_> = present.collect();
                if identities.is_empty() {
                    return Err("all identities are empty".into());
                }
                (serde_json::to_vec(&RecordBody { id, identities, time: timestamp, attributes: values }), "id")
            }
        };
        let body = body.map_err(|error| error.to_string())?;
        if is_named { Ok(body) } else { with_id(&body, member, ids) }
    }

    fn time(&self, template: &Template, row: &Row) -> Result<String, Refusal> {
        let text = template.text(row).ok_or("the time is empty")?;
        self.time_format.read(&text).ok_or_else(|| {
            Refusal::of_value(format!("the time must be {}{}", self.time_format.expected(), place(template)), &text)
        })
    }

    fn values<'a>(&'a self, row: &'a Row) -> Result<BTreeMap<&'a str, Box<RawValue>>, Refusal> {
        let mut values = BTreeMap::new();
        if self.rest {
            let used: Vec<&str> = self.named_columns().collect();
            for column in row.columns().into_iter().filter(|column| !used.contains(column)) {
                if let Some(cell) = row.cell(column) {
                    values.insert(column, as_is(cell)?);
                }
            }
        }
        for property in &self.properties {
            if let Some(value) = property.value(row, &self.time_format)? {
                values.insert(property.name.as_str(), value);
            }
        }
        Ok(values)
    }

    fn named_columns(&self) -> impl Iterator<Item = &str> {
        let own: Vec<&Template> = match &self.target {
            Target::Event { name, user_id, anonymous_id } => {
                [Some(name), user_id.as_ref(), anonymous_id.as_ref()].into_iter().flatten().collect()
            }
            Target::Record { identities, .. } => identities.iter().map(|(_, template)| template).collect(),
        };
        let properties = self.properties.iter().map(|property| &property.template);
        own.into_iter().chain(&self.message_id).chain(&self.timestamp).chain(properties).flat_map(Template::columns)
    }
}

impl Property {
    fn value(&self, row: &Row, times: &TimeFormat) -> Result<Option<Box<RawValue>>, Refusal> {
        if self.kind == PropertyType::AsIs
            && let Some(cell) = self.template.cell(row)
        {
            return as_is(cell).map(Some);
        }
        let Some(text) = self.template.text(row) else { return Ok(None) };
        self.kind.read(&text, times).map(Some).ok_or_else(|| {
            let expected = self.kind.expected(times);
            Refusal::of_value(format!("property {} must be {expected}{}", self.name, place(&self.template)), &text)
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
    let id = serde_json::Value::from(ids.next(body)?);
    let rest = body.strip_prefix(b"{").expect("a row is an object with members");
    Ok([format!("{{\"{member}\":{id},").as_bytes(), rest].concat())
}

fn owned(template: &Template, row: &Row) -> Option<String> {
    template.text(row).map(Cow::into_owned)
}

fn as_is(cell: Cell<'_>) -> Result<Box<RawValue>, Refusal> {
    match cell {
        Cell::Text(text) => to_raw_value(text).map_err(|error| error.to_string().into()),
        Cell::Json(raw) => Ok(raw.into_owned()),
    }
}

fn template(what: &str, text: &str) -> Result<Template> {
    Template::parse(text).map_err(|error| anyhow!("{what}: {error}"))
}

fn optional(what: &str, text: Option<String>) -> Result<Option<Template>> {
    text.map(|text| template(what, &text)).transpose()
}

fn named(what: &str, pairs: impl Iterator<Item = (String, String)>) -> Result<Vec<(String, Template)>> {
    pairs.map(|(name, text)| Ok((name, template(what, &text)?))).collect()
}

fn property(name: &str, text: &str) -> Result<Property> {
    let (name, kind) = match name.rsplit_once(':') {
        None => (name, PropertyType::AsIs),
        Some((name, "text")) => (name, PropertyType::Text),
        Some((name, "number")) => (name, PropertyType::Number),
        Some((name, "boolean")) => (name, PropertyType::Boolean),
        Some((name, "timestamp")) => (name, PropertyType::Timestamp),
        Some((name, "json")) => (name, PropertyType::Json),
        Some((_, other)) => bail!("property {name}: no type {other} (text, number, boolean, timestamp, json)"),
    };
    Ok(Property { name: name.to_owned(), kind, template: template("property", text)? })
}

fn format_of(source: &str) -> Format {
    let ending = source.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("jsonl" | "ndjson" | "json") => Format::Jsonl,
        Some(_) | None => Format::Csv,
    }
}
