//! The columns of rows that are JSON objects, for files that have columns: which there are, what their values are, and a row in them.
//!
//! A column has a type only if all its values are of it. Numbers are whole, or decimals of one scale; what is of several kinds, or has more
//! digits than a decimal, is JSON. A text is an instant or a day only where the workspace says so of its name.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use serde_json::value::RawValue;
use tessera_connect::{DIGITS_MAX, Digits, Field, FieldKind, Row, Value};

use crate::base::codec::corrupt;
use crate::base::error::{Error, ErrorKind};
use crate::base::members::Members;

/// Columns of a file.
pub const COLUMNS_MAX: usize = 1_000;
/// Bytes of the names of all columns of a file.
const NAMES_BYTES_MAX: usize = 64 << 10;

/// Which columns there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// All that any row has.
    All,
    /// These, each a name at the top of a row, or names below each other with dots between them.
    These(Vec<String>),
}

impl Choice {
    /// What a row has of each, in their order, where these are chosen.
    pub(crate) fn values<'a>(&self, members: &Members<'a>) -> Option<Vec<Option<&'a RawValue>>> {
        match self {
            Self::All => None,
            Self::These(names) => Some(names.iter().map(|name| at(members, name)).collect()),
        }
    }
}

/// What stands under a name: at the top, or below each part of it.
fn at<'a>(members: &Members<'a>, name: &str) -> Option<&'a RawValue> {
    if let Some(found) = members.get(name) {
        return Some(found);
    }
    let mut ends = name.match_indices('.').map(|(at, _)| at);
    ends.find_map(|end| {
        let below = Members::parse(members.get(&name[..end])?.get()).ok()?;
        at(&below, &name[end + 1..])
    })
}

/// What was seen of the values of a column.
#[derive(Debug, Clone, Default)]
struct Tally {
    has_boolean: bool,
    has_text: bool,
    has_json: bool,
    has_number: bool,
    /// A number that is no whole one of 64 bits.
    has_decimal: bool,
    /// A number of too many digits.
    is_too_long: bool,
    whole_digits: u8,
    scale: u8,
    /// A text that is no instant; one that is no day.
    has_no_instant: bool,
    has_no_day: bool,
}

impl Tally {
    fn see(&mut self, raw: &str) {
        match raw.as_bytes().first() {
            None | Some(b'n') => {}
            Some(b't' | b'f') => self.has_boolean = true,
            Some(b'"') => {
                self.has_text = true;
                self.has_no_instant = self.has_no_instant || !text(raw).is_some_and(|own| is_instant(&own));
                self.has_no_day = self.has_no_day || !text(raw).is_some_and(|own| is_day(&own));
            }
            Some(b'{' | b'[') => self.has_json = true,
            Some(_) => {
                self.has_number = true;
                match Digits::parse(raw) {
                    None => self.is_too_long = true,
                    Some(own) => {
                        self.has_decimal = self.has_decimal || own.integer().is_none();
                        self.whole_digits = self.whole_digits.max(own.whole_digits());
                        self.scale = self.scale.max(own.scale());
                    }
                }
            }
        }
    }

    fn kind(&self, times: Option<TimeKind>) -> FieldKind {
        let kinds = [self.has_boolean, self.has_text, self.has_json, self.has_number];
        if kinds.iter().filter(|own| **own).count() > 1 || self.has_json {
            return FieldKind::Json;
        }
        match times {
            Some(TimeKind::Instant) if self.has_text && !self.has_no_instant => return FieldKind::Timestamp,
            Some(TimeKind::Day) if self.has_text && !self.has_no_day => return FieldKind::Date,
            _ => {}
        }
        if self.has_boolean {
            FieldKind::Boolean
        } else if self.has_number && (self.is_too_long || self.whole_digits + self.scale > DIGITS_MAX) {
            FieldKind::Json
        } else if self.has_decimal {
            FieldKind::Decimal(self.scale)
        } else if self.has_number {
            FieldKind::Integer
        } else {
            FieldKind::Text
        }
    }
}

/// What texts of a name are, as the workspace says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeKind {
    /// Instants.
    Instant,
    /// Days.
    Day,
}

/// Columns while rows are looked through.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    columns: HashMap<String, Tally>,
    names_bytes: usize,
}

impl Seen {
    /// Looks at a row.
    ///
    /// # Errors
    /// `LimitExceeded` with `export_columns_too_many`; `Corrupt`.
    pub(crate) fn see(&mut self, json: &[u8], choice: &Choice) -> Result<(), Error> {
        let members = parse(json)?;
        if let (Choice::These(names), Some(values)) = (choice, choice.values(&members)) {
            for (name, value) in names.iter().zip(values) {
                self.note(name, value)?;
            }
            return Ok(());
        }
        members.0.iter().try_for_each(|(name, value)| self.note(name, Some(value)))
    }

    fn note(&mut self, name: &str, value: Option<&RawValue>) -> Result<(), Error> {
        if !self.columns.contains_key(name) {
            self.names_bytes += name.len();
            if self.columns.len() >= COLUMNS_MAX || self.names_bytes > NAMES_BYTES_MAX {
                return Err(too_many());
            }
            self.columns.insert(name.to_owned(), Tally::default());
        }
        if let (Some(tally), Some(value)) = (self.columns.get_mut(name), value) {
            tally.see(value.get());
        }
        Ok(())
    }

