//! What the columns of a file mean, from a TOML file and flags, checked once.

mod render;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use encoding_rs::Encoding;

use super::formats::Formats;
use super::input;
use super::layer::{Format, Kind, MappingLayer};
use super::template::Template;
use super::values::PropertyType;
pub(crate) use render::Rendered;

/// A mapping that can be applied to rows.
#[derive(Debug)]
pub(crate) struct Mapping {
    format: Format,
    columns: Vec<String>,
    delimiter: u8,
    encoding: Option<&'static Encoding>,
    target: Target,
    /// Where it names none, ids are made of what rows say.
    message_id: Option<Template>,
    timestamp: Option<Template>,
    formats: Formats,
    column_formats: BTreeMap<String, Formats>,
    defaults: Arc<BTreeMap<String, String>>,
    properties: Vec<Property>,
    rest: bool,
    is_lenient: bool,
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

impl Mapping {
    /// Puts the flags over the file and checks the whole. `source` names what is loaded.
    pub(crate) fn resolve(mut flags: MappingLayer, mut file: MappingLayer, source: &str) -> Result<Self> {
        let target = Target::resolve(&mut flags, &mut file, source)?;
        let times = if flags.time_formats.is_empty() { file.time_formats } else { flags.time_formats };
        let formats = Formats::of_file(&times, flags.decimal.or(file.decimal).as_deref())?;
        let mut names = grouped(file.column_formats);
        names.extend(grouped(flags.column_formats));
        let own = names.into_iter().map(|(column, names)| Ok((column.clone(), formats.of_column(&column, &names)?)));
        let properties = file.properties.into_iter().chain(flags.properties).map(|(name, text)| property(&name, &text));
        let encoding = flags.encoding.or(file.encoding);
        let mapping = Self {
            format: flags.format.or(file.format).unwrap_or_else(|| format_of(source)),
            columns: flags.columns.or(file.columns).unwrap_or_default(),
            delimiter: delimiter(flags.delimiter.or(file.delimiter).as_deref(), source)?,
            encoding: encoding.map(|name| input::encoding(&name)).transpose()?,
            target,
            message_id: optional("message_id", flags.message_id.or(file.message_id))?,
            timestamp: optional("timestamp", flags.timestamp.or(file.timestamp))?,
            column_formats: own.collect::<Result<_>>()?,
            defaults: Arc::new(file.defaults.into_iter().chain(flags.defaults).collect()),
            properties: properties.collect::<Result<_>>()?,
            rest: flags.rest.or(file.rest).unwrap_or(false),
            is_lenient: flags.lenient.or(file.lenient).unwrap_or(false),
            formats,
        };
        mapping.check_constants()?;
        Ok(mapping)
    }

    /// This mapping, for rows that were refused: columns separated by blanks were written down as CSV, rows of Parquet as lines of JSON.
    pub(crate) fn of_refused(mut self) -> Self {
        self.format = match self.format {
            Format::Blank => Format::Csv,
            Format::Parquet => Format::Jsonl,
            own @ (Format::Csv | Format::Jsonl) => own,
        };
        self
    }

    /// Whether a column is asked for.
    pub(crate) fn takes(&self, column: &str) -> bool {
        self.rest || self.named_columns().any(|named| named == column)
    }

    /// How rows are written.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Whether rows are written as columns, and not as objects.
    pub(crate) fn has_columns(&self) -> bool {
        matches!(self.format, Format::Csv | Format::Blank)
    }

    /// Names of the columns, empty where a header gives them.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// What separates columns.
    pub(crate) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// How characters are written where no mark says it.
    pub(crate) fn encoding(&self) -> Option<&'static Encoding> {
        self.encoding
    }

    /// What columns hold where they are empty.
    pub(crate) fn defaults(&self) -> &Arc<BTreeMap<String, String>> {
        &self.defaults
    }

