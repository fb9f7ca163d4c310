//! What becomes of the columns of a source: whose a row is, which identities it names, what it says. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use tessera_connect::{Column, ColumnKind, Row, Unfit, Value as Cell};
use tessera_engine::config::{Config, Namespace};
use tessera_engine::fact::{Claim, Fact, Identity, Strength};
use tessera_engine::normalise::{Refused, normalise, spelled_number};
use tessera_engine::value::{Decimal, Path, Value};
use tessera_engine::view::RESERVED;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::base::clock::parse_timestamp;
use crate::base::error::{Error, ErrorKind};
use crate::base::json::{Bounds, Reason, Spelling, flatten, read_value};
use crate::config::sources::{AUDIENCES, EventColumns, Source};
use crate::stored::cursor::{KeyedHash, hmac};
use crate::stored::sources::HASH_BYTES;

mod event;

/// What becomes of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Becomes {
    /// It says whose the row is.
    Primary {
        /// The namespace of its values.
        namespace: String,
    },
    /// It names another identity of theirs.
    Identifier {
        /// The namespace of its values.
        namespace: String,
    },
    /// It says whether they are in the audience of its name.
    Audience,
    /// It is an attribute.
    Attribute {
        /// Where it stands.
        path: Path,
    },
    /// It is the name of the event.
    EventName,
    /// It is the time of the event.
    EventTime,
    /// It is the id of the event.
    EventId,
    /// It is a property of the event.
    Property {
        /// Its name.
        name: String,
    },
    /// Nothing.
    Nothing {
        /// Why: a stable code, or none where nobody asked for it.
        code: Option<&'static str>,
    },
}

/// What becomes of the columns of a source.
pub(crate) struct Mapping {
    dataset: Arc<str>,
    columns: Vec<(Column, Becomes)>,
    primary: usize,
    /// Of events, the column of the id, and the name that all have where no column has it.
    event: Option<(usize, Option<Arc<str>>)>,
    namespace: Arc<Namespace>,
    seed: KeyedHash,
    hash_seed: u64,
}

/// What a row comes to.
pub(crate) struct Mapped {
    /// Whose it is, hashed under the source's seed.
    pub(crate) key: [u8; HASH_BYTES],
    /// What it says, hashed.
    pub(crate) hash: u64,
}

/// Something that is left out of a row, by its column and a stable code.
pub(crate) type LeftOut<'a> = (&'a str, &'static str);

/// What becomes of each column of what a source brings.
///
/// # Errors
/// `Invalid` with `source_column_unknown`, `source_column_unfit`.
pub(crate) fn assign(source: &Source, columns: &[Column]) -> Result<Vec<Becomes>, Error> {
    let content = &source.content;
    let named = std::iter::once(&content.primary.column)
        .chain(content.identifiers.keys())
        .chain(&content.audiences)
        .chain(content.event.iter().flat_map(|event| [&event.time, &event.id]))
        .chain(content.attributes.iter().flat_map(BTreeMap::keys));
    for name in named {
        if !columns.iter().any(|column| column.name == *name) {
            let there: Vec<&str> = columns.iter().take(50).map(|column| &*column.name).collect();
            let message = format!(
                "the source names the column {name}, which the query does not bring; it brings {}",
                there.join(", ")
            );
            return Err(Error::new(ErrorKind::Invalid, "source_column_unknown", message));
        }
    }
    columns.iter().map(|column| becomes(source, column)).collect()
}

fn becomes(source: &Source, column: &Column) -> Result<Becomes, Error> {
    let (content, name) = (&source.content, &column.name);
    let unfit = |expected: &str| {
        let message = format!(
            "the column {name} is of the type {}, and {expected} is expected of it; convert it in the query",
            column.source_type
        );
        Error::new(ErrorKind::Invalid, "source_column_unfit", message)
    };
    let can_name = matches!(column.kind, ColumnKind::Text | ColumnKind::Number | ColumnKind::Empty);
    if *name == content.primary.column {
        let namespace = content.primary.namespace.clone();
        return if can_name { Ok(Becomes::Primary { namespace }) } else { Err(unfit("text or a number")) };
    }
    if let Some(namespace) = content.identifiers.get(name) {
        let namespace = namespace.clone();
        return if can_name { Ok(Becomes::Identifier { namespace }) } else { Err(unfit("text or a number")) };
    }
    if content.audiences.contains(name) {
        let is_fit = matches!(column.kind, ColumnKind::Boolean | ColumnKind::Empty);
        return if is_fit { Ok(Becomes::Audience) } else { Err(unfit("true or false")) };
    }
    if let Some(event) = &content.event {
        return becomes_of_event(event, column, content.attributes.as_ref(), &unfit);
    }
    let path = match &content.attributes {
        Some(attributes) => match attributes.get(name) {
            Some(path) => Path::parse(path),
            None => return Ok(Becomes::Nothing { code: None }),
        },
        None => Path::root(name),
    };
    Ok(match path {
        Err(_) => Becomes::Nothing { code: Some("attribute_invalid") },
        Ok(path) => {
            let root = Path::first_of(path.as_str()).into_owned();
            if RESERVED.contains(&&*root) || root.starts_with('_') || root == AUDIENCES {
                Becomes::Nothing { code: Some("attribute_name_reserved") }
            } else if column.kind == ColumnKind::Binary {
                Becomes::Nothing { code: Some(Unfit::Binary.code()) }
            } else {
                Becomes::Attribute { path }
            }
        }
    })
}

