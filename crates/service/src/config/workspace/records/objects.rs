//! The row of what dialects keep. Version 1.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::base::codec;
use crate::base::error::Error;
use crate::config::workspace::Objects;

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct ObjectsRecord<'a> {
    /// Kind, name and JSON of each.
    #[serde(borrow)]
    objects: Vec<(&'a str, &'a str, &'a str)>,
}

/// Writes the row.
#[must_use]
pub fn encode_objects(objects: &Objects) -> Bytes {
    codec::encode(VERSION, &ObjectsRecord { objects: objects.all().collect() })
}

/// Reads it.
///
/// # Errors
/// `Corrupt`.
pub fn decode_objects(bytes: &[u8]) -> Result<Objects, Error> {
    let ObjectsRecord { objects: read } = codec::decode(VERSION, bytes)?;
    let mut objects = Objects::default();
    for (kind, name, json) in read {
        objects.put(kind, name, json);
    }
    Ok(objects)
}