    /// Whether rows are loaded without what is wrong with them, as far as they can be.
    pub(crate) fn is_lenient(&self) -> bool {
        self.is_lenient
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
        let spoken_of = self.defaults.keys().chain(self.column_formats.keys()).map(String::as_str);
        if let Some(name) =
            self.named_columns().chain(spoken_of).find(|name| !header.iter().any(|column| column == name))
        {
            bail!("the file has no column {name}; {}", described(header));
        }
        if let Some((what, column)) = self.constants().find(|(_, text)| header.iter().any(|column| column == text)) {
            bail!(
                "{what} is {column:?} for every row, and a column is called so: write {{{column}}} for what it holds"
            );
        }
        let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, column) in header.iter().enumerate() {
            places.entry(column).or_default().push(at + 1);
        }
        let mut told: Vec<String> = other_delimiter(header).into_iter().collect();
        for (name, places) in places.into_iter().filter(|(_, places)| places.len() > 1) {
            let numbers = places.iter().map(usize::to_string).collect::<Vec<_>>().join(" and ");
            if self.rest || self.named_columns().any(|named| named == name) {
                bail!("columns {numbers} are all named {name:?}, and the mapping asks for it: rename all but one");
            }
            told.push(format!("columns {numbers} are all named {name:?}; the mapping takes none of them"));
        }
        Ok(told)
    }

    /// What says who and when, and is the same for every row.
    fn constants(&self) -> impl Iterator<Item = (&'static str, String)> {
        let who: Vec<(&'static str, &Template)> = match &self.target {
            Target::Event { user_id, anonymous_id, .. } => {
                let named = [("user_id", user_id), ("anonymous_id", anonymous_id)];
                named.into_iter().filter_map(|(name, template)| Some((name, template.as_ref()?))).collect()
            }
            Target::Record { identities, .. } => {
                identities.iter().map(|(_, template)| ("an identity", template)).collect()
            }
        };
        let others = [("message_id", &self.message_id), ("timestamp", &self.timestamp)];
        let others = others.into_iter().filter_map(|(name, template)| Some((name, template.as_ref()?)));
        who.into_iter()
            .chain(others)
            .filter(|(_, template)| template.is_constant())
            .map(|(name, template)| (name, template.constant()))
    }

    /// Values that no row has a part in are of their type, or none ever will be.
    fn check_constants(&self) -> Result<()> {
        for property in self.properties.iter().filter(|property| property.template.is_constant()) {
            let text = property.template.constant();
            let expected = property.kind.expected(&self.formats);
            ensure!(
                property.kind.read(&text, &self.formats).is_ok(),
                "property {} is always {text:?} and must be {expected}",
                property.name
            );
        }
        Ok(())
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

impl Target {
    fn resolve(flags: &mut MappingLayer, file: &mut MappingLayer, source: &str) -> Result<Self> {
        let kind = flags.kind.or(file.kind).unwrap_or(Kind::Event);
        let event = flags.event.take().or(file.event.take());
        let user_id = optional("user_id", flags.user_id.take().or(file.user_id.take()))?;
        let anonymous_id = optional("anonymous_id", flags.anonymous_id.take().or(file.anonymous_id.take()))?;
        let identities = named(
            "identity",
            std::mem::take(&mut file.identities).into_iter().chain(std::mem::take(&mut flags.identities)),
        )?;
        match kind {
            Kind::Event => {
                let name = event
                    .context("the mapping names no event: give event, such as \"Order Completed\" or \"{type}\"")?;
                ensure!(
                    user_id.is_some() || anonymous_id.is_some(),
                    "the mapping names neither user_id nor anonymous_id"
                );
                ensure!(identities.is_empty(), "identities are for records; an event has user_id and anonymous_id");
                Ok(Self::Event { name: template("event", &name)?, user_id, anonymous_id })
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
                let dataset = flags.dataset.take().or(file.dataset.take()).unwrap_or_else(|| source.to_owned());
                Ok(Self::Record { identities, dataset })
            }
        }
    }
}

/// What a file has, for whoever looks for something else.
fn described(header: &[String]) -> String {
    if header.iter().all(String::is_empty) {
        return "it is empty".to_owned();
    }
    let hint = other_delimiter(header).map(|told| format!(" ({told})")).unwrap_or_default();
    format!("it has: {}{hint}", header.join(", "))
}

/// What to say of a header that was not taken apart.
fn other_delimiter(header: &[String]) -> Option<String> {
    let [one] = header else { return None };
    let (sign, flag) =
        [(';', "';'"), ('\t', "'\\t'"), ('|', "'|'"), (',', ",")].into_iter().find(|(sign, _)| one.contains(*sign))?;
    let count = one.matches(sign).count() + 1;
    Some(format!("with --delimiter {flag} the file would have {count} columns, and so it has one"))
}

/// Names with all that was said of each, in the order in which it was said.
fn grouped(pairs: Vec<(String, String)>) -> BTreeMap<String, Vec<String>> {
    let mut grouped: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, text) in pairs {
        grouped.entry(name).or_default().push(text);
    }
    grouped
}

/// The character that separates columns.
fn delimiter(named: Option<&str>, source: &str) -> Result<u8> {
    let is_tsv = source.to_ascii_lowercase().ends_with(".tsv");
    match named {
        None => Ok(if is_tsv { b'\t' } else { b',' }),
        Some("\\t" | "tab") => Ok(b'\t'),
        Some(text) => match text.as_bytes() {
            [one] if one.is_ascii() && !matches!(one, b'"' | b'\r' | b'\n') => Ok(*one),
            _ => bail!("delimiter must be one ASCII character, or \\t, and is {text:?}"),
        },
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
        Some("parquet") => Format::Parquet,
        Some(_) | None => Format::Csv,
    }
}