/// What becomes of a column that does not say whose an event is.
fn becomes_of_event(
    event: &EventColumns,
    column: &Column,
    attributes: Option<&BTreeMap<String, String>>,
    unfit: &dyn Fn(&str) -> Error,
) -> Result<Becomes, Error> {
    let name = &column.name;
    let is_text = matches!(column.kind, ColumnKind::Text | ColumnKind::Empty);
    if *name == event.id {
        let is_fit = is_text || column.kind == ColumnKind::Number;
        return if is_fit { Ok(Becomes::EventId) } else { Err(unfit("text or a number")) };
    }
    if *name == event.time {
        let is_fit = is_text || column.kind == ColumnKind::Timestamp;
        return if is_fit { Ok(Becomes::EventTime) } else { Err(unfit("a time")) };
    }
    if *name == event.name {
        return if is_text { Ok(Becomes::EventName) } else { Err(unfit("text")) };
    }
    Ok(match attributes {
        _ if column.kind == ColumnKind::Binary => Becomes::Nothing { code: Some(Unfit::Binary.code()) },
        None => Becomes::Property { name: name.clone() },
        Some(attributes) => match attributes.get(name) {
            Some(name) => Becomes::Property { name: name.clone() },
            None => Becomes::Nothing { code: None },
        },
    })
}

impl Becomes {
    /// Whether its values name something: the text of them counts, and nothing else.
    const fn names(&self) -> bool {
        matches!(self, Self::Primary { .. } | Self::Identifier { .. } | Self::EventId)
    }
}

impl Mapping {
    /// That of a source, for what its query brings.
    ///
    /// # Errors
    /// As [`assign`]; `Invalid` with `namespace_unknown`.
    pub(crate) fn new(name: &str, source: &Source, columns: &[Column], config: &Config) -> Result<Self, Error> {
        let becomes = assign(source, columns)?;
        let own = &source.content.primary.namespace;
        let unknown =
            || Error::new(ErrorKind::Invalid, "namespace_unknown", format!("the namespace {own} is not registered"));
        let namespace = config.by_name(own).cloned().ok_or_else(unknown)?;
        let primary = becomes.iter().position(|own| matches!(own, Becomes::Primary { .. }));
        let primary =
            primary.ok_or_else(|| Error::new(ErrorKind::Invalid, "source_column_unknown", "no primary column"))?;
        let event = source.content.event.as_ref().map(|event| {
            let id = becomes.iter().position(|own| *own == Becomes::EventId).unwrap_or(primary);
            let is_named = becomes.contains(&Becomes::EventName);
            (id, (!is_named).then(|| event.name.as_str().into()))
        });
        let hash_seed = hmac(&source.seed, &[b"tessera source 1", &source.revision.to_be_bytes()]);
        let hash_seed = u64::from_be_bytes(*hash_seed.first_chunk::<8>().unwrap_or(&[0; 8]));
        let columns = columns.iter().cloned().zip(becomes).collect();
        Ok(Self {
            dataset: name.into(),
            columns,
            primary,
            event,
            namespace,
            seed: KeyedHash::new(&source.seed),
            hash_seed,
        })
    }

    /// The columns that something becomes of, with the names of their kinds. What names somebody is a text, however it is written: a column of
    /// numbers in which one code has a letter names the same people as before.
    pub(crate) fn used(&self) -> Vec<(String, String)> {
        let used = self.columns.iter().filter(|(_, becomes)| !matches!(becomes, Becomes::Nothing { .. }));
        let kind = |becomes: &Becomes, kind: ColumnKind| if becomes.names() { ColumnKind::Text } else { kind };
        used.map(|(column, becomes)| (column.name.clone(), kind(becomes, column.kind).name().to_owned())).collect()
    }

