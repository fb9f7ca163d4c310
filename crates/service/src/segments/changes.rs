//! Who came into a segment and left it since somebody last asked, from the feed.

use tessera_engine::decide::Notice;
use tessera_engine::id::NodeId;
use tessera_engine::model::Flags;
use tessera_engine::rules::SegmentId;
use tessera_engine::time::Timestamp;
use tessera_store::{Seq, Shard};

use super::{called, check_limit};
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::store_error::read_failed;
use crate::config::configured::Configured;
use crate::directory::ListQuery;
use crate::read::find::Found;
use crate::stored::cursor::{self, Purpose};
use crate::work::service::Service;
use crate::write::feed;

/// Rows of the feed that one page looks at: those of other segments and workspaces are among them.
const LOOKED_AT_MAX: usize = 20_000;
/// Rows read in one go.
const ROWS: usize = 1_000;

/// What changed for a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberChangeKind {
    /// It is a member from then on.
    Entered,
    /// It is none from then on, or was merged into another.
    Left,
    /// It was erased, whether it was a member or not.
    Erased,
}

/// That a profile came into a segment, left it, or was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberChange {
    /// The id of the profile.
    pub id: String,
    /// What the profile is called now, as a read shows it; none where there is no profile of this id any more.
    pub profile_id: Option<String>,
    /// When: of a write the instant of its commit, of time alone the instant at which it came true.
    pub at: Timestamp,
    /// What changed.
    pub kind: MemberChangeKind,
}

/// What changed behind a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberChanges {
    /// In the order in which it was committed.
    pub changes: Vec<MemberChange>,
    /// Where to read on, now or later.
    pub next_cursor: String,
    /// Whether there is more to be read at once.
    pub has_more: bool,
}

impl Service {
    /// Who came into a segment and left it behind a cursor, in the order of the commits; without a cursor nothing, and where to begin.
    /// Profiles that were merged into others have left; of those that were erased everybody is told. A page ends with the row of the feed that reaches the limit, and so may
    /// have some more.
    ///
    /// # Errors
    /// `NotFound` with `segment_not_found`; `Invalid` with `limit_invalid`, `cursor_invalid`, and `cursor_too_old` where what came behind the cursor is
    /// no longer kept, or the segment is another version of its rule now; `Conflict` with `segment_not_live`.
    pub async fn segment_changes(
        &self,
        workspace: WorkspaceId,
        name: &str,
        query: &ListQuery,
        visibility: Flags,
    ) -> Result<MemberChanges, Error> {
        check_limit(query.limit)?;
        let configured = self.configured(workspace).await?;
        let Some(segment) = configured.segment(name, visibility)? else {
            let message = "the segment has no members yet: ask again once it is active";
            return Err(Error::new(ErrorKind::Conflict, "segment_not_live", message));
        };
        let mut position = match &query.cursor {
            Some(cursor) => self.changes_position(workspace, segment, cursor)?,
            None => {
                let next_cursor = self.changes_cursor(workspace, segment, self.end_of_feed().await?);
                return Ok(MemberChanges { changes: Vec::new(), next_cursor, has_more: false });
            }
        };
        let (mut found, mut looked_at, mut has_more) = (Vec::new(), 0, true);
        while found.len() < query.limit && looked_at < LOOKED_AT_MAX {
            let rows = feed::after(&**self.store(), Shard::ZERO, position, ROWS).await.map_err(too_old)?;
            if rows.is_empty() {
                has_more = false;
                break;
            }
            for (seq, row) in rows {
                position = seq;
                looked_at += 1;
                if row.workspace == workspace {
                    found.extend(row.notices.iter().filter_map(|notice| change_of(notice, segment, row.at)));
                }
                if found.len() >= query.limit {
                    break;
                }
            }
            tokio::task::yield_now().await;
        }
        let mut changes = Vec::with_capacity(found.len());
        for (profile, at, kind) in found {
            let profile_id = self.name_if_there(workspace, profile, &configured).await?;
            changes.push(MemberChange { id: profile.to_string(), profile_id, at, kind });
        }
        Ok(MemberChanges { changes, next_cursor: self.changes_cursor(workspace, segment, position), has_more })
    }

    /// The position of the newest row of the feed.
    async fn end_of_feed(&self) -> Result<Seq, Error> {
        let heads = self.store().heads().await.map_err(|error| read_failed(&error))?;
        Ok(heads.iter().find(|head| head.shard == Shard::ZERO).map_or(Seq(0), |head| head.last))
    }

    /// What a profile is called; none where its id is no profile's any more.
    async fn name_if_there(
        &self,
        workspace: WorkspaceId,
        profile: NodeId,
        configured: &Configured,
    ) -> Result<Option<String>, Error> {
        let found = self.finder(workspace, &configured.config).by_node(profile).await?;
        let Some(Found { cluster, node, .. }) = found else { return Ok(None) };
        if cluster.profile_id(node).unwrap_or(node) != profile {
            return Ok(None);
        }
        called(&cluster, node, &configured.config, configured.policy(None)?, self.now()).map(Some)
    }

    fn changes_cursor(&self, workspace: WorkspaceId, segment: SegmentId, position: Seq) -> String {
        let carried = [&segment.0.to_be_bytes()[..], &position.0.to_be_bytes()].concat();
        self.cursors().seal(workspace, Purpose::MemberChanges, &carried)
    }

    fn changes_position(&self, workspace: WorkspaceId, segment: SegmentId, cursor: &str) -> Result<Seq, Error> {
        let carried = self.cursors().open_sealed(workspace, Purpose::MemberChanges, cursor)?;
        let (of, position) = carried.split_first_chunk::<4>().ok_or_else(cursor::invalid)?;
        let position: [u8; 8] = position.try_into().map_err(|_| cursor::invalid())?;
        if *of != segment.0.to_be_bytes() {
            let message = "the segment has another rule than when this cursor was given: begin without a cursor, and list the members anew";
            return Err(Error::new(ErrorKind::Invalid, "cursor_too_old", message));
        }
        Ok(Seq(u64::from_be_bytes(position)))
    }
}

fn change_of(
    notice: &Notice,
    segment: SegmentId,
    committed: Timestamp,
) -> Option<(NodeId, Timestamp, MemberChangeKind)> {
    match notice {
        Notice::Membership { profile, segment: own, at, is_inside } if *own == segment => {
            Some((*profile, *at, if *is_inside { MemberChangeKind::Entered } else { MemberChangeKind::Left }))
        }
        Notice::ProfileErased(profile) => Some((*profile, committed, MemberChangeKind::Erased)),
        Notice::Membership { .. }
        | Notice::ProfileChanged(_)
        | Notice::ProfileMerged { .. }
        | Notice::IdentityMoved { .. } => None,
    }
}

/// A position of the feed is our own affair: whoever asks is told of the cursor.
fn too_old(error: Error) -> Error {
    if error.code != "feed_trimmed" {
        return error;
    }
    let message =
        "what changed behind this cursor is no longer kept: begin without a cursor, and list the members anew";
    Error::new(ErrorKind::Invalid, "cursor_too_old", message)
}
