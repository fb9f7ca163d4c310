//! What the columns of files hold, as all their values say.

use std::collections::BTreeMap;

use crate::{Column, ColumnKind, Error, Unfit, Value};

/// The columns seen so far, in the order in which they came.
#[derive(Default)]
pub(super) struct Seen {
    columns: Vec<(String, ColumnKind)>,
    /// The names of the header of the first file that has one.
    pub(super) header: Option<Vec<String>>,
}

impl Seen {
    /// The place of a column, made where it is new.
    pub(super) fn place(&mut self, name: &str, guess: usize) -> usize {
        if self.columns.get(guess).is_some_and(|(own, _)| own == name) {
            return guess;
        }
        match self.columns.iter().position(|(own, _)| own == name) {
            Some(at) => at,
            None => {
                self.columns.push((name.to_owned(), ColumnKind::Empty));
                self.columns.len() - 1
            }
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// A value of this kind stands in a column. What is of several kinds is text where all came as text, otherwise JSON.
    pub(super) fn note(&mut self, at: usize, kind: ColumnKind, mixed: ColumnKind) {
        let own = &mut self.columns[at].1;
        *own = match (*own, kind) {
            (own, ColumnKind::Empty) => own,
            (ColumnKind::Empty, kind) => kind,
            (own, kind) if own == kind => own,
            _ => mixed,
        };
    }

    /// A header stands as it is, names that come twice included.
    pub(super) fn set_header(&mut self, names: &[String]) {
        self.columns = names.iter().map(|name| (name.clone(), ColumnKind::Empty)).collect();
        self.header = Some(names.to_vec());
    }

    /// Whether anything was seen.
    pub(super) fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// What was seen, but for what is to be read as told.
    pub(super) fn columns(self, types: &BTreeMap<String, ColumnKind>) -> Result<Vec<Column>, Error> {
        if let Some(unknown) = types.keys().find(|name| !self.columns.iter().any(|(own, _)| own == *name)) {
            let message = format!("`types` names the column {unknown}, which the files do not have");
            return Err(Error::invalid("source_column_unknown", message));
        }
        let column = |(name, kind): (String, ColumnKind)| {
            let kind = types.get(&name).copied().unwrap_or(kind);
            Column { name, kind, source_type: kind.name().to_owned() }
        };
        Ok(self.columns.into_iter().map(column).collect())
    }
}

/// What a text stands for where its column says no more: a number only in the one spelling that JSON has for it, without an exponent, so that
/// a code with zeros in front stays what it is.
pub(super) fn kind_of(text: &str) -> ColumnKind {
    match text {
        "" => ColumnKind::Empty,
        "true" | "false" => ColumnKind::Boolean,
        text if is_number(text) => ColumnKind::Number,
        _ => ColumnKind::Text,
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').map_or((digits, None), |(whole, part)| (whole, Some(part)));
    let all = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all(whole) && (whole == "0" || !whole.starts_with('0')) && part.is_none_or(all) && text != "-0"
}

/// The value that a text is in a column of this kind; an empty one is none.
pub(super) fn value_of(text: &str, kind: ColumnKind) -> Value {
    if text.is_empty() {
        return Value::Null;
    }
    match (kind, text) {
        (ColumnKind::Boolean, "true" | "TRUE" | "True" | "t" | "1") => Value::Boolean(true),
        (ColumnKind::Boolean, "false" | "FALSE" | "False" | "f" | "0") => Value::Boolean(false),
        (ColumnKind::Number, text) if is_written_number(text) => Value::Number(text.to_owned()),
        (ColumnKind::Timestamp, text) => match text.parse::<jiff::Timestamp>() {
            Ok(at) => Value::Timestamp(at.to_string()),
            Err(_) => Value::Unfit(Unfit::NotOfKind),
        },
        (ColumnKind::Json, text) => serde_json::from_str(text).map_or(Value::Unfit(Unfit::NotOfKind), Value::Json),
        (ColumnKind::Text | ColumnKind::Empty, text) => Value::Text(text.to_owned()),
        (ColumnKind::Binary, _) => Value::Unfit(Unfit::Binary),
        (ColumnKind::Boolean | ColumnKind::Number, _) => Value::Unfit(Unfit::NotOfKind),
    }
}

/// Where a column is said to hold numbers, signs, zeros in front and exponents are fine.
fn is_written_number(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) =
        text.split_once(['e', 'E']).map_or((text, None), |(own, exponent)| (own, Some(exponent)));
    let all = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, part) = mantissa.split_once('.').map_or((mantissa, None), |(whole, part)| (whole, Some(part)));
    all(whole) && part.is_none_or(all) && exponent.is_none_or(|own| all(own.strip_prefix(['-', '+']).unwrap_or(own)))
}
