//! The row of the rules of erasures. Version 1.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::base::codec;
use crate::base::error::Error;
use crate::config::workspace::ErasureRules;

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct ErasureRecord {
    waiting_events_max: Option<u64>,
}

/// Writes the row.
#[must_use]
pub fn encode_erasure(rules: ErasureRules) -> Bytes {
    codec::encode(VERSION, &ErasureRecord { waiting_events_max: rules.waiting_events_max })
}

/// Reads it.
///
/// # Errors
/// `Corrupt`.
pub fn decode_erasure(bytes: &[u8]) -> Result<ErasureRules, Error> {
    let ErasureRecord { waiting_events_max } = codec::decode(VERSION, bytes)?;
    Ok(ErasureRules { waiting_events_max })
}
