//! Values in the text that `COPY` reads.

use serde_json::Value as Json;

use crate::Value;

/// What the text of a column's values is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The value itself.
    Plain,
    /// JSON, so that a text is in quotes.
    Json,
    /// An array: `{1,"a"}`.
    Array,
}

/// Writes a line: cells with tabs between them.
pub(super) fn line<'a>(cells: impl Iterator<Item = (&'a Value, Shape)>, out: &mut Vec<u8>) {
    for (at, (value, shape)) in cells.enumerate() {
        if at > 0 {
            out.push(b'\t');
        }
        match text(value, shape) {
            None => out.extend_from_slice(b"\\N"),
            Some(text) => escaped(&text, out),
        }
    }
    out.push(b'\n');
}

fn text(value: &Value, shape: Shape) -> Option<String> {
    Some(match (value, shape) {
        (Value::Null | Value::Unfit(_), _) => return None,
        (Value::Boolean(truth), _) => truth.to_string(),
        (Value::Number(own), _) => own.clone(),
        (Value::Text(own) | Value::Timestamp(own), Shape::Json) => json(&Json::String(own.clone())),
        (Value::Text(own) | Value::Timestamp(own), Shape::Plain | Shape::Array) => own.clone(),
        (Value::Json(Json::Array(items)), Shape::Array) => array(items),
        (Value::Json(own), _) => json(own),
    })
}

/// What stands for U+0000, which no type of PostgreSQL holds.
const NUL_INSTEAD: &str = "\u{fffd}";

/// JSON as PostgreSQL takes it.
fn json(own: &Json) -> String {
    let text = own.to_string();
    if text.contains("\\u0000") { without_nul(own).to_string() } else { text }
}

fn without_nul(own: &Json) -> Json {
    let clean = |text: &str| text.replace('\0', NUL_INSTEAD);
    match own {
        Json::String(text) => Json::String(clean(text)),
        Json::Array(items) => items.iter().map(without_nul).collect(),
        Json::Object(members) => {
            Json::Object(members.iter().map(|(name, value)| (clean(name), without_nul(value))).collect())
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => own.clone(),
    }
}

fn array(items: &[Json]) -> String {
    let item = |item: &Json| match item {
        Json::Null => "NULL".to_owned(),
        Json::Array(items) => array(items),
        Json::String(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        Json::Object(_) => format!("\"{}\"", item.to_string().replace('\\', "\\\\").replace('"', "\\\"")),
        Json::Bool(_) | Json::Number(_) => item.to_string(),
    };
    format!("{{{}}}", items.iter().map(item).collect::<Vec<_>>().join(","))
}

fn escaped(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            0 => out.extend_from_slice(NUL_INSTEAD.as_bytes()),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            byte => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_value_has_one_line() {
        let check = |value: Value, shape: Shape, expected: &str| {
            let mut out = Vec::new();
            line([(&value, shape), (&Value::Null, Shape::Plain)].into_iter(), &mut out);
            assert_eq!(String::from_utf8(out).expect("text"), format!("{expected}\t\\N\n"));
        };
        let own = |text: &str| Value::Text(text.into());
        check(own("a"), Shape::Plain, "a");
        check(own(""), Shape::Plain, "");
        check(own("\\N"), Shape::Plain, "\\\\N");
        check(own("a\tb\nc\rd\\e"), Shape::Plain, "a\\tb\\nc\\rd\\\\e");
        check(own("a"), Shape::Json, "\"a\"");
        // Anybody may send U+0000, which PostgreSQL has no place for.
        check(own("a\0b"), Shape::Plain, "a\u{fffd}b");
        check(own("a\0b"), Shape::Json, "\"a\u{fffd}b\"");
        check(
            Value::Json(json!({"a\0": ["\0", "\\u0000"]})),
            Shape::Plain,
            "{\"a\u{fffd}\":[\"\u{fffd}\",\"\\\\\\\\u0000\"]}",
        );
        check(Value::Json(json!(["a\0"])), Shape::Array, "{\"a\u{fffd}\"}");
        check(Value::Number("1.50".into()), Shape::Json, "1.50");
        check(Value::Boolean(true), Shape::Plain, "true");
        check(Value::Json(json!({"a": "b\n"})), Shape::Plain, "{\"a\":\"b\\\\n\"}");
        check(Value::Json(json!(["a", "b \"c\"", null, 1])), Shape::Array, "{\"a\",\"b \\\\\"c\\\\\"\",NULL,1}");
        check(Value::Json(json!(["a"])), Shape::Json, "[\"a\"]");
    }
}
