//! JSON as deep as events may be.

use serde::Deserialize as _;
use serde_json::Value as Json;

use super::DEPTH_MAX;

/// Objects and arrays that we lay around an event where we keep it.
const AROUND: usize = 8;

/// Reads JSON. What lies deeper than any event may, with what we lay around one, is not read; serde's own bound of 128 is below
/// that, and without a bound reading would use up the stack.
///
/// # Errors
/// `None` for what is no JSON, for text that is not Unicode, and for what lies too deep.
#[must_use]
pub fn parse(json: &[u8]) -> Option<Json> {
    if depth(json) > DEPTH_MAX + AROUND {
        return None;
    }
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    deserializer.disable_recursion_limit();
    let value = Json::deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(value)
}

/// How deep objects and arrays lie in each other; in what is no JSON, at least as deep as reading it gets.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => skip_text(&mut bytes),
            _ => {}
        }
    }
    deepest
}

fn skip_text(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}
