//! Rows that the rules keep beside the root records: members of segments, how many they are, who came and went, and timers. Version 1, of the
//! counts 2: those of version 1 knew nobody of whom rules see only a part.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::time::Timestamp;

use super::value::time;
use crate::base::codec;
use crate::base::error::Error;

const VERSION: u8 = 1;
const VERSION_COUNTS: u8 = 2;

/// The row of a timer: its key says all.
pub(crate) const TIMER: &[u8] = &[VERSION];

/// How many members a segment has, and for how many profiles its last evaluation gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MemberCounts {
    /// Members.
    pub members: u64,
    /// Profiles whose last answer stays because the rule holds more values than it may for them.
    pub overflowed: u64,
    /// Profiles whose last answer stays because the rule took more steps than it may for them.
    pub over_budget: u64,
    /// Profiles whose last answer stays because the rule would rest on fewer events than it speaks of for them.
    pub truncated: u64,
}

/// The same in version 1.
#[derive(Deserialize)]
struct OldMemberCounts {
    members: u64,
    overflowed: u64,
    over_budget: u64,
}

/// Writes the row of a member.
pub(crate) fn encode_member(entered: Timestamp) -> Bytes {
    codec::encode(VERSION, &entered.micros())
}

/// Reads since when a profile is a member.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn decode_member(bytes: &[u8]) -> Result<Timestamp, Error> {
    time(codec::decode(VERSION, bytes)?)
}

/// Writes the counts of a segment.
pub(crate) fn encode_counts(counts: &MemberCounts) -> Bytes {
    codec::encode(VERSION_COUNTS, counts)
}

/// Reads the counts of a segment.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn decode_counts(bytes: &[u8]) -> Result<MemberCounts, Error> {
    if bytes.first() == Some(&VERSION) {
        let OldMemberCounts { members, overflowed, over_budget } = codec::decode(VERSION, bytes)?;
        return Ok(MemberCounts { members, overflowed, over_budget, truncated: 0 });
    }
    codec::decode(VERSION_COUNTS, bytes)
}

/// The row that says that older membership changes of a profile were let go: its key says all.
pub(crate) const LET_GO: &[u8] = &[VERSION];

/// Writes that a profile came or went.
pub(crate) fn encode_change(is_inside: bool) -> Bytes {
    codec::encode(VERSION, &is_inside)
}

/// Reads whether a profile came or went.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn decode_change(bytes: &[u8]) -> Result<bool, Error> {
    codec::decode(VERSION, bytes)
}
