//! Compact JSON text, written straight from values.

use std::io::Write as _;

use tessera_engine::value::{Decimal, Tree, Value};

use crate::base::clock::write_timestamp;

/// Appends a tree: nodes as objects in the order of their names.
pub fn write_tree(tree: &Tree, out: &mut Vec<u8>) {
    match tree {
        Tree::Leaf(value) => write_value(value, out),
        Tree::Node(children) => write_members(children, out, write_tree),
    }
}

/// Appends a value: numbers in their one notation, instants as text in ISO 8601, sets as arrays.
pub fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => write_number(*number, out),
        Value::Text(text) => write_text(text, out),
        Value::Timestamp(timestamp) => {
            out.push(b'"');
            write_timestamp(*timestamp, out);
            out.push(b'"');
        }
        Value::List(items) | Value::Set(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_value(item, out);
            }
            out.push(b']');
        }
        Value::Object(members) => write_members(members.iter().map(|(name, value)| (name, value)), out, write_value),
    }
}

/// Appends a text in quotes, escaped as JSON requires and no further.
pub fn write_text(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            0..=0x1f => b'u',
            _ => continue,
        };
        out.extend_from_slice(&bytes[written..at]);
        out.extend_from_slice(&[b'\\', short]);
        if short == b'u' {
            out.extend_from_slice(&[b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        written = at + 1;
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

fn write_members<'a, T: 'a>(
    members: impl IntoIterator<Item = (&'a std::sync::Arc<str>, &'a T)>,
    out: &mut Vec<u8>,
    write: fn(&T, &mut Vec<u8>),
) {
    out.push(b'{');
    for (at, (name, member)) in members.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_text(name, out);
        out.push(b':');
        write(member, out);
    }
    out.push(b'}');
}

fn write_number(number: Decimal, out: &mut Vec<u8>) {
    write!(out, "{number}").expect("writing to memory does not fail");
}