    /// The columns: those that were chosen, in their order, or all that were seen, what the rows are called by first, and names that begin
    /// with `_` last.
    pub(crate) fn fields(&self, choice: &Choice, times: impl Fn(&str) -> Option<TimeKind>) -> Vec<Field> {
        let field = |name: &String| {
            let kind = self.columns.get(name).map_or(FieldKind::Text, |tally| tally.kind(times(name)));
            Field { name: name.clone(), kind }
        };
        match choice {
            Choice::These(names) => names.iter().map(field).collect(),
            Choice::All => {
                let rank = |name: &&String| (*name != "profile_id", name.starts_with('_'), (*name).clone());
                let sorted: BTreeSet<_> = self.columns.keys().map(|name| (rank(&name), name)).collect();
                sorted.into_iter().map(|(_, name)| field(name)).collect()
            }
        }
    }
}

/// Why a row does not stand in columns that were made of others: one of its own is new, or of another kind. The column's name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit(pub(crate) String);

/// Columns, and where each is.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    pub(crate) fields: Vec<Field>,
    places: HashMap<String, usize>,
}

impl From<Vec<Field>> for Columns {
    fn from(fields: Vec<Field>) -> Self {
        let places = fields.iter().enumerate().map(|(at, field)| (field.name.clone(), at)).collect();
        Self { fields, places }
    }
}

/// How the values of a row are put into columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typing {
    /// Each as the kind of its column.
    Strict,
    /// Each as what it is, for files that know no types.
    Free,
}

/// A row in its columns.
///
/// # Errors
/// `Corrupt`; inside, that it does not stand in them.
pub(crate) fn row(
    json: &[u8],
    columns: &Columns,
    choice: &Choice,
    typing: Typing,
) -> Result<Result<Row, Misfit>, Error> {
    let Columns { fields, places } = columns;
    let members = parse(json)?;
    let mut row = vec![Value::Null; fields.len()];
    let mut put = |at: usize, raw: Option<&RawValue>| -> Result<(), Misfit> {
        let Some(raw) = raw else { return Ok(()) };
        let own = match typing {
            Typing::Free => free(raw.get()),
            Typing::Strict => typed(raw.get(), fields[at].kind),
        };
        row[at] = own.ok_or_else(|| Misfit(fields[at].name.clone()))?;
        Ok(())
    };
    let done = match choice.values(&members) {
        Some(values) => values.into_iter().enumerate().try_for_each(|(at, raw)| put(at, raw)),
        None => members
            .0
            .iter()
            .try_for_each(|(name, raw)| put(*places.get(name).ok_or_else(|| Misfit(name.clone()))?, Some(raw))),
    };
    Ok(done.map(|()| row))
}

/// A line of JSON: the row, or what of it was chosen, null where it has nothing.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn line(json: &[u8], choice: &Choice, out: &mut Vec<u8>) -> Result<(), Error> {
    if let Choice::These(names) = choice {
        let members = parse(json)?;
        let values = choice.values(&members).unwrap_or_default();
        let null: &RawValue = RawValue::NULL;
        let chosen = names.iter().zip(values).map(|(name, raw)| (name.clone(), raw.unwrap_or(null)));
        out.extend_from_slice(Members(chosen.collect()).to_raw().get().as_bytes());
    } else {
        out.extend_from_slice(json);
    }
    out.push(b'\n');
    Ok(())
}

fn parse(json: &[u8]) -> Result<Members<'_>, Error> {
    std::str::from_utf8(json).ok().and_then(|json| Members::parse(json).ok()).ok_or_else(|| corrupt("row of an export"))
}

fn free(raw: &str) -> Option<Value> {
    Some(match raw.as_bytes().first()? {
        b'n' => Value::Null,
        b't' | b'f' => Value::Boolean(raw == "true"),
        b'"' => Value::Text(text(raw)?),
        b'{' | b'[' => Value::Json(serde_json::from_str(raw).ok()?),
        _ => Value::Number(raw.to_owned()),
    })
}

fn typed(raw: &str, kind: FieldKind) -> Option<Value> {
    let value = free(raw)?;
    match (kind, value) {
        (_, Value::Null) => Some(Value::Null),
        (FieldKind::Json, _) => serde_json::from_str(raw).ok().map(Value::Json),
        (FieldKind::Boolean, value @ Value::Boolean(_)) | (FieldKind::Text, value @ Value::Text(_)) => Some(value),
        (FieldKind::Integer, value @ Value::Number(_)) => {
            Digits::parse(raw).and_then(Digits::integer).is_some().then_some(value)
        }
        (FieldKind::Decimal(scale), value @ Value::Number(_)) => {
            Digits::parse(raw).and_then(|own| own.units_of(scale)).is_some().then_some(value)
        }
        (FieldKind::Timestamp, Value::Text(text)) => is_instant(&text).then_some(Value::Timestamp(text)),
        (FieldKind::Date, Value::Text(text)) => is_day(&text).then_some(Value::Text(text)),
        _ => None,
    }
}

fn text(raw: &str) -> Option<String> {
    serde_json::from_str(raw).ok()
}

/// Whether a text is an instant that a count of microseconds holds whole.
fn is_instant(text: &str) -> bool {
    let looks_so = text.len() >= 20 && text.as_bytes().get(4) == Some(&b'-');
    looks_so && text.parse::<jiff::Timestamp>().is_ok_and(|at| at.subsec_nanosecond() % 1_000 == 0)
}

fn is_day(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok_and(|own| own.year() >= 1)
}

pub(crate) fn too_many() -> Error {
    let message = format!(
        "the rows have more columns than a table may have columns_max={COLUMNS_MAX}; name those that are wanted in `fields`, or export JSON lines"
    );
    Error::new(ErrorKind::LimitExceeded, "export_columns_too_many", message)
}

#[cfg(test)]
mod tests;
