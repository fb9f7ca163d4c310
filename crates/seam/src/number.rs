//! Where a name is expected, a number is taken for it.

use std::fmt;

use serde::Deserializer;
use serde::de::{Deserialize as _, Error};
use serde_json::value::RawValue;
use tessera_engine::normalise::spelled_number;

/// Reads a text, or a number in its one spelling.
pub fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let json = <&RawValue>::deserialize(deserializer)?.get();
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).map_err(|_| D::Error::custom(Expected)),
        Some(b'-' | b'0'..=b'9') => Ok(spelled_number(json).into_owned()),
        _ => Err(D::Error::custom(Expected)),
    }
}

/// As [`name`], where it may be left out.
pub fn optional_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let json = <&RawValue>::deserialize(deserializer)?;
    if json.get() == "null" { Ok(None) } else { name(json).map(Some).map_err(D::Error::custom) }
}

/// Said in the form of serde's own messages, of which the part behind `expected` is shown.
struct Expected;

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid type, expected a text or a number")
    }
}
