//! Lines of CSV.

use super::Field;
use crate::{Row, Value};

pub(super) fn header(fields: &[Field], line: &mut Vec<u8>) {
    if fields.is_empty() {
        return;
    }
    for (at, field) in fields.iter().enumerate() {
        separate(at, line);
        text(&field.name, line);
    }
    line.extend_from_slice(b"\r\n");
}

pub(super) fn line(row: &Row, line: &mut Vec<u8>) {
    for (at, value) in row.iter().enumerate() {
        separate(at, line);
        match value {
            Value::Null | Value::Unfit(_) => {}
            Value::Boolean(truth) => line.extend_from_slice(if *truth { b"true" } else { b"false" }),
            Value::Number(own) | Value::Timestamp(own) => line.extend_from_slice(own.as_bytes()),
            Value::Text(own) => text(own, line),
            Value::Json(own) => text(&own.to_string(), line),
        }
    }
    line.extend_from_slice(b"\r\n");
}

fn separate(at: usize, line: &mut Vec<u8>) {
    if at > 0 {
        line.push(b',');
    }
}

/// A text in quotes where it needs them; one that is empty is told by them from no value.
fn text(text: &str, line: &mut Vec<u8>) {
    let is_plain = |byte: u8| !matches!(byte, b'"' | b',' | b'\n' | b'\r');
    let is_edge = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_whitespace());
    let bytes = text.as_bytes();
    if bytes.iter().copied().all(is_plain) && !is_edge(bytes.first().copied()) && !is_edge(bytes.last().copied()) {
        line.extend_from_slice(bytes);
        return;
    }
    line.push(b'"');
    for byte in bytes {
        if *byte == b'"' {
            line.push(b'"');
        }
        line.push(*byte);
    }
    line.push(b'"');
}
