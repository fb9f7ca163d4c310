//! The text that the server writes for a value, read by its type.

use std::sync::Arc;

use serde_json::{Number, Value as Json};
use tokio_postgres::types::{Kind, Type};

use crate::{ColumnKind, Unfit, Value};

/// Elements of arrays within each other.
const DEPTH_MAX: usize = 16;

/// How the values of a column are read.
#[derive(Debug, Clone)]
pub(super) enum Reading {
    Boolean,
    Number,
    Text,
    /// A time with a zone.
    Timestamp,
    /// A date and time without one.
    Local,
    Json,
    Binary,
    List(Arc<Reading>),
}

impl Reading {
    /// That of a type.
    pub(super) fn of(own: &Type) -> Self {
        match own.kind() {
            Kind::Array(element) => return Self::List(Arc::new(Self::of(element))),
            Kind::Domain(below) => return Self::of(below),
            _ => {}
        }
        match *own {
            Type::BOOL => Self::Boolean,
            Type::INT2 | Type::INT4 | Type::INT8 | Type::OID | Type::NUMERIC | Type::FLOAT4 | Type::FLOAT8 => {
                Self::Number
            }
            Type::TIMESTAMPTZ => Self::Timestamp,
            Type::TIMESTAMP => Self::Local,
            Type::JSON | Type::JSONB => Self::Json,
            Type::BYTEA => Self::Binary,
            _ => Self::Text,
        }
    }

    /// The kind of such a column.
    pub(super) fn kind(&self) -> ColumnKind {
        match self {
            Self::Boolean => ColumnKind::Boolean,
            Self::Number => ColumnKind::Number,
            Self::Text | Self::Local => ColumnKind::Text,
            Self::Timestamp => ColumnKind::Timestamp,
            Self::Json | Self::List(_) => ColumnKind::Json,
            Self::Binary => ColumnKind::Binary,
        }
    }

    /// Reads a value.
    pub(super) fn value(&self, text: &str) -> Value {
        match self {
            Self::Boolean => Value::Boolean(text == "t"),
            Self::Number if is_infinite(text) || text == "NaN" => Value::Unfit(Unfit::NotFinite),
            Self::Number => Value::Number(text.to_owned()),
            Self::Text => Value::Text(text.to_owned()),
            Self::Timestamp | Self::Local if is_infinite(text) => Value::Unfit(Unfit::NotFinite),
            Self::Timestamp => match instant(text) {
                Some(at) => Value::Timestamp(at),
                None => Value::Unfit(Unfit::OutOfRange),
            },
            Self::Local if text.ends_with(" BC") => Value::Unfit(Unfit::OutOfRange),
            Self::Local => Value::Text(text.replacen(' ', "T", 1)),
            Self::Json => serde_json::from_str(text).map_or(Value::Unfit(Unfit::NotOfKind), Value::Json),
            Self::Binary => Value::Unfit(Unfit::Binary),
            Self::List(element) => match list(text, element) {
                Ok(list) => Value::Json(list),
                Err(unfit) => Value::Unfit(unfit),
            },
        }
    }
}

fn is_infinite(text: &str) -> bool {
    matches!(text, "Infinity" | "-Infinity" | "infinity" | "-infinity")
}

/// `2026-01-31 10:00:00.25+00` as `2026-01-31T10:00:00.25Z`.
fn instant(text: &str) -> Option<String> {
    let own = text.strip_suffix("+00")?.replacen(' ', "T", 1) + "Z";
    let at: jiff::Timestamp = own.parse().ok()?;
    Some(at.to_string())
}

/// An array, `{1,NULL,"a b",{2}}`, as JSON. Bounds that do not begin at 1 stand before it and count for nothing.
fn list(text: &str, element: &Reading) -> Result<Json, Unfit> {
    let text = if text.starts_with('[') { text.split_once('=').map_or(text, |(_, own)| own) } else { text };
    let mut parsing = Parsing { rest: text, element };
    let list = parsing.list(0)?;
    if parsing.rest.is_empty() { Ok(list) } else { Err(Unfit::NotOfKind) }
}

struct Parsing<'a> {
    rest: &'a str,
    element: &'a Reading,
}

