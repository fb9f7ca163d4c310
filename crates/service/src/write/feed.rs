//! The change feed: one row for each mini-transaction that changed a profile. Version 2; version 1 is the same without memberships.
//!
//! It is kept within bounds of age and bytes ([`FeedBounds`]). Whoever reads on at a position that was let go of is told so ([`after`]).

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::decide::Notice;
use tessera_engine::id::NodeId;
use tessera_engine::rules::SegmentId;
use tessera_engine::time::Timestamp;
use tessera_store::{Seq, Shard, Store};

use crate::base::codec;
use crate::base::error::Error;
use crate::base::ids::WorkspaceId;
use crate::base::store_error::read_failed;

pub(crate) mod trim;

pub use crate::base::settings::FeedBounds;

/// Bytes of one notice, and its part of the head of its row: rather many.
pub(crate) const NOTICE_BYTES: usize = 48;
const VERSION: u8 = 2;
const VERSION_BARE: u8 = 1;

/// What one mini-transaction changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Where.
    pub workspace: WorkspaceId,
    /// When, by the workspace's clock.
    pub at: Timestamp,
    /// What.
    pub notices: Vec<Notice>,
}

#[derive(Serialize, Deserialize)]
struct FeedRecord {
    workspace: u32,
    at: i64,
    notices: Vec<NoticeRecord>,
}

#[derive(Serialize, Deserialize)]
enum NoticeRecord {
    ProfileChanged([u8; 12]),
    ProfileMerged { from: [u8; 12], into: [u8; 12] },
    IdentityMoved { node: [u8; 12], from: [u8; 12], into: [u8; 12] },
    ProfileErased([u8; 12]),
    Membership { profile: [u8; 12], segment: u32, at: i64, is_inside: bool },
}

/// What was changed behind a position of a shard, in order: at most `max` rows, none where nothing came since. The position before the
/// first row ever is 0.
///
/// # Errors
/// `NotFound` with `feed_trimmed` where rows behind this position are no longer kept; what the store answers; `Corrupt`.
pub async fn after(store: &dyn Store, shard: Shard, position: Seq, max: usize) -> Result<Vec<(Seq, Changed)>, Error> {
    let rows = store.log(shard, position, max).await.map_err(|error| read_failed(&error))?;
    rows.into_iter().map(|row| Ok((row.seq, decode(&row.payload)?))).collect()
}

/// Writes a row of the feed.
#[must_use]
pub fn encode(workspace: WorkspaceId, at: Timestamp, notices: &[Notice]) -> Bytes {
    let mut notices: Vec<&Notice> = notices.iter().collect();
    notices.sort();
    notices.dedup();
    let notices = notices.into_iter().map(write).collect();
    codec::encode(VERSION, &FeedRecord { workspace: workspace.number(), at: at.micros(), notices })
}

/// Reads a row of the feed.
///
/// # Errors
/// `Corrupt`.
pub fn decode(bytes: &[u8]) -> Result<Changed, Error> {
    let version = if bytes.first() == Some(&VERSION_BARE) { VERSION_BARE } else { VERSION };
    let record: FeedRecord = codec::decode(version, bytes)?;
    let at = codec::instant(record.at)?;
    let notices = record.notices.into_iter().map(read).collect::<Result<_, _>>()?;
    Ok(Changed { workspace: WorkspaceId::new(record.workspace), at, notices })
}

fn write(notice: &Notice) -> NoticeRecord {
    let bytes = |id: &NodeId| *id.as_bytes();
    match notice {
        Notice::ProfileChanged(id) => NoticeRecord::ProfileChanged(bytes(id)),
        Notice::ProfileMerged { from, into } => NoticeRecord::ProfileMerged { from: bytes(from), into: bytes(into) },
        Notice::IdentityMoved { node, from, into } => {
            NoticeRecord::IdentityMoved { node: bytes(node), from: bytes(from), into: bytes(into) }
        }
        Notice::ProfileErased(id) => NoticeRecord::ProfileErased(bytes(id)),
        Notice::Membership { profile, segment, at, is_inside } => NoticeRecord::Membership {
            profile: bytes(profile),
            segment: segment.0,
            at: at.micros(),
            is_inside: *is_inside,
        },
    }
}

fn read(record: NoticeRecord) -> Result<Notice, Error> {
    let id = NodeId::from_bytes;
    Ok(match record {
        NoticeRecord::ProfileChanged(profile) => Notice::ProfileChanged(id(profile)),
        NoticeRecord::ProfileMerged { from, into } => Notice::ProfileMerged { from: id(from), into: id(into) },
        NoticeRecord::IdentityMoved { node, from, into } => {
            Notice::IdentityMoved { node: id(node), from: id(from), into: id(into) }
        }
        NoticeRecord::ProfileErased(profile) => Notice::ProfileErased(id(profile)),
        NoticeRecord::Membership { profile, segment, at, is_inside } => {
            Notice::Membership { profile: id(profile), segment: SegmentId(segment), at: codec::instant(at)?, is_inside }
        }
    })
}