    /// Columns of which nothing becomes although somebody may expect it, with the reason.
    pub(crate) fn unused(&self) -> impl Iterator<Item = LeftOut<'_>> {
        self.columns.iter().filter_map(|(column, becomes)| match becomes {
            Becomes::Nothing { code: Some(code) } => Some((&*column.name, *code)),
            _ => None,
        })
    }

    /// Whose a row is, and what it says, hashed.
    ///
    /// # Errors
    /// Why it is nobody's: a stable code.
    pub(crate) fn look(&self, row: &Row, buffer: &mut Vec<u8>) -> Result<Mapped, &'static str> {
        let identity = self.identity(&row[self.primary])?;
        let key = match &self.event {
            None => self.key_of_identity(&identity),
            Some((id, _)) => self.key_of_event(&row[*id])?,
        };
        buffer.clear();
        for ((_, becomes), cell) in self.columns.iter().zip(row) {
            match (becomes, cell) {
                (Becomes::Nothing { .. }, _) => {}
                (becomes, Cell::Number(json)) if becomes.names() => spell_text(4, &spelled_number(json), buffer),
                (_, cell) => spell(cell, buffer),
            }
        }
        Ok(Mapped { key, hash: xxh3_64_with_seed(buffer, self.hash_seed) })
    }

    /// Whose a row is, hashed, by the value that tells it from others: its primary identity, of an event its id.
    ///
    /// # Errors
    /// Why it is nobody's: a stable code.
    pub(crate) fn key(&self, value: &Cell) -> Result<[u8; HASH_BYTES], &'static str> {
        match &self.event {
            None => Ok(self.key_of_identity(&self.identity(value)?)),
            Some(_) => self.key_of_event(value),
        }
    }

    fn identity(&self, value: &Cell) -> Result<Identity, &'static str> {
        let text = identity_text(value)?.ok_or("row_primary_null")?;
        match normalise(&self.namespace, &text) {
            Ok(value) => Ok(Identity { namespace: self.namespace.id, value }),
            Err(Refused::Blocked) => Err("identity_blocked"),
            Err(_) => Err("identity_invalid"),
        }
    }

    fn key_of_identity(&self, own: &Identity) -> [u8; HASH_BYTES] {
        first(&self.seed.of(&[&own.namespace.number().to_be_bytes(), own.value.as_bytes()]))
    }

    fn key_of_event(&self, id: &Cell) -> Result<[u8; HASH_BYTES], &'static str> {
        let id = identity_text(id)?.ok_or("row_event_id_null")?;
        Ok(first(&self.seed.of(&[b"event", id.as_bytes()])))
    }

    /// The fact that a row is: an event, or all that the source says of whose it is.
    pub(crate) fn fact<'a>(&'a self, row: Row, left_out: &mut Vec<LeftOut<'a>>) -> Result<Fact, &'static str> {
        match &self.event {
            Some((_, name)) => event::fact(self, name.as_ref(), row, left_out),
            None => self.record(row, left_out),
        }
    }

    fn record<'a>(&'a self, row: Row, left_out: &mut Vec<LeftOut<'a>>) -> Result<Fact, &'static str> {
        let (mut document, mut claims, mut attributes) = (None, Vec::new(), Vec::with_capacity(row.len()));
        for ((column, becomes), cell) in self.columns.iter().zip(row) {
            match becomes {
                Becomes::Primary { namespace } => {
                    document = identity_text(&cell)?.map(|text| claim(namespace, &text));
                }
                Becomes::Identifier { namespace } => match identity_text(&cell) {
                    Ok(Some(text)) => {
                        // What the source says of it stands whatever becomes of the link.
                        attributes.extend(Path::root(namespace).ok().map(|path| (path, Value::text(&text))));
                        claims.push(claim(namespace, &text));
                    }
                    Ok(None) => {}
                    Err(code) => left_out.push((&column.name, code)),
                },
                Becomes::Audience => match cell {
                    Cell::Boolean(truth) => {
                        let path = Path::from_segments([AUDIENCES, &column.name]);
                        attributes.extend(path.ok().map(|path| (path, Value::Bool(truth))));
                    }
                    Cell::Null => {}
                    Cell::Unfit(unfit) => left_out.push((&column.name, unfit.code())),
                    Cell::Number(_) | Cell::Text(_) | Cell::Timestamp(_) | Cell::Json(_) => {
                        left_out.push((&column.name, Unfit::NotOfKind.code()));
                    }
                },
                Becomes::Attribute { path } => {
                    if let Err(code) = attribute(path, cell, &mut attributes) {
                        left_out.push((&column.name, code));
                    }
                }
                Becomes::EventName
                | Becomes::EventTime
                | Becomes::EventId
                | Becomes::Property { .. }
                | Becomes::Nothing { .. } => {}
            }
        }
        Ok(Fact {
            id: "row".into(),
            dataset: self.dataset.clone(),
            batch: None,
            time: None,
            claims,
            document: Some(document.ok_or("row_primary_null")?),
            attributes,
            account: None,
            call: None,
            content: None,
            replaces: tessera_engine::fact::Replaces::Nothing,
        })
    }
}

