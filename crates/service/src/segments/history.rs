//! What a profile has entered and left.

use hashbrown::HashMap;
use tessera_engine::model::Flags;
use tessera_engine::rules::SegmentId;
use tessera_engine::time::Timestamp;
use tessera_store::{Direction, Key, KeyRange, ScanLimit};

use super::{ROWS, check_limit};
use crate::base::codec::corrupt;
use crate::base::error::Error;
use crate::base::ids::WorkspaceId;
use crate::base::store_error::read_failed;
use crate::config::configured::Configured;
use crate::config::workspace::RuleKind;
use crate::directory::ListQuery;
use crate::read::query::Lookup;
use crate::stored::cursor::{self, Purpose};
use crate::stored::keys::Scope;
use crate::stored::layout::read_change_key;
use crate::stored::records::ruled::decode_change;
use crate::work::service::Service;
use crate::write::membership_changes;

/// That a profile came into a segment or left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipChange {
    /// The segment.
    pub segment: String,
    /// When.
    pub at: Timestamp,
    /// Whether it is a member from then on.
    pub is_inside: bool,
}

/// A page of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipChangePage {
    /// The changes, newest first.
    pub items: Vec<MembershipChange>,
    /// Where the next page begins; none on the last.
    pub next_cursor: Option<String>,
    /// On the last page: that there were older ones, which are no longer kept.
    pub older_let_go: bool,
}

impl Service {
    /// A page of what a profile has entered and left of the segments that are shown, newest first: of its newest 1,000 changes those that are
    /// not too old.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`; `Invalid` with `namespace_unknown`, `limit_invalid`, `cursor_invalid`.
    pub async fn membership_history(
        &self,
        workspace: WorkspaceId,
        lookup: &Lookup,
        query: &ListQuery,
        visibility: Flags,
    ) -> Result<MembershipChangePage, Error> {
        check_limit(query.limit)?;
        let configured = self.configured(workspace).await?;
        let found = self.finder(workspace, &configured.config).find(lookup).await?;
        let head = found.cluster.profile_id(found.node).unwrap_or(found.node);
        let scope = Scope::new(workspace);
        let (mut range, mut looked_at) = (Some(scope.membership_changes_of(head)), 0);
        if let Some(cursor) = query.cursor.as_deref() {
            let carried = self.cursors().open_sealed(workspace, Purpose::MembershipChanges, cursor)?;
            let (before, key) = carried.split_first_chunk::<2>().ok_or_else(cursor::invalid)?;
            let key = Key::new(key.to_vec());
            if read_change_key(&key).is_none_or(|(profile, _, _)| profile != head) {
                return Err(cursor::invalid());
            }
            looked_at = usize::from(u16::from_be_bytes(*before));
            range = Some(KeyRange { end: Some(key), ..scope.membership_changes_of(head) });
        }
        let since = membership_changes::since(self.now(), self.settings().turns_days_max);
        let names = names_shown(&configured);
        let (mut items, mut last) = (Vec::new(), None);
        while let Some(open) = range.take() {
            let page = self.store().scan(&open, ScanLimit::rows(ROWS), Direction::Backward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            for row in &page.rows {
                let (_, at, segment) = read_change_key(&row.key).ok_or_else(|| corrupt("key of a change"))?;
                // Behind the bounds nobody sees one that is still there, nor the row that says that some are not.
                if at < since || looked_at == membership_changes::KEPT_MAX {
                    return Ok(MembershipChangePage { items, next_cursor: None, older_let_go: true });
                }
                let name = names.get(&segment);
                let is_shown =
                    name.is_some_and(|name| !configured.flagged.is_hidden(RuleKind::Segment, name, visibility));
                if items.len() == query.limit && is_shown {
                    let cursor = |(looked_at, key): (u16, Key)| {
                        let carried = [&looked_at.to_be_bytes()[..], key.as_bytes()].concat();
                        self.cursors().seal(workspace, Purpose::MembershipChanges, &carried)
                    };
                    return Ok(MembershipChangePage { items, next_cursor: last.map(cursor), older_let_go: false });
                }
                looked_at += 1;
                if let Some(name) = name.filter(|_| is_shown) {
                    let is_inside = decode_change(&row.value)?;
                    items.push(MembershipChange { segment: (*name).to_owned(), at, is_inside });
                    let before = u16::try_from(looked_at).map_err(|_| corrupt("changes of a profile"))?;
                    last = Some((before, row.key.clone()));
                }
            }
            range = page.next;
        }
        Ok(MembershipChangePage { items, next_cursor: None, older_let_go: false })
    }
}

/// The names of live segments, by the numbers under which profiles have entered and left them.
fn names_shown(configured: &Configured) -> HashMap<SegmentId, &str> {
    let live = configured.stored.rules().of(RuleKind::Segment).values().filter_map(|rule| Some((rule, rule.live()?)));
    let numbers = live.flat_map(|(rule, live)| {
        rule.former.iter().copied().chain(live.segment).map(|number| (number, rule.name.as_str()))
    });
    numbers.collect()
}