impl Parsing<'_> {
    fn list(&mut self, depth: usize) -> Result<Json, Unfit> {
        if depth > DEPTH_MAX || !self.take('{') {
            return Err(Unfit::NotOfKind);
        }
        let mut items = Vec::new();
        if self.take('}') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.item(depth)?);
            if self.take('}') {
                return Ok(Json::Array(items));
            }
            if !self.take(',') {
                return Err(Unfit::NotOfKind);
            }
        }
    }

    fn item(&mut self, depth: usize) -> Result<Json, Unfit> {
        if self.rest.starts_with('{') {
            return self.list(depth + 1);
        }
        if self.take('"') {
            let text = self.quoted()?;
            return json_of(self.element.value(&text));
        }
        let end = self.rest.find([',', '}']).ok_or(Unfit::NotOfKind)?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        if text == "NULL" { Ok(Json::Null) } else { json_of(self.element.value(text)) }
    }

    fn quoted(&mut self) -> Result<String, Unfit> {
        let mut text = String::new();
        let mut letters = self.rest.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\\' => text.extend(letters.next().map(|(_, letter)| letter)),
                letter => text.push(letter),
            }
        }
        Err(Unfit::NotOfKind)
    }

    fn take(&mut self, letter: char) -> bool {
        match self.rest.strip_prefix(letter) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

fn json_of(value: Value) -> Result<Json, Unfit> {
    Ok(match value {
        Value::Null => Json::Null,
        Value::Boolean(truth) => Json::Bool(truth),
        Value::Number(digits) => Json::Number(digits.parse::<Number>().map_err(|_| Unfit::NotOfKind)?),
        Value::Text(text) | Value::Timestamp(text) => Json::String(text),
        Value::Json(json) => json,
        Value::Unfit(unfit) => return Err(unfit),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_read_as_what_it_says() {
        let check = |own: &Type, text: &str, expected: Value| {
            let found = Reading::of(own).value(text);
            assert!(found == expected, "{own} {text}: {}", matches!(found, Value::Unfit(_)));
        };
        let number = |text: &str| Value::Number(text.into());
        let plain = |text: &str| Value::Text(text.into());
        check(&Type::BOOL, "t", Value::Boolean(true));
        check(&Type::INT8, "-9223372036854775808", number("-9223372036854775808"));
        check(
            &Type::NUMERIC,
            "12345678901234567890123456789012345678",
            number("12345678901234567890123456789012345678"),
        );
        check(&Type::NUMERIC, "NaN", Value::Unfit(Unfit::NotFinite));
        check(&Type::FLOAT8, "-Infinity", Value::Unfit(Unfit::NotFinite));
        check(&Type::FLOAT8, "1e-07", number("1e-07"));
        check(&Type::TIMESTAMPTZ, "2026-01-31 10:00:00.25+00", Value::Timestamp("2026-01-31T10:00:00.25Z".into()));
        check(&Type::TIMESTAMPTZ, "infinity", Value::Unfit(Unfit::NotFinite));
        check(&Type::TIMESTAMPTZ, "0044-03-15 12:00:00+00 BC", Value::Unfit(Unfit::OutOfRange));
        check(&Type::TIMESTAMPTZ, "12026-01-31 10:00:00+00", Value::Unfit(Unfit::OutOfRange));
        check(&Type::TIMESTAMP, "2026-01-31 10:00:00", plain("2026-01-31T10:00:00"));
        check(&Type::DATE, "2026-01-31", plain("2026-01-31"));
        check(&Type::UUID, "00000000-0000-0000-0000-000000000001", plain("00000000-0000-0000-0000-000000000001"));
        check(&Type::BYTEA, "\\x00ff", Value::Unfit(Unfit::Binary));
        check(&Type::JSONB, "{\"a\": [1, null]}", Value::Json(serde_json::json!({"a": [1, null]})));
        let list = |json: Json| Value::Json(json);
        check(&Type::INT4_ARRAY, "{1,NULL,3}", list(serde_json::json!([1, null, 3])));
        check(&Type::INT4_ARRAY, "[0:1]={1,2}", list(serde_json::json!([1, 2])));
        check(&Type::INT4_ARRAY, "{{1},{2}}", list(serde_json::json!([[1], [2]])));
        check(
            &Type::TEXT_ARRAY,
            r#"{"a \"b\"","NULL",x,"{}"}"#,
            list(serde_json::json!(["a \"b\"", "NULL", "x", "{}"])),
        );
        check(&Type::TEXT_ARRAY, "{}", list(serde_json::json!([])));
        check(&Type::FLOAT8_ARRAY, "{1,NaN}", Value::Unfit(Unfit::NotFinite));
        for broken in ["", "{", "{a", "{\"a", "{a}}", "{a,}x"] {
            check(&Type::TEXT_ARRAY, broken, Value::Unfit(Unfit::NotOfKind));
        }
    }
}