fn first(hash: &[u8; 32]) -> [u8; HASH_BYTES] {
    *hash.first_chunk().unwrap_or(&[0; HASH_BYTES])
}

/// What a source says of who somebody is: as sure as what a server says.
fn claim(namespace: &str, text: &str) -> Claim {
    Claim { namespace: namespace.into(), value: text.into(), strength: Strength::Verified }
}

/// The text that an identity is named by, of a number its one spelling; none for an empty one.
fn identity_text(cell: &Cell) -> Result<Option<Cow<'_, str>>, &'static str> {
    match cell {
        Cell::Null => Ok(None),
        Cell::Text(text) if text.trim().is_empty() => Ok(None),
        Cell::Text(text) => Ok(Some(Cow::Borrowed(text))),
        Cell::Number(json) => Ok(Some(spelled_number(json))),
        Cell::Unfit(unfit) => Err(unfit.code()),
        Cell::Boolean(_) | Cell::Timestamp(_) | Cell::Json(_) => Err("identity_invalid"),
    }
}

/// Adds what a value says of an attribute. Nothing says nothing.
fn attribute(path: &Path, cell: Cell, attributes: &mut Vec<(Path, Value)>) -> Result<(), &'static str> {
    let value = match cell {
        Cell::Null => return Ok(()),
        Cell::Unfit(unfit) => return Err(unfit.code()),
        Cell::Boolean(truth) => Value::Bool(truth),
        Cell::Text(text) => Value::text(&text),
        Cell::Number(digits) => Value::Number(number(&digits)?),
        Cell::Timestamp(text) => Value::Timestamp(parse_timestamp(&text).map_err(|_| Unfit::OutOfRange.code())?),
        Cell::Json(json @ Json::Object(_)) => return members(path, json, attributes),
        Cell::Json(json) => read_value(&json, Spelling::Plain, Path::SEGMENTS_MAX).map_err(reason)?,
    };
    if value != Value::Null {
        attributes.push((path.clone(), value));
    }
    Ok(())
}

/// An object is attributes below its own.
fn members(path: &Path, json: Json, attributes: &mut Vec<(Path, Value)>) -> Result<(), &'static str> {
    let segments: Vec<String> = path.segments().map(std::borrow::Cow::into_owned).collect();
    let nest = |json, segment: &String| Json::Object(Map::from_iter([(segment.clone(), json)]));
    let Json::Object(whole) = segments.iter().rev().fold(json, nest) else { return Err("attribute_invalid") };
    let flat = flatten(&whole, Spelling::Plain, Bounds::default()).map_err(|error| reason(error.reason))?;
    attributes.extend(flat.leaves.into_iter().filter(|(_, value)| *value != Value::Null));
    flat.left_out.first().map_or(Ok(()), |error| Err(reason(error.reason)))
}

fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::NumberOutOfRange => "number_out_of_range",
        Reason::TooMany => "too_many_attributes",
        Reason::TooDeep
        | Reason::NameTooLong
        | Reason::NotATime
        | Reason::NotASet
        | Reason::NotAnOperation
        | Reason::NotAMember(_) => "attribute_invalid",
    }
}

/// A number, if it can be kept to its last digit.
fn number(digits: &str) -> Result<Decimal, &'static str> {
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let places = mantissa.split_once('.').map_or(0, |(_, places)| places.trim_end_matches('0').len());
    let exponent: i64 = exponent.parse().map_err(|_| "number_out_of_range")?;
    let number = Decimal::parse(digits.strip_prefix('+').unwrap_or(digits)).map_err(|_| "number_out_of_range")?;
    let is_whole = i64::try_from(places).is_ok_and(|places| places - exponent <= 18);
    if is_whole || number == Decimal::from_i64(0) && mantissa.bytes().all(|byte| !(b'1'..=b'9').contains(&byte)) {
        Ok(number)
    } else {
        Err("number_too_precise")
    }
}

/// Writes a value so that no two that differ are written alike.
fn spell(cell: &Cell, buffer: &mut Vec<u8>) {
    match cell {
        Cell::Null => spell_text(0, "", buffer),
        Cell::Boolean(false) => spell_text(1, "", buffer),
        Cell::Boolean(true) => spell_text(2, "", buffer),
        Cell::Number(text) => spell_text(3, text, buffer),
        Cell::Text(text) => spell_text(4, text, buffer),
        Cell::Timestamp(text) => spell_text(5, text, buffer),
        Cell::Unfit(unfit) => spell_text(6, unfit.code(), buffer),
        Cell::Json(json) => spell_text(7, &json.to_string(), buffer),
    }
}

fn spell_text(kind: u8, text: &str, buffer: &mut Vec<u8>) {
    buffer.push(kind);
    buffer.extend_from_slice(&(text.len() as u64).to_be_bytes());
    buffer.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests;
